"""The connector reads a sandbox: whole, changed, by id, with as few calls as there can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncline.connect import (
    Field,
    FieldType,
    PermissionMissing,
    QuotaExhausted,
    ReconnectNeeded,
    Record,
    RemoteProtocolError,
    RemoteUnavailable,
    Session,
    State,
    WrongOrganisation,
)
from syncline.connect.sandbox import Fault, FaultKind
from syncline_xero.catalogue import CATALOGUE
from syncline_xero.connector import XeroConnector

Remote = Any
ALL: frozenset[str] = frozenset()


def read(session: Session, module: str, cursor: str | None = None) -> tuple[list[Record], str]:
    records: list[Record] = []
    for page in session.read(module, cursor, ALL):
        records += page.records
        cursor = page.cursor
    assert cursor is not None
    return records, cursor


def test_a_scan_reads_everything_as_it_is_stored(demo: Remote) -> None:
    session = demo.open_session()
    for module, key in (("Contacts", "ContactID"), ("Items", "ItemID"), ("Invoices", "InvoiceID")):
        records, _ = read(session, module)
        stored = {row[key]: row for row in demo.sandbox.records(module)}
        assert {r.id for r in records} == set(stored)
        assert len(records) == len(stored)
        assert all(r.complete and r.modified is not None for r in records)
        for record in records:
            assert record.version == stored[record.id]["UpdatedDateUTC"]


def test_a_contact_in_the_engines_form(remote: Remote, session: Session) -> None:
    remote.make(
        "Contacts",
        {
            "Name": "Ana",
            "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "1"}],
            "PaymentTerms": {"Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"}},
        },
    )
    (record,), _ = read(session, "Contacts")
    values = record.values
    phones = {p["PhoneType"]: p for p in values["Phones"]}
    assert phones["DEFAULT"]["PhoneNumber"] == "1"
    assert phones["MOBILE"]["PhoneNumber"] is None
    assert values["PaymentTerms"] == {"Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"}}
    assert values["IsCustomer"] is False
    assert values["UpdatedDateUTC"] == record.version
    assert record.modified is not None
    assert record.modified.tzinfo is UTC
    assert (record.state, record.key, record.lock) == (State.LIVE, None, None)
    assert "HasValidationErrors" not in values


def test_an_invoice_in_the_engines_form(demo: Remote) -> None:
    session = demo.open_session()
    stored = next(r for r in demo.sandbox.records("Invoices") if r["Status"] == "PAID")
    (record,) = session.read_ids("Invoices", [stored["InvoiceID"]], ALL)
    values = record.values
    assert values["Date"] == stored["Date"]
    assert values["FullyPaidOnDate"] == stored["FullyPaidOnDate"]
    assert values["Contact"] == {
        "ContactID": stored["Contact"]["ContactID"],
        "Name": stored["Contact"]["Name"],
    }
    assert values["LineItems"][0]["UnitAmount"] == stored["LineItems"][0]["UnitAmount"]
    assert isinstance(values["Total"], Decimal)
    assert "DateString" not in values
    assert record.lock is not None
    assert "LineItems" not in record.lock.editable
    assert "Reference" in record.lock.editable


def test_four_decimals_are_read(remote: Remote, session: Session) -> None:
    remote.make("Items", {"Code": "A", "SalesDetails": {"UnitPrice": 1.2345}}, params={"unitdp": "4"})
    (record,), _ = read(session, "Items")
    assert record.values["SalesDetails"]["UnitPrice"] == Decimal("1.2345")
    assert record.key == "A"


def test_bills_are_not_read_as_invoices(remote: Remote, session: Session) -> None:
    contact = remote.make("Contacts", {"Name": "C"})["ContactID"]
    body = {"Contact": {"ContactID": contact}, "LineItems": [{"Description": "d", "UnitAmount": 1}]}
    bill = remote.make("Invoices", {**body, "Type": "ACCPAY"})
    sale = remote.make("Invoices", {**body, "Type": "ACCREC"})
    records, cursor = read(session, "Invoices")
    assert [r.id for r in records] == [sale["InvoiceID"]]
    assert [r.id for r in read(session, "Invoices", cursor)[0]] == [sale["InvoiceID"]]
    assert session.read_ids("Invoices", [bill["InvoiceID"]], ALL) == []


def test_a_scan_takes_one_call_a_thousand_and_nothing_new_takes_one(
    open_remote: Callable[..., Remote],
) -> None:
    remote = open_remote(3000)
    session = remote.open_session()
    remote.calls()
    records, cursor = read(session, "Contacts")
    assert len(records) == len({r.id for r in records}) == 3000
    assert remote.calls() == {"GET /Contacts": 3}
    assert read(session, "Contacts", cursor)[0] == []
    assert remote.calls() == {"GET /Contacts": 1}


def test_changes_are_read_with_an_overlap_and_archived_ones_too(remote: Remote, session: Session) -> None:
    ids = [remote.make("Contacts", {"Name": name})["ContactID"] for name in ("One", "Two", "Three")]
    remote.sandbox.clock.advance(3600)
    _, cursor = read(session, "Contacts")
    remote.sandbox.clock.advance(600)
    remote.sandbox.act("archive", "Contacts", ids[0], {})
    remote.sandbox.act("merge", "Contacts", ids[1], {"into": ids[2]})
    changed = {r.id: r for r in read(session, "Contacts", cursor)[0]}
    assert set(changed) == set(ids[:2])
    assert {r.state for r in changed.values()} == {State.ARCHIVED}
    assert changed[ids[1]].merged_into == ids[2]
    assert all(r.lock is not None and r.lock.editable == frozenset() for r in changed.values())


def test_a_cursor_looks_back_a_minute_by_the_remotes_clock(remote: Remote, session: Session) -> None:
    remote.sandbox.clock.advance(86_400)
    before = remote.sandbox.clock.now()
    _, cursor = read(session, "Contacts")
    since = datetime.fromisoformat(json.loads(cursor)["since"]).replace(tzinfo=UTC)
    assert timedelta(seconds=58) <= before - since <= timedelta(seconds=62)


def test_deleted_and_voided_invoices_are_told(demo: Remote) -> None:
    records, _ = read(demo.open_session(), "Invoices")
    states = {r.values["Status"]: r.state for r in records}
    assert states["DELETED"] is State.DELETED
    assert states["VOIDED"] is State.VOIDED
    reasons = {r.values["Status"]: r.lock.reason for r in records if r.lock}
    assert reasons["VOIDED"] == "the invoice is voided"
    assert reasons["AUTHORISED"] == "the invoice is part paid"


def test_records_that_change_between_pages_hide_nobody(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote(2500)
    session = remote.open_session()
    everyone = {r["ContactID"] for r in remote.sandbox.records("Contacts")}
    seen: set[str] = set()
    for page in session.read("Contacts", None, ALL):
        seen |= {r.id for r in page.records}
        if not page.last:
            for record in list(page.records)[:200]:
                remote.sandbox.act("update", "Contacts", record.id, {"TaxNumber": f"{len(seen)}"})
            remote.sandbox.act("create", "Contacts", None, {"Name": f"New {len(seen)}"})
    assert everyone <= seen


def test_a_read_goes_on_from_any_page(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote(2100)
    pages = list(remote.open_session().read("Contacts", None, ALL))
    assert [len(p.records) for p in pages] == [1000, 1000, 100]
    for place, page in enumerate(pages[:-1]):
        rest, cursor = read(remote.open_session(), "Contacts", page.cursor)
        assert [r.id for r in rest] == [r.id for p in pages[place + 1 :] for r in p.records]
        assert json.loads(cursor)["since"] == json.loads(pages[-1].cursor)["since"]


def test_an_edit_during_a_scan_is_in_the_next_read(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote(1500)
    session = remote.open_session()
    first = None
    for page in session.read("Contacts", None, ALL):
        if first is None:
            first = page.records[0].id
            remote.sandbox.clock.advance(1000)
            remote.sandbox.act("update", "Contacts", first, {"TaxNumber": "new"})
        cursor = page.cursor
    assert [r.id for r in read(session, "Contacts", cursor)[0]] == [first]


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"page": "one"}'])
def test_a_cursor_that_is_none_of_ours(session: Session, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="cursor"):
        read(session, "Contacts", text)


def test_records_by_id_in_as_few_calls_as_addresses_allow(demo: Remote) -> None:
    session = demo.open_session()
    ids = [r["ContactID"] for r in demo.sandbox.records("Contacts")][:90]
    demo.calls()
    found = session.read_ids("Contacts", [*ids, ids[0], "00000000-0000-0000-0000-00000000000a"], ALL)
    assert {r.id for r in found} == set(ids)
    assert demo.calls() == {"GET /Contacts": 3}
    items = [r["ItemID"] for r in demo.sandbox.records("Items")][:3]
    assert {r.id for r in session.read_ids("Items", items, ALL)} == set(items)
    assert demo.calls() == {"GET /Items": 1}
    assert [r.id for r in session.read_ids("Items", items[:1], ALL)] == items[:1]
    assert demo.calls() == {"GET /Items/{id}": 1}
    assert session.read_ids("Items", ["00000000-0000-0000-0000-00000000000a"], ALL) == []
    assert session.read_ids("Contacts", [], ALL) == []


def test_records_by_id_are_seen_at_once_and_archived_too(remote: Remote, session: Session) -> None:
    remote.sandbox.switches["visibility_delay_s"] = 60
    made = remote.sandbox.act("create", "Contacts", None, {"Name": "A"})["ContactID"]
    remote.sandbox.act("archive", "Contacts", made, {})
    (record,) = session.read_ids("Contacts", [made], ALL)
    assert record.state is State.ARCHIVED


def test_counts(demo: Remote) -> None:
    session = demo.open_session()
    alive = [r for r in demo.sandbox.records("Invoices") if r["Status"] not in ("DELETED", "VOIDED")]
    assert session.count("Contacts") == 300
    assert session.count("Invoices") == len(alive)
    assert session.count("Items") is None


def test_lookups(demo: Remote) -> None:
    session = demo.open_session()
    found = {}
    for module in ("Currencies", "TaxRates", "Accounts", "Organisation"):
        records, _ = read(session, module)
        found[module] = {r.id: r for r in records}
    assert set(found["Currencies"]) == {"AUD", "NZD", "USD"}
    assert found["TaxRates"]["OUTPUT"].values["EffectiveRate"] == 10
    assert {r.key for r in found["Accounts"].values()} >= {"090", "200"}
    assert found["Organisation"][demo.tenant].values["BaseCurrency"] == "AUD"
    again = {r.id: r.version for r in read(session, "TaxRates")[0]}
    assert again == {i: r.version for i, r in found["TaxRates"].items()}


def test_check_says_who_is_there(remote: Remote, session: Session) -> None:
    remote.sandbox.clock.advance(5000)
    remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-06-30"})
    remote.calls()
    account = session.check()
    assert remote.calls() == {"GET /Organisation": 2, "POST /connect/token": 1}
    assert (account.organisation.id, account.organisation.name) == (remote.tenant, "Harbour & Vine Trading")
    assert (account.currency, account.timezone, account.country) == ("AUD", "Australia/Sydney", "AU")
    assert "accounting.contacts" in account.scopes
    assert account.server_time is not None
    assert abs(account.server_time - remote.sandbox.clock.now()) < timedelta(seconds=5)
    assert any("2026-06-30" in text for text in account.warnings)


def test_locked_periods_close_invoices_once_known(demo: Remote, open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("demo")
    session = remote.open_session()
    remote.sandbox.act("update", "Organisation", None, {"EndOfYearLockDate": "2026-10-01"})
    session.check()
    for record in read(session, "Invoices")[0]:
        old = record.values["Date"] <= "2026-10-01" and record.values["Status"] in ("AUTHORISED", "PAID")
        locked = record.lock is not None and "locked up to 2026-10-01" in record.lock.reason
        assert locked is old


def test_organisations_and_the_only_one(remote: Remote) -> None:
    session = remote.open_session(chosen=False)
    assert [o.id for o in session.organisations()] == [remote.tenant, remote.other_tenant]
    with pytest.raises(WrongOrganisation, match="Harbour & Vine Trading NZ"):
        session.check()
    second = remote.http.get("/connections").json()[1]
    remote.http.delete(f"/connections/{second['id']}")
    assert remote.open_session(chosen=False).check().organisation.id == remote.tenant


def test_discover_fills_in_the_organisations_choices(demo: Remote) -> None:
    session = demo.open_session()
    demo.calls()
    found = session.discover()
    assert demo.calls() == {
        "GET /Accounts": 1,
        "GET /Currencies": 1,
        "GET /TaxRates": 1,
        "GET /TrackingCategories": 1,
    }
    contacts = found.module("Contacts")
    assert contacts is not None
    currency, tax = contacts.field("DefaultCurrency"), contacts.field("AccountsReceivableTaxType")
    assert currency is not None
    assert currency.choices == ("AUD", "NZD", "USD")
    assert tax is not None
    assert tax.choices is not None
    assert "EXEMPTOUTPUT" in tax.choices


def test_every_stored_field_is_in_the_catalogue(demo: Remote) -> None:
    """What the sandbox shows and the catalogue does not know must be known to be left out."""
    left_out = {
        "Contacts": {"ContactGroups", "HasAttachments", "HasValidationErrors"},
        "Items": set[str](),
        "Invoices": {"CreditNotes", "Prepayments", "Overpayments", "HasErrors", "UpdatedDateUTCString"},
    }
    for module, expected in left_out.items():
        described = CATALOGUE.module(module)
        assert described is not None
        shown = {name for row in demo.sandbox.records(module) for name in row}
        assert shown - {f.name for f in described.fields} == expected


def test_the_catalogue_is_well_formed() -> None:
    def walk(fields: tuple[Field, ...]) -> list[Field]:
        return [f for field in fields for f in (field, *walk(field.fields))]

    for module in CATALOGUE.modules:
        names = [f.name for f in module.fields]
        assert len(names) == len(set(names))
        for field in walk(module.fields):
            if field.type in (FieldType.OBJECT, FieldType.LIST):
                assert field.fields
            if field.reference is not None:
                assert CATALOGUE.module(field.reference.module) is not None
            for key in (field.item_id, field.item_key):
                assert key is None or key in {f.name for f in field.fields}
        assert module.lookup or any(f.required for f in module.fields)


# --- refusals of whole calls ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(kind=FaultKind.REMOTE, name="scope"), ReconnectNeeded, id="scope missing"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="disconnected"), ReconnectNeeded, id="disconnected"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="day"), QuotaExhausted, id="day used up"),
        pytest.param(
            Fault(kind=FaultKind.STATUS, status=403, body="no role"), PermissionMissing, id="role missing"
        ),
        pytest.param(Fault(kind=FaultKind.STATUS, status=404), RemoteProtocolError, id="no such list"),
        pytest.param(Fault(kind=FaultKind.STATUS, status=412), RemoteProtocolError, id="precondition"),
        pytest.param(Fault(kind=FaultKind.MALFORMED), RemoteProtocolError, id="broken JSON"),
        pytest.param(Fault(kind=FaultKind.HTML, status=200), RemoteProtocolError, id="web page"),
        pytest.param(
            Fault(kind=FaultKind.REMOTE, name="unavailable", times=9), RemoteUnavailable, id="offline"
        ),
        pytest.param(Fault(kind=FaultKind.REFUSE, times=9), RemoteUnavailable, id="connection refused"),
    ],
)
def test_reads_that_fail(remote: Remote, session: Session, fault: Fault, error: type[Exception]) -> None:
    from msgspec.structs import replace

    remote.sandbox.faults.arm(replace(fault, path="/api"))
    with pytest.raises(error) as raised:
        read(session, "Contacts")
    assert remote.tokens["access_token"] not in str(raised.value)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind=FaultKind.REMOTE, name="minute"), id="minute"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="concurrent"), id="concurrent"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="token-expired"), id="token expired"),
        pytest.param(Fault(kind=FaultKind.REMOTE, name="unavailable"), id="offline once"),
        pytest.param(Fault(kind=FaultKind.LOSE), id="answer lost"),
        pytest.param(Fault(kind=FaultKind.TRUNCATE), id="answer cut"),
    ],
)
def test_reads_that_are_mended(remote: Remote, session: Session, fault: Fault) -> None:
    from msgspec.structs import replace

    remote.make("Contacts", {"Name": "A"})
    remote.sandbox.faults.arm(replace(fault, path="/api"))
    assert len(read(session, "Contacts")[0]) == 1


def test_a_disconnected_organisation_among_others(remote: Remote, session: Session) -> None:
    rows = remote.http.get("/connections").json()
    remote.http.delete(f"/connections/{rows[0]['id']}")
    with pytest.raises(WrongOrganisation, match="NZ"):
        session.check()
    remote.http.delete(f"/connections/{rows[1]['id']}")
    with pytest.raises(ReconnectNeeded, match="no longer connected"):
        session.check()


def test_a_custom_connection(remote: Remote) -> None:
    oauth = XeroConnector().oauth({"base_url": remote.base_url}, {})
    scope = oauth.client_credentials_params["scope"]
    remote.tokens = remote.token(grant_type="client_credentials", scope=scope).json()
    assert remote.open_session(chosen=False).check().organisation.id == remote.tenant
