"""Pitfall 11, index lag: a record appears in the lists minutes after its own stamp, behind the cursor."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.effort import cases, effort
from tests.support.ledgers import ledgers_of
from tests.support.questions import live, phone, phones, with_more
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act

from syncline.connect.sandbox import Fault, FaultKind


def delay(stage: Stage, system: str, seconds: float) -> None:
    with stage.systems[system].sandbox.lock:
        stage.systems[system].sandbox.switches["visibility_delay_s"] = seconds


def agree(stage: Stage) -> int:
    """How many customers there are, the same at both ends."""
    accounts = {a["Account_Name"]: a["Phone"] for a in live(stage, "crm", "Accounts")}
    contacts = {c["Name"]: phone(c) for c in live(stage, "books", "Contacts")}
    assert accounts == contacts
    return len(accounts)


@pytest.mark.parametrize(("system", "longest"), [("crm", 290), ("books", 55)])
def test_what_shows_late_within_the_overlap_is_taken_by_the_next_pass(
    stage: Stage, system: str, longest: int, tally: Tally
) -> None:
    """Some records show at once and move the cursor on; those that show late have older stamps."""
    chance = random.Random(11)
    made = 0
    for _ in range(effort(2, 12)):
        for late in (0, chance.uniform(5, longest), longest, 0):
            delay(stage, system, late)
            made += 1
            if system == "crm":
                stage.crm.act("create", "Accounts", None, {"Account_Name": f"C{made}", "Phone": str(made)})
            else:
                stage.books.act("create", "Contacts", None, {"Name": f"C{made}", "Phones": phones(str(made))})
            stage.sync()
            stage.later(timedelta(seconds=2))  # the next stamp is another one, however fast this machine is
        delay(stage, system, 0 if system == "crm" else longest)
        stage.later(timedelta(seconds=longest + 1))
        delay(stage, system, 0)
        stage.sync()
        assert agree(stage) == made
    tally("late-visible records", made)
    stage.assert_idle()
    late_ones_left(stage)


def late_ones_left(stage: Stage) -> None:
    """A full compare finds no difference."""
    stage.forget_requests()
    stage.sync("--full")
    assert stage.writes() == 0


@pytest.mark.parametrize("system", cases(["crm"], ["books"]))
def test_what_shows_later_than_any_overlap_is_found_by_a_full_compare(
    stages: Callable[..., Stage], system: str, tally: Tally
) -> None:
    stage = stages()
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Early", "Phone": "1"})
    stage.sync()
    delay(stage, system, 600)
    if system == "crm":
        stage.crm.act("create", "Accounts", None, {"Account_Name": "Late", "Phone": "2"})
    else:
        stage.books.act("create", "Contacts", None, {"Name": "Late", "Phones": phones("2")})
    for minutes in (4, 4):  # the cursor moves far beyond the record's stamp
        stage.later(timedelta(minutes=minutes))
        delay(stage, system, 600)
        stage.sync()
    stage.later(timedelta(minutes=3))
    delay(stage, system, 0)
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "3"})
    stage.sync()
    tally("late-visible records")
    stage.sync("--full")
    assert agree(stage) == 2
    late_ones_left(stage)
    stage.assert_idle()


def test_our_own_write_that_shows_late_is_not_made_twice(stage: Stage, tally: Tally) -> None:
    """What we created is remembered by its id, and looked up by id, not by a list that lags."""
    delay(stage, "crm", 120)
    delay(stage, "books", 50)
    stage.crm.act("create", "Accounts", None, {"Account_Name": "From the CRM", "Phone": "1"})
    stage.books.act("create", "Contacts", None, {"Name": "From the books", "Phones": phones("2")})
    for _ in range(6):
        stage.later(timedelta(seconds=45))
        stage.sync(code=None)
        tally("late-visible records")
    assert agree(stage) == 2
    stage.assert_idle()
    late_ones_left(stage)


@pytest.mark.parametrize("rule", ["ignore", "delete"])
def test_a_deletion_that_is_never_told_is_found_by_a_full_compare(
    stages: Callable[..., Stage], rule: str
) -> None:
    stage = stages(
        spec=with_more(f"modules:\n  products:\n    deletes: {{crm: {rule}}}\n    limits: {{deletes: 1}}\n")
    )
    for code in ("A", "B", "C"):
        stage.crm.act("create", "Products", None, {"Product_Name": code, "Product_Code": code})
    stage.sync()
    items = {item["Code"]: item["ItemID"] for item in stage.books.records("Items")}
    stage.books.act("delete", "Items", items["A"])
    stage.assert_idle()  # Xero tells of no deleted item
    stage.sync("--full")
    left = {product["Product_Code"] for product in live(stage, "crm", "Products")}
    assert left == ({"A", "B", "C"} if rule == "ignore" else {"B", "C"})
    stage.assert_idle()
    late_ones_left(stage)
    if rule == "delete":
        for code in ("B", "C"):
            stage.books.act("delete", "Items", items[code])
        stage.sync("--full", code=5)  # more than the limit allows
        assert len(live(stage, "crm", "Products")) == 2


@pytest.mark.parametrize("system", ["crm", "books"])
def test_a_list_that_is_empty_proves_no_delete(stages: Callable[..., Stage], system: str) -> None:
    """Though the spec lets deletes through, as many as there are: each is looked up by its id first."""
    rule = "deletes: {crm: delete, books: archive}\n    limits: {deletes: 100%}"
    stage = stages(spec=with_more(f"modules:\n  accounts:\n    {rule}\n"))
    for number in range(5):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"C{number}"})
    stage.sync()
    if system == "books":
        delay(stage, "books", 3600)  # its lists show nothing that is younger than that
    else:
        stage.crm.sandbox.faults.arm(
            Fault(kind=FaultKind.STATUS, method="POST", path="/crm/v8/coql", status=204)
        )
    done = stage.sync("--full")["modules"]["accounts"]
    assert done["read"][system] == 0
    assert len(live(stage, "crm", "Accounts")) == len(live(stage, "books", "Contacts")) == 5
    delay(stage, "books", 0)
    stage.assert_idle()


def test_what_a_second_ledger_shows_late_is_taken_by_the_next_pass(
    stages: Callable[..., Stage], tally: Tally
) -> None:
    """The lists of Zoho Books have no filter that heeds this: a cursor that lags by five minutes does."""
    stage = stages(**ledgers_of("companies"))
    chance = random.Random(11)
    made = 0
    for _ in range(effort(1, 8)):
        for late in (0, chance.uniform(5, 280), 280, 0):
            delay(stage, "billing", late)
            made += 1
            act(stage, "billing", "create", "contacts", contact_name=f"C{made}", mobile=str(made))
            stage.sync()
            stage.later(timedelta(seconds=2))
        stage.later(timedelta(seconds=281))
        delay(stage, "billing", 0)
        stage.sync()
        here = {row["contact_name"] for row in stage.systems["billing"].records("contacts")}
        there = {row["Name"] for row in stage.systems["ledger"].records("Contacts")}
        assert here == there
        assert len(here) == made
    tally("late-visible records", made)
    stage.assert_idle()
    late_ones_left(stage)
