"""The made-up organisations' own settings: chart of accounts, tax rates, currencies, branding themes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.oauth import NAMESPACE
from syncline_xero.sandbox.query import Shape, shape
from syncline_xero.sandbox.wire import Row

ACCOUNT_SHAPE = shape(
    "Account",
    "AccountID Code Name Type TaxType Status Class SystemAccount EnablePaymentsToAccount UpdatedDateUTC"
    " CurrencyCode BankAccountNumber Description",
)
TAX_SHAPE = shape(
    "TaxRate",
    "Name TaxType Status ReportTaxType DisplayTaxRate EffectiveRate CanApplyToRevenue CanApplyToExpenses",
)
CURRENCY_SHAPE = shape("Currency", "Code Description")
USER_SHAPE = shape(
    "User", "UserID EmailAddress FirstName LastName OrganisationRole IsSubscriber UpdatedDateUTC"
)
THEME_SHAPE: Shape = shape("BrandingTheme", "BrandingThemeID Name SortOrder")

_CURRENCIES = {
    "AUD": "Australian Dollar",
    "EUR": "Euro",
    "GBP": "British Pound",
    "NZD": "New Zealand Dollar",
    "USD": "United States Dollar",
}
#: code, name, type, class, kind of tax, system account, takes payments
_CHART = (
    ("090", "Business Bank Account", "BANK", "ASSET", "NONE", "", False),
    ("091", "Business Savings Account", "BANK", "ASSET", "NONE", "", False),
    ("200", "Sales", "REVENUE", "REVENUE", "sales", "", False),
    ("260", "Other Revenue", "REVENUE", "REVENUE", "sales", "", False),
    ("270", "Interest Income", "REVENUE", "REVENUE", "free-sales", "", False),
    ("310", "Cost of Goods Sold", "DIRECTCOSTS", "EXPENSE", "purchases", "", False),
    ("400", "Advertising", "EXPENSE", "EXPENSE", "purchases", "", False),
    ("404", "Bank Fees", "EXPENSE", "EXPENSE", "free-purchases", "", False),
    ("453", "Office Expenses", "EXPENSE", "EXPENSE", "purchases", "", False),
    ("493", "Travel - National", "EXPENSE", "EXPENSE", "purchases", "", False),
    ("630", "Inventory", "INVENTORY", "ASSET", "NONE", "", False),
    ("610", "Accounts Receivable", "CURRENT", "ASSET", "NONE", "DEBTORS", False),
    ("710", "Office Equipment", "FIXED", "ASSET", "purchases", "", False),
    ("800", "Accounts Payable", "CURRLIAB", "LIABILITY", "NONE", "CREDITORS", False),
    ("820", "GST", "CURRLIAB", "LIABILITY", "NONE", "GST", False),
    ("860", "Rounding", "CURRLIAB", "LIABILITY", "NONE", "ROUNDING", False),
    ("880", "Owner A Drawings", "EQUITY", "EQUITY", "NONE", "", True),
)
#: by country: (tax type, name, rate, on sales, on purchases) and the types used by the chart
_TAXES: Mapping[str, tuple[tuple[tuple[str, str, str, bool, bool], ...], Mapping[str, str]]] = {
    "AU": (
        (
            ("OUTPUT", "GST on Income", "10", True, False),
            ("INPUT", "GST on Expenses", "10", False, True),
            ("EXEMPTOUTPUT", "GST Free Income", "0", True, False),
            ("EXEMPTEXPENSES", "GST Free Expenses", "0", False, True),
            ("BASEXCLUDED", "BAS Excluded", "0", True, True),
            ("NONE", "No Tax", "0", True, True),
        ),
        {
            "sales": "OUTPUT",
            "purchases": "INPUT",
            "free-sales": "EXEMPTOUTPUT",
            "free-purchases": "EXEMPTEXPENSES",
        },
    ),
    "NZ": (
        (
            ("OUTPUT2", "15% GST on Income", "15", True, False),
            ("INPUT2", "15% GST on Expenses", "15", False, True),
            ("ZERORATEDOUTPUT", "Zero Rated", "0", True, False),
            ("NONE", "No GST", "0", True, True),
        ),
        {
            "sales": "OUTPUT2",
            "purchases": "INPUT2",
            "free-sales": "ZERORATEDOUTPUT",
            "free-purchases": "NONE",
        },
    ),
}
_TRACKING = (
    ("Region", ("North", "South", "East", "West")),
    ("Department", ("Trade", "Retail", "Online")),
)
_USERS = (("Ada", "Marsh", "FINANCIALADVISER"), ("Bo", "Lind", "STANDARD"), ("Cy", "Oduya", "INVOICEONLY"))
#: Xero's spelling of time zones, for the zones that made-up businesses live in
ZONE_NAMES = {
    "Australia/Sydney": "AUSEASTERNSTANDARDTIME",
    "Pacific/Auckland": "NEWZEALANDSTANDARDTIME",
    "Europe/London": "GMTSTANDARDTIME",
}


def make_id(tenant: str, kind: str, key: object) -> str:
    """The id of a seeded record: the same in every sandbox of the same world."""
    return str(uuid.uuid5(NAMESPACE, f"{tenant}/{kind}/{key}"))


def tax_types(country: str) -> Mapping[str, str]:
    """``sales``, ``purchases``, ``free-sales`` and ``free-purchases`` -> TaxType."""
    return _TAXES[country][1]


def seed_organisation(
    ledger: Ledger, *, name: str, currency: str, country: str, zone: str, rates: Mapping[str, Decimal]
) -> None:
    """The organisation's own row and all its reference data."""
    now = ledger.next_stamp()
    tenant = ledger.tenant
    ledger.save_organisation(
        {
            "OrganisationID": tenant,
            "Name": name,
            "LegalName": name,
            "PaysTax": True,
            "Version": country,
            "OrganisationType": "COMPANY",
            "BaseCurrency": currency,
            "CountryCode": country,
            "IsDemoCompany": False,
            "OrganisationStatus": "ACTIVE",
            "FinancialYearEndDay": 30 if country == "AU" else 31,
            "FinancialYearEndMonth": 6 if country == "AU" else 3,
            "SalesTaxBasis": "ACCRUALS" if country == "AU" else "INVOICE",
            "SalesTaxPeriod": "QUARTERLY1" if country == "AU" else "TWOMONTHS",
            "DefaultSalesTax": "Tax Exclusive",
            "DefaultPurchasesTax": "Tax Exclusive",
            "CreatedDateUTC": now,
            "OrganisationEntityType": "COMPANY",
            "Timezone": ZONE_NAMES[zone],
            "ShortCode": "!" + make_id(tenant, "short", "")[:5],
            "Edition": "BUSINESS",
            "Class": "PREMIUM",
            "Addresses": [],
            "Phones": [],
            "ExternalLinks": [],
            "PaymentTerms": {},
            "_zone": zone,
            "_rates": {code: rate for code, rate in rates.items() if code != currency},
            "_next_invoice": 1,
        }
    )
    for code in sorted({currency, *rates}):
        ledger.currencies.put({"Code": code, "Description": _CURRENCIES.get(code, code)})
    rates_of, used = _TAXES[country]
    for kind, label, rate, on_sales, on_purchases in rates_of:
        ledger.tax_rates.put(_tax_rate(kind, label, Decimal(rate), on_sales, on_purchases))
    for code, label, kind, group, tax, system, payable in _CHART:
        row: Row = {
            "AccountID": make_id(tenant, "account", code),
            "Code": code,
            "Name": label,
            "Type": kind,
            "Class": group,
            "TaxType": used.get(tax, "NONE"),
            "Status": "ACTIVE",
            "EnablePaymentsToAccount": payable,
            "ShowInExpenseClaims": False,
            "ReportingCode": group[:3],
            "HasAttachments": False,
            "AddToWatchlist": False,
            "UpdatedDateUTC": now,
        }
        if system:
            row["SystemAccount"] = system
        if kind == "BANK":
            row |= {
                "BankAccountNumber": f"0209087654{code}",
                "BankAccountType": "BANK",
                "CurrencyCode": currency,
            }
        ledger.accounts.put(row)
    for place, label in enumerate(("Standard", "Special Projects")):
        ledger.themes.put(
            {
                "BrandingThemeID": make_id(tenant, "theme", place),
                "Name": label,
                "Type": "INVOICE",
                "SortOrder": place,
                "CreatedDateUTC": now,
            }
        )

    for name, options in _TRACKING:
        category = make_id(tenant, "tracking", name)
        ledger.tracking.put(
            {
                "TrackingCategoryID": category,
                "Name": name,
                "Status": "ACTIVE",
                "Options": [
                    {
                        "TrackingOptionID": make_id(tenant, "option", f"{name}/{option}"),
                        "Name": option,
                        "Status": "ACTIVE",
                    }
                    for option in options
                ],
            }
        )
    for place, (first, last, role) in enumerate(_USERS):
        ledger.users.put(
            {
                "UserID": make_id(tenant, "user", place),
                "EmailAddress": f"{first}.{last}@books.example".lower(),
                "FirstName": first,
                "LastName": last,
                "IsSubscriber": place == 0,
                "OrganisationRole": role,
                "UpdatedDateUTC": now,
            }
        )


