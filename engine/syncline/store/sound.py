"""What earlier passes found right: a spec that nobody has touched is not checked anew."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.store import tables as t
from syncline.store.database import Database, upsert
from syncline.store.statement import find

#: What a spec was before is forgotten when it is as old as this.
_REMEMBERED = timedelta(days=35)
_DIGEST = find(t.sound, ["digest"], "digest")


def was_sound(database: Database, digest: str) -> bool:
    with database.read() as db:
        return bool(_DIGEST.all(db, digest))


def note_sound(db: Connection, digests: Collection[str], now: datetime) -> None:
    """Remember digests, and forget old ones."""
    db.execute(sa.delete(t.sound).where(t.sound.c.at < now - _REMEMBERED))
    upsert(db, t.sound, [{"digest": digest, "at": now} for digest in sorted(digests)])
