"""The likely rule at work: which records are compared at all, and what comes of their scores.

Only records that share a key of a block are compared. A key that more records have than :data:`MAX_BLOCK` at
either end says nothing and is passed over, so the cost grows with the number of records, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.engine import Connection

from syncline.mapping.module import Side
from syncline.reconcile.likely import Likely, Place, Scored, Scorer, decide_likely
from syncline.reconcile.match import Candidate
from syncline.run.candidates import candidates
from syncline.run.scope import Scope
from syncline.spec.model import LikelyRule

#: So many records of one end may share a key.
MAX_BLOCK = 40
#: Keys that are told of as crowded.
MAX_TOLD = 1000


def find_likely(
    scope: Scope, db: Connection, rule: LikelyRule, rows: Sequence[tuple[int, str, int]]
) -> Likely:
    """Decide these pending rows without a link (side, record, seq) by the likely rule."""
    look = _Look(scope, db, rule)
    focus = [(Side(side), record) for side, record, _ in rows]
    look.compare(focus)
    # Whether a pair is the best for its other record as well is known only when that one's pairs are.
    partners = {
        (side, pair.id(side)) for pair in look.scored.values() if pair.score >= rule.ask for side in Side
    }
    look.compare(sorted(partners - set(focus)), told=False)
    return decide_likely(set(focus), look.scored.values(), look.free, rule)


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
        ledger, base = self.scope.ledger, len(self.scope.module.match)
        having: dict[tuple[int, str], list[Place]] = {}
        for side in Side:
            own = [record for end, record in focus if end is side]
            for record, slot, key in ledger.keys_of(self.db, side, own):
                if slot >= base:
                    having.setdefault((slot, key), []).append((side, record))
        pairs: set[tuple[str, str]] = set()
        usable: set[Place] = set()
        crowded: dict[tuple[int, str], list[int]] = {}
        for slot in sorted({slot for slot, _ in having}):
            keys = [key for number, key in having if number == slot]
            sizes = ledger.key_sizes(self.db, slot, keys)
            small = [key for key in keys if all(1 <= size <= MAX_BLOCK for size in sizes[key])]
            for key in keys:
                if max(sizes[key]) > MAX_BLOCK:
                    crowded[slot, key] = sizes[key]
                else:
                    usable.update(having[slot, key])
            members: dict[str, tuple[list[str], list[str]]] = {}
            for key, end, record in ledger.key_members(self.db, slot, small) if small else ():
                members.setdefault(key, ([], []))[end].append(record)
            for key, ends in members.items():
                for side, record in having[slot, key]:
                    others = ends[side.other]
                    pairs.update((record, o) if side is Side.LEFT else (o, record) for o in others)
        if told:
            self._tell(crowded, having, usable)
        return pairs

    def _tell(
        self,
        crowded: dict[tuple[int, str], list[int]],
        having: dict[tuple[int, str], list[Place]],
        usable: Iterable[Place],
    ) -> None:
        totals = self.scope.totals
        for (slot, key), (left, right) in crowded.items():
            if min(left, right) > 0 and len(totals.crowded) < MAX_TOLD:
                totals.crowded[key] = (left, right)
                totals.unmatched.update(having[slot, key])
        totals.unmatched -= set(usable)
