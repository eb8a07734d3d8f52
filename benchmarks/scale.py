"""What a first pass costs as the records grow: processor time with start-up taken out, and memory."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from first_pass import engine
from job import stage
from measure import figures, in_turn, told


def measure(rounds: int, small: int, large: int, largest: int) -> dict[str, Any]:
    """``largest``: run once, for its memory alone; 0 for not at all."""
    with ExitStack() as stack:
        sizes = (1, small, large)
        commands = [
            replace(engine(stack.enter_context(stage(size)), "first"), name=f"{size}") for size in sizes
        ]
        runs = in_turn(commands, rounds)
    if largest:
        with stage(largest) as at:
            runs |= in_turn([replace(engine(at, "first"), name=f"{largest}")], 1)
    return figures("scale", {"sizes": [*sizes, largest], "rounds": rounds, "runs": told(runs)})
