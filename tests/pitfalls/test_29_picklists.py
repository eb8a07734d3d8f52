"""Pitfall 29, picklists: a value the other end lacks stops one field of one record, and wipes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.business import a_while, example_with, told
from tests.support.ledgers import DUE, ledger_document, ledgers_of
from tests.support.stage import Stage
from tests.support.trio import act, find

#: Two kinds of owner are one and the same to the books.
OWNERS = """
accounts:
  fields:
    owners:
      crm: Ownership
      books: SalesDefaultLineAmountType
      values:
        - {crm: Private, books: INCLUSIVE}
        - {crm: Public, books: EXCLUSIVE}
        - {crm: Subsidiary, books: EXCLUSIVE}
"""


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    return stages(spec=example_with(OWNERS))


def account(stage: Stage, name: str) -> dict[str, Any]:
    return next(row for row in stage.crm.records("Accounts") if row["Account_Name"] == name)


def contact(stage: Stage, name: str) -> dict[str, Any]:
    return next(row for row in stage.books.records("Contacts") if row["Name"] == name)


def options(stage: Stage, *values: str) -> None:
    """An administrator leaves the CRM's list with these options."""
    stage.crm.act("update", "Fields", "Accounts.Ownership", {"pick_list_values": ["-None-", *values]})


def in_step(stage: Stage, **owners: str) -> None:
    for name, kind in owners.items():
        stage.crm.act("create", "Accounts", None, {"Account_Name": name, "Ownership": kind})
    stage.sync()
    a_while(stage)


def failing(stage: Stage) -> dict[str, str]:
    rows = stage.run("status", "--list", "failed", "--json").json["records"]
    return {row["records"]["crm"]["name"]: row["reason"] for row in rows}


def test_two_values_that_become_one_do_not_come_back_as_the_other(stage: Stage) -> None:
    in_step(stage, Acme="Subsidiary", Bolt="Public", Coil="Private")
    kinds = {name: contact(stage, name)["SalesDefaultLineAmountType"] for name in ("Acme", "Bolt", "Coil")}
    assert kinds == {"Acme": "EXCLUSIVE", "Bolt": "EXCLUSIVE", "Coil": "INCLUSIVE"}
    stage.assert_idle(passes=3)
    # An edit of something else there, and one of the list here that is none for the books.
    stage.books.act("update", "Contacts", contact(stage, "Acme")["ContactID"], {"TaxNumber": "123"})
    stage.crm.act("update", "Accounts", account(stage, "Bolt")["id"], {"Ownership": "Subsidiary"})
    stage.sync()
    stage.assert_idle(passes=3)
    assert account(stage, "Acme")["Ownership"] == "Subsidiary"
    assert account(stage, "Bolt")["Ownership"] == "Subsidiary"
    # What does change in the books comes over, as the first of its counterparts.
    a_while(stage)
    for name, kind in (("Acme", "INCLUSIVE"), ("Coil", "EXCLUSIVE")):
        there = {"SalesDefaultLineAmountType": kind}
        stage.books.act("update", "Contacts", contact(stage, name)["ContactID"], there)
    stage.sync()
    assert (account(stage, "Acme")["Ownership"], account(stage, "Coil")["Ownership"]) == ("Private", "Public")
    stage.assert_idle(passes=2)


def test_records_that_meet_for_the_first_time_agree_from_either_end(stage: Stage) -> None:
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Acme", "Ownership": "Subsidiary"})
    stage.books.act("create", "Contacts", None, {"Name": "Acme", "SalesDefaultLineAmountType": "EXCLUSIVE"})
    stage.sync()
    stage.assert_idle(passes=2)
    assert account(stage, "Acme")["Ownership"] == "Subsidiary"


def test_a_value_without_a_counterpart_holds_back_that_field_alone(stage: Stage) -> None:
    in_step(stage, Acme="Private", Bolt="Private")
    stage.crm.act("update", "Accounts", account(stage, "Acme")["id"], {"Ownership": "Other", "Phone": "555"})
    stage.crm.act("update", "Accounts", account(stage, "Bolt")["id"], {"Ownership": "Public"})
    stage.sync(code=1)
    assert contact(stage, "Bolt")["SalesDefaultLineAmountType"] == "EXCLUSIVE"
    phones = {each["PhoneType"]: each["PhoneNumber"] for each in contact(stage, "Acme")["Phones"]}
    assert phones["DEFAULT"] == "555", "a field that can go over was held back"
    assert contact(stage, "Acme")["SalesDefaultLineAmountType"] == "INCLUSIVE"
    assert failing(stage) == {
        "Acme": "owners: 'Other' has no counterpart: add it to 'values' of the map 'owners'"
    }
    stage.assert_idle(passes=2)
    stage.crm.act("update", "Accounts", account(stage, "Acme")["id"], {"Ownership": "Public"})
    stage.sync()
    assert contact(stage, "Acme")["SalesDefaultLineAmountType"] == "EXCLUSIVE"
    stage.assert_idle()


