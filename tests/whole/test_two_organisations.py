"""Several organisations of one connector: in one spec, and in the specs of clients that share a state."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.stage import Stage

#: Sydney and Auckland are two organisations of one Xero; each keeps its own customers of one CRM, and both
#: sell the same items.
SPEC = """
spec: 1
name: harbour
systems:
  crm:
    connector: zoho-crm
    base_url: ${env:ZOHO_CRM_BASE_URL}
    client_id: ${env:ZOHO_CRM_CLIENT_ID}
    client_secret: ${env:ZOHO_CRM_CLIENT_SECRET}
  sydney: &xero
    connector: xero
    base_url: ${env:XERO_BASE_URL}
    client_id: ${env:XERO_CLIENT_ID}
    client_secret: ${env:XERO_CLIENT_SECRET}
  auckland: *xero
modules:
  australians:
    between: {crm: Accounts, sydney: Contacts}
    where: {crm: "{{ record.Billing_Country != 'NZ' }}"}
    match: [{crm: "Account_Name | fold", sydney: "Name | fold"}]
    fields: &customer
      name: {crm: Account_Name, sydney: Name}
      phone: {crm: Phone, sydney: "Phones[PhoneType=DEFAULT].PhoneNumber"}
  new_zealanders:
    between: {crm: Accounts, auckland: Contacts}
    where: {crm: "{{ record.Billing_Country == 'NZ' }}"}
    match: [{crm: "Account_Name | fold", auckland: "Name | fold"}]
    fields:
      name: {crm: Account_Name, auckland: Name}
      phone: {crm: Phone, auckland: "Phones[PhoneType=DEFAULT].PhoneNumber"}
      country: {crm: Billing_Country, direction: "auckland -> crm", to: {crm: "NZ"}}
  items:
    between: {sydney: Items, auckland: Items}
    match: [{sydney: Code, auckland: Code}]
    conflicts: {prefer: sydney}
    fields:
      code: {sydney: Code, auckland: Code}
      name: {sydney: Name, auckland: Name}
"""

#: Two clients, one organisation of Zoho Books and one of Xero each, of the same connectors.
CLIENT = """
spec: 1
name: {name}
systems:
  billing:
    connector: zoho-books
    base_url: ${{env:ZOHO_BOOKS_BASE_URL}}
    client_id: ${{env:ZOHO_BOOKS_CLIENT_ID}}
    client_secret: ${{env:ZOHO_BOOKS_CLIENT_SECRET}}
  ledger:
    connector: xero
    base_url: ${{env:XERO_BASE_URL}}
    client_id: ${{env:XERO_CLIENT_ID}}
    client_secret: ${{env:XERO_CLIENT_SECRET}}
modules:
  companies:
    between: {{billing: contacts, ledger: Contacts}}
    match: [{{billing: contact_name, ledger: Name}}]
    fields:
      name: {{billing: contact_name, ledger: Name}}
      phone: {{billing: phone, ledger: "Phones[PhoneType=DEFAULT].PhoneNumber"}}
"""

MODULES = ("australians", "new_zealanders", "items")


def organisations(stage: Stage, system: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = stage.systems[system].sandbox.credentials()["organisations"]
    return found


def sign_in(stage: Stage, system: str, place: int = 0, *more: str) -> None:
    done = stage.sign_in(system, organisations(stage, system)[place]["name"], *more)
    assert done.code == 0, done.err


def names(stage: Stage, system: str, module: str) -> set[str]:
    return {row.get("Account_Name") or row["Name"] for row in stage.systems[system].records(module)}


def rows(stage: Stage, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(stage.folder / ".syncline" / "state.db")) as db, db:
        return db.execute(query, values).fetchall()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Three customers and two items, each at one end, and all three systems signed in to."""
    systems = {"crm": "zoho-crm", "sydney": "xero", "auckland": "xero"}
    with Stage(tmp_path, spec=SPEC, systems=systems, patient=False) as opened:
        for system, place in (("crm", 0), ("sydney", 0), ("auckland", 1)):
            sign_in(opened, system, place)
        crm, xero = opened.crm, opened.systems["sydney"]
        crm.sandbox.switches["workflow"] = False
        crm.act("create", "Accounts", None, {"Account_Name": "Bondi Books", "Billing_Country": "AU"})
        crm.act("create", "Accounts", None, {"Account_Name": "Kiwi Kayaks", "Billing_Country": "NZ"})
        xero.act("create", "Contacts@2", None, {"Name": "Otago Oats"})
        xero.act("create", "Items", None, {"Code": "A", "Name": "Apples"})
        xero.act("create", "Items@2", None, {"Code": "B", "Name": "Bread"})
        yield opened


