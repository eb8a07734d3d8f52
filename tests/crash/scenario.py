"""The story that is killed everywhere: a few records that, between them, take every way through a pass.

Each step is what people do to both systems, then one pass. Every module of the example spec is linked,
created and updated in both directions, archived or deleted; parents and children come in one pass; a
refused record is tried again; the sign-ins of both systems run out; a new invoice is carried back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.support.stage import EXAMPLE, SYSTEMS, Stage

#: By system and remote module: the field with the id, and the one that people call a record by.
Names = Mapping[str, Mapping[str, tuple[str, str]]]


@dataclass(frozen=True)
class Step:
    """``people``: what they do before the pass."""

    name: str
    people: Callable[[Stage], None]


@dataclass(frozen=True)
class Scenario:
    """A story that can be killed. ``carried``: over how many passes a change is handed on from one system to
    the last of them."""

    name: str
    spec: str
    systems: Mapping[str, str]
    names: Names
    steps: tuple[Step, ...]
    carried: int = 1


#: The example, with deletes that are carried over.
SPEC = (
    EXAMPLE.read_text(encoding="utf-8")
    + """
modules:
  accounts: {deletes: {crm: delete, books: archive}, limits: {deletes: none}}
  products: {deletes: {crm: delete, books: delete}, limits: {deletes: none}}
  invoices: {deletes: {crm: delete, books: void}, limits: {deletes: none}}
