"""The page on writing a connector is true: its example is installed, run and certified by the kit."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from syncline.connect.conformance import PROMISES, Level, Verdict, run
from syncline.connect.plugins import load_plugins

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "connectors.md").read_text("utf-8")
#: A fenced block whose first line names its file.
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's files, importable."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path / "src")
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "syncline_tally"]:
        del sys.modules[name]


def entry_point() -> EntryPoint:
    points = tomllib.loads(FILES["pyproject.toml"])["project"]["entry-points"]["syncline"]
    ((name, target),) = points.items()
    return EntryPoint(name=name, value=target, group="syncline")


def test_every_block_of_code_is_a_file_of_the_example() -> None:
    blocks = re.findall(r"```(?:python|toml)\n", PAGE)
    assert len(blocks) == len(FILES) >= 6


def test_the_example_keeps_every_promise(package: Path) -> None:
    plugins = load_plugins([entry_point()])
    assert not plugins.problems
    report = run(plugins.connectors["tally"])
    assert {f.promise.name: f.why for f in report.findings if f.verdict is Verdict.FAILED} == {}
    assert report.level is Level.SURVIVES


def test_the_example_holds_to_the_lint_and_types_of_the_engine(package: Path) -> None:
    source = package / "src"
    for tool in (
        ["ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "I001", str(source)],
        ["ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), str(source)],
    ):
        done = subprocess.run([sys.executable, "-m", *tool], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_imports_nothing_of_the_engine_but_the_door() -> None:
    for name, text in FILES.items():
        if name.startswith("src/"):
            used = set(re.findall(r"^from (syncline(?:\.\w+)*) import", text, re.MULTILINE))
            assert used <= {"syncline.connect", "syncline.connect.sandbox"}, name


def test_the_examples_own_test_is_right(package: Path) -> None:
    text = FILES["tests/test_contract.py"]
    space: dict[str, object] = {}
    exec(compile(text, "test_contract.py", "exec"), space)
    check = space["test_the_contract"]
    assert callable(check)
    for name in ("name", "create"):
        check(name)


def test_the_page_lists_every_promise_as_it_is() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(p.name, p.level.value, p.promised) for p in PROMISES]


def test_the_page_names_every_level() -> None:
    assert re.findall(r"^\| `([a-z]+)` \| it ", PAGE, re.MULTILINE) == [level.value for level in Level]
