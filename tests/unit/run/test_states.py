"""The status of a document in both directions: a state machine at one end, a picklist at the other."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from msgspec.structs import replace
from tests.support import world
from tests.support.world import Pair

from syncline.connect.contract import Field, FieldType, State
from syncline.store.database import Database

MOVES = {"DRAFT": ("APPROVED",), "APPROVED": ("OVERDUE", "VOIDED"), "OVERDUE": (), "PAID": (), "VOIDED": ()}
SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: b}
modules:
  bills:
    between: {a: bills, b: bills}
    fields:
      title: {a: title, b: title}
      total: {a: total, b: total}
      status:
        a: phase
        b: phase
        to:
          a: >-
            {{ {'DRAFT': 'Draft', 'APPROVED': 'Sent', 'OVERDUE': 'Sent', 'PAID': 'Paid',
                'VOIDED': 'Void'}[value] if value }}
          b: >-
            {{ {'Draft': 'DRAFT', 'Sent': 'APPROVED', 'Delivered': 'APPROVED', 'Paid': 'PAID',
                'Void': 'VOIDED'}[value] if value }}
        ENFORCE
"""


@pytest.fixture
def make(tmp_path: Path, database: Database) -> object:
    picks = Field(name="phase", type=FieldType.CHOICE, choices=("Draft", "Sent", "Delivered", "Paid", "Void"))
    states = Field(name="phase", type=FieldType.CHOICE, choices=tuple(MOVES), moves=MOVES)

    def pair(enforce: bool) -> tuple[Pair, str, str]:
        spec = SPEC.replace("ENFORCE", "enforce: true" if enforce else "")
        with mock.patch.object(world, "BILL_FIELDS", (*world.BILL_FIELDS, picks)):
            made = Pair(tmp_path, database, spec)
        with mock.patch.object(world, "BILL_FIELDS", (*world.BILL_FIELDS, states)):
            made.b = Pair(tmp_path, database, spec).b
        right = made.b.person("bills", title="One", phase="DRAFT")
        made.run()
        (left,) = made.a.rows["bills"]
        return made, left, right

    return pair


def states_of(pair: Pair, left: str, right: str) -> tuple[str, str]:
    return pair.a.rows["bills"][left]["phase"], pair.b.rows["bills"][right]["phase"]


def writes(pair: Pair) -> int:
    return sum(call[0] == "write" for call in pair.a.calls + pair.b.calls)


@pytest.mark.parametrize("enforce", [False, True])
def test_a_state_that_can_follow_is_carried_over(make, enforce: bool) -> None:  # type: ignore[no-untyped-def]
    pair, left, right = make(enforce)
    assert states_of(pair, left, right) == ("Draft", "DRAFT")
    pair.a.person("bills", left, phase="Sent")
    pair.run()
    assert states_of(pair, left, right) == ("Sent", "APPROVED")
    pair.b.person("bills", right, phase="PAID")
    pair.run()
    assert states_of(pair, left, right) == ("Paid", "PAID")


@pytest.mark.parametrize("enforce", [False, True])
def test_a_state_that_the_other_end_words_the_same_is_not_asked_for(make, enforce: bool) -> None:  # type: ignore[no-untyped-def]
    pair, left, right = make(enforce)
    pair.b.person("bills", right, phase="OVERDUE")
    pair.run()
    assert states_of(pair, left, right) == ("Sent", "OVERDUE")
    pair.a.person("bills", left, phase="Delivered")
    before = writes(pair)
    outcome = pair.run().modules["bills"]
    assert (outcome["locked"], outcome["conflicts"], writes(pair)) == (0, 0, before)
    assert states_of(pair, left, right) == ("Delivered", "OVERDUE")


