"""The corpus of broken specs: each says at its end what must be found in it, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_up import CONNECTORS

from syncline.cli.validate import Plugged, validate_files
from syncline.spec import Severity

BROKEN = Path(__file__).parents[2] / "specs" / "broken"
_EXPECT = re.compile(r"^# expect (\d+):(\d+) ([a-z-]+)$", re.MULTILINE)


def test_the_corpus_is_there() -> None:
    assert len(list(BROKEN.glob("*.yaml"))) >= 100


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_problem_is_found_at_its_place_and_no_other(file: Path) -> None:
    expected = [
        (int(line), int(column), code) for line, column, code in _EXPECT.findall(file.read_text("utf-8"))
    ]
    assert expected, "the file says nothing of what must be found"

    result = validate_files([str(file)], Plugged(connectors=CONNECTORS), environ={})

    # A name that CI has no value for is noted in nearly every file; any other note counts.
    told = [p for p in result.problems if (p.severity, p.code) != (Severity.NOTE, "env-unset")]
    assert [(p.place.line, p.place.column, p.code) for p in told] == expected
    assert all(p.place.file == str(file) for p in told)
    assert all(p.message and not p.message.endswith(".") for p in told)
