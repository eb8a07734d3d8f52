"""Reference data: what an organisation has set up, read and never written."""

from __future__ import annotations

from syncline.connect import FieldType, RemoteModule
from syncline_xero.fields import LOOKUP, decimal, ro

CURRENCIES = RemoteModule(
    name="Currencies",
    label="Currencies in use",
    lookup=True,
    capabilities=LOOKUP,
    fields=(ro("Code"), ro("Description")),
)
TAX_RATES = RemoteModule(
    name="TaxRates",
    label="Tax rates",
    lookup=True,
    capabilities=LOOKUP,
    fields=(
        ro("TaxType"),
        ro("Name"),
        ro("Status"),
        ro("ReportTaxType"),
        decimal("EffectiveRate", 4, read_only=True),
        decimal("DisplayTaxRate", 4, read_only=True),
        ro("CanApplyToRevenue", FieldType.BOOLEAN),
        ro("CanApplyToExpenses", FieldType.BOOLEAN),
    ),
)
ACCOUNTS = RemoteModule(
    name="Accounts",
    label="Chart of accounts",
    lookup=True,
    capabilities=LOOKUP,
    fields=(
        ro("AccountID"),
        ro("Code"),
        ro("Name"),
        ro("Type"),
        ro("Class"),
        ro("TaxType"),
        ro("Status"),
        ro("Description"),
        ro("SystemAccount"),
        ro("EnablePaymentsToAccount", FieldType.BOOLEAN),
        ro("UpdatedDateUTC", FieldType.INSTANT),
    ),
)
ORGANISATION = RemoteModule(
    name="Organisation",
    label="The organisation itself",
    lookup=True,
    capabilities=LOOKUP,
    fields=(
        ro("OrganisationID"),
        ro("Name"),
        ro("LegalName"),
        ro("BaseCurrency"),
        ro("CountryCode"),
        ro("Timezone"),
        ro("ShortCode"),
        ro("Version"),
        ro("PaysTax", FieldType.BOOLEAN),
        ro("IsDemoCompany", FieldType.BOOLEAN),
        ro("PeriodLockDate", FieldType.DATE),
        ro("EndOfYearLockDate", FieldType.DATE),
    ),
)
TRACKING_CATEGORIES = RemoteModule(
    name="TrackingCategories",
    label="Tracking categories and their options",
    lookup=True,
    capabilities=LOOKUP,
    fields=(
        ro("TrackingCategoryID"),
        ro("Name"),
        ro("Status"),
        ro("Options", FieldType.LIST, ro("TrackingOptionID"), ro("Name"), ro("Status")),
    ),
)
BRANDING_THEMES = RemoteModule(
    name="BrandingThemes",
    label="Branding themes",
    lookup=True,
    capabilities=LOOKUP,
    fields=(ro("BrandingThemeID"), ro("Name"), ro("SortOrder", FieldType.INTEGER)),
)
USERS = RemoteModule(
    name="Users",
    label="Users of the organisation",
    lookup=True,
    capabilities=LOOKUP,
    fields=(
        ro("UserID"),
        ro("EmailAddress"),
        ro("FirstName"),
        ro("LastName"),
        ro("OrganisationRole"),
        ro("IsSubscriber", FieldType.BOOLEAN),
        ro("UpdatedDateUTC", FieldType.INSTANT),
    ),
)

LOOKUPS = (
    CURRENCIES,
    TAX_RATES,
    ACCOUNTS,
    TRACKING_CATEGORIES,
    BRANDING_THEMES,
    USERS,
    ORGANISATION,
)
