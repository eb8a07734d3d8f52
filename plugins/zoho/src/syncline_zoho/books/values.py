"""Values between the JSON of Zoho Books and the engine's form.

What the remote writes for nothing is ``""`` (recorded replies never hold null); amounts come as numbers or
as text; instants come in the organisation's zone with an offset and no colon, ``2026-06-09T09:45:21-0400``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.connect import Field, FieldType, RemoteProtocolError

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")
_TRUE = {"true": True, "false": False}


def read_instant(text: Any) -> datetime | None:
    """Aware UTC, ``None`` for what is no instant with an offset."""
    if not isinstance(text, str) or len(text) > 40 or not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def utc_text(instant: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ``: whole seconds, as this remote keeps them."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wire_instant(instant: datetime) -> str:
    """As filters take it, ``2023-11-18T02:02:51+0000`` (Zoho Books API v3, List invoices)."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


# --- reading ---------------------------------------------------------------------------------------


def read_values(fields: Iterable[Field], raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the catalogue knows of an object, each leaf in the engine's form; absent stays absent."""
    values: dict[str, Any] = {}
    for field in fields:
        name = field.name
        if name == "discount_percent":
            if "discount" in raw:
                values |= read_discount(raw["discount"])
        elif name == "discount_amount":
            continue  # with the per cent: on the wire the word also stands for what a per cent comes to
        elif name in raw:
            values[name] = read_leaf(field, raw[name])
    return values


def read_discount(raw: Any) -> dict[str, Any]:
    """``"10%"`` or ``"10.00%"`` is a per cent, a number an amount; nought is none."""
    percent = isinstance(raw, str) and raw.strip().endswith("%")
    number = read_number(raw.strip().rstrip("%") if isinstance(raw, str) else raw) or None
    return {"discount_percent": number if percent else None, "discount_amount": None if percent else number}


def read_leaf(field: Field, value: Any) -> Any:
    """One value; junk where another type was declared is nothing, never a crash."""
    if value is None or value == "":
        return None
    match field.type:
        case FieldType.DECIMAL | FieldType.INTEGER:
            return read_number(value)
        case FieldType.BOOLEAN:
            return value if isinstance(value, bool) else _TRUE.get(str(value).lower())
        case FieldType.DATE:
            return value if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) else None
        case FieldType.INSTANT:
            moment = read_instant(value)
            return None if moment is None else utc_text(moment)
        case FieldType.OBJECT:
            return read_values(field.fields, value) if isinstance(value, Mapping) else None
        case FieldType.LIST:
            rows = value if isinstance(value, list) else []
            if not field.fields:
                return [str(row) for row in rows]
            return [read_values(field.fields, row) for row in rows if isinstance(row, Mapping)]
    # an id may be typed as a number in one place, and as text in another
    return value if isinstance(value, str) else str(value)


def read_number(value: Any) -> Decimal | int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | Decimal):
        return value
    try:
        number = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def custom_values(fields: Sequence[Field], raw: Mapping[str, Any]) -> dict[str, Any]:
    """The organisation's own fields of a record, by their API names; one that is not told is empty.

    They come as ``custom_fields`` (rows with ``api_name`` and ``value``) and as ``custom_field_hash``
    (``cf_name``, with ``cf_name_unformatted`` beside it).
    """
    if "custom_fields" not in raw and "custom_field_hash" not in raw:
        return {}
    told: dict[str, Any] = {}
    table = raw.get("custom_field_hash")
    if isinstance(table, Mapping):
        told |= {str(n): table.get(f"{n}_unformatted", v) for n, v in table.items()}
    rows = raw.get("custom_fields")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("api_name"):
            told[str(row["api_name"])] = row.get("value")
    return {field.name: read_leaf(field, told.get(field.name)) for field in fields}


# --- writing ---------------------------------------------------------------------------------------


def wire_leaf(field: Field, value: Any) -> Any:
    """A value as the remote takes it: nothing is the empty text, or nought where it is a number."""
    if value is None:
        return 0 if field.type in (FieldType.DECIMAL, FieldType.INTEGER) else ""
    if field.type is FieldType.OBJECT and isinstance(value, Mapping):
        inner = {f.name: f for f in field.fields}
        return {name: wire_leaf(inner[name], part) for name, part in value.items() if name in inner}
    if field.type is FieldType.LIST and isinstance(value, list | tuple):
        inner = {f.name: f for f in field.fields}
        return [
            {name: wire_leaf(inner[name], part) for name, part in row.items() if name in inner}
            for row in value
        ]
    return value


def wire_discount(values: Mapping[str, Any]) -> dict[str, Any]:
    """``discount`` from its two fields; the per cent goes first where both are given."""
    if "discount_percent" not in values and "discount_amount" not in values:
        return {}
    percent, amount = values.get("discount_percent"), values.get("discount_amount")
    if percent:
        return {"discount": f"{Decimal(percent):f}%"}
    return {"discount": amount or 0}


def as_object(body: Any, key: str) -> Mapping[str, Any]:
    """The object under a key of a reply; raises RemoteProtocolError when it is not there."""
    found = body.get(key) if isinstance(body, Mapping) else None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping):
        raise RemoteProtocolError(f"Zoho Books' answer does not hold {key}")
    return found


def same(sent: Any, stored: Any) -> bool:
    """Whether a stored value is what became of a sent one: text may be trimmed, numbers rescaled."""
    if sent in (None, "", 0, False) and not isinstance(sent, Decimal):
        return stored in (None, "", 0, False)
    if isinstance(sent, bool) or isinstance(stored, bool):
        return bool(sent) is bool(stored)
    if isinstance(sent, int | Decimal) and isinstance(stored, int | Decimal):
        return abs(Decimal(sent) - Decimal(stored)) <= Decimal("0.000001")
    if isinstance(sent, Mapping):
        return isinstance(stored, Mapping) and all(same(v, stored.get(k)) for k, v in sent.items())
    return " ".join(str(sent).split()).casefold() == " ".join(str(stored or "").split()).casefold()
