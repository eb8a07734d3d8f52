"""Lists inside records: items keep their ids, and only what is named changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect.conformance.promise import Broken, Case, Chapter, Level, NotApplicable, World, expect
from syncline.connect.conformance.samples import text_field, told
from syncline.connect.contract import Field, FieldType, Item, Items, OutcomeKind, Record, WriteKind

ITEMISING = Chapter(Level.WRITES)
_A_WHILE_S = 10.0


@ITEMISING.promise(
    "items-stay",
    "An update of other fields leaves the items of a list as they are, ids included.",
    world=World.SMALL,
    by_module=True,
)
def check_items_stay(case: Case) -> None:
    for field in _item_lists(case):
        tag = case.samples.tag(case.module)
        record = _with_items(case, field)
        after = _update(case, record, {tag.name: case.samples.text(tag)})
        expect(
            _bare(field, after) == _bare(field, record),
            f"the items of {field.name} to stay",
            f"there were {len(_items(field, record))} and are {len(_items(field, after))},"
            " or their ids or values changed",
        )


@ITEMISING.promise(
    "items-change",
    "An item that is changed keeps its id, one removed goes, one added comes, the others stay.",
    world=World.SMALL,
    by_module=True,
)
def check_items_change(case: Case) -> None:
    for field in _item_lists(case):
        inner = text_field(field)
        if inner is None:
            case.note(f"the items of {field.name} have no free text to tell them by")
            continue
        record = _with_items(case, field)
        first, second, third = _items(field, record)
        changed, added = case.samples.text(inner), case.samples.text(inner)
        wanted = Items(
            items=(
                Item(id=_id(field, first), values={**_writable(field, first), inner.name: changed}),
                Item(id=_id(field, third), values=_writable(field, third)),
                Item(values=case.samples.item(field, added)),
            ),
            removed=(_id(field, second),),
        )
        after = _items(field, _update(case, record, {field.name: wanted}))
        found = {_id(field, item): item.get(inner.name) for item in after}
        expect(len(after) == 3, "two items kept and one added", f"there are {len(after)}")
        expect(
            found.get(_id(field, first)) == changed,
            f"the changed item to keep its id and to hold {changed!r}",
            f"the items hold {sorted(str(v) for v in found.values())}",
        )
        expect(_id(field, second) not in found, "the removed item to be gone", "it is still there")
        expect(
            found.get(_id(field, third)) == third.get(inner.name),
            "an item that was not changed to stay",
            "it changed",
        )
        new = [i for i in found if i not in {_id(field, one) for one in (first, second, third)}]
        expect(len(new) == 1 and found[new[0]] == added, "the added item, with an id of its own", "it is not")


@ITEMISING.promise(
    "named-items",
    "A write of one named item of a list leaves the others alone.",
    world=World.SMALL,
    by_module=True,
)
def check_named_items(case: Case) -> None:
    samples = case.samples
    lists = [f for f in case.module.fields if f.item_key is not None and not f.read_only]
    tried = 0
    for field in lists:
        name = next(f for f in field.fields if f.name == field.item_key)
        inner = text_field(field)
        if inner is None or len(name.choices or ()) < 2:
            case.note(f"{field.name} has no two names to choose, or no text in its items")
            continue
        one, other = (name.choices or ())[:2]
        texts = [samples.text(inner)[-8:] for _ in range(3)]
        record = samples.make(case.module)
        record = _update(
            case,
            record,
            {
                field.name: [
                    {name.name: one, inner.name: texts[0]},
                    {name.name: other, inner.name: texts[1]},
                ]
            },
        )
        record = _update(case, record, {field.name: [{name.name: other, inner.name: texts[2]}]})
        held = {i.get(name.name): i.get(inner.name) for i in _items(field, record)}
        expect(held.get(other) == texts[2], f"{field.name}[{other}] as written", f"it is {held.get(other)!r}")
        expect(held.get(one) == texts[0], f"{field.name}[{one}] to stay", f"it is {held.get(one)!r}")
        tried += 1
    if not tried:
        raise NotApplicable("it has no list of named items that could be tried")


def _item_lists(case: Case) -> list[Field]:
    if not case.module.capabilities.update_batch:
        raise NotApplicable("its records cannot be updated")
    found = [
        f
        for f in case.module.fields
        if f.type is FieldType.LIST and f.item_id is not None and not f.read_only and f.fields
    ]
    if not found:
        raise NotApplicable("it has no list whose items have ids")
    return found


def _with_items(case: Case, field: Field) -> Record:
    """A new record with three items."""
    items = Items(items=tuple(Item(values=case.samples.item(field)) for _ in range(3)))
    record = case.samples.make(case.module, {**case.samples.new(case.module), field.name: items})
    found = _items(field, record)
    expect(len(found) == 3, f"the three items of {field.name} that were sent", f"there are {len(found)}")
    ids = [item.get(str(field.item_id)) for item in found]
    expect(all(ids) and len(set(ids)) == 3, "an id of its own for each item", f"the ids are {ids}")
    return record


def _update(case: Case, record: Record, values: Mapping[str, Any]) -> Record:
    bench = case.bench
    bench.advance(_A_WHILE_S)
    fresh = bench.read_one(case.module, record.id)
    if fresh is None:
        raise Broken("a record that was just read to be there", "it is gone")
    write = case.samples.write(WriteKind.UPDATE, values=values, record=fresh)
    outcome = bench.session.write(case.module.name, [write])[0]
    expect(outcome.kind is OutcomeKind.DONE, "the update to be done", f"it was {told(outcome)}")
    after = bench.read_one(case.module, record.id)
    if after is None:
        raise Broken("an updated record to be there", "it is gone")
    return after


def _items(field: Field, record: Record) -> Sequence[Mapping[str, Any]]:
    found = record.values.get(field.name)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []


def _id(field: Field, item: Mapping[str, Any]) -> str:
    return str(item.get(str(field.item_id)))


def _bare(field: Field, record: Record) -> list[Mapping[str, Any]]:
    """The items without their own stamps."""
    stamps = {f.name for f in field.fields if f.type is FieldType.INSTANT and f.read_only}
    return [{k: v for k, v in item.items() if k not in stamps} for item in _items(field, record)]


def _writable(field: Field, item: Mapping[str, Any]) -> dict[str, Any]:
    """What of an item may be sent back."""
    known = {f.name for f in field.fields if not f.read_only and f.name != field.item_id}
    return {name: value for name, value in item.items() if name in known and value is not None}
