"""A remote for sign-in tests: an authorization server that rotates refresh tokens, and one resource."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from syncline.connect.contract import Grant, OAuth

CLIENT_ID, CLIENT_SECRET = "client-1", "canary:client/secret"


class TokenServer:
    """Serves ``/authorize``, ``/token``, ``/revoke`` and ``/thing`` on loopback until :meth:`close`.

    Every refresh token works once, without grace. ``uses``: how often an access token works before it
    counts as expired. ``replies``: answers for the next token requests in place of the true ones, each
    a status and a body. ``lose``: so many token requests are processed and never answered.
    """

    def __init__(self, uses: int = 10**9) -> None:
        self.uses = uses
        self.replies: list[tuple[int, Any]] = []
        self.lose = 0
        self.seen: list[dict[str, str]] = []
        self.refreshes = 0
        self.served = 0
        self.reused = 0
        self.access: dict[str, int] = {}
        self.refresh: str | None = None
        self._codes: dict[str, dict[str, str]] = {}
        self._number = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                outer._get(self)

            def do_POST(self) -> None:
                outer._post(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def oauth(self, **changes: Any) -> OAuth:
        return OAuth(
            **{
                "authorize_url": f"{self.url}/authorize",
                "token_url": f"{self.url}/token",
                "revoke_url": f"{self.url}/revoke",
                "scopes": ("things.read", "offline"),
                "grants": (Grant.CODE, Grant.CLIENT_CREDENTIALS),
                "expired_marks": ("TokenExpired",),
                "keep": ("api_domain",),
                "callback_keep": ("location",),
                **changes,
            }
        )

    def issue(self, *, refresh: bool = True) -> dict[str, Any]:
        with self._lock:
            return self._issue(refresh=refresh)

    def _issue(self, *, refresh: bool) -> dict[str, Any]:
        self._number += 1
        access = f"canary-access-{self._number:06d}"
        self.access = {access: self.uses}  # an older access token dies with the refresh
        found: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 1800,
            "scope": "things.read offline",
            "api_domain": self.url,
        }
        if refresh:
            self.refresh = found["refresh_token"] = f"canary-refresh-{self._number:06d}"
        return found

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path == "/authorize":
            code = f"canary-code-{len(self._codes)}"
            self._codes[code] = query
            back = urlencode({"code": code, "state": query["state"], "location": "eu", "noise": "x"})
            handler.send_response(302)
            handler.send_header("Location", f"{query['redirect_uri']}?{back}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        with self._lock:
            left = self.access.get(token, 0)
            if left > 0:
                self.access[token] = left - 1
                self.served += 1
        self._send(
            handler, 200 if left > 0 else 401, {"ok": True} if left > 0 else {"Detail": "TokenExpired: x"}
        )

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        form = {k: v[0] for k, v in parse_qs(body).items()}
        form["(authorization)"] = handler.headers.get("Authorization", "")
        with self._lock:
            self.seen.append(form)
            status, reply = self.replies.pop(0) if self.replies else self._answer(handler.path, form)
            lost, self.lose = self.lose > 0, max(self.lose - 1, 0)
        if lost:
            handler.close_connection = True
            handler.connection.close()
            return
        self._send(handler, status, reply)

    def _answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if not self._known_client(form):
            return 401, {"error": "invalid_client"}
        if path == "/revoke":
            self.access, self.refresh = {}, None
            return 200, {}
        kind = form["grant_type"]
        if kind == "client_credentials":
            return 200, self._issue(refresh=False)
        if kind == "authorization_code":
            asked = self._codes.pop(form["code"], None)
            good = form["code"] == "by-hand" or (asked is not None and self._exchangeable(asked, form))
            return (200, self._issue(refresh=True)) if good else (400, {"error": "invalid_grant"})
        if form["refresh_token"] != self.refresh:
            self.reused += 1
            return 400, {"error": "invalid_grant", "error_description": f"{form['refresh_token']} is used"}
        self.refreshes += 1
        return 200, self._issue(refresh=True)

    @staticmethod
    def _exchangeable(asked: dict[str, str], form: dict[str, str]) -> bool:
        if asked["redirect_uri"] != form.get("redirect_uri"):
            return False
        challenge = asked.get("code_challenge")
        if challenge is None:
            return True
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge

    @staticmethod
    def _known_client(form: dict[str, str]) -> bool:
        if form["(authorization)"]:
            pair = base64.b64decode(form["(authorization)"].removeprefix("Basic ")).decode()
            found = tuple(unquote(half) for half in pair.split(":"))
        else:
            found = (form.get("client_id", ""), form.get("client_secret", ""))
        return found == (CLIENT_ID, CLIENT_SECRET)

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
