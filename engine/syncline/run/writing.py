"""Write and settle: send what the journal says, and write down what came of it, record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy.engine import Connection

from syncline.connect.contract import (
    Outcome,
    OutcomeKind,
    Record,
    SentWrite,
    State,
    Write,
    WriteKind,
)
from syncline.connect.errors import AnswerLost, RemoteError, RemoteUnavailable
from syncline.connect.leave import sending_only_if
from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import RENDERED, TAKEN, Projection, Side
from syncline.mapping.nesting import PARENT, is_item, parent_of
from syncline.reconcile.isolation import ALONE, group_by_losses, patience
from syncline.reconcile.merge import changed, rewritten, same
from syncline.run.deciding import close_decisions, forget_about
from syncline.run.late import Reached, is_told_with, reached_late
from syncline.run.reading import lock_json, read_records, stage, stage_projected
from syncline.run.references import links_named, resolve_marks
from syncline.run.scope import Scope
from syncline.store.ids import next_id
from syncline.store.ledger import Audit, Ledger, Link, Operation, Question

#: For how long a remote may still carry out a write whose caller is gone: an assumption, as none documents
#: it; longer than the time-outs of common gateways.
LATE = timedelta(seconds=120)

_ENDING = (WriteKind.ARCHIVE, WriteKind.VOID, WriteKind.DELETE)
_ORDER = (WriteKind.CREATE, WriteKind.UPDATE, WriteKind.RESTORE, *_ENDING)
_PAST = {
    WriteKind.CREATE: "created",
    WriteKind.UPDATE: "updated",
    WriteKind.RESTORE: "restored",
    WriteKind.ARCHIVE: "archived",
    WriteKind.VOID: "voided",
    WriteKind.DELETE: "deleted",
}


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
            batch, unanswered = _batch_size(scope, side, kind), 0
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


def recover(scope: Scope) -> None:
    """Settle what an earlier pass left open: planned operations are taken back, sent ones looked up.

    A remote may still be at work on a call whose caller is gone: what was sent a short while ago and is not
    there yet stays open, and its records rest, until it can no longer come.
    """
    with scope.database.write() as db:
        scope.fence(db)
        while planned := scope.ledger.operations(db, "planned"):
            _take_back(scope, db, planned, "the pass ended before it was sent")
    with scope.database.read() as db:
        sent = scope.ledger.operations(db, "sent")
    scope.in_flight.clear()
    scope.under_way.clear()
    for side in Side:
        creates = [op for op in sent if op.side == side and op.kind == WriteKind.CREATE]
        batch = _batch_size(scope, side, WriteKind.CREATE)
        for start in range(0, len(creates), batch):
            _recover_creates(scope, side, creates[start : start + batch])
        changes = [op for op in sent if op.side == side and op.kind != WriteKind.CREATE]
        if changes:
            _recover_changes(scope, side, changes)


def _recover_creates(scope: Scope, side: Side, operations: Sequence[Operation]) -> None:
    end = scope.ends[side]
    with scope.database.read() as db:
        links = Ledger.links_anywhere(db, links_named(operations))
    asked_at = _remote_now(scope, side)
    sent = []
    for operation in operations:
        assert operation.sent_at is not None
        write = _to_write(scope, side, operation, _values(scope, side, operation, links))
        under_way = _may_still_come(scope, operation, asked_at)
        sent.append(SentWrite(write=write, sent_at=operation.sent_at, under_way=under_way))
    outcomes = end.session.settle(end.remote.name, sent)
    found = [(op, oc) for op, oc in zip(operations, outcomes, strict=True) if oc is not None]
    absent = [op for op, oc in zip(operations, outcomes, strict=True) if oc is None]
    _settle(scope, side, found)
    over = _no_longer_under_way(scope, side, absent, links, asked_at)
    with scope.database.write() as db:
        scope.fence(db)
        _take_back_lost(scope, db, over, "its answer was lost, and the remote does not have it")


def _recover_changes(scope: Scope, side: Side, operations: Sequence[Operation]) -> None:
    """Read the records of changes whose answer was lost. What is there as it was sent has been carried out;
    anything else is decided again from what is there now."""
    asked_at = _remote_now(scope, side)
    records = _look(scope, side, operations)
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
            if left is (kind in _ENDING):
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
    again = _settle(scope, side, done)
    over = _no_longer_under_way(scope, side, others, links, asked_at)
    again += _settle(scope, side, [parts[op.id] for op in over if op.id in parts])
    read_again = [records[op.record] for op in over if op.record in records]
    stage(scope, side, read_again, asked_at, cursor=None, force=True)
    undone = [op for op in over if op.id not in parts]
    with scope.database.write() as db:
        scope.fence(db)
        gone = {op.record for op in undone if op.record} - records.keys()
        _mark_gone(scope, db, side, dict.fromkeys(gone, ""))
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
    moves = []
    for operation in operations:
        if operation.kind != WriteKind.UPDATE:
            continue
        told = _values(scope, side, operation, links)
        base = links[operation.link].base[side]
        whole = {name: value for name, value in base.items() if name in scope.maps.by_name} | told
        write = _to_write(scope, side, operation, whole)
        home = write.values.get(PARENT)
        gone = operation.record not in records
        if gone or home not in (None, parent_of(operation.record or "")):
            assert operation.sent_at is not None
            moves.append((operation, SentWrite(write=write, sent_at=operation.sent_at)))
    outcomes = end.session.settle(end.remote.name, [sent for _, sent in moves]) if moves else []
    found = {op.id: oc for (op, _), oc in zip(moves, outcomes, strict=True) if oc is not None and oc.id}
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
    sent = _values(scope, side, operation, links)
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


def _remote_now(scope: Scope, side: Side) -> datetime:
    """The instant by the clock of an end's remote."""
    return scope.now() + scope.ends[side].skew


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
            told.append(_to_write(scope, side, op, _values(scope, side, op, links)).values.get(PARENT))
        scope.under_way.update(end.whole(str(record)) for record in told if record is not None)
    return over


