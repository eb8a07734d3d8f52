"""A price book and its products: one record to the connector, two relations of calls on the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from zoho_remote import Remote, StaticSignIn

from syncline.connect import (
    Connection,
    HttpClient,
    Item,
    Items,
    Outcome,
    OutcomeKind,
    Record,
    SentWrite,
    Session,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Fault, FaultKind, Reply, Request
from syncline.connect.waiting import Waiting
from syncline_zoho.crm.connector import ZohoCrmConnector

OpenSession = Callable[..., Session]
FIELDS = frozenset({"Price_Book_Name", "Active", "Pricing_Details", "Products"})
RANGES = [{"from_range": 1, "to_range": 10, "discount": 0}]


@pytest.fixture
def products(remote: Remote) -> list[str]:
    rows = ({"Product_Name": f"P{number}", "Unit_Price": 10} for number in range(4))
    return [row["id"] for row in remote.add("Products", *rows)]


def entry(product: str, price: Any, *, held: bool = False) -> Item:
    values = {"Product_Name": {"id": product}, "list_price": Decimal(price)}
    return Item(values=values, id=product if held else None)


def create(session: Session, name: str, *entries: Item) -> Outcome:
    values = {"Price_Book_Name": name, "Pricing_Details": RANGES, "Products": Items(items=entries)}
    (outcome,) = session.write("Price_Books", [Write(kind=WriteKind.CREATE, key=name, values=values)])
    return outcome


def read(session: Session, book: str) -> Record:
    (record,) = session.read_ids("Price_Books", [book], FIELDS)
    return record


def update(session: Session, record: Record, **values: Any) -> Outcome:
    write = Write(
        kind=WriteKind.UPDATE,
        key="u",
        id=record.id,
        values=values,
        version=record.version,
        read_at=datetime.now(UTC),
    )
    (outcome,) = session.write("Price_Books", [write])
    return outcome


def prices(remote: Remote, book: str) -> dict[str, Any]:
    row = next(row for row in remote.sandbox.records("Price_Books") if row["id"] == book)
    return {each["id"]: each["list_price"] for each in row["Products"]}


@pytest.fixture
def wire(remote: Remote) -> list[tuple[str, str, str]]:
    """Every write from here on: method, path below the API with its query, body."""
    heard: list[tuple[str, str, str]] = []

    def listen(template: str, request: Request, reply: Reply) -> None:
        if request.method != "GET" and "coql" not in request.path:
            ids = request.one("ids")
            path = request.path.removeprefix("/crm/v8/") + (f"?ids={ids}" if ids else "")
            heard.append((request.method, path, request.body.decode()))

    remote.server.listeners.append(listen)
    return heard


def test_a_new_book_and_its_products_are_one_create(
    remote: Remote, session: Session, products: list[str]
) -> None:
    made = create(session, "Trade", entry(products[0], "9.50"), entry(products[1], "8"))
    assert made.kind is OutcomeKind.DONE
    assert made.id is not None
    assert prices(remote, made.id) == {products[0]: Decimal("9.5"), products[1]: 8}
    record = read(session, made.id)
    assert record.version == made.version
    assert record.values["Pricing_Details"] == RANGES
    assert record.values["Products"] == [
        {"id": products[0], "Product_Name": {"id": products[0]}, "list_price": Decimal("9.5")},
        {"id": products[1], "Product_Name": {"id": products[1]}, "list_price": 8},
    ]


def test_each_change_of_an_entry_is_that_alone_on_the_wire(
    remote: Remote, session: Session, products: list[str], wire: list[tuple[str, str, str]]
) -> None:
    first, second, third, fourth = products
    book = create(session, "Trade", *(entry(product, 5) for product in (first, second, third))).id
    assert book is not None
    path = f"Price_Books/{book}/Products"

    def change(items: Items) -> list[tuple[str, str, str]]:
        wire.clear()
        outcome = update(session, read(session, book), Products=items)
        assert outcome.kind is OutcomeKind.DONE
        assert read(session, book).version == outcome.version, "an own write is known again"
        return list(wire)

    kept = [replace(entry(product, 5, held=True), unchanged=True) for product in products[:3]]
    body = f'{{"data":[{{"id":"{second}","list_price":6}}]}}'
    edited = Items(items=(kept[0], entry(second, 6, held=True), kept[2]))
    assert change(edited) == [("PUT", path, body)]
    added = Items(
        items=(kept[0], replace(entry(second, 6, held=True), unchanged=True), kept[2], entry(fourth, 4))
    )
    assert change(added) == [("PUT", path, f'{{"data":[{{"id":"{fourth}","list_price":4}}]}}')]
    removed = Items(items=kept[1:3], removed=(first, fourth))
    assert change(removed) == [("DELETE", f"{path}?ids={first},{fourth}", "")]
    moved = Items(items=(entry(second, 6, held=True), Item(values=entry(first, 5).values, id=third)))
    assert change(moved) == [
        ("PUT", path, f'{{"data":[{{"id":"{first}","list_price":5}}]}}'),
        ("DELETE", f"{path}?ids={third}", ""),
    ]
    assert prices(remote, book) == {second: 6, first: 5}
    assert change(Items(items=())) == [("DELETE", f"{path}?ids={','.join(sorted((first, second)))}", "")]


def test_an_edit_of_the_book_itself_sends_no_entry(
    remote: Remote, session: Session, products: list[str], wire: list[tuple[str, str, str]]
) -> None:
    book = create(session, "Trade", entry(products[0], 5)).id
    assert book is not None
    wire.clear()
    outcome = update(session, read(session, book), Active=True)
    assert [(method, path) for method, path, _ in wire] == [("PUT", "Price_Books")]
    assert read(session, book).version == outcome.version
    assert prices(remote, book) == {products[0]: 5}


@pytest.mark.parametrize("moves", [False, True], ids=["the-book-unmoved", "the-book-moved"])
def test_a_price_that_somebody_changed_is_read_and_never_overwritten(
    remote: Remote, session: Session, products: list[str], moves: bool
) -> None:
    book = create(session, "Trade", entry(products[0], 5), entry(products[1], 5)).id
    assert book is not None
    remote.pass_time(60)  # so that it is not looked at again for its age alone
    before = read(session, book)
    *_, page = session.read("Price_Books", None, FIELDS)
    remote.sandbox.switches["entries_move_time"] = moves
    entries = [{"id": products[0], "list_price": 7}, {"id": products[1], "list_price": 5}]
    remote.sandbox.act("update", "Price_Books", book, {"Products": entries})
    items = Items(items=(entry(products[0], 9, held=True), entry(products[1], 5, held=True)))
    assert update(session, before, Products=items, Active=True).kind is OutcomeKind.CONFLICT
    assert prices(remote, book) == {products[0]: 7, products[1]: 5}
    assert not remote.one("Price_Books", book)["Active"]
    found = [record for each in session.read("Price_Books", page.cursor, FIELDS) for record in each.records]
    assert [record.values["Products"][0]["list_price"] for record in found] == [7]
    assert found[0].version != before.version


def test_entries_of_a_book_that_is_gone(remote: Remote, session: Session, products: list[str]) -> None:
    book = create(session, "Trade", entry(products[0], 5)).id
    assert book is not None
    before = read(session, book)
    remote.sandbox.act("delete", "Price_Books", book, {})
    items = Items(items=(entry(products[0], 9, held=True),))
    assert update(session, before, Products=items).kind is OutcomeKind.GONE
    assert update(session, before, Products=items, Active=True).kind is OutcomeKind.GONE


def test_a_book_whose_products_are_refused_is_not_made(
    remote: Remote, session: Session, products: list[str]
) -> None:
    made = create(session, "Trade", entry(products[0], 5), entry("5725767000000999999", 5))
    assert (made.kind, made.field) == (OutcomeKind.REFUSED, "Products")
    assert "related id given seems to be invalid" in made.message
    assert all(row["$state"] != "live" for row in remote.sandbox.records("Price_Books"))


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.LOSE], ids=["never-arrived", "answer-lost"])
def test_a_create_that_broke_off_before_its_products_is_finished_by_settling(
    remote: Remote, products: list[str], kind: FaultKind
) -> None:
    waiting = Waiting(sleep=lambda seconds: None)
    with HttpClient(sign_in=StaticSignIn(remote.token), waiting=waiting) as http:
        options = {"base_url": remote.server.base_url}
        finish_a_create(
            remote, ZohoCrmConnector().open(Connection(options=options, http=http)), products, kind
        )


def finish_a_create(remote: Remote, session: Session, products: list[str], kind: FaultKind) -> None:
    remote.sandbox.faults.arm(Fault(kind=kind, method="PUT", path="/crm/v8/Price_Books", times=9))
    items = Items(items=(entry(products[0], 5), entry(products[1], 6)))
    values = {"Price_Book_Name": "Trade", "Pricing_Details": RANGES, "Products": items}
    write = Write(kind=WriteKind.CREATE, key="k", values=values)
    sent = SentWrite(write=write, sent_at=datetime.now(UTC))
    (outcome,) = session.write("Price_Books", [write])
    assert outcome.kind is OutcomeKind.UNKNOWN
    remote.sandbox.faults.clear()
    (settled,) = session.settle("Price_Books", [sent])
    assert settled is not None
    assert settled.kind is OutcomeKind.DONE
    assert settled.id is not None
    assert prices(remote, settled.id) == {products[0]: 5, products[1]: 6}
    assert read(session, settled.id).version == settled.version


def test_a_line_that_names_a_price_book_takes_its_price(remote: Remote, products: list[str]) -> None:
    ranges = [
        {"from_range": 1, "to_range": 5, "discount": 0},
        {"from_range": 6, "to_range": 99, "discount": 10},
    ]
    book = remote.add("Price_Books", {"Price_Book_Name": "Trade", "Pricing_Details": ranges})[0]["id"]
    related = remote.client.put(
        f"/crm/v8/Products/{products[0]}/Price_Books/{book}", json={"data": [{"list_price": 4}]}
    )
    assert related.json()["data"][0]["message"] == "relation added"
    line = {
        "Product_Name": {"id": products[0]},
        "Quantity": 6,
        "List_Price": 10,
        "Price_Book_Name": {"id": book},
    }
    quote = remote.add("Quotes", {"Subject": "Q", "Quoted_Items": [line]})[0]["id"]
    stored = remote.one("Quotes", quote)["Quoted_Items"][0]
    assert (stored["List_Price"], stored["Discount"], stored["Net_Total"]) == (4, 2.4, 21.6)
    assert stored["Discount_Type__s"] == "Percentage"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "Price_Books/{book}/Products", None, "REQUIRED_PARAM_MISSING"),
        ("GET", "Price_Books/99/Products?fields=Product_Name", None, "INVALID_DATA"),
        ("PUT", "Price_Books/{book}/Products", {"data": []}, "MANDATORY_NOT_FOUND"),
        ("PUT", "Price_Books/{book}/Products", {"data": [{"id": "1"}] * 101}, "LIMIT_EXCEEDED"),
        ("PUT", "Price_Books/{book}/Products", {"data": [{"id": "{product}"}]}, "MANDATORY_NOT_FOUND"),
        ("PUT", "Price_Books/{book}/Products", {"data": [{"id": "9", "list_price": 1}]}, "INVALID_DATA"),
        ("PUT", "Price_Books/{book}/Products/{product}", {"data": [{"list_price": "x"}]}, "INVALID_DATA"),
        ("DELETE", "Price_Books/{book}/Products", None, "REQUIRED_PARAM_MISSING"),
        ("DELETE", "Price_Books/{book}/Products?ids={product}", None, "INVALID_DATA"),
    ],
    ids=[
        "a-list-without-fields",
        "an-unknown-book",
        "no-rows",
        "too-many-rows",
        "no-price",
        "an-unknown-product",
        "a-price-that-is-no-number",
        "a-delete-of-nothing",
        "a-delete-of-what-is-not-related",
    ],
)
def test_what_the_sandbox_refuses_of_a_relation(
    remote: Remote, products: list[str], method: str, path: str, body: Any, code: str
) -> None:
    book = remote.add("Price_Books", {"Price_Book_Name": "Trade", "Pricing_Details": RANGES})[0]["id"]
    if body and body["data"] and body["data"][0].get("id") == "{product}":
        body = {"data": [{"id": products[0]}]}
    url = "/crm/v8/" + path.format(book=book, product=products[0])
    reply = remote.client.request(method, url, json=body)
    told = reply.json()
    assert reply.status_code == 400
    assert code in (told.get("code"), (told.get("data") or [{}])[0].get("code"))


def test_the_entries_of_many_books_are_looked_at_no_more_than_5000_times_a_day(
    remote: Remote, session: Session
) -> None:
    rows = ({"Price_Book_Name": f"L{number}", "Pricing_Details": RANGES} for number in range(20))
    remote.add("Price_Books", *rows)
    remote.pass_time(600)

    def looks(cursor: str | None) -> tuple[int, str]:
        session.check()
        remote.server.reset_counts()
        *_, page = session.read("Price_Books", cursor, FIELDS)
        calls = {path: count for _, path, count in remote.server.counts()}
        return calls.get("/crm/v8/Price_Books/{id}/Products", 0), page.cursor

    first, cursor = looks(None)
    soon, cursor = looks(cursor)
    remote.pass_time(340)
    still, cursor = looks(cursor)
    remote.pass_time(10)
    again, _ = looks(cursor)
    assert (first, soon, still, again) == (20, 0, 0, 20)
