"""The macro files that a spec imports."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from msgspec import Struct

from syncline.spec.layers import Bases, is_there, leads_to, shown
from syncline.spec.model import Expression
from syncline.spec.nearest import did_you_mean
from syncline.spec.problems import Place, Problem

ENDING = ".j2"
MAX_BYTES = 200_000


class MacroSource(Struct, frozen=True):
    """A macro file as read. ``name``: as the spec writes it, at ``place``; ``file``: where it was found."""

    name: str
    file: str
    source: str
    place: Place


def read_macros(
    transforms: Sequence[Expression], bases: Bases, folders: Mapping[str, Path | None]
) -> tuple[tuple[MacroSource, ...], list[Problem]]:
    """The files that ``transforms`` names, and what cannot be found. A packaged file is named alone
    (``dates`` for ``dates.j2``), one's own by a path with a slash, relative to the spec file that says it
    (``folders``)."""
    found: list[MacroSource] = []
    problems: list[Problem] = []
    for wanted in transforms:
        at = _find(wanted, bases, folders.get(wanted.place.file))
        if isinstance(at, Problem):
            problems.append(at)
            continue
        try:
            with at.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            text = data.decode("utf-8") if len(data) <= MAX_BYTES else ""
        except (OSError, UnicodeDecodeError) as bad:
            reason = "it is not UTF-8 text" if isinstance(bad, UnicodeDecodeError) else bad.strerror
            problems.append(_missing(wanted, f"{shown(at)} cannot be read: {reason}"))
            continue
        if len(data) > MAX_BYTES:
            problems.append(_missing(wanted, f"{shown(at)} is larger than {MAX_BYTES:,} bytes"))
            continue
        found.append(MacroSource(wanted.source, shown(at), text, wanted.place))
    return tuple(found), problems


def _find(wanted: Expression, bases: Bases, folder: Path | None) -> Traversable | Path | Problem:
    name = wanted.source
    if "/" in name:
        if folder is None:
            return _missing(wanted, "a base inside a packed distribution names packaged macro files only")
        at = Path(os.path.normpath(folder / name))
        if not is_there(at) or not at.is_file():
            return _missing(wanted, f"there is no macro file {at}")
        if not leads_to(at, (ENDING,)):
            return _missing(wanted, f"a macro file is called {ENDING}, and a link must lead to one")
        return at
    bare = name.removesuffix(ENDING)
    files = bases.named("transforms", bare, ENDING)
    if len(files) == 1:
        return files[0]
    if files:
        names = ", ".join(shown(each) for each in files)
        return _missing(wanted, f"more than one distribution has a macro file {bare}: {names}")
    near = did_you_mean(bare, bases.names("transforms", ENDING), what="packaged macro files")
    return _missing(
        wanted, f"there is no packaged macro file {bare}", near or "your own are named by path: ./macros.j2"
    )


def _missing(wanted: Expression, message: str, suggestion: str = "") -> Problem:
    return Problem(place=wanted.place, code="missing-macros", message=message, suggestion=suggestion)
