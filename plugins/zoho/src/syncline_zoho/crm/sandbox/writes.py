"""What a write does to a record: checks, uniqueness, computed fields, the stamp, the workflow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from syncline_zoho.crm.sandbox.checks import (
    check_mandatory,
    check_taxes,
    check_value,
    invalid,
    missing,
    round_to,
)
from syncline_zoho.crm.sandbox.errors import RowError
from syncline_zoho.crm.sandbox.lines import merge_lines, set_discount
from syncline_zoho.crm.sandbox.metadata import ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, moment
from syncline_zoho.crm.sandbox.render import Renderer
from syncline_zoho.crm.sandbox.totals import total_document

Row = dict[str, Any]
#: What a write may set off: the triggers, which a call names, and cadences, which it can only leave out.
TRIGGERS = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")
AUTOMATIONS = (*TRIGGERS, "cadences")


class Writer:
    """Writes of one request. ``actor``: the user id it is done by; ``sets_off``: what each stored record sets
    off (:data:`AUTOMATIONS`)."""

    def __init__(self, org: Organisation, renderer: Renderer, actor: str, sets_off: Collection[str]) -> None:
        self._org = org
        self._renderer = renderer
        self._actor = actor
        self._sets_off = sets_off

    def insert(self, module: ModuleMeta, raw: Mapping[str, Any], path: str) -> Row:
        """Store a new record and return it; raises :class:`RowError` and stores nothing."""
        row = self._merge(module, raw, {}, path)
        check_mandatory(module, row, path)
        self._check_unique(module, row, None, path)
        now = self._org.stamp()
        row = {
            "id": self._org.new_id(),
            "Owner": self._actor,
            "Created_By": self._actor,
            "Created_Time": now,
            "Record_Status__s": "Available",
            "Locked__s": False,
            **row,
        }
        for meta in module.fields.values():
            if meta.data_type == "autonumber":
                row[meta.name] = str(self._org.next_number(meta.name.lower()))
        return self._store(module, row, now)

    def update(
        self, module: ModuleMeta, raw: Mapping[str, Any], path: str, unmodified_since: datetime | None = None
    ) -> Row:
        record_id = str(raw.get("id") or "")
        if not record_id:
            raise missing("id", f"{path}.id")
        old = self._org.find(module.name, record_id)
        if old is None:
            raise RowError(
                "INVALID_DATA",
                "the id given seems to be invalid",
                {"id": record_id, "api_name": "id", "json_path": f"{path}.id"},
            )
        if unmodified_since is not None and moment(old["Modified_Time"]) > unmodified_since:
            raise RowError("ALREADY_MODIFIED", "record already modified", self.details(old), status=412)
        row = self._merge(module, raw, old, path)
        for name in raw:
            meta = module.fields.get(name)
            if meta is not None and meta.mandatory and not meta.subform and row.get(name) is None:
                raise missing(name, f"{path}.{name}")
        self._check_unique(module, row, record_id, path)
        return self._store(module, row, self._org.stamp())

    def upsert(
        self,
        module: ModuleMeta,
        raw: Mapping[str, Any],
        path: str,
        check_fields: Sequence[str] | None,
        unmodified_since: datetime | None,
    ) -> tuple[Row, str, str | None]:
        """(record, ``insert`` or ``update``, the field that matched)."""
        found, by = self._match(module, raw, check_fields)
        if found is None:
            return self.insert(module, raw, path), "insert", None
        return self.update(module, {**raw, "id": found}, path, unmodified_since), "update", by

    def delete(self, module: ModuleMeta, record_id: str) -> None:
        try:
            self._org.remove(module.name, record_id, self._actor)
        except KeyError:
            raise RowError("INVALID_DATA", "record not deleted", {"id": record_id}) from None

    def details(self, row: Row) -> Row:
        """What a successful row tells of the stored record."""
        return {
            "id": row["id"],
            "Created_Time": self._renderer.instant(row["Created_Time"]),
            "Modified_Time": self._renderer.instant(row["Modified_Time"]),
            "Created_By": self._renderer.user(row["Created_By"]),
            "Modified_By": self._renderer.user(row["Modified_By"]),
            "$approval_state": "approved",
        }

    # --- the parts --------------------------------------------------------------------------------

    def _store(self, module: ModuleMeta, row: Row, now: str) -> Row:
        row = {**row, "Modified_Time": now, "Modified_By": self._actor}
        row = self._compute(module, row)
        self._org.put(module.name, row)
        self._org.effects.update(self._sets_off)
        if "workflow" in self._sets_off:
            self._org.fire(module.name, row["id"])
        return row

    def _merge(self, module: ModuleMeta, raw: Mapping[str, Any], old: Row, path: str) -> Row:
        row = dict(old)
        for name, value in raw.items():
            if name == "$line_tax" and module.lines is not None:
                if not isinstance(value, list):
                    raise invalid(name, f"{path}.{name}", expected_data_type="jsonarray")
                row[name] = check_taxes(name, value, f"{path}.{name}", self._org)
                continue
            meta = module.fields.get(name)
            # unknown names and computed fields are passed over in silence, as the remote does
            if meta is None or meta.read_only or meta.hidden:
                continue
            where = f"{path}.{name}"
            if meta.subform is not None:
                lines = merge_lines(
                    meta, self._org.meta[meta.subform], value, old.get(name) or [], where, self._org
                )
                row[name] = lines
            elif module.lines is None or not set_discount(row, name, value, where, meta, self._org):
                row[name] = check_value(meta, value, where, self._org)
        return row

    def _compute(self, module: ModuleMeta, row: Row) -> Row:
        if "Currency" in module.fields:
            currency = row.get("Currency") or self._org.home_currency
            rate = round_to(Decimal(self._org.rates.get(currency, "1")), 9)
            row = {**row, "Currency": currency, "Exchange_Rate": rate}
        if module.name == "Contacts":
            names = (row.get("First_Name"), row.get("Last_Name"))
            row = {**row, "Full_Name": " ".join(name for name in names if name)}
        if module.lines is not None:
            row = total_document(row, module.lines.name)
        for sub in module.subforms:
            row[sub.name] = [{**line, "Parent_Id": row["id"]} for line in row.get(sub.name) or []]
        return row

    def _check_unique(self, module: ModuleMeta, row: Row, own_id: str | None, path: str) -> None:
        store = self._org.stores[module.name]
        errors = []
        for name in module.unique_fields:
            if row.get(name) is None:
                continue
            holder = store.holder(name, row[name])
            if holder is not None and holder != own_id:
                twin = store.live.get(holder) or {}
                errors.append(
                    RowError(
                        "DUPLICATE_DATA",
                        "duplicate data",
                        {
                            "api_name": name,
                            "json_path": f"{path}.{name}",
                            "duplicate_record": {
                                "id": holder,
                                "module": {"api_name": module.name, "id": module.id},
                                "Owner": self._renderer.user(twin.get("Owner", self._actor)),
                            },
                        },
                    )
                )
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise RowError(
                "MULTIPLE_OR_MULTI_ERRORS",
                "multiple errors occurred",
                {"errors": [error.body() for error in errors]},
            )

    def _match(
        self, module: ModuleMeta, raw: Mapping[str, Any], check_fields: Sequence[str] | None
    ) -> tuple[str | None, str | None]:
        if raw.get("id"):
            return str(raw["id"]), "id"
        system = [module.duplicate_field] if module.duplicate_field else []
        unique = module.unique_fields
        order = [*check_fields, *unique] if check_fields else [*system, *unique]
        store = self._org.stores[module.name]
        for name in dict.fromkeys(order):
            value = raw.get(name)
            if value in (None, ""):
                continue
            if name in store.unique:
                holder = store.holder(name, value)
                if holder is not None:
                    return holder, name
                continue
            found = store.lists.keyed.get(name, {}).get(str(value).casefold(), set())
            live = sorted(record_id for record_id in found if record_id in store.live)
            if live:
                return live[0], name
        return None, None
