"""Zoho CRM with Xero, every module switched on: the made-up business in step, and edits carried over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.stage import Stage, extending, one

SPEC = extending("xero-zoho-crm-full")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), data="demo", spec=SPEC) as opened:
        opened.connect()
        yield opened


def at_rest(stage: Stage) -> dict[str, Any]:
    """Passes until nothing is to be written, which the third one must find; what that one told."""
    for _ in range(3):
        stage.forget_requests()
        told = stage.sync(code=None)
        if stage.writes() == 0:
            return told
    raise AssertionError(stage.books.requests("PUT", "POST") | stage.crm.requests("PUT", "POST"))


def test_the_made_up_business_is_brought_in_step_in_every_module(stage: Stage) -> None:
    first = stage.sync(code=None)
    assert first["problems"] == {}
    made = {
        name: sum(module["created"].values()) + module["linked"] for name, module in first["modules"].items()
    }
    assert set(made) == {
        *("accounts", "people", "vendors", "products", "invoices", "quotes", "purchase_orders"),
        *("payments", "credit_notes", "bills"),
    }
    assert all(count >= 5 for count in made.values()), made
    told = at_rest(stage)
    assert all(module["failed"] <= 2 for module in told["modules"].values()), told
    # The two that fail were ended in the CRM before the books ever knew them.
    failed = stage.run("status", "--list", "failed", "--json").json["records"]
    assert all("not valid for a new invoice" in row["reason"] for row in failed), failed


def test_a_person_is_kept_inside_the_contact(stage: Stage) -> None:
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Whole Foods Co-op"})
    values = {
        "First_Name": "Mia",
        "Last_Name": "Ng",
        "Email": "mia@whole.test",
        "Account_Name": {"id": account["id"]},
    }
    mia = stage.crm.act("create", "Contacts", None, values)
    other = {**values, "First_Name": "Tom", "Email": "tom@whole.test"}
    stage.crm.act("create", "Contacts", None, other)
    at_rest(stage)
    contact = one(stage.books.records("Contacts"), Name="Whole Foods Co-op")
    assert (contact["FirstName"], contact["EmailAddress"]) == ("Mia", "mia@whole.test")
    assert [each["EmailAddress"] for each in contact["ContactPersons"]] == ["tom@whole.test"]
    stage.books.act("update", "Contacts", contact["ContactID"], {"FirstName": "Maria"})
    at_rest(stage)
    assert one(stage.crm.records("Contacts"), id=mia["id"])["First_Name"] == "Maria"


def test_a_vendor_gets_no_account_and_its_order_goes_both_ways(stage: Stage) -> None:
    vendor = stage.crm.act("create", "Vendors", None, {"Vendor_Name": "Paper Mill"})
    product = next(row for row in stage.crm.records("Products") if row["Product_Code"])
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 3, "List_Price": 20}
    values = {
        "Subject": "Paper",
        "Vendor_Name": {"id": vendor["id"]},
        "PO_Number": "W-1",
        "PO_Date": "2026-10-01",
    }
    stage.crm.act("create", "Purchase_Orders", None, {**values, "Purchase_Items": [line]})
    at_rest(stage)
    order = one(stage.books.records("PurchaseOrders"), PurchaseOrderNumber="W-1")
    assert order["Contact"]["Name"] == "Paper Mill"
    assert not [row for row in stage.crm.records("Accounts") if row["Account_Name"] == "Paper Mill"]
    stage.books.act("update", "PurchaseOrders", order["PurchaseOrderID"], {"DeliveryDate": "2026-12-24"})
    at_rest(stage)
    assert one(stage.crm.records("Purchase_Orders"), PO_Number="W-1")["Due_Date"] == "2026-12-24"


def test_an_invoice_is_approved_paid_and_told_of_in_the_crm(stage: Stage) -> None:
    account = one(stage.crm.records("Accounts"), Account_Name="Whole Foods Co-op")
    product = next(row for row in stage.crm.records("Products") if row["Product_Code"])
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 2, "List_Price": 50}
    values = {"Subject": "W-INV-1", "Account_Name": {"id": account["id"]}, "Invoice_Date": "2026-10-01"}
    made = stage.crm.act(
        "create", "Invoices", None, {**values, "Due_Date": "2099-01-01", "Invoiced_Items": [line]}
    )
    at_rest(stage)
    stage.crm.act("update", "Invoices", made["id"], {"Status": "Approved"})
    at_rest(stage)
    booked = one(stage.books.records("Invoices"), InvoiceNumber="W-INV-1")
    assert booked["Status"] == "AUTHORISED"
    assert booked["Url"].endswith(made["id"])
    stage.crm.act("update", "Invoices", made["id"], {"Status": "Paid"})
    at_rest(stage)
    assert one(stage.crm.records("Invoices"), id=made["id"])["Status"] == "Approved", (
        "nobody says paid by hand"
    )
    stage.books.act("pay", "Invoices", booked["InvoiceID"], {})
    at_rest(stage)
    assert one(stage.crm.records("Invoices"), id=made["id"])["Status"] == "Paid"
    assert one(stage.crm.records("Payments"), Name="Payment of W-INV-1")["Amount"] == booked["AmountDue"]
