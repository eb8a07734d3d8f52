"""What people have decided and no pass has carried out yet.

A decision answers a question (or decides a settled conflict the other way) and has its ``subject``. Kinds:

``field``
    One field of a pair, ``<link>:<map>``. ``detail``: ``side``, whose value shall stand at both ends;
    ``put``: another value, to be stored at that end first; ``seen``: by side, the value it was decided on.
``fate``
    A pair of which one record is gone and the other was edited, ``<link>``. ``detail``: ``side``, whose
    state shall stand; ``print``: of the edited record, in hex, as it was decided on.
``match``
    A record without a link, ``<side>:<record>``. ``detail``: ``other``, the record at the other end that it
    is the same as, and ``keys``, the match keys of both as they were; no ``other``: a record of its own;
    ``tried``: that has been tried.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.store import tables as t
from syncline.store.database import upsert
from syncline.store.statement import find, given_list, read_instant

_CHUNK = 500


class Decision(Struct, frozen=True, kw_only=True):
    """What somebody decided; see the module for the kinds and their ``detail``."""

    id: int
    kind: str
    subject: str
    who: str
    made_at: datetime
    link: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


_COLUMNS = "id kind subject link detail who made_at".split()
_DECISIONS = find(t.decision, _COLUMNS, "scope kind", among_="kind", order="id")
_DECISIONS_ON = find(t.decision, _COLUMNS, "link", among_="link", order="id")


def save_decision(db: Connection, scope: int, decision: Decision) -> None:
    """Remember a decision; an older one about the same is forgotten."""
    row = {
        "id": decision.id,
        "scope": scope,
        "kind": decision.kind,
        "subject": decision.subject,
        "link": decision.link,
        "detail": exactjson.encode(decision.detail),
        "who": decision.who,
        "made_at": decision.made_at,
    }
    upsert(db, t.decision, [row], keys=["scope", "kind", "subject"])


def change_detail(db: Connection, number: int, detail: Mapping[str, Any]) -> None:
    """Note how far a decision has been carried out."""
    db.execute(sa.update(t.decision).where(t.decision.c.id == number).values(detail=exactjson.encode(detail)))


def decisions(db: Connection, scope: int, *kinds: str) -> list[Decision]:
    """The decisions of these kinds, oldest first."""
    return [_decision(row) for row in _DECISIONS.all(db, scope, given_list(db, kinds))]


def decisions_on(db: Connection, links: Sequence[int]) -> dict[int, list[Decision]]:
    """The decisions about these links, by link."""
    found: dict[int, list[Decision]] = {}
    for row in _DECISIONS_ON.all(db, given_list(db, links)) if links else ():
        decision = _decision(row)
        assert decision.link is not None
        found.setdefault(decision.link, []).append(decision)
    return found


def forget_decisions(db: Connection, numbers: Iterable[int]) -> None:
    """Forget decisions that were carried out, or overtaken."""
    ids = list(numbers)
    for start in range(0, len(ids), _CHUNK):
        db.execute(sa.delete(t.decision).where(t.decision.c.id.in_(ids[start : start + _CHUNK])))


def _decision(row: Sequence[Any]) -> Decision:
    """A row of _COLUMNS."""
    number, kind, subject, link, detail, who, made_at = row
    return Decision(
        id=number,
        kind=kind,
        subject=subject,
        link=link,
        detail=exactjson.decode(detail),
        who=who,
        made_at=read_instant(made_at),
    )
