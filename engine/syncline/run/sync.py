"""Sync: a whole pass of a spec, remembered from its first moment to its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from syncline.connect.secrets import redact
from syncline.errors import SynclineError
from syncline.run.passes import PassResult, Report, run_pass
from syncline.run.workspace import Workspace
from syncline.store.scopes import begin_pass, end_pass
from syncline.store.sound import note_sound


def sync(workspace: Workspace, report: Report, *, full: bool = False, accept: bool = False) -> dict[str, Any]:
    """One pass of every enabled module; ``full``: of every record, whatever was read before; ``accept``: a
    person has looked, and approves of new and changed maps, and of much changing at once.

    Returns the documented result, with ``problems`` by module beside it.
    Raises what stops it before any module starts: SpecError, ReconnectNeeded, LeaseBusy, StoreError...
    """
    with recorded_pass(workspace, "sync") as (pass_id, result), workspace.scopes(pass_id) as scopes:
        for scope in scopes:
            scope.full, scope.accept = full, accept
        done = run_pass(scopes, report, workspace.left_out)
        result.status, result.modules, result.problems = done.status, done.modules, done.problems
        result.warnings = done.warnings
    return outcome(workspace, pass_id, result)


def outcome(workspace: Workspace, pass_id: int, result: PassResult) -> dict[str, Any]:
    """The documented shape of a pass's result."""
    return {
        "spec": workspace.spec.name,
        "pass": pass_id,
        "status": result.status,
        "modules": result.modules,
        "problems": result.problems,
        "warnings": result.warnings,
        "requests": workspace.requests(),
    }


@contextmanager
def recorded_pass(workspace: Workspace, verb: str) -> Iterator[tuple[int, PassResult]]:
    """A pass with its row: begun before anything is done, ended whatever happens."""
    result = PassResult()
    name = workspace.spec.name
    with workspace.database.write() as db:
        pass_id = begin_pass(db, name, verb, workspace.who, workspace.now())
        if workspace.sound.fresh:
            note_sound(db, workspace.sound.fresh, workspace.now())
    reason = ""
    try:
        yield pass_id, result
        reasons = [f"{module}: {why}" for module, why in result.problems.items()]
        reason = "; ".join([*reasons, *result.warnings])
    except SynclineError as error:
        result.status, reason = "failed", error.what
        raise
    except BaseException:
        result.status, reason = "failed", "interrupted"
        raise
    finally:
        with workspace.database.write() as db:
            end_pass(db, pass_id, result.status, redact(reason), result.modules, workspace.now())
