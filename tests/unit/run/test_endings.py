"""What becomes of a record whose counterpart has ended: the table of docs/spec.md, cell by cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.memory import MemoryRemote
from tests.support.world import SPEC, Pair

from syncline.connect.contract import Lock, Record, State
from syncline.store.database import Database

_PAGE = Path(__file__).parents[3] / "docs" / "spec.md"
_STATES = {"deleted": State.DELETED, "archived": State.ARCHIVED, "voided": State.VOIDED}


def _cells() -> list[tuple[str, str, str]]:
    """(how the other record ended, rule, what becomes of this one), from the page."""
    table = _PAGE.read_text(encoding="utf-8").split("<!-- endings -->\n\n")[1].split("\n\n")[0]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    rules = [cell.strip("`") for cell in head[1:]]
    return [(row[0], rule, cell) for row in rows for rule, cell in zip(rules, row[1:], strict=True)]


_CELLS = _cells()


def test_the_page_has_every_combination() -> None:
    assert len(_CELLS) == 11 * 5


@pytest.mark.parametrize(
    ("ended", "rule", "fate"),
    [pytest.param(*cell, id=f"{cell[0]}: {cell[1]}") for cell in _CELLS if not cell[0].startswith("merged")],
)
def test_an_ending(tmp_path: Path, database: Database, ended: str, rule: str, fate: str) -> None:
    spec = f"{SPEC}    deletes: {{b: {rule}}}\n    limits: {{deletes: none}}\n"
    pair = Pair(tmp_path, database, spec)
    left = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    (right,) = pair.b.rows["people"]

    pair.a.set_state("people", left, _STATES[ended.split(",")[0]])
    if "edited" in ended:
        pair.b.person("people", right, phone="2")
    result = pair.run()
    if "restored" in ended:
        pair.a.set_state("people", left, State.LIVE)
        result = pair.run()

        if "edited" in ended:
            assert pair.a.rows["people"][left]["phone"] == "2", "the edit is carried over"

    state = pair.b.meta["people"][right]["state"]
    live = {"stays", "is asked about", "stays, unlinked", "is restored"}
    assert state is (State.LIVE if fate in live else _STATES[fate.split()[1]])
    assert (result.status == "attention") is (fate == "is asked about")
    with pair.scopes() as scopes, pair.database.read() as db:
        linked = scopes[0].ledger.count_links(db)
    assert linked == (0 if fate == "stays, unlinked" else 1)
    for _ in range(2):
        pair.a.calls.clear()
        pair.b.calls.clear()
        pair.run()
        assert [call for call in pair.a.calls + pair.b.calls if call[0] == "write"] == []
    assert len(pair.a.rows["people"]) == len(pair.b.rows["people"]) == 1, "nobody comes back"


@pytest.mark.parametrize(
    ("ended", "rule"),
    [pytest.param(*cell[:2], id=f"{cell[0]}: {cell[1]}") for cell in _CELLS if cell[0].startswith("merged")],
)
def test_a_merge_goes_on_with_the_survivor(tmp_path: Path, database: Database, ended: str, rule: str) -> None:
    spec = f"{SPEC}    deletes: {{b: {rule}}}\n    limits: {{deletes: none}}\n"
    pair = Pair(tmp_path, database, spec)
    gone = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    (right,) = pair.b.rows["people"]
    edited = {"tax": "9"} if "edited" in ended else {}
    survivor = pair.a.person("people", name="Acme", phone="3", **({} if edited else {"tax": "7"}))
    pair.a.meta["people"][gone]["merged_into"] = survivor
    pair.a.set_state("people", gone, State.DELETED)
    if edited:
        pair.b.person("people", right, **edited)
    assert pair.run().status == "done"
    assert pair.b.meta["people"][right]["state"] is State.LIVE
    assert list(pair.b.rows["people"]) == [right]
    both = {"name": "Acme", "phone": "3", "tax": "7", **edited}
    assert pair.b.rows["people"][right] == both
    assert pair.a.rows["people"][survivor] == both


def test_a_record_that_was_left_alone_is_made_anew_when_it_changes(
    tmp_path: Path, database: Database
) -> None:
    """Its match keys outlived the pair, and its next edit broke the module."""
    pair = Pair(tmp_path, database, f"{SPEC}    deletes: {{b: unlink}}\n    limits: {{deletes: none}}\n")
    left = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    (right,) = pair.b.rows["people"]
    pair.a.set_state("people", left, State.DELETED)
    pair.run()
    pair.b.person("people", right, phone="2")
    result = pair.run()
    assert (result.status, result.problems) == ("done", {})
    assert result.modules["people"]["created"] == {"a": 1, "b": 0}
    assert len(pair.b.rows["people"]) == 1


def test_what_was_voided_before_they_met_is_linked_and_left_alone(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, f"{SPEC}    deletes: {{b: void}}\n")
    left = pair.a.person("people", name="Acme", phone="1")
    right = pair.b.person("people", name="Acme")
    pair.a.set_state("people", left, State.VOIDED)
    pair.run()
    assert pair.b.rows["people"] == {right: {"name": "Acme", "phone": "1"}}
    assert pair.b.meta["people"][right]["state"] is State.LIVE


def test_a_voided_record_tells_its_values_and_takes_none(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database)
    left = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    (right,) = pair.b.rows["people"]
    pair.a.person("people", left, phone="void")
    pair.a.set_state("people", left, State.VOIDED)
    pair.run()
    assert pair.b.rows["people"][right]["phone"] == "void"
    pair.b.person("people", right, tax="9")
    result = pair.run()
    assert "tax" not in pair.a.rows["people"][left]
    assert result.modules["people"]["locked"] == 1


def test_a_voided_record_alone_is_not_created(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database)
    left = pair.a.person("people", name="Acme")
    pair.a.set_state("people", left, State.VOIDED)
    pair.run()
    assert pair.b.rows["people"] == {}


STATES = """
tables:
  states:
    rows:
      open: {a: open, b: OPEN}
      void: {a: void, b: VOID}
