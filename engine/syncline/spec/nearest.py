"""The name a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name``: the same but for case and punctuation, or else a near spelling."""
    names = sorted(set(known) - {name})
    by_bare: dict[str, str] = {}
    for each in names:
        by_bare.setdefault(_bare(each), each)
    bare = _bare(name)
    if bare and bare in by_bare:
        return by_bare[bare]
    close = get_close_matches(bare, by_bare, n=1, cutoff=0.7) or get_close_matches(
        name, names, n=1, cutoff=0.6
    )
    return by_bare.get(close[0], close[0]) if close else None


def did_you_mean(name: str, known: Iterable[str], *, what: str = "") -> str:
    """A suggestion: the nearest name, or the whole choice when it is small, or nothing.

    ``what`` names the kind in the plural for the second form (``"systems"``).
    """
    names = list(dict.fromkeys(known))
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near}?"
    if names and len(names) <= 12:
        return f"{what or 'known here'}: {', '.join(names)}"
    return ""
