"""The stages on which faults are played: one for each call, with records that both ends know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.calls import SPECS, Call, populate
from tests.support.stage import Stage


class Theatre:
    """A stage that is used for many cases of one call, and made anew after one that failed."""

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
            self._stage = Stage(folder, spec=SPECS[self.call.module], patient=False, state=self.state)
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
def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    made = Theatre(tmp_path_factory.mktemp("theatre"), request.param)
    yield made
    made.end()
