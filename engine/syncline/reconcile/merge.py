"""Three-way merge: what becomes of each field of a linked pair.

Each end is compared with its own base, so a transform need not be invertible, and a value that the
engine itself wrote is recognised as no change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from syncline.mapping.canonical import holds
from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING, Missing
from syncline.mapping.module import ITEM_ID, MapEntry, Seen, Side
from syncline.spec.model import ConflictRule
from syncline.spec.problems import Place


class Outcome(StrEnum):
    """The fate of one field in one reconciliation."""

    KEEP = "keep"  # nothing changed
    AGREE = "agree"  # both ends hold the same: only the base moves
    TO_LEFT = "to-left"
    TO_RIGHT = "to-right"
    ASK = "ask"  # a conflict that a person decides; the field is held
    DRIFT = "drift"  # the target of a one-way map was edited; left as it is, and reported
    WAIT = "wait"  # refers to a record that the other end does not have yet
    HELD = "held"  # no usable value: see the fault
    LOCKED = "locked"  # the end does not go from its state to the one that it would be given


_TO = (Outcome.TO_LEFT, Outcome.TO_RIGHT)
_NOTHING_CHOSEN: Mapping[str, Any] = {}


class Unlinked(Struct, frozen=True):
    """A reference to a record that is not linked (yet): the module and the record's id at its own end."""

    module: str
    record: str


class Pending(Struct, frozen=True):
    """A reference to a record that this very pass is about to create: the link's id stands for it."""

    link: int


class Edit(Struct, frozen=True, kw_only=True):
    """One field at one end. ``value``: now, MISSING when the remote did not say; ``base``: when the ends last
    agreed, MISSING when they never did; ``out``: ``value`` as the other end would store it; ``fault``: why
    there is no ``out``. A value that could not even be read is given as its base (None where there is none)
    with a fault and ``changed``."""

    value: Any = MISSING
    base: Any = MISSING
    out: Any = MISSING
    fault: str = ""
    changed: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The outcome and what explains it: ``rule`` is the place in the spec that decided a conflict; ``lost``
    the value that a rule discards (never silently: it goes to the audit log). ``put``: a value that a person
    chose, to be stored in place of what the other end holds, and carried on from there like any edit."""

    outcome: Outcome
    why: str = ""
    rule: Place | None = None
    lost: Any = MISSING
    lost_side: Side | None = None
    put: Any = MISSING


class Choice(Struct, frozen=True, kw_only=True):
    """What a person decided about a field: the value of ``side`` shall stand at both ends. ``put``: another
    value, which is stored at that end first; ``seen``: what each end held when it was decided, MISSING where
    that does not matter."""

    who: str
    side: Side
    put: Any = MISSING
    seen: tuple[Any, Any] = (MISSING, MISSING)


def same(entry: MapEntry, stored: Any, wanted: Any) -> bool:
    """Whether an end that stores ``stored`` already has ``wanted``, within the map's tolerance."""
    if isinstance(wanted, Pending | Unlinked):
        return False
    if entry.is_list:
        return _same_items(entry, stored, wanted)
    if entry.map.tolerance is not None and _numbers(stored, wanted):
        return abs(Decimal(stored) - Decimal(wanted)) <= Decimal(entry.map.tolerance)
    return holds(stored, wanted)


def rewritten(entry: MapEntry, sent: Any, stored: Any) -> dict[str, Any] | None:
    """What to tell of a value that the remote stored otherwise than it was sent (cut, rounded, in capitals);
    ``None`` when it did not. Nothing is done about it: it is the other end's base from now on."""
    if entry.is_list or stored is MISSING or same(entry, stored, sent):
        return None
    return {"before": sent, "after": stored, "why": "the remote stored another value than it was sent"}


def changed(entry: MapEntry, value: Any, base: Any) -> bool:
    """Whether an end's value is another than its own base; the remote's ids of list items do not count."""
    if value is MISSING or base is MISSING:
        return False
    if entry.is_list:
        return _bare(value) != _bare(base)
    return bool(value != base)


