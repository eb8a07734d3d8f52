"""Several workers on one PostgreSQL, stopped, thawed and killed at random: no stale write, nothing twice."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from tests.crash.conftest import Played
from tests.crash.matrix import recover_and_check
from tests.crash.zygote import Child
from tests.support.effort import effort
from tests.support.tally import Tally

WORKERS = 3
#: How long a lease lasts here: shorter than most stops.
LEASE_S = 1.0


def test_workers_that_are_stopped_and_killed_at_random_write_nothing_stale(
    played: Callable[[str], Played], tally: Tally
) -> None:
    scene = played("postgresql")
    for number in range(effort(2, 20)):
        chance = random.Random(f"workers {number}")
        truth, theatre = scene.truth("meet" if number % 2 == 0 else "edit"), scene.theatre
        theatre.restore(truth.start)
        running: list[Child] = []
        ends_at = time.monotonic() + 5
        while time.monotonic() < ends_at:
            running = [child for child in running if child.poll() is None]
            while len(running) < WORKERS:
                running.append(theatre.start("sync", lease_s=LEASE_S))
            time.sleep(chance.uniform(0.01, 0.2))
            child = chance.choice(running)
            what = chance.choice([signal.SIGSTOP, signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL])
            child.signal(what)
            tally(f"workers met by {what.name}")
        for child in running:
            child.signal(signal.SIGCONT)
        for child in running:
            child.wait()
        theatre.wait_for_leases()
        recover_and_check(theatre, truth, f"chaos {number}")
