"""Items: the price list.

Sources: Xero API documentation, Items; its OpenAPI description 16.1. An inventory account together with an
account for the cost of goods sold makes an item tracked; its stock moves with documents alone. An item whose
stock has moved is neither deleted nor untracked.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import CENT, ZERO_ID, Invalid, Row, money, to_decimal, to_text, to_wire

SHAPE = shape(
    "Item",
    "ItemID Code Name Description PurchaseDescription IsSold IsPurchased IsTrackedAsInventory UpdatedDateUTC"
    " InventoryAssetAccountCode QuantityOnHand SalesDetails.UnitPrice SalesDetails.AccountCode"
    " PurchaseDetails.UnitPrice PurchaseDetails.AccountCode",
    optimised_order="UpdatedDateUTC ItemID Code",
)

_TEXTS = {"Code": 30, "Name": 50, "Description": 4000, "PurchaseDescription": 4000}
FOUR_PLACES = CENT / 100


class Items:
    def __init__(self, ledger: Ledger, switches: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.rows = ledger.items
        self.switches = switches

    def lookup(self, key: str) -> Row | None:
        """By ItemID or Code."""
        return self.rows.get(key) or self.by_code(key)

    def by_code(self, code: str) -> Row | None:
        found = self.rows.find("code", code.casefold())
        return found[0] if found else None

    def match(self, element: Mapping[str, Any]) -> Row | None:
        """The item that a POST element means: ItemID, then Code."""
        given = element.get("ItemID")
        if given and str(given) != ZERO_ID:
            found = self.rows.get(str(given))
            if found is None:
                raise Invalid("The ItemID could not be found", echo=element)
            return found
        return self.by_code(str(element["Code"])) if element.get("Code") else None

    def create(self, element: Mapping[str, Any], *, places: int) -> Row:
        if not element.get("Code"):
            raise Invalid("Price List Item Code must be supplied", echo=element)
        fresh: Row = {
            "ItemID": str(uuid.uuid4()),
            "IsSold": True,
            "IsPurchased": True,
            "IsTrackedAsInventory": False,
            "SalesDetails": {},
            "PurchaseDetails": {},
        }
        return self._store(self._merged(fresh, element, places), None)

    def update(self, row: Row, element: Mapping[str, Any], *, places: int) -> Row:
        return self._store(self._merged(row, element, places), row)

    def upsert(self, element: Mapping[str, Any], *, places: int) -> Row:
        row = self.match(element)
        return (
            self.create(element, places=places) if row is None else self.update(row, element, places=places)
        )

    def delete(self, row: Row) -> None:
        if row.get("_moved"):
            raise Invalid("Item has transactions and is tracked, so it cannot be deleted", echo=row)
        self.rows.delete(row["ItemID"])

    def _store(self, row: Row, old: Row | None) -> Row:
        if old is not None and row == old and not self.switches["noop_moves_updated"]:
            return old
        stamp = self.ledger.next_stamp(old["UpdatedDateUTC"] if old else None)
        row = {**row, "UpdatedDateUTC": stamp}
        row.setdefault("_created", stamp)
        self.rows.put(row)
        return row

    def _merged(self, old: Row, element: Mapping[str, Any], places: int) -> Row:
        row, faults = dict(old), list[str]()
        for name, limit in _TEXTS.items():
            value = element.get(name)
            if value is None:
                continue
            text = to_text(value)
            if self.switches["rewrite"] and name == "Name":
                text = " ".join(text.split()).upper()
            if self.switches["cut"] and name == "Name":
                text = text[: self.switches["cut"]].rstrip()
            if len(text) > limit:
                faults.append(f"The {name} field exceeds the maximum length of {limit} characters.")
            if text:
                row[name] = text
            else:
                row.pop(name, None)
        for name in ("IsSold", "IsPurchased"):
            if element.get(name) is not None:
                row[name] = bool(element[name])
        for side in ("SalesDetails", "PurchaseDetails"):
            if isinstance(element.get(side), dict):
                row[side] = self._details(row[side], element[side], places, faults)
        self._track(old, row, element, faults)
        if not row["IsSold"]:
            row.pop("Description", None)
            row["SalesDetails"] = {}
        if not row["IsPurchased"]:
            row.pop("PurchaseDescription", None)
            row["PurchaseDetails"] = {}
        code = row.get("Code", "")
        if not code:
            faults.append("Price List Item Code must be supplied")
        other = self.by_code(code)
        if other is not None and other["ItemID"] != row["ItemID"]:
            faults.append(f"Price List Item with Code '{code}' already exists")
        if faults:
            raise Invalid(*faults, echo={k: v for k, v in element.items() if v is not None})
        return row

    def _details(self, held: Row, given: Mapping[str, Any], places: int, faults: list[str]) -> Row:
        out = dict(held)
        price = given.get("UnitPrice")
        if price is not None:
            out["UnitPrice"] = money(to_decimal(price, "UnitPrice"), FOUR_PLACES if places == 4 else CENT)
        for name in ("AccountCode", "TaxType", "COGSAccountCode"):
            value = given.get(name)
            if value is None:
                continue
            if value == "":
                out.pop(name, None)
                continue
            if name != "TaxType" and not self.ledger.accounts.find("code", str(value)):
                faults.append(f"Account code '{value}' is not a valid code for this document.")
            if name == "TaxType" and self.ledger.tax_rates.get(str(value)) is None:
                faults.append(f"The TaxType code '{value}' does not exist.")
            out[name] = str(value)
        return out

    def _track(self, old: Row, row: Row, element: Mapping[str, Any], faults: list[str]) -> None:
        """Whether the item is tracked, which follows from its accounts."""
        code = element.get("InventoryAssetAccountCode")
        if code is not None:
            if code:
                row["InventoryAssetAccountCode"] = str(code)
            else:
                row.pop("InventoryAssetAccountCode", None)
        asset, cogs = row.get("InventoryAssetAccountCode"), row["PurchaseDetails"].get("COGSAccountCode")
        if cogs and not asset:
            faults.append("Cost Of Goods Sold Account must be used with an Inventory Asset Account")
        if asset and not self._is_account(asset, "INVENTORY"):
            faults.append("Inventory Asset Account must be an account of type Inventory Asset")
        if asset and not cogs:
            faults.append("Inventory Asset Account must be used with a Cost Of Goods Sold Account")
        elif asset and not self._is_account(cogs, "DIRECTCOSTS"):
            faults.append("Cost Of Goods Sold Account must be an account of type Direct Costs")
        if asset and row["PurchaseDetails"].get("AccountCode"):
            faults.append("A tracked item takes a Cost Of Goods Sold Account in place of a purchase account")
        row["IsTrackedAsInventory"] = bool(asset and cogs)
        if row["IsTrackedAsInventory"]:
            row.setdefault("QuantityOnHand", Decimal(0))
            row.setdefault("TotalCostPool", Decimal("0.00"))
        elif old["IsTrackedAsInventory"]:
            if old.get("_moved"):
                faults.append("Item has transactions and is tracked, so it cannot be untracked")
            row.pop("QuantityOnHand", None)
            row.pop("TotalCostPool", None)

    def _is_account(self, code: str, kind: str) -> bool:
        found = self.ledger.accounts.find("code", code)
        return bool(found) and found[0]["Type"] == kind

    def full(self, row: Row, *, places: int = 4) -> Row:
        out = {k: v for k, v in row.items() if k[0] != "_"}
        for side in ("SalesDetails", "PurchaseDetails"):
            if "UnitPrice" in out[side]:
                price = out[side]["UnitPrice"]
                out[side] = {**out[side], "UnitPrice": price if places == 4 else money(price)}
        return out

    def show(self, row: Row, *, places: int) -> Row:
        wired: Row = to_wire(self.full(row, places=places))
        return wired
