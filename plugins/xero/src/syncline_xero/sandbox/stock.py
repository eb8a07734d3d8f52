"""Tracked stock: what approved documents put on hand, take off it, and what that is worth.

Source: Xero API documentation, Items: tracked inventory. Stock moves by documents alone; it is valued at
average cost, and a sale of more than is on hand is refused. Undocumented, and a switch: whether a move of
stock counts as a change of its item (``stock_moves_updated``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.wire import Invalid, Row, money

_ZERO = Decimal(0)


class Stock:
    def __init__(self, ledger: Ledger, switches: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.switches = switches

    def follow(self, row: Row, way: str) -> Row:
        """Bring stock in line with a document that is about to be stored; the document with what it moved.
        ``way``: ``"in"`` or ``"out"``. Raises Invalid, with nothing moved, when not so much is on hand."""
        wanted = self._quantities(row) if row["Status"] in ("AUTHORISED", "PAID") else {}
        held: dict[str, list[Any]] = row.get("_stock") or {}
        sign = 1 if way == "in" else -1
        if {code: Decimal(was[0]) for code, was in held.items()} == {
            c: sign * q for c, (q, _) in wanted.items()
        }:
            return row
        moves: dict[str, list[Any]] = {}
        after: list[tuple[Row, Decimal, Decimal]] = []
        for code in sorted({*held, *wanted}):
            item = self._item(code)
            if item is None:
                continue
            on_hand, pool = Decimal(item["QuantityOnHand"]), Decimal(item["TotalCostPool"])
            if code in held:
                on_hand -= Decimal(held[code][0])
                pool -= Decimal(held[code][1])
            if code in wanted:
                quantity, worth = wanted[code]
                if way == "out":
                    worth = -money(pool * quantity / on_hand) if on_hand else _ZERO
                moves[code] = [sign * quantity, worth]
                on_hand += sign * quantity
                pool += worth
            if on_hand < 0:
                raise Invalid(f"The quantity of item '{code}' on hand is not sufficient", echo=row)
            after.append((item, on_hand, pool))
        for item, on_hand, pool in after:
            self._put(item, on_hand, pool)
        return {**row, "_stock": moves}

    def _quantities(self, row: Row) -> dict[str, tuple[Decimal, Decimal]]:
        """By item code the quantity on the lines of tracked items, and its price in the base currency."""
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for line in row["LineItems"]:
            item = self._item(str(line.get("ItemCode") or ""))
            if item is None:
                continue
            amount = Decimal(line["LineAmount"])
            if row["LineAmountTypes"] == "Inclusive":
                amount -= Decimal(line["TaxAmount"])
            quantity, worth = found.get(item["Code"], (_ZERO, _ZERO))
            worth += money(amount / row["CurrencyRate"])
            found[item["Code"]] = (quantity + Decimal(line["Quantity"]), worth)
        return found

    def _item(self, code: str) -> Row | None:
        """The tracked item of this code."""
        found = self.ledger.items.find("code", code.casefold()) if code else []
        return found[0] if found and found[0]["IsTrackedAsInventory"] else None

    def _put(self, item: Row, on_hand: Decimal, pool: Decimal) -> None:
        new = {**item, "QuantityOnHand": on_hand, "TotalCostPool": money(pool), "_moved": True}
        if self.switches.get("stock_moves_updated"):
            new["UpdatedDateUTC"] = self.ledger.next_stamp(item["UpdatedDateUTC"])
        self.ledger.items.put(new)
