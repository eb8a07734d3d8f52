"""Match: records that meet for the first time are linked, or put to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline import exactjson
from syncline.mapping.module import Side
from syncline.reconcile.likely import told
from syncline.reconcile.match import match_group
from syncline.run.batch import BATCH, Batch, Pair
from syncline.run.candidates import candidates
from syncline.run.likely import find_likely
from syncline.run.scope import Scope
from syncline.store.ids import next_ids
from syncline.store.ledger import Audit, Question, Staged


def link_twins(scope: Scope, db: Connection, after: int, *, rule: int) -> int | None:
    """Link the pairs that one rule finds and that agree in everything, which on a first pass are nearly all,
    without taking them up one by one. Returns where to go on, None at the end."""
    if not scope.look.possible:
        return None
    ledger, place = scope.ledger, str(scope.module.match[rule].place)
    asked = ledger.count_questions(db)
    if asked.get("ambiguous") or asked.get("taken"):
        return None
    found, last = ledger.twins(db, rule, after, BATCH)
    twins = [pair for pair in found if pair[:2] not in scope.matches.different]
    links, notes = [], []
    for number, (left, right, key) in zip(next_ids(len(twins)), twins, strict=True):
        links.append((number, left, right, exactjson.encode({"rule": rule, "key": key})))
        detail = {"rule": place, "key": key, "left": left, "right": right}
        notes.append(Audit(event="linked", link=number, detail=detail))
    now = scope.now()
    ledger.link_twins(db, links, scope.pass_id, now)
    ledger.write_audit(db, scope.pass_id, now, notes)
    scope.totals.linked += len(links)
    return last


def match_rule(
    scope: Scope, db: Connection, after: int, *, rule: int, again: set[tuple[Side, str]]
) -> int | None:
    """Link the pairs that one rule finds for some pending rows, and decide them; let what it leaves unclear
    rest for a person. Returns where to go on, None at the end."""
    ledger, match = scope.ledger, scope.module.match[rule]
    groups, last = ledger.key_groups(db, rule, after, BATCH)
    if not groups:
        return last
    agree = [scope.maps.by_name[name] for name in match.agree]
    place = str(match.place)
    ids = [[record for group in groups for record in (group[1], group[2])[side]] for side in Side]
    staged = [ledger.staged(db, side, ids[side]) for side in Side]
    people = [candidates(scope, db, side, ids[side], staged[side], agree) for side in Side]
    meetings, unclear = [], []
    for key, left_ids, right_ids in groups:
        lefts = [people[0][i] for i in left_ids if i in people[0]]
        rights = [people[1][i] for i in right_ids if i in people[1]]
        found = match_group(lefts, rights, agree, scope.matches.different)
        how = {"rule": rule, "key": key}
        for left_id, right_id in found.pairs:
            detail = {"rule": place, "key": key, "left": left_id, "right": right_id}
            meetings.append(_Meeting(left_id, right_id, how, detail))
        for (side, record), others in found.unclear.items():
            if not scope.creates_from(side) and not any(people[side.other][i].free for i in others):
                continue  # nothing would come of it, whichever of them it is
            case = {"side": int(side), "record": record, "key": key, "others": list(others)}
            unclear.append(case | {"rule": place})
    _let_ask(scope, db, unclear)
    _let_meet(scope, db, meetings, staged, again)
    return last


def match_likely(scope: Scope, db: Connection, after: int, *, again: set[tuple[Side, str]]) -> int | None:
    """The same for the likely rule, which scores the pairs that share one of its keys."""
    assert scope.module.likely is not None
    rows = scope.ledger.unlinked(db, after, BATCH)
    if not rows:
        return None
    found = find_likely(scope, db, scope.module.likely, rows)
    place, meetings = str(scope.module.likely.place), []
    for pair in found.pairs:
        detail = {"rule": place, "left": pair.left, "right": pair.right, **told(pair)}
        meetings.append(_Meeting(pair.left, pair.right, {"likely": pair.score}, detail))
    unclear = [
        {
            "side": int(side),
            "record": record,
            "key": "",
            "others": [pair.id(side.other) for pair in pairs],
            "rule": place,
            "likely": [{"other": pair.id(side.other), **told(pair)} for pair in pairs],
        }
        for (side, record), pairs in found.asked.items()
    ]
    staged = [scope.ledger.staged(db, side, [pair.id(side) for pair in found.pairs]) for side in Side]
    _let_ask(scope, db, unclear)
    _let_meet(scope, db, meetings, staged, again)
    return rows[-1][2]


def _let_ask(scope: Scope, db: Connection, unclear: Sequence[dict[str, Any]]) -> None:
    """Put to a person which of some records a record is, and let it rest until then."""
    questions, resting = [], []
    for case in unclear:
        side, record, others = case["side"], case["record"], case["others"]
        questions.append(Question(kind="ambiguous", subject=f"{side}:{record}", detail=case))
        by = repr(case["key"]) if "likely" not in case else f"score {case['likely'][0]['score']}"
        why = f"may be the same as {', '.join(others[:5])} ({by})"
        resting.append((side, record, "ambiguous", why, None, 0))
    scope.ledger.ask(db, scope.pass_id, scope.now(), questions)
    scope.ledger.rest(db, resting)


class _Meeting(Struct, frozen=True):
    """Two records that a rule takes for the same; ``how``: as the link remembers it; ``detail``: as the audit
    log tells it."""

    left: str
    right: str
    how: dict[str, Any]
    detail: dict[str, Any]


def _let_meet(
    scope: Scope,
    db: Connection,
    meetings: Sequence[_Meeting],
    staged: Sequence[Mapping[str, Staged]],
    again: set[tuple[Side, str]],
) -> None:
    """Link records that meet for the first time, and decide their pairs."""
    ledger, pairs, notes, clear = scope.ledger, [], [], []
    for one in meetings:
        rows = [staged[0][one.left], staged[1][one.right]]
        link = scope.new_link(one.left, one.right, one.how)
        # What was voided before they met has been dealt with by people.
        link.states = [row.condition for row in rows]
        pairs.append(Pair(link, [*rows]))
        for kind in ("ambiguous", "taken"):
            clear += [(kind, f"0:{one.left}"), (kind, f"1:{one.right}")]
        notes.append(Audit(event="linked", link=link.id, detail=one.detail))
    ledger.write_audit(db, scope.pass_id, scope.now(), notes)
    if ledger.count_questions(db):
        ledger.withdraw(db, clear)
    scope.totals.linked += len(pairs)
    if _refers_to_itself(scope):  # all pairs must be linked before any is decided
        ledger.insert_links(db, [pair.link for pair in pairs])
    else:
        batch = Batch(scope, db)
        batch.decide(pairs, [], fresh=True)
        batch.save()
        again |= batch.again


def _refers_to_itself(scope: Scope) -> bool:
    return scope.name in {
        sub.map.ref for entry in scope.maps.entries for sub in (entry, *entry.ends[0].items)
    }
