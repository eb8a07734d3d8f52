"""Calls to Zoho CRM's API, and what a refused call means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from syncline.connect import (
    HttpReply,
    PermissionMissing,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline_zoho.crm.query import MAX_ROWS, credits_for
from syncline_zoho.line import Line

_EMPTY = (204, 304)
#: No organisation has more pages of users or of deletions; a remote that says so does not come to an end.
_MAX_PAGES = 1_000

#: code of a refused request -> the error and what to do about it (Zoho CRM API v8, Status codes)
_REFUSALS: Mapping[str, tuple[type[RemoteError], str]] = {
    "NO_PERMISSION": (PermissionMissing, "give the signed-in user's profile the right to this module"),
    "AUTHORIZATION_FAILED": (
        PermissionMissing,
        "sign in as a user who may use the API, best an administrator",
    ),
    "OAUTH_SCOPE_MISMATCH": (PermissionMissing, "run `syncline connect` again and accept every scope"),
    "INVALID_MODULE": (
        PermissionMissing,
        "check that this edition has the module and that the user may see it",
    ),
    "API_NOT_SUPPORTED": (PermissionMissing, "this edition does not offer the call; a higher one may"),
    "AUTHENTICATION_FAILURE": (ReconnectNeeded, "run `syncline connect` for this system again"),
    "INVALID_TOKEN": (ReconnectNeeded, "run `syncline connect` for this system again"),
    "INVALID_OAUTHTOKEN": (ReconnectNeeded, "run `syncline connect` for this system again"),
    "INTERNAL_ERROR": (RemoteUnavailable, "the next pass tries again"),
    "INTERNAL_SERVER_ERROR": (RemoteUnavailable, "the next pass tries again"),
}
_NEXT = "report it to the connector's authors with the code and the call"


class QueryRefused(RemoteProtocolError):
    """A query names a column that cannot be had. ``column``: which, when the remote says."""

    def __init__(self, what: str, *, column: str | None, status: int, correlation: str | None) -> None:
        super().__init__(what, fix=_NEXT, status=status, correlation=correlation)
        self.column = column


class Api(Line):
    """The calls of the CRM's API."""

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        repeatable: bool | None = None,
        reads: bool | None = None,
        cost: int = 1,
    ) -> HttpReply:
        reply = self._http.request(
            method,
            f"{self._host}{path}",
            params=params,
            headers=headers,
            json=json,
            repeatable=repeatable,
            reads=reads,
            cost=cost,
        )
        return self._heard(reply)

    def get(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any] | None:
        """The body of a reading call, ``None`` when the remote has nothing; raises when it refuses."""
        return read_body(self.send("GET", path, params=params, headers=headers), f"GET {path}")

    def query(self, text: str, *, limit: int = MAX_ROWS) -> tuple[list[Mapping[str, Any]], bool]:
        """A query's rows, and whether there are more. ``limit``: that of the text, for its cost."""
        reply = self.send(
            "POST", "/crm/v8/coql", json={"select_query": text}, reads=True, cost=credits_for(limit)
        )
        body = read_body(reply, "the query")
        if body is None:
            return [], False
        more = bool((body.get("info") or {}).get("more_records"))
        return list(body.get("data") or ()), more


def page_numbers(what: str, most: int = _MAX_PAGES) -> Iterator[int]:
    """1, 2, 3...; raises RemoteProtocolError for a list that does not come to an end."""
    yield from range(1, most + 1)
    raise RemoteProtocolError(f"Zoho CRM's list of {what} does not come to an end", fix=_NEXT)


def read_body(reply: HttpReply, what: str) -> Mapping[str, Any] | None:
    """The JSON object of a good answer; raises the error that a refusal stands for."""
    if reply.status in _EMPTY or (reply.status < 300 and not reply.content):
        return None
    if reply.status < 300:
        body = reply.json()
        if isinstance(body, Mapping):
            return body
        raise RemoteProtocolError(f"Zoho CRM answered {what} with no object", fix=_NEXT, status=reply.status)
    raise refusal(reply, what)


def refusal(reply: HttpReply, what: str) -> RemoteError:
    """What a refused request means."""
    try:
        body = reply.json()
    except RemoteProtocolError:
        body = None
    body = body if isinstance(body, Mapping) else {}
    code = str(body.get("code") or "")
    said = str(body.get("message") or "").strip()
    details = body.get("details")
    details = details if isinstance(details, Mapping) else {}
    text = f"Zoho CRM refused {what}: {said or 'no reason given'} ({code or reply.status})"
    if code == "TOO_MANY_REQUESTS" or reply.status == 429:
        return QuotaExhausted(text, fix="the next pass tries again; fewer passes need fewer calls")
    if code in ("INVALID_QUERY", "SYNTAX_ERROR"):
        column = details.get("column_name")
        named = f": {column}" if column else ""
        return QueryRefused(
            f"{text}{named}",
            column=str(column) if column else None,
            status=reply.status,
            correlation=reply.correlation,
        )
    kind, fix = _REFUSALS.get(code, (RemoteProtocolError, _NEXT))
    if code not in _REFUSALS and reply.status >= 500:
        kind, fix = RemoteUnavailable, "the next pass tries again"
    if code not in _REFUSALS and reply.status == 403:
        kind, fix = PermissionMissing, "give the signed-in user's profile the right to do this"
    places = [str(details[key]) for key in ("api_name", "param_name", "json_path") if details.get(key)]
    if places:
        text = f"{text} at {', '.join(places)}"
    return kind(text, fix=fix, status=reply.status, correlation=reply.correlation)
