"""The tables of benchmarks/README.md, made of the figures in benchmarks/results and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from measure import RESULTS, ROOT, median

README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- figures of {} -->\n", "<!-- end of figures -->"
Figures = Mapping[str, Any]
All = Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the goals. ``of``: the figure, smaller being better; ``unit``: after each number."""

    what: str
    name: str
    of: Callable[[Figures], float]
    goal: float | None = None
    must: float | None = None
    unit: str = "x"


def pairs(of: str, to: str) -> Callable[[Figures], float]:
    """CPU seconds of the one to those of the other, pair by pair; their median."""
    return lambda figures: median(_ratios(figures, of, to))


def _ratios(figures: Figures, of: str, to: str) -> list[float]:
    left, right = figures["runs"][of]["cpu_s"], figures["runs"][to]["cpu_s"]
    return [a / b for a, b in zip(left, right, strict=True)]


def _growth(figures: Figures) -> float:
    """Cost of the larger size to the smaller's, each less that of a pass over one record, round by round."""
    runs = figures["runs"]
    start, small, large = (runs[str(size)]["cpu_s"] for size in figures["sizes"])
    return median([(c - a) / (b - a) for a, b, c in zip(start, small, large, strict=True)])


def _memory(figures: Figures) -> float:
    small, large = (figures["runs"][str(size)]["peak_mib"] for size in figures["sizes"])
    return median(large) / median(small)


def _mapping(figures: Figures) -> float:
    times = figures["microseconds a record"]
    return median([a / b for a, b in zip(times["engine"], times["plain Python"], strict=True)])


def _surplus(quiet: bool) -> Callable[[Figures], float]:
    """Calls beyond the fewest, either way, over all passes of that kind."""

    def of(figures: Figures) -> float:
        rows = [row for row in figures["rows"] if (row["pass"] == "nothing changed") is quiet]
        return sum(abs(row[kind] - row[f"fewest_{kind}"]) for row in rows for kind in ("read", "write"))

    return of


def _cpu(name: str) -> Callable[[Figures], float]:
    return lambda figures: median(figures["runs"][name]["cpu_s"])


GOALS = (
    Goal("first pass of 100k / by hand", "first", pairs("engine", "by hand"), 1.5, 2),
    Goal("first pass of 100k / dlt to files", "first", pairs("engine", "dlt to files"), 0.33, 0.5),
    Goal("the same / dlt to files, tuned by hand", "first", pairs("engine", "dlt to files, tuned")),
    Goal("first pass of 100k / bare client", "first", pairs("engine", "bare client"), 5, 7),
    Goal("first pass of 20k into empty books / by hand", "creating", pairs("engine", "by hand")),
    Goal(
        "100k read again, nothing changed / dlt only reading",
        "reread",
        pairs("engine", "dlt, reading"),
        1,
        1.2,
    ),
    Goal("peak memory at 1M / at 10k", "memory", _memory, 1.05, 1.15),
    Goal("cost at 100k / at 10k, start-up taken out", "scale", _growth, 10.5, 11),
    Goal("calls too many or too few, all passes that have work", "calls", _surplus(False), 0, 0, ""),
    Goal("the same, passes with nothing changed", "calls", _surplus(True), 0, 0, ""),
    Goal("process with nothing changed / Singer tap", "quiet", pairs("engine", "Singer tap"), 1),
    Goal("process with nothing changed / dlt to files", "quiet", pairs("engine", "dlt to files"), None, 0.5),
    Goal("mapping alone, 12 fields / plain Python", "mapping", _mapping, 6, 10),
    Goal("200 specs every 3 minutes: passes that were late", "many", lambda f: f["late"], 0, 0, ""),
    Goal("the same: cores used", "many", lambda f: f["cores"], 0.5, 1, ""),
    Goal("validate a spec of 558 lines", "commands", _cpu("validate 558 lines"), 0.5, 1, " s"),
    Goal("validate 200 specs in one call", "commands", _cpu("validate 200 specs"), 3, 6, " s"),
    Goal("--help", "commands", _cpu("--help"), 0.3, 0.5, " s"),
)


# --- tables --------------------------------------------------------------------------------------


