"""Items, and the price lists that name prices for them.

Source: Zoho Books API v3, Items; price lists by analogy, since no document of theirs is at hand. An item's
name and its SKU are unique in the organisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline_zoho.books.sandbox import fields
from syncline_zoho.books.sandbox.errors import TAKEN, Refused, invalid, missing
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.lists import ListRules
from syncline_zoho.books.sandbox.wire import (
    ZERO,
    Row,
    choice_of,
    flag_of,
    in_zone,
    number_of,
    rows_of,
    text_of,
)

TEXTS = {"name": 100, "sku": 100, "description": 2000, "unit": 100, "purchase_description": 2000}
TYPES = ("sales", "purchases", "sales_and_purchases", "inventory")
LINED = ("estimates", "salesorders", "invoices", "bills", "purchaseorders", "creditnotes")
RULES = ListRules(
    sort="name",
    order="A",
    sorts=frozenset({"name", "rate", "tax_name"}),
    equals=frozenset({"name", "description", "rate", "tax_id", "tax_name", "account_id"}),
    filters={
        "Status.All": lambda row: True,
        "Status.Active": lambda row: bool(row["status"] == "active"),
        "Status.Inactive": lambda row: bool(row["status"] == "inactive"),
    },
)
BOOK_RULES = ListRules(sort="name", order="A", sorts=frozenset({"name"}), filters=RULES.filters)


class Items:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, body: Mapping[str, Any]) -> Row:
        if not str(body.get("name") or "").strip():
            raise missing("item name")
        if body.get("rate") in (None, ""):
            raise missing("rate")
        now = self._ledger.stamp()
        row: Row = {
            "item_id": self._ledger.new_id(),
            **dict.fromkeys(TEXTS, ""),
            "rate": ZERO,
            "status": "active",
            "product_type": "goods",
            "item_type": "sales",
            "account_id": self._ledger.about["_sales_account"],
            "purchase_account_id": "",
            "inventory_account_id": "",
            "purchase_rate": ZERO,
            "reorder_level": ZERO,
            "stock_on_hand": "",
            "tax_id": "",
            "vendor_id": "",
            "is_taxable": True,
            "_custom": {},
            "created_time": now,
        }
        if "product_type" in body:
            row["product_type"] = choice_of(body["product_type"], "product_type", ("goods", "service"))
        if "item_type" in body:
            row["item_type"] = choice_of(body["item_type"], "item_type", TYPES)
        row = self._take(row, body)
        if row["item_type"] != "sales" and not row["purchase_account_id"]:
            raise missing("purchase account")
        if row["item_type"] == "inventory":
            if not row["inventory_account_id"]:
                raise missing("inventory account")
            row["stock_on_hand"] = number_of(body.get("initial_stock"), "initial_stock")
        return self._ledger.put("items", {**row, "last_modified_time": now})

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        changed = self._take(dict(row), body)
        return self._ledger.put("items", {**changed, "last_modified_time": self._ledger.stamp()})

    def _take(self, row: Row, body: Mapping[str, Any]) -> Row:
        ledger = self._ledger
        for name, limit in TEXTS.items():
            if name in body:
                row[name] = text_of(body, name, limit, "SKU" if name == "sku" else None)
        if not row["name"]:
            raise missing("item name")
        if ledger.holder("items", "name", row["name"]) not in (None, row["item_id"]):
            raise Refused(f'Item "{row["name"]}" already exists.', TAKEN)
        if row["sku"] and ledger.holder("items", "sku", row["sku"]) not in (None, row["item_id"]):
            raise Refused(f'An item with the SKU "{row["sku"]}" already exists.', TAKEN)
        for name in ("rate", "purchase_rate", "reorder_level"):
            if name in body:
                row[name] = number_of(body[name], name)
        if "is_taxable" in body:
            row["is_taxable"] = flag_of(body["is_taxable"], "is_taxable")
        for name, kind in (
            ("account_id", "chartofaccounts"),
            ("purchase_account_id", "chartofaccounts"),
            ("inventory_account_id", "chartofaccounts"),
            ("tax_id", "taxes"),
            ("vendor_id", "contacts"),
        ):
            if name in body:
                if body[name] and ledger.get(kind, body[name]) is None:
                    raise invalid(name)
                row[name] = str(body[name] or "")
        if (
            row["vendor_id"]
            and (ledger.get("contacts", row["vendor_id"]) or {}).get("contact_type") != "vendor"
        ):
            raise invalid("vendor_id")
        if "custom_fields" in body:
            row["_custom"] = fields.take(
                ledger, "items", row["item_id"], row["_custom"], body["custom_fields"]
            )
        return row

    def activate(self, row: Row, status: str) -> Row:
        return self._ledger.put(
            "items", {**row, "status": status, "last_modified_time": self._ledger.stamp()}
        )

    def delete(self, row: Row) -> None:
        used = any(
            line.get("item_id") == row["item_id"]
            for kind in LINED
            for document in self._ledger.stores[kind]
            for line in document["line_items"]
        )
        if used:
            raise Refused("Items which are a part of other transactions cannot be deleted.")
        self._ledger.remove("items", row)

    def show(self, row: Row) -> Row:
        ledger, zone = self._ledger, self._ledger.zone
        tax = ledger.get("taxes", row["tax_id"]) if row["tax_id"] else None
        return {
            **{name: value for name, value in row.items() if not name.startswith("_")},
            "account_name": self._account(row["account_id"]),
            "purchase_account_name": self._account(row["purchase_account_id"]),
            "tax_name": tax["tax_name"] if tax else "",
            "tax_percentage": str(tax["tax_percentage"]) if tax else "",
            "tax_type": tax["tax_type"] if tax else "",
            "is_linked_with_zohocrm": bool(row.get("_zcrm")),
            "zcrm_product_id": (row.get("_zcrm") or {}).get("zcrm_product_id", ""),
            **fields.shown(ledger, "items", row),
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def show_listed(self, row: Row) -> Row:
        whole = self.show(row)
        names = (
            "item_id", "name", "status", "description", "rate", "unit", "tax_id", "tax_name",
            "tax_percentage", "sku", "product_type", "item_type", "account_id", "stock_on_hand",
            "created_time", "last_modified_time",
        )  # fmt: skip
        return {name: whole[name] for name in names}

    def _account(self, account: str) -> str:
        return str((self._ledger.get("chartofaccounts", account) or {}).get("account_name", ""))


class PriceBooks:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, body: Mapping[str, Any]) -> Row:
        if not str(body.get("name") or "").strip():
            raise missing("name")
        now = self._ledger.stamp()
        row: Row = {
            "pricebook_id": self._ledger.new_id(),
            "name": "",
            "description": "",
            "status": "active",
            "pricebook_type": "per_item",
            "sales_or_purchase_type": "sales",
            "percentage": ZERO,
            "is_increase": False,
            "currency_id": self._ledger.about["currency_id"],
            "pricebook_items": [],
            "created_time": now,
        }
        if "pricebook_type" in body:
            row["pricebook_type"] = choice_of(
                body["pricebook_type"], "pricebook_type", ("per_item", "fixed_percentage")
            )
        if "sales_or_purchase_type" in body:
            row["sales_or_purchase_type"] = choice_of(
                body["sales_or_purchase_type"], "sales_or_purchase_type", ("sales", "purchases")
            )
        if body.get("currency_id"):
            if self._ledger.get("currencies", body["currency_id"]) is None:
                raise invalid("currency_id")
            row["currency_id"] = str(body["currency_id"])
        return self._ledger.put("pricebooks", {**self._take(row, body), "last_modified_time": now})

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        changed = self._take(dict(row), body)
        return self._ledger.put("pricebooks", {**changed, "last_modified_time": self._ledger.stamp()})

    def _take(self, row: Row, body: Mapping[str, Any]) -> Row:
        for name, limit in (("name", 100), ("description", 2000)):
            if name in body:
                row[name] = text_of(body, name, limit)
        if not row["name"]:
            raise missing("name")
        if self._ledger.holder("pricebooks", "name", row["name"]) not in (None, row["pricebook_id"]):
            raise Refused(f'The price list "{row["name"]}" already exists.', TAKEN)
        if "percentage" in body:
            row["percentage"] = number_of(body["percentage"], "percentage")
        if "is_increase" in body:
            row["is_increase"] = flag_of(body["is_increase"], "is_increase")
        if "pricebook_items" in body:
            held = {entry["pricebook_item_id"] for entry in row["pricebook_items"]}
            entries = []
            for given in rows_of(body["pricebook_items"], "pricebook_items"):
                entry_id = str(given.get("pricebook_item_id") or "")
                if entry_id and entry_id not in held:
                    raise invalid("pricebook_item_id")
                if self._ledger.get("items", given.get("item_id")) is None:
                    raise invalid("item_id")
                entries.append(
                    {
                        "pricebook_item_id": entry_id or self._ledger.new_id(),
                        "item_id": str(given["item_id"]),
                        "pricebook_rate": number_of(given.get("pricebook_rate"), "pricebook_rate"),
                    }
                )
            row["pricebook_items"] = entries
        return row

    def activate(self, row: Row, status: str) -> Row:
        changed = {**row, "status": status, "last_modified_time": self._ledger.stamp()}
        return self._ledger.put("pricebooks", changed)

    def delete(self, row: Row) -> None:
        if any(c["pricebook_id"] == row["pricebook_id"] for c in self._ledger.stores["contacts"]):
            raise Refused("Price lists that are associated with contacts cannot be deleted.")
        self._ledger.remove("pricebooks", row)

    def show(self, row: Row) -> Row:
        ledger, zone = self._ledger, self._ledger.zone
        currency = ledger.get("currencies", row["currency_id"]) or {}
        return {
            **{name: value for name, value in row.items() if not name.startswith("_")},
            "currency_code": currency.get("currency_code", ""),
            "pricebook_items": [
                {**entry, "name": (ledger.get("items", entry["item_id"]) or {}).get("name", "")}
                for entry in row["pricebook_items"]
            ],
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def show_listed(self, row: Row) -> Row:
        whole = self.show(row)
        return {name: value for name, value in whole.items() if name != "pricebook_items"}
