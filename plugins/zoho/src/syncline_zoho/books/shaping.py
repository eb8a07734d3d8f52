"""A write's values as the bodies that Zoho Books takes.

What the remote replaces as a whole (lines, addresses, contact persons) is always sent whole: what is stored,
with what shall change laid over it. What is not to change is not sent at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect import Field, FieldType, Items, Write, WriteKind
from syncline_zoho.books.custom import CustomFields
from syncline_zoho.books.kinds import Kind
from syncline_zoho.books.reading import remote_module
from syncline_zoho.books.reference import NAMED, References
from syncline_zoho.books.values import wire_discount, wire_leaf

Values = Mapping[str, Any]
#: a contact's fields that stand in its primary contact person
PRIMARY = ("first_name", "last_name", "email", "phone", "mobile")
#: reached by calls of their own
_APART = frozenset({"status"})
#: of a payment that pays one invoice: what is told as its list of invoices
_ONE_PAID = frozenset({"invoice_id", "amount"})
_DISCOUNT = frozenset({"discount_percent", "discount_amount"})
#: what an item of a list may hold besides the fields of the catalogue, and would lose if it were not sent
#: back (Zoho Books API v3, the bodies of documents and contacts)
_KEPT: Mapping[str, tuple[str, ...]] = {
    "line_items": (
        "header_name", "project_id", "tags", "location_id", "hsn_or_sac", "product_type", "time_entry_ids",
        "expense_id", "bill_id", "bill_item_id", "salesorder_item_id", "purchaseorder_item_id",
        "tax_exemption_id", "tax_treatment_code", "item_custom_fields", "is_billable", "customer_id",
        "invoice_item_id",
    ),
    "contact_persons": ("skype", "enable_portal", "communication_preference"),
}  # fmt: skip


def needs_stored(kind: Kind, values: Values) -> bool:
    """Whether an update must know what is stored, in order to send whole what is replaced as a whole."""
    fields = {field.name: field for field in remote_module(kind.name).fields}
    if apart(kind, values):
        return True
    if kind.name == "contacts" and any(name in values for name in PRIMARY):
        return True
    if kind.name == "customerpayments" and _ONE_PAID & values.keys():
        return True
    return any(
        isinstance(value, Items) or (name in fields and fields[name].type is FieldType.OBJECT)
        for name, value in values.items()
    )


def apart(kind: Kind, values: Values) -> dict[str, Any]:
    """The part of a write that takes calls of its own: a status, a credit note's applications."""
    names = _APART | ({"invoices"} if kind.name == "creditnotes" else set())
    return {name: _plain(values[name]) for name in names if name in values}


def _plain(value: Any) -> Any:
    """A list told item by item as the rows that it shall have: applications are no rows that are updated."""
    return [item.values for item in value.items] if isinstance(value, Items) else value


def make_body(
    kind: Kind,
    write: Write,
    stored: Values | None,
    references: References,
    custom: CustomFields,
    raw: Values | None = None,
) -> dict[str, Any]:
    """The body of a create or an update, empty when all of it takes other calls.

    ``stored``: the record's values as read just now, for an update that needs them; ``raw``: the same as the
    remote told them. Raises UnknownName.
    """
    separate = apart(kind, write.values)
    values = {name: value for name, value in write.values.items() if name not in separate}
    fields = {field.name: field for field in remote_module(kind.name).fields}
    own = {field.name: field for field in custom.fields(kind)} if _names_custom(values) else {}
    body: dict[str, Any] = wire_discount(values)
    named = {name: values.pop(name) for name in list(values) if name in NAMED or name in _ids_of_names()}
    for name, value in references.with_ids(named).items():
        body[name] = "" if value is None else value
    rows = []
    for name, value in values.items():
        field = fields.get(name)
        if name in own:
            leaf = wire_leaf(own[name], value) if value is not None else ""
            rows.append({"customfield_id": custom.id_of(kind, name), "value": leaf})
        elif (
            field is None
            or field.read_only
            or name in _DISCOUNT
            or (kind.name == "customerpayments" and name == "invoice_id")
            or (kind.name == "contacts" and (name in PRIMARY or name == "contact_persons"))
        ):
            continue
        elif isinstance(value, Items):
            body[name] = _items(field, value, stored, references, raw)
        elif field.type is FieldType.OBJECT and isinstance(value, Mapping):
            held = (stored or {}).get(name)
            body[name] = wire_leaf(field, {**(held if isinstance(held, Mapping) else {}), **value})
        else:
            body[name] = wire_leaf(field, value)
    if kind.name == "contacts" and main_person(kind, values, stored) is None:
        persons = _persons(fields["contact_persons"], values, stored, raw)
        if persons is not None:
            body["contact_persons"] = persons
    if kind.name == "customerpayments":
        body |= _paid(values, stored)
    if rows:
        body["custom_fields"] = rows
    if kind.name == "creditnotes" and write.kind is WriteKind.CREATE and separate.get("status") == "draft":
        body["is_draft"] = True
    return body


