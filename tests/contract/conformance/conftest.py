"""Each test begins without the secrets of the sandboxes before it."""

from __future__ import annotations

import pytest

from syncline.connect import secrets


@pytest.fixture(autouse=True)
def few_secrets() -> None:
    """Hundreds of sign-ins would make the pattern that masks their tokens longer and longer."""
    with secrets._secrets._lock:
        secrets._secrets._known.clear()
        secrets._secrets._pattern = None
