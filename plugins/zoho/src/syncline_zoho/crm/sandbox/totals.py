"""The sums of an inventory document, computed by the remote from its lines.

``Sub_Total`` adds up the lines' ``Net_Total`` (tax included); ``Grand_Total`` is ``Sub_Total`` less
``Discount`` plus ``Tax`` plus ``Adjustment``, where ``Tax`` comes from the document's own ``$line_tax``.
A discount is an amount, or a percentage from which the amount is made anew. Quantities, prices and so totals
may be negative (a row that gives credit): no document forbids it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from syncline_zoho.crm.sandbox.checks import round_to

Row = dict[str, Any]
_ZERO = Decimal(0)
AMOUNT, PERCENTAGE = "Amount", "Percentage"


def total_line(line: Row) -> Row:
    """The line with its computed keys; a percentage, where there is one, makes the discount anew."""
    quantity = line.get("Quantity") or _ZERO
    price = line.get("List_Price") or _ZERO
    total = round_to(Decimal(quantity) * Decimal(price), 2)
    percentage = line.get("Discount_Percentage__s")
    discount = line.get("Discount") or _ZERO
    if percentage is not None:
        discount = round_to(total * Decimal(percentage) / 100, 2)
    after = round_to(total - Decimal(discount), 2)
    taxes = [
        {**tax, "value": round_to(after * Decimal(tax["percentage"]) / 100, 2)}
        for tax in line.get("Line_Tax") or []
    ]
    tax_sum = round_to(sum((Decimal(tax["value"]) for tax in taxes), _ZERO), 2)
    return {
        **line,
        "Total": total,
        "Discount": discount,
        "Discount_Type__s": AMOUNT if percentage is None else PERCENTAGE,
        "Total_After_Discount": after,
        "Line_Tax": taxes,
        "Tax": tax_sum,
        "Net_Total": round_to(after + tax_sum, 2),
    }


def total_document(row: Row, lines_field: str) -> Row:
    """The document with totalled lines and header sums."""
    lines = [total_line(line) for line in row.get(lines_field) or []]
    sub_total = sum((Decimal(line["Net_Total"]) for line in lines), _ZERO)
    percentage = row.get("Discount_Percentage__s")
    discount = Decimal(row.get("Discount") or 0)
    if percentage is not None:
        discount = round_to(sub_total * Decimal(percentage) / 100, 2)
    taxes = [
        {**tax, "value": round_to((sub_total - discount) * Decimal(tax["percentage"]) / 100, 2)}
        for tax in row.get("$line_tax") or []
    ]
    tax_sum = sum((Decimal(tax["value"]) for tax in taxes), _ZERO)
    adjustment = Decimal(row.get("Adjustment") or 0)
    return {
        **row,
        lines_field: lines,
        "$line_tax": taxes,
        "Discount": round_to(discount, 2),
        "Discount_Type__s": AMOUNT if percentage is None else PERCENTAGE,
        "Adjustment": round_to(adjustment, 2),
        "Sub_Total": round_to(sub_total, 2),
        "Tax": round_to(tax_sum, 2),
        "Grand_Total": round_to(sub_total - discount + tax_sum + adjustment, 2),
    }
