"""Connect: sign in to a system, choose its organisation, and keep the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncline.connect.contract import Account, Connection, Connector, Grant, OAuth, Organisation
from syncline.connect.errors import RemoteProtocolError, RemoteUnavailable, WrongOrganisation
from syncline.connect.http import HttpClient, check_url
from syncline.connect.oauth import Client, TokenEndpoint, Tokens, sign_in_by_code
from syncline.errors import SynclineError
from syncline.run.hearing import Heard
from syncline.run.workspace import Workspace
from syncline.spec.model import System
from syncline.store.vault import SavedConnection

Choose = Callable[[Sequence[Organisation]], Organisation | None]


class _SignedIn:
    """Signs requests with tokens that are not kept yet."""

    def __init__(self, oauth: OAuth, tokens: Tokens) -> None:
        self._value = f"{oauth.header} {tokens.access_token}"

    def authorization(self) -> str:
        return self._value

    def expired(self, body: str) -> bool:
        return False

    def renew(self, refused: str) -> str:
        return self._value


def connect_system(
    workspace: Workspace,
    name: str,
    *,
    grant: Grant,
    grant_token: str | None,
    send_to: Callable[[str], None],
    choose: Choose,
    port: int,
    relink: bool = False,
) -> tuple[SavedConnection, Account]:
    """Authorise a system of the spec and keep the connection, replacing the one it had.

    Another organisation than the one connected before is refused unless ``relink``: its records would be
    matched and written from the beginning. ``send_to`` shows a person the URL of the consent page; ``choose``
    is asked when the sign-in may use several organisations and the spec names none. Raises SynclineError in
    all its branches.
    """
    system = workspace.system(name)
    connector = workspace.connector(system)
    options = workspace.options(system)
    if "base_url" in options:
        check_url(options["base_url"])
    client = workspace.client(system)
    oauth = connector.oauth(options, {})
    if grant not in oauth.grants:
        known = ", ".join(g.value for g in oauth.grants)
        raise SynclineError(f"{system.connector} does not sign in by {grant.value}", fix=f"it knows: {known}")
    vault = workspace.vault  # before the consent is asked for: an unusable state must not waste it
    endpoint = TokenEndpoint(label=name, waiting=workspace.waiting)
    try:
        tokens = _sign_in(connector, options, client, oauth, endpoint, grant, grant_token, send_to, port)
    finally:
        endpoint.close()
    signed_in = _SignedIn(oauth, tokens)
    with HttpClient(
        label=name, limits=connector.limits, sign_in=signed_in, waiting=workspace.waiting
    ) as http:

        def session(organisation: Organisation | None) -> Any:
            inner = connector.open(
                Connection(options=options, http=http, extras=tokens.extras, organisation=organisation)
            )
            return Heard(inner, name)

        try:
            organisation = _organisation(workspace, system, session(None).organisations(), choose)
            account: Account = session(organisation).check()
        except (RemoteUnavailable, RemoteProtocolError) as error:
            raise type(error)(
                error.what,
                fix="run `syncline connect` again: this sign-in was not kept",
                status=error.status,
                correlation=error.correlation,
            ) from error
    before = vault.load(workspace.spec.name, name)
    if before is not None and before.organisation.id != account.organisation.id and not relink:
        raise WrongOrganisation(
            f"{name} is connected to {before.organisation.name} ({before.organisation.id}) and this sign-in"
            f" is for {account.organisation.name} ({account.organisation.id}); nothing was changed",
            fix="sign in to the same organisation, or give --relink to begin anew with the other one:"
            " its records are then matched from the beginning, and the links to the old one rest",
        )
    saved = vault.save(
        spec=workspace.spec.name,
        system=name,
        connector=system.connector,
        base_url=options.get("base_url", ""),
        organisation=account.organisation,
        grant=grant,
        tokens=tokens,
        account=account,
    )
    return saved, account


def _sign_in(
    connector: Connector,
    options: Mapping[str, Any],
    client: Client,
    oauth: OAuth,
    endpoint: TokenEndpoint,
    grant: Grant,
    grant_token: str | None,
    send_to: Callable[[str], None],
    port: int,
) -> Tokens:
    if grant is Grant.CLIENT_CREDENTIALS:
        return endpoint.client_credentials(oauth, client)
    if grant is Grant.GRANT_TOKEN:
        if not grant_token:
            raise SynclineError("the grant token is missing", fix="give it with --grant-token")
        return endpoint.grant_token(oauth, client, grant_token)
    return sign_in_by_code(
        lambda callback: connector.oauth(options, callback),
        client,
        send_to=send_to,
        endpoint=endpoint,
        port=port,
    )


def _organisation(
    workspace: Workspace, system: System, offered: Sequence[Organisation], choose: Choose
) -> Organisation:
    """The organisation that the spec names, or the only one, or the one a person chooses."""
    if not offered:
        raise SynclineError(f"{system.name}: this sign-in may use no organisation at all")
    names = ", ".join(f"{o.name} ({o.id})" for o in offered)
    if system.organisation is not None:
        wanted = system.organisation.value(workspace.environ)
        found = [o for o in offered if wanted in (o.id, o.name)]
        if len(found) == 1:
            return found[0]
        what = "no organisation" if not found else "several organisations"
        raise SynclineError(
            f"{system.organisation.place}: {what} {wanted!r} in this sign-in", fix=f"it offers: {names}"
        )
    if len(offered) == 1:
        return offered[0]
    chosen = choose(offered)
    if chosen is None:
        raise SynclineError(
            f"{system.name}: this sign-in may use several organisations",
            fix=f"name one with --organisation, or as 'organisation' in the spec: {names}",
        )
    return chosen
