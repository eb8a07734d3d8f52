"""What people decided, what a full read has seen, and what a reset forgets: on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.world import Pair

from syncline.store import tables as t
from syncline.store.database import Database
from syncline.store.decisions import (
    Decision,
    change_detail,
    decisions,
    decisions_on,
    forget_decisions,
    save_decision,
)
from syncline.store.forgetting import forget_links, forget_reading, unsettled
from syncline.store.history import losses
from syncline.store.merged import newly_gone
from syncline.store.sweep import forget_seen, note_seen, unseen

AT = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    """Five people in step."""
    made = Pair(tmp_path, database)
    for number in range(5):
        made.a.person("people", name=f"P{number}", phone=str(number))
    made.run()
    return made


def the_scope(pair: Pair) -> int:
    with pair.database.read() as db:
        return int(db.scalar(sa.select(t.scope.c.id)) or 0)


def decision(number: int, link: int | None, subject: str, kind: str = "field") -> Decision:
    return Decision(
        id=number, kind=kind, subject=subject, link=link, who="ann", made_at=AT, detail={"side": 0}
    )


def test_a_decision_is_kept_by_what_it_is_about_until_it_is_forgotten(pair: Pair) -> None:
    scope = the_scope(pair)
    with pair.database.write() as db:
        save_decision(db, scope, decision(1, 7, "7:phone"))
        save_decision(db, scope, decision(2, 7, "7:phone"))  # the later word counts
        save_decision(db, scope, decision(3, 8, "8", "fate"))
        save_decision(db, scope, decision(4, None, "0:x", "match"))
        change_detail(db, 2, {"side": 1})
    with pair.database.write() as db:
        assert [(one.id, one.detail) for one in decisions(db, scope, "field")] == [(2, {"side": 1})]
        assert {link: [one.id for one in many] for link, many in decisions_on(db, [7, 8, 9]).items()} == {
            7: [2],
            8: [3],
        }
        assert decisions(db, scope, "match")[0].made_at == AT
        forget_decisions(db, [2, 3, 4])
        assert decisions(db, scope, "field", "fate", "match") == []


def test_what_was_not_seen_comes_page_by_page(pair: Pair) -> None:
    scope = the_scope(pair)
    records = sorted(pair.a.rows["people"])
    with pair.database.write() as db:
        note_seen(db, scope, 0, [records[1], records[1]])
        note_seen(db, scope, 0, [records[1], records[3]])
        found: list[str] = []
        while page := unseen(db, scope, 0, found[-1] if found else "", 2):
            found += page
        assert sorted(found) == [records[0], records[2], records[4]]
        assert len(unseen(db, scope, 1, "", 100)) == 5
        forget_seen(db, scope)
        assert len(unseen(db, scope, 0, "", 100)) == 5


def test_a_reset_forgets_the_reading_of_one_end_and_keeps_the_links(pair: Pair) -> None:
    scope = the_scope(pair)
    with pair.database.write() as db:
        forget_reading(db, scope, [1])
        assert [row.side for row in db.execute(sa.select(t.cursor.c.side))] == [0]
        assert db.scalar(sa.select(sa.func.count()).select_from(t.link)) == 5
    pair.a.calls.clear()
    pair.b.calls.clear()
    pair.run()
    assert [call for call in pair.a.calls + pair.b.calls if call[0] != "read"] == []
    with pair.database.write() as db:
        assert unsettled(db, scope) == 0
        assert forget_links(db, scope) == 5
    pair.run()
    assert len(pair.b.rows["people"]) == 5


def test_losses_are_found_in_the_audit_log(pair: Pair) -> None:
    scope = the_scope(pair)
    (left,) = [i for i, row in pair.a.rows["people"].items() if row["name"] == "P1"]
    (right,) = [i for i, row in pair.b.rows["people"].items() if row["name"] == "P1"]
    pair.a.person("people", left, phone="22")
    pair.b.person("people", right, phone="33")
    pair.run()
    with pair.database.read() as db:
        (lost,) = losses(db, [scope], 10)
        assert lost.detail["fields"]["phone"]["lost"] == "33"
        assert newly_gone(db, scope, 0, 10) == []
