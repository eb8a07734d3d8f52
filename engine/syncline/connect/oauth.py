"""Signing in by OAuth 2.0, as a connector's :class:`~syncline.connect.contract.OAuth` describes it."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import field
from msgspec.structs import replace

from syncline.connect.contract import OAuth
from syncline.connect.errors import (
    AnswerLost,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline.connect.http import HttpClient, HttpReply, check_url
from syncline.connect.secrets import Untold, redact, register
from syncline.connect.waiting import Waiting

#: How long before its end a token is replaced; at most this share of its life.
EARLY_S = 120.0
EARLY_SHARE = 0.1
#: How long a token endpoint may say nothing: it has little to do.
SILENCE_S = 30.0
#: When a token reply does not say how long the token lives.
_DEFAULT_LIFE_S = 3600.0
#: No access token lives this many seconds; a larger number counts milliseconds.
_LONGEST_LIFE_S = 1_000_000.0
#: Error codes after which the saved sign-in is of no more use (RFC 6749, section 5.2, and remotes' own).
_DEAD = frozenset({"invalid_grant", "invalid_code", "invalid_token", "consent_required", "login_required"})
#: Error codes that blame the client's id or secret, not the person's consent.
_CLIENT = frozenset({"invalid_client", "invalid_client_secret", "unauthorized_client"})
_THROTTLED = frozenset({"access denied", "slow_down", "temporarily_unavailable", "too_many_requests"})


class Tokens(Untold, frozen=True, kw_only=True):
    """What a token endpoint gave. ``obtained_at``, ``expires_at``: seconds since the epoch, by our clock.

    ``scopes``: as granted, empty when the remote does not say. ``extras``: what the connector wants kept
    of the token reply and of the redirect.
    """

    access_token: str
    refresh_token: str | None = None
    obtained_at: float
    expires_at: float
    scopes: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Here, so that no way of coming by a token can forget it.
        register(self.access_token, self.refresh_token)

    def stale(self, now: float) -> bool:
        """Whether it is time for another one."""
        return now >= self.expires_at - min(EARLY_S, EARLY_SHARE * (self.expires_at - self.obtained_at))

    def to_json(self) -> str:
        """Everything, for the vault, which encrypts it."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "obtained_at": self.obtained_at,
                "expires_at": self.expires_at,
                "scopes": list(self.scopes),
                "extras": dict(self.extras),
            }
        )

    @staticmethod
    def from_json(text: str) -> Tokens:
        found: dict[str, Any] = json.loads(text)
        return Tokens(
            access_token=found["access_token"],
            refresh_token=found["refresh_token"],
            obtained_at=found["obtained_at"],
            expires_at=found["expires_at"],
            scopes=tuple(found["scopes"]),
            extras=found["extras"],
        )


class Client(Untold, frozen=True, kw_only=True):
    """The application that signs in. ``secret``: empty for one that has none (PKCE alone)."""

    id: str
    secret: str = ""

    def __post_init__(self) -> None:
        register(self.secret, lasting=True)


class Consent(Untold, frozen=True, kw_only=True):
    """A request for a person's consent. ``url``: where to send them; ``state``: comes back with them."""

    url: str
    state: str
    verifier: str | None
    redirect_uri: str


class TokenRefused(ReconnectNeeded):
    """The token endpoint said no. ``code``: its word; ``dead``: what was presented is of no more use."""

    def __init__(self, what: str, *, code: str, dead: bool, fix: str = "", status: int | None = None) -> None:
        super().__init__(what, fix=fix, status=status)
        self.code = code
        self.dead = dead


OAuthFor = Callable[[Mapping[str, str]], OAuth]


def ask_consent(oauth: OAuth, client: Client, redirect_uri: str) -> Consent:
    """Prepare the authorize step; calls nothing."""
    from oauthlib.common import generate_token
    from oauthlib.oauth2 import WebApplicationClient

    check_url(oauth.authorize_url)
    flow = WebApplicationClient(client.id)
    state = generate_token(40)
    extra: dict[str, Any] = dict(oauth.authorize_params)
    verifier = None
    if oauth.pkce:
        verifier = flow.create_code_verifier(64)
        extra |= {
            "code_challenge": flow.create_code_challenge(verifier, "S256"),
            "code_challenge_method": "S256",
        }
    register(state, verifier)
    # The library accepts no http at all; check_url has judged more exactly (this machine may), so the
    # request is built for a stand-in and moved over.
    built = flow.prepare_request_uri(
        "https://authorize.invalid/",
        redirect_uri=redirect_uri,
        scope=oauth.scope_separator.join(oauth.scopes),
        state=state,
        **extra,
    )
    joint = "&" if urlsplit(oauth.authorize_url).query else "?"
    return Consent(
        url=oauth.authorize_url + joint + urlsplit(built).query,
        state=state,
        verifier=verifier,
        redirect_uri=redirect_uri,
    )


