"""Pitfall 16, a spec edited between runs: nothing looks deleted, and nothing is rewritten unseen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.effort import cases
from tests.support.stage import Stage, extending

HEAD = extending("xero-zoho-crm")
#: Ours: deletes are carried over without a limit, so that a false one would show.
RULES = "deletes: {crm: delete, books: archive}, limits: {deletes: none}"
COMPANIES = 8


def accounts(extra: str = "", fields: str = "fax: null") -> str:
    return HEAD + f"modules:\n  accounts: {{{RULES}{extra}, fields: {{{fields}}}}}\n"


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """Some companies in step, whose fax numbers no map knows yet."""
    stage = stages(spec=accounts())
    for number in range(COMPANIES):
        values = {"Account_Name": f"Company {number}", "Phone": f"{number}", "Fax": f"99{number}"}
        stage.crm.act("create", "Accounts", None, values)
    stage.sync()
    return stage


def faxes(stage: Stage) -> int:
    """How many contacts of the books have a fax number."""
    return sum(
        bool(phone["PhoneNumber"])
        for row in stage.books.records("Contacts")
        for phone in row["Phones"]
        if phone["PhoneType"] == "FAX"
    )


def test_a_narrower_filter_deletes_nothing(stage: Stage) -> None:
    stage.spec.write_text(accounts(""", where: {crm: "{{ record.Phone == '1' }}"}"""))
    stage.forget_requests()
    told = stage.sync()
    assert stage.writes() == 0
    assert told["status"] == "done"
    stage.assert_idle()
    assert all(row["$state"] == "live" for row in stage.crm.records("Accounts"))
    assert all(row["ContactStatus"] == "ACTIVE" for row in stage.books.records("Contacts"))
    # An edit outside the filter waits for the day when the record is back in it.
    (one,) = [row for row in stage.crm.records("Accounts") if row["Phone"] == "7"]
    stage.crm.act("update", "Accounts", one["id"], {"Billing_City": "Bergen"})
    stage.assert_idle()
    stage.spec.write_text(accounts())
    stage.sync()
    (there,) = [row for row in stage.books.records("Contacts") if row["Name"] == one["Account_Name"]]
    assert "Bergen" in str(there["Addresses"])
    assert len(stage.crm.records("Accounts")) == len(stage.books.records("Contacts")) == COMPANIES
    stage.assert_idle()


@pytest.mark.parametrize("how", cases(["plan and apply"], ["--accept-changes"]))
def test_a_new_map_rewrites_nothing_without_approval(stage: Stage, how: str) -> None:
    stage.spec.write_text(HEAD + f"modules:\n  accounts: {{{RULES}}}\n")  # the base's map of fax numbers
    edited = stage.crm.records("Accounts")[0]
    stage.crm.act("update", "Accounts", edited["id"], {"Billing_City": "Oslo"})
    stage.forget_requests()
    for _ in range(2):
        told = stage.sync(code=5)
        assert told["status"] == "stopped"
        why = told["problems"]["accounts"]
        assert f"{COMPANIES} linked pairs would change by maps that are new or were changed (fax)" in why
        assert "syncline plan SPEC" in why
    assert (stage.writes(), faxes(stage)) == (0, 0)

    plan = stage.folder / "acme.plan"
    planned = stage.run("plan", "--json", "--out", str(plan))
    assert planned.code == 0
    assert f"{COMPANIES} linked pairs" in planned.json["approves"]["accounts"]
    assert len(planned.json["modules"]["accounts"]["operations"]) == COMPANIES
    assert f"{COMPANIES} linked pairs would change" in stage.run("plan").out + stage.run("plan").err
    assert (stage.writes(), faxes(stage)) == (0, 0)

    if how == "--accept-changes":
        stage.sync("--accept-changes")
    else:
        done = stage.run("apply", str(plan), spec=False)
        assert done.code == 0, done.err
    assert faxes(stage) == COMPANIES
    stage.assert_idle()
    # Approved once and for all: a scheduled pass carries on without asking.
    stage.crm.act("update", "Accounts", edited["id"], {"Fax": "1000"})
    stage.sync()
    assert "1000" in str(stage.books.records("Contacts"))


def test_a_changed_map_rewrites_nothing_without_approval(stage: Stage) -> None:
    mobile = "phone: {books: 'Phones[PhoneType=MOBILE].PhoneNumber'}"
    stage.spec.write_text(accounts(fields=f"fax: null, {mobile}"))
    stage.forget_requests()
    told = stage.sync(code=5)
    assert "would change by maps that are new or were changed (phone)" in str(told["problems"])
    assert stage.writes() == 0
    # Taken back: nothing is left to approve, and nothing was changed.
    stage.spec.write_text(accounts())
    stage.assert_idle()
    assert stage.sync()["status"] == "done"


def test_a_map_without_effect_needs_nobody(stage: Stage) -> None:
    """No record has a region, so nothing can change by its map."""
    region = "region: {crm: Shipping_State, books: 'Addresses[AddressType=STREET].Region'}"
    stage.spec.write_text(accounts(fields=f"fax: null, street_{region}"))
    stage.forget_requests()
    stage.sync()
    assert stage.writes() == 0
    # It was approved by having had nothing to do: the first edit goes through.
    one = stage.crm.records("Accounts")[0]
    stage.crm.act("update", "Accounts", one["id"], {"Shipping_State": "5003"})
    stage.sync()
    assert "5003" in str(stage.books.records("Contacts"))


def test_one_record_pushed_approves_of_nothing(stage: Stage) -> None:
    stage.spec.write_text(HEAD + f"modules:\n  accounts: {{{RULES}}}\n")
    one = stage.crm.records("Accounts")[0]
    pushed = stage.run("push", "accounts", one["id"], "--json")
    assert pushed.code == 5
    assert faxes(stage) == 0
    stage.sync(code=5)
