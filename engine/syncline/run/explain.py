"""Explain: the whole story of one record, told from the state alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.mapping.missing import MISSING
from syncline.mapping.module import RENDERED, Side
from syncline.run.known import Known, known_module, link_label, told_bounces, told_score
from syncline.run.log import told_event
from syncline.run.status import when_again
from syncline.spec.model import FieldMap, Spec
from syncline.store.database import Database
from syncline.store.history import (
    Asked,
    Event,
    PassRow,
    Resting,
    Sent,
    events,
    keys_of,
    operations,
    passes,
    questions_about,
    records_with_key,
    resting_record,
)
from syncline.store.ledger import Link

#: Candidates are for a person to look at: more of them tell nothing.
MAX_CANDIDATES = 20


class _Story(Struct):
    """Everything that is read about one record before it is told."""

    known: Known
    side: Side
    record: str
    link: Link | None
    rows: list[Resting | None]
    sent: list[Sent]
    events: list[Event]
    asked: list[Asked]
    runs: Mapping[int, PassRow]

    @property
    def ids(self) -> list[str | None]:
        if self.link is not None:
            return self.link.ids
        return [self.record if side == self.side else None for side in Side]


def explain(
    database: Database, spec: Spec, module: str, record: str, system: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """The story of the record of a module that has this id at either end (at ``system``'s, if given).

    ``module``, ``name``; ``records``: by system ``module`` (the remote's), ``id``, ``state``, ``version``,
    ``lock``, ``page`` (its address in the system's own screens, where known); ``linked``: null, or ``how``
    (rule, likely, created, decided), ``at``, ``pass``, ``rule`` (file:line:column) and ``key``, or ``score``,
    ``contradicted`` and ``evidence``, or ``system`` it was created in, or ``who`` decided;
    ``fields``: by map ``place`` (file:line:column), ``paths``, ``base`` and ``staged`` (what was read since
    and is not settled), each by system, and ``open`` (the ends
    have never agreed on it); ``rests``: by system ``status``, ``reason``, ``faults``, ``next_try``, ``when``,
    ``attempts``, ``read_at``; ``questions``; ``candidates``: for a record without a link, who has the same
    match key (``agree``: by field map of the rule's ``agree``, both values); ``why``: in a sentence, why it
    is where it is; ``writes``: every operation, newest first; ``events``: at most ``limit`` audit rows,
    newest first, as `syncline log` tells them.

    Raises SynclineError: an unknown module or system, an id of which nothing is known, or one that both
    ends have.
    """
    with database.read() as db:
        story = _read_story(db, known_module(db, spec, module), record, system, limit)
        return _tell(db, story)


# --- reading -------------------------------------------------------------------------------------


def _read_story(db: Connection, known: Known, record: str, system: str | None, limit: int) -> _Story:
    side = _side_of_record(db, known, record, system)
    assert known.scope is not None
    link = known.ledger.links_of(db, side, [record]).get(record)
    ids = link.ids if link else [record if one == side else None for one in Side]
    ends = [(int(one), i) for one in Side if (i := ids[one]) is not None]
    rows = [
        None if i is None else resting_record(db, known.scope, one, i)
        for one, i in zip(Side, ids, strict=True)
    ]
    sent = operations(db, known.scope, link.id if link else None, ends)
    found = [
        event
        for event in events(
            db,
            [known.scope],
            links=[link.id] if link else [],
            records=[i for _, i in ends],
            limit=limit,
        )
        # An id may be that of another record at the other end.
        if (link is not None and event.link == link.id) or (event.side, event.record) in ends
    ]
    asked = questions_about(db, known.scope, link.id if link else None, ends)
    told = {event.pass_id for event in found} | {one.pass_id for one in sent} | {one.pass_id for one in asked}
    if link is not None:
        told.add(link.pass_id)
    return _Story(known, side, record, link, rows, sent, found, asked, passes(db, sorted(told)))


def _side_of_record(db: Connection, known: Known, record: str, system: str | None) -> Side:
    """The end at which something is known of this id."""
    sides = [known.side_of(system)] if system is not None else list(Side)
    found = [side for side in sides if _knows(db, known, side, record)]
    links = [known.ledger.link_marks(db, side, [record]).get(record, (None,))[0] for side in found]
    # Both ends may count in the same way: then the two may well be one pair.
    pair = len(found) == 2 and links[0] is not None and links[0] == links[1]
    if len(found) == 1 or pair:
        return found[0]
    if found:
        raise SynclineError(
            f"both ends of {known.name} have a record {record!r}",
            fix=f"say which: --system {known.systems[0]} or --system {known.systems[1]}",
        )
    where = system or " and ".join(known.systems)
    raise SynclineError(
        f"nothing is known of a record {record!r} in {where} ({known.name}): no pass has read it",
        fix="check the id and the module; a record made since the last pass is read by the next one",
    )


def _knows(db: Connection, known: Known, side: Side, record: str) -> bool:
    ledger = known.ledger
    if ledger.link_marks(db, side, [record]) or ledger.staged_prints(db, side, [record]):
        return True
    past = events(db, [ledger.scope], records=[record], limit=1000)
    return any(event.side == side for event in past)


# --- telling -------------------------------------------------------------------------------------


def _tell(db: Connection, story: _Story) -> dict[str, Any]:
    known, link = story.known, story.link
    name = link_label(known, link) if link else ""
    row = story.rows[story.side]
    name = name or (known.label(row.own) if row else "")
    candidates = [] if link is not None else _candidates(db, story)
    return {
        "module": known.name,
        "name": name,
        "records": _records(story),
        "linked": _linked(story),
        "why": _why(story),
        "rests": _rests(story),
        "questions": [_question(story, asked) for asked in story.asked],
        "fields": {fmap.name: _field(story, fmap) for fmap in known.module.fields.values()},
        "candidates": candidates,
        "writes": [_write(story, one) for one in reversed(story.sent)],
        "events": [
            told_event(known, event, link if event.link else None, story.runs.get(event.pass_id), name)
            for event in story.events
        ],
    }


def _records(story: _Story) -> dict[str, Any]:
    known, link = story.known, story.link
    found: dict[str, Any] = {}
    for side, system in zip(Side, known.systems, strict=True):
        record, row = story.ids[side], story.rows[side]
        state = row.state if row else link.states[side] if link else "unknown"
        lock = (row.lock if row else link.locks[side] if link else None) or {}
        there = known.connected[side]
        found[system] = {
            "module": known.remote_modules[side],
            "id": record,
            "state": None
            if record is None
            else "out"
            if row and state == "live" and not row.in_scope
            else state,
            "version": row.version if row else link.versions[side] if link else None,
            "lock": lock.get("reason"),
            "page": None
            if record is None or there is None
            else there.page(known.remote_modules[side], record),
        }
    return found


def _linked(story: _Story) -> dict[str, Any] | None:
    link, known = story.link, story.known
    if link is None:
        return None
    told: dict[str, Any] = {"at": link.made_at, "pass": _pass(story, link.pass_id)}
    if "created" in link.how:
        system = known.systems[int(link.how["created"])]
        return {"how": "created", "system": system, **told}
    if "decided" in link.how:
        return {"how": "decided", "who": link.how["decided"], **told}
    if "likely" in link.how:
        noted = next((e.detail for e in story.events if e.event == "linked" and e.link == link.id), {})
        scored = told_score(known, noted) if "evidence" in noted else {"score": link.how["likely"]}
        return {"how": "likely", "rule": noted.get("rule"), **scored, **told}
    noted = next((e.detail for e in story.events if e.event == "linked" and e.link == link.id), {})
    rules, number = known.module.match, int(link.how.get("rule", 0))
    place = noted.get("rule") or (str(rules[number].place) if number < len(rules) else None)
    return {"how": "rule", "rule": place, "key": link.how.get("key"), **told}


def _pass(story: _Story, pass_id: int) -> dict[str, Any]:
    run = story.runs.get(pass_id)
    return {"id": pass_id, "verb": run.verb if run else None, "who": run.who if run else None}


def _field(story: _Story, fmap: FieldMap) -> dict[str, Any]:
    known, link, name = story.known, story.link, fmap.name
    paths = (fmap.left, fmap.right)
    base: dict[str, Any] = {}
    staged: dict[str, Any] = {}
    for side, system in zip(Side, known.systems, strict=True):
        row = story.rows[side]
        if link is not None and name in link.base[side]:
            base[system] = link.base[side][name]
        value = row.own.get(name, MISSING) if row else MISSING
        if value is not MISSING and (link is None or value != link.base[side].get(name, MISSING)):
            staged[system] = value
        if row and name + RENDERED in row.own and link is not None:
            seen = row.own[name + RENDERED]
            if seen != link.base[side].get(name + RENDERED):
                staged.setdefault(f"{system}, transformed", seen)
    return {
        "place": str(fmap.place),
        "paths": {system: paths[side] for side, system in enumerate(known.systems)},
        "base": base,
        "staged": staged,
        "open": link is None or name in link.open,
    }


def _rests(story: _Story) -> dict[str, Any]:
    return {
        system: {
            "status": row.status,
            "reason": row.reason,
            "faults": row.faults,
            "next_try": row.due,
            "when": when_again(row.status, row.due),
            "attempts": row.attempts,
            "read_at": row.read_at,
            "modified": row.modified,
        }
        for system, row in zip(story.known.systems, story.rows, strict=True)
        if row is not None
    }


def _question(story: _Story, asked: Asked) -> dict[str, Any]:
    known, detail = story.known, asked.detail
    told: dict[str, Any] = {
        "kind": asked.kind,
        "asked_at": asked.asked_at,
        "pass": _pass(story, asked.pass_id),
    }
    told["rule"] = detail.get("rule")
    match asked.kind:
        case "conflict" | "bouncing":
            left, right = known.systems
            told["field"] = detail["field"]
            told["values"] = {left: detail.get("left"), right: detail.get("right")}
            if asked.kind == "bouncing":
                told["message"] = detail["message"]
                told["history"] = told_bounces(known, detail)
        case "ambiguous":
            told["system"] = known.systems[1 - int(detail["side"])]
            told["others"] = detail["others"]
            told["key"] = detail["key"]
            told["likely"] = [
                {"id": one["other"], **told_score(known, one)} for one in detail.get("likely", ())
            ]
        case "deleted-and-edited":
            told["system"] = known.systems[int(detail["side"])]
            told["state"] = detail["state"]
        case _:
            told["message"] = detail.get("message")
            told["other"] = detail.get("other")
    return told


def _candidates(db: Connection, story: _Story) -> list[dict[str, Any]]:
    """Who at the other end has the same match key, rule by rule, and the values that must not differ."""
    known, side, other = story.known, story.side, story.side.other
    assert known.scope is not None
    row = story.rows[side]
    mine = row.own if row else {}
    found: list[dict[str, Any]] = []
    for number, key in keys_of(db, known.scope, side, story.record).items():
        if number >= len(known.module.match):
            continue
        rule = known.module.match[number]
        ids = records_with_key(db, known.scope, number, key, other, MAX_CANDIDATES - len(found))
        links = known.ledger.links_of(db, other, ids)
        theirs = {i: link.base[other] for i, link in links.items()}
        theirs.update({i: row.own for i, row in known.ledger.staged(db, other, ids).items()})
        for record in ids:
            link, own = links.get(record), theirs.get(record, {})
            found.append(
                {
                    "system": known.systems[other],
                    "id": record,
                    "name": known.label(own),
                    "rule": str(rule.place),
                    "key": key,
                    "agree": {
                        name: {known.systems[side]: mine.get(name), known.systems[other]: own.get(name)}
                        for name in rule.agree
                    },
                    "linked_to": link.ids[side] if link else None,
                }
            )
    return found


def _why(story: _Story) -> str:
    """In one sentence, where the record stands."""
    known, link, row = story.known, story.link, story.rows[story.side]
    other = known.systems[story.side.other]
    if link is not None:
        resting = [one for one in story.rows if one is not None]
        if not resting:
            gone = [system for s, system in zip(Side, known.systems, strict=True) if link.states[s] != "live"]
            left = f"; it is {link.states[known.side_of(gone[0])]} in {gone[0]}" if gone else ""
            return f"in step: everything that was read is settled{left}"
        first = resting[0]
        again = when_again(first.status, first.due)
        return f"{first.status}: {first.reason or 'to be decided'}; decided anew {again}"
    if row is None:
        return "not linked, and nothing of it rests: it was deleted, or its link is gone; see the events"
    if row.status == "pending":
        return "read, and to be decided in the next pass"
    return f"not in {other}: {row.status}: {row.reason}; decided anew {when_again(row.status, row.due)}"


def _write(story: _Story, one: Sent) -> dict[str, Any]:
    """One operation, with what the audit log says of its outcome."""
    known = story.known
    noted = next((e.detail for e in story.events if e.detail.get("operation") == one.id), {})
    source = one.body["source"]
    outcome = noted.get("fields", {})
    fields: dict[str, Any] = {}
    for name, part in one.body["fields"].items():
        told = {key: part[key] for key in ("before", "why", "rule", "lost") if key in part}
        told["set"] = part.get("set")
        if "after" in outcome.get(name, {}):
            told["after"] = outcome[name]["after"]
        fields[name] = told
    return {
        "operation": one.id,
        "kind": one.kind,
        "system": known.systems[one.side],
        "record": one.record,
        "from": {"system": known.systems[int(source["side"])], "record": source["record"]},
        "status": one.status,
        "message": one.message,
        "warnings": noted.get("warnings", []),
        "as_sent": bool(noted.get("as_sent")),
        "pass": _pass(story, one.pass_id),
        "made_at": one.made_at,
        "sent_at": one.sent_at,
        "settled_at": one.settled_at,
        "fields": fields,
    }
