"""What can be read and written: Xero's record types and fields, as every organisation has them.

Names, types and lengths are those of Xero's published OpenAPI description of the Accounting API,
version 16.1; uniqueness and what is read-only follow its API documentation of each endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncline.connect import Capabilities, Catalogue, Field, FieldType, Reference, RemoteModule

#: Xero keeps an idempotency key for six minutes (Idempotent requests).
IDEMPOTENCY_S = 360
#: Xero advises about 50 elements a call (Requests and responses: size limits).
WRITE_BATCH = 50
#: A longer list of ids makes the address too long.
IDS_BATCH = 40

_WRITABLE = Capabilities(
    create_batch=WRITE_BATCH,
    update_batch=WRITE_BATCH,
    read_ids_batch=IDS_BATCH,
    idempotency_s=IDEMPOTENCY_S,
    returns_stored=True,
)


def _text(name: str, limit: int | None = None, *, label: str = "", unique: bool = False) -> Field:
    return Field(name=name, label=label, max_length=limit, unique=unique)


def _ro(name: str, kind: FieldType = FieldType.TEXT, *fields: Field, label: str = "") -> Field:
    return Field(name=name, type=kind, label=label, read_only=True, fields=fields)


def _choice(name: str, *choices: str, read_only: bool = False, label: str = "") -> Field:
    """One of an organisation's own codes, or of ``choices``, none of which stands for nothing."""
    return Field(
        name=name,
        type=FieldType.CHOICE,
        choices=choices or None,
        clearable=not choices,
        read_only=read_only,
        label=label,
    )


def _decimal(
    name: str, places: int, *, read_only: bool = False, label: str = "", clearable: bool = False
) -> Field:
    """A number: null means "not sent", so that most of them stay once they are there."""
    return Field(
        name=name,
        type=FieldType.DECIMAL,
        places=places,
        read_only=read_only,
        label=label,
        clearable=clearable,
    )


def _flag(name: str, label: str = "") -> Field:
    return Field(name=name, type=FieldType.BOOLEAN, label=label, clearable=False)


def _group(name: str, *fields: Field, label: str = "", read_only: bool = False) -> Field:
    return Field(name=name, type=FieldType.OBJECT, fields=fields, label=label, read_only=read_only)


_TERM = (
    Field(name="Day", type=FieldType.INTEGER, clearable=False),
    _choice("Type", "DAYSAFTERBILLDATE", "DAYSAFTERBILLMONTH", "OFCURRENTMONTH", "OFFOLLOWINGMONTH"),
)
_BALANCE = (_decimal("Outstanding", 2, read_only=True), _decimal("Overdue", 2, read_only=True))

CONTACTS = RemoteModule(
    name="Contacts",
    label="Contacts",
    capabilities=replace(_WRITABLE, archive=True),
    fields=(
        _ro("ContactID", label="Contact ID"),
        Field(name="Name", label="Name", max_length=255, required=True, unique=True, blank_is_null=True),
        _text("ContactNumber", 50, label="Contact code", unique=True),
        _text("AccountNumber", 50, label="Account number", unique=True),
        _choice("ContactStatus", "ACTIVE", "ARCHIVED", "GDPRREQUEST", read_only=True, label="Status"),
        _text("FirstName", 255, label="First name"),
        _text("LastName", 255, label="Last name"),
        _text("EmailAddress", 255, label="Email"),
        _text("CompanyNumber", 50, label="Company number"),
        _text("TaxNumber", 50, label="Tax number"),
        _choice("TaxNumberType", "SSN", "EIN", "ITIN", "ATIN"),
        _text("BankAccountDetails", 255, label="Bank account"),
        Field(
            name="Phones",
            type=FieldType.LIST,
            label="Phones",
            item_key="PhoneType",
            fields=(
                _choice("PhoneType", "DEFAULT", "DDI", "MOBILE", "FAX"),
                _text("PhoneNumber", 50),
                _text("PhoneAreaCode", 10),
                _text("PhoneCountryCode", 20),
            ),
        ),
        Field(
            name="Addresses",
            type=FieldType.LIST,
            label="Addresses",
            item_key="AddressType",
            fields=(
                _choice("AddressType", "POBOX", "STREET"),
                _text("AddressLine1", 500),
                _text("AddressLine2", 500),
                _text("AddressLine3", 500),
                _text("AddressLine4", 500),
                _text("City", 255),
                _text("Region", 255),
                _text("PostalCode", 50),
                _text("Country", 50),
                _text("AttentionTo", 255),
            ),
        ),
        Field(
            name="ContactPersons",
            type=FieldType.LIST,
            label="Further contact persons, the whole list at once",
            fields=(
                _text("FirstName", 255),
                _text("LastName", 255),
                _text("EmailAddress", 255),
                _flag("IncludeInEmails"),
            ),
        ),
        _choice("DefaultCurrency", label="Currency"),
        _choice("AccountsReceivableTaxType", label="Tax on sales"),
        _choice("AccountsPayableTaxType", label="Tax on purchases"),
        _choice("SalesDefaultAccountCode", label="Account of sales"),
        _choice("PurchasesDefaultAccountCode", label="Account of purchases"),
        _choice("SalesDefaultLineAmountType", "INCLUSIVE", "EXCLUSIVE", "NONE"),
        _choice("PurchasesDefaultLineAmountType", "INCLUSIVE", "EXCLUSIVE", "NONE"),
        _group("PaymentTerms", _group("Sales", *_TERM), _group("Bills", *_TERM), label="Payment terms"),
        _ro("IsCustomer", FieldType.BOOLEAN, label="Has sales documents"),
        _ro("IsSupplier", FieldType.BOOLEAN, label="Has purchase documents"),
        _group(
            "Balances",
            _group("AccountsReceivable", *_BALANCE, read_only=True),
            _group("AccountsPayable", *_BALANCE, read_only=True),
            label="Balances, in the base currency",
            read_only=True,
        ),
        _ro("Website"),
        _decimal("Discount", 2, read_only=True),
        _ro("MergedToContactID"),
        _ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change"),
    ),
)

