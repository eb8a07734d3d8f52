"""The scopes and passes of a state: which module of which spec between which organisations, and each run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.store import tables as t
from syncline.store.ids import next_id
from syncline.store.statement import LIMIT, Statement, find, insert, param, stored_instant

_BATCH = 1000


class ScopeKey(Struct, frozen=True, kw_only=True):
    """What makes a scope: other organisations or other remote modules are another scope, with other links."""

    spec: str
    module: str
    left_org: str
    right_org: str
    left_module: str
    right_module: str


_SCOPE = find(t.scope, ["id", "digest"], " ".join(ScopeKey.__struct_fields__))
_DIGEST = find(t.scope, ["digest"], "id")
_ANY_LINK = Statement(
    "scope limit", lambda _: sa.select(t.link.c.id).where(t.link.c.scope == param("scope")).suffix_with(LIMIT)
)

_BEGIN = insert(t.run, ["id", "spec", "verb", "who", "started", "status"])
_END = Statement(
    "ended status reason totals k_id", lambda _: sa.update(t.run).where(t.run.c.id == param("k_id"))
)
_END_DEAD = Statement(
    "ended status reason k_spec k_status k_id",
    lambda _: sa.update(t.run).where(
        t.run.c.spec == param("k_spec"), t.run.c.status == param("k_status"), t.run.c.id != param("k_id")
    ),
)


def open_scope(db: Connection, key: ScopeKey, digest: str, fields: Mapping[str, str]) -> int:
    """The id of a scope, made on first sight.

    ``digest``: of everything that decides the module's values; ``fields``: of each map. When the module is
    another than last time, every record is read again and compared afresh: cursors and prints are dropped,
    links stay. A map that now means another value is one that the ends have never agreed on.
    """
    told: dict[str, Any] = {"module": digest, "fields": dict(fields), "approved": {}}
    rows = _SCOPE.all(db, *(getattr(key, name) for name in ScopeKey.__struct_fields__))
    if not rows:
        made = next_id()
        values = {name: getattr(key, name) for name in ScopeKey.__struct_fields__}
        db.execute(sa.insert(t.scope).values(id=made, digest=exactjson.encode(told), **values))
        return made
    scope = int(rows[0][0])
    before = exactjson.decode(rows[0][1])
    if before["module"] == digest:
        return scope
    told["approved"] = before["approved"]
    _save_digest(db, scope, told)
    db.execute(sa.delete(t.cursor).where(t.cursor.c.scope == scope))
    db.execute(sa.update(t.staged).where(t.staged.c.scope == scope).values(print=b"", twin=None))
    db.execute(sa.update(t.link).where(t.link.c.scope == scope).values(left_print=b"", right_print=b""))
    reopened = {name for name, old in before["fields"].items() if fields.get(name, old) != old}
    if reopened:
        _reopen(db, scope, reopened)
    return scope


def unapproved_maps(db: Connection, scope: int, maps: Mapping[str, str]) -> frozenset[str]:
    """The maps that are new, or write something else, since somebody last approved of what they do.

    ``maps``: the digest of each. Without links there is nothing that a map could change, so all are approved;
    one that the spec drops must be approved again when it comes back.
    """
    told = _digest(db, scope)
    if not _ANY_LINK.all(db, scope, 1):
        kept = dict(maps)
    else:
        kept = {name: digest for name, digest in told["approved"].items() if name in maps}
    if kept != told["approved"]:
        _save_digest(db, scope, {**told, "approved": kept})
    return frozenset(name for name, digest in maps.items() if kept.get(name) != digest)


def approve_maps(db: Connection, scope: int, maps: Mapping[str, str]) -> None:
    """Remember that what these maps do has been approved."""
    told = _digest(db, scope)
    _save_digest(db, scope, {**told, "approved": dict(maps)})


def _digest(db: Connection, scope: int) -> dict[str, Any]:
    ((text,),) = _DIGEST.all(db, scope)
    told: dict[str, Any] = exactjson.decode(text)
    return told


def _save_digest(db: Connection, scope: int, told: Mapping[str, Any]) -> None:
    db.execute(sa.update(t.scope).where(t.scope.c.id == scope).values(digest=exactjson.encode(told)))


def _reopen(db: Connection, scope: int, names: set[str]) -> None:
    """Mark maps as never agreed on, in every link of a scope, a batch at a time."""
    c = t.link.c
    last = 0
    while True:
        query = sa.select(c.id, c.open).where(c.scope == scope, c.id > last).order_by(c.id).limit(_BATCH)
        rows = db.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        changed = [
            {"k_id": row.id, "n_open": exactjson.encode(sorted(names.union(exactjson.decode(row.open))))}
            for row in rows
        ]
        db.execute(
            sa.update(t.link).where(c.id == sa.bindparam("k_id")).values(open=sa.bindparam("n_open")), changed
        )


def begin_pass(db: Connection, spec: str, verb: str, who: str, now: datetime) -> int:
    pass_id = next_id()
    _BEGIN.many(db, [(pass_id, spec, verb, who, stored_instant(db, now), "running")])
    return pass_id


def end_pass(
    db: Connection, pass_id: int, status: str, reason: str, totals: Mapping[str, Any], now: datetime
) -> None:
    _END.run(db, stored_instant(db, now), status, reason, exactjson.encode(totals), pass_id)


def end_dead_passes(db: Connection, spec: str, pass_id: int, now: datetime) -> None:
    """End the passes of a spec that never told their end: whoever holds all its leases knows that they are
    dead, or have lost theirs. ``pass_id``: the one that goes on."""
    why = "its process was killed or stalled"
    _END_DEAD.run(db, stored_instant(db, now), "failed", why, spec, "running", pass_id)


def last_passes(db: Connection, spec: str, limit: int) -> list[dict[str, Any]]:
    """The newest passes of a spec, newest first: id, verb, who, started, ended, status, reason, totals."""
    query = sa.select(t.run).where(t.run.c.spec == spec).order_by(t.run.c.id.desc()).limit(limit)
    return [{**row._mapping, "totals": exactjson.decode(row.totals)} for row in db.execute(query)]
