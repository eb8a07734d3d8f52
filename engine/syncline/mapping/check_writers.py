"""Whether records that several modules write have one owner."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations

from msgspec import Struct

from syncline.mapping.paths import PathError, parse_path
from syncline.spec.model import Direction, End, EnvText, FieldMap, Module, Spec
from syncline.spec.owners import nodes_of, towards_owner
from syncline.spec.parse import flows_to
from syncline.spec.problems import Problem

_SHOWN = 3

#: What tells one organisation from another: within a spec its system's name will do.
Identity = Callable[[Spec, str], Hashable]


class _Writer(Struct, frozen=True):
    """A module with one of its ends, seen from a spec."""

    spec: Spec
    module: Module
    end: End

    @property
    def side(self) -> int:
        return 0 if self.end is self.module.left else 1

    @property
    def source(self) -> str:
        return (self.module.right if self.side == 0 else self.module.left).system

    def written(self) -> Iterator[tuple[FieldMap, tuple[tuple[str, str | None], ...]]]:
        """The maps that write this end, each with the steps of its path there."""
        for fmap in self.module.fields.values():
            text = (fmap.left, fmap.right)[self.side]
            if text is None or not flows_to(fmap.direction, self.side):
                continue
            try:
                path = parse_path(text)
            except PathError:  # told where paths are checked
                continue
            yield fmap, tuple((step.name, step.item) for step in path.steps)

    def where(self) -> str | None:
        rule = self.module.where.get(self.end.system)
        return None if rule is None else "".join(rule.source.split())


def check_writers(spec: Spec) -> Iterator[Problem]:
    """Modules of one spec that write the same fields of the same records, each from another system: they need
    an owner, the same for all, that every conflict rule follows, and to which only one way leads."""
    writers = _writers(spec)
    joined: list[set[str]] = []
    for one, other in combinations(writers, 2):
        if one.module is other.module or one.end.system != other.end.system:
            continue
        pairs = _both_write(one, other)
        if one.source == other.source or not pairs:
            continue
        problem = _unowned(one, other, pairs, lambda _, system: system)
        if problem is not None:
            yield problem
            continue
        for writer, fmap in [(one, a) for a, _ in pairs] + [(other, b) for _, b in pairs]:
            yield from _overruled(writer, fmap)
        joined = _joined(joined, {one.module.name, other.module.name})
    for names in joined:
        yield from _circle([spec.modules[name] for name in spec.modules if name in names])


def check_writers_across(specs: Sequence[Spec]) -> Iterator[Problem]:
    """The same of modules in several specs, as far as these name the organisations of their systems."""
    for spec, later in combinations(specs, 2):
        if spec.name == later.name:
            continue  # one client at two stages: it is never both at work
        for one in _writers(spec):
            for other in _writers(later):
                here, there = _organisation(spec, one.end.system), _organisation(later, other.end.system)
                if here is None or here != there:
                    continue
                if pairs := _both_write(one, other):
                    problem = _unowned(one, other, pairs, _organisation)
                    if problem is not None:
                        yield problem


def _writers(spec: Spec) -> list[_Writer]:
    modules = [module for module in spec.modules.values() if module.enabled]
    return [_Writer(spec, module, end) for module in modules for end in (module.left, module.right)]


def _organisation(spec: Spec, name: str) -> Hashable | None:
    """Who is behind a system, as the spec names it; ``None`` where it does not, or the environment does."""
    system = spec.systems[name]
    said = system.organisation
    if said is None or not said.literal or not said.raw.strip():
        return None
    address = system.base_url.raw if isinstance(system.base_url, EnvText) else ""
    return (system.connector, address, " ".join(said.raw.split()).casefold())


def _both_write(one: _Writer, other: _Writer) -> list[tuple[FieldMap, FieldMap]]:
    """The maps of two modules that write the same field of the same remote module; none where each keeps
    records of its own, by another `where`."""
    if one.end.module != other.end.module:
        return []
    wheres = (one.where(), other.where())
    if None not in wheres and wheres[0] != wheres[1]:
        return []
    if one.spec is other.spec and (
        one.module.yields_to == other.module.name or other.module.yields_to == one.module.name
    ):
        return []
    theirs = list(other.written())
    return [
        (mine, map_)
        for mine, steps in one.written()
        for map_, own in theirs
        if steps[: len(own)] == own or own[: len(steps)] == steps
    ]


def _unowned(
    one: _Writer, other: _Writer, pairs: Sequence[tuple[FieldMap, FieldMap]], identity: Identity
) -> Problem | None:
    """That two writers of the same records do not name the same owner."""
    owners = (one.module.owner, other.module.owner)
    if owners[0] is not None and owners[1] is not None:
        known = (identity(one.spec, owners[0]), identity(other.spec, owners[1]))
        if known[0] is not None and known[0] == known[1]:
            return None
        why = f"{one.module.name} says that {owners[0]} owns them, {other.module.name} that {owners[1]} does"
    else:
        why = "nobody says whose word counts"
    end = other.end
    names = [str((b.left, b.right)[other.side]) for _, b in pairs]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    fields = ", ".join(names[:_SHOWN]) + more
    first = pairs[0][1]
    elsewhere = "" if one.spec is other.spec else f" of {one.spec.file}"
    return Problem(
        place=first.places.get(end.system, first.place),
        code="two-writers",
        message=f"{other.module.name} writes {end.system}.{end.module} ({fields}) from {other.source}, and"
        f" {one.module.name}{elsewhere} does from {one.source}: {why}",
        suggestion=f"name the owner of these records in both modules, owner: {end.system} for one;"
        f' or let one of them only read: direction: "{end.system} -> {other.source}"',
    )


def _overruled(writer: _Writer, fmap: FieldMap) -> Iterator[Problem]:
    """That a conflict rule takes another side than the owner's."""
    module = writer.module
    end = towards_owner(module, writer.spec.modules)
    if end is None:
        yield Problem(
            place=module.owner_place or module.place,
            code="two-writers",
            message=f"{module.owner} owns the records of {module.name}, but no module with that owner joins"
            f" it with {module.left.system} or {module.right.system}",
            suggestion=f"owner: {module.left.system} or {module.right.system}",
        )
        return
    rule = fmap.conflicts or module.conflicts
    if fmap.direction is Direction.BOTH and rule.prefer not in (end, "ask"):
        yield Problem(
            place=rule.place,
            code="two-writers",
            message=f"in {module.name} {fmap.name} prefers {rule.prefer}, but {module.owner} owns these"
            f" records, and {end} has its word",
            suggestion=f"drop this rule, or prefer: {end}",
        )


def _joined(groups: list[set[str]], names: set[str]) -> list[set[str]]:
    touching = [group for group in groups if group & names]
    return [group for group in groups if not group & names] + [names.union(*touching)]


def _circle(modules: Sequence[Module]) -> Iterator[Problem]:
    """That the same value reaches a system by two ways, which meet there and answer each other."""
    nodes = {node for module in modules for node in nodes_of(module)}
    if len(modules) >= len(nodes):
        last = modules[-1]
        names = ", ".join(module.name for module in modules)
        yield Problem(
            place=last.place,
            code="two-writers",
            message=f"{names} go round in a circle: a value comes to {last.right.system} by two ways",
            suggestion="leave one of them out (enabled: false): what one system is told, the others hear too",
        )
