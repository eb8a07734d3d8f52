"""A spec, a macro file or a plugin that means harm: told, and nothing else comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tests.support.memory import MemoryConnector, MemoryRemote
from tests.support.stage import Done, in_process
from tests.support.tally import Tally

from syncline.connect import hookimpl
from syncline.connect.plugins import load_plugins
from syncline.run.installed import installed_plugins
from syncline.spec.load import load_spec

SECRET = "canary-of-a-key-file-0123456789"
HEAD = "spec: 1\nname: hostile\n"


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return HEAD + "\n".join(lines)


#: By name: the text of a spec. Each must be refused.
SPECS: dict[str, str] = {
    "a billion laughs": _bomb(9),
    "quadratic aliases": HEAD + "a: &a " + "x" * 9_000 + "\nb: [" + "*a, " * 9_000 + "]",
    "an alias of itself": HEAD + "a: &a [*a]",
    "nesting in flow": HEAD + "a: " + "[" * 20_000,
    "nesting in blocks": HEAD + "\n".join("  " * n + f"k{n}:" for n in range(2_000)),
    "many keys": HEAD + "\n".join(f"k{n}: {n}" for n in range(26_000)),
    "a tag of Python": HEAD + "modules: !!python/object/apply:os.system ['touch owned']",
    "a tag of one's own": HEAD + "modules: !include /etc/passwd",
    "merge keys": HEAD + "a: &a {b: 1}\nmodules: {<<: *a}",
    "several documents": HEAD + "---\n" + HEAD,
    "a directive": "%TAG ! tag:yaml.org,2002:python/\n---\n" + HEAD,
    "a zero": HEAD + 'modules: "a\\0b"',
    "a base by an address": HEAD + "extends: https://evil.example/base.yaml",
    "a base by another address": HEAD + "extends: file:///etc/passwd",
    "a base that is a key file": HEAD + "extends: ./key",
    "a base that is a link to one": HEAD + "extends: ./linked.yaml",
    "a base far up": HEAD + "extends: " + "../" * 200 + "etc/passwd",
    "a base that is a device": HEAD + "extends: /dev/zero",
    "a base that is a pipe": HEAD + "extends: ./pipe.yaml",
    "a base that is a folder": HEAD + "extends: ./folder.yaml",
    "a base with a zero in its name": HEAD + 'extends: "./a\\0.yaml"',
    "a base with a name without end": HEAD + "extends: ./" + "a" * 5_000 + ".yaml",
    "a base that is the spec": HEAD + "extends: ./spec.yaml",
    "a packaged base by a path": HEAD + "extends: ..%2f..%2fetc%2fpasswd",
    "macros of a key file": HEAD + "transforms: [./key]",
    "macros of a link to one": HEAD + "transforms: [./linked.j2]",
    "macros far up": HEAD + "transforms: [../../../../../../../../etc/passwd]",
    "macros of a device": HEAD + "transforms: [/dev/zero]",
    "macros with a zero": HEAD + 'transforms: ["./a\\0.j2"]',
    "macros without end": HEAD + "transforms: [./" + "a" * 5_000 + ".j2]",
    "macros that are too large": HEAD + "transforms: [./large.j2]",
    "macros that do more than compute": HEAD + "transforms: [./acting.j2]",
    "a name that is a path": "spec: 1\nname: ../../../etc/cron.d/x\n",
    "a name of two lines": 'spec: 1\nname: "a\\nb"\n',
    "a name without end": "spec: 1\nname: " + "a" * 100_000,
    "an environment in a map": HEAD
    + "modules: {a: {between: {crm: A, books: B}, fields: {x: {crm: '${env:HOME}', books: b}}}}",
    "a secret written out": HEAD + f"systems: {{crm: {{connector: zoho-crm, client_secret: {SECRET}}}}}",
    "an option of another connector": HEAD + "systems: {crm: {connector: zoho-crm, verify: false}}",
    "a switch for certificates": HEAD + "systems: {books: {connector: xero, insecure: true, tls: off}}",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("specs")
    (made / "key").write_text(f"{SECRET}\n")
    (made / "linked.yaml").symlink_to(made / "key")
    (made / "linked.j2").symlink_to(made / "key")
    (made / "large.j2").write_text("{# " + "x" * 5_000_000 + " #}")
    (made / "acting.j2").write_text("{% include '/etc/passwd' %}")
    (made / "folder.yaml").mkdir()
    os.mkfifo(made / "pipe.yaml")
    return made


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_that_means_harm_is_refused_with_a_reason_and_shows_no_other_file(
    name: str, folder: Path, tally: Tally
) -> None:
    tally("hostile inputs")
    file = folder / "spec.yaml"
    file.write_text(SPECS[name], encoding="utf-8")
    done = _validate(file)
    assert done.code == 3, done
    assert "Traceback" not in done.err
    assert SECRET not in done.out + done.err
    assert "root:" not in done.out + done.err
    assert len(done.out) < 100_000
    assert not (folder / "owned").exists()


def _validate(file: Path) -> Done:
    return in_process(["validate", str(file)], os.environ, lambda: datetime.now(UTC))


def test_a_spec_that_is_a_link_to_something_else_shows_nothing_of_it(folder: Path, tally: Tally) -> None:
    """In a checkout of somebody else's, ``specs/*.yaml`` may hold links."""
    tally("hostile inputs")
    done = _validate(folder / "linked.yaml")
    assert done.code == 3
    assert "is a link to something that is no .yaml file" in done.out
    assert SECRET not in done.out


