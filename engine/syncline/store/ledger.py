"""What is known of two ledgers: links, bases, cursors, staging, the journal and the audit log.

Every method works on rows of one scope inside the caller's transaction. Rows are plain values; JSON text
is decoded here, so that nobody else needs to know how it is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.store import tables as t
from syncline.store.database import upsert
from syncline.store.ids import next_id, next_ids
from syncline.store.statement import (
    LIMIT,
    Statement,
    among,
    find,
    given_list,
    insert,
    param,
    read_instant,
    replace,
    sql,
    stored_instant,
)

_CHUNK = 500
T = TypeVar("T")


class Staged(msgspec.Struct):
    """A record that was read and is not settled. ``own``, ``faults``: its projection; ``out`` is worked out
    anew each time that the record is decided about, and not kept. ``lost``: how many times what was to be
    written for it was sent, not answered and not carried out. ``text``: ``own`` as JSON, from whoever has
    made it already; ``twin``: see :func:`syncline.run.reading.twin_of`, not read back."""

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
    faults: dict[str, str]
    recheck: str | None
    lock: dict[str, Any] | None
    merged_into: str | None
    out: dict[str, Any] = {}
    status: str = "pending"
    reason: str = ""
    attempts: int = 0
    lost: int = 0
    seq: int = 0
    text: str = ""
    twin: bytes | None = None

    @property
    def condition(self) -> str:
        """live, archived, deleted, or out (of the module's scope)."""
        return "out" if self.state == "live" and not self.in_scope else self.state


class Link(msgspec.Struct, kw_only=True):
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


class Operation(msgspec.Struct, kw_only=True):
    """One intended write. ``body``: what to store and why, see :mod:`syncline.run.batch`."""

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


class Audit(msgspec.Struct, kw_only=True):
    """One thing that was decided or done. ``detail``: fields with before, after, lost and the rule."""

    event: str
    link: int | None = None
    side: int | None = None
    record: str | None = None
    detail: dict[str, Any] = {}


class Question(msgspec.Struct, kw_only=True):
    """Something that a person must decide. ``subject`` is unique among the open questions of its kind."""

    kind: str
    subject: str
    link: int | None = None
    detail: dict[str, Any] = {}


# --- what every record takes ---------------------------------------------------------------------

_STAGED_COLUMNS = (
    "side record seq version state in_scope ref_key modified read_at print own more lock merged_into"
    " status reason attempts"
).split()
_LINK_VALUES = (
    "scope left_id right_id left_key right_key left_version right_version left_print right_print left_state"
    " right_state left_base right_base open sent left_lock right_lock recheck how pass made_at"
).split()
_LINK_COLUMNS = [*_LINK_VALUES[1:], "id"]
_OPERATION_COLUMNS = "id pass side kind link record key body status message made_at sent_at".split()


def _delete(table: sa.Table, names: str, *, among_: str) -> Statement:
    """Delete by equal values of the columns that are named, the last one (``among_``) by a list."""
    c = table.c

    def build(dialect: str) -> sa.Delete:
        equal = [c[name] == param(name) for name in names.split() if name != among_]
        return sa.delete(table).where(*equal, among(c[among_], among_, dialect))

    return Statement(names, build)


def _links_where(column: str) -> Statement:
    return find(t.link, _LINK_COLUMNS, f"scope {column}", among_=column)


def _unlinked(dialect: str) -> sa.Select[Any]:
    s, k = t.staged.c, t.link.c
    linked = [
        sa.exists().where(k.scope == param(name), own == s.record)
        for name, own in (("scope_a", k.left_id), ("scope_b", k.right_id))
    ]
    return (
        sa.select(s.side, s.record, s.seq)
        .where(sa.or_(s.side == sql("1"), ~linked[0]))
        .where(sa.or_(s.side == sql("0"), ~linked[1]))
        .where(s.scope == param("scope"), s.status == sql("'pending'"), s.seq > param("after"))
        .order_by(s.seq)
        .suffix_with(LIMIT)
    )


def _pending(dialect: str) -> sa.Select[Any]:
    c = t.staged.c
    return (
        sa.select(*(c[name] for name in _STAGED_COLUMNS))
        .where(c.scope == param("scope"), c.status == sql("'pending'"))
        .order_by(c.seq)
        .suffix_with(LIMIT)
    )


def _links_due(dialect: str) -> sa.Select[Any]:
    c = t.link.c
    return (
        sa.select(*(c[name] for name in _LINK_COLUMNS))
        .where(c.scope == param("scope"), c.recheck <= param("today"))
        .suffix_with(LIMIT)
    )


def _twin_rows(dialect: str) -> sa.Select[Any]:
    c = t.staged.c
    return (
        sa.select(c.record, c.twin, c.seq)
        .where(c.scope == param("scope"), c.status == sql("'pending'"), c.seq > param("after"))
        .where(c.side == sql("0"), c.in_scope, c.twin.is_not(None))
        .order_by(c.seq)
        .suffix_with(LIMIT)
    )


def _twins_among(dialect: str) -> sa.Select[Any]:
    c = t.staged.c
    return (
        sa.select(c.record, c.twin)
        .where(c.scope == param("scope"), c.side == sql("1"), among(c.record, "record", dialect))
        .where(c.in_scope, c.status.not_in([sql("'ambiguous'"), sql("'ignored'")]))
    )


def _link_twins(dialect: str) -> sa.Insert:
    left, right = t.staged.alias("l"), t.staged.alias("r")
    columns: dict[str, sa.ColumnElement[Any]] = {"id": _typed(t.link.c.id)}
    columns |= {name: _typed(t.link.c[name]) for name in ("how", "pass", "made_at")}
    columns |= {"scope": left.c.scope}
    for end, row in (("left", left), ("right", right)):
        columns |= {f"{end}_id": row.c.record, f"{end}_key": row.c.ref_key, f"{end}_version": row.c.version}
        columns |= {f"{end}_print": row.c["print"], f"{end}_state": row.c.state, f"{end}_base": row.c.own}
        columns |= {f"{end}_lock": row.c.lock}
    chosen = sa.select(*columns.values()).where(
        left.c.scope == param("left_scope"),
        left.c.side == sql("0"),
        left.c.record == param("left_record"),
        right.c.scope == param("right_scope"),
        right.c.side == sql("1"),
        right.c.record == param("right_record"),
    )
    return sa.insert(t.link).from_select(list(columns), chosen, include_defaults=False)


def _resting_pairs(dialect: str) -> sa.Select[Any]:
    left, right, k = t.staged.alias("l"), t.staged.alias("r"), t.link.c
    return (
        sa.select(left.c.status, sa.func.count())
        .select_from(t.link)
        .join(left, sa.and_(left.c.scope == k.scope, left.c.record == k.left_id))
        .join(right, sa.and_(right.c.scope == k.scope, right.c.record == k.right_id))
        .where(k.scope == param("scope"), left.c.side == sql("0"), right.c.side == sql("1"))
        .where(left.c.status == right.c.status, left.c.status != sql("'pending'"))
        .group_by(left.c.status)
    )


def _wake(dialect: str) -> sa.Update:
    c = t.staged.c
    resting = [sql(f"'{status}'") for status in ("waiting", "writing", "ambiguous", "ignored")]
    due = sa.and_(c.status == sql("'failed'"), c.due <= param("now"))
    return (
        sa.update(t.staged)
        .where(c.scope == param("k_scope"), sa.or_(c.status.in_(resting), due))
        .values(status=sql("'pending'"))
    )


def _operations(*more: str) -> Statement:
    c, names = t.operation.c, ("scope", "status", *more)

    def build(dialect: str) -> sa.Select[Any]:
        columns = [c[name] for name in _OPERATION_COLUMNS]
        equal = [c[name] == param(name) for name in names]
        return sa.select(*columns).where(*equal).order_by(c.id).suffix_with(LIMIT)

    return Statement(" ".join([*names, "limit"]), build)


def _changing(dialect: str) -> sa.Select[Any]:
    c, link = t.operation.c, t.link.c
    return (
        sa.select(sa.func.count(c.link.distinct()))
        .join(t.link, link.id == c.link)
        .where(c.scope == param("scope"), c.status == sql("'planned'"), c.kind == sql("'update'"))
        .where(link["pass"] != param("pass"))
    )


def _counts(table: sa.Table, columns: Sequence[str], names: str) -> Statement:
    """How many rows with equal values of the columns that are named, by other columns."""
    c = table.c

    def build(dialect: str) -> sa.Select[Any]:
        by = [c[name] for name in columns]
        equal = [c[name] == param(name) for name in names.split()]
        return sa.select(*by, sa.func.count()).where(*equal).group_by(*by)

    return Statement(names, build)


def _key_sizes(dialect: str) -> sa.Select[Any]:
    c = t.match_key.c
    return (
        sa.select(c.key, c.side, sa.func.count())
        .where(c.scope == param("scope"), c.rule == param("rule"), among(c.key, "key", dialect))
        .group_by(c.key, c.side)
    )


def _typed(column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(column.name, type_=column.type)


_STAGED = find(t.staged, _STAGED_COLUMNS, "scope side record", among_="record")
_STAGED_PRINTS = find(t.staged, ["record", "print"], "scope side record", among_="record")
#: What few rows have: the others are not told of it, since to bind nothing costs as much as to bind a value.
_BESIDES = ("more", "lock", "merged_into", "reason", "attempts")
_SAVE_STAGED = replace(t.staged, [column.name for column in t.staged.c if column.name != "due"])
_SAVE_PLAIN = replace(
    t.staged, [column.name for column in t.staged.c if column.name not in ("due", *_BESIDES)]
)
_PENDING = Statement("scope limit", _pending)
_UNSTAGE = _delete(t.staged, "scope side record", among_="record")
_REST = Statement(
    "status reason attempts due k_scope k_side k_record",
    lambda _: (
        sa.update(t.staged)
        .where(*(t.staged.c[n] == param(f"k_{n}") for n in ("scope", "side", "record")))
        .values({name: param(name) for name in ("status", "reason", "attempts", "due")})
    ),
)
_ASKED = find(t.question, ["link", "kind", "subject", "detail"], "scope link", among_="link")
_ASKED_OF = find(t.question, ["subject", "detail"], "scope kind subject", among_="subject")
_UNLINKED = Statement("scope_a scope_b scope after limit", _unlinked)
_KEYS = find(t.match_key, ["key"], "scope side rule record", among_="record")
_MEMBERS = find(t.match_key, ["key", "side", "record"], "scope rule key", among_="key")
_KEYS_OF = find(t.match_key, ["record", "rule", "key"], "scope side record", among_="record")
_KEY_SIZES = Statement("scope rule key", _key_sizes)
_SAVE_KEYS = insert(t.match_key, [column.name for column in t.match_key.c])
_DROP_KEYS = _delete(t.match_key, "scope side record", among_="record")
_LINK_MARKS = [
    find(t.link, [f"{end}_id", "id", f"{end}_print"], f"scope {end}_id", among_=f"{end}_id")
    for end in ("left", "right")
]
_LINKS_OF = [_links_where(f"{end}_id") for end in ("left", "right")]
_LINKS_BY_KEY = [_links_where(f"{end}_key") for end in ("left", "right")]
_LINKS = find(t.link, _LINK_COLUMNS, "id", among_="id")
_LINKS_DUE = Statement("scope today limit", _links_due)
_INSERT_LINKS = insert(t.link, ["id", *_LINK_VALUES])
_UPDATE_LINKS = Statement(
    " ".join([*_LINK_VALUES, "link"]),
    lambda _: (
        sa.update(t.link)
        .where(t.link.c.id == param("link"))
        .values({name: param(name) for name in _LINK_VALUES})
    ),
)
_TWIN_ROWS = Statement("scope after limit", _twin_rows)
_TWINS_AMONG = Statement("scope record", _twins_among)
_LINK_TWINS = Statement("id how pass made_at left_scope left_record right_scope right_record", _link_twins)
_WAKE = Statement("k_scope now", _wake)
_RESTING = _counts(t.staged, ["status"], "scope")
_RESTING_PAIRS = Statement("scope", _resting_pairs)
_OPERATIONS: dict[tuple[str, ...], Statement] = {
    names: _operations(*names) for names in ((), ("side",), ("kind",), ("side", "kind"))
}
_OPERATION_COUNTS = _counts(t.operation, ["side", "kind"], "scope status")
_CHANGING = Statement("scope pass", _changing)
_QUESTION_COUNTS = _counts(t.question, ["kind"], "scope")
_CURSOR = find(t.cursor, ["value"], "scope side")
_SAVE_CURSOR = replace(t.cursor, ["scope", "side", "value", "saved_at"])
_INSERT_AUDIT = insert(t.audit, [column.name for column in t.audit.c])


class Ledger:
    """The rows of one scope."""

    def __init__(self, scope: int) -> None:
        self.scope = scope

    # --- cursors ---------------------------------------------------------------------------------

    def cursor(self, db: Connection, side: int) -> str | None:
        rows = _CURSOR.all(db, self.scope, side)
        return rows[0][0] if rows else None

    def save_cursor(self, db: Connection, side: int, value: str, now: datetime) -> None:
        _SAVE_CURSOR.run(db, self.scope, side, value, stored_instant(db, now))

    def drop_cursor(self, db: Connection, side: int) -> None:
        """Read this end from the beginning next time."""
        c = t.cursor.c
        db.execute(sa.delete(t.cursor).where(c.scope == self.scope, c.side == side))

    # --- staging ---------------------------------------------------------------------------------

    def staged_prints(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, bytes]:
        rows = _STAGED_PRINTS.all(db, self.scope, side, given_list(db, records))
        return {record: bytes(print_) for record, print_ in rows}

    def staged(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, Staged]:
        if not records:
            return {}
        rows = _STAGED.all(db, self.scope, side, given_list(db, records))
        return {row.record: row for row in map(_staged, rows)}

    def save_staged(self, db: Connection, rows: Sequence[Staged]) -> None:
        """Put rows into staging; a row that is already there is replaced."""
        instants: dict[datetime | None, Any] = {}
        for row in rows:
            for moment in (row.read_at, row.modified):
                if moment not in instants:
                    instants[moment] = stored_instant(db, moment)
        numbers = iter(next_ids(len(rows)))
        plain, others = [], []
        for row in rows:
            read = (
                self.scope,
                int(row.side),
                row.record,
                row.seq or next(numbers),
                row.version,
                row.state,
                row.in_scope,
                row.ref_key,
                instants[row.modified],
                instants[row.read_at],
                row.print,
                row.text or exactjson.encode(row.own),
            )
            more, lock = _more(row), None if row.lock is None else exactjson.encode(row.lock)
            if more or lock or row.merged_into or row.reason or row.attempts:
                rest = (row.merged_into, row.status, row.reason, row.attempts)
                others.append((*read, more, row.twin, lock, *rest))
            else:
                plain.append((*read, row.twin, row.status))
        _SAVE_PLAIN.many(db, plain)
        _SAVE_STAGED.many(db, others)

    def pending(self, db: Connection, limit: int) -> list[Staged]:
        return [_staged(row) for row in _PENDING.all(db, self.scope, limit)]

    def has_pending(self, db: Connection) -> bool:
        return bool(_PENDING.all(db, self.scope, 1))

    def rest(
        self,
        db: Connection,
        rows: Iterable[tuple[int, str, str, str, datetime | None, int]],
    ) -> None:
        """Let rows rest: (side, record, status, reason, due, attempts)."""
        _REST.many(
            db,
            [
                (status, why[:2000], attempts, stored_instant(db, due), self.scope, int(side), record)
                for side, record, status, why, due, attempts in rows
            ],
        )

    def unstage(self, db: Connection, rows: Iterable[tuple[int, str]]) -> None:
        """Take settled rows (side, record) out of staging."""
        records: dict[int, list[str]] = {0: [], 1: []}
        for side, record in rows:
            records[side].append(record)
        for side, some in records.items():
            if some:
                _UNSTAGE.many(db, [(self.scope, side, given_list(db, some))])

    def wake(self, db: Connection, now: datetime) -> None:
        """Make pending what rested until now: waiters, unclear and ignored ones, due failures, cut writes."""
        _WAKE.run(db, self.scope, stored_instant(db, now))

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

    def wake_resting(self, db: Connection, rows: Sequence[tuple[int, str]], status: str) -> int:
        """Make these rows (side, record) pending, where they rest in this way; how many did."""
        c, found = t.staged.c, 0
        for side, record in rows:
            here = (c.scope == self.scope, c.side == side, c.record == record, c.status == status)
            found += db.execute(sa.update(t.staged).where(*here).values(status="pending")).rowcount
        return found

    def resting(self, db: Connection) -> dict[str, int]:
        """How many records or linked pairs rest, by status."""
        counts: dict[str, int] = dict(_RESTING.all(db, self.scope))
        for status, both in _RESTING_PAIRS.all(db, self.scope) if counts else ():
            counts[status] -= both
        return counts

    # --- match keys ------------------------------------------------------------------------------

    def save_keys(
        self,
        db: Connection,
        side: int,
        keys: Mapping[str, Sequence[str | tuple[str, ...]]],
        known: Sequence[str],
    ) -> None:
        """Replace the match keys of records: by record, one key or several per rule, empty where it has none.
        ``known``: those of the records that may have keys already."""
        if known:
            _DROP_KEYS.many(db, [(self.scope, int(side), given_list(db, known))])
        _SAVE_KEYS.many(
            db,
            [
                (self.scope, rule, key, int(side), record)
                for record, given in keys.items()
                for rule, many in enumerate(given)
                if many
                for key in ((many,) if isinstance(many, str) else many)
            ],
        )

    def key_groups(
        self, db: Connection, rule: int, after: int, limit: int
    ) -> tuple[list[tuple[str, list[str], list[str]]], int | None]:
        """The groups of records that share a key of a rule, for the keys of some pending rows without a link.

        ``after``: the ``seq`` that the rows come after, at most ``limit`` of them. Returns, for each key that
        both ends have, the records of the left and of the right end; and the last row's ``seq``, None when
        there was none. A key comes again when more of its rows are pending than one call looks at.
        """
        rows = _UNLINKED.all(db, self.scope, self.scope, self.scope, after, limit)
        if not rows:
            return [], None
        keys: set[str] = set()
        for side in (0, 1):
            records = [record for end, record, _ in rows if end == side]
            if records:
                keys.update(key for (key,) in _KEYS.all(db, self.scope, side, rule, given_list(db, records)))
        groups = self._groups(db, rule, keys)
        found = [(key, left, right) for key, (left, right) in groups.items() if left and right]
        return sorted(found), rows[-1][2]

    def _groups(
        self, db: Connection, rule: int, keys: Collection[str]
    ) -> dict[str, tuple[list[str], list[str]]]:
        groups: dict[str, tuple[list[str], list[str]]] = {}
        if keys:
            for key, side, record in _MEMBERS.all(db, self.scope, rule, given_list(db, sorted(keys))):
                groups.setdefault(key, ([], []))[side].append(record)
        return groups

    def unlinked(self, db: Connection, after: int, limit: int) -> list[tuple[int, str, int]]:
        """Pending rows without a link: side, record and ``seq``, which they come after."""
        rows = _UNLINKED.all(db, self.scope, self.scope, self.scope, after, limit)
        return [(side, record, seq) for side, record, seq in rows]

    def keys_of(self, db: Connection, side: int, records: Sequence[str]) -> list[tuple[str, int, str]]:
        """The keys of these records: record, number of the rule, key."""
        if not records:
            return []
        return [tuple(row) for row in _KEYS_OF.all(db, self.scope, int(side), given_list(db, records))]

    def key_sizes(self, db: Connection, rule: int, keys: Sequence[str]) -> dict[str, list[int]]:
        """How many records of the left and of the right end have each of these keys of a rule."""
        sizes: dict[str, list[int]] = {}
        for key, side, count in _KEY_SIZES.all(db, self.scope, rule, given_list(db, keys)):
            sizes.setdefault(key, [0, 0])[side] = count
        return sizes

    def key_members(self, db: Connection, rule: int, keys: Sequence[str]) -> list[tuple[str, int, str]]:
        """Who has these keys of a rule: key, side, record."""
        return [tuple(row) for row in _MEMBERS.all(db, self.scope, rule, given_list(db, keys))]

    # --- links -----------------------------------------------------------------------------------

    def link_marks(
        self, db: Connection, side: int, records: Sequence[str]
    ) -> dict[str, tuple[int, bytes | None]]:
        """Of these records of one end, those that are linked: the link's id and the print last settled."""
        rows = _LINK_MARKS[side].all(db, self.scope, given_list(db, records))
        return {record: (link, None if mark is None else bytes(mark)) for record, link, mark in rows}

    def links_of(self, db: Connection, side: int, records: Sequence[str]) -> dict[str, Link]:
        if not records:
            return {}
        rows = _LINKS_OF[side].all(db, self.scope, given_list(db, records))
        return {link.ids[side] or "": link for link in map(_link, rows)}

    @staticmethod
    def links_anywhere(db: Connection, ids: Sequence[int]) -> dict[int, Link]:
        """Links of any scope."""
        if not ids:
            return {}
        return {link.id: link for link in map(_link, _LINKS.all(db, given_list(db, ids)))}

    def links_by_key(self, db: Connection, side: int, keys: Sequence[str]) -> dict[str, Link]:
        """The links whose record at an end is referred to by these natural keys."""
        if not keys:
            return {}
        rows = _LINKS_BY_KEY[side].all(db, self.scope, given_list(db, keys))
        return {link.keys[side] or "": link for link in map(_link, rows)}

    def records_of_keys(self, db: Connection, side: int, keys: Sequence[str]) -> list[str]:
        """The records at a side, linked or staged, that are told under one of these keys."""
        own, key = (
            (t.link.c.left_id, t.link.c.left_key) if side == 0 else (t.link.c.right_id, t.link.c.right_key)
        )
        s = t.staged.c
        linked = sa.select(own).where(t.link.c.scope == self.scope, own.is_not(None))
        staged = sa.select(s.record).where(s.scope == self.scope, s.side == side)
        found: dict[str, None] = {}
        for query, column in ((linked, key), (staged, s.ref_key)):
            found |= dict.fromkeys(row[0] for row in _chunked(db, query, column, keys))
        return list(found)

    def links_due(self, db: Connection, today: str, limit: int = 10_000) -> list[Link]:
        """The links whose day of looking again has come."""
        return [_link(row) for row in _LINKS_DUE.all(db, self.scope, today, limit)]

    def count_links(self, db: Connection) -> int:
        query = sa.select(sa.func.count()).select_from(t.link).where(t.link.c.scope == self.scope)
        return db.scalar(query) or 0

    def count_live(self, db: Connection, side: int) -> int:
        """How many linked records of an end are live, as far as is known."""
        c = t.link.c
        own, state = ((c.left_id, c.left_state), (c.right_id, c.right_state))[side]
        query = sa.select(sa.func.count()).select_from(t.link)
        return (
            db.scalar(query.where(c.scope == self.scope, own.is_not(None), state.in_(("live", "out")))) or 0
        )

    def insert_links(self, db: Connection, links: Sequence[Link]) -> None:
        _INSERT_LINKS.many(db, [(link.id, *self._link_row(db, link)) for link in links])

    def twins(
        self, db: Connection, rule: int, after: int, limit: int
    ) -> tuple[list[tuple[str, str, str]], int | None]:
        """Pairs that nobody else shares the key of a rule with, both free to be linked, that agree in every
        map: left record, right record and key.

        ``after``: the ``seq`` that the left rows, which are pending, come after, at most ``limit`` of them.
        Returns the last row's ``seq`` too, None when there was none. Asked by lists, not by a join: until a
        database has counted its rows anew it may choose to go through all of them for each.
        """
        rows = _TWIN_ROWS.all(db, self.scope, after, limit)
        if not rows:
            return [], None
        lefts = {record: twin for record, twin, _ in rows}
        asked = _KEYS.all(db, self.scope, 0, rule, given_list(db, list(lefts)))
        groups = self._groups(db, rule, [key for (key,) in asked])
        pairs = [(a[0], b[0], key) for key, (a, b) in groups.items() if len(a) == len(b) == 1]
        rights = [right for _, right, _ in pairs]
        twins: dict[str, bytes | None] = dict(_TWINS_AMONG.all(db, self.scope, given_list(db, rights)))
        pairs = [pair for pair in pairs if twins.get(pair[1]) == lefts[pair[0]]]
        linked = [self.link_marks(db, side, [pair[side] for pair in pairs]) for side in (0, 1)]
        free = [pair for pair in pairs if pair[0] not in linked[0] and pair[1] not in linked[1]]
        return free, rows[-1][2]

    def link_twins(
        self, db: Connection, pairs: Sequence[tuple[int, str, str, str]], pass_id: int, now: datetime
    ) -> None:
        """Link staged records that agree in every map, and take them out of staging: by link id, left record,
        right record and, as JSON, how they were found."""
        at = stored_instant(db, now)
        _LINK_TWINS.many(
            db,
            [
                (number, how, pass_id, at, self.scope, left, self.scope, right)
                for number, left, right, how in pairs
            ],
        )
        self.unstage(db, [(0, left) for _, left, _, _ in pairs] + [(1, right) for _, _, right, _ in pairs])

    def update_links(self, db: Connection, links: Sequence[Link]) -> None:
        _UPDATE_LINKS.many(db, [(*self._link_row(db, link), link.id) for link in links])

    def delete_links(self, db: Connection, ids: Sequence[int]) -> None:
        for chunk in chunks(list(ids)):
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
        asked = {"side": side, "kind": kind}
        given = {name: value for name, value in asked.items() if value is not None}
        rows = _OPERATIONS[tuple(given)].all(db, self.scope, status, *given.values(), limit)
        return [_operation(row) for row in rows]

    def count_changing(self, db: Connection, pass_id: int) -> int:
        """How many pairs that were linked before this pass have a planned update."""
        ((count,),) = _CHANGING.all(db, self.scope, pass_id)
        return int(count)

    def each_planned_update(self, db: Connection) -> Iterator[Operation]:
        c = t.operation.c
        query = sa.select(*(c[name] for name in _OPERATION_COLUMNS)).where(
            c.scope == self.scope, c.status == "planned", c.kind == "update"
        )
        for row in db.execute(query.execution_options(yield_per=_CHUNK)):
            yield _operation(row)

    def count_operations(self, db: Connection, status: str) -> dict[tuple[int, str], int]:
        """How many operations, by (side, kind)."""
        return {(side, kind): count for side, kind, count in _OPERATION_COUNTS.all(db, self.scope, status)}

    def mark_sent(self, db: Connection, ids: Sequence[int], now: datetime) -> None:
        for chunk in chunks(list(ids)):
            db.execute(
                sa.update(t.operation).where(t.operation.c.id.in_(chunk)).values(status="sent", sent_at=now)
            )

    def note_words(self, db: Connection, rows: Sequence[tuple[int, str]]) -> None:
        """What was said of operations (id, words) that stay open."""
        if rows:
            db.execute(
                sa.update(t.operation)
                .where(t.operation.c.id == sa.bindparam("k_id"))
                .values(message=sa.bindparam("n_message")),
                [{"k_id": number, "n_message": words[:2000]} for number, words in rows],
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
        at = stored_instant(db, now)
        _INSERT_AUDIT.many(
            db,
            [
                (
                    number,
                    self.scope,
                    pass_id,
                    at,
                    row.link,
                    row.event,
                    None if row.side is None else int(row.side),
                    row.record,
                    exactjson.encode(row.detail),
                )
                for number, row in zip(next_ids(len(rows)), rows, strict=True)
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
        found: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}
        for link, kind, subject, detail in _ASKED.all(db, self.scope, given_list(db, links)):
            found.setdefault(link, {})[kind, subject] = exactjson.decode(detail)
        return found

    def asked_of(self, db: Connection, kind: str, subjects: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The open questions of a kind about these subjects: by subject, the detail."""
        rows = _ASKED_OF.all(db, self.scope, kind, given_list(db, subjects)) if subjects else ()
        return {subject: exactjson.decode(detail) for subject, detail in rows}

    def count_questions(self, db: Connection) -> dict[str, int]:
        return dict(_QUESTION_COUNTS.all(db, self.scope))

    # --- rows ------------------------------------------------------------------------------------

    def _link_row(self, db: Connection, link: Link) -> tuple[Any, ...]:
        """The values of _LINK_VALUES."""
        (left, right), locks = link.base, link.locks
        return (
            self.scope,
            *link.ids,
            *link.keys,
            *link.versions,
            *link.prints,
            *link.states,
            exactjson.encode(left),
            exactjson.encode(right),
            exactjson.encode(sorted(link.open)) if link.open else "[]",
            exactjson.encode([sorted(names) for names in link.sent]) if any(link.sent) else "[[],[]]",
            *(None if lock is None else exactjson.encode(lock) for lock in locks),
            link.recheck,
            exactjson.encode(link.how),
            link.pass_id,
            stored_instant(db, link.made_at),
        )


def chunks(values: list[T]) -> Iterator[list[T]]:
    """The values in lists of as many as one query may name."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _chunked(
    db: Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], values: Sequence[Any]
) -> Iterator[Any]:
    for chunk in chunks(list(values)):
        yield from db.execute(query.where(column.in_(chunk)))


def _staged(row: Sequence[Any]) -> Staged:
    """A row of _STAGED_COLUMNS."""
    faults, recheck, *more = exactjson.decode(row[11]) if row[11] is not None else ({}, None)
    return Staged(
        row[0],
        row[1],
        row[3],
        row[4],
        bool(row[5]),
        row[6],
        None if row[7] is None else read_instant(row[7]),
        read_instant(row[8]),
        bytes(row[9]),
        exactjson.decode(row[10]),
        faults,
        recheck,
        _maybe(row[12]),
        row[13],
        {},
        row[14],
        row[15],
        row[16],
        more[0] if more else 0,
        row[2],
    )


def _more(row: Staged) -> str | None:
    told = [row.faults, row.recheck, row.lost]
    return exactjson.encode(told) if any(told) else None


def _link(row: Sequence[Any]) -> Link:
    """A row of _LINK_COLUMNS."""
    return Link(
        ids=[row[0], row[1]],
        keys=[row[2], row[3]],
        versions=[row[4], row[5]],
        prints=[None if mark is None else bytes(mark) for mark in row[6:8]],
        states=[row[8], row[9]],
        base=[exactjson.decode(row[10]), exactjson.decode(row[11])],
        open=set(exactjson.decode(row[12])),
        sent=[set(names) for names in exactjson.decode(row[13])],
        locks=[_maybe(row[14]), _maybe(row[15])],
        recheck=row[16],
        how=exactjson.decode(row[17]),
        pass_id=row[18],
        made_at=read_instant(row[19]),
        id=row[20],
    )


def _operation(row: Sequence[Any]) -> Operation:
    """A row of _OPERATION_COLUMNS."""
    return Operation(
        id=row[0],
        pass_id=row[1],
        side=row[2],
        kind=row[3],
        link=row[4],
        record=row[5],
        key=row[6],
        body=exactjson.decode(row[7]),
        status=row[8],
        message=row[9],
        made_at=read_instant(row[10]),
        sent_at=None if row[11] is None else read_instant(row[11]),
    )


def _maybe(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value: dict[str, Any] = exactjson.decode(text)
    return value
