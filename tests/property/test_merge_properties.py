"""What holds for every merge, every group of namesakes and every list, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.reconcile.made import entry, list_entry, prefer

from syncline.mapping.missing import MISSING
from syncline.mapping.module import ITEM_ID, MapEntry, Projection, Side
from syncline.reconcile.match import Candidate, contradicts, match_group
from syncline.reconcile.merge import (
    Edit,
    FirstLook,
    Outcome,
    Pending,
    Unlinked,
    Verdict,
    changed,
    decide_field,
    match_items,
    merge_pair,
)
from syncline.spec.model import ConflictRule, Direction

VALUES = st.one_of(
    st.none(), st.sampled_from(["", "a", "b", "ab", "abc", "B"]), st.booleans(), st.integers(0, 3)
)
OUTS = st.one_of(VALUES, st.just(MISSING), st.just(Unlinked("m", "1")), st.just(Pending(1)))
SIDES = st.sampled_from([None, Side.LEFT, Side.RIGHT])
RULES = st.sampled_from(["ask", "newest", "a", "b"])
DIRECTIONS = st.sampled_from(list(Direction))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """One end as the engine may find it: read or not, readable or not, met before or not."""
    value = draw(st.one_of(VALUES, st.just(MISSING)))
    base = draw(st.one_of(VALUES, st.just(MISSING)))
    out = MISSING if value is MISSING else draw(OUTS)
    fault = draw(st.sampled_from(["", "odd"])) if out is MISSING and value is not MISSING else ""
    was_changed = changed(entry(), value, base)
    if fault and base is not MISSING and draw(st.booleans()):
        value, was_changed = base, True  # unreadable
    return Edit(value=value, base=base, out=out, fault=fault, changed=was_changed)


def mirrored(direction: Direction) -> Direction:
    swap = {Direction.TO_LEFT: Direction.TO_RIGHT, Direction.TO_RIGHT: Direction.TO_LEFT}
    return swap.get(direction, direction)


def other(side: Side | None) -> Side | None:
    return None if side is None else side.other


def preferred(rule: str) -> Side | None:
    return {"a": Side.LEFT, "b": Side.RIGHT}.get(rule)


@given(edits(), edits(), DIRECTIONS, st.booleans(), RULES, SIDES)
def test_a_merge_is_symmetric(
    left: Edit, right: Edit, direction: Direction, enforce: bool, rule: str, newer: Side | None
) -> None:
    one = decide_field(
        entry(direction=direction, enforce=enforce),
        left,
        right,
        prefer(rule),
        preferred=preferred(rule),
        newer=newer,
    )
    turned = decide_field(
        entry(direction=mirrored(direction), enforce=enforce),
        right,
        left,
        prefer(rule),
        preferred=other(preferred(rule)),
        newer=other(newer),
    )
    swap = {Outcome.TO_LEFT: Outcome.TO_RIGHT, Outcome.TO_RIGHT: Outcome.TO_LEFT}
    assert turned.outcome is swap.get(one.outcome, one.outcome)
    assert turned.lost == one.lost
    assert turned.lost_side is other(one.lost_side)
    assert turned.rule == one.rule


@given(edits(), edits(), DIRECTIONS, st.booleans(), RULES, SIDES)
def test_no_edit_is_overwritten_without_being_kept(
    left: Edit, right: Edit, direction: Direction, enforce: bool, rule: str, newer: Side | None
) -> None:
    verdict = decide_field(
        entry(direction=direction, enforce=enforce),
        left,
        right,
        prefer(rule),
        preferred=preferred(rule),
        newer=newer,
    )
    target = {Outcome.TO_LEFT: left, Outcome.TO_RIGHT: right}.get(verdict.outcome)
    if target is None:
        assert verdict.lost is MISSING
        return
    source = right if target is left else left
    assert source.out is not MISSING
    assert not isinstance(source.out, Unlinked)
    flows_out = direction is Direction.BOTH or (direction is Direction.TO_LEFT) is (target is right)
    if target.changed:
        assert not (flows_out and target.fault and target.value == target.base), "an unreadable value"
        # Where the ends have never agreed, a cleared value is an empty one, and gives way to a filled one.
        emptied = target.value in (None, "") and MISSING in (target.base, source.base)
        assert emptied or verdict.lost == target.value
    elif target.base is MISSING or source.base is MISSING:
        assert verdict.lost == target.value or target.value in (None, "") or target.fault


@given(edits(), edits(), DIRECTIONS, RULES)
def test_what_did_not_change_is_never_written(
    left: Edit, right: Edit, direction: Direction, rule: str
) -> None:
    met_before = MISSING not in (left.base, right.base)
    if not met_before or left.changed or right.changed:
        return
    verdict = decide_field(
        entry(direction=direction), left, right, prefer(rule), preferred=preferred(rule), newer=None
    )
    assert verdict.outcome in (Outcome.KEEP, Outcome.HELD)


# --- convergence under transforms that lose something ------------------------------------------------------

Carry = Callable[[Any], Any]
CARRIES: dict[str, Carry] = {
    "as it is": lambda value: value,
    "cut": lambda value: value[:1] if isinstance(value, str) else value,
    "upper": lambda value: value.upper() if isinstance(value, str) else value,
    "a constant": lambda value: "x",
    "nothing": lambda value: None,
    "whether filled": lambda value: bool(value),
}
#: What a remote makes of what it is sent.
STORES: dict[str, Carry] = {
    "as sent": lambda value: value,
    "upper": lambda value: value.upper() if isinstance(value, str) else value,
    "cut": lambda value: value[:2] if isinstance(value, str) else value,
    "empty is null": lambda value: value or None,
}


class World:
    """One value at two ends, merged as a pass merges it."""

    def __init__(self, made: MapEntry, values: list[Any], carries: list[Carry], stores: list[Carry]) -> None:
        self.made, self.values, self.carries, self.stores = made, values, carries, stores
        self.base: list[Any] = [MISSING, MISSING]

    def edit(self, side: Side) -> Edit:
        value, base = self.values[side], self.base[side]
        out = self.carries[side](value) if self.made.flows[side.other] else MISSING
        return Edit(value=value, base=base, out=out, changed=changed(self.made, value, base))

    def merge(self, rule: ConflictRule) -> Verdict | None:
        sides = {"a": Side.LEFT, "b": Side.RIGHT}
        merge = merge_pair([self.made], lambda made, side: self.edit(side), rule, sides, None)
        if merge.agreed:
            self.base = list(self.values)
        for side in Side:
            if merge.writes[side]:
                self.values[side] = self.stores[side](merge.writes[side][self.made.name])
                self.base = list(self.values)
        return merge.verdicts.get(self.made.name)


WORDS = st.sampled_from([None, "", "a", "ab", "abc", "B"])
PICKS = st.tuples(st.sampled_from(sorted(CARRIES)), st.sampled_from(sorted(CARRIES)))
STORED = st.tuples(st.sampled_from(sorted(STORES)), st.sampled_from(sorted(STORES)))
STEPS = st.lists(st.tuples(st.sampled_from(list(Side)), WORDS), max_size=5)


@given(WORDS, WORDS, STEPS, PICKS, STORED, DIRECTIONS, st.booleans(), st.sampled_from(["a", "b"]))
def test_a_second_merge_writes_nothing_whatever_the_transforms_lose(
    left: Any,
    right: Any,
    steps: list[tuple[Side, Any]],
    picks: tuple[str, str],
    stored: tuple[str, str],
    direction: Direction,
    enforce: bool,
    rule: str,
) -> None:
    world = World(
        entry(direction=direction, enforce=enforce),
        [left, right],
        [CARRIES[name] for name in picks],
        [STORES[name] for name in stored],
    )
    world.merge(prefer(rule))
    assert world.merge(prefer(rule)) is None
    for side, value in steps:
        world.values[side] = value
        world.merge(prefer(rule))
        assert world.merge(prefer(rule)) is None


@given(WORDS, WORDS, STEPS, DIRECTIONS)
def test_ends_that_lose_nothing_come_to_agree(
    left: Any, right: Any, steps: list[tuple[Side, Any]], direction: Direction
) -> None:
    as_it_is = CARRIES["as it is"]
    world = World(entry(direction=direction, enforce=True), [left, right], [as_it_is] * 2, [as_it_is] * 2)
    world.merge(prefer("a"))
    for side, value in steps:
        world.values[side] = value
        world.merge(prefer("a"))
        if direction is Direction.BOTH:
            assert world.values[0] == world.values[1] or not any(world.values)


# --- matching ----------------------------------------------------------------------------------------------


@st.composite
def candidates(draw: st.DrawFn, side: Side) -> list[Candidate]:
    count = draw(st.integers(0, 5))
    own = st.fixed_dictionaries({"tax": st.sampled_from([None, "", "1", "2"])})
    return [
        Candidate(side=side, id=f"{side.name}{at}", free=draw(st.booleans()), own=draw(own))
        for at in range(count)
    ]


@given(candidates(Side.LEFT), candidates(Side.RIGHT))
def test_a_match_is_never_a_guess(lefts: list[Candidate], rights: list[Candidate]) -> None:
    agree = [entry("tax")]
    found = match_group(lefts, rights, agree)
    by_id = {candidate.id: candidate for candidate in (*lefts, *rights)}
    assert len({left for left, _ in found.pairs}) == len(found.pairs)
    assert len({right for _, right in found.pairs}) == len(found.pairs)
    for left_id, right_id in found.pairs:
        left, right = by_id[left_id], by_id[right_id]
        assert left.free
        assert right.free
        assert not contradicts(left, right, agree)
        assert [r.id for r in rights if not contradicts(left, r, agree)] == [right_id]
        assert [x.id for x in lefts if not contradicts(x, right, agree)] == [left_id]
    paired = {record for pair in found.pairs for record in pair}
    for (_, record), others in found.unclear.items():
        assert by_id[record].free
        assert record not in paired
        assert others
        assert not any(contradicts(by_id[record], by_id[o], agree) for o in others)
    for candidate in (*lefts, *rights):
        alone = candidate.id not in paired and (candidate.side, candidate.id) not in found.unclear
        if candidate.free and alone:
            theirs = rights if candidate.side is Side.LEFT else lefts
            assert all(contradicts(candidate, one, agree) for one in theirs)


@given(candidates(Side.LEFT), candidates(Side.RIGHT))
def test_a_match_does_not_depend_on_which_end_is_called_left(
    lefts: list[Candidate], rights: list[Candidate]
) -> None:
    agree = [entry("tax")]
    one = match_group(lefts, rights, agree)
    turned = match_group(
        [replace(r, side=Side.LEFT) for r in rights], [replace(x, side=Side.RIGHT) for x in lefts], agree
    )
    assert {(b, a) for a, b in turned.pairs} == set(one.pairs)
    assert {(side.other, record): others for (side, record), others in turned.unclear.items()} == one.unclear


# --- lists -------------------------------------------------------------------------------------------------

ITEMS = st.lists(st.fixed_dictionaries({"text": st.sampled_from("abc"), "n": st.integers(0, 2)}), max_size=6)


@given(ITEMS, ITEMS, st.sampled_from([None, "text"]), st.booleans())
def test_every_stored_item_is_reused_or_removed(
    wanted: list[dict[str, Any]], stored: list[dict[str, Any]], key: str | None, with_ids: bool
) -> None:
    made = list_entry("text", "n", key=key)
    given_ids = [{**item, ITEM_ID: f"id{at}"} if with_ids else dict(item) for at, item in enumerate(stored)]
    found, removed = match_items(made, Side.RIGHT, wanted, given_ids)
    assert [{k: v for k, v in item.items() if k != ITEM_ID} for item in found] == wanted
    reused = [item[ITEM_ID] for item in found if ITEM_ID in item]
    assert len(set(reused)) == len(reused)
    assert sorted(reused + removed) == sorted(item[ITEM_ID] for item in given_ids if with_ids)
    if key is None:
        assert len(reused) == (min(len(wanted), len(stored)) if with_ids else 0)
    for item in found:
        if key is not None and ITEM_ID in item:
            assert next(old for old in given_ids if old[ITEM_ID] == item[ITEM_ID])[key] == item[key]


@given(ITEMS)
def test_items_that_did_not_change_keep_their_ids(stored: list[dict[str, Any]]) -> None:
    with_ids = [{**item, ITEM_ID: f"id{at}"} for at, item in enumerate(stored)]
    found, removed = match_items(list_entry("text", "n"), Side.LEFT, stored, with_ids)
    assert found == with_ids
    assert removed == []


@given(st.data())
def test_a_first_look_agrees_only_where_every_map_would(data: st.DataObject) -> None:
    values = st.sampled_from([None, "", "a", "b", 1, True, False])
    directions = st.sampled_from(list(Direction))
    names = ["one", "two", "three"]
    entries = [entry(name, data.draw(directions)) for name in names]
    sides = []
    for side in Side:
        own = {name: data.draw(values) for name in names if data.draw(st.booleans()) or name == "one"}
        out = {
            e.name: data.draw(st.one_of(st.just(own[e.name]), values))
            for e in entries
            if e.flows[side.other] and e.name in own
        }
        sides.append(Projection(own, out))
    left, right = sides
    if not FirstLook(entries).agrees(left, right):
        return

    def edit_of(one: MapEntry, side: Side) -> Edit:
        seen = sides[side]
        return Edit(value=seen.own.get(one.name, MISSING), out=seen.out.get(one.name, MISSING))

    merge = merge_pair(entries, edit_of, prefer("ask"), {}, None)
    assert sorted(merge.agreed) == sorted(names)
    assert not any(merge.writes)
