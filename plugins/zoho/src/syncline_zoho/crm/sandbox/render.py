"""How stored rows look on the wire: instants with the user's offset, lookups as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation

Row = dict[str, Any]
RICH_TEXT_CUT = 500


@lru_cache(maxsize=20_000)
def show_instant(text: str, offset_minutes: int) -> str:
    """Whole seconds with an offset, ``2024-07-25T15:26:49+10:00``."""
    zone = timezone(timedelta(minutes=offset_minutes))
    return datetime.fromisoformat(text).astimezone(zone).isoformat()


class Renderer:
    """Turns stored rows of one organisation into wire form."""

    def __init__(self, org: Organisation) -> None:
        self._org = org

    def instant(self, text: str) -> str:
        switches = self._org.switches
        if switches["zone"]:
            return datetime.fromisoformat(text).astimezone(ZoneInfo(switches["zone"])).isoformat()
        return show_instant(text, int(switches["utc_offset_minutes"]))

    def user(self, user_id: str) -> Row:
        user = self._org.user(user_id)
        if user is None:
            return {"id": user_id, "name": None}
        return {
            "name": f"{user['first_name']} {user['last_name']}",
            "id": user_id,
            "email": user["email"],
        }

    def name_of(self, module: str, record_id: str) -> str | None:
        row = self._org.find(module, record_id)
        meta = self._org.meta.get(module)
        return None if row is None or meta is None else row.get(meta.display_field)

    def values(self, module: ModuleMeta, row: Row, names: Iterable[str], *, cut: bool, slim: bool) -> Row:
        """The named fields. ``cut``: rich text as lists give it; ``slim``: lookups as the id alone, as
        queries give them."""
        shown: Row = {}
        for name in names:
            value = row.get(name)
            if value is not None:
                show = self.shower(module.fields[name], cut=cut, slim=slim)
                if show is not None:
                    value = show(value)
            shown[name] = value
        return shown

    def shower(self, meta: FieldMeta, *, cut: bool, slim: bool) -> Callable[[Any], Any] | None:
        """How one field's stored value is shown, ``None`` when it is shown as it is."""
        kind = meta.data_type
        if kind == "datetime":
            return self.instant
        if kind == "lookup":
            if slim:
                return _slim
            return lambda value: self._lookup(meta.lookup or "", value)
        if kind in ("ownerlookup", "userlookup"):
            return _slim if slim else self.user
        if meta.rich and cut:
            return lambda value: value[:RICH_TEXT_CUT]
        if meta.subform is not None:
            return lambda value: self.lines(meta.subform or "", value)
        if meta.name == "Tax" and kind == "multiselectpicklist":
            return self._product_taxes
        return None

    def _lookup(self, module: str, record_id: str) -> Row:
        return {"name": self.name_of(module, record_id), "id": record_id}

    def _product_taxes(self, names: list[str]) -> list[Row]:
        known = {tax["name"]: tax["id"] for tax in self._org.taxes}
        return [{"value": name, "id": known.get(name)} for name in names]

    def lines(self, subform: str, rows: list[Row]) -> list[Row]:
        """Line rows in full, with the product's code inside its lookup."""
        meta = self._org.meta[subform]
        shown = []
        for row in rows:
            line = self.values(meta, row, [n for n in meta.fields if n != "Parent_Id"], cut=False, slim=False)
            product = self._org.find("Products", row.get("Product_Name") or "")
            if product is not None and isinstance(line["Product_Name"], dict):
                line["Product_Name"] = {**line["Product_Name"], "Product_Code": product.get("Product_Code")}
            shown.append(line)
        return shown

    def full(self, module: ModuleMeta, row: Row) -> Row:
        """Everything a get by id tells."""
        shown = self.values(module, row, module.fields, cut=False, slim=False)
        if "Tag" in shown:
            shown["Tag"] = shown["Tag"] or []
        for sub in module.subforms:
            shown[sub.name] = shown[sub.name] or []
        if module.lines is not None:
            shown["$line_tax"] = row.get("$line_tax") or []
        if module.subforms:
            shown["$has_more"] = {sub.name: False for sub in module.subforms}
        shown["$approved"] = True
        shown["$editable"] = True
        shown["$approval_state"] = "approved"
        if "Currency" in module.fields:
            shown["$currency_symbol"] = self._symbol(row.get("Currency"))
        return shown

    def _symbol(self, code: str | None) -> str | None:
        return next((c["symbol"] for c in self._org.facts["currencies"] if c["iso_code"] == code), None)


def _slim(value: str) -> Row:
    return {"id": value}
