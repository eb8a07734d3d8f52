"""Canonical forms: values are equal exactly when people would say so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from syncline.connect.contract import Field, FieldType, Reference
from syncline.mapping.canonical import canonical, check_storable

T = FieldType


def form(type_: FieldType, **options: Any) -> Field:
    return Field(name="f", type=type_, **options)


ACCOUNT = Reference(module="accounts", path="id")

SAME = [
    (form(T.TEXT), "1e5", "1e5", "text that looks like a number"),
    (form(T.TEXT), "0123", "0123", "leading zeros"),
    (form(T.TEXT), "2024-01-01", "2024-01-01", "text that looks like a date"),
    (form(T.TEXT), "NO", "NO", "text that looks like a boolean"),
    (form(T.TEXT), " a ", " a ", "spaces stay"),
    (form(T.TEXT), "", None, "empty text is nothing where the remote does not tell them apart"),
    (form(T.TEXT, blank_is_null=False), "", "", "empty text stays where it does"),
    (form(T.TEXT), 1001, "1001", "a number for a text"),
    (form(T.TEXT), Decimal("1.10"), "1.10", "a decimal for a text keeps its digits"),
    (form(T.TEXT), True, "true", "a boolean for a text"),
    (form(T.CHOICE), "Open", "Open", "a choice"),
    (form(T.CHOICE), "", None, "no choice"),
    (form(T.INTEGER), "5", 5, "a whole number as text"),
    (form(T.INTEGER), Decimal("5.00"), 5, "a whole decimal"),
    (form(T.INTEGER), "", None, "no whole number"),
    (form(T.DECIMAL), Decimal("5.00"), 5, "five is five"),
    (form(T.DECIMAL), "1.10", Decimal("1.1"), "trailing zeros go"),
    (form(T.DECIMAL), Decimal("1E+3"), 1000, "an exponent goes"),
    (form(T.DECIMAL), "0.00", 0, "zero"),
    (form(T.DECIMAL), "-0.0", 0, "minus zero"),
    (form(T.DECIMAL, places=2), "1.005", Decimal("1.01"), "half a cent goes up"),
    (form(T.DECIMAL, places=2), "-1.005", Decimal("-1.01"), "half a cent below zero goes down"),
    (form(T.DECIMAL, places=2), "0.1648", Decimal("0.16"), "as many places as the remote keeps"),
    (form(T.DECIMAL, places=0), "0.5", 1, "a currency without cents"),
    (form(T.DECIMAL, places=3), "1.0005", Decimal("1.001"), "a currency with thousandths"),
    (form(T.DECIMAL, places=4), "9" * 30, int("9" * 30), "more digits than arithmetic keeps"),
    (
        form(T.DECIMAL),
        "12345678901234567890123456789.125",
        Decimal("12345678901234567890123456789.125"),
        "digits beyond the twenty-eighth",
    ),
    (form(T.DECIMAL), " ", None, "blank text for a number"),
    (form(T.BOOLEAN), True, True, "true"),
    (form(T.BOOLEAN), False, False, "false"),
    (form(T.DATE), "2024-02-29", "2024-02-29", "a leap day"),
    (form(T.DATE), "0001-01-01", "0001-01-01", "the first day"),
    (form(T.DATE), "", None, "no day"),
    (form(T.INSTANT), "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "an instant"),
    (form(T.INSTANT), "2024-01-01T10:00:00+10:00", "2024-01-01T00:00:00Z", "an instant with an offset"),
    (form(T.INSTANT), "2024-01-01T13:45:00+13:45", "2024-01-01T00:00:00Z", "an odd offset"),
    (form(T.INSTANT), "2024-01-01T00:00:00.500Z", "2024-01-01T00:00:00.5Z", "trailing zeros of a second"),
    (form(T.INSTANT), "2024-01-01T00:00:10Z", "2024-01-01T00:00:10Z", "ten seconds are no fraction"),
    (form(T.INSTANT), "", None, "no instant"),
    (form(T.REFERENCE, reference=ACCOUNT), {"id": "7", "name": "x"}, "7", "the identity inside a value"),
    (form(T.REFERENCE, reference=ACCOUNT), {"id": None}, None, "a value without identity"),
    (form(T.REFERENCE, reference=ACCOUNT), {}, None, "an empty value"),
    (form(T.REFERENCE, reference=ACCOUNT), "7", "7", "an identity given as itself"),
    (form(T.REFERENCE, reference=Reference(module="a")), 7, "7", "an identity that is a number"),
    (form(T.REFERENCE), "", None, "no reference"),
    (form(T.OBJECT), {"a": 1}, {"a": 1}, "a group as it is"),
    (form(T.LIST), [1], [1], "a list as it is"),
]


@pytest.mark.parametrize(
    ("field", "value", "expected"), [pytest.param(*row[:3], id=f"{row[0].type}: {row[3]}") for row in SAME]
)
def test_form(field: Field, value: Any, expected: Any) -> None:
    bring = canonical(field)
    result = bring(value)
    assert result == expected
    assert type(result) is type(expected)
    assert str(result) == str(expected)
    assert bring(result) == result


@pytest.mark.parametrize("type_", list(FieldType))
def test_nothing_stays_nothing(type_: FieldType) -> None:
    assert canonical(form(type_))(None) is None


REFUSED = [
    (form(T.TEXT), {"a": 1}, "a group cannot be written as text"),
    (form(T.INTEGER), "1.5", "1.5 is not a whole number"),
    (form(T.INTEGER), "x", "'x' is not a number"),
    (form(T.INTEGER), True, "true or false is not a number"),
    (form(T.INTEGER), 10**4_000, "at most 40 digits"),
    (form(T.DECIMAL), "1,5", "'1,5' is not a number"),
    (form(T.DECIMAL), [], "a list is not a number"),
    (form(T.DECIMAL, places=2), Decimal("1e999999999"), "at most 40 digits"),
    (form(T.BOOLEAN), "true", "'true' is neither true nor false"),
    (form(T.BOOLEAN), 1, "a int is neither true nor false"),
    (form(T.DATE), "2024-02-30", "there is no day 2024-02-30"),
    (form(T.DATE), "2023-02-29", "there is no day 2023-02-29"),
    (form(T.DATE), "2024-01-01T00:00:00Z", "is not a date"),
    (form(T.DATE), "20240101", "is not a date"),
    (form(T.DATE), "01/02/2024", "is not a date"),
    (form(T.DATE), "٢٠٢٤-٠١-٠١", "is not a date"),
    (form(T.DATE), 20240101, "is not a date"),
    (form(T.INSTANT), "2024-01-01T00:00:00", "has no time zone"),
    (form(T.INSTANT), "2024-01-01", "has no time zone"),
    (form(T.INSTANT), "0001-01-01T00:00:00+14:00", "out of reach"),
    (form(T.INSTANT), 5, "is not an instant"),
    (form(T.REFERENCE), [1], "a list cannot be written as text"),
]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [pytest.param(*row, id=f"{row[0].type} {str(row[1])[:20]}") for row in REFUSED],
)
def test_what_has_no_form(field: Field, value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        canonical(field)(value)
    assert len(str(caught.value)) < 120


def test_a_date_is_never_moved_by_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    for zone in ("Pacific/Pago_Pago", "Pacific/Chatham", "Australia/Sydney"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert canonical(form(T.DATE))("2024-10-06") == "2024-10-06"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        pytest.param(Field(name="f", max_length=3), "abc", None, id="just fits"),
        pytest.param(
            Field(name="f", max_length=3), "abcd", "4 characters are too many: f takes 3", id="too long"
        ),
        pytest.param(Field(name="f", max_length=3), None, None, id="nothing always fits"),
        pytest.param(Field(name="f", max_length=1), "\U0001f600", None, id="an emoji is one character"),
        pytest.param(Field(name="f", choices=("a", "b")), "a", None, id="a choice"),
        pytest.param(Field(name="f", choices=("a", "b")), None, None, id="no choice"),
        pytest.param(
            Field(name="f", choices=("a", "b")),
            "A",
            "'A' is not a value of f; it takes 'a', 'b'",
            id="no such",
        ),
        pytest.param(Field(name="f"), "x" * 9_999, None, id="no limit known"),
    ],
)
def test_what_a_field_takes(field: Field, value: Any, says: str | None) -> None:
    assert check_storable(field, value) == says
