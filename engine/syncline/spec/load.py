"""A spec file becomes a spec, or every reason why it does not."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from syncline.spec.digest import module_digests
from syncline.spec.layers import Bases, read_layers
from syncline.spec.macros import MacroSource, read_macros
from syncline.spec.model import Spec
from syncline.spec.parse import parse_spec
from syncline.spec.problems import Problem, Severity
from syncline.spec.schema import Finding, schema_findings, spec_schema, spec_validator
from syncline.spec.sound import Sound, digest_of
from syncline.spec.source import Source
from syncline.spec.strays import stray_keys
from syncline.spec.tree import Map, Path, Scalar, find, plain_data, without

_MAX_ROUNDS = 30


class Loaded(Struct, frozen=True, kw_only=True):
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
    path: str | pathlib.Path,
    *,
    bundles: Sequence[Traversable | pathlib.Path] = (),
    environ: Mapping[str, str] | None = None,
    bases: Bases | None = None,
    sound: Sound | None = None,
) -> Loaded:
    """Read, merge, check and type the spec at ``path``; never raises for what the files hold.

    ``bundles``: folders that hold ``specs/`` and ``transforms/``, beside the engine's own. ``environ``: what
    counts as set (default: the process's environment). ``bases``: gives many calls one memory of the bases
    they share, instead of ``bundles``. ``sound``: what need not be held against the schema again.
    """
    bases = bases if bases is not None else Bases(bundles)
    layered = read_layers(path, bases)
    problems = list(layered.problems)
    if layered.tree is None:
        return Loaded(spec=None, problems=sort_problems(problems), sources=layered.sources)
    misread = {(p.place.file, p.place.line) for p in problems if p.severity is Severity.ERROR}

    def makes_sense(problem: Problem) -> bool:
        # Where YAML itself was got wrong, what comes of it is no second mistake: one error for one line.
        return (problem.place.file, problem.place.line) not in misread

    problems = [p for p in problems if p.severity is Severity.ERROR or makes_sense(p)]
    tree, findings = _valid_part(layered.tree, sound or Sound())
    problems += [finding.problem for finding in findings if makes_sense(finding.problem)]
    hurt = {str(f.path[1]) for f in findings if f.path[:1] == ("modules",) and len(f.path) > 1}
    parsed = parse_spec(tree, layered.tree, str(path), os.environ if environ is None else environ)
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


def _valid_part(tree: Map, sound: Sound) -> tuple[Map, list[Finding]]:
    """Everything that breaks the grammar, and the document without it."""
    strays = stray_keys(tree)
    told = {finding.problem.place for finding in strays}
    found = _grammar_findings(_prune(tree, [finding.path for finding in strays]), sound)
    findings = strays + [finding for finding in found if finding.problem.place not in told]
    doomed = [_hold(tree, finding) for finding in findings if not _bearable(finding)]
    left = tree
    for _ in range(_MAX_ROUNDS):
        if not doomed:
            break
        left = _prune(left, doomed)
        # What the pruning itself broke goes too, untold.
        doomed = [each.path for each in schema_findings(spec_validator(), left) if not _bearable(each)]
    return left, findings


#: Digests of modules that keep the grammar: those of a base come with each spec that extends it.
_SOUND: set[str] = set()
_MOST_SOUND = 10_000


def _grammar_findings(tree: Map, sound: Sound) -> list[Finding]:
    """What breaks the schema; what was found to keep it, as a whole or by module, is not looked at again."""
    data = plain_data(tree)
    digest = digest_of(spec_schema(), data)
    if digest in sound:
        return []
    findings = _findings_in(tree, data)
    if not findings:
        sound.add(digest)
    return findings


def _findings_in(tree: Map, data: dict[str, Any]) -> list[Finding]:
    modules = data.get("modules")
    if not isinstance(modules, dict):
        return schema_findings(spec_validator(), tree, data=data)
    digests = {name: digest_of(name, module) for name, module in modules.items()}
    fresh = {name: module for name, module in modules.items() if digests[name] not in _SOUND}
    # A map of modules may not be empty: a small one that is sound stands for all of them.
    asked = fresh or dict(sorted(modules.items(), key=lambda each: len(each[1].get("fields", ())))[:1])
    findings = schema_findings(spec_validator(), tree, data={**data, "modules": asked})
    broken = {each.path[1] for each in findings if each.path[:1] == ("modules",) and len(each.path) > 1}
    if len(_SOUND) < _MOST_SOUND:
        _SOUND.update(digests[name] for name in fresh if name not in broken)
    return findings


def _hold(tree: Map, finding: Finding) -> Path:
    """What must go so that a finding has no echo: half a field map or match rule looks wrong in other
    ways."""
    path = finding.path
    inside = path[:1] == ("modules",) and len(path) > 4
    if not inside or path[2] not in ("fields", "match"):
        return path
    if finding.problem.code == "unknown-key":
        node = find(tree, path)
        if not (isinstance(node, Scalar) and isinstance(node.value, str)):
            return path  # no misspelt system: the rest of the map stands by itself
    return path[:6] if path[4] == "each" and len(path) > 6 else path[:4]


def _bearable(finding: Finding) -> bool:
    """Whether the document can be read on as it is: what the top or a system lacks hides nothing else."""
    return finding.problem.code == "missing-key" and finding.path[:1] in ((), ("systems",))


def _prune(tree: Map, paths: Sequence[Path]) -> Map:
    pruned = without(tree, frozenset(path for path in paths if path))
    return pruned if isinstance(pruned, Map) else tree
