"""Where Xero is: its login, identity and API addresses, or all of them below one other address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_API = "https://api.xero.com"


class Hosts(Struct, frozen=True):
    """Three base addresses without a slash at their end."""

    login: str
    identity: str
    api: str

    @property
    def authorize(self) -> str:
        return f"{self.login}/identity/connect/authorize"

    @property
    def token(self) -> str:
        return f"{self.identity}/connect/token"

    @property
    def revocation(self) -> str:
        return f"{self.identity}/connect/revocation"

    @property
    def connections(self) -> str:
        return f"{self.api}/connections"

    def accounting(self, path: str) -> str:
        """The address of an accounting endpoint such as ``/Contacts``."""
        return f"{self.api}/api.xro/2.0{path}"


def hosts_of(options: Mapping[str, Any]) -> Hosts:
    """The real hosts, or everything below the option ``base_url`` when it names another."""
    base = str(options.get("base_url") or _API).rstrip("/")
    if base.lower() == _API:
        return Hosts("https://login.xero.com", "https://identity.xero.com", _API)
    return Hosts(base, base, base)
