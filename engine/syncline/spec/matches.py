"""The file of match decisions beside a spec: who is the same as whom, as people said once and for all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from syncline.bundle import bundled
from syncline.spec.model import Module, Spec
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Place, Problem, Severity
from syncline.spec.schema import make_validator, schema_findings
from syncline.spec.source import MAX_BYTES, Source, decode, read_tree, too_big
from syncline.spec.strays import unknown_system
from syncline.spec.tree import List, Map, Node, Scalar, find, name_place, without

KINDS = ("same", "different", "create", "ignore")
#: Of these a decision is about one record.
_ALONE = ("create", "ignore")
_OPTIONS = ("who", "when", "why")


class Said(Struct, frozen=True):
    """Who decided something, and where in the file it stands."""

    who: str
    why: str
    place: Place


class Matches(Struct, frozen=True, kw_only=True):
    """The decisions of one module. ``same`` and ``different``: by (left id, right id); ``create``
    (it is made at the other end) and ``ignore`` (it is left alone): by (side, id), side 0 being the left
    one."""

    same: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    different: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    create: Mapping[tuple[int, str], Said] = field(default_factory=dict)
    ignore: Mapping[tuple[int, str], Said] = field(default_factory=dict)


def matches_file(spec: Path) -> Path:
    """Where the decisions of a spec are: ``acme.matches.yaml`` beside ``acme.yaml``."""
    return spec.with_name(f"{spec.stem}.matches.yaml")


def is_matches_file(file: Path) -> bool:
    """Whether a file holds the decisions of a spec that lies beside it."""
    name, ending = file.name.removesuffix(".matches.yaml"), ".matches.yaml"
    return file.name.endswith(ending) and any(
        file.with_name(f"{name}{end}").exists() for end in (".yaml", ".yml")
    )


class LoadedMatches(Struct, frozen=True):
    """The decisions by module, what is wrong with them, and the file's text, if there is one."""

    modules: Mapping[str, Matches]
    problems: tuple[Problem, ...] = ()
    source: Source | None = None


def load_matches(file: Path, spec: Spec) -> LoadedMatches:
    """Read and check the decisions of a spec. Never raises for what the file holds; no file: none."""
    shown = str(file)
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return LoadedMatches({})
    except OSError as error:
        problem = _problem(Place(shown, 1, 1), "cannot-read", f"the file cannot be read: {error.strerror}")
        return LoadedMatches({}, (problem,))
    if len(data) > MAX_BYTES:
        return LoadedMatches({}, (too_big(shown, None),))
    source, problems = decode(shown, data)
    if source is None:
        return LoadedMatches({}, tuple(problems))
    tree, faults = read_tree(source)
    problems += [fault for fault in faults if fault.code != "empty-file"]
    if tree is None:
        return LoadedMatches({}, tuple(problems), source)
    findings = schema_findings(_validator(), tree)
    problems += [finding.problem for finding in findings]
    # What is told once is left out of the rest.
    sound = without(tree, frozenset(finding.path[:3] for finding in findings if finding.path))
    reader = _Reader(spec)
    found = dict(reader.modules(sound)) if isinstance(sound, Map) else {}
    return LoadedMatches(found, (*problems, *reader.problems), source)


@lru_cache(maxsize=1)
def _validator() -> Any:
    text = (bundled("schemas") / "matches.schema.json").read_text("utf-8")
    return make_validator(json.loads(text))


