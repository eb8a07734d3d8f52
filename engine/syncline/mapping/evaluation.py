"""Jinja expressions that can compute a value and nothing else.

An expression sees plain data, exact decimals and the filters of :mod:`syncline.mapping.filters`. It is
bounded in time (steps and a deadline) and in size (every text, list and number), so that whatever a spec
says, the process goes on. What the stock sandbox leaves open is closed here by allow-lists: the syntax
nodes, the methods, the filters and the operators that may occur at all.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, DecimalException
from operator import add, floordiv, mod, mul, sub
from time import monotonic, thread_time
from typing import Any, ParamSpec, TypeVar

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from syncline.mapping.expressions import (
    NAMES,
    Compiled,
    ExpressionError,
    MacroFile,
    Together,
    View,
    first_line,
    unknown,
)
from syncline.mapping.filters import MAX_DIGITS, MAX_ITEMS, MAX_TEXT, Filter, limited, sized, text
from syncline.mapping.missing import Missing
from syncline.mapping.registry import ALL_FILTERS

MAX_SOURCE = 2_000
MAX_FILE = 100_000
MAX_DEPTH = 100
MAX_STEPS = 50_000
DEADLINE_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")

#: How the ``value`` and the result of each of several expressions in one are called.
_VALUE, _RESULT = "__value_", "__result_"
_TOO_DEEP = "the expression is nested too deeply or takes too much memory"
_WHOLE = re.compile(r"\A\s*\{\{(.*)\}\}\s*\Z", re.DOTALL)
_TEXT_METHODS = frozenset(
    "upper lower strip lstrip rstrip title capitalize startswith endswith split isdigit isalpha isalnum"
    " removeprefix removesuffix find count".split()
)
_LOOP = ("index", "index0", "first", "last")
#: What a method of text may be given: its search is not bounded by the length of the text alone.
_MAX_ARGUMENT = 1_000
_TESTS = frozenset(
    "defined undefined none string number integer boolean mapping sequence in eq ne lt le gt ge true false"
    " odd even divisibleby lower upper sameas == != < <= > >= equalto".split()
)
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr),
    *(nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Call, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add),
    *(nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.List, nodes.Tuple),
    *(nodes.Dict, nodes.Pair, nodes.Keyword, nodes.If, nodes.For, nodes.Assign, nodes.Macro, nodes.Scope),
)


class _Meter:
    """What the running evaluation has used up."""

    __slots__ = ("deadline", "steps", "worked_from", "written")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.steps = 0
        self.written = 0
        self.deadline = monotonic() + DEADLINE_S
        self.worked_from: float | None = None

    def tick(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS or (monotonic() > self.deadline and self._worked_too_long()):
            raise ExpressionError(
                f"the expression takes too long (more than {MAX_STEPS} steps or {DEADLINE_S:g} s of work)"
            )

    def _worked_too_long(self) -> bool:
        """Whether the thread was at work since the deadline was first missed, not waiting for a busy machine.

        The time of the thread costs more to ask for than the clock, so it is asked for late.
        """
        now = thread_time()
        if self.worked_from is None:
            self.worked_from = now
        self.deadline = monotonic() + DEADLINE_S / 10
        return now - self.worked_from >= DEADLINE_S

    def write(self, value: Any) -> Any:
        shown = _shown(value)
        self.written += len(shown)
        if self.written > MAX_TEXT:
            raise ExpressionError(f"the text is longer than {MAX_TEXT} characters")
        return shown


class _Running(threading.local):
    """The evaluation that a thread is at; asked for once where several things are counted, since to find what
    belongs to a thread costs more than to count."""

    def __init__(self) -> None:
        self.meter = _Meter()


_running = _Running()


def _write(value: Any) -> Any:
    return _running.meter.write(value)


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
        _running.meter.tick()
        if count >= MAX_ITEMS:
            raise ExpressionError(f"the list has more than {MAX_ITEMS} items")
        yield item


def _concat(parts: Sequence[Any]) -> str:
    return sized("".join([part if type(part) is str else _shown(part) for part in parts]))


def _joined(parts: Iterable[str]) -> str:
    """The pieces of a text, of a macro's too; what a loop repeats is counted as often as it occurs."""
    found, length = [], 0
    for part in parts:
        length += len(part)
        if length > MAX_TEXT:
            raise ExpressionError(f"the text is longer than {MAX_TEXT} characters")
        found.append(part)
    return "".join(found)


