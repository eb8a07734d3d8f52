"""A module's field maps, compiled once into functions over records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from syncline import exactjson
from syncline.connect.contract import Field, FieldType, Item, Items, Record, RemoteModule, State
from syncline.mapping.canonical import Canonical, canonical, check_storable, holds
from syncline.mapping.expressions import NAMES, Compiled, ExpressionError, Expressions, View
from syncline.mapping.fields import field_at
from syncline.mapping.filters import MAX_ITEMS, text
from syncline.mapping.missing import MISSING
from syncline.mapping.paths import Getter, Path, parse_path
from syncline.spec.model import Direction, FieldMap, MatchKey, Module

#: The key under which an item of a list carries the remote's own id of it, beside its mapped values.
ITEM_ID = "#"
#: The ending of the name under which a transform that reads the whole record is remembered.
RENDERED = ">"
#: The ending of the name under which is remembered what is stored where the value is taken.
TAKEN = "?"
#: The name under which own values tell whether the record is created at the other end, where the spec says.
CREATES = "(creates)"
#: Longer keys of match rules are kept by a digest: PostgreSQL's indexes take 2.7 kB.
MAX_KEY = 200
#: A block takes no more than so many keys of one value.
MAX_BLOCK_KEYS = 60
#: What else an expression may read than the value of its map.
_BESIDES_THE_VALUE = tuple(name for name in NAMES if name != "value")
#: The name under which a failing ``where`` stands among the faults, where no map can be called so.
FILTER_FAULT = "(where)"


class Side(IntEnum):
    """The two ends of a module, in the order of ``between``."""

    LEFT = 0
    RIGHT = 1

    @property
    def other(self) -> Side:
        return _OTHER[self]


#: What the print of a live record leaves out: its state, whether it is in scope, faults, lock, merged into.
_ORDINARY: tuple[Any, ...] = (State.LIVE, True, {}, None, None)
_OTHER = (Side.RIGHT, Side.LEFT)


def digest(encoded: bytes) -> bytes:
    """What a record's values, as JSON, are compared by."""
    return hashlib.blake2b(encoded, digest_size=16).digest()


class Projection(msgspec.Struct):
    """A record as the field maps see it.

    ``own``: the values at its own end, by map; unknown ones are left out. ``out``: the same as the other
    end would store them; a reference is still this end's identity. ``faults``: maps whose value could not
    be made, with the reason. ``keys``: one per match rule, empty text where the record has none; ``blocks``:
    those of each block of the likely rule. ``text``: ``own`` as JSON; ``digest``: of ``text`` alone, while
    ``print`` is of all that a later change is told by.
    """

    own: dict[str, Any]
    out: dict[str, Any] = {}
    faults: dict[str, str] = {}
    keys: list[str] = []
    blocks: list[tuple[str, ...]] = []
    in_scope: bool = True
    recheck: str | None = None
    print: bytes = b""
    text: str = ""
    digest: bytes = b""


class Seen(Protocol):
    """A record as the maps see it, fresh from the remote or out of staging: see :class:`Projection`."""

    own: dict[str, Any]
    out: dict[str, Any]
    faults: dict[str, str]


#: From a value and the names of an expression to the value as the other end would store it; raises ValueError
#: when it cannot store it.
Carry = Callable[[Any, dict[str, Any]], Any]


class EndMap(Struct, frozen=True):
    """One field map at one end: where the value is, what form it has, and how it looks at the other end.

    ``transform``: the source of the expression that carries the value over, and what it is compiled to;
    ``finish``: brings what it gave, or else the value itself, to the form that the other end stores, or
    raises ValueError; None where that is the value as it is. ``reads_record``: the look depends on more than
    the value, so it is remembered beside it.
    """

    path: Path | None = None
    field: Field | None = None
    get: Getter | None = None
    form: Canonical = lambda value: value
    transform: tuple[str, Compiled] | None = None
    finish: Canonical | None = None
    reads_record: bool = False
    items: tuple[MapEntry, ...] = ()

    @property
    def place(self) -> str:
        return self.path.text if self.path else "(computed)"

    def carry(self, value: Any, names: dict[str, Any]) -> Any:
        """The value as the other end would store it; raises ValueError when it cannot."""
        if self.transform is not None:
            names["value"] = value
            value = self.transform[1](names)
        return value if self.finish is None else self.finish(value)


