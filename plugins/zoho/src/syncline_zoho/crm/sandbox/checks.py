"""What a value must be like before the organisation takes it, field by field.

Kinds, lengths and the error's details after Zoho CRM API v8, Fields Metadata and Insert Records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline_zoho.crm.sandbox.errors import RowError
from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, stamp

PHONE = r"^\+?[(\d][\dA-Za-z ().,;-]*$"
_PHONE = re.compile(PHONE)
EMAIL = r"^[\w][\w.+'&/-]*@[\w-]+(\.[\w-]+)+$"
_EMAIL = re.compile(EMAIL)
WEBSITE = r"^(https?://)?[\w-]+(\.[\w-]+)+([/?#].*)?$"
_WEBSITE = re.compile(WEBSITE, re.IGNORECASE)

Check = Callable[[FieldMeta, Any, str, Organisation], Any]


def check_value(meta: FieldMeta, value: Any, path: str, org: Organisation) -> Any:
    """The value in stored form. Raises :class:`RowError` when the organisation refuses it."""
    if value is None or value == "":
        return None
    check: Check = _CHECKS.get(meta.data_type, _text)
    return check(meta, value, path, org)


def invalid(meta_name: str, path: str, **details: Any) -> RowError:
    return RowError("INVALID_DATA", "invalid data", {**details, "api_name": meta_name, "json_path": path})


def missing(name: str, path: str) -> RowError:
    return RowError("MANDATORY_NOT_FOUND", "required field not found", {"api_name": name, "json_path": path})


def check_mandatory(module: ModuleMeta, row: Mapping[str, Any], path: str) -> None:
    for meta in module.fields.values():
        if meta.mandatory and row.get(meta.name) in (None, "", []):
            raise missing(meta.name, f"{path}.{meta.name}")


def _stored_text(value: str, org: Organisation) -> str | None:
    how = org.switches["rewrite"]
    if "trim" in how:
        value = " ".join(value.split(" ")).strip()
    if "upper" in how:
        value = value.upper()
    if org.switches["cut"]:
        value = value[: int(org.switches["cut"])].rstrip()
    return value or None


def _text(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str | None:
    if not isinstance(value, str):
        raise invalid(meta.name, path, expected_data_type=meta.data_type)
    if meta.length is not None and len(value) > meta.length:
        raise invalid(meta.name, path, maximum_length=meta.length)
    return _stored_text(value, org)


def _pattern(pattern: re.Pattern[str]) -> Check:
    def check(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str | None:
        text = _text(meta, value, path, org)
        if text is not None and not pattern.match(text):
            raise invalid(meta.name, path, regex=pattern.pattern, expected_data_type=meta.data_type)
        return text

    return check


def _picklist(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str | None:
    if not isinstance(value, str):
        raise invalid(meta.name, path, expected_data_type="picklist")
    if meta.name == "Currency" and value not in org.usable_currencies:
        raise invalid(meta.name, path, supported_values=sorted(org.usable_currencies))
    if (
        meta.choices is not None
        and value not in meta.choices
        and org.switches["unknown_picklist"] == "refuse"
    ):
        raise invalid(meta.name, path, supported_values=list(meta.choices))
    return value


def _choices(meta: FieldMeta, value: Any, path: str, org: Organisation) -> list[str]:
    if not isinstance(value, list):
        raise invalid(meta.name, path, expected_data_type="jsonarray")
    texts = [item.get("value", item.get("name")) if isinstance(item, dict) else item for item in value]
    return [text for text in (_picklist(meta, text, path, org) for text in texts) if text is not None]


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _integer(meta: FieldMeta, value: Any, path: str, org: Organisation) -> int:
    number = _number(value) if not isinstance(value, str) else None
    if number is None or number != number.to_integral_value():
        raise invalid(meta.name, path, expected_data_type="integer")
    if meta.length is not None and len(str(abs(int(number)))) > meta.length:
        raise invalid(meta.name, path, maximum_length=meta.length)
    return int(number)


def _bigint(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise invalid(meta.name, path, expected_data_type="bigint")
    if meta.length is not None and len(str(value)) > meta.length:
        raise invalid(meta.name, path, maximum_length=meta.length)
    return str(value)


def _decimal(meta: FieldMeta, value: Any, path: str, org: Organisation) -> Decimal:
    number = _number(value)
    if number is None:
        raise invalid(meta.name, path, expected_data_type="double")
    if abs(number) >= Decimal(10) ** 16:
        raise invalid(meta.name, path, maximum_length=16)
    return round_to(number, meta.places if meta.places is not None else 9)


def round_to(number: Decimal, places: int) -> Decimal:
    """Half away from zero, without trailing noughts: as the remote shows numbers."""
    exact = number.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")
    whole = exact.to_integral_value()
    return whole if exact == whole else exact.normalize()


def _boolean(meta: FieldMeta, value: Any, path: str, org: Organisation) -> bool:
    if not isinstance(value, bool):
        raise invalid(meta.name, path, expected_data_type="boolean")
    return value


def _date(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise invalid(meta.name, path, expected_data_type="date")


def _instant(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str:
    moment = parse_instant(value)
    if moment is None:
        raise invalid(meta.name, path, expected_data_type="datetime")
    return stamp(moment)


def parse_instant(value: Any) -> datetime | None:
    """``yyyy-MM-ddTHH:mm:ss`` and a numeric offset; ``None`` for anything else: ``Z``, milliseconds."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _reference_id(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return str(value) if isinstance(value, str | int) and str(value).isdecimal() else None


