"""Reading records: scans by query, single records, line rows, deletions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect import Page, Record, RemoteProtocolError, State
from syncline_zoho.crm.api import Api, QueryRefused, page_numbers, read_body
from syncline_zoho.crm.cursor import OVERLAP, read_cursor
from syncline_zoho.crm.fields import BATCH, ENTRIES, PRICE_BOOKS, RANGE_KEYS, RANGES
from syncline_zoho.crm.metadata import NOT_OF_A_LINE, Metadata
from syncline_zoho.crm.pricebooks import PriceBooks, time_between, with_entries
from syncline_zoho.crm.query import MAX_COLUMNS, MAX_IN, column_groups, one_of, select
from syncline_zoho.crm.query import quote as quoted
from syncline_zoho.crm.values import clean, clean_item, make_version, read_instant, utc_text, wire_text

Row = Mapping[str, Any]
_ORDER = "Modified_Time asc, id asc"
_DELETED_PAGE = 200
AUTHOR = "Modified_By"
#: a record stamped so shortly before it was read may change again within the second of its stamp: the second
#: of the answer, and one for the time between the reading and the answer's date
YOUNG = timedelta(seconds=2)
#: lists and queries cut rich text here without saying so (Zoho CRM API v8, Get Records)
_CUT = 500
#: so few documents that their lines surely fit the cheapest query
_FEW = 10
_FEW_ROWS = 200
#: far more lines than the documents of one query can have (200 each; Zoho CRM, Subforms, Limitations)
_LINE_PAGES = 100


class Wanted(Struct, frozen=True, kw_only=True):
    """The fields asked for, by how they are had. ``columns``: by query; ``subforms``: line rows, with the
    subform module of each; ``whole``: from the record alone, one call each; ``entries``: a price book's."""

    columns: frozenset[str]
    subforms: Mapping[str, str]
    whole: frozenset[str]
    entries: bool


