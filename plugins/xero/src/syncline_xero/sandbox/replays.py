"""Idempotency keys: the first answer to a key is given again for six minutes.

Source: Xero API documentation, Idempotent requests. Errors are remembered as well; the same key with
another request is refused.
"""

from __future__ import annotations

import hashlib

from syncline.connect.sandbox import Reply, Request, Table, VirtualClock
from syncline_xero.sandbox.wire import bad_request

KEEP_S = 360
MAX_KEY = 128


class Replays:
    def __init__(self, table: Table, clock: VirtualClock) -> None:
        self.table = table
        self.clock = clock

    def known(self, request: Request, tenant: str) -> Reply | None:
        """The remembered answer, a refusal of the key, or ``None`` when the request is new."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return None
        if len(key) > MAX_KEY:
            return bad_request(0, "BadRequest", f"The idempotency key is longer than {MAX_KEY} characters")
        held = self.table.get(key)
        if held is None or held["until"] <= self.clock.timestamp():
            return None
        if held["request"] != _fingerprint(request, tenant):
            return bad_request(
                0, "BadRequest", "The idempotency key has already been used with a different request"
            )
        return Reply(held["status"], held["body"].encode(), {"Content-Type": held["type"]})

    def remember(self, request: Request, tenant: str, reply: Reply) -> None:
        key = request.headers.get("idempotency-key")
        if key is None:
            return
        now = self.clock.timestamp()
        remembered = self.table.keys()
        for old in remembered:
            held = self.table.get(old)
            if held is not None and held["until"] > now:
                break
            self.table.delete(old)
        self.table.delete(key)
        self.table.put(
            key,
            {
                "request": _fingerprint(request, tenant),
                "status": reply.status,
                "body": reply.body.decode(),
                "type": reply.headers.get("Content-Type", "application/json"),
                "until": now + KEEP_S,
            },
        )


def _fingerprint(request: Request, tenant: str) -> str:
    asked = repr((tenant, request.method, request.path.lower(), sorted(request.query.items())))
    return hashlib.sha256(asked.encode() + request.body).hexdigest()
