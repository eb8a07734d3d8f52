"""Quotes: offers that never touch the ledger.

Sources: Xero API documentation, Quotes; its OpenAPI description 16.1. Each call names contact and date.
Xero publishes no table of which state may follow which: the one here is what its screens allow. A quote
that is INVOICED takes no edit but another state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.documents import Documents, Sort, Stored
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import Findings
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import Invalid, Row, to_wire

SHAPE = shape(
    "Quote",
    "QuoteID QuoteNumber Reference Status Date ExpiryDate LineAmountTypes CurrencyCode CurrencyRate SubTotal"
    " TotalTax Total Title Summary Terms UpdatedDateUTC BrandingThemeID Contact.ContactID",
    optimised_order="UpdatedDateUTC QuoteID",
)


class Quotes(Documents):
    sort = Sort(
        noun="Quote",
        collection="Quotes",
        prefix="QU",
        number_taken="Quote # must be unique.",
        texts={
            "QuoteNumber": 255,
            "Reference": 4000,
            "Terms": 4000,
            "Title": 100,
            "Summary": 3000,
            "BrandingThemeID": 36,
        },
        days=("Date", "ExpiryDate"),
        amounts=("EXCLUSIVE", "INCLUSIVE", "NOTAX"),
        new=("DRAFT", "SENT", "DECLINED", "ACCEPTED", "INVOICED"),
        moves={
            "DRAFT": frozenset({"DRAFT", "SENT", "DELETED"}),
            "SENT": frozenset({"SENT", "DRAFT", "ACCEPTED", "DECLINED", "DELETED"}),
            "ACCEPTED": frozenset({"ACCEPTED", "SENT", "INVOICED", "DELETED"}),
            "DECLINED": frozenset({"DECLINED", "DRAFT", "DELETED"}),
            "INVOICED": frozenset({"INVOICED", "SENT", "DELETED"}),
            "DELETED": frozenset(),
        },
        posting=frozenset(),
        four_places=True,
        needs_lines=frozenset({"SENT", "ACCEPTED", "INVOICED"}),
        closed={"INVOICED": frozenset({"Status"})},
    )

    def __init__(self, ledger: Ledger, contacts: Contacts, switches: Mapping[str, Any]) -> None:
        super().__init__(ledger, contacts, switches, ledger.quotes)

    def fresh(self, kind: str | None) -> Row:
        return {"Date": self._today()}

    def sales(self, row: Row) -> bool:
        return True

    def in_books(self, row: Row) -> bool:
        return False

    def create(self, element: Mapping[str, Any], *, places: int) -> Stored:
        _need_both(element, element)
        return super().create(element, places=places)

    def update(self, row: Row, element: Mapping[str, Any], *, places: int) -> Stored:
        _need_both(element, {**element, "QuoteID": row["QuoteID"]})
        return super().update(row, element, places=places)

    def check(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        if row.get("ExpiryDate") and "ExpiryDate" in given and row["ExpiryDate"] < row["Date"]:
            findings.faults.append("The expiry date cannot be before the quote date")

    def full(self, row: Row, *, places: int = 4) -> Row:
        """Every field, plain values; unit prices have four places however they are asked for."""
        out = self.bare(row)
        del out["IsDiscounted"]
        return out

    def show(self, row: Row, *, places: int) -> Row:
        wired: Row = to_wire(self.full(row))
        return wired


def _need_both(element: Mapping[str, Any], echo: Mapping[str, Any]) -> None:
    missing = [name for name in ("Contact", "Date") if not element.get(name)]
    if missing:
        raise Invalid(*(f"{name} cannot be empty" for name in missing), echo=echo)
