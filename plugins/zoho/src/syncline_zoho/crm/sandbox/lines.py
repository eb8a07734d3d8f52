"""How the line rows of an update change those a document has.

A row with ``id`` changes that line, one without is appended, ``{"id", "_delete": null}`` removes it, an
empty list removes all, and lines not mentioned stay (Zoho CRM API v8, Update Records, subforms).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from syncline_zoho.crm.sandbox.checks import check_mandatory, check_value, invalid, round_to
from syncline_zoho.crm.sandbox.errors import RowError
from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import ENTRIES, Organisation

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
        if not set_discount(line, name, value, f"{path}.{name}", meta, org):
            line[name] = check_value(meta, value, f"{path}.{name}", org)
    if line.get("Quantity") is None:
        line["Quantity"] = 1
    if line.get("List_Price") is None:
        product = org.find("Products", line.get("Product_Name") or "")
        line["List_Price"] = (product or {}).get("Unit_Price") or 0
    if item.get("Price_Book_Name") and line.get("Price_Book_Name"):
        _take_price(line, org)
    check_mandatory(module, line, path)
    return line


def _take_price(line: Row, org: Organisation) -> None:
    """A row that names a price book has its price and the discount of its range, whatever else was sent
    (Zoho's community, Kaizen 9)."""
    book = org.find("Price_Books", line["Price_Book_Name"]) or {}
    price = (book.get(ENTRIES) or {}).get(line.get("Product_Name"))
    if price is None:
        return
    line["List_Price"] = price
    quantity = Decimal(line["Quantity"])
    for step in book.get("Pricing_Details") or ():
        if step["from_range"] <= quantity <= step["to_range"]:
            line["Discount_Percentage__s"] = step["discount"]


def set_discount(row: Row, name: str, value: Any, path: str, meta: FieldMeta, org: Organisation) -> bool:
    """Take one of the two keys of a discount, of a line or of a document: an amount, a percentage, or a
    percentage written as text, ``"5%"``; the later one counts. ``False`` when the key is another."""
    if name == "Discount" and isinstance(value, str) and value.endswith("%"):
        percent = check_value(meta, value[:-1], path, org)
        row["Discount_Percentage__s"] = None if percent is None else round_to(percent, 2)
    elif name == "Discount":
        row["Discount"] = check_value(meta, value, path, org)
        row["Discount_Percentage__s"] = None
    elif name == "Discount_Percentage__s":
        row[name] = check_value(meta, value, path, org)
        if row[name] is None:
            row["Discount"] = None
    else:
        return False
    return True
