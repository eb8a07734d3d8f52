"""What the documents say must come of a history, told naively: dictionaries and one rule per field.

Nothing of the engine is used here. Every value that a person types is another one, so that a value tells
which edit it comes from, however a remote trims, shortens, rounds or capitalises it: see :func:`mark`. A
value *descends* from what its author saw when it was typed. Then:

- The engine may only carry values that somebody typed at the other end.
- A value that descends from what it replaces replaces it rightly. Any other value that is replaced is lost:
  the field's rule must have named the winner, and the audit log must have kept the loser.
- A value may not be replaced by one that it descends from.
- In a history without mishaps, the three-way rule tells exactly what both ends hold after a pass:
  :func:`merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

A, B = 0, 1


def mark(value: Any) -> Any:
    """Which edit a value comes from: what is left of it whatever a remote makes of it."""
    match value:
        case None | "" | []:
            return None
        case str():
            return value.strip().casefold()[:5]
        case bool():
            return value
        case int() | Decimal() | float():
            return int(value)
        case list():
            return tuple(mark(item["text"]) for item in value)
        case _:
            raise AssertionError(f"no value of these histories: {value!r}")


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Rule:
    """One field map, as the spec's page explains it. ``prefer``: a, b, newest or ask; ``flow``: both, to-a or
    to-b; ``carry``: how a value of a and of b looks at the other end."""

    prefer: str = "a"
    flow: str = "both"
    enforce: bool = False
    carry: tuple[Callable[[Any], Any], Callable[[Any], Any]] = (same, same)

    @property
    def source(self) -> int | None:
        return {"both": None, "to-b": A, "to-a": B}[self.flow]

    def may_lose(self, side: int) -> bool:
        """Whether the rule lets a value of this end give way to an edit that did not know it."""
        if self.source is not None:
            return side != self.source
        return {"a": side == B, "b": side == A, "newest": True, "ask": False}[self.prefer]


def merged(
    rule: Rule, base: tuple[Any, Any], now: tuple[Any, Any], agree: Callable[[Any, Any], bool]
) -> tuple[Any, Any] | None:
    """The three-way rule for one field: what each end holds after a pass (before its remote rewrites it), or
    None where a person must decide or a clock."""
    left, right = now
    changed = (left != base[A], right != base[B])
    if not any(changed) or agree(left, right):
        return now
    if rule.source is not None:
        if not changed[rule.source] and not rule.enforce:
            return now
        winner = rule.source
    elif all(changed):
        if rule.prefer not in ("a", "b"):
            return None
        winner = A if rule.prefer == "a" else B
    else:
        winner = A if changed[A] else B
    told = rule.carry[winner](now[winner])
    return (left, told) if winner == A else (told, right)


@dataclass(slots=True)
class Cell:
    """One field of one record: what it holds, and the marks of everything that this descends from."""

    value: Any = None
    past: frozenset[Any] = frozenset({None})
    history: list[tuple[Any, frozenset[Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history.append((mark(self.value), self.past))

    def set(self, value: Any, past: frozenset[Any]) -> None:
        self.value, self.past = value, past | {mark(value)}
        self.history.append((mark(value), self.past))


@dataclass(slots=True)
class Thing:
    """One thing of the world, known by its tag: its record at each end, and the cells of its fields."""

    module: str
    tag: str
    ids: list[str | None] = field(default_factory=lambda: [None, None])
    cells: tuple[dict[str, Cell], dict[str, Cell]] = field(default_factory=lambda: ({}, {}))
    #: whether a pass may know less of it than we do: an answer was lost, or a process died
    troubled: bool = False
    #: by (field, mark): how often people typed it, at either end
    typed: Counter[tuple[str, Any]] = field(default_factory=Counter)

    def cell(self, side: int, name: str) -> Cell:
        return self.cells[side].setdefault(name, Cell())


@dataclass(frozen=True, slots=True)
class Loss:
    """A value that a rule let go: it must be found in the audit log."""

    tag: str
    field: str
    mark: Any


class Oracle:
    """Judges every write of the engine at the moment when the remote carries it out."""

    def __init__(self, rules: Mapping[str, Mapping[str, Rule]], murky: Collection[int]) -> None:
        """``murky``: the ends whose remote makes something else of values without saying so. There nobody can
        tell that from an edit once the record is edited otherwise before it is read."""
        self.rules = rules
        self.murky = murky
        self.things: dict[str, Thing] = {}
        self.losses: list[Loss] = []
        #: what was wrong with writes
        self.complaints: list[str] = []
        #: the records (tag, side) that the engine has written since this was emptied
        self.written: set[tuple[str, int]] = set()

    def person_made(self, side: int, module: str, tag: str, record: str, values: Mapping[str, Any]) -> Thing:
        thing = self.things.setdefault(tag, Thing(module, tag))
        assert thing.ids[side] is None
        thing.ids[side] = record
        self.person_edited(side, thing, values)
        return thing

    def person_edited(self, side: int, thing: Thing, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            cell = thing.cell(side, name)
            cell.set(value, cell.past)
            thing.typed[name, mark(value)] += 1

    def trouble(self, side: int, records: Sequence[str | None]) -> None:
        """An answer was lost while these records were written (None: one that was made)."""
        for thing in self.things.values():
            thing.troubled = thing.troubled or None in records or thing.ids[side] in records

    def engine_made(self, side: int, module: str, record: str, sent: Mapping[str, Any], stored: Any) -> None:
        tag = sent.get("tag")
        assert tag in self.things, f"a record of nobody was created: {sent}"
        thing = self.things[tag]
        assert thing.module == module
        assert thing.ids[side] is None, (
            f"{tag} was created twice at {'ab'[side]}: {thing.ids[side]}, {record}"
        )
        thing.ids[side] = record
        self._engine_wrote(side, thing, {n: v for n, v in sent.items() if n != "tag"}, stored)

    def engine_edited(self, side: int, record: str, sent: Mapping[str, Any], stored: Any) -> None:
        thing = next(t for t in self.things.values() if t.ids[side] == record)
        self._engine_wrote(side, thing, sent, stored)

    def _engine_wrote(
        self, side: int, thing: Thing, sent: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> None:
        self.written.add((thing.tag, side))
        for name, value in sent.items():
            rule, cell, other = (
                self.rules[thing.module][name],
                thing.cell(side, name),
                thing.cell(1 - side, name),
            )
            where = f"{thing.tag}.{name} at {'ab'[side]}: {cell.value!r} -> {value!r}"
            assert rule.source != side, f"written against its direction: {where}"
            found = [past for m, past in other.history if m == mark(value)]
            assert found, f"nobody typed this at the other end: {where}; there {other.history}"
            past, old = found[-1], mark(cell.value)
            if old not in past and old is not None:
                assert rule.may_lose(side), f"the rule names the other winner: {where}"
                # The value of an enforced map comes back by intent. What people typed more than once may be
                # older and newer than what stands there: they choose among a few records and codes.
                again = thing.typed[name, mark(value)] > 1
                own = rule.enforce or mark(value) is None or again
                older = not own and 1 - side not in self.murky and mark(value) in cell.past
                assert thing.troubled or not older, f"an older value came back: {where}"
                self.losses.append(Loss(thing.tag, name, old))
                past |= cell.past
            cell.set(stored[name], past | {old})
