"""Contacts and their persons: customers and vendors in one resource.

Source: Zoho Books API v3, Contacts. A name is unique over customers and vendors alike (code 3062). What a
contact shows as its own e-mail, phone and names is its primary person's; at the top of a body they are passed
over.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_zoho.books.sandbox import fields
from syncline_zoho.books.sandbox.errors import NAME_TAKEN, Refused, gone, invalid, missing
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.lists import ListRules
from syncline_zoho.books.sandbox.wire import (
    ZERO,
    Row,
    choice_of,
    flag_of,
    in_zone,
    number_of,
    object_of,
    rows_of,
    text_of,
)

ADDRESS = {
    "attention": 100,
    "address": 500,
    "street2": 255,
    "city": 100,
    "state": 100,
    "state_code": 100,
    "zip": 50,
    "country": 100,
    "phone": 50,
    "fax": 50,
}
PERSON = {
    "salutation": 25,
    "first_name": 100,
    "last_name": 100,
    "email": 100,
    "phone": 50,
    "mobile": 50,
    "designation": 100,
    "department": 100,
    "skype": 50,
}
TEXTS = {
    "contact_name": 200,
    "company_name": 200,
    "contact_number": 100,
    "website": 200,
    "notes": 2000,
    "payment_terms_label": 100,
    "tax_reg_no": 50,
    "vat_reg_no": 50,
    "gst_no": 50,
}
RULES = ListRules(
    sort="contact_name",
    order="A",
    sorts=frozenset(
        {"contact_name", "first_name", "last_name", "email", "outstanding_receivable_amount", "created_time",
         "last_modified_time"}
    ),
    equals=frozenset(
        {"contact_name", "company_name", "first_name", "last_name", "email", "phone", "contact_type",
         "zcrm_contact_id", "zcrm_account_id", "zcrm_vendor_id"}
    ),
    filters={
        "Status.All": lambda row: True,
        "Status.Active": lambda row: bool(row["status"] == "active"),
        "Status.Inactive": lambda row: bool(row["status"] == "inactive"),
    },
)  # fmt: skip


class Contacts:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # --- writing ----------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any]) -> Row:
        ledger, now = self._ledger, self._ledger.stamp()
        if not str(body.get("contact_name") or "").strip():
            raise missing("contact name")
        row: Row = {
            "contact_id": ledger.new_id(),
            **dict.fromkeys(TEXTS, ""),
            "contact_type": "customer",
            "customer_sub_type": "business",
            "status": "active",
            "currency_id": ledger.about["currency_id"],
            "payment_terms": 0,
            "credit_limit": ZERO,
            "is_taxable": True,
            "tax_id": "",
            "owner_id": "",
            "pricebook_id": "",
            "billing_address": dict.fromkeys(ADDRESS, ""),
            "shipping_address": dict.fromkeys(ADDRESS, ""),
            "contact_persons": [],
            "_custom": {},
            "created_time": now,
        }
        if "contact_type" in body:
            row["contact_type"] = choice_of(body["contact_type"], "contact_type", ("customer", "vendor"))
        if body.get("currency_id"):
            row["currency_id"] = self._known("currencies", body["currency_id"], "currency_id")
        return self._store(row, body, now)

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        return self._store(dict(row), body, self._ledger.stamp())

    def _store(self, row: Row, body: Mapping[str, Any], now: str) -> Row:
        ledger = self._ledger
        for name, limit in TEXTS.items():
            if name in body:
                row[name] = text_of(body, name, limit)
        if not row["contact_name"]:
            raise missing("contact name")
        holder = ledger.holder("contacts", "contact_name", row["contact_name"])
        if holder not in (None, row["contact_id"]):
            raise Refused(
                f'The {row["contact_type"]} "{row["contact_name"]}" already exists.'
                " Please specify a different name.",
                NAME_TAKEN,
            )
        if "customer_sub_type" in body:
            row["customer_sub_type"] = choice_of(
                body["customer_sub_type"], "customer_sub_type", ("business", "individual")
            )
        for name in ("payment_terms", "credit_limit"):
            if name in body:
                row[name] = number_of(body[name], name)
        if "is_taxable" in body:
            row["is_taxable"] = flag_of(body["is_taxable"], "is_taxable")
        for name, kind in (("tax_id", "taxes"), ("owner_id", "users"), ("pricebook_id", "pricebooks")):
            if name in body:
                row[name] = self._known(kind, body[name], name) if body[name] else ""
        for name in ("billing_address", "shipping_address"):
            if name in body:
                given = object_of(body[name], name)
                row[name] = {key: text_of(given, key, limit) for key, limit in ADDRESS.items()}
        if "contact_persons" in body:
            row["contact_persons"] = self._persons(row, rows_of(body["contact_persons"], "contact_persons"))
        if "custom_fields" in body:
            row["_custom"] = fields.take(
                ledger, "contacts", row["contact_id"], row["_custom"], body["custom_fields"]
            )
        row["last_modified_time"] = now
        return ledger.put("contacts", row)

    def _known(self, kind: str, value: Any, name: str) -> str:
        if self._ledger.get(kind, value) is None:
            raise invalid(name)
        return str(value)

    def _persons(self, row: Row, given: list[Mapping[str, Any]]) -> list[Row]:
        """One who is left out is removed."""
        held = {person["contact_person_id"]: person for person in row["contact_persons"]}
        persons = []
        for body in given:
            person_id = str(body.get("contact_person_id") or "")
            if person_id and person_id not in held:
                raise invalid("contact_person_id")
            person: Row = {name: text_of(body, name, limit) for name, limit in PERSON.items()}
            person["contact_person_id"] = person_id or self._ledger.new_id()
            person["is_primary_contact"] = body.get("is_primary_contact") is True
            persons.append(person)
        return _one_primary(persons)

    def activate(self, row: Row, status: str) -> Row:
        return self._ledger.put(
            "contacts", {**row, "status": status, "last_modified_time": self._ledger.stamp()}
        )

    def delete(self, row: Row) -> None:
        if self._has_transactions(row["contact_id"]):
            raise Refused("Contacts that have transactions cannot be deleted. You can mark them as inactive.")
        self._ledger.remove("contacts", row)

    def merge(self, row: Row, into: Row) -> None:
        """In the screens only: the one that is left takes over the transactions, the other is gone."""
        for kind, party in PARTIES.items():
            for document in self._ledger.stores[kind]:
                if document[party] == row["contact_id"]:
                    moved = {
                        **document,
                        party: into["contact_id"],
                        "last_modified_time": self._ledger.stamp(),
                    }
                    self._ledger.put(kind, moved)
        self._ledger.remove("contacts", row)

    def _has_transactions(self, contact: str) -> bool:
        return any(
            document[party] == contact
            for kind, party in PARTIES.items()
            for document in self._ledger.stores[kind]
        )

    # --- persons by themselves --------------------------------------------------------------------

    def create_person(self, body: Mapping[str, Any]) -> tuple[Row, Row]:
        """The contact and the new person."""
        contact = self._ledger.get("contacts", body.get("contact_id"))
        if contact is None:
            raise invalid("contact_id")
        if not str(body.get("first_name") or "").strip():
            raise missing("first name")
        person: Row = {name: text_of(body, name, limit) for name, limit in PERSON.items()}
        person |= {"contact_person_id": self._ledger.new_id(), "is_primary_contact": False}
        return self._with_persons(contact, [*contact["contact_persons"], person]), person

    def update_person(self, person_id: str, body: Mapping[str, Any]) -> tuple[Row, Row]:
        contact, held = self.find_person(person_id)
        person = dict(held)
        for name, limit in PERSON.items():
            if name in body:
                person[name] = text_of(body, name, limit)
        if not person["first_name"]:
            raise missing("first name")
        others = [person if p["contact_person_id"] == person_id else p for p in contact["contact_persons"]]
        return self._with_persons(contact, others), person

    def delete_person(self, person_id: str) -> None:
        contact, _ = self.find_person(person_id)
        left = [p for p in contact["contact_persons"] if p["contact_person_id"] != person_id]
        self._with_persons(contact, left)

    def make_primary(self, person_id: str) -> Row:
        contact, _ = self.find_person(person_id)
        persons = [
            {**p, "is_primary_contact": p["contact_person_id"] == person_id}
            for p in contact["contact_persons"]
        ]
        return self._with_persons(contact, persons)

    def find_person(self, person_id: str) -> tuple[Row, Row]:
        for contact in self._ledger.stores["contacts"]:
            for person in contact["contact_persons"]:
                if person["contact_person_id"] == person_id:
                    return contact, person
        raise gone("Contact person")

    def _with_persons(self, contact: Row, persons: list[Row]) -> Row:
        row = {**contact, "contact_persons": _one_primary(persons)}
        return self._ledger.put("contacts", {**row, "last_modified_time": self._ledger.stamp()})

    # --- showing ----------------------------------------------------------------------------------

    def show(self, row: Row) -> Row:
        ledger = self._ledger
        currency = ledger.get("currencies", row["currency_id"]) or {}
        primary = _primary(row)
        tax = ledger.get("taxes", row["tax_id"]) if row["tax_id"] else None
        zone = ledger.zone
        return {
            **{name: value for name, value in row.items() if not name.startswith("_")},
            "has_transaction": self._has_transactions(row["contact_id"]),
            "currency_code": currency.get("currency_code", ""),
            "currency_symbol": currency.get("currency_symbol", ""),
            "primary_contact_id": primary.get("contact_person_id", ""),
            **{
                name: primary.get(name, "")
                for name in ("first_name", "last_name", "email", "phone", "mobile")
            },
            "tax_name": tax["tax_name"] if tax else "",
            "tax_percentage": tax["tax_percentage"] if tax else "",
            "exchange_rate": "",
            **self._owed(row),
            "is_linked_with_zohocrm": bool(row.get("_zcrm")),
            **{name: (row.get("_zcrm") or {}).get(name, "") for name in _ZCRM},
            **fields.shown(ledger, "contacts", row),
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def show_listed(self, row: Row) -> Row:
        ledger, primary, zone = self._ledger, _primary(row), self._ledger.zone
        currency = ledger.get("currencies", row["currency_id"]) or {}
        return {
            "contact_id": row["contact_id"],
            "contact_name": row["contact_name"],
            "company_name": row["company_name"],
            "contact_type": row["contact_type"],
            "status": row["status"],
            "payment_terms": row["payment_terms"],
            "currency_id": row["currency_id"],
            "currency_code": currency.get("currency_code", ""),
            **{
                name: primary.get(name, "")
                for name in ("first_name", "last_name", "email", "phone", "mobile")
            },
            "created_time": in_zone(row["created_time"], zone),
            "last_modified_time": in_zone(row["last_modified_time"], zone),
        }

    def _owed(self, row: Row) -> Row:
        owed = ZERO
        if row["contact_type"] == "customer":
            for invoice in self._ledger.stores["invoices"]:
                if invoice["customer_id"] == row["contact_id"] and invoice["status"] not in ("draft", "void"):
                    paid = self._ledger.paid_of(invoice["invoice_id"])
                    owed += Decimal(invoice["total"]) - paid - self._ledger.credited_of(invoice["invoice_id"])
        unused = sum(
            (
                Decimal(p["amount"]) - sum((Decimal(i["amount_applied"]) for i in p["invoices"]), ZERO)
                for p in self._ledger.stores["customerpayments"]
                if p["customer_id"] == row["contact_id"]
            ),
            ZERO,
        )
        return {"outstanding_receivable_amount": owed, "unused_credits_receivable_amount": unused}


_ZCRM = ("zcrm_account_id", "zcrm_contact_id", "zcrm_vendor_id")
#: in which field each kind of transaction names its contact
PARTIES = {
    "estimates": "customer_id",
    "salesorders": "customer_id",
    "invoices": "customer_id",
    "creditnotes": "customer_id",
    "customerpayments": "customer_id",
    "bills": "vendor_id",
    "purchaseorders": "vendor_id",
}


def _primary(row: Row) -> Row:
    return next((p for p in row["contact_persons"] if p["is_primary_contact"]), {})


def _one_primary(persons: list[Row]) -> list[Row]:
    """The first that is said to be it, else the first."""
    chosen = next((n for n, p in enumerate(persons) if p["is_primary_contact"]), 0)
    return [{**p, "is_primary_contact": n == chosen} for n, p in enumerate(persons)]
