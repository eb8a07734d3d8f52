"""Pitfall 7, reset and relink: somebody disconnects and reconnects, or starts over, and all is doubled."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.effort import cases
from tests.support.questions import live
from tests.support.stage import Stage

from syncline.connect.sandbox import Fault, FaultKind

CUSTOMERS = 6


@pytest.fixture
def in_step(stage: Stage) -> Stage:
    """A few customers, each at both ends."""
    for number in range(CUSTOMERS):
        values = {"Account_Name": f"Customer {number}", "Phone": str(number)}
        if number % 2:
            stage.crm.act("create", "Accounts", None, values)
        else:
            stage.books.act("create", "Contacts", None, {"Name": values["Account_Name"]})
    stage.sync()
    stage.assert_idle()
    return stage


def reset(stage: Stage, *words: str, code: int = 0) -> dict[str, Any]:
    done = stage.run("reset", *words, *(["--json"] if not code else []))
    assert done.code == code, done.out + done.err
    told: dict[str, Any] = done.json if not code else {"error": done.err}
    return told


def everybody_once(stage: Stage) -> None:
    for system, module in (("crm", "Accounts"), ("books", "Contacts")):
        assert len(live(stage, system, module)) == CUSTOMERS


def test_connecting_the_same_organisation_again_resumes(in_step: Stage) -> None:
    in_step.connect()
    in_step.forget_requests()
    module = in_step.sync()["modules"]["accounts"]
    assert in_step.writes() == 0
    assert module["linked"] == 0
    assert sum(module["read"].values()) <= 2 * CUSTOMERS  # what lies within the overlap, no more
    everybody_once(in_step)


def test_another_organisation_is_refused_and_nothing_is_changed(in_step: Stage) -> None:
    other = in_step.books.sandbox.credentials()["organisations"][1]["name"]
    with pytest.raises(AssertionError, match="nothing was changed"):
        in_step.connect(organisation=other)
    in_step.assert_idle()
    everybody_once(in_step)


@pytest.mark.parametrize("system", cases(["books"], [None, "crm"]))
def test_a_reset_reads_everything_and_writes_nothing(in_step: Stage, system: str | None) -> None:
    in_step.later(timedelta(days=2))  # far beyond what any overlap reads again
    in_step.sync()
    quiet = in_step.sync()["modules"]["accounts"]["read"]
    assert quiet == {"crm": 0, "books": 0}

    told = reset(in_step, *([system] if system else []))
    assert told["modules"]["accounts"] == {"links": CUSTOMERS, "dropped": 0}
    in_step.forget_requests()
    again = in_step.sync()["modules"]["accounts"]
    chosen = [system] if system else ["crm", "books"]
    assert again["read"] == {name: CUSTOMERS if name in chosen else 0 for name in ("crm", "books")}
    assert in_step.writes() == 0
    assert again["linked"] == 0
    everybody_once(in_step)
    in_step.assert_idle()


def test_a_reset_copies_the_state_first(in_step: Stage) -> None:
    copy = Path(reset(in_step)["backup"])
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = in_step.run("status", "--json", "--state", str(copy)).json
    assert restored["modules"]["accounts"]["read"]["crm"] is not None
    assert in_step.run("status", "--json").json["modules"]["accounts"]["read"]["crm"] is None


def test_links_are_dropped_only_by_name_and_then_all_is_matched_anew(in_step: Stage) -> None:
    for words in ((), ("--confirm", "acme.yaml")):
        refused = reset(in_step, "--drop-links", *words, code=1)
        assert "--confirm acme" in refused["error"]
    in_step.assert_idle()

    told = reset(in_step, "--drop-links", "--confirm", "acme")
    assert told["modules"]["accounts"]["dropped"] == CUSTOMERS
    plan = in_step.run("plan", "--json").json["modules"]["accounts"]
    assert len(plan["links"]) == CUSTOMERS
    assert plan["operations"] == []
    in_step.forget_requests()
    assert in_step.sync()["modules"]["accounts"]["linked"] == CUSTOMERS
    assert in_step.writes() == 0
    everybody_once(in_step)
    in_step.assert_idle()


def test_links_are_not_dropped_while_a_write_has_no_outcome(in_step: Stage) -> None:
    in_step.crm.act("create", "Accounts", None, {"Account_Name": "Lost in the post"})
    contacts = {"path": "/api.xro/2.0/Contacts", "times": 10}
    # The answer is lost, and so is every answer to the question what became of it.
    in_step.books.sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method="PUT", **contacts))
    in_step.books.sandbox.faults.arm(
        Fault(kind=FaultKind.STATUS, method="GET", status=400, skip=1, **contacts)
    )
    in_step.sync(code=None)
    refused = reset(in_step, "--drop-links", "--confirm", "acme", code=1)
    assert "not known yet" in refused["error"]
    in_step.books.sandbox.faults.clear()
    in_step.sync()
    reset(in_step, "--drop-links", "--confirm", "acme")
    in_step.sync()
    assert len(live(in_step, "books", "Contacts")) == CUSTOMERS + 1
    in_step.assert_idle()
