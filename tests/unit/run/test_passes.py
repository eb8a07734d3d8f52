"""Passes over two remotes in memory: what a user is promised, one promise a test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from tests.support.memory import MemorySession
from tests.support.world import BILLS, SPEC, Pair

from syncline.connect.contract import Lock, Outcome, OutcomeKind, Record, SentWrite, State, Write, WriteKind
from syncline.store import tables as t
from syncline.store.database import Database, StoreError
from syncline.store.ledger import Ledger


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    return Pair(tmp_path, database)


def quiet(pair: Pair) -> None:
    """Two more passes: the second of them writes nothing."""
    pair.run()
    pair.a.calls.clear()
    pair.b.calls.clear()
    result = pair.run()
    assert [c for c in pair.a.calls + pair.b.calls if c[0] != "read"] == []
    assert result.status == "done"


def events(pair: Pair, event: str) -> list[Any]:
    with pair.database.read() as db:
        return list(db.execute(sa.select(t.audit).where(t.audit.c.event == event)))


def met(pair: Pair, **values: Any) -> tuple[str, str]:
    """One person, known to both ends and in step."""
    left = pair.a.person("people", **{"name": "Acme", "phone": "1", "tax": "9", "email": "a@x.y", **values})
    pair.run()
    (right,) = pair.b.rows["people"]
    return left, right


@pytest.mark.parametrize("returns_stored", [True, False])
def test_edits_of_different_fields_both_survive(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    able = {"returns_stored": returns_stored}
    pair = Pair(tmp_path, database, a=able, b=able)
    left, right = met(pair)
    pair.a.person("people", left, phone="2")
    pair.b.person("people", right, tax="10")
    pair.run()
    for row in (pair.a.rows["people"][left], pair.b.rows["people"][right]):
        assert (row["phone"], row["tax"]) == ("2", "10")
    quiet(pair)


@pytest.mark.parametrize("returns_stored", [True, False])
def test_an_edit_whose_way_back_is_refused_is_kept_for_later(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    able = {"returns_stored": returns_stored}
    pair = Pair(tmp_path, database, a=able, b=able)
    left, right = met(pair)
    pair.a.person("people", left, phone="2")
    pair.b.person("people", right, tax="10")
    pair.a.refuse = lambda write: "not now"
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "2"
    pair.a.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    assert pair.a.rows["people"][left]["tax"] == "10"
    assert pair.a.rows["people"][left]["phone"] == "2"
    quiet(pair)


def test_the_rule_decides_and_the_loser_is_kept(pair: Pair) -> None:
    left, right = met(pair)
    pair.a.person("people", left, phone="left")
    pair.b.person("people", right, phone="right")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "left"
    (event,) = [e for e in events(pair, "updated") if "lost" in e.detail]
    assert '"lost":"right"' in event.detail
    assert "spec.yaml:7:" in event.detail
    quiet(pair)


def test_a_conflict_that_asks_holds_the_field_and_lets_others_go(pair: Pair) -> None:
    left, right = met(pair)
    pair.a.person("people", left, email="l@x.y", phone="2")
    pair.b.person("people", right, email="r@x.y")
    result = pair.run()
    assert result.status == "attention"
    assert result.modules["people"]["conflicts"] == 1
    assert pair.b.rows["people"][right] | {"phone": "2", "email": "r@x.y"} == pair.b.rows["people"][right]
    assert pair.a.rows["people"][left]["email"] == "l@x.y"
    pair.b.calls.clear()
    assert pair.run().modules["people"]["conflicts"] == 1
    assert [c for c in pair.b.calls if c[0] == "write"] == []
    pair.b.person("people", right, email="l@x.y")
    assert pair.run().modules["people"]["conflicts"] == 0
    quiet(pair)


def test_a_conflict_that_one_end_gives_up_is_asked_no_more(pair: Pair) -> None:
    left, right = met(pair)
    pair.a.person("people", left, email="l@x.y")
    pair.b.person("people", right, email="r@x.y")
    assert pair.run().status == "attention"
    pair.b.person("people", right, email="a@x.y")
    assert pair.run().status == "done"
    assert pair.b.rows["people"][right]["email"] == "l@x.y"
    quiet(pair)


def test_the_same_edit_at_both_ends_is_no_conflict(pair: Pair) -> None:
    left, right = met(pair)
    pair.a.person("people", left, email="n@x.y")
    pair.b.person("people", right, email="n@x.y")
    assert pair.run().status == "done"
    quiet(pair)


def test_a_cleared_value_is_cleared_at_the_other_end(pair: Pair) -> None:
    left, right = met(pair)
    pair.b.person("people", right, phone=None)
    pair.run()
    assert pair.a.rows["people"][left]["phone"] is None
    quiet(pair)


def test_a_remote_that_rewrites_is_not_echoed(pair: Pair) -> None:
    pair.b.rewrite = lambda name, value: value.upper() if isinstance(value, str) else value
    left, right = met(pair, name="acme")
    assert pair.b.rows["people"][right]["name"] == "ACME"
    quiet(pair)
    assert pair.a.rows["people"][left]["name"] == "acme"


def test_a_rewriting_remote_that_does_not_show_what_it_stored_is_not_echoed(
    tmp_path: Path, database: Database
) -> None:
    pair = Pair(tmp_path, database, b={"returns_stored": False})
    pair.b.rewrite = lambda name, value: value.upper() if isinstance(value, str) else value
    left, right = met(pair, name="acme")
    quiet(pair)
    assert pair.a.rows["people"][left]["name"] == "acme"
    pair.b.person("people", right, name="OTHER")
    pair.run()
    assert pair.a.rows["people"][left]["name"] == "OTHER"


def test_namesakes_without_evidence_are_left_to_a_person(pair: Pair) -> None:
    pair.a.person("people", name="Acme")
    pair.a.person("people", name="ACME Ltd")
    pair.b.person("people", name="Acme Limited")
    result = pair.run()
    assert result.status == "attention"
    assert result.modules["people"]["ambiguous"] == 3
    assert len(pair.a.rows["people"]) == 2
    assert len(pair.b.rows["people"]) == 1
    assert pair.run().modules["people"]["ambiguous"] == 3


def test_namesakes_that_differ_where_it_counts_are_told_apart(pair: Pair) -> None:
    pair.a.person("people", name="Acme", tax="1")
    pair.a.person("people", name="Acme", tax="2")
    pair.b.person("people", name="Acme", tax="2")
    result = pair.run()
    assert result.modules["people"]["linked"] == 1
    assert sorted(row["tax"] for row in pair.b.rows["people"].values()) == ["1", "2"]
    quiet(pair)


def test_a_new_namesake_of_a_linked_record_is_asked_about(pair: Pair) -> None:
    met(pair, tax=None)
    pair.a.person("people", name="ACME")
    result = pair.run()
    assert result.modules["people"]["ambiguous"] == 1
    assert len(pair.b.rows["people"]) == 1


def test_an_unclear_match_is_taken_up_again_when_it_clears(pair: Pair) -> None:
    first = pair.a.person("people", name="Acme")
    pair.a.person("people", name="ACME Ltd")
    pair.b.person("people", name="Acme Limited")
    pair.run()
    pair.a.person("people", first, name="Zenith")
    result = pair.run()
    assert result.status == "done"
    assert sorted(row["name"] for row in pair.b.rows["people"].values()) == ["ACME Ltd", "Zenith"]
    quiet(pair)


def test_a_refused_record_fails_alone_and_is_tried_again_later(pair: Pair) -> None:
    pair.b.refuse = lambda write: "no such luck" if write.values.get("name") == "Bad" else None
    pair.a.person("people", name="Bad")
    pair.a.person("people", name="Good")
    result = pair.run()
    assert result.status == "failed"
    assert result.modules["people"]["failed"] == 1
    assert [row["name"] for row in pair.b.rows["people"].values()] == ["Good"]
    pair.b.calls.clear()
    pair.run()
    assert [c for c in pair.b.calls if c[0] == "write"] == []
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    assert pair.run().status == "done"
    assert len(pair.b.rows["people"]) == 2
    quiet(pair)


def test_a_name_that_is_taken_is_asked_about_and_the_other_fields_go_on(pair: Pair) -> None:
    left, right = met(pair)
    pair.b.unique = ("name",)
    pair.b.person("people", name="Zenith", tax="77")
    pair.run()
    pair.a.person("people", left, name="Zenith", phone="2")
    result = pair.run()
    assert result.status == "attention"
    assert result.modules["people"]["conflicts"] == 1
    assert pair.b.rows["people"][right]["phone"] == "2"
    assert pair.b.rows["people"][right]["name"] == "Acme"
    pair.b.calls.clear()
    pair.run()
    assert [c for c in pair.b.calls if c[0] == "write"] == []
    pair.a.person("people", left, name="Zenith Two")
    assert pair.run().status == "done"
    assert pair.b.rows["people"][right]["name"] == "Zenith Two"
    quiet(pair)


def test_an_edit_brings_a_refused_record_back_at_once(pair: Pair) -> None:
    pair.b.refuse = lambda write: "no such luck" if write.values.get("name") == "Bad" else None
    bad = pair.a.person("people", name="Bad")
    pair.run()
    pair.a.person("people", bad, name="Better")
    assert pair.run().status == "done"
    assert [row["name"] for row in pair.b.rows["people"].values()] == ["Better"]


@pytest.mark.parametrize("returns_stored", [True, False])
def test_what_a_record_that_was_made_is_refused_is_told_and_tried_again(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    """Some of it takes calls of its own: the record is there, and one field of it is not."""
    able = {"returns_stored": returns_stored}
    pair = Pair(tmp_path, database, a=able, b=able)
    pair.b.miss = lambda write: frozenset({"phone"})
    pair.b.refuse = lambda write: "not this number" if "phone" in write.values and write.id else None
    left = pair.a.person("people", name="Acme", phone="1", tax="7")
    result = pair.run()
    assert (result.modules["people"]["created"]["b"], result.modules["people"]["failed"]) == (1, 1)
    (right,) = pair.b.rows["people"]
    with pair.scopes() as (scope,), database.read() as db:
        row = scope.ledger.staged(db, 0, [left])[left]
    assert "not this number" in row.reason
    (told,) = events(pair, "created")
    assert set(json.loads(told.detail)["fields"]) == {"name", "tax"}
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "1"
    assert pair.a.rows["people"][left]["phone"] == "1"
    quiet(pair)


@pytest.mark.parametrize("returns_stored", [True, False])
def test_a_create_whose_answer_is_lost_is_not_repeated(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    pair = Pair(tmp_path, database, b={"returns_stored": returns_stored})
    pair.b.lose = lambda write: True
    pair.a.person("people", name="Acme")
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert len(pair.b.rows["people"]) == 1
    quiet(pair)


class Silence:
    """A remote that answers no call in which a record of that name is written, and stores nothing of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pair: Pair, name: str | None) -> None:
        self.name = name
        original = MemorySession.write

        def write(session: MemorySession, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
            if session.remote is pair.b and any(w.values.get("name") == self.name for w in writes):
                session.remote.calls.append(("write", module, len(writes)))
                return [Outcome(kind=OutcomeKind.UNKNOWN, message="it answered 500") for _ in writes]
            return original(session, module, writes)

        monkeypatch.setattr(MemorySession, "write", write)


def test_a_pass_says_that_it_does_not_know_what_became_of_a_write(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = Silence(monkeypatch, pair, "Acme")
    pair.a.person("people", name="Acme")
    (warning,) = pair.run().warnings
    assert "people: 1 writes to b were sent without an answer (it answered 500)" in warning
    assert "may still be carried out" in warning
    silence.name = None
    pair.now += timedelta(minutes=3)
    result = pair.run()
    assert (result.status, result.warnings) == ("done", [])
    assert [row["name"] for row in pair.b.rows["people"].values()] == ["Acme"]


def test_an_update_whose_answer_is_lost_is_looked_at_again(pair: Pair) -> None:
    left, right = met(pair)
    pair.b.lose = lambda write: True
    pair.a.person("people", left, phone="2")
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "2"
    quiet(pair)


@pytest.mark.parametrize("returns_stored", [True, False])
def test_an_update_whose_answer_is_lost_is_told_like_any_other(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    pair = Pair(tmp_path, database, b={"returns_stored": returns_stored})
    left, right = met(pair)
    pair.b.lose = lambda write: True
    pair.a.person("people", left, phone="from a")
    pair.b.person("people", right, phone="from b")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "from a"
    (event,) = events(pair, "updated")
    assert '"before":"from b"' in event.detail
    assert '"after":"from a"' in event.detail
    assert '"lost":"from b"' in event.detail
    assert "its answer was lost" in event.detail
    quiet(pair)


@pytest.mark.parametrize("kind", ["archive", "delete"])
def test_a_record_that_left_by_a_write_without_an_answer_is_told(
    tmp_path: Path, database: Database, kind: str
) -> None:
    pair = Pair(tmp_path, database, SPEC + f"    deletes: {{b: {kind}}}\n    limits: {{deletes: none}}\n")
    left, right = met(pair)
    pair.b.lose = lambda write: True
    pair.a.set_state("people", left, State.DELETED)
    pair.run()
    (event,) = [e for e in events(pair, f"{kind}d".replace("ee", "e")) if e.side == 1]
    assert event.record == right
    assert "its answer was lost" in event.detail
    quiet(pair)


@pytest.mark.parametrize("kind", [WriteKind.CREATE, WriteKind.UPDATE])
def test_a_write_that_a_remote_gets_round_to_late_is_not_repeated(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, kind: WriteKind
) -> None:
    if kind is WriteKind.UPDATE:
        left, _ = met(pair)
        pair.a.person("people", left, phone="2")
    else:
        pair.a.person("people", name="Acme", phone="2")
    original, late = MemorySession.write, []

    def write(session: MemorySession, module: str, writes: Any) -> Any:
        late.append(lambda: original(session, module, writes))
        return [Outcome(kind=OutcomeKind.UNKNOWN, id=w.id, message="no answer") for w in writes]

    monkeypatch.setattr(MemorySession, "write", write)
    pair.run()
    pair.now += timedelta(minutes=1)
    pair.run()
    assert len(late) == 1, "sent again while the first may still be carried out"
    monkeypatch.setattr(MemorySession, "write", original)
    late[0]()
    pair.now += timedelta(minutes=3)
    pair.run()
    assert [row["phone"] for row in pair.b.rows["people"].values()] == ["2"]
    quiet(pair)


@pytest.mark.parametrize("kind", ["archive", "delete"])
def test_a_record_that_could_not_leave_at_first_leaves_later(
    tmp_path: Path, database: Database, kind: str
) -> None:
    pair = Pair(tmp_path, database, SPEC + f"    deletes: {{b: {kind}}}\n    limits: {{deletes: none}}\n")
    left, right = met(pair)
    pair.b.refuse = lambda write: "not now"
    pair.a.set_state("people", left, State.DELETED)
    pair.run()
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    assert pair.b.record("people", right).state.value.startswith(kind)
    quiet(pair)


def test_a_restore_that_did_not_happen_at_first_happens_later(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, SPEC + "    deletes: {b: archive}\n    limits: {deletes: none}\n")
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.run()
    pair.b.refuse = lambda write: "not now"
    pair.a.set_state("people", left, State.LIVE)
    pair.a.person("people", left, phone="7")
    pair.run()
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    assert pair.b.record("people", right).state is State.LIVE
    assert pair.b.rows["people"][right]["phone"] == "7"
    quiet(pair)


def test_what_was_shortened_is_not_carried_back_by_another_edit(tmp_path: Path, database: Database) -> None:
    """A transform that reads the whole record is compared by what it gives, after our own write as well."""
    spec = SPEC.replace(
        "phone: {a: phone, b: phone}",
        """phone: {a: phone, b: phone}
      note:
        a: note
        b: note
        to: {b: "{{ record.note | truncate(3) }}", a: "{{ record.note }}"}""",
    )
    pair = Pair(tmp_path, database, spec)
    left, right = met(pair, note="a long note")
    assert pair.b.rows["people"][right]["note"] == "a l"
    for tax in ("1", "2"):
        pair.b.person("people", right, tax=tax)
        pair.run()
        assert pair.a.rows["people"][left]["note"] == "a long note"
        pair.a.person("people", left, note="a long note")
    pair.a.person("people", left, note="b long note")
    pair.run()
    pair.b.person("people", right, tax="3")
    pair.run()
    assert (pair.a.rows["people"][left]["note"], pair.b.rows["people"][right]["note"]) == (
        "b long note",
        "b l",
    )
    quiet(pair)


def test_an_update_whose_fate_cannot_be_told_is_not_claimed(pair: Pair) -> None:
    left, right = met(pair)
    pair.a.person("people", left, phone="from a")
    pair.b.person("people", right, phone="from b")

    def lose(write: Write) -> bool:
        pair.b.person("people", right, phone="from a person")
        pair.b.lose = lambda write: False
        return True

    pair.b.lose = lose
    pair.run()
    assert events(pair, "unclear") == []  # it may still be carried out
    pair.now += timedelta(minutes=3)
    pair.run()
    (unclear,) = events(pair, "unclear")
    assert unclear.record == right
    for said in ('"sent":"from a"', '"after":"from a person"', '"lost":"from b"'):
        assert said in unclear.detail
    (event,) = events(pair, "updated")
    assert '"lost":"from a person"' in event.detail
    quiet(pair)


def test_an_update_that_was_carried_out_in_part_is_finished(pair: Pair) -> None:
    """A remote may take several calls for one write, and the process may die between them."""
    left, right = met(pair)
    pair.a.person("people", left, phone="2", tax="77")

    def lose(write: Write) -> bool:
        pair.b.store("people", right, {"tax": "9"})  # as it was
        pair.b.lose = lambda write: False
        return True

    pair.b.lose = lose
    pair.run()
    assert pair.run().modules["people"]["waiting"] == 1
    assert events(pair, "updated") == []  # the rest of it may still come
    pair.now += timedelta(minutes=3)
    pair.run()
    assert events(pair, "unclear") == []
    first, second = (json.loads(event.detail) for event in events(pair, "updated"))
    assert (list(first["fields"]), list(second["fields"])) == (["phone"], ["tax"])
    assert first["warnings"] == ["its answer was lost; the record was found as it was sent"]
    assert (pair.b.rows["people"][right]["phone"], pair.b.rows["people"][right]["tax"]) == ("2", "77")
    quiet(pair)


def test_a_create_of_which_a_part_may_still_come_is_left_alone_until_it_is_finished(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again too early, the part would be done twice (a credit note that is set off against an invoice).
    Meanwhile the record is there to be read: it is nobody else's."""
    pair = Pair(tmp_path, database, SPEC + BILLS.partition("modules:")[2].partition("  people:")[0])
    left = pair.a.person("people", name="Acme", phone="1")
    pair.a.person("bills", title="B-1", who=left)
    original, under_way = MemorySession.settle, []

    def settle(session: MemorySession, module: str, sent: Sequence[SentWrite]) -> Any:
        found = original(session, module, sent)
        under_way.extend(one.under_way for one in sent)
        return [
            replace(outcome, kind=OutcomeKind.UNKNOWN, record=None) if one.under_way and outcome else outcome
            for one, outcome in zip(sent, found, strict=True)
        ]

    monkeypatch.setattr(MemorySession, "settle", settle)
    pair.b.lose = lambda write: True
    pair.run()
    pair.b.lose = lambda write: False
    result = pair.run()
    assert pair.b.rows["bills"] == {}, "it may not be told of what is not there as a whole"
    assert result.status == "done", "nobody is asked who it is"
    assert result.modules["people"]["waiting"] == 1
    assert events(pair, "created") == []
    pair.now += timedelta(minutes=3)
    pair.run()
    assert (under_way[0], under_way[-1]) == (True, False)
    assert (len(pair.b.rows["people"]), len(pair.b.rows["bills"])) == (1, 1)
    assert [event.side for event in events(pair, "created")] == [1, 1]
    quiet(pair)


def test_an_update_that_never_arrived_is_not_claimed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = met(pair)
    pair.a.person("people", left, phone="2")
    original, tries = MemorySession.write, []

    def write(session: MemorySession, module: str, writes: Any) -> Any:
        tries.append(module)
        if len(tries) == 1:
            return [Outcome(kind=OutcomeKind.UNKNOWN, id=w.id, message="no answer") for w in writes]
        return original(session, module, writes)

    monkeypatch.setattr(MemorySession, "write", write)
    pair.run()
    assert pair.run().modules["people"]["waiting"] == 1
    assert len(tries) == 1  # it may still be carried out
    pair.now += timedelta(minutes=3)
    pair.run()
    assert len(tries) == 2
    assert events(pair, "unclear") == []
    (event,) = events(pair, "updated")
    assert "its answer was lost" not in event.detail
    assert pair.b.rows["people"][right]["phone"] == "2"
    quiet(pair)


@pytest.mark.parametrize("conditional", [True, False])
def test_an_edit_between_read_and_write_is_not_overwritten(
    tmp_path: Path, database: Database, conditional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(tmp_path, database, b={"returns_stored": True, "conditional": conditional})
    left, right = met(pair)
    pair.a.person("people", left, phone="from a")
    name = "write" if conditional else "read_ids"
    original = getattr(MemorySession, name)
    late = iter([True])

    def meanwhile(session: MemorySession, *args: Any) -> Any:
        if session.remote is pair.b and next(late, False):
            pair.b.person("people", right, phone="from b", tax="77")
        return original(session, *args)

    monkeypatch.setattr(MemorySession, name, meanwhile)
    pair.run()
    assert pair.a.rows["people"][left]["tax"] == "77"
    assert pair.b.rows["people"][right]["phone"] == "from a"
    assert any('"lost":"from b"' in event.detail for event in events(pair, "updated"))
    quiet(pair)


def test_children_wait_for_their_parents(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, BILLS)
    pair.b.refuse = lambda write: "not now" if write.values.get("name") == "Acme" else None
    who = pair.a.person("people", name="Acme")
    pair.a.person("items", code="I1", name="Thing")
    lines = [{"id": "x", "item": "I1", "text": "one", "quantity": 2}]
    pair.a.person("bills", title="B1", who=who, total=5, lines=lines)
    result = pair.run()
    assert result.modules["bills"]["waiting"] == 1
    assert pair.b.rows["bills"] == {}
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    (bill,) = pair.b.rows["bills"].values()
    (person,) = pair.b.rows["people"]
    assert bill["who"] == person
    assert [line["item"] for line in bill["lines"]] == ["I1"]
    quiet(pair)


def test_parents_and_children_are_created_in_one_pass(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, BILLS)
    pair.b.person("items", code="I1", name="Thing")  # so that the two systems number their people apart
    who = pair.a.person("people", name="Acme")
    pair.a.person("bills", title="B1", who=who, total=5, lines=[])
    pair.run()
    (bill,), (person,) = pair.b.rows["bills"].values(), pair.b.rows["people"]
    assert person != who
    assert bill["who"] == person
    quiet(pair)


def test_a_line_without_an_item_has_the_one_that_stands_for_none(database: Database, tmp_path: Path) -> None:
    pair = Pair(tmp_path, database, BILLS.replace("ref: items", "ref: items, otherwise: {b: MISC}"))
    for code in ("I1", "MISC"):
        pair.a.person("items", code=code, name=code)
    pair.run()
    free = {"item": None, "text": "free", "quantity": 1}
    right = pair.b.person("bills", title="B1", who=None, total=5, lines=[{"id": "x", **free}])
    pair.run()
    (left,) = pair.a.rows["bills"].values()
    assert [line["item"] for line in left["lines"]] == ["MISC"]
    pair.a.person("bills", title="B2", who=None, total=5, lines=[{"id": "y", **free, "item": "MISC"}])
    pair.a.person("bills", title="B3", who=None, total=5, lines=[{"id": "z", **free, "item": "I1"}])
    pair.run()
    made = {row["title"]: row["lines"][0]["item"] for row in pair.b.rows["bills"].values()}
    assert made == {"B1": None, "B2": None, "B3": "I1"}
    assert right in pair.b.rows["bills"]
    quiet(pair)


def test_what_stands_for_none_is_named_by_its_natural_key_where_references_go_by_id(
    database: Database, tmp_path: Path
) -> None:
    pair = Pair(tmp_path, database, BILLS.replace("ref: people", "ref: people, otherwise: {b: WALK-IN}"))
    pair.b.person("bills", title="B1", who=None, total=5, lines=[])
    assert pair.run().modules["bills"]["waiting"] == 1
    walk_in = pair.b.person("people", name="Walk-in customer", code="WALK-IN")
    pair.b.person("people", name="Somebody", code="S")
    pair.run()
    pair.run()
    (bill,) = pair.a.rows["bills"].values()
    ids = {row["name"]: record for record, row in pair.a.rows["people"].items()}
    assert bill["who"] == ids["Walk-in customer"] != walk_in

    pair.a.person("bills", title="B2", who=ids["Walk-in customer"], total=5, lines=[])
    pair.a.person("bills", title="B3", who=ids["Somebody"], total=5, lines=[])
    pair.run()
    made = {row["title"]: row.get("who") for row in pair.b.rows["bills"].values()}
    assert made["B2"] is None
    assert pair.b.rows["people"][made["B3"]]["name"] == "Somebody"
    quiet(pair)


def test_a_line_waits_for_the_item_that_stands_for_none(database: Database, tmp_path: Path) -> None:
    pair = Pair(tmp_path, database, BILLS.replace("ref: items", "ref: items, otherwise: {b: MISC}"))
    lines = [{"id": "x", "item": None, "text": "free", "quantity": 1}]
    pair.b.person("bills", title="B1", who=None, total=5, lines=lines)
    assert pair.run().modules["bills"]["waiting"] == 1
    pair.b.person("items", code="MISC", name="Anything")
    pair.run()
    pair.run()
    assert [row["lines"][0]["item"] for row in pair.a.rows["bills"].values()] == ["MISC"]


def test_an_edited_line_keeps_its_id_and_a_header_edit_sends_no_lines(
    tmp_path: Path, database: Database
) -> None:
    pair = Pair(tmp_path, database, BILLS)
    lines = [{"id": f"l{n}", "item": None, "text": f"line {n}", "quantity": n} for n in range(1, 6)]
    left = pair.a.person("bills", title="B1", who=None, total=5, lines=lines)
    pair.run()
    (right,) = pair.b.rows["bills"]
    ids = [line["id"] for line in pair.b.rows["bills"][right]["lines"]]
    sent: list[Write] = []
    pair.b.refuse = lambda write: sent.append(write)  # type: ignore[func-returns-value]
    edited = [dict(line) for line in lines]
    edited[2]["text"] = "edited"
    del edited[4]
    pair.a.person("bills", left, lines=edited)
    pair.run()
    stored = pair.b.rows["bills"][right]["lines"]
    assert [line["id"] for line in stored] == ids[:4]
    assert stored[2]["text"] == "edited"
    assert sent[-1].values["lines"].removed == (ids[4],)
    pair.a.person("bills", left, total=6)
    pair.run()
    assert set(sent[-1].values) == {"total"}
    quiet(pair)


@pytest.mark.parametrize(
    ("rule", "state", "expected"),
    [
        pytest.param("ignore", State.DELETED, State.LIVE, id="ignored"),
        pytest.param("archive", State.DELETED, State.ARCHIVED, id="archived"),
        pytest.param("delete", State.DELETED, State.DELETED, id="deleted"),
        pytest.param("archive", State.ARCHIVED, State.ARCHIVED, id="archive-follows-archive"),
    ],
)
def test_the_delete_rule_decides(
    tmp_path: Path, database: Database, rule: str, state: State, expected: State
) -> None:
    spec = SPEC.replace("    match:", f"    deletes: {{b: {rule}}}\n    match:")
    pair = Pair(tmp_path, database, spec)
    left, right = met(pair)
    pair.a.set_state("people", left, state)
    pair.run()
    assert pair.b.meta["people"][right]["state"] is expected
    quiet(pair)
    assert len(pair.a.rows["people"]) == 1


def test_an_edit_wins_over_a_delete_and_is_reported(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, SPEC.replace("    match:", "    deletes: {b: delete}\n    match:"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.DELETED)
    pair.b.person("people", right, phone="new")
    result = pair.run()
    assert result.status == "attention"
    assert pair.b.meta["people"][right]["state"] is State.LIVE


def test_a_restored_record_is_restored_and_caught_up(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, SPEC.replace("    match:", "    deletes: {b: archive}\n    match:"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.run()
    pair.a.set_state("people", left, State.LIVE)
    pair.a.person("people", left, phone="new")
    pair.run()
    quiet(pair)
    assert pair.b.meta["people"][right]["state"] is State.LIVE
    assert pair.b.rows["people"][right]["phone"] == "new"


def test_leaving_the_filter_is_never_a_delete(tmp_path: Path, database: Database) -> None:
    where = '    deletes: {b: delete}\n    where: {a: "{{ record.active }}"}\n    match:'
    pair = Pair(tmp_path, database, SPEC.replace("    match:", where))
    left, right = met(pair, active=True)
    pair.a.person("people", left, active=False, phone="hidden")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "1"
    pair.b.person("people", right, email="while@out")
    pair.run()
    assert pair.a.rows["people"][left]["email"] == "a@x.y"
    pair.a.person("people", left, active=True)
    pair.run()
    quiet(pair)
    assert pair.b.rows["people"][right]["phone"] == "hidden"
    assert pair.a.rows["people"][left]["email"] == "while@out"


def test_too_many_deletes_stop_the_pass_before_the_first_write(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, SPEC.replace("    match:", "    deletes: {b: delete}\n    match:"))
    people = [pair.a.person("people", name=f"P{n}") for n in range(20)]
    pair.run()
    for record in people[:5]:
        pair.a.set_state("people", record, State.DELETED)
    pair.a.person("people", people[9], phone="5")
    pair.b.calls.clear()
    result = pair.run()
    assert result.status == "stopped"
    assert "5 deletes, archives and voids" in result.problems["people"]
    assert [c for c in pair.b.calls if c[0] == "write"] == []


def test_a_locked_record_is_told_once_and_written_when_it_opens(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = met(pair)
    original = type(pair.b).record
    locked = {"yes": True}

    def record(remote: Any, module: str, record_id: str) -> Record:
        from msgspec.structs import replace

        found = original(remote, module, record_id)
        if remote is pair.b and locked["yes"]:
            return replace(found, lock=Lock(reason="the period is closed", editable=frozenset({"tax"})))
        return found

    monkeypatch.setattr(type(pair.b), "record", record)
    pair.b.person("people", right, note="closed")
    pair.run()
    pair.a.person("people", left, phone="2", tax="3")
    result = pair.run()
    assert result.modules["people"]["locked"] == 1
    assert pair.b.rows["people"][right]["phone"] == "1"
    assert pair.b.rows["people"][right]["tax"] == "3"
    pair.run()
    assert len(events(pair, "locked")) == 1
    locked["yes"] = False
    pair.b.person("people", right, note="open")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "2"
    quiet(pair)


def test_a_one_way_map_reports_drift_and_leaves_it(tmp_path: Path, database: Database) -> None:
    spec = SPEC.replace("phone: {a: phone, b: phone}", 'phone: {a: phone, b: phone, direction: "a -> b"}')
    pair = Pair(tmp_path, database, spec)
    left, right = met(pair)
    pair.b.person("people", right, phone="drifted")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "drifted"
    assert pair.a.rows["people"][left]["phone"] == "1"
    assert len(events(pair, "drift")) == 1
    pair.run()
    assert len(events(pair, "drift")) == 1


def test_an_enforced_one_way_map_is_put_back(tmp_path: Path, database: Database) -> None:
    spec = SPEC.replace(
        "phone: {a: phone, b: phone}", 'phone: {a: phone, b: phone, direction: "a -> b", enforce: true}'
    )
    pair = Pair(tmp_path, database, spec)
    _, right = met(pair)
    pair.b.person("people", right, phone="drifted")
    pair.run()
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "1"
    assert any('"lost":"drifted"' in event.detail for event in events(pair, "updated"))
    quiet(pair)


def test_a_number_that_the_remote_gives_comes_back_in_the_same_pass(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPEC.replace(
        "      tax: {a: tax, b: tax}",
        '      tax: {a: tax, b: tax}\n      number: {a: note, b: number, direction: "b -> a"}',
    )
    pair = Pair(tmp_path, database, spec)
    original = MemorySession._write

    def numbered(session: MemorySession, module: str, write: Write) -> Any:
        if session.remote is pair.b and write.kind is WriteKind.CREATE:
            write = Write(kind=write.kind, key=write.key, values={**write.values, "number": "N-1"})
        return original(session, module, write)

    monkeypatch.setattr(MemorySession, "_write", numbered)
    left, _ = met(pair)
    assert pair.a.rows["people"][left]["note"] == "N-1"
    quiet(pair)


def test_a_changed_spec_reads_everything_again_and_writes_only_what_differs(pair: Pair) -> None:
    left, right = met(pair, note="hello")
    pair.spec = pair.load(SPEC + "      note: {a: note, b: note}\n")
    pair.b.calls.clear()
    pair.run()
    assert pair.b.rows["people"][right]["note"] == "hello"
    assert [c for c in pair.b.calls if c[0] == "write"] == [("write", "people", 1)]
    quiet(pair)
    assert pair.a.rows["people"][left]["note"] == "hello"


def test_a_map_that_is_aimed_at_another_field_is_compared_as_on_a_first_meeting(pair: Pair) -> None:
    left, right = met(pair, note=None)
    pair.b.person("people", right, note="555")
    pair.spec = pair.load(SPEC.replace("phone: {a: phone, b: phone}", "phone: {a: phone, b: note}"))
    pair.run()
    assert pair.a.rows["people"][left]["phone"] == "1"
    assert pair.b.rows["people"][right]["note"] == "1"
    assert any('"lost":"555"' in event.detail for event in events(pair, "updated"))
    quiet(pair)


def test_a_page_that_could_not_be_staged_is_read_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.a.person("people", name="Acme")

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Ledger, "save_staged", fail)
        assert pair.run().status == "failed"
    pair.run()
    assert [row["name"] for row in pair.b.rows["people"].values()] == ["Acme"]


@pytest.mark.parametrize("returns_stored", [True, False])
def test_the_form_that_a_remote_gives_a_value_never_comes_back(
    tmp_path: Path, database: Database, returns_stored: bool
) -> None:
    pair = Pair(tmp_path, database, b={"returns_stored": returns_stored})
    pair.b.rewrite = lambda name, value: value.upper() if name == "name" else value
    left, right = met(pair)
    pair.run()
    pair.b.person("people", right, tax="10")
    pair.run()
    assert pair.b.rows["people"][right]["name"] == "ACME"
    assert (pair.a.rows["people"][left]["name"], pair.a.rows["people"][left]["tax"]) == ("Acme", "10")
    quiet(pair)


#: Two modules that write different fields of the same records.
SHARED = (
    SPEC
    + """
  notes:
    between: {a: people, b: people}
    match: [{a: "name | fold", b: "name | fold"}]
    fields: {note: {a: note, b: note}}
"""
)


@pytest.mark.parametrize("at_once", [True, False], ids=["in the same pass", "in a later pass"])
def test_what_another_modules_late_write_may_overwrite_is_held_back(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Some remotes are told the whole of what a change is a part of: what is written there meanwhile would be
    lost with the change that comes late."""
    pair = Pair(tmp_path, database, SHARED)
    left, right = met(pair)
    original, late = MemorySession.write, []

    def write(session: MemorySession, module: str, writes: Any) -> Any:
        if not late:
            late.append(lambda: original(session, module, writes))
            return [Outcome(kind=OutcomeKind.UNKNOWN, id=w.id, message="no answer") for w in writes]
        return original(session, module, writes)

    monkeypatch.setattr(MemorySession, "write", write)
    pair.a.person("people", left, phone="2", **({"note": "n"} if at_once else {}))
    pair.run()
    if not at_once:
        pair.a.person("people", left, note="n")
    pair.now += timedelta(minutes=1)
    told = pair.run()
    assert told.modules["notes"]["waiting"] == 1
    assert pair.b.rows["people"][right].get("note") is None
    late[0]()
    pair.now += timedelta(minutes=3)
    pair.run()
    row = pair.b.rows["people"][right]
    assert (row["phone"], row["note"]) == ("2", "n")
    quiet(pair)
