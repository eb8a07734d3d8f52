"""JSON in which decimals stay exact, in both directions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_sorted = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def encode(value: Any) -> str:
    """Compact JSON text; ``Decimal`` is written as a number with its own digits."""
    return _encoder.encode(value).decode()


def encode_sorted(value: Any) -> bytes:
    """The same value always gives the same bytes, whatever the order of its keys."""
    return _sorted.encode(value)


def decode(text: str | bytes) -> Any:
    """Whole numbers become ``int``, others ``Decimal``; raises ``ValueError`` when it is not JSON."""
    return _decoder.decode(text)
