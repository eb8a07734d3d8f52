"""Finding out what became of creates whose answer was lost.

The remote knows no idempotency keys, so a create is recognised by what it stored: by a unique field
when one was sent, else by everything that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from syncline.connect import Outcome, OutcomeKind, SentWrite
from syncline_zoho.crm.api import Api, QueryRefused, page_numbers
from syncline_zoho.crm.fields import ENTRIES, PRICE_BOOKS, data_type_of
from syncline_zoho.crm.metadata import Metadata
from syncline_zoho.crm.pricebooks import PriceBooks
from syncline_zoho.crm.query import MAX_IN, column_groups, instant, one_of, quote, select
from syncline_zoho.crm.values import make_version, read_instant, utc_text

Row = Mapping[str, Any]

#: how far our clock and the remote's may be apart when the remote has not told its own yet
SKEW = timedelta(minutes=15)
_AUTHOR = "Modified_By"
#: kinds of field whose values come back from a query as they were sent
_COMPARABLE = frozenset(
    {"text", "email", "phone", "website", "picklist", "integer", "bigint", "double", "currency", "percent",
     "boolean", "date", "datetime", "lookup", "textarea"}
)  # fmt: skip


class Settler:
    def __init__(self, api: Api, metadata: Metadata, books: PriceBooks) -> None:
        self._api = api
        self._metadata = metadata
        self._books = books
        self._nameless: set[str] = set()

    def settle(self, module: str, sent: Sequence[SentWrite]) -> list[Outcome | None]:
        """DONE with the id for each create that was stored, ``None`` for the others."""
        if not sent:
            return []
        found = self._find(module, sent)
        if module != PRICE_BOOKS:
            return found
        return [self._finish(entry, outcome) for entry, outcome in zip(sent, found, strict=True)]

    def _finish(self, entry: SentWrite, outcome: Outcome | None) -> Outcome | None:
        """A price book found without entries that were sent with it gets them now: the create was cut short
        between the two, and storing them again does no harm."""
        book = outcome.id if outcome is not None else None
        if outcome is None or book is None or ENTRIES.name not in entry.write.values:
            return outcome
        there = self._books.entries(book)
        stored = self._books.change(entry.write, book, outcome.version, there, resume=True)
        if stored.kind is OutcomeKind.DONE:
            return stored
        return None if self._books.discard(book) else outcome

    def _find(self, module: str, sent: Sequence[SentWrite]) -> list[Outcome | None]:
        kinds = {str(raw["api_name"]): raw for raw in self._metadata.fields(module)}
        earliest = min(entry.sent_at for entry in sent).astimezone(UTC) - SKEW
        unique = self._shared_unique(module, sent)
        if unique is not None:
            candidates = self._by_unique(module, unique, sent)
            return match(
                sent, candidates, lambda entry, row: same_value(entry.write.values[unique], row[unique])
            )
        names = sorted(
            {
                name
                for entry in sent
                for name in entry.write.values
                if name in kinds
                and data_type_of(kinds[name]) in _COMPARABLE
                and not _computed(kinds[name])
                and not _cut(kinds[name])
            }
        )
        candidates = self._since(module, names, earliest)

        def agrees(entry: SentWrite, row: Row) -> bool:
            given = {name: entry.write.values[name] for name in names if name in entry.write.values}
            return bool(given) and all(same_value(value, row.get(name)) for name, value in given.items())

        return match(sent, candidates, agrees)

    def _shared_unique(self, module: str, sent: Sequence[SentWrite]) -> str | None:
        """A unique field that every one of the writes fills."""
        for name in self._metadata.unique_fields(module):
            if all(isinstance(entry.write.values.get(name), str | int) for entry in sent):
                return name
        return None

    def _by_unique(self, module: str, name: str, sent: Sequence[SentWrite]) -> list[Row]:
        values = list(dict.fromkeys(str(entry.write.values[name]).strip() for entry in sent))
        rows: list[Row] = []
        for start in range(0, len(values), MAX_IN):
            where = one_of(name, values[start : start + MAX_IN])
            rows += self._query([name, "Modified_Time"], module, where, "")[0]
        return rows

    def _query(self, columns: Sequence[str], module: str, where: str, order: str) -> tuple[list[Row], bool]:
        """A query that tells by whom a row was changed, if the signed-in user may see it."""
        if module not in self._nameless:
            try:
                return self._api.query(select([*columns, _AUTHOR], module, where, order=order))
            except QueryRefused as refused:
                if refused.column != _AUTHOR:
                    raise
                self._nameless.add(module)
        return self._api.query(select(columns, module, where, order=order))

    def _since(self, module: str, names: Sequence[str], earliest: datetime) -> list[Row]:
        """Records created since then, with the named columns, oldest first."""
        rows: dict[str, dict[str, Any]] = {}
        for group in column_groups(names, spare=1):
            last: str | None = None
            for _ in page_numbers(module):
                where = f"Created_Time >= {instant(utc_text(earliest))}"
                if last is not None:
                    where = f"({where} and id > {quote(last)})"
                found, more = self._query(group, module, where, "id asc")
                for row in found:
                    rows.setdefault(str(row["id"]), {}).update(row)
                if not more or not found:
                    break
                last = str(found[-1]["id"])
        return [rows[record_id] for record_id in sorted(rows)]


def _computed(raw: Row) -> bool:
    operations = raw.get("operation_type")
    return isinstance(operations, Mapping) and not operations.get("api_create")


def _cut(raw: Row) -> bool:
    """Rich text comes back from a query shortened."""
    return (raw.get("textarea") or {}).get("type") == "rich_text"


def match(
    sent: Sequence[SentWrite], candidates: Sequence[Row], agrees: Callable[[SentWrite, Row], bool]
) -> list[Outcome | None]:
    """Give each write at most one record, and each record to at most one write."""
    free = list(candidates)
    found: list[Outcome | None] = []
    for entry in sent:
        row = next((row for row in free if agrees(entry, row)), None)
        if row is None:
            found.append(None)
            continue
        free.remove(row)
        stamp = row.get("Modified_Time")
        found.append(
            Outcome(
                kind=OutcomeKind.DONE,
                id=str(row["id"]),
                version=make_version(read_instant(stamp), row.get("Modified_By"))
                if isinstance(stamp, str)
                else None,
            )
        )
    return found


def same_value(sent: Any, stored: Any) -> bool:
    """Whether the remote stores this for that; it trims text and may change its case."""
    if sent in (None, ""):
        return stored in (None, "", False, 0)
    if isinstance(sent, Mapping):
        return isinstance(stored, Mapping) and str(sent.get("id")) == str(stored.get("id"))
    if isinstance(sent, bool) or isinstance(stored, bool):
        return sent is stored
    if isinstance(sent, int | Decimal) and isinstance(stored, int | Decimal):
        return Decimal(sent) == Decimal(stored)
    return _folded(sent) == _folded(stored)


def _folded(value: Any) -> str:
    text = " ".join(str(value).split()).casefold()
    try:
        return utc_text(read_instant(str(value)))
    except ValueError:
        return text