def edit_everywhere(stage: Stage) -> None:
    """Something to carry over in each module."""
    for row in stage.crm.records("Accounts"):
        stage.crm.act("update", "Accounts", row["id"], {"Phone": "555"})
    stage.systems["sydney"].act("create", "Items", None, {"Code": "C", "Name": "Cheese"})


def test_one_spec_keeps_two_organisations_of_one_connector_apart(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="syncline.http"):
        told = stage.sync()
    assert set(told["modules"]) == set(MODULES)
    assert names(stage, "sydney", "Contacts") == {"Bondi Books"}
    assert names(stage, "sydney", "Contacts@2") == {"Kiwi Kayaks", "Otago Oats"}
    assert names(stage, "crm", "Accounts") == {"Bondi Books", "Kiwi Kayaks", "Otago Oats"}
    assert names(stage, "sydney", "Items") == names(stage, "sydney", "Items@2") == {"Apples", "Bread"}
    stage.assert_idle()

    crm = organisations(stage, "crm")[0]
    sydney, auckland = organisations(stage, "sydney")
    # Ids and cursors: each belongs to a module between two organisations.
    between = {
        module: (left, right)
        for module, left, right in rows(stage, "SELECT module, left_org, right_org FROM scope")
    }
    assert between == {
        "australians": (crm["id"], sydney["id"]),
        "new_zealanders": (crm["id"], auckland["id"]),
        "items": (sydney["id"], auckland["id"]),
    }
    kept = "SELECT module, count(*) FROM {} JOIN scope ON scope.id = {}.scope GROUP BY module"
    assert dict(rows(stage, kept.format("cursor", "cursor"))) == dict.fromkeys(MODULES, 2)
    assert dict(rows(stage, kept.format("link", "link"))) == {
        "australians": 1,
        "new_zealanders": 2,
        "items": 2,
    }
    # Budgets: what each organisation was asked is counted under its own name.
    spent = dict(rows(stage, "SELECT account, count(*) FROM call GROUP BY account"))
    calls = f"xero:{sydney['id']}", f"xero:{auckland['id']}", f"zoho-crm:{crm['id']}"
    assert set(spent) == set(calls)
    # Tokens: one sign-in a system, each with its organisation.
    signed = rows(stage, "SELECT system, organisation_id FROM connection ORDER BY system")
    assert signed == [("auckland", auckland["id"]), ("crm", crm["id"]), ("sydney", sydney["id"])]
    # Every line of the log, of the calls as of the records.
    lines = [record.getMessage() for record in caplog.records if record.name == "syncline.http"]
    wanted = (f"sydney {calls[0]}: ", f"auckland {calls[1]}: ", f"crm {calls[2]}: ")
    assert {line[: line.index(": ") + 2] for line in lines} == set(wanted)
    ids = {"crm": crm["id"], "sydney": sydney["id"], "auckland": auckland["id"]}
    events = [json.loads(line) for line in stage.run("log", "--json").out.splitlines()]
    assert len(events) >= 5
    for event in events:
        whose = {system: told["id"] for system, told in event["organisations"].items()}
        assert len(whose) == 2
        assert whose.items() <= ids.items()


