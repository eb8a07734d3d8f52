"""Faults on demand: what shall go wrong, where, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace


class FaultKind(StrEnum):
    REFUSE = "refuse"  # the connection is reset before the request is processed
    LOSE = "lose"  # processed, then the connection is reset without an answer
    TRUNCATE = "truncate"  # processed, then the connection is reset in the middle of the answer
    SHORT = "short"  # processed, then half of the answer, and the connection is closed in good order
    DRIP = "drip"  # processed, then the answer in eight pieces with a silence of `delay_s` before each
    HOLD = "hold"  # processed, then the answer is held back for `delay_s`
    SLOW = "slow"  # processed after a delay of `delay_s`
    STATUS = "status"  # answered with `status` without being processed
    STATUS_AFTER = "status-after"  # processed, then answered with `status`
    MALFORMED = "malformed"  # processed, then answered with broken JSON and the right status
    HALF = "half"  # the first half of the request's records is processed, then the connection is reset
    FEWER = "fewer"  # processed, and the answer holds the first half of its records
    SHUFFLE = "shuffle"  # processed, and the answer's records come in another order
    HTML = "html"  # answered with an HTML error page and `status`, without being processed
    REMOTE = "remote"  # answered as this remote would: `name` is one of the sandbox's own faults


class Fault(Struct, frozen=True, kw_only=True):
    """``path``: a regular expression that the request's path must match from its start. ``skip``: how many
    matching requests go by first; ``times``: how many are hit then. ``holding``: hits requests alone whose
    body has this text."""

    kind: FaultKind
    method: str | None = None
    path: str = "/"
    skip: int = 0
    times: int = 1
    status: int = 500
    delay_s: float = 1.0
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    holding: str = ""


class Faults:
    """The armed faults of one sandbox, used up in the order they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def take(self, method: str, path: str, body: bytes) -> Fault | None:
        """The fault that hits this request, if any; counts it down."""
        with self._lock:
            for place, fault in enumerate(self._armed):
                if fault.method not in (None, method) or not re.match(fault.path, path):
                    continue
                if fault.holding.encode() not in body:
                    continue
                if fault.skip:
                    self._armed[place] = replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times > 1:
                    self._armed[place] = replace(fault, times=fault.times - 1)
                else:
                    del self._armed[place]
                return fault
        return None
