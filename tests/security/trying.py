"""Hostile expressions, and hostile values in innocent ones, through the door of a client's spec.

``python -m tests.security.trying FOLDER`` writes a spec for each into the folder, validates it, and carries a
record over by its maps, all in one process that may take 1 GB and 150 s of CPU time. It prints one JSON line
for each: what came of it, and whether the innocent map beside it gave its value.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.effort import effort
from tests.support.memory import MemoryConnector, MemoryRemote, remote_module

from syncline.cli.validate import Plugged, validate_files
from syncline.connect.contract import Field, FieldType, Record
from syncline.mapping.check import read_expressions
from syncline.mapping.module import ModuleMap, Side
from syncline.spec.load import load_spec
from syncline.spec.problems import Severity

CORPUS = Path(__file__).with_name("expressions.json")
MEMORY = 1 << 30
CPU_S = 150

SPEC = """
spec: 1
name: hostile
systems:
  a: {connector: alpha}
  b: {connector: beta}
transforms: [./macros.j2]
modules:
  people:
    between: {a: people, b: people}
    direction: a -> b
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
      tried: TRIED
      other: {a: other, b: other, to: {b: "{{ value ~ '!' }}"}}
"""

MACROS = """
{% macro shout(x) %}{{ x|upper }}!{% endmacro %}
{% macro ping(x) %}{{ pong(x + 1) }}{% endmacro %}
{% macro pong(x) %}{{ ping(x + 1) }}{% endmacro %}
{% macro twice(x) %}{% if x > 0 %}{{ twice(x - 1) }}{{ twice(x - 1) }}{% endif %}{% endmacro %}
"""

_TEXTS = [Field(name=name) for name in ("name", "value", "text", "other", "made")]
_ROWS = Field(name="rows", type=FieldType.LIST, fields=(Field(name="name"),))
REMOTES = {name: MemoryRemote([remote_module("people", (*_TEXTS, _ROWS))]) for name in ("alpha", "beta")}
PLUGGED = Plugged(connectors={name: MemoryConnector(name, remote) for name, remote in REMOTES.items()})


def values() -> dict[str, Any]:
    """By name: what a remote may send where a short text was meant."""
    deep: Any = "x"
    for _ in range(400):
        deep = {"name": [deep]}
    return {
        "megabytes of text": "a" * 3_000_000,
        "megabytes of commas": "," * 3_000_000,
        "a text as long as may be": "\U0001f600" * 99_999,
        "letters that grow": "ﷺ" * 90_000,
        "letters that grow in upper case": "ﬃß" * 45_000,
        "marks upon marks": "a" + "\u0301\u0323" * 49_000,
        "spaces": " \u00a0\u2003" * 30_000,
        "punctuation": "a.b/" * 24_000,
        "digits": "9" * 90_000,
        "a number of many digits": "9" * 79,
        "a number with an exponent": "1e999999999",
        "a number in another script": "٣٤",
        "no number": "NaN",
        "a huge number": 10**4000,
        "a huge decimal": Decimal("1E+1000"),
        "a tiny decimal": Decimal("1E-1000"),
        "a decimal of many digits": Decimal("1." + "1" * 999),
        "no decimal": Decimal("NaN"),
        "a list of many": list(range(500_000)),
        "a list of groups": [{"name": "x"}] * 200_000,
        "a list of long texts": ["x" * 90_000] * 200,
        "a list of nothing": [None] * 9_000,
        "a group of many": {f"k{n}": n for n in range(100_000)},
        "nesting": deep,
        "an expression": "{{ 10**10**10 }}",
        "a zero": "a\x00b",
        "nothing": None,
        "the empty text": "",
        "truth": True,
    }


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    (folder / "macros.j2").write_text(MACROS)
    for name, told in _tried(folder):
        sys.stdout.write(json.dumps({"name": name, **told}) + "\n")
        sys.stdout.flush()


def _tried(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    corpus = json.loads(CORPUS.read_text(encoding="utf-8"))
    text = "\U0001f600" * 20_000 + "b" * 70_000
    row = {"name": "Harbour", "value": "Bakery", "other": "fine", "text": text}
    row["rows"] = [{"name": f"n{n}"} for n in range(3_000)]  # type: ignore[assignment]
    for name, source in corpus["templates"].items():
        if name != "__comment":
            yield name, _carry(folder, "{a: value, b: made, to: {b: " + _quoted(source) + "}}", row)
    hostile = list(values().items())
    step = effort(3, 1)
    for place, source in enumerate(corpus["innocent"]):
        whole = re.sub(r"\bvalue\b", "record.value", source)
        maps, problem = _maps(folder, "{b: made, to: {b: " + _quoted(whole) + "}}")
        assert maps is not None, problem
        for name, value in hostile[place % step :: step]:
            given = {**row, "value": value, "name": value if isinstance(value, str) else "Harbour"}
            yield f"{source} of {name}", _evaluate(maps, given)


def _quoted(source: str) -> str:
    return json.dumps(source, ensure_ascii=False)


def _carry(folder: Path, tried: str, row: Mapping[str, Any]) -> dict[str, Any]:
    maps, problem = _maps(folder, tried)
    return {"refused": problem} if maps is None else _evaluate(maps, row)


def _maps(folder: Path, tried: str) -> tuple[ModuleMap | None, str]:
    """The maps of a spec with this one among them, or why the spec is refused."""
    file = folder / "hostile.yaml"
    file.write_text(SPEC.replace("TRIED", tried), encoding="utf-8")
    found = validate_files([str(file)], PLUGGED, environ={})
    errors = [problem.message for problem in found.problems if problem.severity is Severity.ERROR]
    if errors:
        return None, errors[0]
    loaded = load_spec(file)
    assert loaded.spec is not None
    expressions, _ = read_expressions(loaded.macros, {})
    remotes = tuple(remote.modules["people"] for remote in REMOTES.values())
    return ModuleMap(loaded.spec.modules["people"], remotes, expressions), ""  # type: ignore[arg-type]


def _evaluate(maps: ModuleMap, row: Mapping[str, Any]) -> dict[str, Any]:
    record = Record(id="1", version="1", values=row, complete=True)
    before = time.process_time()
    projection = maps.project(Side.LEFT, record, "2026-01-01")
    maps.render(Side.LEFT, projection)
    told: dict[str, Any] = {"cpu_s": time.process_time() - before, "beside": projection.out.get("other")}
    if "tried" in projection.faults:
        told["fault"] = projection.faults["tried"]
    elif "tried" in projection.out:
        value = projection.out["tried"]
        told["size"] = len(value) if isinstance(value, str) else 0
        told["value"] = value[:200] if isinstance(value, str) else repr(value)[:200]
    return told


if __name__ == "__main__":
    main(Path(sys.argv[1]))
