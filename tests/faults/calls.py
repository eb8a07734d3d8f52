"""Every call that the connectors make: how it comes about, by which request, and what holds afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from tests.support.business import DATE, DUE, book_entry, books_invoice, crm_invoice, line, open_business
from tests.support.effort import effort
from tests.support.ledgers import billed, ledger_document, ledgers_of
from tests.support.stage import EXAMPLE, Done, Stage
from tests.support.trio import act, find

from syncline.connect.sandbox import Fault, FaultKind

#: Enough records that each case can delete one.
KNOWN = effort(20, 80)
#: Records on a small page: more than are ever asked for by their ids.
_SMALL = 10

_HEAD = EXAMPLE.read_text(encoding="utf-8").split("schedule:")[0]
_OFF = "{enabled: false}"
_RULES = "{match: null, deletes: {crm: delete, books: %s}, limits: {deletes: none}}"
_ENDS = "{deletes: {books: delete}, limits: {deletes: none}}"
#: By module that a call is about: the options of its stage.
STAGES: dict[str, dict[str, Any]] = {
    "accounts": {
        "spec": f"{_HEAD}\nmodules: {{accounts: {_RULES % 'archive'}, products: {_OFF}, invoices: {_OFF}}}\n"
    },
    "products": {
        "spec": f"{_HEAD}\nmodules: {{products: {_RULES % 'delete'}, accounts: {_OFF}, invoices: {_OFF}}}\n"
    },
    "invoices": {"spec": f"{_HEAD}\nmodules: {{invoices: {_ENDS}}}\n"},
    "ledgers": ledgers_of("companies", "invoices", "credit_notes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one connector.

    ``kind``: ``read`` (may be asked again at will), ``write`` (never sent again blindly), ``step`` (finishes
    a write that earlier calls have begun), ``code`` (spends the code of a sign-in). ``path``: a regular
    expression; ``skip``: how many such requests come before it in the pass. ``stir``: what people do so that
    the verb makes this call, given a number that is another one each time; ``ends``: they end a record.
    ``first``: faults that lead to it.
    """

    name: str
    system: str
    kind: str
    method: str
    path: str
    stir: Callable[[Stage, int], None]
    module: str = "accounts"
    ends: bool = False
    skip: int = 0
    verb: tuple[str, ...] = ("sync", "--json")
    first: tuple[Fault, ...] = ()
    patched: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)

    @property
    def id(self) -> str:
        return f"{self.system}-{self.name.replace(' ', '-')}"

    @property
    def stage(self) -> str:
        """Calls of one name here share a stage. One that uses up records has a stage of its own."""
        return f"{self.module} {self.id}" if self.ends else self.module


def run(stage: Stage, call: Call) -> Done:
    """The verb that makes a call."""
    verb, *words = call.verb
    return stage.sign_in(words[0]) if verb == "connect" else stage.run(verb, *words)


# --- what people do ------------------------------------------------------------------------------------


def populate(stage: Stage, module: str) -> None:
    """Records that both ends know, and the pass that makes them so."""
    if module == "ledgers":
        for number in range(KNOWN):
            ledger_document(stage, "Invoices", _known(number), DueDate=DUE)
    if module == "invoices":
        contact = open_business(stage)
        for number in range(KNOWN):
            books_invoice(stage, contact, f"Known {number:02}", Status="DRAFT")
    for number in range(KNOWN):
        if module in ("invoices", "ledgers"):
            break
        if module == "accounts":
            stage.crm.act("create", "Accounts", None, {"Account_Name": f"Known {number}", "Phone": "0"})
        else:
            row = {"Product_Name": f"Known {number}", "Product_Code": f"K-{number}", "Unit_Price": 1}
            stage.crm.act("create", "Products", None, row)
    stage.sync()
    stage.later(timedelta(minutes=1))  # what people do next has another stamp than what was written


def _account(stage: Stage, number: int) -> dict[str, Any]:
    live = {row["Account_Name"]: row for row in stage.crm.records("Accounts") if row["$state"] == "live"}
    return live[sorted(live)[number % len(live)]]


