"""Records from lists and details, and the changes since a cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from syncline.connect import Field, Page, Record, RemoteModule, RemoteProtocolError, State
from syncline_zoho.books.api import Api
from syncline_zoho.books.catalogue import CATALOGUE
from syncline_zoho.books.cursor import SETTLED, Cursor, Scan, read_cursor
from syncline_zoho.books.custom import CustomFields
from syncline_zoho.books.details import DetailsOnce, fetch
from syncline_zoho.books.kinds import KINDS, Changes, Kind
from syncline_zoho.books.lists import walk
from syncline_zoho.books.locks import lock_of
from syncline_zoho.books.values import custom_values, read_instant, read_values, utc_text, wire_instant

Row = Mapping[str, Any]


class Reader(Struct, frozen=True):
    """``locked_until``: the last day of the locked period, if the spec says."""

    api: Api
    custom: CustomFields
    locked_until: str | None = None
    details: DetailsOnce = field(default_factory=DetailsOnce)

    # --- records ----------------------------------------------------------------------------------

    def record(self, module: str, row: Row, *, whole: bool = True) -> Record:
        """``whole``: from details, not from a list's row."""
        kind, remote = KINDS[module], remote_module(module)
        own = self.custom.fields(kind) if whole else ()
        values = read_values(remote.fields, row)
        if module == "creditnotes":
            values["invoices"] = _applications(row)
        if module == "customerpayments" and whole:
            values |= paid_by(values)
        if "last_modified_time" not in values and row.get("updated_time"):
            # payments and credit notes call it so in their details
            moment = read_instant(row["updated_time"])
            values["last_modified_time"] = None if moment is None else utc_text(moment)
        if own:
            values |= custom_values(own, row)
        moment = read_instant(stamp_of(row))
        if moment is None:
            raise RemoteProtocolError(f"Zoho Books gave one of the {module} without the time of its change")
        key = row.get(kind.key) if kind.key else None
        return Record(
            id=str(row[kind.id]),
            version=utc_text(moment),
            values=values,
            state=state_of(kind, row),
            modified=moment,
            key=str(key) if key else None,
            lock=lock_of(kind, row, [field.name for field in own], self.locked_until),
            complete=whole,
        )

    def read_ids(self, module: str, ids: Sequence[str]) -> list[Record]:
        if module == "contactpersons":
            return self._persons_by_id(ids)
        rows = fetch(self.api, KINDS[module], ids)
        return [self.record(module, row) for row in rows.values()]

    # --- changes ----------------------------------------------------------------------------------

    def read(self, module: str, text: str | None, fields: frozenset[str]) -> Iterator[Page]:
        """Changes since a cursor, page by page; a read that was broken off goes on where it was."""
        listed = KINDS["contacts" if module == "contactpersons" else module]
        cursor = read_cursor(text).begin()
        scan = cursor.scan
        assert scan is not None
        params, sorted_by_time = self._question(listed, cursor)
        asked = cursor.since if listed.changes is Changes.FILTER else None
        newest_first = sorted_by_time
        for part in walk(self.api, listed, params, scan):
            stamps = [(str(row[listed.id]), _stamp_text(listed, row)) for row in part.rows]
            newest_first = newest_first and part.order == ("last_modified_time", "D") and _falling(stamps)
            stray = 0 if asked is None else _strays(stamps, utc_text(asked))
            wanted = [i for i, stamp in stamps if cursor.wants(i, stamp)]
            records = self._records(module, listed, part.rows, wanted, fields)
            passed = [(i, stamp) for i, stamp in stamps if i in set(wanted)]
            cursor = cursor.passed(part.scan, passed, self.api.server_time)
            # sorted by the time of change, what comes after an old row is older still
            old = bool(newest_first and stamps and cursor.low is not None and stamps[-1][1] < cursor.low)
            last = part.last or old
            cursor = replace(cursor, offset_min=_offset(part.rows, cursor.offset_min))
            if last:
                cursor = cursor.finish()
                if module == listed.name and listed.lapses is not None:
                    later, lapsed = self._lapsed(listed, cursor, fields, {r.id for r in records})
                    if lapsed:
                        # apart, since what lapsed did not change since anything that was asked
                        text = cursor.to_text()
                        yield Page(records=records, cursor=text, last=False, since=asked, left_out=stray)
                        records, asked, stray = lapsed, None, 0
                    cursor = later
            yield Page(records=records, cursor=cursor.to_text(), last=last, since=asked, left_out=stray)
            if last:
                return

    def _lapsed(
        self, kind: Kind, cursor: Cursor, fields: frozenset[str], known: set[str]
    ) -> tuple[Cursor, list[Record]]:
        """Documents that a day's passing has made overdue: nothing moves their time of change, so they are
        asked for once a day."""
        assert kind.lapses is not None
        status, field = kind.lapses
        today = cursor.today(self.api.server_time)
        since, cursor = cursor.day, replace(cursor, day=today)
        if since is None or since >= today:
            return cursor, []
        params = {"status": status, "sort_column": field, "sort_order": "D"}
        found: list[Record] = []
        for part in walk(self.api, kind, params, Scan()):
            # what fell due on the day before the last look lapsed with that day's end
            rows = [row for row in part.rows if row.get("status") == status]
            young = [row for row in rows if str(row.get(field) or "") >= _day_before(since)]
            wanted = [i for row in young if (i := str(row[kind.id])) not in known]
            found += self._records(kind.name, kind, part.rows, wanted, fields)
            if part.order == (field, "D") and len(young) < len(rows):
                break
        return cursor, found

    @staticmethod
    def _question(kind: Kind, cursor: Cursor) -> tuple[dict[str, str], bool]:
        """The parameters of a list, and whether it is asked for by the time of change."""
        since = cursor.since
        if kind.changes is not Changes.FILTER and since is not None:
            return {"sort_column": "last_modified_time", "sort_order": "D"}, True
        params = {}
        if kind.order is not None:
            params = {"sort_column": kind.order, "sort_order": "A"}
        if since is not None:
            params["last_modified_time"] = wire_instant(since)
        return params, False

    def _records(
        self, module: str, listed: Kind, rows: Sequence[Row], wanted: Sequence[str], fields: frozenset[str]
    ) -> list[Record]:
        if not wanted:
            return []
        if module == "contactpersons":
            return [person for row in self._contacts(rows, wanted) for person in self._persons(row)]
        if fields <= listed.listed:
            # the budget of a day is small: what a list tells is not asked for record by record
            by_id = {str(row[listed.id]): row for row in rows}
            return [self.record(module, by_id[i], whole=False) for i in wanted]
        if module == "contacts":
            return [self.record(module, row) for row in self._contacts(rows, wanted)]
        return [self.record(module, row) for row in fetch(self.api, listed, wanted).values()]

    def _contacts(self, rows: Sequence[Row], wanted: Sequence[str]) -> list[Row]:
        """Details of contacts, which two modules are read from: a call each, not two."""
        kind = KINDS["contacts"]
        stamps = {str(row[kind.id]): _stamp_text(kind, row) for row in rows}
        known = {i: row for i in wanted if (row := self.details.get(i, stamps[i])) is not None}
        fresh = fetch(self.api, kind, [i for i in wanted if i not in known])
        settled = utc_text(self.api.server_time - SETTLED)
        for record_id, row in fresh.items():
            if stamps[record_id] < settled:
                self.details.put(record_id, _stamp_text(kind, row), row)
        return [row for i in wanted if (row := known.get(i) or fresh.get(i)) is not None]

    # --- contact persons --------------------------------------------------------------------------

    def _persons(self, contact: Row) -> Iterator[Record]:
        for person in contact.get("contact_persons") or ():
            if isinstance(person, Mapping) and person.get("contact_person_id"):
                told = {**person, "contact_type": contact.get("contact_type")}
                yield self.person(str(contact["contact_id"]), told, stamp_of(contact))

    def _persons_by_id(self, ids: Sequence[str]) -> list[Record]:
        """Read through their contacts, which cost a call each however many of their persons are wanted."""
        contacts = fetch(self.api, KINDS["contacts"], [i.partition(".")[0] for i in ids])
        wanted = set(ids)
        return [p for row in contacts.values() for p in self._persons(row) if p.id in wanted]

    @staticmethod
    def person(contact: str, row: Row, stamp: Any = None) -> Record:
        """A person has no time of change: the version is told by what it holds. What kind of contact it is of
        is fixed, and not told in the answer to a write."""
        values = read_values(remote_module("contactpersons").fields, row)
        values["contact_id"] = contact
        own = {name: value for name, value in values.items() if name != "contact_type"}
        digest = sha256(msgspec.json.encode(own, order="sorted")).hexdigest()[:24]
        return Record(
            id=f"{contact}.{row['contact_person_id']}",
            version=digest,
            values=values,
            modified=read_instant(stamp),
            complete=True,
        )


