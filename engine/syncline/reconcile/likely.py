"""Scoring: how likely two records that share no exact key are the same, and what is done about it.

A pair has a score from 0 to 1: of the evidence that is filled at both ends, the share (by weight) that is
alike; a phone number or an e-mail address that differs counts a third of its weight. It is linked from
``link`` on, asked about from ``ask`` on, and otherwise two records that have nothing to do with each other.
A pair with the same tax number, number or e-mail address is asked about at the least, whatever else differs:
a company that has moved and changed its name must not be made a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import MapEntry, Side
from syncline.reconcile.alike import AGAINST, ALIKE, CONTRADICTS, alike, normal_form
from syncline.reconcile.match import Candidate, contradicts
from syncline.spec.model import Evidence, LikelyRule, Likeness

#: By so much the best pair of a record must be better than its next best.
MARGIN = Decimal("0.1")

#: What tells who somebody is, the surest first: of a pair, the first that is filled at both ends decides.
IDENTIFYING = (Likeness.TAX_NUMBER, Likeness.NUMBER, Likeness.EMAIL)

Place = tuple[Side, str]


class Weighed(Struct, frozen=True):
    """One piece of evidence of a pair: both values, its weight, how alike they are (``None``: an end has
    none, so it says nothing), and what it counts: the most that it could have contributed."""

    name: str
    left: Any
    right: Any
    weight: Decimal
    alike: Decimal | None
    counted: Decimal

    @property
    def contributed(self) -> Decimal:
        return Decimal(0) if self.alike is None else (self.weight * self.alike).quantize(_CENT)


class Scored(Struct, frozen=True):
    """A pair with its score. ``agreed``: the weight of what is alike; ``contradicted``: the maps of the
    rule's ``agree`` that differ; ``identified``: both have the same identifying number or address."""

    left: str
    right: str
    score: Decimal
    agreed: Decimal
    contradicted: tuple[str, ...]
    evidence: tuple[Weighed, ...]
    identified: bool = False

    def worth_asking(self, rule: LikelyRule) -> bool:
        """Whether they may be the same, so that neither is to be made a second time."""
        return self.score >= rule.ask or self.identified

    def id(self, side: Side) -> str:
        return (self.left, self.right)[side]


_CENT = Decimal("0.01")


class Scorer:
    """Scores pairs by one rule. A record's normal forms are made once, however many it is compared with."""

    def __init__(self, rule: LikelyRule, entries: Mapping[str, MapEntry]) -> None:
        self._rule = rule
        self._parts = [(each, entries[each.name]) for each in rule.evidence if each.name in entries]
        self._forms: dict[Place, list[tuple[Any, Any]]] = {}

    def score(self, left: Candidate, right: Candidate) -> Scored:
        forms = zip(self._parts, self._of(left), self._of(right), strict=True)
        weighed = [
            _weigh(evidence, entry, left, right, mine, theirs) for (evidence, entry), mine, theirs in forms
        ]
        compared = sum((part.counted for part in weighed), Decimal(0))
        gained = sum((part.contributed for part in weighed), Decimal(0))
        agreed = (p.weight for p in weighed if p.alike is not None and p.alike >= Decimal(str(ALIKE)))
        return Scored(
            left=left.id,
            right=right.id,
            score=(gained / compared).quantize(_CENT) if compared else Decimal(0),
            agreed=sum(agreed, Decimal(0)),
            contradicted=tuple(
                part.name
                for part in weighed
                if part.name in self._rule.agree
                and part.alike is not None
                and part.alike <= Decimal(str(CONTRADICTS))
            ),
            evidence=tuple(weighed),
            identified=self._identified(weighed),
        )

    def _identified(self, weighed: Sequence[Weighed]) -> bool:
        for kind in IDENTIFYING:
            told = [
                part.alike
                for part, (evidence, _) in zip(weighed, self._parts, strict=True)
                if evidence.likeness is kind and part.alike is not None
            ]
            if told:
                return max(told) == 1
        return False

    def _of(self, one: Candidate) -> list[tuple[Any, Any]]:
        """By piece of evidence the normal form of a record's value, and of what the other end would store."""
        place = (one.side, one.id)
        if place not in self._forms:
            self._forms[place] = [self._form(evidence, one) for evidence, _ in self._parts]
        return self._forms[place]

    def _form(self, evidence: Evidence, one: Candidate) -> tuple[Any, Any]:
        own, out = one.own.get(evidence.name), one.out.get(evidence.name, MISSING)
        mine = normal_form(evidence.likeness, own, self._rule.country)
        if out is MISSING or out == own:
            return mine, mine
        return mine, normal_form(evidence.likeness, out, self._rule.country)


