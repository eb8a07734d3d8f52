"""Pitfall 6, two tenants mixed up: the token of one organisation, the ids of another."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.effort import cases
from tests.support.questions import live
from tests.support.stage import Stage

from syncline.store.database import open_store


@pytest.fixture
def in_step(stage: Stage) -> Stage:
    stage.crm.sandbox.switches["workflow"] = False  # nobody but us, and nothing by itself
    account = {"Account_Name": "Harbour Bakery", "Phone": "111"}
    stage.crm.act("create", "Accounts", None, account)
    stage.sync()
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Quay Street Cafe"})
    stage.crm.act("update", "Accounts", live(stage, "crm", "Accounts")[0]["id"], {"Phone": "222"})
    return stage


def mix_up(stage: Stage, system: str) -> None:
    """The sign-in answers for another organisation, whose records have the same ids and numbers."""
    sandbox: Any = stage.systems[system].sandbox
    with sandbox.lock:
        if system == "crm":
            sandbox.org.facts = {**sandbox.org.facts, "zgid": "60099999999"}
            return
        ledger = sandbox._organisations[next(iter(sandbox._organisations))].ledger
        ledger.save_organisation(
            {**ledger.organisation, "OrganisationID": "00000000-0000-4000-8000-000000000002"}
        )


def books(stage: Stage) -> list[dict[str, Any]]:
    return [{k: v for k, v in c.items() if k != "Organisation"} for c in stage.books.records("Contacts")]


@pytest.mark.parametrize(
    ("system", "verb"),
    cases(
        [("crm", "sync"), ("books", "sync"), ("books", "push accounts"), ("crm", "plan")],
        [("books", "plan"), ("crm", "push accounts"), ("crm", "sync --full"), ("books", "sync --full")],
    ),
)
def test_a_sign_in_that_answers_for_another_organisation_stops_everything(
    in_step: Stage, system: str, verb: str
) -> None:
    before = (in_step.crm.records("Accounts"), books(in_step))
    mix_up(in_step, system)
    name, *words = verb.split()
    if name == "push":
        words.append(live(in_step, "crm", "Accounts")[0]["id"])
    in_step.forget_requests()
    done = in_step.run(name, *words)
    assert done.code == 1
    assert "connect" in done.err
    assert in_step.writes() == 0
    reads = {path for end in ("crm", "books") for _, path in in_step.systems[end].requests("GET", "POST")}
    lists = {"/crm/v8/coql", "/api.xro/2.0/Contacts", "/api.xro/2.0/Invoices", "/api.xro/2.0/Items"}
    assert not reads & lists, "no record of it was even read"
    assert (in_step.crm.records("Accounts"), books(in_step)) == before


def test_swapped_tokens_are_not_used_for_each_other(in_step: Stage) -> None:
    """The tokens of two connections change places in the state: neither remote takes the other's."""
    with open_store(str(in_step.folder / ".syncline" / "state.db")) as database, database.write() as db:
        rows = db.exec_driver_sql("SELECT id, secret FROM connection ORDER BY id").all()
        assert len(rows) == 2
        for (number, _), (_, secret) in zip(rows, reversed(rows), strict=True):
            db.exec_driver_sql("UPDATE connection SET secret = ? WHERE id = ?", (secret, number))
    in_step.forget_requests()
    done = in_step.run("sync")
    assert done.code == 1
    assert in_step.writes() == 0
    assert "connect" in done.err


def test_links_and_cursors_belong_to_their_organisation(in_step: Stage) -> None:
    """Connected to another organisation on purpose, everything begins anew; and the first one resumes."""
    in_step.sync()
    first = books(in_step)
    offered = in_step.books.sandbox.credentials()["organisations"]
    theirs = in_step.books.records("Contacts@2")
    in_step.connect(offered[1]["name"], "--relink")
    plan = in_step.run("plan", "--json").json["modules"]["accounts"]
    creates = [op for op in plan["operations"] if op["kind"] == "create"]
    assert len(creates) == len(plan["operations"]) >= 2, "nothing of the old links is used"
    in_step.sync(code=None)
    assert books(in_step) == first, "the first organisation is not touched"
    assert len(in_step.books.records("Contacts@2")) == len(theirs) + 2

    in_step.connect(offered[0]["name"], "--relink")
    in_step.forget_requests()
    told = in_step.sync(code=None)["modules"]["accounts"]
    assert told["linked"] == 0
    # What it does not know yet is what came from the other organisation into the CRM, and nothing else.
    assert told["created"]["books"] == len(theirs)
    assert told["updated"] == {"crm": 0, "books": 0}
    names = [contact["Name"] for contact in books(in_step)]
    assert len(names) == len(set(names))
