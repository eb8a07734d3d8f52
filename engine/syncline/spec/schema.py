"""Breaches of a JSON Schema, told as sentences at their places.

A schema may say in words what a rule wants, in the annotation ``x-expects``; the sentences use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from syncline.bundle import bundled
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Problem
from syncline.spec.tree import Map, Node, Path, Scalar, find, name_place, plain_data, value_place

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map (key: value)",
    "array": "a list",
}
_BOOLEAN_WORDS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
#: Values under these keys are never shown.
SECRET_KEYS = frozenset(("client_secret",))


class Finding(Struct, frozen=True):
    """A problem, and the path of what must go for the rest of the document to be read without it."""

    problem: Problem
    path: Path


class _Breach(Struct, frozen=True):
    """One rule that an instance breaks. ``rule``: the keyword; ``wanted``: its value in ``schema``;
    ``branch``: which alternative of a choice it belongs to; ``here``: it is about the instance itself, not a
    part of it."""

    rule: str
    schema: Mapping[str, Any]
    wanted: Any
    found: Any
    path: Path
    is_name: bool
    branch: str | int
    here: bool
    alternatives: tuple[_Breach, ...]


def _breach(error: ValidationError, at: Path) -> _Breach:
    found: Any = error.instance
    return _Breach(
        rule=str(error.validator),
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        wanted=error.validator_value,
        found=found,
        path=(*at, *error.absolute_path),
        is_name="propertyNames" in error.absolute_schema_path and isinstance(found, str),
        branch=error.relative_schema_path[0] if error.relative_schema_path else "",
        here=not error.relative_path,
        alternatives=tuple(_breach(each, at) for each in error.context or ()),
    )


@lru_cache(maxsize=1)
def spec_schema() -> Mapping[str, Any]:
    """The published schema of specs."""
    text = (bundled("schemas") / "sync-spec.schema.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def known_keys(definition: str) -> tuple[str, ...]:
    """The closed set of options of a definition of the spec schema (``"fieldMap"``)."""
    return tuple(spec_schema()["$defs"][definition]["properties"])


@lru_cache(maxsize=1)
def spec_validator() -> Validator:
    """The compiled schema of specs, which is ours: the tests know that it is one."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(spec_schema())


def make_validator(schema: Mapping[str, Any]) -> Validator:
    """A validator for any JSON Schema of the 2020-12 draft; raises ValueError for a schema that is none."""
    try:
        text = json.dumps(schema, sort_keys=True)
    except (TypeError, ValueError) as bad:
        raise ValueError(f"it is not JSON ({bad})") from None
    return _compile(text)


@lru_cache(maxsize=32)
def _compile(schema: str) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    rules = json.loads(schema)
    try:
        Draft202012Validator.check_schema(rules)
    except SchemaError as bad:
        raise ValueError(bad.message) from None
    return Draft202012Validator(rules)


def schema_findings(validator: Validator, root: Node, at: Path = (), data: Any = None) -> list[Finding]:
    """Everything in the tree at ``at`` that breaks the schema, in the order of the document.

    ``data``: what to validate when it is not the tree's own plain data (values looked up already).
    """
    node = find(root, at)
    if node is None:
        return []
    instance = plain_data(node) if data is None else data
    seen: dict[tuple[object, str], Finding] = {}
    for error in validator.iter_errors(instance):
        for finding in _tell(_breach(error, at), root):
            problem = finding.problem
            what = problem.message if problem.code == "missing-key" else problem.code
            seen.setdefault((problem.place, what), finding)
    mistyped = {place for place, what in seen if what == "wrong-type"}
    kept = (
        each
        for each in seen.values()
        if each.problem.code != "wrong-value" or each.problem.place not in mistyped
    )
    return sorted(kept, key=lambda each: each.problem.place)


def _tell(breach: _Breach, root: Node) -> Iterator[Finding]:
    match breach.rule:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_keys(breach, root)
        case "required" | "dependentRequired":
            yield from _missing_keys(breach, root)
        case "anyOf" | "oneOf" if "x-expects" not in breach.schema:
            yield from _alternatives(breach, root)
        case _ if breach.is_name:
            yield _bad_name(breach, root)
        case _:
            yield _sentence(_expected(breach), breach, root)


def _bad_name(breach: _Breach, root: Node) -> Finding:
    path = (*breach.path, str(breach.found))
    wanted = breach.schema.get("x-expects", "another name")
    return Finding(
        Problem(
            place=name_place(root, path),
            code="bad-name",
            message=f"{breach.found} cannot be a name here: expected {wanted}",
        ),
        path,
    )


def _unknown_keys(breach: _Breach, root: Node) -> Iterator[Finding]:
    known = list(breach.schema.get("properties", {}))
    for key in breach.found:
        if key not in known:
            yield Finding(unknown_key(key, known, root, breach.path), (*breach.path, key))


def unknown_key(key: str, known: Sequence[str], root: Node, path: Path) -> Problem:
    """A key that cannot stand in the map at ``path``."""
    node = find(root, path)
    taken = node.entries if isinstance(node, Map) else {}
    return Problem(
        place=name_place(root, (*path, key)),
        code="unknown-key",
        message=f"unknown key {_shown(key)}{_inside(path)}",
        suggestion=did_you_mean(key, [each for each in known if each not in taken] or known, what="keys"),
    )


