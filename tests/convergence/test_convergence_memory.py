"""Convergence, searched for in many short histories on two remotes in memory.

People edit both ends, passes run in between, faults strike and processes die. Then it is quiet: two passes
later both ends agree with the spec, the next pass writes nothing, and the audit log has every value that a
rule let go.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.convergence.ledgers import RULES, Habits, Ledgers, Variant, WatchedRemote, one_by_one
from tests.convergence.naive import A, B, Thing, mark, merged
from tests.convergence.phases import PHASES
from tests.support.effort import effort
from tests.support.state import lay_empty_state
from tests.support.tally import Tally

from syncline.connect.contract import State, Write, WriteKind
from syncline.connect.errors import QuotaExhausted, RemoteUnavailable
from syncline.run import passes
from syncline.store import tables as t
from syncline.store.database import open_store

TEXTS = ("phone", "email", "note", "city", "short", "code", "owner", "grade")
_HABITS = st.builds(
    Habits,
    conditional=st.booleans(),
    returns_stored=st.booleans(),
    trims=st.booleans(),
    capitals=st.booleans(),
    places=st.sampled_from([None, None, 2, 0]),
    cuts=st.sampled_from([None, None, 8]),
    page_size=st.sampled_from([2, 50]),
    batch=st.sampled_from([1, 3]),
)
_RULE = st.sampled_from(["ignore", "archive", "delete"])
_SKEW = st.sampled_from([-10, 0, 10])
VARIANTS = st.builds(
    Variant,
    a=_HABITS,
    b=_HABITS,
    match=st.booleans(),
    filtered=st.booleans(),
    deletes=st.tuples(_RULE, _RULE),
    skew=st.tuples(_SKEW, _SKEW),
)
SIDES = st.sampled_from([A, B])
PLACES = st.integers(0, 30)  # which of the things that there are, round and round
FIELDS = st.sampled_from([*TEXTS, "fee"])
#: How a person types: with a space before it, in small letters, longer than some remotes keep.
STYLES = st.sampled_from(["{}", " {}", "{}abc", "{} de fghijk"])


def _alike(left: Any, right: Any) -> bool:
    return bool(left == right)


class Histories(RuleBasedStateMachine):
    """One history. Class attributes are set by the test that runs it."""

    count: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-history-"))
        self.tokens = 0

    @initialize(variant=VARIANTS)
    def begin(self, variant: Variant) -> None:
        self.count["histories"] += 1
        lay_empty_state(self.folder / "state.sqlite")
        self.database = open_store(f"sqlite:///{self.folder / 'state.sqlite'}")
        self.world = Ledgers(self.folder, self.database, variant)
        self.oracle = self.world.oracle
        #: by (tag, field): what both ends held when everything was last known to be in step
        self.base: dict[tuple[str, str], tuple[Any, Any]] = {}
        self.certain = True
        #: by tag, who deleted, archived, restored or hid its records since all was in step, and at which end
        self.acts: dict[str, list[int]] = {}
        self.drifted: set[Any] = set()
        #: written by the last pass, at remotes that did not say what they made of it
        self.unseen: set[tuple[str, int]] = set()
        #: saved by people since the last pass, be it as they were
        self.saved: set[tuple[str, int]] = set()
        #: made by people at both ends, and perhaps not known to be one and the same yet
        self.unmet: set[str] = set()
        for side in (A, B, A):
            values = {name: self.value(name, "{}") for name in (*TEXTS, "fee")}
            self.make("people", side, self.token("t{}"), **values)
        self.bill(side=A, whose=0, lines=2)
        self.one_pass()

    @invariant()
    def one_step_more(self) -> None:
        self.count["steps"] += 1
        if hasattr(self, "world"):
            assert not self.oracle.complaints

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.quiet()
        finally:
            if hasattr(self, "world"):
                self.database.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- what people do --------------------------------------------------------------------------

    def token(self, style: str = "{}") -> str:
        self.tokens += 1
        return style.format(f"{self.tokens:05}")

    def value(self, name: str, style: str) -> Any:
        if name in ("fee", "total"):
            self.tokens += 1
            return Decimal(self.tokens) + Decimal("0.126")
        return self.token(style)

    def things(self, module: str = "people", *, live_at: int | None = None) -> list[Thing]:
        found = [thing for thing in self.oracle.things.values() if thing.module == module]
        return [one for one in found if live_at is None or self.state(one, live_at) is State.LIVE]

    def in_both(self) -> list[Thing]:
        return [thing for thing in self.things(live_at=A) if self.state(thing, B) is State.LIVE]

    def state(self, thing: Thing, side: int) -> State | None:
        record = thing.ids[side]
        if record is None:
            return None
        state = self.world.remotes[side].meta[thing.module][record]["state"]
        return State(state)

    def edit(self, thing: Thing, side: int, **values: Any) -> None:
        remote, record = self.world.remotes[side], thing.ids[side]
        assert record is not None
        remote.person(thing.module, record, **values)
        self.saved.add((thing.tag, side))
        told = {name: remote.shown(thing.module, record, name) for name in values}
        self.oracle.person_edited(side, thing, told)
        target = {"owner": B, "number": A}
        self.drifted.update(mark(value) for name, value in told.items() if target.get(name) == side)

    def make(self, module: str, side: int, tag: str, **values: Any) -> Thing:
        remote = self.world.remotes[side]
        record = remote.person(module, None, tag=tag, **values)
        names = [*values, *(["number"] if side == B and module == "people" else [])]
        told = {name: remote.shown(module, record, name) for name in names}
        return self.oracle.person_made(side, module, tag, record, told)

    @rule(side=SIDES, names=st.lists(FIELDS, unique=True, max_size=4), style=STYLES)
    def create(self, side: int, names: list[str], style: str) -> None:
        self.make("people", side, self.token("t{}"), **{name: self.value(name, style) for name in names})

    @precondition(lambda self: self.world.variant.match and not any(r.lag for r in self.world.remotes))
    @rule(names=st.lists(FIELDS, unique=True, max_size=3), style=STYLES)
    def create_at_both_ends(self, names: list[str], style: str) -> None:
        tag = self.token("t{}")
        for side in (A, B):
            self.make("people", side, tag, **{name: self.value(name, style) for name in names})
        self.unmet.add(tag)

    @rule(place=PLACES, side=SIDES, names=st.lists(FIELDS, unique=True, min_size=1, max_size=3), style=STYLES)
    def change(self, place: int, side: int, names: list[str], style: str) -> None:
        if found := self.things(live_at=side):
            thing = found[place % len(found)]
            self.edit(thing, side, **{name: self.value(name, style) for name in names})

    @rule(place=PLACES, name=FIELDS, style=STYLES)
    def change_at_both_ends(self, place: int, name: str, style: str) -> None:
        if both := self.in_both():
            for side in (A, B):
                self.edit(both[place % len(both)], side, **{name: self.value(name, style)})

    @rule(place=PLACES, name=FIELDS)
    def change_alike_at_both_ends(self, place: int, name: str) -> None:
        if both := self.in_both():
            thing, value = both[place % len(both)], self.value(name, "{}A")
            for side in (A, B):
                self.edit(thing, side, **{name: value})

    @rule(place=PLACES, side=SIDES, name=FIELDS)
    def clear(self, place: int, side: int, name: str) -> None:
        if found := self.things(live_at=side):
            self.edit(found[place % len(found)], side, **{name: None})

    @rule(place=PLACES, other=PLACES)
    def take_somebodys_code(self, place: int, other: int) -> None:
        found, holders = self.things(live_at=A), self.things(live_at=B)
        if found and holders:
            holder = holders[other % len(holders)]
            value = self.world.b.rows["people"][holder.ids[B]].get("code")
            if value and holder is not found[place % len(found)]:
                self.edit(found[place % len(found)], A, code=value)
                self.certain = False

    @rule(place=PLACES, side=SIDES, state=st.sampled_from([State.ARCHIVED, State.DELETED]))
    def end(self, place: int, side: int, state: State) -> None:
        if found := [thing for thing in self.things(live_at=side) if thing.tag not in self.unmet]:
            thing = found[place % len(found)]
            # Where the other record has ended before, and this one stayed by the rule, nothing follows there;
            # nor between two of which one has left the filter.
            ended = self.state(thing, 1 - side) in (State.ARCHIVED, State.DELETED) or not self.in_scope(thing)
            told = (A, B) if ended else (side,)
            self.world.remotes[side].set_state("people", str(thing.ids[side]), state)
            self.acts.setdefault(thing.tag, []).extend(told)
            self.certain = False

    @rule(place=PLACES, side=SIDES)
    def bring_back(self, place: int, side: int) -> None:
        found = [one for one in self.things() if self.state(one, side) in (State.ARCHIVED, State.DELETED)]
        if found:
            thing = found[place % len(found)]
            self.world.remotes[side].set_state("people", str(thing.ids[side]), State.LIVE)
            self.acts.setdefault(thing.tag, []).extend((A, B))
            self.certain = False

    @precondition(lambda self: self.world.variant.filtered)
    @rule(place=PLACES)
    def leave_or_enter_the_filter(self, place: int) -> None:
        if found := [thing for thing in self.things(live_at=A) if thing.tag not in self.unmet]:
            thing = found[place % len(found)]
            record = str(thing.ids[A])
            active = self.world.a.rows["people"][record].get("active") is not False
            self.world.a.person("people", record, active=not active)
            self.acts.setdefault(thing.tag, []).extend((A, B))
            self.certain = False

    @rule(side=SIDES, whose=PLACES, lines=st.integers(0, 3))
    def bill(self, side: int, whose: int, lines: int) -> None:
        people = self.things(live_at=side)
        values: dict[str, Any] = {"total": self.value("total", "{}"), "lines": self.lines(lines)}
        if people:
            values["who"] = people[whose % len(people)].ids[side]
        self.make("bills", side, self.token("t{}"), **values)

    @rule(side=SIDES, place=PLACES, whose=PLACES, lines=st.none() | st.integers(0, 3))
    def change_bill(self, side: int, place: int, whose: int, lines: int | None) -> None:
        bills, people = self.things("bills", live_at=side), self.things(live_at=side)
        if bills:
            values: dict[str, Any] = {}
            if lines is not None:
                values["lines"] = self.lines(lines)
            if people and whose % 2:
                values["who"] = people[whose % len(people)].ids[side]
            self.edit(bills[place % len(bills)], side, **(values or {"total": self.value("total", "{}")}))

    def lines(self, number: int) -> list[dict[str, Any]]:
        return [{"text": self.token()} for _ in range(number)]

    # --- what happens --------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([3, 6, 40, 1500]))
    def time_goes_by(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        for remote in self.world.remotes:
            remote.clock += timedelta(minutes=minutes)

    @precondition(lambda self: not self.unmet)
    @rule(side=SIDES, changes=st.integers(0, 4))
    def lists_lag(self, side: int, changes: int) -> None:
        self.world.remotes[side].lag = changes
        self.certain = False

    @rule()
    def one_pass(self) -> None:
        expected = self.expected() if self.certain else {}
        self.oracle.written.clear()
        assert self.world.run() is not None
        quiet = [side for side in (A, B) if not self.world.remotes[side].habits.returns_stored]
        self.unseen = {(tag, side) for tag, side in self.oracle.written if side in quiet}
        self.saved.clear()
        for (thing, name), (values, why) in expected.items():
            held = tuple(self.shown(thing, side, name) for side in (A, B))
            assert held == values, f"{thing.tag}.{name}: {why} should give {values}, not {held}"
        self.count["fields predicted"] += len(expected)
        self.know()

    @rule(after=st.integers(0, 60))
    def a_pass_that_is_killed(self, after: int) -> None:
        self.certain = False
        self.count["kills"] += self.world.run(kill_after=after) is None

    @rule(place=PLACES, side=SIDES, module=st.sampled_from(["people", "bills"]), after=st.integers(0, 60))
    def one_record_is_pushed(self, place: int, side: int, module: str, after: int) -> None:
        self.certain = False
        if found := [thing for thing in self.things(module) if thing.ids[side] is not None]:
            kill = after if after < 30 else None
            self.world.push(module, side, str(found[place % len(found)].ids[side]), kill)

    @rule(
        side=SIDES,
        call=st.sampled_from(["read", "read_ids", "write", "settle"]),
        skip=st.integers(0, 3),
        what=st.sampled_from(["unavailable", "spent"]),
    )
    def a_pass_with_a_failing_call(self, side: int, call: str, skip: int, what: str) -> None:
        """The call fails before anything was done."""
        error = RemoteUnavailable("not now") if what == "unavailable" else QuotaExhausted("no calls left")
        left = iter(range(skip + 1))

        def fail(remote: WatchedRemote, called: str, when: str, writes: Sequence[Write]) -> None:
            if called == call and when == "before" and next(left, None) == skip:
                raise error

        self.certain = False
        self.hooked(side, fail, self.world.run)

    @rule(side=SIDES, mishap=st.sampled_from(["lost", "half", "refused"]))
    def a_pass_with_a_failing_write(self, side: int, mishap: str) -> None:
        self.certain = False
        self.world.remotes[side].next_write = mishap
        self.world.run()

    @rule(
        at=SIDES,
        call=st.sampled_from(["read", "read_ids", "write"]),
        when=st.sampled_from(["before", "after"]),
        skip=st.integers(0, 2),
        place=PLACES,
        side=SIDES,
        name=FIELDS,
        style=STYLES,
    )
    def a_pass_in_which_somebody_edits(
        self, at: int, call: str, when: str, skip: int, place: int, side: int, name: str, style: str
    ) -> None:
        left = iter(range(skip + 1))

        def meanwhile(remote: WatchedRemote, called: str, then: str, writes: Sequence[Write]) -> None:
            if (called, then) != (call, when) or next(left, None) != skip:
                return
            if found := self.things(live_at=side):
                thing = found[place % len(found)]
                if not self.unguarded(thing, side, name, at, (called, then), writes):
                    self.edit(thing, side, **{name: self.value(name, style)})

        self.certain = False
        self.hooked(at, meanwhile, self.world.run)

    def unguarded(
        self, thing: Thing, side: int, name: str, at: int, moment: tuple[str, str], writes: Sequence[Write]
    ) -> bool:
        """Whether this edit falls between the last look and the write of the same value, where a remote
        without conditional writes protects nobody; or into a delete."""
        conditional = self.world.remotes[side].habits.conditional
        if at != side:
            return False
        if moment == ("read_ids", "after"):
            return not conditional  # it may have been the last look
        if moment[1] != "before":
            return False
        mine = [write for write in writes if write.id == thing.ids[side]]
        return any(w.kind is not WriteKind.UPDATE or (name in w.values and not conditional) for w in mine)

    def hooked(self, side: int, hook: Callable[..., None], run: Callable[[], Any]) -> None:
        remote = self.world.remotes[side]
        remote.hooks.append(hook)
        try:
            run()
        finally:
            remote.hooks.remove(hook)

    # --- what must come of it --------------------------------------------------------------------

    def shown(self, thing: Thing, side: int, name: str) -> Any:
        record = thing.ids[side]
        assert record is not None
        value = self.world.remotes[side].shown(thing.module, record, name)
        if name == "lines":
            return [item["text"] for item in value or ()]
        return value or None

    def both_live(self, thing: Thing) -> bool:
        live = all(self.state(thing, side) is State.LIVE for side in (A, B))
        if not live or thing.module != "people" or not self.world.variant.filtered:
            return live
        return self.world.a.rows["people"][thing.ids[A]].get("active") is not False

    def agree(self, name: str, module: str) -> Callable[[Any, Any], bool]:
        one = RULES[module][name]
        store = [remote.habits.stored for remote in self.world.remotes]

        def agree(left: Any, right: Any) -> bool:
            if name in ("lines", "who"):
                return bool(left == right)
            return (one.source != B and right == (store[B](one.carry[A](left)) or None)) or (
                one.source != A and left == (store[A](one.carry[B](right)) or None)
            )

        return agree

    def expected(self) -> dict[tuple[Any, str], tuple[tuple[Any, Any], str]]:
        """What the three-way rule says that both ends hold after an undisturbed pass."""
        found: dict[tuple[Any, str], tuple[tuple[Any, Any], str]] = {}
        for thing in self.oracle.things.values():
            if not self.both_live(thing):
                continue
            for name, one in RULES[thing.module].items():
                base = self.base.get((thing.tag, name))
                now = (self.shown(thing, A, name), self.shown(thing, B, name))
                if base is None or name == "who":
                    continue
                if now == base and now[A] != now[B] and self.hurried(thing):
                    continue  # an edit, or what the remote made of our write: nobody can tell
                agree = self.agree(name, thing.module)
                if now[A] != base[A] and now[B] != base[B] and isinstance(now[A], Decimal):
                    agree = _alike  # that a remote rounds what people type there, nobody knows
                after = merged(one, base, now, agree)
                if after is not None:
                    kept = [
                        value if value == old or name == "lines" else remote.habits.stored(value) or None
                        for value, old, remote in zip(after, now, self.world.remotes, strict=True)
                    ]
                    found[_Key(thing), name] = ((kept[A], kept[B]), f"{base} -> {now}")
        return found

    def hurried(self, thing: Thing) -> bool:
        """Whether somebody has saved a record before the engine saw what its remote had made of a write."""
        return any((thing.tag, side) in self.unseen & self.saved for side in (A, B))

    def know(self) -> None:
        """Take down what both ends hold and agree on, for the next prediction."""
        if not self.certain:
            return
        held = {
            (thing.tag, name): (self.shown(thing, A, name), self.shown(thing, B, name))
            for thing in self.oracle.things.values()
            if self.both_live(thing)
            for name in RULES[thing.module]
        }
        self.base = {
            (tag, name): values
            for (tag, name), values in held.items()
            if self.agree(name, self.oracle.things[tag].module)(*values)
        }

    @rule()
    def quiet(self) -> None:
        """Nothing befalls anybody any more: two passes, and whatever people are asked is answered."""
        for remote in self.world.remotes:
            remote.lag, remote.next_write = 0, ""
        self.time_goes_by(1500)
        for _ in range(4):
            for _ in range(2):
                assert self.world.run() is not None
            if not self.answer():
                break
        assert not self.oracle.complaints
        self.check()
        self.certain = True
        self.know()

    def answer(self) -> bool:
        """People answer what they were asked. Returns whether anything was."""
        asked = self.world.questions()
        for module, kind, subject, detail in asked:
            thing = self.thing_of(subject, kind)
            match kind:
                case "conflict" if "tried" in detail:
                    self.edit(thing, A, code=self.token())
                case "conflict":
                    value = self.value(detail["field"], "{}X")
                    for side in (A, B):
                        self.edit(thing, side, **{detail["field"]: value})
                case "deleted-and-edited":
                    side = int(detail["side"])
                    if State(detail["state"]) is State.ARCHIVED:
                        self.world.remotes[side].set_state(module, str(thing.ids[side]), State.LIVE)
                    else:
                        other = str(thing.ids[1 - side])
                        self.world.remotes[1 - side].set_state(module, other, State.DELETED)
                    self.acts.setdefault(thing.tag, []).extend((A, B))
                case "taken":
                    self.edit(thing, A, code=self.token())
                case _:
                    raise AssertionError(f"nobody can answer {kind} {subject} {detail}")
        return bool(asked)

    def thing_of(self, subject: str, kind: str) -> Thing:
        if kind == "taken":
            side, _, record = subject.partition(":")
            ids = {int(side): record}
        else:
            with self.database.read() as db:
                link = int(subject.partition(":")[0])
                row = db.execute(sa.select(t.link).where(t.link.c.id == link)).one()
            ids = {A: row.left_id, B: row.right_id}
        return next(
            thing
            for thing in self.oracle.things.values()
            if all(thing.ids[side] == record for side, record in ids.items())
        )

    def check(self) -> None:
        for thing in self.oracle.things.values():
            self.check_thing(thing)
        kept = {(tag, name, mark(value)) for tag, name, value in self.world.lost()}
        for loss in self.oracle.losses:
            assert (loss.tag, loss.field, loss.mark) in kept, f"not in the audit log: {loss}"
        self.count["lost values found in the log"] += len(self.oracle.losses)
        self.oracle.losses.clear()
        for remote in self.world.remotes:
            remote.calls.clear()
        assert self.world.run() is not None
        calls = [call for remote in self.world.remotes for call in remote.calls]
        assert {call for call, _, _ in calls} == {"read"}, f"a quiet pass made the calls {calls}"
        for thing in self.oracle.things.values():
            thing.troubled = False
        self.acts = {}
        self.unmet.clear()

    def check_thing(self, thing: Thing) -> None:
        if None in thing.ids:
            side = A if thing.ids[B] is None else B
            if self.state(thing, side) is State.LIVE and self.in_scope(thing):
                assert self.waits(thing, side), f"{thing} was never created at the other end"
            return
        if self.both_live(thing):
            for name in RULES[thing.module]:
                values = self.shown(thing, A, name), self.shown(thing, B, name)
                source = RULES[thing.module][name].source
                if source is not None and (
                    values[source] is None or mark(values[1 - source]) in self.drifted
                ):
                    continue  # what only the target has, or was edited there, is left as it is
                if name == "who" and any(self.waits(thing, side) for side in (A, B)):
                    continue
                told = f"{thing.tag}.{name} is {values[A]!r} at a and {values[B]!r} at b"
                assert self.agree(name, thing.module)(*values), told
        elif len(self.acts.get(thing.tag, ())) == 1:
            states = [self.state(thing, side) for side in (A, B)]
            (gone,) = self.acts[thing.tag]
            rule = self.world.variant.deletes[1 - gone]
            wanted = {"ignore": State.LIVE, "archive": State.ARCHIVED, "delete": State.DELETED}[rule]
            assert states[1 - gone] is wanted, f"{thing.tag}: {states} under deletes: {rule}"

    def in_scope(self, thing: Thing) -> bool:
        record = thing.ids[A]
        if record is None or thing.module != "people" or not self.world.variant.filtered:
            return True
        return self.world.a.rows["people"][record].get("active") is not False

    def waits(self, thing: Thing, side: int) -> bool:
        """Whether a bill names somebody who cannot be at the other end."""
        if thing.module != "bills" or thing.ids[side] is None:
            return False
        who = self.shown(thing, side, "who")
        return who is not None and None in self.oracle.things[who].ids


class _Key:
    """A thing as a key of a dictionary."""

    def __init__(self, thing: Thing) -> None:
        self.thing = thing

    def __getattr__(self, name: str) -> Any:
        return getattr(self.thing, name)


def test_every_history_converges(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "at_once", one_by_one)
    count = Counter[str]()
    machine = type("Machine", (Histories,), {"count": count})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=effort(15, 2000),
            stateful_step_count=effort(20, 40),
            deadline=None,
            report_multiple_bugs=False,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what, number in count.items():
        tally(f"{what} (convergence in memory)", number)
