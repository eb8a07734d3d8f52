"""The statements whose text is made once."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite import dialect

from syncline import store
from syncline.store.database import Database
from syncline.store.statement import Statement, read_instant, stored_instant
from syncline.store.tables import Instant


def statements() -> Iterator[tuple[str, Statement]]:
    """Every one that a module of the store has, by its name."""
    for module in pkgutil.iter_modules(store.__path__, f"{store.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            yield from ((f"{module.name}.{name}", one) for one in _within(value))


def _within(value: Any) -> list[Statement]:
    if isinstance(value, list | tuple):
        return [one for one in value if isinstance(one, Statement)]
    if isinstance(value, dict):
        return [one for one in value.values() if isinstance(one, Statement)]
    return [value] if isinstance(value, Statement) else []


def test_both_databases_understand_every_statement(database: Database) -> None:
    """Each is planned, with nothing for its values."""
    found = list(statements())
    assert len(found) > 40
    with database.read() as db:
        for name, statement in found:
            text = statement._text(database.dialect)
            marks = text.count("?" if database.dialect == "sqlite" else "%s")
            assert marks == len(statement._names), name
            db.exec_driver_sql(f"EXPLAIN {text}", (None,) * marks)


class _OfSqlite:
    """As much of a connection as is asked for."""

    dialect = dialect()


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_an_instant_is_written_as_core_writes_it(moment: datetime) -> None:
    """Both kinds of statement meet in the same columns, where texts are compared."""
    db: Any = _OfSqlite()
    of_core = sa.select(sa.literal(moment, Instant)).compile(
        dialect=db.dialect, compile_kwargs={"literal_binds": True}
    )
    written = stored_instant(db, moment)
    assert str(of_core) == f"SELECT '{written}' AS anon_1"
    assert read_instant(written) == moment.astimezone(UTC)
