"""Push: one record brought in step now, as a pass narrowed to it."""

from __future__ import annotations

from typing import Any

from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.passes import Report, run_prepared
from syncline.run.reading import read_pairs
from syncline.run.recovering import recover
from syncline.run.scope import Scope
from syncline.run.sync import outcome, recorded_pass
from syncline.run.workspace import Workspace


def push(
    workspace: Workspace, module: str, record: str, system: str | None, report: Report
) -> dict[str, Any]:
    """Read a record, and its counterpart, afresh and do what a pass would do for them.

    ``record``: its id at ``system``, or at whichever end knows it. A record that rested (failed, dead,
    waiting...) is tried again, and so is a value that another record held or that somebody kept overwriting.
    For a record without a link the changes of both ends are read first: its counterpart may be there.
    Raises SynclineError when neither end knows the id, or both do, or the other end was never read.
    """
    workspace.by_hand = True
    workspace.module(module)
    if system is not None:
        workspace.system(system)
    with recorded_pass(workspace, "push") as (pass_id, result), workspace.scopes(pass_id, [module]) as scopes:
        if module in workspace.left_out:
            raise SynclineError(f"{module}: {workspace.left_out[module]}")
        scope = next(scope for scope in scopes if scope.name == module)
        scope.insist = True
        recover(scope)
        _read(scope, _side(scope, record, system), record)
        run_prepared([scope], [scope], result, report, whole=False)
    told = outcome(workspace, pass_id, result)
    with workspace.database.read() as db:
        for side in Side:
            row = scope.ledger.staged(db, side, [record]).get(record)
            if row is not None:
                told["record"] = {"id": record, "status": row.status, "reason": row.reason}
    told.setdefault("record", {"id": record, "status": "in step", "reason": ""})
    return told


def _read(scope: Scope, side: Side, record: str) -> None:
    """Stage the record and its counterpart; raises SynclineError when nobody knows whether it has one."""
    with scope.database.read() as db:
        linked = scope.ledger.links_of(db, side, [record])
        unread = scope.ledger.cursor(db, side.other) is None
    if unread and not linked and scope.module.matches:
        system = scope.ends[side.other].system
        raise SynclineError(
            f"{system} has not been read yet, and may hold a counterpart of this record",
            fix="run a whole pass first: syncline sync",
        )
    read_pairs(scope, side, [record])


def _side(scope: Scope, record: str, system: str | None) -> Side:
    if system is not None:
        return scope.side_of(system)
    with scope.database.read() as db:
        known = [side for side in Side if scope.ledger.links_of(db, side, [record])]
        known = known or [side for side in Side if scope.ledger.staged(db, side, [record])]
    if not known:
        wanted = [scope.maps.wanted(side) for side in Side]
        ends = scope.ends
        known = [
            side
            for side in Side
            if ends[side].session.read_ids(ends[side].remote.name, [record], wanted[side])
        ]
    if len(known) == 1:
        return known[0]
    names = " and ".join(end.system for end in scope.ends)
    if not known:
        raise SynclineError(f"neither {names} knows a record {record!r} of {scope.name}")
    raise SynclineError(f"both {names} know a record {record!r}", fix="say which with --system")
