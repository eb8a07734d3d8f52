"""What a write must say besides what shall change, because Xero would refuse it or wipe what it leaves out.

A quote names its contact and its date in every call (Xero API documentation, Quotes); the tracking of a line
is stored as it is sent, so that the categories a spec does not map go along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from syncline.connect import Item, Items, Record, RemoteModule, Write, WriteKind
from syncline_xero.api import Api
from syncline_xero.reading import read_by_ids

_ALWAYS = {"Quotes": ("Contact", "Date")}


def complete_updates(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> tuple[list[Write], set[str]]:
    """The updates as they can be sent, and the keys of those whose record is gone. Reads the records that
    something must be taken from, and no others."""
    lacking = [w for w in writes if w.kind is WriteKind.UPDATE and _lacks(module.name, w)]
    if not lacking:
        return list(writes), set()
    held = {r.id: r for r in read_by_ids(api, module, [str(w.id) for w in lacking], lock_until)}
    keys = {w.key for w in lacking}
    done: list[Write] = []
    gone: set[str] = set()
    for write in writes:
        if write.key not in keys:
            done.append(write)
        elif (record := held.get(str(write.id))) is None:
            gone.add(write.key)
        else:
            done.append(complete_update(module.name, write, record))
    return done, gone


def complete_update(module: str, write: Write, record: Record) -> Write:
    """A write with what ``record`` holds of what it must say; reads nothing."""
    values = dict(write.values)
    for name in _ALWAYS.get(module, ()):
        if values.get(name) is None:
            values[name] = record.values.get(name)
    if _tracks(values):
        lines = {str(line["LineItemID"]): line for line in record.values.get("LineItems") or ()}
        items: Items = values["LineItems"]
        values["LineItems"] = replace(items, items=tuple(_with_tracking(i, lines) for i in items.items))
    return replace(write, values=values)


def _lacks(module: str, write: Write) -> bool:
    missing = any(write.values.get(name) is None for name in _ALWAYS.get(module, ()))
    return missing or _tracks(write.values)


def _tracks(values: Mapping[str, Any]) -> bool:
    """Whether a line that is there already is to get another tracking."""
    lines = values.get("LineItems")
    return isinstance(lines, Items) and any(i.id and "Tracking" in i.values for i in lines.items)


def _with_tracking(item: Item, lines: Mapping[str, Mapping[str, Any]]) -> Item:
    if item.id is None or "Tracking" not in item.values:
        return item
    line = lines.get(item.id) or {}
    options = {entry["Name"]: entry.get("Option") for entry in line.get("Tracking") or ()}
    for entry in item.values["Tracking"] or ():
        options[entry["Name"]] = entry.get("Option")
    tracking = [{"Name": name, "Option": option} for name, option in options.items() if option]
    return replace(item, values={**item.values, "Tracking": tracking})
