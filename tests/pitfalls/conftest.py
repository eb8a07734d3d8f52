"""The stages on which the pitfalls are played: the whole engine, over HTTP, against both sandboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.stage import Stage


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """``stages(data="empty", limits=False, spec=None)``: a connected stage, ended with the test."""
    with ExitStack() as stack:

        def make(**options: Any) -> Stage:
            folder = tmp_path / f"stage{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            stage = stack.enter_context(Stage(folder, **options))
            stage.connect()
            return stage

        yield make


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """An empty, connected stage with the example spec."""
    return stages()
