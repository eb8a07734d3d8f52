"""A person moves to another company, and the pass that tells the ledger is killed everywhere."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.crash.conftest import Played
from tests.crash.matrix import KINDS, crash, matters, points
from tests.crash.moving_story import MOVING_STORY
from tests.support.effort import LONG
from tests.support.tally import Tally


@pytest.mark.parametrize("kind", KINDS)
def test_who_moves_is_there_once(played: Callable[..., Played], tally: Tally, kind: str) -> None:
    scene = played("sqlite", MOVING_STORY)
    truth = scene.truth("move")
    chosen = points(truth, kind)
    if not LONG:
        writing = [point for point in chosen if matters(point) and "token" not in str(point)]
        chosen = random.Random(kind).sample(writing, 1)
    missed = [point for point in chosen if not crash(scene.theatre, truth, point)]
    tally(KINDS[kind], len(chosen) - len(missed))
    tally("kill points of people who move", len(chosen) - len(missed))
    tally("points that did not come up again", len(missed))
    assert len(missed) <= max(1, len(chosen) // 5), [str(point) for point in missed]
