"""Pitfall 10, the cursor's own second: records that share it are read as "not newer", and missed for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from tests.support.effort import cases, effort
from tests.support.ledgers import ledgers_of
from tests.support.questions import live
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act

from syncline.connect.sandbox import Reply, Request

LISTS = {"crm": "/crm/v8/coql", "books": "/api.xro/2.0/Contacts"}


class StoppedClock:
    """Lets the clock of both systems stand still, at a whole second, until it is taken away."""

    def __init__(self, stage: Stage) -> None:
        self.clock = stage.clock
        instant = self.clock.now().replace(microsecond=0) + timedelta(seconds=2)
        self.clock.now = lambda: instant  # type: ignore[method-assign]

    def go_on(self, stage: Stage) -> datetime:
        del self.clock.now  # type: ignore[method-assign]
        stage.later(timedelta(seconds=4))
        return self.clock.now()


def create(stage: Stage, system: str, name: str) -> None:
    if system == "crm":
        stage.crm.act("create", "Accounts", None, {"Account_Name": name})
    else:
        stage.books.act("create", "Contacts", None, {"Name": name})


@pytest.mark.parametrize("system", cases(["crm"], ["books"]))
def test_what_is_written_in_the_cursors_own_second_is_read_once(
    stage: Stage, system: str, tally: Tally
) -> None:
    """Before, during and after the scan, within one second by the remote's clock; then over and over."""
    stage.crm.sandbox.switches["workflow"] = False  # it would touch the records a second later
    made: list[str] = []

    def also(name: str) -> None:
        made.append(name)
        create(stage, system, name)
        tally("records in the cursor's second")

    for second in range(effort(2, 10)):
        stopped = StoppedClock(stage)
        also(f"before {second}")
        during = [f"during {second}"]

        def meddle(template: str, request: Request, reply: Reply, during: list[str] = during) -> None:
            if template == LISTS[system] and during and "If-Unmodified" not in request.headers:
                also(during.pop())

        stage.systems[system].server.listeners.append(meddle)
        stage.sync()
        stage.systems[system].server.listeners.remove(meddle)
        assert not during
        also(f"after {second}")
        stage.sync()
        also(f"last {second}")
        stopped.go_on(stage)
    stage.sync()
    for end, module, field in (("crm", "Accounts", "Account_Name"), ("books", "Contacts", "Name")):
        assert sorted(record[field] for record in live(stage, end, module)) == sorted(made)
    stage.assert_idle(passes=2)


@pytest.mark.parametrize("system", cases(["books"], ["crm"]))
def test_an_edit_in_the_cursors_own_second_is_carried_once(stage: Stage, system: str, tally: Tally) -> None:
    stage.crm.sandbox.switches["workflow"] = False
    create(stage, system, "Harbour Bakery")
    stage.sync()
    stopped = StoppedClock(stage)
    stage.sync()
    for fax in ("1", "2"):
        if system == "crm":
            stage.crm.act("update", "Accounts", live(stage, "crm", "Accounts")[0]["id"], {"Fax": fax})
        else:
            contact = live(stage, "books", "Contacts")[0]["ContactID"]
            stage.books.act(
                "update", "Contacts", contact, {"Phones": [{"PhoneType": "FAX", "PhoneNumber": fax}]}
            )
        stage.forget_requests()
        stage.sync()
        tally("records in the cursor's second")
        assert stage.writes() == 1
        assert live(stage, "crm", "Accounts")[0]["Fax"] == fax
    stopped.go_on(stage)
    stage.assert_idle(passes=2)


def test_the_cursors_own_second_of_a_second_ledger(stages: Callable[..., Stage], tally: Tally) -> None:
    """Zoho Books stamps whole seconds: what it lists again is fetched again until its second is over."""
    stage = stages(**ledgers_of("companies"))
    stopped = StoppedClock(stage)
    made = [f"C{n}" for n in range(3)]
    contact = act(stage, "billing", "create", "contacts", contact_name=made[0])["contact_id"]

    def meddle(template: str, request: Request, reply: Reply) -> None:
        if template == "/books/v3/contacts" and request.method == "GET" and len(meant) == 2:
            act(stage, "billing", "create", "contacts", contact_name=meant.pop())

    meant = made[1:]
    stage.systems["billing"].server.listeners.append(meddle)
    stage.sync()
    act(stage, "billing", "create", "contacts", contact_name=meant.pop())
    stage.sync()
    for mobile in ("1", "2"):  # an edit of a record that was read in this very second
        act(stage, "billing", "update", "contacts", contact, mobile=mobile)
        tally("records in the cursor's second")
        stage.forget_requests()
        stage.sync()
        assert stage.writes() == 1
    stopped.go_on(stage)
    stage.sync()
    there = {row["Name"]: row for row in stage.systems["ledger"].records("Contacts")}
    assert sorted(there) == made
    phones = {each["PhoneType"]: each["PhoneNumber"] for each in there[made[0]]["Phones"]}
    assert phones["MOBILE"] == "2"
    stage.assert_idle(passes=2)
