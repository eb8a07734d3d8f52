"""What looks alike and is not, and what is the same and does not look it."""

from __future__ import annotations

import pytest

from syncline.reconcile.alike import ALIKE, CONTRADICTS, alike, normal_form
from syncline.spec.model import Likeness


def compare(kind: Likeness, one: str, other: str) -> float | None:
    """How alike two values are; ``None`` when one says nothing."""
    forms = [normal_form(kind, value, "AU") for value in (one, other)]
    return None if None in forms else alike(kind, *forms)


def _cases(*rows: tuple[Likeness, str, str]) -> list[object]:
    return [pytest.param(*row, id=f"{row[0].value}: {row[1]} - {row[2]}") for row in rows]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    _cases(
        (Likeness.TAX_NUMBER, "N/A", "n/a"),
        (Likeness.TAX_NUMBER, "exempt", "Exempt"),
        (Likeness.TAX_NUMBER, "00 000 000 000", "00000000000"),
        (Likeness.PHONE, "0000000000", "0000000000"),
        (Likeness.PHONE, "123", "123"),
        (Likeness.EMAIL, "none@none.com", "none@none.com"),
        (Likeness.EMAIL, "noemail@acme.com", "noemail@acme.com"),
        (Likeness.EMAIL, "n/a", "n/a"),
    ),
)
def test_what_is_typed_where_there_is_nothing_is_no_evidence(kind: Likeness, one: str, other: str) -> None:
    assert compare(kind, one, other) is None


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    _cases(
        (Likeness.CITY, "Perth", "Penrith"),
        (Likeness.CITY, "Perth", "Berth"),
        (Likeness.EMAIL, "nolan1@gmail.com", "nolan2@gmail.com"),
        (Likeness.EMAIL, "a.lee@gmail.com", "b.lee@gmail.com"),
        (Likeness.PERSON, "John Smith Jr", "John Smith Sr"),
        (Likeness.COMPANY, "Shop 12 Ltd", "Shop 13 Ltd"),
        (Likeness.COMPANY, "Orrcon NSW", "Orrcon VIC"),
        (Likeness.TAX_NUMBER, "53004085616", "53004085661"),
        (Likeness.NUMBER, "INV-12", "INV-120"),
    ),
)
def test_what_only_looks_alike_contradicts(kind: Likeness, one: str, other: str) -> None:
    found = compare(kind, one, other)
    assert found is not None
    assert found <= CONTRADICTS


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    _cases(
        (Likeness.TAX_NUMBER, "ABN 53 004 085 616", "ACN 004 085 616"),
        (Likeness.TAX_NUMBER, "CHE-123.456.789 MWST", "CHE123456789"),
        (Likeness.TAX_NUMBER, "GB 123 4567 89", "123456789"),
        (Likeness.PHONE, "9555 1234", "02 9555 1234"),
        (Likeness.PHONE, "0011 61 2 9555 1234", "(02) 9555-1234 ext 5"),
        (Likeness.PHONE, "02 9555 1234 / 0400 111 222", "+61 2 9555 1234"),
        (Likeness.EMAIL, "ap@acme.com; jo@other.com", "JO@OTHER.COM"),
        (Likeness.EMAIL, "Jo <jo@acme.com>", "mailto:jo@acme.com"),
        (Likeness.CITY, "Sydney NSW", "Sydney"),
        (Likeness.CITY, "St. Kilda", "saint kilda"),
        (Likeness.CITY, "Melbourne", "Melborne"),
        (Likeness.PERSON, "Smith, Dr John", "John Smith"),
        (Likeness.PERSON, "John Smith", "John Smith Jr"),
        (Likeness.NUMBER, "INV-00012", "inv 12"),
        (Likeness.COMPANY, "Grimes Painting Pty Ltd", "PaintingGrimes"),
        (Likeness.COMPANY, "Harbour Bakery", "Smith Pty Ltd T/A Harbour Bakery"),
    ),
)
def test_what_is_the_same_is_alike_however_it_is_typed(kind: Likeness, one: str, other: str) -> None:
    found = compare(kind, one, other)
    assert found is not None
    assert found >= ALIKE
