"""Pitfall 33, derived fields: what a remote computes is read, never written, and moves nothing back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.support.business import a_while, books_invoice, crm_invoice, example_with, line, open_business
from tests.support.effort import effort
from tests.support.ledgers import billed, ledger_document, ledgers_of
from tests.support.stage import Stage
from tests.support.trio import act, find
from tests.support.wire import tapped

SYDNEY = ZoneInfo("Australia/Sydney")

#: Maps that would write what the books, or the CRM, work out by themselves: (module, map, field at fault).
DERIVED = [
    ("invoices", "total: {crm: Books_Total, books: Total, direction: both}", "books.Invoices.Total"),
    ("invoices", 'due: {crm: Amount_Due, books: AmountDue, direction: "crm -> books"}', "AmountDue"),
    ("invoices", 'sum: {crm: Grand_Total, books: Total, direction: "books -> crm"}', "Grand_Total"),
    ("accounts", "owed: {crm: Annual_Revenue, books: Balances.AccountsReceivable.Outstanding}", "Balances"),
    ("accounts", "customer: {crm: Tax_Exempt_Flag, books: IsCustomer}", "IsCustomer"),
    ("products", "stock: {crm: Qty_in_Stock, books: QuantityOnHand}", "QuantityOnHand"),
]


@pytest.mark.parametrize(("module", "bad", "field"), DERIVED, ids=[each[2] for each in DERIVED])
def test_a_map_that_writes_a_derived_field_is_refused(
    stages: Callable[..., Stage], module: str, bad: str, field: str
) -> None:
    stage = stages(spec=example_with("accounts: {}"))
    text = example_with(f"{module}:\n  fields:\n    {bad}\n")
    declared = "    fields: {Accounts: {Tax_Exempt_Flag: {type: boolean}}}\n"
    stage.spec.write_text(text.replace("  crm:\n", "  crm:\n" + declared, 1))
    done = stage.run("validate", "--json")
    assert done.code == 3
    (found,) = [p for p in done.json["problems"] if p["code"] == "read-only-field"]
    assert field in found["message"]
    assert bad.split(":")[0] in stage.spec.read_text().splitlines()[found["line"] - 1]
    stage.forget_requests()
    assert stage.run("sync").code == 3
    assert stage.writes() == 0


def test_a_line_that_would_write_its_own_sum_is_refused(stages: Callable[..., Stage]) -> None:
    stage = stages(spec=example_with("accounts: {}"))
    each = "      each:\n        sum: {crm: Total, books: LineAmount}\n"
    stage.spec.write_text(example_with("invoices:\n  fields:\n    lines:\n" + each))
    done = stage.run("validate", "--json")
    assert done.code == 3
    messages = [p["message"] for p in done.json["problems"] if p["code"] == "read-only-field"]
    assert any("LineAmount" in message for message in messages)
    assert any("Invoiced_Items.Total" in message for message in messages)


def test_midnight_writes_nothing_back(stage: Stage) -> None:
    """Most open invoices become overdue at once: the CRM is told in batches, the books not at all. All of
    a thousand would be a mass change, which the pass stops for."""
    number, later = effort(30, 700), effort(10, 300)
    contact = open_business(stage)
    today = stage.now().astimezone(SYDNEY)
    stage.later(timedelta(hours=(20 - today.hour) % 24))
    due = stage.now().astimezone(SYDNEY).date().isoformat()
    for n in range(number):
        books_invoice(stage, contact, f"INV-{n}", DueDate=due)
    for n in range(later):
        books_invoice(stage, contact, f"LATER-{n}", DueDate="2099-01-01")
    stage.sync("--accept-changes")
    a_while(stage)
    stage.assert_idle()
    assert {row["Status"] for row in stage.crm.records("Invoices")} == {"Approved"}
    entries = stage.books.records("Invoices")
    stage.later(timedelta(hours=5))
    with tapped(stage.books) as books, tapped(stage.crm) as crm:
        stage.sync()
    assert books.calls == []
    assert [set(row) for row in crm.rows("Invoices")] == [{"id", "Status"}] * number
    assert len(crm.calls) == -(-number // 100)
    assert Counter(row["Status"] for row in stage.crm.records("Invoices")) == {
        "Overdue": number,
        "Approved": later,
    }
    a_while(stage)
    stage.assert_idle(passes=2)
    assert stage.books.records("Invoices") == entries


def test_a_payment_and_a_new_total_write_nothing_back(stage: Stage) -> None:
    contact = open_business(stage)
    invoice = books_invoice(stage, contact, "INV-1")
    stage.sync()
    a_while(stage)
    with tapped(stage.books) as books:
        stage.books.act("pay", "Invoices", invoice, {"Amount": 10})
        stage.sync()
        payment = stage.books.records("Payments")[0]["PaymentID"]
        assert (crm_invoice(stage, "INV-1")["Amount_Due"], crm_invoice(stage, "INV-1")["Status"]) == (
            100,
            "Part Paid",
        )
        a_while(stage)
        stage.books.act("delete", "Payments", payment)
        stage.books.act("update", "Invoices", invoice, {"LineItems": [line(Quantity=3)]})
        stage.sync()
        assert crm_invoice(stage, "INV-1")["Books_Total"] == 165
        assert crm_invoice(stage, "INV-1")["Grand_Total"] == 165
        a_while(stage)
        stage.assert_idle(passes=3)
    assert books.calls == []


def test_midnight_and_a_payment_in_a_second_ledger_write_nothing_to_the_invoice(
    stages: Callable[..., Stage],
) -> None:
    """Zoho Books makes an invoice overdue without a word, and calls it changed when it is paid."""
    stage = stages(**ledgers_of("companies", "invoices", "payments"))
    today = stage.now().astimezone(SYDNEY).date()
    for number in range(effort(4, 100)):
        due = (today + timedelta(days=1)).isoformat()
        ledger_document(stage, "Invoices", f"L-{number}", DueDate=due, Status="AUTHORISED")
    stage.sync()
    stage.later(timedelta(days=3))
    stage.assert_idle(passes=2)
    assert {row["status"] for row in stage.systems["billing"].records("invoices")} == {"overdue"}
    act(stage, "billing", "pay", "invoices", billed(stage, "L-1")["invoice_id"])
    with tapped(stage.systems["ledger"]) as there, tapped(stage.systems["billing"]) as here:
        stage.sync()
    assert [(method, path.rsplit("/", 1)[-1]) for method, path, _ in there.calls] == [("PUT", "Payments")]
    assert here.calls == []
    assert find(stage, "ledger", "Invoices", InvoiceNumber="L-1")["Status"] == "PAID"
    stage.assert_idle(passes=2)
