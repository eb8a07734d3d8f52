"""The Zoho Books sandbox is as strict as the service: limits, lists, states, money, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from books_remote import ROOT, Books, books

from syncline.connect.sandbox import SandboxSettings, make_world
from syncline_zoho.books.sandbox import ZohoBooksSandbox


@pytest.fixture
def remote() -> Iterator[Books]:
    with books() as found:
        yield found


@pytest.fixture(scope="module")
def demo() -> Iterator[Books]:
    """The demo business, for tests that only read."""
    with books(make_world("demo")) as found:
        yield found


@pytest.fixture
def customer(remote: Books) -> str:
    return str(remote.act("create", "contacts", contact_name="Banksia Dental")["contact_id"])


@pytest.fixture
def vendor(remote: Books) -> str:
    row = remote.act("create", "contacts", contact_name="Ironbark", contact_type="vendor")
    return str(row["contact_id"])


@pytest.fixture
def item(remote: Books) -> str:
    return str(remote.act("create", "items", name="Pump", sku="PUM-1", rate=Decimal("99.95"))["item_id"])


def invoice(remote: Books, customer: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"customer_id": customer, "line_items": list(lines) or [{"name": "Work", "rate": 100}], **more}
    found: dict[str, Any] = remote.made("/invoices", body, "invoice")
    return found


def tax(remote: Books, name: str) -> str:
    return next(row["tax_id"] for row in remote.rows("taxes") if row["tax_name"] == name)


# --- the gate ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        pytest.param({"Authorization": ""}, {}, 401, 57, id="without a token"),
        pytest.param({"Authorization": "Zoho-oauthtoken 1000.x.y"}, {}, 401, 57, id="with a strange token"),
        pytest.param({}, {"organization_id": ""}, 400, 6, id="without an organisation"),
        pytest.param({}, {"organization_id": "123"}, 400, 6, id="for somebody else's organisation"),
    ],
)
def test_calls_that_are_turned_away(
    remote: Books, headers: dict[str, str], params: dict[str, str], status: int, code: int
) -> None:
    asked = {"organization_id": remote.id, **params}
    reply = remote.client.get(f"{ROOT}/contacts", params=asked, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_a_scope_that_was_not_granted_is_told_by_the_same_code_as_a_dead_token(remote: Books) -> None:
    with remote.sandbox.lock:
        code = remote.sandbox.accounts.self_client_code(["ZohoBooks.contacts.READ"])
    told = remote.sandbox.credentials()
    form = {
        "grant_type": "authorization_code",
        "client_id": told["client_id"],
        "client_secret": told["client_secret"],
        "code": code,
    }
    token = httpx.post(f"{remote.server.base_url}/oauth/v2/token", data=form, verify=False).json()
    headers = {"Authorization": f"Zoho-oauthtoken {token['access_token']}"}
    assert remote.call("GET", "/contacts", headers=headers).status_code == 200
    for method, path in (("POST", "/contacts"), ("GET", "/invoices"), ("GET", "/items")):
        assert remote.call(method, path, headers=headers).json()["code"] == 57


def test_more_calls_than_a_minute_takes_are_refused_until_it_has_passed() -> None:
    with books(limits=True) as remote:
        for _ in range(100):
            remote.get("/settings/currencies")
        refused = remote.call("GET", "/settings/currencies")
        assert (refused.status_code, refused.json()["code"]) == (429, 44)
        assert remote.call("GET", "/settings/taxes", organization_id=remote.other_id).status_code == 200
        remote.pass_time(61)
        assert remote.call("GET", "/settings/currencies").status_code == 200


def test_more_calls_than_a_day_takes_are_refused_until_midnight() -> None:
    with books(limits=True) as remote:
        remote.sandbox.switches["plan"] = "free"
        for number in range(1000):
            if number % 90 == 0:
                remote.pass_time(61)
            reply = remote.call("GET", "/settings/currencies")
        assert reply.headers["x-rate-limit-remaining"] == "0"
        refused = remote.call("GET", "/settings/currencies")
        assert (refused.status_code, refused.json()["code"]) == (429, 45)
        remote.pass_time(int(refused.headers["x-rate-limit-reset"]) + 1)
        assert remote.call("GET", "/settings/currencies").headers["x-rate-limit-remaining"] == "999"


@pytest.mark.parametrize("name", ["minute", "concurrency", "day"])
def test_each_429_is_told_apart_by_its_code(remote: Books, name: str) -> None:
    reply = remote.sandbox.remote_fault(name)
    code = {"minute": b"44", "concurrency": b"1070", "day": b"45"}[name]
    assert reply.status == 429
    assert b'"code":' + code in reply.body


@pytest.mark.parametrize(
    ("method", "path", "params", "json"),
    [
        pytest.param("POST", "/invoices/1/email", {}, {}, id="the e-mail call of an invoice"),
        pytest.param("POST", "/contacts/1/statements/email", {}, {}, id="a statement"),
        pytest.param("POST", "/invoices/1/paymentreminder", {}, {}, id="a reminder"),
        pytest.param("POST", "/invoices", {"send": "true"}, {}, id="a create that asks for mail"),
        pytest.param("POST", "/invoices", {}, {"send": True}, id="a body that asks for mail"),
    ],
)
def test_no_mail_is_ever_sent(remote: Books, method: str, path: str, params: Any, json: Any) -> None:
    assert remote.call(method, path, json, **params).status_code == 400
    assert remote.sandbox.effects["emails"] == 1


def test_two_organisations_share_names_and_numbers_and_nothing_else(demo: Books) -> None:
    here = demo.get("/invoices", per_page=200)["invoices"]
    there = demo.get("/invoices", organization_id=demo.other_id)["invoices"]
    assert {row["invoice_number"] for row in there} & {row["invoice_number"] for row in demo.rows("invoices")}
    assert not {row["invoice_id"] for row in there} & {row["invoice_id"] for row in here}
    refused = demo.call("GET", f"/invoices/{there[0]['invoice_id']}")
    assert (refused.status_code, refused.json()["code"]) == (404, 1002)


# --- lists ------------------------------------------------------------------------------------------


def test_a_list_tells_its_page_its_order_and_whether_there_is_more(demo: Books) -> None:
    body = demo.get("/contacts", page=2, per_page=50, sort_column="last_modified_time", sort_order="D")
    context = body["page_context"]
    assert len(body["contacts"]) == 50
    assert (context["page"], context["per_page"], context["has_more_page"]) == (2, 50, True)
    assert (context["sort_column"], context["sort_order"]) == ("last_modified_time", "D")
    assert context["applied_filter"] == "Status.All"


@pytest.mark.parametrize(
    ("path", "asked", "told"),
    [
        pytest.param("/items", {"sort_column": "last_modified_time"}, ("name", "A"), id="a column unknown"),
        pytest.param("/purchaseorders", {"sort_order": "A"}, ("created_time", "D"), id="orders' direction"),
        pytest.param("/contacts", {"sort_colum": "email"}, ("contact_name", "A"), id="a misspelt one"),
        pytest.param(
            "/invoices", {"sort_column": "date", "sort_order": "A"}, ("date", "A"), id="a known one"
        ),
    ],
)
def test_what_a_list_does_not_know_is_passed_over(
    demo: Books, path: str, asked: dict[str, str], told: tuple[str, str]
) -> None:
    context = demo.get(path, **asked)["page_context"]
    assert (context["sort_column"], context["sort_order"]) == told


@pytest.mark.parametrize(
    ("path", "heeded"),
    [
        ("/invoices", True), ("/bills", True), ("/purchaseorders", True), ("/estimates", True),
        ("/salesorders", True), ("/chartofaccounts", True), ("/contacts", False), ("/items", False),
        ("/creditnotes", False), ("/customerpayments", False),
    ],
)  # fmt: skip
def test_which_lists_heed_the_filter_by_time(demo: Books, path: str, heeded: bool) -> None:
    rows = demo.get(path, last_modified_time="2099-01-01T00:00:00+0000")[path.strip("/")]
    assert bool(rows) is not heeded


def test_lists_leave_out_what_only_details_tell(demo: Books) -> None:
    row = demo.get("/invoices", per_page=1)["invoices"][0]
    assert "line_items" not in row
    assert demo.get(f"/invoices/{row['invoice_id']}")["invoice"]["line_items"]


def test_instants_come_in_the_zone_of_the_organisation_without_a_colon(demo: Books) -> None:
    text = demo.get("/contacts", per_page=1)["contacts"][0]["last_modified_time"]
    assert text[-5:] in ("+1100", "+1000")
    assert datetime.fromisoformat(text).utcoffset() in (timedelta(hours=11), timedelta(hours=10))


def test_a_list_can_lag_behind_what_was_written(remote: Books, customer: str) -> None:
    remote.sandbox.switches["visibility_delay_s"] = 30
    row = invoice(remote, customer)
    assert remote.get("/invoices")["invoices"] == []
    assert remote.get(f"/invoices/{row['invoice_id']}")["invoice"]
    remote.pass_time(31)
    assert len(remote.get("/invoices")["invoices"]) == 1


# --- records ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        pytest.param(
            "/contacts", {"contact_name": " banksia  DENTAL "}, 400, 3062, id="a name that is taken"
        ),
        pytest.param(
            "/contacts",
            {"contact_name": "Banksia Dental", "contact_type": "vendor"},
            400,
            3062,
            id="a name that a customer has, for a vendor",
        ),
        pytest.param("/contacts", {}, 400, 4, id="a contact without a name"),
        pytest.param("/contacts", {"contact_name": "x" * 201}, 400, 15, id="a name too long"),
        pytest.param("/items", {"name": "Pump", "rate": 1}, 400, 1001, id="an item's name that is taken"),
        pytest.param(
            "/items", {"name": "B", "sku": "pum-1", "rate": 1}, 400, 1001, id="a code that is taken"
        ),
        pytest.param("/items", {"name": "B"}, 400, 4, id="an item without a price"),
        pytest.param(
            "/items", {"name": "B", "rate": 1, "item_type": "purchases"}, 400, 4, id="bought without account"
        ),
    ],
)
def test_creates_that_are_refused(
    remote: Books, customer: str, item: str, path: str, body: dict[str, Any], status: int, code: int
) -> None:
    reply = remote.call("POST", path, body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_a_put_is_partial_at_the_top_and_replaces_arrays(remote: Books, customer: str) -> None:
    row = invoice(remote, customer, {"name": "A", "rate": 1}, {"name": "B", "rate": 2}, reference_number="R")
    first = row["line_items"][0]["line_item_id"]
    path = f"/invoices/{row['invoice_id']}"
    header = remote.call("PUT", path, {"notes": "Thanks"}).json()["invoice"]
    assert (header["reference_number"], len(header["line_items"])) == ("R", 2)
    cut = remote.call("PUT", path, {"line_items": [{"line_item_id": first, "name": "C"}]}).json()["invoice"]
    (line,) = cut["line_items"]
    assert (line["line_item_id"], line["name"], line["rate"]) == (first, "C", 0)


def test_numbers_are_generated_unless_told_otherwise(remote: Books, customer: str) -> None:
    given = invoice(remote, customer, invoice_number="MINE-1")
    assert given["invoice_number"] == "INV-000001"
    body = {"customer_id": customer, "line_items": [{"name": "Work"}], "invoice_number": "MINE-1"}
    own = remote.made("/invoices", body, "invoice", ignore_auto_number_generation="true")
    assert own["invoice_number"] == "MINE-1"
    again = remote.call("POST", "/invoices", body, ignore_auto_number_generation="true")
    assert again.status_code == 400
    assert "already exists" in again.json()["message"]


@pytest.mark.parametrize(
    ("path", "party", "begins"),
    [
        ("/invoices", "customer_id", "draft"), ("/estimates", "customer_id", "draft"),
        ("/salesorders", "customer_id", "draft"), ("/creditnotes", "customer_id", "open"),
        ("/purchaseorders", "vendor_id", "draft"), ("/bills", "vendor_id", "open"),
    ],
)  # fmt: skip
def test_what_a_new_document_begins_as(
    remote: Books, customer: str, vendor: str, path: str, party: str, begins: str
) -> None:
    body = {
        party: customer if party == "customer_id" else vendor,
        "bill_number": "B-1",
        "line_items": [{"name": "Work", "rate": 10}],
    }
    reply = remote.call("POST", path, body).json()
    (row,) = (value for value in reply.values() if isinstance(value, dict))
    assert row["status"] == begins


def test_a_vendor_buys_nothing(remote: Books, vendor: str) -> None:
    refused = remote.call("POST", "/invoices", {"customer_id": vendor, "line_items": [{"name": "Work"}]})
    assert refused.json()["message"] == "Customer does not exist."


def test_a_payment_moves_the_invoice_and_not_its_contact(remote: Books, customer: str) -> None:
    row = invoice(remote, customer)
    path = f"/invoices/{row['invoice_id']}"
    remote.call("POST", f"{path}/status/sent")
    before = remote.get(f"/contacts/{customer}")["contact"]["last_modified_time"]
    remote.pass_time(60)
    body = {
        "customer_id": customer,
        "payment_mode": "cash",
        "amount": 40,
        "date": "2026-11-20",
        "invoices": [{"invoice_id": row["invoice_id"], "amount_applied": 40}],
    }
    payment = remote.made("/customerpayments", body, "payment")
    after = remote.get(path)["invoice"]
    assert (after["status"], after["balance"], after["payment_made"]) == ("partially_paid", 60, 40)
    assert after["last_modified_time"] > row["last_modified_time"]
    assert remote.get(f"/contacts/{customer}")["contact"]["last_modified_time"] == before
    assert "last_modified_time" not in payment
    assert remote.call("DELETE", path).status_code == 400, "an invoice that is part paid"
    remote.call("DELETE", f"/customerpayments/{payment['payment_id']}")
    assert remote.get(path)["invoice"]["status"] == "sent"


def test_an_invoice_is_overdue_by_its_date_and_nothing_tells_of_it(remote: Books, customer: str) -> None:
    row = invoice(remote, customer, due_date=remote.sandbox.org.ledger.today().isoformat())
    path = f"/invoices/{row['invoice_id']}"
    remote.call("POST", f"{path}/status/sent")
    before = remote.get(path)["invoice"]
    assert before["status"] == "sent"
    remote.pass_time(86_400)
    after = remote.get(path)["invoice"]
    assert after["status"] == "overdue"
    assert after["last_modified_time"] == before["last_modified_time"]


def test_void_is_left_by_way_of_draft_alone(remote: Books, customer: str) -> None:
    row = invoice(remote, customer)
    path = f"/invoices/{row['invoice_id']}"
    assert remote.call("POST", f"{path}/status/draft").status_code == 400
    assert remote.call("POST", f"{path}/status/void").status_code == 200
    assert remote.call("PUT", path, {"notes": "x"}).status_code == 400
    assert remote.call("POST", f"{path}/status/sent").status_code == 400
    assert remote.call("POST", f"{path}/status/draft").status_code == 200
    assert remote.get(path)["invoice"]["status"] == "draft"


def test_a_void_sets_its_payments_free(remote: Books, customer: str) -> None:
    row = invoice(remote, customer)
    remote.act("pay", "invoices", row["invoice_id"])
    assert remote.row("invoices", row["invoice_id"])["status"] == "paid"
    remote.call("POST", f"/invoices/{row['invoice_id']}/status/void")
    (payment,) = remote.rows("customerpayments")
    assert (payment["invoices"], payment["unused_amount"]) == ([], 100)


def test_a_credit_note_is_closed_by_what_is_applied_of_it(remote: Books, customer: str) -> None:
    row = invoice(remote, customer)
    remote.call("POST", f"/invoices/{row['invoice_id']}/status/sent")
    note = remote.made(
        "/creditnotes", {"customer_id": customer, "line_items": [{"name": "Back", "rate": 30}]}, "creditnote"
    )
    path = f"/creditnotes/{note['creditnote_id']}"
    wanted = {"invoices": [{"invoice_id": row["invoice_id"], "amount_applied": 31}]}
    assert remote.call("POST", f"{path}/invoices", wanted).status_code == 400
    wanted["invoices"][0]["amount_applied"] = 30
    assert remote.call("POST", f"{path}/invoices", wanted).status_code == 200
    applied = remote.get(path)["creditnote"]
    assert (applied["status"], applied["balance"]) == ("closed", 0)
    assert remote.get(f"/invoices/{row['invoice_id']}")["invoice"]["balance"] == 70
    entry = applied["invoices"][0]["creditnote_invoice_id"]
    assert remote.call("DELETE", f"{path}/invoices/{entry}").status_code == 200
    assert remote.get(path)["creditnote"]["status"] == "open"


def test_deletes_that_are_refused(remote: Books, customer: str, item: str) -> None:
    row = invoice(remote, customer, {"item_id": item})
    for path in (f"/contacts/{customer}", f"/items/{item}"):
        assert remote.call("DELETE", path).status_code == 400
    remote.call("DELETE", f"/invoices/{row['invoice_id']}")
    for path in (f"/contacts/{customer}", f"/items/{item}"):
        assert remote.call("DELETE", path).status_code == 200
        assert remote.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("lock", "invoices"), "is locked", id="one that a person has locked"),
        pytest.param(("update", "organisation"), "Transaction locking", id="one in a locked period"),
    ],
)
def test_locked_documents_take_no_change(
    remote: Books, customer: str, change: tuple[str, str], message: str
) -> None:
    row = invoice(remote, customer)
    action, module = change
    values = {"lock_date": "2999-12-31"} if module == "organisation" else {}
    remote.act(action, module, row["invoice_id"], **values)
    path = f"/invoices/{row['invoice_id']}"
    for method, suffix in (("PUT", ""), ("DELETE", ""), ("POST", "/status/sent")):
        refused = remote.call(method, path + suffix, {"notes": "x"})
        assert refused.status_code == 400
        assert message in refused.json()["message"]
    assert remote.get(path)["invoice"]["lock_detail"]["locked_actions"] == ["edit", "delete"]


def test_an_upsert_makes_one_record_whatever_how_often_it_is_sent(remote: Books) -> None:
    headers = {
        "X-Unique-Identifier-Key": "cf_syncline_key",
        "X-Unique-Identifier-Value": "abc",
        "X-Upsert": "true",
    }
    one = remote.call("PUT", "/contacts", {"contact_name": "Once"}, headers=headers)
    two = remote.call("PUT", "/contacts", {"contact_name": "Once"}, headers=headers)
    assert (one.status_code, two.status_code) == (200, 200)
    assert one.json()["contact"]["contact_id"] == two.json()["contact"]["contact_id"]
    assert one.json()["contact"]["custom_field_hash"]["cf_syncline_key"] == "abc"
    headers["X-Unique-Identifier-Key"] = "cf_region"
    assert remote.call("PUT", "/contacts", {"contact_name": "Twice"}, headers=headers).status_code == 400


def test_a_merge_leaves_one_contact_with_the_transactions_of_both(remote: Books, customer: str) -> None:
    stays = remote.act("create", "contacts", contact_name="Banksia Dental Group")["contact_id"]
    row = invoice(remote, customer)
    remote.act("merge", "contacts", customer, into=stays)
    assert remote.call("GET", f"/contacts/{customer}").json()["code"] == 1002
    assert remote.get(f"/invoices/{row['invoice_id']}")["invoice"]["customer_id"] == stays


# --- money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "rows", "by_line", "sums"),
    [
        pytest.param(
            {},
            [(1, "0.35"), (1, "0.35"), (1, "0.35")],
            False,
            ("1.05", "0.11", "1.16"),
            id="tax is rounded once a document",
        ),
        pytest.param(
            {}, [(1, "0.35")] * 3, True, ("1.05", "0.12", "1.17"), id="or line by line, where that is set"
        ),
        pytest.param(
            {"is_inclusive_tax": True}, [(1, "110")], False, ("100.00", "10.00", "110.00"), id="inclusive"
        ),
        pytest.param(
            {"discount": "10%"}, [(2, "50")], False, ("100.00", "9.00", "99.00"), id="a per cent of it all"
        ),
        pytest.param(
            {"discount": 20, "is_discount_before_tax": False},
            [(1, "100")],
            False,
            ("100.00", "10.00", "90.00"),
            id="an amount after tax",
        ),
        pytest.param(
            {"shipping_charge": 5, "adjustment": "-0.5"},
            [(1, "100")],
            False,
            ("100.00", "10.00", "114.50"),
            id="charges and adjustments",
        ),
        pytest.param({}, [(-1, "100")], False, ("-100.00", "-10.00", "-110.00"), id="a negative line"),
        pytest.param({}, [(3, "0.3333")], False, ("1.00", "0.10", "1.10"), id="a price of four decimals"),
    ],
)
def test_sums(
    remote: Books,
    customer: str,
    header: dict[str, Any],
    rows: list[tuple[int, str]],
    by_line: bool,
    sums: tuple[str, str, str],
) -> None:
    if by_line:
        remote.sandbox.switches["tax_rounding"] = "item_level"
    gst = tax(remote, "GST")
    told = [{"name": "Work", "quantity": q, "rate": r, "tax_id": gst} for q, r in rows]
    row = invoice(remote, customer, *told, **header)
    held = remote.sandbox.org.find("invoices", row["invoice_id"])
    assert tuple(str(held[name]) for name in ("sub_total", "tax_total", "total")) == sums


@pytest.mark.parametrize(
    ("currency", "rate", "total"),
    [
        pytest.param("JPY", "100.4", "100", id="yen have no decimals"),
        pytest.param("KWD", "1.2345", "1.235", id="dinars have three"),
    ],
)
def test_currencies_round_as_they_do(
    remote: Books, customer: str, currency: str, rate: str, total: str
) -> None:
    currency_id = next(r["currency_id"] for r in remote.rows("currencies") if r["currency_code"] == currency)
    row = invoice(
        remote, customer, {"name": "Work", "rate": rate}, currency_id=currency_id, exchange_rate="0.5"
    )
    held = remote.sandbox.org.find("invoices", row["invoice_id"])
    assert str(held["total"]) == total
    assert row["currency_code"] == currency


def test_what_is_kept_outlives_a_restart(tmp_path: Path) -> None:
    """With its sums, which are worked out from payments that were recorded before."""
    settings = SandboxSettings(keep=tmp_path)
    first = ZohoBooksSandbox(settings)
    first.seed(make_world("empty"))
    customer = first.act("create", "contacts", None, {"contact_name": "Yarra"})["contact_id"]
    body = {"customer_id": customer, "line_items": [{"name": "Work", "rate": 10}]}
    invoice_id = first.act("create", "invoices", None, body)["invoice_id"]
    first.act("mark", "invoices", invoice_id, {"status": "sent"})
    first.act("pay", "invoices", invoice_id, {"amount": Decimal(4)})
    first.close()
    second = ZohoBooksSandbox(settings)
    (row,) = second.records("invoices")
    assert (row["status"], row["payment_made"], row["balance"]) == ("partially_paid", 4, 6)
    with pytest.raises(ValueError, match="already exists"):
        second.act("create", "contacts", None, {"contact_name": "yarra"})
    assert second.act("create", "invoices", None, body)["invoice_id"] not in (invoice_id, customer)
    second.close()
