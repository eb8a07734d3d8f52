"""Scoring: what is linked, asked about or left, by score, by what must not differ and by rivals."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncline.mapping.module import Side
from syncline.reconcile.likely import Scored, decide_likely
from syncline.spec.model import LikelyRule
from syncline.spec.problems import Place

RULE = LikelyRule(
    block=(),
    evidence=(),
    agree=("tax",),
    link=Decimal("0.9"),
    ask=Decimal("0.6"),
    enough=Decimal(5),
    country="",
    place=Place("spec.yaml", 1, 1),
)


def pair(left: str, right: str, score: str, *, agreed: int = 9, contradicted: tuple[str, ...] = ()) -> Scored:
    return Scored(left, right, Decimal(score), Decimal(agreed), contradicted, ())


def decided(*pairs: Scored, taken: str = "") -> tuple[set[tuple[str, str]], set[str]]:
    """The pairs that are linked, and the records that are asked about."""
    focus = {(side, one.id(side)) for one in pairs for side in Side}
    found = decide_likely(focus, pairs, lambda place: place[1] != taken, RULE)
    return {(one.left, one.right) for one in found.pairs}, {record for _, record in found.asked}


@pytest.mark.parametrize(
    ("score", "linked", "asked"),
    [
        pytest.param("1", {("a", "x")}, set(), id="the same"),
        pytest.param("0.90", {("a", "x")}, set(), id="just good enough"),
        pytest.param("0.89", set(), {"a", "x"}, id="doubtful"),
        pytest.param("0.60", set(), {"a", "x"}, id="just worth asking about"),
        pytest.param("0.59", set(), set(), id="nothing to do with each other"),
    ],
)
def test_a_pair_is_linked_asked_about_or_left_by_its_score(
    score: str, linked: set[tuple[str, str]], asked: set[str]
) -> None:
    assert decided(pair("a", "x", score)) == (linked, asked)


def test_what_must_not_differ_is_never_linked() -> None:
    assert decided(pair("a", "x", "0.95", contradicted=("tax",))) == (set(), {"a", "x"})


def test_a_namesake_does_not_stand_in_the_way_of_the_one_that_agrees() -> None:
    linked, asked = decided(pair("a", "x", "0.95"), pair("a", "y", "0.95", contradicted=("tax",)))
    assert (linked, asked) == ({("a", "x")}, {"y"})


def test_two_that_are_as_good_are_asked_about() -> None:
    assert decided(pair("a", "x", "0.95"), pair("a", "y", "0.93")) == (set(), {"a", "x", "y"})


def test_a_score_from_too_little_evidence_links_nothing() -> None:
    assert decided(pair("a", "x", "1", agreed=4)) == (set(), {"a", "x"})


def test_who_is_linked_already_is_not_linked_again() -> None:
    assert decided(pair("a", "x", "1"), taken="x") == (set(), {"a"})
