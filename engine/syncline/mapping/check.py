"""Whether a spec fits the systems it names: their options, remote modules, fields and abilities.

The checks of :mod:`syncline.spec` know the grammar alone; these know the connectors. They run offline against
the connectors' own catalogues, or against what the connected organisations really have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from inspect import signature
from typing import Any

import msgspec

from syncline import __version__
from syncline.connect.contract import Catalogue, Connector, RemoteModule
from syncline.mapping.check_maps import MapChecks
from syncline.mapping.check_writers import check_writers
from syncline.mapping.expressions import ExpressionError, Expressions, MacroFile
from syncline.mapping.fields import with_declared
from syncline.mapping.filters import Filter
from syncline.mapping.nesting import find_remote, nesting_of, unknown_names
from syncline.mapping.tables import check_tables
from syncline.spec.macros import MacroSource
from syncline.spec.model import DeleteRule, End, EnvText, Module, Spec, System
from syncline.spec.nearest import did_you_mean
from syncline.spec.parse import flows_to
from syncline.spec.problems import Place, Problem, Severity
from syncline.spec.schema import make_validator, schema_findings
from syncline.spec.sound import Sound, digest_of
from syncline.spec.tree import Entry, List, Map, Node, Scalar


def check_spec(
    spec: Spec,
    connectors: Mapping[str, Connector],
    live: Mapping[str, Catalogue] | None,
    expressions: Expressions,
    *,
    hurt: Collection[str] = (),
) -> list[Problem]:
    """Everything in the spec that its systems would not take, in the order of the files.

    ``live``: by system, what its organisation has; a system that is not in it is judged by its connector's
    catalogue. ``hurt``: modules that are not complete, of which nothing is said to be missing.
    """
    problems: list[Problem] = []
    catalogues: dict[str, Catalogue] = {}
    for system in spec.systems.values():
        connector = connectors.get(system.connector)
        if connector is None:
            if system.connector:  # its absence is told by the grammar
                problems.append(_unknown_connector(system, connectors))
            continue
        problems += check_options(system, connector)
        catalogue = (live or {}).get(system.name) or _built_in(connector, system, problems)
        if catalogue is not None:
            catalogues[system.name] = catalogue
            problems += _check_declared(system, catalogue)
    problems += check_tables(spec, catalogues)
    problems += _check_shared_ends(spec)
    problems += check_writers(spec)
    for module in spec.modules.values():
        problems += _check_module(
            spec, module, catalogues, live or {}, expressions, complete=module.name not in hurt
        )
    return sorted(dict.fromkeys(problems), key=lambda p: (p.place, p.code, p.message))


def errors_once(
    spec: Spec,
    connectors: Mapping[str, Connector],
    macros: Sequence[MacroSource],
    expressions: Expressions,
    sound: Sound,
) -> list[Problem]:
    """The errors that :func:`read_expressions` and :func:`check_spec` find offline; none in what was checked
    before. Nothing else counts than the spec and its macros, what its connectors declare, and the filters.

    ``expressions``: those of the spec, with its macros."""
    digest = _digest(spec, connectors, macros, expressions.filters)
    if digest in sound:
        return []
    problems: list[Problem] = []
    try:
        expressions.load()
    except ExpressionError:
        expressions, problems = read_expressions(macros, expressions.filters)
    problems = [*problems, *check_spec(spec, connectors, None, expressions)]
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if digest and not errors:
        sound.add(digest)
    return errors


def _digest(
    spec: Spec,
    connectors: Mapping[str, Connector],
    macros: Sequence[MacroSource],
    filters: Mapping[str, Filter],
) -> str:
    """Of everything that the checks look at; empty where a connector or filter cannot be told by its data."""
    try:
        calls = [(name, str(signature(filter_))) for name, filter_ in sorted(filters.items())]
        return digest_of(
            __version__, calls, _ENCODER.encode([spec, macros, list(_declared(spec, connectors))])
        )
    except (TypeError, ValueError):
        return ""


def _declared(spec: Spec, connectors: Mapping[str, Connector]) -> Iterator[Any]:
    for system in spec.systems.values():
        connector = connectors.get(system.connector)
        if connector is not None:
            yield connector.options_schema, _built_in(connector, system, [])


#: Sets in one order, whatever the process.
_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=repr)


def read_expressions(
    macros: Sequence[MacroSource], filters: Mapping[str, Filter]
) -> tuple[Expressions, list[Problem]]:
    """The expressions of a spec with the macro files it imports; a file that cannot be used is left out and
    told."""
    good: list[MacroFile] = []
    problems: list[Problem] = []
    expressions = Expressions(filters)
    for macro in macros:
        file = MacroFile(macro.file, macro.source)
        with_it = Expressions(filters, [*good, file])
        try:
            with_it.load()
        except ExpressionError as error:
            problems.append(_problem(macro.place, "bad-macros", error.message, error.suggestion))
        else:
            good.append(file)
            expressions = with_it
    return expressions, problems


def check_options(system: System, connector: Connector) -> list[Problem]:
    """The system's own options against what the connector takes; values that come from the environment and
    are not set are not judged."""
    try:
        validator = make_validator(connector.options_schema)
    except ValueError as bad:
        return [_broken(system, f"its options_schema is no JSON Schema: {bad}")]
    tree = Map(system.place, {key: _entry(system, key, value) for key, value in system.options.items()})
    problems = []
    for finding in schema_findings(validator, tree):
        unset = _unset(system.options.get(str(finding.path[0])) if finding.path else None)
        if not unset:
            problems.append(_option_problem(finding.problem, system))
    return problems


def _option_problem(problem: Problem, system: System) -> Problem:
    if problem.code == "unknown-key":
        message = f"{problem.message.removesuffix(' in the spec')}: {system.connector} has no such option"
        return _problem(problem.place, "unknown-option", message, problem.suggestion)
    if problem.code == "missing-key":
        message = problem.message.replace("the spec", system.name, 1)
        return _problem(problem.place, "missing-option", message, problem.suggestion)
    return _problem(problem.place, "bad-option", problem.message, problem.suggestion)


def _entry(system: System, key: str, value: object) -> Entry:
    place = system.option_places.get(key, (system.place, system.place))
    return Entry(place[0], _node(value, place[1]))


def _node(value: object, place: Place) -> Node:
    if isinstance(value, EnvText):
        names = value.unset({})
        return Scalar(value.place, None if names else value.value({}))
    if isinstance(value, Mapping):
        return Map(place, {str(key): Entry(place, _node(each, place)) for key, each in value.items()})
    if isinstance(value, list):
        return List(place, tuple(_node(each, place) for each in value))
    return Scalar(place, value, str(value)) if isinstance(value, (str, int, Decimal)) else Scalar(place, None)


def _unset(value: object) -> bool:
    """Whether part of an option's value is not known before it is used."""
    if isinstance(value, EnvText):
        return bool(value.unset({}))
    if isinstance(value, Mapping):
        return any(_unset(each) for each in value.values())
    return isinstance(value, list) and any(_unset(each) for each in value)