# --- sending -------------------------------------------------------------------------------------


def _batch_size(scope: Scope, side: Side, kind: WriteKind) -> int:
    capabilities = scope.ends[side].remote.capabilities
    if kind is WriteKind.CREATE:
        return max(1, capabilities.create_batch)
    size = capabilities.update_batch
    if _looks_first(scope, side, kind):
        size = min(size, capabilities.read_ids_batch)  # so that one look before the write is one call
    return max(1, size)


def _write_batch(scope: Scope, side: Side, kind: WriteKind, operations: Sequence[Operation]) -> bool:
    """Send operations in one call. False when it was sent and the remote answered for none of them."""
    end = scope.ends[side]
    operations = _takeable(scope, side, operations)
    if _looks_first(scope, side, kind):
        operations = _unchanged_since(scope, side, operations)
    writes, ready, late = [], [], reached_late(scope)
    with scope.database.write() as db:
        scope.fence(db)
        links = Ledger.links_anywhere(db, links_named(operations))
        half_made = set[int]().union(*(other.in_flight for other in scope.scopes.values()))
        for operation in operations:
            try:
                values = _values(scope, side, operation, links)
            except KeyError:
                _take_back(scope, db, [operation], "what it refers to was not created", status="waiting")
                continue
            if why := _not_yet(scope, side, operation, values, late, half_made):
                _take_back(scope, db, [operation], why, status="waiting")
                continue
            ready.append(operation)
            writes.append(_to_write(scope, side, operation, values))
        scope.ledger.mark_sent(db, [op.id for op in ready], _remote_now(scope, side))
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
            _take_back(scope, db, ready, error.what)
        raise
    stale = _settle(scope, side, list(zip(ready, outcomes, strict=True)))
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
    _settle(scope, side, answers)
    return [op for op in operations if op.id not in refused]


