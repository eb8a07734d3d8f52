"""A batch of staged rows, decided: what becomes of each pair, and of each record without a counterpart.

The body of an operation
------------------------
``fields``: by map: ``set`` (the value to store), ``own`` (the source's own value, its new base), ``seen``
(what a transform that reads the whole record gave), ``before``, ``why``, ``rule``, ``lost``;
``removed``: by list map, the remote's ids of the items to drop; ``source``: the record it comes from;
``version``, ``read_at``: what it was decided on; ``attempts``, ``lost``: how many times the same was refused,
and sent without an answer or effect; ``alone``: nothing else is to be done for the pair;
``state``: of the source, which a delete, archive or restore answers: the link learns it once that is done.
A person's choice is named by ``decided`` (in a field, or in the body for the fate of a pair); a value with
``put`` is one that the person chose: it is stored, and then carried over like an edit made there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import date, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.mapping.filters import blank
from syncline.mapping.missing import MISSING
from syncline.mapping.module import CREATES, FILTER_FAULT, RENDERED, MapEntry, Side
from syncline.mapping.nesting import is_item
from syncline.reconcile.ending import ENDED, TOLD, Answer, answer_to
from syncline.reconcile.merge import (
    Edit,
    Merge,
    Outcome,
    Unlinked,
    Verdict,
    can_begin,
    changed,
    match_items,
    merge_pair,
    newer_side,
    rewritten,
)
from syncline.run.bouncing import Bouncing
from syncline.run.deciding import Decided
from syncline.run.late import Reached, is_told_with, reached_late
from syncline.run.references import References, pending_mark
from syncline.run.scope import Scope
from syncline.spec.model import DeleteRule
from syncline.store.decisions import Decision
from syncline.store.ids import next_id
from syncline.store.ledger import Audit, Link, Operation, Question, Staged

#: rows decided in one transaction
BATCH = 1000


class Pair(Struct):
    """A link with what is staged of its two records."""

    link: Link
    rows: list[Staged | None]


class Batch:
    """Some staged rows of one transaction, and everything decided about them."""

    _references: References
    _asked: dict[int, dict[tuple[str, str], dict[str, Any]]]
    _decided: Decided
    _bouncing: Bouncing
    _late: Set[Reached]

    def __init__(self, scope: Scope, db: Connection) -> None:
        self.scope = scope
        self.db = db
        self.again: set[tuple[Side, str]] = set()
        self._links: list[Link] = []
        self._made: list[Link] = []
        self._operations: list[Operation] = []
        self._audit: list[Audit] = []
        self._questions: list[Question] = []
        self._withdrawn: list[tuple[str, str]] = []
        self._settled: list[tuple[int, str]] = []
        self._resting: list[tuple[int, str, str, str, Any, int]] = []
        self._with_faults: dict[tuple[int, str], Staged] = {}
        self._unlinked: list[int] = []
        self._left_alone: list[tuple[Side, str]] = []
        self._lists = [entry for entry in scope.maps.entries if entry.is_list]

    def decide(self, pairs: Sequence[Pair], alone: Sequence[Staged], *, fresh: bool = False) -> None:
        """Decide linked pairs, and rows without a link. ``fresh``: the links are new, and not stored yet."""
        self._late = reached_late(self.scope)
        self._asked = {} if fresh else self.scope.ledger.asked(self.db, [pair.link.id for pair in pairs])
        self._decided = Decided(self.scope, self.db, [] if fresh else [pair.link.id for pair in pairs])
        self._bouncing = Bouncing(self.scope, self.db, [] if fresh else [pair.link.id for pair in pairs])
        if fresh:
            self._made.extend(pair.link for pair in pairs)
            pairs = [pair for pair in pairs if not self._agree_at_once(pair)]
        else:
            self._links.extend(pair.link for pair in pairs)
        everyone = [row for pair in pairs for row in pair.rows if row is not None] + list(alone)
        for row in everyone:
            self._render(row)
        self._references = References(self.scope, self.db, everyone)
        for pair in pairs:
            self._withdrawn.extend(self._asked.get(pair.link.id, ()))  # what still stands is put again
            self._decide_pair(pair)
        for row in alone:
            self._decide_alone(row)

    def save(self) -> None:
        ledger, db, scope = self.scope.ledger, self.db, self.scope
        ledger.update_links(db, self._links)
        ledger.insert_links(db, self._made)
        ledger.insert_operations(db, self._operations)
        ledger.delete_links(db, self._unlinked)
        for side, record in self._left_alone:
            ledger.save_keys(db, side, {}, [record])  # it is known no more, so nobody else would drop them
        self._decided.save()
        ledger.write_audit(db, scope.pass_id, scope.now(), self._audit)
        asked = {(question.kind, question.subject) for question in self._questions}
        ledger.withdraw(db, [subject for subject in self._withdrawn if subject not in asked])
        ledger.ask(db, scope.pass_id, scope.now(), self._questions)
        ledger.unstage(db, self._settled)
        ledger.save_staged(db, list(self._with_faults.values()))
        ledger.rest(db, self._resting)

    def pairs_of(self, rows: Sequence[Staged]) -> tuple[list[Pair], list[Staged]]:
        """The linked rows, each pair once and with its other end, and the rows without a link."""
        ledger, db = self.scope.ledger, self.db
        by_side: list[dict[str, Staged]] = [{}, {}]
        for row in rows:
            by_side[row.side][row.record] = row
        links: dict[int, Link] = {}
        for side in Side:
            for link in ledger.links_of(db, side, list(by_side[side])).values():
                links[link.id] = link
        for side in Side:
            missing = [i for lk in links.values() if (i := lk.ids[side]) and i not in by_side[side]]
            by_side[side].update(ledger.staged(db, side, missing))
        pairs: list[Pair] = []
        paired: set[tuple[int, str | None]] = set()
        for link in links.values():
            both = [by_side[side].get(link.ids[side] or "") for side in Side]
            paired.update((side, link.ids[side]) for side in Side)
            pairs.append(Pair(link, both))
        alone = [row for row in rows if (row.side, row.record) not in paired]
        return pairs, alone

    def _render(self, row: Staged) -> None:
        if not row.out and row.state != "deleted":
            self.scope.maps.render(Side(row.side), row)

    def _agree_at_once(self, pair: Pair) -> bool:
        """Settle a pair that meets for the first time and holds the same at both ends."""
        link, (left, right), look = pair.link, pair.rows, self.scope.look
        if not look.possible or left is None or right is None:
            return False
        for side in look.needs:
            self._render((left, right)[side])
        if not look.agrees(left, right):
            return False
        link.open = set()
        self._take(link, Side.LEFT, left)
        self._take(link, Side.RIGHT, right)
        link.base = [left.own, right.own]
        self._settled += [(0, left.record), (1, right.record)]
        return True

    # a record without a link

    def _decide_alone(self, row: Staged) -> None:
        scope, side = self.scope, Side(row.side)
        self._references.unlinked.clear()
        self._withdrawn += [(kind, f"{row.side}:{row.record}") for kind in ("ambiguous", "taken")]
        why = self._no_create(row, side)
        if why is None and (row.side, row.record) not in scope.needed:
            why = self._only_matched(row, side)
        if (side, row.record) in scope.left_alone:
            why = why or "its counterpart was deleted, and the rule of this end is unlink"
        if why is not None:
            self._rest([row], "parked", why)
            return
        values, waits, faults = {}, [], dict(row.faults)
        for entry in scope.maps.entries:
            if not entry.flows[side.other] or entry.name not in row.out:
                continue
            value = self._references.translate(entry, side, row.out[entry.name])
            if (missing := _first_unlinked(value)) is not None:
                waits.append(f"waits for {missing.module} {missing.record}, which has no counterpart yet")
            elif not _empty(value) and can_begin(entry, side.other, value):
                values[entry.name] = value
        faults.update(self._missing_required(side.other, values) if not waits else {})
        if faults:
            self._refuse([row], "; ".join(f"{name}: {why}" for name, why in faults.items()))
            return
        if waits:
            self._wait([row], waits[0])
            return
        self._create(row, side, values)

    def _no_create(self, row: Staged, side: Side) -> str | None:
        if row.condition != "live" and not (row.condition == "voided" and self._shows_void(side)):
            return (
                f"the record is {row.condition}" if row.condition != "out" else "outside the module's filter"
            )
        if not self.scope.creates_from(side):
            return "nothing is created against the module's direction"
        if not self.scope.can(side.other, "create"):
            return "the other end cannot create records"
        return None

    def _shows_void(self, side: Side) -> bool:
        """Whether the other end can be told that a document is voided, and is not a ledger of its own in
        which a new one would count."""
        return any(
            entry.flows[side.other]
            and (state := entry.ends[side].field) is not None
            and state.moves is not None
            and ((shown := entry.ends[side.other].field) is None or shown.moves is None)
            for entry in self.scope.maps.entries
        )

    def _only_matched(self, row: Staged, side: Side) -> str | None:
        """Why the spec leaves a record uncreated as long as no other refers to it."""
        told = row.own.get(CREATES)
        if told is False:
            return (
                f"it is matched, and not created in {self.scope.ends[side.other].system} before it is needed"
            )
        return None if told else self._kept_elsewhere(row, side)

    def _kept_elsewhere(self, row: Staged, side: Side) -> str | None:
        """Whether the module that this one yields to has the record."""
        other = self.scope.scopes.get(self.scope.module.yields_to or "")
        if other is None:
            return None
        here = self.scope.ends[side]
        for end in Side:
            there = other.ends[end]
            same_end = (there.system, there.remote.name) == (here.system, here.remote.name)
            if same_end and other.ledger.link_marks(self.db, end, [row.record]):
                return f"it is kept by the module {other.name}"
        return None

    def _missing_required(self, target: Side, values: dict[str, Any]) -> dict[str, str]:
        """Required fields of the target that nothing fills, known before the remote refuses the call."""
        filled = {
            entry.ends[target].path.root  # type: ignore[union-attr]
            for entry in self.scope.maps.entries
            if entry.name in values and entry.ends[target].path is not None
        }
        remote = self.scope.ends[target].remote
        return {
            f.name: f"{remote.name} needs it and the record has none"
            for f in remote.fields
            if f.required and f.name not in filled
        }

    def _create(self, row: Staged, side: Side, values: dict[str, Any]) -> None:
        if is_told_with(self.scope, self._late, side.other, None, values):
            self._rest([row], "waiting", "a write that was not answered may still reach what it refers to")
            return
        ids: list[str | None] = [None, None]
        ids[side] = row.record
        link = self.scope.new_link(ids[0], ids[1], {"created": int(side.other)})
        link.base[side] = dict(row.own)
        self._take(link, side, row)
        fields = {
            name: self._field(row, side, name, value, "new at this end", MISSING)
            for name, value in values.items()
        }
        self._made.append(link)
        alone = not any(entry.compared for entry in self.scope.maps.entries)
        self._operate(link, side.other, "create", {"fields": fields, "alone": alone}, row, None)
        self._rest([row], "writing", "")

    # a linked pair

    def _decide_pair(self, pair: Pair) -> None:
        link = pair.link
        self._references.unlinked.clear()
        rows = [row for row in pair.rows if row is not None]
        if link.id in self.scope.in_flight or any(
            is_told_with(self.scope, self._late, side, link.ids[side], row.own if row else link.base[side])
            for side, row in zip(Side, pair.rows, strict=True)
        ):
            self._rest(rows, "waiting", "a write that was not answered may still be carried out")
            return
        before = list(link.states)
        news = {side for side in Side if (row := pair.rows[side]) and row.print != link.prints[side]}
        for side in Side:
            row = pair.rows[side]
            if row is not None:
                self._take(link, side, row)
        if link.ids[0] is None or link.ids[1] is None:
            self._rest(rows, "writing", "its counterpart is being created")
            return
        unclear = next((row for row in rows if FILTER_FAULT in row.faults), None)
        if unclear is not None:
            link.states = before
            self._refuse(rows, f"where: {unclear.faults[FILTER_FAULT]}")
            return
        live = link.states == before == ["live", "live"]
        if not live and self._decide_states(pair, before, news):
            return
        self._merge(pair)

    def _take(self, link: Link, side: Side, row: Staged) -> None:
        """What a link remembers of a record, its base apart, except for what we wrote ourselves."""
        if row.print and link.sent[side]:
            if row.version == link.versions[side]:
                self._adopt(link, side, row)
            link.sent[side].clear()
        link.versions[side] = row.version
        link.prints[side] = row.print or None  # empty: patched after our own write, not read since
        link.states[side] = row.condition
        link.keys[side] = row.ref_key
        if link.open:
            link.base[side].update({name: row.own[name] for name in link.open & row.own.keys()})
        self._know_items(link.base[side], row.own)
        was_locked = link.locks[side] is not None
        if row.recheck or was_locked or self.scope.rechecks[side]:
            link.recheck = row.recheck
        link.locks[side] = row.lock

    def _know_items(self, base: dict[str, Any], own: Mapping[str, Any]) -> None:
        """The items of a list that says what it said are known by the ids that they have by now: they may
        have been typed again, or have been sent by us and not read since."""
        for entry in self._lists:
            value, known = own.get(entry.name), base.get(entry.name)
            if value is not None and known is not None and not changed(entry, value, known):
                base[entry.name] = value

    def _adopt(self, link: Link, side: Side, row: Staged) -> None:
        """The record at the very version that our own write made: what it holds is what the remote stored."""
        other: dict[str, Any] = {}
        for name in link.sent[side]:
            if name not in link.open and name in row.own:
                if told := rewritten(self.scope.maps.by_name[name], link.base[side].get(name), row.own[name]):
                    other[name] = told
                _rebase(link, side, row, name)
        if other:
            detail = {"fields": other}
            self._audit.append(
                Audit(event="rewritten", link=link.id, side=side, record=row.record, detail=detail)
            )

    def _decide_states(self, pair: Pair, before: list[str], news: set[Side]) -> bool:
        """Deletes, archives, restores and leaving the filter. True when nothing is left to merge.

        A link keeps the states that were dealt with: what was only planned, asked or sent for must be decided
        again when it did not come about. ``before``: those; ``news``: the ends read since the last decision.
        """
        link, scope = pair.link, self.scope
        rows = [row for row in pair.rows if row is not None]
        if link.states == ["live", "live"]:
            unread = [side for side in Side if pair.rows[side] is None]
            if unread:
                link.states = before
                self.again.update((side, link.ids[side] or "") for side in unread)
                self._rest(rows, "waiting", "back in step; the other end is being read again")
            return bool(unread)
        if (merged := self._asked.get(link.id, {}).get(("merged", str(link.id)))) is not None:
            side = Side(int(merged["side"]))
            if link.states[side] != "live" and link.states[side.other] in ("live", "out"):
                link.states = before
                question = Question(kind="merged", subject=str(link.id), link=link.id, detail=merged)
                self._questions.append(question)
                self._rest(rows, "conflict", str(merged["message"]))
                return True
        for side in Side:
            now = link.states[side]
            if now == before[side] or now not in ENDED:
                continue
            if side in news:
                self._audit.append(Audit(event=now, link=link.id, side=side, record=link.ids[side]))
            if link.states[side.other] != "live":
                continue
            rule = scope.module.deletes.get(scope.ends[side.other].system, DeleteRule.IGNORE)
            answer = answer_to(now, rule)
            if answer is Answer.NOTHING or (now == "archived" and is_item(scope.ends[side].remote)):
                continue  # an item rests with the record it is in, which still holds it and may come back
            if answer is Answer.UNLINK:
                self._unlink(pair, side.other)
                return True
            link.states[side] = before[side]
            other = pair.rows[side.other]
            # What a voided document says of itself is carried over once it is one at both ends.
            body: dict[str, Any] = {"fields": {}, "alone": now != "voided", "state": now}
            if other is not None and self._edited(link, side.other, other):
                fate = self._decide_fate(pair, side, now)
                if fate is None:
                    return True
                body["decided"] = fate.id
            self._operate(link, side.other, answer.value, body, pair.rows[side], other)
            self._rest(rows, "writing", "")
            return True
        if TOLD.issuperset(link.states):
            return False
        if "archived" in link.states and "live" in link.states and "archived" in before:
            back = next(side for side in Side if link.states[side] == "live")
            archives = scope.module.deletes.get(scope.ends[back.other].system) is DeleteRule.ARCHIVE
            if before[back] in ("archived", "deleted") and archives and scope.can(back.other, "restore"):
                link.states[back] = before[back]
                body = {"fields": {}, "alone": False, "state": "live"}
                self._operate(link, back.other, "restore", body, pair.rows[back], pair.rows[back.other])
                self._rest(rows, "writing", "")
                return True
        self._settle(rows)
        return True

    def _unlink(self, pair: Pair, left: Side) -> None:
        """Forget a pair; the record that is left at an end is one of its own from now on."""
        self._unlinked.append(pair.link.id)
        why = {"message": "its counterpart was deleted, and the rule of this end is unlink"}
        record = pair.link.ids[left]
        self._audit.append(Audit(event="unlinked", side=left, record=record, detail=why))
        self._settle([row for row in pair.rows if row is not None])
        # Read again, it is there to be matched should the other one come back; made anew there it is not.
        assert record is not None
        self.again.add((left, record))
        self.scope.left_alone.add((left, record))
        self._left_alone.append((left, record))

    def _decide_fate(self, pair: Pair, gone: Side, now: str) -> Decision | None:
        """A record is gone and its counterpart was edited: a person's word that it shall follow is returned;
        else the pair is dealt with: kept, as a person decided, or asked about."""
        link, scope = pair.link, self.scope
        rows = [row for row in pair.rows if row is not None]
        kept = pair.rows[gone.other]
        assert kept is not None
        fate = self._decided.fate(link.id)
        if fate is not None and kept.print.hex() != fate.detail["print"]:
            self._audit.append(self._decided.overtaken(fate))
            fate = None
        if fate is None:
            subject, detail = str(link.id), {"side": int(gone), "state": now}
            self._questions.append(
                Question(kind="deleted-and-edited", subject=subject, link=link.id, detail=detail)
            )
            self._rest(rows, "conflict", f"{now} at one end and edited at the other")
        elif fate.detail["side"] == gone:
            return fate
        elif now == "voided":
            # A voided document does not come back; the one that is kept goes on beside it.
            self._decided.carried_out(fate)
            link.states[gone] = now
            self._merge(pair)
        elif now == "archived" and scope.can(gone, "restore"):
            body = {"fields": {}, "alone": False, "state": "live", "decided": fate.id}
            self._operate(link, gone, "restore", body, kept, pair.rows[gone])
            self._rest(rows, "writing", "")
        else:
            # Its counterpart does not come back: it is a record of its own, and met anew.
            self._decided.carried_out(fate)
            self._unlinked.append(link.id)
            self._audit.append(Audit(event="unlinked", side=gone.other, record=kept.record))
            self._settle([row for row in rows if row is not kept])
            self._rest([kept], "waiting", "its counterpart is gone; it is matched anew or created")
            self.again.add((gone.other, kept.record))
        return None

    def _edited(self, link: Link, side: Side, row: Staged) -> bool:
        return any(
            changed(entry, row.own.get(entry.name, MISSING), link.base[side].get(entry.name, MISSING))
            for entry in self.scope.maps.entries
            if entry.name not in link.open
        )

    def _merge(self, pair: Pair) -> None:
        scope = self.scope
        systems = {end.system: Side(side) for side, end in enumerate(scope.ends)}
        newer = self._newer(pair)
        merge = merge_pair(
            scope.maps.entries,
            lambda entry, side: self._edit(pair, entry, side),
            scope.module.conflicts,
            systems,
            newer,
            self._decided.choices(pair.link.id),
            seen=all(row is None or row.print for row in pair.rows),
        )
        for name in merge.agreed:
            self._agree(pair, name, merge.verdicts[name])
        for name in merge.uncompared:
            for side, row in zip(Side, pair.rows, strict=True):
                if row is not None:
                    _rebase(pair.link, side, row, name)
            pair.link.open.add(name)
        self._audit += self._decided.note(pair.link.id, merge)
        again = self._need_again(pair, merge)
        locked = self._drop_locked(pair, merge)
        locked |= {name: merge.verdicts[name].why for name in merge.of(Outcome.LOCKED)}
        taken = self._drop_taken(pair, merge) | self._drop_bouncing(pair, merge)
        rest = locked or taken or merge.uncompared or _outstanding(merge)
        written = self._write(pair, merge, alone=not rest)
        self._conclude(pair, merge, locked, taken, written=written, again=again)

    def _newer(self, pair: Pair) -> Side | None:
        """The end that was changed last, as if both remotes' clocks were right; ours does not count."""
        skews = [end.skew for end in self.scope.ends]
        left, right = (
            row.modified - skew if row is not None and row.modified is not None else None
            for row, skew in zip(pair.rows, skews, strict=True)
        )
        # How wrong a clock is, is only known to the whole seconds in which remotes tell the time.
        return newer_side(left, right, 3.0 if any(skews) else 1.0)

    def _edit(self, pair: Pair, entry: MapEntry, side: Side) -> Edit:
        link, row, name = pair.link, pair.rows[side], entry.name
        stored = link.base[side].get(name, MISSING)
        base = MISSING if name in link.open else stored
        if row is None:
            return Edit(value=stored, base=base)
        value = row.own.get(name, MISSING)
        out = row.out.get(name, MISSING)
        fault = row.faults.get(name, "")
        if fault and value is MISSING:
            value = stored if stored is not MISSING else None
        seen = name + RENDERED
        is_changed = changed(entry, value, base) or (
            base is not MISSING and seen in row.own and row.own[seen] != link.base[side].get(seen)
        )
        if fault and base is not MISSING and row.own.get(name, MISSING) is MISSING:
            is_changed = True
        if out is not MISSING:
            out = self._references.translate(entry, side, out)
        return Edit(value=value, base=base, out=out, fault=fault, changed=is_changed)

    def _agree(self, pair: Pair, name: str, verdict: Verdict) -> None:
        link = pair.link
        for side in Side:
            row = pair.rows[side]
            if row is not None:
                _rebase(link, side, row, name)
        link.open.discard(name)
        if verdict.outcome is Outcome.DRIFT:
            detail = {"fields": {name: {"why": verdict.why}}}
            self._audit.append(Audit(event="drift", link=link.id, detail=detail))

    def _need_again(self, pair: Pair, merge: Merge) -> bool:
        """Whether a value must be carried over from an end that was not read in this pass."""
        found = False
        for name in merge.of(Outcome.HELD):
            entry = self.scope.maps.by_name[name]
            for side in Side:
                if pair.rows[side] is None and entry.flows[side.other]:
                    self.again.add((side, pair.link.ids[side] or ""))
                    found = True
        return found

    def _drop_locked(self, pair: Pair, merge: Merge) -> dict[str, str]:
        """Take out what the remote is known to refuse; the reason by map."""
        locked: dict[str, str] = {}
        for side in Side:
            lock = pair.link.locks[side]
            if lock is None and pair.link.states[side] == "voided":
                lock = {"reason": "the record is voided", "editable": ()}
            if lock is None:
                continue
            for name in list(merge.writes[side]):
                path = self.scope.maps.by_name[name].ends[side].path
                if path is not None and path.root not in lock["editable"]:
                    del merge.writes[side][name]
                    locked[name] = lock["reason"]
        return locked

    def _drop_taken(self, pair: Pair, merge: Merge) -> dict[str, str]:
        """Take out the values that the remote has refused because another record holds them, so that the
        other fields go on; a value that has changed since is tried. The remote's words by map."""
        link = pair.link
        taken: dict[str, str] = {}
        for detail in self._asked.get(link.id, {}).values():
            name = str(detail.get("field"))
            for side in Side:
                if self.scope.insist or self._decided.number(link.id, name) is not None:
                    continue
                if "tried" in detail and pending_mark(merge.writes[side].get(name)) == detail["tried"]:
                    del merge.writes[side][name]
                    taken[name] = detail["message"]
                    question = Question(
                        kind="conflict", subject=f"{link.id}:{name}", link=link.id, detail=detail
                    )
                    self._questions.append(question)
        return taken

    def _drop_bouncing(self, pair: Pair, merge: Merge) -> dict[str, str]:
        """Take out what somebody overwrites each time that it was written; why, by map."""
        link, held = pair.link, {}
        for side in Side:
            for name in list(merge.writes[side]):
                if self._decided.number(link.id, name) is not None:
                    continue
                values = self._present(pair, name)
                asked = self._asked.get(link.id, {})
                found = self._bouncing.asks(link, side, name, merge.verdicts[name], asked, values)
                if found is not None:
                    del merge.writes[side][name]
                    held[name] = found[0].detail["message"]
                    self._questions.append(found[0])
                    self._audit += found[1]
        return held

    @staticmethod
    def _present(pair: Pair, name: str) -> list[Any]:
        """What each end holds of a field, as far as it was read."""
        return [
            (row.own if row else pair.link.base[side]).get(name)
            for side, row in zip(Side, pair.rows, strict=True)
        ]

    def _write(self, pair: Pair, merge: Merge, *, alone: bool) -> bool:
        both = bool(merge.writes[0]) and bool(merge.writes[1])
        for side in Side:
            if not merge.writes[side]:
                continue
            source = pair.rows[side.other]
            fields: dict[str, Any] = {}
            removed: dict[str, list[str]] = {}
            puts = False
            for name, value in merge.writes[side].items():
                entry, verdict = self.scope.maps.by_name[name], merge.verdicts[name]
                target = pair.rows[side]
                before = (target.own if target else pair.link.base[side]).get(name, MISSING)
                if entry.is_list:
                    stored = before if before is not MISSING and before is not None else []
                    value, removed[name] = match_items(entry, side, value or [], stored)
                if verdict.put is not MISSING:
                    puts = True
                    fields[name] = {"set": value, "put": True, "why": verdict.why}
                    if before is not MISSING:
                        fields[name]["before"] = before
                else:
                    assert source is not None
                    fields[name] = self._field(source, side.other, name, value, verdict.why, before)
                if (decided := self._decided.number(pair.link.id, name)) is not None:
                    fields[name]["decided"] = decided
                if verdict.rule is not None:
                    fields[name]["rule"] = str(verdict.rule)
                if verdict.lost is not MISSING:
                    fields[name]["lost"] = verdict.lost
            body = {"fields": fields, "removed": removed, "alone": alone and not both and not puts}
            self._operate(pair.link, side, "update", body, source, pair.rows[side])
        return any(merge.writes)

    def _conclude(
        self,
        pair: Pair,
        merge: Merge,
        locked: dict[str, str],
        taken: dict[str, str],
        *,
        written: bool,
        again: bool,
    ) -> None:
        rows, link = [row for row in pair.rows if row is not None], pair.link
        for name in merge.of(Outcome.ASK):
            verdict = merge.verdicts[name]
            values = self._present(pair, name)
            detail = {"field": name, "left": values[0], "right": values[1], "rule": str(verdict.rule)}
            self._questions.append(
                Question(kind="conflict", subject=f"{link.id}:{name}", link=link.id, detail=detail)
            )
        if written or again:
            self._rest(rows, "writing", "" if written else "the other end is being read again")
            return
        held = {n: merge.verdicts[n].why for n in merge.of(Outcome.HELD) if self._faulty(pair, n)}
        if asked := merge.of(Outcome.ASK):
            self._rest(rows, "conflict", f"both ends changed {', '.join(asked)}")
        elif taken:
            self._rest(rows, "conflict", "; ".join(f"{name}: {why}" for name, why in taken.items()))
        elif waits := merge.of(Outcome.WAIT):
            self._wait(rows, merge.verdicts[waits[0]].why)
        elif held:
            self._refuse(rows, "; ".join(f"{name}: {why}" for name, why in held.items()))
        elif locked:
            reason = next(iter(locked.values()))
            why = f"{reason}; not written: {', '.join(locked)}"
            if all(row.reason != why for row in rows):
                detail = {"fields": {name: {"why": text} for name, text in locked.items()}}
                self._audit.append(Audit(event="locked", link=link.id, detail=detail))
            # What locks a record may end without the record changing (a lock date that is moved).
            link.recheck = min(filter(None, (link.recheck, _tomorrow(self.scope))))
            self._rest(rows, "locked", why)
        else:
            self._settle(rows)
            if not merge.verdicts:
                self.scope.totals.unchanged += 1

    def _faulty(self, pair: Pair, name: str) -> bool:
        return any(row is not None and name in row.faults for row in pair.rows)

    # writing down

    def _field(
        self, source: Staged, side: Side, name: str, value: Any, why: str, before: Any
    ) -> dict[str, Any]:
        detail: dict[str, Any] = {"set": pending_mark(value), "own": source.own.get(name), "why": why}
        if name + RENDERED in source.own:
            detail["seen"] = source.own[name + RENDERED]
        if before is not MISSING:
            detail["before"] = before
        return detail

    def _operate(
        self,
        link: Link,
        side: Side,
        kind: str,
        body: dict[str, Any],
        source: Staged | None,
        target: Staged | None,
    ) -> None:
        operation = next_id()
        body["source"] = {"side": int(side.other), "record": link.ids[side.other]}
        body["version"] = link.versions[side]
        rows = [row for row in (source, target) if row is not None]
        body["attempts"] = max((row.attempts for row in rows), default=0)
        if lost := max((row.lost for row in rows), default=0):
            body["lost"] = lost
        read_at = target.read_at if target is not None else self.scope.ends[side].read_at
        if read_at is not None:
            body["read_at"] = read_at.isoformat()
        self._operations.append(
            Operation(
                id=operation,
                pass_id=self.scope.pass_id,
                side=side,
                kind=kind,
                link=link.id,
                record=link.ids[side],
                key=f"syncline-{operation:x}",
                body=body,
                made_at=self.scope.now(),
            )
        )

    def _settle(self, rows: list[Staged]) -> None:
        self._settled.extend((row.side, row.record) for row in rows)

    def _rest(self, rows: list[Staged], status: str, why: str) -> None:
        self._with_faults.update({(row.side, row.record): row for row in rows if row.faults})
        self._resting.extend((r.side, r.record, status, why, None, r.attempts) for r in rows)

    def _wait(self, rows: list[Staged], why: str) -> None:
        """A record that refers to one without a counterpart, which is thereby needed."""
        for missing in self._references.unlinked:
            self.scope.missed.setdefault(missing, []).extend((row.side, row.record) for row in rows)
        self._rest(rows, "waiting", why)

    def _refuse(self, rows: list[Staged], why: str) -> None:
        """A record that cannot be carried over as it is: it rests until it, or the spec, changes; told once
        of a pair, as long as either row still says so."""
        self._with_faults.update({(row.side, row.record): row for row in rows if row.faults})
        if all(row.reason != why for row in rows):
            at = next((row for row in rows if row.faults), rows[0])
            detail = {"message": why}
            self._audit.append(Audit(event="refused", side=at.side, record=at.record, detail=detail))
        self._rest(rows, "failed", why)


def _tomorrow(scope: Scope) -> str:
    return (date.fromisoformat(scope.today(Side.LEFT)) + timedelta(days=1)).isoformat()


def _rebase(link: Link, side: Side, row: Staged, name: str) -> None:
    link.base[side][name] = row.own.get(name)
    if name + RENDERED in row.own:
        link.base[side][name + RENDERED] = row.own[name + RENDERED]


def _outstanding(merge: Merge) -> bool:
    held = (Outcome.ASK, Outcome.WAIT, Outcome.HELD)
    return any(verdict.outcome in held for verdict in merge.verdicts.values())


def _first_unlinked(value: Any) -> Unlinked | None:
    if isinstance(value, Unlinked):
        return value
    if isinstance(value, list):
        for item in value:
            for inner in item.values():
                if isinstance(inner, Unlinked):
                    return inner
    return None


def _empty(value: Any) -> bool:
    return value is None or (not isinstance(value, list) and blank(value)) or value == []
