"""Histories that once did not converge, each shrunk to the few steps that matter."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.support.memory import MemorySession
from tests.support.world import BILLS, SPEC, Pair

from syncline import exactjson
from syncline.connect.contract import State, Write, WriteKind
from syncline.connect.errors import RemoteUnavailable
from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.passes import PassResult, run_prepared
from syncline.run.push import _read as read_pushed
from syncline.store import tables as t
from syncline.store.database import Database


def deletes(rule: str, *, more: str = "") -> str:
    """The spec with a rule for what becomes of b's record when a's is gone."""
    return SPEC.replace("    match:", f"    deletes: {{b: {rule}}}\n{more}    match:")


#: What is archived at one end is archived at the other.
ARCHIVED_WITH_IT = SPEC.replace("    match:", "    deletes: {a: archive, b: archive}\n    match:")


def met(pair: Pair, **values: Any) -> tuple[str, str]:
    """One person, known to both ends and in step."""
    left = pair.a.person("people", **{"name": "Acme", "phone": "1", "tax": "9", "email": "a@x.y", **values})
    pair.run()
    (right,) = pair.b.rows["people"]
    return left, right


def states(pair: Pair, left: str, right: str) -> list[State]:
    """Of a person's record at either end."""
    return [remote.meta["people"][one]["state"] for remote, one in ((pair.a, left), (pair.b, right))]


def assert_quiet(pair: Pair) -> None:
    pair.a.calls.clear()
    pair.b.calls.clear()
    assert pair.run().status == "done"
    assert [c for c in pair.a.calls + pair.b.calls if c[0] == "write"] == []


def questions(pair: Pair) -> list[str]:
    with pair.scopes() as (scope,), pair.database.read() as db:
        return [question.kind for question in scope.ledger.questions(db)]


def lost(pair: Pair) -> list[Any]:
    """The values that a rule discarded, as the audit log has them."""
    with pair.database.read() as db:
        details = [exactjson.decode(text) for text in db.scalars(sa.select(t.audit.c.detail))]
    return [part["lost"] for d in details for part in d.get("fields", {}).values() if "lost" in part]


