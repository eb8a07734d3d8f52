"""Persons who are records at one end and items of a list, inside a company's record, at the other."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.world import Pair

from syncline.connect.contract import State, Write
from syncline.connect.errors import QuotaExhausted
from syncline.store import tables as t
from syncline.store.database import Database

SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  people:
    between: {a: people, b: people}
    match: [{a: "name | fold", b: "name | fold"}]
    fields:
      name: {a: name, b: name}
      phone: {a: phone, b: phone}
  contacts:
    between: {a: contacts, b: people.%s}
    %s
    match:
      - {a: email, b: email}
      - {a: "name | fold", b: "name | fold", agree: [of]}
    deletes: {a: delete, b: delete}
    limits: {deletes: none}
    fields:
      name: {a: name, b: name}
      email: {a: email, b: email}
      of: {a: of, b: Parent, ref: people}
"""
STAFF = SPEC % ("staff", "items: {b: {key: [email, name]}}")
FIRST = SPEC % ("staff", "items: {b: {key: [email, name], first: {name: main_name, email: main_email}}}")
DESKS = SPEC % ("desks", "")


def make(tmp_path: Path, database: Database, spec: str, **able: Any) -> Pair:
    return Pair(tmp_path, database, spec, b={"returns_stored": True, **able})


def listed(pair: Pair, company: str, field: str = "staff") -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "id"} for row in pair.b.rows["people"][company][field]]


def quiet(pair: Pair) -> None:
    for _ in range(2):
        pair.a.calls.clear()
        pair.b.calls.clear()
        result = pair.run()
    assert [call for call in pair.a.calls + pair.b.calls if call[0] == "write"] == [], "it is not at rest"
    assert result.status == "done"


def company(pair: Pair) -> tuple[str, str]:
    """Acme at both ends."""
    left = pair.a.person("people", name="Acme")
    pair.run()
    (right,) = pair.b.rows["people"]
    return left, right


@pytest.mark.parametrize("stored", [True, False], ids=["the reply shows all", "the reply shows an id"])
@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_they_are_created_in_both_directions(
    tmp_path: Path, database: Database, spec: str, field: str, stored: bool
) -> None:
    pair = make(tmp_path, database, spec, returns_stored=stored)
    left, right = company(pair)
    pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.a.person("contacts", name="Bob", email="bob@x.y", of=left)
    pair.run()
    assert listed(pair, right, field) == [
        {"name": "Ann", "email": "ann@x.y"},
        {"name": "Bob", "email": "bob@x.y"},
    ]
    assert [call for call in pair.b.calls if call[:2] == ("write", "people")][-1][2] == 1, (
        "one write a company"
    )
    quiet(pair)
    rows = pair.b.rows["people"][right][field]
    extra = {"id": "d9"} if field == "desks" else {}
    pair.b.person("people", right, **{field: [*rows, {"name": "Cy", "email": "cy@x.y", **extra}]})
    pair.run()
    assert sorted(row["name"] for row in pair.a.rows["contacts"].values()) == ["Ann", "Bob", "Cy"]
    assert {row["of"] for row in pair.a.rows["contacts"].values()} == {left}
    quiet(pair)


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_an_edit_changes_that_item_alone(tmp_path: Path, database: Database, spec: str, field: str) -> None:
    pair = make(tmp_path, database, spec)
    left, right = company(pair)
    ids = {n: pair.a.person("contacts", name=n, email=f"{n}@x.y", of=left) for n in ("ann", "bob", "cy")}
    pair.run()
    if field == "staff":
        pair.b.rows["people"][right]["staff"][2]["cc"] = True  # what nobody maps stays
    pair.a.person("contacts", ids["bob"], email="robert@x.y")
    sent: list[Write] = []
    pair.b.refuse = lambda write: sent.append(write)
    pair.run()
    assert [row["email"] for row in listed(pair, right, field)] == ["ann@x.y", "robert@x.y", "cy@x.y"]
    assert [set(write.values) for write in sent] == [{field}], "the company's own fields are not sent"
    if field == "staff":
        assert listed(pair, right)[2]["cc"] is True
    else:
        changed = [item for item in sent[0].values["desks"].items if not item.unchanged]
        assert [item.values["email"] for item in changed] == ["robert@x.y"]
    quiet(pair)

    rows = [dict(row) for row in pair.b.rows["people"][right][field]]
    rows[0]["name"] = "Anna"
    pair.b.person("people", right, **{field: list(reversed(rows))})
    pair.run()
    assert sorted(row["name"] for row in pair.a.rows["contacts"].values()) == ["Anna", "bob", "cy"]
    quiet(pair)


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_one_that_is_removed_at_either_end(tmp_path: Path, database: Database, spec: str, field: str) -> None:
    pair = make(tmp_path, database, spec)
    left, right = company(pair)
    ids = {n: pair.a.person("contacts", name=n, email=f"{n}@x.y", of=left) for n in ("ann", "bob", "cy")}
    pair.run()
    pair.a.set_state("contacts", ids["ann"], State.DELETED)
    pair.run()
    assert [row["name"] for row in listed(pair, right, field)] == ["bob", "cy"]
    rows = pair.b.rows["people"][right][field]
    pair.b.person("people", right, **{field: rows[1:]})
    pair.run()
    states = {name: pair.a.meta["contacts"][record]["state"] for name, record in ids.items()}
    assert states == {"ann": State.DELETED, "bob": State.DELETED, "cy": State.LIVE}
    quiet(pair)


