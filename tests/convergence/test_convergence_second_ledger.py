"""Convergence, searched for over HTTP with Zoho Books: between two ledgers, and with a CRM.

What the search between a CRM and a ledger cannot show: a remote without keys that make a create safe to
repeat, without conditional writes and without deletions that it tells, which takes one record a call, and
states by calls of their own; and payments, two of which may be alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.convergence.histories import ENDS, PLACES, HttpHistories, Kept, Row, plain, search
from tests.convergence.test_convergence_http import COLUMNS, shape_for_xero, shown_by_xero, xero_invoice
from tests.support.ledgers import ledgers_of
from tests.support.stage import Stage, extending
from tests.support.tally import Tally

NO_LIMIT = {"limits": {"deletes": "none"}}
OPTIONS = ledgers_of(
    "companies",
    "products",
    "invoices",
    "payments",
    companies={**NO_LIMIT, "fields": {"city": {"conflicts": {"prefer": "billing"}}}},
    products={"fields": {"price": {"conflicts": {"prefer": "billing"}}}},
    invoices=NO_LIMIT,
    payments=NO_LIMIT,
)
#: Where each field stands in Zoho Books.
FIELDS = {"price": "rate", "reference": "reference_number"}


class TwoLedgers(HttpHistories):
    systems = ("billing", "ledger")
    customers = "companies"
    believed = "ledger"
    modules = {  # noqa: RUF012
        "companies": Kept(
            remote=("contacts", "Contacts"),
            tag=("contact_name", "Name"),
            id=("contact_id", "ContactID"),
            fields=("phone", "city"),
        ),
        "products": Kept(
            remote=("items", "Items"),
            tag=("sku", "Code"),
            id=("item_id", "ItemID"),
            fields=("description", "price"),
        ),
        "invoices": Kept(
            remote=("invoices", "Invoices"),
            tag=("invoice_number", "InvoiceNumber"),
            id=("invoice_id", "InvoiceID"),
            fields=("due_date", "reference"),
        ),
    }
    api = {"billing": "/books/v3/", "ledger": r"/api\.xro/"}  # noqa: RUF012
    writing = {  # noqa: RUF012
        "billing": "/books/v3/(contacts|items|invoices|customerpayments)",
        "ledger": r"/api\.xro/",
    }
    own = {  # noqa: RUF012
        "billing": ("minute", "concurrency", "token-expired", "internal"),
        "ledger": ("minute", "concurrent", "token-expired", "unavailable", "organisation-offline"),
    }

    def __init__(self) -> None:
        super().__init__()
        #: by number of an invoice, the amounts that were paid
        self.paid: dict[str, Counter[Decimal]] = {}

    def open(self, ahead: Mapping[str, float], capitals: bool, trims: str) -> Stage:
        stage = Stage(self.folder, ahead=ahead, **OPTIONS)
        stage.systems["ledger"].sandbox.switches["rewrite"] = capitals
        return stage

    def shape(self, module: str, side: int, values: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
        if side == 1:
            return shape_for_xero(values, row)
        told = {FIELDS.get(name, name): value for name, value in values.items() if name != "city"}
        if "city" in values:
            held = row.get("billing_address") or {}
            told["billing_address"] = {**held, "city": values["city"]}
        return told

    def shown(self, module: str, side: int, row: Mapping[str, Any]) -> Row:
        fields = self.modules[module].fields
        if side == 1:
            return shown_by_xero(row, fields)
        told = {**row, "city": (row.get("billing_address") or {}).get("city")}
        return {name: plain(told.get(FIELDS.get(name, name))) for name in fields}

    def is_gone(self, module: str, side: int, row: Mapping[str, Any]) -> bool:
        if side == 0:
            return row["$state"] != "live" or row.get("status") in ("inactive", "void")
        return row.get("ContactStatus") == "ARCHIVED" or row.get("Status") in ("VOIDED", "DELETED")

    def new(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> Row:
        told = {self.modules[module].tag[side]: tag, **self.shape(module, side, values, {})}
        if module == "products":
            told["name" if side == 0 else "Name"] = f"Thing {tag}"
        return told

    # --- what people do --------------------------------------------------------------------------

    @rule(side=ENDS, place=PLACES, lines=st.integers(1, 3))
    def invoice(self, side: int, place: int, lines: int) -> None:
        """An approved one in Xero, a sent one in Zoho Books."""
        contacts = self.all_rows("companies", side)
        if not contacts:
            return
        tag, due = f"tag{self.token()}", self.value("due_date")
        contact = contacts[place % len(contacts)][self.modules["companies"].id[side]]
        values = xero_invoice(tag, contact, due, lines)
        if side == 0:
            values = {
                "customer_id": contact,
                "invoice_number": tag,
                "date": "2026-06-10",
                "due_date": due,
                "line_items": [{"name": f"Line {n}", "quantity": 2, "rate": 50} for n in range(lines)],
            }
        made = self.act(side, "create", "invoices", None, **values)
        if side == 0:
            self.act(0, "mark", "invoices", made, status="sent")
        self.type("invoices", side, tag, {"due_date": due})

    @rule(side=ENDS, place=PLACES, twice=st.booleans())
    def pay(self, side: int, place: int, twice: bool) -> None:
        """A part of an invoice that is due; now and then the same once more."""
        open_ones = {
            tag: rows[0]
            for tag, rows in self.rows("invoices", side).items()
            if rows[0].get("status", rows[0].get("Status")) in ("sent", "partially_paid", "AUTHORISED")
        }
        if not open_ones:
            return
        tag = sorted(open_ones)[place % len(open_ones)]
        amount = Decimal(self.token()) / 100
        words = ("amount", "date") if side == 0 else ("Amount", "Date")
        for _ in range(1 + twice):
            self.act(
                side,
                "pay",
                "invoices",
                open_ones[tag],
                **dict(zip(words, (amount, "2026-06-12"), strict=True)),
            )
            self.paid.setdefault(tag, Counter())[amount] += 1

    @rule(side=ENDS, place=PLACES)
    def void(self, side: int, place: int) -> None:
        free = [row for tag, row in sorted(self.only("invoices", side).items()) if tag not in self.paid]
        if free:
            self.act(side, ("void", "delete")[side], "invoices", free[place % len(free)])

    @rule(side=ENDS, place=PLACES)
    def archive(self, side: int, place: int) -> None:
        """A company without documents at either end."""
        billed = {
            row["customer_name"].casefold() for row in self.stage.systems["billing"].records("invoices")
        }
        billed |= {
            row["Contact"]["Name"].casefold() for row in self.stage.systems["ledger"].records("Invoices")
        }
        free = [row for tag, row in sorted(self.only("companies", side).items()) if tag not in billed]
        if free:
            self.act(side, "archive", "companies", free[place % len(free)])

    def only(self, module: str, side: int) -> dict[str, Row]:
        return {tag: rows[0] for tag, rows in self.rows(module, side).items()}

    # --- what must come of it --------------------------------------------------------------------

    def check(self, module: str) -> None:
        super().check(module)
        if module == "invoices":
            numbers = {row["invoice_id"]: row["invoice_number"] for row in self.all_rows("invoices", 0)}
            here = [
                (numbers[each["invoices"][0]["invoice_id"]].casefold(), Decimal(each["amount"]))
                for each in self.stage.systems["billing"].records("customerpayments")
                if each["$state"] == "live"
            ]
            there = [
                (each["Invoice"]["InvoiceNumber"].casefold(), Decimal(each["Amount"]))
                for each in self.stage.systems["ledger"].records("Payments")
                if each["Status"] != "DELETED"
            ]
            wanted = [(tag, amount) for tag, paid in self.paid.items() for amount in paid.elements()]
            assert sorted(here) == sorted(there) == sorted(wanted)

    def check_gone(self, module: str, tag: str, both: list[list[Row]]) -> None:
        assert module in ("companies", "invoices"), f"{module} {tag} is at one end alone: {both}"
        assert not any(both), f"{module} {tag} has ended at one end alone: {both}"


BESIDE_A_CRM = {"crm": "zoho-crm", "books": "zoho-books"}
SOLD = (
    extending("zoho-crm-zoho-books", BESIDE_A_CRM, name="sold")
    + """
