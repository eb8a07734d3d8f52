"""Answering a list: filters, order, pages.

Source: Xero API documentation, Requests and responses: paging, ordering, modified after, filters, high
volume thresholds. The default order is by UpdatedDateUTC and then by id, so pages drift while records
change; with ``order=<id>`` they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from syncline.connect.sandbox import Reply, Request, VirtualClock
from syncline_xero.sandbox.ledger import Collection
from syncline_xero.sandbox.query import Predicate, Shape, parse_order, parse_where, sort_key
from syncline_xero.sandbox.wire import Refusal, Row, bad_request, since_of, stamp

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
#: characters of a query; lists of about 52 ids are reported to be the most that goes through
MAX_QUERY = 2000


class Listed(Struct, frozen=True, kw_only=True):
    rows: Sequence[Row]
    pagination: Mapping[str, int] | None
    summary: bool

    @property
    def paged(self) -> bool:
        return self.pagination is not None


class ListRules(Struct, frozen=True, kw_only=True):
    """What one endpoint takes. ``always_paged``: also without ``page``; ``fixed_size``: pages of 100 and no
    pagination object; ``where``: whether it takes one (it is not heeded else); ``narrow``: filter parameters
    of its own, as a predicate or ``None``; ``view``: the row as expressions see it; ``search``: the fields
    of ``searchTerm``."""

    shape: Shape
    paging: bool = True
    always_paged: bool = False
    fixed_size: bool = False
    where: bool = True
    modified_since: bool = True
    narrow: Callable[[Request], Predicate | None] = lambda request: None
    view: Callable[[Row], Row] | None = None
    view_fields: frozenset[str] = frozenset()
    search: tuple[str, ...] = ()


def flag(request: Request, name: str) -> bool:
    return (request.one(name) or "").lower() == "true"


def csv(request: Request, name: str) -> list[str]:
    """A parameter that holds a list: separated by commas, repeated, or both."""
    return [part.strip() for text in request.query.get(name, ()) for part in text.split(",") if part.strip()]


def list_rows(
    request: Request, rows: Collection, rules: ListRules, clock: VirtualClock, switches: Mapping[str, Any]
) -> Listed:
    """The asked rows of a collection; raises Refusal."""
    if sum(len(text) for values in request.query.values() for text in values) > MAX_QUERY:
        raise Refusal(Reply.text("Request URI too long", 414))
    summary = flag(request, "summaryOnly")
    asked = {n: tuple(v) for n, v in request.query.items() if n not in ("page", "pageSize")}
    key = (
        tuple(sorted(asked.items())),
        request.headers.get("if-modified-since"),
        switches["ignore_modified_since"],
    )
    where = (request.one("where") or "").lower()
    if switches["visibility_delay_s"] or any(word in where for word in rules.view_fields):
        ids = _select(request, rows, rules, clock, switches)
    else:
        ids = rows.cached(key, lambda: _select(request, rows, rules, clock, switches))
    paged = rules.always_paged or request.one("page") is not None or summary
    if not rules.paging or not paged:
        if len(ids) > switches["high_volume"]:
            raise _too_much()
        return Listed(rows=list(rows.rows(ids)), pagination=None, summary=summary)
    page = max(1, _whole(request.one("page"), 1))
    asked_size = DEFAULT_PAGE_SIZE if rules.fixed_size else _whole(request.one("pageSize"), DEFAULT_PAGE_SIZE)
    size = min(MAX_PAGE_SIZE, max(1, asked_size))
    pagination = {
        "page": page,
        "pageSize": size,
        "pageCount": -(-len(ids) // size),
        "itemCount": len(ids),
    }
    part = ids[(page - 1) * size : page * size]
    said = None if rules.fixed_size else pagination
    return Listed(rows=list(rows.rows(part)), pagination=said, summary=summary)


def _select(
    request: Request, rows: Collection, rules: ListRules, clock: VirtualClock, switches: Mapping[str, Any]
) -> list[str]:
    tests: list[Predicate] = []
    since_text = request.headers.get("if-modified-since") if rules.modified_since else None
    since = since_of(since_text) if since_text and not switches["ignore_modified_since"] else None
    hidden_from = stamp(clock.now() - timedelta(seconds=float(switches["visibility_delay_s"])))
    if since is not None:
        start = stamp(since)
        tests.append(lambda row: row["UpdatedDateUTC"] >= start)
    if switches["visibility_delay_s"] and request.one("IDs") is None:
        name = "UpdatedDateUTC" if since is not None else "_created"
        tests.append(lambda row: row.get(name, "") <= hidden_from)
    narrow = rules.narrow(request)
    if narrow is not None:
        tests.append(narrow)
    term = (request.one("searchTerm") or "").casefold()
    if term and rules.search:
        tests.append(lambda row: any(term in str(row.get(f) or "").casefold() for f in rules.search))
    where = request.one("where") if rules.where else None
    crowded = len(rows) > switches["high_volume"]
    if where:
        parsed = parse_where(where, rules.shape)
        if crowded and not parsed.optimised:
            raise _too_much()
        predicate, view = parsed.predicate, rules.view
        if view is not None and any(word in where.lower() for word in rules.view_fields):
            tests.append(lambda row: predicate(view(row)))
        else:
            tests.append(predicate)
    wanted = csv(request, "IDs")
    if wanted:
        unique = dict.fromkeys(text.lower() for text in wanted)
        ids = [i for i in sorted(unique) if rows.table.get(i) is not None]
    else:
        ids = rows.ids()
    if tests:
        left = list(rows.rows(ids))
        for test in tests:
            left = [row for row in left if test(row)]
        ids = [row[rows.id_field] for row in left]
    return _ordered(request.one("order"), ids, rows, rules, crowded=crowded)


def _ordered(
    order: str | None, ids: Sequence[str], rows: Collection, rules: ListRules, *, crowded: bool
) -> list[str]:
    """``ids`` come in ascending order."""
    fields = parse_order(order, rules.shape) if order else ()
    if crowded and any(field not in rules.shape.optimised_order for field, _ in fields):
        raise _too_much()
    if fields == ((rows.id_field, False),):
        return list(ids)
    get = rows.table.get
    found = list(ids)
    if not fields:
        return sorted(found, key=lambda i: (get(i) or {}).get("UpdatedDateUTC", ""))
    for field, descending in reversed(fields):
        key = sort_key(field)
        found.sort(key=lambda i: key(get(i) or {}), reverse=descending)
    return found


def _whole(text: str | None, default: int) -> int:
    try:
        return int(text) if text is not None else default
    except ValueError:
        return default


def _too_much() -> Refusal:
    return Refusal(
        bad_request(
            0,
            "BadRequest",
            "The request exceeds the high volume threshold: use optimised fields and paging",
        )
    )
