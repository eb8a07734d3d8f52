"""What Xero's refusals mean, as two tables: of whole calls by status, of single elements by message.

Sources: Xero API documentation, Requests and responses: HTTP response codes and errors; the messages
are those of its OpenAPI examples and of what integrators report. They are matched by what does not vary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from syncline.connect import (
    HttpReply,
    Outcome,
    OutcomeKind,
    PermissionMissing,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)

ZERO_ID = "00000000-0000-0000-0000-000000000000"


class Meaning(Struct, frozen=True):
    """``code``: our short name of the refusal, for programs; ``field``: the remote field at fault."""

    pattern: str
    kind: OutcomeKind
    code: str
    field: str | None = None


MEANINGS = (
    Meaning(r"contact name .* already assigned", OutcomeKind.TAKEN, "name-taken", "Name"),
    Meaning(r"contact number .* already assigned", OutcomeKind.TAKEN, "number-taken", "ContactNumber"),
    Meaning(r"account number .* already assigned", OutcomeKind.TAKEN, "account-taken", "AccountNumber"),
    Meaning(r"item with code .* already exists", OutcomeKind.TAKEN, "code-taken", "Code"),
    Meaning(r"invoice # must be unique", OutcomeKind.TAKEN, "number-taken", "InvoiceNumber"),
    Meaning(r"credit note # must be unique", OutcomeKind.TAKEN, "number-taken", "CreditNoteNumber"),
    Meaning(r"quote # must be unique", OutcomeKind.TAKEN, "number-taken", "QuoteNumber"),
    Meaning(r"order number must be unique", OutcomeKind.TAKEN, "number-taken", "PurchaseOrderNumber"),
    Meaning(r"please enter a unique name", OutcomeKind.TAKEN, "name-taken", "Name"),
    Meaning(r"the \w+id could not be found", OutcomeKind.GONE, "not-found"),
    Meaning(r"exceeds the (amount outstanding|remaining credit)", OutcomeKind.REFUSED, "amount", "Amount"),
    Meaning(r"not valid for payments", OutcomeKind.REFUSED, "account", "Account"),
    Meaning(r"against approved documents", OutcomeKind.REFUSED, "not-approved", "Invoice"),
    Meaning(r"approved credit notes", OutcomeKind.REFUSED, "not-approved", "Allocations"),
    Meaning(r"quantity .* not sufficient", OutcomeKind.REFUSED, "stock", "LineItems"),
    Meaning(r"cost of goods sold|inventory asset", OutcomeKind.REFUSED, "tracked", "PurchaseDetails"),
    Meaning(r"tracked, so it cannot", OutcomeKind.REFUSED, "tracked", None),
    Meaning(r"tracking (category|option)", OutcomeKind.REFUSED, "tracking", "LineItems"),
    Meaning(r"contact persons", OutcomeKind.REFUSED, "too-many", "ContactPersons"),
    Meaning(r"payment or credit note allocated", OutcomeKind.CONFLICT, "paid"),
    Meaning(r"not of valid status for modification", OutcomeKind.REFUSED, "status", "Status"),
    Meaning(r"invoice status is not valid", OutcomeKind.REFUSED, "status", "Status"),
    Meaning(r"lock date", OutcomeKind.REFUSED, "locked-period", "Date"),
    Meaning(r"not subscribed to currency", OutcomeKind.REFUSED, "currency", "CurrencyCode"),
    Meaning(r"archived contact", OutcomeKind.REFUSED, "archived-contact", "Contact"),
    Meaning(r"email address must be valid", OutcomeKind.REFUSED, "email", "EmailAddress"),
    Meaning(r"contact name", OutcomeKind.REFUSED, "name", "Name"),
    Meaning(r"due date", OutcomeKind.REFUSED, "due-date", "DueDate"),
    Meaning(r"item code", OutcomeKind.REFUSED, "item-code", "LineItems"),
    Meaning(r"account code", OutcomeKind.REFUSED, "account-code", "LineItems"),
    Meaning(r"taxtype code", OutcomeKind.REFUSED, "tax-type"),
    Meaning(r"line total|sum of the lines", OutcomeKind.REFUSED, "totals", "LineItems"),
    Meaning(r"different request", OutcomeKind.RETRY, "idempotency"),
)
_COMPILED = [(re.compile(m.pattern, re.IGNORECASE), m) for m in MEANINGS]
_FIELD_NAMED = re.compile(r"The (\w+) field exceeds")


def messages_of(element: Mapping[str, Any]) -> list[str]:
    """The refusals of one element, empty when it was accepted."""
    errors = element.get("ValidationErrors") or []
    found = [str(e.get("Message", "")) for e in errors if isinstance(e, Mapping)]
    if not found and element.get("StatusAttributeString") == "ERROR":
        found = ["Xero refused this record without saying why"]
    return found


def warnings_of(element: Mapping[str, Any]) -> tuple[str, ...]:
    warnings = element.get("Warnings") or []
    return tuple(str(w.get("Message", "")) for w in warnings if isinstance(w, Mapping))


def refused(messages: Sequence[str], record_id: str | None) -> Outcome:
    """The outcome of an element with these refusals: the first one that the table knows decides."""
    text = "; ".join(messages)
    for message in messages:
        for pattern, meaning in _COMPILED:
            if pattern.search(message):
                return Outcome(
                    kind=meaning.kind, id=record_id, message=text, code=meaning.code, field=meaning.field
                )
    limited = _FIELD_NAMED.search(text)
    return Outcome(
        kind=OutcomeKind.REFUSED,
        id=record_id,
        message=text,
        code="validation",
        field=limited[1] if limited else None,
    )


def call_error(reply: HttpReply, what: str) -> RemoteError:
    """The error of a whole call that is not a 400 over its elements. ``what``: the call, for people."""
    status, correlation = reply.status, reply.headers.get("xero-correlation-id")
    said = said_by(reply)
    if status == 401:
        return ReconnectNeeded(
            f"Xero no longer accepts this sign-in, or it was not granted what {what} needs ({said})",
            fix="run `syncline connect` for this system again",
            status=status,
            correlation=correlation,
        )
    if status == 403 and "authenticationunsuccessful" in said.lower().replace(" ", ""):
        return ReconnectNeeded(
            "the organisation is no longer connected to this application",
            fix="run `syncline connect` for this system again and choose the organisation",
            status=status,
            correlation=correlation,
        )
    if status == 403:
        return PermissionMissing(
            f"Xero does not allow {what}: {said}",
            fix="give the user who connected the role it needs in Xero, or connect as another user",
            status=status,
            correlation=correlation,
        )
    if status in (500, 502, 503, 504):
        return RemoteUnavailable(
            f"Xero cannot answer {what} now ({status}: {said})",
            fix="the next pass tries again; if it lasts, see Xero's status page",
            status=status,
            correlation=correlation,
        )
    return RemoteProtocolError(
        f"Xero did not understand {what} ({status}: {said})",
        fix="this is a fault of the connector: please report it",
        status=status,
        correlation=correlation,
    )


def said_by(reply: HttpReply) -> str:
    """A short sentence from an error's body, whatever its form; never a whole payload."""
    if "json" in reply.headers.get("content-type", ""):
        try:
            body = reply.json()
        except RemoteProtocolError:
            return "an answer that cannot be read"
        if isinstance(body, Mapping):
            text = body.get("Detail") or body.get("Message") or body.get("Title") or body.get("error")
            return str(text or "no reason given")[:300]
        return "no reason given"
    if "html" in reply.headers.get("content-type", ""):
        return "a web page instead of data"
    return reply.text.strip()[:200] or "an empty answer"
