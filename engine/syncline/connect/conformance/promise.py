"""One promise of the connector contract, as an entry of a table."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from syncline.connect.conformance.bench import Bench
    from syncline.connect.conformance.samples import Samples
    from syncline.connect.contract import RemoteModule


class Level(StrEnum):
    """How far a connector can be trusted; each level needs those before it."""

    DESCRIBED = "described"  # says truly what it is
    CONNECTS = "connects"  # signs in, stays signed in, knows who is there
    READS = "reads"  # delivers everything, once it is there, and goes on from any place
    WRITES = "writes"  # stores what was asked and nothing else, with a true outcome for each record
    SURVIVES = "survives"  # loses and repeats nothing when calls fail


class World(StrEnum):
    """What the sandbox holds when a check begins."""

    EMPTY = "empty"
    SMALL = "small"  # some of each kind: companies, products, documents
    DEMO = "demo"  # a small business: hundreds of each
    LARGE = "large"  # more companies than any page holds


class Broken(Exception):
    """A promise does not hold. Both texts are parts of one sentence: expected X, but Y."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}, but {seen}")


class NotApplicable(Exception):
    """Nothing can be said of a promise here; the text is the reason."""


class Case:
    """One check under way: its bench, the remote module in question, and what is worth a remark."""

    def __init__(self, bench: Bench, samples: Samples, module: RemoteModule | None = None) -> None:
        self.bench = bench
        self.samples = samples
        self.notes: list[str] = []
        self._module = module

    @property
    def module(self) -> RemoteModule:
        """The remote module under test; for promises that are checked module by module."""
        if self._module is None:
            raise LookupError("this promise is not checked module by module")
        return self._module

    def note(self, text: str) -> None:
        """Say what was left out, and why: nothing is skipped in silence."""
        self.notes.append(text)


Check = Callable[[Case], None]


class Promise(Struct, frozen=True, kw_only=True):
    """``promised``: one sentence. ``by_module``: checked for each remote module that is synced."""

    name: str
    level: Level
    promised: str
    check: Check
    world: World
    by_module: bool


class Chapter(Struct):
    """Promises of one level, in the order they are written down."""

    level: Level
    promises: list[Promise] = field(default_factory=list)

    def promise(
        self, name: str, promised: str, *, world: World = World.EMPTY, by_module: bool = False
    ) -> Callable[[Check], Check]:
        """Enter a check into the table."""

        def enter(check: Check) -> Check:
            entry = Promise(
                name=name,
                level=self.level,
                promised=promised,
                check=check,
                world=world,
                by_module=by_module,
            )
            self.promises.append(entry)
            return check

        return enter


def expect(holds: bool, expected: str, seen: str) -> None:
    """Raise :class:`Broken` unless it holds."""
    if not holds:
        raise Broken(expected, seen)
