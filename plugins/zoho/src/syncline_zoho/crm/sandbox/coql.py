"""The grammar of COQL: a select query as text in, a checked tree out.

Rules after Zoho CRM API v8, COQL: at most 50 columns, 25 criteria, ``in`` of 50 values, ``LIMIT`` to
2,000, more than two criteria nested in pairs of brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from syncline_zoho.crm.sandbox.errors import Refused

MAX_COLUMNS = 50
MAX_CRITERIA = 25
MAX_IN = 50
MAX_ROWS = 2000
MAX_ORDER = 10
MAX_OFFSET = 100_000
DEFAULT_ROWS = 200

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_$][\w$.]*)"
    r"|(?P<op>!=|<=|>=|<>|[=<>(),]))"
)
_KEYWORDS = {
    "select", "from", "where", "and", "or", "not", "in", "is", "null", "like", "between", "order", "by",
    "asc", "desc", "limit", "offset", "group", "as", "true", "false",
}  # fmt: skip
_AGGREGATES = ("COUNT", "SUM", "MIN", "MAX", "AVG")


class Compare(Struct, frozen=True):
    """``op``: = != < <= > >= like, not like, in, not in, is null, is not null, between, not between;
    ``value``: a text, a number as text, a bool, or a tuple of those."""

    column: str
    op: str
    value: Any = None


class Both(Struct, frozen=True):
    left: Condition
    right: Condition


class Either(Struct, frozen=True):
    left: Condition
    right: Condition


Condition = Compare | Both | Either


class Column(Struct, frozen=True):
    """``aggregate``: the function around the name, if any; ``label``: the key in the reply's rows."""

    name: str
    label: str
    aggregate: str | None = None


class Query(Struct, frozen=True, kw_only=True):
    columns: Sequence[Column]
    module: str
    where: Condition
    order: Sequence[tuple[str, bool]]  # (column, descending)
    limit: int
    offset: int


def parse(text: str) -> Query:
    """The query; raises :class:`Refused` as the remote would."""
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = text.strip().rstrip(";")
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise syntax_error(text[place : place + 20])
        kind = str(match.lastgroup)
        value = match.group(kind)
        if kind == "name" and value.lower() in _KEYWORDS:
            kind, value = "word", value.lower()
        found.append((kind, value))
        place = match.end()
        if not text[place:].strip():
            break
    return found


def syntax_error(near: str) -> Refused:
    return Refused(400, "SYNTAX_ERROR", "invalid query formed", {"near": near, "line": 1, "column": 1})


def limit_exceeded(clause: str, limit: int) -> Refused:
    return Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"clause": clause, "limit": limit})


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0
        self._criteria = 0

    def query(self) -> Query:
        self._expect("select")
        columns = [self._column()]
        while self._accept(","):
            columns.append(self._column())
        if len(columns) > MAX_COLUMNS:
            raise limit_exceeded("select", MAX_COLUMNS)
        self._expect("from")
        module = self._name()
        self._expect("where")
        where = self._condition()
        order = self._order()
        limit, offset = self._bounds()
        if self._place != len(self._tokens):
            raise syntax_error(self._near())
        return Query(columns=columns, module=module, where=where, order=order, limit=limit, offset=offset)

    # --- clauses ----------------------------------------------------------------------------------

    def _column(self) -> Column:
        name = self._name()
        aggregate = None
        label = name
        if name in _AGGREGATES and self._accept("("):
            aggregate, name = name, self._name()
            self._expect(")")
            label = f"{aggregate}({name})"
        if self._accept("as"):
            label = self._name()
        return Column(name, label, aggregate)

    def _condition(self) -> Condition:
        """One criterion, or two joined; more must be nested."""
        left = self._operand()
        for word, node in (("and", Both), ("or", Either)):
            if self._accept(word):
                right = self._operand()
                if self._peek()[1] in ("and", "or") and self._peek()[0] == "word":
                    raise syntax_error(self._near())
                return node(left, right)
        return left

    def _operand(self) -> Condition:
        if self._accept("("):
            inner = self._condition()
            self._expect(")")
            return inner
        return self._compare()

    def _compare(self) -> Compare:
        self._criteria += 1
        if self._criteria > MAX_CRITERIA:
            raise limit_exceeded("where", MAX_CRITERIA)
        column = self._name()
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null")
            return Compare(column, "is not null" if negated else "is null")
        negation = "not " if self._accept("not") else ""
        if self._accept("in"):
            self._expect("(")
            values = [self._value()]
            while self._accept(","):
                values.append(self._value())
            self._expect(")")
            if len(values) > MAX_IN:
                raise limit_exceeded("in", MAX_IN)
            return Compare(column, f"{negation}in", tuple(values))
        if self._accept("like"):
            return Compare(column, f"{negation}like", self._value())
        if self._accept("between"):
            low = self._value()
            self._expect("and")
            return Compare(column, f"{negation}between", (low, self._value()))
        if negation:
            raise syntax_error(self._near())
        kind, op = self._peek()
        if kind != "op" or op not in ("=", "!=", "<>", "<", "<=", ">", ">="):
            raise syntax_error(self._near())
        self._place += 1
        return Compare(column, "!=" if op == "<>" else op, self._value())

    def _order(self) -> list[tuple[str, bool]]:
        if not self._accept("order"):
            return []
        self._expect("by")
        found = []
        while True:
            name = self._name()
            descending = self._accept("desc")
            if not descending:
                self._accept("asc")
            found.append((name, descending))
            if not self._accept(","):
                break
        if len(found) > MAX_ORDER:
            raise limit_exceeded("order by", MAX_ORDER)
        return found

    def _bounds(self) -> tuple[int, int]:
        limit, offset = DEFAULT_ROWS, 0
        if self._accept("limit"):
            limit = self._whole()
            if self._accept(","):
                offset, limit = limit, self._whole()
        if self._accept("offset"):
            offset = self._whole()
        if limit > MAX_ROWS or limit < 1:
            raise limit_exceeded("limit", MAX_ROWS)
        if offset + limit > MAX_OFFSET:
            raise limit_exceeded("offset", MAX_OFFSET)
        return limit, offset

    # --- tokens -----------------------------------------------------------------------------------

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _near(self) -> str:
        return self._peek()[1] or "end of query"

    def _accept(self, token: str) -> bool:
        kind, value = self._peek()
        if value == token and kind in ("word", "op"):
            self._place += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise syntax_error(self._near())

    def _name(self) -> str:
        kind, value = self._peek()
        if kind != "name":
            raise syntax_error(self._near())
        self._place += 1
        return value

    def _whole(self) -> int:
        kind, value = self._peek()
        if kind != "number" or not value.isdecimal():
            raise syntax_error(self._near())
        self._place += 1
        return int(value)

    def _value(self) -> Any:
        kind, value = self._peek()
        self._place += 1
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", value[1:-1])
        if kind == "number":
            return value
        if kind == "word" and value in ("true", "false"):
            return value == "true"
        self._place -= 1
        raise syntax_error(self._near())
