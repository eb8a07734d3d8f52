"""Plan and apply: show what a pass would do, made by the pass's own code, and do exactly that.

A plan
------
``spec``, ``file``, ``state`` (the scopes it was made from), ``digests`` (of the spec's modules), ``modules``:
by name ``operations`` (system, kind, record, source, label, fields with old, new, why, rule, lost;
``refused``: why it would not be sent, where a choice is lacking), ``links`` (left, right, rule, key),
``questions`` and ``resting``; ``stopped``: by module, the limit that a pass would stop at; ``approves``: by
module, what applying the plan approves of; ``digest``: of everything above it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.connect.secrets import redact_values
from syncline.errors import SynclineError
from syncline.mapping.module import ITEM_ID, Side
from syncline.printable import printable_json
from syncline.privatefile import write_private
from syncline.run.passes import Report, over_limit, read_all, rehearsal, run_prepared, to_approve
from syncline.run.references import links_named
from syncline.run.scope import Scope
from syncline.run.sync import outcome, recorded_pass
from syncline.run.workspace import Workspace
from syncline.store import tables as t
from syncline.store.ledger import Ledger, Link, Operation, Staged

VERSION = 1
#: What a plan has at its top, and of which kind: a file may hold anything.
_PARTS = {"spec": str, "file": str, "state": dict, "digests": dict, "modules": dict, "digest": str}


class PlanRefused(SynclineError):
    """A plan that cannot be carried out as it stands."""


def make_plan(workspace: Workspace, report: Report) -> dict[str, Any]:
    """Read what changed, and say what a pass would do. Nothing is written to a remote; what was read stays
    staged, so that the pass that follows need not read it again."""
    with recorded_pass(workspace, "plan") as (pass_id, result), workspace.scopes(pass_id) as scopes:
        result.problems |= workspace.left_out
        alive = read_all(scopes, result, report)
        if result.problems:
            result.status = "failed"
            first = next(iter(result.problems.items()))
            raise SynclineError(f"{first[0]}: {first[1]}", fix="a plan needs every module; mend this first")
        return _plan(workspace, alive)


def apply_plan(workspace: Workspace, plan: dict[str, Any], report: Report) -> dict[str, Any]:
    """Carry out a plan if it still is what a pass would do; else raises PlanRefused before any write."""
    check_intact(plan)
    changed = [n for n, digest in plan["digests"].items() if workspace.spec.digests.get(n) != digest]
    if changed or plan["spec"] != workspace.spec.name:
        why = ", ".join(changed) or "it has another name"
        what = f"the spec has changed since the plan was made ({why})"
        raise PlanRefused(what, fix="make a new plan")
    with recorded_pass(workspace, "apply") as (pass_id, result), workspace.scopes(pass_id) as scopes:
        result.problems |= workspace.left_out
        for scope in scopes:
            scope.accept = True
        alive = read_all(scopes, result, report)
        now = _plan(workspace, alive) if not result.problems else None
        if now is None:
            result.status = "failed"
        else:
            if plan["state"] != now["state"]:
                what = "the plan was made from another state or other organisations"
                raise PlanRefused(what, fix="give the --state it was made with, or make a new plan")
            if plan["digest"] != now["digest"]:
                raise PlanRefused(
                    f"the records have changed since the plan was made: {_difference(plan, now)}",
                    fix="make a new plan and look at it; nothing was written",
                )
            run_prepared(scopes, alive, result, report)
    return outcome(workspace, pass_id, result)


def save_plan(plan: dict[str, Any], file: Path) -> None:
    """Write the plan for its owner alone, since it holds people's data; raises PlanRefused."""
    try:
        write_private(file, printable_json(redact_values(exactjson.encode(plan))) + "\n")
    except OSError as error:
        raise PlanRefused(f"the plan cannot be written to {file}: {error.strerror}") from None


def read_plan(file: Path) -> dict[str, Any]:
    """The plan in a file; raises PlanRefused for one that is none, or has been edited."""
    try:
        plan: dict[str, Any] | None = exactjson.decode(file.read_bytes())
    except OSError as error:
        raise PlanRefused(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        plan = None
    if (
        not isinstance(plan, dict)
        or plan.get("plan") != VERSION
        or any(not isinstance(plan.get(name), kind) for name, kind in _PARTS.items())
    ):
        what = f"{file} is not a plan of this version of Syncline"
        raise PlanRefused(what, fix="make one with: syncline plan SPEC --out FILE")
    check_intact(plan)
    return plan


def check_intact(plan: dict[str, Any]) -> None:
    """Raises PlanRefused when the plan is not as it was made."""
    if _digest(plan) != plan.get("digest"):
        raise PlanRefused("the plan has been edited since it was made", fix="make a new plan")


def _plan(workspace: Workspace, scopes: Sequence[Scope]) -> dict[str, Any]:
    plan = _rehearsed(workspace, scopes)
    lacking = [
        (scope, scope.side_of(operation["system"]))
        for scope in scopes
        for operation in plan["modules"][scope.name]["operations"]
        if "refused" in operation
    ]
    # What an organisation lacks may have been added since its lists were looked at.
    changed = [scope for scope, side in dict.fromkeys(lacking) if scope.look_anew(side)]
    return _rehearsed(workspace, scopes) if changed else plan


def _rehearsed(workspace: Workspace, scopes: Sequence[Scope]) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "plan": VERSION,
        "spec": workspace.spec.name,
        "file": str(workspace.file),
        "state": {scope.name: scope.ledger.scope for scope in scopes},
        "digests": {scope.name: workspace.spec.digests[scope.name] for scope in scopes},
        "modules": {},
    }
    with rehearsal(scopes) as db:
        for scope in scopes:
            plan["modules"][scope.name] = _module(scope, db)
        plan["stopped"] = over_limit(db, scopes)
        asked = {scope.name: to_approve(db, scope) for scope in scopes}
        plan["approves"] = {name: why for name, why in asked.items() if why}
    plan["digest"] = _digest(plan)
    return plan


