"""Documents from estimates to credit notes: one set of rules, told apart by data.

Sources: Zoho Books API v3, a page each (estimates and sales orders by analogy with invoices), and what was
recorded of it: invoices, estimates, orders begin as drafts, bills and credit notes open; a line that is left
out is deleted; one that is sent is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct, field

from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.locks import HARMLESS
from syncline_zoho.books.sandbox import fields
from syncline_zoho.books.sandbox.errors import TAKEN, Refused, gone, invalid, missing
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.lists import ListRules
from syncline_zoho.books.sandbox.totals import total_lines
from syncline_zoho.books.sandbox.wire import (
    ZERO,
    Row,
    choice_of,
    day_of,
    flag_of,
    in_zone,
    number_of,
    rounded,
    rows_of,
    text_of,
)


class Rules(Struct, frozen=True, kw_only=True):
    """``begins``: the status of a new one; ``moves``: by call, the statuses it may start from and the one it
    leads to; ``days``: further days; ``due``: whether it falls due; ``discounts``: whether it has any."""

    kind: str
    party: str
    contact_type: str
    number: str
    prefix: str | None
    begins: str
    moves: Mapping[str, tuple[frozenset[str], str]]
    days: tuple[str, ...] = ()
    due: bool = False
    discounts: bool = True
    number_length: int = 100
    texts: Mapping[str, int] = field(default_factory=dict)


def _from(*statuses: str) -> frozenset[str]:
    return frozenset(statuses)


RULES: Mapping[str, Rules] = {
    rules.kind: rules
    for rules in (
        Rules(
            kind="estimates",
            party="customer_id",
            contact_type="customer",
            number="estimate_number",
            prefix="EST-",
            begins="draft",
            moves={
                "sent": (_from("draft", "sent", "declined"), "sent"),
                "accepted": (_from("draft", "sent", "viewed", "declined", "expired"), "accepted"),
                "declined": (_from("draft", "sent", "viewed", "accepted", "expired"), "declined"),
            },
            days=("expiry_date",),
        ),
        Rules(
            kind="salesorders",
            party="customer_id",
            contact_type="customer",
            number="salesorder_number",
            prefix="SO-",
            begins="draft",
            moves={"open": (_from("draft", "void"), "open"), "void": (_from("draft", "open"), "void")},
            days=("shipment_date",),
        ),
        Rules(
            kind="invoices",
            party="customer_id",
            contact_type="customer",
            number="invoice_number",
            prefix="INV-",
            begins="draft",
            moves={
                "sent": (_from("draft", "approved", "sent"), "sent"),
                "void": (_from("draft", "approved", "sent"), "void"),
                "draft": (_from("void"), "draft"),
            },
            due=True,
            texts={"salesperson_name": 100},
        ),
        Rules(
            kind="bills",
            party="vendor_id",
            contact_type="vendor",
            number="bill_number",
            prefix=None,
            begins="open",
            moves={"open": (_from("draft", "void"), "open"), "void": (_from("draft", "open"), "void")},
            due=True,
            discounts=False,
            number_length=50,
        ),
        Rules(
            kind="purchaseorders",
            party="vendor_id",
            contact_type="vendor",
            number="purchaseorder_number",
            prefix="PO-",
            begins="draft",
            moves={
                "open": (_from("draft", "approved", "billed", "cancelled"), "open"),
                "billed": (_from("open"), "billed"),
                "cancelled": (_from("draft", "approved", "open"), "cancelled"),
            },
            days=("delivery_date",),
            discounts=False,
            number_length=50,
        ),
        Rules(
            kind="creditnotes",
            party="customer_id",
            contact_type="customer",
            number="creditnote_number",
            prefix="CN-",
            begins="open",
            moves={
                "open": (_from("draft"), "open"),
                "void": (_from("draft", "open"), "void"),
                "draft": (_from("void"), "draft"),
            },
        ),
    )
}


def list_rules(rules: Rules) -> ListRules:
    kind = rules.kind
    party_name = "customer_name" if rules.party == "customer_id" else "vendor_name"
    sorts = {party_name, rules.number, "date", "total", "created_time"}
    if rules.due:
        sorts |= {"due_date", "balance"}
    if kind == "creditnotes":
        sorts |= {"balance"}
    if kind == "purchaseorders":
        sorts |= {"delivery_date"}
    return ListRules(
        sort="created_time",
        order="D",
        sorts=frozenset(sorts),
        equals=frozenset(
            {rules.number, "reference_number", "date", "total", "status", rules.party, party_name}
        ),
        # credit notes are said to take no filter by time (Zoho Books API v3, List credit notes)
        since=kind != "creditnotes",
        filters={"Status.All": lambda row: True},
        order_ignored=kind == "purchaseorders",
    )


class Documents:
    def __init__(self, ledger: Ledger, kind: str) -> None:
        self._ledger = ledger
        self.rules = RULES[kind]
        self._id = KINDS[kind].id
        self._noun = KINDS[kind].noun

    # --- writing ----------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any], *, number_given: bool) -> Row:
        ledger, rules, now = self._ledger, self.rules, self._ledger.stamp()
        party = self._party(body.get(rules.party))
        base = ledger.about["currency_id"]
        currency = str(body.get("currency_id") or party["currency_id"])
        if ledger.get("currencies", currency) is None:
            raise invalid("currency_id")
        row: Row = {
            self._id: "",
            rules.party: party["contact_id"],
            rules.number: "",
            "reference_number": "",
            "date": ledger.today().isoformat(),
            **dict.fromkeys(rules.days, ""),
            "status": rules.begins,
            "currency_id": currency,
            "exchange_rate": Decimal(1) if currency == base else self._rate(currency),
            "is_inclusive_tax": False,
            "discount": ZERO,
            "discount_type": "entity_level",
            "is_discount_before_tax": True,
            "shipping_charge": ZERO,
            "adjustment": ZERO,
            "adjustment_description": "",
            "notes": "",
            "terms": "",
            **dict.fromkeys(rules.texts, ""),
            "line_items": [],
            "_custom": {},
            "created_time": now,
        }
        if rules.due:
            row["payment_terms"] = party["payment_terms"]
            row["payment_terms_label"] = party["payment_terms_label"]
        if rules.kind == "creditnotes":
            row["invoices"] = []
            if body.get("is_draft") is True:
                row["status"] = "draft"
        if not body.get("line_items"):
            raise missing("line items")
        row[self._id] = ledger.new_id()
        row = self._take(row, body, number_given=number_given)
        if rules.due and not row.get("due_date"):
            row["due_date"] = _later(row["date"], row["payment_terms"])
        self._refuse_locked_day(row)
        return self._store(row, now)

    def update(self, row: Row, body: Mapping[str, Any], *, number_given: bool) -> Row:
        self._refuse_locked(row, "edit")
        status = self.status(row)
        if status in ("void", "cancelled"):
            raise Refused(f"{self._noun}s that are {status} cannot be edited.")
        if status in KINDS[self.rules.kind].settled:
            harmful = [n for n in body if n not in HARMLESS and n not in ("custom_fields", self.rules.number)]
            if harmful:
                raise Refused(
                    f"{self._noun}s that are {status} cannot be edited: {', '.join(sorted(harmful))}"
                )
        changed = self._take(dict(row), body, number_given=number_given)
        if self.rules.due and "due_date" not in body and ({"date", "payment_terms"} & body.keys()):
            changed["due_date"] = _later(changed["date"], changed["payment_terms"])
        self._refuse_locked_day(changed)
        return self._store(changed, self._ledger.stamp())

    def _take(self, row: Row, body: Mapping[str, Any], *, number_given: bool) -> Row:
        ledger, rules = self._ledger, self.rules
        if rules.party in body and str(body[rules.party]) != row[rules.party]:
            row[rules.party] = self._party(body[rules.party])["contact_id"]
        self._number(row, body, number_given=number_given)
        for name, limit in {
            "reference_number": 100,
            "adjustment_description": 100,
            "notes": 5000,
            "terms": 10_000,
            **rules.texts,
            **({"payment_terms_label": 100} if rules.due else {}),
        }.items():
            if name in body:
                row[name] = text_of(body, name, limit)
        for name in ("date", *rules.days, *(("due_date",) if rules.due else ())):
            if name in body:
                row[name] = day_of(body[name], name)
        if not row["date"]:
            raise missing("date")
        if rules.due and "payment_terms" in body:
            row["payment_terms"] = number_of(body["payment_terms"], "payment_terms")
        if body.get("exchange_rate") not in (None, "", 0):
            rate = number_of(body["exchange_rate"], "exchange_rate")
            if rate < 0:
                raise invalid("exchange_rate")
            # the base currency is worth itself, whatever is said
            row["exchange_rate"] = Decimal(1) if row["currency_id"] == ledger.about["currency_id"] else rate
        if "is_inclusive_tax" in body:
            row["is_inclusive_tax"] = flag_of(body["is_inclusive_tax"], "is_inclusive_tax")
        if "adjustment" in body:
            row["adjustment"] = number_of(body["adjustment"], "adjustment")
        if rules.discounts:
            if "discount" in body:
                row["discount"] = _discount(body["discount"])
            if "discount_type" in body:
                row["discount_type"] = choice_of(
                    body["discount_type"], "discount_type", ("entity_level", "item_level")
                )
            if "is_discount_before_tax" in body:
                row["is_discount_before_tax"] = flag_of(
                    body["is_discount_before_tax"], "is_discount_before_tax"
                )
            if "shipping_charge" in body:
                row["shipping_charge"] = number_of(body["shipping_charge"], "shipping_charge")
        if "line_items" in body:
            lines = rows_of(body["line_items"], "line_items")
            if not lines:
                raise missing("line items")
            row["line_items"] = self._lines(row, lines)
            if (
                rules.discounts
                and "discount_type" not in body
                and any(x["discount"] for x in row["line_items"])
            ):
                row["discount_type"] = "item_level"
        if "custom_fields" in body:
            row["_custom"] = fields.take(
                ledger, rules.kind, row[self._id], row["_custom"], body["custom_fields"]
            )
        return row

    def _number(self, row: Row, body: Mapping[str, Any], *, number_given: bool) -> None:
        rules = self.rules
        wanted = text_of(body, rules.number, rules.number_length) if rules.number in body else ""
        new = not row[rules.number]
        if rules.prefix is not None and not number_given and (new or wanted != row[rules.number]):
            # numbers are generated, and one that is given is passed over, unless that is switched off
            wanted = ""
        if not wanted:
            if not new:
                return
            if rules.prefix is None:
                raise missing("bill number")
            while True:
                wanted = self._ledger.next_number(rules.kind, rules.prefix)
                if self._ledger.holder(rules.kind, rules.number, wanted) is None:
                    break
        if self._ledger.holder(rules.kind, rules.number, wanted) not in (None, row[self._id]):
            raise Refused(f'The {rules.number.replace("_", " ")} "{wanted}" already exists.', TAKEN)
        row[rules.number] = wanted

    def _party(self, contact: Any) -> Row:
        found = self._ledger.get("contacts", contact)
        if found is None or found["contact_type"] != self.rules.contact_type:
            raise Refused(f"{self.rules.contact_type.title()} does not exist.", 1002)
        if found["status"] != "active":
            raise Refused(f"The {self.rules.contact_type} is inactive. Mark it as active first.")
        return found

    def _rate(self, currency: str) -> Decimal:
        return Decimal((self._ledger.get("currencies", currency) or {}).get("exchange_rate") or 1)

    def _lines(self, row: Row, given: list[Mapping[str, Any]]) -> list[Row]:
        held = {line["line_item_id"] for line in row["line_items"]}
        sells = self.rules.contact_type == "customer"
        lines = []
        for place, body in enumerate(given, 1):
            line_id = str(body.get("line_item_id") or "")
            if line_id and line_id not in held:
                raise invalid("line_item_id")
            item = self._ledger.get("items", body["item_id"]) if body.get("item_id") else None
            if body.get("item_id") and item is None:
                raise invalid("item_id")
            if item is not None and item["status"] != "active" and not line_id:
                raise Refused(f'The item "{item["name"]}" is inactive.')
            fallback = item or {}
            line: Row = {
                "line_item_id": line_id or self._ledger.new_id(),
                "item_id": fallback.get("item_id", ""),
                "item_order": place,
                "name": text_of(body, "name", 100, "item name") or fallback.get("name", ""),
                "description": text_of(body, "description", 2000)
                if "description" in body
                else fallback.get("description" if sells else "purchase_description", ""),
                "unit": text_of(body, "unit", 100) or fallback.get("unit", ""),
                "header_name": text_of(body, "header_name", 100),
                "project_id": str(body.get("project_id") or ""),
                "quantity": number_of(body["quantity"], "quantity")
                if body.get("quantity") not in (None, "")
                else Decimal(1),
                "rate": number_of(body["rate"], "rate")
                if body.get("rate") not in (None, "")
                else Decimal(fallback.get("rate" if sells else "purchase_rate", 0)),
                "discount": _discount(body.get("discount")) if self.rules.discounts else ZERO,
                "tax_id": str(body["tax_id"] or "") if "tax_id" in body else fallback.get("tax_id", ""),
                "account_id": str(body.get("account_id") or "")
                or fallback.get("account_id" if sells else "purchase_account_id", "")
                or self._ledger.about["_sales_account" if sells else "_cost_account"],
            }
            if not line["name"] and not line["description"] and item is None:
                raise missing("item name or the description of a line")
            if line["tax_id"] and self._ledger.get("taxes", line["tax_id"]) is None:
                raise invalid("tax_id")
            if self._ledger.get("chartofaccounts", line["account_id"]) is None:
                raise invalid("account_id")
            lines.append(line)
        return lines

    def _store(self, row: Row, now: str) -> Row:
        ledger = self._ledger
        taxes = {tax["tax_id"]: tax for tax in ledger.stores["taxes"]}
        row |= total_lines(
            row,
            row["line_items"],
            ledger.places(row["currency_id"]),
            taxes,
            by_line=ledger.switches["tax_rounding"] == "item_level",
        )
        used = self._used(row)
        if used and Decimal(row["total"]) < used:
            raise Refused(f"The total cannot be less than what was already applied, {used}.")
        return ledger.put(self.rules.kind, {**row, "last_modified_time": now})

    # --- states -----------------------------------------------------------------------------------

    def move(self, row: Row, call: str) -> Row:
        """Raises for a call that this kind does not have, or that its state does not take."""
        found = self.rules.moves.get(call)
        if found is None:
            raise Refused("Invalid URL Passed", 5, 404)
        self._refuse_locked(row, call)
        allowed, status = found
        now = self.status(row)
        if row["status"] not in allowed:
            raise Refused(f"{self._noun}s that are {now} cannot be marked as {call}.")
        if call == "void" and self.rules.kind == "bills" and self._used(row):
            raise Refused("Bills with payments cannot be voided.")
        if call == "void" and self.rules.kind == "creditnotes" and row["invoices"]:
            raise Refused("Credit notes that were applied to invoices cannot be voided.")
        if call == "void" and self.rules.kind == "invoices":
            self._set_free(row)
        return self._ledger.put(
            self.rules.kind, {**row, "status": status, "last_modified_time": self._ledger.stamp()}
        )

    def _set_free(self, invoice: Row) -> None:
        """Payments and credits of a voided invoice become the customer's credit."""
        ledger, invoice_id = self._ledger, invoice[self._id]
        for kind, apply in (
            ("customerpayments", ledger.apply_payment),
            ("creditnotes", ledger.apply_credit),
        ):
            for source in ledger.stores[kind]:
                left = [e for e in source["invoices"] if e["invoice_id"] != invoice_id]
                if len(left) != len(source["invoices"]):
                    changed = {**source, "invoices": left, "last_modified_time": ledger.stamp()}
                    ledger.put(kind, changed)
                    apply(changed)

    def delete(self, row: Row) -> None:
        self._refuse_locked(row, "delete")
        if self._used(row):
            raise Refused(f"{self._noun}s with payments or credits applied cannot be deleted.")
        if self.status(row) == "billed":
            raise Refused("Purchase orders that are billed cannot be deleted.")
        self._ledger.remove(self.rules.kind, row)

    def _refuse_locked(self, row: Row, action: str) -> None:
        if row.get("_lock"):
            raise Refused(f"{self._noun} is locked: {row['_lock']}. You cannot {action} it.")
        self._refuse_locked_day(row)

    def _refuse_locked_day(self, row: Row) -> None:
        until = self._ledger.about.get("_lock_date") or ""
        if until and row["date"] <= until:
            raise Refused(f"Transaction locking: transactions dated up to {until} are locked.")

    def _used(self, row: Row) -> Decimal:
        """What of a document has been paid or credited or, for a credit note, given away."""
        match self.rules.kind:
            case "invoices":
                return self._ledger.paid_of(row[self._id]) + self._ledger.credited_of(row[self._id])
            case "bills":
                return Decimal(row.get("_paid") or 0)
            case "creditnotes":
                return sum((Decimal(e["amount"]) for e in row["invoices"]), ZERO)
        return ZERO

    def status(self, row: Row) -> str:
        """The stored status, with what money and time make of it."""
        held = str(row["status"])
        used, total = self._used(row), Decimal(row["total"])
        today = self._ledger.today().isoformat()
        if self.rules.kind == "creditnotes":
            return "closed" if held == "open" and used and used >= total else held
        if self.rules.kind == "estimates":
            expired = held == "sent" and row["expiry_date"] and row["expiry_date"] < today
            return "expired" if expired else held
        if self.rules.due and held in ("sent", "open"):
            if used and used >= total:
                return "paid"
            if row["due_date"] and row["due_date"] < today:
                return "overdue"
            return "partially_paid" if used else held
        return held

    # --- credits ----------------------------------------------------------------------------------

    def apply(self, row: Row, given: list[Mapping[str, Any]]) -> Row:
        """Give a credit note's balance to invoices."""
        ledger, entries = self._ledger, list(row["invoices"])
        if self.status(row) not in ("open",):
            raise Refused(f"Credit notes that are {self.status(row)} cannot be applied.")
        left = Decimal(row["total"]) - self._used(row)
        for body in given:
            amount = number_of(body.get("amount_applied"), "amount_applied")
            invoice = ledger.get("invoices", body.get("invoice_id"))
            if invoice is None or invoice["customer_id"] != row["customer_id"]:
                raise gone("Invoice")
            open_amount = open_balance(ledger, invoice)
            if invoice["status"] in ("draft", "void") or amount <= 0 or amount > left or amount > open_amount:
                raise Refused("The amount applied is more than what is left of the credit or of the invoice.")
            left -= amount
            entries.append(
                {
                    "creditnote_invoice_id": ledger.new_id(),
                    "invoice_id": invoice["invoice_id"],
                    "amount": amount,
                    "date": ledger.today().isoformat(),
                }
            )
        return self._applied(row, entries)

    def take_back(self, row: Row, entry_id: str) -> Row:
        left = [e for e in row["invoices"] if e["creditnote_invoice_id"] != entry_id]
        if len(left) == len(row["invoices"]):
            raise gone("Credit applied")
        return self._applied(row, left)

    def _applied(self, row: Row, entries: list[Row]) -> Row:
        ledger = self._ledger
        touched = {e["invoice_id"] for e in [*row["invoices"], *entries]}
        changed = {**row, "invoices": entries, "last_modified_time": ledger.stamp()}
        ledger.put("creditnotes", changed)
        ledger.apply_credit(changed)
        for invoice in touched:
            ledger.touch("invoices", invoice)
        return changed

    # --- showing ----------------------------------------------------------------------------------

    def show(self, row: Row) -> Row:
        ledger, rules, zone = self._ledger, self.rules, self._ledger.zone
        currency = ledger.get("currencies", row["currency_id"]) or {}
        shown: Row = {
            **{name: value for name, value in row.items() if not name.startswith("_")},
            **self._common(row),
            "currency_symbol": currency.get("currency_symbol", ""),
            "price_precision": currency.get("price_precision", 2),
            "rounding_mode": "round_half_up",
            "tax_rounding": ledger.switches["tax_rounding"],
            "discount": _told(row["discount"]),
            "bcy_total": rounded(Decimal(row["total"]) * Decimal(row["exchange_rate"]), 2),
            "line_items": [self._show_line(line) for line in row["line_items"]],
            "lock_detail": self._lock_detail(row),
            **fields.shown(ledger, rules.kind, row),
            "created_time": in_zone(row["created_time"], zone),
        }
        if not rules.discounts:
            for name in ("discount", "discount_type", "is_discount_before_tax", "shipping_charge"):
                del shown[name]
        moment = in_zone(row["last_modified_time"], zone)
        if rules.kind == "creditnotes":
            # the documents of credit notes call it so
            shown["updated_time"] = moment
            shown["invoices"] = [
                {
                    **e,
                    "invoice_number": (ledger.get("invoices", e["invoice_id"]) or {}).get(
                        "invoice_number", ""
                    ),
                }
                for e in row["invoices"]
            ]
        shown["last_modified_time"] = moment
        if rules.kind == "invoices":
            shown |= {
                "payment_made": ledger.paid_of(row[self._id]),
                "credits_applied": ledger.credited_of(row[self._id]),
                "write_off_amount": ZERO,
                "is_emailed": False,
                "invoice_url": f"https://books.zoho.com.au/portal/invoice/{row[self._id]}",
            }
        if rules.kind == "bills":
            shown["payment_made"] = self._used(row)
        if rules.kind == "purchaseorders":
            shown |= {
                "order_status": self.status(row),
                "received_status": "",
                "billed_status": "billed" if self.status(row) == "billed" else "",
            }
        return shown

    def show_listed(self, row: Row) -> Row:
        zone = self._ledger.zone
        own = (self._id, self.rules.party, self.rules.number, "reference_number", "date", *self.rules.days)
        return {
            **{name: row[name] for name in own},
            **({"due_date": row["due_date"]} if self.rules.due else {}),
            "currency_id": row["currency_id"],
            "total": row["total"],
            **self._common(row),
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def _common(self, row: Row) -> Row:
        ledger, rules = self._ledger, self.rules
        party = ledger.get("contacts", row[rules.party]) or {}
        name = "customer_name" if rules.party == "customer_id" else "vendor_name"
        found: Row = {
            name: party.get("contact_name", ""),
            "status": self.status(row),
            "currency_code": (ledger.get("currencies", row["currency_id"]) or {}).get("currency_code", ""),
        }
        if rules.due or rules.kind == "creditnotes":
            ended = row["status"] == "void"
            found["balance"] = ZERO if ended else Decimal(row["total"]) - self._used(row)
        return found

    def _show_line(self, line: Row) -> Row:
        ledger = self._ledger
        tax = ledger.get("taxes", line["tax_id"]) if line["tax_id"] else None
        shown = {
            **line,
            "tax_name": tax["tax_name"] if tax else "",
            "tax_type": tax["tax_type"] if tax else "",
            "tax_percentage": tax["tax_percentage"] if tax else 0,
            "account_name": (ledger.get("chartofaccounts", line["account_id"]) or {}).get("account_name", ""),
        }
        if self.rules.discounts:
            shown["discount"] = _told(line["discount"])
        else:
            del shown["discount"]
        return shown

    def _lock_detail(self, row: Row) -> Row:
        lock, until = row.get("_lock"), self._ledger.about.get("_lock_date") or ""
        by_day = bool(until and row["date"] <= until)
        return {
            "can_lock": not (lock or by_day),
            "locked_actions": ["edit", "delete"] if lock or by_day else [],
            "custom_locks": [{"lock_name": lock}] if lock else [],
            "system_locks": [{"lock_name": "Transaction Locking"}] if by_day else [],
        }


def open_balance(ledger: Ledger, invoice: Row) -> Decimal:
    invoice_id = invoice["invoice_id"]
    return Decimal(invoice["total"]) - ledger.paid_of(invoice_id) - ledger.credited_of(invoice_id)


def _later(day: str, days: Any) -> str:
    return (date.fromisoformat(day) + timedelta(days=int(Decimal(days)))).isoformat()


def _discount(value: Any) -> Any:
    """``"10%"`` stays text, anything else is an amount."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            percent = Decimal(value.strip()[:-1])
        except InvalidOperation:
            raise invalid("discount") from None
        if not 0 <= percent <= 100:
            raise invalid("discount")
        return f"{percent}%" if percent else ZERO
    return number_of(value, "discount")


def _told(discount: Any) -> Any:
    """As recorded clients show it: two decimals and the sign, or a number."""
    if isinstance(discount, str) and discount.endswith("%"):
        percent = Decimal(discount[:-1])
        return f"{rounded(percent, 2) if percent == rounded(percent, 2) else percent}%"
    return discount
