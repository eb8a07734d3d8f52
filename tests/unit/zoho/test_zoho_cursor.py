"""How far a module has been read: the watermark, its overlap, resuming."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syncline.connect import RemoteProtocolError
from syncline_zoho.crm.cursor import OVERLAP, ROOM, Cursor, Place, read_cursor
from syncline_zoho.crm.values import utc_text

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def ago(minutes: float) -> str:
    return utc_text(NOW - timedelta(minutes=minutes))


def read(cursor: Cursor, *pages: list[Place], now: datetime = NOW) -> Cursor:
    cursor = cursor.begin(now)
    for page in pages:
        cursor = read_cursor(cursor.advance(page, now).to_text())
    return cursor.finish()


def since(cursor: Cursor) -> str:
    assert cursor.low is not None
    return f"Modified_Time >= '{cursor.low.replace('Z', '+00:00')}'"


def test_a_first_read_asks_for_everything_and_goes_on_by_place() -> None:
    cursor = Cursor().begin(NOW)
    assert cursor.where() == "id is not null"
    cursor = cursor.advance([(ago(60), "1"), (ago(50), "2")], NOW)
    moment = ago(50).replace("Z", "+00:00")
    assert cursor.where() == (f"((Modified_Time > '{moment}') or (Modified_Time = '{moment}' and id > '2'))")


def test_after_a_read_the_watermark_stays_an_overlap_behind() -> None:
    cursor = read(Cursor(), [(ago(60), "1"), (ago(1), "2")])
    assert cursor.low == utc_text(NOW - OVERLAP)
    assert cursor.high == (ago(1), "2")
    assert cursor.seen == 1
    assert cursor.deleted == cursor.low
    assert cursor.begin(NOW).where() == since(cursor)


def test_the_watermark_never_goes_back() -> None:
    cursor = read(Cursor(), [(ago(60), "1")])
    again = read(cursor, [], now=NOW - timedelta(minutes=30))
    assert again.low == cursor.low


def test_the_remotes_stamps_count_when_they_are_ahead_of_its_date_header() -> None:
    ahead = utc_text(NOW + timedelta(minutes=30))
    cursor = read(Cursor(), [(ahead, "1")])
    assert cursor.low == utc_text(NOW + timedelta(minutes=30) - OVERLAP)


def test_more_than_fits_the_overlap_is_read_past_until_it_has_aged() -> None:
    many: list[Place] = [(ago(2), f"{n:05d}") for n in range(ROOM)]
    cursor = read(Cursor(), [*many, (ago(1), "88888")])
    low, newest = utc_text(NOW - OVERLAP), ago(1).replace("Z", "+00:00")
    assert cursor.begin(NOW).where() == f"Modified_Time >= '{newest}'", "another edit may have its stamp"
    for minutes in (0.5, -2, -3.5):
        cursor = read(cursor, [(ago(minutes), "99999")], now=NOW - timedelta(minutes=minutes))
        assert (cursor.low, cursor.high) == (low, (ago(minutes), "99999"))
    later = NOW + timedelta(minutes=4)
    assert cursor.begin(later).where() == since(cursor), "though somebody goes on editing"
    aged = read(cursor, [*many, (ago(1), "88888"), (ago(-3.5), "99999")], now=later)
    assert (aged.seen, aged.low) == (2, utc_text(later - OVERLAP))
    assert aged.begin(later).where() == since(aged)


def test_more_of_one_second_than_fits_is_not_read_again_before_it_has_aged() -> None:
    many: list[Place] = [(ago(1), f"{n:05d}") for n in range(ROOM + 2)]
    cursor = read(Cursor(), many[:ROOM], many[ROOM : ROOM + 1])
    for _ in range(2):
        assert cursor.begin(NOW).where().endswith(f"id > '{ROOM:05d}'))")
        cursor = read(cursor, [])
    cursor = read(cursor, many[ROOM + 1 :])
    assert (cursor.high, cursor.alike) == (many[-1], ROOM + 2)
    cursor = read(cursor, [(ago(0.5), "99999")])
    assert cursor.begin(NOW).where() == f"Modified_Time >= '{ago(0.5).replace('Z', '+00:00')}'"


def test_an_unfinished_scan_is_gone_on_with() -> None:
    cursor = read(Cursor(), [(ago(60), "1")]).begin(NOW).advance([(ago(2), "7")], NOW)
    resumed = read_cursor(cursor.to_text()).begin(NOW + timedelta(days=1))
    assert resumed == cursor
    assert resumed.where().endswith("id > '7'))")
    assert resumed.finish().low == utc_text(NOW - OVERLAP)


@pytest.mark.parametrize("text", ["", "null", "{}", '{"v": 2}', '{"v":1,"low":1}', "page-2"])
def test_what_is_no_cursor_of_ours(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="position"):
        read_cursor(text)
