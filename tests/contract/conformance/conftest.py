"""What the tests of the kit share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncline.connect import secrets


@pytest.fixture(autouse=True)
def few_secrets() -> Iterator[None]:
    """A registry of secrets for each test: a kit signs in hundreds of times, and masking is as slow as the
    registry is long. What other tests registered is there again afterwards."""
    registry = secrets._secrets
    with registry._lock:
        before = registry._known.copy()
        registry._known.clear()
        registry._all = None
    yield
    with registry._lock:
        registry._known.update(before)
        registry._all = None
