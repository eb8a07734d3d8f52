"""The story of people who move to another company: records in the CRM, items of its list in the ledger.

An item cannot move: it is added at its new parent and taken away at the old one, in two writes.
"""

from __future__ import annotations

from datetime import timedelta

from tests.crash.scenario import Names, Scenario, Step
from tests.support.stage import SYSTEMS, Stage, extending
from tests.support.trio import act, find

SPEC = (
    extending("xero-zoho-crm")
    + """
modules:
  products: null
  invoices: null
  quotes: null
  purchase_orders: null
  accounts: {limits: {deletes: none}}
  people: {enabled: true, deletes: {crm: delete, books: delete}, limits: {deletes: none}}
"""
)
NAMES: Names = {
    "crm": {"Accounts": ("id", "Account_Name"), "Contacts": ("id", "Email")},
    "books": {"Contacts": ("ContactID", "Name")},
}


def _meet(stage: Stage) -> None:
    for name in ("Old Place", "New Place"):
        account = act(stage, "crm", "create", "Accounts", Account_Name=name)["id"]
        for first in ("Ann", "Bob", "Cid"):
            told = {"First_Name": first, "Last_Name": name[:3], "Email": f"{first}@{name[:3]}.test".lower()}
            act(stage, "crm", "create", "Contacts", **told, Account_Name={"id": account})


def _move(stage: Stage) -> None:
    stage.later(timedelta(minutes=30))
    new = find(stage, "crm", "Accounts", Account_Name="New Place")["id"]
    for email, values in (("bob@old.test", {}), ("cid@old.test", {"First_Name": "Sid"})):
        person = find(stage, "crm", "Contacts", Email=email)["id"]
        act(stage, "crm", "update", "Contacts", person, Account_Name={"id": new}, **values)
    person = find(stage, "crm", "Contacts", Email="bob@new.test")["id"]
    act(stage, "crm", "update", "Contacts", person, Email="robert@new.test")


MOVING_STORY = Scenario("moving", SPEC, SYSTEMS, NAMES, (Step("meet", _meet), Step("move", _move)), carried=2)
