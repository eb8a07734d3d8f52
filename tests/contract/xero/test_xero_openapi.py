"""Every request of the connector, and every answer of the sandbox, is one of Xero's OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from xero_openapi import Call, Judge, contract, load

from syncline.connect import Item, Items, Outcome, Session, Write, WriteKind
from syncline_xero.catalogue import CATALOGUE

Remote = Any
API = "/api.xro/2.0"
FILE = "xero/xero_accounting.yaml"
STOCK = frozenset({"QuantityOnHand"})

#: What the document lacks or has wrong, by what its own samples, its prose or Xero's SDKs show.
KNOWN_FAULTS: dict[str, str] = {
    **{
        f"{collection}.{name}: not in the document": "the envelope, which each of its samples has"
        for collection in (
            "Accounts",
            "Allocations",
            "BrandingThemes",
            "Contacts",
            "CreditNotes",
            "Currencies",
            "Invoices",
            "Items",
            "Organisations",
            "Payments",
            "PurchaseOrders",
            "Quotes",
            "TaxRates",
            "TrackingCategories",
            "Users",
        )
        for name in ("Id", "Status", "ProviderName", "DateTimeUTC")
    },
    **{
        f"{place}String: not in the document": "a day beside its own text, as its samples have it"
        for place in (
            "Allocation.Date",
            "CreditNote.Date",
            "CreditNote.DueDate",
            "Invoice.Date",
            "Invoice.DueDate",
            "Invoice.ExpectedPaymentDate",
            "Invoice.PlannedPaymentDate",
            "Payment.Date",
            "PurchaseOrder.Date",
            "PurchaseOrder.DeliveryDate",
            "PurchaseOrder.ExpectedArrivalDate",
        )
    },
    "CreditNote.ID: not in the document": "its samples have it",
    "PurchaseOrder.HasErrors: not in the document": "its samples have it",
    "PurchaseOrder.IsDiscounted: not in the document": "its samples have it",
    "PurchaseOrder.Type: not in the document": "its samples have it",
    "Element.PaymentID: not in the document": "the element as it was sent, of which it names some ids only",
    "Element.Status: not in the document": "the element as it was sent",
    "Element.HasValidationErrors: not in the document": "the element as it was sent",
    "Element.StatusAttributeString: not in the document": "the element as it was sent",
    "Item.Code: required, but absent": "in a creation alone: an update names the item by ItemID",
    "GET /CreditNotes/{CreditNoteID}: never answers 404": "it knows no error but 400",
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    file = contract(FILE)
    if file is None:
        pytest.skip(
            f"{FILE} is neither beside the checkout nor below SYNCLINE_CONTRACTS: nothing was checked"
        )
    return Judge(load(file))


@pytest.fixture
def listen() -> Callable[[Remote], list[Call]]:
    def start(remote: Remote) -> list[Call]:
        calls: list[Call] = []

        def hear(template: str, request: Any, reply: Any) -> None:
            if request.path.startswith(API):
                calls.append(
                    Call(
                        method=request.method,
                        path=request.path.removeprefix(API),
                        query=request.query,
                        headers=frozenset(request.headers),
                        body=request.body,
                        status=reply.status,
                        answer=reply.body,
                        kind=reply.headers.get("Content-Type", ""),
                    )
                )

        remote.server.listeners.append(hear)
        return calls

    return start


def expect_valid(judge: Judge, calls: Sequence[Call]) -> set[str]:
    """The known faults that were met."""
    found: dict[str, str] = {}
    for call in calls:
        for finding in judge.findings(call):
            found.setdefault(finding, f"{call.method} {call.path} -> {call.status}")
    unknown = {text: where for text, where in found.items() if text not in KNOWN_FAULTS}
    assert not unknown, "\n".join(f"{text}  ({where})" for text, where in sorted(unknown.items()))
    return set(found)


def test_reads(judge: Judge, demo: Remote, listen: Callable[[Remote], list[Call]]) -> None:
    calls = listen(demo)
    session = demo.open_session()
    session.check()
    session.discover()
    for module in CATALOGUE.modules:
        records, cursor = [], ""
        for page in session.read(module.name, None, STOCK):
            records += page.records
            cursor = page.cursor
        list(session.read(module.name, cursor, STOCK))
        session.count(module.name)
        session.read_ids(module.name, [r.id for r in records[:3]], frozenset())
        session.read_ids(module.name, [r.id for r in records[:1]], frozenset())
    demo.server.listeners.clear()
    assert len({call.path for call in calls}) > 25
    expect_valid(judge, calls)


def _lines(account: str, **more: Any) -> Items:
    tracking = [{"Name": "Region", "Option": "North"}]
    line = {"Description": "d", "Quantity": 2, "UnitAmount": 50, "AccountCode": account, "TaxAmount": 10}
    return Items(items=(Item(values={**line, "Tracking": tracking, **more}),))


class Story:
    """Everything that the connector writes, once, refusals among it."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.session: Session = remote.open_session()
        self.numbers: Iterator[int] = iter(range(1000))

    def write(self, module: str, kind: WriteKind, *ids: str | None, **values: Any) -> list[Outcome]:
        writes = [Write(kind=kind, key=f"k{next(self.numbers)}", id=i, values=values) for i in ids]
        return list(self.session.write(module, writes))

    def make(self, module: str, **values: Any) -> str:
        (outcome,) = self.write(module, WriteKind.CREATE, None, **values)
        assert outcome.id is not None, outcome.message
        return outcome.id

    def tell(self) -> None:
        self.contacts()
        self.items()
        for module in ("Invoices", "Bills", "CreditNotes", "SupplierCredits"):
            self.ledger_document(module)
        self.quote()
        self.order()
        self.credits_and_payments()

    def contacts(self) -> None:
        self.contact = self.make(
            "Contacts",
            Name="Ann",
            ContactNumber="A1",
            EmailAddress="a@x.example",
            Phones=[{"PhoneType": "MOBILE", "PhoneNumber": "1"}],
            Addresses=[{"AddressType": "STREET", "City": "Perth"}],
            ContactPersons=[{"FirstName": "P", "IncludeInEmails": True}],
            DefaultCurrency="AUD",
            PaymentTerms={"Sales": {"Day": 7}},
        )
        self.write("Contacts", WriteKind.CREATE, None, Name="ann")
        self.write("Contacts", WriteKind.UPDATE, self.contact, TaxNumber="1", EmailAddress=None)
        other = self.make("Contacts", Name="Bo")
        self.write("Contacts", WriteKind.ARCHIVE, other)
        self.write("Contacts", WriteKind.RESTORE, other)

    def items(self) -> None:
        self.item = self.make(
            "Items",
            Code="W",
            Name="Widget",
            SalesDetails={"UnitPrice": 1, "AccountCode": "200", "TaxType": "OUTPUT"},
            PurchaseDetails={"UnitPrice": 1, "COGSAccountCode": "310"},
            InventoryAssetAccountCode="630",
        )
        self.write("Items", WriteKind.UPDATE, self.item, Name="Other")
        self.write("Items", WriteKind.CREATE, None, Code="W")
        self.write("Items", WriteKind.DELETE, self.make("Items", Code="V"))

    def document(self, module: str, **more: Any) -> dict[str, Any]:
        account = "200" if module in ("Invoices", "CreditNotes", "Quotes") else "400"
        return {
            "Contact": {"ContactID": self.contact},
            "Date": "2026-11-02",
            "LineItems": _lines(account),
            "CurrencyCode": "AUD",
            **more,
        }

    def ledger_document(self, module: str) -> None:
        number = "CreditNoteNumber" if module in ("CreditNotes", "SupplierCredits") else "InvoiceNumber"
        more: dict[str, Any] = {"DueDate": "2026-12-01", "LineAmountTypes": "Inclusive"}
        if module == "Invoices":
            more |= {"Reference": "r", "Url": "https://crm.example/1", "ExpectedPaymentDate": "2026-12-01"}
        if module == "Bills":
            more |= {"PlannedPaymentDate": "2026-12-01"}
        made = self.make(module, **self.document(module, **more, **{number: "N-1"}))
        self.write(module, WriteKind.UPDATE, made, Status="AUTHORISED")
        if module == "Invoices":
            self.write(module, WriteKind.UPDATE, made, SentToContact=True)
        self.write(module, WriteKind.UPDATE, made, Status="DRAFT")
        self.write(module, WriteKind.VOID, made, "00000000-0000-0000-0000-00000000000a")
        self.write(module, WriteKind.DELETE, self.make(module, **self.document(module)))

    def quote(self) -> None:
        about = {"Title": "T", "Summary": "S", "Terms": "t", "ExpiryDate": "2026-12-01"}
        lines = _lines("200", DiscountRate=10)
        made = self.make(
            "Quotes",
            **self.document("Quotes", **about, LineItems=lines, LineAmountTypes="INCLUSIVE"),
        )
        (read,) = self.session.read_ids("Quotes", [made], frozenset())
        line = read.values["LineItems"][0]["LineItemID"]
        change = Items(items=(Item(id=line, values={"Tracking": [{"Name": "Region", "Option": "South"}]}),))
        self.write("Quotes", WriteKind.UPDATE, made, LineItems=change)
        self.write("Quotes", WriteKind.UPDATE, made, Status="INVOICED")
        self.write("Quotes", WriteKind.DELETE, made)

    def order(self) -> None:
        about = {
            "DeliveryDate": "2026-12-01",
            "ExpectedArrivalDate": "2026-12-01",
            "DeliveryAddress": "1 Way",
            "AttentionTo": "A",
            "Telephone": "1",
            "DeliveryInstructions": "i",
            "Reference": "r",
        }
        made = self.make("PurchaseOrders", **self.document("PurchaseOrders", **about))
        self.write("PurchaseOrders", WriteKind.UPDATE, made, SentToContact=True)
        self.write("PurchaseOrders", WriteKind.UPDATE, made, Status="BILLED")
        self.write("PurchaseOrders", WriteKind.DELETE, made)

    def credits_and_payments(self) -> None:
        due = {"Status": "AUTHORISED", "DueDate": "2026-12-01"}
        pairs = (
            ("Invoices", "CreditNotes", "Invoice", "CreditNote"),
            ("Bills", "SupplierCredits", "Bill", "SupplierCredit"),
        )
        for documents, notes, document, credit in pairs:
            owed = self.make(documents, **self.document(documents, **due))
            off = {document: {"InvoiceID": owed}, "Amount": 10, "Date": "2026-11-05"}
            values = self.document(notes, **due, Allocations=Items(items=(Item(values=off),)))
            note = self.make(notes, **values)
            (read,) = self.session.read_ids(notes, [note], frozenset())
            allocation = read.values["Allocations"][0]["AllocationID"]
            much = Item(values={**off, "Amount": 9999})
            self.write(notes, WriteKind.UPDATE, note, Allocations=Items(items=(much,)))
            gone = Items(items=(), removed=(allocation,))
            self.write(notes, WriteKind.UPDATE, note, Allocations=gone)
            for name, paid in ((document, {"InvoiceID": owed}), (credit, {"CreditNoteID": note})):
                money = {name: paid, "Account": {"Code": "090"}, "Date": "2026-11-05", "Reference": "r"}
                payment = self.make("Payments", **money, Amount=5)
                self.write("Payments", WriteKind.CREATE, None, **money, Amount=9999)
                self.write("Payments", WriteKind.DELETE, payment)
                self.write("Payments", WriteKind.DELETE, payment)
        for module in CATALOGUE.modules:
            for page in self.session.read(module.name, None, STOCK):
                self.session.read_ids(module.name, [r.id for r in page.records[:1]], frozenset())


