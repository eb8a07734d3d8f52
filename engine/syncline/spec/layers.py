"""A spec with the bases it extends, laid over one another.

``extends`` names bases: packaged ones by name, or files by a path relative to the file that says it. Of
several, each is laid over those before it; a base that more than one of them extends lies once, below them
all. Maps are merged key by key, ``null`` removes what the base has, the macro files of ``transforms`` add up,
anything else replaces it. Each value keeps the place of the file that it came from. A base's own ``spec``,
``name`` and ``extends`` are its own and are not inherited.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

from msgspec import Struct, field

from syncline.bundle import Kind, bundled
from syncline.spec.extends import BaseLink, check_renamed, read_extends
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Place, Problem, Severity
from syncline.spec.renaming import Renaming, rename
from syncline.spec.source import MAX_BYTES, Source, decode, read_tree, too_big
from syncline.spec.tree import Entry, List, Map, Node, Scalar, find, plain_data
from syncline.spec.tree import Path as TreePath

MAX_LAYERS = 10
_OWN_KEYS = ("spec", "name", "extends")
_ENDINGS = (".yaml", ".yml")


class Layered(Struct, frozen=True):
    """The merged document (``None``: a layer could not be read), the problems, and every file read, by the
    name that places use, the spec's own first: its text, and the folder that it is in (``None``: not a plain
    file)."""

    tree: Map | None
    problems: tuple[Problem, ...]
    sources: Mapping[str, Source]
    folders: Mapping[str, Path | None]


class _Document(Struct, frozen=True):
    """One file as read. ``at``: where it is; ``identity``: the same for every way of naming the file."""

    at: Traversable | Path
    identity: str
    source: Source | None
    tree: Map | None
    problems: tuple[Problem, ...]


class Bases(Struct):
    """Where packaged bases are looked up, and the files already read.

    ``bundles``: folders that hold ``specs/``, beside the engine's own. One object serves many specs: a base
    that they share is read once.
    """

    bundles: Sequence[Traversable | Path] = ()
    _read: dict[str, _Document] = field(default_factory=dict)

    def named(self, kind: Kind, name: str, ending: str) -> list[Traversable | Path]:
        """The packaged files of that name; two when bundles clash."""
        found = (folder / f"{name}{ending}" for folder in self._folders(kind))
        return [each for each in found if each.is_file()]

    def names(self, kind: Kind, ending: str) -> list[str]:
        """Every packaged file of a kind, without its ending."""
        return sorted(
            {
                each.name.removesuffix(ending)
                for folder in self._folders(kind)
                if folder.is_dir()
                for each in folder.iterdir()
                if each.name.endswith(ending)
            }
        )

    def read(self, at: Traversable | Path, file: str) -> _Document:
        """The file at that location, from memory if it was read before under the same name."""
        if file not in self._read:
            self._read[file] = _read(at, file)
        return self._read[file]

    def _folders(self, kind: Kind) -> list[Traversable | Path]:
        return [bundled(kind), *(bundle / kind for bundle in self.bundles)]


class _Layer(Struct, frozen=True):
    """A document under the names that it has in the spec. ``below``: its bases, theirs included; ``asked``:
    where it is asked for."""

    document: _Document
    tree: Map
    names: tuple[Renaming, ...]
    below: frozenset[int]
    asked: Place

    def systems(self, outer: int) -> list[str]:
        """The systems that it names, as they are called before the last ``outer`` renamings."""
        node = find(self.document.tree, ("systems",)) if self.document.tree is not None else None
        found = list(node.entries) if isinstance(node, Map) else []
        for names in self.names[: len(self.names) - outer]:
            found = [names.system(each) for each in found]
        return found


def read_layers(path: Path | str, bases: Bases) -> Layered:
    """The spec at ``path`` merged with all it extends; never raises for what a file holds."""
    stack = _Stack(bases)
    # Not remembered: it may have changed when it is asked for again.
    whole = stack.lay(_read(Path(path), str(path)), (), (), Place(str(path), 1, 1)) is not None
    problems = stack.problems
    clashes = _clashes(stack.layers) if whole else []
    if not whole or clashes:
        return Layered(None, (*problems, *clashes), stack.sources, stack.folders)
    own = stack.layers[-1]
    merged = Map(stack.layers[0].tree.place)
    for layer in stack.layers:
        if layer is not own:
            problems += _check_version(layer.tree)
        overlay = layer.tree if layer is own else _without_own_keys(layer.tree)
        merged = merge(merged, _adding_up(merged, overlay), problems, inherits=layer is not stack.layers[0])
    entries = {key: entry for key, entry in merged.entries.items() if key != "extends"}
    # The order of the top is the asking file's to choose: it names the spec.
    first: dict[str, Entry] = {key: entries.pop(key) for key in ("spec", "name") if key in entries}
    merged = Map(own.tree.place, {**first, **entries}, merged.size)
    return Layered(merged, tuple(problems), stack.sources, stack.folders)


class _Stack(Struct):
    """The layers found so far, the lowest first; those still being read are in ``begun`` alone."""

    bases: Bases
    layers: list[_Layer] = field(default_factory=list)
    begun: int = 0
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    folders: dict[str, Path | None] = field(default_factory=dict)

    def lay(
        self, document: _Document, names: tuple[Renaming, ...], above: tuple[_Document, ...], asked: Place
    ) -> frozenset[int] | None:
        """Lays a document upon all it extends: the numbers of these layers, its own included. ``None``: one
        of them cannot be read, and ``problems`` has why."""
        for number, layer in enumerate(self.layers):
            if (layer.document.identity, layer.names) == (document.identity, names):
                return layer.below | {number}
        if self.begun >= MAX_LAYERS:
            self.problems.append(
                Problem(
                    place=asked,
                    code="extends-too-deep",
                    message=f"a spec has at most {MAX_LAYERS} layers, itself included",
                    suggestion="merge some of the bases into one",
                )
            )
            return None
        self.begun += 1
        source = document.source
        if source is None or source.file not in self.sources:
            self.problems += document.problems
        if source is not None:
            self.sources[source.file] = source
            self.folders[source.file] = document.at.parent if isinstance(document.at, Path) else None
        if document.tree is None:
            return None
        chain = (*above, document)
        below: frozenset[int] = frozenset()
        for link in read_extends(document.tree.entries.get("extends")):
            laid = self._lay_base(link, chain, names)
            if laid is None:
                return None
            below |= laid
        tree = document.tree
        for each in names:
            tree = rename(tree, each)
        self.layers.append(_Layer(document, tree, names, below, asked))
        return below | {len(self.layers) - 1}

    def _lay_base(
        self, link: BaseLink | Problem, chain: tuple[_Document, ...], names: tuple[Renaming, ...]
    ) -> frozenset[int] | None:
        found = link if isinstance(link, Problem) else _base(link, chain, self.bases)
        if isinstance(found, Problem):
            self.problems.append(found)
        if isinstance(found, Problem) or isinstance(link, Problem):
            return None
        under = (link.names, *names) if link.names != Renaming() else names
        laid = self.lay(found, under, chain, link.place)
        if laid is not None:
            systems = {
                system: None for number in sorted(laid) for system in self.layers[number].systems(len(under))
            }
            self.problems += check_renamed(link, list(systems))
        return laid


def _clashes(layers: Sequence[_Layer]) -> list[Problem]:
    """The bases that mean different things by one name, though neither extends the other: laid over one
    another they would be something that nobody wrote."""
    clashes: dict[Place, list[str]] = {}
    said: dict[TreePath, tuple[int, Entry]] = {}
    for number, layer in enumerate(layers):
        for path, entry in _identities(layer.tree):
            before = said.get(path)
            said[path] = (number, entry)
            if before is None or before[0] in layer.below:
                continue
            if plain_data(before[1].node) != plain_data(entry.node):
                there, here = (f"{_said(each.node)} ({each.key_place})" for each in (before[1], entry))
                what = f"{' '.join(map(str, path))} is {there} and {here}"
                clashes.setdefault(layer.asked, []).append(what)
    return [
        Problem(
            place=place,
            code="base-clash",
            message=f"two bases mean different things by one name: {found[0]}"
            + (f"; and {len(found) - 1} more" if len(found) > 1 else ""),
            suggestion="give what one of them has other names:"
            " {base: NAME, systems: {books: billing}, prefix: billing_}",
        )
        for place, found in clashes.items()
    ]


def _identities(tree: Map) -> Iterator[tuple[TreePath, Entry]]:
    """What makes a system, a module or a row of a table the one that it is."""
    for top, wanted in (("systems", "connector"), ("modules", "between")):
        for name, thing in _entries(tree.entries.get(top)):
            for option, entry in _entries(thing):
                if option == wanted:
                    yield (top, name, option), entry
    for name, table in _entries(tree.entries.get("tables")):
        rows = table.node.entries.get("rows") if isinstance(table.node, Map) else None
        for row, columns in _entries(rows):
            for column, entry in _entries(columns):
                yield ("tables", name, "rows", row, column), entry


def _said(node: Node) -> str:
    if isinstance(node, Map):
        return "{" + ", ".join(f"{key}: {_said(entry.node)}" for key, entry in node.entries.items()) + "}"
    return node.raw or str(node.value) if isinstance(node, Scalar) else "a list"


def _entries(entry: Entry | None) -> Iterable[tuple[str, Entry]]:
    return entry.node.entries.items() if entry is not None and isinstance(entry.node, Map) else ()


def _adding_up(base: Map, overlay: Map) -> Map:
    """The overlay with the base's macro files before its own: a base that is there needs its own ones."""
    old, new = base.entries.get("transforms"), overlay.entries.get("transforms")
    if old is None or new is None or not isinstance(old.node, List) or not isinstance(new.node, List):
        return overlay
    held = {_macro_file(item) for item in old.node.items}
    items = (*old.node.items, *(item for item in new.node.items if _macro_file(item) not in held))
    both = List(new.node.place, items, new.node.size + old.node.size)
    return Map(overlay.place, {**overlay.entries, "transforms": Entry(new.key_place, both)}, overlay.size)


