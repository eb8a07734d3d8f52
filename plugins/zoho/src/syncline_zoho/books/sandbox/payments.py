"""Customer payments: one may cover many invoices, and the rest is the customer's credit.

Source: Zoho Books API v3, Customer payments. Recording one moves the time of its invoices, never that of the
contact (as recorded); details call the time of change ``updated_time``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_zoho.books.sandbox import fields
from syncline_zoho.books.sandbox.documents import Documents, open_balance
from syncline_zoho.books.sandbox.errors import Refused, gone, invalid, missing
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.lists import ListRules
from syncline_zoho.books.sandbox.wire import ZERO, Row, day_of, in_zone, number_of, rows_of, text_of

TEXTS = {"payment_mode": 100, "reference_number": 100, "description": 2000}
RULES = ListRules(
    sort="date",
    order="D",
    sorts=frozenset({"date"}),
    equals=frozenset({"customer_id", "customer_name", "reference_number", "date", "amount", "payment_mode"}),
    filters={"PaymentMode.All": lambda row: True},
)


class Payments:
    def __init__(self, ledger: Ledger, invoices: Documents) -> None:
        self._ledger = ledger
        self._invoices = invoices

    def create(self, body: Mapping[str, Any]) -> Row:
        ledger = self._ledger
        customer = ledger.get("contacts", body.get("customer_id"))
        if customer is None or customer["contact_type"] != "customer":
            raise Refused("Customer does not exist.", 1002)
        for name, words in (("payment_mode", "payment mode"), ("amount", "amount"), ("date", "date")):
            if body.get(name) in (None, ""):
                raise missing(words)
        row: Row = {
            "payment_id": ledger.new_id(),
            "payment_number": str(ledger.next_number("customerpayments", "")).lstrip("0"),
            "customer_id": customer["contact_id"],
            **dict.fromkeys(TEXTS, ""),
            "currency_id": customer["currency_id"],
            "exchange_rate": Decimal(
                (ledger.get("currencies", customer["currency_id"]) or {}).get("exchange_rate") or 1
            ),
            "bank_charges": ZERO,
            "account_id": ledger.about["_bank_account"],
            "invoices": [],
            "_custom": {},
            "created_time": ledger.stamp(),
        }
        return self._store(row, body)

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        return self._store(dict(row), body)

    def _store(self, row: Row, body: Mapping[str, Any]) -> Row:
        ledger = self._ledger
        for name, limit in TEXTS.items():
            if name in body:
                row[name] = text_of(body, name, limit)
        if not row["payment_mode"]:
            raise missing("payment mode")
        if "date" in body:
            row["date"] = day_of(body["date"], "date")
        if not row.get("date"):
            raise missing("date")
        for name in ("amount", "bank_charges"):
            if name in body:
                row[name] = number_of(body[name], name)
        if row["amount"] <= 0:
            raise invalid("amount")
        if body.get("exchange_rate") not in (None, "", 0):
            same = row["currency_id"] == ledger.about["currency_id"]
            row["exchange_rate"] = Decimal(1) if same else number_of(body["exchange_rate"], "exchange_rate")
        if body.get("account_id"):
            if ledger.get("chartofaccounts", body["account_id"]) is None:
                raise invalid("account_id")
            row["account_id"] = str(body["account_id"])
        until = ledger.about.get("_lock_date") or ""
        if until and row["date"] <= until:
            raise Refused(f"Transaction locking: transactions dated up to {until} are locked.")
        touched = {entry["invoice_id"] for entry in row["invoices"]}
        if "invoices" in body:
            row["invoices"] = self._applied(row, rows_of(body["invoices"], "invoices"))
        if sum((Decimal(e["amount_applied"]) for e in row["invoices"]), ZERO) > row["amount"]:
            raise Refused("The amount applied to the invoices is more than the amount of the payment.")
        if "custom_fields" in body:
            row["_custom"] = fields.take(
                ledger, "customerpayments", row["payment_id"], row["_custom"], body["custom_fields"]
            )
        ledger.put("customerpayments", {**row, "last_modified_time": ledger.stamp()})
        ledger.apply_payment(row)
        self._bump(touched | {entry["invoice_id"] for entry in row["invoices"]})
        return ledger.get("customerpayments", row["payment_id"]) or row

    def _applied(self, row: Row, given: list[Mapping[str, Any]]) -> list[Row]:
        ledger, entries = self._ledger, []
        held = {e["invoice_id"]: Decimal(e["amount_applied"]) for e in row["invoices"]}
        for body in given:
            invoice = ledger.get("invoices", body.get("invoice_id"))
            if invoice is None or invoice["customer_id"] != row["customer_id"]:
                raise Refused("Invoice does not exist.", 1002)
            if invoice["status"] == "void":
                raise Refused("Payments cannot be recorded for invoices that are void.")
            amount = number_of(body.get("amount_applied"), "amount_applied")
            if amount <= 0 or amount > open_balance(ledger, invoice) + held.get(invoice["invoice_id"], ZERO):
                raise Refused("The amount applied is more than the balance of the invoice.")
            if invoice["status"] == "draft":
                ledger.put("invoices", {**invoice, "status": "sent"})
            entries.append({"invoice_id": invoice["invoice_id"], "amount_applied": amount})
        return entries

    def _bump(self, invoices: set[str]) -> None:
        for invoice in invoices:
            self._ledger.touch("invoices", invoice)

    def delete(self, row: Row) -> None:
        until = self._ledger.about.get("_lock_date") or ""
        if until and row["date"] <= until:
            raise Refused(f"Transaction locking: transactions dated up to {until} are locked.")
        self._ledger.remove("customerpayments", row)
        self._ledger.apply_payment(row, away=True)
        self._bump({entry["invoice_id"] for entry in row["invoices"]})

    def find(self, payment: Any) -> Row:
        row = self._ledger.get("customerpayments", payment)
        if row is None:
            raise gone("Payment")
        return row

    # --- showing ----------------------------------------------------------------------------------

    def show(self, row: Row) -> Row:
        ledger, zone = self._ledger, self._ledger.zone
        entries = []
        for entry in row["invoices"]:
            invoice = ledger.get("invoices", entry["invoice_id"]) or {}
            entries.append(
                {
                    **entry,
                    "invoice_number": invoice.get("invoice_number", ""),
                    "date": invoice.get("date", ""),
                    "invoice_amount": invoice.get("total", ZERO),
                    "balance_amount": open_balance(ledger, invoice) if invoice else ZERO,
                }
            )
        currency = ledger.get("currencies", row["currency_id"]) or {}
        account = ledger.get("chartofaccounts", row["account_id"]) or {}
        return {
            **{n: v for n, v in row.items() if not n.startswith("_") and n != "last_modified_time"},
            "customer_name": self._customer(row),
            "status": "paid",
            "currency_code": currency.get("currency_code", ""),
            "currency_symbol": currency.get("currency_symbol", ""),
            "account_name": account.get("account_name", ""),
            "invoices": entries,
            "amount_refunded": ZERO,
            "unused_amount": self._unused(row),
            **fields.shown(ledger, "customerpayments", row),
            "created_time": in_zone(row["created_time"], zone),
            "updated_time": in_zone(row["last_modified_time"], zone),
        }

    def show_listed(self, row: Row) -> Row:
        zone = self._ledger.zone
        names = ("payment_id", "payment_number", "customer_id", "date", "amount", "payment_mode",
                 "reference_number", "description", "account_id")  # fmt: skip
        return {
            **{name: row[name] for name in names},
            "customer_name": self._customer(row),
            "payment_status": "paid",
            "unused_amount": self._unused(row),
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def _customer(self, row: Row) -> str:
        return str((self._ledger.get("contacts", row["customer_id"]) or {}).get("contact_name", ""))

    @staticmethod
    def _unused(row: Row) -> Decimal:
        return Decimal(row["amount"]) - sum((Decimal(e["amount_applied"]) for e in row["invoices"]), ZERO)
