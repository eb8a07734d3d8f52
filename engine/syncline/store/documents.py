"""Documents: the rows of two ledgers while they are compared, in a file that nobody else sees.

SQLite keeps a nameless database in memory while it is small, in a temporary file when it grows, and drops it
with the connection. The state is not written: a comparison leaves no trace, and what it holds does not depend
on where the state is kept.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

import msgspec

from syncline import exactjson

_SCHEMA = """
CREATE TABLE doc (
    side INTEGER NOT NULL, id TEXT NOT NULL, link INTEGER, pair INTEGER, counts INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (side, id)
) WITHOUT ROWID;
CREATE INDEX doc_pair ON doc (pair, side);
CREATE INDEX doc_link ON doc (link) WHERE link IS NOT NULL;
CREATE TABLE key (
    rule INTEGER NOT NULL, key TEXT NOT NULL, side INTEGER NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (rule, key, side, id)
) WITHOUT ROWID;
CREATE INDEX key_of ON key (side, id);
CREATE TABLE doubt (
    side INTEGER NOT NULL, id TEXT NOT NULL, told INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (side, id)
) WITHOUT ROWID;
"""
_PAGE = 500
_COLUMNS = "side, id, link, pair, counts, body"


class Row(msgspec.Struct, kw_only=True):
    """One record of an end. ``link``: the link that it has; ``pair``: the same for two rows that are the same
    thing, ``None`` for one that is alone; ``counts``: it adds to its ledger; ``body``: what else is compared,
    any JSON; ``keys``: by match rule, empty where it has none (not read back)."""

    side: int
    id: str
    link: int | None = None
    pair: int | None = None
    counts: bool = True
    body: dict[str, Any] = {}
    keys: Sequence[str] = ()


class Documents:
    """The rows of one comparison. Use as a context; both ends may be filled at once by two threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        # An empty name is a private database on disk, see https://www.sqlite.org/inmemorydb.html, section 3.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._joined = 0

    def __enter__(self) -> Documents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    # --- filling ---------------------------------------------------------------------------------

    def add(self, rows: Iterable[Row]) -> None:
        """Put rows in; one that is there already is replaced, with its keys."""
        rows = list(rows)
        with self._turn:
            self._db.execute("BEGIN")
            self._forget([(row.side, row.id) for row in rows])
            self._db.executemany(
                "INSERT INTO doc (side, id, link, counts, body) VALUES (?, ?, ?, ?, ?)",
                [(row.side, row.id, row.link, row.counts, exactjson.encode(row.body)) for row in rows],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO key VALUES (?, ?, ?, ?)",
                [(n, key, row.side, row.id) for row in rows for n, key in enumerate(row.keys) if key],
            )
            self._db.execute("COMMIT")

    def drop(self, side: int, ids: Iterable[str]) -> None:
        """Take out rows that turned out to be gone."""
        with self._turn:
            self._db.execute("BEGIN")
            self._forget([(side, i) for i in ids])
            self._db.execute("COMMIT")

    def _forget(self, named: Sequence[tuple[int, str]]) -> None:
        for table in ("key", "doc"):
            self._db.executemany(f"DELETE FROM {table} WHERE side = ? AND id = ?", named)  # noqa: S608

    # --- joining ---------------------------------------------------------------------------------

    def groups(self, rule: int) -> Iterator[tuple[list[Row], list[Row]]]:
        """The records without a counterpart that share a key of a rule across the ends, key by key."""
        after = ""
        while True:
            found = self._db.execute(
                "SELECT k.key FROM key k JOIN doc d ON d.side = k.side AND d.id = k.id"
                " WHERE k.rule = ? AND k.key > ? AND d.pair IS NULL AND d.counts"
                " GROUP BY k.key HAVING count(DISTINCT k.side) = 2 ORDER BY k.key LIMIT ?",
                (rule, after, _PAGE),
            ).fetchall()
            for (key,) in found:
                rows = self.members(rule, key, alone=True)
                yield [row for row in rows if row.side == 0], [row for row in rows if row.side == 1]
            if len(found) < _PAGE:
                return
            after = found[-1][0]

    def members(self, rule: int, key: str, *, side: int | None = None, alone: bool = False) -> list[Row]:
        """The records that count and have this key; at most some hundreds."""
        return [
            _row(found)
            for found in self._db.execute(
                "SELECT d.side, d.id, d.link, d.pair, d.counts, d.body FROM key k"
                " JOIN doc d ON d.side = k.side AND d.id = k.id"
                " WHERE k.rule = ? AND k.key = ? AND d.counts AND (? IS NULL OR d.side = ?)"
                " AND (NOT ? OR d.pair IS NULL) ORDER BY d.side, d.id LIMIT ?",
                (rule, key, side, side, alone, _PAGE),
            )
        ]

    def join(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Make pairs (left id, right id) of records that have no counterpart."""
        for pair in pairs:
            self._joined += 1
            for side, record in enumerate(pair):
                self._db.execute(
                    "UPDATE doc SET pair = ? WHERE side = ? AND id = ?", (-self._joined, side, record)
                )

    def pair_links(self) -> None:
        """Make pairs of the records with one link that both count, and of no others: whose counterpart is
        gone may have another one by now."""
        self._db.execute(
            "UPDATE doc SET pair = CASE WHEN counts AND EXISTS (SELECT 1 FROM doc o WHERE o.link = doc.link"
            " AND o.side <> doc.side AND o.counts) THEN link END"
        )

    # --- telling ---------------------------------------------------------------------------------

    def pairs(self) -> Iterator[tuple[Row | None, Row | None]]:
        """Every two rows that are the same thing, and each that is alone."""
        waiting: Row | None = None
        query = f"SELECT {_COLUMNS} FROM doc ORDER BY pair, side, id"  # noqa: S608
        for found in self._db.execute(query):
            row = _row(found)
            if waiting is not None and (row.pair is None or row.pair != waiting.pair or row.side == 0):
                yield _alone(waiting)
                waiting = None
            if row.pair is None:
                yield _alone(row)
            elif waiting is None:
                waiting = row
            else:
                yield waiting, row
                waiting = None
        if waiting is not None:
            yield _alone(waiting)

    def keys_of(self, side: int, record: str) -> list[tuple[int, str]]:
        """The keys of a record, with the rule of each."""
        query = "SELECT rule, key FROM key WHERE side = ? AND id = ? ORDER BY rule"
        return [(rule, key) for rule, key in self._db.execute(query, (side, record))]

    def get(self, side: int, record: str) -> Row | None:
        """One row by its record."""
        query = f"SELECT {_COLUMNS} FROM doc WHERE side = ? AND id = ?"  # noqa: S608
        found = self._db.execute(query, (side, record)).fetchone()
        return None if found is None else _row(found)

    # --- what to look at again -------------------------------------------------------------------

    def doubt(self, named: Iterable[tuple[int, str]]) -> None:
        """Note records to be looked at again."""
        self._db.executemany("INSERT OR IGNORE INTO doubt (side, id) VALUES (?, ?)", named)

    def doubted(self, side: int, limit: int) -> list[str]:
        """The records of an end that were noted, at most so many; each is told once."""
        query = "SELECT id FROM doubt WHERE side = ? AND NOT told ORDER BY id LIMIT ?"
        found = [i for (i,) in self._db.execute(query, (side, limit))]
        self._db.executemany(
            "UPDATE doubt SET told = 1 WHERE side = ? AND id = ?", [(side, i) for i in found]
        )
        return found


def _row(found: Sequence[Any]) -> Row:
    side, record, link, pair, counts, body = found
    decoded: dict[str, Any] = exactjson.decode(body)
    return Row(side=side, id=record, link=link, pair=pair, counts=bool(counts), body=decoded)


def _alone(row: Row) -> tuple[Row | None, Row | None]:
    return (row, None) if row.side == 0 else (None, row)
