"""Backups: a whole copy of a state beside it, before anything is thrown away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from syncline.privatefile import create_private
from syncline.store.database import StoreError


def back_up(file: Path, now: datetime) -> Path:
    """Copy a state that is a SQLite file, as one consistent view even while others write; returns the copy,
    its owner's alone. Raises StoreError when it cannot be made."""
    copy = file.with_name(f"{file.name}.{now:%Y%m%dT%H%M%S}.backup")
    number = 1
    while copy.exists():
        number += 1
        copy = file.with_name(f"{file.name}.{now:%Y%m%dT%H%M%S}-{number}.backup")
    try:
        create_private(copy)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except (OSError, sqlite3.Error) as error:
        copy.unlink(missing_ok=True)
        raise StoreError(
            f"the state {file} could not be backed up: {error}", fix="make room beside it, or mend its folder"
        ) from error
    return copy
