"""The language of the ``where`` and ``order`` parameters.

A C#-like expression in one parameter (Xero API documentation, Requests and responses: filters). What
cannot be read is answered with error 16. A double quote inside a text cannot be escaped, and a text
in single quotes is refused: both as the remote does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Struct

from syncline_xero.sandbox.wire import Row, query_fault

MAX_DEPTH = 50

Predicate = Callable[[Row], bool]
Getter = Callable[[Row], Any]

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"[^"]*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)'
    r"|(?P<op>==|!=|<>|>=|<=|&&|\|\||[=<>!().,]))"
)


class Shape(Struct, frozen=True):
    """What may be asked of one collection.

    ``fields``: name in lower case -> name as stored, dotted for nested ones; ``folded``: fields whose
    texts are compared without regard to case and accents; ``optimised``: those that stay fast over
    many records; ``kind``: the name that error messages use.
    """

    kind: str
    fields: Mapping[str, str]
    folded: frozenset[str] = frozenset()
    optimised: frozenset[str] = frozenset()
    optimised_order: frozenset[str] = frozenset()

    def resolve(self, name: str) -> str:
        try:
            return self.fields[name.lower()]
        except KeyError:
            raise query_fault(f"No property or field '{name}' exists in type '{self.kind}'") from None


def shape(
    kind: str,
    names: str,
    *,
    folded: str = "",
    optimised: str = "",
    optimised_order: str = "",
    aliases: Mapping[str, str] | None = None,
) -> Shape:
    """A shape from space-separated names."""
    fields = {name.lower(): name for name in names.split()}
    fields.update(aliases or {})
    return Shape(
        kind,
        fields,
        frozenset(folded.split()),
        frozenset(optimised.split()),
        frozenset(optimised_order.split()),
    )


def fold(text: str) -> str:
    """Without case and accents: how contact names are compared."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


def getter(path: str) -> Getter:
    parts = path.split(".")
    if len(parts) == 1:
        return lambda row: row.get(path)

    def get(row: Row) -> Any:
        value: Any = row
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    return get


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            if not text[place:].strip():
                break
            raise query_fault(f"Unrecognised character at position {place}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        place = match.end()
    return found


class _Operand(Struct, frozen=True):
    get: Getter
    field: str | None = None
    constant: bool = False


class _Parser:
    def __init__(self, text: str, shape: Shape) -> None:
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0
        self.shape = shape
        self.used: set[str] = set()
        self.ranged: set[str] = set()

    def peek(self, *values: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place][1].upper() in values

    def take(self, *values: str) -> str | None:
        if self.peek(*values):
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def need(self, value: str) -> None:
        if self.take(value) is None:
            found = self.tokens[self.place][1] if self.place < len(self.tokens) else "the end"
            raise query_fault(f"'{value}' expected, found '{found}'")

    def whole(self) -> Predicate:
        predicate = self.either()
        if self.place < len(self.tokens):
            raise query_fault(f"Syntax error at '{self.tokens[self.place][1]}'")
        return predicate

    def either(self) -> Predicate:
        left = self.both()
        while self.take("||", "OR"):
            left = _or(left, self.both())
        return left

    def both(self) -> Predicate:
        left = self.single()
        while self.take("&&", "AND"):
            left = _and(left, self.single())
        return left

    def single(self) -> Predicate:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise query_fault("Expression is nested too deeply")
        try:
            return self.nested()
        finally:
            self.depth -= 1

    def nested(self) -> Predicate:
        if self.take("!"):
            inner = self.single()
            return lambda row: not inner(row)
        if self.peek("("):
            self.need("(")
            predicate = self.either()
            self.need(")")
            return predicate
        left = self.operand()
        op = self.take("==", "=", "!=", "<>", ">=", "<=", ">", "<")
        if op is None:
            return lambda row: left.get(row) is True
        right = self.operand()
        return _compare(left, op, right, self.shape)

    def operand(self) -> _Operand:
        if self.place >= len(self.tokens):
            raise query_fault("Expression expected")
        kind, text = self.tokens[self.place]
        self.place += 1
        if kind == "text":
            return _constant(text[1:-1])
        if kind == "number":
            return _constant(Decimal(text))
        if kind != "name":
            raise query_fault(f"Syntax error at '{text}'")
        lower = text.lower()
        if lower in ("true", "false", "null"):
            return _constant({"true": True, "false": False, "null": None}[lower])
        if lower == "guid" and self.peek("("):
            return _constant(self.arguments("text")[0].lower())
        if lower == "datetime" and self.peek("("):
            return _constant(self.moment())
        return self.path(text)

    def arguments(self, kind: str) -> list[str]:
        self.need("(")
        values = []
        while not self.take(")"):
            if self.place >= len(self.tokens) or self.tokens[self.place][0] != kind:
                raise query_fault("Invalid argument")
            text = self.tokens[self.place][1]
            values.append(text[1:-1] if kind == "text" else text)
            self.place += 1
            if not self.peek(")"):
                self.need(",")
        return values or [""]

    def moment(self) -> str:
        """``DateTime(y,m,d[,h,m,s])`` as the stored text, comparable with days and instants."""
        try:
            parts = [int(text) for text in self.arguments("number")]
            instant = datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - a literal without a zone
        except (TypeError, ValueError):
            raise query_fault("Invalid DateTime") from None
        return instant.isoformat()

    def path(self, first: str) -> _Operand:
        name = first
        while self.take("."):
            if self.place >= len(self.tokens) or self.tokens[self.place][0] != "name":
                raise query_fault("Identifier expected")
            part = self.tokens[self.place][1]
            self.place += 1
            if self.peek("("):
                return self.call(name, part)
            name = f"{name}.{part}"
        field = self.shape.resolve(name)
        self.used.add(field)
        return _Operand(getter(field), field)

    def call(self, name: str, method: str) -> _Operand:
        field = self.shape.resolve(name)
        self.ranged.add(field)
        get = getter(field)
        lower = method.lower()
        if lower in ("tolower", "toupper"):
            self.need("(")
            self.need(")")
            if self.take("."):
                kind, inner = self.tokens[self.place] if self.place < len(self.tokens) else ("", "")
                if kind != "name":
                    raise query_fault("Identifier expected")
                self.place += 1
                return self.test(inner, lambda row: _cased(get(row), lower))
            return _Operand(lambda row: _cased(get(row), lower))
        return self.test(method, get)

    def test(self, method: str, get: Getter) -> _Operand:
        tests: dict[str, Callable[[str, str], bool]] = {
            "contains": lambda text, part: part in text,
            "startswith": str.startswith,
            "endswith": str.endswith,
        }
        test = tests.get(method.lower())
        if test is None:
            raise query_fault(f"No applicable method '{method}' exists in type 'String'")
        part = self.arguments("text")[0].casefold()
        return _Operand(lambda row: test(str(get(row) or "").casefold(), part))


def _cased(value: Any, method: str) -> Any:
    return getattr(value, method[2:])() if isinstance(value, str) else value


def _constant(value: Any) -> _Operand:
    return _Operand(lambda row: value, None, True)


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) or right(row)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) and right(row)


