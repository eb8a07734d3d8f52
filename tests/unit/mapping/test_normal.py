"""Normal forms of names, addresses and numbers: what is the same thing typed otherwise, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.mapping.normal import (
    company,
    company_names,
    email_domain,
    name_keys,
    number_keys,
    person,
    person_keys,
    phone,
    place,
    tax_number,
    unpadded,
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param("  HARBOUR   Bakery Pty. Ltd. ", "harbour bakery", id="an Australian form"),
        pytest.param("Harbour Bakery Limited", "harbour bakery", id="a form of New Zealand and the UK"),
        pytest.param("Harbour Bakery Teo", "harbour bakery", id="an Irish form"),
        pytest.param("Harbour Bakery, L.L.C.", "harbour bakery", id="an American form"),
        pytest.param("Harbour Bakery Ltée", "harbour bakery", id="a Canadian form"),
        pytest.param("Harbour Bakery (Pty) Ltd", "harbour bakery", id="a South African form"),
        pytest.param("Harbour Bakery Pte Ltd", "harbour bakery", id="a form of Singapore"),
        pytest.param("Harbour Bakery Limted", "harbour bakery", id="a form with a slip of the pen"),
        pytest.param("The Müller & Söhne GmbH", company("Muller and Sohne"), id="accents, and, the"),
        pytest.param("Smith Bros", "smith brothers", id="a word cut short"),
        pytest.param("Limited", "limited", id="a name that is a form keeps it"),
        pytest.param("", "", id="nothing"),
        pytest.param(None, "", id="no value"),
    ],
)
def test_companies(written: Any, normal: str) -> None:
    assert company(written) == normal


def test_a_company_has_the_name_of_its_owner_and_the_one_that_it_trades_as() -> None:
    assert company_names("Jane Doe Pty Ltd T/A Harbour Bakery") == ("jane doe", "harbour bakery")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Grimes Painting Pty Ltd", "PaintingGrimes", id="words swapped and joined"),
        pytest.param("Harbour Bakery", "Harbuor Bakery Ltd", id="letters swapped"),
        pytest.param("Harbour Bakery", "harbourbakery", id="words joined"),
        pytest.param("Müller Söhne", "Mueller Sohne", id="an umlaut written out"),
        pytest.param("Jane Doe T/A Harbour Bakery", "Bakery Harbour", id="what it trades as"),
    ],
)
def test_two_spellings_of_a_company_share_a_key(one: str, other: str) -> None:
    assert set(name_keys(one)) & set(name_keys(other))


@pytest.mark.parametrize("value", ["", None, "   ", "!!"])
def test_what_is_blank_has_no_key_and_so_matches_nobody(value: Any) -> None:
    for keys in (name_keys, person_keys, number_keys):
        assert keys(value) == []
    for form in (company, person, email_domain, phone, tax_number, place):
        assert form(value) == ""


def test_the_keys_of_a_name_are_the_same_on_every_machine() -> None:
    assert [key for key in name_keys("Xu") if key.startswith("~")][:2] == ["~075042d95a2", "~18ca48ca6d8"]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param("Doe, Jane", "jane doe", id="last name first"),
        pytest.param("Dr. Jane DOE PhD", "jane doe", id="titles"),
        pytest.param("Wei Ag", "wei ag", id="a surname that looks like a legal form"),
        pytest.param("Doe, Jr.", "doe", id="a title behind a comma"),
    ],
)
def test_people(written: str, normal: str) -> None:
    assert person(written) == normal


@pytest.mark.parametrize(
    ("written", "country", "normal"),
    [
        pytest.param("(02) 9555 1234", "AU", "+61295551234", id="Australia"),
        pytest.param("+61 2 9555 1234", "NZ", "+61295551234", id="its own country's code counts"),
        pytest.param("0011 61 2 9555 1234", "AU", "+61295551234", id="as Australians dial abroad"),
        pytest.param("00 44 20 7946 0958", "AU", "+442079460958", id="as most of the world dials abroad"),
        pytest.param("020 7946 0958", "GB", "+442079460958", id="the United Kingdom"),
        pytest.param("09 555 1234", "NZ", "+6495551234", id="New Zealand"),
        pytest.param("(415) 555-2671", "US", "+14155552671", id="the United States"),
        pytest.param("555 1234 99", "", "555123499", id="no country is known"),
        pytest.param("n/a", "AU", "", id="no number"),
    ],
)
def test_phones(written: str, country: str, normal: str) -> None:
    assert phone(written, country) == normal


def test_a_country_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="ZZ is not a country"):
        phone("1234567", "ZZ")


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param("ABN 53 004 085 616", "53004085616", id="an Australian one with its name"),
        pytest.param("ABN No.: 53-004-085-616", "53004085616", id="and with dashes"),
        pytest.param("GB 123 4567 89", "123456789", id="with its country"),
        pytest.param("IE6388047V", "6388047V", id="Irish"),
        pytest.param("94-3404530", "943404530", id="American"),
    ],
)
def test_tax_numbers(written: str, normal: str) -> None:
    assert tax_number(written) == normal


def test_numbers_lose_their_leading_zeros_and_nothing_else() -> None:
    assert unpadded("INV-00012") == "INV-12"
    assert unpadded("INV-100") == "INV-100"
    assert set(number_keys("INV-00012")) & set(number_keys("inv 12"))
    assert not set(number_keys("INV-12")) & set(number_keys("INV-120"))


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        pytest.param("Info@Harbour.example.com ", "harbour.example.com", id="of a company"),
        pytest.param("jane@gmail.com", "", id="of a service that anybody can use"),
        pytest.param("jane", "", id="of none"),
    ],
)
def test_domains(address: str, domain: str) -> None:
    assert email_domain(address) == domain
