"""The shared ledger of calls: it counts those of every process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from syncline.connect.budget import FLIGHT_S, Pace
from syncline.connect.contract import Limits
from syncline.connect.errors import QuotaExhausted
from syncline.connect.waiting import Waiting
from syncline.store.calls import CallLedger
from syncline.store.database import Database, open_store
from syncline.store.tables import call


@dataclass
class Clock:
    at: float = 2_000_000.0
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pace(database: Database, clock: Clock, limits: Limits, account: str = "acme:1") -> Pace:
    """As a process of its own has it: nothing shared but the database."""
    waiting = Waiting(now=lambda: clock.at, sleep=clock.sleep, chance=lambda: 0.0)
    return Pace(limits, CallLedger(database, account, now=lambda: clock.at), waiting=waiting, patience_s=400)


def spend(pace: Pace, calls: int = 1, cost: int = 1) -> None:
    for _ in range(calls):
        pace.release(pace.acquire(cost), {})


def rows(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(call)) or 0


def test_the_minute_is_shared_by_processes_and_apart_for_accounts(database: Database, clock: Clock) -> None:
    limits = Limits(per_minute=4)
    one, other = pace(database, clock, limits), pace(database, clock, limits)
    spend(one, 2)
    clock.at += 10
    spend(other, 2)
    spend(pace(database, clock, limits, "acme:2"))
    assert clock.slept == 0
    spend(other)
    assert clock.slept == pytest.approx(50)


def test_calls_in_flight_are_shared_until_they_end_or_their_process_is_long_dead(
    database: Database, clock: Clock
) -> None:
    limits = Limits(concurrent=2)
    one, other = pace(database, clock, limits), pace(database, clock, limits)
    first, _lost = one.acquire(), one.acquire()
    one.release(first)
    spend(other)
    assert clock.slept == 0
    one.acquire()
    started = clock.at
    spend(other)
    assert clock.at - started == pytest.approx(FLIGHT_S, abs=1)


def test_calls_in_flight_count_in_the_minute(database: Database, clock: Clock) -> None:
    limits = Limits(per_minute=4)
    one, other = pace(database, clock, limits), pace(database, clock, limits)
    spend(one, 2)
    one.acquire()
    one.acquire()
    clock.at += 5
    spend(other)
    assert clock.slept == pytest.approx(55)


def test_the_cost_of_a_call_that_never_ended_stays_on_the_account(database: Database, clock: Clock) -> None:
    pace(database, clock, Limits(per_day=100)).acquire(95)
    clock.at += FLIGHT_S + 1
    with pytest.raises(QuotaExhausted):
        pace(database, clock, Limits(per_day=100)).acquire(6)


def test_the_day_is_shared_and_read_anew_now_and_then(database: Database, clock: Clock) -> None:
    limits = Limits(per_day=100)
    one, other = pace(database, clock, limits), pace(database, clock, limits)
    spend(one, 3, cost=10)
    spend(other, 3, cost=10)
    clock.at += 61
    spend(one, 3, cost=10)
    clock.at += 61
    with pytest.raises(QuotaExhausted) as caught:
        other.acquire(11)
    assert caught.value.retry_after_s == pytest.approx(86_400 - 122)
    clock.at += 86_400
    spend(other, 10, cost=10)
    assert clock.slept == 0


def test_a_hold_stops_every_process(database: Database, clock: Clock) -> None:
    one, other = pace(database, clock, Limits()), pace(database, clock, Limits())
    one.hold(9)
    one.hold(4)
    spend(other)
    assert clock.slept == pytest.approx(9)


def test_what_no_longer_counts_is_deleted(database: Database, clock: Clock) -> None:
    mine = pace(database, clock, Limits())
    spend(mine, 20)
    mine.acquire()
    mine.hold(1)
    clock.at += 86_500
    mine.hold(1)
    clock.at += 2
    spend(mine)
    assert rows(database) == 2  # this call, and the hold that has just ended


def test_threads_never_have_more_calls_in_flight_than_allowed(database: Database) -> None:
    limits = Limits(concurrent=3)
    lock, open_now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal open_now, most
        mine = Pace(
            limits, CallLedger(database, "acme:1"), waiting=Waiting(sleep=lambda _s: time.sleep(0.003))
        )
        for _ in range(6):
            ticket = mine.acquire()
            with lock:
                open_now += 1
                most = max(most, open_now)
            time.sleep(0.002)
            with lock:
                open_now -= 1
            mine.release(ticket, {})

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 3
    assert rows(database) == 36


def test_an_answer_is_not_lost_when_the_state_cannot_be_written(sqlite_url: str, clock: Clock) -> None:
    with open_store(sqlite_url) as database:
        mine = pace(database, clock, Limits())
        ticket = mine.acquire()
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA query_only=on")
        mine.release(ticket, {})
        assert rows(database) == 1


def test_a_call_costs_little_even_beside_many_others(database: Database) -> None:
    now = time.time()
    with database.write() as connection:
        connection.execute(
            sa.insert(call),
            [{"account": "acme:1", "at": now - n / 500, "cost": 1, "until": None} for n in range(20_000)],
        )
    limits = Limits(per_minute=60, per_day=10**6, minute_left_header="x-left", day_left_header="x-day")
    mine = Pace(limits, CallLedger(database, "acme:1"))
    plenty = {"x-left": "100000", "x-day": "100000"}
    mine.release(mine.acquire(), plenty)
    best = 1.0
    for _ in range(60):
        started = time.perf_counter()
        mine.release(mine.acquire(), plenty)
        best = min(best, time.perf_counter() - started)
    assert best < 0.01


def test_the_calls_of_a_killed_process_hold_nobody_up(database: Database, clock: Clock) -> None:
    """A pass that is killed again and again must not make the next one wait for its unanswered calls."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    limits = Limits(concurrent=2, per_day=100)
    dead = CallLedger(database, "acme:1", owner=f"{socket.gethostname()}:{child.pid}:0", now=lambda: clock.at)
    elsewhere = CallLedger(database, "acme:1", owner=f"some-other-host:{child.pid}:0", now=lambda: clock.at)
    waiting = Waiting(now=lambda: clock.at, sleep=clock.sleep, chance=lambda: 0.0)
    Pace(limits, elsewhere, waiting=waiting).acquire()
    Pace(limits, dead, waiting=waiting).acquire()
    one = pace(database, clock, limits)
    ticket = one.acquire()
    assert clock.slept == 0
    one.release(ticket, {})
    with CallLedger(database, "acme:1", now=lambda: clock.at).locked() as book:
        assert book.use(limits, clock.at, minute=False, day=True).day_cost == 3  # it was made all the same


def test_calls_of_a_clock_that_has_been_put_back_do_not_fill_the_minute(
    database: Database, clock: Clock
) -> None:
    limits = Limits(per_minute=4)
    spend(pace(database, clock, limits), 4)
    clock.at -= 3600
    spend(pace(database, clock, limits))
    assert clock.slept == 0
