"""How the sandbox takes writes: rows judged one by one, lines, uniqueness, staleness, workflows, limits."""

from __future__ import annotations

from typing import Any

import pytest
from zoho_remote import Remote, utc


def row_of(reply: Any) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()["data"][0]
    return found


@pytest.mark.parametrize(
    ("module", "row", "code", "details"),
    [
        pytest.param(
            "Accounts",
            {"Phone": "1"},
            "MANDATORY_NOT_FOUND",
            {"api_name": "Account_Name", "json_path": "$.data[0].Account_Name"},
            id="mandatory",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Tax_Number": "x" * 51},
            "INVALID_DATA",
            {"api_name": "Tax_Number", "maximum_length": 50},
            id="too-long",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Phone": "call me?"},
            "INVALID_DATA",
            {"api_name": "Phone"},
            id="phone",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Email": "nobody"},
            "INVALID_DATA",
            {"api_name": "Email"},
            id="email",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Employees": 1234567890},
            "INVALID_DATA",
            {"api_name": "Employees", "maximum_length": 9},
            id="ten-digits",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Employees": "12"},
            "INVALID_DATA",
            {"api_name": "Employees", "expected_data_type": "integer"},
            id="text-for-a-number",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": 7},
            "INVALID_DATA",
            {"expected_data_type": "text"},
            id="number-for-text",
        ),
        pytest.param(
            "Accounts",
            {"Account_Name": "A", "Parent_Account": {"id": "5725767000000999999"}},
            "INVALID_DATA",
            {"api_name": "Parent_Account", "id": "5725767000000999999"},
            id="lookup-to-nothing",
        ),
        pytest.param(
            "Invoices",
            {"Subject": "S", "Invoiced_Items": []},
            "MANDATORY_NOT_FOUND",
            {"api_name": "Invoiced_Items"},
            id="no-lines",
        ),
        pytest.param(
            "Invoices",
            {"Subject": "S", "Invoiced_Items": [{"Description": "no product"}]},
            "MANDATORY_NOT_FOUND",
            {"api_name": "Product_Name", "json_path": "$.data[0].Invoiced_Items[0].Product_Name"},
            id="line-without-product",
        ),
        pytest.param(
            "Contacts",
            {"Last_Name": "L", "Date_of_Birth": "01/02/2003"},
            "INVALID_DATA",
            {"api_name": "Date_of_Birth"},
            id="date",
        ),
    ],
)
def test_refused_rows(remote: Remote, module: str, row: Any, code: str, details: dict[str, Any]) -> None:
    reply = remote.post(f"/crm/v8/{module}", {"data": [row]})
    answer = row_of(reply)
    assert (reply.status_code, answer["code"], answer["status"]) == (400, code, "error")
    assert details.items() <= answer["details"].items()
    assert remote.sandbox.records(module) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({}, "MANDATORY_NOT_FOUND", id="no-data"),
        pytest.param({"data": []}, "INVALID_DATA", id="empty"),
        pytest.param({"data": [{"Account_Name": "A"}] * 101}, "LIMIT_EXCEEDED", id="101-rows"),
        pytest.param(
            {"data": [{"Account_Name": "A"}], "trigger": ["nonsense"]}, "INVALID_DATA", id="trigger"
        ),
    ],
)
def test_refused_requests(remote: Remote, body: Any, code: str) -> None:
    reply = remote.post("/crm/v8/Accounts", body)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("rows", "switches", "status"),
    [
        pytest.param([{"Account_Name": "A"}], {}, 201, id="all-good"),
        pytest.param([{"Account_Name": "A"}, {}], {}, 207, id="mixed"),
        pytest.param([{"Account_Name": "A"}, {}], {"mixed_status": 200}, 200, id="mixed-switched"),
        pytest.param([{}], {}, 400, id="all-failed"),
        pytest.param([{}], {"all_failed_status": 202}, 202, id="all-failed-switched"),
    ],
)
def test_statuses(remote: Remote, rows: list[Any], switches: dict[str, Any], status: int) -> None:
    remote.sandbox.switches.update(switches)
    reply = remote.post("/crm/v8/Accounts", {"data": rows})
    assert reply.status_code == status
    assert len(reply.json()["data"]) == len(rows)


