"""What is known of two ledgers: links, bases, cursors, staging, the journal and the audit log.

Every method works on rows of one scope inside the caller's transaction. Rows are plain values; JSON text
is decoded here, so that nobody else needs to know how it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from syncline import exactjson
from syncline.store import tables as t
from syncline.store.database import upsert
from syncline.store.ids import next_id

_CHUNK = 500


@dataclass(slots=True, kw_only=True)
class Staged:
    """A record that was read and is not settled. ``own``, ``out``, ``faults``, ``keys``: its projection."""

    side: int
    record: str
    version: str
    state: str
    in_scope: bool
    ref_key: str | None
    modified: datetime | None
    read_at: datetime
    print: bytes
    own: dict[str, Any]
    out: dict[str, Any]
    faults: dict[str, str]
    recheck: str | None
    lock: dict[str, Any] | None
    merged_into: str | None
    status: str = "pending"
    reason: str = ""
    attempts: int = 0
    seq: int = 0

    @property
    def condition(self) -> str:
        """live, archived, deleted, or out (of the module's scope)."""
        return "out" if self.state == "live" and not self.in_scope else self.state


@dataclass(slots=True, kw_only=True)
class Link:
    """Record A and record B are the same thing. Pairs are (left, right).

    ``base``: each end's values as last settled; ``open``: the maps that the ends have never agreed on, whose
    values there are only the last seen. ``sent``: by side, the maps that were written while the remote did
    not say what it stored; ``prints`` is None then.
    """

    id: int
    ids: list[str | None]
    keys: list[str | None]
    versions: list[str]
    prints: list[bytes | None]
    states: list[str]
    base: list[dict[str, Any]]
    open: set[str]
    sent: list[set[str]]
    locks: list[dict[str, Any] | None]
    recheck: str | None
    how: dict[str, Any]
    pass_id: int
    made_at: datetime


@dataclass(slots=True, kw_only=True)
class Operation:
    """One intended write. ``body``: what to store and why, see :mod:`syncline.run.reconciling`."""

    id: int
    pass_id: int
    side: int
    kind: str
    link: int
    record: str | None
    key: str
    body: dict[str, Any]
    status: str = "planned"
    message: str = ""
    made_at: datetime
    sent_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Audit:
    """One thing that was decided or done. ``detail``: fields with before, after, lost and the rule."""

    event: str
    link: int | None = None
    side: int | None = None
    record: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Question:
    """Something that a person must decide. ``subject`` is unique among the open questions of its kind."""

    kind: str
    subject: str
    link: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """The rows of one scope."""

    def __init__(self, scope: int) -> None:
        self.scope = scope

    # --- cursors ---------------------------------------------------------------------------------

    def cursor(self, db: Connection, side: int) -> str | None:
        c = t.cursor.c
        found: str | None = db.scalar(sa.select(c.value).where(c.scope == self.scope, c.side == side))
        return found

    def save_cursor(self, db: Connection, side: int, value: str, now: datetime) -> None:
        upsert(db, t.cursor, [{"scope": self.scope, "side": side, "value": value, "saved_at": now}])

    # --- staging ---------------------------------------------------------------------------------

    def staged_prints(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, bytes]:
        c = t.staged.c
        query = sa.select(c.record, c["print"]).where(c.scope == self.scope, c.side == side)
        return {r[0]: r[1] for r in _chunked(db, query, c.record, records)}

    def staged(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, Staged]:
        c = t.staged.c
        query = sa.select(t.staged).where(c.scope == self.scope, c.side == side)
        return {r.record: _staged(r) for r in _chunked(db, query, c.record, records)}

    def save_staged(self, db: Connection, rows: Sequence[Staged]) -> None:
        """Put rows into staging; a row that is already there is replaced."""
        upsert(db, t.staged, [self._staged_row(row) for row in rows])

    def pending(self, db: Connection, limit: int) -> list[Staged]:
        c = t.staged.c
        query = (
            sa.select(t.staged)
            .where(c.scope == self.scope, c.status == "pending")
            .order_by(c.seq)
            .limit(limit)
        )
        return [_staged(row) for row in db.execute(query)]

    def has_pending(self, db: Connection) -> bool:
        c = t.staged.c
        query = sa.select(c.record).where(c.scope == self.scope, c.status == "pending").limit(1)
        return db.execute(query).first() is not None

    def rest(
        self,
        db: Connection,
        rows: Iterable[tuple[int, str, str, str, datetime | None, int]],
    ) -> None:
        """Let rows rest: (side, record, status, reason, due, attempts)."""
        c = t.staged.c
        values = [
            {"k_side": s, "k_record": r, "n_status": st, "n_reason": why[:2000], "n_due": due, "n_att": n}
            for s, r, st, why, due, n in rows
        ]
        if values:
            db.execute(
                sa.update(t.staged)
                .where(
                    c.scope == self.scope,
                    c.side == sa.bindparam("k_side"),
                    c.record == sa.bindparam("k_record"),
                )
                .values(
                    status=sa.bindparam("n_status"),
                    reason=sa.bindparam("n_reason"),
                    due=sa.bindparam("n_due"),
                    attempts=sa.bindparam("n_att"),
                ),
                values,
            )

    def unstage(self, db: Connection, rows: Iterable[tuple[int, str]]) -> None:
        """Take settled rows (side, record) out of staging."""
        c = t.staged.c
        keys = [{"k_side": side, "k_record": record} for side, record in rows]
        if keys:
            db.execute(
                sa.delete(t.staged).where(
                    c.scope == self.scope,
                    c.side == sa.bindparam("k_side"),
                    c.record == sa.bindparam("k_record"),
                ),
                keys,
            )

    def wake(self, db: Connection, now: datetime) -> None:
        """Make pending what rested until now: waiters, unclear matches, due failures, writes cut off."""
        c = t.staged.c
        db.execute(
            sa.update(t.staged)
            .where(
                c.scope == self.scope,
                sa.or_(
                    c.status.in_(("waiting", "writing", "ambiguous")),
                    sa.and_(c.status == "failed", c.due <= now),
                ),
            )
            .values(status="pending")
        )

    def wake_records(self, db: Connection, rows: Iterable[tuple[int, str]]) -> None:
        """Make these rows (side, record) pending, where they rest for a write."""
        c = t.staged.c
        keys = [{"k_side": side, "k_record": record} for side, record in rows]
        if keys:
            db.execute(
                sa.update(t.staged)
                .where(
                    c.scope == self.scope,
                    c.side == sa.bindparam("k_side"),
                    c.record == sa.bindparam("k_record"),
                    c.status == "writing",
                )
                .values(status="pending"),
                keys,
            )

    def resting(self, db: Connection) -> dict[str, int]:
        """How many records or linked pairs rest, by status."""
        c = t.staged.c
        query = sa.select(c.status, sa.func.count()).where(c.scope == self.scope).group_by(c.status)
        counts = {row[0]: row[1] for row in db.execute(query)}
        left, right = t.staged.alias("l"), t.staged.alias("r")
        pairs = (
            sa.select(left.c.status, sa.func.count())
            .select_from(t.link)
            .join(left, sa.and_(left.c.scope == t.link.c.scope, left.c.record == t.link.c.left_id))
            .join(right, sa.and_(right.c.scope == t.link.c.scope, right.c.record == t.link.c.right_id))
            .where(t.link.c.scope == self.scope, left.c.side == 0, right.c.side == 1)
            .where(left.c.status == right.c.status, left.c.status != "pending")
            .group_by(left.c.status)
        )
        for status, both in db.execute(pairs) if counts else ():
            counts[status] -= both
        return counts

    # --- match keys ------------------------------------------------------------------------------

    def save_keys(
        self, db: Connection, side: int, keys: Mapping[str, Sequence[str]], known: Sequence[str]
    ) -> None:
        """Replace the match keys of records: by record, one key per rule, empty where it has none.
        ``known``: those of the records that may have keys already."""
        c = t.match_key.c
        for chunk in _chunks(list(known)):
            db.execute(
                sa.delete(t.match_key).where(c.scope == self.scope, c.side == side, c.record.in_(chunk))
            )
        rows = [
            {"scope": self.scope, "rule": rule, "key": key, "side": side, "record": record}
            for record, given in keys.items()
            for rule, key in enumerate(given)
            if key
        ]
        if rows:
            db.execute(sa.insert(t.match_key), rows)

    def key_groups(
        self, db: Connection, rule: int, after: int, limit: int
    ) -> tuple[list[tuple[str, list[str], list[str]]], int | None]:
        """The groups of records that share a key of a rule, for the keys of some pending rows without a link.

        ``after``: the ``seq`` that the rows come after, at most ``limit`` of them. Returns, for each key that
        both ends have, the records of the left and of the right end; and the last row's ``seq``, None when
        there was none. A key comes again when more of its rows are pending than one call looks at.
        """
        s, m, k = t.staged.c, t.match_key.c, t.link.c
        linked = [
            sa.exists().where(k.scope == self.scope, own == s.record) for own in (k.left_id, k.right_id)
        ]
        page = (
            sa.select(s.side, s.record, s.seq)
            .where(s.scope == self.scope, s.status == "pending", s.seq > after)
            .where(sa.or_(s.side == 1, ~linked[0]), sa.or_(s.side == 0, ~linked[1]))
            .order_by(s.seq)
            .limit(limit)
        )
        rows = db.execute(page).all()
        if not rows:
            return [], None
        keys: set[str] = set()
        for side in (0, 1):
            mine = sa.select(m.key).where(m.scope == self.scope, m.side == side, m.rule == rule)
            records = [row.record for row in rows if row.side == side]
            keys.update(row.key for row in _chunked(db, mine, m.record, records))
        members = sa.select(m.key, m.side, m.record).where(m.scope == self.scope, m.rule == rule)
        groups: dict[str, tuple[list[str], list[str]]] = {}
        for key, side, record in _chunked(db, members, m.key, sorted(keys)):
            groups.setdefault(key, ([], []))[side].append(record)
        found = [(key, left, right) for key, (left, right) in groups.items() if left and right]
        return sorted(found), rows[-1].seq

    # --- links -----------------------------------------------------------------------------------

    def link_marks(
        self, db: Connection, side: int, records: Sequence[str]
    ) -> dict[str, tuple[int, bytes | None]]:
        """Of these records of one end, those that are linked: the link's id and the print last settled."""
        c = t.link.c
        own = (c.left_id, c.right_id)[side]
        mark = (c.left_print, c.right_print)[side]
        query = sa.select(own, c.id, mark).where(c.scope == self.scope)
        return {r[0]: (r[1], r[2]) for r in _chunked(db, query, own, records)}

    def links_of(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, Link]:
        own = (t.link.c.left_id, t.link.c.right_id)[side]
        query = sa.select(t.link).where(t.link.c.scope == self.scope)
        rows = _chunked(db, query, own, records)
        return {(row.left_id, row.right_id)[side]: _link(row) for row in rows}

    def links(self, db: Connection, ids: Sequence[int]) -> dict[int, Link]:
        query = sa.select(t.link).where(t.link.c.scope == self.scope)
        return {row.id: _link(row) for row in _chunked(db, query, t.link.c.id, ids)}

    @staticmethod
    def links_anywhere(db: Connection, ids: Sequence[int]) -> dict[int, Link]:
        """Links of any scope."""
        return {row.id: _link(row) for row in _chunked(db, sa.select(t.link), t.link.c.id, ids)}

    def links_by_key(self, db: Connection, side: int, keys: Sequence[str]) -> dict[str, Link]:
        """The links whose record at an end is referred to by these natural keys."""
        own = (t.link.c.left_key, t.link.c.right_key)[side]
        query = sa.select(t.link).where(t.link.c.scope == self.scope)
        rows = _chunked(db, query, own, keys)
        return {(row.left_key, row.right_key)[side]: _link(row) for row in rows}

    def links_due(self, db: Connection, today: str, limit: int = 10_000) -> list[Link]:
        """The links whose day of looking again has come."""
        c = t.link.c
        query = sa.select(t.link).where(c.scope == self.scope, c.recheck <= today).limit(limit)
        return [_link(row) for row in db.execute(query)]

    def count_links(self, db: Connection) -> int:
        query = sa.select(sa.func.count()).select_from(t.link).where(t.link.c.scope == self.scope)
        return db.scalar(query) or 0

    def insert_links(self, db: Connection, links: Sequence[Link]) -> None:
        if links:
            db.execute(sa.insert(t.link), [{"id": lk.id, **self._link_row(lk)} for lk in links])

    def update_links(self, db: Connection, links: Sequence[Link]) -> None:
        if not links:
            return
        c = t.link.c
        rows = [{"k_id": link.id, **self._link_row(link)} for link in links]
        names = [name for name in rows[0] if name != "k_id"]
        query = sa.update(t.link).where(c.id == sa.bindparam("k_id"))
        db.execute(query.values({name: sa.bindparam(name) for name in names}), rows)

    def delete_links(self, db: Connection, ids: Sequence[int]) -> None:
        for chunk in _chunks(list(ids)):
            db.execute(sa.delete(t.link).where(t.link.c.id.in_(chunk)))

    # --- journal ---------------------------------------------------------------------------------

    def insert_operations(self, db: Connection, operations: Sequence[Operation]) -> None:
        if operations:
            db.execute(
                sa.insert(t.operation),
                [
                    {
                        "id": op.id,
                        "scope": self.scope,
                        "pass": op.pass_id,
                        "side": op.side,
                        "kind": op.kind,
                        "link": op.link,
                        "record": op.record,
                        "key": op.key,
                        "body": exactjson.encode(op.body),
                        "status": op.status,
                        "made_at": op.made_at,
                    }
                    for op in operations
                ],
            )

    def operations(
        self,
        db: Connection,
        status: str,
        *,
        side: int | None = None,
        kind: str | None = None,
        limit: int = 1000,
    ) -> list[Operation]:
        c = t.operation.c
        query = sa.select(t.operation).where(c.scope == self.scope, c.status == status)
        if side is not None:
            query = query.where(c.side == side)
        if kind is not None:
            query = query.where(c.kind == kind)
        return [_operation(row) for row in db.execute(query.order_by(c.id).limit(limit))]

    def count_operations(self, db: Connection, status: str) -> dict[tuple[int, str], int]:
        """How many operations, by (side, kind)."""
        c = t.operation.c
        query = (
            sa.select(c.side, c.kind, sa.func.count())
            .where(c.scope == self.scope, c.status == status)
            .group_by(c.side, c.kind)
        )
        return {(row[0], row[1]): row[2] for row in db.execute(query)}

    def mark_sent(self, db: Connection, ids: Sequence[int], now: datetime) -> None:
        for chunk in _chunks(list(ids)):
            db.execute(
                sa.update(t.operation).where(t.operation.c.id.in_(chunk)).values(status="sent", sent_at=now)
            )

    def settle_operations(
        self, db: Connection, rows: Sequence[tuple[int, str, str, str | None]], now: datetime
    ) -> None:
        """Close operations: (id, status, the remote's words, the record's id at the written end)."""
        if rows:
            db.execute(
                sa.update(t.operation)
                .where(t.operation.c.id == sa.bindparam("k_id"))
                .values(
                    status=sa.bindparam("n_status"),
                    message=sa.bindparam("n_message"),
                    record=sa.bindparam("n_record"),
                    settled_at=sa.bindparam("n_at"),
                ),
                [
                    {"k_id": i, "n_status": st, "n_message": m[:2000], "n_record": r, "n_at": now}
                    for i, st, m, r in rows
                ],
            )

    # --- audit and questions ---------------------------------------------------------------------

    def write_audit(self, db: Connection, pass_id: int, now: datetime, rows: Sequence[Audit]) -> None:
        if rows:
            db.execute(
                sa.insert(t.audit),
                [
                    {
                        "id": next_id(),
                        "scope": self.scope,
                        "pass": pass_id,
                        "at": now,
                        "link": row.link,
                        "event": row.event,
                        "side": row.side,
                        "record": row.record,
                        "detail": exactjson.encode(row.detail),
                    }
                    for row in rows
                ],
            )

    def ask(self, db: Connection, pass_id: int, now: datetime, questions: Sequence[Question]) -> None:
        """Put questions; one that is already open takes the new detail."""
        rows = {
            (q.kind, q.subject): {
                "id": next_id(),
                "scope": self.scope,
                "pass": pass_id,
                "kind": q.kind,
                "subject": q.subject,
                "link": q.link,
                "detail": exactjson.encode(q.detail),
                "asked_at": now,
            }
            for q in questions
        }
        upsert(
            db, t.question, list(rows.values()), keys=["scope", "kind", "subject"], update=["detail", "link"]
        )

    def withdraw(self, db: Connection, subjects: Iterable[tuple[str, str]]) -> None:
        """Take back questions (kind, subject) that no longer need an answer."""
        c = t.question.c
        keys = [{"k_kind": kind, "k_subject": subject} for kind, subject in subjects]
        if keys:
            db.execute(
                sa.delete(t.question).where(
                    c.scope == self.scope,
                    c.kind == sa.bindparam("k_kind"),
                    c.subject == sa.bindparam("k_subject"),
                ),
                keys,
            )

    def questions(self, db: Connection, limit: int = 1000) -> list[Question]:
        c = t.question.c
        query = sa.select(t.question).where(c.scope == self.scope).order_by(c.id).limit(limit)
        return [
            Question(kind=r.kind, subject=r.subject, link=r.link, detail=exactjson.decode(r.detail))
            for r in db.execute(query)
        ]

    def asked(self, db: Connection, links: Sequence[int]) -> dict[int, dict[tuple[str, str], dict[str, Any]]]:
        """The open questions about links: by link, then by (kind, subject), the detail."""
        c = t.question.c
        query = sa.select(t.question).where(c.scope == self.scope)
        found: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}
        for row in _chunked(db, query, c.link, links):
            found.setdefault(row.link, {})[row.kind, row.subject] = exactjson.decode(row.detail)
        return found

    def count_questions(self, db: Connection) -> dict[str, int]:
        c = t.question.c
        query = sa.select(c.kind, sa.func.count()).where(c.scope == self.scope).group_by(c.kind)
        return {row[0]: row[1] for row in db.execute(query)}

    # --- rows ------------------------------------------------------------------------------------

    def _staged_row(self, row: Staged) -> dict[str, Any]:
        values = {"own": row.own, "out": row.out, "faults": row.faults, "recheck": row.recheck}
        return {
            "scope": self.scope,
            "side": row.side,
            "record": row.record,
            "seq": row.seq or next_id(),
            "version": row.version,
            "state": row.state,
            "in_scope": row.in_scope,
            "ref_key": row.ref_key,
            "modified": row.modified,
            "read_at": row.read_at,
            "print": row.print,
            "values": exactjson.encode(values),
            "lock": None if row.lock is None else exactjson.encode(row.lock),
            "merged_into": row.merged_into,
            "status": row.status,
            "reason": row.reason,
            "attempts": row.attempts,
            "due": None,
        }

    def _link_row(self, link: Link) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "left_id": link.ids[0],
            "right_id": link.ids[1],
            "left_key": link.keys[0],
            "right_key": link.keys[1],
            "left_version": link.versions[0],
            "right_version": link.versions[1],
            "left_print": link.prints[0],
            "right_print": link.prints[1],
            "left_state": link.states[0],
            "right_state": link.states[1],
            "left_base": exactjson.encode(link.base[0]),
            "right_base": exactjson.encode(link.base[1]),
            "open": exactjson.encode(sorted(link.open)),
            "sent": exactjson.encode([sorted(names) for names in link.sent]),
            "left_lock": None if link.locks[0] is None else exactjson.encode(link.locks[0]),
            "right_lock": None if link.locks[1] is None else exactjson.encode(link.locks[1]),
            "recheck": link.recheck,
            "how": exactjson.encode(link.how),
            "pass": link.pass_id,
            "made_at": link.made_at,
        }


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _chunked(
    db: Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], values: Sequence[Any]
) -> Iterator[Any]:
    for chunk in _chunks(list(values)):
        yield from db.execute(query.where(column.in_(chunk)))


