"""How to sign in to any product of Zoho, as data.

After Zoho CRM API v8, OAuth: scopes joined by commas, client proven in the body, a refresh token only
for offline access and on a fresh consent, ``Zoho-oauthtoken`` in the header though the reply says Bearer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect import Grant, OAuth
from syncline_zoho.datacenters import accounts_server, find_hosts

#: what the CRM says of a token that has had its time
EXPIRED = ("INVALID_TOKEN", "INVALID_OAUTHTOKEN")


def make_oauth(
    options: Mapping[str, Any],
    callback: Mapping[str, str],
    scopes: Sequence[str],
    *,
    expired_marks: Sequence[str] = EXPIRED,
) -> OAuth:
    """``options``: of the system (``base_url``, ``data_center``); ``callback``: the redirect's parameters;
    ``expired_marks``: how the product's API says of a token that it has expired."""
    hosts = find_hosts(options)
    server = accounts_server(hosts, callback)
    return OAuth(
        authorize_url=f"{hosts.accounts}/oauth/v2/auth",
        token_url=f"{server}/oauth/v2/token",
        revoke_url=f"{server}/oauth/v2/token/revoke",
        scopes=tuple(scopes),
        scope_separator=",",
        authorize_params={"access_type": "offline", "prompt": "consent"},
        pkce=False,
        client_auth="body",
        header="Zoho-oauthtoken",
        grants=(Grant.CODE, Grant.GRANT_TOKEN),
        expired_marks=tuple(expired_marks),
        keep=("api_domain",),
        callback_keep=("location", "accounts-server"),
    )
