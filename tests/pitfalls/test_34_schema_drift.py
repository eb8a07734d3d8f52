"""Pitfall 34, schema drift: a field that is gone or of another kind stops its own map, before any write."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.business import a_while, example_with
from tests.support.stage import Stage
from tests.support.wire import tapped

#: After so long the fields are looked at again.
LOOK = timedelta(hours=1, minutes=1)
SPEC = """
accounts:
  fields:
    site: {crm: Account_Site, books: CompanyNumber}
"""


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """A stage with a customer and a product in step."""
    stage = stages(spec=example_with(SPEC))
    made = {"Account_Name": "Harbour Bakery", "Account_Site": "North", "Phone": "111"}
    stage.crm.act("create", "Accounts", None, made)
    stage.crm.act("create", "Products", None, {"Product_Name": "Bread", "Product_Code": "BREAD"})
    stage.sync()
    a_while(stage)
    stage.assert_idle()
    return stage


def account(stage: Stage) -> dict[str, Any]:
    (row,) = stage.crm.records("Accounts")
    return row


def contact(stage: Stage) -> dict[str, Any]:
    return next(row for row in stage.books.records("Contacts") if row["Name"] == "Harbour Bakery")


def phone(stage: Stage) -> str:
    return {each["PhoneType"]: each["PhoneNumber"] for each in contact(stage)["Phones"]}["DEFAULT"]


def edit_everything(stage: Stage, phone: str, description: str) -> None:
    """Edits of other fields, at both ends and of another module."""
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Phone": phone})
    stage.books.act("update", "Contacts", contact(stage)["ContactID"], {"CompanyNumber": "South"})
    product = stage.crm.records("Products")[0]["id"]
    stage.crm.act("update", "Products", product, {"Description": description})


def line_at(message: str) -> str:
    """The line of the spec that a message begins with."""
    found = re.match(r"(.+?):(\d+):\d+: ", message)
    assert found, message
    return Path(found[1]).read_text().splitlines()[int(found[2]) - 1]


def the_map_rests_and_the_rest_goes_on(stage: Stage, said: str) -> None:
    """One pass after the field has changed."""
    stage.later(LOOK)
    edit_everything(stage, "222", "Sliced")
    with tapped(stage.crm) as crm, tapped(stage.books) as books:
        outcome = stage.sync(code=1)
    assert outcome["status"] == "failed"
    assert outcome["problems"].keys() == {"accounts.site"}
    problem = outcome["problems"]["accounts.site"]
    assert said in problem
    assert line_at(problem).strip() == "site: {crm: Account_Site, books: CompanyNumber}"
    assert not any("Account_Site" in row for row in crm.rows("Accounts"))
    assert not any("CompanyNumber" in row for row in books.rows("Contacts"))
    assert (phone(stage), stage.books.records("Items")[0]["Description"]) == ("222", "Sliced")
    assert contact(stage)["CompanyNumber"] == "South"
    stage.assert_idle(passes=2)


def test_a_new_label_has_no_effect(stage: Stage) -> None:
    stage.crm.act("update", "Fields", "Accounts.Account_Site", {"field_label": "Branch"})
    stage.later(LOOK)
    edit_everything(stage, "222", "Sliced")
    stage.sync()
    assert account(stage)["Account_Site"] == "South"
    stage.assert_idle()


def test_a_removed_field_stops_its_map_until_it_is_back(stage: Stage) -> None:
    stage.crm.act("delete", "Fields", "Accounts.Account_Site")
    the_map_rests_and_the_rest_goes_on(stage, "crm.Accounts has no field Account_Site")
    # Made anew, it is empty in every record: nothing is wiped, what the books hold fills it in.
    stage.crm.act("create", "Fields", "Accounts.Account_Site", {"data_type": "text", "length": 80})
    stage.later(LOOK)
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Account_Site": None})
    stage.sync()
    assert (account(stage)["Account_Site"], contact(stage)["CompanyNumber"]) == ("South", "South")
    a_while(stage)
    stage.assert_idle(passes=2)


def test_a_field_of_another_kind_stops_its_map(stage: Stage) -> None:
    stage.crm.act("update", "Fields", "Accounts.Account_Site", {"data_type": "boolean", "length": None})
    the_map_rests_and_the_rest_goes_on(stage, "Account_Site")


def test_a_field_that_is_closed_stops_its_map(stage: Stage) -> None:
    stage.crm.act("update", "Fields", "Accounts.Account_Site", {"read_only": True})
    the_map_rests_and_the_rest_goes_on(
        stage, "writes crm.Accounts.Account_Site, which nobody but the remote can"
    )


def test_a_field_that_becomes_mandatory_is_told_and_stops_no_update(stage: Stage) -> None:
    stage.crm.act("update", "Fields", "Accounts.Rating", {"system_mandatory": True})
    stage.later(LOOK)
    edit_everything(stage, "222", "Sliced")
    stage.books.act("create", "Contacts", None, {"Name": "New Customer"})
    stage.forget_requests()
    outcome = stage.sync(code=1)
    (warning,) = outcome["warnings"]
    assert "a new record of crm.Accounts needs Rating, which no map sets" in warning
    assert line_at(warning).strip() == "accounts:"
    assert (phone(stage), account(stage)["Account_Site"]) == ("222", "South")
    assert outcome["modules"]["accounts"]["failed"] == 1
    (rest,) = stage.run("status", "--list", "failed", "--json").json["records"]
    assert rest["reason"] == "Rating: Accounts needs it and the record has none"
    assert stage.crm.requests("POST").get(("POST", "/crm/v8/{module}"), 0) == 0, "refused before the call"
    stage.assert_idle(passes=2)


def test_a_module_that_is_gone_stops_itself_alone(stage: Stage) -> None:
    gone = stage.crm.sandbox.org.meta.pop("Products")
    stage.later(LOOK)
    stage.crm.act("update", "Accounts", account(stage)["id"], {"Phone": "222"})
    outcome = stage.sync(code=1)
    assert phone(stage) == "222"
    assert "crm no longer has the remote module Products" in outcome["problems"]["products"]
    assert "between" in line_at(outcome["problems"]["products"])
    assert outcome["problems"]["invoices"].startswith("left out: it refers to products, ")
    stage.crm.sandbox.org.meta["Products"] = gone
    stage.later(LOOK)
    stage.sync()
    stage.assert_idle()


def test_validate_tells_the_same(stage: Stage) -> None:
    assert stage.run("validate", "--live").code == 0
    stage.crm.act("delete", "Fields", "Accounts.Account_Site")
    stage.crm.act("delete", "Fields", "Accounts.Payment_Terms_Days")
    done = stage.run("validate", "--live", "--json")
    assert done.code == 3
    said = {p["message"] for p in done.json["problems"] if p["severity"] == "error"}
    assert "crm.Accounts has no field Account_Site" in said
    assert "crm.Accounts has no field Payment_Terms_Days" in said, (
        "what the spec declares is not there either"
    )
