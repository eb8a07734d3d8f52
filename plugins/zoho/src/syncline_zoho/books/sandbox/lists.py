"""Lists: offset paging over live data, an echo of what was understood, silence about what was not.

Which list takes which parameter after the tables of Zoho Books API v3; unknown ones are passed over, and
purchase orders were recorded to ignore ``sort_order``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from syncline.connect.sandbox import Reply, Request
from syncline_zoho.books.sandbox.errors import invalid, success
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.wire import Row, stamp

MOST = 200
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d{4})")


class ListRules(Struct, frozen=True, kw_only=True):
    """``sorts``: columns that can be asked for, the first two words being the default column and order;
    ``equals``: parameters that are compared; ``since``: whether ``last_modified_time`` is heeded;
    ``filters``: by ``filter_by``, of which the first is the default."""

    sort: str
    order: str
    sorts: frozenset[str]
    equals: frozenset[str] = frozenset()
    since: bool = False
    filters: Mapping[str, Callable[[Row], bool]] = field(default_factory=dict)
    order_ignored: bool = False
    per_page: int = MOST


def list_rows(
    request: Request,
    ledger: Ledger,
    kind: str,
    many: str,
    rules: ListRules,
    show: Callable[[Row], Row],
) -> Reply:
    """``show``: a row as lists show it, whose values are what is sorted and compared by."""
    page, per_page = _whole(request, "page", 1), min(_whole(request, "per_page", rules.per_page), MOST)
    names = list(rules.filters)
    wanted = request.one("filter_by") or (names[0] if names else "")
    keep = rules.filters.get(wanted)
    if names and keep is None:
        wanted, keep = names[0], rules.filters[names[0]]
    held = [row for row in ledger.visible(kind) if keep is None or keep(row)]
    column = request.one("sort_column") or rules.sort
    order = (request.one("sort_order") or "").upper()[:1]
    by_time = ledger.switches.get("sorts_by_time") and column == "last_modified_time"
    if column not in rules.sorts and not by_time:
        column = rules.sort
    order = rules.order if order not in ("A", "D") or rules.order_ignored else order
    asked = {name: value for name in rules.equals if (value := request.one(name)) is not None}
    since = request.one("last_modified_time")
    if rules.since and since and not ledger.switches.get("ignore_filter"):
        try:
            moment = stamp(datetime.fromisoformat(since))
        except ValueError:
            raise invalid("last_modified_time") from None
        held = [row for row in held if row["last_modified_time"] >= moment]
    # values that are worked out are shown before they are compared; the others need not be
    plain = not asked and all(column in row for row in held)
    rows = held if plain else [show(row) for row in held]
    for name, value in asked.items():
        rows = [row for row in rows if _same(row.get(name), value)]
    rows.sort(key=lambda row: (_rank(row.get(column)), str(row.get(_id_of(row)))), reverse=order == "D")
    start = (page - 1) * per_page
    part = rows[start : start + per_page]
    if plain:
        part = [show(row) for row in part]
    context = {
        "page": page,
        "per_page": per_page,
        "has_more_page": len(rows) > start + per_page,
        "report_name": many.title(),
        "applied_filter": wanted,
        "custom_fields": [],
        "sort_column": column,
        "sort_order": order,
    }
    return success("success", {many: part, "page_context": context})


def _id_of(row: Row) -> str:
    return next(iter(row))


def _whole(request: Request, name: str, default: int) -> int:
    text = request.one(name)
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else default


def _same(held: Any, asked: str) -> bool:
    if isinstance(held, bool):
        return str(held).lower() == asked.lower()
    if isinstance(held, int | Decimal):
        return str(held) == asked or str(Decimal(held).normalize()) == asked
    return str(held or "").casefold() == asked.casefold()


def _rank(value: Any) -> tuple[int, Any]:
    """Instants by the time they are, whatever the offset they are shown with."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return 0, Decimal(value)
    text = str(value or "")
    if _INSTANT.fullmatch(text):
        return 1, stamp(datetime.fromisoformat(text))
    return 1, text.casefold()