def _looks_first(scope: Scope, side: Side, kind: WriteKind) -> bool:
    """Whether the remote would carry out such a write over somebody's newer edit without a word: it can be
    asked not to for updates alone."""
    guarded = kind is WriteKind.UPDATE and scope.ends[side].remote.capabilities.conditional
    return kind is not WriteKind.CREATE and not guarded


def _unchanged_since(scope: Scope, side: Side, operations: Sequence[Operation]) -> list[Operation]:
    """Look at the records once more before they are changed, where the remote does not check by itself.

    One that somebody edited since it was read is staged anew, and its operation taken back.
    """
    today = scope.today(side)
    read_at = _remote_now(scope, side)
    records = _look(scope, side, operations)
    ids = [op.record for op in operations if op.record]
    with scope.database.read() as db:
        marks = scope.ledger.link_marks(db, side, ids)
    good, edited, gone = [], [], []
    for operation in operations:
        current = records.get(operation.record or "")
        if current is None:
            gone.append(operation)
            continue
        known = marks.get(current.id)
        same_version = bool(current.version) and current.version == operation.body["version"]
        if same_version or (known and scope.maps.project(side, current, today).print == known[1]):
            good.append(operation)
        else:
            edited.append((operation, current))
    if gone or edited:
        stage(scope, side, [record for _, record in edited], read_at, cursor=None, force=True)
        with scope.database.write() as db:
            scope.fence(db)
            _mark_gone(scope, db, side, {op.record: "" for op in gone if op.record})
            lost = [*gone, *(op for op, _ in edited)]
            _take_back(scope, db, lost, "the record was edited before the write; it is decided again")
    return good


def _look(scope: Scope, side: Side, operations: Sequence[Operation]) -> dict[str, Record]:
    """The records that these operations are about, as they are now; without those that are gone."""
    end = scope.ends[side]
    ids = [op.record for op in operations if op.record]
    batch = max(1, end.remote.capabilities.read_ids_batch)
    wanted = scope.maps.wanted(side)
    return {
        record.id: record
        for start in range(0, len(ids), batch)
        for record in end.session.read_ids(end.remote.name, ids[start : start + batch], wanted)
    }


def _values(scope: Scope, side: Side, operation: Operation, links: Mapping[int, Link]) -> dict[str, Any]:
    """What to store, by map, with every reference told; raises KeyError for one that has no record."""
    return {
        name: resolve_marks(scope, scope.maps.by_name[name], side, part["set"], dict(links))
        for name, part in operation.body["fields"].items()
    }


def _to_write(scope: Scope, side: Side, operation: Operation, values: Mapping[str, Any]) -> Write:
    body = operation.body
    read_at = body.get("read_at")
    before = {name: part["before"] for name, part in body["fields"].items() if "before" in part}
    return Write(
        kind=WriteKind(operation.kind),
        key=operation.key,
        id=operation.record,
        values=scope.maps.write_values(side, values, body.get("removed", {}), before),
        version=body["version"] or None,
        read_at=datetime.fromisoformat(read_at) if read_at else None,
    )


# --- settling ------------------------------------------------------------------------------------


