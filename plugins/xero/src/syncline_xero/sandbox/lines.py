"""Document lines: defaults from the item and the account, amounts, and tax rounded line by line.

Source: Xero API documentation, Invoices and "Rounding in Xero". A line that carries the LineItemID of a
stored one keeps what it does not send; one without is new; a stored one that is not sent is gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.tracking import tracked
from syncline_xero.sandbox.wire import CENT, ZERO_ID, Invalid, Row, money, to_decimal, to_text

FOUR_PLACES = CENT / 100
_PRICED = ("Quantity", "UnitAmount", "LineAmount", "ItemCode", "AccountCode", "TaxType", "DiscountRate")
_LIMIT = Decimal("9999999999.99")


class Findings(Struct):
    """What was found wrong with a document so far."""

    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class LineRules(Struct, frozen=True, kw_only=True):
    """What the document says to its lines. ``posting``: it will be in the ledger, so codes must be whole."""

    sales: bool
    amounts: str
    posting: bool
    places: int
    discounts: bool


def merge_lines(
    ledger: Ledger, held: Sequence[Row], given: Any, rules: LineRules, findings: Findings
) -> list[Row]:
    """The lines as they will be stored."""
    if not isinstance(given, list):
        raise Invalid("LineItems must be a list")
    known = {line["LineItemID"]: line for line in held}
    out = []
    for element in given:
        wanted = str(element.get("LineItemID") or "").lower()
        if wanted and wanted != ZERO_ID and wanted not in known:
            findings.faults.append(f"Line item {wanted} could not be found on this document")
        out.append(_line(ledger, known.get(wanted), element, rules, findings))
    return out


def refreshed(ledger: Ledger, held: Sequence[Row], rules: LineRules, findings: Findings) -> list[Row]:
    """Stored lines under new rules of their document (its tax treatment, its status)."""
    return [_line(ledger, line, {}, rules, findings) for line in held]


def _line(
    ledger: Ledger, held: Row | None, element: Mapping[str, Any], rules: LineRules, findings: Findings
) -> Row:
    line: Row = dict(held) if held else {"LineItemID": str(uuid.uuid4()), "Tracking": []}
    given = {k: v for k, v in element.items() if v is not None}
    for name in ("Description", "ItemCode", "AccountCode", "TaxType"):
        if name in given:
            line[name] = to_text(given[name])
            if not line[name]:
                del line[name]
    if len(line.get("Description", "")) > 4000:
        findings.faults.append("The Description field exceeds the maximum length of 4000 characters.")
    if isinstance(given.get("Tracking"), list):
        line["Tracking"] = tracked(ledger, given["Tracking"], findings)
    for name in ("Quantity", "UnitAmount", "DiscountRate", "DiscountAmount"):
        if name in given:
            line[name] = to_decimal(given[name], name)
    for one, other in (("DiscountRate", "DiscountAmount"), ("DiscountAmount", "DiscountRate")):
        if given.get(one) and other not in given:
            line.pop(other, None)
        if one in line and not line[one]:
            del line[one]
    if "UnitAmount" in given and "UnitAmount" in line:
        line["UnitAmount"] = money(line["UnitAmount"], FOUR_PLACES if rules.places == 4 else CENT)
    if line.get("ItemCode") and "ItemCode" in given and (held or {}).get("ItemCode") != line["ItemCode"]:
        _take_from_item(ledger, line, given, rules, findings)
    if not any(name in line for name in _PRICED) and "LineAmount" not in given:
        if not line.get("Description"):
            findings.faults.append("Description cannot be empty")
        return line
    line.setdefault("Quantity", Decimal(1))
    _price(line, given, rules, findings)
    _code(ledger, line, rules, findings)
    _tax(ledger, line, given, rules, held)
    return line


def _take_from_item(
    ledger: Ledger, line: Row, given: Mapping[str, Any], rules: LineRules, findings: Findings
) -> None:
    found = ledger.items.find("code", line["ItemCode"].casefold())
    if not found:
        findings.faults.append(f"Item code '{line['ItemCode']}' is not valid")
        return
    item = found[0]
    line["ItemCode"] = item["Code"]
    details = item["SalesDetails" if rules.sales else "PurchaseDetails"]
    text = item.get("Description" if rules.sales else "PurchaseDescription") or item.get("Name")
    stocked = item.get("InventoryAssetAccountCode") if not rules.sales else None
    defaults = {
        "Description": text,
        "UnitAmount": details.get("UnitPrice"),
        "AccountCode": stocked or details.get("AccountCode"),
        "TaxType": details.get("TaxType"),
    }
    for name, value in defaults.items():
        if name not in given and value is not None:
            line[name] = value


def _price(line: Row, given: Mapping[str, Any], rules: LineRules, findings: Findings) -> None:
    quantity = Decimal(line["Quantity"])
    if not rules.discounts and ("DiscountRate" in line or "DiscountAmount" in line):
        findings.faults.append("Discounts are only supported on ACCREC invoices")
    if "UnitAmount" not in line and "LineAmount" in given:
        amount = to_decimal(given["LineAmount"], "LineAmount")
        line["UnitAmount"] = money(amount / quantity, FOUR_PLACES) if quantity else Decimal(0)
    unit = Decimal(line.setdefault("UnitAmount", 0))
    if not line.get("Description"):
        findings.faults.append("Description cannot be empty")
    gross = quantity * unit
    if line.get("DiscountRate"):
        if not 0 <= line["DiscountRate"] <= 100:
            findings.faults.append("The discount rate must be between 0 and 100")
        amount = money(gross * (100 - line["DiscountRate"]) / 100)
    else:
        amount = money(gross - line.get("DiscountAmount", Decimal(0)))
    if "LineAmount" in given and "UnitAmount" in given:
        said = to_decimal(given["LineAmount"], "LineAmount")
        if said != amount:
            findings.faults.append(f"The line total {said} does not match the expected line total {amount}")
    if abs(amount) > _LIMIT:
        findings.faults.append("The line amount is too large")
    line["LineAmount"] = amount


def _code(ledger: Ledger, line: Row, rules: LineRules, findings: Findings) -> None:
    code = line.get("AccountCode")
    if code is None:
        if rules.posting:
            findings.faults.append("Account code must be specified")
        return
    found = ledger.accounts.find("code", code)
    usable = found and found[0]["Status"] == "ACTIVE" and found[0]["Type"] != "BANK"
    if found and found[0]["Type"] == "INVENTORY":
        # Stock is bought and sold by its item alone.
        items = ledger.items.find("code", str(line.get("ItemCode") or "").casefold())
        usable = bool(items) and items[0].get("InventoryAssetAccountCode") == code
    if not usable or found[0].get("SystemAccount") in ("DEBTORS", "CREDITORS", "GST"):
        if rules.posting:
            findings.faults.append(f"Account code '{code}' is not a valid code for this document.")
            return
        findings.warnings.append(
            f"Account code '{code}' has been removed as it does not match a recognised account."
        )
        del line["AccountCode"]


def _tax(ledger: Ledger, line: Row, given: Mapping[str, Any], rules: LineRules, held: Row | None) -> None:
    if rules.amounts == "NoTax":
        line["TaxType"], line["TaxAmount"] = "NONE", Decimal("0.00")
        return
    if line.get("TaxType") == "NONE" and held is not None and "TaxType" not in given:
        del line["TaxType"]
    if "TaxType" not in line and "AccountCode" in line:
        line["TaxType"] = ledger.accounts.find("code", line["AccountCode"])[0]["TaxType"]
    kind = line.get("TaxType")
    if kind is None:
        line["TaxAmount"] = Decimal("0.00")
        return
    rate_row = ledger.tax_rates.get(kind)
    if rate_row is None or rate_row["Status"] != "ACTIVE":
        raise Invalid(
            f"The TaxType code '{kind}' does not exist or cannot be used for this type of transaction."
        )
    if not rate_row["CanApplyToRevenue" if rules.sales else "CanApplyToExpenses"]:
        raise Invalid(
            f"The TaxType code '{kind}' cannot be used with account code '{line.get('AccountCode', '')}'."
        )
    rate, amount = rate_row["EffectiveRate"], line["LineAmount"]
    if "TaxAmount" in given:
        line["TaxAmount"] = money(to_decimal(given["TaxAmount"], "TaxAmount"))
    elif rules.amounts == "Inclusive":
        line["TaxAmount"] = money(amount * rate / (100 + rate))
    else:
        line["TaxAmount"] = money(amount * rate / 100)


def totals(lines: Sequence[Row], amounts: str) -> Row:
    """SubTotal, TotalTax, Total and TotalDiscount of a document: sums of lines already rounded."""
    net = sum((line.get("LineAmount", Decimal(0)) for line in lines), Decimal("0.00"))
    tax = sum((line.get("TaxAmount", Decimal(0)) for line in lines), Decimal("0.00"))
    cut = sum((_discount(line) for line in lines), Decimal("0.00"))
    sub = net - tax if amounts == "Inclusive" else net
    return {"SubTotal": sub, "TotalTax": tax, "Total": sub + tax, "TotalDiscount": cut}


def _discount(line: Row) -> Decimal:
    if not (line.get("DiscountRate") or line.get("DiscountAmount")):
        return Decimal(0)
    return money(Decimal(line["Quantity"]) * line["UnitAmount"]) - Decimal(line["LineAmount"])
