"""The one way to the state: a database of SQLite or PostgreSQL, at the right version, with clear failures."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from syncline.connect.secrets import redact
from syncline.errors import SynclineError
from syncline.privatefile import create_private, private_folder
from syncline.store.migrations import HEAD, VERSION_TABLE
from syncline.store.statement import insert_into

#: How long a writer waits for another one, in milliseconds.
BUSY_MS = 10_000
#: How long PostgreSQL lets a process stand still within a transaction, in seconds: its locks hold up others.
STANDSTILL_S = 15


class StoreError(SynclineError):
    """The state cannot be opened, read or written."""


class Database:
    """The state. Use from any thread; never across a fork.

    Instants and clocks are the callers' matter; transactions are this class's.
    """

    def __init__(self, writer: Engine, reader: Engine, name: str) -> None:
        self._writer = writer
        # SQLite lets one writer in, and has the others sleep and try again: the threads of one process queue.
        self._turn = threading.Lock() if writer.dialect.name == "sqlite" else nullcontext()
        self._reader = reader
        #: how messages call it: the file, or the URL without its password
        self.name = name
        #: ``"sqlite"`` or ``"postgresql"``
        self.dialect = writer.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: committed at the end of the block, undone by an exception.

        On SQLite it is alone from its first moment, so what it reads cannot change before it writes. Keep
        it short and call no remote inside: everybody else waits. Raises :class:`StoreError`.
        """
        with self._told(), self._turn, self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that cannot write and hinders no writer: one consistent view of the state."""
        with self._told(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            told = explain(error, self.name)
            if told is None:
                raise
            raise told from error
        except sa.exc.TimeoutError as error:
            raise StoreError(
                f"too many transactions at once on {self.name}", fix="run fewer passes at a time"
            ) from error

    def close(self) -> None:
        """Give every connection back."""
        self._reader.dispose()
        self._writer.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(url: str) -> Database:
    """Open the state at a URL, making or upgrading it first where needed.

    ``url``: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://...``, or the path of a
    SQLite file. A new SQLite file is its owner's alone. Raises :class:`StoreError`, never a driver's error.
    """
    parsed = _parse(url)
    database = (_open_sqlite if parsed.get_backend_name() == "sqlite" else _open_postgresql)(parsed)
    try:
        _bring_up(database)
    except BaseException:
        database.close()
        raise
    return database


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, ``None`` for another database."""
    parsed = _parse(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str] | None = None,
    update: Iterable[str] | None = None,
) -> None:
    """Insert rows, or update those that exist.

    Every row names the same columns. ``keys``: the columns of the unique constraint that decides
    (default: the primary key). ``update``: what an existing row takes over (default: all but the keys;
    empty: it stays as it is).
    """
    if not rows:
        return
    names = [str(column.name) for column in table.primary_key] if keys is None else list(keys)
    taken = [c for c in rows[0] if c not in names] if update is None else list(update)
    insert = insert_into(table, connection.dialect.name)
    values = {name: insert.excluded[name] for name in taken}
    connection.execute(
        insert.on_conflict_do_update(index_elements=names, set_=values)
        if values
        else insert.on_conflict_do_nothing(index_elements=names),
        rows,
    )


# --- opening -------------------------------------------------------------------------------------


def _parse(url: str) -> URL:
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(
            "the state URL cannot be understood",
            fix="write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        ) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed.set(drivername="sqlite")
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"the state cannot be kept in {redact(parsed.drivername)!r}",
        fix="use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
    )


# Each of these stays what it is. The driver knows how to bind them, yet looks first for somebody who would
# adapt them, and finding nobody costs it more than all the rest of a row.
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(type(None), _NOTHING.get)
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(bytes, bytes)


def _open_sqlite(url: URL) -> Database:
    if not url.database or url.database == ":memory:" or url.query:
        raise StoreError(
            "the state must be a file, so that the next pass finds it", fix="write sqlite:///FILE"
        )
    path = Path(url.database)
    _prepare_file(path)
    # Hidden parameters: an error must not print people's data, nor a token.
    # Lists of many lengths make many statements: a large cache of them would hold on to megabytes.
    arguments = {"timeout": BUSY_MS / 1000, "cached_statements": 16}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=arguments)
    reading = sa.create_engine(url, hide_parameters=True, connect_args=arguments)
    for each, begin in ((engine, "BEGIN IMMEDIATE"), (reading, "BEGIN")):
        _on_sqlite_connect(each, read_only=each is reading)
        _on_sqlite_begin(each, begin)
    return Database(engine, reading, str(path))


