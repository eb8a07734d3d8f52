"""Safety limits: how much one pass may do before a person has looked."""

from __future__ import annotations

from collections.abc import Mapping

from syncline.spec.model import Limits

_DESTRUCTIVE = ("archive", "delete")


def check_limits(limits: Limits, planned: Mapping[tuple[int, str], int], links: int) -> str | None:
    """Why these planned operations, counted by (side, kind), are too many; ``None`` when they are not.

    ``links``: how many pairs the module has, which a share is taken of. A share above zero always allows one
    delete or archive, so that a small ledger can lose its first record.
    """
    total = sum(planned.values())
    if limits.operations is not None and total > limits.operations:
        return f"{total} writes are planned and limits.operations is {limits.operations}"
    destructive = sum(count for (_, kind), count in planned.items() if kind in _DESTRUCTIVE)
    if destructive == 0:
        return None
    if limits.deletes_count is not None:
        if destructive > limits.deletes_count:
            return (
                f"{destructive} deletes and archives are planned and limits.deletes is {limits.deletes_count}"
            )
        return None
    share = limits.deletes_share
    if share is not None and destructive > (max(1, int(links * share)) if share else 0):
        return (
            f"{destructive} deletes and archives are planned for {links} links"
            f" and limits.deletes is {share:%}"
        )
    return None
