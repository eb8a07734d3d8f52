"""Pitfall 17, webhooks: missed, repeated, out of order or forged, they only ever make a pass come sooner."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Delivery

KEY, TOKEN = "a-webhook-key-of-the-tests", "a-channel-token-of-the-tests"
SPEC = f"""
spec: 1
name: acme
extends: xero-zoho-crm
systems:
  crm:
    base_url: ${{env:ZOHO_CRM_BASE_URL}}
    client_id: ${{env:ZOHO_CRM_CLIENT_ID}}
    client_secret: ${{env:ZOHO_CRM_CLIENT_SECRET}}
    notification_token: ${{env:NOTIFICATION_TOKEN:-{TOKEN}}}
  books:
    base_url: ${{env:XERO_BASE_URL}}
    client_id: ${{env:XERO_CLIENT_ID}}
    client_secret: ${{env:XERO_CLIENT_SECRET}}
    webhook_key: ${{env:WEBHOOK_KEY:-{KEY}}}
modules:
  accounts: {{deletes: {{books: archive}}, limits: {{deletes: none}}}}
"""
COMPANIES = 8


def settled(stages: Callable[..., Stage]) -> Stage:
    stage = stages(data=COMPANIES, spec=SPEC)
    stage.sync()
    stage.sync()
    stage.books.sandbox.switches["webhook_key"] = KEY
    stage.crm.sandbox.switches["notification_token"] = TOKEN
    return stage


def deliver(stage: Stage, system: str, delivery: Delivery) -> Done:
    headers, body = stage.folder / "delivery.headers", stage.folder / "delivery.body"
    headers.write_text("\n".join(f"{name}: {value}" for name, value in delivery.headers.items()))
    body.write_bytes(delivery.body)
    return stage.run("event", system, "--headers", str(headers), "--body", str(body), "--json")


def edits(stage: Stage, seed: int) -> None:
    """What people do at both ends in a while: the same for the same seed, whoever is watching."""
    chance = random.Random(seed)
    accounts = sorted(stage.crm.records("Accounts"), key=lambda row: str(row["Account_Name"]))
    contacts = sorted(stage.books.records("Contacts"), key=lambda row: str(row["Name"]))
    for number, (account, contact) in enumerate(zip(accounts, contacts, strict=True)):
        what = chance.randrange(5)
        if what in (0, 1):
            for turn in range(1 + what):
                stage.crm.act("update", "Accounts", account["id"], {"Phone": f"{seed} {number} {turn}"})
        if what in (1, 2):
            stage.books.act("update", "Contacts", contact["ContactID"], {"TaxNumber": f"{seed}-{number}"})
        if what == 3 and number % 4 == 0:
            stage.crm.act("delete", "Accounts", account["id"])
    stage.crm.act("create", "Accounts", None, {"Account_Name": f"New {seed}", "Phone": "1"})
    stage.books.act("create", "Contacts", None, {"Name": f"Fresh {seed}"})


def content(stage: Stage) -> tuple[list[Any], list[Any]]:
    """What both ends hold, ids and times apart."""
    wanted = ("Account_Name", "Phone", "Tax_Number", "Fax", "Billing_City", "$state")
    crm = [tuple(str(row.get(name)) for name in wanted) for row in stage.crm.records("Accounts")]
    books = [
        (row["Name"], str(row.get("TaxNumber")), str(row["Phones"]), row["ContactStatus"])
        for row in stage.books.records("Contacts")
    ]
    return sorted(crm), sorted(books)


def taken(stage: Stage) -> list[tuple[str, Delivery]]:
    found = []
    for name, system in stage.systems.items():
        with system.sandbox.lock:
            found += [(name, delivery) for delivery in system.sandbox.deliveries]
            system.sandbox.deliveries = []
    return found


def mishandled(deliveries: Sequence[Any], chance: random.Random) -> list[Any]:
    """A fifth is lost, a fifth comes twice, and none in its order."""
    kept = [each for each in deliveries if chance.random() >= 0.2]
    kept += [each for each in kept if chance.random() < 0.2]
    chance.shuffle(kept)
    return kept


@pytest.mark.parametrize("seed", range(effort(1, 20)))
def test_the_same_as_polling_alone(stages: Callable[..., Stage], seed: int, tally: Tally) -> None:
    polling, hooked = settled(stages), settled(stages)
    chance = random.Random(f"webhooks {seed}")
    edits(polling, seed)
    edits(hooked, seed)
    told = taken(hooked)
    assert len(told) > COMPANIES / 2
    for system, delivery in mishandled(told, chance):
        tally("webhook deliveries")
        done = deliver(hooked, system, delivery)
        assert done.code in (0, 4), done.err
    for stage in (polling, hooked):
        for _ in range(2):
            stage.sync(code=None)
    assert content(hooked) == content(polling)
    hooked.assert_idle()
    # The deliveries of our own writes are echoes: they make no write, and known ones no call at all.
    echoes = taken(hooked)
    for _ in range(2):
        hooked.forget_requests()
        for system, delivery in echoes[:2]:
            done = deliver(hooked, system, delivery)
            assert done.code in (0, 4), done.err
        assert hooked.writes() == 0
    assert all(not system.requests() for system in hooked.systems.values())


def test_an_event_is_done_at_once(stages: Callable[..., Stage]) -> None:
    """One edit and its delivery: the pair is read and written, and nobody else is."""
    stage = settled(stages)
    account = stage.crm.records("Accounts")[3]
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "555 0123"})
    ((system, delivery),) = taken(stage)
    stage.forget_requests()
    done = deliver(stage, system, delivery)
    assert done.code == 0, done.err
    assert done.json["events"] == {"taken": 1, "known": 0, "no_module": 0}
    assert done.json["modules"]["accounts"]["updated"]["books"] == 1
    assert "555 0123" in str(stage.books.records("Contacts"))
    assert stage.writes() == 1


def test_what_is_not_the_remotes_own_word_changes_nothing(stages: Callable[..., Stage], tally: Tally) -> None:
    stage = settled(stages)
    account, contact = stage.crm.records("Accounts")[3], stage.books.records("Contacts")[5]
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "555 0123"})
    stage.books.act("update", "Contacts", contact["ContactID"], {"TaxNumber": "77"})
    told = dict(taken(stage))
    before = content(stage)
    stage.forget_requests()
    good, other = told["books"], told["crm"]
    forged = [
        ("books", Delivery({}, good.body)),
        ("books", Delivery({"x-xero-signature": "AAAA"}, good.body)),
        ("books", Delivery({"x-xero-signature": "\u00e9"}, good.body)),
        ("books", Delivery(good.headers, good.body + b" ")),
        ("books", Delivery(good.headers, good.body.replace(b"CONTACT", b"INVOICE"))),
        ("crm", Delivery({}, other.body.replace(TOKEN.encode(), b"another-token"))),
        ("crm", Delivery({}, b"{}")),
        ("crm", Delivery({}, b"[1")),
        ("crm", Delivery(good.headers, good.body)),
    ]
    for system, delivery in forged:
        tally("forged deliveries")
        done = deliver(stage, system, delivery)
        assert done.code == 1, delivery
        assert KEY not in done.err + done.out
        assert TOKEN not in done.err + done.out
    assert content(stage) == before
    assert all(not system.requests() for system in stage.systems.values()), "not a call was made for them"
    # A new webhook is tried by Xero with a right and a wrong signature.
    right, wrong = stage.books.sandbox.intent_to_receive()  # type: ignore[attr-defined]
    assert deliver(stage, "books", right).code == 0
    assert deliver(stage, "books", wrong).code == 1
    # Rightly signed, but of another organisation: not ours to look at.
    stage.books.act("create", "Contacts@2", None, {"Name": "Of the other organisation"})
    (foreign,) = [delivery for system, delivery in taken(stage) if system == "books"]
    assert deliver(stage, "books", foreign).json["events"] == {"taken": 0, "known": 0, "no_module": 0}
    assert content(stage) == before


def test_before_the_first_pass_nothing_is_created(stages: Callable[..., Stage]) -> None:
    """Nobody knows yet who is whose counterpart: the first pass finds out."""
    stage = stages(data=COMPANIES, spec=SPEC)
    stage.crm.sandbox.switches["notification_token"] = TOKEN
    account = stage.crm.records("Accounts")[3]
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "555 0123"})
    ((system, delivery),) = taken(stage)
    assert deliver(stage, system, delivery).code == 0
    assert len(stage.books.records("Contacts")) == COMPANIES
    stage.sync()
    assert len(stage.books.records("Contacts")) == len(stage.crm.records("Accounts")) == COMPANIES
