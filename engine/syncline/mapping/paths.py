"""Paths: the address of one value inside a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from syncline.mapping.missing import MISSING, Missing

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_SELECT = re.compile(r"\[([A-Za-z_$][A-Za-z0-9_$]*)=([^\[\]=]+)\]")

Getter = Callable[[Mapping[str, Any]], Any]


class PathError(ValueError):
    """A path that cannot be read; ``offset`` counts characters from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Step(Struct, frozen=True):
    """A key, and for a list the item to take from it: the one whose ``item_key`` is ``item``."""

    name: str
    item_key: str | None = None
    item: str | None = None
    offset: int = 0


class Path(Struct, frozen=True):
    """``Name``, ``Contact.Name`` or ``Phones[PhoneType=DEFAULT].PhoneNumber``."""

    text: str
    steps: tuple[Step, ...]

    @property
    def root(self) -> str:
        """The top-level field that holds the value."""
        return self.steps[0].name

    def getter(self) -> Getter:
        """A function from a record's values to the value here: MISSING where the record leaves a key out,
        None where something on the way is null or a list has no such item. It raises ValueError where
        something on the way has another shape."""
        if len(self.steps) == 1 and self.steps[0].item_key is None:
            name = self.steps[0].name

            def top(values: Mapping[str, Any]) -> Any:
                return values.get(name, MISSING)

            return top
        steps = [(step.name, step.item_key, step.item) for step in self.steps]

        def walk(values: Mapping[str, Any]) -> Any:
            value: Any = values
            for name, item_key, item in steps:
                if value is None:
                    return None
                try:
                    value = value.get(name, MISSING)
                    if isinstance(value, Missing):
                        return MISSING
                    if item_key is not None and value is not None:
                        value = next((row for row in value if row.get(item_key) == item), None)
                except (AttributeError, TypeError):
                    raise ValueError(
                        f"{self.text} leads through a value of another shape at {name}"
                    ) from None
            return value

        if len(steps) > 2 or any(step.item_key is not None for step in self.steps):
            return walk
        outer, inner = (step.name for step in self.steps)

        def within(values: Mapping[str, Any]) -> Any:
            group = values.get(outer)
            return group.get(inner, MISSING) if type(group) is dict else walk(values)

        return within

    def put(self, target: dict[str, Any], value: Any) -> None:
        """Set the value here in a nested dict, making the dicts and named items on the way."""
        place = target
        last = len(self.steps) - 1
        for depth, step in enumerate(self.steps):
            if step.item_key is not None:
                rows: list[dict[str, Any]] = place.setdefault(step.name, [])
                row = next((row for row in rows if row.get(step.item_key) == step.item), None)
                if row is None:
                    row = {step.item_key: step.item}
                    rows.append(row)
                if depth == last:
                    row.update(value or {})
                place = row
            elif depth == last:
                place[step.name] = value
            else:
                place = place.setdefault(step.name, {})


def parse_path(text: str) -> Path:
    """Read a path; raises PathError at the first character that cannot stand there."""
    steps: list[Step] = []
    at = 0
    while True:
        name = _NAME.match(text, at)
        if name is None:
            found = repr(text[at]) if at < len(text) else "the end"
            raise PathError(f"expected a field name, found {found}", at)
        start, at = at, name.end()
        select = _SELECT.match(text, at)
        if select is not None and not select[2].strip():
            raise PathError("expected an item as [Key=Value]", at)
        if select is not None:
            steps.append(Step(name[0], select[1], select[2].strip(), start))
            at = select.end()
        else:
            if at < len(text) and text[at] == "[":
                raise PathError("expected an item as [Key=Value]", at)
            steps.append(Step(name[0], offset=start))
        if at == len(text):
            return Path(text, tuple(steps))
        if text[at] != ".":
            raise PathError(f"expected '.' or the end, found {text[at]!r}", at)
        at += 1
