"""Calls to Zoho Books, and what a refused call means.

Every body is ``{"code": <int>, "message": <text>, ...}``, with code 0 for success. A refusal is judged by its
HTTP status, refined by the code (Zoho Books API v3, Errors; codes beyond that page as public clients saw
them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.connect import (
    HttpClient,
    HttpReply,
    PermissionMissing,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline_zoho.line import Line

VERSION = "/books/v3"
#: "<Thing> does not exist."
GONE = 1002
_DAY, _NOT_ALLOWED, _NO_ACCESS = 45, 57, 6
_NEXT = "report it to the connector's authors with the code and the call"


class Api(Line):
    """One organisation's calls. ``organisation``: the id that every call but the list of organisations
    carries."""

    def __init__(self, http: HttpClient, host: str, organisation: str | None) -> None:
        super().__init__(http, host)
        self.organisation = organisation

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        everywhere: bool = False,
    ) -> HttpReply:
        """``everywhere``: a call that is about no one organisation."""
        asked = dict(params or {})
        if not everywhere:
            if self.organisation is None:
                raise RemoteProtocolError(
                    "no organisation has been chosen for Zoho Books",
                    fix="run `syncline connect` and choose one: a sign-in may see several",
                )
            asked["organization_id"] = self.organisation
        address = f"{self._host}{VERSION}{path}"
        return self._heard(self._http.request(method, address, params=asked, headers=headers, json=json))

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, everywhere: bool = False
    ) -> Mapping[str, Any]:
        """The body of a reading call; raises what a refusal stands for."""
        return read_body(self.send("GET", path, params=params, everywhere=everywhere), f"GET {path}")

    def find(self, path: str) -> Mapping[str, Any] | None:
        """The body of a record's own address, ``None`` when there is no such record."""
        reply = self.send("GET", path)
        if is_gone(reply):
            return None
        return read_body(reply, f"GET {path}")


def told(reply: HttpReply) -> tuple[int | None, str]:
    """The code and the words of an answer, whatever its form."""
    try:
        body = reply.json()
    except RemoteProtocolError:
        return None, ""
    if not isinstance(body, Mapping):
        return None, ""
    code = body.get("code")
    return (code if isinstance(code, int) else None), str(body.get("message") or "").strip()


def is_gone(reply: HttpReply) -> bool:
    return reply.status in (400, 404) and told(reply)[0] == GONE


def read_body(reply: HttpReply, what: str) -> Mapping[str, Any]:
    """The object of a good answer; raises the error that anything else stands for."""
    if reply.status < 300:
        body = reply.json()
        if not isinstance(body, Mapping):
            raise RemoteProtocolError(
                f"Zoho Books answered {what} with no object", fix=_NEXT, status=reply.status
            )
        if body.get("code") == 0:
            return body
    raise refusal(reply, what)


def refusal(reply: HttpReply, what: str) -> RemoteError:
    """What a refused call means."""
    code, said = told(reply)
    text = (
        f"Zoho Books refused {what}: {said or 'no reason given'} ({reply.status if code is None else code})"
    )
    about: dict[str, Any] = {"status": reply.status, "correlation": reply.correlation}
    if code == _DAY:
        wait = reply.headers.get("x-rate-limit-reset", "")
        return QuotaExhausted(
            text,
            retry_after_s=float(wait) if wait.isdigit() else None,
            fix="syncing goes on by itself once the day's calls are given out anew",
        )
    if reply.status == 429:
        return QuotaExhausted(text, fix="the next pass tries again; fewer passes need fewer calls")
    if reply.status == 401:
        return ReconnectNeeded(text, fix="run `syncline connect` for this system again", **about)
    if reply.status == 403 or code in (_NOT_ALLOWED, _NO_ACCESS):
        return PermissionMissing(
            text, fix="give the signed-in user the role this needs, and accept every scope", **about
        )
    if reply.status >= 500:
        return RemoteUnavailable(text, fix="the next pass tries again", **about)
    return RemoteProtocolError(text, fix=_NEXT, **about)
