"""The pace at which one organisation's remote is asked, over all threads and processes.

A :class:`Ledger` remembers the calls (in memory here, in the database for real use); :class:`Pace`
decides from it, and from what the remote's headers say is left, whether a call may go now.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from msgspec import Struct

from syncline.connect.contract import Limits
from syncline.connect.errors import QuotaExhausted
from syncline.connect.waiting import Waiting

MINUTE_S = 60.0
DAY_S = 86_400.0
#: How long a call may stay unanswered before it no longer counts as in flight: longer than any call may
#: take, so that only those of dead processes are forgotten.
FLIGHT_S = 330.0
#: The share of a remote's declared calls of a day that passes leave for what a person does by hand.
KEPT_SHARE = 0.05
#: How long the remote's word on the day's rest is worth more than our own count.
_DAY_WORD_S = 600.0
#: How soon a call waiting for another one to end looks again: at first, and at most.
_POLL_S, _POLL_MOST_S = 0.05, 1.0


class Ticket(Struct, frozen=True):
    """Leave for one call. ``id`` is the ledger's; ``at`` seconds since the epoch; ``cost`` in units."""

    id: int
    at: float
    cost: int


class Use(Struct, frozen=True, kw_only=True):
    """What the ledger knows at one moment.

    ``open``: calls in flight, of every process. ``minute_full_until``: when the rolling minute has room
    again by our own count, 0 when it has. ``day_cost``: units in the last 24 hours; ``day_room_at``: when
    the oldest of them is 24 hours old. ``hold_until``: the remote asked for silence until then.
    """

    open: int = 0
    minute_full_until: float = 0.0
    day_cost: int = 0
    day_room_at: float = 0.0
    hold_until: float = 0.0


class Book(Protocol):
    """The ledger, while nobody else can write in it."""

    def use(self, limits: Limits, now: float, *, minute: bool, day: bool) -> Use:
        """``minute``, ``day``: whether those counts are wanted; they cost."""
        ...

    def enter(self, cost: int, now: float) -> Ticket: ...


class Ledger(Protocol):
    """The calls of one account."""

    def locked(self) -> AbstractContextManager[Book]: ...

    def settle(self, ticket: Ticket) -> None:
        """The call has ended; what it cost stays on the account."""
        ...

    def hold(self, until: float) -> None: ...


class Budget(Protocol):
    """Asked before and told after every call."""

    def acquire(self, cost: int = 1) -> Ticket:
        """Waits for a place; raises QuotaExhausted when there will be none within this pass."""
        ...

    def release(self, ticket: Ticket, headers: Mapping[str, str] | None = None) -> None:
        """``headers`` of the reply, names in lower case; ``None`` when none came."""
        ...

    def hold(self, seconds: float) -> None:
        """No call, of any process, before then."""
        ...