def test_a_link_to_a_spec_is_a_spec(tmp_path: Path) -> None:
    """As a cluster mounts its configuration."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "acme.yaml").write_bytes(
        (Path(__file__).parents[2] / "specs/examples/acme.yaml").read_bytes()
    )
    (tmp_path / "acme.yaml").symlink_to(Path("..data") / "acme.yaml")
    loaded = load_spec(tmp_path / "acme.yaml", bundles=installed_plugins().bundles, environ={})
    assert loaded.spec is not None


# --- plugins ----------------------------------------------------------------------------------------------

GOOD = "books"
LOOK_ALIKES = {
    "another alphabet": "bооks",
    "capitals": "Books",
    "a space": "books ",
    "an underscore": "bo_oks",
    "a path": "../books",
    "an escape": "books\x1b[2J",
    "a line": "books\nok: all is well",
    "a mark of direction": "\u202ebooks",
    "a letter without width": "bo\u200boks",
    "no letter at all": "\u3164",
    "a text without end": "b" * 100_000 + "!",
    "digits for letters": "b00ks",
    "a stroke": "bo-oks",
    "the very name": "books",
}


class _Dist(Distribution):
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        return "1.0"

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def _point(distribution: str, entry: str, connector: str) -> EntryPoint:
    class Plugin:
        @hookimpl
        def syncline_connectors(self) -> list[Any]:
            return [MemoryConnector(connector, MemoryRemote([]))]

    class Point(EntryPoint):
        def load(self) -> Any:
            return Plugin()

    point = Point(entry, "somewhere:plugin", "syncline")
    vars(point)["dist"] = _Dist(distribution)
    return point


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_connector_called_like_another_is_told_and_never_used_in_its_place(name: str, tally: Tally) -> None:
    tally("hostile inputs")
    called = LOOK_ALIKES[name]
    plugins = load_plugins([_point("syncline-books", "books", GOOD), _point("evil-books", "evil", called)])
    assert set(plugins.connectors) <= {GOOD}
    told = [problem for problem in plugins.problems if problem.distribution == "evil-books"]
    assert told
    assert all(len(str(problem)) < 1_000 for problem in told)
    # One that cannot be told from it takes both out of use; any other changes nothing for the good one.
    clash = name in ("digits for letters", "a stroke", "the very name")
    assert (GOOD in plugins.connectors) is not clash
    if clash:
        assert {problem.distribution for problem in plugins.problems} == {"syncline-books", "evil-books"}


def test_two_connectors_of_one_distribution_may_be_called_alike() -> None:
    point = _point("syncline-books", "books", "books-1")
    plugins = load_plugins([point, _point("syncline-books", "more", "books-l")])
    assert set(plugins.connectors) == {"books-1", "books-l"}


def test_a_plugin_that_ends_the_process_on_import_ends_nothing(tmp_path: Path, tally: Tally) -> None:
    """And what it prints or raises is told without steering a terminal."""
    tally("hostile inputs")
    site = tmp_path / "site"
    info = site / "evil_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\x1b[2J-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[syncline]\nevil = evil_plugin:plugin\n")
    (site / "evil_plugin.py").write_text("import sys\nsys.exit('bye \\x1b[2J\\nok: all is well')\n")
    environ = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-m", "syncline", "doctor"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "it cannot be imported: SystemExit" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "\nok: all is well" not in done.stdout
