"""Pitfall 36, side effects on people: nobody is mailed and nothing is set off because a record was synced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.business import (
    a_while,
    books_invoice,
    crm_invoice,
    edit_crm_invoice,
    example_with,
    open_business,
)
from tests.support.effort import LONG
from tests.support.ledgers import DUE, LEDGERS, billed, ledger_document
from tests.support.stage import Stage
from tests.support.trio import find
from tests.support.wire import tapped


def set_off(stage: Stage) -> dict[str, int]:
    """What has been set off in either system, by people or programs, since this was last asked."""
    found = dict(stage.crm.sandbox.effects + stage.books.sandbox.effects)
    stage.crm.sandbox.effects.clear()
    stage.books.sandbox.effects.clear()
    return found


@pytest.mark.parametrize("data", ["demo"] if LONG else [40])
def test_nothing_is_set_off_by_a_first_sync(stages: Callable[..., Stage], data: str | int) -> None:
    """Both systems hold a business of some years already; what is missing at either end is made there."""
    stage = stages(data=data)
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Dormant Lead", "Email": "a@lead.example"})
    made = {"Name": "Harbour Bakery", "EmailAddress": "b@bakery.example"}
    contact = stage.books.act("create", "Contacts", None, made)["ContactID"]
    item = {"Code": "BREAD", "Name": "Bread", "SalesDetails": {"UnitPrice": 50, "AccountCode": "200"}}
    stage.books.act("create", "Items", None, item)
    for year in (2019, 2022, 2026):
        books_invoice(stage, contact, f"OLD-{year}", Date=f"{year}-02-01", DueDate=f"{year}-03-01")
    set_off(stage)
    with tapped(stage.crm) as crm, tapped(stage.books) as books:
        stage.sync("--accept-changes", code=None)
    assert {row.get("Subject") for row in crm.rows("Invoices")} >= {"OLD-2019", "OLD-2022", "OLD-2026"}
    assert any(row.get("Name") == "Dormant Lead" for row in books.rows("Contacts"))
    assert set_off(stage) == {}
    assert not any("email" in template.lower() for _, template, _ in [*crm.calls, *books.calls])
    assert not any(row.get("SentToContact") for row in books.rows("Invoices"))


def quietly(stage: Stage) -> None:
    """A pass that writes, and sets nothing off."""
    set_off(stage)
    stage.forget_requests()
    stage.sync()
    assert stage.writes() > 0
    assert set_off(stage) == {}
    a_while(stage)


def test_nothing_is_set_off_by_passes(stage: Stage) -> None:
    contact = open_business(stage)
    books_invoice(stage, contact, "INV-1")
    quietly(stage)
    edit_crm_invoice(stage, "INV-1", {"Due_Date": "2099-07-01"})
    stage.books.act("update", "Contacts", contact, {"EmailAddress": "a@bakery.example"})
    quietly(stage)
    stage.books.act("pay", "Invoices", stage.books.records("Invoices")[0]["InvoiceID"], {})
    quietly(stage)
    assert crm_invoice(stage, "INV-1")["Status"] == "Paid"
    assert not stage.books.records("Invoices")[0]["SentToContact"]
    stage.assert_idle()
    assert set_off(stage) == {}


def test_what_a_person_does_is_counted(stage: Stage) -> None:
    """The counters do count: the same edits in the CRM's own screens set its rules off."""
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "222"})
    found = set_off(stage)
    assert {"workflow", "approval", "blueprint", "cadences"} <= found.keys()
    assert set(found.values()) == {2}


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not-declared"])
def test_a_workflow_runs_only_when_the_spec_declares_it(stages: Callable[..., Stage], declared: bool) -> None:
    text = example_with("accounts: {}")
    if declared:
        text = text.replace("  crm:\n", "  crm:\n    trigger: [workflow]\n", 1)
    stage = stages(spec=text)
    stage.books.act("create", "Contacts", None, {"Name": "Harbour Bakery"})
    stage.sync()
    assert set_off(stage) == ({"workflow": 1, "cadences": 1} if declared else {})


def test_a_second_ledger_mails_nobody_and_keeps_the_numbers_it_is_given(stages: Callable[..., Stage]) -> None:
    """Approved in Xero is sent in Zoho Books, where that word alone must not reach a customer."""
    stage = stages(**LEDGERS)
    ledger_document(stage, "Invoices", "OLD-7", DueDate=DUE, Status="AUTHORISED")
    ledger_document(stage, "Quotes", "QU-7", Status="SENT")
    ledger_document(stage, "CreditNotes", "CN-7", Status="AUTHORISED")
    stage.sync()
    assert billed(stage, "OLD-7")["status"] == "sent"
    find(stage, "billing", "estimates", estimate_number="QU-7")
    find(stage, "billing", "creditnotes", creditnote_number="CN-7")
    assert sum(stage.systems["billing"].sandbox.effects.values()) == 0
