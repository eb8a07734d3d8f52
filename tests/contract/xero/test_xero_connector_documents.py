"""The connector at work on bills, credits, quotes, orders, payments and stock of a sandbox."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from syncline.connect import (
    Item,
    Items,
    Organisation,
    Outcome,
    OutcomeKind,
    ReconnectNeeded,
    Record,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Fault, FaultKind
from syncline_xero.events import read_events

Remote = Any
ALL: frozenset[str] = frozenset()
ZERO = "00000000-0000-0000-0000-00000000000a"
DONE = OutcomeKind.DONE
_NUMBERS = itertools.count()


def create(key: str, **values: Any) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, values=values)


def update(record_id: str, key: str = "u", **values: Any) -> Write:
    return Write(kind=WriteKind.UPDATE, key=key, id=record_id, values=values)


def kinds(outcomes: Sequence[Outcome | None]) -> list[OutcomeKind | None]:
    return [o.kind if o is not None else None for o in outcomes]


def read(session: Session, module: str, cursor: str | None = None) -> tuple[list[Record], str]:
    pages = list(session.read(module, cursor, ALL))
    return [r for page in pages for r in page.records], pages[-1].cursor


@pytest.fixture
def contact(remote: Remote) -> str:
    return str(remote.sandbox.act("create", "Contacts", None, {"Name": "Somebody"})["ContactID"])


def lines(amount: Any = 100, account: str = "400", **more: Any) -> Items:
    line = {"Description": "d", "Quantity": 1, "UnitAmount": amount, "AccountCode": account, **more}
    return Items(items=(Item(values=line),))


def document(contact: str, **more: Any) -> dict[str, Any]:
    return {"Contact": {"ContactID": contact}, "Date": "2026-11-02", "LineItems": lines(), **more}


def for_customer(contact: str, **more: Any) -> dict[str, Any]:
    return document(contact, **{"LineItems": lines(account="200"), **more})


def made(session: Session, module: str, **values: Any) -> Record:
    outcome = session.write(module, [create(f"made-{next(_NUMBERS)}", **values)])[0]
    assert outcome.kind is DONE, outcome.message
    assert outcome.record is not None
    return outcome.record


def invoice(session: Session, contact: str, **more: Any) -> Record:
    due = {"Status": "AUTHORISED", "DueDate": "2026-12-01"}
    return made(session, "Invoices", **for_customer(contact, **{**due, **more}))


def bill(session: Session, contact: str, **more: Any) -> Record:
    due = {"Status": "AUTHORISED", "DueDate": "2026-12-01"}
    return made(session, "Bills", **document(contact, **{**due, **more}))


def off(document: Record, amount: Any, name: str = "Invoice", **more: Any) -> Item:
    return Item(values={name: {"InvoiceID": document.id}, "Amount": amount, **more})


# --- each module --------------------------------------------------------------------------------------


def test_bills_are_their_own_module(remote: Remote, session: Session, contact: str) -> None:
    sale, debt = invoice(session, contact), bill(session, contact, InvoiceNumber="S-1")
    bill(session, contact, InvoiceNumber="S-1")
    assert {r.id for r in read(session, "Invoices")[0]} == {sale.id}
    assert len(read(session, "Bills")[0]) == 2
    assert session.read_ids("Bills", [sale.id, debt.id], ALL)[0].id == debt.id
    assert len(session.read_ids("Bills", [sale.id, debt.id], ALL)) == 1
    assert session.count("Bills") == 2
    (outcome,) = session.write("Bills", [update(debt.id, PlannedPaymentDate="2026-11-20")])
    assert outcome.record is not None
    assert outcome.record.values["PlannedPaymentDate"] == "2026-11-20"
    assert outcome.record.values["Type"] == "ACCPAY"


@pytest.mark.parametrize("module", ["CreditNotes", "SupplierCredits"])
def test_credits_of_either_side(remote: Remote, session: Session, contact: str, module: str) -> None:
    make = for_customer if module == "CreditNotes" else document
    other = "SupplierCredits" if module == "CreditNotes" else "CreditNotes"
    credit = made(session, module, **make(contact))
    assert credit.values["Type"] == ("ACCRECCREDIT" if module == "CreditNotes" else "ACCPAYCREDIT")
    assert [r.id for r in read(session, module)[0]] == [credit.id]
    assert read(session, other)[0] == []
    assert session.read_ids(other, [credit.id], ALL) == []
    assert (session.count(module), session.count(other)) == (1, 0)
    (outcome,) = session.write(module, [update(credit.id, CreditNoteNumber="N-9")])
    assert outcome.record is not None
    assert outcome.record.values["CreditNoteNumber"] == "N-9"


def test_quotes_are_updated_with_what_xero_insists_on(remote: Remote, session: Session, contact: str) -> None:
    quote = made(session, "Quotes", **for_customer(contact, Title="T"))
    remote.calls()
    (outcome,) = session.write("Quotes", [update(quote.id, Title="U", Status="SENT")])
    assert remote.calls() == {"GET /Quotes/{id}": 1, "POST /Quotes": 1}
    assert outcome.record is not None
    assert (outcome.record.values["Title"], outcome.record.values["Status"]) == ("U", "SENT")
    assert outcome.record.values["Date"] == "2026-11-02"
    missing, fine = session.write("Quotes", [update(ZERO, "a", Title="V"), update(quote.id, "b", Title="V")])
    assert (missing.kind, fine.kind) == (OutcomeKind.GONE, DONE)


def test_quotes_are_read_a_hundred_at_a_time(remote: Remote, session: Session, contact: str) -> None:
    for start in range(0, 230, 50):
        writes = [create(f"q{n}", **for_customer(contact)) for n in range(start, min(start + 50, 230))]
        assert kinds(session.write("Quotes", writes)) == [DONE] * len(writes)
    remote.calls()
    records, _ = read(session, "Quotes")
    assert len({r.id for r in records}) == len(records) == 230
    assert remote.calls() == {"GET /Quotes": 3}
    assert session.count("Quotes") is None
    pages = session.read("Quotes", None, ALL)
    first = next(pages)
    remote.sandbox.clock.advance(60)
    # One of the first page changes: in Xero's own order it would pull another over the boundary.
    remote.sandbox.act("update", "Quotes", first.records[0].id, {"Title": "moved"})
    seen = {r.id for page in (first, *pages) for r in page.records}
    assert seen == {r.id for r in records}


def test_orders(remote: Remote, session: Session, contact: str) -> None:
    order = made(session, "PurchaseOrders", **document(contact, LineItems=lines(Decimal("1.2345"))))
    assert order.values["LineItems"][0]["UnitAmount"] == Decimal("1.2345")
    for status in ("AUTHORISED", "BILLED"):
        (outcome,) = session.write("PurchaseOrders", [update(order.id, status, Status=status)])
        assert outcome.kind is DONE
    (outcome,) = session.write("PurchaseOrders", [Write(kind=WriteKind.DELETE, key="d", id=order.id)])
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "billed")
    session.write("PurchaseOrders", [update(order.id, "back", Status="AUTHORISED")])
    writes = [Write(kind=WriteKind.DELETE, key=k, id=i) for k, i in (("d", order.id), ("e", ZERO))]
    assert kinds(session.write("PurchaseOrders", writes)) == [DONE, OutcomeKind.GONE]
    (record,) = read(session, "PurchaseOrders")[0]
    assert (record.state, record.values["Status"]) == (State.DELETED, "DELETED")


@pytest.mark.parametrize(
    ("module", "number", "message"),
    [
        ("CreditNotes", "CreditNoteNumber", "number-taken"),
        ("Quotes", "QuoteNumber", "number-taken"),
        ("PurchaseOrders", "PurchaseOrderNumber", "number-taken"),
    ],
)
def test_numbers_that_are_taken(
    session: Session, contact: str, module: str, number: str, message: str
) -> None:
    make = document if module == "PurchaseOrders" else for_customer
    writes = [create(f"k{i}", **make(contact, **{number: "N-1"})) for i in range(2)]
    one, other = session.write(module, writes)
    assert (one.kind, other.kind) == (DONE, OutcomeKind.TAKEN)
    assert (other.field, other.code) == (number, message)


# --- ending -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["Invoices", "Bills", "CreditNotes", "SupplierCredits"])
def test_drafts_are_deleted_and_what_is_approved_is_voided(
    remote: Remote, session: Session, contact: str, module: str
) -> None:
    make = for_customer if module in ("Invoices", "CreditNotes") else document
    due = {"DueDate": "2026-12-01"}
    draft, approved, paid = (
        made(session, module, **make(contact, Status=s, **due)) for s in ("DRAFT", "AUTHORISED", "AUTHORISED")
    )
    remote.sandbox.act("pay", module, paid.id, {"Amount": 1})
    ids = (draft.id, approved.id, paid.id, ZERO)

    def end(kind: WriteKind) -> list[tuple[str, str]]:
        writes = [Write(kind=kind, key=f"{kind}-{i}", id=i) for i in ids]
        return [(o.kind.value, o.code) for o in session.write(module, writes)]

    assert end(WriteKind.DELETE) == [
        ("done", ""),
        ("refused", "approved"),
        ("refused", "paid"),
        ("gone", "not-found"),
    ]
    assert end(WriteKind.VOID) == [("done", ""), ("done", ""), ("refused", "paid"), ("gone", "not-found")]
    states = {r.id: r for r in read(session, module)[0]}
    assert [states[i].state for i in ids[:3]] == [State.DELETED, State.VOIDED, State.LIVE]
    assert states[approved.id].values["Total"] == 110
    assert session.count(module) == 1


# --- allocations --------------------------------------------------------------------------------------


def test_a_note_is_made_and_set_off(remote: Remote, session: Session, contact: str) -> None:
    owed = invoice(session, contact)
    remote.calls()
    credit = made(
        session,
        "CreditNotes",
        **for_customer(contact, Status="AUTHORISED", Allocations=Items(items=(off(owed, 60),))),
    )
    assert remote.calls() == {
        "PUT /CreditNotes": 1,
        "GET /CreditNotes/{id}": 2,
        "PUT /CreditNotes/{id}/Allocations": 1,
    }
    (allocation,) = credit.values["Allocations"]
    assert allocation["Invoice"]["InvoiceID"] == owed.id
    assert (allocation["Amount"], credit.values["RemainingCredit"]) == (60, 50)
    assert credit.lock is not None
    assert credit.lock.editable == {"Allocations"}
    (now,) = session.read_ids("Invoices", [owed.id], ALL)
    assert (now.values["AmountCredited"], now.values["AmountDue"]) == (60, 50)
    change = Items(items=(Item(id=allocation["AllocationID"], values={"Amount": 40}),))
    (outcome,) = session.write("CreditNotes", [update(credit.id, Allocations=change)])
    assert outcome.record is not None
    assert [a["Amount"] for a in outcome.record.values["Allocations"]] == [40]
    gone = Items(items=(), removed=(outcome.record.values["Allocations"][0]["AllocationID"],))
    (outcome,) = session.write("CreditNotes", [update(credit.id, "v", Allocations=gone)])
    assert outcome.record is not None
    assert outcome.record.lock is None
    assert outcome.record.values["RemainingCredit"] == 110


def test_a_suppliers_credit_is_set_off_against_a_bill(remote: Remote, session: Session, contact: str) -> None:
    debt = bill(session, contact)
    credit = made(session, "SupplierCredits", **document(contact, Status="AUTHORISED"))
    wanted = Items(items=(off(debt, 110, "Bill", Date="2026-11-09"),))
    (outcome,) = session.write("SupplierCredits", [update(credit.id, Allocations=wanted)])
    assert outcome.record is not None
    (allocation,) = outcome.record.values["Allocations"]
    assert allocation["Bill"]["InvoiceID"] == debt.id
    assert (allocation["Date"], outcome.record.values["Status"]) == ("2026-11-09", "PAID")
    assert session.read_ids("Bills", [debt.id], ALL)[0].values["Status"] == "PAID"


def test_what_cannot_be_set_off_is_told(remote: Remote, session: Session, contact: str) -> None:
    owed = invoice(session, contact)
    much = Items(items=(off(owed, 500),))
    remote.calls()
    (draft,) = session.write("CreditNotes", [create("d", **for_customer(contact, Allocations=much))])
    assert remote.calls() == {}
    assert (draft.kind, draft.code) == (OutcomeKind.REFUSED, "not-approved")
    values = for_customer(contact, Status="AUTHORISED", Allocations=much)
    (whole,) = session.write("CreditNotes", [create("w", **values)])
    assert whole.kind is DONE
    assert whole.warnings[0].startswith("not set off: Allocation amount exceeds")
    assert whole.missed == {"Allocations"}
    (outcome,) = session.write("CreditNotes", [update(str(whole.id), Allocations=much)])
    assert (outcome.kind, outcome.code, outcome.field) == (OutcomeKind.REFUSED, "amount", "Allocations")
    (lost,) = session.write("CreditNotes", [update(ZERO, Allocations=much)])
    assert lost.kind is OutcomeKind.GONE


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind=FaultKind.LOSE), id="connection cut"),
        pytest.param(Fault(kind=FaultKind.STATUS_AFTER, status=500, body="oops"), id="500 after storing"),
        pytest.param(Fault(kind=FaultKind.STATUS, status=503), id="nothing stored"),
    ],
)
@pytest.mark.parametrize("where", ["note", "allocation"])
def test_a_lost_answer_leaves_one_note_set_off_once(
    remote: Remote, session: Session, contact: str, fault: Fault, where: str
) -> None:
    owed = invoice(session, contact)
    values = for_customer(contact, Status="AUTHORISED", Allocations=Items(items=(off(owed, 60),)))
    write, sent_at = create("c", **values), datetime.now(UTC)
    path = ".*Allocations$" if where == "allocation" else ".*CreditNotes$"
    remote.sandbox.faults.arm(replace(fault, method="PUT", path=path))
    (outcome,) = session.write("CreditNotes", [write])
    assert outcome.kind is OutcomeKind.UNKNOWN
    (found,) = session.settle("CreditNotes", [SentWrite(write=write, sent_at=sent_at)])
    if found is None:
        assert fault.kind is FaultKind.STATUS
        assert where == "note"
        assert kinds(session.write("CreditNotes", [write])) == [DONE]
    else:
        assert found.kind is DONE
    (stored,) = remote.sandbox.records("CreditNotes")
    assert [a["Amount"] for a in stored["Allocations"]] == [60]


def test_an_allocation_that_is_sent_again_is_made_once(
    remote: Remote, session: Session, contact: str
) -> None:
    owed = invoice(session, contact)
    credit = made(session, "CreditNotes", **for_customer(contact, Status="AUTHORISED"))
    write = update(credit.id, Allocations=Items(items=(off(owed, 60),)))
    remote.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="PUT", path=".*Allocations$"))
    assert kinds(session.write("CreditNotes", [write])) == [OutcomeKind.UNKNOWN]
    remote.sandbox.clock.advance(3600)  # long after the idempotency key is forgotten
    remote.sign_in()
    assert kinds(session.write("CreditNotes", [replace(write, key="later")])) == [DONE]
    assert [a["Amount"] for a in remote.sandbox.records("CreditNotes")[0]["Allocations"]] == [60]


def test_a_failed_call_is_raised_while_nothing_was_sent_and_told_afterwards(
    remote: Remote, session: Session, contact: str
) -> None:
    owed = invoice(session, contact)
    notes = [made(session, "CreditNotes", **for_customer(contact, Status="AUTHORISED")) for _ in range(2)]
    writes = [update(n.id, f"a{i}", Allocations=Items(items=(off(owed, 5),))) for i, n in enumerate(notes)]
    gone = Fault(kind=FaultKind.REMOTE, name="disconnected", method="PUT", path=".*Allocations$", times=2)
    remote.sandbox.faults.arm(gone)
    with pytest.raises(ReconnectNeeded):
        session.write("CreditNotes", writes)
    remote.sandbox.faults.clear()
    remote.sandbox.faults.arm(replace(gone, skip=1, times=1))
    assert kinds(session.write("CreditNotes", writes)) == [DONE, OutcomeKind.RETRY]
    remote.sandbox.faults.clear()
    assert kinds(session.write("CreditNotes", writes)) == [DONE, DONE]
    assert [len(r["Allocations"]) for r in remote.sandbox.records("CreditNotes")] == [1, 1]


# --- payments -----------------------------------------------------------------------------------------


def test_payments_of_each_kind_of_document(remote: Remote, session: Session, contact: str) -> None:
    documents = {
        "Invoice": invoice(session, contact),
        "Bill": bill(session, contact),
        "CreditNote": made(session, "CreditNotes", **for_customer(contact, Status="AUTHORISED")),
        "SupplierCredit": made(session, "SupplierCredits", **document(contact, Status="AUTHORISED")),
    }
    ids = {"Invoice": "InvoiceID", "Bill": "InvoiceID"}
    writes = [
        create(
            name,
            **{name: {ids.get(name, "CreditNoteID"): record.id}},
            Amount=Decimal("10.10"),
            Account={"Code": "090"},
            Date="2026-11-05",
            Reference=f"R {name}",
        )
        for name, record in documents.items()
    ]
    remote.calls()
    outcomes = session.write("Payments", writes)
    assert remote.calls() == {"PUT /Payments": 1}
    assert kinds(outcomes) == [DONE] * 4
    by_id = {r.id: r for r in read(session, "Payments")[0]}
    assert list(by_id) == sorted(by_id)
    for (name, record), outcome in zip(documents.items(), outcomes, strict=True):
        values = by_id[str(outcome.id)].values
        assert values[name][ids.get(name, "CreditNoteID")] == record.id
        assert not (set(documents) - {name}) & set(values)
        assert (values["Reference"], values["Account"]["Code"]) == (f"R {name}", "090")
        assert values == (outcome.record.values if outcome.record else None)
    assert session.count("Payments") == 4
    assert len(session.read_ids("Payments", [*by_id, ZERO], ALL)) == 4


def test_payments_are_made_and_deleted_and_never_changed(
    remote: Remote, session: Session, contact: str
) -> None:
    owed = invoice(session, contact)
    values = {"Invoice": {"InvoiceID": owed.id}, "Account": {"Code": "090"}, "Date": "2026-11-05"}
    payments = [made(session, "Payments", **values, Amount=n) for n in (10, 20, 30)]
    remote.calls()
    (outcome,) = session.write("Payments", [update(payments[0].id, Amount=11)])
    (nothing,) = session.write("Payments", [create("n", Amount=1, Account={"Code": "090"})])
    assert remote.calls() == {}
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "immutable")
    assert (nothing.kind, nothing.code) == (OutcomeKind.REFUSED, "document")
    remote.sandbox.act("reconcile", "Payments", payments[1].id, {})
    remote.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="POST", path=f".*{payments[2].id}"))

    def delete() -> list[OutcomeKind | None]:
        ids = (*(p.id for p in payments), ZERO)
        return kinds(
            session.write("Payments", [Write(kind=WriteKind.DELETE, key=f"d{i}", id=i) for i in ids])
        )

    refused, lost, missing = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN, OutcomeKind.GONE
    assert delete() == [DONE, refused, lost, missing]
    remote.sandbox.clock.advance(3600)
    remote.sign_in()
    assert delete() == [DONE, refused, DONE, missing]
    states = {r.id: (r.state, r.lock.reason if r.lock else "") for r in read(session, "Payments")[0]}
    assert states[payments[0].id] == (State.DELETED, "the payment is deleted")
    assert states[payments[1].id][0] is State.LIVE
    assert "reconciled" in states[payments[1].id][1]
    (now,) = session.read_ids("Invoices", [owed.id], ALL)
    assert now.values["AmountPaid"] == 20


def test_a_lost_payment_is_found_by_document_day_amount_and_reference(
    remote: Remote, session: Session, contact: str
) -> None:
    owed = invoice(session, contact)
    values = {
        "Invoice": {"InvoiceID": owed.id},
        "Account": {"Code": "090"},
        "Date": "2026-11-05",
        "Amount": Decimal(10),
    }
    remote.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="PUT", path=".*Payments$"))
    write, sent_at = create("p", **values, Reference="r-1"), datetime.now(UTC)
    assert kinds(session.write("Payments", [write])) == [OutcomeKind.UNKNOWN]
    others = [
        create("o1", **values, Reference="r-2"),
        create("o2", **values),
        create("o3", **{**values, "Amount": Decimal(11)}, Reference="r-1"),
        create("o4", **{**values, "Date": "2026-11-06"}, Reference="r-1"),
    ]
    sent = [SentWrite(write=w, sent_at=sent_at) for w in (*others, write, write)]
    assert kinds(session.settle("Payments", sent)) == [None, None, None, None, DONE, None]
    assert len(remote.sandbox.records("Payments")) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"Amount": 1000}, "amount", id="more than is due"),
        pytest.param({"Account": {"Code": "200"}}, "account", id="an account that takes no payments"),
        pytest.param({"Date": "2026-01-01"}, "locked-period", id="in a locked period"),
    ],
)
def test_payments_that_are_refused(
    remote: Remote, session: Session, contact: str, change: dict[str, Any], code: str
) -> None:
    owed = invoice(session, contact)
    remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-06-30"})
    values = {"Invoice": {"InvoiceID": owed.id}, "Account": {"Code": "090"}, "Amount": 5, **change}
    good = {**values, "Amount": 1, "Account": {"Code": "090"}, "Date": "2026-11-05"}
    bad, fine = session.write("Payments", [create("b", **values), create("g", **good)])
    assert (bad.kind, bad.code) == (OutcomeKind.REFUSED, code)
    assert fine.kind is DONE


# --- lines, stock, look-ups ---------------------------------------------------------------------------


def test_more_persons_than_xero_keeps_are_refused_before_the_call(remote: Remote, session: Session) -> None:
    people = [{"FirstName": f"P{n}", "IncludeInEmails": False} for n in range(6)]
    remote.calls()
    (outcome,) = session.write("Contacts", [create("c", Name="Many", ContactPersons=people)])
    assert remote.calls() == {}
    assert (outcome.kind, outcome.code, outcome.field) == (OutcomeKind.REFUSED, "too-many", "ContactPersons")
    (outcome,) = session.write("Contacts", [create("d", Name="Five", ContactPersons=people[:5])])
    assert outcome.record is not None
    assert len(outcome.record.values["ContactPersons"]) == 5
    (outcome,) = session.write("Contacts", [update(str(outcome.id), ContactPersons=people[1:2])])
    assert outcome.record is not None
    assert [p["FirstName"] for p in outcome.record.values["ContactPersons"]] == ["P1"]


def test_lines_are_tracked_by_name_and_keep_what_is_not_named(
    remote: Remote, session: Session, contact: str
) -> None:
    region, both = [{"Name": "Region", "Option": "North"}], {"Name": "Department", "Option": "Trade"}
    debt = bill(session, contact, Status="DRAFT", LineItems=lines(Tracking=[*region, both]))
    (line,) = debt.values["LineItems"]
    change = Item(id=line["LineItemID"], values={"Tracking": [{"Name": "Region", "Option": "South"}]})
    (outcome,) = session.write("Bills", [update(debt.id, LineItems=Items(items=(change,)))])
    assert outcome.record is not None
    tracking = outcome.record.values["LineItems"][0]["Tracking"]
    assert {t["Name"]: t["Option"] for t in tracking} == {"Region": "South", "Department": "Trade"}
    change = Item(id=line["LineItemID"], values={"Tracking": [{"Name": "Planet", "Option": "Mars"}]})
    (outcome,) = session.write("Bills", [update(debt.id, "v", LineItems=Items(items=(change,)))])
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "tracking")


def test_stock_is_read_though_the_item_did_not_change(remote: Remote, session: Session, contact: str) -> None:
    tracked = {
        "Code": "BOLT",
        "PurchaseDetails": {"COGSAccountCode": "310", "UnitPrice": 5},
        "InventoryAssetAccountCode": "630",
    }
    made(session, "Items", Code="PLAIN")
    item = made(session, "Items", **tracked)
    assert item.values["IsTrackedAsInventory"] is True
    fields = frozenset({"QuantityOnHand"})
    remote.sandbox.clock.advance(3600)
    cursor = list(session.read("Items", None, fields))[-1].cursor
    remote.sandbox.clock.advance(3600)
    remote.sign_in()
    bill(session, contact, LineItems=lines(5, account="630", ItemCode="BOLT"))
    remote.calls()
    assert [r for page in session.read("Items", cursor, ALL) for r in page.records] == []
    assert remote.calls() == {"GET /Items": 1}
    (found,) = [r for page in session.read("Items", cursor, fields) for r in page.records]
    assert remote.calls() == {"GET /Items": 2}
    assert (found.id, found.values["QuantityOnHand"]) == (item.id, 1)
    assert found.version != item.version


@pytest.mark.parametrize("module", ["PurchaseOrders", "CreditNotes"])
def test_a_document_of_an_archived_contact_is_not_approved(
    remote: Remote, session: Session, contact: str, module: str
) -> None:
    make = document if module == "PurchaseOrders" else for_customer
    draft = made(session, module, **make(contact))
    assert draft.lock is None
    remote.sandbox.act("archive", "Contacts", contact, {})
    (now,) = session.read_ids(module, [draft.id], ALL)
    assert now.lock is not None
    assert "Status" not in now.lock.editable
    (outcome,) = session.write(module, [update(draft.id, Reference="still taken")])
    assert outcome.kind is DONE
    (outcome,) = session.write(module, [update(draft.id, "v", Status="AUTHORISED")])
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "archived-contact")


def test_documents_of_a_currency_with_its_rate(remote: Remote, session: Session, contact: str) -> None:
    remote.sandbox.act("create", "Currencies", None, {"Code": "USD", "rate": "0.65"})
    rate = {"CurrencyCode": "USD", "CurrencyRate": Decimal("0.7125")}
    for module, make in (
        ("Bills", document),
        ("CreditNotes", for_customer),
        ("Quotes", for_customer),
        ("PurchaseOrders", document),
    ):
        row = made(session, module, **make(contact, **rate)).values
        assert (row["CurrencyCode"], row["CurrencyRate"]) == ("USD", Decimal("0.7125")), module
        (bad,) = session.write(module, [create("b" + module, **make(contact, CurrencyCode="XXX"))])
        assert (bad.kind, bad.code) == (OutcomeKind.REFUSED, "currency"), module


@pytest.mark.parametrize(
    ("treatment", "total", "tax"),
    [("Exclusive", 110, 10), ("Inclusive", 100, Decimal("9.09")), ("NoTax", 100, 0)],
)
def test_amounts_with_and_without_tax(
    session: Session, contact: str, treatment: str, total: Any, tax: Any
) -> None:
    for module, make in (("Bills", document), ("CreditNotes", for_customer), ("Quotes", for_customer)):
        spelled = treatment.upper() if module == "Quotes" else treatment
        row = made(session, module, **make(contact, LineAmountTypes=spelled)).values
        assert (row["Total"], row["TotalTax"]) == (total, tax), module


def test_look_ups_of_tracking_themes_and_users(demo: Remote) -> None:
    session = demo.open_session()
    tracking, _ = read(session, "TrackingCategories")
    assert {r.key for r in tracking} == {"Region", "Department"}
    assert {o["Name"] for r in tracking for o in r.values["Options"]} >= {"North", "Trade"}
    assert {r.key for r in read(session, "BrandingThemes")[0]} == {"Standard", "Special Projects"}
    users, _ = read(session, "Users")
    assert len({r.values["EmailAddress"] for r in users}) == 3


def test_events_of_credit_notes_and_bills(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("empty")
    remote.sandbox.switches["webhook_key"] = "k"
    session = remote.open_session()
    here = Organisation(id=remote.tenant, name="x")
    contact = remote.sandbox.act("create", "Contacts", None, {"Name": "C"})["ContactID"]
    debt = bill(session, contact)
    credit = made(session, "SupplierCredits", **document(contact))
    heard = [e for d in remote.sandbox.deliveries for e in read_events("k", here, d.headers, d.body)]
    assert {(e.module, e.record) for e in heard} == {
        ("Contacts", contact),
        ("Invoices", debt.id),
        ("Bills", debt.id),
        ("SupplierCredits", credit.id),
    }