def _on_sqlite_connect(engine: Engine, *, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(dbapi: sqlite3.Connection, _record: object) -> None:
        # The driver must not open transactions by itself: it would start them as readers, and two such
        # readers that then write lose each other's updates.
        dbapi.isolation_level = None
        dbapi.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        dbapi.execute("PRAGMA foreign_keys=on")
        if read_only:
            dbapi.execute("PRAGMA query_only=on")
        else:
            dbapi.execute("PRAGMA journal_mode=wal")
            dbapi.execute("PRAGMA synchronous=normal")


def _on_sqlite_begin(engine: Engine, statement: str) -> None:
    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Past Core, for which it would be a statement like any other: there is one a transaction.
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        try:
            driver.execute(statement)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError(statement, None, error) from error


def _prepare_file(path: Path) -> None:
    """Make the file, and its folder if only that is missing; refuse what cannot be written to."""
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder", fix=f"name a file in it: {path / 'state.sqlite'}")
        if not path.exists():
            if not path.parent.exists():
                if not path.parent.parent.exists():
                    raise StoreError(
                        f"the folder {path.parent} for the state does not exist",
                        fix="make it, or name another",
                    )
                private_folder(path.parent)
            with suppress(FileExistsError):  # another process was first
                create_private(path)
            return
        # Asked of the file itself: to the system's administrator no file seems read-only.
        if not path.stat().st_mode & stat.S_IWUSR or not os.access(path, os.W_OK):
            raise _read_only(str(path))
    except OSError as error:
        raise StoreError(
            f"the state {path} cannot be used: {error.strerror}",
            fix="name a file that you may write with --state or SYNCLINE_STATE",
        ) from error


def _open_postgresql(url: URL) -> Database:
    name = redact(url.set(drivername="postgresql").render_as_string(hide_password=True))
    try:
        engine = sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 10,
                "application_name": "syncline",
                "options": f"-c idle_in_transaction_session_timeout={STANDSTILL_S * 1000}",
            },
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            "keeping the state in PostgreSQL needs the psycopg driver",
            fix="pip install 'syncline[postgres]'",
        ) from error
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database(engine, reader, name)


# --- the version ---------------------------------------------------------------------------------


def _bring_up(database: Database) -> None:
    """Make the tables or upgrade them, unless they are as this program wants them."""
    with database.read() as connection:
        found = _version(connection)
        if found is None and database.dialect == "sqlite":
            _refuse_foreign_file(connection, database.name)
    if found == HEAD:
        return
    _refuse_newer(found, database.name)
    with database.write() as connection:
        if database.dialect == "postgresql":
            # SQLite's writers are alone anyway.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('syncline migrations'))")
        found = _version(connection)
        _refuse_newer(found, database.name)
        if found != HEAD:
            from syncline.store.migrations.upgrade import upgrade

            upgrade(connection)


def _version(connection: Connection) -> str | None:
    """The version of the tables, ``None`` when there are none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    return None if found is None else str(found)


def _refuse_newer(found: str | None, name: str) -> None:
    if found is not None and found > HEAD:
        raise StoreError(
            f"{name} was written by a newer Syncline (state version {found}, this program knows {HEAD})",
            fix="upgrade this program, or name another state with --state",
        )


def _refuse_foreign_file(connection: Connection, name: str) -> None:
    tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    if tables:
        raise StoreError(f"{name} is a database of some other program", fix="name another file with --state")


# --- what went wrong -----------------------------------------------------------------------------


def explain(error: sa.exc.DBAPIError, name: str) -> StoreError | None:
    """A driver's error in words for people; ``None`` for what is a bug of ours rather than a mishap."""
    text = str(error.orig).lower()
    state = str(getattr(error.orig, "sqlstate", None) or "")
    for marks, states, what, fix in _MISHAPS:
        if any(re.search(mark, text) for mark in marks) or any(state.startswith(s) for s in states):
            return StoreError(what.format(name=name), fix=fix)
    if error.connection_invalidated or (not state and "psycopg" in type(error.orig).__module__):
        first = (
            redact(str(error.orig).strip().splitlines()[0]) if str(error.orig).strip() else "no reason given"
        )
        return StoreError(
            f"the database {name} cannot be reached: {first}",
            fix="check that it runs, and the host, port and database of the state URL",
        )
    return None


def _read_only(name: str) -> StoreError:
    what, fix = _READ_ONLY
    return StoreError(what.format(name=name), fix=fix)


_READ_ONLY = (
    "the state {name} is read-only",
    "make it writable for this user, or name another file with --state or SYNCLINE_STATE",
)
_PASSWORD = (
    "the database {name} refuses this user or password",
    "check the user and password of the state URL",
)
#: (patterns in the driver's text in lower case, prefixes of the SQL state, what is wrong, what to do)
_MISHAPS: tuple[tuple[tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (("readonly database", "read-only transaction"), ("25006",), *_READ_ONLY),
    (
        ("disk is full", "no space left"),
        ("53100",),
        "the disk that holds {name} is full",
        "make room; nothing that was already saved is lost, and the next pass goes on from there",
    ),
    (
        ("database is locked", "database table is locked"),
        ("55P03",),
        "another program keeps {name} locked",
        "wait for it to end; see who has the file open",
    ),
    (
        ("not a database", "file is encrypted"),
        (),
        "{name} is not a Syncline state",
        "name another file with --state, or move this one away",
    ),
    (
        ("malformed", "corrupt"),
        ("XX001", "XX002"),
        "{name} is damaged",
        "restore the last backup of the state",
    ),
    (
        ("disk i/o error",),
        ("58030",),
        "the disk that holds {name} does not read or write properly",
        "check the disk; keep the state off network folders",
    ),
    (
        ("unable to open database file",),
        (),
        "the state {name} cannot be opened",
        "check that its folder exists and that this user may write in it",
    ),
    (("password authentication failed", 'role ".*" does not exist'), ("28",), *_PASSWORD),
    (
        ('database ".*" does not exist',),
        ("3D000",),
        "there is no such database: {name}",
        "create it (createdb), or correct the state URL",
    ),
    (
        (),
        ("42501",),
        "this database user may not do this in {name}",
        "grant it the right to create and use tables in its schema",
    ),
    (
        ("idle-in-transaction", "idle in transaction"),
        ("25P03",),
        "this process stood still for so long within a transaction that {name} went on without it",
        "nothing is lost: the next pass goes on from there",
    ),
    (
        (),
        ("40001", "40P01", "57014"),
        "the database {name} broke off a transaction",
        "run it again",
    ),
)
