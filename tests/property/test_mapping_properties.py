"""What holds for every path, value and record, whatever a remote sends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline import exactjson
from syncline.connect.contract import Field, FieldType, Record, Reference, RemoteModule
from syncline.mapping.canonical import canonical
from syncline.mapping.expressions import Expressions
from syncline.mapping.filters import FILTERS, fold
from syncline.mapping.missing import MISSING
from syncline.mapping.module import ModuleMap, Side
from syncline.mapping.paths import PathError, parse_path
from syncline.spec.load import load_spec

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(10**18, 10**60),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.sampled_from([Decimal("1e999999"), Decimal("1e-999999"), 10**4_000]),
        st.text(st.characters(codec="utf-8"), max_size=12),
        st.sampled_from(
            ["2024-01-01", "2024-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"]
        ),
        st.sampled_from(["1e5", "1e999999999", "0123", "-0.0", "nan", " ", "x" * 300]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.from_regex(r"[A-Za-z_$][A-Za-z0-9_$]{0,3}", fullmatch=True)
ITEMS = st.from_regex(r"[A-Za-z0-9 .|-]{0,4}[A-Za-z0-9]", fullmatch=True)


@st.composite
def paths(draw: st.DrawFn) -> str:
    steps = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(NAMES)
        steps.append(f"{name}[key_{draw(NAMES)}={draw(ITEMS)}]" if draw(st.booleans()) else name)
    return ".".join([*steps, draw(NAMES)])  # a leaf of its own, beside an item's key


@given(paths(), JSON)
def test_what_was_put_is_got(text: str, value: Any) -> None:
    path = parse_path(text)
    target: dict[str, Any] = {}
    assert path.getter()(target) is MISSING
    path.put(target, value)
    assert path.getter()(target) == value
    path.put(target, "again")
    assert path.getter()(target) == "again"


@given(st.text(max_size=20))
def test_a_path_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        path = parse_path(text)
    except PathError as error:
        offset = error.offset
    else:
        assert path.text == text
        offset = path.steps[-1].offset
    assert 0 <= offset <= len(text)


@given(paths(), st.dictionaries(NAMES, JSON, max_size=3))
def test_a_path_gives_a_value_or_blames_the_record(text: str, values: dict[str, Any]) -> None:
    path = parse_path(text)
    values[path.root] = values.pop(next(iter(values), path.root), None)
    with contextlib.suppress(ValueError):
        path.getter()(values)


FIELDS = [
    *(Field(name="f", type=type_) for type_ in FieldType),
    *(Field(name="f", type=FieldType.DECIMAL, places=places) for places in (0, 2, 4, 12)),
    Field(name="f", blank_is_null=False),
    Field(name="f", type=FieldType.REFERENCE, reference=Reference(module="m", path="id")),
]


@settings(max_examples=300)
@given(field=st.sampled_from(FIELDS), value=JSON)
def test_a_canonical_form_is_its_own(field: Field, value: Any) -> None:
    bring = canonical(field)
    try:
        once = bring(value)
    except ValueError:
        return
    assert bring(once) == once
    assert type(bring(once)) is type(once)
    if field.type not in (FieldType.OBJECT, FieldType.LIST):
        assert exactjson.decode(exactjson.encode(once)) == once  # as it comes back from the state


_ONE = [name for name in FILTERS if name not in ("add_days", "days_between", "replace")]


@settings(max_examples=300)
@given(name=st.sampled_from(_ONE), value=JSON)
def test_a_filter_gives_a_value_or_a_sentence(name: str, value: Any) -> None:
    filter_: Callable[[Any], Any] = FILTERS[name]
    says = ""
    try:
        filter_(value)
    except ValueError as error:
        says = str(error)
    assert len(says) < 500


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_folding_a_folded_name_changes_nothing(name: str) -> None:
    folded = fold(name)
    assert fold(folded) == folded
    assert fold(f"  {name} ") == folded
    assert folded == " ".join(folded.split())


# --- whole records -----------------------------------------------------------------------------------------

SPEC = """
spec: 1
name: test
systems: {a: {connector: alpha}, b: {connector: beta}}
modules:
  all:
    between: {a: All, b: All}
    match: [{a: "text | fold", b: "text | fold"}, {a: "list[a=x].b", b: "object.a"}]
    where: {a: "{{ record.boolean }}"}
    fields:
      text: {a: text, b: text}
      number: {a: decimal, b: decimal}
      whole: {a: integer, b: integer, to: {b: "{{ value * 2 }}", a: "{{ value // 2 }}"}}
      flag: {a: boolean, b: boolean}
      day: {a: date, b: date}
      moment: {a: instant, b: instant}
      inner: {a: object.a, b: object.a}
      named: {a: "list[a=x].b", b: "list[a=x].b"}
      shout: {a: choice, b: text, to: {b: "{{ record.text | upper }}", a: "{{ value | truncate(3) }}"}}
      lines: {a: rows, b: rows, each: {a: {a: a, b: b}, b: {a: b, b: a}}}
