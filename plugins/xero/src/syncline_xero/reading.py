"""Reading a module: scans that cannot drift, changes since a cursor, single records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syncline.connect import Page, Record, RemoteModule, RemoteProtocolError
from syncline_xero.api import Api, Listing
from syncline_xero.cursor import Cursor, parse_cursor
from syncline_xero.fields import IDS_BATCH
from syncline_xero.kinds import KINDS
from syncline_xero.wire import read_record

#: The largest page of any list; that of quotes has a size of its own.
PAGE_SIZE = 1000
#: What of a tracked item changes without the item counting as changed.
_STOCK = frozenset({"QuantityOnHand", "TotalCostPool"})
_TRACKED = {"where": "IsTrackedAsInventory==true"}


def read_pages(
    api: Api,
    module: RemoteModule,
    cursor_text: str | None,
    lock_until: str | None,
    fields: frozenset[str] = frozenset(),
) -> Iterator[Page]:
    """Pages from the cursor to the present; every page's cursor can be gone on from.

    Ordered by id, since in Xero's default order (by change) a record that changes during the scan moves
    to the end and pulls an unseen one over the page boundary.
    """
    kind = KINDS[module.name]
    if not kind.page_size:
        yield _whole(api, module, parse_cursor(cursor_text), lock_until, fields)
        return
    cursor, size = parse_cursor(cursor_text), PAGE_SIZE if kind.sized else kind.page_size
    while True:
        params = {**kind.scope, "page": str(cursor.page), "order": kind.id}
        if kind.sized:
            params["pageSize"] = str(size)
        asked = cursor.since
        listing = _found(api.get_list(module.name, params=params, since=asked), module.name)
        pages = listing.page_count
        last = len(listing.rows) < size if pages is None else cursor.page >= pages
        cursor = cursor.after_page(last=last, server_time=listing.server_time)
        records = _records(module, listing.rows, lock_until)
        yield Page(records=records, cursor=cursor.text(), last=last, since=_instant(asked))
        if last:
            return


def _whole(
    api: Api, module: RemoteModule, cursor: Cursor, lock_until: str | None, fields: frozenset[str]
) -> Page:
    """A list that Xero does not page, in one call; in two when stock is wanted of what has not changed."""
    since = cursor.since if module.capabilities.incremental else None
    params = KINDS[module.name].params
    listing = _found(api.get_list(module.name, params=params, since=since), module.name)
    after = cursor.after_page(last=True, server_time=listing.server_time)
    records = _records(module, listing.rows, lock_until)
    if module.name == "Items" and since is not None and fields & _STOCK:
        # These come whether they have changed or not, so that it is not said of the page that it heeds since.
        seen = {record.id for record in records}
        tracked = _found(api.get_list(module.name, params=_TRACKED), module.name)
        stock = [r for r in _records(module, tracked.rows, lock_until) if r.id not in seen]
        if stock:
            return Page(records=[*records, *stock], cursor=after.text(), last=True)
    return Page(records=records, cursor=after.text(), last=True, since=_instant(since))


def _instant(since: str | None) -> datetime | None:
    return None if since is None else datetime.fromisoformat(since).replace(tzinfo=UTC)


def read_by_ids(api: Api, module: RemoteModule, ids: Sequence[str], lock_until: str | None) -> list[Record]:
    """The records with these ids that exist, archived ones included; as few calls as Xero allows."""
    unique = list(dict.fromkeys(ids))
    kind = KINDS[module.name]
    if not unique:
        return []
    if kind.single and not kind.by_ids and (kind.page_size or len(unique) == 1):
        rows = [row for one in unique if (row := api.get_one(module.name, one)) is not None]
        return [r for r in _records(module, rows, lock_until) if r.id in set(unique)]
    if not kind.page_size:
        listing = _found(api.get_list(module.name, params=kind.params), module.name)
        wanted = set(unique)
        return [r for r in _records(module, listing.rows, lock_until) if r.id in wanted]
    found: list[Record] = []
    for start in range(0, len(unique), IDS_BATCH):
        params = {
            **kind.scope,
            "IDs": ",".join(unique[start : start + IDS_BATCH]),
            "page": "1",
            "pageSize": str(PAGE_SIZE),
        }
        listing = _found(api.get_list(module.name, params=params), module.name)
        found += _records(module, listing.rows, lock_until)
    return found


def count_live(api: Api, module: RemoteModule) -> int | None:
    """How many records are live, from the pagination of a page of one; ``None`` where no list tells."""
    counted = KINDS[module.name].counted
    if counted is None:
        return None
    params = {**counted, "page": "1", "pageSize": "1"}
    return _found(api.get_list(module.name, params=params), module.name).item_count


def _records(module: RemoteModule, rows: Sequence[Mapping[str, Any]], lock_until: str | None) -> list[Record]:
    return [read_record(module, row, lock_until) for row in rows]


def _found(listing: Listing | None, module: str) -> Listing:
    if listing is None:
        raise RemoteProtocolError(
            f"Xero does not know the list of {module}", fix="check base_url", status=404
        )
    return listing
