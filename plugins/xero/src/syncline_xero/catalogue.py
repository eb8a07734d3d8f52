"""What can be read and written: Xero's record types and fields, as every organisation has them.

Contacts and items here; documents and reference data have pages of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from syncline.connect import Catalogue, Field, FieldType, Reference, RemoteModule
from syncline_xero.documents import DOCUMENTS
from syncline_xero.fields import WRITABLE, choice, decimal, flag, group, ro, text
from syncline_xero.lookups import LOOKUPS

_TERM = (
    Field(name="Day", type=FieldType.INTEGER, clearable=False),
    choice("Type", "DAYSAFTERBILLDATE", "DAYSAFTERBILLMONTH", "OFCURRENTMONTH", "OFFOLLOWINGMONTH"),
)
_BALANCE = (decimal("Outstanding", 2, read_only=True), decimal("Overdue", 2, read_only=True))

CONTACTS = RemoteModule(
    name="Contacts",
    label="Contacts",
    capabilities=replace(WRITABLE, archive=True),
    fields=(
        ro("ContactID", label="Contact ID"),
        Field(name="Name", label="Name", max_length=255, required=True, unique=True, blank_is_null=True),
        text("ContactNumber", 50, label="Contact code", unique=True),
        text("AccountNumber", 50, label="Account number", unique=True),
        choice("ContactStatus", "ACTIVE", "ARCHIVED", "GDPRREQUEST", read_only=True, label="Status"),
        text("FirstName", 255, label="First name"),
        text("LastName", 255, label="Last name"),
        text("EmailAddress", 255, label="Email"),
        text("CompanyNumber", 50, label="Company number"),
        text("TaxNumber", 50, label="Tax number"),
        choice("TaxNumberType", "SSN", "EIN", "ITIN", "ATIN"),
        text("BankAccountDetails", 255, label="Bank account"),
        Field(
            name="Phones",
            type=FieldType.LIST,
            label="Phones",
            item_key="PhoneType",
            fields=(
                choice("PhoneType", "DEFAULT", "DDI", "MOBILE", "FAX"),
                text("PhoneNumber", 50),
                text("PhoneAreaCode", 10),
                text("PhoneCountryCode", 20),
            ),
        ),
        Field(
            name="Addresses",
            type=FieldType.LIST,
            label="Addresses",
            item_key="AddressType",
            fields=(
                choice("AddressType", "POBOX", "STREET"),
                text("AddressLine1", 500),
                text("AddressLine2", 500),
                text("AddressLine3", 500),
                text("AddressLine4", 500),
                text("City", 255),
                text("Region", 255),
                text("PostalCode", 50),
                text("Country", 50),
                text("AttentionTo", 255),
            ),
        ),
        Field(
            name="ContactPersons",
            type=FieldType.LIST,
            label="Further contact persons, the whole list at once",
            fields=(
                text("FirstName", 255),
                text("LastName", 255),
                text("EmailAddress", 255),
                flag("IncludeInEmails"),
            ),
        ),
        choice("DefaultCurrency", label="Currency"),
        choice("AccountsReceivableTaxType", label="Tax on sales"),
        choice("AccountsPayableTaxType", label="Tax on purchases"),
        choice("SalesDefaultAccountCode", label="Account of sales"),
        choice("PurchasesDefaultAccountCode", label="Account of purchases"),
        choice("SalesDefaultLineAmountType", "INCLUSIVE", "EXCLUSIVE", "NONE"),
        choice("PurchasesDefaultLineAmountType", "INCLUSIVE", "EXCLUSIVE", "NONE"),
        group("PaymentTerms", group("Sales", *_TERM), group("Bills", *_TERM), label="Payment terms"),
        ro("IsCustomer", FieldType.BOOLEAN, label="Has sales documents"),
        ro("IsSupplier", FieldType.BOOLEAN, label="Has purchase documents"),
        group(
            "Balances",
            group("AccountsReceivable", *_BALANCE, read_only=True),
            group("AccountsPayable", *_BALANCE, read_only=True),
            label="Balances, in the base currency",
            read_only=True,
        ),
        ro("Website"),
        decimal("Discount", 2, read_only=True),
        ro("MergedToContactID"),
        ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change"),
    ),
)

_SALES_DETAILS = (
    decimal("UnitPrice", 4, label="Unit price"),
    choice("AccountCode", label="Account"),
    choice("TaxType", label="Tax"),
)

ITEMS = RemoteModule(
    name="Items",
    label="Items (products and services)",
    capabilities=replace(WRITABLE, read_ids_batch=1000, delete=True),
    fields=(
        # itself, so that a spec can refer to the item of a record that is made of one
        Field(
            name="ItemID",
            label="Item ID",
            type=FieldType.REFERENCE,
            read_only=True,
            reference=Reference(module="Items"),
        ),
        Field(name="Code", label="Code", max_length=30, required=True, unique=True),
        text("Name", 50, label="Name"),
        text("Description", 4000, label="Description on sales"),
        text("PurchaseDescription", 4000, label="Description on purchases"),
        flag("IsSold", "Is sold"),
        flag("IsPurchased", "Is purchased"),
        group("SalesDetails", *_SALES_DETAILS, label="Selling"),
        group(
            "PurchaseDetails",
            *_SALES_DETAILS,
            choice("COGSAccountCode", label="Cost of goods sold"),
            label="Buying",
        ),
        # Together with COGSAccountCode it makes the item a tracked one, for good once its stock has moved.
        replace(choice("InventoryAssetAccountCode", label="Inventory account"), create_only=True),
        ro("IsTrackedAsInventory", FieldType.BOOLEAN),
        decimal("QuantityOnHand", 4, read_only=True),
        decimal("TotalCostPool", 2, read_only=True),
        ro("UpdatedDateUTC", FieldType.INSTANT, label="Last change"),
    ),
)

CATALOGUE = Catalogue((CONTACTS, ITEMS, *DOCUMENTS, *LOOKUPS))

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
    *,
    currencies: Sequence[str],
    tax_types: Sequence[str],
    accounts: Sequence[str],
    paying: Sequence[str] = (),
    tracking: Mapping[str, Sequence[str]] | None = None,
) -> Catalogue:
    """The catalogue with the choices that one organisation's own settings allow. ``paying``: the codes of the
    accounts that payments go to or come from; ``tracking``: by category the names of its options."""
    categories = tracking or {}
    options = dict.fromkeys(option for names in categories.values() for option in names)
    found = dict.fromkeys(_CURRENCY_FIELDS, tuple(currencies))
    found |= dict.fromkeys(_TAX_FIELDS, tuple(tax_types))
    found |= dict.fromkeys(_ACCOUNT_FIELDS, tuple(accounts))
    found |= {"Account.Code": tuple(paying)}
    found |= {"Tracking.Name": tuple(categories), "Tracking.Option": tuple(options)}
    return Catalogue(
        tuple(m if m.lookup else replace(m, fields=_chosen(m.fields, found)) for m in CATALOGUE.modules)
    )


def _chosen(
    fields: Sequence[Field], found: Mapping[str, tuple[str, ...]], place: str = ""
) -> tuple[Field, ...]:
    """``found``: by a field's name, or its place in the field that holds it."""
    return tuple(
        replace(
            f,
            choices=found.get(f"{place}{f.name}", found.get(f.name, f.choices))
            if f.type is FieldType.CHOICE
            else f.choices,
            fields=_chosen(f.fields, found, f"{f.name}."),
        )
        for f in fields
    )