def _contact(stage: Stage, number: int) -> dict[str, Any]:
    live = {row["Name"]: row for row in stage.books.records("Contacts") if row["ContactStatus"] == "ACTIVE"}
    return live[sorted(live)[number % len(live)]]


def edit_crm(stage: Stage, number: int, place: int = 0) -> None:
    row = _account(stage, number + place)
    stage.crm.act("update", "Accounts", row["id"], {"Phone": f"1{number:05}{place:02}"})


def edit_books(stage: Stage, number: int, place: int = 0) -> None:
    phones = [{"PhoneType": "DEFAULT", "PhoneNumber": f"2{number:05}{place:02}"}]
    stage.books.act("update", "Contacts", _contact(stage, number + place)["ContactID"], {"Phones": phones})


def edit_both(stage: Stage, number: int) -> None:
    """Work for both directions, in different records."""
    edit_crm(stage, number)
    edit_books(stage, number, KNOWN // 2)


def edit_many(stage: Stage, number: int) -> None:
    """More than a small page at either end."""
    for place in range(5):
        edit_crm(stage, number, place)
    for place in range(5, 5 + _SMALL + 2):
        edit_books(stage, number, place)


def create_crm(stage: Stage, number: int) -> None:
    for place in range(2):
        row = {"Account_Name": f"From the crm {number} {place}", "Phone": f"{number}"}
        stage.crm.act("create", "Accounts", None, row)


def create_books(stage: Stage, number: int) -> None:
    for place in range(2):
        stage.books.act("create", "Contacts", None, {"Name": f"From the books {number} {place}"})


def delete_crm(stage: Stage, number: int) -> None:
    stage.crm.act("delete", "Accounts", _account(stage, number)["id"])


def delete_and_edit(stage: Stage, number: int) -> None:
    """Two different records: the edit of one that is deleted would be a question."""
    gone = _account(stage, number)["Account_Name"]
    delete_crm(stage, number)
    others = (place for place in range(KNOWN // 2, KNOWN) if _contact(stage, number + place)["Name"] != gone)
    edit_books(stage, number, next(others))


def archive_books(stage: Stage, number: int) -> None:
    stage.books.act("archive", "Contacts", _contact(stage, number)["ContactID"])


def delete_product(stage: Stage, number: int) -> None:
    live = [row for row in stage.crm.records("Products") if row["$state"] == "live"]
    stage.crm.act("delete", "Products", live[number % len(live)]["id"])


def invoice_in_crm(stage: Stage, number: int) -> None:
    """Documents with a customer and lines, to be made in the books."""
    account, product = stage.crm.records("Accounts")[0], stage.crm.records("Products")[0]
    for place in range(2):
        row = {"Product_Name": {"id": product["id"]}, "Quantity": 1 + place, "List_Price": 50}
        values = {"Subject": f"From the crm {number} {place}", "Account_Name": {"id": account["id"]}}
        values |= {"Invoice_Date": DATE, "Due_Date": DUE, "Invoiced_Items": [row]}
        stage.crm.act("create", "Invoices", None, values)


def invoice_in_books(stage: Stage, number: int) -> None:
    """Documents with a customer and lines, to be made in the CRM."""
    contact = stage.books.records("Contacts")[0]["ContactID"]
    for place in range(2):
        books_invoice(
            stage, contact, f"From the books {number} {place}", LineItems=[line(Quantity=1 + place)]
        )


def _known(number: int) -> str:
    return f"Known {number % KNOWN:02}"


def due_later(number: int) -> str:
    return f"2099-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"


def edit_invoice_in_crm(stage: Stage, number: int) -> None:
    name = _known(number)
    values = {"Due_Date": due_later(number)}
    stage.crm.act("update", "Invoices", crm_invoice(stage, name)["id"], values)


def edit_lines_in_books(stage: Stage, number: int) -> None:
    held = book_entry(stage, _known(number))
    lines = [{**held["LineItems"][0], "Quantity": number % 90 + 3, "LineAmount": None, "TaxAmount": None}]
    stage.books.act("update", "Invoices", held["InvoiceID"], {"LineItems": lines})


def delete_invoice(stage: Stage, number: int) -> None:
    live = [row for row in stage.crm.records("Invoices") if row["$state"] == "live"]
    stage.crm.act("delete", "Invoices", live[number % len(live)]["id"])


# --- what people do in two ledgers ----------------------------------------------------------------------


def invoice_in_ledger(stage: Stage, number: int) -> None:
    ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE)


def approved_in_ledger(stage: Stage, number: int) -> None:
    """An invoice that is sent in Zoho Books as soon as it is made there."""
    ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE, Status="AUTHORISED")


def edit_in_ledger(stage: Stage, number: int) -> None:
    record = find(stage, "ledger", "Invoices", InvoiceNumber=_known(number))["InvoiceID"]
    act(stage, "ledger", "update", "Invoices", record, DueDate=due_later(number))


def edit_in_billing(stage: Stage, number: int) -> None:
    record = billed(stage, _known(number))["invoice_id"]
    act(stage, "billing", "update", "invoices", record, due_date=due_later(number))


def set_off_in_ledger(stage: Stage, number: int) -> None:
    """Both documents are known before one is set off against the other."""
    invoice = ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE, Status="AUTHORISED")
    note = ledger_document(stage, "CreditNotes", f"C-{number}", Status="AUTHORISED")
    told = {"Invoice": {"InvoiceID": invoice}, "Amount": 5, "Date": "2026-06-11"}
    act(stage, "ledger", "allocate", "CreditNotes", note, **told)


