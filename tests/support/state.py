"""A state with its tables and no rows, as the first verb makes it, made once for all tests of a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from syncline.store.database import open_store


def lay_empty_state(file: Path) -> None:
    """Put one there, its owner's alone, and the folder for it if there is none."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(0o600)
    file.write_bytes(_empty_state())


@cache
def _empty_state() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "state.db"
        open_store(str(file)).close()
        return file.read_bytes()
