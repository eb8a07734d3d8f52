"""Two ledgers over HTTP: a year of documents without a gap, then every kind of gap, made behind the
engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.ledgers.year import MODES, RATES, write_year
from tests.support.business import (
    DATE,
    DUE,
    a_while,
    book_entry,
    books_invoice,
    crm_invoice,
    example_with,
    line,
    open_business,
)
from tests.support.effort import effort
from tests.support.stage import Stage

from syncline.store.database import open_store
from syncline.store.lease import Leases

#: How many documents a year has.
COUNT = effort(240, 6_000)


def reconcile(stage: Stage, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The result for the invoices."""
    done = stage.run("reconcile", "--json", *arguments)
    assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
    found: dict[str, Any] = done.json["modules"]["invoices"]
    return found


def kinds(result: dict[str, Any]) -> dict[str, list[str]]:
    """By the number of each document that differs, what is wrong with it."""
    found: dict[str, list[str]] = {}
    for gap in result["gaps"]:
        name = next(told["name"] for told in gap["records"].values() if told)
        found.setdefault(name, []).extend(each["kind"] for each in gap["differences"])
    return found


def gap_of(result: dict[str, Any], number: str) -> dict[str, Any]:
    (found,) = [g for g in result["gaps"] if any(t and t["name"] == number for t in g["records"].values())]
    told: dict[str, Any] = found
    return told


