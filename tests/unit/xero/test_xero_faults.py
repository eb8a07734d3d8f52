"""Every refusal that Xero is known to give means what the table says."""

from __future__ import annotations

import json

import pytest

from syncline.connect import (
    HttpReply,
    OutcomeKind,
    PermissionMissing,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline_xero.faults import MEANINGS, call_error, messages_of, refused, said_by, warnings_of

NAME = (
    "The contact name Ann is already assigned to another contact."
    " The contact name must be unique across all active contacts."
)


@pytest.mark.parametrize(
    ("message", "kind", "code", "field"),
    [
        (NAME, OutcomeKind.TAKEN, "name-taken", "Name"),
        (
            "The contact number 7 is already assigned to another contact. The contact number must be unique.",
            OutcomeKind.TAKEN,
            "number-taken",
            "ContactNumber",
        ),
        (
            "The account number 7 is already assigned to another contact.",
            OutcomeKind.TAKEN,
            "account-taken",
            "AccountNumber",
        ),
        ("Price List Item with Code ''abc'' already exists", OutcomeKind.TAKEN, "code-taken", "Code"),
        ("Invoice # must be unique.", OutcomeKind.TAKEN, "number-taken", "InvoiceNumber"),
        ("Please enter a unique Name.", OutcomeKind.TAKEN, "name-taken", "Name"),
        ("The ContactID could not be found", OutcomeKind.GONE, "not-found", None),
        (
            "This document cannot be edited as it has a payment or credit note allocated to it.",
            OutcomeKind.CONFLICT,
            "paid",
            None,
        ),
        ("Invoice not of valid status for modification", OutcomeKind.REFUSED, "status", "Status"),
        ("Invoice status is not valid for a new invoice", OutcomeKind.REFUSED, "status", "Status"),
        (
            "The document date cannot be before the period lock date, currently set at 30 June 2026",
            OutcomeKind.REFUSED,
            "locked-period",
            "Date",
        ),
        (
            "The document date cannot be before the end of year lock date, currently set at 30 June 2026",
            OutcomeKind.REFUSED,
            "locked-period",
            "Date",
        ),
        ("Organisation is not subscribed to currency CHF", OutcomeKind.REFUSED, "currency", "CurrencyCode"),
        ("Unable to assign an Archived contact.", OutcomeKind.REFUSED, "archived-contact", "Contact"),
        ("Email address must be valid.", OutcomeKind.REFUSED, "email", "EmailAddress"),
        ("The contact name cannot contain < or >.", OutcomeKind.REFUSED, "name", "Name"),
        ("Due Date cannot be empty", OutcomeKind.REFUSED, "due-date", "DueDate"),
        ("Item code 'X' is not valid", OutcomeKind.REFUSED, "item-code", "LineItems"),
        ("Account code 'X' is not a valid code", OutcomeKind.REFUSED, "account-code", "LineItems"),
        ("The TaxType code 'x' does not exist", OutcomeKind.REFUSED, "tax-type", None),
        (
            "The line total 1 does not match the expected line total 2",
            OutcomeKind.REFUSED,
            "totals",
            "LineItems",
        ),
        (
            "The invoice total does not equal the sum of the lines.",
            OutcomeKind.REFUSED,
            "totals",
            "LineItems",
        ),
        (
            "The idempotency key has already been used with a different request",
            OutcomeKind.RETRY,
            "idempotency",
            None,
        ),
        (
            "The TaxNumber field exceeds the maximum length of 50 characters.",
            OutcomeKind.REFUSED,
            "validation",
            "TaxNumber",
        ),
        ("Something nobody has seen before", OutcomeKind.REFUSED, "validation", None),
    ],
)
def test_one_message(message: str, kind: OutcomeKind, code: str, field: str | None) -> None:
    outcome = refused([message], "id-1")
    assert (outcome.kind, outcome.code, outcome.field) == (kind, code, field)
    assert (outcome.message, outcome.id) == (message, "id-1")


def test_the_first_message_that_is_known_decides_and_all_are_told() -> None:
    outcome = refused(["Nobody knows this.", NAME, "Email address must be valid."], None)
    assert outcome.code == "name-taken"
    assert outcome.message.startswith("Nobody knows this.; The contact name Ann")


def test_every_meaning_can_be_reached() -> None:
    assert len({m.pattern for m in MEANINGS}) == len(MEANINGS)


@pytest.mark.parametrize(
    ("element", "messages"),
    [
        ({"StatusAttributeString": "OK", "ValidationErrors": []}, []),
        ({"ValidationErrors": [{"Message": "a"}, {"Message": "b"}]}, ["a", "b"]),
        ({"StatusAttributeString": "WARNING", "Warnings": [{"Message": "w"}]}, []),
        ({"StatusAttributeString": "ERROR"}, ["Xero refused this record without saying why"]),
        ({"HasErrors": False}, []),
    ],
)
def test_the_refusals_of_an_element(element: dict[str, object], messages: list[str]) -> None:
    assert messages_of(element) == messages


def test_the_warnings_of_an_element() -> None:
    assert warnings_of({"Warnings": [{"Message": "w"}]}) == ("w",)
    assert warnings_of({}) == ()


def problem(status: int, detail: str) -> HttpReply:
    body = json.dumps({"Type": None, "Title": "x", "Status": status, "Detail": detail})
    headers = {"content-type": "application/json; charset=utf-8", "xero-correlation-id": "c-1"}
    return HttpReply(status, headers, body.encode())


def text(status: int, body: str, kind: str = "text/plain") -> HttpReply:
    return HttpReply(status, {"content-type": kind}, body.encode())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(problem(401, "AuthorizationUnsuccessful"), ReconnectNeeded, id="scope"),
        pytest.param(problem(401, "TokenExpired: token expired"), ReconnectNeeded, id="expired for good"),
        pytest.param(problem(403, "AuthenticationUnsuccessful"), ReconnectNeeded, id="tenant"),
        pytest.param(problem(403, "You lack a role"), PermissionMissing, id="role"),
        pytest.param(text(403, "no"), PermissionMissing, id="role, in words"),
        pytest.param(problem(400, "QueryParseException"), RemoteProtocolError, id="bad filter"),
        pytest.param(text(404, "The resource you're looking for"), RemoteProtocolError, id="no such list"),
        pytest.param(text(412, "?"), RemoteProtocolError, id="precondition"),
        pytest.param(text(500, "<html>", "text/html"), RemoteUnavailable, id="server error"),
        pytest.param(problem(501, "ApiMethodNotImplementedException"), RemoteProtocolError, id="no method"),
        pytest.param(text(503, "The API is offline"), RemoteUnavailable, id="offline"),
    ],
)
def test_a_whole_call(reply: HttpReply, error: type[RemoteError]) -> None:
    raised = call_error(reply, "reading Contacts")
    assert type(raised) is error
    assert raised.status == reply.status
    assert raised.correlation == reply.headers.get("xero-correlation-id")
    assert raised.fix


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (problem(403, "why"), "why"),
        (text(404, " gone \n"), "gone"),
        (text(502, "", "text/html"), "a web page instead of data"),
        (text(500, ""), "an empty answer"),
        (text(500, "{", "application/json"), "an answer that cannot be read"),
        (text(500, "[]", "application/json"), "no reason given"),
        (text(500, "x" * 1000), "x" * 200),
    ],
)
def test_what_an_answer_said(reply: HttpReply, said: str) -> None:
    assert said_by(reply) == said
