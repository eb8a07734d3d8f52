"""Ledgers: whether two sets of documents say the same money, told document by document.

Pure: what is compared comes in as :class:`Document` values, one for each record of an end, and what goes out
is sums by currency with period, beside the gaps that explain them. The sums are of what each end itself says,
so that the gap of a group is, to the last digit, what its documents account for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct, field

from syncline.mapping.filters import EXACT, blank
from syncline.mapping.module import Side

#: More documents than this under one key are no evidence of anything.
MAX_GROUP = 50

#: Currencies whose smallest unit is not a hundredth (ISO 4217, list one, checked 2026-11).
_PLACES = dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
_PLACES |= dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3) | {"CLF": 4, "UYW": 4}


class Kind(StrEnum):
    """What is wrong with a document that two ledgers do not agree on."""

    MISSING = "missing"  # at one end: gone, ended there, or it has no counterpart
    DOUBLED = "doubled"  # a second record of what its own end has already
    CURRENCY = "currency"
    AMOUNT = "amount"
    ROUNDED = "rounded"  # an amount that differs by no more than the rounding of its lines, or the tolerance
    REDATED = "re-dated"
    RATE = "rate"
    OPEN = "open"  # the totals agree and what is still owed does not
    UNREADABLE = "unreadable"  # a value that its own map cannot read


class Document(Struct, frozen=True, kw_only=True):
    """A record of one end as its ledger counts it, in the terms that both ends share.

    ``day``: YYYY-MM-DD; ``lines``: how many items it has, 0 when nothing says so; ``counts``: it adds to the
    ledger, else ``why`` says why not (deleted, voided, ...); ``fault``: why a value could not be read.
    """

    id: str
    label: str = ""
    day: str | None = None
    currency: str = ""
    total: Decimal | None = None
    open: Decimal | None = None
    rate: Decimal | None = None
    lines: int = 0
    counts: bool = True
    why: str = ""
    fault: str = ""


class Terms(Struct, frozen=True, kw_only=True):
    """By what two documents are compared. ``total``, ``open``, ``rate``: the tolerance that the spec declares
    for each, ``None`` for none; ``opens``, ``rates``: whether those are compared at all; ``since``,
    ``until``: the first and last day that counts, YYYY-MM-DD."""

    total: Decimal | None = None
    open: Decimal | None = None
    rate: Decimal | None = None
    opens: bool = True
    rates: bool = True
    since: str | None = None
    until: str | None = None

    def covers(self, document: Document) -> bool:
        """Whether the document's day lies in the window; one without a day lies in the whole of time only."""
        if self.since is None and self.until is None:
            return True
        day = document.day
        return day is not None and (self.since or "") <= day and (self.until is None or day <= self.until)


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that two documents do not agree on. ``of``: total, open, rate, date, currency or document;
    ``allowed``: for ROUNDED, how much the two may differ; ``declared``: the spec says so; ``crosses``: for
    REDATED, whether the two days lie in different periods."""

    kind: Kind
    of: str
    left: Any = None
    right: Any = None
    allowed: Decimal | None = None
    declared: bool = False
    crosses: bool = False


class GroupKey(NamedTuple):
    """``period``: YYYY-MM, empty for documents without a day."""

    currency: str
    period: str


class Sums(Struct):
    """What one end says of a group: documents, totals and open balances, exact."""

    count: int = 0
    total: Decimal = Decimal(0)
    open: Decimal = Decimal(0)

    def add(self, document: Document, sign: int = 1) -> None:
        self.count += sign
        self.total = EXACT.add(self.total, sign * (document.total or Decimal(0)))
        self.open = EXACT.add(self.open, sign * (document.open or Decimal(0)))


class Group(Struct):
    """One currency in one period: ``ends`` as (left, right), ``kinds`` how many documents have each kind of
    difference."""

    ends: tuple[Sums, Sums] = field(default_factory=lambda: (Sums(), Sums()))
    kinds: Counter[Kind] = field(default_factory=Counter)

    @property
    def gap(self) -> Sums:
        """The right end's sums without the left end's."""
        left, right = self.ends
        return Sums(
            right.count - left.count,
            EXACT.subtract(right.total, left.total),
            EXACT.subtract(right.open, left.open),
        )


class Balance:
    """The sums of two ledgers, by group. Holds nothing of a document but what it adds."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.groups: dict[GroupKey, Group] = {}

    def add(
        self, left: Document | None, right: Document | None, differences: Sequence[Difference] = ()
    ) -> None:
        """Count two documents that are the same thing, or one that is alone."""
        touched = set()
        for side, document in ((Side.LEFT, left), (Side.RIGHT, right)):
            key = None if document is None else group_of(document, self.terms)
            if document is not None and key is not None:
                group = self.groups.setdefault(key, Group())
                group.ends[side].add(document)
                touched.add(key)
        for key in touched:
            self.groups[key].kinds.update({difference.kind for difference in differences})


def group_of(document: Document, terms: Terms) -> GroupKey | None:
    """The group that a document adds to; ``None`` when it adds to none."""
    if not document.counts or not terms.covers(document):
        return None
    return GroupKey(document.currency, period_of(document.day))


def period_of(day: str | None) -> str:
    """The month of a day."""
    return (day or "")[:7]


def compare_documents(left: Document | None, right: Document | None, terms: Terms) -> tuple[Difference, ...]:
    """What two documents of the two ends, which are the same thing, do not agree on; one is ``None`` where
    its end has none. A pair of which neither counts, or neither lies in the window, has nothing to agree
    on."""
    there = [d for d in (left, right) if d is not None and d.counts]
    if not any(terms.covers(document) for document in there):
        return ()
    faults = [
        Difference(kind=Kind.UNREADABLE, of="document", left=_fault(left), right=_fault(right))
        for _ in range(any(document.fault for document in there))
    ]
    if left is None or right is None or not (left.counts and right.counts):
        return (Difference(kind=Kind.MISSING, of="document"), *faults)
    found = [*faults, *_compare_days(left, right), *_compare_money(left, right, terms)]
    return tuple(found)


