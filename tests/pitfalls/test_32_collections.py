"""Pitfall 32, collections: a change of one line is that change on the wire, whatever else the list holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.business import (
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    edit_crm_invoice,
    line,
    open_business,
)
from tests.support.effort import cases
from tests.support.ledgers import DUE, ledger_document, ledgers_of
from tests.support.stage import Stage
from tests.support.trio import act, find
from tests.support.wire import tapped

LINES = 30


@pytest.fixture
def invoice(stage: Stage) -> Stage:
    """A stage with one invoice of 30 lines in step, some of which the books' people have coded by hand."""
    contact = open_business(stage)
    lines = [
        line(Description=f"Loaf {n}", Quantity=n + 1, AccountCode="260" if n % 3 else "200")
        for n in range(LINES)
    ]
    books_invoice(stage, contact, "INV-30", LineItems=lines)
    stage.sync()
    a_while(stage)
    assert len(crm_invoice(stage, "INV-30")["Invoiced_Items"]) == LINES
    return stage


def books_lines(stage: Stage) -> list[dict[str, Any]]:
    return list(book_entry(stage, "INV-30")["LineItems"])


def crm_lines(stage: Stage) -> list[dict[str, Any]]:
    return list(crm_invoice(stage, "INV-30")["Invoiced_Items"])


def edit_books(stage: Stage, lines: list[dict[str, Any]]) -> None:
    told = [{k: v for k, v in row.items() if k not in ("LineAmount", "TaxAmount")} for row in lines]
    stage.books.act("update", "Invoices", book_entry(stage, "INV-30")["InvoiceID"], {"LineItems": told})


def without_totals(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("LineAmount", "TaxAmount")} for row in lines]


# --- the books' list is replaced as a whole ---------------------------------------------------------


def written_to_books(stage: Stage) -> list[dict[str, Any]]:
    with tapped(stage.books) as wire:
        stage.sync()
    (row,) = wire.rows("Invoices")
    assert set(row) == {"InvoiceID", "LineItems"}
    stage.assert_idle(passes=2)
    return list(row["LineItems"])


def test_an_edited_line_keeps_its_id_and_what_only_the_books_know(invoice: Stage) -> None:
    before = books_lines(invoice)
    edit_crm_invoice(
        invoice, "INV-30", {"Invoiced_Items": [{"id": crm_lines(invoice)[17]["id"], "Quantity": 99}]}
    )
    sent = written_to_books(invoice)
    assert [row["LineItemID"] for row in sent] == [row["LineItemID"] for row in before]
    expected = without_totals(before)
    expected[17]["Quantity"] = 99
    assert without_totals(books_lines(invoice)) == expected


def test_a_line_added_in_the_crm_is_one_more_in_the_books(invoice: Stage) -> None:
    before = books_lines(invoice)
    product = crm_lines(invoice)[0]["Product_Name"]
    row = {"Product_Name": product, "Description": "Roll", "Quantity": 7, "List_Price": 3}
    edit_crm_invoice(invoice, "INV-30", {"Invoiced_Items": [row]})
    sent = written_to_books(invoice)
    assert [row.get("LineItemID") for row in sent] == [row["LineItemID"] for row in before] + [None]
    after = books_lines(invoice)
    assert after[:LINES] == before
    assert (after[LINES]["Description"], after[LINES]["Quantity"]) == ("Roll", 7)


def test_a_line_removed_in_the_crm_is_the_only_one_gone_from_the_books(invoice: Stage) -> None:
    before = books_lines(invoice)
    edit_crm_invoice(
        invoice, "INV-30", {"Invoiced_Items": [{"id": crm_lines(invoice)[4]["id"], "_delete": None}]}
    )
    written_to_books(invoice)
    assert books_lines(invoice) == before[:4] + before[5:]


# --- the CRM is told of lines one by one --------------------------------------------------------------


def written_to_crm(stage: Stage) -> list[dict[str, Any]]:
    with tapped(stage.crm) as wire:
        stage.sync()
    (row,) = wire.rows("Invoices")
    stage.assert_idle(passes=2)
    return list(row["Invoiced_Items"])


def test_of_thirty_lines_the_crm_is_sent_the_one_that_changed(invoice: Stage) -> None:
    before, lines = crm_lines(invoice), books_lines(invoice)
    lines[17] = {**lines[17], "Quantity": 99}
    edit_books(invoice, lines)
    (row,) = written_to_crm(invoice)
    assert (row["id"], row["Quantity"]) == (before[17]["id"], 99)
    after = crm_lines(invoice)
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert after[:17] + after[18:] == before[:17] + before[18:], "a line that nobody changed was touched"


