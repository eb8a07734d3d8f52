"""The sign-in flows against an authorization server on loopback."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tokenserver import CLIENT_ID, CLIENT_SECRET, TokenServer

from syncline.connect.callback import CallbackListener
from syncline.connect.contract import OAuth
from syncline.connect.errors import (
    AnswerLost,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
)
from syncline.connect.http import HttpReply
from syncline.connect.oauth import (
    Client,
    TokenEndpoint,
    TokenRefused,
    Tokens,
    ask_consent,
    finish_consent,
    read_tokens,
    sign_in_by_code,
)
from syncline.connect.secrets import quiet_libraries
from syncline.connect.waiting import Waiting
from syncline.errors import SynclineError

CLIENT = Client(id=CLIENT_ID, secret=CLIENT_SECRET)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    made = TokenServer()
    yield made
    made.close()


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    made = TokenEndpoint(label="the books", waiting=Waiting(sleep=lambda _s: None))
    yield made
    made.close()


def browser(url: str) -> None:
    """Does what a person's browser does, from a thread of its own."""

    def visit() -> None:
        # The callback's name may mean ::1 first, where nobody listens: a browser then tries the other.
        with httpx.Client(trust_env=False) as client:
            back = client.get(url).headers["location"]
            client.get(back.replace("//localhost:", "//127.0.0.1:"))

    quiet_libraries()  # the browser's own steps are not ours to keep quiet about
    threading.Thread(target=visit, daemon=True).start()


# --- the code flow -----------------------------------------------------------------------------------


@pytest.mark.parametrize("client_auth", ["basic", "body"])
@pytest.mark.parametrize("pkce", [True, False])
def test_the_code_flow_ends_with_tokens_and_what_the_connector_wants_kept(
    client_auth: str,
    pkce: bool,
    server: TokenServer,
    endpoint: TokenEndpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked: list[dict[str, str]] = []

    def oauth_for(callback: object) -> OAuth:
        asked.append(dict(callback))  # type: ignore[call-overload]
        return server.oauth(client_auth=client_auth, pkce=pkce)

    tokens = sign_in_by_code(oauth_for, CLIENT, send_to=browser, endpoint=endpoint, timeout_s=20)
    assert tokens.access_token == "canary-access-000001"
    assert tokens.refresh_token == "canary-refresh-000001"
    assert tokens.scopes == ("things.read", "offline")
    assert tokens.extras == {"api_domain": server.url, "location": "eu"}
    assert tokens.expires_at - tokens.obtained_at == 1800
    assert asked[0] == {}
    assert asked[1]["location"] == "eu"
    form = server.seen[0]
    assert ("client_secret" in form) == (client_auth == "body")
    assert ("code_verifier" in form) == pkce
    assert "canary" not in caplog.text
    assert "canary" not in repr(tokens) + repr(CLIENT)


def test_the_authorize_address_says_all_that_the_connector_declares(server: TokenServer) -> None:
    oauth = server.oauth(
        authorize_url="https://accounts.example/auth?keep=me",
        scope_separator=",",
        authorize_params={"access_type": "offline", "prompt": "consent"},
    )
    consent = ask_consent(oauth, CLIENT, "http://localhost:8765/callback")
    parts = urlsplit(consent.url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "accounts.example", "/auth")
    assert query.pop("code_challenge")
    assert query.pop("state") == consent.state
    assert query == {
        "keep": "me",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://localhost:8765/callback",
        "scope": "things.read,offline",
        "code_challenge_method": "S256",
        "access_type": "offline",
        "prompt": "consent",
    }
    again = ask_consent(oauth, CLIENT, "http://localhost:8765/callback")
    assert again.state != consent.state
    assert again.verifier != consent.verifier


def test_an_authorize_address_in_the_clear_is_refused(server: TokenServer) -> None:
    with pytest.raises(SynclineError, match="in the clear"):
        ask_consent(
            server.oauth(authorize_url="http://accounts.example/auth"), CLIENT, "http://localhost:1/callback"
        )


def test_a_code_whose_answer_was_lost_is_not_sent_twice(server: TokenServer, endpoint: TokenEndpoint) -> None:
    server.lose = 1
    with pytest.raises(AnswerLost):
        endpoint.grant_token(server.oauth(), CLIENT, "by-hand")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("callback", "match"),
    [
        pytest.param({"state": "other", "code": "x"}, "not meant for this request", id="another state"),
        pytest.param({"code": "x"}, "not meant for this request", id="no state"),
        pytest.param({"state": None, "error": "access_denied"}, "access_denied", id="the person said no"),
        pytest.param({"state": None}, "no code", id="nothing at all"),
    ],
)
def test_a_redirect_without_a_code_for_us_is_refused(
    callback: dict[str, str | None], match: str, server: TokenServer, endpoint: TokenEndpoint
) -> None:
    consent = ask_consent(server.oauth(), CLIENT, "http://localhost:1/callback")
    found = {k: consent.state if v is None else v for k, v in callback.items()}
    with pytest.raises(ReconnectNeeded, match=match) as caught:
        finish_consent(server.oauth(), CLIENT, consent, found, endpoint=endpoint)
    assert caught.value.fix
    assert server.seen == []


