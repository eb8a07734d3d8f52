"""Recover: settle what an earlier pass left open, whose answers were lost or never waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy.engine import Connection

from syncline.connect.contract import Outcome, OutcomeKind, Record, SentWrite, State, WriteKind
from syncline.mapping.module import Side
from syncline.mapping.nesting import PARENT, is_item
from syncline.reconcile.isolation import ALONE
from syncline.reconcile.merge import changed, same
from syncline.run.journal import ENDING, batch_size, look_at, remote_now, take_back, values_of, write_of
from syncline.run.nesting import moves
from syncline.run.reading import read_records, stage
from syncline.run.references import links_named
from syncline.run.scope import Scope
from syncline.run.settling import mark_gone, note_gone, settle
from syncline.store.ledger import Audit, Ledger, Link, Operation

#: For how long a remote may still carry out a write whose caller is gone: an assumption, as none documents
#: it; longer than the time-outs of common gateways.
LATE = timedelta(seconds=120)


def recover(scope: Scope) -> None:
    """Settle what an earlier pass left open: planned operations are taken back, sent ones looked up.

    A remote may still be at work on a call whose caller is gone: what was sent a short while ago and is not
    there yet stays open, and its records rest, until it can no longer come.
    """
    with scope.database.write() as db:
        scope.fence(db)
        while planned := scope.ledger.operations(db, "planned"):
            take_back(scope, db, planned, "the pass ended before it was sent")
    with scope.database.read() as db:
        sent = scope.ledger.operations(db, "sent")
    scope.in_flight.clear()
    scope.under_way.clear()
    for side in Side:
        creates = [op for op in sent if op.side == side and op.kind == WriteKind.CREATE]
        batch = batch_size(scope, side, WriteKind.CREATE)
        for start in range(0, len(creates), batch):
            _recover_creates(scope, side, creates[start : start + batch])
        changes = [op for op in sent if op.side == side and op.kind != WriteKind.CREATE]
        if changes:
            _recover_changes(scope, side, changes)


def _recover_creates(scope: Scope, side: Side, operations: Sequence[Operation]) -> None:
    end = scope.ends[side]
    with scope.database.read() as db:
        links = Ledger.links_anywhere(db, links_named(operations))
    asked_at = remote_now(scope, side)
    sent = []
    for operation in operations:
        assert operation.sent_at is not None
        write = write_of(scope, side, operation, values_of(scope, side, operation, links))
        under_way = _may_still_come(scope, operation, asked_at)
        sent.append(SentWrite(write=write, sent_at=operation.sent_at, under_way=under_way))
    outcomes = end.session.settle(end.remote.name, sent)
    found = [
        (op, _as_stored(scope, side, op, oc, links))
        for op, oc in zip(operations, outcomes, strict=True)
        if oc is not None
    ]
    absent = [op for op, oc in zip(operations, outcomes, strict=True) if oc is None]
    settle(scope, side, found)
    over = _no_longer_under_way(scope, side, absent, links, asked_at)
    with scope.database.write() as db:
        scope.fence(db)
        _take_back_lost(scope, db, over, "its answer was lost, and the remote does not have it")


def _as_stored(
    scope: Scope, side: Side, operation: Operation, outcome: Outcome, links: dict[int, Link]
) -> Outcome:
    """What is known of a create that was found. The record is told as it is now: unless that is as it was
    sent, somebody may have edited it since, so neither its values nor its version are taken for those that
    our write made, and the next read shows what differs as an edit."""
    if outcome.kind is not OutcomeKind.DONE:
        return outcome
    if outcome.record is not None:
        own = scope.maps.project(side, outcome.record, scope.today(side)).own
        sent, entries = values_of(scope, side, operation, links), scope.maps.by_name
        if all(same(entries[name], own.get(name), value) for name, value in sent.items()):
            return outcome
    return replace(outcome, record=None, version=None)


def _recover_changes(scope: Scope, side: Side, operations: Sequence[Operation]) -> None:
    """Read the records of changes whose answer was lost. What is there as it was sent has been carried out;
    anything else is decided again from what is there now."""
    asked_at = remote_now(scope, side)
    records = look_at(scope, side, operations)
    with scope.database.read() as db:
        links = Ledger.links_anywhere(db, [op.link for op in operations] + links_named(operations))
    done, others, notes = [], [], {}
    parts: dict[int, tuple[Operation, Outcome]] = {}
    arrived = _arrived(scope, side, operations, records, links)
    for operation in operations:
        if operation.id in arrived:
            done.append((operation, arrived[operation.id]))
            continue
        record = records.get(operation.record or "")
        kind = WriteKind(operation.kind)
        told = Outcome(kind=OutcomeKind.DONE, id=operation.record, record=record, warnings=(_FOUND_DONE,))
        if kind is not WriteKind.UPDATE or record is None:
            left = record is None or record.state is not State.LIVE
            if left is (kind in ENDING):
                done.append((operation, told))
            else:
                others.append(operation)
            continue
        stored, unclear = _found_after(scope, side, operation, record, links)
        if len(stored) == len(operation.body["fields"]):
            done.append((operation, told))
            continue
        others.append(operation)
        if unclear:
            notes[operation.id] = Audit(
                event="unclear",
                link=operation.link,
                side=side,
                record=operation.record,
                detail={"fields": unclear, "message": _FOUND_OTHERWISE},
            )
        elif stored:  # some remotes take several calls for one write
            fields = {name: operation.body["fields"][name] for name in stored}
            part = replace(operation, body={**operation.body, "fields": fields, "alone": False})
            parts[operation.id] = (part, told)
    again = settle(scope, side, done)
    over = _no_longer_under_way(scope, side, others, links, asked_at)
    again += settle(scope, side, [parts[op.id] for op in over if op.id in parts])
    read_again = [records[op.record] for op in over if op.record in records]
    stage(scope, side, read_again, asked_at, cursor=None, force=True)
    undone = [op for op in over if op.id not in parts]
    with scope.database.write() as db:
        scope.fence(db)
        gone = {op.record for op in undone if op.record} - records.keys()
        note_gone(scope, db, side, dict.fromkeys(gone, ""))
        _take_back_lost(scope, db, undone, "its answer was lost; the record was read again instead")
        told_now = [notes[op.id] for op in undone if op.id in notes]
        scope.ledger.write_audit(db, scope.pass_id, scope.now(), told_now)
    if again:
        mark_gone(scope, side, read_records(scope, side, again))


def _arrived(
    scope: Scope,
    side: Side,
    operations: Sequence[Operation],
    records: Mapping[str, Record],
    links: Mapping[int, Link],
) -> dict[int, Outcome]:
    """What came of updates by which an item of a list goes by another id: it moves to the list of another
    record, or what it is known by there changes."""
    end = scope.ends[side]
    if not is_item(end.remote):
        return {}
    elsewhere = []
    for operation in operations:
        if operation.kind != WriteKind.UPDATE:
            continue
        told = values_of(scope, side, operation, links)
        base = links[operation.link].base[side]
        whole = {name: value for name, value in base.items() if name in scope.maps.by_name} | told
        write = write_of(scope, side, operation, whole)
        if operation.record not in records or moves(write):
            assert operation.sent_at is not None
            elsewhere.append((operation.id, SentWrite(write=write, sent_at=operation.sent_at)))
    if not elsewhere:
        return {}
    outcomes = end.session.settle(end.remote.name, [sent for _, sent in elsewhere])
    found = {op: oc for (op, _), oc in zip(elsewhere, outcomes, strict=True) if oc is not None and oc.id}
    with scope.database.read() as db:
        linked = scope.ledger.link_marks(db, side, [str(outcome.id) for outcome in found.values()])
    return {op: oc for op, oc in found.items() if oc.id not in linked}


_FOUND_DONE = "its answer was lost; the record was found as it was sent"
_FOUND_OTHERWISE = "its answer was lost, and the record was found neither as it was nor as it was sent"


def _found_after(
    scope: Scope, side: Side, operation: Operation, record: Record, links: dict[int, Link]
) -> tuple[list[str], dict[str, Any]]:
    """The maps of an update whose values are there as they were sent; and, unless all others are as they were
    before, by map what was sent and what is there."""
    own = scope.maps.project(side, record, scope.today(side)).own
    sent = values_of(scope, side, operation, links)
    entries = scope.maps.by_name
    stored = [name for name, value in sent.items() if same(entries[name], own.get(name), value)]
    told = {name: operation.body["fields"][name] for name in sent}
    others = sent.keys() - set(stored)
    if not any(changed(entries[name], own.get(name), told[name].get("before")) for name in others):
        return stored, {}
    return stored, {
        name: {
            **{key: told[name][key] for key in ("before", "rule", "lost") if key in told[name]},
            "after": own.get(name),
            "sent": value,
        }
        for name, value in sent.items()
    }


def _may_still_come(scope: Scope, operation: Operation, asked_at: datetime) -> bool:
    """Whether the remote may still be at work on an operation. ``asked_at``: when it was looked, by the
    remote's clock."""
    sent_at = operation.sent_at
    return operation.id in scope.unanswered or (sent_at is not None and asked_at - sent_at < LATE)


