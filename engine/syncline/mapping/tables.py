"""Tables: which value of one system is which of another, written once in a spec and used by many maps.

A map says ``values: NAME``; an expression asks with the filter ``table``:
``{{ value | table('sales_tax', 'books', 'rate') }}`` gives the ``rate`` of the row whose ``books`` is the
value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from syncline.connect.contract import Catalogue, Field
from syncline.spec.model import Spec, Table
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Problem, Severity


class TableFilter:
    """The filter ``table`` of one spec."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables

    def __call__(self, value: Any, name: str, source: str, target: str) -> Any:
        """The value in the column ``target`` of the first row that has this one in the column ``source``;
        raises ValueError when there is none."""
        if fault := self.fault([name, source, target]):
            raise ValueError(fault)
        table = self._tables[name]
        for row in table.rows.values():
            if _same(row.get(source), value):
                return row.get(target)
        raise ValueError(f"the table {name} has no row whose {source} is {value!r}")

    def fault(self, arguments: Sequence[Any]) -> str:
        """What is wrong with these arguments; empty when nothing is."""
        if len(arguments) != 3 or not all(isinstance(each, str) for each in arguments):
            return "table takes the name of a table and two of its columns"
        name, *columns = arguments
        if name not in self._tables:
            near = did_you_mean(name, self._tables, what="tables")
            return f"there is no table {name}" + (f": {near}" if near else "")
        for column in columns:
            if column not in self._tables[name].columns:
                near = did_you_mean(column, self._tables[name].columns, what="columns")
                return f"the table {name} has no column {column}: {near}"
        return ""


def _same(held: Any, value: Any) -> bool:
    if isinstance(held, bool) or isinstance(value, bool):
        return held is value
    if isinstance(held, int | Decimal) and isinstance(value, int | Decimal):
        return Decimal(held) == Decimal(value)
    if value == "":
        value = None
    return bool(held == value)


def check_tables(spec: Spec, catalogues: Mapping[str, Catalogue]) -> Iterator[Problem]:
    """The rows with a value that a system does not have, where the table says whose values they are."""
    for table in spec.tables.values():
        for system, path in table.fields.items():
            field, fault = _field(spec, catalogues, system, path)
            if fault is not None:
                place = table.places[f"fields.{system}"]
                yield Problem(place=place, code="unknown-field", message=fault[0], suggestion=fault[1])
            choices = None if field is None else field.choices
            for row, columns in table.rows.items() if choices is not None else ():
                value = columns.get(system)
                if isinstance(value, str) and value not in (choices or ()):
                    yield Problem(
                        place=table.places[f"{row}.{system}"],
                        code="unknown-choice",
                        message=f"{system}.{path} does not take {value!r}",
                        suggestion=did_you_mean(value, choices or (), what="it takes"),
                        severity=Severity.ERROR,
                    )


def _field(
    spec: Spec, catalogues: Mapping[str, Catalogue], system: str, text: str
) -> tuple[Field | None, tuple[str, str] | None]:
    """The field that ``Invoices.LineItems.TaxType`` names, or what is wrong with it."""
    catalogue = catalogues.get(system)
    if catalogue is None:
        return None, None
    name, _, rest = text.partition(".")
    module = catalogue.module(name)
    if module is None:
        near = did_you_mean(name, [m.name for m in catalogue.modules], what="remote modules")
        return None, (f"{system} has no remote module {name}", near)
    fields, found = module.fields, None
    for step in rest.split("."):
        found = next((field for field in fields if field.name == step), None)
        if found is None:
            near = did_you_mean(step, [field.name for field in fields], what="fields")
            return None, (f"{system}.{name} has no field {rest}", near)
        fields = found.fields
    return found, None
