"""Finding the plugins: each loaded by itself, so that a broken one stops nobody but itself."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import pluggy
from msgspec import Struct, field

from syncline.connect import hookspecs
from syncline.connect.contract import Connector
from syncline.connect.hookspecs import PROJECT, Filter
from syncline.connect.secrets import redact

GROUP = "syncline"

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
#: Names that are the same after this look the same to a hurried reader.
_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "-": None})

_T = TypeVar("_T")


class PluginProblem(Struct, frozen=True, order=True):
    """Why a plugin, or a part of it, is not used. ``distribution`` and ``version``: what to upgrade or
    remove; ``entry_point``: its name and target."""

    distribution: str
    version: str
    entry_point: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.entry_point}): {self.what}\n  fix: {self.fix}"


class Plugins(Struct, frozen=True):
    """All that the installed plugins bring, and what is wrong with some of them."""

    connectors: Mapping[str, Connector] = field(default_factory=dict)
    filters: Mapping[str, Filter] = field(default_factory=dict)
    bundles: tuple[Traversable, ...] = ()
    problems: tuple[PluginProblem, ...] = ()


class _Source(Struct, frozen=True):
    """An entry point, in words."""

    entry_point: EntryPoint

    @property
    def distribution(self) -> str:
        dist = self.entry_point.dist
        return "(unknown distribution)" if dist is None else str(dist.name)

    @property
    def version(self) -> str:
        dist = self.entry_point.dist
        return "?" if dist is None else str(dist.version)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    def problem(self, what: str, fix: str) -> PluginProblem:
        place = f"{self.entry_point.name} = {self.entry_point.value}"
        return PluginProblem(self.distribution, self.version, place, redact(what), fix)


def load_plugins(
    points: Iterable[EntryPoint] | None = None, *, reserved_filters: Iterable[str] = ()
) -> Plugins:
    """Load every plugin of this environment.

    ``points``: in place of the installed entry points of the group ``syncline``. ``reserved_filters``:
    names that plugins may not use. Never raises for what a plugin does: that is a :class:`PluginProblem`,
    and neither of two that clash is used.
    """
    found = list(entry_points(group=GROUP) if points is None else points)
    sources, problems = _without_clashes(found)
    loaded: list[tuple[_Source, pluggy.PluginManager]] = []
    for source in sources:
        manager = _load(source, problems)
        if manager is not None:
            loaded.append((source, manager))
    connectors: dict[str, list[tuple[_Source, Connector]]] = defaultdict(list)
    filters: dict[str, list[tuple[_Source, Filter]]] = defaultdict(list)
    bundles: list[Traversable] = []
    for source, manager in loaded:
        for connector in _called(source, manager, "syncline_connectors", _connectors, problems):
            connectors[connector.name].append((source, connector))
        for name, filter_ in _called(source, manager, "syncline_filters", _filters, problems):
            filters[name].append((source, filter_))
        bundles += _called(source, manager, "syncline_bundles", _bundles, problems)
    for name in set(reserved_filters) & set(filters):
        for source, _ in filters.pop(name):
            fix = f"rename it in {source.distribution}"
            problems.append(source.problem(f"the filter {name!r} has the name of a built-in one", fix))
    _leave_out_look_alikes(connectors, problems)
    return Plugins(
        connectors=_unique("connector", connectors, problems),
        filters=_unique("filter", filters, problems),
        bundles=tuple(bundles),
        problems=tuple(sorted(set(problems))),
    )


def _without_clashes(found: Sequence[EntryPoint]) -> tuple[list[_Source], list[PluginProblem]]:
    """One source for each entry-point name; two distributions under one name are both left out."""
    by_name: dict[str, dict[tuple[str, str, str], _Source]] = defaultdict(dict)
    for point in found:
        source = _Source(point)
        # One distribution may be seen twice (an editable install beside its build): the same thing twice.
        by_name[point.name][source.distribution, source.version, point.value] = source
    sources: list[_Source] = []
    problems: list[PluginProblem] = []
    for name, same in sorted(by_name.items()):
        if len(same) == 1:
            sources += same.values()
            continue
        everyone = ", ".join(sorted(map(str, same.values())))
        for source in same.values():
            problems.append(
                source.problem(
                    f"the entry point {name!r} exists more than once: {everyone}",
                    "uninstall all but one of them",
                )
            )
    return sources, problems


def _load(source: _Source, problems: list[PluginProblem]) -> pluggy.PluginManager | None:
    """The plugin in a manager of its own, so that what is wrong can be laid at its door."""
    try:
        plugin = source.entry_point.load()
    except BaseException as error:  # a plugin's import may raise anything, SystemExit included
        if isinstance(error, KeyboardInterrupt):
            raise
        problems.append(
            source.problem(
                f"it cannot be imported: {_said(error)}",
                f"upgrade or reinstall {source.distribution}, or uninstall it",
            )
        )
        return None
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, source.entry_point.name)
    except Exception as error:
        problems.append(
            source.problem(
                f"its hooks do not fit this version of Syncline: {_said(error)}",
                f"install the version of {source.distribution} that goes with it",
            )
        )
        return None
    _report_unknown_hooks(source, manager, plugin, problems)
    return manager


def _report_unknown_hooks(
    source: _Source, manager: pluggy.PluginManager, plugin: Any, problems: list[PluginProblem]
) -> None:
    known = [name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")]
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        problems.append(
            source.problem(
                "it has no hook at all",
                f"mark its functions with syncline.connect.hookimpl: {', '.join(known)}",
            )
        )
    for caller in callers:
        optional = all(impl.optionalhook for impl in caller.get_hookimpls())
        if caller.has_spec() or optional:
            continue
        near = difflib.get_close_matches(caller.name, known, 1)
        fix = f"did you mean {near[0]}?" if near else f"the hooks are: {', '.join(known)}"
        problems.append(source.problem(f"there is no hook {caller.name!r}", fix))


def _called(
    source: _Source,
    manager: pluggy.PluginManager,
    hook: str,
    read: Callable[[Any], tuple[list[_T], list[str]]],
    problems: list[PluginProblem],
) -> list[_T]:
    """What one plugin answers to one hook, read and judged by ``read`` into values and complaints."""
    try:
        answers = getattr(manager.hook, hook)()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        problems.append(
            source.problem(
                f"its {hook} failed: {_said(error)}", f"upgrade or uninstall {source.distribution}"
            )
        )
        return []
    values: list[_T] = []
    for answer in answers:
        try:
            good, complaints = read(answer)
        except Exception as error:  # an answer that cannot even be looked at
            good, complaints = [], [f"answered with something unusable: {_said(error)}"]
        values += good
        for complaint in complaints:
            problems.append(source.problem(f"its {hook} {complaint}", f"report it to {source.distribution}"))
    return values


def _connectors(answer: Any) -> tuple[list[Connector], list[str]]:
    if isinstance(answer, (str, bytes, Connector)) or not isinstance(answer, Iterable):
        return [], [f"must return a list of connectors, not {_kind(answer)}"]
    good: list[Connector] = []
    complaints: list[str] = []
    for connector in answer:
        if not isinstance(connector, Connector):
            hint = " (the class itself: call it)" if isinstance(connector, type) else ""
            complaints.append(f"must return connectors, not {_kind(connector)}{hint}")
            continue
        name = getattr(connector, "name", None)
        if not isinstance(name, str) or not name:
            complaints.append(f"returned a {_kind(connector)} without a name")
        elif not _NAME.fullmatch(name):
            # Any other letter could look like one of these, and tokens are entrusted to a name.
            complaints.append(f"returned a connector called {ascii(name)[:80]}: a name is of a-z, 0-9 and -")
        else:
            good.append(connector)
    return good, complaints


def _filters(answer: Any) -> tuple[list[tuple[str, Filter]], list[str]]:
    if not isinstance(answer, Mapping):
        return [], [f"must return filters by name, not {_kind(answer)}"]
    good: list[tuple[str, Filter]] = []
    complaints: list[str] = []
    for name, filter_ in answer.items():
        if not isinstance(name, str) or not name.isidentifier():
            complaints.append(f"returned a filter whose name {name!r} is no identifier")
        elif not callable(filter_):
            complaints.append(f"returned {_kind(filter_)} as the filter {name!r}")
        else:
            good.append((name, filter_))
    return good, complaints


def _bundles(answer: Any) -> tuple[list[Traversable], list[str]]:
    if not isinstance(answer, Traversable):
        return [], [f"must return a folder (importlib.resources.files), not {_kind(answer)}"]
    if not answer.is_dir():
        return [], ["returned a folder that does not exist"]
    return [answer], []


def _leave_out_look_alikes(
    found: dict[str, list[tuple[_Source, Connector]]], problems: list[PluginProblem]
) -> None:
    """Connectors of different distributions whose names look alike: neither is used, as with equal names."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(found):
        alike[name.translate(_ALIKE)].append(name)
    for names in alike.values():
        sources = {source.distribution for name in names for source, _ in found[name]}
        if len(names) < 2 or len(sources) < 2:
            continue
        for name in names:
            for source, _ in found.pop(name):
                others = ", ".join(other for other in names if other != name)
                what = f"the connector {name!r} is called nearly like another: {others}"
                problems.append(source.problem(what, "uninstall the one that you do not know"))


def _unique(
    kind: str, found: Mapping[str, list[tuple[_Source, _T]]], problems: list[PluginProblem]
) -> dict[str, _T]:
    """Those with a name of their own, by name."""
    unique: dict[str, _T] = {}
    for name, same in sorted(found.items()):
        if len(same) == 1:
            unique[name] = same[0][1]
            continue
        everyone = ", ".join(sorted({str(source) for source, _ in same}))
        for source, _ in same:
            problems.append(
                source.problem(
                    f"the {kind} {name!r} exists more than once: {everyone}",
                    "uninstall all but one of them",
                )
            )
    return unique


def _kind(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _said(error: BaseException) -> str:
    """The error's kind and its first line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
