"""Choices that an organisation does not have (a currency, a tax), known before they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from syncline.connect.contract import Field, RemoteModule
from syncline.mapping.fields import field_at
from syncline.mapping.module import MapEntry, ModuleMap, Side

_SHOWN = 12


class Offered:
    """What one end of a module takes, by its organisation's own lists."""

    def __init__(self, maps: ModuleMap, side: Side, remote: RemoteModule) -> None:
        self.remote = remote
        self._plain = dict(_choosing(maps.entries, side, remote))
        self._lists: dict[str, dict[str, Field]] = {}
        for entry in maps.entries:
            path = entry.ends[side].path
            field = field_at(remote, path) if entry.is_list and path is not None else None
            if field is not None:
                items = dict(_choosing(entry.ends[side].items, side, replace(remote, fields=field.fields)))
                self._lists |= {entry.name: items} if items else {}

    def lacking(self, values: Mapping[str, Any]) -> tuple[str, str] | None:
        """Of values to be stored, by map, the first that the organisation does not have: the field that would
        hold it, and why it cannot."""
        for name, field in self._plain.items():
            if name in values and (why := _refusal(field, values[name])):
                return field.name, why
        for name, fields in self._lists.items():
            for item in values.get(name) or ():
                for sub, field in fields.items():
                    if why := _refusal(field, item.get(sub)):
                        return field.name, why
        return None


def _choosing(entries: Iterable[MapEntry], side: Side, remote: RemoteModule) -> Iterator[tuple[str, Field]]:
    for entry in entries:
        path = entry.ends[side].path
        field = field_at(remote, path) if path is not None and not entry.is_list else None
        if field is not None and field.choices is not None:
            yield entry.name, field


def _refusal(field: Field, value: Any) -> str:
    choices = field.choices or ()
    if not isinstance(value, str) or value in choices:
        return ""
    if value.casefold() in (each.casefold() for each in choices):
        return ""  # how it is written is for the remote to judge
    has = ", ".join(choices[:_SHOWN]) + (", ..." if len(choices) > _SHOWN else "")
    return f"it has no {value} to choose (it has {has or 'none'}): add it there, or map it to one that it has"
