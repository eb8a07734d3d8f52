"""Answers that are lost: nothing is made twice, and nothing is taken for made that was not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from syncline.connect.conformance.promise import (
    Broken,
    Case,
    Chapter,
    Level,
    NotApplicable,
    World,
    expect,
)
from syncline.connect.conformance.samples import told
from syncline.connect.conformance.writing import count_holding
from syncline.connect.contract import Outcome, OutcomeKind, SentWrite, Write, WriteKind
from syncline.connect.errors import RemoteError, RemoteUnavailable
from syncline.connect.sandbox import Fault, FaultKind

LOSING = Chapter(Level.SURVIVES)
#: More than any client repeats.
_ALWAYS = 50
_A_WHILE_S = 10.0


@LOSING.promise(
    "lost-answer",
    "A create whose answer is lost is UNKNOWN, and settle() then finds the one record.",
    world=World.SMALL,
    by_module=True,
)
def check_lost_answer(case: Case) -> None:
    _expect_found(case, FaultKind.LOSE)


@LOSING.promise(
    "half-answer",
    "A create whose answer breaks off in the middle is UNKNOWN, and settle() finds the one record.",
    world=World.SMALL,
    by_module=True,
)
def check_half_answer(case: Case) -> None:
    _expect_found(case, FaultKind.TRUNCATE)


@LOSING.promise(
    "broken-answer",
    "A create whose answer is not to be understood is UNKNOWN, and settle() finds the one record.",
    world=World.SMALL,
    by_module=True,
)
def check_broken_answer(case: Case) -> None:
    _expect_found(case, FaultKind.MALFORMED)


@LOSING.promise(
    "error-after",
    "A create that is answered with 500 although it was stored is UNKNOWN, and settle() finds it.",
    world=World.SMALL,
    by_module=True,
)
def check_error_after(case: Case) -> None:
    _expect_found(case, FaultKind.STATUS_AFTER)


@LOSING.promise(
    "never-arrived",
    "settle() gives None for a create that never reached the remote.",
    world=World.SMALL,
    by_module=True,
)
def check_never_arrived(case: Case) -> None:
    write, text = _create(case)
    fault = _arm(case, FaultKind.REFUSE, times=_ALWAYS)
    try:
        outcome = case.bench.session.write(case.module.name, [write])[0]
    except RemoteUnavailable:
        outcome = None
    case.bench.sandbox.faults.clear()
    if outcome is not None:
        expect(
            outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.RETRY),
            f"UNKNOWN of a create whose connection was reset at {fault.path}",
            f"the outcome is {told(outcome)}",
        )
    settled = _settle(case, [case.samples.sent(write)])[0]
    expect(settled is None, "None from settle()", f"it says {_of(settled)}")
    expect(_count(case, text) == 0, "no record at the remote", "there is one")


@LOSING.promise(
    "strangers",
    "settle() claims no record but its own, though another was made at the same time.",
    world=World.SMALL,
    by_module=True,
)
def check_strangers(case: Case) -> None:
    """One stranger has nothing in common with the write, the other all but one text."""
    bench, module, samples = case.bench, case.module, case.samples
    field = samples.tag(module).name
    write, _ = _create(case)
    sent = samples.sent(write)
    bench.advance(1)
    far = samples.tagged(module)[0]
    near = {**write.values, field: samples.text(samples.tag(module))}
    for values in (far, near):
        outcome = samples.create(module, values)
        expect(outcome.kind is OutcomeKind.DONE, "another record to be created", f"it was {told(outcome)}")
        settled = _settle(case, [sent])[0]
        expect(
            settled is None,
            "None from settle(), since the write never arrived",
            f"it claims {settled.id if settled else ''}, which somebody else made",
        )


@LOSING.promise(
    "settle-batch",
    "settle() answers for each of several creates, in order, and gives no record to two of them.",
    world=World.SMALL,
    by_module=True,
)
def check_settle_batch(case: Case) -> None:
    bench, module, samples = case.bench, case.module, case.samples
    absent, first, second = _create(case)[0], _create(case)[0], _create(case)[0]
    sent = [samples.sent(write) for write in (absent, first, second)]
    ids: dict[str, str | None] = {}
    for write in (second, first):
        outcome = bench.session.write(module.name, [write])[0]
        expect(outcome.kind is OutcomeKind.DONE, "the create to be done", f"it was {told(outcome)}")
        ids[write.key] = outcome.id
    found = _settle(case, sent)
    seen = [None if outcome is None else outcome.id for outcome in found]
    expected = [None, ids[first.key], ids[second.key]]
    expect(seen == expected, f"None and the two records in order, {expected}", f"it says {seen}")


@LOSING.promise(
    "batch-lost",
    "A whole batch whose answer is lost is UNKNOWN write by write, and nothing is made twice.",
    world=World.SMALL,
    by_module=True,
)
def check_batch_lost(case: Case) -> None:
    module = case.module
    if module.capabilities.create_batch < 2:
        raise NotApplicable("its records are created one by one")
    made = [_create(case) for _ in range(3)]
    writes = [write for write, _ in made]
    sent = [case.samples.sent(write) for write in writes]
    _arm(case, FaultKind.LOSE)
    outcomes = _written(case, writes)
    case.bench.sandbox.faults.clear()
    expect(len(outcomes) == 3, "3 outcomes", f"there were {len(outcomes)}")
    settled = _settle(case, sent)
    for (_, text), outcome, found in zip(made, outcomes, settled, strict=True):
        expect(outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.DONE), "UNKNOWN", f"it was {told(outcome)}")
        if found is None or found.kind is not OutcomeKind.DONE or not found.id:
            raise Broken("each record to be found by settle()", f"for one of them it says {_of(found)}")
        _expect_holds(case, found.id, text)
        count = _count(case, text)
        expect(count == 1, "one record for each write", f"there are {count}")


@LOSING.promise(
    "lost-update",
    "An update whose answer is lost is UNKNOWN, never an error or a refusal.",
    world=World.SMALL,
    by_module=True,
)
def check_lost_update(case: Case) -> None:
    bench, module, samples = case.bench, case.module, case.samples
    if not module.capabilities.update_batch:
        raise NotApplicable("its records cannot be updated")
    field = samples.tag(module)
    record = samples.make(module)

    def update(text: str) -> Sequence[Outcome]:
        bench.advance(_A_WHILE_S)
        fresh = bench.read_one(module, record.id)
        write = samples.write(WriteKind.UPDATE, values={field.name: text}, record=fresh)
        return _written(case, [write])

    for kind in (FaultKind.LOSE, FaultKind.STATUS_AFTER, FaultKind.MALFORMED):
        learnt, text = samples.text(field), samples.text(field)
        # The path may hold the record's id, so the update that is learnt from is of the same record.
        arm_call(case, lambda learnt=learnt: update(learnt), Fault(kind=kind, status=500), holding=learnt)  # type: ignore[misc]
        outcome = update(text)[0]
        bench.sandbox.faults.clear()
        expect(
            outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.DONE),
            f"UNKNOWN of an update whose answer was lost ({kind.value})",
            f"the outcome is {told(outcome)}",
        )
        _expect_holds(case, record.id, text)


# --- around one create -------------------------------------------------------------------------------


def _expect_found(case: Case, kind: FaultKind) -> None:
    write, text = _create(case)
    sent = case.samples.sent(write)
    fault = _arm(case, kind)
    outcome = _written(case, [write])[0]
    case.bench.sandbox.faults.clear()
    expect(
        outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.DONE),
        f"UNKNOWN of a create whose answer at {fault.path} was lost",
        f"the outcome is {told(outcome)}",
    )
    found = _settle(case, [sent])[0]
    if found is None or found.kind is not OutcomeKind.DONE or not found.id:
        raise Broken("settle() to find the record", f"it says {_of(found)}")
    if outcome.kind is OutcomeKind.DONE:
        expect(outcome.id == found.id, "one id from write() and settle()", f"{outcome.id} and {found.id}")
    _expect_holds(case, found.id, text)
    count = _count(case, text)
    expect(count == 1, "one record at the remote", f"there are {count}")


def _create(case: Case) -> tuple[Write, str]:
    values, text = case.samples.tagged(case.module)
    return case.samples.write(WriteKind.CREATE, values=values), text


def _written(case: Case, writes: Sequence[Write]) -> Sequence[Outcome]:
    try:
        return case.bench.session.write(case.module.name, writes)
    except RemoteError as error:
        raise Broken(
            "UNKNOWN outcomes, since something may have been stored",
            f"{type(error).__name__} was raised: {error.what}",
        ) from error


def _settle(case: Case, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
    found = case.bench.session.settle(case.module.name, sent)
    expect(len(found) == len(sent), f"{len(sent)} answers of settle()", f"there were {len(found)}")
    return found


def _arm(case: Case, kind: FaultKind, *, times: int = 1) -> Fault:
    """Let the call that creates go wrong. Which one that is, is learnt from one that goes well."""
    write, text = _create(case)
    return arm_call(
        case,
        lambda: case.bench.session.write(case.module.name, [write]),
        Fault(kind=kind, times=times, status=500),
        holding=text,
    )


def arm_call(case: Case, call: Callable[[], Any], fault: Fault, *, holding: str) -> Fault:
    """Arm a fault at the method and path of the request of ``call`` whose body holds a text."""
    before = len(case.bench.exchanges)
    call()
    for exchange in case.bench.exchanges[before:]:
        if holding.encode() in exchange.body:
            armed = replace(fault, method=exchange.method, path=re.escape(exchange.path) + "$")
            case.bench.sandbox.faults.arm(armed)
            return armed
    raise NotApplicable("no request was seen that carries a new record's text")


def _expect_holds(case: Case, record_id: str, text: str) -> None:
    field = case.samples.tag(case.module).name
    record = case.bench.read_one(case.module, record_id)
    said = None if record is None else record.values.get(field)
    expect(said == text, "the record that was sent", f"{record_id} holds {said!r:.40}")


def _count(case: Case, text: str) -> int:
    return count_holding(case, text)


def _of(outcome: Outcome | None) -> str:
    return "None" if outcome is None else told(outcome)
