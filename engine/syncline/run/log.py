"""Log: the audit rows of a spec, each with what people need to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.known import Known, known_module, known_modules, labels_of, link_label
from syncline.spec.model import Spec
from syncline.store.database import Database
from syncline.store.history import Event, PassRow, events, passes
from syncline.store.ledger import Ledger, Link

_BATCH = 200
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events: of a module, about a record (its id at either end), of these kinds, of a pass, since an
    instant; at most ``limit``, the newest."""

    module: str | None = None
    record: str | None = None
    kinds: tuple[str, ...] = ()
    pass_id: int | None = None
    since: datetime | None = None
    limit: int = 50


def read_log(database: Database, spec: Spec, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The events of a spec, newest first, each in the shape of :func:`told_event`, with ``module``."""
    with database.read() as db:
        modules = [known_module(db, spec, wanted.module)] if wanted.module else known_modules(db, spec)
        by_scope = {known.scope: known for known in modules if known.scope is not None}
        links = None
        if wanted.record is not None:
            links = [
                link.id
                for known in by_scope.values()
                for side in Side
                for link in known.ledger.links_of(db, side, [wanted.record]).values()
            ]
        found = events(
            db,
            list(by_scope),
            links=links,
            records=None if wanted.record is None else [wanted.record],
            kinds=wanted.kinds,
            pass_id=wanted.pass_id,
            since=wanted.since,
            limit=wanted.limit,
        )
        while batch := list(islice(found, _BATCH)):
            yield from _told(db, by_scope, batch)


def read_instant(text: str, now: datetime) -> datetime:
    """``2h``, ``3d`` (ago), or a day or instant as ISO 8601 (UTC unless it says otherwise); raises
    SynclineError."""
    if ago := _AGO.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SynclineError(
            f"{text!r} is not an instant", fix="write 30m, 2h, 3d, 2026-01-31 or 2026-01-31T09:00:00Z"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def told_event(
    known: Known, event: Event, link: Link | None, run: PassRow | None, name: str
) -> dict[str, Any]:
    """One event as a JSON object.

    ``id``, ``at``, ``module``, ``event``; ``system``: the end that was written, or where it was seen;
    ``by``: ``engine`` when this engine wrote or decided it, ``remote`` when it was seen there; ``pass``:
    ``id``, ``verb``, ``who``; ``organisations``: by system, the ``id`` and ``name`` of whose records they
    are; ``records``: by system, the ids; ``name``; ``fields``: by map, ``before``, ``after``, ``why``,
    ``rule`` (file:line:column), ``lost``, ``sent``, those that there are. Where there are
    any: ``message`` (the remote's words, or what was wrong), ``kind`` (of the write that was refused),
    ``code``, ``field``, ``other``, ``key``, ``rule``, ``operation``, ``warnings``, ``as_sent`` (the remote
    has not said yet what it stored).
    """
    detail = event.detail
    records, organisations = {}, {}
    for end, system in enumerate(known.systems):
        if whose := known.connected[end]:
            organisations[system] = {"id": whose.organisation_id, "name": whose.organisation_name}
    for end, system in enumerate(known.systems):
        given = event.record if end == event.side else None
        found = given or (link.ids[end] if link else None)
        if found is None and event.event == "linked":
            found = detail.get(("left", "right")[end])
        if found is not None:
            records[system] = found
    # The row of a refused write names the record that it came from; it was refused at the other end.
    side = event.side if event.side is None or "kind" not in detail else 1 - event.side
    seen = event.event in _SEEN and "operation" not in detail
    return {
        "id": event.id,
        "at": event.at,
        "module": known.name,
        "event": event.event,
        "system": None if side is None else known.systems[side],
        "by": "remote" if seen else "engine",
        "pass": {
            "id": event.pass_id,
            "verb": run.verb if run else None,
            "who": run.who if run else None,
        },
        "organisations": organisations,
        "records": records,
        "name": name,
        "fields": detail.get("fields", {}),
        **{key: detail[key] for key in _DETAILS if key in detail},
    }


#: Events that somebody else caused: they were found when the remote was read or written.
_SEEN = ("archived", "voided", "deleted", "gone", "merged", "drift")
_DETAILS = (
    "message",
    "kind",
    "code",
    "field",
    "other",
    "key",
    "rule",
    "score",
    "operation",
    "warnings",
    "as_sent",
)


def _told(db: Connection, by_scope: Mapping[int, Known], batch: Sequence[Event]) -> Iterator[dict[str, Any]]:
    links = Ledger.links_anywhere(db, sorted({event.link for event in batch if event.link is not None}))
    runs = passes(db, sorted({event.pass_id for event in batch}))
    names: dict[tuple[int, int, str], str] = {}
    for scope, known in by_scope.items():
        for side in Side:
            alone = [
                event.record
                for event in batch
                if event.scope == scope and event.side == side and event.record and event.link not in links
            ]
            found = labels_of(db, known, side, sorted(set(alone)))
            names.update({(scope, int(side), record): name for record, name in found.items()})
    for event in batch:
        known = by_scope[event.scope]
        link = links.get(event.link) if event.link is not None else None
        if link is not None:
            name = link_label(known, link)
        else:
            name = names.get((event.scope, event.side or 0, event.record or ""), "")
        yield told_event(known, event, link, runs.get(event.pass_id), name)
