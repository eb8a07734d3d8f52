"""Xero with Zoho Books, two ledgers in step: the made-up business, edits of both sides, and payments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.stage import Stage, System, extending, one

SYSTEMS = {"ledger": "xero", "billing": "zoho-books"}
SPEC = (
    extending("xero-zoho-books", SYSTEMS, name="ledgers")
    + """
tables: {price_list: {rows: {followed: {billing: LIST}}}}
modules: {prices: {enabled: true}}
"""
)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("ledgers")
    with Stage(folder, data="demo", spec=SPEC, systems=SYSTEMS) as opened:
        (trade,) = opened.systems["billing"].records("pricebooks")
        opened.spec.write_text(SPEC.replace("LIST", repr(trade["pricebook_id"])), encoding="utf-8")
        opened.connect()
        yield opened


@pytest.fixture(scope="module")
def billing(stage: Stage) -> System:
    return stage.systems["billing"]


@pytest.fixture(scope="module")
def ledger(stage: Stage) -> System:
    return stage.systems["ledger"]


def at_rest(stage: Stage, *, passes: int = 1) -> dict[str, Any]:
    """Passes, of which the one after them writes nothing; what that one told."""
    for _ in range(passes):
        stage.sync(code=None)
    stage.forget_requests()
    told = stage.sync(code=None)
    assert stage.writes() == 0, {name: system.requests() for name, system in stage.systems.items()}
    assert told["problems"] == {}
    return told


def resting(stage: Stage, status: str) -> list[str]:
    """Why records rest in this way."""
    return [row["reason"] for row in stage.run("status", "--list", status, "--json").json["records"]]


def test_the_made_up_business_is_brought_in_step_in_every_module(stage: Stage) -> None:
    first = stage.sync()
    linked = {name: module["linked"] for name, module in first["modules"].items()}
    assert (linked["companies"], linked["products"], linked["invoices"]) == (300, 135, 566)
    assert (linked["payments"], linked["prices"]) == (273, 5)
    made = {name: module["created"] for name, module in first["modules"].items()}
    for name in ("vendors", "quotes", "bills", "purchase_orders", "credit_notes"):
        assert made[name]["billing"] > 0, name
        assert made[name]["ledger"] > 0, name
    told = at_rest(stage, passes=1)
    for name, module in told["modules"].items():
        rest = [module[kind] for kind in ("conflicts", "ambiguous", "waiting", "locked", "failed")]
        assert rest == [0] * 5, (name, rest)


def test_a_supplier_that_is_a_customer_too_has_one_contact_here_and_two_there(billing: System) -> None:
    contacts = billing.records("contacts")
    vendor = next(row for row in contacts if row["contact_name"].endswith(" (vendor)"))
    customer = one(contacts, contact_name=vendor["contact_name"].removesuffix(" (vendor)"))
    assert (vendor["contact_type"], customer["contact_type"]) == ("vendor", "customer")
    numbers = [row["bill_number"] for row in billing.records("bills")]
    assert any(" / " in number for number in numbers), "two suppliers that number alike"


def test_the_ledgers_hold_the_same_money(stage: Stage) -> None:
    done = stage.run("reconcile", "--json")
    for name, module in done.json["modules"].items():
        assert module["unexplained"] == 0, (name, [gap for gap in module["gaps"] if not gap["explained"]])
        assert set(module["kinds"]) <= {"rounded"}, name
    assert done.code == 0, done.err


def test_the_named_price_list_follows_the_sale_price(billing: System, ledger: System) -> None:
    (trade,) = billing.records("pricebooks")
    prices = {row["Name"]: row["SalesDetails"]["UnitPrice"] for row in ledger.records("Items")}
    listed = {row["name"]: row["pricebook_rate"] for row in trade["pricebook_items"]}
    assert listed == prices


def test_edits_of_both_sides_meet(stage: Stage, billing: System, ledger: System) -> None:
    company = next(r for r in billing.records("contacts") if r["contact_type"] == "customer")
    name = company["contact_name"]
    contact = one(ledger.records("Contacts"), Name=name)
    billing.act("update", "contacts", company["contact_id"], {"website": "https://new.example"})
    billing.act(
        "create",
        "contactpersons",
        None,
        {
            "contact_id": company["contact_id"],
            "first_name": "Mia",
            "last_name": "Ng",
            "email": "mia@new.test",
        },
    )
    ledger.act("update", "Contacts", contact["ContactID"], {"EmailAddress": "accounts@new.example"})
    drafts = [row for row in billing.records("invoices") if row["status"] == "draft"]
    here, there = drafts[0], drafts[1]
    line = here["line_items"][0]
    kept = here["line_items"][1:]
    billing.act(
        "update",
        "invoices",
        here["invoice_id"],
        {"line_items": [{**line, "quantity": 17}, *kept], "reference_number": "changed here"},
    )
    theirs = one(ledger.records("Invoices"), InvoiceNumber=there["invoice_number"])
    # the sums of a line are the ledger's to work out again
    kept_words = (
        "LineItemID",
        "ItemCode",
        "Description",
        "UnitAmount",
        "AccountCode",
        "TaxType",
        "DiscountRate",
    )
    lines = [
        {k: v for k, v in line.items() if k in (*kept_words, "Quantity")} for line in theirs["LineItems"]
    ]
    lines[0]["Quantity"] = 19
    ledger.act("update", "Invoices", theirs["InvoiceID"], {"LineItems": lines, "Reference": "changed there"})
    at_rest(stage)
    contact = one(ledger.records("Contacts"), Name=name)
    assert [person["EmailAddress"] for person in contact["ContactPersons"]] == ["mia@new.test"]
    company = one(billing.records("contacts"), contact_id=company["contact_id"])
    assert company["contact_persons"][0]["email"] == "accounts@new.example"
    assert [person["email"] for person in company["contact_persons"][1:]] == ["mia@new.test"]
    written = one(ledger.records("Invoices"), InvoiceNumber=here["invoice_number"])
    assert (written["LineItems"][0]["Quantity"], written["Reference"]) == (17, "changed here")
    read = one(billing.records("invoices"), invoice_id=there["invoice_id"])
    assert (read["line_items"][0]["quantity"], read["reference_number"]) == (19, "changed there")


def test_what_is_new_on_either_side_is_made_on_the_other(
    stage: Stage, billing: System, ledger: System
) -> None:
    item = billing.records("items")[0]
    customer = billing.act(
        "create", "contacts", None, {"contact_name": "Whole Foods Co-op", "contact_type": "customer"}
    )
    line = {"item_id": item["item_id"], "quantity": 2, "rate": 50, "tax_id": item["tax_id"]}
    body = {"customer_id": customer["contact_id"], "date": "2026-10-01", "due_date": "2026-12-01"}
    for number in ("W-1", "W-2"):
        made = billing.act(
            "create", "invoices", None, {**body, "invoice_number": number, "line_items": [line]}
        )
        billing.act("mark", "invoices", made["invoice_id"], {"status": "sent"})
    vendor = billing.act(
        "create", "contacts", None, {"contact_name": "Whole Foods Supply", "contact_type": "vendor"}
    )
    billing.act(
        "create",
        "bills",
        None,
        {
            "vendor_id": vendor["contact_id"],
            "bill_number": "W-B1",
            "date": "2026-10-02",
            "line_items": [{"item_id": item["item_id"], "quantity": 1, "rate": 10}],
        },
    )
    both = ledger.act("create", "Contacts", None, {"Name": "Kiln & Clay", "EmailAddress": "kiln@clay.test"})
    contact = {"Contact": {"ContactID": both["ContactID"]}}
    charged = {
        "Description": "Clay",
        "Quantity": 3,
        "UnitAmount": 20,
        "AccountCode": "200",
        "TaxType": "OUTPUT",
    }
    ledger.act(
        "create",
        "Invoices",
        None,
        {
            **contact,
            "InvoiceNumber": "K-1",
            "Date": "2026-10-03",
            "DueDate": "2026-12-03",
            "Status": "AUTHORISED",
            "LineItems": [charged],
        },
    )
    bought = {**charged, "AccountCode": "310", "TaxType": "INPUT"}
    ledger.act(
        "create",
        "Bills",
        None,
        {
            **contact,
            "InvoiceNumber": "K-B1",
            "Date": "2026-10-04",
            "DueDate": "2026-12-04",
            "Status": "AUTHORISED",
            "LineItems": [bought],
        },
    )
    at_rest(stage)
    booked = one(ledger.records("Invoices"), InvoiceNumber="W-1")
    assert (booked["Status"], booked["Contact"]["Name"]) == ("AUTHORISED", "Whole Foods Co-op")
    assert one(ledger.records("Bills"), InvoiceNumber="W-B1")["Contact"]["Name"] == "Whole Foods Supply"
    kinds = {
        row["contact_name"]: row["contact_type"]
        for row in billing.records("contacts")
        if row["contact_name"].startswith(("Kiln", "Whole"))
    }
    assert sorted(kinds.values()) == ["customer", "customer", "vendor", "vendor"], kinds
    sold = one(billing.records("invoices"), invoice_number="K-1")
    assert (sold["status"], kinds[sold["customer_name"]], sold["total"]) == ("sent", "customer", 66)
    owed = one(billing.records("bills"), bill_number="K-B1")
    assert (owed["status"], kinds[owed["vendor_name"]], owed["total"]) == ("open", "vendor", 66)


def test_payments_go_both_ways(stage: Stage, billing: System, ledger: System) -> None:
    sold = one(billing.records("invoices"), invoice_number="K-1")
    billing.act("pay", "invoices", sold["invoice_id"], {"amount": 26, "date": "2026-10-10"})
    booked = one(ledger.records("Invoices"), InvoiceNumber="W-1")
    ledger.act("pay", "Invoices", booked["InvoiceID"], {"Amount": 60, "Date": "2026-10-11"})
    at_rest(stage)
    assert one(ledger.records("Invoices"), InvoiceNumber="K-1")["AmountDue"] == 40
    invoice = one(billing.records("invoices"), invoice_number="W-1")
    assert (invoice["balance"], invoice["status"]) == (50, "partially_paid")
    paid = next(p for p in ledger.records("Payments") if p.get("Invoice", {}).get("InvoiceNumber") == "W-1")
    ledger.act("delete", "Payments", paid["PaymentID"])
    at_rest(stage)
    invoice = one(billing.records("invoices"), invoice_number="W-1")
    assert (invoice["balance"], invoice["status"]) == (110, "sent")


def test_a_payment_that_invoices_share_is_one_of_each_in_the_other_ledger(
    stage: Stage, billing: System, ledger: System
) -> None:
    sold = [one(billing.records("invoices"), invoice_number=number) for number in ("W-1", "W-2")]
    shared = billing.act(
        "create",
        "customerpayments",
        None,
        {
            "customer_id": sold[0]["customer_id"],
            "payment_mode": "check",
            "amount": 150,
            "date": "2026-10-12",
            "invoices": [
                {"invoice_id": sold[0]["invoice_id"], "amount_applied": 110},
                {"invoice_id": sold[1]["invoice_id"], "amount_applied": 30},
            ],
        },
    )
    at_rest(stage)
    invoices = [one(ledger.records("Invoices"), InvoiceNumber=number) for number in ("W-1", "W-2")]
    assert [(row["Status"], row["AmountDue"]) for row in invoices] == [("PAID", 0), ("AUTHORISED", 80)]
    payments = [row for row in billing.records("customerpayments") if row["$state"] == "live"]
    assert sum(row["customer_id"] == shared["customer_id"] for row in payments) == 1, "and none comes back"


def test_tax_modes_currencies_and_rates_are_carried(stage: Stage, billing: System, ledger: System) -> None:
    item = billing.records("items")[0]
    seller = one(billing.records("contacts"), contact_name="Whole Foods Co-op")
    billing.act(
        "create",
        "invoices",
        None,
        {
            "customer_id": seller["contact_id"],
            "invoice_number": "W-3",
            "date": "2026-10-05",
            "is_inclusive_tax": True,
            "line_items": [
                {
                    "item_id": item["item_id"],
                    "quantity": 1,
                    "rate": 55,
                    "tax_id": item["tax_id"],
                    "discount": "20%",
                }
            ],
        },
    )
    buyer = ledger.act("create", "Contacts", None, {"Name": "Kiln US", "DefaultCurrency": "USD"})
    ledger.act(
        "create",
        "Invoices",
        None,
        {
            "Contact": {"ContactID": buyer["ContactID"]},
            "InvoiceNumber": "K-2",
            "Date": "2026-10-06",
            "DueDate": "2026-11-06",
            "CurrencyCode": "USD",
            "CurrencyRate": "0.7",
            "LineAmountTypes": "NoTax",
            "LineItems": [{"Description": "Clay", "Quantity": 2, "UnitAmount": 30.5, "AccountCode": "200"}],
        },
    )
    at_rest(stage)
    booked = one(ledger.records("Invoices"), InvoiceNumber="W-3")
    assert (booked["LineAmountTypes"], booked["Total"], booked["TotalTax"]) == ("Inclusive", 44, 4)
    sold = one(billing.records("invoices"), invoice_number="K-2")
    assert (sold["currency_code"], sold["total"], sold["tax_total"]) == ("USD", 61, 0)
    assert round(1 / float(sold["exchange_rate"]), 6) == 0.7


def test_credit_is_carried_with_its_discount_and_what_it_is_set_off_against(
    stage: Stage, billing: System, ledger: System
) -> None:
    item = billing.records("items")[0]
    sold = one(billing.records("invoices"), invoice_number="W-2")
    line = {
        "item_id": item["item_id"],
        "quantity": 2,
        "rate": 50,
        "discount": "10%",
        "tax_id": item["tax_id"],
    }
    made = billing.act(
        "create",
        "creditnotes",
        None,
        {
            "customer_id": sold["customer_id"],
            "creditnote_number": "W-CN1",
            "date": "2026-10-13",
            "line_items": [line],
        },
    )
    billing.act(
        "apply", "creditnotes", made["creditnote_id"], {"invoice_id": sold["invoice_id"], "amount": 20}
    )
    theirs = one(ledger.records("Invoices"), InvoiceNumber="K-1")
    note = ledger.act(
        "create",
        "CreditNotes",
        None,
        {
            "Contact": {"ContactID": theirs["Contact"]["ContactID"]},
            "CreditNoteNumber": "K-CN1",
            "Date": "2026-10-14",
            "Status": "AUTHORISED",
            "LineItems": [
                {
                    "Description": "Clay",
                    "Quantity": 1,
                    "UnitAmount": 20,
                    "AccountCode": "200",
                    "TaxType": "OUTPUT",
                }
            ],
        },
    )
    given = {"Invoice": {"InvoiceID": theirs["InvoiceID"]}, "Amount": 15}
    ledger.act("allocate", "CreditNotes", note["CreditNoteID"], given)
    at_rest(stage)
    assert resting(stage, "failed") == resting(stage, "waiting") == []
    booked = one(ledger.records("CreditNotes"), CreditNoteNumber="W-CN1")
    assert (booked["LineItems"][0]["UnitAmount"], booked["Total"], booked["RemainingCredit"]) == (45, 99, 79)
    assert one(ledger.records("Invoices"), InvoiceNumber="W-2")["AmountDue"] == 60
    assert one(billing.records("invoices"), invoice_number="K-1")["balance"] == 25
    assert one(billing.records("creditnotes"), creditnote_number="K-CN1")["balance"] == 7


def test_what_is_voided_is_void_in_both(stage: Stage, billing: System, ledger: System) -> None:
    sold = one(billing.records("invoices"), invoice_number="K-1")
    made = [
        row
        for row in billing.records("invoices")
        if row["status"] in ("sent", "overdue") and row["balance"] == row["total"] > 0
    ][:2]
    billing.act("void", "invoices", made[0]["invoice_id"])
    other = one(ledger.records("Invoices"), InvoiceNumber=made[1]["invoice_number"])
    ledger.act("delete", "Invoices", other["InvoiceID"])
    billing.act(
        "update", "invoices", sold["invoice_id"], {"line_items": [{**sold["line_items"][0], "quantity": 5}]}
    )
    at_rest(stage)
    voided = one(ledger.records("Invoices"), InvoiceNumber=made[0]["invoice_number"])
    assert voided["Status"] == "VOIDED"
    assert one(billing.records("invoices"), invoice_id=made[1]["invoice_id"])["status"] == "void"
    assert resting(stage, "locked") == ["the invoice is part paid; not written: lines"]
    billing.act("update", "invoices", sold["invoice_id"], {"line_items": sold["line_items"]})
    at_rest(stage)
    assert resting(stage, "locked") == []


def test_the_ledgers_still_hold_the_same_money(stage: Stage) -> None:
    test_the_ledgers_hold_the_same_money(stage)