# --- the callback ------------------------------------------------------------------------------------


def _visit(listener: CallbackListener, path: str, pages: list[tuple[int, str]]) -> None:
    with httpx.Client(trust_env=False) as client:
        page = client.get(f"http://127.0.0.1:{listener.port}{path}")
        pages.append((page.status_code, page.text))


def test_the_callback_turns_strangers_away_and_goes_on_waiting() -> None:
    pages: list[tuple[int, str]] = []

    def visits(listener: CallbackListener) -> None:
        for path in (
            "/favicon.ico",
            "/callback?code=forged",
            "/callback?state=wrong&code=forged",
            "/callback?state=right-state&error=%3Cscript%3E",
        ):
            _visit(listener, path, pages)

    with CallbackListener() as listener:
        assert listener.redirect_uri == f"http://localhost:{listener.port}/callback"
        # A silent connection, as browsers open in advance, must not stop the others.
        with socket.create_connection(("127.0.0.1", listener.port)):
            visitor = threading.Thread(target=visits, args=(listener,))
            visitor.start()
            assert listener.wait("right-state", 20) == {"state": "right-state", "error": "<script>"}
            visitor.join()
    assert [status for status, _ in pages] == [404, 400, 400, 200]
    assert "<script>" not in pages[-1][1]
    assert "&lt;script&gt;" in pages[-1][1]


def test_nobody_coming_back_ends_the_wait_with_what_to_check() -> None:
    with CallbackListener() as listener, pytest.raises(ReconnectNeeded, match="nobody came back") as caught:
        listener.wait("s", 0.3)
    assert listener.redirect_uri in caught.value.fix


def test_a_taken_port_is_told() -> None:
    with CallbackListener() as listener, pytest.raises(SynclineError, match="cannot listen") as caught:
        CallbackListener(listener.port)
    assert "--port" in caught.value.fix


# --- the other flows ---------------------------------------------------------------------------------


def test_client_credentials_ask_for_the_scopes_and_get_no_refresh_token(
    server: TokenServer, endpoint: TokenEndpoint
) -> None:
    oauth = server.oauth(client_credentials_params={"soid": "acme.1"})
    tokens = endpoint.client_credentials(oauth, CLIENT)
    assert tokens.refresh_token is None
    assert server.seen[0]["soid"] == "acme.1"
    assert server.seen[0]["scope"] == "things.read offline"


def test_a_token_made_by_hand_is_exchanged_without_a_redirect_address(
    server: TokenServer, endpoint: TokenEndpoint
) -> None:
    assert endpoint.grant_token(server.oauth(), CLIENT, "by-hand").refresh_token
    assert "redirect_uri" not in server.seen[0]


def test_a_refresh_whose_answer_was_lost_is_tried_again(server: TokenServer, endpoint: TokenEndpoint) -> None:
    first = endpoint.grant_token(server.oauth(), CLIENT, "by-hand")
    assert first.refresh_token
    server.replies = [(503, b"")]
    assert (
        endpoint.refresh(server.oauth(), CLIENT, first.refresh_token).access_token == "canary-access-000002"
    )


