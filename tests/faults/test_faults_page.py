"""The page of faults says what the tests try."""

from __future__ import annotations

from tests.faults.page import PAGE, page


def test_the_page_is_what_is_tried() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.faults.page"
