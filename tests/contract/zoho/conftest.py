"""Zoho CRM sandboxes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zoho_remote import Remote, StaticSignIn, start

from syncline.connect import Connection, HttpClient, Session
from syncline.connect.sandbox import make_world


@pytest.fixture
def remote() -> Iterator[Remote]:
    """An empty organisation without rate limits."""
    yield from start()


@pytest.fixture
def limited() -> Iterator[Remote]:
    """An empty organisation with the real rate limits."""
    yield from start(limits=True)


@pytest.fixture(scope="module")
def demo() -> Iterator[Remote]:
    """The demo business, for tests that only read."""
    yield from start(make_world("demo"))


@pytest.fixture
def open_session() -> Iterator[Callable[..., Session]]:
    """Opens the connector's session on a sandbox."""
    from syncline_zoho.crm.connector import ZohoCrmConnector

    clients = []

    def make(remote: Remote, **options: Any) -> Session:
        client = HttpClient(label="Zoho CRM", sign_in=StaticSignIn(remote.token))
        clients.append(client)
        return ZohoCrmConnector().open(
            Connection(options={"base_url": remote.server.base_url, **options}, http=client)
        )

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def session(remote: Remote, open_session: Callable[..., Session]) -> Session:
    return open_session(remote)
