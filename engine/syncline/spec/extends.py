"""What ``extends`` says: the bases of a spec, in their order, and under which names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, field

from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Place, Problem
from syncline.spec.renaming import Renaming
from syncline.spec.tree import Entry, List, Map, Node, Scalar

_KEYS = ("base", "systems", "prefix")
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,30}")


class BaseLink(Struct, frozen=True):
    """One base: its name or path as written, and the names that it goes by here. ``renamed``: of each of its
    systems that has another name here, where that is said."""

    base: Scalar
    names: Renaming = field(default_factory=Renaming)
    renamed: tuple[tuple[str, Place], ...] = ()

    @property
    def name(self) -> str:
        return str(self.base.value)

    @property
    def place(self) -> Place:
        return self.base.place


def read_extends(entry: Entry | None) -> list[BaseLink | Problem]:
    """The bases that an ``extends`` names, lowest first, or what is wrong with one; empty without any."""
    node = None if entry is None else entry.node
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return []
    if isinstance(node, List) and node.items:
        return [_link(item, item.place) for item in node.items]
    return [_link(node, entry.key_place if entry is not None and isinstance(node, Map) else node.place)]


def _link(node: Node, place: Place) -> BaseLink | Problem:
    if isinstance(node, Map):
        return _named(node, place)
    if isinstance(node, List) or not isinstance(node.value, str) or not node.value:
        kind = "a list here" if isinstance(node, List) else node.raw or "nothing"
        return _wrong(place, f"extends takes names of bases and paths to their files, not {kind}")
    return BaseLink(node)


def _named(node: Map, place: Place) -> BaseLink | Problem:
    for key, entry in node.entries.items():
        if key not in _KEYS:
            near = did_you_mean(key, _KEYS, what="keys here")
            return Problem(
                place=entry.key_place,
                code="unknown-key",
                message=f"a base has no key {key} here",
                suggestion=near,
            )
    base, prefix, systems = (node.entries.get(key) for key in ("base", "prefix", "systems"))
    if base is None or not isinstance(base.node, Scalar) or not _text(base.node):
        return _wrong(base.key_place if base else place, "a base is named under the key base")
    if prefix is not None and not _PREFIX.fullmatch(_text(prefix.node)):
        return _wrong(prefix.node.place, "a prefix is lower-case letters, digits, - and _", "prefix: books_")
    pairs: dict[str, str] = {}
    places: dict[str, Place] = {}
    if systems is not None and not isinstance(systems.node, Map):
        return _wrong(systems.node.place, "systems takes a map of the base's systems to their names here")
    for name, entry in systems.node.entries.items() if systems and isinstance(systems.node, Map) else ():
        if not _text(entry.node):
            return _wrong(
                entry.key_place, f"what {name} is called here is text", f"systems: {{{name}: books}}"
            )
        pairs[name], places[name] = _text(entry.node), entry.node.place
    names = Renaming(tuple(pairs.items()), _text(prefix.node) if prefix else "")
    return BaseLink(base.node, names, tuple(places.items()))


def check_renamed(link: BaseLink, systems: Sequence[str]) -> list[Problem]:
    """What is wrong with the names that the systems of a base are given: there is none of that name, or two
    would have one."""
    problems = []
    for name, place in link.renamed:
        new = link.names.system(name)
        if name not in systems:
            message = f"{link.name} has no system {name}"
            near = did_you_mean(name, systems, what="its systems")
        elif [link.names.system(each) for each in systems].count(new) > 1:
            message, near = f"two systems of {link.name} would be called {new}", "give each a name of its own"
        else:
            continue
        problems.append(Problem(place=place, code="unknown-system", message=message, suggestion=near))
    return problems


def _text(node: Node) -> str:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def _wrong(place: Place, message: str, suggestion: str = "extends: ./base.yaml") -> Problem:
    return Problem(place=place, code="wrong-type", message=message, suggestion=suggestion)
