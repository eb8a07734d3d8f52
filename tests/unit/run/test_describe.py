"""What a spec keeps in step, told per module and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.modules_page import BASES, PAGE, page, told_of

from syncline.cli.main import cli
from syncline.run.describe import as_markdown

OWN = """
# Acme sells wine.
#
# More of it.
spec: 1
name: acme
extends: xero-zoho-crm
modules:
  # Acme's customers.
  accounts:
    fields:
      fax: null
      # Only the books' website is looked after.
      website: {crm: Website, books: Website, direction: "books -> crm"}
  products: {enabled: false}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tmp_path_factory.mktemp("specs") / "acme.yaml"
    spec.write_text(OWN, encoding="utf-8")
    return spec


def field(told: dict[str, Any], module: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in told["modules"][module]["fields"] if one["name"] == name]
    return found


def test_the_page_of_modules_is_what_the_base_specs_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.support.modules_page"


@pytest.mark.parametrize("spec", BASES, ids=lambda spec: spec.stem)
def test_a_base_spec_says_why_a_field_goes_one_way_only(spec: Path) -> None:
    told = told_of(spec)
    silent = [
        f"{name}.{one['name']}"
        for name, module in told["modules"].items()
        for one in module["fields"]
        if one["direction"] not in ("both", module["direction"]) and not one["why"]
    ]
    assert silent == [], "write a comment above each of these maps"


def test_an_own_spec_is_told_with_what_it_changes_and_what_it_inherits(own: Path) -> None:
    told = told_of(own)
    assert told["about"] == "Acme sells wine."
    accounts = told["modules"]["accounts"]
    assert accounts["about"] == "Acme's customers."
    assert accounts["between"] == {"crm": "Accounts", "books": "Contacts"}
    assert "fax" not in {one["name"] for one in accounts["fields"]}
    website = field(told, "accounts", "website")
    assert website["direction"] == "books -> crm"
    assert website["why"] == [
        "Only the books' website is looked after.",
        "Xero sets it itself: it is read-only there.",
    ]
    days = field(told, "accounts", "payment_days")["why"]
    assert days[0].startswith("The CRM counts days"), "the comment of the base"
    assert days[1:] == ["Converted on its way.", "In a conflict: books."]
    assert not told["modules"]["products"]["enabled"]


@pytest.mark.parametrize(
    ("module", "name", "why"),
    [
        pytest.param("accounts", "payment_kind", "Worked out from the whole record of crm.", id="computed"),
        pytest.param("invoices", "customer", "Translated through the links of `accounts`.", id="reference"),
        pytest.param("invoices", "lines.item", "Translated through the links of `products`.", id="in-a-list"),
        pytest.param("invoices", "amount_due", "Xero sets it itself: it is read-only there.", id="read-only"),
        pytest.param("invoices", "status", "An edit in crm is put back.", id="enforced"),
        pytest.param(
            "invoices",
            "grand_total",
            "Only compared; told as drift where they differ by more than 0.05.",
            id="compared",
        ),
        pytest.param(
            "quotes", "status", "A state of Xero: it takes only what can follow.", id="a-state-machine"
        ),
    ],
)
def test_what_the_map_and_the_connectors_say_is_a_reason(own: Path, module: str, name: str, why: str) -> None:
    assert why in field(told_of(own), module, name)["why"]


def test_the_verb_prints_a_page_of_one_module_or_an_object(own: Path) -> None:
    done = CliRunner().invoke(cli, ["describe", str(own), "invoices"])
    assert done.exit_code == 0
    assert "### invoices: crm Invoices ↔ books Invoices" in done.output
    assert "| `amount_due` | `Amount_Due` | ← | `AmountDue` |" in done.output
    assert "### accounts" not in done.output
    assert CliRunner().invoke(cli, ["describe", str(own), "--json"]).output.startswith('{"spec":"acme"')
    unknown = CliRunner().invoke(cli, ["describe", str(own), "invoice"])
    assert "no module 'invoice'" in str(unknown.exception)


def test_a_module_that_says_the_same_is_only_referred_to(own: Path) -> None:
    told = told_of(own)
    seen: dict[str, str] = {}
    assert "### accounts" in as_markdown(told, seen)
    again = as_markdown({**told, "spec": "bravo"}, seen)
    assert "###" not in again
    assert "As in [acme](#acme): `accounts`" in again
