"""The documents of the catalogue: their states, what is closed, how they end, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.connect import Item, Items, Outcome, OutcomeKind, Record, State, Write, WriteKind
from syncline_xero.aliases import from_wire, to_wire
from syncline_xero.catalogue import CATALOGUE, with_choices
from syncline_xero.completing import complete_update
from syncline_xero.documents import LEDGER_MOVES, ORDER_MOVES, QUOTE_MOVES
from syncline_xero.ending import plan_ending
from syncline_xero.kinds import KINDS
from syncline_xero.locks import PAID_EDITABLE, lock_of
from syncline_xero.sandbox.credit_notes import CreditNotes
from syncline_xero.sandbox.documents import Documents
from syncline_xero.sandbox.invoices import Invoices
from syncline_xero.sandbox.purchase_orders import PurchaseOrders
from syncline_xero.sandbox.quotes import Quotes
from syncline_xero.wire import read_record

CHANGED = "/Date(1541176290160+0000)/"


def record(module: str, **raw: Any) -> Record:
    kind = CATALOGUE.module(module)
    assert kind is not None
    return read_record(kind, {KINDS[module].id: "x", "UpdatedDateUTC": CHANGED, **raw}, "2026-06-30")


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("Invoices", LEDGER_MOVES),
        ("Bills", LEDGER_MOVES),
        ("CreditNotes", LEDGER_MOVES),
        ("SupplierCredits", LEDGER_MOVES),
        ("Quotes", QUOTE_MOVES),
        ("PurchaseOrders", ORDER_MOVES),
    ],
)
def test_states_are_a_machine_without_a_way_to_paid(name: str, moves: dict[str, tuple[str, ...]]) -> None:
    module = CATALOGUE.module(name)
    assert module is not None
    status = module.field("Status")
    assert status is not None
    assert status.moves == moves
    assert set(status.choices or ()) == set(moves)
    successors = {to for after in moves.values() for to in after}
    assert "PAID" not in successors
    assert successors <= set(moves)
    assert moves["DELETED"] == ()


@pytest.mark.parametrize(
    ("sort", "moves"),
    [
        (Invoices, LEDGER_MOVES),
        (CreditNotes, LEDGER_MOVES),
        (Quotes, QUOTE_MOVES),
        (PurchaseOrders, ORDER_MOVES),
    ],
)
def test_the_sandbox_allows_the_very_moves_that_the_catalogue_tells(
    sort: type[Documents], moves: dict[str, tuple[str, ...]]
) -> None:
    assert {s: set(after) - {s} for s, after in sort.sort.moves.items()} == {
        s: set(after) for s, after in moves.items()
    }


@pytest.mark.parametrize("name", [m.name for m in CATALOGUE.modules])
def test_each_module_has_a_kind_and_single_field_names(name: str) -> None:
    module = CATALOGUE.module(name)
    assert module is not None
    names = [f.name for f in module.fields]
    assert len(names) == len(set(names))
    assert KINDS[name].id in names


@pytest.mark.parametrize(
    ("module", "raw", "state", "reason", "editable"),
    [
        pytest.param("Bills", {"Status": "VOIDED"}, State.VOIDED, "the bill is voided", (), id="voided bill"),
        pytest.param(
            "CreditNotes", {"Status": "VOIDED"}, State.VOIDED, "credit note is voided", (), id="voided note"
        ),
        pytest.param(
            "Quotes", {"Status": "DELETED"}, State.DELETED, "quote is deleted", (), id="deleted quote"
        ),
        pytest.param(
            "Payments", {"Status": "DELETED"}, State.DELETED, "payment is deleted", (), id="deleted payment"
        ),
        pytest.param(
            "Payments", {"Status": "AUTHORISED"}, State.LIVE, "never changed", (), id="a payment as it is"
        ),
        pytest.param(
            "Payments",
            {"Status": "AUTHORISED", "IsReconciled": True},
            State.LIVE,
            "reconciled",
            (),
            id="reconciled payment",
        ),
        pytest.param(
            "Payments",
            {"Status": "AUTHORISED", "BatchPaymentID": "b"},
            State.LIVE,
            "part of a batch",
            (),
            id="payment of a batch",
        ),
        pytest.param("Bills", {"Status": "PAID"}, State.LIVE, "bill is paid", PAID_EDITABLE, id="paid bill"),
        pytest.param(
            "Bills",
            {"Status": "AUTHORISED", "Date": "/Date(1750000000000+0000)/"},
            State.LIVE,
            "locked up to",
            (),
            id="bill of a locked period",
        ),
        pytest.param(
            "SupplierCredits",
            {"Status": "AUTHORISED", "Allocations": [{"AllocationID": "a", "Amount": 1}]},
            State.LIVE,
            "set off",
            {"Allocations"},
            id="credit that is partly set off",
        ),
        pytest.param(
            "CreditNotes",
            {"Status": "AUTHORISED", "Payments": [{"PaymentID": "p"}]},
            State.LIVE,
            "paid out",
            {"Allocations"},
            id="refunded credit",
        ),
        pytest.param("CreditNotes", {"Status": "AUTHORISED"}, State.LIVE, None, (), id="unused credit"),
        pytest.param(
            "Quotes", {"Status": "INVOICED"}, State.LIVE, "invoiced", {"Status"}, id="invoiced quote"
        ),
        pytest.param(
            "PurchaseOrders",
            {"Status": "BILLED"},
            State.LIVE,
            "billed",
            {"Status", "SentToContact"},
            id="billed order",
        ),
        pytest.param("PurchaseOrders", {"Status": "AUTHORISED"}, State.LIVE, None, (), id="approved order"),
    ],
)
def test_states_and_locks(
    module: str, raw: dict[str, Any], state: State, reason: str | None, editable: Any
) -> None:
    read = record(module, **raw)
    assert read.state is state
    if reason is None:
        assert read.lock is None
    else:
        assert read.lock is not None
        assert reason in read.lock.reason
        assert read.lock.editable == frozenset(editable)


def test_an_order_of_an_archived_contact_takes_all_but_approval() -> None:
    module = CATALOGUE.module("PurchaseOrders")
    assert module is not None
    raw = {"Contact": {"ContactID": "c", "ContactStatus": "ARCHIVED"}}
    lock = lock_of(module, {"Status": "DRAFT"}, raw)
    assert lock is not None
    assert "Status" not in lock.editable
    assert {"Reference", "LineItems"} <= lock.editable
    assert lock_of(module, {"Status": "AUTHORISED"}, raw) is None


@pytest.mark.parametrize(
    ("module", "kind", "raw", "ends"),
    [
        pytest.param("Bills", "delete", {"Status": "DRAFT"}, "DELETED", id="a draft is deleted"),
        pytest.param("Bills", "void", {"Status": "SUBMITTED"}, "DELETED", id="a draft is deleted by a void"),
        pytest.param("Bills", "void", {"Status": "AUTHORISED"}, "VOIDED", id="what is approved is voided"),
        pytest.param("Bills", "delete", {"Status": "AUTHORISED"}, "approved", id="and not deleted"),
        pytest.param("Bills", "void", {"Status": "PAID"}, "paid", id="what is paid is not voided"),
        pytest.param(
            "Invoices", "void", {"Status": "AUTHORISED", "AmountCredited": 1}, "paid", id="credited"
        ),
        pytest.param(
            "CreditNotes",
            "void",
            {"Status": "AUTHORISED", "Allocations": [{"AllocationID": "a"}]},
            "paid",
            id="a note that is set off",
        ),
        pytest.param(
            "Invoices",
            "void",
            {"Status": "AUTHORISED", "Date": "/Date(1750000000000+0000)/"},
            "locked-period",
            id="a locked period is known before the call",
        ),
        pytest.param("Invoices", "void", {"Status": "VOIDED"}, OutcomeKind.DONE, id="voided already"),
        pytest.param("Invoices", "void", {"Status": "DELETED"}, OutcomeKind.DONE, id="deleted already"),
        pytest.param("Invoices", "delete", {"Status": "VOIDED"}, "voided", id="a voided one stays"),
        pytest.param("Quotes", "delete", {"Status": "INVOICED"}, "DELETED", id="any quote is deleted"),
        pytest.param("PurchaseOrders", "delete", {"Status": "AUTHORISED"}, "DELETED", id="an order"),
        pytest.param("PurchaseOrders", "delete", {"Status": "BILLED"}, "billed", id="a billed order is not"),
    ],
)
def test_how_records_end(module: str, kind: str, raw: dict[str, Any], ends: str | OutcomeKind) -> None:
    planned = plan_ending(module, WriteKind(kind), record(module, **raw))
    if not isinstance(planned, Outcome):
        assert planned == ends
    elif isinstance(ends, OutcomeKind):
        assert planned.kind is ends
    else:
        assert (planned.kind, planned.code) == (OutcomeKind.REFUSED, ends)
        assert planned.message


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("ACCRECPAYMENT", "Invoice", "Invoice"),
        ("ACCPAYPAYMENT", "Invoice", "Bill"),
        ("ARCREDITPAYMENT", "CreditNote", "CreditNote"),
        ("APCREDITPAYMENT", "CreditNote", "SupplierCredit"),
    ],
)
def test_a_payment_names_what_it_pays(kind: str, theirs: str, ours: str) -> None:
    document = {f"{theirs}ID": "d"}
    row = from_wire("Payments", {"PaymentType": kind, theirs: document})
    assert row[ours] == document
    assert set(row) == {"PaymentType", ours}
    assert to_wire("Payments", {ours: document}) == {theirs: document}


def test_a_payment_of_something_else_names_nothing() -> None:
    row = record("Payments", PaymentType="ARPREPAYMENTPAYMENT", Status="AUTHORISED", Prepayment={"ID": 1})
    assert not set(row.values) & {"Invoice", "Bill", "CreditNote", "SupplierCredit"}


def test_a_quote_always_names_contact_and_date() -> None:
    held = record("Quotes", Contact={"ContactID": "c", "Name": "N"}, Date="/Date(1750000000000+0000)/")
    write = Write(kind=WriteKind.UPDATE, key="k", id="x", values={"Title": "T"})
    done = complete_update("Quotes", write, held)
    assert done.values == {"Title": "T", "Contact": {"ContactID": "c", "Name": "N"}, "Date": "2025-06-15"}
    own = Write(kind=WriteKind.UPDATE, key="k", id="x", values={"Date": "2026-01-01"})
    assert complete_update("Quotes", own, held).values["Date"] == "2026-01-01"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param(
            [{"Name": "Region", "Option": "East"}],
            [{"Name": "Region", "Option": "East"}, {"Name": "Department", "Option": "Trade"}],
            id="the category that is not named stays",
        ),
        pytest.param(
            [{"Name": "Region", "Option": None}],
            [{"Name": "Department", "Option": "Trade"}],
            id="one is taken away",
        ),
    ],
)
def test_tracking_of_a_line(sent: list[dict[str, Any]], stored: list[dict[str, Any]]) -> None:
    tracking = [{"Name": "Region", "Option": "North"}, {"Name": "Department", "Option": "Trade"}]
    held = record("Bills", LineItems=[{"LineItemID": "l", "Tracking": tracking}])
    lines = Items(items=(Item(id="l", values={"Tracking": sent}), Item(values={"Tracking": sent})))
    write = Write(kind=WriteKind.UPDATE, key="k", id="x", values={"LineItems": lines})
    done = complete_update("Bills", write, held).values["LineItems"]
    assert done.items[0].values["Tracking"] == stored
    assert done.items[1].values["Tracking"] == sent


def test_the_stock_of_a_tracked_item_is_part_of_its_version() -> None:
    def version(**more: Any) -> str:
        return record("Items", Code="A", **more).version

    plain = version()
    assert version(QuantityOnHand=3) == plain
    tracked = version(IsTrackedAsInventory=True, QuantityOnHand=3, TotalCostPool=30)
    assert tracked != version(IsTrackedAsInventory=True, QuantityOnHand=2, TotalCostPool=20)
    assert tracked == version(IsTrackedAsInventory=True, QuantityOnHand=3.0, TotalCostPool="30.00")


def test_choices_of_tracking_and_of_paying_accounts() -> None:
    found = with_choices(
        currencies=["AUD"],
        tax_types=["OUTPUT"],
        accounts=["200", "090"],
        paying=["090"],
        tracking={"Region": ["North", "South"], "Brand": ["A"]},
    )
    bills, payments, items = (found.module(n) for n in ("Bills", "Payments", "Items"))
    assert bills is not None
    assert payments is not None
    assert items is not None
    line = {f.name: f for f in bills.field("LineItems").fields}  # type: ignore[union-attr]
    tracking = {f.name: f.choices for f in line["Tracking"].fields}
    assert (tracking["Name"], tracking["Option"]) == (("Region", "Brand"), ("North", "South", "A"))
    assert line["AccountCode"].choices == ("200", "090")
    account = payments.field("Account")
    assert account is not None
    assert account.fields[0].choices == ("090",)
    assert items.field("Code").choices is None  # type: ignore[union-attr]
