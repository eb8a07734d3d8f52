"""When passes run: the interval or cron text of a spec, read and checked."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, tuple("jan feb mar apr may jun jul aug sep oct nov dec".split())),
    ("day of week", 0, 7, tuple("sun mon tue wed thu fri sat".split())),
)
_PART = re.compile(
    r"(?P<all>\*)(?:/(?P<every>\d+))?|(?P<low>\w+)(?:-(?P<high>\w+))?(?:/(?P<step>\d+))?", re.ASCII
)


def read_interval(text: str) -> timedelta:
    """``90s``, ``3m``, ``2h`` or ``1d``."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def check_cron(text: str) -> tuple[int, str] | None:
    """What is wrong with a cron text: the offset of the part at fault and a sentence; ``None`` when it is
    right.

    Five fields: minute, hour, day of month, month, day of week; each ``*``, numbers, ranges, lists and steps.
    """
    words = list(re.finditer(r"\S+", text))
    if len(words) != len(_FIELDS):
        return 0, f"cron text has five fields (minute, hour, day, month, day of week); this has {len(words)}"
    for word, (name, low, high, names) in zip(words, _FIELDS, strict=True):
        for part in word[0].split(","):
            fault = _check_part(part, name, low, high, names)
            if fault:
                return word.start(), fault
    return None


def _check_part(part: str, name: str, low: int, high: int, names: tuple[str, ...]) -> str | None:
    found = _PART.fullmatch(part)
    if found is None:
        return f"{part!r} is not a {name}"
    if found["every"] == "0" or found["step"] == "0":
        return f"{part!r}: a step is at least 1"
    if found["all"]:
        return None
    numbers = []
    for word in (found["low"], found["high"]):
        if word is None:
            continue
        number = names.index(word.lower()) + low if word.lower() in names else None
        if number is None and word.isdecimal():
            number = int(word[:6])
        if number is None or not low <= number <= high:
            return f"{word!r} is not a {name}: it goes from {low} to {high}"
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"{part!r} goes backwards"
    return None
