"""The connector against its sandbox: reads, cursors, lines, deletions, writes, lost answers, discovery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from zoho_remote import Remote, StaticSignIn, start

from syncline.connect import (
    Connection,
    FieldType,
    HttpClient,
    Item,
    Items,
    Organisation,
    Outcome,
    OutcomeKind,
    PermissionMissing,
    Record,
    RemoteProtocolError,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
    WrongOrganisation,
)
from syncline.connect.sandbox import Fault, FaultKind, make_world
from syncline_zoho.crm.connector import ZohoCrmConnector
from syncline_zoho.crm.sandbox.metadata import make_field
from syncline_zoho.crm.values import utc_text

ACCOUNT = frozenset({"Account_Name", "Phone", "Xero_ID"})
INVOICE = frozenset({"Subject", "Account_Name", "Status", "Invoiced_Items", "Grand_Total"})
OpenSession = Callable[..., Session]


def drain(
    session: Session, module: str, cursor: str | None = None, fields: frozenset[str] = ACCOUNT
) -> tuple[list[Record], str]:
    records: list[Record] = []
    for page in session.read(module, cursor, fields):
        records += page.records
        cursor, last = page.cursor, page.last
    assert last
    assert cursor is not None
    return records, cursor


def calls(remote: Remote) -> dict[str, int]:
    found = {f"{method} {template}": n for method, template, n in remote.server.counts()}
    remote.server.reset_counts()
    return found


def create(session: Session, module: str, *rows: dict[str, Any]) -> list[Outcome]:
    writes = [Write(kind=WriteKind.CREATE, key=f"k{n}", values=row) for n, row in enumerate(rows)]
    return list(session.write(module, writes))


def update(record: Record, values: dict[str, Any], read_at: datetime | None = None) -> Write:
    return Write(
        kind=WriteKind.UPDATE,
        key=f"u-{record.id}",
        id=record.id,
        values=values,
        version=record.version,
        read_at=read_at or datetime.now(UTC),
    )


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> Iterator[Remote]:
    """4,500 accounts; tests only read them."""
    yield from start(make_world(4500))


def test_a_full_read_takes_a_call_for_every_2000_records(large: Remote, open_session: OpenSession) -> None:
    session = open_session(large)
    calls(large)
    records, cursor = drain(session, "Accounts")
    assert len({record.id for record in records}) == len(records) == 4500
    assert calls(large) == {"POST /crm/v8/coql": 3}
    again, cursor = drain(session, "Accounts", cursor)
    assert again == []
    assert calls(large) == {"POST /crm/v8/coql": 1, "GET /crm/v8/{module}/deleted": 1}


def test_every_page_can_be_gone_on_from(large: Remote, open_session: OpenSession) -> None:
    session = open_session(large)
    first = next(iter(session.read("Accounts", None, ACCOUNT)))
    assert (len(first.records), first.last) == (2000, False)
    rest, _ = drain(session, "Accounts", first.cursor)
    seen = {record.id for record in first.records} | {record.id for record in rest}
    assert len(seen) == 4500
    assert len(rest) == 2500


def test_more_columns_than_a_query_takes_are_joined(remote: Remote, session: Session) -> None:
    extra = [f"Extra_{n:02d}" for n in range(60)]
    for name in extra:
        raw = {"api_name": name, "data_type": "text", "length": 50, "custom_field": True}
        remote.org.meta["Accounts"].fields[name] = make_field(raw, "1")
    ids = [
        row["id"]
        for row in remote.add(
            "Accounts", *({"Account_Name": "A", **dict.fromkeys(extra, f"v{n}")} for n in range(3))
        )
    ]
    edited = False

    def edit_between(template: str, request: Any, reply: Any) -> None:
        nonlocal edited
        if template == "/crm/v8/coql" and not edited:
            edited = True
            remote.pass_time(2)
            remote.sandbox.act("update", "Accounts", ids[1], {"Extra_59": "edited"})

    remote.server.listeners.append(edit_between)
    calls(remote)
    records, _ = drain(session, "Accounts", fields=ACCOUNT | frozenset(extra))
    assert calls(remote)["POST /crm/v8/coql"] == 2
    values = {record.id: record.values for record in records}
    assert [values[i]["Extra_00"] for i in ids] == ["v0", "v1", "v2"]
    assert [values[i]["Extra_59"] for i in ids] == ["v0", "edited", "v2"]


def test_records_have_the_contracts_leaves(remote: Remote, session: Session) -> None:
    parent = remote.add("Accounts", {"Account_Name": "Parent"})[0]["id"]
    row = {
        "Account_Name": "Child",
        "Parent_Account": {"id": parent},
        "Annual_Revenue": 10.25,
        "Employees": 7,
        "Description": "two\nlines",
    }
    made = remote.add("Accounts", row)[0]
    fields = frozenset({*row, "Created_Time", "Phone", "Owner", "Locked__s"})
    record = next(r for r in drain(session, "Accounts", fields=fields)[0] if r.id == made["id"])
    moment = datetime.fromisoformat(made["Modified_Time"]).astimezone(UTC)
    assert record.modified == moment
    stamp, _, author = record.version.partition("@")
    assert stamp == moment.strftime("%Y-%m-%dT%H:%M:%SZ") == record.values["Modified_Time"]
    assert author == remote.org.actor
    assert record.values["Annual_Revenue"] == Decimal("10.25")
    assert isinstance(record.values["Annual_Revenue"], Decimal)
    assert record.values["Employees"] == 7
    assert record.values["Description"] == "two\nlines"
    assert record.values["Parent_Account"] == {"id": parent}
    assert record.values["Phone"] is None
    assert record.values["Created_Time"].endswith("Z")
    assert record.values["Locked__s"] is False
    assert record.complete is False
    (same,) = session.read_ids("Accounts", [record.id], fields)
    assert same == record


@pytest.mark.parametrize("minutes", [600, -420, 0])
def test_the_users_zone_does_not_show(remote: Remote, session: Session, minutes: int) -> None:
    remote.sandbox.switches["utc_offset_minutes"] = minutes
    made = remote.add("Accounts", {"Account_Name": "A"})[0]
    (record,), cursor = drain(session, "Accounts")
    assert record.modified == datetime.fromisoformat(made["Modified_Time"])
    assert record.version.partition("@")[0].endswith("Z")
    assert [r.id for r in drain(session, "Accounts", cursor)[0]] == [record.id]


def test_changes_and_deletions_since_a_cursor(remote: Remote, session: Session) -> None:
    ids = [row["id"] for row in remote.add("Accounts", *({"Account_Name": f"A{n}"} for n in range(4)))]
    _, cursor = drain(session, "Accounts")
    remote.pass_time(900)
    remote.put("Accounts", {"id": ids[1], "Phone": "1"})
    remote.client.delete("/crm/v8/Accounts", params={"ids": ids[2]})
    remote.sandbox.act("permanently-delete", "Accounts", ids[3], {})
    records, cursor = drain(session, "Accounts", cursor)
    states = {record.id: record.state for record in records}
    assert states[ids[1]] is State.LIVE
    assert states[ids[2]] is State.DELETED
    assert states[ids[3]] is State.DELETED
    gone = next(record for record in records if record.id == ids[2])
    assert gone.values == {}
    remote.sandbox.act("restore", "Accounts", ids[2], {})
    records, _ = drain(session, "Accounts", cursor)
    assert {r.id: r.state for r in records}[ids[2]] is State.LIVE


def test_more_deletions_than_a_page(remote: Remote, session: Session) -> None:
    ids = []
    for start_at in range(0, 450, 90):
        rows = ({"Account_Name": f"A{n}"} for n in range(start_at, start_at + 90))
        ids += [row["id"] for row in remote.add("Accounts", *rows)]
    _, cursor = drain(session, "Accounts")
    for start_at in range(0, 450, 90):
        remote.client.delete("/crm/v8/Accounts", params={"ids": ",".join(ids[start_at : start_at + 90])})
    calls(remote)
    records, _ = drain(session, "Accounts", cursor)
    assert {r.id for r in records if r.state is State.DELETED} == set(ids)
    assert calls(remote)["GET /crm/v8/{module}/deleted"] == 3


def test_records_that_move_while_they_are_read_are_not_missed(
    open_session: OpenSession,
) -> None:
    for remote in start(make_world(4100)):
        session = open_session(remote)
        oldest = remote.sandbox.org.stores["Accounts"].lists.by_time[:5]
        seen: dict[str, str] = {}
        for number, page in enumerate(session.read("Accounts", None, ACCOUNT)):
            seen.update({record.id: record.version for record in page.records})
            if number == 0:
                for _, record_id in oldest:
                    remote.sandbox.act("update", "Accounts", record_id, {"Phone": "99"})
        assert len(seen) == 4100
        stored = {row["id"]: row for row in remote.sandbox.records("Accounts")}
        for _, record_id in oldest:
            stamp = datetime.fromisoformat(stored[record_id]["Modified_Time"]).astimezone(UTC)
            assert seen[record_id] == f"{stamp:%Y-%m-%dT%H:%M:%SZ}@{remote.org.person}"


def test_a_record_that_shows_up_late_is_not_missed(remote: Remote, session: Session) -> None:
    remote.add("Accounts", {"Account_Name": "Early"})
    _, cursor = drain(session, "Accounts")
    remote.sandbox.switches["visibility_delay_s"] = 60
    late = remote.add("Accounts", {"Account_Name": "Late"})[0]["id"]
    remote.sandbox.switches["visibility_delay_s"] = 0
    remote.pass_time(2)
    # a newer record is visible at once, and moves the watermark past the late one
    newer = remote.add("Accounts", {"Account_Name": "Newer"})[0]["id"]
    first, cursor = drain(session, "Accounts", cursor)
    assert late not in {record.id for record in first}
    assert newer in {record.id for record in first}
    remote.pass_time(61)
    second, _ = drain(session, "Accounts", cursor)
    assert late in {record.id for record in second}


def test_thousands_of_fresh_records_are_read_again_once_and_cost_no_call_before(
    open_session: OpenSession,
) -> None:
    """After a first pass wrote thousands of records, quiet passes still make two calls."""
    for remote in start(make_world(3000)):
        store = remote.sandbox.org.stores["Accounts"]
        now = remote.org.stamp()
        for row in list(store.live):
            store.put({**row, "Modified_Time": now})
        session = open_session(remote)
        records, cursor = drain(session, "Accounts")
        assert len(records) == 3000
        for _ in range(2):
            calls(remote)
            again, cursor = drain(session, "Accounts", cursor)
            assert again == []
            assert sum(calls(remote).values()) == 2
        made = remote.add("Accounts", {"Account_Name": "Fresh"})[0]["id"]
        fresh, cursor = drain(session, "Accounts", cursor)
        assert made in {record.id for record in fresh}
        from syncline_zoho.crm import reader as reader_module

        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + timedelta(minutes=6)

        monkey = pytest.MonkeyPatch()
        monkey.setattr(reader_module, "datetime", Later)
        calls(remote)
        aged, _ = drain(session, "Accounts", cursor)
        monkey.undo()
        assert len(aged) == 3001
        assert calls(remote)["POST /crm/v8/coql"] == 2


def test_an_edit_in_the_newest_second_shows_at_once_among_hundreds_of_fresh_records(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for remote in start(make_world(600)):
        store = remote.sandbox.org.stores["Accounts"]
        newest = remote.sandbox.clock.now()
        before = utc_text(newest - timedelta(minutes=1))
        for row in list(store.live):
            store.put({**row, "Modified_Time": before})
        monkeypatch.setattr(remote.sandbox.org, "now", lambda stamp=newest: stamp)
        made = remote.sandbox.act("create", "Accounts", None, {"Account_Name": "A", "Phone": "1"})["id"]
        session = open_session(remote)
        records, cursor = drain(session, "Accounts")
        assert len(records) == 601
        for phone in ("2", "3"):
            remote.sandbox.act("update", "Accounts", made, {"Phone": phone})
            calls(remote)
            changed, cursor = drain(session, "Accounts", cursor)
            assert [(record.id, record.values["Phone"]) for record in changed] == [(made, phone)]
            assert sum(calls(remote).values()) == 2


def test_an_alien_cursor_is_told_clearly(session: Session) -> None:
    with pytest.raises(RemoteProtocolError, match="position"):
        drain(session, "Accounts", "made up")


def test_rich_text_is_read_in_full(remote: Remote, session: Session) -> None:
    remote.add("Accounts", {"Account_Name": "A", "Company_Profile": "é" * 800})
    fields = frozenset({"Account_Name", "Company_Profile"})
    (record,), _ = drain(session, "Accounts", fields=fields)
    assert record.values["Company_Profile"] == "é" * 800
    (again,) = session.read_ids("Accounts", [record.id], fields)
    assert again.values["Company_Profile"] == "é" * 800


def test_hidden_fields_are_absent_and_the_rest_is_read(remote: Remote, session: Session) -> None:
    remote.add("Accounts", {"Account_Name": "A", "Phone": "1"})
    remote.org.meta["Accounts"].fields["Phone"].hidden = True
    (record,), _ = drain(session, "Accounts")
    assert "Phone" not in record.values
    assert record.values["Account_Name"] == "A"


def test_the_module_that_is_not_there(remote: Remote, session: Session) -> None:
    with pytest.raises(RemoteProtocolError, match="Nothing"):
        drain(session, "Nothing")
    headers = {"Authorization": f"Zoho-oauthtoken {remote.token}"}
    assert remote.client.get("/crm/v8/Leads?fields=id", headers=headers).status_code == 400
    from syncline_zoho.crm.api import Api

    api = Api(session._api._http, remote.server.base_url)  # type: ignore[attr-defined]
    with pytest.raises(PermissionMissing, match="INVALID_MODULE"):
        api.get("/crm/v8/Leads", {"fields": "id"})


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_tax", ["serve", "refuse"])
def test_invoices_come_with_their_lines(demo: Remote, open_session: OpenSession, line_tax: str) -> None:
    demo.sandbox.switches["coql_line_tax"] = line_tax
    session = open_session(demo)
    calls(demo)
    records, _ = drain(session, "Invoices", fields=INVOICE)
    counted = calls(demo)
    demo.sandbox.switches["coql_line_tax"] = "serve"
    stored = {row["id"]: row for row in demo.sandbox.records("Invoices")}
    assert len(records) == len(stored) == 80
    taxed = 0
    for record in records:
        lines = record.values["Invoiced_Items"]
        expected = stored[record.id]["Invoiced_Items"]
        assert [line["id"] for line in lines] == [line["id"] for line in expected]
        assert [line["Product_Name"] for line in lines] == [{"id": e["Product_Name"]["id"]} for e in expected]
        assert [line["Line_Tax"] for line in lines] == [
            [{**tax, "value": Decimal(str(tax["value"]))} for tax in e["Line_Tax"]] for e in expected
        ]
        taxed += sum(bool(line["Line_Tax"]) for line in lines)
    assert taxed
    if line_tax == "serve":
        assert counted == {"POST /crm/v8/coql": 3, "GET /crm/v8/settings/fields": 1}
        one = records[0]
        (same,) = session.read_ids("Invoices", [one.id], INVOICE)
        assert same == one


def test_lines_are_stored_as_told(remote: Remote, session: Session) -> None:
    (product,) = create(session, "Products", {"Product_Name": "P"})
    line = {"Product_Name": {"id": product.id}, "Quantity": Decimal(2), "List_Price": Decimal("9.99")}
    items = Items(items=(Item(values=line), Item(values={**line, "Quantity": Decimal(5)})))
    (made,) = create(session, "Invoices", {"Subject": "S", "Invoiced_Items": items})
    assert made.kind is OutcomeKind.DONE
    assert made.id is not None
    (record,) = session.read_ids("Invoices", [made.id], INVOICE)
    one, two = record.values["Invoiced_Items"]
    changed = Items(
        items=(
            Item(values={"Quantity": Decimal(7)}, id=two["id"]),
            Item(values={**line, "Quantity": Decimal(1)}),
        ),
        removed=(one["id"],),
    )
    (outcome,) = session.write("Invoices", [update(record, {"Invoiced_Items": changed})])
    assert outcome.kind is OutcomeKind.DONE
    (record,) = session.read_ids("Invoices", [made.id], INVOICE)
    assert [item["Quantity"] for item in record.values["Invoiced_Items"]] == [7, 1]
    assert record.values["Invoiced_Items"][0]["id"] == two["id"]
    assert record.values["Grand_Total"] == Decimal("79.92")
    stale = Items(items=(Item(values={"Quantity": Decimal(1)}, id=one["id"]),))
    (conflict,) = session.write("Invoices", [update(record, {"Invoiced_Items": stale})])
    assert conflict.kind is OutcomeKind.CONFLICT


# --- writing --------------------------------------------------------------------------------------


def test_creates_say_id_and_version_as_reads_do(remote: Remote, session: Session) -> None:
    outcomes = create(session, "Accounts", *({"Account_Name": f"A{n}"} for n in range(100)))
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.DONE}
    records, _ = drain(session, "Accounts")
    assert {(r.id, r.version) for r in records} == {(o.id, o.version) for o in outcomes}
    remote.pass_time(5)
    records, _ = drain(session, "Accounts")
    assert {(r.id, r.version) for r in records} == {(o.id, o.version) for o in outcomes}, "no workflow ran"


def test_workflows_run_only_when_asked_to(remote: Remote, open_session: OpenSession) -> None:
    (made,) = create(open_session(remote, trigger=["workflow"]), "Accounts", {"Account_Name": "A"})
    remote.pass_time(3)
    assert made.id is not None
    (record,) = open_session(remote).read_ids("Accounts", [made.id], ACCOUNT)
    assert record.version != made.version


@pytest.mark.parametrize("statuses", [(400, 207), (202, 200)])
def test_one_bad_row_stops_nobody(remote: Remote, session: Session, statuses: tuple[int, int]) -> None:
    remote.sandbox.switches.update(all_failed_status=statuses[0], mixed_status=statuses[1])
    (holder,) = create(session, "Accounts", {"Account_Name": "Holder", "Xero_ID": "x-1"})
    outcomes = create(
        session,
        "Accounts",
        {"Account_Name": "Good"},
        {"Account_Name": "Twin", "Xero_ID": "x-1"},
        {"Account_Name": "Long", "Tax_Number": "9" * 60},
        {"Phone": "1"},
    )
    assert [o.kind for o in outcomes] == [
        OutcomeKind.DONE,
        OutcomeKind.TAKEN,
        OutcomeKind.REFUSED,
        OutcomeKind.REFUSED,
    ]
    assert outcomes[1].other_id == holder.id
    assert outcomes[2].field == "Tax_Number"
    assert "50" in outcomes[2].message
    assert outcomes[3].code == "MANDATORY_NOT_FOUND"
    (alone,) = create(session, "Accounts", {"Phone": "1"})
    assert alone.kind is OutcomeKind.REFUSED


def test_an_edit_since_the_read_is_never_overwritten(remote: Remote, session: Session) -> None:
    ids = [row["id"] for row in remote.add("Accounts", *({"Account_Name": f"A{n}"} for n in range(3)))]
    remote.pass_time(10)
    records = {r.id: r for r in session.read_ids("Accounts", ids, ACCOUNT)}
    read_at = remote.sandbox.clock.now()
    remote.pass_time(10)
    remote.sandbox.act("update", "Accounts", ids[1], {"Phone": "55"})
    calls(remote)
    outcomes = session.write("Accounts", [update(records[i], {"Phone": "77"}, read_at) for i in ids])
    assert [o.kind for o in outcomes] == [OutcomeKind.DONE, OutcomeKind.CONFLICT, OutcomeKind.DONE]
    assert outcomes[1].code == "ALREADY_MODIFIED"
    assert calls(remote) == {"PUT /crm/v8/{module}": 1}
    assert remote.one("Accounts", ids[1])["Phone"] == "55"
    (gone,) = session.write("Accounts", [Write(kind=WriteKind.UPDATE, key="g", id="5725767000000999999")])
    assert gone.kind is OutcomeKind.GONE


def test_records_read_in_the_second_of_their_change_can_be_written(remote: Remote, session: Session) -> None:
    outcomes = create(session, "Accounts", *({"Account_Name": f"A{n}"} for n in range(5)))
    records = session.read_ids("Accounts", [str(o.id) for o in outcomes], ACCOUNT)
    found = session.write("Accounts", [update(r, {"Phone": "1"}) for r in records])
    assert {o.kind for o in found} == {OutcomeKind.DONE}


def test_deleting(remote: Remote, session: Session) -> None:
    outcomes = create(session, "Accounts", {"Account_Name": "A"}, {"Account_Name": "B"})
    writes = [Write(kind=WriteKind.DELETE, key=f"d{n}", id=o.id) for n, o in enumerate(outcomes)]
    assert [o.kind for o in session.write("Accounts", writes)] == [OutcomeKind.DONE] * 2
    assert [o.kind for o in session.write("Accounts", writes)] == [OutcomeKind.GONE] * 2
    assert {row["$state"] for row in remote.sandbox.records("Accounts")} == {"recycle"}
    (refused,) = session.write("Accounts", [Write(kind=WriteKind.ARCHIVE, key="a", id="1")])
    assert refused.kind is OutcomeKind.REFUSED


@pytest.mark.parametrize(
    "kind", [FaultKind.LOSE, FaultKind.STATUS_AFTER, FaultKind.MALFORMED, FaultKind.TRUNCATE]
)
@pytest.mark.parametrize("unique", [True, False], ids=["by-unique-field", "by-all-that-was-sent"])
def test_lost_answers_are_settled(remote: Remote, session: Session, kind: FaultKind, unique: bool) -> None:
    remote.sandbox.switches["rewrite"] = "trim upper"
    remote.add("Accounts", {"Account_Name": "Other", "Phone": "1"})
    remote.sandbox.faults.arm(Fault(kind=kind, method="POST", path="/crm/v8/Accounts", status=502))
    rows: list[dict[str, Any]] = [
        {"Account_Name": " Twice ", "Phone": "12 34", "Annual_Revenue": Decimal("1.50")},
        {"Account_Name": " Twice ", "Phone": "12 34", "Annual_Revenue": Decimal("1.50")},
    ]
    if unique:
        rows = [{**row, "Xero_ID": f"x-{n}"} for n, row in enumerate(rows)]
    writes = [Write(kind=WriteKind.CREATE, key=f"k{n}", values=row) for n, row in enumerate(rows)]
    sent_at = datetime.now(UTC)
    lost = session.write("Accounts", writes)
    assert {o.kind for o in lost} == {OutcomeKind.UNKNOWN}
    never = Write(
        kind=WriteKind.CREATE, key="n", values={**rows[0], "Account_Name": "Never", "Xero_ID": "x-9"}
    )
    sent = [SentWrite(write=w, sent_at=sent_at) for w in (*writes, never)]
    if not unique:
        sent[2] = SentWrite(
            write=Write(kind=WriteKind.CREATE, key="n", values={**rows[0], "Account_Name": "Never"}),
            sent_at=sent_at,
        )
    found = session.settle("Accounts", sent)
    ids = [None if o is None else o.id for o in found]
    stored = {row["id"] for row in remote.sandbox.records("Accounts") if row["Account_Name"] == "TWICE"}
    assert set(ids[:2]) == stored
    assert len(stored) == 2
    assert ids[2] is None


def test_a_write_that_never_arrived_is_raised_or_unknown(remote: Remote, session: Session) -> None:
    remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name="unavailable", method="POST"))
    (outcome,) = create(session, "Accounts", {"Account_Name": "A"})
    assert outcome.kind is OutcomeKind.UNKNOWN
    sent = SentWrite(
        write=Write(kind=WriteKind.CREATE, key="k", values={"Account_Name": "A"}), sent_at=datetime.now(UTC)
    )
    assert session.settle("Accounts", [sent]) == [None]


# --- who and what ---------------------------------------------------------------------------------


def test_check_names_the_organisation(demo: Remote, open_session: OpenSession) -> None:
    session = open_session(demo)
    account = session.check()
    assert account.organisation.name == "Harbour & Vine Trading"
    assert (account.currency, account.timezone, account.country) == ("AUD", "Australia/Sydney", "AU")
    assert account.server_time is not None
    assert list(session.organisations()) == [account.organisation]


def test_the_wrong_organisation_is_refused(remote: Remote) -> None:
    with HttpClient(sign_in=StaticSignIn(remote.token)) as http:
        session = ZohoCrmConnector().open(
            Connection(
                options={"base_url": remote.server.base_url},
                http=http,
                organisation=Organisation(id="1", name="Another"),
            )
        )
        with pytest.raises(WrongOrganisation, match="Another"):
            session.check()


def test_discovery_finds_custom_fields(demo: Remote, open_session: OpenSession) -> None:
    catalogue = open_session(demo).discover()
    accounts, invoices = catalogue.module("Accounts"), catalogue.module("Invoices")
    assert accounts is not None
    assert invoices is not None
    xero_id = accounts.field("Xero_ID")
    assert xero_id is not None
    assert (xero_id.custom, xero_id.unique, xero_id.max_length) == (True, True, 50)
    status = invoices.field("Status")
    assert status is not None
    assert status.choices is not None
    assert "Part Paid" in status.choices
    lines = invoices.field("Invoiced_Items")
    assert lines is not None
    assert (lines.type, lines.item_id, lines.required) == (FieldType.LIST, "id", True)
    inner = {field.name: field for field in lines.fields}
    assert inner["Product_Name"].reference is not None
    assert inner["Product_Name"].reference.module == "Products"
    assert inner["Net_Total"].read_only
    total = invoices.field("Grand_Total")
    assert total is not None
    assert total.read_only
    assert accounts.capabilities.conditional
    assert {m.name for m in catalogue.modules if m.lookup} == {"Currencies", "Users", "Taxes"}


def test_discovery_tells_what_can_be_chosen_of_the_set_up(demo: Remote, open_session: OpenSession) -> None:
    demo.org.change_setting("update", "Currencies", "", {"iso_code": "NZD", "is_active": False})
    catalogue = open_session(demo).discover()
    invoices, taxes = catalogue.module("Invoices"), catalogue.module("Taxes")
    assert invoices is not None
    assert taxes is not None
    currency, name = invoices.field("Currency"), taxes.field("name")
    assert currency is not None
    assert name is not None
    assert set(currency.choices or ()) == {"AUD", "USD"}, "one that was put out of use cannot be chosen"
    assert name.choices == ("GST", "GST Free")


def test_the_built_in_catalogue_agrees_with_the_live_one(demo: Remote, open_session: OpenSession) -> None:
    live = open_session(demo).discover()
    for module in ZohoCrmConnector().catalogue().modules:
        other = live.module(module.name)
        assert other is not None
        for field in module.fields:
            twin = other.field(field.name)
            assert twin is not None, field.name
            assert (twin.type, twin.read_only, twin.max_length) == (
                field.type,
                field.read_only,
                field.max_length,
            )
            assert not field.custom


def test_lookups(demo: Remote, open_session: OpenSession) -> None:
    session = open_session(demo)
    currencies, _ = drain(session, "Currencies", fields=frozenset())
    assert {c.key: c.values["exchange_rate"] for c in currencies} == {
        "AUD": Decimal(1),
        "NZD": Decimal("1.09"),
        "USD": Decimal("0.65"),
    }
    taxes, _ = drain(session, "Taxes", fields=frozenset())
    assert [t.key for t in taxes] == ["GST", "GST Free"]
    users, _ = drain(session, "Users", fields=frozenset())
    assert len(users) == 2
    assert [u.id for u in session.read_ids("Users", [users[0].id], frozenset())] == [users[0].id]


def test_counting(demo: Remote, open_session: OpenSession) -> None:
    session = open_session(demo)
    assert session.count("Invoices") == 80
    assert session.count("Taxes") == 2
