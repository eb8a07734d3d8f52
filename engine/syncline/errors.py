"""The root of every error that Syncline raises on purpose, branched by what happens next."""

from __future__ import annotations


class SynclineError(Exception):
    """Something a person can act on: what is wrong, and what to do about it.

    ``what`` is one sentence, ``fix`` the next step; neither ever holds a secret or a whole payload.
    """

    def __init__(self, what: str, *, fix: str = "") -> None:
        super().__init__(f"{what}\n  fix: {fix}" if fix else what)
        self.what = what
        self.fix = fix

    @property
    def told(self) -> str:
        """Both on one line, for where the reasons of several things stand beside each other."""
        return self.what + (f"; {self.fix}" if self.fix else "")
