"""What the remote would refuse to change, known from the record before anything is sent.

A document says of itself that it is locked (``lock_detail``: ``locked_actions``, ``custom_locks``,
``system_locks``, as recorded); one that is paid or void is not edited any more; and what is dated within a
locked period is refused by its date, which only the organisation's settings tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect import Lock
from syncline_zoho.books.kinds import Kind

#: what a settled document still takes: nothing of it is in the ledger
HARMLESS = frozenset({"notes", "terms", "reference_number", "salesperson_name", "description"})


def lock_of(
    kind: Kind, row: Mapping[str, Any], custom: Sequence[str], locked_until: str | None
) -> Lock | None:
    """``custom``: the names of the organisation's own fields; ``locked_until``: the last locked day."""
    told = _told(row.get("lock_detail"))
    if told is not None:
        return Lock(reason=told)
    day = str(row.get("date") or "")
    if locked_until and kind.number and day and day <= locked_until:
        return Lock(reason=f"transactions are locked up to {locked_until}")
    status = row.get("status")
    if kind.void is not None and status == kind.void:
        return Lock(reason=f"the {kind.noun.lower()} is {status}", editable=frozenset({"status"}))
    if status in kind.settled:
        free = HARMLESS | set(custom)
        if kind.moves and status == "billed":
            free |= {"status"}
        return Lock(reason=f"the {kind.noun.lower()} is {status}", editable=frozenset(free))
    return None


def _told(detail: Any) -> str | None:
    if not isinstance(detail, Mapping):
        return None
    actions = detail.get("locked_actions")
    if isinstance(actions, list | tuple) and actions and "edit" not in map(str, actions):
        return None
    for key in ("custom_locks", "system_locks"):
        locks = detail.get(key)
        if isinstance(locks, list) and locks:
            names = [str(lock.get("lock_name") or "") for lock in locks if isinstance(lock, Mapping)]
            named = ", ".join(name for name in names if name)
            return f"locked in Zoho Books{': ' + named if named else ''}"
    return "locked in Zoho Books" if actions else None
