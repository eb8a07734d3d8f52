"""Two ledgers of one business on a stage: people bill in Zoho Books, and close the books in Xero."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.stage import Stage, extending
from tests.support.trio import act, find

SYSTEMS = {"billing": "zoho-books", "ledger": "xero"}
SPEC = extending("xero-zoho-books", SYSTEMS, name="ledgers")
#: Options of a stage with both.
LEDGERS: Mapping[str, Any] = {"spec": SPEC, "systems": SYSTEMS, "patient": False}
#: The modules of the base spec; price lists are off unless somebody names one.
MODULES = (
    "companies", "vendors", "people", "products", "quotes", "invoices", "bills", "purchase_orders",
    "credit_notes", "payments", "shared_payments",
)  # fmt: skip
DAY, DUE = "2026-06-10", "2099-06-24"


def ledgers_of(*modules: str, **rules: Mapping[str, Any]) -> dict[str, Any]:
    """The same with these modules alone, since each one costs two reads a pass; ``rules``: by module, what is
    laid over it."""
    told = {name: {"enabled": name in modules, **rules.get(name, {})} for name in MODULES}
    return {**LEDGERS, "spec": f"{SPEC}\nmodules: {json.dumps(told)}\n"}


def ledger_document(stage: Stage, module: str, number: str, **values: Any) -> str:
    """A document of Xero, of the customer or supplier Harbour Bakery. Returns its id."""
    parties = [row for row in stage.systems["ledger"].records("Contacts") if row["Name"] == "Harbour Bakery"]
    party = parties[0] if parties else act(stage, "ledger", "create", "Contacts", Name="Harbour Bakery")
    buys = module in ("Bills", "PurchaseOrders")
    account, tax = ("310", "INPUT") if buys else ("200", "OUTPUT")
    line = {"Description": "Bread", "Quantity": 2, "UnitAmount": 50, "AccountCode": account, "TaxType": tax}
    name = {"Invoices": "Invoice", "Bills": "Invoice"}.get(module, module[:-1])
    told = {"Contact": {"ContactID": party["ContactID"]}, "Date": DAY, "LineItems": [line], **values}
    made = act(stage, "ledger", "create", module, **{f"{name}Number": number, **told})
    return str(made[f"{name}ID"])


def billed(stage: Stage, number: str) -> dict[str, Any]:
    """The invoice of Zoho Books with a number."""
    return find(stage, "billing", "invoices", invoice_number=number)
