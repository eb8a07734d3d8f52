"""A believable small business, told twice: as its sales people and as its bookkeepers wrote it down."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

SALES = "sales"
BOOKS = "books"


class Company(Struct, frozen=True, kw_only=True):
    """A customer. ``sales_name`` and ``books_name`` are two people's spellings of one company, ``None``
    where that department has never heard of it. ``terms_days``: days from the invoice date."""

    key: int
    sales_name: str | None
    books_name: str | None
    first_name: str
    last_name: str
    email: str | None
    phone: str
    tax_number: str | None
    website: str | None
    street: str
    city: str
    region: str
    postcode: str
    country: str
    currency: str
    terms_days: int
    archived: bool = False


class Product(Struct, frozen=True, kw_only=True):
    """Something sold. ``code`` is what both departments call it by."""

    key: int
    code: str
    name: str
    description: str
    price: Decimal
    cost: Decimal
    taxable: bool
    in_sales: bool
    in_books: bool


class InvoiceLine(Struct, frozen=True, kw_only=True):
    """``discount_percent`` 0-100; ``price`` in the invoice's currency, up to 4 decimals."""

    product: int
    description: str
    quantity: Decimal
    price: Decimal
    discount_percent: Decimal
    taxable: bool


class Invoice(Struct, frozen=True, kw_only=True):
    """``status``: draft, submitted, approved, part-paid, paid, voided or deleted. ``rate``: units of
    ``currency`` for one unit of the home currency."""

    key: int
    number: str
    company: int
    day: date
    due: date
    currency: str
    rate: Decimal
    status: str
    lines: tuple[InvoiceLine, ...]
    in_sales: bool
    in_books: bool


class World(Struct, frozen=True, kw_only=True):
    """``name``: the business whose ledgers these are; ``currency``: its home currency."""

    name: str
    currency: str
    country: str
    timezone: str
    rates: dict[str, Decimal]
    companies: tuple[Company, ...] = ()
    products: tuple[Product, ...] = ()
    invoices: tuple[Invoice, ...] = field(default=())


_FIRST = [
    "Amelia",
    "Bruno",
    "Chloé",
    "Daniel",
    "Eilidh",
    "Farid",
    "Grace",
    "Hamish",
    "Ines",
    "Jürgen",
    "Kiri",
    "Liam",
    "Mia",
    "Noor",
    "Oscar",
    "Priya",
    "Quinn",
    "Rosa",
    "Sami",
    "Tāne",
    "Una",
    "Viktor",
    "Wendy",
    "Xavier",
    "Yuki",
    "Zoë",
]
_LAST = [
    "Anderson",
    "Baker",
    "Castro",
    "Dubois",
    "Evans",
    "Fraser",
    "García",
    "Hughes",
    "Iyer",
    "Jensen",
    "Kaur",
    "Lindqvist",
    "Müller",
    "Nguyen",
    "O'Neill",
    "Papadopoulos",
    "Quigley",
    "Rossi",
    "Singh",
    "Tanaka",
    "Urquhart",
    "Vasquez",
    "Walker",
    "Xu",
    "Young",
    "Zhang",
]
_HEAD = [
    "Alder",
    "Banksia",
    "Cedar",
    "Dune",
    "Ember",
    "Fjord",
    "Granite",
    "Harbour",
    "Indigo",
    "Juniper",
    "Kauri",
    "Lagoon",
    "Marlow",
    "Nimbus",
    "Opal",
    "Pioneer",
    "Quarry",
    "Ridge",
    "Summit",
    "Tidal",
    "Umber",
    "Verdant",
    "Willow",
    "Yarra",
    "Zenith",
    "Café",
    "Señor",
    "Größe",
    "Malmö",
    "Pōneke",
]
_TRADE = [
    "Electrical",
    "Plumbing",
    "Logistics",
    "Bakery",
    "Interiors",
    "Landscapes",
    "Motors",
    "Dental",
    "Printing",
    "Catering",
    "Software",
    "Consulting",
    "Roofing",
    "Fisheries",
    "Timber",
    "Optics",
    "Travel",
    "Fitness",
    "Textiles",
    "Robotics",
]
_FORMS = (("Pty Ltd", "Pty Limited"), ("Ltd", "Limited"), ("", ""), ("Inc", "Inc."), ("LLC", "L.L.C."))
_STREETS = ("George St", "Harbour Rd", "Mill Lane", "Queen St", "Station Rd", "High St", "Church Ave")
_PLACES = (
    ("Sydney", "NSW", "2000", "Australia"),
    ("Melbourne", "VIC", "3000", "Australia"),
    ("Brisbane", "QLD", "4000", "Australia"),
    ("Perth", "WA", "6000", "Australia"),
    ("Auckland", "AUK", "1010", "New Zealand"),
    ("London", "Greater London", "EC1A 1BB", "United Kingdom"),
)
_THINGS = [
    "Bracket",
    "Cable",
    "Drill",
    "Filter",
    "Gasket",
    "Hinge",
    "Lamp",
    "Motor",
    "Nozzle",
    "Panel",
    "Pump",
    "Sensor",
    "Switch",
    "Valve",
    "Wrench",
]
_SIZES = ("Mini", "Small", "Standard", "Large", "Industrial")
_STATUSES = ("draft", "submitted", "approved", "part-paid", "paid", "voided", "deleted")
_STATUS_WEIGHTS = (8, 5, 30, 10, 40, 4, 3)
_TODAY = date(2026, 11, 20)


