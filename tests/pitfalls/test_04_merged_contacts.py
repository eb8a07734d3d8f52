"""Pitfall 4, merged contacts: one id vanishes, its documents move, and the link points to nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.effort import cases
from tests.support.ledgers import DUE, ledger_document, ledgers_of
from tests.support.questions import asked, live, named
from tests.support.stage import Stage
from tests.support.trio import act, find

NAMES = ("Harbour Bakery", "Harbor Bakery")


@pytest.fixture
def met(stage: Stage) -> Stage:
    """A customer with an invoice, in step."""
    account = stage.crm.act(
        "create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "1", "Fax": "9"}
    )
    invoice(stage, account["id"], "INV-1")
    stage.sync()
    assert len(stage.books.records("Invoices")) == 1
    return stage


def invoice(stage: Stage, account: str, number: str) -> dict[str, Any]:
    product = stage.crm.act("create", "Products", None, {"Product_Name": number, "Product_Code": number})
    values = {
        "Subject": number,
        "Account_Name": {"id": account},
        "Invoice_Date": "2026-01-05",
        "Due_Date": "2026-02-05",
        "Currency": "AUD",
        "Invoiced_Items": [{"Product_Name": {"id": product["id"]}, "Quantity": 1, "List_Price": 10}],
    }
    return stage.crm.act("create", "Invoices", None, values)


def merged_events(stage: Stage) -> int:
    return len(stage.run("log", "--json", "--event", "merged").out.splitlines())


def documents(stage: Stage) -> tuple[set[str], set[str]]:
    """To whom the invoices belong, at each end, by name."""
    accounts = {a["id"]: a["Account_Name"] for a in live(stage, "crm", "Accounts")}
    contacts = {c["ContactID"]: c["Name"] for c in live(stage, "books", "Contacts")}
    return (
        {accounts[row["Account_Name"]["id"]] for row in live(stage, "crm", "Invoices")},
        {contacts[row["Contact"]["ContactID"]] for row in stage.books.records("Invoices")},
    )


@pytest.mark.parametrize("known", [False, True], ids=["new-survivor", "survivor-that-was-read-before"])
def test_a_survivor_that_the_remote_names_takes_the_link(met: Stage, known: bool) -> None:
    """Xero archives the one and says where it went."""
    old = named(met, "books", "Contacts", "Harbour Bakery")["ContactID"]
    survivor = met.books.act(
        "create", "Contacts", None, {"Name": "Harbour Bakers Pty", "EmailAddress": "h@x.example"}
    )
    if known:
        # It waits for somebody to say who it is: the CRM has two of that name.
        for _ in range(2):
            met.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakers Pty"})
        met.sync(code=4)
    before = len(live(met, "crm", "Accounts"))
    met.books.act("merge", "Contacts", old, {"into": survivor["ContactID"]})
    met.sync(code=None)

    account = named(met, "crm", "Accounts", "Harbour Bakery")
    assert len(live(met, "crm", "Accounts")) == before, "nobody was created"
    (contact,) = [c for c in live(met, "books", "Contacts") if c["ContactID"] == survivor["ContactID"]]
    assert account["Email"] == "h@x.example", "what only the survivor had came over"
    assert contact["Name"] == "Harbour Bakery", "the rule, prefer crm, decided between the names"
    assert merged_events(met) == 1
    assert documents(met) == ({"Harbour Bakery"}, {"Harbour Bakery"})
    # What refers to it goes on.
    invoice(met, account["id"], "INV-2")
    met.sync(code=None)
    assert len(met.books.records("Invoices")) == 2
    assert documents(met)[1] == {"Harbour Bakery"}
    met.assert_idle(passes=2)


def test_a_survivor_that_nobody_names_is_found_by_the_match_rules(met: Stage) -> None:
    """Zoho CRM deletes the one and moves its documents, and says no more."""
    old = named(met, "crm", "Accounts", "Harbour Bakery")["id"]
    survivor = met.crm.act(
        "create", "Accounts", None, {"Account_Name": "HARBOUR  bakery", "Email": "h@x.example"}
    )
    met.sync(code=4)  # two of one name: a question, not a second contact
    assert [one["kind"] for one in asked(met)] == ["ambiguous"]
    met.crm.act("merge", "Accounts", old, {"into": survivor["id"]})
    met.sync()
    assert asked(met) == []
    assert [c["Name"] for c in live(met, "books", "Contacts")] == ["HARBOUR bakery"]
    (account,) = live(met, "crm", "Accounts")
    assert (account["Phone"], account["Fax"]) == ("1", "9"), "what only the other had came back"
    assert merged_events(met) == 1
    assert documents(met) == ({"HARBOUR  bakery"}, {"HARBOUR bakery"})
    met.assert_idle(passes=2)


@pytest.mark.parametrize("end", cases(["books"], ["crm"]))
def test_two_links_on_one_survivor_are_a_question_and_no_loop_of_errors(met: Stage, end: str) -> None:
    twin = {"crm": "Harbour Bakery", "books": "Harbour Bakery 2"}[end]
    met.books.act("create", "Contacts", None, {"Name": "Harbour Bakery 2", "EmailAddress": "two@x.example"})
    met.sync()
    first = named(met, "crm", "Accounts", "Harbour Bakery")["id"]
    second = named(met, "crm", "Accounts", "Harbour Bakery 2")["id"]
    kept = named(met, "books", "Contacts", "Harbour Bakery 2")["ContactID"]
    gone = named(met, "books", "Contacts", "Harbour Bakery")["ContactID"]
    if end == "books":
        met.books.act("merge", "Contacts", gone, {"into": kept})
    else:
        # Both are called alike in the CRM, and one is merged into the other.
        met.crm.act("update", "Accounts", second, {"Account_Name": "Harbour Bakery"})
        met.sync(code=None)
        met.crm.act("merge", "Accounts", first, {"into": second})
    met.sync(code=4)
    (question,) = [one for one in asked(met) if one["kind"] == "merged"]
    assert (kept if end == "books" else second) in question["into"]
    assert "merge" in question["message"]
    assert twin
    for _ in range(3):  # it stays one question, and asks nobody for anything
        met.forget_requests()
        met.sync(code=4)
        assert met.writes() == 0
    assert [one["id"] for one in asked(met) if one["kind"] == "merged"] == [question["id"]]

    # People merge the counterparts as well: the question answers itself.
    if end == "books":
        met.crm.act("merge", "Accounts", first, {"into": second})
    else:
        met.books.act("merge", "Contacts", gone, {"into": kept})
    met.sync(code=None)
    assert [one for one in asked(met) if one["kind"] == "merged"] == []
    assert len(live(met, "crm", "Accounts")) == len(live(met, "books", "Contacts")) == 1
    met.sync(code=None)
    met.assert_idle(passes=2)


@pytest.mark.parametrize("known", cases([False], [True]))
def test_a_customer_merged_in_a_second_ledger(stages: Callable[..., Stage], known: bool) -> None:
    """Zoho Books merges in its screens alone: documents move, one id is gone, and no reply says where to.
    ``known``: the survivor has a counterpart of its own."""
    limits = {"limits": {"deletes": "none"}}
    stage = stages(**ledgers_of("companies", "invoices", companies=limits, invoices=limits))
    ledger_document(stage, "Invoices", "L-1", DueDate=DUE)
    stage.sync()
    stage.later(timedelta(minutes=3))
    gone = find(stage, "billing", "contacts", contact_name="Harbour Bakery")["contact_id"]
    values = {"contact_name": "Harbour Bakers Pty", "email": "h@x.example"}
    if not known:
        values["company_name"] = "Harbour Bakery"  # by which the match rules know it
    survivor = act(stage, "billing", "create", "contacts", **values)["contact_id"]
    stage.sync(code=None)
    stage.later(timedelta(minutes=3))
    act(stage, "billing", "merge", "contacts", gone, into=survivor)
    stage.sync("--full", code=None)
    stage.sync(code=None)
    (invoice,) = stage.systems["billing"].records("invoices")
    assert invoice["customer_id"] == survivor
    contacts = {row["ContactID"]: row for row in live(stage, "ledger", "Contacts")}
    (entry,) = stage.systems["ledger"].records("Invoices")
    holder = contacts[entry["Contact"]["ContactID"]]
    if known:
        # It has a counterpart of its own: the document follows, and the other one ends as if deleted.
        assert [row["Name"] for row in contacts.values()] == ["Harbour Bakers Pty"]
    else:
        assert len(contacts) == 1
        assert merged_events(stage) == 1
    assert holder["EmailAddress"] == "h@x.example"
    assert asked(stage) == []
    stage.assert_idle(passes=2)
    # What refers to it goes on.
    act(stage, "ledger", "update", "Invoices", entry["InvoiceID"], DueDate="2099-12-01")
    stage.sync()
    assert stage.systems["billing"].records("invoices")[0]["due_date"] == "2099-12-01"
    stage.assert_idle()
