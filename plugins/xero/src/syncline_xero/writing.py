"""Writing a batch: one call, one outcome for each record of it.

Creates are PUT, which never matches an existing record; updates are POST with the record's id. Every call
asks for a verdict on each element (``summarizeErrors=false``), four decimals (``unitdp=4``), and carries
an idempotency key made of the keys of its writes, so that sending the same batch again within six minutes
gives the first answer again (Xero API documentation: Requests and responses, Idempotent requests).
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
    RemoteError,
    RemoteModule,
    RemoteProtocolError,
    Write,
    WriteKind,
)
from syncline_xero.api import Api, listing_of
from syncline_xero.catalogue import ITEMS
from syncline_xero.faults import ZERO_ID, call_error, messages_of, refused, said_by, warnings_of
from syncline_xero.reading import read_by_ids
from syncline_xero.wire import id_field, read_record, write_element

_NATURAL_KEYS = {"Contacts": "Name", "Items": "Code", "Invoices": "InvoiceNumber"}
_DELETABLE = {"DRAFT": "DELETED", "SUBMITTED": "DELETED", "AUTHORISED": "VOIDED"}


def write_batch(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> list[Outcome]:
    """One outcome per write, in order. Raises the errors of a call that certainly stored nothing."""
    if not writes:
        return []
    if writes[0].kind is WriteKind.DELETE:
        if module.name == "Items":
            return [_delete_item(api, write, place) for place, write in enumerate(writes)]
        return _end_invoices(api, module, writes, lock_until)
    # Sent in the order of their keys, so that the same set is the same request whoever ordered it.
    order = sorted(range(len(writes)), key=lambda i: writes[i].key)
    outcomes = _send(api, module, [writes[i] for i in order], lock_until)
    back: list[Outcome | None] = [None] * len(writes)
    for place, outcome in zip(order, outcomes, strict=True):
        back[place] = outcome
    return [outcome for outcome in back if outcome is not None]


def batch_key(writes: Sequence[Write]) -> str:
    """The same for the same set of writes, whatever their order; 64 characters."""
    text = "\n".join(sorted(write.key for write in writes))
    return hashlib.sha256(text.encode()).hexdigest()


def _send(api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None) -> list[Outcome]:
    elements = [write_element(module, write) for write in writes]
    return _exchange(api, module, writes, elements, lock_until)


def _exchange(
    api: Api,
    module: RemoteModule,
    writes: Sequence[Write],
    elements: Sequence[Mapping[str, Any]],
    lock_until: str | None,
) -> list[Outcome]:
    params = {"summarizeErrors": "false"}
    if module.name != "Contacts":
        params["unitdp"] = "4"
    try:
        reply = api.send(
            "PUT" if writes[0].kind is WriteKind.CREATE else "POST",
            f"/{module.name}",
            params=params,
            headers={"Idempotency-Key": batch_key(writes)},
            json={module.name: list(elements)},
        )
    except AnswerLost as lost:
        return [_unknown(write, lost.what) for write in writes]
    if reply.status == 200:
        return _outcomes(module, writes, elements, reply, lock_until)
    if reply.status == 400:
        return _whole_call_refused(api, module, writes, elements, reply, lock_until)
    if _open(reply):
        return [_unknown(write, f"Xero answered {reply.status}: {said_by(reply)}") for write in writes]
    raise call_error(reply, f"writing {module.name}")


def _whole_call_refused(
    api: Api,
    module: RemoteModule,
    writes: Sequence[Write],
    elements: Sequence[Mapping[str, Any]],
    reply: HttpReply,
    lock_until: str | None,
) -> list[Outcome]:
    """A 400 stored nothing. One bad record must not stop the others: the batch is halved until it stands
    alone."""
    if len(writes) > 1:
        half = len(writes) // 2
        outcomes = _exchange(api, module, writes[:half], elements[:half], lock_until)
        try:
            outcomes += _exchange(api, module, writes[half:], elements[half:], lock_until)
        except RemoteError as error:
            # The first half has been dealt with, so that the call as a whole has not failed.
            outcomes += [
                Outcome(kind=OutcomeKind.RETRY, id=write.id, message=error.what) for write in writes[half:]
            ]
        return outcomes
    try:
        body = reply.json()
    except RemoteProtocolError:
        body = {}
    found = body.get("Elements") if isinstance(body, dict) else None
    messages = messages_of(found[0]) if isinstance(found, list) and found else []
    return [refused(messages or [said_by(reply)], writes[0].id)]


def _outcomes(
    module: RemoteModule,
    writes: Sequence[Write],
    elements: Sequence[Mapping[str, Any]],
    reply: HttpReply,
    lock_until: str | None,
) -> list[Outcome]:
    """The verdicts of a 200, taken by position and checked by id or natural key."""
    try:
        rows = listing_of(reply, module.name).rows
    except RemoteProtocolError as error:
        return [_unknown(write, error.what) for write in writes]
    if len(rows) != len(writes) or not all(
        _answers(module.name, element, row) for element, row in zip(elements, rows, strict=True)
    ):
        return [_unknown(write, "Xero's answer does not fit what was sent") for write in writes]
    return [_outcome(module, write, row, lock_until) for write, row in zip(writes, rows, strict=True)]


def _answers(module: str, element: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row is the answer to an element."""
    wanted = element.get(id_field(module))
    if wanted is not None:
        given = row.get(id_field(module))
        return given in (None, ZERO_ID) or str(given).lower() == str(wanted).lower()
    if messages_of(row):
        return True
    key = _NATURAL_KEYS[module]
    if key not in element:
        return True
    return _folded(element[key]) == _folded(row.get(key))


