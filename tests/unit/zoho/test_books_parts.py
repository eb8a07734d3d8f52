"""The pure parts of the connector zoho-books: windows, cursors, values, outcomes, locks, steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncline.connect import HttpReply, Item, Items, OutcomeKind, RemoteProtocolError, Write, WriteKind
from syncline_zoho.books.catalogue import CATALOGUE, MOVES
from syncline_zoho.books.cursor import OVERLAP, Cursor, Scan, read_cursor
from syncline_zoho.books.kinds import KINDS, synced
from syncline_zoho.books.lists import MOST, window_at
from syncline_zoho.books.locks import lock_of
from syncline_zoho.books.outcomes import judge
from syncline_zoho.books.reading import paid_by
from syncline_zoho.books.shaping import apart, make_body
from syncline_zoho.books.steps import Impossible, plan_steps
from syncline_zoho.books.values import read_discount, read_instant, read_number, same, wire_discount

NOW = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)


# --- windows ----------------------------------------------------------------------------------------


def test_a_window_begins_before_the_place_and_reaches_beyond_it() -> None:
    for offset in (*range(900), 1999, 2000, 12_345):
        window = window_at(offset)
        assert 1 <= window.per_page <= MOST
        assert window.start < offset or offset == 0
        assert window.start + window.per_page > offset


def test_windows_cost_hardly_more_than_pages_without_overlap() -> None:
    offset, calls = 0, 0
    while offset < 10_000:
        window = window_at(offset)
        offset = window.start + window.per_page
        calls += 1
    assert calls <= 10_000 / MOST * 1.1


# --- cursors ----------------------------------------------------------------------------------------


def at(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_to_end(cursor: Cursor, rows: list[tuple[str, str]], now: datetime) -> Cursor:
    scan = Scan(offset=len(rows), anchors=("a",), started=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return cursor.begin().passed(scan, rows, now).finish()


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        pytest.param(("a", at(-60)), False, id="delivered at this stamp"),
        pytest.param(("a", at(5)), True, id="changed since"),
        pytest.param(("b", at(-60)), True, id="shown late, within the overlap"),
        pytest.param(("c", at(0)), True, id="delivered in a second that was not over"),
        pytest.param(("d", at(-400)), False, id="older than the overlap"),
    ],
)
def test_what_the_next_read_takes(row: tuple[str, str], wanted: bool) -> None:
    cursor = read_to_end(Cursor(), [("a", at(-60)), ("c", at(0))], NOW)
    assert cursor.low == (NOW - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert cursor.wants(*row) is wanted


def test_a_cursor_survives_being_stored() -> None:
    scan = Scan(offset=199, anchors=("x", "y"), started=at(0))
    cursor = Cursor(low=at(-300), seen={"a": at(-10)}, scan=scan, day="2026-11-20", offset_min=660)
    assert read_cursor(cursor.to_text()) == cursor


def test_the_mark_never_goes_back() -> None:
    cursor = read_to_end(Cursor(low=at(600)), [], NOW)
    assert cursor.low == at(600)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"v":2}', '{"v":1,"low":null,"seen":5,"day":null,"offset":0}', "7"]
)
def test_a_cursor_that_is_none_of_ours(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="stored position"):
        read_cursor(text)


# --- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-06-09T09:45:21-0400", "2026-06-09T13:45:21+00:00", id="without a colon"),
        pytest.param("2026-06-09T09:45:21+10:00", "2026-06-08T23:45:21+00:00", id="with one"),
        pytest.param("2026-06-09", None, id="a day is no instant"),
        pytest.param("", None, id="empty"),
        pytest.param("2026-13-09T09:45:21-0400", None, id="no month of that number"),
    ],
)
def test_instants(text: str, expected: str | None) -> None:
    found = read_instant(text)
    assert (found.isoformat() if found else None) == expected


@pytest.mark.parametrize(
    ("raw", "percent", "amount"),
    [
        pytest.param("10.00%", Decimal("10.00"), None, id="a per cent"),
        pytest.param("12.5%", Decimal("12.5"), None, id="a broken one"),
        pytest.param(Decimal("5.5"), None, Decimal("5.5"), id="an amount"),
        pytest.param("5.5", None, Decimal("5.5"), id="an amount as text"),
        pytest.param(0, None, None, id="none"),
        pytest.param("", None, None, id="empty"),
        pytest.param("0.00%", None, None, id="nought per cent"),
    ],
)
def test_a_discount_is_read_as_two_fields(raw: Any, percent: Any, amount: Any) -> None:
    assert read_discount(raw) == {"discount_percent": percent, "discount_amount": amount}


@pytest.mark.parametrize(
    ("values", "wire"),
    [
        pytest.param({"discount_percent": Decimal("12.5")}, {"discount": "12.5%"}, id="a per cent"),
        pytest.param({"discount_amount": Decimal(3)}, {"discount": Decimal(3)}, id="an amount"),
        pytest.param({"discount_percent": None}, {"discount": 0}, id="taken away"),
        pytest.param({"quantity": 1}, {}, id="not spoken of"),
    ],
)
def test_a_discount_is_written_as_one(values: dict[str, Any], wire: dict[str, Any]) -> None:
    assert wire_discount(values) == wire


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("", None),
        ("12.50", Decimal("12.50")),
        ("1,234.5", Decimal("1234.5")),
        ("NaN", None),
        (True, None),
        (3, 3),
    ],
)
def test_numbers_come_in_two_forms(raw: Any, number: Any) -> None:
    assert read_number(raw) == number


@pytest.mark.parametrize(
    ("sent", "stored", "alike"),
    [
        pytest.param(" Acme  Ltd", "acme ltd", True, id="text that was trimmed"),
        pytest.param(Decimal("1.50"), Decimal("1.5"), True, id="a number of another scale"),
        pytest.param(Decimal("1.5"), Decimal("1.6"), False, id="another number"),
        pytest.param(None, "", True, id="nothing"),
        pytest.param("a", None, False, id="a text that is not there"),
        pytest.param(
            {"city": "Perth"}, {"city": "Perth", "zip": None}, True, id="what was said of an object"
        ),
        pytest.param(True, False, False, id="a flag"),
    ],
)
def test_whether_a_value_is_what_became_of_the_one_sent(sent: Any, stored: Any, alike: bool) -> None:
    assert same(sent, stored) is alike


# --- outcomes ---------------------------------------------------------------------------------------


def reply(status: int, code: int | None, message: str = "words") -> HttpReply:
    body = b"<html>" if code is None else msgspec.json.encode({"code": code, "message": message})
    return HttpReply(status, {"content-type": "application/json"}, body)


@pytest.mark.parametrize(
    ("kind", "answer", "outcome", "field"),
    [
        pytest.param("contacts", reply(400, 3062), OutcomeKind.TAKEN, "contact_name", id="a contact's name"),
        pytest.param(
            "items",
            reply(400, 1001, 'Item "X" already exists'),
            OutcomeKind.TAKEN,
            "name",
            id="an item's name",
        ),
        pytest.param("items", reply(400, 1001, "The SKU is taken"), OutcomeKind.TAKEN, "sku", id="a SKU"),
        pytest.param(
            "invoices",
            reply(400, 4097, "The number has already been used"),
            OutcomeKind.TAKEN,
            "invoice_number",
            id="a number, by its words",
        ),
        pytest.param(
            "contacts",
            reply(400, 15, "Please ensure that the contact name has less than 200 characters."),
            OutcomeKind.REFUSED,
            "contact_name",
            id="a text too long",
        ),
        pytest.param("bills", reply(404, 1002), OutcomeKind.GONE, None, id="gone"),
        pytest.param("bills", reply(400, 1002), OutcomeKind.GONE, None, id="gone, with another status"),
        pytest.param("bills", reply(400, 99), OutcomeKind.REFUSED, None, id="a code that nobody knows"),
        pytest.param("bills", reply(400, None), OutcomeKind.REFUSED, None, id="a refusal that is a web page"),
        pytest.param(
            "bills", reply(500, 1000), OutcomeKind.UNKNOWN, None, id="an error after who knows what"
        ),
        pytest.param("bills", reply(503, None), OutcomeKind.UNKNOWN, None, id="a web page of the proxy"),
        pytest.param("bills", reply(200, None), OutcomeKind.UNKNOWN, None, id="a success that is a web page"),
        pytest.param("bills", reply(200, 1038), OutcomeKind.REFUSED, None, id="a refusal with status 200"),
    ],
)
def test_outcomes(kind: str, answer: HttpReply, outcome: OutcomeKind, field: str | None) -> None:
    found = judge(KINDS[kind], Write(kind=WriteKind.UPDATE, key="k", id="1"), answer)
    assert (found.kind, found.field) == (outcome, field)


# --- locks and steps --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason", "free"),
    [
        pytest.param({"status": "sent"}, None, None, id="open"),
        pytest.param({"status": "void"}, "the invoice is void", "status", id="void"),
        pytest.param({"status": "paid"}, "the invoice is paid", "notes", id="paid"),
        pytest.param({"status": "sent", "date": "2026-06-30"}, "up to 2026-06-30", None, id="a locked day"),
        pytest.param({"status": "sent", "date": "2026-07-01"}, None, None, id="the day after"),
        pytest.param(
            {"lock_detail": {"locked_actions": ["edit"], "custom_locks": [{"lock_name": "Audit"}]}},
            "locked in Zoho Books: Audit",
            None,
            id="a lock of a person",
        ),
        pytest.param(
            {"lock_detail": {"locked_actions": ["delete"], "custom_locks": [{"lock_name": "Audit"}]}},
            None,
            None,
            id="a lock against deletes alone",
        ),
        pytest.param({"lock_detail": {"can_lock": True, "locked_actions": []}}, None, None, id="not locked"),
    ],
)
def test_locks(row: dict[str, Any], reason: str | None, free: str | None) -> None:
    lock = lock_of(KINDS["invoices"], row, ["cf_x"], "2026-06-30")
    if reason is None:
        assert lock is None
        return
    assert lock is not None
    assert reason in lock.reason
    assert (free in lock.editable) if free else not lock.editable


@pytest.mark.parametrize(
    ("now", "wanted", "paths"),
    [
        pytest.param("draft", "sent", ["sent"], id="a draft is sent"),
        pytest.param("sent", "sent", [], id="what is so needs no call"),
        pytest.param("void", "draft", ["draft"], id="a void one is revived"),
        pytest.param("void", "sent", None, id="but not sent at once"),
        pytest.param("sent", "paid", None, id="nobody writes paid"),
        pytest.param("paid", "void", None, id="nor voids what is paid"),
    ],
)
def test_a_status_is_reached_by_its_call(now: str, wanted: str, paths: list[str] | None) -> None:
    if paths is None:
        with pytest.raises(Impossible):
            plan_steps(KINDS["invoices"], "1", {"status": wanted}, {"status": now})
        return
    steps = plan_steps(KINDS["invoices"], "1", {"status": wanted}, {"status": now})
    assert [step.path for step in steps] == [f"/invoices/1/status/{path}" for path in paths]
    assert all(step.first is (now == "void") for step in steps)


@pytest.mark.parametrize("mapped", [False, True], ids=["given plainly", "given as the items of a map"])
def test_applications_are_taken_back_and_made_anew(mapped: bool) -> None:
    held = [
        {"creditnote_invoice_id": "e1", "invoice_id": "i1", "amount": Decimal(5)},
        {"creditnote_invoice_id": "e2", "invoice_id": "i2", "amount": Decimal(7)},
    ]
    wanted = [{"invoice_id": "i1", "amount": Decimal(5)}, {"invoice_id": "i2", "amount": Decimal(8)}]
    given = Items(items=tuple(Item(values=values) for values in wanted)) if mapped else wanted
    steps = plan_steps(KINDS["creditnotes"], "1", {"invoices": given}, {"invoices": held})
    assert [(s.method, s.path) for s in steps] == [
        ("DELETE", "/creditnotes/1/invoices/e2"),
        ("POST", "/creditnotes/1/invoices"),
    ]
    assert steps[1].json == {"invoices": [{"invoice_id": "i2", "amount_applied": Decimal(8)}]}


def test_applications_told_item_by_item_are_rows() -> None:
    told = {"invoices": Items(items=(Item(values={"invoice_id": "i1", "amount": Decimal(5)}),))}
    assert apart(KINDS["creditnotes"], told) == {"invoices": [{"invoice_id": "i1", "amount": Decimal(5)}]}


@pytest.mark.parametrize(
    ("paid", "named"),
    [
        pytest.param([("i1", 10)], "i1", id="one-invoice-is-named"),
        pytest.param([("i1", 6)], None, id="not-where-a-rest-is-kept"),
        pytest.param([("i1", 6), ("i2", 4)], None, id="nor-where-two-share-it"),
        pytest.param([], None, id="nor-for-a-deposit"),
    ],
)
def test_a_payment_names_the_one_invoice_that_it_pays(paid: list[tuple[str, int]], named: str | None) -> None:
    rows = [{"invoice_id": invoice, "amount_applied": amount} for invoice, amount in paid]
    told = paid_by({"amount": 10, "date": "2026-10-01", "invoices": rows})
    assert told["invoice_id"] == named
    assert all(row["payment_date"] == "2026-10-01" for row in told["invoices"])
    assert all(row["payment_is_whole"] is (named is not None) for row in told["invoices"])


@pytest.mark.parametrize(
    ("values", "stored", "body"),
    [
        pytest.param({"invoice_id": "i1", "amount": 10}, None, [("i1", 10)], id="a-new-one-pays-its-invoice"),
        pytest.param({"amount": 7}, {"invoice_id": "i1", "amount": 10}, [("i1", 7)], id="less-of-the-same"),
        pytest.param({"amount": 7}, {"invoice_id": None, "amount": 10}, None, id="a-shared-one-is-left"),
        pytest.param(
            {"description": "x"}, {"invoice_id": "i1", "amount": 10}, None, id="another-field-says-nothing"
        ),
    ],
)
def test_the_list_of_a_payment_is_made_of_its_invoice(
    values: dict[str, Any], stored: dict[str, Any] | None, body: list[tuple[str, int]] | None
) -> None:
    kind = WriteKind.CREATE if stored is None else WriteKind.UPDATE
    write = Write(kind=kind, key="k", values=values)
    made = make_body(KINDS["customerpayments"], write, stored, NoNames(), NoNames())  # type: ignore[arg-type]
    rows = made.get("invoices")
    assert "invoice_id" not in made
    assert (rows and [(row["invoice_id"], row["amount_applied"]) for row in rows]) == body


class NoNames:
    """An organisation that is never asked for the id of a name."""

    def with_ids(self, values: dict[str, Any]) -> dict[str, Any]:
        return values


# --- the catalogue ----------------------------------------------------------------------------------


def test_every_module_of_the_catalogue_has_its_kind_and_the_other_way_round() -> None:
    assert {m.name for m in CATALOGUE.modules} == set(KINDS)
    assert {m.name for m in CATALOGUE.modules if not m.lookup} == {name for name in KINDS if synced(name)}


@pytest.mark.parametrize("name", sorted(MOVES))
def test_every_status_that_may_be_written_has_its_call(name: str) -> None:
    successors = {status for after in MOVES[name].values() for status in after}
    assert successors == set(KINDS[name].moves)
    assert not successors & {"paid", "overdue", "partially_paid", "viewed", "invoiced", "closed", "expired"}


@pytest.mark.parametrize("name", sorted(n for n in KINDS if KINDS[n].listed))
def test_what_a_list_is_said_to_tell_is_in_the_catalogue(name: str) -> None:
    module = CATALOGUE.module(name)
    assert module is not None
    assert KINDS[name].listed <= {f.name for f in module.fields}