class Pace:
    """The :class:`Budget` that obeys a connector's :class:`~syncline.connect.contract.Limits`.

    The remote's own word (its headers) goes before our count: it knows of others who share the quota, and
    of having no limit at all. Until it has spoken to this process, one call may go where our count alone
    would refuse.
    """

    def __init__(
        self,
        limits: Limits,
        ledger: Ledger | None = None,
        *,
        label: str = "the remote",
        waiting: Waiting | None = None,
        patience_s: float = 900.0,
        by_hand: bool = True,
    ) -> None:
        """``by_hand``: a person waits for it, and may use up the day; others leave a share (KEPT_SHARE)."""
        self._limits = limits
        self._waiting = waiting or Waiting()
        self._ledger: Ledger = ledger or MemoryLedger()
        self._label = label
        self._patience_s = patience_s
        self._kept = 0 if by_hand else int((limits.per_day or 0) * KEPT_SHARE)
        self._lock = threading.Lock()
        self._open_here = 0
        self._heard = False
        self._minute_left: int | None = None
        self._minute_seen = -math.inf
        self._window_from = -math.inf
        self._day_left: int | None = None
        self._day_seen = -math.inf

    def acquire(self, cost: int = 1) -> Ticket:
        patience, polls = self._patience_s, 0
        while True:
            outcome = self._try(cost)
            if isinstance(outcome, Ticket):
                return outcome
            if outcome == _POLL_S:
                outcome = min(_POLL_S * 2**polls, _POLL_MOST_S)
                polls += 1
            if outcome > patience:
                raise QuotaExhausted(
                    f"{self._label} has no room for another call within {self._patience_s:.0f} s",
                    retry_after_s=outcome,
                    fix="nothing is lost: the next pass goes on from here",
                )
            wait = self._waiting.jittered(max(outcome, 0.001))
            self._waiting.sleep(wait)
            patience -= wait

    def release(self, ticket: Ticket, headers: Mapping[str, str] | None = None) -> None:
        with self._lock:
            self._open_here -= 1
            if headers is not None:
                self._listen(headers, ticket)
        self._ledger.settle(ticket)

    def hold(self, seconds: float) -> None:
        with self._lock:
            # The remote has named the moment itself: neither count has a say until it speaks again.
            self._minute_left, self._heard = None, False
        self._ledger.hold(self._waiting.now() + seconds)

    def _try(self, cost: int) -> Ticket | float:
        """Leave, or how many seconds to wait before asking again."""
        limits = self._limits
        with self._lock:
            now = self._waiting.now()
            minute_word = self._minute_left is not None and now - self._minute_seen < MINUTE_S
            day_word = self._day_left is not None and now - self._day_seen < _DAY_WORD_S
            if day_word and self._day_left is not None and self._day_left - self._kept < cost:
                raise self._day_used_up(None)
            if minute_word and self._minute_left is not None and self._minute_left <= self._open_here:
                return self._until_new_window(now)
            # A first call of this process may go against our own count: it is asked, not guessed, whether
            # the remote has more room than we think.
            probe = not self._heard and self._open_here == 0
            minute = limits.per_minute is not None and not minute_word
            minute = minute and not (probe and limits.minute_left_header is not None)
            day = limits.per_day is not None and not day_word
            day = day and not (probe and limits.day_left_header is not None)
            with self._ledger.locked() as book:
                use = book.use(limits, now, minute=minute, day=day)
                if use.hold_until > now:
                    return use.hold_until - now
                if use.open >= limits.concurrent:
                    return _POLL_S
                if minute and use.minute_full_until > now:
                    return use.minute_full_until - now
                most = (limits.per_day or 0) - self._kept
                if day and limits.per_day is not None and use.day_cost + cost > most:
                    raise self._day_used_up(max(use.day_room_at - now, 0.0))
                ticket = book.enter(cost, now)
            self._open_here += 1
            return ticket

    def _until_new_window(self, now: float) -> float:
        """The remote's minute is used up: seconds until it surely starts afresh.

        Its windows are fixed and start unannounced; one began at the latest when its count was last seen
        to jump up.
        """
        if self._open_here:
            return _POLL_S
        wait = self._window_from + MINUTE_S - now
        if not 0 < wait <= MINUTE_S:
            # Nothing known of this window: ask at once, and be told by 429 and Retry-After if need be.
            self._minute_left = None
            return 0.0
        return wait

    def _day_used_up(self, retry_after_s: float | None) -> QuotaExhausted:
        rest = f", but for {self._kept} kept for what is done by hand" if self._kept else ""
        return QuotaExhausted(
            f"the calls that {self._label} allows in a day are used up{rest}",
            retry_after_s=retry_after_s,
            fix="syncing goes on by itself once there is room again; a longer interval needs fewer calls",
        )

    def _listen(self, headers: Mapping[str, str], ticket: Ticket) -> None:
        now = self._waiting.now()
        self._heard = True
        minute_left = _number(headers, self._limits.minute_left_header)
        if minute_left is not None:
            before = self._minute_left
            # Answers may overtake each other by as many as are in flight; a new window jumps further.
            if before is None or minute_left > before + self._limits.concurrent:
                self._window_from = now
            self._minute_left, self._minute_seen = minute_left, now
        day_left = _number(headers, self._limits.day_left_header)
        if day_left is not None:
            self._day_left, self._day_seen = day_left, now
        elif self._day_left is not None:
            self._day_left = max(self._day_left - ticket.cost, 0)


def _number(headers: Mapping[str, str], name: str | None) -> int | None:
    if name is None:
        return None
    text = headers.get(name.lower(), "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


class MemoryLedger:
    """The calls of one account by this process alone: for tests, tools and single calls."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._minute: deque[float] = deque()
        self._day: deque[tuple[float, int]] = deque()
        self._day_cost = 0
        self._open: dict[int, float] = {}
        self._next = 1
        self._hold_until = 0.0

    @contextmanager
    def locked(self) -> Iterator[MemoryLedger]:
        with self._lock:
            yield self

    def use(self, limits: Limits, now: float, *, minute: bool, day: bool) -> Use:
        while self._minute and self._minute[0] <= now - MINUTE_S:
            self._minute.popleft()
        while self._day and self._day[0][0] <= now - DAY_S:
            self._day_cost -= self._day.popleft()[1]
        self._open = {ticket: at for ticket, at in self._open.items() if at > now - FLIGHT_S}
        most = limits.per_minute or 0
        full = minute and 0 < most <= len(self._minute)
        return Use(
            open=len(self._open),
            minute_full_until=self._minute[-most] + MINUTE_S if full else 0.0,
            day_cost=self._day_cost,
            day_room_at=self._day[0][0] + DAY_S if self._day else 0.0,
            hold_until=self._hold_until,
        )

    def enter(self, cost: int, now: float) -> Ticket:
        ticket = Ticket(self._next, now, cost)
        self._next += 1
        self._minute.append(now)
        self._day.append((now, cost))
        self._day_cost += cost
        self._open[ticket.id] = now
        return ticket

    def settle(self, ticket: Ticket) -> None:
        with self._lock:
            self._open.pop(ticket.id, None)

    def hold(self, until: float) -> None:
        with self._lock:
            self._hold_until = max(self._hold_until, until)
