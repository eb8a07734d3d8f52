"""Pitfall 5, a taken name: another record holds the unique value that is to be stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.business import BY_NAME_ALONE, example_with
from tests.support.questions import asked, decide, live, named, phone
from tests.support.stage import Stage


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
