"""A pass is killed at every request and every commit; the next one sets everything right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.crash.conftest import Played
from tests.crash.matrix import KINDS, Point, crash, points, share
from tests.crash.scenario import STEPS
from tests.support.effort import LONG
from tests.support.tally import Tally

#: What differs on PostgreSQL is the commits; it gets a share of them.
_ON_POSTGRESQL = ("before", "after")
#: Every fourth of those points, or every eighth, for the time that a run may take.
_SQLITE, _POSTGRESQL = slice(None, None, 4), slice(None, None, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_the_next_pass_sets_right_what_a_crash_left(
    played: Callable[[str], Played], tally: Tally, step: str, kind: str
) -> None:
    scene = played("sqlite")
    truths = [scene.truth(one.name) for one in STEPS]
    truth = scene.truth(step)
    chosen = points(truth, kind) if LONG else share(truth, kind, truths)[_SQLITE]
    missed = [point for point in chosen if not crash(scene.theatre, truth, point)]
    tally(KINDS[kind], len(chosen) - len(missed))
    tally("kill points", len(chosen) - len(missed))
    tally("points that did not come up again", len(missed))
    assert len(missed) <= max(2, len(chosen) // 5), [str(point) for point in missed]


@pytest.mark.parametrize("kind", _ON_POSTGRESQL)
@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_the_same_on_postgresql(played: Callable[[str], Played], tally: Tally, step: str, kind: str) -> None:
    scene = played("postgresql")
    truths = [scene.truth(one.name) for one in STEPS]
    truth = scene.truth(step)
    chosen = share(truth, kind, truths)
    for point in chosen if LONG else chosen[_POSTGRESQL]:
        if crash(scene.theatre, truth, point):
            tally("kill points")
            tally(f"{KINDS[kind]}, on PostgreSQL")
        else:
            tally("points that did not come up again")


#: One point for each of the promises that a crash is most likely to break; all of the first step.
MOMENTS = {
    "a create has been carried out": Point("unanswered", ("crm", "POST", "/crm/v8/Accounts"), 1),
    "a page has been staged": Point("after", "run/reading:stage < run/reading:read_end", 1),
    "an outcome has been written down": Point("after", "run/settling:settle < run/writing:_write_batch", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_pass_killed_when(played: Callable[[str], Played], tally: Tally, moment: str) -> None:
    scene = played("sqlite")
    assert crash(scene.theatre, scene.truth("meet"), MOMENTS[moment]), "it is not reached"
    tally("kill points")


def test_the_scenario_takes_every_way_through_a_pass(played: Callable[[str], Played]) -> None:
    """What is killed must be worth it: every kind of write in every module, and every site of a commit."""
    scene = played("sqlite")
    truths = [scene.truth(step.name) for step in STEPS]
    told = [tuple(text.split()[:2]) for text in truths[-1].story.elements()]
    for event in ("created", "updated"):
        assert (event, "crm") in told
        assert (event, "books") in told
    assert {("archived", "books"), ("deleted", "books"), ("deleted", "crm")} <= set(told)
    assert [event for event, _ in told].count("linked") == 6
    assert [event for event, _ in told].count("refused") == 2
    asked = {label for truth in truths for label, _ in truth.requests}
    assert {("crm", "POST", "/oauth/v2/token"), ("books", "POST", "/connect/token")} <= asked
    sites = {site.split(" < ")[0] for truth in truths for site, _ in truth.commits}
    assert sites >= {
        "run/sync:recorded_pass",
        "run/workspace:_scope",
        "run/passes:_start",
        "run/reading:stage",
        "run/reconciling:reconcile",
        "run/recovering:recover",
        "run/writing:_write_batch",
        "run/settling:settle",
        "store/calls:locked",
        "store/calls:settle",
        "store/lease:acquire",
        "store/lease:release",
        "store/lease:renew",
        "store/vault:_update",
    }