def _weighed(value: Any) -> Any:
    """A list or a group as it was written, refused when it holds too many values at all depths together.

    Lists inside lists would otherwise grow by a power with each line, and no comparison of them would end.
    """
    pending, weight = [value], 0
    while pending:
        here = pending.pop()
        weight += 1
        if weight > MAX_ITEMS:
            raise ExpressionError(f"the list has more than {MAX_ITEMS} items, counting those inside others")
        if isinstance(here, dict):
            for key in here:
                if not isinstance(key, str):
                    raise ExpressionError("the keys of a group are texts")
            pending.extend(here.values())
        elif isinstance(here, (list, tuple)):
            pending.extend(here)
    _running.meter.tick(weight // 100)
    return value


def _sliceable(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, (str, list, tuple)):
        raise ExpressionError("only texts and lists can be cut into parts")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ExpressionError("only a number is odd, even or divisible")
    return value


def _divisible(value: Any, by: Any) -> bool:
    return bool(_number(value) % _number(by) == 0)


def _cased(value: Any, same: Callable[[str], str]) -> bool:
    shown = _shown(value)
    return shown == same(shown) and shown.lower() != shown.upper()


def _metered(filter_: Filter) -> Filter:
    def call(value: Any, *args: Any, **options: Any) -> Any:
        _running.meter.tick()
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


_NUMBERS = frozenset((int, Decimal))


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _operate(operator: str, left: Any, right: Any) -> Any:
    if type(left) not in _NUMBERS or type(right) not in _NUMBERS:  # the usual operands need no more asking
        left, right = _exact(left), _exact(right)
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return sized(left + right)
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            return _weighed(left + right)
        if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
            also = " or two texts" if operator == "+" else ""
            raise ExpressionError(f"'{operator}' takes two numbers{also}")
    if operator in ("*", "**"):
        _bounded(left)
    return _bounded(_ARITHMETIC[operator](left, right))


def _power(left: int | Decimal, right: int | Decimal) -> int | Decimal:
    if not isinstance(right, int) or abs(right) > 64:
        raise ExpressionError("'**' takes a whole power of at most 64")
    result: int | Decimal = left**right if isinstance(left, int) and right >= 0 else Decimal(left) ** right
    return result


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": lambda left, right: Decimal(left) / Decimal(right),
    "//": floordiv,
    "%": mod,
    "**": _power,
}


