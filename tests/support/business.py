"""A little business on a stage: a customer, a product and invoices, made the way people make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from textwrap import dedent, indent
from typing import Any

from tests.support.stage import EXAMPLE, Stage

#: A day long past and one far off, so that no invoice of these is overdue by accident.
DATE, DUE = "2026-06-10", "2099-06-24"


def open_business(stage: Stage) -> str:
    """A customer and the product BREAD in both systems, in step. Returns the customer's ContactID."""
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
    item = {"Code": "BREAD", "Name": "Bread", "SalesDetails": {"UnitPrice": 50, "AccountCode": "200"}}
    stage.books.act("create", "Items", None, item)
    stage.sync()
    return str(stage.books.records("Contacts")[0]["ContactID"])


def line(**values: Any) -> dict[str, Any]:
    """A line of an invoice of the books."""
    told = {"ItemCode": "BREAD", "Description": "Bread", "Quantity": 2, "UnitAmount": 50}
    return {**told, "AccountCode": "200", "TaxType": "OUTPUT", **values}


def books_invoice(stage: Stage, contact: str, number: str, **values: Any) -> str:
    """An approved invoice in the books. Returns its InvoiceID."""
    made = {
        "Contact": {"ContactID": contact},
        "InvoiceNumber": number,
        "Date": DATE,
        "DueDate": DUE,
        "Status": "AUTHORISED",
        "LineItems": [line()],
        **values,
    }
    return str(stage.books.act("create", "Invoices", None, made)["InvoiceID"])


def crm_invoice(stage: Stage, number: str) -> dict[str, Any]:
    """The CRM's copy of an invoice, lines included."""
    return next(row for row in stage.crm.records("Invoices") if row["Subject"] == number)


def book_entry(stage: Stage, number: str) -> dict[str, Any]:
    """The books' own invoice of that number."""
    return next(row for row in stage.books.records("Invoices") if row["InvoiceNumber"] == number)


def edit_crm_invoice(stage: Stage, number: str, values: Mapping[str, Any]) -> None:
    stage.crm.act("update", "Invoices", crm_invoice(stage, number)["id"], values)


def told(stage: Stage, event: str) -> list[dict[str, Any]]:
    """The audit entries of an event, oldest first."""
    done = stage.run("log", "--json", "--event", event, "--limit", "500")
    assert done.code == 0, done.err
    return [json.loads(row) for row in reversed(done.out.splitlines())]


def a_while(stage: Stage) -> None:
    """Time enough for a later edit to have a later stamp than what was written before."""
    stage.later(timedelta(minutes=3))


#: For companies of a test that look alike, or share a telephone, and are not the same none the less.
BY_NAME_ALONE = """
accounts:
  match: [{crm: "Account_Name | fold", books: "Name | fold", agree: [tax_number, email]}]
"""


def example_with(modules: str) -> str:
    """The example's spec with ``modules`` (YAML below that key) laid over it."""
    return EXAMPLE.read_text(encoding="utf-8") + f"\nmodules:\n{indent(dedent(modules), '  ')}"
