"""Documents as an end has them now: read whole, projected by the module's maps, one row for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Connection as Db

from syncline.connect.contract import Record, State
from syncline.errors import SynclineError
from syncline.mapping.expressions import ExpressionError, View
from syncline.mapping.module import FILTER_FAULT, MapEntry, Projection, Side
from syncline.reconcile.ledgers import Document, Terms
from syncline.run.known import Known, known_module
from syncline.run.passes import Report
from syncline.run.scope import Onlooker
from syncline.spec.model import Module, Reckoning
from syncline.store.documents import Documents, Row
from syncline.store.ledger import Ledger, Link

#: So many records of an end are looked at a second time before they are told of: what changed while the two
#: ends were read, or came late into a list, is no gap. What is beyond is told of as it was read.
LOOK_AGAIN = 2_000
#: Why a record outside the module's filter adds nothing to its ledger.
OUTSIDE = "outside 'where'"


class DocumentReader:
    """Brings the records of one module into rows. The two ends may be read at once.

    Raises SynclineError when a map that says what the money is rests.
    """

    def __init__(self, onlooker: Onlooker, reckoning: Reckoning, documents: Documents) -> None:
        self._onlooker = onlooker
        self._documents = documents
        drift, named, maps = onlooker.drift, reckoning.maps, onlooker.maps
        rests = next((name for name in named.values() if name in drift.maps), None)
        if drift.module or rests is not None:
            why = drift.module or f"{rests}: {drift.maps[rests or '']}"
            raise SynclineError(f"it cannot be compared: {why}", fix="mend the spec or the field")
        self._entries = {what: maps.by_name[name] for what, name in named.items()}
        self._lists = [entry.name for entry in maps.entries if entry.is_list]
        agree = {name for rule in onlooker.module.match for name in rule.agree}
        self._agree = [entry for entry in maps.entries if entry.name in agree and not entry.is_list]
        #: by side, the names of all fields, those to be read, and what tells void documents
        self._known = [frozenset(f.name for f in maps.remotes[side].fields) for side in Side]
        self._wanted = [maps.wanted(side) for side in Side]
        voids = [reckoning.void.get(onlooker.system(side)) for side in Side]
        expressions = onlooker.expressions
        self._void = [expressions.compile(void.source) if void else None for void in voids]
        for side, void in zip(Side, voids, strict=True):
            if void is not None:
                named_there = expressions.record_fields(void.source, "record")
                more = self._known[side] if named_there is None else named_there & self._known[side]
                self._wanted[side] |= more
        #: by side, the records that were read, and how many may still be looked at again
        self.read, self._again = [0, 0], [LOOK_AGAIN, LOOK_AGAIN]

    def terms(self, since: str | None, until: str | None) -> Terms:
        """By what the documents are compared."""
        tolerance = {what: entry.map.tolerance for what, entry in self._entries.items()}
        return Terms(
            total=tolerance.get("total"),
            open=tolerance.get("open"),
            rate=tolerance.get("rate"),
            opens="open" in self._entries,
            rates="rate" in self._entries,
            since=since,
            until=until,
        )

    def read_end(self, side: Side, report: Report) -> None:
        """Read an end from its beginning."""
        end = self._onlooker.ends[side]
        for page in end.session.read(end.remote.name, None, self._wanted[side]):
            self.read[side] += len(page.records)
            self._take_in(side, page.records)
            report(f"{self._onlooker.module.name}: {self.read[side]} records of {end.system} read")
            if page.last:
                break

    def read_again(self, side: Side) -> None:
        """Read the records that are in doubt once more, each by its id; one that is not there any more is
        gone. What has got a link meanwhile brings its counterpart into doubt."""
        end = self._onlooker.ends[side]
        ids = self._documents.doubted(side, self._again[side])
        self._again[side] -= len(ids)
        size = max(1, end.remote.capabilities.read_ids_batch)
        for start in range(0, len(ids), size):
            asked = ids[start : start + size]
            records = end.session.read_ids(end.remote.name, asked, self._wanted[side])
            self._take_in(side, records)
            there = {record.id for record in records}
            gone = (self._documents.get(side, i) for i in asked if i not in there)
            # One that was read as deleted is known by no id any more, and says more than one that is not
            # there.
            self._documents.drop(side, [row.id for row in gone if row is not None and row.counts])
            rows = (self._documents.get(side, record) for record in sorted(there))
            self.doubt_counterparts(row for row in rows if row is not None)

    def doubt_counterparts(self, rows: Iterable[Row]) -> None:
        """Note the records that the links of these rows name."""
        ids = [row.link for row in rows if row.link is not None]
        with self._onlooker.database.read() as db:
            links = Ledger.links_anywhere(db, ids)
        ends = ((side, i) for link in links.values() for side in Side if (i := link.ids[side]) is not None)
        self._documents.doubt((int(side), i) for side, i in ends)

    def _take_in(self, side: Side, records: Sequence[Record]) -> None:
        today = self._onlooker.today(side)
        seen = {record.id: (record, self._onlooker.maps.project(side, record, today)) for record in records}
        for _, projection in seen.values():
            self._onlooker.maps.render(side, projection)
        links: dict[str, int] = {}
        marks: list[dict[str, list[Any]]] = [{} for _ in seen]
        with self._onlooker.database.read() as db:
            if self._onlooker.scope is not None:
                found = Ledger(self._onlooker.scope).link_marks(db, side, list(seen))
                links = {record: mark[0] for record, mark in found.items()}
            if self._agree:
                marks = self._marks(db, side, [projection for _, projection in seen.values()])
        rows, none = [], []
        for (record, projection), told in zip(seen.values(), marks, strict=True):
            row = self._row(side, record, projection, links.get(record.id), told)
            if row.counts or row.link is not None:
                rows.append(row)
            else:
                none.append(record.id)  # it counts for nothing, and nothing depends on it
        self._documents.drop(side, none)
        self._documents.add(rows)

    def _row(
        self, side: Side, record: Record, seen: Projection, link: int | None, marks: dict[str, list[Any]]
    ) -> Row:
        why, fault = self._ended(side, record, seen)
        faults = [fault] if fault else []
        values: dict[str, Any] = {}
        for what, entry in self._entries.items():
            if entry.name in seen.faults:
                faults.append(f"{entry.name}: {seen.faults[entry.name]}")
            values[what] = _in_common(entry, side, seen)
        currency = values.get("currency") or self._onlooker.ends[side].account.currency or ""
        body = {
            "label": _label(self._onlooker.module, seen.own),
            "day": None if values["date"] is None else str(values["date"]),
            "currency": str(currency),
            "total": _money(values["total"], faults),
            "open": _money(values.get("open"), faults),
            "rate": _money(values.get("rate"), faults),
            "lines": sum(len(seen.own.get(name) or ()) for name in self._lists),
            "why": why,
            "fault": "; ".join(faults),
            "marks": marks,
        }
        return Row(side=side, id=record.id, link=link, counts=not why, body=body, keys=seen.keys)

    def _ended(self, side: Side, record: Record, seen: Projection) -> tuple[str, str]:
        """Why a record adds nothing to its ledger, empty when it does; and what kept that from being
        known."""
        if record.state in (State.DELETED, State.VOIDED):
            return record.state.value, ""
        if not seen.in_scope:
            return OUTSIDE, ""
        void = self._void[side]
        if void is not None:
            names = {"record": View(record.values, self._known[side])}
            try:
                if void({**names, "today": self._onlooker.today(side), "value": None}):
                    return "void", ""
            except ExpressionError as error:
                return "", f"void: {error.message}"
        return "", seen.faults.get(FILTER_FAULT, "")

    def _marks(self, db: Db, side: Side, seen: Sequence[Projection]) -> list[dict[str, list[Any]]]:
        """For each record, what must not contradict a match: the value as each end would have it; of a
        reference, the link of what it names."""
        marks: list[dict[str, list[Any]]] = [{} for _ in seen]
        for entry in self._agree:
            name = entry.name
            if entry.map.ref is None:
                for mark, each in zip(marks, seen, strict=True):
                    mark[name] = [each.own.get(name), each.out.get(name)]
                continue
            named = {str(i) for each in seen if (i := each.own.get(name)) is not None}
            links = self._links_named(db, entry, side, sorted(named))
            for mark, each in zip(marks, seen, strict=True):
                link = links.get(str(each.own.get(name)))
                mark[name] = [None if link is None else f"#{link.id}"]
        return marks

    def _links_named(self, db: Db, entry: MapEntry, side: Side, named: Sequence[str]) -> dict[str, Link]:
        module = entry.map.ref or ""
        known = known_module(db, self._onlooker.spec, module)
        if known.scope is None or not named:
            return {}
        field_ = entry.ends[side].field
        by_key = field_ is not None and field_.reference is not None and field_.reference.by == "key"
        find = known.ledger.links_by_key if by_key else known.ledger.links_of
        return find(db, known.side_of(self._onlooker.system(side)), named)


def document_of(row: Row | None) -> Document | None:
    """What is compared of a row."""
    if row is None:
        return None
    told = row.body
    return Document(
        id=row.id,
        label=told["label"],
        day=told["day"],
        currency=told["currency"],
        total=_exact(told["total"]),
        open=_exact(told["open"]),
        rate=_exact(told["rate"]),
        lines=told["lines"],
        counts=row.counts,
        why=told["why"],
        fault=told["fault"],
    )


def _exact(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _in_common(entry: MapEntry, side: Side, seen: Projection) -> Any:
    """A value in the form that both ends are compared in: as it is, or where the map translates it, as the
    end holds it to which it flows."""
    if entry.map.to or entry.map.values:
        target = next((each for each in Side if entry.flows[each]), None)
        if target is side.other and entry.name in seen.out:
            return seen.out[entry.name]
    return seen.own.get(entry.name)


def _money(value: Any, faults: list[str]) -> Decimal | int | None:
    if value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool)):
        return value
    faults.append(f"{str(value)[:40]!r} is not a number")
    return None


def _label(module: Module, own: dict[str, Any]) -> str:
    return Known(module=module, scope=None, connected=(None, None)).label(own)
