"""The purchases, quotes and credits of a made-up business, beside its sales invoices.

Made from its companies and products by their places in the list alone, so that the same world always has
the same documents. Nothing here touches a sales invoice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from syncline.connect.sandbox import Company, Product, World
from syncline_xero.sandbox.credit_notes import CreditNotes
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.ledger import Collection, Ledger
from syncline_xero.sandbox.lines import totals
from syncline_xero.sandbox.payments import seeded_amount
from syncline_xero.sandbox.reference import make_id, tax_types
from syncline_xero.sandbox.wire import Row, money

#: so many suppliers, and so many customers with quotes and credits
HOW_MANY = 12
_QUOTES = ("DRAFT", "SENT", "ACCEPTED", "INVOICED", "DECLINED", "DELETED")
_ORDERS = ("DRAFT", "AUTHORISED", "BILLED", "SUBMITTED", "AUTHORISED", "DELETED")
_BILLS = ("approved", "paid", "draft", "part-paid", "approved", "voided")
_STATES = {"approved": "AUTHORISED", "paid": "AUTHORISED", "part-paid": "AUTHORISED"}
_ZERO = Decimal("0.00")

#: (key, day) -> the stamp of a record of that key
Stamp = Callable[[int, int], str]


class Paperwork:
    """Puts documents into one organisation's ledger."""

    def __init__(
        self, ledger: Ledger, world: World, invoices: Invoices, notes: CreditNotes, at: Stamp
    ) -> None:
        self.ledger = ledger
        self.world = world
        self.invoices = invoices
        self.notes = notes
        self.at = at
        self.taxes = tax_types(str(ledger.organisation["CountryCode"]))

    def put(self, companies: Sequence[Company], products: Sequence[Product]) -> None:
        known = [c for c in companies if c.books_name is not None and not c.archived]
        goods = [p for p in products if p.in_books]
        if not known or not goods:
            return
        start = min((i.day for i in self.world.invoices), default=date(2026, 7, 1))
        for place, company in enumerate(known[1::3][:HOW_MANY]):
            day = start + timedelta(days=7 * place)
            self._quote(place, company, goods, day)
            if place % 2 == 0:
                self._customer_credit(place, company, goods, day + timedelta(days=20))
        for place, company in enumerate(known[2::3][:HOW_MANY]):
            day = start + timedelta(days=5 * place)
            self._order(place, company, goods, day)
            self._bill(place, company, goods, day + timedelta(days=3))
            if place % 3 == 0:
                self._supplier_credit(place, company, goods, day + timedelta(days=9))

    # --- each kind ----------------------------------------------------------------------------------

    def _quote(self, place: int, company: Company, goods: Sequence[Product], day: date) -> None:
        lines = self._lines("quote", place, goods, sales=True, discount=place % 4 == 1)
        row = self._document("quote", place, company, lines, day, _QUOTES[place % len(_QUOTES)])
        about = {
            "LineAmountTypes": "EXCLUSIVE",
            "QuoteNumber": f"QU-{place + 1:04d}",
            "ExpiryDate": (day + timedelta(days=30)).isoformat(),
            "Title": f"Offer to {company.books_name}"[:100],
            "Terms": "Not valid after the expiry date",
        }
        self.ledger.quotes.put({"QuoteID": self._id("quote", place), **row, **about})

    def _order(self, place: int, company: Company, goods: Sequence[Product], day: date) -> None:
        lines = self._lines("order", place, goods, sales=False)
        status = _ORDERS[place % len(_ORDERS)]
        row = self._document("order", place, company, lines, day, status)
        about = {
            "PurchaseOrderID": self._id("order", place),
            "PurchaseOrderNumber": f"PO-{place + 1:04d}",
            "Type": "PURCHASEORDER",
            "DeliveryDate": (day + timedelta(days=10)).isoformat(),
            "AttentionTo": f"{company.first_name} {company.last_name}",
            "SentToContact": status == "BILLED",
        }
        self.ledger.purchase_orders.put({**row, **about})

    def _bill(self, place: int, company: Company, goods: Sequence[Product], day: date) -> None:
        lines = self._lines("bill", place, goods, sales=False)
        plan = _BILLS[place % len(_BILLS)]
        status = _STATES.get(plan, plan.upper())
        row = self._document("bill", place, company, lines, day, status)
        bill_id = self._id("bill", place)
        about = {
            "InvoiceID": bill_id,
            "Type": "ACCPAY",
            "DueDate": (day + timedelta(days=company.terms_days)).isoformat(),
            "AmountPaid": _ZERO,
            "AmountCredited": _ZERO,
            "AmountDue": _ZERO if status == "VOIDED" else row["Total"],
            "SentToContact": False,
        }
        # Two suppliers number alike, and one gives no number: neither is refused.
        if place != 4:
            about["InvoiceNumber"] = f"S-{1000 + place // 2}"
        self.ledger.invoices.put({**row, **about})
        if plan in ("paid", "part-paid"):
            amount = seeded_amount(row["Total"], plan)
            self._pay("bill", place, "_invoice", bill_id, "ACCPAYPAYMENT", amount, row)
            self._settle(self.ledger.invoices, self.invoices, bill_id)

    def _customer_credit(self, place: int, company: Company, goods: Sequence[Product], day: date) -> None:
        lines = self._lines("credit", place, goods, sales=True)
        status = "DRAFT" if place % 4 == 0 else "AUTHORISED"
        note_id = self._note("credit", place, company, lines, day, status, "ACCRECCREDIT")
        if place % 6 == 2:
            note = self.ledger.credit_notes.table.get(note_id) or {}
            amount = seeded_amount(note["Total"], "part-paid")
            self._pay("credit", place, "_note", note_id, "ARCREDITPAYMENT", amount, note)
            self._settle(self.ledger.credit_notes, self.notes, note_id)

    def _supplier_credit(self, place: int, company: Company, goods: Sequence[Product], day: date) -> None:
        lines = self._lines("supplier-credit", place, goods, sales=False)[:1]
        note_id = self._note("supplier-credit", place, company, lines, day, "AUTHORISED", "ACCPAYCREDIT")
        bill = self.ledger.invoices.table.get(self._id("bill", place)) or {}
        note = self.ledger.credit_notes.table.get(note_id) or {}
        if bill["Status"] != "AUTHORISED":
            return
        amount = min(money(bill["AmountDue"] / 2), note["RemainingCredit"])
        self.ledger.allocations.put(
            {
                "AllocationID": self._id("allocation", place),
                "Amount": amount,
                "Date": note["Date"],
                "_note": note_id,
                "_invoice": bill["InvoiceID"],
                "UpdatedDateUTC": note["UpdatedDateUTC"],
            }
        )
        self._settle(self.ledger.credit_notes, self.notes, note_id)
        self._settle(self.ledger.invoices, self.invoices, bill["InvoiceID"])

    # --- their parts --------------------------------------------------------------------------------

    def _note(
        self,
        kind: str,
        place: int,
        company: Company,
        lines: list[Row],
        day: date,
        status: str,
        sort: str,
    ) -> str:
        row = self._document(kind, place, company, lines, day, status)
        note_id = self._id(kind, place)
        prefix = "CN" if sort == "ACCRECCREDIT" else "SC"
        about = {
            "CreditNoteID": note_id,
            "Type": sort,
            "CreditNoteNumber": f"{prefix}-{place + 1:04d}",
            "SentToContact": False,
            "AppliedAmount": _ZERO,
            "RemainingCredit": row["Total"],
        }
        self.ledger.credit_notes.put({**row, **about})
        return note_id

    def _document(
        self, kind: str, place: int, company: Company, lines: list[Row], day: date, status: str
    ) -> Row:
        when = self.at(place, 3)
        currency = company.currency
        rates: Mapping[str, Decimal] = self.ledger.organisation["_rates"]
        return {
            "Contact": {"ContactID": make_id(self.ledger.tenant, "contact", company.key)},
            "Date": day.isoformat(),
            "LineAmountTypes": "Exclusive",
            "Status": status,
            "CurrencyCode": currency,
            "CurrencyRate": rates.get(currency, Decimal(1)),
            "LineItems": lines,
            **totals(lines, "Exclusive"),
            "UpdatedDateUTC": when,
            "_created": when,
        }

    def _lines(
        self, kind: str, place: int, goods: Sequence[Product], *, sales: bool, discount: bool = False
    ) -> list[Row]:
        lines = []
        for count in range(1 + place % 3):
            product = goods[(3 * place + count) % len(goods)]
            taxable = "" if product.taxable else "free-"
            tax = self.taxes[f"{taxable}{'sales' if sales else 'purchases'}"]
            rate = self.ledger.tax_rates.get(tax)
            percent = rate["EffectiveRate"] if rate else Decimal(0)
            quantity, price = Decimal(1 + (place + count) % 5), product.price if sales else product.cost
            amount = money(quantity * price * (90 if discount else 100) / 100)
            line: dict[str, Any] = {
                "LineItemID": self._id(f"{kind}-line", f"{place}/{count}"),
                "Description": product.description or product.name,
                "Quantity": quantity,
                "UnitAmount": price,
                "ItemCode": product.code,
                "AccountCode": "200" if sales else "310",
                "TaxType": tax,
                "TaxAmount": money(amount * percent / 100),
                "LineAmount": amount,
                "Tracking": [],
            }
            if discount:
                line["DiscountRate"] = Decimal(10)
            lines.append(line)
        return lines

    def _pay(
        self, kind: str, place: int, key: str, document: str, sort: str, amount: Decimal, row: Row
    ) -> None:
        when = row["UpdatedDateUTC"]
        self.ledger.payments.put(
            {
                "PaymentID": self._id(f"{kind}-payment", place),
                "Date": row["Date"],
                "Amount": amount,
                "BankAmount": money(amount / row["CurrencyRate"]),
                "CurrencyRate": row["CurrencyRate"],
                "PaymentType": sort,
                "Status": "AUTHORISED",
                "IsReconciled": False,
                "Account": {"AccountID": make_id(self.ledger.tenant, "account", "090"), "Code": "090"},
                key: document,
                "UpdatedDateUTC": when,
                "_created": when,
            }
        )

    def _settle(self, rows: Collection, documents: Invoices | CreditNotes, record_id: str) -> None:
        """What money put against a document makes of it, without its stamp moving."""
        before = rows.table.get(record_id) or {}
        documents.settle(record_id)
        row = rows.table.get(record_id)
        if row is not None:
            rows.put({**row, "UpdatedDateUTC": before["UpdatedDateUTC"]})

    def _id(self, kind: str, key: object) -> str:
        return make_id(self.ledger.tenant, kind, key)
