"""Settle: write down what came of operations, record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from syncline.connect.contract import Outcome, OutcomeKind, Record, State, WriteKind
from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import RENDERED, TAKEN, Projection, Side
from syncline.reconcile.merge import changed, rewritten
from syncline.run.deciding import close_decisions, forget_about
from syncline.run.journal import ENDING, values_of
from syncline.run.reading import lock_json, stage_projected
from syncline.run.references import links_named
from syncline.run.scope import Scope
from syncline.store.ids import next_id
from syncline.store.ledger import Audit, Ledger, Link, Operation, Question

_PAST = {
    WriteKind.CREATE: "created",
    WriteKind.UPDATE: "updated",
    WriteKind.RESTORE: "restored",
    WriteKind.ARCHIVE: "archived",
    WriteKind.VOID: "voided",
    WriteKind.DELETE: "deleted",
}


def settle(scope: Scope, side: Side, answers: Sequence[tuple[Operation, Outcome]]) -> list[str]:
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
    named = scope.maps.named(side, [outcome.field])
    return [name for name in operation.body["fields"] if name in named]


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
        self._restored: set[str] = set()
        self._keys: dict[str, Sequence[str | tuple[str, ...]]] = {}
        self._operations: list[Operation] = []
        #: the records that took a value which is still to be carried over, say something else since a void,
        #: or were not followed before a restore
        self.put: list[str] = []

    def add(self, operation: Operation, outcome: Outcome) -> None:
        scope, side = self._scope, self._side
        kind, link = WriteKind(operation.kind), self._links[operation.link]
        record_id = outcome.id or operation.record
        link.ids[side] = record_id
        missed = scope.maps.named(side, outcome.missed) if outcome.missed else ()
        stored = {name: part for name, part in operation.body["fields"].items() if name not in missed}
        # What a person chose for this end alone is in step only when it has been carried over as well.
        carried = [name for name, part in stored.items() if "put" not in part]
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
                detail=self._story(link, operation, stored, outcome, projection),
            )
        )
        rows = [(int(s), i) for s in Side if (i := link.ids[s]) is not None]
        if operation.body["alone"] and not outcome.missed:
            self._operations.append(operation)
            self._unstage.extend(rows)
            return
        self._wake.extend(rows)
        self._operations.append(operation)
        unread = kind in (WriteKind.VOID, WriteKind.RESTORE) and projection is None
        if record_id is not None and (unread or len(carried) < len(operation.body["fields"])):
            self.put.append(record_id)
        self._written.append((link, carried, outcome.record, projection))
        if kind is WriteKind.RESTORE and record_id is not None:
            self._restored.add(record_id)

    def _learn(
        self, link: Link, kind: WriteKind, operation: Operation, outcome: Outcome, carried: Sequence[str]
    ) -> Projection | None:
        """Move the base to what the remote says it stored, or else to what was sent."""
        scope, side, record = self._scope, self._side, outcome.record
        projection = scope.maps.project(side, record, self._today) if record is not None else None
        sent = values_of(scope, side, operation, self._links)
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
        if kind in ENDING:
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
        # Nor was its end, when it is found a while after an answer that was lost.
        has_ended = record.state is not State.LIVE and record.state.value != link.states[side]
        live = link.states[side] == "live" and operation.body["alone"]
        if back or has_ended or (live and self._surprising(link, operation, projection)):
            self._surprises.append((record, projection))
        return projection

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
            if row.record in self._restored:
                row.state = "live"  # the archive that was staged is undone: it would be carried back
            row.own.update({name: link.base[side][name] for name in names})
            if record is not None and projection is not None:
                row.own, row.faults = projection.own, projection.faults
                row.print, row.lock, row.modified = projection.print, lock_json(record), record.modified
        scope.ledger.save_staged(self._db, list(rows.values()))

    def _agree_on_nothing(self, link: Link, projection: Projection | None) -> None:
        """What was empty at the source and so not sent is agreed on, unless the remote filled it in; so is
        what a map of the other direction has at neither end, where the remote tells."""
        side = self._side
        for entry in self._scope.maps.entries:
            name, base = entry.name, link.base[side.other]
            if name not in link.open or not blank(base.get(name)):
                continue
            stored = None if projection is None else projection.own.get(name)
            if entry.flows[side]:
                agreed = blank(stored) or not entry.flows[side.other]
            else:
                agreed = projection is not None and name in projection.own and name in base and blank(stored)
            if agreed:
                link.base[side][name] = stored
                base.setdefault(name, None)
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
        self,
        link: Link,
        operation: Operation,
        stored: Mapping[str, Any],
        outcome: Outcome,
        projection: Projection | None,
    ) -> dict[str, Any]:
        fields = {}
        for name, part in stored.items():
            told = {k: v for k, v in part.items() if k in ("before", "why", "rule", "lost")}
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
        note_gone(scope, db, self._side, self._gone)
        scope.ledger.delete_links(db, self._unmade)
        scope.ledger.rest(db, self._resting)
        scope.ledger.wake_records(db, self._wake)
        scope.ledger.ask(db, scope.pass_id, now, self._questions)
        forget_about(db, self._overruled)
        scope.ledger.write_audit(db, scope.pass_id, now, self._audit)


def mark_gone(scope: Scope, side: Side, ids: set[str]) -> None:
    """Note that the remote no longer knows these records."""
    with scope.database.write() as db:
        scope.fence(db)
        note_gone(scope, db, side, dict.fromkeys(ids, ""))


def note_gone(scope: Scope, db: Connection, side: Side, words: Mapping[str, str]) -> None:
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
