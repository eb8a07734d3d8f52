"""The stages on which faults are played: one for many calls, with records that both ends know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.calls import STAGES, Call, populate
from tests.support.stage import Stage


class Theatre:
    """A stage that is used for many cases of many calls, and made anew after one that failed. ``call``: the
    one that is played."""

    def __init__(self, folder: Path, call: Call, state: str | None = None) -> None:
        self._folder, self.call, self.state = folder, call, state
        self._number = 0
        self._cases = 0
        self._stage: Stage | None = None

    def case(self) -> int:
        """The number of another case."""
        self._cases += 1
        return self._cases

    def stage(self) -> Stage:
        if self._stage is None:
            self._number += 1
            folder = self._folder / f"stage{self._number}"
            folder.mkdir()
            self._stage = Stage(folder, **{**STAGES[self.call.module], "patient": False, "state": self.state})
            self._stage.connect()
            populate(self._stage, self.call.module)
        return self._stage

    def discard(self) -> None:
        if self._stage is not None:
            self._stage.__exit__(None, None, None)
            self._stage = None

    def end(self) -> None:
        """Nothing is left to do by what all the cases left behind."""
        try:
            if self._stage is not None:
                self._stage.assert_idle()
        finally:
            self.discard()


@pytest.fixture(scope="module")
def theatres() -> Iterator[dict[str, Theatre]]:
    """By what is on the stage: to bring records in step takes longer than to play a case."""
    made: dict[str, Theatre] = {}
    yield made
    for each in made.values():
        each.end()


@pytest.fixture
def theatre(
    request: pytest.FixtureRequest, theatres: dict[str, Theatre], tmp_path_factory: pytest.TempPathFactory
) -> Theatre:
    call: Call = request.param
    if call.stage not in theatres:
        theatres[call.stage] = Theatre(tmp_path_factory.mktemp("theatre"), call)
    theatres[call.stage].call = call
    return theatres[call.stage]
