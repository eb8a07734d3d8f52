"""The rate limits of one app on one organisation.

Source: Xero API documentation, OAuth 2.0 limits: 60 calls a minute, 5 at once, 1,000 or 5,000 a day, in
fixed windows that start at another moment for each organisation. A refused call is not counted.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

from syncline.connect.sandbox import Reply, VirtualClock

MINUTE_LIMIT = 60
CONCURRENT_LIMIT = 5
APP_MINUTE_LIMIT = 10_000
_PLENTY = 10_000


class RateLimits:
    """Counts calls on the virtual clock. ``switches``: ``day_limit``."""

    def __init__(self, clock: VirtualClock, switches: Mapping[str, Any], *, enforced: bool) -> None:
        self.clock = clock
        self.switches = switches
        self.enforced = enforced
        self._used: dict[tuple[str, int], tuple[int, int]] = {}

    def _window(self, tenant: str, length_s: int) -> tuple[int, float]:
        """(number of the current window, seconds until the next one)."""
        start = zlib.crc32(f"{tenant}/{length_s}".encode()) % length_s
        since = self.clock.timestamp() - start
        number = math.floor(since / length_s)
        return number, (number + 1) * length_s - since

    def _count(self, tenant: str, length_s: int) -> int:
        number, calls = self._used.get((tenant, length_s), (-1, 0))
        return calls if number == self._window(tenant, length_s)[0] else 0

    def refusal(self, tenant: str, in_flight: int) -> Reply | None:
        """A 429, or ``None`` once the call has been counted."""
        if not self.enforced:
            return None
        if in_flight > CONCURRENT_LIMIT:
            return too_many("concurrent", None)
        for length, limit, name in (
            (86_400, int(self.switches["day_limit"]), "day"),
            (60, MINUTE_LIMIT, "minute"),
        ):
            if self._count(tenant, length) >= limit:
                return too_many(name, math.ceil(self._window(tenant, length)[1]))
        for length in (86_400, 60):
            self._used[tenant, length] = (self._window(tenant, length)[0], self._count(tenant, length) + 1)
        return None

    def headers(self, tenant: str) -> dict[str, str]:
        """What every answer says is left."""
        if not self.enforced:
            minute = day = app = _PLENTY
        else:
            minute = MINUTE_LIMIT - self._count(tenant, 60)
            day = max(0, int(self.switches["day_limit"]) - self._count(tenant, 86_400))
            app = APP_MINUTE_LIMIT - self._count(tenant, 60)
        return {
            "X-MinLimit-Remaining": str(minute),
            "X-DayLimit-Remaining": str(day),
            "X-AppMinLimit-Remaining": str(app),
        }

    def until_next(self, tenant: str, length_s: int) -> int:
        return math.ceil(self._window(tenant, length_s)[1])


def too_many(name: str, retry_after_s: int | None) -> Reply:
    """``concurrent`` comes without Retry-After."""
    headers = {"X-Rate-Limit-Problem": name}
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, retry_after_s))
    return Reply.text("API rate limit exceeded", 429, headers)
