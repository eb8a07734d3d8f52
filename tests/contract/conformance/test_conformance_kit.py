"""The kit says of good connectors that they are good, and of broken ones what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import conformance_mutants as mutants
import pytest
from conformance_mutants import MUTANTS, OPENED, Mutant
from tests.support.effort import LONG

from syncline.connect.conformance import PROMISES, Level, Verdict, run
from syncline.connect.contract import Connector
from syncline.connect.plugins import load_plugins


@lru_cache(maxsize=1)
def installed() -> dict[str, Connector]:
    return dict(load_plugins().connectors)


def _broken() -> Iterator[tuple[str, Mutant]]:
    """Each mutant of each connector that it fits; in a short run one for each promise, of one connector, the
    connectors in turn."""
    first = {mutant.breaks: mutant for mutant in reversed(MUTANTS)}
    for number, mutant in enumerate(MUTANTS if LONG else first.values()):
        fitting = [name for name, connector in sorted(installed().items()) if mutant.fits(connector)]
        for name in fitting if LONG else fitting[number % len(fitting) :][:1]:
            yield name, mutant


BROKEN = [
    pytest.param(name, mutant, id=f"{name}-{mutant.name}-{mutant.breaks}") for name, mutant in _broken()
]


@pytest.mark.parametrize("name", sorted(installed()))
def test_the_installed_connectors_keep_every_promise(name: str) -> None:
    report = run(installed()[name])
    failed = {f.promise.name: f.why for f in report.findings if f.verdict is Verdict.FAILED}
    assert not failed
    assert report.level is Level.SURVIVES
    unclear = [f.promise.name for f in report.findings if f.verdict is Verdict.NOT_APPLICABLE and not f.why]
    assert not unclear, "what does not apply has a reason"


@pytest.mark.parametrize(("name", "mutant"), BROKEN)
def test_a_broken_connector_fails_the_promise_it_breaks(name: str, mutant: Mutant) -> None:
    report = run(mutant.make(installed()[name]), only=[mutant.breaks])
    while OPENED:
        OPENED.pop().close()
    (finding,) = report.findings
    assert finding.verdict is Verdict.FAILED, finding
    assert finding.why, "a failure says what was expected and what was seen"
    assert all("expected" in why and ", but " in why for why in finding.why)
    assert not report.holds


def test_every_promise_is_broken_by_some_connector() -> None:
    assert {m.breaks for m in MUTANTS} == {p.name for p in PROMISES}


@pytest.mark.parametrize(
    ("mutant", "level"),
    [
        pytest.param(mutants.ForgetsDeleted, Level.READS, id="forgets-deleted"),
        pytest.param(mutants.KeepsNothing, Level.WRITES, id="keeps-nothing"),
        pytest.param(mutants.OneOutcomeForAll, Level.SURVIVES, id="one-outcome-for-all"),
    ],
)
def test_a_broken_promise_fails_alone_in_its_level(mutant: type[mutants.Wrapped], level: Level) -> None:
    (breaks,) = (m.breaks for m in MUTANTS if m.name == mutant.__name__)
    connector = mutants.WrappedConnector(installed()[min(installed())], mutant)
    names = [p.name for p in PROMISES if p.level is level]
    report = run(connector, only=names)
    assert [f.promise.name for f in report.findings if f.verdict is Verdict.FAILED] == [breaks]
