"""All that one organisation holds, in tables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from syncline.connect.sandbox import Table, Tables, VirtualClock
from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.sandbox.wire import ZERO, Row, stamp

#: records that are listed, beside the settings
STORES = tuple(KINDS)


class Ledger:
    """Rows are replaced, never changed in place; keys that begin with ``_`` are not shown.

    ``switches``: those of the sandbox, read at every use.
    """

    def __init__(
        self, tables: Tables, clock: VirtualClock, organisation: str, switches: Mapping[str, Any]
    ) -> None:
        self.clock = clock
        self.organisation = organisation
        self.switches = switches
        self.stores: dict[str, Table] = {name: tables.table(f"{organisation}.{name}") for name in STORES}
        self.gone: dict[str, Table] = {name: tables.table(f"{organisation}.{name}.gone") for name in STORES}
        self.fields = tables.table(f"{organisation}.customfields")
        self._about = tables.table(f"{organisation}.about")
        #: what lists still show of rows that changed a moment ago
        self._before: dict[tuple[str, str], tuple[float, Row | None]] = {}
        #: amounts applied to an invoice, by payment or credit note
        self.paid: dict[str, dict[str, Decimal]] = {}
        self.credited: dict[str, dict[str, Decimal]] = {}
        #: unique names that are taken, by store and field
        self._names: dict[tuple[str, str], dict[str, str]] = {}
        for row in self.stores["customerpayments"]:
            self.apply_payment(row)
        for row in self.stores["creditnotes"]:
            self.apply_credit(row)

    # --- the organisation -------------------------------------------------------------------------

    @property
    def about(self) -> Row:
        found = self._about.get("about")
        return dict(found) if found is not None else {}

    def save_about(self, about: Row) -> None:
        self._about.put("about", about)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(str(self.about["time_zone"]))

    def now(self) -> datetime:
        return self.clock.now()

    def stamp(self) -> str:
        return stamp(self.now())

    def today(self) -> date:
        return self.now().astimezone(self.zone).date()

    def new_id(self) -> str:
        about = self.about
        number = int(about["_next_id"])
        self.save_about({**about, "_next_id": number + 1})
        return str(number)

    def next_number(self, kind: str, prefix: str) -> str:
        about = self.about
        numbers = dict(about.get("_numbers") or {})
        number = int(numbers.get(kind, 1))
        numbers[kind] = number + 1
        self.save_about({**about, "_numbers": numbers})
        return f"{prefix}{number:06d}"

    def places(self, currency: str) -> int:
        row = self.stores["currencies"].get(currency)
        return int(row["price_precision"]) if row else 2

    # --- rows -------------------------------------------------------------------------------------

    def get(self, kind: str, record_id: Any) -> Row | None:
        return self.stores[kind].get(str(record_id))

    def put(self, kind: str, row: Row) -> Row:
        record_id = str(row[KINDS[kind].id])
        old = self.stores[kind].get(record_id)
        delay = float(self.switches.get("visibility_delay_s") or 0)
        if delay:
            known = self._before.get((kind, record_id))
            now = self.clock.timestamp()
            # what is hidden is the last state that lists had shown
            shown = known[1] if known is not None and known[0] + delay > now else old
            self._before[kind, record_id] = (now, shown)
        self._index(kind, old, row)
        self.stores[kind].put(record_id, row)
        return row

    def touch(self, kind: str, record_id: str) -> None:
        """Another record's doing moves this one's time."""
        row = self.get(kind, record_id)
        if row is not None:
            self.put(kind, {**row, "last_modified_time": self.stamp()})

    def remove(self, kind: str, row: Row) -> None:
        record_id = str(row[KINDS[kind].id])
        self._index(kind, row, None)
        self.stores[kind].delete(record_id)
        self.gone[kind].put(record_id, row)

    def visible(self, kind: str) -> list[Row]:
        """What a list shows, which may lag behind."""
        delay = float(self.switches.get("visibility_delay_s") or 0)
        rows = list(self.stores[kind])
        if not delay or not self._before:
            return rows
        now, key = self.clock.timestamp(), KINDS[kind].id
        shown = []
        for row in rows:
            known = self._before.get((kind, str(row[key])))
            seen = known[1] if known is not None and known[0] + delay > now else row
            if seen is not None:
                shown.append(seen)
        return shown

    # --- names ------------------------------------------------------------------------------------

    def holder(self, kind: str, field: str, value: str) -> str | None:
        """The id of the record that holds a unique value."""
        return self._names_of(kind, field).get(fold(value))

    def _names_of(self, kind: str, field: str) -> dict[str, str]:
        if (kind, field) not in self._names:
            key = KINDS[kind].id
            self._names[kind, field] = {
                fold(value): str(row[key]) for row in self.stores[kind] if (value := _held(row, field))
            }
        return self._names[kind, field]

    def _index(self, kind: str, old: Row | None, new: Row | None) -> None:
        key = KINDS[kind].id
        for (name, field), known in self._names.items():
            if name != kind:
                continue
            if old is not None and (value := _held(old, field)):
                known.pop(fold(value), None)
            if new is not None and (value := _held(new, field)):
                known[fold(value)] = str(new[key])

    # --- money ------------------------------------------------------------------------------------

    def apply_payment(self, row: Row, *, away: bool = False) -> None:
        self._apply(self.paid, str(row["payment_id"]), row.get("invoices") or (), "amount_applied", away)

    def apply_credit(self, row: Row, *, away: bool = False) -> None:
        self._apply(self.credited, str(row["creditnote_id"]), row.get("invoices") or (), "amount", away)

    @staticmethod
    def _apply(
        table: dict[str, dict[str, Decimal]], source: str, entries: Any, name: str, away: bool
    ) -> None:
        for held in table.values():
            held.pop(source, None)
        if not away:
            for entry in entries:
                held = table.setdefault(str(entry["invoice_id"]), {})
                held[source] = held.get(source, ZERO) + Decimal(entry[name])

    def paid_of(self, invoice: str) -> Decimal:
        return sum(self.paid.get(invoice, {}).values(), ZERO)

    def credited_of(self, invoice: str) -> Decimal:
        return sum(self.credited.get(invoice, {}).values(), ZERO)


def fold(value: Any) -> str:
    """How unique values compare: without regard to case and outer spaces."""
    return " ".join(str(value).split()).casefold()


def _held(row: Row, field: str) -> Any:
    if field.startswith("cf_"):
        return (row.get("_custom") or {}).get(field)
    return row.get(field)
