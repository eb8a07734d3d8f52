"""Convergence of three systems in memory: two modules share an end, so that an edit travels through it.

Companies are kept in step between a and b and between b and c; the persons of a company are records at a and
items of a list at b; bills with lines, which can be voided, are shared by b and c. What must come of it
is told naively: when all is quiet, every end holds the same, which is what somebody typed last; what one end
alone typed is what all hold; and nothing goes round any more.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.convergence.ledgers import Killed, Life, Mortal, one_by_one
from tests.convergence.phases import PHASES
from tests.support import world
from tests.support.effort import effort
from tests.support.memory import MemoryConnector, MemoryRemote
from tests.support.state import lay_empty_state
from tests.support.tally import Tally
from tests.support.world import Pair

from syncline import exactjson
from syncline.connect.contract import Connection, State
from syncline.connect.http import HttpClient
from syncline.mapping.module import Side
from syncline.mapping.nesting import find_remote, nesting_of
from syncline.run import passes
from syncline.run.nesting import NestedSession
from syncline.run.scope import ScopeEnd
from syncline.spec.model import End
from syncline.store import tables as t
from syncline.store.database import open_store
from syncline.store.ledger import Ledger

SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
  c: {connector: gamma}
modules:
  people:
    between: {a: people, b: people}
    match: [{a: tax, b: tax}]
    conflicts: {prefer: a}
    fields:
      tax: {a: tax, b: tax}
      name: {a: name, b: name}
      phone: {a: phone, b: phone}
      note: {a: note, b: note}
  clients:
    between: {b: people, c: people}
    match: [{b: tax, c: tax}]
    conflicts: {prefer: c}
    fields:
      tax: {b: tax, c: tax}
      name: {b: name, c: name}
      phone: {b: phone, c: phone}
      note: {b: note, c: note}
  staff:
    between: {a: contacts, b: people.desks}
    match: [{a: email, b: email}]
    conflicts: {prefer: b}
    deletes: {a: delete, b: delete}
    limits: {deletes: none}
    fields:
      name: {a: name, b: name}
      email: {a: email, b: email}
      of: {a: of, b: Parent, ref: people}
  bills:
    between: {b: bills, c: bills}
    match: [{b: title, c: title}]
    conflicts: {prefer: b}
    deletes: {b: void, c: void}
    limits: {deletes: none}
    fields:
      title: {b: title, c: title}
      who: {b: who, c: who, ref: clients}
      state: {b: state, c: state}
      lines:
        b: lines
        c: lines
        each:
          text: {b: text, c: text}
          quantity: {b: quantity, c: quantity}
"""
FIELDS = ("name", "phone", "note")
ENDS = "abc"
PLACES = st.integers(0, 20)


class Remote(MemoryRemote):
    """A remote whose documents say in a field that they are void."""

    def set_state(self, module: str, record: str, state: State) -> None:
        if state is State.VOIDED:
            self.rows[module][record]["state"] = "void"
        super().set_state(module, record, state)

    def befall(self, mishap: str, times: int) -> None:
        """What becomes of the next writes: ``lost``, carried out without an answer, or ``refused``."""
        left = iter(range(times))
        self.refuse = lambda write: (
            "not now" if mishap == "refused" and next(left, None) is not None else None
        )
        self.lose = lambda write: mishap == "lost" and next(left, None) is not None


