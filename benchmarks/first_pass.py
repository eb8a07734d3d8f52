"""A first pass, and a full read again of what has not changed: the engine beside the same job by hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import forget_cursors, prepare
from job import HERE, SYNCLINE, control, environment, load_server
from measure import Command, Usage, in_turn, save, told


@dataclass(frozen=True, slots=True)
class Stage:
    """A load server with a folder for what its clients remember."""

    url: str
    folder: Path
    size: int

    def script(self, name: str, *words: str) -> list[str | Path]:
        return [sys.executable, HERE / name, *words]


def engine(stage: Stage, kind: str) -> Command:
    """``syncline sync`` as a process.

    ``kind``: ``first`` (both ends hold all records), ``creating`` (the books are empty), ``reread`` (nothing
    has changed, and the cursors are forgotten).
    """
    folder = stage.folder / f"engine-{kind}"
    folder.mkdir()
    spec, state = prepare(folder, stage.url, books="empty" if kind == "creating" else "books")
    words: list[str | Path] = [SYNCLINE, "sync", spec, "--state", state, "--json"]
    command = Command("engine", words, environment())
    if kind == "reread":
        command.run()
        return Command("engine", words, environment(), before=lambda: forget_cursors(state), check=_unchanged)
    connected = folder / "connected"
    _checkpoint(state)
    shutil.copyfile(state, connected)

    def before() -> None:
        _forget(state)
        shutil.copyfile(connected, state)
        control(stage.url, "DELETE", "records")

    def check(out: str) -> None:
        module = json.loads(out)["modules"]["accounts"]
        done = module["created"]["books"] if kind == "creating" else module["linked"]
        assert done == stage.size, out
        assert not sum(module["updated"].values()), out

    return Command("engine", words, environment(), before, check)


def by_hand(stage: Stage, kind: str) -> Command:
    state = stage.folder / f"by-hand-{kind}.db"
    books = "empty" if kind == "creating" else "books"
    words = stage.script("by_hand.py", f"{stage.url}/crm", f"{stage.url}/{books}", str(state))

    def before() -> None:
        if kind == "reread":
            with sqlite3.connect(state) as db:
                db.execute("DELETE FROM cursor")
            db.close()
        else:
            _forget(state)
            control(stage.url, "DELETE", "records")

    def check(out: str) -> None:
        assert json.loads(out) == {"linked": stage.size, "waiting": 0}, out

    command = Command("by hand", words, environment(), before, check)
    if kind == "reread":
        Command("by hand", words, environment()).run()
    return command


def bare(stage: Stage, kind: str) -> Command:
    urls = [f"{stage.url}/crm/accounts", f"{stage.url}/books/customers"][: 1 if kind == "creating" else 2]

    def check(out: str) -> None:
        assert json.loads(out)["records"] == stage.size * len(urls), out

    return Command("bare client", stage.script("bare.py", *urls), environment(), check=check)


def _unchanged(out: str) -> None:
    module = json.loads(out)["modules"]["accounts"]
    assert module["unchanged"] == sum(module["read"].values()) > 0, out


def _checkpoint(state: Path) -> None:
    """Bring everything into the one file."""
    with sqlite3.connect(state) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _forget(state: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{state}{ending}").unlink(missing_ok=True)


Maker = Callable[[Stage, str], Command]
KINDS: dict[str, Sequence[Maker]] = {
    "first": (engine, by_hand, bare),
    "reread": (engine, by_hand, bare),
    "creating": (engine, by_hand, bare),
}


def measure(size: int, rounds: int, kinds: Sequence[str] = tuple(KINDS)) -> None:
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name, load_server(size) as url:
            stage = Stage(url, Path(name), size)
            runs: dict[str, list[Usage]] = in_turn([make(stage, kind) for make in KINDS[kind]], rounds)
        save(f"{kind}-{size}", {"size": size, "rounds": rounds, "runs": told(runs)})