def remote_module(name: str) -> RemoteModule:
    found = CATALOGUE.module(name)
    if found is None:
        raise RemoteProtocolError(f"Zoho Books has no module {name} here")
    return found


def paid_by(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a payment's list of invoices says of the whole of it, and the payment of each of its invoices."""
    paid = values.get("invoices") or []
    whole = len(paid) == 1 and paid[0].get("amount_applied") == values.get("amount")
    told = {
        "payment_date": values.get("date"),
        "payment_account_name": values.get("account_name"),
        "payment_reference": values.get("reference_number"),
        "payment_exchange_rate": values.get("exchange_rate"),
        "payment_mode": values.get("payment_mode"),
        "payment_is_whole": whole,
    }
    return {
        "invoice_id": paid[0].get("invoice_id") if whole else None,
        "invoice_number": paid[0].get("invoice_number") if whole else None,
        "invoices": [{**entry, **told} for entry in paid],
    }


def state_of(kind: Kind, row: Row) -> State:
    status = row.get("status")
    if kind.activity and status == "inactive":
        return State.ARCHIVED
    if kind.void is not None and status == kind.void:
        return State.VOIDED
    return State.LIVE


def stamp_of(row: Row) -> Any:
    return row.get("last_modified_time") or row.get("updated_time") or row.get("created_time")


def _stamp_text(kind: Kind, row: Row) -> str:
    moment = read_instant(stamp_of(row))
    if moment is None:
        raise RemoteProtocolError(f"Zoho Books' list of {kind.name} has a row without the time of its change")
    return utc_text(moment)


def _offset(rows: Sequence[Row], known: int) -> int:
    """Minutes from UTC of the organisation's clock, off the last row that tells it."""
    for row in reversed(rows):
        try:
            moment = datetime.fromisoformat(str(row.get("last_modified_time") or ""))
        except ValueError:
            continue
        offset = moment.utcoffset()
        if offset is not None:
            return int(offset.total_seconds() // 60)
    return known


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _strays(stamps: Sequence[tuple[str, str]], asked: str) -> int:
    """How many rows are from before what was asked for; the cursor wants none of them."""
    return sum(stamp < asked for _, stamp in stamps)


def _falling(stamps: Sequence[tuple[str, str]]) -> bool:
    return all(one[1] >= other[1] for one, other in pairwise(stamps))


def _applications(row: Row) -> list[dict[str, Any]]:
    """To which invoices a credit note was applied; the documents and the wire differ on the amount's name."""
    fields: tuple[Field, ...] = next(
        f for f in remote_module("creditnotes").fields if f.name == "invoices"
    ).fields
    found = []
    for entry in row.get("invoices") or ():
        if isinstance(entry, Mapping):
            renamed = {**entry, "amount": entry.get("amount", entry.get("amount_applied"))}
            found.append(read_values(fields, renamed))
    return found
