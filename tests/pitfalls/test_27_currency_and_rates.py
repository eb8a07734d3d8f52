"""Pitfall 27, currency and rates: amounts stay in their own currency, rates are the books' own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from tests.support.business import (
    DATE,
    DUE,
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    example_with,
    open_business,
    told,
)
from tests.support.stage import Stage

#: After so long a refused record is tried again.
RETRY = timedelta(minutes=6)


def new_rate(stage: Stage, code: str, rate: str) -> None:
    """A new day's rate of a currency in both systems."""
    stage.books.act("update", "Currencies", code, {"rate": rate})
    stage.crm.act("update", "Currencies", None, {"iso_code": code, "exchange_rate": rate})


def test_a_new_rate_writes_nothing_and_changes_no_old_invoice(stage: Stage) -> None:
    contact = open_business(stage)
    new_rate(stage, "USD", "0.65")
    books_invoice(stage, contact, "INV-USD", CurrencyCode="USD")
    stage.sync()
    row = crm_invoice(stage, "INV-USD")
    assert (row["Currency"], Decimal(row["Books_Rate"]), Decimal(row["Books_Total"])) == (
        "USD",
        Decimal("0.65"),
        110,
    )
    stage.assert_idle()
    a_while(stage)
    for rate in ("0.7", "0.61"):
        new_rate(stage, "USD", rate)
        stage.assert_idle(passes=2)
    assert Decimal(crm_invoice(stage, "INV-USD")["Books_Rate"]) == Decimal("0.65")
    # Not even an edit of the invoice brings in today's rate.
    a_while(stage)
    stage.crm.act("update", "Invoices", crm_invoice(stage, "INV-USD")["id"], {"Due_Date": "2099-07-01"})
    stage.sync()
    assert book_entry(stage, "INV-USD")["DueDate"] == "2099-07-01"
    assert book_entry(stage, "INV-USD")["CurrencyRate"] == Decimal("0.65")
    stage.assert_idle(passes=2)


def test_an_unknown_currency_stops_that_invoice_alone_until_it_is_known(stage: Stage) -> None:
    contact = open_business(stage)
    stage.books.act("create", "Currencies", None, {"Code": "EUR", "rate": "0.6"})
    before = stage.run("validate", "--live")
    assert (before.code, before.out.count("does not take 'EUR'")) == (3, 3), "told for every kind of document"
    books_invoice(stage, contact, "INV-EUR", CurrencyCode="EUR")
    books_invoice(stage, contact, "INV-AUD")
    planned = stage.run("plan").out
    assert planned.count("it would not be sent: crm.Currency: it has no EUR to choose") == 1
    stage.forget_requests()
    outcome = stage.sync(code=1)
    assert outcome["modules"]["invoices"]["created"]["crm"] == 1
    assert [row["Subject"] for row in stage.crm.records("Invoices")] == ["INV-AUD"]
    (rest,) = stage.run("status", "--list", "failed", "--json").json["records"]
    assert rest["reason"].startswith("crm: it has no EUR to choose (it has AUD, NZD, USD): add it there")
    assert rest["records"]["books"]["name"] == "INV-EUR"
    assert stage.crm.requests("POST").get(("POST", "/crm/v8/{module}")) == 1, (
        "it was known before it was sent"
    )
    stage.forget_requests()
    stage.sync(code=None)
    assert stage.writes() == 0, "tried again at once"
    stage.crm.act("create", "Currencies", None, {"iso_code": "EUR", "exchange_rate": "0.6"})
    stage.later(RETRY)
    stage.sync()
    assert crm_invoice(stage, "INV-EUR")["Currency"] == "EUR"
    stage.assert_idle()


def test_the_other_way_round_too(stage: Stage) -> None:
    open_business(stage)
    account, product = stage.crm.records("Accounts")[0]["id"], stage.crm.records("Products")[0]["id"]
    stage.crm.act("create", "Currencies", None, {"iso_code": "EUR", "exchange_rate": "0.6"})
    line = {"Product_Name": {"id": product}, "Description": "Bread", "Quantity": 1, "List_Price": 5}
    made = {
        "Subject": "INV-EUR",
        "Account_Name": {"id": account},
        "Currency": "EUR",
        "Invoice_Date": DATE,
        "Due_Date": DUE,
        "Invoiced_Items": [line],
    }
    stage.crm.act("create", "Invoices", None, made)
    stage.forget_requests()
    stage.sync(code=1)
    assert stage.writes() == 0, "it was known before it was sent"
    (rest,) = stage.run("status", "--list", "failed", "--json").json["records"]
    assert rest["reason"].startswith("books: it has no EUR to choose (it has AUD, ")
    assert stage.books.records("Invoices") == []
    stage.books.act("create", "Currencies", None, {"Code": "EUR", "rate": "0.6"})
    stage.later(RETRY)
    stage.sync()
    assert book_entry(stage, "INV-EUR")["CurrencyCode"] == "EUR"
    stage.assert_idle(passes=2)


UPSIDE_DOWN = """
invoices:
  fields:
    rate_check: {crm: Exchange_Rate, books: CurrencyRate, direction: none, tolerance: 0.2}
"""


def test_a_rate_the_wrong_way_round_is_told(stages: Callable[..., Stage]) -> None:
    stage = stages(spec=example_with(UPSIDE_DOWN))
    contact = open_business(stage)
    new_rate(stage, "USD", "0.65")
    books_invoice(stage, contact, "INV-1", CurrencyCode="USD", CurrencyRate=Decimal("0.66"))
    books_invoice(stage, contact, "INV-2", CurrencyCode="USD", CurrencyRate=Decimal("1.538462"))
    stage.sync()
    a_while(stage)
    stage.assert_idle(passes=3)
    (entry,) = told(stage, "drift")
    assert (entry["name"], entry["fields"]["rate_check"]["why"]) == (
        "INV-2",
        "the ends differ: 0.65 and 1.538462",
    )