def account_for(result: dict[str, Any]) -> None:
    """Every group's gap is, to the last digit, what the documents listed say."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for gap in result["gaps"]:
        for sign, system in zip((-1, 1), result["systems"], strict=True):
            told = gap["records"][system]
            if told is not None:
                key = (told["currency"], told["date"][:7])
                for what, value in (("count", 1), ("total", told["total"]), ("open", told["open"])):
                    sums[*key, what] += sign * (exact(value) if value is not None else 0)
    for group in result["groups"]:
        for what in ("count", "total", "open"):
            key = (group["currency"], group["period"], what)
            assert exact(group["gap"][what]) == sums[key], key


def exact(value: Any) -> Decimal:
    return Decimal(str(value))


@pytest.fixture
def year(stages: Callable[..., Stage]) -> Stage:
    """Both systems with a year of documents, in step."""
    stage = stages()
    write_year(stage, COUNT)
    stage.sync()
    a_while(stage)
    stage.sync()
    return stage


def test_a_year_in_step_has_no_gap(year: Stage) -> None:
    result = reconcile(year)
    assert (result["gaps"], result["kinds"], result["unexplained"]) == ([], {}, 0)
    assert result["read"] == {"crm": COUNT, "books": COUNT}
    assert {group["currency"] for group in result["groups"]} == set(RATES)
    assert len({group["period"] for group in result["groups"]}) == 12
    for group in result["groups"]:
        assert group["crm"] == group["books"]
        assert group["kinds"] == {}
    entries = year.books.records("Invoices")
    assert {row["LineAmountTypes"] for row in entries} == set(MODES)
    assert {row["Status"] for row in entries} == {"AUTHORISED", "PAID", "VOIDED", "DRAFT"}
    # What the books hold, added up here.
    alive = [row for row in entries if row["Status"] != "VOIDED"]
    for currency in RATES:
        own = [row for row in alive if row["CurrencyCode"] == currency]
        told = [group["books"] for group in result["groups"] if group["currency"] == currency]
        assert sum(each["count"] for each in told) == len(own)
        assert sum(exact(each["total"]) for each in told) == sum(row["Total"] for row in own)
        assert sum(exact(each["open"]) for each in told) == sum(row["AmountDue"] for row in own)


# --- what is done behind the engine --------------------------------------------------------------


def delete_in_crm(stage: Stage, number: str) -> None:
    stage.crm.act("delete", "Invoices", crm_invoice(stage, number)["id"])


def void_in_books(stage: Stage, number: str) -> None:
    stage.books.act("delete", "Invoices", book_entry(stage, number)["InvoiceID"])


def double_in_crm(stage: Stage, number: str) -> None:
    row = crm_invoice(stage, number)
    kept = ("Subject", "Account_Name", "Currency", "Invoice_Date", "Due_Date", "Books_Total", "Amount_Due")
    lines = [{k: r[k] for k in ("Product_Name", "Quantity", "List_Price")} for r in row["Invoiced_Items"]]
    copy = {name: row[name] for name in kept} | {"Books_Rate": row["Books_Rate"], "Invoiced_Items": lines}
    stage.crm.act("create", "Invoices", None, copy)


def edit_in_crm(**values: Any) -> Callable[[Stage, str], None]:
    def edit(stage: Stage, number: str) -> None:
        row = crm_invoice(stage, number)
        told = {name: value(row[name]) if callable(value) else value for name, value in values.items()}
        stage.crm.act("update", "Invoices", row["id"], told)

    return edit


def edit_in_books(**values: Any) -> Callable[[Stage, str], None]:
    def edit(stage: Stage, number: str) -> None:
        stage.books.act("update", "Invoices", book_entry(stage, number)["InvoiceID"], values)

    return edit


def bill_more(cents: str) -> Callable[[Stage, str], None]:
    """One more line, without tax."""

    def edit(stage: Stage, number: str) -> None:
        row = book_entry(stage, number)
        kept = [{"LineItemID": each["LineItemID"]} for each in row["LineItems"]]
        more = line(Quantity=1, UnitAmount=Decimal(cents), TaxType="EXEMPTOUTPUT")
        stage.books.act("update", "Invoices", row["InvoiceID"], {"LineItems": [*kept, more]})

    return edit


def pay_in_books(stage: Stage, number: str) -> None:
    stage.books.act("pay", "Invoices", book_entry(stage, number)["InvoiceID"], {"Date": DATE})


def more(by: str) -> Callable[[Any], Decimal]:
    return lambda value: Decimal(value) + Decimal(by)


#: What is done to a document of its own, and what must be found; only what comes first may have a currency.
INJECTED: dict[str, tuple[Callable[[Stage, str], None], list[str]]] = {
    "deleted in the CRM": (delete_in_crm, ["missing"]),
    "void in the books": (void_in_books, ["missing"]),
    "doubled in the CRM": (double_in_crm, ["doubled"]),
    "a cent more in the CRM": (edit_in_crm(Books_Total=more("0.01")), ["rounded"]),
    "a cent less in the CRM": (edit_in_crm(Books_Total=more("-0.01")), ["rounded"]),
    "a cent more in the books": (bill_more("0.01"), ["rounded"]),
    "a hundred more in the CRM": (edit_in_crm(Books_Total=more("100")), ["amount"]),
    "a hundred more in the books": (bill_more("100"), ["amount"]),
    "no total in the CRM": (edit_in_crm(Books_Total=None), ["amount"]),
    "another month in the CRM": (edit_in_crm(Invoice_Date="2026-12-24"), ["re-dated"]),
    "another month in the books": (edit_in_books(Date="2026-12-24"), ["re-dated"]),
    "another rate in the CRM": (edit_in_crm(Books_Rate=Decimal("7.5")), ["rate"]),
    "another currency in the CRM": (edit_in_crm(Currency="NZD"), ["currency"]),
    "paid in the books": (pay_in_books, ["open"]),
    "paid in the CRM": (edit_in_crm(Amount_Due=Decimal(0)), ["open"]),
    "moved and more": (
        edit_in_crm(Invoice_Date="2026-12-24", Books_Total=more("100")),
        ["amount", "re-dated"],
    ),
}


def untouched(stage: Stage) -> Iterator[str]:
    """Invoices that nothing was paid on and that still count, in foreign currency, from the first on."""
    for row in sorted(stage.books.records("Invoices"), key=lambda row: str(row["InvoiceNumber"])):
        if row["Status"] == "AUTHORISED" and not row["AmountPaid"] and row["CurrencyCode"] == "USD":
            yield str(row["InvoiceNumber"])


def test_every_gap_is_found_and_attributed_and_nothing_else(year: Stage) -> None:
    numbers = dict(zip(INJECTED, untouched(year), strict=False))
    assert len(numbers) == len(INJECTED)
    expected: dict[str, list[str]] = {}
    for what, (inject, wrong) in INJECTED.items():
        inject(year, numbers[what])
        expected[numbers[what]] = wrong
    # One in the books that was never anywhere else.
    lost = books_invoice(year, year.books.records("Contacts")[0]["ContactID"], "INV-LOST")
    expected["INV-LOST"] = ["missing"]

    year.forget_requests()
    result = reconcile(year, code=4)
    assert year.writes() == 0
    assert {name: sorted(found) for name, found in kinds(result).items()} == expected
    assert result["kinds"] == Counter(kind for found in expected.values() for kind in found)
    assert (result["unexplained"], result["explained"], result["left_off"]) == (len(expected), 0, 0)
    account_for(result)

    missing = gap_of(result, numbers["deleted in the CRM"])
    assert missing["records"]["crm"] is None
    assert "is gone in crm, and no pass has dealt with that yet" in missing["reason"]
    assert "is voided in books" in gap_of(result, numbers["void in the books"])["reason"]
    double = gap_of(result, numbers["doubled in the CRM"])
    assert double["records"]["books"] is None
    assert double["double_of"] == crm_invoice(year, numbers["doubled in the CRM"])["id"]
    assert gap_of(result, "INV-LOST")["records"]["books"]["id"] == lost
    assert gap_of(result, "INV-LOST")["reason"] == "no pass has found or made a counterpart"
    (cent,) = gap_of(result, numbers["a cent more in the CRM"])["differences"]
    assert (exact(cent["crm"]) - exact(cent["books"]), cent["declared"]) == (Decimal("0.01"), False)
    (moved,) = gap_of(result, numbers["another month in the books"])["differences"]
    assert (moved["books"], moved["crosses"]) == ("2026-12-24", True)
    (rate,) = gap_of(result, numbers["another rate in the CRM"])["differences"]
    assert (exact(rate["crm"]), exact(rate["books"])) == (Decimal("7.5"), Decimal("0.65"))


def test_what_a_pass_can_mend_is_no_gap_after_it(year: Stage) -> None:
    mended = {
        "a cent more in the books": bill_more("0.01"),
        "another month in the books": edit_in_books(Date="2026-12-24"),
        "another month in the CRM": edit_in_crm(Invoice_Date="2026-12-24"),
        "paid in the books": pay_in_books,
        "void in the books": void_in_books,
    }
    for (_, inject), number in zip(mended.items(), untouched(year), strict=False):
        inject(year, number)
    assert reconcile(year, code=4)["unexplained"] == len(mended)
    a_while(year)
    year.sync()
    assert reconcile(year)["gaps"] == []


def test_what_rests_is_a_gap_with_its_reason(stages: Callable[..., Stage]) -> None:
    stage = stages()
    contact = open_business(stage)
    stage.books.act("create", "Currencies", None, {"Code": "EUR", "rate": "0.6"})
    books_invoice(stage, contact, "INV-EUR", CurrencyCode="EUR")  # which the CRM does not know
    books_invoice(stage, contact, "INV-1")
    stage.sync(code=1)
    result = reconcile(stage)
    assert kinds(result) == {"INV-EUR": ["missing"]}
    gap = gap_of(result, "INV-EUR")
    assert gap["explained"] is True
    assert gap["reason"].startswith("failed: ")
    assert "Currency" in gap["reason"]


def test_what_a_rule_keeps_is_a_gap_with_its_reason(stages: Callable[..., Stage]) -> None:
    stage = stages()
    books_invoice(stage, open_business(stage), "INV-1")
    stage.sync()
    a_while(stage)
    delete_in_crm(stage, "INV-1")
    assert reconcile(stage, code=4)["unexplained"] == 1
    stage.sync()
    gap = gap_of(reconcile(stage), "INV-1")
    assert gap["explained"] is True
    assert gap["reason"].endswith("is deleted in crm, and deletes: {books: ignore} keeps this one")


FILTERED = """
invoices:
  where: {books: "{{ record.Status != 'DRAFT' }}"}
  fields:
    total: {tolerance: 0.05}
