"""The settings of an organisation: currencies, taxes, chart of accounts, users, and itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_zoho.books.sandbox.errors import Refused
from syncline_zoho.books.sandbox.fields import define
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.lists import ListRules
from syncline_zoho.books.sandbox.wire import Row, in_zone, rounded

TAX_RULES = ListRules(
    sort="tax_name",
    order="A",
    sorts=frozenset({"tax_name"}),
    # what is inactive is hidden unless asked for, as recorded
    filters={"Taxes.Active": lambda row: bool(row["_active"]), "Taxes.All": lambda row: True},
)
ACCOUNT_RULES = ListRules(
    sort="account_name",
    order="A",
    sorts=frozenset({"account_name", "account_type"}),
    since=True,
    filters={"AccountType.Active": lambda row: bool(row["is_active"]), "AccountType.All": lambda row: True},
)
PLAIN_RULES = ListRules(sort="", order="A", sorts=frozenset())

_SYMBOLS = {"AUD": "$", "USD": "$", "NZD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "KWD": "KD"}
_PLACES = {"JPY": 0, "KWD": 3}
_TAXES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AU": (("GST", "10"), ("GST Free", "0"), ("Luxury Car Tax", "33")),
    "NZ": (("GST", "15"), ("Zero Rated", "0")),
}
_ACCOUNTS = (
    ("sales", "Sales", "200", "income"),
    ("other", "Other Income", "260", "other_income"),
    ("cost", "Cost of Goods Sold", "310", "cost_of_goods_sold"),
    ("office", "Office Supplies", "453", "expense"),
    ("freight", "Freight and Courier", "425", "expense"),
    ("inventory", "Inventory Asset", "630", "stock"),
    ("bank", "Undeposited Funds", "090", "cash"),
    ("receivable", "Accounts Receivable", "610", "accounts_receivable"),
)


def open_organisation(
    ledger: Ledger,
    *,
    first_id: int,
    name: str,
    currency: str,
    country: str,
    zone: str,
    rates: Mapping[str, Decimal],
) -> None:
    """``rates``: units of a currency for one of the home currency, as the made-up business has them."""
    ledger.save_about(
        {
            "organization_id": ledger.organisation,
            "name": name,
            "contact_name": "Robin Ledger",
            "email": "robin@harbour-vine.example",
            "is_default_org": False,
            "is_org_active": True,
            "plan_name": "Professional",
            "language_code": "en",
            "fiscal_year_start_month": 6,
            "time_zone": zone,
            "country_code": country,
            "currency_id": "",
            "currency_code": currency,
            "currency_symbol": _SYMBOLS.get(currency, ""),
            "price_precision": _PLACES.get(currency, 2),
            "date_format": "dd MMM yyyy",
            "_next_id": first_id,
            "_numbers": {},
            "_lock_date": "",
        }
    )
    for code in dict.fromkeys((currency, *rates, "EUR", "GBP", "JPY", "KWD")):
        add_currency(ledger, code, rates.get(code))
    base = next(r for r in ledger.stores["currencies"] if r["is_base_currency"])
    ledger.save_about({**ledger.about, "currency_id": base["currency_id"]})
    for tax, percent in _TAXES.get(country, (("Standard", "20"), ("Zero", "0"))):
        add_tax(ledger, tax, Decimal(percent))
    about = ledger.about
    for key, account, code, kind in _ACCOUNTS:
        row = add_account(ledger, account, code, kind)
        about = {**ledger.about, f"_{key}_account": row["account_id"]}
        ledger.save_about(about)
    for person, email, role in (
        ("Robin Ledger", "robin@harbour-vine.example", "admin"),
        ("Sam Sales", "sam@harbour-vine.example", "staff"),
    ):
        user_id = ledger.new_id()
        row = {"user_id": user_id, "name": person, "email": email, "user_role": role, "status": "active"}
        ledger.put("users", row)
    define(ledger)


def add_currency(ledger: Ledger, code: str, rate: Decimal | None) -> Row:
    """``rate``: units of it for one of the home currency; Books keeps the other direction."""
    base = code == ledger.about["currency_code"]
    worth = Decimal(1) if base else rounded(1 / rate, 6) if rate else Decimal(0)
    return ledger.put(
        "currencies",
        {
            "currency_id": ledger.new_id(),
            "currency_code": code,
            "currency_name": code,
            "currency_symbol": _SYMBOLS.get(code, code),
            "price_precision": _PLACES.get(code, 2),
            "currency_format": "1,234,567.89",
            "is_base_currency": base,
            "exchange_rate": worth,
            "effective_date": "2026-01-01" if worth and not base else "",
        },
    )


def add_tax(ledger: Ledger, name: str, percent: Decimal) -> Row:
    return ledger.put(
        "taxes",
        {
            "tax_id": ledger.new_id(),
            "tax_name": name,
            "tax_percentage": percent,
            "tax_type": "tax",
            "is_value_added": False,
            "is_default_tax": False,
            "is_editable": True,
            "_active": True,
        },
    )


def add_account(ledger: Ledger, name: str, code: str, kind: str) -> Row:
    now = ledger.stamp()
    return ledger.put(
        "chartofaccounts",
        {
            "account_id": ledger.new_id(),
            "account_name": name,
            "account_code": code,
            "account_type": kind,
            "is_user_created": False,
            "is_system_account": kind == "accounts_receivable",
            "is_active": True,
            "created_time": now,
            "last_modified_time": now,
        },
    )


def show_plain(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def show_account(ledger: Ledger, row: Row) -> Row:
    zone = ledger.zone
    return {
        **show_plain(row),
        "created_time": in_zone(row["created_time"], zone),
        "last_modified_time": in_zone(row["last_modified_time"], zone),
    }


def show_organisation(ledger: Ledger) -> Row:
    about = ledger.about
    return {
        **show_plain(about),
        "is_dst_active": bool(ledger.now().astimezone(ledger.zone).dst()),
        "org_settings": {"is_org_active": about["is_org_active"]},
    }


def change_setting(
    ledger: Ledger, action: str, module: str, record_id: str, values: Mapping[str, Any]
) -> Row:
    """A person's doings in the set-up: ``create`` and ``update`` of look-ups, ``update`` of the organisation
    (``lock_date``, ``is_org_active``) and of its ``customfields``. Raises KeyError, ValueError."""
    if module == "organisation" and action == "update":
        told = {f"_{k}" if k == "lock_date" else k: v for k, v in values.items()}
        ledger.save_about({**ledger.about, **told})
        return show_organisation(ledger)
    if module == "customfields" and action == "update":
        row = ledger.fields.get(record_id)
        if row is None:
            raise KeyError(record_id)
        ledger.fields.put(record_id, {**row, **values})
        return {**row, **values}
    if action == "create" and module == "currencies":
        return add_currency(ledger, str(values["currency_code"]), values.get("rate"))
    if action == "create" and module == "taxes":
        return add_tax(ledger, str(values["tax_name"]), Decimal(str(values["tax_percentage"])))
    if action == "create" and module == "chartofaccounts":
        return add_account(
            ledger,
            str(values["account_name"]),
            str(values.get("account_code", "")),
            str(values["account_type"]),
        )
    held = ledger.get(module, record_id)
    if held is None:
        raise KeyError(record_id)
    if action == "delete":
        ledger.remove(module, held)
        return show_plain(held)
    if action not in ("update", "archive"):
        raise KeyError(action)
    changed = {**held, **values}
    if action == "archive":
        changed |= {"is_active": False, "_active": False, "status": "inactive"}
    if "last_modified_time" in held:
        changed["last_modified_time"] = ledger.stamp()
    return show_plain(ledger.put(module, changed))


def refuse_unknown(ledger: Ledger | None) -> Ledger:
    if ledger is None:
        raise Refused("You are not associated with this organization.", 6)
    return ledger
