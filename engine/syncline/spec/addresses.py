"""Which base addresses a system may have."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def check_base_url(text: str) -> str | None:
    """What is wrong with an API's base address, as a sentence, or ``None``.

    https anywhere, http on this machine only; no user, query or fragment.
    """
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        return "the address cannot be read"
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        return "an address has no spaces in it"
    if url.scheme not in ("https", "http"):
        return "an address begins with https://"
    if not host:
        return "the address names no host"
    if not host.isascii():
        return "the host is written in letters that may look like others: write it as xn--…"
    if url.username is not None or url.password is not None:
        return "an address holds no user name or password"
    if url.query or url.fragment:
        return "a base address has no query and no fragment"
    if url.scheme == "http" and not is_loopback(host):
        return f"http:// is for this machine only; {host} needs https://"
    return None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: localhost, or an address of the loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
