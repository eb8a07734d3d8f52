"""Specs laid over their bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.spec.layers import MAX_LAYERS, Bases, Layered, merge, read_layers
from syncline.spec.problems import Place
from syncline.spec.tree import Entry, List, Map, Node, Scalar, find, plain_data, value_place

PLACE = Place("f.yaml", 1, 1)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def told(layered: Layered) -> list[str]:
    return [f"{Path(p.place.file).name}:{p.place.line}:{p.place.column} {p.code}" for p in layered.problems]


def data(layered: Layered) -> Any:
    assert layered.tree is not None, layered.problems
    return plain_data(layered.tree)


def test_an_overlay_changes_one_value_and_inherits_the_rest(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nname: base\nmodules: {a: {x: 1, y: 2}, b: {z: [1, 2]}}\n",
        acme="spec: 1\nname: acme\nextends: ./base.yaml\nmodules: {a: {y: 3}, b: {z: [4]}, c: {n: 1}}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert data(layered) == {
        "spec": 1,
        "name": "acme",
        "modules": {"a": {"x": 1, "y": 3}, "b": {"z": [4]}, "c": {"n": 1}},
    }
    assert layered.problems == ()
    assert [Path(file).name for file in layered.sources] == ["acme.yaml", "base.yaml"]


def test_values_keep_the_place_of_the_file_they_come_from(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nmodules:\n  a:\n    x: 1\n    y: 2\n",
        acme="spec: 1\nname: acme\nextends: ./base.yaml\nmodules: {a: {y: 3}}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.tree is not None
    assert str(value_place(layered.tree, ("modules", "a", "x"))) == f"{tmp_path}/base.yaml:4:8"
    assert str(value_place(layered.tree, ("modules", "a", "y"))) == f"{tmp_path}/acme.yaml:4:18"


def test_the_base_decides_the_order_and_new_keys_come_after_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nfields: {one: 1, two: 2, three: 3}\n",
        acme="spec: 1\nname: acme\nextends: ./base.yaml\nfields: {four: 4, three: 0, one: 0}\n",
    )
    fields = data(read_layers(tmp_path / "acme.yaml", Bases()))["fields"]
    assert list(fields) == ["one", "two", "three", "four"]


def test_null_removes_what_the_base_has(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nfields: {one: 1, two: {x: 1}}\n",
        acme="spec: 1\nname: acme\nextends: ./base.yaml\nfields: {two: null}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert data(layered)["fields"] == {"one": 1}
    assert layered.problems == ()


def test_null_for_what_the_base_does_not_have_is_a_likely_typo(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nfields: {industry: 1}\n",
        acme="spec: 1\nname: acme\nextends: ./base.yaml\nfields:\n  industy: null\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert told(layered) == ["acme.yaml:5:3 nothing-to-remove"]
    assert layered.problems[0].suggestion == "did you mean industry?"
    assert data(layered)["fields"] == {"industry": 1}


def test_null_inside_a_list_is_a_value(tmp_path: Path) -> None:
    write(tmp_path, acme="spec: 1\nname: acme\nvalues: [{crm: null, books: NONE}, null]\n")
    assert data(read_layers(tmp_path / "acme.yaml", Bases()))["values"] == [
        {"crm": None, "books": "NONE"},
        None,
    ]


def test_a_name_is_never_inherited(tmp_path: Path) -> None:
    write(tmp_path, base="spec: 1\nname: base\n", acme="extends: ./base.yaml\n")
    assert data(read_layers(tmp_path / "acme.yaml", Bases())) == {}


def test_a_base_of_a_base_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    (tmp_path / "shared").mkdir()
    write(tmp_path / "clients", acme="spec: 1\nname: acme\nextends: ../shared/house.yaml\nc: 3\n")
    write(tmp_path / "shared", house="spec: 1\nextends: ./root.yaml\nb: 2\n", root="spec: 1\na: 1\n")
    layered = read_layers(tmp_path / "clients" / "acme.yaml", Bases())
    assert data(layered) == {"spec": 1, "name": "acme", "a": 1, "b": 2, "c": 3}


def test_a_packaged_base_is_found_by_name_in_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle" / "specs").mkdir(parents=True)
    write(tmp_path / "bundle" / "specs", shop="spec: 1\na: 1\n")
    write(tmp_path, acme="spec: 1\nname: acme\nextends: shop\n", typo="spec: 1\nname: acme\nextends: shopp\n")
    bases = Bases([tmp_path / "bundle"])
    assert data(read_layers(tmp_path / "acme.yaml", bases))["a"] == 1
    layered = read_layers(tmp_path / "typo.yaml", bases)
    assert told(layered) == ["typo.yaml:3:10 missing-base"]
    assert layered.problems[0].suggestion == "did you mean shop?"


def test_two_bundles_with_one_name_are_a_clash(tmp_path: Path) -> None:
    for bundle in ("one", "two"):
        (tmp_path / bundle / "specs").mkdir(parents=True)
        write(tmp_path / bundle / "specs", shop="spec: 1\n")
    write(tmp_path, acme="spec: 1\nname: acme\nextends: shop\n")
    layered = read_layers(tmp_path / "acme.yaml", Bases([tmp_path / "one", tmp_path / "two"]))
    assert told(layered) == ["acme.yaml:3:10 ambiguous-base"]
    assert "one/specs/shop.yaml" in layered.problems[0].message


def test_a_circle_is_told_where_it_closes(tmp_path: Path) -> None:
    write(
        tmp_path,
        one="spec: 1\nname: one\nextends: ./two.yaml\n",
        two="spec: 1\nextends: ./three.yaml\n",
        three="spec: 1\n\nextends: ./two.yaml\n",
    )
    layered = read_layers(tmp_path / "one.yaml", Bases())
    assert layered.tree is None
    assert told(layered) == ["three.yaml:3:10 extends-cycle"]


def test_a_circle_is_seen_through_a_link(tmp_path: Path) -> None:
    write(tmp_path, one="spec: 1\nname: one\nextends: ./link.yaml\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "one.yaml")
    assert told(read_layers(tmp_path / "one.yaml", Bases())) == ["one.yaml:3:10 extends-cycle"]


def test_too_many_layers(tmp_path: Path) -> None:
    for number in range(MAX_LAYERS + 1):
        write(tmp_path, **{f"l{number}": f"spec: 1\nname: l{number}\nextends: ./l{number + 1}.yaml\n"})
    write(tmp_path, **{f"l{MAX_LAYERS + 1}": "spec: 1\n"})
    layered = read_layers(tmp_path / "l0.yaml", Bases())
    assert told(layered) == [f"l{MAX_LAYERS - 1}.yaml:3:10 extends-too-deep"]


def test_bad_yaml_in_a_base_is_told_in_the_base(tmp_path: Path) -> None:
    write(tmp_path, base="spec: 1\na: [\n", acme="spec: 1\nname: acme\nextends: ./base.yaml\n")
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.tree is None
    assert told(layered) == ["base.yaml:2:5 bad-yaml"]


def test_a_base_of_another_version_is_told_in_the_base(tmp_path: Path) -> None:
    write(tmp_path, base="spec: 2\na: 1\n", acme="spec: 1\nname: acme\nextends: ./base.yaml\n")
    assert told(read_layers(tmp_path / "acme.yaml", Bases())) == ["base.yaml:1:7 wrong-value"]


@pytest.mark.parametrize(
    ("extends", "code"),
    [
        pytest.param("[]", "wrong-type", id="an-empty-list"),
        pytest.param("[[./a.yaml]]", "wrong-type", id="a-list-in-a-list"),
        pytest.param("[./nothing.yaml, 5]", "missing-base", id="a-list-of-what-is-not-there"),
        pytest.param("5", "wrong-type", id="a-number"),
        pytest.param("{name: x}", "unknown-key", id="a-map-with-another-key"),
        pytest.param("{prefix: x_}", "wrong-type", id="a-map-without-a-base"),
        pytest.param("{base: shop, prefix: X_}", "wrong-type", id="a-prefix-that-is-no-name"),
        pytest.param("{base: shop, systems: [crm]}", "wrong-type", id="systems-that-are-no-map"),
        pytest.param("{base: shop, systems: {crm: 5}}", "wrong-type", id="a-system-that-is-no-text"),
        pytest.param("./folder", "missing-base", id="a-folder"),
        pytest.param("./nothing.yaml", "missing-base", id="no-file"),
        pytest.param("../../../../../../../../../../dev/null/", "missing-base", id="a-device"),
    ],
)
def test_what_cannot_be_extended(extends: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path, acme=f"spec: 1\nname: acme\nextends: {extends}\n")
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.tree is None
    assert [p.code for p in layered.problems] == [code]


def test_a_base_is_read_once_for_many_specs(tmp_path: Path) -> None:
    write(tmp_path, base="spec: 1\na: 1\n")
    write(tmp_path, **{f"c{n}": f"spec: 1\nname: c{n}\nextends: ./base.yaml\n" for n in range(2)})
    bases = Bases()
    first = read_layers(tmp_path / "c0.yaml", bases)
    (tmp_path / "base.yaml").unlink()
    (tmp_path / "base.yaml").touch()
    second = read_layers(tmp_path / "c1.yaml", bases)
    assert data(first)["a"] == data(second)["a"] == 1


# --- several bases --------------------------------------------------------------------------------------


def test_of_several_bases_the_later_one_wins_and_the_spec_over_all(tmp_path: Path) -> None:
    write(
        tmp_path,
        one="spec: 1\nname: one\nfields: {a: 1, b: 1, c: 1}\n",
        two="spec: 1\nname: two\nfields: {b: 2, c: 2, d: 2}\n",
        acme="spec: 1\nname: acme\nextends: [./one.yaml, ./two.yaml]\nfields: {c: 3}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.problems == ()
    assert data(layered) == {"spec": 1, "name": "acme", "fields": {"a": 1, "b": 2, "c": 3, "d": 2}}
    assert [Path(file).name for file in layered.sources] == ["acme.yaml", "one.yaml", "two.yaml"]


def test_a_base_that_two_bases_extend_lies_below_both(tmp_path: Path) -> None:
    write(
        tmp_path,
        root="spec: 1\nfields: {a: 0, b: 0}\n",
        one="spec: 1\nextends: ./root.yaml\nfields: {a: 1}\n",
        two="spec: 1\nextends: ./root.yaml\nfields: {b: 2}\n",
        acme="spec: 1\nname: acme\nextends: [./one.yaml, ./two.yaml]\n",
    )
    assert data(read_layers(tmp_path / "acme.yaml", Bases()))["fields"] == {"a": 1, "b": 2}


def test_the_macro_files_of_all_layers_add_up(tmp_path: Path) -> None:
    write(
        tmp_path,
        one="spec: 1\ntransforms: [money, ./own.j2]\n",
        two="spec: 1\ntransforms: [money, rates]\n",
        acme="spec: 1\nname: acme\nextends: [./one.yaml, ./two.yaml]\ntransforms: [dates]\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert data(layered)["transforms"] == ["money", "./own.j2", "rates", "dates"]


def test_a_base_goes_by_other_names_wherever_it_names_something(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="""
            spec: 1
            systems: {billing: {connector: x}, ledger: {connector: y}}
            conflicts: {prefer: ledger}
            tables:
              tax: {fields: {billing: items.tax, ledger: Items.Tax}, rows: {gst: {billing: GST, rate: 10}}}
            modules:
              parts: {between: {billing: items, ledger: Items}, owner: billing, yields_to: goods}
              goods:
                between: {billing: items, ledger: Items}
                direction: billing -> ledger
                items: {billing: {key: [billing]}}
                where: {billing: "{{ record.billing | table('tax', 'billing', 'rate') }}"}
                match:
                  - {billing: sku, ledger: Code, agree: [billing]}
                  - likely: {evidence: {billing: 1}, block: [{billing: sku, ledger: Code}]}
                fields:
                  billing: {billing: tax, ledger: Tax, values: tax, conflicts: {prefer: billing}}
                  lines:
                    billing: lines
                    ledger: Lines
                    each:
                      item: {billing: item, ledger: Item, ref: parts, otherwise: {billing: MISC}}
                      rate: {ledger: Rate, to: {ledger: "{{ value | table('tax', 'billing', 'rate') }}"}}
                  code:
                    billing: code
                    ledger: Code
                    values: [{billing: a, ledger: b}]
                    taken: {billing: "1"}
                deletes: {billing: void}
                reconcile:
                  date: day
                  total: sum
                  void: {billing: "{{ record.x | table('tax', 'rate', 'billing') }}"}
                limits: {deletes: none}
        """,
        acme="""
            spec: 1
            name: acme
            extends: {base: ./base.yaml, systems: {billing: books}, prefix: two_}
        """,
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.problems == ()
    assert data(layered) == {
        "spec": 1,
        "name": "acme",
        "systems": {"books": {"connector": "x"}, "ledger": {"connector": "y"}},
        "conflicts": {"prefer": "ledger"},
        "tables": {
            "two_tax": {
                "fields": {"books": "items.tax", "ledger": "Items.Tax"},
                "rows": {"gst": {"books": "GST", "rate": 10}},
            }
        },
        "modules": {
            "two_parts": {
                "between": {"books": "items", "ledger": "Items"},
                "owner": "books",
                "yields_to": "two_goods",
            },
            "two_goods": {
                "between": {"books": "items", "ledger": "Items"},
                "direction": "books -> ledger",
                "items": {"books": {"key": ["billing"]}},
                "where": {"books": "{{ record.billing | table('two_tax', 'books', 'rate') }}"},
                "match": [
                    {"books": "sku", "ledger": "Code", "agree": ["billing"]},
                    {"likely": {"evidence": {"billing": 1}, "block": [{"books": "sku", "ledger": "Code"}]}},
                ],
                "fields": {
                    "billing": {
                        "books": "tax",
                        "ledger": "Tax",
                        "values": "two_tax",
                        "conflicts": {"prefer": "books"},
                    },
                    "lines": {
                        "books": "lines",
                        "ledger": "Lines",
                        "each": {
                            "item": {
                                "books": "item",
                                "ledger": "Item",
                                "ref": "two_parts",
                                "otherwise": {"books": "MISC"},
                            },
                            "rate": {
                                "ledger": "Rate",
                                "to": {"ledger": "{{ value | table('two_tax', 'books', 'rate') }}"},
                            },
                        },
                    },
                    "code": {
                        "books": "code",
                        "ledger": "Code",
                        "values": [{"books": "a", "ledger": "b"}],
                        "taken": {"books": "1"},
                    },
                },
                "deletes": {"books": "void"},
                "reconcile": {
                    "date": "day",
                    "total": "sum",
                    "void": {"books": "{{ record.x | table('two_tax', 'rate', 'books') }}"},
                },
                "limits": {"deletes": "none"},
            },
        },
    }


def test_what_stands_behind_a_new_name_keeps_its_place(tmp_path: Path) -> None:
    text = "{{ value | table('tax', 'billing', 'rate') + nosuch }}"
    write(
        tmp_path,
        base=f'spec: 1\nmodules:\n  a:\n    where: {{crm: "{text}"}}\n',
        acme="spec: 1\nname: acme\nextends: {base: ./base.yaml, systems: {}, prefix: much_longer_}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.tree is not None
    found = find(layered.tree, ("modules", "much_longer_a", "where", "crm"))
    assert isinstance(found, Scalar)
    assert isinstance(found.value, str)
    for word in ("value", "much_longer_tax", "billing", "nosuch"):
        line = (tmp_path / "base.yaml").read_text("utf-8").splitlines()[3]
        column = line.index(word.removeprefix("much_longer_")) + 1
        assert found.at(found.value.index(word)) == Place(f"{tmp_path}/base.yaml", 4, column), word


def test_a_base_may_lie_under_a_spec_twice_by_two_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        root="spec: 1\nsystems: {crm: {connector: x}}\n",
        base="spec: 1\nextends: ./root.yaml\nmodules: {a: {between: {crm: A}}}\n",
        acme="""
            spec: 1
            name: acme
            extends:
              - {base: ./base.yaml, systems: {crm: north}, prefix: north_}
              - {base: ./base.yaml, systems: {crm: south}, prefix: south_}
        """,
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert layered.problems == ()
    assert data(layered)["systems"] == {"north": {"connector": "x"}, "south": {"connector": "x"}}
    assert list(data(layered)["modules"]) == ["north_a", "south_a"]


@pytest.mark.parametrize(
    ("one", "two", "named"),
    [
        pytest.param(
            "systems: {books: {connector: x}}",
            "systems: {books: {connector: y}}",
            "systems books connector",
            id="a-system-of-two-connectors",
        ),
        pytest.param(
            "modules: {a: {between: {crm: A, books: B}}}",
            "modules: {a: {between: {crm: A, books: C}}}",
            "modules a between",
            id="a-module-of-other-ends",
        ),
        pytest.param(
            "tables: {t: {rows: {r: {crm: 1}}}}",
            "tables: {t: {rows: {r: {crm: 2}}}}",
            "tables t rows r crm",
            id="a-row-of-other-values",
        ),
    ],
)
def test_bases_that_mean_different_things_by_one_name_are_told(
    one: str, two: str, named: str, tmp_path: Path
) -> None:
    acme = "spec: 1\nname: acme\nextends:\n  - ./one.yaml\n  - ./two.yaml\n"
    write(tmp_path, one=f"spec: 1\n{one}\n", two=f"spec: 1\n{two}\n", acme=acme)
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert told(layered) == ["acme.yaml:5:5 base-clash"]
    assert named in layered.problems[0].message
    # Which of two bases extends the other says what is meant.
    write(tmp_path, two=f"spec: 1\nextends: ./one.yaml\n{two}\n")
    assert read_layers(tmp_path / "acme.yaml", Bases()).problems == ()


@pytest.mark.parametrize(
    ("systems", "suggestion"),
    [
        pytest.param("{boks: books}", "did you mean books?", id="one-that-is-not-there"),
        pytest.param("{books: crm}", "give each a name of its own", id="two-of-one-name"),
    ],
)
def test_a_name_that_a_system_cannot_have_is_told(systems: str, suggestion: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        base="spec: 1\nsystems: {crm: {connector: x}, books: {connector: y}}\n",
        acme=f"spec: 1\nname: acme\nextends: {{base: ./base.yaml, systems: {systems}}}\n",
    )
    layered = read_layers(tmp_path / "acme.yaml", Bases())
    assert [p.code for p in layered.problems] == ["unknown-system"]
    assert layered.problems[0].suggestion == suggestion


# --- merging, as laws --------------------------------------------------------------------------------


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Map(PLACE, {key: Entry(PLACE, node(each)) for key, each in value.items()})
    if isinstance(value, list):
        return List(PLACE, tuple(node(each) for each in value))
    return Scalar(PLACE, value)


def merged(*layers: dict[str, Any]) -> Any:
    result = Map(PLACE)
    for layer in layers:
        overlay = node(layer)
        assert isinstance(overlay, Map)
        result = merge(result, overlay)
    return plain_data(result)


def has_null(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and any(has_null(each) for each in value.values()))


KEYS = st.sampled_from(["a", "b", "c"])
LAYERS = st.recursive(
    st.dictionaries(
        KEYS, st.one_of(st.none(), st.integers(0, 2), st.lists(st.integers(0, 2), max_size=2)), max_size=3
    ),
    lambda inner: st.dictionaries(KEYS, st.one_of(st.none(), st.integers(0, 2), inner), max_size=3),
    max_leaves=6,
)
#: Maps of one shape: what is a map in one layer is a map in all, and nothing is removed.
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 2),
        "m": st.fixed_dictionaries(
            {}, optional={"x": st.integers(0, 2), "y": st.lists(st.integers(0, 2), max_size=2)}
        ),
    },
)


@given(LAYERS, LAYERS)
def test_the_result_holds_no_null_and_an_overlay_twice_is_an_overlay_once(
    base: dict[str, Any], overlay: dict[str, Any]
) -> None:
    once = merged(base, overlay)
    assert not has_null(once)
    assert merged(base, overlay, overlay) == once


@given(LAYERS)
def test_an_empty_layer_changes_nothing(layer: dict[str, Any]) -> None:
    assert merged({}, layer) == merged(layer) == merged(layer, {})


@given(SHAPED, SHAPED, SHAPED)
def test_layers_of_one_shape_may_be_merged_in_any_grouping(
    base: dict[str, Any], house: dict[str, Any], client: dict[str, Any]
) -> None:
    assert merged(base, merged(house, client)) == merged(merged(base, house), client)


@given(LAYERS, LAYERS)
def test_every_value_of_the_overlay_is_in_the_result(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    def check(over: dict[str, Any], result: dict[str, Any]) -> None:
        for key, value in over.items():
            if value is None:
                assert key not in result
            elif isinstance(value, dict):
                check(value, result[key])
            else:
                assert result[key] == value

    check(overlay, merged(base, overlay))
