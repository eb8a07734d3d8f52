"""Log: each audit row told so that people can read it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.world import Pair

from syncline.cli.log import event_line
from syncline.errors import SynclineError
from syncline.run.log import Wanted, read_instant, read_log
from syncline.store.database import Database
from syncline.store.ledger import Audit
from syncline.store.scopes import begin_pass

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def pair(tmp_path: Path, database: Database) -> Pair:
    made = Pair(tmp_path, database)
    made.b._ids = itertools.count(100)
    return made


def log(pair: Pair, **wanted: Any) -> list[dict[str, Any]]:
    return list(read_log(pair.database, pair.spec, Wanted(**wanted)))


def edited(pair: Pair) -> tuple[str, str]:
    """A linked person, whose phone was then changed at both ends: the left one wins."""
    left = pair.a.person("people", name="Acme", phone="1")
    pair.run()
    (right,) = pair.b.rows["people"]
    pair.a.person("people", left, phone="2")
    pair.b.person("people", right, phone="3")
    pair.now += timedelta(hours=1)
    pair.run()
    return left, right


def test_who_won_by_which_rule_and_what_was_lost(pair: Pair) -> None:
    left, right = edited(pair)
    update, create = log(pair)
    assert (create["event"], create["system"], create["by"]) == ("created", "b", "engine")
    assert update["records"] == {"a": left, "b": right}
    assert update["name"] == "Acme"
    phone = update["fields"]["phone"]
    assert (phone["before"], phone["after"], phone["lost"]) == ("3", "2", "3")
    assert phone["rule"].endswith("spec.yaml:7:21")
    line = event_line(update)
    assert line.startswith("2026-02-01 01:00:00Z people updated in b:")
    assert '"3" -> "2" (both ends changed; the rule is prefer: a;' in line
    assert 'lost "3"' in line
    assert "\n" not in line


def test_narrowed_by_record_event_pass_instant_and_number(pair: Pair) -> None:
    left, right = edited(pair)
    other = pair.a.person("people", name="Beta")
    pair.run()
    newest, update, create = log(pair)
    assert newest["records"]["a"] == other
    assert log(pair, record=left) == log(pair, record=right) == [update, create]
    assert log(pair, kinds=("updated",)) == [update]
    assert log(pair, pass_id=update["pass"]["id"]) == [update]
    assert log(pair, since=pair.now) == [newest, update]
    assert log(pair, limit=1) == [newest]
    assert log(pair, record="nobody") == []
    assert log(pair, module="people") == [newest, update, create]
    with pytest.raises(SynclineError, match="no module 'bills'"):
        log(pair, module="bills")


def test_more_events_than_fit_a_page(pair: Pair) -> None:
    with pair.scopes() as scopes, pair.database.write() as db:
        rows = [Audit(event="gone", side=0, record=f"p{number}") for number in range(1300)]
        scopes[0].ledger.write_audit(db, 1, pair.now, rows)
    told = [event["records"]["a"] for event in log(pair, limit=1200)]
    assert told == [f"p{number}" for number in range(1299, 99, -1)]


def test_a_refusal_names_the_end_that_refused_in_its_own_words(pair: Pair) -> None:
    pair.b.refuse = lambda write: "this contact is archived"
    left = pair.a.person("people", name="Acme")
    pair.run()
    (event,) = log(pair)
    assert (event["event"], event["system"], event["kind"]) == ("refused", "b", "create")
    assert (event["records"], event["name"]) == ({"a": left}, "Acme")
    line = event_line(event)
    assert line.startswith(f'2026-02-01 00:00:00Z people create refused by b: "Acme" [a {left}] pass ')
    assert line.endswith(": this contact is archived")


def test_a_first_meeting_names_both_records_the_key_and_the_rule(pair: Pair) -> None:
    left, right = pair.a.person("people", name="Acme"), pair.b.person("people", name="ACME")
    pair.run()
    linked = log(pair, kinds=("linked",))[0]
    assert linked["records"] == {"a": left, "b": right}
    assert (linked["key"], linked["rule"].rpartition("/")[2]) == ("acme", "spec.yaml:12:9")
    assert 'same key "acme"' in event_line(linked)


def test_who_ran_the_pass_is_told_when_it_is_known(pair: Pair) -> None:
    pair.a.person("people", name="Acme")
    pair.run()
    with pair.scopes() as scopes, pair.database.write() as db:
        number = begin_pass(db, "test", "sync", "kim", pair.now)
        scopes[0].ledger.write_audit(db, number, pair.now, [Audit(event="gone", side=0, record="p9")])
    gone, created = log(pair)
    assert gone["pass"] == {"id": number, "verb": "sync", "who": "kim"}
    assert gone["by"] == "remote"
    assert f"pass {number} by kim" in event_line(gone)
    assert created["pass"]["who"] is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("30m", NOW - timedelta(minutes=30), id="minutes-ago"),
        pytest.param("2h", NOW - timedelta(hours=2), id="hours-ago"),
        pytest.param("3 d", NOW - timedelta(days=3), id="days-ago"),
        pytest.param("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC), id="day"),
        pytest.param("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC), id="instant"),
        pytest.param("2026-01-31T09:30+02:00", datetime(2026, 1, 31, 7, 30, tzinfo=UTC), id="zone"),
    ],
)
def test_since_when(text: str, instant: datetime) -> None:
    assert read_instant(text, NOW) == instant


@pytest.mark.parametrize("text", ["yesterday", "", "3 fortnights", "-2h", "2026-13-01"])
def test_since_no_instant(text: str) -> None:
    with pytest.raises(SynclineError, match="is not an instant"):
        read_instant(text, NOW)
