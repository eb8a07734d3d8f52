"""The text of one spec file, read into a tree in which every node knows its place.

The reader works on the parser's events, so that nothing is built before it is known to be harmless: size,
depth and aliases are bounded, and what YAML would change behind the author's back (tags, merge keys,
duplicate keys, ``NO``, ``0123``, ``1e5``, ``2024-01-01``) is refused or left as the text it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from syncline.spec.problems import Place, Problem
from syncline.spec.tree import Entry, List, Map, Mark, Node, Plain, Scalar

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_ALIASES = 100
MAX_NODES = 50_000

# Longer numbers are codes (and Python refuses to print integers of thousands of digits).
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,29}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,29})\.[0-9]{1,30}")
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_TAG = re.compile(r"!\S*")
_BREAK = re.compile(r"\r\n|\n|\r")
_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}


class Source:
    """A file's text with its line structure. ``file``: the name that places use."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0, *(m.end() for m in _BREAK.finditer(text))]
        if len(self._starts) > 1 and self._starts[-1] == len(text):
            self._starts.pop()  # the empty rest behind the last line break is no line

    def place(self, index: int) -> Place:
        """The place of the character at ``index``; the end of the last line when there is none."""
        line = bisect_right(self._starts, index) - 1
        column = index - self._starts[line]
        if line == len(self._starts) - 1:
            column = min(column, len(self.line(line + 1)))
        return Place(self.file, line + 1, column + 1)

    def line(self, number: int) -> str:
        """The line of that number (from 1) without its line break; empty when there is none."""
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")

    @property
    def lines(self) -> int:
        return len(self._starts)


class _Stop(Exception):
    """The document cannot be read any further; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Open(Struct):
    """A map or list that is being read. ``key``: the map's key that waits for its value; ``None`` when the
    next node is a key; ``skip``: that key was refused, so its value is dropped."""

    place: Place
    is_map: bool
    anchor: str | None
    entries: dict[str, Entry] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    size: int = 1
    key: str | None = None
    key_place: Place | None = None
    skip: bool = False


def decode(file: str, data: bytes) -> tuple[Source | None, list[Problem]]:
    """The text of a file's bytes; refuses what is too long, not UTF-8 or has a byte order mark."""
    start = Place(file, 1, 1)
    if len(data) > MAX_BYTES:
        return None, [too_big(file, len(data))]
    if data.startswith(b"\xef\xbb\xbf"):
        return None, [
            Problem(
                place=start,
                code="file-encoding",
                message="the file begins with a byte order mark",
                suggestion="save it as UTF-8 without BOM",
            )
        ]
    try:
        return Source(file, data.decode("utf-8")), []
    except UnicodeDecodeError as bad:
        before = Source(file, data[: bad.start].decode("utf-8", "replace") + "?")
        return None, [
            Problem(
                place=before.place(len(before.text) - 1),
                code="file-encoding",
                message=f"the file is not UTF-8 text: byte 0x{data[bad.start]:02x}",
                suggestion="save it as UTF-8",
            )
        ]


def too_big(file: str, size: int | None) -> Problem:
    found = f"it has {size:,}" if size is not None else "it has more"
    return Problem(
        place=Place(file, 1, 1),
        code="file-too-big",
        message=f"a spec file has at most {MAX_BYTES:,} bytes; {found}",
        suggestion="move parts of it into a base and extend that",
    )


