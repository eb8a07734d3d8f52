"""Convergence, searched for over HTTP: the whole engine between Zoho CRM and Xero.

Fewer histories than on remotes in memory, and what those cannot show: batches, tokens, the vendors' own rules
and answers, clocks that are ten minutes apart, lists that lag behind, and every kind of fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.convergence.histories import PLACES, HttpHistories, Kept, Row, plain, search
from tests.support.business import example_with, line
from tests.support.stage import Stage
from tests.support.tally import Tally

SPEC = example_with(
    """
    accounts:
      deletes: {books: archive}
      fields:
        city: {conflicts: {prefer: books}}
    products:
      fields:
        price: {conflicts: {prefer: books}}
    """
)
#: Where each field stands in the CRM.
COLUMNS = {
    "phone": "Phone",
    "fax": "Fax",
    "city": "Billing_City",
    "description": "Description",
    "price": "Unit_Price",
    "due_date": "Due_Date",
}


class CrmAndBooks(HttpHistories):
    systems = ("crm", "books")
    customers = "accounts"
    believed = "crm"
    modules = {  # noqa: RUF012
        "accounts": Kept(
            remote=("Accounts", "Contacts"),
            tag=("Account_Name", "Name"),
            id=("id", "ContactID"),
            fields=("phone", "fax", "city"),
        ),
        "products": Kept(
            remote=("Products", "Items"),
            tag=("Product_Code", "Code"),
            id=("id", "ItemID"),
            fields=("description", "price"),
        ),
        "invoices": Kept(
            remote=("Invoices", "Invoices"),
            tag=("Subject", "InvoiceNumber"),
            id=("id", "InvoiceID"),
            fields=("due_date",),
        ),
    }
    api = {"crm": r"/crm/", "books": r"/api\.xro/"}  # noqa: RUF012
    writing = {"crm": r"/crm/v8/(Accounts|Products|Invoices)$", "books": r"/api\.xro/"}  # noqa: RUF012
    own = {  # noqa: RUF012
        "crm": ("concurrency", "token-expired", "unavailable"),
        "books": ("minute", "concurrent", "token-expired", "unavailable", "organisation-offline"),
    }

    def open(self, ahead: Mapping[str, float], capitals: bool, trims: str) -> Stage:
        stage = Stage(self.folder, spec=SPEC, patient=False, ahead=ahead)
        stage.books.sandbox.switches["rewrite"] = capitals
        stage.crm.sandbox.switches["rewrite"] = trims
        # What a line without an item has in the CRM, where no line can be without one.
        stage.books.act("create", "Items", None, {"Code": "MISC", "Name": "Anything else"})
        return stage

    def shape(self, module: str, side: int, values: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
        if side == 0:
            return {COLUMNS[name]: value for name, value in values.items()}
        return shape_for_xero(values, row)

    def shown(self, module: str, side: int, row: Mapping[str, Any]) -> Row:
        if side == 1:
            return shown_by_xero(row, self.modules[module].fields)
        return {name: plain(row.get(COLUMNS[name])) for name in self.modules[module].fields}

    def is_gone(self, module: str, side: int, row: Mapping[str, Any]) -> bool:
        return row.get("$state", "live") != "live" or row.get("ContactStatus") == "ARCHIVED"

    def new(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> Row:
        told = {self.modules[module].tag[side]: tag, **self.shape(module, side, values, {})}
        if module == "products":
            told["Product_Name" if side == 0 else "Name"] = f"Thing {tag}"
        return told

    @rule(place=PLACES, lines=st.integers(1, 3))
    def invoice(self, place: int, lines: int) -> None:
        if contacts := self.invoiceable(1):
            tag, due = f"tag{self.token()}", self.value("due_date")
            contact = contacts[place % len(contacts)]["ContactID"]
            self.act(1, "create", "invoices", None, **xero_invoice(tag, contact, due, lines))
            self.type("invoices", 1, tag, {"due_date": due})

    @rule(place=PLACES)
    def delete_an_account(self, place: int) -> None:
        billed = {row["Contact"]["ContactID"] for row in self.stage.books.records("Invoices")}
        named = {
            row["Name"].casefold()
            for row in self.stage.books.records("Contacts")
            if row["ContactID"] in billed
        }
        free = [rows[0] for tag, rows in sorted(self.rows("accounts", 0).items()) if tag not in named]
        if free:
            self.act(0, "delete", "accounts", free[place % len(free)])


def xero_invoice(number: str, contact: str, due: str, lines: int) -> Row:
    """An approved invoice of lines without items."""
    plain_line = line()
    del plain_line["ItemCode"]
    return {
        "Contact": {"ContactID": contact},
        "InvoiceNumber": number,
        "Date": "2026-06-10",
        "DueDate": due,
        "Status": "AUTHORISED",
        "LineItems": [{**plain_line, "Description": f"Line {number} {n}"} for n in range(lines)],
    }


def shape_for_xero(values: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
    told: Row = {}
    for name, value in values.items():
        match name:
            case "phone" | "fax":
                kind = {"phone": "DEFAULT", "fax": "FAX"}[name]
                told.setdefault("Phones", []).append({"PhoneType": kind, "PhoneNumber": value})
            case "city":
                told["Addresses"] = [{"AddressType": "POBOX", "City": value}]
            case "price":
                held = row.get("SalesDetails") or {"AccountCode": "200"}
                told["SalesDetails"] = {**held, "UnitPrice": value}
            case "description":
                told["Description"] = value
            case "due_date":
                told["DueDate"] = value
            case "reference":
                told["Reference"] = value
    return told


def shown_by_xero(row: Mapping[str, Any], fields: tuple[str, ...]) -> Row:
    phones = {phone["PhoneType"]: phone.get("PhoneNumber") for phone in row.get("Phones", ())}
    cities = [one.get("City") for one in row.get("Addresses", ()) if one["AddressType"] == "POBOX"]
    found = {
        "phone": phones.get("DEFAULT"),
        "fax": phones.get("FAX"),
        "city": next(iter(cities), None),
        "description": row.get("Description"),
        "price": (row.get("SalesDetails") or {}).get("UnitPrice"),
        "due_date": str(row.get("DueDateString") or row.get("DueDate"))[:10],
        "reference": row.get("Reference"),
    }
    return {name: plain(found[name]) for name in fields}


def test_every_history_converges_over_http(tally: Tally) -> None:
    search(CrmAndBooks, tally, few=3, many=120, named="convergence over HTTP")
