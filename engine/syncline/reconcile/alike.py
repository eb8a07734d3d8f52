"""How alike two values are, by what kind of value they are: from 0 (nothing in common) to 1 (the same)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from syncline.mapping.filters import alnum, fold, text
from syncline.mapping.normal import (
    MAX_NAME,
    company_names,
    email_domain,
    email_keys,
    person,
    phone,
    place,
    tax_number,
    unpadded,
)
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
# A number may stand in another one: an ABN ends in its ACN, a VAT number begins with the company's.
_PART = 8
# Towns and mailboxes of fewer letters differ when one letter does.
_LONG = 5
# Which of two people of one name it is.
_GENERATION = {"jr": 2, "jnr": 2, "junior": 2, "sr": 1, "snr": 1, "senior": 1, "ii": 2, "iii": 3}


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
    Likeness.PERSON: lambda value, _: _person_form(value),
    Likeness.EMAIL: lambda value, _: tuple(email_keys(value)),
    Likeness.PHONE: phone,
    Likeness.TAX_NUMBER: lambda value, _: tax_number(value),
    Likeness.NUMBER: lambda value, _: alnum(value),
    Likeness.CITY: lambda value, _: place(value),
    Likeness.POSTCODE: lambda value, _: alnum(value),
    Likeness.TEXT: lambda value, _: fold(text(value)[:MAX_NAME]),
}


def _person_form(value: Any) -> tuple[str, int] | None:
    """A name, and which of those that have it: 0 where nothing says."""
    found = next((_GENERATION[word] for word in fold(value).split() if word in _GENERATION), 0)
    words = [word for word in person(value).split() if word not in _GENERATION]
    return (" ".join(words), found) if words else None


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


def _people(one: tuple[str, int], other: tuple[str, int]) -> float:
    """As names; an initial stands for a name that begins with it. Father and son are two people."""
    if one[1] and other[1] and one[1] != other[1]:
        return 0.0
    found = 1.0 if one[0] == other[0] else _names(one[0], other[0])
    first, second = one[0].split(), other[0].split()
    if len(first) == len(second) > 1 and first[-1] == second[-1]:
        pairs = list(zip(first[:-1], second[:-1], strict=True))
        if all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in pairs):
            found = max(found, ALIKE)
    return found if one[1] == other[1] else min(found, ALIKE)


def _emails(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """The best of the addresses that the two have."""
    return max(_addresses(a, b) for a in one for b in other)


def _addresses(one: str, other: str) -> float:
    """A letter may be wrong, a digit not; two people of one company have its domain in common."""
    from rapidfuzz.distance import OSA

    if one == other:
        return 1.0
    shorter = min(len(one.partition("@")[0]), len(other.partition("@")[0]))
    if shorter > _LONG and _digits(one) == _digits(other) and OSA.distance(one, other, score_cutoff=1) <= 1:
        return ALIKE
    domain = email_domain(one)
    return ALIKE if domain and domain == email_domain(other) else 0.0


def _digits(value: str) -> str:
    return "".join(_NUMBER.findall(value))


def _slipped(one: str, other: str) -> float:
    """A slip of the pen in a long number, which says little."""
    from rapidfuzz.distance import OSA

    return 0.4 if min(len(one), len(other)) > 6 and OSA.distance(one, other, score_cutoff=1) <= 1 else 0.0


def _tax_numbers(one: str, other: str) -> float:
    """One that is part of the other is of the same company."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= _PART and (longer.startswith(shorter) or longer.endswith(shorter)):
        return 1.0
    return _slipped(one, other)


def _phones(one: str, other: str) -> float:
    """A number that does not say its country, or its town, is compared by its last digits."""
    local, whole = sorted((_local(one, other), _local(other, one)), key=len)
    if len(local) >= 7 and whole.endswith(local):
        return 1.0 if "+" not in one or "+" not in other else ALIKE
    return _slipped(one, other)


def _local(number: str, other: str) -> str:
    """A phone number without the country that both have; without what is dialled before a town."""
    if not number.startswith("+"):
        return number.lstrip("0")
    code = _country_code(number)
    return number[1 + len(code) :] if other.startswith(f"+{code}") else number[1:]


@lru_cache(maxsize=20_000)
def _country_code(number: str) -> str:
    import phonenumbers

    return str(phonenumbers.parse(number).country_code)


def _papers(one: str, other: str) -> float:
    """Numbers of documents or articles, of which one may have zeros before it."""
    return ALIKE if unpadded(one) == unpadded(other) else 0.0


def _towns(one: str, other: str) -> float:
    """A letter may be wrong in a longer name, or more said of the place: "Sydney NSW"."""
    from rapidfuzz.distance import OSA

    shorter, longer = sorted((one.split(), other.split()), key=len)
    if longer[: len(shorter)] == shorter:
        return ALIKE
    far = min(len(one), len(other)) <= _LONG or OSA.distance(one, other, score_cutoff=1) > 1
    return 0.0 if far else ALIKE


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
    Likeness.TAX_NUMBER: _tax_numbers,
    Likeness.NUMBER: _papers,
    Likeness.CITY: _towns,
    Likeness.POSTCODE: _different,
    Likeness.TEXT: _texts,
}
