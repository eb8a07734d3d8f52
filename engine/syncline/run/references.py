"""References: the identity of one record at one end, told as the other end calls it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.engine import Connection

from syncline.mapping.module import ITEM_ID, MapEntry, Side
from syncline.reconcile.merge import Pending, Unlinked
from syncline.run.scope import Scope
from syncline.store.ledger import Link, Operation, Staged

_ID, _KEY = "id", "key"
_Key = tuple[str, int, str, str]  # module, side in that module, by id or by (natural) key, identity


class References:
    """Translates the references of a batch of staged rows, each link looked up once."""

    def __init__(self, scope: Scope, db: Connection, rows: Iterable[Staged]) -> None:
        self._scope = scope
        self._links: dict[_Key, Link] = {}
        #: records (module, side in that module, id) that were referred to and have no link
        self.unlinked: set[tuple[str, int, str]] = set()
        self._load(db, self._wanted(rows))

    def translate(self, entry: MapEntry, source: Side, out: Any) -> Any:
        """``out`` of a map with references replaced by the other end's identity: text, or Pending for a
        record that this pass is creating, or Unlinked."""
        if entry.is_list:
            subs = {sub.name: sub for sub in entry.ends[source].items if sub.map.ref is not None}
            if not subs or out is None:
                return out
            none = {name: None for name, sub in subs.items() if sub.stand_ins[source] is not None}
            return [
                {
                    name: self._one(subs[name], source, v) if name in subs else v
                    for name, v in (none | item).items()
                }
                for item in out
            ]
        return self._one(entry, source, out) if entry.map.ref is not None else out

    def _one(self, entry: MapEntry, source: Side, identity: Any) -> Any:
        keys = self._keys(entry, source, identity)
        if keys is None:
            return None
        link = next((self._links[key] for key in keys if key in self._links), None)
        if link is None:
            told = entry.stand_ins[source] if identity is None else identity
            if identity is not None:
                self.unlinked |= {(module, side, record) for module, side, by, record in keys if by == _ID}
            return Unlinked(entry.map.ref or "", str(told))
        side = self._side(entry, source.other)
        by = _by(entry, source.other)
        found = (link.keys if by == _KEY else link.ids)[side]
        stand_in = entry.stand_ins[source.other]
        if stand_in is not None and stand_in in {found, link.keys[side]}:
            return None
        return found if found is not None else Pending(link.id)

    def _wanted(self, rows: Iterable[Staged]) -> set[_Key]:
        wanted: set[_Key] = set()
        entries = [entry for entry in self._scope.maps.entries if refers(entry)]
        for row in rows if entries else ():
            source = Side(row.side)
            for entry in entries:
                for sub, identity in _identities(entry, source, row.out.get(entry.name)):
                    wanted.update(self._keys(sub, source, identity) or ())
        return wanted

    def _keys(self, entry: MapEntry, source: Side, identity: Any) -> list[_Key] | None:
        """Under what the link is found of the record that is referred to, the first that there is; ``None``:
        nothing is referred to. What stands for none is named by whatever a person knows of it: what refers to
        it, or its natural key."""
        by = [_by(entry, source)]
        if identity is None:
            identity, by = entry.stand_ins[source], list(dict.fromkeys([*by, _KEY]))
        if identity is None:
            return None
        if entry.map.ref is None or entry.map.ref not in self._scope.scopes:
            return []
        return [(entry.map.ref, self._side(entry, source), each, str(identity)) for each in by]

    def _side(self, entry: MapEntry, side: Side) -> Side:
        """The side, in the referred module, of the system that is on ``side`` here."""
        return self._scope.scopes[entry.map.ref or ""].side_of(self._scope.ends[side].system)

    def _load(self, db: Connection, wanted: set[_Key]) -> None:
        groups: dict[tuple[str, int, str], list[str]] = {}
        for module, side, by, identity in wanted:
            groups.setdefault((module, side, by), []).append(identity)
        for (module, side, by), identities in groups.items():
            ledger = self._scope.scopes[module].ledger
            find = ledger.links_by_key if by == _KEY else ledger.links_of
            for identity, link in find(db, side, identities).items():
                self._links[module, side, by, identity] = link


def pending_mark(value: Any) -> Any:
    """A value as the journal keeps it: a record that is still to be created is named by its link."""
    if isinstance(value, Pending):
        return {"$link": value.link}
    if isinstance(value, list):
        return [{k: pending_mark(v) for k, v in item.items()} for item in value]
    return value


def marked_links(value: Any) -> Iterable[int]:
    """The links named in a journalled value."""
    if isinstance(value, dict):
        if "$link" in value:
            yield int(value["$link"])
        else:
            for inner in value.values():
                yield from marked_links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from marked_links(inner)


def links_named(operations: Iterable[Operation]) -> list[int]:
    """The links that stand for records in what these operations store, each once."""
    parts = (part for operation in operations for part in operation.body["fields"].values())
    return sorted({link for part in parts for link in marked_links(part["set"])})


def resolve_marks(scope: Scope, entry: MapEntry, side: Side, value: Any, links: dict[int, Link]) -> Any:
    """A journalled value with each named link replaced by its record at ``side``; raises KeyError for one
    that has none."""
    if isinstance(value, dict) and "$link" in value:
        link = links[int(value["$link"])]
        there = scope.scopes[entry.map.ref or ""].side_of(scope.ends[side].system)
        found = (link.keys if _by(entry, side) == _KEY else link.ids)[there]
        if found is None:
            raise KeyError(link.id)
        return found
    if entry.is_list and isinstance(value, list):
        subs = {sub.name: sub for sub in entry.ends[side].items}
        return [
            {
                name: v if name == ITEM_ID else resolve_marks(scope, subs[name], side, v, links)
                for name, v in item.items()
            }
            for item in value
        ]
    return value


def refers(entry: MapEntry) -> bool:
    """Whether the map, or one inside its list, carries references."""
    return entry.map.ref is not None or any(sub.map.ref is not None for sub in entry.ends[0].items)


def _identities(entry: MapEntry, source: Side, out: Any) -> Iterable[tuple[MapEntry, Any]]:
    """What a value refers to, none included, by the map that says so."""
    return ((sub, identity) for sub, identity in _parts(entry, source, out) if sub.map.ref is not None)


def named_by(entry: MapEntry, side: Side, value: Any) -> Iterable[tuple[str, str]]:
    """The records of an end (remote module, identity) that a value of that end names, in a list as well."""
    for sub, identity in _parts(entry, side, value):
        field = sub.ends[side].field
        if field is not None and field.reference is not None:
            yield field.reference.module, str(identity)


def _parts(entry: MapEntry, side: Side, value: Any) -> Iterable[tuple[MapEntry, Any]]:
    """A value by its map; of a list, the values in its items by the maps inside."""
    if not entry.is_list:
        return [(entry, value)]
    return [(sub, item.get(sub.name)) for sub in entry.ends[side].items for item in value or ()]


def _by(entry: MapEntry, side: Side) -> str:
    field = entry.ends[side].field
    return field.reference.by if field is not None and field.reference is not None else _ID