def test_a_renamed_option_is_told_by_validate_and_wipes_nothing(stage: Stage) -> None:
    in_step(stage, Acme="Public", Bolt="Private")
    options(stage, "Private", "Listed", "Subsidiary", "Other")
    found = stage.run("validate", "--live", "--json").json
    codes = {(p["code"], p["severity"]) for p in found["problems"] if "Ownership" in p["message"]}
    assert codes == {("unknown-choice", "error"), ("unpaired-choice", "warning")}
    (gone,) = [p for p in found["problems"] if p["code"] == "unknown-choice"]
    assert "does not take 'Public'" in gone["message"]
    assert (
        stage.spec.read_text().splitlines()[gone["line"] - 1].strip() == "- {crm: Public, books: EXCLUSIVE}"
    )
    # The records keep what they have, at both ends.
    stage.assert_idle(passes=2)
    # A new name that somebody chooses is not known here.
    stage.crm.act("update", "Accounts", account(stage, "Acme")["id"], {"Ownership": "Listed"})
    # And the old name, brought by an edit in the books, is not known there.
    there = {"SalesDefaultLineAmountType": "EXCLUSIVE"}
    stage.books.act("update", "Contacts", contact(stage, "Bolt")["ContactID"], there)
    stage.sync(code=1)
    reasons = failing(stage)
    assert reasons["Acme"].startswith("owners: 'Listed' has no counterpart")
    assert "Ownership" in reasons["Bolt"]
    assert contact(stage, "Acme")["SalesDefaultLineAmountType"] == "EXCLUSIVE"
    assert account(stage, "Bolt")["Ownership"] == "Private"
    # The spec is mended.
    text = stage.spec.read_text().replace(
        "{crm: Public, books: EXCLUSIVE}", "{crm: Listed, books: EXCLUSIVE}"
    )
    stage.spec.write_text(text)
    a_while(stage)
    stage.sync("--accept-changes")
    assert failing(stage) == {}
    assert account(stage, "Acme")["Ownership"] == "Listed"
    # A changed map is agreed on anew, by the spec's own rule: what lost to it is in the audit log.
    assert (account(stage, "Bolt")["Ownership"], contact(stage, "Bolt")["SalesDefaultLineAmountType"]) == (
        "Private",
        "INCLUSIVE",
    )
    assert told(stage, "updated")[-1]["fields"]["owners"]["lost"] == "EXCLUSIVE"
    stage.assert_idle(passes=2)


def test_an_option_that_is_out_of_use_stays_where_it_is(stage: Stage) -> None:
    in_step(stage, Acme="Public")
    options(stage, "Private", "Subsidiary", "Other")
    stage.crm.act("update", "Accounts", account(stage, "Acme")["id"], {"Phone": "555"})
    stage.sync()
    stage.assert_idle(passes=2)
    assert account(stage, "Acme")["Ownership"] == "Public"
    assert contact(stage, "Acme")["SalesDefaultLineAmountType"] == "EXCLUSIVE"


# --- two ledgers: taxes, accounts and states are lists of each ------------------------------------------


def in_billing(stage: Stage, number: str) -> dict[str, Any]:
    return find(stage, "billing", "invoices", invoice_number=number)


def booked(stage: Stage, number: str) -> dict[str, Any]:
    return find(stage, "ledger", "Invoices", InvoiceNumber=number)


def taxed(kind: str) -> list[dict[str, Any]]:
    line = {"Description": "Bread", "Quantity": 2, "UnitAmount": 50, "AccountCode": "200", "TaxType": kind}
    return [line]


@pytest.fixture
def ledgers(stages: Callable[..., Stage]) -> Stage:
    return stages(**ledgers_of("companies", "invoices"))