def test_one_that_cannot_is_locked_and_told_once(make) -> None:  # type: ignore[no-untyped-def]
    pair, left, right = make(False)
    pair.a.person("bills", left, phase="Paid", total=5)
    pair.b.calls.clear()
    result = pair.run()
    assert states_of(pair, left, right) == ("Paid", "DRAFT")
    assert pair.b.rows["bills"][right]["total"] == 5, "the other fields go on"
    assert result.modules["bills"]["locked"] == 1
    for _ in range(2):
        pair.a.calls.clear()
        pair.b.calls.clear()
        pair.run()
        assert writes(pair) == 0
    with pair.scopes() as scopes, pair.database.read() as db:
        reasons = [row.reason for row in scopes[0].ledger.staged(db, 0, [left]).values()]
    assert reasons == ["phase does not go from DRAFT to PAID; not written: status"]
    pair.a.person("bills", left, phase="Sent")
    assert pair.run().modules["bills"]["locked"] == 0
    assert states_of(pair, left, right) == ("Sent", "APPROVED")


@pytest.mark.parametrize(
    ("held", "said", "after"),
    [
        pytest.param("DRAFT", "Paid", ("Draft", "DRAFT"), id="nobody makes it paid"),
        pytest.param("PAID", "Draft", ("Paid", "PAID"), id="paid stays paid"),
        pytest.param("APPROVED", "Delivered", ("Sent", "APPROVED"), id="the same state by another word"),
        pytest.param("APPROVED", "Void", ("Void", "VOIDED"), id="what can follow is done"),
    ],
)
def test_an_enforced_state_is_put_back(make, held: str, said: str, after: tuple[str, str]) -> None:  # type: ignore[no-untyped-def]
    pair, left, right = make(True)
    pair.b.person("bills", right, phase=held)
    pair.run()
    pair.a.person("bills", left, phase=said)
    pair.run()
    assert states_of(pair, left, right) == after
    pair.a.calls.clear()
    pair.b.calls.clear()
    assert pair.run().status == "done"
    assert writes(pair) == 0


@pytest.mark.parametrize(("said", "made"), [("Sent", "APPROVED"), ("Paid", None), ("Draft", "DRAFT")])
def test_nothing_is_made_in_a_state_that_nobody_can_set(make, said: str, made: str | None) -> None:  # type: ignore[no-untyped-def]
    pair, _, right = make(True)
    pair.a.person("bills", title="Two", phase=said)
    pair.run()
    (new,) = [row for record, row in pair.b.rows["bills"].items() if record != right]
    assert new.get("phase") == made


def test_a_voided_document_alone_is_shown_to_a_crm_and_never_made_in_a_ledger(make) -> None:  # type: ignore[no-untyped-def]
    pair, _left, _ = make(True)
    gone = pair.b.person("bills", title="Old", phase="VOIDED")
    pair.b.set_state("bills", gone, State.VOIDED)
    pair.run()
    shown = [row["phase"] for row in pair.a.rows["bills"].values() if row["title"] == "Old"]
    assert shown == ["Void"]
    lone = pair.a.person("bills", title="Lone", phase="Void")
    pair.a.set_state("bills", lone, State.VOIDED)
    pair.run()
    assert all(row["title"] != "Lone" for row in pair.b.rows["bills"].values())


@pytest.mark.parametrize("told", [0, 1], ids=["told by the left end", "told by the right end"])
def test_of_two_ledgers_the_one_that_is_written_to_decides_what_follows(
    tmp_path: Path, database: Database, told: int
) -> None:
    states = Field(name="phase", type=FieldType.CHOICE, choices=tuple(MOVES), moves=MOVES)
    free = {state: tuple(set(MOVES) - {state}) for state in MOVES}
    strict = [replace(states, moves=free), states][:: -1 if told else 1]
    spec = SPEC.split("        to:")[0]
    with mock.patch.object(world, "BILL_FIELDS", (*world.BILL_FIELDS, strict[0])):
        pair = Pair(tmp_path, database, spec)
    with mock.patch.object(world, "BILL_FIELDS", (*world.BILL_FIELDS, strict[1])):
        pair.b = Pair(tmp_path, database, spec).b
    ends = [pair.a, pair.b]
    source, target = ends[told], ends[1 - told]
    record = source.person("bills", title="One", phase="DRAFT")
    pair.run()
    (other,) = target.rows["bills"]
    source.person("bills", record, phase="VOIDED")
    target.calls.clear()
    assert pair.run().modules["bills"]["locked"] == 1
    assert [call for call in target.calls if call[0] == "write"] == []
    assert target.rows["bills"][other]["phase"] == "DRAFT"
