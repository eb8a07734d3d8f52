"""The filters that every transform and match rule may use.

Each takes the value first, gives plain data back, and raises ValueError with a sentence for people.
Sizes are checked before anything large is made.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, TypeVar

MAX_TEXT = 100_000
MAX_ITEMS = 10_000
MAX_DIGITS = 40

#: Every number within MAX_DIGITS keeps all its digits here; the default context would drop those after 28.
EXACT = Context(prec=3 * MAX_DIGITS)

_Number = TypeVar("_Number", int, Decimal)

# Legal forms of companies, folded; dropped from the end of a name, as often as they occur.
_LEGAL_FORMS = frozenset(
    "ab ag aps as bhd bv co company corp corporation cv dba gmbh inc incorporated kg kk limited llc llp lp"
    " ltd ltda nv oy pbc plc proprietary pte pty sa sarl sas sdn sl spa srl sro trust unlimited".split()
)
_SPECIAL = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_NOT_WORD = re.compile(r"[^\w]+|_+", re.UNICODE)
_INITIALS = re.compile(r"(?<=\b\w)[./](?=\w\b|\s|$)")


def text(value: Any) -> str:
    """The value as text; numbers without an exponent, nothing as the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return sized(str(value))
    if isinstance(value, int):
        return str(_reachable(value))
    if isinstance(value, Decimal):
        return format(_reachable(value), "f")
    raise ValueError(f"a {_kind(value)} cannot be written as text")


