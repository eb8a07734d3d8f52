"""Two ledgers: whatever was injected is found where it was injected, and the gaps are what the documents
say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from syncline.reconcile.ledgers import (
    Balance,
    Document,
    GroupKey,
    Kind,
    Sums,
    Terms,
    compare_documents,
    group_of,
)

MONEY = st.decimals(min_value=-100_000, max_value=100_000, places=2)
DAYS = st.dates().map(lambda day: day.isoformat())
DOCUMENTS = st.builds(
    Document,
    id=st.text(min_size=1, max_size=4),
    day=st.none() | DAYS,
    currency=st.sampled_from(["AUD", "USD", "JPY", "KWD"]),
    total=st.none() | MONEY,
    open=st.none() | MONEY,
    rate=st.none() | st.decimals(min_value="0.01", max_value=100, places=4),
    lines=st.integers(0, 20),
    counts=st.booleans(),
)
PAIRS = st.tuples(st.none() | DOCUMENTS, st.none() | DOCUMENTS)
TERMS = st.builds(
    Terms,
    total=st.none() | st.decimals(min_value=0, max_value=1, places=2),
    opens=st.booleans(),
    rates=st.booleans(),
    since=st.none() | DAYS,
    until=st.none() | DAYS,
)


def tallied(pairs: list[tuple[Document | None, Document | None]], terms: Terms) -> Balance:
    balance = Balance(terms)
    for left, right in pairs:
        balance.add(left, right, compare_documents(left, right, terms))
    return balance


@given(st.lists(PAIRS, max_size=20), TERMS)
def test_the_listed_documents_account_for_every_gap_to_the_last_digit(
    pairs: list[tuple[Document | None, Document | None]], terms: Terms
) -> None:
    listed = [pair for pair in pairs if compare_documents(*pair, terms)]
    whole, part = tallied(pairs, terms), tallied(listed, terms)
    # Open balances that are not compared may differ for no reason.
    for key, group in whole.groups.items():
        gap = part.groups[key].gap if key in part.groups else Sums()
        assert (group.gap.count, group.gap.total) == (gap.count, gap.total)
        if terms.opens:
            assert group.gap.open == gap.open


@given(st.lists(PAIRS, max_size=20), TERMS)
def test_both_ends_are_judged_alike(
    pairs: list[tuple[Document | None, Document | None]], terms: Terms
) -> None:
    turned = tallied([(right, left) for left, right in pairs], terms)
    for key, group in tallied(pairs, terms).groups.items():
        assert turned.groups[key].ends == group.ends[::-1]
        assert turned.groups[key].kinds == group.kinds


def _more(by: str) -> Callable[[Document], Document]:
    return lambda d: replace(d, total=(d.total or Decimal(0)) + Decimal(by))


INJECTED: dict[Kind, Callable[[Document], Document | None]] = {
    Kind.MISSING: lambda d: None,
    Kind.ROUNDED: _more("0.001"),
    Kind.AMOUNT: _more("1000"),
    Kind.REDATED: lambda d: replace(d, day="2026-01-01" if d.day != "2026-01-01" else "2026-01-02"),
    Kind.RATE: lambda d: replace(d, rate=(d.rate or Decimal(1)) * 2),
    Kind.CURRENCY: lambda d: replace(d, currency="EUR"),
    Kind.OPEN: lambda d: replace(d, open=(d.open or Decimal(0)) + 1000),
}


@given(st.lists(DOCUMENTS, max_size=12), st.data())
def test_exactly_what_was_injected_is_found(ledger: list[Document], data: st.DataObject) -> None:
    ledger = [replace(d, counts=True, total=d.total or Decimal(0)) for d in ledger]
    injected = [data.draw(st.none() | st.sampled_from(sorted(INJECTED))) for _ in ledger]
    for document, kind in zip(ledger, injected, strict=True):
        other = document if kind is None else INJECTED[kind](document)
        found = [each.kind for each in compare_documents(document, other, Terms())]
        assert found == ([] if kind is None else [kind])


@given(DOCUMENTS, TERMS)
def test_a_document_adds_to_one_group_or_none(document: Document, terms: Terms) -> None:
    key = group_of(document, terms)
    assert key is None or (document.counts and key == GroupKey(document.currency, (document.day or "")[:7]))