def test_a_key_that_changes_keeps_the_person(tmp_path: Path, database: Database) -> None:
    """The books have no ids for persons: one whose e-mail is changed there is found again by the name."""
    pair = make(tmp_path, database, STAFF)
    left, right = company(pair)
    ann = pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.run()
    pair.b.person("people", right, staff=[{"name": "Ann", "email": "new@x.y"}])
    pair.run()
    pair.run()
    assert list(pair.a.rows["contacts"]) == [ann]
    assert pair.a.meta["contacts"][ann]["state"] is State.LIVE
    quiet(pair)


def test_the_first_lies_on_the_company_itself(tmp_path: Path, database: Database) -> None:
    pair = make(tmp_path, database, FIRST)
    left, right = company(pair)
    ann = pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.a.person("contacts", name="Bob", email="bob@x.y", of=left)
    pair.run()
    row = pair.b.rows["people"][right]
    assert (row["main_name"], row["main_email"]) == ("Ann", "ann@x.y")
    assert [each["name"] for each in listed(pair, right)] == ["Bob"]
    quiet(pair)
    pair.b.person("people", right, main_email="boss@x.y")
    pair.run()
    assert pair.a.rows["contacts"][ann]["email"] == "boss@x.y"
    quiet(pair)
    pair.a.set_state("contacts", ann, State.DELETED)
    pair.run()
    assert pair.b.rows["people"][right]["main_name"] is None
    assert [each["name"] for each in listed(pair, right)] == ["Bob"]
    quiet(pair)


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_one_who_moves_to_another_company(tmp_path: Path, database: Database, spec: str, field: str) -> None:
    pair = make(tmp_path, database, spec)
    left, right = company(pair)
    other = pair.a.person("people", name="Zeta")
    ann = pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.run()
    pair.a.person("contacts", ann, of=other)
    pair.run()
    zeta = next(i for i in pair.b.rows["people"] if i != right)
    assert listed(pair, right, field) == []
    assert listed(pair, zeta, field) == [{"name": "Ann", "email": "ann@x.y"}]
    quiet(pair)


def moved(pair: Pair) -> tuple[str, str, str]:
    """Ann, who is to move from Acme to Zeta, in the CRM; and the two companies in the ledger."""
    left, acme = company(pair)
    other = pair.a.person("people", name="Zeta")
    ann = pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.run()
    pair.a.person("contacts", ann, of=other)
    (zeta,) = pair.b.rows["people"].keys() - {acme}
    return ann, acme, zeta


@pytest.mark.parametrize("write", [1, 2], ids=["to the new one", "to the old one"])
@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_a_move_whose_answer_is_lost_is_found_done(
    tmp_path: Path, database: Database, spec: str, field: str, write: int
) -> None:
    pair = make(tmp_path, database, spec)
    ann, acme, zeta = moved(pair)
    numbers = count(1)
    pair.b.lose = lambda _: next(numbers) == write
    pair.run()
    pair.b.lose = lambda _: False
    pair.run()
    assert (listed(pair, acme, field), len(listed(pair, zeta, field))) == ([], 1)
    assert list(pair.a.rows["contacts"]) == [ann]
    with database.read() as db:
        told = Counter(db.scalars(sa.select(t.audit.c.event)))
    assert told == {"created": 3, "updated": 1}
    quiet(pair)


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_who_may_not_leave_does_not_arrive(tmp_path: Path, database: Database, spec: str, field: str) -> None:
    pair = make(tmp_path, database, spec)
    ann, acme, zeta = moved(pair)
    pair.b.refuse = lambda write: "it is locked" if write.id == acme else None
    result = pair.run()
    assert result.modules["contacts"]["failed"] == 1
    assert (len(listed(pair, acme, field)), listed(pair, zeta, field)) == (1, [])
    pair.run()
    assert list(pair.a.rows["contacts"]) == [ann]


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_a_move_that_is_cut_short_is_finished_by_the_next_pass(
    tmp_path: Path, database: Database, spec: str, field: str
) -> None:
    pair = make(tmp_path, database, spec)
    ann, acme, zeta = moved(pair)

    def out_of_calls(write: Write) -> str | None:
        if write.id == acme:
            raise QuotaExhausted("the calls of the day are used up", fix="wait")
        return None

    pair.b.refuse = out_of_calls
    pair.run()
    pair.b.refuse = lambda write: None
    pair.run()
    assert (listed(pair, acme, field), len(listed(pair, zeta, field))) == ([], 1)
    assert list(pair.a.rows["contacts"]) == [ann]
    quiet(pair)


@pytest.mark.parametrize(("spec", "field"), [(STAFF, "staff"), (DESKS, "desks")])
def test_a_lost_answer_makes_nobody_twice(tmp_path: Path, database: Database, spec: str, field: str) -> None:
    pair = make(tmp_path, database, spec)
    left, right = company(pair)
    pair.b.lose = lambda write: True
    pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert len(listed(pair, right, field)) == 1
    quiet(pair)


@pytest.mark.parametrize("rule", ["ignore", "archive", "delete", "unlink"])
def test_an_archived_company_takes_nobody_along(tmp_path: Path, database: Database, rule: str) -> None:
    """Its persons rest with it, and come back with it."""
    spec = STAFF.replace("{a: delete, b: delete}", f"{{a: {rule}, b: ignore}}")
    pair = make(tmp_path, database, spec)
    left, right = company(pair)
    ann = pair.a.person("contacts", name="Ann", email="ann@x.y", of=left)
    pair.run()
    pair.b.set_state("people", right, State.ARCHIVED)
    pair.run()
    assert pair.a.meta["contacts"][ann]["state"] is State.LIVE
    pair.b.set_state("people", right, State.LIVE)
    pair.run()
    quiet(pair)
    assert list(pair.a.rows["contacts"]) == [ann]
    assert pair.a.meta["contacts"][ann]["state"] is State.LIVE
