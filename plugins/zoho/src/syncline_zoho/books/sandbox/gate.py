"""What stands before every call: sign-in, scope, organisation, the three limits, the ban on mail.

Limits after Zoho Books API v3, API Call Limit: 100 calls a minute (code 44), 10 at once on paid plans and 5
on the free one (1070), so many a day by plan (45). The headers are those that were recorded.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import timedelta

from syncline.connect.sandbox import Reply, Request, VirtualClock
from syncline_zoho.books.sandbox.errors import NO_ACCESS, NOT_ALLOWED
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.sandbox import AccountsServer

A_MINUTE = 100
A_DAY = {"free": 1000, "standard": 2000, "professional": 5000, "premium": 10_000}
ROOT = "/books/v3"
ALL_SCOPES = tuple(
    f"ZohoBooks.{group}.ALL"
    for group in (
        "contacts", "settings", "estimates", "salesorders", "invoices", "customerpayments", "creditnotes",
        "purchaseorders", "bills", "accountants",
    )
)  # fmt: skip
_OPERATIONS = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}
#: the first part of a path -> the group of scopes it belongs to
_GROUPS = {
    "contacts": "contacts",
    "items": "settings",
    "item": "settings",
    "itemdetails": "settings",
    "pricebooks": "settings",
    "settings": "settings",
    "users": "settings",
    "organizations": "settings",
    "chartofaccounts": "accountants",
    "estimates": "estimates",
    "salesorders": "salesorders",
    "invoices": "invoices",
    "bills": "bills",
    "purchaseorders": "purchaseorders",
    "customerpayments": "customerpayments",
    "creditnotes": "creditnotes",
}
_MAIL = re.compile(r"/(?:email|paymentreminder|statements/email|emailhistory)(?:/|$)", re.IGNORECASE)


class Gate:
    """``limits``: whether calls are counted at all."""

    def __init__(self, accounts: AccountsServer, clock: VirtualClock, *, limits: bool) -> None:
        self._accounts = accounts
        self._clock = clock
        self._limits = limits
        self._minute: dict[str, deque[float]] = {}
        self._day: dict[str, tuple[str, int]] = {}

    def refuse(self, request: Request, ledger: Ledger | None, in_flight: int, plan: str) -> Reply | None:
        token = self._accounts.identify(request.headers.get("authorization"))
        if token.problem is not None or not self._allowed(request, token.scopes):
            return error(NOT_ALLOWED, "You are not authorized to perform this operation", 401)
        if request.path.rstrip("/").lower() == f"{ROOT}/organizations":
            return None
        if ledger is None:
            named = request.one("organization_id")
            words = (
                "You are not associated with this organization." if named else "organization_id is mandatory."
            )
            return error(NO_ACCESS, words, 400)
        if self._limits:
            return self._limited(ledger, in_flight, plan)
        return None

    def _limited(self, ledger: Ledger, in_flight: int, plan: str) -> Reply | None:
        if in_flight > (5 if plan == "free" else 10):
            return error(1070, "The maximum number of concurrent calls has been reached.", 429)
        if self.left(ledger, plan) <= 0:
            return error(45, "You have exceeded the maximum number of calls for the day.", 429)
        now = self._clock.timestamp()
        minute = self._minute.setdefault(ledger.organisation, deque())
        while minute and minute[0] <= now - 60:
            minute.popleft()
        if len(minute) >= A_MINUTE:
            return error(44, "For security reasons you have been blocked for some time.", 429)
        minute.append(now)
        day = ledger.today().isoformat()
        held, used = self._day.get(ledger.organisation, (day, 0))
        self._day[ledger.organisation] = (day, used + 1 if held == day else 1)
        return None

    def left(self, ledger: Ledger, plan: str) -> int:
        """Calls left until the organisation's midnight."""
        day, used = self._day.get(ledger.organisation, ("", 0))
        return A_DAY[plan] - (used if day == ledger.today().isoformat() else 0)

    def headers(self, ledger: Ledger | None, plan: str) -> dict[str, str]:
        if ledger is None:
            return {}
        local = ledger.now().astimezone(ledger.zone)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        # Where nothing is counted a rehearsal need not wait: the real service has no header to say so.
        free = {} if self._limits else {"x-rate-limit-minute-remaining": "1000"}
        return {
            **free,
            "x-rate-limit-limit": str(A_DAY[plan]),
            "x-rate-limit-remaining": str(max(0, self.left(ledger, plan))),
            "x-rate-limit-reset": str(int((midnight - local).total_seconds())),
        }

    @staticmethod
    def _allowed(request: Request, scopes: frozenset[str]) -> bool:
        parts = [part for part in request.path.lower().split("/") if part][2:]
        group = _GROUPS.get(parts[0]) if parts else None
        if group is None:
            return True  # no such address, which is said by its own answer
        # calls that change a state ask for CREATE, being posts
        kinds = {_OPERATIONS.get(request.method, "READ"), "ALL"}
        return any(f"ZohoBooks.{group}.{kind}" in scopes for kind in kinds)


def sends_mail(request: Request) -> bool:
    """Whether a call would have the remote write to the organisation's customers."""
    if request.method in ("POST", "PUT") and _MAIL.search(request.path):
        return True
    if (request.one("send") or "").lower() == "true":
        return True
    return b'"send":true' in request.body.replace(b" ", b"")


def error(code: int, message: str, status: int) -> Reply:
    return Reply.json({"code": code, "message": message}, status)
