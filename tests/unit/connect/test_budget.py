"""The pace of calls: minute, day and concurrency, by our count and by the remote's own word."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from syncline.connect.budget import FLIGHT_S, MemoryLedger, Pace, Ticket
from syncline.connect.contract import Limits
from syncline.connect.errors import QuotaExhausted
from syncline.connect.waiting import Waiting


@dataclass
class Clock:
    at: float = 1_000_000.0
    slept: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        self.waits.append(seconds)

    def waiting(self) -> Waiting:
        return Waiting(now=lambda: self.at, sleep=self.sleep, chance=lambda: 0.0)


def spend(pace: Pace, calls: int = 1, *, headers: dict[str, str] | None = None, cost: int = 1) -> None:
    for _ in range(calls):
        pace.release(pace.acquire(cost), headers or {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_calls_beyond_the_minute_wait_until_the_oldest_is_a_minute_old(clock: Clock) -> None:
    pace = Pace(Limits(per_minute=3), waiting=clock.waiting())
    spend(pace)
    clock.at += 20
    spend(pace, 2)
    assert clock.slept == 0
    spend(pace)
    assert clock.slept == pytest.approx(40)


def test_any_sixty_seconds_hold_no_more_calls_than_the_limit(clock: Clock) -> None:
    pace = Pace(Limits(per_minute=60), waiting=clock.waiting())
    times = []
    for _ in range(300):
        ticket = pace.acquire()
        times.append(ticket.at)
        clock.at += 0.3
        pace.release(ticket, {})
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[60:], strict=False))
    assert times[-1] - times[0] < 4 * 60 + 60 * 0.3


def test_no_more_calls_at_once_than_the_limit(clock: Clock) -> None:
    pace = Pace(Limits(concurrent=2), waiting=clock.waiting())
    first, _second = pace.acquire(), pace.acquire()
    release_after = 3

    def sleep(seconds: float) -> None:
        nonlocal release_after
        clock.at += seconds
        release_after -= 1
        if release_after == 0:
            pace.release(first, {})

    pace._waiting = Waiting(now=lambda: clock.at, sleep=sleep, chance=lambda: 0.0)
    third = pace.acquire()
    assert release_after == 0
    assert isinstance(third, Ticket)


def test_a_call_whose_process_died_stops_counting_as_in_flight(clock: Clock) -> None:
    ledger = MemoryLedger()
    Pace(Limits(concurrent=1), ledger, waiting=clock.waiting()).acquire()
    clock.at += FLIGHT_S + 1
    Pace(Limits(concurrent=1), ledger, waiting=clock.waiting()).acquire()
    assert clock.slept == 0


def test_the_day_is_counted_in_cost_units_and_ends_in_an_error_that_says_when(clock: Clock) -> None:
    pace = Pace(Limits(per_day=25), waiting=clock.waiting(), label="the books")
    spend(pace, 2, cost=10)
    clock.at += 3600
    with pytest.raises(QuotaExhausted, match="the books allows in a day") as caught:
        pace.acquire(10)
    assert caught.value.retry_after_s == pytest.approx(86_400 - 3600)
    spend(pace, cost=5)
    clock.at += 86_400 - 3600 + 1
    spend(pace, 2, cost=10)


def test_passes_leave_a_share_of_the_day_to_what_is_done_by_hand(clock: Clock) -> None:
    ledger, limits = MemoryLedger(), Limits(per_day=100)
    passes = Pace(limits, ledger, waiting=clock.waiting(), by_hand=False)
    person = Pace(limits, ledger, waiting=clock.waiting())
    spend(passes, 95)
    with pytest.raises(QuotaExhausted, match="but for 5 kept for what is done by hand"):
        passes.acquire()
    spend(person, 5)
    with pytest.raises(QuotaExhausted):
        person.acquire()


def test_a_hold_stops_every_user_of_the_ledger(clock: Clock) -> None:
    ledger = MemoryLedger()
    one, other = (Pace(Limits(), ledger, waiting=clock.waiting()) for _ in range(2))
    one.hold(17)
    spend(other)
    assert clock.slept == pytest.approx(17)


# --- the remote's own word -----------------------------------------------------------------------------

WORD = Limits(per_minute=3, per_day=10, minute_left_header="X-Minute-Left", day_left_header="X-Day-Left")


def test_a_remote_that_reports_room_is_not_throttled_by_our_count(clock: Clock) -> None:
    pace = Pace(WORD, waiting=clock.waiting())
    spend(pace, 500, headers={"x-minute-left": "1000000", "x-day-left": "1000000"})
    assert clock.slept == 0


def test_a_new_process_asks_once_before_it_trusts_an_old_count(clock: Clock) -> None:
    ledger, plenty = MemoryLedger(), {"x-minute-left": "999999", "x-day-left": "999999"}
    spend(Pace(WORD, ledger, waiting=clock.waiting()), 50, headers=plenty)
    fresh = Pace(WORD, ledger, waiting=clock.waiting())
    spend(fresh, 50, headers=plenty)
    assert clock.slept == 0


def test_somebody_else_using_the_minute_slows_us_down(clock: Clock) -> None:
    pace = Pace(Limits(per_minute=60, minute_left_header="X-Minute-Left"), waiting=clock.waiting())
    spend(pace, headers={"x-minute-left": "1"})
    clock.at += 10
    spend(pace, headers={"x-minute-left": "0"})
    spend(pace, headers={"x-minute-left": "59"})
    assert clock.slept == pytest.approx(50, abs=0.01)


def test_calls_in_flight_count_against_what_the_remote_said_is_left(clock: Clock) -> None:
    limits = Limits(per_minute=60, concurrent=5, minute_left_header="X-Minute-Left")
    pace = Pace(limits, waiting=clock.waiting())
    spend(pace, headers={"x-minute-left": "2"})
    first, _second = pace.acquire(), pace.acquire()
    waited = 0

    def sleep(seconds: float) -> None:
        nonlocal waited
        waited += 1
        clock.at += seconds
        if waited == 2:
            pace.release(first, {"x-minute-left": "30"})

    pace._waiting = Waiting(now=lambda: clock.at, sleep=sleep, chance=lambda: 0.0)
    pace.acquire()
    assert waited == 2


def test_a_day_that_the_remote_calls_used_up_ends_the_pass(clock: Clock) -> None:
    pace = Pace(WORD, waiting=clock.waiting())
    spend(pace, headers={"x-day-left": "0"})
    with pytest.raises(QuotaExhausted):
        pace.acquire()
    clock.at += 601  # by then its word is old: it is asked again
    spend(pace, headers={"x-day-left": "7"})
    spend(pace)


def test_a_header_that_is_not_a_number_is_no_word(clock: Clock) -> None:
    pace = Pace(WORD, waiting=clock.waiting())
    for word in ("", "-1", "many", "9" * 40, "1.5", "²"):
        pace.release(pace.acquire(0), {"x-minute-left": word, "x-day-left": word})
        clock.at += 61
    with pytest.raises(QuotaExhausted):
        pace.acquire(11)


def test_a_fixed_window_of_the_remote_is_used_fully_without_a_refusal(clock: Clock) -> None:
    """60 a minute in windows that start unannounced: 600 calls, none refused, none wasted."""
    pace = Pace(Limits(per_minute=60, minute_left_header="X-Minute-Left"), waiting=clock.waiting())
    window, used, refused, began = 0.0, 0, 0, clock.at
    for _ in range(600):
        ticket = pace.acquire()
        if int((clock.at + 37) // 60) != window:
            window, used = int((clock.at + 37) // 60), 0
        used += 1
        refused += used > 60
        clock.at += 0.2
        pace.release(ticket, {"x-minute-left": str(max(60 - used, 0))})
    assert refused == 0
    assert clock.at - began < 11 * 60


def test_a_hold_named_by_the_remote_is_not_prolonged_by_older_words(clock: Clock) -> None:
    pace = Pace(Limits(per_minute=60, minute_left_header="X-Minute-Left"), waiting=clock.waiting())
    spend(pace, headers={"x-minute-left": "0"})
    pace.hold(5)
    spend(pace, headers={"x-minute-left": "59"})
    assert clock.slept == pytest.approx(5)
