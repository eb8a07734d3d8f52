"""A year of invoices in four currencies and three tax modes, made in both systems the way people make
them."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.support.business import book_entry, line, open_business
from tests.support.stage import Stage

#: Units of each currency for one of the home currency; one has no cents and one has three places.
RATES = {"AUD": "1", "USD": "0.65", "JPY": "97.5", "KWD": "0.2"}
MODES = ("Exclusive", "Inclusive", "NoTax")
_FIRST = date(2025, 7, 1)
_DUE = "2099-06-24"


def open_year(stage: Stage) -> tuple[str, str, str]:
    """A business with those currencies. Returns its customer in the books and in the CRM, and the product in
    the CRM."""
    for code, rate in RATES.items():
        if code in ("JPY", "KWD"):
            stage.books.act("create", "Currencies", None, {"Code": code, "rate": rate})
            stage.crm.act("create", "Currencies", None, {"iso_code": code, "exchange_rate": rate})
    contact = open_business(stage)
    return contact, stage.crm.records("Accounts")[0]["id"], stage.crm.records("Products")[0]["id"]


def write_year(stage: Stage, count: int, seed: int = 26) -> None:
    """``count`` invoices, most of them in the books and every seventh in the CRM: with several lines, prices
    of four places, discounts and negative lines; some paid, part paid or void."""
    numbers = random.Random(seed)
    contact, account, product = open_year(stage)
    for n in range(count):
        number = f"INV-{n:05d}"
        day = (_FIRST + timedelta(days=n * 365 // count)).isoformat()
        currency = list(RATES)[n % 4]
        told = {"Date": day, "DueDate": _DUE, "CurrencyCode": currency, "InvoiceNumber": number}
        if n % 7 == 3:
            _write_in_crm(stage, account, product, told, numbers)
            continue
        mode = MODES[n // 4 % 3]
        made = {"Contact": {"ContactID": contact}, "Status": "AUTHORISED", "LineAmountTypes": mode, **told}
        lines = [_line(numbers, mode) for _ in range(numbers.randint(1, 5))]
        if n % 5 == 0:
            back = {"Quantity": 1, "UnitAmount": Decimal("-0.335"), "DiscountRate": None}
            lines.append({**lines[0], **back})
        record = stage.books.act("create", "Invoices", None, {**made, "LineItems": lines})["InvoiceID"]
        if n % 11 == 5:
            stage.books.act("pay", "Invoices", record, {"Date": day})
        elif n % 11 == 7:
            part = (book_entry(stage, number)["Total"] / 2).quantize(Decimal("0.01"))
            stage.books.act("pay", "Invoices", record, {"Date": day, "Amount": part})
        elif n % 29 == 8:
            stage.books.act("delete", "Invoices", record)


def _line(numbers: random.Random, mode: str) -> dict[str, Any]:
    taxed = numbers.random() < 0.7
    told = line(
        Quantity=Decimal(numbers.randint(1, 400)) / 4,
        UnitAmount=Decimal(numbers.randint(1, 9_999_999)) / 10_000,
        TaxType="NONE" if mode == "NoTax" else "OUTPUT" if taxed else "EXEMPTOUTPUT",
    )
    if numbers.random() < 0.2:
        told["DiscountRate"] = Decimal(numbers.randint(1, 5000)) / 100
    return told


def _write_in_crm(
    stage: Stage, account: str, product: str, told: dict[str, Any], numbers: random.Random
) -> None:
    rows = [
        {
            "Product_Name": {"id": product},
            "Description": "Bread",
            "Quantity": Decimal(numbers.randint(1, 40)),
            "List_Price": Decimal(numbers.randint(1, 99_999)) / 100,
            "Line_Tax": [{"name": "GST", "percentage": 10}] if numbers.random() < 0.7 else [],
        }
        for _ in range(numbers.randint(1, 3))
    ]
    made = {
        "Subject": told["InvoiceNumber"],
        "Account_Name": {"id": account},
        "Currency": told["CurrencyCode"],
    }
    days = {"Invoice_Date": told["Date"], "Due_Date": told["DueDate"]}
    stage.crm.act("create", "Invoices", None, {**made, **days, "Invoiced_Items": rows})
