"""Remotes that mean harm, on loopback sockets, answering with whatever bytes a test gives them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from tests.support.stage import System

from syncline.connect import HttpClient
from syncline.connect.sandbox import Reply, Request
from syncline.connect.waiting import Waiting

#: What a server answers to a request (its head, as sent): pieces of bytes, sent as they come.
Answer = Callable[[bytes], Iterable[bytes]]


class RawServer:
    """A server that says exactly what it is told, once for each connection. ``seen``: the requests."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[bytes] = []
        self.cut_off = threading.Event()
        self._answer = answer
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        self._open.append(accepted)
        try:
            with contextlib.closing(
                self._context.wrap_socket(accepted, server_side=True) if self._context else accepted
            ) as line:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = line.recv(65536)
                    if not more:
                        return
                    head += more
                self.seen.append(head)
                for piece in self._answer(head):
                    line.sendall(piece)
        except OSError:
            self.cut_off.set()

    def close(self) -> None:
        self._socket.close()
        for each in self._open:
            each.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """``serve(answer)``: a hostile server, ended with the test."""
    made: list[RawServer] = []

    def start(answer: Answer, context: ssl.SSLContext | None = None) -> RawServer:
        made.append(RawServer(answer, context))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """A client that waits for nothing between its tries."""
    with HttpClient(label="the books", waiting=Waiting(sleep=lambda _s: None), timeout_s=5) as made:
        yield made


def reply(body: bytes, *, status: str = "200 OK", **headers: str) -> list[bytes]:
    """A whole answer in one piece."""
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return [f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body]


@contextlib.contextmanager
def tampering(system: System, change: Callable[[Request, Callable[[], Reply]], Reply]) -> Iterator[None]:
    """The system answers what ``change`` makes of a request, and of the honest answer to it."""
    server: Any = system.server
    honest = server._process
    server._process = lambda request, fault: change(request, lambda: honest(request, fault))
    try:
        yield
    finally:
        server._process = honest