def _settle(scope: Scope, side: Side, answers: Sequence[tuple[Operation, Outcome]]) -> list[str]:
    """Write down what came of each operation, in one transaction. Returns the records (ids at ``side``) that
    had changed under it, or took a value that a person chose, and must be read again."""
    if not answers:
        return []
    now, today = scope.now(), scope.today(side)
    stale: list[str] = []
    words: list[tuple[int, str]] = []
    half_made: list[Link] = []
    with scope.database.write() as db:
        scope.fence(db)
        links = Ledger.links_anywhere(
            db, [op.link for op, _ in answers] + links_named([op for op, _ in answers])
        )
        done = _Done(scope, db, side, links, today)
        failures = _Failures(scope, side)
        for operation, outcome in answers:
            match outcome.kind:
                case OutcomeKind.DONE:
                    done.add(operation, outcome)
                case OutcomeKind.UNKNOWN:
                    scope.unanswered[operation.id] = outcome.message
                    words.append((operation.id, outcome.message))
                    if operation.record is None and outcome.id is not None:
                        half_made.append(_know(scope, side, links[operation.link], outcome.id))
                case OutcomeKind.CONFLICT:
                    failures.stale(operation, outcome)
                    stale.append(operation.record or "")
                case OutcomeKind.GONE:
                    failures.gone(operation, outcome)
                case OutcomeKind.TAKEN if instead := _instead(scope, db, side, operation, outcome):
                    failures.renamed(operation, outcome, instead)
                case OutcomeKind.TAKEN if names := _maps_of(scope, side, operation, outcome):
                    failures.taken(operation, outcome, names, links[operation.link])
                case OutcomeKind.RETRY | OutcomeKind.REFUSED | OutcomeKind.TAKEN:
                    failures.refused(operation, outcome)
        done.save(now)
        failures.save(db, now)
        scope.ledger.note_words(db, words)
        scope.ledger.update_links(db, half_made)
    return stale + done.put


def _know(scope: Scope, side: Side, link: Link, record: str) -> Link:
    """A record that is there, while not all of its create is known to be carried out: it is met by nobody
    else, and left alone."""
    link.ids[side] = record
    scope.in_flight.add(link.id)
    scope.under_way.add(scope.ends[side].whole(record))
    return link


def _maps_of(scope: Scope, side: Side, operation: Operation, outcome: Outcome) -> list[str]:
    """The maps of an update that wrote the remote field at fault."""
    return _at_fault(scope, side, operation, outcome) if operation.kind == WriteKind.UPDATE else []


def _at_fault(scope: Scope, side: Side, operation: Operation, outcome: Outcome) -> list[str]:
    paths = {name: scope.maps.by_name[name].ends[side].path for name in operation.body["fields"]}
    return [name for name, path in paths.items() if path is not None and path.root == outcome.field]


def _instead(
    scope: Scope, db: Connection, side: Side, operation: Operation, outcome: Outcome
) -> dict[str, Any]:
    """By map, what the spec stores where another record holds the value, if that was not what was tried."""
    names = [
        name for name in _at_fault(scope, side, operation, outcome) if scope.maps.by_name[name].map.taken
    ]
    source = operation.body["source"]
    record = source["record"]
    row = scope.ledger.staged(db, source["side"], [record]).get(record) if names and record else None
    told = {name: row.own.get(name + TAKEN) for name in names} if row is not None else {}
    fields = operation.body["fields"]
    return {
        name: value
        for name, value in told.items()
        if value is not None and "instead_of" not in fields[name] and "put" not in fields[name]
    }


