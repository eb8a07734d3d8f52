"""Pitfall 1, the echo loop: our own write, read back, is no change of anybody's."""

from __future__ import annotations

import pytest
from tests.support.stage import Stage


@pytest.mark.parametrize("rewrites", [False, True], ids=["as-sent", "rewritten-by-the-remote"])
def test_one_edit_is_written_once_and_never_comes_back(stage: Stage, rewrites: bool) -> None:
    stage.books.sandbox.switches["rewrite"] = rewrites
    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery", "Phone": "111"})
    stage.sync()
    stage.crm.act("update", "Accounts", account["id"], {"Phone": "222"})
    stage.forget_requests()
    stage.sync()
    assert stage.writes() == 1, {n: s.requests() for n, s in stage.systems.items()}
    stage.assert_idle(passes=4)
