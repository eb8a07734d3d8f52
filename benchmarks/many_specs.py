"""Many clients in one process: 200 specs of 3 modules, every 3 minutes, against remotes 50 ms away.

There is a loop of its own here, since it is the passes that are measured: each spec is due once an interval,
the specs one after another, and a few threads run the passes. Specs and sessions are kept open, as any
process that runs for long would do; every pass is a whole one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from job import HERE, LOAD, environment, load_server, spec_text
from measure import Command, figures, say

#: Passes at once.
THREADS = 8
#: A pass that starts so long after it was due counts as late.
LATE_S = 1.0


def measure(
    specs: int, modules: int, every_s: float, ticks: int, latency_ms: float, records: int
) -> dict[str, Any]:
    with (
        TemporaryDirectory(prefix="syncline-bench-") as name,
        load_server(records, latency_ms=latency_ms) as url,
    ):
        words = [url, name, specs, modules, every_s, ticks]
        used = Command(
            "many specs", [sys.executable, HERE / "many_specs.py", *map(str, words)], environment()
        ).run()
    told = json.loads(used.out)
    say(f"  {told}")
    about = {"specs": specs, "modules": modules, "every_s": every_s, "ticks": ticks, "latency_ms": latency_ms}
    return figures(
        "many", {**about, "records": records, "threads": THREADS, "peak_mib": used.peak_mib, **told}
    )


def run(url: str, folder: Path, specs: int, modules: int, every_s: float, ticks: int) -> dict[str, float]:
    """The process itself: connect, one pass of each spec, then so many ticks that count."""
    from syncline.connect.contract import Grant
    from syncline.run.connecting import connect_system
    from syncline.run.sync import sync
    from syncline.run.workspace import Workspace

    state = str(folder / "state.db")
    works: list[Workspace] = []
    for number in range(specs):
        file = folder / f"client-{number}.yaml"
        addresses = (f"{url}/crm{number}", f"{url}/books{number}")
        file.write_text(spec_text(f"client-{number}", *addresses, modules), encoding="utf-8")
        works.append(Workspace(file, state, os.environ))

    def connect(work: Workspace) -> None:
        for system in ("crm", "books"):
            connect_system(
                work,
                system,
                grant=Grant.CLIENT_CREDENTIALS,
                grant_token=None,
                send_to=lambda _: None,
                choose=lambda offered: offered[0],
                port=0,
            )

    bad: list[str] = []
    late: list[float] = []
    took: list[float] = []

    def one(work: Workspace, due: float | None) -> None:
        started = time.monotonic()
        outcome = sync(work, lambda _: None)
        if due is not None:
            late.append(started - due)
            took.append(time.monotonic() - started)
        if outcome["status"] != "done":
            bad.append(f"{work.file.name}: {outcome['status']} {outcome['problems']}")

    with ThreadPoolExecutor(THREADS) as pool:
        for work in works:  # one after another: a new state is made by the first
            connect(work)
        list(pool.map(lambda work: one(work, None), works))
        begun, cpu = time.monotonic(), time.process_time()
        running = []
        for tick in range(ticks):
            for number, work in enumerate(works):
                due = begun + (tick + number / specs) * every_s
                time.sleep(max(0.0, due - time.monotonic()))
                running.append(pool.submit(one, work, due))
        for each in running:
            each.result()
        time.sleep(max(0.0, begun + ticks * every_s - time.monotonic()))
        cpu, wall = time.process_time() - cpu, time.monotonic() - begun
    for work in works:
        work.__exit__()
    assert not bad, bad
    return {
        "passes": len(late),
        "late": sum(each > LATE_S for each in late),
        "latest_s": round(max(late), 3),
        "longest_pass_s": round(max(took), 3),
        "cpu_s": round(cpu, 2),
        "wall_s": round(wall, 2),
        "cores": round(cpu / wall, 3),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(LOAD))
    url, folder, *numbers = sys.argv[1:]
    specs, modules, every_s, ticks = (float(number) for number in numbers)
    print(json.dumps(run(url, Path(folder), int(specs), int(modules), every_s, int(ticks))))
