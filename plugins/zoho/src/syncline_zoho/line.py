"""The line to one of Zoho's API hosts: where calls go, with the remote's clock as its answers tell it."""

from __future__ import annotations

from datetime import UTC, datetime

from syncline.connect import HttpClient, HttpReply


class Line:
    """``host``: the API address, without a path."""

    def __init__(self, http: HttpClient, host: str) -> None:
        self._http = http
        self._host = host
        self._last_date: datetime | None = None

    @property
    def server_time(self) -> datetime:
        """The remote's clock at its last answer; ours when it has not told."""
        return self._last_date or datetime.now(UTC)

    @property
    def heard_time(self) -> datetime | None:
        return self._last_date

    def _heard(self, reply: HttpReply) -> HttpReply:
        self._last_date = reply.date or self._last_date
        return reply
