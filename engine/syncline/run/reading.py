"""Read and stage: bring in what changed at one end, durably, before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.connect.contract import Record, State
from syncline.mapping.module import Projection, Side, digest
from syncline.reconcile.limits import check_listing
from syncline.run.scope import SafetyStop, Scope
from syncline.store.ledger import Staged
from syncline.store.sweep import note_seen

_THERE = (State.LIVE, State.VOIDED)


def read_end(scope: Scope, side: Side) -> None:
    """Read one end from its cursor to the present, each page staged with its cursor in one transaction."""
    end = scope.ends[side]
    with scope.database.read() as db:
        cursor = None if scope.full else scope.ledger.cursor(db, side)
    wanted = scope.maps.wanted(side)
    read_at = scope.now() + end.skew
    listed = 0
    for page in end.session.read(end.remote.name, cursor, wanted):
        scope.totals.read[end.system] += len(page.records)
        listed += len(page.records)
        if page.since is not None:
            scope.totals.stray[end.system] += _strays(page.records, page.since) + page.left_out
        if page.last and cursor is None and not scope.full:  # a full pass looks up what it misses
            _check_whole_list(scope, side, listed)
        stage(scope, side, page.records, read_at, cursor=None if scope.full else page.cursor)
        if page.last:
            end.read_at, end.reached = read_at, page.cursor
            break
        read_at = scope.now() + end.skew


def _strays(records: Sequence[Record], since: datetime) -> int:
    """How many lie before what was asked for. They do no harm: their prints show that nothing has changed."""
    return sum(r.state is State.LIVE and r.modified is not None and r.modified < since for r in records)


def _check_whole_list(scope: Scope, side: Side, listed: int) -> None:
    """Raises SafetyStop when a list read from its beginning lacks half of what is linked; it is read again in
    the next pass."""
    with scope.database.read() as db:
        why = check_listing(listed, scope.ledger.count_live(db, side))
    if why is None or scope.accept:
        return
    with scope.database.write() as db:
        scope.fence(db)
        scope.ledger.drop_cursor(db, side)
    end = scope.ends[side]
    raise SafetyStop(
        f"{end.system} {end.remote.name}: {why}; nothing was written",
        fix=f"see in {end.system} whether they are gone, or hidden from this sign-in; if it is meant, run:"
        " syncline sync SPEC --accept-changes",
    )


def read_records(scope: Scope, side: Side, ids: Sequence[str]) -> set[str]:
    """Read these records now and stage those that differ from what is settled; the ids that are gone."""
    end = scope.ends[side]
    batch = max(1, end.remote.capabilities.read_ids_batch)
    wanted = scope.maps.wanted(side)
    found: set[str] = set()
    for start in range(0, len(ids), batch):
        read_at = scope.now() + end.skew
        records = end.session.read_ids(end.remote.name, ids[start : start + batch], wanted)
        found.update(record.id for record in records)
        stage(scope, side, records, read_at, cursor=None, force=True)
    return set(ids) - found


def read_pairs(scope: Scope, side: Side, records: Sequence[str]) -> None:
    """Stage these records, and those that they are linked with, as they are now; one that the remote no
    longer has as deleted, which the module's rule then decides about.

    With a record without a link, or one that a broken pass has left, what is new at both ends is read too:
    its counterpart may be at the other end, and so may be that of whatever else is found there, and would be
    created a second time.
    """
    with scope.database.read() as db:
        links = scope.ledger.links_of(db, side, records)
    others = [i for link in links.values() if (i := link.ids[side.other]) is not None]
    for end, ids in ((side, records), (side.other, others)):
        gone = sorted(read_records(scope, end, ids))
        missing = [Record(id=record, version="", values={}, state=State.DELETED) for record in gone]
        stage(scope, end, missing, scope.now() + scope.ends[end].skew, cursor=None)
    with scope.database.read() as db:
        unlinked = any(record not in links for record in records) or scope.ledger.unlinked(db, 0, 1)
    if scope.module.matches and unlinked:
        for end in (side.other, side):
            read_end(scope, end)


def recheck_due(scope: Scope) -> None:
    """Look again at the records whose day has come though nobody changed them, or that were locked when
    something was to be written there."""
    for side in Side:
        told = scope.module.recheck.get(scope.ends[side].system) is not None
        with scope.database.read() as db:
            due = scope.ledger.links_due(db, scope.today(side))
        ids = [i for link in due if (told or link.locks[side]) and (i := link.ids[side]) is not None]
        read_records(scope, side, ids)


def stage(
    scope: Scope,
    side: Side,
    records: Sequence[Record],
    read_at: datetime,
    *,
    cursor: str | None,
    force: bool = False,
) -> None:
    """Stage the records that differ from what was last settled, and the cursor with them.

    ``force``: stage them even when nothing mapped has changed.
    """
    today = scope.today(side)
    seen = [(record, scope.maps.project(side, record, today)) for record in _last_of_each(records)]
    with scope.database.write() as db:
        scope.fence(db)
        stage_projected(scope, db, side, seen, read_at, today, force=force)
        if cursor is not None:
            scope.ledger.save_cursor(db, side, cursor, scope.now())
        if scope.full:
            note_seen(db, scope.ledger.scope, side, [record.id for record, _ in seen])


def stage_projected(
    scope: Scope,
    db: Connection,
    side: Side,
    seen: Sequence[tuple[Record, Projection]],
    read_at: datetime,
    today: str,
    *,
    force: bool = False,
) -> None:
    """The part of staging that happens inside a transaction."""
    ids = [record.id for record, _ in seen]
    marks = scope.ledger.link_marks(db, side, ids)
    prints = scope.ledger.staged_prints(db, side, ids)
    rows: list[Staged] = []
    keys: dict[str, Sequence[str | tuple[str, ...]]] = {}
    gone: list[tuple[int, str]] = []
    for record, projection in seen:
        mark, staged_print = marks.get(record.id), prints.get(record.id)
        if staged_print == projection.print and not force:
            continue
        if staged_print is None and mark is not None and mark[1] == projection.print and not force:
            scope.totals.unchanged += 1
            continue
        if mark is None and record.state is State.DELETED:
            if staged_print is not None:
                gone.append((side, record.id))
                keys[record.id] = ()
            continue
        rows.append(_row(side, record, projection, read_at, twin_of(scope, side, record, projection, mark)))
        known = record.state in _THERE
        keys[record.id] = [*projection.keys, *projection.blocks] if known else ()
    scope.ledger.save_staged(db, rows)
    scope.ledger.unstage(db, gone)
    scope.ledger.withdraw(
        db, [(kind, f"{s}:{record}") for s, record in gone for kind in ("ambiguous", "taken")]
    )
    scope.ledger.save_keys(db, side, keys, [i for i in keys if i in marks or i in prints])


def lock_json(record: Record) -> dict[str, Any] | None:
    """A record's lock as it is remembered."""
    if record.lock is None:
        return None
    return {"reason": record.lock.reason, "editable": sorted(record.lock.editable)}


