"""Pitfall 14, deletes, archives and voids: as the spec says, never undone later, never over an edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.stage import Stage
from tests.support.tally import Tally

HEAD = """
spec: 1
name: acme
extends: xero-zoho-crm
systems:
  crm:
    base_url: ${env:ZOHO_CRM_BASE_URL}
    client_id: ${env:ZOHO_CRM_CLIENT_ID}
    client_secret: ${env:ZOHO_CRM_CLIENT_SECRET}
  books:
    base_url: ${env:XERO_BASE_URL}
    client_id: ${env:XERO_CLIENT_ID}
    client_secret: ${env:XERO_CLIENT_SECRET}
"""
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
