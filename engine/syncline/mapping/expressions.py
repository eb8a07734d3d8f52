"""Transforms: what is asked of the expressions of a spec, each answered once.

Jinja computes them, in :mod:`syncline.mapping.evaluation`. It is loaded when something is first asked that
needs it, which a pass that finds nothing to do never does.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from msgspec import Struct

from syncline.mapping.filters import MAX_ITEMS, Filter
from syncline.mapping.registry import ALL_FILTERS

if TYPE_CHECKING:
    from syncline.mapping.evaluation import Evaluator

#: What every expression may name, beside the macros that its spec imports. ``parent`` is the whole record
#: inside the maps of a list, where ``record`` is the item. ``record_id`` is the id of the whole record.
NAMES = ("value", "record", "record_id", "parent", "today")

P = ParamSpec("P")
T = TypeVar("T")


class ExpressionError(ValueError):
    """An expression that cannot be compiled or gave no value; ``offset``: characters from its start."""

    def __init__(self, message: str, *, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


class MacroFile(Struct, frozen=True):
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
            if len(value) > MAX_ITEMS:
                raise ExpressionError(f"the list has more than {MAX_ITEMS} items")
            return [View(row, None) if isinstance(row, dict) else row for row in value]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


Compiled = Callable[[Mapping[str, Any]], Any]
#: From the ``value`` of each of several expressions, and the names that they share, to all their results.
Together = Callable[[Sequence[Any], Mapping[str, Any]], list[Any]]


def _asked_once(
    question: Callable[Concatenate[Expressions, P], T],
) -> Callable[Concatenate[Expressions, P], T]:
    """A question about an expression that is answered once: many specs extend one base. Its answer is shared,
    so nobody may change it."""

    @wraps(question)
    def ask(self: Expressions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (question.__name__, *map(str, args))
        if key not in self._answers:
            self._answers[key] = question(self, *args, **kwargs)
        return cast(T, self._answers[key])

    return ask


class Expressions:
    """The expressions of one spec.

    ``filters``: those of plugins, beside the engine's own. ``macros``: the files that the spec imports.
    """

    def __init__(self, filters: Mapping[str, Filter] | None = None, macros: Sequence[MacroFile] = ()) -> None:
        self.filters = filters or {}
        self.macros = macros
        #: What was found out about expressions, by the question: see :func:`_asked_once`.
        self._answers: dict[tuple[str, ...], Any] = {}

    @cached_property
    def _evaluator(self) -> Evaluator:
        from syncline.mapping.evaluation import Evaluator

        return Evaluator(self.filters, self.macros)

    def load(self) -> None:
        """Raise ExpressionError when a macro file cannot be read, or two of them define the same name; all
        that is asked would raise it otherwise."""
        _ = self._evaluator

    @property
    def filter_names(self) -> frozenset[str]:
        return self._evaluator.filter_names

    def compile(self, source: str) -> Compiled:
        """A function from the names of NAMES to the value, which is plain data.

        Text that is one ``{{ … }}`` gives that value as it is; any other text is filled in and stays text.
        The function raises ExpressionError, never anything else; so it does for what cannot be compiled.
        """
        return _when_called(lambda: self._evaluator.compile(source))

    def together(self, sources: Sequence[str]) -> Together:
        """Several expressions as one function, since each evaluation costs more than what it computes.

        It shares one allowance of time and size, and raises ExpressionError when any of them fails: which
        one, and whether it fails by itself, is found by evaluating them one by one.
        """
        return _when_called(lambda: self._evaluator.together(sources))

    @_asked_once
    def check(self, source: str) -> Sequence[ExpressionError]:
        """Everything wrong that can be told without data: syntax, names, filters, what is not allowed."""
        return self._evaluator.check(source)

    @_asked_once
    def names_in(self, source: str, *names: str) -> frozenset[str]:
        """Which of ``names`` (of NAMES when none is given) the expression reads; empty for one that cannot be
        parsed."""
        asked = frozenset(name for name in names or NAMES if name in source)
        return self._evaluator.names_in(source) & asked if asked else asked

    @_asked_once
    def record_fields(self, source: str, *names: str) -> frozenset[str] | None:
        """The top-level fields that the expression reads of ``names`` (``record`` and ``parent`` when none is
        given); ``None`` when it uses one of them as a whole, or by a name that it works out."""
        whole = names or ("record", "parent")
        if not any(name in source for name in whole):
            return frozenset()
        return self._evaluator.record_fields(source, whole)

    def filter(self, name: str, arguments: Sequence[str] = ()) -> Filter:
        """The filter of that name, for use outside an expression; raises ExpressionError.

        It raises ValueError for a value that it does not take, and ExpressionError when it fails itself.
        """
        found = {**ALL_FILTERS, **self.filters}.get(name)
        if found is None:
            raise unknown("filter", name, self.filter_names, name)

        def run(value: Any) -> Any:
            try:
                return found(value, *arguments)
            except ValueError:
                raise
            except Exception as error:  # an argument that is missing, or a plugin's own fault
                raise ExpressionError(f"the filter {name} failed: {first_line(error)}") from None

        return run

    def check_arguments(self, name: str, arguments: Sequence[str]) -> str:
        """Why a filter does not take these texts beside its value; empty when it does."""
        found = {**ALL_FILTERS, **self.filters}[name]
        try:
            inspect.signature(found).bind("", *arguments)
        except TypeError:
            return f"{name} cannot be used with {len(arguments) or 'no'} texts in brackets"
        try:
            if arguments:
                self.filter(name, arguments)("")
        except ValueError as error:
            return f"{name}: {error}"
        return ""


def _when_called(make: Callable[[], Callable[P, T]]) -> Callable[P, T]:
    """A function that is made when it is first called."""
    made: Callable[P, T] | None = None

    def run(*given: P.args, **named: P.kwargs) -> T:
        nonlocal made
        if made is None:
            made = make()
        return made(*given, **named)

    return run


def unknown(kind: str, name: str, known: Iterable[str], source: str) -> ExpressionError:
    near = difflib.get_close_matches(name, sorted(known), 1)
    found = re.search(rf"\b{re.escape(name)}\b", source)
    return ExpressionError(
        f"unknown {kind} {name!r}",
        offset=found.start() if found else 0,
        suggestion=f"did you mean {near[0]!r}?" if near else "",
    )


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
