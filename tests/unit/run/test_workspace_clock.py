"""A pass's clock: the machine's, but for whoever sets it in the meantime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncline.run import workspace
from syncline.run.workspace import Workspace


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(hours=-3)], ids=["ahead", "back"])
def test_a_clock_that_is_set_does_not_move_the_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    seconds = [100.0]
    monkeypatch.setattr(workspace, "steady", lambda: seconds[0])
    work = Workspace(tmp_path / "spec.yaml", None, {})
    before = work.now()
    assert abs(before - datetime.now(UTC)) < timedelta(minutes=1)

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + jump

    monkeypatch.setattr(workspace, "datetime", Jumped)
    seconds[0] += 7
    assert work.now() - before == timedelta(seconds=7)
