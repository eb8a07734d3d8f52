"""The running of a COQL query over the organisation's records.

Which operators a type takes, and that multi-line text takes none, after Zoho CRM API v8, COQL.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice
from operator import eq, ge, gt, le, lt
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.coql import Both, Column, Compare, Condition, Query
from syncline_zoho.crm.sandbox.errors import Refused
from syncline_zoho.crm.sandbox.metadata import RECORD_ONLY, FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, stamp
from syncline_zoho.crm.sandbox.render import Renderer

Row = dict[str, Any]
Test = Callable[[Row], bool]
Getter = Callable[[Row], Any]

_NUMBERS = ("integer", "double", "currency", "percent", "bigint")
_ORDERED = (*_NUMBERS, "date", "datetime")
_TEXTS = ("text", "email", "phone", "website", "picklist", "autonumber")
_IDS = ("lookup", "ownerlookup", "userlookup")
_UNUSABLE = ("textarea", "linetax", "multiselectpicklist", *RECORD_ONLY)
_COMPARES = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
_EVERYWHERE = ("is null", "is not null", "in", "not in", "=", "!=")


class _Reach(Struct, frozen=True):
    """A column resolved: how to get it, and its metadata."""

    meta: FieldMeta
    get: Getter


class Runner:
    def __init__(self, org: Organisation, renderer: Renderer) -> None:
        self._org = org
        self._renderer = renderer

    def run(self, query: Query) -> tuple[list[Row], bool]:
        """The rows in wire form, and whether there are more. Raises :class:`Refused`."""
        module = self._org.meta.get(query.module)
        if module is None:
            raise Refused(400, "INVALID_QUERY", "module given seems to be invalid", {"module": query.module})
        if self._org.switches["ignore_where"] and _names(query.where, "Modified_Time"):
            query = replace(query, where=Compare("id", "is not null"))
        shows = [(column, self._shower(module, column)) for column in query.columns]
        test = self._test(module, query.where)
        matches = self._ordered(module, query, test)
        if any(column.aggregate for column in query.columns):
            return self._aggregate(module, query, matches), False
        start = query.offset
        rows = list(islice(matches, start, start + query.limit + 1))
        more = len(rows) > query.limit
        shown = []
        for row in rows[: query.limit]:
            line = {column.label: show(row) for column, show in shows}
            line["id"] = row["id"]
            shown.append(line)
        return shown, more

    # --- columns ----------------------------------------------------------------------------------

    def _reach(self, module: ModuleMeta, name: str) -> _Reach:
        head, _, rest = name.partition(".")
        meta = module.fields.get(head)
        if meta is None or meta.hidden:
            raise _bad_column(name)
        if not rest:
            return _Reach(meta, lambda row: row.get(head))
        if meta.lookup is None or meta.lookup not in self._org.stores:
            raise _bad_column(name)
        inner = self._reach(self._org.meta[meta.lookup], rest)
        target = self._org.stores[meta.lookup].lists

        def follow(row: Row) -> Any:
            found = target.rows.get(row.get(head) or "")
            return None if found is None else inner.get(found)

        return _Reach(inner.meta, follow)

    def _shower(self, module: ModuleMeta, column: Column) -> Getter:
        reach = self._reach(module, column.name)
        kind = reach.meta.data_type
        if kind in RECORD_ONLY or (kind == "linetax" and self._org.switches["coql_line_tax"] == "refuse"):
            raise _bad_column(column.name)
        show = self._renderer.shower(reach.meta, cut=True, slim=True)
        if show is None:
            return reach.get

        def shown(row: Row) -> Any:
            value = reach.get(row)
            return None if value is None else show(value)

        return shown

    def _aggregate(self, module: ModuleMeta, query: Query, matches: Iterable[Row]) -> list[Row]:
        rows = list(matches)
        result: Row = {}
        for column in query.columns:
            if column.aggregate is None:
                raise Refused(
                    400, "INVALID_QUERY", "column given seems to be invalid", {"column_name": column.name}
                )
            reach = self._reach(module, column.name)
            values = [value for value in map(reach.get, rows) if value is not None]
            if column.aggregate == "COUNT":
                result[column.label] = len(values)
                continue
            if reach.meta.data_type not in _ORDERED:
                raise _bad_operator(column.name, column.aggregate)
            if column.aggregate in ("SUM", "AVG"):
                total = sum((Decimal(value) for value in values), Decimal(0))
                result[column.label] = total if column.aggregate == "SUM" else total / max(1, len(values))
            else:
                found = (max if column.aggregate == "MAX" else min)(values, default=None)
                show = self._renderer.shower(reach.meta, cut=True, slim=True)
                result[column.label] = show(found) if show is not None and found is not None else found
        return [result]

    # --- order and candidates ---------------------------------------------------------------------

    def _ordered(self, module: ModuleMeta, query: Query, test: Test) -> Iterator[Row]:
        order = list(query.order) or [("id", False)]
        names = [name for name, _ in order]
        directions = {descending for _, descending in order}
        few = self._few(module, query.where)
        if few is None and module.parent is None and len(directions) == 1:
            descending = order[0][1]
            store = self._org.stores[module.name]
            if names in (["Modified_Time"], ["Modified_Time", "id"]):
                bound = _lower_bound(query.where, "Modified_Time", _as_instant)
                start = 0 if bound is None else store.lists.since(bound)
                return filter(test, store.walk_times(start, descending=descending))
            if names[0] in ("id", "Created_Time"):
                after = None if descending else _lower_bound(query.where, "id", str)
                # ">=" on the last id would be lost by starting after it
                if after is not None and after in store.lists.rows and test(store.lists.rows[after]):
                    after = None
                return filter(test, store.walk_ids(after=after, descending=descending))
        rows = [row for row in (self._all(module) if few is None else few) if test(row)]
        for name, descending in reversed(order):
            get = self._reach(module, name).get
            rows.sort(key=lambda row: _sort_key(get(row)), reverse=descending)
        return iter(rows)

    def _all(self, module: ModuleMeta) -> Iterable[Row]:
        if module.parent is not None and module.parent_field is not None:
            field = module.parent_field
            parents = self._org.stores[module.parent].lists.rows.values()
            return [line for parent in parents for line in parent.get(field) or []]
        return self._org.stores[module.name].lists.rows.values()

    def _few(self, module: ModuleMeta, where: Condition) -> list[Row] | None:
        """The only rows that can match, when an index tells; ``None`` when all may."""
        if isinstance(where, Both):
            left = self._few(module, where.left)
            return left if left is not None else self._few(module, where.right)
        if not isinstance(where, Compare) or where.op not in ("=", "in"):
            return None
        values = [str(v) for v in (where.value if where.op == "in" else (where.value,))]
        if module.parent is not None:
            if where.column != "Parent_Id" or module.parent_field is None:
                return None
            parents = self._org.stores[module.parent].lists.rows
            found = [parents[value] for value in dict.fromkeys(values) if value in parents]
            return [line for parent in found for line in parent.get(module.parent_field) or []]
        view = self._org.stores[module.name].lists
        if where.column == "id":
            return [view.rows[value] for value in dict.fromkeys(values) if value in view.rows]
        if where.column in view.keyed:
            index = view.keyed[where.column]
            ids = {record_id for value in values for record_id in index.get(value.casefold(), ())}
            return [view.rows[record_id] for record_id in sorted(ids)]
        return None

    # --- criteria ---------------------------------------------------------------------------------

    def _test(self, module: ModuleMeta, where: Condition) -> Test:
        if isinstance(where, Compare):
            return self._test_one(module, where)
        left, right = self._test(module, where.left), self._test(module, where.right)
        if isinstance(where, Both):
            return lambda row: left(row) and right(row)
        return lambda row: left(row) or right(row)

    def _test_one(self, module: ModuleMeta, where: Compare) -> Test:
        reach = self._reach(module, where.column)
        get, kind, op = reach.get, reach.meta.data_type, where.op
        if kind in _UNUSABLE:
            raise Refused(
                400,
                "INVALID_QUERY",
                "data type not supported",
                {"column_name": where.column, "data_type": kind, "clause": "where"},
            )
        _check_operator(where.column, kind, op)
        if op == "is null":
            return lambda row: get(row) is None
        if op == "is not null":
            return lambda row: get(row) is not None
        if op in ("in", "not in"):
            wanted = {_literal(where, kind, value) for value in where.value}
            if op == "in":
                return lambda row: _known(get(row), kind) in wanted
            return lambda row: get(row) is not None and _known(get(row), kind) not in wanted
        if op in ("between", "not between"):
            low, high = (_literal(where, kind, value) for value in where.value)
            inside = op == "between"
            return lambda row: get(row) is not None and (low <= _known(get(row), kind) <= high) is inside
        if op in ("like", "not like"):
            return _like(get, str(where.value), wanted=op == "like")
        value = _literal(where, kind, where.value)
        if op == "!=":
            return lambda row: get(row) is not None and _known(get(row), kind) != value
        compare = _COMPARES[op]
        return lambda row: (found := get(row)) is not None and bool(compare(_known(found, kind), value))


def _check_operator(column: str, kind: str, op: str) -> None:
    if kind == "boolean":
        allowed: tuple[str, ...] = ("=",)
    elif kind in _IDS:
        allowed = ("=", "!=", "in", "not in", "is null", "is not null")
    elif kind in _ORDERED:
        allowed = (*_EVERYWHERE, "<", "<=", ">", ">=", "between", "not between")
    else:
        allowed = (*_EVERYWHERE, "like", "not like")
    if op not in allowed:
        raise _bad_operator(column, op)


def _bad_column(name: str) -> Refused:
    return Refused(400, "INVALID_QUERY", "column given seems to be invalid", {"column_name": name})


def _bad_operator(column: str, op: str) -> Refused:
    return Refused(
        400,
        "INVALID_QUERY",
        "the operator given seems to be invalid for the column",
        {"column_name": column, "operator": op},
    )


def _known(value: Any, kind: str) -> Any:
    """A stored value as comparisons take it: text without regard to case, ids as text."""
    if kind == "bigint":
        return str(value).zfill(20)
    return value.casefold() if kind in _TEXTS and isinstance(value, str) else value


def _literal(where: Compare, kind: str, value: Any) -> Any:
    """A query's value as the column's kind; raises :class:`Refused` when it is none."""
    literal: Any = None
    if kind == "boolean":
        literal = value if isinstance(value, bool) else None
    elif kind == "datetime":
        literal = _as_instant(value)
    elif kind in ("bigint", *_IDS):
        width = 20 if kind == "bigint" else 0
        literal = str(value).zfill(width) if str(value).isdecimal() else None
    elif kind in _NUMBERS:
        literal = _as_number(value)
    elif isinstance(value, str):
        literal = value.casefold() if kind in _TEXTS else value
    if literal is None:
        raise Refused(
            400,
            "INVALID_QUERY",
            "value given seems to be invalid for the column",
            {"column_name": where.column, "expected_data_type": kind},
        )
    return literal


def _as_number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _as_instant(value: Any) -> str | None:
    moment = parse_instant(value)
    return None if moment is None else stamp(moment)


def _like(get: Getter, pattern: str, *, wanted: bool) -> Test:
    glob = "".join("*" if c == "%" else f"[{c}]" if c in "*?[" else c for c in pattern.casefold())

    def test(row: Row) -> bool:
        value = get(row)
        return value is not None and fnmatch.fnmatchcase(str(value).casefold(), glob) is wanted

    return test


def _lower_bound(where: Condition, column: str, read: Callable[[Any], str | None]) -> str | None:
    """A value that every match's column reaches, ``None`` when there is no such bound."""
    if isinstance(where, Compare):
        return read(where.value) if where.column == column and where.op in (">", ">=", "=") else None
    bounds = [_lower_bound(side, column, read) for side in (where.left, where.right)]
    known = [bound for bound in bounds if bound is not None]
    if isinstance(where, Both):
        return max(known, default=None)
    return min(known) if len(known) == len(bounds) else None


def _sort_key(value: Any) -> tuple[bool, Any]:
    """Nothing comes before everything."""
    return (
        value is not None,
        value.casefold() if isinstance(value, str) else value if value is not None else 0,
    )


def credits_for(limit: int) -> int:
    """What a query costs by its LIMIT: 1 to 200 rows, 2 to 1,000, 3 to 2,000."""
    return 1 if limit <= 200 else 2 if limit <= 1000 else 3


def _names(condition: Condition, column: str) -> bool:
    if isinstance(condition, Compare):
        return condition.column == column
    return _names(condition.left, column) or _names(condition.right, column)