def number(value: Any) -> Decimal | None:
    """The value as an exact decimal; text may hold spaces around it, nothing and blank text stay nothing."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise ValueError("true or false is not a number")
    if isinstance(value, Decimal):
        return _reachable(value)
    if isinstance(value, int):
        return Decimal(_reachable(value))
    if isinstance(value, float):
        return _reachable(Decimal(repr(value)))
    if not isinstance(value, str):
        raise ValueError(f"a {_kind(value)} is not a number")
    plain = value.strip()
    if not plain:
        return None
    if len(plain) <= 2 * MAX_DIGITS and "_" not in plain:
        try:
            return _reachable(Decimal(plain))
        except (InvalidOperation, ValueError):
            pass
    raise ValueError(f"{plain[:40]!r} is not a number")


def _reachable(value: _Number) -> _Number:
    """The number itself, refused when it is not finite or so long that handling it would take for ever."""
    if isinstance(value, Decimal):
        good = value.is_finite() and abs(value.adjusted()) <= MAX_DIGITS
    else:
        good = value.bit_length() <= 3 * MAX_DIGITS
    if not good:
        raise ValueError(f"a number has at most {MAX_DIGITS} digits")
    return value


def integer(value: Any) -> int | None:
    """The whole part of a number."""
    exact = number(value)
    return None if exact is None else int(exact)


def round_to(value: Any, places: int = 0, method: str = "common") -> Decimal | None:
    """Round half away from zero (``common``), up (``ceil``) or down (``floor``) to so many decimals."""
    exact = number(value)
    if exact is None:
        return None
    modes = {"common": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
    if method not in modes or not isinstance(places, int) or not 0 <= places <= 12:
        raise ValueError("round takes 0 to 12 places and 'common', 'ceil' or 'floor'")
    return exact.quantize(Decimal(1).scaleb(-places), rounding=modes[method], context=EXACT)


def fold(value: Any) -> str:
    """A name as people compare it: without case, accents, punctuation, doubled spaces and legal form.

    "Café  Señor PTY LTD." and "cafe senor Pty Limited" fold to the same text. A name that is nothing but a
    legal form keeps it.
    """
    plain = text(value).casefold()
    if not plain.isascii():
        # Marks that stand by themselves go first: sorting a long run of them takes time by its square.
        plain = "".join(c for c in plain.translate(_SPECIAL) if not unicodedata.combining(c))
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    plain = _INITIALS.sub("", plain.replace("&", " and "))
    words = _NOT_WORD.sub(" ", plain.replace("'", "").replace("’", "")).split()
    while len(words) > 1 and words[0] == "the":
        words.pop(0)
    while len(words) > 1 and _ends_in_form(words):
        words.pop()
    return " ".join(words)


def _ends_in_form(words: list[str]) -> bool:
    """Whether the last word belongs to a legal form; ``and`` does between two of them (GmbH & Co. KG)."""
    return words[-1] in _LEGAL_FORMS or (words[-1] == "and" and words[-2] in _LEGAL_FORMS)


def email_key(value: Any) -> str:
    """An e-mail address as it is compared: lower case, no spaces; empty when it has no ``@``."""
    plain = text(value).strip().lower()
    return plain if "@" in plain else ""


def digits(value: Any) -> str:
    """The digits alone."""
    return "".join(c for c in text(value) if c.isdecimal())


def alnum(value: Any) -> str:
    """Letters and digits alone, in upper case: codes and document numbers as they are compared."""
    upper = text(value).upper()
    return upper if upper.isalnum() else "".join(filter(str.isalnum, upper))


def blank(value: Any) -> bool:
    """Nothing, or text of nothing but spaces, or an empty list."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    """``other`` where the value is nothing (with ``true``: or empty, zero or false)."""
    if value is None or (boolean and not value):
        return other
    return value


def replace_text(value: Any, old: str, new: str) -> str:
    """Every ``old`` replaced by ``new``."""
    whole = text(value)
    if not isinstance(old, str) or not isinstance(new, str) or not old:
        raise ValueError("replace takes two texts, the first not empty")
    grown = len(whole) + whole.count(old) * (len(new) - len(old))
    if grown > MAX_TEXT:
        raise ValueError(f"the text would grow beyond {MAX_TEXT} characters")
    return whole.replace(old, new)


def truncate(value: Any, length: int = 255, end: str = "") -> str:
    """At most ``length`` characters, ``end`` among them when something was cut off."""
    whole = text(value)
    if not isinstance(length, int) or length < len(end):
        raise ValueError("truncate takes a length of at least the ending's")
    return whole if len(whole) <= length else whole[: length - len(end)] + end


def split(value: Any, separator: str | None = None) -> list[str]:
    """The parts between the separators (default: runs of white space)."""
    return limited(text(value).split(separator or None, MAX_ITEMS))


def join(value: Any, separator: str = "") -> str:
    """The items as one text, with the separator between them; nothings are left out."""
    parts = [text(item) for item in limited(value) if item is not None]
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise ValueError(f"the text would grow beyond {MAX_TEXT} characters")
    return separator.join(parts)


def add_days(value: Any, days: int) -> str | None:
    """A calendar day so many days later (or, negative, earlier)."""
    if value is None:
        return None
    try:
        return (_day(value) + timedelta(days=_small(days))).isoformat()
    except OverflowError:
        raise ValueError("the day is out of reach") from None


def days_between(value: Any, other: Any) -> int | None:
    """Days from the value to the other day."""
    if value is None or other is None:
        return None
    return (_day(other) - _day(value)).days


def day(value: Any) -> str | None:
    """The calendar day of a date or of an instant, as it is written: no zone is applied."""
    return None if value is None or value == "" else _day(value).isoformat()


def items_of(value: Any) -> list[list[Any]]:
    """The pairs of key and value."""
    if not isinstance(value, Mapping):
        raise ValueError(f"a {_kind(value)} has no keys")
    return [[key, value[key]] for key in limited(value)]


def total(value: Any, attribute: str | None = None, start: int = 0) -> Decimal:
    """The exact sum of the numbers, or of one attribute of the items; nothings count as zero."""
    result = number(start) or Decimal(0)
    for item in limited(value):
        part = item.get(attribute) if attribute and isinstance(item, Mapping) else item
        result = EXACT.add(result, number(part) or Decimal(0))
    return result


def limited(value: Any) -> list[Any]:
    """The items as a list, refused above the most that a list may hold."""
    if value is None:
        return []
    if not isinstance(value, Iterable):
        raise ValueError(f"a {_kind(value)} is not a list")
    found = []
    for item in value:
        found.append(item)
        if len(found) > MAX_ITEMS:
            raise ValueError(f"the list has more than {MAX_ITEMS} items")
    return found


def sized(value: str) -> str:
    """The text, refused above the most that a text may hold."""
    if len(value) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return value


def _day(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError(f"a {_kind(value)} is not a date (YYYY-MM-DD)")
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise ValueError(f"{value[:40]!r} is not a date (YYYY-MM-DD)") from None


def _small(days: Any) -> int:
    exact = integer(days)
    if exact is None or abs(exact) > 366_000:
        raise ValueError("the number of days is missing or out of reach")
    return exact


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        Decimal: "number",
        int: "number",
        str: "text",
        list: "list",
        dict: "group",
    }
    return names.get(type(value), type(value).__name__)


Filter = Callable[..., Any]

FILTERS: Mapping[str, Filter] = {
    "abs": lambda value: None if value is None else abs(number(value) or 0),
    "add_days": add_days,
    "alnum": alnum,
    "blank": blank,
    "capitalize": lambda value: text(value).capitalize(),
    "day": day,
    "days_between": days_between,
    "decimal": number,
    "default": default,
    "d": default,
    "digits": digits,
    "email_key": email_key,
    "first": lambda value: next(iter(limited(value)), None),
    "fold": fold,
    "int": integer,
    "items": items_of,
    "join": join,
    "last": lambda value: (limited(value) or [None])[-1],
    "length": lambda value: len(value) if isinstance(value, str) else len(limited(value)),
    "list": limited,
    "lower": lambda value: text(value).lower(),
    "replace": replace_text,
    "round": round_to,
    "split": split,
    "string": text,
    "sum": total,
    "title": lambda value: text(value).title(),
    "trim": lambda value: text(value).strip(),
    "truncate": truncate,
    "upper": lambda value: text(value).upper(),
}
