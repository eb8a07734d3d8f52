"""Transforms: Jinja expressions that can compute a value and nothing else.

An expression sees plain data, exact decimals and the filters of :mod:`syncline.mapping.filters`. It is
bounded in time (steps and a deadline) and in size (every text, list and number), so that whatever a spec
says, the process goes on. What the stock sandbox leaves open is closed here by allow-lists: the syntax
nodes, the methods, the filters and the operators that may occur at all.
"""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from syncline.mapping.filters import FILTERS, MAX_DIGITS, MAX_ITEMS, MAX_TEXT, Filter, sized, text
from syncline.mapping.missing import Missing

MAX_SOURCE = 2_000
MAX_STEPS = 50_000
DEADLINE_S = 1.0

#: What every expression may name, beside the macros that its spec imports. ``parent`` is the whole record
#: inside the maps of a list, where ``record`` is the item.
NAMES = ("value", "record", "parent", "today")

_WHOLE = re.compile(r"\A\s*\{\{(.*)\}\}\s*\Z", re.DOTALL)
_TEXT_METHODS = frozenset(
    "upper lower strip lstrip rstrip title capitalize startswith endswith split isdigit isalpha isalnum"
    " removeprefix removesuffix find count".split()
)
_TESTS = frozenset(
    "defined undefined none string number integer boolean mapping sequence in eq ne lt le gt ge true false"
    " odd even divisibleby lower upper sameas == != < <= > >= equalto".split()
)
_OPERATORS = frozenset(("+", "-", "*", "/", "//", "%", "**"))
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr),
    *(nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Call, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add),
    *(nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.List, nodes.Tuple),
    *(nodes.Dict, nodes.Pair, nodes.Keyword, nodes.If, nodes.For, nodes.Assign, nodes.Macro, nodes.Scope),
)


