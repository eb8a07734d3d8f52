"""What a first pass costs as the records grow: processor time with start-up taken out, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from first_pass import engine
from job import stage
from measure import figures, in_turn, told


def measure(name: str, sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """``name``: of the benchmark; ``sizes``: records on each side, the largest last."""
    with ExitStack() as stack:
        passes = [engine(stack.enter_context(stage(size)), "first") for size in sizes]
        named = [replace(command, name=str(size)) for command, size in zip(passes, sizes, strict=True)]
        runs = in_turn(named, rounds)
    return figures(name, {"sizes": list(sizes), "runs": told(runs)})
