"""How writes are put together after some were lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.reconcile.isolation import ALONE, group_by_losses


@pytest.mark.parametrize(
    ("losses", "batch", "groups"),
    [
        pytest.param([], 50, [], id="nothing to send"),
        pytest.param([0, 0, 0], 50, [[0, 1, 2]], id="first tries go together"),
        pytest.param([0, 0, 0], 2, [[0, 1], [2]], id="never more than a call takes"),
        pytest.param([1] * 9, 40, [[0, 1, 2, 3, 4], [5, 6, 7, 8]], id="lost once: an eighth of a batch"),
        pytest.param([1, 1], 4, [[0], [1]], id="an eighth of a small batch is one"),
        pytest.param([2, 5], 50, [[0], [1]], id="lost twice or more: alone"),
        pytest.param([2, 0, 1, 0], 50, [[1, 3], [2], [0]], id="first tries wait for nobody"),
    ],
)
def test_groups(losses: list[int], batch: int, groups: list[list[int]]) -> None:
    assert group_by_losses(losses, batch) == groups


@given(st.lists(st.integers(0, 9), max_size=120), st.integers(1, 100))
def test_each_is_sent_once_and_its_losses_only_shrink_its_company(losses: list[int], batch: int) -> None:
    groups = group_by_losses(losses, batch)
    assert sorted(place for group in groups for place in group) == list(range(len(losses)))
    for group in groups:
        assert len(group) <= batch
        assert len({min(losses[place], ALONE) for place in group}) == 1
        if losses[group[0]] >= ALONE:
            assert len(group) == 1
