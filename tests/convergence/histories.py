"""Histories over HTTP: the whole engine between two sandboxes, with customers, products and invoices.

What all pairs of systems share; the tests have what is one pair's own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.convergence.ledgers import Killed, Life
from tests.convergence.phases import PHASES
from tests.support.effort import effort
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.http import HttpClient
from syncline.connect.sandbox.app import Reply, Request
from syncline.connect.sandbox.faults import Fault, FaultKind
from syncline.store.database import Database

#: Only in the answer to a write can these be told from the truth: a list that leaves records out is like any.
WRITES_ONLY = {FaultKind.HALF, FaultKind.FEWER, FaultKind.SHUFFLE}

Row = dict[str, Any]
PLACES = st.integers(0, 20)
ENDS = st.sampled_from([0, 1])


@contextmanager
def mortal(life: Life) -> Iterator[None]:
    """Every request, every answer and every commit is a point at which the process may die."""
    request, write = HttpClient.request, Database.write

    def mortal_request(client: HttpClient, *args: Any, **options: Any) -> Any:
        life.point()
        reply = request(client, *args, **options)
        life.point()
        return reply

    @contextmanager
    def mortal_write(database: Database) -> Iterator[Any]:
        if life.dead:
            raise Killed
        with write(database) as db:
            yield db
            life.point()
        life.point()

    with (
        mock.patch.object(HttpClient, "request", mortal_request),
        mock.patch.object(Database, "write", mortal_write),
    ):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A module of the spec. By end (left, right): ``remote``: the remote module; ``tag``: the field by which
    a record is known in a history; ``id``: that of its id. ``fields``: what people edit."""

    remote: tuple[str, str]
    tag: tuple[str, str]
    id: tuple[str, str]
    fields: tuple[str, ...]


