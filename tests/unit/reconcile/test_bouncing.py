"""Bouncing: which writes count as overwritten by somebody else."""

from __future__ import annotations

import pytest

from syncline.mapping.module import Side
from syncline.reconcile.bouncing import Written, count_overwritten


def history(text: str) -> list[Written]:
    """``r``: a write to the right, ``l``: to the left; in capitals when it undid somebody's edit."""
    return [Written(Side.LEFT if c in "lL" else Side.RIGHT, undid=c.isupper()) for c in text]


@pytest.mark.parametrize(
    ("writes", "count"),
    [
        pytest.param("r", 0, id="the first write"),
        pytest.param("rrrrrr", 0, id="somebody edits the source a lot"),
        pytest.param("R", 0, id="a first write that undoes an edit"),
        pytest.param("rRRRR", 4, id="undone each time, and put back"),
        pytest.param("RRRRR", 4, id="the same from an edit on"),
        pytest.param("rRrRr", 2, id="only what was undone counts"),
        pytest.param("rlrlr", 2, id="carried back from the written end in between"),
        pytest.param("rllr", 1, id="carried back twice is overwritten once"),
        pytest.param("lllr", 0, id="writes to the other end alone"),
        pytest.param("rLR", 1, id="carried back and undone is one loss"),
    ],
)
def test_overwritten_writes_are_counted(writes: str, count: int) -> None:
    assert count_overwritten(history(writes), Side.RIGHT) == count
