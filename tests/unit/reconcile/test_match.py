"""First meetings: who is linked, who is left to a person, and who is plainly somebody else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.reconcile.made import entry

from syncline.mapping.module import Side
from syncline.reconcile.match import MAX_GROUP, Candidate, contradicts, match_group
from syncline.reconcile.merge import Pending

TAX, EMAIL = entry("tax"), entry("email")


def left(record: str, *, free: bool = True, out: dict[str, Any] | None = None, **own: Any) -> Candidate:
    return Candidate(side=Side.LEFT, id=record, free=free, own=own, out=out or {})


def right(record: str, *, free: bool = True, out: dict[str, Any] | None = None, **own: Any) -> Candidate:
    return Candidate(side=Side.RIGHT, id=record, free=free, own=own, out=out or {})


L, R = Side.LEFT, Side.RIGHT


@pytest.mark.parametrize(
    ("lefts", "rights", "pairs", "unclear"),
    [
        pytest.param([left("a")], [right("x")], [("a", "x")], {}, id="one of each"),
        pytest.param([left("a")], [], [], {}, id="nobody at the other end"),
        pytest.param([], [right("x")], [], {}, id="nobody at this end"),
        pytest.param(
            [left("a"), left("b")],
            [right("x")],
            [],
            {(L, "a"): ("x",), (L, "b"): ("x",), (R, "x"): ("a", "b")},
            id="two namesakes and one",
        ),
        pytest.param(
            [left("a"), left("b")],
            [right("x"), right("y")],
            [],
            {(L, "a"): ("x", "y"), (L, "b"): ("x", "y"), (R, "x"): ("a", "b"), (R, "y"): ("a", "b")},
            id="two namesakes at each end",
        ),
        pytest.param(
            [left("a", tax="1"), left("b", tax="2")],
            [right("x", tax="2"), right("y", tax="1")],
            [("a", "y"), ("b", "x")],
            {},
            id="namesakes told apart by their tax numbers",
        ),
        pytest.param(
            [left("a", tax="1"), left("b", tax="2")],
            [right("x", tax="2")],
            [("b", "x")],
            {},
            id="one of two namesakes belongs to nobody",
        ),
        pytest.param([left("a", tax="1")], [right("x", tax="2")], [], {}, id="another company of that name"),
        pytest.param(
            [left("a", tax="1"), left("b")],
            [right("x", tax="1")],
            [],
            {(L, "a"): ("x",), (L, "b"): ("x",), (R, "x"): ("a", "b")},
            id="a namesake that says nothing is still possible",
        ),
        pytest.param(
            [left("a")],
            [right("x", free=False)],
            [],
            {(L, "a"): ("x",)},
            id="the only candidate is linked already",
        ),
        pytest.param(
            [left("a"), left("b", free=False)],
            [right("x")],
            [],
            {(L, "a"): ("x",), (R, "x"): ("a", "b")},
            id="a linked record that might be meant too",
        ),
        pytest.param(
            [left("a", free=False)], [right("x", free=False)], [], {}, id="two that are linked elsewhere"
        ),
        pytest.param(
            [left("a", tax="1"), left("b", tax="2")],
            [right("x", tax="1"), right("y")],
            [],
            {
                (L, "a"): ("x", "y"),
                (L, "b"): ("y",),
                (R, "x"): ("a",),
                (R, "y"): ("a", "b"),
            },
            id="an only candidate that has another possibility",
        ),
    ],
)
def test_a_group(
    lefts: list[Candidate], rights: list[Candidate], pairs: list[Any], unclear: dict[Any, Any]
) -> None:
    found = match_group(lefts, rights, [TAX, EMAIL])
    assert list(found.pairs) == pairs
    assert found.unclear == unclear


def test_a_group_over_the_limit_is_left_to_a_person() -> None:
    lefts = [left(f"a{at}") for at in range(MAX_GROUP + 1)]
    found = match_group(lefts, [right("x"), right("y", free=False)], [])
    assert found.pairs == ()
    assert found.unclear[L, "a0"] == ("x", "y")
    assert len(found.unclear[R, "x"]) == MAX_GROUP
    assert (R, "y") not in found.unclear


def test_a_crowd_at_one_end_alone_is_no_question() -> None:
    found = match_group([left(f"a{at}") for at in range(MAX_GROUP + 1)], [], [])
    assert found.pairs == ()
    assert found.unclear == {}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(left("a", tax="1"), right("x", tax="2"), True, id="filled and different"),
        pytest.param(left("a", tax="1"), right("x", tax="1"), False, id="filled and equal"),
        pytest.param(left("a", tax="1"), right("x"), False, id="filled at one end"),
        pytest.param(left("a", tax=""), right("x", tax="2"), False, id="empty at one end"),
        pytest.param(left("a", tax=" "), right("x", tax="2"), False, id="spaces at one end"),
        pytest.param(left("a"), right("x"), False, id="empty at both ends"),
        pytest.param(left("a", tax="Ab 1"), right("x", tax="aB1 "), False, id="case and spaces apart"),
        pytest.param(left("a", tax=Decimal("1.1")), right("x", tax=Decimal("1.2")), True, id="numbers"),
        pytest.param(left("a", tax=False), right("x", tax=True), True, id="false against true"),
        pytest.param(left("a", tax=0), right("x", tax=1), True, id="zero is filled"),
        pytest.param(
            left("a", tax="1", out={"tax": "one"}), right("x", tax="one"), False, id="equal as x stores it"
        ),
        pytest.param(
            left("a", tax="1"), right("x", tax="one", out={"tax": "1"}), False, id="equal as a stores it"
        ),
        pytest.param(
            left("a", tax="1", out={"tax": "one"}),
            right("x", tax="two", out={"tax": "2"}),
            True,
            id="different however it is stored",
        ),
        pytest.param(
            left("a", tax="1", out={"tax": "one"}), right("x", tax="1"), True, id="raw values do not count"
        ),
        pytest.param(
            left("a", tax="1", out={"tax": Pending(3)}),
            right("x", tax="9"),
            True,
            id="refers to a new record",
        ),
        pytest.param(left("a", email="p@q.r"), right("x", email="P@Q.R"), False, id="e-mail in another case"),
    ],
)
def test_whether_two_contradict_each_other(one: Candidate, other: Candidate, expected: bool) -> None:
    assert contradicts(one, other, [TAX, EMAIL]) is expected
    assert not contradicts(one, other, [])


def test_one_map_that_contradicts_is_enough() -> None:
    assert contradicts(left("a", tax="1", email="p"), right("x", tax="1", email="q"), [TAX, EMAIL])
