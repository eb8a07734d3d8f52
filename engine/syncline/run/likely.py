"""The likely rule at work: which records are compared at all, and what comes of their scores.

Only records that share a key of a block are compared: each with the :data:`MAX_COMPARED` that share most
with it. A key that more records have than :data:`MAX_BLOCK` at either end says nothing and is passed over. So
the cost grows with the number of records, not with its square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import nsmallest

from sqlalchemy.engine import Connection

from syncline.mapping.module import Side
from syncline.reconcile.likely import Likely, Place, Scored, Scorer, decide_likely
from syncline.reconcile.match import Candidate
from syncline.run.candidates import candidates
from syncline.run.scope import Scope
from syncline.spec.model import LikelyRule

#: So many records of one end may share a key.
MAX_BLOCK = 40
#: With so many records of the other end a record is compared.
MAX_COMPARED = 10
#: Keys that are told of as crowded.
MAX_TOLD = 1000

#: Number of the block, counted on from the match rules; and what records share.
Key = tuple[int, str]

_NOBODY: tuple[list[str], list[str]] = ([], [])


def find_likely(
    scope: Scope, db: Connection, rule: LikelyRule, rows: Sequence[tuple[int, str, int]]
) -> Likely:
    """Decide these pending rows without a link (side, record, seq) by the likely rule."""
    look = _Look(scope, db, rule)
    focus = [(Side(side), record) for side, record, _ in rows]
    look.compare(focus)
    # Whether a pair is the best for its other record as well is known only when that one's pairs are.
    partners = {
        (side, pair.id(side)) for pair in look.scored.values() if pair.worth_asking(rule) for side in Side
    }
    look.compare(sorted(partners - set(focus)), told=False)
    found = decide_likely(set(focus), look.scored.values(), look.free, rule)
    # Of a record that this module creates nothing from, and whose partners are all taken, nothing would come,
    # whichever of them it is.
    asked = {
        (side, record): pairs
        for (side, record), pairs in found.asked.items()
        if scope.creates_from(side) or any(look.free((side.other, pair.id(side.other))) for pair in pairs)
    }
    return Likely(found.pairs, asked)


class _Look:
    """The pairs that were scored for some records. ``scored``: by (left id, right id)."""

    def __init__(self, scope: Scope, db: Connection, rule: LikelyRule) -> None:
        self.scope, self.db, self.rule = scope, db, rule
        self.scored: dict[tuple[str, str], Scored] = {}
        self._known: tuple[dict[str, Candidate], dict[str, Candidate]] = ({}, {})
        self._scorer = Scorer(rule, scope.maps.by_name)
        self._entries = [scope.maps.by_name[each.name] for each in rule.evidence]

    def free(self, place: Place) -> bool:
        found = self._known[place[0]].get(place[1])
        return found is not None and found.free

    def compare(self, focus: Sequence[Place], *, told: bool = True) -> None:
        """Score these records with all that share a key with them."""
        fresh = self._pairs(focus, told=told) - self.scored.keys() - self.scope.matches.different.keys()
        for side in Side:
            self._learn(side, sorted({pair[side] for pair in fresh} - self._known[side].keys()))
        lefts, rights = self._known
        for left, right in sorted(fresh):
            if left in lefts and right in rights and (lefts[left].free or rights[right].free):
                self.scored[left, right] = self._scorer.score(lefts[left], rights[right])
                self.scope.totals.compared += 1

    def _learn(self, side: Side, ids: Sequence[str]) -> None:
        staged = self.scope.ledger.staged(self.db, side, ids)
        self._known[side].update(candidates(self.scope, self.db, side, ids, staged, self._entries))

    def _pairs(self, focus: Sequence[Place], *, told: bool) -> set[tuple[str, str]]:
        """Each of these records with those at the other end that share most of its keys with it."""
        keys = self._keys_of(focus)
        having = {key for found in keys.values() for key in found}
        sizes, members = self._blocks(having)
        pairs: set[tuple[str, str]] = set()
        for (side, record), mine in keys.items():
            shared: dict[str, float] = {}
            for key in mine:
                for other in members.get(key, _NOBODY)[side.other]:
                    # The fewer have it, the more it says that these two do.
                    shared[other] = shared.get(other, 0.0) + 1 / max(sizes[key])
            chosen = nsmallest(MAX_COMPARED, shared, key=lambda other: (-shared[other], other))
            pairs.update(_pair(side, record, other) for other in chosen)
        pairs |= self._asked_already(list(keys))
        if told:
            self._tell(keys, {key: size for key, size in sizes.items() if max(size) > MAX_BLOCK})
        return pairs

    def _asked_already(self, focus: Sequence[Place]) -> set[tuple[str, str]]:
        """The pairs that a person has been asked about: while nobody has answered, namesakes that come and
        crowd their keys do not make them strangers. Who was said to have no counterpart has no keys left."""
        subjects = {f"{int(side)}:{record}": (side, record) for side, record in focus}
        asked = self.scope.ledger.asked_of(self.db, "ambiguous", sorted(subjects))
        pairs = [
            (*subjects[subject], other) for subject, detail in asked.items() for other in detail["others"]
        ]
        others = self._keys_of([(side.other, other) for side, _, other in pairs])
        return {_pair(side, record, o) for side, record, o in pairs if (side.other, o) in others}

    def _keys_of(self, focus: Sequence[Place]) -> dict[Place, list[Key]]:
        base = len(self.scope.module.match)
        found: dict[Place, list[Key]] = {}
        for side in Side:
            own = [record for end, record in focus if end is side]
            for record, slot, key in self.scope.ledger.keys_of(self.db, side, own):
                if slot >= base:
                    found.setdefault((side, record), []).append((slot, key))
        return found

    def _blocks(self, having: set[Key]) -> tuple[dict[Key, list[int]], dict[Key, tuple[list[str], ...]]]:
        """How many records have each key at either end; and who, where few do at both, some at each."""
        ledger = self.scope.ledger
        sizes: dict[Key, list[int]] = {}
        members: dict[Key, tuple[list[str], ...]] = {}
        for slot in sorted({slot for slot, _ in having}):
            keys = sorted(key for number, key in having if number == slot)
            counted = ledger.key_sizes(self.db, slot, keys)
            sizes |= {(slot, key): size for key, size in counted.items()}
            small = [key for key, size in counted.items() if min(size) >= 1 and max(size) <= MAX_BLOCK]
            for key, end, record in ledger.key_members(self.db, slot, small) if small else ():
                members.setdefault((slot, key), ([], []))[end].append(record)
        return sizes, members

    def _tell(self, keys: Mapping[Place, Sequence[Key]], crowded: Mapping[Key, Sequence[int]]) -> None:
        totals = self.scope.totals
        for place, mine in keys.items():
            passed = [key for key in mine if key in crowded and min(crowded[key]) > 0]
            for key in passed[: MAX_TOLD - len(totals.crowded)]:
                totals.crowded[key[1]] = (crowded[key][0], crowded[key][1])
            if passed and all(key in crowded for key in mine):
                totals.unmatched.add(place)
            else:
                totals.unmatched.discard(place)


def _pair(side: Side, record: str, other: str) -> tuple[str, str]:
    """A record of a side and one of the other: the left id, the right id."""
    return (record, other) if side is Side.LEFT else (other, record)
