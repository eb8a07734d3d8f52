"""The history that a state keeps, read the way people ask about it.

Nothing here writes. Every function works inside the caller's transaction and takes the ids of scopes;
JSON text is decoded here, as in :mod:`syncline.store.ledger`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy.engine import Connection, Row

from syncline import exactjson
from syncline.store import tables as t

_PAGE = 500


class Connected(Struct, frozen=True, kw_only=True):
    """One connection of a spec, without anything secret. ``status``: ``connected`` or ``reconnect``.
    ``pages``: by remote module, where a person sees a record, as :class:`syncline.connect.contract.Account`
    has it."""

    system: str
    connector: str
    organisation_id: str
    organisation_name: str
    status: str
    reason: str
    connected_at: datetime
    pages: Mapping[str, str] = field(default_factory=dict)

    def page(self, module: str, record: str) -> str | None:
        """The address of a record in the remote's own screens; of an item of a list, that of its parent."""
        template = self.pages.get(module.partition(".")[0])
        return None if template is None else template.replace("{id}", quote(record.partition("/")[0]))


class Resting(Struct, frozen=True, kw_only=True):
    """A staged record. ``due``: the instant of its next try, ``None`` when it waits for something else;
    ``own``: its values by map; ``faults``: by map, why its value cannot be carried over."""

    side: int
    record: str
    status: str
    reason: str
    attempts: int
    due: datetime | None
    version: str
    state: str
    in_scope: bool
    modified: datetime | None
    read_at: datetime
    own: dict[str, Any]
    faults: dict[str, str]
    lock: dict[str, Any] | None


class Asked(Struct, frozen=True, kw_only=True):
    """An open question, with the pass that asked it first."""

    id: int
    kind: str
    subject: str
    link: int | None
    detail: dict[str, Any]
    asked_at: datetime
    pass_id: int


class Event(Struct, frozen=True, kw_only=True):
    """One audit row. ``side`` and ``record``: the end it happened at, where it happened at one."""

    id: int
    scope: int
    pass_id: int
    at: datetime
    event: str
    link: int | None
    side: int | None
    record: str | None
    detail: dict[str, Any]


class Sent(Struct, frozen=True, kw_only=True):
    """One operation of the journal and what came of it. ``message``: the remote's own words."""

    id: int
    pass_id: int
    side: int
    kind: str
    link: int
    record: str | None
    body: dict[str, Any]
    status: str
    message: str
    made_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None


class PassRow(Struct, frozen=True, kw_only=True):
    """One pass: who ran which verb, and when."""

    id: int
    verb: str
    who: str
    started: datetime
    ended: datetime | None
    status: str


# --- who and where -------------------------------------------------------------------------------


def connections(db: Connection, spec: str) -> dict[str, Connected]:
    """The connections of a spec, by system."""
    c = t.connection.c
    query = sa.select(
        c.system,
        c.connector,
        c.organisation_id,
        c.organisation_name,
        c.status,
        c.reason,
        c.connected_at,
        c.account,
    ).where(c.spec == spec)
    found = {}
    for row in db.execute(query):
        told = dict(row._mapping)
        pages = json.loads(told.pop("account")).get("pages", {})
        found[row.system] = Connected(**told, pages=pages)
    return found


def newest_scope(
    db: Connection,
    spec: str,
    module: str,
    remote_modules: tuple[str, str],
    organisations: tuple[str | None, str | None],
) -> int | None:
    """The scope of a module that was made last; of each pair (left, right), ``None`` stands for any."""
    c = t.scope.c
    query = sa.select(c.id).where(
        c.spec == spec,
        c.module == module,
        c.left_module == remote_modules[0],
        c.right_module == remote_modules[1],
    )
    for column, organisation in zip((c.left_org, c.right_org), organisations, strict=True):
        if organisation is not None:
            query = query.where(column == organisation)
    found: int | None = db.scalar(query.order_by(c.id.desc()).limit(1))
    return found


class Elsewhere(Struct, frozen=True, kw_only=True):
    """A module of another spec that keeps records of the same organisation; ``last``: when its spec's last
    pass began."""

    spec: str
    module: str
    remote_module: str
    last: datetime | None


def kept_elsewhere(
    db: Connection, spec: str, organisation: str, remote_modules: Collection[str]
) -> list[Elsewhere]:
    """The modules of other specs of this state at these remote modules of an organisation."""
    c, run = t.scope.c, t.run.c
    last = (
        sa.select(run.spec, sa.func.max(run.started).label("last"))
        .where(run.verb == "sync")
        .group_by(run.spec)
        .subquery()
    )
    found = set()
    for org, remote in ((c.left_org, c.left_module), (c.right_org, c.right_module)):
        query = (
            sa.select(c.spec, c.module, remote.label("remote_module"), last.c.last)
            .join_from(t.scope, last, last.c.spec == c.spec, isouter=True)
            .where(c.spec != spec, org == organisation, remote.in_(list(remote_modules)))
        )
        found |= {Elsewhere(**row._mapping) for row in db.execute(query)}
    return sorted(found, key=lambda one: (one.spec, one.module, one.remote_module))


