"""The bookkeepers' share of a made-up business, as this remote would hold it.

Everything is stored by the rules that serve the API, then dated over the months before the sandbox's clock,
so that a read of what changed finds nothing new after seeding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal

from msgspec.structs import replace

from syncline.connect.sandbox import Company, Invoice, Product, World
from syncline_zoho.books.sandbox.organisation import Organisation
from syncline_zoho.books.sandbox.reference import open_organisation
from syncline_zoho.books.sandbox.wire import Row, rounded, stamp

SPREAD = timedelta(days=60)
_FIRST_IDS = (460_000_000_000_010_000, 982_000_000_000_010_000)
_VENDORS = (
    ("Bluegum Wholesale Pty Ltd", "Marta", "Silva", "AUD"),
    ("Coral Freight Services", "Ollie", "Grant", "AUD"),
    ("Ironbark Components", "Petra", "Novak", "AUD"),
    ("Kererū Packaging", "Aroha", "Ngata", "NZD"),
    ("Pacific Fasteners Inc", "Dana", "Cole", "USD"),
    ("Tallow & Sons", "Ed", "Tallow", "AUD"),
)
_TODAY = date(2026, 11, 20)


def seed_main(organisation: Organisation, world: World) -> None:
    """The organisation whose business the story is about."""
    open_organisation(
        organisation.ledger,
        first_id=_FIRST_IDS[0],
        name=world.name,
        currency=world.currency,
        country=world.country,
        zone=world.timezone,
        rates=world.rates,
    )
    _fill(organisation, world, world.companies, world.products, world.invoices)


def seed_other(organisation: Organisation, world: World) -> None:
    """A small organisation in New Zealand with some of the same names, codes and document numbers."""
    open_organisation(
        organisation.ledger,
        first_id=_FIRST_IDS[1],
        name=f"{world.name} NZ",
        currency="NZD",
        country="NZ",
        zone="Pacific/Auckland",
        rates={"NZD": Decimal(1), "AUD": Decimal("0.917431")},
    )
    companies = [replace(c, currency="NZD") for c in world.companies if c.books_name][:12]
    keys = {c.key for c in companies}
    invoices = [i for i in world.invoices if i.in_books and i.company in keys][:5]
    products = {line.product for i in invoices for line in i.lines}
    _fill(
        organisation,
        world,
        companies,
        [p for p in world.products if p.key in products],
        [replace(i, currency="NZD", rate=Decimal(1)) for i in invoices],
    )


def _fill(
    organisation: Organisation,
    world: World,
    companies: Iterable[Company],
    products: Iterable[Product],
    invoices: Iterable[Invoice],
) -> None:
    companies = [c for c in companies if c.books_name is not None]
    products = [p for p in products if p.in_books]
    invoices = [i for i in invoices if i.in_books and i.status != "deleted"]
    filler = _Filler(organisation, 4 * len(companies) + len(products) + 4 * len(invoices) + 200)
    for company in companies:
        filler.company(company)
    for product in products:
        filler.product(product)
    for invoice in invoices:
        filler.invoice(invoice)
    if products and companies:
        filler.purchases()
        filler.sales()
        filler.price_list()
    for company in companies:
        if company.archived:
            filler.archive(company)


class _Filler:
    """``steps``: at least as many as records will be made, so that all of them lie in the past."""

    def __init__(self, organisation: Organisation, steps: int) -> None:
        self._org = organisation
        self._ledger = organisation.ledger
        self._times = _times(organisation, steps)
        self._currencies = {r["currency_code"]: r["currency_id"] for r in self._ledger.stores["currencies"]}
        self._taxes = [r["tax_id"] for r in self._ledger.stores["taxes"]]
        self._contacts: dict[int, str] = {}
        self._items: dict[int, str] = {}
        self._vendors: list[str] = []

    def company(self, company: Company) -> None:
        body = {
            "contact_name": company.books_name,
            "company_name": company.books_name,
            "contact_type": "customer",
            "currency_id": self._currencies[company.currency],
            "payment_terms": company.terms_days,
            "website": company.website,
            "tax_reg_no": company.tax_number,
            "billing_address": {
                "address": company.street,
                "city": company.city,
                "state": company.region,
                "zip": company.postcode,
                "country": company.country,
            },
            "contact_persons": [
                {
                    "first_name": company.first_name,
                    "last_name": company.last_name,
                    "email": company.email,
                    "phone": company.phone,
                    "is_primary_contact": True,
                }
            ],
        }
        row = self._date("contacts", self._org.contacts.create(body))
        self._contacts[company.key] = row["contact_id"]

    def archive(self, company: Company) -> None:
        row = self._org.find("contacts", self._contacts[company.key])
        self._ledger.put("contacts", {**row, "status": "inactive"})

    def product(self, product: Product) -> None:
        about = self._ledger.about
        body = {
            "name": product.name,
            "sku": product.code,
            "description": product.description,
            "rate": product.price,
            "item_type": "sales_and_purchases",
            "purchase_rate": product.cost,
            "purchase_description": product.description,
            "purchase_account_id": about["_cost_account"],
            "tax_id": self._taxes[0 if product.taxable else 1],
        }
        self._items[product.key] = self._date("items", self._org.items.create(body))["item_id"]

    def invoice(self, invoice: Invoice) -> None:
        documents = self._org.documents["invoices"]
        row = documents.create(
            {
                "customer_id": self._contacts[invoice.company],
                "invoice_number": invoice.number,
                "date": invoice.day.isoformat(),
                "due_date": invoice.due.isoformat(),
                "currency_id": self._currencies[invoice.currency],
                "exchange_rate": rounded(1 / invoice.rate, 6),
                "line_items": [
                    {
                        "item_id": self._items[line.product],
                        "description": line.description,
                        "quantity": line.quantity,
                        "rate": line.price,
                        "discount": f"{line.discount_percent}%" if line.discount_percent else 0,
                        "tax_id": self._taxes[0 if line.taxable else 1],
                    }
                    for line in invoice.lines
                ],
            },
            number_given=True,
        )
        if invoice.status not in ("draft", "submitted"):
            row = documents.move(row, "sent")
        if invoice.status == "voided":
            row = documents.move(row, "void")
        if invoice.status in ("paid", "part-paid"):
            self._pay(row, invoice)
        self._date("invoices", self._org.find("invoices", row["invoice_id"]))

    def _pay(self, row: Row, invoice: Invoice) -> None:
        total = Decimal(row["total"])
        amount = total if invoice.status == "paid" else rounded(total * 2 / 5, 2)
        if not amount:
            return
        payment = self._org.payments.create(
            {
                "customer_id": row["customer_id"],
                "payment_mode": "banktransfer",
                "amount": amount,
                "date": invoice.day.isoformat(),
                "reference_number": f"PAY {invoice.number}",
                "invoices": [{"invoice_id": row["invoice_id"], "amount_applied": amount}],
            }
        )
        self._date("customerpayments", payment)

    def purchases(self) -> None:
        """Vendors with their orders and bills."""
        for name, first, last, currency in _VENDORS:
            if currency not in self._currencies:
                continue
            row = self._org.contacts.create(
                {
                    "contact_name": name,
                    "company_name": name,
                    "contact_type": "vendor",
                    "currency_id": self._currencies[currency],
                    "payment_terms": 30,
                    "contact_persons": [
                        {"first_name": first, "last_name": last, "email": f"{first.lower()}@supply.example"}
                    ],
                }
            )
            self._vendors.append(self._date("contacts", row)["contact_id"])
        items = list(self._items.values())
        for number in range(12):
            day = _TODAY - timedelta(days=7 * number)
            lines = [
                {"item_id": items[(3 * number + place) % len(items)], "quantity": Decimal(5 + place)}
                for place in range(1 + number % 3)
            ]
            vendor = self._vendors[number % len(self._vendors)]
            bill = self._org.documents["bills"].create(
                {
                    "vendor_id": vendor,
                    "bill_number": f"B-{7000 + number}",
                    "date": day.isoformat(),
                    "line_items": lines,
                },
                number_given=True,
            )
            if number % 4 == 3:
                self._ledger.put("bills", {**bill, "_paid": bill["total"]})
            self._date("bills", self._org.find("bills", bill["bill_id"]))
            orders = self._org.documents["purchaseorders"]
            order = orders.create(
                {"vendor_id": vendor, "date": day.isoformat(), "line_items": lines}, number_given=False
            )
            if number % 3:
                order = orders.move(order, "open")
            self._date("purchaseorders", order)

    def sales(self) -> None:
        """Offers, orders and credit."""
        customers = list(self._contacts.values())
        items = list(self._items.values())
        for number in range(8):
            body = {
                "customer_id": customers[number % len(customers)],
                "date": (_TODAY - timedelta(days=5 * number)).isoformat(),
                "line_items": [{"item_id": items[number % len(items)], "quantity": Decimal(1 + number)}],
            }
            for kind, call in (("estimates", "sent"), ("salesorders", "open")):
                documents = self._org.documents[kind]
                row = documents.create(body, number_given=False)
                if number % 2:
                    row = documents.move(row, call)
                self._date(kind, row)
            if number < 4:
                notes = self._org.documents["creditnotes"]
                self._date("creditnotes", notes.create(body, number_given=False))

    def price_list(self) -> None:
        entries = [
            {
                "item_id": item,
                "pricebook_rate": rounded(Decimal(self._org.find("items", item)["rate"]) * 9 / 10, 2),
            }
            for item in list(self._items.values())[:5]
        ]
        row = self._org.pricebooks.create({"name": "Trade", "pricebook_items": entries})
        self._date("pricebooks", row)

    def _date(self, kind: str, row: Row) -> Row:
        when = next(self._times)
        return self._ledger.put(kind, {**row, "created_time": when, "last_modified_time": when})


def _times(organisation: Organisation, count: int) -> Iterator[str]:
    """Instants in order, the last an hour ago."""
    end = organisation.ledger.now() - timedelta(hours=1)
    step = SPREAD / max(1, count)
    for number in range(count):
        yield stamp(end - step * (count - number))
