"""Reading a module: scans that cannot drift, changes since a cursor, single records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from syncline.connect import Page, Record, RemoteModule, RemoteProtocolError
from syncline_xero.api import Api, Listing
from syncline_xero.catalogue import IDS_BATCH
from syncline_xero.cursor import Cursor, parse_cursor
from syncline_xero.wire import id_field, read_record

PAGE_SIZE = 1000
#: Sales documents alone: bills are another module.
_SALES = 'Type=="ACCREC"'
_PAGED = {"Contacts", "Invoices"}


def read_pages(
    api: Api, module: RemoteModule, cursor_text: str | None, lock_until: str | None
) -> Iterator[Page]:
    """Pages from the cursor to the present; every page's cursor can be gone on from.

    Ordered by id, since in Xero's default order (by change) a record that changes during the scan moves
    to the end and pulls an unseen one over the page boundary.
    """
    if module.name not in _PAGED:
        yield _whole(api, module, parse_cursor(cursor_text), lock_until)
        return
    cursor = parse_cursor(cursor_text)
    while True:
        params = {
            **_scope(module.name),
            "page": str(cursor.page),
            "pageSize": str(PAGE_SIZE),
            "order": id_field(module.name),
        }
        asked = cursor.since
        listing = _found(api.get_list(module.name, params=params, since=asked), module.name)
        if listing.page_count is None:
            last = len(listing.rows) < PAGE_SIZE
        else:
            last = cursor.page >= listing.page_count
        cursor = cursor.after_page(last=last, server_time=listing.server_time)
        records = _records(module, listing.rows, lock_until)
        yield Page(records=records, cursor=cursor.text(), last=last, since=_instant(asked))
        if last:
            return


def _whole(api: Api, module: RemoteModule, cursor: Cursor, lock_until: str | None) -> Page:
    """A list that Xero does not page, in one call."""
    since = cursor.since if module.capabilities.incremental else None
    listing = _found(api.get_list(module.name, since=since), module.name)
    after = cursor.after_page(last=True, server_time=listing.server_time)
    records = _records(module, listing.rows, lock_until)
    return Page(records=records, cursor=after.text(), last=True, since=_instant(since))


def _instant(since: str | None) -> datetime | None:
    return None if since is None else datetime.fromisoformat(since).replace(tzinfo=UTC)


def read_by_ids(api: Api, module: RemoteModule, ids: Sequence[str], lock_until: str | None) -> list[Record]:
    """The records with these ids that exist, archived ones included; as few calls as Xero allows."""
    unique = list(dict.fromkeys(ids))
    if not unique:
        return []
    if module.name not in _PAGED:
        return _by_ids_unpaged(api, module, unique, lock_until)
    found: list[Record] = []
    for start in range(0, len(unique), IDS_BATCH):
        params = {
            **_scope(module.name),
            "IDs": ",".join(unique[start : start + IDS_BATCH]),
            "page": "1",
            "pageSize": str(PAGE_SIZE),
        }
        listing = _found(api.get_list(module.name, params=params), module.name)
        found += _records(module, listing.rows, lock_until)
    return found


def _by_ids_unpaged(
    api: Api, module: RemoteModule, ids: Sequence[str], lock_until: str | None
) -> list[Record]:
    """One record by its address, several by the one call that lists them all."""
    if len(ids) == 1 and module.name == "Items":
        listing = api.get_list(module.name, path=f"/Items/{quote(ids[0], safe='')}")
        rows = listing.rows if listing is not None else ()
    else:
        rows = _found(api.get_list(module.name), module.name).rows
    wanted = set(ids)
    return [r for r in _records(module, rows, lock_until) if r.id in wanted]


def count_live(api: Api, module: RemoteModule) -> int | None:
    """How many records are live, from the pagination of a page of one."""
    if module.name not in _PAGED:
        return None
    params = {"page": "1", "pageSize": "1"}
    if module.name == "Invoices":
        params |= {"where": _SALES, "Statuses": "DRAFT,SUBMITTED,AUTHORISED,PAID,VOIDED"}
    return _found(api.get_list(module.name, params=params), module.name).item_count


def _scope(module: str) -> dict[str, str]:
    return {"includeArchived": "true"} if module == "Contacts" else {"where": _SALES}


def _records(module: RemoteModule, rows: Sequence[Mapping[str, Any]], lock_until: str | None) -> list[Record]:
    return [read_record(module, row, lock_until) for row in rows]


def _found(listing: Listing | None, module: str) -> Listing:
    if listing is None:
        raise RemoteProtocolError(
            f"Xero does not know the list of {module}", fix="check base_url", status=404
        )
    return listing
