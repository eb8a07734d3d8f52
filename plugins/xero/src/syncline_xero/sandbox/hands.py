"""A person's hands in one organisation: looking at records past the API, and doing what its screens allow.

Sales invoices and bills are two modules here, as are credit notes of customers and of suppliers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline_xero.sandbox.documents import Documents
from syncline_xero.sandbox.ledger import Collection
from syncline_xero.sandbox.organisation import Organisation
from syncline_xero.sandbox.reference import change_setting
from syncline_xero.sandbox.wire import Invalid, Row
from syncline_xero.zones import iana_zone

#: the modules that share a collection, told apart by their type
_TYPES = {
    "Invoices": "ACCREC",
    "Bills": "ACCPAY",
    "CreditNotes": "ACCRECCREDIT",
    "SupplierCredits": "ACCPAYCREDIT",
}


class Hands:
    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.ledger = organisation.ledger

    def records(self, module: str) -> list[dict[str, Any]]:
        """Rows in full, days as ``YYYY-MM-DD`` and instants as ISO text; KeyError for an unknown module."""
        if module == "Organisation":
            return [_public(self.ledger.organisation)]
        documents = self._documents(module)
        if documents is not None:
            kind = _TYPES.get(module)
            rows = [row for row in documents.rows.table if kind is None or row["Type"] == kind]
            return [documents.full(row) for row in rows]
        o, ledger = self.organisation, self.ledger
        full: dict[str, tuple[Collection, Callable[[Row], Row]]] = {
            "Contacts": (ledger.contacts, o.contacts.full),
            "Items": (ledger.items, o.items.full),
            "Payments": (ledger.payments, o.payments.full),
            "Accounts": (ledger.accounts, _public),
            "TaxRates": (ledger.tax_rates, _public),
            "Currencies": (ledger.currencies, _public),
            "BrandingThemes": (ledger.themes, _public),
            "TrackingCategories": (ledger.tracking, _public),
            "Users": (ledger.users, _public),
        }
        collection, show = full[module]
        return [show(row) for row in collection.table]

    def act(self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]) -> Row:
        """Raises KeyError for what does not exist, ValueError for what a person may not do."""
        try:
            with self.ledger.all_or_nothing():
                return self._acted(action, module, record_id or "", values)
        except Invalid as fault:
            raise ValueError("; ".join(fault.messages)) from fault

    def _acted(self, action: str, module: str, record_id: str, values: Mapping[str, Any]) -> Row:
        o = self.organisation
        if module == "Organisation" and action == "update":
            zone = {"_zone": iana_zone(values["Timezone"])} if "Timezone" in values else {}
            self.ledger.save_organisation({**self.ledger.organisation, **values, **zone})
            return _public(self.ledger.organisation)
        if module in ("Currencies", "TaxRates") and action in ("create", "update", "delete"):
            return _public(change_setting(self.ledger, module, action, record_id, values))
        if module == "Contacts":
            return o.contacts.full(self._act_contact(action, record_id, values))
        if module == "Items":
            return o.items.full(self._act_item(action, record_id, values))
        if module == "Payments":
            return o.payments.full(self._act_payment(action, record_id, values))
        documents = self._documents(module)
        if documents is not None:
            row = self._act_document(documents, action, module, record_id, values)
            return documents.full(documents.rows.table.get(row[documents.sort.id_field]) or row)
        raise KeyError(f"{action} {module}")

    def _documents(self, module: str) -> Documents | None:
        o = self.organisation
        return {
            "Invoices": o.invoices,
            "Bills": o.invoices,
            "CreditNotes": o.credit_notes,
            "SupplierCredits": o.credit_notes,
            "Quotes": o.quotes,
            "PurchaseOrders": o.purchase_orders,
        }.get(module)

    def _act_contact(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        contacts = self.organisation.contacts
        if action == "create":
            return contacts.create(values)
        row = _need(self.ledger.contacts, record_id)
        if action == "update":
            return contacts.update(row, values)
        if action in ("archive", "restore"):
            status = "ARCHIVED" if action == "archive" else "ACTIVE"
            return contacts.update(row, {"ContactStatus": status})
        if action == "merge":
            return contacts.merge_into(row, _need(self.ledger.contacts, str(values["into"])))
        if action == "delete":
            raise ValueError("A contact cannot be deleted, only archived.")
        raise KeyError(action)

    def _act_item(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        items = self.organisation.items
        if action == "create":
            return items.create(values, places=4)
        row = _need(self.ledger.items, record_id)
        if action == "update":
            return items.update(row, values, places=4)
        if action == "delete":
            items.delete(row)
            return row
        raise KeyError(action)

    def _act_payment(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        payments = self.organisation.payments
        if action == "create":
            return payments.create(values)
        row = _need(self.ledger.payments, record_id)
        if action == "delete":
            return payments.delete(row)
        if action in ("reconcile", "batch"):
            return payments.reconcile(row, batch=action == "batch")
        raise KeyError(action)

    def _act_document(
        self, documents: Documents, action: str, module: str, record_id: str, values: Mapping[str, Any]
    ) -> Row:
        kind = {"Type": _TYPES[module]} if module in _TYPES else {}
        if action == "create":
            return documents.create({**kind, **values}, places=4).row
        row = _need(documents.rows, record_id)
        #: a quote is changed in one breath with its contact and day, as its screen does
        whole = {"Contact": row["Contact"], "Date": row["Date"]} if module == "Quotes" else {}
        if action == "update":
            return documents.update(row, {**whole, **values}, places=4).row
        if action == "delete":
            ledger_document = module in _TYPES and row["Status"] not in ("DRAFT", "SUBMITTED")
            status = "VOIDED" if ledger_document else "DELETED"
            return documents.update(row, {**whole, "Status": status}, places=4).row
        if action == "pay" and module in _TYPES:
            noun = "Invoice" if module in ("Invoices", "Bills") else "CreditNote"
            due = row["AmountDue"] if noun == "Invoice" else row["RemainingCredit"]
            paid = {noun: {f"{noun}ID": row[f"{noun}ID"]}}
            self.organisation.payments.create({"Account": {"Code": "090"}, "Amount": due, **values, **paid})
            return row
        if action == "allocate" and module in ("CreditNotes", "SupplierCredits"):
            self.organisation.credit_notes.allocate(row["CreditNoteID"], values)
            return row
        if action == "release" and module in ("CreditNotes", "SupplierCredits"):
            self.organisation.credit_notes.release(row["CreditNoteID"], str(values["AllocationID"]))
            return row
        raise KeyError(action)


def _public(row: Row) -> Row:
    return {k: v for k, v in row.items() if k[0] != "_"}


def _need(rows: Collection, record_id: str) -> Row:
    row = rows.get(record_id)
    if row is None:
        raise KeyError(record_id)
    return row
