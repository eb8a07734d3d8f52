"""Explain: the whole story of one record, from either end."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.world import Pair

from syncline.cli.explain import print_story
from syncline.connect.contract import Write
from syncline.errors import SynclineError
from syncline.run.explain import explain
from syncline.store.database import Database

BILLS = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  people:
    between: {a: people, b: people}
    where: {a: "{{ record.active }}"}
    fields:
      name: {a: name, b: name}
  bills:
    between: {a: bills, b: bills}
    fields:
      title: {a: title, b: title}
      who: {a: who, b: who, ref: people}
"""


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    made = Pair(tmp_path, database)
    made.b._ids = itertools.count(100)
    return made


def story(pair: Pair, record: str, module: str = "people", system: str | None = None) -> dict[str, Any]:
    return explain(pair.database, pair.spec, module, record, system)


def text(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    print_story(told)
    return capsys.readouterr().out


def test_a_pair_told_from_either_end(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    left = pair.a.person("people", name="Acme", phone="1", email="old@x.y")
    pair.run()
    (right,) = pair.b.rows["people"]
    pair.a.person("people", left, phone="2", email="left@x.y")
    pair.b.person("people", right, phone="3", email="right@x.y")
    pair.now += timedelta(hours=1)
    pair.run()
    told = story(pair, left)
    assert told == story(pair, right) == story(pair, right, system="b")
    assert told["name"] == "Acme"
    assert told["linked"]["how"] == "created"
    assert told["linked"]["system"] == "b"
    assert told["records"]["a"]["id"] == left
    assert told["records"]["b"]["id"] == right
    update, create = told["writes"]
    assert (create["kind"], create["status"], create["from"]) == (
        "create",
        "done",
        {"system": "a", "record": left},
    )
    assert create["fields"]["name"]["after"] == "Acme"
    phone = update["fields"]["phone"]
    assert (phone["before"], phone["set"], phone["after"], phone["lost"]) == ("3", "2", "2", "3")
    assert phone["rule"].endswith("spec.yaml:7:21")
    email = told["fields"]["email"]
    assert email["base"] == {"a": "old@x.y", "b": "old@x.y"}
    assert email["staged"] == {"a": "left@x.y", "b": "right@x.y"}
    assert email["paths"] == {"a": "email", "b": "email"}
    (asked,) = told["questions"]
    assert asked["values"] == {"a": "left@x.y", "b": "right@x.y"}
    said = text(told, capsys)
    assert 'conflict in email: a has "left@x.y", b has "right@x.y"' in said
    assert 'phone "3" -> "2" (both ends changed; the rule is prefer: a;' in said
    assert 'lost "3"' in said


def test_a_pair_in_step_is_said_to_be_so(pair: Pair) -> None:
    left, right = pair.a.person("people", name="Acme"), pair.b.person("people", name="ACME")
    pair.run()
    told = story(pair, right)
    assert told["why"] == "in step: everything that was read is settled"
    assert told["rests"] == {}
    assert (told["linked"]["how"], told["linked"]["key"]) == ("rule", "acme")
    assert told["linked"]["rule"].endswith("spec.yaml:12:9")
    assert told["records"]["a"]["id"] == left


def test_a_refused_create_in_the_remotes_own_words(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    words = "a contact of this name is archived"
    pair.b.refuse = lambda write: words
    left = pair.a.person("people", name="Acme")
    pair.run()
    pair.now += timedelta(hours=1)
    pair.run()
    told = story(pair, left)
    assert told["linked"] is None
    assert told["records"]["b"]["id"] is None
    assert [(w["kind"], w["status"], w["message"]) for w in told["writes"]] == [
        ("create", "refused", words)
    ] * 2
    assert told["rests"]["a"]["attempts"] == 2
    assert told["rests"]["a"]["next_try"] == pair.now + timedelta(minutes=30)
    assert told["why"].startswith(f"not in b: failed: b: {words}; decided anew in the first pass after")
    said = text(told, capsys)
    assert "not linked" in said
    assert f"create in b from a {left}: refused: {words}" in said
    pair.b.refuse = lambda write: None
    pair.now += timedelta(hours=1)
    pair.run()
    assert [w["status"] for w in story(pair, left)["writes"]] == ["done", "refused", "refused"]


def test_candidates_with_what_speaks_against_them(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(write: Write) -> str | None:
        return "no" if write.values.get("tax") == "1" else None

    pair.b.refuse = refuse
    left = pair.a.person("people", name="Acme", tax="1")
    other = pair.b.person("people", name="ACME", tax="2")
    pair.run()
    told = story(pair, left)
    (candidate,) = told["candidates"]
    assert (candidate["system"], candidate["id"], candidate["key"]) == ("b", other, "acme")
    assert candidate["agree"] == {"tax": {"a": "1", "b": "2"}}
    assert candidate["linked_to"] is not None, "the other Acme was created at the left end"
    assert 'tax "1" | "2" must not differ' in text(told, capsys)


def test_an_unclear_match_names_everybody_it_may_be(pair: Pair) -> None:
    left = pair.a.person("people", name="Acme")
    rights = {pair.b.person("people", name="Acme"), pair.b.person("people", name="ACME")}
    pair.run()
    told = story(pair, left)
    assert told["why"].startswith("not in b: ambiguous: may be the same as")
    (asked,) = told["questions"]
    assert set(asked["others"]) == rights
    assert {one["id"] for one in told["candidates"]} == rights
    assert all(one["linked_to"] is None for one in told["candidates"])


def test_waiting_and_parked_say_for_what(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, BILLS)
    pair.b._ids = itertools.count(100)
    who = pair.a.person("people", name="Acme", active=False)
    bill = pair.a.person("bills", title="One", who=who)
    pair.run()
    assert story(pair, who)["why"] == (
        "not in b: parked: outside the module's filter; decided anew when the record or the spec changes"
    )
    assert story(pair, who)["records"]["a"]["state"] == "out"
    assert story(pair, bill, "bills")["why"].startswith(
        f"not in b: waiting: waits for people {who}, which has no counterpart yet"
    )


def test_what_is_not_known_is_said_and_what_is_ambiguous_is_asked(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database)
    left = pair.a.person("people", name="Acme")
    right = pair.b.person("people", name="Beta")
    assert left == right
    with pytest.raises(SynclineError, match="nothing is remembered of the module 'people' yet"):
        story(pair, left)
    pair.b.refuse = pair.a.refuse = lambda write: "no"
    pair.run()
    with pytest.raises(SynclineError, match="both ends of people have a record") as error:
        story(pair, left)
    assert "--system a or --system b" in error.value.fix
    assert story(pair, left, system="a")["name"] == "Acme"
    assert story(pair, left, system="b")["name"] == "Beta"
    with pytest.raises(SynclineError, match="nothing is known of a record 'p99' in a and b"):
        story(pair, "p99")
    with pytest.raises(SynclineError, match="'crm' is not an end of the module 'people'"):
        story(pair, left, system="crm")
    with pytest.raises(SynclineError, match="no module 'persons'"):
        story(pair, left, "persons")


def test_a_record_that_is_gone_is_still_told(pair: Pair) -> None:
    from syncline.connect.contract import State

    left = pair.a.person("people", name="Acme")
    pair.run()
    pair.a.set_state("people", left, State.DELETED)
    pair.run()
    told = story(pair, left)
    assert told["why"] == "in step: everything that was read is settled; it is deleted in a"
    assert [event["event"] for event in told["events"]] == ["deleted", "created"]
    assert told["events"][0]["by"] == "remote"
