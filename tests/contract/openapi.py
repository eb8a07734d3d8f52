"""Requests and replies held against a vendor's OpenAPI documents.

The documents are data beside the checkout, no part of it: :func:`documents_of` finds them in
``../shared/contracts`` or where ``SYNCLINE_CONTRACTS`` points. A document may itself be wrong, so each fault
found is named by its place, and a test lists those it knows with the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
_METHODS = ("get", "put", "post", "delete", "patch")


def documents_of(vendor: str) -> list[Path]:
    """The OpenAPI documents of a vendor; skips the test, loudly, where there are none."""
    base = Path(os.environ.get("SYNCLINE_CONTRACTS") or ROOT.parent / "shared" / "contracts")
    found = sorted([*(base / vendor).glob("*.yml"), *(base / vendor).glob("*.yaml")])
    if not found:
        pytest.skip(
            f"NOTHING WAS CHECKED against the OpenAPI documents of {vendor}: none are in {base / vendor};"
            " set SYNCLINE_CONTRACTS to the folder that holds them"
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its reply. ``path``: below the documents' base address; bodies as parsed JSON,
    ``None`` where there was none."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: Any = None
    status: int = 200
    answered: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Flaw:
    """``place``: ``POST /invoices request: line_items[].discount``; ``rule``: the keyword that is broken."""

    place: str
    rule: str
    detail: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.place} {self.rule}"


class Contract:
    """All documents of a vendor as one."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._validators: dict[int, Any] = {}
        self._operations: list[tuple[str, re.Pattern[str], str, Mapping[str, Any], Mapping[str, Any]]] = []
        for file in files:
            document = load(file)
            for template, item in document.get("paths", {}).items():
                pattern = re.compile(re.sub(r"\\{[^/]+?\\}", "[^/]+", re.escape(template)) + "/?")
                shared = item.get("parameters") or []
                for method in _METHODS:
                    if method in item:
                        operation = {**item[method]}
                        operation["parameters"] = [*shared, *(operation.get("parameters") or [])]
                        self._operations.append((method.upper(), pattern, template, operation, document))
        # a fixed path goes before one with a name in the same place
        self._operations.sort(key=lambda found: found[2].count("{"))

    def check(self, exchange: Exchange) -> list[Flaw] | None:
        """What is wrong with an exchange, ``None`` when no document describes it."""
        for method, pattern, template, operation, document in self._operations:
            if method == exchange.method and pattern.fullmatch(exchange.path):
                name = f"{method} {template}"
                return [
                    *self._check_request(name, operation, document, exchange),
                    *self._check_reply(name, operation, document, exchange),
                ]
        return None

    def _check_request(
        self, name: str, operation: Mapping[str, Any], document: Mapping[str, Any], exchange: Exchange
    ) -> Iterator[Flaw]:
        headers = {key.lower() for key in exchange.headers}
        known = set()
        for raw in operation["parameters"]:
            parameter = resolve(raw, document)
            place, title = parameter.get("in"), str(parameter.get("name"))
            known.add(title)
            given = title in exchange.query if place == "query" else title.lower() in headers
            if parameter.get("required") and place in ("query", "header") and not given:
                yield Flaw(place=f"{name} request: {place} {title}", rule="required")
        for title in exchange.query:
            if title not in known:
                yield Flaw(place=f"{name} request: query {title}", rule="unknown")
        body = resolve(operation.get("requestBody") or {}, document)
        schema = _schema_of(body.get("content"))
        if schema is not None and exchange.sent is not None:
            yield from self._faults(f"{name} request", schema, document, exchange.sent)
        elif exchange.sent is not None and not body:
            yield Flaw(place=f"{name} request", rule="no body is described")

    def _check_reply(
        self, name: str, operation: Mapping[str, Any], document: Mapping[str, Any], exchange: Exchange
    ) -> Iterator[Flaw]:
        replies = operation.get("responses") or {}
        found = replies.get(str(exchange.status)) or replies.get(f"{exchange.status // 100}XX")
        if found is None:
            yield Flaw(place=f"{name} reply", rule=f"status {exchange.status}")
            return
        schema = _schema_of(resolve(found, document).get("content"))
        if schema is not None and exchange.answered is not None:
            yield from self._faults(f"{name} reply", schema, document, exchange.answered)

    def _faults(
        self, name: str, schema: Mapping[str, Any], document: Mapping[str, Any], value: Any
    ) -> Iterator[Flaw]:
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = jsonschema.Draft4Validator(json_schema(schema, document))
            self._validators[id(schema)] = validator
        for error in validator.iter_errors(value):
            steps = "".join("[]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
            rule = str(error.validator)
            if rule == "required":
                missing = re.match(r"'([^']+)' is a required", error.message)
                steps += f".{missing[1]}" if missing else ""
            yield Flaw(place=f"{name}: {steps.removeprefix('.')}", rule=rule, detail=error.message[:200])


def _schema_of(content: Any) -> Mapping[str, Any] | None:
    for kind, told in (content or {}).items():
        if "json" in kind and "schema" in told:
            schema: Mapping[str, Any] = told["schema"]
            return schema
    return None


def json_schema(schema: Any, document: Mapping[str, Any], depth: int = 0) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: references put in, ``nullable`` as a type."""
    if depth > 40 or not isinstance(schema, Mapping):
        return {} if depth > 40 else schema
    schema = resolve(schema, document)
    out: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "properties" if isinstance(value, Mapping):
                out[key] = {n: json_schema(inner, document, depth + 1) for n, inner in value.items()}
            case "items" | "additionalProperties" | "not" if isinstance(value, Mapping):
                out[key] = json_schema(value, document, depth + 1)
            case "allOf" | "anyOf" | "oneOf" if isinstance(value, list):
                out[key] = [json_schema(inner, document, depth + 1) for inner in value]
            case "type" if isinstance(value, str):
                out[key] = [value, "null"] if schema.get("nullable") else value
            case "enum" if isinstance(value, list):
                out[key] = [*value, None] if schema.get("nullable") else value
            case "required" if isinstance(value, list):
                if value:
                    out[key] = value
            case "minLength" | "maxLength" | "minimum" | "maximum" | "pattern" | "minItems" | "maxItems":
                out[key] = value
    return out


def resolve(node: Any, document: Mapping[str, Any]) -> Any:
    """A node with its reference followed, within the document."""
    for _ in range(20):
        if not (isinstance(node, Mapping) and "$ref" in node):
            return node
        found: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


@lru_cache(maxsize=64)
def load(file: Path) -> Mapping[str, Any]:
    document: Mapping[str, Any] = YAML(typ="safe", pure=False).load(file.read_text("utf-8"))
    return document


def parsed(body: bytes) -> Any:
    """A body as the documents' tools see it: numbers plain; ``None`` when it is empty or no JSON."""
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None


def unexplained(flaws: Iterable[Flaw], known: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The flaws that no entry of ``known`` (a pattern of their text, and the reason) explains, and the
    entries that explain none."""
    patterns = {text: re.compile(text) for text in known}
    met: set[str] = set()
    strange: dict[str, str] = {}
    for flaw in flaws:
        found = [text for text, pattern in patterns.items() if pattern.fullmatch(str(flaw))]
        met.update(found)
        if not found:
            strange[str(flaw)] = flaw.detail
    return [f"{place}: {detail}" for place, detail in sorted(strange.items())], sorted(set(known) - met)