def _folded(value: object) -> str:
    return " ".join(str(value or "").split()).casefold()


def _outcome(module: RemoteModule, write: Write, row: Mapping[str, Any], lock_until: str | None) -> Outcome:
    messages = messages_of(row)
    if messages:
        return refused(messages, write.id)
    record = read_record(module, row, lock_until)
    return Outcome(
        kind=OutcomeKind.DONE,
        id=record.id,
        version=record.version,
        record=record,
        warnings=warnings_of(row),
    )


def _open(reply: HttpReply) -> bool:
    """Whether Xero, or what stands before it, may have failed after some of the call was carried out."""
    return reply.status >= 500 and reply.status != 501


def _unknown(write: Write, why: str) -> Outcome:
    return Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=why)


def _gone(write: Write) -> Outcome:
    return Outcome(
        kind=OutcomeKind.GONE, id=write.id, message="Xero no longer has this record", code="not-found"
    )


# --- deletes -----------------------------------------------------------------------------------------


def _delete_item(api: Api, write: Write, place: int) -> Outcome:
    """Items are deleted one by one; after the first, a failed call is that item's own outcome."""
    try:
        reply = api.send("DELETE", f"/Items/{quote(str(write.id), safe='')}")
    except AnswerLost as lost:
        return _unknown(write, lost.what)
    except RemoteError as error:
        if place == 0:
            raise
        return Outcome(kind=OutcomeKind.RETRY, id=write.id, message=error.what)
    if reply.status == 204:
        return Outcome(kind=OutcomeKind.DONE, id=write.id)
    if reply.status == 404:
        return _gone(write)
    if reply.status == 400:
        return _whole_call_refused(api, ITEMS, [write], [{}], reply, None)[0]
    if reply.status == 200 or _open(reply):  # 200 is somebody else's page: Xero has nothing to say here
        return _unknown(write, f"Xero answered {reply.status}: {said_by(reply)}")
    if place == 0:
        raise call_error(reply, "deleting an item")
    return Outcome(kind=OutcomeKind.RETRY, id=write.id, message=said_by(reply))


def _end_invoices(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> list[Outcome]:
    """What Xero has for deleting an invoice: DELETED before approval, VOIDED after it, nothing once paid."""
    held = {r.id: r for r in read_by_ids(api, module, [str(w.id) for w in writes], lock_until)}
    outcomes: dict[str, Outcome] = {}
    sent: list[Write] = []
    for write in writes:
        record = held.get(str(write.id))
        if record is None:
            outcomes[write.key] = _gone(write)
            continue
        status = record.values.get("Status")
        paid = record.values.get("AmountPaid") or record.values.get("AmountCredited")
        if status in ("DELETED", "VOIDED"):
            outcomes[write.key] = Outcome(
                kind=OutcomeKind.DONE, id=record.id, version=record.version, record=record
            )
        elif paid or status not in _DELETABLE:
            outcomes[write.key] = Outcome(
                kind=OutcomeKind.REFUSED,
                id=record.id,
                message="Xero neither deletes nor voids an invoice that has a payment",
                code="paid",
            )
        else:
            sent.append(
                Write(
                    kind=WriteKind.DELETE,
                    key=write.key,
                    id=write.id,
                    values={"Status": _DELETABLE[str(status)]},
                )
            )
    if sent:
        sent.sort(key=lambda write: write.key)
        for write, outcome in zip(sent, _send(api, module, sent, lock_until), strict=True):
            outcomes[write.key] = outcome
    return [outcomes[write.key] for write in writes]
