"""Deciding: what people decided, brought to the rows that it is about, and taken off the list when done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from syncline.mapping.missing import MISSING
from syncline.mapping.module import Side
from syncline.reconcile.merge import Choice, Merge
from syncline.run.reading import read_records
from syncline.run.scope import Scope
from syncline.store.decisions import (
    Decision,
    change_detail,
    decisions,
    decisions_on,
    forget_decisions,
)
from syncline.store.history import keys_of
from syncline.store.ledger import Audit, Operation, Staged, chunks


class Decided:
    """The decisions about the links of one batch."""

    def __init__(self, scope: Scope, db: Connection, links: Sequence[int]) -> None:
        self._db = db
        self._fields: dict[int, dict[str, Decision]] = {}
        self._fates: dict[int, Decision] = {}
        self._done: list[int] = []
        for link, found in decisions_on(db, links).items():
            for one in found:
                if one.kind == "field":
                    self._fields.setdefault(link, {})[_field_of(one)] = one
                else:
                    self._fates[link] = one

    def choices(self, link: int) -> dict[str, Choice]:
        """What was decided about the fields of a link, by map."""
        return {name: _choice(one) for name, one in self._fields.get(link, {}).items()}

    def number(self, link: int, field: str) -> int | None:
        """The decision about a field that a write carries out."""
        one = self._fields.get(link, {}).get(field)
        return None if one is None else one.id

    def fate(self, link: int) -> Decision | None:
        return self._fates.get(link)

    def carried_out(self, decision: Decision) -> None:
        self._done.append(decision.id)

    def overtaken(self, decision: Decision) -> Audit:
        """Forget a decision about what is no longer as it was; returns what the audit log shall say."""
        self._done.append(decision.id)
        return _overtaken(decision)

    def note(self, link: int, merge: Merge) -> list[Audit]:
        """Take off the list what the merge found agreed or overtaken."""
        mine = self._fields.get(link, {})
        self._done += [mine[name].id for name in merge.agreed if name in mine]
        told = [self.overtaken(mine[name]) for name in merge.overtaken]
        for name in merge.overtaken:
            del mine[name]
        return told

    def save(self) -> None:
        forget_decisions(self._db, self._done)


def apply_matches(scope: Scope, db: Connection) -> None:
    """Carry out what was decided about records without a link, before the match rules look at them."""
    ledger = scope.ledger
    audit: list[Audit] = []
    done: list[int] = []
    for decision in decisions(db, ledger.scope, "match"):
        side, record = subject_record(decision.subject)
        row = ledger.staged(db, side, [record]).get(record)
        linked = ledger.links_of(db, side, [record]).get(record)
        if linked is not None or row is None or row.condition != "live":
            done.append(decision.id)
            wanted = decision.detail.get("other")
            if linked is None or (wanted is not None and linked.ids[side.other] != wanted):
                audit.append(_overtaken(decision))
        elif "other" in decision.detail:
            done.append(decision.id)
            audit.append(_link(scope, db, decision, side, row))
        elif decision.detail.get("ignore"):
            # Until it stands in the file it is remembered here.
            if _keep(scope, "ignore", side, record, decision):
                done.append(decision.id)
            _ignore(scope, db, side, [record], decision.who)
        else:
            # Without its keys no rule finds it: it is nobody's counterpart.
            ledger.save_keys(db, side, {record: ()}, [record])
            if not decision.detail.get("tried"):
                _keep(scope, "create", side, record, decision)
                change_detail(db, decision.id, {**decision.detail, "tried": True})
                ledger.rest(db, [(side, record, "pending", "", None, row.attempts)])
    forget_decisions(db, done)
    ledger.write_audit(db, scope.pass_id, scope.now(), audit)


def apply_kept(scope: Scope, db: Connection) -> None:
    """Carry out what the file of match decisions says of records that have no link yet."""
    matches, ledger = scope.matches, scope.ledger
    audit: list[Audit] = []
    for pairs in chunks(list(matches.same)):
        marks = [ledger.link_marks(db, side, [pair[side] for pair in pairs]) for side in Side]
        unmet = [pair for pair in pairs if pair[0] not in marks[0] and pair[1] not in marks[1]]
        staged = [ledger.staged(db, side, [pair[side] for pair in unmet]) for side in Side]
        for pair in pairs:
            mine, theirs = marks[0].get(pair[0]), marks[1].get(pair[1])
            if (mine or theirs) and (mine is None or theirs is None or mine[0] != theirs[0]):
                known = pair[0] if mine is not None else pair[1]
                place = matches.same[pair].place
                scope.notes.append(f"{place}: {known} is linked with another record than is decided here")
        for left, right in unmet:
            rows = (staged[0].get(left), staged[1].get(right))
            if rows[0] is None or rows[1] is None or {row.condition for row in rows if row} != {"live"}:
                continue  # not there (yet), or not to be kept in step
            said = matches.same[left, right]
            audit.append(_join(scope, db, (rows[0], rows[1]), said.who, str(said.place)))
    for side in Side:
        for records in chunks([record for end, record in matches.create if end == side]):
            linked = ledger.link_marks(db, side, records)
            alone = [record for record in records if record not in linked]
            # Without its keys no rule finds it: it is nobody's counterpart.
            if alone:
                ledger.save_keys(db, side, {}, alone)
        for records in chunks([record for end, record in matches.ignore if end == side]):
            linked, rows_of = ledger.link_marks(db, side, records), ledger.staged(db, side, records)
            for record in records:
                if record in linked:
                    place = matches.ignore[int(side), record].place
                    scope.notes.append(f"{place}: {record} is linked, so it cannot be left alone")
                elif record in rows_of and rows_of[record].status == "pending":
                    said = matches.ignore[int(side), record]
                    _ignore(scope, db, side, [record], said.who, str(said.place))
    ledger.write_audit(db, scope.pass_id, scope.now(), audit)


def _ignore(
    scope: Scope, db: Connection, side: Side, records: Sequence[str], who: str, where: str = ""
) -> None:
    """Leave records alone; they come to rest anew in each pass, as long as somebody says so."""
    why = " ".join(part for part in ("left alone", f"as {who} decided" if who else "", where) if part)
    scope.ledger.withdraw(
        db, [(kind, f"{int(side)}:{record}") for record in records for kind in ("ambiguous", "taken")]
    )
    scope.ledger.rest(db, [(side, record, "ignored", why, None, 0) for record in records])


def _keep(scope: Scope, kind: str, side: Side, record: str, decision: Decision) -> bool:
    """Write down beside the spec what was decided about one record, unless all of this is undone."""
    if scope.rehearsing:
        return False
    ids = (record, None) if side is Side.LEFT else (None, record)
    return scope.keep(kind, ids, decision.who, str(decision.detail.get("why", "")))


def keep_made(scope: Scope) -> None:
    """Keep which record was made of one that people said has no counterpart, or is none of another one's: in
    another state the two are not to be asked about, nor made, again."""
    matches, ledger = scope.matches, scope.ledger
    told = {(Side(side), record): said for (side, record), said in matches.create.items()}
    for pair, said in matches.different.items():
        for side in Side:
            told.setdefault((side, pair[side]), said)
    known = {(side, pair[side]) for pair in matches.same for side in Side}
    for side in Side:
        for records in chunks([i for end, i in told if end is side and (end, i) not in known]):
            with scope.database.read() as db:
                links = ledger.links_of(db, side, records)
            for record, link in links.items():
                if "created" in link.how and None not in link.ids:
                    said, made = told[side, record], scope.ends[side.other].system
                    why = "; ".join(filter(None, (said.why, f"made in {made} because of it")))
                    scope.keep("same", (link.ids[0], link.ids[1]), said.who, why)


def _link(scope: Scope, db: Connection, decision: Decision, side: Side, row: Staged) -> Audit:
    ledger, other = scope.ledger, str(decision.detail["other"])
    theirs = ledger.staged(db, side.other, [other]).get(other)
    keys = match_keys(db, ledger.scope, side, row.record, other)
    taken = ledger.links_of(db, side.other, [other])
    if theirs is None or theirs.condition != "live" or taken or keys != decision.detail["keys"]:
        return _overtaken(decision)
    rows = (row, theirs) if side is Side.LEFT else (theirs, row)
    if not scope.rehearsing:
        ids = (rows[0].record, rows[1].record)
        scope.keep("same", ids, decision.who, str(decision.detail.get("why", "")))
    return _join(scope, db, rows, decision.who)


def _join(scope: Scope, db: Connection, rows: tuple[Staged, Staged], who: str, where: str = "") -> Audit:
    """Link two records that a person said are the same; their pair is decided like any other."""
    ledger, (left, right) = scope.ledger, rows
    link = scope.new_link(left.record, right.record, {"decided": who})
    ledger.insert_links(db, [link])
    ends = list(zip(Side, rows, strict=True))
    ledger.withdraw(
        db, [(kind, f"{int(side)}:{row.record}") for side, row in ends for kind in ("ambiguous", "taken")]
    )
    ledger.rest(db, [(side, row.record, "pending", "", None, 0) for side, row in ends])
    scope.totals.linked += 1
    said = f"decided by {who}" if who else "decided"
    detail = {"left": left.record, "right": right.record, "message": said}
    return Audit(event="linked", link=link.id, detail=detail | ({"rule": where} if where else {}))


def match_keys(db: Connection, scope: int, side: Side, record: str, other: str) -> list[dict[str, str]]:
    """The match keys of a record and of its counterpart to be, by rule."""
    return [
        {str(rule): key for rule, key in keys_of(db, scope, end, one).items()}
        for end, one in ((side, record), (side.other, other))
    ]


def read_decided(scope: Scope) -> None:
    """Read again the pairs of which a field was decided and of which nothing is staged."""
    ledger = scope.ledger
    with scope.database.write() as db:
        scope.fence(db)
        about = decisions(db, ledger.scope, "field", "fate")
        links = ledger.links_anywhere(db, sorted({one.link for one in about if one.link is not None}))
        quiet = {
            link.id: link
            for link in links.values()
            if not any(ledger.staged_prints(db, side, [link.ids[side] or ""]) for side in Side)
        }
        # A pair that is gone, or was brought in step by somebody else, needs no word any more.
        lost = [
            one
            for one in about
            if one.link not in links
            or (one.link in quiet and (one.kind == "fate" or links[one.link].states != ["live", "live"]))
        ]
        forget_decisions(db, [one.id for one in lost])
        ledger.write_audit(db, scope.pass_id, scope.now(), [_overtaken(one) for one in lost])
        wanted = quiet.keys() - {one.link for one in lost}
    for side in Side:
        ids = [record for link in wanted if (record := quiet[link].ids[side]) is not None]
        read_records(scope, side, ids)


def close_decisions(db: Connection, operations: Sequence[Operation]) -> None:
    """Take off the list what these writes, which were carried out, had been told to do."""
    done: list[int] = []
    put: dict[int, Decision] = {}
    about = [op for op in operations if any("decided" in part for part in op.body["fields"].values())]
    found = {one.id: one for many in decisions_on(db, [op.link for op in about]).values() for one in many}
    for operation in operations:
        done += [operation.body["decided"]] if "decided" in operation.body else []
        for part in operation.body["fields"].values():
            if "decided" not in part:
                continue
            if "put" in part and part["decided"] in found:
                put[part["decided"]] = found[part["decided"]]
            else:
                done.append(part["decided"])
    for number, decision in put.items():
        # The value is there; now it has to be carried over, whatever form the remote gave it.
        side = str(decision.detail["side"])
        seen = {end: value for end, value in decision.detail["seen"].items() if end != side}
        change_detail(db, number, {"side": decision.detail["side"], "seen": seen})
    forget_decisions(db, done)


def forget_about(db: Connection, fields: Iterable[tuple[int, str]]) -> None:
    """Forget what was decided about these fields (link, map): it cannot be done, and is asked again."""
    wanted = {f"{link}:{name}" for link, name in fields}
    found = decisions_on(db, sorted({int(subject.partition(":")[0]) for subject in wanted}))
    forget_decisions(db, [one.id for many in found.values() for one in many if one.subject in wanted])


def subject_record(subject: str) -> tuple[Side, str]:
    """The record that ``<side>:<record>`` names."""
    side, _, record = subject.partition(":")
    return Side(int(side)), record


def _field_of(decision: Decision) -> str:
    return decision.subject.partition(":")[2]


def _choice(decision: Decision) -> Choice:
    detail: Mapping[str, Any] = decision.detail
    seen = detail["seen"]
    return Choice(
        who=decision.who,
        side=Side(detail["side"]),
        put=detail.get("put", MISSING),
        seen=(seen.get("0", MISSING), seen.get("1", MISSING)),
    )


def _overtaken(decision: Decision) -> Audit:
    """What the audit log says of a decision that no longer fits."""
    detail: dict[str, Any] = {"message": f"decided by {decision.who}, and changed since: asked again"}
    if decision.link is not None:
        if decision.kind == "field":
            detail["field"] = _field_of(decision)
        return Audit(event="overtaken", link=decision.link, detail=detail)
    side, record = subject_record(decision.subject)
    return Audit(event="overtaken", side=side, record=record, detail=detail)