class _Done:
    """The writes that the remote carried out, gathered for one transaction."""

    def __init__(self, scope: Scope, db: Connection, side: Side, links: dict[int, Link], today: str) -> None:
        self._scope, self._db, self._side, self._links, self._today = scope, db, side, links, today
        self._changed: list[Link] = []
        self._closed: list[tuple[int, str, str, str | None]] = []
        self._audit: list[Audit] = []
        self._unstage: list[tuple[int, str]] = []
        self._wake: list[tuple[int, str]] = []
        self._surprises: list[tuple[Record, Projection]] = []
        self._written: list[tuple[Link, list[str], Record | None, Projection | None]] = []
        self._keys: dict[str, Sequence[str | tuple[str, ...]]] = {}
        self._operations: list[Operation] = []
        #: the records that took a value which is still to be carried over, or say something else since a void
        self.put: list[str] = []

    def add(self, operation: Operation, outcome: Outcome) -> None:
        scope, side = self._scope, self._side
        kind, link = WriteKind(operation.kind), self._links[operation.link]
        record_id = outcome.id or operation.record
        link.ids[side] = record_id
        carried = self._carried(operation, outcome)
        projection = self._learn(link, kind, operation, outcome, carried)
        end = scope.ends[side].system
        counter = {
            WriteKind.CREATE: scope.totals.created,
            WriteKind.UPDATE: scope.totals.updated,
            WriteKind.RESTORE: scope.totals.updated,
            WriteKind.ARCHIVE: scope.totals.archived,
            WriteKind.VOID: scope.totals.voided,
            WriteKind.DELETE: scope.totals.deleted,
        }[kind]
        counter[end] += 1
        self._changed.append(link)
        self._closed.append((operation.id, "done", outcome.message, record_id))
        self._audit.append(
            Audit(
                event=_PAST[kind],
                link=link.id,
                side=side,
                record=record_id,
                detail=self._story(link, operation, outcome, projection),
            )
        )
        rows = [(int(s), i) for s in Side if (i := link.ids[s]) is not None]
        if operation.body["alone"] and not outcome.missed:
            self._operations.append(operation)
            self._unstage.extend(rows)
            return
        self._wake.extend(rows)
        self._operations.append(operation)
        told_anew = kind is WriteKind.VOID and projection is None
        if record_id is not None and (told_anew or len(carried) < len(operation.body["fields"])):
            self.put.append(record_id)
        self._written.append((link, carried, outcome.record, projection))

    def _learn(
        self, link: Link, kind: WriteKind, operation: Operation, outcome: Outcome, carried: Sequence[str]
    ) -> Projection | None:
        """Move the base to what the remote says it stored, or else to what was sent."""
        scope, side, record = self._scope, self._side, outcome.record
        projection = scope.maps.project(side, record, self._today) if record is not None else None
        sent = _values(scope, side, operation, self._links)
        other: dict[str, Any] = {}
        for name in carried:
            part = operation.body["fields"][name]
            source = link.base[side.other]
            source[name] = part["own"]
            if "seen" in part:
                source[name + RENDERED] = part["seen"]
            stored = projection.own.get(name, sent[name]) if projection else sent[name]
            if told := rewritten(scope.maps.by_name[name], sent[name], stored):
                other[name] = told
            link.base[side][name] = stored
            if projection and name + RENDERED in projection.own:
                link.base[side][name + RENDERED] = projection.own[name + RENDERED]
            link.open.discard(name)
        if other:
            record_id, detail = link.ids[side], {"fields": other}
            self._audit.append(
                Audit(event="rewritten", link=link.id, side=side, record=record_id, detail=detail)
            )
        link.versions[side] = (record.version if record else outcome.version) or ""
        link.prints[side] = None
        link.sent[side] = set() if projection else link.sent[side].union(carried)
        if kind in _ENDING:
            # A remote has its own ways: what was to be voided and never counted is deleted there.
            ended = record.state if record is not None and record.state is not State.LIVE else None
            link.states[side] = ended.value if ended is not None else _PAST[kind]
        elif kind is WriteKind.RESTORE:
            link.states[side] = "live"
        if "state" in operation.body:
            link.states[side.other] = operation.body["state"]
        if projection is None:
            if kind is WriteKind.CREATE:
                self._agree_on_nothing(link, None)
            return None
        assert record is not None
        link.prints[side] = projection.print
        link.keys[side] = record.key
        link.locks[side] = lock_json(record)
        if projection.recheck is not None:
            link.recheck = projection.recheck
        if kind is WriteKind.CREATE:
            self._agree_on_nothing(link, projection)
        for entry in scope.maps.entries:
            if entry.compared and entry.name in projection.own:
                link.base[side][entry.name] = projection.own[entry.name]
        self._keys[record.id] = [*projection.keys, *projection.blocks]
        # What happened to a restored one meanwhile was not followed; a voided one tells a state of its own.
        back = kind is WriteKind.RESTORE or link.states[side] == "voided"
        live = link.states[side] == "live" and operation.body["alone"]
        if back or (live and self._surprising(link, operation, projection)):
            self._surprises.append((record, projection))
        return projection

    def _carried(self, operation: Operation, outcome: Outcome) -> list[str]:
        """The maps that an operation has brought in step: not those whose value a person chose at this end
        alone, nor what a record that was made was refused."""
        missed = self._scope.maps.named(self._side, outcome.missed)
        fields = operation.body["fields"].items()
        return [name for name, part in fields if "put" not in part and name not in missed]

    def _patch_staged(self) -> None:
        """What was just written is no longer what the staged row of the written end says."""
        side, scope = self._side, self._scope
        ids = [link.ids[side] or "" for link, *_ in self._written]
        rows = scope.ledger.staged(self._db, side, ids)
        for link, names, record, projection in self._written:
            row = rows.get(link.ids[side] or "")
            if row is None:
                continue
            row.version, row.print = link.versions[side], b""
            row.own.update({name: link.base[side][name] for name in names})
            if record is not None and projection is not None:
                row.own, row.faults = projection.own, projection.faults
                row.print, row.lock, row.modified = projection.print, lock_json(record), record.modified
        scope.ledger.save_staged(self._db, list(rows.values()))

    def _agree_on_nothing(self, link: Link, projection: Projection | None) -> None:
        """What was empty at the source and so not sent is agreed on, unless the remote filled it in."""
        side = self._side
        for entry in self._scope.maps.entries:
            name = entry.name
            if name not in link.open or not entry.flows[side]:
                continue
            if not blank(link.base[side.other].get(name)):
                continue
            stored = None if projection is None else projection.own.get(name)
            if blank(stored) or not entry.flows[side.other]:
                link.base[side][name] = stored
                link.base[side.other].setdefault(name, None)
                link.open.discard(name)

    def _surprising(self, link: Link, operation: Operation, projection: Projection) -> bool:
        """Whether the reply shows a change that is not ours, or a value the other end does not have yet."""
        for entry in self._scope.maps.entries:
            name, value = entry.name, projection.own.get(entry.name, MISSING)
            if name in operation.body["fields"] or value is MISSING:
                continue
            if name in link.open:
                if entry.flows[self._side.other] and not blank(value):
                    return True
            elif changed(entry, value, link.base[self._side].get(name, MISSING)):
                return True
        return False

    def _story(
        self, link: Link, operation: Operation, outcome: Outcome, projection: Projection | None
    ) -> dict[str, Any]:
        fields, missed = {}, self._scope.maps.named(self._side, outcome.missed)
        for name, part in operation.body["fields"].items():
            told = {k: v for k, v in part.items() if k in ("before", "why", "rule", "lost")}
            if name in missed:
                continue
            told["after"] = part["set"] if "put" in part else link.base[self._side][name]
            fields[name] = told
        story: dict[str, Any] = {"fields": fields, "operation": operation.id}
        if outcome.warnings:
            story["warnings"] = list(outcome.warnings)
        if projection is None and operation.body["fields"]:
            story["as_sent"] = True
        return story

    def save(self, now: datetime) -> None:
        scope, db = self._scope, self._db
        scope.ledger.update_links(db, self._changed)
        scope.ledger.settle_operations(db, self._closed, now)
        scope.ledger.write_audit(db, scope.pass_id, now, self._audit)
        scope.ledger.unstage(db, self._unstage)
        close_decisions(db, self._operations)
        self._patch_staged()
        scope.ledger.wake_records(db, self._wake)
        scope.ledger.save_keys(db, self._side, self._keys, list(self._keys))
        if self._surprises:
            read_at = now + scope.ends[self._side].skew
            stage_projected(scope, db, self._side, self._surprises, read_at, self._today, force=True)