def read_until(db: Connection, scope: int) -> dict[int, datetime]:
    """By side, when the cursor was last saved: what was changed before is staged or settled."""
    c = t.cursor.c
    return {row.side: row.saved_at for row in db.execute(sa.select(t.cursor).where(c.scope == scope))}


def passes(db: Connection, ids: Sequence[int]) -> dict[int, PassRow]:
    """The passes with these ids; those that are not remembered are left out."""
    c = t.run.c
    query = sa.select(c.id, c.verb, c.who, c.started, c.ended, c.status)
    found = {}
    for start in range(0, len(ids), _PAGE):
        for row in db.execute(query.where(c.id.in_(ids[start : start + _PAGE]))):
            found[row.id] = PassRow(**row._mapping)
    return found


def calls_since(db: Connection, account: str, since: float) -> int:
    """The cost units of the calls of one account (``connector:organisation``) since an instant (seconds
    since the epoch), as counted here."""
    c = t.call.c
    query = sa.select(sa.func.coalesce(sa.func.sum(c.cost), 0)).where(
        c.account.in_([account, f"{account} (open)"]), c.at > since
    )
    return int(db.scalar(query) or 0)


# --- what rests ----------------------------------------------------------------------------------


def resting(db: Connection, scope: int, statuses: Sequence[str], limit: int) -> list[Resting]:
    """The staged records in these statuses, in the order in which they came to rest."""
    c = t.staged.c
    query = sa.select(t.staged).where(c.scope == scope, c.status.in_(statuses)).order_by(c.seq).limit(limit)
    return [_resting(row) for row in db.execute(query)]


def resting_record(db: Connection, scope: int, side: int, record: str) -> Resting | None:
    """What is staged of one record."""
    c = t.staged.c
    query = sa.select(t.staged).where(c.scope == scope, c.side == side, c.record == record)
    row = db.execute(query).first()
    return None if row is None else _resting(row)


def has_failed_for_good(db: Connection, scope: int) -> bool:
    """Whether a record rests that no later pass tries again by itself."""
    c = t.staged.c
    final = sa.or_(c.status == "dead", sa.and_(c.status == "failed", c.due.is_(None)))
    return db.execute(sa.select(c.record).where(c.scope == scope, final).limit(1)).first() is not None


def questions(db: Connection, scope: int, kinds: Sequence[str], limit: int) -> list[Asked]:
    """The open questions of these kinds, oldest first."""
    c = t.question.c
    query = sa.select(t.question).where(c.scope == scope, c.kind.in_(kinds)).order_by(c.id).limit(limit)
    return [_asked(row) for row in db.execute(query)]


def question(db: Connection, scopes: Sequence[int], number: int) -> tuple[int, Asked] | None:
    """An open question by its id, with its scope."""
    c = t.question.c
    row = db.execute(sa.select(t.question).where(c.id == number, c.scope.in_(scopes))).first()
    return None if row is None else (row.scope, _asked(row))


def questions_about(
    db: Connection, scope: int, link: int | None, records: Sequence[tuple[int, str]]
) -> list[Asked]:
    """The open questions about a link or about records (side, id)."""
    c = t.question.c
    about: list[sa.ColumnElement[bool]] = [c.subject.in_([f"{side}:{record}" for side, record in records])]
    if link is not None:
        about.append(c.link == link)
    query = sa.select(t.question).where(c.scope == scope, sa.or_(*about)).order_by(c.id)
    return [_asked(row) for row in db.execute(query)]


# --- what was met --------------------------------------------------------------------------------


def keys_of(db: Connection, scope: int, side: int, record: str) -> dict[int, str]:
    """The match keys of a record, by the rule's place in the module (from 0)."""
    c = t.match_key.c
    query = sa.select(c.rule, c.key).where(c.scope == scope, c.side == side, c.record == record)
    return {row.rule: row.key for row in db.execute(query.order_by(c.rule))}


def records_with_key(db: Connection, scope: int, rule: int, key: str, side: int, limit: int) -> list[str]:
    """The records of one end that have a key of a match rule."""
    c = t.match_key.c
    query = sa.select(c.record).where(c.scope == scope, c.rule == rule, c.key == key, c.side == side)
    return [row.record for row in db.execute(query.order_by(c.record).limit(limit))]


# --- what was done -------------------------------------------------------------------------------


