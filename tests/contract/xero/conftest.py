"""A Xero sandbox on a loopback port, and a signed-in raw client for it."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from syncline.connect import Connection, OAuth, Organisation, Session
from syncline.connect.http import HttpClient
from syncline.connect.oauth import Client, TokenEndpoint
from syncline.connect.sandbox import SandboxServer, SandboxSettings, make_world
from syncline.connect.waiting import Waiting
from syncline_xero.connector import XeroConnector
from syncline_xero.sandbox import XeroSandbox

SCOPES = (
    "offline_access openid profile email accounting.contacts accounting.invoices accounting.payments"
    " accounting.settings"
)
API = "/api.xro/2.0"


class HandKeeper:
    """Signs requests with the tokens of a Remote, and refreshes them as the connector's OAuth says."""

    def __init__(self, oauth: OAuth, remote: Remote) -> None:
        self.oauth, self.remote = oauth, remote

    def authorization(self) -> str:
        return f"{self.oauth.header} {self.remote.tokens['access_token']}"

    def expired(self, body: str) -> bool:
        return any(mark in body.lower() for mark in self.oauth.expired_marks)

    def renew(self, refused: str) -> str:
        with closing(TokenEndpoint(label="Xero")) as endpoint:
            tokens = endpoint.refresh(
                self.oauth,
                Client(id=self.remote.client[0], secret=self.remote.client[1]),
                self.remote.tokens["refresh_token"],
            )
        self.remote.tokens |= {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
        }
        return self.authorization()


class Remote:
    """A running sandbox and a raw HTTP client signed in to its first organisation."""

    def __init__(self, data: str | int = "empty", *, limits: bool = False, keep: Any = None) -> None:
        self.sandbox = XeroSandbox(SandboxSettings(limits=limits, keep=keep))
        if self.sandbox.tables.empty:
            self.sandbox.seed(make_world(data))
        self.server = SandboxServer(self.sandbox)
        self.base_url = self.server.base_url
        self.credentials = self.sandbox.credentials()
        self.tenant, self.other_tenant = (o["id"] for o in self.credentials["organisations"])
        # verify: plain http needs no certificates, and loading them is half the cost of a client.
        self.http = httpx.Client(base_url=self.base_url, headers={"Accept": "application/json"}, verify=False)
        self.tokens: dict[str, Any] = {}
        self.slept: list[float] = []
        self._clients: list[HttpClient] = []

    @property
    def client(self) -> tuple[str, str]:
        return (self.credentials["client_id"], self.credentials["client_secret"])

    def authorize(self, **changes: str) -> httpx.Response:
        asked = {
            "response_type": "code",
            "client_id": self.client[0],
            "redirect_uri": self.credentials["redirect_uri"],
            "scope": SCOPES,
            "state": "st&te",
        }
        return self.http.get("/identity/connect/authorize", params={**asked, **changes})

    def code(self, **changes: str) -> str:
        return parse_qs(urlsplit(self.authorize(**changes).headers["location"]).query)["code"][0]

    def token(self, **form: str) -> httpx.Response:
        return self.http.post("/connect/token", data=form, auth=self.client)

    def sign_in(self, scope: str = SCOPES) -> dict[str, Any]:
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        code = self.code(scope=scope, code_challenge=challenge, code_challenge_method="S256")
        answer = self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=self.credentials["redirect_uri"],
            code_verifier=verifier,
        )
        self.tokens = answer.json()
        self.use(self.tokens["access_token"])
        self.http.headers["xero-tenant-id"] = self.tenant
        return self.tokens

    def use(self, access_token: str) -> None:
        self.http.headers["Authorization"] = f"Bearer {access_token}"

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.http.get(API + path, **kwargs)

    def put(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        return self.http.put(API + path, json=body, **kwargs)

    def post(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        return self.http.post(API + path, json=body, **kwargs)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(API + path)

    def make(self, collection: str, body: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Create one record through the API and return it."""
        answer = self.put(f"/{collection}", body, **kwargs)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()[collection][0]
        return made

    # --- the connector's side ---------------------------------------------------------------------

    def open_session(self, *, chosen: bool = True, **options: Any) -> Session:
        """A session of the connector on this sandbox, with the engine's own HTTP client and no waiting."""
        options = {"base_url": self.base_url, **options}
        connector = XeroConnector()
        keeper = HandKeeper(connector.oauth(options, {}), self)
        # Waiting moves this clock and no other, so that nothing is waited for.
        waiting = Waiting(now=lambda: time.time() + sum(self.slept), sleep=self.slept.append)
        client = HttpClient(label="Xero", limits=connector.limits, sign_in=keeper, waiting=waiting)
        self._clients.append(client)
        here = self.credentials["organisations"][0]
        organisation = Organisation(id=here["id"], name=here["name"]) if chosen else None
        extras = {"scope": self.tokens.get("scope", "")}
        return connector.open(
            Connection(options=options, http=client, extras=extras, organisation=organisation)
        )

    def calls(self) -> dict[str, int]:
        """Requests since the last look, as "METHOD /path" -> how many."""
        found = {f"{method} {template.removeprefix(API)}": n for method, template, n in self.server.counts()}
        self.server.reset_counts()
        return found

    def close(self) -> None:
        self.http.close()
        for client in self._clients:
            client.close()
        self.server.close()


@pytest.fixture
def open_remote() -> Iterator[Callable[..., Remote]]:
    opened: list[Remote] = []

    def start(*args: Any, **kwargs: Any) -> Remote:
        remote = Remote(*args, **kwargs)
        opened.append(remote)
        remote.sign_in()
        return remote

    yield start
    for remote in opened:
        remote.close()


@pytest.fixture
def remote(open_remote: Callable[..., Remote]) -> Remote:
    """An empty organisation, signed in, limits off."""
    return open_remote("empty")


@pytest.fixture
def session(remote: Remote) -> Session:
    """The connector on the empty organisation."""
    return remote.open_session()


@pytest.fixture(scope="module")
def demo() -> Iterator[Remote]:
    """The small business, signed in, limits off: to be read, not changed."""
    started = Remote("demo")
    started.sign_in()
    yield started
    started.close()


@pytest.fixture
def sdk(open_remote: Callable[..., Remote], monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The SDK signed in to the demo business, its tokens kept in a dict as its documentation shows."""
    from xero_python.accounting import AccountingApi
    from xero_python.api_client import ApiClient
    from xero_python.api_client.configuration import Configuration
    from xero_python.api_client.oauth2 import OAuth2Token, TokenApi
    from xero_python.identity import IdentityApi

    remote = open_remote("demo")
    for name in ("client_credentials_token_url", "refresh_token_url"):
        monkeypatch.setattr(TokenApi, name, f"{remote.base_url}/connect/token")
    monkeypatch.setattr(TokenApi, "revoke_token_url", f"{remote.base_url}/connect/revocation")
    kept = {**remote.tokens, "expires_at": time.time() + 1800}
    client_id, client_secret = remote.client
    client = ApiClient(
        Configuration(oauth2_token=OAuth2Token(client_id=client_id, client_secret=client_secret)),
        oauth2_token_saver=kept.update,
        oauth2_token_getter=lambda: kept,
    )
    yield SimpleNamespace(
        remote=remote,
        tenant=remote.tenant,
        kept=kept,
        client=client,
        accounting=AccountingApi(client, base_url=f"{remote.base_url}/api.xro/2.0"),
        identity=IdentityApi(client, base_url=remote.base_url),
    )
    client.rest_client.pool_manager.clear()