_SALES_DETAILS = (
    _decimal("UnitPrice", 4, label="Unit price"),
    _choice("AccountCode", label="Account"),
    _choice("TaxType", label="Tax"),
)

ITEMS = RemoteModule(
    name="Items",
    label="Items (products and services)",
    capabilities=replace(_WRITABLE, read_ids_batch=1000, delete=True),
    fields=(
        _ro("ItemID", label="Item ID"),
        Field(name="Code", label="Code", max_length=30, required=True, unique=True),
        _text("Name", 50, label="Name"),
        _text("Description", 4000, label="Description on sales"),
        _text("PurchaseDescription", 4000, label="Description on purchases"),
        _flag("IsSold", "Is sold"),
        _flag("IsPurchased", "Is purchased"),
        _group("SalesDetails", *_SALES_DETAILS, label="Selling"),
        _group("PurchaseDetails", *_SALES_DETAILS, _choice("COGSAccountCode"), label="Buying"),
        _choice("InventoryAssetAccountCode", label="Inventory account"),
        _ro("IsTrackedAsInventory", FieldType.BOOLEAN),
        _decimal("QuantityOnHand", 4, read_only=True),
        _decimal("TotalCostPool", 2, read_only=True),
        _ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change"),
    ),
)

_TRACKING = Field(
    name="Tracking",
    type=FieldType.LIST,
    read_only=True,
    fields=(_ro("Name"), _ro("Option"), _ro("TrackingCategoryID"), _ro("TrackingOptionID")),
)

INVOICES = RemoteModule(
    name="Invoices",
    label="Sales invoices",
    capabilities=replace(_WRITABLE, delete=True, deletions=True),
    fields=(
        _ro("InvoiceID", label="Invoice ID"),
        _choice("Type", "ACCREC", read_only=True),
        _text("InvoiceNumber", 255, label="Number", unique=True),
        _text("Reference", 255, label="Reference"),
        Field(
            name="Contact",
            type=FieldType.REFERENCE,
            label="Customer",
            required=True,
            reference=Reference(module="Contacts", path="ContactID"),
            fields=(Field(name="ContactID"), _ro("Name")),
        ),
        Field(name="Date", type=FieldType.DATE, label="Date"),
        Field(name="DueDate", type=FieldType.DATE, label="Due date"),
        Field(name="ExpectedPaymentDate", type=FieldType.DATE, label="Expected payment"),
        _choice("Status", "DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED", label="Status"),
        _choice("LineAmountTypes", "Exclusive", "Inclusive", "NoTax", label="Amounts are"),
        _choice("CurrencyCode", label="Currency"),
        _decimal("CurrencyRate", 6, label="Units of the currency for one of the base currency"),
        Field(
            name="LineItems",
            type=FieldType.LIST,
            label="Lines",
            item_id="LineItemID",
            fields=(
                _ro("LineItemID"),
                Field(
                    name="ItemCode", type=FieldType.REFERENCE, reference=Reference(module="Items", by="key")
                ),
                _text("Description", 4000),
                _decimal("Quantity", 4),
                _decimal("UnitAmount", 4),
                _decimal("DiscountRate", 4, clearable=True),
                _decimal("DiscountAmount", 2, clearable=True),
                _choice("AccountCode"),
                _choice("TaxType"),
                _decimal("TaxAmount", 2),
                _decimal("LineAmount", 2, read_only=True),
                _TRACKING,
            ),
        ),
        _choice("BrandingThemeID", label="Branding theme"),
        _text("Url", 2000, label="Link shown in the ledger"),
        _flag("SentToContact", "Has been sent"),
        _decimal("SubTotal", 2, read_only=True),
        _decimal("TotalTax", 2, read_only=True),
        _decimal("Total", 2, read_only=True),
        _decimal("TotalDiscount", 2, read_only=True),
        _decimal("AmountDue", 2, read_only=True),
        _decimal("AmountPaid", 2, read_only=True),
        _decimal("AmountCredited", 2, read_only=True),
        _ro("IsDiscounted", FieldType.BOOLEAN),
        _ro("FullyPaidOnDate", FieldType.DATE, label="Paid on"),
        Field(
            name="Payments",
            type=FieldType.LIST,
            read_only=True,
            item_id="PaymentID",
            fields=(
                _ro("PaymentID"),
                _ro("Date", FieldType.DATE),
                _decimal("Amount", 2, read_only=True),
                _ro("Reference"),
                _decimal("CurrencyRate", 6, read_only=True),
            ),
        ),
        _ro("HasAttachments", FieldType.BOOLEAN),
        _ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change"),
    ),
)

