"""Pitfall 14, deletes, archives and voids: as the spec says, never undone later, never over an edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.support.ledgers import DUE, ledger_document, ledgers_of
from tests.support.stage import Stage, extending
from tests.support.tally import Tally
from tests.support.trio import act

HEAD = extending("xero-zoho-crm")
IGNORE = HEAD
FOLLOW = (
    HEAD
    + """
modules:
  accounts: {deletes: {crm: delete, books: archive}, limits: {deletes: none}}
  invoices: {deletes: {crm: delete, books: void}, limits: {deletes: none}}
"""
)


@dataclass(frozen=True)
class Case:
    """What people do to one pair, pass by pass: (system, action); and how its ends stand in the end.
    ``asked``: reported as deleted here and edited there, where the rule would follow the delete."""

    doings: tuple[tuple[tuple[str, str], ...], ...]
    ignored: tuple[str, str]
    followed: tuple[str, str]
    asked: bool = False


DELETE, ARCHIVE = ("crm", "delete"), ("books", "archive")
ACCOUNTS = {
    "deleted": Case(((DELETE,),), ("deleted", "live"), ("deleted", "archived")),
    "archived": Case(((ARCHIVE,),), ("live", "archived"), ("deleted", "archived")),
    "deleted, edited there": Case(
        ((DELETE, ("books", "edit")),), ("deleted", "live"), ("deleted", "live"), asked=True
    ),
    "archived, edited there": Case(
        ((ARCHIVE, ("crm", "edit")),), ("live", "archived"), ("live", "archived"), asked=True
    ),
    "both gone": Case(((DELETE, ARCHIVE),), ("deleted", "archived"), ("deleted", "archived")),
    "deleted and back at once": Case(((DELETE, ("crm", "restore")),), ("live", "live"), ("live", "live")),
    "deleted and back": Case(((DELETE,), (("crm", "restore"),)), ("live", "live"), ("live", "live")),
    "archived and back": Case(((ARCHIVE,), (("books", "restore"),)), ("live", "live"), ("deleted", "live")),
    "deleted and back, edited": Case(
        ((DELETE,), (("crm", "restore"), ("crm", "edit"))), ("live", "live"), ("live", "live")
    ),
    "deleted, edited later": Case(
        ((DELETE,), (("books", "edit"),)), ("deleted", "live"), ("deleted", "archived")
    ),
    "archived, edited later": Case(
        ((ARCHIVE,), (("crm", "edit"),)), ("live", "archived"), ("deleted", "archived")
    ),
}
VOID = ("books", "void")
INVOICES = {
    "draft deleted": Case(((DELETE,),), ("deleted", "DRAFT"), ("deleted", "DELETED")),
    "approved deleted": Case(
        ((("books", "approve"),), (DELETE,)), ("deleted", "AUTHORISED"), ("deleted", "VOIDED")
    ),
    "paid deleted": Case(
        ((("books", "approve"), ("books", "pay")), (DELETE,)), ("deleted", "PAID"), ("deleted", "PAID")
    ),
    "draft deleted in the books": Case(
        ((("books", "delete"),),), ("live", "DELETED"), ("deleted", "DELETED")
    ),
    "voided": Case(((("books", "approve"),), (VOID,)), ("live", "VOIDED"), ("live", "VOIDED")),
    "voided, edited there": Case(
        ((("books", "approve"),), (VOID, ("crm", "edit"))), ("live", "VOIDED"), ("live", "VOIDED")
    ),
    "deleted, edited there": Case(
        ((DELETE, ("books", "edit")),), ("deleted", "DRAFT"), ("deleted", "DRAFT"), asked=True
    ),
}


class Play:
    """Both matrices on one stage: a pair of records for each case."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ids: dict[tuple[str, str], dict[str, str]] = {}
        buyer = stage.crm.act("create", "Accounts", None, {"Account_Name": "Buyer"})
        rope = stage.crm.act("create", "Products", None, {"Product_Name": "Rope", "Product_Code": "P1"})
        line = {"Product_Name": {"id": rope["id"]}, "Quantity": 1, "List_Price": 10}
        for name in ACCOUNTS:
            made = stage.crm.act("create", "Accounts", None, {"Account_Name": f"A {name}", "Phone": "1"})
            self.ids["Accounts", name] = {"crm": made["id"]}
        for name in INVOICES:
            values = {"Subject": f"I {name}", "Account_Name": {"id": buyer["id"]}, "Invoiced_Items": [line]}
            values |= {"Invoice_Date": "2026-01-05", "Due_Date": "2036-01-05"}
            self.ids["Invoices", name] = {"crm": stage.crm.act("create", "Invoices", None, values)["id"]}
        stage.sync()
        for name in ACCOUNTS:
            self.ids["Accounts", name]["books"] = self._booked("Contacts", "Name", f"A {name}")["ContactID"]
        for name in INVOICES:
            found = self._booked("Invoices", "InvoiceNumber", f"I {name}")
            self.ids["Invoices", name]["books"] = found["InvoiceID"]
        self.sizes = self._sizes()

    def _booked(self, module: str, field: str, value: str) -> dict[str, Any]:
        (found,) = [row for row in self.stage.books.records(module) if row.get(field) == value]
        return found

    def _sizes(self) -> list[int]:
        """How many records there are, the dead ones included: a resurrection would add one."""
        crm, books = self.stage.crm, self.stage.books
        return [
            *(len(crm.records(m)) for m in ("Accounts", "Invoices")),
            *(len(books.records(m)) for m in ("Contacts", "Invoices")),
        ]

    def do(self, module: str, name: str, system: str, action: str) -> None:
        record = self.ids[module, name][system]
        there = module if system == "crm" else {"Accounts": "Contacts", "Invoices": "Invoices"}[module]
        edits: dict[tuple[str, str], dict[str, Any]] = {
            ("Accounts", "crm"): {"Phone": "222"},
            ("Contacts", "books"): {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "222"}]},
            ("Invoices", "crm"): {"Due_Date": "2036-03-03"},
            ("Invoices", "books"): {"DueDate": "2036-03-03"},
        }
        if action == "edit" and system == "crm" and self.stands(module, name)[0] == "deleted":
            return  # nobody can any more
        if action == "edit":
            self.stage.systems[system].act("update", there, record, edits[there, system])
        elif action == "approve":
            (row,) = [r for r in self.stage.books.records(there) if r["InvoiceID"] == record]
            lines = [{**line, "AccountCode": "200"} for line in row["LineItems"]]
            self.stage.books.act("update", there, record, {"Status": "AUTHORISED", "LineItems": lines})
        else:
            self.stage.systems[system].act("delete" if action == "void" else action, there, record)

    def stands(self, module: str, name: str) -> tuple[str, str]:
        ids = self.ids[module, name]
        (left,) = [row for row in self.stage.crm.records(module) if row["id"] == ids["crm"]]
        crm = "live" if left["$state"] == "live" else "deleted"
        if module == "Invoices":
            (right,) = [r for r in self.stage.books.records(module) if r["InvoiceID"] == ids["books"]]
            return crm, right["Status"]
        (right,) = [r for r in self.stage.books.records("Contacts") if r["ContactID"] == ids["books"]]
        return crm, "archived" if right["ContactStatus"] == "ARCHIVED" else "live"

    def run(self) -> None:
        cases = [("Accounts", n, c) for n, c in ACCOUNTS.items()]
        cases += [("Invoices", n, c) for n, c in INVOICES.items()]
        for step in range(max(len(case.doings) for _, _, case in cases)):
            for module, name, case in cases:
                for system, action in case.doings[step] if step < len(case.doings) else ():
                    self.do(module, name, system, action)
            self.stage.sync(code=None)


