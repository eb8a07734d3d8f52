"""How the sandbox answers queries: the COQL subset and its limits."""

from __future__ import annotations

from typing import Any

import pytest
from zoho_remote import Remote

HIT = "Account_Name in ('Alpha', 'beta')"


@pytest.fixture
def three(remote: Remote) -> Remote:
    remote.add(
        "Accounts",
        {"Account_Name": "Alpha", "Employees": 3, "Phone": "123", "Description": "long text"},
        {"Account_Name": "Beta", "Employees": 20, "Annual_Revenue": 10.5},
        {"Account_Name": "O'Neill", "Employees": 100, "Industry": "Retail"},
    )
    return remote


def names(remote: Remote, where: str, rest: str = "") -> list[str]:
    reply = remote.coql(f"select Account_Name from Accounts where {where} {rest}")
    return [row["Account_Name"] for row in reply.json()["data"]] if reply.status_code == 200 else []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param("id is not null", ["Alpha", "Beta", "O'Neill"], id="everything"),
        pytest.param("Account_Name = 'ALPHA'", ["Alpha"], id="text-without-regard-to-case"),
        pytest.param(r"Account_Name = 'O\'Neill'", ["O'Neill"], id="escaped-quote"),
        pytest.param(HIT, ["Alpha", "Beta"], id="in"),
        pytest.param("Account_Name not in ('Alpha')", ["Beta", "O'Neill"], id="not-in"),
        pytest.param("Account_Name like '%et%'", ["Beta"], id="like"),
        pytest.param("Account_Name not like '%et%'", ["Alpha", "O'Neill"], id="not-like"),
        pytest.param("Employees > 3", ["Beta", "O'Neill"], id="greater"),
        pytest.param("Employees between 3 and 20", ["Alpha", "Beta"], id="between"),
        pytest.param("Phone is null", ["Beta", "O'Neill"], id="is-null"),
        pytest.param("Industry != 'Retail'", [], id="null-is-not-unequal"),
        pytest.param("((Employees > 1 and Employees < 50) and Phone = '123')", ["Alpha"], id="nested"),
        pytest.param(
            "(Employees = 3 or (Employees = 100 and id is not null))", ["Alpha", "O'Neill"], id="or"
        ),
        pytest.param("Annual_Revenue = 10.5", ["Beta"], id="decimal"),
        pytest.param(
            "Modified_Time > '2019-01-01T00:00:00-07:00'", ["Alpha", "Beta", "O'Neill"], id="instant"
        ),
        pytest.param("Locked__s = true", [], id="boolean"),
    ],
)
def test_criteria(three: Remote, where: str, expected: list[str]) -> None:
    assert sorted(names(three, where)) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("select id Accounts", "SYNTAX_ERROR", id="no-from"),
        pytest.param("select id from Accounts", "SYNTAX_ERROR", id="no-where"),
        pytest.param("select id from Accounts where id > 1 limit 2001", "LIMIT_EXCEEDED", id="2001-rows"),
        pytest.param(
            "select id from Accounts where id > 1 limit 1 offset 100000", "LIMIT_EXCEEDED", id="offset"
        ),
        pytest.param(
            f"select {','.join(['Phone'] * 51)} from Accounts where id > 1", "LIMIT_EXCEEDED", id="51-columns"
        ),
        pytest.param(
            f"select id from Accounts where id in ({','.join(['1'] * 51)})", "LIMIT_EXCEEDED", id="in-of-51"
        ),
        pytest.param(
            "select id from Accounts where id > 1 and id > 2 and id > 3", "SYNTAX_ERROR", id="three-unnested"
        ),
        pytest.param("select Nothing from Accounts where id > 1", "INVALID_QUERY", id="unknown-column"),
        pytest.param("select id from Nothing where id > 1", "INVALID_QUERY", id="unknown-module"),
        pytest.param(
            "select id from Accounts where Description = 'long text'",
            "INVALID_QUERY",
            id="multi-line-criterion",
        ),
        pytest.param("select id from Accounts where Owner > 1", "INVALID_QUERY", id="lookup-greater"),
        pytest.param("select id from Accounts where Account_Name > 'A'", "INVALID_QUERY", id="text-greater"),
        pytest.param("select id from Accounts where Employees = 'many'", "INVALID_QUERY", id="no-number"),
        pytest.param(
            "select id from Accounts where Modified_Time > '2024-06-05'", "INVALID_QUERY", id="no-instant"
        ),
        pytest.param(
            "select Invoiced_Items from Invoices where id > 1", "INVALID_QUERY", id="subform-column"
        ),
    ],
)
def test_refused_queries(three: Remote, query: str, code: str) -> None:
    reply = three.coql(query)
    assert (reply.status_code, reply.json()["code"]) == (400, code)


