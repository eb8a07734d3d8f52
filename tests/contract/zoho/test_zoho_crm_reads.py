"""How the sandbox answers reads: lists, paging, one record, deleted, search, count, settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from zoho_remote import Remote, start

from syncline.connect.sandbox import make_world


@pytest.fixture(scope="module")
def large() -> Iterator[Remote]:
    """2,500 accounts."""
    yield from start(make_world(2500))


def accounts(remote: Remote, **params: Any) -> Any:
    return remote.get("/crm/v8/Accounts", **{"fields": "Account_Name,Modified_Time", **params})


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({"fields": ""}, "REQUIRED_PARAM_MISSING", id="no-fields"),
        pytest.param({"fields": ",".join(["Phone"] * 51)}, "LIMIT_EXCEEDED", id="51-fields"),
        pytest.param({"per_page": "201"}, "INVALID_DATA", id="201-a-page"),
        pytest.param({"page": "11"}, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", id="past-2000-by-page"),
        pytest.param({"sort_by": "Account_Name"}, "INVALID_DATA", id="sort-by-name"),
        pytest.param({"page_token": "made-up"}, "INVALID_DATA", id="unknown-token"),
        pytest.param({"ids": ",".join(["1"] * 101)}, "LIMIT_EXCEEDED", id="101-ids"),
    ],
)
def test_refused_lists(large: Remote, params: dict[str, str], code: str) -> None:
    reply = accounts(large, **params)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


def test_lists_give_200_newest_ids_first(large: Remote) -> None:
    body = accounts(large).json()
    ids = [row["id"] for row in body["data"]]
    assert len(ids) == 200
    assert ids == sorted(ids, reverse=True)
    assert body["info"]["more_records"] is True
    assert body["info"]["next_page_token"]


@pytest.mark.parametrize("sort", ["id", "Modified_Time", "Created_Time"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_page_tokens_lead_past_2000_without_gap_or_repeat(large: Remote, sort: str, order: str) -> None:
    seen: list[str] = []
    params = {"sort_by": sort, "sort_order": order}
    token = None
    while True:
        body = accounts(large, **params, **({"page_token": token} if token else {})).json()
        seen += [row["id"] for row in body["data"]]
        token = body["info"]["next_page_token"]
        if not body["info"]["more_records"]:
            break
    assert len(seen) == len(set(seen)) == 2500


def test_a_page_token_is_bound_and_dies_after_a_day(remote: Remote) -> None:
    remote.add("Accounts", {"Account_Name": "A"}, {"Account_Name": "B"})
    token = accounts(remote, per_page=1).json()["info"]["next_page_token"]
    other = accounts(remote, per_page=1, page_token=token, sort_order="asc")
    assert other.json()["code"] == "TOKEN_BOUND_DATA_MISMATCH"
    both = accounts(remote, per_page=1, page_token=token, page=2)
    assert both.json()["code"] == "AMBIGUITY_DURING_PROCESSING"
    remote.sandbox.accounts.expire_access_tokens()
    assert accounts(remote, per_page=1, page_token=token).status_code == 401


def test_an_old_page_token_has_expired(remote: Remote) -> None:
    from syncline_zoho.crm.sandbox.errors import Refused
    from syncline_zoho.crm.sandbox.paging import PageTokens

    tokens = PageTokens(remote.sandbox.clock)
    token = tokens.issue((), ("", ""), 10, 1)
    far = tokens.issue((), ("", ""), 100_000, 500)
    with pytest.raises(Refused, match="PAGINATION_LIMIT_EXCEEDED"):
        tokens.find(far, ())
    remote.pass_time(86_401)
    with pytest.raises(Refused, match="EXPIRED_VALUE"):
        tokens.find(token, ())


def test_if_modified_since_is_an_instant_and_304_when_nothing_is_newer(remote: Remote) -> None:
    added = remote.add("Accounts", {"Account_Name": "A"})[0]
    stamp = {"If-Modified-Since": added["Modified_Time"]}
    assert remote.get("/crm/v8/Accounts", stamp, fields="Account_Name").status_code == 304
    before = {"If-Modified-Since": "2019-07-25T15:26:49+05:30"}
    assert remote.get("/crm/v8/Accounts", before, fields="Account_Name").status_code == 200
    wrong = {"If-Modified-Since": "Sat, 29 Oct 1994 19:43:31 GMT"}
    assert remote.get("/crm/v8/Accounts", wrong, fields="Account_Name").status_code == 400


def test_an_empty_module_answers_204(remote: Remote) -> None:
    reply = accounts(remote)
    assert (reply.status_code, reply.content) == (204, b"")


def test_lists_have_no_subforms_and_cut_rich_text(remote: Remote) -> None:
    product = remote.add("Products", {"Product_Name": "P"})[0]["id"]
    invoice = {"Subject": "S", "Invoiced_Items": [{"Product_Name": {"id": product}, "Quantity": 1}]}
    remote.add("Invoices", invoice)
    row = remote.get("/crm/v8/Invoices", fields="Subject,Invoiced_Items").json()["data"][0]
    assert set(row) == {"id", "Subject"}
    account = remote.add("Accounts", {"Account_Name": "A", "Company_Profile": "x" * 800})[0]["id"]
    listed = remote.get("/crm/v8/Accounts", fields="Company_Profile", ids=account).json()["data"][0]
    assert len(listed["Company_Profile"]) == 500
    full = remote.get(f"/crm/v8/Accounts/{account}/actions/fetch_full_data").json()["data"][0]
    assert len(full["Company_Profile"]) == 800
    assert len(remote.one("Accounts", account)["Company_Profile"]) == 800


def test_lines_are_a_module_of_their_own(demo: Remote) -> None:
    body = demo.get("/crm/v8/Invoiced_Items", fields="Parent_Id,Product_Name,Quantity").json()
    assert len(body["data"]) == 200
    assert set(body["data"][0]["Parent_Id"]) == {"id", "name"}


def test_one_record_tells_everything(demo: Remote) -> None:
    row = demo.get("/crm/v8/Invoices", fields="Subject").json()["data"][0]
    full = demo.one("Invoices", row["id"])
    line = full["Invoiced_Items"][0]
    assert full["$has_more"] == {"Invoiced_Items": False}
    assert set(full["Account_Name"]) == {"id", "name"}
    assert line["Product_Name"]["Product_Code"]
    assert full["Sub_Total"] == pytest.approx(sum(item["Net_Total"] for item in full["Invoiced_Items"]))


@pytest.mark.parametrize(("switch", "status"), [("204", 204), ("400", 400)])
def test_an_unknown_id(remote: Remote, switch: str, status: int) -> None:
    remote.sandbox.switches["unknown_id"] = switch
    assert remote.get("/crm/v8/Accounts/5725767000000999999").status_code == status


@pytest.mark.parametrize(("minutes", "suffix"), [(600, "+10:00"), (-420, "-07:00"), (0, "+00:00")])
def test_instants_are_whole_seconds_with_the_users_offset(remote: Remote, minutes: int, suffix: str) -> None:
    remote.sandbox.switches["utc_offset_minutes"] = minutes
    stamp = remote.add("Accounts", {"Account_Name": "A"})[0]["Modified_Time"]
    assert stamp.endswith(suffix)
    assert "." not in stamp


def test_the_deleted_list_forgets_after_60_and_120_days(remote: Remote) -> None:
    ids = [row["id"] for row in remote.add("Accounts", {"Account_Name": "A"}, {"Account_Name": "B"})]
    assert remote.get("/crm/v8/Accounts/deleted", type="all").status_code == 204
    assert remote.client.delete("/crm/v8/Accounts", params={"ids": ",".join(ids)}).status_code == 200
    remote.sandbox.act("permanently-delete", "Accounts", ids[1], {})

    def kinds() -> dict[str, str]:
        reply = remote.get("/crm/v8/Accounts/deleted", type="all")
        return {row["id"]: row["type"] for row in reply.json()["data"]} if reply.content else {}

    assert kinds() == {ids[0]: "recycle", ids[1]: "permanent"}
    rows = remote.get("/crm/v8/Accounts/deleted", type="permanent").json()["data"]
    assert [(row["id"], row["display_name"]) for row in rows] == [(ids[1], None)]
    day = 86_400
    for life, left in ((61, {ids[1]: "permanent"}), (60, {})):
        remote.pass_time(life * day)
        assert {e["row"]["id"]: e["type"] for e in remote.org.deleted("Accounts")} == left


def test_a_restored_record_leaves_the_deleted_list(remote: Remote) -> None:
    record = remote.add("Accounts", {"Account_Name": "A"})[0]["id"]
    remote.client.delete(f"/crm/v8/Accounts/{record}")
    assert remote.get(f"/crm/v8/Accounts/{record}").status_code == 204
    remote.sandbox.act("restore", "Accounts", record, {})
    assert remote.one("Accounts", record)["Account_Name"] == "A"
    assert remote.get("/crm/v8/Accounts/deleted").status_code == 204


def test_search_lags_and_equals_finds_what_contains(remote: Remote) -> None:
    remote.add("Accounts", {"Account_Name": "Harbour Foods"}, {"Account_Name": "Harbour Foods West"})
    query = {"criteria": "(Account_Name:equals:Harbour Foods)"}
    assert remote.get("/crm/v8/Accounts/search", **query).status_code == 204
    assert remote.get("/crm/v8/Accounts/actions/count").json() == {"count": 0}
    remote.pass_time(61)
    found = remote.get("/crm/v8/Accounts/search", **query).json()["data"]
    assert len(found) == 2
    assert remote.get("/crm/v8/Accounts/actions/count").json() == {"count": 2}


@pytest.mark.parametrize(
    ("criteria", "count"),
    [
        pytest.param("((Account_Name:starts_with:Al)or(Account_Name:starts_with:Be))", 2, id="or"),
        pytest.param("((Account_Name:starts_with:Al)and(Employees:greater_than:5))", 0, id="and"),
        pytest.param("(Employees:between:3,9)", 2, id="between"),
        pytest.param(r"(Account_Name:equals:Beta \(East\))", 1, id="escaped-brackets"),
        pytest.param("(Employees:in:3,9)", 2, id="in"),
    ],
)
def test_search_criteria(remote: Remote, criteria: str, count: int) -> None:
    remote.sandbox.switches["search_lag_s"] = 0
    remote.add(
        "Accounts",
        {"Account_Name": "Alpha", "Employees": 3},
        {"Account_Name": "Beta (East)", "Employees": 9},
    )
    reply = remote.get("/crm/v8/Accounts/search", criteria=criteria)
    assert len(reply.json()["data"] if reply.content else []) == count


def test_lists_and_queries_can_lag_while_one_record_never_does(remote: Remote) -> None:
    remote.sandbox.switches["visibility_delay_s"] = 30
    record = remote.add("Accounts", {"Account_Name": "A"})[0]["id"]
    query = "select id from Accounts where id is not null"
    assert remote.coql(query).status_code == 204
    assert remote.one("Accounts", record)["Account_Name"] == "A"
    assert len(accounts(remote, ids=record).json()["data"]) == 1
    remote.pass_time(31)
    assert remote.coql(query).json()["data"] == [{"id": record}]


def test_metadata_tells_custom_fields_lengths_and_picklists(remote: Remote) -> None:
    modules = {m["api_name"]: m for m in remote.get("/crm/v8/settings/modules").json()["modules"]}
    assert modules["Invoiced_Items"]["generated_type"] == "subform"
    assert modules["Invoiced_Items"]["parent_module"]["api_name"] == "Invoices"

    def fields(module: str) -> dict[str, Any]:
        rows = remote.get("/crm/v8/settings/fields", module=module).json()["fields"]
        return {row["api_name"]: row for row in rows}

    account = fields("Accounts")
    assert account["Account_Name"]["system_mandatory"]
    assert account["Xero_ID"]["unique"] == {"casesensitive": "false"}
    assert account["Tax_Number"]["length"] == 50
    assert not any(account["Modified_Time"]["operation_type"].values())
    invoice = fields("Invoices")
    status = [value["actual_value"] for value in invoice["Status"]["pick_list_values"]]
    assert {"Draft", "Part Paid", "Void", "Created", "Cancelled"} <= set(status)
    assert invoice["Invoiced_Items"]["subform"]["module"] == "Invoiced_Items"
    assert remote.get("/crm/v8/settings/fields").json()["code"] == "REQUIRED_PARAM_MISSING"
    assert remote.get("/crm/v8/settings/fields", module="Nope").json()["code"] == "INVALID_MODULE"
    layout = remote.get("/crm/v8/settings/layouts", module="Accounts").json()["layouts"][0]
    assert any(f["required"] for s in layout["sections"] for f in s["fields"])


def test_the_organisation_its_currencies_taxes_and_people(demo: Remote) -> None:
    org = demo.get("/crm/v8/org").json()["org"][0]
    assert (org["iso_code"], org["time_zone"], org["mc_status"]) == ("AUD", "Australia/Sydney", True)
    currencies = demo.get("/crm/v8/org/currencies").json()["currencies"]
    assert {c["iso_code"]: c["exchange_rate"] for c in currencies} == {
        "AUD": "1.000000000",
        "NZD": "1.090000000",
        "USD": "0.650000000",
    }
    assert [t["name"] for t in demo.get("/crm/v8/org/taxes").json()["org_taxes"]["taxes"]] == [
        "GST",
        "GST Free",
    ]
    assert len(demo.get("/crm/v8/users").json()["users"]) == 2
    assert len(demo.get("/crm/v8/users", type="CurrentUser").json()["users"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/crm/v8/Nothing?fields=id", 400, "INVALID_MODULE", id="unknown-module"),
        pytest.param("GET", "/crm/v7x/a/b/c/d", 404, "INVALID_URL_PATTERN", id="unknown-path"),
        pytest.param("PATCH", "/crm/v8/Accounts", 400, "INVALID_REQUEST_METHOD", id="wrong-method"),
    ],
)
def test_wrong_addresses(remote: Remote, method: str, path: str, status: int, code: str) -> None:
    reply = remote.client.request(method, path)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_the_same_world_has_the_same_ids() -> None:
    def ids() -> list[str]:
        for remote in start(make_world("demo")):
            return [row["id"] for row in remote.sandbox.records("Invoices")]
        return []

    first = ids()
    assert first == ids()
    assert all(len(record_id) == 19 for record_id in first)


def test_pages_of_a_large_module_are_quick() -> None:
    for remote in start(make_world(20_000)):
        started = time.perf_counter()
        remote.coql(
            "select Account_Name, Phone, Website, Modified_Time from Accounts where"
            " id is not null order by Modified_Time asc, id asc limit 2000"
        ).json()
        accounts(remote, sort_by="Modified_Time", sort_order="asc").json()
        assert time.perf_counter() - started < 0.5