def decide_field(
    entry: MapEntry,
    left: Edit,
    right: Edit,
    rule: ConflictRule,
    *,
    preferred: Side | None,
    newer: Side | None,
) -> Verdict:
    """Decide one field; reads nothing, writes nothing.

    ``rule``: the field's, else the module's, else the spec's; ``preferred``: the side it names, if it names
    one; ``newer``: the side whose record changed last by the remotes' clocks, None when they cannot tell.
    """
    edits = (left, right)
    if left.value is MISSING or right.value is MISSING:
        return Verdict(
            outcome=Outcome.HELD, why=left.fault or right.fault or "one end does not show this field"
        )
    flows = [entry.flows[side] for side in Side]
    for side in Side:
        if flows[side.other] and _unreadable(edits[side]):
            return Verdict(outcome=Outcome.HELD, why=edits[side].fault)
    if left.base is MISSING or right.base is MISSING:
        return _first_meeting(entry, edits, flows, rule, preferred, newer)
    if not left.changed and not right.changed:
        return Verdict(outcome=Outcome.KEEP)
    if _agree(entry, edits, flows):
        return Verdict(outcome=Outcome.AGREE, why="both ends hold the same")
    if all(flows):
        if left.changed and right.changed:
            return _conflict(edits, rule, preferred, newer)
        return _send(edits, Side.LEFT if left.changed else Side.RIGHT, "changed at this end alone")
    source = Side.LEFT if flows[Side.RIGHT] else Side.RIGHT
    if edits[source].changed:
        target = edits[source.other]
        lost = target.value if target.changed else MISSING
        return _send(edits, source, "changed at the source of a one-way map", lost=lost)
    if entry.map.enforce:
        why = "edited at the target of a one-way map that is enforced"
        return _send(edits, source, why, lost=edits[source.other].value)
    return Verdict(outcome=Outcome.DRIFT, why="edited at the target of a one-way map")


def decide_chosen(entry: MapEntry, left: Edit, right: Edit, choice: Choice) -> Verdict | None:
    """Decide one field as a person chose; ``None`` when an end no longer holds what the person saw, or the
    map no longer carries the value over."""
    edits, side = (left, right), choice.side
    if not entry.flows[side.other]:
        return None
    if left.value is MISSING or right.value is MISSING:
        return Verdict(outcome=Outcome.HELD, why="one end does not show this field")
    placed = choice.put is not MISSING and same(entry, edits[side].value, choice.put)
    for end in Side:
        if not (end is side and placed) and changed(entry, edits[end].value, choice.seen[end]):
            return None
    why = f"decided by {choice.who}"
    if choice.put is not MISSING and not placed:
        return Verdict(outcome=_TO[side], why=why, put=choice.put, lost=edits[side].value, lost_side=side)
    if _agree(entry, edits, [entry.flows[end] for end in Side]):
        return Verdict(outcome=Outcome.AGREE, why=why)
    return _send(edits, side, why, lost=edits[side.other].value)


def compare_field(entry: MapEntry, left: Edit, right: Edit) -> Verdict:
    """Judge a field that is compared and never written: told once when the ends differ by more than its
    tolerance. What one end does not hold is not compared."""
    values = (left.value, right.value)
    open_ = left.base is MISSING or right.base is MISSING
    if any(isinstance(value, Missing) for value in values) or not (open_ or left.changed or right.changed):
        return Verdict(outcome=Outcome.KEEP)
    if None in values or same(entry, *values):
        return Verdict(outcome=Outcome.AGREE, why="both ends hold the same")
    return Verdict(outcome=Outcome.DRIFT, why=f"the ends differ: {left.value} and {right.value}")


def _first_meeting(
    entry: MapEntry,
    edits: tuple[Edit, Edit],
    flows: Sequence[bool],
    rule: ConflictRule,
    preferred: Side | None,
    newer: Side | None,
) -> Verdict:
    if _agree(entry, edits, flows):
        return Verdict(outcome=Outcome.AGREE, why="both ends hold the same")
    empty = [blank(edit.value) for edit in edits]
    if all(flows):
        if all(empty):
            return Verdict(outcome=Outcome.AGREE, why="empty at both ends")
        if empty[Side.LEFT]:
            return _send(edits, Side.RIGHT, "filled at this end alone")
        if empty[Side.RIGHT]:
            return _send(edits, Side.LEFT, "filled at this end alone")
        return _conflict(edits, rule, preferred, newer)
    source = Side.LEFT if flows[Side.RIGHT] else Side.RIGHT
    if empty[source] or blank(edits[source].out):
        return Verdict(outcome=Outcome.AGREE, why="nothing to bring from the source of a one-way map")
    lost = MISSING if empty[source.other] else edits[source.other].value
    return _send(edits, source, "the source of a one-way map", lost=lost)


