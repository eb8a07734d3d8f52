"""What goes wrong with connections, and what the person in front of it reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.e2e.conftest import Client, Sandboxes


@pytest.fixture(scope="module")
def empty(start_sandboxes: Callable[..., Sandboxes]) -> Sandboxes:
    return start_sandboxes("3", "--limits", "off")


@pytest.fixture
def stranger(empty: Sandboxes, new_client: Callable[..., Client]) -> Client:
    """The example, not connected to anything."""
    return new_client(empty, connect=False)


@pytest.fixture
def client(empty: Sandboxes, new_client: Callable[..., Client]) -> Client:
    return new_client(empty)


def test_a_verb_that_needs_a_value_fails_at_its_place(stranger: Client) -> None:
    del stranger.environ["XERO_CLIENT_ID"]
    done = stranger.run("connect", "books")
    assert done.code == 3
    assert "acme.yaml:16:16: env-unset: the environment variable XERO_CLIENT_ID is not set" in done.err


def test_a_system_that_is_not_connected_is_told_with_the_command(stranger: Client) -> None:
    done = stranger.run("sync")
    assert done.code == 1
    assert "is not connected" in done.err
    assert "run: syncline connect acme.yaml" in done.err


@pytest.mark.parametrize(
    ("system", "name"), [("books", "XERO_CLIENT_SECRET"), ("crm", "ZOHO_CRM_CLIENT_SECRET")]
)
def test_wrong_credentials_are_told(stranger: Client, system: str, name: str) -> None:
    stranger.environ[name] = "certainly-not-the-secret"
    arguments = ["--organisation", "whatever"] if system == "books" else []
    done = stranger.connect(system, *arguments)
    assert done.code == 1
    assert "client" in done.err.lower()
    assert "certainly-not-the-secret" not in done.err
    assert "Traceback" not in done.err


def test_an_organisation_that_the_sign_in_does_not_offer_is_told(stranger: Client) -> None:
    done = stranger.connect("books", "--organisation", "Nobody & Sons")
    assert done.code == 1
    assert "several organisations" in done.err
    assert "Harbour & Vine Trading" in done.err


def test_a_connection_to_another_organisation_is_refused_before_any_write(
    client: Client, empty: Sandboxes
) -> None:
    assert client.run("sync").code == 0
    told = {"system": "zoho-crm", "action": "create", "module": "Accounts"}
    empty.control("POST", "act", {**told, "values": {"Account_Name": "Not for the other one"}})
    other = empty.told["systems"]["xero"]["organisations"][1]["name"]
    done = client.connect("books", "--organisation", other)
    assert done.code == 1
    assert "--relink" in done.err
    assert client.run("sync").code == 0
    assert client.connect("books", "--organisation", other, "--relink").code == 0


def test_a_revoked_sign_in_asks_to_connect_again(client: Client, empty: Sandboxes) -> None:
    empty.control("POST", "clock", {"advance_s": 90 * 24 * 3600})
    done = client.run("sync")
    assert done.code == 1
    assert "syncline connect" in done.err
    assert "Traceback" not in done.err


def test_a_connection_is_not_taken_to_another_address(client: Client) -> None:
    client.environ["XERO_BASE_URL"] = "http://127.0.0.1:9"
    done = client.run("sync")
    assert done.code == 1
    assert "connected to xero at another address" in done.err


def test_a_remote_that_is_down_is_told_and_the_next_pass_goes_on(
    start_sandboxes: Callable[..., Sandboxes], new_client: Callable[..., Client]
) -> None:
    own = start_sandboxes("2", "--limits", "off")
    client = new_client(own)
    own.control("POST", "faults", {"system": "xero", "kind": "refuse", "times": 1000})
    down = client.run("sync")
    own.control("DELETE", "faults")
    assert down.code == 1
    assert "books broke off" in down.err
    assert "the next pass tries again" in down.err
    again = client.run("sync", "--json")
    assert again.code == 0
    assert again.json["modules"]["accounts"]["linked"] == 2


@pytest.mark.parametrize("address", ["http://books.example.com", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_an_address_that_is_not_https_is_refused(stranger: Client, address: str) -> None:
    stranger.environ["XERO_BASE_URL"] = address
    done = stranger.connect("books", "--organisation", "x")
    assert done.code == 1
    assert "https" in done.err
