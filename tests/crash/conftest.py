"""Stages that are killed: the scenario played once for each database, and set back for each crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.crash.matrix import Truth, play
from tests.crash.scenario import EXAMPLE_STORY, Scenario
from tests.crash.theatre import Databases, Files, States, Theatre
from tests.crash.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote() as started:
        yield started


class Played:
    """A theatre, and each step of the scenario as it goes undisturbed, played when first asked for."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre = theatre
        self._truths: dict[str, Truth] = {}
        self._ends: list[object] = []

    def truth(self, step: str) -> Truth:
        for one in self.theatre.scenario.steps[len(self._truths) :]:
            if step in self._truths:
                break
            if self._ends:
                self.theatre.restore(self._ends[-1])  # type: ignore[arg-type]
            one.people(self.theatre)
            self._truths[one.name] = play(self.theatre, one.name)
            self._ends.append(self.theatre.snapshot())
        return self._truths[step]


@pytest.fixture(scope="module")
def open_theatre(
    tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, request: pytest.FixtureRequest
) -> Iterator[Callable[[str, Scenario], Theatre]]:
    """``open_theatre("sqlite", EXAMPLE_STORY)``: a connected stage on a database of its own."""
    with ExitStack() as stack:

        def make(database: str, scenario: Scenario) -> Theatre:
            folder = tmp_path_factory.mktemp("theatre")
            states: States
            if database == "sqlite":
                states = Files(folder)
            else:
                server = request.getfixturevalue("postgresql_server")
                template = request.getfixturevalue("postgresql_template")
                states = stack.enter_context(Databases(server, template))
            theatre = stack.enter_context(Theatre(folder, zygote, states=states, scenario=scenario))
            theatre.connect()
            return theatre

        yield make


@pytest.fixture(scope="module")
def played(open_theatre: Callable[[str, Scenario], Theatre]) -> Callable[..., Played]:
    """``played("sqlite")``: a scenario on that database, the same one for all tests of a module."""
    made: dict[tuple[str, str], Played] = {}

    def get(database: str, scenario: Scenario = EXAMPLE_STORY) -> Played:
        if (database, scenario.name) not in made:
            made[database, scenario.name] = Played(open_theatre(database, scenario))
        return made[database, scenario.name]

    return get
