"""The demonstration holds, and what it leaves behind can be explored as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("stage") / "demo"
    done = subprocess.run(
        (sys.executable, "-m", "syncline", "demo", "--folder", str(folder), "--json"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return folder, done


def test_every_step_of_the_story_holds(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = played
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["records"]["crm"]["Accounts"] >= 300
    assert told["records"]["books"]["Contacts"] >= 280
    assert "FAILED" not in done.stderr
    for number in range(1, 8):
        assert f"\n{number}. " in done.stderr


def test_the_state_it_leaves_is_read_by_the_verbs_it_names(
    played: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = played
    example = json.loads(done.stdout)["example"]
    for arguments in (
        ("log", "acme.yaml", "--limit", "20"),
        ("explain", "acme.yaml", "accounts", example),
    ):
        read = subprocess.run(
            (sys.executable, "-m", "syncline", *arguments),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert read.returncode == 0, read.stderr
        assert read.stdout


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        (sys.executable, "-m", "syncline", "demo", "--folder", str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "holds something else" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