def make_world(data: str | int, *, seed: int = 7) -> World:
    """``"empty"``: nothing but the organisation; ``"demo"``: the small business (320 companies known to
    sales, 300 to the bookkeepers, 150 products, 600 invoices); a number: so many companies, all known to
    both under one spelling. The same arguments always give the same world."""
    rates = {"AUD": Decimal(1), "USD": Decimal("0.65"), "NZD": Decimal("1.09")}
    world = World(
        name="Harbour & Vine Trading", currency="AUD", country="AU", timezone="Australia/Sydney", rates=rates
    )
    if data == "empty":
        return world
    rng = random.Random(seed)  # noqa: S311 - a reproducible story, no secret
    if isinstance(data, int):
        companies = tuple(_plain_company(rng, key) for key in range(data))
        return World(**_base(world), companies=companies)
    companies = _demo_companies(rng)
    products = _demo_products(rng)
    return World(
        **_base(world),
        companies=companies,
        products=products,
        invoices=_demo_invoices(rng, companies, products, rates),
    )


def _base(world: World) -> dict[str, Any]:
    return {
        "name": world.name,
        "currency": world.currency,
        "country": world.country,
        "timezone": world.timezone,
        "rates": world.rates,
    }


def _company(
    rng: random.Random, key: int, sales: str | None, books: str | None, *, email: bool = True
) -> Company:
    city, region, postcode, country = rng.choice(_PLACES)
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    host = f"company{key}.example"
    return Company(
        key=key,
        sales_name=sales,
        books_name=books,
        first_name=first,
        last_name=last,
        email=f"accounts@{host}" if email else None,
        phone=f"+61 2 5550 {key % 10000:04d}",
        tax_number=f"{10_000_000_000 + key * 7919}" if rng.random() < 0.8 else None,
        website=f"https://www.{host}" if rng.random() < 0.6 else None,
        street=f"{rng.randint(1, 400)} {rng.choice(_STREETS)}",
        city=city,
        region=region,
        postcode=postcode,
        country=country,
        currency=rng.choices(("AUD", "USD", "NZD"), (8, 1, 1))[0],
        terms_days=rng.choice((7, 14, 20, 30)),
    )


def _plain_company(rng: random.Random, key: int) -> Company:
    name = f"{_HEAD[key % len(_HEAD)]} {_TRADE[key // len(_HEAD) % len(_TRADE)]} {key:06d}"
    return _company(rng, key, name, name)


def _respell(rng: random.Random, head: str, trade: str, forms: tuple[str, str]) -> tuple[str, str]:
    """Two spellings of one company: legal form, case, spaces or accents differ."""
    one = f"{head} {trade} {forms[0]}".strip()
    other = f"{head} {trade} {forms[1]}".strip()
    twist = rng.randrange(6)
    if twist == 0:
        other = other.upper()
    elif twist == 1:
        one = one.lower()
    elif twist == 2:
        one = one.replace(" ", "  ", 1)
    elif twist == 3:
        other = other.translate(str.maketrans("éñößōü", "enosou"))
    return one, other


