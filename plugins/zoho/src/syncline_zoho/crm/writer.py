"""Sending writes: batches by kind, updates guarded by the time the record was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from syncline.connect import (
    AnswerLost,
    HttpReply,
    Items,
    Outcome,
    OutcomeKind,
    RemoteError,
    RemoteProtocolError,
    Write,
    WriteKind,
)
from syncline_zoho.crm.api import Api, refusal
from syncline_zoho.crm.fields import ENTRIES, PRICE_BOOKS
from syncline_zoho.crm.outcomes import outcome_of
from syncline_zoho.crm.pricebooks import Entry, PriceBooks, with_entries
from syncline_zoho.crm.reader import Reader
from syncline_zoho.crm.values import read_instant, stamp_of, to_wire, utc_text, wire_text

#: the remote keeps whole seconds: what it wrote in the second of the read may come after the read
_CARE = timedelta(seconds=1)


class _Group(Struct):
    """Updates that share one ``If-Unmodified-Since``; ``since`` is ``None`` for unguarded ones."""

    since: datetime | None
    places: list[int] = field(default_factory=list)


#: the entries of price books by id, ``None`` for a book that is not there
Held = Mapping[str, Sequence[Entry] | None]


class Writer:
    """``trigger``: which automations a write runs, none by default."""

    def __init__(self, api: Api, trigger: Sequence[str], reader: Reader, books: PriceBooks) -> None:
        self._api = api
        self._trigger = list(trigger)
        self._reader = reader
        self._books = books

    def write(self, module: str, writes: Sequence[Write]) -> list[Outcome]:
        if not writes:
            return []
        kind = writes[0].kind
        if kind is WriteKind.CREATE:
            outcomes = self._send("POST", module, writes, None)
            return self._with_entries(module, writes, outcomes, {})
        if kind is WriteKind.UPDATE:
            return self._update(module, writes)
        if kind is WriteKind.DELETE:
            return self._delete(module, writes)
        message = f"Zoho CRM has no way to {kind.value} a record"
        return [
            Outcome(kind=OutcomeKind.REFUSED, id=w.id, message=message, code="unsupported") for w in writes
        ]

    def _update(self, module: str, writes: Sequence[Write]) -> list[Outcome]:
        outcomes: list[Outcome | None] = [None] * len(writes)
        held = self._held_entries(module, writes)
        stale = self._stale(module, writes, held)
        for place, write in enumerate(writes):
            book = str(write.id)
            if book in held and held[book] is None:
                outcomes[place] = Outcome(
                    kind=OutcomeKind.GONE, id=write.id, message="there is no such record"
                )
            elif write.id in stale:
                outcomes[place] = changed_meanwhile(write)
            elif book in held and not header_of(write):
                outcomes[place] = Outcome(kind=OutcomeKind.DONE, id=write.id, version=write.version)
        open_places = [place for place, outcome in enumerate(outcomes) if outcome is None]
        open_writes = [writes[place] for place in open_places]
        for number, group in enumerate(group_updates(open_writes)):
            part = [open_writes[place] for place in group.places]
            try:
                found = self._send("PUT", module, part, group.since)
            except RemoteError as error:
                if number == 0:
                    raise
                # earlier groups were carried out, so the call as a whole did not fail
                found = [
                    Outcome(kind=OutcomeKind.RETRY, id=w.id, message=error.what, code="not-sent")
                    for w in part
                ]
            for place, outcome in zip(group.places, found, strict=True):
                outcomes[open_places[place]] = outcome
        done = [outcome for outcome in outcomes if outcome is not None]
        return self._with_entries(module, writes, done, held)

    def _stale(self, module: str, writes: Sequence[Write], held: Held) -> set[str]:
        """Which records changed after they were read in a way that no header time can tell."""
        versions = {write.id: write.version for write in writes if write.id is not None}
        stale = self._reader.changed_since(module, versions)
        for write in writes:
            entries = held.get(str(write.id))
            known = write.version is not None and "#" in write.version
            if known and entries is not None and with_entries(write.version, entries) != write.version:
                stale.add(str(write.id))
        return stale

    # --- a price book's entries -------------------------------------------------------------------------

    def _held_entries(self, module: str, writes: Sequence[Write]) -> Held:
        """The entries of the books whose entries are to be written; ``None`` for a book that is gone."""
        if module != PRICE_BOOKS:
            return {}
        books = [str(write.id) for write in writes if ENTRIES.name in write.values]
        return {book: self._books.find_entries(book) for book in books}

    def _with_entries(
        self, module: str, writes: Sequence[Write], outcomes: Sequence[Outcome], held: Held
    ) -> list[Outcome]:
        """The same outcomes, each of a book that was stored after its entries were stored too. ``held``: the
        entries of each before."""
        if module != PRICE_BOOKS:
            return list(outcomes)
        found = []
        for write, outcome in zip(writes, outcomes, strict=True):
            if outcome.kind is not OutcomeKind.DONE or outcome.id is None:
                found.append(outcome)
            elif ENTRIES.name in write.values:
                found.append(self._entries(write, outcome, held.get(outcome.id) or ()))
            else:
                found.append(replace(outcome, version=self._same_entries(outcome.version, write)))
        return found

    def _same_entries(self, version: str | None, write: Write) -> str | None:
        """The version of a book whose entries are those it was read with, or none when it was just made."""
        if write.kind is WriteKind.CREATE:
            return with_entries(version, ()) if self._reader.tells_entries else version
        _, mark, entries = (write.version or "").partition("#")
        return f"{version}{mark}{entries}" if version is not None else None

    def _entries(self, write: Write, outcome: Outcome, held: Sequence[Entry]) -> Outcome:
        book = str(outcome.id)
        try:
            stored = self._books.change(write, book, outcome.version, held)
        except RemoteError as error:
            # the book is stored and its entries may be in part
            return Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=error.what)
        if stored.kind is OutcomeKind.DONE or write.kind is not WriteKind.CREATE:
            return replace(stored, id=book)
        # a book without the entries it was to have would read as one whose entries somebody removed
        return stored if self._books.discard(book) else replace(stored, kind=OutcomeKind.UNKNOWN)

    def _send(
        self, method: str, module: str, writes: Sequence[Write], since: datetime | None
    ) -> list[Outcome]:
        whole = writes if module != PRICE_BOOKS else [replace(w, values=header_of(w)) for w in writes]
        rows = [to_row(write) for write in whole]
        body: dict[str, Any] = {"data": rows, "trigger": self._trigger}
        if not self._trigger:
            # Cadences are no trigger: they run unless they are left out (Zoho CRM API v8, Insert Records).
            body["skip_feature_execution"] = [{"name": "cadences"}]
        headers = {"If-Unmodified-Since": wire_text(since)} if since else None
        cost = (len(rows) + 9) // 10
        try:
            reply = self._api.send(
                method, f"/crm/v8/{module}", json=body, headers=headers, repeatable=False, cost=cost
            )
        except AnswerLost as error:
            return _all_unknown(writes, error.what)
        return judge(reply, writes, f"{method} {module}")

    def _delete(self, module: str, writes: Sequence[Write]) -> list[Outcome]:
        params = {"ids": ",".join(str(write.id) for write in writes)}
        if not self._trigger:
            params["wf_trigger"] = "false"
        cost = (len(writes) + 9) // 10
        # deleting again would do no harm, but its answer could not tell our delete from somebody else's
        try:
            reply = self._api.send("DELETE", f"/crm/v8/{module}", params=params, repeatable=False, cost=cost)
        except AnswerLost as error:
            return _all_unknown(writes, error.what)
        return judge(reply, writes, f"DELETE {module}")


def judge(reply: HttpReply, writes: Sequence[Write], what: str) -> list[Outcome]:
    """Row by row when the answer has rows. A refusal of the whole is raised; one after which rows may
    have been stored is UNKNOWN for each."""
    try:
        body = reply.json() if reply.content else None
    except RemoteProtocolError:
        body = None
    rows = body.get("data") if isinstance(body, Mapping) else None
    if isinstance(rows, list) and len(rows) == len(writes):
        return [
            outcome_of(row if isinstance(row, Mapping) else {}, write)
            for row, write in zip(rows, writes, strict=True)
        ]
    if reply.status >= 500 or reply.status < 300:
        said = f"Zoho CRM answered {what} with {reply.status} and no word on its rows"
        return _all_unknown(writes, said)
    raise refusal(reply, what)


def _all_unknown(writes: Sequence[Write], why: str) -> list[Outcome]:
    return [Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=why) for write in writes]


def group_updates(writes: Sequence[Write]) -> list[_Group]:
    """Sort updates into as few calls as one header for each allows.

    A header time suits a write when it is not before the record's own version (or the remote would
    refuse in vain) and not after the moment of the read (or it would overlook an edit). Records that
    changed just before they were read have no such time; their own version is the closest.
    """
    free = _Group(None)
    windows: list[tuple[datetime, datetime, int]] = []
    for place, write in enumerate(writes):
        window = _window(write)
        if window is None:
            free.places.append(place)
        else:
            windows.append((window[1], window[0], place))
    groups: list[_Group] = []
    for last, first, place in sorted(windows):
        current = groups[-1] if groups else None
        if current is not None and current.since is not None and first <= current.since:
            current.places.append(place)
        else:
            groups.append(_Group(last, [place]))
    return ([free] if free.places else []) + groups


def header_of(write: Write) -> dict[str, Any]:
    """What of a write goes to the record itself: all but a price book's entries."""
    return {name: value for name, value in write.values.items() if name != ENTRIES.name}


