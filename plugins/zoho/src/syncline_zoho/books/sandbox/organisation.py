"""The calls of one organisation: by module the rules that serve it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from syncline.connect.sandbox import Reply, Request
from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.sandbox import contacts, documents, items, payments, reference
from syncline_zoho.books.sandbox.contacts import Contacts
from syncline_zoho.books.sandbox.documents import Documents
from syncline_zoho.books.sandbox.errors import Refused, gone, success
from syncline_zoho.books.sandbox.fields import fields_of, show_definitions
from syncline_zoho.books.sandbox.items import Items, PriceBooks
from syncline_zoho.books.sandbox.ledger import Ledger, fold
from syncline_zoho.books.sandbox.lists import ListRules, list_rows
from syncline_zoho.books.sandbox.payments import Payments
from syncline_zoho.books.sandbox.wire import Row, object_of, rows_of

DOCUMENTS = tuple(documents.RULES)
ACTIVE = ("contacts", "items", "pricebooks")
LOOKUPS = ("currencies", "taxes", "chartofaccounts", "users")


class Rows(Protocol):
    """What each kind of record can do."""

    def update(self, row: Row, body: Mapping[str, Any]) -> Row: ...
    def delete(self, row: Row) -> None: ...
    def show(self, row: Row) -> Row: ...
    def show_listed(self, row: Row) -> Row: ...


class _Numbered:
    """A kind of document with its numbers given or generated, as this call says."""

    def __init__(self, rows: Documents, given: bool) -> None:
        self._rows, self._given = rows, given
        self.delete, self.show, self.show_listed = rows.delete, rows.show, rows.show_listed

    def create(self, body: Mapping[str, Any]) -> Row:
        return self._rows.create(body, number_given=self._given)

    def update(self, row: Row, body: Mapping[str, Any]) -> Row:
        return self._rows.update(row, body, number_given=self._given)


class Organisation:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.contacts = Contacts(ledger)
        self.items = Items(ledger)
        self.pricebooks = PriceBooks(ledger)
        self.documents = {kind: Documents(ledger, kind) for kind in DOCUMENTS}
        self.payments = Payments(ledger, self.documents["invoices"])

    def rules(self, kind: str, *, number_given: bool = False) -> Any:
        plain: dict[str, Any] = {
            "contacts": self.contacts,
            "items": self.items,
            "pricebooks": self.pricebooks,
            "customerpayments": self.payments,
        }
        if kind in plain:
            return plain[kind]
        return _Numbered(self.documents[kind], number_given)

    def find(self, kind: str, record_id: Any) -> Row:
        row = self.ledger.get(kind, record_id)
        if row is None:
            raise gone(KINDS[kind].noun)
        return row

    # --- lists ------------------------------------------------------------------------------------

    def list_all(self, kind: str, request: Request) -> Reply:
        rules: Mapping[str, tuple[ListRules, Callable[[Row], Row]]] = {
            "contacts": (contacts.RULES, self.contacts.show_listed),
            "items": (items.RULES, self.items.show_listed),
            "pricebooks": (items.BOOK_RULES, self.pricebooks.show_listed),
            "customerpayments": (payments.RULES, self.payments.show_listed),
            "currencies": (reference.PLAIN_RULES, reference.show_plain),
            "taxes": (reference.TAX_RULES, reference.show_plain),
            "users": (reference.PLAIN_RULES, reference.show_plain),
            "chartofaccounts": (
                reference.ACCOUNT_RULES,
                lambda row: reference.show_account(self.ledger, row),
            ),
        }
        if kind in self.documents:
            found: tuple[ListRules, Callable[[Row], Row]] = (
                documents.list_rules(documents.RULES[kind]),
                self.documents[kind].show_listed,
            )
        else:
            found = rules[kind]
        return list_rows(request, self.ledger, kind, KINDS[kind].many, *found)

    def list_persons(self, request: Request) -> Reply:
        contact = self.find("contacts", request.params["id"])
        return success("success", {"contact_persons": contact["contact_persons"]})

    def list_fields(self, request: Request) -> Reply:
        return success(
            "success", {"customfields": show_definitions(self.ledger, request.one("entity") or "")}
        )

    def item_details(self, request: Request) -> Reply:
        ids = (request.one("item_ids") or "").split(",")[:100]
        rows = [row for i in ids if (row := self.ledger.get("items", i)) is not None]
        return success("success", {"items": [self.items.show(row) for row in rows]})

    # --- single records ---------------------------------------------------------------------------

    def one(self, kind: str, request: Request) -> Reply:
        row = self.find(kind, request.params["id"])
        if kind in LOOKUPS:
            return success("success", {KINDS[kind].one: reference.show_plain(row)})
        return success("success", {KINDS[kind].one: self.rules(kind).show(row)})

    def create(self, kind: str, request: Request) -> Reply:
        rules = self.rules(kind, number_given=_number_given(request))
        row = rules.create(_body_of(request))
        return success(
            f"The {KINDS[kind].noun.lower()} has been created.",
            {KINDS[kind].one: rules.show(row)},
            status=201,
        )

    def update(self, kind: str, request: Request) -> Reply:
        rules = self.rules(kind, number_given=_number_given(request))
        row = rules.update(self.find(kind, request.params["id"]), _body_of(request))
        words = f"{KINDS[kind].noun} information has been updated."
        return success(words, {KINDS[kind].one: rules.show(row)})

    def upsert(self, kind: str, request: Request) -> Reply:
        """``PUT`` of a collection by a unique field of the organisation's own."""
        name = request.headers.get("x-unique-identifier-key") or ""
        value = request.headers.get("x-unique-identifier-value") or ""
        field = next((f for f in fields_of(self.ledger, kind) if f["api_name"] == name), None)
        if field is None or not field["is_unique"] or not value:
            raise Refused("The custom field given as the unique identifier is invalid.", 2)
        body = _body_of(request)
        rules = self.rules(kind, number_given=_number_given(request))
        holder = self.ledger.holder(kind, name, fold(value))
        if holder is not None:
            row = rules.update(self.find(kind, holder), body)
            words = f"{KINDS[kind].noun} information has been updated."
            return success(words, {KINDS[kind].one: rules.show(row)})
        if (request.headers.get("x-upsert") or "").lower() != "true":
            raise gone(KINDS[kind].noun)
        own = [*(body.get("custom_fields") or []), {"api_name": name, "value": value}]
        row = rules.create({**body, "custom_fields": own})
        words = f"The {KINDS[kind].noun.lower()} has been created."
        # the documents know no other status for an upsert, whatever it did
        return success(words, {KINDS[kind].one: rules.show(row)})

    def delete(self, kind: str, request: Request) -> Reply:
        self.rules(kind).delete(self.find(kind, request.params["id"]))
        return success(f"The {KINDS[kind].noun.lower()} has been deleted.")

    def activate(self, kind: str, status: str, request: Request) -> Reply:
        self.rules(kind).activate(self.find(kind, request.params["id"]), status)
        return success(f"The {KINDS[kind].noun.lower()} has been marked as {status}.")

    def move(self, kind: str, request: Request) -> Reply:
        self.documents[kind].move(self.find(kind, request.params["id"]), request.params["call"].lower())
        # the documents answer state changes of bills and purchase orders with 201
        status = 201 if kind in ("bills", "purchaseorders") else 200
        return success(f"{KINDS[kind].noun} status has been changed.", status=status)

    # --- persons ----------------------------------------------------------------------------------

    def create_person(self, request: Request) -> Reply:
        contact, person = self.contacts.create_person(_body_of(request))
        return success(
            "The contact person has been Created", {"contact_person": _person(contact, person)}, status=201
        )

    def update_person(self, request: Request) -> Reply:
        contact, person = self.contacts.update_person(request.params["id"], _body_of(request))
        return success(
            "The contact person details has been updated.", {"contact_person": _person(contact, person)}
        )

    def one_person(self, request: Request) -> Reply:
        contact, person = self.contacts.find_person(request.params["person"])
        if contact["contact_id"] != request.params["id"]:
            raise gone("Contact person")
        return success("success", {"contact_person": _person(contact, person)})

    def delete_person(self, request: Request) -> Reply:
        self.contacts.delete_person(request.params["id"])
        return success("The contact person has been deleted.")

    def make_primary(self, request: Request) -> Reply:
        self.contacts.make_primary(request.params["id"])
        return success("This contact person has been marked as your primary contact person.")

    # --- credits ----------------------------------------------------------------------------------

    def apply_credit(self, request: Request) -> Reply:
        row = self.find("creditnotes", request.params["id"])
        body = _body_of(request)
        self.documents["creditnotes"].apply(row, rows_of(body.get("invoices"), "invoices"))
        return success("Credits have been applied to the invoice(s).")

    def list_credited(self, request: Request) -> Reply:
        row = self.find("creditnotes", request.params["id"])
        shown = self.documents["creditnotes"].show(row)
        return success("success", {"invoices_credited": shown["invoices"]})

    def take_back_credit(self, request: Request) -> Reply:
        row = self.find("creditnotes", request.params["id"])
        self.documents["creditnotes"].take_back(row, request.params["entry"])
        return success("Credits applied to an invoice have been deleted.")

    # --- people -----------------------------------------------------------------------------------

    def records(self, kind: str) -> list[Row]:
        """Every record in the form of its details, the deleted ones too; ``$state``: live or deleted."""
        if kind in LOOKUPS:
            return [reference.show_plain(row) for row in self.ledger.stores[kind]]
        if kind == "contactpersons":
            return [
                {"id": _person_id(contact, person), **_person(contact, person), "$state": "live"}
                for contact in self.ledger.stores["contacts"]
                for person in contact["contact_persons"]
            ]
        if kind not in KINDS:
            raise KeyError(kind)
        rules = self.rules(kind)
        live = [{**rules.show(row), "$state": "live"} for row in self.ledger.stores[kind]]
        return [*live, *({**rules.show(row), "$state": "deleted"} for row in self.ledger.gone[kind])]

    def act(self, action: str, kind: str, record_id: str, values: Mapping[str, Any]) -> Row:
        """See :meth:`ZohoBooksSandbox.act`; raises KeyError, Refused."""
        if kind in LOOKUPS or kind in ("organisation", "customfields"):
            return reference.change_setting(self.ledger, action, kind, record_id, values)
        if kind == "contactpersons":
            return self._act_on_person(action, record_id, values)
        if kind not in KINDS:
            raise KeyError(kind)
        rules = self.rules(kind, number_given=True)
        body = self._body(kind, values)
        if action == "create":
            return dict(rules.show(rules.create(body)))
        row = self.ledger.get(kind, record_id)
        if row is None:
            raise KeyError(record_id)
        self._do(action, kind, row, body)
        left = self.ledger.get(kind, record_id)
        return dict(rules.show(left if left is not None else row))

    def _do(self, action: str, kind: str, row: Row, body: Row) -> None:
        rules = self.rules(kind, number_given=True)
        match action:
            case "update":
                rules.update(row, body)
            case "delete":
                rules.delete(row)
            case "archive" | "restore" if kind in ACTIVE:
                rules.activate(row, "inactive" if action == "archive" else "active")
            case "void" if kind in self.documents and KINDS[kind].void:
                self.documents[kind].move(row, str(KINDS[kind].void))
            case "mark" if kind in self.documents:
                self.documents[kind].move(row, str(body["status"]))
            case "pay" if kind == "invoices":
                self._pay(row, body)
            case "pay" if kind == "bills":
                self._pay_bill(row, body)
            case "apply" if kind == "creditnotes":
                self.documents[kind].apply(row, [{"amount_applied": body["amount"], **body}])
            case "lock" if kind in self.documents:
                lock = str(body.get("reason") or "Locked by a person")
                self.ledger.put(kind, {**row, "_lock": lock, "last_modified_time": self.ledger.stamp()})
            case "unlock" if kind in self.documents:
                self.ledger.put(kind, {**row, "_lock": "", "last_modified_time": self.ledger.stamp()})
            case "adjust-stock" if kind == "items":
                stock = {"stock_on_hand": body["stock_on_hand"], "last_modified_time": self.ledger.stamp()}
                self.ledger.put(kind, {**row, **stock})
            case "link" if kind in ("contacts", "items"):
                marks = {name: str(row_id) for name, row_id in body.items() if name.startswith("zcrm_")}
                self.ledger.put(kind, {**row, "_zcrm": marks, "last_modified_time": self.ledger.stamp()})
            case "merge" if kind == "contacts":
                self.contacts.merge(row, self.find(kind, body["into"]))
            case _:
                raise KeyError(action)

    def _pay(self, row: Row, body: Row) -> None:
        """``amount`` (all that is owed by default), ``date``, ``payment_mode``."""
        owed = documents.open_balance(self.ledger, row)
        amount = body.get("amount", owed)
        self.payments.create(
            {
                "customer_id": row["customer_id"],
                "payment_mode": body.get("payment_mode", "banktransfer"),
                "amount": amount,
                "date": body.get("date", self.ledger.today().isoformat()),
                "invoices": [{"invoice_id": row["invoice_id"], "amount_applied": min(amount, owed)}],
            }
        )

    def _pay_bill(self, row: Row, body: Row) -> None:
        amount = body.get("amount", row["total"])
        if amount + row.get("_paid", 0) > row["total"] or row["status"] != "open":
            raise Refused("The amount is more than what is owed.")
        paid = {"_paid": row.get("_paid", 0) + amount, "last_modified_time": self.ledger.stamp()}
        self.ledger.put("bills", {**row, **paid})

    def _act_on_person(self, action: str, record_id: str, values: Mapping[str, Any]) -> Row:
        contact_id, _, person_id = record_id.partition(".")
        if action == "create":
            contact, person = self.contacts.create_person(values)
        else:
            if person_id not in {
                p["contact_person_id"]
                for p in (self.ledger.get("contacts", contact_id) or {}).get("contact_persons", ())
            }:
                raise KeyError(record_id)
            if action == "delete":
                contact, person = self.contacts.find_person(person_id)
                self.contacts.delete_person(person_id)
            elif action == "update":
                contact, person = self.contacts.update_person(person_id, values)
            else:
                raise KeyError(action)
        return {"id": _person_id(contact, person), **_person(contact, person)}

    def _body(self, kind: str, values: Mapping[str, Any]) -> Row:
        """What a person types, in the remote's own form: own fields by name, the rest as bodies have it."""
        body = dict(values)
        own = {f["api_name"]: f for f in fields_of(self.ledger, kind)} if KINDS[kind].entity else {}
        rows = [{"api_name": name, "value": body.pop(name)} for name in list(body) if name in own]
        if rows:
            body["custom_fields"] = [*(body.get("custom_fields") or []), *rows]
        if kind == "contacts":
            self._primary(body, values)
        return body

    def _primary(self, body: Row, values: Mapping[str, Any]) -> None:
        """In the screens a contact's e-mail is typed as the contact's, and kept by its primary person."""
        names = ("first_name", "last_name", "email", "phone", "mobile")
        typed = {name: values[name] for name in names if name in values}
        if not typed or "contact_persons" in values:
            return
        held = self.ledger.get("contacts", values.get("contact_id")) or {}
        persons = [dict(p) for p in held.get("contact_persons", ())]
        primary = next((p for p in persons if p["is_primary_contact"]), None)
        if primary is None:
            primary = {"is_primary_contact": True}
            persons.insert(0, primary)
        primary |= typed
        body["contact_persons"] = persons


def _body_of(request: Request) -> Mapping[str, Any]:
    try:
        return object_of(request.json() if request.body else {}, "body")
    except ValueError:
        raise Refused("Invalid JSON string.", 9) from None


def _number_given(request: Request) -> bool:
    return (request.one("ignore_auto_number_generation") or "").lower() == "true"


def _person_id(contact: Row, person: Row) -> str:
    return f"{contact['contact_id']}.{person['contact_person_id']}"


def _person(contact: Row, person: Row) -> Row:
    return {"contact_id": contact["contact_id"], "contact_name": contact["contact_name"], **person}
