"""Pitfall 3, create then crash: the record was made, and nobody wrote down that it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.effort import cases
from tests.support.ledgers import LEDGERS, ledger_document
from tests.support.questions import live, named
from tests.support.stage import Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Fault, FaultKind, Reply, Request
from syncline.store.database import open_store
from syncline.store.forgetting import unsettled

#: Where each end takes a new customer.
PATHS = {"books": ("PUT", "/api.xro/2.0/Contacts"), "crm": ("POST", "/crm/v8/Accounts")}
LOSSES = {
    "reset": {"kind": FaultKind.LOSE},
    "cut-in-the-middle": {"kind": FaultKind.TRUNCATE},
    "500-after": {"kind": FaultKind.STATUS_AFTER, "status": 500},
    "503-after": {"kind": FaultKind.STATUS_AFTER, "status": 503},
    "broken-json": {"kind": FaultKind.MALFORMED},
}
SOME = [("books", "reset"), ("crm", "reset"), ("books", "broken-json"), ("crm", "500-after")]


def make(stage: Stage, target: str, name: str = "Harbour Bakery") -> None:
    """A customer that the other end does not have."""
    if target == "books":
        stage.crm.act("create", "Accounts", None, {"Account_Name": name, "Phone": "111"})
    else:
        stage.books.act("create", "Contacts", None, {"Name": name, "EmailAddress": "h@x.example"})


def once(stage: Stage, number: int = 1) -> None:
    assert len(live(stage, "crm", "Accounts")) == len(live(stage, "books", "Contacts")) == number
    named(stage, "crm", "Accounts", "Harbour Bakery")
    named(stage, "books", "Contacts", "Harbour Bakery")


def open_operations(stage: Stage) -> int:
    """How many operations of the journal have no outcome."""
    state = stage.folder / ".syncline" / "state.db"
    with open_store(str(state)) as database, database.read() as db:
        scopes = [row[0] for row in db.exec_driver_sql("SELECT id FROM scope")]
        assert scopes
        return sum(unsettled(db, scope) for scope in scopes)


def end_leases(stage: Stage) -> None:
    """The minute after which the lease of a dead process ends by itself."""
    with open_store(str(stage.folder / ".syncline" / "state.db")) as database, database.write() as db:
        db.exec_driver_sql("UPDATE lease SET until = 0")


@pytest.mark.parametrize(
    ("target", "loss"),
    cases(SOME, [(target, loss) for target in PATHS for loss in LOSSES if (target, loss) not in SOME]),
)
def test_a_create_whose_answer_is_lost_is_found_again(
    stage: Stage, target: str, loss: str, tally: Tally
) -> None:
    method, path = PATHS[target]
    make(stage, target)
    # However often the client tries: every answer is lost in this pass.
    stage.systems[target].sandbox.faults.arm(Fault(method=method, path=path, times=20, **LOSSES[loss]))  # type: ignore[arg-type]
    stage.sync(code=None)
    stage.systems[target].sandbox.faults.clear()
    tally("lost answers to a create")
    stage.sync()
    once(stage)
    assert open_operations(stage) == 0
    stage.assert_idle(passes=2)


@pytest.mark.parametrize("target", cases(["crm"], ["books"]))
def test_two_alike_are_two_and_each_is_found_again(stage: Stage, target: str, tally: Tally) -> None:
    """What was created is recognised once each: a twin is not taken for the other."""
    method, path = PATHS[target]
    make(stage, target)
    make(stage, target, "Harbour Bakery 2")
    stage.systems[target].sandbox.faults.arm(Fault(kind=FaultKind.LOSE, method=method, path=path, times=20))
    stage.sync(code=None)
    stage.systems[target].sandbox.faults.clear()
    tally("lost answers to a create", 2)
    stage.sync()
    once(stage, 2)
    stage.assert_idle()


@pytest.mark.parametrize(
    ("target", "moment"),
    cases(
        [("books", "before-the-answer"), ("crm", "while-it-is-settled")],
        [("crm", "before-the-answer"), ("books", "while-it-is-settled")],
    ),
)
def test_a_process_killed_after_a_create_makes_no_second_one(
    stages: Callable[..., Stage], target: str, moment: str, tally: Tally
) -> None:
    stage = stages()
    method, path = PATHS[target]
    make(stage, target)
    process: list[subprocess.Popen[bytes]] = []
    hit = []

    def kill(template: str, request: Request, reply: Reply) -> None:
        if request.method == method and request.path == path and reply.status in (200, 201):
            hit.append(template)
            if moment == "before-the-answer":
                process[0].send_signal(signal.SIGKILL)
                process[0].wait()

    stage.systems[target].server.listeners.append(kill)
    environ = stage.environ()
    if moment == "while-it-is-settled":
        environ["SYNCLINE_TEST_KILL"] = "settle"
    process.append(
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, "sync", str(stage.spec)],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    )
    assert process[0].wait(120) == -signal.SIGKILL
    assert hit
    tally("kill points")
    stage.systems[target].server.listeners.remove(kill)
    assert open_operations(stage) == 1
    end_leases(stage)
    stage.sync()
    once(stage)
    assert open_operations(stage) == 0
    stage.assert_idle(passes=2)


#: The command line; with the variable set, the process ends where the outcome would be written down.
_CHILD = """
import os, signal, sys
from syncline.run import writing
if os.environ.get("SYNCLINE_TEST_KILL"):
    writing.settle = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
from syncline.cli.main import main
main(sys.argv[1:])
"""


#: By module of Xero: where Zoho Books takes such a record, and the field that its number lies in.
DOCUMENTS = {
    "Invoices": ("invoices", "invoice_number"),
    "Bills": ("bills", "bill_number"),
    "Quotes": ("estimates", "estimate_number"),
    "PurchaseOrders": ("purchaseorders", "purchaseorder_number"),
    "CreditNotes": ("creditnotes", "creditnote_number"),
}


@pytest.mark.parametrize("module", cases(["Invoices"], [name for name in DOCUMENTS if name != "Invoices"]))
def test_a_document_whose_answer_is_lost_is_found_again_in_a_second_ledger(
    stages: Callable[..., Stage], module: str, tally: Tally
) -> None:
    """Zoho Books knows no key that makes a create safe to repeat, and numbers documents unless told."""
    stage = stages(**LEDGERS)
    ledger_document(stage, module, "D-1")
    kind, number = DOCUMENTS[module]
    fault = Fault(kind=FaultKind.LOSE, method="POST", path=f"/books/v3/{kind}$", times=20)
    stage.systems["billing"].sandbox.faults.arm(fault)
    stage.sync(code=None)
    stage.systems["billing"].sandbox.faults.clear()
    tally("lost answers to a create")
    stage.later(timedelta(minutes=3))
    stage.sync()
    assert [row[number] for row in stage.systems["billing"].records(kind)] == ["D-1"]
    stage.assert_idle(passes=2)