def twin_of(
    scope: Scope, side: Side, record: Record, projection: Projection, mark: object | None
) -> bytes | None:
    """A digest that is the same for two records of the two ends that agree in every map; None for a record
    that has a link (``mark``), or must be looked at map by map."""
    look = scope.look
    if not look.possible or mark is not None or record.state is not State.LIVE or projection.recheck:
        return None
    if side in look.needs:
        scope.maps.render(side, projection)
    seen = look.look(side, projection)
    if seen is None:
        return None
    return projection.digest if seen is projection.own else digest(exactjson.encode_sorted(seen))


def _row(side: Side, record: Record, projection: Projection, read_at: datetime, twin: bytes | None) -> Staged:
    return Staged(
        side=side,
        record=record.id,
        version=record.version,
        state=str(record.state),
        in_scope=projection.in_scope,
        ref_key=record.key,
        modified=record.modified,
        read_at=read_at,
        print=projection.print,
        own=projection.own,
        text=projection.text,
        twin=twin,
        faults=projection.faults,
        recheck=projection.recheck,
        lock=lock_json(record),
        merged_into=record.merged_into,
    )


def _last_of_each(records: Sequence[Record]) -> list[Record]:
    """A page may name a record twice; the later word counts."""
    return list({record.id: record for record in records}.values())
