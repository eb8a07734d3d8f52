"""Safety limits: what stops a pass before its first write."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncline.reconcile.limits import check_limits, check_listing, check_mass_change
from syncline.spec.model import Limits


def share(text: str) -> Limits:
    return Limits(deletes_share=Decimal(text), operations=None)


def count(number: int) -> Limits:
    return Limits(deletes_count=number, deletes_share=None, operations=None)


@pytest.mark.parametrize(
    ("limits", "planned", "links", "stops"),
    [
        pytest.param(Limits(), {}, 0, False, id="nothing planned"),
        pytest.param(share("0.05"), {(0, "delete"): 5}, 100, False, id="exactly the share"),
        pytest.param(share("0.05"), {(0, "delete"): 6}, 100, True, id="one above the share"),
        pytest.param(
            share("0.05"), {(0, "delete"): 3, (1, "archive"): 3}, 100, True, id="both ends together"
        ),
        pytest.param(share("0.05"), {(0, "archive"): 6}, 100, True, id="archives count as deletes"),
        pytest.param(share("0.05"), {(0, "create"): 60, (1, "update"): 60}, 100, False, id="others do not"),
        pytest.param(share("0.05"), {(1, "restore"): 60}, 100, False, id="a restore destroys nothing"),
        pytest.param(share("0.05"), {(0, "delete"): 1}, 3, False, id="the first of a small ledger"),
        pytest.param(share("0.05"), {(0, "delete"): 2}, 3, True, id="the second of a small ledger"),
        pytest.param(share("0"), {(0, "delete"): 1}, 100, True, id="a share of nothing allows none"),
        pytest.param(share("1"), {(0, "delete"): 100}, 100, False, id="a share of all allows all"),
        pytest.param(count(2), {(0, "delete"): 2}, 1_000, False, id="exactly the count"),
        pytest.param(count(2), {(0, "delete"): 3}, 1_000, True, id="one above the count"),
        pytest.param(count(0), {(0, "delete"): 1}, 1_000, True, id="a count of none"),
        pytest.param(Limits(operations=10), {(0, "create"): 5, (1, "update"): 5}, 0, False, id="all allowed"),
        pytest.param(
            Limits(operations=10), {(0, "create"): 6, (1, "update"): 5}, 0, True, id="one write more"
        ),
        pytest.param(Limits(operations=None), {(0, "create"): 10**6}, 0, False, id="no limit of writes"),
        pytest.param(Limits(deletes_share=None), {(0, "delete"): 99}, 1, False, id="no limit of deletes"),
    ],
)
def test_limits(limits: Limits, planned: dict[tuple[int, str], int], links: int, stops: bool) -> None:
    assert (check_limits(limits, planned, links) is not None) is stops


@pytest.mark.parametrize(
    ("limits", "planned", "says"),
    [
        pytest.param(
            share("0.05"),
            {(0, "delete"): 7},
            "7 deletes, archives and voids are planned for 100 links and limits.deletes is 5%",
            id="a share",
        ),
        pytest.param(
            count(2),
            {(0, "delete"): 7},
            "7 deletes, archives and voids are planned and limits.deletes is 2",
            id="a count",
        ),
        pytest.param(
            Limits(operations=3),
            {(0, "create"): 7},
            "7 writes are planned and limits.operations is 3",
            id="writes",
        ),
    ],
)
def test_what_a_stopped_pass_says(limits: Limits, planned: dict[tuple[int, str], int], says: str) -> None:
    assert check_limits(limits, planned, 100) == says


@pytest.mark.parametrize(
    ("share", "changing", "links", "stops"),
    [
        pytest.param("0.8", 100, 100, False, id="few, though all"),
        pytest.param("0.8", 101, 101, True, id="all of more than a few"),
        pytest.param("0.8", 160, 200, False, id="exactly the share"),
        pytest.param("0.8", 161, 200, True, id="one above the share"),
        pytest.param(None, 10**6, 10**6, False, id="no limit"),
    ],
)
def test_mass_changes(share: str | None, changing: int, links: int, stops: bool) -> None:
    limits = Limits(changes_share=None if share is None else Decimal(share))
    assert (check_mass_change(limits, changing, links) is not None) is stops


@pytest.mark.parametrize(
    ("listed", "known", "stops"),
    [
        pytest.param(0, 0, False, id="nothing and nothing known"),
        pytest.param(0, 1, True, id="nothing where one is known"),
        pytest.param(3, 9, False, id="a handful has become fewer"),
        pytest.param(5, 10, True, id="half"),
        pytest.param(6, 10, False, id="more than half"),
        pytest.param(20, 10, False, id="more than are known"),
    ],
)
def test_whole_lists(listed: int, known: int, stops: bool) -> None:
    assert (check_listing(listed, known) is not None) is stops
