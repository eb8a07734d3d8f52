"""Isolation: how writes are put together so that one which breaks the remote stops nobody else.

A remote that fails on one record (an error 500) answers for none of its batch. What is there is found by
looking it up; what is not is sent again, each time with fewer others, until the one at fault stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence

#: A write that was lost so many times is sent alone; lost once more, it rests like a refused one.
ALONE = 2
#: A batch is cut into so many parts for writes that were lost once.
PARTS = 8
#: After so many first tries in a row without an answer it is the remote that fails, and not a record.
_FIRST_TRIES = 3


def patience(lost: int) -> int:
    """How many calls in a row may stay without an answer, the last one of writes lost so many times, before
    no more are made in this pass."""
    return PARTS if lost else _FIRST_TRIES


def group_by_losses(losses: Sequence[int], batch: int) -> list[list[int]]:
    """Which writes are sent together, as places in the list. ``losses``: how many times each was sent without
    an answer and was not carried out; ``batch``: the most that one call takes. First tries come first."""
    groups: list[list[int]] = []
    for lost in range(ALONE + 1):
        size = (batch, max(1, batch // PARTS), 1)[lost]
        places = [place for place, each in enumerate(losses) if min(each, ALONE) == lost]
        groups += [places[start : start + size] for start in range(0, len(places), size)]
    return groups