def test_a_line_added_in_the_books_is_one_row_for_the_crm(invoice: Stage) -> None:
    before, lines = crm_lines(invoice), books_lines(invoice)
    edit_books(invoice, [*lines[:10], line(Description="Roll", Quantity=7), *lines[10:]])
    (row,) = written_to_crm(invoice)
    assert "id" not in row
    assert row["Description"] == "Roll"
    after = crm_lines(invoice)
    assert after[:LINES] == before
    assert after[LINES]["Description"] == "Roll"


def test_a_line_removed_in_the_books_is_removed_by_its_id(invoice: Stage) -> None:
    before, lines = crm_lines(invoice), books_lines(invoice)
    edit_books(invoice, lines[:4] + lines[5:])
    assert written_to_crm(invoice) == [{"id": before[4]["id"], "_delete": None}]
    kept = [row["id"] for row in crm_lines(invoice)]
    assert kept == [row["id"] for row in before[:4] + before[5:]]


def test_reordered_lines_are_the_same_lines(invoice: Stage) -> None:
    before, lines = crm_lines(invoice), books_lines(invoice)
    edit_books(invoice, lines[::-1])
    sent = written_to_crm(invoice)
    assert {row["id"] for row in sent} == {row["id"] for row in before}
    assert not any("_delete" in row for row in sent)
    assert {row["id"]: row["Description"] for row in crm_lines(invoice)} == {
        row["id"]: row["Description"] for row in before
    }
    assert books_lines(invoice) == lines[::-1], "the order that a person gave was taken back"


# --- and nothing of it when the lines did not change --------------------------------------------------


def test_an_edit_of_the_header_sends_no_lines(invoice: Stage) -> None:
    edit_crm_invoice(invoice, "INV-30", {"Due_Date": "2099-12-01"})
    with tapped(invoice.books) as wire:
        invoice.sync()
    (row,) = wire.rows("Invoices")
    assert set(row) == {"InvoiceID", "DueDate"}
    a_while(invoice)
    number = book_entry(invoice, "INV-30")["InvoiceID"]
    invoice.books.act("update", "Invoices", number, {"DueDate": "2099-12-31"})
    with tapped(invoice.crm) as wire:
        invoice.sync()
    (row,) = wire.rows("Invoices")
    assert set(row) == {"id", "Due_Date"}
    invoice.assert_idle(passes=2)


# --- Zoho Books: lines and persons that are left out of a write are gone ---------------------------------

SOLD = 12


@pytest.fixture
def ledgers(stages: Callable[..., Stage]) -> Stage:
    """An invoice of twelve lines in step; the billing's people have put some of them under headings."""
    stage = stages(**ledgers_of("companies", "people", "invoices"))
    told = {"AccountCode": "200", "TaxType": "OUTPUT", "UnitAmount": 50}
    rows = [{**told, "Description": f"Loaf {n}", "Quantity": n + 1} for n in range(SOLD)]
    ledger_document(stage, "Invoices", "L-12", DueDate=DUE, LineItems=rows)
    stage.sync()
    row = in_billing(stage)
    headed = [{**line, "header_name": f"Shelf {n // 4}"} for n, line in enumerate(row["line_items"])]
    act(stage, "billing", "update", "invoices", row["invoice_id"], line_items=headed)
    stage.sync()
    a_while(stage)
    return stage


def in_billing(stage: Stage) -> dict[str, Any]:
    return find(stage, "billing", "invoices", invoice_number="L-12")


def booked(stage: Stage) -> list[dict[str, Any]]:
    entry = find(stage, "ledger", "Invoices", InvoiceNumber="L-12")
    return without_totals(entry["LineItems"])


def edit_ledger(stage: Stage, lines: list[dict[str, Any]], **head: Any) -> None:
    record = find(stage, "ledger", "Invoices", InvoiceNumber="L-12")["InvoiceID"]
    act(stage, "ledger", "update", "Invoices", record, **({"LineItems": lines} if lines else {}), **head)


