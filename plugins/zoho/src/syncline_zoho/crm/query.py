"""Queries in COQL, written by the rules of Zoho CRM API v8, COQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncline_zoho.crm.values import read_instant, wire_text

#: columns a query, ``id`` beside them
MAX_COLUMNS = 50
#: values of an ``in``
MAX_IN = 50
#: rows a call
MAX_ROWS = 2000


def quote(text: str) -> str:
    """A text as a COQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def select(columns: Iterable[str], module: str, where: str, *, order: str = "", limit: int = MAX_ROWS) -> str:
    tail = f" order by {order}" if order else ""
    # columns and module are names from metadata; values only ever come through `quote`
    return f"select {', '.join(columns)} from {module} where {where}{tail} limit {limit}"  # noqa: S608 - not SQL


def instant(stamp: str) -> str:
    """An instant (text, any offset) as a COQL literal."""
    return quote(wire_text(read_instant(stamp)))


def after(stamp: str, record_id: str) -> str:
    """What comes after a place in the order of (Modified_Time, id)."""
    moment, last = instant(stamp), quote(record_id)
    return f"((Modified_Time > {moment}) or (Modified_Time = {moment} and id > {last}))"


def one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({', '.join(quote(value) for value in values)})"


def credits_for(limit: int) -> int:
    """What a query costs by its LIMIT (Zoho CRM API v8, API limits)."""
    return 1 if limit <= 200 else 2 if limit <= 1000 else 3


def column_groups(names: Iterable[str], *, spare: int = 0) -> list[list[str]]:
    """The columns wanted, ``Modified_Time`` first in each group, no group above the limit less ``spare``."""
    wanted = sorted(set(names) - {"id", "Modified_Time"})
    room = MAX_COLUMNS - 1 - spare
    groups = [wanted[start : start + room] for start in range(0, len(wanted), room)] or [[]]
    return [["Modified_Time", *group] for group in groups]
