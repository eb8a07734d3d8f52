"""The modules beyond accounts, contacts, products and invoices, custom ones among them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace
from zoho_remote import Remote

from syncline.connect import (
    Catalogue,
    Connection,
    FieldType,
    Item,
    Items,
    Organisation,
    OutcomeKind,
    Session,
    Write,
    WriteKind,
)
from syncline.connect.conformance import PROMISES, Verdict, run
from syncline_zoho.crm.connector import CUSTOM_SCOPE, SCOPES, ZohoCrmConnector

OpenSession = Callable[..., Session]
CONNECTOR = ZohoCrmConnector()
DOCUMENTS = {
    "Quotes": "Quoted_Items",
    "Sales_Orders": "Ordered_Items",
    "Purchase_Orders": "Purchase_Items",
    "Invoices": "Invoiced_Items",
}
RANGES = [{"from_range": 1, "to_range": 9, "discount": 0}]
#: module -> the least that makes a record of it, its lines apart
LEAST: Mapping[str, dict[str, Any]] = {
    "Vendors": {"Vendor_Name": "A"},
    "Quotes": {"Subject": "A"},
    "Sales_Orders": {"Subject": "A"},
    "Purchase_Orders": {"Subject": "A"},
    "Price_Books": {"Price_Book_Name": "A", "Pricing_Details": RANGES},
    "Payments": {"Name": "A"},
}


def least(remote: Remote, module: str) -> dict[str, Any]:
    """A row of the module that the sandbox takes."""
    row = dict(LEAST[module])
    if module in DOCUMENTS:
        product = remote.add("Products", {"Product_Name": "P"})[0]["id"]
        row[DOCUMENTS[module]] = [{"Product_Name": {"id": product}, "Quantity": 1, "List_Price": 5}]
    if module == "Purchase_Orders":
        row["Vendor_Name"] = {"id": remote.add("Vendors", {"Vendor_Name": "V"})[0]["id"]}
    return row


# --- documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "head", "sums"),
    [
        ([{"Quantity": 3, "List_Price": 12.5, "Line_Tax": [{"name": "GST"}]}], {}, (41.25, 0, 0, 41.25)),
        ([{"Quantity": 2, "List_Price": 10, "Discount": 3}], {}, (17, 0, 0, 17)),
        ([{"Quantity": 2, "List_Price": 10, "Discount": "5%"}], {}, (19, 0, 0, 19)),
        ([{"Quantity": 2, "List_Price": 10, "Discount_Percentage__s": 12.5}], {}, (17.5, 0, 0, 17.5)),
        ([{"Quantity": 1, "List_Price": 100}], {"Discount": 20}, (100, 20, 0, 80)),
        ([{"Quantity": 1, "List_Price": 100}], {"Discount_Percentage__s": 7.5}, (100, 7.5, 0, 92.5)),
        ([{"Quantity": 1, "List_Price": 100}], {"$line_tax": [{"name": "GST"}]}, (100, 0, 10, 110)),
        ([{"Quantity": 1, "List_Price": 99.99}], {"Adjustment": -0.04}, (99.99, 0, 0, 99.95)),
        (
            [{"Quantity": 5, "List_Price": 10}, {"Quantity": -2, "List_Price": 10}],
            {},
            (30, 0, 0, 30),
        ),
        ([{"Quantity": 3, "List_Price": 0.3333}], {}, (1, 0, 0, 1)),
    ],
    ids=[
        "a-taxed-line",
        "an-amount-off-a-line",
        "per-cent-off-a-line-as-text",
        "per-cent-off-a-line",
        "an-amount-off-the-document",
        "per-cent-off-the-document",
        "a-tax-on-the-document",
        "an-adjustment",
        "a-row-that-gives-credit",
        "a-price-of-four-decimals",
    ],
)
@pytest.mark.parametrize("module", DOCUMENTS)
def test_the_sums_of_each_kind_of_document(
    remote: Remote,
    module: str,
    lines: list[dict[str, Any]],
    head: dict[str, Any],
    sums: tuple[float, float, float, float],
) -> None:
    row = least(remote, module) if module in LEAST else {**least(remote, "Quotes")}
    rows = row.pop("Quoted_Items", None) or row.pop(DOCUMENTS[module])
    made = remote.add(module, {**row, **head, DOCUMENTS[module]: [{**rows[0], **line} for line in lines]})[0][
        "id"
    ]
    stored = remote.one(module, made)
    assert tuple(stored[name] for name in ("Sub_Total", "Discount", "Tax", "Grand_Total")) == sums
    percent = "Discount_Percentage__s" in head
    assert stored["Discount_Type__s"] == ("Percentage" if percent else "Amount")


@pytest.mark.parametrize("module", ["Quotes", "Sales_Orders", "Purchase_Orders"])
def test_lines_of_a_document_are_read_and_changed_one_by_one(
    remote: Remote, session: Session, module: str
) -> None:
    lines_field = DOCUMENTS[module]
    row = least(remote, module)
    line = row.pop(lines_field)[0]
    row = {name: value for name, value in row.items() if name != lines_field}
    items = Items(items=(Item(values=line), Item(values={**line, "Quantity": 2})))
    write = Write(kind=WriteKind.CREATE, key="k", values={**row, lines_field: items})
    (made,) = session.write(module, [write])
    assert made.kind is OutcomeKind.DONE
    fields = frozenset({"Subject", lines_field, "Exchange_Rate", "Currency", "Grand_Total"})
    (record,) = session.read_ids(module, [str(made.id)], fields)
    assert (record.version, record.values["Grand_Total"]) == (made.version, 15)
    assert (record.values["Currency"], record.values["Exchange_Rate"]) == ("AUD", 1)
    first, second = (each["id"] for each in record.values[lines_field])
    changed = Items(
        items=(Item(id=first, values={"Quantity": 7}), Item(values={**line, "Quantity": 4})),
        removed=(second,),
    )
    update = Write(
        kind=WriteKind.UPDATE, key="u", id=record.id, values={lines_field: changed}, version=record.version
    )
    assert session.write(module, [update])[0].kind is OutcomeKind.DONE
    (scanned,) = (r for page in session.read(module, None, fields) for r in page.records)
    assert [each["Quantity"] for each in scanned.values[lines_field]] == [7, 4]
    assert scanned.values[lines_field][0]["id"] == first


def test_taxes_of_a_whole_document_can_be_read(remote: Remote, session: Session) -> None:
    row = {**least(remote, "Quotes"), "$line_tax": [{"name": "GST"}]}
    made = remote.add("Quotes", row)[0]["id"]
    for fields in (frozenset({"Subject", "$line_tax"}), frozenset({"$line_tax", "Quoted_Items"})):
        (by_id,) = session.read_ids("Quotes", [made], fields)
        (scanned,) = (r for page in session.read("Quotes", None, fields) for r in page.records)
        assert by_id.values["$line_tax"] == scanned.values["$line_tax"]
        assert [(tax["name"], tax["percentage"]) for tax in by_id.values["$line_tax"]] == [("GST", 10)]


# --- every further module -----------------------------------------------------------------------------


@pytest.mark.parametrize("module", LEAST)
def test_a_further_module_in_every_kind_of_call(remote: Remote, module: str) -> None:
    made = remote.add(module, least(remote, module))[0]["id"]
    name = next(iter(LEAST[module]))
    listed = remote.get(f"/crm/v8/{module}", fields=f"{name},Modified_Time").json()["data"]
    assert [(row["id"], row[name]) for row in listed] == [(made, "A")]
    (row,) = remote.coql(f"select {name} from {module} where {name} = 'a'").json()["data"]
    assert row == {"id": made, name: "A"}
    remote.pass_time(61)
    found = remote.get(f"/crm/v8/{module}/search", criteria=f"({name}:equals:A)").json()["data"]
    assert [row["id"] for row in found] == [made]
    assert remote.get(f"/crm/v8/{module}/actions/count").json() == {"count": 1}
    job = remote.post("/crm/bulk/v8/read", {"query": {"module": {"api_name": module}}}).json()
    remote.pass_time(120)
    content = remote.get(f"/crm/bulk/v8/read/{job['data'][0]['details']['id']}/result").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (rows,) = (list(csv.DictReader(io.StringIO(archive.read(n).decode()))) for n in archive.namelist())
    assert [(each["id"], each[name]) for each in rows] == [(made, "A")]
    assert remote.put(module, {"id": made, name: "B"}).json()["data"][0]["code"] == "SUCCESS"
    assert remote.client.delete(f"/crm/v8/{module}/{made}").json()["data"][0]["code"] == "SUCCESS"
    (gone,) = remote.get(f"/crm/v8/{module}/deleted", type="all").json()["data"]
    assert (gone["id"], gone["display_name"], gone["type"]) == (made, "B", "recycle")
    remote.sandbox.act("restore", module, made, {})
    assert remote.one(module, made)[name] == "B"


@pytest.mark.parametrize(
    ("module", "field"),
    [
        ("Purchase_Orders", "Vendor_Name"),
        ("Sales_Orders", "Quote_Name"),
        ("Quotes", "Account_Name"),
        ("Payments", "Invoice"),
    ],
)
def test_a_lookup_to_nobody_is_refused(remote: Remote, module: str, field: str) -> None:
    row = {**least(remote, module), field: {"id": "5725767000000999999"}}
    (answer,) = remote.post(f"/crm/v8/{module}", {"data": [row]}).json()["data"]
    assert (answer["code"], answer["details"]["api_name"]) == ("INVALID_DATA", field)


def test_what_a_merge_moves(remote: Remote) -> None:
    order = remote.add("Purchase_Orders", least(remote, "Purchase_Orders"))[0]["id"]
    old = remote.one("Purchase_Orders", order)["Vendor_Name"]["id"]
    new = remote.add("Vendors", {"Vendor_Name": "Survivor"})[0]["id"]
    remote.sandbox.act("merge", "Vendors", old, {"into": new})
    assert remote.one("Purchase_Orders", order)["Vendor_Name"]["id"] == new
    goes, stays = (row["id"] for row in remote.add("Products", {"Product_Name": "X"}, {"Product_Name": "Y"}))
    entries = {"Products": [{"id": goes, "list_price": 4}]}
    book = remote.sandbox.act("create", "Price_Books", None, {**LEAST["Price_Books"], **entries})["id"]
    remote.sandbox.act("merge", "Products", goes, {"into": stays})
    listed = remote.get(f"/crm/v8/Price_Books/{book}/Products", fields="list_price").json()["data"]
    assert listed == [{"id": stays, "list_price": 4}]


@pytest.mark.parametrize("module", ["Vendors", "Price_Books", "Payments"])
def test_a_change_is_told_by_the_notification_channel(remote: Remote, module: str) -> None:
    remote.sandbox.switches["notification_token"] = "t0ken"
    made = remote.sandbox.act("create", module, None, LEAST[module])["id"]
    delivery = remote.sandbox.deliveries[-1]
    who = Organisation(id="1", name="A")
    options: dict[str, Any] = {"notification_token": "t0ken", "modules": {"Payments": {}}}
    (event,) = CONNECTOR.events(options, who, delivery.headers, delivery.body)
    assert (event.module, event.record) == (module, made)
    if module == "Payments":
        del options["modules"]
        assert CONNECTOR.events(options, who, delivery.headers, delivery.body) == []


def test_the_seeded_business_has_records_of_every_module(demo: Remote) -> None:
    for module in LEAST:
        assert demo.sandbox.records(module), module
    books = demo.sandbox.records("Price_Books")
    assert all(len(book["Products"]) > 2 for book in books)
    ids = [
        line["id"]
        for module, field in DOCUMENTS.items()
        for row in demo.sandbox.records(module)
        for line in row[field]
    ]
    assert len(ids) == len(set(ids))


# --- currencies ---------------------------------------------------------------------------------------


def test_a_currency_that_is_put_to_rest_is_told_and_refused(remote: Remote, session: Session) -> None:
    remote.sandbox.act("update", "Currencies", None, {"iso_code": "NZD", "is_active": False})
    (page,) = session.read("Currencies", None, frozenset())
    assert {r.key: r.values["is_active"] for r in page.records} == {"AUD": True, "NZD": False, "USD": True}
    (answer,) = remote.post("/crm/v8/Vendors", {"data": [{"Vendor_Name": "A", "Currency": "NZD"}]}).json()[
        "data"
    ]
    assert (answer["code"], answer["details"]["api_name"]) == ("INVALID_DATA", "Currency")


# --- custom modules -----------------------------------------------------------------------------------


def test_a_declared_custom_module_is_known_offline() -> None:
    options = {"modules": {"Payments": {}, "Credit_Notes": {"label": "Credits"}}}
    catalogue = CONNECTOR.catalogue_for(options)
    payments, credits_ = catalogue.module("Payments"), catalogue.module("Credit_Notes")
    assert payments is not None
    assert credits_ is not None
    assert (payments.label, credits_.label) == ("Payments", "Credits")
    name = payments.field("Name")
    assert name is not None
    assert (name.required, name.max_length) == (True, 120)
    assert CONNECTOR.catalogue_for({}) == CONNECTOR.catalogue()
    assert CONNECTOR.catalogue().module("Payments") is None


@pytest.mark.parametrize(
    ("modules", "good"),
    [
        ({"Payments": {}}, True),
        ({"Payments": {"label": "Receipts"}}, True),
        ({"Invoices": {}}, False),
        ({"Invoiced_Items": {}}, False),
        ({"Taxes": {}}, False),
        ({"Pay ments": {}}, False),
        ({"Payments": {"fields": {}}}, False),
    ],
    ids=["bare", "labelled", "a-standard-one", "a-subform", "a-look-up", "no-api-name", "an-unknown-key"],
)
def test_which_custom_modules_may_be_declared(modules: dict[str, Any], good: bool) -> None:
    validator = jsonschema.Draft202012Validator(CONNECTOR.options_schema)
    assert validator.is_valid({"modules": modules}) is good


def test_the_scope_of_custom_modules_is_asked_for_only_when_one_is_declared() -> None:
    assert CONNECTOR.oauth({}, {}).scopes == SCOPES
    assert CONNECTOR.oauth({"modules": {"Payments": {}}}, {}).scopes == (*SCOPES, CUSTOM_SCOPE)
    assert not any(scope.startswith("ZohoCRM.modules.ALL") for scope in SCOPES)


def test_a_custom_module_that_somebody_makes_works_like_a_standard_one(
    remote: Remote, session: Session
) -> None:
    fields = [{"api_name": "Amount", "data_type": "currency", "length": 16, "decimal_place": 2}]
    remote.sandbox.act("create", "Modules", "Refunds", {"label": "Refunds", "fields": fields})
    refunds = session.discover().module("Refunds")
    assert refunds is not None
    amount = refunds.field("Amount")
    assert amount is not None
    assert (amount.type, amount.places, amount.custom) == (FieldType.DECIMAL, 2, True)
    writes = [Write(kind=WriteKind.CREATE, key="k", values={"Name": "R-1", "Amount": 5})]
    (made,) = session.write("Refunds", writes)
    assert made.kind is OutcomeKind.DONE
    (record,) = (r for page in session.read("Refunds", None, frozenset({"Amount"})) for r in page.records)
    assert (record.id, record.version, record.values["Amount"]) == (made.id, made.version, 5)
    (nameless,) = session.write("Refunds", [Write(kind=WriteKind.CREATE, key="k", values={"Amount": 5})])
    assert (nameless.kind, nameless.field) == (OutcomeKind.REFUSED, "Name")


class WithPayments(ZohoCrmConnector):
    """A connector all of whose systems declare one custom module; the others are there to be referred to."""

    OPTIONS: Mapping[str, Any] = {"modules": {"Payments": {}}}

    def catalogue(self) -> Catalogue:
        modules = super().catalogue_for(self.OPTIONS).modules
        return Catalogue(tuple(m if m.name == "Payments" else replace(m, lookup=True) for m in modules))

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> Any:
        return super().oauth({**options, **self.OPTIONS}, callback)

    def open(self, connection: Connection) -> Session:
        return super().open(replace(connection, options={**connection.options, **self.OPTIONS}))


def test_a_custom_module_keeps_every_promise_of_the_contract() -> None:
    report = run(WithPayments(), only=[p.name for p in PROMISES if p.by_module])
    assert {f.promise.name: f.why for f in report.findings if f.verdict is Verdict.FAILED} == {}
    held = {f.promise.name for f in report.findings if f.verdict is Verdict.HOLDS}
    assert {"create-batch", "stored", "taken", "conditional", "delete", "lost-answer", "changes"} <= held