def _macro_file(item: Node) -> tuple[object, str]:
    """What a name of ``transforms`` means: a path is relative to the file that says it."""
    value = item.value if isinstance(item, Scalar) else None
    return value, item.place.file if isinstance(value, str) and "/" in value else ""


def merge(base: Map, overlay: Map, problems: list[Problem] | None = None, *, inherits: bool = True) -> Map:
    """``overlay`` laid over ``base``: the base's order, new keys after it; the result holds no null but in
    lists.

    Reports a null that removes nothing; ``inherits``: there is a base at all, for the wording.
    """
    entries = dict(base.entries)
    size = base.size
    for key, entry in overlay.entries.items():
        old = entries.get(key)
        if isinstance(entry.node, Scalar) and entry.node.value is None:
            if old is not None:
                del entries[key]
                size -= old.node.size
            elif problems is not None:
                problems.append(_nothing_to_remove(key, entry, base, inherits))
            continue
        node = entry.node
        if isinstance(node, Map):
            below = old.node if old is not None and isinstance(old.node, Map) else Map(node.place)
            node = merge(below, node, problems, inherits=inherits and old is not None)
        # A value that the overlay changed is the overlay's: its key is where a reader looks.
        entries[key] = Entry(entry.key_place, node)
        size += node.size - (old.node.size if old is not None else 0)
    return Map(overlay.place, entries, size)


