"""Reconcile: both ends of the document modules compared to the cent, whatever the state believes.

Both ends are read live and whole, beside whatever pass is at work, and nothing is written to either. The state
says only who belongs together and why a record rests; the money is what the two ends say now.

A result
--------
``spec``, ``status`` (done: no gap, or each has its reason; attention: somebody must look; failed: a module could
not be compared), ``from``, ``to`` (days, or null), ``problems`` (by module), ``requests`` (by system) and
``modules``, by name:

``systems``
    the two, left and right; ``organisations``: by system ``id`` and ``name``; ``read``: by system, records
``groups``
    one for each ``currency`` with ``period`` (YYYY-MM, empty for documents without a day): by system ``count``,
    ``total`` and ``open`` (null where the module names no map of it); ``gap``: the right end's without the
    left end's; ``kinds``: how many documents have each kind of difference
``gaps``
    the documents behind them, at most as many as were asked for, those without a reason first: ``records`` (by
    system, null where there is none: ``id``, ``name``, ``date``, ``currency``, ``total``, ``open``, ``rate``),
    ``differences`` (``kind``, ``of``, by system the value, and where there are any ``allowed``, ``declared``,
    ``crosses``), ``double_of``, ``reason``, ``explained``
``kinds``, ``explained``, ``unexplained``, ``left_off``
    counts of all gaps, and how many ``gaps`` does not show
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy.engine import Connection as Db

from syncline.connect.contract import Record, State
from syncline.errors import SynclineError
from syncline.mapping.expressions import Compiled, ExpressionError, View
from syncline.mapping.module import FILTER_FAULT, MapEntry, ModuleMap, Projection, Side
from syncline.reconcile.ledgers import (
    Balance,
    Difference,
    Document,
    Gap,
    Kind,
    Member,
    Terms,
    compare_documents,
    find_double,
    join_members,
)
from syncline.run.known import Known, known_module
from syncline.run.passes import Report, at_once
from syncline.run.scope import local_day
from syncline.run.workspace import Onlooker, Workspace
from syncline.spec.model import DeleteRule, Module, Reckoning
from syncline.store.documents import Documents, Row
from syncline.store.ledger import Ledger, Link, Staged

#: So many records of an end are looked at a second time before they are told of: what changed while the two
#: ends were read, or came late into a list, is no gap. What is beyond is told of as it was read.
LOOK_AGAIN = 2_000
#: Gaps whose reasons are looked up together.
_BATCH = 200
#: The statuses of a resting record that say why it differs; an ambiguous one is a gap all the same: it may be
#: the second of two.
_ACCEPTED = frozenset(("waiting", "locked", "conflict", "failed", "dead", "parked", "writing"))


def reconcile_ledgers(
    workspace: Workspace,
    report: Report,
    *,
    only: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 1000,
) -> dict[str, Any]:
    """Compare the modules whose spec says what their money is (or ``only`` one): see the result above.

    ``since``, ``until``: the first and last day, YYYY-MM-DD; ``limit``: at most so many gaps are listed.
    Raises SynclineError where there is nothing to compare, and what opening a connection raises.
    """
    result: dict[str, Any] = {"spec": workspace.spec.name, "status": "done", "from": since, "to": until}
    result |= {"modules": {}, "problems": {}}
    for module, reckoning in _chosen(workspace, only):
        try:
            with Documents() as documents:
                look = _Look(workspace, workspace.onlooker(module), reckoning, documents, (since, until))
                result["modules"][module.name] = look.compare(report, limit)
        except SynclineError as error:
            result["problems"][module.name] = error.what
    if result["problems"]:
        result["status"] = "failed"
    elif any(told["unexplained"] for told in result["modules"].values()):
        result["status"] = "attention"
    return result | {"requests": workspace.requests()}


def _chosen(workspace: Workspace, only: str | None) -> list[tuple[Module, Reckoning]]:
    named = [workspace.module(only)] if only else list(workspace.spec.modules.values())
    found = [(m, m.reconcile) for m in named if m.reconcile is not None and (m.enabled or only)]
    if not found:
        which = f"the module {only!r} does" if only else "the modules of this spec do"
        raise SynclineError(
            f"{which} not say what their money is, so there is nothing to compare",
            fix="add to a module of documents: reconcile: {date: MAP, total: MAP}, see docs/spec.md",
        )
    return found


@dataclass(slots=True)
class _Look:
    """One module while it is compared."""

    workspace: Workspace
    onlooker: Onlooker
    reckoning: Reckoning
    documents: Documents
    window: tuple[str | None, str | None]
    read: Counter[str] = field(default_factory=Counter)
    _entries: dict[str, MapEntry] = field(init=False)
    _lists: list[str] = field(init=False)
    _agree: list[MapEntry] = field(init=False)
    _void: list[Compiled | None] = field(init=False, default_factory=list)
    _wanted: list[frozenset[str]] = field(init=False, default_factory=list)
    _referred: dict[str, Known] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        drift = self.onlooker.drift
        named = self.reckoning.maps
        if drift.module or (rests := [name for name in named.values() if name in drift.maps]):
            why = drift.module or f"{rests[0]}: {drift.maps[rests[0]]}"
            raise SynclineError(f"it cannot be compared: {why}", fix="mend the spec or the field")
        maps = self.onlooker.maps
        self._entries = {what: maps.by_name[name] for what, name in named.items()}
        self._lists = [entry.name for entry in maps.entries if entry.is_list]
        agree = {name for rule in self._module.match for name in rule.agree}
        self._agree = [entry for entry in maps.entries if entry.name in agree and not entry.is_list]
        expressions = self.workspace.expressions
        for side in Side:
            void = self.reckoning.void.get(self._system(side))
            self._void.append(expressions.compile(void.source) if void else None)
            more: frozenset[str] | None = frozenset()
            if void is not None:
                more = expressions.record_fields(void.source, "record")
            known = frozenset(f.name for f in maps.remotes[side].fields)
            self._wanted.append(maps.wanted(side) | (known if more is None else more & known))

    @property
    def _module(self) -> Module:
        return self.onlooker.module

    @property
    def _maps(self) -> ModuleMap:
        return self.onlooker.maps

    def _system(self, side: Side) -> str:
        return self.onlooker.ends[side].system

    @property
    def _terms(self) -> Terms:
        tolerance = {what: entry.map.tolerance for what, entry in self._entries.items()}
        return Terms(
            total=tolerance.get("total"),
            open=tolerance.get("open"),
            rate=tolerance.get("rate"),
            opens="open" in self._entries,
            rates="rate" in self._entries,
            since=self.window[0],
            until=self.window[1],
        )

    def compare(self, report: Report, limit: int) -> dict[str, Any]:
        at_once([partial(self._read_end, side, report) for side in Side])
        self._pair()
        if self._find_doubts():
            report(f"{self._module.name}: looking again at what differs")
            for _ in range(2):  # what has got a link meanwhile has a counterpart to be read
                for side in Side:
                    self._look_again(side)
            self._pair()
        return self._tell(limit)

    # --- reading ---------------------------------------------------------------------------------

    def _read_end(self, side: Side, report: Report) -> None:
        end = self.onlooker.ends[side]
        for page in end.session.read(end.remote.name, None, self._wanted[side]):
            self.read[end.system] += len(page.records)
            self._take_in(side, page.records)
            report(f"{self._module.name}: {self.read[end.system]} records of {end.system} read")
            if page.last:
                break

    def _take_in(self, side: Side, records: Sequence[Record]) -> None:
        end = self.onlooker.ends[side]
        today = local_day(self.workspace.now(), end.account.timezone)
        seen = {record.id: (record, self._maps.project(side, record, today)) for record in records}
        for _, projection in seen.values():
            self._maps.render(side, projection)
        links: dict[str, int] = {}
        marks: list[dict[str, list[Any]]] = [{} for _ in seen]
        with self.workspace.database.read() as db:
            if self.onlooker.scope is not None:
                found = Ledger(self.onlooker.scope).link_marks(db, side, list(seen))
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
        self.documents.drop(side, none)
        self.documents.add(rows)

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
        currency = values.get("currency") or self.onlooker.ends[side].account.currency or ""
        body = {
            "label": _label(self._module, seen.own),
            "day": values["date"],
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
        """Why a record adds nothing to its ledger, empty when it does; and what kept that from being known."""
        if record.state in (State.DELETED, State.VOIDED):
            return record.state.value, ""
        if not seen.in_scope:
            return "outside 'where'", ""
        void = self._void[side]
        if void is not None:
            known = frozenset(f.name for f in self._maps.remotes[side].fields)
            today = local_day(self.workspace.now(), self.onlooker.ends[side].account.timezone)
            try:
                if void({"record": View(record.values, known), "today": today, "value": None}):
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
        if module not in self._referred:
            self._referred[module] = known_module(db, self.workspace.spec, module)
        known = self._referred[module]
        if known.scope is None or not named:
            return {}
        field_ = entry.ends[side].field
        by_key = field_ is not None and field_.reference is not None and field_.reference.by == "key"
        find = known.ledger.links_by_key if by_key else known.ledger.links_of
        return find(db, known.side_of(self._system(side)), named)

    # --- who is the same -------------------------------------------------------------------------

    def _pair(self) -> None:
        """By their links, then by the keys of the match rules."""
        self.documents.pair_links()
        for number, rule in enumerate(self._module.match):
            for lefts, rights in self.documents.groups(number):
                members = [[_member(row) for row in rows] for rows in (lefts, rights)]
                self.documents.join(join_members(members[0], members[1], rule.agree))

    def _double_of(self, row: Row) -> str | None:
        """The record of the same end that a record without a counterpart repeats."""
        for number, key in self.documents.keys_of(row.side, row.id):
            others = self.documents.members(number, key, side=row.side)
            paired = frozenset(each.id for each in others if each.pair is not None)
            # One that was linked once was there first.
            if row.link is not None and not paired:
                continue
            linked = frozenset(each.id for each in others if each.link is not None)
            agree = self._module.match[number].agree
            double = find_double(_member(row), [_member(each) for each in others], agree, paired or linked)
            if double is not None:
                return double
        return None

    # --- a second look ---------------------------------------------------------------------------

    def _find_doubts(self) -> bool:
        """Note every record of a gap, with the counterpart that its link names."""
        found = False
        for batch in _batches(self._differing()):
            found = True
            rows = [row for left, right, _ in batch for row in (left, right) if row is not None]
            self.documents.doubt((row.side, row.id) for row in rows)
            self._doubt_counterparts(rows)
        return found

    def _doubt_counterparts(self, rows: Iterable[Row]) -> None:
        ids = [row.link for row in rows if row.link is not None]
        with self.workspace.database.read() as db:
            links = Ledger.links_anywhere(db, ids)
        ends = ((side, i) for link in links.values() for side in Side if (i := link.ids[side]) is not None)
        self.documents.doubt((int(side), i) for side, i in ends)

    def _look_again(self, side: Side) -> None:
        end = self.onlooker.ends[side]
        ids = self.documents.doubted(side, LOOK_AGAIN)
        size = max(1, end.remote.capabilities.read_ids_batch)
        for start in range(0, len(ids), size):
            asked = ids[start : start + size]
            records = end.session.read_ids(end.remote.name, asked, self._wanted[side])
            self._take_in(side, records)
            there = {record.id for record in records}
            self.documents.drop(side, [i for i in asked if i not in there])
            rows = (self.documents.get(side, record.id) for record in records)
            self._doubt_counterparts(row for row in rows if row is not None)

    # --- telling ---------------------------------------------------------------------------------

    def _differing(self) -> Iterator[tuple[Row | None, Row | None, tuple[Difference, ...]]]:
        terms = self._terms
        for left, right in self.documents.pairs():
            differences = compare_documents(_document(left), _document(right), terms)
            if differences:
                yield left, right, differences

    def _tell(self, limit: int) -> dict[str, Any]:
        terms = self._terms
        balance = Balance(terms)
        kinds: Counter[str] = Counter()
        shown: list[Gap] = []
        counts = [0, 0]
        accepted: list[Gap] = []
        for batch in _batches(self._documents(balance)):
            for gap in self._gaps(batch):
                balance.add(gap.left, gap.right, gap.differences)
                kinds.update({each.kind.value for each in gap.differences})
                counts[gap.explained] += 1
                kept = accepted if gap.explained else shown
                if len(kept) < limit:
                    kept.append(gap)
        shown = [*shown, *accepted][:limit]
        ends = self.onlooker.ends
        organisations = {
            end.system: {"id": end.account.organisation.id, "name": end.account.organisation.name}
            for end in ends
        }
        return {
            "systems": [end.system for end in ends],
            "modules": {end.system: end.remote.name for end in ends},
            "organisations": organisations,
            "read": {end.system: self.read[end.system] for end in ends},
            "groups": [self._told_group(*key, balance) for key in sorted(balance.groups)],
            "gaps": [self._told_gap(gap) for gap in shown],
            "kinds": dict(sorted(kinds.items())),
            "explained": counts[True],
            "unexplained": counts[False],
            "left_off": sum(counts) - len(shown),
        }

    def _documents(self, balance: Balance) -> Iterator[tuple[Row | None, Row | None, tuple[Difference, ...]]]:
        """The documents that differ; those that agree are counted on the way."""
        for left, right in self.documents.pairs():
            documents = (_document(left), _document(right))
            differences = compare_documents(*documents, balance.terms)
            if differences:
                yield left, right, differences
            else:
                balance.add(*documents)

    def _gaps(self, batch: Sequence[tuple[Row | None, Row | None, tuple[Difference, ...]]]) -> Iterator[Gap]:
        rows = [row for left, right, _ in batch for row in (left, right) if row is not None]
        links: dict[int, Link] = {}
        rests: dict[tuple[int, str], Staged] = {}
        with self.workspace.database.read() as db:
            if self.onlooker.scope is not None:
                ledger = Ledger(self.onlooker.scope)
                links = ledger.links_anywhere(db, [row.link for row in rows if row.link is not None])
                for side in Side:
                    staged = ledger.staged(db, side, [row.id for row in rows if row.side == side])
                    rests |= {(int(side), record): found for record, found in staged.items()}
        for left, right, differences in batch:
            yield self._gap(left, right, differences, links, rests)

    def _gap(
        self,
        left: Row | None,
        right: Row | None,
        differences: tuple[Difference, ...],
        links: dict[int, Link],
        rests: dict[tuple[int, str], Staged],
    ) -> Gap:
        alone = left if right is None else right if left is None else None
        double = self._double_of(alone) if alone is not None else None
        if double is not None:
            first = Difference(kind=Kind.DOUBLED, of="document")
            differences = tuple(first if each.kind is Kind.MISSING else each for each in differences)
        reason, accepted = self._reason(left, right, links, rests)
        return Gap(
            left=_document(left),
            right=_document(right),
            differences=differences,
            reason=reason,
            accepted=accepted,
            double_of=double,
        )

    def _reason(
        self,
        left: Row | None,
        right: Row | None,
        links: dict[int, Link],
        rests: dict[tuple[int, str], Staged],
    ) -> tuple[str, bool]:
        """Why two documents differ, or one is alone, where that is known; and whether that will do."""
        for row in (left, right):
            rest = rests.get((row.side, row.id)) if row is not None else None
            if rest is not None and rest.status != "pending":
                why = f": {rest.reason}" if rest.reason else ""
                return f"{rest.status}{why}", rest.status in _ACCEPTED
        alone = left if right is None else right if left is None else None
        if alone is None:
            return "", False
        link = links.get(alone.link) if alone.link is not None else None
        if link is None:
            return "no pass has found or made a counterpart", False
        return self._parted(Side(alone.side), link)

    def _parted(self, side: Side, link: Link) -> tuple[str, bool]:
        """Why a record whose link names a counterpart stands alone."""
        there = side.other
        other = link.ids[there]
        if other is None:
            return "its counterpart is being created", False
        row = self.documents.get(there, other)
        why = row.body["why"] if row is not None else "gone"
        what = f"{other} is {why} in {self._system(there)}" if why else f"{other} is elsewhere"
        if why == "outside 'where'":
            return what, True
        rule = self._module.deletes[self._system(side)]
        if link.states[there] not in ("live", "out") and rule in (DeleteRule.IGNORE, DeleteRule.UNLINK):
            return f"{what}, and deletes: {{{self._system(side)}: {rule}}} keeps this one", True
        return f"{what}, and no pass has dealt with that yet", False

    def _told_group(self, currency: str, period: str, balance: Balance) -> dict[str, Any]:
        group = next(g for key, g in balance.groups.items() if key == (currency, period))
        opens = balance.terms.opens
        named = dict(zip((self._system(side) for side in Side), group.ends, strict=True)) | {"gap": group.gap}
        told = {
            name: {"count": s.count, "total": s.total, "open": s.open if opens else None}
            for name, s in named.items()
        }
        kinds = {kind.value: n for kind, n in sorted(group.kinds.items())}
        return {"currency": currency, "period": period, **told, "kinds": kinds}

    def _told_gap(self, gap: Gap) -> dict[str, Any]:
        systems = [self._system(side) for side in Side]
        ends = zip(systems, (gap.left, gap.right), strict=True)
        differences = []
        for each in gap.differences:
            told = {"kind": each.kind.value, "of": each.of, systems[0]: each.left, systems[1]: each.right}
            if each.allowed is not None:
                told |= {"allowed": each.allowed, "declared": each.declared}
            if each.kind is Kind.REDATED:
                told["crosses"] = each.crosses
            differences.append(told)
        return {
            "records": {system: _told_document(document) for system, document in ends},
            "differences": differences,
            "double_of": gap.double_of,
            "reason": gap.reason,
            "explained": gap.explained,
        }


def _in_common(entry: MapEntry, side: Side, seen: Projection) -> Any:
    """A value in the form that both ends are compared in: as it is, or where the map translates it, as the end
    holds it to which it flows."""
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


def _member(row: Row) -> Member:
    document = _document(row)
    assert document is not None
    return Member(document=document, marks=row.body["marks"])


def _document(row: Row | None) -> Document | None:
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


def _told_document(document: Document | None) -> dict[str, Any] | None:
    if document is None:
        return None
    told = {name: getattr(document, name) for name in ("id", "currency", "total", "open", "rate")}
    return (
        told
        | {"name": document.label, "date": document.day}
        | ({"fault": document.fault} if document.fault else {})
    )


def _batches(found: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(found, _BATCH)):
        yield batch