def sign_in_by_code(
    oauth_for: OAuthFor,
    client: Client,
    *,
    send_to: Callable[[str], None],
    endpoint: TokenEndpoint,
    port: int = 0,
    timeout_s: float = 300.0,
) -> Tokens:
    """Sign in through a person's browser and a callback on this machine.

    ``oauth_for``: the connector's ``oauth`` with its options bound; asked again with the redirect's
    parameters, since a remote may name its token endpoint there. ``send_to``: shows the person the URL.
    ``port``: of the callback, 0 for any free one. Raises ReconnectNeeded (refused, or nobody came within
    ``timeout_s``) and what :class:`TokenEndpoint` raises.
    """
    from syncline.connect.callback import CallbackListener

    with CallbackListener(port) as listener:
        consent = ask_consent(oauth_for({}), client, listener.redirect_uri)
        send_to(consent.url)
        callback = listener.wait(consent.state, timeout_s)
    return finish_consent(oauth_for(callback), client, consent, callback, endpoint=endpoint)


def finish_consent(
    oauth: OAuth,
    client: Client,
    consent: Consent,
    callback: Mapping[str, str],
    *,
    endpoint: TokenEndpoint,
) -> Tokens:
    """Turn the redirect's parameters into tokens."""
    if not hmac.compare_digest(callback.get("state", "").encode(), consent.state.encode()):
        raise ReconnectNeeded(
            "the answer to the sign-in was not meant for this request", fix="run `syncline connect` again"
        )
    if "code" not in callback:
        raise _refused(
            callback.get("error", "no code"), callback.get("error_description", ""), "the sign-in", None
        )
    register(callback["code"])
    tokens = endpoint.code(oauth, client, callback["code"], consent.redirect_uri, consent.verifier)
    kept = {key: callback[key] for key in oauth.callback_keep if key in callback}
    return replace(tokens, extras={**tokens.extras, **kept})


