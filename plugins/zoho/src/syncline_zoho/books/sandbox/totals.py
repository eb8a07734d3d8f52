"""Sums of a document: discounts, tax inclusive or exclusive, rounded once a document.

``tax_rounding: entity_level`` stands on every recorded document: the tax of all lines under one tax is summed
exactly and rounded once. The switch ``tax_rounding`` = ``item_level`` rounds line by line instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from syncline_zoho.books.sandbox.wire import ZERO, Row, rounded

HUNDRED = Decimal(100)


def share(discount: Any, of: Decimal) -> Decimal:
    """What a discount (``"10%"`` or an amount) takes off."""
    if isinstance(discount, str) and discount.endswith("%"):
        return of * Decimal(discount[:-1]) / HUNDRED
    return Decimal(discount or 0)


def total_lines(
    document: Row, lines: Sequence[Row], places: int, taxes: Mapping[str, Row], *, by_line: bool
) -> Row:
    """The document's sums, and ``item_total`` in its lines. ``taxes``: tax rows by id."""
    inclusive = bool(document.get("is_inclusive_tax"))
    item_level = document.get("discount_type") == "item_level"
    priced: list[tuple[Row, Decimal]] = []
    for line in lines:
        gross = Decimal(line["quantity"]) * Decimal(line["rate"])
        cut = share(line.get("discount"), gross) if item_level else ZERO
        priced.append((line, gross - cut))
    before = bool(document.get("is_discount_before_tax", True))
    whole = sum((amount for _, amount in priced), ZERO)
    cut_whole = ZERO if item_level else rounded(share(document.get("discount"), whole), places)
    factor = (whole - cut_whole) / whole if before and whole and cut_whole else Decimal(1)
    groups: dict[str, Decimal] = {}
    out_lines: list[Row] = []
    net = ZERO
    for line, amount in priced:
        rate = Decimal(taxes[line["tax_id"]]["tax_percentage"]) if line.get("tax_id") else ZERO
        base = amount * factor
        tax = base * rate / (HUNDRED + rate) if inclusive else base * rate / HUNDRED
        if by_line:
            tax = rounded(tax, places)
        if line.get("tax_id"):
            groups[line["tax_id"]] = groups.get(line["tax_id"], ZERO) + tax
        shown = amount * HUNDRED / (HUNDRED + rate) if inclusive else amount
        net += rounded(amount, places)
        out_lines.append({**line, "item_total": rounded(shown, places)})
    rounded_taxes = {tax_id: rounded(amount, places) for tax_id, amount in groups.items()}
    tax_total = sum(rounded_taxes.values(), ZERO)
    extra = Decimal(document.get("shipping_charge") or 0) + Decimal(document.get("adjustment") or 0)
    total = net - cut_whole + extra + (ZERO if inclusive else tax_total)
    return {
        "line_items": out_lines,
        "sub_total": rounded(net - (tax_total if inclusive else ZERO), places),
        "discount_total": cut_whole,
        "tax_total": rounded(tax_total, places),
        "total": rounded(total, places),
        "taxes": [
            {"tax_id": tax_id, "tax_name": taxes[tax_id]["tax_name"], "tax_amount": amount}
            for tax_id, amount in rounded_taxes.items()
        ],
    }
