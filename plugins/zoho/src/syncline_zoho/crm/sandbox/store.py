"""The records of one module, with the indexes that lists and queries walk.

A row is a dict by API name in stored form: instants as UTC text ending in Z, lookups as the id alone, money
as Decimal, line rows inline as a list of such dicts. Rows are replaced, never changed in place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from syncline.connect.sandbox import Tables

Row = dict[str, Any]


def fold(value: Any) -> str:
    """How unique fields compare: without regard to case."""
    return str(value).casefold()


class View:
    """What readers of one kind see, which may lag behind what is stored."""

    def __init__(self, keyed: Sequence[str] = ()) -> None:
        self.rows: dict[str, Row] = {}
        self.ids: list[str] = []
        self.by_time: list[tuple[str, str]] = []
        self.keyed: dict[str, dict[str, set[str]]] = {name: {} for name in keyed}
        self._waiting: list[tuple[float, int, str, Row | None]] = []
        self._changes = 0
        self._shown: dict[str, int] = {}

    def apply(self, record_id: str, row: Row | None) -> None:
        old = self.rows.get(record_id)
        if old is not None:
            place = bisect_left(self.by_time, (old["Modified_Time"], record_id))
            del self.by_time[place]
            self._unkey(record_id, old)
        if row is None:
            if old is not None:
                del self.rows[record_id]
                del self.ids[bisect_left(self.ids, record_id)]
            return
        self.rows[record_id] = row
        if old is None:
            insort(self.ids, record_id)
        insort(self.by_time, (row["Modified_Time"], record_id))
        for name, index in self.keyed.items():
            value = row.get(name)
            if value is not None:
                index.setdefault(fold(value), set()).add(record_id)

    def _unkey(self, record_id: str, old: Row) -> None:
        for name, index in self.keyed.items():
            value = old.get(name)
            if value is None:
                continue
            found = index.get(fold(value))
            if found is not None:
                found.discard(record_id)
                if not found:
                    del index[fold(value)]

    def catch_up(self, now: float) -> None:
        """Show what has become visible. A record's older state never replaces a newer one."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number, record_id, row = heappop(self._waiting)
            if number > self._shown.get(record_id, 0):
                self._shown[record_id] = number
                self.apply(record_id, row)
        if not self._waiting:
            self._shown.clear()

    def change(self, record_id: str, row: Row | None, now: float, lag_s: float) -> None:
        if lag_s <= 0 and not self._waiting:
            self.apply(record_id, row)
            return
        self._changes += 1
        heappush(self._waiting, (now + max(lag_s, 0), self._changes, record_id, row))
        self.catch_up(now)

    def since(self, stamp: str, *, inclusive: bool = True) -> int:
        """The place in ``by_time`` where rows changed at (or after) ``stamp`` begin."""
        if inclusive:
            return bisect_left(self.by_time, (stamp, ""))
        return bisect_right(self.by_time, (stamp, "\uffff"))

    def ids_above(self, record_id: str) -> int:
        return bisect_right(self.ids, record_id)


class ModuleStore:
    """Live rows (what a get by id sees), the bin, and the lagging views of lists and of search."""

    def __init__(self, tables: Tables, name: str, unique: Sequence[str], keyed: Sequence[str]) -> None:
        self.name = name
        self.live = tables.table(name)
        self.bin = tables.table(f"{name}.bin")
        self.unique: dict[str, dict[str, str]] = {field: {} for field in unique}
        self.lists = View((*unique, *(field for field in keyed if field not in unique)))
        self.search = View()
        for row in self.live:
            self._index(row, None)
            self.lists.apply(row["id"], row)
            self.search.apply(row["id"], row)

    def _index(self, row: Row | None, old: Row | None) -> None:
        for field, index in self.unique.items():
            if old is not None and old.get(field) is not None:
                index.pop(fold(old[field]), None)
            if row is not None and row.get(field) is not None:
                index[fold(row[field])] = row["id"]

    def put(self, row: Row, *, now: float = 0, list_lag_s: float = 0, search_lag_s: float = 0) -> None:
        record_id = row["id"]
        self._index(row, self.live.get(record_id))
        self.live.put(record_id, row)
        self.lists.change(record_id, row, now, list_lag_s)
        self.search.change(record_id, row, now, search_lag_s)

    def remove(
        self, record_id: str, *, now: float = 0, list_lag_s: float = 0, search_lag_s: float = 0
    ) -> Row:
        """Take a row out of the live ones and return it; raises ``KeyError`` for an unknown id."""
        row = self.live.get(record_id)
        if row is None:
            raise KeyError(record_id)
        self._index(None, row)
        self.live.delete(record_id)
        self.lists.change(record_id, None, now, list_lag_s)
        self.search.change(record_id, None, now, search_lag_s)
        return row

    def catch_up(self, now: float) -> None:
        self.lists.catch_up(now)
        self.search.catch_up(now)

    def holder(self, field: str, value: Any) -> str | None:
        """The id of the live record that holds a unique value."""
        return self.unique[field].get(fold(value))

    def walk_ids(self, *, after: str | None = None, descending: bool = False) -> Iterator[Row]:
        view = self.lists
        if descending:
            place = len(view.ids) if after is None else bisect_left(view.ids, after)
            for number in range(place - 1, -1, -1):
                yield view.rows[view.ids[number]]
        else:
            place = 0 if after is None else view.ids_above(after)
            for number in range(place, len(view.ids)):
                yield view.rows[view.ids[number]]

    def walk_times(
        self, start: int = 0, *, after: tuple[str, str] | None = None, descending: bool = False
    ) -> Iterator[Row]:
        """Rows in the order of (Modified_Time, id), from a place in ``by_time`` on, beyond ``after``."""
        view = self.lists
        stop = len(view.by_time)
        if after is not None and descending:
            stop = bisect_left(view.by_time, after)
        elif after is not None:
            start = max(start, bisect_right(view.by_time, after))
        order = range(stop - 1, start - 1, -1) if descending else range(start, stop)
        for number in order:
            yield view.rows[view.by_time[number][1]]