@pytest.fixture
def unavailable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``unavailable(call, remote)``: the next such call of a remote is not answered."""

    def arm(call: str, remote: Any) -> None:
        original = getattr(MemorySession, call)
        left = iter([True])

        def broken(session: MemorySession, *args: Any) -> Any:
            if session.remote is remote and next(left, False):
                raise RemoteUnavailable("not now")
            return original(session, *args)

        monkeypatch.setattr(MemorySession, call, broken)

    return arm


@pytest.mark.parametrize("gone", [State.DELETED, State.ARCHIVED])
@pytest.mark.parametrize("rule", ["archive", "delete"])
def test_a_delete_that_could_not_be_carried_over_is_carried_over_later(
    tmp_path: Path, state: Database, unavailable: Any, gone: State, rule: str
) -> None:
    pair = Pair(tmp_path, state, deletes(rule))
    left, right = met(pair)
    pair.a.set_state("people", left, gone)
    unavailable("write", pair.b)
    assert pair.run().status == "failed"
    pair.run()
    assert pair.b.meta["people"][right]["state"] is (State.ARCHIVED if rule == "archive" else State.DELETED)
    assert_quiet(pair)


def test_a_delete_that_the_remote_refuses_is_tried_again(tmp_path: Path, state: Database) -> None:
    pair = Pair(tmp_path, state, deletes("archive"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.DELETED)
    pair.b.refuse = lambda write: "not now"
    assert pair.run().status == "failed"
    pair.b.refuse = lambda write: None
    pair.now += timedelta(minutes=6)
    pair.run()
    assert pair.b.meta["people"][right]["state"] is State.ARCHIVED
    assert_quiet(pair)


def test_deletes_that_a_limit_stopped_are_not_forgotten(tmp_path: Path, state: Database) -> None:
    pair = Pair(tmp_path, state, deletes("delete"))
    people = [pair.a.person("people", name=f"P{n}") for n in range(20)]
    pair.run()
    for record in people[:5]:
        pair.a.set_state("people", record, State.DELETED)
    assert pair.run().status == "stopped"
    assert pair.run().status == "stopped"
    pair.spec = pair.load(deletes("delete", more="    limits: {deletes: 5}\n"))
    pair.run()
    gone = [r for r, meta in pair.b.meta["people"].items() if meta["state"] is State.DELETED]
    assert len(gone) == 5


def test_a_restore_that_could_not_be_carried_over_is_carried_over_later(
    tmp_path: Path, state: Database, unavailable: Any
) -> None:
    pair = Pair(tmp_path, state, deletes("archive"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.run()
    pair.a.set_state("people", left, State.LIVE)
    pair.a.person("people", left, phone="new")
    unavailable("write", pair.b)
    assert pair.run().status == "failed"
    pair.run()
    assert pair.b.meta["people"][right]["state"] is State.LIVE
    assert pair.b.rows["people"][right]["phone"] == "new"
    assert_quiet(pair)


def test_a_question_about_a_deleted_record_stands_while_the_other_is_edited_on(
    tmp_path: Path, state: Database
) -> None:
    pair = Pair(tmp_path, state, deletes("delete"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.DELETED)
    pair.b.person("people", right, phone="2")
    pair.run()
    assert questions(pair) == ["deleted-and-edited"]
    pair.b.person("people", right, phone="3")
    assert pair.run().status == "attention"
    assert questions(pair) == ["deleted-and-edited"]
    pair.a.set_state("people", left, State.LIVE)
    pair.run()
    assert questions(pair) == []
    assert pair.a.rows["people"][left]["phone"] == "3"
    assert_quiet(pair)


def test_a_question_about_a_deleted_record_ends_when_the_edit_is_taken_back(
    tmp_path: Path, state: Database
) -> None:
    pair = Pair(tmp_path, state, deletes("delete"))
    left, right = met(pair)
    pair.a.set_state("people", left, State.DELETED)
    pair.b.person("people", right, phone="2")
    pair.run()
    pair.b.person("people", right, phone="1")
    pair.run()
    assert questions(pair) == []
    assert pair.b.meta["people"][right]["state"] is State.DELETED
    assert_quiet(pair)


@pytest.mark.parametrize("conditional", [False, True], ids=["by-the-look-before-it", "by-its-answer"])
def test_a_deleted_record_that_is_noticed_by_a_write_is_asked_about(
    tmp_path: Path, state: Database, conditional: bool
) -> None:
    able = {"returns_stored": True, "deletions": False, "conditional": conditional}
    spec = SPEC.replace("    match:", "    deletes: {a: delete}\n    match:")
    pair = Pair(tmp_path, state, spec, b=able)
    left, right = met(pair)
    pair.a.person("people", left, phone="2")
    del pair.b.rows["people"][right], pair.b.meta["people"][right]
    assert pair.run().status == "attention"
    assert questions(pair) == ["deleted-and-edited"]
    assert pair.a.meta["people"][left]["state"] is State.LIVE


@pytest.mark.parametrize("returns_stored", [True, False])
def test_an_edit_made_while_the_other_was_filtered_out_survives_a_failed_look(
    tmp_path: Path, state: Database, unavailable: Any, returns_stored: bool
) -> None:
    where = '    where: {a: "{{ record.active }}"}\n    match:'
    spec = SPEC.replace("    match:", where)
    pair = Pair(tmp_path, state, spec, b={"returns_stored": returns_stored})
    left, right = met(pair, active=True)
    pair.a.person("people", left, active=False)
    pair.run()
    pair.b.person("people", right, phone="while out", tax="10")
    pair.run()
    pair.a.person("people", left, active=True, phone="2")
    unavailable("read_ids", pair.b)
    assert pair.run().status == "failed"
    pair.run()
    assert pair.a.rows["people"][left]["tax"] == "10"
    assert pair.b.rows["people"][right]["phone"] == "2"
    assert lost(pair) == ["while out"]
    assert_quiet(pair)


def test_an_edit_made_just_before_a_delete_is_asked_about(
    tmp_path: Path, state: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that can refuse an overtaken update need not be able to refuse an overtaken delete."""
    pair = Pair(tmp_path, state, deletes("delete"), b={"returns_stored": True, "conditional": True})
    left, right = met(pair)
    pair.a.set_state("people", left, State.DELETED)
    original, late = MemorySession.read_ids, iter([True])

    def meanwhile(session: MemorySession, *args: Any) -> Any:
        if session.remote is pair.b and next(late, False):
            pair.b.person("people", right, phone="late")
        return original(session, *args)

    monkeypatch.setattr(MemorySession, "read_ids", meanwhile)
    assert pair.run().status == "attention"
    assert pair.b.meta["people"][right]["state"] is State.LIVE
    assert questions(pair) == ["deleted-and-edited"]


