"""Counts of what was tried: kill points, histories, faults, hostile inputs; told at the end of a run.

They travel as properties of the tests' reports, so that they arrive from other processes as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

Tally = Callable[..., None]
_MARK = "tried"
_tried: Counter[str] = Counter()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """``tally("kill points")`` or ``tally("kill points", 12)``: so many were tried by this test."""

    def count(what: str, number: int = 1) -> None:
        request.node.user_properties.append((_MARK, (what, number)))

    return count


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        for name, value in report.user_properties:
            if name == _MARK and isinstance(value, (tuple, list)):
                what, number = value
                _tried[str(what)] += int(number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _tried:
        terminalreporter.section("tried")
        for what, number in sorted(_tried.items()):
            terminalreporter.write_line(f"{number:7} {what}")
