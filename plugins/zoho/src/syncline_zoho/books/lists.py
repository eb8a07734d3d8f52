"""Walking a list that is paged by numbers while rows come, go and move.

A page is a window of a list that others edit. Each window is laid so that it begins before the end of the one
before it: if none of the last rows is found again where it must be, rows have moved up across the border, and
the walk steps back. Rows that move down are met again, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from syncline.connect import RemoteProtocolError
from syncline_zoho.books.api import Api
from syncline_zoho.books.cursor import Scan
from syncline_zoho.books.kinds import Kind
from syncline_zoho.books.values import utc_text

Row = Mapping[str, Any]
#: Zoho Books API v3, Pagination: at most 200 rows a page
MOST = 200
#: the smallest window that is laid: a smaller one would only cost calls
_LEAST = 150
_ANCHORS = 8
#: so many windows in a row that do not fit together mean that the list is no list
_STEPS_BACK = 50
_MAX_PAGES = 10_000


class Window(Struct, frozen=True, kw_only=True):
    """A part of a list. ``start``: rows before it."""

    page: int
    per_page: int

    @property
    def start(self) -> int:
        return (self.page - 1) * self.per_page


class Listed(Struct, frozen=True, kw_only=True):
    """``rows``: those of a window that were not passed before; ``scan``: the place after them; ``last``:
    whether the list ends here; ``order``: how the remote says that it is sorted."""

    rows: Sequence[Row]
    scan: Scan
    last: bool
    order: tuple[str, str]


def window_at(offset: int) -> Window:
    """The window that begins before ``offset`` and reaches furthest beyond it."""
    if offset <= 0:
        return Window(page=1, per_page=MOST)
    sizes = range(MOST, _LEAST - 1, -1)
    # one row before the place must be in it, or a row that went away would not be noticed
    best = max(sizes, key=lambda size: ((offset - 1) // size + 1) * size)
    return Window(page=(offset - 1) // best + 1, per_page=best)


def walk(api: Api, kind: Kind, params: Mapping[str, str], scan: Scan) -> Iterator[Listed]:
    """The windows of a list from a place on, to its end."""
    steps_back = 0
    for _ in range(_MAX_PAGES):
        window = window_at(scan.offset)
        asked = {**params, "page": str(window.page), "per_page": str(window.per_page)}
        body = api.get(kind.path, asked)
        rows, more, order = read_list(kind, body, window)
        started = scan.started or utc_text(api.server_time)
        place = _after(kind, rows, scan.anchors) if scan.anchors else 0
        if place is None:
            steps_back += 1
            if steps_back > _STEPS_BACK:
                raise RemoteProtocolError(
                    f"the pages of {kind.name} in Zoho Books do not fit together",
                    fix="the next pass tries again; if it lasts, tell Zoho's support",
                )
            # without anchors every row of the window is taken: some of them again
            scan = Scan(offset=max(0, window.start - MOST), started=started)
            continue
        ids = [str(row[kind.id]) for row in rows]
        anchors = tuple(ids[-_ANCHORS:]) or scan.anchors
        scan = Scan(offset=window.start + len(rows), anchors=anchors, started=started)
        yield Listed(rows=rows[place:], scan=scan, last=not more, order=order)
        if not more:
            return
    raise RemoteProtocolError(f"the list of {kind.name} in Zoho Books does not come to an end")


def _after(kind: Kind, rows: Sequence[Row], anchors: Sequence[str]) -> int | None:
    """The place behind the last row that was passed before, ``None`` when none of them is there."""
    known = set(anchors)
    places = [place for place, row in enumerate(rows) if str(row[kind.id]) in known]
    return places[-1] + 1 if places else None


def read_list(kind: Kind, body: Mapping[str, Any], window: Window) -> tuple[list[Row], bool, tuple[str, str]]:
    """Rows, whether there are more, and the order as told; raises RemoteProtocolError for another shape."""
    rows = body.get(kind.many)
    context = body.get("page_context")
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) and r.get(kind.id) for r in rows):
        raise RemoteProtocolError(f"Zoho Books' answer does not hold {kind.many}")
    if not isinstance(context, Mapping):
        raise RemoteProtocolError(f"Zoho Books' list of {kind.many} does not say where it ends")
    said = (context.get("page"), context.get("per_page"))
    if said != (window.page, window.per_page):
        # An unknown or refused parameter is passed over without a word; a page of another size has gaps.
        raise RemoteProtocolError(
            f"Zoho Books gave page {said[0]} of {said[1]} {kind.many} for page {window.page} of"
            f" {window.per_page}"
        )
    order = (str(context.get("sort_column") or ""), str(context.get("sort_order") or "")[:1].upper())
    return rows, bool(context.get("has_more_page")), order
