"""Specs against the systems they name: what fits, what is declared, and what the live fields change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from made_up import BOOKS, CONNECTORS, CRM, MadeUp
from msgspec.structs import replace

from syncline.connect import Catalogue, Connector, Field, FieldType
from syncline.mapping.check import check_spec, read_expressions
from syncline.spec import Problem, load_spec

HEAD = """\
spec: 1
name: acme
systems:
  crm: {connector: alpha-crm}
  books: {connector: beta-books}
"""
ACCOUNTS = """\
modules:
  accounts:
    between: {crm: Accounts, books: Contacts}
    fields:
      name: {crm: Account_Name, books: Name}
"""


def check(
    folder: Path,
    text: str,
    *,
    connectors: Mapping[str, Connector] = CONNECTORS,
    live: Mapping[str, Catalogue] | None = None,
) -> list[Problem]:
    file = folder / "acme.yaml"
    file.write_text(text, "utf-8")
    loaded = load_spec(file, environ={})
    assert loaded.spec is not None, loaded.problems
    expressions, problems = read_expressions(loaded.macros, {})
    return [*problems, *check_spec(loaded.spec, connectors, live, expressions)]


def told(problems: list[Problem]) -> list[str]:
    return [f"{p.place.line}:{p.place.column} {p.code}" for p in problems]


def test_a_spec_that_fits(tmp_path: Path) -> None:
    text = HEAD.replace("alpha-crm}", "alpha-crm, data_center: au, trigger: false}") + ACCOUNTS
    text += """\
      phone: {crm: Phone, books: "Phones[PhoneType=DEFAULT].PhoneNumber"}
      parent: {crm: Parent_Account, books: ParentContact, ref: accounts}
      iban: {crm: Website, books: Bank.Iban, direction: "books -> crm"}
      exempt: {crm: Tax_Exempt, books: TaxType, values: [{crm: true, books: E}, {crm: false, books: S}]}
      grade:
        crm: Rating
        books: Grade
        values: [{crm: Hot, books: Hot}, {crm: Cold, books: Cold}, {crm: Warm, books: Cold}]
      about: {crm: Description, to: {crm: "{{ record.TaxNumber }} since {{ today }}"}}
    match:
      - {crm: Books_ID, books: ContactID}
      - {crm: "Account_Name | fold", books: "Name | fold", agree: [phone]}
    where: {books: "{{ record.IsCustomer }}"}
    deletes: {crm: delete, books: archive}
  invoices:
    between: {crm: Invoices, books: Invoices}
    direction: books -> crm
    fields:
      number: {crm: Subject, books: InvoiceNumber}
      customer: {crm: Account_Name, books: Contact, ref: accounts}
      updated: {crm: Invoice_Date, books: Updated, to: {crm: "{{ value | day }}"}}
      lines:
        crm: Lines
        books: LineItems
        each:
          quantity: {crm: Quantity, books: Quantity}
          text: {crm: Text, to: {crm: "{{ record.Description }} of {{ parent.InvoiceNumber }}"}}
"""
    assert check(tmp_path, text) == []


def test_names_are_corrected_where_they_stand(tmp_path: Path) -> None:
    text = HEAD + ACCOUNTS.replace("books: Contacts", "books: Contcats").replace(
        "crm: Account_Name", "crm: account_name"
    )
    found = check(tmp_path, text)
    assert told(found) == ["8:37 unknown-remote-module", "10:19 unknown-field"]
    assert [p.suggestion for p in found] == ["did you mean Contacts?", "did you mean Account_Name?"]


def test_all_mistakes_of_a_spec_are_told_in_one_run(tmp_path: Path) -> None:
    text = (
        HEAD.replace("alpha-crm", "alfa")
        + ACCOUNTS
        + """\
      id: {crm: Whatever, books: ContactID}
      mail: {crm: Website, books: Mail}
      sum: {books: TaxNumber, to: {books: "{{ rekord.X | nope }}"}}
    where: {books: "{{ record.Custommer }}"}
    deletes: {books: delete}
