"""The remote modules and fields of Zoho Books as every organisation has them.

Types and lengths after Zoho Books API v3 (the lengths stand in its prose). Fields have the remote's names
but for a few that it writes in two ways: a ``discount`` is ``"10%"`` or an amount, which are two fields here,
and what it keeps by id (currency, tax, account) has its name or code beside it, to be read and written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from syncline.connect import Capabilities, Catalogue, Field, FieldType, Reference, RemoteModule

MOVES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "estimates": {
        "draft": ("sent", "accepted", "declined"),
        "sent": ("accepted", "declined"),
        "viewed": ("accepted", "declined"),
        "accepted": ("declined",),
        "declined": ("accepted", "sent"),
        "expired": ("accepted", "declined"),
        "invoiced": (),
    },
    "salesorders": {
        "draft": ("open", "void"),
        "open": ("void",),
        "partially_invoiced": (),
        "invoiced": (),
        "closed": (),
        "void": ("open",),
    },
    "invoices": {
        "draft": ("sent", "void"),
        "pending_approval": (),
        "approved": ("sent", "void"),
        "sent": ("void",),
        "viewed": ("void",),
        "unpaid": ("void",),
        "overdue": ("void",),
        # to void what is part paid would turn its payments into credit: that is for a person
        "partially_paid": (),
        "paid": (),
        "void": ("draft",),
    },
    "bills": {
        "draft": ("open",),
        "open": ("void",),
        "overdue": ("void",),
        "partially_paid": (),
        "paid": (),
        "void": ("open",),
    },
    "purchaseorders": {
        "draft": ("open", "cancelled"),
        "pending_approval": (),
        "approved": ("open", "cancelled"),
        "open": ("billed", "cancelled"),
        "partially_billed": (),
        "billed": ("open",),
        "closed": (),
        "cancelled": ("open",),
    },
    "creditnotes": {"draft": ("open", "void"), "open": ("void",), "closed": (), "void": ("draft",)},
}


def _text(name: str, length: int | None = None, **more: Any) -> Field:
    return Field(name=name, max_length=length, **more)


def _number(name: str, places: int | None = None, **more: Any) -> Field:
    return Field(name=name, type=FieldType.DECIMAL, places=places, **{"clearable": False, **more})


def _whole(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.INTEGER, **{"clearable": False, **more})


def _flag(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.BOOLEAN, clearable=False, **more)


def _day(name: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.DATE, **more)


def _choice(name: str, *choices: str, **more: Any) -> Field:
    return Field(name=name, type=FieldType.CHOICE, choices=choices or None, **more)


def _ref(name: str, module: str, where: tuple[str, str] | None = None, **more: Any) -> Field:
    reference = Reference(module=module, where=where)
    return Field(name=name, type=FieldType.REFERENCE, reference=reference, **more)


def _read(name: str, type: FieldType = FieldType.TEXT, **more: Any) -> Field:  # noqa: A002
    return Field(name=name, type=type, read_only=True, **more)


def _status(module: str) -> Field:
    moves = MOVES[module]
    return Field(
        name="status",
        label="Status",
        type=FieldType.CHOICE,
        clearable=False,
        choices=tuple(moves),
        moves=moves,
    )


_STAMPS = (_read("created_time", FieldType.INSTANT), _read("last_modified_time", FieldType.INSTANT))
_ADDRESS = (
    _text("attention", 100),
    _text("address", 500),
    _text("street2", 255),
    _text("city", 100),
    _text("state", 100),
    _text("state_code", 100),
    _text("zip", 50),
    _text("country", 100),
    _text("phone", 50),
    _text("fax", 50),
)
_PERSON = (
    _text("first_name", 100, required=True),
    _text("last_name", 100),
    _text("salutation", 25),
    _text("email", 100),
    _text("phone", 50),
    _text("mobile", 50),
    _text("designation", 100),
    _text("department", 100),
)
#: a currency by its code and a tax or an account by its name: what an organisation has, discover() tells
_CURRENCY = (
    _read("currency_id"),
    _choice("currency_code", label="Currency", create_only=True, clearable=False),
)
_TAX = (
    _choice("tax_id", label="Tax, by its id"),
    _choice("tax_name", label="Tax"),
    _read("tax_percentage", FieldType.DECIMAL),
)
_ACCOUNT = (_choice("account_id", label="Account, by its id"), _choice("account_name", label="Account"))
_DISCOUNT = (
    _number("discount_percent", clearable=True, label="Discount in per cent"),
    _number("discount_amount", clearable=True, label="Discount as an amount"),
)


def _lines(*more: Field) -> Field:
    return Field(
        name="line_items",
        label="Lines",
        type=FieldType.LIST,
        item_id="line_item_id",
        required=True,
        fields=(
            _read("line_item_id"),
            _ref("item_id", "items", label="Item"),
            _text("name", 100),
            _text("description", 2000),
            _number("quantity"),
            _number("rate", 6),
            _text("unit", 100),
            *_TAX,
            *_ACCOUNT,
            *more,
            _read("item_total", FieldType.DECIMAL),
            _whole("item_order", read_only=True),
        ),
    )


def _document(
    name: str, *own: Field, discounted: bool = True, totals: Sequence[str] = ()
) -> tuple[Field, ...]:
    return (
        *own,
        _text("reference_number", 100),
        _day("date", clearable=False),
        _status(name),
        *_CURRENCY,
        _number("exchange_rate", 9, label="Base units for one of the currency"),
        _flag("is_inclusive_tax", label="Amounts include tax"),
        *(
            (
                *_DISCOUNT,
                _choice("discount_type", "entity_level", "item_level", clearable=False),
                _flag("is_discount_before_tax"),
                _number("shipping_charge", clearable=True),
            )
            if discounted
            else ()
        ),
        _number("adjustment", clearable=True),
        _text("adjustment_description", 100),
        _lines(*(_DISCOUNT if discounted else ())),
        _text("notes", 5000),
        _text("terms", 10_000),
        *(_read(total, FieldType.DECIMAL) for total in ("sub_total", "tax_total", "total", *totals)),
        _read("taxes", FieldType.LIST, fields=(_read("tax_name"), _read("tax_amount", FieldType.DECIMAL))),
        *_STAMPS,
    )


_CUSTOMER = (
    _ref("customer_id", "contacts", ("contact_type", "customer"), required=True, label="Customer"),
    _read("customer_name"),
)
_VENDOR = (
    _ref("vendor_id", "contacts", ("contact_type", "vendor"), required=True, label="Vendor"),
    _read("vendor_name"),
)
_TERMS = (_whole("payment_terms", label="Days to pay"), _text("payment_terms_label", 100))

_BASE = Capabilities(
    create_batch=1, update_batch=1, delete=True, read_ids_batch=10, returns_stored=True, deletions=False
)
_ACTIVITY = replace(_BASE, archive=True)
_VOIDED = replace(_BASE, void=True)

CONTACTS = RemoteModule(
    name="contacts",
    label="Contacts",
    capabilities=_ACTIVITY,
    fields=(
        _text("contact_name", 200, required=True, unique=True, label="Name"),
        _text("company_name", 200),
        _choice("contact_type", "customer", "vendor", create_only=True, clearable=False),
        _choice("customer_sub_type", "business", "individual", clearable=False),
        _text("contact_number", 100),
        _text("website", 200),
        _text("notes", 2000),
        # of the primary contact person, which is made when it is missing
        _text("first_name", 100),
        _text("last_name", 100),
        _text("email", 100),
        _text("phone", 50),
        _text("mobile", 50),
        *_CURRENCY,
        *_TERMS,
        _number("credit_limit"),
        _flag("is_taxable"),
        *_TAX,
        _text("tax_reg_no", 50, label="Tax registration number"),
        _text("vat_reg_no", 50),
        _text("gst_no", 50),
        _ref("owner_id", "users"),
        _ref("pricebook_id", "pricebooks"),
        Field(name="billing_address", type=FieldType.OBJECT, fields=_ADDRESS, clearable=False),
        Field(name="shipping_address", type=FieldType.OBJECT, fields=_ADDRESS, clearable=False),
        Field(
            name="contact_persons",
            type=FieldType.LIST,
            item_id="contact_person_id",
            fields=(_read("contact_person_id"), *_PERSON, _flag("is_primary_contact", read_only=True)),
        ),
        _read("primary_contact_id"),
        _read("outstanding_receivable_amount", FieldType.DECIMAL),
        _read("unused_credits_receivable_amount", FieldType.DECIMAL),
        _read("status"),
        _flag("is_linked_with_zohocrm", read_only=True),
        _read("zcrm_account_id"),
        _read("zcrm_contact_id"),
        _read("zcrm_vendor_id"),
        *_STAMPS,
    ),
)
CONTACT_PERSONS = RemoteModule(
    name="contactpersons",
    label="Contact persons",
    capabilities=_BASE,
    fields=(
        _ref("contact_id", "contacts", required=True, create_only=True, label="Contact"),
        *_PERSON,
        _flag("is_primary_contact", read_only=True),
        # of its contact, so that a spec can leave the people of vendors or of customers out
        _choice("contact_type", "customer", "vendor", read_only=True, clearable=False),
    ),
)
ITEMS = RemoteModule(
    name="items",
    label="Items",
    capabilities=replace(_ACTIVITY, read_ids_batch=100),
    fields=(
        _text("name", 100, required=True, unique=True, label="Name"),
        _number("rate", 6, required=True, label="Price"),
        _text("description", 2000),
        _text("sku", 100, unique=True, label="SKU"),
        _text("unit", 100),
        _choice("product_type", "goods", "service", create_only=True, clearable=False),
        _choice(
            "item_type", "sales", "purchases", "sales_and_purchases", "inventory", create_only=True,
            clearable=False,
        ),
        *_ACCOUNT,
        _number("purchase_rate", 6),
        _text("purchase_description", 2000),
        _choice("purchase_account_id"),
        _choice("purchase_account_name"),
        _choice("inventory_account_id", create_only=True),
        *_TAX,
        _flag("is_taxable"),
        _ref("vendor_id", "contacts", ("contact_type", "vendor")),
        _number("reorder_level"),
        _read("stock_on_hand", FieldType.DECIMAL),
        _read("status"),
        _read("zcrm_product_id"),
        *_STAMPS,
    ),
)  # fmt: skip
PRICEBOOKS = RemoteModule(
    name="pricebooks",
    label="Price lists",
    capabilities=_ACTIVITY,
    fields=(
        _text("name", 100, required=True, unique=True, label="Name"),
        _text("description", 2000),
        *_CURRENCY,
        _choice("pricebook_type", "per_item", "fixed_percentage", create_only=True, clearable=False),
        _number("percentage"),
        _flag("is_increase"),
        _choice("sales_or_purchase_type", "sales", "purchases", create_only=True, clearable=False),
        Field(
            name="pricebook_items",
            type=FieldType.LIST,
            item_id="pricebook_item_id",
            fields=(
                _read("pricebook_item_id"),
                _ref("item_id", "items", required=True, label="Item"),
                _read("name"),
                _number("pricebook_rate", 6, required=True, label="Price"),
            ),
        ),
        _read("status"),
        *_STAMPS,
    ),
)
ESTIMATES = RemoteModule(
    name="estimates",
    label="Estimates",
    capabilities=_BASE,
    fields=_document(
        "estimates",
        *_CUSTOMER,
        _text("estimate_number", 100, unique=True, label="Number", clearable=False),
        _day("expiry_date"),
    ),
)
SALES_ORDERS = RemoteModule(
    name="salesorders",
    label="Sales orders",
    capabilities=_VOIDED,
    fields=_document(
        "salesorders",
        *_CUSTOMER,
        _text("salesorder_number", 100, unique=True, label="Number", clearable=False),
        _day("shipment_date"),
    ),
)
INVOICES = RemoteModule(
    name="invoices",
    label="Invoices",
    capabilities=_VOIDED,
    fields=_document(
        "invoices",
        *_CUSTOMER,
        _text("invoice_number", 100, unique=True, label="Number", clearable=False),
        _day("due_date", clearable=False),
        *_TERMS,
        _text("salesperson_name", 100),
        _read("invoice_url"),
        totals=("payment_made", "credits_applied", "write_off_amount", "balance"),
    ),
)
BILLS = RemoteModule(
    name="bills",
    label="Bills",
    capabilities=_VOIDED,
    fields=_document(
        "bills",
        *_VENDOR,
        _text("bill_number", 50, required=True, unique=True, label="Number", clearable=False),
        _day("due_date", clearable=False),
        *_TERMS,
        discounted=False,
        totals=("payment_made", "balance"),
    ),
)
PURCHASE_ORDERS = RemoteModule(
    name="purchaseorders",
    label="Purchase orders",
    capabilities=_VOIDED,
    fields=_document(
        "purchaseorders",
        *_VENDOR,
        _text("purchaseorder_number", 50, unique=True, label="Number", clearable=False),
        _day("delivery_date"),
        _read("received_status"),
        _read("billed_status"),
        discounted=False,
    ),
)
CUSTOMER_PAYMENTS = RemoteModule(
    name="customerpayments",
    label="Customer payments",
    capabilities=_BASE,
    fields=(
        *_CUSTOMER,
        _read("payment_number"),
        # the one invoice that all of it pays, nothing where it pays several or keeps a rest
        _ref("invoice_id", "invoices", clearable=False, label="The one invoice paid"),
        _read("invoice_number"),
        _text("payment_mode", 100, required=True, label="Mode"),
        _number("amount", required=True),
        _day("date", required=True),
        _text("reference_number", 100),
        _text("description", 2000),
        _read("currency_code"),
        _number("exchange_rate", 9, label="Base units for one of the currency"),
        _number("bank_charges", clearable=True),
        *_ACCOUNT,
        Field(
            name="invoices",
            label="Invoices paid",
            type=FieldType.LIST,
            fields=(
                _ref("invoice_id", "invoices", required=True, label="Invoice"),
                _read("invoice_number"),
                _number("amount_applied", required=True),
                # of the payment, so that each application can be told as a payment of its own
                _read("payment_date", FieldType.DATE),
                _read("payment_account_name"),
                _read("payment_reference"),
                _read("payment_exchange_rate", FieldType.DECIMAL),
                _read("payment_mode"),
                _read("payment_is_whole", FieldType.BOOLEAN),
            ),
        ),
        _read("unused_amount", FieldType.DECIMAL),
        *_STAMPS,
    ),
)
CREDIT_NOTES = RemoteModule(
    name="creditnotes",
    label="Credit notes",
    capabilities=_VOIDED,
    fields=(
        *_document(
            "creditnotes",
            *_CUSTOMER,
            _text("creditnote_number", 100, unique=True, label="Number", clearable=False),
            totals=("balance",),
        ),
        Field(
            name="invoices",
            label="Invoices credited",
            type=FieldType.LIST,
            fields=(
                _read("creditnote_invoice_id"),
                _ref("invoice_id", "invoices", required=True, label="Invoice"),
                _read("invoice_number"),
                _number("amount", required=True),
            ),
        ),
    ),
)
_LOOKUP = Capabilities(read_ids_batch=200, incremental=False)
CURRENCIES = RemoteModule(
    name="currencies",
    label="Currencies",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _read("currency_code"),
        _read("currency_name"),
        _read("currency_symbol"),
        _read("price_precision", FieldType.INTEGER),
        _read("is_base_currency", FieldType.BOOLEAN),
        _read("exchange_rate", FieldType.DECIMAL),
        _read("effective_date", FieldType.DATE),
    ),
)
TAXES = RemoteModule(
    name="taxes",
    label="Taxes",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _read("tax_name"),
        _read("tax_percentage", FieldType.DECIMAL),
        _read("tax_type"),
        _read("is_default_tax", FieldType.BOOLEAN),
    ),
)
ACCOUNTS = RemoteModule(
    name="chartofaccounts",
    label="Chart of accounts",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _read("account_name"),
        _read("account_code"),
        _read("account_type"),
        _read("is_active", FieldType.BOOLEAN),
        _read("is_system_account", FieldType.BOOLEAN),
        _read("last_modified_time", FieldType.INSTANT),
    ),
)
USERS = RemoteModule(
    name="users",
    label="Users",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(_read("name"), _read("email"), _read("user_role"), _read("status")),
)

CATALOGUE = Catalogue(
    (
        CONTACTS, CONTACT_PERSONS, ITEMS, PRICEBOOKS, ESTIMATES, SALES_ORDERS, INVOICES, BILLS,
        PURCHASE_ORDERS, CUSTOMER_PAYMENTS, CREDIT_NOTES, CURRENCIES, TAXES, ACCOUNTS, USERS,
    )
)  # fmt: skip

#: by each kind of choice that an organisation decides, the fields that make it
_CHOSEN_BY = {
    "currency": ("currency_code",),
    "tax_id": ("tax_id",),
    "tax_name": ("tax_name",),
    "account_id": ("account_id", "purchase_account_id", "inventory_account_id"),
    "account_name": ("account_name", "purchase_account_name"),
}


def tailored(choices: Mapping[str, Sequence[str]], custom: Mapping[str, Sequence[Field]]) -> Catalogue:
    """The catalogue as one organisation has it. ``choices``: by ``currency``, ``tax_id``, ``tax_name``,
    ``account_id``, ``account_name``; ``custom``: the fields of its own, by module."""
    found = {name: tuple(choices[kind]) for kind, names in _CHOSEN_BY.items() for name in names}
    return Catalogue(
        tuple(
            m if m.lookup else replace(m, fields=(*_chosen(m.fields, found), *custom.get(m.name, ())))
            for m in CATALOGUE.modules
        )
    )


def _chosen(fields: Sequence[Field], found: Mapping[str, tuple[str, ...]]) -> tuple[Field, ...]:
    return tuple(
        replace(
            f,
            choices=found.get(f.name, f.choices) if f.type is FieldType.CHOICE else f.choices,
            fields=_chosen(f.fields, found),
        )
        for f in fields
    )
