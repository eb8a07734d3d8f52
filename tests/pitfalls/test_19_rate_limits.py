"""Pitfall 19, rate-limit storms: the remote is asked no faster than it allows, and the day is not used up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.ledgers import LEDGERS, billed, ledger_document
from tests.support.stage import Stage
from tests.support.tally import Tally

from syncline.connect.budget import KEPT_SHARE
from syncline.connect.sandbox import Fault, FaultKind, Reply, Request


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call for each record, so that few records meet the limits of many."""
    monkeypatch.setattr("syncline.run.writing.batch_size", lambda scope, side, kind: 1)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Stage], Counter[int]]:
    """Statuses that the books answer with, from when this is called."""

    def watch(stage: Stage) -> Counter[int]:
        found: Counter[int] = Counter()
        finish = stage.books.sandbox.finish

        def finished(request: Request, reply: Reply) -> Reply:
            if "/api.xro/" in request.path:
                found[reply.status] += 1
            return finish(request, reply)

        monkeypatch.setattr(stage.books.sandbox, "finish", finished)
        return found

    return watch


def companies(stage: Stage, count: int) -> list[dict[str, Any]]:
    return [stage.crm.act("create", "Accounts", None, {"Account_Name": f"Company {n}"}) for n in range(count)]


def test_sixty_a_minute_and_five_at_once(
    stages: Callable[..., Stage],
    one_by_one: None,
    answers: Callable[[Stage], Counter[int]],
    tally: Tally,
) -> None:
    """More calls than minutes allow: none refused but a few, no error told, and nobody left out."""
    stage = stages(limits=True, patient=False)
    stage.books.sandbox.switches["day_limit"] = 100_000
    told = answers(stage)
    records = effort(70, 10_000)
    companies(stage, records)
    begun = stage.now()
    outcome = stage.sync()
    tally("calls under limits", sum(told.values()))
    assert outcome["modules"]["accounts"]["created"]["books"] == records
    assert outcome["modules"]["accounts"]["failed"] == 0
    assert outcome["problems"] == {}
    assert len(stage.books.records("Contacts")) == records
    assert told[429] <= sum(told.values()) / 100
    assert stage.now() - begun >= timedelta(minutes=records // 60 - 1)


def test_a_day_used_up_is_gone_on_with_the_next(
    stages: Callable[..., Stage],
    one_by_one: None,
    answers: Callable[[Stage], Counter[int]],
    tally: Tally,
) -> None:
    stage = stages(limits=True)
    kept = int(5000 * KEPT_SHARE)
    stage.books.sandbox.switches["day_limit"] = kept + 40
    told = answers(stage)
    made = companies(stage, 60)
    first = stage.sync(code=1)
    assert "the calls that books allows in a day are used up" in first["problems"]["accounts"]
    done = len(stage.books.records("Contacts"))
    assert 0 < done < len(made)
    assert told[429] == 0
    # Whatever is left is for people: passes ask no more, a push does.
    stage.forget_requests()
    stage.sync(code=None)
    assert len(stage.books.records("Contacts")) == done
    names = {row["Name"] for row in stage.books.records("Contacts")}
    waiting = next(row for row in made if row["Account_Name"] not in names)
    pushed = stage.run("push", "accounts", waiting["id"], "--json")
    assert pushed.code == 0, pushed.out + pushed.err
    assert waiting["Account_Name"] in {row["Name"] for row in stage.books.records("Contacts")}
    # The day after, nothing is missing and nothing is twice.
    stage.later(timedelta(days=1, minutes=5))
    stage.books.sandbox.switches["day_limit"] = 5000
    last = stage.sync()
    tally("calls under limits", sum(told.values()))
    assert last["problems"] == {}
    assert sorted(row["Name"] for row in stage.books.records("Contacts")) == sorted(
        row["Account_Name"] for row in made
    )
    stage.assert_idle()


@pytest.mark.parametrize("kind", ["minute", "concurrency", "day"])
def test_each_limit_of_a_second_ledger_is_met_in_its_own_way(stages: Callable[..., Stage], kind: str) -> None:
    """Zoho Books answers 429 for three reasons: two are waited out, the third is told and ends the pass."""
    stage = stages(**LEDGERS)
    ledger_document(stage, "Invoices", "L-1")
    fault = Fault(
        kind=FaultKind.REMOTE, name=kind, path="/books/v3/contacts$", times=20 if kind == "day" else 1
    )
    stage.systems["billing"].sandbox.faults.arm(fault)
    told = stage.sync(code=None)
    stage.systems["billing"].sandbox.faults.clear()
    if kind == "day":
        assert any("day" in why for why in told["problems"].values()), told["problems"]
        stage.later(timedelta(days=1, minutes=1))
        stage.sync()
    else:
        assert told["problems"] == {}
    assert billed(stage, "L-1")["status"] == "draft"
