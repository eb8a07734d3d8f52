"""Sign-in: the authorize page, tokens that expire and rotate, and which organisations are connected.

Source: Xero API documentation, OAuth 2.0: standard authorisation code flow, custom connections, token
types, managing connections. The authorize page consents by itself, for every organisation, or for the
first alone with ``acr_values=bulk_connect:false``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from msgspec import Struct

from syncline.connect.sandbox import Reply, Request, Tables, VirtualClock
from syncline_xero.sandbox.wire import Row, problem

NAMESPACE = uuid.UUID("6f0f6f0e-2c3a-5f5e-9a39-0d1f4c6a7b21")
CLIENT_ID = uuid.uuid5(NAMESPACE, "client").hex.upper()
CLIENT_SECRET = base64.urlsafe_b64encode(hashlib.sha256(NAMESPACE.bytes).digest()).decode().rstrip("=")
REDIRECT_URI = "http://localhost:8765/callback"

CODE_S = 300
ACCESS_S = 1800
REFRESH_S = 60 * 86_400
GRACE_S = 30 * 60

_GRANULAR = (
    "contacts",
    "invoices",
    "payments",
    "banktransactions",
    "manualjournals",
    "settings",
    "attachments",
    "transactions",
)
SCOPES = frozenset(
    ["openid", "profile", "email", "offline_access"]
    + [f"accounting.{name}{tail}" for name in _GRANULAR for tail in ("", ".read")]
)
_IDENTITY = frozenset(["openid", "profile", "email", "offline_access"])

_SIGNING_KEY = hashlib.sha256(b"sandbox" + NAMESPACE.bytes).digest()


class Access(Struct, frozen=True):
    """What an access token allows. ``tenant``: the one organisation of a custom connection."""

    scopes: frozenset[str]
    tenant: str | None


class OAuthServer:
    """The login and identity hosts. ``switches``: ``refresh_grace``."""

    def __init__(
        self,
        tables: Tables,
        clock: VirtualClock,
        switches: Mapping[str, Any],
        tenants: Callable[[], Sequence[tuple[str, str]]],
    ) -> None:
        self.clock = clock
        self.switches = switches
        self.tenants = tenants
        self.codes = tables.table("oauth.codes")
        self.refresh = tables.table("oauth.families")
        self.access = tables.table("oauth.access")
        self.connections = tables.table("oauth.connections")

    # --- the login host ---------------------------------------------------------------------------

    def authorize(self, request: Request) -> Reply:
        client, uri = request.one("client_id") or "", request.one("redirect_uri") or ""
        state = request.one("state")
        if client != CLIENT_ID:
            return _login_error("unauthorized_client", "Unknown client or client not enabled")
        if not redirect_allowed(uri):
            return _login_error("unauthorized_client", "Invalid redirect_uri")
        if request.one("response_type") != "code":
            return _login_error("unsupported_response_type", "The response type must be code")
        scopes = (request.one("scope") or "").split()
        if not scopes or not set(scopes) <= SCOPES:
            return _login_error("invalid_scope", "Invalid scope for client")
        challenge, method = request.one("code_challenge"), request.one("code_challenge_method")
        if challenge is not None and method != "S256":
            return _login_error("invalid_request", "Transform algorithm not supported")
        bulk = "bulk_connect:false" not in (request.one("acr_values") or "")
        event = str(uuid.uuid4())
        tenants = self.tenants()
        for tenant, name in tenants if bulk else tenants[:1]:
            self.connect(tenant, name, event)
        code = secrets.token_urlsafe(32)
        self.codes.put(
            code,
            {
                "scopes": scopes,
                "redirect_uri": uri,
                "challenge": challenge,
                "event": event,
                "until": self._now() + CODE_S,
            },
        )
        answer = {"code": code, "scope": " ".join(scopes)}
        if state is not None:
            answer["state"] = state
        return Reply.redirect(
            f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(answer, quote_via=quote)}"
        )

    def connect(self, tenant: str, name: str, event: str) -> None:
        """Connect an organisation, or renew its connection."""
        now = self.clock.now().replace(tzinfo=None).isoformat(timespec="microseconds") + "0"
        held = next((c for c in self.connections if c["tenantId"] == tenant), None)
        row: Row = {
            "id": held["id"] if held else str(uuid.uuid4()),
            "authEventId": event,
            "tenantId": tenant,
            "tenantType": "ORGANISATION",
            "tenantName": name,
            "createdDateUtc": held["createdDateUtc"] if held else now,
            "updatedDateUtc": now,
        }
        self.connections.put(row["id"], row)

    def connected(self, tenant: str) -> bool:
        return any(c["tenantId"] == tenant for c in self.connections)

    # --- the identity host ------------------------------------------------------------------------

    def token(self, request: Request) -> Reply:
        form = request.form()
        refusal = _client_refused(request, form)
        if refusal is not None:
            return refusal
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self._by_code(form)
        if grant == "refresh_token":
            return self._by_refresh(form)
        if grant == "client_credentials":
            return self._by_client(form)
        return _token_error("unsupported_grant_type")

    def revoke(self, request: Request) -> Reply:
        form = request.form()
        refusal = _client_refused(request, form)
        if refusal is not None:
            return refusal
        family = self._family(form.get("token", ""))
        if family is not None:
            self.refresh.delete(family["id"])
            for row in self.connections:
                self.connections.delete(row["id"])
        return Reply(200)

    def _by_code(self, form: Mapping[str, str]) -> Reply:
        code = form.get("code", "")
        held = self.codes.get(code)
        self.codes.delete(code)
        if held is None or held["until"] <= self._now() or form.get("redirect_uri") != held["redirect_uri"]:
            return _token_error("invalid_grant")
        if held["challenge"] is not None and challenge_of(form.get("code_verifier", "")) != held["challenge"]:
            return _token_error("invalid_grant")
        return self._issue(held["scopes"], held["event"], None)

    def _by_refresh(self, form: Mapping[str, str]) -> Reply:
        now, given = self._now(), form.get("refresh_token", "")
        family = self._family(given)
        if family is None or family["until"] <= now:
            return _token_error("invalid_grant")
        if given != family["current"] and (now > family["grace_until"] or not self.switches["refresh_grace"]):
            return _token_error("invalid_grant")
        return self._issue(family["scopes"], family["event"], family, used=given)

    def _by_client(self, form: Mapping[str, str]) -> Reply:
        scopes = (form.get("scope") or "").split()
        if not scopes:
            scopes = sorted(SCOPES - _IDENTITY)
        if not set(scopes) <= SCOPES - _IDENTITY:
            return _token_error("invalid_scope")
        tenant, name = self.tenants()[0]
        if not self.connected(tenant):
            self.connect(tenant, name, str(uuid.uuid4()))
        access = self._access(scopes, "", tenant)
        return Reply.json(
            {
                "access_token": access,
                "expires_in": ACCESS_S,
                "token_type": "Bearer",
                "scope": " ".join(scopes),
            }
        )

    def _family(self, token: str) -> Row | None:
        """The chain of refresh tokens that holds this one as its current or its previous one."""
        return next((f for f in self.refresh if token and token in (f["current"], f["previous"])), None)

    def _issue(self, scopes: Sequence[str], event: str, family: Row | None, used: str = "") -> Reply:
        now = self._now()
        answer: dict[str, Any] = {
            "access_token": self._access(scopes, event, None),
            "expires_in": ACCESS_S,
            "token_type": "Bearer",
            "scope": " ".join(scopes),
        }
        if "openid" in scopes:
            answer["id_token"] = self._jwt({"exp": int(now) + 300, "xero_userid": _USER})
        if "offline_access" in scopes:
            held = family or {"id": str(uuid.uuid4()), "previous": "", "grace_until": 0.0}
            current = secrets.token_urlsafe(32)
            first_use = family is not None and used == family["current"]
            row = {
                **held,
                "scopes": list(scopes),
                "event": event,
                "current": current,
                "previous": used if first_use else held["previous"],
                "grace_until": now + GRACE_S if first_use else held["grace_until"],
                "until": now + REFRESH_S,
            }
            self.refresh.put(row["id"], row)
            answer["refresh_token"] = current
        return Reply.json(answer)

    def _access(self, scopes: Sequence[str], event: str, tenant: str | None) -> str:
        now = self._now()
        issued = self.access.keys()
        for key in issued:
            held = self.access.get(key)
            if held is not None and held["until"] < now - 86_400:
                self.access.delete(key)
        token = self._jwt(
            {
                "exp": int(now) + ACCESS_S,
                "scope": list(scopes),
                "xero_userid": _USER,
                "authentication_event_id": event,
            }
        )
        self.access.put(token, {"scopes": list(scopes), "tenant": tenant, "until": now + ACCESS_S})
        return token

    def _jwt(self, claims: Mapping[str, Any]) -> str:
        now = int(self._now())
        head = {"alg": "HS256", "typ": "JWT"}
        body = {
            "nbf": now,
            "iss": "https://identity.xero.com",
            "client_id": CLIENT_ID,
            "jti": uuid.uuid4().hex,
            **claims,
        }
        signed = b".".join(_b64(json.dumps(part).encode()) for part in (head, body))
        return (signed + b"." + _b64(hmac.digest(_SIGNING_KEY, signed, "sha256"))).decode()

    def _now(self) -> float:
        return self.clock.timestamp()

    # --- the API host -----------------------------------------------------------------------------

    def access_of(self, request: Request) -> Access | Reply:
        """What the request's access token allows, or the 401 that refuses it."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        held = self.access.get(token.strip()) if scheme.lower() == "bearer" else None
        if held is None:
            return problem(401, "Unauthorized", "AuthenticationUnsuccessful")
        if held["until"] <= self._now():
            return token_expired(datetime.fromtimestamp(held["until"], UTC))
        return Access(frozenset(held["scopes"]), held["tenant"])

    def list_connections(self, request: Request) -> Reply:
        access = self.access_of(request)
        if isinstance(access, Reply):
            return access
        event = request.one("authEventId")
        rows = [
            row
            for row in self.connections
            if event in (None, row["authEventId"]) and access.tenant in (None, row["tenantId"])
        ]
        return Reply.json(rows)

    def delete_connection(self, request: Request) -> Reply:
        access = self.access_of(request)
        if isinstance(access, Reply):
            return access
        if request.params["id"] not in self.connections:
            return problem(404, "Not Found", "Connection not found")
        self.connections.delete(request.params["id"])
        return Reply(204)


