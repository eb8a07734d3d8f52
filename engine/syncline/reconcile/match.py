"""Matching: which records of the two ends are the same thing when they meet for the first time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import MapEntry, Side
from syncline.reconcile.merge import same

#: More records than this under one key are no evidence of anything; all of them are left to a person.
MAX_GROUP = 50


class Candidate(msgspec.Struct, kw_only=True):
    """One record of a group that shares a match key. ``free``: it has no link and may be given one; ``own``,
    ``out``: its values by map, as at its own end and as at the other."""

    side: Side
    id: str
    free: bool
    own: Mapping[str, Any]
    out: Mapping[str, Any] = {}


class Matched(Struct, frozen=True):
    """The pairs of a group (left id, right id), and for each free record that is left to a person the ids at
    the other end that it may be the same as."""

    pairs: tuple[tuple[str, str], ...]
    unclear: Mapping[tuple[Side, str], tuple[str, ...]]


def match_group(
    lefts: Sequence[Candidate],
    rights: Sequence[Candidate],
    agree: Sequence[MapEntry],
    different: Collection[tuple[str, str]] = frozenset(),
) -> Matched:
    """Pair the records of one key. Two records can be the same when no map of ``agree`` contradicts it, and
    no person (``different``: pairs of ids); they are paired when each is the other's only possibility and
    both are free."""
    if len(lefts) == len(rights) == 1 and lefts[0].free and rights[0].free:  # nearly all of them
        one = (lefts[0].id, rights[0].id)
        alone = one not in different and not contradicts(lefts[0], rights[0], agree)
        return Matched(((lefts[0].id, rights[0].id),) if alone else (), {})
    if len(lefts) > MAX_GROUP or len(rights) > MAX_GROUP:
        return Matched((), _all_unclear(lefts, rights))
    possible: dict[tuple[Side, str], list[Candidate]] = {}
    for left in lefts:
        for right in rights:
            if (left.id, right.id) in different:
                continue
            if (left.free or right.free) and not contradicts(left, right, agree):
                possible.setdefault((Side.LEFT, left.id), []).append(right)
                possible.setdefault((Side.RIGHT, right.id), []).append(left)
    pairs, unclear = [], {}
    for candidate in (*lefts, *rights):
        others = possible.get((candidate.side, candidate.id), [])
        if not candidate.free or not others:
            continue
        only = others[0] if len(others) == 1 else None
        mutual = only is not None and only.free and len(possible[only.side, only.id]) == 1
        if not mutual:
            unclear[candidate.side, candidate.id] = tuple(other.id for other in others)
        elif candidate.side is Side.LEFT and only is not None:
            pairs.append((candidate.id, only.id))
    return Matched(tuple(pairs), unclear)


def contradicts(left: Candidate, right: Candidate, agree: Sequence[MapEntry]) -> bool:
    """Whether a map of ``agree`` is filled at both ends and different."""
    return any(_differs(entry, left, right) for entry in agree)


def _differs(entry: MapEntry, left: Candidate, right: Candidate) -> bool:
    mine, theirs = left.own.get(entry.name), right.own.get(entry.name)
    if blank(mine) or blank(theirs):
        return False
    forward, backward = left.out.get(entry.name, MISSING), right.out.get(entry.name, MISSING)
    if forward is MISSING and backward is MISSING:
        return not _alike(mine, theirs)
    return not (
        (forward is not MISSING and (same(entry, theirs, forward) or _alike(theirs, forward)))
        or (backward is not MISSING and (same(entry, mine, backward) or _alike(mine, backward)))
    )


def _alike(one: Any, other: Any) -> bool:
    """Equal but for case and spaces: `A@B.example` and `a@b.example ` do not contradict each other."""
    return "".join(str(one).casefold().split()) == "".join(str(other).casefold().split())


def _all_unclear(
    lefts: Sequence[Candidate], rights: Sequence[Candidate]
) -> dict[tuple[Side, str], tuple[str, ...]]:
    ids = {Side.LEFT: tuple(c.id for c in lefts), Side.RIGHT: tuple(c.id for c in rights)}
    return {
        (candidate.side, candidate.id): ids[candidate.side.other][:MAX_GROUP]
        for candidate in (*lefts, *rights)
        if candidate.free and ids[candidate.side.other]
    }
