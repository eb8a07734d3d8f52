"""What the answer to a write means for the record: a table of codes over the HTTP status.

Codes after Zoho Books API v3, Errors, and as public clients recorded them (3062: a contact's name is taken,
1001: an item's, 15: a text is too long). Which code a taken document number has is not documented, so the
words decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from syncline.connect import HttpReply, Outcome, OutcomeKind, RemoteProtocolError, Write
from syncline_zoho.books.api import GONE, refusal, told
from syncline_zoho.books.kinds import Kind

_TAKEN = frozenset({1001, 3062})
_LONG = 15
_WORDS_OF_TAKEN = re.compile(
    r"already (?:exists|been (?:used|taken|created))|is already in use", re.IGNORECASE
)
_WORDS_OF_LOCK = re.compile(r"transaction lock|is locked|locked (?:on|till|until|period)", re.IGNORECASE)
_FIELD_SAID = re.compile(r"ensure that the ([\w ]+?) has less than", re.IGNORECASE)
_LABELS: Mapping[str, str] = {"SKU": "sku"}


def unknown(write: Write, why: str, record_id: str | None = None) -> Outcome:
    return Outcome(kind=OutcomeKind.UNKNOWN, id=record_id or write.id, message=why)


def gone(write: Write, words: str = "Zoho Books no longer has this record") -> Outcome:
    return Outcome(kind=OutcomeKind.GONE, id=write.id, message=words, code=str(GONE))


def refused(write: Write, words: str, code: str, field: str | None = None) -> Outcome:
    return Outcome(kind=OutcomeKind.REFUSED, id=write.id, message=words, code=code, field=field)


def is_done(reply: HttpReply) -> bool:
    return reply.status < 300 and told(reply)[0] == 0


def judge(kind: Kind, write: Write, reply: HttpReply) -> Outcome:
    """The outcome of an answer that is not a success; raises what is about the whole connection."""
    code, words = told(reply)
    if reply.status in (401, 403, 429):
        raise refusal(reply, f"to {write.kind.value} {kind.name}")
    if reply.status >= 500:
        return unknown(write, f"Zoho Books answered {reply.status} {words}".strip())
    if reply.status < 300 and code in (None, 0):
        return unknown(write, "Zoho Books' answer says nothing of the record")
    words = words or f"Zoho Books answered {reply.status} without a reason"
    if code == GONE or reply.status == 404:
        return gone(write, words)
    if code in _TAKEN or _WORDS_OF_TAKEN.search(words):
        field = _taken_field(kind, words)
        return Outcome(kind=OutcomeKind.TAKEN, id=write.id, message=words, code=str(code or ""), field=field)
    if _WORDS_OF_LOCK.search(words):
        return refused(write, words, "locked")
    said = _FIELD_SAID.search(words) if code == _LONG or "less than" in words else None
    return refused(write, words, str(code or reply.status), _field_of(said[1]) if said else None)


def _taken_field(kind: Kind, words: str) -> str | None:
    if kind.name == "contacts":
        return "contact_name"
    if kind.name == "items":
        return "sku" if "sku" in words.lower() else "name"
    return kind.number or kind.key


def _field_of(label: str) -> str:
    return _LABELS.get(label, label.strip().lower().replace(" ", "_"))


def body_of(kind: Kind, reply: HttpReply) -> Mapping[str, object] | None:
    """The record in a success, ``None`` when the answer does not hold it."""
    try:
        body = reply.json()
    except RemoteProtocolError:
        return None
    row = body.get(kind.one) if isinstance(body, Mapping) else None
    if isinstance(row, list) and len(row) == 1:
        row = row[0]
    return row if isinstance(row, Mapping) else None
