"""The HTTP client that every connector is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


class HttpReply:
    """A complete answer. ``headers``: names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        raise NotImplementedError

    def json(self) -> Any:
        """The body, decimals as ``Decimal``; raises RemoteProtocolError when it is not JSON."""
        raise NotImplementedError

    @property
    def date(self) -> datetime | None:
        """The remote's clock (the Date header), aware UTC."""
        raise NotImplementedError


class HttpClient:
    """One organisation's line to its remote: pooled, limited, retried, signed in, redacted in logs."""

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        repeatable: bool | None = None,
        cost: int = 1,
    ) -> HttpReply:
        """Send, and return whatever answer the remote gave, once waiting and repeating has been done.

        ``json``: encoded with ``Decimal`` as exact JSON numbers. ``repeatable``: may be sent again after
        a fault that leaves open whether it was carried out (default: GET and HEAD may). ``cost``: units
        of the daily budget. 429 is waited out here; 401 with an expired mark is refreshed and sent again.

        Raises RemoteUnavailable (nothing was carried out, or it was repeatable and still failed),
        AnswerLost (not repeatable and its fate is open), QuotaExhausted, ReconnectNeeded.
        5xx answers to a non-repeatable request are returned, for the connector to judge.
        """
        raise NotImplementedError
