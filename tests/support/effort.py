"""How far a search goes: a share with fixed seeds in every run of the tests, everything when asked for."""

from __future__ import annotations

import os

#: Set by ``python3 dev.py prove --long``.
LONG = os.environ.get("SYNCLINE_PROVE") == "long"


def effort(share: int, everything: int) -> int:
    """How many cases to try."""
    return everything if LONG else share