def smallest_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 for most, 1 for JPY, 0.001 for KWD."""
    return Decimal(1).scaleb(-_PLACES.get(currency, 2))


def _fault(document: Document | None) -> str | None:
    return document.fault or None if document is not None else None


def _compare_days(left: Document, right: Document) -> Iterator[Difference]:
    if left.day != right.day:
        crosses = period_of(left.day) != period_of(right.day)
        yield Difference(kind=Kind.REDATED, of="date", left=left.day, right=right.day, crosses=crosses)


def _compare_money(left: Document, right: Document, terms: Terms) -> Iterator[Difference]:
    same_currency = left.currency == right.currency
    if not same_currency:
        yield Difference(kind=Kind.CURRENCY, of="currency", left=left.currency, right=right.currency)
    step = smallest_unit(left.currency) * max(1, left.lines, right.lines)
    moved = _apart(left.total, right.total)
    if moved or (left.total is None) != (right.total is None):
        yield _amount(Kind.AMOUNT, "total", left.total, right.total, terms.total, step)
    owed = _apart(left.open, right.open)
    # A total that differs takes the open balance with it: that is one thing to mend, not two.
    if terms.opens and owed and owed != moved:
        yield _amount(Kind.OPEN, "open", left.open, right.open, terms.open, step)
    # In another currency another rate is what must be.
    if terms.rates and same_currency:
        # A document of the home currency has the rate 1, or none.
        rates = [Decimal(1) if each.rate is None else each.rate for each in (left, right)]
        if abs(_apart(rates[0], rates[1])) > (terms.rate or 0):
            yield Difference(kind=Kind.RATE, of="rate", left=left.rate, right=right.rate)


def _amount(
    kind: Kind,
    of: str,
    left: Decimal | None,
    right: Decimal | None,
    tolerance: Decimal | None,
    step: Decimal,
) -> Difference:
    allowed = step if tolerance is None else tolerance
    if left is None or right is None or abs(_apart(left, right)) > allowed:
        return Difference(kind=kind, of=of, left=left, right=right)
    return Difference(
        kind=Kind.ROUNDED, of=of, left=left, right=right, allowed=allowed, declared=tolerance is not None
    )


def _apart(left: Decimal | None, right: Decimal | None) -> Decimal:
    return EXACT.subtract(right or Decimal(0), left or Decimal(0))


# --- gaps ----------------------------------------------------------------------------------------


class Gap(Struct, frozen=True, kw_only=True):
    """A document that the two ledgers do not agree on. ``reason``: why it is so, where that is known;
    ``accepted``: that reason is one which the spec or the state of the work gives, so that nobody need look.
    ``double_of``: for DOUBLED, the record of the same end that it repeats."""

    left: Document | None
    right: Document | None
    differences: tuple[Difference, ...]
    reason: str = ""
    accepted: bool = False
    double_of: str | None = None

    @property
    def explained(self) -> bool:
        """Whether no person need look: it rests for a reason, or the spec declares how much may differ."""
        return self.accepted or all(each.kind is Kind.ROUNDED and each.declared for each in self.differences)


# --- who is the same, where no link says so ------------------------------------------------------


class Member(Struct, frozen=True, kw_only=True):
    """A document among those that share a key. ``marks``: by map that must not contradict, its value and the
    same as the other end would store it."""

    document: Document
    marks: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def join_members(
    lefts: Sequence[Member], rights: Sequence[Member], agree: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs (left id, right id) of documents with one key that nothing contradicts, the likest first: each
    document in one pair at most. This decides nothing but what to compare, so it may guess where a pass must
    ask."""
    if len(lefts) > MAX_GROUP or len(rights) > MAX_GROUP:
        return []
    ranked = sorted(
        (-_likeness(left.document, right.document), left.document.id, right.document.id)
        for left in lefts
        for right in rights
        if not contradict(left, right, agree)
    )
    taken: tuple[set[str], set[str]] = (set(), set())
    pairs = []
    for _, left, right in ranked:
        if left not in taken[0] and right not in taken[1]:
            taken[0].add(left)
            taken[1].add(right)
            pairs.append((left, right))
    return pairs


def find_double(
    member: Member, others: Sequence[Member], agree: Sequence[str], paired: frozenset[str]
) -> str | None:
    """The record that ``member``, which has no counterpart, repeats: one of its own end with the same key and
    nothing that contradicts it. The one with a counterpart (``paired``) is the original, else the first."""
    same = [
        other.document.id
        for other in others
        if other.document.id != member.document.id and not contradict(member, other, agree)
    ]
    originals = [i for i in same if i in paired] or [i for i in same if i < member.document.id]
    return min(originals, default=None)


def contradict(one: Member, other: Member, agree: Sequence[str]) -> bool:
    """Whether a map is filled on both and different, whichever end's form is compared."""
    return any(_contradicts(one.marks.get(name, ()), other.marks.get(name, ())) for name in agree)


def _contradicts(one: Sequence[Any], other: Sequence[Any]) -> bool:
    mine, theirs = ([_folded(value) for value in values if not blank(value)] for values in (one, other))
    return bool(mine) and bool(theirs) and not set(mine) & set(theirs)


def _folded(value: Any) -> str:
    return "".join(str(value).casefold().split())


def _likeness(left: Document, right: Document) -> int:
    return (left.currency == right.currency) + 2 * (left.day == right.day) + 4 * (left.total == right.total)
