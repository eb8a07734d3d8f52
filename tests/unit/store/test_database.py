"""Opening, upgrading and using the state, and what is said when that does not work."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from syncline.store import migrations
from syncline.store.database import STANDSTILL_S, Database, StoreError, open_store, sqlite_file, upsert
from syncline.store.tables import lease, metadata


def row(key: str, epoch: int = 1) -> dict[str, Any]:
    return {"key": key, "owner": "me", "epoch": epoch, "until": 0.0}


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.scalars(sa.select(lease.c.key)))


# --- the tables are what the migrations make ---------------------------------------------------------


def test_migrations_make_exactly_the_tables_of_this_program(database: Database) -> None:
    def ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
        return not (kind == "table" and name == migrations.VERSION_TABLE)

    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
        assert compare_metadata(context, metadata) == []


def _options(connection: sa.Connection, table: str) -> list[str]:
    """How SQLite keeps a table, beyond its columns."""
    if connection.dialect.name != "sqlite":
        return []
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    made = str(connection.scalar(query, {"name": table}))
    return [option for option in ("WITHOUT ROWID", "STRICT") if option in made.rpartition(")")[2].upper()]


def _shape(database: Database) -> dict[str, Any]:
    """Every table with columns, keys, constraints and indexes, as the database itself tells them."""
    with database.read() as connection:
        inspector = sa.inspect(connection)
        return {
            name: {
                "columns": [
                    (c["name"], str(c["type"]), c["nullable"], c["default"])
                    for c in inspector.get_columns(name)
                ],
                "primary": inspector.get_pk_constraint(name)["constrained_columns"],
                "unique": sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(name)),
                "foreign": sorted(
                    (*f["constrained_columns"], f["referred_table"]) for f in inspector.get_foreign_keys(name)
                ),
                "indexes": sorted((i["name"] or "", *i["column_names"]) for i in inspector.get_indexes(name)),
                "options": _options(connection, name),
            }
            for name in inspector.get_table_names()
            if name != migrations.VERSION_TABLE
        }


def test_columns_keys_and_constraints_are_those_of_the_metadata(database: Database) -> None:
    migrated = _shape(database)
    with database.write() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert _shape(database) == migrated


# --- opening -----------------------------------------------------------------------------------------


def test_a_new_sqlite_file_is_its_owners_alone_even_in_a_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / ".syncline" / "state.sqlite"
    with open_store(f"sqlite:///{path}") as database, database.write() as connection:
        connection.execute(lease.insert(), row("a"))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_plain_path_is_a_sqlite_file(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "state.sqlite")) as database:
        assert database.dialect == "sqlite"
    assert sqlite_file(str(tmp_path / "state.sqlite")) == tmp_path / "state.sqlite"
    assert sqlite_file("postgresql://u:p@h/d") is None


def test_what_was_written_is_there_after_reopening(store_url: str) -> None:
    with open_store(store_url) as database, database.write() as connection:
        connection.execute(lease.insert(), row("a"))
    with open_store(store_url) as database:
        assert keys(database) == ["a"]


def test_opening_an_up_to_date_state_does_not_load_the_migration_library(sqlite_url: str) -> None:
    code = (
        "import sys; from syncline.store.database import open_store\n"
        f"open_store({sqlite_url!r}).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sqlite_runs_as_write_ahead_log_with_foreign_keys(sqlite_url: str) -> None:
    with open_store(sqlite_url) as database, database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def _open_and_count(url: str, start: Any) -> None:
    start.wait()
    with open_store(url) as database:
        for _ in range(20):
            with database.write() as connection:
                epoch = connection.scalar(sa.select(lease.c.epoch).where(lease.c.key == "n"))
                upsert(connection, lease, [row("n", (epoch or 0) + 1)])


def test_processes_that_open_a_new_state_at_once_make_it_once_and_lose_no_update(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.sqlite'}"
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Event()
    workers = [spawn.Process(target=_open_and_count, args=(url, start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with open_store(url) as database, database.read() as connection:
        assert connection.scalar(sa.select(lease.c.epoch)) == 60


def test_threads_that_open_a_new_postgresql_state_at_once_make_it_once(postgresql_server: str) -> None:
    import psycopg

    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE raced")
    url = postgresql_server.replace("/postgres?", "/raced?")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            open_store(url).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(url) as database:
        assert keys(database) == []


# --- transactions ------------------------------------------------------------------------------------


def test_an_exception_undoes_the_whole_block(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(lease.insert(), row("a"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert keys(database) == []


def test_a_reader_cannot_write_and_is_told_so(database: Database) -> None:
    with pytest.raises(StoreError, match="read-only"), database.read() as connection:
        connection.execute(lease.insert(), row("a"))
    with database.write() as connection:  # the connection is not spoilt for the next
        connection.execute(lease.insert(), row("b"))
    assert keys(database) == ["b"]


def test_a_reader_sees_one_moment_and_hinders_no_writer(database: Database) -> None:
    with database.read() as reading:
        assert reading.scalar(sa.select(sa.func.count()).select_from(lease)) == 0
        with database.write() as writing:
            writing.execute(lease.insert(), row("a"))
        assert reading.scalar(sa.select(sa.func.count()).select_from(lease)) == 0
    assert keys(database) == ["a"]


def test_upsert_inserts_updates_and_leaves_alone(database: Database) -> None:
    with database.write() as connection:
        upsert(connection, lease, [])
        upsert(connection, lease, [row("a"), row("b")])
        upsert(connection, lease, [row("b", 7), row("c", 3)], update=["epoch"])
        upsert(connection, lease, [row("a", 9)], update=[])
        found = connection.execute(sa.select(lease.c.key, lease.c.epoch).order_by(lease.c.key)).all()
    assert [tuple(r) for r in found] == [("a", 1), ("b", 7), ("c", 3)]


def test_an_error_never_prints_the_values_of_a_row(database: Database) -> None:
    twice = [row("a") | {"owner": "canary-owner"}] * 2
    with pytest.raises(sa.exc.IntegrityError) as caught, database.write() as connection:
        connection.execute(lease.insert(), twice)
    assert "canary-owner" not in str(caught.value)


# --- mishaps -----------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_nothing_saved_is_lost(sqlite_url: str) -> None:
    with open_store(sqlite_url) as database:
        with database.write() as connection:
            connection.execute(lease.insert(), row("kept"))
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreError, match="full") as caught, database.write() as connection:
            connection.execute(lease.insert(), [row(f"{n}" * 500) for n in range(2000)])
        assert "make room" in caught.value.fix
        assert keys(database) == ["kept"]


def test_a_read_only_file_is_told_at_once(sqlite_url: str) -> None:
    path = sqlite_file(sqlite_url)
    assert path is not None
    path.chmod(0o400)
    with pytest.raises(StoreError, match="read-only"):
        open_store(sqlite_url)


def test_a_locked_state_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.store.database.BUSY_MS", 50)
    path = sqlite_file(sqlite_url)
    assert path is not None
    with open_store(sqlite_url) as database:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreError, match="locked"), database.write():
                pass
        finally:
            other.close()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        pytest.param(
            lambda p: p.write_bytes(b"this is a text, not a database. " * 100),
            "not a Syncline state",
            id="a text",
        ),
        pytest.param(lambda p: p.mkdir(), "is a folder", id="a folder"),
        pytest.param(
            lambda p: (
                sqlite3.connect(p, isolation_level=None)
                .execute("CREATE TABLE cats (name)")
                .connection.close()
            ),
            "some other program",
            id="another program's database",
        ),
    ],
)
def test_what_is_not_our_state_is_refused(make: Any, match: str, tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    make(path)
    with pytest.raises(StoreError, match=match) as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.fix


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_store(f"sqlite:///{tmp_path / 'a' / 'b' / 'state.sqlite'}")


def test_a_state_of_a_newer_program_is_refused(database: Database, store_url: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Syncline") as caught:
        open_store(store_url)
    assert "9999" in caught.value.what


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2secret@h/d", "sqlite://", "sqlite:///:memory:", "://", "sqlite:///a.db?mode=ro"]
)
def test_a_url_that_cannot_hold_a_state_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert caught.value.fix
    assert "hunter2secret" not in str(caught.value)


def test_a_postgresql_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        open_store("postgresql://me:hunter2secret@127.0.0.1:1/none")
    assert "hunter2secret" not in str(caught.value)


def test_a_postgresql_database_that_does_not_exist_is_told(postgresql_server: str) -> None:
    with pytest.raises(StoreError, match="no such database"):
        open_store(postgresql_server.replace("/postgres?", "/nowhere?"))


def test_a_damaged_file_is_told(sqlite_url: str) -> None:
    path = sqlite_file(sqlite_url)
    assert path is not None
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreError, match=r"damaged|not a Syncline state"), open_store(sqlite_url) as database:
        keys(database)


def test_postgresql_breaks_off_what_stands_still_within_a_transaction(postgresql_url: str) -> None:
    with open_store(postgresql_url) as database, database.write() as connection:
        told = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert told == f"{STANDSTILL_S}s"