@pytest.mark.parametrize("rule", ["ignore", "follow"])
def test_the_matrix_of_ends(stages: Callable[..., Stage], rule: str, tally: Tally) -> None:
    play = Play(stages(spec=IGNORE if rule == "ignore" else FOLLOW))
    play.run()
    wanted, found, asked = {}, {}, set()
    for module, cases in (("Accounts", ACCOUNTS), ("Invoices", INVOICES)):
        for name, case in cases.items():
            tally("ways of ending a record")
            wanted[module, name] = case.ignored if rule == "ignore" else case.followed
            found[module, name] = play.stands(module, name)
            if case.asked and rule == "follow":
                asked.add(play.ids[module, name]["crm"])
    assert found == wanted
    told = play.stage.run("status", "--list", "conflicts", "--json").json["records"]
    assert {row["records"]["crm"]["id"] for row in told} == asked
    play.stage.assert_idle(passes=2)

    # An edit of whoever is left brings nobody back.
    for (module, name), ids in play.ids.items():
        stands = play.stands(module, name)
        if stands[0] == "live":
            play.stage.crm.act("update", module, ids["crm"], {"Description": "after", **LATER[module]["crm"]})
        if stands[1] == "live":
            play.stage.books.act("update", "Contacts", ids["books"], LATER["Accounts"]["books"])
    for _ in range(2):
        play.stage.sync(code=None)
    assert {key: play.stands(*key) for key in play.ids} == wanted
    assert play._sizes() == play.sizes
    play.stage.assert_idle(passes=2)


LATER: dict[str, dict[str, dict[str, Any]]] = {
    "Accounts": {"crm": {"Fax": "333"}, "books": {"TaxNumber": "444"}},
    "Invoices": {"crm": {}},
}


# --- two ledgers: Zoho Books tells of no deletion, and takes documents back from the dead ---------------

