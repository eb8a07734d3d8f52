"""Payments: made and deleted, never changed.

Source: Xero API documentation, Payments. Payments of invoices alone; a payment moves its invoice's
AmountPaid, AmountDue and Status.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import ZERO_ID, Invalid, Row, money, to_day, to_decimal, to_wire

SHAPE = shape(
    "Payment",
    "PaymentID PaymentType Status Date Amount Reference UpdatedDateUTC IsReconciled"
    " Invoice.InvoiceID Account.AccountID",
    optimised="PaymentType Status Date Invoice.InvoiceID Reference PaymentID",
    optimised_order="UpdatedDateUTC PaymentID Date",
    aliases={"invoice.invoiceid": "_invoice"},
)


class Payments:
    def __init__(self, ledger: Ledger, invoices: Invoices) -> None:
        self.ledger = ledger
        self.rows = ledger.payments
        self.invoices = invoices

    def create(self, element: Mapping[str, Any]) -> Row:
        invoice = self._invoice(element)
        account = self._account(element)
        if invoice["Status"] != "AUTHORISED":
            raise Invalid("Payment can only be made against approved documents", echo=element)
        amount = money(to_decimal(element.get("Amount", 0), "Amount"))
        if amount <= 0:
            raise Invalid("Payment amount must be greater than zero", echo=element)
        if amount > invoice["AmountDue"]:
            raise Invalid("Payment amount exceeds the amount outstanding on this document", echo=element)
        day = to_day(element["Date"], "Date") if element.get("Date") else self.invoices._today()
        limit = self.ledger.organisation.get("PeriodLockDate")
        if limit and day <= limit:
            raise Invalid(
                f"The document date cannot be before the period lock date, currently set at {limit}",
                echo=element,
            )
        rate = invoice["CurrencyRate"]
        if element.get("CurrencyRate"):
            rate = to_decimal(element["CurrencyRate"], "CurrencyRate")
        row: Row = {
            "PaymentID": str(uuid.uuid4()),
            "Date": day,
            "Amount": amount,
            "BankAmount": money(amount / rate),
            "CurrencyRate": rate,
            "PaymentType": f"{invoice['Type']}PAYMENT",
            "Status": "AUTHORISED",
            "IsReconciled": bool(element.get("IsReconciled") or False),
            "Account": {k: account[k] for k in ("AccountID", "Code") if k in account},
            "_invoice": invoice["InvoiceID"],
        }
        if element.get("Reference"):
            row["Reference"] = str(element["Reference"])[:255]
        return self._store(row, None)

    def delete(self, row: Row) -> Row:
        if row["Status"] != "AUTHORISED" or row["IsReconciled"]:
            raise Invalid(
                "Payment not of valid status for modification", echo={"PaymentID": row["PaymentID"]}
            )
        return self._store({**row, "Status": "DELETED"}, row)

    def _store(self, row: Row, old: Row | None) -> Row:
        stamp = self.ledger.next_stamp(old["UpdatedDateUTC"] if old else None)
        row = {**row, "UpdatedDateUTC": stamp}
        row.setdefault("_created", stamp)
        self.rows.put(row)
        self.invoices.settle_payments(row["_invoice"])
        return row

    def _invoice(self, element: Mapping[str, Any]) -> Row:
        given = element.get("Invoice")
        if not isinstance(given, dict):
            raise Invalid("A payment must be applied to an invoice", echo=element)
        key = given.get("InvoiceID") or given.get("InvoiceNumber") or ZERO_ID
        found = self.invoices.lookup(str(key))
        if found is None:
            raise Invalid("The invoice could not be found", echo=element)
        return found

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
        invoice = self.ledger.invoices.table.get(row["_invoice"])
        if invoice is not None:
            shown = self.invoices.with_contact(invoice)
            out["Invoice"] = {
                **{k: shown[k] for k in ("InvoiceID", "InvoiceNumber", "Type", "CurrencyCode") if k in shown},
                "Contact": shown["Contact"],
                "LineItems": [],
                "Payments": [],
                "HasErrors": False,
            }
        out["UpdatedDateUTCString"] = row["UpdatedDateUTC"][:19] + "Z"
        return {**out, "HasAccount": True, "HasValidationErrors": False}

    def show(self, row: Row) -> Row:
        wired: Row = to_wire(self.full(row))
        return wired


def seeded_amount(total: Decimal, status: str) -> Decimal:
    """How much of a made-up invoice has been paid: all, or two fifths."""
    return total if status == "paid" else money(total * 2 / 5)