class Trio(Pair):
    """The three remotes, the spec between them and a state whose process may die at any commit."""

    def __init__(self, folder: Path, able: Sequence[dict[str, Any]]) -> None:
        self.tmp_path = folder
        self.state = open_store(f"sqlite:///{folder / 'state.sqlite'}")
        self.life = Life()
        self.database: Any = Mortal(self.state, self.life)
        self.remotes = {
            name: Remote(world._modules(habits), page_size=2) for name, habits in zip(ENDS, able, strict=True)
        }
        self.spec = self.load(SPEC)
        self.now = datetime(2026, 2, 1, tzinfo=UTC)

    def _end(self, end: End, side: Side, ledger: Ledger) -> ScopeEnd:
        session = MemoryConnector(end.system, self.remotes[end.system]).open(
            Connection(options={}, http=HttpClient())
        )
        catalogue = session.discover()
        found, nesting = find_remote(catalogue, end), nesting_of(catalogue, end)
        assert found is not None
        if nesting is not None:

            def known(parents: Sequence[str]) -> Sequence[str]:
                with self.database.read() as db:
                    return ledger.records_of_keys(db, side, parents)

            session = NestedSession(session, nesting, known)
        return ScopeEnd(system=end.system, remote=found, session=session, account=session.check())

    def living(self, kill_after: int | None = None) -> bool:
        """One pass. False when its process died."""
        self.life.left, self.life.dead = kill_after, False
        try:
            self.run()
        except Killed:
            return False
        finally:
            self.life.left, self.life.dead = None, False
        return True

    def logged(self) -> set[Any]:
        """Every value that the audit log has kept as replaced or lost."""
        found: set[Any] = set()
        with self.state.read() as db:
            for (detail,) in db.execute(sa.select(t.audit.c.detail)):
                for part in exactjson.decode(detail).get("fields", {}).values():
                    found |= {str(part[key]) for key in ("lost", "before") if key in part}
        return found