def _module(scope: Scope, db: Connection) -> dict[str, Any]:
    operations = scope.ledger.operations(db, "planned", limit=1_000_000)
    links = Ledger.links_anywhere(db, links_named(operations))
    sources = [_sources(scope, db, side, operations) for side in Side]
    shown = [_operation(scope, operation, links, sources) for operation in operations]
    query = sa.select(t.link).where(t.link.c.scope == scope.ledger.scope, t.link.c["pass"] == scope.pass_id)
    made = [(r.left_id, r.right_id, exactjson.decode(r.how)) for r in db.execute(query)]
    matched = [
        {"left": left, "right": right, "key": how["key"], "rule": str(scope.module.match[how["rule"]].place)}
        for left, right, how in made
        if "rule" in how
    ]
    matched += _likely_links(scope, db)
    matched += [
        {"left": left, "right": right, "key": "", "rule": f"decided by {how['decided']}"}
        for left, right, how in made
        if "decided" in how
    ]
    questions = [{"kind": q.kind, **q.detail} for q in scope.ledger.questions(db, limit=1_000_000)]
    resting = scope.ledger.resting(db)
    return {
        "systems": [end.system for end in scope.ends],
        "operations": sorted(
            shown, key=lambda op: (op["kind"], op["system"], str(op["record"]), op["source"])
        ),
        "links": sorted(matched, key=lambda link: (link["left"], link["right"])),
        "questions": sorted(questions, key=exactjson.encode),
        "resting": {
            status: n
            for status, n in sorted(resting.items())
            if status not in ("writing", "parked", "ignored")
        },
    }


def _likely_links(scope: Scope, db: Connection) -> list[dict[str, Any]]:
    """The pairs that the likely rule links, with the evidence (:func:`syncline.reconcile.likely.told`)."""
    c = t.audit.c
    query = sa.select(c.detail).where(
        c.scope == scope.ledger.scope, c["pass"] == scope.pass_id, c.event == "linked"
    )
    found = [exactjson.decode(detail) for (detail,) in db.execute(query)]
    return [{"key": "", **detail} for detail in found if "evidence" in detail]


def _sources(scope: Scope, db: Connection, side: Side, operations: Sequence[Operation]) -> dict[str, Staged]:
    """What is staged of the records at ``side`` that operations come from."""
    told = [op.body["source"] for op in operations]
    return scope.ledger.staged(db, side, [str(s["record"]) for s in told if s["side"] == side])


def _operation(
    scope: Scope, operation: Operation, links: dict[int, Link], sources: Sequence[dict[str, Staged]]
) -> dict[str, Any]:
    body, side = operation.body, Side(operation.side)
    source = str(body["source"]["record"])
    fields = {}
    for name, part in sorted(body["fields"].items()):
        told = {"new": _told(part["set"], links)}
        if "before" in part:
            told["old"] = _told(part["before"], links)
        fields[name] = told | {key: part[key] for key in ("why", "rule", "lost") if key in part}
    lacking = scope.lacking(side, body)
    return {
        "system": scope.ends[side].system,
        "kind": operation.kind,
        "record": operation.record,
        "source": source,
        "label": _label(scope, sources[side.other].get(source), source, body),
        "fields": fields,
        **({"refused": f"{lacking[0]}: {lacking[1]}"} if lacking else {}),
    }


def _label(scope: Scope, found: Staged | None, record: str, body: dict[str, Any]) -> str:
    """What a person calls the record: the first text among its mapped values."""
    values = found.own if found is not None else {n: part["set"] for n, part in body["fields"].items()}
    return next((v for e in scope.maps.entries if isinstance(v := values.get(e.name), str) and v), record)


def _told(value: Any, links: dict[int, Link]) -> Any:
    """A value without the marks of the journal: a record still to be created is named by its source."""
    if isinstance(value, dict) and "$link" in value:
        link = links[int(value["$link"])]
        return {"new record of": next(i for i in link.ids if i is not None)}
    if isinstance(value, list):
        return [_told(item, links) for item in value]
    if isinstance(value, dict):
        return {key: _told(item, links) for key, item in value.items() if key != ITEM_ID}
    return value


def _digest(plan: dict[str, Any]) -> str:
    told = {key: value for key, value in plan.items() if key not in ("digest", "file")}
    return hashlib.sha256(exactjson.encode_sorted(told)).hexdigest()


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first things that are not as planned, in words."""
    found = []
    for name, module in new["modules"].items():
        planned = old["modules"].get(name, {"operations": [], "links": [], "questions": []})
        for part in ("operations", "links", "questions"):
            before = {exactjson.encode(x) for x in planned[part]}
            after = {exactjson.encode(x) for x in module[part]}
            for count, word in (
                (len(after - before), "new or other"),
                (len(before - after), "no longer due"),
            ):
                if count:
                    found.append(f"{name}: {count} {part} {word}")
    return "; ".join(found[:4]) or "what rests is no longer the same"
