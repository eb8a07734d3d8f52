"""A custom module and a price book's products in a spec, through the whole engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.business import a_while, book_entry, books_invoice, line, open_business
from tests.support.stage import EXAMPLE, Stage
from tests.support.wire import tapped

DECLARED = """\
    modules: {Payments: {}}
    fields:
      Payments:
        Amount: {type: decimal}
        Account_Name: {type: reference}
        Xero_ID: {type: text, unique: true}
"""
MODULES = """
modules:
  invoices: {enabled: false}
  payments:
    between: {crm: Payments, books: Invoices}
    direction: books -> crm
    match: [{crm: Xero_ID, books: InvoiceID}]
    where: {books: "{{ record.InvoiceNumber.startswith('PAY') }}"}
    fields:
      name: {crm: Name, books: InvoiceNumber}
      key: {crm: Xero_ID, books: InvoiceID}
      amount: {crm: Amount, books: Total}
      customer: {crm: Account_Name, books: Contact, ref: accounts}
  lists:
    between: {crm: Price_Books, books: Invoices}
    direction: books -> crm
    match: [{crm: Price_Book_Name, books: InvoiceNumber}]
    where: {books: "{{ record.InvoiceNumber.startswith('LIST') }}"}
    fields:
      name: {crm: Price_Book_Name, books: InvoiceNumber}
      ranges:
        crm: Pricing_Details
        to: {crm: "{{ [{'from_range': 1, 'to_range': 1000, 'discount': 0}] }}"}
      entries:
        crm: Products
        books: LineItems
        each:
          product: {crm: Product_Name, books: ItemCode, ref: products}
          price: {crm: list_price, books: UnitAmount}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A customer, two products, an invoice that stands for a payment and one that stands for a price list."""
    text = EXAMPLE.read_text("utf-8").replace("  crm:\n", f"  crm:\n{DECLARED}", 1) + MODULES
    with Stage(tmp_path, spec=text) as found:
        found.connect()
        contact = open_business(found)
        milk = {"Code": "MILK", "Name": "Milk", "SalesDetails": {"UnitPrice": 3, "AccountCode": "200"}}
        found.books.act("create", "Items", None, milk)
        books_invoice(found, contact, "PAY-1")
        lines = [line(), line(ItemCode="MILK", Description="Milk", UnitAmount=3)]
        books_invoice(found, contact, "LIST-1", Status="DRAFT", LineItems=lines)
        found.sync()
        yield found


def test_a_custom_module_is_kept_in_step(stage: Stage) -> None:
    (payment,) = stage.crm.records("Payments")
    assert (payment["Name"], payment["Amount"]) == ("PAY-1", 110)
    assert payment["Account_Name"]["name"] == "Harbour Bakery"
    stage.assert_idle(2)


def test_a_changed_price_is_one_entry_on_the_wire(stage: Stage) -> None:
    (book,) = stage.crm.records("Price_Books")
    names = {row["id"]: row["Product_Name"] for row in stage.crm.records("Products")}
    assert {names[each["id"]]: each["list_price"] for each in book["Products"]} == {"Bread": 50, "Milk": 3}
    a_while(stage)
    stage.assert_idle(2)
    entry = book_entry(stage, "LIST-1")
    lines = [
        {k: v for k, v in row.items() if k not in ("LineAmount", "TaxAmount")} for row in entry["LineItems"]
    ]
    lines[1]["UnitAmount"] = 4
    stage.books.act("update", "Invoices", entry["InvoiceID"], {"LineItems": lines})
    with tapped(stage.crm) as wire:
        stage.sync()
    milk = next(product for product, name in names.items() if name == "Milk")
    ((method, path, body),) = wire.calls
    assert (method, path) == ("PUT", "/crm/v8/Price_Books/{id}/Products")
    assert body == {"data": [{"id": milk, "list_price": 4}]}
    a_while(stage)
    stage.assert_idle(2)
