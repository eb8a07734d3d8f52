"""Allocations of a credit note: which to take back and which to make, so that the note ends as it shall.

Source: Xero API documentation, Credit Notes: allocations are calls of their own (``PUT`` and ``DELETE`` below
the note) and are never changed. A call that is sent again does nothing twice: what the note holds is read
first, and an allocation that is there already is not made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect import (
    AnswerLost,
    HttpReply,
    Item,
    Items,
    Outcome,
    OutcomeKind,
    Record,
    RemoteError,
    RemoteModule,
    RemoteProtocolError,
    Write,
    WriteKind,
)
from syncline_xero.aliases import allocation_to_wire
from syncline_xero.api import Api
from syncline_xero.faults import call_error, messages_of, refused, said_by
from syncline_xero.kinds import KINDS
from syncline_xero.wire import read_record, write_values

_FIELD = "Allocations"


class Plan(Struct, frozen=True):
    """``released``: ids to take back; ``made``: the values of those to make."""

    released: tuple[str, ...]
    made: tuple[Mapping[str, Any], ...]

    @property
    def nothing(self) -> bool:
        return not self.released and not self.made


def wants_allocations(write: Write) -> bool:
    return write.values.get(_FIELD) is not None


def plan_allocations(held: Sequence[Mapping[str, Any]], wanted: object) -> Plan:
    """Reads nothing, writes nothing. ``held``: as the note has them; ``wanted``: of a write, as Items or as
    plain values, which are then the whole list. What somebody else made meanwhile is left."""
    items, removed = _items(held, wanted)
    by_id = {str(a["AllocationID"]): a for a in held}
    claimed = {item.id for item in items if item.id is not None}
    free = [a for i, a in by_id.items() if i not in claimed and i not in removed]
    released = [i for i in removed if i in by_id]
    made: list[Mapping[str, Any]] = []
    for item in items:
        before = by_id.get(item.id) if item.id is not None else None
        values = {**(before or {}), **{k: v for k, v in item.values.items() if v is not None}}
        if before is not None:
            if not _alike(values, before):
                released.append(str(item.id))
                made.append(_bare(values))
            continue
        there = next((a for a in free if _alike(values, a)), None)
        if there is not None:
            free.remove(there)
        else:
            made.append(_bare(values))
    return Plan(tuple(released), tuple(made))


def _items(held: Sequence[Mapping[str, Any]], wanted: object) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    if isinstance(wanted, Items):
        return wanted.items, wanted.removed
    items: list[Item] = []
    left = list(held)
    for values in wanted if isinstance(wanted, Sequence) else ():
        there = next((a for a in left if _alike(values, a)), None)
        if there is not None:
            left.remove(there)
        items.append(Item(values=values, id=str(there["AllocationID"]) if there is not None else None))
    return tuple(items), tuple(str(a["AllocationID"]) for a in left)


def _document(values: Mapping[str, Any]) -> str:
    """The id of what is set off against."""
    for name in ("Invoice", "Bill"):
        if isinstance(values.get(name), Mapping):
            return str(values[name].get("InvoiceID") or "").lower()
    return ""


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same document and amount; the same day, where both name one."""
    days = [d for d in (one.get("Date"), other.get("Date")) if d]
    return (
        _document(one) == _document(other)
        and Decimal(one.get("Amount") or 0) == Decimal(other.get("Amount") or 0)
        and (len(days) < 2 or days[0] == days[1])
    )


def _bare(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "AllocationID" and value is not None}


# --- carrying it out -----------------------------------------------------------------------------------


def set_off(
    api: Api,
    module: RemoteModule,
    writes: Sequence[Write],
    written: Mapping[str, Outcome],
    lock_until: str | None,
    *,
    begun: bool,
) -> dict[str, Outcome]:
    """By key the outcomes of writes with allocations, each note by itself. ``written``: what became of the
    notes that were sent; ``begun``: something of the batch has been sent, so that a failed call is that
    note's own. Raises what fails before that."""
    done: dict[str, Outcome] = {}
    for write in writes:
        note = written.get(write.key)
        if note is not None and (note.kind is not OutcomeKind.DONE or note.id is None):
            continue
        note_id = str(note.id if note is not None else write.id)
        try:
            outcome = allocate(api, module, write, note_id, lock_until)
        except RemoteError as error:
            if not begun:
                raise
            outcome = Outcome(kind=OutcomeKind.RETRY, id=note_id, message=error.what)
        begun = True
        done[write.key] = _joined(write, note, outcome)
    return done


def _joined(write: Write, note: Outcome | None, outcome: Outcome) -> Outcome:
    """One outcome of a note and of its allocations. A note that was just made stands whatever becomes of
    them: what looks for it afterwards sets it off, and a refusal is that of the allocations alone."""
    if note is None:
        return outcome
    if write.kind is not WriteKind.CREATE or outcome.kind is OutcomeKind.DONE:
        return replace(outcome, warnings=(*note.warnings, *outcome.warnings))
    if outcome.kind in (OutcomeKind.RETRY, OutcomeKind.UNKNOWN):
        return replace(outcome, kind=OutcomeKind.UNKNOWN)
    return without_allocations(note, outcome)


