"""Fetching records whole: lists leave out lines, addresses, custom fields and notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from syncline.connect import RemoteProtocolError
from syncline_zoho.books.api import Api
from syncline_zoho.books.kinds import Kind
from syncline_zoho.books.values import as_object

Row = Mapping[str, Any]
#: `/itemdetails` takes so many ids a call
ITEMS_A_CALL = 100


class DetailsOnce:
    """Details that were fetched in this session, by id and time of change; the oldest give way."""

    def __init__(self, most: int = 2_500) -> None:
        self._most = most
        self._rows: dict[str, tuple[str, Row]] = {}

    def get(self, record_id: str, stamp: str) -> Row | None:
        held = self._rows.get(record_id)
        return held[1] if held is not None and held[0] == stamp else None

    def put(self, record_id: str, stamp: str, row: Row) -> None:
        self._rows.pop(record_id, None)
        self._rows[record_id] = (stamp, row)
        if len(self._rows) > self._most:
            del self._rows[next(iter(self._rows))]


def fetch(api: Api, kind: Kind, ids: Iterable[str]) -> dict[str, Row]:
    """Details by id, as they are now; those that are not there are left out."""
    wanted = list(dict.fromkeys(ids))
    if kind.name == "items":
        return dict(_items(api, kind, wanted))
    found = {}
    for record_id in wanted:
        row = fetch_one(api, kind, record_id)
        if row is not None:
            found[record_id] = row
    return found


def fetch_one(api: Api, kind: Kind, record_id: str) -> Row | None:
    body = api.find(address(kind, record_id))
    if body is None:
        return None
    row = as_object(body, kind.one)
    if kind.name != "contactpersons" and str(row.get(kind.id)) != record_id:
        raise RemoteProtocolError(f"Zoho Books answered with another {kind.noun.lower()} than was asked for")
    return row


def address(kind: Kind, record_id: str) -> str:
    """The path of a record. A contact person's id here is that of its contact, a full stop, and its own:
    it can be read only below its contact."""
    if kind.name == "contactpersons":
        contact, _, person = record_id.partition(".")
        return f"/contacts/{quote(contact, safe='')}/contactpersons/{quote(person, safe='')}"
    return f"{kind.path}/{quote(record_id, safe='')}"


def _items(api: Api, kind: Kind, ids: Sequence[str]) -> Iterator[tuple[str, Row]]:
    for start in range(0, len(ids), ITEMS_A_CALL):
        part = ids[start : start + ITEMS_A_CALL]
        if len(part) == 1:
            row = fetch_one(api, kind, part[0])
            if row is not None:
                yield part[0], row
            continue
        body = api.get("/itemdetails", {"item_ids": ",".join(part)})
        rows = body.get("items")
        if not isinstance(rows, list):
            raise RemoteProtocolError("Zoho Books' answer does not hold items")
        for row in rows:
            if isinstance(row, Mapping) and str(row.get("item_id")) in part:
                yield str(row["item_id"]), row
