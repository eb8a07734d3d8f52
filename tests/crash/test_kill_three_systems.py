"""Three systems under one spec are killed everywhere: documents, their states, people and price lists."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.crash.conftest import Played
from tests.crash.matrix import KINDS, crash, distinct, matters, points
from tests.crash.trio_story import STEPS, TRIO_STORY
from tests.support.effort import LONG
from tests.support.tally import Tally

_STEPS = [step.name for step in STEPS]
#: Of each kind, one point is played in every run, always the same one: the kinds in turn in each step.
_SHARE = [(kind, _STEPS[place % len(_STEPS)]) for place, kind in enumerate(KINDS)]
_ALL = [(kind, step) for kind in KINDS if kind != "before" for step in _STEPS]


@pytest.mark.parametrize(("kind", "step"), _ALL if LONG else _SHARE)
def test_the_next_passes_set_right_what_a_crash_left_in_three_systems(
    played: Callable[..., Played], tally: Tally, step: str, kind: str
) -> None:
    scene = played("sqlite", TRIO_STORY)
    truth = scene.truth(step)
    chosen = points(truth, kind)
    if LONG:
        chosen = distinct(chosen)
    else:
        chosen = random.Random(f"{step} {kind}").sample([point for point in chosen if matters(point)], 1)
    missed = [point for point in chosen if not crash(scene.theatre, truth, point)]
    tally(KINDS[kind], len(chosen) - len(missed))
    tally("kill points of three systems", len(chosen) - len(missed))
    tally("points that did not come up again", len(missed))
    assert len(missed) <= max(1, len(chosen) // 5), [str(point) for point in missed]


def test_the_story_of_three_systems_takes_every_kind_of_write(played: Callable[..., Played]) -> None:
    """What is killed must be worth it."""
    scene = played("sqlite", TRIO_STORY)
    for step in _STEPS:
        told = [tuple(text.split()[:2]) for text in scene.truth(step).story.elements()]
    done = {(event, system) for event in ("created", "updated") for system in ("crm", "billing", "ledger")}
    ends = {("voided", "billing"), ("voided", "ledger"), ("archived", "billing"), ("archived", "ledger")}
    ends |= {("deleted", "billing")}
    assert set(told) >= done | ends
    assert not {event for event, _ in told} & {"refused", "dead"}
