"""One form for every value, so that two values are equal exactly when people would say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, assert_never

from syncline.connect.contract import Field, FieldType
from syncline.mapping.filters import EXACT, number, text

Canonical = Callable[[Any], Any]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def canonical(field: Field) -> Canonical:
    """A function that brings a value to the field's one form, or raises ValueError with a sentence.

    Numbers become ``int`` when whole, else ``Decimal`` without trailing zeros, rounded half away from zero
    to the places that the remote keeps. Nothing stays nothing.
    """
    match field.type:
        case FieldType.TEXT | FieldType.CHOICE:
            return _text(field)
        case FieldType.INTEGER:
            return _integer
        case FieldType.DECIMAL:
            return _decimal(field.places)
        case FieldType.BOOLEAN:
            return _boolean
        case FieldType.DATE:
            return _date
        case FieldType.INSTANT:
            return _instant
        case FieldType.REFERENCE:
            return _reference(field)
        case FieldType.OBJECT | FieldType.LIST:
            return _as_is
        case _:
            assert_never(field.type)


def plain_number(value: Decimal) -> int | Decimal:
    """``5.00`` and ``5`` are one number: an ``int`` when whole, else without trailing zeros."""
    if value == value.to_integral_value():
        return int(value)
    return value.normalize(EXACT)


def holds(stored: Any, wanted: Any) -> bool:
    """Whether a stored value is the wanted one. Inside groups and lists the remote may know more than it was
    told (the amount of a tax, the id of its rate): only what is wanted is compared."""
    if isinstance(wanted, Mapping) and isinstance(stored, Mapping):
        return all(name in stored and holds(stored[name], inner) for name, inner in wanted.items())
    if isinstance(wanted, list) and isinstance(stored, list):
        return len(stored) == len(wanted) and all(map(holds, stored, wanted))
    return bool(stored == wanted)


def check_storable(field: Field, value: Any) -> str | None:
    """Why the remote would not take this canonical value, or ``None``."""
    if isinstance(value, str) and field.max_length is not None and len(value) > field.max_length:
        return f"{len(value)} characters are too many: {field.name} takes {field.max_length}"
    if field.choices is not None and value is not None and value not in field.choices:
        return (
            f"{value!r} is not a value of {field.name}; it takes {', '.join(map(repr, field.choices[:12]))}"
        )
    return None


def _text(field: Field) -> Canonical:
    blank_is_null = field.blank_is_null

    def convert(value: Any) -> str | None:
        if type(value) is str:
            return value if value or not blank_is_null else None
        return None if value is None else text(value)

    return convert


def _small(value: Any) -> bool:
    """Whether it is a whole number in its one form already, as most are."""
    return type(value) is int and value.bit_length() < 64


def _integer(value: Any) -> int | None:
    if _small(value):
        return int(value)
    exact = number(value)
    if exact is None:
        return None
    if exact != exact.to_integral_value():
        raise ValueError(f"{exact} is not a whole number")
    return int(exact)


def _decimal(places: int | None) -> Canonical:
    step = None if places is None else Decimal(1).scaleb(-places)

    def convert(value: Any) -> int | Decimal | None:
        if _small(value):
            return int(value)
        exact = number(value)
        if exact is None:
            return None
        return plain_number(exact if step is None else exact.quantize(step, ROUND_HALF_UP, EXACT))

    return convert


def _boolean(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{_shown(value)} is neither true nor false")


def _date(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DATE.match(value):
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"there is no day {value}") from None
        return value
    raise ValueError(f"{_shown(value)} is not a date (YYYY-MM-DD)")


def _instant(value: Any) -> str | None:
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{_shown(value)} is not an instant") from None
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value!r} is out of reach") from None
    shown = moment.isoformat(timespec="microseconds")[:26].rstrip("0").rstrip(".")
    return f"{shown}Z"


def _reference(field: Field) -> Canonical:
    path = field.reference.path if field.reference else None

    def convert(value: Any) -> str | None:
        if isinstance(value, dict):
            value = value.get(path) if path else None
        if value is None or value == "":
            return None
        return text(value)

    return convert


def _as_is(value: Any) -> Any:
    return value


def _shown(value: Any) -> str:
    """A value as an error names it; never a large value's whole text."""
    if isinstance(value, str):
        return repr(value[:40])
    return str(value) if isinstance(value, (bool, Decimal)) else f"a {type(value).__name__}"
