"""The leaves of Zoho CRM's JSON in the contract's form: instants in UTC, nothing as ``None``.

Instants come in the signed-in user's zone with an offset that daylight saving moves (Zoho CRM API v8,
Get Records); lookups come with or without a name depending on the call, so the id alone is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


def utc_text(instant: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ``: whole seconds, as this remote keeps them."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wire_text(instant: datetime) -> str:
    """As the remote's documents write instants: whole seconds and a numeric offset, never ``Z``."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def to_wire(value: Any) -> Any:
    """A leaf or structure in the contract's form as the remote takes it."""
    if isinstance(value, str):
        return wire_text(datetime.fromisoformat(value)) if _is_instant(value) else value
    if isinstance(value, Mapping):
        return {name: to_wire(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    return value


def _is_instant(text: str) -> bool:
    return len(text) <= 32 and _INSTANT.fullmatch(text) is not None


def read_instant(text: str) -> datetime:
    """Aware UTC; raises ``ValueError`` for what is no instant with an offset."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"no instant: {text[:40]}")
    return datetime.fromisoformat(text).astimezone(UTC)


def make_version(stamp: datetime, author: Any) -> str:
    """A record's version: when it was changed last and by whom, ``2026-11-22T12:00:00Z@5725767000000325011``.

    The remote stamps whole seconds: who it was tells our own write from an edit within the very second of it.
    ``author``: the lookup ``Modified_By``, ``None`` where the signed-in user may not see it.
    """
    user = author.get("id") if isinstance(author, Mapping) else None
    return f"{utc_text(stamp)}@{user}" if user else utc_text(stamp)


def stamp_of(version: str) -> datetime:
    """The instant within a version; raises ``ValueError`` for what is none."""
    return read_instant(version.partition("#")[0].partition("@")[0])


def clean(value: Any) -> Any:
    """A field's value in the contract's form."""
    if isinstance(value, str):
        if value == "":
            return None
        if _is_instant(value):
            return utc_text(datetime.fromisoformat(value))
        return value
    if isinstance(value, Mapping):
        return clean_reference(value)
    if isinstance(value, list):
        return [clean_item(item) for item in value]
    return value


def clean_reference(value: Mapping[str, Any]) -> dict[str, Any]:
    """A lookup as its id alone; any other object leaf by leaf."""
    if "id" in value:
        return {"id": str(value["id"])}
    return {name: clean(inner) for name, inner in value.items()}


def clean_item(item: Any) -> Any:
    """An item of a list: its leaves cleaned, its own id kept."""
    if isinstance(item, Mapping):
        return {name: clean(inner) for name, inner in item.items() if not name.startswith("$")}
    return clean(item)