_USER = str(uuid.uuid5(NAMESPACE, "user"))


def _b64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier; empty for one of a forbidden length."""
    if not 43 <= len(verifier) <= 128:
        return ""
    return _b64(hashlib.sha256(verifier.encode()).digest()).decode()


def redirect_allowed(uri: str) -> bool:
    """https anywhere, http for the name localhost alone: the numeric loopback address is refused."""
    parts = urlsplit(uri)
    if parts.scheme == "https" and parts.hostname:
        return True
    return parts.scheme == "http" and parts.hostname == "localhost"


def token_expired(when: datetime) -> Reply:
    return problem(401, "Unauthorized", f"TokenExpired: token expired at {when:%m/%d/%Y %H:%M:%S}")


def _client_refused(request: Request, form: Mapping[str, str]) -> Reply | None:
    """The client proves itself by Basic authentication or in the form."""
    client, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return _token_error("invalid_client")
        client, secret = unquote(client), unquote(secret)
    if not client:
        return _token_error("unauthorized_client")
    same = client == CLIENT_ID and hmac.compare_digest(secret.encode(), CLIENT_SECRET.encode())
    return None if same else _token_error("invalid_client")


def _token_error(code: str) -> Reply:
    return Reply.json({"error": code}, 400)


def _login_error(code: str, text: str) -> Reply:
    page = f"<html><body><h1>Sorry, something went wrong</h1><p>{text}</p><p>Error: {code}</p></body></html>"
    return Reply(400, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
