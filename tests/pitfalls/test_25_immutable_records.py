"""Pitfall 25, immutable records: what a remote has locked is told once, and left alone until it opens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.support.business import (
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    edit_crm_invoice,
    open_business,
    told,
)
from tests.support.ledgers import DUE, LEDGERS, billed, ledger_document
from tests.support.stage import Stage
from tests.support.trio import act
from tests.support.wire import tapped

#: The states of an invoice, and which of two edits (of its due date, of its lines) the books still take.
STATES = {
    "draft": {"DueDate", "LineItems"},
    "sent": {"DueDate", "LineItems"},
    "part-paid": {"DueDate"},
    "paid": {"DueDate"},
    "void": set[str](),
    "closed": set[str](),
}
LOCKED = {name for name, taken in STATES.items() if len(taken) < 2}


def set_up(stage: Stage) -> dict[str, str]:
    """One invoice of the books in each state, in the CRM too; their ids in the books."""
    contact = open_business(stage)
    ids = {}
    for name in STATES:
        values = {"draft": {"Status": "DRAFT"}, "closed": {"Date": "2026-01-10"}}.get(name, {})
        ids[name] = books_invoice(stage, contact, name, **values)
    stage.books.act("update", "Invoices", ids["sent"], {"SentToContact": True})
    stage.books.act("pay", "Invoices", ids["part-paid"], {"Amount": 10, "Date": "2026-06-11"})
    stage.books.act("pay", "Invoices", ids["paid"], {"Date": "2026-06-11"})
    stage.books.act("delete", "Invoices", ids["void"])
    stage.books.act("update", "Organisation", None, {"PeriodLockDate": "2026-01-31"})
    stage.sync()
    a_while(stage)
    return ids


def edit_in_crm(stage: Stage, number: str) -> None:
    line = {"id": crm_invoice(stage, number)["Invoiced_Items"][0]["id"], "Quantity": 5}
    edit_crm_invoice(stage, number, {"Due_Date": "2099-07-31", "Invoiced_Items": [line]})


def notices(stage: Stage) -> list[str]:
    return sorted(entry["records"]["books"] for entry in told(stage, "locked"))


def test_locked_documents_are_written_where_allowed_and_told_once(stage: Stage) -> None:
    ids = set_up(stage)
    names = {record: name for name, record in ids.items()}
    for name in STATES:
        edit_in_crm(stage, name)
    with tapped(stage.books) as wire:
        outcome = stage.sync()
    sent = {names[row["InvoiceID"]]: set(row) - {"InvoiceID"} for row in wire.rows("Invoices")}
    assert sent == {name: taken for name, taken in STATES.items() if taken}
    assert outcome["modules"]["invoices"]["locked"] == len(LOCKED)
    assert notices(stage) == sorted(ids[name] for name in LOCKED)
    listed = stage.run("status", "--list", "locked", "--json").json["records"]
    reasons = {names[row["records"]["books"]["id"]]: row["reason"] for row in listed}
    assert reasons.keys() == LOCKED
    assert "is paid" in reasons["paid"]
    assert "lines" in reasons["paid"]
    assert "due_date" not in reasons["paid"]
    assert "voided" in reasons["void"]
    assert "2026-01-31" in reasons["closed"]
    stage.assert_idle(passes=3)
    stage.later(timedelta(days=1))  # they are looked at again, and found as they were
    stage.assert_idle(passes=2)
    assert notices(stage) == sorted(ids[name] for name in LOCKED), "told a second time"


def test_an_edit_that_waited_is_written_when_its_document_opens(stage: Stage) -> None:
    set_up(stage)
    for name in ("part-paid", "closed"):
        edit_in_crm(stage, name)
    stage.sync()
    assert [book_entry(stage, name)["LineItems"][0]["Quantity"] for name in ("part-paid", "closed")] == [2, 2]
    # The payment is taken back: the record itself changes.
    payment = next(p for p in stage.books.records("Payments") if p["Amount"] == 10)
    stage.books.act("delete", "Payments", payment["PaymentID"])
    a_while(stage)
    stage.sync()
    assert book_entry(stage, "part-paid")["LineItems"][0]["Quantity"] == 5
    assert book_entry(stage, "closed")["DueDate"] == "2099-06-24"
    # The lock date moves: no record changes, and a day later they are looked at again.
    stage.books.act("update", "Organisation", None, {"PeriodLockDate": "2025-12-31"})
    stage.later(timedelta(days=1))
    outcome = stage.sync()
    closed = book_entry(stage, "closed")
    assert (closed["DueDate"], closed["LineItems"][0]["Quantity"]) == ("2099-07-31", 5)
    assert outcome["modules"]["invoices"]["locked"] == 0
    stage.assert_idle(passes=2)


def test_what_a_second_ledger_has_closed_is_not_edited_from_the_first(stages: Callable[..., Stage]) -> None:
    """A paid invoice of Zoho Books keeps its day, and one that is void there is left as it is."""
    stage = stages(**LEDGERS)
    ids = {
        number: ledger_document(stage, "Invoices", number, DueDate=DUE, Status="AUTHORISED")
        for number in ("PAID", "VOID")
    }
    stage.sync()
    act(stage, "billing", "pay", "invoices", billed(stage, "PAID")["invoice_id"])
    act(stage, "billing", "void", "invoices", billed(stage, "VOID")["invoice_id"])
    stage.sync(code=None)
    act(stage, "ledger", "update", "Invoices", ids["PAID"], DueDate="2099-07-01")
    before = {number: billed(stage, number) for number in ids}
    stage.sync(code=None)
    assert {number: billed(stage, number) for number in ids} == before
    stage.assert_idle(passes=2)
