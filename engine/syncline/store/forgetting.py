"""Forgetting: what a reset takes out of a scope. The journal and the audit log stay."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.store import tables as t


def forget_reading(db: Connection, scope: int, sides: Sequence[int]) -> None:
    """Forget how far these ends were read and what is staged of them; links and bases stay, and every record
    is compared afresh when it is read again."""
    for side in sides:
        for table in (t.cursor, t.staged, t.match_key):
            db.execute(sa.delete(table).where(table.c.scope == scope, table.c.side == side))
        about = t.question.c.subject.startswith(f"{side}:", autoescape=True)
        unlinked = t.question.c.kind.in_(("ambiguous", "taken"))
        db.execute(sa.delete(t.question).where(t.question.c.scope == scope, unlinked, about))
        mark = ("left_print", "right_print")[side]
        db.execute(sa.update(t.link).where(t.link.c.scope == scope).values({mark: b""}))


def forget_links(db: Connection, scope: int) -> int:
    """Forget which records belong together and everything asked about them; returns how many links went."""
    forget_reading(db, scope, (0, 1))
    for table in (t.question, t.decision):
        db.execute(sa.delete(table).where(table.c.scope == scope))
    gone = db.execute(sa.delete(t.link).where(t.link.c.scope == scope)).rowcount
    return int(gone)


def unsettled(db: Connection, scope: int) -> int:
    """How many operations of the journal have no outcome yet."""
    c = t.operation.c
    query = sa.select(sa.func.count()).where(c.scope == scope, c.status.in_(("planned", "sent")))
    return int(db.scalar(query) or 0)
