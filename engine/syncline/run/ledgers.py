"""Reconcile: both ends of the document modules compared to the cent, whatever the state believes.

Both ends are read live and whole, beside whatever pass is at work, and nothing is written to either. The
state says only who belongs together and why a record rests; the money is what the two ends say now.

A result
--------
``spec``, ``status`` (done: no gap, or each has its reason; attention: somebody must look; failed: a module
could not be compared), ``from``, ``to`` (days, or null), ``problems`` (by module), ``requests`` (by system)
and ``modules``, by name:

``systems``
    the two, left and right; ``organisations``: by system ``id`` and ``name``; ``read``: by system, records
``groups``
    one for each ``currency`` with ``period`` (YYYY-MM, empty for documents without a day): by system
    ``count``, ``total`` and ``open`` (null where the module names no map of it); ``gap``: the right end's
    without the left end's; ``kinds``: how many documents have each kind of difference
``gaps``
    the documents behind them, at most as many as were asked for, those without a reason first: ``records``
    (by system, null where there is none: ``id``, ``name``, ``date``, ``currency``, ``total``, ``open``,
    ``rate``), ``differences`` (``kind``, ``of``, by system the value, and where there are any ``allowed``,
    ``declared``, ``crosses``), ``double_of``, ``reason``, ``explained``
``kinds``, ``explained``, ``unexplained``, ``left_off``
    counts of all gaps, and how many ``gaps`` does not show
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.reconcile.ledgers import (
    Balance,
    Difference,
    Document,
    Gap,
    GroupKey,
    Kind,
    Member,
    Terms,
    compare_documents,
    find_double,
    join_members,
)
from syncline.run.documents import OUTSIDE, DocumentReader, document_of
from syncline.run.passes import Report, at_once
from syncline.run.scope import Onlooker
from syncline.run.workspace import Workspace
from syncline.spec.model import DeleteRule, Module, Reckoning
from syncline.store.documents import Documents, Row
from syncline.store.ledger import Ledger, Link, Staged

#: Gaps whose reasons are looked up together.
_BATCH = 200
#: The statuses of a resting record that say why it differs; an ambiguous one is a gap all the same: it may be
#: the second of two.
_ACCEPTED = frozenset(("waiting", "locked", "conflict", "failed", "dead", "parked", "writing"))

_Pair = tuple[Row | None, Row | None, tuple[Difference, ...]]


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
    chosen = _chosen(workspace, only)
    failed = workspace.failing([module for module, _ in chosen])
    able = [(module, reckoning) for module, reckoning in chosen if not failed.keys() & module.systems]
    if failed and not able:
        raise next(iter(failed.values()))  # who is not signed in is told so, once
    for module, _ in chosen:
        for system in module.systems:
            if system in failed:
                result["problems"].setdefault(module.name, failed[system].told)
    for module, reckoning in able:
        try:
            onlooker = workspace.onlooker(module)
            result["modules"][module.name] = compare_module(
                onlooker, reckoning, report, since=since, until=until, limit=limit
            )
        except SynclineError as error:
            result["problems"][module.name] = error.told
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


def compare_module(
    onlooker: Onlooker,
    reckoning: Reckoning,
    report: Report,
    *,
    since: str | None = None,
    until: str | None = None,
    limit: int = 1000,
) -> dict[str, Any]:
    """One module of the result above. Raises SynclineError when it cannot be compared."""
    with Documents() as documents:
        reader = DocumentReader(onlooker, reckoning, documents)
        comparison = _Comparison(onlooker, documents, reader.terms(since, until))
        at_once([partial(reader.read_end, side, report) for side in Side])
        comparison.pair()
        doubts = False
        for batch in _batches(comparison.differing()):
            doubts = True
            rows = [row for left, right, _ in batch for row in (left, right) if row is not None]
            documents.doubt((row.side, row.id) for row in rows)
            reader.doubt_counterparts(rows)
        if doubts:
            report(f"{onlooker.module.name}: looking again at what differs")
            for side in (*Side, *Side):  # twice: what has got a link meanwhile has a counterpart to be read
                reader.read_again(side)
            comparison.pair()
        read = {onlooker.system(side): reader.read[side] for side in Side}
        return comparison.told(read, limit)


class _Comparison:
    """The rows of one module, compared."""

    def __init__(self, onlooker: Onlooker, documents: Documents, terms: Terms) -> None:
        self._onlooker = onlooker
        self._module = onlooker.module
        self._documents = documents
        self._terms = terms

    # --- who is the same -------------------------------------------------------------------------

    def pair(self) -> None:
        """By their links, then by the keys of the match rules."""
        self._documents.pair_links()
        for number, rule in enumerate(self._module.match):
            for lefts, rights in self._documents.groups(number):
                members = [[_member(row) for row in rows] for rows in (lefts, rights)]
                self._documents.join(join_members(members[0], members[1], rule.agree))

    def _double_of(self, row: Row) -> str | None:
        """The record of the same end that a record without a counterpart repeats."""
        for number, key in self._documents.keys_of(row.side, row.id):
            others = self._documents.members(number, key, side=row.side)
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

    # --- telling ---------------------------------------------------------------------------------

    def differing(self) -> Iterator[_Pair]:
        """Every two rows, or one that is alone, that are not in agreement."""
        for left, right in self._documents.pairs():
            differences = compare_documents(document_of(left), document_of(right), self._terms)
            if differences:
                yield left, right, differences

    def told(self, read: dict[str, int], limit: int) -> dict[str, Any]:
        """The module's result; of the gaps no more than ``limit`` are kept in memory."""
        balance = Balance(self._terms)
        kinds: Counter[str] = Counter()
        shown: list[Gap] = []
        counts = [0, 0]
        accepted: list[Gap] = []
        for batch in _batches(self._counting(balance)):
            for gap in self._gaps(batch):
                balance.add(gap.left, gap.right, gap.differences)
                kinds.update({each.kind.value for each in gap.differences})
                counts[gap.explained] += 1
                kept = accepted if gap.explained else shown
                if len(kept) < limit:
                    kept.append(gap)
        shown = [*shown, *accepted][:limit]
        ends = self._onlooker.ends
        organisations = {
            end.system: {"id": end.account.organisation.id, "name": end.account.organisation.name}
            for end in ends
        }
        return {
            "systems": [end.system for end in ends],
            "modules": {end.system: end.remote.name for end in ends},
            "organisations": organisations,
            "read": read,
            "groups": [self._told_group(key, balance) for key in sorted(balance.groups)],
            "gaps": [self._told_gap(gap) for gap in shown],
            "kinds": dict(sorted(kinds.items())),
            "explained": counts[True],
            "unexplained": counts[False],
            "left_off": sum(counts) - len(shown),
        }

    def _counting(self, balance: Balance) -> Iterator[_Pair]:
        """The documents that differ; those that agree are counted on the way."""
        for left, right in self._documents.pairs():
            documents = (document_of(left), document_of(right))
            differences = compare_documents(*documents, self._terms)
            if differences:
                yield left, right, differences
            else:
                balance.add(*documents)

    def _gaps(self, batch: Sequence[_Pair]) -> Iterator[Gap]:
        rows = [row for left, right, _ in batch for row in (left, right) if row is not None]
        links: dict[int, Link] = {}
        rests: dict[tuple[int, str], Staged] = {}
        with self._onlooker.database.read() as db:
            if self._onlooker.scope is not None:
                ledger = Ledger(self._onlooker.scope)
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
            left=document_of(left),
            right=document_of(right),
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
        row, state = self._documents.get(there, other), link.states[there]
        dealt = state not in ("live", "out")
        why = row.body["why"] if row is not None else state if dealt else "gone"
        what = f"{other} is {why} in {self._onlooker.system(there)}" if why else f"{other} is elsewhere"
        if why == OUTSIDE:
            return what, True
        rule = self._module.deletes[self._onlooker.system(side)]
        if dealt and rule in (DeleteRule.IGNORE, DeleteRule.UNLINK):
            return f"{what}, and deletes: {{{self._onlooker.system(side)}: {rule}}} keeps this one", True
        return f"{what}, and no pass has dealt with that yet", False

    def _told_group(self, key: GroupKey, balance: Balance) -> dict[str, Any]:
        group, opens = balance.groups[key], self._terms.opens
        named = dict(zip((self._onlooker.system(side) for side in Side), group.ends, strict=True)) | {
            "gap": group.gap
        }
        told = {
            name: {"count": s.count, "total": s.total, "open": s.open if opens else None}
            for name, s in named.items()
        }
        kinds = {kind.value: n for kind, n in sorted(group.kinds.items())}
        return {"currency": key.currency, "period": key.period, **told, "kinds": kinds}

    def _told_gap(self, gap: Gap) -> dict[str, Any]:
        systems = [self._onlooker.system(side) for side in Side]
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


def _member(row: Row) -> Member:
    document = document_of(row)
    assert document is not None
    return Member(document=document, marks=row.body["marks"])


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