def changed_meanwhile(write: Write) -> Outcome:
    return Outcome(
        kind=OutcomeKind.CONFLICT,
        id=write.id,
        message="the record changed after it was read",
        code="changed-meanwhile",
    )


def _window(write: Write) -> tuple[datetime, datetime] | None:
    """The earliest and latest header time that suit a write; ``None`` when nothing is known of it."""
    version = _instant(write.version)
    if write.read_at is None:
        return None if version is None else (version, version)
    last = read_instant(utc_text(write.read_at)) - _CARE
    if version is None:
        return (last, last)
    return (version, max(version, last))


def _instant(version: str | None) -> datetime | None:
    try:
        return None if version is None else stamp_of(version)
    except ValueError:
        return None


def to_row(write: Write) -> dict[str, Any]:
    """A write as the remote takes it: lines with ids, without, and those to remove."""
    row = {
        name: to_rows(value) if isinstance(value, Items) else to_wire(value)
        for name, value in write.values.items()
    }
    if write.kind is WriteKind.UPDATE:
        row["id"] = write.id
    return row


def to_rows(value: Items) -> list[dict[str, Any]]:
    """Lines that are not told of stay as they are; but an empty list would remove them all."""
    told = [item for item in value.items if not item.unchanged]
    rows: list[dict[str, Any]] = []
    for item in told if told or value.removed else value.items:
        line = {name: to_wire(inner) for name, inner in item.values.items() if name != "id"}
        rows.append({"id": item.id, **line} if item.id is not None else line)
    rows.extend(_removals(value.removed))
    return rows


def _removals(ids: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": line_id, "_delete": None} for line_id in ids]
