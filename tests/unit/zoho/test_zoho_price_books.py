"""What a write makes of a price book's entries, and when they are looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncline.connect import Item, Items
from syncline_zoho.crm.cursor import Cursor, read_cursor
from syncline_zoho.crm.pricebooks import digest, prices_after, time_between, with_entries
from syncline_zoho.crm.values import make_version, stamp_of, utc_text

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
HELD = {"1": 10, "2": 20, "3": 30}


def item(product: str | None, price: Any = None, *, held: str | None = None, unchanged: bool = False) -> Item:
    values: dict[str, Any] = {} if product is None else {"Product_Name": {"id": product}}
    if price is not None:
        values["list_price"] = price
    return Item(values=values, id=held, unchanged=unchanged)


@pytest.mark.parametrize(
    ("items", "after"),
    [
        pytest.param(Items(items=()), {}, id="no-entries-at-all"),
        pytest.param(Items(items=(item("4", 40),)), {**HELD, "4": 40}, id="one-added"),
        pytest.param(Items(items=(), removed=("2",)), {"1": 10, "3": 30}, id="one-removed"),
        pytest.param(Items(items=(item("2", 25, held="2"),)), {**HELD, "2": 25}, id="one-price-changed"),
        pytest.param(Items(items=(item(None, 25, held="2"),)), {**HELD, "2": 25}, id="the-price-alone-sent"),
        pytest.param(
            Items(items=(item("4", held="2"),)),
            {"1": 10, "3": 30, "4": 20},
            id="another-product-at-its-price",
        ),
        pytest.param(
            Items(items=(item("1", 99, held="1", unchanged=True),)), HELD, id="what-is-unchanged-is-not-told"
        ),
        pytest.param(
            Items(items=(item("2", 1, held="1"), item("1", 2, held="2"))),
            {"3": 30, "2": 1, "1": 2},
            id="two-that-change-places",
        ),
    ],
)
def test_prices_after_a_write(items: Items, after: Mapping[str, Any]) -> None:
    assert prices_after(items, HELD) == after


def test_a_digest_tells_the_same_entries_whatever_their_order_and_form() -> None:
    one = [{"id": "1", "list_price": Decimal("5.50")}, {"id": "2", "list_price": 100}]
    two = [{"id": "2", "list_price": Decimal("1E+2")}, {"id": "1", "list_price": Decimal("5.5")}]
    assert digest(one) == digest(two)
    assert digest(one) != digest([{**one[0], "list_price": 5}, one[1]])
    assert digest(one) != digest(one[:1])
    assert digest([]) != digest([{"id": "1", "list_price": None}])


def test_a_version_with_and_without_its_parts() -> None:
    version = make_version(NOW, {"id": "7", "name": "A"})
    assert version == f"{utc_text(NOW)}@7"
    assert make_version(NOW, None) == utc_text(NOW)
    first = with_entries(version, [])
    assert first is not None
    second = with_entries(first, [{"id": "1", "list_price": 1}])
    assert second is not None
    assert second.startswith(f"{version}#")
    assert second.count("#") == 1
    assert {stamp_of(text) for text in (version, first, second, utc_text(NOW))} == {NOW}
    assert with_entries(None, []) is None


@pytest.mark.parametrize(
    ("books", "apart"),
    [(0, timedelta()), (10, timedelta()), (100, timedelta(seconds=1728)), (5000, timedelta(days=1))],
    ids=["none", "few", "a-hundred", "as-many-as-a-day-has-calls"],
)
def test_how_far_apart_looks_at_all_entries_are(books: int, apart: timedelta) -> None:
    assert time_between(books) == apart


def test_a_read_of_everything_is_remembered_with_its_size() -> None:
    def read(cursor: Cursor, moment: datetime, *ids: str) -> Cursor:
        places = [(utc_text(moment - timedelta(hours=1)), each) for each in ids]
        return read_cursor(cursor.advance(places, moment).to_text()).finish()

    first = read(Cursor().begin(NOW), NOW, "1", "2", "3")
    assert (first.whole, first.rows) == (utc_text(NOW), 3)
    later = NOW + timedelta(hours=2)
    second = read(first.begin(later), later, "2")
    assert (second.whole, second.rows) == (utc_text(NOW), 3)
    whole = second.begin_whole()
    assert whole.where() == "id is not null"
    assert whole.since is None
    third = read(whole, later, "1", "2")
    assert (third.whole, third.rows) == (utc_text(later), 2)
    assert third.low == second.low


def test_a_cursor_from_before_there_were_reads_of_everything_is_still_read() -> None:
    text = '{"v":1,"low":"2026-11-22T12:00:00Z","high":null,"seen":0,"deleted":null,"scan":null}'
    assert read_cursor(text).whole is None
