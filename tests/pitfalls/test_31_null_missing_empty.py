"""Pitfall 31, null, missing, empty: three states that are told apart, and only one of them clears a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.support.business import (
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    edit_crm_invoice,
    example_with,
    line,
    open_business,
    told,
)
from tests.support.stage import Stage
from tests.support.tally import Tally

MORE = """
accounts:
  fields:
    owners: {crm: Ownership, books: SalesDefaultLineAmountType, values: [{crm: Private, books: INCLUSIVE}]}
    site: {crm: Account_Site, books: CompanyNumber}
products:
  fields:
    sold: {crm: Product_Active, books: IsPurchased}
"""
POBOX = "Addresses[AddressType=POBOX]"

#: By field: its module, its name in the CRM and in the books, a value of each, and whether the books can
#: be without it once they have it.
FIELDS: Mapping[str, tuple[str, str, str, Any, Any, bool]] = {
    "text": ("Accounts", "Account_Site", "CompanyNumber", "North", "North", True),
    "choice": ("Accounts", "Ownership", "SalesDefaultLineAmountType", "Private", "INCLUSIVE", False),
    "e-mail": ("Accounts", "Email", "EmailAddress", "a@b.example", "a@b.example", True),
    "number": ("Products", "Unit_Price", "SalesDetails.UnitPrice", 50, 50, False),
    "flag": ("Products", "Product_Active", "IsPurchased", True, True, False),
    "name": ("Products", "Product_Name", "Name", "Bread", "Bread", True),
}
KEYS = {
    "Accounts": ("Contacts", "Account_Name", "Name", "ContactID"),
    "Products": ("Items", "", "Code", "ItemID"),
}
#: What a person may leave in a field: nothing, no text, and what looks like nothing but is a value.
NOTHING = {"null": None, "empty": ""}


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    return stages(spec=example_with(MORE))


def record(field: str, state: str) -> str:
    return f"{field} {state}"


def fill_in(stage: Stage, states: Mapping[str, Any]) -> None:
    """A record of its own for each field and state, with a value, in step in both systems."""
    for field, (module, crm, _, value, _, _) in FIELDS.items():
        for state in states:
            name = record(field, state)
            keys = (
                {"Account_Name": name}
                if module == "Accounts"
                else {"Product_Code": name, "Product_Name": "x"}
            )
            stage.crm.act("create", module, None, {**keys, crm: value})
    stage.sync()
    a_while(stage)


def crm_row(stage: Stage, field: str, state: str) -> dict[str, Any]:
    module = FIELDS[field][0]
    key = "Account_Name" if module == "Accounts" else "Product_Code"
    return next(row for row in stage.crm.records(module) if row[key] == record(field, state))


def books_row(stage: Stage, field: str, state: str) -> dict[str, Any]:
    module = KEYS[FIELDS[field][0]][0]
    key = "Name" if module == "Contacts" else "Code"
    return next(row for row in stage.books.records(module) if row[key] == record(field, state))


def at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for step in path.split("."):
        value = value.get(step) if value else None
    return value if value != "" else None


def test_what_is_cleared_in_the_crm_is_cleared_in_the_books_where_it_can_be(
    stage: Stage, tally: Tally
) -> None:
    states = {**NOTHING, "untouched": None}
    fill_in(stage, states)
    cleared = [(field, state) for field in FIELDS for state in NOTHING if field != "name"]
    for field, state in cleared:
        module, crm, *_ = FIELDS[field]
        stage.crm.act("update", module, crm_row(stage, field, state)["id"], {crm: NOTHING[state]})
    stage.sync()
    for field, (_, crm, books, value, there, clearable) in FIELDS.items():
        for state in states:
            kept = (field, state) not in cleared
            assert at(crm_row(stage, field, state), crm) == (value if kept else None), (field, state)
            expected = there if kept or not clearable else None
            assert at(books_row(stage, field, state), books) == expected, (field, state)
    # What the books cannot be without they keep, which is told once, and not put back either.
    stuck = [entry["fields"] for entry in told(stage, "drift")]
    assert sorted(why for fields in stuck for why in (part["why"] for part in fields.values())) == (
        ["IsPurchased cannot be emptied: it keeps what it has"] * 2
        + ["SalesDefaultLineAmountType cannot be emptied: it keeps what it has"] * 2
        + ["UnitPrice cannot be emptied: it keeps what it has"] * 2
    )
    a_while(stage)
    stage.assert_idle(passes=3)
    assert len(told(stage, "drift")) == len(stuck)
    tally("clearings", len(cleared))


def test_what_is_cleared_in_the_books_is_cleared_in_the_crm_where_it_can_be(
    stage: Stage, tally: Tally
) -> None:
    fill_in(stage, {"empty": "", "untouched": None})
    fields = [field for field, (*_, clearable) in FIELDS.items() if clearable]
    for field in fields:
        module, _, books, *_ = FIELDS[field]
        there, _, _, key = KEYS[module]
        stage.books.act("update", there, books_row(stage, field, "empty")[key], {books: ""})
    stage.sync()
    for field, (_, crm, books, value, there_value, _) in FIELDS.items():
        gone = field in fields
        assert at(books_row(stage, field, "empty"), books) == (None if gone else there_value), field
        if field == "name":  # the CRM has no product without a name
            assert at(crm_row(stage, field, "empty"), crm) == value
        else:
            assert at(crm_row(stage, field, "empty"), crm) == (None if gone else value), field
        assert at(crm_row(stage, field, "untouched"), crm) == value
    (entry,) = told(stage, "drift")
    assert entry["fields"]["name"]["why"] == "Product_Name cannot be emptied: it keeps what it has"
    a_while(stage)
    stage.assert_idle(passes=3)
    tally("clearings", len(fields))


def test_zero_and_false_are_values(stage: Stage) -> None:
    made = {"Product_Code": "crm", "Product_Name": "x", "Unit_Price": 0, "Product_Active": False}
    stage.crm.act("create", "Products", None, made)
    item = {"Code": "books", "Name": "x", "IsPurchased": False, "SalesDetails": {"UnitPrice": 0}}
    stage.books.act("create", "Items", None, item)
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Acme", "Payment_Terms_Days": 0})
    stage.sync()
    a_while(stage)
    stage.assert_idle(passes=2)
    for row in stage.crm.records("Products"):
        assert (row["Unit_Price"], row["Product_Active"]) == (0, False)
    for row in stage.books.records("Items"):
        assert (row["SalesDetails"]["UnitPrice"], row["IsPurchased"]) == (0, False)
    (contact,) = stage.books.records("Contacts")
    assert contact["PaymentTerms"]["Sales"] == {"Day": 0, "Type": "DAYSAFTERBILLDATE"}
    # And back: nothing becomes zero, nothing becomes false.
    product = next(row for row in stage.crm.records("Products") if row["Product_Code"] == "crm")
    stage.crm.act("update", "Products", product["id"], {"Unit_Price": 7, "Product_Active": True})
    stage.sync()
    a_while(stage)
    stage.crm.act("update", "Products", product["id"], {"Unit_Price": 0, "Product_Active": False})
    stage.sync()
    there = next(row for row in stage.books.records("Items") if row["Code"] == "crm")
    assert (there["SalesDetails"]["UnitPrice"], there["IsPurchased"]) == (0, False)
    stage.assert_idle()


def test_what_a_remote_does_not_say_wipes_nothing(stage: Stage) -> None:
    """The signed-in user's profile loses sight of some fields: they are missing from every answer."""
    states = {"seen": None}
    fill_in(stage, states)
    hidden = [stage.crm.sandbox.org.meta[module].fields[crm] for module, crm, *_ in FIELDS.values()]
    hidden = [field for field in hidden if field.name != "Product_Name"]
    for field in hidden:
        field.hidden = True
    for name in FIELDS:
        module = FIELDS[name][0]
        changed = {"Phone": "555"} if module == "Accounts" else {"Description": "New"}
        stage.crm.act("update", module, crm_row(stage, name, "seen")["id"], changed)
    before = {name: at(books_row(stage, name, "seen"), books) for name, (_, _, books, *_) in FIELDS.items()}
    stage.sync(code=None)
    stage.assert_idle(passes=2)
    for name in FIELDS:
        row = books_row(stage, name, "seen")
        changed = (
            row.get("Description") or {p["PhoneType"]: p["PhoneNumber"] for p in row["Phones"]}["DEFAULT"]
        )
        assert changed in ("New", "555"), "what could be seen did not go over"
        assert at(row, FIELDS[name][2]) == before[name], f"{name} was wiped"
    for field in hidden:
        field.hidden = False
    a_while(stage)
    for name in FIELDS:
        module = FIELDS[name][0]
        changed = {"Phone": "556"} if module == "Accounts" else {"Description": "Newer"}
        stage.crm.act("update", module, crm_row(stage, name, "seen")["id"], changed)
    stage.sync()
    assert before == {n: at(books_row(stage, n, "seen"), books) for n, (_, _, books, *_) in FIELDS.items()}
    for name, (_, crm, _, value, *_) in FIELDS.items():
        assert at(crm_row(stage, name, "seen"), crm) == value
    stage.assert_idle(passes=2)


