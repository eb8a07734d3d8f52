"""The rows of two ledgers while they are compared."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from syncline.store.documents import Documents, Row


@pytest.fixture
def documents() -> Iterator[Documents]:
    with Documents() as opened:
        yield opened


def row(side: int, record: str, *, link: int | None = None, key: str = "", counts: bool = True) -> Row:
    return Row(side=side, id=record, link=link, counts=counts, body={"n": Decimal("1.10")}, keys=["", key])


def pairs(documents: Documents) -> list[tuple[str | None, str | None]]:
    found = documents.pairs()
    return sorted(
        ((left and left.id, right and right.id) for left, right in found),
        key=lambda pair: (pair[0] or "", pair[1] or ""),
    )


def test_rows_with_one_link_are_a_pair_when_both_count(documents: Documents) -> None:
    documents.add([row(0, "a", link=1), row(0, "b", link=2), row(0, "c", link=3), row(0, "d")])
    documents.add([row(1, "x", link=1), row(1, "y", link=2, counts=False), row(1, "z")])
    documents.pair_links()
    assert pairs(documents) == [(None, "y"), (None, "z"), ("a", "x"), ("b", None), ("c", None), ("d", None)]


def test_rows_that_are_alone_are_joined_by_a_key(documents: Documents) -> None:
    documents.add([row(0, "a", link=1, key="1"), row(0, "b", key="2"), row(0, "c", key="1")])
    documents.add([row(1, "x", link=1, key="1"), row(1, "y", key="2"), row(1, "z", key="1")])
    documents.pair_links()
    found = [
        ([each.id for each in lefts], [each.id for each in rights]) for lefts, rights in documents.groups(1)
    ]
    assert found == [(["c"], ["z"]), (["b"], ["y"])]
    assert list(documents.groups(0)) == []
    documents.join([("b", "y")])
    assert pairs(documents) == [(None, "z"), ("a", "x"), ("b", "y"), ("c", None)]
    assert [each.id for each in documents.members(1, "1", side=0)] == ["a", "c"]
    documents.pair_links()
    assert pairs(documents) == [(None, "y"), (None, "z"), ("a", "x"), ("b", None), ("c", None)]


def test_every_key_is_come_to_though_they_are_joined_on_the_way(documents: Documents) -> None:
    many = [f"{n:04d}" for n in range(1203)]
    documents.add(row(side, f"{side}-{key}", key=key) for side in (0, 1) for key in many)
    for lefts, rights in documents.groups(1):
        documents.join([(lefts[0].id, rights[0].id)])
    assert pairs(documents) == [(f"0-{key}", f"1-{key}") for key in many]


def test_a_row_is_replaced_with_its_keys(documents: Documents) -> None:
    documents.add([row(0, "a", key="1")])
    documents.add([row(0, "a", key="2", link=5)])
    assert documents.keys_of(0, "a") == [(1, "2")]
    found = documents.get(0, "a")
    assert found is not None
    assert (found.link, found.pair, found.body) == (5, None, {"n": Decimal("1.10")})
    documents.drop(0, ["a"])
    assert (documents.get(0, "a"), documents.keys_of(0, "a")) == (None, [])


def test_a_doubt_is_told_once(documents: Documents) -> None:
    documents.doubt([(0, "a"), (0, "b"), (1, "a"), (0, "c")])
    assert documents.doubted(0, 2) == ["a", "b"]
    documents.doubt([(0, "a"), (0, "d")])
    assert documents.doubted(0, 9) == ["c", "d"]
    assert documents.doubted(1, 9) == ["a"]
