"""Pitfall 20, partial batch failure: whatever a batch's answer is like, each record is there exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.business import BY_NAME_ALONE, example_with
from tests.support.effort import LONG
from tests.support.ledgers import ledgers_of
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act

from syncline.connect.sandbox import Fault, FaultKind

#: What happens to the answer of a batch: to none, or by a fault; and how the CRM says it.
SHAPES: dict[str, tuple[FaultKind | None, dict[str, Any]]] = {
    "mixed": (None, {}),
    "mixed, said with 200": (None, {"mixed_status": 200}),
    "all failed": (None, {}),
    "all failed, said with 202": (None, {"all_failed_status": 202}),
    "shuffled": (FaultKind.SHUFFLE, {}),
    "fewer answers": (FaultKind.FEWER, {}),
    "cut in the middle": (FaultKind.TRUNCATE, {}),
    "lost": (FaultKind.LOSE, {}),
    "half applied, then lost": (FaultKind.HALF, {}),
    "applied, then 500": (FaultKind.STATUS_AFTER, {}),
    "broken JSON": (FaultKind.MALFORMED, {}),
    "whole call refused with 400": (FaultKind.STATUS, {}),
}
#: The paths that take batches of companies.
PATHS = {"crm": "/crm/v8/Accounts", "books": "/api.xro/2.0/Contacts"}
#: What each end refuses and the other takes.
BAD: dict[str, dict[str, Any]] = {
    "crm": {"EmailAddress": "#nobody@example.com"},
    "books": {"Billing_Country": "Area 51"},
}
NEW, BAD_ONES, EDITED = 5, 2, 3
#: Those of every run; a long one tries all.
SHARE = {
    "crm": ("mixed", "mixed, said with 200", "all failed, said with 202", "half applied, then lost"),
    "books": ("mixed", "shuffled", "cut in the middle", "half applied, then lost"),
}


def create(stage: Stage, target: str, name: str, *, bad: bool) -> None:
    """A person makes a company at the other end."""
    worse = BAD[target] if bad else {}
    if target == "books":
        stage.crm.act("create", "Accounts", None, {"Account_Name": name, **worse})
    else:
        stage.books.act("create", "Contacts", None, {"Name": name, **worse})


def edit(stage: Stage, target: str, name: str, phone: str) -> None:
    if target == "books":
        (row,) = [r for r in stage.crm.records("Accounts") if r["Account_Name"] == name]
        stage.crm.act("update", "Accounts", row["id"], {"Phone": phone})
    else:
        (row,) = [r for r in stage.books.records("Contacts") if r["Name"] == name]
        phones = [{"PhoneType": "DEFAULT", "PhoneNumber": phone}]
        stage.books.act("update", "Contacts", row["ContactID"], {"Phones": phones})


def held(stage: Stage, target: str) -> dict[str, str]:
    """The telephone number of each company at an end, by its name; no name may stand twice."""
    if target == "crm":
        rows = [(r["Account_Name"], r["Phone"] or "") for r in stage.crm.records("Accounts")]
    else:
        rows = [
            (r["Name"], next(p["PhoneNumber"] for p in r["Phones"] if p["PhoneType"] == "DEFAULT"))
            for r in stage.books.records("Contacts")
        ]
    twice = [name for name, n in Counter(name for name, _ in rows).items() if n > 1]
    assert not twice, twice
    return dict(rows)


@pytest.mark.parametrize("target", ["crm", "books"])
def test_each_record_exactly_once(stages: Callable[..., Stage], target: str, tally: Tally) -> None:
    stage = stages(spec=example_with(BY_NAME_ALONE))
    stage.crm.sandbox.switches["search_lag_s"] = 0
    for number in range(EDITED):
        create(stage, target, f"Old {number}", bad=False)
    stage.sync()
    wanted = {f"Old {number}": "" for number in range(EDITED)}
    refused = 0
    sandbox = stage.systems[target].sandbox
    for turn, (shape, (kind, switches)) in enumerate(SHAPES.items()):
        if not LONG and shape not in SHARE[target]:
            continue
        # Zoho's answers to creates hold nothing to tell them by, and are documented to come in order.
        new = 0 if (target, kind) == ("crm", FaultKind.SHUFFLE) else NEW
        good = 0 if shape.startswith("all failed") else new
        tally("shapes of a batch's answer")
        before = dict(sandbox.switches)
        sandbox.switches.update({k: v for k, v in switches.items() if k in before})
        for number in range(good):
            create(stage, target, f"{shape} {number}", bad=False)
            wanted[f"{shape} {number}"] = ""
        for number in range(BAD_ONES if new else 0):
            create(stage, target, f"{shape} bad {number}", bad=True)
            refused += 1
        for number in range(EDITED):
            edit(stage, target, f"Old {number}", f"555 {turn:02}{number}")
            wanted[f"Old {number}"] = f"555 {turn:02}{number}"
        if kind is not None:
            for method in ("POST", "PUT"):
                sandbox.faults.arm(
                    Fault(kind=kind, method=method, path=PATHS[target], status=400 if "400" in shape else 500)
                )
        stage.sync(code=None)
        assert kind is None or len(sandbox.faults.armed()) < 2, "the fault has hit"
        sandbox.faults.clear()
        sandbox.switches.update(before)
        stage.later(timedelta(minutes=6))
        for _ in range(2):
            told = stage.sync(code=1)
        assert held(stage, target) == wanted, shape
        assert told["modules"]["accounts"]["failed"] == refused, shape
    stage.assert_idle()
    other = "crm" if target == "books" else "books"
    assert len(held(stage, other)) == len(wanted) + refused


#: Zoho Books takes one record a call: what can break off is the row of calls, in its middle.
BROKEN_OFF: dict[str, dict[str, Any]] = {
    "lost": {"kind": FaultKind.LOSE},
    "applied, then 500": {"kind": FaultKind.STATUS_AFTER},
    "not applied, 503 page": {"kind": FaultKind.HTML, "status": 503},
    "cut in the middle": {"kind": FaultKind.TRUNCATE},
    "broken JSON": {"kind": FaultKind.MALFORMED},
    "internal error": {"kind": FaultKind.REMOTE, "name": "internal"},
    "minute used up": {"kind": FaultKind.REMOTE, "name": "minute"},
    "day used up": {"kind": FaultKind.REMOTE, "name": "day"},
}


def test_a_row_of_calls_that_breaks_off_leaves_each_record_once(
    stages: Callable[..., Stage], tally: Tally
) -> None:
    """New customers and edited ones, a refused one among them, and a fault at the third call of either."""
    stage = stages(**ledgers_of("companies"))
    ids = {}
    for number in range(EDITED):
        made = act(stage, "ledger", "create", "Contacts", Name=f"Old {number}")
        ids[f"Old {number}"] = made["ContactID"]
    stage.sync()
    wanted = dict.fromkeys(ids, "")
    faults = stage.systems["billing"].sandbox.faults
    refusal = Fault(
        kind=FaultKind.STATUS,
        status=400,
        method="POST",
        path="/books/v3/contacts$",
        body='{"code": 2, "message": "Invalid value passed for contact_name"}',
        holding="Refused",
        times=1000,
    )
    faults.arm(refusal)
    for turn, (shape, fault) in enumerate(BROKEN_OFF.items()):
        if not LONG and turn > 2:
            continue
        tally("shapes of a batch's answer")
        for number in range(NEW):
            act(stage, "ledger", "create", "Contacts", Name=f"{shape} {number}")
            wanted[f"{shape} {number}"] = ""
        if turn == 0:
            act(stage, "ledger", "create", "Contacts", Name="Refused")
        for name in ids:
            wanted[name] = f"55 {turn} {name}"
            act(stage, "ledger", "update", "Contacts", ids[name], TaxNumber=wanted[name])
        for method, path in (("POST", "/books/v3/contacts$"), ("PUT", "/books/v3/contacts/")):
            faults.arm(Fault(method=method, path=path, skip=2, **fault))
        stage.sync(code=None)
        assert len(faults.armed()) < 3, "the fault has hit"
        faults.clear()
        faults.arm(refusal)
        stage.later(timedelta(days=1, minutes=6))
        for _ in range(2):
            told = stage.sync(code=1)
        assert told["modules"]["companies"]["failed"] == 1, shape
        rows = stage.systems["billing"].records("contacts")
        assert Counter(row["contact_name"] for row in rows).most_common(1)[0][1] == 1, shape
        assert {row["contact_name"]: row["tax_reg_no"] for row in rows} == wanted, shape
    stage.assert_idle()
