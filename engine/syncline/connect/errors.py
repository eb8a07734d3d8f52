"""What can go wrong with a whole call, branched by what the engine does next.

A connector turns the remote's answers into these; a single record's failure is an
:class:`~syncline.connect.contract.Outcome`, never one of these.
"""

from __future__ import annotations

from syncline.errors import SynclineError


class RemoteError(SynclineError):
    """A call failed. ``status`` and ``correlation`` help the remote's support; never holds a body."""

    def __init__(
        self, what: str, *, fix: str = "", status: int | None = None, correlation: str | None = None
    ) -> None:
        super().__init__(what, fix=fix)
        self.status = status
        self.correlation = correlation


class RemoteUnavailable(RemoteError):
    """Not answering, or answering that it cannot now; the next pass tries again."""


class QuotaExhausted(RemoteError):
    """A limit that will not clear within this pass; ``retry_after_s`` when the remote says."""

    def __init__(self, what: str, *, retry_after_s: float | None = None, fix: str = "") -> None:
        super().__init__(what, fix=fix, status=429)
        self.retry_after_s = retry_after_s


class ReconnectNeeded(RemoteError):
    """The authorisation is dead or was never given; a person must run `syncline connect`."""


class PermissionMissing(RemoteError):
    """Signed in, but not allowed to do this (a scope, a role, a plan)."""


class WrongOrganisation(RemoteError):
    """The connection answers for another organisation than the one it was made for."""


class RemoteProtocolError(RemoteError):
    """The remote said something this connector cannot make sense of: a bug, here or there."""


class AnswerLost(RemoteError):
    """The request may have been carried out, but its answer never came."""
