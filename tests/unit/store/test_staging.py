"""Rows in staging, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from msgspec.structs import replace

from syncline.store import tables as t
from syncline.store.database import Database
from syncline.store.ledger import Ledger, Staged

AT = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)


PLAIN = Staged(
    side=0,
    record="a",
    version="1",
    state="live",
    in_scope=True,
    ref_key=None,
    modified=None,
    read_at=AT,
    print=b"p",
    own={"name": "Ann"},
    faults={},
    recheck=None,
    lock=None,
    merged_into=None,
    seq=6,
)


def test_a_row_takes_the_whole_place_of_the_one_before(database: Database) -> None:
    full = replace(
        PLAIN,
        version="2",
        in_scope=False,
        ref_key="k",
        modified=AT,
        faults={"tax": "no number"},
        recheck="2026-02-01",
        lock={"reason": "closed", "editable": []},
        merged_into="b",
        status="failed",
        reason="refused",
        attempts=3,
        lost=2,
        seq=5,
    )
    with database.write() as db:
        db.execute(
            sa.insert(t.scope).values(
                id=1, spec="s", module="m", left_org="l", right_org="r", left_module="p", right_module="q"
            )
        )
        ledger = Ledger(1)
        for kept in (full, PLAIN, full):
            ledger.save_staged(db, [kept])
            ledger.rest(db, [(0, "a", kept.status, kept.reason, AT, kept.attempts)])
            ledger.save_staged(db, [kept])
            assert ledger.staged(db, 0, ["a"]) == {"a": kept}
            assert db.scalar(sa.select(t.staged.c.due)) is None
