"""A whole exchange within bounded time, however slowly a remote drips its answer.

The client's own timeouts bound a silence: a byte a minute, or interim answers without end, would hold a pass
for ever. Here each read from the network is given no more than what is left of the exchange.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpcore
import httpx

_Client = TypeVar("_Client", bound=httpx.Client)


class TimeUp(Exception):
    """The exchange has taken longer than it may."""


class _Ends(threading.local):
    at = math.inf  # by the monotonic clock
    after_s = math.inf


_ends = _Ends()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """What this thread reads inside the block, through a client that is :func:`limited`, raises
    :class:`TimeUp` once so much time has passed."""
    _ends.at, _ends.after_s = time.monotonic() + seconds, seconds
    try:
        yield
    finally:
        _ends.at = math.inf


def limited(client: _Client) -> _Client:
    """The same client, its network bound by :func:`time_limit`."""
    # httpx offers no other place for a network of one's own; a test tells when this one has moved.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool
            pool._network_backend = _Network(pool._network_backend)
    return client


class _Network(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(*args, **options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise NotImplementedError("a remote is never reached through a file")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = _left_s()
        try:
            return self._inner.read(max_bytes, left if timeout is None else min(timeout, left))
        except httpcore.ReadTimeout:
            _left_s()
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = _left_s()
        try:
            self._inner.write(buffer, left if timeout is None else min(timeout, left))
        except httpcore.WriteTimeout:
            _left_s()
            raise

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left_s() -> float:
    left = _ends.at - time.monotonic()
    if left <= 0:
        raise TimeUp(f"not complete after {_ends.after_s:.0f} s")
    return min(left, 3600.0)
