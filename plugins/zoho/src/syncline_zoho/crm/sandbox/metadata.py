"""The metadata of the sandbox's organisation: its modules and fields, custom ones included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct, field

from syncline_zoho.crm.standard import SUBFORMS, StandardModule, load_custom, load_modules

JSON_TYPES = {
    "integer": "integer",
    "boolean": "boolean",
    "double": "double",
    "currency": "double",
    "percent": "double",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
    "userlookup": "jsonobject",
    "subform": "jsonarray",
    "linetax": "jsonarray",
    "pricing_details": "jsonarray",
    "multiselectpicklist": "jsonarray",
}
LOOKUPS = ("lookup",)
USERS = ("ownerlookup", "userlookup")
#: what neither lists nor queries give
RECORD_ONLY = ("subform", "pricing_details")


class FieldMeta(Struct, kw_only=True):
    """One field; plain attributes because every request looks at them."""

    name: str
    data_type: str
    id: str
    raw: Mapping[str, Any]
    length: int | None = None
    places: int | None = None
    mandatory: bool = False
    read_only: bool = False
    unique: bool = False
    custom: bool = False
    rich: bool = False
    lookup: str | None = None
    subform: str | None = None
    choices: tuple[str, ...] | None = None
    hidden: bool = False

    def body(self) -> dict[str, Any]:
        """The field as the fields API tells it (Zoho CRM API v8, Fields Metadata)."""
        writable = not self.read_only
        label = self.raw.get("field_label") or self.name.removesuffix("__s").replace("_", " ")
        body: dict[str, Any] = {
            "api_name": self.name,
            "field_label": label,
            "display_label": label,
            "id": self.id,
            "data_type": self.data_type,
            "json_type": JSON_TYPES.get(self.data_type, "string"),
            "length": self.length,
            "decimal_place": self.places,
            "system_mandatory": self.mandatory,
            "read_only": self.read_only,
            "field_read_only": self.read_only,
            "visible": True,
            "custom_field": self.custom,
            "unique": {"casesensitive": "false"} if self.unique else {},
            "external": None,
            "operation_type": {
                "web_create": writable,
                "web_update": writable,
                "api_create": writable,
                "api_update": writable,
            },
            "lookup": {},
            "subform": None,
            "pick_list_values": [],
            "multiselectlookup": {},
            "formula": {},
            "rollup_summary": {},
            "auto_number": {},
            "currency": {},
            "searchable": True,
            "sortable": self.name in ("id", "Created_Time", "Modified_Time"),
            "filterable": True,
            "mass_update": writable,
            "virtual_field": False,
            "type": "used",
            "created_source": "default",
            "tooltip": None,
            "profiles": [
                {"name": "Administrator", "id": "5725767000000325021", "permission_type": "read_write"}
            ],
        }
        if self.lookup:
            body["lookup"] = {
                "display_label": label,
                "api_name": None,
                "module": {"api_name": self.lookup, "id": None},
            }
        if self.subform:
            body["subform"] = {"module": self.subform, "id": self.id}
            body["associated_module"] = {"module": self.subform, "id": self.id}
        if self.data_type == "currency":
            body["currency"] = {"rounding_option": "normal", "precision": self.places}
        if self.data_type == "textarea":
            body["textarea"] = {"type": self.raw["textarea"]["type"]}
        if self.choices is not None:
            body["pick_list_values"] = [
                {
                    "actual_value": value,
                    "display_value": value,
                    "reference_value": value,
                    "sequence_number": place + 1,
                    "id": f"{self.id[:-3]}{place:03d}",
                    "type": "used",
                    "colour_code": None,
                }
                for place, value in enumerate(self.choices)
            ]
        return body


class ModuleMeta(Struct, kw_only=True):
    """One module; ``fields`` by API name, in order. ``parent``: of a subform, the module it belongs to."""

    name: str
    id: str
    head: Mapping[str, Any]
    fields: dict[str, FieldMeta] = field(default_factory=dict)
    parent: str | None = None
    parent_field: str | None = None

    @property
    def display_field(self) -> str:
        return str(self.head["display_field"])

    @property
    def duplicate_field(self) -> str | None:
        return self.head.get("duplicate_field")

    @property
    def custom(self) -> bool:
        return self.head.get("generated_type") == "custom"

    @property
    def listed(self) -> list[str]:
        """The fields that lists, queries and exports give."""
        return [meta.name for meta in self.fields.values() if meta.data_type not in RECORD_ONLY]

    @property
    def lines(self) -> FieldMeta | None:
        """Of an inventory document, the subform whose rows it adds up."""
        return next((meta for meta in self.subforms if meta.subform in SUBFORMS), None)

    @property
    def subforms(self) -> list[FieldMeta]:
        return [meta for meta in self.fields.values() if meta.subform]

    @property
    def unique_fields(self) -> list[str]:
        return [meta.name for meta in self.fields.values() if meta.unique]

    def body(self) -> dict[str, Any]:
        """The module as the modules API tells it (Zoho CRM API v8, Modules Metadata)."""
        top = self.parent is None
        return {
            "api_name": self.name,
            "module_name": self.head["module_name"],
            "id": self.id,
            "generated_type": self.head.get("generated_type", "default"),
            "api_supported": True,
            "creatable": top,
            "editable": top,
            "deletable": top,
            "viewable": True,
            "visible": True,
            "visibility": 1,
            "show_as_tab": top,
            "status": "visible",
            "inventory_template_supported": self.lines is not None,
            "quick_create": top,
            "singular_label": self.head["singular_label"],
            "plural_label": self.head["plural_label"],
            "parent_module": {"api_name": self.parent} if self.parent else {},
            "modified_time": None,
            "modified_by": None,
            "profiles": [{"name": "Administrator", "id": "5725767000000325021"}],
            "sequence_number": 1,
            "business_card_field_limit": 5,
            "web_link": None,
            "arguments": [],
            "per_page": 200,
        }


def load_metadata() -> dict[str, ModuleMeta]:
    """The standard modules with this organisation's custom fields and picklists, by API name."""
    folder = resources.files("syncline_zoho.crm.sandbox") / "data"
    custom = msgspec.json.decode((folder / "custom_fields.json").read_bytes())
    picklists = msgspec.json.decode((folder / "picklists.json").read_bytes())
    modules: dict[str, ModuleMeta] = {}
    known = load_modules()
    own = msgspec.json.decode((folder / "custom_modules.json").read_bytes())
    for name, told in own.items():
        known[name] = load_custom(name, told["label"])
        custom[name] = told["fields"]
    for number, (name, standard) in enumerate(known.items()):
        modules[name] = make_module(standard, custom.get(name, ()), picklists.get(name, {}), number)
    for meta in modules.values():
        for sub in meta.subforms:
            if sub.subform is not None:
                modules[sub.subform].parent, modules[sub.subform].parent_field = meta.name, sub.name
    return modules


