"""Pitfall 5, a taken name: another record holds the unique value that is to be stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.business import BY_NAME_ALONE, example_with
from tests.support.ledgers import LEDGERS
from tests.support.questions import asked, decide, live, named, phone
from tests.support.stage import Stage
from tests.support.trio import act, find


@pytest.fixture
def clash(stage: Stage) -> Stage:
    """An account was given the name of another contact, and a new phone as well."""
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "111"})
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Quay Street Cafe", "Phone": "999"})
    stage.sync()
    taken = {"Account_Name": "Quay Street Cafe", "Phone": "222"}
    stage.crm.act("update", "Accounts", account["id"], taken)
    stage.sync(code=4)
    return stage


def test_the_other_fields_go_on_and_one_question_is_asked(clash: Stage) -> None:
    contact = named(clash, "books", "Contacts", "Harbour Bakery")
    assert phone(contact) == "222"
    (question,) = asked(clash)
    assert question["kind"] == "conflict"
    assert question["field"] == "name"
    assert question["tried"] == "Quay Street Cafe"
    assert question["values"] == {"crm": "Quay Street Cafe", "books": "Harbour Bakery"}
    assert question["message"], "the remote's own words"
    for _ in range(2):  # it is not tried again and again, and stays one question
        clash.forget_requests()
        clash.sync(code=4)
        assert clash.writes() == 0
    assert [one["id"] for one in asked(clash)] == [question["id"]]
    assert {c["Name"] for c in live(clash, "books", "Contacts")} == {"Harbour Bakery", "Quay Street Cafe"}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        pytest.param(("--value", "Quay Street Cafe (Sydney)"), "Quay Street Cafe (Sydney)", id="a-new-name"),
        pytest.param(("--take", "books"), "Harbour Bakery", id="the-old-name"),
    ],
)
def test_one_command_resolves_it(clash: Stage, words: tuple[str, ...], name: str) -> None:
    (question,) = asked(clash)
    told = decide(clash, question["id"], *words)
    assert told["carried_out"]
    assert asked(clash) == []
    assert phone(named(clash, "books", "Contacts", name)) == "222"
    assert named(clash, "crm", "Accounts", name)["Phone"] == "222"
    clash.assert_idle(passes=2)


def test_the_same_name_is_tried_again_when_a_person_says_so(clash: Stage) -> None:
    (question,) = asked(clash)
    refused = decide(clash, question["id"], "--take", "crm", code=1)
    assert refused["problem"]
    (again,) = asked(clash)  # it is still taken: the question stands
    holder = named(clash, "books", "Contacts", "Quay Street Cafe")
    clash.books.act("update", "Contacts", holder["ContactID"], {"Name": "Quay Street Cafe (old)"})
    told = decide(clash, again["id"], "--take", "crm")
    assert told["carried_out"]
    assert phone(named(clash, "books", "Contacts", "Quay Street Cafe")) == "222"
    clash.sync(code=None)
    clash.assert_idle()


def test_a_new_record_whose_name_is_taken_is_never_renamed_by_us(stages: Callable[..., Stage]) -> None:
    """Two companies of one name: their addresses contradict that they are the same."""
    stage = stages(spec=example_with(BY_NAME_ALONE))
    account = {"Account_Name": "Harbour Bakery", "Email": "sydney@x.example", "Phone": "111"}
    stage.crm.act("create", "Accounts", None, account)
    contact = {"Name": "Harbour Bakery", "EmailAddress": "perth@x.example"}
    stage.books.act("create", "Contacts", None, contact)
    stage.sync(code=1)
    (question,) = asked(stage)
    assert question["kind"] == "taken"
    assert question["message"]
    assert [c["Name"] for c in stage.books.records("Contacts")] == ["Harbour Bakery"]
    # The one in the books is a customer of its own in the CRM by now, and is not given away.
    (holder,) = stage.books.records("Contacts")
    refused = stage.run("conflicts", question["id"], "--link", holder["ContactID"])
    assert refused.code == 1
    assert "linked already" in refused.err

    # A person tells the two apart; one command makes the other.
    stage.books.act("update", "Contacts", holder["ContactID"], {"Name": "Harbour Bakery (Perth)"})
    stage.sync(code=None)
    for one in asked(stage):
        assert decide(stage, one["id"], "--create")["carried_out"]
    assert asked(stage) == []
    assert {c["Name"]: c.get("EmailAddress") for c in live(stage, "books", "Contacts")} == {
        "Harbour Bakery": "sydney@x.example",
        "Harbour Bakery (Perth)": "perth@x.example",
    }
    assert len(live(stage, "crm", "Accounts")) == 2
    stage.sync(code=None)
    stage.assert_idle()


# --- Zoho Books: one name for all contacts, customers and vendors, and one for all items ----------------


def items(stage: Stage) -> dict[str, str]:
    """The items of Zoho Books: names by code."""
    return {row["sku"]: row["name"] for row in stage.systems["billing"].records("items")}


@pytest.fixture
def ledgers(stages: Callable[..., Stage]) -> Stage:
    """A customer in step, and the names that it is going to have held by nobody who is in business."""
    stage = stages(**LEDGERS)
    for name in ("Quay Street Cafe", "Harbour Cafe", "Harbour Cafe (customer)"):
        row = act(stage, "billing", "create", "contacts", contact_name=name)
        act(stage, "billing", "archive", "contacts", row["contact_id"])
    act(stage, "ledger", "create", "Contacts", Name="Harbour Bakery", EmailAddress="a@harbour.example")
    stage.sync()
    stage.later(timedelta(minutes=3))
    return stage


def rename(stage: Stage, name: str) -> dict[str, Any]:
    """The customer gets another name in Xero, and another address. What Zoho Books has of it then."""
    contact = stage.systems["ledger"].records("Contacts")[0]["ContactID"]
    act(stage, "ledger", "update", "Contacts", contact, Name=name, EmailAddress="b@harbour.example")
    stage.sync(code=None)
    return find(stage, "billing", "contacts", email="b@harbour.example")


def test_a_second_ledger_is_told_the_name_that_the_spec_has_for_it(ledgers: Stage) -> None:
    """Refused in an update as well as in a create; what is added to the name does not come back."""
    assert rename(ledgers, "Quay Street Cafe")["contact_name"] == "Quay Street Cafe (customer)"
    ledgers.assert_idle(passes=2)
    assert asked(ledgers) == []
    assert [row["Name"] for row in ledgers.systems["ledger"].records("Contacts")] == ["Quay Street Cafe"]


def test_a_name_that_no_rule_frees_in_a_second_ledger_is_asked_about(ledgers: Stage) -> None:
    assert rename(ledgers, "Harbour Cafe")["contact_name"] == "Harbour Bakery", "the other fields go on"
    (question,) = asked(ledgers)
    assert (question["kind"], question["field"]) == ("conflict", "name")
    assert "already exists" in question["message"]
    ledgers.forget_requests()
    ledgers.sync(code=4)
    assert ledgers.writes() == 0
    assert decide(ledgers, question["id"], "--value", "Harbour Cafe Perth")["carried_out"]
    find(ledgers, "billing", "contacts", contact_name="Harbour Cafe Perth")
    ledgers.sync()
    assert asked(ledgers) == []
    ledgers.assert_idle(passes=2)


def test_items_of_one_name_have_their_codes_with_it_in_a_second_ledger(ledgers: Stage) -> None:
    """Xero has as many items of one name as anybody likes, and documents that name each of them."""
    for code in ("B1", "B2", "B3"):
        sold = {"UnitPrice": 50, "AccountCode": "200"}
        act(ledgers, "ledger", "create", "Items", Code=code, Name="Bread", SalesDetails=sold)
    ledgers.sync()
    names = items(ledgers)
    assert sorted(names.values()) == sorted(
        "Bread" if name == "Bread" else f"Bread ({code})" for code, name in names.items()
    )
    assert len(names) == 3
    ledgers.assert_idle()
    told = next(code for code, name in names.items() if name != "Bread")
    row = find(ledgers, "billing", "items", sku=told)
    ledgers.later(timedelta(minutes=3))
    act(ledgers, "billing", "update", "items", row["item_id"], name=f"Rye ({told})")
    ledgers.sync()
    assert find(ledgers, "ledger", "Items", Code=told)["Name"] == "Rye"
    ledgers.assert_idle()
