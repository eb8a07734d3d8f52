"""Pitfall 18, the refresh-token race: however many processes find a token expired, one renews it for all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.stage import Stage
from tests.support.tally import Tally

PROCESSES = 8
#: One connection in use by a process of its own: it answers each line with what came of a call.
WORKER = """
import os, sys
from pathlib import Path
from syncline.run.workspace import Workspace

with Workspace(Path(sys.argv[1]), None, os.environ) as work:
    live = work.live("books")
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            live.session.check()
            print("ok", flush=True)
        except Exception as error:
            print(type(error).__name__, " ".join(str(error).split()), flush=True)
"""
TOKEN = ("POST", "/connect/token")


def worker(stage: Stage) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(stage.spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=stage.environ(),
    )


def ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def expire(stage: Stage) -> None:
    stage.books.sandbox.clock.advance(31 * 60)


def test_eight_processes_and_many_expiries(stage: Stage, tally: Tally) -> None:
    """Refresh tokens are used up at once: a second use of one would end the connection."""
    stage.books.sandbox.switches["refresh_grace"] = False
    processes = [worker(stage) for _ in range(PROCESSES)]
    try:
        assert [hear(process) for process in processes] == ["ready"] * PROCESSES
        for _ in range(effort(4, 50)):
            tally("token expiries")
            expire(stage)
            stage.forget_requests()
            for process in processes:
                ask(process)
            assert [hear(process) for process in processes] == ["ok"] * PROCESSES
            assert stage.books.requests()[TOKEN] == 1
    finally:
        for process in processes:
            process.communicate()
    assert stage.sync()["problems"] == {}


@pytest.mark.parametrize("grace", [True, False], ids=["with grace", "without grace"])
def test_killed_between_the_answer_and_its_saving(stage: Stage, grace: bool, tally: Tally) -> None:
    """With a remote that lets the old token live on for a while: recovered. Else: one clear message, once."""
    tally("token expiries")
    stage.sync()
    stage.books.sandbox.switches["refresh_grace"] = grace
    process = worker(stage)
    assert hear(process) == "ready"
    expire(stage)

    def kill(template: str, request: Any, reply: Any) -> None:
        if template == TOKEN[1] and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    stage.books.server.listeners.append(kill)
    ask(process)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    stage.books.server.listeners.clear()
    if grace:
        assert stage.sync()["problems"] == {}
        return
    stage.forget_requests()
    for turn in range(3):
        done = stage.run("sync")
        assert done.code == 1
        assert "books no longer accepts the saved sign-in (invalid_grant)" in done.err
        assert "syncline connect" in done.err
        assert stage.books.requests().get(TOKEN, 0) <= 1, f"asked again at turn {turn}"
    stage.connect()
    assert stage.sync()["problems"] == {}
    assert stage.sync()["status"] == "done"
