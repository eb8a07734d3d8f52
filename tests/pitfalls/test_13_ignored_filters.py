"""Pitfall 13, filters silently ignored: a remote that gives everything costs calls, never a wrong write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from tests.support.ledgers import DUE, LEDGERS, billed, ledger_document
from tests.support.stage import Stage, extending
from tests.support.tally import Tally
from tests.support.trio import act

from syncline_zoho.crm.query import select

COMPANIES = 40


def queries(stage: Stage) -> int:
    return sum(n for (_, path), n in stage.crm.requests().items() if path == "/crm/v8/coql")


def test_the_books_give_everything(stages: Callable[..., Stage], tally: Tally) -> None:
    """Every contact comes back in every pass: one warning, the right write, and no call more."""
    tally("ignored filters")
    stage = stages(data=COMPANIES)
    assert stage.sync()["warnings"] == []
    assert stage.sync()["warnings"] == []
    stage.books.sandbox.switches["ignore_modified_since"] = True
    account = stage.crm.records("Accounts")[7]
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "555 0199"})
    stage.forget_requests()
    told = stage.sync()
    assert stage.writes() == 1
    assert stage.books.requests("GET")["GET", "/api.xro/2.0/Contacts"] == 2, "a page, a look before the write"
    (warning,) = told["warnings"]
    assert warning.startswith("books does not heed the question for changes: ")
    assert "of Contacts" in warning
    assert told["modules"]["accounts"]["read"]["books"] == COMPANIES
    assert sum(told["modules"]["accounts"]["updated"].values()) == 1
    assert stage.run("sync").err.count("warning:") == 1
    stage.assert_idle()
    stage.books.sandbox.switches["ignore_modified_since"] = False
    assert stage.sync()["warnings"] == []


def test_the_crm_gives_everything(stages: Callable[..., Stage], tally: Tally) -> None:
    tally("ignored filters")
    stage = stages(data=COMPANIES)
    stage.sync()
    stage.sync()
    stage.crm.sandbox.switches["ignore_where"] = True
    contact = stage.books.records("Contacts")[7]
    phones = [{"PhoneType": "DEFAULT", "PhoneNumber": "555 0199"}]
    stage.books.act("update", "Contacts", contact["ContactID"], {"Phones": phones})
    stage.forget_requests()
    told = stage.sync()
    (warning,) = told["warnings"]
    assert warning.startswith("crm does not heed the question for changes: ")
    assert queries(stage) <= 3 + 1, "one for each module, and one for the lines"
    assert stage.writes() == 1
    assert any(row["Phone"] == "555 0199" for row in stage.crm.records("Accounts"))
    stage.assert_idle()


ONE_WAY = (
    extending("xero-zoho-crm")
    + """
modules:
  accounts: {direction: "books -> crm", fields: {payment_kind: null}}
"""
)


def test_pages_that_would_never_end(
    stages: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """Where a page is followed by itself, the first repetition ends the read, with the reason."""
    tally("ignored filters")
    monkeypatch.setattr("syncline_zoho.crm.reader.select", partial(select, limit=20))
    stage = stages(spec=ONE_WAY)
    for number in range(21):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Company {number}"})
    stage.sync()
    stage.sync()
    stage.crm.sandbox.switches["ignore_where"] = True
    stage.forget_requests()
    told = stage.sync(code=1)
    assert "does not heed the condition" in told["problems"]["accounts"]
    assert queries(stage) <= 4, "one for each module, and the repetition"
    assert stage.writes() == 0
    stage.crm.sandbox.switches["ignore_where"] = False
    assert stage.sync()["warnings"] == []


def test_a_second_ledger_gives_everything(stages: Callable[..., Stage], tally: Tally) -> None:
    """Zoho Books tells lines by a call for each invoice: those that did not change are not asked for."""
    tally("ignored filters")
    stage = stages(**LEDGERS)
    for number in range(8):
        ledger_document(stage, "Invoices", f"L-{number}", DueDate=DUE)
    stage.sync()
    stage.later(timedelta(hours=1))
    assert stage.sync()["warnings"] == []
    stage.systems["billing"].sandbox.switches["ignore_filter"] = True
    act(stage, "billing", "update", "invoices", billed(stage, "L-3")["invoice_id"], due_date="2099-07-01")
    stage.forget_requests()
    told = stage.sync()
    (warning,) = told["warnings"]
    assert warning.startswith("billing does not heed the question for changes: 7 records of invoices")
    assert told["modules"]["invoices"]["updated"] == {"billing": 0, "ledger": 1}
    read = stage.systems["billing"].requests("GET")
    assert read["GET", "/books/v3/invoices"] == read["GET", "/books/v3/invoices/{id}"] == 1
    stage.assert_idle()
