"""What each row of a write's answer means, as a table.

Codes and details after Zoho CRM API v8, Insert, Update and Delete Records. Rows are judged whatever the
status of the whole answer, on which the documents disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect import Outcome, OutcomeKind, Write, WriteKind
from syncline_zoho.crm.values import make_version, read_instant

#: code of a row -> what became of the write, unless its details tell more
_KINDS: Mapping[str, OutcomeKind] = {
    "SUCCESS": OutcomeKind.DONE,
    "ALREADY_MODIFIED": OutcomeKind.CONFLICT,
    "DUPLICATE_DATA": OutcomeKind.TAKEN,
    "MULTIPLE_OR_MULTI_ERRORS": OutcomeKind.REFUSED,
    "MANDATORY_NOT_FOUND": OutcomeKind.REFUSED,
    "INVALID_DATA": OutcomeKind.REFUSED,
    "DEPENDENT_FIELD_MISSING": OutcomeKind.REFUSED,
    "DEPENDENT_MISMATCH": OutcomeKind.REFUSED,
    "EXPECTED_FIELD_MISSING": OutcomeKind.REFUSED,
    "MAPPING_MISMATCH": OutcomeKind.REFUSED,
    "LIMIT_EXCEEDED": OutcomeKind.REFUSED,
    "AMBIGUITY_DURING_PROCESSING": OutcomeKind.REFUSED,
    "CANNOT_PERFORM_ACTION": OutcomeKind.REFUSED,
    "STORAGE_SPACE_EXCEEDED": OutcomeKind.REFUSED,
    "NOT_APPROVED": OutcomeKind.REFUSED,
    "RECORD_IN_BLUEPRINT": OutcomeKind.REFUSED,
    "RECORD_LOCKED": OutcomeKind.REFUSED,
    "NO_PERMISSION": OutcomeKind.REFUSED,
    "AUTHORIZATION_FAILED": OutcomeKind.REFUSED,
    "TOO_MANY_REQUESTS": OutcomeKind.RETRY,
    "INTERNAL_ERROR": OutcomeKind.RETRY,
    "INTERNAL_SERVER_ERROR": OutcomeKind.RETRY,
}
#: a row that broke inside the remote may have been stored all the same
_OPEN = ("INTERNAL_ERROR", "INTERNAL_SERVER_ERROR")


def outcome_of(row: Mapping[str, Any], write: Write) -> Outcome:
    """One row's answer. A code that is not in the table is a refusal in the remote's words."""
    code = str(row.get("code") or "")
    details = row.get("details")
    details = details if isinstance(details, Mapping) else {}
    kind = _KINDS.get(code, OutcomeKind.REFUSED)
    if kind is OutcomeKind.DONE:
        return _done(details, write)
    twin = _twin(code, details)
    if twin is not None:
        kind = OutcomeKind.TAKEN
    elif code == "INVALID_DATA":
        kind = _of_an_id(str(row.get("message") or ""), details, write)
    elif code in _OPEN and write.kind is WriteKind.CREATE:
        kind = OutcomeKind.UNKNOWN
    return Outcome(
        kind=kind,
        id=write.id,
        version=_version(details) if code == "ALREADY_MODIFIED" else None,
        message=describe(str(row.get("message") or code), code, details),
        code=code,
        field=_field(details),
        other_id=twin,
    )


def _done(details: Mapping[str, Any], write: Write) -> Outcome:
    record_id = str(details.get("id") or write.id or "")
    return Outcome(kind=OutcomeKind.DONE, id=record_id, version=_version(details))


def _version(details: Mapping[str, Any]) -> str | None:
    stamp = details.get("Modified_Time")
    try:
        author = details.get("Modified_By")
        return make_version(read_instant(stamp), author) if isinstance(stamp, str) else None
    except ValueError:
        return None


def _twin(code: str, details: Mapping[str, Any]) -> str | None:
    """The record that holds a unique value, also when it is one of several errors."""
    if code == "DUPLICATE_DATA":
        holder = details.get("duplicate_record")
        found = holder.get("id") if isinstance(holder, Mapping) else details.get("id")
        return str(found) if found else None
    for error in _errors(details):
        inner = error.get("details")
        found = _twin(str(error.get("code")), inner if isinstance(inner, Mapping) else {})
        if found is not None:
            return found
    return None


def _errors(details: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = details.get("errors")
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def _of_an_id(message: str, details: Mapping[str, Any], write: Write) -> OutcomeKind:
    """Invalid data that is an id: of the record itself (gone), of one of its lines (changed since)."""
    if message == "record not deleted":
        return OutcomeKind.GONE
    if details.get("api_name") not in (None, "id"):
        return OutcomeKind.REFUSED
    if write.id is not None and str(details.get("id") or "") == write.id:
        return OutcomeKind.GONE
    path = str(details.get("json_path") or "")
    return OutcomeKind.CONFLICT if path.endswith("].id") and path.count("[") > 1 else OutcomeKind.REFUSED


def _field(details: Mapping[str, Any]) -> str | None:
    """The record's own field at fault: of ``$.data[0].Invoiced_Items[1].Quantity``, the first."""
    path = str(details.get("json_path") or "")
    parts = path.split(".")
    if len(parts) > 2 and parts[0] == "$":
        return parts[2].partition("[")[0]
    name = details.get("api_name")
    if name:
        return str(name)
    for error in _errors(details):
        inner = error.get("details")
        found = _field(inner) if isinstance(inner, Mapping) else None
        if found:
            return found
    return None


def describe(message: str, code: str, details: Mapping[str, Any]) -> str:
    """The remote's words with what its details add; never a value of the record."""
    parts = []
    where = details.get("json_path") or details.get("api_name")
    if where:
        parts.append(f"at {str(where).removeprefix('$.')}")
    for key, text in (
        ("expected_data_type", "expects {}"),
        ("maximum_length", "at most {} characters"),
        ("regex", "must match {}"),
        ("limit", "limit {}"),
    ):
        if details.get(key) is not None:
            parts.append(text.format(details[key]))
    supported = details.get("supported_values")
    if isinstance(supported, list) and supported:
        parts.append("one of " + ", ".join(str(value) for value in supported[:30]))
    for key in ("expected_fields", "ambiguity_due_to"):
        named = details.get(key)
        if isinstance(named, list):
            names = [str(n.get("api_name") or n.get("param_name")) for n in named if isinstance(n, Mapping)]
            parts.append(f"{key.replace('_', ' ')}: {', '.join(names)}")
    for error in _errors(details):
        inner = error.get("details")
        inner = inner if isinstance(inner, Mapping) else {}
        parts.append(describe(str(error.get("message") or ""), str(error.get("code") or ""), inner))
    tail = f" ({code})" if code and code.lower().replace("_", " ") != message.lower() else ""
    return "; ".join([f"{message}{tail}", *parts])