_LOOKUP = Capabilities(read_ids_batch=1000, incremental=False)

CURRENCIES = RemoteModule(
    name="Currencies",
    label="Currencies in use",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(_ro("Code"), _ro("Description")),
)
TAX_RATES = RemoteModule(
    name="TaxRates",
    label="Tax rates",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _ro("TaxType"),
        _ro("Name"),
        _ro("Status"),
        _ro("ReportTaxType"),
        _decimal("EffectiveRate", 4, read_only=True),
        _decimal("DisplayTaxRate", 4, read_only=True),
        _ro("CanApplyToRevenue", FieldType.BOOLEAN),
        _ro("CanApplyToExpenses", FieldType.BOOLEAN),
    ),
)
ACCOUNTS = RemoteModule(
    name="Accounts",
    label="Chart of accounts",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _ro("AccountID"),
        _ro("Code"),
        _ro("Name"),
        _ro("Type"),
        _ro("Class"),
        _ro("TaxType"),
        _ro("Status"),
        _ro("Description"),
        _ro("SystemAccount"),
        _ro("EnablePaymentsToAccount", FieldType.BOOLEAN),
        _ro("UpdatedDateUTC", FieldType.INSTANT),
    ),
)
ORGANISATION = RemoteModule(
    name="Organisation",
    label="The organisation itself",
    lookup=True,
    capabilities=_LOOKUP,
    fields=(
        _ro("OrganisationID"),
        _ro("Name"),
        _ro("LegalName"),
        _ro("BaseCurrency"),
        _ro("CountryCode"),
        _ro("Timezone"),
        _ro("ShortCode"),
        _ro("Version"),
        _ro("PaysTax", FieldType.BOOLEAN),
        _ro("IsDemoCompany", FieldType.BOOLEAN),
        _ro("PeriodLockDate", FieldType.DATE),
        _ro("EndOfYearLockDate", FieldType.DATE),
    ),
)

CATALOGUE = Catalogue((CONTACTS, ITEMS, INVOICES, CURRENCIES, TAX_RATES, ACCOUNTS, ORGANISATION))

#: fields whose choices an organisation decides, by where they come from
_CURRENCY_FIELDS = {"DefaultCurrency", "CurrencyCode"}
_TAX_FIELDS = {"TaxType", "AccountsReceivableTaxType", "AccountsPayableTaxType"}
_ACCOUNT_FIELDS = {
    "AccountCode",
    "COGSAccountCode",
    "InventoryAssetAccountCode",
    "SalesDefaultAccountCode",
    "PurchasesDefaultAccountCode",
}


def with_choices(
    *, currencies: Sequence[str], tax_types: Sequence[str], accounts: Sequence[str]
) -> Catalogue:
    """The catalogue with the choices that one organisation's own settings allow."""
    found = dict.fromkeys(_CURRENCY_FIELDS, tuple(currencies))
    found |= dict.fromkeys(_TAX_FIELDS, tuple(tax_types))
    found |= dict.fromkeys(_ACCOUNT_FIELDS, tuple(accounts))
    return Catalogue(
        tuple(m if m.lookup else replace(m, fields=_chosen(m.fields, found)) for m in CATALOGUE.modules)
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
