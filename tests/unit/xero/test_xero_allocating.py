"""Which allocations are taken back and which are made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from syncline.connect import Item, Items
from syncline_xero.allocating import plan_allocations

HELD = [
    {"AllocationID": "a1", "Invoice": {"InvoiceID": "i1"}, "Amount": Decimal("10.00"), "Date": "2026-11-01"},
    {"AllocationID": "a2", "Invoice": {"InvoiceID": "i2"}, "Amount": Decimal("5.00"), "Date": "2026-11-02"},
]


def on(invoice: str, amount: Any, **more: Any) -> dict[str, Any]:
    return {"Invoice": {"InvoiceID": invoice}, "Amount": amount, **more}


def kept(*ids: str) -> tuple[Item, ...]:
    return tuple(Item(id=i, values={}) for i in ids)


@pytest.mark.parametrize(
    ("wanted", "released", "made"),
    [
        pytest.param(Items(items=kept("a1", "a2")), [], [], id="both stay"),
        pytest.param(Items(items=kept("a1"), removed=("a2",)), ["a2"], [], id="one is taken back"),
        pytest.param(
            Items(items=kept("a1")), [], [], id="one that is not named is somebody else's and stays"
        ),
        pytest.param(
            Items(items=(*kept("a1", "a2"), Item(values=on("i3", 7)))), [], [("i3", 7)], id="one is made"
        ),
        pytest.param(
            Items(items=(Item(id="a1", values={"Amount": 4}), *kept("a2"))),
            ["a1"],
            [("i1", 4)],
            id="a changed amount is taken back and made anew",
        ),
        pytest.param(
            Items(items=(Item(id="a1", values={"Amount": Decimal(10)}), *kept("a2"))),
            [],
            [],
            id="the same amount in another spelling is no change",
        ),
        pytest.param(
            Items(items=(*kept("a1"), Item(values=on("I2", Decimal("5.0"))))),
            [],
            [],
            id="sent again after it was made: not made twice",
        ),
        pytest.param(
            Items(items=(*kept("a1", "a2"), Item(values=on("i2", 5)))),
            [],
            [("i2", 5)],
            id="a second one alike, beside the first, is made",
        ),
        pytest.param(
            Items(items=(*kept("a1"), Item(values=on("i2", 5, Date="2026-12-24")))),
            [],
            [("i2", 5)],
            id="on another day it is another one",
        ),
        pytest.param(
            Items(items=(Item(values=on("i1", 10)),), removed=("a1", "gone")),
            ["a1"],
            [("i1", 10)],
            id="one that is to go is not taken for the new one",
        ),
        pytest.param([on("i1", 10), on("i9", 1)], ["a2"], [("i9", 1)], id="plain values are the whole list"),
        pytest.param([], ["a1", "a2"], [], id="an empty list takes all back"),
    ],
)
def test_plans(wanted: Any, released: list[str], made: list[tuple[str, Any]]) -> None:
    plan = plan_allocations(HELD, wanted)
    assert list(plan.released) == released
    assert [(v["Invoice"]["InvoiceID"], v["Amount"]) for v in plan.made] == made
    assert not any("AllocationID" in v for v in plan.made)


def test_a_bill_is_a_document_too() -> None:
    held = [{"AllocationID": "a", "Bill": {"InvoiceID": "b1"}, "Amount": 3, "Date": "2026-11-01"}]
    again = Items(items=(Item(values={"Bill": {"InvoiceID": "b1"}, "Amount": 3}),))
    assert plan_allocations(held, again).nothing
