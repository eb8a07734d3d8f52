"""Several transforms in one evaluation give what each gives alone."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.mapping.expressions import ExpressionError, Expressions, MacroFile

SOURCES = [
    "{{ value | trim }}",
    "{{ 'yes' if value else 'no' }}",
    "{{ record.a }} and {{ value }}",
    "{% for value in record.items_ %}{{ value }};{% endfor %}{{ today }}",
    "{% set x = value %}{{ x }}{{ x }}",
    "{{ shout(value) }}",
    "plain",
]


def test_each_has_its_own_value() -> None:
    macros = [MacroFile("m.j2", "{% macro shout(t) %}{{ t | upper }}!{% endmacro %}")]
    expressions = Expressions(macros=macros)
    names: dict[str, Any] = {"record": {"a": 1, "items_": [1, 2]}, "today": "2026-01-01"}
    values = [" a ", "", "b", None, "c", "d", "e"]
    alone = [
        expressions.compile(source)({**names, "value": value})
        for source, value in zip(SOURCES, values, strict=True)
    ]
    assert expressions.together(SOURCES)(values, names) == alone


def test_the_failure_of_one_is_the_failure_of_all() -> None:
    together = Expressions().together(["{{ value }}", "{{ 1 / value }}"])
    assert together([1, 2], {}) == [1, together([1, 2], {})[1]]
    with pytest.raises(ExpressionError, match="division by zero"):
        together([1, 0], {})


def test_they_share_one_allowance_of_steps() -> None:
    long = "{% for a in record %}{% for b in record %}{{ '' }}{% endfor %}{% endfor %}"
    names = {"record": list(range(180))}
    Expressions().compile(long)({**names, "value": None})
    with pytest.raises(ExpressionError, match="takes too long"):
        Expressions().together([long, long])([None, None], names)
