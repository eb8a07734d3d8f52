"""The remote's error envelope: a refused row, a refused request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect.sandbox import Reply


class RowError(Exception):
    """One row of a write is refused. ``row_status``: the HTTP status if every row fares like this."""

    def __init__(
        self, code: str, message: str, details: Mapping[str, Any] | None = None, *, status: int = 400
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.row_status = status

    def body(self) -> dict[str, Any]:
        return error_body(self.code, self.message, self.details)


class Refused(Exception):
    """The whole request is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def reply(self) -> Reply:
        return Reply.json(error_body(self.code, self.message, self.details), self.status)


def error_body(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"code": code, "details": dict(details or {}), "message": message, "status": "error"}