def events(
    db: Connection,
    scopes: Sequence[int],
    *,
    links: Sequence[int] | None = None,
    records: Sequence[str] | None = None,
    kinds: Sequence[str] = (),
    pass_id: int | None = None,
    since: datetime | None = None,
    limit: int,
) -> Iterator[Event]:
    """Audit rows of these scopes, newest first, at most ``limit``.

    ``links``, ``records``: only rows about one of either, unless both are ``None``; ``kinds``: only these
    events, unless empty. Read page by page: nothing grows with ``limit``.
    """
    c = t.audit.c
    query = sa.select(t.audit).where(c.scope.in_(scopes))
    if links is not None or records is not None:
        query = query.where(sa.or_(c.link.in_(links or ()), c.record.in_(records or ())))
    if kinds:
        query = query.where(c.event.in_(kinds))
    if pass_id is not None:
        query = query.where(c["pass"] == pass_id)
    if since is not None:
        query = query.where(c.at >= since)
    newest: int | None = None
    while limit > 0:
        page = query if newest is None else query.where(c.id < newest)
        rows = db.execute(page.order_by(c.id.desc()).limit(min(limit, _PAGE))).all()
        for row in rows:
            yield _event(row)
        if len(rows) < min(limit, _PAGE):
            return
        newest, limit = rows[-1].id, limit - len(rows)


def event(db: Connection, scopes: Sequence[int], number: int) -> Event | None:
    """One audit row by its id."""
    row = db.execute(sa.select(t.audit).where(t.audit.c.id == number, t.audit.c.scope.in_(scopes))).first()
    return None if row is None else _event(row)


def losses(db: Connection, scopes: Sequence[int], limit: int) -> list[Event]:
    """The newest writes in which a value lost to a rule or to a person's word, newest first."""
    c = t.audit.c
    query = sa.select(t.audit).where(c.scope.in_(scopes), c.event == "updated", c.detail.contains('"lost":'))
    return [_event(row) for row in db.execute(query.order_by(c.id.desc()).limit(limit))]


def operations(
    db: Connection, scope: int, link: int | None, sources: Sequence[tuple[int, str]]
) -> list[Sent]:
    """Every operation of a link, and every create that came from one of ``sources`` (side, record) and was
    not carried out, whose link is gone. Oldest first."""
    c = t.operation.c
    wanted: list[sa.ColumnElement[bool]] = [] if link is None else [c.link == link]
    for side, record in sources:
        source = exactjson.encode({"source": {"side": side, "record": record}})[1:-1]
        wanted.append(
            sa.and_(c.kind == "create", c.status != "done", c.body.contains(source, autoescape=True))
        )
    query = sa.select(t.operation).where(c.scope == scope, sa.or_(*wanted)).order_by(c.id)
    return [_sent(row) for row in db.execute(query)]


def busy_links(db: Connection, links: Sequence[int], since: datetime, least: int) -> dict[int, list[Sent]]:
    """The updates of links that were carried out since an instant, oldest first; only of links that have at
    least so many."""
    c = t.operation.c
    found: dict[int, list[Sent]] = {}
    for start in range(0, len(links), _PAGE):
        mine = [c.link.in_(links[start : start + _PAGE]), c.kind == "update", c.status == "done"]
        busy = sa.select(c.link).where(*mine, c.settled_at >= since).group_by(c.link)
        ids = db.scalars(busy.having(sa.func.count() >= least)).all()
        if ids:
            query = sa.select(t.operation).where(*mine, c.settled_at >= since, c.link.in_(ids))
            for row in db.execute(query.order_by(c.id)):
                found.setdefault(row.link, []).append(_sent(row))
    return found


# --- rows ----------------------------------------------------------------------------------------


def _resting(row: Row[Any]) -> Resting:
    faults = exactjson.decode(row.more)[0] if row.more is not None else {}
    return Resting(
        side=row.side,
        record=row.record,
        status=row.status,
        reason=row.reason,
        attempts=row.attempts,
        due=row.due if row.status == "failed" else None,
        version=row.version,
        state=row.state,
        in_scope=row.in_scope,
        modified=row.modified,
        read_at=row.read_at,
        own=exactjson.decode(row.own),
        faults=faults,
        lock=None if row.lock is None else exactjson.decode(row.lock),
    )


def _asked(row: Row[Any]) -> Asked:
    return Asked(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        link=row.link,
        detail=exactjson.decode(row.detail),
        asked_at=row.asked_at,
        pass_id=row._mapping["pass"],
    )


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        scope=row.scope,
        pass_id=row._mapping["pass"],
        at=row.at,
        event=row.event,
        link=row.link,
        side=row.side,
        record=row.record,
        detail=exactjson.decode(row.detail),
    )


def _sent(row: Row[Any]) -> Sent:
    return Sent(
        id=row.id,
        pass_id=row._mapping["pass"],
        side=row.side,
        kind=row.kind,
        link=row.link,
        record=row.record,
        body=exactjson.decode(row.body),
        status=row.status,
        message=row.message,
        made_at=row.made_at,
        sent_at=row.sent_at,
        settled_at=row.settled_at,
    )