def _demo_companies(rng: random.Random) -> tuple[Company, ...]:
    """270 known to both, 50 to sales alone, 30 to the books alone; 12 of them are namesakes of another."""
    pairs = [(head, trade) for head in _HEAD for trade in _TRADE]
    rng.shuffle(pairs)
    companies: list[Company] = []
    for key, (head, trade) in enumerate(pairs[:350]):
        sales, books = _respell(rng, head, trade, rng.choice(_FORMS))
        where = "both" if key < 270 else "sales" if key < 320 else "books"
        companies.append(
            _company(
                rng,
                key,
                None if where == "books" else sales,
                None if where == "sales" else books,
                email=rng.random() > 0.15,
            )
        )
    return (*companies, *_namesakes(rng, companies))


def _namesakes(rng: random.Random, companies: list[Company]) -> list[Company]:
    """Other companies under the names of known ones, in the sales system alone, where names need not be
    unique. Six go by another spelling and another tax number; six tell nothing and are for a person to
    decide."""
    found: list[Company] = []
    taxed = [c for c in companies if c.sales_name and c.books_name and c.tax_number and c.email]
    for place, twin in enumerate(taxed[:12]):
        plain = place >= 6
        name = twin.sales_name if plain else _other_spelling(twin)
        other = _company(rng, 350 + place, name, None)
        if plain:
            other = replace(other, tax_number=None, email=None)
        else:
            other = replace(other, tax_number=f"{99_000_000_000 + place}")
        found.append(other)
    return found


def _other_spelling(twin: Company) -> str:
    known = {" ".join(str(name).casefold().split()) for name in (twin.sales_name, twin.books_name)}
    head = str(twin.books_name).title().split()[:2]
    spellings = [" ".join([*head, form]) for form in ("Pty Ltd", "Limited", "Inc")]
    return next(name for name in spellings if name.casefold() not in known)


def _demo_products(rng: random.Random) -> tuple[Product, ...]:
    """75 things in two grades: 120 known to both, 15 to sales alone, 15 to the books alone."""
    products = []
    for key in range(150):
        thing, size = _THINGS[key % len(_THINGS)], _SIZES[key // len(_THINGS) % len(_SIZES)]
        grade = "II" if key >= len(_THINGS) * len(_SIZES) else "I"
        price = Decimal(rng.randint(500, 90_000)) / 100
        products.append(
            Product(
                key=key,
                code=f"{thing[:3].upper()}-{key:04d}",
                name=f"{size} {thing} {grade}",
                description=f"{thing} of {size.lower()} size, grade {grade}",
                price=price,
                cost=(price * Decimal("0.6")).quantize(Decimal("0.01")),
                taxable=rng.random() < 0.9,
                in_sales=key < 135,
                in_books=key < 120 or key >= 135,
            )
        )
    return tuple(products)


def _demo_invoices(
    rng: random.Random,
    companies: tuple[Company, ...],
    products: tuple[Product, ...],
    rates: dict[str, Decimal],
) -> tuple[Invoice, ...]:
    """600 of every status: 520 in the books alone, 60 in both, 20 new ones in sales alone."""
    known = [c for c in companies if c.books_name and c.sales_name]
    shared = [p for p in products if p.in_books and p.in_sales]
    invoices = []
    for key in range(600):
        company = rng.choice(known)
        where = "both" if key < 60 else "sales" if key >= 580 else "books"
        status = rng.choices(_STATUSES, _STATUS_WEIGHTS)[0]
        if where == "sales":
            status = "draft"
        day = _TODAY - timedelta(
            days=rng.randint(0, 300) if status in ("paid", "voided") else rng.randint(0, 75)
        )
        lines = tuple(
            _line(rng, rng.choice(shared), rates[company.currency]) for _ in range(rng.randint(1, 8))
        )
        invoices.append(
            Invoice(
                key=key,
                number=f"INV-{2000 + key}",
                company=company.key,
                day=day,
                due=day + timedelta(days=company.terms_days),
                currency=company.currency,
                rate=rates[company.currency],
                status=status,
                lines=lines,
                in_sales=where != "books",
                in_books=where != "sales",
            )
        )
    return tuple(invoices)


def _line(rng: random.Random, product: Product, rate: Decimal) -> InvoiceLine:
    return InvoiceLine(
        product=product.key,
        description=product.description,
        quantity=Decimal(rng.randint(1, 12)),
        price=(product.price * rate).quantize(Decimal("0.0001") if rng.random() < 0.1 else Decimal("0.01")),
        discount_percent=Decimal(rng.choice((0, 0, 0, 0, 5, 10))),
        taxable=product.taxable,
    )
