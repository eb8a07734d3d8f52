"""Nesting: the items of a list inside a record, seen as records of their own.

A person is a record in one system and an item of a company's list in the other. A remote module that is
named ``Contacts.ContactPersons`` is such a list: each item is read, linked, merged and written as a record,
and a write of one is told to its *parent* as a change of that item alone.

An item's id is its parent's id, a slash, and what tells it apart there: the remote's own id of the item
where the list has such ids, else the first of the key fields that it has filled. Where the parent itself
holds the fields of one item (a company's main person), that one is called ``first``.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from syncline import exactjson
from syncline.connect.contract import (
    Capabilities,
    Catalogue,
    Field,
    FieldType,
    Item,
    Items,
    Record,
    Reference,
    RemoteModule,
    State,
    Values,
    Write,
    WriteKind,
)
from syncline.spec.model import End, ItemsRule

#: The field by which an item names its parent.
PARENT = "Parent"
_FIRST = "first"
_LONGEST = 100
_NO_RULE = ItemsRule()


class Nesting(Struct, frozen=True):
    """``module``: the items as a remote module; ``parent``: the module whose records hold them; ``list``: the
    field with the list; ``rule``: what the spec says of them."""

    module: RemoteModule
    parent: RemoteModule
    list: Field
    rule: ItemsRule

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields of an item that tell it apart where it has no id; the first one that is filled."""
        return self.rule.key or (() if self.list.item_key is None else (self.list.item_key,))

    @property
    def wanted(self) -> frozenset[str]:
        """The fields of a parent that its items are made of."""
        return frozenset((self.list.name, *self.rule.first.values()))


def find_remote(catalogue: Catalogue, end: End) -> RemoteModule | None:
    """The remote module of an end, an item list among them; ``None`` when there is none of that name."""
    found = catalogue.module(end.module)
    if found is not None:
        return found
    nesting = nesting_of(catalogue, end)
    return None if nesting is None else nesting.module


def nesting_of(catalogue: Catalogue, end: End) -> Nesting | None:
    """The nesting of an end that is a list inside another module's records; ``None`` for any other."""
    name, dot, rest = end.module.partition(".")
    parent = catalogue.module(name) if dot else None
    here = parent.field(rest) if parent is not None else None
    if parent is None or here is None or here.type is not FieldType.LIST or not here.fields:
        return None
    able, writable = parent.capabilities, not here.read_only
    batch = able.update_batch if writable else 0
    reference = Reference(module=parent.name)
    fields = [
        Field(name=PARENT, label=f"The {parent.name} it is in", type=FieldType.REFERENCE, reference=reference)
    ]
    fields[0] = replace(fields[0], required=True, clearable=False)
    fields += [field for field in here.fields if field.name != PARENT]
    module = RemoteModule(
        name=end.module,
        label=f"{here.label or here.name} of {parent.label or parent.name}",
        fields=tuple(fields),
        capabilities=Capabilities(
            create_batch=batch,
            update_batch=batch,
            delete=writable,
            read_ids_batch=able.read_ids_batch,
            incremental=able.incremental,
            returns_stored=True,
            deletions=True,
        ),
        lookup=parent.lookup,
    )
    return Nesting(module, parent, here, end.items or _NO_RULE)


def is_item(module: RemoteModule) -> bool:
    """Whether the records of a remote module are the items of a list, which have no state of their own."""
    return "." in module.name and module.field(PARENT) is not None


def parent_of(item: str) -> str:
    """The id of the record that an item is in."""
    return item.partition("/")[0]


# --- reading -------------------------------------------------------------------------------------


class _Slot(Struct, frozen=True):
    """One item where it stands. ``place``: in the list, ``None`` on the parent itself."""

    id: str
    values: dict[str, Any]
    place: int | None


def items_of(nesting: Nesting, parent: Record) -> list[Record]:
    """The items of a parent as records, in their order; none of one that is deleted."""
    if parent.state is State.DELETED:
        return []
    return [_record(nesting, parent, slot) for slot in _slots(nesting, parent.id, parent.values)]


def _record(nesting: Nesting, parent: Record, slot: _Slot) -> Record:
    closed = parent.lock is not None and nesting.list.name not in parent.lock.editable
    return Record(
        id=slot.id,
        version=hashlib.blake2b(exactjson.encode_sorted(slot.values), digest_size=8).hexdigest(),
        values={**slot.values, PARENT: parent.id},
        state=parent.state,
        modified=parent.modified,
        key=parent.id,
        lock=parent.lock if closed else None,
        complete=parent.complete,
    )


def _slots(nesting: Nesting, parent: str, values: Values) -> list[_Slot]:
    found: list[_Slot] = []
    first = {name: values.get(held) for name, held in nesting.rule.first.items()}
    if any(value not in (None, "") for value in first.values()):
        found.append(_Slot(f"{parent}/{_FIRST}", first, None))
    taken: set[str] = set()
    for place, item in enumerate(values.get(nesting.list.name) or ()):
        name = _name(nesting, item, place)
        number = 2
        while name in taken:
            name, number = f"{_name(nesting, item, place)}#{number}", number + 1
        taken.add(name)
        found.append(_Slot(f"{parent}/{name}", dict(item), place))
    return found


def _name(nesting: Nesting, item: Values, place: int) -> str:
    """What tells an item apart from the others of its parent."""
    own = item.get(nesting.list.item_id) if nesting.list.item_id is not None else None
    if own is not None:
        return str(own)
    for key in nesting.keys:
        folded = " ".join(unicodedata.normalize("NFKC", str(item.get(key) or "")).casefold().split())
        folded = "".join(sign for sign in folded if sign.isprintable())
        if folded:
            short = len(folded) <= _LONGEST
            digest = hashlib.blake2b(folded.encode(errors="replace"), digest_size=16).hexdigest()
            return f"{key}={folded if short else digest}"
    return f"#{place + 1}"


