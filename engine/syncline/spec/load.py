"""A spec file becomes a spec, or every reason why it does not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path

from syncline.spec.digest import module_digests
from syncline.spec.layers import Bases, read_layers
from syncline.spec.macros import MacroSource, read_macros
from syncline.spec.model import Spec
from syncline.spec.parse import parse_spec
from syncline.spec.problems import Problem, Severity
from syncline.spec.schema import Finding, schema_findings, spec_validator
from syncline.spec.source import Source
from syncline.spec.strays import stray_keys
from syncline.spec.tree import Map, find, without

_MAX_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of a spec file.

    ``spec``: ``None`` when there is an error. ``problems``: sorted by place, each once. ``sources``: every
    file read, by the name that places use. ``macros``: the macro files the spec imports. ``partial``: what
    could be read in spite of errors, for further checks; ``hurt``: its modules that lost something.
    """

    spec: Spec | None
    problems: tuple[Problem, ...]
    sources: Mapping[str, Source]
    macros: tuple[MacroSource, ...] = ()
    partial: Spec | None = None
    hurt: frozenset[str] = frozenset()


def load_spec(
    path: str | Path,
    *,
    bundles: Sequence[Traversable | Path] = (),
    environ: Mapping[str, str] | None = None,
    bases: Bases | None = None,
) -> Loaded:
    """Read, merge, check and type the spec at ``path``; never raises for what the files hold.

    ``bundles``: folders that hold ``specs/`` and ``transforms/``, beside the engine's own. ``environ``: what
    counts as set (default: the process's environment). ``bases``: gives many calls one memory of the bases
    they share, instead of ``bundles``.
    """
    bases = bases if bases is not None else Bases(bundles)
    layered = read_layers(path, bases)
    problems = list(layered.problems)
    if layered.tree is None:
        return Loaded(spec=None, problems=sort_problems(problems), sources=layered.sources)
    misread = {(p.place.file, p.place.line) for p in problems if p.severity is Severity.ERROR}
    tree, findings = _valid_part(layered.tree)
    # What YAML itself got wrong makes no sense to the schema either: one error for one line.
    problems += [f.problem for f in findings if (f.problem.place.file, f.problem.place.line) not in misread]
    hurt = {str(f.path[1]) for f in findings if f.path[:1] == ("modules",) and len(f.path) > 1}
    if tree is None:
        return Loaded(spec=None, problems=sort_problems(problems), sources=layered.sources)
    parsed = parse_spec(tree, str(path), os.environ if environ is None else environ)
    problems += parsed.problems
    macros, missing = read_macros(parsed.spec.transforms, bases, layered.folders)
    problems += missing
    spec = replace(parsed.spec, digests=module_digests(parsed.spec, macros))
    failed = has_errors(problems)
    return Loaded(
        spec=None if failed else spec,
        problems=sort_problems(problems),
        sources=layered.sources,
        macros=macros,
        partial=spec,
        hurt=frozenset(hurt | parsed.hurt),
    )


def has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def sort_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Each problem once, in the order of the files' text."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.place, p.code, p.message)))


def _valid_part(tree: Map) -> tuple[Map | None, list[Finding]]:
    """Everything that breaks the grammar, and the document without it; ``None`` when nothing usable is
    left."""
    findings = stray_keys(tree)
    left = _prune(tree, findings)
    told = {finding.problem.place for finding in findings}
    first = True
    for _ in range(_MAX_ROUNDS):
        found = schema_findings(spec_validator(), left)
        if not found:
            return left, findings
        if first:  # later rounds only see what the pruning itself broke
            findings += [finding for finding in found if finding.problem.place not in told]
            first = False
        if not any(finding.path for finding in found):
            return left, findings  # only what the top lacks is left, and that is told
        left = _prune(left, found)
    return None, findings


def _prune(tree: Map, findings: Sequence[Finding]) -> Map:
    # List items from the back, so that the others keep their numbers.
    paths = sorted(
        {finding.path for finding in findings}, key=lambda path: [str(key).zfill(9) for key in path]
    )
    for path in reversed(paths):
        if path and find(tree, path) is not None:
            pruned = without(tree, path)
            tree = pruned if isinstance(pruned, Map) else tree
    return tree
