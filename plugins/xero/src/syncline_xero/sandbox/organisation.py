"""The accounting endpoints of one organisation: reading, writing in both error modes, acting as a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline.connect.sandbox import Reply, Request, VirtualClock
from syncline_xero.sandbox import contacts, invoices, items, payments
from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.items import Items
from syncline_xero.sandbox.ledger import Collection, Ledger
from syncline_xero.sandbox.listing import ListRules, csv, list_rows
from syncline_xero.sandbox.payments import Payments
from syncline_xero.sandbox.query import Predicate
from syncline_xero.sandbox.reference import (
    ACCOUNT_SHAPE,
    CURRENCY_SHAPE,
    TAX_SHAPE,
    THEME_SHAPE,
    change_setting,
)
from syncline_xero.sandbox.wire import (
    ZERO_ID,
    Invalid,
    Refusal,
    Row,
    bad_request,
    envelope,
    not_found,
    to_wire,
    validation_failed,
)
from syncline_xero.zones import iana_zone

MAX_ELEMENTS = 500

#: one element of a request -> the stored row and its warnings
Apply = Callable[[Mapping[str, Any]], tuple[Row, tuple[str, ...]]]


def places_of(request: Request) -> int:
    """The decimals of unit prices in this call: ``unitdp=4`` or 2."""
    return 4 if request.one("unitdp") == "4" else 2


class Organisation:
    """One tenant's endpoints. Handlers return a Reply or raise Refusal."""

    def __init__(self, ledger: Ledger, clock: VirtualClock, switches: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.clock = clock
        self.switches = switches
        self.contacts = Contacts(ledger, switches)
        self.items = Items(ledger, switches)
        self.invoices = Invoices(ledger, self.contacts, switches)
        self.payments = Payments(ledger, self.invoices)

    # --- reading ----------------------------------------------------------------------------------

    def list_contacts(self, request: Request) -> Reply:
        archived = (request.one("includeArchived") or "").lower() == "true"

        def narrow(request: Request) -> Predicate | None:
            return None if archived else lambda row: row["ContactStatus"] != "ARCHIVED"

        rules = ListRules(
            shape=contacts.SHAPE,
            narrow=narrow,
            view=self.contacts.derived,
            view_fields=frozenset({"iscustomer", "issupplier"}),
            search=("Name", "FirstName", "LastName", "ContactNumber", "CompanyNumber", "EmailAddress"),
        )
        found = list_rows(request, self.ledger.contacts, rules, self.clock, self.switches)
        shown = [self.contacts.show(r, paged=found.paged, summary=found.summary) for r in found.rows]
        return self._reply("Contacts", shown, found.pagination)

    def list_invoices(self, request: Request) -> Reply:
        def narrow(request: Request) -> Predicate | None:
            tests: list[Predicate] = []
            numbers, owners = csv(request, "InvoiceNumbers"), csv(request, "ContactIDs")
            statuses = csv(request, "Statuses")
            if numbers:
                tests.append(lambda row: row.get("InvoiceNumber") in numbers)
            if owners:
                tests.append(lambda row: row["Contact"]["ContactID"] in owners)
            if statuses:
                tests.append(lambda row: row["Status"] in statuses)
            return (lambda row: all(test(row) for test in tests)) if tests else None

        rules = ListRules(
            shape=invoices.SHAPE,
            narrow=narrow,
            view=self.invoices.with_contact,
            view_fields=frozenset({"contact.name", "contact.contactnumber"}),
            search=("InvoiceNumber", "Reference"),
        )
        found = list_rows(request, self.ledger.invoices, rules, self.clock, self.switches)
        places = places_of(request)
        shown = [
            self.invoices.show(r, places=places, paged=found.paged, summary=found.summary) for r in found.rows
        ]
        return self._reply("Invoices", shown, found.pagination)

    def list_items(self, request: Request) -> Reply:
        rules = ListRules(shape=items.SHAPE, paging=False)
        found = list_rows(request, self.ledger.items, rules, self.clock, self.switches)
        return self._reply("Items", [self.items.show(r, places=places_of(request)) for r in found.rows])

    def list_payments(self, request: Request) -> Reply:
        rules = ListRules(shape=payments.SHAPE)
        found = list_rows(request, self.ledger.payments, rules, self.clock, self.switches)
        return self._reply("Payments", [self.payments.show(r) for r in found.rows], found.pagination)

    def list_accounts(self, request: Request) -> Reply:
        return self._list_plain(
            request, "Accounts", self.ledger.accounts, ListRules(shape=ACCOUNT_SHAPE, paging=False)
        )

    def list_tax_rates(self, request: Request) -> Reply:
        rules = ListRules(shape=TAX_SHAPE, paging=False, modified_since=False)
        return self._list_plain(request, "TaxRates", self.ledger.tax_rates, rules)

    def list_currencies(self, request: Request) -> Reply:
        rules = ListRules(shape=CURRENCY_SHAPE, paging=False, modified_since=False)
        return self._list_plain(request, "Currencies", self.ledger.currencies, rules)

    def list_themes(self, request: Request) -> Reply:
        rules = ListRules(shape=THEME_SHAPE, paging=False, modified_since=False)
        return self._list_plain(request, "BrandingThemes", self.ledger.themes, rules)

    def show_organisation(self, request: Request) -> Reply:
        return self._reply("Organisations", [to_wire(self.ledger.organisation)])

    def _list_plain(self, request: Request, name: str, rows: Collection, rules: ListRules) -> Reply:
        found = list_rows(request, rows, rules, self.clock, self.switches)
        return self._reply(name, [to_wire(row) for row in found.rows])

    def one_contact(self, request: Request) -> Reply:
        row = self.contacts.lookup(request.params["id"])
        return not_found() if row is None else self._reply("Contacts", [self.contacts.show(row)])

    def one_invoice(self, request: Request) -> Reply:
        row = self.invoices.lookup(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("Invoices", [self.invoices.show(row, places=places_of(request))])

    def one_item(self, request: Request) -> Reply:
        row = self.items.lookup(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("Items", [self.items.show(row, places=places_of(request))])

    def one_payment(self, request: Request) -> Reply:
        row = self.ledger.payments.get(request.params["id"])
        return not_found() if row is None else self._reply("Payments", [self.payments.show(row)])

    def one_account(self, request: Request) -> Reply:
        row = self.ledger.accounts.get(request.params["id"])
        return not_found() if row is None else self._reply("Accounts", [to_wire(row)])

    def one_tax_rate(self, request: Request) -> Reply:
        row = self.ledger.tax_rates.get(request.params["id"])
        return not_found() if row is None else self._reply("TaxRates", [to_wire(row)])

    def one_theme(self, request: Request) -> Reply:
        row = self.ledger.themes.get(request.params["id"])
        return not_found() if row is None else self._reply("BrandingThemes", [to_wire(row)])

    def _reply(self, name: str, rows: list[Row], pagination: Mapping[str, int] | None = None) -> Reply:
        return Reply.json(envelope(name, rows, self.clock.now(), pagination=pagination))

    # --- writing ----------------------------------------------------------------------------------

    def put_contacts(self, request: Request) -> Reply:
        return self._write(request, "Contacts", lambda e: (self.contacts.create(e), ()))

    def post_contacts(self, request: Request) -> Reply:
        return self._write(request, "Contacts", lambda e: (self.contacts.upsert(e), ()))

    def post_contact(self, request: Request) -> Reply:
        row = self.contacts.lookup(request.params["id"])
        if row is None:
            return not_found()
        return self._write(request, "Contacts", lambda e: (self.contacts.update(row, e), ()), single=True)

    def put_items(self, request: Request) -> Reply:
        places = places_of(request)
        return self._write(request, "Items", lambda e: (self.items.create(e, places=places), ()))

    def post_items(self, request: Request) -> Reply:
        places = places_of(request)
        return self._write(request, "Items", lambda e: (self.items.upsert(e, places=places), ()))

    def post_item(self, request: Request) -> Reply:
        row, places = self.items.lookup(request.params["id"]), places_of(request)
        if row is None:
            return not_found()
        return self._write(
            request, "Items", lambda e: (self.items.update(row, e, places=places), ()), single=True
        )

    def delete_item(self, request: Request) -> Reply:
        row = self.items.lookup(request.params["id"])
        if row is None:
            return not_found()
        self.items.delete(row)
        return Reply(204)

    def put_invoices(self, request: Request) -> Reply:
        places = places_of(request)
        return self._write(request, "Invoices", lambda e: _stored(self.invoices.create(e, places=places)))

    def post_invoices(self, request: Request) -> Reply:
        places = places_of(request)
        return self._write(request, "Invoices", lambda e: _stored(self.invoices.upsert(e, places=places)))

    def post_invoice(self, request: Request) -> Reply:
        row, places = self.invoices.lookup(request.params["id"]), places_of(request)
        if row is None:
            return not_found()
        return self._write(
            request, "Invoices", lambda e: _stored(self.invoices.update(row, e, places=places)), single=True
        )

    def put_payments(self, request: Request) -> Reply:
        return self._write(request, "Payments", lambda e: (self.payments.create(e), ()))

    def post_payments(self, request: Request) -> Reply:
        return self._write(request, "Payments", lambda e: (self.payments.create(e), ()), single=True)

    def post_payment(self, request: Request) -> Reply:
        row = self.ledger.payments.get(request.params["id"])
        if row is None:
            return not_found()

        def apply(element: Mapping[str, Any]) -> tuple[Row, tuple[str, ...]]:
            if element.get("Status") != "DELETED":
                raise Invalid("Payment not of valid status for modification", echo=element)
            return self.payments.delete(row), ()

        return self._write(request, "Payments", apply, single=True)

    def _write(self, request: Request, name: str, apply: Apply, *, single: bool = False) -> Reply:
        """``single``: the call writes one element and always fails with a 400."""
        elements = _elements(request, name)
        if single and len(elements) != 1:
            return bad_request(17, "PostDataInvalidException", "Exactly one element is expected")
        per_element = not single and (request.one("summarizeErrors") or "true").lower() == "false"
        id_field = f"{name[:-1]}ID"
        done: list[tuple[Row | None, Row, tuple[str, ...]]] = []
        bad: list[Row] = []
        with self.ledger.all_or_nothing() as failed:
            for element in elements:
                try:
                    row, warnings = apply(element)
                except (AttributeError, TypeError, KeyError, ValueError, ArithmeticError) as broken:
                    # A value of a wrong type fails the whole call before anything is stored.
                    raise Refusal(
                        bad_request(17, "PostDataInvalidException", f"The data of {name} are not valid")
                    ) from broken
                except Invalid as fault:
                    bad.append(_refused(name, id_field, element, fault))
                    done.append((None, bad[-1], ()))
                else:
                    done.append((row, {}, warnings))
            if bad and not per_element:
                failed.append(True)
        if bad and not per_element:
            return validation_failed(bad)
        shown = []
        for stored, refused, warnings in done:
            if stored is None:
                shown.append(refused)
                continue
            out = self._show_written(name, stored, places_of(request))
            if per_element:
                out["StatusAttributeString"] = "WARNING" if warnings else "OK"
            if warnings:
                out["Warnings"] = [{"Message": text} for text in warnings]
            shown.append(out)
        return self._reply(name, shown)

    def _show_written(self, name: str, row: Row, places: int) -> Row:
        if name == "Contacts":
            return self.contacts.show(row)
        if name == "Items":
            return self.items.show(row, places=places)
        if name == "Invoices":
            return self.invoices.show(self.ledger.invoices.table.get(row["InvoiceID"]) or row, places=places)
        return self.payments.show(row)

    # --- a person's hands -------------------------------------------------------------------------

    def records(self, module: str) -> list[dict[str, Any]]:
        """Rows in full, days as ``YYYY-MM-DD`` and instants as ISO text; KeyError for an unknown module."""
        full: dict[str, tuple[Collection, Callable[[Row], Row]]] = {
            "Contacts": (self.ledger.contacts, self.contacts.full),
            "Items": (self.ledger.items, self.items.full),
            "Invoices": (self.ledger.invoices, self.invoices.full),
            "Payments": (self.ledger.payments, self.payments.full),
            "Accounts": (self.ledger.accounts, _public),
            "TaxRates": (self.ledger.tax_rates, _public),
            "Currencies": (self.ledger.currencies, _public),
            "BrandingThemes": (self.ledger.themes, _public),
        }
        if module == "Organisation":
            return [_public(self.ledger.organisation)]
        rows, show = full[module]
        return [show(row) for row in rows.table]

    def act(self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]) -> Row:
        """Raises KeyError for what does not exist, ValueError for what a person may not do."""
        try:
            with self.ledger.all_or_nothing():
                return self._acted(action, module, record_id or "", values)
        except Invalid as fault:
            raise ValueError("; ".join(fault.messages)) from fault

    def _acted(self, action: str, module: str, record_id: str, values: Mapping[str, Any]) -> Row:
        if module == "Organisation" and action == "update":
            zone = {"_zone": iana_zone(values["Timezone"])} if "Timezone" in values else {}
            self.ledger.save_organisation({**self.ledger.organisation, **values, **zone})
            return _public(self.ledger.organisation)
        if module in ("Currencies", "TaxRates") and action in ("create", "update", "delete"):
            return _public(change_setting(self.ledger, module, action, record_id, values))
        if module == "Contacts":
            return self.contacts.full(self._act_contact(action, record_id, values))
        if module == "Items":
            return self.items.full(self._act_item(action, record_id, values))
        if module == "Invoices":
            row = self._act_invoice(action, record_id, values)
            return self.invoices.full(self.ledger.invoices.table.get(row["InvoiceID"]) or row)
        if module == "Payments":
            if action == "create":
                return self.payments.full(self.payments.create(values))
            if action == "delete":
                return self.payments.full(self.payments.delete(_need(self.ledger.payments, record_id)))
        raise KeyError(f"{action} {module}")

    def _act_contact(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        if action == "create":
            return self.contacts.create(values)
        row = _need(self.ledger.contacts, record_id)
        if action == "update":
            return self.contacts.update(row, values)
        if action in ("archive", "restore"):
            status = "ARCHIVED" if action == "archive" else "ACTIVE"
            return self.contacts.update(row, {"ContactStatus": status})
        if action == "merge":
            return self.contacts.merge_into(row, _need(self.ledger.contacts, str(values["into"])))
        if action == "delete":
            raise ValueError("A contact cannot be deleted, only archived.")
        raise KeyError(action)

    def _act_item(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        if action == "create":
            return self.items.create(values, places=4)
        row = _need(self.ledger.items, record_id)
        if action == "update":
            return self.items.update(row, values, places=4)
        if action == "delete":
            self.items.delete(row)
            return row
        raise KeyError(action)

    def _act_invoice(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        if action == "create":
            return self.invoices.create({"Type": "ACCREC", **values}, places=4).row
        row = _need(self.ledger.invoices, record_id)
        if action == "update":
            return self.invoices.update(row, values, places=4).row
        if action == "delete":
            status = "DELETED" if row["Status"] in ("DRAFT", "SUBMITTED") else "VOIDED"
            return self.invoices.update(row, {"Status": status}, places=4).row
        if action == "pay":
            self.payments.create(
                {
                    "Account": {"Code": "090"},
                    "Amount": row["AmountDue"],
                    **values,
                    "Invoice": {"InvoiceID": row["InvoiceID"]},
                }
            )
            return row
        raise KeyError(action)


def _public(row: Row) -> Row:
    return {k: v for k, v in row.items() if k[0] != "_"}


def _need(rows: Collection, record_id: str) -> Row:
    row = rows.get(record_id)
    if row is None:
        raise KeyError(record_id)
    return row


def _stored(stored: invoices.Stored) -> tuple[Row, tuple[str, ...]]:
    return stored.row, stored.warnings


def _elements(request: Request, name: str) -> list[Mapping[str, Any]]:
    """The elements of a body: ``{"Contacts": [...]}``, a list, or one bare object."""
    try:
        body = request.json()
    except ValueError:
        raise Refusal(bad_request(17, "PostDataInvalidException", "JSON for post data was invalid")) from None
    found = body.get(name, body) if isinstance(body, dict) else body
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not found or not all(isinstance(e, dict) for e in found):
        raise Refusal(bad_request(17, "PostDataInvalidException", f"{name} were expected"))
    if len(found) > MAX_ELEMENTS:
        raise Refusal(bad_request(17, "PostDataInvalidException", f"More than {MAX_ELEMENTS} elements"))
    return found


_FLAGS = {"Contacts": "HasValidationErrors", "Payments": "HasValidationErrors", "Invoices": "HasErrors"}


def _refused(name: str, id_field: str, element: Mapping[str, Any], fault: Invalid) -> Row:
    """The element as it was sent, with what is wrong; a zero id when there is none."""
    out: Row = {id_field: ZERO_ID, **{k: v for k, v in element.items() if v is not None}}
    if fault.echo.get(id_field):
        out[id_field] = fault.echo[id_field]
    if name in _FLAGS:
        out[_FLAGS[name]] = True
    out["StatusAttributeString"] = "ERROR"
    out["ValidationErrors"] = [{"Message": text} for text in fault.messages]
    return out
