"""The organisation's own fields: their definitions, what a body says of them, how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.sandbox.errors import TAKEN, Refused, invalid
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.wire import Row, day_of, flag_of, number_of, rows_of, text_of

#: (entity, api_name, data_type, unique, values)
DEFINED: tuple[tuple[str, str, str, bool, tuple[str, ...]], ...] = (
    *((str(k.entity), "cf_syncline_key", "string", True, ()) for k in KINDS.values() if k.upsert),
    ("contact", "cf_region", "string", False, ()),
    ("contact", "cf_tier", "dropdown", False, ("Gold", "Silver", "Bronze")),
    ("contact", "cf_vip", "check_box", False, ()),
    ("contact", "cf_score", "decimal", False, ()),
    ("contact", "cf_renewal", "date", False, ()),
    ("invoice", "cf_project", "string", False, ()),
    ("item", "cf_shelf", "string", False, ()),
)


def define(ledger: Ledger) -> None:
    """The fields that people have made in a new organisation."""
    for entity, name, kind, unique, values in DEFINED:
        row_id = ledger.new_id()
        ledger.fields.put(
            row_id,
            {
                "customfield_id": row_id,
                "entity": entity,
                "api_name": name,
                "label": name.removeprefix("cf_").replace("_", " ").title(),
                "data_type": kind,
                "is_unique": unique,
                "is_mandatory": False,
                "is_active": True,
                "values": [{"name": value} for value in values],
            },
        )


def fields_of(ledger: Ledger, kind: str) -> list[Row]:
    return [row for row in ledger.fields if row["entity"] == KINDS[kind].entity]


def take(ledger: Ledger, kind: str, record_id: str, held: Mapping[str, Any], given: Any) -> Row:
    """The values by API name after a body's ``custom_fields``: rows with ``customfield_id`` or
    ``api_name``, and ``value``. Those that are not named stay."""
    values = dict(held)
    by_id = {row["customfield_id"]: row for row in fields_of(ledger, kind)}
    by_name = {row["api_name"]: row for row in by_id.values()}
    for entry in rows_of(given, "custom_fields"):
        told = entry.get("customfield_id") or entry.get("custom_field_id")
        row = by_id.get(str(told)) or by_name.get(str(entry.get("api_name")))
        if row is None:
            raise invalid("customfield_id")
        value = _value(row, entry.get("value"))
        if value in (None, ""):
            values.pop(row["api_name"], None)
            continue
        if row["is_unique"]:
            holder = ledger.holder(kind, row["api_name"], str(value))
            if holder not in (None, record_id):
                raise Refused(f'The value "{value}" of {row["label"]} already exists.', TAKEN)
        values[row["api_name"]] = value
    return values


def _value(row: Row, value: Any) -> Any:
    if value in (None, ""):
        return None
    match row["data_type"]:
        case "decimal" | "number" | "amount":
            return number_of(value, row["label"])
        case "check_box":
            return flag_of(value, row["label"])
        case "date":
            return day_of(value, row["label"])
        case "dropdown":
            if value not in [v["name"] for v in row["values"]]:
                raise invalid(row["label"])
            return value
    return text_of({"v": value}, "v", 255, row["label"])


def shown(ledger: Ledger, kind: str, row: Row) -> Row:
    """``custom_fields`` and ``custom_field_hash``: only fields that have a value are told."""
    held = row.get("_custom") or {}
    table: Row = {}
    rows = []
    for field in fields_of(ledger, kind):
        name = field["api_name"]
        if name not in held:
            continue
        value = held[name]
        plain = str(value) if isinstance(value, Decimal) else value
        rows.append(
            {
                "customfield_id": field["customfield_id"],
                "api_name": name,
                "label": field["label"],
                "data_type": field["data_type"],
                "value": value,
                "value_formatted": str(plain),
            }
        )
        table[name] = str(plain)
        table[f"{name}_unformatted"] = value
    return {"custom_fields": rows, "custom_field_hash": table}


def show_definitions(ledger: Ledger, entity: str) -> list[Row]:
    return [dict(row) for row in ledger.fields if row["entity"] == entity]