def _ledgers(stage: Stage) -> tuple[list[Any], list[Any]]:
    """Invoices, and what credit notes are set off against."""
    states = {"DRAFT": "draft", "AUTHORISED": "sent"}
    there = [
        (row["InvoiceNumber"], row["DueDate"][:10], states[row["Status"]])
        for row in stage.systems["ledger"].records("Invoices")
    ]
    here = [
        (row["invoice_number"], row["due_date"], row["status"].replace("partially_paid", "sent"))
        for row in stage.systems["billing"].records("invoices")
    ]
    notes = stage.systems["ledger"].records("CreditNotes"), stage.systems["billing"].records("creditnotes")
    there += [
        (row["CreditNoteNumber"], str([float(a["Amount"]) for a in row["Allocations"]]), "")
        for row in notes[0]
    ]
    here += [
        (row["creditnote_number"], str([float(a["amount"]) for a in row["invoices"]]), "") for row in notes[1]
    ]
    return sorted(here), sorted(there)


def an_hour_later(stage: Stage, number: int) -> None:
    edit_both(stage, number)
    stage.later(timedelta(hours=2))


def nothing(stage: Stage, number: int) -> None:
    """The verb alone."""


def state_of(stage: Stage, module: str) -> tuple[list[Any], list[Any]]:
    """What is live at both ends, in one form: equal when they agree and nothing is lost or doubled."""
    if module == "invoices":
        return _documents(stage)
    if module == "ledgers":
        return _ledgers(stage)
    if module == "products":
        sold = [row for row in stage.crm.records("Products") if row["$state"] == "live"]
        return (
            sorted((row["Product_Code"], row["Product_Name"]) for row in sold),
            sorted((row["Code"], row["Name"]) for row in stage.books.records("Items")),
        )
    live = [row for row in stage.crm.records("Accounts") if row["$state"] == "live"]
    active = [row for row in stage.books.records("Contacts") if row["ContactStatus"] == "ACTIVE"]
    return (
        sorted((row["Account_Name"], row.get("Phone") or "") for row in live),
        sorted((row["Name"], _phone(row)) for row in active),
    )


