"""Safety limits: how much one pass may do before a person has looked."""

from __future__ import annotations

from collections.abc import Mapping

from syncline.spec.model import Limits

#: So many pairs may always change in one pass: a share of a small ledger says little.
FEW_CHANGES = 100
#: A list of a handful of records may well have become shorter by half.
_FEW_LISTED = 10
_DESTRUCTIVE = ("archive", "void", "delete")
_ENDS = "deletes, archives and voids"


def check_limits(limits: Limits, planned: Mapping[tuple[int, str], int], links: int) -> str | None:
    """Why these planned operations, counted by (side, kind), are too many; ``None`` when they are not.

    ``links``: how many pairs the module has, which a share is taken of. A share above zero always allows one
    delete, archive or void, so that a small ledger can lose its first record.
    """
    total = sum(planned.values())
    if limits.operations is not None and total > limits.operations:
        return f"{total} writes are planned and limits.operations is {limits.operations}"
    destructive = sum(count for (_, kind), count in planned.items() if kind in _DESTRUCTIVE)
    if destructive == 0:
        return None
    if limits.deletes_count is not None:
        if destructive > limits.deletes_count:
            return f"{destructive} {_ENDS} are planned and limits.deletes is {limits.deletes_count}"
        return None
    share = limits.deletes_share
    if share is not None and destructive > (max(1, int(links * share)) if share else 0):
        return f"{destructive} {_ENDS} are planned for {links} links and limits.deletes is {share:%}"
    return None


def check_mass_change(limits: Limits, changing: int, links: int) -> str | None:
    """Why so many pairs that were in step must not change in one pass unseen; ``None`` when they may.

    That nearly every record was edited since the last pass is more often a mishap (an import, a change of the
    organisation's time zone, another meaning of a field) than work.
    """
    share = limits.changes_share
    if share is None or changing <= FEW_CHANGES or changing <= links * share:
        return None
    return f"{changing} of {links} linked pairs would change at once and limits.changes is {share:%}"


def check_listing(listed: int, known: int) -> str | None:
    """Why a whole list, of so many records, cannot be trusted where so many live ones are linked."""
    if listed >= known or (listed and (listed * 2 > known or known < _FEW_LISTED)):
        return None
    return f"the whole list holds {listed} records where {known} live ones are linked"