class HttpHistories(RuleBasedStateMachine):
    """One history over HTTP. ``systems``: the left one and the right one; ``api``: by system, a pattern of
    the paths of its API, and ``writing`` of those that write; ``own``: its own faults that go away by
    themselves; ``customers``: the module of the companies; ``believed``: whose word is taken where people are
    asked."""

    count: ClassVar[Counter[str]]
    systems: ClassVar[tuple[str, str]]
    modules: ClassVar[Mapping[str, Kept]]
    customers: ClassVar[str]
    believed: ClassVar[str]
    api: ClassVar[Mapping[str, str]]
    writing: ClassVar[Mapping[str, str]]
    own: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-history-"))
        self.stack = ExitStack()
        self.tokens = 0
        #: the module and tag of each record that a person made
        self.made: set[tuple[str, str]] = set()
        #: by (module, tag, field): what a person typed last at each end
        self.typed: dict[tuple[str, str, str], list[Any]] = {}

    # --- what is one pair's own -------------------------------------------------------------------

    def open(self, ahead: Mapping[str, float], capitals: bool, trims: str) -> Stage:
        """A stage, not yet connected. ``capitals``, ``trims``: what the remotes make of what they store."""
        raise NotImplementedError

    def shape(self, module: str, side: int, values: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
        """Values by field, as the screens of an end have them; ``row``: the record as it is, if any."""
        raise NotImplementedError

    def shown(self, module: str, side: int, row: Mapping[str, Any]) -> Row:
        """What an end holds, by field, in a form that both ends share."""
        raise NotImplementedError

    def is_gone(self, module: str, side: int, row: Mapping[str, Any]) -> bool:
        """Whether a record is there no more, or counts for nothing."""
        raise NotImplementedError

    def new(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> Row:
        """What a person types to make a company or a product."""
        raise NotImplementedError

    # --- how it begins and ends -------------------------------------------------------------------

    @initialize(
        skew=st.tuples(st.sampled_from([-10, 0, 10]), st.sampled_from([-10, 0, 10])),
        capitals=st.booleans(),
        trims=st.sampled_from(["", "trim", "upper"]),
    )
    def begin(self, skew: tuple[int, int], capitals: bool, trims: str) -> None:
        self.count["histories"] += 1
        ahead = {name: 60.0 * by for name, by in zip(self.systems, skew, strict=True)}
        self.stage = self.stack.enter_context(self.open(ahead, capitals, trims))
        self.stage.connect()

    @invariant()
    def one_step_more(self) -> None:
        self.count["steps"] += 1

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self.quiet()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- what people do --------------------------------------------------------------------------

    def token(self) -> int:
        self.tokens += 1
        return self.tokens

    def value(self, name: str) -> Any:
        number = self.token()
        match name:
            case "phone" | "fax":
                return f"9{number:05}"
            case "price":
                return Decimal(number) + Decimal("0.25")
            case "due_date":
                return (date(2099, 1, 1) + timedelta(days=number)).isoformat()
            case _:
                return f"Place {number}"

    def rows(self, module: str, side: int) -> dict[str, list[Row]]:
        """The living records of an end, by tag."""
        found: dict[str, list[Row]] = {}
        kept = self.modules[module]
        for row in self.stage.systems[self.systems[side]].records(kept.remote[side]):
            tag = row.get(kept.tag[side])
            if tag is not None and not self.is_gone(module, side, row):
                found.setdefault(str(tag).casefold(), []).append(row)
        return found

    def all_rows(self, module: str, side: int) -> list[Row]:
        return [row for rows in self.rows(module, side).values() for row in rows]

    def invoiceable(self, side: int) -> list[Row]:
        """The customers of an end, without those that have ended at the other: no invoice can follow them."""
        kept, other = self.modules[self.customers], 1 - side
        ended = {
            str(row.get(kept.tag[other])).casefold()
            for row in self.stage.systems[self.systems[other]].records(kept.remote[other])
            if self.is_gone(self.customers, other, row)
        }
        return [
            row for tag, rows in self.rows(self.customers, side).items() if tag not in ended for row in rows
        ]

    def act(self, side: int, action: str, module: str, row: Row | None, **values: Any) -> Row:
        """What a person does in the screens of an end, a moment later than the last thing."""
        kept = self.modules[module]
        record = None if row is None else str(row[kept.id[side]])
        done = self.stage.systems[self.systems[side]].act(action, kept.remote[side], record, values)
        self.stage.later(timedelta(seconds=3))
        return done

    def type(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> None:
        """Remember what a person has typed."""
        self.made.add((module, tag))
        for name, value in values.items():
            self.typed.setdefault((module, tag, name), [None, None])[side] = plain(value)

    def edit(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> None:
        if rows := self.rows(module, side).get(tag):
            self.act(side, "update", module, rows[0], **self.shape(module, side, values, rows[0]))
            self.type(module, side, tag, values)

    def tags(self, module: str) -> list[str]:
        return sorted(tag for one, tag in self.made if one == module)

    @rule(side=ENDS, product=st.booleans())
    def create(self, side: int, product: bool) -> None:
        module = "products" if product else self.customers
        tag = f"tag{self.token()}"
        values = {name: self.value(name) for name in self.modules[module].fields}
        self.act(side, "create", module, None, **self.new(module, side, tag, values))
        self.type(module, side, tag, values)

    @rule(
        what=st.sampled_from([0, 0, 1, 2]),
        place=PLACES,
        sides=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
        which=PLACES,
    )
    def change(self, what: int, place: int, sides: tuple[int, ...], which: int) -> None:
        for side in sides:
            self.change_one(self.edited(what), place, side, which)

    def edited(self, what: int) -> str:
        return (self.customers, "products", "invoices")[what]

    def change_one(self, module: str, place: int, side: int, which: int) -> None:
        if tags := self.tags(module):
            names = sorted(self.modules[module].fields)
            name = names[which % len(names)]
            self.edit(module, side, tags[place % len(tags)], {name: self.value(name)})

    # --- what happens --------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([3, 3, 45, 1500]))
    def time_goes_by(self, minutes: int) -> None:
        self.stage.later(timedelta(minutes=minutes))

    @rule(side=ENDS, seconds=st.sampled_from([0, 90]))
    def lists_lag(self, side: int, seconds: int) -> None:
        self.stage.systems[self.systems[side]].sandbox.switches["visibility_delay_s"] = seconds

    @rule()
    def one_pass(self) -> None:
        self.sound(self.stage.run("sync", "--json"))

    @rule(
        side=ENDS,
        kind=st.sampled_from(list(FaultKind)),
        skip=st.integers(0, 6),
        times=st.integers(1, 3),
        own=PLACES,
        writes=st.booleans(),
    )
    def a_pass_with_a_fault(
        self, side: int, kind: FaultKind, skip: int, times: int, own: int, writes: bool
    ) -> None:
        system = self.systems[side]
        of_writes = kind in WRITES_ONLY
        fault = Fault(
            kind=kind,
            method="POST" if of_writes else None,
            path=self.writing[system] if of_writes or writes else self.api[system],
            skip=skip % 2 if of_writes else skip,
            times=1 if of_writes else times,
            status=503,
            delay_s=0.01,
            name=self.own[system][own % len(self.own[system])],
        )
        self.stage.systems[system].sandbox.faults.arm(fault)
        self.sound(self.stage.run("sync", "--json"))
        self.stage.systems[system].sandbox.faults.clear()
        self.count["faults"] += 1

    @rule(after=st.integers(0, 90))
    def a_pass_that_is_killed(self, after: int) -> None:
        life = Life(left=after)
        try:
            with mortal(life):
                self.stage.run("sync", "--json")
        except Killed:
            self.count["kills"] += 1
            self.end_leases()

    def end_leases(self) -> None:
        """What a dead process held ends by itself after a while."""
        engine = sa.create_engine(f"sqlite:///{self.folder / '.syncline' / 'state.db'}")
        with engine.begin() as db:
            db.execute(sa.text("UPDATE lease SET until = 0"))
        engine.dispose()

    @rule(place=PLACES, side=ENDS, what=st.integers(0, 2))
    def one_record_is_pushed(self, place: int, side: int, what: int) -> None:
        module = self.edited(what)
        if rows := self.all_rows(module, side):
            record = str(rows[place % len(rows)][self.modules[module].id[side]])
            self.stage.run("push", module, record, "--system", self.systems[side], "--json")

    @rule(
        asked=ENDS,
        skip=st.integers(0, 8),
        what=st.integers(0, 2),
        side=ENDS,
        place=PLACES,
        which=PLACES,
    )
    def a_pass_in_which_somebody_edits(
        self, asked: int, skip: int, what: int, side: int, place: int, which: int
    ) -> None:
        left = iter(range(skip + 1))

        def meanwhile(template: str, request: Request, reply: Reply) -> None:
            if next(left, None) == skip:
                self.stage.later(timedelta(seconds=3))
                self.change_one(self.edited(what), place, side, which)

        server = self.stage.systems[self.systems[asked]].server
        server.listeners.append(meanwhile)
        try:
            self.sound(self.stage.run("sync", "--json"))
        finally:
            server.listeners.remove(meanwhile)

    def sound(self, done: Done) -> None:
        assert done.code in (0, 1, 4), f"exit {done.code}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err

    # --- what must come of it --------------------------------------------------------------------

    @rule()
    def quiet(self) -> None:
        for system in self.stage.systems.values():
            system.sandbox.switches["visibility_delay_s"] = 0
            system.sandbox.faults.clear()
        for _ in range(3):
            self.stage.later(timedelta(hours=25))
            for _ in range(2):
                done = self.stage.run("sync", "--json")
                self.sound(done)
            if not self.answer():
                break
        assert done.code == 0, f"{done.out}\n{done.err}"
        for module in self.modules:
            self.check(module)
        self.stage.assert_idle()

    def answer(self) -> bool:
        asked = self.stage.run("conflicts", "--json").json["questions"]
        for one in asked:
            assert one["kind"] == "deleted-and-edited", one
            self.stage.run("conflicts", one["id"], "--take", self.believed)
        return bool(asked)

    def check(self, module: str) -> None:
        ends = [self.rows(module, side) for side in (0, 1)]
        kept = self.kept(module)
        for tag in self.tags(module):
            both = [end.get(tag, []) for end in ends]
            assert all(len(rows) < 2 for rows in both), f"{module} {tag} was created twice: {both}"
            if not all(both):
                self.check_gone(module, tag, both)
                continue
            values = [self.shown(module, side, both[side][0]) for side in (0, 1)]
            assert values[0] == values[1], f"{module} {tag}: {values}"
            first = both[0][0][self.modules[module].id[0]]
            for name, final in values[0].items():
                for typed in self.typed.get((module, tag, name), ()):
                    said = (first, name, typed)
                    assert typed in (None, final) or said in kept, f"{module} {tag}.{name}: {typed} is gone"

    def check_gone(self, module: str, tag: str, both: list[list[Row]]) -> None:
        """Of a record that is not there at both ends."""
        assert module == self.customers, f"{module} {tag} is at one end alone: {both}"
        assert not any(both), f"{module} {tag} has ended at one end alone: {both}"

    def kept(self, module: str) -> set[tuple[str, str, Any]]:
        """(id at the left, field, value) of every value that the log knows as replaced or lost."""
        done = self.stage.run("log", "--json", "--module", module, "--limit", "100000")
        found = set()
        for text in done.out.splitlines():
            entry = json_line(text)
            for name, part in entry["fields"].items():
                for key in ("before", "lost"):
                    if key in part and not isinstance(part[key], list | dict):
                        found.add((entry["records"].get(self.systems[0]), name, plain(part[key])))
        return found


def plain(value: Any) -> Any:
    """A value without what the remotes make of it."""
    match value:
        case None | "":
            return None
        case str():
            return value.strip().casefold()
        case _:
            return float(value)


def json_line(text: str) -> dict[str, Any]:
    from syncline import exactjson

    told: dict[str, Any] = exactjson.decode(text)
    return told


def search(histories: type[HttpHistories], tally: Tally, *, few: int, many: int, named: str) -> None:
    """Try a few histories, or many when everything is asked for."""
    count = Counter[str]()
    machine: Callable[[], RuleBasedStateMachine] = type("Machine", (histories,), {"count": count})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=effort(few, many),
            stateful_step_count=effort(12, 20),
            deadline=None,
            report_multiple_bugs=False,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what, number in count.items():
        tally(f"{what} ({named})", number)
