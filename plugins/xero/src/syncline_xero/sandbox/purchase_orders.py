"""Purchase orders: what has been ordered from suppliers, outside the ledger.

Sources: Xero API documentation, Purchase Orders; its OpenAPI description 16.1. Xero publishes no table of
which state may follow which: the one here is what its screens allow. An order that is BILLED takes no edit
but another state and whether it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.documents import EMPTY_CONTACT, Documents, Sort
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import Findings
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import Invalid, Row, to_wire

SHAPE = shape(
    "PurchaseOrder",
    "PurchaseOrderID PurchaseOrderNumber Reference Status Date DeliveryDate ExpectedArrivalDate"
    " LineAmountTypes CurrencyCode CurrencyRate SubTotal TotalTax Total UpdatedDateUTC BrandingThemeID"
    " Contact.ContactID",
    optimised_order="UpdatedDateUTC PurchaseOrderID",
)


class PurchaseOrders(Documents):
    sort = Sort(
        noun="Purchase Order",
        collection="PurchaseOrders",
        prefix="PO",
        number_taken="Order number must be unique",
        texts={
            "PurchaseOrderNumber": 255,
            "Reference": 255,
            "DeliveryAddress": 500,
            "AttentionTo": 255,
            "Telephone": 50,
            "DeliveryInstructions": 500,
            "BrandingThemeID": 36,
        },
        days=("Date", "DeliveryDate", "ExpectedArrivalDate"),
        new=("DRAFT", "SUBMITTED", "AUTHORISED", "BILLED"),
        moves={
            "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
            "SUBMITTED": frozenset({"SUBMITTED", "DRAFT", "AUTHORISED", "DELETED"}),
            "AUTHORISED": frozenset({"AUTHORISED", "BILLED", "DELETED"}),
            "BILLED": frozenset({"BILLED", "AUTHORISED"}),
            "DELETED": frozenset(),
        },
        posting=frozenset(),
        four_places=True,
        needs_lines=frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED"}),
        closed={"BILLED": frozenset({"Status", "SentToContact"})},
    )

    def __init__(self, ledger: Ledger, contacts: Contacts, switches: Mapping[str, Any]) -> None:
        super().__init__(ledger, contacts, switches, ledger.purchase_orders)

    def fresh(self, kind: str | None) -> Row:
        return {"Type": "PURCHASEORDER", "Date": self._today(), "SentToContact": False}

    def sales(self, row: Row) -> bool:
        return False

    def in_books(self, row: Row) -> bool:
        return False

    def check(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        if "SentToContact" in given:
            if row["Status"] in ("AUTHORISED", "BILLED"):
                row["SentToContact"] = bool(given["SentToContact"])
            elif given["SentToContact"]:
                findings.warnings.append(
                    "Only AUTHORISED and BILLED purchase orders may have SentToContact updated."
                )
        for line in given.get("LineItems") or ():
            counted = line.get("Quantity") and line.get("UnitAmount") is None
            if counted and not line.get("LineItemID") and not line.get("ItemCode"):
                findings.faults.append("UnitAmount must be given with Quantity")

    def _contact(self, given: Any, findings: Findings) -> str:
        """A contact that is there: an order never makes one."""
        found = self.contacts.match(given) if isinstance(given, dict) and given else None
        if found is None:
            raise Invalid("A valid Contact must be specified for a purchase order")
        if found["ContactStatus"] != "ACTIVE":
            findings.faults.append("Unable to assign an Archived contact.")
        return str(found["ContactID"])

    def full(self, row: Row, *, places: int = 4) -> Row:
        """Every field, plain values; unit prices have four places however they are asked for."""
        out = self.bare(row)
        out["Contact"] |= {**EMPTY_CONTACT, "ContactStatus": self._contact_status(row)}
        return {**out, "HasAttachments": False, "HasErrors": False}

    def show(self, row: Row, *, places: int) -> Row:
        wired: Row = to_wire(self.full(row))
        return wired
