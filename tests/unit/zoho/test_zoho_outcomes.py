"""What each row of a write's answer means."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.connect import (
    HttpReply,
    OutcomeKind,
    PermissionMissing,
    RemoteError,
    RemoteUnavailable,
    Write,
    WriteKind,
)
from syncline.connect.errors import QuotaExhausted, ReconnectNeeded, RemoteProtocolError
from syncline_zoho.crm.api import refusal
from syncline_zoho.crm.outcomes import outcome_of
from syncline_zoho.crm.writer import judge

CREATE = Write(kind=WriteKind.CREATE, key="k")
UPDATE = Write(kind=WriteKind.UPDATE, key="k", id="100")
DELETE = Write(kind=WriteKind.DELETE, key="k", id="100")

DONE, RETRY, REFUSED = OutcomeKind.DONE, OutcomeKind.RETRY, OutcomeKind.REFUSED
CONFLICT, GONE, UNKNOWN = OutcomeKind.CONFLICT, OutcomeKind.GONE, OutcomeKind.UNKNOWN
TAKEN = OutcomeKind.TAKEN
TWIN = {"api_name": "Xero_ID", "json_path": "$.data[0].Xero_ID", "duplicate_record": {"id": "7"}}


@pytest.mark.parametrize(
    ("code", "details", "write", "kind"),
    [
        pytest.param("SUCCESS", {"id": "1"}, CREATE, DONE, id="success"),
        pytest.param("MANDATORY_NOT_FOUND", {"api_name": "X"}, CREATE, REFUSED, id="mandatory"),
        pytest.param("INVALID_DATA", {"api_name": "X"}, CREATE, REFUSED, id="invalid-value"),
        pytest.param("INVALID_DATA", {"id": "100"}, UPDATE, GONE, id="unknown-record"),
        pytest.param(
            "INVALID_DATA",
            {"id": "100", "api_name": "id", "json_path": "$.data[0].id"},
            UPDATE,
            GONE,
            id="unknown-record-by-path",
        ),
        pytest.param(
            "INVALID_DATA",
            {"id": "5", "api_name": "Account_Name", "json_path": "$.data[0].Account_Name.id"},
            UPDATE,
            REFUSED,
            id="unknown-lookup",
        ),
        pytest.param(
            "INVALID_DATA",
            {"id": "5", "api_name": "id", "json_path": "$.data[0].Invoiced_Items[1].id"},
            UPDATE,
            CONFLICT,
            id="line-that-someone-removed",
        ),
        pytest.param("DUPLICATE_DATA", TWIN, CREATE, TAKEN, id="duplicate"),
        pytest.param(
            "MULTIPLE_OR_MULTI_ERRORS",
            {"errors": [{"code": "INVALID_DATA"}, {"code": "DUPLICATE_DATA", "details": TWIN}]},
            CREATE,
            TAKEN,
            id="several-one-of-them-duplicate",
        ),
        pytest.param(
            "MULTIPLE_OR_MULTI_ERRORS", {"errors": [{"code": "INVALID_DATA"}]}, CREATE, REFUSED, id="several"
        ),
        pytest.param("ALREADY_MODIFIED", {"id": "100"}, UPDATE, CONFLICT, id="stale"),
        pytest.param("DEPENDENT_FIELD_MISSING", {}, CREATE, REFUSED, id="dependent-missing"),
        pytest.param("DEPENDENT_MISMATCH", {}, CREATE, REFUSED, id="dependent-mismatch"),
        pytest.param("EXPECTED_FIELD_MISSING", {}, CREATE, REFUSED, id="expected-missing"),
        pytest.param("MAPPING_MISMATCH", {}, CREATE, REFUSED, id="mapping"),
        pytest.param("LIMIT_EXCEEDED", {"limit": 5}, CREATE, REFUSED, id="limit"),
        pytest.param("AMBIGUITY_DURING_PROCESSING", {}, CREATE, REFUSED, id="ambiguity"),
        pytest.param("CANNOT_PERFORM_ACTION", {}, UPDATE, REFUSED, id="cannot"),
        pytest.param("STORAGE_SPACE_EXCEEDED", {}, CREATE, REFUSED, id="storage"),
        pytest.param("NOT_APPROVED", {}, UPDATE, REFUSED, id="approval"),
        pytest.param("RECORD_IN_BLUEPRINT", {}, UPDATE, REFUSED, id="blueprint"),
        pytest.param("RECORD_LOCKED", {}, UPDATE, REFUSED, id="locked"),
        pytest.param("NO_PERMISSION", {}, UPDATE, REFUSED, id="permission"),
        pytest.param("TOO_MANY_REQUESTS", {}, CREATE, RETRY, id="limit-of-calls"),
        pytest.param("INTERNAL_ERROR", {}, UPDATE, RETRY, id="broken-update"),
        pytest.param("INTERNAL_ERROR", {}, CREATE, UNKNOWN, id="broken-create-may-be-stored"),
        pytest.param("SOMETHING_NEW", {}, CREATE, REFUSED, id="unheard-of"),
    ],
)
def test_outcome_of(code: str, details: dict[str, Any], write: Write, kind: OutcomeKind) -> None:
    row = {"code": code, "details": details, "message": "words", "status": "error"}
    outcome = outcome_of(row, write)
    assert outcome.kind is kind
    assert outcome.other_id == ("7" if kind is TAKEN else None)
    if kind is not DONE:
        assert outcome.code == code
        assert "words" in outcome.message


def test_deleting_what_is_deleted_is_gone() -> None:
    row = {
        "code": "INVALID_DATA",
        "details": {"id": "100"},
        "message": "record not deleted",
        "status": "error",
    }
    assert outcome_of(row, DELETE).kind is GONE


def test_a_refusal_says_where_and_what_would_do() -> None:
    details = {
        "api_name": "Quantity",
        "json_path": "$.data[0].Invoiced_Items[1].Quantity",
        "expected_data_type": "double",
        "maximum_length": 16,
        "supported_values": ["a", "b"],
    }
    outcome = outcome_of({"code": "INVALID_DATA", "details": details, "message": "invalid data"}, CREATE)
    assert outcome.field == "Invoiced_Items"
    assert outcome.message == (
        "invalid data; at data[0].Invoiced_Items[1].Quantity; expects double;"
        " at most 16 characters; one of a, b"
    )


def test_a_stored_row_tells_its_version_in_utc() -> None:
    details = {"id": "1", "Modified_Time": "2024-07-25T15:26:49+10:00"}
    outcome = outcome_of({"code": "SUCCESS", "details": details}, CREATE)
    assert (outcome.id, outcome.version) == ("1", "2024-07-25T05:26:49Z")


def reply(status: int, body: bytes = b"") -> HttpReply:
    return HttpReply(status, {"content-type": "application/json"}, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, b'{"code":"INTERNAL_ERROR","details":{},"message":"m","status":"error"}', id="500"),
        pytest.param(502, b"<html></html>", id="gateway-page"),
        pytest.param(201, b'{"data":[{"code":"SUC', id="broken-json"),
        pytest.param(200, b'{"data":[]}', id="fewer-rows-than-sent"),
    ],
)
def test_answers_that_leave_the_fate_open(status: int, body: bytes) -> None:
    assert [outcome.kind for outcome in judge(reply(status, body), [CREATE], "POST Accounts")] == [UNKNOWN]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "NO_PERMISSION", PermissionMissing),
        (400, "AUTHORIZATION_FAILED", PermissionMissing),
        (401, "OAUTH_SCOPE_MISMATCH", PermissionMissing),
        (401, "AUTHENTICATION_FAILURE", ReconnectNeeded),
        (401, "INVALID_TOKEN", ReconnectNeeded),
        (401, "INVALID_OAUTHTOKEN", ReconnectNeeded),
        (400, "INVALID_MODULE", PermissionMissing),
        (400, "API_NOT_SUPPORTED", PermissionMissing),
        (404, "INVALID_URL_PATTERN", RemoteProtocolError),
        (400, "INVALID_REQUEST_METHOD", RemoteProtocolError),
        (400, "LIMIT_EXCEEDED", RemoteProtocolError),
        (400, "INVALID_QUERY", RemoteProtocolError),
        (400, "SYNTAX_ERROR", RemoteProtocolError),
        (429, "TOO_MANY_REQUESTS", QuotaExhausted),
        (500, "INTERNAL_ERROR", RemoteUnavailable),
        (503, "", RemoteUnavailable),
        (403, "SOMETHING", PermissionMissing),
    ],
)
def test_refusals_of_whole_requests(status: int, code: str, kind: type[RemoteError]) -> None:
    body = f'{{"code":"{code}","details":{{"param_name":"fields"}},"message":"m","status":"error"}}'
    error = refusal(reply(status, body.encode()), "GET /x")
    assert type(error) is kind or (kind is RemoteProtocolError and isinstance(error, kind))
    assert (code or str(status)) in str(error)
    assert error.fix