class TokenEndpoint:
    """Calls a remote's token endpoint."""

    def __init__(self, *, label: str = "the remote", waiting: Waiting | None = None) -> None:
        self._waiting = waiting or Waiting()
        self._label = label
        self._http = HttpClient(label=label, waiting=self._waiting, timeout_s=SILENCE_S)

    def close(self) -> None:
        self._http.close()

    def code(
        self, oauth: OAuth, client: Client, code: str, redirect_uri: str, verifier: str | None
    ) -> Tokens:
        """Exchange the code of a redirect. Never repeated: a code that is used twice revokes its tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier is not None:
            form["code_verifier"] = verifier
        return self._spend(oauth, client, form)

    def grant_token(self, oauth: OAuth, client: Client, token: str) -> Tokens:
        """Exchange a code that a person made by hand in the remote's console: there was no redirect."""
        register(token)
        return self._spend(oauth, client, {"grant_type": "authorization_code", "code": token})

    def client_credentials(self, oauth: OAuth, client: Client) -> Tokens:
        """Sign in as the application itself."""
        form = {
            "grant_type": "client_credentials",
            "scope": oauth.scope_separator.join(oauth.scopes),
            **oauth.client_credentials_params,
        }
        return self._ask(oauth, client, form, repeatable=True)

    def refresh(self, oauth: OAuth, client: Client, refresh_token: str) -> Tokens:
        """Tokens for a refresh token, which may be used up by this.

        Repeated when the answer is lost: where the remote forgives that, it saves the connection, and
        elsewhere there is nothing more to lose.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._ask(oauth, client, form, repeatable=True)

    def revoke(self, oauth: OAuth, client: Client, tokens: Tokens) -> None:
        """Give the consent back, where the remote has a way to; raises RemoteError when it says no."""
        if oauth.revoke_url is None:
            return
        form = {"token": tokens.refresh_token or tokens.access_token}
        reply = self._post(oauth.revoke_url, oauth, client, form, repeatable=True)
        if reply.status >= 400:
            raise RemoteError(
                f"{self._label} did not revoke the sign-in (answer {reply.status})",
                fix="revoke it in the remote's own settings",
                status=reply.status,
                correlation=reply.correlation,
            )

    def _spend(self, oauth: OAuth, client: Client, form: dict[str, str]) -> Tokens:
        """Exchange a code that can be used once."""
        try:
            return self._ask(oauth, client, form, repeatable=False)
        except (AnswerLost, RemoteUnavailable, RemoteProtocolError) as error:
            raise type(error)(
                error.what,
                fix="run `syncline connect` again: the code of this sign-in may be used up, and nothing was"
                " kept; if it lasts, check base_url and the region among the system's options",
                status=error.status,
                correlation=error.correlation,
            ) from error

    def _ask(self, oauth: OAuth, client: Client, form: dict[str, str], *, repeatable: bool) -> Tokens:
        reply = self._post(oauth.token_url, oauth, client, form, repeatable=repeatable)
        return read_tokens(reply, oauth, label=self._label, now=self._waiting.now())

    def _post(
        self, url: str, oauth: OAuth, client: Client, form: dict[str, str], *, repeatable: bool
    ) -> HttpReply:
        headers = {}
        if oauth.client_auth == "basic" and client.secret:
            # Both halves are form-encoded first (RFC 6749, section 2.3.1).
            pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}".encode()
            headers["authorization"] = "Basic " + base64.b64encode(pair).decode()
            register(headers["authorization"].split()[1])
        else:
            form = {**form, "client_id": client.id}
            if client.secret:
                form["client_secret"] = client.secret
        return self._http.request("POST", url, form=form, headers=headers, repeatable=repeatable)


def read_tokens(reply: HttpReply, oauth: OAuth, *, label: str, now: float) -> Tokens:
    """The tokens of a token endpoint's reply.

    Raises TokenRefused for an OAuth error, whatever the status: some remotes answer 200 with one. Raises
    QuotaExhausted when asked too often, RemoteProtocolError for anything else.
    """
    try:
        found = reply.json()
    except RemoteProtocolError:
        found = None
    if not isinstance(found, dict):
        raise RemoteProtocolError(
            f"the token endpoint of {label} answered {reply.status} without tokens",
            fix="the next pass tries again; if it lasts, check base_url and the region of the system",
            status=reply.status,
            correlation=reply.correlation,
        )
    access_token = found.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        code = found.get("error") or found.get("code") or f"answer {reply.status}"
        raise _refused(str(code), str(found.get("error_description") or ""), label, reply.status)
    refresh_token = found.get("refresh_token")
    scope = found.get("scope")
    extras = {key: str(found[key]) for key in oauth.keep if found.get(key) is not None}
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token if isinstance(refresh_token, str) and refresh_token else None,
        obtained_at=now,
        expires_at=now + _life_s(found),
        scopes=tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else (),
        extras=extras,
    )


def _life_s(found: Mapping[str, Any]) -> float:
    """How long the token lives: in seconds, or, by some remotes' habit, in milliseconds beside
    ``expires_in_sec``."""
    for key in ("expires_in_sec", "expires_in"):
        try:
            life = float(found[key])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if 0 < life < float("inf"):
            return life / 1000 if life > _LONGEST_LIFE_S else life
    return _DEFAULT_LIFE_S


def _refused(code: str, description: str, label: str, status: int | None) -> RemoteError:
    said = redact(f"{code}: {description}" if description else code)[:300]
    word = code.strip().lower()
    if status == 429 or word in _THROTTLED or "too many requests" in description.lower():
        return QuotaExhausted(
            f"{label} was asked for tokens too often ({said})",
            retry_after_s=600.0,
            fix="wait some minutes; look for another installation that uses the same sign-in",
        )
    if word in _CLIENT:
        return TokenRefused(
            f"{label} does not know this application ({said})",
            code=code,
            dead=False,
            fix="check client_id and client_secret, and that they belong to this region",
            status=status,
        )
    if word == "access_denied":
        fix = "the person said no at the consent page; run `syncline connect` again"
    elif word == "invalid_scope":
        fix = "the application may not ask for these scopes; allow them in the remote's developer console"
    elif word in _DEAD:
        fix = "run `syncline connect` again: codes live for minutes, and each can be used once"
    else:
        fix = "check the application's settings in the remote's developer console, redirect address included"
    return TokenRefused(
        f"{label} refused to sign in ({said})",
        code=redact(code)[:100],
        dead=word in _DEAD,
        fix=fix,
        status=status,
    )