def test_a_unique_value_names_its_holder(remote: Remote) -> None:
    holder = remote.add("Accounts", {"Account_Name": "A", "Xero_ID": "x-1"})[0]["id"]
    answer = row_of(remote.post("/crm/v8/Accounts", {"data": [{"Account_Name": "B", "Xero_ID": "X-1"}]}))
    assert answer["code"] == "DUPLICATE_DATA"
    assert answer["details"]["duplicate_record"]["id"] == holder
    assert answer["details"]["json_path"] == "$.data[0].Xero_ID"
    remote.client.delete(f"/crm/v8/Accounts/{holder}")
    remote.add("Accounts", {"Account_Name": "B", "Xero_ID": "X-1"})


@pytest.mark.parametrize(("switch", "code"), [("refuse", "INVALID_DATA"), ("accept", "SUCCESS")])
def test_unknown_picklist_values(remote: Remote, switch: str, code: str) -> None:
    remote.sandbox.switches["unknown_picklist"] = switch
    answer = row_of(remote.post("/crm/v8/Accounts", {"data": [{"Account_Name": "A", "Industry": "Magic"}]}))
    assert answer["code"] == code


@pytest.mark.parametrize(
    ("rewrite", "stored"), [("", " Some  Name "), ("trim", "Some  Name"), ("trim upper", "SOME  NAME")]
)
def test_text_can_be_rewritten(remote: Remote, rewrite: str, stored: str) -> None:
    remote.sandbox.switches["rewrite"] = rewrite
    record = remote.add("Accounts", {"Account_Name": " Some  Name "})[0]["id"]
    assert remote.one("Accounts", record)["Account_Name"] == stored


def test_updates_leave_the_unsent_clear_null_and_ignore_what_is_computed(remote: Remote) -> None:
    record = remote.add("Accounts", {"Account_Name": "A", "Phone": "1", "Fax": "2"})[0]["id"]
    remote.put(
        "Accounts", {"id": record, "Phone": None, "Created_Time": "2001-01-01T00:00:00+00:00", "Nope": 1}
    )
    row = remote.one("Accounts", record)
    assert (row["Phone"], row["Fax"], row["Account_Name"]) == (None, "2", "A")
    assert not row["Created_Time"].startswith("2001")
    refused = row_of(remote.put("Accounts", {"id": record, "Account_Name": None}))
    assert refused["code"] == "MANDATORY_NOT_FOUND"
    gone = row_of(remote.put("Accounts", {"id": "5725767000000999999", "Phone": "1"}))
    assert (gone["code"], gone["details"]["id"]) == ("INVALID_DATA", "5725767000000999999")


@pytest.fixture
def invoice(remote: Remote) -> tuple[Remote, str, list[str]]:
    """An invoice of two lines; its id and theirs."""
    product = remote.add("Products", {"Product_Name": "P", "Unit_Price": 7})[0]["id"]
    lines = [
        {"Product_Name": {"id": product}, "Quantity": 3, "List_Price": 10.005, "Description": "one"},
        {
            "Product_Name": product,
            "Quantity": 2,
            "List_Price": 50,
            "Discount": "10%",
            "Line_Tax": [{"name": "GST", "percentage": 10}],
        },
    ]
    record = remote.add("Invoices", {"Subject": "S", "Invoiced_Items": lines, "Adjustment": -0.5})[0]["id"]
    return remote, record, [line["id"] for line in remote.one("Invoices", record)["Invoiced_Items"]]


def test_totals_are_computed(invoice: tuple[Remote, str, list[str]]) -> None:
    remote, record, _ = invoice
    row = remote.one("Invoices", record)
    first, second = row["Invoiced_Items"]
    assert (first["Total"], first["Net_Total"], first["Tax"]) == (30.02, 30.02, 0)
    assert (second["Total"], second["Discount"], second["Total_After_Discount"]) == (100, 10, 90)
    assert (second["Tax"], second["Net_Total"]) == (9, 99)
    assert second["Line_Tax"][0]["value"] == 9
    assert (row["Sub_Total"], row["Adjustment"], row["Grand_Total"]) == (129.02, -0.5, 128.52)
    remote.put(
        "Invoices", {"id": record, "$line_tax": [{"name": "GST", "percentage": 10}], "Discount": 29.02}
    )
    row = remote.one("Invoices", record)
    assert (row["Tax"], row["Grand_Total"]) == (10, 109.5)


