"""A base under other names: its systems as the spec that extends it calls them, its modules and tables with
a prefix.

Whatever names one of them in the grammar is renamed with it, so that a base reads as if it had been written
with these names. Each value keeps its place in the base's own file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from syncline.spec.tree import Entry, List, Map, Mark, Node, Scalar, place_at

_WORD = re.compile(r"[A-Za-z0-9_-]+")
#: A look-up in a table within an expression: the names of the table and of two of its columns.
_TEXT = r"""(?:'[^']*'|"[^"]*")"""
_LOOK_UP = re.compile(rf"\btable\(\s*({_TEXT})\s*,\s*({_TEXT})\s*,\s*({_TEXT})\s*\)")

_Change = Callable[[Node], Node]


class Renaming(Struct, frozen=True):
    """``systems``: pairs of a name in the base and the name here; ``prefix``: put before the names of its
    modules and tables."""

    systems: tuple[tuple[str, str], ...] = ()
    prefix: str = ""

    def system(self, name: str) -> str:
        return dict(self.systems).get(name, name)

    def prefixed(self, name: str) -> str:
        return self.prefix + name


def rename(tree: Map, names: Renaming) -> Map:
    """The document of a base under these names."""
    by_system = partial(_keys, names.system)
    expressions = partial(_keys, names.system, change=partial(_expression, names))
    system = partial(_text, names.system)
    prefixed = partial(_text, names.prefixed)
    arrow = partial(_text, lambda text: _WORD.sub(lambda word: names.system(word[0]), text))
    conflicts = _options({"prefer": system})

    def fields(node: Node) -> Node:
        return _each(node, field_map)

    field_options: dict[str, _Change] = {
        "to": expressions,
        "taken": expressions,
        "otherwise": by_system,
        "direction": arrow,
        "conflicts": conflicts,
        "ref": prefixed,
        "each": fields,
        "values": lambda node: prefixed(node) if isinstance(node, Scalar) else _items(node, by_system),
        **dict.fromkeys(("key", "enforce", "tolerance"), _as_it_is),
    }
    field_map = _options(field_options, names.system)
    likely = _options({"block": lambda node: _items(node, by_system)})
    rule = _options({"agree": _as_it_is, "likely": likely}, names.system)
    module = _options(
        {
            **dict.fromkeys(("between", "deletes", "items"), by_system),
            **dict.fromkeys(("where", "creates", "recheck"), expressions),
            "direction": arrow,
            "conflicts": conflicts,
            "owner": system,
            "yields_to": prefixed,
            "match": lambda node: _items(node, rule),
            "reconcile": _options({"void": expressions}),
            "fields": fields,
        }
    )
    table = _options({"fields": by_system, "rows": lambda node: _each(node, by_system)})
    document = _options(
        {
            "systems": by_system,
            "conflicts": conflicts,
            "tables": partial(_keys, names.prefixed, change=table),
            "modules": partial(_keys, names.prefixed, change=module),
        }
    )
    changed = document(tree)
    assert isinstance(changed, Map)
    return changed


def _as_it_is(node: Node) -> Node:
    return node


def _keys(name: Callable[[str], str], node: Node, change: _Change = _as_it_is) -> Node:
    """A map under other keys, its values changed; anything else, which is a mistake, as it is."""
    if not isinstance(node, Map):
        return node
    entries = {name(key): Entry(entry.key_place, change(entry.node)) for key, entry in node.entries.items()}
    return Map(node.place, entries, node.size)


def _each(node: Node, change: _Change) -> Node:
    """A map whose keys are its author's, its values changed."""
    return _keys(str, node, change)


def _items(node: Node, change: _Change) -> Node:
    if not isinstance(node, List):
        return node
    return List(node.place, tuple(change(item) for item in node.items), node.size)


def _options(options: Mapping[str, _Change], other: Callable[[str], str] = str) -> _Change:
    """What changes a map of options, each by its key; ``other`` names all its other keys."""

    def change(node: Node) -> Node:
        if not isinstance(node, Map):
            return node
        entries = {}
        for key, entry in node.entries.items():
            if key in options:
                entries[key] = Entry(entry.key_place, options[key](entry.node))
            else:
                entries[other(key)] = entry
        return Map(node.place, entries, node.size)

    return change


def _text(name: Callable[[str], str], node: Node) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    return replace(node, value=name(node.value))


def _expression(names: Renaming, node: Node) -> Node:
    """An expression with the tables and columns that it looks up under their names here; what stands behind
    one keeps its place."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    text, done, told = "", 0, node.value
    moved: list[tuple[int, int]] = [(0, 0)]  # from which offset on of the new text, and of the old one
    for found in _LOOK_UP.finditer(told):
        for group, name in ((1, names.prefixed), (2, names.system), (3, names.system)):
            start, end = found.start(group) + 1, found.end(group) - 1
            text += told[done:start] + name(told[start:end])
            done = end
            moved.append((len(text), end))
    text += told[done:]
    return node if text == told else replace(node, value=text, marks=_marks(node, moved))


def _marks(node: Scalar, moved: list[tuple[int, int]]) -> tuple[Mark, ...]:
    """How the new text is laid out in the file: the old marks, and one behind each name that changed."""
    marks: list[Mark] = []
    for (begin, old), (_, until) in zip(moved, [*moved[1:], (0, 1 << 62)], strict=True):
        place = place_at(node.place, node.marks, old)
        marks.append((begin, place.line, place.column))
        marks += [(begin + at - old, line, column) for at, line, column in node.marks if old < at < until]
    return tuple(marks)
