"""Pitfall 28, dates, zones and daylight saving: a day is a day wherever it is read, an instant is one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.business import book_entry, books_invoice, crm_invoice, edit_crm_invoice, open_business
from tests.support.effort import cases
from tests.support.stage import Stage
from tests.support.tally import Tally

#: Leap days, ends of years, and both nights of daylight saving in Sydney, Chatham, Europe and America.
DAYS = (
    "2024-02-29",
    "2027-12-31",
    "2028-01-01",
    "2028-02-29",
    "2028-03-12",
    "2028-03-26",
    "2028-04-02",
    "2028-09-24",
    "2028-10-01",
    "2028-10-29",
    "2028-11-05",
)
#: The CRM's zone, the books' zone as they call it, and as everybody else does.
FAR_APART = [
    pytest.param(
        "Pacific/Pago_Pago", "CHATHAMISLANDSSTANDARDTIME", "Pacific/Chatham", id="-11:00 and +13:45"
    ),
    pytest.param("Pacific/Chatham", "UTC11", "Etc/GMT+11", id="+13:45 and -11:00"),
    pytest.param("America/New_York", "AUSEASTERNSTANDARDTIME", "Australia/Sydney", id="New York and Sydney"),
]


@pytest.fixture
def early(tmp_path: Path) -> Iterator[Stage]:
    """A stage that is not connected yet, so that its clock can still be set to any time to come."""
    with Stage(tmp_path) as stage:
        yield stage


def set_clock(stage: Stage, moment: datetime) -> None:
    stage.later(moment - stage.now())


def settle_in(stage: Stage, crm_zone: str, books_zone: str) -> None:
    stage.crm.sandbox.switches["zone"] = crm_zone
    stage.crm.act("update", "Organisation", None, {"timezone": crm_zone})
    stage.books.act("update", "Organisation", None, {"Timezone": books_zone})
    stage.connect()


@pytest.mark.parametrize(("crm_zone", "books_name", "books_zone"), FAR_APART)
def test_a_day_is_the_same_day_at_both_ends(
    early: Stage, tally: Tally, crm_zone: str, books_name: str, books_zone: str
) -> None:
    stage = early
    # Ten minutes before midnight where the books are, on a leap day: another day elsewhere.
    set_clock(stage, datetime(2028, 2, 29, 23, 50, tzinfo=ZoneInfo(books_zone)))
    settle_in(stage, crm_zone, books_name)
    contact = open_business(stage)
    for day in DAYS:
        books_invoice(stage, contact, f"books {day}", Date=day, DueDate=day)
    account, product = stage.crm.records("Accounts")[0]["id"], stage.crm.records("Products")[0]["id"]
    line = {"Product_Name": {"id": product}, "Description": "Bread", "Quantity": 1, "List_Price": 5}
    for day in DAYS:
        told = {"Subject": f"crm {day}", "Account_Name": {"id": account}, "Invoiced_Items": [line]}
        stage.crm.act("create", "Invoices", None, {**told, "Invoice_Date": day, "Due_Date": day})
    stage.sync()
    stage.later(timedelta(minutes=20))  # midnight goes by
    stage.sync()
    for day in DAYS:
        for made in ("books", "crm"):
            entry, row = book_entry(stage, f"{made} {day}"), crm_invoice(stage, f"{made} {day}")
            assert (entry["Date"], entry["DueDate"]) == (day, day)
            assert (row["Invoice_Date"], row["Due_Date"]) == (day, day)
    stage.assert_idle(passes=2)
    stage.later(timedelta(days=1))
    stage.sync()
    stage.assert_idle()
    tally("days at zones far apart", 2 * len(DAYS))


@pytest.mark.parametrize(
    ("zone", "first"),
    cases(
        [pytest.param("Australia/Sydney", "2028-04-02T02:30", id="Sydney")],
        [pytest.param("America/New_York", "2028-11-05T01:30", id="New York")],
    ),
)
def test_both_half_past_ones_of_the_night_are_seen_once_each(early: Stage, zone: str, first: str) -> None:
    """The local clock shows one hour twice; what is edited in either is one edit."""
    stage = early
    moment = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone))
    again = moment.replace(fold=1).astimezone(UTC)
    assert again - moment.astimezone(UTC) == timedelta(hours=1)
    set_clock(stage, moment.astimezone(UTC) - timedelta(hours=2))
    settle_in(stage, zone, "AUSEASTERNSTANDARDTIME")
    contact = open_business(stage)
    for number in ("first", "second", "both", "neither"):
        books_invoice(stage, contact, number)
    stage.sync()

    def edit(at: datetime, due: str, *numbers: str) -> int:
        set_clock(stage, at)
        for number in numbers:
            edit_crm_invoice(stage, number, {"Due_Date": due})
        stage.forget_requests()
        stage.sync()
        for number in numbers:
            assert book_entry(stage, number)["DueDate"] == due
        return stage.writes()

    assert edit(moment.astimezone(UTC), "2099-01-01", "first", "both") == 1, "one batch of two"
    shown = crm_invoice(stage, "both")["Modified_Time"]
    assert edit(again, "2099-02-02", "second", "both") == 1
    twice = crm_invoice(stage, "both")["Modified_Time"]
    assert (shown[:16], twice[:16]) == (first, first), "not the hour that the clock shows twice"
    assert shown != twice
    assert book_entry(stage, "first")["DueDate"] == "2099-01-01"
    set_clock(stage, again + timedelta(hours=1))
    stage.assert_idle(passes=2)