class Histories(RuleBasedStateMachine):
    """One history."""

    count: ClassVar[Counter[str]]

    @initialize(able=st.tuples(*[st.fixed_dictionaries({
        "returns_stored": st.booleans(), "conditional": st.booleans(), "create_batch": st.sampled_from([1, 3])
    })] * 3))  # fmt: skip
    def begin(self, able: tuple[dict[str, Any], ...]) -> None:
        self.count["histories"] += 1
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-history-"))
        lay_empty_state(self.folder / "state.sqlite")
        self.world = Trio(self.folder, able)
        self.tokens = 0
        #: by (tag, field): what all ends held when all was quiet, and what each end's people have typed since
        self.agreed: dict[tuple[str, str], Any] = {}
        self.typed: dict[tuple[str, str], dict[str, Any]] = {}
        #: the tags of persons who were deleted and of bills that were voided, and what people touched since
        self.ended: set[str] = set()
        self.touched: set[str] = set()
        for end in "ac":
            self.company(end)
        self.quiet()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.quiet()
        finally:
            if hasattr(self, "world"):
                self.world.state.close()
                shutil.rmtree(self.folder, ignore_errors=True)

    @invariant()
    def one_step_more(self) -> None:
        self.count["steps"] += 1

    # --- what people do --------------------------------------------------------------------------

    def token(self) -> str:
        self.tokens += 1
        return f"{self.tokens:05}"

    def live(self, end: str, module: str) -> dict[str, str]:
        """The ids of an end's living records, by tag."""
        remote, tag = (
            self.world.remotes[end],
            {"people": "tax", "contacts": "email", "bills": "title"}[module],
        )
        return {
            row[tag]: record
            for record, row in remote.rows[module].items()
            if remote.meta[module][record]["state"] is State.LIVE
        }

    def type(self, tag: str, end: str, **values: Any) -> None:
        for name, value in values.items():
            self.typed.setdefault((tag, name), {})[end] = value
        self.touched.add(tag)

    def pick(self, end: str, module: str, place: int) -> tuple[str, str] | None:
        found = sorted(self.live(end, module).items())
        return found[place % len(found)] if found else None

    @rule(end=st.sampled_from(ENDS))
    def company(self, end: str) -> None:
        tag, values = f"t{self.token()}", {name: self.token() for name in FIELDS}
        self.world.remotes[end].person("people", None, tax=tag, **values)
        self.type(tag, end, **values)

    @rule(end=st.sampled_from(ENDS), place=PLACES, name=st.sampled_from(FIELDS))
    def edit(self, end: str, place: int, name: str) -> None:
        if found := self.pick(end, "people", place):
            value = self.token()
            self.world.remotes[end].person("people", found[1], **{name: value})
            self.type(found[0], end, **{name: value})

    @rule(end=st.sampled_from("ab"), whose=PLACES)
    def hire(self, end: str, whose: int) -> None:
        if found := self.pick(end, "people", whose):
            tag, name, remote = f"e{self.token()}", self.token(), self.world.remotes[end]
            if end == "a":
                remote.person("contacts", None, name=name, email=tag, of=found[1])
            else:
                held = remote.rows["people"][found[1]].get("desks") or []
                new = {"id": f"d{self.token()}", "name": name, "email": tag}
                remote.person("people", found[1], desks=[*held, new])
            self.type(tag, end, name=name)

    def persons(self, end: str) -> dict[str, tuple[str, str]]:
        """By tag, the company's tag and the name of each person that an end has."""
        remote = self.world.remotes[end]
        if end == "a":
            rows = {tag: remote.rows["contacts"][i] for tag, i in self.live("a", "contacts").items()}
            return {t: (remote.rows["people"][row["of"]]["tax"], row["name"]) for t, row in rows.items()}
        return {
            item["email"]: (row["tax"], item["name"])
            for row in remote.rows["people"].values()
            for item in row.get("desks") or ()
        }

    def change_person(self, end: str, tag: str, name: str | None) -> None:
        """Give a person another name, or none at all: then it goes."""
        remote = self.world.remotes[end]
        if end == "a":
            record = self.live("a", "contacts")[tag]
            if name is None:
                remote.set_state("contacts", record, State.DELETED)
            else:
                remote.person("contacts", record, name=name)
            return
        (company,) = [
            i for i, row in remote.rows["people"].items() if row["tax"] == self.persons("b")[tag][0]
        ]
        held = remote.rows["people"][company]["desks"]
        changed = [{**item, "name": name} if item["email"] == tag else item for item in held]
        left = [item for item in changed if item["name"] is not None]
        remote.person("people", company, desks=left)

    @rule(end=st.sampled_from("ab"), place=PLACES)
    def rename(self, end: str, place: int) -> None:
        if found := sorted(self.persons(end).keys() - self.ended):
            tag, name = found[place % len(found)], self.token()
            self.change_person(end, tag, name)
            self.type(tag, end, name=name)

    @rule(end=st.sampled_from("ab"), place=PLACES)
    def dismiss(self, end: str, place: int) -> None:
        if found := sorted(self.persons(end).keys() - self.touched - self.ended):
            tag = found[place % len(found)]
            self.change_person(end, tag, None)
            self.ended.add(tag)

    @rule(end=st.sampled_from("bc"), whose=PLACES, lines=st.integers(1, 3))
    def bill(self, end: str, whose: int, lines: int) -> None:
        if found := self.pick(end, "people", whose):
            tag, told = f"i{self.token()}", self.lines(lines)
            values = {"title": tag, "who": found[1], "state": "open", "lines": told}
            self.world.remotes[end].person("bills", None, **values)
            self.type(tag, end, lines=[item["text"] for item in told])

    def lines(self, number: int) -> list[dict[str, Any]]:
        return [{"id": f"l{self.token()}", "text": self.token(), "quantity": number} for _ in range(number)]

    @rule(end=st.sampled_from("bc"), place=PLACES, lines=st.integers(1, 3))
    def change_bill(self, end: str, place: int, lines: int) -> None:
        found = self.pick(end, "bills", place)
        if found and found[0] not in self.ended:
            told = self.lines(lines)
            self.world.remotes[end].person("bills", found[1], lines=told)
            self.type(found[0], end, lines=[item["text"] for item in told])

    @rule(end=st.sampled_from("bc"), place=PLACES)
    def void(self, end: str, place: int) -> None:
        found = self.pick(end, "bills", place)
        if found and found[0] not in self.touched | self.ended:
            self.world.remotes[end].set_state("bills", found[1], State.VOIDED)
            self.ended.add(found[0])

    # --- what happens ----------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([3, 40]))
    def time_goes_by(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        for remote in self.world.remotes.values():
            remote.clock += timedelta(minutes=minutes)

    @rule()
    def one_pass(self) -> None:
        assert self.world.living()

    @rule(after=st.integers(0, 30))
    def a_pass_that_is_killed(self, after: int) -> None:
        self.count["kills"] += not self.world.living(after)

    @rule(end=st.sampled_from(ENDS), mishap=st.sampled_from(["lost", "refused"]), times=st.integers(1, 3))
    def a_pass_with_failing_writes(self, end: str, mishap: str, times: int) -> None:
        self.world.remotes[end].befall(mishap, times)
        assert self.world.living()
        self.world.remotes[end].befall("", 0)

    # --- what must come of it --------------------------------------------------------------------

    @rule()
    def quiet(self) -> None:
        for _ in range(4):
            self.time_goes_by(1500)
            assert self.world.living()
        logged = self.world.logged()
        self.check_companies(logged)
        self.check_persons()
        self.check_bills()
        self.agreed |= {key: self.held(*key) for key in self.typed if key[0].startswith("t")}
        self.typed.clear()
        self.touched.clear()
        for remote in self.world.remotes.values():
            remote.calls.clear()
        assert self.world.living()
        writes = [(e, c) for e, r in self.world.remotes.items() for c in r.calls if c[0] == "write"]
        assert not writes, f"something goes round: {writes}"

    def held(self, tag: str, name: str) -> Any:
        remote = self.world.remotes["b"]
        return remote.rows["people"][self.live("b", "people")[tag]].get(name)

    def check_companies(self, logged: set[Any]) -> None:
        ends = {end: self.live(end, "people") for end in ENDS}
        assert ends["a"].keys() == ends["b"].keys() == ends["c"].keys()
        for end, remote in self.world.remotes.items():
            assert len(ends[end]) == len(remote.rows["people"]), f"something was created twice at {end}"
        for tag in ends["b"]:
            for name in FIELDS:
                values = {e: self.world.remotes[e].rows["people"][ends[e][tag]].get(name) for e in ENDS}
                assert len(set(values.values())) == 1, f"{tag}.{name}: {values}"
                typed = self.typed.get((tag, name), {})
                wanted = set(typed.values()) or {self.agreed[tag, name]}
                assert values["b"] in wanted, f"{tag}.{name} is {values['b']}, and people typed {typed}"
                lost = set(typed.values()) - {values["b"]}
                assert lost <= logged, f"{tag}.{name}: {lost - logged} are nowhere in the log"
                self.count["values compared"] += 1

    def check_persons(self) -> None:
        at_a, at_b = self.persons("a"), self.persons("b")
        assert at_a == at_b
        assert len(at_b) == sum(
            len(r.get("desks") or ()) for r in self.world.remotes["b"].rows["people"].values()
        )
        assert not at_a.keys() & self.ended, "somebody who was dismissed is back"
        for tag, (_, name) in at_a.items():
            if typed := self.typed.get((tag, "name")):
                assert name in typed.values()

    def check_bills(self) -> None:
        shown = []
        for end in "bc":
            remote = self.world.remotes[end]
            assert len({row["title"] for row in remote.rows["bills"].values()}) == len(remote.rows["bills"])
            shown.append({
                row["title"]: (
                    remote.meta["bills"][record]["state"],
                    row["state"],
                    remote.rows["people"][row["who"]]["tax"],
                    [(item["text"], item["quantity"]) for item in row["lines"]],
                )
                for record, row in remote.rows["bills"].items()
            })  # fmt: skip
        assert shown[0] == shown[1]
        for tag, (state, word, _, lines) in shown[0].items():
            assert (state is State.VOIDED, word == "void") == (tag in self.ended,) * 2, f"{tag} is {state}"
            if typed := self.typed.get((tag, "lines")):
                assert [text for text, _ in lines] in typed.values()


def test_every_history_of_three_systems_converges(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "at_once", one_by_one)
    count = Counter[str]()
    machine = type("Machine", (Histories,), {"count": count})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=effort(3, 120),
            stateful_step_count=effort(15, 30),
            deadline=None,
            report_multiple_bugs=False,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what, number in count.items():
        tally(f"{what} (convergence of three systems)", number)