def test_records_that_vanish_while_they_are_written_do_not_take_the_others_with_them(
    tmp_path: Path, state: Database
) -> None:
    """A remote that suddenly knows nobody: what it hides is not deleted at the other end."""
    spec = SPEC.replace("    match:", "    deletes: {a: delete, b: delete}\n    match:")
    pair = Pair(tmp_path, state, spec, b={"returns_stored": True, "deletions": False})
    people = [pair.a.person("people", name=f"P{n}") for n in range(20)]
    pair.run()
    for record in people:
        pair.a.person("people", record, note="nothing that is mapped")
    pair.spec = pair.load(spec + "      note: {a: note, b: note}\n")
    pair.b.rows["people"].clear()
    pair.b.meta["people"].clear()
    assert pair.run().status == "stopped"
    assert {meta["state"] for meta in pair.a.meta["people"].values()} == {State.LIVE}


@pytest.mark.parametrize("kind", [WriteKind.ARCHIVE, WriteKind.DELETE])
def test_a_delete_whose_answer_was_lost_is_not_undone(
    tmp_path: Path, state: Database, kind: WriteKind
) -> None:
    pair = Pair(tmp_path, state, deletes(kind.value))
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.b.lose = lambda write: write.kind is kind
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert pair.a.meta["people"][left]["state"] is State.ARCHIVED
    assert pair.b.meta["people"][right]["state"] is (
        State.ARCHIVED if kind is WriteKind.ARCHIVE else State.DELETED
    )
    assert_quiet(pair)


def push(pair: Pair, side: Side, record: str) -> None:
    """What ``syncline push`` does for one record."""
    with pair.scopes() as (scope,):
        read_pushed(scope, side, record)
        run_prepared([scope], [scope], PassResult(), lambda text: None, whole=False)


def test_a_record_that_is_pushed_is_not_created_where_its_counterpart_is(
    tmp_path: Path, state: Database
) -> None:
    pair = Pair(tmp_path, state)
    met(pair)
    left = pair.a.person("people", name="Vine", phone="2")
    right = pair.b.person("people", name="Vine", phone="2")
    push(pair, Side.RIGHT, right)
    assert sorted(row["name"] for row in pair.a.rows["people"].values()) == ["Acme", "Vine"]
    pair.a.person("people", left, phone="3")
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "3"


def test_a_push_creates_no_other_record_where_its_counterpart_is(tmp_path: Path, state: Database) -> None:
    """What else is new at the other end is found on the way, and may be new at this end as well."""
    pair = Pair(tmp_path, state)
    met(pair)
    left = pair.a.person("people", name="Vine")
    for remote in (pair.a, pair.b):
        remote.person("people", name="Harbour")
    push(pair, Side.LEFT, left)
    assert names(pair) == [["Acme", "Harbour", "Vine"]] * 2


def test_a_push_creates_nothing_that_a_broken_pass_has_read_of_one_end_alone(
    tmp_path: Path, state: Database, unavailable: Any
) -> None:
    pair = Pair(tmp_path, state)
    left, _ = met(pair)
    for remote in (pair.a, pair.b):
        remote.person("people", name="Harbour")
    unavailable("read", pair.a)
    assert pair.run().status == "failed"
    pair.a.person("people", left, phone="3")
    push(pair, Side.LEFT, left)
    assert names(pair) == [["Acme", "Harbour"]] * 2


def names(pair: Pair) -> list[list[str]]:
    """The names of the people at each end."""
    return [sorted(row["name"] for row in remote.rows["people"].values()) for remote in (pair.a, pair.b)]