class FirstLook:
    """Whether two records that meet for the first time hold the same in every map, asked of all maps at once:
    most pairs do. ``possible``: a module with lists or references cannot be looked at like that. ``needs``:
    the sides whose values must have been carried over for it."""

    def __init__(self, entries: Sequence[MapEntry]) -> None:
        self.possible = not any(entry.is_list or entry.map.ref is not None for entry in entries)
        self._forward = frozenset(entry.name for entry in entries if entry.flows[Side.RIGHT])
        self._backward = frozenset(entry.name for entry in entries) - self._forward
        self.needs = [Side.LEFT] * bool(self._forward) + [Side.RIGHT] * bool(self._backward)

    def agrees(self, left: Seen, right: Seen) -> bool:
        """True only when :func:`decide_field` would find every map agreed on."""
        seen = self.look(Side.LEFT, left)
        return seen is not None and seen == self.look(Side.RIGHT, right)

    def look(self, side: Side, seen: Seen) -> Mapping[str, Any] | None:
        """What is the same of both records when they agree, by map; None for a record that must be looked at
        map by map."""
        if not self.possible or seen.faults:
            return None
        there, here = (seen.out, seen.own) if side is Side.LEFT else (seen.own, seen.out)
        if not self._backward and there.keys() == self._forward:
            return there
        try:
            return {n: there[n] for n in self._forward} | {n: here[n] for n in self._backward}
        except KeyError:  # a value that the end does not show
            return None


def _unless_emptied(entry: MapEntry, edits: tuple[Edit, Edit], verdict: Verdict) -> Verdict:
    """The verdict, unless it would take away a value that the end cannot do without."""
    if verdict.outcome not in _TO:
        return verdict
    side = Side.LEFT if verdict.outcome is Outcome.TO_LEFT else Side.RIGHT
    value = edits[side.other].out if verdict.put is MISSING else verdict.put
    field = entry.ends[side].field
    if field is None or not (value is None or value == []) or (field.clearable and not field.required):
        return verdict
    why = f"{field.name} cannot be emptied: it keeps what it has"
    return Verdict(outcome=Outcome.DRIFT, why=why, rule=verdict.rule)


def _within_states(entry: MapEntry, edits: tuple[Edit, Edit], verdict: Verdict) -> Verdict:
    """The verdict, unless it asks an end for a state that does not follow the one it is in. Where the map is
    enforced, the end with the states is believed: the other one is put back to what it says."""
    keepers = [s for s in Side if (end := entry.ends[s].field) is not None and end.moves is not None]
    if not keepers or verdict.outcome is Outcome.KEEP:
        return verdict
    # Where both ends have states, those of the end that is written to decide.
    keeper = next((s for s in keepers if verdict.outcome is _TO[s]), keepers[0])
    kept, other = edits[keeper], edits[keeper.other]
    why = ""
    if verdict.outcome is _TO[keeper]:
        wanted = other.out if verdict.put is MISSING else verdict.put
        why = _no_way(entry, keeper, kept.value, wanted)
        if not why:
            return verdict
        if _means_the_same(entry, keeper, kept.value, wanted):
            return Verdict(outcome=Outcome.AGREE, why=f"{kept.value} is told there as {wanted} is")
    enforced = entry.map.enforce and all(entry.flows)
    shown = kept.out is not MISSING and not kept.fault and same(entry, other.value, kept.out)
    if entry.map.values is not None:
        # Of two names that the pairs give one state, neither says anything else than the other.
        shown = shown or (not other.fault and same(entry, kept.value, other.out))
    if enforced and not shown and (why or verdict.outcome is Outcome.AGREE):
        return _send(edits, keeper, why or "the state of the record decides", lost=other.value)
    return Verdict(outcome=Outcome.LOCKED, why=why, rule=verdict.rule) if why else verdict


def _no_way(entry: MapEntry, side: Side, held: Any, wanted: Any) -> str:
    """Why a record cannot be brought from one state to another at an end; empty when it can."""
    end = entry.ends[side].field
    if end is None or end.moves is None or held in (MISSING, None) or wanted == held:
        return ""
    if wanted in end.moves.get(str(held), ()):
        return ""
    return f"{end.name} does not go from {held} to {wanted}"


def _means_the_same(entry: MapEntry, side: Side, held: Any, wanted: Any) -> bool:
    """Whether the other end has one word for two states of this one: an open invoice is open there, whether
    it is overdue here or not, so that none of these is asked for in the place of another."""
    end = entry.ends[side]
    if not entry.flows[side.other] or end.reads_record:
        return False
    try:
        return bool(end.carry(held, {}) == end.carry(wanted, {}))
    except ValueError:  # a state that the other end has no word for
        return False


