"""Reset: read everything again; and, when a person insists, forget which records belong together."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.known import Known, known_modules
from syncline.run.sync import recorded_pass
from syncline.run.workspace import Workspace
from syncline.store.backup import back_up
from syncline.store.database import sqlite_file
from syncline.store.forgetting import forget_links, forget_reading, unsettled
from syncline.store.lease import fence


def reset(
    workspace: Workspace, system: str | None, *, drop_links: bool, confirm: str | None
) -> dict[str, Any]:
    """Forget the cursors and the staging of a spec (of one ``system`` alone, if given); the links stay, and
    the next pass reads everything, compares it and writes nothing that is in step.

    ``drop_links``: forget the links too, so that the next pass matches all records anew; ``confirm`` must be
    the spec's name. A state in a SQLite file is copied first. No remote is asked.

    Returns ``spec``, ``systems`` (those that will be read again), ``modules`` (by name ``links`` and
    ``dropped``) and ``backup`` (the copy, or null). Raises SynclineError: an unknown system, links to be
    dropped without the confirmation or with writes whose outcome is not known, a pass at work.
    """
    spec = workspace.spec
    if system is not None:
        workspace.system(system)
    if drop_links and system is not None:
        raise SynclineError("links belong to both systems", fix="leave the system out")
    if drop_links and confirm != spec.name:
        raise SynclineError(
            "dropping the links makes the next pass match all records anew: pairs that no rule"
            " recognises would be created a second time",
            fix=f"if that is meant: --drop-links --confirm {spec.name}",
        )
    systems = [system] if system is not None else list(spec.systems)
    file = sqlite_file(workspace.state_url)
    told: dict[str, Any] = {"spec": spec.name, "systems": systems, "modules": {}, "backup": None}
    with ExitStack() as leases:
        kept = [
            leases.enter_context(workspace.leases.hold(f"{spec.name}:{module}")) for module in spec.modules
        ]
        with workspace.database.read() as db:
            modules = [known for known in known_modules(db, spec) if known.scope is not None]
            if drop_links:
                _refuse_unsettled(db, modules)
        if file is not None:
            told["backup"] = str(back_up(file, workspace.now()))
        with recorded_pass(workspace, "reset"), workspace.database.write() as db:
            for one in kept:
                fence(db, one.lease)
            for known in modules:
                told["modules"][known.name] = _forget(db, known, systems, drop_links=drop_links)
    return told


def _forget(db: Connection, known: Known, systems: list[str], *, drop_links: bool) -> dict[str, int]:
    assert known.scope is not None
    if drop_links:
        return {"links": 0, "dropped": forget_links(db, known.scope)}
    forget_reading(db, known.scope, [side for side in Side if known.systems[side] in systems])
    return {"links": known.ledger.count_links(db), "dropped": 0}


def _refuse_unsettled(db: Connection, modules: list[Known]) -> None:
    """A create whose answer was lost is found again by its link: without it, it might be made twice."""
    for known in modules:
        assert known.scope is not None
        if number := unsettled(db, known.scope):
            raise SynclineError(
                f"{known.name}: the outcome of {number} writes is not known yet",
                fix="run: syncline sync, first",
            )
