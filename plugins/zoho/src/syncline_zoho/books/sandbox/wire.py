"""Reading the values of a request's body, and writing instants, as this remote does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from syncline_zoho.books.sandbox.errors import TOO_LONG, Refused, invalid

Row = dict[str, Any]
ZERO = Decimal(0)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def stamp(moment: datetime) -> str:
    """How instants are stored: UTC, whole seconds, so that text sorts like time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_zone(text: str, zone: ZoneInfo) -> str:
    """How instants are shown: in the organisation's zone, with an offset and no colon."""
    return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def text_of(body: Mapping[str, Any], name: str, limit: int, label: str | None = None) -> str:
    """A text, trimmed; raises for one that is too long."""
    value = body.get(name)
    text = "" if value is None else str(value).strip()
    if len(text) > limit:
        words = label or name.replace("_", " ")
        raise Refused(f"Please ensure that the {words} has less than {limit} characters.", TOO_LONG)
    return text


def number_of(value: Any, field: str) -> Decimal:
    if value in (None, ""):
        return ZERO
    if isinstance(value, bool):
        raise invalid(field)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise invalid(field) from None
    if not number.is_finite() or abs(number) > Decimal("999999999999"):
        raise invalid(field)
    return number


def flag_of(value: Any, field: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise invalid(field)


def day_of(value: Any, field: str) -> str:
    """A day, or the empty text."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise invalid(field)
    try:
        date.fromisoformat(value)
    except ValueError:
        raise invalid(field) from None
    return value


def choice_of(value: Any, field: str, choices: Iterable[str]) -> str:
    if value not in choices:
        raise invalid(field)
    return str(value)


def object_of(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise invalid(field)
    return value


def rows_of(value: Any, field: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise invalid(field)
    return value


def rounded(amount: Decimal, places: int) -> Decimal:
    """``round_half_up``, the rounding mode that recorded documents name."""
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
