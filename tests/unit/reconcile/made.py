"""Compiled field maps made by hand, for tests of the decisions alone."""

from __future__ import annotations

from typing import Any

from syncline.mapping.module import EndMap, MapEntry
from syncline.spec.model import ConflictRule, Direction, FieldMap
from syncline.spec.problems import Place

PLACE = Place("spec.yaml", 7, 3)
RULE = Place("spec.yaml", 9, 5)


def prefer(whom: str) -> ConflictRule:
    return ConflictRule(prefer=whom, place=RULE)


def field_map(name: str = "phone", direction: Direction = Direction.BOTH, **options: Any) -> FieldMap:
    return FieldMap(name=name, place=PLACE, left=name, right=name, direction=direction, **options)


def entry(name: str = "phone", direction: Direction = Direction.BOTH, **options: Any) -> MapEntry:
    """A map of values that are alike at both ends."""
    return _compiled(field_map(name, direction, **options))


def list_entry(*names: str, key: str | None = None, **subs: FieldMap) -> MapEntry:
    """A map of a list whose items have these values."""
    each = {name: field_map(name) for name in names} | subs
    return _compiled(field_map("lines", each=each, key=key))


def _compiled(fmap: FieldMap) -> MapEntry:
    items = tuple(_compiled(sub) for sub in (fmap.each or {}).values())
    end = EndMap(items=items)
    flows = (fmap.direction is not Direction.TO_RIGHT, fmap.direction is not Direction.TO_LEFT)
    return MapEntry(fmap, (end, end), flows)