def _documents(stage: Stage) -> tuple[list[Any], list[Any]]:
    """Numbers, days, and the quantity and price of each line."""
    crm = [
        (row["Subject"], row["Due_Date"], _lines(row["Invoiced_Items"], "List_Price"))
        for row in stage.crm.records("Invoices")
        if row["$state"] == "live"
    ]
    books = [
        (row["InvoiceNumber"], row["DueDate"][:10], _lines(row["LineItems"], "UnitAmount"))
        for row in stage.books.records("Invoices")
        if row["Status"] not in ("DELETED", "VOIDED")
    ]
    return sorted(crm), sorted(books)


def _lines(rows: list[dict[str, Any]], price: str) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(str(row["Quantity"])), Decimal(str(row[price]))) for row in rows]


def _phone(row: dict[str, Any]) -> str:
    phones = {phone["PhoneType"]: phone.get("PhoneNumber") for phone in row.get("Phones") or ()}
    return phones.get("DEFAULT") or ""


# --- the calls -----------------------------------------------------------------------------------------

_XERO = "/api.xro/2.0"
_CRM = "/crm/v8"
_BOOKS = "/books/v3"


def _small_xero_pages() -> AbstractContextManager[Any]:
    return mock.patch("syncline_xero.reading.PAGE_SIZE", _SMALL)


def _small_crm_pages() -> AbstractContextManager[Any]:
    from syncline_zoho.crm import query

    return mock.patch("syncline_zoho.crm.reader.select", functools.partial(query.select, limit=2))


def _lost(method: str, path: str) -> tuple[Fault, ...]:
    return (Fault(kind=FaultKind.LOSE, method=method, path=path),)


