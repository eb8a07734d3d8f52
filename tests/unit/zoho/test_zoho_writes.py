"""How writes are put into calls, and how what was stored is recognised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncline.connect import Item, Items, SentWrite, Write, WriteKind
from syncline_zoho.crm.query import MAX_COLUMNS, column_groups, quote
from syncline_zoho.crm.settle import match, same_value
from syncline_zoho.crm.values import clean, utc_text
from syncline_zoho.crm.writer import group_updates, to_row

NOW = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def write(version_s: float | None, read_s: float | None) -> Write:
    return Write(
        kind=WriteKind.UPDATE,
        key="k",
        id="1",
        version=None if version_s is None else utc_text(at(version_s)),
        read_at=None if read_s is None else at(read_s),
    )


@pytest.mark.parametrize(
    ("writes", "groups"),
    [
        pytest.param([(None, None)] * 3, [[0, 1, 2]], id="nothing-known-no-header"),
        pytest.param(
            [(-900, -10), (-800, -5), (-700, -10)], [[0, 2, 1]], id="old-records-share-the-oldest-read"
        ),
        pytest.param([(-900, -60), (-30, -10)], [[0], [1]], id="changed-after-the-others-were-read"),
        pytest.param([(-10, -10)] * 4, [[0, 1, 2, 3]], id="written-together-just-now"),
        pytest.param([(-10, -10), (-9, -9)], [[0], [1]], id="each-changed-as-it-was-read"),
        pytest.param([(None, None), (-900, -10)], [[0], [1]], id="unknown-ones-apart"),
    ],
)
def test_updates_share_a_header_only_where_it_suits_them_all(
    writes: list[tuple[float | None, float | None]], groups: list[list[int]]
) -> None:
    found = group_updates([write(*entry) for entry in writes])
    assert [group.places for group in found] == groups
    for group in found:
        for place in group.places:
            version, read = writes[place]
            if group.since is None:
                assert (version, read) == (None, None)
            elif version is not None and read is not None:
                assert at(version).replace(microsecond=0) <= group.since <= at(read)


def test_lines_are_sent_with_ids_without_and_for_removal() -> None:
    items = Items(
        items=(Item(values={"Quantity": Decimal(2), "id": "x"}, id="5"), Item(values={"Quantity": 1}))
    )
    row = to_row(
        Write(
            kind=WriteKind.UPDATE,
            key="k",
            id="9",
            values={"Lines": Items(items=items.items, removed=("6",)), "Account_Name": {"id": "3"}},
        )
    )
    assert row == {
        "id": "9",
        "Account_Name": {"id": "3"},
        "Lines": [{"id": "5", "Quantity": Decimal(2)}, {"Quantity": 1}, {"id": "6", "_delete": None}],
    }


@pytest.mark.parametrize(
    ("sent", "stored", "same"),
    [
        ("  Acme  Ltd ", "ACME LTD", True),
        ("Acme", "Acme 2", False),
        (Decimal("1.50"), Decimal("1.5"), True),
        (1, Decimal("1.0"), True),
        (True, True, True),
        (True, 1, False),
        (None, None, True),
        ("", None, True),
        ("x", None, False),
        ({"id": "5"}, {"id": "5", "name": "A"}, True),
        ({"id": "5"}, None, False),
        ("2024-07-25T05:26:49Z", "2024-07-25T15:26:49+10:00", True),
    ],
)
def test_same_value(sent: Any, stored: Any, same: bool) -> None:
    assert same_value(sent, stored) is same


def test_a_record_settles_one_write() -> None:
    sent = [SentWrite(write=Write(kind=WriteKind.CREATE, key=f"{n}"), sent_at=NOW) for n in range(3)]
    rows = [{"id": "1"}, {"id": "2"}]
    found = match(sent, rows, lambda entry, row: True)
    assert [outcome.id if outcome else None for outcome in found] == ["1", "2", None]


def test_a_quote_never_ends_a_literal_early() -> None:
    assert quote("O'Neill \\ Sons") == "'O\\'Neill \\\\ Sons'"


def test_columns_are_parted_with_their_time() -> None:
    groups = column_groups(f"F{n:03d}" for n in range(120))
    assert [len(group) for group in groups] == [MAX_COLUMNS, MAX_COLUMNS, 120 - 2 * (MAX_COLUMNS - 1) + 1]
    assert all(group[0] == "Modified_Time" for group in groups)
    assert column_groups([]) == [["Modified_Time"]]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", None),
        ("2024-07-25", "2024-07-25"),
        ("2024-07-25T15:26:49+10:00", "2024-07-25T05:26:49Z"),
        ({"name": "A", "id": 5}, {"id": "5"}),
        (
            [{"name": "GST", "percentage": Decimal(10), "id": "1"}],
            [{"name": "GST", "percentage": 10, "id": "1"}],
        ),
        (0, 0),
        (False, False),
    ],
)
def test_clean(raw: Any, expected: Any) -> None:
    assert clean(raw) == expected
