"""What the vendor's OpenAPI documents say of a call: its parameters, its body, its replies.

The documents are data that is not part of this project: see :func:`folder`. Zoho writes them in a way that no
validator takes literally, so they are read as they are meant:

- ``oneOf`` stands for "one of these kinds", all of whose keys are optional, so that nearly everything is of
  several kinds at once: here, any of them whose keys occur at all;
- replies stand under 200 whatever their real status;
- some documents know no ``nullable``: there null may stand for anything, as it does in Zoho's own samples;
- ``$ref`` are addresses of the same files elsewhere; those to files that are not there allow everything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_HERE = Path(__file__).resolve().parents[3]


def folder() -> Path | None:
    """Where the documents are: below ``SYNCLINE_CONTRACTS``, or beside the checkout; ``None``: nowhere."""
    given = os.environ.get("SYNCLINE_CONTRACTS")
    above = Path(given) if given else _HERE.parent / "shared" / "contracts"
    found = above / "zoho-crm" / "v8.0"
    return found if (found / "record.json").is_file() else None


@dataclass(frozen=True)
class Call:
    """An operation of one document. ``pattern``: of its paths; ``fixed``: how many parts are literal."""

    document: str
    method: str
    path: str
    operation: Mapping[str, Any]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(self.path)))

    @property
    def fixed(self) -> int:
        return sum("{" not in part for part in self.path.split("/"))


@dataclass(frozen=True)
class Finding:
    """Something that is not as a document has it. ``where``: a path into the body, or ``query NAME``."""

    call: Call | None
    part: str
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.call.document} {self.call.method} {self.call.path}" if self.call else "no document"
        return f"{place}: {self.part} {self.where}: {self.what}"


class Documents:
    def __init__(self, at: Path) -> None:
        self._raw = {file.name: json.loads(file.read_text("utf-8")) for file in sorted(at.glob("*.json"))}
        self._silent = {name for name, raw in self._raw.items() if '"nullable"' not in json.dumps(raw)}
        meant = {name: self._meant(name, raw) for name, raw in self._raw.items()}
        resources = [(_uri(name), Resource.from_contents(d, DRAFT202012)) for name, d in meant.items()]
        self._registry: Registry[Any] = Registry().with_resources(resources)
        self.calls = [
            Call(name, method.upper(), path, operation)
            for name, document in meant.items()
            for path, operations in document.get("paths", {}).items()
            for method, operation in operations.items()
            if method in ("get", "post", "put", "patch", "delete")
        ]

    # --- reading the documents ------------------------------------------------------------------------

    def _meant(self, name: str, node: Any) -> Any:
        if isinstance(node, list):
            return [self._meant(name, each) for each in node]
        if not isinstance(node, dict):
            return node
        target = node.get("$ref")
        if isinstance(target, str):
            address, _, place = target.partition("#")
            file = address.rpartition("/")[2] or name
            return {"$ref": f"{_uri(file)}#{place}"} if file in self._raw else {}
        found = {key: self._meant(name, value) for key, value in node.items() if key != "format"}
        empty = found.pop("nullable", False) or name in self._silent
        if empty and isinstance(found.get("type"), str) and "in" not in found:
            found["type"] = [found["type"], "null"]
        if "oneOf" in found and isinstance(found["oneOf"], list):
            found["anyOf"] = [self._some(each) for each in found.pop("oneOf")]
        return found

    def _some(self, branch: Any) -> Any:
        """A kind that the value is only of if it has one of its keys."""
        keys = self._keys(branch)
        return {"allOf": [branch, {"anyOf": [{"required": [key]} for key in keys]}]} if keys else branch

    def _keys(self, branch: Any) -> list[str]:
        target = branch.get("$ref") if isinstance(branch, dict) else None
        if isinstance(target, str):
            file, _, place = target.removeprefix("urn:crm:").partition("#")
            node: Any = self._raw[file]
            for step in place.strip("/").split("/"):
                node = node.get(step, {})
            return list(node.get("properties", {}))
        return list(branch.get("properties", {})) if isinstance(branch, dict) else []

    # --- judging --------------------------------------------------------------------------------------

    def find(self, method: str, path: str) -> Call | None:
        fitting = [c for c in self.calls if c.method == method and c.pattern.fullmatch(path)]
        return max(fitting, key=lambda call: call.fixed, default=None)

    def judge_request(
        self, method: str, path: str, query: Mapping[str, Any], headers: Mapping[str, str], body: Any
    ) -> Iterator[Finding]:
        call = self.find(method, path)
        if call is None:
            yield Finding(None, "request", f"{method} {path}", "no document has this call")
            return
        known: dict[str, set[str]] = {"query": set(), "header": set()}
        for parameter in call.operation.get("parameters", ()):
            told = self._resolve(parameter)
            known.setdefault(str(told.get("in")), set()).add(str(told.get("name")).lower())
        for name in query:
            if name.lower() not in known["query"]:
                yield Finding(call, "request", f"query {name}", "is not declared")
        for name in headers:
            if name.lower().startswith("if-") and name.lower() not in known["header"]:
                yield Finding(call, "request", f"header {name.lower()}", "is not declared")
        if body is not None:
            schema = call.operation.get("requestBody")
            told = self._resolve(schema) if schema is not None else None
            if told is None:
                yield Finding(call, "request", "body", "is not declared")
            else:
                yield from self._judge(call, "request", told, body)

    def judge_reply(self, method: str, path: str, status: int, body: Any) -> Iterator[Finding]:
        call = self.find(method, path)
        if call is None or body is None:
            return
        replies = call.operation.get("responses", {})
        told = self._resolve(replies.get(str(status)) or replies.get("200") or {})
        if not told.get("content"):
            yield Finding(call, "reply", f"status {status}", "no body is declared")
            return
        yield from self._judge(call, "reply", told, body)

    def _judge(self, call: Call, part: str, told: Mapping[str, Any], body: Any) -> Iterator[Finding]:
        schema = told["content"].get("application/json", {}).get("schema", {})
        validator = jsonschema.Draft202012Validator(schema, registry=self._registry)
        for error in validator.iter_errors(body):
            deepest = jsonschema.exceptions.best_match([error]) or error
            where = re.sub(r"\[\d+\]", "[]", deepest.json_path)
            yield Finding(call, part, where, deepest.message[:300])

    def _resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        target = node.get("$ref")
        if not isinstance(target, str):
            return node
        found: Mapping[str, Any] = self._registry.resolver().lookup(target).contents
        return self._resolve(found)


def _uri(name: str) -> str:
    return f"urn:crm:{name}"