def _tax_rate(kind: str, label: str, rate: Decimal, on_sales: bool, on_purchases: bool) -> Row:
    both: dict[str, Any] = {"DisplayTaxRate": rate, "EffectiveRate": rate}
    return {
        "Name": label,
        "TaxType": kind,
        "ReportTaxType": kind,
        "CanApplyToAssets": on_purchases,
        "CanApplyToEquity": True,
        "CanApplyToExpenses": on_purchases,
        "CanApplyToLiabilities": True,
        "CanApplyToRevenue": on_sales,
        **both,
        "Status": "ACTIVE",
        "TaxComponents": [{"Name": "GST", "Rate": rate, "IsCompound": False, "IsNonRecoverable": False}],
    }


def change_setting(ledger: Ledger, module: str, action: str, key: str, values: Mapping[str, Any]) -> Row:
    """What a person does in the settings. A currency: ``Code``, ``Description`` and ``rate``, its units for
    one of the base currency; a tax rate: ``TaxType``, ``Name``, ``EffectiveRate``, ``Status``."""
    if module == "Currencies":
        if action == "delete":
            gone = ledger.currencies.get(key)
            if gone is None:
                raise KeyError(key)
            ledger.currencies.delete(key)
            return gone
        code = str(values.get("Code") or key)
        row: Row = {"Code": code, "Description": values.get("Description", code)}
        ledger.currencies.put(row)
        if "rate" in values:
            rates = {**ledger.organisation["_rates"], code: Decimal(values["rate"])}
            ledger.save_organisation({**ledger.organisation, "_rates": rates})
        return row
    kind = str(values.get("TaxType") or key)
    held = ledger.tax_rates.get(kind)
    if action == "create":
        rate = Decimal(values["EffectiveRate"])
        held = _tax_rate(kind, str(values.get("Name", kind)), rate, True, False)
    elif held is None:
        raise KeyError(kind)
    row = {**held, **values, **({"Status": "DELETED"} if action == "delete" else {})}
    ledger.tax_rates.put(row)
    return row
