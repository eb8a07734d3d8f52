"""``python3 dev.py bench NAME``: the benchmarks, each one command.

Figures go into benchmarks/results/NAME.json, and from there into the tables of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence

import first_pass
from measure import RESULTS


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("name", choices=["mapping", *first_pass.KINDS])
    parser.add_argument("--size", type=int, help="records on each side")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    chosen = parser.parse_args(argv)
    if not hasattr(os, "posix_spawn"):
        raise SystemExit("processor time and peak memory of a process cannot be measured on this system")
    if chosen.name == "mapping":
        import mapping

        mapping.measure(chosen.rounds)
        print((RESULTS / "mapping.json").read_text())
    else:
        first_pass.measure(chosen.name, chosen.size or 100_000, chosen.rounds)
        print(json.loads((RESULTS / f"{chosen.name}.json").read_text()))


if __name__ == "__main__":
    main()