class _Failures:
    """The writes that did not happen, gathered for one transaction."""

    def __init__(self, scope: Scope, side: Side) -> None:
        self._scope, self._side = scope, side
        self._closed: list[tuple[int, str, str, str | None]] = []
        self._resting: list[tuple[int, str, str, str, datetime | None, int]] = []
        self._audit: list[Audit] = []
        self._questions: list[Question] = []
        self._unmade: list[int] = []
        self._gone: dict[str, str] = {}
        self._wake: list[tuple[int, str]] = []
        self._overruled: list[tuple[int, str]] = []
        self._again: list[Operation] = []

    def stale(self, operation: Operation, outcome: Outcome) -> None:
        """Somebody edited the record first: nothing was written, and it is decided again."""
        self._closed.append((operation.id, "conflict", outcome.message, operation.record))
        self._wake.extend(self._rows(operation))

    def gone(self, operation: Operation, outcome: Outcome) -> None:
        """It was deleted there: decided as when it is read so, with what was to be written at this end."""
        self._closed.append((operation.id, "gone", outcome.message, operation.record))
        self._gone[operation.record or ""] = outcome.message
        self._wake.extend(self._rows(operation))

    def renamed(self, operation: Operation, outcome: Outcome, instead: Mapping[str, Any]) -> None:
        """Another record holds a unique value, and the spec says what is stored then: it is sent instead."""
        self._closed.append((operation.id, "taken", outcome.message, operation.record))
        fields = dict(operation.body["fields"])
        for name, value in instead.items():
            first = fields[name]["set"]
            why = f"{first} is taken there"
            fields[name] = {**fields[name], "set": value, "why": why, "instead_of": first}
        number, body = next_id(), {**operation.body, "fields": fields}
        again = Operation(
            id=number,
            pass_id=self._scope.pass_id,
            side=operation.side,
            kind=operation.kind,
            link=operation.link,
            record=operation.record,
            key=f"syncline-{number:x}",
            body=body,
            made_at=self._scope.now(),
        )
        self._again.append(again)

    def taken(self, operation: Operation, outcome: Outcome, names: Sequence[str], link: Link) -> None:
        """Another record holds a unique value: a person must decide about it, and the other fields go on."""
        self._closed.append((operation.id, "taken", outcome.message, operation.record))
        detail: dict[str, Any] = {"message": outcome.message, "other": outcome.other_id}
        for name in names:
            part = operation.body["fields"][name]
            ends = {"left": link.base[0].get(name), "right": link.base[1].get(name)}
            if "own" in part:
                ends["left" if self._side is Side.RIGHT else "right"] = part["own"]
            # what is decided again by every pass, and held as long as that is asked about
            wanted = part.get("instead_of", part["set"])
            tried = {"field": name, "side": int(self._side), "tried": wanted, **ends, **detail}
            self._overruled.append((link.id, name))
            subject = f"{link.id}:{name}"
            self._questions.append(Question(kind="conflict", subject=subject, link=link.id, detail=tried))
        self._audit.append(
            Audit(event="taken", link=link.id, side=self._side, record=operation.record, detail=detail)
        )
        self._wake.extend(self._rows(operation))

    def refused(self, operation: Operation, outcome: Outcome) -> None:
        scope = self._scope
        attempts = int(operation.body.get("attempts", 0)) + 1
        status, due = scope.retry(attempts)
        if outcome.retry_after_s is not None and due is not None:
            due = max(due, scope.now() + timedelta(seconds=outcome.retry_after_s))
        self._closed.append((operation.id, outcome.kind.value, outcome.message, operation.record))
        message = outcome.message or "the remote refused it"
        end = scope.ends[self._side].system
        why = f"{end}: {message}" + (f" (field {outcome.field})" if outcome.field else "")
        self._resting.extend((s, r, status, why, due, attempts) for s, r in self._rows(operation))
        detail: dict[str, Any] = {"message": message, "code": outcome.code, "kind": operation.kind}
        if outcome.field:
            detail["field"] = outcome.field
        if outcome.other_id:
            detail["other"] = outcome.other_id
        source = operation.body["source"]
        self._audit.append(
            Audit(
                event=outcome.kind.value,
                link=None if operation.kind == WriteKind.CREATE else operation.link,
                side=source["side"],
                record=source["record"],
                detail=detail,
            )
        )
        if outcome.kind is OutcomeKind.TAKEN:
            subject = f"{source['side']}:{source['record']}"
            self._questions.append(Question(kind="taken", subject=subject, detail=detail))
        if operation.kind == WriteKind.CREATE:
            self._unmade.append(operation.link)

    def _rows(self, operation: Operation) -> list[tuple[int, str]]:
        source = operation.body["source"]
        rows = [(int(source["side"]), str(source["record"]))]
        return rows + ([(int(self._side), operation.record)] if operation.record else [])

    def save(self, db: Connection, now: datetime) -> None:
        scope = self._scope
        scope.ledger.settle_operations(db, self._closed, now)
        scope.ledger.insert_operations(db, self._again)
        _mark_gone(scope, db, self._side, self._gone)
        scope.ledger.delete_links(db, self._unmade)
        scope.ledger.rest(db, self._resting)
        scope.ledger.wake_records(db, self._wake)
        scope.ledger.ask(db, scope.pass_id, now, self._questions)
        forget_about(db, self._overruled)
        scope.ledger.write_audit(db, scope.pass_id, now, self._audit)


