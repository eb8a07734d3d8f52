"""Two remotes in memory under a spec that has every kind of rule, with everything that may befall them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Db
from tests.convergence.naive import A, B, Oracle, Rule, same
from tests.support.memory import MemoryRemote, MemorySession, remote_module
from tests.support.world import Pair

from syncline import exactjson
from syncline.connect.contract import (
    Field,
    FieldType,
    Items,
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    Reference,
    SentWrite,
    State,
    Write,
    WriteKind,
)
from syncline.errors import SynclineError
from syncline.mapping.module import Side
from syncline.run.passes import PassResult, run_prepared
from syncline.run.push import _read as read_pushed
from syncline.run.recovering import recover
from syncline.run.scope import ScopeEnd
from syncline.spec.model import End
from syncline.store import tables as t
from syncline.store.database import Database
from syncline.store.ledger import Ledger


def shorten(value: Any) -> Any:
    return None if value is None else value[:8]


#: The rules of SPEC once more, as a reader of docs/spec.md understands them.
RULES: Mapping[str, Mapping[str, Rule]] = {
    "people": {
        "phone": Rule(prefer="a"),
        "email": Rule(prefer="b"),
        "note": Rule(prefer="ask"),
        "city": Rule(prefer="newest"),
        "short": Rule(prefer="a", carry=(shorten, same)),
        "fee": Rule(prefer="b"),
        "code": Rule(prefer="a"),
        "owner": Rule(flow="to-b"),
        "grade": Rule(flow="to-b", enforce=True),
        "number": Rule(flow="to-a"),
    },
    "bills": {
        "who": Rule(prefer="b"),
        "total": Rule(prefer="a"),
        "lines": Rule(prefer="b"),
    },
}

SPEC = """
spec: 1
name: test
systems:
  a: {{connector: alpha}}
  b: {{connector: beta}}
conflicts: {{prefer: a}}
modules:
  people:
    between: {{a: people, b: people}}
    {match}
    {where}
    deletes: {{a: {deletes_a}, b: {deletes_b}}}
    limits: {{deletes: 10000}}
    fields:
      tag: {{a: tag, b: tag}}
      phone: {{a: phone, b: phone}}
      email: {{a: email, b: email, conflicts: {{prefer: b}}}}
      note: {{a: note, b: note, conflicts: {{prefer: ask}}}}
      city: {{a: city, b: city, conflicts: {{prefer: newest}}}}
      short:
        a: short
        b: short
        to: {{a: "{{{{ value }}}}", b: "{{{{ value | truncate(8) }}}}"}}
      fee: {{a: fee, b: fee, conflicts: {{prefer: b}}}}
      code: {{a: code, b: code}}
      owner: {{a: owner, b: owner, direction: "a -> b"}}
      grade: {{a: grade, b: grade, direction: "a -> b", enforce: true}}
      number: {{a: number, b: number, direction: "b -> a"}}
  bills:
    between: {{a: bills, b: bills}}
    {match}
    limits: {{deletes: 10000}}
    fields:
      tag: {{a: tag, b: tag}}
      who: {{a: who, b: who, ref: people, conflicts: {{prefer: b}}}}
      total: {{a: total, b: total}}
      lines:
        a: lines
        b: lines
        conflicts: {{prefer: b}}
        each:
          text: {{a: text, b: text}}
