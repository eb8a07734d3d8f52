"""A process that stands still until its lease has passed on writes nothing any more, anywhere."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.crash.conftest import Played
from tests.crash.matrix import EVERY, Label, Truth, listen, recover_and_check
from tests.crash.theatre import Theatre
from tests.crash.zygote import Child
from tests.support.effort import LONG
from tests.support.tally import Tally

from syncline.connect.sandbox import Request

#: How long a lease lasts here, so that nobody has to wait for a minute.
LEASE_S = 2.0
_WRITE = "run/writing:_write_batch < run/writing:write_planned"
_RECONCILED = "run/reconciling:reconcile < run/passes:reconcile_scope"

#: Where it stops: the step, the commit after which it does (of which site, the how-manieth).
PLACES: dict[str, tuple[str, tuple[str, int]]] = {
    "before the first create is sent": ("meet", (_WRITE, 1)),
    "before records are created at the other end": ("meet", (_WRITE, 2)),
    "before records are changed": ("edit", (_WRITE, 2)),
    "before records are deleted": ("leave", (_WRITE, 3)),
    "after a page is staged": ("meet", ("run/reading:stage < run/reading:read_end", 2)),
    "after its decisions are journalled": ("edit", (_RECONCILED, 4)),
    "after an outcome is written down": ("meet", ("run/settling:settle < run/writing:_write_batch", 1)),
    "before it asks for room for a call": ("meet", ("store/calls:locked < connect/budget:_try", 12)),
}
_SHARE = [*list(PLACES)[:4], "after its decisions are journalled"]


def wait_for(what: Callable[[], Any], child: Child) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, child.said
        time.sleep(0.02)


def pass_the_lease_on(theatre: Theatre, frozen: Child) -> None:
    """Another process works as soon as it can, and once more when nothing can be under way any longer."""
    theatre.wait_for_leases()
    for later in (timedelta(), EVERY):
        theatre.later(later)
        other = theatre.start("sync", lease_s=LEASE_S)
        assert other.wait() in (0, 1, 4), other.said
        assert "another process" not in other.said, other.said


def thaw(theatre: Theatre, truth: Truth, frozen: Child, where: str) -> None:
    """Let it run on: it may read what it likes, and ends without having written anything."""
    theatre.forget_requests()
    names = theatre.names()
    before = [theatre.holdings(names), theatre.memory(names), theatre.audit(), theatre.open_entries()]
    frozen.signal(signal.SIGCONT)
    assert frozen.wait() == 1, frozen.said
    assert theatre.writes() == 0, f"{where}: it still wrote to a remote\n{frozen.said}"
    # PostgreSQL breaks off what stands still within a transaction: others wait for its locks.
    assert "another process has taken over" in frozen.said or "stood still for so long" in frozen.said
    after = [theatre.holdings(names), theatre.memory(names), theatre.audit(), theatre.open_entries()]
    assert after == before, f"{where}: it still wrote to the state"
    recover_and_check(theatre, truth, where, later=timedelta())


@pytest.mark.parametrize("place", list(PLACES) if LONG else _SHARE)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_process_that_thaws_too_late_writes_nothing(
    played: Callable[[str], Played], tally: Tally, database: str, place: str
) -> None:
    if database == "postgresql" and not LONG and place != _SHARE[0]:
        return  # one place shows that the database's own clock and locks do it there, too
    step, freeze = PLACES[place]
    scene = played(database)
    truth, theatre = scene.truth(step), scene.theatre
    theatre.restore(truth.start)
    frozen = theatre.start("sync", lease_s=LEASE_S, freeze=freeze)
    wait_for(frozen.stopped, frozen)
    pass_the_lease_on(theatre, frozen)
    thaw(theatre, truth, frozen, place)
    tally("frozen processes")


@pytest.mark.parametrize(
    ("step", "label"),
    [("meet", ("crm", "POST", "/crm/v8/Accounts")), ("edit", ("books", "POST", "/api.xro/2.0/Contacts"))],
    ids=["a create", "an update"],
)
def test_who_stood_still_over_an_answer_does_not_write_it_down(
    played: Callable[[str], Played], tally: Tally, step: str, label: Label
) -> None:
    scene = played("sqlite")
    truth, theatre = scene.truth(step), scene.theatre
    theatre.restore(truth.start)
    started, done = threading.Event(), threading.Event()

    def stop(heard: Label, request: Request) -> None:
        if heard == label and not done.is_set():
            started.wait(10)
            os.kill(frozen.pid, signal.SIGSTOP)
            done.set()

    listen(theatre, stop)
    frozen = theatre.start("sync", lease_s=LEASE_S)
    started.set()
    wait_for(done.is_set, frozen)
    pass_the_lease_on(theatre, frozen)
    thaw(theatre, truth, frozen, f"answer to {label}")
    tally("frozen processes")


@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
@pytest.mark.parametrize(
    "label", [("crm", "POST", "/crm/v8/Accounts"), ("books", "PUT", "/api.xro/2.0/Contacts")]
)
def test_a_clock_that_was_wrong_when_the_process_died_makes_no_duplicate(
    played: Callable[[str], Played], tally: Tally, label: Label, wrong: timedelta
) -> None:
    """The machine's clock is set right between the kill and the next pass."""
    scene = played("sqlite")
    truth, theatre = scene.truth("meet"), scene.theatre
    theatre.restore(truth.start)
    started, done = threading.Event(), threading.Event()

    def kill(heard: Label, request: Request) -> None:
        if heard == label and not done.is_set():
            started.wait(10)
            os.kill(child.pid, signal.SIGKILL)
            done.set()

    listen(theatre, kill)
    child = theatre.start("sync", wrong_s=wrong.total_seconds())
    started.set()
    assert child.wait() == -signal.SIGKILL, child.said
    recover_and_check(theatre, truth, f"killed over {label} with its clock {wrong} wrong")
    tally("clocks that jump")
