"""The sales department's share of a made-up business, as this remote would hold it.

Records are stored past the checks of the API, dated over the weeks before the sandbox's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from syncline.connect.sandbox import Company, Invoice, Product, World
from syncline_zoho.crm.sandbox.checks import round_to
from syncline_zoho.crm.sandbox.organisation import ENTRIES, Organisation, stamp
from syncline_zoho.crm.sandbox.totals import total_document

Row = dict[str, Any]
SPREAD = timedelta(days=60)
#: of each further module
FEW = 12
#: where a document's lines wait until it is known under which name its module keeps them
LINES = "$lines"

_STATUS = {
    "draft": "Draft",
    "submitted": "Submitted",
    "approved": "Approved",
    "part-paid": "Part Paid",
    "paid": "Paid",
    "voided": "Void",
    "deleted": "Deleted",
}


def seed_world(org: Organisation, world: World) -> None:
    """Fill the empty organisation."""
    org.settle_in(world)
    sold = [p for p in world.products if p.in_sales]
    known = [c for c in world.companies if c.sales_name]
    billed = [i for i in world.invoices if i.in_sales]
    times = _times(org.now(), len(sold) + 2 * len(known) + len(billed))
    products = {p.key: _add(org, "Products", _product(p), next(times)) for p in sold}
    accounts: dict[int, str] = {}
    for company in known:
        accounts[company.key] = _add(org, "Accounts", _account(company), next(times))
    for company in known:
        _add(org, "Contacts", _contact(company, accounts[company.key]), next(times))
    taxable = {p.key: p.taxable for p in world.products}
    bills = {}
    for invoice in billed:
        row = _invoice(org, invoice, accounts, products, taxable)
        bills[invoice.key] = _add(org, "Invoices", row, next(times))
    _seed_more(org, world, accounts, products, bills)


def _seed_more(
    org: Organisation,
    world: World,
    accounts: dict[int, str],
    products: dict[int, str],
    bills: dict[int, str],
) -> None:
    """A few records of the modules that the made-up business says nothing of, made from what it does say."""
    billed = [i for i in world.invoices if i.in_sales]
    buyers = [i for i in billed if i.company in accounts and all(n.product in products for n in i.lines)][
        :FEW
    ]
    paid = [i for i in billed if i.status == "paid" and i.company in accounts][:FEW]
    stocked = [p for p in world.products if p.key in products]
    makers = world.companies[:FEW]
    times = _times(org.now(), 3 * len(buyers) + len(paid) + len(makers) + 2)
    vendors = [_add(org, "Vendors", _vendor(company), next(times)) for company in makers]
    taxable = {p.key: p.taxable for p in world.products}
    for number, invoice in enumerate(buyers, 1):
        due = invoice.due.isoformat()
        quote = {"Subject": f"Quote {number}", "Quote_Stage": "Delivered", "Valid_Till": due}
        quote |= _document(org, invoice, accounts, products, taxable)
        quoted = _add(org, "Quotes", quote, next(times))
        order = {"Subject": f"Order {number}", "Status": "Created", "Quote_Name": quoted, "Due_Date": due}
        _add(org, "Sales_Orders", order | _document(org, invoice, accounts, products, taxable), next(times))
        purchase = {"Subject": f"Purchase {number}", "Status": "Created", "PO_Number": f"P{number:04}"}
        purchase |= {"PO_Date": invoice.day.isoformat(), "Vendor_Name": vendors[number % len(vendors)]}
        _add(org, "Purchase_Orders", purchase | _document(org, invoice, {}, products, taxable), next(times))
    for name, share in (("Trade", Decimal("0.9")), ("Export", Decimal("1.15"))):
        prices = {products[p.key]: round_to(p.price * share, 2) for p in stocked[:FEW]}
        ranges = [{"id": org.new_id(), "from_range": 1, "to_range": 1000, "discount": 0}]
        book = {"Price_Book_Name": name, "Active": True, "Pricing_Model": "Flat", "Pricing_Details": ranges}
        if stocked:
            _add(org, "Price_Books", {**book, ENTRIES: prices}, next(times))
    for invoice in paid:
        bill = org.find("Invoices", bills[invoice.key]) or {}
        payment = {
            "Name": f"Payment of {invoice.number}",
            "Amount": bill.get("Grand_Total"),
            "Payment_Date": invoice.due.isoformat(),
            "Method": "Bank transfer",
            "Reference": invoice.number,
            "Invoice": bills[invoice.key],
            "Account_Name": accounts[invoice.company],
            "Currency": invoice.currency,
        }
        _add(org, "Payments", payment, next(times))


def _times(now: datetime, count: int) -> Iterator[str]:
    """``count`` instants in order, the last an hour ago."""
    end = now - timedelta(hours=1)
    step = SPREAD / max(1, count)
    for number in range(count):
        yield stamp(end - step * (count - number))


def _add(org: Organisation, module: str, values: Row, when: str) -> str:
    record_id = org.new_id()
    currency = values.get("Currency") or org.home_currency
    row: Row = {
        "id": record_id,
        "Owner": org.actor,
        "Created_By": org.person,
        "Created_Time": when,
        "Modified_By": org.person,
        "Modified_Time": when,
        "Record_Status__s": "Available",
        "Locked__s": False,
        "Currency": currency,
        "Exchange_Rate": round_to(Decimal(org.rates.get(currency, "1")), 9),
        **{name: value for name, value in values.items() if value is not None},
    }
    meta = org.meta[module]
    if meta.lines is not None:
        lines = [{**line, "Parent_Id": record_id} for line in row.pop(LINES)]
        for line in lines:
            line["Created_Time"] = line["Modified_Time"] = when
        row = total_document({**row, meta.lines.name: lines}, meta.lines.name)
    for field in meta.fields.values():
        if field.data_type == "autonumber":
            row[field.name] = str(org.next_number(field.name.lower()))
    org.stores[module].put(row)
    return record_id


def _account(company: Company) -> Row:
    return {
        "Account_Name": company.sales_name,
        "Phone": company.phone,
        "Website": company.website,
        "Tax_Number": company.tax_number,
        "Email": company.email,
        "Payment_Terms_Days": company.terms_days,
        "Currency": company.currency,
        "Billing_Street": company.street,
        "Billing_City": company.city,
        "Billing_State": company.region,
        "Billing_Code": company.postcode,
        "Billing_Country": company.country,
    }


def _contact(company: Company, account: str) -> Row:
    return {
        "First_Name": company.first_name,
        "Last_Name": company.last_name,
        "Full_Name": f"{company.first_name} {company.last_name}",
        "Email": company.email,
        "Phone": company.phone,
        "Account_Name": account,
        "Currency": company.currency,
        "Mailing_Street": company.street,
        "Mailing_City": company.city,
        "Mailing_State": company.region,
        "Mailing_Zip": company.postcode,
        "Mailing_Country": company.country,
    }


def _product(product: Product) -> Row:
    return {
        "Product_Name": product.name,
        "Product_Code": product.code,
        "Unit_Price": product.price,
        "Description": product.description,
        "Taxable": product.taxable,
        "Product_Active": True,
    }


def _vendor(company: Company) -> Row:
    return {
        "Vendor_Name": f"{company.last_name} {company.city} Supplies",
        "Email": company.email,
        "Phone": company.phone,
        "Website": company.website,
        "Currency": company.currency,
        "Street": company.street,
        "City": company.city,
        "State": company.region,
        "Zip_Code": company.postcode,
        "Country": company.country,
    }


def _invoice(
    org: Organisation,
    invoice: Invoice,
    accounts: dict[int, str],
    products: dict[int, str],
    taxable: dict[int, bool],
) -> Row:
    return {
        **_document(org, invoice, accounts, products, taxable),
        "Subject": invoice.number,
        "Invoice_Date": invoice.day.isoformat(),
        "Due_Date": invoice.due.isoformat(),
        "Status": _STATUS[invoice.status],
    }


def _document(
    org: Organisation,
    invoice: Invoice,
    accounts: dict[int, str],
    products: dict[int, str],
    taxable: dict[int, bool],
) -> Row:
    gst = org.taxes[0]
    lines = []
    for number, line in enumerate(invoice.lines, 1):
        taxed = line.taxable and taxable.get(line.product)
        lines.append(
            {
                "id": org.new_id(),
                "Sequence_Number": number,
                "Product_Name": products.get(line.product),
                "Description": line.description,
                "Quantity": line.quantity,
                "List_Price": line.price,
                "Discount_Percentage__s": line.discount_percent if line.discount_percent else None,
                "Line_Tax": [{"name": gst["name"], "id": gst["id"], "percentage": gst["value"]}]
                if taxed
                else [],
            }
        )
    return {"Account_Name": accounts.get(invoice.company), "Currency": invoice.currency, LINES: lines}