CALLS = (
    Call(
        name="sign-in", system="books", kind="code", method="POST", path="/connect/token$", stir=nothing,
        verb=("connect", "books"),
    ),
    Call(
        name="organisations", system="books", kind="read", method="GET", path="/connections$", stir=nothing,
        verb=("connect", "books"),
    ),
    Call(
        name="refresh", system="books", kind="read", method="POST", path="/connect/token$",
        stir=an_hour_later,
    ),
    Call(
        name="check", system="books", kind="read", method="GET", path=f"{_XERO}/Organisation$",
        stir=edit_both,
    ),
    Call(
        name="discover", system="books", kind="read", method="GET", path=f"{_XERO}/TaxRates$", stir=nothing,
        verb=("discover", "books", "Contacts", "--json"),
    ),
    Call(
        name="first page", system="books", kind="read", method="GET", path=f"{_XERO}/Contacts$",
        stir=edit_both,
    ),
    Call(
        name="next page", system="books", kind="read", method="GET", path=f"{_XERO}/Contacts$", skip=1,
        stir=edit_many, patched=_small_xero_pages,
    ),
    Call(
        name="look before a write", system="books", kind="read", method="GET", path=f"{_XERO}/Contacts$",
        skip=1, stir=edit_crm,
    ),
    Call(
        name="create", system="books", kind="write", method="PUT", path=f"{_XERO}/Contacts$",
        stir=create_crm,
    ),
    Call(
        name="update", system="books", kind="write", method="POST", path=f"{_XERO}/Contacts$",
        stir=edit_crm,
    ),
    Call(
        name="archive", system="books", kind="write", method="POST", path=f"{_XERO}/Contacts$",
        stir=delete_crm, ends=True,
    ),
    Call(
        name="delete", system="books", kind="write", method="DELETE", path=f"{_XERO}/Items/[^/]+$",
        stir=delete_product, ends=True, module="products",
    ),
    Call(
        name="create a document", system="books", kind="write", method="PUT", path=f"{_XERO}/Invoices$",
        stir=invoice_in_crm, module="invoices",
    ),
    Call(
        name="update a document", system="books", kind="write", method="POST", path=f"{_XERO}/Invoices$",
        stir=edit_invoice_in_crm, module="invoices",
    ),
    Call(
        name="delete a document", system="books", kind="write", method="POST", path=f"{_XERO}/Invoices$",
        stir=delete_invoice, ends=True, module="invoices",
    ),
    Call(
        name="settle", system="books", kind="read", method="GET", path=f"{_XERO}/Contacts$", skip=1,
        stir=create_crm, first=_lost("PUT", f"{_XERO}/Contacts$"),
    ),
    Call(
        name="sign-in", system="crm", kind="code", method="POST", path="/oauth/v2/token$", stir=nothing,
        verb=("connect", "crm"),
    ),
    Call(
        name="organisations", system="crm", kind="read", method="GET", path=f"{_CRM}/org$", stir=nothing,
        verb=("connect", "crm"),
    ),
    Call(
        name="refresh", system="crm", kind="read", method="POST", path="/oauth/v2/token$",
        stir=an_hour_later,
    ),
    Call(
        name="check", system="crm", kind="read", method="GET", path=f"{_CRM}/org$", stir=edit_both,
    ),
    Call(
        name="discover", system="crm", kind="read", method="GET", path=f"{_CRM}/settings/modules$",
        stir=nothing, verb=("discover", "crm", "Accounts", "--json"),
    ),
    Call(
        name="first page", system="crm", kind="read", method="POST", path=f"{_CRM}/coql$", stir=edit_both,
    ),
    Call(
        name="next page", system="crm", kind="read", method="POST", path=f"{_CRM}/coql$", skip=1,
        stir=edit_many, patched=_small_crm_pages,
    ),
    Call(
        name="deleted", system="crm", kind="read", method="GET", path=f"{_CRM}/Accounts/deleted$",
        stir=delete_and_edit, ends=True,
    ),
    Call(
        name="look after a lost answer", system="crm", kind="read", method="GET", path=f"{_CRM}/Accounts$",
        stir=edit_books, first=_lost("PUT", f"{_CRM}/Accounts$"),
    ),
    Call(
        name="create", system="crm", kind="write", method="POST", path=f"{_CRM}/Accounts$",
        stir=create_books,
    ),
    Call(
        name="update", system="crm", kind="write", method="PUT", path=f"{_CRM}/Accounts$", stir=edit_books,
    ),
    Call(
        name="delete", system="crm", kind="write", method="DELETE", path=f"{_CRM}/Accounts$",
        stir=archive_books, ends=True,
    ),
    Call(
        name="create a document", system="crm", kind="write", method="POST", path=f"{_CRM}/Invoices$",
        stir=invoice_in_books, module="invoices",
    ),
    Call(
        name="update a document", system="crm", kind="write", method="PUT", path=f"{_CRM}/Invoices$",
        stir=edit_lines_in_books, module="invoices",
    ),
    Call(
        name="settle", system="crm", kind="read", method="POST", path=f"{_CRM}/coql$", skip=1,
        stir=create_books, first=_lost("POST", f"{_CRM}/Accounts$"),
    ),
    Call(
        name="first page", system="billing", kind="read", method="GET", path=f"{_BOOKS}/invoices$",
        stir=edit_in_billing, module="ledgers",
    ),
    Call(
        name="details", system="billing", kind="read", method="GET", path=f"{_BOOKS}/invoices/[^/]+$",
        stir=edit_in_billing, module="ledgers",
    ),
    Call(
        name="create a document", system="billing", kind="write", method="POST", path=f"{_BOOKS}/invoices$",
        stir=invoice_in_ledger, module="ledgers",
    ),
    Call(
        name="update a document", system="billing", kind="write", method="PUT",
        path=f"{_BOOKS}/invoices/[^/]+$", stir=edit_in_ledger, module="ledgers",
    ),
    Call(
        name="status", system="billing", kind="step", method="POST",
        path=f"{_BOOKS}/invoices/[^/]+/status/[^/]+$", stir=approved_in_ledger, module="ledgers",
    ),
    Call(
        name="set off", system="billing", kind="step", method="POST",
        path=f"{_BOOKS}/creditnotes/[^/]+/invoices$", stir=set_off_in_ledger, module="ledgers",
    ),
)  # fmt: skip
