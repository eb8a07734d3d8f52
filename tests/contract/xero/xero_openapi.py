"""Calls held against an OpenAPI 3.0 document: what of them it does not have.

Stricter than the standard: a property that the document does not name is a finding, and so is one that it
calls read-only in a request, since both are how a misspelt or made-up field shows. A finding is a short text,
the same for every call that has it, so that the faults of a document can be listed one by one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_HERE = Path(__file__).resolve().parents[3]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it arrived and how it was answered; ``path``: below the API's own address."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: frozenset[str]
    body: bytes
    status: int
    answer: bytes
    kind: str


def contract(name: str) -> Path | None:
    """A file of the vendors' contracts: below SYNCLINE_CONTRACTS, or beside the checkout."""
    base = os.environ.get("SYNCLINE_CONTRACTS")
    file = (Path(base) if base else _HERE.parent / "shared" / "contracts") / name
    return file if file.is_file() else None


@lru_cache(maxsize=1)
def load(file: Path) -> Mapping[str, Any]:
    document: Mapping[str, Any] = YAML(typ="safe").load(file.read_text())
    return document


class Judge:
    """Knows one document. Nothing it does raises for what a call holds."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._paths = [
            (re.compile("^" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + "$"), path)
            for path in sorted(document["paths"], key=lambda p: (p.count("{"), p))
        ]

    def findings(self, call: Call) -> Iterator[str]:
        path = next((p for pattern, p in self._paths if pattern.match(call.path)), None)
        operation = self.document["paths"].get(path, {}).get(call.method.lower()) if path else None
        if operation is None:
            yield f"{call.method} {path or call.path}: no such operation"
            return
        place = f"{call.method} {path}"
        yield from self._parameters(operation, call, place)
        if call.body:
            body = self._resolve(operation.get("requestBody") or {})
            schema = body.get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                yield f"{place}: takes no body"
            else:
                yield from self._walk(schema, json.loads(call.body), "request", sent=True)
        reply = operation["responses"].get(str(call.status))
        if reply is None:
            yield f"{place}: never answers {call.status}"
            return
        content = self._resolve(reply).get("content", {}).get("application/json")
        if content is not None:
            if "json" not in call.kind:
                yield f"{place}: the answer {call.status} is {call.kind}"
            else:
                yield from self._walk(content["schema"], json.loads(call.answer), "answer", sent=False)
        elif call.answer and "json" in call.kind:
            yield f"{place}: the answer {call.status} has no body"

    def _parameters(self, operation: Mapping[str, Any], call: Call, place: str) -> Iterator[str]:
        declared = [self._resolve(p) for p in operation.get("parameters", ())]
        queries = {p["name"]: p.get("schema", {}) for p in declared if p["in"] == "query"}
        headers = {p["name"].lower() for p in declared if p["in"] == "header"}
        for name, values in call.query.items():
            if name not in queries:
                yield f"{place}: no parameter {name}"
                continue
            for value in values:
                if not _fits(self._resolve(queries[name]), value):
                    yield f"{place}: {name} cannot be {value!r}"
        for name in ("idempotency-key", "if-modified-since"):
            if name in call.headers and name not in headers:
                yield f"{place}: no header {name}"

    def _walk(self, schema: Mapping[str, Any], value: Any, place: str, *, sent: bool) -> Iterator[str]:
        name = schema.get("$ref", "").rsplit("/", 1)[-1] or place
        schema = self._resolve(schema)
        kind = schema.get("type")
        known = _TYPES.get(str(kind))
        if known is not None and (
            not isinstance(value, known) or (isinstance(value, bool) and kind != "boolean")
        ):
            yield f"{name}: {type(value).__name__} is no {kind}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{name}: {value!r} is not one of its values"
        if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
            yield f"{name}: longer than {schema['maxLength']}"
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for key, inner in value.items():
                if key not in properties:
                    yield f"{name}.{key}: not in the document"
                elif sent and properties[key].get("readOnly") is True:
                    yield f"{name}.{key}: read-only, but sent"
                else:
                    yield from self._walk(properties[key], inner, f"{name}.{key}", sent=sent)
            for key in schema.get("required", ()):
                if key not in value:
                    yield f"{name}.{key}: required, but absent"
        if isinstance(value, list):
            for inner in value:
                yield from self._walk(schema.get("items", {}), inner, f"{place}[]", sent=sent)

    def _resolve(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            found: Any = self.document
            for key in part["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            part = found
        return part


def _fits(schema: Mapping[str, Any], text: str) -> bool:
    """Whether the text of a query parameter can be read as its schema says."""
    match schema.get("type"):
        case "integer":
            return re.fullmatch(r"-?\d+", text) is not None
        case "boolean":
            return text in ("true", "false")
        case "string":
            return text in schema.get("enum", (text,))
    return True