"""


def test_what_the_spec_leaves_out_or_allows_needs_nobody(stages: Callable[..., Stage]) -> None:
    stage = stages(spec=example_with(FILTERED))
    contact = open_business(stage)
    for number in ("INV-1", "INV-2"):
        books_invoice(stage, contact, number)
    books_invoice(stage, contact, "INV-DRAFT", Status="DRAFT")
    stage.sync()
    result = reconcile(stage)
    assert (result["gaps"], result["read"]["books"]) == ([], 3)
    assert [group["books"]["count"] for group in result["groups"]] == [2]
    edit_in_crm(Books_Total=Decimal("110.05"))(stage, "INV-1")
    result = reconcile(stage)
    assert kinds(result) == {"INV-1": ["rounded"]}
    (difference,) = gap_of(result, "INV-1")["differences"]
    assert (exact(difference["allowed"]), difference["declared"]) == (Decimal("0.05"), True)
    edit_in_crm(Books_Total=Decimal("110.06"))(stage, "INV-2")
    assert kinds(reconcile(stage, code=4)) == {"INV-1": ["rounded"], "INV-2": ["amount"]}


def test_before_the_first_pass_documents_are_joined_by_their_numbers(stages: Callable[..., Stage]) -> None:
    stage = stages()
    contact = open_business(stage)
    account, product = stage.crm.records("Accounts")[0]["id"], stage.crm.records("Products")[0]["id"]
    for number in ("INV-1", "INV-2"):
        books_invoice(stage, contact, number)
    row = {"Product_Name": {"id": product}, "Description": "Bread", "Quantity": 2, "List_Price": 50}
    for number, total in (("inv 1", 110), ("INV-3", 110)):
        told = {"Subject": number, "Account_Name": {"id": account}, "Currency": "AUD", "Books_Total": total}
        days = {"Invoice_Date": DATE, "Due_Date": DUE, "Amount_Due": total, "Books_Rate": 1}
        stage.crm.act("create", "Invoices", None, {**told, **days, "Invoiced_Items": [row]})
    result = reconcile(stage, code=4)
    assert kinds(result) == {"INV-2": ["missing"], "INV-3": ["missing"]}


def test_a_window_of_days(year: Stage) -> None:
    whole = reconcile(year)
    window = reconcile(year, "--from", "2025-09-01", "--to", "2025-10-31")
    assert window["groups"] == [g for g in whole["groups"] if g["period"] in ("2025-09", "2025-10")]
    inside = next(n for n in untouched(year) if book_entry(year, n)["Date"].startswith("2025-09"))
    outside = next(n for n in untouched(year) if book_entry(year, n)["Date"].startswith("2026-03"))
    edit_in_crm(Books_Total=more("1"))(year, outside)
    assert reconcile(year, "--from", "2025-09-01", "--to", "2025-10-31")["gaps"] == []
    edit_in_crm(Invoice_Date="2025-12-01")(year, inside)
    result = reconcile(year, "--from", "2025-09-01", "--to", "2025-10-31", code=4)
    assert kinds(result) == {inside: ["re-dated"]}
    (group,) = [g for g in result["groups"] if any(g["gap"].values())]
    assert (group["period"], group["gap"]["count"]) == ("2025-09", 1)


def test_people_are_told_in_lines(stages: Callable[..., Stage]) -> None:
    stage = stages()
    contact = open_business(stage)
    for number in ("INV-1", "INV-2"):
        books_invoice(stage, contact, number)
    stage.sync()
    done = stage.run("reconcile")
    assert done.code == 0
    assert "  AUD 2026-06: 2 documents, total 220.00, open 220.00 at both ends\n" in done.out
    assert done.out.splitlines()[-1].startswith("done: no gap to look at; ")
    edit_in_crm(Books_Total=Decimal("110.01"))(stage, "INV-2")
    done = stage.run("reconcile", "--limit", "0")
    assert done.code == 4
    assert "gap: 0 documents, total -0.01, open 0.00\n" in done.out
    assert "  ... and 1 more document\n" in done.out
    assert "total rounded, within 0.01 (the rounding of its lines): crm says 110.01, books says 110.00" in (
        stage.run("reconcile").out
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["--module", "accounts"], 1, "does not say what their money is", id="no documents"),
        pytest.param(["--module", "invoice"], 1, "no module 'invoice'", id="no such module"),
        pytest.param(["--from", "2026-02-30"], 2, "2026-02-30", id="no such day"),
        pytest.param(["--from", "2026-02-02", "--to", "2026-02-01"], 2, "lies before", id="turned days"),
    ],
)
def test_what_cannot_be_compared_is_said(
    stages: Callable[..., Stage], arguments: list[str], code: int, words: str
) -> None:
    done = stages().run("reconcile", *arguments)
    assert done.code == code
    assert words in done.err


def test_a_remote_that_fails_leaves_the_module_out(stages: Callable[..., Stage]) -> None:
    stage = stages()
    books_invoice(stage, open_business(stage), "INV-1")
    stage.sync()
    stage.books.server.close()
    done = stage.run("reconcile", "--json")
    assert done.code == 1


def test_a_pass_may_be_at_work_meanwhile(stages: Callable[..., Stage]) -> None:
    stage = stages()
    books_invoice(stage, open_business(stage), "INV-1")
    stage.sync()
    file = str(stage.folder / ".syncline" / "state.db")
    with open_store(file) as state, Leases(state).hold("acme:invoices"):
        assert reconcile(stage)["gaps"] == []
