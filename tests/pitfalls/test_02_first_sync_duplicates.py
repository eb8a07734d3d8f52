"""Pitfall 2, duplicates on the first sync: both sides hold the customers already, and all are made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.questions import asked, decide, live, named
from tests.support.stage import Stage
from tests.support.tally import Tally

OVERLAPPING = effort(500, 2000)
ONLY_HERE = 7


def variant(name: str, number: int) -> str:
    """The same name as another clerk types it."""
    return (
        name,
        name.upper(),
        f"  {name.replace(' ', '   ')} ",
        name.replace("é", "e").replace("ö", "o").replace("ñ", "n"),
        f"The {name} Pty Ltd",
        name.lower().replace("&", "and"),
    )[number % 6]


def seed(stage: Stage) -> None:
    """The same customers at both ends, told apart by nothing but case, spaces, accents and legal form; some
    emails are blank; a few customers at one end alone; and two pairs of namesakes."""
    for number in range(OVERLAPPING):
        name = f"Café Böhm & Señor {number}"
        account: dict[str, Any] = {"Account_Name": variant(name, number)}
        contact: dict[str, Any] = {"Name": name}
        if number % 3:
            account["Email"] = f"info{number}@x.example"
        if number % 4:
            contact["EmailAddress"] = (
                f"INFO{number}@x.example" if number % 5 == 0 else f"info{number}@x.example"
            )
        stage.crm.act("create", "Accounts", None, account)
        stage.books.act("create", "Contacts", None, contact)
    for number in range(ONLY_HERE):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Only in the CRM {number}"})
        stage.books.act("create", "Contacts", None, {"Name": f"Only in the books {number}"})
    # Blank emails say nothing: one account, two contacts, and the other way round.
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Twin Traders"})
    for name in ("Twin Traders", "Twín Traders"):
        stage.books.act("create", "Contacts", None, {"Name": name})
    for _ in range(2):
        stage.crm.act("create", "Accounts", None, {"Account_Name": "Double Dealers"})
    stage.books.act("create", "Contacts", None, {"Name": "Double Dealers"})


def test_true_pairs_are_linked_one_sided_ones_created_and_the_rest_is_asked(
    stage: Stage, tally: Tally
) -> None:
    seed(stage)
    before = {"crm": len(live(stage, "crm", "Accounts")), "books": len(live(stage, "books", "Contacts"))}
    stage.forget_requests()
    plan = stage.run("plan", "--json").json["modules"]["accounts"]
    assert stage.writes() == 0, "a dry run writes nothing"
    assert len(plan["links"]) == OVERLAPPING
    assert sum(op["kind"] == "create" for op in plan["operations"]) == 2 * ONLY_HERE
    assert len(plan["questions"]) == 6
    tally("records that meet for the first time", before["crm"] + before["books"])

    done = stage.sync(code=4)["modules"]["accounts"]
    assert done["linked"] == OVERLAPPING
    assert done["created"] == {"crm": ONLY_HERE, "books": ONLY_HERE}
    assert done["ambiguous"] == 6
    assert len(live(stage, "crm", "Accounts")) == before["crm"] + ONLY_HERE
    assert len(live(stage, "books", "Contacts")) == before["books"] + ONLY_HERE
    questions = asked(stage)
    assert {one["kind"] for one in questions} == {"ambiguous"}
    assert all(one["candidates"] and one["key"] for one in questions)
    stage.assert_idle()


def test_what_is_ambiguous_is_decided_by_one_command_each(stage: Stage) -> None:
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Twin Traders", "Phone": "1"})
    contacts = [
        stage.books.act("create", "Contacts", None, {"Name": name})["ContactID"]
        for name in ("Twin Traders", "Twín Traders")
    ]
    stage.sync(code=4)
    (question,) = [one for one in asked(stage) if one["system"] == "crm"]
    assert {c["id"] for c in question["candidates"]} == set(contacts)
    wrong = stage.run("conflicts", question["id"], "--link", "no-such-contact")
    assert wrong.code == 1
    assert decide(stage, question["id"], "--link", contacts[0])["carried_out"]
    assert len(live(stage, "crm", "Accounts")) == 1

    stage.sync(code=4)
    (question,) = asked(stage)
    assert question["record"] == contacts[1]
    assert question["candidates"][0]["linked_to"] is not None
    assert decide(stage, question["id"], "--create")["carried_out"]
    assert sorted(a["Account_Name"] for a in live(stage, "crm", "Accounts")) == [
        "Twin Traders",
        "Twín Traders",
    ]
    assert asked(stage) == []
    stage.assert_idle(passes=2)


@pytest.mark.parametrize("what", ["renamed", "linked", "deleted"])
def test_a_decision_about_a_match_that_no_longer_fits_is_not_carried_out(
    stages: Callable[..., Stage], what: str
) -> None:
    stage = stages()
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Twin Traders"})["id"]
    first, second = (
        stage.books.act("create", "Contacts", None, {"Name": name})["ContactID"]
        for name in ("Twin Traders", "Twín Traders")
    )
    stage.sync(code=4)
    (question,) = [one for one in asked(stage) if one["system"] == "crm"]
    decide(stage, question["id"], "--link", first, "--later")
    if what == "renamed":
        stage.books.act("update", "Contacts", first, {"Name": "Somebody Else"})
    elif what == "deleted":
        stage.crm.act("delete", "Accounts", account)
    else:
        (other,) = [one for one in asked(stage) if one.get("record") == first]
        decide(stage, other["id"], "--link", account)
    stage.sync(code=None)
    if what == "renamed":
        # The two are told apart now: the one left is the one that matches.
        assert stage.run("explain", "accounts", account, "--json").json["records"]["books"]["id"] == second
    if what == "deleted":
        assert [one for one in asked(stage) if one.get("record") == account] == []
    overtaken = stage.run("log", "--json", "--event", "overtaken").out.splitlines()
    assert len(overtaken) == (0 if what == "linked" else 1)
    stage.sync(code=None)
    stage.assert_idle()


def test_a_first_meeting_fills_what_is_empty_and_follows_the_rule_for_the_rest(stage: Stage) -> None:
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "1", "Fax": "7"})
    values = {"Name": "HARBOUR BAKERY", "EmailAddress": "b@x.example", "TaxNumber": "12"}
    stage.books.act("create", "Contacts", None, values)
    stage.sync()
    account, contact = (
        named(stage, "crm", "Accounts", "Harbour Bakery"),
        named(stage, "books", "Contacts", "Harbour Bakery"),
    )
    assert (account["Account_Name"], account["Email"], account["Tax_Number"]) == (
        "Harbour Bakery",
        "b@x.example",
        "12",
    )
    assert contact["Name"] == "Harbour Bakery"
    assert {p["PhoneType"]: p["PhoneNumber"] for p in contact["Phones"] if p["PhoneNumber"]} == {
        "DEFAULT": "1",
        "FAX": "7",
    }
    stage.assert_idle(passes=2)