class MapEntry(Struct, frozen=True):
    """One field map, compiled: ``ends[side]``; ``flows[side]`` when values flow *to* that side.
    ``stand_ins``: by side, the identity of the record that stands for none there, or its natural key."""

    map: FieldMap
    ends: tuple[EndMap, EndMap]
    flows: tuple[bool, bool]
    stand_ins: tuple[str | None, str | None] = (None, None)

    @property
    def name(self) -> str:
        return self.map.name

    @property
    def is_list(self) -> bool:
        return self.map.each is not None

    @property
    def compared(self) -> bool:
        """Whether the two values are only compared, never written."""
        return self.map.direction is Direction.NONE


class ModuleMap:
    """The compiled maps of a module. Raises PathError, ExpressionError or ValueError for a spec that the
    checks would have refused.

    ``resting``: maps that are left out of everything but what an earlier pass has written down.
    """

    def __init__(
        self,
        module: Module,
        remotes: tuple[RemoteModule, RemoteModule],
        expressions: Expressions,
        resting: Collection[str] = (),
    ) -> None:
        self.module = module
        self.remotes = remotes
        entries = [
            _entry(fmap, module, (remotes[0].fields, remotes[1].fields), remotes, expressions)
            for fmap in module.fields.values()
        ]
        self.entries = tuple(entry for entry in entries if entry.name not in resting)
        self.by_name = {entry.name: entry for entry in entries}
        self._sides = tuple(_SideMap(self, side, expressions) for side in Side)

    def wanted(self, side: Side) -> frozenset[str]:
        """The top-level remote fields that the maps, keys and expressions of this end read."""
        return self._sides[side].wanted

    def project(self, side: Side, record: Record, today: str) -> Projection:
        """The record's own values, scope, keys and print; ``out`` is made by :meth:`render`."""
        return self._sides[side].project(record, today)

    def render(self, side: Side, seen: Seen) -> None:
        """Fill in ``out``: how the other end would store each value that flows there."""
        self._sides[side].render(seen)

    def named(self, side: Side, fields: Container[str | None]) -> set[str]:
        """The maps that write one of these fields of the remote."""
        ends = ((entry.name, entry.ends[side].path) for entry in self.entries)
        return {name for name, path in ends if path is not None and path.root in fields}

    def write_values(
        self,
        side: Side,
        values: Mapping[str, Any],
        removed: Mapping[str, Sequence[str]],
        before: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The remote's own shape of canonical values to be stored at ``side``, references already its own.

        A list is given as its items, each with :data:`ITEM_ID` when it replaces one of the remote's;
        ``removed``: by map, the remote's ids of the items to drop; ``before``: by map, what is stored there.
        """
        shaped: dict[str, Any] = {}
        for name, value in values.items():
            entry = self.by_name[name]
            end = entry.ends[side]
            if end.path is None:
                continue
            if entry.is_list:
                stored = {item.get(ITEM_ID): item for item in before.get(name) or ()}
                items = tuple(
                    _wire_item(end, side, item, stored.get(item.get(ITEM_ID))) for item in value or ()
                )
                end.path.put(shaped, Items(items=items, removed=tuple(removed.get(name, ()))))
            else:
                end.path.put(shaped, _wire(end, value))
        return shaped


class _SideMap:
    def __init__(self, module_map: ModuleMap, side: Side, expressions: Expressions) -> None:
        module, remote = module_map.module, module_map.remotes[side]
        system = (module.left, module.right)[side].system
        self.side = side
        self.remote = remote
        self.known = frozenset(f.name for f in remote.fields) if remote.fields else None
        plain = [
            (entry.name, end)
            for entry in module_map.entries
            if (end := entry.ends[side]).get is not None and not entry.is_list
        ]
        #: The texts at the top of a record, which most values are; and all others.
        self.texts = [(name, end.path.root) for name, end in plain if end.path and _is_top_text(end)]
        self.plain = [
            (name, end.get, end.form) for name, end in plain if end.get is not None and not _is_top_text(end)
        ]
        self.lists = [e for e in module_map.entries if e.is_list and e.ends[side].get is not None]
        outgoing = [entry for entry in module_map.entries if entry.flows[side.other]]
        self.rendered = [
            (entry.name, entry.name if end.get is None else entry.name + RENDERED, _rendering(entry, side))
            for entry in outgoing
            if (end := entry.ends[side]).get is None or end.reads_record
        ]
        self.early = [(name, seen) for name, seen, _ in self.rendered]
        done = {name for name, _ in self.early}
        late = [entry for entry in outgoing if entry.name not in done]
        self.late = [(entry.name, _rendering(entry, side)) for entry in late]
        self.joint = _Joint(late, side, expressions)
        where, recheck = module.where.get(system), module.recheck.get(system)
        target = (module.left, module.right)[side.other].system
        creates = module.creates.get(target)
        self.creates = expressions.compile(creates.source) if creates else None
        self.taken = [
            (entry.name, entry.ends[side], expressions.compile(entry.map.taken[target].source))
            for entry in outgoing
            if target in entry.map.taken
        ]
        self.where = expressions.compile(where.source) if where else None
        self.recheck = expressions.compile(recheck.source) if recheck else None
        #: Whether there is an expression that reads the whole record.
        self.asks = bool(self.rendered or self.taken or where or recheck or creates)
        keys = [(rule.left, rule.right)[side] for rule in module.match]
        blocks = [pair[side] for pair in module.likely.block] if module.likely is not None else []
        self.rules = [(parse_path(key.path), _filters(key, expressions)) for key in (*keys, *blocks)]
        getters = [(path.getter(), filters) for path, filters in self.rules]
        self.key_getters, self.block_getters = getters[: len(keys)], getters[len(keys) :]
        sources = [expression.source for expression in (where, recheck, creates) if expression]
        self.wanted = self._wanted(module_map, expressions, sources)

    def _wanted(self, module_map: ModuleMap, expressions: Expressions, sources: list[str]) -> frozenset[str]:
        roots = {end.path.root for e in module_map.entries if (end := e.ends[self.side]).path is not None}
        roots |= {path.root for path, _ in self.rules}
        target = (module_map.module.left, module_map.module.right)[self.side.other].system
        read = [(source, "record") for source in sources]
        for entry in module_map.entries:
            read += [(entry.map.to[target].source, "record")] if target in entry.map.to else []
            read += [(entry.map.taken[target].source, "record")] if target in entry.map.taken else []
            # Inside a list ``record`` is the item, which comes whole; ``parent`` is the record.
            inner = (entry.map.each or {}).values()
            read += [(fmap.to[target].source, "parent") for fmap in inner if target in fmap.to]
        for source, name in read:
            named = expressions.record_fields(source, name)
            if named is None and self.known is not None:
                return self.known
            roots |= named or frozenset()
        return frozenset(roots if self.known is None else roots & self.known)

    def project(self, record: Record, today: str) -> Projection:
        values, absent = record.values, None if record.complete else MISSING
        own: dict[str, Any] = {}
        result = Projection(own)
        for name, key in self.texts:
            value = values.get(key, absent)
            if type(value) is str:
                own[name] = value or None
            elif value is not MISSING:
                try:
                    own[name] = None if value is None else text(value) or None
                except ValueError as error:
                    result.faults[name] = str(error)
        for name, get, form in self.plain:
            try:
                value = get(values)
                if value is MISSING:
                    value = absent
                    if value is MISSING:
                        continue
                own[name] = form(value)
            except ValueError as error:
                result.faults[name] = str(error)
        for entry in self.lists:
            _project_list(entry, self.side, values, absent, result)
        if self.asks:
            whole = View(values, self.known)
            names = {"record": whole, "record_id": record.id, "today": today, "value": None}
            self._project_expressions(record, names, result)
        try:
            result.keys = [_key(get, values, filters) for get, filters in self.key_getters]
            if self.block_getters:
                result.blocks = [_block_keys(get, values, filters) for get, filters in self.block_getters]
        except ExpressionError as error:
            # Without its keys the record would match nothing, and be created a second time.
            result.keys, result.blocks = [""] * len(self.key_getters), []
            result.faults["(match)"] = error.message
        encoded = exactjson.encode_sorted(own)
        result.text = encoded.decode()
        result.digest = result.print = digest(encoded)
        lock = [record.lock.reason, sorted(record.lock.editable)] if record.lock else None
        marks = (record.state, result.in_scope, result.faults, lock, record.merged_into)
        if marks != _ORDINARY:
            result.print = digest(encoded + exactjson.encode_sorted(marks))
        return result

    def _project_expressions(self, record: Record, names: dict[str, Any], result: Projection) -> None:
        live = record.state is not State.DELETED
        for name, seen, rendering in self.rendered:
            if not live or name in result.faults:
                continue
            if seen != name and name not in result.own:
                continue
            try:
                result.own[seen] = rendering(result.own.get(name), names)
            except ValueError as error:
                result.faults[name] = str(error)
        for name, end, instead in self.taken if live else ():
            self._project_taken(name, end, instead, names, result)
        if self.creates is not None and live:
            try:
                wanted = self.creates(names)
                result.own[CREATES] = None if wanted is None else bool(wanted)
            except ExpressionError as error:
                result.faults[CREATES] = error.message
        if self.where is not None and live:
            try:
                result.in_scope = bool(self.where(names))
            except ExpressionError as error:
                result.faults[FILTER_FAULT] = error.message
        if self.recheck is not None and live:
            try:
                day = self.recheck(names)
                result.recheck = str(day)[:10] if day else None
            except ExpressionError as error:
                result.faults["(recheck)"] = error.message

    def _project_taken(
        self, name: str, end: EndMap, instead: Compiled, names: dict[str, Any], result: Projection
    ) -> None:
        """What is stored where another record holds the value; nothing where that cannot be stored either."""
        if result.own.get(name) is None or name in result.faults:
            return
        try:
            value = instead({**names, "value": end.carry(result.own[name], dict(names))})
            result.own[name + TAKEN] = value if end.finish is None else end.finish(value)
        except ValueError:
            return

    def render(self, seen: Seen) -> None:
        own, faults = seen.own, seen.faults
        out = None if faults else self.joint.render(own)
        if out is None:
            out = {}
            for name, rendering in self.late:
                if name in own and name not in faults:
                    try:
                        out[name] = rendering(own[name], {})
                    except ValueError as error:
                        faults[name] = str(error)
        for name, early in self.early:
            if early in own:
                out[name] = own[early]
        seen.out = out


class _Joint:
    """The values of several maps carried over in one go, which is what nearly every record takes. None of
    these maps reads more than its value."""

    def __init__(self, entries: Sequence[MapEntry], side: Side, expressions: Expressions) -> None:
        ends = [(entry, entry.ends[side]) for entry in entries]
        self.lists = [(entry.name, _rendering(entry, side)) for entry, _ in ends if entry.is_list]
        self.kept = [
            (entry.name, end.finish) for entry, end in ends if not entry.is_list and end.transform is None
        ]
        moved = [(e.name, end.finish, end.transform[0]) for e, end in ends if end.transform is not None]
        self.moved = [(name, finish) for name, finish, _ in moved]
        self.transforms = expressions.together([source for *_, source in moved]) if moved else None

    def render(self, own: Mapping[str, Any]) -> dict[str, Any] | None:
        """What :meth:`EndMap.carry` gives for each map; None when it would fail, or a value is unknown."""
        out: dict[str, Any] = {}
        try:
            for name, finish in self.kept:
                value = own[name]
                out[name] = value if finish is None else finish(value)
            if self.transforms is not None:
                results = self.transforms([own[name] for name, _ in self.moved], {})
                for (name, finish), value in zip(self.moved, results, strict=True):
                    out[name] = value if finish is None else finish(value)
            for name, rendering in self.lists:
                out[name] = rendering(own[name], {})
        except (KeyError, ValueError):
            return None
        return out


def _is_top_text(end: EndMap) -> bool:
    """Whether the value is a text at the top of the record, for which an empty one is nothing."""
    path, field = end.path, end.field
    if path is None or len(path.steps) > 1 or path.steps[0].item_key is not None or field is None:
        return False
    return field.type in (FieldType.TEXT, FieldType.CHOICE) and field.blank_is_null


def _rendering(entry: MapEntry, side: Side) -> Carry:
    """As :attr:`EndMap.carry`, for lists too."""
    if entry.is_list:
        return lambda own, names: _render_list(entry, side, own, names)
    return entry.ends[side].carry


def _finish(
    fmap: FieldMap, side: Side, own: Field | None, target: Field | None, *, transformed: bool
) -> Canonical | None:
    """See :attr:`EndMap.finish`. A reference stays this end's identity: it is translated through links."""
    if fmap.ref is not None:
        return None
    form = canonical(target) if target is not None else None
    judged = target if target is not None and _may_refuse(target) else None
    counterparts = None if transformed else _translation(fmap, side)
    if counterparts is None and judged is None:
        kept = not transformed and own is not None and target is not None and _same_form(own, target)
        return None if kept else form

    longest = 0  # of a text that needs no further judging
    if counterparts is None and judged is not None and judged.choices is None:
        longest = judged.max_length or 0 if judged.type is FieldType.TEXT else 0

    def finish(value: Any) -> Any:
        if type(value) is str and 0 < len(value) <= longest:
            return value
        if counterparts is not None and value is not None:
            if value not in counterparts:
                where = f"the table {fmap.table!r}" if fmap.table else f"'values' of the map {fmap.name!r}"
                raise ValueError(f"{value!r} has no counterpart: add it to {where}")
            value = counterparts[value]
        if form is not None:
            value = form(value)
        if judged is not None and (refusal := check_storable(judged, value)) is not None:
            raise ValueError(refusal)
        return value

    return finish


def _same_form(own: Field, target: Field) -> bool:
    """Whether every value in the one field's form has the other's already."""
    if own.type is not target.type or own.places != target.places:
        return False
    return own.type is not FieldType.TEXT or own.blank_is_null == target.blank_is_null


def _may_refuse(field: Field) -> bool:
    return field.max_length is not None or field.choices is not None


def _project_list(
    entry: MapEntry, side: Side, values: Mapping[str, Any], absent: Any, result: Projection
) -> None:
    end = entry.ends[side]
    assert end.get is not None
    try:
        rows = end.get(values)
    except ValueError as error:
        result.faults[entry.name] = str(error)
        return
    if rows is MISSING:
        rows = absent
        if rows is MISSING:
            return
    if rows is not None and not isinstance(rows, (list, tuple)):
        result.faults[entry.name] = "it is not a list"
        return
    if rows is not None and len(rows) > MAX_ITEMS:
        result.faults[entry.name] = f"the list has more than {MAX_ITEMS} items"
        return
    item_id = end.field.item_id if end.field else None
    items = []
    for place, row in enumerate(rows or (), 1):
        item: dict[str, Any] = {}
        at = ""
        try:
            if not isinstance(row, Mapping):
                raise ValueError("it is not a group of values")
            if item_id is not None and row.get(item_id) is not None:
                item[ITEM_ID] = text(row[item_id])
            for sub in end.items:
                sub_end = sub.ends[side]
                if sub_end.get is not None:
                    at = f", {sub.name}"
                    value = sub_end.get(row)
                    item[sub.name] = sub_end.form(None if value is MISSING else value)
        except ValueError as error:
            result.faults[entry.name] = f"item {place}{at}: {error}"
            return
        items.append(item)
    result.own[entry.name] = items


def _render_list(
    entry: MapEntry, side: Side, own: list[dict[str, Any]], names: dict[str, Any]
) -> list[dict[str, Any]]:
    """``names``: the record is among them when a map of the items reads it."""
    end = entry.ends[side]
    assert end.get is not None
    record = names.get("record")
    rows = (end.get(record.values_) or ()) if record is not None else [{}] * len(own)
    result = []
    for place, (row, item) in enumerate(zip(rows, own, strict=True), 1):
        inner = {**names, "record": View(row, None), "parent": record} if record is not None else {}
        rendered = {}
        for sub in end.items:
            if not sub.flows[side.other]:
                continue
            try:
                rendered[sub.name] = sub.ends[side].carry(item.get(sub.name), inner)
            except ValueError as error:
                raise ValueError(f"item {place}, {sub.name}: {error}") from None
        result.append(rendered)
    return result


def _key(get: Getter, values: Mapping[str, Any], filters: list[Callable[..., Any]]) -> str:
    try:
        value = get(values)
        if value is MISSING or value is None:
            return ""
        for filter_ in filters:
            value = filter_(value)
    except ExpressionError:
        raise
    except ValueError:
        return ""
    if not isinstance(value, (str, int, Decimal)):
        return ""  # a list or a group is no key
    key = str(value).strip()
    return key if len(key) <= MAX_KEY and "\x00" not in key else _short_key(key)


def _block_keys(get: Getter, values: Mapping[str, Any], filters: list[Callable[..., Any]]) -> tuple[str, ...]:
    """The keys under which a record is found by a block: a filter may give several."""
    try:
        value = get(values)
        if value is MISSING or value is None:
            return ()
        for filter_ in filters:
            value = filter_(value)
    except ExpressionError:
        raise
    except ValueError:
        return ()
    parts = value[:MAX_BLOCK_KEYS] if isinstance(value, list) else [value]
    found = (str(part).strip() for part in parts if isinstance(part, (str, int, Decimal)))
    return tuple(
        dict.fromkeys(
            key if len(key) <= MAX_KEY and "\x00" not in key else _short_key(key) for key in found if key
        )
    )


def _filters(key: MatchKey, expressions: Expressions) -> list[Callable[..., Any]]:
    given = key.arguments or ((),) * len(key.filters)
    return [expressions.filter(name, texts) for name, texts in zip(key.filters, given, strict=True)]


def _short_key(key: str) -> str:
    """A key that an index takes, and that differs where the long one does."""
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{key[: MAX_KEY // 2]}…{digest}".replace("\x00", "")


def _wire(end: EndMap, value: Any) -> Any:
    if value is not None and end.field is not None and end.field.type is FieldType.REFERENCE:
        path = end.field.reference.path if end.field.reference else None
        return {path: value} if path else value
    return value


def _wire_item(end: EndMap, side: Side, item: Mapping[str, Any], stored: Mapping[str, Any] | None) -> Item:
    shaped: dict[str, Any] = {}
    for sub in end.items:
        sub_end = sub.ends[side]
        if sub_end.path is not None and sub.name in item:
            sub_end.path.put(shaped, _wire(sub_end, item[sub.name]))
    kept = ITEM_ID in item and stored is not None and all(holds(stored.get(n), v) for n, v in item.items())
    return Item(values=shaped, id=item.get(ITEM_ID), unchanged=kept)


def _entry(
    fmap: FieldMap,
    module: Module,
    fields: tuple[tuple[Field, ...], tuple[Field, ...]],
    remotes: tuple[RemoteModule, RemoteModule],
    expressions: Expressions,
) -> MapEntry:
    flows = tuple(fmap.direction in (Direction.BOTH, way) for way in (Direction.TO_LEFT, Direction.TO_RIGHT))
    systems = (module.left.system, module.right.system)
    paths = [parse_path(text) if text is not None else None for text in (fmap.left, fmap.right)]
    found = [
        field_at(RemoteModule(name=remote.name, fields=own), path) if path else None
        for remote, own, path in zip(remotes, fields, paths, strict=True)
    ]
    items: tuple[MapEntry, ...] = ()
    if fmap.each is not None:
        left, right = (field.fields if field else () for field in found)
        items = tuple(_entry(sub, module, (left, right), remotes, expressions) for sub in fmap.each.values())
    ends: list[EndMap] = []
    for side in Side:
        path, field = paths[side], found[side]
        transform = fmap.to.get(systems[side.other]) if fmap.ref is None else None
        more = expressions.names_in(transform.source, *_BESIDES_THE_VALUE) if transform else frozenset()
        compiled = expressions.compile(transform.source) if transform else None
        ends.append(
            EndMap(
                path=path,
                field=field,
                get=path.getter() if path else None,
                form=canonical(field) if field else _pass,
                transform=(transform.source, compiled) if transform and compiled else None,
                finish=_finish(fmap, side, field, found[side.other], transformed=transform is not None),
                reads_record=bool(more) or any(sub.ends[side].reads_record for sub in items),
                items=items,
            )
        )
    stand_ins = (fmap.otherwise.get(systems[0]), fmap.otherwise.get(systems[1]))
    return MapEntry(fmap, (ends[0], ends[1]), (flows[0], flows[1]), stand_ins)


def _translation(fmap: FieldMap, side: Side) -> Mapping[Any, Any] | None:
    if fmap.values is None:
        return None
    pairs: dict[Any, Any] = {}
    for pair in fmap.values:
        pairs.setdefault(pair[side], pair[side.other])
    return pairs


def _pass(value: Any) -> Any:
    return value