def test_a_date_is_cleared_and_terms_and_lines_are_not(stage: Stage) -> None:
    contact = open_business(stage)
    account = stage.crm.records("Accounts")[0]["id"]
    stage.crm.act("update", "Accounts", account, {"Payment_Terms_Days": 14})
    books_invoice(stage, contact, "INV-1", Status="DRAFT")
    stage.sync()
    assert stage.books.records("Contacts")[0]["PaymentTerms"]["Sales"]["Day"] == 14
    a_while(stage)
    stage.crm.act("update", "Accounts", account, {"Payment_Terms_Days": None})
    lines = [{"id": each["id"], "_delete": None} for each in crm_invoice(stage, "INV-1")["Invoiced_Items"]]
    edit_crm_invoice(stage, "INV-1", {"Due_Date": None})
    stage.sync()
    assert book_entry(stage, "INV-1").get("DueDate") is None
    assert stage.books.records("Contacts")[0]["PaymentTerms"]["Sales"]["Day"] == 14
    stuck = [name for entry in told(stage, "drift") for name in entry["fields"]]
    assert sorted(stuck) == ["payment_days", "payment_kind"]
    a_while(stage)
    stage.assert_idle(passes=2)
    stage.books.act("update", "Invoices", book_entry(stage, "INV-1")["InvoiceID"], {"LineItems": []})
    stage.sync()
    assert len(crm_invoice(stage, "INV-1")["Invoiced_Items"]) == len(lines)
    (entry,) = [row for row in told(stage, "drift") if "lines" in row["fields"]]
    assert entry["fields"]["lines"]["why"] == "Invoiced_Items cannot be emptied: it keeps what it has"
    a_while(stage)
    stage.assert_idle(passes=2)


