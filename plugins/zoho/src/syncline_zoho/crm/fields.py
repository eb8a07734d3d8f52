"""Zoho CRM's field metadata as the contract's fields.

Types, lengths and the test of writability (``operation_type``) after Zoho CRM API v8, Fields Metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from msgspec.structs import replace

from syncline.connect import Capabilities, Catalogue, Field, FieldType, Reference, RemoteModule
from syncline_zoho.crm.standard import MODULES, RawField, load_custom, load_modules

#: rows a call: writes, reads by ids
BATCH = 100

_TYPES = {
    "integer": FieldType.INTEGER,
    "double": FieldType.DECIMAL,
    "currency": FieldType.DECIMAL,
    "percent": FieldType.DECIMAL,
    "boolean": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.INSTANT,
    "picklist": FieldType.CHOICE,
    "lookup": FieldType.REFERENCE,
    "ownerlookup": FieldType.REFERENCE,
    "userlookup": FieldType.REFERENCE,
    "subform": FieldType.LIST,
    "linetax": FieldType.LIST,
    "multiselectpicklist": FieldType.LIST,
    "multiselectlookup": FieldType.LIST,
    "multiuserlookup": FieldType.LIST,
    "pricing_details": FieldType.LIST,
    "fileupload": FieldType.LIST,
    "imageupload": FieldType.LIST,
}
#: characters, where the metadata's ``length`` is silent (Zoho CRM API v8, Field types)
_TEXT_AREAS = {"small": 2_000, "large": 32_000, "rich_text": 50_000}
_LENGTHY = ("text", "textarea", "email", "phone", "website")
_USER_LOOKUPS = ("ownerlookup", "userlookup")
_COMPUTED = ("autonumber", "formula", "rollup_summary", "bigint_id")
#: told of by the fields API in no organisation, but taken and given by the records API
_LINE_TAX = (
    Field(name="name", label="Name"),
    Field(name="percentage", type=FieldType.DECIMAL, label="Percentage"),
    Field(name="value", type=FieldType.DECIMAL, label="Value", read_only=True),
    Field(name="id", label="Tax", read_only=True),
)
#: a price book's discounts by quantity: a list that is replaced as a whole, whatever ids its rows have
_PRICING = (
    Field(name="from_range", type=FieldType.DECIMAL, label="From", required=True),
    Field(name="to_range", type=FieldType.DECIMAL, label="To", required=True),
    Field(name="discount", type=FieldType.DECIMAL, label="Discount", required=True),
)
#: told of by no metadata: the relation of price books and products. An entry goes by its product's id.
ENTRIES = Field(
    name="Products",
    type=FieldType.LIST,
    label="Products",
    item_id="id",
    fields=(
        Field(
            name="Product_Name",
            type=FieldType.REFERENCE,
            label="Product",
            required=True,
            clearable=False,
            unique=True,
            reference=Reference(module="Products", path="id"),
        ),
        Field(
            name="list_price",
            type=FieldType.DECIMAL,
            label="List Price",
            required=True,
            clearable=False,
            places=2,
        ),
    ),
)
PRICE_BOOKS = "Price_Books"
RANGES = "Pricing_Details"
RANGE_KEYS = tuple(field.name for field in _PRICING)
#: not columns of a record's own data
_SKIPPED = ("Tag", "Locked__s", "Record_Status__s", "Last_Activity_Time")

CURRENCIES = RemoteModule(
    name="Currencies",
    label="Currencies",
    lookup=True,
    fields=(
        Field(name="iso_code", label="Code", unique=True),
        Field(name="name", label="Name"),
        Field(name="symbol", label="Symbol"),
        Field(name="exchange_rate", type=FieldType.DECIMAL, label="Exchange Rate", places=9),
        Field(name="is_base", type=FieldType.BOOLEAN, label="Base"),
        Field(name="is_active", type=FieldType.BOOLEAN, label="Active"),
    ),
    capabilities=Capabilities(incremental=False),
)
USERS = RemoteModule(
    name="Users",
    label="Users",
    lookup=True,
    fields=(
        Field(name="full_name", label="Name"),
        Field(name="email", label="E-mail", unique=True),
        Field(name="status", label="Status"),
    ),
    capabilities=Capabilities(incremental=False),
)
TAXES = RemoteModule(
    name="Taxes",
    label="Taxes",
    lookup=True,
    fields=(
        Field(name="name", label="Name", unique=True),
        Field(name="display_label", label="Label"),
        Field(name="value", type=FieldType.DECIMAL, label="Percentage"),
    ),
    capabilities=Capabilities(incremental=False),
)
LOOKUPS = (CURRENCIES, USERS, TAXES)


def make_field(raw: RawField, line_fields: Sequence[RawField] = ()) -> Field:
    """One field; ``line_fields``: the fields of its subform module, when it has one."""
    kind = data_type_of(raw)
    choices = _choices(raw) if kind == "picklist" else None
    return Field(
        name=raw["api_name"],
        type=_TYPES.get(kind, FieldType.TEXT),
        label=raw.get("field_label") or raw["api_name"].removesuffix("__s").replace("_", " "),
        required=bool(raw.get("system_mandatory")),
        read_only=_read_only(raw, kind),
        unique=bool(raw.get("unique")),
        custom=bool(raw.get("custom_field")),
        max_length=_length(raw, kind),
        places=raw.get("decimal_place") if _TYPES.get(kind) is FieldType.DECIMAL else None,
        choices=choices,
        reference=_reference(raw, kind),
        fields=_inner(kind, line_fields),
        item_id="id" if kind == "subform" else None,
    )


def data_type_of(raw: RawField) -> str:
    """The metadata's word, but for the price ranges: no document gives them one."""
    return "pricing_details" if raw["api_name"] == RANGES else str(raw.get("data_type"))


