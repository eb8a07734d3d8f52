"""The value of a field that the remote did not mention: neither null nor empty, but unknown."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Missing(Enum):
    MISSING = "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