def can_begin(entry: MapEntry, side: Side, value: Any) -> bool:
    """Whether a record can be made with this value of a map: a state that none leads to is reached by the
    remote itself (paid), and nothing is made in it."""
    end = entry.ends[side].field
    if end is None or end.moves is None:
        return True
    return value in {state for states in end.moves.values() for state in states} or (
        value == next(iter(end.moves), None)
    )


def _unreadable(edit: Edit) -> bool:
    """Whether the end holds a value that nobody here knows: nothing may take its place unseen."""
    if edit.base is MISSING:
        return bool(edit.fault)
    return bool(edit.fault) and edit.changed and bool(edit.value == edit.base)


def _agree(entry: MapEntry, edits: tuple[Edit, Edit], flows: Sequence[bool]) -> bool:
    if entry.is_list and all(flows) and _items_agree(entry, *edits):
        return True
    return any(
        flows[side.other]
        and edits[side].out is not MISSING
        and not _unreadable(edits[side.other])
        and same(entry, edits[side.other].value, edits[side].out)
        for side in Side
    )


def _items_agree(entry: MapEntry, left: Edit, right: Edit) -> bool:
    """Whether two lists are the same, each value of each item seen from whichever end it is the same from: a
    discount that is a rate here and an amount there agrees from one end, a tax code from the other."""
    lists = (left.value, right.value, left.out, right.out)
    if any(isinstance(items, Missing) for items in lists) or len({len(items or ()) for items in lists}) > 1:
        return False
    for mine, theirs, as_theirs, as_mine in zip(*(items or () for items in lists), strict=True):
        for sub in entry.ends[Side.LEFT].items:
            name = sub.name
            forward = name in as_theirs and same(sub, theirs.get(name), as_theirs[name])
            backward = name in as_mine and same(sub, mine.get(name), as_mine[name])
            if (name in as_theirs or name in as_mine) and not forward and not backward:
                return False
    return True


def _conflict(
    edits: tuple[Edit, Edit], rule: ConflictRule, preferred: Side | None, newer: Side | None
) -> Verdict:
    winner = newer if rule.prefer == "newest" else preferred
    if winner is None:
        why = "both ends changed" + (
            ", and their clocks cannot tell which is newer" * (rule.prefer == "newest")
        )
        return Verdict(outcome=Outcome.ASK, why=why, rule=rule.place)
    why = f"both ends changed; the rule is prefer: {rule.prefer}"
    return _send(edits, winner, why, rule=rule.place, lost=edits[winner.other].value)


def _send(
    edits: tuple[Edit, Edit], source: Side, why: str, *, rule: Place | None = None, lost: Any = MISSING
) -> Verdict:
    edit = edits[source]
    if edit.fault or edit.out is MISSING:
        return Verdict(outcome=Outcome.HELD, why=edit.fault or "the value cannot be carried over", rule=rule)
    if _unlinked(edit.out):
        return Verdict(outcome=Outcome.WAIT, why=_waits_for(edit.out), rule=rule)
    return Verdict(
        outcome=_TO[source.other],
        why=why,
        rule=rule,
        lost=lost,
        lost_side=None if lost is MISSING else source.other,
    )


class Merge(Struct, kw_only=True):
    """What becomes of a linked pair: ``writes[side]``: values to store there, by map; ``agreed``: maps whose
    base moves to the ends' present values; ``verdicts``: every map that is not simply kept; ``overtaken``:
    maps of which an end has changed since a person decided; ``uncompared``: maps to be compared when both
    ends have been seen at rest."""

    writes: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))
    agreed: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    uncompared: list[str] = field(default_factory=list)

    def of(self, outcome: Outcome) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict.outcome is outcome]