def test_what_has_no_code_is_neither_left_out_nor_doubled(stage: Stage) -> None:
    """Products without a code, namesakes with another one, and invoice lines that name no item."""
    contact = open_business(stage)
    for name in ("Delivery", "Advice", "Rye"):
        stage.crm.act("create", "Products", None, {"Product_Name": name})
    for code, name in (("RYE", "Rye"), ("ADV-2", "Advice"), ("MISC", "Anything else")):
        stage.books.act("create", "Items", None, {"Code": code, "Name": name})
    stage.crm.act("update", "Products", product(stage, "Advice")["id"], {"Product_Code": "ADV-1"})
    books_invoice(stage, contact, "INV-1", LineItems=[line(Description="Anything", ItemCode=None)])
    stage.sync()
    made = product(stage, "Delivery")
    assert {row["Code"]: row["Name"] for row in stage.books.records("Items")} == {
        "BREAD": "Bread",
        "RYE": "Rye",
        "ADV-1": "Advice",
        "ADV-2": "Advice",
        "MISC": "Anything else",
        f"CRM{made['id']}": "Delivery",
    }
    assert product(stage, "Rye")["Product_Code"] == "RYE"
    assert len(stage.crm.records("Products")) == 6
    (shown,) = crm_invoice(stage, "INV-1")["Invoiced_Items"]
    assert (shown["Product_Name"]["name"], shown["Description"]) == ("Anything else", "Anything")
    a_while(stage)
    stage.assert_idle(passes=2)
    edit_crm_invoice(stage, "INV-1", {"Invoiced_Items": [{"id": shown["id"], "Description": "Something"}]})
    stage.sync()
    (kept,) = book_entry(stage, "INV-1")["LineItems"]
    assert (kept["Description"], kept.get("ItemCode")) == ("Something", None)
    a_while(stage)
    stage.assert_idle(passes=2)


def product(stage: Stage, name: str) -> dict[str, Any]:
    return next(row for row in stage.crm.records("Products") if row["Product_Name"] == name)
