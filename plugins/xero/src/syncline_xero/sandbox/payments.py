"""Payments: made and deleted, never changed.

Source: Xero API documentation, Payments. A payment settles an invoice or a bill, or pays out a credit note;
it moves what is due of the one, or what is left of the other, and the state of either. One that was made in
a batch, or has been reconciled, is not deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.credit_notes import CreditNotes
from syncline_xero.sandbox.documents import locked_days, today
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import ZERO_ID, Invalid, Row, money, to_day, to_decimal, to_wire

SHAPE = shape(
    "Payment",
    "PaymentID PaymentType Status Date Amount Reference UpdatedDateUTC IsReconciled"
    " Invoice.InvoiceID CreditNote.CreditNoteID Account.AccountID",
    optimised="PaymentType Status Date Invoice.InvoiceID Reference PaymentID",
    optimised_order="UpdatedDateUTC PaymentID Date",
    aliases={"invoice.invoiceid": "_invoice", "creditnote.creditnoteid": "_note"},
)

#: the kind of payment by the kind of document
_KINDS = {
    "ACCREC": "ACCRECPAYMENT",
    "ACCPAY": "ACCPAYPAYMENT",
    "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT",
}
_DOCUMENTS = ("Invoice", "CreditNote", "Prepayment", "Overpayment")


class Payments:
    def __init__(self, ledger: Ledger, invoices: Invoices, notes: CreditNotes) -> None:
        self.ledger = ledger
        self.rows = ledger.payments
        self.invoices = invoices
        self.notes = notes

    def create(self, element: Mapping[str, Any]) -> Row:
        document, key = self._document(element)
        account = self._account(element)
        if document["Status"] != "AUTHORISED":
            raise Invalid("Payment can only be made against approved documents", echo=element)
        amount = money(to_decimal(element.get("Amount", 0), "Amount"))
        if amount <= 0:
            raise Invalid("Payment amount must be greater than zero", echo=element)
        if amount > document["AmountDue" if key == "_invoice" else "RemainingCredit"]:
            raise Invalid("Payment amount exceeds the amount outstanding on this document", echo=element)
        day = to_day(element["Date"], "Date") if element.get("Date") else today(self.ledger)
        faults = locked_days(self.ledger, day)
        if faults:
            raise Invalid(*faults, echo=element)
        rate = document["CurrencyRate"]
        if element.get("CurrencyRate"):
            rate = to_decimal(element["CurrencyRate"], "CurrencyRate")
            if rate <= 0:
                raise Invalid("CurrencyRate must be greater than zero", echo=element)
        reference = str(element.get("Reference") or "")
        if len(reference) > 255:
            raise Invalid("The Reference field exceeds the maximum length of 255 characters.", echo=element)
        same = account.get("CurrencyCode") == document["CurrencyCode"]
        row: Row = {
            "PaymentID": str(uuid.uuid4()),
            "Date": day,
            "Amount": amount,
            # The account's own currency, or the base currency of one that has none.
            "BankAmount": amount if same else money(amount / rate),
            "CurrencyRate": rate,
            "PaymentType": _KINDS[document["Type"]],
            "Status": "AUTHORISED",
            "IsReconciled": bool(element.get("IsReconciled") or False),
            "Account": {k: account[k] for k in ("AccountID", "Code") if k in account},
            key: document["InvoiceID" if key == "_invoice" else "CreditNoteID"],
        }
        if reference:
            row["Reference"] = reference
        return self._store(row, None)

    def delete(self, row: Row) -> Row:
        if row["Status"] != "AUTHORISED" or row["IsReconciled"] or row.get("BatchPaymentID"):
            raise Invalid(
                "Payment not of valid status for modification", echo={"PaymentID": row["PaymentID"]}
            )
        faults = locked_days(self.ledger, row["Date"])
        if faults:
            raise Invalid(*faults, echo={"PaymentID": row["PaymentID"]})
        return self._store({**row, "Status": "DELETED"}, row)

    def reconcile(self, row: Row, *, batch: bool = False) -> Row:
        """What a person does at the bank: match a payment with a statement, or make it part of a batch."""
        change: Row = {"BatchPaymentID": str(uuid.uuid4())} if batch else {"IsReconciled": True}
        return self._store({**row, **change}, row)

    def _store(self, row: Row, old: Row | None) -> Row:
        stamp = self.ledger.next_stamp(old["UpdatedDateUTC"] if old else None)
        row = {**row, "UpdatedDateUTC": stamp}
        row.setdefault("_created", stamp)
        self.rows.put(row)
        if old is None or old["Status"] != row["Status"]:
            if row.get("_invoice"):
                self.invoices.settle(row["_invoice"])
            else:
                self.notes.settle(row["_note"])
        return row

    def _document(self, element: Mapping[str, Any]) -> tuple[Row, str]:
        """The one document that is paid, and under which key a payment keeps its id."""
        named = [name for name in _DOCUMENTS if isinstance(element.get(name), dict)]
        if len(named) > 1:
            raise Invalid("A payment can be applied to one document only", echo=element)
        if named == ["CreditNote"]:
            given = element["CreditNote"]
            key = given.get("CreditNoteID") or given.get("CreditNoteNumber") or ZERO_ID
            note = self.notes.lookup(str(key))
            if note is None:
                raise Invalid("The credit note could not be found", echo=element)
            return note, "_note"
        if named != ["Invoice"]:
            raise Invalid("A payment must be applied to an invoice", echo=element)
        given = element["Invoice"]
        key = given.get("InvoiceID") or given.get("InvoiceNumber") or ZERO_ID
        found = self.invoices.lookup(str(key))
        if found is None:
            raise Invalid("The invoice could not be found", echo=element)
        return found, "_invoice"

    def _account(self, element: Mapping[str, Any]) -> Row:
        given = element.get("Account") or {}
        found = self.ledger.accounts.get(str(given.get("AccountID") or ""))
        if found is None and given.get("Code"):
            coded = self.ledger.accounts.find("code", str(given["Code"]))
            found = coded[0] if coded else None
        if found is None or not (found["Type"] == "BANK" or found["EnablePaymentsToAccount"]):
            raise Invalid("Account is not valid for payments", echo=element)
        return found

    def full(self, row: Row) -> Row:
        out = {k: v for k, v in row.items() if k[0] != "_"}
        if row.get("_invoice"):
            invoice = self.ledger.invoices.table.get(row["_invoice"])
            if invoice is not None:
                out["Invoice"] = _stub(self.invoices.with_contact(invoice), "Invoice")
        elif row.get("_note"):
            note = self.ledger.credit_notes.table.get(row["_note"])
            if note is not None:
                out["CreditNote"] = _stub(self.notes.with_contact(note), "CreditNote")
        out["UpdatedDateUTCString"] = row["UpdatedDateUTC"][:19] + "Z"
        return {**out, "HasAccount": True, "HasValidationErrors": False}

    def show(self, row: Row) -> Row:
        wired: Row = to_wire(self.full(row))
        return wired


def _stub(row: Row, noun: str) -> Row:
    """As much of its document as a payment shows."""
    kept = (f"{noun}ID", f"{noun}Number", "Type", "CurrencyCode")
    return {
        **{k: row[k] for k in kept if k in row},
        "Contact": row["Contact"],
        "LineItems": [],
        "Payments": [],
        "HasErrors": False,
    }


def seeded_amount(total: Decimal, status: str) -> Decimal:
    """How much of a made-up invoice has been paid: all, or two fifths."""
    return total if status == "paid" else money(total * 2 / 5)