def test_a_sign_in_that_has_ended_stops_only_the_modules_of_its_organisation(stage: Stage) -> None:
    stage.sync()
    edit_everywhere(stage)
    # Auckland signed in last. Its consent is taken back; Sydney's, by the same person, goes on.
    oauth = stage.systems["auckland"].sandbox.oauth
    oauth.refresh.delete(list(oauth.refresh.keys())[-1])
    stage.later(timedelta(hours=1))
    told = stage.sync(code=1)
    assert set(told["modules"]) == {"australians"}
    assert told["modules"]["australians"]["updated"] == {"crm": 0, "sydney": 1}
    assert set(told["problems"]) == {"new_zealanders", "items"}
    assert all("syncline connect" in why and "auckland" in why for why in told["problems"].values())
    status = stage.run("status", "--json").json
    assert {name: one["status"] for name, one in status["systems"].items()} == {
        "crm": "connected",
        "sydney": "connected",
        "auckland": "reconnect",
    }
    assert "Cheese" not in names(stage, "sydney", "Items@2")

    kiwi = next(row["id"] for row in stage.crm.records("Accounts") if row["Account_Name"] == "Kiwi Kayaks")
    for words in (("push", "new_zealanders", kiwi), ("plan",)):
        refused = stage.run(*words)
        assert refused.code == 1
        assert "auckland" in refused.err

    sign_in(stage, "auckland", 1)
    again = stage.sync()
    assert again["problems"] == {}
    assert again["modules"]["new_zealanders"]["updated"] == {"crm": 0, "auckland": 2}
    assert "Cheese" in names(stage, "sydney", "Items@2")
    stage.assert_idle()


def test_the_used_up_day_of_one_organisation_is_not_the_others(stage: Stage) -> None:
    stage.sync()
    edit_everywhere(stage)
    theirs = organisations(stage, "auckland")[1]["id"]
    limits = stage.systems["auckland"].sandbox.limits
    limits.enforced = True
    day = 86_400
    limits._used[theirs, day] = (limits._window(theirs, day)[0], 5000)
    told = stage.sync(code=1)
    assert told["modules"]["australians"]["updated"]["sydney"] == 1
    assert set(told["problems"]) == {"new_zealanders", "items"}
    stage.later(timedelta(hours=25))
    assert stage.sync()["modules"]["new_zealanders"]["updated"]["auckland"] == 2


def test_a_token_of_another_organisation_stops_the_pass_before_any_write(stage: Stage) -> None:
    """Auckland's sign-in reaches Sydney alone: not even the modules that have nothing to do with it go on."""
    stage.sync()
    edit_everywhere(stage)
    oauth = stage.systems["auckland"].sandbox.oauth
    theirs = organisations(stage, "auckland")[1]["id"]
    (gone,) = [row["id"] for row in oauth.connections if row["tenantId"] == theirs]
    oauth.connections.delete(gone)
    stage.forget_requests()
    done = stage.run("sync")
    assert done.code == 1
    assert "only to 'Harbour & Vine Trading'" in done.err
    assert stage.writes() == 0


def test_two_systems_signed_in_to_one_organisation_are_not_brought_in_step_with_themselves(
    stage: Stage,
) -> None:
    sign_in(stage, "auckland", 0, "--relink")
    stage.forget_requests()
    done = stage.run("sync")
    assert done.code == 1
    assert "items would bring it in step with itself" in done.err
    assert stage.writes() == 0


