"""Pitfall 21, a poison record: one that is refused for ever stops nobody, and is not asked for for ever."""

from __future__ import annotations

from datetime import timedelta

from tests.support.stage import Stage
from tests.support.tally import Tally

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
