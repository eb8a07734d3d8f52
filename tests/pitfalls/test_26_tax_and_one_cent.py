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
from tests.support.ledgers import DUE, ledger_document, ledgers_of
from tests.support.stage import Stage
from tests.support.trio import act, find

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


# --- two ledgers: tax rounded line by line in the one, once a document in the other ---------------------

FIFTEEN_THERE = "tables: {sales_tax: {rows: {fifteen: {billing: GST 15, ledger: OUTPUT15}}}}\n"
#: By how much the two may differ before it is told of (the base spec's tolerance).
TOLERANCE = Decimal("0.05")


@pytest.fixture
def ledgers(stages: Callable[..., Stage]) -> Stage:
    """Xero and Zoho Books with a customer, an item, a tax of 15 % and the currencies of all cases."""
    told = ledgers_of("companies", "products", "invoices")
    stage = stages(**{**told, "spec": told["spec"] + FIFTEEN_THERE})
    act(stage, "ledger", "create", "TaxRates", TaxType="OUTPUT15", EffectiveRate=15)
    act(stage, "billing", "create", "taxes", tax_name="GST 15", tax_percentage=15)
    for code, rate in (("JPY", "97.5"), ("KWD", "0.2")):
        act(stage, "ledger", "create", "Currencies", Code=code, rate=rate)
    sold = {"UnitPrice": 50, "AccountCode": "200"}
    act(stage, "ledger", "create", "Items", Code="BREAD", Name="Bread", SalesDetails=sold)
    return stage


def in_billing(stage: Stage, name: str) -> dict[str, Any]:
    return find(stage, "billing", "invoices", invoice_number=name)


def totals(stage: Stage, name: str) -> tuple[Decimal, Decimal]:
    """What an invoice comes to in Zoho Books, and in Xero."""
    there = find(stage, "ledger", "Invoices", InvoiceNumber=name)
    return Decimal(in_billing(stage, name)["total"]), Decimal(there["Total"])


def told_of(stage: Stage) -> list[str]:
    return sorted(row["name"] for row in told(stage, "drift") if "total" in row["fields"])


def assert_cents_are_told_and_left(stage: Stage) -> None:
    """Nothing goes round, and what differs by more than the tolerance is told, once."""
    stage.assert_idle(passes=3)
    for name in CASES:
        here, there = totals(stage, name)
        assert abs(here - there) <= 1, name
    apart = [name for name in CASES if abs(totals(stage, name)[0] - totals(stage, name)[1]) > TOLERANCE]
    assert told_of(stage) == sorted(apart)
    a_while(stage)
    stage.assert_idle()
    assert told_of(stage) == sorted(apart), "told a second time"


def test_a_ledger_that_rounds_once_a_document_is_sent_the_same_lines(
    ledgers: Stage, tally: Callable[..., None]
) -> None:
    for name, (currency, rows, _) in CASES.items():
        ledger_document(
            ledgers,
            "Invoices",
            name,
            DueDate=DUE,
            Status="AUTHORISED",
            CurrencyCode=currency,
            LineItems=list(rows),
        )
    before = {row["InvoiceID"]: row for row in ledgers.systems["ledger"].records("Invoices")}
    ledgers.sync()
    for name, (currency, rows, total) in CASES.items():
        row = in_billing(ledgers, name)
        assert totals(ledgers, name)[1] == Decimal(total)
        assert row["currency_code"] == currency
        assert [(each["quantity"], each["rate"]) for each in row["line_items"]] == [
            (each["Quantity"], each["UnitAmount"]) for each in rows
        ], name
    # 76.30 and 15 % of it, 11.445, rounded once; Xero's three lines come to 11.44
    assert totals(ledgers, "tax line by line is not tax of the sum") == (Decimal("87.75"), Decimal("87.74"))
    assert_cents_are_told_and_left(ledgers)
    assert {r["InvoiceID"]: r for r in ledgers.systems["ledger"].records("Invoices")} == before
    tally("sums of money", len(CASES))


def test_a_ledger_that_rounds_line_by_line_is_sent_the_same_lines(
    ledgers: Stage, tally: Callable[..., None]
) -> None:
    ledgers.sync()
    customer = act(ledgers, "billing", "create", "contacts", contact_name="Harbour Bakery")["contact_id"]
    item = find(ledgers, "billing", "items", sku="BREAD")["item_id"]
    tax = find(ledgers, "billing", "taxes", tax_name="GST 15")["tax_id"]
    codes = {
        row["currency_code"]: row["currency_id"] for row in ledgers.systems["billing"].records("currencies")
    }
    for name, (currency, rows, _) in CASES.items():
        lines = [
            {
                "item_id": item,
                "quantity": each["Quantity"],
                "rate": each["UnitAmount"],
                "tax_id": tax,
                "discount": f"{each['DiscountRate']}%"
                if "DiscountRate" in each
                else each.get("DiscountAmount", 0),
            }
            for each in rows
        ]
        head = {"customer_id": customer, "invoice_number": name, "currency_id": codes[currency]}
        days = {"date": "2026-06-10", "due_date": DUE, "discount_type": "item_level"}
        act(ledgers, "billing", "create", "invoices", **head, **days, line_items=lines)
    before = {row["invoice_id"]: row for row in ledgers.systems["billing"].records("invoices")}
    ledgers.sync()
    for name, (currency, rows, total) in CASES.items():
        there = find(ledgers, "ledger", "Invoices", InvoiceNumber=name)
        assert (there["CurrencyCode"], there["Total"]) == (currency, Decimal(total)), name
        assert [each["UnitAmount"] for each in there["LineItems"]] == [each["UnitAmount"] for each in rows], (
            name
        )
    assert_cents_are_told_and_left(ledgers)
    assert {r["invoice_id"]: r for r in ledgers.systems["billing"].records("invoices")} == before
    tally("sums of money", len(CASES))