def _paid(values: Values, stored: Values | None) -> dict[str, Any]:
    """The list of invoices of a payment of one invoice, where a write is about that; all of it pays it."""
    held = stored or {}
    invoice = values.get("invoice_id") or held.get("invoice_id")
    if invoice is None or "invoices" in values or not _ONE_PAID & values.keys():
        return {}
    amount = values.get("amount", held.get("amount"))
    return {"invoices": [{"invoice_id": invoice, "amount_applied": amount}]}


def _names_custom(values: Values) -> bool:
    return any(name.startswith("cf_") for name in values)


def _ids_of_names() -> frozenset[str]:
    return frozenset(id_field for id_field, _ in NAMED.values())


def _kept(field: Field, raw: Values | None) -> dict[str, dict[str, Any]]:
    """By item id, what is sent back as it was."""
    found = {}
    for row in (raw or {}).get(field.name) or ():
        if isinstance(row, Mapping):
            held = {n: row[n] for n in _KEPT.get(field.name, ()) if row.get(n) not in (None, "", [], {})}
            found[str(row.get(field.item_id or ""))] = held
    return found


def _items(
    field: Field, value: Items, stored: Values | None, references: References, raw: Values | None
) -> list[dict[str, Any]]:
    """Every item, in order: what an item's id stands for is sent whole, since it is replaced as a whole."""
    held = {str(row.get(field.item_id or "")): row for row in (stored or {}).get(field.name) or ()}
    kept = _kept(field, raw)
    inner = {f.name: f for f in field.fields if not f.read_only}
    rows = []
    for place, item in enumerate(value.items, 1):
        base = {n: v for n, v in held.get(str(item.id), {}).items() if n in inner and v is not None}
        given = {n: v for n, v in item.values.items() if n in inner}
        for name, (id_field, _) in NAMED.items():
            # whichever of name and id is given ousts the other that is stored
            if name in given and id_field not in given:
                base.pop(id_field, None)
            if id_field in given and name not in given:
                base.pop(name, None)
        if _DISCOUNT & given.keys():
            for name in _DISCOUNT:
                base.pop(name, None)
        whole = {**base, **given}
        row: dict[str, Any] = {} if item.id is None else {str(field.item_id): item.id}
        row |= kept.get(str(item.id), {})
        row |= wire_discount(whole) if _DISCOUNT & inner.keys() else {}
        for name, leaf in references.with_ids(whole).items():
            if name in inner and name not in _DISCOUNT:
                row[name] = wire_leaf(inner[name], leaf)
        if field.name == "line_items":
            row["item_order"] = place
        rows.append(row)
    return rows


def main_person(kind: Kind, values: Values, stored: Values | None) -> tuple[str, dict[str, Any]] | None:
    """What a write of a contact says of the person in whom its name, mail and telephones stand: that person's
    id, and the body of a call of its own. ``None`` when nothing is said of somebody who is there, or it can
    only be told with the whole list of persons: such a call takes nobody without a first name."""
    told = [name for name in PRIMARY if name in values]
    if kind.name != "contacts" or not told or isinstance(values.get("contact_persons"), Items):
        return None
    held = _held(stored)
    if not held:
        return None
    main = next((row for row in held if row.get("is_primary_contact")), held[0])
    if not {**main, **values}.get("first_name"):
        return None
    inner = {field.name: field for field in remote_module("contactpersons").fields}
    return str(main["contact_person_id"]), {name: wire_leaf(inner[name], values[name]) for name in told}


def _held(stored: Values | None) -> list[Values]:
    return [row for row in (stored or {}).get("contact_persons") or () if isinstance(row, Mapping)]


def _persons(
    field: Field, values: Values, stored: Values | None, raw: Values | None
) -> list[dict[str, Any]] | None:
    """The contact persons with the fields of the primary one laid over it; ``None`` when nothing is said
    of them. One who is left out of the list is removed by the remote."""
    overlay = {name: values[name] for name in PRIMARY if name in values}
    given = values.get("contact_persons")
    if not overlay and given is None:
        return None
    inner = {f.name: f for f in field.fields if not f.read_only}
    held = _held(stored)
    by_id = {str(row.get("contact_person_id")): row for row in held}
    persons: list[dict[str, Any]] = []
    if isinstance(given, Items):
        for item in given.items:
            base = {n: v for n, v in by_id.get(str(item.id), {}).items() if n in inner}
            person = {**base, **{n: v for n, v in item.values.items() if n in inner}}
            if item.id is not None:
                person["contact_person_id"] = item.id
                person["is_primary_contact"] = bool(by_id.get(str(item.id), {}).get("is_primary_contact"))
            persons.append(person)
    else:
        for row in held:
            person = {n: v for n, v in row.items() if n in inner}
            person["contact_person_id"] = row["contact_person_id"]
            person["is_primary_contact"] = bool(row.get("is_primary_contact"))
            persons.append(person)
    if overlay:
        primary = next((p for p in persons if p.get("is_primary_contact")), None)
        if primary is None and persons:
            primary = persons[0]
        if primary is None and any(value is not None for value in overlay.values()):
            primary = {}
            persons.append(primary)
        if primary is not None:
            primary |= overlay
            primary["is_primary_contact"] = True
    kept = _kept(field, raw)
    return [
        {
            **kept.get(str(person.get("contact_person_id")), {}),
            **{n: (wire_leaf(inner[n], v) if n in inner else v) for n, v in person.items()},
        }
        for person in persons
    ]