def make_module(
    standard: StandardModule,
    custom: Sequence[Mapping[str, Any]],
    picklists: Mapping[str, Sequence[str]],
    number: int,
) -> ModuleMeta:
    """One module of the organisation. ``number``: of its own, for its ids and its fields'."""
    meta = ModuleMeta(name=standard.name, id=f"5725767000000{2000 + number:06d}", head=standard.head)
    for place, raw in enumerate([*standard.fields, *custom]):
        values = picklists.get(raw["api_name"], raw.get("pick_list_values"))
        field_id = f"5725767{number + 1:03d}{place:06d}000"
        meta.fields[raw["api_name"]] = make_field({**raw, "pick_list_values": values}, field_id)
    return meta


def make_field(raw: Mapping[str, Any], field_id: str) -> FieldMeta:
    """A field from its data file entry (see :mod:`syncline_zoho.crm.standard`)."""
    choices = raw.get("pick_list_values")
    return FieldMeta(
        name=raw["api_name"],
        data_type=raw["data_type"],
        id=field_id,
        raw=raw,
        length=raw.get("length"),
        places=raw.get("decimal_place"),
        mandatory=bool(raw.get("system_mandatory")),
        read_only=bool(raw.get("read_only")),
        unique=bool(raw.get("unique")),
        custom=bool(raw.get("custom_field")),
        rich=raw.get("textarea", {}).get("type") == "rich_text",
        lookup=raw["lookup"]["module"]["api_name"] if raw.get("lookup") else None,
        subform=raw["subform"]["module"] if raw.get("subform") else None,
        choices=tuple(choices) if choices is not None else None,
    )
