"""Merging: a linked record vanishes because people merged it into another one, which takes its place.

Some remotes name the survivor. Of the others a record that vanishes is looked for by the match rules: one
record that has no link and could be its counterpart's is taken for the survivor. A survivor that has a link
of its own is a question: then two records of the other end are one here, and people must merge those too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.engine import Connection

from syncline.mapping.module import Side
from syncline.reconcile.match import MAX_GROUP, Candidate, match_group
from syncline.run.scope import Scope
from syncline.store.history import keys_of, records_with_key
from syncline.store.ledger import Audit, Link, Question, Staged
from syncline.store.merged import Gone, newly_gone

BATCH = 500


def follow_merges(
    scope: Scope, transaction: Callable[[], AbstractContextManager[Connection]]
) -> set[tuple[Side, str]]:
    """Give the links of vanished records to their survivors, before anything is matched or decided. Returns
    the survivors (side, id) that must be read first."""
    unread: set[tuple[Side, str]] = set()
    after = 0
    while True:
        with transaction() as db:
            scope.fence(db)
            gone = newly_gone(db, scope.ledger.scope, after, BATCH)
            for one in gone:
                unread |= _follow(scope, db, one)
        if len(gone) < BATCH:
            return unread
        after = gone[-1].seq


def _follow(scope: Scope, db: Connection, gone: Gone) -> set[tuple[Side, str]]:
    ledger, side = scope.ledger, Side(gone.side)
    link = ledger.links_of(db, side, [gone.record]).get(gone.record)
    if link is None or not _has_counterpart(scope, db, link, side):
        return set()
    survivor: str | None
    if gone.merged_into is not None:
        survivor = _last_of_chain(scope, db, side, gone.merged_into)
        others = [survivor]
    else:
        survivor, others = _by_rules(scope, db, link, side, gone.record)
    if not others:
        return set()
    linked = ledger.link_marks(db, side, others)
    if survivor is None or linked:
        _ask(scope, db, link, side, gone, others)
        return set()
    return _give(scope, db, link, side, gone.record, survivor)


def _has_counterpart(scope: Scope, db: Connection, link: Link, side: Side) -> bool:
    other = link.ids[side.other]
    if other is None:
        return False
    row = scope.ledger.staged(db, side.other, [other]).get(other)
    return (row.condition if row is not None else link.states[side.other]) in ("live", "out")


def _last_of_chain(scope: Scope, db: Connection, side: Side, record: str) -> str:
    """The survivor of a survivor that was merged itself."""
    seen: set[str] = set()
    while record not in seen:
        seen.add(record)
        row = scope.ledger.staged(db, side, [record]).get(record)
        if row is None or row.merged_into is None:
            break
        record = row.merged_into
    return record


def _by_rules(
    scope: Scope, db: Connection, link: Link, side: Side, gone: str
) -> tuple[str | None, list[str]]:
    """The one record that the match rules find in the place of a vanished one, if there is just one; and all
    that they find."""
    ledger, other = scope.ledger, link.ids[side.other] or ""
    for rule, key in keys_of(db, ledger.scope, side.other, other).items():
        if rule >= len(scope.module.match):
            continue
        ids = records_with_key(db, ledger.scope, rule, key, side, MAX_GROUP)
        ids = [record for record in ids if record != gone]
        if not ids:
            continue
        agree = [scope.maps.by_name[name] for name in scope.module.match[rule].agree]
        agree = [entry for entry in agree if entry.map.ref is None]
        mine = _candidates(scope, db, side.other, [other], free=True)
        theirs = _candidates(scope, db, side, ids, free=False)
        groups = (mine, theirs) if side.other is Side.LEFT else (theirs, mine)
        found = match_group(*groups, agree)
        if found.pairs:
            return found.pairs[0][side], [found.pairs[0][side]]
        if unclear := found.unclear.get((side.other, other)):
            return None, list(unclear)
    return None, []


def _candidates(
    scope: Scope, db: Connection, side: Side, ids: Sequence[str], *, free: bool
) -> list[Candidate]:
    """``free``: they may be linked though they have a link: the vanished record's."""
    rows = scope.ledger.staged(db, side, ids)
    links = scope.ledger.links_of(db, side, ids)
    found = []
    for record in ids:
        row, link = rows.get(record), links.get(record)
        if row is None and link is None:
            continue
        own: dict[str, Any] = row.own if row is not None else link.base[side] if link is not None else {}
        may = free or (link is None and row is not None and row.condition == "live")
        if row is not None and row.state != "deleted":
            scope.maps.render(side, row)
        out = row.out if row is not None else {}
        found.append(Candidate(side=side, id=record, free=may, own=own, out=out))
    return found


def _give(
    scope: Scope, db: Connection, link: Link, side: Side, gone: str, survivor: str
) -> set[tuple[Side, str]]:
    """Point a link to the survivor. The two ends have never agreed on anything: empty values are filled in,
    and different ones are conflicts."""
    ledger = scope.ledger
    link.ids[side], link.states[side] = survivor, "live"
    link.keys[side], link.versions[side], link.prints[side], link.locks[side] = None, "", None, None
    link.base[side], link.sent[side] = {}, set()
    link.open = {entry.name for entry in scope.maps.entries}
    ledger.update_links(db, [link])
    ledger.unstage(db, [(side, gone)])
    ledger.withdraw(db, [(kind, f"{int(side)}:{survivor}") for kind in ("ambiguous", "taken")])
    detail = {"message": f"{gone} was merged into {survivor}", "other": gone}
    note = Audit(event="merged", link=link.id, side=side, record=survivor, detail=detail)
    ledger.write_audit(db, scope.pass_id, scope.now(), [note])
    row = ledger.staged(db, side, [survivor]).get(survivor)
    if row is None:
        return {(side, survivor)}
    ledger.rest(db, [(side, survivor, "pending", "", None, 0)])
    return set()


def _ask(scope: Scope, db: Connection, link: Link, side: Side, gone: Gone, others: Sequence[str]) -> None:
    ledger, there = scope.ledger, scope.ends[side.other].system
    links = ledger.links_of(db, side, others)
    partners = [i for one in links.values() if (i := one.ids[side.other])]
    merged = "was merged into" if gone.merged_into is not None else "is gone, and may have been merged into"
    why = f"{gone.record} {merged} {', '.join(others[:5])}"
    if partners:
        why += f", linked with {', '.join(partners[:5])}: merge {link.ids[side.other]} in {there} as well"
    detail = {"side": int(side), "record": gone.record, "into": list(others), "message": why}
    question = Question(kind="merged", subject=str(link.id), link=link.id, detail=detail)
    ledger.ask(db, scope.pass_id, scope.now(), [question])
    rows: list[Staged] = [*ledger.staged(db, side, [gone.record]).values()]
    rows += ledger.staged(db, side.other, [link.ids[side.other] or ""]).values()
    ledger.rest(db, [(row.side, row.record, "conflict", why, None, row.attempts) for row in rows])
