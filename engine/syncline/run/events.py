"""Events: what a webhook says has changed is read and brought in step now; polling stays the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connect.contract import Event
from syncline.connect.errors import ReconnectNeeded
from syncline.run.passes import Report, run_prepared
from syncline.run.reading import read_pairs
from syncline.run.recovering import recover
from syncline.run.scope import Scope
from syncline.run.sync import outcome, recorded_pass
from syncline.run.workspace import Workspace
from syncline.store.heard import heard_before, note_heard


def take_delivery(
    workspace: Workspace, system: str, headers: Mapping[str, str], body: bytes, report: Report
) -> dict[str, Any]:
    """Verify a webhook's delivery, and do for the records that it names what a pass would do for them.

    ``headers``: as they came; ``body``: the very bytes that came. Returns a pass's documented result with
    ``events``: how many were ``taken``, were ``known`` already, or concern what ``no_module`` of the spec
    keeps in step. A delivery that names nothing new makes no call.

    Raises EventRefused, before anything is read or written, for one that is not the remote's own word.
    """
    configured = workspace.system(system)
    saved = workspace.vault.load(workspace.spec.name, system)
    if saved is None:
        fix = f"run: syncline connect {workspace.file} {system}"
        raise ReconnectNeeded(f"the system {system!r} is not connected", fix=fix)
    connector = workspace.connector(configured)
    lower = {name.lower(): value for name, value in headers.items()}
    events = connector.events(workspace.options(configured), saved.organisation, lower, body)
    account = saved.account_key
    with workspace.database.read() as db:
        known = heard_before(db, account, [event.id for event in events if event.id is not None])
    fresh = [event for event in events if event.id not in known]
    modules = _modules(workspace, system, fresh)
    taken = {event.id for event in fresh if event.id is not None}
    counts = {
        "taken": sum(any(event.module == end for _, end in modules) for event in fresh),
        "known": len(events) - len(fresh),
        "no_module": sum(all(event.module != end for _, end in modules) for event in fresh),
    }
    with recorded_pass(workspace, "event") as (pass_id, result):
        if modules:
            with workspace.scopes(pass_id, [name for name, _ in modules]) as scopes:
                result.problems |= workspace.left_out
                wanted = dict(modules)
                touched = [scope for scope in scopes if scope.name in wanted]
                for scope in touched:
                    recover(scope)
                    _read(scope, system, [event for event in fresh if event.module == wanted[scope.name]])
                run_prepared(touched, list(touched), result, report, whole=False)
    if not result.problems:
        with workspace.database.write() as db:
            note_heard(db, account, sorted(taken), workspace.now())
    return outcome(workspace, pass_id, result) | {"events": counts}


def _modules(workspace: Workspace, system: str, events: Sequence[Event]) -> list[tuple[str, str]]:
    """The spec's modules that events are about, each with its remote module at the system."""
    told = {event.module for event in events}
    return [
        (module.name, end.module)
        for module in workspace.spec.modules.values()
        for end in (module.left, module.right)
        if module.enabled and end.system == system and end.module in told
    ]


def _read(scope: Scope, system: str, events: Sequence[Event]) -> None:
    """Stage the records as they are now, each once however often it was named. Before the first pass has
    read the other end, nothing is known of who may be whose counterpart: that pass reads these as well."""
    side = scope.side_of(system)
    with scope.database.read() as db:
        if scope.ledger.cursor(db, side.other) is None:
            return
    read_pairs(scope, side, list(dict.fromkeys(event.record for event in events)))
