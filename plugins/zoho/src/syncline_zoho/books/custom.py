"""The organisation's own fields: what they are, by the API names that specs use.

``GET /settings/preferences/customfields?entity=...`` is in no page of the reference; several public clients
use it, with ``customfields`` rows of ``customfield_id``, ``label`` and ``data_type``. Recorded details carry
``api_name`` as well; where a row has none, it is made from the label as Zoho makes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syncline.connect import Field, FieldType, PermissionMissing, RemoteProtocolError
from syncline_zoho.books.api import Api
from syncline_zoho.books.kinds import Kind

_PATH = "/settings/preferences/customfields"
_TYPES: Mapping[str, FieldType] = {
    "number": FieldType.INTEGER,
    "autonumber": FieldType.TEXT,
    "decimal": FieldType.DECIMAL,
    "amount": FieldType.DECIMAL,
    "percent": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "check_box": FieldType.BOOLEAN,
    "dropdown": FieldType.CHOICE,
}
#: Zoho Books, Custom fields: a single line of text
_TEXT = 255


class CustomFields:
    """Read once a session for each kind of record, when they are first needed."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {}

    def fields(self, kind: Kind) -> tuple[Field, ...]:
        return tuple(_field(name, row) for name, row in self._of(kind).items())

    def id_of(self, kind: Kind, name: str) -> str:
        """The id under which a field is written. Raises KeyError."""
        return str(self._of(kind)[name]["customfield_id"])

    def is_unique(self, kind: Kind, name: str) -> bool:
        row = self._of(kind).get(name)
        return bool(row and row.get("is_unique"))

    def _of(self, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
        if kind.entity is None:
            return {}
        if kind.entity not in self._rows:
            try:
                body = self._api.get(_PATH, {"entity": kind.entity})
            except (PermissionMissing, RemoteProtocolError) as error:
                if error.status not in (400, 403, 404):
                    raise
                # an edition without custom fields for this kind of record: it has none, then
                body = {"customfields": []}
            rows = body.get("customfields") or body.get("custom_fields") or []
            found = {}
            for row in rows if isinstance(rows, list) else ():
                if isinstance(row, Mapping) and row.get("customfield_id") and row.get("is_active", True):
                    found[api_name(row)] = row
            self._rows[kind.entity] = found
        return self._rows[kind.entity]


def api_name(row: Mapping[str, Any]) -> str:
    told = row.get("api_name")
    if told:
        return str(told)
    return "cf_" + re.sub(r"[^a-z0-9]+", "_", str(row.get("label") or "").lower()).strip("_")


def _field(name: str, row: Mapping[str, Any]) -> Field:
    kind = _TYPES.get(str(row.get("data_type") or "string"), FieldType.TEXT)
    values = row.get("values")
    choices = None
    if kind is FieldType.CHOICE and isinstance(values, list):
        choices = tuple(str(v.get("name") if isinstance(v, Mapping) else v) for v in values)
    return Field(
        name=name,
        type=kind,
        label=str(row.get("label") or ""),
        custom=True,
        required=bool(row.get("is_mandatory")),
        unique=bool(row.get("is_unique")),
        read_only=row.get("data_type") in ("autonumber", "formula"),
        clearable=kind not in (FieldType.BOOLEAN, FieldType.INTEGER, FieldType.DECIMAL),
        max_length=_TEXT if kind is FieldType.TEXT and row.get("data_type") in (None, "string") else None,
        choices=choices,
    )
