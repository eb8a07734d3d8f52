"""The connections: who is authorised where, their tokens encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy.engine import Connection

from syncline.connect.contract import Account, Grant, Organisation
from syncline.connect.errors import ReconnectNeeded, RemoteUnavailable
from syncline.connect.oauth import Tokens
from syncline.connect.tokens import SavedTokens
from syncline.store.database import Database, StoreError, upsert
from syncline.store.lease import LeaseBusy, Leases
from syncline.store.statement import find, read_instant
from syncline.store.tables import connection as table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncline.store.crypto import Cipher

CONNECTED, RECONNECT = "connected", "reconnect"
#: The reason of a connection that a person has cut: it has no tokens, and still says whose links there are.
CUT = "cut"
#: A holder renews its lock while it waits for the token endpoint; after its death others go on this soon.
_LOCK_TTL_S = 15.0
_LOCK_WAIT_S = 120.0


class SavedConnection(Struct, frozen=True, kw_only=True):
    """One connection without its tokens.

    ``status``: ``connected``, or ``reconnect`` with the ``reason``. ``account``: what the last check
    learnt, as a JSON object. ``connected_at``: aware UTC.
    """

    id: int
    spec: str
    system: str
    connector: str
    base_url: str
    organisation: Organisation
    grant: Grant
    status: str
    reason: str
    account: Mapping[str, Any] = field(default_factory=dict)
    connected_at: datetime

    @property
    def account_key(self) -> str:
        """The name of the organisation at its remote, under which calls, fields and events are remembered."""
        return f"{self.connector}:{self.organisation.id}"


class Vault:
    """The connections of one state. Every method may raise StoreError."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def save(
        self,
        *,
        spec: str,
        system: str,
        connector: str,
        base_url: str,
        organisation: Organisation,
        grant: Grant,
        tokens: Tokens,
        account: Account | None = None,
        now: datetime | None = None,
    ) -> SavedConnection:
        """Keep a new connection, or a new sign-in of a known one; it is ``connected`` then."""
        row = {
            "spec": spec,
            "system": system,
            "connector": connector,
            "base_url": base_url,
            "organisation_id": organisation.id,
            "organisation_name": organisation.name,
            "grant": grant.value,
            "secret": self._cipher.encrypt(tokens.to_json()),
            "token_version": 0,
            "status": CONNECTED,
            "reason": "",
            "account": _account_json(account),
            "connected_at": now or datetime.now(UTC),
        }
        with self._database.write() as connection:
            known = connection.execute(
                sa.select(table.c.token_version).where(table.c.spec == spec, table.c.system == system)
            ).scalar()
            # Counts on over a reconnect: a process that still holds older tokens must not save over these.
            row["token_version"] = 0 if known is None else known + 1
            upsert(connection, table, [row], keys=["spec", "system"])
        saved = self.load(spec, system)
        assert saved is not None
        return saved

    def load(self, spec: str, system: str) -> SavedConnection | None:
        with self._database.read() as connection:
            rows = _FIND.all(connection, spec, system)
        return _saved(rows[0]) if rows else None

    def all(self, spec: str | None = None) -> list[SavedConnection]:
        """Every connection, or those of one spec, by spec and system."""
        query = sa.select(*(table.c[name] for name in _SAVED)).order_by(table.c.spec, table.c.system)
        if spec is not None:
            query = query.where(table.c.spec == spec)
        with self._database.read() as connection:
            return [_saved(row) for row in connection.execute(query)]

    def set_account(self, connection_id: int, account: Account) -> None:
        """Note what a check has learnt."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.id == connection_id)
                .values(account=_account_json(account), organisation_name=account.organisation.name)
            )

    @staticmethod
    def cut(connection: Connection, spec: str, system: str) -> bool:
        """Forget the tokens of a connection; whether there was one. Links, cursors and the organisation that
        they are of stay, so that another one is not taken for it; who still holds the tokens cannot save
        them any more."""
        change = sa.update(table).where(table.c.spec == spec, table.c.system == system)
        values = {
            "secret": b"",
            "status": RECONNECT,
            "reason": CUT,
            "token_version": table.c.token_version + 1,
        }
        return connection.execute(change.values(**values)).rowcount > 0

    def tokens(self, connection_id: int) -> VaultTokens:
        """The tokens of one connection, for a :class:`~syncline.connect.tokens.TokenKeeper`."""
        return VaultTokens(self._database, self._cipher, connection_id)

    def rotate(self, spec: str) -> int:
        """Encrypt every secret anew under the cipher's first key, all or none; returns how many.

        A state may be shared by specs that keep keys of their own: what cannot be decrypted is theirs and is
        left, unless it is of ``spec``. Raises :class:`StoreError` for that.
        """
        count = 0
        with self._database.write() as connection:
            query = sa.select(table.c.id, table.c.spec, table.c.secret)
            if self._database.dialect == "postgresql":
                query = query.with_for_update()
            for row in connection.execute(query.where(table.c.reason != CUT)).all():
                try:
                    secret = self._cipher.rotated(row.secret)
                except StoreError:
                    if row.spec == spec:
                        raise
                    continue
                connection.execute(sa.update(table).where(table.c.id == row.id).values(secret=secret))
                count += 1
        return count


class VaultTokens:
    """The :class:`~syncline.connect.tokens.TokenStore` of one connection."""

    def __init__(self, database: Database, cipher: Cipher, connection_id: int) -> None:
        self._database = database
        self._cipher = cipher
        self._id = connection_id
        self._leases = Leases(database, ttl_s=_LOCK_TTL_S)

    def read(self) -> SavedTokens:
        with self._database.read() as connection:
            rows = _TOKENS.all(connection, self._id)
        secret, version, status, reason = rows[0] if rows else (b"", 0, "", "")
        if not secret:
            raise ReconnectNeeded(
                "this connection has been cut", fix="run `syncline connect` for this system"
            )
        return SavedTokens(
            tokens=Tokens.from_json(self._cipher.decrypt(secret)),
            version=version,
            dead=(reason or "refused") if status == RECONNECT else "",
        )

    def save(self, tokens: Tokens, version: int) -> bool:
        secret = self._cipher.encrypt(tokens.to_json())
        return self._update(version, secret=secret, token_version=version + 1, status=CONNECTED, reason="")

    def give_up(self, reason: str, version: int) -> None:
        self._update(version, status=RECONNECT, reason=reason)

    def _update(self, version: int, **values: object) -> bool:
        change = sa.update(table).where(table.c.id == self._id, table.c.token_version == version)
        with self._database.write() as connection:
            return connection.execute(change.values(**values)).rowcount == 1

    def lock(self) -> AbstractContextManager[object]:
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[object]:
        with ExitStack() as stack:
            try:
                lease = stack.enter_context(self._leases.hold(f"token:{self._id}", wait_s=_LOCK_WAIT_S))
            except LeaseBusy as busy:
                raise RemoteUnavailable(
                    f"{busy.owner} has been renewing this sign-in for over {_LOCK_WAIT_S:.0f} s",
                    fix="the next pass tries again; see what that process waits for",
                ) from busy
            yield lease


_SAVED = (
    *("id", "spec", "system", "connector", "base_url", "organisation_id", "organisation_name"),
    *("grant", "status", "reason", "account", "connected_at"),
)
_FIND = find(table, _SAVED, "spec system")
_TOKENS = find(table, ["secret", "token_version", "status", "reason"], "id")


def _saved(row: Sequence[Any]) -> SavedConnection:
    """``row``: the columns of _SAVED."""
    key, spec, system, connector, base_url, organisation, name, grant, status, reason, account, at = row
    return SavedConnection(
        id=key,
        spec=spec,
        system=system,
        connector=connector,
        base_url=base_url,
        organisation=Organisation(id=organisation, name=name),
        grant=Grant(grant),
        status=status,
        reason=reason,
        account=json.loads(account),
        connected_at=read_instant(at),
    )


def _account_json(account: Account | None) -> str:
    if account is None:
        return "{}"
    return json.dumps(
        {
            "currency": account.currency,
            "timezone": account.timezone,
            "country": account.country,
            "scopes": list(account.scopes),
            "warnings": list(account.warnings),
            "pages": dict(account.pages),
        }
    )
