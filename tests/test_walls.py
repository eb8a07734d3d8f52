"""The walls of the house: who may import whom, and what the engine must not know."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "engine" / "syncline"

#: What every room may use: modules beside the rooms that use nothing themselves.
COMMON = frozenset({"errors", "exactjson", "bundle", "printable", "privatefile"})

#: By room: the rooms below it that it may import.
BELOW: dict[str, frozenset[str]] = {
    "spec": frozenset(),
    "connect": frozenset({"spec"}),
    "mapping": frozenset({"spec", "connect"}),
    "reconcile": frozenset({"spec", "mapping"}),
    "store": frozenset({"spec", "connect"}),
    "run": frozenset({"spec", "mapping", "reconcile", "connect", "store"}),
    "schedule": frozenset({"spec", "mapping", "reconcile", "connect", "store", "run"}),
    "web": frozenset({"spec", "mapping", "reconcile", "connect", "store", "run"}),
    "demo": frozenset({"spec", "mapping", "reconcile", "connect", "store", "run"}),
    "cli": frozenset({"spec", "mapping", "reconcile", "connect", "store", "run", "demo", "schedule", "web"}),
}

#: All that a mapping may know of connectors: what they say, not how they are reached.
CONTRACT = "syncline.connect.contract"

#: What would let a decision read or write anything.
OUTSIDE = frozenset(
    "sqlalchemy alembic httpx oauthlib click pluggy socket ssl http urllib sqlite3 subprocess asyncio"
    " threading multiprocessing os pathlib io shutil tempfile time random secrets uuid logging".split()
)

VENDORS = tuple(word[::-1] for word in ("orex", "ohoz"))


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the whole name of every import of a file, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import hides which room it enters"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if _is_module(inner) else node.module or ""


def _is_module(name: str) -> bool:
    path = ENGINE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def sources(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if "__pycache__" not in file.parts)


def rooms() -> list[str]:
    return sorted(p.name for p in ENGINE.iterdir() if p.is_dir() and p.name != "__pycache__")


@pytest.mark.parametrize("room", rooms())
def test_imports_run_one_way(room: str) -> None:
    assert room in BELOW, f"{room} has no place in the house yet"
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sources(ENGINE / room)
        for line, name in imports(file)
        if name.startswith("syncline.") and name.split(".")[1] not in BELOW[room] | COMMON | {room}
    ]
    assert wrong == []


def test_what_every_room_uses_uses_none_of_them() -> None:
    wrong = [
        f"{name}.py:{line}: {imported}"
        for name in COMMON
        for line, imported in imports(ENGINE / f"{name}.py")
        if imported.startswith("syncline.") and imported.split(".")[1] not in COMMON
    ]
    assert wrong == []


def test_a_mapping_knows_of_connectors_only_what_they_say() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sources(ENGINE / "mapping")
        for line, name in imports(file)
        if name.startswith("syncline.connect") and name != CONTRACT
    ]
    assert wrong == []


def test_a_decision_can_read_and_write_nothing() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sources(ENGINE / "reconcile")
        for line, name in imports(file)
        if name.split(".")[0] in OUTSIDE
    ]
    assert wrong == []


def test_decisions_load_without_a_store_and_without_a_client() -> None:
    modules = [f"syncline.reconcile.{file.stem}" for file in sources(ENGINE / "reconcile")]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "alembic", "httpx", "click", "syncline.store"} & set(loaded.stdout.split())


def test_plugins_enter_by_the_one_door() -> None:
    doors = ("syncline.connect", "syncline.connect.sandbox")
    wrong = []
    for file in sources(ROOT / "plugins"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found = [node.module or ""]
            else:
                continue
            for name in found:
                if name.split(".")[0] == "syncline" and name not in doors:
                    wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}: {name}")
    assert wrong == []


def test_plugins_do_not_know_each_other() -> None:
    names = {
        folder.name: f"syncline_{folder.name}" for folder in (ROOT / "plugins").iterdir() if folder.is_dir()
    }
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {imported}"
        for name, package in names.items()
        for file in sources(ROOT / "plugins" / name)
        for line, imported in imports(file)
        if imported.split(".")[0] in set(names.values()) - {package}
    ]
    assert wrong == []


def test_the_engine_names_no_vendor() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {vendor}"
        for file in sorted((ROOT / "engine").rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
        for vendor in VENDORS
        if vendor in str(file.relative_to(ROOT)).lower() or vendor.encode() in file.read_bytes().lower()
    ]
    assert wrong == []
