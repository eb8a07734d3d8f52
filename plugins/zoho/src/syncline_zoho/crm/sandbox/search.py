"""The search call's criteria: what its lagging index is asked.

``equals`` on text finds what contains the words, as users of Zoho CRM API v8, Search Records, report:
whoever needs equality must check it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.errors import Refused
from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import stamp

Row = dict[str, Any]
Test = Callable[[Row], bool]
MAX_CRITERIA = 10

_ONE = re.compile(r"\(([\w$.]+):(\w+):((?:\\.|[^\\()])*)\)")
_NUMBERS = ("integer", "double", "currency", "percent")


def make_search(module: ModuleMeta, params: Mapping[str, str]) -> Test:
    """A test of rows from ``criteria``, ``email``, ``phone`` or ``word``; raises :class:`Refused`."""
    if "criteria" in params:
        return _criteria(module, params["criteria"])
    for kind in ("email", "phone"):
        if kind in params:
            names = [meta.name for meta in module.fields.values() if meta.data_type == kind]
            wanted = params[kind].casefold()
            return lambda row: any(str(row.get(name) or "").casefold() == wanted for name in names)
    if "word" in params:
        word = params["word"].casefold()
        texts = [meta.name for meta in module.fields.values() if meta.data_type in ("text", "email", "phone")]
        return lambda row: any(word in str(row.get(name) or "").casefold() for name in texts)
    raise Refused(
        400,
        "REQUIRED_PARAM_MISSING",
        "One of the expected parameter is missing",
        {"param_names": ["criteria", "email", "phone", "word"]},
    )


def _criteria(module: ModuleMeta, text: str) -> Test:
    """Single criteria joined by and/or within brackets; read by substitution from the inside out."""
    tests: list[Test] = []

    def keep(match: re.Match[str]) -> str:
        name, op, value = match.groups()
        meta = module.fields.get(name)
        if meta is None:
            raise Refused(
                400, "INVALID_QUERY", "invalid query formed", {"api_name": name, "reason": "unknown"}
            )
        tests.append(_single(meta, op, re.sub(r"\\(.)", r"\1", value)))
        return f"#{len(tests) - 1}#"

    rest = _ONE.sub(keep, text.strip())
    if len(tests) > MAX_CRITERIA:
        raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": MAX_CRITERIA})
    while True:
        reduced = re.sub(r"\(\s*(#\d+#)\s*\)", r"\1", rest)
        match = re.search(r"#(\d+)#\s*(and|or)\s*#(\d+)#", reduced)
        if match is None:
            break
        left, right = tests[int(match[1])], tests[int(match[3])]
        tests.append(_joined(left, right, both=match[2] == "and"))
        rest = f"{reduced[: match.start()]}#{len(tests) - 1}#{reduced[match.end() :]}"
    final = re.fullmatch(r"\s*#(\d+)#\s*", reduced)
    if final is None:
        raise Refused(400, "INVALID_QUERY", "invalid query formed", {"near": text[:50]})
    return tests[int(final[1])]


def _joined(left: Test, right: Test, *, both: bool) -> Test:
    if both:
        return lambda row: left(row) and right(row)
    return lambda row: left(row) or right(row)


def _single(meta: FieldMeta, op: str, value: str) -> Test:
    known = _reader(meta)
    name = meta.name
    if op == "in":
        several = {known(part) for part in value.split(",")}
        return lambda row: row.get(name) is not None and known(row[name]) in several
    if op == "between":
        low, _, high = value.partition(",")
        first, last = known(low), known(high)
        return lambda row: row.get(name) is not None and first <= known(row[name]) <= last
    if op == "starts_with":
        return lambda row: str(row.get(name) or "").casefold().startswith(value.casefold())
    wanted = known(value)
    if op == "equals":
        if isinstance(wanted, str) and meta.data_type in ("text", "email", "website", "textarea"):
            return lambda row: wanted in str(row.get(name) or "").casefold()
        return lambda row: row.get(name) is not None and known(row[name]) == wanted
    if op == "not_equal":
        return lambda row: row.get(name) is not None and known(row[name]) != wanted
    compares: dict[str, Callable[[Any], bool]] = {
        "greater_than": lambda found: found > wanted,
        "greater_equal": lambda found: found >= wanted,
        "less_than": lambda found: found < wanted,
        "less_equal": lambda found: found <= wanted,
    }
    if op not in compares:
        raise Refused(400, "INVALID_QUERY", "invalid query formed", {"api_name": name, "operator": op})
    compare = compares[op]
    return lambda row: row.get(name) is not None and compare(known(row[name]))


def _reader(meta: FieldMeta) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if meta.data_type in _NUMBERS:
            try:
                return Decimal(str(value))
            except InvalidOperation:
                raise Refused(400, "INVALID_QUERY", "invalid query formed", {"api_name": meta.name}) from None
        if meta.data_type == "datetime":
            found = parse_instant(value)
            return stamp(found) if found else str(value)
        if meta.data_type == "boolean":
            return str(value).casefold()
        return str(value).casefold()

    return read
