"""Labelled companies in two systems, and what became of each, judged by the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.companies import Company, Values

from syncline.mapping.module import Side
from syncline.run.scope import Scope

#: A record: the side and its id.
Record = tuple[int, str]


@dataclass(slots=True)
class Verdict:
    """``asked``: by record, what the question says; ``wrong``: joined with another company; ``doubled``: made
    at an end that has it already; ``lost``: neither joined nor made nor asked about; ``unasked``: true pairs
    that were not joined, and of which no question names the partner."""

    joined: set[Record] = field(default_factory=set)
    made: set[Record] = field(default_factory=set)
    asked: dict[Record, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    true_pairs: int = 0
    joined_pairs: int = 0
    asked_pairs: int = 0

    @property
    def recall(self) -> float:
        return self.joined_pairs / self.true_pairs


class Seeded:
    """Companies that ``create(side, values)`` puts into two systems, giving each record's id."""

    def __init__(self, companies: Sequence[Company], create: Callable[[int, Values], str]) -> None:
        self.companies = {company.number: company for company in companies}
        self.of: dict[Record, int] = {}
        self.at: dict[tuple[int, int], list[str]] = {}
        for company in companies:
            for side, records in enumerate((company.left, company.right)):
                for values in records:
                    record = create(side, values)
                    self.of[side, record] = company.number
                    self.at.setdefault((side, company.number), []).append(record)

    def partners(self, record: Record) -> list[str]:
        """The records at the other end that are the same company."""
        return self.at.get((1 - record[0], self.of[record]), [])

    def judge(self, scope: Scope) -> Verdict:
        """What became of every company in the state of a module."""
        verdict, linked = Verdict(), {}
        with scope.database.read() as db:
            for side in Side:
                ids = [record for end, record in self.of if end == side]
                for record, link in scope.ledger.links_of(db, side, ids).items():
                    linked[int(side), record] = (str(link.ids[side.other]), "created" in link.how)
            questions = scope.ledger.questions(db, limit=100_000)
        told = [one.detail for one in questions if one.kind == "ambiguous"]
        verdict.asked = {(int(one["side"]), str(one["record"])): one for one in told}
        for record in self.of:
            self._judge(verdict, record, linked.get(record))
        self._judge_pairs(verdict, {record: other for record, (other, made) in linked.items() if not made})
        return verdict

    def _judge(self, verdict: Verdict, record: Record, linked: tuple[str, bool] | None) -> None:
        partners = self.partners(record)
        if linked is None:
            if record not in verdict.asked:
                verdict.lost.append(self._told(record))
        elif linked[1]:
            verdict.made.add(record)
            if partners:
                verdict.doubled.append(self._told(record))
        else:
            verdict.joined.add(record)
            if linked[0] not in partners:
                verdict.wrong.append(f"{self._told(record)} with {self._told((1 - record[0], linked[0]))}")

    def _judge_pairs(self, verdict: Verdict, joined: dict[Record, str]) -> None:
        """A company with one record at each end is a true pair."""
        for company in self.companies.values():
            lefts, rights = self.at.get((0, company.number), []), self.at.get((1, company.number), [])
            if len(lefts) != 1 or len(rights) != 1:
                continue
            left, right = lefts[0], rights[0]
            verdict.true_pairs += 1
            if joined.get((0, left)) == right:
                verdict.joined_pairs += 1
                continue
            named = [
                other in verdict.asked.get(record, {"others": ()})["others"]
                for record, other in (((0, left), right), ((1, right), left))
            ]
            if any(named):
                verdict.asked_pairs += 1
            else:
                verdict.unasked.append(self._told((0, left)))

    def _told(self, record: Record) -> str:
        company = self.companies[self.of[record]] if record in self.of else None
        return f"{record}: {company}"


def without_evidence(questions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions of the likely rule that show nothing of what they rest on."""
    return [
        one
        for one in questions
        if "likely" in one
        and not all(case["evidence"] and case["score"] is not None for case in one["likely"])
    ]
