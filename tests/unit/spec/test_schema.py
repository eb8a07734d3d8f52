"""Breaches of a schema as sentences, and the published schema itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from syncline.connect.contract import FieldType
from syncline.spec.schema import make_validator, schema_findings, spec_schema
from syncline.spec.source import Source, read_tree


def sentences(schema: dict[str, Any], text: str) -> list[str]:
    tree, problems = read_tree(Source("f.yaml", text))
    assert tree is not None
    assert problems == []
    found = [finding.problem for finding in schema_findings(make_validator(schema), tree)]
    return [
        f"{p.place.line}:{p.place.column} {p.code}: {p.message}"
        + (f" [{p.suggestion}]" if p.suggestion else "")
        for p in found
    ]


def prop(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        pytest.param(
            prop(type="string"),
            "a: 0.10",
            '1:4 wrong-type: a: expected text, found the number 0.10 [quote it: "0.10"]',
            id="a-number-for-text",
        ),
        pytest.param(
            prop(type="string"),
            "a: true",
            '1:4 wrong-type: a: expected text, found true [quote it: "true"]',
            id="a-switch-for-text",
        ),
        pytest.param(
            prop(type="boolean"),
            "a: On",
            "1:4 wrong-type: a: expected true or false, found the text 'On' [write true]",
            id="a-word-for-a-switch",
        ),
        pytest.param(
            prop(type="integer"),
            "a: 10_000",
            "1:4 wrong-type: a: expected a whole number, found the text '10_000' [write 10000]",
            id="text-for-a-number",
        ),
        pytest.param(
            prop(type="array"),
            "a: x",
            "1:4 wrong-type: a: expected a list, found the text 'x' [write a list: [x]]",
            id="one-value-for-a-list",
        ),
        pytest.param(
            prop(type="object"),
            "a: [x]",
            "1:1 wrong-type: a: expected a map (key: value), found a list",
            id="a-list-for-a-map",
        ),
        pytest.param(
            prop(enum=["east", "west"]),
            "a: wset",
            "1:4 wrong-value: a: expected one of east, west, found the text 'wset' [did you mean west?]",
            id="one-of-some",
        ),
        pytest.param(
            prop(minimum=1, maximum=9),
            "a: 12",
            "1:4 wrong-value: a: expected at most 9, found the number 12",
            id="too-large",
        ),
        pytest.param(
            prop(pattern="^x"),
            "a: yes",
            "1:4 wrong-value: a: expected text of the form ^x, found the text 'yes'",
            id="a-pattern",
        ),
        pytest.param(
            prop(anyOf=[{"type": "integer"}, {"enum": ["all"]}]),
            "a: some",
            "1:4 wrong-value: a: expected a whole number or one of all, found the text 'some'",
            id="any-of-two-kinds",
        ),
        pytest.param(
            prop(oneOf=[{"type": "string"}, {"type": "object", "properties": {"b": {"type": "boolean"}}}]),
            "a: {b: 5}",
            "1:8 wrong-type: b: expected true or false, found the number 5",
            id="the-branch-that-fits",
        ),
        pytest.param(
            {"type": "object", "required": ["b"], "properties": {"b": {"examples": ["x"]}}},
            "a: 1",
            "1:1 missing-key: the spec has no b [add b: x]",
            id="a-missing-key-with-an-example",
        ),
        pytest.param(
            {"type": "object", "dependentRequired": {"a": ["b"]}},
            "a: 1",
            "1:1 missing-key: the spec has no b, which a needs [add b: …]",
            id="a-key-that-needs-another",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": False, "properties": {"colour": {}}},
            "color: 1",
            "1:1 unknown-key: unknown key color [did you mean colour?]",
            id="an-unknown-key",
        ),
        pytest.param(
            {"type": "object", "propertyNames": {"pattern": "^[a-z]$", "x-expects": "one letter"}},
            "ab: 1",
            "1:1 bad-name: ab cannot be a name here: expected one letter",
            id="a-bad-name",
        ),
        pytest.param(
            prop(type="array", uniqueItems=True),
            "a: [x, x]",
            "1:1 wrong-value: a: expected each entry once, found a list",
            id="a-repeated-entry",
        ),
        pytest.param(
            prop(type="array", items={"type": "string"}),
            "a:\n  - x\n  - 5",
            '3:5 wrong-type: entry 2 of a: expected text, found the number 5 [quote it: "5"]',
            id="an-entry-of-a-list",
        ),
    ],
)
def test_a_breach_is_one_sentence(schema: dict[str, Any], text: str, expected: str) -> None:
    assert sentences(schema, text) == [expected]


def test_all_breaches_are_told_in_the_order_of_the_text() -> None:
    schema = {"type": "object", "properties": {k: {"type": "string"} for k in "abc"}}
    assert [line[:3] for line in sentences(schema, "c: 1\na: 2\nb: 3")] == ["1:4", "2:4", "3:4"]


@pytest.mark.parametrize(
    "schema",
    [{"type": 5}, {"type": "object", "properties": {"a": {"pattern": b"x"}}}],
    ids=["no-schema", "no-json"],
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make_validator(schema)


def _definitions(schema: Any) -> Iterator[tuple[str, Any]]:
    for name, inner in schema.get("properties", {}).items():
        yield name, inner
        yield from _definitions(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _definitions(schema[key])


def test_every_key_of_a_spec_is_explained_to_an_editor() -> None:
    schema = spec_schema()
    whole = [*_definitions(schema)]
    for definition in schema["$defs"].values():
        whole += _definitions(definition)
    assert len(whole) > 50
    for name, inner in whole:
        told = {**schema["$defs"][inner["$ref"].rsplit("/", 1)[1]], **inner} if "$ref" in inner else inner
        assert told.get("title"), name
        assert told.get("description"), name


def test_the_types_of_declared_fields_are_those_of_the_contract() -> None:
    types = spec_schema()["$defs"]["declaredField"]["properties"]["type"]["enum"]
    assert [each for each in types if each is not None] == [str(each) for each in FieldType]


def test_the_schema_is_itself_valid() -> None:
    make_validator(json.loads(json.dumps(spec_schema())))
