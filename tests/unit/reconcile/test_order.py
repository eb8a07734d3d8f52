"""The order of modules: what is referred to comes first."""

from __future__ import annotations

import pytest
from tests.unit.reconcile.made import PLACE, field_map, prefer

from syncline.reconcile.order import order_modules, references_of
from syncline.spec.model import Direction, End, FieldMap, Limits, Module


def module(name: str, *refs: str, enabled: bool = True, lines: tuple[str, ...] = ()) -> Module:
    fields: dict[str, FieldMap] = {f"to_{ref}": field_map(f"to_{ref}", ref=ref) for ref in refs}
    if lines:
        each = {f"line_{ref}": field_map(f"line_{ref}", ref=ref) for ref in lines}
        fields["lines"] = field_map("lines", each=each)
    end = End(system="a", module=name, place=PLACE)
    return Module(
        name=name,
        place=PLACE,
        left=end,
        right=end,
        direction=Direction.BOTH,
        enabled=enabled,
        match=(),
        where={},
        recheck={},
        fields=fields,
        conflicts=prefer("ask"),
        deletes={},
        limits=Limits(),
    )


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param([module("a"), module("b")], "a b", id="unrelated ones stay in the order of the spec"),
        pytest.param([module("b"), module("a")], "b a", id="whatever their names"),
        pytest.param([module("b", "a"), module("a")], "a b", id="a parent comes first"),
        pytest.param([module("c", "b"), module("b", "a"), module("a")], "a b c", id="a chain"),
        pytest.param([module("c", "b", "a"), module("a"), module("b")], "a b c", id="two parents"),
        pytest.param([module("i", lines=("p",)), module("p")], "p i", id="a reference inside a list"),
        pytest.param([module("a", "a"), module("b")], "a b", id="a module that refers to itself"),
        pytest.param([module("b", "a"), module("a", enabled=False)], "b", id="a disabled parent is left out"),
        pytest.param([module("a", enabled=False), module("b")], "b", id="a disabled module is left out"),
        pytest.param([module("b", "gone")], "b", id="a parent that does not exist"),
        pytest.param([module("a", "b"), module("b", "a")], "b a", id="a cycle is cut where it closes"),
        pytest.param(
            [module("a", "b"), module("b", "c"), module("c", "a"), module("d", "a")],
            "c b a d",
            id="a longer cycle, and one behind it",
        ),
    ],
)
def test_order(modules: list[Module], expected: str) -> None:
    found = order_modules({each.name: each for each in modules})
    assert " ".join(each.name for each in found) == expected


def test_what_a_module_refers_to() -> None:
    assert references_of(module("i", "c", "i", lines=("p",))) == {"c", "p"}
