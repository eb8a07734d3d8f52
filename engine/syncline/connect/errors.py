"""What can go wrong with a whole call, branched by what the engine does next.

A connector turns the remote's answers into these; a single record's failure is an
:class:`~syncline.connect.contract.Outcome`, never one of these.
"""

from __future__ import annotations

from syncline.connect.secrets import redact
from syncline.errors import SynclineError
from syncline.printable import one_line


class RemoteError(SynclineError):
    """A call failed. ``status`` and ``correlation`` help the remote's support; never holds a body.

    A remote's words in it are masked here, where no connector can forget it: a remote may say anything, the
    token that it was called with among it.
    """

    def __init__(
        self, what: str, *, fix: str = "", status: int | None = None, correlation: str | None = None
    ) -> None:
        super().__init__(one_line(redact(what)), fix=one_line(redact(fix)))
        self.status = status
        self.correlation = None if correlation is None else one_line(redact(correlation))[:100]


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


class EventRefused(RemoteError):
    """A delivery that is not the remote's own word: a wrong signature, a wrong token, no webhook at all."""


class RemoteProtocolError(RemoteError):
    """The remote said something this connector cannot make sense of: a bug, here or there."""


class AnswerLost(RemoteError):
    """The request may have been carried out, but its answer never came."""
