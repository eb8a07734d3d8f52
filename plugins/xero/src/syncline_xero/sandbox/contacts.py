"""Contacts: what may be stored, how it is matched, and how it is shown.

Sources: Xero API documentation, Contacts; its OpenAPI description 16.1 for names and lengths. Where the
documents are silent the stricter reading is taken: ``null`` means "not sent" and ``""`` clears; a
phone or address is found by its type and the parts that are not sent keep their value.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import ZERO_ID, Invalid, Row, to_text, to_wire

SHAPE = shape(
    "Contact",
    "ContactID ContactNumber AccountNumber ContactStatus Name FirstName LastName CompanyNumber EmailAddress"
    " TaxNumber AccountsReceivableTaxType AccountsPayableTaxType DefaultCurrency IsSupplier IsCustomer"
    " UpdatedDateUTC BankAccountDetails MergedToContactID",
    folded="Name EmailAddress AccountNumber",
    optimised="Name EmailAddress AccountNumber ContactID",
    optimised_order="UpdatedDateUTC ContactID",
)

_TEXTS = {
    "ContactNumber": 50,
    "AccountNumber": 50,
    "Name": 255,
    "FirstName": 255,
    "LastName": 255,
    "CompanyNumber": 50,
    "EmailAddress": 255,
    "BankAccountDetails": 255,
    "TaxNumber": 50,
    "AccountsReceivableTaxType": 50,
    "AccountsPayableTaxType": 50,
    "DefaultCurrency": 3,
    "SalesDefaultAccountCode": 10,
    "PurchasesDefaultAccountCode": 10,
}
_CHOICES = {
    "TaxNumberType": ("SSN", "EIN", "ITIN", "ATIN"),
    "SalesDefaultLineAmountType": ("INCLUSIVE", "EXCLUSIVE", "NONE"),
    "PurchasesDefaultLineAmountType": ("INCLUSIVE", "EXCLUSIVE", "NONE"),
}
_TERM_TYPES = ("DAYSAFTERBILLDATE", "DAYSAFTERBILLMONTH", "OFCURRENTMONTH", "OFFOLLOWINGMONTH")
PHONE_TYPES = ("DDI", "DEFAULT", "FAX", "MOBILE")
ADDRESS_TYPES = ("STREET", "POBOX")
_PHONE_PARTS = {"PhoneNumber": 50, "PhoneAreaCode": 10, "PhoneCountryCode": 20}
_ADDRESS_PARTS = {
    "AddressLine1": 500,
    "AddressLine2": 500,
    "AddressLine3": 500,
    "AddressLine4": 500,
    "City": 255,
    "Region": 255,
    "PostalCode": 50,
    "Country": 50,
    "AttentionTo": 255,
}
_ALWAYS_SHOWN = ("City", "Region", "PostalCode", "Country")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_PERSON_KEYS = ("FirstName", "LastName", "EmailAddress", "IncludeInEmails")

#: what an unpaged list leaves out
_DETAIL = (
    "PaymentTerms",
    "SalesDefaultAccountCode",
    "PurchasesDefaultAccountCode",
    "SalesDefaultLineAmountType",
    "PurchasesDefaultLineAmountType",
    "Balances",
    "BrandingTheme",
    "BatchPayments",
    "Discount",
    "HasAttachments",
    "Website",
    "MergedToContactID",
)
#: what ``summaryOnly`` leaves out
_NOT_SUMMARY = (
    "Addresses",
    "Balances",
    "ContactGroups",
    "ContactPersons",
    "IsCustomer",
    "IsSupplier",
    "SalesDefaultAccountCode",
    "PurchasesDefaultAccountCode",
)


class Contacts:
    """The contacts of one organisation. ``switches``: see the sandbox."""

    def __init__(self, ledger: Ledger, switches: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.rows = ledger.contacts
        self.switches = switches

    # --- finding ----------------------------------------------------------------------------------

    def lookup(self, key: str) -> Row | None:
        """By ContactID or ContactNumber, archived ones included."""
        found = self.rows.get(key)
        if found is None:
            numbered = self.rows.find("number", key)
            found = numbered[0] if numbered else None
        return found

    def match(self, element: Mapping[str, Any]) -> Row | None:
        """The contact that a POST element means: ContactID, then ContactNumber, then Name."""
        given = element.get("ContactID")
        if given and str(given) != ZERO_ID:
            found = self.rows.get(str(given))
            if found is None:
                raise Invalid("The ContactID could not be found", echo=element)
            return found
        if element.get("ContactNumber"):
            numbered = self.rows.find("number", str(element["ContactNumber"]))
            if numbered:
                return numbered[0]
        if element.get("Name"):
            named = self.rows.find("name", str(element["Name"]).casefold())
            if named:
                return named[0]
        return None

    # --- storing ----------------------------------------------------------------------------------

    def create(self, element: Mapping[str, Any]) -> Row:
        record_id = str(element.get("ContactID") or "")
        if record_id and record_id != ZERO_ID and self.rows.get(record_id):
            raise Invalid(f"The contact {record_id} already exists", echo=element)
        if not (element.get("Name") or "").strip():
            raise Invalid(
                "The Contact must contain at least 1 of the following elements to identify the contact: "
                "Name, ContactID, ContactNumber",
                echo=element,
            )
        fresh: Row = {
            "ContactID": str(uuid.uuid4()),
            "ContactStatus": "ACTIVE",
            "Phones": [
                {"PhoneType": kind, "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""}
                for kind in PHONE_TYPES
            ],
            "Addresses": [
                {"AddressType": kind, **dict.fromkeys(_ALWAYS_SHOWN, "")} for kind in ADDRESS_TYPES
            ],
            "ContactPersons": [],
        }
        return self._store(self._merged(fresh, element), None)

    def update(self, row: Row, element: Mapping[str, Any]) -> Row:
        return self._store(self._merged(row, element), row)

    def upsert(self, element: Mapping[str, Any]) -> Row:
        row = self.match(element)
        return self.create(element) if row is None else self.update(row, element)

    def merge_into(self, row: Row, target: Row) -> Row:
        """What a person's "merge contacts" does: the documents move, the source is archived."""
        ledger = self.ledger
        for rows in (ledger.invoices, ledger.credit_notes, ledger.quotes, ledger.purchase_orders):
            for document in rows.find("contact", row["ContactID"]):
                rows.put(
                    {
                        **document,
                        "Contact": {"ContactID": target["ContactID"]},
                        "UpdatedDateUTC": ledger.next_stamp(document["UpdatedDateUTC"]),
                    }
                )
        return self._store(
            {**row, "ContactStatus": "ARCHIVED", "MergedToContactID": target["ContactID"]}, row
        )

    def _store(self, row: Row, old: Row | None) -> Row:
        if old is not None and row == old and not self.switches["noop_moves_updated"]:
            return old
        stamp = self.ledger.next_stamp(old["UpdatedDateUTC"] if old else None)
        row = {**row, "UpdatedDateUTC": stamp, "_name": row["Name"].casefold()}
        row.setdefault("_created", stamp)
        self.rows.put(row)
        return row

    # --- checking ---------------------------------------------------------------------------------

    def _merged(self, old: Row, element: Mapping[str, Any]) -> Row:
        """``old`` with what the element says; raises Invalid with every message."""
        row, faults = dict(old), list[str]()
        for name, limit in _TEXTS.items():
            value = element.get(name)
            if value is None:
                continue
            text = to_text(value)
            if len(text) > limit:
                faults.append(f"The {name} field exceeds the maximum length of {limit} characters.")
            if text:
                row[name] = text
            else:
                row.pop(name, None)
        for name, choices in _CHOICES.items():
            if element.get(name):
                if element[name] not in choices:
                    faults.append(f"{name} is not valid.")
                row[name] = element[name]
        status = element.get("ContactStatus")
        if status is not None:
            if status not in ("ACTIVE", "ARCHIVED"):
                faults.append("ContactStatus is not valid.")
            row["ContactStatus"] = status
        self._check_name(row, faults)
        self._check_keys(row, faults)
        self._check_references(row, element, faults)
        if element.get("Phones") is not None:
            row["Phones"] = _by_type(
                row["Phones"], element["Phones"], "PhoneType", PHONE_TYPES, _PHONE_PARTS, faults
            )
        if element.get("Addresses") is not None:
            row["Addresses"] = _by_type(
                row["Addresses"], element["Addresses"], "AddressType", ADDRESS_TYPES, _ADDRESS_PARTS, faults
            )
            if any(re.search(r"\d", a.get("Country", "")) for a in row["Addresses"]):
                faults.append("Country names may hold letters only.")
        if element.get("ContactPersons") is not None:
            row["ContactPersons"] = _persons(element["ContactPersons"], faults)
        if element.get("PaymentTerms") is not None:
            row["PaymentTerms"] = _terms(row.get("PaymentTerms") or {}, element["PaymentTerms"], faults)
            if not row["PaymentTerms"]:
                del row["PaymentTerms"]
        if faults:
            raise Invalid(
                *faults, echo={**_echo(element), "ContactID": old.get("UpdatedDateUTC") and old["ContactID"]}
            )
        return row

    def _check_name(self, row: Row, faults: list[str]) -> None:
        name = row.get("Name", "")
        if self.switches["rewrite"]:
            name = row["Name"] = " ".join(name.split()).upper()
        if self.switches["cut"]:
            name = row["Name"] = name[: self.switches["cut"]].rstrip()
        if not name:
            faults.append("The contact name must be supplied.")
        elif "<" in name or ">" in name:
            faults.append("The contact name cannot contain the characters < or >.")
        elif name != " ".join(name.split()):
            faults.append("The contact name cannot have leading, trailing or repeated spaces.")
        email = row.get("EmailAddress")
        if email and not _EMAIL.fullmatch(email):
            faults.append("Email address must be valid.")

    def _check_keys(self, row: Row, faults: list[str]) -> None:
        def taken(index: str, key: Any) -> bool:
            return any(r["ContactID"] != row["ContactID"] for r in self.rows.find(index, key))

        name = row.get("Name", "")
        if row["ContactStatus"] == "ACTIVE" and taken("name", name.casefold()):
            faults.append(
                f"The contact name {name} is already assigned to another contact. "
                "The contact name must be unique across all active contacts."
            )
        number = row.get("ContactNumber")
        if number and taken("number", number):
            faults.append(
                f"The contact number {number} is already assigned to another contact. "
                "The contact number must be unique across all contacts."
            )
        account = row.get("AccountNumber")
        if account and taken("account", account):
            faults.append(
                f"The account number {account} is already assigned to another contact. "
                "The account number must be unique across all contacts."
            )

    def _check_references(self, row: Row, element: Mapping[str, Any], faults: list[str]) -> None:
        currency = row.get("DefaultCurrency")
        if element.get("DefaultCurrency") and currency and self.ledger.currencies.get(currency) is None:
            faults.append(f"Organisation is not subscribed to currency {currency}")
        for name in ("AccountsReceivableTaxType", "AccountsPayableTaxType"):
            if element.get(name) and self.ledger.tax_rates.get(row[name]) is None:
                faults.append(f"The TaxType code '{row[name]}' does not exist.")
        for name in ("SalesDefaultAccountCode", "PurchasesDefaultAccountCode"):
            if element.get(name) and not self.ledger.accounts.find("code", row[name]):
                faults.append(f"Account code '{row[name]}' is not a valid code for this document.")

    # --- showing ----------------------------------------------------------------------------------

    def derived(self, row: Row) -> Row:
        """The stored row with what documents make of it: IsCustomer, IsSupplier and Balances (base currency).

        These change without the contact's UpdatedDateUTC moving, as the documents say.
        """
        sums = {"ACCREC": [Decimal(0), Decimal(0)], "ACCPAY": [Decimal(0), Decimal(0)]}
        kinds = set()
        today = self.ledger.clock.now().date().isoformat()
        for invoice in self.ledger.invoices.find("contact", row["ContactID"]):
            if invoice["Status"] == "DELETED":
                continue
            kinds.add(invoice["Type"])
            due = invoice["AmountDue"]
            if due and invoice["Status"] == "AUTHORISED":
                amount = (due / invoice["CurrencyRate"]).quantize(Decimal("0.01"))
                sums[invoice["Type"]][0] += amount
                if (invoice.get("DueDate") or today) < today:
                    sums[invoice["Type"]][1] += amount
        for note in self.ledger.credit_notes.find("contact", row["ContactID"]):
            if note["Status"] == "DELETED":
                continue
            kind = note["Type"].removesuffix("CREDIT")
            kinds.add(kind)
            if note["RemainingCredit"] and note["Status"] == "AUTHORISED":
                sums[kind][0] -= (note["RemainingCredit"] / note["CurrencyRate"]).quantize(Decimal("0.01"))
        out = {**row, "IsCustomer": "ACCREC" in kinds, "IsSupplier": "ACCPAY" in kinds}
        if any(total for total, _ in sums.values()):
            out["Balances"] = {
                name: {"Outstanding": sums[kind][0], "Overdue": sums[kind][1]}
                for name, kind in (("AccountsReceivable", "ACCREC"), ("AccountsPayable", "ACCPAY"))
            }
        return out

    def full(self, row: Row) -> Row:
        """Every field, plain values."""
        out = {k: v for k, v in self.derived(row).items() if k[0] != "_"}
        out.setdefault("BankAccountDetails", "")
        return {**out, "ContactGroups": [], "HasAttachments": False, "HasValidationErrors": False}

    def show(self, row: Row, *, paged: bool = True, summary: bool = False) -> Row:
        """As the API writes it; ``paged``: with the detail that an unpaged list leaves out."""
        out = self.full(row)
        if not paged:
            for name in _DETAIL:
                out.pop(name, None)
            out["ContactPersons"] = []
        if summary:
            for name in _NOT_SUMMARY:
                out.pop(name, None)
        wired: Row = to_wire(out)
        return wired


