"""YAML text to a tree: what values mean, where they stand, and what is refused."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.spec.source import MAX_BYTES, Source, decode, read_tree
from syncline.spec.tree import List, Map, Scalar, find, name_place, plain_data, scalars, value_place

#: With the map itself 50,001 values.
KEYS = "{" + ",".join(f"k{number}" for number in range(25_000))


def read(text: str) -> tuple[Any, list[str]]:
    """The plain data of a text, and its problems as ``line:column code``."""
    tree, problems = read_tree(Source("f.yaml", text))
    told = [f"{p.place.line}:{p.place.column} {p.code}" for p in problems]
    return (None if tree is None else plain_data(tree)), told


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("NO", "NO", id="NO-is-a-country"),
        pytest.param("on", "on", id="on-is-a-word"),
        pytest.param("yes", "yes", id="yes-is-a-word"),
        pytest.param("0123", "0123", id="a-leading-zero-is-a-code"),
        pytest.param("1e5", "1e5", id="an-exponent-is-a-code"),
        pytest.param("1_000", "1_000", id="an-underscore-is-text"),
        pytest.param("0x1f", "0x1f", id="hexadecimal-is-text"),
        pytest.param("0o17", "0o17", id="octal-is-text"),
        pytest.param("1.", "1.", id="half-a-decimal-is-text"),
        pytest.param(".5", ".5", id="a-decimal-without-its-zero-is-text"),
        pytest.param("+5", "+5", id="a-plus-is-text"),
        pytest.param("-0", "-0", id="minus-zero-is-text"),
        pytest.param(".nan", ".nan", id="nan-is-text"),
        pytest.param("2024-01-01", "2024-01-01", id="a-date-is-text"),
        pytest.param("22:30", "22:30", id="a-time-is-text"),
        pytest.param("True", "True", id="True-is-text"),
        pytest.param("Null", "Null", id="Null-is-text"),
        pytest.param("٣", "٣", id="other-digits-are-text"),
        pytest.param("9" * 40, "9" * 40, id="a-very-long-number-is-a-code"),
        pytest.param('"12"', "12", id="quotes-make-text"),
        pytest.param("'true'", "true", id="single-quotes-make-text"),
        pytest.param("12", 12, id="a-whole-number"),
        pytest.param("-12", -12, id="a-negative-number"),
        pytest.param("0", 0, id="zero"),
        pytest.param("12.50", Decimal("12.50"), id="a-decimal-is-exact"),
        pytest.param("true", True, id="true"),
        pytest.param("false", False, id="false"),
        pytest.param("null", None, id="null"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="empty"),
    ],
)
def test_values_mean_what_the_author_wrote(written: str, value: object) -> None:
    data, problems = read(f"a: {written}\n")
    assert problems == []
    assert data["a"] == value
    assert type(data["a"]) is type(value)
    assert str(data["a"]) == str(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a:\n\tb: 1\n", "2:1 tab", id="tab-as-indent"),
        pytest.param("a: \x01\n", "1:4 bad-yaml", id="control-character"),
        pytest.param('a: "\\U00110000"\n', "1:1 bad-yaml", id="impossible-escape"),
        pytest.param("[" * 3000, "1:51 too-deep", id="three-thousand-brackets"),
        pytest.param("- " * 3000, "1:101 too-deep", id="three-thousand-dashes"),
        pytest.param("a: &a x\nb: [" + "*a, " * 101 + "]\n", "2:405 too-many-aliases", id="aliases"),
        pytest.param(KEYS + ",more", f"1:{len(KEYS) + 1} too-many-values", id="too-many-keys"),
    ],
)
def test_what_cannot_be_read_is_told_at_its_place(text: str, expected: str) -> None:
    data, problems = read(text)
    assert data is None
    assert problems == [expected]


def test_all_that_can_be_told_without_stopping_is_told() -> None:
    data, problems = read("1: a\n: b\n<<: {}\nx: 1\nx: 2\ny: !t 3\nz: *no\n")
    assert problems == [
        "1:1 key-not-text",
        "2:1 key-not-text",
        "3:1 merge-key",
        "5:1 duplicate-key",
        "6:4 tag",
        "7:4 unknown-alias",
    ]
    assert data == {"1": "a", "": "b", "x": 1, "y": 3, "z": None}


def test_a_duplicate_names_both_lines() -> None:
    _, problems = read_tree(Source("f.yaml", "a: 1\nb: 2\na: 3\n"))
    assert problems[0].message == "a is written twice: on line 1 and on line 3"


def test_a_key_may_be_called_like_a_merge_key_when_quoted() -> None:
    assert read('"<<": 1\n') == ({"<<": 1}, [])


def test_aliases_share_values_and_keep_the_place_of_what_they_stand_for() -> None:
    tree, problems = read_tree(Source("f.yaml", "a: &x {k: v}\nb: *x\n"))
    assert tree is not None
    assert problems == []
    assert plain_data(tree) == {"a": {"k": "v"}, "b": {"k": "v"}}
    assert value_place(tree, ("b", "k")).line == 1
    assert name_place(tree, ("b",)).line == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ one }}", id="plain"),
        pytest.param('"{{ one }} two"', id="double-quoted"),
        pytest.param("'it''s {{ one }} now'", id="single-quoted-with-a-quote"),
        pytest.param('"a\\tb\\u0020c \\\n     d e"', id="escapes-and-a-folded-line"),
        pytest.param(">-\n    {{ one }}\n    two\n\n    three\n", id="folded"),
        pytest.param("|\n    one\n      two\n    three\n", id="literal"),
        pytest.param(">+ # said here\n    one\n    two\n\n", id="folded-with-a-comment"),
        pytest.param("one\n    two\n    three", id="plain-over-three-lines"),
        pytest.param('"één 😀 two"', id="beyond-ascii"),
    ],
)
def test_every_character_of_a_text_is_found_in_the_file(text: str) -> None:
    if text.startswith("{{"):
        text = f'"{text}"'
    source = Source("f.yaml", f"top:\n  a: {text}\n")
    tree, problems = read_tree(source)
    assert problems == []
    assert tree is not None
    node = find(tree, ("top", "a"))
    assert isinstance(node, Scalar)
    assert isinstance(node.value, str)
    for offset, letter in enumerate(node.value):
        if not letter.isspace():
            place = node.at(offset)
            assert source.line(place.line)[place.column - 1] == letter


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_editors_count_them(newline: str) -> None:
    source = Source("f.yaml", newline.join(["a: 1", "b: [", ""]))
    _, problems = read_tree(source)
    assert source.lines == 2
    assert problems[0].place.line == 2


def test_bytes_that_are_no_text() -> None:
    source, problems = decode("f.yaml", b"a: 1\nb: \xff\n")
    assert source is None
    assert [f"{p.place} {p.code}" for p in problems] == ["f.yaml:2:4 file-encoding"]


def test_a_byte_order_mark() -> None:
    source, problems = decode("f.yaml", b"\xef\xbb\xbfa: 1\n")
    assert source is None
    assert problems[0].code == "file-encoding"


def test_ten_megabytes_are_refused_before_they_are_parsed() -> None:
    started = time.process_time()
    source, problems = decode("f.yaml", b"a: [" + b"x, " * (10 * MAX_BYTES // 3) + b"]")
    assert source is None
    assert problems[0].code == "file-too-big"
    assert time.process_time() - started < 1


# Pieces that mean something to YAML, so that random texts go deep.
_MARKS = "a|b: |- |? |: |  |{|}|[|]|,|\"|'|>-|&a |*a|!t |<<|#|%YAML 1.1\n|---\n|...\n|~|1|@|é|😀".split("|")
_ODD = ["|", "|2-\n", "\n", "\t", "\r", "\\", "\\x4", "\u2028", "\x85", "\x00"]
PIECES = st.sampled_from([*_MARKS, *_ODD])
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join))


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_gives_a_tree_or_problems_and_every_place_is_inside_the_file(text: str) -> None:
    source = Source("f.yaml", text)
    tree, problems = read_tree(source)
    assert tree is not None or problems
    places = [problem.place for problem in problems]
    if tree is not None:
        for _, scalar in scalars(tree):
            places += [scalar.place, scalar.at(0), scalar.at(max(0, len(scalar.raw) - 1))]
        places += _all_places(tree)
    for place in places:
        assert 1 <= place.line <= source.lines
        assert 1 <= place.column <= len(source.line(place.line)) + 1


def _all_places(node: Map | List | Scalar) -> list[Any]:
    if isinstance(node, Map):
        inside = [place for e in node.entries.values() for place in (e.key_place, *_all_places(e.node))]
        return [node.place, *inside]
    if isinstance(node, List):
        return [node.place, *(place for item in node.items for place in _all_places(item))]
    return [node.place]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_text_or_a_problem(data: bytes) -> None:
    source, problems = decode("f.yaml", data)
    assert (source is None) == bool(problems)
