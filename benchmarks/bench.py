"""``python3 dev.py bench NAME``: every benchmark is one command.

Its figures go into benchmarks/results/NAME.json, and from there into the tables of benchmarks/README.md, as
``bench report`` writes them. ``--quick`` lowers sizes and rounds, and keeps its figures to itself.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import calls
import commands
import first_pass
import many_specs
import mapping
import report
import scale
from measure import QUICK, RESULTS, say

Figures = dict[str, Any]


def _passes(kind: str, size: int) -> Callable[[bool, int], Figures]:
    return lambda quick, rounds: first_pass.measure(kind, size // 50 if quick else size, rounds)


def _scale(quick: bool, rounds: int) -> Figures:
    return scale.measure("scale", (1, 500, 5_000) if quick else (1, 10_000, 100_000), rounds)


def _memory(quick: bool, rounds: int) -> Figures:
    """In one round: the largest takes minutes, and the peak hardly differs from run to run."""
    return scale.measure("memory", (1_000, 20_000) if quick else (10_000, 1_000_000), 1)


def _calls(quick: bool, rounds: int) -> Figures:
    return (
        calls.measure([2_500], [500]) if quick else calls.measure([1, 1_000, 10_500, 100_000], [500, 10_000])
    )


def _many(quick: bool, rounds: int) -> Figures:
    return many_specs.measure(20, 3, 18, 2, 50, 100) if quick else many_specs.measure(200, 3, 180, 2, 50, 100)


#: By name: from whether it is a quick look, and the rounds, to the figures.
BENCHMARKS: dict[str, Callable[[bool, int], Figures]] = {
    "first": _passes("first", 100_000),
    "creating": _passes("creating", 20_000),
    "reread": _passes("reread", 100_000),
    "loading": _passes("loading", 10_000),
    "reading": _passes("reading", 10_000),
    "quiet": _passes("quiet", 10_000),
    "scale": _scale,
    "memory": _memory,
    "mapping": lambda quick, rounds: mapping.measure(rounds),
    "calls": _calls,
    "many": _many,
    "commands": lambda quick, rounds: commands.measure(rounds),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("name", nargs="+", choices=[*BENCHMARKS, "all", "report"])
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds, nothing kept")
    parser.add_argument("--rounds", type=int, help="how often each command is run (default: 5)")
    chosen = parser.parse_args(argv)
    if not hasattr(os, "posix_spawn"):
        raise SystemExit("processor time and peak memory of a process cannot be measured on this system")
    results = QUICK if chosen.quick else RESULTS
    results.mkdir(parents=True, exist_ok=True)
    for name in BENCHMARKS if "all" in chosen.name else chosen.name:
        if name != "report":
            say(f"{name} ...")
            figures = BENCHMARKS[name](chosen.quick, chosen.rounds or (2 if chosen.quick else 5))
            text = json.dumps(figures, indent=1) + "\n"
            (results / f"{name}.json").write_text(text, encoding="utf-8")
            print(report.table_of(figures))
    if not chosen.quick:
        report.write()


if __name__ == "__main__":
    main()
