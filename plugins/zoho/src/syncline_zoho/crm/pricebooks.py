"""The products of a price book with their prices: a relation, read and written apart from the book.

Calls after Zoho CRM API v8, Related Records (``/Price_Books/{id}/Products``): an update of a product that is
not in the book yet adds it. The book's own page tells nothing of its entries, and no document says that a
changed price moves the book's ``Modified_Time``: so a digest of the entries is part of a book's version, and
they are looked at again whether the book has changed or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from syncline.connect import Items, Outcome, OutcomeKind, RemoteError, Write, WriteKind
from syncline_zoho.crm.api import Api, page_numbers, read_body, refusal
from syncline_zoho.crm.fields import BATCH, ENTRIES
from syncline_zoho.crm.outcomes import outcome_of
from syncline_zoho.crm.values import to_wire

Entry = Mapping[str, Any]

_PAGE = 200
#: so many calls a day may be spent on looking at entries that nothing says have changed
_CALLS_A_DAY = 5_000
#: so few books are looked at by every read
_FEW = 10


def time_between(books: int) -> timedelta:
    """How far apart two looks at the entries of all these books are."""
    return timedelta(days=1) * books / _CALLS_A_DAY if books > _FEW else timedelta()


class PriceBooks:
    def __init__(self, api: Api) -> None:
        self._api = api

    def entries(self, book: str) -> list[Entry]:
        """The same, none for a book that is not there."""
        return self.find_entries(book) or []

    def find_entries(self, book: str) -> list[Entry] | None:
        """A book's entries in the order of their products' ids, ``None`` when there is no such book."""
        found: list[Entry] = []
        for page in page_numbers("products of a price book"):
            params = {"fields": "Product_Name,list_price", "per_page": str(_PAGE), "page": str(page)}
            reply = self._api.send("GET", _path(book), params=params)
            if reply.status == 400 and b"INVALID_DATA" in reply.content:
                return None
            body = read_body(reply, f"GET {_path(book)}") or {}
            for row in body.get("data") or ():
                product = str(row["id"])
                found.append(
                    {"id": product, "Product_Name": {"id": product}, "list_price": row.get("list_price")}
                )
            if not (body.get("info") or {}).get("more_records"):
                break
        return sorted(found, key=lambda entry: str(entry["id"]))

    def change(
        self, write: Write, book: str, version: str | None, there: Sequence[Entry], *, resume: bool = False
    ) -> Outcome:
        """Store what a write says of the entries, after the book itself has been stored as ``version``.

        Only what differs from the entries ``there`` is sent. ``resume``: a create was cut short, and only the
        entries that are not there are stored. Raises like any call; what was sent up to then is stored.
        """
        wanted = write.values[ENTRIES.name]
        items = wanted if isinstance(wanted, Items) else Items(items=())
        new = write.kind is WriteKind.CREATE
        held = {str(entry["id"]): entry["list_price"] for entry in there}
        prices = prices_after(items, {} if new else held)
        changed = {
            product: price
            for product, price in prices.items()
            if product not in held or (held[product] != price and not resume)
        }
        gone = [] if new else [product for product in held if product not in prices]
        refused = self._put(write, book, changed) or self._remove(write, book, gone)
        if refused is not None:
            return refused
        after = [_entry(product, price) for product, price in prices.items()]
        return Outcome(kind=OutcomeKind.DONE, id=book, version=with_entries(version, after))

    def discard(self, book: str) -> bool:
        """Take back a book that was just made; whether it is gone."""
        try:
            reply = self._api.send(
                "DELETE", "/crm/v8/Price_Books", params={"ids": book, "wf_trigger": "false"}, repeatable=True
            )
        except RemoteError:
            return False
        return reply.status < 300

    def _put(self, write: Write, book: str, prices: Mapping[str, Any]) -> Outcome | None:
        rows = [{"id": product, "list_price": to_wire(price)} for product, price in prices.items()]
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            reply = self._api.send(
                "PUT", _path(book), json={"data": part}, repeatable=True, cost=(len(part) + 9) // 10
            )
            refused = _refused(reply, write, f"PUT {_path(book)}")
            if refused is not None:
                return refused
        return None

    def _remove(self, write: Write, book: str, products: Sequence[str]) -> Outcome | None:
        for start in range(0, len(products), BATCH):
            params = {"ids": ",".join(products[start : start + BATCH])}
            reply = self._api.send("DELETE", _path(book), params=params, repeatable=True)
            refused = _refused(reply, write, f"DELETE {_path(book)}")
            # an entry that is no longer there needs no removal
            if refused is not None and refused.kind is not OutcomeKind.GONE:
                return refused
        return None


def _path(book: str) -> str:
    return f"/crm/v8/Price_Books/{book}/Products"


def _refused(reply: Any, write: Write, what: str) -> Outcome | None:
    """The first row that was not stored; raises when the call as a whole was refused."""
    body = reply.json() if reply.content else None
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        if reply.status < 300:
            read_body(reply, what)
            return None
        raise refusal(reply, what)
    for row in rows:
        if isinstance(row, Mapping) and row.get("code") != "SUCCESS":
            return outcome_of({**row, "details": _of_entries(row.get("details"))}, write)
    return None


def _of_entries(details: Any) -> Mapping[str, Any]:
    """A row's details as those of the book's list: an id at fault is a product's, never the book's."""
    found = dict(details) if isinstance(details, Mapping) else {}
    return {**found, "api_name": ENTRIES.name, "json_path": f"$.data[0].{ENTRIES.name}"}


def prices_after(items: Items, held: Mapping[str, Any]) -> dict[str, Any]:
    """The price of each product once the items are stored over those that are held."""
    if not items.items and not items.removed:
        return {}
    told = [item for item in items.items if not item.unchanged]
    # what a row held before goes, unless the same or another row says otherwise
    gone = {*items.removed, *(item.id for item in told)}
    prices = {product: price for product, price in held.items() if product not in gone}
    for item in told:
        product = str((item.values.get("Product_Name") or {}).get("id") or item.id)
        prices[product] = item.values.get("list_price", held.get(item.id) if item.id else None)
    return prices


def _entry(product: str, price: Any) -> Entry:
    return {"id": product, "list_price": price}


def with_entries(version: str | None, entries: Iterable[Entry]) -> str | None:
    """A book's version with the digest of its entries."""
    return None if version is None else f"{version.partition('#')[0]}#{digest(entries)}"


def digest(entries: Iterable[Entry]) -> str:
    told = sorted(f"{entry['id']}={_number(entry['list_price'])}" for entry in entries)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _number(price: Any) -> str:
    return "" if price is None else f"{Decimal(price).normalize():f}"
