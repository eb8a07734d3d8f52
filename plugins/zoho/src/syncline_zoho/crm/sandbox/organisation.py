"""The organisation of the sandbox: its records, people, currencies, taxes, clock and workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

import msgspec

from syncline.connect.sandbox import SandboxSettings, Switches, Tables, World
from syncline_zoho.crm.sandbox.metadata import ModuleMeta, load_metadata, make_field, make_module
from syncline_zoho.crm.sandbox.store import ModuleStore, Row
from syncline_zoho.crm.standard import load_custom

#: ids have 19 digits; those of records count up from here
FIRST_ID = 5_725_767_000_000_400_000
WORKFLOW_DELAY_S = 1
BIN_DAYS = 60
GONE_DAYS = 120
#: where a price book keeps the price of each product in it; no field of the module
ENTRIES = "$entries"


def stamp(moment: datetime) -> str:
    """An instant in stored form: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Organisation:
    """Everything the handlers work on. ``actor``: who a change is made by, a user's id."""

    def __init__(self, settings: SandboxSettings, tables: Tables, switches: Switches) -> None:
        self.clock = settings.clock
        self.switches = switches
        self.effects: Counter[str] = Counter()
        #: told of every change of a record: module, id, operation
        self.listener: Callable[[str, str, str], None] = lambda module, record_id, operation: None
        self.tables = tables
        self.facts: dict[str, Any] = msgspec.json.decode(
            (resources.files("syncline_zoho.crm.sandbox") / "data" / "organisation.json").read_bytes()
        )
        self.meta: dict[str, ModuleMeta] = load_metadata()
        self.state = tables.table("state")
        self.stores: dict[str, ModuleStore] = {}
        for meta in self.meta.values():
            if meta.parent is None:
                self._open_store(meta)
        self.users: list[dict[str, Any]] = self.facts["users"]
        self.taxes: list[dict[str, Any]] = self.facts["taxes"]
        self.rates: dict[str, str] = (self.state.get("rates") or {}).get("values", {})
        self._touches = tables.table("touches")

    def _open_store(self, meta: ModuleMeta) -> None:
        keyed = [f for f in (meta.duplicate_field,) if f]
        self.stores[meta.name] = ModuleStore(self.tables, meta.name, meta.unique_fields, keyed)

    def scope_part(self, name: str) -> str:
        """A module's word in scopes: custom modules share one, a subform has that of its documents."""
        known = next((meta for meta in self.meta.values() if meta.name.lower() == name.lower()), None)
        if known is not None and known.custom:
            return "custom"
        module = known.parent if known is not None and known.parent is not None else name
        return module.lower().replace("_", "")

    # --- time and ids -----------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.clock.now()

    def stamp(self) -> str:
        return stamp(self.now())

    def new_id(self) -> str:
        number = int((self.state.get("ids") or {"next": FIRST_ID})["next"])
        self.state.put("ids", {"next": number + 1})
        return str(number)

    def next_number(self, what: str) -> int:
        number = int((self.state.get(what) or {"next": 1})["next"])
        self.state.put(what, {"next": number + 1})
        return number

    @property
    def actor(self) -> str:
        return str(self.users[0]["id"])

    @property
    def person(self) -> str:
        """Who acts in the screens, so that our own writes can be told from theirs."""
        return str(self.users[1]["id"])

    def user(self, user_id: str) -> dict[str, Any] | None:
        return next((user for user in self.users if user["id"] == user_id), None)

    # --- the business -----------------------------------------------------------------------------

    def settle_in(self, world: World) -> None:
        """Take the business's name, zone and currency rates, for good."""
        self.state.put(
            "about",
            {
                "name": world.name,
                "currency": world.currency,
                "country": world.country,
                "timezone": world.timezone,
                "since": self.stamp(),
            },
        )
        self.rates = {code: str(rate) for code, rate in world.rates.items()}
        self.state.put("rates", {"values": self.rates})

    @property
    def about(self) -> Mapping[str, Any]:
        return self.state.get("about") or {
            "name": "Untitled",
            "currency": "AUD",
            "country": "AU",
            "timezone": "Australia/Sydney",
            "since": "2024-01-01T00:00:00Z",
        }

    @property
    def usable_currencies(self) -> set[str]:
        """The codes that records may be given: currencies that are known here and active."""
        idle = {c["iso_code"] for c in self.facts["currencies"] if not c.get("is_active", True)}
        return set(self.rates) - idle

    @property
    def home_currency(self) -> str:
        return str(self.about["currency"])

    def change_setting(self, action: str, what: str, name: str, values: Mapping[str, Any]) -> Row:
        """What an administrator does in the set-up. ``Currencies``: ``iso_code``, ``exchange_rate``,
        ``is_active``; ``Taxes``: ``name``, ``value``; ``Organisation``: ``timezone``, ``currency``;
        ``Fields``: by ``Module.Field``, the keys of a data file's field, ``field_label`` and
        ``pick_list_values`` among them; ``Modules``: a custom module by its API name, its ``label``, and its
        ``fields`` as in a data file."""
        match what, action:
            case "Currencies", "create" | "update":
                code = str(values["iso_code"])
                known = {currency["iso_code"]: currency for currency in self.facts["currencies"]}
                if code not in known:
                    told = {"id": self.new_id(), "name": code, "symbol": code, "is_base": False}
                    self.facts["currencies"].append({**told, "iso_code": code, "is_active": True})
                    known[code] = self.facts["currencies"][-1]
                known[code]["is_active"] = bool(values.get("is_active", known[code].get("is_active", True)))
                for meta in self.meta.values():
                    field = meta.fields.get("Currency")
                    if field is not None and field.choices is not None:
                        field.choices = tuple(dict.fromkeys((*field.choices, code)))
                self.rates = {**self.rates, code: str(values.get("exchange_rate", self.rates.get(code, "1")))}
                self.state.put("rates", {"values": self.rates})
                return dict(values)
            case "Taxes", "create":
                tax = {"id": self.new_id(), "display_label": values["name"], "sequence_number": 9, **values}
                self.taxes = [*self.taxes, tax]
                return tax
            case "Organisation", "update":
                self.state.put("about", {**self.about, **values})
                return dict(self.about)
            case "Modules", "create":
                return self._add_module(name, values)
            case "Fields", _:
                return self._change_field(action, name, values)
        raise KeyError(f"{action} {what}")

    def _add_module(self, name: str, values: Mapping[str, Any]) -> Row:
        if name in self.meta:
            raise KeyError(name)
        standard = load_custom(name, str(values.get("label") or ""))
        own = [{"custom_field": True, **raw} for raw in values.get("fields") or ()]
        self.meta[name] = make_module(standard, own, {}, len(self.meta))
        self._open_store(self.meta[name])
        return self.meta[name].body()

    def _change_field(self, action: str, name: str, values: Mapping[str, Any]) -> Row:
        module, _, field = name.partition(".")
        fields = self.meta[module].fields
        if action == "delete":
            return dict(fields.pop(field).raw)
        held = fields.get(field)
        if (held is None) is not (action == "create"):
            raise KeyError(name)
        raw = {"api_name": field, "custom_field": True, **(held.raw if held else {}), **values}
        fields[field] = make_field(raw, held.id if held else self.new_id())
        return raw

    # --- records ----------------------------------------------------------------------------------

    def find(self, module: str, record_id: str) -> Row | None:
        store = self.stores.get(module)
        return None if store is None else store.live.get(record_id)

    def entries(self, book: Row) -> dict[str, Any]:
        """The price of each product of a price book, those that were deleted left out."""
        held: dict[str, Any] = book.get(ENTRIES) or {}
        return {product: price for product, price in held.items() if self.find("Products", product)}

    def put(self, module: str, row: Row) -> None:
        operation = "update" if self.find(module, row["id"]) else "insert"
        self.stores[module].put(
            row,
            now=self.clock.timestamp(),
            list_lag_s=float(self.switches["visibility_delay_s"]),
            search_lag_s=float(self.switches["search_lag_s"]),
        )
        self.listener(module, row["id"], operation)

    def remove(self, module: str, record_id: str, by: str) -> Row:
        """Move a record to the recycle bin; raises ``KeyError`` when there is none."""
        store = self.stores[module]
        row = store.remove(
            record_id,
            now=self.clock.timestamp(),
            list_lag_s=float(self.switches["visibility_delay_s"]),
            search_lag_s=float(self.switches["search_lag_s"]),
        )
        store.bin.put(
            record_id, {"row": row, "type": "recycle", "deleted_time": self.stamp(), "deleted_by": by}
        )
        self.listener(module, record_id, "delete")
        return row

    def restore(self, module: str, record_id: str) -> Row:
        store = self.stores[module]
        entry = store.bin.get(record_id)
        if entry is None or entry["type"] != "recycle":
            raise KeyError(record_id)
        store.bin.delete(record_id)
        row: Row = entry["row"]
        if self.switches["restore_moves_time"]:
            row = {**row, "Modified_Time": self.stamp(), "Modified_By": self.person}
        self.put(module, row)
        return row

    def forget(self, module: str, record_id: str) -> Row:
        """Delete a record from the bin, or at once, for good."""
        store = self.stores[module]
        if record_id in store.live:
            self.remove(module, record_id, self.person)
        entry = store.bin.get(record_id)
        if entry is None:
            raise KeyError(record_id)
        store.bin.put(record_id, {**entry, "type": "permanent", "deleted_time": self.stamp()})
        row: Row = entry["row"]
        return row

    def merge(self, module: str, record_id: str, into: str) -> Row:
        """What a person's "find and merge duplicates" does: what refers to the record is moved to the one
        that stays, and the record is gone for good. Nothing names the one that stays (from memory)."""
        survivor = self.find(module, into)
        if survivor is None or into == record_id:
            raise KeyError(into)
        for name, meta in self.meta.items():
            lookups = [field.name for field in meta.fields.values() if field.lookup == module]
            if name not in self.stores or not lookups:
                continue
            for row in list(self.stores[name].live):
                moved = {field: into for field in lookups if row.get(field) == record_id}
                if moved:
                    self.put(
                        name,
                        {**row, **moved, "Modified_Time": self.stamp(), "Modified_By": self.person},
                    )
        if module == "Products":
            self._move_entries(record_id, into)
        self.forget(module, record_id)
        return survivor

    def _move_entries(self, product: str, into: str) -> None:
        """In price books the product that stays takes the price of the other, unless it has its own."""
        for book in list(self.stores["Price_Books"].live):
            held = dict(book.get(ENTRIES) or {})
            if product in held:
                price = held.pop(product)
                held.setdefault(into, price)
                self.put("Price_Books", {**book, ENTRIES: held})

    def deleted(self, module: str) -> list[dict[str, Any]]:
        """Entries of the bin that are still told of, newest first."""
        now = self.now()
        life = {"recycle": timedelta(days=BIN_DAYS), "permanent": timedelta(days=GONE_DAYS)}
        found = [
            entry
            for entry in self.stores[module].bin
            if now - moment(entry["deleted_time"]) <= life[entry["type"]]
        ]
        found.sort(key=lambda entry: (entry["deleted_time"], entry["row"]["id"]), reverse=True)
        return found

    # --- the workflow -----------------------------------------------------------------------------

    def fire(self, module: str, record_id: str) -> None:
        """A workflow rule of the organisation edits the record about a second from now."""
        if self.switches["workflow"]:
            due = stamp(self.now() + timedelta(seconds=WORKFLOW_DELAY_S))
            self._touches.put(f"{module}/{record_id}", {"module": module, "id": record_id, "due": due})

    def catch_up(self) -> None:
        """Do what has fallen due since the last request."""
        now = self.now()
        for touch in self._touches:
            if moment(touch["due"]) > now:
                continue
            self._touches.delete(f"{touch['module']}/{touch['id']}")
            row = self.find(touch["module"], touch["id"])
            if row is not None and row["Modified_Time"] < touch["due"]:
                self.put(touch["module"], {**row, "Modified_Time": touch["due"], "Modified_By": self.person})
        seconds = self.clock.timestamp()
        for store in self.stores.values():
            store.catch_up(seconds)
