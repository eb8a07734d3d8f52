"""Late writes: what was not answered may still be carried out, and overwrite what is written meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from syncline.mapping.module import Side
from syncline.run.references import named_by
from syncline.run.scope import Scope

#: What a late write would tell the remote, see :meth:`ScopeEnd.whole`.
Reached = tuple[str, str, str]


def reached_late(scope: Scope) -> Set[Reached]:
    """What the late writes of any module of the pass would tell their remotes."""
    found: set[Reached] = set()
    return found.union(*(other.under_way for other in scope.scopes.values()))


def is_told_with(
    scope: Scope, reached: Set[Reached], side: Side, record: str | None, values: Mapping[str, Any]
) -> bool:
    """Whether a late write reaches a record, one that it refers to, or the list that it is an item of. It may
    tell the remote anew what it held then, and so what we write now would be lost. ``values``: by map."""
    if not reached:
        return False
    end = scope.ends[side]
    if record is not None and end.whole(record) in reached:
        return True
    return any(
        (end.system, module, named) in reached
        for name, value in values.items()
        if (entry := scope.maps.by_name.get(name)) is not None
        for module, named in named_by(entry, side, value)
    )
