"""SIGTERM ends a pass within seconds, whatever it is waiting for, and leaves it as any crash does: whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest
from tests.crash.conftest import Played
from tests.crash.matrix import Label, recover_and_check
from tests.crash.theatre import Theatre
from tests.support.tally import Tally

from syncline.connect.sandbox import Reply, Request
from syncline.connect.sandbox.faults import Fault, FaultKind

#: What a pass is waiting for when it is told to end: the request that its remote holds back.
MOMENTS: dict[str, tuple[str, Label]] = {
    "while both ends are read": ("meet", ("crm", "POST", "/crm/v8/coql")),
    "while one end is read": ("meet", ("books", "GET", "/api.xro/2.0/Invoices")),
    "while records are created": ("meet", ("books", "PUT", "/api.xro/2.0/Contacts")),
    "while records are changed": ("edit", ("crm", "PUT", "/crm/v8/Accounts")),
    "while a sign-in is renewed": ("edit", ("books", "POST", "/connect/token")),
    "while the remote says who it is": ("meet", ("crm", "GET", "/crm/v8/org")),
    "while a record is deleted": ("leave", ("crm", "DELETE", "/crm/v8/Accounts")),
}
#: The promise; a machine that is busy with other things is given some more.
WITHIN_S = 5.0


def hold(theatre: Theatre, label: Label) -> tuple[threading.Event, threading.Event]:
    """Hold back the answer to the first such request. Returns what is set when it came, and what lets go."""
    system, method, path = label
    server = theatre.systems[system].server
    process, came, go_on = server._process, threading.Event(), threading.Event()

    def held(request: Request, fault: Fault | None) -> Reply:
        reply = process(request, fault)
        if (request.method, request.path) == (method, path) and not came.is_set():
            came.set()
            go_on.wait(60)
        return reply

    server._process = held  # type: ignore[method-assign]
    return came, go_on


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_pass_that_is_told_to_end_ends_cleanly(
    played: Callable[[str], Played], tally: Tally, moment: str
) -> None:
    step, label = MOMENTS[moment]
    scene = played("sqlite")
    truth, theatre = scene.truth(step), scene.theatre
    theatre.restore(truth.start)
    came, go_on = hold(theatre, label)
    try:
        child = theatre.start("sync")
        assert came.wait(30), child.said
        told_at = time.monotonic()
        child.signal(signal.SIGTERM)
        code = child.wait(60)
        took = time.monotonic() - told_at
    finally:
        go_on.set()
        del theatre.systems[label[0]].server._process
    assert code == 1, child.said
    assert "interrupted; what was sent is in the journal" in child.said
    assert "Traceback" not in child.said
    assert took < WITHIN_S, f"took {took:.1f} s"
    with theatre.database() as database:
        from syncline.store.lease import Leases

        for module in ("accounts", "products", "invoices"):
            assert Leases(database).holder(f"acme:{module}") is None
    recover_and_check(theatre, truth, moment)
    tally("moments of SIGTERM")


def test_a_pass_that_waits_to_try_again_ends_cleanly(played: Callable[[str], Played], tally: Tally) -> None:
    scene = played("sqlite")
    truth, theatre = scene.truth("meet"), scene.theatre
    theatre.restore(truth.start)
    fault = Fault(kind=FaultKind.STATUS, status=503, times=1000, headers={"Retry-After": "60"})
    theatre.books.sandbox.faults.arm(fault)
    theatre.books.server.reset_counts()
    child = theatre.start("sync")
    deadline = time.monotonic() + 30
    while not theatre.books.requests() and time.monotonic() < deadline:
        time.sleep(0.01)
    told_at = time.monotonic()
    child.signal(signal.SIGTERM)
    assert child.wait(90) == 1, child.said
    assert time.monotonic() - told_at < WITHIN_S
    assert "interrupted" in child.said
    theatre.books.sandbox.faults.clear()
    recover_and_check(theatre, truth, "while it waited to try again")
    tally("moments of SIGTERM")
