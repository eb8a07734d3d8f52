"""The stored records of one organisation, indexed, with undo.

A collection is a table of the kit plus what makes it quick to ask: ids in order, natural keys, a
change count that cached listings are valid for. A row is never changed in place: it is replaced.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from syncline.connect.sandbox import Table, Tables, VirtualClock
from syncline_xero.sandbox.wire import Row, stamp

IndexKey = Callable[[Row], Any]


class Collection:
    """Rows of one kind by id. ``indexes``: name -> function from a row to its key there, or ``None``."""

    def __init__(self, table: Table, id_field: str, indexes: Mapping[str, IndexKey]) -> None:
        self.table = table
        self.id_field = id_field
        self.changes = 0
        #: told of every row stored: its id, and whether it is new
        self.listener: Callable[[str, bool], None] = lambda record_id, new: None
        self._index_keys = dict(indexes)
        self._indexes: dict[str, dict[Any, dict[str, None]]] = {name: {} for name in indexes}
        self._ids: list[str] = []
        self._undo: list[tuple[str, Row | None]] | None = None
        self._sorted: dict[Any, tuple[int, list[str]]] = {}
        for row in table:
            self._add(row)

    def _add(self, row: Row) -> None:
        record_id = row[self.id_field]
        if not self._ids or record_id > self._ids[-1]:
            self._ids.append(record_id)
        else:
            bisect.insort(self._ids, record_id)
        self._index(row)

    def _index(self, row: Row) -> None:
        for name, key_of in self._index_keys.items():
            key = key_of(row)
            if key is not None:
                self._indexes[name].setdefault(key, {})[row[self.id_field]] = None

    def _unindex(self, row: Row) -> None:
        for name, key_of in self._index_keys.items():
            key = key_of(row)
            ids = self._indexes[name].get(key) if key is not None else None
            if ids is not None:
                ids.pop(row[self.id_field], None)
                if not ids:
                    del self._indexes[name][key]

    def get(self, record_id: str) -> Row | None:
        return self.table.get(record_id) or self.table.get(record_id.lower())

    def put(self, row: Row) -> None:
        record_id = row[self.id_field]
        old = self.table.get(record_id)
        if self._undo is not None:
            self._undo.append((record_id, old))
        if old is None:
            self._add(row)
        else:
            self._unindex(old)
            self._index(row)
        self.table.put(record_id, row)
        self.changes += 1
        self.listener(record_id, old is None)

    def delete(self, record_id: str) -> None:
        old = self.table.get(record_id)
        if old is None:
            return
        if self._undo is not None:
            self._undo.append((record_id, old))
        self._unindex(old)
        del self._ids[bisect.bisect_left(self._ids, record_id)]
        self.table.delete(record_id)
        self.changes += 1

    def find(self, index: str, key: Any) -> list[Row]:
        """Rows of an index, oldest first."""
        ids = self._indexes[index].get(key, {})
        return [row for i in ids if (row := self.table.get(i)) is not None]

    def ids(self) -> list[str]:
        """Every id in ascending order; not to be changed by the caller."""
        return self._ids

    def rows(self, ids: list[str]) -> Iterator[Row]:
        get = self.table.get
        return (row for i in ids if (row := get(i)) is not None)

    def cached(self, key: Any, make: Callable[[], list[str]]) -> list[str]:
        """A list of ids that stays good until a row changes."""
        held = self._sorted.get(key)
        if held is not None and held[0] == self.changes:
            return held[1]
        made = make()
        if len(self._sorted) >= 8:
            self._sorted.clear()
        self._sorted[key] = (self.changes, made)
        return made

    def __len__(self) -> int:
        return len(self.table)

    def begin(self) -> None:
        self._undo = []

    def end(self, *, keep: bool) -> None:
        undo, self._undo = self._undo or [], None
        if keep:
            return
        for record_id, old in reversed(undo):
            if old is None:
                self.delete(record_id)
            else:
                self.put(old)


class Ledger:
    """One organisation's books. ``organisation``: its own row; ``next_stamp`` never repeats."""

    def __init__(self, tables: Tables, clock: VirtualClock, tenant: str) -> None:
        self.tenant = tenant
        self.clock = clock
        self._about = tables.table(f"{tenant}/organisation")
        self._last = ""
        self.contacts = Collection(
            tables.table(f"{tenant}/contacts"),
            "ContactID",
            {
                "name": lambda r: r["_name"] if r["ContactStatus"] == "ACTIVE" else None,
                "number": lambda r: r.get("ContactNumber") or None,
                "account": lambda r: r.get("AccountNumber") or None,
            },
        )
        self.items = Collection(
            tables.table(f"{tenant}/items"), "ItemID", {"code": lambda r: r["Code"].casefold()}
        )
        self.invoices = Collection(
            tables.table(f"{tenant}/invoices"),
            "InvoiceID",
            {
                "number": lambda r: (r["Type"], (r.get("InvoiceNumber") or "").casefold()),
                "contact": lambda r: r["Contact"]["ContactID"],
            },
        )
        self.credit_notes = Collection(
            tables.table(f"{tenant}/creditnotes"),
            "CreditNoteID",
            {
                "number": lambda r: (r["Type"], (r.get("CreditNoteNumber") or "").casefold()),
                "contact": lambda r: r["Contact"]["ContactID"],
            },
        )
        self.quotes = Collection(
            tables.table(f"{tenant}/quotes"),
            "QuoteID",
            {
                "number": lambda r: (None, (r.get("QuoteNumber") or "").casefold()),
                "contact": lambda r: r["Contact"]["ContactID"],
            },
        )
        self.purchase_orders = Collection(
            tables.table(f"{tenant}/purchaseorders"),
            "PurchaseOrderID",
            {
                "number": lambda r: (None, (r.get("PurchaseOrderNumber") or "").casefold()),
                "contact": lambda r: r["Contact"]["ContactID"],
            },
        )
        self.payments = Collection(
            tables.table(f"{tenant}/payments"),
            "PaymentID",
            {"invoice": lambda r: r.get("_invoice"), "note": lambda r: r.get("_note")},
        )
        self.allocations = Collection(
            tables.table(f"{tenant}/allocations"),
            "AllocationID",
            {"invoice": lambda r: r["_invoice"], "note": lambda r: r["_note"]},
        )
        self.accounts = Collection(
            tables.table(f"{tenant}/accounts"), "AccountID", {"code": lambda r: r.get("Code")}
        )
        self.tax_rates = Collection(tables.table(f"{tenant}/taxrates"), "TaxType", {})
        self.currencies = Collection(tables.table(f"{tenant}/currencies"), "Code", {})
        self.themes = Collection(tables.table(f"{tenant}/themes"), "BrandingThemeID", {})
        self.tracking = Collection(
            tables.table(f"{tenant}/tracking"),
            "TrackingCategoryID",
            {"name": lambda r: r["Name"].casefold()},
        )
        self.users = Collection(tables.table(f"{tenant}/users"), "UserID", {})

    @property
    def organisation(self) -> Row:
        row = self._about.get("")
        if row is None:
            raise LookupError(f"organisation {self.tenant} has not been seeded")
        return row

    def save_organisation(self, row: Row) -> None:
        self._about.put("", row)

    @property
    def base_currency(self) -> str:
        return str(self.organisation["BaseCurrency"])

    def next_stamp(self, previous: str | None = None) -> str:
        """Now, at least a millisecond after ``previous``: a change is always a new stamp."""
        now = self.clock.now()
        text = stamp(now)
        if previous is not None and text <= previous:
            text = stamp(datetime.fromisoformat(previous) + timedelta(milliseconds=1))
        return text

    def collections(self) -> tuple[Collection, ...]:
        return (
            self.contacts,
            self.items,
            self.invoices,
            self.credit_notes,
            self.quotes,
            self.purchase_orders,
            self.payments,
            self.allocations,
            self.tracking,
        )

    @contextmanager
    def all_or_nothing(self) -> Iterator[list[bool]]:
        """Everything put inside is taken back when the yielded list is no longer empty."""
        failed: list[bool] = []
        for collection in self.collections():
            collection.begin()
        keep = False
        try:
            yield failed
            keep = not failed
        finally:
            for collection in self.collections():
                collection.end(keep=keep)
