"""Pitfall 8, the lost update: both ends were edited, and the later write erases the other's fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.effort import cases
from tests.support.ledgers import ledgers_of
from tests.support.questions import asked, decide, live, lost, named, phone, phones, with_more
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act, find

from syncline.connect.sandbox import Reply, Request

ASK = with_more("modules:\n  accounts:\n    fields:\n      phone: {conflicts: {prefer: ask}}\n")


def met(stage: Stage) -> tuple[str, str]:
    """One customer, in step at both ends."""
    values = {"Account_Name": "Harbour Bakery", "Phone": "111", "Email": "a@x.example"}
    account = stage.crm.act("create", "Accounts", None, values)
    stage.sync()
    return account["id"], named(stage, "books", "Contacts", "Harbour Bakery")["ContactID"]


def both(stage: Stage) -> list[tuple[str | None, str | None]]:
    """Phone and email of the customer, at each end."""
    account = named(stage, "crm", "Accounts", "Harbour Bakery")
    contact = named(stage, "books", "Contacts", "Harbour Bakery")
    return [
        (account["Phone"], account["Email"]),
        (phone(contact), contact.get("EmailAddress") or None),
    ]


def test_edits_of_different_fields_both_survive(stage: Stage) -> None:
    account, contact = met(stage)
    stage.crm.act("update", "Accounts", account, {"Phone": "222"})
    stage.books.act("update", "Contacts", contact, {"EmailAddress": "b@x.example"})
    stage.sync()
    assert both(stage) == [("222", "b@x.example")] * 2
    stage.assert_idle()


def test_the_rule_decides_a_field_and_what_lost_comes_back_with_one_command(stage: Stage) -> None:
    account, contact = met(stage)
    stage.crm.act("update", "Accounts", account, {"Phone": "222"})
    stage.books.act("update", "Contacts", contact, {"Phones": phones("333")})
    stage.sync()
    assert both(stage) == [("222", "a@x.example")] * 2

    (loss,) = [one for one in lost(stage) if one["field"] == "phone"]
    assert loss["lost"] == {"system": "books", "value": "333"}
    assert "prefer: crm" in loss["why"]
    assert "xero-zoho-crm.yaml" in str(loss["rule"])
    event = next(e for e in log(stage) if e["fields"].get("phone", {}).get("lost") == "333")
    assert event["pass"]["verb"] == "sync"
    assert event["system"] == "books"

    told = decide(stage, loss["id"], "--take", "books")
    assert told["carried_out"]
    assert both(stage) == [("333", "a@x.example")] * 2
    stage.assert_idle(passes=2)
    decided = next(e for e in log(stage) if e["event"] == "decided")
    assert decided["pass"]["who"]
    assert decided["message"] == "phone: '333', put into books"
    assert {e["fields"]["phone"]["lost"] for e in log(stage) if "lost" in e["fields"].get("phone", {})} == {
        "333",
        "222",
    }


def log(stage: Stage) -> list[dict[str, Any]]:

    done = stage.run("log", "--json", "--limit", "500")
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(
    ("words", "winner", "later"),
    cases(
        [
            pytest.param(("--take", "crm"), "222", False, id="take-the-left"),
            pytest.param(("--value", "444"), "444", True, id="another-value-later"),
        ],
        [
            pytest.param(("--take", "books"), "333", True, id="take-the-right-later"),
            pytest.param(
                ("--take", "books", "--value", "555"), "555", False, id="another-value-at-the-right"
            ),
        ],
    ),
)
def test_an_open_conflict_holds_its_field_alone_until_a_person_decides(
    stages: Callable[..., Stage], words: tuple[str, ...], winner: str, *, later: bool
) -> None:
    stage = stages(spec=ASK)
    account, contact = met(stage)
    stage.crm.act("update", "Accounts", account, {"Phone": "222", "Email": "c@x.example"})
    stage.books.act("update", "Contacts", contact, {"Phones": phones("333")})
    stage.sync(code=4)
    assert both(stage) == [("222", "c@x.example"), ("333", "c@x.example")]
    (question,) = asked(stage)
    stage.sync(code=4)
    assert asked(stage)[0]["id"] == question["id"], "a question that stands keeps its id"
    assert question["kind"] == "conflict"
    assert question["field"] == "phone"
    assert question["values"] == {"crm": "222", "books": "333"}
    assert "acme.yaml" in question["rule"]

    told = decide(stage, question["id"], *words, *(["--later"] if later else []))
    if later:
        assert not told["carried_out"]
        assert asked(stage)[0]["decided"]["who"]
        assert both(stage) == [("222", "c@x.example"), ("333", "c@x.example")]
        stage.sync()
    assert both(stage) == [(winner, "c@x.example")] * 2
    assert asked(stage) == []
    stage.assert_idle(passes=2)


def test_a_decision_about_what_has_changed_since_is_asked_again(stages: Callable[..., Stage]) -> None:
    stage = stages(spec=ASK)
    account, contact = met(stage)
    stage.crm.act("update", "Accounts", account, {"Phone": "222"})
    stage.books.act("update", "Contacts", contact, {"Phones": phones("333")})
    stage.sync(code=4)
    (question,) = asked(stage)
    decide(stage, question["id"], "--take", "crm", "--later")
    stage.books.act("update", "Contacts", contact, {"Phones": phones("999")})
    stage.sync(code=4)
    assert both(stage) == [("222", "a@x.example"), ("999", "a@x.example")]
    (again,) = asked(stage)
    assert again["values"] == {"crm": "222", "books": "999"}
    assert again["decided"] is None
    assert any(e["event"] == "overtaken" for e in log(stage))
    decide(stage, again["id"], "--take", "books")
    assert both(stage) == [("999", "a@x.example")] * 2


def test_a_decision_survives_a_remote_that_is_down(stages: Callable[..., Stage]) -> None:
    from syncline.connect.sandbox import Fault, FaultKind

    stage = stages(spec=ASK)
    account, contact = met(stage)
    stage.crm.act("update", "Accounts", account, {"Phone": "222"})
    stage.books.act("update", "Contacts", contact, {"Phones": phones("333")})
    stage.sync(code=4)
    (question,) = asked(stage)
    stage.books.sandbox.faults.arm(
        Fault(kind=FaultKind.STATUS, method="POST", path="/api.xro", status=400, times=50)
    )
    told = decide(stage, question["id"], "--value", "444", code=1)
    assert told["problem"]
    stage.books.sandbox.faults.clear()
    stage.later(timedelta(minutes=6))
    stage.sync()
    assert both(stage) == [("444", "a@x.example")] * 2
    stage.assert_idle()


@pytest.mark.parametrize("target", ["crm", "books"])
def test_an_edit_between_our_read_and_our_write_is_seen(stage: Stage, target: str, tally: Tally) -> None:
    account, contact = met(stage)
    # The CRM stamps whole seconds: what is edited twice within one of them cannot be guarded by a stamp.
    stage.later(timedelta(seconds=5))
    read = {"crm": "/crm/v8/coql", "books": "/api.xro/2.0/Contacts"}[target]
    edited = []

    def meddle(template: str, request: Request, reply: Reply) -> None:
        if template == read and (target == "crm" or request.method == "GET") and not edited:
            edited.append(template)
            if target == "crm":
                stage.crm.act("update", "Accounts", account, {"Email": "now@x.example"})
            else:
                stage.books.act("update", "Contacts", contact, {"EmailAddress": "now@x.example"})

    if target == "crm":
        stage.books.act(
            "update", "Contacts", contact, {"Phones": phones("222"), "EmailAddress": "b@x.example"}
        )
    else:
        stage.crm.act("update", "Accounts", account, {"Phone": "222", "Email": "b@x.example"})
    stage.systems[target].server.listeners.append(meddle)
    stage.sync(code=None)
    stage.sync()
    assert edited
    tally("edits between read and write")
    expected = "now@x.example" if target == "crm" else "b@x.example"  # the rule: prefer crm
    assert both(stage) == [("222", expected)] * 2
    gone = "b@x.example" if target == "crm" else "now@x.example"
    assert gone in {one["lost"]["value"] for one in lost(stage)}
    assert len(live(stage, "books", "Contacts")) == 1
    stage.assert_idle()


FOLLOW = with_more(
    "modules:\n  accounts:\n    deletes: {crm: delete, books: archive}\n    limits: {deletes: 1}\n"
)


@pytest.mark.parametrize(
    ("gone", "stands"),
    cases(
        [("crm", "the-edit"), ("books", "the-deletion")],
        [("books", "the-edit"), ("crm", "the-deletion")],
    ),
)
def test_a_record_deleted_here_and_edited_there_waits_for_one_command(
    stages: Callable[..., Stage], gone: str, stands: str
) -> None:
    """An edit at the one end is not lost in a deletion at the other, nor the deletion in the edit."""
    stage = stages(spec=FOLLOW)
    account, contact = met(stage)
    if gone == "crm":
        stage.crm.act("delete", "Accounts", account)
        stage.books.act("update", "Contacts", contact, {"Phones": phones("333")})
    else:
        stage.books.act("archive", "Contacts", contact)
        stage.crm.act("update", "Accounts", account, {"Phone": "333"})
    stage.sync(code=4)
    (question,) = asked(stage)
    assert question["kind"] == "deleted-and-edited"
    assert question["system"] == gone
    for _ in range(2):
        stage.forget_requests()
        stage.sync(code=4)
        assert stage.writes() == 0
    assert [one["id"] for one in asked(stage)] == [question["id"]]

    other = {"crm": "books", "books": "crm"}[gone]
    told = decide(stage, question["id"], "--take", gone if stands == "the-deletion" else other)
    assert told["carried_out"]
    assert asked(stage) == []
    if stands == "the-deletion":
        assert live(stage, "crm", "Accounts") == live(stage, "books", "Contacts") == []
    else:
        # Brought back where a remote can bring back; else made anew.
        stage.sync(code=None)
        assert both(stage) == [("333", "a@x.example")] * 2
        assert len(live(stage, "crm", "Accounts")) == len(live(stage, "books", "Contacts")) == 1
    stage.assert_idle(passes=2)


@pytest.mark.parametrize("same", cases([True], [False]))
def test_an_edit_that_a_second_ledger_would_not_defend_is_seen(
    stages: Callable[..., Stage], same: bool
) -> None:
    """Zoho Books refuses no write over a newer edit: the record is looked at again before it is written."""
    stage = stages(**ledgers_of("companies"))
    contact = act(stage, "ledger", "create", "Contacts", Name="Harbour Bakery", TaxNumber="1")["ContactID"]
    stage.sync()
    stage.later(timedelta(minutes=3))
    row = find(stage, "billing", "contacts", contact_name="Harbour Bakery")
    act(stage, "ledger", "update", "Contacts", contact, TaxNumber="2")
    typed = []

    def meanwhile(template: str, request: Request, reply: Reply) -> None:
        if not typed and (request.method, template) == ("GET", "/books/v3/contacts"):
            typed.append(row)
            stage.later(timedelta(seconds=3))
            values = {"mobile": "555", **({"tax_reg_no": "3"} if same else {})}
            act(stage, "billing", "update", "contacts", row["contact_id"], **values)

    stage.systems["billing"].server.listeners.append(meanwhile)
    stage.sync(code=None)
    stage.later(timedelta(minutes=3))
    stage.sync()
    assert typed
    here = find(stage, "billing", "contacts", contact_name="Harbour Bakery")
    there = find(stage, "ledger", "Contacts", Name="Harbour Bakery")
    assert (here["tax_reg_no"], here["mobile"]) == ("2", "555")
    mobile = {each["PhoneType"]: each["PhoneNumber"] for each in there["Phones"]}["MOBILE"]
    assert (there["TaxNumber"], mobile) == ("2", "555")
    assert [one["lost"] for one in lost(stage)] == ([{"system": "billing", "value": "3"}] if same else [])
    stage.assert_idle(passes=2)