def _staged(row: Row[Any]) -> Staged:
    values = exactjson.decode(row._mapping["values"])
    return Staged(
        side=row.side,
        record=row.record,
        version=row.version,
        state=row.state,
        in_scope=row.in_scope,
        ref_key=row.ref_key,
        modified=row.modified,
        read_at=row.read_at,
        print=row._mapping["print"],
        own=values["own"],
        out=values["out"],
        faults=values["faults"],
        recheck=values["recheck"],
        lock=None if row.lock is None else exactjson.decode(row.lock),
        merged_into=row.merged_into,
        status=row.status,
        reason=row.reason,
        attempts=row.attempts,
        seq=row.seq,
    )


def _link(row: Row[Any]) -> Link:
    return Link(
        id=row.id,
        ids=[row.left_id, row.right_id],
        keys=[row.left_key, row.right_key],
        versions=[row.left_version, row.right_version],
        prints=[row.left_print, row.right_print],
        states=[row.left_state, row.right_state],
        base=[exactjson.decode(row.left_base), exactjson.decode(row.right_base)],
        open=set(exactjson.decode(row.open)),
        sent=[set(names) for names in exactjson.decode(row.sent)],
        locks=[_maybe(row.left_lock), _maybe(row.right_lock)],
        recheck=row.recheck,
        how=exactjson.decode(row.how),
        pass_id=row._mapping["pass"],
        made_at=row.made_at,
    )


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        id=row.id,
        pass_id=row._mapping["pass"],
        side=row.side,
        kind=row.kind,
        link=row.link,
        record=row.record,
        key=row.key,
        body=exactjson.decode(row.body),
        status=row.status,
        message=row.message,
        made_at=row.made_at,
        sent_at=row.sent_at,
    )


def _maybe(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value: dict[str, Any] = exactjson.decode(text)
    return value
