"""Three systems under one spec: what sales, billing and the accountants know of one business.

The two ledgers are kept in step by the shipped base spec. The CRM has customers with their people, products,
price lists and a module of its own, and shares them with the billing alone: an edit of the CRM reaches the
accountants through the billing, since two modules share that end.
"""

from __future__ import annotations

from typing import Any

from tests.support.stage import Stage

SYSTEMS = {"crm": "zoho-crm", "billing": "zoho-books", "ledger": "xero"}

SPEC = """
spec: 1
name: trio
extends: xero-zoho-books
systems:
  crm:
    connector: zoho-crm
    base_url: ${env:ZOHO_CRM_BASE_URL}
    client_id: ${env:ZOHO_CRM_CLIENT_ID}
    client_secret: ${env:ZOHO_CRM_CLIENT_SECRET}
    modules: {Payments: {}}
    fields:
      Payments:
        Amount: {type: decimal}
        Account_Name: {type: reference}
  ledger:
    base_url: ${env:XERO_BASE_URL}
    client_id: ${env:XERO_CLIENT_ID}
    client_secret: ${env:XERO_CLIENT_SECRET}
  billing:
    base_url: ${env:ZOHO_BOOKS_BASE_URL}
    client_id: ${env:ZOHO_BOOKS_CLIENT_ID}
    client_secret: ${env:ZOHO_BOOKS_CLIENT_SECRET}
modules:
  companies: {owner: billing, limits: {deletes: none}}
  # Who is a supplier follows from bills, without a word of the contact itself: here the name tells as well.
  vendors:
    where: {ledger: "{{ record.IsSupplier or 'Mill' in record.Name }}"}
    limits: {deletes: none}
  people: {owner: billing, limits: {deletes: none}}
  products: {owner: billing}
  invoices: {limits: {deletes: none}}
  bills: {limits: {deletes: none}}
  purchase_orders: {limits: {deletes: none}}
  credit_notes: {limits: {deletes: none}}
  accounts:
    between: {crm: Accounts, billing: contacts}
    where: {billing: "{{ record.contact_type == 'customer' }}"}
    match: [{crm: "Account_Name | fold", billing: "contact_name | fold"}]
    owner: billing
    fields:
      name: {crm: Account_Name, billing: contact_name}
      kind: {billing: contact_type, direction: "crm -> billing", to: {billing: "customer"}}
      phone: {crm: Phone, billing: phone}
      city: {crm: Billing_City, billing: billing_address.city}
    deletes: {crm: ignore, billing: archive}
    limits: {deletes: none}
  staff:
    between: {crm: Contacts, billing: contactpersons}
    where: {billing: "{{ not record.is_primary_contact and record.contact_type != 'vendor' }}"}
    match: [{crm: Email, billing: email, agree: [company]}]
    owner: billing
    fields:
      company: {crm: Account_Name, billing: contact_id, ref: accounts}
      first_name: {crm: First_Name, billing: first_name}
      last_name: {crm: Last_Name, billing: last_name}
      email: {crm: Email, billing: email}
    deletes: {crm: delete, billing: delete}
    limits: {deletes: none}
  goods:
    between: {crm: Products, billing: items}
    match: [{crm: "Product_Code | alnum", billing: "sku | alnum"}]
    owner: billing
    fields:
      code: {crm: Product_Code, billing: sku}
      name: {crm: Product_Name, billing: name}
      price: {crm: Unit_Price, billing: rate}
  price_lists:
    between: {crm: Price_Books, billing: pricebooks}
    match: [{crm: "Price_Book_Name | fold", billing: "name | fold"}]
    conflicts: {prefer: crm}
    fields:
      name: {crm: Price_Book_Name, billing: name}
      kind: {billing: pricebook_type, direction: "crm -> billing", to: {billing: "per_item"}}
      ranges:
        crm: Pricing_Details
        direction: "billing -> crm"
        to: {crm: "{{ [{'from_range': 1, 'to_range': 1000, 'discount': 0}] }}"}
      entries:
        crm: Products
        billing: pricebook_items
        each:
          item: {crm: Product_Name, billing: item_id, ref: goods}
          price: {crm: list_price, billing: pricebook_rate}
    deletes: {crm: delete, billing: archive}
    limits: {deletes: none}
  receipts:
    between: {crm: Payments, billing: customerpayments}
    direction: "billing -> crm"
    match: [{crm: Name, billing: payment_number}]
    fields:
      name: {crm: Name, billing: payment_number}
      amount: {crm: Amount, billing: amount}
      customer: {crm: Account_Name, billing: customer_id, ref: accounts}
    deletes: {crm: delete, billing: ignore}
    limits: {deletes: none}
"""


def act(stage: Stage, system: str, action: str, module: str, record: str | None = None, **values: Any) -> Any:
    """What a person does in a system's own screens."""
    return stage.systems[system].act(action, module, record, values)


def find(stage: Stage, system: str, module: str, **wanted: Any) -> dict[str, Any]:
    """The one record that is not deleted and has these values."""
    rows = [
        row
        for row in stage.systems[system].records(module)
        if row.get("$state", "live") != "deleted" and all(row.get(k) == v for k, v in wanted.items())
    ]
    assert len(rows) == 1, f"{len(rows)} records of {system}.{module} have {wanted}"
    return rows[0]