def read_tree(source: Source) -> tuple[Map | None, list[Problem]]:
    """The document as a tree, and everything wrong with its YAML. Never raises for any text.

    ``None`` when the file cannot be read to its end, or is not a map.
    """
    builder = _Builder(source)
    try:
        return builder.build(), builder.problems
    except _Stop as stop:
        return None, [*builder.problems, stop.problem]


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node | None] = {}  # None: still open
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.aliases = 0
        self.expanded = 0
        self.index = 0

    def build(self) -> Map | None:
        documents = 0
        for event in self._events():
            self.index = event.start_mark.index
            if isinstance(event, DocumentStartEvent):
                documents += 1
                self._document(event, documents)
            elif isinstance(event, ScalarEvent):
                self._scalar(event)
            elif isinstance(event, AliasEvent):
                self._alias(event)
            elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                self._open(event)
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                self._close()
        if self.root is None or (isinstance(self.root, Scalar) and self.root.value is None):
            self._report(self.source.place(0), "empty-file", "the file is empty", "start with: spec: 1")
            return None
        if not isinstance(self.root, Map):
            kind = "a list" if isinstance(self.root, List) else "a single value"
            self._report(
                self.root.place, "not-a-map", f"a spec is a map of keys, not {kind}", "start with: spec: 1"
            )
            return None
        return self.root

    def _events(self) -> Iterator[Event]:
        try:
            yield from YAML(typ="safe", pure=True).parse(self.source.text)
        except _Stop:
            raise
        except ReaderError as bad:
            raise self._stop(
                bad.position,
                "bad-yaml",
                f"the character U+{_code_point(bad.character):04X} is not allowed in YAML",
                "delete it, or write it as an escape in double quotes",
            ) from None
        except MarkedYAMLError as bad:
            raise self._yaml_error(bad) from None
        except Exception as bad:  # the parser leaks what Python raised on some malformed escapes and nestings
            raise self._stop(
                self.index, "bad-yaml", f"the text after this point is not valid YAML ({type(bad).__name__})"
            ) from None

    def _yaml_error(self, bad: MarkedYAMLError) -> _Stop:
        mark = bad.problem_mark or bad.context_mark
        index = mark.index if mark is not None else self.index
        problem, context = str(bad.problem or "not valid YAML"), str(bad.context or "")
        here = self.source.text[index : index + 1]
        since = ""
        if bad.context_mark is not None and bad.context_mark.line != (mark.line if mark else -1):
            since = f" (it began on line {self.source.place(bad.context_mark.index).line})"
        if here == "\t" and "cannot start any token" in problem:
            return self._stop(index, "tab", "a tab is used where YAML wants spaces", "indent with spaces")
        if "mapping values are not allowed here" in problem:
            return self._stop(
                index,
                "bad-yaml",
                "a second 'key:' where only a value can stand",
                "check the indentation, or quote the value if ': ' belongs to it",
            )
        if "end of stream" in problem and "quoted" in context:
            at = bad.context_mark.index if bad.context_mark is not None else index
            return self._stop(at, "bad-yaml", "this quote is never closed", "close the quote")
        if "cannot start any token" in problem:
            return self._stop(
                index, "bad-yaml", f"a value cannot begin with {here!r}", "quote the whole value"
            )
        if "expected ':'" in problem:
            at = bad.context_mark.index if bad.context_mark is not None else index
            return self._stop(at, "bad-yaml", "this line has no ':' after its key", "write key: value")
        if "flow mapping" in context or "flow sequence" in context:
            bracket = "}" if "mapping" in context else "]"
            return self._stop(
                index, "bad-yaml", f"expected ',' or '{bracket}'{since}", f"close it with {bracket}"
            )
        if "block mapping" in context or "block collection" in context:
            return self._stop(
                index,
                "bad-yaml",
                f"this does not line up with the lines above it{since}",
                "indent it like its neighbours",
            )
        return self._stop(index, "bad-yaml", f"not valid YAML: {problem}{since}")

    def _document(self, event: DocumentStartEvent, count: int) -> None:
        if count > 1:
            raise self._stop(
                event.start_mark.index,
                "several-documents",
                "a second document begins here; a file holds one spec",
                "put each spec in a file of its own",
            )
        if event.version is not None or event.tags:
            line = _DIRECTIVE.search(self.source.text)
            self._report(
                self.source.place(line.start() if line else event.start_mark.index),
                "directive",
                "YAML directives (%YAML, %TAG) change what values mean and are not taken",
                "delete the line; specs are YAML 1.2",
            )

    def _scalar(self, event: ScalarEvent) -> None:
        place = self.source.place(event.start_mark.index)
        self._tag(event, place)
        self._count(1)
        plain = event.style is None or event.style == ""
        value: Plain = resolve(event.value) if plain else event.value
        marks: tuple[Mark, ...] = ()
        if value and isinstance(value, str) and not (plain and event.start_mark.line == event.end_mark.line):
            marks = self._marks(event)
        node = Scalar(place, value, event.value, plain, marks)
        if event.anchor:
            self.anchors[event.anchor] = node
        self._add(node)

    def _alias(self, event: AliasEvent) -> None:
        index = event.start_mark.index
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self._stop(
                index,
                "too-many-aliases",
                f"a file uses at most {MAX_ALIASES} aliases",
                "write the values out",
            )
        if event.anchor not in self.anchors:
            self._report(
                self.source.place(index),
                "unknown-alias",
                f"there is no anchor &{event.anchor} above this line",
                f"write &{event.anchor} before the value it stands for",
            )
            self._add(Scalar(self.source.place(index), None))
            return
        node = self.anchors[event.anchor]
        if node is None:
            raise self._stop(
                index,
                "alias-loop",
                f"*{event.anchor} stands inside the value that it names",
                "write the value out",
            )
        self._count(node.size)
        self._add(node)

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        place = self.source.place(event.start_mark.index)
        self._tag(event, place)
        self._count(1)
        if len(self.stack) >= MAX_DEPTH:
            raise self._stop(
                event.start_mark.index, "too-deep", f"maps and lists are nested more than {MAX_DEPTH} deep"
            )
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(place, isinstance(event, MappingStartEvent), event.anchor))

    def _close(self) -> None:
        done = self.stack.pop()
        node: Node = (
            Map(done.place, done.entries, done.size)
            if done.is_map
            else List(done.place, tuple(done.items), done.size)
        )
        if done.anchor:
            self.anchors[done.anchor] = node
        self._add(node)

    def _add(self, node: Node) -> None:
        """Give a finished node to what is open around it."""
        if not self.stack:
            self.root = node
            return
        around = self.stack[-1]
        if not around.is_map:
            around.items.append(node)
            around.size += node.size
        elif around.key is None and not around.skip:
            self._key(around, node)
        else:
            if not around.skip and around.key is not None and around.key_place is not None:
                around.entries[around.key] = Entry(around.key_place, node)
                around.size += node.size
            around.key, around.skip = None, False

    def _count(self, nodes: int) -> None:
        self.expanded += nodes
        if self.expanded > MAX_NODES:
            raise self._stop(
                self.index, "too-many-values", f"a file holds at most {MAX_NODES:,} values, aliases expanded"
            )

    def _key(self, around: _Open, node: Node) -> None:
        place = self.source.place(self.index)
        if not isinstance(node, Scalar):
            around.skip = True
            self._report(
                node.place,
                "key-not-text",
                "a key is text, not a map or a list",
                'quote an expression: "{{ … }}"' if self._braces(node.place) else "write a name",
            )
            return
        if node.plain and node.value == "<<":
            around.skip = True
            self._report(
                place,
                "merge-key",
                "merge keys (<<) are not taken",
                "use extends for what specs share, or an alias for a whole value",
            )
            return
        key = node.raw
        if not isinstance(node.value, str):
            if key:
                self._report(place, "key-not-text", f"a key is text; {key} is not", f'quote it: "{key}"')
            else:
                self._report(place, "key-not-text", "this ':' has no key before it", "write key: value")
        if key in around.entries:
            around.skip = True
            first = around.entries[key].key_place
            self._report(
                place,
                "duplicate-key",
                f"{key} is written twice: on line {first.line} and on line {place.line}",
                "delete one of them",
            )
            return
        around.key, around.key_place = key, place

    def _braces(self, place: Place) -> bool:
        return self.source.line(place.line)[max(0, place.column - 2) :].startswith("{{")

    def _tag(self, event: Any, place: Place) -> None:
        if event.ctag is not None:
            written = _TAG.search(self.source.line(place.line), place.column - 1)
            self._report(
                place,
                "tag",
                f"tags ({written[0] if written else '!'}) are not taken",
                "write the value itself; quotes make a text",
            )

    def _marks(self, event: ScalarEvent) -> tuple[Mark, ...]:
        text, start, end = self.source.text, event.start_mark.index, event.end_mark.index
        single_line = event.start_mark.line == event.end_mark.line
        if event.style in ("|", ">"):
            found = _BREAK.search(text, start)
            pieces = _align(event.value, text, found.end() if found else end, end, "")
        elif single_line and "\\" not in text[start:end] and "''" not in text[start + 1 : end - 1]:
            pieces = [(0, start + 1)]
        else:
            pieces = _align(event.value, text, start + (1 if event.style else 0), end, event.style or "")
        marks = []
        for offset, index in pieces:
            place = self.source.place(index)
            marks.append((offset, place.line, place.column))
        return tuple(marks)

    def _report(self, place: Place, code: str, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(place=place, code=code, message=message, suggestion=suggestion))

    def _stop(self, index: int, code: str, message: str, suggestion: str = "") -> _Stop:
        return _Stop(
            Problem(place=self.source.place(index), code=code, message=message, suggestion=suggestion)
        )


