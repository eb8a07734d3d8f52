"""A stage that can be set back: what both systems and the state held, compared and restored at once."""

from __future__ import annotations

import copy
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import psycopg
import sqlalchemy as sa
from tests.crash.scenario import Scenario
from tests.crash.zygote import Child, Order, Zygote
from tests.support.stage import Done, Stage, reading_once

from syncline.connect.sandbox.tables import Tables
from syncline.mapping.module import RENDERED
from syncline.run.workspace import Workspace
from syncline.store import tables as t
from syncline.store.database import Database, open_store
from syncline.store.lease import Leases

#: What a remote stamps or makes up by itself, and what the reading of the tables adds.
_STAMPS = re.compile(
    r"UpdatedDateUTC.*|.*_Time|Created_By|Modified_By|Owner|Invoice_Number|Sequence_Number|HasErrors|Payments"
    r"|.*_time|line_item_id|pricebook_item_id|creditnote_invoice_id|AllocationID|payment_number"
    r"|contact_person_id|primary_contact_id"
)


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment: the systems' tables, their clocks, the state."""

    tables: Mapping[str, Mapping[str, Any]]
    state: Any
    at: datetime
    ahead: timedelta


class Theatre(Stage):
    """A stage with a scenario's spec, real processes, and a way back to any earlier moment.

    ``states``: where the state is.
    """

    def __init__(self, folder: Path, zygote: Zygote, *, states: States, scenario: Scenario) -> None:
        super().__init__(folder, spec=scenario.spec, systems=scenario.systems)
        self.scenario = scenario
        self.zygote = zygote
        self.states = states
        self.processes = 0

    def environ(self) -> dict[str, str]:
        return super().environ() | {"SYNCLINE_STATE": self.states.url}

    @contextmanager
    def database(self) -> Iterator[Database]:
        with open_store(self.states.url) as opened:
            yield opened

    # --- moments ---------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        tables = {name: copy.deepcopy(sy.sandbox.tables._tables) for name, sy in self.systems.items()}
        return Snapshot(tables, self.states.save(), self.clock.now(), self._engine_ahead)

    def restore(self, moment: Snapshot) -> None:
        """Both systems start anew from the tables of that moment, and the clocks of all are set back to it.

        The machine's own clock, which leases, tokens and budgets go by, goes on."""
        self.zygote.end_all()
        gone_by = self.clock.now() - moment.at
        self.clock.advance(-gone_by.total_seconds())
        self._engine_ahead = self._engine_ahead - gone_by
        for name, system in self.systems.items():
            kept = Tables()
            kept._tables = copy.deepcopy(dict(moment.tables[name]))
            with mock.patch("syncline.connect.sandbox.app.Tables", lambda file, kept=kept: kept):
                again = type(system.sandbox)(system.sandbox.settings)
            again.switches.update(system.sandbox.switches)
            system.server.sandbox = system.sandbox = again
            system.server._routes = list(again.routes())
            system.server.listeners.clear()
        self.states.restore(moment.state)

    # --- passes ----------------------------------------------------------------------------------

    def start(self, verb: str = "sync", *arguments: str, wrong_s: float = 0.0, **told: Any) -> Child:
        """``syncline VERB SPEC`` in a process of its own. ``wrong_s``: how far its machine's clock is from
        the right time; ``told``: more of its :class:`Order`."""
        self.processes += 1
        order = Order(
            argv=[verb, str(self.spec), *arguments],
            environ=self.environ(),
            out=str(self.folder / f"process{self.processes}.txt"),
            ahead_s=self._engine_ahead.total_seconds() + wrong_s,
            **told,
        )
        return self.zygote.start(order)

    def wait_for_leases(self) -> None:
        """Until nobody may work on any module: whoever had a lease is dead, or stands still."""
        deadline = time.monotonic() + 60
        with self.database() as database:
            leases = Leases(database)
            while leases.held():
                assert time.monotonic() < deadline, "a lease does not end"
                time.sleep(0.02)

    def pass_(self) -> Done:
        """A pass in this process, that must come to an outcome."""
        done = self.run("sync", "--json")
        assert done.out, done.err
        return done

    # --- what there is ---------------------------------------------------------------------------

    def names(self) -> dict[str, str]:
        """What people call each record, by its id at either end."""
        found = {}
        for system, modules in self.scenario.names.items():
            for module, (id_field, label) in modules.items():
                for record in self.systems[system].records(module):
                    found[str(record[id_field])] = f"<{module} {record[label]}>"
        # an id may be a part of another one
        return dict(sorted(found.items(), key=lambda named: -len(named[0])))

    def holdings(self, names: Mapping[str, str]) -> dict[str, Any]:
        """What both systems hold: by ``system/module`` the records as sorted texts, without what the remote
        stamps or makes up."""
        return {
            f"{system}/{module}": sorted(
                named(_plain(record), names) for record in self.systems[system].records(module)
            )
            for system, modules in self.scenario.names.items()
            for module in modules
        }

    def memory(self, names: Mapping[str, str]) -> dict[str, list[str]]:
        """What the state remembers, in the same form: links with their bases, what rests, open questions."""
        with self.database() as database, database.read() as db:
            modules = {row.id: row.module for row in db.execute(sa.select(t.scope))}
            links = [
                {
                    "module": modules[row.scope],
                    "ids": [row.left_id, row.right_id],
                    "states": [row.left_state, row.right_state],
                    "base": [_told(row.left_base), _told(row.right_base)],
                    "open": row.open,
                    "sent": row.sent,
                    "prints": [row.left_print is not None, row.right_print is not None],
                }
                for row in db.execute(sa.select(t.link))
            ]
            rests = [
                [modules[row.scope], row.side, row.record, row.status, told_why(row), row.attempts]
                for row in db.execute(sa.select(t.staged))
            ]
            asked = [[modules[r.scope], r.kind] for r in db.execute(sa.select(t.question))]
        told = {"links": links, "rests": rests, "questions": asked}
        return {what: sorted(named(_plain(row), names) for row in rows) for what, rows in told.items()}

    def open_entries(self) -> list[Any]:
        """Journal entries that are neither done nor given up."""
        c = t.operation.c
        query = sa.select(c.kind, c.status, c.side, c.record).where(c.status.in_(("planned", "sent")))
        with self.database() as database, database.read() as db:
            return [tuple(row) for row in db.execute(query)]

    def audit(self) -> list[dict[str, Any]]:
        """Every audit row: event, system, record, fields."""
        with reading_once(), Workspace(self.spec, None, self.environ()) as workspace:
            modules = workspace.spec.modules
        with self.database() as database, database.read() as db:
            ends = {
                row.id: (modules[row.module].left.system, modules[row.module].right.system)
                for row in db.execute(sa.select(t.scope))
            }
            return [
                {
                    "id": row.id,
                    "event": row.event,
                    "system": None if row.side is None else ends[row.scope][row.side],
                    "record": row.record,
                    "detail": json.loads(row.detail),
                }
                for row in db.execute(sa.select(t.audit).order_by(t.audit.c.id))
            ]

    def passes(self) -> Counter[str]:
        """How many passes ended how."""
        with self.database() as database, database.read() as db:
            return Counter(row.status for row in db.execute(sa.select(t.run)))


