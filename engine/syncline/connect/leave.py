"""Leave to send: asked for right before a request that may change a remote goes out.

A process may be stopped at any instruction and run on long after another has taken its work over. So it is
not enough that the work was its own when it began to prepare a call: waiting for room in a budget, a sign-in
or a new connection may have taken minutes. Leave is asked for when the connection stands, and is good for a
moment only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from syncline.connect.waiting import steady
from syncline.errors import SynclineError

#: How old leave may be when the first byte goes out; far less than a lease lasts.
LEAVE_S = 1.0
_TRIES = 10
#: What httpcore is about to do when it tells of these; a request without its body is not carried out.
_GOING_OUT = ("send_request_headers.started", "send_request_body.started")

_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def sending_only_if(check: Callable[[], None]) -> Iterator[None]:
    """While the block runs, in this thread, every request that may change something goes out only if
    ``check`` does not raise; what it raises ends the call, and nothing was sent then."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


class Leave:
    """The leave for one request. ``clock``: seconds that nobody sets, and that go on in a machine asleep."""

    def __init__(self, check: Callable[[], None], clock: Callable[[], float]) -> None:
        self._check = check
        self._clock = clock
        self._asked = -LEAVE_S

    def trace(self, event: str, _info: object) -> None:
        """For httpcore: called before and after each of its steps."""
        if event.endswith(_GOING_OUT):
            self.ask()

    def ask(self) -> None:
        """Returns with leave that is fresh; raises what the check raises."""
        for _ in range(_TRIES):
            if self._clock() - self._asked < LEAVE_S:
                return
            # The moment before the question: stopped during it, the answer is too old to be used.
            self._asked = self._clock()
            self._check()
        raise SynclineError(
            "the state answers too slowly to know whether this process may still write",
            fix="nothing was sent; see what keeps the database busy",
        )


def leave() -> Leave | None:
    """The leave that a request of this thread needs now, if any."""
    check = _check.get()
    return None if check is None else Leave(check, steady)