# --- systems -----------------------------------------------------------------------------------------


def _unknown_connector(system: System, connectors: Mapping[str, Connector]) -> Problem:
    near = did_you_mean(system.connector, connectors, what="installed connectors")
    return _problem(
        system.place,
        "unknown-connector",
        f"no installed distribution has a connector {system.connector}",
        near or "install the distribution that has it",
    )


def _broken(system: System, what: str) -> Problem:
    return _problem(
        system.place,
        "broken-connector",
        f"the connector {system.connector} is at fault: {what}",
        "tell its author",
    )


def _built_in(connector: Connector, system: System, problems: list[Problem]) -> Catalogue | None:
    try:
        return connector.catalogue_for(system.options)
    except Exception as bad:  # a plugin's own code: its fault must not hide what else is wrong
        problems.append(_broken(system, f"its catalogue cannot be read ({type(bad).__name__})"))
        return None


def _check_declared(system: System, catalogue: Catalogue) -> Iterator[Problem]:
    names = [remote.name for remote in catalogue.modules]
    for module, fields in system.fields.items():
        if module in names:
            continue
        place = min(own.place for own in fields.values()) if fields else system.place
        yield _problem(
            place,
            "unknown-remote-module",
            f"{system.name} has no remote module {module}, so these fields belong to nothing",
            did_you_mean(module, names, what="remote modules"),
        )


# --- modules -----------------------------------------------------------------------------------------


def _check_shared_ends(spec: Spec) -> Iterator[Problem]:
    """Two modules over the same records would each link and write them."""
    seen: dict[tuple[str, str], tuple[Module, End]] = {}
    for module in spec.modules.values():
        if not module.enabled:
            continue
        for end in (module.left, module.right):
            first = seen.setdefault((end.system, end.module), (module, end))[0]
            if first is module:
                continue
            pair = {(e.system, e.module) for e in (first.left, first.right)}
            same = pair == {(e.system, e.module) for e in (module.left, module.right)}
            if same and end is module.right:
                continue  # told once, at the left end
            if {module.left.system, module.right.system} != {first.left.system, first.right.system}:
                continue  # a third system: :func:`check_writers` says what that takes
            split = end.system in module.where and end.system in first.where
            yielding = first.name == module.yields_to or module.name == first.yields_to
            if not split and not (yielding and not same):
                yield _problem(
                    end.place,
                    "shared-end",
                    f"{module.name} and {first.name} both keep {end.system}.{end.module} in step"
                    + (" with the same remote module" if same else ""),
                    f"disable one, or give both a where for {end.system} so that they share no record",
                    Severity.ERROR if same else Severity.WARNING,
                )