def test_states_that_become_one_in_the_other_ledger_do_not_come_back_as_another(ledgers: Stage) -> None:
    """Sent, overdue and part paid are all authorised in Xero, which says of none of them that it is sent."""
    for number, due in (("SENT", DUE), ("LATE", "2026-06-30"), ("PART", DUE)):
        ledger_document(ledgers, "Invoices", number, DueDate=due, Status="AUTHORISED")
    ledgers.sync()
    act(ledgers, "billing", "pay", "invoices", in_billing(ledgers, "PART")["invoice_id"], amount=10)
    ledgers.sync()
    states = {"SENT": "sent", "LATE": "overdue", "PART": "partially_paid"}
    ledgers.assert_idle(passes=2)
    ledgers.later(timedelta(days=1))
    for number in states:
        record = booked(ledgers, number)["InvoiceID"]
        act(ledgers, "ledger", "update", "Invoices", record, Reference="asked twice")
    ledgers.sync()
    assert {number: in_billing(ledgers, number)["status"] for number in states} == states
    assert {in_billing(ledgers, number)["reference_number"] for number in states} == {"asked twice"}
    assert {booked(ledgers, number)["Status"] for number in states} == {"AUTHORISED"}
    ledgers.assert_idle(passes=2)


def test_a_tax_that_the_other_ledger_lacks_holds_back_its_documents_lines_alone(ledgers: Stage) -> None:
    ledger_document(ledgers, "Invoices", "L-1", DueDate=DUE)
    ledger_document(ledgers, "Invoices", "L-2", DueDate=DUE)
    ledgers.sync()
    ledgers.later(timedelta(minutes=3))
    act(ledgers, "ledger", "create", "TaxRates", TaxType="OUTPUT15", EffectiveRate=15)
    told = {"DueDate": "2099-12-01", "LineItems": taxed("OUTPUT15")}
    act(ledgers, "ledger", "update", "Invoices", booked(ledgers, "L-1")["InvoiceID"], **told)
    act(ledgers, "ledger", "update", "Invoices", booked(ledgers, "L-2")["InvoiceID"], DueDate="2099-12-02")
    ledgers.sync(code=1)
    assert in_billing(ledgers, "L-2")["due_date"] == "2099-12-02"
    assert in_billing(ledgers, "L-1")["due_date"] == "2099-12-01", "a field that can go over was held back"
    assert in_billing(ledgers, "L-1")["line_items"][0]["tax_name"] == "GST"
    (row,) = ledgers.run("status", "--list", "failed", "--json").json["records"]
    assert "OUTPUT15" in row["reason"]
    assert "sales_tax" in row["reason"], "the table that lacks it is named"
    ledgers.assert_idle(passes=2)
    # The table has it, and Zoho Books does not; then both do.
    more = "tables: {sales_tax: {rows: {fifteen: {billing: GST 15, ledger: OUTPUT15}}}}\n"
    ledgers.spec.write_text(ledgers.spec.read_text() + more)
    ledgers.later(timedelta(minutes=6))
    ledgers.sync("--accept-changes", code=1)
    (row,) = ledgers.run("status", "--list", "failed", "--json").json["records"]
    assert "GST 15" in row["reason"]
    found = ledgers.run("validate", "--live", "--json").json["problems"]
    assert any("GST 15" in problem["message"] for problem in found)
    act(ledgers, "billing", "create", "taxes", tax_name="GST 15", tax_percentage=15)
    ledgers.later(timedelta(hours=2))
    ledgers.sync()
    assert in_billing(ledgers, "L-1")["total"] == 115
    ledgers.assert_idle()


def test_a_tax_that_is_renamed_in_the_other_ledger_wipes_nothing(ledgers: Stage) -> None:
    ledger_document(ledgers, "Invoices", "L-1", DueDate=DUE)
    ledgers.sync()
    tax = find(ledgers, "billing", "taxes", tax_name="GST")["tax_id"]
    act(ledgers, "billing", "update", "taxes", tax, tax_name="GST 10")
    found = ledgers.run("validate", "--live", "--json").json["problems"]
    assert any("'GST'" in problem["message"] or "GST," in problem["message"] for problem in found), found
    ledgers.later(timedelta(minutes=3))
    act(ledgers, "ledger", "update", "Invoices", booked(ledgers, "L-1")["InvoiceID"], DueDate="2099-12-01")
    ledgers.sync(code=None)
    assert in_billing(ledgers, "L-1")["due_date"] == "2099-12-01"
    assert in_billing(ledgers, "L-1")["line_items"][0]["tax_id"] == tax
    assert booked(ledgers, "L-1")["LineItems"][0]["TaxType"] == "OUTPUT"
    ledgers.assert_idle()
