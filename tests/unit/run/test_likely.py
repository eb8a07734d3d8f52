"""The likely rule over labelled, dirty data: what it links, asks about and creates, against the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.companies import Company, Dirt, Values
from tests.support.effort import LONG
from tests.support.judging import Seeded, Verdict, without_evidence
from tests.support.tally import Tally
from tests.support.world import Pair

from syncline.run.passes import run_pass
from syncline.store.database import open_store

SPEC = """
spec: 1
name: test
country: AU
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  people:
    between: {a: people, b: people}
    match:
      - {a: "name | fold", b: "name | fold", agree: [tax, city]}
      - likely:
          evidence:
            name: {weight: 5, as: company}
            tax: {weight: 6, as: tax_number}
            email: 4
            phone: 3
            city: 2
          agree: [tax, city]
    fields:
      name: {a: name, b: name}
      phone: {a: phone, b: phone}
      email: {a: email, b: email}
      tax: {a: tax, b: tax}
      city: {a: city, b: city}
"""


def seed(pair: Pair, companies: list[Company]) -> Seeded:
    def create(side: int, values: Values) -> str:
        return (pair.a, pair.b)[side].person("people", **values)

    return Seeded(companies, create)


def judge(pair: Pair, seeded: Seeded) -> Verdict:
    with pair.scopes() as (scope,):
        return seeded.judge(scope)


def answer(pair: Pair, seeded: Seeded, verdict: Verdict) -> None:
    """A person who knows the truth answers everything that is asked."""
    same, create = {}, []
    for (side, record), question in verdict.asked.items():
        partners = [i for i in question["others"] if i in seeded.partners((side, record))]
        free = [i for i in partners if (1 - side, i) not in verdict.joined and i not in same.values()]
        if not free:
            create.append((record, None) if side == 0 else (None, record))
        elif side == 0:
            same[record] = free[0]
    same_ids = set(same) | set(same.values())
    pair.decide("people", "same", *same.items())
    pair.decide("people", "create", *[ids for ids in create if (ids[0] or ids[1]) not in same_ids])


def test_two_thousand_dirty_pairs_are_joined_asked_about_or_created_and_none_is_doubled_or_left_out(
    tmp_path: Path, tally: Tally
) -> None:
    with open_store(str(tmp_path / "state.db")) as database:
        pair = Pair(tmp_path, database, SPEC)
        seeded = seed(pair, Dirt().companies(2000))
        result = pair.run()
        verdict = judge(pair, seeded)

        assert result.problems == {}
        assert verdict.wrong == []
        assert verdict.doubled == []
        assert verdict.lost == []
        assert verdict.unasked == []
        assert verdict.recall >= 0.9
        assert without_evidence(verdict.asked.values()) == []
        tally("true pairs of dirty company data", verdict.true_pairs)
        tally("  of them joined without asking", verdict.joined_pairs)
        tally("  of them asked about, with the evidence", verdict.asked_pairs)
        tally("  joined wrongly", len(verdict.wrong))
        tally("records asked about in all (twins and namesakes among them)", len(verdict.asked))
        tally("  of so many", len(seeded.of))


def test_answered_questions_are_not_asked_again_not_even_in_another_state(tmp_path: Path) -> None:
    companies = Dirt(seed=21).companies(160)
    with open_store(str(tmp_path / "state.db")) as database:
        pair = Pair(tmp_path, database, SPEC)
        seeded = seed(pair, companies)
        pair.run()
        verdict = judge(pair, seeded)
        assert verdict.asked
        for _ in range(5):
            answer(pair, seeded, verdict)
            pair.run()
            verdict = judge(pair, seeded)
            if not verdict.asked:
                break
        assert verdict.asked == {}
        assert verdict.wrong == []
        assert verdict.lost == []
        pair.run()
        pair.a.calls.clear()
        pair.b.calls.clear()
        again = pair.run()
        assert again.status == "done"
        assert [call for call in (*pair.a.calls, *pair.b.calls) if call[0] == "write"] == []

    with open_store(str(tmp_path / "other.db")) as database:
        pair.database = database
        first = pair.run()
        assert first.modules["people"]["ambiguous"] == 0
        assert first.status == "done"
        assert [call for call in (*pair.a.calls, *pair.b.calls) if call[0] == "write"] == []


def test_nobody_is_asked_about_a_record_of_which_nothing_would_come(tmp_path: Path) -> None:
    spec = SPEC.replace("    match:", "    direction: a -> b\n    match:")
    bakery = {"name": "Harbour Bakery", "tax": "51824753556", "city": "Hobart"}
    typed = {**bakery, "name": "The Harbor Bakery Pty Ltd"}
    with open_store(str(tmp_path / "state.db")) as database:
        pair = Pair(tmp_path, database, spec)
        pair.a.person("people", **bakery)
        pair.b.person("people", **bakery)
        assert pair.run().modules["people"]["linked"] == 1
        pair.b.person("people", **typed)  # nothing is made of it in a, whose only such record is taken
        assert pair.run().modules["people"]["ambiguous"] == 0
        pair.a.person("people", **typed)
        assert pair.run().modules["people"]["linked"] == 1


@pytest.mark.skipif(not LONG, reason="takes minutes: python3 dev.py prove --long")
def test_the_number_of_compared_pairs_grows_with_the_number_of_records(tmp_path: Path, tally: Tally) -> None:
    compared = {}
    for size in (1000, 4000, 16000):
        folder = tmp_path / str(size)
        folder.mkdir()
        with open_store(str(folder / "state.db")) as database:
            pair = Pair(folder, database, SPEC)
            seed(pair, Dirt().companies(size))
            with pair.scopes() as (scope,):
                run_pass([scope], lambda text: None)
                compared[size] = scope.totals.compared
        tally(f"pairs compared of {size} companies and as many", compared[size])
    assert compared[4000] < 5 * compared[1000]
    assert compared[16000] < 5 * compared[4000]
