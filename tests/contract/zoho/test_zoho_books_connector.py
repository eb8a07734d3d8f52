"""The connector zoho-books against its sandbox: reads, money, states, locks, lost answers, tenants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from books_remote import Books, books, change, create, drain, fields, lines, read_one, sent
from msgspec.structs import replace

from syncline.connect import (
    Connection,
    FieldType,
    HttpClient,
    Items,
    Organisation,
    OutcomeKind,
    PermissionMissing,
    QuotaExhausted,
    Session,
    State,
    Write,
    WriteKind,
    WrongOrganisation,
)
from syncline.connect.sandbox import Fault, FaultKind, Request, make_world
from syncline.connect.waiting import Waiting
from syncline_zoho.books.connector import ZohoBooksConnector


@pytest.fixture
def remote() -> Iterator[Books]:
    with books() as found:
        yield found


@pytest.fixture(scope="module")
def demo() -> Iterator[Books]:
    """The demo business, for tests that only read."""
    with books(make_world("demo")) as found:
        yield found


@pytest.fixture
def session(remote: Books) -> Session:
    return remote.session()


@pytest.fixture
def customer(remote: Books) -> str:
    return str(remote.act("create", "contacts", contact_name="Banksia Dental")["contact_id"])


@pytest.fixture
def vendor(remote: Books) -> str:
    row = remote.act("create", "contacts", contact_name="Ironbark", contact_type="vendor")
    return str(row["contact_id"])


WORK = {"name": "Work", "quantity": Decimal(2), "rate": Decimal("50")}


def made(session: Session, module: str, **values: Any) -> str:
    outcome = create(session, module, **values)
    assert outcome.kind is OutcomeKind.DONE, outcome
    assert outcome.id is not None
    return outcome.id


# --- who is there -----------------------------------------------------------------------------------


def test_check_says_who_and_where(remote: Books, session: Session) -> None:
    account = session.check()
    assert account.organisation == Organisation(id=remote.id, name="Harbour & Vine Trading")
    assert (account.currency, account.timezone, account.country) == ("AUD", "Australia/Sydney", "AU")
    assert remote.heard() == ["GET /organizations"]


def test_an_organisation_that_the_sign_in_does_not_see_is_another_one(remote: Books) -> None:
    with pytest.raises(WrongOrganisation):
        remote.session("7000999999").check()
    with pytest.raises(PermissionMissing):
        drain(remote.session("7000999999"), "contacts")


def test_every_call_but_the_list_of_organisations_names_the_organisation(
    remote: Books, customer: str
) -> None:
    session = remote.session()
    session.check()
    session.discover()
    drain(session, "contacts")
    made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    for _, path, request in remote.asked:
        named = request.one("organization_id")
        assert named == (None if path == "/organizations" else remote.id), path


def test_what_one_organisation_has_is_not_the_others(demo: Books) -> None:
    here, _ = drain(demo.session(), "invoices", names=frozenset({"invoice_number"}))
    there, _ = drain(demo.session(demo.other_id), "invoices", names=frozenset({"invoice_number"}))
    numbers = {r.values["invoice_number"] for r in there}
    assert numbers <= {r.values["invoice_number"] for r in here}
    assert not {r.id for r in here} & {r.id for r in there}
    assert demo.session(demo.other_id).read_ids("invoices", [here[0].id], fields("invoices")) == []


def test_discover_tells_the_choices_and_the_fields_of_the_organisation(session: Session) -> None:
    catalogue = session.discover()
    contacts = catalogue.module("contacts")
    invoices = catalogue.module("invoices")
    assert contacts is not None
    assert invoices is not None
    currency = contacts.field("currency_code")
    assert currency is not None
    assert currency.choices is not None
    assert "AUD" in currency.choices
    assert "KWD" in currency.choices
    own = {f.name: f for f in contacts.fields if f.custom}
    assert own["cf_tier"].choices == ("Gold", "Silver", "Bronze")
    assert own["cf_score"].type is FieldType.DECIMAL
    assert own["cf_syncline_key"].unique
    inner = invoices.field("line_items")
    assert inner is not None
    tax = next(f for f in inner.fields if f.name == "tax_name")
    assert tax.choices == ("GST", "GST Free", "Luxury Car Tax")


# --- reading ----------------------------------------------------------------------------------------


def test_what_a_list_tells_costs_no_call_a_record(demo: Books) -> None:
    session = demo.session()
    demo.heard()
    records, cursor = drain(session, "invoices", names=frozenset({"invoice_number", "total", "status"}))
    assert len(records) == len(demo.rows("invoices"))
    assert set(demo.heard()) == {"GET /invoices"}
    demo.pass_time(3600)
    drain(session, "invoices", cursor, names=frozenset({"total"}))
    assert demo.heard() == ["GET /invoices"]


def test_only_what_changed_is_read_whole(remote: Books, session: Session, customer: str) -> None:
    ids = [made(session, "invoices", customer_id=customer, line_items=lines(WORK)) for _ in range(3)]
    _, cursor = drain(session, "invoices")
    remote.pass_time(3600)
    _, cursor = drain(session, "invoices", cursor)
    remote.act("update", "invoices", ids[1], notes="Changed")
    remote.heard()
    records, cursor = drain(session, "invoices", cursor)
    assert [r.id for r in records] == [ids[1]]
    assert remote.heard() == ["GET /invoices", f"GET /invoices/{ids[1]}"]
    remote.pass_time(10)
    # within the overlap the row is listed again, and not fetched again
    drain(session, "invoices", cursor)
    remote.heard()
    drain(session, "invoices", cursor)
    assert [path for path in remote.heard() if path != "GET /invoices"] in ([], [f"GET /invoices/{ids[1]}"])


@pytest.mark.parametrize("module", ["contacts", "items", "customerpayments", "creditnotes", "pricebooks"])
def test_a_list_without_a_filter_is_compared_by_the_time_of_change(demo: Books, module: str) -> None:
    session = demo.session()
    records, cursor = drain(session, module)
    assert len(records) == len(demo.rows(module))
    demo.pass_time(3600)
    again, _ = drain(session, module, cursor)
    assert again == []


def test_a_list_that_turns_out_to_be_sorted_by_time_is_not_read_to_its_end(demo: Books) -> None:
    session = demo.session()
    _, cursor = drain(session, "customerpayments", names=frozenset({"amount"}))
    demo.pass_time(3600)
    assert len(demo.rows("customerpayments")) > 200
    pages = []
    for sorts in (False, True):
        demo.sandbox.switches["sorts_by_time"] = sorts
        demo.heard()
        drain(session, "customerpayments", cursor, names=frozenset({"amount"}))
        pages.append(len(demo.heard()))
    demo.sandbox.switches["sorts_by_time"] = False
    assert pages[0] > pages[1] == 1


def test_a_filter_that_is_not_heeded_is_told_and_costs_no_call_a_record(demo: Books) -> None:
    session = demo.session()
    _, cursor = drain(session, "invoices")
    demo.pass_time(3600)
    demo.sandbox.switches["ignore_filter"] = True
    demo.heard()
    pages = list(session.read("invoices", cursor, frozenset({"line_items"})))
    demo.sandbox.switches["ignore_filter"] = False
    assert sum(page.left_out for page in pages) == len(demo.sandbox.org.ledger.stores["invoices"])
    assert [record for page in pages for record in page.records] == []
    assert len(demo.heard()) == len(pages)


@pytest.mark.parametrize("module", ["contacts", "invoices", "purchaseorders", "items"])
def test_rows_that_go_and_come_between_two_pages_leave_no_gap(module: str) -> None:
    """Rows of pages passed are deleted after each page, so that those behind them move up."""
    with books() as remote:
        vendor = remote.act("create", "contacts", contact_name="V", contact_type="vendor")["contact_id"]
        customer = remote.act("create", "contacts", contact_name="C")["contact_id"]
        for n in range(450):
            values: dict[str, Any] = {"contact_name": f"N{n:04d}"}
            if module == "items":
                values = {"name": f"N{n:04d}", "rate": 1}
            elif module != "contacts":
                party = "customer_id" if module == "invoices" else "vendor_id"
                values = {party: customer if module == "invoices" else vendor, "line_items": [{"name": "x"}]}
            remote.act("create", module, None, **values)
        session = remote.session()
        kind = remote.sandbox.organisations[remote.id].ledger.stores[module]
        stays = set(kind.keys())
        seen: list[str] = []
        gone: set[str] = set()

        def shift(template: str, request: Request, reply: object) -> None:
            if request.method == "GET" and request.path.endswith(f"/{module}") and len(gone) < 40:
                with remote.sandbox.lock:
                    passed = [i for i in seen if i in kind][:20]
                    for record_id in passed:
                        remote.sandbox.act("delete", module, record_id, {})
                        gone.add(record_id)

        remote.server.listeners.append(shift)
        names = frozenset({"status"})
        for page in session.read(module, None, names):
            seen += [record.id for record in page.records]
        assert gone
        assert stays - gone <= set(seen)


def test_what_falls_overdue_is_delivered_though_nothing_changed_it(
    remote: Books, session: Session, customer: str
) -> None:
    today = remote.sandbox.org.ledger.today().isoformat()
    due = made(
        session, "invoices", customer_id=customer, line_items=lines(WORK), due_date=today, status="sent"
    )
    made(
        session,
        "invoices",
        customer_id=customer,
        line_items=lines(WORK),
        due_date="2099-01-01",
        status="sent",
    )
    _, cursor = drain(session, "invoices")
    remote.pass_time(600)
    _, cursor = drain(session, "invoices", cursor)
    remote.pass_time(86_400)
    session = remote.session()
    records, cursor = drain(session, "invoices", cursor)
    assert [(r.id, r.values["status"]) for r in records] == [(due, "overdue")]
    remote.pass_time(60)
    again, _ = drain(session, "invoices", cursor)
    assert again == [], "once a day is enough"


def test_states_are_told(remote: Books, session: Session, customer: str) -> None:
    gone = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="void")
    record = read_one(session, "invoices", gone)
    assert record.state is State.VOIDED
    remote.act("archive", "contacts", customer)
    assert read_one(session, "contacts", customer).state is State.ARCHIVED


def test_a_record_in_the_form_of_the_contract(remote: Books, session: Session, customer: str) -> None:
    outcome = create(
        session,
        "invoices",
        customer_id=customer,
        currency_code="USD",
        exchange_rate=Decimal("1.538462"),
        line_items=lines({**WORK, "tax_name": "GST", "discount_percent": Decimal("12.5")}),
        date="2026-11-20",
        cf_project="Dock",
    )
    assert outcome.record is not None
    values = outcome.record.values
    (line,) = values["line_items"]
    assert (values["currency_code"], values["exchange_rate"]) == ("USD", Decimal("1.538462"))
    assert (line["tax_name"], line["tax_percentage"]) == ("GST", 10)
    assert (line["discount_percent"], line["discount_amount"]) == (Decimal("12.50"), None)
    assert (values["sub_total"], values["tax_total"], values["total"]) == (
        Decimal("87.50"),
        Decimal("8.75"),
        Decimal("96.25"),
    )
    assert values["reference_number"] is None
    assert values["cf_project"] == "Dock"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", values["last_modified_time"])
    assert read_one(session, "invoices", outcome.id).values == values


# --- writing ----------------------------------------------------------------------------------------


def test_a_header_edit_sends_no_lines(remote: Books, session: Session, customer: str) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK, WORK))
    remote.heard()
    assert change(session, "invoices", invoice, notes="Thanks").kind is OutcomeKind.DONE
    assert remote.heard() == [f"PUT /invoices/{invoice}"]


def test_a_line_edit_sends_every_line_whole_with_its_id(
    remote: Books, session: Session, customer: str
) -> None:
    outcome = create(
        session,
        "invoices",
        customer_id=customer,
        line_items=lines(
            {**WORK, "tax_name": "GST", "description": "First"},
            {**WORK, "name": "Other", "unit": "h"},
            {**WORK, "name": "Third"},
        ),
    )
    assert outcome.record is not None
    first, second, third = outcome.record.values["line_items"]
    wanted = Items(
        items=(
            lines({"id": third["line_item_id"]}).items[0],
            lines({"id": first["line_item_id"], "quantity": Decimal(7)}).items[0],
            lines({**WORK, "name": "New"}).items[0],
        ),
        removed=(second["line_item_id"],),
    )
    after = change(session, "invoices", outcome.id, line_items=wanted)
    assert after.record is not None
    kept, changed, new = after.record.values["line_items"]
    assert kept == {**third, "item_order": 1}
    assert (changed["line_item_id"], changed["quantity"], changed["description"], changed["tax_name"]) == (
        first["line_item_id"],
        7,
        "First",
        "GST",
    )
    assert new["name"] == "New"


def test_what_the_catalogue_does_not_know_of_a_line_or_a_person_survives_an_edit(
    remote: Books, session: Session, customer: str
) -> None:
    row = remote.act(
        "create",
        "invoices",
        customer_id=customer,
        line_items=[
            {"name": "Work", "rate": 1, "header_name": "Phase 1", "project_id": "460000000000077001"}
        ],
    )
    line = row["line_items"][0]["line_item_id"]
    change(session, "invoices", row["invoice_id"], line_items=lines({"id": line, "rate": Decimal(2)}))
    (kept,) = remote.row("invoices", row["invoice_id"])["line_items"]
    assert (kept["rate"], kept["header_name"], kept["project_id"]) == (2, "Phase 1", "460000000000077001")
    remote.act("update", "contacts", customer, contact_persons=[{"first_name": "Ann", "skype": "ann.b"}])
    change(session, "contacts", customer, email="ann@banksia.example")
    (person,) = remote.row("contacts", customer)["contact_persons"]
    assert (person["skype"], person["email"]) == ("ann.b", "ann@banksia.example")


def test_a_tax_can_be_changed_by_its_name_and_taken_away(session: Session, customer: str) -> None:
    row = {**WORK, "tax_name": "GST"}
    outcome = create(session, "invoices", customer_id=customer, line_items=lines(row))
    assert outcome.record is not None
    line = outcome.record.values["line_items"][0]["line_item_id"]
    for name, percent in (("Luxury Car Tax", 33), ("gst free", 0)):
        after = change(session, "invoices", outcome.id, line_items=lines({"id": line, "tax_name": name}))
        assert after.record is not None
        assert after.record.values["line_items"][0]["tax_percentage"] == percent
    none = change(session, "invoices", outcome.id, line_items=lines({"id": line, "tax_name": None}))
    assert none.record is not None
    assert none.record.values["line_items"][0]["tax_name"] is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"currency_code": "XYZ"}, "currency_code", id="a currency that is not in use"),
        pytest.param(
            {"line_items": lines({**WORK, "tax_name": "VAT"})}, "tax_name", id="a tax that does not exist"
        ),
        pytest.param(
            {"line_items": lines({**WORK, "account_name": "Nope"})}, "account_name", id="an unknown account"
        ),
    ],
)
def test_a_name_that_the_organisation_does_not_have_is_refused_before_anything_is_sent(
    remote: Books, session: Session, customer: str, values: dict[str, Any], field: str
) -> None:
    outcome = create(session, "invoices", **{"customer_id": customer, "line_items": lines(WORK), **values})
    assert (outcome.kind, outcome.field) == (OutcomeKind.REFUSED, field)
    assert "it has" in outcome.message
    assert not [path for path in remote.heard() if path.startswith("POST")]


def test_a_tax_that_somebody_has_just_made_is_found(remote: Books, session: Session, customer: str) -> None:
    made(session, "invoices", customer_id=customer, line_items=lines({**WORK, "tax_name": "GST"}))
    remote.act("create", "taxes", tax_name="Levy", tax_percentage=3)
    made(session, "invoices", customer_id=customer, line_items=lines({**WORK, "tax_name": "Levy"}))


def test_a_number_is_given_by_the_remote_unless_one_is_sent(session: Session, customer: str) -> None:
    numbers = []
    for more in ({}, {"invoice_number": "OURS-7"}):
        outcome = create(session, "invoices", customer_id=customer, line_items=lines(WORK), **more)
        assert outcome.record is not None
        numbers.append(outcome.record.values["invoice_number"])
    assert numbers == ["INV-000001", "OURS-7"]
    taken = create(session, "invoices", customer_id=customer, line_items=lines(WORK), invoice_number="ours-7")
    assert (taken.kind, taken.field) == (OutcomeKind.TAKEN, "invoice_number")


def test_a_contacts_email_is_its_primary_persons(remote: Books, session: Session) -> None:
    outcome = create(
        session, "contacts", contact_name="Yarra", email="a@yarra.example", first_name="Ann", phone="1"
    )
    assert outcome.record is not None
    (person,) = outcome.record.values["contact_persons"]
    assert (person["email"], person["is_primary_contact"]) == ("a@yarra.example", True)
    second = create(
        session, "contactpersons", contact_id=outcome.id, first_name="Bo", email="b@yarra.example"
    )
    after = change(session, "contacts", outcome.id, email="new@yarra.example")
    assert after.record is not None
    persons = {p["first_name"]: p for p in after.record.values["contact_persons"]}
    assert persons["Ann"]["email"] == "new@yarra.example"
    assert persons["Ann"]["contact_person_id"] == person["contact_person_id"]
    assert persons["Bo"]["email"] == "b@yarra.example"
    assert second.id == f"{outcome.id}.{persons['Bo']['contact_person_id']}"
    assert change(session, "contactpersons", second.id, WriteKind.DELETE).kind is OutcomeKind.DONE
    assert len(remote.row("contacts", str(outcome.id))["contact_persons"]) == 1


def test_a_contacts_main_person_is_told_without_the_others(remote: Books, session: Session) -> None:
    """Told as a whole list, one that was renamed or added a moment ago would be put back."""
    first = made(session, "contacts", contact_name="Yarra", email="a@yarra.example", first_name="Ann")
    bodies: list[Any] = []
    remote.server.listeners.append(
        lambda template, request, reply: bodies.append(request.json()) if request.method == "PUT" else None
    )
    after = change(session, "contacts", first, email="new@yarra.example", notes="told")
    assert bodies == [{"notes": "told"}, {"email": "new@yarra.example"}]
    assert after.record is not None
    assert (after.record.values["email"], after.record.values["first_name"]) == ("new@yarra.example", "Ann")
    bare = made(session, "contacts", contact_name="Murray")
    for told in ({"phone": "1"}, {"phone": "2"}, {"first_name": "Bo"}):  # without a name, with the list alone
        change(session, "contacts", bare, **told)
    (person,) = remote.row("contacts", bare)["contact_persons"]
    assert (person["first_name"], person["phone"], person["is_primary_contact"]) == ("Bo", "2", True)


def test_an_address_keeps_what_was_not_said_of_it(session: Session) -> None:
    first = made(session, "contacts", contact_name="Yarra", billing_address={"city": "Sydney", "zip": "2000"})
    after = change(session, "contacts", first, billing_address={"zip": "2001"})
    assert after.record is not None
    assert after.record.values["billing_address"]["city"] == "Sydney"
    assert after.record.values["billing_address"]["zip"] == "2001"


def test_custom_fields_are_written_and_emptied_by_name(session: Session) -> None:
    contact = made(
        session,
        "contacts",
        contact_name="Yarra",
        cf_tier="Gold",
        cf_score=Decimal("1.5"),
        cf_vip=True,
        cf_renewal="2027-01-31",
    )
    values = read_one(session, "contacts", contact).values
    told = [values[name] for name in ("cf_tier", "cf_score", "cf_vip", "cf_renewal", "cf_region")]
    assert told == ["Gold", Decimal("1.5"), True, "2027-01-31", None]
    change(session, "contacts", contact, cf_tier=None)
    after = read_one(session, "contacts", contact).values
    assert (after["cf_tier"], after["cf_score"]) == (None, Decimal("1.5"))


# --- states -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "party", "path"),
    [
        ("invoices", "customer_id", ("sent", "void", "draft")),
        ("estimates", "customer_id", ("sent", "accepted", "declined")),
        ("salesorders", "customer_id", ("open", "void", "open")),
        ("creditnotes", "customer_id", ("void", "draft", "open")),
        ("purchaseorders", "vendor_id", ("open", "billed", "open", "cancelled", "open")),
        ("bills", "vendor_id", ("void", "open")),
    ],
)
def test_a_status_is_a_field_like_others(
    session: Session, customer: str, vendor: str, module: str, party: str, path: tuple[str, ...]
) -> None:
    values: dict[str, Any] = {party: customer if party == "customer_id" else vendor}
    if module == "bills":
        values["bill_number"] = "B-1"
    record_id = made(session, module, line_items=lines(WORK), **values)
    for status in path:
        outcome = change(session, module, record_id, status=status)
        assert outcome.kind is OutcomeKind.DONE, (status, outcome)
        assert outcome.record is not None
        assert outcome.record.values["status"] == status


@pytest.mark.parametrize("status", ["paid", "overdue", "partially_paid", "viewed"])
def test_what_the_remote_computes_is_never_written(
    remote: Books, session: Session, customer: str, status: str
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    remote.heard()
    outcome = change(session, "invoices", invoice, status=status)
    assert (outcome.kind, outcome.field) == (OutcomeKind.REFUSED, "status")
    assert remote.heard() == [f"GET /invoices/{invoice}"]
    none = create(session, "invoices", customer_id=customer, line_items=lines(WORK), status=status)
    assert none.kind is OutcomeKind.REFUSED
    assert len(remote.rows("invoices")) == 1


def test_a_draft_is_changed_before_it_is_sent_and_a_void_one_revived_before_it_is_changed(
    remote: Books, session: Session, customer: str
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK))
    path = f"/invoices/{invoice}"
    remote.heard()
    change(session, "invoices", invoice, status="sent", notes="One")
    assert remote.heard() == [f"GET {path}", f"PUT {path}", f"POST {path}/status/sent", f"GET {path}"]
    change(session, "invoices", invoice, WriteKind.VOID)
    remote.heard()
    outcome = change(session, "invoices", invoice, status="draft", notes="Two")
    assert outcome.kind is OutcomeKind.DONE
    heard = remote.heard()
    assert heard.index(f"POST {path}/status/draft") < heard.index(f"PUT {path}")
    values = read_one(session, "invoices", invoice).values
    assert (values["status"], values["notes"]) == ("draft", "Two")


@pytest.mark.parametrize(("due", "status"), [("2099-01-01", "partially_paid"), ("2026-01-01", "overdue")])
def test_what_is_paid_is_not_voided_by_us(
    remote: Books, session: Session, customer: str, due: str, status: str
) -> None:
    """An overdue invoice may be voided, and does not say by its status that a part of it is paid."""
    days = {"date": "2025-12-01", "due_date": due}
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent", **days)
    remote.act("pay", "invoices", invoice, amount=Decimal(1), date="2026-11-20")
    outcome = change(session, "invoices", invoice, WriteKind.VOID)
    assert outcome.kind is OutcomeKind.REFUSED
    assert remote.row("invoices", invoice)["status"] == status


@pytest.mark.parametrize("module", ["contacts", "items", "pricebooks"])
def test_archived_and_restored(session: Session, module: str) -> None:
    values: dict[str, Any] = {"contact_name": "A"} if module == "contacts" else {"name": "A"}
    if module == "items":
        values["rate"] = Decimal(1)
    record = made(session, module, **values)
    for kind, state in ((WriteKind.ARCHIVE, State.ARCHIVED), (WriteKind.RESTORE, State.LIVE)):
        outcome = change(session, module, record, kind)
        assert outcome.record is not None
        assert outcome.record.state is state
    assert change(session, module, record, WriteKind.VOID).kind is OutcomeKind.REFUSED


def test_a_payment_covers_invoices_and_can_be_taken_back(
    remote: Books, session: Session, customer: str
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    payment = create(
        session,
        "customerpayments",
        customer_id=customer,
        payment_mode="banktransfer",
        amount=Decimal(120),
        date="2026-11-20",
        invoices=[{"invoice_id": invoice, "amount_applied": Decimal(100)}],
    )
    assert payment.record is not None
    assert payment.record.values["unused_amount"] == 20
    record = read_one(session, "invoices", invoice)
    assert (record.values["status"], record.values["balance"]) == ("paid", 0)
    assert record.lock is not None
    assert "paid" in record.lock.reason
    assert "notes" in record.lock.editable
    assert "line_items" not in record.lock.editable
    assert change(session, "invoices", invoice, notes="Received").kind is OutcomeKind.DONE
    assert change(session, "customerpayments", payment.id, WriteKind.DELETE).kind is OutcomeKind.DONE
    assert read_one(session, "invoices", invoice).values["status"] == "sent"


def credited(session: Session, customer: str, invoice: str) -> Any:
    """What comes of a credit note of 100 that is made with 30 of it applied to an invoice."""
    applied = [{"invoice_id": invoice, "amount": Decimal(30)}]
    return create(session, "creditnotes", customer_id=customer, line_items=lines(WORK), invoices=applied)


def test_a_credit_note_is_applied_changed_and_taken_back(session: Session, customer: str) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    note = credited(session, customer, invoice)
    assert note.record is not None
    assert note.record.values["balance"] == 70
    for amount in (Decimal(40), None):
        wanted = [] if amount is None else [{"invoice_id": invoice, "amount": amount}]
        after = change(session, "creditnotes", note.id, invoices=wanted)
        assert after.record is not None
        assert after.record.values["balance"] == 100 - (amount or 0)
    assert read_one(session, "invoices", invoice).values["balance"] == 100


def test_what_a_credit_note_that_was_made_cannot_be_applied_to_is_told(
    session: Session, customer: str
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    change(session, "invoices", invoice, WriteKind.VOID)
    note = credited(session, customer, invoice)
    assert note.record is not None
    assert (note.kind, note.missed, note.record.values["balance"]) == (OutcomeKind.DONE, {"invoices"}, 100)
    assert note.warnings


# --- locks and refusals -----------------------------------------------------------------------------


def test_a_lock_is_known_before_anything_is_sent(remote: Books, session: Session, customer: str) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), date="2026-05-05")
    remote.act("lock", "invoices", invoice, reason="Audit 2026")
    lock = read_one(session, "invoices", invoice).lock
    assert lock is not None
    assert lock.reason == "locked in Zoho Books: Audit 2026"
    outcome = change(session, "invoices", invoice, notes="x")
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "locked")
    remote.act("unlock", "invoices", invoice)
    remote.act("update", "organisation", lock_date="2026-06-30")
    lock = read_one(session, "invoices", invoice).lock
    assert lock is not None
    assert "Transaction Locking" in lock.reason
    remote.act("update", "organisation", lock_date="")
    told = read_one(remote.session(locked_until="2026-06-30"), "invoices", invoice).lock
    assert told is not None
    assert "2026-06-30" in told.reason


def test_deletes_that_the_remote_refuses(session: Session, customer: str) -> None:
    made(session, "invoices", customer_id=customer, line_items=lines(WORK))
    outcome = change(session, "contacts", customer, WriteKind.DELETE)
    assert outcome.kind is OutcomeKind.REFUSED
    assert "transactions" in outcome.message


def test_a_customer_that_is_gone_is_no_reason_to_think_the_invoice_gone(
    session: Session, customer: str
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK))
    outcome = change(session, "invoices", invoice, customer_id="460000000000999999")
    assert outcome.kind is OutcomeKind.REFUSED
    gone = change(session, "invoices", "460000000000999999", notes="x")
    assert gone.kind is OutcomeKind.GONE


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("day", QuotaExhausted, id="the day's calls are used up"),
        pytest.param("minute", QuotaExhausted, id="the minute's calls stay used up"),
    ],
)
def test_limits(remote: Books, fault: str, error: type[Exception]) -> None:
    waiting = Waiting(
        now=remote.sandbox.clock.timestamp, sleep=remote.sandbox.clock.advance, chance=lambda: 0.0
    )
    http = HttpClient(limits=ZohoBooksConnector.limits, sign_in=remote, waiting=waiting)
    remote.http.append(http)
    session = ZohoBooksConnector().open(
        Connection(
            options={"base_url": remote.server.base_url},
            http=http,
            organisation=Organisation(id=remote.id, name="B"),
        )
    )
    remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name=fault, times=99))
    with pytest.raises(error):
        drain(session, "contacts")
    remote.sandbox.faults.clear()


# --- lost answers -----------------------------------------------------------------------------------


def settle(remote: Books, session: Session, module: str, write: Write) -> Any:
    (outcome,) = session.settle(module, [sent(remote, write)])
    return outcome


@pytest.mark.parametrize("link_field", [None, "cf_syncline_key"], ids=["by what was sent", "by a link field"])
@pytest.mark.parametrize(
    "kind", [FaultKind.LOSE, FaultKind.STATUS_AFTER, FaultKind.MALFORMED], ids=lambda kind: kind.value
)
def test_a_create_whose_answer_is_lost_is_found(
    remote: Books, customer: str, kind: FaultKind, link_field: str | None
) -> None:
    session = remote.session(**({"link_field": link_field} if link_field else {}))
    values = {"customer_id": customer, "line_items": lines(WORK), "reference_number": "R-1", "status": "sent"}
    write = Write(kind=WriteKind.CREATE, key="op-1", values=values)
    method = "PUT" if link_field else "POST"
    remote.sandbox.faults.arm(Fault(kind=kind, method=method, path="/books/v3/invoices$"))
    (outcome,) = session.write("invoices", [write])
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert remote.rows("invoices")[0]["status"] == "draft"
    found = settle(remote, session, "invoices", write)
    (row,) = remote.rows("invoices")
    assert (found.kind, found.id) == (OutcomeKind.DONE, row["invoice_id"])
    assert row["status"] == "sent", "what was left undone is done"
    assert found.record.values["status"] == "sent"


def test_two_creates_that_look_alike_are_not_both_found_in_the_one_that_was_made(
    remote: Books, session: Session, customer: str
) -> None:
    """Two payments of one amount on one day: the answer of the first is lost, the second never arrives."""
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    values = {"customer_id": customer, "payment_mode": "cash", "amount": Decimal(10), "date": "2026-06-12"}
    values["invoice_id"] = invoice
    writes = [Write(kind=WriteKind.CREATE, key=f"k{n}", values=values) for n in range(2)]
    remote.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="POST", path="/books/v3/customerpayments"))
    (lost,) = session.write("customerpayments", writes[:1])
    assert lost.kind is OutcomeKind.UNKNOWN
    told = session.settle("customerpayments", [sent(remote, write) for write in writes])
    assert [outcome is not None for outcome in told] == [True, False]


def test_a_create_that_breaks_off_before_its_status_is_finished_by_settling(
    remote: Books, session: Session, customer: str
) -> None:
    write = Write(
        kind=WriteKind.CREATE,
        key="op-1",
        values={"customer_id": customer, "line_items": lines(WORK), "status": "sent"},
    )
    fault = Fault(kind=FaultKind.REFUSE, method="POST", path=r"/books/v3/invoices/\d+/status/sent", times=9)
    remote.sandbox.faults.arm(fault)
    (outcome,) = session.write("invoices", [write])
    remote.sandbox.faults.clear()
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert outcome.id == remote.rows("invoices")[0]["invoice_id"]
    (waits,) = session.settle("invoices", [replace(sent(remote, write), under_way=True)])
    assert (waits.kind, waits.id) == (OutcomeKind.UNKNOWN, outcome.id), "its status may still come by itself"
    assert remote.rows("invoices")[0]["status"] == "draft"
    assert settle(remote, session, "invoices", write).record.values["status"] == "sent"
    assert len(remote.rows("invoices")) == 1


@pytest.mark.parametrize("kind", [FaultKind.LOSE, FaultKind.REFUSE], ids=lambda kind: kind.value)
def test_an_update_that_breaks_off_before_its_status_can_be_sent_again(
    remote: Books, session: Session, customer: str, kind: FaultKind
) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK))
    remote.sandbox.faults.arm(Fault(kind=kind, method="POST", path=r"/books/v3/invoices/\d+/status/sent"))
    outcome = change(session, "invoices", invoice, notes="Thanks", status="sent")
    assert outcome.kind is OutcomeKind.UNKNOWN
    left = read_one(session, "invoices", invoice).values
    assert (left["notes"], left["status"]) == ("Thanks", "sent" if kind is FaultKind.LOSE else "draft")
    again = change(session, "invoices", invoice, notes="Thanks", status="sent")
    assert again.kind is OutcomeKind.DONE
    assert again.record is not None
    assert again.record.values["status"] == "sent"


def test_an_update_that_breaks_off_in_the_middle_is_never_raised_as_an_error(
    remote: Books, session: Session, customer: str
) -> None:
    """The first call was carried out, so that nothing after it may say that nothing was."""
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK))
    remote.sandbox.faults.arm(
        Fault(
            kind=FaultKind.STATUS, status=503, method="POST", path=r"/books/v3/invoices/\d+/status", times=9
        )
    )
    assert change(session, "invoices", invoice, notes="x", status="sent").kind is OutcomeKind.UNKNOWN
    remote.sandbox.faults.clear()
    remote.sandbox.faults.arm(Fault(kind=FaultKind.STATUS, status=403, path=r"/books/v3/invoices/\d+/status"))
    with pytest.raises(PermissionMissing):
        change(session, "invoices", invoice, status="sent")


def test_a_record_that_was_made_is_done_though_its_status_is_not_allowed(
    remote: Books, session: Session, customer: str
) -> None:
    remote.sandbox.faults.arm(Fault(kind=FaultKind.STATUS, status=403, path=r"/books/v3/invoices/\d+/status"))
    outcome = create(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    assert (outcome.kind, outcome.id) == (OutcomeKind.DONE, remote.rows("invoices")[0]["invoice_id"])
    assert outcome.record is not None
    assert outcome.record.values["status"] == "draft"
    assert outcome.warnings


def test_with_a_link_field_a_create_that_is_sent_again_makes_no_second_record(remote: Books) -> None:
    session = remote.session(link_field="cf_syncline_key")
    contacts = session.discover().module("contacts")
    assert contacts is not None
    assert contacts.capabilities.idempotency_s > 0
    ids = {create(session, "contacts", "op-7", contact_name="Once").id for _ in range(3)}
    assert len(ids) == 1
    assert len(remote.rows("contacts")) == 1
    assert remote.body("PUT", "/contacts")["contact_name"] == "Once"


def test_a_link_field_that_is_not_unique_is_not_relied_on(remote: Books) -> None:
    for row in remote.sandbox.org.ledger.fields:
        if row["api_name"] == "cf_syncline_key":
            remote.act("update", "customfields", row["customfield_id"], is_unique=False)
    session = remote.session(link_field="cf_syncline_key")
    contacts = session.discover().module("contacts")
    assert contacts is not None
    assert contacts.capabilities.idempotency_s == 0
    made(session, "contacts", contact_name="Plain")
    assert "POST /contacts" in remote.heard()


def test_no_write_ever_asks_for_mail(remote: Books, session: Session, customer: str, vendor: str) -> None:
    invoice = made(session, "invoices", customer_id=customer, line_items=lines(WORK), status="sent")
    change(session, "invoices", invoice, notes="x")
    made(
        session,
        "customerpayments",
        customer_id=customer,
        payment_mode="cash",
        amount=Decimal(5),
        date="2026-11-20",
    )
    made(session, "purchaseorders", vendor_id=vendor, line_items=lines(WORK), status="open")
    made(session, "estimates", customer_id=customer, line_items=lines(WORK), status="sent")
    assert remote.sandbox.effects["emails"] == 0
    assert not [path for path in remote.heard() if "email" in path or "reminder" in path]


@pytest.mark.parametrize(
    ("kind", "values", "mark"),
    [
        pytest.param("contacts", {"contact_name": "Linked"}, "zcrm_account_id", id="a-customer"),
        pytest.param("items", {"name": "Linked", "rate": 1}, "zcrm_product_id", id="an-item"),
    ],
)
def test_zohos_own_link_with_its_crm_is_told_of(
    remote: Books, kind: str, values: dict[str, Any], mark: str
) -> None:
    session = remote.session()
    row = remote.act("create", kind, **values)
    assert session.other_writers() == ()
    remote.sandbox.act("link", kind, row[f"{kind[:-1]}_id"], {mark: "5725767000000400001"})
    (told,) = session.other_writers()
    assert told.startswith(f"Zoho's own link with Zoho CRM writes here as well: {kind} carry")