def resolve(text: str) -> Plain:
    """What unquoted text means: a number, true, false or nothing only where that keeps every character."""
    if text in ("", "~", "null"):
        return None
    if text == "true":
        return True
    if text == "false":
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _code_point(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _align(value: str, text: str, index: int, end: int, style: str) -> list[tuple[int, int]]:
    """Where the stretches of a folded or escaped text begin: (offset in the value, index in the file).

    Folding only adds and drops white space, so both are walked in step over everything else.
    """
    pieces: list[tuple[int, int]] = []
    offset = 0
    while offset < len(value) and index < end:
        if value[offset].isspace():
            offset += 1
            continue
        while index < end and (skip := _blank(text, index, style)):
            index += skip
        if index >= end:
            break
        if not pieces or index - pieces[-1][1] != offset - pieces[-1][0]:
            pieces.append((offset, index))
        index += _length(text, index, style)
        offset += 1
    return pieces


def _length(text: str, index: int, style: str) -> int:
    """How many characters of the file stand for one of the value."""
    if style == '"' and text[index] == "\\":
        return _ESCAPE_LENGTH.get(text[index + 1 : index + 2], 2)
    return 2 if style == "'" and text[index] == "'" else 1


def _blank(text: str, index: int, style: str) -> int:
    """How many characters at ``index`` stand for white space, or for nothing; 0: something visible stands
    there."""
    if text[index].isspace():
        return 1
    if style != '"' or text[index] != "\\":
        return 0
    kind = text[index + 1 : index + 2]
    if kind in "\r\n \tntr_NLPvf" or not kind:
        return 2
    if kind in _ESCAPE_LENGTH:
        digits = text[index + 2 : index + _ESCAPE_LENGTH[kind]]
        return _ESCAPE_LENGTH[kind] if chr(int(digits, 16)).isspace() else 0
    return 0
