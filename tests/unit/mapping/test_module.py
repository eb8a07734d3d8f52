"""A module's field maps over whole records: projecting, rendering, printing and shaping writes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from syncline.connect.contract import (
    Field,
    FieldType,
    Item,
    Items,
    Lock,
    Record,
    Reference,
    RemoteModule,
    State,
)
from syncline.mapping.expressions import Expressions
from syncline.mapping.module import ITEM_ID, RENDERED, ModuleMap, Projection, Side
from syncline.spec.load import load_spec

L, R = Side.LEFT, Side.RIGHT
DAY = "2026-01-01"

LINES = Field(
    name="lines",
    type=FieldType.LIST,
    item_id="id",
    fields=(
        Field(name="code", type=FieldType.REFERENCE, reference=Reference(module="items", by="key")),
        Field(name="text", max_length=8),
        Field(name="price", type=FieldType.DECIMAL, places=2),
        Field(name="rate", type=FieldType.INTEGER),
    ),
)
LEFT = RemoteModule(
    name="Accounts",
    fields=(
        Field(name="name"),
        Field(name="phone"),
        Field(name="rate", type=FieldType.DECIMAL, places=4),
        Field(name="since", type=FieldType.DATE),
        Field(name="exempt", type=FieldType.BOOLEAN),
        Field(name="kind", type=FieldType.CHOICE, choices=("Hot", "Cold")),
        Field(name="owner", type=FieldType.REFERENCE, reference=Reference(module="Users", path="id")),
        Field(name="site"),
        Field(name="unused"),
        LINES,
    ),
)
RIGHT = RemoteModule(
    name="Contacts",
    fields=(
        Field(name="name", max_length=10),
        Field(
            name="phones",
            type=FieldType.LIST,
            item_key="type",
            fields=(Field(name="type"), Field(name="number")),
        ),
        Field(name="rate", type=FieldType.DECIMAL, places=2),
        Field(name="terms", type=FieldType.OBJECT, fields=(Field(name="since", type=FieldType.DATE),)),
        Field(name="tax", type=FieldType.CHOICE, choices=("EXEMPT", "OUTPUT")),
        Field(name="kind", type=FieldType.CHOICE, choices=("1", "2")),
        Field(name="owner", type=FieldType.REFERENCE, reference=Reference(module="People")),
        Field(name="summary"),
        Field(name="archived", type=FieldType.BOOLEAN),
        LINES,
    ),
)

SPEC = """
spec: 1
name: test
systems: {a: {connector: alpha}, b: {connector: beta}}
modules:
  people: {between: {a: Users, b: People}, fields: {name: {a: name, b: name}}}
  items: {between: {a: Items, b: Items}, fields: {name: {a: name, b: name}}}
  accounts:
    between: {a: Accounts, b: Contacts}
    match:
      - {a: "name | fold", b: "name | fold"}
      - {a: "phone | digits", b: "phones[type=MAIN].number | digits"}
    where: {b: "{{ not record.archived }}"}
    recheck: {a: "{{ record.since | add_days(1) }}"}
    fields:
      name: {a: name, b: name}
      phone: {a: phone, b: "phones[type=MAIN].number"}
      rate: {a: rate, b: rate}
      since: {a: since, b: terms.since}
      tax:
        a: exempt
        b: tax
        to: {b: "{{ 'EXEMPT' if value else 'OUTPUT' }}", a: "{{ value == 'EXEMPT' }}"}
      kind: {a: kind, b: kind, values: [{a: Hot, b: "1"}, {a: Cold, b: "2"}]}
      owner: {a: owner, b: owner, ref: people}
      summary: {b: summary, direction: "a -> b", to: {b: "{{ record.site or '' }}/{{ record.phone or '' }}"}}
      lines:
        a: lines
        b: lines
        each:
          code: {a: code, b: code, ref: items}
          text: {a: text, b: text}
          price: {a: price, b: price, to: {b: "{{ value * (record.rate or 1) }}", a: "{{ value }}"}}
