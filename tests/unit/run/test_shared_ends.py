"""Two modules that share an end: neither writes to a record that the other's write may still reach."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest import mock

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


def test_nothing_is_added_to_a_record_that_an_unanswered_write_may_still_reach(
    tmp_path: Path, database: Database
) -> None:
    """A remote that is told a whole record anew drops what was added to it meanwhile."""
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
    pair.run()
    pair.a.person("people", left, phone="2")
    lost = Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")
    with mock.patch.object(MemorySession, "_write", return_value=lost):
        pair.run()
    pair.a.person("contacts", email="x@y.z", of=left)
    pair.run()
    assert pair.b.rows["contacts"] == {}
    pair.now += timedelta(minutes=3)
    pair.run()
    assert [row["email"] for row in pair.b.rows["contacts"].values()] == ["x@y.z"]
    assert [row["phone"] for row in pair.b.rows["people"].values()] == ["2"]
