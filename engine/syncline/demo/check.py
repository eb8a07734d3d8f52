"""A check that does not trust the engine: what two systems hold, compared by a list of its own.

It reads the sandboxes' own tables, knows neither the spec's maps nor the engine's state, and pairs nothing:
each record becomes a row of texts, and both ends must hold the same rows equally often. So a value that
differs, a record too many and a record too few all show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from syncline.mapping.expressions import Expressions, View
from syncline.mapping.filters import text

Rows = Mapping[str, tuple[str, ...]]
Read = Any


class Comparison(Struct):
    """One module, compared. ``columns``: what was compared; ``equal``: rows that both ends hold; ``only``: by
    system, the rows (with their ids) that the other end does not hold, or not as often."""

    module: str
    columns: tuple[str, ...]
    equal: int = 0
    only: dict[str, list[tuple[str, tuple[str, ...]]]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return not any(self.only.values())


class Checker:
    """Compares modules by the ``check`` part of a story. ``read(system, module)`` gives the raw records of a
    system; ``today`` is a calendar day."""

    def __init__(self, story: Mapping[str, Any], read: Read, today: str) -> None:
        self._check = story["check"]
        self._read = read
        self._today = today
        self._expressions = Expressions()

    def compare(self, module: str, left_out: set[str]) -> Comparison:
        """Compare a module, without the records of these ids (those that a person has still to decide)."""
        ends = self._check[module]
        systems = list(ends)
        columns = self._columns(ends)
        rows = {system: self.rows(module, system, columns) for system in systems}
        kept = {
            system: {i: row for i, row in found.items() if i not in left_out}
            for system, found in rows.items()
        }
        result = Comparison(module, columns)
        counts = {system: Counter(found.values()) for system, found in kept.items()}
        result.equal = (counts[systems[0]] & counts[systems[1]]).total()
        for system, other in (systems, systems[::-1]):
            extra = counts[system] - counts[other]
            result.only[system] = [(i, row) for i, row in kept[system].items() if extra[row] > 0]
        return result

    def systems(self, module: str) -> list[str]:
        """The two systems of a module."""
        return list(self._check[module])

    def columns(self, module: str) -> tuple[str, ...]:
        """What is compared of a module's records; the first column is what people call a record."""
        return self._columns(self._check[module])

    def first_column(self, module: str) -> str:
        return self.columns(module)[0]

    def rows(self, module: str, system: str, columns: Sequence[str]) -> Rows:
        """The records of one end in scope, as rows of texts, by id."""
        end = self._check[module][system]
        where = self._expressions.compile(end.get("where", "{{ true }}"))
        values = {n: self._expressions.compile(s) for n, s in end["values"].items() if n in columns}
        people = {n: self._names(system, told) for n, told in end.get("names", {}).items() if n in columns}
        found = {}
        for record in self._read(system, end["module"]):
            names = {"record": View(record, None), "today": self._today, "value": None}
            if not where(names):
                continue
            shown = {name: self._shown(evaluate(names)) for name, evaluate in values.items()}
            for name, told in people.items():
                inner = end["names"][name]
                shown[name] = told.get(str((record.get(inner["field"]) or {}).get(inner["id"])), "")
            found[str(record[end.get("id", "id")])] = tuple(shown[column] for column in columns)
        return found

    def shown(self, module: str, system: str, record: str) -> dict[str, str]:
        """One record's row, by column."""
        columns = self._columns(self._check[module])
        return dict(zip(columns, self.rows(module, system, columns)[record], strict=True))

    def _names(self, system: str, told: Mapping[str, str]) -> dict[str, str]:
        key = told.get("key", "id")
        records = self._read(system, told["module"])
        return {str(r[key]): " ".join(str(r.get(told["show"]) or "").split()) for r in records}

    @staticmethod
    def _columns(ends: Mapping[str, Any]) -> tuple[str, ...]:
        end = next(iter(ends.values()))
        return (*end["values"], *end.get("names", {}))

    @staticmethod
    def _shown(value: Any) -> str:
        return text(value).strip()
