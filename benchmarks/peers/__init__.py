"""The tools that a user might pick instead, each in an environment of its own below ``.bench/``.

An environment is made when it is first needed, from the pins beside this file, and anew when they change.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from job import Stage
from measure import ROOT, Command, say

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".bench" / "peers"
CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment."""
    pins = HERE / f"{peer}.txt"
    home = ENVIRONMENTS / peer
    stamp = home / "pins.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins.read_text(encoding="utf-8"):
        say(f"making an environment for {peer} ...")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", pins], check=True)
        shutil.copyfile(pins, stamp)
    return home / "bin" / "python"


def versions() -> dict[str, str]:
    """The peers' own pins, by their names."""
    names = {"dlt": "dlt", "airbyte": "airbyte-cdk", "singer": "singer-sdk", "target": "target-jsonl"}
    found = {}
    for peer, name in names.items():
        pins = (HERE / f"{peer}.txt").read_text(encoding="utf-8").splitlines()
        found[name] = next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{name}=="))
    return found


# Each maker takes a stage and the name of the benchmark, and gives a command over all records of both ends.


def dlt_reading(at: Stage, kind: str) -> Command:
    return _dlt(at, "read", "dlt, reading")


def dlt_to_files(at: Stage, kind: str) -> Command:
    return _dlt(at, "files", "dlt to files")


def dlt_tuned(at: Stage, kind: str) -> Command:
    return _dlt(at, "tuned", "dlt to files, tuned")


def dlt_to_sqlite(at: Stage, kind: str) -> Command:
    return _dlt(at, "sqlite", "dlt to SQLite")


def dlt_again(at: Stage, kind: str) -> Command:
    """Loads to files what is new since its last run, which is nothing."""
    first = _dlt(at, "files", "first")
    first.run()
    return replace(first, name="dlt to files", before=lambda: None, check=_counted(0))


def _dlt(at: Stage, how: str, name: str) -> Command:
    home = at.folder / f"dlt-{how}"
    words = [python_of("dlt"), HERE / "dlt_peer.py", how, home, at.crm, at.books]

    def before() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()

    return Command(name, words, CLEAN, before, _counted(2 * at.size))


def airbyte_reading(at: Stage, kind: str) -> Command:
    words = [python_of("airbyte"), HERE / "airbyte_peer.py", at.crm, at.books]
    return Command("Airbyte CDK, reading", words, CLEAN, check=_counted(2 * at.size))


def singer_reading(at: Stage, kind: str) -> Command:
    """The tap alone, its messages to a file."""
    out = at.folder / "singer-messages"
    line = f"{_tap(at)} 2>/dev/null >{shlex.quote(str(out))}"

    def check(_: str) -> None:
        with out.open(encoding="utf-8") as file:
            assert sum('"type":"RECORD"' in row for row in file) == 2 * at.size

    return Command("Singer tap, reading", ["/bin/sh", "-c", line], CLEAN, check=check)


def singer_again(at: Stage, kind: str) -> Command:
    """The tap with the state of a run before: it finds nothing new."""
    state = at.folder / "singer-state.json"
    first = Command("first", ["/bin/sh", "-c", f"{_tap(at)} 2>/dev/null | tail -n 1"], CLEAN).run()
    state.write_text(json.dumps(json.loads(first.out)["value"]), encoding="utf-8")
    line = f"exec {_tap(at)} --state {shlex.quote(str(state))} 2>/dev/null"

    def check(out: str) -> None:
        assert "bookmarks" in out, out
        assert '"type":"RECORD"' not in out, out

    return Command("Singer tap", ["/bin/sh", "-c", line], CLEAN, check=check)


def singer_to_files(at: Stage, kind: str) -> Command:
    """The tap into a target that writes a line a record."""
    out, config = at.folder / "singer-loaded", at.folder / "singer-target.json"
    settings = {"destination_path": str(out), "do_timestamp_file": False}
    config.write_text(json.dumps(settings), encoding="utf-8")
    target = python_of("target").with_name("target-jsonl")
    line = f"{_tap(at)} 2>/dev/null | {shlex.quote(str(target))} --config {shlex.quote(str(config))}"

    def before() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def check(_: str) -> None:
        count = 0
        for file in out.iterdir():
            with file.open("rb") as lines:
                count += sum(1 for _ in lines)
        assert count == 2 * at.size, count

    return Command("Singer tap and target", ["/bin/sh", "-c", line], CLEAN, before, check)


def _tap(at: Stage) -> str:
    config = at.folder / "singer.json"
    config.write_text(json.dumps({"crm_url": at.crm, "books_url": at.books}), encoding="utf-8")
    return shlex.join([str(python_of("singer")), str(HERE / "singer_peer.py"), "--config", str(config)])


def _counted(expected: int) -> Callable[[str], None]:
    def check(out: str) -> None:
        assert json.loads(out.strip().splitlines()[-1])["records"] == expected, out[-1000:]

    return check
