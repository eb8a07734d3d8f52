"""The records of a sandbox, in memory and, when asked, on disk as well."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

Row = dict[str, Any]

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Table:
    """Rows by id, in the order they were first put. A row is a JSON object; money in it is Decimal."""

    def __init__(self, name: str, dirty: dict[tuple[str, str], Row | None], rows: dict[str, Row]) -> None:
        self.name = name
        self._dirty = dirty
        self._rows = rows

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def put(self, key: str, row: Row) -> None:
        """Insert or replace a row. A row changed in place must be put again, or it is not kept."""
        self._rows[key] = row
        self._dirty[self.name, key] = row

    def delete(self, key: str) -> None:
        if self._rows.pop(key, None) is not None:
            self._dirty[self.name, key] = None

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def keys(self) -> list[str]:
        return list(self._rows)


class Tables:
    """All tables of one sandbox. With a file, every :meth:`save` makes what was put outlive the process."""

    def __init__(self, file: Path | None = None) -> None:
        self._dirty: dict[tuple[str, str], Row | None] = {}
        self._tables: dict[str, dict[str, Row]] = {}
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=wal")
            self._db.execute("PRAGMA synchronous=normal")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS row"
                " (seq INTEGER PRIMARY KEY, name TEXT, key TEXT, body BLOB, UNIQUE (name, key))"
            )
            for name, key, body in self._db.execute("SELECT name, key, body FROM row ORDER BY seq"):
                self._tables.setdefault(name, {})[key] = _decode(body)

    def table(self, name: str) -> Table:
        return Table(name, self._dirty, self._tables.setdefault(name, {}))

    @property
    def empty(self) -> bool:
        return not any(self._tables.values())

    def save(self) -> None:
        """Write what changed since the last save, in one transaction."""
        with self._lock:
            changed, keep = list(self._dirty.items()), self._db
            self._dirty.clear()
            if keep is None or not changed:
                return
            keep.execute("BEGIN IMMEDIATE")
            for (name, key), row in changed:
                if row is None:
                    keep.execute("DELETE FROM row WHERE name = ? AND key = ?", (name, key))
                else:
                    keep.execute(
                        "INSERT INTO row (name, key, body) VALUES (?, ?, ?)"
                        " ON CONFLICT (name, key) DO UPDATE SET body = excluded.body",
                        (name, key, _encode(row)),
                    )
            keep.execute("COMMIT")

    def close(self) -> None:
        self.save()
        if self._db is not None:
            self._db.close()
            self._db = None
