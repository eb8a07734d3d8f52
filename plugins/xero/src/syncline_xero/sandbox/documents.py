"""What all documents share: how one is merged with what was sent, checked, numbered and stored.

Sources: Xero API documentation of Invoices, Credit Notes, Quotes and Purchase Orders; its OpenAPI
description 16.1. Each kind of document adds its own rules to these.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.ledger import Collection, Ledger
from syncline_xero.sandbox.lines import Findings, LineRules, merge_lines, refreshed, totals
from syncline_xero.sandbox.wire import ZERO_ID, Invalid, Row, money, to_day, to_decimal, to_text

HAS_PAYMENT = "This document cannot be edited as it has a payment or credit note allocated to it."
_TREATMENTS = {"EXCLUSIVE": "Exclusive", "INCLUSIVE": "Inclusive", "NOTAX": "NoTax"}


class Stored(Struct, frozen=True):
    row: Row
    warnings: tuple[str, ...] = ()


class Sort(Struct, frozen=True, kw_only=True):
    """What tells one kind of document from another.

    ``noun``: as messages have it; ``collection``: as envelopes have it; ``types``: the values of ``Type``,
    none where it has no such field; ``numbered``: the types that get a number when none is sent;
    ``unique``: those whose numbers are; ``texts``: lengths by field; ``amounts``: the tax treatments, the
    usual one first; ``new``: states that a new one may have; ``moves``: by each state those that may be put
    in its place; ``approved``: states in which it may be marked as sent; ``posting``: those in which every
    priced line needs its codes; ``closed``: by each state the fields that may still change, where not all
    may; ``four_places``: unit prices have four decimals without being asked for.
    """

    noun: str
    collection: str
    types: tuple[str, ...] = ()
    prefix: str
    numbered: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    number_taken: str
    texts: Mapping[str, int]
    days: tuple[str, ...]
    amounts: tuple[str, ...] = ("Exclusive", "Inclusive", "NoTax")
    new: tuple[str, ...] = ("DRAFT", "SUBMITTED", "AUTHORISED")
    moves: Mapping[str, frozenset[str]]
    posting: frozenset[str] = frozenset({"AUTHORISED"})
    needs_lines: frozenset[str] = frozenset({"SUBMITTED", "AUTHORISED"})
    closed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    four_places: bool = False

    @property
    def id_field(self) -> str:
        return f"{self.noun.replace(' ', '')}ID"

    @property
    def number_field(self) -> str:
        return f"{self.noun.replace(' ', '')}Number"

    @property
    def bad_status(self) -> str:
        return f"{self.noun} not of valid status for modification"


class Documents:
    """The documents of one kind in one organisation. ``switches``: see the sandbox."""

    sort: Sort

    def __init__(
        self, ledger: Ledger, contacts: Contacts, switches: Mapping[str, Any], rows: Collection
    ) -> None:
        self.ledger = ledger
        self.contacts = contacts
        self.switches = switches
        self.rows = rows

    # --- what a kind of document says of itself -----------------------------------------------------

    def fresh(self, kind: str | None) -> Row:
        """What a new document holds before anything sent is looked at."""
        raise NotImplementedError

    def sales(self, row: Row) -> bool:
        """Whether it is for a customer."""
        raise NotImplementedError

    def discounts(self, row: Row) -> bool:
        return self.sales(row)

    def in_books(self, row: Row) -> bool:
        """Whether it counts in the ledger, so that lock dates hold for it."""
        return row["Status"] in ("AUTHORISED", "PAID")

    def check(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        """Rules of the header beyond those of all documents."""

    def sum_up(self, row: Row) -> None:
        """Set what follows from the totals."""

    def applied(self, row: Row) -> bool:
        """Whether money has been put against it."""
        return False

    def fixed(self, old: Row, new: Row) -> list[str]:
        """What may not change once money has been put against it."""
        return [HAS_PAYMENT] if changed_fields(old, new) else []

    def silent(self, old: Row, changed: set[str]) -> bool:
        """Whether a change leaves UpdatedDateUTC as it is."""
        return False

    def accompany(self, row: Row) -> Row:
        """Do what storing this row entails elsewhere; the row to store. Raises Invalid before anything."""
        return row

    def ended(self, row: Row, status: str) -> Row:
        """The document once it is deleted or voided."""
        return {**row, "Status": status}

    # --- finding ----------------------------------------------------------------------------------

    def lookup(self, key: str) -> Row | None:
        """By id or number, in the order of the types."""
        found = self.rows.get(key)
        if found is not None:
            return found
        for kind in self.sort.types or (None,):
            numbered = self.rows.find("number", (kind, key.casefold()))
            if numbered:
                return numbered[0]
        return None

    def match(self, element: Mapping[str, Any]) -> Row | None:
        """The document that a POST element means: its id, then its number where numbers are unique."""
        given = element.get(self.sort.id_field)
        if given and str(given) != ZERO_ID:
            found = self.rows.get(str(given))
            if found is None:
                raise Invalid(f"The {self.sort.id_field} could not be found", echo=element)
            return found
        number = element.get(self.sort.number_field)
        kind = element.get("Type", self.sort.types[0]) if self.sort.types else None
        if number and (kind in self.sort.unique or kind is None):
            numbered = self.rows.find("number", (kind, str(number).casefold()))
            if numbered:
                return numbered[-1]
        return None

    # --- storing ----------------------------------------------------------------------------------

    def create(self, element: Mapping[str, Any], *, places: int) -> Stored:
        kind = element.get("Type") if self.sort.types else None
        if self.sort.types and kind not in self.sort.types:
            raise Invalid(f"{self.sort.noun} type is not valid", echo=element)
        if element.get("Contact") is None:
            raise Invalid("A Contact must be specified for this type of transaction", echo=element)
        status = element.get("Status") or "DRAFT"
        if status not in self.sort.new:
            noun = self.sort.noun.lower()
            raise Invalid(f"{self.sort.noun} status is not valid for a new {noun}", echo=element)
        fresh: Row = {
            self.sort.id_field: str(uuid.uuid4()),
            "LineAmountTypes": self.sort.amounts[0],
            "Status": "DRAFT",
            "CurrencyCode": self.ledger.base_currency,
            "LineItems": [],
            **self.fresh(kind),
        }
        row, findings = self._merged(fresh, element, places)
        if (kind in self.sort.numbered or kind is None) and not row.get(self.sort.number_field):
            row[self.sort.number_field] = self._next_number(kind)
        self._refuse(findings, element)
        return Stored(self._store(row, None), tuple(findings.warnings))

    def update(self, row: Row, element: Mapping[str, Any], *, places: int) -> Stored:
        wanted = element.get("Status") or row["Status"]
        echo = {**element, self.sort.id_field: row[self.sort.id_field]}
        if wanted not in self.sort.moves[row["Status"]]:
            raise Invalid(self.sort.bad_status, echo=echo)
        if self.sort.types and element.get("Type") not in (None, row["Type"]):
            noun = self.sort.noun.lower()
            article = "an" if noun[0] in "aeiou" else "a"
            raise Invalid(f"The type of {article} {noun} cannot be changed", echo=echo)
        if wanted in ("DELETED", "VOIDED"):
            if self.applied(row):
                raise Invalid(HAS_PAYMENT, echo=echo)
            self._refuse(Findings(faults=self._locked(row, row)), echo)
            return Stored(self._store(self.ended(row, wanted), row))
        new, findings = self._merged(row, element, places)
        changed = changed_fields(row, new)
        allowed = self.sort.closed.get(row["Status"])
        if allowed is not None and not changed <= allowed:
            findings.faults.append(self.sort.bad_status)
        if self.applied(row):
            findings.faults += self.fixed(row, new)
        if changed:
            findings.faults += self._locked(row, new)
        self._refuse(findings, echo)
        return Stored(self._store(new, row), tuple(findings.warnings))

    def upsert(self, element: Mapping[str, Any], *, places: int) -> Stored:
        row = self.match(element)
        return (
            self.create(element, places=places) if row is None else self.update(row, element, places=places)
        )

    def _store(self, row: Row, old: Row | None) -> Row:
        if old is not None:
            changed = changed_fields(old, row)
            if not changed and not self.switches["noop_moves_updated"]:
                return old
            if changed and self.silent(old, changed):
                self.rows.put(row)
                return row
        row = self.accompany(row)
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
        return today(self.ledger)

    def _next_number(self, kind: str | None) -> str:
        about, prefix = dict(self.ledger.organisation), self.sort.prefix
        counter = f"_next_{self.sort.noun.lower().replace(' ', '_')}"
        number = about.get(counter, 1)
        while self.rows.find("number", (kind, f"{prefix}-{number:04d}".casefold())):
            number += 1
        about[counter] = number + 1
        self.ledger.save_organisation(about)
        return f"{prefix}-{number:04d}"

    # --- checking ---------------------------------------------------------------------------------

    def _merged(self, old: Row, element: Mapping[str, Any], places: int) -> tuple[Row, Findings]:
        row, findings = dict(old), Findings()
        given = {k: v for k, v in element.items() if v is not None}
        self._set_header(row, given, findings)
        self._check_number(row, given, findings)
        self.check(row, given, findings)
        if "Contact" in given:
            row["Contact"] = {"ContactID": self._contact(given["Contact"], findings)}
        elif row["Status"] == "AUTHORISED" != old["Status"] and self._contact_status(row) != "ACTIVE":
            findings.faults.append("Unable to assign an Archived contact.")
        self._set_currency(row, given, findings)
        rules = LineRules(
            sales=self.sales(row),
            amounts=_TREATMENTS.get(str(row["LineAmountTypes"]).upper(), "Exclusive"),
            posting=row["Status"] in self.sort.posting,
            places=places,
            discounts=self.discounts(row),
        )
        treated_anew = row["LineAmountTypes"] != old["LineAmountTypes"] or row["Status"] != old["Status"]
        if "LineItems" in given:
            row["LineItems"] = merge_lines(self.ledger, row["LineItems"], given["LineItems"], rules, findings)
            row.update(totals(row["LineItems"], rules.amounts))
        elif treated_anew or "Total" not in row:
            row["LineItems"] = refreshed(self.ledger, row["LineItems"], rules, findings)
            row.update(totals(row["LineItems"], rules.amounts))
        if row["Status"] in self.sort.needs_lines and not row["LineItems"]:
            findings.faults.append("One or more line items must be specified")
        self.sum_up(row)
        for name in ("SubTotal", "TotalTax", "Total"):
            if name in given and money(to_decimal(given[name], name)) != row[name]:
                findings.faults.append(
                    f"The {self.sort.noun.lower()} total does not equal the sum of the lines."
                )
        if "UpdatedDateUTC" not in old:
            findings.faults += self._locked(row, row)
        return row, findings

    def _set_header(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        for name, limit in self.sort.texts.items():
            if name not in given:
                continue
            text = to_text(given[name])
            if len(text) > limit:
                findings.faults.append(f"The {name} field exceeds the maximum length of {limit} characters.")
            if text:
                row[name] = text
            else:
                row.pop(name, None)
        for name in self.sort.days:
            if given.get(name) == "":
                row.pop(name, None)
            elif name in given:
                row[name] = to_day(given[name], name)
        for name in ("Status", "LineAmountTypes"):
            if name in given:
                row[name] = given[name]
        if row["LineAmountTypes"] not in self.sort.amounts:
            findings.faults.append("LineAmountTypes is not valid")
        theme = row.get("BrandingThemeID")
        if theme and "BrandingThemeID" in given and self.ledger.themes.get(theme) is None:
            findings.faults.append("The branding theme could not be found")

    def _check_number(self, row: Row, given: Mapping[str, Any], findings: Findings) -> None:
        number, kind = row.get(self.sort.number_field), row.get("Type") if self.sort.types else None
        if kind is None and given.get(self.sort.number_field) == "" and "UpdatedDateUTC" in row:
            findings.faults.append(f"{self.sort.number_field} cannot be empty")
        if not number or self.sort.number_field not in given:
            return
        if kind is not None and kind not in self.sort.unique:
            return
        for other in self.rows.find("number", (kind, number.casefold())):
            if other[self.sort.id_field] != row[self.sort.id_field] and other["Status"] != "DELETED":
                findings.faults.append(self.sort.number_taken)

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

    def _contact_status(self, row: Row) -> str:
        contact = self.ledger.contacts.table.get(row["Contact"]["ContactID"]) or {}
        return str(contact.get("ContactStatus", "ACTIVE"))

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
        if not (self.in_books(old) or self.in_books(new)):
            return []
        return locked_days(self.ledger, min(old["Date"], new["Date"]))

    # --- showing ----------------------------------------------------------------------------------

    def with_contact(self, row: Row) -> Row:
        """The row with what its contact is called now."""
        contact = self.ledger.contacts.table.get(row["Contact"]["ContactID"]) or {}
        said = {k: contact[k] for k in ("ContactID", "ContactNumber", "Name") if k in contact}
        return {**row, "Contact": said}

    def show(self, row: Row, *, places: int) -> Row:
        """A document in full as the API writes it."""
        raise NotImplementedError

    def full(self, row: Row, *, places: int = 4) -> Row:
        """A document in full, plain values."""
        raise NotImplementedError

    def bare(self, row: Row, *, places: int = 4) -> Row:
        """What all documents show, plain values; the contact in the form of a list."""
        out = {k: v for k, v in self.with_contact(row).items() if k[0] != "_"}
        if places != 4:
            out["LineItems"] = [
                {**line, "UnitAmount": money(line["UnitAmount"])} if "UnitAmount" in line else line
                for line in row["LineItems"]
            ]
        discounted = any(line.get("DiscountRate") or line.get("DiscountAmount") for line in row["LineItems"])
        if not discounted:
            out.pop("TotalDiscount", None)
        out["IsDiscounted"] = discounted
        return out


#: what the contact of a ledger document shows besides its names
EMPTY_CONTACT: Mapping[str, Any] = {
    "Addresses": [],
    "Phones": [],
    "ContactGroups": [],
    "ContactPersons": [],
    "HasValidationErrors": False,
}


def today(ledger: Ledger) -> str:
    """The calendar day in the organisation's own zone."""
    zone = ZoneInfo(ledger.organisation["_zone"])
    return datetime.fromtimestamp(ledger.clock.timestamp(), zone).date().isoformat()


def locked_days(ledger: Ledger, day: str) -> list[str]:
    """Why nothing of this day may be posted or changed, if the books are locked up to it."""
    faults = []
    for name, words in (("PeriodLockDate", "period lock"), ("EndOfYearLockDate", "end of year lock")):
        limit = ledger.organisation.get(name)
        if limit and day <= limit:
            shown = datetime.fromisoformat(limit).strftime("%d %B %Y")
            faults.append(f"The document date cannot be before the {words} date, currently set at {shown}")
    return faults


def changed_fields(old: Row, new: Row) -> set[str]:
    names = {name for name in old.keys() | new.keys() if name[0] != "_" and name != "UpdatedDateUTC"}
    return {name for name in names if old.get(name) != new.get(name)}
