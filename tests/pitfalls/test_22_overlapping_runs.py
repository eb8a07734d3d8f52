"""Pitfall 22, runs that overlap or are cut off: one works at a time, and the next finishes the work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.support.business import BY_NAME_ALONE, example_with
from tests.support.effort import effort
from tests.support.stage import Stage
from tests.support.tally import Tally

WAIT_S = 240.0


def start(stage: Stage) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "syncline", "sync", str(stage.spec), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=stage.environ(),
    )


def test_five_at_once(stage: Stage, tally: Tally) -> None:
    """Whoever is first works; the others are told so, and change nothing."""
    for number in range(10):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Company {number}"})
    processes: list[subprocess.Popen[str]] = []
    ready = threading.Event()

    def keep_the_first_busy(template: str, request: Any, reply: Any) -> None:
        """Its first query is answered when the four others have given up."""
        if request.path == "/crm/v8/coql":
            ready.wait(WAIT_S)
            until = time.monotonic() + WAIT_S / 3
            while sum(p.poll() is None for p in processes) > 1 and time.monotonic() < until:
                time.sleep(0.05)

    stage.crm.server.listeners.append(keep_the_first_busy)
    processes += [start(stage) for _ in range(5)]
    ready.set()
    told = [process.communicate(timeout=WAIT_S) for process in processes]
    codes = [process.returncode for process in processes]
    tally("runs at once", len(codes))
    assert sorted(codes) == [0, 1, 1, 1, 1], told
    assert sum("is being worked on by" in err for _, err in told) == 4
    assert len(stage.books.records("Contacts")) == 10
    stage.crm.server.listeners.clear()
    stage.assert_idle()


def edits(stage: Stage, turn: int) -> None:
    """The same at both stages: new companies at both ends, and edits of different fields of the same."""
    chance = random.Random(turn)
    for number in range(3):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Left {turn} {number}"})
        stage.books.act("create", "Contacts", None, {"Name": f"Right {turn} {number}"})
    left = {r["Account_Name"]: r["id"] for r in stage.crm.records("Accounts") if r["Account_Name"][0] == "L"}
    right = {r["Name"]: r["ContactID"] for r in stage.books.records("Contacts") if r["Name"][0] == "R"}
    for name in chance.sample(sorted(left), 3):
        stage.crm.act("update", "Accounts", left[name], {"Phone": f"555 {turn}"})
    for name in chance.sample(sorted(right), 3):
        stage.books.act("update", "Contacts", right[name], {"TaxNumber": f"T{turn}"})


def content(stage: Stage) -> tuple[list[Any], list[Any]]:
    crm = [(r["Account_Name"], r["Phone"], r["Tax_Number"]) for r in stage.crm.records("Accounts")]
    books = [
        (
            r["Name"],
            r.get("TaxNumber"),
            next(p["PhoneNumber"] for p in r["Phones"] if p["PhoneType"] == "DEFAULT"),
        )
        for r in stage.books.records("Contacts")
    ]
    return sorted(crm, key=str), sorted(books, key=str)


def test_ended_at_random_points(stages: Callable[..., Stage], tally: Tally) -> None:
    """SIGKILL and SIGTERM by turns, at a request of the pass's; at the end both stages hold the same."""
    spec = example_with(BY_NAME_ALONE)
    calm, rough = stages(spec=spec), stages(spec=spec)
    chance = random.Random("signals")
    ended = 0
    for turn in range(effort(2, 200)):
        for stage in (calm, rough):
            edits(stage, turn)
        calm.sync(code=None)
        how = signal.SIGKILL if turn % 2 else signal.SIGTERM
        left = chance.randrange(1, 14)
        process = start(rough)

        def end(template: str, request: Any, reply: Any, process: Any = process, how: int = how) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(process.pid, how)

        for system in rough.systems.values():
            system.server.listeners.append(end)
        process.communicate(timeout=WAIT_S)
        for system in rough.systems.values():
            system.server.listeners.clear()
        ended += process.returncode != 0
        tally("passes ended by a signal", int(left <= 0))
    assert ended > 0
    for _ in range(2):
        rough.sync(code=None)
        calm.sync(code=None)
    assert content(rough) == content(calm)
    rough.assert_idle()
