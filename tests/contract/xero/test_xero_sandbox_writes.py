"""Writes of the sandbox: matching, partial updates, error modes, states, tax and payments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

Remote = Any

PAID = "This document cannot be edited as it has a payment or credit note allocated to it."
STATUS = "Invoice not of valid status for modification"


def fault(answer: Any) -> str:
    """The first message of a 400."""
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert (body["ErrorNumber"], body["Type"]) == (10, "ValidationException")
    message: str = body["Elements"][0]["ValidationErrors"][0]["Message"]
    return message


@pytest.fixture
def contact(remote: Remote) -> str:
    return str(remote.make("Contacts", {"Name": "Customer"})["ContactID"])


@pytest.fixture
def invoice_body(contact: str) -> dict[str, Any]:
    return {
        "Type": "ACCREC",
        "Contact": {"ContactID": contact},
        "Date": "2026-11-02",
        "DueDate": "2026-11-30",
        "LineItems": [line()],
    }


def line(**values: Any) -> dict[str, Any]:
    return {"Description": "Work", "Quantity": 2, "UnitAmount": 50, "AccountCode": "200", **values}


# --- contacts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"FirstName": "x"}, "The Contact must contain at least 1", id="no name"),
        pytest.param({"Name": "customer"}, "The contact name customer is already assigned", id="same name"),
        pytest.param({"Name": "a<b"}, "The contact name cannot contain", id="angle bracket"),
        pytest.param({"Name": "a  b"}, "The contact name cannot have", id="doubled space"),
        pytest.param({"Name": " a"}, "The contact name cannot have", id="leading space"),
        pytest.param({"Name": "x" * 256}, "The Name field exceeds", id="long name"),
        pytest.param({"Name": "n", "EmailAddress": "nobody"}, "Email address must be valid.", id="email"),
        pytest.param({"Name": "n", "EmailAddress": "ü@x.de"}, "Email address must be valid.", id="umlaut"),
        pytest.param(
            {"Name": "n", "DefaultCurrency": "CHF"}, "Organisation is not subscribed", id="currency"
        ),
        pytest.param({"Name": "n", "AccountsReceivableTaxType": "X"}, "The TaxType code", id="tax type"),
        pytest.param({"Name": "n", "ContactStatus": "GONE"}, "ContactStatus is not valid", id="status"),
        pytest.param({"Name": "n", "ContactPersons": [{}] * 6}, "A contact can have at most 5", id="persons"),
        pytest.param(
            {"Name": "n", "Phones": [{"PhoneType": "PAGER"}]},
            "PhoneType 'PAGER' is not valid",
            id="phone type",
        ),
        pytest.param(
            {"Name": "n", "Addresses": [{"AddressType": "POBOX", "Country": "Area 51"}]},
            "Country names may hold letters only.",
            id="digits in a country",
        ),
        pytest.param(
            {"Name": "n", "PaymentTerms": {"Sales": {"Day": 32, "Type": "DAYSAFTERBILLDATE"}}},
            "Payment terms day",
            id="terms",
        ),
    ],
)
def test_contacts_are_checked(remote: Remote, contact: str, body: dict[str, Any], message: str) -> None:
    assert fault(remote.put("/Contacts", body)).startswith(message)
    assert len(remote.sandbox.records("Contacts")) == 1


def test_a_name_is_unique_among_active_contacts_only(remote: Remote, contact: str) -> None:
    remote.post(f"/Contacts/{contact}", {"ContactStatus": "ARCHIVED"})
    remote.make("Contacts", {"Name": "CUSTOMER"})
    back = remote.post(f"/Contacts/{contact}", {"ContactStatus": "ACTIVE"})
    assert "already assigned" in fault(back)


@pytest.mark.parametrize("key", ["ContactNumber", "AccountNumber"])
def test_contact_keys_are_unique_among_all(remote: Remote, contact: str, key: str) -> None:
    remote.post(f"/Contacts/{contact}", {key: "K", "ContactStatus": "ARCHIVED"})
    assert "already assigned" in fault(remote.put("/Contacts", {"Name": "Other", key: "K"}))


@pytest.mark.parametrize(
    "by",
    [
        pytest.param({"Name": "CUSTOMER"}, id="by name"),
        pytest.param({"ContactNumber": "N-1"}, id="by number"),
        pytest.param({"Name": "Renamed", "ContactNumber": "N-1"}, id="number before name"),
    ],
)
def test_post_matches_by_natural_key_and_put_never(remote: Remote, contact: str, by: dict[str, str]) -> None:
    remote.post(f"/Contacts/{contact}", {"ContactNumber": "N-1"})
    answer = remote.post("/Contacts", {"Contacts": [{**by, "TaxNumber": "7"}]}).json()["Contacts"]
    assert [row["ContactID"] for row in answer] == [contact]
    assert fault(remote.put("/Contacts", {"Name": "x", **by})).startswith("The contact n")


def test_an_update_keeps_what_it_does_not_send(remote: Remote) -> None:
    made = remote.make(
        "Contacts",
        {
            "Name": "A",
            "EmailAddress": "a@a.example",
            "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "1", "PhoneAreaCode": "02"}],
            "ContactPersons": [{"FirstName": "P"}, {"FirstName": "Q"}],
        },
    )
    path = f"/Contacts/{made['ContactID']}"
    remote.post(path, {"TaxNumber": "9", "Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "2"}]})
    row = remote.get(path).json()["Contacts"][0]
    phones = {p["PhoneType"]: (p["PhoneNumber"], p["PhoneAreaCode"]) for p in row["Phones"]}
    assert phones == {"DDI": ("", ""), "DEFAULT": ("1", "02"), "FAX": ("", ""), "MOBILE": ("2", "")}
    assert (row["EmailAddress"], row["TaxNumber"], len(row["ContactPersons"])) == ("a@a.example", "9", 2)
    remote.post(path, {"EmailAddress": "", "TaxNumber": None, "ContactPersons": [{"FirstName": "R"}]})
    row = remote.get(path).json()["Contacts"][0]
    assert "EmailAddress" not in row
    assert row["TaxNumber"] == "9"
    assert [p["FirstName"] for p in row["ContactPersons"]] == ["R"]


@pytest.mark.parametrize(("moves", "same"), [(False, True), (True, False)])
def test_an_update_without_a_change_moves_the_stamp_by_switch(
    remote: Remote, contact: str, moves: bool, same: bool
) -> None:
    remote.sandbox.switches["noop_moves_updated"] = moves
    before = remote.get(f"/Contacts/{contact}").json()["Contacts"][0]
    after = remote.post(f"/Contacts/{contact}", {"Name": "Customer"}).json()["Contacts"][0]
    assert (after["UpdatedDateUTC"] == before["UpdatedDateUTC"]) is same


def test_documents_change_a_contact_without_moving_its_stamp(
    remote: Remote, contact: str, invoice_body: dict[str, Any]
) -> None:
    before = remote.get(f"/Contacts/{contact}").json()["Contacts"][0]
    remote.make("Invoices", {**invoice_body, "Status": "AUTHORISED"})
    after = remote.get(f"/Contacts/{contact}").json()["Contacts"][0]
    assert (before["IsCustomer"], after["IsCustomer"]) == (False, True)
    assert after["Balances"]["AccountsReceivable"]["Outstanding"] == 110
    assert after["UpdatedDateUTC"] == before["UpdatedDateUTC"]


def test_a_remote_that_rewrites(remote: Remote) -> None:
    remote.sandbox.switches["rewrite"] = True
    assert remote.make("Contacts", {"Name": " Ana  Lee "})["Name"] == "ANA LEE"


# --- both error modes, idempotency, bodies -----------------------------------------------------------


def test_summarised_errors_store_nothing(remote: Remote, contact: str) -> None:
    body = {"Contacts": [{"Name": "Good"}, {"Name": "Customer"}]}
    answer = remote.put("/Contacts", body)
    assert "already assigned" in fault(answer)
    assert len(answer.json()["Elements"]) == 1
    assert [r["Name"] for r in remote.sandbox.records("Contacts")] == ["Customer"]


def test_element_errors_store_the_good_ones_in_order(remote: Remote, contact: str) -> None:
    body = {"Contacts": [{"Name": "One"}, {"Name": "Customer"}, {"Name": "Two"}, {"Name": "two"}]}
    answer = remote.put("/Contacts", body, params={"summarizeErrors": "false"})
    rows = answer.json()["Contacts"]
    assert answer.status_code == 200
    assert [r["StatusAttributeString"] for r in rows] == ["OK", "ERROR", "OK", "ERROR"]
    assert rows[1]["ContactID"] == "00000000-0000-0000-0000-000000000000"
    assert rows[1]["HasValidationErrors"] is True
    assert {r["Name"] for r in remote.sandbox.records("Contacts")} == {"Customer", "One", "Two"}


def test_a_key_replays_its_answer_for_six_minutes(remote: Remote) -> None:
    key = {"Idempotency-Key": "k1"}
    first = remote.put("/Contacts", {"Name": "A"}, headers=key)
    again = remote.put("/Contacts", {"Name": "A"}, headers=key)
    assert again.content == first.content
    assert len(remote.sandbox.records("Contacts")) == 1
    other = remote.put("/Contacts", {"Name": "B"}, headers=key)
    assert other.status_code == 400
    assert "different request" in other.json()["Message"]
    remote.sandbox.clock.advance(361)
    assert "already assigned" in fault(remote.put("/Contacts", {"Name": "A"}, headers=key))


def test_a_key_replays_errors_too(remote: Remote, contact: str) -> None:
    key = {"Idempotency-Key": "k2"}
    first = remote.put("/Contacts", {"Name": "Customer"}, headers=key)
    remote.post(f"/Contacts/{contact}", {"ContactStatus": "ARCHIVED"})
    again = remote.put("/Contacts", {"Name": "Customer"}, headers=key)
    assert (again.status_code, again.content) == (400, first.content)


def test_a_key_has_at_most_128_characters(remote: Remote) -> None:
    assert remote.put("/Contacts", {"Name": "A"}, headers={"Idempotency-Key": "k" * 129}).status_code == 400


@pytest.mark.parametrize("content", [b"{", b'{"Contacts": []}', b"[1]", b'"x"', b""])
def test_bodies_that_are_none(remote: Remote, content: bytes) -> None:
    answer = remote.http.put("/api.xro/2.0/Contacts", content=content)
    assert (answer.status_code, answer.json()["ErrorNumber"]) == (400, 17)


@pytest.mark.parametrize("body", [{"Name": "A"}, [{"Name": "A"}], {"Contacts": [{"Name": "A"}]}])
def test_bodies_may_be_bare_or_wrapped(remote: Remote, body: Any) -> None:
    assert remote.put("/Contacts", body).json()["Contacts"][0]["Name"] == "A"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/Contacts", {"Name": 5}),
        ("/Contacts", {"Name": "A", "Phones": ["x"]}),
        ("/Contacts", {"Name": "A", "ContactPersons": ["x"]}),
        ("/Items", {"Code": ["x"]}),
        ("/Invoices", {"Type": "ACCREC", "Contact": {"Name": "New"}, "LineItems": [1]}),
        ("/Payments", {"Invoice": {"InvoiceID": 1}, "Account": 5}),
    ],
)
def test_values_of_a_wrong_type_store_nothing(remote: Remote, path: str, body: dict[str, Any]) -> None:
    answer = remote.put(path, body, params={"summarizeErrors": "false"})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert answer.json()[path[1:]][0]["StatusAttributeString"] == "ERROR"
    else:
        assert answer.json()["ErrorNumber"] in (10, 17)
    assert all(remote.sandbox.records(m) == [] for m in ("Contacts", "Items", "Invoices", "Payments"))


# --- items ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"Name": "x"}, "Price List Item Code must be supplied", id="no code"),
        pytest.param({"Code": "a"}, "Price List Item with Code 'a' already exists", id="same code"),
        pytest.param({"Code": "x" * 31}, "The Code field exceeds", id="long code"),
        pytest.param({"Code": "b", "Name": "x" * 51}, "The Name field exceeds", id="long name"),
        pytest.param({"Code": "b", "SalesDetails": {"AccountCode": "1"}}, "Account code '1'", id="account"),
        pytest.param({"Code": "b", "SalesDetails": {"TaxType": "T"}}, "The TaxType code 'T'", id="tax"),
        pytest.param({"Code": "b", "SalesDetails": {"UnitPrice": "dear"}}, "UnitPrice must be", id="price"),
        pytest.param(
            {"Code": "b", "PurchaseDetails": {"COGSAccountCode": "310"}},
            "Cost Of Goods Sold",
            id="half tracked",
        ),
    ],
)
def test_items_are_checked(remote: Remote, body: dict[str, Any], message: str) -> None:
    remote.make("Items", {"Code": "A"})
    assert fault(remote.put("/Items", body)).startswith(message)


def test_items_are_updated_by_code_and_deleted_for_good(remote: Remote) -> None:
    made = remote.make(
        "Items", {"Code": "A", "Name": "N", "SalesDetails": {"UnitPrice": 2, "AccountCode": "200"}}
    )
    body = {"Code": "a", "SalesDetails": {"UnitPrice": 3}}
    row = remote.post("/Items", body).json()["Items"][0]
    assert row["ItemID"] == made["ItemID"]
    assert row["SalesDetails"] == {"UnitPrice": 3, "AccountCode": "200"}
    assert remote.delete(f"/Items/{made['ItemID']}").status_code == 204
    assert remote.delete(f"/Items/{made['ItemID']}").status_code == 404
    assert remote.sandbox.records("Items") == []


def test_an_item_that_is_not_sold_loses_its_sales_details(remote: Remote) -> None:
    body = {"Code": "A", "Description": "d", "SalesDetails": {"UnitPrice": 2}, "IsSold": False}
    row = remote.make("Items", body)
    assert row["SalesDetails"] == {}
    assert "Description" not in row


# --- invoices: lines, tax, numbers ---------------------------------------------------------------------


def test_tax_is_rounded_line_by_line(remote: Remote, invoice_body: dict[str, Any]) -> None:
    # 5.05 + 5.05 + 5.05 at 10 %: 0.51 a line is 1.53; on the total it would be 1.52.
    lines = [line(Quantity=1, UnitAmount="5.05") for _ in range(3)]
    row = remote.make("Invoices", {**invoice_body, "LineItems": lines})
    assert (row["SubTotal"], row["TotalTax"], row["Total"]) == (15.15, 1.53, 16.68)


@pytest.mark.parametrize(
    ("amounts", "sums"),
    [
        pytest.param("Exclusive", (100, 10, 110), id="exclusive"),
        pytest.param("Inclusive", (90.91, 9.09, 100), id="inclusive"),
        pytest.param("NoTax", (100, 0, 100), id="no tax"),
    ],
)
def test_amounts_with_and_without_tax(
    remote: Remote, invoice_body: dict[str, Any], amounts: str, sums: tuple[float, ...]
) -> None:
    row = remote.make("Invoices", {**invoice_body, "LineAmountTypes": amounts})
    assert (row["SubTotal"], row["TotalTax"], row["Total"]) == sums


@pytest.mark.parametrize(
    ("extra", "amount", "discounted"),
    [
        pytest.param({"DiscountRate": 10}, 90, True, id="rate"),
        pytest.param({"DiscountAmount": 5.5}, 94.5, True, id="amount"),
        pytest.param({"LineAmount": 100}, 100, False, id="sum sent and right"),
        pytest.param({"UnitAmount": 49.999}, 100, False, id="unit rounded to two places"),
    ],
)
def test_line_amounts(
    remote: Remote, invoice_body: dict[str, Any], extra: dict[str, Any], amount: float, discounted: bool
) -> None:
    row = remote.make("Invoices", {**invoice_body, "LineItems": [line(**extra)]})
    assert row["LineItems"][0]["LineAmount"] == amount
    assert row["IsDiscounted"] is discounted
    assert ("TotalDiscount" in row) is discounted


def test_four_places_are_kept_when_asked(remote: Remote, invoice_body: dict[str, Any]) -> None:
    body = {**invoice_body, "LineItems": [line(Quantity=1000, UnitAmount=0.1234)]}
    row = remote.make("Invoices", body, params={"unitdp": "4"})
    assert row["LineItems"][0]["UnitAmount"] == 0.1234
    assert row["SubTotal"] == 123.4
    short = remote.get(f"/Invoices/{row['InvoiceID']}").json()["Invoices"][0]
    assert short["LineItems"][0]["UnitAmount"] == 0.12


def test_a_line_takes_what_its_item_says(remote: Remote, invoice_body: dict[str, Any]) -> None:
    details = {"UnitPrice": 7, "AccountCode": "260", "TaxType": "EXEMPTOUTPUT"}
    remote.make("Items", {"Code": "W", "Description": "Widget", "SalesDetails": details})
    row = remote.make("Invoices", {**invoice_body, "LineItems": [{"ItemCode": "W", "Quantity": 3}]})
    stored = row["LineItems"][0]
    assert (stored["Description"], stored["UnitAmount"], stored["AccountCode"]) == ("Widget", 7, "260")
    assert (stored["TaxType"], stored["TaxAmount"], stored["LineAmount"]) == ("EXEMPTOUTPUT", 0, 21)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"Type": "ACCX"}, "Invoice type is not valid", id="type"),
        pytest.param({"Contact": None}, "A Contact must be specified", id="no contact"),
        pytest.param({"Status": "PAID"}, "Invoice status is not valid", id="paid from the start"),
        pytest.param({"Status": "AUTHORISED", "LineItems": []}, "One or more line items", id="no lines"),
        pytest.param({"Status": "AUTHORISED", "DueDate": None}, "Due Date cannot be empty", id="no due date"),
        pytest.param(
            {"CurrencyCode": "CHF"}, "Organisation is not subscribed to currency CHF", id="currency"
        ),
        pytest.param({"LineAmountTypes": "Gross"}, "LineAmountTypes is not valid", id="amount types"),
        pytest.param({"Date": "soon"}, "Date is not a valid date", id="date"),
        pytest.param({"Total": 1}, "The invoice total does not equal", id="wrong total"),
        pytest.param({"LineItems": [{"Quantity": 1}]}, "Description cannot be empty", id="no description"),
        pytest.param({"LineItems": [{"ItemCode": "?"}]}, "Item code '?' is not valid", id="item"),
        pytest.param(
            {"LineItems": [line(LineAmount=99)]}, "The line total 99 does not match", id="line total"
        ),
        pytest.param({"LineItems": [line(TaxType="GST9")]}, "The TaxType code 'GST9'", id="tax type"),
        pytest.param({"LineItems": [line(TaxType="INPUT")]}, "The TaxType code 'INPUT' cannot", id="tax use"),
        pytest.param(
            {"LineItems": [line(AccountCode="090")], "Status": "AUTHORISED"}, "Account code '090'", id="bank"
        ),
        pytest.param(
            {"LineItems": [{"Description": "x", "UnitAmount": 1}], "Status": "AUTHORISED"},
            "Account code must be specified",
            id="no account",
        ),
        pytest.param({"InvoiceNumber": "inv-1"}, "Invoice # must be unique.", id="number"),
        pytest.param({"Url": "https://xero.example"}, "Url is not valid", id="url"),
        pytest.param({"SentToContact": True}, "Only approved invoices", id="sent too early"),
    ],
)
def test_invoices_are_checked(
    remote: Remote, invoice_body: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    remote.make("Invoices", {**invoice_body, "InvoiceNumber": "INV-1"})
    assert fault(remote.put("/Invoices", {**invoice_body, **change})).startswith(message)


def test_a_draft_loses_an_unknown_account_with_a_warning(
    remote: Remote, invoice_body: dict[str, Any]
) -> None:
    body = {**invoice_body, "LineItems": [line(AccountCode="999")]}
    row = remote.make("Invoices", body, params={"summarizeErrors": "false"})
    assert row["StatusAttributeString"] == "WARNING"
    assert row["Warnings"][0]["Message"].startswith("Account code '999' has been removed")
    assert "AccountCode" not in row["LineItems"][0]


def test_numbers_are_given_and_a_deleted_one_may_return(remote: Remote, invoice_body: dict[str, Any]) -> None:
    first, second = remote.make("Invoices", invoice_body), remote.make("Invoices", invoice_body)
    assert (first["InvoiceNumber"], second["InvoiceNumber"]) == ("INV-0001", "INV-0002")
    again = {**invoice_body, "InvoiceNumber": "INV-0001"}
    remote.post(f"/Invoices/{first['InvoiceID']}", {"Status": "DELETED"})
    posted = remote.post("/Invoices", again)
    assert fault(posted) == STATUS
    assert remote.make("Invoices", again)["InvoiceID"] != first["InvoiceID"]


def test_bills_have_no_unique_number_and_no_discount(remote: Remote, invoice_body: dict[str, Any]) -> None:
    bill = {**invoice_body, "Type": "ACCPAY", "InvoiceNumber": "B1", "LineItems": [line(AccountCode="400")]}
    assert remote.make("Invoices", bill)["InvoiceID"] != remote.make("Invoices", bill)["InvoiceID"]
    cut = {**bill, "LineItems": [line(AccountCode="400", DiscountRate=5)]}
    assert fault(remote.put("/Invoices", cut)).startswith("Discounts are only supported")


def test_the_default_date_is_today_where_the_organisation_is(remote: Remote, contact: str) -> None:
    today = datetime.now(ZoneInfo("Australia/Sydney")).date().isoformat()
    row = remote.make(
        "Invoices", {"Type": "ACCREC", "Contact": {"ContactID": contact}, "LineItems": [line()]}
    )
    assert row["DateString"] == f"{today}T00:00:00"


def test_a_date_with_a_zone_can_lose_a_day(remote: Remote, invoice_body: dict[str, Any]) -> None:
    row = remote.make("Invoices", {**invoice_body, "Date": "2026-11-02T08:00:00+11:00"})
    assert row["DateString"] == "2026-11-01T00:00:00"


def test_currencies_and_their_rate(remote: Remote, invoice_body: dict[str, Any]) -> None:
    dollars = remote.make("Invoices", {**invoice_body, "CurrencyCode": "USD"})
    fixed = remote.make("Invoices", {**invoice_body, "CurrencyCode": "USD", "CurrencyRate": 0.7123456})
    home = remote.make("Invoices", {**invoice_body, "CurrencyRate": 3})
    assert [r["CurrencyRate"] for r in (dollars, fixed, home)] == [0.65, 0.712346, 1]


def test_a_nested_contact_is_created_or_changed(
    remote: Remote, contact: str, invoice_body: dict[str, Any]
) -> None:
    remote.make("Invoices", {**invoice_body, "Contact": {"Name": "Stranger"}})
    remote.make(
        "Invoices", {**invoice_body, "Contact": {"ContactID": contact, "EmailAddress": "c@c.example"}}
    )
    found = {r["Name"]: r.get("EmailAddress") for r in remote.sandbox.records("Contacts")}
    assert found == {"Customer": "c@c.example", "Stranger": None}


def test_an_archived_contact_gets_no_documents(
    remote: Remote, contact: str, invoice_body: dict[str, Any]
) -> None:
    remote.post(f"/Contacts/{contact}", {"ContactStatus": "ARCHIVED"})
    assert fault(remote.put("/Invoices", invoice_body)) == "Unable to assign an Archived contact."


def test_lines_are_replaced_and_known_ids_keep_what_is_not_sent(
    remote: Remote, invoice_body: dict[str, Any]
) -> None:
    made = remote.make("Invoices", {**invoice_body, "LineItems": [line(), line(Description="Gone")]})
    kept = made["LineItems"][0]["LineItemID"]
    path = f"/Invoices/{made['InvoiceID']}"
    body = {"LineItems": [line(Description="New"), {"LineItemID": kept, "Quantity": 5}]}
    rows = remote.post(path, body).json()["Invoices"][0]["LineItems"]
    assert [(r["Description"], r["Quantity"], r["LineAmount"]) for r in rows] == [
        ("New", 2, 100),
        ("Work", 5, 250),
    ]
    assert rows[1]["LineItemID"] == kept
    assert rows[0]["LineItemID"] not in {r["LineItemID"] for r in made["LineItems"]}
    assert remote.post(path, {"Reference": "r"}).json()["Invoices"][0]["LineItems"] == rows


# --- invoices: states, payments, locks ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "to", "message"),
    [
        ("DRAFT", "SUBMITTED", None),
        ("DRAFT", "AUTHORISED", None),
        ("DRAFT", "DELETED", None),
        ("DRAFT", "VOIDED", STATUS),
        ("DRAFT", "PAID", STATUS),
        ("SUBMITTED", "DRAFT", None),
        ("SUBMITTED", "AUTHORISED", None),
        ("SUBMITTED", "DELETED", None),
        ("AUTHORISED", "AUTHORISED", None),
        ("AUTHORISED", "DRAFT", STATUS),
        ("AUTHORISED", "DELETED", STATUS),
        ("AUTHORISED", "VOIDED", None),
    ],
)
def test_states(
    remote: Remote, invoice_body: dict[str, Any], start: str, to: str, message: str | None
) -> None:
    made = remote.make("Invoices", {**invoice_body, "Status": start})
    answer = remote.post(f"/Invoices/{made['InvoiceID']}", {"Status": to})
    if message is not None:
        assert fault(answer) == message
    else:
        assert answer.json()["Invoices"][0]["Status"] == to


@pytest.mark.parametrize("end", ["DELETED", "VOIDED"])
def test_nothing_follows_the_end(remote: Remote, invoice_body: dict[str, Any], end: str) -> None:
    made = remote.make("Invoices", {**invoice_body, "Status": "DRAFT" if end == "DELETED" else "AUTHORISED"})
    path = f"/Invoices/{made['InvoiceID']}"
    ended = remote.post(path, {"Status": end}).json()["Invoices"][0]
    assert ended["AmountDue"] == 0
    assert fault(remote.post(path, {"Reference": "late"})) == STATUS
    assert path.rsplit("/", 1)[1] in {r["InvoiceID"] for r in remote.get("/Invoices").json()["Invoices"]}


@pytest.fixture
def paid(remote: Remote, invoice_body: dict[str, Any]) -> dict[str, Any]:
    """An invoice over 110, of which 40 has been paid."""
    made: dict[str, Any] = remote.make("Invoices", {**invoice_body, "Status": "AUTHORISED"})
    payment = remote.make("Payments", pay(made, 40))
    return {**remote.get(f"/Invoices/{made['InvoiceID']}").json()["Invoices"][0], "_payment": payment}


def pay(invoice: dict[str, Any], amount: float) -> dict[str, Any]:
    return {
        "Invoice": {"InvoiceID": invoice["InvoiceID"]},
        "Account": {"Code": "090"},
        "Date": "2026-11-05",
        "Amount": amount,
    }


def test_payments_move_amounts_and_status(remote: Remote, paid: dict[str, Any]) -> None:
    path = f"/Invoices/{paid['InvoiceID']}"
    assert (paid["Status"], paid["AmountPaid"], paid["AmountDue"]) == ("AUTHORISED", 40, 70)
    assert paid["Payments"][0]["Amount"] == 40
    rest = remote.make("Payments", pay(paid, 70))
    full = remote.get(path).json()["Invoices"][0]
    assert (full["Status"], full["AmountDue"]) == ("PAID", 0)
    assert full["FullyPaidOnDate"] == rest["Date"]
    assert full["UpdatedDateUTC"] != paid["UpdatedDateUTC"]
    gone = remote.post(f"/Payments/{rest['PaymentID']}", {"Status": "DELETED"}).json()["Payments"][0]
    assert gone["Status"] == "DELETED"
    back = remote.get(path).json()["Invoices"][0]
    assert (back["Status"], back["AmountDue"]) == ("AUTHORISED", 70)
    assert "FullyPaidOnDate" not in back
    again = remote.post(f"/Payments/{rest['PaymentID']}", {"Status": "DELETED"})
    assert fault(again) == "Payment not of valid status for modification"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"Amount": 70.01}, "Payment amount exceeds", id="too much"),
        pytest.param({"Amount": 0}, "Payment amount must be", id="nothing"),
        pytest.param({"Account": {"Code": "200"}}, "Account is not valid for payments", id="not a bank"),
        pytest.param({"Invoice": {"InvoiceNumber": "?"}}, "The invoice could not be found", id="no invoice"),
    ],
)
def test_payments_are_checked(
    remote: Remote, paid: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    assert fault(remote.put("/Payments", {**pay(paid, 10), **change})).startswith(message)


def test_a_draft_takes_no_payment(remote: Remote, invoice_body: dict[str, Any]) -> None:
    draft = remote.make("Invoices", invoice_body)
    assert fault(remote.put("/Payments", pay(draft, 1))).startswith("Payment can only be made")


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({"Reference": "r"}, True),
        ({"DueDate": "2027-01-31"}, True),
        ({"InvoiceNumber": "X-9"}, True),
        ({"LineItems": "description"}, True),
        ({"Date": "2026-11-02"}, True),
        ({"Date": "2026-10-01"}, False),
        ({"CurrencyCode": "USD"}, False),
        ({"LineItems": "quantity"}, False),
        ({"LineItems": "another"}, False),
        ({"Status": "VOIDED"}, False),
    ],
    ids=str,
)
def test_what_a_part_paid_invoice_still_takes(
    remote: Remote, paid: dict[str, Any], change: dict[str, Any], accepted: bool
) -> None:
    line_id = paid["LineItems"][0]["LineItemID"]
    lines = {
        "description": [{"LineItemID": line_id, "Description": "Other"}],
        "quantity": [{"LineItemID": line_id, "Quantity": 9}],
        "another": [{"LineItemID": line_id}, line()],
    }
    if "LineItems" in change:
        change = {"LineItems": lines[change["LineItems"]]}
    answer = remote.post(f"/Invoices/{paid['InvoiceID']}", change)
    if accepted:
        assert answer.status_code == 200, answer.text
    else:
        assert fault(answer) == PAID


def test_a_part_paid_due_date_moves_without_the_stamp(remote: Remote, paid: dict[str, Any]) -> None:
    row = remote.post(f"/Invoices/{paid['InvoiceID']}", {"DueDate": "2027-01-31"}).json()["Invoices"][0]
    assert row["DueDateString"] == "2027-01-31T00:00:00"
    assert row["UpdatedDateUTC"] == paid["UpdatedDateUTC"]


def test_lock_dates_close_the_books(remote: Remote, invoice_body: dict[str, Any]) -> None:
    made = remote.make("Invoices", {**invoice_body, "Status": "AUTHORISED"})
    draft = remote.make("Invoices", invoice_body)
    remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-11-02"})
    about = remote.get("/Organisation").json()["Organisations"][0]
    assert about["PeriodLockDate"] == "/Date(1793577600000+0000)/"
    locked = "The document date cannot be before the period lock date, currently set at 02 November 2026"
    assert fault(remote.post(f"/Invoices/{made['InvoiceID']}", {"Reference": "x"})) == locked
    assert fault(remote.post(f"/Invoices/{draft['InvoiceID']}", {"Status": "AUTHORISED"})) == locked
    assert fault(remote.put("/Invoices", {**invoice_body, "Status": "AUTHORISED"})) == locked
    assert remote.post(f"/Invoices/{draft['InvoiceID']}", {"Reference": "x"}).status_code == 200


# --- a person's hands ----------------------------------------------------------------------------------


def test_a_person_acts_past_the_api(remote: Remote, invoice_body: dict[str, Any]) -> None:
    act = remote.sandbox.act
    keep, drop = (act("create", "Contacts", None, {"Name": n})["ContactID"] for n in ("Keep", "Drop"))
    bill = act(
        "create", "Invoices", None, {**invoice_body, "Contact": {"ContactID": drop}, "Status": "AUTHORISED"}
    )
    assert act("pay", "Invoices", bill["InvoiceID"], {"Amount": 10})["AmountDue"] == Decimal(100)
    assert act("pay", "Invoices", bill["InvoiceID"], {})["Status"] == "PAID"
    merged = act("merge", "Contacts", drop, {"into": keep})
    assert (merged["ContactStatus"], merged["MergedToContactID"]) == ("ARCHIVED", keep)
    assert remote.get(f"/Invoices/{bill['InvoiceID']}").json()["Invoices"][0]["Contact"]["ContactID"] == keep
    assert act("archive", "Contacts", keep, {})["ContactStatus"] == "ARCHIVED"
    assert act("restore", "Contacts", keep, {})["ContactStatus"] == "ACTIVE"
    item = act("create", "Items", None, {"Code": "A"})["ItemID"]
    assert act("update", "Items", item, {"Name": "n"})["Name"] == "n"
    act("delete", "Items", item, {})
    payment = remote.sandbox.records("Payments")[0]["PaymentID"]
    assert act("delete", "Payments", payment, {})["Status"] == "DELETED"
    assert {r["Status"] for r in remote.sandbox.records("Invoices")} == {"AUTHORISED"}


@pytest.mark.parametrize(
    ("action", "module", "record_id", "error"),
    [
        ("update", "Contacts", "nobody", KeyError),
        ("fly", "Contacts", None, KeyError),
        ("create", "Contacts", None, ValueError),
        ("create", "Journals", None, KeyError),
    ],
)
def test_a_person_cannot_do_everything(
    remote: Remote, action: str, module: str, record_id: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        remote.sandbox.act(action, module, record_id, {})


def test_kept_data_outlive_a_restart(tmp_path: Any, open_remote: Any) -> None:
    first = open_remote("demo", keep=tmp_path)
    made = first.make("Contacts", {"Name": "Lasting"})
    token = first.tokens["refresh_token"]
    before = first.sandbox.records("Invoices")
    first.server.close()
    second = open_remote("demo", keep=tmp_path)
    assert second.token(grant_type="refresh_token", refresh_token=token).status_code == 200
    assert second.get(f"/Contacts/{made['ContactID']}").json()["Contacts"][0]["Name"] == "Lasting"
    assert second.sandbox.records("Invoices") == before
    assert len(second.sandbox.records("Contacts")) == 301


def test_a_restart_does_not_change_arithmetic(tmp_path: Any, open_remote: Any) -> None:
    first = open_remote("empty", keep=tmp_path)
    first.make("Items", {"Code": "A", "SalesDetails": {"UnitPrice": 7}})
    contact = first.make("Contacts", {"Name": "C"})["ContactID"]
    lines = [line(Quantity=3, UnitAmount=5, DiscountRate=10)]
    body = {"Type": "ACCREC", "Contact": {"ContactID": contact}, "LineItems": lines, "CurrencyCode": "USD"}
    made = first.make("Invoices", {**body, "DueDate": "2026-12-01"})
    first.server.close()
    second = open_remote("empty", keep=tmp_path)
    assert second.get("/Items/A").json()["Items"][0]["SalesDetails"]["UnitPrice"] == 7
    kept = {"LineItemID": made["LineItems"][0]["LineItemID"], "Description": "Other"}
    changed = {"LineItems": [kept], "Status": "AUTHORISED"}
    row = second.post(f"/Invoices/{made['InvoiceID']}", changed).json()["Invoices"][0]
    assert (row["SubTotal"], row["TotalTax"], row["Total"]) == (13.5, 1.35, 14.85)
    second.sandbox.act("pay", "Invoices", made["InvoiceID"], {})
    assert second.sandbox.records("Payments")[0]["BankAmount"] == Decimal("22.85")
