"""The bookkeepers' share of a made-up business, as rows of the ledgers.

Rows are written directly, with stamps of the past months, so that tens of thousands take seconds and a
first modified-since read after seeding finds nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from syncline.connect.sandbox import Company, Invoice, Product, Tables, VirtualClock, World
from syncline_xero.sandbox.contacts import ADDRESS_TYPES, PHONE_TYPES, Contacts
from syncline_xero.sandbox.credit_notes import CreditNotes
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import totals
from syncline_xero.sandbox.payments import seeded_amount
from syncline_xero.sandbox.reference import make_id, seed_organisation, tax_types
from syncline_xero.sandbox.seed_documents import Paperwork
from syncline_xero.sandbox.wire import Row, money, stamp

_STATUS = {
    "draft": "DRAFT",
    "submitted": "SUBMITTED",
    "approved": "AUTHORISED",
    "part-paid": "AUTHORISED",
    "paid": "AUTHORISED",
    "voided": "VOIDED",
    "deleted": "DELETED",
}
_PLAIN: Mapping[str, Any] = {"noop_moves_updated": False, "rewrite": False}


def seed_main(tables: Tables, clock: VirtualClock, tenant: str, world: World) -> Ledger:
    """The organisation whose ledgers the story is about."""
    ledger = Ledger(tables, clock, tenant)
    seed_organisation(
        ledger,
        name=world.name,
        currency=world.currency,
        country=world.country,
        zone=world.timezone,
        rates=world.rates,
    )
    _fill(ledger, world, world.companies, world.products, world.invoices)
    return ledger


def seed_other(tables: Tables, clock: VirtualClock, tenant: str, world: World) -> Ledger:
    """A small organisation in New Zealand with some of the same names, codes and invoice numbers."""
    ledger = Ledger(tables, clock, tenant)
    rates = {"NZD": Decimal(1), "AUD": Decimal("0.917431")}
    seed_organisation(
        ledger,
        name=f"{world.name} NZ",
        currency="NZD",
        country="NZ",
        zone="Pacific/Auckland",
        rates=rates,
    )
    companies = [replace(c, currency="NZD") for c in world.companies if c.books_name][:12]
    keys = {c.key for c in companies}
    invoices = [i for i in world.invoices if i.in_books and i.company in keys][:5]
    products = {line.product for i in invoices for line in i.lines}
    _fill(
        ledger,
        world,
        companies,
        [p for p in world.products if p.key in products],
        [replace(i, currency="NZD", rate=Decimal(1)) for i in invoices],
    )
    return ledger


def _fill(
    ledger: Ledger,
    world: World,
    companies: Sequence[Company],
    products: Sequence[Product],
    invoices: Iterable[Invoice],
) -> None:
    start = ledger.clock.now() - timedelta(days=90)

    def at(key: int, day: int) -> str:
        return stamp(start + timedelta(days=day, milliseconds=97 * key))

    country = str(ledger.organisation["CountryCode"])
    for company in companies:
        if company.books_name is not None:
            ledger.contacts.put(_contact(ledger.tenant, company, at(company.key, 0)))
    for product in products:
        if product.in_books:
            ledger.items.put(_item(ledger.tenant, product, country, at(product.key, 1)))
    contacts = Contacts(ledger, _PLAIN)
    books = Invoices(ledger, contacts, _PLAIN)
    notes = CreditNotes(ledger, contacts, books, _PLAIN)
    names = {p.key: p for p in world.products}
    for invoice in invoices:
        if invoice.in_books:
            _put_invoice(ledger, books, invoice, names, country, at(invoice.key, 2))
    Paperwork(ledger, world, books, notes, at).put(companies, products)
    about = dict(ledger.organisation)
    numbers = [int(tail) for i in world.invoices if (tail := i.number.rpartition("-")[2]).isdigit()]
    about["_next_invoice"] = max(numbers, default=0) + 1
    ledger.save_organisation(about)


def _contact(tenant: str, company: Company, when: str) -> Row:
    name = str(company.books_name)
    phones = [
        {
            "PhoneType": kind,
            "PhoneNumber": company.phone if kind == "DEFAULT" else "",
            "PhoneAreaCode": "",
            "PhoneCountryCode": "",
        }
        for kind in PHONE_TYPES
    ]
    filled = {
        "AddressLine1": company.street,
        "City": company.city,
        "Region": company.region,
        "PostalCode": company.postcode,
        "Country": company.country,
    }
    blank = dict.fromkeys(("City", "Region", "PostalCode", "Country"), "")
    row: Row = {
        "ContactID": make_id(tenant, "contact", company.key),
        "ContactStatus": "ARCHIVED" if company.archived else "ACTIVE",
        "Name": name,
        "FirstName": company.first_name,
        "LastName": company.last_name,
        "Phones": phones,
        "Addresses": [
            {"AddressType": kind, **(filled if kind == "POBOX" else blank)} for kind in ADDRESS_TYPES
        ],
        "ContactPersons": [],
        "DefaultCurrency": company.currency,
        "PaymentTerms": {"Sales": {"Day": company.terms_days, "Type": "DAYSAFTERBILLDATE"}},
        "UpdatedDateUTC": when,
        "_created": when,
        "_name": name.casefold(),
    }
    if company.email:
        row["EmailAddress"] = company.email
    if company.tax_number:
        row["TaxNumber"] = company.tax_number
    return row


def _item(tenant: str, product: Product, country: str, when: str) -> Row:
    taxes = tax_types(country)
    return {
        "ItemID": make_id(tenant, "item", product.key),
        "Code": product.code,
        "Name": product.name,
        "Description": product.description,
        "PurchaseDescription": product.description,
        "IsSold": True,
        "IsPurchased": True,
        "IsTrackedAsInventory": False,
        "SalesDetails": {
            "UnitPrice": product.price,
            "AccountCode": "200",
            "TaxType": taxes["sales" if product.taxable else "free-sales"],
        },
        "PurchaseDetails": {
            "UnitPrice": product.cost,
            "AccountCode": "310",
            "TaxType": taxes["purchases" if product.taxable else "free-purchases"],
        },
        "UpdatedDateUTC": when,
        "_created": when,
    }


def _put_invoice(
    ledger: Ledger,
    books: Invoices,
    invoice: Invoice,
    products: Mapping[int, Product],
    country: str,
    when: str,
) -> None:
    taxes = tax_types(country)
    invoice_id = make_id(ledger.tenant, "invoice", invoice.key)
    lines = []
    for place, line in enumerate(invoice.lines):
        amount = money(line.quantity * line.price * (100 - line.discount_percent) / 100)
        rate = ledger.tax_rates.get(taxes["sales" if line.taxable else "free-sales"])
        percent = rate["EffectiveRate"] if rate else Decimal(0)
        row: Row = {
            "LineItemID": make_id(ledger.tenant, "line", f"{invoice.key}/{place}"),
            "Description": line.description,
            "Quantity": line.quantity,
            "UnitAmount": line.price,
            "ItemCode": products[line.product].code,
            "AccountCode": "200",
            "TaxType": taxes["sales" if line.taxable else "free-sales"],
            "TaxAmount": money(amount * percent / 100),
            "LineAmount": amount,
            "Tracking": [],
        }
        if line.discount_percent:
            row["DiscountRate"] = line.discount_percent
        lines.append(row)
    sums = totals(lines, "Exclusive")
    status = _STATUS[invoice.status]
    ledger.invoices.put(
        {
            "InvoiceID": invoice_id,
            "Type": "ACCREC",
            "InvoiceNumber": invoice.number,
            "Contact": {"ContactID": make_id(ledger.tenant, "contact", invoice.company)},
            "Date": invoice.day.isoformat(),
            "DueDate": invoice.due.isoformat(),
            "LineAmountTypes": "Exclusive",
            "Status": status,
            "CurrencyCode": invoice.currency,
            "CurrencyRate": invoice.rate,
            "LineItems": lines,
            **sums,
            "AmountPaid": Decimal("0.00"),
            "AmountCredited": Decimal("0.00"),
            "AmountDue": Decimal("0.00") if status in ("VOIDED", "DELETED") else sums["Total"],
            "SentToContact": status == "AUTHORISED",
            "UpdatedDateUTC": when,
            "_created": when,
        }
    )
    if invoice.status in ("paid", "part-paid"):
        _pay(ledger, books, invoice, invoice_id, sums["Total"], when)


def _pay(
    ledger: Ledger, books: Invoices, invoice: Invoice, invoice_id: str, total: Decimal, when: str
) -> None:
    amount = seeded_amount(total, invoice.status)
    ledger.payments.put(
        {
            "PaymentID": make_id(ledger.tenant, "payment", invoice.key),
            "Date": invoice.day.isoformat(),
            "Amount": amount,
            "BankAmount": money(amount / invoice.rate),
            "Reference": f"PAY {invoice.number}",
            "CurrencyRate": invoice.rate,
            "PaymentType": "ACCRECPAYMENT",
            "Status": "AUTHORISED",
            "IsReconciled": False,
            "Account": {"AccountID": make_id(ledger.tenant, "account", "090"), "Code": "090"},
            "_invoice": invoice_id,
            "UpdatedDateUTC": when,
            "_created": when,
        }
    )
    books.settle(invoice_id)
    row = ledger.invoices.get(invoice_id)
    if row is not None:
        ledger.invoices.put({**row, "UpdatedDateUTC": when})
