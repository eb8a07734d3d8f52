"""Zoho CRM with Zoho Books, all modules on: the made-up business in step, and edits carried over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.stage import Stage, extending, one

SYSTEMS = {"crm": "zoho-crm", "books": "zoho-books"}
SPEC = (
    extending("zoho-crm-zoho-books", SYSTEMS, name="sold")
    + """
country: AU
modules:
  payments: {enabled: true}
  credit_notes: {enabled: true}
  bills: {enabled: true}
"""
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with Stage(folder, data="demo", spec=SPEC, systems=SYSTEMS) as opened:
        opened.connect()
        yield opened


def in_step(stage: Stage) -> dict[str, Any]:
    """A pass that carries over, and one that must find nothing to write; what the first one told."""
    told = stage.sync(code=None)
    stage.assert_idle()
    return told


def test_the_made_up_business_is_brought_in_step_in_every_module(stage: Stage) -> None:
    first = in_step(stage)
    assert first["problems"] == {}
    linked = {name: module["linked"] for name, module in first["modules"].items()}
    assert (linked["accounts"], linked["people"], linked["products"], linked["invoices"]) == (
        264,
        270,
        120,
        58,
    )
    made = {name: module["created"] for name, module in first["modules"].items()}
    for name in ("accounts", "vendors", "people", "products", "quotes", "sales_orders", "purchase_orders"):
        assert made[name]["crm"] > 0, name
        assert made[name]["books"] > 0, name
    for name in ("payments", "credit_notes", "bills"):
        assert made[name]["crm"] > 0, name
        assert made[name]["books"] == 0, name
    told = stage.run("log", "--limit", "5000", "--json").out
    assert '"event":"drift"' not in told
    rewritten = [json.loads(line) for line in told.splitlines() if '"event":"rewritten"' in line]
    assert {(one["module"], *one["fields"]) for one in rewritten} <= {("quotes", "status")}, rewritten


def test_a_customer_and_its_people_go_both_ways(stage: Stage) -> None:
    told = {"Account_Name": "Whole Foods Co-op", "Billing_City": "Hobart", "Phone": "03 6200 1111"}
    account = stage.crm.act("create", "Accounts", None, told)
    # The books have it as somebody else has typed it.
    address = {"city": "Hobart", "phone": "(03) 6200-1111"}
    typed = {"contact_name": "Whole Foods Co-opp", "contact_type": "customer", "billing_address": address}
    stage.books.act("create", "contacts", None, typed)
    person = {"First_Name": "Mia", "Last_Name": "Ng", "Email": "mia@whole.test"}
    mia = stage.crm.act("create", "Contacts", None, {**person, "Account_Name": {"id": account["id"]}})
    made = stage.books.act(
        "create", "contacts", None, {"contact_name": "Reef Divers", "contact_type": "customer"}
    )
    assert in_step(stage)["modules"]["accounts"]["linked"] == 1
    contact = one(stage.books.records("contacts"), contact_name="Whole Foods Co-op")
    assert contact["billing_address"]["city"] == "Hobart"
    (named,) = contact["contact_persons"]
    assert (named["first_name"], named["email"]) == ("Mia", "mia@whole.test")
    reef = one(stage.crm.records("Accounts"), Account_Name="Reef Divers")

    stage.crm.act("update", "Accounts", reef["id"], {"Website": "https://reef.test"})
    stage.books.act("update", "contacts", contact["contact_id"], {"contact_name": "Whole Foods Cooperative"})
    person_id = f"{contact['contact_id']}.{named['contact_person_id']}"
    stage.books.act("update", "contactpersons", person_id, {"first_name": "Maria"})
    in_step(stage)
    assert one(stage.crm.records("Accounts"), id=account["id"])["Account_Name"] == "Whole Foods Cooperative"
    assert one(stage.crm.records("Contacts"), id=mia["id"])["First_Name"] == "Maria"
    contact = one(stage.books.records("contacts"), contact_id=made["contact_id"])
    assert contact["website"] == "https://reef.test"


def test_an_invoice_of_the_crm_is_sent_paid_and_told_of_and_another_one_voided(stage: Stage) -> None:
    account = one(stage.crm.records("Accounts"), Account_Name="Whole Foods Cooperative")
    product = next(row for row in stage.crm.records("Products") if row["Product_Code"])
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 2, "List_Price": 50}
    values = {"Account_Name": {"id": account["id"]}, "Invoice_Date": "2026-10-01", "Due_Date": "2099-01-01"}
    paid, dropped = (
        stage.crm.act("create", "Invoices", None, {**values, "Subject": number, "Invoiced_Items": [line]})
        for number in ("W-1", "W-2")
    )
    in_step(stage)
    for invoice in (paid, dropped):
        stage.crm.act("update", "Invoices", invoice["id"], {"Status": "Sent"})
    in_step(stage)
    booked = {
        number: one(stage.books.records("invoices"), invoice_number=number) for number in ("W-1", "W-2")
    }
    assert {each["status"] for each in booked.values()} == {"sent"}
    stage.crm.act("update", "Invoices", dropped["id"], {"Status": "Void"})
    stage.crm.act("update", "Invoices", paid["id"], {"Status": "Paid"})
    in_step(stage)
    assert one(stage.books.records("invoices"), invoice_number="W-2")["status"] == "void"
    assert one(stage.crm.records("Invoices"), id=paid["id"])["Status"] == "Sent", "nobody says paid by hand"
    stage.books.act("pay", "invoices", booked["W-1"]["invoice_id"], {})
    in_step(stage)
    told = one(stage.crm.records("Invoices"), id=paid["id"])
    assert (told["Status"], told["Amount_Due"], told["Amount_Paid"]) == ("Paid", 0, told["Books_Total"])
    (payment,) = [
        row for row in stage.crm.records("Payments") if (row["Account_Name"] or {}).get("id") == account["id"]
    ]
    assert payment["Amount"] == told["Books_Total"]


def test_a_line_without_an_item_has_the_product_misc_in_the_crm_whatever_its_id(stage: Stage) -> None:
    contact = one(stage.books.records("contacts"), contact_name="Whole Foods Cooperative")
    free = {"description": "By the hour", "rate": 80, "quantity": 3}
    told = {"customer_id": contact["contact_id"], "date": "2026-10-02", "line_items": [free]}
    told |= {"invoice_number": "W-3", "due_date": "2099-01-01"}
    booked = stage.books.act("create", "invoices", None, told)
    stage.sync(code=None)
    assert not [row for row in stage.crm.records("Invoices") if row["Subject"] == "W-3"]
    told_why = stage.run("explain", "invoices", booked["invoice_id"]).out
    assert "waits for products MISC, which has no counterpart yet" in told_why
    misc = {"Product_Name": "Anything else", "Product_Code": "MISC"}
    made = stage.crm.act("create", "Products", None, misc)
    stage.sync(code=None)  # MISC is in both systems, and the next pass has whom to name
    in_step(stage)

    def lines() -> tuple[dict[str, Any], dict[str, Any]]:
        (here,) = one(stage.crm.records("Invoices"), Subject="W-3")["Invoiced_Items"]
        (there,) = one(stage.books.records("invoices"), invoice_number="W-3")["line_items"]
        return here, there

    here, there = lines()
    assert (here["Product_Name"]["id"], here["Description"], here["List_Price"]) == (
        made["id"],
        "By the hour",
        80,
    )
    assert not there["item_id"]
    # An edit of either end is that edit at the other, and the line is still nobody's item.
    edited = {**free, "line_item_id": there["line_item_id"], "quantity": 4}
    stage.books.act("update", "invoices", booked["invoice_id"], {"line_items": [edited]})
    in_step(stage)
    assert lines()[0]["Quantity"] == 4
    invoice = one(stage.crm.records("Invoices"), Subject="W-3")
    changed = {"id": here["id"], "Product_Name": {"id": made["id"]}, "Quantity": 5, "List_Price": 80}
    stage.crm.act("update", "Invoices", invoice["id"], {"Invoiced_Items": [changed]})
    in_step(stage)
    there = lines()[1]
    assert (there["quantity"], there["item_id"], there["description"]) == (5, "", "By the hour")


def test_an_order_to_a_vendor_is_made_in_the_crm_and_put_off_in_the_books(stage: Stage) -> None:
    vendor = stage.crm.act("create", "Vendors", None, {"Vendor_Name": "Paper Mill"})
    product = next(row for row in stage.crm.records("Products") if row["Product_Code"])
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 3, "List_Price": 20, "Discount": 6}
    values = {"Subject": "Paper", "Vendor_Name": {"id": vendor["id"]}, "PO_Number": "W-PO-1"}
    made = stage.crm.act("create", "Purchase_Orders", None, {**values, "Purchase_Items": [line]})
    in_step(stage)
    order = one(stage.books.records("purchaseorders"), purchaseorder_number="W-PO-1")
    assert (order["vendor_name"], order["line_items"][0]["rate"]) == ("Paper Mill", 18)
    assert not [row for row in stage.crm.records("Accounts") if row["Account_Name"] == "Paper Mill"]
    stage.books.act("update", "purchaseorders", order["purchaseorder_id"], {"delivery_date": "2026-12-24"})
    in_step(stage)
    assert one(stage.crm.records("Purchase_Orders"), id=made["id"])["Due_Date"] == "2026-12-24"
