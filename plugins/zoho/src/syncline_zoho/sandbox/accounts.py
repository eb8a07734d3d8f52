"""A loopback Zoho Accounts server: authorisation codes, access tokens, refresh tokens.

Behaviour after Zoho Accounts, OAuth 2.0, and Zoho CRM API v8, Token Validity: failures of the token
endpoint answer 200 with an ``error``; refresh tokens do not rotate.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from syncline.connect.sandbox import Reply, Request, Route, SandboxSettings, Tables

ACCESS_LIFE_S = 3600
CODE_LIFE_S = 120
SELF_CLIENT_CODE_LIFE_S = 86_400
WINDOW_S = 600
PER_WINDOW = 10
LIVE_ACCESS_TOKENS = 15
REFRESH_TOKENS = 20

_LOOPBACK = re.compile(r"http://localhost:\d{1,5}/[\w./-]*")


class Client(Struct, frozen=True, kw_only=True):
    id: str
    secret: str


class AccessToken(Struct, frozen=True, kw_only=True):
    """What an access token says when it is shown: ``problem`` is why it is refused, if it is."""

    scopes: frozenset[str] = frozenset()
    refresh_token: str = ""
    problem: str | None = None


class AccountsServer:
    """``known_scopes``: prefixes a scope may have (``ZohoCRM``); ``location``: the data centre it plays.

    A redirect address must be ``http://localhost:PORT/...``, as one would register for a local tool.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        tables: Tables,
        client: Client,
        *,
        known_scopes: Sequence[str],
        location: str,
    ) -> None:
        self._limits = settings.limits
        self._clock = settings.clock
        self._client = client
        self._known = tuple(known_scopes)
        self._location = location
        self._codes = tables.table("oauth.codes")
        self._refresh = tables.table("oauth.refresh")
        self._access = tables.table("oauth.access")
        self._calls: dict[str, list[int]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/oauth/v2/auth", self._authorize),
            Route("POST", "/oauth/v2/token", self._token),
            Route("POST", "/oauth/v2/token/revoke", self._revoke),
            Route("GET", "/oauth/serverinfo", self._server_info),
        ]

    def self_client_code(self, scopes: Sequence[str]) -> str:
        """A grant token as the API console makes it: no redirect address, and a life of a day."""
        return self._new_code(sorted(scopes), None, offline=True, life_s=SELF_CLIENT_CODE_LIFE_S)

    def identify(self, authorization: str | None) -> AccessToken:
        """Judge an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() not in ("zoho-oauthtoken", "bearer") or not token:
            return AccessToken(problem="AUTHENTICATION_FAILURE")
        row = self._access.get(token)
        if row is None:
            return AccessToken(problem="INVALID_TOKEN")
        if row["evicted"]:
            return AccessToken(problem="INVALID_OAUTHTOKEN")
        if row["expires"] <= self._now() or row["refresh"] not in self._refresh:
            return AccessToken(problem="INVALID_TOKEN")
        return AccessToken(scopes=frozenset(row["scopes"]), refresh_token=row["refresh"])

    def expire_access_tokens(self) -> None:
        """Let every access token die now, as an hour's passing would."""
        for token, row in self._access_rows():
            self._access.put(token, {**row, "expires": 0})

    # --- the endpoints ----------------------------------------------------------------------------

    def _server_info(self, request: Request) -> Reply:
        return Reply.json({"result": "success", "locations": {self._location: request.base_url}})

    def _authorize(self, request: Request) -> Reply:
        redirect = request.one("redirect_uri", "") or ""
        scopes = [scope for scope in (request.one("scope", "") or "").split(",") if scope]
        problem = None
        if request.one("client_id") != self._client.id:
            problem = "Invalid Client Id"
        elif request.one("response_type") != "code":
            problem = "Invalid Response Type"
        elif not _LOOPBACK.fullmatch(redirect):
            problem = "Invalid Redirect Uri"
        elif not scopes or any(scope.split(".")[0] not in self._known for scope in scopes):
            problem = "Scope does not exist"
        if problem is not None:
            return Reply(400, f"<html><body><h1>{problem}</h1></body></html>".encode(), _HTML)
        if self._throttled("codes"):
            return Reply(400, b"<html><body><h1>Too many requests</h1></body></html>", _HTML)
        offline = request.one("access_type") == "offline"
        code = self._new_code(scopes, redirect, offline=offline, life_s=CODE_LIFE_S)
        answer = {"code": code, "location": self._location, "accounts-server": request.base_url}
        state = request.one("state")
        if state is not None:
            answer["state"] = state
        return Reply.redirect(f"{redirect}?{urlencode(answer)}")

    def _token(self, request: Request) -> Reply:
        form = {**{name: values[0] for name, values in request.query.items()}, **request.form()}
        if form.get("client_id") != self._client.id:
            return _error("invalid_client")
        if form.get("client_secret") != self._client.secret:
            return _error("invalid_client_secret")
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self._exchange(form, request.base_url)
        if grant == "refresh_token":
            return self._renew(form, request.base_url)
        return _error("unsupported_grant_type")

    def _exchange(self, form: dict[str, str], base_url: str) -> Reply:
        code = form.get("code", "")
        row = self._codes.get(code)
        if row is None or row["expires"] <= self._now():
            return _error("invalid_code")
        if (form.get("redirect_uri") or None) != row["redirect"]:
            return _error("invalid_redirect_uri")
        self._codes.delete(code)
        refresh = self._new_refresh(row["scopes"])
        reply = self._issue(refresh, row["scopes"], base_url)
        if row["offline"]:
            reply["refresh_token"] = refresh
        return Reply.json(reply)

    def _renew(self, form: dict[str, str], base_url: str) -> Reply:
        refresh = form.get("refresh_token", "")
        row = self._refresh.get(refresh)
        if row is None:
            return _error("invalid_code")
        if self._throttled(refresh):
            return Reply.json(
                {
                    "error_description": "You have made too many requests continuously."
                    " Please try again after some time.",
                    "error": "Access Denied",
                    "status": "failure",
                }
            )
        return Reply.json(self._issue(refresh, row["scopes"], base_url))

    def _revoke(self, request: Request) -> Reply:
        token = request.form().get("token") or request.one("token", "") or ""
        if token in self._refresh:
            self._drop(token)
            return Reply.json({"status": "success"})
        if token in self._access:
            self._access.delete(token)
            return Reply.json({"status": "success"})
        return Reply.json({"error": "invalid_token"}, 400)

    # --- tokens -----------------------------------------------------------------------------------

    def _now(self) -> int:
        return int(self._clock.timestamp())

    def _new_code(self, scopes: Sequence[str], redirect: str | None, *, offline: bool, life_s: int) -> str:
        code = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        row = {
            "scopes": list(scopes),
            "redirect": redirect,
            "offline": offline,
            "expires": self._now() + life_s,
        }
        self._codes.put(code, row)
        return code

    def _new_refresh(self, scopes: list[str]) -> str:
        """A 21st refresh token of one user and client takes the oldest with it."""
        known = self._refresh.keys()
        for oldest in known[: max(0, len(known) + 1 - REFRESH_TOKENS)]:
            self._drop(oldest)
        token = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        self._refresh.put(token, {"scopes": scopes})
        return token

    def _drop(self, refresh: str) -> None:
        self._refresh.delete(refresh)
        for token, _ in self._tokens_of(refresh):
            self._access.delete(token)

    def _tokens_of(self, refresh: str) -> list[tuple[str, dict[str, Any]]]:
        return [(token, row) for token, row in self._access_rows() if row["refresh"] == refresh]

    def _access_rows(self) -> list[tuple[str, dict[str, Any]]]:
        tokens = self._access.keys()
        return [(token, row) for token in tokens if (row := self._access.get(token)) is not None]

    def _issue(self, refresh: str, scopes: list[str], base_url: str) -> dict[str, Any]:
        now = self._now()
        mine = self._tokens_of(refresh)
        for token, row in mine:
            if row["expires"] <= now - ACCESS_LIFE_S:
                self._access.delete(token)
        live = [(token, row) for token, row in mine if row["expires"] > now and not row["evicted"]]
        for token, row in live[: max(0, len(live) + 1 - LIVE_ACCESS_TOKENS)]:
            self._access.put(token, {**row, "evicted": True})
        token = f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"
        self._access.put(
            token, {"refresh": refresh, "scopes": scopes, "expires": now + ACCESS_LIFE_S, "evicted": False}
        )
        return {
            "access_token": token,
            "scope": " ".join(scopes),
            "api_domain": base_url,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFE_S,
        }

    def _throttled(self, what: str) -> bool:
        """Ten in ten minutes; the eleventh is refused until the window of the first has passed."""
        if not self._limits:
            return False
        now = self._now()
        calls = [at for at in self._calls.get(what, []) if at > now - WINDOW_S]
        self._calls[what] = calls
        if len(calls) >= PER_WINDOW:
            return True
        calls.append(now)
        return False


_HTML = {"Content-Type": "text/html; charset=utf-8"}


def _error(code: str) -> Reply:
    return Reply.json({"error": code})
