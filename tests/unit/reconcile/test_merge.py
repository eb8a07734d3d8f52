"""What becomes of a field: design's table row by row, and each exception to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.reconcile.made import RULE, entry, list_entry, prefer

from syncline.mapping.missing import MISSING
from syncline.mapping.module import ITEM_ID, MapEntry, Side
from syncline.reconcile.merge import (
    Choice,
    Edit,
    Outcome,
    Pending,
    Unlinked,
    Verdict,
    changed,
    decide_chosen,
    decide_field,
    match_items,
    merge_pair,
    newer_side,
    same,
)
from syncline.spec.model import ConflictRule, Direction

BOTH, TO_LEFT, TO_RIGHT = Direction.BOTH, Direction.TO_LEFT, Direction.TO_RIGHT


def unchanged(value: Any, out: Any = None) -> Edit:
    return Edit(value=value, base=value, out=value if out is None else out)


def edited(base: Any, value: Any, out: Any = MISSING) -> Edit:
    return Edit(value=value, base=base, out=value if out is MISSING else out, changed=True)


def met(value: Any, out: Any = MISSING) -> Edit:
    """An end that has never agreed with the other."""
    return Edit(value=value, out=value if out is MISSING else out)


UNKNOWN = Edit()
UNREAD = Edit(value="a", base="a", fault="'x' is not a number", changed=True)


def decide(
    left: Edit,
    right: Edit,
    *,
    direction: Direction = BOTH,
    rule: ConflictRule | None = None,
    preferred: Side | None = None,
    newer: Side | None = None,
    **options: Any,
) -> Verdict:
    made = options.pop("made", None) or entry(direction=direction, **options)
    return decide_field(made, left, right, rule or prefer("ask"), preferred=preferred, newer=newer)


# --- a linked pair, two ways -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(unchanged("a"), unchanged("a"), Outcome.KEEP, id="nothing changed"),
        pytest.param(unchanged("a"), unchanged("A"), Outcome.KEEP, id="ends that differ since they agreed"),
        pytest.param(edited("a", "b"), unchanged("a"), Outcome.TO_RIGHT, id="the left was edited"),
        pytest.param(unchanged("a"), edited("a", "b"), Outcome.TO_LEFT, id="the right was edited"),
        pytest.param(edited("a", None), unchanged("a"), Outcome.TO_RIGHT, id="the left was cleared"),
        pytest.param(unchanged("a"), edited("a", None), Outcome.TO_LEFT, id="the right was cleared"),
        pytest.param(edited(None, "b"), unchanged(None), Outcome.TO_RIGHT, id="the left was filled in"),
        pytest.param(edited("a", "b"), unchanged("b"), Outcome.AGREE, id="the right holds it already"),
        pytest.param(unchanged("b"), edited("a", "b"), Outcome.AGREE, id="the left holds it already"),
        pytest.param(edited("a", "b"), edited("a", "b"), Outcome.AGREE, id="the same edit at both ends"),
        pytest.param(edited("a", None), edited("a", None), Outcome.AGREE, id="cleared at both ends"),
        pytest.param(edited("a", "b"), edited("a", "c"), Outcome.ASK, id="two different edits"),
        pytest.param(
            edited("a", None), edited("a", "c"), Outcome.ASK, id="cleared at one end, edited at the other"
        ),
        pytest.param(
            edited("a", "bcd", "bc"), edited("a", "bc"), Outcome.AGREE, id="the same edit, cut at one end"
        ),
        pytest.param(UNKNOWN, unchanged("a"), Outcome.HELD, id="the left does not show the field"),
        pytest.param(edited("a", "b"), UNKNOWN, Outcome.HELD, id="the right does not show the field"),
        pytest.param(
            Edit(value="b", base="a", changed=True, fault="too long"),
            unchanged("a"),
            Outcome.HELD,
            id="an edit that cannot be carried over",
        ),
        pytest.param(
            Edit(value="b", base="a", changed=True),
            unchanged("a"),
            Outcome.HELD,
            id="an edit of a record that was not read",
        ),
        pytest.param(UNREAD, unchanged("a"), Outcome.HELD, id="a value that cannot be read"),
        pytest.param(UNREAD, edited("a", "b"), Outcome.HELD, id="an edit over a value that cannot be read"),
    ],
)
def test_two_ways(left: Edit, right: Edit, expected: Outcome) -> None:
    assert decide(left, right).outcome is expected


@pytest.mark.parametrize(
    ("rule", "preferred", "newer", "expected", "lost"),
    [
        pytest.param("a", Side.LEFT, None, Outcome.TO_RIGHT, "R", id="the left is preferred"),
        pytest.param("b", Side.RIGHT, None, Outcome.TO_LEFT, "L", id="the right is preferred"),
        pytest.param(
            "b", Side.RIGHT, Side.LEFT, Outcome.TO_LEFT, "L", id="a preferred end wins though older"
        ),
        pytest.param("newest", None, Side.LEFT, Outcome.TO_RIGHT, "R", id="the left is newer"),
        pytest.param("newest", None, Side.RIGHT, Outcome.TO_LEFT, "L", id="the right is newer"),
        pytest.param("newest", None, None, Outcome.ASK, MISSING, id="no clock can tell"),
        pytest.param("ask", None, Side.LEFT, Outcome.ASK, MISSING, id="a person decides though one is newer"),
    ],
)
def test_a_conflict_goes_by_its_rule(
    rule: str, preferred: Side | None, newer: Side | None, expected: Outcome, lost: Any
) -> None:
    verdict = decide(edited("a", "L"), edited("a", "R"), rule=prefer(rule), preferred=preferred, newer=newer)
    assert verdict.outcome is expected
    assert verdict.rule == RULE
    assert verdict.lost == lost
    assert verdict.why.startswith("both ends changed")


def test_the_loser_of_a_conflict_is_kept_with_its_side() -> None:
    verdict = decide(edited("a", "L"), edited("a", "R"), rule=prefer("a"), preferred=Side.LEFT)
    assert (verdict.lost, verdict.lost_side) == ("R", Side.RIGHT)


def test_a_cleared_value_loses_as_itself() -> None:
    verdict = decide(edited("a", "L"), edited("a", None), rule=prefer("a"), preferred=Side.LEFT)
    assert (verdict.lost, verdict.lost_side) == (None, Side.RIGHT)


def test_a_winner_that_cannot_be_carried_over_wins_nothing() -> None:
    left = Edit(value="L", base="a", changed=True, fault="too long")
    verdict = decide(left, edited("a", "R"), rule=prefer("a"), preferred=Side.LEFT)
    assert verdict.outcome is Outcome.HELD
    assert verdict.why == "too long"


# --- one way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "direction", "enforce", "expected"),
    [
        pytest.param(edited("a", "b"), unchanged("a"), TO_RIGHT, False, Outcome.TO_RIGHT, id="source edited"),
        pytest.param(
            unchanged("a"), edited("a", "b"), TO_LEFT, False, Outcome.TO_LEFT, id="source on the right"
        ),
        pytest.param(
            edited("a", None), unchanged("a"), TO_RIGHT, False, Outcome.TO_RIGHT, id="source cleared"
        ),
        pytest.param(unchanged("a"), edited("a", "b"), TO_RIGHT, False, Outcome.DRIFT, id="target edited"),
        pytest.param(unchanged("a"), edited("a", None), TO_RIGHT, False, Outcome.DRIFT, id="target cleared"),
        pytest.param(
            unchanged("a"), edited("a", "b"), TO_RIGHT, True, Outcome.TO_RIGHT, id="target put back"
        ),
        pytest.param(
            edited("a", "b"), unchanged("a"), TO_LEFT, True, Outcome.TO_LEFT, id="left target put back"
        ),
        pytest.param(edited("a", "b"), edited("a", "c"), TO_RIGHT, False, Outcome.TO_RIGHT, id="both edited"),
        pytest.param(
            edited("a", "b"), edited("a", "b"), TO_RIGHT, False, Outcome.AGREE, id="both edited alike"
        ),
        pytest.param(unchanged("a"), edited("b", "a"), TO_RIGHT, True, Outcome.AGREE, id="target came back"),
        pytest.param(unchanged("a"), UNREAD, TO_RIGHT, False, Outcome.DRIFT, id="target cannot be read"),
        pytest.param(
            edited("a", "b"), UNREAD, TO_RIGHT, False, Outcome.TO_RIGHT, id="edit over unread target"
        ),
        pytest.param(UNREAD, edited("a", "b"), TO_RIGHT, True, Outcome.HELD, id="source cannot be read"),
    ],
)
def test_one_way(left: Edit, right: Edit, direction: Direction, enforce: bool, expected: Outcome) -> None:
    assert decide(left, right, direction=direction, enforce=enforce).outcome is expected


@pytest.mark.parametrize("enforce", [True, False])
def test_what_the_source_of_a_one_way_map_overwrites_is_kept(enforce: bool) -> None:
    verdict = decide(edited("a", "b"), edited("a", "c"), direction=TO_RIGHT, enforce=enforce)
    assert (verdict.lost, verdict.lost_side) == ("c", Side.RIGHT)


def test_what_an_enforced_map_puts_back_is_kept() -> None:
    verdict = decide(unchanged("a"), edited("a", "c"), direction=TO_RIGHT, enforce=True)
    assert (verdict.outcome, verdict.lost, verdict.lost_side) == (Outcome.TO_RIGHT, "c", Side.RIGHT)


# --- the first meeting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "direction", "expected"),
    [
        pytest.param(met("a"), met("a"), BOTH, Outcome.AGREE, id="equal values"),
        pytest.param(met(None), met(None), BOTH, Outcome.AGREE, id="empty at both ends"),
        pytest.param(met(""), met(None), BOTH, Outcome.AGREE, id="empty text and nothing"),
        pytest.param(met("  "), met([]), BOTH, Outcome.AGREE, id="spaces and an empty list"),
        pytest.param(met(None), met("b"), BOTH, Outcome.TO_LEFT, id="filled at the right alone"),
        pytest.param(met("a"), met(""), BOTH, Outcome.TO_RIGHT, id="filled at the left alone"),
        pytest.param(met(False), met(None), BOTH, Outcome.TO_RIGHT, id="false is not empty"),
        pytest.param(met(0), met(None), BOTH, Outcome.TO_RIGHT, id="zero is not empty"),
        pytest.param(met("a"), met("b"), BOTH, Outcome.ASK, id="two different values"),
        pytest.param(met(0), met(1), BOTH, Outcome.ASK, id="zero against one"),
        pytest.param(
            met("abc", "ab"), met("ab"), BOTH, Outcome.AGREE, id="equal as the right would store it"
        ),
        pytest.param(met("a"), met("b"), TO_RIGHT, Outcome.TO_RIGHT, id="one way, two values"),
        pytest.param(met("a"), met("b"), TO_LEFT, Outcome.TO_LEFT, id="the other way, two values"),
        pytest.param(met(None), met("b"), TO_RIGHT, Outcome.AGREE, id="one way from an empty source"),
        pytest.param(met("a"), met(None), TO_RIGHT, Outcome.TO_RIGHT, id="one way to an empty target"),
        pytest.param(
            met("a", None), met("b"), TO_RIGHT, Outcome.AGREE, id="one way, the transform gives nothing"
        ),
        pytest.param(UNKNOWN, met("b"), BOTH, Outcome.HELD, id="the left does not show the field"),
        pytest.param(
            Edit(value=None, fault="odd"), met("b"), BOTH, Outcome.HELD, id="the left cannot be read"
        ),
        pytest.param(
            met("a"), Edit(value=None, fault="odd"), BOTH, Outcome.HELD, id="the right cannot be read"
        ),
        pytest.param(met("a"), Edit(value=None, fault="odd"), TO_RIGHT, Outcome.TO_RIGHT, id="unread target"),
    ],
)
def test_first_meeting(left: Edit, right: Edit, direction: Direction, expected: Outcome) -> None:
    assert decide(left, right, direction=direction).outcome is expected


@pytest.mark.parametrize(
    ("rule", "preferred", "newer", "expected", "lost"),
    [
        pytest.param("a", Side.LEFT, None, Outcome.TO_RIGHT, "R", id="the preferred end wins"),
        pytest.param("newest", None, Side.RIGHT, Outcome.TO_LEFT, "L", id="the newer end wins"),
    ],
)
def test_a_first_meeting_goes_by_the_rule(
    rule: str, preferred: Side | None, newer: Side | None, expected: Outcome, lost: str
) -> None:
    verdict = decide(met("L"), met("R"), rule=prefer(rule), preferred=preferred, newer=newer)
    assert (verdict.outcome, verdict.lost) == (expected, lost)


def test_what_a_one_way_map_overwrites_at_a_first_meeting_is_kept() -> None:
    verdict = decide(met("L"), met("R"), direction=TO_RIGHT)
    assert (verdict.lost, verdict.lost_side) == ("R", Side.RIGHT)


# --- transforms, tolerance ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(
            edited("x", "abcdef", "abc"), unchanged("abc", "abc"), Outcome.AGREE, id="cut already there"
        ),
        pytest.param(unchanged("abcdef", "abc"), unchanged("abc", "abc"), Outcome.KEEP, id="a cut echo"),
        pytest.param(
            unchanged("abcdef", "abc"), edited("abc", "abd"), Outcome.TO_LEFT, id="an edit of a cut value"
        ),
        pytest.param(
            unchanged(False, "OUTPUT"),
            edited("OUTPUT", "INPUT", False),
            Outcome.AGREE,
            id="two values to one",
        ),
    ],
)
def test_a_transform_need_not_be_invertible(left: Edit, right: Edit, expected: Outcome) -> None:
    assert decide(left, right).outcome is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(Decimal("1.01"), 1, Outcome.AGREE, id="a cent apart"),
        pytest.param(Decimal("1.02"), 1, Outcome.TO_RIGHT, id="two cents apart"),
        pytest.param(None, 1, Outcome.TO_RIGHT, id="nothing is not near anything"),
    ],
)
def test_tolerance(left: Any, right: Any, expected: Outcome) -> None:
    verdict = decide(edited(5, left), unchanged(right), tolerance=Decimal("0.01"))
    assert verdict.outcome is expected


# --- references --------------------------------------------------------------------------------------------


def test_a_reference_without_a_counterpart_waits_and_names_it() -> None:
    verdict = decide(edited("1", "2", Unlinked("accounts", "2")), unchanged("1"))
    assert verdict.outcome is Outcome.WAIT
    assert verdict.why == "waits for accounts 2, which has no counterpart yet"


def test_a_reference_to_a_record_in_the_making_is_written() -> None:
    assert decide(edited("1", "2", Pending(7)), unchanged("1")).outcome is Outcome.TO_RIGHT


def test_an_unlinked_reference_that_did_not_change_is_left_alone() -> None:
    assert decide(unchanged("2", Unlinked("accounts", "2")), unchanged("9")).outcome is Outcome.KEEP


def test_a_list_waits_for_the_reference_of_one_item() -> None:
    made = list_entry("item", "text")
    out = [{"item": Unlinked("products", "P1"), "text": "a"}]
    verdict = decide(edited([], [{"item": "P1", "text": "a"}], out), unchanged([]), made=made)
    assert verdict.outcome is Outcome.WAIT
    assert verdict.why == "waits for products P1, which has no counterpart yet"


@pytest.mark.parametrize("wanted", [Unlinked("m", "1"), Pending(1)])
def test_a_reference_that_has_no_record_equals_nothing_stored(wanted: Any) -> None:
    assert not same(entry(), "1", wanted)
    assert not same(entry(), None, wanted)


# --- lists -------------------------------------------------------------------------------------------------

LINES = [{"text": "a", "n": 1, ITEM_ID: "1"}, {"text": "b", "n": 2, ITEM_ID: "2"}]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(LINES, False, id="the same items"),
        pytest.param([{**item, ITEM_ID: "9"} for item in LINES], False, id="new ids of the same items"),
        pytest.param(LINES[:1], True, id="an item fewer"),
        pytest.param(LINES[::-1], True, id="another order"),
        pytest.param([{**LINES[0], "n": 3}, LINES[1]], True, id="another value"),
        pytest.param([], True, id="all gone"),
        pytest.param(None, True, id="null"),
        pytest.param(MISSING, False, id="not shown"),
    ],
)
def test_whether_a_list_changed(now: Any, expected: bool) -> None:
    assert changed(list_entry("text", "n"), now, LINES) is expected


def test_no_items_and_null_are_one() -> None:
    assert not changed(list_entry("text"), None, [])


@pytest.mark.parametrize(
    ("stored", "wanted", "expected"),
    [
        pytest.param(LINES, [{"text": "a", "n": 1}, {"text": "b", "n": 2}], True, id="equal items"),
        pytest.param(LINES, [{"text": "a"}, {"text": "b"}], True, id="only what flows is compared"),
        pytest.param(LINES, [{"text": "b"}, {"text": "a"}], False, id="another order"),
        pytest.param(LINES, [{"text": "a"}], False, id="fewer items"),
        pytest.param([], None, True, id="none and null"),
        pytest.param(MISSING, [], False, id="a list that is not shown"),
        pytest.param(LINES[:1], [{"text": Unlinked("m", "1")}], False, id="an item that waits"),
    ],
)
def test_whether_a_list_is_stored_already(stored: Any, wanted: Any, expected: bool) -> None:
    assert same(list_entry("text", "n"), stored, wanted) is expected


def rows(*texts: str, key: str | None = None) -> list[dict[str, Any]]:
    """Stored items, each with its place as the remote's id: ``x/y`` is text x with note y."""
    return [
        {"text": text.split("/")[0], "note": text.split("/")[1], ITEM_ID: str(at)}
        for at, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("wanted", "ids", "removed"),
    [
        pytest.param(["a/1", "b/2", "c/3"], ["0", "1", "2"], [], id="nothing changed"),
        pytest.param(["c/3", "a/1", "b/2"], ["2", "0", "1"], [], id="another order"),
        pytest.param(["a/1", "b/9", "c/3"], ["0", "1", "2"], [], id="one edited"),
        pytest.param(["b/9", "c/3"], ["1", "2"], ["0"], id="one edited and the first removed"),
        pytest.param(["a/1", "c/3"], ["0", "2"], ["1"], id="one removed"),
        pytest.param(["a/1", "x/9", "b/2", "c/3"], ["0", None, "1", "2"], [], id="one added"),
        pytest.param(["x/9"], ["0"], ["1", "2"], id="all replaced"),
        pytest.param([], [], ["0", "1", "2"], id="all removed"),
        pytest.param(["a/1", "a/1"], ["0", "1"], ["2"], id="two alike"),
    ],
)
def test_items_keep_the_ids_of_those_they_replace(
    wanted: list[str], ids: list[str | None], removed: list[str]
) -> None:
    made = list_entry("text", "note")
    items = [{"text": w.split("/")[0], "note": w.split("/")[1]} for w in wanted]
    found, left_over = match_items(made, Side.RIGHT, items, rows("a/1", "b/2", "c/3"))
    assert [item.get(ITEM_ID) for item in found] == ids
    assert left_over == removed
    assert [(item["text"], item["note"]) for item in found] == [(i["text"], i["note"]) for i in items]