modules:
  accounts: {limits: {deletes: none}, fields: {city: {conflicts: {prefer: books}}}}
  products: {fields: {price: {conflicts: {prefer: books}}}}
  vendors: {enabled: false}
  people: {enabled: false}
  price_lists: {enabled: false}
  quotes: {enabled: false}
  sales_orders: {enabled: false}
  purchase_orders: {enabled: false}
"""
)
#: Where each field stands in Zoho Books, beside a CRM: a company's own stand in its address.
BESIDE = {"price": "rate"}
ADDRESS = ("phone", "fax", "city")


class CrmAndBilling(HttpHistories):
    systems = ("crm", "books")
    customers = "accounts"
    believed = "crm"
    modules = {  # noqa: RUF012
        "accounts": Kept(
            remote=("Accounts", "contacts"),
            tag=("Account_Name", "contact_name"),
            id=("id", "contact_id"),
            fields=ADDRESS,
        ),
        "products": Kept(
            remote=("Products", "items"),
            tag=("Product_Code", "sku"),
            id=("id", "item_id"),
            fields=("description", "price"),
        ),
        "invoices": Kept(
            remote=("Invoices", "invoices"),
            tag=("Subject", "invoice_number"),
            id=("id", "invoice_id"),
            fields=("due_date",),
        ),
    }
    api = {"crm": "/crm/", "books": "/books/v3/"}  # noqa: RUF012
    writing = {  # noqa: RUF012
        "crm": "/crm/v8/(Accounts|Products|Invoices)$",
        "books": "/books/v3/(contacts|items|invoices)",
    }
    own = {  # noqa: RUF012
        "crm": ("concurrency", "token-expired", "unavailable"),
        "books": TwoLedgers.own["billing"],
    }

    def open(self, ahead: Mapping[str, float], capitals: bool, trims: str) -> Stage:
        stage = Stage(self.folder, spec=SOLD, systems=BESIDE_A_CRM, patient=False, ahead=ahead)
        stage.crm.sandbox.switches["rewrite"] = trims
        return stage

    def shape(self, module: str, side: int, values: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
        if side == 0:
            return {COLUMNS[name]: value for name, value in values.items()}
        told = {BESIDE.get(name, name): value for name, value in values.items() if name not in ADDRESS}
        if here := {name: value for name, value in values.items() if name in ADDRESS}:
            told["billing_address"] = {**(row.get("billing_address") or {}), **here}
        return told

    def shown(self, module: str, side: int, row: Mapping[str, Any]) -> Row:
        fields = self.modules[module].fields
        if side == 0:
            return {name: plain(row.get(COLUMNS[name])) for name in fields}
        told = {**row, **(row.get("billing_address") or {})}
        return {name: plain(told.get(BESIDE.get(name, name))) for name in fields}

    def is_gone(self, module: str, side: int, row: Mapping[str, Any]) -> bool:
        return row["$state"] != "live" or row.get("status") in ("inactive", "void")

    def new(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> Row:
        told = {self.modules[module].tag[side]: tag, **self.shape(module, side, values, {})}
        if module == "products":
            told["Product_Name" if side == 0 else "name"] = f"Thing {tag}"
        return told

    @rule(side=ENDS, place=PLACES, lines=st.integers(1, 3))
    def invoice(self, side: int, place: int, lines: int) -> None:
        """A draft in either system, of one item."""
        customers, items = self.invoiceable(side), self.all_rows("products", side)
        if not customers or not items:
            return
        tag, due = f"tag{self.token()}", self.value("due_date")
        customer, item = customers[place % len(customers)], items[place % len(items)]
        if side == 0:
            rows = [
                {"Product_Name": {"id": item["id"]}, "Quantity": 1 + n, "List_Price": 50}
                for n in range(lines)
            ]
            days = {"Invoice_Date": "2026-06-10", "Due_Date": due}
            named = {"Subject": tag, "Account_Name": {"id": customer["id"]}}
            self.act(0, "create", "invoices", None, **named, **days, Invoiced_Items=rows)
        else:
            rows = [{"item_id": item["item_id"], "quantity": 1 + n, "rate": 50} for n in range(lines)]
            days = {"date": "2026-06-10", "due_date": due}
            named = {"invoice_number": tag, "customer_id": customer["contact_id"]}
            self.act(1, "create", "invoices", None, **named, **days, line_items=rows)
        self.type("invoices", side, tag, {"due_date": due})

    @rule(place=PLACES)
    def delete_an_account(self, place: int) -> None:
        invoiced = {str((row["Account_Name"] or {}).get("id")) for row in self.stage.crm.records("Invoices")}
        billed = {row["customer_name"].casefold() for row in self.stage.books.records("invoices")}
        free = [
            row
            for tag, row in sorted((tag, rows[0]) for tag, rows in self.rows("accounts", 0).items())
            if row["id"] not in invoiced and tag not in billed
        ]
        if free:
            self.act(0, "delete", "accounts", free[place % len(free)])


def test_every_history_of_a_crm_and_zoho_books_converges_over_http(tally: Tally) -> None:
    search(CrmAndBilling, tally, few=1, many=120, named="convergence of a CRM and Zoho Books")


def test_every_history_of_two_ledgers_converges_over_http(tally: Tally) -> None:
    search(TwoLedgers, tally, few=2, many=120, named="convergence of two ledgers")
