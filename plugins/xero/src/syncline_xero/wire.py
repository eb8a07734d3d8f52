"""Values between Xero's JSON and the engine's form.

Reading: ``/Date(ms)/`` becomes a day or an instant by the field's declared type, an empty text nothing;
what the catalogue does not know (the parallel ``DateString`` and the like) is left out. Writing: nothing
is sent as an empty text where the remote takes one, since it reads ``null`` as "not sent".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from syncline.connect import (
    Field,
    FieldType,
    Items,
    Lock,
    Record,
    RemoteModule,
    RemoteProtocolError,
    State,
    Values,
    Write,
    WriteKind,
)
from syncline_xero.aliases import from_wire
from syncline_xero.catalogue import CATALOGUE
from syncline_xero.documents import DOCUMENTS
from syncline_xero.kinds import KINDS
from syncline_xero.locks import lock_of

_MS_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
#: Numbers that are taken away by writing zero; others cannot be emptied.
_ZERO_CLEARS = {"DiscountRate", "DiscountAmount"}


def id_field(module: str) -> str:
    return KINDS[module].id


# --- reading ---------------------------------------------------------------------------------------


def read_instant(text: str) -> datetime:
    """An aware UTC instant from ``/Date(ms+0000)/`` or ISO 8601; raises RemoteProtocolError."""
    found = _MS_DATE.fullmatch(text)
    try:
        if found:
            return datetime.fromtimestamp(int(found[1]) / 1000, UTC)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise RemoteProtocolError(f"Xero sent a date that cannot be read: {text[:40]!r}") from error
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def instant_text(instant: datetime) -> str:
    """Milliseconds, UTC, ``Z``."""
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Reader = Callable[[Any], Any]
#: Documents that stay when they are ended, and what their state then says.
_ENDING = {m.name for m in DOCUMENTS}
_ENDED = {"VOIDED": State.VOIDED, "DELETED": State.DELETED}
#: Settings that are put away.
_ARCHIVING = {"Accounts", "TrackingCategories"}


def make_reader(fields: Iterable[Field]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function that takes from an object what the catalogue knows, each leaf in the engine's form; absent
    stays absent. Made once a module, since it runs for every record."""
    leaves = {field.name: _leaf_reader(field) for field in fields}

    def read(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: leaf(value) if value is not None else None
            for name, value in raw.items()
            if (leaf := leaves.get(name)) is not None
        }

    return read


def _leaf_reader(field: Field) -> Reader:
    match field.type:
        case FieldType.DATE:
            return _read_day
        case FieldType.INSTANT:
            return lambda value: instant_text(read_instant(str(value))) if value else None
        case FieldType.OBJECT:
            return make_reader(field.fields)
        case FieldType.REFERENCE if field.fields:
            return make_reader(field.fields)
        case FieldType.LIST:
            read = make_reader(field.fields)
            return lambda value: [read(item) for item in value]
        case FieldType.DECIMAL | FieldType.INTEGER:
            return _read_number
    return lambda value: None if value == "" else value


@lru_cache(maxsize=4096)
def _read_day(value: str) -> str | None:
    # Midnight UTC stands for the day itself: it is never moved to the organisation's zone.
    return read_instant(value).date().isoformat() if value else None


def _read_number(value: Any) -> Any:
    if isinstance(value, str):
        return Decimal(value) if value else None
    return value


_READERS = {module.name: make_reader(module.fields) for module in CATALOGUE.modules}