"""


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> ModuleMap:
    return compiled(tmp_path_factory.mktemp("spec"), SPEC)


def compiled(folder: Path, text: str, filters: dict[str, Any] | None = None) -> ModuleMap:
    file = folder / "spec.yaml"
    file.write_text(text)
    loaded = load_spec(file)
    assert loaded.spec is not None, loaded.problems
    return ModuleMap(loaded.spec.modules["accounts"], (LEFT, RIGHT), Expressions(filters=filters or {}))


def record(
    complete: bool = True, state: State = State.LIVE, lock: Lock | None = None, **values: Any
) -> Record:
    return Record(id="1", version="1", values=values, complete=complete, state=state, lock=lock)


def seen(maps: ModuleMap, side: Side, one: Record, today: str = DAY) -> Projection:
    projection = maps.project(side, one, today)
    maps.render(side, projection)
    return projection


LINE = {"id": 7, "code": "P1", "text": "pump", "price": Decimal("2.50"), "rate": 2}


# --- own values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "values", "name", "expected"),
    [
        pytest.param(L, {"name": "1e5"}, "name", "1e5", id="text"),
        pytest.param(L, {"rate": Decimal("1.50000")}, "rate", Decimal("1.5"), id="a number"),
        pytest.param(
            L, {"rate": Decimal("1.00005")}, "rate", Decimal("1.0001"), id="the remote's own places"
        ),
        pytest.param(R, {"rate": Decimal("5.00")}, "rate", 5, id="a whole number"),
        pytest.param(R, {"terms": {"since": "2024-01-01"}}, "since", "2024-01-01", id="inside a group"),
        pytest.param(R, {"terms": None}, "since", None, id="inside a null group"),
        pytest.param(R, {"phones": [{"type": "MAIN", "number": "1"}]}, "phone", "1", id="of a named item"),
        pytest.param(R, {"phones": []}, "phone", None, id="of an item that is not there"),
        pytest.param(L, {"owner": {"id": "7", "name": "x"}}, "owner", "7", id="a reference's identity"),
        pytest.param(L, {"name": ""}, "name", None, id="empty text is nothing"),
        pytest.param(L, {"exempt": False}, "tax", False, id="false"),
    ],
)
def test_own(maps: ModuleMap, side: Side, values: dict[str, Any], name: str, expected: Any) -> None:
    assert seen(maps, side, record(**values)).own[name] == expected


def test_what_a_complete_record_leaves_out_is_null(maps: ModuleMap) -> None:
    own = seen(maps, L, record(name="x")).own
    assert own["phone"] is None
    assert own["lines"] == []


def test_what_an_incomplete_record_leaves_out_is_unknown(maps: ModuleMap) -> None:
    projection = seen(maps, L, record(complete=False, name="x", phone=None))
    assert "rate" not in projection.own
    assert "lines" not in projection.own
    assert projection.own["phone"] is None
    assert "rate" not in projection.out


# --- as the other end would store them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "values", "name", "expected"),
    [
        pytest.param(L, {"rate": Decimal("1.2345")}, "rate", Decimal("1.23"), id="rounded to its places"),
        pytest.param(L, {"exempt": True}, "tax", "EXEMPT", id="a transform"),
        pytest.param(L, {"exempt": None}, "tax", "OUTPUT", id="a transform of nothing"),
        pytest.param(R, {"tax": "EXEMPT"}, "tax", True, id="the transform back"),
        pytest.param(L, {"kind": "Hot"}, "kind", "1", id="a counterpart"),
        pytest.param(R, {"kind": "2"}, "kind", "Cold", id="the counterpart back"),
        pytest.param(L, {"kind": None}, "kind", None, id="no choice"),
        pytest.param(L, {"owner": {"id": "7"}}, "owner", "7", id="a reference is still this end's"),
        pytest.param(L, {"site": "s", "phone": "1"}, "summary", "s/1", id="computed from the record"),
    ],
)
def test_out(maps: ModuleMap, side: Side, values: dict[str, Any], name: str, expected: Any) -> None:
    assert seen(maps, side, record(**values)).out[name] == expected


def test_nothing_is_made_against_the_direction(maps: ModuleMap) -> None:
    projection = seen(maps, R, record(summary="s"))
    assert projection.own["summary"] == "s"
    assert "summary" not in projection.out


@pytest.mark.parametrize(
    ("side", "values", "name", "says"),
    [
        pytest.param(
            L, {"name": "x" * 11}, "name", "11 characters are too many: name takes 10", id="too long"
        ),
        pytest.param(L, {"rate": "x"}, "rate", "'x' is not a number", id="not of its type"),
        pytest.param(R, {"terms": {"since": "soon"}}, "since", "'soon' is not a date", id="not a date"),
        pytest.param(
            L, {"kind": "Warm"}, "kind", "add it to 'values' of the map 'kind'", id="no counterpart"
        ),
        pytest.param(R, {"terms": "soon"}, "since", "value of another shape at since", id="another shape"),
        pytest.param(R, {"phones": "1"}, "phone", "another shape", id="another shape of a list"),
        pytest.param(R, {"lines": "1"}, "lines", "it is not a list", id="a text for a list"),
        pytest.param(R, {"lines": ["1"]}, "lines", "item 1: it is not a group", id="a text for an item"),
        pytest.param(
            L, {"lines": [{"price": "x"}]}, "lines", "item 1, price: 'x' is not a", id="inside an item"
        ),
        pytest.param(L, {"lines": [{"price": 1}, {}]}, "lines", "item 2, price: '*' takes", id="of an item"),
        pytest.param(
            L, {"lines": [{"price": 1, "text": "x" * 9}]}, "lines", "item 1, text: 9", id="too long item"
        ),
    ],
)
def test_a_fault_is_that_of_its_map_alone(
    maps: ModuleMap, side: Side, values: dict[str, Any], name: str, says: str
) -> None:
    projection = seen(maps, side, record(**values))
    assert says in projection.faults[name]
    assert list(projection.faults) == [name]
    assert name not in projection.out
    assert len(projection.out) >= 5


# --- lists -------------------------------------------------------------------------------------------------


def test_a_list_is_projected_item_by_item(maps: ModuleMap) -> None:
    projection = seen(
        maps, L, record(lines=[LINE, {"text": "hose", "price": None, "rate": None, "id": None}])
    )
    assert projection.own["lines"][0] == {ITEM_ID: "7", "code": "P1", "text": "pump", "price": Decimal("2.5")}
    assert ITEM_ID not in projection.own["lines"][1]


def test_a_list_is_rendered_item_by_item_and_without_ids(maps: ModuleMap) -> None:
    projection = seen(maps, L, record(lines=[LINE]))
    assert projection.out["lines"] == [{"code": "P1", "text": "pump", "price": 5}]


def test_a_list_that_reads_more_of_its_items_remembers_what_it_gave(maps: ModuleMap) -> None:
    one, other = record(lines=[LINE]), record(lines=[{**LINE, "rate": 3}])
    first, second = maps.project(L, one, DAY), maps.project(L, other, DAY)
    assert first.own["lines"] == second.own["lines"]
    assert first.own["lines" + RENDERED] != second.own["lines" + RENDERED]
    assert first.print != second.print


# --- keys, scope, recheck ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "values", "keys"),
    [
        pytest.param(L, {"name": "Acme Ltd", "phone": "(1) 2"}, ["acme", "12"], id="both"),
        pytest.param(
            R, {"name": "ACME", "phones": [{"type": "MAIN", "number": "12"}]}, ["acme", "12"], id="right"
        ),
        pytest.param(L, {"name": None}, ["", ""], id="nothing"),
        pytest.param(R, {"phones": "odd"}, ["", ""], id="another shape"),
    ],
)
def test_keys(maps: ModuleMap, side: Side, values: dict[str, Any], keys: list[str]) -> None:
    assert maps.project(side, record(**values), DAY).keys == keys


def test_a_record_whose_key_a_filter_cannot_make_is_at_fault_and_not_without_a_key(tmp_path: Path) -> None:
    def broken(value: Any) -> Any:
        raise RuntimeError("out of order")

    text = SPEC.replace("name | fold", "name | broken")
    projection = compiled(tmp_path, text, {"broken": broken}).project(L, record(name="x"), DAY)
    assert projection.faults == {"(match)": "the filter broken failed: out of order"}
    assert projection.keys == ["", ""]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"archived": True}, False, id="filtered out"),
        pytest.param({"archived": False}, True, id="in"),
        pytest.param({}, True, id="left out is nothing"),
    ],
)
def test_scope(maps: ModuleMap, values: dict[str, Any], expected: bool) -> None:
    assert maps.project(R, record(**values), DAY).in_scope is expected


def test_the_day_to_look_again(maps: ModuleMap) -> None:
    assert maps.project(L, record(since="2024-02-28"), DAY).recheck == "2024-02-29"
    assert maps.project(L, record(), DAY).recheck is None


def test_a_deleted_record_has_no_scope_and_no_computed_value(maps: ModuleMap) -> None:
    projection = maps.project(R, record(state=State.DELETED, archived=True), DAY)
    assert projection.in_scope
    assert "summary" not in maps.project(L, record(state=State.DELETED), DAY).own


# --- prints ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param(record(name="x", phone="1"), record(phone="1", name="x"), True, id="the order of keys"),
        pytest.param(record(rate=Decimal("1.10")), record(rate=Decimal("1.1")), True, id="trailing zeros"),
        pytest.param(record(name="x", unused="a"), record(name="x", unused="b"), True, id="one not mapped"),
        pytest.param(record(name="x", phone=None), record(name="x"), True, id="null and left out of all"),
        pytest.param(record(name="x"), record(name="y"), False, id="a mapped field"),
        pytest.param(record(site="x"), record(site="y"), False, id="a field that a computed map reads"),
        pytest.param(record(name="x"), record(name="x", state=State.ARCHIVED), False, id="its state"),
        pytest.param(record(name="x"), record(name="x", lock=Lock(reason="paid")), False, id="its lock"),
        pytest.param(record(rate="x"), record(rate="y"), False, id="what is wrong with it"),
        pytest.param(
            record(complete=False, name="x"), record(complete=False, name="x", phone=None), False,
            id="null and unknown",
        ),
    ],
)  # fmt: skip
def test_print(maps: ModuleMap, one: Record, other: Record, alike: bool) -> None:
    assert (maps.project(L, one, DAY).print == maps.project(L, other, DAY).print) is alike


def test_a_transform_that_reads_the_day_gives_another_print_on_another_day(tmp_path: Path) -> None:
    text = SPEC.replace(
        "{{ 'EXEMPT' if value else 'OUTPUT' }}", "{{ 'EXEMPT' if today > '2026-06' else 'OUTPUT' }}"
    )
    maps = compiled(tmp_path, text)
    assert maps.project(L, record(), DAY).print != maps.project(L, record(), "2026-07-01").print
    assert seen(maps, L, record(), "2026-07-01").out["tax"] == "EXEMPT"


# --- what is asked for, and what is written ----------------------------------------------------------------


def test_only_what_is_read_is_asked_for(maps: ModuleMap) -> None:
    assert maps.wanted(L) == {
        "name", "phone", "rate", "since", "exempt", "kind", "owner", "site", "lines"
    }  # fmt: skip
    assert maps.wanted(R) == {
        "name", "phones", "rate", "terms", "tax", "kind", "owner", "summary", "archived", "lines"
    }  # fmt: skip


def test_a_transform_of_the_whole_record_asks_for_all_of_it(tmp_path: Path) -> None:
    text = SPEC.replace("{{ record.site or '' }}/", "{{ record | items | length }}/")
    assert compiled(tmp_path, text).wanted(L) == {field.name for field in LEFT.fields}


def test_a_transform_of_a_whole_item_asks_for_no_more_of_the_record(tmp_path: Path) -> None:
    text = SPEC.replace("{{ value * (record.rate or 1) }}", "{{ record | items | length }}")
    assert "unused" not in compiled(tmp_path, text).wanted(L)


def test_a_field_of_the_parent_is_asked_for(tmp_path: Path) -> None:
    text = SPEC.replace("(record.rate or 1)", "(parent.unused | default(1) | int)")
    maps = compiled(tmp_path, text)
    assert "unused" in maps.wanted(L)
    assert seen(maps, L, record(lines=[LINE], unused="4")).out["lines"][0]["price"] == 10


@pytest.mark.parametrize(
    ("side", "values", "expected"),
    [
        pytest.param(L, {"name": "x"}, {"name": "x"}, id="a value"),
        pytest.param(L, {"name": None}, {"name": None}, id="nothing clears"),
        pytest.param(L, {"owner": "7"}, {"owner": {"id": "7"}}, id="a reference in its shape"),
        pytest.param(L, {"owner": None}, {"owner": None}, id="no reference"),
        pytest.param(R, {"owner": "7"}, {"owner": "7"}, id="a reference that is its identity"),
        pytest.param(
            R, {"phone": "1"}, {"phones": [{"type": "MAIN", "number": "1"}]}, id="a value of a named item"
        ),
        pytest.param(R, {"since": "2024-01-01"}, {"terms": {"since": "2024-01-01"}}, id="inside a group"),
        pytest.param(L, {"summary": "x"}, {}, id="nothing for an end that does not store it"),
        pytest.param(L, {"lines": None}, {"lines": Items(items=())}, id="no list is an empty one"),
    ],
)
def test_write_values(maps: ModuleMap, side: Side, values: dict[str, Any], expected: Any) -> None:
    assert maps.write_values(side, values, {}, {}) == expected


def test_a_list_is_written_with_its_ids_and_what_is_removed(maps: ModuleMap) -> None:
    items = [{ITEM_ID: "7", "code": "P1", "text": "pump", "price": 5}, {"text": "new"}]
    stored = {
        "lines": [{ITEM_ID: "7", "code": "P1", "text": "pump", "price": 4}, {ITEM_ID: "6", "text": "old"}]
    }
    items.append({ITEM_ID: "6", "text": "old"})
    assert maps.write_values(R, {"lines": items}, {"lines": ["8", "9"]}, stored) == {
        "lines": Items(
            items=(
                Item(values={"code": "P1", "text": "pump", "price": 5}, id="7"),
                Item(values={"text": "new"}),
                Item(values={"text": "old"}, id="6", unchanged=True),
            ),
            removed=("8", "9"),
        )
    }