def _echo(element: Mapping[str, Any]) -> Row:
    return {k: v for k, v in element.items() if v is not None}


def _by_type(
    held: list[Row],
    given: Any,
    key: str,
    kinds: tuple[str, ...],
    parts: Mapping[str, int],
    faults: list[str],
) -> list[Row]:
    """The entries of a list that has one entry a type; the parts that are not sent keep their value."""
    entries = {entry[key]: dict(entry) for entry in held}
    for change in given if isinstance(given, list) else []:
        kind = change.get(key)
        if kind not in kinds:
            faults.append(f"{key} '{kind}' is not valid.")
            continue
        for name, limit in parts.items():
            if change.get(name) is None:
                continue
            text = to_text(change[name])
            if len(text) > limit:
                faults.append(f"The {name} field exceeds the maximum length of {limit} characters.")
            entries[kind][name] = text
    return [entries[kind] for kind in kinds]


def _persons(given: Any, faults: list[str]) -> list[Row]:
    """The whole list anew: persons have no ids."""
    people = []
    for person in given if isinstance(given, list) else []:
        kept = {k: person[k] for k in _PERSON_KEYS if person.get(k) is not None}
        kept.setdefault("IncludeInEmails", False)
        if kept.get("EmailAddress") and not _EMAIL.fullmatch(kept["EmailAddress"]):
            faults.append("Email address must be valid.")
        people.append(kept)
    if len(people) > 5:
        faults.append("A contact can have at most 5 contact persons.")
    return people


def _terms(held: Row, given: Any, faults: list[str]) -> Row:
    terms = dict(held)
    for side in ("Bills", "Sales"):
        term = given.get(side) if isinstance(given, dict) else None
        if term is None:
            continue
        if not term or term.get("Day") == "":
            terms.pop(side, None)
            continue
        day, kind = term.get("Day"), term.get("Type")
        if isinstance(day, bool) or not isinstance(day, int) or not 0 <= day <= 31:
            faults.append("Payment terms day must be between 0 and 31.")
        if kind not in _TERM_TYPES:
            faults.append("Payment terms type is not valid.")
        terms[side] = {"Day": day, "Type": kind}
    return terms