class Reader:
    def __init__(self, api: Api, metadata: Metadata, books: PriceBooks) -> None:
        self._api = api
        self._metadata = metadata
        self._books = books
        self._unavailable: dict[str, set[str]] = {}
        #: whether the versions of price books that are read tell of their entries
        self.tells_entries = True
        self._young: dict[tuple[str, str], tuple[Record, frozenset[str]]] = {}

    # --- changes ----------------------------------------------------------------------------------

    def read(self, module: str, text: str | None, fields: frozenset[str]) -> Iterator[Page]:
        """Pages of up to 2,000 records in the order of their change, the deleted ones last."""
        wanted = self._wanted(module, fields)
        columns = wanted.columns
        cursor = read_cursor(text)
        now = datetime.now(UTC)
        if wanted.entries and cursor.whole is not None:
            # nothing says which book's entries have changed
            heard = max(now, self._api.server_time)
            look = read_instant(cursor.whole) + time_between(cursor.rows) <= heard
            cursor = cursor.begin_whole() if look else cursor
        cursor = cursor.begin(now)
        while True:
            since = cursor.since
            asked = None if since is None else read_instant(since)
            rows, more = self._rows(module, columns, cursor.where())
            places = [(utc_text(read_instant(row["Modified_Time"])), str(row["id"])) for row in rows]
            if more and cursor.repeated(places):
                raise RemoteProtocolError(
                    f"Zoho CRM does not heed the condition of a query of {module}: its pages would never end",
                    fix="the next pass tries again; if it happens again, tell Zoho's support",
                )
            cursor = cursor.advance(places, self._api.server_time)
            records = self._records(module, rows, fields, wanted)
            if more and rows:
                yield Page(records=records, cursor=cursor.to_text(), last=False, since=asked)
                continue
            first = cursor.deleted is None
            cursor = cursor.finish()
            if not first and cursor.deleted is not None:
                gone = self._deleted(module, cursor.deleted)
                records = [*records, *gone]
                mark = utc_text(self._api.server_time - OVERLAP)
                cursor = replace(cursor, deleted=max(cursor.deleted, mark))
            yield Page(records=records, cursor=cursor.to_text(), last=True, since=asked)
            return

    def _wanted(self, module: str, fields: frozenset[str]) -> Wanted:
        known = self._metadata.subform_fields(module)
        subforms = {name: known[name] for name in fields if name in known}
        entries = module == PRICE_BOOKS and ENTRIES.name in fields
        if module == PRICE_BOOKS:
            self.tells_entries = entries
        whole = {name for name in fields if name.startswith("$") or name == RANGES}
        columns = fields - set(subforms) - whole - ({ENTRIES.name} if entries else set())
        return Wanted(columns=columns, subforms=subforms, whole=frozenset(whole), entries=entries)

    def _rows(self, module: str, columns: frozenset[str], where: str) -> tuple[list[Row], bool]:
        """One page; with more columns than a query takes, several queries joined by id."""
        columns = columns | {AUTHOR}
        rows: list[Row] = []
        more = False
        for number, group in enumerate(self._groups(module, columns)):
            found, has_more = self._select(module, group, where)
            if number == 0:
                rows, more = found, has_more
                continue
            extra = {(row["id"], row["Modified_Time"]): row for row in found}
            joined: list[Row] = []
            changed: list[str] = []
            for row in rows:
                other = extra.get((row["id"], row["Modified_Time"]))
                if other is None:
                    changed.append(str(row["id"]))
                joined.append({**(other or {}), **row})
            rows = joined
            if changed:
                # edited between the two queries: taken whole, by id
                fresh = {row["id"]: row for row in self._by_ids(module, changed, columns)}
                rows = [{**row, **_keep_place(fresh.get(row["id"], {}))} for row in rows]
        return rows, more

    def _groups(self, module: str, columns: Iterable[str]) -> list[list[str]]:
        hidden = self._unavailable.get(module, set())
        return column_groups(name for name in columns if name not in hidden)

    def _select(self, module: str, columns: list[str], where: str) -> tuple[list[Row], bool]:
        """A query that does without the columns which the signed-in user cannot see."""
        while True:
            try:
                return self._api.query(select(columns, module, where, order=_ORDER))
            except QueryRefused as refused:
                if refused.column not in columns or refused.column == "Modified_Time":
                    raise
                self._unavailable.setdefault(module, set()).add(str(refused.column))
                columns = [name for name in columns if name != refused.column]

    def _records(
        self, module: str, rows: Sequence[Row], fields: frozenset[str], wanted: Wanted
    ) -> list[Record]:
        if not rows:
            return []
        heard = self._api.server_time
        whole = self._uncut(module, rows)
        ids = [str(row["id"]) for row in rows]
        lines = {name: self._lines(module, name, sub, ids) for name, sub in wanted.subforms.items()}
        records = []
        for row in rows:
            record_id = str(row["id"])
            full = whole.get(record_id, {})
            values = {
                name: clean(full.get(name, value))
                for name, value in row.items()
                if name in wanted.columns or name == "Modified_Time"
            }
            for name in wanted.subforms:
                values[name] = lines[name].get(record_id, [])
            if wanted.whole:
                values |= read_whole(self.one(module, record_id) or {}, wanted.whole)
            records.append(self._made(module, row, values, wanted))
        return self._noted(module, records, fields, heard)

    def _made(self, module: str, row: Row, values: dict[str, Any], wanted: Wanted) -> Record:
        record_id = str(row["id"])
        record = make_record(record_id, row.get("Modified_Time"), row.get(AUTHOR), values)
        if not wanted.entries:
            return record
        values[ENTRIES.name] = entries = self._books.entries(record_id)
        return replace(record, version=with_entries(record.version, entries) or "")

    def _noted(
        self, module: str, records: list[Record], fields: frozenset[str], heard: datetime
    ) -> list[Record]:
        """Keep in mind which records were changed so shortly before they were read that another change within
        the same second would not show. ``heard``: the remote's clock at the read."""
        settled = heard - YOUNG
        for record in records:
            key = module, record.id
            if record.modified is not None and record.modified >= settled:
                self._young[key] = record, fields
            elif self._young:
                self._young.pop(key, None)
        return records

    def changed_since(self, module: str, versions: Mapping[str, str | None]) -> set[str]:
        """Which of these records hold something else than they did when they were read at these versions,
        although no stamp may tell: those that were read in the second of their last change are read again."""
        known: dict[frozenset[str], dict[str, Record]] = {}
        for record_id, version in versions.items():
            record, fields = self._young.get((module, record_id), (None, frozenset()))
            if record is not None and record.version == version:
                known.setdefault(fields, {})[record_id] = record
        changed: set[str] = set()
        for fields, before in known.items():
            now = {record.id: record for record in self.read_ids(module, list(before), fields)}
            for record_id, record in before.items():
                other = now.get(record_id)
                if other is None or (other.version, other.values) != (record.version, record.values):
                    changed.add(record_id)
        return changed

    def _uncut(self, module: str, rows: Sequence[Row]) -> dict[str, Row]:
        """Rich text in full, for the records where a text may have been cut."""
        suspects = [
            str(row["id"])
            for row in rows
            if any(isinstance(value, str) and len(value) == _CUT for value in row.values())
        ]
        found: dict[str, Row] = {}
        for batch in _batches(suspects, BATCH):
            path = f"/crm/v8/{module}/actions/fetch_full_data"
            body = self._api.get(path, {"ids": ",".join(batch)}) or {}
            for row in body.get("data") or ():
                found[str(row["id"])] = row
        return found

    # --- line rows --------------------------------------------------------------------------------

    def _lines(
        self, module: str, field: str, subform: str, ids: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """The line rows of many documents by document, in their order; those without lines left out."""
        columns = [name for name in self._metadata.line_columns(subform) if name != "Parent_Id"]
        hidden = self._unavailable.get(subform)
        if hidden or len(columns) + 1 > MAX_COLUMNS:
            return self._lines_by_id(module, field, ids)
        found: dict[str, list[dict[str, Any]]] = {}
        try:
            for batch in _batches(ids, MAX_IN):
                for row in self._line_rows(subform, columns, batch):
                    parent = str(row["Parent_Id"]["id"])
                    found.setdefault(parent, []).append(make_line(row))
        except QueryRefused as refused:
            if refused.column not in columns:
                raise
            # no query gives this column: only the document itself does, one call each
            self._unavailable.setdefault(subform, set()).add(str(refused.column))
            return self._lines_by_id(module, field, ids)
        for lines in found.values():
            lines.sort(key=_line_order)
        return found

    def _line_rows(self, subform: str, columns: Sequence[str], parents: Sequence[str]) -> Iterator[Row]:
        limit = _FEW_ROWS if len(parents) <= _FEW else 2000
        where = one_of("Parent_Id", parents)
        last: str | None = None
        for _ in page_numbers(f"lines in {subform}", _LINE_PAGES):
            condition = where if last is None else f"({where} and id > {quoted(last)})"
            text = select(["Parent_Id", *columns], subform, condition, order="id asc", limit=limit)
            rows, more = self._api.query(text, limit=limit)
            yield from rows
            if not more or not rows:
                return
            last = str(rows[-1]["id"])

    def _lines_by_id(self, module: str, field: str, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for record_id in ids:
            row = self.one(module, record_id)
            if row is not None:
                found[record_id] = sorted((make_line(line) for line in row.get(field) or ()), key=_line_order)
        return found

    # --- single records ---------------------------------------------------------------------------

    def one(self, module: str, record_id: str) -> Row | None:
        """A record with all its fields and lines, ``None`` when it is not there."""
        reply = self._api.send("GET", f"/crm/v8/{module}/{quote(record_id, safe='')}")
        if reply.status == 400 and b"INVALID_DATA" in reply.content:
            return None
        body = read_body(reply, f"GET {module}/{record_id}")
        rows = (body or {}).get("data") or ()
        return rows[0] if rows else None

    def _by_ids(self, module: str, ids: Sequence[str], columns: Iterable[str]) -> list[Row]:
        """Rows by id, which unlike queries see every write at once."""
        rows: dict[str, dict[str, Any]] = {}
        groups = self._groups(module, columns)
        for batch in _batches(ids, BATCH):
            for group in groups:
                params = {"ids": ",".join(batch), "fields": ",".join(group), "per_page": "200"}
                body = self._api.get(f"/crm/v8/{module}", params) or {}
                for row in body.get("data") or ():
                    rows.setdefault(str(row["id"]), {}).update(row)
        return list(rows.values())

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> list[Record]:
        wanted = self._wanted(module, fields)
        unique = list(dict.fromkeys(ids))
        if not wanted.subforms and not wanted.whole:
            rows = self._by_ids(module, unique, wanted.columns | {AUTHOR})
            return self._records(module, rows, fields, wanted)
        records = []
        heard: datetime | None = None
        for record_id in unique:
            row = self.one(module, record_id)
            heard = heard or self._api.server_time
            if row is None:
                continue
            values = {name: clean(value) for name, value in row.items() if name in wanted.columns}
            values["Modified_Time"] = clean(row["Modified_Time"])
            for name in wanted.subforms:
                values[name] = sorted((make_line(line) for line in row.get(name) or ()), key=_line_order)
            values |= read_whole(row, wanted.whole)
            records.append(self._made(module, row, values, wanted))
        return self._noted(module, records, fields, heard or self._api.server_time)

    def count(self, module: str) -> int | None:
        rows, _ = self._api.query(select(["COUNT(id)"], module, "id is not null", limit=1), limit=1)
        values = list(rows[0].values()) if rows else [0]
        return int(values[0]) if isinstance(values[0], int | str) else None

    # --- deletions --------------------------------------------------------------------------------

    def _deleted(self, module: str, since: str) -> list[Record]:
        """What went to the recycle bin or was deleted for good since then."""
        found: list[Record] = []
        for page in page_numbers(f"deleted {module}"):
            params = {"type": "all", "per_page": str(_DELETED_PAGE), "page": str(page)}
            stamp = wire_text(read_instant(since))
            body = self._api.get(f"/crm/v8/{module}/deleted", params, {"If-Modified-Since": stamp})
            if body is None:
                return found
            for row in body.get("data") or ():
                moment = read_instant(row["deleted_time"])
                found.append(
                    Record(
                        id=str(row["id"]),
                        version=utc_text(moment),
                        values={},
                        state=State.DELETED,
                        modified=moment,
                    )
                )
            if not (body.get("info") or {}).get("more_records"):
                break
        return found


def make_record(record_id: str, stamp: Any, author: Any, values: Mapping[str, Any]) -> Record:
    if not isinstance(stamp, str):
        raise RemoteProtocolError(
            f"Zoho CRM gave record {record_id} without Modified_Time",
            fix="let the signed-in user's profile see the field Modified Time",
        )
    moment = read_instant(stamp)
    return Record(id=record_id, version=make_version(moment, author), values=values, modified=moment)


def read_whole(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """Of a record as a call by id tells it, what no query does. The ranges' own ids are left out: they are
    stored anew as often as the list is."""
    found = {name: clean(row[name]) for name in names if name in row}
    if isinstance(found.get(RANGES), list):
        found[RANGES] = [{key: each.get(key) for key in RANGE_KEYS} for each in found[RANGES]]
    return found


def make_line(row: Row) -> dict[str, Any]:
    """A line row with its id, in the same form whichever call gave it."""
    line: dict[str, Any] = {"id": str(row["id"])}
    for name, value in row.items():
        if name in NOT_OF_A_LINE or name.startswith("$"):
            continue
        line[name] = [clean_item(item) for item in value] if isinstance(value, list) else clean(value)
    return line


def _line_order(line: Mapping[str, Any]) -> tuple[int, str]:
    return int(line.get("Sequence_Number") or 0), str(line["id"])


def _keep_place(row: Mapping[str, Any]) -> dict[str, Any]:
    """A fresher reading of a row, at the place in the scan that the row had."""
    return {name: value for name, value in row.items() if name != "Modified_Time"}


def _batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
