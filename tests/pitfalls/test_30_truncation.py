"""Pitfall 30, truncation: a text that is too long for one end never becomes shorter at the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.business import a_while, example_with, told
from tests.support.effort import cases
from tests.support.stage import Stage

#: 300 characters, with one that is two in UTF-16 and one of several code points where it may be cut.
LONG = "Harbour & Vine, bakers to the whole of the southern coast" + "\N{BREAD}" * 243
FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
RUNS = 5

#: The CRM keeps 300 characters of a product's name, the books 50; the spec shortens.
SHORTENED = """
products:
  fields:
    name:
      crm: Long_Name
      books: Name
      to: {crm: "{{ value }}", books: "{{ value | truncate(50) }}"}
    label: {crm: Product_Name, books: Code, direction: "books -> crm"}
"""


def add_long_name(stage: Stage, module: str) -> None:
    told = {"data_type": "text", "length": 300, "field_label": "Long Name"}
    stage.crm.act("create", "Fields", f"{module}.Long_Name", told)


def with_long_name(modules: str, module: str) -> str:
    text = example_with(modules)
    declared = f"    fields: {{{module}: {{Long_Name: {{type: text, max_length: 300}}}}}}\n"
    return text.replace("  crm:\n", "  crm:\n" + declared, 1)


def test_a_text_that_is_too_long_is_refused_before_the_call(stage: Stage) -> None:
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
    stage.sync()
    a_while(stage)
    contact = stage.books.records("Contacts")[0]["ContactID"]
    town = "Llanfairpwllgwyngyll" * 6
    address = {"AddressType": "POBOX", "City": town, "PostalCode": "2000"}
    stage.books.act("update", "Contacts", contact, {"Addresses": [address]})
    stage.books.act("create", "Contacts", None, {"Name": "Far Away", "Addresses": [address]})
    stage.forget_requests()
    outcome = stage.sync(code=1)
    assert outcome["modules"]["accounts"]["failed"] == 2
    listed = stage.run("status", "--list", "failed", "--json").json["records"]
    for rest in listed:
        assert rest["reason"] == "city: 120 characters are too many: Billing_City takes 100"
    (account,) = stage.crm.records("Accounts")
    assert account["Billing_Code"] == "2000", "a field that fits was held back"
    assert account["Billing_City"] is None
    for _ in range(RUNS):
        stage.forget_requests()
        stage.sync(code=1)
        assert stage.writes() == 0
    for row in stage.books.records("Contacts"):
        assert next(a["City"] for a in row["Addresses"] if a["AddressType"] == "POBOX") == town
    assert len(told(stage, "refused")) == 2, "told again"


@pytest.mark.parametrize("name", [LONG, "x" * 46 + FAMILY + "y" * 249], ids=["emoji", "family"])
def test_what_the_spec_shortens_stays_whole_at_its_origin(stages: Callable[..., Stage], name: str) -> None:
    stage = stages(spec=with_long_name(SHORTENED, "Products"))
    add_long_name(stage, "Products")
    made = {"Product_Name": "BREAD", "Product_Code": "BREAD", "Long_Name": name}
    stage.crm.act("create", "Products", None, made)
    stage.sync()
    assert item(stage)["Name"] == name[:50].rstrip()
    a_while(stage)
    stage.assert_idle(passes=RUNS)
    # An edit of another field goes over, and the shortened name is not taken for one.
    stage.books.act("update", "Items", item(stage)["ItemID"], {"Description": "Sliced"})
    stage.sync()
    assert (product(stage)["Long_Name"], product(stage)["Description"]) == (name, "Sliced")
    # A person who renames it there does mean it.
    a_while(stage)
    stage.books.act("update", "Items", item(stage)["ItemID"], {"Name": "Rye"})
    stage.sync()
    assert product(stage)["Long_Name"] == "Rye"
    stage.assert_idle()


@pytest.mark.parametrize("side", cases(["books"], ["crm"]))
def test_what_a_remote_shortens_in_silence_never_shortens_the_origin(stage: Stage, side: str) -> None:
    """A name of 45 characters, of which one end keeps 40 without a word; the 40th is an emoji."""
    name = "Sourdough of rye and barley, in two sizes"[:39] + "\N{BREAD}" * 6
    stage.systems[side].sandbox.switches["cut"] = 40
    if side == "books":
        stage.crm.act("create", "Products", None, {"Product_Name": name, "Product_Code": "RYE"})
    else:
        stage.books.act("create", "Items", None, {"Name": name, "Code": "RYE"})
    stage.sync()
    for _ in range(RUNS):
        a_while(stage)
        stage.assert_idle()
    found = {"crm": product(stage)["Product_Name"], "books": item(stage)["Name"]}
    other = "crm" if side == "books" else "books"
    assert found == {side: name[:40], other: name}
    (entry,) = told(stage, "rewritten")
    assert (entry["system"], entry["fields"]["name"]["after"]) == (side, name[:40])
    # What is edited beside it goes over, and the long name stays.
    if side == "books":
        stage.books.act("update", "Items", item(stage)["ItemID"], {"Description": "Sliced"})
    else:
        stage.crm.act("update", "Products", product(stage)["id"], {"Description": "Sliced"})
    stage.sync()
    assert product(stage)["Description"] == item(stage)["Description"] == "Sliced"
    assert {"crm": product(stage)["Product_Name"], "books": item(stage)["Name"]} == found
    assert len(told(stage, "rewritten")) == 1


def product(stage: Stage) -> dict[str, Any]:
    (row,) = stage.crm.records("Products")
    return row


def item(stage: Stage) -> dict[str, Any]:
    (row,) = stage.books.records("Items")
    return row
