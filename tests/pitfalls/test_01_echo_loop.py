"""Pitfall 1, the echo loop: our own write, read back, is no change of anybody's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.questions import live, named, phones
from tests.support.stage import Stage

#: What a system does to what it is given: nothing; or capitals, squeezed spaces, trimming.
REWRITES = pytest.mark.parametrize("rewrites", [False, True], ids=["as-sent", "rewritten-by-the-remote"])


def rewriting(stage: Stage) -> None:
    stage.books.sandbox.switches["rewrite"] = True
    stage.crm.sandbox.switches["rewrite"] = "both"


@REWRITES
def test_one_edit_is_written_once_and_never_comes_back(stage: Stage, *, rewrites: bool) -> None:
    if rewrites:
        rewriting(stage)
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "111"})
    stage.sync()
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "222"})
    stage.forget_requests()
    stage.sync()
    assert stage.writes() == 1, {n: s.requests() for n, s in stage.systems.items()}
    stage.assert_idle(passes=4)


@REWRITES
def test_an_edit_at_the_other_end_is_no_different(stage: Stage, *, rewrites: bool) -> None:
    if rewrites:
        rewriting(stage)
    contact = stage.books.act("create", "Contacts", None, {"Name": "Harbour Bakery", "Phones": phones("111")})
    stage.sync()
    stage.books.act("update", "Contacts", contact["ContactID"], {"Phones": phones("222")})
    stage.forget_requests()
    stage.sync()
    assert stage.writes() == 1, {n: s.requests() for n, s in stage.systems.items()}
    assert live(stage, "crm", "Accounts")[0]["Phone"] == "222"
    stage.assert_idle(passes=4)


def test_what_a_remote_made_of_a_value_is_not_written_home(stage: Stage) -> None:
    """Capitals, squeezed spaces and a rounded price stay where they were made."""
    rewriting(stage)
    stage.crm.sandbox.switches["rewrite"] = ""
    stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour  bakery"})
    price = {"Product_Name": "Rye", "Product_Code": "RYE", "Unit_Price": "1.23"}
    product = stage.crm.act("create", "Products", None, price)
    stage.sync()
    (contact,) = live(stage, "books", "Contacts")
    assert contact["Name"] == "HARBOUR BAKERY"
    stage.assert_idle(passes=2)
    # Nor when every record is read again and compared with what was last agreed on.
    assert stage.run("reset").code == 0
    stage.assert_idle()
    assert named(stage, "crm", "Accounts", "Harbour  bakery")

    (item,) = stage.books.records("Items")
    # The books keep four decimals, the CRM two.
    stage.books.act("update", "Items", item["ItemID"], {"SalesDetails": {"UnitPrice": "1.2345"}})
    stage.forget_requests()
    stage.sync()
    assert stage.writes() <= 1
    stage.assert_idle(passes=4)
    (item,) = stage.books.records("Items")
    assert str(item["SalesDetails"]["UnitPrice"]) == "1.2345"
    assert product


def test_two_edits_that_cross_make_one_write_each_and_then_rest(stages: Callable[..., Stage]) -> None:
    stage = stages()
    rewriting(stage)
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "111"})
    stage.sync()
    (contact,) = live(stage, "books", "Contacts")
    stage.crm.act("update", "Accounts", account["id"], {"Account_Name": "  harbour   Cafe "})
    stage.books.act("update", "Contacts", contact["ContactID"], {"Phones": phones("333")})
    stage.forget_requests()
    stage.sync()
    assert stage.writes() == 2
    stage.assert_idle(passes=4)
