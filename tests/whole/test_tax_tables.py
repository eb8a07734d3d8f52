"""Tax codes in tables of a spec, held against what the organisations have: all three connectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.stage import Stage
from tests.whole.test_three_systems import SPEC

TABLES = """
tables:
  sales_tax:
    rows:
      luxury: {crm: Luxury, books: Luxury Car Tax, rate: 33}
  ledger_sales_tax:
    rows:
      luxury: {books: Luxury Car Tax, ledger: LCTSALES}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    systems = {"crm": "zoho-crm", "books": "zoho-books", "ledger": "xero"}
    with Stage(tmp_path_factory.mktemp("stage"), spec=SPEC + TABLES, systems=systems) as opened:
        opened.connect()
        yield opened


def faults(stage: Stage) -> set[str]:
    """What `validate --live` says of the row that the client's own file adds to the tables."""
    told: list[dict[str, Any]] = stage.run("validate", "--live", "--json").json["problems"]
    lines = stage.spec.read_text("utf-8").splitlines()
    own = [one for one in told if one["file"] == str(stage.spec)]
    return {one["message"] for one in own if "luxury" in lines[one["line"] - 1]}


def test_codes_that_an_organisation_does_not_have_are_told_at_their_place(stage: Stage) -> None:
    assert faults(stage) == {
        "crm.Taxes.name does not take 'Luxury'",
        "ledger.Invoices.LineItems.TaxType does not take 'LCTSALES'",
    }


def test_codes_that_are_no_longer_in_use_are_told_as_well(stage: Stage) -> None:
    stage.systems["crm"].act("create", "Taxes", None, {"name": "Luxury", "value": 33})
    taxes = stage.systems["books"].records("taxes")
    luxury = next(row for row in taxes if row["tax_name"] == "Luxury Car Tax")
    stage.systems["books"].act("archive", "taxes", luxury["tax_id"])
    rate = {"TaxType": "LCTSALES", "Name": "Luxury", "Status": "ARCHIVED", "EffectiveRate": 33}
    stage.systems["ledger"].act("create", "TaxRates", None, rate)
    assert faults(stage) == {
        "books.invoices.line_items.tax_name does not take 'Luxury Car Tax'",
        "ledger.Invoices.LineItems.TaxType does not take 'LCTSALES'",
    }
    stage.systems["ledger"].act("update", "TaxRates", "LCTSALES", {"Status": "ACTIVE"})
    stage.systems["books"].act("update", "taxes", luxury["tax_id"], {"_active": True})
    assert faults(stage) == set()
