"""Loading plugins: what is wrong with one is told of it by name, and stops no other."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from syncline.connect import Catalogue, Connector, hookimpl
from syncline.connect.plugins import Plugins, load_plugins


class Ledger(Connector):
    """A connector that is only ever described."""

    title = "Ledger"

    def __init__(self, name: str = "ledger") -> None:
        self.name = name

    def catalogue(self) -> Catalogue:
        return Catalogue(())

    def oauth(self, options: Any, callback: Any) -> Any:
        raise NotImplementedError

    def open(self, connection: Any) -> Any:
        raise NotImplementedError

    def sandbox(self, settings: Any) -> Any:
        raise NotImplementedError


class Dist(Distribution):
    """A distribution that is nothing but a name and a version."""

    def __init__(self, name: str, version: str) -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def returning(value: Any) -> Any:
    """A hook that answers this."""
    return lambda: value


def raises(error: BaseException) -> Any:
    def broken() -> Any:
        raise error

    return broken


class Point(EntryPoint):
    """An entry point whose target is at hand."""

    def load(self) -> Any:
        found = vars(self)["target"]
        return found() if isinstance(found, types.FunctionType) else found


def plugin(name: str, target: Any, *, dist: str | None = None, version: str = "1.0") -> EntryPoint:
    point = Point(name=name, value=f"{name}_plugin", group="syncline")
    vars(point).update(target=target, dist=Dist(dist or f"dist-{name}", version))
    return point


def hooks(**functions: Any) -> types.SimpleNamespace:
    """A plugin with these hooks."""
    return types.SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})


def good(name: str = "good", connector: str = "ledger", **options: Any) -> EntryPoint:
    return plugin(name, hooks(syncline_connectors=lambda: [Ledger(connector)]), **options)


def only_problem(plugins: Plugins) -> str:
    assert len(plugins.problems) == 1, plugins.problems
    return str(plugins.problems[0])


def test_what_plugins_bring_is_put_together(tmp_path: Path) -> None:
    second = hooks(
        syncline_connectors=lambda: (Ledger("b"), Ledger("c")),
        syncline_filters=lambda: {"shout": str.upper},
        syncline_bundles=lambda: tmp_path,
    )
    plugins = load_plugins([good(connector="a"), plugin("second", second)])
    assert plugins.problems == ()
    assert sorted(plugins.connectors) == ["a", "b", "c"]
    assert plugins.filters["shout"]("x") == "X"
    assert plugins.bundles == (tmp_path,)


def test_no_plugin_at_all_is_no_problem() -> None:
    assert load_plugins([]) == Plugins()


@pytest.mark.parametrize(
    ("target", "what"),
    [
        pytest.param(
            raises(ImportError("no module named 'missing'")),
            "cannot be imported: ImportError",
            id="a missing module",
        ),
        pytest.param(raises(SyntaxError("bad")), "cannot be imported: SyntaxError", id="a syntax error"),
        pytest.param(raises(SystemExit(3)), "cannot be imported: SystemExit", id="it ends the process"),
        pytest.param(types.SimpleNamespace(), "it has no hook at all", id="nothing marked"),
        pytest.param(
            hooks(syncline_conectors=returning([])), "did you mean syncline_connectors", id="a misspelt hook"
        ),
        pytest.param(
            hooks(entirely_else=returning([])), "there is no hook 'entirely_else'", id="an unknown hook"
        ),
        pytest.param(
            hooks(syncline_connectors=lambda colour: []), "do not fit this version", id="an unknown argument"
        ),
        pytest.param(
            hooks(syncline_connectors=raises(KeyError("boom"))),
            "syncline_connectors failed: KeyError",
            id="a hook that fails",
        ),
        pytest.param(
            hooks(syncline_connectors=raises(SystemExit(1))),
            "failed: SystemExit",
            id="a hook that ends the process",
        ),
        pytest.param(
            hooks(syncline_connectors=lambda: Ledger()),
            "must return a list of connectors, not Ledger",
            id="one connector, no list",
        ),
        pytest.param(
            hooks(syncline_connectors=lambda: "ledger"), "a list of connectors, not str", id="a text"
        ),
        pytest.param(hooks(syncline_connectors=lambda: [Ledger]), "the class itself: call it", id="a class"),
        pytest.param(hooks(syncline_connectors=lambda: [Ledger("")]), "without a name", id="an empty name"),
        pytest.param(
            hooks(syncline_connectors=lambda: [Ledger("x"), Ledger("x")]),
            "exists more than once",
            id="one name twice",
        ),
        pytest.param(
            hooks(syncline_filters=lambda: [str.upper]),
            "filters by name, not list",
            id="filters without names",
        ),
        pytest.param(
            hooks(syncline_filters=lambda: {"up per": str.upper}),
            "no identifier",
            id="a filter name with a space",
        ),
        pytest.param(
            hooks(syncline_filters=lambda: {"upper_": "upper"}),
            "returned str as the filter",
            id="a filter that is no function",
        ),
        pytest.param(
            hooks(syncline_bundles=lambda: "specs"), "must return a folder", id="a bundle that is a text"
        ),
        pytest.param(
            hooks(syncline_bundles=lambda: Path("/nowhere/at/all")),
            "does not exist",
            id="a bundle that is not there",
        ),
    ],
)
def test_a_bad_plugin_is_told_by_distribution_and_version_and_stops_no_other(target: Any, what: str) -> None:
    bad = plugin("bad", target, dist="acme-plugin", version="2.3")
    plugins = load_plugins([bad, good()])
    assert list(plugins.connectors) == ["ledger"]
    text = str(plugins.problems[0])
    assert text.startswith("acme-plugin 2.3 (bad = bad_plugin): ")
    assert what in text
    assert "\n  fix: " in text
    assert {p.distribution for p in plugins.problems} == {"acme-plugin"}


def test_a_misspelt_hook_does_not_take_the_good_ones_with_it() -> None:
    mixed = hooks(syncline_connectors=lambda: [Ledger()], syncline_filter=returning({}))
    plugins = load_plugins([plugin("mixed", mixed)])
    assert list(plugins.connectors) == ["ledger"]
    assert "did you mean syncline_filters?" in only_problem(plugins)


def test_a_hook_marked_optional_may_be_unknown() -> None:
    target = hooks(syncline_connectors=lambda: [Ledger()])
    target.syncline_of_the_future = hookimpl(optionalhook=True)(lambda: None)
    assert load_plugins([plugin("later", target)]).problems == ()


def test_two_distributions_under_one_entry_point_name_are_both_left_out_and_named() -> None:
    one, other = good("same", "a", dist="one", version="1.0"), good("same", "b", dist="other", version="0.9")
    plugins = load_plugins([one, other, good()])
    assert list(plugins.connectors) == ["ledger"]
    assert [p.distribution for p in plugins.problems] == ["one", "other"]
    assert all("one 1.0, other 0.9" in p.what for p in plugins.problems)


def test_one_distribution_seen_twice_is_one() -> None:
    assert load_plugins([good(), good()]).problems == ()


def test_connectors_of_one_name_are_both_left_out_and_named() -> None:
    plugins = load_plugins([good("a", "same"), good("b", "same"), good()])
    assert list(plugins.connectors) == ["ledger"]
    assert [p.distribution for p in plugins.problems] == ["dist-a", "dist-b"]
    assert "'same' exists more than once: dist-a 1.0, dist-b 1.0" in plugins.problems[0].what


def test_filters_that_clash_with_each_other_or_a_built_in_one_are_left_out() -> None:
    a = hooks(syncline_filters=lambda: {"same": str.upper, "fold": str.lower, "mine": str.title})
    b = hooks(syncline_filters=lambda: {"same": str.lower})
    plugins = load_plugins([plugin("a", a), plugin("b", b)], reserved_filters=["fold"])
    assert list(plugins.filters) == ["mine"]
    assert [p.distribution for p in plugins.problems] == ["dist-a", "dist-a", "dist-b"]
    assert any("name of a built-in one" in p.what for p in plugins.problems)


_GOOD_MODULE = """
from syncline.connect import hookimpl

@hookimpl
def syncline_filters():
    return {"acme": str.strip}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with two installed distributions: one that works, one that is broken."""
    for name, version, source in (
        ("acme-good", "1.2", _GOOD_MODULE),
        ("acme-broken", "0.4", "import acme_that_is_not_there\n"),
    ):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[syncline]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("acme_good", None)


def test_installed_distributions_are_found_and_a_broken_one_is_named(installed: Path) -> None:
    assert {"acme-good", "acme-broken"} <= {point.name for point in entry_points(group="syncline")}
    plugins = load_plugins()
    assert plugins.filters["acme"](" x ") == "x"
    told = [problem for problem in plugins.problems if problem.distribution == "acme-broken"]
    assert [(p.version, p.entry_point) for p in told] == [("0.4", "acme-broken = acme_broken")]
    assert "acme_that_is_not_there" in told[0].what
