"""Zoho CRM with Zoho Books for those who sell to people: first pass, edits of both sides, and rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.effort import LONG
from tests.support.stage import Stage, extending, one

SYSTEMS = {"crm": "zoho-crm", "books": "zoho-books"}
SPEC = (
    extending("zoho-crm-zoho-books-people", SYSTEMS, name="people")
    + """
modules:
  payments: {enabled: true}
"""
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), spec=SPEC, systems=SYSTEMS) as opened:
        opened.connect()
        yield opened


def in_step(stage: Stage) -> dict[str, Any]:
    """A pass that carries over, and one that must find nothing to write; what the first one told."""
    told = stage.sync(code=None)
    assert told["problems"] == {}
    stage.assert_idle()
    return told


def test_people_of_both_sides_are_each_others_customers(stage: Stage) -> None:
    mia = {"First_Name": "Mia", "Last_Name": "Ng", "Email": "mia@ng.test", "Mailing_City": "Sydney"}
    stage.crm.act("create", "Contacts", None, mia)
    stage.books.act(
        "create",
        "contacts",
        None,
        {
            "contact_name": "M. Ng",
            "contact_type": "customer",
            "contact_persons": [{"first_name": "Mia", "email": "MIA@ng.test", "is_primary_contact": True}],
        },
    )
    stage.crm.act("create", "Contacts", None, {"Last_Name": "Cher", "Email": "cher@stage.test"})
    for email in ("kim@one.test", "kim@two.test"):
        stage.crm.act("create", "Contacts", None, {"First_Name": "Kim", "Last_Name": "Lee", "Email": email})
    stage.books.act("create", "contacts", None, {"contact_name": "Corner Shop", "contact_type": "customer"})
    told = in_step(stage)["modules"]
    assert told["customers"]["created"] == {"crm": 1, "books": 3}
    assert told["customers"]["linked"] == 1
    booked = [row for row in stage.books.records("contacts") if row["contact_type"] == "customer"]
    met = one(booked, contact_name="Mia Ng")
    assert (met["last_name"], met["billing_address"]["city"]) == ("Ng", "Sydney")
    assert one(booked, contact_name="Cher")["email"] == "cher@stage.test"
    lees = {row["email"]: row["contact_name"] for row in booked if row["last_name"] == "Lee"}
    assert sorted(lees) == ["kim@one.test", "kim@two.test"]
    assert {"Kim Lee"} < set(lees.values()), "of two people of one name the second one is told apart"
    assert one(stage.crm.records("Contacts"), Last_Name="Corner Shop")["First_Name"] in (None, "")
    shop = one(booked, contact_name="Corner Shop")
    assert not shop["last_name"], "what stands in is not written back"


def test_edits_of_both_sides_are_carried_over(stage: Stage) -> None:
    mia = one(stage.crm.records("Contacts"), Last_Name="Ng")
    stage.crm.act("update", "Contacts", mia["id"], {"Last_Name": "Nguyen", "Mobile": "0400111222"})
    cher = one(stage.books.records("contacts"), contact_name="Cher")
    address = {"billing_address": {"city": "Malibu"}}
    stage.books.act("update", "contacts", cher["contact_id"], address)
    in_step(stage)
    married = one(stage.books.records("contacts"), last_name="Nguyen")
    assert (married["contact_name"], married["mobile"]) == ("Mia Nguyen", "0400111222")
    assert one(stage.crm.records("Contacts"), Last_Name="Cher")["Mailing_City"] == "Malibu"


def test_a_person_is_invoiced_in_either_system_and_pays(stage: Stage) -> None:
    oysters = {"Product_Name": "Oysters", "Product_Code": "OY", "Unit_Price": 50}
    product = stage.crm.act("create", "Products", None, oysters)
    stage.sync()
    mia = one(stage.crm.records("Contacts"), Last_Name="Nguyen")
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 2, "List_Price": 50}
    values = {"Subject": "P-1", "Contact_Name": {"id": mia["id"]}, "Invoice_Date": "2026-10-01"}
    values |= {"Due_Date": "2099-01-01", "Status": "Sent", "Invoiced_Items": [line]}
    stage.crm.act("create", "Invoices", None, values)
    cher = one(stage.books.records("contacts"), contact_name="Cher")
    item = one(stage.books.records("items"), sku="OY")
    line = {"item_id": item["item_id"], "rate": 20, "quantity": 1}
    told = {"customer_id": cher["contact_id"], "date": "2026-10-02", "line_items": [line]}
    stage.books.act("create", "invoices", None, {**told, "invoice_number": "P-2", "due_date": "2099-01-01"})
    in_step(stage)
    booked = one(stage.books.records("invoices"), invoice_number="P-1")
    assert booked["customer_name"] == "Mia Nguyen"
    sent = one(stage.crm.records("Invoices"), Subject="P-2")
    assert sent["Contact_Name"]["id"] == one(stage.crm.records("Contacts"), Last_Name="Cher")["id"]
    stage.books.act("pay", "invoices", booked["invoice_id"], {})
    in_step(stage)
    assert one(stage.crm.records("Invoices"), Subject="P-1")["Status"] == "Paid"
    (paid,) = [
        row for row in stage.crm.records("Payments") if (row["Contact_Name"] or {}).get("id") == mia["id"]
    ]
    assert paid["Amount"] == booked["total"]


@pytest.mark.skipif(not LONG, reason="the whole made-up business")
def test_the_made_up_business_is_brought_in_step_in_every_module(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Stage(tmp_path_factory.mktemp("demo"), data="demo", spec=SPEC, systems=SYSTEMS) as demo:
        demo.connect()
        made = {name: module["created"] for name, module in in_step(demo)["modules"].items()}
    for name in ("customers", "vendors", "products", "purchase_orders"):
        assert made[name]["crm"] > 0, name
        assert made[name]["books"] > 0, name
    # A document of the made-up CRM names an account and none of its people: whose it is the books alone know.
    for name in ("quotes", "sales_orders", "invoices", "payments"):
        assert made[name]["crm"] > 0, name
