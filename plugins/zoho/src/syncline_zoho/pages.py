"""Where a person sees a record: the addresses of Zoho's own screens.

As the browser shows them in either product; no document of the APIs tells them. A web host stands beside the
accounts host of its data centre.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncline_zoho.datacenters import Hosts


def crm_pages(hosts: Hosts, organisation: str, modules: Iterable[str]) -> dict[str, str]:
    """By module; a module's tab is its API name without underscores."""
    if not hosts.own:
        return {}
    base = f"{_web(hosts, 'crm')}/crm/org{organisation}/tab"
    return {module: f"{base}/{module.replace('_', '')}/{{id}}" for module in modules}


def books_pages(hosts: Hosts, organisation: str, modules: Iterable[str]) -> dict[str, str]:
    if not hosts.own:
        return {}
    base = f"{_web(hosts, 'books')}/app/{organisation}#"
    return {module: f"{base}/{module}/{{id}}" for module in modules}


def _web(hosts: Hosts, product: str) -> str:
    return hosts.accounts.replace("//accounts.", f"//{product}.", 1)
