"""Tables of values: by a map's ``values`` and by the filter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from syncline.mapping.expressions import Expressions
from syncline.mapping.tables import TableFilter
from syncline.spec.load import load_spec
from syncline.spec.model import Spec

SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
tables:
  tax:
    rows:
      standard: {a: GST, b: OUTPUT, rate: 10}
      half: {a: Half, b: HALF, rate: 2.5}
      none: {b: EXEMPT, rate: 0}
modules:
  people:
    between: {a: people, b: people}
    fields:
      tax: {a: tax, b: tax, values: tax}
"""


def spec_of(tmp_path: Path, text: str, name: str = "spec.yaml") -> Spec:
    file = tmp_path / name
    file.write_text(text)
    loaded = load_spec(file)
    assert loaded.spec is not None, loaded.problems
    return loaded.spec


@pytest.mark.parametrize(
    ("value", "source", "target", "found"),
    [
        pytest.param("GST", "a", "b", "OUTPUT", id="from one system to the other"),
        pytest.param("HALF", "b", "rate", Decimal("2.5"), id="to a column of the author's own"),
        pytest.param(Decimal("10.00"), "rate", "a", "GST", id="a number by its value"),
        pytest.param(None, "a", "b", "EXEMPT", id="nothing has a row of its own"),
        pytest.param("", "a", "b", "EXEMPT", id="an empty text is nothing"),
        pytest.param("EXEMPT", "b", "a", None, id="and nothing comes back"),
    ],
)
def test_a_row_is_found(tmp_path: Path, value: Any, source: str, target: str, found: Any) -> None:
    expressions = Expressions(filters={"table": TableFilter(spec_of(tmp_path, SPEC).tables)})
    compiled = expressions.compile(f"{{{{ value | table('tax', '{source}', '{target}') }}}}")
    assert compiled({"value": value, "record": {}, "today": ""}) == found


def test_a_value_that_no_row_has_is_the_records_fault(tmp_path: Path) -> None:
    look_up = TableFilter(spec_of(tmp_path, SPEC).tables)
    with pytest.raises(ValueError, match="the table tax has no row whose a is 'PST'"):
        look_up("PST", "tax", "a", "b")


def test_a_map_takes_its_pairs_from_a_table(tmp_path: Path) -> None:
    fmap = spec_of(tmp_path, SPEC).modules["people"].fields["tax"]
    assert fmap.values == (("GST", "OUTPUT"), ("Half", "HALF"), (None, "EXEMPT"))


def test_an_overlay_changes_one_row_and_the_digest_of_what_uses_it(tmp_path: Path) -> None:
    base = spec_of(tmp_path, SPEC, "base.yaml")
    over = (
        "spec: 1\nname: test\nextends: ./base.yaml\ntables: {tax: {rows: {half: {b: OTHER}, none: null}}}\n"
    )
    changed = spec_of(tmp_path, over)
    assert changed.tables["tax"].rows == {
        "standard": {"a": "GST", "b": "OUTPUT", "rate": 10},
        "half": {"a": "Half", "b": "OTHER", "rate": Decimal("2.5")},
    }
    assert changed.digests["people"] != base.digests["people"]
