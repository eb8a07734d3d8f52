"""Bouncing: a field that somebody overwrites at one end each time that it has been written there.

Another integration, or a workflow of the remote, keeps such a field too. No base can see that: every pass
finds an edit and answers it, for ever. So it is counted, and after a few rounds a person is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from syncline.mapping.module import Side

#: A field is paused when this many of our writes to one end were overwritten there...
WRITES = 4
#: ...within this time. People who correct each other are slower; a loop that is slower costs nobody a quota.
WINDOW = timedelta(hours=24)


class Written(Struct, frozen=True):
    """One write of a field that was carried out. ``side``: the end that was written; ``undid``: it replaced
    what somebody had put there since the ends last agreed."""

    side: Side
    undid: bool


def count_overwritten(history: Sequence[Written], side: Side) -> int:
    """How many of our writes to an end were overwritten there before the next one. ``history``: the writes of
    one field of one pair, oldest first, the one that is about to be made last.

    A write was overwritten when the next one to that end undid something, or when in between a value came
    back from there to the other end.
    """
    found, standing = 0, False
    for written in history:
        if written.side is not side:
            if standing:
                found, standing = found + 1, False
        else:
            found += standing and written.undid
            standing = True
    return found
