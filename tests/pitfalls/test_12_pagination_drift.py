"""Pitfall 12, pagination drift: rows move while pages are read, and one slips over the boundary unseen."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

import pytest
from tests.support.effort import effort
from tests.support.ledgers import ledgers_of
from tests.support.questions import asked, live, with_more
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act

from syncline.connect.sandbox import Reply, Request
from syncline_xero import reading as xero_reading
from syncline_zoho.books import lists as zoho_books_lists
from syncline_zoho.crm import query as crm_query
from syncline_zoho.crm import reader as crm_reader

PAGE = 5
RECORDS = 23
LISTS = {
    "crm": [("POST", "/crm/v8/coql")],
    "books": [("GET", "/api.xro/2.0/Contacts")],
    "billing": [("GET", "/books/v3/contacts")],
}
#: A delete that is only imagined would be seen at the other end.
SPEC = with_more(
    "modules:\n  accounts:\n    deletes: {crm: delete, books: archive}\n    limits: {deletes: 50%}\n"
)


@pytest.fixture(autouse=True)
def small_pages() -> Iterator[None]:
    with (
        mock.patch.object(xero_reading, "PAGE_SIZE", PAGE),
        mock.patch.object(xero_reading, "IDS_BATCH", PAGE),
        mock.patch.object(crm_reader, "select", partial(_select, crm_query.select)),
        mock.patch.object(zoho_books_lists, "MOST", PAGE + 1),
        mock.patch.object(zoho_books_lists, "_LEAST", PAGE - 1),
    ):
        yield


def _select(select: Callable[..., str], *words: Any, limit: int = PAGE, **options: Any) -> str:
    return select(*words, limit=limit, **options)


class People:
    """They edit, add and delete records while pages are read; what is left is known."""

    def __init__(self, stage: Stage, system: str, seed: int) -> None:
        self.stage, self.system = stage, system
        self.chance = random.Random(seed)
        self.made = 0
        self.deleted = 0
        self.busy = False
        self.rounds = 0

    def create(self) -> None:
        self.made += 1
        name = f"Customer {self.made}"
        if self.system == "crm":
            self.stage.crm.act("create", "Accounts", None, {"Account_Name": name})
        elif self.system == "billing":
            act(self.stage, "billing", "create", "contacts", contact_name=name)
        else:
            self.stage.books.act("create", "Contacts", None, {"Name": name})

    def records(self) -> list[str]:
        if self.system == "crm":
            return sorted(record["id"] for record in live(self.stage, "crm", "Accounts"))
        if self.system == "billing":
            return sorted(record["contact_id"] for record in live(self.stage, "billing", "contacts"))
        return sorted(record["ContactID"] for record in live(self.stage, "books", "Contacts"))

    def edit(self, record: str) -> None:
        number = str(self.chance.randrange(10**6))
        if self.system == "crm":
            self.stage.crm.act("update", "Accounts", record, {"Fax": number})
        elif self.system == "billing":
            act(self.stage, "billing", "update", "contacts", record, mobile=number)
        else:
            fax = [{"PhoneType": "FAX", "PhoneNumber": number}]
            self.stage.books.act("update", "Contacts", record, {"Phones": fax})

    def delete(self, record: str) -> None:
        self.deleted += 1
        if self.system == "crm":
            self.stage.crm.act("delete", "Accounts", record)
        elif self.system == "billing":
            act(self.stage, "billing", "delete", "contacts", record)
        else:
            self.stage.books.act("archive", "Contacts", record)

    def between_pages(self, template: str, request: Request, reply: Reply) -> None:
        if not self.busy or (request.method, template) not in LISTS[self.system] or self.rounds >= 6:
            return
        if self.system == "crm" and b"from Accounts" not in request.body:
            return
        self.rounds += 1
        self.stage.later(timedelta(seconds=1))
        records = self.records()
        for record in self.chance.sample(records, 3):
            self.edit(record)
        self.create()
        self.delete(records[0])


@pytest.mark.parametrize("system", ["crm", "books"])
@pytest.mark.parametrize("seed", range(effort(1, 10)))
def test_everything_is_read_and_nothing_is_taken_for_deleted(
    stages: Callable[..., Stage], system: str, seed: int, tally: Tally
) -> None:
    stage = stages(spec=SPEC)
    people = play(stage, system, seed, tally)
    accounts = {a["Account_Name"]: a["Fax"] for a in live(stage, "crm", "Accounts")}
    contacts = {c["Name"]: _phone(c, "FAX") for c in live(stage, "books", "Contacts")}
    assert accounts == contacts
    # Of those deleted before they were linked, the other end knows nothing.
    assert len(accounts) == people.made - people.deleted
    assert asked(stage) == []
    stage.assert_idle(passes=2)


@pytest.mark.parametrize("seed", range(effort(1, 10)))
def test_a_second_ledger_is_read_whole(stages: Callable[..., Stage], seed: int, tally: Tally) -> None:
    """Zoho Books pages by numbers over a list that moves, and tells no deletion but by what is missing."""
    stage = stages(**ledgers_of("companies", companies={"limits": {"deletes": "50%"}}))
    people = play(stage, "billing", seed, tally)
    stage.sync("--full", code=None)
    here = {c["contact_name"]: c["mobile"] or None for c in live(stage, "billing", "contacts")}
    there = {c["Name"]: _phone(c, "MOBILE") for c in live(stage, "ledger", "Contacts")}
    assert here == there
    assert len(here) == people.made - people.deleted
    assert asked(stage) == []
    stage.assert_idle(passes=2)


def play(stage: Stage, system: str, seed: int, tally: Tally) -> People:
    """A first pass over moving pages, another that looks for what is gone, and a quiet one."""
    people = People(stage, system, seed)
    for _ in range(RECORDS):
        people.create()
    stage.systems[system].server.listeners.append(people.between_pages)
    people.busy = True
    stage.sync(code=None)  # the first pass, over moving pages
    assert people.rounds >= 5, "there were no pages to move"
    tally("page shifts", people.rounds)
    people.rounds = 0
    stage.sync("--full", code=None)  # and again with links to lose
    people.busy = False
    stage.later(timedelta(minutes=10))
    stage.sync(code=None)
    tally("page shifts", people.rounds)
    return people


def _phone(contact: dict[str, Any], kind: str) -> str | None:
    return next((p["PhoneNumber"] for p in contact["Phones"] if p["PhoneType"] == kind), None) or None
