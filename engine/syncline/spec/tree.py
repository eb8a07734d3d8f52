"""A YAML document as a tree of nodes that know where they stand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from syncline.spec.problems import Place

Plain = str | int | Decimal | bool | None
Path = tuple[str | int, ...]

#: Where a piece of a text begins: (offset in the text, line, column).
Mark = tuple[int, int, int]


class Scalar(Struct, frozen=True):
    """One value. ``raw``: the characters the author wrote, without quotes. ``plain``: written without quotes.

    ``marks``: where each stretch of the text begins that stands unbroken in the file; the first one is the
    place of the text's first character (behind the quote, or on the line below a ``|``).
    """

    place: Place
    value: Plain
    raw: str = ""
    plain: bool = True
    marks: tuple[Mark, ...] = ()

    @property
    def size(self) -> int:
        return 1

    def at(self, offset: int) -> Place:
        """The place of the character at ``offset`` of the text."""
        return place_at(self.place, self.marks, offset)


class Entry(Struct, frozen=True):
    """One ``key: value`` of a map."""

    key_place: Place
    node: Node


class Map(Struct, frozen=True):
    """A map in the author's order. ``size``: how many nodes it is, aliases expanded."""

    place: Place
    entries: Mapping[str, Entry] = field(default_factory=dict)
    size: int = 1


class List(Struct, frozen=True):
    """A list. ``size``: how many nodes it is, aliases expanded."""

    place: Place
    items: Sequence[Node] = ()
    size: int = 1


Node = Scalar | Map | List


def place_at(start: Place, marks: tuple[Mark, ...], offset: int) -> Place:
    """The place of the character at ``offset`` of a text that begins at ``start`` and is laid out by
    ``marks``."""
    if not marks:
        return Place(start.file, start.line, start.column + offset)
    at, line, column = marks[max(0, bisect_right(marks, offset, key=lambda mark: mark[0]) - 1)]
    return Place(start.file, line, column + max(0, offset - at))


def plain_data(node: Node) -> Any:
    """The node as dicts, lists and scalars, without places."""
    if isinstance(node, Map):
        return {key: plain_data(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, List):
        return [plain_data(item) for item in node.items]
    return node.value


def step(node: Node, key: str | int) -> tuple[Place, Node] | None:
    """The child under ``key`` with the place that names it (its key; a list item: itself), if there is
    one."""
    if isinstance(node, Map) and isinstance(key, str):
        entry = node.entries.get(key)
        return None if entry is None else (entry.key_place, entry.node)
    if isinstance(node, List) and isinstance(key, int) and 0 <= key < len(node.items):
        return node.items[key].place, node.items[key]
    return None


def find(root: Node, path: Sequence[str | int]) -> Node | None:
    """The node at ``path``, if there is one. Asked thousands of times a spec, so without :func:`step`."""
    node: Node = root
    for key in path:
        if type(node) is Map:
            entry = node.entries.get(key)  # type: ignore[arg-type]  # a number is no key
            if entry is None:
                return None
            node = entry.node
        elif type(node) is List and isinstance(key, int) and 0 <= key < len(node.items):
            node = node.items[key]
        else:
            return None
    return node


def name_place(root: Node, path: Sequence[str | int]) -> Place:
    """Where the thing at ``path`` is named: its key; as far down as the path leads."""
    node, place = root, root.place
    for key in path:
        child = step(node, key)
        if child is None:
            break
        place, node = child
    return place


def value_place(root: Node, path: Sequence[str | int]) -> Place:
    """Where the value at ``path`` begins; the nearest name above it when there is none.

    A block map has no visible beginning of its own, so a map stands where its key does.
    """
    node = find(root, path)
    if isinstance(node, Scalar) and node.value is not None:
        return node.place
    return name_place(root, path)


def without(node: Node, doomed: AbstractSet[Path], path: Path = ()) -> Node:
    """The tree without the things at the paths in ``doomed``; ``path`` is the node's own."""
    if isinstance(node, Map):
        entries = {
            key: Entry(entry.key_place, without(entry.node, doomed, (*path, key)))
            for key, entry in node.entries.items()
            if (*path, key) not in doomed
        }
        return Map(node.place, entries, node.size)
    if isinstance(node, List):
        items = tuple(
            without(item, doomed, (*path, index))
            for index, item in enumerate(node.items)
            if (*path, index) not in doomed
        )
        return List(node.place, items, node.size)
    return node


def scalars(node: Node, path: Path = ()) -> Iterator[tuple[Path, Scalar]]:
    """Every scalar below the node with its path, in order."""
    if isinstance(node, Map):
        for key, entry in node.entries.items():
            yield from scalars(entry.node, (*path, key))
    elif isinstance(node, List):
        for index, item in enumerate(node.items):
            yield from scalars(item, (*path, index))
    else:
        yield path, node
