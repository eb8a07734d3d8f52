"""The wheels of the three distributions, built and installed outside the checkout.

No package index is asked: each wheel is installed alone, and what it *declares* to need is linked in from the
environment that runs the tests. A dependency that is used but not declared is therefore missing here, and a
file that is read but not packed too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {
    "syncline": (ROOT, ROOT / "engine" / "syncline"),
    "syncline_xero": (ROOT / "plugins" / "xero", ROOT / "plugins" / "xero" / "src" / "syncline_xero"),
    "syncline_zoho": (ROOT / "plugins" / "zoho", ROOT / "plugins" / "zoho" / "src" / "syncline_zoho"),
}
BUNDLED = ("schemas", "transforms", "specs")
EXAMPLE = ROOT / "specs" / "examples" / "acme.yaml"

#: What is asked of a clean environment: where the engine lies, what it ships, and what plugins bring.
PROBE = """
import json, syncline
from importlib.resources.abc import Traversable
from syncline.bundle import bundled
from syncline.connect.plugins import load_plugins

def names(folder, prefix=""):
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from names(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name

plugins = load_plugins()
print(json.dumps({
    "engine": syncline.__file__,
    "bundled": {kind: sorted(names(bundled(kind))) for kind in ("schemas", "transforms", "specs")},
    "connectors": {name: [m.name for m in c.catalogue().modules] for name, c in plugins.connectors.items()},
    "problems": [str(problem) for problem in plugins.problems],
}))
"""


@dataclass(frozen=True, slots=True)
class Built:
    """The wheel of one distribution, and the archive of its sources."""

    wheel: Path
    sources: Path

    def names(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def text(self, ending: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(ending))
            return archive.read(name).decode()

    def metadata(self) -> Message:
        return Parser().parsestr(self.text(".dist-info/METADATA"))

    def requirements(self) -> list[Requirement]:
        """What it needs in any case, extras apart."""
        wanted = [Requirement(line) for line in self.metadata().get_all("Requires-Dist", [])]
        return [need for need in wanted if need.marker is None or need.marker.evaluate({"extra": ""})]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """All three, built as a release builds them."""
    return {name: _build(project, tmp_path_factory.mktemp(name)) for name, (project, _) in PROJECTS.items()}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """An environment without anything in it."""
    return Clean(tmp_path_factory.mktemp("clean"))


class Clean:
    """A virtual environment that knows nothing of the checkout, and is worked in from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _call([sys.executable, "-m", "venv", folder / "venv"], cwd=folder)
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        suffix = ".exe" if os.name == "nt" else ""
        self.python = scripts / f"python{suffix}"
        self.syncline = scripts / f"syncline{suffix}"
        where = _call(
            [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], cwd=folder
        )
        self.site_packages = Path(where.stdout.strip())
        self._linked: set[str] = set()

    def install(self, built: Built) -> None:
        """Install one wheel, and link what it declares to need."""
        pip: list[str | Path] = [self.python, "-m", "pip", "--disable-pip-version-check", "install"]
        _call([*pip, "--quiet", "--no-index", "--no-deps", built.wheel], cwd=self.folder)
        for need in built.requirements():
            if not need.name.startswith("syncline"):
                self._link(distribution(need.name))

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """The installed command, with the exit code left to the caller."""
        return subprocess.run(
            [self.syncline, *words], cwd=self.folder, env=_environment(), capture_output=True, text=True
        )

    def probe(self) -> dict[str, object]:
        answer = json.loads(_call([self.python, "-c", PROBE], cwd=self.folder).stdout)
        assert isinstance(answer, dict)
        return answer

    def _link(self, needed: Distribution) -> None:
        if needed.name in self._linked:
            return
        self._linked.add(needed.name)
        for top in {
            file.parts[0] for file in needed.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            target = self.site_packages / top
            if not target.exists():
                target.symlink_to(Path(str(needed.locate_file(top))))
        for line in needed.requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                self._link(distribution(need.name))


def _build(project: Path, folder: Path) -> Built:
    _call([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=project)
    (wheel,), (sources,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sources)


def _call(command: list[str | Path], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True)
    assert answer.returncode == 0, f"{command}: {answer.stdout}{answer.stderr}"
    return answer


def _environment() -> dict[str, str]:
    """Ours, without what would lead another Python back to the checkout or to settings of this machine."""
    return {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_", "SYNCLINE", "VIRTUAL"))
    }


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


# --- what is in them -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_holds_every_file_of_its_package_and_a_licence(built: dict[str, Built], name: str) -> None:
    packed = built[name].names()
    assert {f"{name}/{file}" for file in _files(PROJECTS[name][1])} <= packed
    assert f"{name}/py.typed" in packed
    assert "Apache License" in built[name].text("/licenses/LICENSE")
    assert built[name].metadata()["License-Expression"] == "Apache-2.0"


def test_the_engine_brings_schemas_transforms_and_specs(built: dict[str, Built]) -> None:
    expected = {f"syncline/_bundled/{kind}/{file}" for kind in BUNDLED for file in _files(ROOT / kind)}
    assert expected
    assert expected <= built["syncline"].names()


@pytest.mark.parametrize("name", PROJECTS)
def test_the_sources_make_the_same_wheel(built: dict[str, Built], name: str, tmp_path: Path) -> None:
    with tarfile.open(built[name].sources) as archive:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4; later ones warn without
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    (project,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert _build(project, tmp_path / "dist").names() == built[name].names()


@pytest.mark.parametrize("name", ["syncline_xero", "syncline_zoho"])
def test_a_plugin_needs_the_engine_and_nothing_of_the_other(built: dict[str, Built], name: str) -> None:
    engine = built["syncline"].metadata()["Version"]
    needs = {need.name: need for need in built[name].requirements()}
    assert engine in needs["syncline"].specifier
    assert not [other for other in needs if other.startswith("syncline") and other != "syncline"]


@pytest.mark.parametrize("name", PROJECTS)
def test_nothing_of_the_machine_that_built_it_is_inside(built: dict[str, Built], name: str) -> None:
    packed = [*built[name].names()]
    with tarfile.open(built[name].sources) as archive:
        packed += archive.getnames()
    litter = ("__pycache__", ".venv", "node_modules", ".syncline/", ".sqlite", ".pyc", "/tests/")
    assert [file for file in packed if any(mark in file for mark in litter)] == []


# --- what they do, one after another in one clean environment ------------------------------------


def test_each_is_installed_and_found_in_turn(built: dict[str, Built], clean: Clean) -> None:
    clean.install(built["syncline"])
    alone = clean.probe()
    assert str(alone["engine"]).startswith(str(clean.site_packages))
    assert alone["bundled"] == {kind: sorted(_files(ROOT / kind)) for kind in BUNDLED}
    assert (alone["connectors"], alone["problems"]) == ({}, [])
    assert clean.run("--version").stdout.split()[-1] == built["syncline"].metadata()["Version"]
    told = clean.run("validate", EXAMPLE, "--json")
    assert told.returncode == 3, told.stderr
    assert {p["code"] for p in json.loads(told.stdout)["problems"]} >= {"unknown-connector"}

    clean.install(built["syncline_xero"])
    assert _connectors(clean) == {"xero"}

    clean.install(built["syncline_zoho"])
    assert _connectors(clean) == {"xero", "zoho-books", "zoho-crm"}
    copy = clean.folder / "acme.yaml"
    copy.write_bytes(EXAMPLE.read_bytes())
    told = clean.run("validate", copy)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_sandboxes_run_from_the_wheels(built: dict[str, Built], clean: Clean) -> None:
    for name in PROJECTS:
        clean.install(built[name])
    words = ["sandbox", "--systems", "xero,zoho-crm", "--data", "20", "--json"]
    running = subprocess.Popen(
        [clean.syncline, *words], cwd=clean.folder, env=_environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert set(ready["systems"]) == {"xero", "zoho-crm"}
    finally:
        running.terminate()
        running.communicate(timeout=10)
    assert running.returncode == 0


def _connectors(clean: Clean) -> set[str]:
    found = clean.probe()
    assert found["problems"] == []
    connectors = found["connectors"]
    assert isinstance(connectors, dict)
    assert all("contacts" in map(str.lower, modules) for modules in connectors.values())
    return set(connectors)
