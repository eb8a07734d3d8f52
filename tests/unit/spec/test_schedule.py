"""Cron text: five fields in their ranges."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncline.spec.schedule import check_cron, read_interval


@pytest.mark.parametrize(
    "text",
    ["* * * * *", "*/5 7-19 * * 1-5", "0,30 0 1,15 jan-mar mon,FRI", "5 4 * * sun", "0-59/2 23 31 12 7"],
)
def test_cron_text_that_is_right(text: str) -> None:
    assert check_cron(text) is None


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("* * * *", 0),
        ("* * * * * *", 0),
        ("", 0),
        ("60 * * * *", 0),
        ("* 24 * * *", 2),
        ("* * 0 * *", 4),
        ("* * * 13 *", 6),
        ("* * * * 8", 8),
        ("*/0 * * * *", 0),
        ("* 9-5 * * *", 2),
        ("* * * foo *", 6),
        ("*/x * * * *", 0),
        ("1--2 * * * *", 0),
        ("99999999999999999999 * * * *", 0),
        ("² * * * *", 0),
    ],
)
def test_cron_text_that_is_wrong(text: str, offset: int) -> None:
    fault = check_cron(text)
    assert fault is not None
    assert fault[0] == offset


def test_intervals() -> None:
    assert [read_interval(text) for text in ("90s", "3m", "2h", "1d")] == [
        timedelta(seconds=90),
        timedelta(minutes=3),
        timedelta(hours=2),
        timedelta(days=1),
    ]
