"""Leases: one holder at a time, whoever dies, stalls or races."""

from __future__ import annotations

import multiprocessing
import random
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from syncline.store.database import Database, open_store, upsert
from syncline.store.lease import LeaseBusy, LeaseLost, Leases, fence
from syncline.store.tables import lease


def expire(database: Database, key: str) -> None:
    with database.write() as connection:
        connection.execute(sa.update(lease).where(lease.c.key == key).values(until=1.0))


def test_a_lease_has_one_holder_until_it_is_released(database: Database) -> None:
    one, other = Leases(database), Leases(database)
    held = one.acquire("accounts")
    assert held is not None
    assert held.epoch == 1
    assert other.acquire("accounts") is None
    assert one.acquire("accounts") is None
    assert other.acquire("invoices") is not None
    one.release(held)
    taken = other.acquire("accounts")
    assert taken is not None
    assert taken.epoch == 2


def test_an_ended_lease_can_be_taken_and_its_old_holder_is_fenced_off(database: Database) -> None:
    one, other = Leases(database), Leases(database)
    old = one.acquire("accounts")
    assert old is not None
    one.check(old)
    expire(database, "accounts")
    with pytest.raises(LeaseLost):
        one.check(old)
    new = other.acquire("accounts")
    assert new is not None
    assert not one.renew(old)
    one.release(old)  # must not free what is no longer his
    other.check(new)
    with database.write() as connection:
        fence(connection, new)
    with pytest.raises(LeaseLost), database.write() as connection:
        fence(connection, old)


def test_a_fenced_off_transaction_leaves_nothing(database: Database) -> None:
    leases = Leases(database)
    old = leases.acquire("a")
    assert old is not None
    expire(database, "a")
    assert Leases(database).acquire("a") is not None

    def write_late() -> None:
        with database.write() as connection:
            upsert(connection, lease, [{"key": "late", "owner": "x", "epoch": 1, "until": 0.0}])
            fence(connection, old)

    with pytest.raises(LeaseLost):
        write_late()
    assert leases.holder("late") is None
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(lease.c.key == "late")) == 0


def test_an_ended_lease_that_nobody_took_still_lets_its_holder_write(database: Database) -> None:
    leases = Leases(database)
    held = leases.acquire("a")
    assert held is not None
    expire(database, "a")
    with database.write() as connection:
        fence(connection, held)
    assert leases.renew(held)
    leases.check(held)


def test_time_is_the_databases(database: Database) -> None:
    held = Leases(database, ttl_s=30).acquire("a")
    assert held is not None
    holder = Leases(database).holder("a")
    assert holder is not None
    assert 29 < holder.left_s <= 30
    with database.read() as connection:
        until = connection.scalar(sa.select(lease.c.until))
    assert abs(until - (time.time() + 30)) < 2  # the same machine here, so the clocks agree


def test_who_finds_it_taken_is_told_by_whom_and_for_how_long(database: Database) -> None:
    with Leases(database, owner="host-a:17").hold("spec acme / accounts"):
        with (
            pytest.raises(LeaseBusy, match="worked on by host-a:17") as caught,
            Leases(database).hold("spec acme / accounts"),
        ):
            pass
        assert 50 < caught.value.left_s <= 60
    with Leases(database).hold("spec acme / accounts"):
        pass


def test_waiting_for_a_lease_gets_it_when_the_other_is_done(database: Database) -> None:
    one = Leases(database)
    held = one.acquire("a")
    assert held is not None
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            one.release(held)

    with Leases(database).hold("a", wait_s=60, sleep=sleep) as kept:
        assert kept.lease.epoch == 2
    assert len(waits) == 3


def test_a_held_lease_is_renewed_for_as_long_as_the_block_lasts(database: Database) -> None:
    with Leases(database, ttl_s=0.3).hold("a") as kept:
        time.sleep(0.8)
        kept.check()
        assert Leases(database).acquire("a") is None
    assert not any(t.name == "lease a" for t in threading.enumerate())
    assert Leases(database).acquire("a") is not None


def test_a_holder_whose_lease_was_taken_learns_it(database: Database) -> None:
    with Leases(database, ttl_s=60).hold("a") as kept:
        expire(database, "a")
        assert Leases(database).acquire("a") is not None
        with pytest.raises(LeaseLost, match="taken over a"):
            kept.check()


def _count(url: str, seed: int, together: Any, result: Any) -> None:
    """Add one under the lease, now and then stalling beyond its end between reading and writing."""
    chance = random.Random(seed)
    done = stale = 0
    with open_store(url) as database:
        leases = Leases(database, ttl_s=0.1)
        together.wait(60)  # or one might be done before the next has started
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            held = leases.acquire("work")
            if held is None:
                time.sleep(0.005)
                continue
            with database.read() as connection:
                seen = connection.scalar(sa.select(lease.c.epoch).where(lease.c.key == "n")) or 0
            if chance.random() < 0.15:
                time.sleep(0.15)
            try:
                with database.write() as connection:
                    fence(connection, held)
                    upsert(connection, lease, [{"key": "n", "owner": "n", "epoch": seen + 1, "until": 0.0}])
                done += 1
            except LeaseLost:
                stale += 1
            leases.release(held)
    result.put((done, stale))


def test_processes_that_stall_and_thaw_never_write_over_their_successor(store_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    results, together = spawn.Queue(), spawn.Barrier(3)
    workers = [spawn.Process(target=_count, args=(store_url, seed, together, results)) for seed in range(3)]
    for worker in workers:
        worker.start()
    totals = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    results.close()
    results.join_thread()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with open_store(store_url) as database, database.read() as connection:
        counted = connection.scalar(sa.select(lease.c.epoch).where(lease.c.key == "n"))
    assert counted == sum(done for done, _ in totals)
    assert sum(stale for _, stale in totals) > 0


def test_the_lease_of_a_killed_process_is_taken_over_at_once(database: Database) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead = Leases(database, owner=f"{socket.gethostname()}:{child.pid}:0")
    assert dead.acquire("spec:module") is not None
    with Leases(database).hold("spec:module") as kept:
        assert kept.lease.epoch == 2
