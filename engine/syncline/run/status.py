"""Status: what is in step, what rests and why, and what waits for a person; read from the state alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.known import Known, known_module, known_modules, labels_of, link_label
from syncline.spec.model import Spec
from syncline.store.database import Database
from syncline.store.history import (
    Asked,
    Connected,
    Resting,
    connections,
    has_failed_for_good,
    questions,
    read_until,
    resting,
)
from syncline.store.lease import Leases
from syncline.store.ledger import Link
from syncline.store.scopes import last_passes

#: What can be listed: the statuses of staged records, or the kinds of open questions.
LISTS: Mapping[str, tuple[str, ...]] = {
    "conflicts": ("conflict", "deleted-and-edited", "bouncing", "merged"),
    "ambiguous": ("ambiguous",),
    "waiting": ("waiting",),
    "locked": ("locked",),
    "failed": ("failed", "dead"),
    "parked": ("parked",),
    "ignored": ("ignored",),
}
#: Questions that hold something back until a person answers.
_DECISIONS = ("conflict", "deleted-and-edited", "bouncing", "merged", "ambiguous")


def read_status(database: Database, spec: Spec, passes: int = 5) -> dict[str, Any]:
    """The totals of a spec: ``{"spec", "status", "systems", "modules", "passes"}``.

    ``status``: ``failed`` when a record or a sign-in will not work again by itself, else ``attention`` when a
    person must decide, else ``done``. ``systems``: by name ``connector``, ``status`` (connected, reconnect,
    none), ``reason``, ``organisation`` (``id``, ``name``), ``connected_at``. ``modules``: by name
    ``enabled``, ``links``, ``read`` (by system, until when; null before the first pass), ``resting`` (by
    status, pairs counted once), ``questions`` (by kind), ``running`` (who works on it now, or null).
    ``passes``: the newest first: ``id``, ``verb``, ``who``, ``started``, ``ended``, ``status``, ``reason``,
    ``totals``; one that never ended and holds no lease is ``interrupted``.
    """
    leases = Leases(database)
    modules: dict[str, Any] = {}
    broken = False
    with database.read() as db:
        saved = connections(db, spec.name)
        for known in known_modules(db, spec):
            modules[known.name] = _module(db, known)
            broken = broken or (known.scope is not None and has_failed_for_good(db, known.scope))
        newest = [{name: row[name] for name in _PASS_KEYS} for row in last_passes(db, spec.name, passes)]
    for name, module in modules.items():
        holder = leases.holder(f"{spec.name}:{name}")
        module["running"] = holder.owner if holder else None
    if not any(module["running"] for module in modules.values()):
        for row in newest:
            if row["status"] == "running":
                row["status"] = "interrupted"
    systems = {name: _system(system.connector, saved.get(name)) for name, system in spec.systems.items()}
    return {
        "spec": spec.name,
        "status": _overall(systems, modules, newest, broken=broken),
        "systems": systems,
        "modules": modules,
        "passes": newest,
    }


_PASS_KEYS = ("id", "verb", "who", "started", "ended", "status", "reason", "totals")


def _overall(
    systems: Mapping[str, Any],
    modules: Mapping[str, Any],
    passes: Sequence[Mapping[str, Any]],
    *,
    broken: bool,
) -> str:
    if broken or any(system["status"] == "reconnect" for system in systems.values()):
        return "failed"
    asked = any(module["questions"].get(kind) for module in modules.values() for kind in _DECISIONS)
    ended = next((row for row in passes if row["ended"] is not None), None)
    # What a safety limit has stopped goes on only when somebody has looked at it.
    stopped = ended is not None and ended["status"] == "stopped"
    return "attention" if asked or stopped else "done"


def _system(connector: str, saved: Connected | None) -> dict[str, Any]:
    if saved is None:
        return {
            "connector": connector,
            "status": "none",
            "reason": "",
            "organisation": None,
            "connected_at": None,
        }
    return {
        "connector": saved.connector,
        "status": saved.status,
        "reason": saved.reason,
        "organisation": {"id": saved.organisation_id, "name": saved.organisation_name},
        "connected_at": saved.connected_at,
    }


def _module(db: Connection, known: Known) -> dict[str, Any]:
    enabled = known.module.enabled
    if known.scope is None:
        read: dict[str, Any] = dict.fromkeys(known.systems)
        return {"enabled": enabled, "links": 0, "read": read, "resting": {}, "questions": {}}
    until = read_until(db, known.scope)
    return {
        "enabled": enabled,
        "links": known.ledger.count_links(db),
        "read": {system: until.get(side) for side, system in enumerate(known.systems)},
        "resting": dict(sorted(known.ledger.resting(db).items())),
        "questions": dict(sorted(known.ledger.count_questions(db).items())),
    }


def when_again(status: str, due: datetime | None) -> str:
    """In words, when a resting record is decided anew. An edit at either end, or of the module in the spec,
    brings it back at once, whatever its status."""
    match status:
        case "pending" | "writing":
            return "in the next pass"
        case "waiting":
            return "in every pass, until what it refers to is there"
        case "ambiguous":
            return "in every pass, until a single match is left"
        case "ignored":
            return "when the decision is taken out of the file beside the spec"
        case "failed" if due is not None:
            return f"in the first pass after {due:%Y-%m-%d %H:%M:%SZ}"
        case "conflict":
            return "when the ends hold the same, or one of the records changes"
        case "locked":
            return "on the next day, or when one of the records or the spec changes"
        case _:
            return "when the record or the spec changes"


# --- lists ---------------------------------------------------------------------------------------


def list_records(
    database: Database, spec: Spec, which: str, module: str | None, limit: int
) -> list[dict[str, Any]]:
    """The records of one of :data:`LISTS`, oldest first, a linked pair once, at most ``limit``.

    Each: ``module``, ``status``, ``records`` (by system: ``id``, ``name``), ``reason``, ``next_try`` (the
    instant, or null when it waits for something else), ``when`` (the same in words), ``attempts``, ``fields``
    (of a conflict: by field map, the value of each system and the ``rule``).
    """
    if which not in LISTS:
        raise SynclineError(f"there is no list {which!r}", fix=f"name one of: {', '.join(LISTS)}")
    rows: list[dict[str, Any]] = []
    with database.read() as db:
        modules = [known_module(db, spec, module)] if module else known_modules(db, spec)
        for known in modules:
            if known.scope is not None and len(rows) < limit:
                rows += _listed(db, known, LISTS[which], limit - len(rows))
    return rows


def _listed(db: Connection, known: Known, statuses: Sequence[str], limit: int) -> list[dict[str, Any]]:
    assert known.scope is not None
    # Both ends of a pair may rest, so twice as many rows are enough.
    found = resting(db, known.scope, statuses, 2 * limit)
    links = _links(db, known, found)
    asked: dict[int | None, list[Asked]] = {}
    if "conflict" in statuses:
        for question in questions(db, known.scope, statuses, 10 * limit):
            asked.setdefault(question.link, []).append(question)
    rows: list[dict[str, Any]] = []
    told: set[int] = set()
    for one in found:
        link = links.get((one.side, one.record))
        if link is not None and link.id in told:
            continue
        if link is not None:
            told.add(link.id)
        rows.append(_line(db, known, one, link, asked.get(link.id, []) if link else []))
    return rows[:limit]


def _links(db: Connection, known: Known, rows: Sequence[Resting]) -> dict[tuple[int, str], Link]:
    found = {}
    for side in Side:
        ids = [row.record for row in rows if row.side == side]
        found.update({(int(side), i): link for i, link in known.ledger.links_of(db, side, ids).items()})
    return found


def _line(
    db: Connection, known: Known, row: Resting, link: Link | None, asked: Sequence[Asked]
) -> dict[str, Any]:
    records: dict[str, Any] = {}
    for side, system in enumerate(known.systems):
        record = row.record if side == row.side else link.ids[side] if link else None
        if record is not None:
            names = labels_of(db, known, Side(side), [record])
            records[system] = {
                "id": record,
                "name": names.get(record) or (link and link_label(known, link)) or "",
            }
    fields = {
        question.detail["field"]: {
            known.systems[0]: question.detail.get("left"),
            known.systems[1]: question.detail.get("right"),
            "rule": question.detail.get("rule"),
        }
        for question in asked
        if question.kind in ("conflict", "bouncing")
    }
    return {
        "module": known.name,
        "status": row.status,
        "records": records,
        "reason": row.reason,
        "next_try": row.due,
        "when": when_again(row.status, row.due),
        "attempts": row.attempts,
        "fields": fields,
    }