def goals_table(figures: All) -> str:
    rows = []
    for goal in GOALS:
        if goal.name not in figures:
            continue
        value = goal.of(figures[goal.name])
        cells = [
            goal.what,
            f"{value:.3g}{goal.unit}",
            _bound(goal.goal, goal.unit),
            _bound(goal.must, goal.unit),
        ]
        rows.append([*cells, _verdict(goal, value), f"`{goal.name}`"])
    return _table(["what", "measured", "goal", "must", "so", "benchmark"], rows)


def _bound(bound: float | None, unit: str) -> str:
    return "" if bound is None else f"{bound:g}{unit}"


def _verdict(goal: Goal, value: float) -> str:
    if goal.goal is not None and value <= goal.goal:
        return "met"
    if goal.must is not None:
        return "within the must" if value <= goal.must else "**missed**"
    return "" if goal.goal is None else "**missed**"


def table_of(figures: Figures) -> str:
    """The figures of one benchmark as a table in Markdown."""
    match figures["benchmark"]:
        case "calls":
            return _calls_table(figures)
        case "many":
            kept = ("passes", "late", "latest_s", "longest_pass_s", "cpu_s", "wall_s", "cores", "peak_mib")
            return _table(kept, [[str(figures[name]) for name in kept]])
        case "mapping":
            rows = [[name, _spread(times)] for name, times in figures["microseconds a record"].items()]
            return _table(["", "µs a record: median (least to most)"], rows)
        case "scale" | "memory":
            return _runs_table(figures, "records a side", lambda name: int(name))
        case "commands":
            return _runs_table(figures, "", None)
        case _:
            return _runs_table(figures, "", lambda name: figures["size"])


def _runs_table(figures: Figures, first: str, size: Callable[[str], int] | None) -> str:
    head = [first, "CPU s: median (least to most)", "wall s", "peak MiB"]
    head[2:2] = ["CPU µs a pair"] if size else []
    with_engine = "engine" in figures["runs"]
    rows = []
    for name, used in figures["runs"].items():
        cells = [_grouped(name), _spread(used["cpu_s"]), f"{median(used['wall_s']):.2f}"]
        cells.append(f"{median(used['peak_mib']):.0f}")
        cells[2:2] = [f"{median(used['cpu_s']) * 1e6 / size(name):.0f}"] if size else []
        if with_engine:
            cells.append("" if name == "engine" else _spread(_ratios(figures, "engine", name)))
        rows.append(cells)
    return _table([*head, *(["engine / it, pair by pair"] if with_engine else [])], rows)


def _calls_table(figures: Figures) -> str:
    head = ["at", "records a side", "pass", "side", "reads / fewest", "writes / fewest"]
    rows = [
        [
            *(row["at"], f"{row['records']:,}", row["pass"], row["side"]),
            *(f"{row[kind]} / {row[f'fewest_{kind}']}" for kind in ("read", "write")),
        ]
        for row in figures["rows"]
    ]
    return _table(head, rows)


def _grouped(name: str) -> str:
    return f"{int(name):,}" if name.isdigit() else name


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    left = {"", "at", "pass", "side", "what", "so", "benchmark"}
    rule = [":---" if title in left else "---:" for title in head]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


# --- the page ------------------------------------------------------------------------------------


def load() -> dict[str, Figures]:
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))
    }


def page(text: str, figures: All) -> str:
    """The page with every table between its marks made anew."""
    for name in ("goals", *figures):
        begin = BEGIN.format(name)
        before, found, after = text.partition(begin)
        if found:
            table = goals_table(figures) if name == "goals" else _with_origin(figures[name])
            text = f"{before}{begin}\n{table}\n\n{END}{after.partition(END)[2]}"
    return text


def _with_origin(figures: Figures) -> str:
    machine = figures["machine"]
    about = [f"`python3 dev.py bench {figures['benchmark']}`"]
    about += [f"{figures['size']:,} records on each side"] if "size" in figures else []
    about += [f"rounds: {len(next(iter(figures['runs'].values()))['cpu_s'])}"] if "runs" in figures else []
    about += [f"{figures['at'][:16].replace('T', ' ')} UTC, commit {figures['commit']}"]
    about += [
        f"Python {machine['python']}, {machine['system']}, {machine['cores']} cores, {machine['processor']}"
    ]
    about += [", ".join(f"{n} {v}" for n, v in figures["peers"].items())] if "peers" in figures else []
    return f"{'; '.join(about)}\n\n{table_of(figures)}"


def write() -> None:
    README.write_text(page(README.read_text(encoding="utf-8"), load()), encoding="utf-8")