def _no_longer_under_way(
    scope: Scope, side: Side, operations: Sequence[Operation], links: Mapping[int, Link], asked_at: datetime
) -> list[Operation]:
    """Those of the operations found undone that cannot be carried out any more; the others stay open, and
    nothing is done about their links."""
    end, over = scope.ends[side], []
    for op in operations:
        if not _may_still_come(scope, op, asked_at):
            over.append(op)
            continue
        scope.in_flight.add(op.link)
        told = [op.record]
        if is_item(end.remote):  # a new one, and one that moves, are told to the record that they go to
            told.append(write_of(scope, side, op, values_of(scope, side, op, links)).values.get(PARENT))
        scope.under_way.update(end.whole(str(record)) for record in told if record is not None)
    return over


def _take_back_lost(scope: Scope, db: Connection, operations: Sequence[Operation], why: str) -> None:
    """Cancel operations whose answer was lost and that were not carried out. What was sent alone, and lost
    before, is taken for what the remote fails on: it rests like a refused one."""
    take_back(scope, db, operations, why)
    resting, notes, rows = [], [], []
    staged = [scope.ledger.staged(db, side, _records(operations, side)) for side in Side]
    for operation in operations:
        lost, source = int(operation.body.get("lost", 0)) + 1, operation.body["source"]
        said = operation.message or "it gave no answer"
        ends = ((int(source["side"]), source["record"]), (operation.side, operation.record))
        here = [row for side, record in ends if (row := staged[side].get(record or "")) is not None]
        for row in here:
            row.lost = lost
            rows.append(row)
        if lost <= ALONE:
            continue
        for row in here:
            status, due = scope.retry(row.attempts + 1)
            message = f"{scope.ends[operation.side].system}: {said}"
            resting.append((row.side, row.record, status, message, due, row.attempts + 1))
        detail = {"message": said, "code": "", "kind": operation.kind}
        link = None if operation.kind == WriteKind.CREATE else operation.link
        notes.append(
            Audit(event="retry", link=link, side=source["side"], record=source["record"], detail=detail)
        )
    scope.ledger.save_staged(db, rows)
    scope.ledger.rest(db, resting)
    scope.ledger.write_audit(db, scope.pass_id, scope.now(), notes)


def _records(operations: Sequence[Operation], side: Side) -> list[str]:
    """The records of one side that operations come from or write."""
    found = [op.record for op in operations if op.side == side]
    found += [op.body["source"]["record"] for op in operations if op.body["source"]["side"] == side]
    return [record for record in found if record is not None]
