"""Credit notes to customers and from suppliers, set off against invoices and bills.

Sources: Xero API documentation, Credit Notes; its OpenAPI description 16.1. A note is made and set off in
two calls; what is set off moves AmountCredited of the invoice, and both records count as changed. Chosen
here where the documents are silent: a note that has been set off or paid out takes no edit, and it is set
off against documents of its own contact and currency alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.documents import EMPTY_CONTACT, Documents, Sort, locked_days, today
from syncline_xero.sandbox.invoices import LEDGER_MOVES, Invoices, payments_on
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import Findings
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.stock import Stock
from syncline_xero.sandbox.wire import ZERO_ID, Invalid, Row, money, to_day, to_decimal, to_wire

SHAPE = shape(
    "CreditNote",
    "CreditNoteID Type CreditNoteNumber Reference Status Date DueDate LineAmountTypes CurrencyCode"
    " CurrencyRate SubTotal TotalTax Total RemainingCredit FullyPaidOnDate UpdatedDateUTC BrandingThemeID"
    " Contact.ContactID Contact.Name Contact.ContactNumber",
    folded="Contact.Name",
    optimised="Status Type Contact.ContactID Contact.Name Contact.ContactNumber Reference CreditNoteNumber"
    " CreditNoteID Date DueDate",
    optimised_order="UpdatedDateUTC CreditNoteID Date",
)

_SIDES = {"ACCRECCREDIT": "ACCREC", "ACCPAYCREDIT": "ACCPAY"}


class CreditNotes(Documents):
    sort = Sort(
        noun="Credit Note",
        collection="CreditNotes",
        types=("ACCRECCREDIT", "ACCPAYCREDIT"),
        prefix="CN",
        numbered=("ACCRECCREDIT",),
        unique=("ACCRECCREDIT",),
        number_taken="Credit Note # must be unique.",
        texts={"CreditNoteNumber": 255, "Reference": 255, "BrandingThemeID": 36},
        days=("Date", "DueDate"),
        moves=LEDGER_MOVES,
    )

    def __init__(
        self, ledger: Ledger, contacts: Contacts, invoices: Invoices, switches: Mapping[str, Any]
    ) -> None:
        super().__init__(ledger, contacts, switches, ledger.credit_notes)
        self.invoices = invoices
        self.stock = Stock(ledger, switches)

    # --- its rules --------------------------------------------------------------------------------

    def fresh(self, kind: str | None) -> Row:
        return {"Type": kind, "Date": self._today(), "SentToContact": False, "AppliedAmount": Decimal("0.00")}

    def sales(self, row: Row) -> bool:
        return bool(row["Type"] == "ACCRECCREDIT")

    def discounts(self, row: Row) -> bool:
        return False

    def check(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        if row.get("Reference") and "Reference" in given and not self.sales(row):
            findings.faults.append("Reference is only supported on ACCRECCREDIT credit notes")

    def sum_up(self, row: Row) -> None:
        row["RemainingCredit"] = row["Total"] - row["AppliedAmount"]

    def applied(self, row: Row) -> bool:
        return bool(row["AppliedAmount"])

    def ended(self, row: Row, status: str) -> Row:
        return {**row, "Status": status, "RemainingCredit": Decimal("0.00")}

    def accompany(self, row: Row) -> Row:
        return self.stock.follow(row, "in" if self.sales(row) else "out")

    # --- setting off ------------------------------------------------------------------------------

    def allocate(self, note_id: str, element: Mapping[str, Any]) -> Row:
        """Set a part of a note off against an invoice; the stored allocation."""
        note = self.ledger.credit_notes.get(note_id) or {}
        given = element.get("Invoice")
        key = given.get("InvoiceID") if isinstance(given, dict) else None
        invoice = self.ledger.invoices.get(str(key or ZERO_ID))
        if invoice is None:
            raise Invalid("The InvoiceID could not be found", echo=element)
        if note["Status"] != "AUTHORISED":
            raise Invalid("Only approved credit notes can be allocated", echo=element)
        if invoice["Type"] != _SIDES[note["Type"]]:
            raise Invalid("The credit note cannot be allocated to this type of document", echo=element)
        if invoice["Contact"] != note["Contact"] or invoice["CurrencyCode"] != note["CurrencyCode"]:
            raise Invalid("The credit note and the invoice must have one contact and currency", echo=element)
        if invoice["Status"] != "AUTHORISED":
            raise Invalid("Allocation can only be made against approved documents", echo=element)
        amount = money(to_decimal(element.get("Amount", 0), "Amount"))
        if amount <= 0:
            raise Invalid("Allocation amount must be greater than zero", echo=element)
        if amount > invoice["AmountDue"]:
            raise Invalid("Allocation amount exceeds the amount outstanding on this document", echo=element)
        if amount > note["RemainingCredit"]:
            raise Invalid("Allocation amount exceeds the remaining credit of the credit note", echo=element)
        day = to_day(element["Date"], "Date") if element.get("Date") else today(self.ledger)
        faults = locked_days(self.ledger, day)
        if faults:
            raise Invalid(*faults, echo=element)
        row: Row = {
            "AllocationID": str(uuid.uuid4()),
            "Amount": amount,
            "Date": day,
            "_note": note_id,
            "_invoice": invoice["InvoiceID"],
            "UpdatedDateUTC": self.ledger.next_stamp(),
        }
        self.ledger.allocations.put(row)
        self._moved(row)
        return row

    def release(self, note_id: str, allocation_id: str) -> Row | None:
        """Take an allocation back; ``None`` when the note has no such one."""
        row = self.ledger.allocations.get(allocation_id)
        if row is None or row["_note"] != note_id:
            return None
        faults = locked_days(self.ledger, row["Date"])
        if faults:
            raise Invalid(*faults, echo={"AllocationID": allocation_id})
        self.ledger.allocations.delete(row["AllocationID"])
        self._moved(row)
        return row

    def _moved(self, allocation: Row) -> None:
        self.settle(allocation["_note"])
        self.invoices.settle(allocation["_invoice"])

    def settle(self, note_id: str) -> None:
        """Bring AppliedAmount, RemainingCredit and Status in line with what it was used for."""
        row = self.rows.table.get(note_id)
        if row is None:
            return
        uses = [
            *self.ledger.allocations.find("note", note_id),
            *(p for p in self.ledger.payments.find("note", note_id) if p["Status"] == "AUTHORISED"),
        ]
        used = sum((u["Amount"] for u in uses), Decimal("0.00"))
        left = row["Total"] - used
        new = {**row, "AppliedAmount": used, "RemainingCredit": left, "Status": "AUTHORISED"}
        new.pop("FullyPaidOnDate", None)
        if uses and not left:
            new["Status"] = "PAID"
            new["FullyPaidOnDate"] = max(u["Date"] for u in uses)
        self._store(new, row)

    # --- showing ----------------------------------------------------------------------------------

    def full(self, row: Row, *, places: int = 4) -> Row:
        """Every field, plain values."""
        out = self.bare(row, places=places)
        del out["IsDiscounted"]
        out["Contact"] |= {**EMPTY_CONTACT, "ContactStatus": self._contact_status(row)}
        out["ID"] = row["CreditNoteID"]
        out["UpdatedDateUTCString"] = row["UpdatedDateUTC"][:19] + "Z"
        out["Payments"] = payments_on(self.ledger, "note", row["CreditNoteID"])
        out["Allocations"] = [
            self.allocation(a) for a in self.ledger.allocations.find("note", row["CreditNoteID"])
        ]
        return {**out, "HasAttachments": False, "HasErrors": False}

    def allocation(self, row: Row) -> Row:
        """An allocation as its note lists it, plain values."""
        invoice = self.ledger.invoices.table.get(row["_invoice"]) or {}
        return {
            "AllocationID": row["AllocationID"],
            "Amount": row["Amount"],
            "Date": row["Date"],
            "Invoice": {
                "InvoiceID": row["_invoice"],
                "InvoiceNumber": invoice.get("InvoiceNumber"),
                "Payments": [],
                "CreditNotes": [],
                "Prepayments": [],
                "Overpayments": [],
                "HasErrors": False,
                "IsDiscounted": False,
                "LineItems": [],
            },
        }

    def made(self, row: Row) -> Row:
        """An allocation as the call that makes it answers: without its id, as Xero's own sample has it."""
        out = {k: v for k, v in self.allocation(row).items() if k != "AllocationID"}
        note = {"CreditNoteID": row["_note"], "ID": row["_note"], "LineItems": []}
        wired: Row = to_wire({**out, "CreditNote": note, "ValidationErrors": []})
        return wired

    def released(self, row: Row) -> Row:
        """An allocation as the call that takes it back answers."""
        kept = {name: row[name] for name in ("AllocationID", "Amount", "Date")}
        wired: Row = to_wire({**kept, "Invoice": {"InvoiceID": row["_invoice"]}, "IsDeleted": True})
        return wired

    def show(self, row: Row, *, places: int, paged: bool = True) -> Row:
        out = self.full(row, places=places)
        if not paged:
            out["LineItems"] = []
        wired: Row = to_wire(out)
        return wired
