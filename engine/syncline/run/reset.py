"""Reset: read everything again, or cut a connection; links are forgotten only when a person insists."""

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
from syncline.store.vault import Vault


def reset(
    workspace: Workspace, system: str | None, *, cut: bool = False, drop_links: bool, confirm: str | None
) -> dict[str, Any]:
    """Forget the cursors and the staging of a spec (of one ``system`` alone, if given); the links stay, and
    the next pass reads everything, compares it and writes nothing that is in step.

    ``cut``: forget the sign-in of the ``system`` instead; its links and cursors stay, so that connecting the
    same organisation again resumes. ``drop_links``: forget the links too (those of the modules of the
    ``system``, if given), so that the next pass matches all their records anew; ``confirm`` must be the
    spec's name. A state in a SQLite file is copied first. No remote is asked.

    Returns ``spec``, ``systems`` (those that will be read again, or are cut), ``cut``, ``modules`` (by name
    ``links`` and ``dropped``) and ``backup`` (the copy, or null). Raises SynclineError: an unknown system,
    nothing to cut, links to be dropped without the confirmation or with writes whose outcome is not known, a
    pass at work on one of the modules.
    """
    spec = workspace.spec
    if system is not None:
        workspace.system(system)
    if cut and system is None:
        raise SynclineError("one connection is cut at a time", fix="name the system")
    if drop_links and confirm != spec.name:
        raise SynclineError(
            "dropping the links makes the next pass match all records anew: pairs that no rule"
            " recognises would be created a second time",
            fix=f"if that is meant: --drop-links --confirm {spec.name}",
        )
    systems = [system] if system is not None else list(spec.systems)
    names = [module.name for module in spec.modules.values() if set(systems) & set(module.systems)]
    file = sqlite_file(workspace.state_url)
    told: dict[str, Any] = {"spec": spec.name, "systems": systems, "cut": cut, "modules": {}, "backup": None}
    with ExitStack() as leases:
        kept = [leases.enter_context(workspace.leases.hold(f"{spec.name}:{module}")) for module in names]
        with workspace.database.read() as db:
            modules = (
                [known for known in known_modules(db, spec, names) if known.scope is not None]
                if names
                else []
            )
            if drop_links:
                _refuse_unsettled(db, modules)
        if file is not None:
            told["backup"] = str(back_up(file, workspace.now()))
        with recorded_pass(workspace, "reset"), workspace.database.write() as db:
            for one in kept:
                fence(db, one.lease)
            if cut and not Vault.cut(db, spec.name, systems[0]):
                raise SynclineError(f"{systems[0]} is not connected", fix="there is nothing to cut")
            for known in modules:
                told["modules"][known.name] = _forget(
                    db, known, [] if cut else systems, drop_links=drop_links
                )
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
