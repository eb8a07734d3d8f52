"""What the organisations were last seen to have: their remote modules and fields."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.engine import Connection

from syncline.connect.contract import Catalogue
from syncline.store import tables as t
from syncline.store.database import upsert
from syncline.store.statement import find, read_instant

_CATALOGUE = find(t.catalogue, ["body", "seen_at"], "account")


def load_catalogue(db: Connection, account: str) -> tuple[Catalogue, datetime] | None:
    """What ``account`` (connector and organisation) has, and when that was seen."""
    for body, seen_at in _CATALOGUE.all(db, account):
        return msgspec.json.decode(body, type=Catalogue), read_instant(seen_at)
    return None


def save_catalogue(db: Connection, account: str, catalogue: Catalogue, now: datetime) -> None:
    body = msgspec.json.encode(catalogue).decode()
    upsert(db, t.catalogue, [{"account": account, "body": body, "seen_at": now}])