COMPANIES = {
    "archived here": ((("billing", "archive"),), ("inactive", "ARCHIVED")),
    "archived there": ((("ledger", "archive"),), ("inactive", "ARCHIVED")),
    "deleted here": ((("billing", "delete"),), ("deleted", "ARCHIVED")),
    "archived here and back": ((("billing", "archive"),), (("billing", "restore"),), ("active", "ACTIVE")),
    "archived there and back": ((("ledger", "archive"),), (("ledger", "restore"),), ("active", "ACTIVE")),
    "archived here, edited there": (
        (("billing", "archive"), ("ledger", "edit")),
        ("inactive", "ACTIVE", "asked"),
    ),
    "archived there, edited here": (
        (("ledger", "archive"), ("billing", "edit")),
        ("active", "ARCHIVED", "asked"),
    ),
    "deleted here, edited there": (
        (("billing", "delete"), ("ledger", "edit")),
        ("deleted", "ACTIVE", "asked"),
    ),
}
DOCUMENTS = {
    "draft deleted here": ((("billing", "delete"),), ("deleted", "DELETED")),
    "draft deleted there": ((("ledger", "delete"),), ("void", "DELETED")),
    "draft voided here": ((("billing", "void"),), ("void", "DELETED")),
    "approved, voided here": ((("ledger", "approve"),), (("billing", "void"),), ("void", "VOIDED")),
    "approved, voided there": ((("ledger", "approve"),), (("ledger", "delete"),), ("void", "VOIDED")),
    "voided here, edited there": (
        (("ledger", "approve"),),
        (("billing", "void"), ("ledger", "edit")),
        ("void", "AUTHORISED", "asked"),
    ),
    "approved, paid here": ((("ledger", "approve"),), (("billing", "pay"),), ("paid", "PAID")),
}


def test_the_ends_of_two_ledgers(stages: Callable[..., Stage], tally: Tally) -> None:
    """By the rules of the base spec; what is deleted in Zoho Books is found by a full compare."""
    rules = {"limits": {"deletes": "none"}}
    stage = stages(**ledgers_of("companies", "invoices", "payments", companies=rules, invoices=rules))
    for name in COMPANIES:
        act(stage, "ledger", "create", "Contacts", Name=name)
    for name in DOCUMENTS:
        ledger_document(stage, "Invoices", name, DueDate=DUE)
    stage.sync()
    ids = {name: row["contact_id"] for row in here(stage, "contacts") if (name := row["contact_name"])}
    ids |= {row["invoice_number"]: row["invoice_id"] for row in here(stage, "invoices")}
    ids_there = {row["Name"]: row["ContactID"] for row in there(stage, "Contacts")}
    ids_there |= {row["InvoiceNumber"]: row["InvoiceID"] for row in there(stage, "Invoices")}
    modules = dict.fromkeys(COMPANIES, ("contacts", "Contacts"))
    modules |= dict.fromkeys(DOCUMENTS, ("invoices", "Invoices"))
    edits = {
        "contacts": {"mobile": "222"},
        "Contacts": {"TaxNumber": "222"},
        "Invoices": {"DueDate": "2099-12-01"},
    }
    size = len(here(stage, "contacts")), len(here(stage, "invoices")), len(there(stage, "Contacts"))
    for step in range(2):
        stage.later(timedelta(minutes=3))
        for name, told in {**COMPANIES, **DOCUMENTS}.items():
            for system, action in told[step] if step < len(told) - 1 else ():
                module = modules[name][system == "ledger"]
                record = (ids if system == "billing" else ids_there)[name]
                values = edits[module] if action == "edit" else {}
                if action == "approve":
                    values = {"Status": "AUTHORISED"}
                word = "update" if action in ("edit", "approve") else action
                act(stage, system, word, module, record, **values)
        stage.sync("--full", code=None)
    wanted = {name: told[-1][:2] for name, told in {**COMPANIES, **DOCUMENTS}.items()}
    assert stands(stage) == {**stands(stage), **wanted}
    asked = stage.run("status", "--list", "conflicts", "--json").json["records"]
    assert {row["records"]["ledger"]["id"] for row in asked} == {
        ids_there[name] for name, told in {**COMPANIES, **DOCUMENTS}.items() if len(told[-1]) > 2
    }
    tally("ways of ending a record", len(wanted))
    stage.assert_idle(passes=2)
    stage.sync("--full", code=None)
    assert stands(stage) == {**stands(stage), **wanted}
    assert size == (len(here(stage, "contacts")), len(here(stage, "invoices")), len(there(stage, "Contacts")))


def here(stage: Stage, module: str) -> list[dict[str, Any]]:
    return stage.systems["billing"].records(module)


def there(stage: Stage, module: str) -> list[dict[str, Any]]:
    return stage.systems["ledger"].records(module)


def stands(stage: Stage) -> dict[str, tuple[str, str]]:
    """By name or number, how the record stands in Zoho Books and in Xero."""
    first = {
        row.get("contact_name") or row["invoice_number"]: (
            row["status"] if row["$state"] == "live" else "deleted"
        )
        for module in ("contacts", "invoices")
        for row in here(stage, module)
    }
    second = {row["Name"]: row["ContactStatus"] for row in there(stage, "Contacts")}
    second |= {row["InvoiceNumber"]: row["Status"] for row in there(stage, "Invoices")}
    return {
        name: (first.get(name, "none"), second.get(name, "none")) for name in first.keys() | second.keys()
    }
