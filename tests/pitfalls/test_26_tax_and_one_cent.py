"""Pitfall 26, tax and one cent: the books compute, the CRM is told, and nobody rounds anybody in a circle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from tests.support.business import (
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    example_with,
    line,
    open_business,
    told,
)
from tests.support.stage import Stage

FIFTEEN = """
invoices:
  fields:
    lines:
      each:
        tax:
          to:
            crm: "{{ [{'name': 'GST 15', 'percentage': 15}] if value == 'OUTPUT15' else [] }}"
            books: "{{ 'OUTPUT15' if value | sum('percentage') > 0 else 'EXEMPTOUTPUT' }}"
    grand_total: {tolerance: 0}
"""


def lines(*priced: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    """Lines of (quantity, price) at 15 % tax."""
    return [line(Quantity=Decimal(q), UnitAmount=Decimal(p), TaxType="OUTPUT15", **more) for q, p in priced]


#: What is billed, in which currency, and the books' total of it, worked out by hand.
CASES: Mapping[str, tuple[str, Sequence[dict[str, Any]], str]] = {
    "tax line by line is not tax of the sum": (
        "AUD",
        lines(("1", "25.06"), ("1", "25.61"), ("1", "25.63")),
        "87.74",  # 76.30 + 3.76 + 3.84 + 3.84: a total-then-tax system says 87.75
    ),
    "a negative line": ("AUD", lines(("1", "100"), ("1", "-33.33"), ("-2", "0.05")), "76.55"),
    "a discount of everything": ("AUD", lines(("3", "19.99"), DiscountRate=100), "0"),
    "a discount of an amount": ("AUD", lines(("3", "19.99"), DiscountAmount=Decimal("0.97")), "67.85"),
    "half a cent a line": ("AUD", lines(("0.5", "0.01"), ("3", "0.335"), ("1.5", "0.03")), "1.23"),
    "prices of four decimals": ("AUD", lines(("1000", "0.1648"), ("7", "0.0005")), "189.52"),
    "a currency without cents": ("JPY", lines(("3", "1234"), ("1", "-1")), "4256.15"),
    "a currency of three decimals": ("KWD", lines(("3", "1.234"), ("1", "0.005")), "4.27"),
}


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    stage = stages(spec=example_with(FIFTEEN))
    stage.books.act("create", "TaxRates", None, {"TaxType": "OUTPUT15", "EffectiveRate": 15})
    stage.crm.act("create", "Taxes", None, {"name": "GST 15", "value": 15})
    for code, rate in (("JPY", "97.5"), ("KWD", "0.2")):
        stage.books.act("create", "Currencies", None, {"Code": code, "rate": rate})
        stage.crm.act("create", "Currencies", None, {"iso_code": code, "exchange_rate": rate})
    return stage


def priced(row: Mapping[str, Any]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(each["Quantity"]), Decimal(each["List_Price"])) for each in row["Invoiced_Items"]]


def differs(stage: Stage, name: str) -> bool:
    """Whether the CRM's own sum of an invoice is another than the books'."""
    return Decimal(crm_invoice(stage, name)["Grand_Total"]) != book_entry(stage, name)["Total"]


def drifted(stage: Stage) -> list[str]:
    """The invoices whose difference has been told of."""
    return sorted(row["name"] for row in told(stage, "drift") if "grand_total" in row["fields"])


def test_what_the_books_bill_is_what_the_crm_shows(stage: Stage, tally: Callable[..., None]) -> None:
    contact = open_business(stage)
    for name, (currency, billed, _) in CASES.items():
        books_invoice(stage, contact, name, CurrencyCode=currency, LineItems=list(billed))
    # As a rate, which the CRM gets as an amount: that of the rounded line, or a cent is left over.
    books_invoice(stage, contact, "half a cent off", LineItems=lines(("1", "1.005"), DiscountRate=100))
    before = {row["InvoiceID"]: row for row in stage.books.records("Invoices")}
    stage.sync()
    for name, (currency, billed, total) in CASES.items():
        row = crm_invoice(stage, name)
        assert book_entry(stage, name)["Total"] == Decimal(total), name
        assert Decimal(row["Books_Total"]) == Decimal(total), name
        assert row["Currency"] == currency
        assert priced(row) == [(each["Quantity"], each["UnitAmount"]) for each in billed], name
    assert Decimal(crm_invoice(stage, "half a cent off")["Grand_Total"]) == 0
    stage.assert_idle(passes=4)
    assert drifted(stage) == sorted(name for name in CASES if differs(stage, name))
    a_while(stage)
    stage.assert_idle(passes=2)
    assert len(drifted(stage)) == sum(differs(stage, name) for name in CASES), "told a second time"
    assert {row["InvoiceID"]: row for row in stage.books.records("Invoices")} == before
    tally("sums of money", len(CASES))


def test_what_the_crm_bills_is_not_rounded_on_its_way_or_back(stage: Stage) -> None:
    open_business(stage)
    account = stage.crm.records("Accounts")[0]["id"]
    product = stage.crm.records("Products")[0]["id"]
    for name, (currency, billed, _) in CASES.items():
        rows = []
        for each in billed:
            gross = each["Quantity"] * each["UnitAmount"]
            rate = Decimal(each.get("DiscountRate", 0))
            rows.append(
                {
                    "Product_Name": {"id": product},
                    "Description": each["Description"],
                    "Quantity": each["Quantity"],
                    "List_Price": each["UnitAmount"],
                    "Discount": each.get("DiscountAmount", gross * rate / 100),
                    "Line_Tax": [{"name": "GST 15", "percentage": 15}],
                }
            )
        told = {"Subject": name, "Account_Name": {"id": account}, "Currency": currency}
        days = {"Invoice_Date": "2026-06-10", "Due_Date": "2099-06-24"}
        stage.crm.act("create", "Invoices", None, {**told, **days, "Invoiced_Items": rows})
    before = {row["Subject"]: row["Invoiced_Items"] for row in stage.crm.records("Invoices")}
    stage.sync()
    a_while(stage)
    stage.sync()
    for name, (currency, billed, total) in CASES.items():
        entry = book_entry(stage, name)
        assert (entry["CurrencyCode"], entry["Total"]) == (currency, Decimal(total)), name
        assert [each["UnitAmount"] for each in entry["LineItems"]] == [e["UnitAmount"] for e in billed], name
        assert Decimal(crm_invoice(stage, name)["Books_Total"]) == Decimal(total), name
    stage.assert_idle(passes=4)
    assert drifted(stage) == sorted(name for name in CASES if differs(stage, name))
    assert {row["Subject"]: row["Invoiced_Items"] for row in stage.crm.records("Invoices")} == before


def test_a_total_that_is_not_the_books_is_told_once_and_left_alone(stage: Stage) -> None:
    contact = open_business(stage)
    books_invoice(stage, contact, "INV-1", LineItems=lines(("2", "50")))
    stage.sync()
    a_while(stage)
    stage.assert_idle()
    assert drifted(stage) == []
    stage.crm.act("update", "Invoices", crm_invoice(stage, "INV-1")["id"], {"Adjustment": 5})
    stage.assert_idle(passes=3)
    assert drifted(stage) == ["INV-1"]
    (entry,) = told(stage, "drift")
    assert entry["fields"]["grand_total"]["why"] == "the ends differ: 120 and 115"
    assert Decimal(crm_invoice(stage, "INV-1")["Grand_Total"]) == 120
    # Both change to the same: nothing to tell.
    a_while(stage)
    stage.crm.act("update", "Invoices", crm_invoice(stage, "INV-1")["id"], {"Adjustment": 0})
    stage.assert_idle(passes=2)
    assert drifted(stage) == ["INV-1"]
