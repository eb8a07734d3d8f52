"""SQL whose text is made once, for the statements that every record or every pass takes.

Core makes the text, for either database, and is then out of the way: per execution it would look up the text,
per row make a dictionary of parameters, which costs several times what the database does with them. Values go
to the driver as they are, so instants are given and read by :func:`stored_instant` and :func:`read_instant`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from syncline import exactjson

Build = Callable[[str], sa.ClauseElement]
#: Core's own LIMIT brings an OFFSET on SQLite, as one more parameter.
LIMIT = sa.text("LIMIT :limit").bindparams(sa.bindparam("limit", type_=sa.Integer))


@cache
def _by_position(dialect: str) -> Dialect:
    """A dialect with parameters by position, the cheapest to give. Only the one in use is loaded."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="qmark")
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    return PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]


def insert_into(table: sa.Table, dialect: str) -> Any:
    """An insert that knows ``on_conflict_do_update`` and its like, which each database has in its own way."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table)


class Statement:
    """One statement. ``build``: makes it for a dialect's name; ``names``: its parameters, in the order in
    which values are given. A list of values is one parameter: see :func:`among`. A parameter with the name
    of a column is that column's new value where rows are changed."""

    def __init__(self, names: str, build: Build) -> None:
        self._names = names.split()
        self._build = build
        self._texts: dict[str, str] = {}

    def many(self, db: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute it for each row of values."""
        if rows:
            db.exec_driver_sql(self._text(db.dialect.name), list(rows))

    def run(self, db: Connection, *values: Any) -> int:
        """Execute it once; how many rows it changed."""
        return db.exec_driver_sql(self._text(db.dialect.name), values).rowcount

    def all(self, db: Connection, *values: Any) -> Sequence[Any]:
        """Its rows, as plain tuples of what the driver gives."""
        text = self._text(db.dialect.name)
        cursor = db.exec_driver_sql(text, values).cursor
        try:
            return cursor.fetchall()  # past Core, which would wrap each row
        except db.dialect.loaded_dbapi.Error as error:
            raise sa.exc.DBAPIError(text, None, error) from error
        finally:
            cursor.close()

    def _text(self, dialect: str) -> str:
        if dialect not in self._texts:
            compiled = self._build(dialect).compile(
                dialect=_by_position(dialect),
                column_keys=self._names,
                compile_kwargs={"literal_binds": False},
            )
            order = list(getattr(compiled, "positiontup", None) or [])
            if order != self._names:
                raise AssertionError(f"the parameters are {order}, not {self._names}")
            self._texts[dialect] = str(compiled)
        return self._texts[dialect]


def param(name: str) -> sa.BindParameter[Any]:
    """A parameter."""
    return sa.bindparam(name)


def sql(text: str) -> sa.ColumnElement[Any]:
    """A piece of SQL as it stands, for what never varies: Core would make a parameter of a value."""
    return sa.literal_column(text)


def find(
    table: sa.Table, columns: Sequence[str], names: str, *, among_: str = "", order: str = ""
) -> Statement:
    """Select columns by equal values of those that are named, the last one (``among_``) by a list; in the
    order of one column, if any is given."""
    c = table.c

    def build(dialect: str) -> sa.Select[Any]:
        equal = [c[name] == param(name) for name in names.split() if name != among_]
        listed = [among(c[among_], among_, dialect)] if among_ else []
        found = sa.select(*(c[name] for name in columns)).where(*equal, *listed)
        return found.order_by(c[order]) if order else found

    return Statement(names, build)


def insert(table: sa.Table, columns: Sequence[str]) -> Statement:
    """Insert rows of these columns."""
    return Statement(" ".join(columns), lambda _: sa.insert(table))


def replace(table: sa.Table, columns: Sequence[str]) -> Statement:
    """Insert rows of these columns, the others at their defaults, or put them in the place of those with the
    same primary key."""
    keys = [str(column.name) for column in table.primary_key]

    def build(dialect: str) -> sa.ClauseElement:
        statement = insert_into(table, dialect)
        values = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
        put: sa.Insert = statement.on_conflict_do_update(index_elements=keys, set_=values)
        return put

    return Statement(" ".join(columns), build)


def among(column: sa.ColumnElement[Any], name: str, dialect: str) -> sa.ColumnElement[bool]:
    """That a column's value is in a list, given as one parameter (see :func:`given_list`)."""
    if dialect == "sqlite":
        return column.in_(sa.select(sa.func.json_each(sa.bindparam(name)).table_valued("value").c.value))
    return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(column.type)))


def given_list(db: Connection, values: Sequence[Any]) -> Any:
    """A list as the parameter of :func:`among`."""
    return exactjson.encode(list(values)) if db.dialect.name == "sqlite" else list(values)


def stored_instant(db: Connection, value: datetime | None) -> Any:
    """An instant as the driver takes it."""
    if value is None or db.dialect.name != "sqlite":
        return value
    # 2026-01-01T00:00:00Z, or with six decimals; isoformat takes ten times as long for it.
    told = msgspec.to_builtins(value if value.tzinfo is UTC else value.astimezone(UTC))
    return f"{told[:10]} {told[11:-1] if len(told) > 20 else told[11:19] + '.000000'}"


def read_instant(value: Any) -> datetime:
    """An instant as the driver gave it: text from SQLite, where it is UTC without saying so."""
    if isinstance(value, str):
        return datetime.fromisoformat(f"{value}+00:00")
    assert isinstance(value, datetime)
    return value.astimezone(UTC)
