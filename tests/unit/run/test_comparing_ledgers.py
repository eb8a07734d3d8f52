"""Comparing two ledgers: who is the same, what happens while they are read, and how much is kept in
memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tests.support.effort import effort
from tests.support.memory import MemorySession
from tests.support.world import Pair

from syncline.connect.contract import Record, State
from syncline.run import documents
from syncline.run.ledgers import compare_module
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
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
  bills:
    between: {a: bills, b: bills}
    match:
      - {a: "title | alnum", b: "title | alnum", agree: [who]}
    reconcile: {date: day, total: total, open: owed, currency: currency, rate: rate}
    fields:
      title: {a: title, b: title}
      who: {a: who, b: who, ref: people}
      day: {a: day, b: day}
      total: {a: total, b: total}
      owed: {a: owed, b: owed}
      currency: {a: currency, b: currency}
      rate: {a: rate, b: rate}
"""


class Ledgers(Pair):
    """Two remotes with bills."""

    def bill(self, end: str, title: str, **values: Any) -> str:
        told = {"title": title, "day": "2026-01-31", "total": Decimal("110.5"), "currency": "AUD"}
        remote = self.a if end == "a" else self.b
        return remote.person("bills", **{**told, "owed": 0, "rate": 1, **values})

    def compare(self, module: str = "bills", **options: Any) -> dict[str, Any]:
        reckoning = self.spec.modules[module].reconcile
        assert reckoning is not None
        return compare_module(self.onlooker(module), reckoning, lambda text: None, **options)


@pytest.fixture
def ledgers(tmp_path: Path, database: Database) -> Ledgers:
    return Ledgers(tmp_path, database, SPEC)


def told(result: dict[str, Any]) -> list[tuple[str, list[str], str]]:
    """(title, what is wrong, reason) of every gap."""
    found = []
    for gap in result["gaps"]:
        name = next(each["name"] for each in gap["records"].values() if each)
        found.append((name, [each["kind"] for each in gap["differences"]], gap["reason"]))
    return sorted(found)


def test_one_title_of_two_customers_is_two_documents(ledgers: Ledgers) -> None:
    for name in ("Acme", "Bolt"):
        ledgers.a.person("people", name=name)
    ledgers.run()
    ids = [
        {row["name"]: record for record, row in remote.rows["people"].items()}
        for remote in (ledgers.a, ledgers.b)
    ]
    ledgers.bill("a", "1", who=ids[0]["Acme"])
    ledgers.bill("b", "1", who=ids[1]["Bolt"])
    assert [kinds for _, kinds, _ in told(ledgers.compare())] == [["missing"], ["missing"]]
    ledgers.bill("b", "1", who=ids[1]["Acme"])
    assert [kinds for _, kinds, _ in told(ledgers.compare())] == [["missing"]]


def test_a_double_is_the_one_that_has_no_link(ledgers: Ledgers) -> None:
    first = ledgers.bill("a", "INV 1")
    ledgers.run()
    second = ledgers.bill("a", "inv-1")
    (gap,) = ledgers.compare()["gaps"]
    assert gap["records"]["a"]["id"] == second
    assert (gap["differences"][0]["kind"], gap["double_of"]) == ("doubled", first)
    # A pass asks a person about it, and a reason is no excuse: the ledger says it twice.
    ledgers.run()
    (gap,) = ledgers.compare()["gaps"]
    assert gap["reason"].startswith("ambiguous")
    assert (gap["differences"][0]["kind"], gap["explained"]) == ("doubled", False)


def test_a_document_made_anew_stands_for_the_one_that_is_gone(ledgers: Ledgers) -> None:
    ledgers.bill("a", "1")
    ledgers.run()
    (gone,) = ledgers.b.rows["bills"]
    ledgers.b.set_state("bills", gone, State.DELETED)
    assert told(ledgers.compare()) == [
        ("1", ["missing"], f"{gone} is deleted in b, and no pass has dealt with that yet")
    ]
    ledgers.bill("b", "1", total=Decimal("110.51"))
    assert [kinds for _, kinds, _ in told(ledgers.compare())] == [["rounded"]]


def test_what_is_ended_at_both_ends_is_no_gap(ledgers: Ledgers) -> None:
    left = ledgers.bill("a", "1")
    ledgers.bill("a", "2")
    ledgers.run()
    right = next(i for i, row in ledgers.b.rows["bills"].items() if row["title"] == "1")
    ledgers.a.set_state("bills", left, State.VOIDED)
    ledgers.b.set_state("bills", right, State.DELETED)
    result = ledgers.compare()
    assert result["gaps"] == []
    assert [group["a"]["count"] for group in result["groups"]] == [1]


def test_currencies_that_are_not_said_are_the_organisations_own(ledgers: Ledgers) -> None:
    ledgers.bill("a", "1", currency=None)
    ledgers.bill("b", "1", currency="AUD")
    result = ledgers.compare()
    assert result["gaps"] == []
    assert [group["currency"] for group in result["groups"]] == ["AUD"]


TRANSLATED = """
      currency:
        a: currency
        b: currency
        values: [{a: Australian Dollar, b: AUD}]
      rate: {a: rate, b: rate, direction: "b -> a", to: {a: "{{ 1 / value if value }}"}}
"""