class ExpressionError(ValueError):
    """An expression that cannot be compiled or gave no value; ``offset``: characters from its start."""

    def __init__(self, message: str, *, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class MacroFile:
    """A file of ``{% macro %}`` definitions; every macro in it can be called by its name, and gives text."""

    name: str
    source: str


class View(Mapping[str, Any]):
    """A record as an expression sees it: a field the remote can send but left out is nothing, not an error.

    ``known``: the names of the fields that the remote has, ``None`` when any name may be one.
    """

    __slots__ = ("known", "values_")

    def __init__(self, values: Mapping[str, Any], known: frozenset[str] | None) -> None:
        self.values_ = values
        self.known = known

    def __getitem__(self, name: str) -> Any:
        value = self.values_.get(name)
        if value is None:
            if self.known is not None and name not in self.known and name not in self.values_:
                raise KeyError(name)
            return None
        if isinstance(value, dict):
            return View(value, None)
        if isinstance(value, list):
            return [View(row, None) if isinstance(row, dict) else row for row in value]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


class _Meter(threading.local):
    """What the running evaluation has used up."""

    steps = 0
    written = 0
    deadline = 0.0

    def reset(self) -> None:
        self.steps = 0
        self.written = 0
        self.deadline = time.monotonic() + DEADLINE_S

    def tick(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS or time.monotonic() > self.deadline:
            raise ExpressionError(
                f"the expression takes too long (more than {MAX_STEPS} steps or {DEADLINE_S:g} s)"
            )

    def write(self, value: Any) -> Any:
        shown = _shown(value)
        self.written += len(shown)
        if self.written > MAX_TEXT:
            raise ExpressionError(f"the text is longer than {MAX_TEXT} characters")
        return shown


_meter = _Meter()


def _shown(value: Any) -> str:
    """A value inside a longer text."""
    if isinstance(value, Undefined):
        return str(value)  # StrictUndefined raises, naming what is missing
    return text(value)


def _walk(value: Any) -> Iterator[Any]:
    """Items one by one, counted."""
    if isinstance(value, Undefined):
        str(value)
    if value is None:
        return
    for count, item in enumerate(value):
        _meter.tick()
        if count >= MAX_ITEMS:
            raise ExpressionError(f"the list has more than {MAX_ITEMS} items")
        yield item


def _concat(parts: Sequence[Any]) -> str:
    return sized("".join(_shown(part) for part in parts))


def _metered(filter_: Filter) -> Filter:
    def call(value: Any, *args: Any, **options: Any) -> Any:
        _meter.tick()
        if isinstance(value, Undefined):
            str(value)
        return filter_(value, *args, **options)

    return call


def _default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    if value is None or isinstance(value, Undefined) or (boolean and not value):
        return other
    return value


def _map(value: Any, attribute: str) -> Iterator[Any]:
    """One attribute of every item: ``lines | map('Total')``."""
    for item in _walk(value):
        yield item.get(attribute) if isinstance(item, Mapping) else None


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = _OPERATORS
    intercepted_unops = frozenset(("-", "+"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _meter.tick()
        return _operate(operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if isinstance(arg, bool) or not isinstance(arg, (int, Decimal)):
            raise ExpressionError(f"{operator} takes a number")
        return -arg if operator == "-" else arg

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping):
            try:
                return obj[argument]
            except (KeyError, TypeError):
                return self.undefined(obj=obj, name=argument, hint=_no_field(argument, obj))
        if isinstance(obj, (str, list, tuple)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(obj=obj, name=str(argument))
        if isinstance(obj, str) and argument in _TEXT_METHODS:
            return getattr(obj, argument)
        if isinstance(obj, Undefined):
            str(obj)
        if obj is None:
            return self.undefined(
                hint=f"nothing has no {argument!r}: guard it with 'if' or the default filter"
            )
        return self.undefined(obj=obj, name=str(argument), hint=f"{argument!r} cannot be asked for here")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        _meter.tick()
        bound = getattr(__obj, "__self__", None)
        if isinstance(__obj, Macro):
            return str(__obj(*args, **kwargs))
        if isinstance(bound, str) and getattr(__obj, "__name__", "") in _TEXT_METHODS:
            return __obj(*args, **kwargs)
        if isinstance(__obj, Undefined):
            str(__obj)
        raise ExpressionError("only macros and the methods of text can be called")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def wrap_str_format(self, value: Any) -> Any:
        return None


def _no_field(argument: Any, obj: Mapping[str, Any]) -> str:
    names = sorted(getattr(obj, "known", None) or obj)
    near = difflib.get_close_matches(str(argument), [str(n) for n in names], 1)
    return f"there is no field {argument!r}" + (f": did you mean {near[0]!r}?" if near else "")


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _operate(operator: str, left: Any, right: Any) -> Any:
    left, right = _exact(left), _exact(right)
    for side in (left, right):
        if isinstance(side, Undefined):
            str(side)
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return sized(left + right)
    if operator == "+" and isinstance(left, list) and isinstance(right, list):
        if len(left) + len(right) > MAX_ITEMS:
            raise ExpressionError(f"the list has more than {MAX_ITEMS} items")
        return left + right
    if not all(isinstance(side, (int, Decimal)) and not isinstance(side, bool) for side in (left, right)):
        raise ExpressionError(f"'{operator}' takes two numbers{' or two texts' if operator == '+' else ''}")
    if operator == "**" and (not isinstance(right, int) or abs(right) > 64):
        raise ExpressionError("'**' takes a whole power of at most 64")
    return _bounded(_arithmetic(operator, left, right))


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return Decimal(left) / Decimal(right)
        case "//":
            return left // right
        case "%":
            return left % right
        case _:
            return Decimal(left) ** right


def _bounded(result: Any) -> Any:
    size = result.adjusted() if isinstance(result, Decimal) and result.is_finite() else 0
    if isinstance(result, int) and not isinstance(result, bool):
        size = result.bit_length() // 3
    if size > MAX_DIGITS or (isinstance(result, Decimal) and not result.is_finite()):
        raise ExpressionError(f"the number has more than {MAX_DIGITS} digits")
    return result


class _Harden(NodeTransformer):
    """Rewrites a template so that decimals are exact, joins are sized and loops are counted."""

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, float):
            exact = nodes.Const(repr(node.value), lineno=node.lineno)
            return nodes.Filter(exact, "decimal", [], [], None, None, lineno=node.lineno)
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            _bounded(node.value)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        parts = nodes.List([self.visit(part) for part in node.nodes], lineno=node.lineno)
        return nodes.Filter(parts, "_concat", [], [], None, None, lineno=node.lineno)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:
        self.generic_visit(node)
        if node.expr2 is None:
            node.expr2 = nodes.Const(None, lineno=node.lineno)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise ExpressionError("a loop cannot be recursive")
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_walk", [], [], None, None, lineno=node.lineno)
        return node


Compiled = Callable[[Mapping[str, Any]], Any]


@dataclass(slots=True)
class Expressions:
    """Compiles the expressions of one spec, each source once.

    ``filters``: those of plugins, beside the engine's own. ``macros``: the files that the spec imports;
    raises ExpressionError when one of them cannot be read or two of them define the same name.
    """

    filters: Mapping[str, Filter] = field(default_factory=dict)
    macros: Sequence[MacroFile] = ()
    _environment: _Environment = field(init=False)
    _compiled: dict[str, Compiled] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._environment = _make_environment({**FILTERS, **self.filters})
        for file in self.macros:
            for name, macro in self._macros_of(file).items():
                if name in self._environment.globals or name in NAMES:
                    raise ExpressionError(f"{file.name}: the macro {name!r} is defined twice")
                self._environment.globals[name] = macro

    @property
    def macro_names(self) -> frozenset[str]:
        return frozenset(self._environment.globals)

    @property
    def filter_names(self) -> frozenset[str]:
        return frozenset(name for name in self._environment.filters if not name.startswith("_"))

    def compile(self, source: str) -> Compiled:
        """A function from the names of NAMES to the value, which is plain data.

        Text that is one ``{{ … }}`` gives that value as it is; any other text is filled in and stays text.
        Raises ExpressionError; the function does so too, never anything else.
        """
        if source not in self._compiled:
            self._compiled[source] = self._compile(source)
        return self._compiled[source]

    def check(self, source: str) -> list[ExpressionError]:
        """Everything wrong that can be told without data: syntax, names, filters, what is not allowed."""
        try:
            tree = self._parse(source)
        except ExpressionError as error:
            return [error]
        problems = []
        known = {*NAMES, *self.macro_names} | {n.name for n in tree.find_all(nodes.Name) if n.ctx != "load"}
        known |= {"loop"} if tree.find(nodes.For) else set()
        for name in tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name not in known:
                problems.append(_unknown("name", name.name, known, source))
        for used in tree.find_all(nodes.Filter):
            if used.name not in self._environment.filters:
                problems.append(_unknown("filter", used.name, self.filter_names, source))
        for test in tree.find_all(nodes.Test):
            if test.name not in self._environment.tests:
                problems.append(_unknown("test", test.name, self._environment.tests, source))
        if not problems:
            try:
                self.compile(source)
            except ExpressionError as error:
                problems.append(error)
        return problems

    def names_in(self, source: str) -> frozenset[str]:
        """Which of NAMES the expression reads; empty for one that cannot be parsed."""
        try:
            tree = self._parse(source)
        except ExpressionError:
            return frozenset()
        return frozenset(n.name for n in tree.find_all(nodes.Name) if n.ctx == "load") & frozenset(NAMES)

    def record_fields(self, source: str) -> frozenset[str] | None:
        """The top-level fields of ``record`` and ``parent`` that the expression names, ``None`` when it uses
        the record as a whole."""
        try:
            tree = self._parse(source)
        except ExpressionError:
            return frozenset()
        found = set()
        uses = sum(_is_record(name) for name in tree.find_all(nodes.Name))
        named = sum(_is_record(node.node) for node in tree.find_all((nodes.Getattr, nodes.Getitem)))  # type: ignore[attr-defined]
        if uses > named:
            return None
        for got in tree.find_all(nodes.Getattr):
            if _is_record(got.node):
                found.add(got.attr)
        for item in tree.find_all(nodes.Getitem):
            if _is_record(item.node) and isinstance(item.arg, nodes.Const):
                found.add(str(item.arg.value))
        return frozenset(found)

    def filter(self, name: str) -> Filter:
        """The filter of that name, for use outside an expression; raises ExpressionError."""
        try:
            return {**FILTERS, **self.filters}[name]
        except KeyError:
            raise _unknown("filter", name, self.filter_names, name) from None

    def _parse(self, source: str) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise ExpressionError(
                f"an expression has at most {MAX_SOURCE} characters: move parts into a macro file"
            )
        return self._tree(source)

    def _tree(self, source: str) -> nodes.Template:
        try:
            tree = self._environment.parse(source)
        except TemplateSyntaxError as error:
            raise ExpressionError(
                error.message or "syntax error", offset=_line_offset(source, error.lineno)
            ) from None
        except RecursionError:
            raise ExpressionError("the expression is nested too deeply") from None
        for node in _all_nodes(tree):
            if not isinstance(node, _NODES):
                raise ExpressionError(
                    f"{type(node).__name__} is not allowed in a transform",
                    offset=_line_offset(source, node.lineno),
                )
        return tree

    def _compile(self, source: str) -> Compiled:
        tree = self._parse(source)
        whole = _WHOLE.match(source)
        expression = tree.body[0].nodes[0] if whole and _is_single(tree) else None  # type: ignore[attr-defined]
        if expression is not None:
            return self._compile_value(expression)
        return self._compile_text(tree)

    def _compile_value(self, expression: nodes.Expr) -> Compiled:
        body = [nodes.Assign(nodes.Name("result", "store"), _Harden().visit(expression), lineno=1)]
        template = self._template(nodes.Template(body, lineno=1))
        root = template.root_render_func
        new_context = template.new_context

        def evaluate(names: Mapping[str, Any]) -> Any:
            context = new_context(dict(names))
            for _ in root(context):
                pass
            return _plain(context.vars["result"])

        return _guarded(evaluate)

    def _compile_text(self, tree: nodes.Template) -> Compiled:
        template = self._template(_Harden().visit(tree))
        root = template.root_render_func
        new_context = template.new_context

        def evaluate(names: Mapping[str, Any]) -> Any:
            return "".join(root(new_context(dict(names))))

        return _guarded(evaluate)

    def _template(self, tree: nodes.Template) -> Any:
        tree.set_environment(self._environment)
        try:
            code = self._environment.compile(tree)
        except (TemplateError, RecursionError, SyntaxError, ValueError) as error:
            raise ExpressionError(_first_line(error)) from None
        return self._environment.template_class.from_code(self._environment, code, self._environment.globals)

    def _macros_of(self, file: MacroFile) -> dict[str, Macro]:
        try:
            tree = self._tree(file.source)
        except ExpressionError as error:
            raise ExpressionError(f"{file.name}: {error.message}", offset=error.offset) from None
        for node in tree.body:
            blank = isinstance(node, nodes.Output) and all(
                isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
            )
            if not isinstance(node, nodes.Macro) and not blank:
                raise ExpressionError(f"{file.name}: a macro file holds macros alone")
        template = self._template(_Harden().visit(tree))
        module = template.make_module()
        return {name: value for name, value in vars(module).items() if isinstance(value, Macro)}


def _make_environment(filters: Mapping[str, Filter]) -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, finalize=_meter.write, keep_trailing_newline=False,
        trim_blocks=True, lstrip_blocks=True, optimized=False, cache_size=0,
    )  # fmt: skip
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update({name: _metered(filter_) for name, filter_ in filters.items()})
    environment.filters.update(
        {"default": _default, "d": _default, "map": _map, "_walk": _walk, "_concat": _concat}
    )
    for name in set(environment.tests) - _TESTS:
        del environment.tests[name]
    return environment


def _guarded(evaluate: Compiled) -> Compiled:
    """The evaluation with fresh bounds, every failure turned into one kind of error."""

    def run(names: Mapping[str, Any]) -> Any:
        _meter.reset()
        try:
            return evaluate(names)
        except ExpressionError:
            raise
        except SecurityError as error:
            raise ExpressionError(f"not allowed: {_first_line(error)}") from None
        except (TemplateError, ValueError) as error:
            raise ExpressionError(_first_line(error)) from None
        except DecimalException as error:
            kind = "division by zero" if isinstance(error, ZeroDivisionError) else "not a usable number"
            raise ExpressionError(kind) from None
        except ZeroDivisionError:
            raise ExpressionError("division by zero") from None
        except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise ExpressionError(_first_line(error)) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("the expression is nested too deeply or takes too much memory") from None

    return run


def _plain(value: Any, depth: int = 0) -> Any:
    """The result as plain data; an undefined name anywhere in it is an error."""
    if isinstance(value, str):
        return sized(str(value))
    if value is None or isinstance(value, (bool, int)):
        return value if isinstance(value, bool) or value is None else _bounded(value)
    if isinstance(value, (float, Decimal)):
        return _bounded(_exact(value))
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, Missing):
        return None
    if depth > 8:
        raise ExpressionError("the value is nested too deeply")
    _meter.tick()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_plain(item, depth + 1) for item in _walk(value)]
    raise ExpressionError(f"the expression gives a {type(value).__name__}, not a value")


def _is_single(tree: nodes.Template) -> bool:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return False
    parts = tree.body[0].nodes
    return len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)


def _is_record(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name in ("record", "parent")


def _all_nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    pending: list[nodes.Node] = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.iter_child_nodes())


def _unknown(kind: str, name: str, known: Iterable[str], source: str) -> ExpressionError:
    near = difflib.get_close_matches(name, sorted(known), 1)
    found = re.search(rf"\b{re.escape(name)}\b", source)
    return ExpressionError(
        f"unknown {kind} {name!r}",
        offset=found.start() if found else 0,
        suggestion=f"did you mean {near[0]!r}?" if near else "",
    )


def _line_offset(source: str, line: int) -> int:
    return sum(len(text) + 1 for text in source.split("\n")[: max(0, line - 1)])


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
