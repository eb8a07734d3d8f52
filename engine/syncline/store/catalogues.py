"""What the organisations were last seen to have: their remote modules and fields."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.connect.contract import Catalogue
from syncline.store import tables as t
from syncline.store.database import upsert


def load_catalogue(db: Connection, account: str) -> tuple[Catalogue, datetime] | None:
    """What ``account`` (connector and organisation) has, and when that was seen."""
    c = t.catalogue.c
    row = db.execute(sa.select(c.body, c.seen_at).where(c.account == account)).first()
    return None if row is None else (msgspec.json.decode(row.body, type=Catalogue), row.seen_at)


def save_catalogue(db: Connection, account: str, catalogue: Catalogue, now: datetime) -> None:
    body = msgspec.json.encode(catalogue).decode()
    upsert(db, t.catalogue, [{"account": account, "body": body, "seen_at": now}])