def test_what_a_map_translates_is_compared_in_one_form(tmp_path: Path, database: Database) -> None:
    plain = "      currency: {a: currency, b: currency}\n      rate: {a: rate, b: rate}\n"
    ledgers = Ledgers(tmp_path, database, SPEC.replace(plain, TRANSLATED[1:]))
    ledgers.bill("a", "1", currency="Australian Dollar", rate=Decimal("0.5"))
    ledgers.bill("b", "1", currency="AUD", rate=2)
    assert ledgers.compare()["gaps"] == []
    ledgers.bill("a", "2", currency="Australian Dollar", rate=2)
    ledgers.bill("b", "2", currency="AUD", rate=2)
    assert [(name, kinds) for name, kinds, _ in told(ledgers.compare())] == [("2", ["rate"])]


@pytest.mark.parametrize(
    ("void", "expected"),
    [
        pytest.param("{{ record.state == 'Void' }}", [], id="void at both ends"),
        pytest.param(None, ["rounded"], id="without a word on what is void"),
        pytest.param("{{ record.state.x.y }}", ["rounded", "unreadable"], id="an expression that fails"),
    ],
)
def test_what_is_void_is_said_by_the_spec(
    tmp_path: Path, database: Database, void: str | None, expected: list[str]
) -> None:
    spec = SPEC
    if void is not None:
        spec = spec.replace("rate: rate}\n", f'rate: rate, void: {{a: "{void}", b: "{void}"}}}}\n', 1)
    ledgers = Ledgers(tmp_path, database, spec)
    ledgers.bill("a", "1", state="Void")
    ledgers.bill("b", "1", state="Void", total=Decimal("110.51"))
    found = ledgers.compare()["gaps"]
    assert sorted(each["kind"] for gap in found for each in gap["differences"]) == expected


def test_what_cannot_be_read_is_told_and_counts_for_nothing(ledgers: Ledgers) -> None:
    ledgers.bill("a", "1")
    ledgers.bill("b", "1", total="a lot")
    (gap,) = ledgers.compare()["gaps"]
    assert [each["kind"] for each in gap["differences"]] == ["unreadable", "amount"]
    assert "a lot" in gap["differences"][0]["b"]
    assert gap["records"]["b"]["total"] is None


# --- while it is read ----------------------------------------------------------------------------


def test_an_edit_that_a_pass_carries_over_meanwhile_is_no_gap(ledgers: Ledgers) -> None:
    left = ledgers.bill("a", "1")
    ledgers.run()
    reads = MemorySession.read_ids

    def carried_over(
        session: MemorySession, module: str, ids: Sequence[str], fields: frozenset[str]
    ) -> Sequence[Record]:
        if not done:  # right after both ends were read, and before what differs is looked at again
            done.append(True)
            ledgers.run()
        return reads(session, module, ids, fields)

    done: list[bool] = []
    ledgers.a.person("bills", left, total=Decimal(99))
    ledgers.bill("a", "2")
    with mock.patch.object(MemorySession, "read_ids", carried_over):
        assert ledgers.compare()["gaps"] == []
    assert done


def test_no_more_than_so_many_records_are_looked_at_again(
    ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LOOK_AGAIN", 7)
    for n in range(20):
        ledgers.bill("a", str(n))
    result = ledgers.compare()
    assert result["kinds"] == {"missing": 20}
    assert sum(n for kind, _, n in ledgers.a.calls if kind == "read_ids") == 7


def test_nothing_is_written_and_the_state_is_as_it_was(ledgers: Ledgers) -> None:
    left = ledgers.bill("a", "1")
    ledgers.run()
    ledgers.a.person("bills", left, total=5)
    ledgers.bill("b", "2")
    before = dump(ledgers.database)
    ledgers.a.calls.clear()
    ledgers.b.calls.clear()
    assert ledgers.compare()["unexplained"] == 2
    assert dump(ledgers.database) == before
    assert {kind for kind, *_ in ledgers.a.calls + ledgers.b.calls} == {"read", "read_ids"}


def dump(database: Database) -> dict[str, list[Any]]:
    from syncline.store import tables as t

    with database.read() as db:
        return {
            table.name: sorted(map(repr, db.execute(table.select()))) for table in t.metadata.sorted_tables
        }


def test_memory_does_not_grow_with_the_documents(tmp_path: Path, sqlite_url: str) -> None:
    sizes = []
    with open_store(sqlite_url) as database:
        for count in (500, effort(2_000, 40_000)):
            ledgers = Ledgers(tmp_path, database, SPEC)
            for n in range(count):
                ledgers.bill("a", f"INV-{n}")
                ledgers.bill("b", f"INV-{n}", total=Decimal("110.5") + (n % 3 == 0))
            tracemalloc.start()
            result = ledgers.compare(limit=10)
            sizes.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert result["kinds"] == {"amount": (count + 2) // 3}
            assert (len(result["gaps"]), result["left_off"]) == (10, (count + 2) // 3 - 10)
    assert sizes[1] < 3 * sizes[0]  # the remote here has its own list of all