modules:
  bills:
    between: {a: bills, b: bills}
    match: [{a: title, b: title}]
    fields:
      title: {a: title, b: title}
      state: {a: state, b: state, values: states}
    deletes: {a: void, b: void}
    limits: {deletes: none}
"""


class Documents(MemoryRemote):
    """A remote whose documents say in a field that they are void, and can be revived by that field alone."""

    word = ""

    def record(self, module: str, record: str) -> Record:
        found = super().record(module, record)
        if found.state is not State.VOIDED:
            return found
        return replace(found, lock=Lock(reason="it is void", editable=frozenset({"state"})))

    def set_state(self, module: str, record: str, state: State) -> None:
        self.rows[module][record]["state"] = self.word
        super().set_state(module, record, state)


@pytest.mark.parametrize("returns_stored", [True, False], ids=["the whole record", "an id and a version"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_void_that_was_carried_over_is_not_written_once_more(
    tmp_path: Path, database: Database, side: int, returns_stored: bool
) -> None:
    spec = SPEC.split("modules:")[0] + STATES
    able = {"returns_stored": returns_stored}
    pair = Pair(tmp_path, database, spec, a=able, b=able)
    pair.a.__class__ = pair.b.__class__ = Documents
    pair.a.word, pair.b.word = "void", "VOID"  # type: ignore[attr-defined]
    pair.a.person("bills", title="1", state="open")
    pair.run()
    ends = [pair.a, pair.b]
    (gone,) = ends[side].rows["bills"]
    ends[side].set_state("bills", gone, State.VOIDED)
    ends[1 - side].calls.clear()
    totals = pair.run().modules["bills"]
    assert [call for call in ends[1 - side].calls if call[0] == "write"] == [("write", "bills", 1)]
    assert (totals["locked"], totals["failed"]) == (0, 0)
    assert pair.run().modules["bills"]["locked"] == 0
    (other,) = ends[1 - side].rows["bills"].values()
    assert other["state"] == ends[1 - side].word  # type: ignore[attr-defined]
