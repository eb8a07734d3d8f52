"""Keys that no rule of the schema can judge: those of maps that are keyed by the module's own systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Problem
from syncline.spec.schema import Finding, known_keys, unknown_key
from syncline.spec.tree import List, Map, Node, Path, find, name_place

#: Options of a module, and of a field map, that take a map of systems.
_BY_SYSTEM = ("where", "recheck", "creates", "deletes")


def stray_keys(root: Map) -> list[Finding]:
    """Every key of a field map or match rule that is neither an option nor one of the module's systems, and
    every key of a map of systems that is none of them."""
    modules = find(root, ("modules",))
    if not isinstance(modules, Map):
        return []
    systems = find(root, ("systems",))
    declared = list(systems.entries) if isinstance(systems, Map) else []
    found: list[Finding] = []
    for name in modules.entries:
        found += _in_module(root, ("modules", name), declared)
    return found


def _in_module(root: Map, path: Path, declared: Sequence[str]) -> Iterator[Finding]:
    between = find(root, (*path, "between"))
    # Without both ends any declared system may be meant; what is wrong with `between` is told elsewhere.
    ends = list(between.entries) if isinstance(between, Map) and len(between.entries) == 2 else list(declared)
    for option in _BY_SYSTEM:
        yield from _systems_only(root, (*path, option), ends)
    yield from _systems_only(root, (*path, "reconcile", "void"), ends)
    for index, rule in _items(find(root, (*path, "match"))):
        likely = isinstance(rule, Map) and "likely" in rule.entries
        yield from _keys(root, (*path, "match", index), ["likely"] if likely else [*ends, "agree", "likely"])
        inside: Path = (*path, "match", index, "likely", "block")
        for number, _ in _items(find(root, inside)):
            yield from _keys(root, (*inside, number), ends)
    fields = find(root, (*path, "fields"))
    for name in fields.entries if isinstance(fields, Map) else ():
        yield from _in_map(root, (*path, "fields", name), ends, "fieldMap")
        each = find(root, (*path, "fields", name, "each"))
        for inner in each.entries if isinstance(each, Map) else ():
            yield from _in_map(root, (*path, "fields", name, "each", inner), ends, "itemMap")


def _in_map(root: Map, path: Path, ends: Sequence[str], definition: str) -> Iterator[Finding]:
    yield from _keys(root, path, [*ends, *known_keys(definition)])
    yield from _systems_only(root, (*path, "to"), ends)
    yield from _systems_only(root, (*path, "otherwise"), ends)
    yield from _systems_only(root, (*path, "taken"), ends)
    for index, _ in _items(find(root, (*path, "values"))):
        yield from _systems_only(root, (*path, "values", index), ends)


def _keys(root: Map, path: Path, known: Sequence[str]) -> Iterator[Finding]:
    node = find(root, path)
    for key in node.entries if isinstance(node, Map) else ():
        if key not in known:
            yield Finding(unknown_key(key, known, root, path), (*path, key))


def _systems_only(root: Map, path: Path, ends: Sequence[str]) -> Iterator[Finding]:
    node = find(root, path)
    for key in node.entries if isinstance(node, Map) else ():
        if key not in ends:
            yield Finding(unknown_system(key, ends, root, (*path, key)), (*path, key))


def unknown_system(name: str, known: Sequence[str], root: Node, path: Path) -> Problem:
    """A name that should be one of some systems; ``path`` leads to where it stands as a key."""
    return Problem(
        place=name_place(root, path),
        code="unknown-system",
        message=f"{name} is not a system here",
        suggestion=did_you_mean(name, known, what="systems"),
    )


def _items(node: Node | None) -> Iterator[tuple[int, Node]]:
    if isinstance(node, List):
        yield from enumerate(node.items)