@pytest.mark.parametrize(
    ("wanted", "ids", "removed"),
    [
        pytest.param(["b/9", "a/9"], ["1", "0"], ["2"], id="by key whatever else they hold"),
        pytest.param(["x/1"], [None], ["0", "1", "2"], id="another key is another item"),
    ],
)
def test_items_of_a_keyed_list_go_by_their_key(
    wanted: list[str], ids: list[str | None], removed: list[str]
) -> None:
    made = list_entry("text", "note", key="text")
    items = [{"text": w.split("/")[0], "note": w.split("/")[1]} for w in wanted]
    found, left_over = match_items(made, Side.RIGHT, items, rows("a/1", "b/2", "c/3"))
    assert [item.get(ITEM_ID) for item in found] == ids
    assert left_over == removed


def test_an_id_of_the_other_end_is_never_taken_for_one_of_this() -> None:
    found, removed = match_items(list_entry("text"), Side.LEFT, [{"text": "a", ITEM_ID: "theirs"}], [])
    assert found == [{"text": "a"}]
    assert removed == []


def test_items_without_an_id_are_replaced_in_place() -> None:
    found, removed = match_items(list_entry("text"), Side.LEFT, [{"text": "b"}], [{"text": "a"}])
    assert found == [{"text": "b"}]
    assert removed == []