"""
_INNER = (Field(name="id"), Field(name="a"), Field(name="b", type=FieldType.DECIMAL, places=2))
REMOTE = RemoteModule(
    name="All",
    fields=(
        *(Field(name=type_.value, type=type_) for type_ in FieldType if type_ not in ("object", "list")),
        Field(name="object", type=FieldType.OBJECT, fields=_INNER),
        Field(name="list", type=FieldType.LIST, item_key="a", fields=_INNER),
        Field(name="rows", type=FieldType.LIST, item_id="id", fields=_INNER),
    ),
)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> ModuleMap:
    file: Path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    file.write_text(SPEC)
    loaded = load_spec(file)
    assert loaded.spec is not None, loaded.problems
    return ModuleMap(loaded.spec.modules["all"], (REMOTE, REMOTE), Expressions())


def made(values: dict[str, Any], *, complete: bool) -> Record:
    return Record(id="1", version="1", values=values, complete=complete)


ROWS = st.lists(st.dictionaries(st.sampled_from(["id", "a", "b"]), JSON, max_size=3), max_size=3)
VALUES = st.dictionaries(
    st.sampled_from([field.name for field in REMOTE.fields if field.name != "rows"]), JSON
)


@given(values=VALUES, rows=st.one_of(ROWS, JSON), complete=st.booleans(), side=st.sampled_from(list(Side)))
def test_whatever_a_record_holds_the_fault_is_that_of_a_map(
    maps: ModuleMap, values: dict[str, Any], rows: Any, complete: bool, side: Side
) -> None:
    record = made({**values, "rows": rows}, complete=complete)
    projection = maps.project(side, record, "2026-01-01")
    maps.render(side, projection)
    known = {*maps.by_name, "(where)", "(match)", "(recheck)"}
    assert set(projection.faults) <= known
    assert all(0 < len(reason) < 600 for reason in projection.faults.values())
    assert len(projection.keys) == 2
    assert not set(projection.out) & set(projection.faults)
    for name in projection.own:
        assert name.rstrip(">") in maps.by_name


@given(values=VALUES, rows=ROWS, order=st.randoms())
def test_the_print_does_not_depend_on_the_order_of_keys(
    maps: ModuleMap, values: dict[str, Any], rows: list[dict[str, Any]], order: Any
) -> None:
    values["rows"] = rows
    names = list(values)
    order.shuffle(names)
    turned = {name: _turned(values[name]) for name in names}
    one = maps.project(Side.LEFT, made(values, complete=True), "2026-01-01")
    other = maps.project(Side.LEFT, made(turned, complete=True), "2026-01-01")
    assert one.print == other.print


def _turned(value: Any) -> Any:
    """The same value with the keys of its groups in the other order."""
    if isinstance(value, dict):
        return {key: _turned(inner) for key, inner in reversed(value.items())}
    return [_turned(inner) for inner in value] if isinstance(value, list) else value


@given(values=VALUES, complete=st.booleans())
def test_a_field_is_unknown_only_where_an_incomplete_record_leaves_it_out(
    maps: ModuleMap, values: dict[str, Any], complete: bool
) -> None:
    projection = maps.project(Side.LEFT, made(values, complete=complete), "2026-01-01")
    for name, root in [("text", "text"), ("number", "decimal"), ("flag", "boolean"), ("day", "date")]:
        known = name in projection.own or name in projection.faults
        assert known is (complete or root in values)