def read_row(module: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row of a list; raises RemoteProtocolError for one of another shape."""
    try:
        return _READERS[module](from_wire(module, raw))
    except (AttributeError, TypeError, ArithmeticError) as error:
        raise RemoteProtocolError(f"Xero sent one of the {module} in a shape that it never has") from error


def read_record(module: RemoteModule, raw: Mapping[str, Any], lock_until: str | None = None) -> Record:
    """A record in full. ``lock_until``: the organisation's later lock date, if known."""
    values = read_row(module.name, raw)
    updated = raw.get("UpdatedDateUTC")
    modified = read_instant(str(updated)) if updated else None
    record_id = raw.get(id_field(module.name))
    if not record_id:
        raise RemoteProtocolError(f"Xero sent one of the {module.name} without its id")
    key = KINDS[module.name].key
    lock: Lock | None = lock_of(module, values, raw, lock_until)
    return Record(
        id=str(record_id),
        version=_version(module.name, values, modified),
        values=values,
        state=_state(module.name, values),
        modified=modified,
        key=values.get(key) if key else None,
        lock=lock,
        complete=True,
        merged_into=values.get("MergedToContactID"),
    )


def _state(module: str, values: Values) -> State:
    if module == "Contacts" and values.get("ContactStatus") in ("ARCHIVED", "GDPRREQUEST"):
        return State.ARCHIVED
    if module in _ENDING:
        return _ENDED.get(str(values.get("Status")), State.LIVE)
    if module in _ARCHIVING and values.get("Status") == "ARCHIVED":
        return State.ARCHIVED
    return State.LIVE


def _version(module: str, values: Values, modified: datetime | None) -> str:
    """The stamp of the last change; with the stock of a tracked item, since that moves without the stamp."""
    if modified is None:
        return _content_hash(values)
    if module == "Items" and values.get("IsTrackedAsInventory"):
        on_hand, pool = (Decimal(values.get(n) or 0) for n in ("QuantityOnHand", "TotalCostPool"))
        return f"{instant_text(modified)} {on_hand.normalize():f} {pool.normalize():f}"
    return instant_text(modified)


def _content_hash(values: Values) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


# --- writing ---------------------------------------------------------------------------------------


def write_element(module: RemoteModule, write: Write) -> dict[str, Any]:
    """One element of a PUT or POST body, without allocations: those are calls of their own."""
    creating = write.kind is WriteKind.CREATE
    values = {name: value for name, value in write.values.items() if name != "Allocations"}
    element = write_values(module.fields, values, creating=creating)
    kind = KINDS[module.name]
    if module.name == "Contacts":
        _complete_contact(element)
    if kind.type is not None and creating:
        element["Type"] = kind.type
    if write.id is not None:
        element[kind.id] = write.id
    if write.kind is WriteKind.ARCHIVE:
        element["ContactStatus"] = "ARCHIVED"
    elif write.kind is WriteKind.RESTORE:
        element["ContactStatus"] = "ACTIVE"
    return element


def write_values(fields: Iterable[Field], values: Values, *, creating: bool) -> dict[str, Any]:
    """Values in Xero's form. Nothing is left out of a create, and told by an empty text in an update."""
    known = {f.name: f for f in fields}
    out: dict[str, Any] = {}
    for name, value in values.items():
        field = known.get(name)
        if field is None:
            out[name] = value
        elif value is None:
            empty = None if creating else _emptied(field)
            if empty is not None:
                out[name] = empty
        else:
            out[name] = _sent(field, value, creating=creating)
    return out


def _emptied(field: Field) -> Any:
    """How "nothing" is said of a field, ``None`` when it cannot be."""
    if not field.clearable:
        return None
    match field.type:
        case FieldType.LIST:
            return []
        case FieldType.DECIMAL | FieldType.INTEGER:
            return 0 if field.name in _ZERO_CLEARS else None
        case FieldType.BOOLEAN:
            return None
        case FieldType.OBJECT:
            return {}
        case FieldType.REFERENCE:
            return "" if field.reference is not None and field.reference.path is None else None
    return ""


def _sent(field: Field, value: Any, *, creating: bool) -> Any:
    if isinstance(value, Items):
        items = []
        for item in value.items:
            sent = write_values(field.fields, item.values, creating=creating or item.id is None)
            if item.id is not None and field.item_id is not None:
                sent[field.item_id] = item.id
                _clear_discount(sent)
            items.append(sent)
        return items
    if field.type is FieldType.REFERENCE and isinstance(value, Mapping):
        # More than the id would change the contact itself and drop the persons it does not list.
        path = field.reference.path if field.reference is not None else None
        return {path: value.get(path)} if path else value
    if field.type is FieldType.OBJECT and isinstance(value, Mapping):
        return write_values(field.fields, value, creating=creating)
    if field.type is FieldType.LIST and isinstance(value, Sequence):
        return [write_values(field.fields, item, creating=creating) for item in value]
    return value


def _clear_discount(line: dict[str, Any]) -> None:
    """A line has a rate or an amount of discount: to take away the one is to leave the other none either."""
    for one, other in (("DiscountRate", "DiscountAmount"), ("DiscountAmount", "DiscountRate")):
        if one in line and not line[one]:
            line.setdefault(other, 0)


def _complete_contact(element: dict[str, Any]) -> None:
    """What Xero insists on: single spaces in a name, and a type beside the days of payment terms."""
    if isinstance(element.get("Name"), str):
        element["Name"] = " ".join(element["Name"].split())
    terms = element.get("PaymentTerms")
    for side in ("Sales", "Bills"):
        term = terms.get(side) if isinstance(terms, dict) else None
        if isinstance(term, dict) and term.get("Day") is not None:
            term.setdefault("Type", "DAYSAFTERBILLDATE")
