"""A pass: recover, read, stage, reconcile, write, settle, for the modules of one spec."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field
from sqlalchemy.engine import Connection

from syncline.connect.secrets import RedactingFilter
from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.reconcile.limits import check_limits, check_mass_change
from syncline.reconcile.order import references_of
from syncline.run.deciding import keep_made, read_decided
from syncline.run.reading import read_end, read_records, recheck_due
from syncline.run.reconciling import reconcile
from syncline.run.recovering import recover
from syncline.run.scope import SafetyStop, Scope, Totals, left_out_with
from syncline.run.settling import mark_gone
from syncline.run.sweeping import begin_sweep, sweep
from syncline.run.writing import write_planned

#: A write may show something to carry back (a number the remote gave); it is carried in the same pass.
MAX_ROUNDS = 4

#: Questions about a pair that is linked.
_CONFLICTS = ("conflict", "deleted-and-edited", "bouncing", "merged")

log = logging.getLogger("syncline.run")
log.addFilter(RedactingFilter())

Report = Callable[[str], None]


class PassResult(Struct):
    """What a pass did. ``status``: done, failed, attention (a person must decide) or stopped (by a limit);
    ``problems``: by module, why it failed or stopped; ``warnings``: what somebody should know of a pass
    that is right all the same."""

    status: str = "done"
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def run_pass(
    scopes: Sequence[Scope], report: Report, left_out: Mapping[str, str] = MappingProxyType({})
) -> PassResult:
    """Bring every module in step. ``scopes`` in dependency order; a module whose remote fails is left out,
    with those that refer to it, and the others go on. ``left_out``: why other modules are not among them."""
    result = PassResult(problems=dict(left_out))
    alive = read_all(scopes, result, report)
    run_prepared(scopes, alive, result, report)
    return result


def run_prepared(
    scopes: Sequence[Scope], alive: list[Scope], result: PassResult, report: Report, *, whole: bool = True
) -> None:
    """The part of a pass after reading; ``alive``: the modules that could be read; ``whole``: everything that
    changed was read, not only what somebody named."""
    if result.status == "stopped":
        alive = []
    for _ in range(MAX_ROUNDS):
        for scope in alive:
            _catch(scope, result, partial(reconcile_scope, scope, scope.database.write))
        _decide_needed(alive, result)
        alive = _without_failed(alive, result)
        if reason := _stop(alive):
            result.status, result.problems = "stopped", {**result.problems, **reason}
            _cancel(alive)
            break
        _approve([scope for scope in alive if scope.accept])
        for scope in alive:
            report(f"{scope.name}: writing")
            _catch(scope, result, partial(write_planned, scope))
            _catch(scope, result, partial(recover, scope))
            _catch(scope, result, partial(keep_made, scope))
        alive = _without_failed(alive, result)
        if not any(_pending(scope) for scope in alive):
            break
    if whole and result.status != "stopped":
        _approve(alive)  # they had nothing to change
    result.warnings += [*_unheeded(scopes), *_unanswered(scopes), *_crowded(scopes)]
    result.warnings += [f"{scope.name}: {note}" for scope in scopes for note in dict.fromkeys(scope.notes)]
    for scope in scopes:
        result.warnings += [note for note in scope.drift.notes if note not in result.warnings]
        result.problems |= {f"{scope.name}.{name}": why for name, why in scope.drift.maps.items()}
    for scope in scopes:
        result.modules[scope.name] = module_totals(scope)
    if result.status == "done":
        result.status = _status(result)


def read_all(scopes: Sequence[Scope], result: PassResult, report: Report) -> list[Scope]:
    """Recover and read every module, both systems at once. Returns the modules that can go on."""
    result.problems |= {scope.name: scope.drift.module for scope in scopes if scope.drift.module}
    for scope in scopes:
        _catch(scope, result, partial(_start, scope))
    alive = _without_failed(scopes, result)
    systems = {end.system for scope in alive for end in scope.ends}

    def read_system(system: str) -> None:
        for scope in alive:
            for side in Side:
                if scope.ends[side].system == system and scope.name not in result.problems:
                    report(f"{scope.name}: reading {system}")
                    _catch(scope, result, partial(read_end, scope, side))

    at_once([partial(read_system, system) for system in sorted(systems)])
    for scope in _without_failed(alive, result):
        _catch(scope, result, partial(recheck_due, scope))
        _catch(scope, result, partial(read_decided, scope))
        if scope.full:
            report(f"{scope.name}: looking for what was not seen")
            _catch(scope, result, partial(sweep, scope))
    return _without_failed(alive, result)


def at_once(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks at the same time and wait for them all; raises the first error.

    Nobody waits for these threads but this call: a pass that is told to end does not wait for the remotes'
    answers, and what a thread would still write is refused once the lease has passed on.
    """
    errors: list[BaseException] = []

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def reconcile_scope(scope: Scope, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Reconcile a module; what must be read again is read, and reconciled in the next round."""
    again = reconcile(scope, transaction)
    for side in Side:
        records = sorted(record for end, record in again if end is side)
        gone = read_records(scope, side, records)
        if gone:
            mark_gone(scope, side, gone)


def wake_needed(scopes: Sequence[Scope], db: Connection) -> bool:
    """Take up the records that others wait for and that would otherwise only be matched, with those that wait
    for them; each once in a pass. Whether there are any."""
    by_name, found = {scope.name: scope for scope in scopes}, False
    for scope in scopes:
        for (module, side, record), waiting in scope.missed.items():
            there = by_name.get(module)
            if there is None or (side, record) in there.needed:
                continue
            there.needed.add((side, record))
            if there.ledger.wake_resting(db, [(side, record)], "parked"):
                scope.ledger.wake_resting(db, waiting, "waiting")
                found = True
        scope.missed.clear()
    return found


def _decide_needed(scopes: Sequence[Scope], result: PassResult) -> None:
    if not any(scope.missed for scope in scopes):
        return
    with scopes[0].database.write() as db:
        for scope in scopes:
            scope.fence(db)
        found = wake_needed(scopes, db)
    for scope in scopes if found else ():
        _catch(scope, result, partial(reconcile_scope, scope, scope.database.write))


def _stop(scopes: Sequence[Scope]) -> dict[str, str]:
    """The modules for which the pass must stop before its next write, and why."""
    if not scopes:
        return {}
    with scopes[0].database.read() as db:
        reasons = over_limit(db, scopes)
        asked = {scope.name: why for scope in scopes if not scope.accept and (why := to_approve(db, scope))}
    how = "; nothing was written; look at: syncline plan SPEC --out FILE; then run: syncline apply FILE"
    return {name: why + how for name, why in asked.items()} | reasons


def to_approve(db: Connection, scope: Scope) -> str | None:
    """What a person must approve of before the planned operations of a module are sent, if anything."""
    if scope.unapproved:
        records = {
            operation.link
            for operation in scope.ledger.each_planned_update(db)
            if scope.unapproved & operation.body["fields"].keys()
        }
        if records:
            names = ", ".join(sorted(scope.unapproved))
            return f"{len(records)} linked pairs would change by maps that are new or were changed ({names})"
    changing = scope.ledger.count_changing(db, scope.pass_id)
    return check_mass_change(scope.module.limits, changing, scope.ledger.count_links(db))


def _approve(scopes: Sequence[Scope]) -> None:
    """Remember that the maps of these modules may do what they do."""
    for scope in scopes:
        if scope.unapproved:
            with scope.database.write() as db:
                scope.fence(db)
                scope.approve(db)


def over_limit(db: Connection, scopes: Sequence[Scope]) -> dict[str, str]:
    """The modules whose planned operations are more than their limits allow, and why."""
    found = {}
    for scope in scopes:
        planned = scope.ledger.count_operations(db, "planned")
        reason = check_limits(scope.module.limits, planned, scope.ledger.count_links(db))
        if reason is not None:
            found[scope.name] = reason
    return found


def _unheeded(scopes: Sequence[Scope]) -> list[str]:
    """One warning for each system that was asked for changes and gave more than those."""
    strays: Counter[str] = Counter()
    modules: dict[str, list[str]] = {}
    for scope in scopes:
        for end in scope.ends:
            if stray := scope.totals.stray[end.system]:
                strays[end.system] += stray
                modules.setdefault(end.system, []).append(end.remote.name)
    return [
        f"{system} does not heed the question for changes: {strays[system]} records of {', '.join(names)} are"
        " from before it; nothing is wrong with the pass, but each one reads that much again"
        for system, names in modules.items()
    ]


def _crowded(scopes: Sequence[Scope]) -> list[str]:
    """One warning for each module whose likely rule has passed over keys that too many records share."""
    found = []
    for scope in scopes:
        crowded, alone = scope.totals.crowded, len(scope.totals.unmatched)
        if not crowded:
            continue
        most = sorted(crowded, key=lambda key: (-sum(crowded[key]), key))[:3]
        named = ", ".join(f"{key!r} ({crowded[key][0]} and {crowded[key][1]})" for key in most)
        text = f"{scope.name}: {len(crowded)} keys of the likely rule are shared by too many records to say"
        text += f" anything, and were passed over: {named}"
        if alone:
            text += f"; {alone} records have no other key and were compared with nobody: add a block"
        found.append(text)
    return found


def _unanswered(scopes: Sequence[Scope]) -> list[str]:
    """One warning for each end at which it is not known what became of writes."""
    found = []
    for scope in scopes:
        with scope.database.read() as db:
            open_ = scope.ledger.count_operations(db, "sent")
        why = next((f" ({text})" for text in scope.unanswered.values() if text), "")
        for side in Side:
            if count := sum(number for (end, _), number in open_.items() if end == side):
                found.append(
                    f"{scope.name}: {count} writes to {scope.ends[side].system} were sent without an answer"
                    f"{why} and may still be carried out; a pass in some minutes looks again, and repeats"
                    " those that were not"
                )
    return found


def module_totals(scope: Scope) -> dict[str, Any]:
    """The documented counts of a module: what this pass did, and what rests now."""
    with scope.database.read() as db:
        resting = scope.ledger.resting(db)
        asked = scope.ledger.count_questions(db)
    totals = scope.totals
    systems = [end.system for end in scope.ends]

    def by_system(counter: Counter[str]) -> dict[str, int]:
        return {system: counter[system] for system in systems}

    return {
        "read": by_system(totals.read),
        "linked": totals.linked,
        "created": by_system(totals.created),
        "updated": by_system(totals.updated),
        "archived": by_system(totals.archived),
        "voided": by_system(totals.voided),
        "deleted": by_system(totals.deleted),
        "unchanged": totals.unchanged,
        "conflicts": sum(asked.get(kind, 0) for kind in _CONFLICTS),
        "ambiguous": resting.get("ambiguous", 0),
        "waiting": resting.get("waiting", 0),
        "locked": resting.get("locked", 0),
        "failed": resting.get("failed", 0) + resting.get("dead", 0),
    }


class _Undo(Exception):
    """Ends a rehearsal's transaction without keeping anything of it."""


@contextmanager
def rehearsal(scopes: Sequence[Scope]) -> Iterator[Connection]:
    """One transaction in which every module is reconciled, and which is then undone: the plan is made by the
    very code of the pass, without its last step."""
    with suppress(_Undo), scopes[0].database.write() as db:
        for scope in scopes:
            _rehearse(scope, db)
        if wake_needed(scopes, db):
            for scope in scopes:
                _rehearse(scope, db)
        yield db
        raise _Undo


def _rehearse(scope: Scope, db: Connection) -> None:
    totals, scope.totals, scope.rehearsing = scope.totals, Totals(), True
    try:
        reconcile(scope, lambda: nullcontext(db))
    finally:
        scope.totals, scope.rehearsing = totals, False


def _start(scope: Scope) -> None:
    recover(scope)
    if scope.full:
        begin_sweep(scope)
    with scope.database.write() as db:
        scope.fence(db)
        scope.ledger.wake(db, scope.now())


def _pending(scope: Scope) -> bool:
    with scope.database.read() as db:
        return scope.ledger.has_pending(db)


def _cancel(scopes: Sequence[Scope]) -> None:
    for scope in scopes:
        recover(scope)


def _catch(scope: Scope, result: PassResult, step: Callable[[], None]) -> None:
    """Run one step of a module; its failure is the module's, not the pass's."""
    if scope.name in result.problems:
        return
    try:
        step()
    except SafetyStop as stop:
        result.status = "stopped"
        result.problems[scope.name] = f"{stop.what}; {stop.fix}"
    except SynclineError as error:
        result.problems[scope.name] = error.told
    except Exception as error:  # a fault of ours stops no other module either
        log.exception("%s: a fault of Syncline; please report these lines", scope.name)
        result.problems[scope.name] = f"a fault of Syncline ({type(error).__name__}): please report it"


def _without_failed(scopes: Sequence[Scope], result: PassResult) -> list[Scope]:
    """The modules that have not failed, nor refer to one that has."""
    alive: list[Scope] = []
    for scope in scopes:
        if scope.name in result.problems:
            continue
        broken = sorted(references_of(scope.module) & result.problems.keys())
        if broken:
            result.problems[scope.name] = left_out_with(broken[0])
            continue
        alive.append(scope)
    return alive


def _status(result: PassResult) -> str:
    modules: Mapping[str, Mapping[str, Any]] = result.modules
    if result.problems or any(module["failed"] for module in modules.values()):
        return "failed"
    if any(module["conflicts"] or module["ambiguous"] for module in modules.values()):
        return "attention"
    return "done"
