"""The organisation's own metadata: fetched once a session, and only when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect import Catalogue
from syncline_zoho.crm.api import Api
from syncline_zoho.crm.fields import LOOKUPS, make_module, subform_of
from syncline_zoho.crm.standard import MODULES, RawField, load_modules

#: of a line row, what belongs to the parent or to the row's history
NOT_OF_A_LINE = frozenset(
    {"id", "Parent_Id", "Created_Time", "Modified_Time", "Created_By", "Modified_By", "Owner", "Tag"}
)


class Metadata:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._fields: dict[str, Sequence[RawField]] = {}
        self._heads: Mapping[str, Mapping[str, Any]] | None = None
        self._standard = load_modules()

    def fields(self, module: str) -> Sequence[RawField]:
        """The fields of a module or subform module, as the fields API tells them."""
        if module not in self._fields:
            body = self._api.get("/crm/v8/settings/fields", {"module": module})
            self._fields[module] = list((body or {}).get("fields") or ())
        return self._fields[module]

    def heads(self) -> Mapping[str, Mapping[str, Any]]:
        """What the modules API says of each module, by API name."""
        if self._heads is None:
            body = self._api.get("/crm/v8/settings/modules") or {}
            self._heads = {head["api_name"]: head for head in body.get("modules") or ()}
        return self._heads

    def is_custom(self, module: str) -> bool:
        return self.heads().get(module, {}).get("generated_type") == "custom"

    def subform_fields(self, module: str) -> Mapping[str, str]:
        """The fields of a module that hold line rows, each with the subform module behind it; known
        offline for the standard modules."""
        known = self._standard.get(module)
        raw_fields = self._fields.get(module) or (self.fields(module) if known is None else known.fields)
        return {raw["api_name"]: sub for raw in raw_fields if (sub := subform_of(raw)) is not None}

    def line_columns(self, subform: str) -> list[str]:
        """The columns of line rows that queries can give."""
        return [
            raw["api_name"]
            for raw in self.fields(subform)
            if raw["api_name"] not in NOT_OF_A_LINE and raw.get("data_type") != "subform"
        ]

    def unique_fields(self, module: str) -> list[str]:
        return [raw["api_name"] for raw in self.fields(module) if raw.get("unique")]

    def catalogue(self) -> Catalogue:
        """The supported modules that the organisation has, and its custom ones, with its own fields."""
        heads = self.heads()
        modules = []
        custom = [name for name in heads if self.is_custom(name)]
        for name in (*MODULES, *custom):
            head = heads.get(name)
            if head is None or not head.get("api_supported", True):
                continue
            raw_fields = self.fields(name)
            subs = [sub for raw in raw_fields if (sub := subform_of(raw)) is not None]
            subforms = {sub: self.fields(sub) for sub in subs}
            modules.append(make_module(name, raw_fields, subforms, head=head))
        return Catalogue((*modules, *LOOKUPS))
