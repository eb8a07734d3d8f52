"""Finding out what became of creates whose answer was lost.

With a link field the remote itself knows: it holds the key of the write. Without one, what was made since the
call and holds all that was sent is ours; each record is claimed once. What a create left undone when it was
broken off (a status, a credit note's applications) is done once none of its calls can arrive any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from msgspec import Struct

from syncline.connect import Field, Items, Outcome, Record, SentWrite, Write
from syncline_zoho.books.api import Api
from syncline_zoho.books.cursor import Scan
from syncline_zoho.books.details import fetch, fetch_one
from syncline_zoho.books.kinds import KINDS, Kind
from syncline_zoho.books.lists import walk
from syncline_zoho.books.reading import Reader, remote_module
from syncline_zoho.books.shaping import apart
from syncline_zoho.books.values import read_instant, same
from syncline_zoho.books.writing import Writer, done

#: how far our clock and the remote's may be apart
SLACK = timedelta(minutes=15)
Row = Mapping[str, Any]


class Settler(Struct, frozen=True):
    api: Api
    reader: Reader
    writer: Writer

    def settle(self, module: str, sent: Sequence[SentWrite]) -> list[Outcome | None]:
        if not sent:
            return []
        kind = KINDS[module]
        if kind.name == "contactpersons":
            return self._persons(sent)
        earliest = min(s.sent_at for s in sent).astimezone(UTC) - SLACK
        free = self._made_since(kind, earliest)
        outcomes: list[Outcome | None] = []
        for one in sent:
            found = next((i for i, row in free.items() if self._is_ours(kind, one.write, row)), None)
            if found is None:
                outcomes.append(None)
                continue
            # two creates that look alike are two records
            row = free.pop(found)
            outcomes.append(self.writer.finish(kind, one.write, row, under_way=one.under_way))
        return outcomes

    def _made_since(self, kind: Kind, earliest: datetime) -> dict[str, Row]:
        """Details of what was created since then, oldest first."""
        params = {"sort_column": "created_time", "sort_order": "D"} if kind.order else {}
        found: dict[str, datetime] = {}
        for part in walk(self.api, kind, params, Scan()):
            times = [read_instant(row.get("created_time")) for row in part.rows]
            for row, moment in zip(part.rows, times, strict=True):
                if moment is None or moment >= earliest:
                    found[str(row[kind.id])] = moment or earliest
            sorted_so = part.order == ("created_time", "D") and all(
                one is not None and other is not None and one >= other for one, other in pairwise(times)
            )
            if sorted_so and times and times[-1] is not None and times[-1] < earliest:
                break
        ids = sorted(found, key=lambda i: (found[i], i))
        return fetch(self.api, kind, ids)

    def _is_ours(self, kind: Kind, write: Write, row: Row) -> bool:
        record = self.reader.record(kind.name, row)
        link = self.writer.link_field
        if link is not None and self.writer.upserts(kind):
            return record.values.get(link) == write.key
        return holds(kind, write, record)

    def _persons(self, sent: Sequence[SentWrite]) -> list[Outcome | None]:
        """A person lives in its contact, so the contact tells; it has no time of its own."""
        contacts: dict[str, dict[str, Record]] = {}
        outcomes: list[Outcome | None] = []
        for one in sent:
            contact = str(one.write.values.get("contact_id") or "")
            if contact not in contacts:
                row = fetch_one(self.api, KINDS["contacts"], contact) if contact else None
                persons = (row or {}).get("contact_persons") or ()
                records = [self.reader.person(contact, p) for p in persons]
                contacts[contact] = {record.id: record for record in records}
            free = contacts[contact]
            found = next((i for i, r in free.items() if holds(KINDS["contactpersons"], one.write, r)), None)
            outcomes.append(None if found is None else done(free.pop(found)))
        return outcomes


def holds(kind: Kind, write: Write, record: Record) -> bool:
    """Whether a record holds all that a create sent and that the remote stores as it is sent."""
    separate = apart(kind, write.values)
    fields = {field.name: field for field in remote_module(kind.name).fields}
    told = False
    for name, value in write.values.items():
        if name in separate or value is None:
            continue
        field = fields.get(name)
        stored = record.values.get(name)
        if isinstance(value, Items):
            if not _lists_agree(field, value, stored):
                return False
        elif isinstance(value, list | tuple):
            rows = stored if isinstance(stored, list) else []
            if len(rows) != len(value) or not all(same(a, b) for a, b in zip(value, rows, strict=True)):
                return False
        elif not same(value, stored):
            return False
        told = True
    return told


def _lists_agree(field: Field | None, sent: Items, stored: Any) -> bool:
    rows = stored if isinstance(stored, list) else []
    if len(rows) != len(sent.items):
        return False
    known = {f.name for f in field.fields if not f.read_only} if field else set()
    return all(
        all(same(v, row.get(n)) for n, v in item.values.items() if n in known and v is not None)
        for item, row in zip(sent.items, rows, strict=True)
    )
