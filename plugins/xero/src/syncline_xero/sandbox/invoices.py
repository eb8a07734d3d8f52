"""Invoices and bills: states, lines, totals, and what a payment leaves editable.

Sources: Xero API documentation, Invoices (status codes, "Editing paid and part paid invoices") and its
OpenAPI description 16.1. Undocumented and chosen here: a number may be used again once its invoice is
DELETED, not once it is VOIDED.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.lines import Findings, LineRules, merge_lines, refreshed, totals
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import (
    CENT,
    ZERO_ID,
    Invalid,
    Row,
    money,
    to_day,
    to_decimal,
    to_text,
    to_wire,
)

SHAPE = shape(
    "Invoice",
    "InvoiceID Type InvoiceNumber Reference Status Date DueDate LineAmountTypes CurrencyCode CurrencyRate"
    " SubTotal TotalTax Total AmountDue AmountPaid AmountCredited SentToContact ExpectedPaymentDate"
    " PlannedPaymentDate FullyPaidOnDate UpdatedDateUTC BrandingThemeID Url"
    " Contact.ContactID Contact.Name Contact.ContactNumber",
    folded="Contact.Name",
    optimised="Status Type Contact.ContactID Contact.Name Contact.ContactNumber Reference InvoiceNumber"
    " InvoiceID AmountPaid Date DueDate AmountDue",
    optimised_order="UpdatedDateUTC InvoiceID Date",
)

_DAYS = ("Date", "DueDate", "ExpectedPaymentDate", "PlannedPaymentDate")
_TEXTS = {"InvoiceNumber": 255, "Reference": 255, "Url": 2000, "BrandingThemeID": 36}
_AMOUNTS = ("Exclusive", "Inclusive", "NoTax")
_MOVES = {
    "DRAFT": {"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"},
    "SUBMITTED": {"SUBMITTED", "DRAFT", "AUTHORISED", "DELETED"},
    "AUTHORISED": {"AUTHORISED", "VOIDED"},
    "PAID": {"PAID"},
    "VOIDED": set[str](),
    "DELETED": set[str](),
}
BAD_STATUS = "Invoice not of valid status for modification"
HAS_PAYMENT = "This document cannot be edited as it has a payment or credit note allocated to it."
_STILL_EDITABLE = {
    "Reference",
    "DueDate",
    "InvoiceNumber",
    "BrandingThemeID",
    "Contact",
    "Url",
    "PlannedPaymentDate",
    "SentToContact",
}
_LINE_STILL_EDITABLE = {"Description", "AccountCode", "Tracking"}
#: on a part-paid document these change without UpdatedDateUTC moving (documented by Xero)
_SILENT_WHEN_PART_PAID = {"DueDate", "SentToContact"}


@dataclass(frozen=True, slots=True)
class Stored:
    row: Row
    warnings: tuple[str, ...] = ()


class Invoices:
    def __init__(self, ledger: Ledger, contacts: Contacts, switches: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.contacts = contacts
        self.rows = ledger.invoices
        self.switches = switches

    # --- finding ----------------------------------------------------------------------------------

    def lookup(self, key: str) -> Row | None:
        """By InvoiceID or InvoiceNumber (the sales invoice of that number first)."""
        found = self.rows.get(key)
        if found is not None:
            return found
        for kind in ("ACCREC", "ACCPAY"):
            numbered = self.rows.find("number", (kind, key.casefold()))
            if numbered:
                return numbered[0]
        return None

    def match(self, element: Mapping[str, Any]) -> Row | None:
        """The invoice that a POST element means: InvoiceID, then InvoiceNumber for ACCREC."""
        given = element.get("InvoiceID")
        if given and str(given) != ZERO_ID:
            found = self.rows.get(str(given))
            if found is None:
                raise Invalid("The InvoiceID could not be found", echo=element)
            return found
        number = element.get("InvoiceNumber")
        if number and element.get("Type", "ACCREC") == "ACCREC":
            numbered = self.rows.find("number", ("ACCREC", str(number).casefold()))
            if numbered:
                return numbered[-1]
        return None

    # --- storing ----------------------------------------------------------------------------------

    def create(self, element: Mapping[str, Any], *, places: int) -> Stored:
        kind = element.get("Type")
        if kind not in ("ACCREC", "ACCPAY"):
            raise Invalid("Invoice type is not valid", echo=element)
        if element.get("Contact") is None:
            raise Invalid("A Contact must be specified for this type of transaction", echo=element)
        fresh: Row = {
            "InvoiceID": str(uuid.uuid4()),
            "Type": kind,
            "Date": self._today(),
            "LineAmountTypes": "Exclusive",
            "Status": "DRAFT",
            "CurrencyCode": self.ledger.base_currency,
            "LineItems": [],
            "AmountPaid": Decimal("0.00"),
            "AmountCredited": Decimal("0.00"),
            "SentToContact": False,
        }
        status = element.get("Status") or "DRAFT"
        if status not in ("DRAFT", "SUBMITTED", "AUTHORISED"):
            raise Invalid("Invoice status is not valid for a new invoice", echo=element)
        row, findings = self._merged(fresh, element, places)
        if kind == "ACCREC" and not row.get("InvoiceNumber"):
            row["InvoiceNumber"] = self._next_number()
        self._refuse(findings, element)
        return Stored(self._store(row, None), tuple(findings.warnings))

    def update(self, row: Row, element: Mapping[str, Any], *, places: int) -> Stored:
        wanted = element.get("Status") or row["Status"]
        echo = {**element, "InvoiceID": row["InvoiceID"]}
        if wanted not in _MOVES[row["Status"]]:
            raise Invalid(BAD_STATUS, echo=echo)
        if element.get("Type") not in (None, row["Type"]):
            raise Invalid("The type of an invoice cannot be changed", echo=echo)
        if wanted in ("DELETED", "VOIDED"):
            if row["AmountPaid"] or row["AmountCredited"]:
                raise Invalid(HAS_PAYMENT, echo=echo)
            self._refuse(Findings(faults=self._locked(row, row)), echo)
            return Stored(self._store({**row, "Status": wanted, "AmountDue": Decimal("0.00")}, row))
        new, findings = self._merged(row, element, places)
        if row["AmountPaid"] or row["AmountCredited"]:
            findings.faults += _forbidden(row, new)
        if _changed(row, new):
            findings.faults += self._locked(row, new)
        self._refuse(findings, echo)
        return Stored(self._store(new, row), tuple(findings.warnings))

    def upsert(self, element: Mapping[str, Any], *, places: int) -> Stored:
        row = self.match(element)
        return (
            self.create(element, places=places) if row is None else self.update(row, element, places=places)
        )

    def settle_payments(self, invoice_id: str) -> None:
        """Bring AmountPaid, AmountDue and Status in line with the live payments."""
        row = self.rows.table.get(invoice_id)
        if row is None:
            return
        live = [p for p in self.ledger.payments.find("invoice", invoice_id) if p["Status"] == "AUTHORISED"]
        paid = sum((p["Amount"] for p in live), Decimal("0.00"))
        new = {**row, "AmountPaid": paid, "AmountDue": row["Total"] - paid - row["AmountCredited"]}
        new.pop("FullyPaidOnDate", None)
        new["Status"] = "AUTHORISED"
        if live and not new["AmountDue"]:
            new["Status"] = "PAID"
            new["FullyPaidOnDate"] = max(p["Date"] for p in live)
        self._store(new, row)

    def _store(self, row: Row, old: Row | None) -> Row:
        if old is not None:
            changed = _changed(old, row)
            if not changed and not self.switches["noop_moves_updated"]:
                return old
            if changed and changed <= _SILENT_WHEN_PART_PAID and old["AmountPaid"]:
                self.rows.put(row)
                return row
        stamp = self.ledger.next_stamp(old["UpdatedDateUTC"] if old else None)
        row = {**row, "UpdatedDateUTC": stamp}
        row.setdefault("_created", stamp)
        self.rows.put(row)
        return row

    def _refuse(self, findings: Findings, element: Mapping[str, Any]) -> None:
        if findings.faults:
            unique = list(dict.fromkeys(findings.faults))
            raise Invalid(*unique, echo={k: v for k, v in element.items() if v is not None})

    def _today(self) -> str:
        zone = ZoneInfo(self.ledger.organisation["_zone"])
        return datetime.fromtimestamp(self.ledger.clock.timestamp(), zone).date().isoformat()

    def _next_number(self) -> str:
        about = dict(self.ledger.organisation)
        number = about["_next_invoice"]
        while self.rows.find("number", ("ACCREC", f"inv-{number:04d}")):
            number += 1
        about["_next_invoice"] = number + 1
        self.ledger.save_organisation(about)
        return f"INV-{number:04d}"

    # --- checking ---------------------------------------------------------------------------------

    def _merged(self, old: Row, element: Mapping[str, Any], places: int) -> tuple[Row, Findings]:
        row, findings = dict(old), Findings()
        given = {k: v for k, v in element.items() if v is not None}
        for name, limit in _TEXTS.items():
            if name not in given:
                continue
            text = to_text(given[name])
            if len(text) > limit:
                findings.faults.append(f"The {name} field exceeds the maximum length of {limit} characters.")
            if text:
                row[name] = text
            else:
                row.pop(name, None)
        for name in _DAYS:
            if given.get(name) == "":
                row.pop(name, None)
            elif name in given:
                row[name] = to_day(given[name], name)
        if "Status" in given:
            row["Status"] = given["Status"]
        if "SentToContact" in given:
            row["SentToContact"] = bool(given["SentToContact"])
        if "LineAmountTypes" in given:
            row["LineAmountTypes"] = given["LineAmountTypes"]
        self._check_header(row, given, findings)
        if "Contact" in given:
            row["Contact"] = {"ContactID": self._contact(given["Contact"], findings)}
        self._set_currency(row, given, findings)
        rules = LineRules(
            sales=row["Type"] == "ACCREC",
            amounts=row["LineAmountTypes"],
            posting=row["Status"] == "AUTHORISED",
            places=places,
        )
        if "LineItems" in given:
            row["LineItems"] = merge_lines(self.ledger, row["LineItems"], given["LineItems"], rules, findings)
            row.update(totals(row["LineItems"], row["LineAmountTypes"]))
        elif rules.amounts != old["LineAmountTypes"] or row["Status"] != old["Status"] or "Total" not in row:
            row["LineItems"] = refreshed(self.ledger, row["LineItems"], rules, findings)
            row.update(totals(row["LineItems"], row["LineAmountTypes"]))
        if row["Status"] in ("SUBMITTED", "AUTHORISED") and not row["LineItems"]:
            findings.faults.append("One or more line items must be specified")
        row["AmountDue"] = row["Total"] - row["AmountPaid"] - row["AmountCredited"]
        for name in ("SubTotal", "TotalTax", "Total"):
            if name in given and money(to_decimal(given[name], name)) != row[name]:
                findings.faults.append("The invoice total does not equal the sum of the lines.")
        if "UpdatedDateUTC" not in old:
            findings.faults += self._locked(row, row)
        return row, findings

    def _check_header(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        if row["LineAmountTypes"] not in _AMOUNTS:
            findings.faults.append("LineAmountTypes is not valid")
        sales = row["Type"] == "ACCREC"
        if row.get("Reference") and "Reference" in given and not sales:
            findings.faults.append("Reference is only supported on ACCREC invoices")
        if "xero" in row.get("Url", "").lower():
            findings.faults.append("Url is not valid")
        if row["Status"] in ("SUBMITTED", "AUTHORISED") and not row.get("DueDate") and sales:
            findings.faults.append("Due Date cannot be empty")
        theme = row.get("BrandingThemeID")
        if theme and "BrandingThemeID" in given and self.ledger.themes.get(theme) is None:
            findings.faults.append("The branding theme could not be found")
        if given.get("SentToContact") is True and row["Status"] not in ("AUTHORISED", "PAID"):
            findings.faults.append("Only approved invoices may have SentToContact updated.")
        number = row.get("InvoiceNumber")
        if sales and number and "InvoiceNumber" in given:
            for other in self.rows.find("number", ("ACCREC", number.casefold())):
                if other["InvoiceID"] != row["InvoiceID"] and other["Status"] != "DELETED":
                    findings.faults.append("Invoice # must be unique.")

    def _contact(self, given: Any, findings: Findings) -> str:
        """The ContactID meant by a nested contact. One that matches nothing is created; one with more
        than its identity is changed, and loses the persons it does not list: as the remote does."""
        if not isinstance(given, dict) or not given:
            raise Invalid("A Contact must be specified for this type of transaction")
        more = {
            k: v
            for k, v in given.items()
            if v not in (None, [], {})
            and k not in ("ContactID", "ContactNumber", "Name", "HasValidationErrors")
        }
        found = self.contacts.match(given)
        if found is None:
            return str(self.contacts.create(given)["ContactID"])
        if found["ContactStatus"] != "ACTIVE":
            findings.faults.append("Unable to assign an Archived contact.")
        elif more and any(found.get(k) != v for k, v in more.items()):
            self.contacts.update(found, {"ContactPersons": [], **more})
        return str(found["ContactID"])

    def _set_currency(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        if given.get("CurrencyCode"):
            row["CurrencyCode"] = str(given["CurrencyCode"]).upper()
        code = row["CurrencyCode"]
        if self.ledger.currencies.get(code) is None:
            findings.faults.append(f"Organisation is not subscribed to currency {code}")
            row.setdefault("CurrencyRate", Decimal(1))
        elif code == self.ledger.base_currency:
            row["CurrencyRate"] = Decimal(1)
        elif given.get("CurrencyRate"):
            rate = to_decimal(given["CurrencyRate"], "CurrencyRate")
            if rate <= 0:
                findings.faults.append("CurrencyRate must be greater than zero")
                rate = Decimal(1)
            row["CurrencyRate"] = money(rate, Decimal("0.000001"))
        elif "CurrencyRate" not in row or "CurrencyCode" in given:
            row["CurrencyRate"] = self.ledger.organisation["_rates"].get(code, Decimal(1))

    def _locked(self, old: Row, new: Row) -> list[str]:
        about = self.ledger.organisation
        if not {old["Status"], new["Status"]} & {"AUTHORISED", "PAID"}:
            return []
        faults = []
        for field, words in (("PeriodLockDate", "period lock"), ("EndOfYearLockDate", "end of year lock")):
            limit = about.get(field)
            if limit and min(old["Date"], new["Date"]) <= limit:
                day = datetime.fromisoformat(limit).strftime("%d %B %Y")
                faults.append(f"The document date cannot be before the {words} date, currently set at {day}")
        return faults

    # --- showing ----------------------------------------------------------------------------------

    def with_contact(self, row: Row) -> Row:
        """The row with what its contact is called now."""
        contact = self.ledger.contacts.table.get(row["Contact"]["ContactID"]) or {}
        said = {k: contact[k] for k in ("ContactID", "ContactNumber", "Name") if k in contact}
        return {**row, "Contact": said}

    def full(self, row: Row, *, places: int = 4) -> Row:
        """Every field, plain values."""
        out = {k: v for k, v in self.with_contact(row).items() if k[0] != "_"}
        out["Contact"] |= {
            "Addresses": [],
            "Phones": [],
            "ContactGroups": [],
            "ContactPersons": [],
            "HasValidationErrors": False,
        }
        out["UpdatedDateUTCString"] = row["UpdatedDateUTC"][:19] + "Z"
        out["Payments"] = [
            {
                "PaymentID": p["PaymentID"],
                "Date": p["Date"],
                "Amount": p["Amount"],
                "Reference": p.get("Reference"),
                "CurrencyRate": p["CurrencyRate"],
                "HasAccount": False,
                "HasValidationErrors": False,
            }
            for p in self.ledger.payments.find("invoice", row["InvoiceID"])
            if p["Status"] == "AUTHORISED"
        ]
        if places != 4:
            out["LineItems"] = [
                {**line, "UnitAmount": money(line["UnitAmount"])} if "UnitAmount" in line else line
                for line in row["LineItems"]
            ]
        out |= {"CreditNotes": [], "Prepayments": [], "Overpayments": []}
        discounted = any(line.get("DiscountRate") or line.get("DiscountAmount") for line in row["LineItems"])
        if not discounted:
            out.pop("TotalDiscount", None)
        return {**out, "IsDiscounted": discounted, "HasAttachments": False, "HasErrors": False}

    def show(self, row: Row, *, places: int, paged: bool = True, summary: bool = False) -> Row:
        out = self.full(row, places=places)
        if not paged or summary:
            out["LineItems"] = []
        if summary:
            del out["Payments"], out["HasAttachments"]
        wired: Row = to_wire(out)
        return wired


def _changed(old: Row, new: Row) -> set[str]:
    names = {name for name in old.keys() | new.keys() if name[0] != "_" and name != "UpdatedDateUTC"}
    return {name for name in names if old.get(name) != new.get(name)}


def _forbidden(old: Row, new: Row) -> list[str]:
    """What may not change once something has been paid."""
    changed = _changed(old, new)
    lines_ok = "LineItems" not in changed or (
        [line["LineItemID"] for line in old["LineItems"]] == [line["LineItemID"] for line in new["LineItems"]]
        and all(
            {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)} <= _LINE_STILL_EDITABLE
            for a, b in zip(old["LineItems"], new["LineItems"], strict=True)
        )
    )
    return [] if lines_ok and changed - {"LineItems"} <= _STILL_EDITABLE else [HAS_PAYMENT]


__all__ = ["BAD_STATUS", "CENT", "HAS_PAYMENT", "SHAPE", "Invoices", "Stored"]