def _number(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _instant(value: str) -> str:
    """A day or instant, cut to seconds, so that days, instants and literals compare as texts."""
    return value[:19] if len(value) > 10 else f"{value}T00:00:00"


def _compare(left: _Operand, op: str, right: _Operand, shape: Shape) -> Predicate:
    field = left.field or right.field
    if field is None and left.constant and right.constant:
        raise query_fault("Expression of type 'Boolean' expected")
    name = (field or "").rsplit(".", 1)[-1]
    folded = field in shape.folded
    is_id = name.endswith("ID")
    is_day = name.endswith(("Date", "DateUTC"))

    def norm(value: Any) -> Any:
        if isinstance(value, str):
            if folded:
                return fold(value)
            if is_id:
                return value.lower()
            if is_day:
                return _instant(value)
            return value
        return _number(value)

    def blank(value: Any) -> Any:
        return None if value == "" else value

    ordered: dict[str, Callable[[Any, Any], bool]] = {
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
    }

    def predicate(row: Row) -> bool:
        a, b = blank(norm(left.get(row))), blank(norm(right.get(row)))
        if op in ("==", "="):
            return bool(a == b)
        if op in ("!=", "<>"):
            return bool(a != b)
        if a is None or b is None or isinstance(a, str) is not isinstance(b, str):
            return False
        return ordered[op](a, b)

    return predicate


class Where(Struct, frozen=True):
    """A readable ``where``. ``optimised``: touches fast fields alone."""

    predicate: Predicate
    optimised: bool


def parse_where(text: str, shape: Shape) -> Where:
    """Raises Refusal with error 16."""
    parser = _Parser(text, shape)
    predicate = parser.whole()
    return Where(predicate, not parser.ranged and parser.used <= shape.optimised)


def parse_order(text: str, shape: Shape) -> tuple[tuple[str, bool], ...]:
    """``((field, descending), ...)``; raises Refusal with error 16."""
    found = []
    for part in text.split(","):
        words = part.split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1].upper() not in ("ASC", "DESC")):
            raise query_fault(f"Syntax error in order '{text}'")
        found.append((shape.resolve(words[0]), len(words) == 2 and words[1].upper() == "DESC"))
    return tuple(found)


@lru_cache(maxsize=64)
def sort_key(path: str) -> Callable[[Row], tuple[int, Any]]:
    get = getter(path)

    def key(row: Row) -> tuple[int, Any]:
        value = get(row)
        if value is None:
            return (0, "")
        if isinstance(value, str):
            return (1, value.casefold())
        if isinstance(value, date):
            return (1, value.isoformat())
        return (1, value)

    return key
