"""Processes measured as the operating system saw them, one after another, and compared pair by pair."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: The figures of README.md; those of a quick look are not kept among them.
RESULTS = ROOT / "benchmarks" / "results"
QUICK = ROOT / ".bench" / "results"

#: Runs a command and writes down what it and its children used. A process of its own, because the peak memory
#: that the system tells of a child is never less than what its parent had when it was started.
_LAUNCH = """
import json, os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """One run. ``cpu_s``: user and system time of the process and its children; ``peak_mib``: of the largest
    single process; ``out``: what it printed."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    out: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Command:
    """What is measured. ``before`` makes ready for each run; its cost is not counted. ``check`` is given what
    the run printed, and raises when it did not do the job."""

    name: str
    words: Sequence[str | Path]
    environ: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    check: Callable[[str], None] = lambda out: None

    def run(self) -> Usage:
        self.before()
        with tempfile.TemporaryDirectory(prefix="syncline-bench-") as folder:
            told = Path(folder) / "usage.json"
            launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, told, *self.words]
            started = time.monotonic()
            done = subprocess.run(launch, capture_output=True, text=True, env=dict(self.environ), cwd=folder)
            wall_s = time.monotonic() - started
            if done.returncode:
                raise SystemExit(f"{self.name} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
            cpu_s, peak = json.loads(told.read_text(encoding="utf-8"))
        self.check(done.stdout)
        # Linux tells kibibytes, macOS bytes.
        peak_mib = peak / (1024 if sys.platform != "darwin" else 1024 * 1024)
        return Usage(round(cpu_s, 3), round(wall_s, 3), round(peak_mib, 1), done.stdout)


def in_turn(commands: Sequence[Command], rounds: int) -> dict[str, list[Usage]]:
    """Every command in turn, A B C A B C ...; Ctrl-C ends it after the round that is whole."""
    runs: dict[str, list[Usage]] = {command.name: [] for command in commands}
    try:
        _rounds(commands, rounds, runs)
    except KeyboardInterrupt:
        whole = min(len(used) for used in runs.values())
        if not whole:
            raise
        return {name: used[:whole] for name, used in runs.items()}
    return runs


def _rounds(commands: Sequence[Command], rounds: int, runs: Mapping[str, list[Usage]]) -> None:
    for number in range(rounds):
        for command in commands:
            used = command.run()
            runs[command.name].append(used)
            say(f"  {number + 1}/{rounds} {command.name}: {used.cpu_s:.2f} s CPU, {used.peak_mib:.0f} MiB")


def ratios(of: Sequence[Usage], to: Sequence[Usage]) -> list[float]:
    """CPU seconds of the one to those of the other, pair by pair."""
    return [round(a.cpu_s / b.cpu_s, 3) for a, b in zip(of, to, strict=True)]


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 3)


def told(runs: Mapping[str, Sequence[Usage]]) -> dict[str, Any]:
    """The runs as they are written down."""
    return {
        name: {
            "cpu_s": [used.cpu_s for used in all_],
            "wall_s": [used.wall_s for used in all_],
            "peak_mib": [used.peak_mib for used in all_],
        }
        for name, all_ in runs.items()
    }


def figures(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one benchmark, with when, what and where they were measured."""
    about = {"benchmark": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit()}
    return {**about, "machine": machine(), **content}


def machine() -> dict[str, Any]:
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "processor": model,
    }


def _commit() -> str:
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
