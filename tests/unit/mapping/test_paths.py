"""Paths: reading them, reading by them, and putting by them."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.mapping.missing import MISSING
from syncline.mapping.paths import PathError, parse_path

RECORD: dict[str, Any] = {
    "Name": "Acme",
    "Null": None,
    "Empty": "",
    "Contact": {"Name": "Ann", "Address": {"City": "Perth"}, "Null": None},
    "Phones": [
        {"PhoneType": "FAX", "PhoneNumber": "1"},
        {"PhoneType": "DEFAULT", "PhoneNumber": "2"},
        {"PhoneType": "DEFAULT", "PhoneNumber": "3"},
        {"PhoneNumber": "4"},
    ],
    "None": [],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("Name", "Acme", id="a field"),
        pytest.param("Null", None, id="a null field"),
        pytest.param("Empty", "", id="an empty field"),
        pytest.param("Nowhere", MISSING, id="a field left out"),
        pytest.param("Contact.Name", "Ann", id="a field of a group"),
        pytest.param("Contact.Address.City", "Perth", id="a field two groups down"),
        pytest.param("Contact.Nowhere", MISSING, id="a field that a group leaves out"),
        pytest.param("Contact.Nowhere.City", MISSING, id="a field of a group left out"),
        pytest.param("Contact.Null.City", None, id="a field of a null group"),
        pytest.param("Nowhere.City", MISSING, id="a field of a missing group"),
        pytest.param("Null.City", None, id="a field of a null"),
        pytest.param("Phones[PhoneType=DEFAULT].PhoneNumber", "2", id="the first item of that name"),
        pytest.param("Phones[PhoneType=MOBILE].PhoneNumber", None, id="no item of that name"),
        pytest.param("Phones[PhoneType=FAX]", {"PhoneType": "FAX", "PhoneNumber": "1"}, id="a whole item"),
        pytest.param("Phones[PhoneType=FAX].Area", MISSING, id="a field that an item leaves out"),
        pytest.param("None[A=B].C", None, id="an item of an empty list"),
        pytest.param("Null[A=B].C", None, id="an item of a null list"),
        pytest.param("Nowhere[A=B].C", MISSING, id="an item of a missing list"),
    ],
)
def test_get(path: str, expected: Any) -> None:
    assert parse_path(path).getter()(RECORD) == expected


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("Name.First", id="a group that is a text"),
        pytest.param("Phones.PhoneNumber", id="a group that is a list"),
        pytest.param("Contact[A=B].C", id="a list that is a group"),
        pytest.param("Name[A=B].C", id="a list that is a text"),
    ],
)
def test_a_value_of_another_shape_is_a_fault_of_the_record(path: str) -> None:
    with pytest.raises(ValueError, match="another shape"):
        parse_path(path).getter()(RECORD)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param("Name", "x", {"Name": "x"}, id="a field"),
        pytest.param("A.B.C", 1, {"A": {"B": {"C": 1}}}, id="groups are made on the way"),
        pytest.param("A.B", None, {"A": {"B": None}}, id="a null is put too"),
        pytest.param("P[T=D].N", "1", {"P": [{"T": "D", "N": "1"}]}, id="the named item is made"),
        pytest.param("P[T=D].A.B", "1", {"P": [{"T": "D", "A": {"B": "1"}}]}, id="a group in an item"),
        pytest.param("P[T=D]", {"N": "1"}, {"P": [{"T": "D", "N": "1"}]}, id="a whole item"),
        pytest.param("P[T=D]", None, {"P": [{"T": "D"}]}, id="an item with nothing in it"),
    ],
)
def test_put(path: str, value: Any, expected: dict[str, Any]) -> None:
    target: dict[str, Any] = {}
    parse_path(path).put(target, value)
    assert target == expected


def test_puts_meet_in_the_groups_and_items_they_share() -> None:
    target: dict[str, Any] = {}
    for path, value in [
        ("A.B", 1),
        ("A.C", 2),
        ("P[T=D].N", 3),
        ("P[T=D].M", 4),
        ("P[T=F].N", 5),
    ]:
        parse_path(path).put(target, value)
    assert target == {
        "A": {"B": 1, "C": 2},
        "P": [{"T": "D", "N": 3, "M": 4}, {"T": "F", "N": 5}],
    }


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        pytest.param("", 0, "expected a field name, found the end", id="nothing"),
        pytest.param("A..B", 2, "expected a field name, found '.'", id="two dots"),
        pytest.param("A.", 2, "expected a field name, found the end", id="a dot at the end"),
        pytest.param(".A", 0, "expected a field name, found '.'", id="a dot at the start"),
        pytest.param("1A", 0, "expected a field name, found '1'", id="a digit at the start"),
        pytest.param("A B", 1, "expected '.' or the end, found ' '", id="a space"),
        pytest.param("A-B", 1, "expected '.' or the end, found '-'", id="a hyphen"),
        pytest.param("A[0]", 1, "expected an item as [Key=Value]", id="an item by number"),
        pytest.param("A[B=]", 1, "expected an item as [Key=Value]", id="an item without a name"),
        pytest.param("A[B= ].C", 1, "expected an item as [Key=Value]", id="an item named by a space"),
        pytest.param("A[B=C", 1, "expected an item as [Key=Value]", id="a bracket left open"),
        pytest.param("A[B=C]D", 6, "expected '.' or the end, found 'D'", id="a name after a bracket"),
        pytest.param("A | fold", 1, "expected '.' or the end, found ' '", id="a filter"),
    ],
)
def test_a_bad_path_is_refused_at_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(PathError) as caught:
        parse_path(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


def test_what_a_path_is_made_of() -> None:
    path = parse_path("Phones[PhoneType= MAIN LINE ].Number")
    assert path.root == "Phones"
    assert [(step.name, step.item_key, step.item, step.offset) for step in path.steps] == [
        ("Phones", "PhoneType", "MAIN LINE", 0),
        ("Number", None, None, 30),
    ]