def lines_after(invoice: tuple[Remote, str, list[str]], rows: list[dict[str, Any]]) -> list[Any]:
    remote, record, _ = invoice
    answer = row_of(remote.put("Invoices", {"id": record, "Invoiced_Items": rows}))
    assert answer["code"] == "SUCCESS", answer
    return [(line["id"], line["Quantity"]) for line in remote.one("Invoices", record)["Invoiced_Items"]]


def test_line_rows(invoice: tuple[Remote, str, list[str]]) -> None:
    remote, record, (one, two) = invoice
    product = remote.one("Invoices", record)["Invoiced_Items"][0]["Product_Name"]["id"]
    assert lines_after(invoice, [{"id": one, "Quantity": 5}]) == [(one, 5), (two, 2)]
    appended = lines_after(invoice, [{"Product_Name": product, "Quantity": 9}])
    assert appended[:2] == [(one, 5), (two, 2)]
    assert appended[2][1] == 9
    assert lines_after(invoice, [{"id": one, "_delete": None}]) == appended[1:]
    assert lines_after(invoice, []) == []
    wrong = row_of(remote.put("Invoices", {"id": record, "Invoiced_Items": [{"id": "1", "Quantity": 1}]}))
    assert (wrong["code"], wrong["details"]["json_path"]) == (
        "INVALID_DATA",
        "$.data[0].Invoiced_Items[0].id",
    )


def test_currency_sets_the_rate(remote: Remote) -> None:
    from syncline.connect.sandbox import make_world

    remote.org.settle_in(make_world("empty"))
    record = remote.add("Accounts", {"Account_Name": "A", "Currency": "NZD"})[0]["id"]
    row = remote.one("Accounts", record)
    assert (row["Currency"], row["Exchange_Rate"], row["$currency_symbol"]) == ("NZD", 1.09, "NZ$")
    refused = row_of(remote.put("Accounts", {"id": record, "Currency": "JPY"}))
    assert refused["details"]["supported_values"] == ["AUD", "NZD", "USD"]


def test_if_unmodified_since_refuses_stale_rows_alone(remote: Remote) -> None:
    old, other = (r["id"] for r in remote.add("Accounts", {"Account_Name": "A"}, {"Account_Name": "B"}))
    stamp = remote.one("Accounts", old)["Modified_Time"]
    remote.pass_time(5)
    remote.put("Accounts", {"id": other, "Phone": "1"})
    stale = {"If-Unmodified-Since": stamp}
    mixed = remote.put("Accounts", {"id": old, "Phone": "2"}, {"id": other, "Phone": "2"}, headers=stale)
    assert [row["code"] for row in mixed.json()["data"]] == ["SUCCESS", "ALREADY_MODIFIED"]
    alone = remote.put("Accounts", {"id": other, "Phone": "2"}, headers=stale)
    assert alone.status_code == 412
    assert row_of(alone)["details"]["id"] == other
    assert remote.one("Accounts", other)["Phone"] == "1"


@pytest.mark.parametrize(
    ("row", "fields", "expected"),
    [
        pytest.param({"Account_Name": "A"}, None, ("update", "Account_Name"), id="system-field"),
        pytest.param({"Account_Name": "Z", "Xero_ID": "x-1"}, None, ("update", "Xero_ID"), id="unique-field"),
        pytest.param({"Account_Name": "A"}, ["Xero_ID"], ("insert", None), id="system-field-not-listed"),
        pytest.param({"Account_Name": "N"}, None, ("insert", None), id="no-match"),
    ],
)
def test_upsert_order(remote: Remote, row: Any, fields: Any, expected: Any) -> None:
    remote.add("Accounts", {"Account_Name": "A", "Xero_ID": "x-1"})
    body = {"data": [row], **({"duplicate_check_fields": fields} if fields else {})}
    answer = row_of(remote.post("/crm/v8/Accounts/upsert", body))
    assert (answer["action"], answer["duplicate_field"]) == expected


def test_upsert_refuses_other_check_fields(remote: Remote) -> None:
    body = {"data": [{"Account_Name": "A"}], "duplicate_check_fields": ["Phone"]}
    assert remote.post("/crm/v8/Accounts/upsert", body).json()["code"] == "INVALID_DATA"


