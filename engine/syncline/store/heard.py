"""The events that have been heard, so that one delivered again costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.store import tables as t
from syncline.store.database import upsert

#: How long a remote may go on delivering an event again, with room to spare.
_REMEMBERED = timedelta(days=35)
_CHUNK = 500


def heard_before(db: Connection, account: str, events: Sequence[str]) -> set[str]:
    """Which of these events have been heard already."""
    c = t.heard.c
    found: set[str] = set()
    for start in range(0, len(events), _CHUNK):
        chunk = events[start : start + _CHUNK]
        query = sa.select(c.event).where(c.account == account, c.event.in_(chunk))
        found.update(db.scalars(query))
    return found


def note_heard(db: Connection, account: str, events: Sequence[str], now: datetime) -> None:
    """Remember events, and forget those that cannot come again."""
    upsert(db, t.heard, [{"account": account, "event": event, "at": now} for event in events])
    db.execute(sa.delete(t.heard).where(t.heard.c.account == account, t.heard.c.at < now - _REMEMBERED))
