"""The exit codes, each with one meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    SPEC = 3
    ATTENTION = 4
    STOPPED = 5


#: The exit code of each status of a pass.
OF_STATUS = {
    "done": Exit.DONE,
    "failed": Exit.FAILED,
    "attention": Exit.ATTENTION,
    "stopped": Exit.STOPPED,
}
