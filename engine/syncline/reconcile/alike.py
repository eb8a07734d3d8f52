"""How alike two values are, by what kind of value they are: from 0 (nothing in common) to 1 (the same)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from syncline.mapping.filters import alnum, email_key, fold, text
from syncline.mapping.normal import MAX_NAME, company_names, email_domain, person, phone, place, tax_number
from syncline.spec.model import Likeness

#: Texts that have less in common than this have nothing in common: any two names share some letters.
FLOOR = 0.5
#: From here on two values count as alike.
ALIKE = 0.8
#: Up to here they contradict each other, where the rule says that they must not.
CONTRADICTS = 0.5

#: What a value that differs counts against a pair, as a share of its weight: people change their phones and
#: have several addresses. Of all other kinds it counts whole.
AGAINST: Mapping[Likeness, float] = {Likeness.PHONE: 1 / 3, Likeness.EMAIL: 1 / 3}

_NUMBER = re.compile(r"[0-9]+")


def normal_form(likeness: Likeness, value: Any, country: str) -> Any:
    """A value as values of its kind are compared; ``None`` for one that says nothing."""
    try:
        return _FORMS[likeness](value, country) or None
    except ValueError:
        return None  # no text at all


def alike(likeness: Likeness, one: Any, other: Any) -> float:
    """How alike two normal forms of a kind are."""
    return 1.0 if one == other else _LIKENESS[likeness](one, other)


_FORMS: Mapping[Likeness, Callable[[Any, str], Any]] = {
    Likeness.COMPANY: lambda value, _: company_names(value),
    Likeness.PERSON: lambda value, _: person(value),
    Likeness.EMAIL: lambda value, _: email_key(value),
    Likeness.PHONE: phone,
    Likeness.TAX_NUMBER: lambda value, _: tax_number(value),
    Likeness.NUMBER: lambda value, _: alnum(value),
    Likeness.CITY: lambda value, _: place(value),
    Likeness.POSTCODE: lambda value, _: alnum(value),
    Likeness.TEXT: lambda value, _: fold(text(value)[:MAX_NAME]),
}


def _companies(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """The best of the names that the two go by."""
    return max(_names(a, b) for a in one for b in other)


@lru_cache(maxsize=50_000)
def _names(one: str, other: str) -> float:
    """Names of which a letter may be wrong, or the words in another order; numbers must be the same: shop 12
    is not shop 13."""
    if one == other:
        return 1.0
    if sorted(_NUMBER.findall(one)) != sorted(_NUMBER.findall(other)):
        return 0.0
    from rapidfuzz import fuzz

    bare, theirs = one.replace(" ", ""), other.replace(" ", "")
    best = max(fuzz.token_sort_ratio(one, other), fuzz.ratio(bare, theirs)) / 100
    return _above_floor(max(best, _in_any_order(bare, theirs)))


def _in_any_order(one: str, other: str) -> float:
    """The share of neighbouring letters that two texts have in common: words may be swapped and written
    together."""
    mine, theirs = (Counter(text[n : n + 2] for n in range(len(text) - 1)) for text in (one, other))
    total = mine.total() + theirs.total()
    return 2 * (mine & theirs).total() / total if total else 0.0


def _people(one: str, other: str) -> float:
    """As names; an initial stands for a name that begins with it."""
    found = _names(one, other)
    first, second = one.split(), other.split()
    if len(first) == len(second) > 1 and first[-1] == second[-1]:
        pairs = list(zip(first[:-1], second[:-1], strict=True))
        if all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in pairs):
            return max(found, ALIKE)
    return found


def _emails(one: str, other: str) -> float:
    """A letter may be wrong; two people of one company have its domain in common."""
    from rapidfuzz.distance import OSA

    if len(one) > 8 and OSA.distance(one, other, score_cutoff=1) <= 1:
        return ALIKE
    domain = email_domain(one)
    return ALIKE if domain and domain == email_domain(other) else 0.0


def _numbers(one: str, other: str) -> float:
    """The same, or a slip of the pen in a long one, which says little."""
    from rapidfuzz.distance import OSA

    return 0.4 if min(len(one), len(other)) > 6 and OSA.distance(one, other, score_cutoff=1) <= 1 else 0.0


def _phones(one: str, other: str) -> float:
    """A number that does not say its country is compared by its last digits."""
    if "+" not in (one[0], other[0]) or one[0] != other[0]:
        shorter = min(one.lstrip("+0"), other.lstrip("+0"), key=len)
        if len(shorter) >= 7 and one.endswith(shorter) and other.endswith(shorter):
            return 1.0
    return _numbers(one, other)


def _towns(one: str, other: str) -> float:
    from rapidfuzz import fuzz

    found = fuzz.ratio(one, other) / 100
    return found if found >= ALIKE else 0.0


def _texts(one: str, other: str) -> float:
    return _names(one, other)


def _above_floor(share: float) -> float:
    return max(0.0, (share - FLOOR) / (1 - FLOOR))


def _different(one: Any, other: Any) -> float:
    return 0.0


_LIKENESS: Mapping[Likeness, Callable[[Any, Any], float]] = {
    Likeness.COMPANY: _companies,
    Likeness.PERSON: _people,
    Likeness.EMAIL: _emails,
    Likeness.PHONE: _phones,
    Likeness.TAX_NUMBER: _numbers,
    Likeness.NUMBER: _different,
    Likeness.CITY: _towns,
    Likeness.POSTCODE: _different,
    Likeness.TEXT: _texts,
}
