"""A first pass, and a full read again of what has not changed: the engine beside the same job by hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import peers
from engine import forget_cursors, prepare
from job import HERE, SYNCLINE, Stage, control, environment, stage
from measure import Command, figures, in_turn, told


def engine(at: Stage, kind: str) -> Command:
    """``syncline sync`` as a process.

    ``kind``: ``creating`` (the books are empty), ``reread`` (nothing has changed, and the cursors are
    forgotten), ``quiet`` (nothing has changed), else a first pass over both ends.
    """
    folder = at.folder / f"engine-{kind}"
    folder.mkdir()
    spec, state = prepare(folder, at.url, books="empty" if kind == "creating" else "books")
    words: list[str | Path] = [SYNCLINE, "sync", spec, "--state", state, "--json"]
    if kind in ("reread", "quiet"):
        Command("engine", words, environment()).run()
        forget = forget_cursors if kind == "reread" else _keep
        return Command("engine", words, environment(), before=lambda: forget(state), check=_unchanged)
    connected = folder / "connected"
    _checkpoint(state)
    shutil.copyfile(state, connected)

    def before() -> None:
        _forget(state)
        shutil.copyfile(connected, state)
        control(at.url, "DELETE", "records")

    def check(out: str) -> None:
        module = json.loads(out)["modules"]["accounts"]
        done = module["created"]["books"] if kind == "creating" else module["linked"]
        assert done == at.size, out
        assert not sum(module["updated"].values()), out

    return Command("engine", words, environment(), before, check)


def by_hand(at: Stage, kind: str) -> Command:
    state = at.folder / f"by-hand-{kind}.db"
    books = f"{at.url}/empty" if kind == "creating" else at.books
    words: list[str | Path] = [sys.executable, HERE / "by_hand.py", at.crm, books, state]
    if kind in ("reread", "quiet"):
        Command("by hand", words, environment()).run()

    def before() -> None:
        if kind == "reread":
            forget_cursors(state)
        elif kind != "quiet":
            _forget(state)
            control(at.url, "DELETE", "records")

    def check(out: str) -> None:
        assert json.loads(out) == {"linked": at.size, "waiting": 0}, out

    return Command("by hand", words, environment(), before, check)


def bare(at: Stage, kind: str) -> Command:
    urls = [f"{at.crm}/accounts", f"{at.books}/customers"][: 1 if kind == "creating" else 2]

    def check(out: str) -> None:
        assert json.loads(out)["records"] == at.size * len(urls), out

    return Command("bare client", [sys.executable, HERE / "bare.py", *urls], environment(), check=check)


def _unchanged(out: str) -> None:
    module = json.loads(out)["modules"]["accounts"]
    assert module["unchanged"] == sum(module["read"].values()), out


def _keep(state: Path) -> None:
    """Nothing is forgotten."""


def _checkpoint(state: Path) -> None:
    """Bring everything into the one file."""
    with sqlite3.connect(state) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _forget(state: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{state}{ending}").unlink(missing_ok=True)


OURS = (engine, by_hand, bare)
#: What is run in turn. All that stand together do the same job, or the part of it that the tool can do.
KINDS: dict[str, Sequence[Callable[[Stage, str], Command]]] = {
    "first": (*OURS, peers.dlt_to_files, peers.dlt_tuned),
    "creating": OURS,
    "reread": (*OURS, peers.dlt_reading),
    "reading": (bare, peers.dlt_reading, peers.airbyte_reading, peers.singer_reading),
    "loading": (*OURS, peers.dlt_to_files, peers.dlt_tuned, peers.dlt_to_sqlite, peers.singer_to_files),
    "quiet": (engine, by_hand, peers.singer_again, peers.dlt_again),
}


def measure(kind: str, size: int, rounds: int) -> dict[str, Any]:
    with stage(size) as at:
        runs = in_turn([make(at, kind) for make in KINDS[kind]], rounds)
    return figures(kind, {"size": size, "peers": peers.versions(), "runs": told(runs)})
