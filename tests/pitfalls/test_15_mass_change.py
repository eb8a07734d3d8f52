"""Pitfall 15, mass delete or mass change: what looks like a mishap stops before any write, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.stage import Stage, extending
from tests.support.tally import Tally

from syncline.connect.sandbox import Fault, FaultKind

HEAD = (
    extending("xero-zoho-crm")
    + """
modules:
  accounts:
    deletes: {crm: delete, books: archive}
"""
)
#: Nothing that any record would notice, but every record is read again.
READ_AGAIN = HEAD + """    where: {crm: "{{ record.Account_Name is not none }}"}\n"""
COMPANIES = 120
CONTACTS, QUERY = "/api.xro/2.0/Contacts", "/crm/v8/coql"
EMPTY = '{"Id": "0", "Status": "OK", "DateTimeUTC": "/Date(1767225600000)/", "Contacts": []}'


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """A hundred and twenty companies in step."""
    stage = stages(data=COMPANIES, spec=HEAD)
    stage.sync()
    stage.assert_idle()
    return stage


def emptied(system: str) -> Fault:
    """A list of the first module that holds nothing, said with all confidence."""
    if system == "crm":
        return Fault(kind=FaultKind.STATUS, method="POST", path=QUERY, status=204)
    headers = {"Content-Type": "application/json"}
    return Fault(kind=FaultKind.STATUS, method="GET", path=CONTACTS, status=200, headers=headers, body=EMPTY)


def halved(system: str) -> Fault:
    if system == "crm":
        return Fault(kind=FaultKind.FEWER, method="POST", path=QUERY)
    return Fault(kind=FaultKind.FEWER, method="GET", path=CONTACTS)


def forbidden(system: str) -> Fault:
    if system == "crm":
        body = '{"code": "NO_PERMISSION", "message": "permission denied", "details": {}, "status": "error"}'
        return Fault(kind=FaultKind.STATUS, method="POST", path=QUERY, status=403, body=body)
    return Fault(kind=FaultKind.STATUS, method="GET", path=CONTACTS, status=403)


def alive(stage: Stage) -> tuple[int, int]:
    return (
        sum(row["$state"] == "live" for row in stage.crm.records("Accounts")),
        sum(row["ContactStatus"] == "ACTIVE" for row in stage.books.records("Contacts")),
    )


def test_lists_that_lie(stage: Stage, tally: Tally) -> None:
    """Empty, by half, or forbidden; when only changes were asked for, and when everything was."""
    for system in ("crm", "books"):
        sandbox = stage.systems[system].sandbox
        for lie in (emptied, halved):
            tally("lists that lie")
            sandbox.faults.arm(lie(system))
            stage.forget_requests()
            stage.sync()  # that little or nothing has changed is no news
            assert (stage.writes(), sandbox.faults.armed()) == (0, [])
        tally("lists that lie")
        sandbox.faults.arm(forbidden(system))
        told = stage.sync(code=1)
        assert "accounts" in told["problems"]
        assert "refers to accounts" in told["problems"]["invoices"]
        assert stage.writes() == 0
        for lie in (emptied, halved):
            tally("lists that lie")
            sandbox.faults.arm(lie(system))
            stage.spec.write_text(HEAD if stage.spec.read_text() == READ_AGAIN else READ_AGAIN)
            told = stage.sync(code=5)
            assert "live ones are linked" in told["problems"]["accounts"]
            assert f"where {COMPANIES} " in told["problems"]["accounts"]
            assert "nothing was written" in told["problems"]["accounts"]
            stage.sync()  # the list is read from its beginning again, and now it is whole
            assert stage.writes() == 0
    assert alive(stage) == (COMPANIES, COMPANIES)
    stage.assert_idle()


def test_all_times_shifted(stage: Stage) -> None:
    """Every record was touched at both ends, and nothing else: no write, no stop."""
    stage.books.sandbox.switches["noop_moves_updated"] = True
    for row in stage.crm.records("Accounts"):
        stage.crm.act("update", "Accounts", row["id"], {"Account_Name": row["Account_Name"]})
    for row in stage.books.records("Contacts"):
        stage.books.act("update", "Contacts", row["ContactID"], {"Name": row["Name"]})
    stage.forget_requests()
    told = stage.sync()
    assert stage.writes() == 0
    assert told["modules"]["accounts"]["unchanged"] >= 2 * COMPANIES


@pytest.mark.parametrize("way", ["--accept-changes", "apply"])
def test_all_values_changed_at_once(stage: Stage, way: str) -> None:
    """A list imported by mistake gives every company a telephone number of its neighbour."""
    for number, row in enumerate(stage.crm.records("Accounts")):
        stage.crm.act("update", "Accounts", row["id"], {"Phone": f"555 {number}"})
    stage.forget_requests()
    for _ in range(2):
        told = stage.sync(code=5)
        assert f"{COMPANIES} of {COMPANIES} linked pairs would change at once" in told["problems"]["accounts"]
        assert "limits.changes is 80%" in told["problems"]["accounts"]
    assert stage.writes() == 0
    assert stage.run("status").code == 4, "somebody should look"
    # Meant after all:
    if way == "apply":
        plan = str(stage.folder / "acme.plan")
        assert stage.run("plan", "--out", plan).code == 0
        assert stage.run("apply", plan, spec=False).code == 0
    else:
        stage.sync(way)
    assert "555 7" in str(stage.books.records("Contacts"))
    stage.assert_idle()


def test_many_deleted_at_once(stage: Stage) -> None:
    for row in stage.crm.records("Accounts")[:30]:
        stage.crm.act("delete", "Accounts", row["id"])
    stage.forget_requests()
    told = stage.sync(code=5)
    why = f"30 deletes, archives and voids are planned for {COMPANIES} links and limits.deletes is 5"
    assert why in told["problems"]["accounts"]
    assert stage.writes() == 0
    assert alive(stage) == (COMPANIES - 30, COMPANIES)
