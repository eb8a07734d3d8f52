"""The accounting endpoints of one organisation: lists, single records, writes in both error modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline.connect.sandbox import Reply, Request, VirtualClock
from syncline_xero.sandbox import (
    contacts,
    credit_notes,
    invoices,
    items,
    payments,
    purchase_orders,
    quotes,
    tracking,
)
from syncline_xero.sandbox.contacts import Contacts
from syncline_xero.sandbox.credit_notes import CreditNotes
from syncline_xero.sandbox.documents import Documents, Stored
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.items import Items
from syncline_xero.sandbox.ledger import Collection, Ledger
from syncline_xero.sandbox.listing import ListRules, csv, list_rows
from syncline_xero.sandbox.payments import Payments
from syncline_xero.sandbox.purchase_orders import PurchaseOrders
from syncline_xero.sandbox.query import Predicate
from syncline_xero.sandbox.quotes import Quotes
from syncline_xero.sandbox.reference import (
    ACCOUNT_SHAPE,
    CURRENCY_SHAPE,
    TAX_SHAPE,
    THEME_SHAPE,
    USER_SHAPE,
)
from syncline_xero.sandbox.tracking import Tracking, shown
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

MAX_ELEMENTS = 500
_ACTIONS = (
    "CreateApprovedBill",
    "CreateApprovedInvoice",
    "CreateDraftBill",
    "CreateDraftInvoice",
    "CreateInvoicePayment",
    "CreateCreditNote",
    "CreateQuote",
    "CreatePurchaseOrder",
    "UseMulticurrency",
)

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
        self.credit_notes = CreditNotes(ledger, self.contacts, self.invoices, switches)
        self.quotes = Quotes(ledger, self.contacts, switches)
        self.purchase_orders = PurchaseOrders(ledger, self.contacts, switches)
        self.payments = Payments(ledger, self.invoices, self.credit_notes)
        self.tracking = Tracking(ledger)

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

    def list_credit_notes(self, request: Request) -> Reply:
        rules = ListRules(
            shape=credit_notes.SHAPE,
            view=self.credit_notes.with_contact,
            view_fields=frozenset({"contact.name", "contact.contactnumber"}),
        )
        found = list_rows(request, self.ledger.credit_notes, rules, self.clock, self.switches)
        places = places_of(request)
        rows = [self.credit_notes.show(r, places=places, paged=found.paged) for r in found.rows]
        return self._reply("CreditNotes", rows, found.pagination)

    def list_quotes(self, request: Request) -> Reply:
        rules = ListRules(
            shape=quotes.SHAPE,
            always_paged=True,
            fixed_size=True,
            where=False,
            narrow=lambda request: _by_header(request, "QuoteNumber", "ExpiryDate"),
        )
        found = list_rows(request, self.ledger.quotes, rules, self.clock, self.switches)
        return self._reply("Quotes", [self.quotes.show(r, places=4) for r in found.rows], found.pagination)

    def list_purchase_orders(self, request: Request) -> Reply:
        rules = ListRules(
            shape=purchase_orders.SHAPE,
            always_paged=True,
            where=False,
            narrow=lambda request: _by_header(request, "", ""),
        )
        found = list_rows(request, self.ledger.purchase_orders, rules, self.clock, self.switches)
        rows = [self.purchase_orders.show(r, places=4) for r in found.rows]
        return self._reply("PurchaseOrders", rows, found.pagination)

    def list_users(self, request: Request) -> Reply:
        return self._list_plain(
            request, "Users", self.ledger.users, ListRules(shape=USER_SHAPE, paging=False)
        )

    def list_tracking(self, request: Request) -> Reply:
        archived = (request.one("includeArchived") or "").lower() == "true"
        rules = ListRules(
            shape=tracking.SHAPE,
            paging=False,
            modified_since=False,
            narrow=lambda request: None if archived else lambda row: row["Status"] == "ACTIVE",
        )
        found = list_rows(request, self.ledger.tracking, rules, self.clock, self.switches)
        return self._reply("TrackingCategories", [shown(r, archived=archived) for r in found.rows])

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

    def list_actions(self, request: Request) -> Reply:
        """What the plan of a made-up business allows: all of it."""
        return self._reply("Actions", [{"Name": name, "Status": "ALLOWED"} for name in _ACTIONS])

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

    def one_credit_note(self, request: Request) -> Reply:
        row = self.credit_notes.lookup(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("CreditNotes", [self.credit_notes.show(row, places=places_of(request))])

    def one_quote(self, request: Request) -> Reply:
        # By id alone: a number is asked for by the parameter QuoteNumber.
        row = self.ledger.quotes.get(request.params["id"])
        return not_found() if row is None else self._reply("Quotes", [self.quotes.show(row, places=4)])

    def one_purchase_order(self, request: Request) -> Reply:
        row = self.purchase_orders.lookup(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("PurchaseOrders", [self.purchase_orders.show(row, places=4)])

    def one_user(self, request: Request) -> Reply:
        row = self.ledger.users.get(request.params["id"])
        return not_found() if row is None else self._reply("Users", [to_wire(row)])

    def one_tracking(self, request: Request) -> Reply:
        row = self.ledger.tracking.get(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("TrackingCategories", [shown(row, archived=True)])

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
        try:
            self.items.delete(row)
        except Invalid as fault:
            return validation_failed([_refused("Items", "ItemID", {"ItemID": row["ItemID"]}, fault)])
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

    # --- credit notes, quotes and orders: alike but for their names -----------------------------------

    def put_documents(self, documents: Documents, request: Request) -> Reply:
        places, name = _places(documents, request), documents.sort.collection
        return self._write(request, name, lambda e: _stored(documents.create(e, places=places)))

    def post_documents(self, documents: Documents, request: Request) -> Reply:
        places, name = _places(documents, request), documents.sort.collection
        return self._write(request, name, lambda e: _stored(documents.upsert(e, places=places)))

    def post_document(self, documents: Documents, request: Request) -> Reply:
        row, places = documents.lookup(request.params["id"]), _places(documents, request)
        if row is None:
            return not_found()
        return self._write(
            request,
            documents.sort.collection,
            lambda e: _stored(documents.update(row, e, places=places)),
            single=True,
        )

    def put_allocations(self, request: Request) -> Reply:
        note = self.ledger.credit_notes.get(request.params["id"])
        if note is None:
            return not_found()
        return self._write(
            request,
            "Allocations",
            lambda e: (self.credit_notes.allocate(note["CreditNoteID"], e), ()),
        )

    def delete_allocation(self, request: Request) -> Reply:
        note = self.ledger.credit_notes.get(request.params["id"])
        if note is None:
            return not_found()
        try:
            with self.ledger.all_or_nothing():
                row = self.credit_notes.release(note["CreditNoteID"], request.params["allocation"])
        except Invalid as fault:
            return validation_failed([_refused("Allocations", "AllocationID", {}, fault)])
        return not_found() if row is None else Reply.json(self.credit_notes.released(row))

    # --- tracking categories --------------------------------------------------------------------------

    def put_tracking(self, request: Request) -> Reply:
        def apply(element: Mapping[str, Any]) -> Row:
            return self.tracking.create(element)

        return self._settings(request, "TrackingCategories", apply)

    def post_tracking(self, request: Request) -> Reply:
        row = self.ledger.tracking.get(request.params["id"])
        if row is None:
            return not_found()
        return self._settings(request, "TrackingCategories", lambda e: self.tracking.update(row, e))

    def delete_tracking(self, request: Request) -> Reply:
        row = self.ledger.tracking.get(request.params["id"])
        if row is None:
            return not_found()
        return self._reply("TrackingCategories", [self.tracking.delete(row)])

    def put_option(self, request: Request) -> Reply:
        row = self.ledger.tracking.get(request.params["id"])
        if row is None:
            return not_found()
        return self._settings(request, "Options", lambda e: self.tracking.add_option(row, e))

    def post_option(self, request: Request) -> Reply:
        row, option = self._option(request)
        if row is None or option is None:
            return not_found()
        return self._settings(request, "Options", lambda e: self.tracking.change_option(row, option, e))

    def delete_option(self, request: Request) -> Reply:
        row, option = self._option(request)
        if row is None or option is None:
            return not_found()
        return self._reply("Options", [self.tracking.delete_option(row, option)])

    def _option(self, request: Request) -> tuple[Row | None, Row | None]:
        row = self.ledger.tracking.get(request.params["id"])
        return row, None if row is None else self.tracking.option(row, request.params["option"])

    def _settings(self, request: Request, name: str, apply: Callable[[Mapping[str, Any]], Row]) -> Reply:
        """A write of one setting, which fails as a whole."""
        elements = _elements(request, name)
        if len(elements) != 1:
            return bad_request(17, "PostDataInvalidException", "Exactly one element is expected")
        try:
            return self._reply(name, [apply(elements[0])])
        except Invalid as fault:
            return validation_failed([_refused(name, "TrackingCategoryID", elements[0], fault)])

    # --- payments -------------------------------------------------------------------------------------

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
        known = {documents.sort.collection: documents for documents in self._documents()}
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
            out = self._show_written(name, known.get(name), stored, places_of(request))
            if per_element:
                out["StatusAttributeString"] = "WARNING" if warnings else "OK"
            if warnings:
                out["Warnings"] = [{"Message": text} for text in warnings]
            shown.append(out)
        return self._reply(name, shown)

    def _documents(self) -> tuple[Documents, ...]:
        return (self.credit_notes, self.quotes, self.purchase_orders)

    def _show_written(self, name: str, documents: Documents | None, row: Row, places: int) -> Row:
        if documents is not None:
            return documents.show(
                documents.rows.table.get(row[documents.sort.id_field]) or row, places=places
            )
        if name == "Allocations":
            return self.credit_notes.made(row)
        if name == "Contacts":
            return self.contacts.show(row)
        if name == "Items":
            return self.items.show(row, places=places)
        if name == "Invoices":
            return self.invoices.show(self.ledger.invoices.table.get(row["InvoiceID"]) or row, places=places)
        return self.payments.show(row)


def _places(documents: Documents, request: Request) -> int:
    return 4 if documents.sort.four_places else places_of(request)


def _stored(stored: Stored) -> tuple[Row, tuple[str, ...]]:
    return stored.row, stored.warnings


def _by_header(request: Request, number: str, expiry: str) -> Predicate | None:
    """The filters of quotes and orders: state, number, contact, and days from and to."""
    tests: list[Predicate] = []
    status, owner = request.one("Status"), request.one("ContactID")
    if status:
        tests.append(lambda row: row["Status"] == status)
    if owner and number:
        tests.append(lambda row: row["Contact"]["ContactID"] == owner.lower())
    if number and (wanted := request.one(number)):
        tests.append(lambda row: row[number] == wanted)
    for name in ("Date", expiry) if expiry else ("Date",):
        first, last = request.one(f"{name}From"), request.one(f"{name}To")
        if first:
            tests.append(lambda row, name=name, first=first: row.get(name, "") >= first)  # type: ignore[misc]
        if last:
            tests.append(lambda row, name=name, last=last: row.get(name, "9") <= last)  # type: ignore[misc]
    return (lambda row: all(test(row) for test in tests)) if tests else None


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


_FLAGS = {
    "Contacts": "HasValidationErrors",
    "Payments": "HasValidationErrors",
    "Invoices": "HasErrors",
    "CreditNotes": "HasErrors",
    "PurchaseOrders": "HasErrors",
}


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