"""
    )
    assert told(check(tmp_path, text)) == [
        "4:20 unknown-connector",
        "11:34 read-only-field",
        "12:35 unknown-field",
        "13:47 unknown-name",
        "13:58 unknown-filter",
        "14:31 unknown-field",
        "15:22 cannot-delete",
    ]


def test_a_declared_field_extends_the_catalogue_and_overrides_it(tmp_path: Path) -> None:
    declared = HEAD.replace(
        "  crm: {connector: alpha-crm}",
        "  crm:\n    connector: alpha-crm\n    fields:\n      Accounts:\n"
        "        Tier: {type: boolean}\n        Phone: {read_only: true}\n        Vat: {required: true}",
    )
    text = (
        declared
        + ACCOUNTS
        + "      tier: {crm: Tier, books: TaxType}\n      phone: {crm: Phone, books: TaxNumber}\n"
    )
    found = check(tmp_path, text)
    assert told(found) == ["13:3 required-field", "17:19 type-mismatch", "18:20 read-only-field"]
    assert "needs Vat" in found[0].message
    assert found[2].suggestion == 'direction: "crm -> books"'


def test_the_live_fields_count_where_there_are_any(tmp_path: Path) -> None:
    custom = replace(CRM.modules[0], fields=(*CRM.modules[0].fields, Field(name="Tier", custom=True)))
    text = HEAD + ACCOUNTS + "      tier: {crm: Tier, books: TaxNumber}\n"
    assert told(check(tmp_path, text)) == ["11:19 unknown-field"]
    assert check(tmp_path, text, live={"crm": Catalogue((custom, *CRM.modules[1:]))}) == []


def test_an_option_from_the_environment_is_judged_by_its_default_only(tmp_path: Path) -> None:
    def with_option(value: str) -> list[str]:
        return told(
            check(tmp_path, HEAD.replace("alpha-crm}", f"alpha-crm, data_center: {value}}}") + ACCOUNTS)
        )

    assert with_option('"${env:DC}"') == []
    assert with_option('"${env:DC:-au}"') == []
    assert with_option('"${env:DC:-mars}"') == ["4:45 bad-option"]
    assert with_option("mars") == ["4:44 bad-option"]


def test_an_option_that_a_connector_needs(tmp_path: Path) -> None:
    needy = MadeUp("alpha-crm", CRM, {"realm": {"type": "string", "examples": ["north"]}})
    needy.options_schema = {**needy.options_schema, "required": ["realm"]}
    found = check(tmp_path, HEAD + ACCOUNTS, connectors={**CONNECTORS, "alpha-crm": needy})
    assert told(found) == ["4:20 missing-option"]
    assert (found[0].message, found[0].suggestion) == ("crm has no realm", "add realm: north")


class WithOwnModules(MadeUp):
    """An organisation's own modules, each like Accounts, are named by the option ``modules``."""

    def catalogue_for(self, options: Mapping[str, Any]) -> Catalogue:
        own = (replace(CRM.modules[0], name=name) for name in options.get("modules", ()))
        return Catalogue((*CRM.modules, *own))


@pytest.mark.parametrize(
    ("option", "codes"),
    [("", ["unknown-remote-module"]), (", modules: {Clients: {}}", [])],
    ids=["unknown-without-the-option", "known-by-it"],
)
def test_a_module_that_only_an_option_declares(tmp_path: Path, option: str, codes: list[str]) -> None:
    crm = WithOwnModules("alpha-crm", CRM, {"modules": {"type": "object"}})
    text = HEAD.replace("alpha-crm}", f"alpha-crm{option}}}") + ACCOUNTS.replace("Accounts,", "Clients,")
    found = check(tmp_path, text, connectors={**CONNECTORS, "alpha-crm": crm})
    assert [problem.code for problem in found] == codes


class Failing(MadeUp):
    def catalogue(self) -> Catalogue:
        raise RuntimeError("no catalogue today")


def test_a_broken_connector_is_named_and_hides_nothing_else(tmp_path: Path) -> None:
    crooked = MadeUp("beta-books", BOOKS, {})
    crooked.options_schema = {"type": 5}
    connectors = {"alpha-crm": Failing("alpha-crm", CRM, {}), "beta-books": crooked}
    found = check(tmp_path, HEAD + ACCOUNTS.replace("books: Name", "books: Nmae"), connectors=connectors)
    assert told(found) == [
        "4:20 broken-connector",
        "5:22 broken-connector",
        "10:40 unknown-field",
    ]


