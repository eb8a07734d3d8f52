"""The fields of a remote module: those a client adds, and the one that a path leads to."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.connect.contract import Field, FieldType, Reference, RemoteModule
from syncline.mapping.fields import field_at, stray_step, with_declared
from syncline.mapping.paths import parse_path
from syncline.spec.model import DeclaredField
from syncline.spec.problems import Place

ADDRESS = Field(name="Address", type=FieldType.OBJECT, fields=(Field(name="City"), Field(name="Zip")))
PHONES = Field(
    name="Phones",
    type=FieldType.LIST,
    item_key="PhoneType",
    fields=(Field(name="PhoneType"), Field(name="Number")),
)
LINES = Field(name="Lines", type=FieldType.LIST, item_id="id", fields=(Field(name="Text"),))
REMOTE = RemoteModule(name="Contacts", fields=(Field(name="Name", max_length=50), ADDRESS, PHONES, LINES))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("Name", "Name", id="a field"),
        pytest.param("Address", "Address", id="a group"),
        pytest.param("Address.City", "City", id="a field of a group"),
        pytest.param("Phones[PhoneType=DEFAULT].Number", "Number", id="a field of a named item"),
        pytest.param("Phones[PhoneType=DEFAULT]", "Phones", id="a named item"),
        pytest.param("Phones", "Phones", id="a whole list of named items"),
        pytest.param("Lines", "Lines", id="a list"),
    ],
)
def test_a_path_leads_to_a_field(path: str, name: str) -> None:
    found = field_at(REMOTE, parse_path(path))
    assert found is not None
    assert found.name == name


TOP = ("Name", "Address", "Phones", "Lines")


@pytest.mark.parametrize(
    ("path", "step", "names"),
    [
        pytest.param("Nane", 0, TOP, id="an unknown field"),
        pytest.param("Address.Town", 1, ("City", "Zip"), id="an unknown field of a group"),
        pytest.param("Name.First", 1, (), id="a field of a text"),
        pytest.param("Phones.Number", 0, TOP, id="a field of a list without its item"),
        pytest.param("Phones[Kind=A].Number", 0, TOP, id="an item by another key"),
        pytest.param("Address[A=B].City", 0, TOP, id="an item of a group"),
        pytest.param("Phones[PhoneType=A].Nr", 1, ("PhoneType", "Number"), id="an unknown field of an item"),
    ],
)
def test_a_path_that_leads_nowhere_fails_at_a_step(path: str, step: int, names: tuple[str, ...]) -> None:
    assert field_at(REMOTE, parse_path(path)) is None
    assert stray_step(REMOTE, parse_path(path)) == (step, names)


def declared(**options: Any) -> DeclaredField:
    return DeclaredField(place=Place("spec.yaml", 1, 1), **options)


def test_a_declared_field_is_added() -> None:
    found = with_declared(REMOTE, {"Tax": declared(name="Tax", type="integer", required=True)})
    tax = found.field("Tax")
    assert tax == Field(name="Tax", type=FieldType.INTEGER, required=True, custom=True)
    assert [field.name for field in found.fields] == [*TOP, "Tax"]


def test_a_declaration_changes_only_what_it_says() -> None:
    found = with_declared(REMOTE, {"Name": declared(name="Name", required=True)})
    assert found.field("Name") == Field(name="Name", max_length=50, required=True)
    assert found.fields[1:] == REMOTE.fields[1:]


def test_nothing_declared_changes_nothing() -> None:
    assert with_declared(REMOTE, {}) is REMOTE


def test_a_declared_reference_holds_its_record_as_the_others_of_its_module_do() -> None:
    owner = Field(name="Owner", type=FieldType.REFERENCE, reference=Reference(module="Users", path="id"))
    remote = RemoteModule(name="Bills", fields=(owner,))
    found = with_declared(remote, {"Vendor": declared(name="Vendor", type="reference")}).fields[-1]
    assert found.reference == Reference(module="", path="id")


def test_where_references_are_held_in_several_ways_a_declared_one_is_taken_as_it_is() -> None:
    owner = Field(name="Owner", type=FieldType.REFERENCE, reference=Reference(module="Users", path="id"))
    item = Field(name="Item", type=FieldType.REFERENCE, reference=Reference(module="Items", by="key"))
    remote = RemoteModule(name="Bills", fields=(owner, item))
    found = with_declared(remote, {"Vendor": declared(name="Vendor", type="reference")}).fields[-1]
    assert found.reference is None
