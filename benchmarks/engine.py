"""The engine at the job: ``syncline sync`` in this very process, for a profiler or a quick look.

``python benchmarks/engine.py --size 20000 [--empty] [--again full|quiet]``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from job import LOAD, connect, load_server, spec_text


def prepare(folder: Path, url: str, *, books: str = "books", modules: int = 1) -> tuple[Path, Path]:
    """A spec and a connected state in a folder."""
    spec, state = folder / "job.yaml", folder / "state.db"
    spec.write_text(spec_text("job", f"{url}/crm", f"{url}/{books}", modules), encoding="utf-8")
    connect(spec, state)
    return spec, state


def forget_cursors(state: Path) -> None:
    """Let the next pass read everything again."""
    with sqlite3.connect(state) as db:
        db.execute("DELETE FROM cursor")
    db.close()


def run(spec: Path, state: Path) -> dict[str, Any]:
    """One pass in this process."""
    from syncline.run.sync import sync
    from syncline.run.workspace import Workspace

    with Workspace(spec, str(state), os.environ) as work:
        return sync(work, lambda _: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--size", type=int, default=20_000, help="records on each side (default: 20000)")
    parser.add_argument("--empty", action="store_true", help="the books are empty: everything is created")
    parser.add_argument("--again", choices=["full", "quiet"], action="append", default=[], help="then again")
    chosen = parser.parse_args()
    sys.path.insert(0, str(LOAD))
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name, load_server(chosen.size) as url:
        spec, state = prepare(Path(name), url, books="empty" if chosen.empty else "books")
        for kind in ("first", *chosen.again):
            if kind == "full":
                forget_cursors(state)
            cpu, wall = time.process_time(), time.monotonic()
            told = run(spec, state)
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            each = cpu * 1e6 / chosen.size
            print(f"{kind}: {cpu:.2f} s CPU, {wall:.2f} s, {each:.0f} µs a pair, peak {peak:.0f} MiB")
            print(json.dumps({"status": told["status"], **told["modules"]["accounts"], **told["problems"]}))


if __name__ == "__main__":
    main()