def _check_module(
    spec: Spec,
    module: Module,
    catalogues: Mapping[str, Catalogue],
    live: Collection[str],
    expressions: Expressions,
    *,
    complete: bool,
) -> Iterator[Problem]:
    remotes: list[RemoteModule | None] = []
    for end in (module.left, module.right):
        catalogue = catalogues.get(end.system)
        remote = find_remote(catalogue, end) if catalogue is not None else None
        if catalogue is not None and remote is None:
            yield _unknown_remote(end, catalogue)
        if remote is not None:
            if end.system not in live:  # what an organisation has is not overlaid with what the spec says
                remote = with_declared(remote, spec.systems[end.system].fields.get(end.module, {}))
            yield from _check_items(end, catalogue)
            yield from _check_abilities(module, end, remote)
        remotes.append(remote)
    yield from MapChecks(spec, module, (remotes[0], remotes[1]), expressions).problems(complete=complete)


def _check_items(end: End, catalogue: Catalogue | None) -> Iterator[Problem]:
    """What the spec says of a list whose items are records, and what it leaves out."""
    nesting = nesting_of(catalogue, end) if catalogue is not None else None
    if nesting is None:
        if end.items is not None:
            place = end.items.places.get("", end.place)
            message = f"{end.system}.{end.module} is no list inside records, so it has no items"
            yield _problem(place, "items-of-nothing", message, "drop items, or name the list in between")
        return
    if nesting.list.item_id is None and not nesting.keys:
        message = f"the items of {end.module} have no id of their own"
        fix = f"say what tells them apart: items: {{{end.system}: {{key: [{nesting.list.fields[0].name}]}}}}"
        yield _problem(end.place, "items-key", message, fix)
    for name, message, names in unknown_names(nesting):
        place = end.items.places.get(name, end.place) if end.items is not None else end.place
        yield _problem(place, "unknown-field", message, did_you_mean(name, names, what="fields"))


def _unknown_remote(end: End, catalogue: Catalogue) -> Problem:
    names = [remote.name for remote in catalogue.modules if not remote.lookup]
    return _problem(
        end.place,
        "unknown-remote-module",
        f"{end.system} has no remote module {end.module}",
        did_you_mean(end.module, names, what="remote modules"),
    )


def _check_abilities(module: Module, end: End, remote: RemoteModule) -> Iterator[Problem]:
    """What the module asks of an end against what can be done with its records."""
    able = remote.capabilities
    if remote.lookup:
        yield _problem(
            end.place,
            "lookup-module",
            f"{end.system}.{remote.name} is reference data: it can be referred to, but not kept in step",
            "choose another remote module",
        )
        return
    side = 0 if end is module.left else 1
    writes = flows_to(module.direction, side) and any(
        flows_to(m.direction, side) for m in module.fields.values()
    )
    if writes and not able.create_batch and not able.update_batch:
        other = (module.right, module.left)[side]
        yield _problem(
            end.place,
            "read-only-module",
            f"{end.system}.{remote.name} cannot be written",
            f'direction: "{end.system} -> {other.system}"',
        )
    rule = module.deletes[end.system]
    can = {DeleteRule.ARCHIVE: able.archive, DeleteRule.VOID: able.void, DeleteRule.DELETE: able.delete}
    if not can.get(rule, True):
        others = [str(each) for each in DeleteRule if can.get(each, True)]
        yield _problem(
            module.delete_places.get(end.system, end.place),
            "cannot-delete",
            f"records of {end.system}.{remote.name} cannot be {_PAST[rule]}",
            f"deletes: {{{end.system}: {' or '.join(others)}}}",
        )


_PAST = {DeleteRule.ARCHIVE: "archived", DeleteRule.VOID: "voided", DeleteRule.DELETE: "deleted"}


def _problem(
    place: Place, code: str, message: str, suggestion: str = "", severity: Severity = Severity.ERROR
) -> Problem:
    return Problem(place=place, code=code, message=message, suggestion=suggestion, severity=severity)
