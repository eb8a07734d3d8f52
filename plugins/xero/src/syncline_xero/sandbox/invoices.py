"""Invoices and bills: states, and what money put against them leaves editable.

Sources: Xero API documentation, Invoices (status codes, "Editing paid and part paid invoices") and its
OpenAPI description 16.1. Undocumented and chosen here: a number may be used again once its invoice is
DELETED, not once it is VOIDED.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.documents import (
    EMPTY_CONTACT,
    HAS_PAYMENT,
    Documents,
    Sort,
    changed_fields,
)
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import Findings
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.stock import Stock
from syncline_xero.sandbox.wire import Row, to_wire

SHAPE = shape(
    "Invoice",
    "InvoiceID Type InvoiceNumber Reference Status Date DueDate LineAmountTypes CurrencyCode CurrencyRate"
    " SubTotal TotalTax Total AmountDue AmountPaid AmountCredited SentToContact ExpectedPaymentDate"
    " PlannedPaymentDate FullyPaidOnDate UpdatedDateUTC BrandingThemeID Url"
    " Contact.ContactID Contact.Name Contact.ContactNumber",
    folded="Contact.Name",
    optimised="Status Type Contact.ContactID Contact.Name Contact.ContactNumber Reference InvoiceNumber"
    " InvoiceID AmountPaid Date DueDate AmountDue",
    optimised_order="UpdatedDateUTC InvoiceID Date",
)

#: the states of everything that is posted to the ledger (Xero API documentation, Invoices: status codes)
LEDGER_MOVES: Mapping[str, frozenset[str]] = {
    "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "SUBMITTED": frozenset({"SUBMITTED", "DRAFT", "AUTHORISED", "DELETED"}),
    "AUTHORISED": frozenset({"AUTHORISED", "VOIDED"}),
    "PAID": frozenset({"PAID"}),
    "VOIDED": frozenset(),
    "DELETED": frozenset(),
}
_STILL_EDITABLE = {
    "Reference",
    "DueDate",
    "InvoiceNumber",
    "BrandingThemeID",
    "Contact",
    "Url",
    "PlannedPaymentDate",
    "SentToContact",
}
_LINE_STILL_EDITABLE = {"Description", "AccountCode", "Tracking"}
#: on a part-paid document these change without UpdatedDateUTC moving (documented by Xero)
_SILENT_WHEN_PART_PAID = {"DueDate", "SentToContact"}


class Invoices(Documents):
    sort = Sort(
        noun="Invoice",
        collection="Invoices",
        types=("ACCREC", "ACCPAY"),
        prefix="INV",
        numbered=("ACCREC",),
        unique=("ACCREC",),
        number_taken="Invoice # must be unique.",
        texts={"InvoiceNumber": 255, "Reference": 255, "Url": 2000, "BrandingThemeID": 36},
        days=("Date", "DueDate", "ExpectedPaymentDate", "PlannedPaymentDate"),
        moves=LEDGER_MOVES,
    )

    def __init__(self, ledger: Ledger, contacts: Contacts, switches: Mapping[str, Any]) -> None:
        super().__init__(ledger, contacts, switches, ledger.invoices)
        self.stock = Stock(ledger, switches)

    # --- its rules --------------------------------------------------------------------------------

    def fresh(self, kind: str | None) -> Row:
        return {
            "Type": kind,
            "Date": self._today(),
            "AmountPaid": Decimal("0.00"),
            "AmountCredited": Decimal("0.00"),
            "SentToContact": False,
        }

    def sales(self, row: Row) -> bool:
        return bool(row["Type"] == "ACCREC")

    def check(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        sales = self.sales(row)
        if "SentToContact" in given:
            row["SentToContact"] = bool(given["SentToContact"])
        if row.get("Reference") and "Reference" in given and not sales:
            findings.faults.append("Reference is only supported on ACCREC invoices")
        for name, kind in (("ExpectedPaymentDate", "ACCREC"), ("PlannedPaymentDate", "ACCPAY")):
            # A day that the other kind has is not taken, and nothing is said of it.
            if row["Type"] != kind:
                row.pop(name, None)
        if "xero" in row.get("Url", "").lower():
            findings.faults.append("Url is not valid")
        if row["Status"] in ("SUBMITTED", "AUTHORISED") and not row.get("DueDate") and sales:
            findings.faults.append("Due Date cannot be empty")
        if given.get("SentToContact") is True and row["Status"] not in ("AUTHORISED", "PAID"):
            findings.faults.append("Only approved invoices may have SentToContact updated.")

    def sum_up(self, row: Row) -> None:
        row["AmountDue"] = row["Total"] - row["AmountPaid"] - row["AmountCredited"]

    def applied(self, row: Row) -> bool:
        return bool(row["AmountPaid"] or row["AmountCredited"])

    def fixed(self, old: Row, new: Row) -> list[str]:
        changed = changed_fields(old, new)
        credited = "Contact" in changed and old["AmountCredited"]
        lines_ok = "LineItems" not in changed or (
            [line["LineItemID"] for line in old["LineItems"]]
            == [line["LineItemID"] for line in new["LineItems"]]
            and all(
                {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)} <= _LINE_STILL_EDITABLE
                for a, b in zip(old["LineItems"], new["LineItems"], strict=True)
            )
        )
        fine = lines_ok and not credited and changed - {"LineItems"} <= _STILL_EDITABLE
        return [] if fine else [HAS_PAYMENT]

    def silent(self, old: Row, changed: set[str]) -> bool:
        return changed <= _SILENT_WHEN_PART_PAID and bool(old["AmountPaid"])

    def ended(self, row: Row, status: str) -> Row:
        return {**row, "Status": status, "AmountDue": Decimal("0.00")}

    def accompany(self, row: Row) -> Row:
        return self.stock.follow(row, "out" if self.sales(row) else "in")

    def settle(self, invoice_id: str) -> None:
        """Bring AmountPaid, AmountCredited, AmountDue and Status in line with what was put against it."""
        row = self.rows.table.get(invoice_id)
        if row is None:
            return
        live = [p for p in self.ledger.payments.find("invoice", invoice_id) if p["Status"] == "AUTHORISED"]
        allocations = self.ledger.allocations.find("invoice", invoice_id)
        paid = sum((p["Amount"] for p in live), Decimal("0.00"))
        credited = sum((a["Amount"] for a in allocations), Decimal("0.00"))
        due = row["Total"] - paid - credited
        new = {**row, "AmountPaid": paid, "AmountCredited": credited, "AmountDue": due}
        new.pop("FullyPaidOnDate", None)
        new["Status"] = "AUTHORISED"
        if (live or allocations) and not due:
            new["Status"] = "PAID"
            new["FullyPaidOnDate"] = max(p["Date"] for p in (*live, *allocations))
        self._store(new, row)

    # --- showing ----------------------------------------------------------------------------------

    def full(self, row: Row, *, places: int = 4) -> Row:
        """Every field, plain values."""
        out = self.bare(row, places=places)
        out["Contact"] |= EMPTY_CONTACT
        out["UpdatedDateUTCString"] = row["UpdatedDateUTC"][:19] + "Z"
        out["Payments"] = payments_on(self.ledger, "invoice", row["InvoiceID"])
        out["CreditNotes"] = [
            self._credit(allocation)
            for allocation in self.ledger.allocations.find("invoice", row["InvoiceID"])
        ]
        out |= {"Prepayments": [], "Overpayments": []}
        return {**out, "HasAttachments": False, "HasErrors": False}

    def _credit(self, allocation: Row) -> Row:
        note = self.ledger.credit_notes.table.get(allocation["_note"]) or {}
        return {
            "CreditNoteID": allocation["_note"],
            "CreditNoteNumber": note.get("CreditNoteNumber"),
            "ID": allocation["_note"],
            "HasErrors": False,
            "AppliedAmount": allocation["Amount"],
            "Date": allocation["Date"],
            "LineItems": [],
            "Total": note.get("Total"),
        }

    def show(self, row: Row, *, places: int, paged: bool = True, summary: bool = False) -> Row:
        out = self.full(row, places=places)
        if not paged or summary:
            out["LineItems"] = []
        if summary:
            del out["Payments"], out["HasAttachments"]
        wired: Row = to_wire(out)
        return wired


def payments_on(ledger: Ledger, index: str, document: str) -> list[Row]:
    """The live payments of an invoice, a bill or a credit note, as the document lists them."""
    return [
        {
            "PaymentID": p["PaymentID"],
            "Date": p["Date"],
            "Amount": p["Amount"],
            "Reference": p.get("Reference"),
            "CurrencyRate": p["CurrencyRate"],
            "HasAccount": False,
            "HasValidationErrors": False,
        }
        for p in ledger.payments.find(index, document)
        if p["Status"] == "AUTHORISED"
    ]


__all__ = ["LEDGER_MOVES", "SHAPE", "Invoices", "payments_on"]
