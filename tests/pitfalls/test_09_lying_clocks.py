"""Pitfall 9, "newest wins" with lying clocks: the stamp decides, and the stamp is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.effort import cases
from tests.support.questions import asked, live, lost, named, phone, phones, with_more
from tests.support.stage import Stage
from tests.support.tally import Tally

#: The phone that somebody types in at each end.
NUMBER = {"crm": "222", "books": "333"}
NEWEST = with_more("conflicts: {prefer: newest}\n")
EXACT = pytest.param({}, id="exact")
CRM_AHEAD = pytest.param({"crm": 600, "books": -600}, id="crm-ahead")
BOOKS_AHEAD = pytest.param({"crm": -600, "books": 600}, id="books-ahead")
CLOCKS = pytest.mark.parametrize("ahead", cases([CRM_AHEAD, BOOKS_AHEAD], [EXACT]))
ONE_CLOCK = pytest.mark.parametrize("ahead", cases([CRM_AHEAD], [EXACT, BOOKS_AHEAD]))


def met(stage: Stage) -> tuple[str, str]:
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "111"})
    stage.sync()
    stage.later(timedelta(minutes=1))
    return account["id"], live(stage, "books", "Contacts")[0]["ContactID"]


def both(stage: Stage) -> set[str | None]:
    return {
        named(stage, "crm", "Accounts", "Harbour Bakery")["Phone"],
        phone(named(stage, "books", "Contacts", "Harbour Bakery")),
    }


def edit(stage: Stage, system: str, ids: tuple[str, str], number: str) -> None:
    if system == "crm":
        stage.crm.act("update", "Accounts", ids[0], {"Phone": number})
    else:
        stage.books.act("update", "Contacts", ids[1], {"Phones": phones(number)})


@ONE_CLOCK
@pytest.mark.parametrize("last", cases(["books"], ["crm"]))
def test_the_declared_side_wins_whatever_the_clocks_say(
    stages: Callable[..., Stage], ahead: dict[str, float], last: str, tally: Tally
) -> None:
    stage = stages(ahead=ahead)
    ids = met(stage)
    first = "books" if last == "crm" else "crm"
    edit(stage, first, ids, NUMBER[first])
    stage.later(timedelta(seconds=30))
    edit(stage, last, ids, NUMBER[last])
    stage.sync()
    tally("clocks that lie" if ahead else "clocks that are right")
    assert both(stage) == {NUMBER["crm"]}
    assert [one["lost"]["value"] for one in lost(stage) if one["field"] == "phone"] == [NUMBER["books"]]
    stage.assert_idle(passes=2)


@CLOCKS
@pytest.mark.parametrize("last", ["crm", "books"])
def test_newest_is_the_newest_whatever_the_clocks_say(
    stages: Callable[..., Stage], ahead: dict[str, float], last: str, tally: Tally
) -> None:
    stage = stages(spec=NEWEST, ahead=ahead)
    ids = met(stage)
    first = "books" if last == "crm" else "crm"
    edit(stage, first, ids, NUMBER[first])
    stage.later(timedelta(seconds=30))
    edit(stage, last, ids, NUMBER[last])
    stage.sync()
    tally("clocks that lie" if ahead else "clocks that are right")
    assert both(stage) == {NUMBER[last]}
    stage.assert_idle(passes=2)


@ONE_CLOCK
def test_equal_stamps_tell_nothing_and_a_person_is_asked(
    stages: Callable[..., Stage], ahead: dict[str, float]
) -> None:
    stage = stages(spec=NEWEST, ahead=ahead)
    ids = met(stage)
    for system in ("crm", "books"):
        edit(stage, system, ids, NUMBER[system])
    stage.sync(code=4)
    assert both(stage) == {NUMBER["crm"], NUMBER["books"]}
    (question,) = asked(stage)
    assert question["values"] == {"crm": NUMBER["crm"], "books": NUMBER["books"]}


@ONE_CLOCK
def test_a_touch_without_a_change_writes_nothing(
    stages: Callable[..., Stage], ahead: dict[str, float]
) -> None:
    """A bulk backfill stamps every record anew, a person saves a form unchanged."""
    stage = stages(spec=NEWEST, ahead=ahead)
    stage.books.sandbox.switches["noop_moves_updated"] = True
    account, contact = met(stage)
    stamps = [
        live(stage, "crm", "Accounts")[0]["Modified_Time"],
        live(stage, "books", "Contacts")[0]["UpdatedDateUTC"],
    ]
    stage.crm.act("update", "Accounts", account, {"Phone": "111"})
    stage.books.act("update", "Contacts", contact, {"Phones": phones("111")})
    assert stamps != [
        live(stage, "crm", "Accounts")[0]["Modified_Time"],
        live(stage, "books", "Contacts")[0]["UpdatedDateUTC"],
    ]
    stage.assert_idle(passes=2)
    # A touch at one end does not beat an edit at the other.
    edit(stage, "crm", (account, contact), NUMBER["crm"])
    stage.later(timedelta(seconds=30))
    stage.books.act("update", "Contacts", contact, {"Phones": phones("111")})
    stage.sync()
    assert both(stage) == {NUMBER["crm"]}
