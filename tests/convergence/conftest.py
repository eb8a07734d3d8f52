"""The state of a history: one SQLite file, thrown away with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncline.store.database import Database, open_store


@pytest.fixture
def state(sqlite_url: str) -> Iterator[Database]:
    """An open, empty state. The store's own tests prove that both databases keep the same promises."""
    with open_store(sqlite_url) as opened:
        yield opened
