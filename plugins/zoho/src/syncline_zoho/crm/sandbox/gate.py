"""What stands before every API call: sign-in, scope, concurrency, credits.

Allowances after Zoho CRM API v8, API Limits: Enterprise edition with five users; credits come back 24
hours after they were used; what is left is told only below half.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from syncline.connect.sandbox import Reply, Request, VirtualClock
from syncline_zoho.crm.sandbox.errors import error_body
from syncline_zoho.sandbox import AccountsServer

CREDITS = 55_000
CONCURRENT = 20
DAY_S = 86_400

#: what the sign-in of the sandbox is granted when nobody asks for less
ALL_SCOPES = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.settings.ALL",
    "ZohoCRM.org.ALL",
    "ZohoCRM.users.ALL",
    "ZohoCRM.coql.READ",
    "ZohoCRM.bulk.ALL",
    "ZohoSearch.securesearch.READ",
)

_OPERATIONS = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "PATCH": "UPDATE", "DELETE": "DELETE"}

Need = tuple[str, str | None, str]


def needs(method: str, path: str, part_of: Callable[[str], str], queried: str | None) -> list[Need]:
    """The scopes a call needs, each as (area, part, operation). ``part_of``: a module's word in scopes;
    ``queried``: the module that a query is about, which it needs to read as well."""
    parts = [part for part in path.split("/") if part]
    operation = _OPERATIONS.get(method, "READ")
    if parts[:2] == ["crm", "bulk"]:
        return [("bulk", None, operation)]
    rest = parts[2:]
    head = rest[0] if rest else ""
    if head == "coql":
        reads: list[Need] = [] if queried is None else [("modules", part_of(queried), "READ")]
        return [("coql", None, "READ"), *reads]
    if head == "settings":
        return [("settings", rest[1] if len(rest) > 1 else None, operation)]
    if head == "org":
        part = rest[1] if len(rest) > 1 else None
        return [("settings", part, operation)] if part else [("org", None, operation)]
    if head == "users":
        return [("users", None, operation)]
    module: Need = ("modules", part_of(head), operation)
    if len(rest) > 1 and (rest[1] == "search" or rest[1:] == ["actions", "count"]):
        return [module, ("securesearch", None, "READ")]
    return [module]


def allowed(need: Need, scopes: frozenset[str]) -> bool:
    area, part, operation = need
    product = "ZohoSearch" if area == "securesearch" else "ZohoCRM"
    kinds = {operation, "ALL"} | ({"WRITE"} if operation != "READ" else set())
    names = [area] if part is None else [area, f"{area}.{part}"]
    return any(f"{product}.{name}.{kind}" in scopes for name in names for kind in kinds)


def _queried(request: Request) -> str | None:
    """The module behind ``from`` in a query, whatever else is wrong with it."""
    if not request.path.endswith("/coql"):
        return None
    found = re.search(rb"\bfrom\s+(\w+)", request.body, re.IGNORECASE)
    return found[1].decode() if found else None


class Gate:
    """``limits``: whether calls are counted at all."""

    def __init__(
        self,
        accounts: AccountsServer,
        clock: VirtualClock,
        part_of: Callable[[str], str],
        *,
        limits: bool,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._part_of = part_of
        self.limits = limits
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def refuse(self, request: Request, in_flight: int, allowance: int) -> Reply | None:
        token = self._accounts.identify(request.headers.get("authorization"))
        if token.problem == "AUTHENTICATION_FAILURE":
            return Reply.json(error_body("AUTHENTICATION_FAILURE", "Authentication failed"), 401)
        if token.problem is not None:
            return Reply.json(error_body(token.problem, "invalid oauth token"), 401)
        wanted = needs(request.method, request.path, self._part_of, _queried(request))
        if not all(allowed(need, token.scopes) for need in wanted):
            return scope_mismatch()
        if self.limits:
            if in_flight > CONCURRENT or self.left(allowance) <= 0:
                return too_many()
            self.charge(1)
        return None

    def charge(self, credits_used: int) -> None:
        if self.limits and credits_used:
            self._spent.append((self._clock.timestamp(), credits_used))
            self._total += credits_used

    def left(self, allowance: int) -> int:
        limit = self._clock.timestamp() - DAY_S
        while self._spent and self._spent[0][0] <= limit:
            self._total -= self._spent.popleft()[1]
        return allowance - self._total

    def headers(self, allowance: int) -> dict[str, str]:
        left = self.left(allowance)
        if not self.limits or left * 2 > allowance:
            return {}
        return {"X-API-CREDITS-REMAINING": str(max(0, left))}


def too_many() -> Reply:
    return Reply.json(
        error_body("TOO_MANY_REQUESTS", "You have exceeded the number of requests allowed"), 429
    )


def scope_mismatch() -> Reply:
    return Reply.json(error_body("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL"), 401)
