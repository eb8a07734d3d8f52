"""Linked records that are newly gone: the first place to look for merges."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.store import tables as t
from syncline.store.statement import LIMIT, Statement, param, sql


class Gone(Struct, frozen=True, kw_only=True):
    """A linked record that was read as archived or deleted and is not dealt with."""

    side: int
    record: str
    merged_into: str | None
    seq: int


def _newly_gone(_: str) -> sa.Select[Any]:
    s, k = t.staged.c, t.link.c
    ends = [
        sa.and_(s.side == sql(str(side)), own == s.record, state.in_([sql("'live'"), sql("'out'")]))
        for side, own, state in ((0, k.left_id, k.left_state), (1, k.right_id, k.right_state))
    ]
    return (
        sa.select(s.side, s.record, s.merged_into, s.seq)
        .where(s.scope == param("scope"), s.status == sql("'pending'"), s.seq > param("after"))
        .where(s.state.in_([sql("'archived'"), sql("'deleted'")]))
        .where(sa.exists().where(k.scope == param("of"), sa.or_(*ends)))
        .order_by(s.seq)
        .suffix_with(LIMIT)
    )


_NEWLY_GONE = Statement("scope after of limit", _newly_gone)


def newly_gone(db: Connection, scope: int, after: int, limit: int) -> list[Gone]:
    """Pending rows of linked records that are gone, or were merged, though their links have them as live; in
    the order of ``seq``, from beyond ``after``."""
    return [
        Gone(side=side, record=record, merged_into=merged_into, seq=seq)
        for side, record, merged_into, seq in _NEWLY_GONE.all(db, scope, after, scope, limit)
    ]
