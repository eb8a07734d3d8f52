"""How values, instants and changes are said to people, on one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

#: Longer texts are cut on a line; --json has them whole.
LONGEST = 60


def instant(value: datetime | None) -> str:
    """``2026-01-31 09:00:00Z``, or ``never``."""
    return "never" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def one_line(value: Any, longest: int = LONGEST) -> str:
    """A value in few words: texts quoted and cut, lists counted, nothing as ``(nothing)``."""
    match value:
        case None:
            return "(nothing)"
        case bool():
            return "yes" if value else "no"
        case int() | Decimal():
            return str(value)
        case str():
            text = " ".join(value.split())
            return f'"{text}"' if len(text) <= longest else f'"{text[: longest - 1]}…"'
        case list() | tuple():
            return f"{len(value)} item{'' if len(value) == 1 else 's'}"
        case {"$link": _}:
            return "(the record made in this pass)"
        case Mapping():
            return f"{len(value)} value{'' if len(value) == 1 else 's'}"
        case _:
            return str(value)


def change(field: Mapping[str, Any]) -> str:
    """One field of an event: ``"a" -> "b" (why; specs/acme.yaml:12:3; lost "c"; sent "d")``."""
    parts = []
    if "before" in field or "after" in field:
        before, after = field.get("before"), field.get("after")
        said = one_line(after)
        if isinstance(before, list) and isinstance(after, list):
            said += _differing(before, after)
        parts.append(f"{one_line(before)} -> {said}" if "before" in field else f"= {said}")
    notes = [str(field[key]) for key in ("why", "rule") if field.get(key)]
    if "lost" in field:
        notes.append(f"lost {one_line(field['lost'])}")
    if "sent" in field:
        notes.append(f"sent {one_line(field['sent'])}")
    if notes:
        parts.append(f"({'; '.join(notes)})")
    return " ".join(parts)


def _differing(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """In which values the items of two lists differ, place by place; the remote's own ids are no values."""
    names = {
        name
        for old, new in zip(before, after, strict=False)
        for name in old.keys() | new.keys()
        if name != "#" and old.get(name) != new.get(name)
    }
    return f", differing in {', '.join(sorted(names))}" if names else ""


def counts(numbers: Mapping[str, int], nothing: str = "none") -> str:
    """``3 waiting, 1 failed``: those that are not zero."""
    return ", ".join(f"{n} {name}" for name, n in numbers.items() if n) or nothing


def tries(number: int) -> str:
    """``after 1 try``, ``after 3 tries``, or nothing before the first."""
    return f" after {number} {'try' if number == 1 else 'tries'}" if number else ""


def counted(count: int, word: str) -> str:
    """``1 document``, ``2 documents``."""
    return f"{count} {word}{'' if abs(count) == 1 else 's'}"


def evidence(pair: Mapping[str, Any]) -> list[str]:
    """Why a pair is likely, a line for each piece of evidence: what both ends have, and what it counted."""
    lines = [f"score {pair['score']}"]
    for name, part in pair["evidence"].items():
        values = " | ".join(f"{system} {one_line(value)}" for system, value in part["values"].items())
        if part["alike"] is None:
            said = "says nothing"
        else:
            said = f"alike {part['alike']}, {part['contributed']} of {part['counted']}"
        against = ", which must not differ" if name in pair["contradicted"] else ""
        lines.append(f"{name}: {values} ({said}{against})")
    return lines