def test_what_is_missing_is_not_said_of_a_module_that_lost_something(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(HEAD + ACCOUNTS.replace("books: Name", "books: 5"))
    loaded = load_spec(file, environ={})
    assert loaded.partial is not None
    expressions, _ = read_expressions((), {})
    assert check_spec(loaded.partial, CONNECTORS, None, expressions, hurt=loaded.hurt) == []
    assert [p.code for p in check_spec(loaded.partial, CONNECTORS, None, expressions)] == [
        "required-field"
    ] * 2


@pytest.mark.parametrize("split", [True, False], ids=["with-where", "without-where"])
def test_two_modules_may_share_an_end_when_both_say_which_records(tmp_path: Path, split: bool) -> None:
    where = '    where: {books: "{{ record.IsCustomer }}"}\n' if split else ""
    text = HEAD + ACCOUNTS + where + "  bills:\n    between: {crm: Invoices, books: Contacts}\n" + where
    text += "    fields: {subject: {crm: Subject, books: Name}}\n    direction: books -> crm\n"
    found = [p for p in check(tmp_path, text) if p.code == "shared-end"]
    assert [str(p.severity) for p in found] == ([] if split else ["warning"])


def test_a_disabled_module_shares_nothing(tmp_path: Path) -> None:
    text = HEAD + ACCOUNTS + ACCOUNTS.replace("modules:\n  accounts:\n", "  others:\n    enabled: false\n")
    assert check(tmp_path, text) == []


@pytest.mark.parametrize(
    ("left", "right", "code"),
    [
        pytest.param(FieldType.BOOLEAN, FieldType.TEXT, "type-mismatch", id="true-or-false-and-text"),
        pytest.param(FieldType.BOOLEAN, FieldType.DECIMAL, "type-mismatch", id="true-or-false-and-a-number"),
        pytest.param(FieldType.DATE, FieldType.INSTANT, "type-mismatch", id="a-day-and-an-instant"),
        pytest.param(FieldType.LIST, FieldType.TEXT, "type-mismatch", id="a-list-and-text"),
        pytest.param(FieldType.OBJECT, FieldType.TEXT, "type-mismatch", id="a-group-and-text"),
        pytest.param(FieldType.DATE, FieldType.INTEGER, "type-mismatch", id="a-day-and-a-number"),
        pytest.param(FieldType.REFERENCE, FieldType.REFERENCE, "missing-ref", id="two-references"),
        pytest.param(FieldType.REFERENCE, FieldType.TEXT, "type-mismatch", id="a-reference-and-text"),
        pytest.param(FieldType.TEXT, FieldType.TEXT, None, id="text-and-text"),
        pytest.param(FieldType.INTEGER, FieldType.DECIMAL, None, id="two-numbers"),
        pytest.param(FieldType.TEXT, FieldType.DECIMAL, None, id="text-and-a-number"),
        pytest.param(FieldType.TEXT, FieldType.DATE, None, id="text-and-a-day"),
        pytest.param(FieldType.CHOICE, FieldType.TEXT, None, id="a-choice-and-text"),
        pytest.param(FieldType.LIST, FieldType.LIST, None, id="two-lists"),
    ],
)
def test_kinds_that_never_become_one_another(
    tmp_path: Path, left: FieldType, right: FieldType, code: str | None
) -> None:
    crm = replace(CRM.modules[0], fields=(*CRM.modules[0].fields, Field(name="X", type=left)))
    books = replace(BOOKS.modules[0], fields=(*BOOKS.modules[0].fields, Field(name="Y", type=right)))
    live = {"crm": Catalogue((crm,)), "books": Catalogue((books,))}
    text = HEAD + ACCOUNTS + "      x: {crm: X, books: Y}\n"
    assert [p.code for p in check(tmp_path, text, live=live)] == ([code] if code else [])


def test_macros_are_known_and_their_mistakes_are_told_at_the_import(tmp_path: Path) -> None:
    (tmp_path / "good.j2").write_text("{% macro shout(x) %}{{ x | upper }}!{% endmacro %}")
    (tmp_path / "bad.j2").write_text("{% macro broken(x) %}{{ x }")
    (tmp_path / "same.j2").write_text("{% macro shout(x) %}{{ x }}{% endmacro %}")
    text = HEAD + "transforms: [./good.j2, ./bad.j2, ./same.j2]\n" + ACCOUNTS
    text += (
        '      about: {crm: Description, to: {crm: "{{ shout(record.Name) }} {{ whisper(record.Name) }}"}}\n'
    )
    assert told(check(tmp_path, text)) == ["6:25 bad-macros", "6:35 bad-macros", "12:72 unknown-name"]


def test_a_choice_that_only_one_end_has_is_listed(tmp_path: Path) -> None:
    (found,) = check(tmp_path, HEAD + ACCOUNTS + "      grade: {crm: Rating, books: Grade}\n")
    assert found.message == "books.Contacts.Grade does not take 'Warm', which crm.Accounts.Rating can hold"
    assert found.suggestion == "add them there, or values: with a pair for each; it takes 'Hot', 'Cold'"


def test_one_way_maps_are_judged_at_their_target_only(tmp_path: Path) -> None:
    text = (
        HEAD
        + ACCOUNTS
        + """\
      id: {crm: Books_ID, books: ContactID, direction: "books -> crm"}
      grade: {crm: Rating, books: Grade, direction: "books -> crm"}
      about: {crm: Description, books: EmailAddress, direction: "books -> crm"}
"""
    )
    assert check(tmp_path, text) == []