def _missing_keys(breach: _Breach, root: Node) -> Iterator[Finding]:
    needs = {"": breach.wanted} if breach.rule == "required" else breach.wanted
    for cause, wanted in needs.items():
        if cause and cause not in breach.found:
            continue
        for key in wanted:
            if key in breach.found:
                continue
            why = f", which {cause} needs" if cause else ""
            problem = Problem(
                place=name_place(root, breach.path),
                code="missing-key",
                message=f"{_subject(breach.path)} has no {key}{why}",
                suggestion=_example(key, breach.schema.get("properties", {}).get(key, {})),
            )
            yield Finding(problem, breach.path)


def _example(key: str, schema: Mapping[str, Any]) -> str:
    examples = schema.get("examples") or _examples().get(key)
    return f"add {key}: {_shown(examples[0])}" if examples else f"add {key}: …"


@lru_cache(maxsize=1)
def _examples() -> Mapping[str, Any]:
    """Examples of the spec schema's own keys, for rules that stand apart from the keys they ask for."""
    found: dict[str, Any] = {}
    for definition in (spec_schema(), *spec_schema()["$defs"].values()):
        for key, schema in definition.get("properties", {}).items():
            if "examples" in schema:
                found.setdefault(key, schema["examples"])
    return found


def _alternatives(breach: _Breach, root: Node) -> Iterator[Finding]:
    """One sentence for an anyOf or oneOf: what any branch would take here, or the branch that fits best."""
    kinds = [
        each
        for each in breach.alternatives
        if each.here and each.rule in ("type", "enum", "const", "pattern")
    ]
    branches = list(dict.fromkeys(each.branch for each in breach.alternatives))
    inside = [branch for branch in branches if branch not in {each.branch for each in kinds}]
    if not inside:
        wanted = list(dict.fromkeys(_expected(each) for each in kinds)) or ["exactly one of its alternatives"]
        yield _sentence(" or ".join(wanted), breach, root)
        return
    # The branch of the right kind is the one whose complaints are about what is inside.
    fewest = min(inside, key=lambda branch: sum(each.branch == branch for each in breach.alternatives))
    for each in breach.alternatives:
        if each.branch == fewest:
            yield from _tell(each, root)


def _expected(breach: _Breach) -> str:
    schema, value = breach.schema, breach.wanted
    said = schema.get("x-expects")
    if said is not None:
        return str(said)
    match breach.rule:
        case "type":
            names = [value] if isinstance(value, str) else value
            return " or ".join(_TYPE_WORDS[name] for name in names if name in _TYPE_WORDS) or "nothing"
        case "enum":
            return "one of " + ", ".join(_shown(each) for each in value if each is not None)
        case "const":
            return _shown(value)
        case "minimum":
            return f"at least {value}"
        case "maximum":
            return f"at most {value}"
        case "minLength":
            return f"at least {value} character{'s' if value != 1 else ''}"
        case "maxLength":
            return f"at most {value} characters"
        case "minItems" | "minProperties":
            return f"at least {value} entr{'ies' if value != 1 else 'y'}"
        case "maxItems" | "maxProperties":
            return f"at most {value} entr{'ies' if value != 1 else 'y'}"
        case "uniqueItems":
            return "each entry once"
        case "pattern":
            return f"text of the form {value}"
        case "format":
            return f"a {value}"
        case _:
            return str(schema.get("title") or "another value")


def _sentence(expected: str, breach: _Breach, root: Node) -> Finding:
    path = breach.path
    secret = any(key in SECRET_KEYS for key in path)
    found = _found(breach.found, secret=secret)
    problem = Problem(
        place=value_place(root, path),
        code="wrong-type" if breach.rule == "type" else "wrong-value",
        message=f"{_subject(path)}: expected {expected}, found {found}",
        suggestion="" if secret else _mend(breach, find(root, path)),
    )
    return Finding(problem, path)


def _mend(breach: _Breach, node: Node | None) -> str:
    value, wanted = breach.found, breach.wanted
    if breach.rule == "type":
        types = [wanted] if isinstance(wanted, str) else list(wanted)
        if "string" in types and isinstance(node, Scalar) and isinstance(value, (bool, int, Decimal)):
            return f'quote it: "{node.raw}"'
        if isinstance(value, str):
            if "boolean" in types:
                word = _BOOLEAN_WORDS.get(value.casefold(), value.casefold())
                return f"write {word}" if word in ("true", "false") else "write true or false"
            if "integer" in types or "number" in types:
                return _as_number(value)
            if "array" in types:
                return f"write a list: [{value[:40]}]"
    if breach.rule == "pattern" and isinstance(value, str) and "integer" in breach.schema.get("type", ""):
        return _as_number(value)
    if breach.rule == "enum" and isinstance(value, str):
        return did_you_mean(value, [str(each) for each in wanted if each is not None], what="one of")
    if breach.rule == "const":
        return f"write {_shown(wanted)}"
    return ""


def _as_number(text: str) -> str:
    digits = text.replace("_", "").replace(",", "").strip()
    return f"write {int(digits[:30])}" if digits.isdecimal() and digits.isascii() else ""


def _found(value: Any, *, secret: bool = False) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "an empty map" if not value else "a map"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    if secret:
        return "something else"
    if isinstance(value, str):
        return f"the text {_shown(value)!r}"
    if isinstance(value, bool):
        return _shown(value)
    return f"the number {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list)):
        return json.dumps(value).replace('"', "")
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _subject(path: Path) -> str:
    """What a sentence is about: the innermost name, with the thing it belongs to."""
    names = [key if isinstance(key, str) else f"entry {key + 1}" for key in path]
    if not names:
        return "the spec"
    if isinstance(path[-1], int) and len(names) > 1:
        return f"{names[-1]} of {names[-2]}"
    return names[-1]


def _inside(path: Path) -> str:
    return f" in {_subject(path)}" if path else ""
