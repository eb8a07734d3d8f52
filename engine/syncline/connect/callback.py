"""The page on this machine to which a remote sends the person back after the consent."""

from __future__ import annotations

import hmac
import html
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from syncline.connect.errors import ReconnectNeeded
from syncline.errors import SynclineError

_PATH = "/callback"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Syncline</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem}}</style>
</head><body><h1>{title}</h1><p>{text}</p></body></html>
"""


class CallbackListener:
    """Listens on 127.0.0.1 from the start; called ``localhost``, since remotes refuse numeric addresses."""

    def __init__(self, port: int = 0) -> None:
        """``port``: 0 for any free one. Raises SynclineError when it is taken."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            server_version = "syncline"
            sys_version = ""
            timeout = 10

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """The redirect's address holds the code: it is logged nowhere."""

        class Server(ThreadingHTTPServer):
            # A browser opens spare connections and leaves them silent: none may keep the others waiting.
            daemon_threads = True
            block_on_close = False
            timeout = 0.2

            def handle_error(self, request: object, client_address: object) -> None:
                """A browser that went away is no news."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise SynclineError(
                f"the callback cannot listen on port {port}: {error.strerror}",
                fix="choose another port with --port, and register its address with the application",
            ) from error
        self.port: int = self._server.server_address[1]
        self._state = ""
        self._found: dict[str, str] | None = None
        self._done = threading.Event()

    @property
    def redirect_uri(self) -> str:
        """What must be registered with the application."""
        return f"http://localhost:{self.port}{_PATH}"

    def wait(self, state: str, timeout_s: float) -> dict[str, str]:
        """The parameters of the redirect that carries ``state``; others are turned away.

        Raises ReconnectNeeded when nobody comes in time.
        """
        self._state = state
        deadline = time.monotonic() + timeout_s
        while not self._done.is_set():
            if time.monotonic() >= deadline:
                raise ReconnectNeeded(
                    f"nobody came back from the consent page within {timeout_s:.0f} s",
                    fix=f"check that {self.redirect_uri} is registered with the application; connect again",
                )
            self._server.handle_request()
            self._done.wait(0.02)
        assert self._found is not None
        return self._found

    def close(self) -> None:
        self._server.server_close()

    def __enter__(self) -> CallbackListener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        if parts.path != _PATH:
            self._page(handler, 404, "Nothing here", "This address only takes the answer to a sign-in.")
            return
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not self._state or not hmac.compare_digest(found.get("state", "").encode(), self._state.encode()):
            self._page(
                handler,
                400,
                "This is not the answer Syncline waits for",
                "It may come from an older attempt. Use the address that Syncline printed last.",
            )
            return
        if "code" in found:
            self._page(
                handler, 200, "Signed in", "You can close this page; Syncline goes on in the terminal."
            )
        else:
            self._page(
                handler, 200, "Not signed in", "The other side said: " + found.get("error", "nothing") + "."
            )
        if not self._done.is_set():
            self._found = found
            self._done.set()

    @staticmethod
    def _page(handler: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
        body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
        handler.close_connection = True
        handler.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ):
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
