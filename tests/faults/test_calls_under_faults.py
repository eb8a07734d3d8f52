"""Each call of each connector under each fault: what the user is told, what is repeated, and that nothing is
lost or doubled once the fault has passed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from msgspec.structs import replace
from tests.faults.calls import CALLS, Call, run
from tests.faults.checks import converge, in_step, told_by
from tests.faults.conftest import Theatre
from tests.faults.table import ALWAYS, EXCHANGE_S, ROWS, SILENCE_S, Case, Waits, all_cases
from tests.support.effort import LONG
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Fault, FaultKind, Reply, Request


def _share(each: int = 2) -> list[Case]:
    """So many cases of each fault, for a short run: of the calls and kinds that had the fewest so far."""
    used: Counter[object] = Counter()
    chosen: list[Case] = []
    for row in ROWS:
        cases = all_cases(rows=[row])
        for _ in range(min(each, len(cases))):
            rarest = min(cases, key=lambda c: (used[c.call.id], used[c.call.kind, c.always]))
            cases.remove(rarest)
            used.update((rarest.call.id, (rarest.call.kind, rarest.always)))
            chosen.append(rarest)
    return chosen


TRIED = all_cases() if LONG else _share()


@pytest.mark.parametrize(
    ("theatre", "case"), [pytest.param(case.call, case, id=case.id) for case in TRIED], indirect=["theatre"]
)
def test_a_fault_is_told_and_nothing_is_lost(
    theatre: Theatre, case: Case, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence_s = SILENCE_S if case.row.slow else 30.0  # a slow machine must not look like a slow remote
    monkeypatch.setattr("syncline.connect.http.SILENCE_S", silence_s)
    monkeypatch.setattr("syncline.connect.oauth.SILENCE_S", silence_s)
    if case.row.id == "drip":
        monkeypatch.setattr("syncline.connect.http.MAX_EXCHANGE_S", EXCHANGE_S)
    stage = theatre.stage()
    try:
        _play(stage, theatre, case)
    except BaseException:
        theatre.discard()
        raise
    tally("faults at a call")


def test_a_short_run_meets_every_call_and_every_fault() -> None:
    assert {case.call.id for case in TRIED} == {call.id for call in CALLS}
    assert {case.row.id for case in TRIED} == {row.id for row in ROWS}


def _play(stage: Stage, theatre: Theatre, case: Case) -> None:
    call, fate = case.call, case.fate
    with call.patched():
        if case.row.id == "refused":
            done = _run_while_nobody_listens(stage, theatre, case)
            hits = None
        else:
            done, hits = _run_with_fault(stage, theatre, case)
    told, agreed = told_by(done), in_step(stage, call)
    if told:
        assert re.search(fate.says, told, re.DOTALL), told
    else:
        assert agreed, "it says nothing, and the systems are not in step"
    if fate.hits is None:
        if hits is not None:
            assert hits == 1 or case.always, hits
    else:
        most = fate.hits if case.always else 1
        assert hits == most, f"{hits} requests instead of {most}: {done}"
        assert bool(told) == (fate.once_told or (case.always and not fate.silent)), done
    if fate.waits:
        waits = fate.waits if case.always else fate.waits[:1]
        # Of several modules the next one goes on where one has failed, and waits for itself.
        _assert_waited(stage.slept[: len(waits)] if call.module == "ledgers" else stage.slept, waits)
    if case.row.id == "revoked":
        _connect_again(stage, call)
    converge(stage, call)


# --- the fault -----------------------------------------------------------------------------------------


def _run_with_fault(stage: Stage, theatre: Theatre, case: Case) -> tuple[Done, int]:
    """The verb with the fault at its call, and how many requests that has hit."""
    call, faults = case.call, stage.systems[case.call.system].sandbox.faults
    call.stir(stage, theatre.case())
    for fault in (*call.first, *_faults(case)):
        faults.arm(fault)
    before = _times(call, faults.armed())
    stage.slept.clear()
    try:
        done = run(stage, call)
        left = _times(call, faults.armed())
    finally:
        faults.clear()
    return done, before - left


def _times(call: Call, faults: Iterable[Fault]) -> int:
    """How many requests of a call are still to be hit."""
    return sum(f.times for f in faults if (f.method, f.path) == (call.method, call.path))


def _faults(case: Case) -> Iterator[Fault]:
    call = case.call
    times = ALWAYS if case.always else 1
    here = {"method": call.method, "path": call.path, "skip": call.skip, "times": times}
    if case.row.fault is not None:
        yield replace(case.row.fault, **here)  # type: ignore[arg-type]
        return
    dead = {
        "crm": (200, "invalid_code", "/oauth/v2/token$"),
        "books": (400, "invalid_grant", "/connect/token$"),
    }
    dead["billing"] = dead["crm"]
    status, code, path = dead[call.system]
    if call.name not in ("sign-in", "refresh"):
        yield replace(Fault(kind=FaultKind.REMOTE, name="token-expired"), **here)  # type: ignore[arg-type]
    yield Fault(kind=FaultKind.STATUS, status=status, method="POST", path=path, body=f'{{"error":"{code}"}}')


@contextmanager
def _heard(stage: Stage, call: Call) -> Iterator[list[tuple[str, str, str]]]:
    """The requests that the system of a call has processed: method, template of the path, path."""
    server = stage.systems[call.system].server
    seen: list[tuple[str, str, str]] = []

    def listen(template: str, request: Request, reply: Reply) -> None:
        seen.append((request.method, template, request.path))

    server.listeners.append(listen)
    try:
        yield seen
    finally:
        server.listeners.remove(listen)


def _run_while_nobody_listens(stage: Stage, theatre: Theatre, case: Case) -> Done:
    """The verb, with the server gone from just before the call until the first wait, or for good."""
    call, system = case.call, stage.systems[case.call.system]
    server = system.server
    call.stir(stage, theatre.case())
    with _heard(stage, call) as seen:
        for fault in call.first:
            system.sandbox.faults.arm(fault)
        assert run(stage, call).code == 0
    ours = [
        place
        for place, (method, _, path) in enumerate(seen)
        if method == call.method and re.match(call.path, path)
    ]
    before = [(method, template) for method, template, _ in seen[: ours[call.skip]]]
    # Of a kind, since a pass may read one record more or less than the pass before it.
    times = before.count(before[-1]) if before else 0
    call.stir(stage, theatre.case())
    for fault in call.first:
        system.sandbox.faults.arm(fault)

    def go_down(template: str, request: Request, reply: Reply) -> None:
        heard.append((request.method, template))
        if before and heard[-1] == before[-1] and heard.count(before[-1]) == times:
            server.down()

    heard: list[tuple[str, str]] = []
    stage.slept.clear()
    server.listeners.append(go_down)
    stage.while_asleep = None if case.always else server.up
    try:
        if not before:
            server.down()
        return run(stage, call)
    finally:
        stage.while_asleep = None
        server.listeners.remove(go_down)
        server.up()


# --- what is told, and what is waited ----------------------------------------------------------------------


def _assert_waited(slept: Sequence[float], waits: Waits) -> None:
    assert len(slept) == len(waits), slept
    for waited, (least, most) in zip(slept, waits, strict=True):
        assert least <= waited <= most, slept


def _connect_again(stage: Stage, call: Call) -> None:
    """A sign-in that has ended is told by every verb, until a person signs in again."""
    if call.kind != "code":
        again = stage.run("sync", "--json")
        assert again.code == 1
        assert "syncline connect" in again.err
    assert stage.sign_in(call.system).code == 0