# --- whole pairs -------------------------------------------------------------------------------------------


def merged(edits: dict[str, tuple[Edit, Edit]], entries: list[MapEntry], rule: str = "ask") -> Any:
    return merge_pair(
        entries,
        lambda made, side: edits[made.name][side],
        prefer(rule),
        {"a": Side.LEFT, "b": Side.RIGHT},
        None,
    )


def test_fields_that_do_not_conflict_merge_though_others_do() -> None:
    entries = [entry("one"), entry("two"), entry("three"), entry("four")]
    merge = merged(
        {
            "one": (edited("a", "L"), unchanged("a")),
            "two": (unchanged("a"), edited("a", "R")),
            "three": (edited("a", "L"), edited("a", "R")),
            "four": (unchanged("a"), unchanged("a")),
        },
        entries,
    )
    assert merge.writes == ({"two": "R"}, {"one": "L"})
    assert merge.of(Outcome.ASK) == ["three"]
    assert "four" not in merge.verdicts
    assert merge.agreed == []


def test_the_rule_of_a_field_goes_before_the_rule_of_its_module() -> None:
    entries = [entry("one", conflicts=prefer("b")), entry("two")]
    both = (edited("a", "L"), edited("a", "R"))
    merge = merged({"one": both, "two": both}, entries, rule="a")
    assert merge.writes == ({"one": "R"}, {"two": "L"})