def test_order_limit_and_offset(three: Remote) -> None:
    query = "select Account_Name from Accounts where id is not null order by Employees desc limit 1, 1"
    body = three.coql(query).json()
    assert [row["Account_Name"] for row in body["data"]] == ["Beta"]
    assert body["info"] == {"count": 1, "more_records": True}
    assert names(three, "id is not null", "order by Account_Name desc limit 5 offset 2") == ["Alpha"]
    assert three.coql("select id from Accounts where Employees = 999").status_code == 204


def test_id_is_always_told_and_lookups_are_ids_alone(demo: Remote) -> None:
    query = (
        "select Subject, Account_Name, Account_Name.Account_Name, Owner from Invoices where id is not null"
    )
    row = demo.coql(query).json()["data"][0]
    assert set(row) == {"id", "Subject", "Account_Name", "Account_Name.Account_Name", "Owner"}
    assert set(row["Account_Name"]) == {"id"}
    assert row["Account_Name.Account_Name"]


def test_joined_criteria(demo: Remote) -> None:
    account = demo.coql("select id, Account_Name from Accounts where id is not null limit 1").json()["data"][
        0
    ]
    name = account["Account_Name"].replace("'", r"\'")
    rows = demo.coql(f"select id from Contacts where Account_Name.Account_Name = '{name}'").json()["data"]
    direct = demo.coql(f"select id from Contacts where Account_Name = {account['id']}").json()["data"]
    assert {row["id"] for row in direct} <= {row["id"] for row in rows}


def test_lines_of_many_documents_in_one_query(demo: Remote) -> None:
    parents = [r["id"] for r in demo.coql("select id from Invoices where id > 1 limit 50").json()["data"]]
    query = (
        "select Parent_Id, Product_Name, Quantity, Line_Tax from Invoiced_Items"
        f" where Parent_Id in ({','.join(parents)}) order by id asc limit 2000"
    )
    lines = demo.coql(query).json()["data"]
    expected = sum(len(demo.one("Invoices", parent)["Invoiced_Items"]) for parent in parents)
    assert len(lines) == expected
    ids = [line["id"] for line in lines]
    assert ids == sorted(ids)
    last = ids[-5]
    rest = demo.coql(query.replace(" order", f" and id > {last} order").replace("where ", "where ")).json()
    assert [line["id"] for line in rest["data"]] == ids[-4:]


def test_counting(three: Remote) -> None:
    body = three.coql("select COUNT(id) from Accounts where Employees > 3").json()
    assert body["data"] == [{"COUNT(id)": 2}]


def test_deleted_rows_are_not_there(three: Remote) -> None:
    record = three.coql("select id from Accounts where Account_Name = 'Alpha'").json()["data"][0]["id"]
    three.client.delete(f"/crm/v8/Accounts/{record}")
    assert names(three, "Account_Name = 'Alpha'") == []


def test_a_changed_record_moves_in_the_order_of_time(remote: Remote) -> None:
    ids = [row["id"] for row in remote.add("Accounts", *({"Account_Name": f"A{n}"} for n in range(5)))]
    remote.pass_time(10)
    stamp = remote.put("Accounts", {"id": ids[1], "Phone": "1"}).json()["data"][0]["details"]["Modified_Time"]
    order = "order by Modified_Time asc, id asc"
    rows = remote.coql(f"select Modified_Time from Accounts where id is not null {order}").json()["data"]
    assert [row["id"] for row in rows] == [ids[0], *ids[2:], ids[1]]
    since = remote.coql(f"select id from Accounts where Modified_Time >= '{stamp}' {order}").json()["data"]
    assert [row["id"] for row in since] == [ids[1]]
    keyset = f"((Modified_Time > '{stamp}') or (Modified_Time = '{stamp}' and id > '{ids[1]}'))"
    assert remote.coql(f"select id from Accounts where {keyset} {order}").status_code == 204


@pytest.mark.parametrize(("limit", "cost"), [(200, 1), (1000, 2), (2000, 3)])
def test_a_query_costs_by_its_limit(limited: Remote, limit: int, cost: int) -> None:
    limited.sandbox.switches["credits"] = 20
    gate: Any = limited.sandbox._gate
    before = gate.left(20)
    limited.coql(f"select id from Accounts where id is not null limit {limit}")
    assert before - gate.left(20) == cost
