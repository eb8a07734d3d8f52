"""Every request of the connector and every reply of the sandbox against the vendor's OpenAPI documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from crm_openapi import Documents, Finding, folder
from zoho_remote import Remote, StaticSignIn, start

from syncline.connect import (
    Connection,
    HttpClient,
    Item,
    Items,
    OutcomeKind,
    SentWrite,
    Session,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Reply, Request, make_world
from syncline_zoho.crm.connector import ZohoCrmConnector

Exchange = tuple[Request, Reply]
TODAY = datetime.now(UTC)
#: (what the judge says, why it is a fault of the documents)
KNOWN: Sequence[tuple[str, str]] = (
    (
        r"^record.json .*: request header if-unmodified-since",
        "taken by the API (Update Records) and declared nowhere",
    ),
    (
        r"^record.json PUT .*: reply .*ALREADY_MODIFIED",
        "the code of a refused If-Unmodified-Since is missing among the codes, as is its status 412",
    ),
    (
        r"^record.json .*: reply \$.message: 'the module name given seems to be invalid' is not one of",
        "written with a capital here and without one in record_count.json",
    ),
    (
        r"^record.json .*: reply \$.code: 'DISCRETE_PAGINATION_LIMIT_EXCEEDED' is not one of",
        "the code of Get Records for pages beyond 2,000 records is missing among the codes",
    ),
    (
        r"^record.json GET .*/actions/count: reply \$.count: \d+ is not of type 'string', 'null'",
        "a count is a number in Zoho's samples and in its SDK (an Integer)",
    ),
    (
        r"^coql.json .*\$\.data\[\]\.(Owner|Created_By|Modified_By): 'name' is a required property",
        "queries give a lookup's id alone (COQL overview)",
    ),
    (
        r"^(fields|layouts).json .*\.external: None is not of type",
        "null for nearly every field in Zoho's samples",
    ),
    (
        r"^org.json .*\.license_details\.trial_\w+: None is not of type",
        "null for a paid licence in Zoho's samples",
    ),
    (
        r"^modules.json .*\.modified_by: None is not of type",
        "null for modules that nobody has changed in Zoho's samples",
    ),
    (
        r"^users.json .*\.email: .* does not match",
        "the pattern is that of an example: nine letters at five letters dot com",
    ),
    (
        r"^currencies.json .*\.exchange_rate: .* does not match",
        "the pattern wants two digits before the point: no rate below ten would do",
    ),
    (
        r"^bulk_read.json .*'(id|cvid|fields|page|criteria|file_type)' is a required property",
        "everything is required, even criteria and a view at once; Zoho's samples send a few of them",
    ),
    (
        r"/org/taxes|'org_taxes'",
        "the call has no document here, so the one of a record's stands in for it",
    ),
)


@pytest.fixture(scope="module")
def documents() -> Documents:
    at = folder()
    if at is None:
        pytest.skip(
            "NOTHING WAS CHECKED against Zoho's OpenAPI documents: they are neither in ../shared/contracts"
            " beside the checkout nor below the folder that SYNCLINE_CONTRACTS names"
            " (zoho-crm/v8.0/record.json)"
        )
    return Documents(at)


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    """What went over the wire: a connector at all its work, and the sandbox's other calls."""
    heard: list[Exchange] = []
    for remote in start(make_world("demo")):
        remote.server.listeners.append(lambda template, request, reply: heard.append((request, reply)))
        for _ in connector_at_work(remote):
            pass
        for _ in other_calls(remote):
            pass
    return [(request, reply) for request, reply in heard if request.path.startswith("/crm/")]


def connector_at_work(remote: Remote) -> Iterator[object]:
    with HttpClient(sign_in=StaticSignIn(remote.token)) as http:
        options = {"base_url": remote.server.base_url, "modules": {"Payments": {}}}
        session = ZohoCrmConnector().open(Connection(options=options, http=http))
        yield session.check()
        for module in session.discover().modules:
            names = frozenset(field.name for field in module.fields)
            cursor = None
            ids: list[str] = []
            for _ in range(2):
                for page in session.read(module.name, cursor, names):
                    cursor = page.cursor
                    ids += [record.id for record in page.records][:3]
            yield session.read_ids(module.name, ids[:3], names)
            yield session.count(module.name)
        yield from writes(remote, session)


