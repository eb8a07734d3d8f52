"""Two changes within one second, which the CRM stamps alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from zoho_remote import Remote

from syncline.connect import Item, Items, Outcome, OutcomeKind, Record, Session, Write, WriteKind

FIELDS = frozenset({"Account_Name", "Phone"})
INVOICE = frozenset({"Subject", "Status", "Invoiced_Items"})


@pytest.fixture
def stopped(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock that records are stamped by stands still."""
    now = remote.sandbox.clock.now()
    monkeypatch.setattr(remote.sandbox.org, "now", lambda: now)
    return now


def read(session: Session, module: str, record: str, fields: frozenset[str] = FIELDS) -> Record:
    (found,) = session.read_ids(module, [record], fields)
    return found


def update(session: Session, module: str, record: Record, read_at: datetime, **values: Any) -> Outcome:
    write = Write(
        kind=WriteKind.UPDATE,
        key="u",
        id=record.id,
        values=values,
        version=record.version,
        read_at=read_at,
    )
    (outcome,) = session.write(module, [write])
    return outcome


def test_an_edit_in_the_second_of_our_own_write_has_a_version_of_its_own(
    remote: Remote, session: Session, stopped: datetime
) -> None:
    write = Write(kind=WriteKind.CREATE, key="k", values={"Account_Name": "A"})
    (made,) = session.write("Accounts", [write])
    assert made.id is not None
    assert read(session, "Accounts", made.id).version == made.version, "an own write is known again"
    remote.sandbox.act("update", "Accounts", made.id, {"Phone": "1"})
    edited = read(session, "Accounts", made.id)
    assert edited.modified == stopped.replace(microsecond=0)
    assert edited.version != made.version
    (scanned,) = (r for page in session.read("Accounts", None, FIELDS) for r in page.records)
    assert scanned.version == edited.version


@pytest.mark.parametrize("scan", [False, True], ids=["read-by-id", "read-in-a-list"])
def test_an_edit_in_the_second_of_the_read_is_never_overwritten(
    remote: Remote, session: Session, stopped: datetime, scan: bool
) -> None:
    made = remote.sandbox.act("create", "Accounts", None, {"Account_Name": "A", "Phone": "1"})["id"]
    if scan:
        (before,) = (r for page in session.read("Accounts", None, FIELDS) for r in page.records)
    else:
        before = read(session, "Accounts", made)
    # by the same person, so that neither the time nor the author tells
    remote.sandbox.act("update", "Accounts", made, {"Phone": "2"})
    outcome = update(session, "Accounts", before, stopped, Phone="3")
    assert outcome.kind is OutcomeKind.CONFLICT
    assert remote.one("Accounts", made)["Phone"] == "2"
    again = read(session, "Accounts", made)
    assert update(session, "Accounts", again, stopped, Phone="3").kind is OutcomeKind.DONE


def test_an_edit_of_a_line_in_the_second_of_the_read_is_never_overwritten(
    remote: Remote, session: Session, stopped: datetime
) -> None:
    product = remote.add("Products", {"Product_Name": "P"})[0]["id"]
    line = {"Product_Name": {"id": product}, "Quantity": 1, "List_Price": 5}
    made = remote.sandbox.act("create", "Invoices", None, {"Subject": "I", "Invoiced_Items": [line]})
    before = read(session, "Invoices", made["id"], INVOICE)
    line_id = made["Invoiced_Items"][0]["id"]
    remote.sandbox.act("update", "Invoices", made["id"], {"Invoiced_Items": [{"id": line_id, "Quantity": 2}]})
    items = Items(items=(Item(id=line_id, values={"Quantity": 3}),))
    assert update(session, "Invoices", before, stopped, Invoiced_Items=items).kind is OutcomeKind.CONFLICT
    assert remote.one("Invoices", made["id"])["Invoiced_Items"][0]["Quantity"] == 2


def test_a_record_that_had_settled_when_it_was_read_costs_no_second_look(
    remote: Remote, session: Session
) -> None:
    made = remote.add("Accounts", {"Account_Name": "A"})[0]["id"]
    remote.pass_time(5)
    before = read(session, "Accounts", made)
    remote.server.reset_counts()
    now = datetime.now(UTC) + timedelta(seconds=5)
    assert update(session, "Accounts", before, now, Phone="3").kind is OutcomeKind.DONE
    assert [(method, path) for method, path, _ in remote.server.counts()] == [("PUT", "/crm/v8/{module}")]
