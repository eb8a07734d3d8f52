"""The loop breaker: fields that keep bouncing are held, asked about and reported; everything else goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from syncline.mapping.missing import MISSING
from syncline.mapping.module import Side
from syncline.reconcile.bouncing import WINDOW, WRITES, Written, count_overwritten
from syncline.reconcile.merge import Verdict
from syncline.run.scope import Scope
from syncline.store.history import Sent, busy_links
from syncline.store.ledger import Audit, Link, Question


class Bouncing:
    """What bounces among the links of one batch. The journal is asked once, and only if something is to be
    written."""

    def __init__(self, scope: Scope, db: Connection, links: Sequence[int]) -> None:
        self._scope, self._db, self._ids = scope, db, links
        self._found: dict[int, list[Sent]] | None = None

    def asks(
        self,
        link: Link,
        side: Side,
        name: str,
        verdict: Verdict,
        asked: Mapping[tuple[str, str], dict[str, Any]],
        values: Sequence[Any],
    ) -> tuple[Question, list[Audit]] | None:
        """The question that holds a write of a field to ``side`` back, and what the log shall say of it;
        ``None`` when it may be made. ``asked``: the open questions of the link; ``values``: what each end
        holds.

        A field stays held until both ends hold the same, a person decides, or the record is pushed.
        """
        if self._scope.insist:
            return None
        subject = f"{link.id}:{name}"
        open_now = asked.get(("bouncing", subject))
        if open_now is not None:
            detail = {**open_now, "left": values[0], "right": values[1]}
            return Question(kind="bouncing", subject=subject, link=link.id, detail=detail), []
        sent = [one for one in self._history(link.id) if name in one.body["fields"]]
        told = [_written(one, name) for one in sent] + [Written(side, verdict.lost is not MISSING)]
        if count_overwritten(told, side) < WRITES:
            return None
        system = self._scope.ends[side].system
        message = (
            f"somebody else overwrites {name} in {system}: {WRITES} of our writes within"
            f" {WINDOW.total_seconds() / 3600:.0f} hours did not last, so it is paused"
        )
        detail = {
            "field": name,
            "left": values[0],
            "right": values[1],
            "rule": str(self._scope.maps.by_name[name].map.place),
            "side": int(side),
            "message": message,
            "history": [_told(one, name) for one in sent],
        }
        note = {
            "field": name,
            "message": message,
            "fields": {name: {"before": values[side], "why": "paused"}},
        }
        audit = Audit(event="bouncing", link=link.id, side=side, record=link.ids[side], detail=note)
        return Question(kind="bouncing", subject=subject, link=link.id, detail=detail), [audit]

    def _history(self, link: int) -> list[Sent]:
        if self._found is None:
            since = self._scope.now() - WINDOW
            self._found = busy_links(self._db, self._ids, since, WRITES)
        return self._found.get(link, [])


def _written(one: Sent, name: str) -> Written:
    return Written(Side(one.side), "lost" in one.body["fields"][name])


def _told(one: Sent, name: str) -> dict[str, Any]:
    """One write as a question tells it: when, at which end, what was found there and what was put there."""
    part = one.body["fields"][name]
    at = one.settled_at or one.made_at
    return {
        "at": at.isoformat(),
        "side": one.side,
        "found": part.get("before"),
        "wrote": part.get("set"),
    }