class _Reader:
    """Turns the tree into decisions, and tells what contradicts the spec or itself."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.problems: list[Problem] = []

    def modules(self, root: Map) -> Iterator[tuple[str, Matches]]:
        for name, entry in root.entries.items():
            module = self._spec.modules.get(name)
            if module is None:
                near = did_you_mean(name, self._spec.modules, what="modules")
                self._report(entry.key_place, "unknown-module", f"the spec has no module {name}", near)
            elif isinstance(entry.node, Map):
                yield name, self._module(root, name, module)

    def _module(self, root: Map, name: str, module: Module) -> Matches:
        pairs: dict[str, dict[tuple[str, str], Said]] = {"same": {}, "different": {}}
        alone: dict[str, dict[tuple[int, str], Said]] = {"create": {}, "ignore": {}}
        for kind in KINDS:
            node = find(root, (name, kind))
            for number in range(len(node.items) if isinstance(node, List) else 0):
                path = (name, kind, number)
                ids = self._records(root, path, module)
                said = self._said(root, path)
                if ids is None:
                    continue
                left, right = ids
                if kind in _ALONE:
                    if (left is None) is (right is None):
                        self._report(
                            said.place,
                            "bad-match",
                            f"what stands under {kind} is one record of one system",
                            "two records stand under same or different",
                        )
                        continue
                    alone[kind][(0, left) if left is not None else (1, str(right))] = said
                elif left is None or right is None:
                    missing = (module.left if left is None else module.right).system
                    fix = f"add {missing}: and its id"
                    self._report(said.place, "missing-key", f"this pair has no record of {missing}", fix)
                else:
                    pairs[kind][left, right] = said
        self._contradictions(pairs["same"], pairs["different"], alone)
        return Matches(
            same=pairs["same"], different=pairs["different"], create=alone["create"], ignore=alone["ignore"]
        )

    def _records(
        self, root: Map, path: tuple[str, str, int], module: Module
    ) -> tuple[str | None, str | None] | None:
        """The ids of the left and of the right end; ``None`` when a system is none of the module's."""
        node = find(root, path)
        ends, good = (module.left.system, module.right.system), True
        for key in node.entries if isinstance(node, Map) else ():
            if key not in (*ends, *_OPTIONS):
                good = False
                self.problems.append(unknown_system(key, ends, root, (*path, key)))
        if not good:
            return None
        return _id(find(root, (*path, ends[0]))), _id(find(root, (*path, ends[1])))

    def _said(self, root: Map, path: tuple[str, str, int]) -> Said:
        who, why = find(root, (*path, "who")), find(root, (*path, "why"))
        return Said(_text(who), _text(why), name_place(root, path))

    def _contradictions(
        self,
        same: Mapping[tuple[str, str], Said],
        different: Mapping[tuple[str, str], Said],
        alone: Mapping[str, Mapping[tuple[int, str], Said]],
    ) -> None:
        """What is said of one record twice, and cannot both be true: told at the later place."""
        first: dict[tuple[int, str], Said] = {}
        for pair, said in same.items():
            for side, record in enumerate(pair):
                if (earlier := first.setdefault((side, record), said)) is not said:
                    self._twice(record, said, earlier)
            if pair in different:
                self._twice(" and ".join(pair), different[pair], said)
        for kind in _ALONE:
            for key, said in alone[kind].items():
                if (earlier := first.setdefault(key, said)) is not said:
                    self._twice(key[1], said, earlier)

    def _twice(self, record: str, said: Said, other: Said) -> None:
        first, last = sorted((said.place, other.place))
        self._report(
            last,
            "contradictory-match",
            f"something else is decided about {record} in line {first.line}",
            "keep one of the two",
        )

    def _report(self, place: Place, code: str, message: str, suggestion: str = "") -> None:
        self.problems.append(_problem(place, code, message, suggestion))


def _problem(place: Place, code: str, message: str, suggestion: str = "") -> Problem:
    return Problem(place=place, code=code, message=message, suggestion=suggestion, severity=Severity.ERROR)


def _id(node: Node | None) -> str | None:
    if isinstance(node, Map):
        node = find(node, ("id",))
    if not isinstance(node, Scalar) or node.value is None:
        return None
    return node.value if isinstance(node.value, str) else str(node.raw or node.value)


def _text(node: Node | None) -> str:
    return str(node.value) if isinstance(node, Scalar) and node.value is not None else ""
