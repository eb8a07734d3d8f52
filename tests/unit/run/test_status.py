"""Status: what an operator is told is going on, told from the state alone."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.world import Pair

from syncline.connect.contract import Write
from syncline.connect.oauth import Tokens
from syncline.errors import SynclineError
from syncline.run.status import list_records, read_status
from syncline.store.crypto import Cipher, new_key
from syncline.store.database import Database
from syncline.store.lease import Leases
from syncline.store.scopes import begin_pass, end_pass
from syncline.store.vault import Vault

FAILING = "Refused Ltd"


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    made = Pair(tmp_path, database)
    made.b._ids = itertools.count(100)  # so that no id is that of a record at the other end
    return made


def refuse(write: Write) -> str | None:
    return "the name is on the black list" if write.values.get("name") == FAILING else None


def connect(pair: Pair, system: str, organisation: str) -> int:
    from syncline.connect.contract import Grant, Organisation

    saved = Vault(pair.database, Cipher([new_key()], "a test")).save(
        spec="test",
        system=system,
        connector={"a": "alpha", "b": "beta"}[system],
        base_url="",
        organisation=Organisation(id=organisation, name=f"Organisation {organisation}"),
        grant=Grant.CODE,
        tokens=Tokens(access_token="an access token", obtained_at=0.0, expires_at=1.0),
    )
    return saved.id


def in_conflict(pair: Pair) -> tuple[str, str]:
    """A linked person whose e-mail was changed at both ends; the rule of that field is to ask."""
    left = pair.a.person("people", name="Acme", email="old@acme.example")
    pair.run()
    (right,) = pair.b.rows["people"]
    pair.a.person("people", left, email="left@acme.example")
    pair.b.person("people", right, email="right@acme.example")
    pair.run()
    return left, right


def listed(pair: Pair, which: str, **more: Any) -> list[dict[str, Any]]:
    return list_records(pair.database, pair.spec, which, more.get("module"), more.get("limit", 50))


def test_before_the_first_pass_everything_is_nothing(pair: Pair) -> None:
    told = read_status(pair.database, pair.spec)
    assert told["status"] == "done"
    assert told["passes"] == []
    assert told["systems"]["a"]["status"] == "none"
    assert told["modules"]["people"] == {
        "enabled": True,
        "links": 0,
        "read": {"a": None, "b": None},
        "resting": {},
        "questions": {},
        "running": None,
    }


def test_in_step_is_done(pair: Pair) -> None:
    pair.a.person("people", name="Acme")
    pair.run()
    told = read_status(pair.database, pair.spec)
    assert (told["status"], told["modules"]["people"]["links"]) == ("done", 1)
    assert told["modules"]["people"]["resting"] == {}
    assert told["modules"]["people"]["read"] == {"a": pair.now, "b": pair.now}


def test_a_conflict_needs_a_person_and_is_listed_once_with_both_values(pair: Pair) -> None:
    left, right = in_conflict(pair)
    told = read_status(pair.database, pair.spec)
    assert told["status"] == "attention"
    assert told["modules"]["people"]["resting"] == {"conflict": 1}
    assert told["modules"]["people"]["questions"] == {"conflict": 1}
    (row,) = listed(pair, "conflicts")
    assert row["records"] == {"a": {"id": left, "name": "Acme"}, "b": {"id": right, "name": "Acme"}}
    assert row["fields"]["email"]["a"] == "left@acme.example"
    assert row["fields"]["email"]["b"] == "right@acme.example"
    assert row["fields"]["email"]["rule"].endswith("spec.yaml:16:55")


def test_a_refused_record_says_when_it_is_tried_again(pair: Pair) -> None:
    pair.b.refuse = refuse
    left = pair.a.person("people", name=FAILING)
    pair.run()
    assert read_status(pair.database, pair.spec)["status"] == "done"
    (row,) = listed(pair, "failed")
    assert row["records"] == {"a": {"id": left, "name": FAILING}}
    assert row["reason"] == "b: the name is on the black list"
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["next_try"] == pair.now + timedelta(minutes=5)
    assert row["when"] == "in the first pass after 2026-02-01 00:05:00Z"


def test_a_record_that_is_given_up_has_failed_for_good(pair: Pair) -> None:
    pair.b.refuse = refuse
    pair.a.person("people", name=FAILING)
    for _ in range(8):
        pair.run()
        pair.now += timedelta(days=2)
    assert read_status(pair.database, pair.spec)["status"] == "failed"
    (row,) = listed(pair, "failed")
    assert (row["status"], row["next_try"], row["attempts"]) == ("dead", None, 8)
    assert row["when"] == "when the record or the spec changes"


def test_namesakes_wait_for_a_person(pair: Pair) -> None:
    pair.a.person("people", name="Acme")
    pair.b.person("people", name="ACME")
    pair.b.person("people", name="acme")
    pair.run()
    assert read_status(pair.database, pair.spec)["status"] == "attention"
    rows = listed(pair, "ambiguous")
    assert {name for row in rows for name in row["records"]} == {"a", "b"}
    assert all("may be the same as" in row["reason"] for row in rows)


def test_a_list_ends_at_its_limit_and_names_the_lists_there_are(pair: Pair) -> None:
    pair.b.refuse = lambda write: "no"
    for number in range(5):
        pair.a.person("people", name=f"Company {number}")
    pair.run()
    assert [row["records"]["a"]["name"] for row in listed(pair, "failed", limit=2)] == [
        "Company 0",
        "Company 1",
    ]
    assert len(listed(pair, "failed", module="people")) == 5
    with pytest.raises(SynclineError, match="there is no list 'broken'") as error:
        listed(pair, "broken")
    assert "conflicts, ambiguous, waiting, locked, failed, parked" in error.value.fix
    with pytest.raises(SynclineError, match="no module 'poeple'"):
        listed(pair, "failed", module="poeple")


def test_the_newest_passes_with_what_became_of_them(pair: Pair) -> None:
    with pair.database.write() as db:
        first = begin_pass(db, "test", "sync", "kim", pair.now)
        end_pass(db, first, "stopped", "people: 12 deletes are more than 5%", {}, pair.now)
        second = begin_pass(db, "test", "sync", "kim", pair.now)
        begin_pass(db, "another", "sync", "kim", pair.now)
    told = read_status(pair.database, pair.spec)
    assert [(row["id"], row["status"]) for row in told["passes"]] == [
        (second, "interrupted"),
        (first, "stopped"),
    ]
    assert told["status"] == "attention", "what a safety limit stopped waits for a person"


def test_a_pass_that_holds_its_lease_is_running(pair: Pair) -> None:
    with pair.database.write() as db:
        begin_pass(db, "test", "sync", "kim", pair.now)
    with Leases(pair.database, owner="host:1:x").hold("test:people"):
        told = read_status(pair.database, pair.spec)
    assert told["passes"][0]["status"] == "running"
    assert told["modules"]["people"]["running"] == "host:1:x"


def test_a_dead_sign_in_is_a_failure_and_names_its_reason(pair: Pair) -> None:
    number = connect(pair, "a", "1")
    vault = Vault(pair.database, Cipher([new_key()], "a test"))
    vault.tokens(number).give_up("invalid_grant", 0)
    told = read_status(pair.database, pair.spec)
    assert told["status"] == "failed"
    assert told["systems"]["a"]["status"] == "reconnect"
    assert told["systems"]["a"]["reason"] == "invalid_grant"


def test_only_the_links_of_the_connected_organisations_are_told(pair: Pair) -> None:
    pair.a.person("people", name="Acme")
    pair.run()
    connect(pair, "a", "1")
    connect(pair, "b", "2")
    assert read_status(pair.database, pair.spec)["modules"]["people"]["links"] == 1
    connect(pair, "b", "another organisation")
    assert read_status(pair.database, pair.spec)["modules"]["people"]["links"] == 0
