"""Write: send what the journal says, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from syncline.connect.contract import Outcome, OutcomeKind, WriteKind
from syncline.connect.errors import AnswerLost, RemoteError, RemoteUnavailable
from syncline.connect.leave import sending_only_if
from syncline.mapping.module import Side
from syncline.reconcile.isolation import group_by_losses, patience
from syncline.run.journal import (
    ENDING,
    batch_size,
    look_at,
    looks_first,
    remote_now,
    take_back,
    values_of,
    write_of,
)
from syncline.run.late import Reached, is_told_with, reached_late
from syncline.run.reading import read_records, stage
from syncline.run.references import links_named
from syncline.run.scope import Scope
from syncline.run.settling import mark_gone, note_gone, settle
from syncline.store.ledger import Ledger, Operation

_ORDER = (WriteKind.CREATE, WriteKind.UPDATE, WriteKind.RESTORE, *ENDING)


def write_planned(scope: Scope) -> None:
    """Send every planned operation of a module, in batches, creates first.

    Raises what a session raises for a whole call, and RemoteUnavailable when batch after batch stays without
    an answer; what was not sent stays planned.
    """
    planned = _count_planned(scope)
    for kind in _ORDER:
        for side in Side:
            if not planned.get((side, kind)):
                continue
            batch, unanswered = batch_size(scope, side, kind), 0
            while True:
                with scope.database.read() as db:
                    operations = scope.ledger.operations(db, "planned", side=side, kind=kind, limit=batch)
                if not operations:
                    break
                losses = [int(operation.body.get("lost", 0)) for operation in operations]
                for places in group_by_losses(losses, batch):
                    answered = _write_batch(scope, side, kind, [operations[place] for place in places])
                    unanswered = 0 if answered else unanswered + 1
                    if unanswered >= patience(losses[places[0]]):
                        raise _no_answer(scope, side, unanswered)
            planned = _count_planned(scope)  # what could not be done may have been planned in another way


def _count_planned(scope: Scope) -> dict[tuple[int, str], int]:
    with scope.database.read() as db:
        return scope.ledger.count_operations(db, "planned")


def _no_answer(scope: Scope, side: Side, calls: int) -> RemoteUnavailable:
    end = scope.ends[side]
    return RemoteUnavailable(
        f"{end.system} answered to none of {calls} calls that write {end.remote.name}",
        fix="what became of them is looked up by the next pass",
    )


def _write_batch(scope: Scope, side: Side, kind: WriteKind, operations: Sequence[Operation]) -> bool:
    """Send operations in one call. False when it was sent and the remote answered for none of them."""
    end = scope.ends[side]
    operations = _takeable(scope, side, operations)
    operations = _unchanged_since(scope, side, kind, operations)
    writes, ready, late = [], [], reached_late(scope)
    with scope.database.write() as db:
        scope.fence(db)
        links = Ledger.links_anywhere(db, links_named(operations))
        half_made = set[int]().union(*(other.in_flight for other in scope.scopes.values()))
        for operation in operations:
            try:
                values = values_of(scope, side, operation, links)
            except KeyError:
                take_back(scope, db, [operation], "what it refers to was not created", status="waiting")
                continue
            if why := _not_yet(scope, side, operation, values, late, half_made):
                take_back(scope, db, [operation], why, status="waiting")
                continue
            ready.append(operation)
            writes.append(write_of(scope, side, operation, values))
        scope.ledger.mark_sent(db, [op.id for op in ready], remote_now(scope, side))
    if not ready:
        return True
    try:
        with sending_only_if(scope.check):
            outcomes = end.session.write(end.remote.name, writes)
    except AnswerLost:
        raise  # they may have been carried out: they stay sent, and the next pass looks
    except RemoteError as error:
        with scope.database.write() as db:
            scope.fence(db)
            take_back(scope, db, ready, error.what)
        raise
    stale = settle(scope, side, list(zip(ready, outcomes, strict=True)))
    if stale:
        gone = read_records(scope, side, stale)
        mark_gone(scope, side, gone)
    return any(outcome.kind is not OutcomeKind.UNKNOWN for outcome in outcomes)


def _not_yet(
    scope: Scope,
    side: Side,
    operation: Operation,
    values: Mapping[str, Any],
    late: Set[Reached],
    half_made: Set[int],
) -> str:
    """Why an operation must wait for what became of a write without an answer, if it must. ``half_made``:
    links of which not both records are known to be there as a whole."""
    if is_told_with(scope, late, side, operation.record, values):
        return "a write that was not answered may still be carried out"
    if half_made and not half_made.isdisjoint(links_named([operation])):
        return "what it refers to is not known to be made as a whole"
    return ""


def _takeable(scope: Scope, side: Side, operations: Sequence[Operation]) -> Sequence[Operation]:
    """The operations without a value that the organisation does not have to choose (a currency, a tax); the
    others are refused as the remote would refuse them, without a call."""

    def lacking() -> dict[int, tuple[str, str]]:
        return {op.id: found for op in operations if (found := scope.lacking(side, op.body))}

    refused = lacking()
    if refused and scope.look_anew(side):  # it may have been added since the fields were looked at
        refused = lacking()
    if not refused:
        return operations
    answers = [
        (op, Outcome(kind=OutcomeKind.REFUSED, message=found[1], code="unknown-choice", field=found[0]))
        for op in operations
        if (found := refused.get(op.id)) is not None
    ]
    settle(scope, side, answers)
    return [op for op in operations if op.id not in refused]


def _unchanged_since(
    scope: Scope, side: Side, kind: WriteKind, operations: Sequence[Operation]
) -> Sequence[Operation]:
    """Look at the records once more before they are changed, where the remote does not check by itself, or
    has no version to check by.

    One that somebody edited since it was read is staged anew, and its operation taken back.
    """
    unchecked = operations if looks_first(scope, side, kind) else _without_version(kind, operations)
    if not unchecked:
        return operations
    today = scope.today(side)
    read_at = remote_now(scope, side)
    records = look_at(scope, side, unchecked)
    ids = [op.record for op in unchecked if op.record]
    with scope.database.read() as db:
        marks = scope.ledger.link_marks(db, side, ids)
    edited, gone = [], []
    for operation in unchecked:
        current = records.get(operation.record or "")
        if current is None:
            gone.append(operation)
            continue
        known = marks.get(current.id)
        same_version = bool(current.version) and current.version == operation.body["version"]
        if not same_version and not (known and scope.maps.project(side, current, today).print == known[1]):
            edited.append((operation, current))
    if not gone and not edited:
        return operations
    lost = [*gone, *(op for op, _ in edited)]
    stage(scope, side, [record for _, record in edited], read_at, cursor=None, force=True)
    with scope.database.write() as db:
        scope.fence(db)
        note_gone(scope, db, side, {op.record: "" for op in gone if op.record})
        take_back(scope, db, lost, "the record was edited before the write; it is decided again")
    taken_back = {op.id for op in lost}
    return [op for op in operations if op.id not in taken_back]


def _without_version(kind: WriteKind, operations: Sequence[Operation]) -> Sequence[Operation]:
    """Writes to records of which no version is known, as after a create whose answer was lost."""
    return [op for op in operations if kind is not WriteKind.CREATE and not op.body["version"]]