def merge_pair(
    entries: Sequence[MapEntry],
    edit_of: Callable[[MapEntry, Side], Edit],
    module_rule: ConflictRule,
    systems: Mapping[str, Side],
    newer: Side | None,
    choices: Mapping[str, Choice] = _NOTHING_CHOSEN,
    *,
    seen: bool = True,
) -> Merge:
    """Decide every field of a pair. ``systems``: the side of each system's name; ``choices``: what a person
    decided, by map; ``seen``: both ends are known as they are now, not only as they were written."""
    result = Merge()
    for entry in entries:
        if entry.compared:
            continue
        rule = entry.map.conflicts or module_rule
        left, right = edit_of(entry, Side.LEFT), edit_of(entry, Side.RIGHT)
        verdict = None
        if entry.name in choices:
            verdict = decide_chosen(entry, left, right, choices[entry.name])
            if verdict is None:
                result.overtaken.append(entry.name)
        if verdict is None:
            verdict = decide_field(entry, left, right, rule, preferred=systems.get(rule.prefer), newer=newer)
        verdict = _within_states(entry, (left, right), _unless_emptied(entry, (left, right), verdict))
        if verdict.outcome is Outcome.KEEP:
            continue
        result.verdicts[entry.name] = verdict
        match verdict.outcome:
            case Outcome.TO_RIGHT:
                result.writes[Side.RIGHT][entry.name] = left.out if verdict.put is MISSING else verdict.put
            case Outcome.TO_LEFT:
                result.writes[Side.LEFT][entry.name] = right.out if verdict.put is MISSING else verdict.put
            case Outcome.AGREE | Outcome.DRIFT:
                result.agreed.append(entry.name)
            case _:
                pass
    for entry in entries:
        if entry.compared and (any(result.writes) or not seen):
            result.uncompared.append(entry.name)
        elif entry.compared:
            verdict = compare_field(entry, edit_of(entry, Side.LEFT), edit_of(entry, Side.RIGHT))
            if verdict.outcome is not Outcome.KEEP:
                result.verdicts[entry.name] = verdict
                result.agreed.append(entry.name)
    return result


def newer_side(left: datetime | None, right: datetime | None, tolerance_s: float = 1.0) -> Side | None:
    """The side whose record changed last, by the remotes' own stamps; None when missing or too close."""
    if left is None or right is None or abs((left - right).total_seconds()) <= tolerance_s:
        return None
    return Side.LEFT if left > right else Side.RIGHT


def match_items(
    entry: MapEntry, target: Side, wanted: Sequence[Mapping[str, Any]], stored: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Give each wanted item the remote's id of the stored item it takes the place of, and tell which stored
    items are left over. By the list's ``key`` map where it has one, else first equal items, then those that
    share most values, then the order.
    """
    free = list(stored)
    result = [{name: value for name, value in item.items() if name != ITEM_ID} for item in wanted]
    names = [sub.name for sub in entry.ends[target].items if sub.flows[target]]
    key = entry.map.key
    keyed = [lambda old, new: old.get(key) == new.get(key)]
    unkeyed = [lambda old, new: _likeness(old, new, names) == len(names), lambda old, new: True]
    pending = result
    for fits in unkeyed if key is None else keyed:
        unclaimed = []
        for item in pending:
            place = _likest(free, item, names, fits)
            if place is None:
                unclaimed.append(item)
            elif ITEM_ID in (old := free.pop(place)):
                item[ITEM_ID] = old[ITEM_ID]
        pending = unclaimed
    return result, [str(old[ITEM_ID]) for old in free if ITEM_ID in old]


_Item = Mapping[str, Any]


def _likest(
    free: Sequence[_Item], item: _Item, names: Sequence[str], fits: Callable[[_Item, _Item], bool]
) -> int | None:
    """The place of the fitting item that shares most values; of several the first."""
    likely = [place for place, old in enumerate(free) if fits(old, item)]
    return max(likely, key=lambda place: _likeness(free[place], item, names), default=None)


def _likeness(old: _Item, new: _Item, names: Sequence[str]) -> int:
    return sum(holds(old.get(name), new.get(name)) for name in names)


def _same_items(entry: MapEntry, stored: Any, wanted: Any) -> bool:
    if stored is MISSING or wanted is MISSING or len(stored or ()) != len(wanted or ()):
        return False
    for old, new in zip(stored or (), wanted or (), strict=True):
        for sub in entry.ends[0].items:
            if sub.name in new and not same(sub, old.get(sub.name), new[sub.name]):
                return False
    return True


def _bare(items: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in item.items() if k != ITEM_ID} for item in items or ()]


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | Decimal) and not isinstance(value, bool) for value in values)


def _unlinked(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(v, Unlinked) for item in value for v in item.values())
    return isinstance(value, Unlinked)


def _waits_for(value: Any) -> str:
    found = value
    if isinstance(value, list):
        found = next(v for item in value for v in item.values() if isinstance(v, Unlinked))
    return f"waits for {found.module} {found.record}, which has no counterpart yet"
