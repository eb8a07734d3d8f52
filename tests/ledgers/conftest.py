"""The stages on which whole ledgers are compared: the engine over HTTP against both sandboxes."""

from __future__ import annotations

from tests.pitfalls.conftest import stages

__all__ = ["stages"]