#: By what people do to the lines in Xero: the lines that they leave, and of which old ones those are made.
EDITS: dict[str, tuple[Callable[[list[dict[str, Any]]], list[dict[str, Any]]], list[int | None]]] = {
    "edited": (lambda rows: [*rows[:7], {**rows[7], "Quantity": 99}, *rows[8:]], [*range(SOLD)]),
    "added": (
        lambda rows: [*rows[:3], {**_bare(rows[0]), "Description": "Roll"}, *rows[3:]],
        [*range(3), None, *range(3, SOLD)],
    ),
    "removed": (lambda rows: rows[:4] + rows[5:], [n for n in range(SOLD) if n != 4]),
    "reordered": (lambda rows: rows[::-1], [*range(SOLD)][::-1]),
}


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "LineItemID"}


@pytest.mark.parametrize("edit", cases(["edited"], ["added", "removed", "reordered"]))
def test_the_lines_of_a_second_ledger_keep_their_ids_and_what_only_it_knows(
    ledgers: Stage, edit: str
) -> None:
    before = in_billing(ledgers)["line_items"]
    change, origins = EDITS[edit]
    edit_ledger(ledgers, change(booked(ledgers)))
    with tapped(ledgers.systems["billing"]) as wire:
        ledgers.sync()
    ((method, _, body),) = wire.calls
    assert (method, set(body)) == ("PUT", {"line_items"})
    ids = [None if n is None else before[n]["line_item_id"] for n in origins]
    assert [line.get("line_item_id") for line in body["line_items"]] == ids
    after = in_billing(ledgers)["line_items"]
    assert [line["description"] for line in after] == [row["Description"] for row in booked(ledgers)]
    kept = [
        (a["header_name"], a["description"]) for a, n in zip(after, origins, strict=True) if n is not None
    ]
    assert kept == [(before[n]["header_name"], before[n]["description"]) for n in origins if n is not None]
    ledgers.assert_idle(passes=2)


def test_a_header_of_a_second_ledger_is_written_without_its_lines(ledgers: Stage) -> None:
    edit_ledger(ledgers, [], DueDate="2099-12-01")
    with tapped(ledgers.systems["billing"]) as wire:
        ledgers.sync()
    assert [(method, body) for method, _, body in wire.calls] == [("PUT", {"due_date": "2099-12-01"})]
    a_while(ledgers)
    act(ledgers, "billing", "update", "invoices", in_billing(ledgers)["invoice_id"], due_date="2099-12-31")
    with tapped(ledgers.systems["ledger"]) as wire:
        ledgers.sync()
    (row,) = wire.rows("Invoices")
    assert set(row) == {"InvoiceID", "DueDate"}
    ledgers.assert_idle(passes=2)


def test_a_person_who_is_left_out_of_a_write_would_be_gone_and_none_is(ledgers: Stage) -> None:
    """The main person's address is the contact's own. It is written without the other persons, but where no
    such call takes the person: one without a first name."""
    contact = find(ledgers, "ledger", "Contacts", Name="Harbour Bakery")["ContactID"]
    first = {"FirstName": "Ann", "LastName": "Lee", "EmailAddress": "ann@harbour.example"}
    others = [
        {"FirstName": n, "LastName": "Ng", "EmailAddress": f"{n}@harbour.example"} for n in ("mia", "bo")
    ]
    act(ledgers, "ledger", "update", "Contacts", contact, **first, ContactPersons=others)
    ledgers.sync()
    a_while(ledgers)
    row = find(ledgers, "billing", "contacts", contact_name="Harbour Bakery")
    before = {person["email"]: person["contact_person_id"] for person in row["contact_persons"]}
    assert len(before) == 3
    mia = f"{row['contact_id']}.{before['mia@harbour.example']}"
    act(ledgers, "billing", "update", "contactpersons", mia, department="Cakes")
    ledgers.sync()
    a_while(ledgers)
    for edit, written in (
        ({"EmailAddress": "lee@harbour.example"}, {"email"}),
        ({"FirstName": ""}, {"contact_persons"}),
    ):
        act(ledgers, "ledger", "update", "Contacts", contact, **edit)
        with tapped(ledgers.systems["billing"]) as wire:
            ledgers.sync()
        ((_, _, body),) = wire.calls
        assert set(body) == written
        a_while(ledgers)
    persons = find(ledgers, "billing", "contacts", contact_name="Harbour Bakery")["contact_persons"]
    told = {person["email"]: (person["contact_person_id"], person["department"]) for person in persons}
    assert told == {
        "lee@harbour.example": (before["ann@harbour.example"], ""),
        "mia@harbour.example": (before["mia@harbour.example"], "Cakes"),
        "bo@harbour.example": (before["bo@harbour.example"], ""),
    }
    ledgers.assert_idle(passes=2)