def test_what_agrees_or_drifts_moves_the_base_and_is_not_written() -> None:
    entries = [entry("one"), entry("two", TO_RIGHT)]
    merge = merged(
        {"one": (edited("a", "b"), edited("a", "b")), "two": (unchanged("a"), edited("a", "b"))}, entries
    )
    assert merge.agreed == ["one", "two"]
    assert merge.writes == ({}, {})


@pytest.mark.parametrize(
    ("left_s", "right_s", "expected"),
    [
        pytest.param(10, 0, Side.LEFT, id="the left"),
        pytest.param(0, 10, Side.RIGHT, id="the right"),
        pytest.param(0.5, 0, None, id="too close to tell"),
        pytest.param(1, 0, None, id="just too close"),
        pytest.param(None, 0, None, id="the left does not say"),
        pytest.param(0, None, None, id="the right does not say"),
    ],
)
def test_which_end_is_newer(left_s: float | None, right_s: float | None, expected: Side | None) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    left, right = (None if s is None else noon + timedelta(seconds=s) for s in (left_s, right_s))
    assert newer_side(left, right) is expected


def test_a_list_agrees_when_each_value_does_from_either_end() -> None:
    """A discount that is an amount here and a rate there, a tax that is a list here and a code there."""
    lines, ask = list_entry("discount", "tax"), prefer("ask")
    left = Edit(value=[{"discount": 5, "tax": "rich"}], out=[{"discount": 5, "tax": "S"}])
    right = Edit(value=[{"discount": None, "tax": "S"}], out=[{"discount": 5, "tax": "plain"}])
    verdict = decide_field(lines, left, right, ask, preferred=None, newer=None)
    assert verdict.outcome is Outcome.AGREE
    other = Edit(value=[{"discount": None, "tax": "S"}], out=[{"discount": 6, "tax": "plain"}])
    assert decide_field(lines, left, other, ask, preferred=None, newer=None).outcome is Outcome.ASK


