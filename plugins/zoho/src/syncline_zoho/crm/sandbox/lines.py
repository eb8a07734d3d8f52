"""How the line rows of an update change those a document has.

A row with ``id`` changes that line, one without is appended, ``{"id", "_delete": null}`` removes it, an
empty list removes all, and lines not mentioned stay (Zoho CRM API v8, Update Records, subforms).
"""

from __future__ import annotations

from typing import Any

from syncline_zoho.crm.sandbox.checks import check_mandatory, check_value, invalid, round_to
from syncline_zoho.crm.sandbox.errors import RowError
from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation

Row = dict[str, Any]
MAX_LINES = 200


def merge_lines(
    meta: FieldMeta, module: ModuleMeta, given: Any, existing: list[Row], path: str, org: Organisation
) -> list[Row]:
    """The lines after the write, in order. Raises :class:`RowError`."""
    if given is None or given == []:
        return []
    if not isinstance(given, list):
        raise invalid(meta.name, path, expected_data_type="jsonarray")
    lines = {line["id"]: line for line in existing}
    for place, item in enumerate(given):
        where = f"{path}[{place}]"
        if not isinstance(item, dict):
            raise invalid(meta.name, where, expected_data_type="jsonobject")
        line_id = str(item["id"]) if item.get("id") else None
        if line_id is not None and line_id not in lines:
            raise RowError(
                "INVALID_DATA",
                "the id given seems to be invalid",
                {"api_name": "id", "json_path": f"{where}.id", "id": line_id},
            )
        if "_delete" in item:
            if line_id is None:
                raise invalid("_delete", f"{where}._delete")
            del lines[line_id]
            continue
        now = org.stamp()
        old = lines.get(line_id, {"Created_Time": now}) if line_id else {"Created_Time": now}
        line = {**_line(module, item, old, where, org), "Modified_Time": now}
        line["id"] = line_id or org.new_id()
        lines[line["id"]] = line
    if len(lines) > MAX_LINES:
        raise RowError(
            "LIMIT_EXCEEDED", "limit exceeded", {"api_name": meta.name, "json_path": path, "limit": MAX_LINES}
        )
    return [{**line, "Sequence_Number": number} for number, line in enumerate(lines.values(), 1)]


def _line(module: ModuleMeta, item: Row, old: Row, path: str, org: Organisation) -> Row:
    line = dict(old)
    for name, value in item.items():
        meta = module.fields.get(name)
        if meta is None or meta.read_only or name in ("id", "Sequence_Number"):
            continue
        if name == "Discount":
            _set_discount(line, value, f"{path}.{name}", meta, org)
            continue
        line[name] = check_value(meta, value, f"{path}.{name}", org)
        if name == "Discount_Percentage__s" and line[name] is None:
            line["Discount"] = None
    if line.get("Quantity") is None:
        line["Quantity"] = 1
    if line.get("List_Price") is None:
        product = org.find("Products", line.get("Product_Name") or "")
        line["List_Price"] = (product or {}).get("Unit_Price") or 0
    check_mandatory(module, line, path)
    return line


def _set_discount(line: Row, value: Any, path: str, meta: FieldMeta, org: Organisation) -> None:
    """An amount, or a percentage written as text: ``"5%"``."""
    if isinstance(value, str) and value.endswith("%"):
        percent = check_value(meta, value[:-1], path, org)
        line["Discount_Percentage__s"] = None if percent is None else round_to(percent, 2)
        return
    line["Discount"] = check_value(meta, value, path, org)
    line["Discount_Percentage__s"] = None