def test_a_reset_cuts_one_connection_and_the_same_organisation_resumes(stage: Stage) -> None:
    stage.sync()
    edit_everywhere(stage)
    told = stage.run("reset", "auckland", "--cut", "--json").json
    assert told["cut"]
    assert told["modules"] == {
        "new_zealanders": {"links": 2, "dropped": 0},
        "items": {"links": 2, "dropped": 0},
    }
    backup = Path(told["backup"])
    secrets = "SELECT length(secret) > 0 FROM connection WHERE system = 'auckland'"
    assert rows(stage, secrets) == [(0,)]
    with closing(sqlite3.connect(backup)) as db:
        assert db.execute(secrets).fetchall() == [(1,)], "the copy is of before"

    cut = stage.sync(code=1)
    assert cut["modules"]["australians"]["updated"]["sydney"] == 1
    assert all("'auckland' was cut off" in cut["problems"][name] for name in ("new_zealanders", "items"))

    wrong = stage.sign_in("auckland", organisations(stage, "auckland")[0]["name"])
    assert wrong.code == 1
    assert "nothing was changed" in wrong.err
    assert "--relink" in wrong.err

    sign_in(stage, "auckland", 1)
    again = stage.sync()
    for name in ("new_zealanders", "items"):
        assert again["modules"][name]["linked"] == 0
    assert again["modules"]["new_zealanders"]["updated"] == {"crm": 0, "auckland": 2}
    assert again["modules"]["items"]["created"] == {"sydney": 0, "auckland": 1}
    stage.assert_idle()


def test_the_links_of_one_connection_alone_can_be_dropped(stage: Stage) -> None:
    stage.sync()
    refused = stage.run("reset", "auckland", "--cut", "--drop-links")
    assert refused.code == 1
    assert "--confirm harbour" in refused.err
    assert stage.run("reset", "auckland", "--cut", "--drop-links", "--confirm", "harbour").code == 0
    sign_in(stage, "auckland", 1)
    stage.forget_requests()
    told = stage.sync()["modules"]
    assert [told[name]["linked"] for name in MODULES] == [0, 2, 2]
    assert stage.writes() == 0


def test_the_specs_of_several_clients_share_a_state_and_nothing_else(tmp_path: Path) -> None:
    systems = {"billing": "zoho-books", "ledger": "xero"}
    with Stage(tmp_path, spec=CLIENT.format(name="acme"), systems=systems) as stage:
        acme, bravo = stage.spec, tmp_path / "bravo.yaml"
        bravo.write_text(CLIENT.format(name="bravo"), encoding="utf-8")
        other = organisations(stage, "billing")[1]["id"]
        for spec, place, billing in ((acme, 0, "contacts"), (bravo, 1, f"{other}/contacts")):
            stage.spec = spec
            for system in systems:
                sign_in(stage, system, place)
            stage.systems["billing"].act(
                "create", billing, None, {"contact_name": f"Client {place + 1}", "contact_type": "customer"}
            )
            stage.systems["billing"].act(
                "create", billing, None, {"contact_name": "Namesake", "contact_type": "customer"}
            )

        stage.spec = acme
        assert stage.sync()["modules"]["companies"]["created"]["ledger"] == 2
        assert names(stage, "ledger", "Contacts") == {"Client 1", "Namesake"}
        assert names(stage, "ledger", "Contacts@2") == set(), "the other client's books are not touched"
        stage.spec = bravo
        assert stage.sync()["modules"]["companies"]["created"]["ledger"] == 2
        assert names(stage, "ledger", "Contacts@2") == {"Client 2", "Namesake"}
        assert stage.run("status", "--json").json["modules"]["companies"]["links"] == 2

        # One of them starts over, and is cut off; the other one neither reads nor writes anything for it.
        stage.run("reset", "--drop-links", "--confirm", "bravo")
        stage.run("reset", "ledger", "--cut")
        assert stage.run("sync").code == 1
        stage.spec = acme
        stage.assert_idle()
        assert stage.run("status", "--json").json["modules"]["companies"]["links"] == 2
        found = rows(stage, "SELECT spec, left_org, right_org FROM scope ORDER BY spec")
        assert [spec for spec, _, _ in found] == ["acme", "bravo"]
        assert not {*found[0][1:]} & {*found[1][1:]}
