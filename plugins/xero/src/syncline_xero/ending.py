"""Deleting and voiding: what Xero has for it, and what it will refuse, known before the call.

Sources: Xero API documentation, Invoices and Credit Notes (status codes), Payments (deleting a payment). What
was never approved is DELETED; what was is VOIDED, and stays; nothing is ended once money has been put
against it. Quotes and purchase orders are DELETED by their state as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from syncline.connect import (
    AnswerLost,
    HttpReply,
    Outcome,
    OutcomeKind,
    Record,
    RemoteError,
    RemoteModule,
    RemoteProtocolError,
    Write,
    WriteKind,
)
from syncline_xero.api import Api
from syncline_xero.faults import call_error, messages_of, refused, said_by
from syncline_xero.kinds import KINDS
from syncline_xero.reading import read_by_ids

_DRAFTS = {"DRAFT": "DELETED", "SUBMITTED": "DELETED"}
_DELETED: Mapping[str, Mapping[str, str]] = {
    "Quotes": dict.fromkeys(("DRAFT", "SENT", "ACCEPTED", "DECLINED", "INVOICED"), "DELETED"),
    "PurchaseOrders": {**_DRAFTS, "AUTHORISED": "DELETED"},
}
_ENDED = ("DELETED", "VOIDED")


def plan_ending(module: str, kind: WriteKind, record: Record) -> str | Outcome:
    """The state that ends a record, or the outcome that needs no call. Reads nothing, writes nothing."""
    status = str(record.values.get("Status"))
    voiding = kind is WriteKind.VOID
    if status == "DELETED" or (voiding and status == "VOIDED"):
        return Outcome(kind=OutcomeKind.DONE, id=record.id, version=record.version, record=record)
    if status == "VOIDED":
        return _refusal(record, "voided", "it is voided: Xero keeps it, and it counts for nothing")
    if module in _DELETED:
        target = _DELETED[module].get(status)
        if target is None:
            return _refusal(record, "billed", "Xero does not delete an order that has been billed")
        return target
    if status in _DRAFTS:
        return "DELETED"
    if status == "PAID" or _used(record):
        return _refusal(
            record, "paid", "Xero neither deletes nor voids a document that money has been put against"
        )
    if not voiding:
        return _refusal(record, "approved", "Xero deletes drafts alone; what is approved can be voided")
    if record.lock is not None and not record.lock.editable:
        return _refusal(record, "locked-period", record.lock.reason)
    return "VOIDED"


def _used(record: Record) -> bool:
    values = record.values
    return any(values.get(n) for n in ("AmountPaid", "AmountCredited", "Allocations", "Payments"))


def _refusal(record: Record, code: str, why: str) -> Outcome:
    return Outcome(kind=OutcomeKind.REFUSED, id=record.id, message=why, code=code)


def plan_endings(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> tuple[dict[str, Outcome], list[Write]]:
    """By key the outcomes that need no call, and the writes of a state that end the others."""
    held = {r.id: r for r in read_by_ids(api, module, [str(w.id) for w in writes], lock_until)}
    outcomes: dict[str, Outcome] = {}
    sent: list[Write] = []
    for write in writes:
        record = held.get(str(write.id))
        if record is None:
            outcomes[write.key] = gone(write)
            continue
        planned = plan_ending(module.name, write.kind, record)
        if isinstance(planned, Outcome):
            outcomes[write.key] = planned
            continue
        values: dict[str, Any] = {"Status": planned}
        if module.name == "Quotes":
            values |= {name: record.values.get(name) for name in ("Contact", "Date")}
        sent.append(Write(kind=write.kind, key=write.key, id=write.id, values=values))
    return outcomes, sent


def gone(write: Write) -> Outcome:
    return Outcome(
        kind=OutcomeKind.GONE, id=write.id, message="Xero no longer has this record", code="not-found"
    )


# --- one by one ----------------------------------------------------------------------------------------


def delete_singly(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> list[Outcome]:
    """Items and payments are deleted one by one; after the first, a failed call is that record's own."""
    outcomes: list[Outcome] = []
    for place, write in enumerate(writes):
        try:
            outcomes.append(_delete(api, module, write, lock_until))
        except RemoteError as error:
            if place == 0:
                raise
            outcomes.append(Outcome(kind=OutcomeKind.RETRY, id=write.id, message=error.what))
    return outcomes


def _delete(api: Api, module: RemoteModule, write: Write, lock_until: str | None) -> Outcome:
    path = f"/{KINDS[module.name].path}/{quote(str(write.id), safe='')}"
    try:
        if module.name == "Payments":
            key = hashlib.sha256(f"{write.key} delete".encode()).hexdigest()
            reply = api.send("POST", path, headers={"Idempotency-Key": key}, json={"Status": "DELETED"})
        else:
            reply = api.send("DELETE", path)
    except AnswerLost as lost:
        return Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=lost.what)
    if reply.status == 404:
        return gone(write)
    if reply.status == 204 or (reply.status == 200 and _says_deleted(module, reply)):
        return Outcome(kind=OutcomeKind.DONE, id=write.id)
    if reply.status == 400:
        if module.name == "Payments" and _is_deleted(api, module, write, lock_until):
            return Outcome(kind=OutcomeKind.DONE, id=write.id)
        return refused(_words(reply), write.id)
    if reply.status == 200 or (reply.status >= 500 and reply.status != 501):
        # 200 is somebody else's page: Xero has nothing to say here.
        said = f"Xero answered {reply.status}: {said_by(reply)}"
        return Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=said)
    raise call_error(reply, f"deleting one of the {module.name}")


def _says_deleted(module: RemoteModule, reply: HttpReply) -> bool:
    if module.name != "Payments":
        return False
    try:
        body = reply.json()
    except RemoteProtocolError:
        return False
    rows = body.get("Payments") if isinstance(body, dict) else None
    return isinstance(rows, list) and bool(rows) and rows[0].get("Status") == "DELETED"


def _is_deleted(api: Api, module: RemoteModule, write: Write, lock_until: str | None) -> bool:
    found = read_by_ids(api, module, [str(write.id)], lock_until)
    return bool(found) and found[0].values.get("Status") == "DELETED"


def _words(reply: HttpReply) -> list[str]:
    try:
        body = reply.json()
    except RemoteProtocolError:
        body = {}
    found = body.get("Elements") if isinstance(body, dict) else None
    messages = messages_of(found[0]) if isinstance(found, list) and found else []
    return messages or [said_by(reply)]