def writes(remote: Remote, session: Session) -> Iterator[object]:
    made: dict[str, str] = {}

    def create(module: str, *rows: dict[str, Any]) -> list[Write]:
        found = [Write(kind=WriteKind.CREATE, key=f"{module}{n}", values=row) for n, row in enumerate(rows)]
        for outcome in session.write(module, found):
            if outcome.kind is OutcomeKind.DONE:
                made[module] = str(outcome.id)
        return found

    sent = create(
        "Accounts", {"Account_Name": "A", "Xero_ID": "x"}, {"Account_Name": "B", "Xero_ID": "x"}, {}
    )
    yield session.settle("Accounts", [SentWrite(write=sent[0], sent_at=TODAY)])
    create("Accounts", {"Account_Name": "R", "Company_Profile": "x" * 600, "Currency": "USD"})
    create("Products", {"Product_Name": "P", "Tax": ["GST"], "Qty_in_Stock": 4})
    create("Vendors", {"Vendor_Name": "V", "Email": "no address"}, {"Vendor_Name": "V"})
    create("Contacts", {"Last_Name": "C", "Account_Name": {"id": made["Accounts"]}})
    line = {
        "Product_Name": {"id": made["Products"]},
        "Quantity": 2,
        "List_Price": 5,
        "Line_Tax": [{"name": "GST", "percentage": 10}],
    }
    lines = {
        "Quotes": "Quoted_Items",
        "Sales_Orders": "Ordered_Items",
        "Purchase_Orders": "Purchase_Items",
        "Invoices": "Invoiced_Items",
    }
    for module, field in lines.items():
        row: dict[str, Any] = {"Subject": "D", field: Items(items=(Item(values=line), Item(values=line)))}
        if module == "Purchase_Orders":
            row["Vendor_Name"] = {"id": made["Vendors"]}
        create(module, row)
    entries = Items(items=(Item(values={"Product_Name": {"id": made["Products"]}, "list_price": 3}),))
    ranges = [{"from_range": 1, "to_range": 9, "discount": 0}]
    create("Price_Books", {"Price_Book_Name": "L", "Pricing_Details": ranges, "Products": entries})
    create("Payments", {"Name": "Pay", "Amount": 5, "Invoice": {"id": made["Invoices"]}}, {"Amount": 4})
    for module, record_id in made.items():
        yield session.read_ids(module, [record_id], frozenset({"Modified_Time", "Company_Profile"}))
        values: dict[str, Any] = {"Products": Items(items=())} if module == "Price_Books" else {"Owner": None}
        if module in lines:
            values = {"Adjustment": 1, lines[module]: Items(items=(Item(values=line),))}
        for version in (f"{TODAY.year + 1}-01-01T00:00:00Z", "2020-01-01T00:00:00Z", None):
            write = Write(kind=WriteKind.UPDATE, key="u", id=record_id, values=values, version=version)
            yield session.write(module, [write])
    for module, record_id in reversed(made.items()):
        gone = Write(kind=WriteKind.DELETE, key="d", id=record_id)
        yield session.write(module, [gone])
        yield session.write(module, [gone])
    remote.pass_time(400)
    for module in made:
        cursor = None
        for _ in range(2):
            for page in session.read(module, cursor, frozenset()):
                cursor = page.cursor


