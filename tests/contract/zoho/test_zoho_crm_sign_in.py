"""Signing in to Zoho CRM through the engine's own OAuth, by both flows, and staying signed in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from zoho_remote import Remote

from syncline.connect import Connection, Grant, HttpClient, ReconnectNeeded
from syncline.connect.oauth import Client, TokenEndpoint, TokenRefused, Tokens, sign_in_by_code
from syncline.connect.tokens import SavedTokens, TokenKeeper
from syncline_zoho.crm.connector import ZohoCrmConnector

CONNECTOR = ZohoCrmConnector()


class MemoryStore:
    """Tokens kept in memory."""

    def __init__(self, tokens: Tokens) -> None:
        self.saved = SavedTokens(tokens=tokens, version=1)
        self._lock = threading.Lock()

    def read(self) -> SavedTokens:
        return self.saved

    def save(self, tokens: Tokens, version: int) -> bool:
        self.saved = SavedTokens(tokens=tokens, version=version + 1)
        return True

    def give_up(self, reason: str, version: int) -> None:
        self.saved = SavedTokens(tokens=self.saved.tokens, version=version, dead=reason)

    def lock(self) -> contextlib.AbstractContextManager[object]:
        return self._lock


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    found = TokenEndpoint(label="Zoho")
    yield found
    found.close()


def client_of(remote: Remote) -> Client:
    credentials = remote.sandbox.credentials()
    return Client(id=credentials["client_id"], secret=credentials["client_secret"])


def test_the_code_flow_and_a_token_that_expires(remote: Remote, endpoint: TokenEndpoint) -> None:
    options = {"base_url": remote.server.base_url}
    client = client_of(remote)

    def visit(url: str) -> None:
        httpx.get(url, follow_redirects=True, verify=False, trust_env=False)

    def browse(url: str) -> None:
        threading.Thread(target=visit, args=(url,), daemon=True).start()

    tokens = sign_in_by_code(
        lambda callback: CONNECTOR.oauth(options, callback),
        client,
        send_to=browse,
        endpoint=endpoint,
        timeout_s=10,
    )
    assert tokens.extras["api_domain"] == remote.server.base_url
    assert tokens.extras["location"] == "au"
    store = MemoryStore(tokens)
    oauth = CONNECTOR.oauth(options, {})
    keeper = TokenKeeper(oauth=oauth, client=client, grant=Grant.CODE, store=store, endpoint=endpoint)
    with HttpClient(sign_in=keeper, limits=CONNECTOR.limits) as http:
        session = CONNECTOR.open(Connection(options=options, http=http, extras=tokens.extras))
        assert session.check().organisation.id == remote.org.facts["zgid"]
        remote.pass_time(3601)
        assert session.check().organisation.id == remote.org.facts["zgid"]
        assert store.saved.version == 2
        assert store.saved.tokens.refresh_token == tokens.refresh_token
        endpoint.revoke(oauth, client, store.saved.tokens)
        with pytest.raises(ReconnectNeeded):
            session.check()
        assert store.saved.dead


@pytest.mark.parametrize("own", [{}, {"modules": {"Payments": {}}}], ids=["standard", "with-custom-modules"])
def test_every_scope_the_connector_asks_for_is_enough(
    remote: Remote, endpoint: TokenEndpoint, own: dict[str, Any]
) -> None:
    """What the connector calls is within what it asks a person to consent to."""
    options = {"base_url": remote.server.base_url, **own}
    code = remote.sandbox.accounts.self_client_code(CONNECTOR.oauth(options, {}).scopes)
    oauth = CONNECTOR.oauth(options, {})
    tokens = endpoint.grant_token(oauth, client_of(remote), code)
    keeper = TokenKeeper(
        oauth=oauth,
        client=client_of(remote),
        grant=Grant.GRANT_TOKEN,
        store=MemoryStore(tokens),
        endpoint=endpoint,
    )
    with HttpClient(sign_in=keeper) as http:
        session = CONNECTOR.open(Connection(options=options, http=http))
        session.check()
        served = {module.name for module in CONNECTOR.catalogue_for(options).modules}
        for module in session.discover().modules:
            if module.name not in served:
                if not own:  # all custom modules have one scope
                    with pytest.raises(ReconnectNeeded):
                        session.read_ids(module.name, ["1"], frozenset())
                continue
            cursor = None
            fields = frozenset({"Products"} if module.name == "Price_Books" else ())
            for _ in range(2):
                for page in session.read(module.name, cursor, fields):
                    cursor = page.cursor
            session.count(module.name)


def test_a_used_grant_token_is_refused(remote: Remote, endpoint: TokenEndpoint) -> None:
    oauth = CONNECTOR.oauth({"base_url": remote.server.base_url}, {})
    token = remote.sandbox.credentials()["grant_token"]
    endpoint.grant_token(oauth, client_of(remote), token)
    with pytest.raises(TokenRefused) as refused:
        endpoint.grant_token(oauth, client_of(remote), token)
    assert refused.value.code == "invalid_code"
    assert token not in str(refused.value)