def _nothing_to_remove(key: str, entry: Entry, base: Map, inherits: bool) -> Problem:
    if not inherits:
        message, suggestion = f"{key} has no value", f"write a value, or delete {key}"
    else:
        message = f"null removes what the base has, but the base has no {key} here"
        suggestion = did_you_mean(key, base.entries) or f"delete {key}"
    return Problem(
        place=entry.key_place,
        code="nothing-to-remove",
        message=message,
        severity=Severity.WARNING,
        suggestion=suggestion,
    )


def _without_own_keys(tree: Map) -> Map:
    return Map(tree.place, {key: e for key, e in tree.entries.items() if key not in _OWN_KEYS}, tree.size)


def _check_version(tree: Map) -> list[Problem]:
    version = tree.entries.get("spec")
    if version is None or (isinstance(version.node, Scalar) and version.node.value == 1):
        return []
    return [
        Problem(
            place=version.node.place,
            code="wrong-value",
            message="this base is not written in version 1 of the grammar",
            suggestion="spec: 1",
        )
    ]


def _base(link: BaseLink, chain: Sequence[_Document], bases: Bases) -> _Document | Problem:
    """The file that a link means, or why there is none."""
    found = (
        _by_path(chain[-1], link.base, link.name)
        if "/" in link.name or link.name.endswith(_ENDINGS)
        else _by_name(link.base, link.name, bases)
    )
    if isinstance(found, Problem):
        return found
    at, file = found
    base = bases.read(at, file)
    if base.identity in [layer.identity for layer in chain]:
        steps = [_name(layer) for layer in chain] + [file]
        return Problem(
            place=link.place,
            code="extends-cycle",
            message=f"a spec cannot extend itself: {' -> '.join(steps)}",
            suggestion="delete one of these extends",
        )
    told = base.problems[0] if base.problems else None
    if told is not None and told.code == "cannot-read":  # told where the file is asked for
        return Problem(
            place=link.place, code="missing-base", message=told.message, suggestion=told.suggestion
        )
    return base


