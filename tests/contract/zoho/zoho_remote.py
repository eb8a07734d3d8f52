"""A Zoho CRM sandbox on loopback, and ways to speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from syncline.connect.sandbox import SandboxServer, SandboxSettings, World, make_world
from syncline_zoho.crm.sandbox import ZohoCrmSandbox


@dataclass(frozen=True)
class Remote:
    """A running sandbox, signed in. ``client`` sends the access token with every call."""

    sandbox: ZohoCrmSandbox
    server: SandboxServer
    client: httpx.Client
    token: str
    refresh_token: str

    @property
    def org(self) -> Any:
        return self.sandbox.org

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params, headers=headers)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.client.post(path, json=body, headers=headers)

    def coql(self, query: str) -> httpx.Response:
        return self.post("/crm/v8/coql", {"select_query": query})

    def add(self, module: str, *rows: dict[str, Any], quiet: bool = True) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"data": list(rows)}
        if quiet:
            body["trigger"] = []
        answers = self.post(f"/crm/v8/{module}", body).json()["data"]
        assert all(row["code"] == "SUCCESS" for row in answers), answers
        return [row["details"] for row in answers]

    def put(
        self, module: str, *rows: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        body = {"data": list(rows), "trigger": []}
        return self.client.put(f"/crm/v8/{module}", json=body, headers=headers)

    def one(self, module: str, record_id: str) -> dict[str, Any]:
        reply = self.get(f"/crm/v8/{module}/{record_id}")
        found: dict[str, Any] = reply.json()["data"][0]
        return found

    def pass_time(self, seconds: float) -> datetime:
        return self.sandbox.clock.advance(seconds)


def exchange(server: SandboxServer, code: str, redirect_uri: str | None = None) -> dict[str, Any]:
    """The token endpoint's answer for a code."""
    credentials = server.sandbox.credentials()
    form = {
        "grant_type": "authorization_code",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
        "code": code,
    }
    if redirect_uri is not None:
        form["redirect_uri"] = redirect_uri
    answer: dict[str, Any] = httpx.post(f"{server.base_url}/oauth/v2/token", data=form, verify=False).json()
    return answer


def code_from(location: str) -> str:
    return parse_qs(urlsplit(location).query)["code"][0]


def start(world: World | None = None, *, limits: bool = False) -> Iterator[Remote]:
    sandbox = ZohoCrmSandbox(SandboxSettings(limits=limits))
    sandbox.seed(world or make_world("empty"))
    server = SandboxServer(sandbox)
    try:
        tokens = exchange(server, sandbox.credentials()["grant_token"])
        authorization = f"Zoho-oauthtoken {tokens['access_token']}"
        with httpx.Client(
            base_url=server.base_url,
            headers={"Authorization": authorization},
            trust_env=False,
            verify=False,
        ) as client:
            yield Remote(sandbox, server, client, tokens["access_token"], tokens["refresh_token"])
    finally:
        server.close()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class StaticSignIn:
    """An access token that is never renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def authorization(self) -> str:
        return f"Zoho-oauthtoken {self._token}"

    def expired(self, body: str) -> bool:
        return False

    def renew(self, refused: str) -> str:
        raise AssertionError("never asked to")
