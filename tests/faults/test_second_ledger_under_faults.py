"""The calls of Zoho Books as a second ledger under faults: nothing is lost or doubled afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.support.effort import cases
from tests.support.ledgers import DUE, LEDGERS, billed, ledger_document
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.trio import act, find

from syncline.connect.sandbox import Fault, FaultKind

BOOKS = "/books/v3"
Stir = Callable[[Stage, int], Any]


def create(stage: Stage, number: int) -> None:
    ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE)


def approve(stage: Stage, number: int) -> None:
    ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE, Status="AUTHORISED")


def edit_there(stage: Stage, number: int) -> None:
    record = find(stage, "ledger", "Invoices", InvoiceNumber="KNOWN")["InvoiceID"]
    act(stage, "ledger", "update", "Invoices", record, DueDate=f"2099-07-{number % 28 + 1:02}")


def edit_here(stage: Stage, number: int) -> None:
    record = billed(stage, "KNOWN")["invoice_id"]
    act(stage, "billing", "update", "invoices", record, due_date=f"2099-08-{number % 28 + 1:02}")


def set_off(stage: Stage, number: int) -> None:
    invoice = ledger_document(stage, "Invoices", f"N-{number}", DueDate=DUE, Status="AUTHORISED")
    note = ledger_document(stage, "CreditNotes", f"C-{number}", Status="AUTHORISED")
    told = {"Invoice": {"InvoiceID": invoice}, "Amount": 5, "Date": "2026-06-11"}
    act(stage, "ledger", "allocate", "CreditNotes", note, **told)


#: By call: its method and path, and what people do so that a pass makes it.
CALLS: dict[str, tuple[str, str, Stir]] = {
    "list": ("GET", f"{BOOKS}/invoices$", edit_here),
    "details": ("GET", f"{BOOKS}/invoices/[^/]+$", edit_here),
    "create": ("POST", f"{BOOKS}/invoices$", create),
    "update": ("PUT", f"{BOOKS}/invoices/[^/]+$", edit_there),
    "status": ("POST", f"{BOOKS}/invoices/[^/]+/status/[^/]+$", approve),
    "set off": ("POST", f"{BOOKS}/creditnotes/[^/]+/invoices$", set_off),
}
FAULTS = {
    "lost": {"kind": FaultKind.LOSE},
    "cut": {"kind": FaultKind.TRUNCATE},
    "500 after": {"kind": FaultKind.STATUS_AFTER, "status": 500},
    "503 page": {"kind": FaultKind.HTML, "status": 503},
    "broken": {"kind": FaultKind.MALFORMED},
    "internal": {"kind": FaultKind.REMOTE, "name": "internal"},
}
#: Each call with another fault in every run, all with all in a long one.
SHARE = list(zip(CALLS, FAULTS, strict=True))
TRIED = cases(SHARE, [(call, fault) for call in CALLS for fault in FAULTS if (call, fault) not in SHARE])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), **LEDGERS) as opened:
        opened.connect()
        ledger_document(opened, "Invoices", "KNOWN", DueDate=DUE)
        opened.sync()
        yield opened


def shown(stage: Stage) -> list[list[Any]]:
    """Both ledgers' invoices and what credit notes are set off against, in one form."""
    sent = {"DRAFT": "draft", "AUTHORISED": "sent"}
    there = [
        (row["InvoiceNumber"], row["DueDate"][:10], sent[row["Status"]])
        for row in stage.systems["ledger"].records("Invoices")
    ]
    here = [
        (row["invoice_number"], row["due_date"], row["status"].replace("partially_paid", "sent"))
        for row in stage.systems["billing"].records("invoices")
    ]
    notes = stage.systems["ledger"].records("CreditNotes"), stage.systems["billing"].records("creditnotes")
    there += [(row["CreditNoteNumber"], [a["Amount"] for a in row["Allocations"]], "") for row in notes[0]]
    here += [(row["creditnote_number"], [a["amount"] for a in row["invoices"]], "") for row in notes[1]]
    return [sorted(there), sorted(here)]


@pytest.mark.parametrize(("call", "fault"), TRIED)
def test_a_fault_of_a_second_ledger_is_told_and_nothing_is_lost(
    stage: Stage, tally: Tally, call: str, fault: str
) -> None:
    method, path, stir = CALLS[call]
    stage.later(timedelta(minutes=3))
    stir(stage, TRIED.index((call, fault)))
    faults = stage.systems["billing"].sandbox.faults
    faults.arm(Fault(method=method, path=path, times=20, **FAULTS[fault]))  # type: ignore[arg-type]
    done = stage.run("sync", "--json")
    left = sum(armed.times for armed in faults.armed()) if faults.armed() else 0
    faults.clear()
    assert left < 20, "the call was not made"
    assert done.code in (0, 1), done
    assert "Traceback" not in done.out + done.err
    for _ in range(2):
        stage.later(timedelta(minutes=6))
        done = stage.run("sync", "--json")
    assert done.code == 0, done
    there, here = shown(stage)
    assert there == here
    tally("faults at a call of a second ledger")
    stage.assert_idle()