def _inner(kind: str, line_fields: Sequence[RawField]) -> tuple[Field, ...]:
    if kind == "linetax":
        return _LINE_TAX
    if kind == "pricing_details":
        return _PRICING
    if kind == "subform":
        return tuple(make_field(raw) for raw in line_fields if raw["api_name"] not in ("id", "Parent_Id"))
    return ()


def _read_only(raw: RawField, kind: str) -> bool:
    operations = raw.get("operation_type")
    if isinstance(operations, Mapping):
        return not (operations.get("api_create") or operations.get("api_update"))
    return bool(raw.get("read_only") or raw.get("field_read_only") or kind in _COMPUTED)


def _length(raw: RawField, kind: str) -> int | None:
    if kind not in _LENGTHY:
        return None
    length = raw.get("length")
    if kind == "textarea":
        area = raw.get("textarea") or {}
        return max(int(length or 0), _TEXT_AREAS.get(str(area.get("type")), 0)) or None
    return int(length) if length else None


def _choices(raw: RawField) -> tuple[str, ...] | None:
    """The values in use; ``-None-`` is how the screens show no value."""
    given = raw.get("pick_list_values")
    if not given:
        return None
    values = [
        value if isinstance(value, str) else value.get("actual_value")
        for value in given
        if isinstance(value, str) or value.get("type", "used") == "used"
    ]
    return tuple(value for value in values if value and value != "-None-")


def _reference(raw: RawField, kind: str) -> Reference | None:
    if kind in _USER_LOOKUPS:
        return Reference(module="Users", path="id")
    if kind != "lookup":
        return None
    target = ((raw.get("lookup") or {}).get("module") or {}).get("api_name")
    return Reference(module=target, path="id") if target else None


def make_module(
    name: str,
    raw_fields: Sequence[RawField],
    subforms: Mapping[str, Sequence[RawField]],
    *,
    head: Mapping[str, Any],
) -> RemoteModule:
    """A record module; ``subforms``: fields of its subform modules by API name; ``head``: its metadata."""
    fields = []
    for raw in raw_fields:
        if raw["api_name"] in _SKIPPED or raw["api_name"] == "id":
            continue
        sub = subform_of(raw)
        fields.append(make_field(raw, subforms.get(sub, ()) if sub else ()))
    if name == PRICE_BOOKS:
        fields.append(ENTRIES)
    return RemoteModule(
        name=name,
        label=str(head.get("plural_label") or name),
        fields=tuple(fields),
        capabilities=Capabilities(
            create_batch=BATCH if head.get("creatable", True) else 0,
            update_batch=BATCH if head.get("editable", True) else 0,
            delete=bool(head.get("deletable", True)),
            read_ids_batch=BATCH,
            # nothing tells which price books got other prices
            incremental=name != PRICE_BOOKS,
            conditional=True,
            returns_stored=False,
            deletions=True,
        ),
    )


def subform_of(raw: RawField) -> str | None:
    """The API name of the subform module behind a field. The metadata name it in one of two ways."""
    if data_type_of(raw) != "subform":
        return None
    module = (raw.get("subform") or {}).get("module")
    if isinstance(module, Mapping):
        module = module.get("api_name")
    found = module or (raw.get("associated_module") or {}).get("module")
    return str(found) if found else None


def standard_catalogue(custom: Mapping[str, Mapping[str, Any]] | None = None) -> Catalogue:
    """The standard fields that every organisation has, from the data files; no custom ones, and no choices:
    every organisation has its own currencies and may edit the options of any list. ``custom``: custom modules
    by API name, each with its ``label`` if it has one."""
    labels = {name: str((told or {}).get("label") or "") for name, told in (custom or {}).items()}
    return _catalogue_with(tuple(labels.items()))


@cache
def _catalogue_with(custom: tuple[tuple[str, str], ...]) -> Catalogue:
    known = load_modules() | {name: load_custom(name, label) for name, label in custom}
    raw_by_name = {
        name: [{k: v for k, v in raw.items() if k != "pick_list_values"} for raw in module.fields]
        for name, module in known.items()
    }
    names = [*MODULES, *(name for name, _ in custom)]
    records = [make_module(name, raw_by_name[name], raw_by_name, head=known[name].head) for name in names]
    return Catalogue((*records, *LOOKUPS))


def with_settings(catalogue: Catalogue, idle: Collection[str], taxes: tuple[str, ...] | None) -> Catalogue:
    """The catalogue without the currencies that are not in use (``idle``), and with the names of the taxes
    (``None``: unknown). The fields go on naming a currency that was put out of use."""

    def in_use(field: Field) -> Field:
        if field.name != "Currency" or field.choices is None:
            return field
        return replace(field, choices=tuple(code for code in field.choices if code not in idle))

    modules = []
    for module in catalogue.modules:
        if module.name == TAXES.name:
            fields = tuple(replace(f, choices=taxes) if f.name == "name" else f for f in module.fields)
        else:
            fields = tuple(map(in_use, module.fields)) if idle else module.fields
        modules.append(replace(module, fields=fields))
    return Catalogue(tuple(modules))
