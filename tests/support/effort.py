"""How far a search goes: a share with fixed seeds in every run of the tests, everything when asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

#: Set by ``python3 dev.py prove --long``.
LONG = os.environ.get("SYNCLINE_PROVE") == "long"


def effort(share: int, everything: int) -> int:
    """How many cases to try."""
    return everything if LONG else share


def cases(share: Sequence[T], rest: Sequence[T]) -> list[T]:
    """The cases to try: a share in every run, the rest when everything is asked for."""
    return [*share, *(rest if LONG else ())]
