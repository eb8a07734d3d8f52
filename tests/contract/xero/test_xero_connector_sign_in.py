"""The connector's OAuth, run by the engine, is what the sandbox takes."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import httpx
import jsonschema
import pluggy
import pytest

from syncline.connect import Grant, ReconnectNeeded
from syncline.connect.hookspecs import PROJECT
from syncline.connect.oauth import Client, TokenEndpoint, sign_in_by_code
from syncline_xero import plugin
from syncline_xero.connector import DEFAULT_SCOPES, XeroConnector

Remote = Any


def client_of(remote: Remote) -> Client:
    return Client(id=remote.client[0], secret=remote.client[1])


def browse(url: str) -> None:
    """What a person's browser does: open the page, follow the redirect."""
    threading.Thread(
        target=lambda: httpx.get(url, follow_redirects=True, verify=False, trust_env=False), daemon=True
    ).start()


def test_the_code_flow_with_a_callback_on_this_machine(remote: Remote) -> None:
    connector = XeroConnector()
    with closing(TokenEndpoint(label="Xero")) as endpoint:
        tokens = sign_in_by_code(
            lambda callback: connector.oauth({"base_url": remote.base_url}, callback),
            client_of(remote),
            send_to=browse,
            endpoint=endpoint,
            timeout_s=20,
        )
        assert set(tokens.scopes) == set(DEFAULT_SCOPES)
        assert set(tokens.extras["scope"].split()) == set(DEFAULT_SCOPES)
        remote.use(tokens.access_token)
        assert remote.get("/Contacts").status_code == 200
        assert remote.get("/Payments").status_code == 200
        oauth = connector.oauth({"base_url": remote.base_url}, {})
        assert tokens.refresh_token is not None
        renewed = endpoint.refresh(oauth, client_of(remote), tokens.refresh_token)
        assert renewed.refresh_token != tokens.refresh_token
        endpoint.revoke(oauth, client_of(remote), renewed)
        assert renewed.refresh_token is not None
        with pytest.raises(ReconnectNeeded):
            endpoint.refresh(oauth, client_of(remote), renewed.refresh_token)


def test_a_custom_connection_asks_for_no_identity(remote: Remote) -> None:
    oauth = XeroConnector().oauth({"base_url": remote.base_url}, {})
    assert Grant.CLIENT_CREDENTIALS in oauth.grants
    with closing(TokenEndpoint(label="Xero")) as endpoint:
        tokens = endpoint.client_credentials(oauth, client_of(remote))
    assert tokens.refresh_token is None
    remote.use(tokens.access_token)
    assert remote.get("/Organisation").status_code == 200


def test_every_default_scope_is_needed_and_enough(remote: Remote) -> None:
    remote.sign_in(scope=" ".join(DEFAULT_SCOPES))
    session = remote.open_session()
    session.check()
    session.discover()
    for module in ("Contacts", "Items", "Invoices"):
        assert list(session.read(module, None, frozenset()))[-1].last
    made = remote.put("/Items", {"Code": "A"})
    assert made.status_code == 200


@pytest.mark.parametrize(
    ("options", "good"),
    [
        ({}, True),
        ({"scopes": ["accounting.contacts.read"]}, True),
        ({"scopes": []}, False),
        ({"scopes": "accounting.contacts"}, False),
        ({"scopes": ["two words"]}, False),
        ({"tenant": "x"}, False),
    ],
)
def test_the_options(options: dict[str, Any], good: bool) -> None:
    validator = jsonschema.Draft202012Validator(dict(XeroConnector.options_schema))
    validator.check_schema(dict(XeroConnector.options_schema))
    assert validator.is_valid(options) is good


def test_scopes_can_be_chosen() -> None:
    oauth = XeroConnector().oauth({"scopes": ["offline_access", "accounting.contacts.read"]}, {})
    assert oauth.scopes == ("offline_access", "accounting.contacts.read")
    assert oauth.client_credentials_params == {"scope": "accounting.contacts.read"}
    assert oauth.authorize_url.startswith("https://login.xero.com/")


def test_the_plugin_gives_its_connector() -> None:
    manager = pluggy.PluginManager(PROJECT)
    from syncline.connect import hookspecs

    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    ((connector,),) = manager.hook.syncline_connectors()
    assert connector.name == "xero"
    assert connector.catalogue().module("Contacts") is not None
