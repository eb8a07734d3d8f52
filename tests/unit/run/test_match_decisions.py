"""The file of match decisions: what it says is done and asked no more, and what is decided gets into it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.world import Pair

from syncline.errors import SynclineError
from syncline.run.keeping import KeptMatch, keep
from syncline.spec.matches import load_matches, matches_file
from syncline.store.database import Database, open_store

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
    match:
      - likely:
          evidence: {name: {weight: 5, as: company}, tax: {weight: 6, as: tax_number}, city: 2}
          agree: [tax]
    fields:
      name: {a: name, b: name}
      tax: {a: tax, b: tax}
      city: {a: city, b: city}
"""

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    return Pair(tmp_path, database, SPEC)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Pair]:
    """For what is about files alone."""
    with open_store(str(tmp_path / "state.db")) as database:
        yield Pair(tmp_path, database, SPEC)


def doubtful(pair: Pair) -> tuple[str, str]:
    """Two records that a person must look at: one name, and nothing else in common."""
    left = pair.a.person("people", name="Harbour Bakery", tax="", city="Perth")
    right = pair.b.person("people", name="Harbour Bakery Ltd", tax="", city="Hobart")
    pair.run()
    assert asked(pair) == {f"0:{left}", f"1:{right}"}
    return left, right


def asked(pair: Pair) -> set[str]:
    with pair.scopes() as (scope,), pair.database.read() as db:
        return {one.subject for one in scope.ledger.questions(db) if one.kind == "ambiguous"}


def linked(pair: Pair, side: int, record: str) -> str | None:
    with pair.scopes() as (scope,), pair.database.read() as db:
        found = scope.ledger.links_of(db, side, [record]).get(record)
        return None if found is None else found.ids[1 - side]


def matches_of(pair: Pair) -> Path:
    return matches_file(pair.tmp_path / "spec.yaml")


def test_what_is_the_same_by_the_file_is_linked_whatever_its_score(pair: Pair) -> None:
    left, right = doubtful(pair)
    matches_of(pair).write_text(f'people: {{same: [{{a: "{left}", b: {{id: "{right}"}}, who: ann}}]}}\n')
    pair.run()
    assert linked(pair, 0, left) == right
    assert asked(pair) == set()


def test_what_is_different_by_the_file_is_made_at_both_ends(pair: Pair) -> None:
    left, right = doubtful(pair)
    pair.decide("people", "different", (left, right))
    pair.run()
    assert linked(pair, 0, left) not in (None, right)
    assert linked(pair, 1, right) not in (None, left)
    assert asked(pair) == set()


def test_what_is_to_be_ignored_is_neither_linked_nor_made_nor_asked_about_until_the_file_says_otherwise(
    pair: Pair,
) -> None:
    left, right = doubtful(pair)
    pair.decide("people", "ignore", (left, None), (None, right))
    for _ in range(2):
        pair.b.calls.clear()
        pair.run()
        assert (linked(pair, 0, left), linked(pair, 1, right)) == (None, None)
        assert asked(pair) == set()
        assert [call for call in pair.b.calls if call[0] == "write"] == []
    pair.a.person("people", left, name="Harbour Bakery", tax="", city="Hobart")
    pair.run()
    assert linked(pair, 0, left) is None
    matches_of(pair).unlink()
    pair.run()
    assert linked(pair, 0, left) == right


def test_an_ignored_record_is_nobody_s_counterpart(pair: Pair) -> None:
    left, _ = doubtful(pair)
    pair.decide("people", "ignore", (left, None))
    pair.run()
    assert linked(pair, 0, left) is None
    assert asked(pair) == set()


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        pytest.param("people:\n  same: [{a: p1}]\n", (2, 10), "missing-key", id="half a pair"),
        pytest.param("people:\n  sam: []\n", (2, 3), "unknown-key", id="a misspelt kind"),
        pytest.param("peopel: {}\n", (1, 1), "unknown-module", id="a misspelt module"),
        pytest.param("people:\n  same:\n    - {a: p1, c: q1}\n", (3, 15), "unknown-system", id="a system"),
        pytest.param("people:\n  create: [{a: p1, b: q1}]\n", (2, 12), "bad-match", id="a pair to create"),
        pytest.param("people:\n  ignore: [{a: p1, b: q1}]\n", (2, 12), "bad-match", id="a pair to ignore"),
        pytest.param(
            "people:\n  same:\n    - {a: p1, b: q1}\n    - {a: p1, b: q2}\n",
            (4, 7),
            "contradictory-match",
            id="two partners of one record",
        ),
        pytest.param(
            "people:\n  same: [{a: p1, b: q1}]\n  different: [{a: p1, b: q1}]\n",
            (3, 15),
            "contradictory-match",
            id="the same and different",
        ),
        pytest.param(
            "people:\n  create: [{a: p1}]\n  ignore: [{a: p1}]\n",
            (3, 12),
            "contradictory-match",
            id="to be created and to be ignored",
        ),
        pytest.param("people: [\n", (1, 10), "bad-yaml", id="no YAML"),
    ],
)
def test_a_broken_file_is_told_at_its_place_and_nothing_of_it_is_lost(
    files: Pair, text: str, place: tuple[int, int], code: str
) -> None:
    file = matches_of(files)
    file.write_text(text)
    (problem,) = load_matches(file, files.spec).problems
    assert ((problem.place.line, problem.place.column), problem.code) == (place, code)
    with pytest.raises(SynclineError, match=f"{file.name}:{place[0]}:{place[1]}"):
        files.decide("people", "create", ("p9", None))
    assert file.read_text() == text


def test_decisions_of_many_at_once_all_get_into_the_file_and_what_people_wrote_stays(files: Pair) -> None:
    file = matches_of(files)
    file.write_text('# ours\npeople:\n  same:\n    - {a: "p0", b: "q0"}  # by phone\n')

    def decide(number: int) -> None:
        records = {"a": (f"p{number}", "Ann's #1: {x}"), "b": (f"q{number}", "")}
        one = KeptMatch(module="people", kind="same", records=records, who="ann", when=NOW)
        keep(files.tmp_path / "spec.yaml", files.spec, [one])

    workers = [threading.Thread(target=decide, args=(number,)) for number in range(1, 13)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    loaded = load_matches(file, files.spec)
    assert loaded.problems == ()
    assert set(loaded.modules["people"].same) == {(f"p{n}", f"q{n}") for n in range(13)}
    assert "# ours" in file.read_text()
    assert "# by phone" in file.read_text()
    assert [one.name for one in files.tmp_path.iterdir() if one.name.startswith(".")] == []


def test_what_is_decided_anew_takes_the_place_of_what_was_said_before(files: Pair) -> None:
    files.decide("people", "same", ("p1", "q1"))
    files.decide("people", "ignore", ("p1", None))
    loaded = load_matches(matches_of(files), files.spec)
    assert loaded.problems == ()
    assert (loaded.modules["people"].same, set(loaded.modules["people"].ignore)) == ({}, {(0, "p1")})
