"""How the sandbox runs bulk read jobs."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest
from zoho_remote import Remote


def job(remote: Remote, **query: Any) -> str:
    reply = remote.post("/crm/bulk/v8/read", {"query": {"module": {"api_name": "Accounts"}, **query}})
    assert reply.status_code == 201, reply.text
    details = reply.json()["data"][0]["details"]
    assert details["state"] == "ADDED"
    return str(details["id"])


def state(remote: Remote, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = remote.get(f"/crm/bulk/v8/read/{job_id}").json()["data"][0]
    return found


def rows(remote: Remote, job_id: str) -> list[dict[str, str]]:
    reply = remote.get(f"/crm/bulk/v8/read/{job_id}/result")
    assert reply.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        (name,) = archive.namelist()
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


@pytest.fixture
def three(remote: Remote) -> Remote:
    remote.add(
        "Accounts",
        {"Account_Name": "Alpha", "Employees": 3},
        {"Account_Name": "Beta", "Employees": 20},
        {"Account_Name": "Gamma"},
    )
    return remote


def test_a_job_goes_through_its_states_and_ends_in_a_zip(three: Remote) -> None:
    job_id = job(three, fields=["Account_Name", "Modified_Time", "Owner"])
    assert three.get(f"/crm/bulk/v8/read/{job_id}/result").status_code == 404
    states = [state(three, job_id)["state"]]
    for _ in range(4):
        three.pass_time(1)
        states.append(state(three, job_id)["state"])
    assert states[0] == "ADDED"
    assert states[-1] == "COMPLETED"
    assert "IN PROGRESS" in states
    result = state(three, job_id)["result"]
    assert (result["count"], result["more_records"]) == (3, False)
    found = rows(three, job_id)
    assert [row["Account_Name"] for row in found] == ["Alpha", "Beta", "Gamma"]
    assert set(found[0]) == {"id", "Account_Name", "Modified_Time", "Owner"}
    assert found[0]["Modified_Time"].endswith("+10:00")
    assert found[0]["Owner"] == three.org.actor


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ({"field": {"api_name": "Employees"}, "comparator": "greater_than", "value": 3}, ["Beta"]),
        ({"field": {"api_name": "Employees"}, "comparator": "equal", "value": "${EMPTY}"}, ["Gamma"]),
        (
            {"field": {"api_name": "Account_Name"}, "comparator": "in", "value": ["Alpha", "Gamma"]},
            ["Alpha", "Gamma"],
        ),
        (
            {
                "group_operator": "or",
                "group": [
                    {"field": {"api_name": "Account_Name"}, "comparator": "starts_with", "value": "Al"},
                    {"field": {"api_name": "Employees"}, "comparator": "between", "value": [10, 30]},
                ],
            },
            ["Alpha", "Beta"],
        ),
    ],
)
def test_criteria(three: Remote, criteria: dict[str, Any], names: list[str]) -> None:
    job_id = job(three, fields=["Account_Name"], criteria=criteria)
    three.pass_time(5)
    assert [row["Account_Name"] for row in rows(three, job_id)] == names


def test_the_eleventh_download_within_a_minute_is_refused(limited: Remote) -> None:
    limited.add("Accounts", {"Account_Name": "A"})
    job_id = job(limited, fields=["Account_Name"])
    limited.pass_time(5)
    path = f"/crm/bulk/v8/read/{job_id}/result"
    assert [limited.get(path).status_code for _ in range(11)] == [200] * 10 + [429]


def test_refused_jobs(remote: Remote) -> None:
    for query in (
        {},
        {"module": {"api_name": "Nothing"}},
        {"module": {"api_name": "Accounts"}, "fields": ["No"]},
    ):
        assert remote.post("/crm/bulk/v8/read", {"query": query}).status_code == 400
    assert remote.get("/crm/bulk/v8/read/1").status_code == 404
