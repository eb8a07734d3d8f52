"""Conflicts: what waits for a person, with its evidence; and the person's word, kept and carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.connect.contract import FieldType
from syncline.errors import SynclineError
from syncline.mapping.canonical import check_storable
from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import MapEntry, ModuleMap, Side
from syncline.run.deciding import match_keys, subject_record
from syncline.run.known import Known, known_module, known_modules, labels_of, told_bounces, told_score
from syncline.run.passes import Report
from syncline.run.push import push
from syncline.run.sync import recorded_pass
from syncline.run.workspace import Workspace
from syncline.spec.model import Spec
from syncline.store.database import Database
from syncline.store.decisions import Decision, decisions, save_decision
from syncline.store.history import Asked, Event, event, losses, passes, question, questions
from syncline.store.ids import next_id
from syncline.store.ledger import Audit, Link

KINDS = ("conflict", "bouncing", "deleted-and-edited", "ambiguous", "taken", "merged")
_WORDS = {True: ("true", "yes", "1"), False: ("false", "no", "0")}


class Answer(Struct, frozen=True, kw_only=True):
    """A person's word: ``take`` the value (or the state) of a system, or this ``value``; ``link`` a record
    with another one, ``create`` it at the other end as a record of its own, or ``ignore`` it: it is neither
    linked nor created. ``why``: for whoever reviews what was decided about a match."""

    take: str | None = None
    value: str | None = None
    link: str | None = None
    create: bool = False
    ignore: bool = False
    why: str = ""


def list_open(database: Database, spec: Spec, module: str | None, limit: int) -> list[dict[str, Any]]:
    """The open questions, oldest first, at most ``limit``.

    Each: ``id``, ``kind`` (conflict, bouncing, deleted-and-edited, ambiguous, taken, merged), ``module``,
    ``asked_at``, ``pass``, ``records`` (by system: ``id``, ``name``), ``message`` (the remote's words, or
    what is asked), ``rule`` (file:line:column), ``decided`` (null, or ``who``, ``at``: remembered for the
    next pass) and ``answers`` (the options that decide it). A conflict has ``field`` and ``values`` (by
    system), and when a remote refused a value ``tried`` and ``other`` (who holds it); a bouncing field also
    ``history`` (``at``, ``system``, ``found``, ``wrote``); an unclear match has ``system``, ``record``,
    ``key`` and ``candidates`` (``id``, ``name``, ``linked_to``; those of a likely rule also ``score``,
    ``contradicted`` and ``evidence``, see :func:`syncline.run.known.told_score`); a deleted record
    ``system`` and ``state``.
    """
    found: list[dict[str, Any]] = []
    with database.read() as db:
        for known in _modules(db, spec, module):
            assert known.scope is not None
            said = {one.subject: one for one in decisions(db, known.scope, "field", "fate", "match")}
            asked = questions(db, known.scope, KINDS, limit - len(found)) if len(found) < limit else []
            found += [_told(db, known, one, said.get(one.subject)) for one in asked]
    return found


def list_settled(database: Database, spec: Spec, module: str | None, limit: int) -> list[dict[str, Any]]:
    """The values that lost to a rule or to a person's word, newest first, at most ``limit``.

    Each: ``id``, ``module``, ``at``, ``pass``, ``who``, ``records``, ``field``, ``lost`` (``system``,
    ``value``), ``values`` (by system: what stands there now), ``why``, ``rule``.
    """
    found: list[dict[str, Any]] = []
    with database.read() as db:
        for known in _modules(db, spec, module):
            assert known.scope is not None
            lost = losses(db, [known.scope], limit)
            runs = passes(db, sorted({one.pass_id for one in lost}))
            links = known.ledger.links_anywhere(db, [one.link for one in lost if one.link is not None])
            for one in lost:
                who = runs[one.pass_id].who if one.pass_id in runs else None
                found += [_told_loss(known, one, name, links.get(one.link or 0), who) for name in _lost(one)]
    return sorted(found, key=lambda one: str(one["at"]), reverse=True)[:limit]


def find(database: Database, spec: Spec, number: str) -> dict[str, Any]:
    """One open question, or one settled conflict, by its id; raises SynclineError when there is none."""
    with database.read() as db:
        known, found = _find(db, spec, number)
        assert known.scope is not None
        if isinstance(found, Asked):
            said = {one.subject: one for one in decisions(db, known.scope, "field", "fate", "match")}
            return _told(db, known, found, said.get(found.subject))
        one, name = found
        links = known.ledger.links_anywhere(db, [one.link] if one.link is not None else [])
        run = passes(db, [one.pass_id]).get(one.pass_id)
        return _told_loss(known, one, name, links.get(one.link or 0), run.who if run else None)


def decide(
    workspace: Workspace, number: str, answer: Answer, report: Report, *, later: bool = False
) -> dict[str, Any]:
    """Remember a person's word on a question or a settled conflict and, unless ``later``, carry it out.

    Returns ``id``, ``module``, ``decided`` (in words), ``carried_out``, ``outcome`` (of the narrowed pass, or
    null) and ``problem`` (why it waits for the next pass, or null). Raises SynclineError for a word that does
    not fit what is asked; nothing is remembered then.
    """
    with workspace.database.read() as db:
        known, found = _find(db, workspace.spec, number)
        maker = _Maker(workspace, db, known, answer)
        decision, said, at = maker.answer(found) if isinstance(found, Asked) else maker.restore(*found)
    assert known.scope is not None
    alone = decision.link is None
    note = Audit(
        event="decided",
        link=decision.link,
        side=int(at[0]) if alone else None,
        record=at[1] if alone else None,
        detail={"message": said},
    )
    with recorded_pass(workspace, "conflicts") as (pass_id, _), workspace.database.write() as db:
        save_decision(db, known.scope, decision)
        known.ledger.write_audit(db, pass_id, workspace.now(), [note])
        known.ledger.rest(db, maker.woken)
    told: dict[str, Any] = {"id": number, "module": known.name, "decided": said}
    told |= {"carried_out": False, "outcome": None, "problem": None}
    if later:
        return told
    try:
        told["outcome"] = push(workspace, known.name, at[1], known.systems[at[0]], report)
    except SynclineError as error:
        told["problem"] = error.what
        return told
    with workspace.database.read() as db:
        assert known.scope is not None
        open_now = {one.id for one in decisions(db, known.scope, "field", "fate", "match")}
        asked = {one.subject for one in questions(db, known.scope, KINDS, 1_000_000)}
        if decision.kind == "match" and known.ledger.links_of(db, at[0], [at[1]]):
            open_now.discard(decision.id)  # the next pass forgets it
    told["carried_out"] = decision.id not in open_now and decision.subject not in asked
    if not told["carried_out"]:
        record = told["outcome"]["record"]
        told["problem"] = f"{record['status']}: {record['reason']}" if record["reason"] else record["status"]
    return told


def count_open(database: Database, spec: Spec) -> int:
    """How many questions are open."""
    with database.read() as db:
        return sum(
            sum(known.ledger.count_questions(db).get(kind, 0) for kind in KINDS)
            for known in _modules(db, spec, None)
        )


# --- making a decision ---------------------------------------------------------------------------


class _Maker:
    """Turns an answer into a decision. ``woken``: rows to be decided anew because of it."""

    def __init__(self, workspace: Workspace, db: Connection, known: Known, answer: Answer) -> None:
        self._workspace, self._db, self._known, self._answer = workspace, db, known, answer
        self.woken: list[tuple[int, str, str, str, Any, int]] = []

    def answer(self, asked: Asked) -> tuple[Decision, str, tuple[Side, str]]:
        """The decision, what it says, and the record (side, id) by which it is carried out."""
        match asked.kind:
            case "conflict" | "bouncing":
                return self._field(asked)
            case "deleted-and-edited":
                return self._fate(asked)
            case "ambiguous" | "taken":
                return self._match(asked)
            case _:
                raise SynclineError(
                    f"{asked.detail.get('message', asked.kind)}",
                    fix="merge or delete one of the two at the other end as well; the next pass sees it",
                )

    def restore(self, lost: Event, name: str) -> tuple[Decision, str, tuple[Side, str]]:
        """Decide a settled conflict the other way: the value that lost is put back, and carried over."""
        known = self._known
        link = known.ledger.links_anywhere(self._db, [lost.link or 0]).get(lost.link or 0)
        if link is None or lost.side is None or link.states != ["live", "live"]:
            raise SynclineError("its records are no longer a pair that is kept in step", fix="see explain")
        entry, side = self._entry(name), Side(lost.side)
        wanted = self._side() if self._answer.take is not None else None
        self._only("take", "value")
        value = lost.detail["fields"][name]["lost"]
        if wanted is not None and wanted is not side and self._answer.value is None:
            raise SynclineError(
                f"{known.systems[wanted]} has won already: {known.systems[side]} is the one that lost",
                fix=f"to put that back: --take {known.systems[side]}",
            )
        if self._answer.value is not None:
            side = wanted if wanted is not None else side
            value = self._read(entry, side)
        self._must_flow(entry, side)
        open_now = known.ledger.asked(self._db, [link.id]).get(link.id, {})
        if ("conflict", f"{link.id}:{name}") in open_now:
            raise SynclineError(f"there is an open question about {name}", fix="decide that one")
        seen = self._values(link, name)
        return self._decided_field(link, name, side, value, seen)

    def _field(self, asked: Asked) -> tuple[Decision, str, tuple[Side, str]]:
        self._only("take", "value")
        name, detail = str(asked.detail["field"]), asked.detail
        link = self._known.ledger.links_anywhere(self._db, [asked.link or 0])[asked.link or 0]
        entry = self._entry(name)
        refused = Side(detail["side"]) if "side" in detail else None
        if self._answer.take is not None:
            side = self._side()
        else:
            side = refused.other if refused is not None else Side.LEFT
        put = self._read(entry, side) if self._answer.value is not None else MISSING
        self._must_flow(entry, side)
        seen = {"0": detail.get("left"), "1": detail.get("right")}
        return self._decided_field(link, name, side, put, seen)

    def _decided_field(
        self, link: Link, name: str, side: Side, put: Any, seen: Mapping[str, Any]
    ) -> tuple[Decision, str, tuple[Side, str]]:
        system = self._known.systems[side]
        detail: dict[str, Any] = {"side": int(side), "seen": dict(seen)}
        if put is not MISSING:
            detail["put"] = put
        what = f"{name}: as in {system}" if put is MISSING else f"{name}: {_shown(put)}, put into {system}"
        self._wake(link)
        return (
            self._decision("field", f"{link.id}:{name}", link.id, detail),
            what,
            (side, str(link.ids[side])),
        )

    def _fate(self, asked: Asked) -> tuple[Decision, str, tuple[Side, str]]:
        self._only("take")
        link = self._known.ledger.links_anywhere(self._db, [asked.link or 0])[asked.link or 0]
        side, gone = self._side(), Side(asked.detail["side"])
        systems = self._known.systems
        record = str(link.ids[gone.other])
        row = self._known.ledger.staged_prints(self._db, gone.other, [record]).get(record)
        prints = row if row is not None else link.prints[gone.other] or b""
        state = asked.detail["state"]
        what = f"{state}, as in {systems[gone]}" if side is gone else f"kept, as edited in {systems[side]}"
        self._wake(link)
        detail = {"side": int(side), "print": prints.hex()}
        return self._decision("fate", str(link.id), link.id, detail), what, (gone.other, record)

    def _match(self, asked: Asked) -> tuple[Decision, str, tuple[Side, str]]:
        self._only("link", "create", "ignore")
        known, db = self._known, self._db
        side, record = subject_record(asked.subject)
        there = known.systems[side.other]
        if self._answer.create:
            what = f"a record of its own: to be created in {there}"
            return self._decision("match", asked.subject, None, self._reason()), what, (side, record)
        if self._answer.ignore:
            detail = {"ignore": True, **self._reason()}
            return self._decision("match", asked.subject, None, detail), "left alone", (side, record)
        other = str(self._answer.link)
        row = known.ledger.staged(db, side.other, [other]).get(other)
        link = known.ledger.links_of(db, side.other, [other]).get(other)
        if link is not None:
            raise SynclineError(
                f"{other} in {there} is linked already, with {link.ids[side]} in {known.systems[side]}",
                fix=f"merge the two in {known.systems[side]}, or make it a record of its own: --create",
            )
        if row is None or row.condition != "live":
            why = "no pass has read it" if row is None else f"it is {row.condition}"
            raise SynclineError(
                f"{other} in {there} cannot be linked: {why}", fix="check the id, and run a pass"
            )
        assert known.scope is not None
        keys = match_keys(db, known.scope, side, record, other)
        detail = {"other": other, "keys": keys, **self._reason()}
        what = f"the same as {other} in {there}"
        return self._decision("match", asked.subject, None, detail), what, (side, record)

    # parts

    def _decision(self, kind: str, subject: str, link: int | None, detail: dict[str, Any]) -> Decision:
        work = self._workspace
        return Decision(
            id=next_id(),
            kind=kind,
            subject=subject,
            link=link,
            detail=detail,
            who=work.who,
            made_at=work.now(),
        )

    def _reason(self) -> dict[str, Any]:
        return {"why": self._answer.why} if self._answer.why else {}

    def _only(self, *options: str) -> None:
        """Raises SynclineError unless the answer is one of these."""
        given = [name for name in ("take", "value", "link") if getattr(self._answer, name) is not None]
        given += [name for name in ("create", "ignore") if getattr(self._answer, name)]
        if not given or set(given) - set(options):
            fix = "decide with " + " or ".join(f"--{name}" for name in options)
            raise SynclineError("this is no answer to what is asked", fix=fix)
        if len(given) > 1 and set(given) & {"link", "create", "ignore"}:
            raise SynclineError("these are several answers", fix=f"give one of --{', --'.join(given)}")
        if self._answer.why and "link" not in options:
            raise SynclineError("--why is kept with a match alone", fix="leave it out")

    def _side(self) -> Side:
        return self._known.side_of(str(self._answer.take))

    def _entry(self, name: str) -> MapEntry:
        work, module = self._workspace, self._known.module
        if name not in module.fields:
            raise SynclineError(f"the spec has no map {name!r} any more")
        left, right = (work.remote_module(end) for end in (module.left, module.right))
        return ModuleMap(module, (left, right), work.expressions).by_name[name]

    def _must_flow(self, entry: MapEntry, side: Side) -> None:
        other = self._known.systems[side.other]
        if not entry.flows[side.other] or entry.ends[side].path is None:
            raise SynclineError(
                f"{entry.name} is one-way: what stands in {self._known.systems[side]} is not carried over",
                fix=f"change it in {other}, or the direction in the spec ({entry.map.place})",
            )

    def _read(self, entry: MapEntry, side: Side) -> Any:
        """The value that a person typed, in the form of one end."""
        end, given = entry.ends[side], str(self._answer.value)
        field = end.field
        if entry.is_list or entry.map.ref is not None or end.path is None:
            raise SynclineError(f"{entry.name} cannot be typed in", fix="take the value of one end: --take")
        try:
            value: Any = given
            if field is not None and field.type is FieldType.BOOLEAN:
                value = next((v for v, words in _WORDS.items() if given.lower() in words), given)
            value = None if given == "" else end.form(value)
            refusal = check_storable(field, value) if field is not None else None
        except ValueError as error:
            refusal = str(error)
        if refusal is not None:
            raise SynclineError(f"{self._known.systems[side]} would not take it: {refusal}")
        return value

    def _values(self, link: Link, name: str) -> dict[str, Any]:
        """What stands at each end, as far as it was read; what is not known is left out."""
        found = {}
        for side in Side:
            record = link.ids[side] or ""
            row = self._known.ledger.staged(self._db, side, [record]).get(record)
            own = row.own if row is not None else link.base[side]
            if name in own:
                found[str(int(side))] = own[name]
        return found

    def _wake(self, link: Link) -> None:
        for side in Side:
            record = link.ids[side] or ""
            row = self._known.ledger.staged(self._db, side, [record]).get(record)
            if row is not None and row.status == "conflict":
                self.woken.append((side, record, "pending", "", None, row.attempts))


# --- telling -------------------------------------------------------------------------------------


def _modules(db: Connection, spec: Spec, module: str | None) -> list[Known]:
    found = [known_module(db, spec, module)] if module else known_modules(db, spec)
    return [known for known in found if known.scope is not None]


def _find(db: Connection, spec: Spec, number: str) -> tuple[Known, Asked | tuple[Event, str]]:
    """An open question, or a write and the map whose value lost in it."""
    modules = {known.scope: known for known in _modules(db, spec, None)}
    scopes = [scope for scope in modules if scope is not None]
    head, _, name = number.partition(":")
    if head.isdigit():
        asked = question(db, scopes, int(head)) if not name else None
        if asked is not None:
            return modules[asked[0]], asked[1]
        done = event(db, scopes, int(head)) if name else None
        if done is not None and name in _lost(done):
            return modules[done.scope], (done, name)
    raise SynclineError(
        f"nothing is asked, and nothing was lost, under the id {number!r}",
        fix="list them: syncline conflicts SPEC, or with --settled; a question that is put anew has a new id",
    )


def _told(db: Connection, known: Known, asked: Asked, said: Decision | None) -> dict[str, Any]:
    detail = asked.detail
    told: dict[str, Any] = {
        "id": str(asked.id),
        "kind": asked.kind,
        "module": known.name,
        "asked_at": asked.asked_at,
        "pass": asked.pass_id,
        "records": _records(db, known, asked),
        "message": detail.get("message", ""),
        "rule": detail.get("rule"),
        "decided": None if said is None else {"who": said.who, "at": said.made_at},
        "answers": _ANSWERS.get(asked.kind, []),
    }
    match asked.kind:
        case "conflict" | "bouncing":
            told |= {"field": detail["field"], "values": _values_of(known, detail)}
            if "tried" in detail:
                told |= {"tried": detail["tried"], "other": detail.get("other")}
            if "history" in detail:
                told["history"] = told_bounces(known, detail)
        case "ambiguous":
            side = Side(int(detail["side"]))
            told |= {
                "system": known.systems[side],
                "record": detail["record"],
                "key": detail["key"],
                "candidates": _candidates(db, known, side.other, detail["others"]),
            }
            scored = {one["other"]: told_score(known, one) for one in detail.get("likely", ())}
            for candidate in told["candidates"]:
                candidate |= scored.get(candidate["id"], {})
        case "deleted-and-edited":
            told |= {"system": known.systems[int(detail["side"])], "state": detail["state"]}
        case "taken":
            side, record = subject_record(asked.subject)
            others = [detail["other"]] if detail.get("other") else []
            told |= {"system": known.systems[side], "record": record, "field": detail.get("field")}
            told["candidates"] = _candidates(db, known, side.other, others)
        case "merged":
            told |= {"system": known.systems[int(detail["side"])], "into": detail["into"]}
    return told


_ANSWERS: Mapping[str, list[str]] = {
    "conflict": ["--take SYSTEM", "--value TEXT"],
    "bouncing": ["--take SYSTEM", "--value TEXT"],
    "deleted-and-edited": ["--take SYSTEM"],
    "ambiguous": ["--link OTHER", "--create", "--ignore"],
    "taken": ["--link OTHER", "--create", "--ignore"],
}


def _told_loss(known: Known, one: Event, name: str, link: Link | None, who: str | None) -> dict[str, Any]:
    part = one.detail["fields"][name]
    records = {}
    for side, system in enumerate(known.systems):
        record = link.ids[side] if link is not None else one.record if side == one.side else None
        if record is not None:
            records[system] = {"id": record, "name": known.label(link.base[side]) if link else ""}
    return {
        "id": f"{one.id}:{name}",
        "module": known.name,
        "at": one.at,
        "pass": one.pass_id,
        "who": who,
        "records": records,
        "field": name,
        "lost": {"system": known.systems[one.side or 0], "value": part["lost"]},
        "values": {s: link.base[side].get(name) for side, s in enumerate(known.systems)} if link else {},
        "why": part.get("why", ""),
        "rule": part.get("rule"),
    }


def _lost(one: Event) -> list[str]:
    """The maps whose value lost in a write: an empty value is no loss."""
    parts = one.detail.get("fields", {})
    return [name for name, part in parts.items() if not blank(part.get("lost"))]


def _values_of(known: Known, detail: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(known.systems, (detail.get("left"), detail.get("right")), strict=True))


def _records(db: Connection, known: Known, asked: Asked) -> dict[str, Any]:
    if asked.link is not None:
        link = known.ledger.links_anywhere(db, [asked.link]).get(asked.link)
        ids = link.ids if link is not None else [None, None]
    else:
        side, record = subject_record(asked.subject)
        ids = [record if end is side else None for end in Side]
    return {
        known.systems[side]: {"id": i, "name": labels_of(db, known, side, [i]).get(i, "")}
        for side, i in zip(Side, ids, strict=True)
        if i is not None
    }


def _candidates(db: Connection, known: Known, side: Side, ids: Sequence[str]) -> list[dict[str, Any]]:
    names = labels_of(db, known, side, ids)
    links = known.ledger.links_of(db, side, ids)
    return [
        {"id": i, "name": names.get(i, ""), "linked_to": links[i].ids[side.other] if i in links else None}
        for i in ids
    ]


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{value!r}" if isinstance(value, str) else str(value)
