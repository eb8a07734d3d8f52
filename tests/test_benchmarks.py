"""The benchmarks still do their job, and their page says what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("empty", [False, True], ids=["both-ends-full", "everything-created"])
def test_the_engine_does_the_job_that_is_measured(empty: bool) -> None:
    words = [sys.executable, HERE / "engine.py", "--size", "30", "--again", "full", "--again", "quiet"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    done = subprocess.run(
        [*words, *(["--empty"] if empty else [])], capture_output=True, text=True, env=kept, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, again, quiet = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert (first["linked"], first["created"]["books"]) == ((0, 30) if empty else (30, 0))
    assert again["read"] == {"crm": 30, "books": 30}
    assert again["unchanged"] == 60
    assert (quiet["status"], sum(quiet["read"].values())) == ("done", 0)


def test_the_page_is_made_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    import report

    text = report.README.read_text(encoding="utf-8")
    assert report.page(text, report.load()) == text, "run: python3 dev.py bench report"