def _lookup(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str:
    record_id = _reference_id(value)
    if record_id is None:
        raise invalid(meta.name, path, expected_data_type="jsonobject")
    if meta.lookup in org.stores and org.find(meta.lookup, record_id) is None:
        raise RowError(
            "INVALID_DATA",
            "the id given seems to be invalid",
            {"api_name": meta.name, "json_path": f"{path}.id", "id": record_id},
        )
    return record_id


def _user(meta: FieldMeta, value: Any, path: str, org: Organisation) -> str:
    user_id = _reference_id(value)
    if user_id is None or org.user(user_id) is None:
        raise invalid(meta.name, path, expected_data_type="jsonobject")
    return user_id


def _line_tax(meta: FieldMeta, value: Any, path: str, org: Organisation) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise invalid(meta.name, path, expected_data_type="jsonarray")
    return check_taxes(meta.name, value, path, org)


def _pricing(meta: FieldMeta, value: Any, path: str, org: Organisation) -> list[dict[str, Any]]:
    """A price book's discounts by quantity, replaced as a whole: no document tells of rows that stay."""
    if not isinstance(value, list):
        raise invalid(meta.name, path, expected_data_type="jsonarray")
    found = []
    for place, item in enumerate(value):
        where = f"{path}[{place}]"
        if not isinstance(item, dict):
            raise invalid(meta.name, where, expected_data_type="jsonobject")
        row: dict[str, Any] = {"id": org.new_id()}
        for name in ("from_range", "to_range", "discount"):
            if item.get(name) is None:
                raise missing(name, f"{where}.{name}")
            number = _number(item[name])
            if number is None:
                raise invalid(name, f"{where}.{name}", expected_data_type="double")
            row[name] = number
        found.append(row)
    return found


def check_price(value: Any, path: str) -> Decimal:
    """The price of a product in a price book."""
    if value is None:
        raise missing("list_price", f"{path}.list_price")
    number = _number(value)
    if number is None:
        raise invalid("list_price", f"{path}.list_price", expected_data_type="double")
    return round_to(number, 2)


def check_taxes(name: str, value: list[Any], path: str, org: Organisation) -> list[dict[str, Any]]:
    """Taxes of a line or a document: each known to the organisation by name or id."""
    found = []
    for place, item in enumerate(value):
        where = f"{path}[{place}]"
        if not isinstance(item, dict):
            raise invalid(name, where, expected_data_type="jsonobject")
        tax = next((t for t in org.taxes if item.get("name") == t["name"] or item.get("id") == t["id"]), None)
        if tax is None:
            raise invalid(name, f"{where}.name", supported_values=[t["name"] for t in org.taxes])
        percentage = _number(item.get("percentage", tax["value"]))
        if percentage is None or percentage < 0:
            raise invalid(name, f"{where}.percentage", expected_data_type="double")
        found.append({"name": tax["name"], "id": tax["id"], "percentage": percentage})
    return found


_CHECKS: dict[str, Check] = {
    "phone": _pattern(_PHONE),
    "email": _pattern(_EMAIL),
    "website": _pattern(_WEBSITE),
    "picklist": _picklist,
    "multiselectpicklist": _choices,
    "integer": _integer,
    "bigint": _bigint,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _instant,
    "lookup": _lookup,
    "ownerlookup": _user,
    "userlookup": _user,
    "linetax": _line_tax,
    "pricing_details": _pricing,
}
