"""Zoho CRM with Xero for those who sell to people: first pass, edits and creates of both sides, and rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.stage import Stage, extending, one

SPEC = extending("xero-zoho-crm-people", name="people")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), spec=SPEC) as opened:
        opened.connect()
        yield opened


def at_rest(stage: Stage) -> dict[str, Any]:
    """A pass, a second one for what the first has brought back, and a third one that writes nothing."""
    for _ in range(2):
        told = stage.sync(code=None)
        assert told["problems"] == {}
    stage.forget_requests()
    told = stage.sync()
    assert stage.writes() == 0, {name: system.requests() for name, system in stage.systems.items()}
    return told


def test_people_who_have_never_met_are_matched_or_made_at_the_other_end(stage: Stage) -> None:
    mia = {"First_Name": "Mia", "Last_Name": "Ng", "Email": "mia@ng.test", "Phone": "0290001111"}
    stage.crm.act("create", "Contacts", None, {**mia, "Mailing_City": "Sydney"})
    stage.books.act("create", "Contacts", None, {"Name": "M. Ng", "EmailAddress": "MIA@ng.test"})
    stage.crm.act("create", "Contacts", None, {"Last_Name": "Cher", "Email": "cher@stage.test"})
    tom = {"Name": "Tom Okafor", "FirstName": "Tom", "LastName": "Okafor", "EmailAddress": "tom@okafor.test"}
    stage.books.act("create", "Contacts", None, tom)
    stage.books.act("create", "Contacts", None, {"Name": "Corner Shop"})
    told = at_rest(stage)["modules"]["customers"]
    assert (told["conflicts"], told["ambiguous"], told["failed"]) == (0, 0, 0)
    booked = stage.books.records("Contacts")
    assert len(booked) == 4
    met = one(booked, LastName="Ng")
    assert (met["FirstName"], met["Name"]) == ("Mia", "Mia Ng")
    assert one(booked, Name="Cher")["EmailAddress"] == "cher@stage.test"
    people = stage.crm.records("Contacts")
    assert len(people) == 4
    assert one(people, Last_Name="Okafor")["First_Name"] == "Tom"
    assert one(people, Last_Name="Corner Shop")["First_Name"] in (None, "")
    assert one(booked, Name="Corner Shop").get("LastName") in (None, ""), "what stands in is not written back"
    assert stage.crm.records("Accounts") == [], "nobody gets an account"


def test_edits_of_both_ends_are_carried_over(stage: Stage) -> None:
    mia = one(stage.crm.records("Contacts"), Last_Name="Ng")
    stage.crm.act("update", "Contacts", mia["id"], {"Last_Name": "Nguyen", "Mobile": "0400111222"})
    tom = one(stage.books.records("Contacts"), Name="Tom Okafor")
    stage.books.act("update", "Contacts", tom["ContactID"], {"EmailAddress": "tom@new.test"})
    at_rest(stage)
    married = one(stage.books.records("Contacts"), LastName="Nguyen")
    assert married["Name"] == "Mia Nguyen"
    phones = {phone["PhoneType"]: phone["PhoneNumber"] for phone in married["Phones"]}
    assert (phones["MOBILE"], phones["DEFAULT"]) == ("0400111222", "0290001111")
    assert one(stage.crm.records("Contacts"), Last_Name="Okafor")["Email"] == "tom@new.test"


def test_a_person_is_invoiced_in_either_system(stage: Stage) -> None:
    product = stage.crm.act(
        "create", "Products", None, {"Product_Name": "Oysters", "Product_Code": "OY", "Unit_Price": 50}
    )
    mia = one(stage.crm.records("Contacts"), Last_Name="Nguyen")
    line = {"Product_Name": {"id": product["id"]}, "Quantity": 2, "List_Price": 50}
    values = {"Subject": "P-1", "Contact_Name": {"id": mia["id"]}, "Invoice_Date": "2026-10-01"}
    stage.crm.act("create", "Invoices", None, {**values, "Due_Date": "2099-01-01", "Invoiced_Items": [line]})
    at_rest(stage)
    booked = one(stage.books.records("Invoices"), InvoiceNumber="P-1")
    assert booked["Contact"]["Name"] == "Mia Nguyen"
    tom = one(stage.books.records("Contacts"), Name="Tom Okafor")
    theirs = {
        "InvoiceNumber": "P-2",
        "Type": "ACCREC",
        "Contact": {"ContactID": tom["ContactID"]},
        "Date": "2026-10-02",
        "DueDate": "2099-01-01",
        "Status": "AUTHORISED",
        "LineItems": [
            {
                "ItemCode": "OY",
                "Description": "Oysters",
                "Quantity": 1,
                "UnitAmount": 50,
                "AccountCode": "200",
            }
        ],
    }
    stage.books.act("create", "Invoices", None, theirs)
    at_rest(stage)
    sent = one(stage.crm.records("Invoices"), Subject="P-2")
    assert sent["Contact_Name"]["id"] == one(stage.crm.records("Contacts"), Last_Name="Okafor")["id"]
    assert sent["Status"] == "Approved"
