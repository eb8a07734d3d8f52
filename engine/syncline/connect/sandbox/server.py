"""A loopback HTTP server for one sandbox (or its control), with its request journal and its faults."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec.structs import replace

from syncline.connect.sandbox.app import App, Reply, Request
from syncline.connect.sandbox.faults import Fault, FaultKind

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

Listener = Callable[[str, Request, Reply], None]


class SandboxServer:
    """Serves a sandbox on 127.0.0.1 from threads of its own until :meth:`close`.

    ``listeners`` are called after each processed request, before its answer is sent: a test can change
    the remote between two pages, or end the client's process at an exact point.
    """

    def __init__(self, sandbox: App, port: int = 0) -> None:
        self.sandbox = sandbox
        self.listeners: list[Listener] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._count_lock = threading.Lock()
        self._in_flight = 0
        self._routes = list(sandbox.routes())
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "sandbox"
            sys_version = ""
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                outer._rest(self.connection)

            def finish(self) -> None:
                outer._wake(self.connection)
                super().finish()

            def serve(self) -> None:
                outer._wake(self.connection)
                outer._serve(self)
                outer._rest(self.connection)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = serve  # noqa: N815

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(outer.sandbox.clock.timestamp())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Requests are counted, not printed."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away is no news."""

        self._server, self._handler = Server, Handler
        self._idle: set[socket.socket] = set()
        self._http, self._listening = Server(("127.0.0.1", port), Handler), True
        self.port: int = self._http.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._thread = self._serving()

    def _serving(self) -> threading.Thread:
        thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        return thread

    def down(self) -> None:
        """Stop listening, as a program that is being restarted: what is being answered is answered, kept
        connections are closed in good order, and new ones are refused until :meth:`up`."""
        if not self._listening:
            return
        self._listening = False
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)
        with self._count_lock:
            idle = list(self._idle)
        for connection in idle:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Listen again, at the same address."""
        if not self._listening:
            self._http = self._server(("127.0.0.1", self.port), self._handler)
            self._listening = True
            self._thread = self._serving()

    def close(self) -> None:
        self.down()
        with self.sandbox.lock:
            self.sandbox.close()

    def _rest(self, connection: socket.socket) -> None:
        """A connection that waits for its next request."""
        with self._count_lock:
            self._idle.add(connection)

    def _wake(self, connection: socket.socket) -> None:
        with self._count_lock:
            self._idle.discard(connection)

    def counts(self) -> list[tuple[str, str, int]]:
        """(method, path template, number of requests), sorted; refused and faulty requests count too."""
        with self._count_lock:
            return sorted((method, template, n) for (method, template), n in self._counts.items())

    def reset_counts(self) -> None:
        with self._count_lock:
            self._counts.clear()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(
            method=handler.command,
            path=url.path,
            query=parse_qs(url.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(length) if length else b"",
            base_url=self.base_url,
        )
        fault = self.sandbox.faults.take(request.method, request.path, request.body)
        if fault is not None and fault.kind is FaultKind.REFUSE:
            self._cut(handler)
            return
        if fault is not None and fault.kind is FaultKind.SLOW:
            time.sleep(fault.delay_s)
        with self._count_lock:
            self._in_flight += 1
        try:
            reply = self._process(request, fault)
        finally:
            with self._count_lock:
                self._in_flight -= 1
        if fault is not None and fault.kind is FaultKind.HOLD:
            time.sleep(fault.delay_s)
        if fault is not None and fault.kind in (FaultKind.LOSE, FaultKind.HALF):
            self._cut(handler)
            return
        self._send(handler, reply, fault)

    def _process(self, request: Request, fault: Fault | None) -> Reply:
        sandbox = self.sandbox
        route, params = None, None
        for candidate in self._routes:
            params = candidate.params(request.method, request.path)
            if params is not None:
                route = candidate
                break
        template = route.template if route else "(unknown)"
        with self._count_lock:
            self._counts[request.method, template] += 1
            in_flight = self._in_flight
        with sandbox.lock:
            early = _instead(sandbox, fault)
            if early is not None:
                return sandbox.finish(request, early)
            refusal = sandbox.guard(request, template, in_flight)
            if refusal is not None:
                return sandbox.finish(request, refusal)
            if route is None or params is None:
                return sandbox.finish(request, sandbox.not_found(request))
            if fault is not None and fault.kind is FaultKind.HALF:
                request = replace(request, body=_with_records(request.body, _first_half))
            reply = sandbox.finish(request, route.handler(replace(request, params=params)))
            sandbox.tables.save()
        for listener in self.listeners:
            listener(template, request, reply)
        if fault is not None and fault.kind is FaultKind.STATUS_AFTER:
            return Reply(fault.status, fault.body.encode(), {**fault.headers})
        if fault is not None and fault.kind is FaultKind.MALFORMED:
            return Reply(reply.status, reply.body[: max(1, len(reply.body) // 2)], reply.headers)
        if fault is not None and fault.kind in (FaultKind.FEWER, FaultKind.SHUFFLE):
            change = _first_half if fault.kind is FaultKind.FEWER else _rotated
            return replace(reply, body=_with_records(reply.body, change))
        return reply

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, fault: Fault | None) -> None:
        kind = None if fault is None else fault.kind
        broken = kind in (FaultKind.TRUNCATE, FaultKind.SHORT)
        body = b"" if handler.command == "HEAD" or reply.status == 204 else reply.body
        with contextlib.suppress(OSError):
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            if reply.status != 204:
                handler.send_header("Content-Length", str(len(reply.body)))
            if not self._listening:
                handler.send_header("Connection", "close")
            handler.end_headers()
            for piece in _pieces(body, fault):
                handler.wfile.write(piece)
                handler.wfile.flush()
            handler.wfile.flush()
        if broken or not self._listening:
            handler.close_connection = True
        if kind is FaultKind.TRUNCATE:
            self._cut(handler)

    @staticmethod
    def _cut(handler: BaseHTTPRequestHandler) -> None:
        """Reset the connection, as a crashed server or a dropped line does."""
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()


def _pieces(body: bytes, fault: Fault | None) -> Iterator[bytes]:
    """What of a body is sent, and when."""
    if fault is not None and fault.kind in (FaultKind.TRUNCATE, FaultKind.SHORT):
        yield body[: len(body) // 2]
    elif fault is not None and fault.kind is FaultKind.DRIP:
        size = max(1, -(-len(body) // 8))
        for start in range(0, len(body), size):
            time.sleep(fault.delay_s)
            yield body[start : start + size]
    elif body:
        yield body


def _with_records(body: bytes, change: Callable[[list[Any]], list[Any]]) -> bytes:
    """A JSON body with its list of records, the first list of objects in it, changed; any other as it is."""
    try:
        told = _decode(body)
    except msgspec.DecodeError:
        return body
    for name, value in told.items() if isinstance(told, dict) else ():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return _encode({**told, name: change(value)})
    return body


def _first_half(records: list[Any]) -> list[Any]:
    return records[: len(records) // 2]


def _rotated(records: list[Any]) -> list[Any]:
    return [*records[1:], records[0]]


def _instead(sandbox: App, fault: Fault | None) -> Reply | None:
    """What a fault answers in place of processing the request."""
    if fault is None:
        return None
    if fault.kind is FaultKind.STATUS:
        return Reply(fault.status, fault.body.encode(), {**fault.headers})
    if fault.kind is FaultKind.HTML:
        page = "<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
        return Reply(fault.status, page.encode(), {"Content-Type": "text/html", **fault.headers})
    if fault.kind is FaultKind.REMOTE:
        return sandbox.remote_fault(fault.name)
    return None
