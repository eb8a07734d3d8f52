"""Pitfall 24, referential order: a child waits for its parent, and no parent is made up for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.stage import Stage
from tests.support.tally import Tally

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