def without_allocations(note: Outcome, refusal: Outcome) -> Outcome:
    """The outcome of a note that stands and was not set off."""
    said = f"not set off: {refusal.message}"
    return replace(note, warnings=(*note.warnings, said), missed=frozenset({_FIELD}))


def allocate(api: Api, module: RemoteModule, write: Write, note_id: str, lock_until: str | None) -> Outcome:
    """Bring a note's allocations to what a write says; the outcome of that part alone. Raises the errors of
    calls before which nothing was taken back or made."""
    record = read_note(api, module, note_id, lock_until)
    if record is None:
        return Outcome(
            kind=OutcomeKind.GONE, id=note_id, message="Xero no longer has this record", code="not-found"
        )
    plan = plan_allocations(record.values.get(_FIELD) or (), write.values[_FIELD])
    if plan.nothing:
        return _done(record)
    if record.values.get("Status") not in ("AUTHORISED", "PAID"):
        return Outcome(
            kind=OutcomeKind.REFUSED,
            id=note_id,
            message="Xero sets off approved credit notes alone",
            code="not-approved",
            field=_FIELD,
        )
    base = f"/{KINDS[module.name].path}/{note_id}/{_FIELD}"
    begun = False
    try:
        for allocation in plan.released:
            failure = _release(api, f"{base}/{allocation}", note_id)
            if failure is not None:
                return failure
            begun = True
        failure = _make(api, module, base, plan, write, note_id) if plan.made else None
        if failure is not None:
            return failure
        begun = True
        after = read_note(api, module, note_id, lock_until)
    except AnswerLost as lost:
        return Outcome(kind=OutcomeKind.UNKNOWN, id=note_id, message=lost.what)
    except RemoteError as error:
        if not begun:
            raise
        return Outcome(kind=OutcomeKind.RETRY, id=note_id, message=error.what)
    return _done(after if after is not None else record)


def read_note(api: Api, module: RemoteModule, note_id: str, lock_until: str | None) -> Record | None:
    row = api.get_one(module.name, note_id)
    return None if row is None else read_record(module, row, lock_until)


def _release(api: Api, path: str, note_id: str) -> Outcome | None:
    """``None`` when the allocation is gone, whoever took it back."""
    reply = api.send("DELETE", path)
    if reply.status in (200, 204, 404):
        return None
    return _failed(reply, note_id, "taking back an allocation")


def _make(
    api: Api, module: RemoteModule, base: str, plan: Plan, write: Write, note_id: str
) -> Outcome | None:
    field = module.field(_FIELD)
    fields = field.fields if field is not None else ()
    elements = [allocation_to_wire(write_values(fields, v, creating=True)) for v in plan.made]
    # With what is to be made in the key: after a part of it was, the rest is another request.
    marks = "\n".join(sorted(f"{_document(v)} {v.get('Amount')} {v.get('Date')}" for v in plan.made))
    key = hashlib.sha256(f"{write.key} {note_id}\n{marks}".encode()).hexdigest()
    reply = api.send(
        "PUT",
        base,
        params={"summarizeErrors": "false"},
        headers={"Idempotency-Key": key},
        json={_FIELD: elements},
    )
    if reply.status != 200:
        return _failed(reply, note_id, "setting off a credit note")
    body = reply.json()
    rows = body.get(_FIELD) if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return Outcome(kind=OutcomeKind.UNKNOWN, id=note_id, message="Xero's answer holds no allocations")
    words = [text for row in rows if isinstance(row, Mapping) for text in messages_of(row)]
    return None if not words else _in_field(refused(words, note_id))


def _failed(reply: HttpReply, note_id: str, what: str) -> Outcome:
    if reply.status == 400:
        try:
            body = reply.json()
        except RemoteProtocolError:
            body = {}
        found = body.get("Elements") if isinstance(body, dict) else None
        words = [text for row in found or () if isinstance(row, Mapping) for text in messages_of(row)]
        return _in_field(refused(words or [said_by(reply)], note_id))
    if reply.status >= 500 and reply.status != 501:
        said = f"Xero answered {reply.status}: {said_by(reply)}"
        return Outcome(kind=OutcomeKind.UNKNOWN, id=note_id, message=said)
    raise call_error(reply, what)


def _in_field(outcome: Outcome) -> Outcome:
    return Outcome(kind=outcome.kind, id=outcome.id, message=outcome.message, code=outcome.code, field=_FIELD)


def _done(record: Record) -> Outcome:
    return Outcome(kind=OutcomeKind.DONE, id=record.id, version=record.version, record=record)
