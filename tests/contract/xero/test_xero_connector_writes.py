"""The connector writes to a sandbox: batches, verdicts, lost answers, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from syncline.connect import (
    Item,
    Items,
    Outcome,
    OutcomeKind,
    QuotaExhausted,
    ReconnectNeeded,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Fault, FaultKind

Remote = Any
ZERO = "00000000-0000-0000-0000-00000000000a"


def create(key: str, **values: Any) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, values=values)


def update(record_id: str, key: str = "u", **values: Any) -> Write:
    return Write(kind=WriteKind.UPDATE, key=key, id=record_id, values=values)


def kinds(outcomes: Sequence[Outcome | None]) -> list[OutcomeKind | None]:
    return [o.kind if o is not None else None for o in outcomes]


@pytest.fixture
def customer(remote: Remote) -> str:
    return str(remote.sandbox.act("create", "Contacts", None, {"Name": "Customer"})["ContactID"])


def sale(customer: str, **values: Any) -> dict[str, Any]:
    line = {"Description": "Work", "Quantity": 2, "UnitAmount": Decimal("50.1234"), "AccountCode": "200"}
    return {
        "Contact": {"ContactID": customer},
        "Date": "2026-11-02",
        "DueDate": "2026-11-30",
        "LineItems": Items(items=(Item(values=line),)),
        **values,
    }


# --- creating -------------------------------------------------------------------------------------------


def test_a_batch_is_one_call_with_an_outcome_for_each_in_order(
    remote: Remote, session: Session, customer: str
) -> None:
    remote.calls()
    writes = [
        create("k3", Name="One", EmailAddress="one@x.example", TaxNumber=None),
        create("k1", Name="customer"),
        create("k2", Name="Two  spaced ", PaymentTerms={"Sales": {"Day": 30}}),
        create("k4", Name="Bad", EmailAddress="nobody"),
    ]
    one, taken, two, bad = session.write("Contacts", writes)
    assert remote.calls() == {"PUT /Contacts": 1}
    assert kinds([one, taken, two, bad]) == [
        OutcomeKind.DONE,
        OutcomeKind.TAKEN,
        OutcomeKind.DONE,
        OutcomeKind.REFUSED,
    ]
    stored = {r["Name"]: r for r in remote.sandbox.records("Contacts")}
    assert set(stored) == {"Customer", "One", "Two spaced"}
    assert one.id == stored["One"]["ContactID"]
    assert one.record is not None
    assert one.record.complete
    assert one.version == one.record.version == stored["One"]["UpdatedDateUTC"]
    assert stored["Two spaced"]["PaymentTerms"] == {"Sales": {"Day": 30, "Type": "DAYSAFTERBILLDATE"}}
    assert (taken.field, taken.code) == ("Name", "name-taken")
    assert "already assigned" in taken.message
    assert (bad.field, bad.message) == ("EmailAddress", "Email address must be valid.")


def test_the_same_set_in_another_order_is_the_same_request(remote: Remote, session: Session) -> None:
    writes = [create("a", Name="A"), create("b", Name="B"), create("c", Name="C")]
    first = session.write("Contacts", writes)
    again = session.write("Contacts", writes[::-1])
    assert [o.id for o in again] == [o.id for o in first][::-1]
    assert kinds(again) == [OutcomeKind.DONE] * 3
    assert len(remote.sandbox.records("Contacts")) == 3


def test_an_item_and_an_invoice_with_four_decimals(remote: Remote, session: Session, customer: str) -> None:
    (item,) = session.write("Items", [create("i", Code="W", SalesDetails={"UnitPrice": Decimal("1.2345")})])
    (made,) = session.write("Invoices", [create("v", **sale(customer))])
    assert item.record is not None
    assert item.record.key == "W"
    assert item.record.values["SalesDetails"]["UnitPrice"] == Decimal("1.2345")
    assert made.record is not None
    assert made.record.values["LineItems"][0]["UnitAmount"] == Decimal("50.1234")
    assert made.record.values["InvoiceNumber"] == "INV-0001"
    assert remote.sandbox.records("Invoices")[0]["Type"] == "ACCREC"


def test_a_contact_reference_is_sent_alone(remote: Remote, session: Session, customer: str) -> None:
    remote.sandbox.act("update", "Contacts", customer, {"ContactPersons": [{"FirstName": "P"}]})
    contact = {"ContactID": customer, "Name": "Another name"}
    assert kinds(session.write("Invoices", [create("v", **sale(customer, Contact=contact))])) == [
        OutcomeKind.DONE
    ]
    (stored,) = remote.sandbox.records("Contacts")
    assert stored["Name"] == "Customer"
    assert len(stored["ContactPersons"]) == 1


def test_accepted_with_a_warning(remote: Remote, session: Session, customer: str) -> None:
    line = {"Description": "d", "UnitAmount": 1, "AccountCode": "nope"}
    (outcome,) = session.write(
        "Invoices", [create("v", **sale(customer, LineItems=Items(items=(Item(values=line),))))]
    )
    assert outcome.kind is OutcomeKind.DONE
    assert outcome.warnings[0].startswith("Account code 'nope' has been removed")


def test_a_remote_that_rewrites_is_told_as_stored(remote: Remote, session: Session) -> None:
    remote.sandbox.switches["rewrite"] = True
    (outcome,) = session.write("Contacts", [create("a", Name="Ana Lee")])
    assert outcome.kind is OutcomeKind.DONE
    assert outcome.record is not None
    assert outcome.record.values["Name"] == "ANA LEE"


def test_one_body_that_cannot_be_read_does_not_stop_the_others(remote: Remote, session: Session) -> None:
    fault = {"ErrorNumber": 17, "Type": "PostDataInvalidException", "Message": "JSON is invalid"}
    import json

    remote.sandbox.faults.arm(
        Fault(
            kind=FaultKind.STATUS,
            status=400,
            method="PUT",
            body=json.dumps(fault),
            headers={"Content-Type": "application/json"},
            times=2,
        )
    )
    outcomes = session.write("Contacts", [create(k, Name=k) for k in "abcd"])
    # The whole batch and its first half meet the fault; the quarters and the second half go through.
    assert kinds(outcomes) == [OutcomeKind.DONE] * 4
    remote.sandbox.faults.arm(
        Fault(
            kind=FaultKind.STATUS,
            status=400,
            method="PUT",
            body=json.dumps(fault),
            headers={"Content-Type": "application/json"},
        )
    )
    (alone,) = session.write("Contacts", [create("e", Name="e")])
    assert (alone.kind, alone.message) == (OutcomeKind.REFUSED, "JSON is invalid")


# --- changing --------------------------------------------------------------------------------------------


def test_updates_change_what_they_name_and_clear_what_is_none(
    remote: Remote, session: Session, customer: str
) -> None:
    start = {"EmailAddress": "a@x.example", "TaxNumber": "1", "FirstName": "F"}
    remote.sandbox.act("update", "Contacts", customer, start)
    phones = [{"PhoneType": "MOBILE", "PhoneNumber": "9", "PhoneAreaCode": None}]
    remote.calls()
    (outcome,) = session.write(
        "Contacts", [update(customer, EmailAddress=None, TaxNumber="2", Phones=phones)]
    )
    assert remote.calls() == {"POST /Contacts": 1}
    assert outcome.record is not None
    values = outcome.record.values
    assert values.get("EmailAddress") is None
    assert (values["TaxNumber"], values["FirstName"]) == ("2", "F")
    assert {p["PhoneType"]: p["PhoneNumber"] for p in values["Phones"]}["MOBILE"] == "9"


def test_an_update_of_an_unknown_record_is_gone(session: Session, customer: str) -> None:
    outcomes = session.write(
        "Contacts", [update(ZERO, "a", TaxNumber="1"), update(customer, "b", TaxNumber="1")]
    )
    assert kinds(outcomes) == [OutcomeKind.GONE, OutcomeKind.DONE]


def test_lines_keep_their_ids(remote: Remote, session: Session, customer: str) -> None:
    (made,) = session.write("Invoices", [create("v", **sale(customer))])
    assert made.record is not None
    assert made.id is not None
    line = made.record.values["LineItems"][0]
    lines = Items(
        items=(
            Item(values={"Description": "New", "UnitAmount": 1, "DiscountRate": None}),
            Item(id=line["LineItemID"], values={"Quantity": 3, "DiscountRate": None}),
        )
    )
    (outcome,) = session.write("Invoices", [update(made.id, LineItems=lines)])
    assert outcome.record is not None
    first, second = outcome.record.values["LineItems"]
    assert (first["Description"], second["Description"], second["Quantity"]) == ("New", "Work", 3)
    assert second["LineItemID"] == line["LineItemID"]
    assert second["UnitAmount"] == Decimal("50.1234")


@pytest.mark.parametrize(
    ("values", "amount"),
    [
        pytest.param(
            {"DiscountAmount": Decimal("7.5")}, Decimal("92.50"), id="an amount in place of the rate"
        ),
        pytest.param({"DiscountAmount": None}, Decimal("100.00"), id="no amount: no discount at all"),
        pytest.param({"DiscountRate": 20}, Decimal("80.00"), id="another rate"),
        pytest.param({"Quantity": 4}, Decimal("180.00"), id="not named: it stays"),
    ],
)
def test_a_line_has_one_discount(
    session: Session, customer: str, values: dict[str, Any], amount: Decimal
) -> None:
    line = {"Description": "d", "Quantity": 2, "UnitAmount": 50, "DiscountRate": 10}
    (made,) = session.write(
        "Invoices", [create("v", **sale(customer, LineItems=Items(items=(Item(values=line),))))]
    )
    assert made.record is not None
    assert made.id is not None
    items = Items(items=(Item(id=made.record.values["LineItems"][0]["LineItemID"], values=values),))
    (outcome,) = session.write("Invoices", [update(made.id, LineItems=items)])
    assert outcome.record is not None
    assert outcome.record.values["LineItems"][0]["LineAmount"] == amount


def test_a_payment_that_came_first_is_a_conflict(remote: Remote, session: Session, customer: str) -> None:
    (made,) = session.write("Invoices", [create("v", **sale(customer, Status="AUTHORISED"))])
    assert made.id is not None
    remote.sandbox.act("pay", "Invoices", made.id, {"Amount": 1})
    (outcome,) = session.write("Invoices", [update(made.id, Date="2026-10-01")])
    assert (outcome.kind, outcome.code) == (OutcomeKind.CONFLICT, "paid")
    (fine,) = session.write("Invoices", [update(made.id, "u2", Reference="late")])
    assert fine.kind is OutcomeKind.DONE


def test_archive_and_restore(remote: Remote, session: Session, customer: str) -> None:
    (archived,) = session.write("Contacts", [Write(kind=WriteKind.ARCHIVE, key="a", id=customer)])
    assert archived.record is not None
    assert archived.record.state is State.ARCHIVED
    (back,) = session.write("Contacts", [Write(kind=WriteKind.RESTORE, key="b", id=customer)])
    assert back.record is not None
    assert (back.record.state, back.record.lock) == (State.LIVE, None)


def test_items_are_deleted_one_by_one(remote: Remote, session: Session) -> None:
    made = session.write("Items", [create(c, Code=c) for c in "ABC"])
    remote.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="DELETE", skip=1))
    writes = [Write(kind=WriteKind.DELETE, key=f"d{o.id}", id=o.id) for o in made]
    outcomes = session.write("Items", [*writes, Write(kind=WriteKind.DELETE, key="z", id=ZERO)])
    assert kinds(outcomes) == [OutcomeKind.DONE, OutcomeKind.UNKNOWN, OutcomeKind.DONE, OutcomeKind.GONE]
    assert remote.sandbox.records("Items") == []


def test_voiding_invoices_ends_them_by_their_state(remote: Remote, session: Session, customer: str) -> None:
    states = ("DRAFT", "SUBMITTED", "AUTHORISED", "AUTHORISED", "DRAFT")
    made = session.write(
        "Invoices", [create(f"k{i}", **sale(customer, Status=s)) for i, s in enumerate(states)]
    )
    ids = [str(o.id) for o in made]
    remote.sandbox.act("pay", "Invoices", ids[3], {})
    remote.sandbox.act("delete", "Invoices", ids[4], {})
    remote.calls()
    writes = [Write(kind=WriteKind.VOID, key=f"d{i}", id=i) for i in (*ids, ZERO)]
    outcomes = session.write("Invoices", writes)
    assert remote.calls() == {"GET /Invoices": 1, "POST /Invoices": 1}
    done = OutcomeKind.DONE
    assert kinds(outcomes) == [done, done, done, OutcomeKind.REFUSED, done, OutcomeKind.GONE]
    stored = {r["InvoiceID"]: r["Status"] for r in remote.sandbox.records("Invoices")}
    assert [stored[i] for i in ids] == ["DELETED", "DELETED", "VOIDED", "PAID", "DELETED"]


# --- answers that are lost, and faults of whole calls -------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind=FaultKind.LOSE), id="connection cut"),
        pytest.param(Fault(kind=FaultKind.TRUNCATE), id="answer cut"),
        pytest.param(Fault(kind=FaultKind.STATUS_AFTER, status=500, body="oops"), id="500 after storing"),
        pytest.param(Fault(kind=FaultKind.STATUS_AFTER, status=502), id="bad gateway"),
        pytest.param(Fault(kind=FaultKind.STATUS_AFTER, status=503), id="unavailable after storing"),
        pytest.param(Fault(kind=FaultKind.MALFORMED), id="broken JSON"),
    ],
)
def test_a_lost_answer_is_unknown_and_then_found(remote: Remote, session: Session, fault: Fault) -> None:
    writes = [create("a", Name="Ana", EmailAddress="a@x.example"), create("b", Name="Bob")]
    sent_at = datetime.now(UTC)
    remote.sandbox.faults.arm(replace(fault, method="PUT"))
    assert kinds(session.write("Contacts", writes)) == [OutcomeKind.UNKNOWN] * 2
    stored = {r["Name"]: r["ContactID"] for r in remote.sandbox.records("Contacts")}
    remote.calls()
    sent = [SentWrite(write=w, sent_at=sent_at) for w in (*writes, create("c", Name="Cy"))]
    found = session.settle("Contacts", sent)
    assert remote.calls() == {"GET /Contacts": 1}
    assert kinds(found) == [OutcomeKind.DONE, OutcomeKind.DONE, None]
    assert [o.id for o in found if o] == [stored["Ana"], stored["Bob"]]
    # Within six minutes the same request gives the first answer, and stores nothing new.
    again = session.write("Contacts", writes)
    if fault.kind is not FaultKind.MALFORMED:
        assert [o.id for o in again] == [stored["Ana"], stored["Bob"]]
    assert len(remote.sandbox.records("Contacts")) == 2


def test_an_error_that_stored_nothing_is_unknown_and_then_not_found(remote: Remote, session: Session) -> None:
    write, sent_at = create("a", Name="Ana"), datetime.now(UTC)
    remote.sandbox.faults.arm(Fault(kind=FaultKind.HTML, status=500, method="PUT"))
    (outcome,) = session.write("Contacts", [write])
    assert (outcome.kind, outcome.message) == (
        OutcomeKind.UNKNOWN,
        "Xero answered 500: a web page instead of data",
    )
    assert session.settle("Contacts", [SentWrite(write=write, sent_at=sent_at)]) == [None]
    assert kinds(session.write("Contacts", [write])) == [OutcomeKind.DONE]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(kind=FaultKind.REMOTE, name="day"), QuotaExhausted, id="day used up"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="scope"), ReconnectNeeded, id="scope"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="disconnected"), ReconnectNeeded, id="disconnected"),
    ],
)
def test_a_call_that_stored_nothing_is_raised(
    remote: Remote, session: Session, fault: Fault, error: type[Exception]
) -> None:
    remote.sandbox.faults.arm(replace(fault, method="PUT"))
    with pytest.raises(error):
        session.write("Contacts", [create("a", Name="A")])
    assert remote.sandbox.records("Contacts") == []


@pytest.mark.parametrize("name", ["unavailable", "organisation-offline"])
def test_a_remote_that_is_offline_is_looked_up_before_anything_is_repeated(
    remote: Remote, session: Session, name: str
) -> None:
    write, sent_at = create("a", Name="A"), datetime.now(UTC)
    remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name=name, method="PUT"))
    assert kinds(session.write("Contacts", [write])) == [OutcomeKind.UNKNOWN]
    assert session.settle("Contacts", [SentWrite(write=write, sent_at=sent_at)]) == [None]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind=FaultKind.REMOTE, name="day"), id="day used up"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="disconnected"), id="disconnected"),
    ],
)
def test_the_half_of_a_batch_that_was_stored_is_told_when_the_other_half_fails(
    remote: Remote, session: Session, fault: Fault
) -> None:
    remote.sandbox.faults.arm(Fault(kind=FaultKind.STATUS, status=400, method="PUT"))
    remote.sandbox.faults.arm(replace(fault, method="PUT", skip=1))
    stored, failed = session.write("Contacts", [create("a", Name="Ana"), create("b", Name="Bob")])
    assert [r["Name"] for r in remote.sandbox.records("Contacts")] == ["Ana"]
    assert stored.kind is OutcomeKind.DONE
    assert failed.kind is OutcomeKind.RETRY


def test_a_web_page_is_no_answer_to_a_delete(remote: Remote, session: Session) -> None:
    (made,) = session.write("Items", [create("i", Code="W")])
    remote.sandbox.faults.arm(Fault(kind=FaultKind.HTML, status=200, method="DELETE"))
    (outcome,) = session.write("Items", [Write(kind=WriteKind.DELETE, key="d", id=made.id)])
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert [r["Code"] for r in remote.sandbox.records("Items")] == ["W"]


def test_settling_finds_items_and_invoices(remote: Remote, session: Session, customer: str) -> None:
    session.write("Items", [create("i", Code="W", Name="Widget")])
    numbered = create("n", **sale(customer, InvoiceNumber="A-1"))
    alike = [create(f"x{i}", **sale(customer, Reference="same")) for i in range(2)]
    other = create("o", **sale(customer, Reference="other"))
    session.write("Invoices", [numbered, *alike])
    now = datetime.now(UTC)

    def settle(module: str, *writes: Write) -> Sequence[Outcome | None]:
        return session.settle(module, [SentWrite(write=w, sent_at=now) for w in writes])

    assert kinds(settle("Items", create("i", Code="W", Name="Widget"), create("j", Code="V"))) == [
        OutcomeKind.DONE,
        None,
    ]
    found = settle("Invoices", *alike, numbered, other)
    assert kinds(found) == [OutcomeKind.DONE] * 3 + [None]
    assert len({o.id for o in found if o}) == 3
    assert settle("Invoices") == []


def test_settling_claims_no_record_that_was_there_before(
    remote: Remote, session: Session, customer: str
) -> None:
    sent_at = remote.sandbox.clock.advance(4000)
    write = create("a", Name="Customer", EmailAddress="new@x.example")
    assert session.settle("Contacts", [SentWrite(write=write, sent_at=sent_at)]) == [None]
    remote.sandbox.act("update", "Contacts", customer, {"EmailAddress": "old@x.example"})
    assert session.settle("Contacts", [SentWrite(write=write, sent_at=sent_at)]) == [None]


@pytest.mark.parametrize("skew_s", [-7200, -90, 0, 7200])
def test_settling_with_a_clock_that_is_wrong(remote: Remote, session: Session, skew_s: int) -> None:
    remote.sandbox.clock.advance(skew_s)
    remote.sign_in()
    sent_at = datetime.now(UTC)
    (made,) = session.write("Contacts", [create("a", Name="Ana")])
    (found,) = session.settle("Contacts", [SentWrite(write=create("a", Name="Ana"), sent_at=sent_at)])
    assert found is not None
    assert found.id == made.id


def test_names_with_quotes_can_be_settled(remote: Remote, session: Session) -> None:
    write = create("a", Name='The "Best" & Co+')
    sent_at = datetime.now(UTC)
    session.write("Contacts", [write])
    assert kinds(session.settle("Contacts", [SentWrite(write=write, sent_at=sent_at)])) == [OutcomeKind.DONE]