def test_deleting_twice(remote: Remote) -> None:
    record = remote.add("Accounts", {"Account_Name": "A"})[0]["id"]
    assert row_of(remote.client.delete("/crm/v8/Accounts", params={"ids": record}))["code"] == "SUCCESS"
    again = row_of(remote.client.delete("/crm/v8/Accounts", params={"ids": record}))
    assert (again["code"], again["message"]) == ("INVALID_DATA", "record not deleted")
    assert remote.sandbox.records("Accounts")[0]["$state"] == "recycle"


@pytest.mark.parametrize(
    ("trigger", "moves"),
    [
        pytest.param({}, True, id="absent-runs-workflows"),
        pytest.param({"trigger": ["workflow"]}, True, id="named"),
        pytest.param({"trigger": []}, False, id="empty-runs-none"),
        pytest.param({"trigger": ["approval"]}, False, id="others-only"),
    ],
)
def test_a_workflow_edits_the_record_a_second_later(remote: Remote, trigger: Any, moves: bool) -> None:
    body = {"data": [{"Account_Name": "A"}], **trigger}
    details = row_of(remote.post("/crm/v8/Accounts", body))["details"]
    remote.pass_time(3)
    row = remote.one("Accounts", details["id"])
    assert (utc(row["Modified_Time"]) > utc(details["Modified_Time"])) is moves
    assert (row["Modified_By"]["id"] != details["Modified_By"]["id"]) is moves


def test_credits_run_out_and_come_back_after_a_day(limited: Remote) -> None:
    limited.sandbox.switches["credits"] = 12
    assert "x-api-credits-remaining" not in limited.get("/crm/v8/org").headers
    reply = limited.post("/crm/v8/Accounts", {"data": [{"Account_Name": f"A{n}"} for n in range(100)]})
    assert reply.headers["x-api-credits-remaining"] == "1"
    limited.get("/crm/v8/org")
    refused = limited.get("/crm/v8/org")
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    limited.pass_time(86_401)
    assert limited.get("/crm/v8/org").status_code == 401
    assert limited.sandbox._gate.left(12) == 12


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("concurrency", 429, "TOO_MANY_REQUESTS"),
        ("credits", 429, "TOO_MANY_REQUESTS"),
        ("token-expired", 401, "INVALID_TOKEN"),
        ("scope", 401, "OAUTH_SCOPE_MISMATCH"),
        ("unavailable", 500, "INTERNAL_ERROR"),
    ],
)
def test_its_own_faults(remote: Remote, name: str, status: int, code: str) -> None:
    from syncline.connect.sandbox import Fault, FaultKind

    remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name=name))
    reply = remote.get("/crm/v8/org")
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_people_act_past_the_api(remote: Remote) -> None:
    act = remote.sandbox.act
    made = act("create", "Accounts", None, {"Account_Name": "A"})
    act("update", "Accounts", made["id"], {"Phone": "5"})
    assert remote.one("Accounts", made["id"])["Phone"] == "5"
    act("delete", "Accounts", made["id"], {})
    assert [row["$state"] for row in remote.sandbox.records("Accounts")] == ["recycle"]
    act("restore", "Accounts", made["id"], {})
    act("permanently-delete", "Accounts", made["id"], {})
    assert [row["$state"] for row in remote.sandbox.records("Accounts")] == ["permanent"]
    with pytest.raises(KeyError):
        act("update", "Accounts", made["id"], {})
    with pytest.raises(ValueError, match="MANDATORY_NOT_FOUND"):
        act("create", "Accounts", None, {})
    with pytest.raises(KeyError):
        remote.sandbox.records("Nothing")


def test_the_data_outlive_a_restart(tmp_path: Any) -> None:
    from syncline.connect.sandbox import SandboxSettings, make_world
    from syncline_zoho.crm.sandbox import ZohoCrmSandbox

    first = ZohoCrmSandbox(SandboxSettings(keep=tmp_path))
    first.seed(make_world("demo"))
    made = first.act("create", "Accounts", None, {"Account_Name": "Kept", "Xero_ID": "k-1"})
    before = first.records("Invoices")
    first.close()
    again = ZohoCrmSandbox(SandboxSettings(keep=tmp_path))
    assert again.records("Invoices") == before
    with pytest.raises(ValueError, match="DUPLICATE_DATA"):
        again.act("create", "Accounts", None, {"Account_Name": "B", "Xero_ID": "k-1"})
    assert again.act("create", "Accounts", None, {"Account_Name": "C"})["id"] > made["id"]
    again.close()
