"""Reconcile: staged rows, links and bases become operations in the journal, links, questions or nothing.

The decisions themselves are the pure functions of :mod:`syncline.reconcile`. Records that meet for the first
time are brought to them by :mod:`syncline.run.matching`, all pending rows then by :mod:`syncline.run.batch`;
what they say is written down before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from sqlalchemy.engine import Connection

from syncline.mapping.module import Side
from syncline.run.batch import BATCH, Batch
from syncline.run.deciding import apply_kept, apply_matches
from syncline.run.matching import link_twins, match_likely, match_rule
from syncline.run.merging import follow_merges
from syncline.run.scope import Scope

Transaction = Callable[[], AbstractContextManager[Connection]]


def reconcile(scope: Scope, transaction: Transaction) -> set[tuple[Side, str]]:
    """Decide everything that is pending. Returns the records (side, id) whose other end must be read again
    before they can be decided."""
    again: set[tuple[Side, str]] = set()
    with transaction() as db:
        scope.fence(db)
        apply_kept(scope, db)
        apply_matches(scope, db)
        if not scope.ledger.has_pending(db):
            return again
    again |= follow_merges(scope, transaction)

    def go_through(step: Callable[[Connection, int], int | None]) -> None:
        after: int | None = 0
        while after is not None:
            with transaction() as db:
                scope.fence(db)
                after = step(db, after)

    for rule in range(len(scope.module.match)):
        go_through(partial(link_twins, scope, rule=rule))
        go_through(partial(match_rule, scope, rule=rule, again=again))
    if scope.module.likely is not None:
        go_through(partial(match_likely, scope, again=again))
    while True:
        with transaction() as db:
            scope.fence(db)
            rows = scope.ledger.pending(db, BATCH)
            if not rows:
                return again
            batch = Batch(scope, db)
            batch.decide(*batch.pairs_of(rows))
            batch.save()
            again |= batch.again