def _take_back(
    scope: Scope, db: Connection, operations: Sequence[Operation], why: str, *, status: str | None = None
) -> None:
    """Cancel operations that were certainly not carried out; their records are decided again."""
    now = scope.now()
    scope.ledger.settle_operations(db, [(op.id, "cancelled", why, op.record) for op in operations], now)
    rows = []
    for operation in operations:
        source = operation.body["source"]
        if source["record"] is not None:
            rows.append((int(source["side"]), str(source["record"])))
        if operation.record is not None:
            rows.append((int(operation.side), operation.record))
    if status is None:
        scope.ledger.wake_records(db, rows)
    else:
        scope.ledger.rest(db, [(s, r, status, why, None, 0) for s, r in rows])
    scope.ledger.delete_links(db, [op.link for op in operations if op.kind == WriteKind.CREATE])


def _take_back_lost(scope: Scope, db: Connection, operations: Sequence[Operation], why: str) -> None:
    """Cancel operations whose answer was lost and that were not carried out. What was sent alone, and lost
    before, is taken for what the remote fails on: it rests like a refused one."""
    _take_back(scope, db, operations, why)
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


def mark_gone(scope: Scope, side: Side, ids: set[str]) -> None:
    """Note that the remote no longer knows these records."""
    with scope.database.write() as db:
        scope.fence(db)
        _mark_gone(scope, db, side, dict.fromkeys(ids, ""))


def _mark_gone(scope: Scope, db: Connection, side: Side, words: Mapping[str, str]) -> None:
    """Stage linked records as deleted, whoever noticed it: the same is decided as when a read tells it.
    ``words``: by record, what the remote said."""
    links = scope.ledger.links_of(db, side, list(words))
    if not links:
        return
    now, today = scope.now(), scope.today(side)
    seen, notes = [], []
    for record_id, link in links.items():
        record = Record(id=record_id, version="", values={}, state=State.DELETED)
        projection = scope.maps.project(side, record, today)
        seen.append((record, projection))
        if link.states[side] != "deleted":
            detail = {"message": words[record_id]} if words[record_id] else {}
            notes.append(Audit(event="gone", link=link.id, side=side, record=record_id, detail=detail))
        link.prints[side] = projection.print  # told: it is no news when it is decided
    scope.ledger.update_links(db, list(links.values()))
    scope.ledger.write_audit(db, scope.pass_id, now, notes)
    stage_projected(scope, db, side, seen, now + scope.ends[side].skew, today, force=True)
