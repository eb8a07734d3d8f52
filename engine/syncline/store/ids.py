"""Ids that can be given out before the row is written, and sort by when they were."""

from __future__ import annotations

import secrets
import threading
import time

_EPOCH_MS = 1_577_836_800_000  # 2020-01-01
_process = secrets.randbits(10)
_lock = threading.Lock()
_last = 0


def next_id() -> int:
    """A new positive 63-bit id: milliseconds, then a count within them, then a number of this process."""
    return next_ids(1)[0]


def next_ids(count: int) -> list[int]:
    """So many new ids, in order."""
    global _last
    with _lock:
        floor = (time.time_ns() // 1_000_000 - _EPOCH_MS) << 12
        first = max(_last + 1, floor)
        _last = first + count - 1
        return [number << 10 | _process for number in range(first, first + count)]