def test_a_record_cannot_be_pushed_to_where_nobody_has_looked(tmp_path: Path, state: Database) -> None:
    pair = Pair(tmp_path, state)
    pair.a.person("people", name="Vine")
    right = pair.b.person("people", name="Vine")
    with pytest.raises(SynclineError, match="a has not been read yet"):
        push(pair, Side.RIGHT, right)
    assert len(pair.a.rows["people"]) == 1


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_an_edit_made_before_a_lost_create_was_found_is_carried_over(
    tmp_path: Path, state: Database, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """What stands in the record that is found is not what our write made of it."""
    pair = Pair(tmp_path, state, b={"returns_stored": stored})
    left = pair.a.person("people", name="Acme", phone="1")
    original, early = MemorySession.settle, iter([True])

    def after_an_edit(session: MemorySession, *args: Any) -> Any:
        if next(early, False):
            (made,) = pair.b.rows["people"]
            pair.b.person("people", made, phone="2")
        return original(session, *args)

    monkeypatch.setattr(MemorySession, "settle", after_an_edit)
    pair.b.lose = lambda write: write.kind is WriteKind.CREATE
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert [row["phone"] for row in pair.b.rows["people"].values()] == ["2"]
    assert pair.a.rows["people"][left]["phone"] == "2"
    assert lost(pair) == []
    assert_quiet(pair)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_a_restore_is_not_undone_by_the_echo_of_the_archive_before_it(
    tmp_path: Path, state: Database, stored: bool
) -> None:
    """Brought back before our own archive was read: what was staged of that holds no longer."""
    pair = Pair(tmp_path, state, ARCHIVED_WITH_IT, a={"returns_stored": stored}, b={"returns_stored": stored})
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.run()
    assert pair.b.meta["people"][right]["state"] is State.ARCHIVED
    pair.a.set_state("people", left, State.LIVE)
    pair.run()
    assert states(pair, left, right) == [State.LIVE, State.LIVE]
    pair.run()
    assert_quiet(pair)


def test_a_restore_is_not_undone_while_nobody_could_read_it(
    tmp_path: Path, state: Database, unavailable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by itself, as the remote failed right after, nor in a list, which lags behind."""
    pair = Pair(tmp_path, state, ARCHIVED_WITH_IT, a={"returns_stored": False}, b={"returns_stored": False})
    left, right = met(pair)
    pair.a.set_state("people", left, State.ARCHIVED)
    pair.run()
    pair.a.set_state("people", left, State.LIVE)
    original = MemorySession._write

    def fails_next(session: MemorySession, module: str, write: Write) -> Any:
        unavailable("read_ids", session.remote)
        return original(session, module, write)

    with monkeypatch.context() as failing:
        failing.setattr(MemorySession, "_write", fails_next)
        pair.run()
    assert pair.b.meta["people"][right]["state"] is State.LIVE
    with monkeypatch.context() as lagging:
        lagging.setattr(pair.b, "since", lambda module, tick: [])
        pair.run()
    assert states(pair, left, right) == [State.LIVE, State.LIVE]
    pair.run()
    assert_quiet(pair)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_what_a_one_way_map_has_at_neither_end_is_agreed_on_when_a_record_is_made_at_its_source(
    tmp_path: Path, state: Database, stored: bool
) -> None:
    """The first edit at its target is none of two that have never met: an enforced map takes it back."""
    one_way = SPEC.replace("conflicts: {prefer: ask}", 'direction: "a -> b", enforce: true')
    pair = Pair(tmp_path, state, one_way, a={"returns_stored": stored}, b={"returns_stored": stored})
    right = pair.b.person("people", name="Acme", tax="9")
    pair.run()
    pair.run()
    pair.b.person("people", right, email="x@y.z")
    pair.run()
    assert not pair.b.rows["people"][right].get("email")
    assert lost(pair) == ["x@y.z"]
    assert_quiet(pair)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
@pytest.mark.parametrize("end", [State.ARCHIVED, State.DELETED])
def test_an_end_seen_first_when_a_lost_update_is_found_is_carried_over(
    tmp_path: Path, state: Database, monkeypatch: pytest.MonkeyPatch, end: State, stored: bool
) -> None:
    """What is found of our write is the record as it is by then: it has ended."""
    pair = Pair(tmp_path, state, ARCHIVED_WITH_IT, b={"returns_stored": stored})
    left, right = met(pair)
    original, written = MemorySession.read_ids, []

    def after_its_end(session: MemorySession, *args: Any) -> Any:
        if session.remote is pair.b and written:
            written.clear()
            pair.b.set_state("people", right, end)
        return original(session, *args)

    def lose(write: Write) -> bool:
        written.append(write)
        return True

    monkeypatch.setattr(MemorySession, "read_ids", after_its_end)
    pair.a.person("people", left, phone="2")
    pair.b.lose = lose
    pair.run()
    pair.b.lose = lambda write: False
    pair.run()
    assert not written
    pair.run()
    assert pair.a.meta["people"][left]["state"] is State.ARCHIVED
    assert_quiet(pair)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_an_edit_that_lists_show_late_is_seen_before_the_first_write_to_a_found_record(
    tmp_path: Path, state: Database, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """A record of which only is known that it was made has no version to make a write conditional on."""
    pair = Pair(tmp_path, state, b={"returns_stored": stored, "conditional": True})
    pair.b.rewrite = lambda name, value: value.upper()  # so that nobody knows what the create made of it
    left = pair.a.person("people", name="Acme", tax="9")
    pair.b.lose = lambda write: write.kind is WriteKind.CREATE
    pair.run()
    pair.b.lose = lambda write: False
    (right,) = pair.b.rows["people"]
    pair.a.person("people", left, phone="1")
    pair.b.person("people", right, phone="2")
    monkeypatch.setattr(pair.b, "since", lambda module, tick: [])
    pair.run()
    monkeypatch.undo()
    pair.run()
    assert pair.a.rows["people"][left]["phone"] == pair.b.rows["people"][right]["phone"] == "1"
    assert lost(pair) == ["2"]
    assert_quiet(pair)


def knows_its_lines(pair: Pair) -> Any:
    """A remote that takes no line for one that it does not have, and none that is not mentioned."""

    def refuse(write: Write) -> str | None:
        if write.id is None or "lines" not in write.values:
            return None
        held = {line["id"] for line in pair.b.rows["bills"][write.id]["lines"]}
        told = write.values["lines"]
        named = {item.id for item in told.items if item.id is not None} | set(told.removed)
        return None if named == held else f"it has the lines {held} and is told of {named}"

    return refuse


def assert_a_line_is_carried_over(pair: Pair, left: str) -> None:
    pair.a.person("bills", left, lines=[{"id": "x", "text": "one"}, {"id": "y", "text": "three"}])
    assert pair.run().status == "done"
    (row,) = pair.b.rows["bills"].values()
    assert [line["text"] for line in row["lines"]] == ["one", "three"]
    assert_quiet(pair)


def test_lines_that_were_typed_again_are_known_by_their_new_ids(tmp_path: Path, state: Database) -> None:
    pair = Pair(tmp_path, state, BILLS)
    pair.b.refuse = knows_its_lines(pair)
    left = pair.a.person("bills", title="1", lines=[{"id": "x", "text": "one"}, {"id": "y", "text": "two"}])
    pair.run()
    pair.run()
    (right,) = pair.b.rows["bills"]
    pair.b.person("bills", right, lines=[{"id": "n1", "text": "one"}, {"id": "n2", "text": "two"}])
    pair.run()
    assert_a_line_is_carried_over(pair, left)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_the_lines_of_a_create_that_was_found_are_known_by_their_ids(
    tmp_path: Path, state: Database, stored: bool
) -> None:
    """Where the remote does not tell what it holds of the record that was found, the next read does."""
    pair = Pair(tmp_path, state, BILLS, b={"returns_stored": stored, "conditional": True})
    pair.b.rewrite = lambda name, value: f"{value}."  # so that nobody knows what the create made of it
    left = pair.a.person("bills", title="1", lines=[{"id": "x", "text": "one"}, {"id": "y", "text": "two"}])
    pair.b.lose = lambda write: write.kind is WriteKind.CREATE
    pair.run()
    pair.b.lose = lambda write: False
    pair.b.refuse = knows_its_lines(pair)
    pair.run()
    pair.run()
    assert_a_line_is_carried_over(pair, left)


@pytest.mark.parametrize("stored", [True, False], ids=["told-what-is-stored", "not-told"])
def test_what_was_typed_before_both_ends_were_archived_is_not_overwritten_unseen_when_they_come_back(
    tmp_path: Path, state: Database, stored: bool
) -> None:
    """Nobody followed what a record said while it was archived: it is read once it is restored."""
    pair = Pair(tmp_path, state, deletes("archive"), b={"returns_stored": stored})
    left, right = met(pair)
    for remote, record, phone in ((pair.a, left, "2"), (pair.b, right, "3")):
        remote.person("people", record, phone=phone)
        remote.set_state("people", record, State.ARCHIVED)
    pair.run()
    pair.run()
    pair.a.set_state("people", left, State.LIVE)
    pair.run()
    pair.run()
    assert pair.a.rows["people"][left]["phone"] == pair.b.rows["people"][right]["phone"] == "2"
    assert lost(pair) == ["3"]
    assert_quiet(pair)
