"""What a full read has seen, kept in the state so that memory stays flat whatever the number of records."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.store import tables as t
from syncline.store.database import upsert


def note_seen(db: Connection, scope: int, side: int, records: Iterable[str]) -> None:
    """Note that these records of an end were read."""
    rows = [{"scope": scope, "side": side, "record": record} for record in dict.fromkeys(records)]
    upsert(db, t.seen, rows, update=())


def unseen(db: Connection, scope: int, side: int, after: str, limit: int) -> list[str]:
    """Records of an end that are linked and not known to be deleted, or staged, and were not read: in the
    order of their ids, from beyond ``after``."""
    k, s = t.link.c, t.staged.c
    own, state = (k.left_id, k.left_state) if side == 0 else (k.right_id, k.right_state)
    linked = (
        sa.select(own.label("record"))
        .where(k.scope == scope, own > after, state != "deleted", ~_seen(scope, side, own))
        .order_by(own)
        .limit(limit)
        .subquery()
    )
    staged = (
        sa.select(s.record)
        .where(s.scope == scope, s.side == side, s.record > after)
        .where(s.state != "deleted", ~_seen(scope, side, s.record))
        .order_by(s.record)
        .limit(limit)
        .subquery()
    )
    # Ordered by the database throughout: its order of texts need not be this language's.
    both = sa.union(sa.select(linked.c.record), sa.select(staged.c.record)).subquery()
    return list(db.scalars(sa.select(both.c.record).order_by(both.c.record).limit(limit)))


def forget_seen(db: Connection, scope: int) -> None:
    """Forget what a full read has seen."""
    db.execute(sa.delete(t.seen).where(t.seen.c.scope == scope))


def _seen(scope: int, side: int, record: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    c = t.seen.c
    return sa.exists().where(c.scope == scope, c.side == side, c.record == record)
