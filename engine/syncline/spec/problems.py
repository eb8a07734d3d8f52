"""What is wrong in a spec, and exactly where."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from syncline.errors import SynclineError


class Place(Struct, frozen=True, order=True):
    """A point in a spec file; ``line`` and ``column`` count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Problem(Struct, frozen=True, kw_only=True):
    """One finding. ``code`` is stable and has an entry in docs/errors.md; ``suggestion``: what to write."""

    place: Place
    code: str
    message: str
    severity: Severity = Severity.ERROR
    suggestion: str = ""


class SpecError(SynclineError):
    """A spec that the engine cannot obey; carries every problem found, sorted by place. ``shown``: all of
    them for people, with their source lines, where somebody has those."""

    def __init__(self, problems: Iterable[Problem], *, shown: str = "") -> None:
        self.shown = shown
        self.problems = tuple(sorted(problems, key=lambda p: (p.place, p.code)))
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{first.place}: {first.code}: {first.message}{more}", fix=first.suggestion)
