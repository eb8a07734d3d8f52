"""The error envelope: a code, a message, an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect.sandbox import Reply

INVALID, MANDATORY, NO_ACCESS, NOT_ALLOWED = 2, 4, 6, 57
TOO_LONG, TAKEN, GONE, NAME_TAKEN = 15, 1001, 1002, 3062
#: which code a refusal by state has is not documented; the HTTP status is
REFUSED = 1004


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, message: str, code: int = REFUSED, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.code, self.status = message, code, status

    def reply(self) -> Reply:
        return Reply.json({"code": self.code, "message": self.message}, self.status)


def gone(noun: str) -> Refused:
    return Refused(f"{noun} does not exist.", GONE, 404)


def invalid(field: str) -> Refused:
    return Refused(f"Invalid value passed for {field}", INVALID)


def missing(what: str) -> Refused:
    return Refused(f"Please enter the {what}.", MANDATORY)


def success(message: str, content: Mapping[str, Any] | None = None, *, status: int = 200) -> Reply:
    return Reply.json({"code": 0, "message": message, **(content or {})}, status)