"""

_PEOPLE = (
    Field(name="tag", required=True),
    *(Field(name=name) for name in ("phone", "email", "note", "city", "short", "code", "owner", "grade")),
    Field(name="fee", type=FieldType.DECIMAL),
    Field(name="active", type=FieldType.BOOLEAN),
)
_BILLS = (
    Field(name="tag", required=True),
    Field(name="who", type=FieldType.REFERENCE, reference=Reference(module="people")),
    Field(name="total", type=FieldType.DECIMAL),
    Field(name="lines", type=FieldType.LIST, item_id="id", fields=(Field(name="text"),)),
)


class Killed(BaseException):
    """Ends a pass as SIGKILL ends a process: nothing is said and nothing is saved from here on."""


@dataclass(slots=True)
class Life:
    """How many more points a process may reach: calls, answers and commits. None: as many as it likes."""

    left: int | None = None
    dead: bool = False

    def point(self) -> None:
        if self.left is not None and not self.dead:
            self.left -= 1
            self.dead = self.left < 0
        if self.dead:
            raise Killed


class Mortal:
    """A state whose process may die before a commit, or right after it."""

    def __init__(self, database: Database, life: Life) -> None:
        self._database, self._life = database, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextmanager
    def write(self) -> Iterator[Db]:
        if self._life.dead:
            raise Killed
        with self._database.write() as db:
            yield db
            self._life.point()
        self._life.point()


@dataclass(frozen=True, slots=True)
class Habits:
    """What a remote is like. ``lag``: so many of its last changes do not show in lists yet."""

    conditional: bool = False
    returns_stored: bool = True
    trims: bool = False
    capitals: bool = False
    places: int | None = None
    cuts: int | None = None
    page_size: int = 2
    batch: int = 2

    @property
    def murky(self) -> bool:
        """Whether the remote makes something else of values, and does not say so."""
        rewrites = self.trims or self.capitals or self.cuts is not None or self.places is not None
        return rewrites and not self.returns_stored

    def stored(self, value: Any) -> Any:
        """What the remote makes of a value."""
        if isinstance(value, str):
            value = value.strip() if self.trims else value
            value = value.upper() if self.capitals else value
            value = value[: self.cuts] if self.cuts else value
        elif isinstance(value, Decimal) and self.places is not None:
            value = value.quantize(Decimal(10) ** -self.places, ROUND_HALF_UP)
        return value


#: An action at a call: (the remote, the call, "before" or "after", the writes in flight).
Hook = Callable[["WatchedRemote", str, str, Sequence[Write]], None]


class WatchedRemote(MemoryRemote):
    """A memory remote that rewrites what it stores as its habits are, and tells an oracle of every write."""

    def __init__(self, side: int, habits: Habits, oracle: Oracle, life: Life) -> None:
        able = {
            "conditional": habits.conditional,
            "returns_stored": habits.returns_stored,
            "create_batch": habits.batch,
            "update_batch": habits.batch,
            "read_ids_batch": habits.batch,
        }
        number = Field(name="number", read_only=side == B)
        super().__init__(
            [remote_module("people", (*_PEOPLE, number), **able), remote_module("bills", _BILLS, **able)],
            habits.page_size,
        )
        self.side, self.habits, self.oracle, self.life = side, habits, oracle, life
        self.rewrite = lambda name, value: value if name in ("tag", "who") else habits.stored(value)
        self.unique = ("code",) if side == B else ()
        self.lag = 0
        self.hooks: list[Hook] = []
        #: what becomes of the next write: ``lost``: carried out without an answer; ``half``: of every second
        #: record the remote says to try again later; ``refused``: none is taken
        self.next_write = ""

    def typed(self, module: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a person's values become when they are saved."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name == "lines":
                found[name] = [{"id": f"l{next(self._ids)}", **item} for item in value]
            else:
                found[name] = value if name in ("tag", "who") else self.habits.stored(value)
        return found

    def person(self, module: str, record: str | None = None, **values: Any) -> str:
        made = super().person(module, record, **self.typed(module, values))
        if record is None and self.side == B and module == "people":
            self.rows[module][made]["number"] = f"N{made}"
        return made

    def store(self, module: str, record: str, values: Mapping[str, Any]) -> None:
        new = record not in self.rows[module]
        super().store(module, record, values)
        if new and self.side == B and module == "people":
            self.rows[module][record]["number"] = f"N{record}"
        sent = {name: self._told(name, value) for name, value in values.items()}
        row = {name: self._told(name, self.rows[module][record][name]) for name in values}
        try:
            if not new:
                self.oracle.engine_edited(self.side, record, sent, row)
                return
            self.oracle.engine_made(self.side, module, record, sent, row)
        except AssertionError as error:
            self.oracle.complaints.append(str(error))  # the engine goes on after what a remote raises
            raise
        if self.side == B and module == "people":
            self.oracle.person_edited(B, self.oracle.things[sent["tag"]], {"number": f"N{record}"})

    def _told(self, name: str, value: Any) -> Any:
        """A value as the oracle knows it: a reference by the tag of what it refers to."""
        if isinstance(value, Items):
            return [dict(item.values) for item in value.items]
        if name == "who" and value is not None:
            return self.rows["people"][value]["tag"]
        return value

    def shown(self, module: str, record: str, name: str) -> Any:
        return self._told(name, self.rows[module][record].get(name))

    def since(self, module: str, tick: int) -> list[str]:
        newest = max((meta["tick"] for rows in self.meta.values() for meta in rows.values()), default=0)
        found = super().since(module, tick)
        return [record for record in found if self.meta[module][record]["tick"] <= newest - self.lag]

    def hear(self, call: str, when: str, writes: Sequence[Write] = ()) -> None:
        self.life.point()
        for hook in list(self.hooks):
            hook(self, call, when, writes)


class WatchedSession(MemorySession):
    """A session on a watched remote: every call passes a point before it is carried out and one after it."""

    remote: WatchedRemote

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        self.remote.hear("read", "before")
        for page in super().read(module, cursor, fields):
            self.remote.hear("read", "after")
            yield page

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        self.remote.hear("read_ids", "before")
        found = super().read_ids(module, ids, fields)
        self.remote.hear("read_ids", "after")
        return found

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self.remote.hear("write", "before", writes)
        mishap, self.remote.next_write = self.remote.next_write, ""
        if mishap == "refused":
            return [Outcome(kind=OutcomeKind.REFUSED, message="not like this") for _ in writes]
        kept = writes[::2] if mishap == "half" else writes
        found = {write.key: outcome for write, outcome in zip(kept, super().write(module, kept), strict=True)}
        self.remote.hear("write", "after", writes)
        if mishap == "lost":
            self.remote.oracle.trouble(self.remote.side, [write.id for write in writes])
            return [Outcome(kind=OutcomeKind.UNKNOWN, message="no answer") for _ in writes]
        later = Outcome(kind=OutcomeKind.RETRY, message="try again later")
        return [found.get(write.key, later) for write in writes]

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        self.remote.hear("settle", "before")
        found = super().settle(module, sent)
        self.remote.hear("settle", "after")
        return found

    def _write(self, module: str, write: Write) -> Outcome:
        gone = write.id is not None and self.remote.meta[module][write.id]["state"] is State.DELETED
        if gone and write.kind is not WriteKind.RESTORE:
            return Outcome(kind=OutcomeKind.GONE, message="it was deleted")
        return super()._write(module, write)


@dataclass(frozen=True, slots=True)
class Variant:
    """One world: what both remotes are like, and what the spec says."""

    a: Habits
    b: Habits
    match: bool = True
    filtered: bool = False
    deletes: tuple[str, str] = ("ignore", "ignore")
    skew: tuple[int, int] = (0, 0)

    def spec(self) -> str:
        return SPEC.format(
            match="match: [{a: tag, b: tag}]" if self.match else "",
            where='where: {a: "{{ record.active or record.active is none }}"}' if self.filtered else "",
            deletes_a=self.deletes[A],
            deletes_b=self.deletes[B],
        )


class Ledgers(Pair):
    """The two remotes, the spec between them, a state, and the passes of a process that may die."""

    def __init__(self, folder: Path, database: Database, variant: Variant) -> None:
        self.tmp_path, self.variant = folder, variant
        self.life = Life()
        self.oracle = Oracle(
            RULES, [side for side, habits in enumerate((variant.a, variant.b)) if habits.murky]
        )
        self.database: Any = Mortal(database, self.life)
        self.state = database
        self.remotes = [
            WatchedRemote(side, habits, self.oracle, self.life)
            for side, habits in enumerate((variant.a, variant.b))
        ]
        self.a, self.b = self.remotes
        self.spec = self.load(variant.spec())
        self.now = datetime(2026, 2, 1, tzinfo=UTC)
        for remote, minutes in zip(self.remotes, variant.skew, strict=True):
            remote.clock += timedelta(minutes=minutes)

    def _end(self, end: End, at: Side, ledger: Ledger) -> ScopeEnd:
        system, module = end.system, end.module
        side = A if system == "a" else B
        remote = self.remotes[side]
        session = WatchedSession(remote, Organisation(id=system, name=system))
        skew = timedelta(minutes=self.variant.skew[side])
        return ScopeEnd(
            system=system, remote=remote.modules[module], session=session, account=session.check(), skew=skew
        )

    def run(self, kill_after: int | None = None) -> PassResult | None:
        """One pass; None when its process died."""
        return self._living(super().run, kill_after)

    def push(self, module: str, side: int, record: str, kill_after: int | None = None) -> PassResult | None:
        """What ``syncline push`` does for one record."""

        def narrowed() -> PassResult:
            result = PassResult()
            with self.scopes() as scopes:
                scope = next(one for one in scopes if one.name == module)
                recover(scope)
                read_pushed(scope, Side(side), record)
                run_prepared([scope], [scope], result, lambda text: None, whole=False)
            return result

        return self._living(narrowed, kill_after)

    def _living(self, run: Callable[[], PassResult], kill_after: int | None) -> PassResult | None:
        self.life.left, self.life.dead = kill_after, False
        try:
            result = run()
            self.oracle.complaints += [why for why in result.problems.values() if "fault of Syncline" in why]
            return result
        except Killed:
            for thing in self.oracle.things.values():
                thing.troubled = True
            return None
        except SynclineError:
            return None  # a push says why, and ends
        finally:
            self.life.left, self.life.dead = None, False

    def lost(self) -> list[tuple[str, str, Any]]:
        """(tag, field, value) for every value that the audit log has kept as lost or replaced; of a reference
        the tag of whom it named."""
        found = []
        tags = {
            (side, record): row["tag"]
            for side, remote in enumerate(self.remotes)
            for rows in remote.rows.values()
            for record, row in rows.items()
        }
        with self.state.read() as db:
            for row in db.execute(sa.select(t.audit).where(t.audit.c.record.is_not(None))):
                tag = tags.get((row.side, row.record))
                for name, part in exactjson.decode(row.detail).get("fields", {}).items():
                    told = [part[key] for key in ("lost", "before") if key in part]
                    if name == "who":
                        told = [tags.get((row.side, value), value) for value in told]
                    found += [(tag, name, value) for value in told]
        return found

    def questions(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """(module, kind, subject, detail) of every open question."""
        found = []
        with self.state.read() as db:
            names = {row.id: row.module for row in db.execute(sa.select(t.scope))}
            for row in db.execute(sa.select(t.question).order_by(t.question.c.id)):
                found.append((names[row.scope], row.kind, row.subject, exactjson.decode(row.detail)))
        return found


def one_by_one(tasks: Sequence[Callable[[], None]]) -> None:
    """Reads one system after the other, so that a history can be repeated."""
    for task in tasks:
        task()
