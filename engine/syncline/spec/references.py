"""How modules refer to one another through their field maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncline.spec.model import FieldMap, Module
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Problem

_SHOWN = 12


def all_maps(module: Module) -> Iterator[FieldMap]:
    """The field maps of a module, each followed by those of its items."""
    for fmap in module.fields.values():
        yield fmap
        yield from (fmap.each or {}).values()


def check_references(modules: Mapping[str, Module], known: frozenset[str]) -> list[tuple[str, Problem]]:
    """References to modules that do not exist, that join other systems or that go round in a circle, each
    with the module it stands in. ``known``: names of modules that exist but could not be read.

    A module may refer to itself: such a value is filled in once the other record is linked.
    """
    problems: list[tuple[str, Problem]] = []
    for module in modules.values():
        for fmap in all_maps(module):
            problem = _check(fmap, module, modules, known)
            if problem is not None:
                problems.append((module.name, problem))
    problems += _circles(modules)
    return problems


def _check(
    fmap: FieldMap, module: Module, modules: Mapping[str, Module], known: frozenset[str]
) -> Problem | None:
    if fmap.ref is None or (fmap.ref in known and fmap.ref not in modules):
        return None
    place = fmap.places.get("ref", fmap.place)
    if fmap.ref not in modules:
        return Problem(
            place=place,
            code="unknown-module",
            message=f"{fmap.name} refers to the module {fmap.ref}, which this spec does not have",
            suggestion=did_you_mean(fmap.ref, [*modules, *known], what="modules"),
        )
    other = modules[fmap.ref]
    ours, theirs = {module.left.system, module.right.system}, {other.left.system, other.right.system}
    if ours != theirs:
        return Problem(
            place=place,
            code="wrong-reference",
            message=f"{fmap.ref} joins {' and '.join(sorted(theirs))}, not {' and '.join(sorted(ours))}:"
            " its links cannot translate this value",
            suggestion="refer to a module between the same two systems",
        )
    return None


def _circles(modules: Mapping[str, Module]) -> list[tuple[str, Problem]]:
    """One problem for each circle, at the reference that closes it in the order of the spec."""
    problems: list[tuple[str, Problem]] = []
    done: set[str] = set()
    for start in modules:
        if start in done:
            continue
        # The way here, and the references of each module on it that are still to be followed. By hand and
        # not by recursion: a spec may chain more modules than Python nests calls.
        trail = {start: all_maps(modules[start])}
        while trail:
            name = next(reversed(trail))
            fmap = next(trail[name], None)
            if fmap is None:
                done.add(name)
                del trail[name]
            elif fmap.ref in trail and fmap.ref != name:
                problems.append((name, _circle(fmap, list(trail))))
            elif fmap.ref in modules and fmap.ref != name and fmap.ref not in done:
                trail[str(fmap.ref)] = all_maps(modules[str(fmap.ref)])
    return problems


def _circle(fmap: FieldMap, trail: list[str]) -> Problem:
    to = str(fmap.ref)
    circle = " -> ".join([*trail[trail.index(to) :], to][-_SHOWN:])
    return Problem(
        place=fmap.places.get("ref", fmap.place),
        code="reference-cycle",
        message=f"modules refer to one another in a circle: {circle}",
        suggestion="drop one of these references, or make it a computed field",
    )