def _bounded(result: Any) -> Any:
    if isinstance(result, Decimal):
        fits = result.is_finite() and -MAX_DIGITS <= result.adjusted() <= MAX_DIGITS
    else:
        fits = not isinstance(result, int) or result.bit_length() // 3 <= MAX_DIGITS
    if not fits:
        raise ExpressionError(f"the number has more than {MAX_DIGITS} digits")
    return result


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(_ARITHMETIC)
    intercepted_unops = frozenset(("-", "+"))
    concat = staticmethod(_joined)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _running.meter.tick()
        return _operate(operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        if isinstance(arg, bool) or not isinstance(arg, (int, Decimal)):
            raise ExpressionError(f"{operator} takes a number")
        return -arg if operator == "-" else arg

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (View, dict, Mapping)):  # the usual ones first: that saves asking the ABC
            try:
                return obj[argument]
            except (KeyError, TypeError):
                return self.undefined(hint=_no_field(argument, obj))
        if isinstance(obj, (str, list, tuple)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(hint=f"there is no item {_named(argument)}")
        if isinstance(obj, str) and isinstance(argument, str) and argument in _TEXT_METHODS:
            return getattr(obj, argument)
        if isinstance(obj, LoopContext) and argument in _LOOP:
            return getattr(obj, argument)
        if isinstance(obj, Undefined):
            str(obj)
        if obj is None:
            return None  # as a path has it: what lies inside nothing is nothing
        return self.undefined(hint=f"{_named(argument)} cannot be asked for here")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        _running.meter.tick()
        bound = getattr(__obj, "__self__", None)
        if isinstance(__obj, Macro):
            return str(__obj(*args, **kwargs))
        if isinstance(bound, str) and getattr(__obj, "__name__", "") in _TEXT_METHODS:
            sized(bound)  # a remote may send megabytes, and their parts would take a hundred times as much
            if any(isinstance(arg, str) and len(arg) > _MAX_ARGUMENT for arg in (*args, *kwargs.values())):
                raise ExpressionError(f"a method of text takes at most {_MAX_ARGUMENT} characters")
            result = __obj(*args, **kwargs)
            return limited(result) if isinstance(result, list) else result
        if isinstance(__obj, Undefined):
            str(__obj)
        raise ExpressionError("only macros and the methods of text can be called")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False

    def wrap_str_format(self, value: Any) -> Any:
        return None


def _no_field(argument: Any, obj: Mapping[str, Any]) -> str:
    names = sorted(map(str, getattr(obj, "known", None) or obj))
    near = difflib.get_close_matches(argument[:80], names, 1) if isinstance(argument, str) else ()
    return f"there is no field {_named(argument)}" + (f": did you mean {near[0]!r}?" if near else "")


def _named(argument: Any) -> str:
    """What was asked for, in an error; never a large value's whole text."""
    if isinstance(argument, str):
        return repr(argument[:80])
    return str(argument) if isinstance(argument, (int, Decimal)) else f"({type(argument).__name__})"


class _Harden(NodeTransformer):
    """Rewrites a template so that decimals are exact, joins are sized, lists weighed and loops counted."""

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        if isinstance(node.value, float):
            exact = nodes.Const(repr(node.value), lineno=node.lineno)
            return nodes.Filter(exact, "decimal", [], [], None, None, lineno=node.lineno)
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            _bounded(node.value)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):  # Jinja slices by itself, without asking the environment
            node.node = nodes.Filter(node.node, "_sliceable", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        parts = nodes.List([self.visit(part) for part in node.nodes], lineno=node.lineno)
        return nodes.Filter(parts, "_concat", [], [], None, None, lineno=node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._weigh(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._weigh(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        # Otherwise it is the names that a loop or an assignment gives values to.
        return self._weigh(node) if node.ctx == "load" else node

    def _weigh(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Filter(node, "_weighed", [], [], None, None, lineno=node.lineno)

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


class _Names(Context):
    """The names of one evaluation. Made for each, and so without what only whole templates need."""

    def __init__(
        self,
        environment: _Environment,
        parent: dict[str, Any],
        eval_ctx: EvalContext,
        names: Mapping[str, Any],
    ) -> None:
        self.environment = environment
        self.parent = parent
        self.eval_ctx = eval_ctx
        self.vars = dict(names)
        self.exported_vars = set()

    def resolve_or_missing(self, key: str) -> Any:
        found = self.vars.get(key, missing)
        return self.parent.get(key, missing) if found is missing else found


class Evaluator:
    """Computes the expressions of one spec. Raises ExpressionError for macro files that cannot be read, or
    that define a name twice."""

    def __init__(self, filters: Mapping[str, Filter], macros: Sequence[MacroFile]) -> None:
        self._filters = filters
        self._environment = _make_environment({**ALL_FILTERS, **filters})
        self._compiled: dict[str, Compiled] = {}
        #: To look at, not to change: several questions are asked about each expression.
        self._trees: dict[str, nodes.Template] = {}
        for file in macros:
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
        """See :meth:`Expressions.compile`; raises ExpressionError at once."""
        if source not in self._compiled:
            tree = self._parse(source)
            one = _single_value(source, tree)
            self._compiled[source] = self._compile_text(tree) if one is None else self._compile_value(one)
        return self._compiled[source]

    def together(self, sources: Sequence[str]) -> Together:
        """See :meth:`Expressions.together`; raises ExpressionError at once."""
        body: list[nodes.Node] = []
        for place, source in enumerate(sources):
            tree = self._parse(source)
            for name in tree.find_all(nodes.Name):
                if name.name == "value":
                    name.name = f"{_VALUE}{place}"
            result = nodes.Name(f"{_RESULT}{place}", "store")
            expression = _single_value(source, tree)
            if expression is not None:
                body.append(nodes.Assign(result, _hardened(expression), lineno=1))
            else:
                body.append(nodes.AssignBlock(result, None, _hardened(tree).body, lineno=1))
        root = self._template(nodes.Template(body, lineno=1)).root_render_func
        environment, macros = self._environment, self._environment.globals
        eval_ctx = EvalContext(environment)
        values = [f"{_VALUE}{place}" for place in range(len(sources))]
        results = [f"{_RESULT}{place}" for place in range(len(sources))]

        def evaluate(given: Sequence[Any], names: Mapping[str, Any]) -> list[Any]:
            context = _Names(environment, macros, eval_ctx, names)
            context.vars.update(zip(values, given, strict=True))
            for _ in root(context):
                pass
            found = context.vars
            return [_plain(found[name]) for name in results]

        return _guarded(evaluate)

    def check(self, source: str) -> Sequence[ExpressionError]:
        """See :meth:`Expressions.check`."""
        try:
            tree = self._looked_at(source)
        except ExpressionError as error:
            return (error,)
        problems = []
        known = {*NAMES, *self.macro_names} | {n.name for n in tree.find_all(nodes.Name) if n.ctx != "load"}
        known |= {"loop"} if tree.find(nodes.For) else set()
        for name in tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name not in known:
                problems.append(unknown("name", name.name, known, source))
        for used in tree.find_all(nodes.Filter):
            if used.name not in self._environment.filters:
                problems.append(unknown("filter", used.name, self.filter_names, source))
            elif fault := self._fault_of(used):
                found = source.find(used.name)
                problems.append(ExpressionError(fault, offset=max(found, 0)))
        for test in tree.find_all(nodes.Test):
            if test.name not in self._environment.tests:
                problems.append(unknown("test", test.name, self._environment.tests, source))
        if not problems:
            try:
                self.compile(source)
            except ExpressionError as error:
                problems.append(error)
        return tuple(problems)

    def _fault_of(self, used: nodes.Filter) -> str:
        """What a filter that knows its arguments says of those that are written out."""
        fault = getattr(self._filters.get(used.name), "fault", None)
        if fault is None or not all(isinstance(each, nodes.Const) for each in used.args):
            return ""
        return str(fault([each.value for each in used.args if isinstance(each, nodes.Const)]))

    def names_in(self, source: str) -> frozenset[str]:
        """See :meth:`Expressions.names_in`."""
        try:
            tree = self._looked_at(source)
        except ExpressionError:
            return frozenset()
        return frozenset(n.name for n in tree.find_all(nodes.Name) if n.ctx == "load") & frozenset(NAMES)

    def record_fields(self, source: str, names: Sequence[str]) -> frozenset[str] | None:
        """See :meth:`Expressions.record_fields`."""
        try:
            tree = self._looked_at(source)
        except ExpressionError:
            return frozenset()
        uses = sum(_is_one_of(node, names) for node in tree.find_all(nodes.Name))
        found = []
        for got in tree.find_all(nodes.Getattr):
            if _is_one_of(got.node, names):
                found.append(got.attr)
        for item in tree.find_all(nodes.Getitem):
            if _is_one_of(item.node, names) and isinstance(item.arg, nodes.Const):
                found.append(str(item.arg.value))
        return frozenset(found) if len(found) == uses else None

    def _looked_at(self, source: str) -> nodes.Template:
        if source not in self._trees:
            self._trees[source] = self._parse(source)
        return self._trees[source]

    def _parse(self, source: str) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise ExpressionError(
                f"an expression has at most {MAX_SOURCE} characters: move parts into a macro file"
            )
        return self._tree(source)

    def _tree(self, source: str) -> nodes.Template:
        try:
            source.encode()
            tree = self._environment.parse(source)
        except TemplateSyntaxError as error:
            raise ExpressionError(
                error.message or "syntax error", offset=_line_offset(source, error.lineno)
            ) from None
        except (RecursionError, MemoryError):
            raise ExpressionError(_TOO_DEEP) from None
        except ValueError as error:  # half a character, or a number of thousands of digits
            raise ExpressionError(first_line(error)) from None
        for node, depth in _all_nodes(tree):
            if depth > MAX_DEPTH:
                raise ExpressionError(_TOO_DEEP)
            if not isinstance(node, _NODES):
                raise ExpressionError(
                    f"{type(node).__name__} is not allowed in a transform",
                    offset=_line_offset(source, node.lineno),
                )
        return tree

    def _compile_value(self, expression: nodes.Expr) -> Compiled:
        body = [nodes.Assign(nodes.Name("result", "store"), _hardened(expression), lineno=1)]
        root = self._template(nodes.Template(body, lineno=1)).root_render_func
        environment, macros = self._environment, self._environment.globals
        eval_ctx = EvalContext(environment)

        def evaluate(names: Mapping[str, Any]) -> Any:
            context = _Names(environment, macros, eval_ctx, names)
            for _ in root(context):
                pass
            return _plain(context.vars["result"])

        return _guarded(evaluate)

    def _compile_text(self, tree: nodes.Template) -> Compiled:
        root = self._template(_hardened(tree)).root_render_func
        environment, macros = self._environment, self._environment.globals
        eval_ctx = EvalContext(environment)

        def evaluate(names: Mapping[str, Any]) -> Any:
            context = _Names(environment, macros, eval_ctx, names)
            return _joined(root(context))

        return _guarded(evaluate)

    def _template(self, tree: nodes.Template) -> Any:
        tree.set_environment(self._environment)
        try:
            code = self._environment.compile(tree)
        except (RecursionError, MemoryError):
            raise ExpressionError(_TOO_DEEP) from None
        except (TemplateError, SyntaxError, ValueError) as error:
            raise ExpressionError(first_line(error)) from None
        return self._environment.template_class.from_code(self._environment, code, self._environment.globals)

    def _macros_of(self, file: MacroFile) -> dict[str, Macro]:
        if len(file.source) > MAX_FILE:
            raise ExpressionError(f"{file.name}: a macro file has at most {MAX_FILE} characters")
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
        template = self._template(_hardened(tree))
        module = template.make_module()
        return {name: value for name, value in vars(module).items() if isinstance(value, Macro)}


def _make_environment(filters: Mapping[str, Filter]) -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, finalize=_write, keep_trailing_newline=False,
        trim_blocks=True, lstrip_blocks=True, optimized=False, cache_size=0,
    )  # fmt: skip
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update({name: _metered(filter_) for name, filter_ in filters.items()})
    environment.filters.update(
        {"default": _default, "d": _default, "map": _map}
        | {"_walk": _walk, "_concat": _concat, "_weighed": _weighed, "_sliceable": _sliceable}
    )
    environment.tests.update(
        {
            # Jinja's own use % and so would fill in a text: '%01000000000d' is odd.
            "odd": lambda value: not _divisible(value, 2),
            "even": lambda value: _divisible(value, 2),
            "divisibleby": _divisible,
            "lower": lambda value: _cased(value, str.lower),
            "upper": lambda value: _cased(value, str.upper),
        }
    )
    for name in set(environment.tests) - _TESTS:
        del environment.tests[name]
    return environment


def _guarded(evaluate: Callable[P, T]) -> Callable[P, T]:
    """The evaluation with fresh bounds, every failure turned into one kind of error."""

    def run(*given: P.args, **named: P.kwargs) -> T:
        _running.meter.reset()
        try:
            return evaluate(*given, **named)
        except ExpressionError:
            raise
        except (RecursionError, MemoryError):
            raise ExpressionError(_TOO_DEEP) from None
        except ZeroDivisionError:
            raise ExpressionError("division by zero") from None
        except DecimalException:
            raise ExpressionError("not a usable number") from None
        except Exception as error:  # a filter of a plugin may raise anything
            raise ExpressionError(first_line(error)) from None

    return run


def _plain(value: Any, depth: int = 0) -> Any:
    """The result as plain data; an undefined name anywhere in it is an error."""
    if isinstance(value, str):
        if depth == 0 and type(value) is str and value.isascii() and len(value) < MAX_TEXT:
            return value
        return _whole_text(value, depth)
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
    _running.meter.tick()
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_plain(item, depth + 1) for item in _walk(value)]
    raise ExpressionError(f"the expression gives a {type(value).__name__}, not a value")


def _whole_text(value: str, depth: int) -> str:
    plain = sized(str(value))
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ExpressionError("the text holds half a character (a surrogate)") from None
    return str(_running.meter.write(plain)) if depth else plain


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionError("the keys of a group are texts")
    return _whole_text(value, 1)


def _single_value(source: str, tree: nodes.Template) -> nodes.Expr | None:
    """The expression of a text that is one ``{{ … }}`` and nothing else."""
    if not _WHOLE.match(source) or len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = tree.body[0].nodes
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None


def _is_one_of(node: nodes.Node, names: Sequence[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names


def _all_nodes(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int]]:
    """Every node with its depth; without recursion, since the tree may be as deep as its source is long."""
    pending: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending.extend((child, depth + 1) for child in node.iter_child_nodes())


def _hardened(node: nodes.Node) -> Any:
    return _Harden().visit(node)


def _line_offset(source: str, line: int) -> int:
    return sum(len(text) + 1 for text in source.split("\n")[: max(0, line - 1)])