def _weigh(
    evidence: Evidence,
    entry: MapEntry,
    left: Candidate,
    right: Candidate,
    mine: tuple[Any, Any],
    theirs: tuple[Any, Any],
) -> Weighed:
    values = left.own.get(evidence.name), right.own.get(evidence.name)
    found: float | None = None
    if entry.map.ref is not None:
        if not blank(values[0]) and not blank(values[1]):
            found = 0.0 if contradicts(left, right, [entry]) else 1.0
    elif mine[0] is not None and theirs[0] is not None:
        looks = [(mine[0], theirs[0]), (mine[1], theirs[0]), (mine[0], theirs[1])]
        found = max(
            alike(evidence.likeness, a, b) for a, b in dict.fromkeys(looks) if a is not None and b is not None
        )
    if found is None:
        return Weighed(evidence.name, *values, evidence.weight, None, Decimal(0))
    counted = found + (1 - found) * AGAINST.get(evidence.likeness, 1.0)
    return Weighed(
        evidence.name,
        *values,
        evidence.weight,
        Decimal(str(round(found, 2))),
        (evidence.weight * Decimal(str(counted))).quantize(_CENT),
    )


class Likely(Struct, frozen=True):
    """What becomes of records: the pairs to link, and of each record that is left to a person those at the
    other end that it may be the same as, the likeliest first."""

    pairs: tuple[Scored, ...]
    asked: Mapping[Place, tuple[Scored, ...]]


def decide_likely(
    focus: Collection[Place],
    scored: Iterable[Scored],
    free: Callable[[Place], bool],
    rule: LikelyRule,
) -> Likely:
    """Decide the records of ``focus``. ``scored``: every pair of theirs, and of those that they may be linked
    with; ``free``: whether a record may be given a link.

    A pair is linked that is good enough by itself, the best by far for both its records, and contradicted by
    nothing; whoever else has a pair worth asking about is asked about.
    """
    pairs_of: dict[Place, list[Scored]] = {}
    for pair in scored:
        if pair.worth_asking(rule):
            for side in Side:
                pairs_of.setdefault((side, pair.id(side)), []).append(pair)
    for found in pairs_of.values():
        found.sort(key=lambda pair: (-pair.score, len(pair.contradicted), pair.left, pair.right))
    best = (_best(place, pairs_of, free, rule) for place in sorted(focus) if place in pairs_of)
    pairs = tuple({(pair.left, pair.right): pair for pair in best if pair is not None}.values())
    done = {(side, pair.id(side)) for pair in pairs for side in Side}
    asked = {
        place: tuple(pairs_of[place])
        for place in sorted(focus)
        if place in pairs_of and place not in done and free(place)
    }
    return Likely(pairs, asked)


def _best(
    place: Place, pairs_of: Mapping[Place, Sequence[Scored]], free: Callable[[Place], bool], rule: LikelyRule
) -> Scored | None:
    """The pair by which a record is linked, if there is one."""
    best = next((pair for pair in pairs_of[place] if not pair.contradicted), None)
    if best is None or best.score < rule.link or best.agreed < rule.enough:
        return None
    ends = [(side, best.id(side)) for side in Side]
    if not all(free(end) for end in ends):
        return None
    rivals = [pair for end in ends for pair in pairs_of[end] if pair is not best and not pair.contradicted]
    return best if all(r.score < rule.link and r.score <= best.score - MARGIN for r in rivals) else None


def told(pair: Scored) -> dict[str, Any]:
    """A pair's score with its evidence, as it is remembered and shown: ``score``, ``contradicted`` and
    ``evidence`` (by map ``left``, ``right``, ``weight``, ``alike``, ``contributed``, ``counted``): the score
    is the sum of what was contributed, as a share of what counted."""
    return {
        "score": pair.score,
        "contradicted": list(pair.contradicted),
        "evidence": {
            part.name: {
                "left": part.left,
                "right": part.right,
                "weight": part.weight,
                "alike": part.alike,
                "contributed": part.contributed,
                "counted": part.counted,
            }
            for part in pair.evidence
        },
    }
