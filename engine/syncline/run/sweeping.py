"""Sweep: after a full read, what was not seen is looked up by its id; one list alone proves no delete."""

from __future__ import annotations

from syncline.connect.contract import Record, State
from syncline.mapping.module import Side
from syncline.run.reading import read_records, stage
from syncline.run.scope import Scope
from syncline.store.sweep import forget_seen, unseen

BATCH = 500


def begin_sweep(scope: Scope) -> None:
    """Forget what an earlier full read, which did not end, has seen."""
    with scope.database.write() as db:
        scope.fence(db)
        forget_seen(db, scope.ledger.scope)


def sweep(scope: Scope) -> None:
    """Look up the known records that a full read of both ends did not show. Those that are gone are staged
    as deleted, and follow the module's rule for deletes, within its limits. Only then do the cursors move:
    a full read that is cut off has missed nothing."""
    ledger = scope.ledger
    for side in Side:
        after = ""
        while True:
            with scope.database.read() as db:
                ids = unseen(db, ledger.scope, side, after, BATCH)
            if not ids:
                break
            after = ids[-1]
            gone = sorted(read_records(scope, side, ids))
            read_at = scope.now() + scope.ends[side].skew
            missing = [Record(id=record, version="", values={}, state=State.DELETED) for record in gone]
            stage(scope, side, missing, read_at, cursor=None)
    with scope.database.write() as db:
        scope.fence(db)
        for side in Side:
            if (cursor := scope.ends[side].reached) is not None:
                ledger.save_cursor(db, side, cursor, scope.now())
        forget_seen(db, ledger.scope)
