"""What an organisation has to choose: a value that it lacks is known before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncline.connect.contract import Field, FieldType, RemoteModule
from syncline.mapping.expressions import Expressions
from syncline.mapping.module import ModuleMap, Side
from syncline.mapping.offered import Offered
from syncline.spec.load import load_spec

SPEC = """
spec: 1
name: test
systems: {a: {connector: alpha}, b: {connector: beta}}
modules:
  bills:
    between: {a: bills, b: bills}
    fields:
      currency: {a: currency, b: currency}
      note: {a: note, b: note}
      lines:
        a: lines
        b: lines
        each:
          tax: {a: tax, b: tax}
"""


def bills(currencies: tuple[str, ...] | None, taxes: tuple[str, ...] | None) -> RemoteModule:
    tax = Field(name="tax", type=FieldType.CHOICE, choices=taxes)
    return RemoteModule(
        name="bills",
        fields=(
            Field(name="currency", type=FieldType.CHOICE, choices=currencies),
            Field(name="note"),
            Field(name="lines", type=FieldType.LIST, item_id="id", fields=(tax,)),
        ),
    )


@pytest.fixture
def offered(tmp_path: Path) -> Offered:
    """The right end as its organisation has it: the built-in catalogue knows no choices."""
    (tmp_path / "spec.yaml").write_text(SPEC, "utf-8")
    spec = load_spec(tmp_path / "spec.yaml").spec
    assert spec is not None
    known = bills(None, None)
    maps = ModuleMap(spec.modules["bills"], (known, known), Expressions())
    return Offered(maps, Side.RIGHT, bills(("AUD", "USD"), ("GST",)))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"currency": "AUD", "note": "EUR", "lines": [{"tax": "GST"}]}, None, id="all-there"),
        pytest.param({"currency": None, "lines": [{"tax": None}]}, None, id="nothing-is-always-there"),
        pytest.param({"note": "x"}, None, id="not-written"),
        pytest.param({"currency": "aud"}, None, id="how-it-is-written-is-the-remotes-to-judge"),
        pytest.param({"currency": "EUR"}, "currency", id="a-value-that-is-not-there"),
        pytest.param({"lines": [{"tax": "GST"}, {"tax": "VAT"}]}, "tax", id="one-in-a-line"),
    ],
)
def test_what_the_organisation_lacks_is_told(
    values: dict[str, Any], field: str | None, offered: Offered
) -> None:
    found = offered.lacking(values)
    assert (found[0] if found else None) == field


def test_it_is_told_what_there_is_and_what_to_do(offered: Offered) -> None:
    found = offered.lacking({"currency": "EUR"})
    assert found is not None
    assert found[1] == (
        "it has no EUR to choose (it has AUD, USD): add it there, or map it to one that it has"
    )
