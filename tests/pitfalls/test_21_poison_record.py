"""Pitfall 21, a poison record: one that is refused for ever stops nobody, and is not asked for for ever."""

from __future__ import annotations

from datetime import timedelta

from tests.support.stage import Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Fault, FaultKind

RECORDS, POISON = 1000, 7
#: What the books refuse, in the words of each.
BAD = {"Billing_Country": "Area 5{}", "Account_Name": "<{}>"}


def test_seven_of_a_thousand_are_refused(stage: Stage, tally: Tally) -> None:
    tally("poison records", POISON)
    poison: list[str] = []
    for number in range(RECORDS):
        values = {"Account_Name": f"Company {number}"}
        if number % 140 == 3 and len(poison) < POISON:
            field = list(BAD)[len(poison) % len(BAD)]
            values[field] = BAD[field].format(number)
        made = stage.crm.act("create", "Accounts", None, values)
        if len(values) > 1 or "<" in values["Account_Name"]:
            poison.append(made["id"])
    assert len(poison) == POISON

    first = stage.sync(code=1)
    assert len(stage.books.records("Contacts")) == RECORDS - POISON
    assert first["modules"]["accounts"]["failed"] == POISON
    told = stage.run("status", "--list", "failed", "--json").json
    listed = [row["records"]["crm"]["id"] for row in told["records"]]
    assert sorted(listed) == sorted(poison), "each is listed once"
    assert all(row["reason"] for row in told["records"])

    # Nobody asks for them before their time.
    stage.assert_idle(passes=2)

    # They are tried seven more times, ever more rarely, and then no more.
    for minutes in (6, 31, 121, 481, 1441, 1441, 1441):
        stage.later(timedelta(minutes=minutes))
        stage.forget_requests()
        stage.sync(code=1)
        assert stage.writes() > 0
    for days in (2, 30):
        stage.later(timedelta(days=days))
        stage.assert_idle()
    assert len(stage.books.records("Contacts")) == RECORDS - POISON

    mended = poison[0]
    stage.crm.act("update", "Accounts", mended, {"Billing_Country": "Norway"})
    after = stage.sync(code=1)
    assert after["modules"]["accounts"]["failed"] == POISON - 1
    assert len(stage.books.records("Contacts")) == RECORDS - POISON + 1
    stage.assert_idle()


def test_one_record_breaks_the_remote(stage: Stage, tally: Tally) -> None:
    """The remote fails on the call as a whole, and says of no record what became of it."""
    tally("poison records", 1)
    for number in range(60):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Company {number:02}"})
    poison = stage.crm.records("Accounts")[30]
    broken = Fault(
        kind=FaultKind.STATUS, method="PUT", path="/api.xro/2.0/Contacts", times=10_000, holding="Company 30"
    )
    stage.books.sandbox.faults.arm(broken)

    first = stage.sync()
    assert any("without an answer" in warning for warning in first["warnings"])
    for _ in range(2):  # each time with fewer others
        stage.later(timedelta(minutes=3))
        stage.sync(code=None)
    assert len(stage.books.records("Contacts")) == 59
    stage.later(timedelta(minutes=3))
    stage.sync(code=1)
    told = stage.run("status", "--list", "failed", "--json").json
    assert [row["records"]["crm"]["id"] for row in told["records"]] == [poison["id"]]
    assert "500" in told["records"][0]["reason"]
    stage.assert_idle(passes=2)

    # It is tried again ever more rarely, alone, and in the end no more.
    for minutes in (6, 31, 121, 481, 1441, 1441, 1441):
        stage.later(timedelta(minutes=minutes))
        stage.forget_requests()
        stage.sync(code=None)
        assert stage.writes() == 1
        stage.later(timedelta(minutes=3))
        stage.sync(code=1)
    for days in (2, 30):
        stage.later(timedelta(days=days))
        stage.assert_idle()

    stage.books.sandbox.faults.clear()
    assert stage.run("push", "accounts", poison["id"]).code == 0
    names = [row["Name"] for row in stage.books.records("Contacts")]
    assert len(names) == len(set(names)) == 60
    stage.assert_idle()


def test_a_remote_that_is_down_is_not_taken_for_poison(stage: Stage) -> None:
    """Nobody is put aside for an hour in which nothing was answered, and few calls are spent on it."""
    for number in range(220):
        stage.crm.act("create", "Accounts", None, {"Account_Name": f"Company {number:03}"})
    down = Fault(kind=FaultKind.STATUS, method="PUT", path="/api.xro/2.0/Contacts", times=10_000)
    stage.books.sandbox.faults.arm(down)
    for _ in range(6):
        stage.forget_requests()
        told = stage.sync(code=1)
        assert "answered to none" in told["problems"]["accounts"]
        assert stage.writes() <= 11
        stage.later(timedelta(minutes=10))
    stage.books.sandbox.faults.clear()
    for _ in range(3):
        stage.sync(code=None)
        stage.later(timedelta(days=1))
    names = [row["Name"] for row in stage.books.records("Contacts")]
    assert len(names) == len(set(names)) == 220
    stage.assert_idle()