def test_writes(judge: Judge, remote: Remote, listen: Callable[[Remote], list[Call]]) -> None:
    calls = listen(remote)
    Story(remote).tell()
    assert {call.method for call in calls} == {"GET", "PUT", "POST", "DELETE"}
    assert {call.status for call in calls} >= {200, 204, 400}
    met = expect_valid(judge, calls)
    assert not KNOWN_FAULTS.keys() - met, "known faults that are none any more"


def test_the_judge_finds_what_is_wrong(judge: Judge) -> None:
    def found(**change: Any) -> set[str]:
        body = b'{"Payments": [{"Amount": "5", "Colour": 1, "PaymentType": "ACCRECPAYMENT", "Status": "X"}]}'
        plain: dict[str, Any] = {
            "method": "PUT",
            "path": "/Payments",
            "query": {"unitdp": ["4"], "summarizeErrors": ["no"]},
            "headers": frozenset({"if-modified-since"}),
            "body": body,
            "status": 418,
            "answer": b"",
            "kind": "",
        }
        return set(judge.findings(Call(**{**plain, **change})))

    assert found() == {
        "PUT /Payments: no parameter unitdp",
        "PUT /Payments: summarizeErrors cannot be 'no'",
        "PUT /Payments: no header if-modified-since",
        "Payment.Amount: str is no number",
        "Payment.Colour: not in the document",
        "Payment.PaymentType: read-only, but sent",
        "Payment.Status: 'X' is not one of its values",
        "PUT /Payments: never answers 418",
    }
    assert found(path="/Nothing") == {"PUT /Nothing: no such operation"}
