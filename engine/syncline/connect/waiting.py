"""Time as the connection code sees it, so that tests need not wait for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from msgspec import Struct


def steady() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps where there is such a
    one; only differences mean anything."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Waiting(Struct, frozen=True, kw_only=True):
    """``now``: seconds since the epoch; ``sleep``: waits that many seconds; ``chance``: in [0, 1)."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def jittered(self, seconds: float, share: float = 0.25) -> float:
        """Between ``seconds`` and ``share`` more, so that waiters do not all come back at once."""
        return seconds * (1 + share * self.chance())
