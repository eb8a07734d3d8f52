"""Two modules that share an end: neither writes to a record that the other's write may still reach."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
from tests.support.memory import MemorySession
from tests.support.world import Pair

from syncline.connect.contract import Outcome, OutcomeKind, Write, WriteKind
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
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
      phone: {a: phone, b: phone}
  letters:
    between: {a: people, b: people}
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
      email: {a: email, b: email}
"""


def test_a_record_that_another_modules_write_may_still_reach_is_left_alone(
    tmp_path: Path, database: Database
) -> None:
    pair = Pair(tmp_path, database, SPEC)
    right = pair.b.person("people", name="Acme")
    left = pair.a.person("people", name="Acme", phone="1", email="x@y.z")
    pair.run()
    pair.run()
    row = pair.b.rows["people"][right]
    assert row == {"name": "Acme", "phone": "1", "email": "x@y.z"}
    pair.a.person("people", left, phone="2")
    on_its_way: list[Write] = []

    def lost(session: MemorySession, module: str, write: Write) -> Outcome:
        assert write.kind is WriteKind.UPDATE
        on_its_way.append(write)
        return Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")

    with mock.patch.object(MemorySession, "_write", lost):
        pair.run()
    pair.a.person("people", left, email="new@y.z")
    pair.b.calls.clear()
    totals = pair.run().modules
    assert [call for call in pair.b.calls if call[0] == "write"] == []
    assert (totals["people"]["waiting"], totals["letters"]["waiting"]) == (1, 1)

    # only now the remote gets round to it, and tells itself anew what it held then
    (write,) = on_its_way
    pair.b.store("people", right, {"email": "x@y.z", **write.values})
    pair.now += timedelta(minutes=3)
    pair.run()
    assert pair.b.rows["people"][right] == {"name": "Acme", "phone": "2", "email": "new@y.z"}
    assert pair.a.rows["people"][left]["email"] == "new@y.z"
    pair.b.calls.clear()
    assert pair.run().status == "done"
    assert [call for call in pair.b.calls if call[0] == "write"] == []


def test_nothing_that_belongs_to_a_record_is_written_while_an_unanswered_write_may_still_reach_it(
    tmp_path: Path, database: Database
) -> None:
    """A remote that is told a whole record anew drops what was added to it meanwhile, and puts back what was
    changed."""
    spec = (
        SPEC.split("  letters:")[0]
        + """  contacts:
    between: {a: contacts, b: contacts}
    match: [{a: email, b: email}]
    fields:
      email: {a: email, b: email}
      of: {a: of, b: of, ref: people}
"""
    )
    pair = Pair(tmp_path, database, spec)
    left = pair.a.person("people", name="Acme", phone="1")
    there = pair.a.person("contacts", email="old@y.z", of=left)
    pair.run()
    pair.a.person("people", left, phone="2")
    lost = Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")
    with mock.patch.object(MemorySession, "_write", return_value=lost):
        pair.run()
    pair.a.person("contacts", email="x@y.z", of=left)
    pair.a.person("contacts", there, email="new@y.z")
    pair.run()
    assert [row["email"] for row in pair.b.rows["contacts"].values()] == ["old@y.z"]
    pair.now += timedelta(minutes=3)
    pair.run()
    assert [row["email"] for row in pair.b.rows["contacts"].values()] == ["new@y.z", "x@y.z"]
    assert [row["phone"] for row in pair.b.rows["people"].values()] == ["2"]


def test_what_names_a_record_in_its_lines_waits_for_a_write_that_may_still_reach_it(
    tmp_path: Path, database: Database
) -> None:
    spec = (
        SPEC.split("  letters:")[0]
        + """  bills:
    between: {a: bills, b: bills}
    match: [{a: title, b: title}]
    fields:
      title: {a: title, b: title}
      lines: {a: lines, b: lines, each: {whose: {a: whose, b: whose, ref: people}}}
"""
    )
    pair = Pair(tmp_path, database, spec)
    left = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    pair.a.person("people", left, phone="2")
    lost = Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")
    with mock.patch.object(MemorySession, "_write", return_value=lost):
        pair.run()
    pair.a.person("bills", title="B-1", lines=[{"whose": left}])
    assert pair.run().modules["bills"]["waiting"] == 1
    assert pair.b.rows["bills"] == {}
    pair.now += timedelta(minutes=3)
    pair.run()
    assert len(pair.b.rows["bills"]) == 1


@pytest.mark.parametrize("first", ["an edit", "a new one"])
def test_an_item_beside_one_that_an_unanswered_write_may_still_tell_is_left_alone(
    tmp_path: Path, database: Database, first: str
) -> None:
    """A remote is told a list as a whole: with one item, a late write tells all others as they were."""
    spec = (
        SPEC.split("  letters:")[0]
        + """  staff:
    between: {a: contacts, b: people.staff}
    items: {b: {key: [name]}}
    match: [{a: name, b: name, agree: [of]}]
    fields:
      of: {a: of, b: Parent, ref: people}
      name: {a: name, b: name}
      email: {a: email, b: email}
"""
    )
    pair = Pair(tmp_path, database, spec)
    acme = pair.a.person("people", name="Acme", phone="1")
    ann, bob = (pair.a.person("contacts", name=name, email="old", of=acme) for name in ("Ann", "Bob"))
    pair.run()
    pair.run()
    (right,) = pair.b.rows["people"]
    held = [{"name": "Ann", "email": "old"}, {"name": "Bob", "email": "old"}]
    assert pair.b.rows["people"][right]["staff"] == held

    on_its_way: list[Write] = []

    def lost(session: MemorySession, module: str, write: Write) -> Outcome:
        on_its_way.append(write)
        return Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")

    if first == "an edit":
        pair.a.person("contacts", ann, email="new")
    else:
        pair.a.person("contacts", name="Cy", email="new", of=acme)
    with mock.patch.object(MemorySession, "_write", lost):
        pair.run()
    pair.a.person("contacts", bob, email="new")
    pair.a.person("contacts", name="Dee", email="new", of=acme)
    pair.run()
    assert pair.b.rows["people"][right]["staff"] == held

    (write,) = on_its_way
    pair.b.store("people", right, write.values)
    pair.now += timedelta(minutes=3)
    pair.run()
    wanted = {"Ann": "new" if first == "an edit" else "old", "Bob": "new", "Dee": "new"}
    wanted |= {} if first == "an edit" else {"Cy": "new"}
    assert {row["name"]: row["email"] for row in pair.b.rows["people"][right]["staff"]} == wanted
    pair.run()
    pair.b.calls.clear()
    assert pair.run().status == "done"
    assert [call for call in pair.b.calls if call[0] == "write"] == []