# --- as a person decided ---------------------------------------------------------------------------------

SEEN = ("b", "c")


@pytest.mark.parametrize(
    ("choice", "left", "right", "expected"),
    [
        pytest.param(
            Choice(who="ann", side=Side.LEFT, seen=SEEN), "b", "c", Outcome.TO_RIGHT, id="the left stands"
        ),
        pytest.param(
            Choice(who="ann", side=Side.RIGHT, seen=SEEN), "b", "c", Outcome.TO_LEFT, id="the right stands"
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, put="d", seen=SEEN),
            "b",
            "c",
            Outcome.TO_LEFT,
            id="a value is put first",
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, put="d", seen=SEEN),
            "d",
            "c",
            Outcome.TO_RIGHT,
            id="and then carried",
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, seen=(MISSING, "c")),
            "x",
            "c",
            Outcome.TO_RIGHT,
            id="whatever was put",
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, seen=SEEN), "b", "b", None, id="the other end was edited since"
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, seen=SEEN), "z", "c", None, id="the chosen end was edited since"
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, put="d", seen=SEEN),
            "d",
            "z",
            None,
            id="the other end, after the put",
        ),
        pytest.param(
            Choice(who="ann", side=Side.LEFT, seen=("b", "b")),
            "b",
            "b",
            Outcome.AGREE,
            id="both hold it already",
        ),
    ],
)
def test_what_a_person_chose_stands_while_the_ends_hold_what_the_person_saw(
    choice: Choice, left: str, right: str, expected: Outcome | None
) -> None:
    verdict = decide_chosen(entry(), edited("a", left), edited("a", right), choice)
    assert (verdict and verdict.outcome) == expected
    if verdict is not None and expected is not Outcome.AGREE:
        assert "ann" in verdict.why
        lost = {Outcome.TO_RIGHT: right, Outcome.TO_LEFT: left}
        assert verdict.lost == lost[verdict.outcome]


def test_a_choice_against_the_direction_of_a_map_is_no_choice() -> None:
    choice = Choice(who="ann", side=Side.RIGHT, seen=SEEN)
    assert decide_chosen(entry(direction=TO_RIGHT), edited("a", "b"), edited("a", "c"), choice) is None


def test_a_pair_is_merged_with_what_was_chosen_and_tells_what_was_overtaken() -> None:
    edits = {"phone": (edited("a", "b"), edited("a", "c")), "fax": (edited("a", "b"), edited("a", "c"))}
    choices = {
        "phone": Choice(who="ann", side=Side.LEFT, put="d", seen=SEEN),
        "fax": Choice(who="ann", side=Side.LEFT, seen=("b", "x")),
    }
    merge = merge_pair(
        [entry("phone"), entry("fax")],
        lambda one, side: edits[one.name][side],
        prefer("ask"),
        {},
        None,
        choices,
    )
    assert merge.writes == ({"phone": "d"}, {})
    assert merge.overtaken == ["fax"]
    assert merge.of(Outcome.ASK) == ["fax"]
