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

from syncline.connect import (
    AnswerLost,
    HttpReply,
    Items,
    Outcome,
    OutcomeKind,
    RemoteError,
    RemoteModule,
    RemoteProtocolError,
    Write,
    WriteKind,
)
from syncline_xero.aliases import PAID_THINGS, to_wire
from syncline_xero.allocating import set_off, wants_allocations
from syncline_xero.api import Api, listing_of
from syncline_xero.completing import complete_updates
from syncline_xero.ending import delete_singly, gone, plan_endings
from syncline_xero.faults import ZERO_ID, call_error, messages_of, refused, said_by, warnings_of
from syncline_xero.kinds import KINDS
from syncline_xero.wire import id_field, read_record, write_element

#: of one contact (Xero API documentation, Contacts: contact persons)
MAX_PERSONS = 5


def write_batch(
    api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None
) -> list[Outcome]:
    """One outcome per write, in order. Raises the errors of a call that certainly stored nothing."""
    if not writes:
        return []
    kind = writes[0].kind
    if kind is WriteKind.DELETE and module.name in ("Items", "Payments"):
        return delete_singly(api, module, writes, lock_until)
    if kind in (WriteKind.DELETE, WriteKind.VOID):
        settled, sent = plan_endings(api, module, writes, lock_until)
    else:
        settled, sent = _unsendable(module, writes)
        sent, gone_keys = complete_updates(api, module, sent, lock_until)
        settled |= {write.key: gone(write) for write in writes if write.key in gone_keys}
    # Sent in the order of their keys, so that the same set is the same request whoever ordered it.
    sent.sort(key=lambda write: write.key)
    posted = [write for write in sent if set(write.values) != {"Allocations"}]
    if posted:
        for write, outcome in zip(posted, _send(api, module, posted, lock_until), strict=True):
            settled[write.key] = outcome
    allocated = [write for write in sent if wants_allocations(write)]
    settled |= set_off(api, module, allocated, settled, lock_until, begun=bool(posted))
    return [settled[write.key] for write in writes]


def _unsendable(module: RemoteModule, writes: Sequence[Write]) -> tuple[dict[str, Outcome], list[Write]]:
    """By key the outcomes of writes that Xero would certainly refuse or could only do by half."""
    settled: dict[str, Outcome] = {}
    sent: list[Write] = []
    for write in writes:
        why = ""
        if write.kind is WriteKind.UPDATE and not module.capabilities.update_batch:
            why, code, field = "Xero never changes a payment: delete it and make another", "immutable", None
        elif module.name == "Payments" and sum(bool(write.values.get(n)) for n in PAID_THINGS) != 1:
            why = "a payment is of one invoice, bill or credit note"
            code, field = "document", "Invoice"
        elif module.name == "Contacts" and len(write.values.get("ContactPersons") or ()) > MAX_PERSONS:
            why = f"Xero keeps at most {MAX_PERSONS} further persons of a contact"
            code, field = "too-many", "ContactPersons"
        elif write.kind is WriteKind.CREATE and _allocated_draft(write):
            why, code, field = "Xero sets off approved credit notes alone", "not-approved", "Allocations"
        if why:
            settled[write.key] = Outcome(
                kind=OutcomeKind.REFUSED, id=write.id, message=why, code=code, field=field
            )
        else:
            sent.append(write)
    return settled, sent


def _allocated_draft(write: Write) -> bool:
    wanted = write.values.get("Allocations")
    some = bool(wanted.items) if isinstance(wanted, Items) else bool(wanted)
    return some and write.values.get("Status") != "AUTHORISED"


def batch_key(writes: Sequence[Write]) -> str:
    """The same for the same set of writes, whatever their order; 64 characters."""
    text = "\n".join(sorted(write.key for write in writes))
    return hashlib.sha256(text.encode()).hexdigest()


def _send(api: Api, module: RemoteModule, writes: Sequence[Write], lock_until: str | None) -> list[Outcome]:
    elements = [to_wire(module.name, write_element(module, write)) for write in writes]
    return _exchange(api, module, writes, elements, lock_until)


def _exchange(
    api: Api,
    module: RemoteModule,
    writes: Sequence[Write],
    elements: Sequence[Mapping[str, Any]],
    lock_until: str | None,
) -> list[Outcome]:
    kind = KINDS[module.name]
    params = {"summarizeErrors": "false"}
    if kind.four_places:
        params["unitdp"] = "4"
    try:
        reply = api.send(
            "PUT" if writes[0].kind is WriteKind.CREATE else "POST",
            f"/{kind.path}",
            params=params,
            headers={"Idempotency-Key": batch_key(writes)},
            json={kind.listed: list(elements)},
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
    key = KINDS[module].number
    if key is None or key not in element:
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
