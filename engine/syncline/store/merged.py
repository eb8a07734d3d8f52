"""Linked records that are newly gone: the first place to look for merges."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.store import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A linked record that was read as archived or deleted and is not dealt with."""

    side: int
    record: str
    merged_into: str | None
    seq: int


def newly_gone(db: Connection, scope: int, after: int, limit: int) -> list[Gone]:
    """Pending rows of linked records that are gone, or were merged, though their links have them as live; in
    the order of ``seq``, from beyond ``after``."""
    s, k = t.staged.c, t.link.c
    live = sa.or_(
        sa.and_(s.side == 0, k.left_id == s.record, k.left_state.in_(("live", "out"))),
        sa.and_(s.side == 1, k.right_id == s.record, k.right_state.in_(("live", "out"))),
    )
    query = (
        sa.select(s.side, s.record, s.merged_into, s.seq)
        .where(s.scope == scope, s.status == "pending", s.seq > after)
        .where(s.state.in_(("archived", "deleted")))
        .where(sa.exists().where(k.scope == scope, live))
        .order_by(s.seq)
        .limit(limit)
    )
    return [
        Gone(side=r.side, record=r.record, merged_into=r.merged_into, seq=r.seq) for r in db.execute(query)
    ]
