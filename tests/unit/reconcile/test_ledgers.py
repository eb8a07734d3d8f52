"""What two documents do not agree on, who is the same where no link says so, and what the sums come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from syncline.reconcile.ledgers import (
    Balance,
    Difference,
    Document,
    Gap,
    GroupKey,
    Kind,
    Member,
    Sums,
    Terms,
    compare_documents,
    find_double,
    join_members,
    smallest_unit,
)

TERMS = Terms()


def invoice(**changes: Any) -> Document:
    """An invoice of 110.00 Australian dollars with two lines, of which 60.00 is still owed."""
    made = Document(
        id="1",
        label="INV-1",
        day="2026-06-10",
        currency="AUD",
        total=Decimal("110.00"),
        open=Decimal("60.00"),
        rate=Decimal(1),
        lines=2,
    )
    return replace(made, **changes)


def money(amount: str) -> Decimal:
    return Decimal(amount)


@pytest.mark.parametrize(
    ("right", "terms", "expected"),
    [
        pytest.param(invoice(), TERMS, [], id="the same"),
        pytest.param(invoice(total=money("110")), TERMS, [], id="the same in fewer digits"),
        pytest.param(invoice(label="INV-1 ", lines=3), TERMS, [], id="what is no money is not compared"),
        pytest.param(invoice(total=money("110.01")), TERMS, [Kind.ROUNDED], id="a cent"),
        pytest.param(
            invoice(total=money("109.98")), TERMS, [Kind.ROUNDED], id="a cent for each of two lines"
        ),
        pytest.param(invoice(total=money("110.03")), TERMS, [Kind.AMOUNT], id="more than a cent a line"),
        pytest.param(
            invoice(total=money("110.05")),
            Terms(total=money("0.05")),
            [Kind.ROUNDED],
            id="a declared tolerance",
        ),
        pytest.param(
            invoice(total=money("110.01")),
            Terms(total=Decimal(0)),
            [Kind.AMOUNT],
            id="no tolerance, declared",
        ),
        pytest.param(invoice(total=None), TERMS, [Kind.AMOUNT], id="no total"),
        pytest.param(
            invoice(total=money("120"), open=money("70")),
            TERMS,
            [Kind.AMOUNT],
            id="a total takes its open balance with it",
        ),
        pytest.param(
            invoice(total=money("120"), open=money("60.5")),
            TERMS,
            [Kind.AMOUNT, Kind.OPEN],
            id="another total, and another payment too",
        ),
        pytest.param(invoice(open=money("0")), TERMS, [Kind.OPEN], id="paid at one end"),
        pytest.param(invoice(open=money("60.01")), TERMS, [Kind.ROUNDED], id="a cent of the open balance"),
        pytest.param(invoice(open=money("0")), Terms(opens=False), [], id="open balances are not compared"),
        pytest.param(invoice(day="2026-06-11"), TERMS, [Kind.REDATED], id="another day"),
        pytest.param(invoice(day=None), TERMS, [Kind.REDATED], id="no day"),
        pytest.param(invoice(rate=money("0.65")), TERMS, [Kind.RATE], id="another rate"),
        pytest.param(invoice(rate=None), TERMS, [], id="no rate is the rate of the home currency"),
        pytest.param(
            invoice(rate=money("1.0001")), Terms(rate=money("0.001")), [], id="a rate within its tolerance"
        ),
        pytest.param(invoice(rate=money("0.65")), Terms(rates=False), [], id="rates are not compared"),
        pytest.param(
            invoice(currency="USD", rate=money("0.65")),
            TERMS,
            [Kind.CURRENCY],
            id="a currency brings its rate",
        ),
        pytest.param(
            invoice(day="2026-07-01", total=money("5"), rate=money("2")),
            TERMS,
            [Kind.REDATED, Kind.AMOUNT, Kind.RATE],
            id="several at once",
        ),
        pytest.param(None, TERMS, [Kind.MISSING], id="nothing at the other end"),
        pytest.param(invoice(counts=False, why="voided"), TERMS, [Kind.MISSING], id="void at the other end"),
        pytest.param(
            invoice(fault="total: 'x' is not a number", total=None),
            TERMS,
            [Kind.UNREADABLE, Kind.AMOUNT],
            id="unreadable",
        ),
        pytest.param(invoice(total=money("5")), Terms(since="2026-07-01"), [], id="before the window"),
        pytest.param(invoice(total=money("5")), Terms(until="2026-06-09"), [], id="after the window"),
        pytest.param(
            invoice(day="2026-07-01"), Terms(since="2026-07-01"), [Kind.REDATED], id="moved into the window"
        ),
        pytest.param(
            invoice(day="2026-07-01"), Terms(until="2026-06-30"), [Kind.REDATED], id="moved out of the window"
        ),
    ],
)
def test_what_two_documents_do_not_agree_on(
    right: Document | None, terms: Terms, expected: list[Kind]
) -> None:
    assert [each.kind for each in compare_documents(invoice(), right, terms)] == expected
    turned = compare_documents(right, invoice(), terms)
    assert [each.kind for each in turned] == expected


def test_a_pair_that_is_void_at_both_ends_has_nothing_to_agree_on() -> None:
    left, right = invoice(counts=False), invoice(counts=False, total=money("5"))
    assert compare_documents(left, right, TERMS) == ()


@pytest.mark.parametrize(
    ("days", "crosses"),
    [
        pytest.param(("2026-06-10", "2026-06-30"), False, id="within a month"),
        pytest.param(("2026-06-30", "2026-07-01"), True, id="over its end"),
        pytest.param(("2026-06-10", "2027-06-10"), True, id="by a year"),
    ],
)
def test_a_moved_document_says_whether_it_changes_its_period(days: tuple[str, str], crosses: bool) -> None:
    (found,) = compare_documents(invoice(day=days[0]), invoice(day=days[1]), TERMS)
    assert found == Difference(kind=Kind.REDATED, of="date", left=days[0], right=days[1], crosses=crosses)


@pytest.mark.parametrize(
    ("currency", "by", "kind"),
    [
        pytest.param("JPY", "1", Kind.ROUNDED, id="a yen"),
        pytest.param("JPY", "2.5", Kind.AMOUNT, id="more than a yen a line"),
        pytest.param("KWD", "0.002", Kind.ROUNDED, id="a fils a line"),
        pytest.param("KWD", "0.01", Kind.AMOUNT, id="ten fils"),
        pytest.param("", "0.01", Kind.ROUNDED, id="no currency is one of hundredths"),
    ],
)
def test_rounding_is_by_the_smallest_unit(currency: str, by: str, kind: Kind) -> None:
    left = invoice(currency=currency)
    right = replace(left, total=money("110") + money(by), open=money("60") + money(by))
    (found,) = compare_documents(left, right, TERMS)
    assert found.kind is kind
    assert found.allowed == (2 * smallest_unit(currency) if kind is Kind.ROUNDED else None)


@pytest.mark.parametrize(
    ("differences", "accepted", "explained"),
    [
        pytest.param([Kind.AMOUNT], False, False, id="an amount"),
        pytest.param([Kind.AMOUNT], True, True, id="an amount that rests for a reason"),
        pytest.param([Kind.ROUNDED], False, True, id="rounded within a declared tolerance"),
        pytest.param([Kind.ROUNDED, Kind.REDATED], False, False, id="rounded, and moved too"),
    ],
)
def test_a_gap_is_explained_by_its_reason_or_by_the_spec(
    differences: list[Kind], accepted: bool, explained: bool
) -> None:
    found = tuple(Difference(kind=kind, of="total", declared=True) for kind in differences)
    gap = Gap(left=invoice(), right=invoice(), differences=found, reason="failed", accepted=accepted)
    assert gap.explained is explained


def test_a_cent_within_what_lines_round_to_is_not_explained_unless_the_spec_says_so() -> None:
    for terms, explained in ((TERMS, False), (Terms(total=money("0.01")), True)):
        left, right = invoice(), invoice(total=money("110.01"))
        found = compare_documents(left, right, terms)
        assert found[0].kind is Kind.ROUNDED
        assert Gap(left=left, right=right, differences=found).explained is explained


# --- who is the same -----------------------------------------------------------------------------


def member(record: str, customer: str | None = None, **changes: Any) -> Member:
    return Member(document=invoice(id=record, **changes), marks={"customer": [customer]})


@pytest.mark.parametrize(
    ("lefts", "rights", "expected"),
    [
        pytest.param([member("a")], [member("x")], [("a", "x")], id="one with one"),
        pytest.param([member("a", "#1")], [member("x", "#2")], [], id="another customer"),
        pytest.param([member("a", "#1")], [member("x")], [("a", "x")], id="a customer that is not known"),
        pytest.param(
            [member("a", "Harbour Bakery ")],
            [member("x", "harbour bakery")],
            [("a", "x")],
            id="in other case",
        ),
        pytest.param(
            [member("a"), member("b", total=money("5"))],
            [member("x", total=money("5"))],
            [("b", "x")],
            id="the likest of two",
        ),
        pytest.param(
            [member("a"), member("b")], [member("x")], [("a", "x")], id="the first of two that are alike"
        ),
        pytest.param(
            [member("a"), member("b", total=money("5"))],
            [member("x", total=money("5")), member("y")],
            [("a", "y"), ("b", "x")],
            id="two with two",
        ),
        pytest.param([member(f"a{n}") for n in range(51)], [member("x")], [], id="too many are no evidence"),
    ],
)
def test_documents_of_one_key_are_joined(
    lefts: list[Member], rights: list[Member], expected: list[tuple[str, str]]
) -> None:
    assert sorted(join_members(lefts, rights, ["customer"])) == expected


@pytest.mark.parametrize(
    ("record", "others", "paired", "expected"),
    [
        pytest.param("b", [member("a", "#1"), member("b", "#1")], {"a"}, "a", id="of one with a counterpart"),
        pytest.param("a", [member("a", "#1"), member("b", "#1")], {"b"}, "b", id="of one that came later"),
        pytest.param("b", [member("a", "#1"), member("b", "#1")], set(), "a", id="of the first of two"),
        pytest.param("a", [member("a", "#1"), member("b", "#1")], set(), None, id="the first is no double"),
        pytest.param("b", [member("a", "#2"), member("b", "#1")], {"a"}, None, id="of another customer"),
        pytest.param("b", [member("b", "#1")], set(), None, id="alone"),
    ],
)
def test_a_double_is_known(record: str, others: list[Member], paired: set[str], expected: str | None) -> None:
    own = next(each for each in others if each.document.id == record)
    assert find_double(own, others, ["customer"], frozenset(paired)) == expected


# --- sums ----------------------------------------------------------------------------------------


def test_sums_are_by_what_each_end_says_itself() -> None:
    balance = Balance(TERMS)
    moved = (invoice(), invoice(day="2026-07-02"))
    balance.add(*moved, compare_documents(*moved, TERMS))
    balance.add(None, invoice(currency="USD"), compare_documents(None, invoice(currency="USD"), TERMS))
    balance.add(invoice(counts=False), None)
    june, july, dollars = (
        balance.groups[GroupKey(*key)] for key in (("AUD", "2026-06"), ("AUD", "2026-07"), ("USD", "2026-06"))
    )
    assert len(balance.groups) == 3
    assert june.gap == Sums(-1, Decimal(-110), Decimal(-60))
    assert july.gap == Sums(1, Decimal(110), Decimal(60))
    assert dollars.ends == (Sums(), Sums(1, Decimal(110), Decimal(60)))
    assert june.kinds == july.kinds == {Kind.REDATED: 1}
    assert dollars.kinds == {Kind.MISSING: 1}


def test_sums_are_exact_beyond_what_decimals_usually_keep() -> None:
    balance = Balance(TERMS)
    big, small = invoice(total=Decimal(10) ** 28), invoice(total=money("0.0000000001"))
    for each in (big, small):
        balance.add(each, each)
    (group,) = balance.groups.values()
    assert group.ends[0].total == Decimal("10000000000000000000000000000.0000000001")
    assert group.gap.total == 0
