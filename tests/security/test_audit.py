"""The audit of the dependencies tells "none is known" from "could not ask", and knows licences."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("syncline_ci_audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


audit = _load()


def _package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1", **more}


def _report(*packages: dict[str, Any]) -> Any:
    return audit.read_answer({"dependencies": list(packages)})


FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["2"]}


@pytest.mark.parametrize(
    ("answer", "refused", "code", "says"),
    [
        pytest.param(_report(_package("a", vulns=[])), [], 0, "none is known in 1 packages", id="nothing"),
        pytest.param(_report(_package("a", vulns=[FOUND])), [], 1, "PYSEC-2026-1, mended in: 2", id="found"),
        pytest.param(
            _report(_package("a", skip_reason="not found")), [], 3, "COULD NOT ASK about 1 of 1", id="unknown"
        ),
        pytest.param(
            _report(_package("a", vulns=[]), _package("b", skip_reason="x")), [], 3, "1 of 2", id="half-known"
        ),
        pytest.param(
            _report(_package("a", vulns=[FOUND]), _package("b", skip_reason="x")), [], 1, "1 of 2", id="both"
        ),
        pytest.param(_report(), [], 3, "licences: all", id="empty"),
        pytest.param("no answer", [], 3, "COULD NOT ASK (no answer)", id="unreachable"),
        pytest.param("no answer", ["a: GPL"], 1, "a: GPL is not allowed", id="unreachable-and-a-licence"),
    ],
)
def test_the_verdict(answer: Any, refused: list[str], code: int, says: str) -> None:
    found, lines = audit.verdict(answer, refused)
    assert found == code
    assert says in "\n".join(lines)
    assert ("none is known" in "\n".join(lines)) is (code == 0 or (says == "1 of 2" and code == 3))


def test_a_tool_that_is_not_there_or_talks_nonsense_was_not_asked() -> None:
    assert isinstance(audit.ask("/nowhere/python"), str)
    assert isinstance(audit.ask("/bin/echo"), str)


@pytest.mark.parametrize(
    ("name", "licence", "allowed"),
    [
        ("a", "MIT", True),
        ("a", "Apache-2.0 OR GPL-3.0-only", True),
        ("a", "(MIT AND BSD-3-Clause)", True),
        ("a", "MIT AND GPL-3.0-only", False),
        ("a", "GPL-3.0-or-later", False),
        ("a", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("psycopg_binary", "LGPL-3.0-only", True),
        ("a", "Proprietary", False),
        ("a", "(none is told)", False),
    ],
)
def test_which_licences_are_allowed(name: str, licence: str, allowed: bool) -> None:
    assert audit.is_allowed(name, licence) is allowed


def test_everything_installed_here_is_allowed() -> None:
    assert audit.refused_licences(distributions()) == []


def test_the_chore_is_part_of_what_a_change_must_pass() -> None:
    run = (ROOT / ".ci" / "run").read_text()
    assert "dev.py audit" in run
    assert "-eq 3" in run  # not asked: told, and no reason to stop
