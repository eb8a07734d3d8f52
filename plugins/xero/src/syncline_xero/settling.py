"""Finding out what became of creates whose answer was lost.

A record that was created has a stamp no older than the call, so one modified-since read of the module
finds every candidate; it is a list ordered by id, not a search index. A candidate is ours when it holds
what was sent; one that existed before and differs is not claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from syncline.connect import Outcome, OutcomeKind, Record, RemoteModule, SentWrite
from syncline_xero.allocating import allocate, wants_allocations, without_allocations
from syncline_xero.api import Api
from syncline_xero.cursor import OVERLAP, Cursor, parse_cursor
from syncline_xero.kinds import KINDS
from syncline_xero.reading import read_pages
from syncline_xero.wire import write_element

#: How far before the call its record may be stamped: two clocks disagree a little.
SLACK = timedelta(seconds=120)
#: What Xero computes, fills in or drops: no ground for saying that a record is not ours.
_NOT_TELLING = {"TaxAmount", "CurrencyRate", "AccountCode", "TaxType", "Status", "Type", "SentToContact"}
#: Lists with one entry a type, of which a write names some.
_KEYED = {"Phones": "PhoneType", "Addresses": "AddressType"}


def settle_creates(
    api: Api, module: RemoteModule, sent: Sequence[SentWrite], lock_until: str | None
) -> list[Outcome | None]:
    """DONE with the record, or ``None`` when Xero does not have it; in the order of ``sent``."""
    if not sent:
        return []
    recent = _recent(api, module, min(s.sent_at for s in sent), lock_until)
    free = {record.id: record for record in recent}
    outcomes: list[Outcome | None] = []
    for one in sent:
        element = write_element(module, one.write)
        ours = next((r for r in free.values() if _is_ours(module.name, element, r)), None)
        if ours is None:
            outcomes.append(None)
            continue
        # Two creates that look alike are two records: each is claimed once.
        del free[ours.id]
        outcomes.append(_found(api, module, one, ours, lock_until))
    return outcomes


def _found(api: Api, module: RemoteModule, one: SentWrite, ours: Record, lock_until: str | None) -> Outcome:
    """A create that was carried out; one of a credit note is finished, since setting it off is a call of its
    own that may never have been sent."""
    found = Outcome(kind=OutcomeKind.DONE, id=ours.id, version=ours.version, record=ours)
    if not wants_allocations(one.write):
        return found
    outcome = allocate(api, module, one.write, ours.id, lock_until)
    if outcome.kind is OutcomeKind.DONE or outcome.kind is OutcomeKind.UNKNOWN:
        return outcome
    return without_allocations(found, outcome)


def _recent(api: Api, module: RemoteModule, sent_at: datetime, lock_until: str | None) -> list[Record]:
    """Everything stamped since shortly before the call, by the remote's own clock."""
    since = sent_at.astimezone(UTC) - SLACK
    found, server_time = _changed_since(api, module, since, lock_until)
    behind = datetime.now(UTC) - server_time
    if behind > SLACK / 2:
        # The remote's clock is behind ours: it stamped the record earlier than we looked.
        found, _ = _changed_since(api, module, since - behind, lock_until)
    return found


def _changed_since(
    api: Api, module: RemoteModule, since: datetime, lock_until: str | None
) -> tuple[list[Record], datetime]:
    """The records, and the remote's clock when it began to list them (to the second)."""
    found: list[Record] = []
    start = Cursor(since=since.strftime("%Y-%m-%dT%H:%M:%S")).text()
    server_time = since
    for page in read_pages(api, module, start, lock_until):
        found += page.records
        began = parse_cursor(page.cursor).since
        if page.last and began is not None:
            server_time = datetime.fromisoformat(began).replace(tzinfo=UTC) + OVERLAP
    return found, server_time


def _is_ours(module: str, element: Mapping[str, Any], record: Record) -> bool:
    if module == "Payments" and _plain(element.get("Reference")) != _plain(record.values.get("Reference")):
        return False
    for key in KINDS[module].known_by:
        if element.get(key):
            if _plain(element[key]) != _plain(record.values.get(key)):
                return False
            break
    return all(
        _agrees(name, value, record.values.get(name))
        for name, value in element.items()
        if name not in _NOT_TELLING
    )


def _agrees(name: str, sent: Any, stored: Any) -> bool:
    """Whether a stored value is what became of a sent one."""
    if isinstance(sent, Mapping):
        held = stored if isinstance(stored, Mapping) else {}
        return all(_agrees(k, v, held.get(k)) for k, v in sent.items() if k not in _NOT_TELLING)
    if isinstance(sent, list):
        return _lists_agree(name, sent, stored if isinstance(stored, list) else [])
    if isinstance(sent, bool):
        return sent is bool(stored)
    if isinstance(sent, int | Decimal) and isinstance(stored, int | Decimal | None):
        return abs(Decimal(sent) - Decimal(stored or 0)) <= Decimal("0.0001")
    return _plain(sent) == _plain(stored)


def _lists_agree(name: str, sent: list[Any], stored: list[Any]) -> bool:
    key = _KEYED.get(name)
    if key is not None:
        held = {entry.get(key): entry for entry in stored}
        return all(_agrees("", entry, held.get(entry.get(key), {})) for entry in sent)
    return len(sent) == len(stored) and all(
        _agrees("", one, other) for one, other in zip(sent, stored, strict=True)
    )


def _plain(value: object) -> str:
    return " ".join(str(value or "").split()).casefold()