def _by_path(document: _Document, node: Scalar, name: str) -> tuple[Traversable | Path, str] | Problem:
    if not isinstance(document.at, Path):
        return Problem(
            place=node.place,
            code="missing-base",
            message="a base inside a packed distribution extends others by name only",
            suggestion="extends: NAME",
        )
    if "://" in name:
        return Problem(
            place=node.place,
            code="missing-base",
            message="a base is a file here or a packaged one; none is fetched from elsewhere",
            suggestion="extends: ./base.yaml",
        )
    at = Path(os.path.normpath(document.at.parent / name))
    if is_there(at) and not leads_to(at, _ENDINGS):
        # The lines of a base are shown with its mistakes: a spec must not be able to show a key file.
        return Problem(
            place=node.place,
            code="missing-base",
            message="a base is a .yaml file, and a link must lead to one",
            suggestion="extends: ./base.yaml",
        )
    if is_there(at):
        return at, str(at)
    siblings = [each.name for each in at.parent.glob("*.y*ml")] if at.parent.is_dir() else []
    near = did_you_mean(at.name, siblings, what="files there") if at.parent.is_dir() else ""
    return Problem(
        place=node.place,
        code="missing-base",
        message=f"there is no file {at}",
        suggestion=near or f"a path is relative to the file that says it ({document.at.parent})",
    )


def _by_name(node: Scalar, name: str, bases: Bases) -> tuple[Traversable | Path, str] | Problem:
    found = bases.named("specs", name, _ENDINGS[0])
    if len(found) == 1:
        return found[0], shown(found[0])
    if found:
        return Problem(
            place=node.place,
            code="ambiguous-base",
            message=f"several distributions have a base {name}: {', '.join(shown(each) for each in found)}",
            suggestion="uninstall one of them, or extend a file by its path",
        )
    return Problem(
        place=node.place,
        code="missing-base",
        message=f"there is no packaged base {name}",
        suggestion=did_you_mean(name, bases.names("specs", _ENDINGS[0]), what="packaged bases")
        or "extends: ./base.yaml",
    )


def is_there(path: Path) -> bool:
    """Whether there is anything; also of names that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def leads_to(path: Path, endings: tuple[str, ...]) -> bool:
    """Whether a file is called so, and what a link of that name leads to as well."""
    return path.name.endswith(endings) and os.path.realpath(path).endswith(endings)


def shown(at: Traversable | Path) -> str:
    """A file's name for people: below the working directory without it."""
    full = str(at)
    here = os.getcwd() + os.sep
    return full.removeprefix(here)


def _name(document: _Document) -> str:
    return document.source.file if document.source is not None else str(document.at)


def _read(at: Traversable | Path, file: str) -> _Document:
    identity = os.path.realpath(at) if isinstance(at, Path) else str(at)
    data = _bytes(at, file) if isinstance(at, Path) else at.read_bytes()
    if isinstance(data, Problem):
        return _Document(at, identity, None, None, (data,))
    return _Document(at, identity, *_parsed(file, data))


@lru_cache(maxsize=16)
def _parsed(file: str, data: bytes) -> tuple[Source | None, Map | None, tuple[Problem, ...]]:
    """A file's text, its tree and what is wrong with it. The specs of many clients extend one base, and a
    process that goes on for long reads the same files again and again."""
    source, problems = decode(file, data)
    if source is None:
        return None, None, tuple(problems)
    tree, more = read_tree(source)
    return source, tree, tuple(problems + more)


def _bytes(path: Path, file: str) -> bytes | Problem:
    """The content of a file, or why it cannot be had."""
    start = Place(file, 1, 1)
    try:
        if path.name.endswith(_ENDINGS) and not leads_to(path, _ENDINGS):
            what = f"{file} is a link to something that is no .yaml file"
            return Problem(place=start, code="cannot-read", message=what)
        if path.is_dir():
            return Problem(
                place=start, code="cannot-read", message=f"{file} is a folder", suggestion=f"{file}/NAME.yaml"
            )
        if path.exists() and not path.is_file():  # a pipe or a device would block or never end
            return Problem(place=start, code="cannot-read", message=f"{file} is not an ordinary file")
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            return stream.read(MAX_BYTES + 1) if size <= MAX_BYTES else too_big(file, size)
    except FileNotFoundError:
        siblings = [each.name for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        near = did_you_mean(path.name, siblings, what="files there")
        return Problem(place=start, code="cannot-read", message=f"there is no file {file}", suggestion=near)
    except (OSError, ValueError) as bad:
        reason = bad.strerror if isinstance(bad, OSError) and bad.strerror else str(bad)
        return Problem(place=start, code="cannot-read", message=f"{file} cannot be read: {reason}")
