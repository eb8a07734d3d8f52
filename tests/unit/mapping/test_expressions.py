"""Transforms: what they compute, what they refuse, and that nothing they say can hurt the process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.mapping.hostile import HARMLESS, REFUSED

from syncline.mapping.evaluation import MAX_FILE
from syncline.mapping.expressions import ExpressionError, Expressions, MacroFile, View
from syncline.mapping.filters import FILTERS

ROOT = Path(__file__).parents[3]

RECORD = View(
    {
        "name": "Acme",
        "rate": Decimal("1.50"),
        "empty": None,
        "address": {"city": "Perth"},
        "lines": [{"total": Decimal("1.10")}, {"total": 2}],
        "items": "a field of that name",
    },
    frozenset({"name", "rate", "empty", "address", "lines", "items", "left_out"}),
)


def run(source: str, value: Any = None, *, expressions: Expressions | None = None) -> Any:
    compiled = (expressions or Expressions()).compile(source)
    return compiled({"value": value, "record": RECORD, "parent": RECORD, "today": "2026-01-01"})


# --- hostile expressions, tried in a process of their own ---------------------------------------------


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """What came of every hostile expression, by name."""
    child = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.unit.mapping.hostile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    return {one["name"]: one for one in map(json.loads, child.stdout.splitlines())}


@pytest.mark.parametrize("name", [*REFUSED, *HARMLESS])
def test_a_hostile_expression_is_harmless(told: dict[str, dict[str, Any]], name: str) -> None:
    one = told[name]
    assert "escaped" not in one
    assert one["cpu_s"] < 1.5
    assert one["grown_kb"] < 50_000
    if name in REFUSED:
        assert one.get("refused"), one
        assert len(one["refused"]) < 400
    else:
        assert one["value"] == HARMLESS[name][1]


_WORDS = st.sampled_from(
    "value record today parent loop name left_out x 'a' 1 0 1.5 none true [] {} () [1] {'a':1} * ** + -"
    " / // % ~ | . , : ( ) [ ] { } = == != < > in not and or if else is defined odd upper fold round int"
    " decimal sum map join replace default first items for endfor set macro endmacro {{ }} {% %} {# #}"
    " {{- -}} __class__ 1e999 0x1f 08 '%s' \\ ' \"".split(" ")
)
_SOURCES = st.one_of(
    st.text(max_size=60),
    st.lists(_WORDS, max_size=25).map(" ".join),
    st.lists(_WORDS, max_size=12).map(lambda words: "{{ " + " ".join(words) + " }}"),
    st.tuples(_WORDS, st.sampled_from(sorted(FILTERS)), _WORDS).map(
        lambda parts: "{{{{ {}|{}({}) }}}}".format(*parts)
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(source=_SOURCES, value=st.one_of(st.none(), st.text(max_size=9), st.integers(), st.booleans()))
def test_random_text_is_a_value_or_an_expression_error(source: str, value: Any) -> None:
    expressions = Expressions()
    problems = expressions.check(source)
    expressions.names_in(source)
    expressions.record_fields(source)
    try:
        result = run(source, value, expressions=expressions)
    except ExpressionError:
        return
    assert result is None or isinstance(result, (str, int, Decimal, bool, list, dict))
    assert problems == [] or all(problem.message.startswith("unknown") for problem in problems)


# --- what they compute ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        pytest.param("{{ value }}", "1e5", "1e5", id="text that looks like a number stays text"),
        pytest.param("{{ value }}", "0123", "0123", id="leading zeros stay"),
        pytest.param("{{ value }}", Decimal("1.10"), Decimal("1.10"), id="a decimal comes out as it is"),
        pytest.param("{{ value }}", None, None, id="nothing stays nothing"),
        pytest.param("{{ value }}", "", "", id="empty text stays empty text"),
        pytest.param("{{ value }}", False, False, id="false stays false"),
        pytest.param("{{ value }}", 0, 0, id="zero stays zero"),
        pytest.param("{{ value }}", [], [], id="an empty list stays one"),
        pytest.param("{{ value * 1.1 }}", Decimal("10"), Decimal("11.0"), id="a literal is exact"),
        pytest.param("{{ 0.1 + 0.2 }}", None, Decimal("0.3"), id="decimals add up exactly"),
        pytest.param("{{ 7 / 2 }}", None, Decimal("3.5"), id="a division gives a decimal"),
        pytest.param("{{ 7 // 2 }}", None, 3, id="a whole division gives a whole number"),
        pytest.param("{{ 2 ** 10 }}", None, 1024, id="a whole power is a whole number"),
        pytest.param("{{ 2 ** -1 }}", None, Decimal("0.5"), id="a negative power is a decimal"),
        pytest.param("{{ value ~ '!' }}", Decimal("1.10"), "1.10!", id="a decimal joins with its own digits"),
        pytest.param("a {{ value }} b", None, "a  b", id="nothing inside a text is left out"),
        pytest.param("{{ value }}{{ value }}", "1", "11", id="two values side by side are text"),
        pytest.param("plain", None, "plain", id="text without an expression"),
        pytest.param("{{ record.name }}", None, "Acme", id="a field"),
        pytest.param("{{ record['name'] }}", None, "Acme", id="a field by subscription"),
        pytest.param("{{ record.items }}", None, "a field of that name", id="a field named like a method"),
        pytest.param("{{ record.left_out }}", None, None, id="a field that the remote left out is nothing"),
        pytest.param("{{ record.address.city }}", None, "Perth", id="a field of a group"),
        pytest.param("{{ record.address.zip }}", None, None, id="a field that a group lacks is nothing"),
        pytest.param("{{ record.empty.city.name }}", None, None, id="what lies inside nothing is nothing"),
        pytest.param("{{ record.lines|sum('total') }}", None, Decimal("3.10"), id="a sum over items"),
        pytest.param("{{ record.lines[0].total }}", None, Decimal("1.10"), id="an item by number"),
        pytest.param("{{ record.lines|map('total')|list }}", None, [Decimal("1.10"), 2], id="a column"),
        pytest.param("{{ record.nobody|default('x') }}", None, "x", id="an unknown field with a default"),
        pytest.param("{{ record.empty or 'x' }}", None, "x", id="a null field with an alternative"),
        pytest.param("{{ 'a' if value }}", None, None, id="a condition without else gives nothing"),
        pytest.param("{{ value in ('a', 'b') }}", "b", True, id="one of several"),
        pytest.param("{{ value.split(',')[1] }}", "a,b", "b", id="a method of text"),
        pytest.param("{{ value is odd }}", 3, True, id="odd"),
        pytest.param("{{ value is even }}", 3, False, id="even"),
        pytest.param("{{ value is divisibleby 3 }}", 9, True, id="divisible"),
        pytest.param("{{ value is lower }}", "abc", True, id="lower case"),
        pytest.param("{{ value is upper }}", "123", False, id="digits have no case"),
        pytest.param("{{ {'a': value} }}", 1, {"a": 1}, id="a group"),
        pytest.param("{% for x in value %}{{ loop.index }}{{ x }};{% endfor %}", ["a"], "1a;", id="a loop"),
        pytest.param("{% if value %}yes{% else %}no{% endif %}", None, "no", id="a statement"),
        pytest.param("{{ value[1:3] }}", "abcd", "bc", id="a part of a text"),
    ],
)  # fmt: skip
def test_gives(source: str, value: Any, expected: Any) -> None:
    result = run(source, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("{{ record.nane }}", "did you mean 'name'?", id="an unknown field has a near one"),
        pytest.param("{{ value + 1 }}", "'+' takes two numbers or two texts", id="nothing plus one"),
        pytest.param("{{ 1 / 0 }}", "division by zero", id="division by zero"),
        pytest.param("{{ nobody }}", "'nobody' is undefined", id="an unknown name"),
        pytest.param("{{ [nobody] }}", "'nobody' is undefined", id="an unknown name inside a list"),
        pytest.param("{{ 'x'|decimal }}", "'x' is not a number", id="a text that is no number"),
        pytest.param("{{ 1 | }}", "expected", id="a syntax error"),
    ],
)
def test_refuses(source: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says.replace("?", r"\?").replace("+", r"\+")):
        run(source)


def test_a_fault_of_a_plugins_filter_is_told_as_an_expression_error() -> None:
    def broken(value: Any) -> Any:
        raise RuntimeError("out of order")

    with pytest.raises(ExpressionError, match="out of order"):
        run("{{ value|broken }}", expressions=Expressions(filters={"broken": broken}))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param(
            "{% for x in value %}{% for y in value %}{% endfor %}{% endfor %}", "too long", id="steps"
        ),
        pytest.param("{% for x in value %}{{ x }}{% endfor %}", "characters", id="the text"),
        pytest.param("{{ 10 ** 41 }}", "digits", id="the digits of a number"),
        pytest.param("{{ [" + ", ".join(["value"] * 40) + "] }}", "items", id="the items of a list"),
    ],
)
def test_an_evaluation_is_bounded(source: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        run(source, ["x" * 400] * 300)


def test_the_bounds_are_those_of_one_evaluation() -> None:
    compiled = Expressions().compile("{% for x in value %}{{ x }}{% endfor %}")
    for _ in range(20):
        assert compiled({"value": ["abcdefgh"] * 2_000}) == "abcdefgh" * 2_000


def test_one_evaluation_leaves_nothing_for_the_next() -> None:
    compiled = Expressions().compile("{{ value if value }}")
    assert compiled({"value": "a"}) == "a"
    assert compiled({"value": ""}) is None


# --- what can be told without data ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "offset", "message"),
    [
        pytest.param("{{ valeu }}", 3, "unknown name 'valeu'", id="a misspelt name"),
        pytest.param("{{ value|fodl }}", 9, "unknown filter 'fodl'", id="a misspelt filter"),
        pytest.param("{{ value is ood }}", 12, "unknown test 'ood'", id="a misspelt test"),
        pytest.param("ab\n{{ 1 + }}", 3, "unexpected 'end of print", id="an error of the second line"),
    ],
)
def test_check_tells_the_place(source: str, offset: int, message: str) -> None:
    (problem,) = Expressions().check(source)
    assert problem.offset == offset
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("source", "names", "fields"),
    [
        pytest.param("{{ value }}", {"value"}, set(), id="the value alone"),
        pytest.param("{{ record.a + record['b'] }}", {"record"}, {"a", "b"}, id="two fields"),
        pytest.param("{{ record|items }}", {"record"}, None, id="the record as a whole"),
        pytest.param("{{ record[value] }}", {"record", "value"}, None, id="a field by a name worked out"),
        pytest.param("{{ parent.a }}", {"parent"}, {"a"}, id="a field of the parent"),
        pytest.param("{{ oops", set(), set(), id="one that cannot be read"),
    ],
)
def test_what_an_expression_reads(source: str, names: set[str], fields: set[str] | None) -> None:
    expressions = Expressions()
    assert expressions.names_in(source) == names
    assert expressions.record_fields(source) == fields


def test_the_fields_of_the_parent_are_told_apart_from_those_of_an_item() -> None:
    assert Expressions().record_fields("{{ record.a + parent.b }}", "parent") == {"b"}


# --- macro files ------------------------------------------------------------------------------------------


def test_a_macro_gives_text() -> None:
    expressions = Expressions(
        macros=[MacroFile("m.j2", "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}\n")]
    )
    assert run("{{ twice(1) }}", expressions=expressions) == "11"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param(["text"], "holds macros alone", id="text beside macros"),
        pytest.param(["{% macro value() %}{% endmacro %}"], "defined twice", id="a macro named like a name"),
        pytest.param(["{% macro a() %}{% endmacro %}"] * 2, "'a' is defined twice", id="two of one name"),
        pytest.param(["{% macro a( %}"], "expected token", id="a syntax error"),
        pytest.param(["{% import 'x' as y %}"], "Import is not allowed", id="an import"),
        pytest.param(["{% macro a() %}" + "x" * MAX_FILE + "{% endmacro %}"], "at most", id="a huge file"),
        pytest.param(
            ["{% macro a() %}{{ " + "9" * 5_000 + " }}{% endmacro %}"], "digits", id="a huge number"
        ),
    ],
)
def test_a_macro_file_is_refused(files: list[str], says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        Expressions(macros=[MacroFile(f"m{at}.j2", source) for at, source in enumerate(files)]).load()


def test_a_busy_machine_is_no_reason_to_refuse_an_expression() -> None:
    def slow(value: str) -> str:
        time.sleep(1.2)  # the thread does no work meanwhile
        return value

    expressions = Expressions(filters={"slow": slow})
    assert expressions.compile("{{ value | slow | upper }}")({"value": "a"}) == "A"


def test_work_without_end_is_ended() -> None:
    def busy(value: str) -> str:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass
        return value

    source = "{{ value" + " | busy" * 40 + " }}"
    started = time.thread_time()
    with pytest.raises(ExpressionError, match="takes too long"):
        Expressions(filters={"busy": busy}).compile(source)({"value": "a"})
    assert time.thread_time() - started < 6