class States(Protocol):
    """Where the state is, and how it is kept and brought back. Nobody has it open then."""

    url: str

    def save(self) -> Any: ...

    def restore(self, kept: Any) -> None: ...


class Files:
    """The state in a SQLite file, kept as bytes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".syncline" / "state.db"
        self.url = str(self._file)

    def save(self) -> bytes:
        assert not self._file.with_name("state.db-wal").exists(), "somebody still has the state open"
        return self._file.read_bytes()

    def restore(self, kept: Any) -> None:
        for tail in ("-wal", "-shm"):
            self._file.with_name(f"state.db{tail}").unlink(missing_ok=True)
        self._file.write_bytes(kept)


class Databases:
    """The state in a PostgreSQL database, kept as a copy of it. Use as a context.

    ``server``: the URL of the maintenance database; ``template``: an empty state.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._name = f"crash_{uuid.uuid4().hex[:10]}"
        self._made = [self._name]
        self._copy(template, self._name)
        self.url = server.replace("/postgres?", f"/{self._name}?")

    def __enter__(self) -> Databases:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._made:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def save(self) -> str:
        kept = f"{self._name}_{len(self._made)}"
        self._made.append(kept)
        self._copy(self._name, kept)
        return kept

    def restore(self, kept: Any) -> None:
        self._do(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._copy(kept, self._name)

    def _copy(self, source: str, target: str) -> None:
        # The backend of a killed process may take a moment to notice that nobody is there any more.
        self._do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'")
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._do(f"CREATE DATABASE {target} TEMPLATE {source}")
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _do(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.encode())


def told_why(row: Any) -> str:
    """Why a record rests. Of several reasons to leave it out the one seen first is told, and which that is
    may change by a crash."""
    return "" if row.status == "parked" else str(row.reason)


def _told(base: str) -> dict[str, Any]:
    """A base without what a transform gave where that was nothing: whether it is noted makes no odds."""
    return {k: v for k, v in json.loads(base).items() if v is not None or not k.endswith(RENDERED)}


def _plain(value: Any) -> Any:
    """Without stamps, and lists of the engine's JSON texts told apart no more than they are."""
    if isinstance(value, dict):
        return {
            k: _plain(v) for k, v in value.items() if not _STAMPS.fullmatch(k) and not k.endswith("ItemID")
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def named(value: Any, names: Mapping[str, str]) -> str:
    """A value as text, with what people call a record in place of its id."""
    text = json.dumps(value, default=str, sort_keys=True)
    for record, name in names.items():
        text = text.replace(record, name)
    # A subform's rows have ids of their own, which nobody calls by a name.
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "row", text)
    return re.sub(r'"(#|id)": "\d{18,19}"', r'"\1": "row"', text)