"""
)
NAMES: Names = {
    "crm": {
        "Accounts": ("id", "Account_Name"),
        "Products": ("id", "Product_Code"),
        "Invoices": ("id", "Subject"),
    },
    "books": {
        "Contacts": ("ContactID", "Name"),
        "Items": ("ItemID", "Code"),
        "Invoices": ("InvoiceID", "InvoiceNumber"),
    },
}


def _find(stage: Stage, system: str, module: str, name: str) -> str:
    id_field, label = NAMES[system][module]
    (found,) = [r for r in stage.systems[system].records(module) if r[label] == name]
    return str(found[id_field])


def _city(name: str) -> list[dict[str, str]]:
    return [{"AddressType": "POBOX", "City": name}]


def _crm_invoice(stage: Stage, number: str, account: str, product: str) -> None:
    lines = [{"Product_Name": {"id": product}, "Quantity": 3, "List_Price": 120, "Description": "Agreed"}]
    told = {"Subject": number, "Account_Name": {"id": account}, "Invoice_Date": "2026-11-02"}
    told |= {"Due_Date": "2031-12-20", "Currency": "AUD", "Status": "Created"}
    stage.crm.act("create", "Invoices", None, {**told, "Invoiced_Items": lines})


def _books_invoice(stage: Stage, number: str, contact: str, item: str, status: str = "AUTHORISED") -> None:
    lines = [
        {"ItemCode": item, "Description": "Agreed", "Quantity": 2, "UnitAmount": 80, "AccountCode": "200"}
    ]
    told = {"InvoiceNumber": number, "Contact": {"ContactID": contact}, "Date": "2026-11-02"}
    stage.books.act(
        "create", "Invoices", None, {**told, "DueDate": "2031-12-20", "Status": status, "LineItems": lines}
    )


def _meet(stage: Stage) -> None:
    """Both systems have a life of their own before the first pass."""
    crm, books = stage.crm, stage.books
    accounts, contacts = {}, {}
    for name, values in (
        ("Shared Bakery", {"Phone": "111", "Billing_City": "Perth"}),
        ("Leaver Alpha", {"Phone": "222"}),
        ("Leaver Beta", {"Phone": "333"}),
        ("Crm Only Ltd", {"Phone": "444", "Email": "a@crm-only.example"}),
        ("Smith <Trading> Co", {"Phone": "555"}),
    ):
        accounts[name] = crm.act("create", "Accounts", None, {"Account_Name": name, **values})["id"]
    for name, values in (
        ("Shared Bakery", {"EmailAddress": "b@shared.example", "Addresses": _city("Hobart")}),
        ("Leaver Alpha", {}),
        ("Leaver Beta", {}),
        ("Books Only Ltd", {"EmailAddress": "c@books-only.example"}),
    ):
        contacts[name] = books.act("create", "Contacts", None, {"Name": name, **values})["ContactID"]
    products = {}
    for code, name in (("P-SHARED", "Shared thing"), ("P-LEAVES", "Leaving thing"), ("P-CRM", "Crm thing")):
        told = {"Product_Code": code, "Product_Name": name, "Unit_Price": 10}
        products[code] = crm.act("create", "Products", None, told)["id"]
    for code, name in (
        ("P-SHARED", "Shared thing"),
        ("P-LEAVES", "Leaving thing"),
        ("P-BOOKS", "Books thing"),
    ):
        told = {"Code": code, "Name": name, "SalesDetails": {"UnitPrice": 12}}
        books.act("create", "Items", None, told)
    _crm_invoice(stage, "INV-CRM", accounts["Crm Only Ltd"], products["P-CRM"])
    _crm_invoice(stage, "INV-SHARED", accounts["Shared Bakery"], products["P-SHARED"])
    _books_invoice(stage, "INV-SHARED", contacts["Shared Bakery"], "P-SHARED")
    _books_invoice(stage, "INV-BOOKS", contacts["Books Only Ltd"], "P-BOOKS")
    _books_invoice(stage, "INV-LEAVES", contacts["Shared Bakery"], "P-SHARED", status="DRAFT")
    _books_invoice(stage, "INV-VOID", contacts["Shared Bakery"], "P-SHARED")


def _edit(stage: Stage) -> None:
    """Both sides of everything are edited, the sign-ins have run out, and what was refused is due again."""
    crm, books = stage.crm, stage.books
    stage.later(timedelta(hours=2))

    def edit(system: str, module: str, name: str, **values: Any) -> None:
        stage.systems[system].act("update", module, _find(stage, system, module, name), values)

    edit("crm", "Accounts", "Shared Bakery", Phone="112")
    edit("books", "Contacts", "Shared Bakery", EmailAddress="b2@shared.example")
    edit("crm", "Accounts", "Books Only Ltd", Fax="900")
    edit("books", "Contacts", "Crm Only Ltd", EmailAddress="d@crm-only.example")
    edit("crm", "Accounts", "Leaver Beta", Billing_City="Darwin")
    edit("books", "Contacts", "Leaver Beta", Addresses=_city("Cairns"))
    edit("crm", "Products", "P-BOOKS", Description="told by sales")
    edit("books", "Items", "P-CRM", Name="Crm thing, renamed")
    edit("crm", "Invoices", "INV-CRM", Due_Date="2031-12-24")
    books.act("pay", "Invoices", _find(stage, "books", "Invoices", "INV-BOOKS"), {})
    account = crm.act("create", "Accounts", None, {"Account_Name": "Late Customer", "Phone": "777"})["id"]
    product = crm.act("create", "Products", None, {"Product_Code": "P-LATE", "Product_Name": "Late thing"})
    _crm_invoice(stage, "INV-LATE", account, product["id"])


def _leave(stage: Stage) -> None:
    """Records leave in every module, and what was refused is corrected."""
    crm, books = stage.crm, stage.books
    stage.later(timedelta(minutes=3))
    crm.act("delete", "Accounts", _find(stage, "crm", "Accounts", "Leaver Alpha"))
    books.act("archive", "Contacts", _find(stage, "books", "Contacts", "Leaver Beta"))
    crm.act("delete", "Products", _find(stage, "crm", "Products", "P-LEAVES"))
    crm.act("delete", "Invoices", _find(stage, "crm", "Invoices", "INV-LEAVES"))
    books.act("delete", "Invoices", _find(stage, "books", "Invoices", "INV-VOID"))
    refused = _find(stage, "crm", "Accounts", "Smith <Trading> Co")
    crm.act("update", "Accounts", refused, {"Account_Name": "Smith Trading Co"})


STEPS = (Step("meet", _meet), Step("edit", _edit), Step("leave", _leave))
EXAMPLE_STORY = Scenario("example", SPEC, SYSTEMS, NAMES, STEPS)
