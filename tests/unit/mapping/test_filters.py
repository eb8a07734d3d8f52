"""The filters: what each makes of a value, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from syncline.mapping import filters as f
from syncline.mapping.filters import FILTERS


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        pytest.param("Acme", "acme", id="case"),
        pytest.param("  Acme\t Pumps  ", "acme pumps", id="spaces"),
        pytest.param("Café Señor", "cafe senor", id="accents"),
        pytest.param("Cafe\u0301", "cafe", id="accents as marks of their own"),
        pytest.param("Straße & Söhne", "strasse and sohne", id="German letters"),
        pytest.param("Ørsted Łódź", "orsted lodz", id="letters with a stroke"),
        pytest.param("İstanbul Isı", "istanbul isi", id="Turkish letters"),
        pytest.param("Ａｃｍｅ", "acme", id="wide letters"),
        pytest.param("№ 5", "no 5", id="a sign that is two letters"),
        pytest.param("Smith & Sons", "smith and sons", id="an ampersand"),
        pytest.param("Smith and Sons", "smith and sons", id="the word for it"),
        pytest.param("O'Neil's", "oneils", id="apostrophes"),
        pytest.param("O’Neil’s", "oneils", id="curly apostrophes"),
        pytest.param("Acme, Inc.", "acme", id="a comma before the form"),
        pytest.param("A-B/C_D", "a b c d", id="punctuation between words"),
        pytest.param("J.P. Morgan", "jp morgan", id="initials"),
        pytest.param("Acme Ltd", "acme", id="Ltd"),
        pytest.param("Acme Limited", "acme", id="Limited"),
        pytest.param("ACME PTY LTD.", "acme", id="Pty Ltd"),
        pytest.param("Acme Proprietary Limited", "acme", id="Proprietary Limited"),
        pytest.param("Acme GmbH", "acme", id="GmbH"),
        pytest.param("Acme GmbH & Co. KG", "acme", id="GmbH & Co. KG"),
        pytest.param("Acme S.A.", "acme", id="S.A."),
        pytest.param("Acme B.V.", "acme", id="B.V."),
        pytest.param("Acme S.p.A.", "acme", id="S.p.A."),
        pytest.param("Acme A/S", "acme", id="A/S"),
        pytest.param("Acme LLC", "acme", id="LLC"),
        pytest.param("Acme Sdn Bhd", "acme", id="Sdn Bhd"),
        pytest.param("The Acme Company", "acme", id="an article"),
        pytest.param("Limited Editions", "limited editions", id="a form at the start is a word"),
        pytest.param("Ltd", "ltd", id="a name that is only a form"),
        pytest.param("Pty Ltd", "pty", id="a name that is two forms"),
        pytest.param("The Trust", "trust", id="a name that is an article with a form"),
        pytest.param("The Company", "company", id="another of that kind"),
        pytest.param("The", "the", id="a name that is an article"),
        pytest.param("Band", "band", id="a word that ends like one"),
        pytest.param("Acme and", "acme and", id="an and that belongs to nothing"),
        pytest.param("株式会社 東京", "株式会社 東京", id="another script"),
        pytest.param("", "", id="nothing"),
        pytest.param(None, "", id="null"),
        pytest.param("...", "", id="punctuation alone"),
        pytest.param(1001, "1001", id="a number"),
    ],
)
def test_fold(name: Any, folded: str) -> None:
    assert f.fold(name) == folded
    assert f.fold(folded) == folded


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("1.10", Decimal("1.10"), id="text"),
        pytest.param(" 5 ", Decimal(5), id="spaces around it"),
        pytest.param("1e5", Decimal("1E+5"), id="an exponent"),
        pytest.param("-0.5", Decimal("-0.5"), id="a minus"),
        pytest.param(7, Decimal(7), id="a whole number"),
        pytest.param(0.1, Decimal("0.1"), id="a float by its shortest digits"),
        pytest.param(Decimal("1.10"), Decimal("1.10"), id="a decimal"),
        pytest.param("9" * 38, Decimal("9" * 38), id="more digits than arithmetic keeps"),
        pytest.param(None, None, id="nothing"),
        pytest.param("", None, id="empty text"),
        pytest.param("  ", None, id="spaces alone"),
    ],
)
def test_number(value: Any, expected: Decimal | None) -> None:
    assert f.number(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x", id="a word"),
        pytest.param("1,000", id="a comma"),
        pytest.param("1_000", id="an underscore"),
        pytest.param("0x10", id="a hexadecimal"),
        pytest.param("nan", id="no number"),
        pytest.param("Infinity", id="infinity"),
        pytest.param("1e999999999", id="a huge exponent"),
        pytest.param(Decimal("1e999999999"), id="a decimal with a huge exponent"),
        pytest.param(Decimal("1e-999999999"), id="a decimal with a tiny exponent"),
        pytest.param(Decimal("nan"), id="a decimal that is none"),
        pytest.param(10**4_000, id="a huge whole number"),
        pytest.param("9" * 5_000, id="a huge text"),
        pytest.param(True, id="true"),
        pytest.param([], id="a list"),
        pytest.param({}, id="a group"),
    ],
)
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"number|digits") as caught:
        f.number(value)
    assert len(str(caught.value)) < 100


GIVES = [
    ("text", None, (), "", "nothing is empty text"),
    ("text", True, (), "true", "a boolean in lower case"),
    ("text", Decimal("1.10"), (), "1.10", "a decimal keeps its digits"),
    ("text", Decimal("1E+5"), (), "100000", "a number without exponent"),
    ("text", "a", (), "a", "text as it is"),
    ("round_to", "1.005", (2,), Decimal("1.01"), "half away from zero"),
    ("round_to", "-1.005", (2,), Decimal("-1.01"), "half away from zero below it"),
    ("round_to", "1.001", (2, "ceil"), Decimal("1.01"), "up"),
    ("round_to", "1.009", (2, "floor"), Decimal("1.00"), "down"),
    ("round_to", None, (2,), None, "nothing stays nothing"),
    ("round_to", "9" * 30, (12,), Decimal("9" * 30), "a long number to many places"),
    ("integer", "-1.9", (), -1, "the whole part"),
    ("integer", None, (), None, "no whole part of nothing"),
    ("email_key", " A@B.Example ", (), "a@b.example", "an address"),
    ("email_key", "no address", (), "", "no address"),
    ("digits", "+61 (8) 9123", (), "6189123", "the digits of a phone number"),
    ("digits", "x²", (), "", "a power is no digit"),
    ("alnum", " ab-12/c ", (), "AB12C", "letters and digits of a code"),
    ("default", None, ("x",), "x", "a default for nothing"),
    ("default", "", ("x",), "", "none for empty text"),
    ("default", "", ("x", True), "x", "unless asked for"),
    ("replace_text", "a-b-c", ("-", ""), "abc", "every occurrence"),
    ("truncate", "abcdef", (4,), "abcd", "cut"),
    ("truncate", "abcdef", (4, ".."), "ab..", "cut with an ending"),
    ("truncate", "abc", (4, ".."), "abc", "short enough"),
    ("split", "a b  c", (), ["a", "b", "c"], "at spaces"),
    ("split", "a,b,", (",",), ["a", "b", ""], "at commas"),
    ("join", ["a", None, 1], (", ",), "a, 1", "nothings left out"),
    ("join", None, (",",), "", "no list at all"),
    ("add_days", "2024-02-28", (2,), "2024-03-01", "over a leap day"),
    ("add_days", "2024-01-01", (-1,), "2023-12-31", "backwards"),
    ("add_days", None, (1,), None, "no day"),
    ("days_between", "2024-01-01", ("2024-03-01",), 60, "days of a leap year"),
    ("days_between", None, ("2024-03-01",), None, "no first day"),
    ("day", "2024-01-01T23:30:00-11:00", (), "2024-01-01", "the day as written, no zone applied"),
    ("day", "", (), None, "no day in empty text"),
    ("items_of", {"a": 1}, (), [["a", 1]], "pairs"),
    ("total", [{"n": "1.10"}, {"n": None}, {}], ("n",), Decimal("1.10"), "a column with holes"),
    ("total", [1, Decimal("0.1")], (), Decimal("1.1"), "numbers"),
    ("total", None, (), Decimal(0), "no list"),
    ("blank", "  ", (), True, "spaces are blank"),
    ("blank", [], (), True, "an empty list is blank"),
    ("blank", None, (), True, "nothing is blank"),
    ("blank", 0, (), False, "zero is not blank"),
    ("blank", False, (), False, "false is not blank"),
]


@pytest.mark.parametrize(
    ("name", "value", "args", "expected"),
    [pytest.param(*row[:4], id=f"{row[0]}: {row[4]}") for row in GIVES],
)
def test_gives(name: str, value: Any, args: tuple[Any, ...], expected: Any) -> None:
    result = getattr(f, name)(value, *args)
    assert result == expected
    assert type(result) is type(expected)


REFUSES = [
    ("text", [1], (), "a list cannot be written as text"),
    ("text", {"a": 1}, (), "a group cannot be written as text"),
    ("text", Decimal("1e99999999"), (), "at most 40 digits"),
    ("round_to", 1, (13,), "0 to 12 places"),
    ("round_to", 1, (2, "bankers"), "'common', 'ceil' or 'floor'"),
    ("replace_text", "a", ("", "b"), "the first not empty"),
    ("replace_text", "a" * 1_000, ("a", "b" * 1_000), "would grow beyond"),
    ("truncate", "abc", (1, "..."), "at least the ending's"),
    ("join", ["a" * 60_000, "b" * 60_000], (), "would grow beyond"),
    ("split", "a," * 20_000, (",",), "more than 10000 items"),
    ("add_days", "2024-02-30", (1,), "is not a date"),
    ("add_days", "9999-12-31", (1,), "out of reach"),
    ("add_days", "2024-01-01", (None,), "number of days is missing"),
    ("add_days", "2024-01-01", (10**9,), "out of reach"),
    ("day", "yesterday", (), "'yesterday' is not a date"),
    ("day", [1] * 100_000, (), "a list is not a date"),
    ("items_of", [1], (), "a list has no keys"),
    ("limited", 5, (), "a number is not a list"),
    ("limited", range(10_001), (), "more than 10000 items"),
    ("total", ["x"], (), "'x' is not a number"),
]


@pytest.mark.parametrize(
    ("name", "value", "args", "says"), [pytest.param(*row, id=f"{row[0]}: {row[3]}") for row in REFUSES]
)
def test_refuses(name: str, value: Any, args: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        getattr(f, name)(value, *args)


_ALONE = [name for name in FILTERS if name not in ("add_days", "days_between", "replace")]


@pytest.mark.parametrize("filter_", [pytest.param(FILTERS[name], id=name) for name in _ALONE])
@pytest.mark.parametrize(
    "value",
    [None, "", "text", 0, 1, Decimal("1.5"), True, [], ["a", None], {}, {"a": [1]}, 10**60, Decimal("1e70")],
    ids=lambda value: repr(value)[:12],
)
def test_a_filter_without_arguments_gives_plain_data_or_a_sentence(
    filter_: Callable[..., Any], value: Any
) -> None:
    try:
        result = filter_(value)
    except ValueError:
        return
    assert result is None or isinstance(result, (str, int, bool, Decimal, list, dict))
