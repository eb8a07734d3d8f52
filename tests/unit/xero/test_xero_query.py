"""Whatever is asked in ``where`` and ``order`` is answered or refused, never a crash of the sandbox."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline_xero.sandbox.contacts import SHAPE as CONTACT
from syncline_xero.sandbox.invoices import SHAPE as INVOICE
from syncline_xero.sandbox.query import parse_order, parse_where
from syncline_xero.sandbox.wire import Refusal

ROWS = (
    {},
    {"Name": "Ana", "ContactID": "c", "Date": "2026-11-02", "AmountDue": Decimal("1.5"), "Status": "PAID"},
    {"Contact": {"ContactID": "c", "Name": None}, "UpdatedDateUTC": "2026-11-02T10:00:00.000Z", "Date": None},
)
WORDS = st.sampled_from(
    """Name Status Date AmountDue Contact.Name ContactID UpdatedDateUTC . ( ) == != > <= AND || ! "x" 'y' 1.5
    null true DateTime Guid , (2026,1,2) .Contains("a") .ToLower() ("x") ToUpper = &&""".split()
)


def is_error_16(refusal: Refusal) -> bool:
    return refusal.reply.status == 400 and b'"ErrorNumber":16' in refusal.reply.body


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=9).map(" ".join) | st.text(max_size=30))
def test_any_where_gives_an_answer_or_error_16(text: str) -> None:
    for shape in (CONTACT, INVOICE):
        try:
            predicate = parse_where(text, shape).predicate
            told = {type(predicate(dict(row))) for row in ROWS}
        except Refusal as refusal:
            told = {bool} if is_error_16(refusal) else set()
        assert told == {bool}


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=4).map(" ".join) | st.text(max_size=20))
def test_any_order_gives_an_answer_or_error_16(text: str) -> None:
    try:
        fine = bool(parse_order(text, CONTACT))
    except Refusal as refusal:
        fine = is_error_16(refusal)
    assert fine


@pytest.mark.parametrize("text", ["(" * 5000, "!" * 5000 + 'Name=="x"', '"' * 999])
def test_nesting_has_an_end(text: str) -> None:
    with pytest.raises(Refusal):
        parse_where(text, CONTACT)


@pytest.mark.parametrize(
    ("text", "optimised"),
    [
        ('Type=="ACCREC"', True),
        ('Type=="ACCREC" AND Date>=DateTime(2026,1,1)', True),
        ('Contact.Name=="x"', True),
        ("SentToContact==true", False),
        ('Reference.Contains("x")', False),
    ],
)
def test_which_fields_are_fast(text: str, optimised: bool) -> None:
    assert parse_where(text, INVOICE).optimised is optimised