# --- writing -------------------------------------------------------------------------------------


class Change(Struct, frozen=True):
    """What becomes of a parent: ``values`` to write to it, and by write where its item then stands: its place
    in the list, ``FIRST`` on the parent itself, or ``None`` for one that is taken away. ``gone``: the writes
    whose item is no longer there."""

    values: dict[str, Any]
    places: dict[str, int | None]
    gone: frozenset[str]


#: The place of the item that lies on the parent itself.
FIRST = -1


def change_items(nesting: Nesting, parent: Record, writes: Sequence[Write]) -> Change:
    """The parent with these writes of its items carried out, all other items as they are."""
    slots = {slot.id: slot for slot in _slots(nesting, parent.id, parent.values)}
    rows: list[dict[str, Any] | None] = [dict(i) for i in parent.values.get(nesting.list.name) or ()]
    before = [dict(row) for row in rows if row is not None]
    head: dict[str, Any] | None = None
    places: dict[str, int | None] = {}
    gone: set[str] = set()
    for write in writes:
        told = {name: value for name, value in write.values.items() if name != PARENT}
        here = slots.get(write.id or "") or _same_again(nesting, parent.id, slots, write, told)
        if write.kind is WriteKind.CREATE and here is None:
            free = head is None and f"{parent.id}/{_FIRST}" not in slots
            if free and nesting.rule.first and told.keys() <= nesting.rule.first.keys():
                head, places[write.key] = told, FIRST
            else:
                rows.append(told)
                places[write.key] = len(rows) - 1
        elif here is None:
            gone.add(write.key)
        elif write.kind is WriteKind.DELETE:
            places[write.key] = None
            if here.place is None:
                head = dict.fromkeys(nesting.rule.first)
            else:
                rows[here.place] = None
        elif here.place is None:
            head, places[write.key] = {**(head or {}), **told}, FIRST
        else:
            rows[here.place] = {**(rows[here.place] or {}), **told}
            places[write.key] = here.place
    values: dict[str, Any] = {}
    if head is not None:
        # What the parent has no field for cannot be kept of its first item.
        held = nesting.rule.first
        values |= {held[name]: value for name, value in head.items() if name in held}
    if rows != before:
        values[nesting.list.name] = _list(nesting, before, rows)
        left = [place for place, row in enumerate(rows) if row is not None]
        standing = {place: number for number, place in enumerate(left)}
        places = {key: standing.get(p, p) if p is not None else None for key, p in places.items()}
    return Change(values, places, frozenset(gone))


def _same_again(
    nesting: Nesting, parent: str, slots: Mapping[str, _Slot], write: Write, told: dict[str, Any]
) -> _Slot | None:
    """The item that an earlier try of this very create has made, if it can be told by its key."""
    if write.kind is not WriteKind.CREATE or nesting.list.item_id is not None:
        return None
    return slots.get(f"{parent}/{_name(nesting, told, len(slots))}")


def _list(
    nesting: Nesting, before: Sequence[Values], rows: Sequence[dict[str, Any] | None]
) -> Items | list[dict[str, Any]]:
    """The list as it is told to the remote: what it computes by itself is left out."""
    closed = {field.name for field in nesting.list.fields if field.read_only}
    mark = nesting.list.item_id

    def bare(row: Values) -> dict[str, Any]:
        return {name: v for name, v in row.items() if name not in closed and name != mark}

    if mark is None:
        return [bare(row) for row in rows if row is not None]
    items = [
        Item(
            values=bare(row),
            id=None if row.get(mark) is None else str(row[mark]),
            unchanged=place < len(before) and row == before[place],
        )
        for place, row in enumerate(rows)
        if row is not None
    ]
    removed = [str(before[p][mark]) for p, row in enumerate(rows) if row is None and before[p].get(mark)]
    return Items(items=tuple(items), removed=tuple(removed))


def find_item(nesting: Nesting, parent: Record, place: int) -> Record | None:
    """The item of a parent that stands at a place."""
    wanted = None if place == FIRST else place
    found = (slot for slot in _slots(nesting, parent.id, parent.values) if slot.place == wanted)
    slot = next(found, None)
    return None if slot is None else _record(nesting, parent, slot)


def find_made(
    nesting: Nesting, parent: Record, write: Write, taken: Container[str] = frozenset()
) -> Record | None:
    """The item that a write whose answer was lost has made: the one that holds all that was sent, and is none
    of those ``taken`` (ids)."""
    told = {name: value for name, value in write.values.items() if name != PARENT and value is not None}
    for slot in _slots(nesting, parent.id, parent.values):
        if slot.id in taken:
            continue
        if told and all(_plain(slot.values.get(name)) == _plain(value) for name, value in told.items()):
            return _record(nesting, parent, slot)
    return None


def _plain(value: Any) -> Any:
    return " ".join(value.split()).casefold() if isinstance(value, str) else value


def unknown_names(nesting: Nesting) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The names of a spec's rule that are no fields: (name, message, the names that could stand there)."""
    inner = tuple(field.name for field in nesting.list.fields)
    outer = tuple(field.name for field in nesting.parent.fields)
    for name in (*nesting.rule.key, *nesting.rule.first):
        if name not in inner:
            yield name, f"an item of {nesting.module.name} has no field {name}", inner
    for name in nesting.rule.first.values():
        if name not in outer:
            yield name, f"{nesting.parent.name} has no field {name}", outer
