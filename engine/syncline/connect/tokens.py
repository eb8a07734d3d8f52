"""The tokens of a connection: one refresh at a time, over all processes, saved before use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect.contract import Grant, OAuth
from syncline.connect.errors import ReconnectNeeded
from syncline.connect.oauth import Client, TokenEndpoint, TokenRefused, Tokens
from syncline.connect.waiting import Waiting


class SavedTokens(Struct, frozen=True, kw_only=True):
    """Tokens as stored. ``version`` grows by one with every save. ``dead``: why a person must connect
    again, empty while the connection works."""

    tokens: Tokens
    version: int
    dead: str = ""


class TokenStore(Protocol):
    """Where the tokens of one connection are kept, shared by every process."""

    def read(self) -> SavedTokens: ...

    def save(self, tokens: Tokens, version: int) -> bool:
        """Replace the tokens of ``version``; ``False`` when another version is stored by now."""
        ...

    def give_up(self, reason: str, version: int) -> None:
        """Note that the tokens of ``version`` are dead; nothing when another version is stored by now."""
        ...

    def lock(self) -> AbstractContextManager[object]:
        """Held while tokens are being replaced; by one thread of one process at a time."""
        ...


class TokenKeeper:
    """Signs the requests of one connection; implements :class:`syncline.connect.http.SignIn`."""

    def __init__(
        self,
        *,
        oauth: OAuth,
        client: Client,
        grant: Grant,
        store: TokenStore,
        endpoint: TokenEndpoint,
        label: str = "the remote",
        waiting: Waiting | None = None,
    ) -> None:
        self._oauth = oauth
        self._client = client
        self._grant = grant
        self._store = store
        self._endpoint = endpoint
        self._label = label
        self._waiting = waiting or Waiting()
        self._lock = threading.Lock()
        self._current: SavedTokens | None = None

    def authorization(self) -> str:
        """The Authorization header's value, with a token that is good for a while.

        Raises ReconnectNeeded, and what the token endpoint's own call may raise.
        """
        with self._lock:
            current = self._current
            if current is None or current.tokens.stale(self._waiting.now()):
                # Another process may have replaced it meanwhile: reading costs less than locking.
                current = self._adopt(self._store.read())
                if current.tokens.stale(self._waiting.now()):
                    current = self._replace(current.tokens.access_token)
            return self._header(current.tokens)

    def expired(self, body: str) -> bool:
        lower = body.lower()
        return any(mark.lower() in lower for mark in self._oauth.expired_marks)

    def renew(self, refused: str) -> str:
        """Another Authorization value than the one the remote refused."""
        with self._lock:
            current = self._adopt(self._store.read())
            if self._header(current.tokens) == refused:
                current = self._replace(current.tokens.access_token)
            return self._header(current.tokens)

    @property
    def extras(self) -> Mapping[str, str]:
        """What the token reply and the redirect said that the connector wants to know."""
        with self._lock:
            return (self._current or self._adopt(self._store.read())).tokens.extras

    def _header(self, tokens: Tokens) -> str:
        return f"{self._oauth.header} {tokens.access_token}"

    def _adopt(self, saved: SavedTokens) -> SavedTokens:
        self._current = None if saved.dead else saved
        if saved.dead:
            raise self._dead(saved.dead)
        return saved

    def _replace(self, old_access_token: str) -> SavedTokens:
        """Get and save new tokens, unless somebody else has done so while we waited for our turn."""
        with self._store.lock():
            saved = self._adopt(self._store.read())
            if saved.tokens.access_token != old_access_token and not saved.tokens.stale(self._waiting.now()):
                return saved
            try:
                tokens = self._ask(saved.tokens)
            except TokenRefused as refused:
                # A holder who froze beyond the end of its lock may have been faster after all.
                again = self._store.read()
                if again.version != saved.version and not again.dead:
                    return self._adopt(again)
                if not refused.dead:
                    raise
                self._store.give_up(refused.code, saved.version)
                self._current = None
                raise self._dead(refused.code) from refused
            # Saved before it is used: a rotated refresh token that is lost is a connection lost.
            if not self._store.save(tokens, saved.version):
                return self._adopt(self._store.read())
            self._current = SavedTokens(tokens=tokens, version=saved.version + 1)
            return self._current

    def _ask(self, old: Tokens) -> Tokens:
        if self._grant is Grant.CLIENT_CREDENTIALS:
            new = self._endpoint.client_credentials(self._oauth, self._client)
        elif old.refresh_token is None:
            raise TokenRefused(
                f"{self._label} gave no means of renewing this sign-in", code="no refresh token", dead=True
            )
        else:
            new = self._endpoint.refresh(self._oauth, self._client, old.refresh_token)
        return replace(
            new,
            refresh_token=new.refresh_token or old.refresh_token,
            scopes=new.scopes or old.scopes,
            extras={**old.extras, **new.extras},
        )

    def _dead(self, reason: str) -> ReconnectNeeded:
        return ReconnectNeeded(
            f"{self._label} no longer accepts the saved sign-in ({reason})",
            fix="run `syncline connect` for this system again; links and cursors are kept",
        )