def test_revoking_tells_the_remote(server: TokenServer, endpoint: TokenEndpoint) -> None:
    tokens = endpoint.grant_token(server.oauth(), CLIENT, "by-hand")
    endpoint.revoke(server.oauth(), CLIENT, tokens)
    assert server.seen[-1]["token"] == "canary-refresh-000001"
    assert server.refresh is None
    endpoint.revoke(server.oauth(revoke_url=None), CLIENT, tokens)
    with pytest.raises(RemoteError, match="did not revoke"):
        endpoint.revoke(server.oauth(), Client(id="nobody", secret="x" * 9), tokens)


# --- what token endpoints answer ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("code", "dead", "fix"),
    [
        ("invalid_grant", True, "connect"),
        ("invalid_code", True, "connect"),
        ("invalid_client", False, "client_id"),
        ("invalid_client_secret", False, "client_secret"),
        ("unauthorized_client", False, "client_id"),
        ("invalid_scope", False, "scopes"),
        ("invalid_redirect_uri", False, "redirect address"),
        ("server_error", False, "settings"),
    ],
)
def test_an_oauth_error_is_one_whatever_the_status(
    status: int, code: str, dead: bool, fix: str, server: TokenServer, endpoint: TokenEndpoint
) -> None:
    server.replies = [(status, {"error": code})]
    with pytest.raises(TokenRefused, match=code) as caught:
        endpoint.grant_token(server.oauth(), CLIENT, "by-hand")
    assert caught.value.dead is dead
    assert fix in caught.value.fix


def test_being_asked_too_often_is_no_reason_to_reconnect(
    server: TokenServer, endpoint: TokenEndpoint
) -> None:
    server.replies = [
        (
            200,
            {
                "error": "Access Denied",
                "error_description": "You have made too many requests",
                "status": "failure",
            },
        )
    ]
    with pytest.raises(QuotaExhausted):
        endpoint.grant_token(server.oauth(), CLIENT, "by-hand")


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'"x"'])
def test_something_else_than_tokens_is_a_protocol_error(
    body: bytes, server: TokenServer, endpoint: TokenEndpoint
) -> None:
    server.replies = [(200, body)]
    with pytest.raises(RemoteProtocolError, match="without tokens"):
        endpoint.grant_token(server.oauth(), CLIENT, "by-hand")


def test_a_secret_in_the_remotes_words_is_masked(server: TokenServer, endpoint: TokenEndpoint) -> None:
    server.replies = [
        (400, {"error": "invalid_client", "error_description": f"no such secret {CLIENT_SECRET}"})
    ]
    with pytest.raises(TokenRefused) as caught:
        endpoint.grant_token(server.oauth(), CLIENT, "by-hand")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "life_s"),
    [
        ({"expires_in": 1800}, 1800),
        ({"expires_in": "1800"}, 1800),
        ({"expires_in": 3_600_000, "expires_in_sec": 3600}, 3600),
        ({"expires_in": 3_600_000}, 3600),
        ({}, 3600),
        ({"expires_in": None}, 3600),
        ({"expires_in": "soon"}, 3600),
        ({"expires_in": -1}, 3600),
        ({"expires_in": [1]}, 3600),
    ],
    ids=str,
)
def test_the_life_of_a_token_in_all_its_forms(
    fields: dict[str, object],
    life_s: float,
    make_reply: Callable[[dict[str, object]], HttpReply],
    server: TokenServer,
) -> None:
    tokens = read_tokens(make_reply(fields), server.oauth(), label="x", now=1000.0)
    assert tokens.expires_at == 1000 + life_s


@pytest.fixture
def make_reply() -> Callable[[dict[str, object]], HttpReply]:
    import json

    return lambda fields: HttpReply(
        200, {}, json.dumps({"access_token": "canary-access-x", **fields}).encode()
    )


def test_tokens_survive_being_stored() -> None:
    tokens = Tokens(
        access_token="canary-access-x",
        refresh_token=None,
        obtained_at=1.5,
        expires_at=9.25,
        scopes=("a", "b"),
        extras={"k": "é"},
    )
    assert Tokens.from_json(tokens.to_json()) == tokens


def test_a_token_is_replaced_a_little_before_its_end() -> None:
    long = Tokens(access_token="canary-access-x", obtained_at=0, expires_at=1800)
    assert not long.stale(1679)
    assert long.stale(1680)
    short = Tokens(access_token="canary-access-x", obtained_at=0, expires_at=10)
    assert not short.stale(8.9)
    assert short.stale(9)
