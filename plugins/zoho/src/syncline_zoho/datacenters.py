"""Zoho's data centres: which hosts belong together.

Hosts after Zoho's SDK 8.0 and the multi-DC page of Zoho Accounts (the UK's API host follows the
pattern of the others). An API host never tells the accounts host: Canada's differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

DEFAULT = "us"


class DataCenter(Struct, frozen=True, kw_only=True):
    name: str
    accounts: str
    api: str


DATA_CENTERS: Mapping[str, DataCenter] = {
    name: DataCenter(name=name, accounts=f"https://{accounts}", api=f"https://{api}")
    for name, accounts, api in (
        ("us", "accounts.zoho.com", "www.zohoapis.com"),
        ("eu", "accounts.zoho.eu", "www.zohoapis.eu"),
        ("in", "accounts.zoho.in", "www.zohoapis.in"),
        ("au", "accounts.zoho.com.au", "www.zohoapis.com.au"),
        ("jp", "accounts.zoho.jp", "www.zohoapis.jp"),
        ("cn", "accounts.zoho.com.cn", "www.zohoapis.com.cn"),
        ("ca", "accounts.zohocloud.ca", "www.zohoapis.ca"),
        ("sa", "accounts.zoho.sa", "www.zohoapis.sa"),
        ("uk", "accounts.zoho.uk", "www.zohoapis.uk"),
    )
}

_EDITIONS = re.compile(r"^https://(?:www|sandbox|developer)\.(zohoapis\.[a-z.]+)$")


class Hosts(Struct, frozen=True, kw_only=True):
    """``own``: Zoho's real hosts, so that a reply's word on the API host counts."""

    accounts: str
    api: str
    own: bool


def find_hosts(options: Mapping[str, Any]) -> Hosts:
    """The hosts for a system's options: ``base_url`` when given, else ``data_center``, else the US.

    A ``base_url`` that is one of Zoho's API hosts (``www.``, ``sandbox.`` or ``developer.``) goes with the
    accounts host of its data centre; below any other address everything is found at its real path.
    """
    base_url = str(options.get("base_url") or "").rstrip("/")
    if not base_url:
        center = DATA_CENTERS[str(options.get("data_center") or DEFAULT)]
        return Hosts(accounts=center.accounts, api=center.api, own=True)
    known = center_of(base_url)
    if known is not None:
        return Hosts(accounts=known.accounts, api=base_url, own=True)
    return Hosts(accounts=base_url, api=base_url, own=False)


def center_of(api_url: str) -> DataCenter | None:
    """The data centre that an API address belongs to, ``None`` when it is none of Zoho's."""
    match = _EDITIONS.match(api_url.rstrip("/").lower())
    if match is None:
        return None
    wanted = f"https://www.{match[1]}"
    return next((center for center in DATA_CENTERS.values() if center.api == wanted), None)


def accounts_server(hosts: Hosts, callback: Mapping[str, str]) -> str:
    """Where a code is exchanged: at the accounts server that the redirect names, if it is Zoho's."""
    named = callback.get("accounts-server", "").rstrip("/")
    known = {center.accounts for center in DATA_CENTERS.values()}
    return named if hosts.own and named in known else hosts.accounts


def api_host(hosts: Hosts, extras: Mapping[str, str]) -> str:
    """Where the API is called: at ``api_domain`` of the token reply, if it is Zoho's own.

    An edition chosen by ``base_url`` (``sandbox.``, ``developer.``) stays.
    """
    named = extras.get("api_domain", "").rstrip("/")
    editions = urlsplit(hosts.api).hostname or ""
    if hosts.own and editions.startswith("www.") and center_of(named) is not None:
        return named
    return hosts.api
