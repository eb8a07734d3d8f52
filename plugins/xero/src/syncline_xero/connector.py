"""The Xero connector: what it is, how to sign in, what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncline.connect import (
    Catalogue,
    Connection,
    Connector,
    Event,
    Grant,
    Limits,
    OAuth,
    Organisation,
    Session,
)
from syncline_xero.catalogue import CATALOGUE
from syncline_xero.hosts import hosts_of

if TYPE_CHECKING:
    from syncline.connect.sandbox import Sandbox, SandboxSettings

#: Granular scopes, the only ones that applications made since 2 March 2026 may ask for (Xero API
#: documentation, OAuth 2.0 scopes). Items, credit notes, quotes and purchase
#: orders come with the invoices; currencies, taxes, accounts, tracking, themes and users are settings.
DEFAULT_SCOPES = (
    "offline_access",
    "openid",
    "profile",
    "email",
    "accounting.contacts",
    "accounting.invoices",
    "accounting.payments",
    "accounting.settings.read",
)
_IDENTITY_SCOPES = {"offline_access", "openid", "profile", "email"}


class XeroConnector(Connector):
    name = "xero"
    title = "Xero"
    documentation = "https://developer.xero.com/documentation/api/accounting/overview"
    limits = Limits(
        concurrent=5,
        per_minute=60,
        per_day=5000,
        minute_left_header="x-minlimit-remaining",
        day_left_header="x-daylimit-remaining",
        problem_header="x-rate-limit-problem",
    )
    options_schema: Mapping[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "scopes": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[a-z_.]+$"},
                "minItems": 1,
                "uniqueItems": True,
                "description": "OAuth scopes to ask for in place of the usual ones.",
            },
            "webhook_key": {
                "type": "string",
                "description": "The key of the application's webhook, as ${env:NAME}: deliveries are taken if"
                " they are signed with it.",
            },
        },
    }

    def catalogue(self) -> Catalogue:
        return CATALOGUE

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        hosts = hosts_of(options)
        scopes = tuple(options.get("scopes") or DEFAULT_SCOPES)
        return OAuth(
            authorize_url=hosts.authorize,
            token_url=hosts.token,
            revoke_url=hosts.revocation,
            scopes=scopes,
            grants=(Grant.CODE, Grant.CLIENT_CREDENTIALS),
            # A custom connection has no person behind it, so no identity to ask for.
            client_credentials_params={"scope": " ".join(s for s in scopes if s not in _IDENTITY_SCOPES)},
            # A 401 for a missing scope says AuthorizationUnsuccessful: refreshing would never end it.
            expired_marks=("tokenexpired",),
            keep=("scope",),
        )

    def open(self, connection: Connection) -> Session:
        from syncline_xero.session import XeroSession

        return XeroSession(connection)

    def events(
        self,
        options: Mapping[str, Any],
        organisation: Organisation,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Sequence[Event]:
        from syncline_xero.events import read_events

        return read_events(str(options.get("webhook_key") or ""), organisation, headers, body)

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        from syncline_xero.sandbox import XeroSandbox

        return XeroSandbox(settings)
