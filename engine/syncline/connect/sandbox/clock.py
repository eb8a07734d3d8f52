"""A clock that runs with the real one and can be set ahead."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Real time plus an offset that only grows by :meth:`advance`: tokens and limits expire at will."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def timestamp(self) -> float:
        """The current instant in seconds since the epoch."""
        return self.now().timestamp()

    def advance(self, seconds: float) -> datetime:
        """Set the clock ahead (or, to play a skewed remote, back) and return the new instant."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)
        return self.now()
