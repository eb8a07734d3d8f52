"""Transforms that mean harm, and records that mean harm to innocent transforms: no escape, no hang, no flood.

They come in as a client's do, by a spec that is validated and a record that is carried over by its maps, all
in one process that is bounded itself: see :mod:`tests.security.trying`. The corpus is ``expressions.json``;
that of `tests/unit/mapping/hostile.py` tries the evaluator alone, with time and memory of each measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.security.trying import CORPUS
from tests.support.tally import Tally

from syncline.mapping.filters import MAX_TEXT

TEMPLATES: dict[str, Any] = json.loads(CORPUS.read_text(encoding="utf-8"))
#: What nothing that was carried over may show: Python's own objects, and files of the machine.
LEAKS = (
    "<class",
    "<function",
    "<built-in",
    "<module",
    " object at 0x",
    "<bound",
    "root:",
    "uid=",
    "Undefined",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What came of each, by name; the process that tried them must have lived to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.trying", str(tmp_path_factory.mktemp("trying"))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("name"): line for line in lines}


def test_every_hostile_template_is_refused_or_fails_alone(
    told: dict[str, dict[str, Any]], tally: Tally
) -> None:
    names = set(TEMPLATES["templates"]) - {"__comment"}
    assert len(names) > 150
    tally("hostile inputs", len(names))
    assert names <= told.keys()
    gave = {name for name in names if "value" in told[name]}
    # One of the harmless may run out of its second on a machine that is busy; none other may give anything.
    assert gave <= set(TEMPLATES["harmless"]), gave - set(TEMPLATES["harmless"])
    assert len(gave) > 10
    assert all(told[name].get("refused") or told[name].get("fault") for name in names - gave)


def test_whatever_an_expression_gives_is_small_and_no_secret_of_the_machine(
    told: dict[str, dict[str, Any]], tally: Tally
) -> None:
    hostile = {name: one for name, one in told.items() if name not in TEMPLATES["templates"]}
    assert len(hostile) > 350
    tally("hostile inputs", len(hostile))
    for name, one in told.items():
        assert one.get("size", 0) <= MAX_TEXT, name
        shown = f"{one.get('value', '')} {one.get('fault', '')} {one.get('refused', '')}"
        assert [leak for leak in LEAKS if leak in shown] == [], (name, shown)
        assert len(one.get("fault", "")) < 500, name


def test_the_innocent_map_beside_it_always_gives_its_value(told: dict[str, dict[str, Any]]) -> None:
    """All transforms of a record are evaluated together: one that means harm spoils no other."""
    assert {one["beside"] for one in told.values() if "refused" not in one} == {"fine!"}
