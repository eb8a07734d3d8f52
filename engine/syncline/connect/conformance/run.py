"""A run of the kit: every promise tried by itself, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from msgspec import Struct

from syncline.connect.conformance.bench import Bench
from syncline.connect.conformance.promise import Broken, Case, Level, NotApplicable, Promise
from syncline.connect.conformance.samples import Samples
from syncline.connect.conformance.table import PROMISES
from syncline.connect.contract import Connector
from syncline.connect.secrets import redact
from syncline.errors import SynclineError


class Verdict(StrEnum):
    HOLDS = "ok"
    FAILED = "FAILED"
    NOT_APPLICABLE = "not applicable"


class Finding(Struct, frozen=True, kw_only=True):
    """What came of one promise. ``why``: of a failure or of not being applicable, a sentence for each
    module it concerns; ``notes``: what was left out of a promise that holds."""

    promise: Promise
    verdict: Verdict
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    connector: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether no promise failed."""
        return all(f.verdict is not Verdict.FAILED for f in self.findings)

    @property
    def level(self) -> Level | None:
        """The highest level all of whose promises, and those of the levels below, were tried and hold.

        One that does not apply is no obstacle, but a level of which nothing applies is not reached.
        """
        reached = None
        for level in Level:
            names = {p.name for p in PROMISES if p.level is level}
            here = [f for f in self.findings if f.promise.level is level]
            verdicts = {f.verdict for f in here}
            tried = {f.promise.name for f in here} == names
            if not tried or Verdict.FAILED in verdicts or Verdict.HOLDS not in verdicts:
                break
            reached = level
        return reached


def run(
    connector: Connector,
    *,
    only: Sequence[str] = (),
    heard: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Try the promises (``only`` those named, of :data:`PROMISES`) against the connector's own sandbox.

    Each gets a sandbox of its own on loopback. ``heard`` is called after each. Never raises for what the
    connector does.
    """
    findings = []
    for promise in PROMISES:
        if only and promise.name not in only:
            continue
        finding = judge(connector, promise)
        heard(finding)
        findings.append(finding)
    return Report(connector=connector.name, findings=tuple(findings))


def judge(connector: Connector, promise: Promise) -> Finding:
    """Try one promise."""
    trial = _Trial()
    try:
        with Bench(connector, promise.world) as bench:
            samples = Samples(bench)
            if not promise.by_module:
                trial.run(promise, Case(bench, samples), "")
            else:
                for module in connector.catalogue().modules:
                    if not module.lookup:
                        trial.run(promise, Case(bench, samples, bench.live(module)), f"{module.name}: ")
                        bench.sandbox.faults.clear()
    except Exception as error:
        trial.failed.append(_raised(error))
    return trial.finding(promise)


class _Trial:
    """What is known of a promise so far."""

    def __init__(self) -> None:
        self.held = False
        self.failed: list[str] = []
        self.missed: list[str] = []
        self.notes: list[str] = []

    def run(self, promise: Promise, case: Case, place: str) -> None:
        try:
            promise.check(case)
        except NotApplicable as reason:
            self.missed.append(redact(f"{place}{reason}"))
        except Broken as broken:
            self.failed.append(redact(f"{place}{broken}"))
        except Exception as error:
            self.failed.append(f"{place}{_raised(error)}")
        else:
            self.held = True
        self.notes += [redact(f"{place}{note}") for note in case.notes]

    def finding(self, promise: Promise) -> Finding:
        if self.failed:
            return Finding(
                promise=promise,
                verdict=Verdict.FAILED,
                why=tuple(self.failed),
                notes=(*(f"not applicable: {text}" for text in self.missed), *self.notes),
            )
        if not self.held:
            why = tuple(self.missed) or ("the catalogue has no module of this kind",)
            return Finding(promise=promise, verdict=Verdict.NOT_APPLICABLE, why=why, notes=tuple(self.notes))
        notes = (*(f"not applicable: {text}" for text in self.missed), *self.notes)
        return Finding(promise=promise, verdict=Verdict.HOLDS, notes=notes)


def _raised(error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, SynclineError):
        return redact(f"expected no error, but {kind} was raised: {error.what}")
    return redact(f"expected no error but those of syncline.connect.errors, but {kind} was raised: {error}")
