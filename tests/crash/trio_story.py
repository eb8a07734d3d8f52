"""The story of three systems that is killed everywhere: documents with their states, people, price lists.

Customers, their people, products and price lists are shared by the CRM and the billing; customers, vendors,
people, products and all documents by the billing and the ledger. In each module records are created, updated
and ended at either end, and what the CRM types travels through the billing to the ledger.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.crash.scenario import Names, Scenario, Step
from tests.support.stage import Stage
from tests.support.trio import SPEC, SYSTEMS, act, find

NAMES: Names = {
    "crm": {
        "Accounts": ("id", "Account_Name"),
        "Contacts": ("id", "Email"),
        "Products": ("id", "Product_Code"),
        "Price_Books": ("id", "Price_Book_Name"),
        "Payments": ("id", "Amount"),
    },
    "billing": {
        "contacts": ("contact_id", "contact_name"),
        "contactpersons": ("id", "email"),
        "items": ("item_id", "sku"),
        "pricebooks": ("pricebook_id", "name"),
        "estimates": ("estimate_id", "estimate_number"),
        "invoices": ("invoice_id", "invoice_number"),
        "bills": ("bill_id", "bill_number"),
        "purchaseorders": ("purchaseorder_id", "purchaseorder_number"),
        "creditnotes": ("creditnote_id", "creditnote_number"),
        "customerpayments": ("payment_id", "amount"),
    },
    "ledger": {
        "Contacts": ("ContactID", "Name"),
        "Items": ("ItemID", "Code"),
        "Quotes": ("QuoteID", "QuoteNumber"),
        "Invoices": ("InvoiceID", "InvoiceNumber"),
        "Bills": ("InvoiceID", "InvoiceNumber"),
        "PurchaseOrders": ("PurchaseOrderID", "PurchaseOrderNumber"),
        "CreditNotes": ("CreditNoteID", "CreditNoteNumber"),
    },
}
_DAY, _DUE = "2026-11-02", "2031-12-20"


def _billing_lines(stage: Stage, sku: str, rate: int = 40, account: str = "Sales") -> list[dict[str, Any]]:
    line = {
        "item_id": find(stage, "billing", "items", sku=sku)["item_id"],
        "account_id": find(stage, "billing", "chartofaccounts", account_name=account)["account_id"],
        "tax_id": find(stage, "billing", "taxes", tax_name="GST")["tax_id"],
    }
    return [{**line, "description": "Agreed", "rate": rate, "quantity": 2}]


def _ledger_lines(code: str, price: int = 30, account: str = "200") -> list[dict[str, Any]]:
    tax = "OUTPUT" if account == "200" else "INPUT"
    line = {"ItemCode": code, "Description": "Agreed", "Quantity": 2, "UnitAmount": price}
    return [{**line, "AccountCode": account, "TaxType": tax}]


def _meet(stage: Stage) -> None:
    """Each system has a life of its own before the first pass."""
    for name in ("Shared Co", "Crm Co"):
        account = act(stage, "crm", "create", "Accounts", Account_Name=name, Phone=f"1{len(name)}")["id"]
        email = f"ann@{name[:3].lower()}.test"
        told = {"First_Name": "Ann", "Last_Name": name[:3], "Email": email, "Account_Name": {"id": account}}
        act(stage, "crm", "create", "Contacts", **told)
    products = {
        code: act(stage, "crm", "create", "Products", Product_Code=code, Product_Name=name, Unit_Price=10)[
            "id"
        ]
        for code, name in (("P-SHARED", "Shared thing"), ("P-CRM", "Crm thing"))
    }
    ranges = [{"from_range": 1, "to_range": 1000, "discount": 0}]
    entries = [{"id": product, "list_price": 8} for product in products.values()]
    for name in ("Wholesale", "Leaving list"):
        told = {
            "Price_Book_Name": name,
            "Pricing_Details": ranges,
            "Pricing_Model": "Flat",
            "Products": entries,
        }
        act(stage, "crm", "create", "Price_Books", **told)

    parties = {}
    for name, kind in (
        ("Shared Co", "customer"),
        ("Billing Co", "customer"),
        ("Paper Mill", "vendor"),
        ("Leaving Co", "customer"),
    ):
        persons = [{"first_name": "Pia", "last_name": name[:3], "email": f"pia@{name[:3].lower()}.test"}]
        if kind == "customer":
            persons.append({**persons[0], "first_name": "Bob", "email": f"bob@{name[:3].lower()}.test"})
        persons[0]["is_primary_contact"] = True  # type: ignore[assignment]
        told = {"contact_name": name, "company_name": name, "contact_type": kind, "contact_persons": persons}
        parties[name] = act(stage, "billing", "create", "contacts", **told)["contact_id"]
    for sku in ("P-SHARED", "P-BILL"):
        name = "Shared thing" if sku == "P-SHARED" else "Billing thing"
        told = {"name": name, "sku": sku, "rate": 12}
        act(stage, "billing", "create", "items", **told)
    entries = [{"item_id": find(stage, "billing", "items", sku="P-BILL")["item_id"], "pricebook_rate": 7}]
    act(stage, "billing", "create", "pricebooks", name="Retail", pricebook_items=entries)
    sale = {"customer_id": parties["Billing Co"], "date": _DAY, "line_items": _billing_lines(stage, "P-BILL")}
    lines = _billing_lines(stage, "P-BILL", account="Cost of Goods Sold")
    purchase = {"vendor_id": parties["Paper Mill"], "date": _DAY, "line_items": lines}
    for number in ("INV-B", "INV-BV"):
        made = act(stage, "billing", "create", "invoices", **sale, invoice_number=number, due_date=_DUE)
        act(stage, "billing", "mark", "invoices", made["invoice_id"], status="sent")
    act(stage, "billing", "create", "estimates", **sale, estimate_number="EST-B", expiry_date=_DUE)
    for number in ("B-B", "B-BV"):
        act(stage, "billing", "create", "bills", **purchase, bill_number=number, due_date=_DUE)
    act(stage, "billing", "create", "purchaseorders", **purchase, purchaseorder_number="PO-B")
    lines = _billing_lines(stage, "P-BILL", rate=5)
    note = act(
        stage, "billing", "create", "creditnotes", **{**sale, "line_items": lines}, creditnote_number="CN-B"
    )
    invoice = find(stage, "billing", "invoices", invoice_number="INV-B")["invoice_id"]
    act(stage, "billing", "apply", "creditnotes", note["creditnote_id"], invoice_id=invoice, amount=4)
    act(stage, "billing", "pay", "invoices", invoice, amount=6, date="2026-11-05")

    contacts = {}
    for name in ("Shared Co", "Ledger Co", "Ink Supply"):
        persons = [{"FirstName": "Lou", "LastName": name[:3], "EmailAddress": f"lou@{name[:3].lower()}.test"}]
        told = {
            "Name": name,
            "EmailAddress": f"x@{name[:3].lower()}.test",
            "FirstName": "Max",
            "LastName": "Ng",
        }
        if name == "Ledger Co":
            told["ContactPersons"] = persons  # type: ignore[assignment]
        contacts[name] = act(stage, "ledger", "create", "Contacts", **told)["ContactID"]
    for code in ("P-SHARED", "P-LEDG"):
        name = "Shared thing" if code == "P-SHARED" else "Ledger thing"
        act(stage, "ledger", "create", "Items", Code=code, Name=name, SalesDetails={"UnitPrice": 12})
    sale = {
        "Contact": {"ContactID": contacts["Ledger Co"]},
        "Date": _DAY,
        "LineItems": _ledger_lines("P-LEDG"),
    }
    lines = _ledger_lines("P-LEDG", account="310")
    purchase = {"Contact": {"ContactID": contacts["Ink Supply"]}, "Date": _DAY, "LineItems": lines}
    open_ = {"DueDate": _DUE, "Status": "AUTHORISED"}
    for number in ("INV-L", "INV-LV"):
        act(stage, "ledger", "create", "Invoices", **sale, **open_, InvoiceNumber=number)
    act(stage, "ledger", "create", "Quotes", **sale, QuoteNumber="QU-L", ExpiryDate=_DUE, Status="SENT")
    for number in ("B-L", "B-LV"):
        act(stage, "ledger", "create", "Bills", **purchase, **open_, InvoiceNumber=number)
    act(stage, "ledger", "create", "PurchaseOrders", **purchase, PurchaseOrderNumber="PO-L")
    lines = _ledger_lines("P-LEDG", price=5)
    told = {**sale, "LineItems": lines, "Status": "AUTHORISED", "CreditNoteNumber": "CN-L"}
    note = act(stage, "ledger", "create", "CreditNotes", **told)
    act(stage, "ledger", "create", "CreditNotes", **{**told, "CreditNoteNumber": "CN-LV"})
    invoice = find(stage, "ledger", "Invoices", InvoiceNumber="INV-L")["InvoiceID"]
    told = {"Invoice": {"InvoiceID": invoice}, "Amount": 3, "Date": _DAY}
    act(stage, "ledger", "allocate", "CreditNotes", note["CreditNoteID"], **told)


def _change(stage: Stage) -> None:
    """Both ends of everything are edited, some of it ends, and what is new names what is new."""
    stage.later(timedelta(hours=2))
    _edit(stage)
    _end(stage)


def _edit(stage: Stage) -> None:
    def edit(system: str, module: str, name: str, **values: Any) -> None:
        id_field, label = NAMES[system][module]
        found = find(stage, system, module, **{label: name})
        act(stage, system, "update", module, str(found[id_field]), **values)

    edit("crm", "Accounts", "Crm Co", Phone="7001")
    edit("crm", "Accounts", "Ledger Co", Billing_City="Perth")
    edit("ledger", "Contacts", "Billing Co", Addresses=[{"AddressType": "POBOX", "City": "Hobart"}])
    edit("crm", "Contacts", "ann@crm.test", First_Name="Anna")
    edit("billing", "contactpersons", "bob@bil.test", first_name="Robert")
    edit("crm", "Products", "P-BILL", Unit_Price=13)
    edit("ledger", "Items", "P-CRM", Description="told by accounts")
    book = find(stage, "crm", "Price_Books", Price_Book_Name="Wholesale")
    product = find(stage, "crm", "Products", Product_Code="P-CRM")["id"]
    entries = [
        {"id": row["id"], "list_price": 9 if row["id"] == product else row["list_price"]}
        for row in book["Products"]
    ]
    act(stage, "crm", "update", "Price_Books", book["id"], Products=entries)
    edit("billing", "estimates", "EST-B", reference_number="R-1")
    edit("ledger", "Quotes", "QU-L", Reference="R-2")
    edit("billing", "invoices", "INV-L", reference_number="R-3")
    edit("ledger", "Invoices", "INV-B", Reference="R-4")
    edit("billing", "bills", "B-L", due_date="2031-12-24")
    edit("ledger", "Bills", "B-B", DueDate="2031-12-25")
    edit("ledger", "PurchaseOrders", "PO-B", Reference="R-5")
    note = find(stage, "billing", "creditnotes", creditnote_number="CN-L")
    invoice = find(stage, "billing", "invoices", invoice_number="INV-L")["invoice_id"]
    act(stage, "billing", "apply", "creditnotes", note["creditnote_id"], invoice_id=invoice, amount=2)
    late = act(stage, "billing", "create", "contacts", contact_name="Late Co", contact_type="customer")
    lines = _billing_lines(stage, "P-SHARED")
    told = {"customer_id": late["contact_id"], "date": _DAY, "due_date": _DUE, "line_items": lines}
    act(stage, "billing", "create", "invoices", **told, invoice_number="INV-LATE")


def _end(stage: Stage) -> None:
    """Records end in every module: void, declined, cancelled, archived, deleted."""

    def end(system: str, action: str, module: str, name: str, **values: Any) -> None:
        id_field, label = NAMES[system][module]
        found = find(stage, system, module, **{label: name})
        act(stage, system, action, module, str(found[id_field]), **values)

    end("billing", "void", "invoices", "INV-BV")
    end("ledger", "delete", "Invoices", "INV-LV")
    end("billing", "void", "bills", "B-BV")
    end("ledger", "delete", "Bills", "B-LV")
    end("ledger", "delete", "CreditNotes", "CN-LV")
    end("billing", "mark", "estimates", "QU-L", status="declined")
    end("billing", "mark", "purchaseorders", "PO-L", status="cancelled")
    end("billing", "archive", "contacts", "Leaving Co")
    end("crm", "delete", "Contacts", "ann@sha.test")
    end("billing", "delete", "contactpersons", "bob@sha.test")
    end("crm", "delete", "Price_Books", "Leaving list")


STEPS = (Step("meet", _meet), Step("change", _change))
TRIO_STORY = Scenario("trio", SPEC, SYSTEMS, NAMES, STEPS, carried=2)
