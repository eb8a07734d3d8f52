"""Pitfall 35, two writers: a field that somebody else overwrites after each write of ours is paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.business import a_while, told
from tests.support.stage import EXAMPLE, Stage

from syncline.connect.sandbox.app import Reply, Request
from syncline.reconcile.bouncing import WRITES

MODULES = """
modules:
  accounts:
    fields:
      fax: {direction: "crm -> books", enforce: true}
"""


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """A customer in step, whose fax number the CRM is to decide."""
    stage = stages(spec=EXAMPLE.read_text() + MODULES)
    for name in ("Harbour Bakery", "Vine Cellars"):
        stage.crm.act("create", "Accounts", None, {"Account_Name": name, "Phone": "1", "Fax": "11"})
    stage.sync()
    a_while(stage)
    return stage


def account(stage: Stage, name: str = "Harbour Bakery") -> dict[str, Any]:
    return next(row for row in stage.crm.records("Accounts") if row["Account_Name"] == name)


def contact(stage: Stage, name: str = "Harbour Bakery") -> dict[str, Any]:
    return next(row for row in stage.books.records("Contacts") if row["Name"] == name)


def number(stage: Stage, kind: str = "FAX", name: str = "Harbour Bakery") -> str:
    phones = {phone["PhoneType"]: phone["PhoneNumber"] for phone in contact(stage, name)["Phones"]}
    return str(phones[kind])


def set_number(stage: Stage, value: str, kind: str = "FAX") -> None:
    phones = [{"PhoneType": kind, "PhoneNumber": value}]
    stage.books.act("update", "Contacts", contact(stage)["ContactID"], {"Phones": phones})


class Bot:
    """Another integration of the books: it puts its own value back after each write of ours."""

    def __init__(self, stage: Stage, kind: str = "FAX") -> None:
        self.stage, self.kind = stage, kind
        self.at_work, self.turns = True, 0
        stage.books.server.listeners.append(self._hear)

    def _hear(self, template: str, request: Request, reply: Reply) -> None:
        writes = request.method in ("POST", "PUT") and template.endswith(("/Contacts", "/Contacts/{id}"))
        if writes and self.at_work and contact(self.stage)["ContactID"].encode() in request.body:
            self.turns += 1
            set_number(self.stage, f"900 {self.turns}", self.kind)


def passes(stage: Stage, number: int) -> list[int]:
    """So many passes, three minutes apart. Returns how many calls of each could change something."""
    calls = []
    for _ in range(number):
        stage.forget_requests()
        stage.sync(code=None)
        calls.append(stage.writes())
        a_while(stage)
    return calls


def test_a_field_that_is_overwritten_after_each_write_is_paused_and_shown(stage: Stage) -> None:
    bot = Bot(stage)
    set_number(stage, "900 0")
    assert passes(stage, 8) == [1] * WRITES + [0] * (8 - WRITES)
    assert bot.turns == WRITES
    assert (account(stage)["Fax"], number(stage)) == ("11", f"900 {WRITES}")

    listed = stage.run("conflicts", "--json").json["questions"]
    assert [(one["kind"], one["field"]) for one in listed] == [("bouncing", "fax")]
    assert [one["found"] for one in listed[0]["history"]] == [f"900 {n}" for n in range(WRITES)]
    assert {one["wrote"] for one in listed[0]["history"]} == {"11"}
    assert [entry["field"] for entry in told(stage, "bouncing")] == ["fax"]
    status = stage.run("status", "--json")
    assert (status.code, status.json["modules"]["accounts"]["questions"]) == (4, {"bouncing": 1})
    rows = stage.run("status", "--list", "conflicts", "--json").json["records"]
    assert [row["fields"]["fax"]["books"] for row in rows] == [f"900 {WRITES}"]
    for verb in (("explain", "accounts", account(stage)["id"]), ("conflicts",)):
        said = stage.run(*verb).out
        assert "somebody else overwrites fax in books" in said
        assert '"900 0"' in said


def test_everything_else_goes_on_while_a_field_is_paused(stage: Stage) -> None:
    Bot(stage)
    set_number(stage, "900 0")
    passes(stage, WRITES + 1)
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Phone": "2", "Fax": "12"})
    stage.crm.act("update", "Accounts", account(stage, "Vine Cellars")["id"], {"Fax": "22"})
    calls = passes(stage, 4)
    assert sum(calls) <= 2
    assert number(stage, "DEFAULT") == "2"
    assert number(stage, "FAX", "Vine Cellars") == "22"
    assert number(stage).startswith("900")
    assert [q["kind"] for q in stage.run("conflicts", "--json").json["questions"]] == ["bouncing"]


def test_the_pause_ends_when_both_ends_hold_the_same(stage: Stage) -> None:
    Bot(stage)
    set_number(stage, "900 0")
    passes(stage, WRITES + 1)
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Fax": number(stage)})
    stage.sync()
    assert stage.run("conflicts", "--json").json["questions"] == []
    stage.assert_idle()


def test_a_push_tries_once_more(stage: Stage) -> None:
    bot = Bot(stage)
    set_number(stage, "900 0")
    passes(stage, WRITES + 1)
    stage.run("push", "accounts", account(stage)["id"])
    a_while(stage)
    assert bot.turns == WRITES + 1
    assert passes(stage, 2) == [0, 0]
    assert [q["kind"] for q in stage.run("conflicts", "--json").json["questions"]] == ["bouncing"]
    bot.at_work = False
    assert stage.run("push", "accounts", account(stage)["id"]).code == 0
    assert number(stage) == "11"
    assert stage.run("conflicts", "--json").json["questions"] == []
    a_while(stage)
    stage.assert_idle()


def test_a_person_can_decide_what_bounces(stage: Stage) -> None:
    bot = Bot(stage)
    set_number(stage, "900 0")
    passes(stage, WRITES + 1)
    bot.at_work = False
    (asked,) = stage.run("conflicts", "--json").json["questions"]
    decided = stage.run("conflicts", asked["id"], "--take", "crm", "--json")
    assert decided.json["carried_out"], decided.out
    assert number(stage) == "11"
    a_while(stage)
    stage.assert_idle()


def test_a_loop_through_both_systems_is_paused(stage: Stage) -> None:
    """Two automations, one in each system, that never agree: each answers what the other made us bring."""
    Bot(stage, "DEFAULT")
    turns = 0

    def crm_bot(template: str, request: Request, reply: Reply) -> None:
        nonlocal turns
        if request.method == "PUT" and account(stage)["id"].encode() in request.body:
            turns += 1
            stage.crm.act("update", "Accounts", account(stage)["id"], {"Phone": f"800 {turns}"})

    stage.crm.server.listeners.append(crm_bot)
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Phone": "800 0"})
    calls = passes(stage, 2 * WRITES + 4)
    assert 2 * WRITES <= sum(calls) <= 2 * WRITES + 1
    assert calls[-2:] == [0, 0]
    assert [q["field"] for q in stage.run("conflicts", "--json").json["questions"]] == ["phone"]


def test_somebody_who_edits_a_lot_is_not_paused(stage: Stage) -> None:
    for turn in range(WRITES + 3):
        stage.crm.act("update", "Accounts", account(stage)["id"], {"Fax": f"3{turn}", "Phone": f"4{turn}"})
        stage.sync()
        a_while(stage)
        assert (number(stage), number(stage, "DEFAULT")) == (f"3{turn}", f"4{turn}")


def test_a_slow_tug_of_war_is_left_to_people(stage: Stage) -> None:
    """Once a day somebody overwrites what was put back: that costs nothing, and every edit is in the log."""
    for turn in range(WRITES + 2):
        set_number(stage, f"900 {turn}")
        stage.sync()
        assert number(stage) == "11"
        stage.later(timedelta(hours=24))
