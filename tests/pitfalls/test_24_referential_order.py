"""Pitfall 24, referential order: a child waits for its parent, and no parent is made up for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from tests.support.effort import cases, effort
from tests.support.ledgers import DUE, billed, ledger_document, ledgers_of
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act

MODULES = ("accounts", "products", "invoices")
#: What the books refuse: a country with a digit, a code of more than 30 characters.
BAD_COUNTRY, BAD_CODE = "Area 51", "P" * 31

SPEC = """
spec: 1
name: acme
extends: xero-zoho-crm
systems:
  crm:
    base_url: ${{env:ZOHO_CRM_BASE_URL}}
    client_id: ${{env:ZOHO_CRM_CLIENT_ID}}
    client_secret: ${{env:ZOHO_CRM_CLIENT_SECRET}}
  books:
    base_url: ${{env:XERO_BASE_URL}}
    client_id: ${{env:XERO_CLIENT_ID}}
    client_secret: ${{env:XERO_CLIENT_SECRET}}
modules:
{modules}
"""


def in_order(modules: tuple[str, ...]) -> str:
    return SPEC.format(modules="\n".join(f"  {name}: {{enabled: true}}" for name in modules))


def invoice(stage: Stage, account: str, product: str) -> dict[str, Any]:
    line = {"Product_Name": {"id": product}, "Quantity": 2, "List_Price": 10}
    return stage.crm.act(
        "create",
        "Invoices",
        None,
        {
            "Subject": "A-1",
            "Account_Name": {"id": account},
            "Invoice_Date": "2026-01-05",
            "Invoiced_Items": [line],
        },
    )


def held(stage: Stage) -> dict[str, int]:
    """How many records the books hold."""
    return {module: len(stage.books.records(module)) for module in ("Contacts", "Items", "Invoices")}


#: Every order in a long run; in each run those where each parent comes first, last and in between.
ORDERS = list(permutations(MODULES))
ARRIVALS = list(permutations(("account", "product", "child")))


@pytest.mark.parametrize("modules", ORDERS[:: effort(2, 1)], ids="-".join)
def test_children_wait_for_parents_that_fail(
    stages: Callable[..., Stage], modules: tuple[str, ...], tally: Tally
) -> None:
    """Whatever order the spec names the modules in, and whichever parent is mended first."""
    tally("orders of parents and children")
    stage = stages(spec=in_order(modules))
    account = stage.crm.act(
        "create", "Accounts", None, {"Account_Name": "Quay", "Billing_Country": BAD_COUNTRY}
    )
    product = stage.crm.act("create", "Products", None, {"Product_Name": "Rope", "Product_Code": BAD_CODE})
    child = invoice(stage, account["id"], product["id"])
    first = stage.sync(code=1)
    assert held(stage) == {"Contacts": 0, "Items": 0, "Invoices": 0}
    assert first["modules"]["accounts"]["failed"] == first["modules"]["products"]["failed"] == 1
    assert (first["modules"]["invoices"]["waiting"], first["modules"]["invoices"]["failed"]) == (1, 0)

    mends = [
        ("Accounts", account["id"], {"Billing_Country": "Norway"}),
        ("Products", product["id"], {"Product_Code": "P1"}),
    ]
    if modules.index("accounts") > modules.index("products"):
        mends.reverse()
    stage.crm.act("update", *mends[0])
    second = stage.sync(code=1)
    assert second["modules"]["invoices"]["waiting"] == 1
    assert held(stage)["Invoices"] == 0
    told = stage.run("explain", "invoices", child["id"], "--json").json
    assert mends[1][1] in str(told), "the parent that is waited for is named"

    stage.crm.act("update", *mends[1])
    third = stage.sync()
    assert held(stage) == {"Contacts": 1, "Items": 1, "Invoices": 1}
    assert third["modules"]["invoices"]["waiting"] == 0
    (made,) = stage.books.records("Invoices")
    (contact,) = stage.books.records("Contacts")
    assert made["Contact"]["ContactID"] == contact["ContactID"]
    assert [line["ItemCode"] for line in made["LineItems"]] == ["P1"]
    stage.assert_idle()


@pytest.mark.parametrize("order", ARRIVALS[:: effort(2, 1)], ids="-".join)
def test_children_that_are_seen_before_their_parents(
    stage: Stage, order: tuple[str, ...], tally: Tally
) -> None:
    """The child is made, and each parent is mended, in any order and with a pass after each."""
    tally("orders of parents and children")
    account = stage.crm.act(
        "create", "Accounts", None, {"Account_Name": "Quay", "Billing_Country": BAD_COUNTRY}
    )
    product = stage.crm.act("create", "Products", None, {"Product_Name": "Rope", "Product_Code": BAD_CODE})
    for which in order:
        if which == "account":
            stage.crm.act("update", "Accounts", account["id"], {"Billing_Country": "Norway"})
        elif which == "product":
            stage.crm.act("update", "Products", product["id"], {"Product_Code": "P1"})
        else:
            invoice(stage, account["id"], product["id"])
        stage.sync(code=None)
    assert held(stage) == {"Contacts": 1, "Items": 1, "Invoices": 1}
    stage.assert_idle()


def test_a_parent_that_is_made_after_its_module_was_read(stage: Stage, tally: Tally) -> None:
    """Between the read of accounts and that of invoices a person makes both: the child is seen first."""
    tally("orders of parents and children")
    made: list[dict[str, Any]] = []

    def person(template: str, request: Any, reply: Any) -> None:
        if not made and request.path.endswith("/coql") and b"Accounts" in request.body:
            made.append({})
            account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Quay"})
            product = stage.crm.act(
                "create", "Products", None, {"Product_Name": "Rope", "Product_Code": "P1"}
            )
            made.append(invoice(stage, account["id"], product["id"]))

    stage.crm.server.listeners.append(person)
    first = stage.sync(code=None)
    assert len(made) == 2
    assert held(stage)["Contacts"] == 0, "nothing is made up for a parent that was not read"
    assert first["modules"]["invoices"]["waiting"] == 1
    stage.crm.server.listeners.clear()
    stage.sync()
    assert held(stage) == {"Contacts": 1, "Items": 1, "Invoices": 1}
    stage.assert_idle()


# --- two ledgers, with payments and credit below the documents -------------------------------------------


def town(name: str) -> list[dict[str, str]]:
    """Zoho Books takes 100 characters of it, Xero more."""
    return [{"AddressType": "POBOX", "City": name}]


def a_chain(stage: Stage) -> dict[str, str]:
    """In Xero: a customer and an item that Zoho Books refuses, their invoice, its payment, and a credit note
    that is set off against it. Their ids."""
    contact = act(stage, "ledger", "create", "Contacts", Name="Harbour Bakery", Addresses=town("x" * 101))
    told = {"UnitPrice": 50, "AccountCode": "404"}
    item = act(stage, "ledger", "create", "Items", Code="BREAD", Name="Bread", SalesDetails=told)
    line = {"ItemCode": "BREAD", "Description": "Bread", "Quantity": 2, "UnitAmount": 50}
    lines = [{**line, "AccountCode": "200", "TaxType": "OUTPUT"}]
    invoice = ledger_document(stage, "Invoices", "L-1", DueDate=DUE, Status="AUTHORISED", LineItems=lines)
    note = ledger_document(stage, "CreditNotes", "C-1", Status="AUTHORISED")
    told = {"Invoice": {"InvoiceID": invoice}, "Amount": 5, "Date": "2026-06-11"}
    act(stage, "ledger", "allocate", "CreditNotes", note, **told)
    act(stage, "ledger", "pay", "Invoices", invoice, Amount=10, Date="2026-06-12")
    return {"contact": contact["ContactID"], "item": item["ItemID"], "invoice": invoice}


def billing(stage: Stage) -> dict[str, int]:
    names = ("contacts", "items", "invoices", "creditnotes", "customerpayments")
    return {name: len(stage.systems["billing"].records(name)) for name in names}


@pytest.mark.parametrize("first", cases(["contact"], ["item"]))
def test_payments_and_credit_wait_for_their_invoice_and_it_for_its_customer_and_items(
    stages: Callable[..., Stage], first: str, tally: Tally
) -> None:
    tally("orders of parents and children")
    modules = ("companies", "products", "invoices", "credit_notes", "payments", "shared_payments")
    stage = stages(**ledgers_of(*modules))
    ids = a_chain(stage)
    mends: dict[str, tuple[str, dict[str, Any]]] = {
        "contact": ("Contacts", {"Addresses": town("Perth")}),
        "item": ("Items", {"SalesDetails": {"UnitPrice": 50, "AccountCode": "200"}}),
    }
    told = stage.sync(code=1)["modules"]
    assert not any(billing(stage).values()), "nothing is made up for a parent that is not there"
    assert [told[name]["failed"] for name in modules] == [1, 1, 0, 0, 0, 0]
    assert [told[name]["waiting"] for name in modules] == [0, 0, 1, 1, 1, 0]
    for number, which in enumerate([first, *(name for name in mends if name != first)]):
        module, values = mends[which]
        act(stage, "ledger", "update", module, ids[which], **values)
        stage.sync(code=None)
        assert billing(stage)["invoices"] == number
    assert set(billing(stage).values()) == {1}
    assert billed(stage, "L-1")["balance"] == 110 - 15
    stage.assert_idle()