def other_calls(remote: Remote) -> Iterator[object]:
    """What the connector has no use for, and the sandbox serves."""
    for module in ("Accounts", "Quotes", "Price_Books", "Payments"):
        (record_id, *_) = (row["id"] for row in remote.sandbox.records(module) if row["$state"] == "live")
        yield remote.get(f"/crm/v8/{module}", fields="Owner,Modified_Time", per_page=2)
        yield remote.get(f"/crm/v8/{module}")
        yield remote.get(f"/crm/v8/{module}/{record_id}")
        yield remote.get(f"/crm/v8/{module}/search", word="a")
        yield remote.get(f"/crm/v8/{module}/actions/count")
        yield remote.get(f"/crm/v8/{module}/deleted", type="all")
        yield remote.get(f"/crm/v8/settings/modules/{module}")
        yield remote.get("/crm/v8/settings/layouts", module=module)
        yield remote.get("/crm/v8/settings/fields", module=module)
    yield remote.get("/crm/v8/Nonsense", fields="id")
    yield remote.get("/crm/v8/Accounts", fields="id", page=11, per_page=200)
    yield remote.client.get("/crm/v8/Accounts", headers={"Authorization": "Zoho-oauthtoken 1000.no"})
    yield remote.put("Accounts", {"id": "5725767000000999999", "Phone": "1"})
    yield remote.post("/crm/v8/Accounts/upsert", {"data": [{"Account_Name": "U"}, {"Account_Name": "U"}]})
    yield remote.get(f"/crm/v8/users/{remote.org.actor}")
    yield remote.get("/crm/v8/org/currencies/" + remote.org.facts["currencies"][0]["id"])
    job = remote.post("/crm/bulk/v8/read", {"query": {"module": {"api_name": "Vendors"}}}).json()
    yield remote.get("/crm/bulk/v8/read/" + job["data"][0]["details"]["id"])
    yield remote.coql("select nothing from Vendors")
    yield remote.coql("select Nothing from Vendors where id is not null")
    book = remote.sandbox.records("Price_Books")[0]["id"]
    yield remote.get(f"/crm/v8/Price_Books/{book}/Products", fields="Product_Name,list_price")
    yield remote.client.put(
        f"/crm/v8/Price_Books/{book}/Products", json={"data": [{"id": "1", "list_price": 1}]}
    )
    yield remote.client.delete(f"/crm/v8/Price_Books/{book}/Products", params={"ids": "1"})


def findings(documents: Documents, exchanges: Sequence[Exchange]) -> list[Finding]:
    found: dict[str, Finding] = {}
    for request, reply in exchanges:
        query = {name: values[0] for name, values in request.query.items()}
        body = json.loads(request.body) if request.body else None
        told = list(documents.judge_request(request.method, request.path, query, request.headers, body))
        answer = None
        if reply.body and reply.headers.get("Content-Type", "application/json").startswith(
            "application/json"
        ):
            answer = json.loads(reply.body)
        told += documents.judge_reply(request.method, request.path, reply.status, answer)
        for each in told:
            found.setdefault(str(each), each)
    return list(found.values())


def test_every_request_and_every_reply_is_as_the_documents_have_it(
    documents: Documents, exchanges: list[Exchange]
) -> None:
    assert len(exchanges) > 150
    found = [str(each) for each in findings(documents, exchanges)]
    unknown = [told for told in found if not any(re.search(fault, told) for fault, _ in KNOWN)]
    assert unknown == [], "\n".join(u[:300] for u in unknown)
    settled = [fault for fault, _ in KNOWN if not any(re.search(fault, told) for told in found)]
    assert settled == [], "a fault that is told of has been found no more"


def test_what_no_document_has_is_found(documents: Documents) -> None:
    """The judge can say no."""

    def told(method: str, path: str, status: int, body: Any) -> list[str]:
        return [str(each) for each in documents.judge_reply(method, path, status, body)]

    assert told("GET", "/crm/v8/Accounts/1", 200, {"data": [{"id": "1"}]}) == []
    assert told("GET", "/crm/v8/Accounts/1", 200, {"data": [{"id": 1}]})
    assert told("GET", "/crm/v8/Accounts/1", 200, {"rows": []})
    assert told("POST", "/crm/v8/Accounts", 400, {"code": "NO_SUCH_CODE", "status": "error"})
    (stray,) = documents.judge_request("GET", "/crm/v8/Accounts", {"fields": "id", "stray": "1"}, {}, None)
    assert stray.where == "query stray"
    assert next(documents.judge_request("GET", "/crm/v8/a/b/c/d/e/f", {}, {}, None)).call is None
