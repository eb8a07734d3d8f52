"""The calls of every process, in the state: the ledger that a budget is kept by."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncline.connect.budget import DAY_S, FLIGHT_S, MINUTE_S, Ticket, Use
from syncline.connect.contract import Limits
from syncline.store.database import Database, StoreError
from syncline.store.lease import died_here, this_process
from syncline.store.statement import Statement, param, sql
from syncline.store.tables import call

#: How long the day's sum is carried on by our own calls alone before the others' are summed up again.
_DAY_REFRESH_S = 60.0
#: The same, once no more than this share of the day is left.
_DAY_NEAR, _DAY_NEAR_REFRESH_S = 0.05, 2.0

#: How often what no longer counts is deleted.
_TIDY_S = 600.0

_INSERT = sa.insert(call)
_OPEN = Statement("account at cost until owner", lambda _: sa.insert(call).returning(call.c.id))
_TIDY = Statement(
    "account before",
    lambda _: sa.delete(call).where(call.c.account == param("account"), call.c.at <= param("before")),
)
_SETTLE = Statement(
    "account k_id", lambda _: sa.update(call).where(call.c.id == param("k_id")).values(until=sa.null())
)
#: Calls in flight, and until when the remote wants silence: one statement, since there is one a call.
_NOW = Statement(
    "open now hold now",
    lambda _: sa.select(
        sa.select(sa.func.count())
        .where(call.c.account == param("open"), call.c.until > param("now"))
        .scalar_subquery(),
        sa.select(sa.func.max(call.c.at))
        .where(call.c.account == param("hold"), call.c.at > param("now"))
        .scalar_subquery(),
    ),
)
#: The answered call that must leave the minute before there is room: the n-th newest.
_NTH = Statement(
    "of since now skip",
    lambda _: (
        sa.select(call.c.at)
        # What lies ahead is of a clock that has been put back since.
        .where(call.c.account == param("of"), call.c.at > param("since"), call.c.at <= param("now"))
        .order_by(call.c.at.desc())
        .limit(sql("1"))
        .offset(param("skip"))
    ),
)
_DAY = sa.select(sa.func.coalesce(sa.func.sum(call.c.cost), 0), sa.func.min(call.c.at)).where(
    call.c.account.in_([sa.bindparam("of"), sa.bindparam("open")]),
    call.c.at > sa.bindparam("since"),
    call.c.cost > 0,
)


class CallLedger:
    """The :class:`~syncline.connect.budget.Ledger` of one account, shared through the database.

    One row a call. While a call is in flight its row stands under the account's name followed by
    ``" (open)"``, so that counting those never reads the answered ones; ``until`` is when it counts as
    answered though nobody said so. A row whose ``at`` lies ahead, under the name followed by
    ``" (hold)"``, is the remote's demand for silence.
    """

    def __init__(
        self,
        database: Database,
        account: str,
        *,
        owner: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``account``: ``connector:organisation``; ``owner``: whose calls these are, by default this
        process's. ``now``: seconds since the epoch."""
        self._database = database
        self._account = account
        self._open = f"{account} (open)"
        self._hold = f"{account} (hold)"
        self._owner = owner or this_process()
        self._now = now
        # Advisory locks of PostgreSQL are numbers: 63 bits of a hash hardly ever make two accounts wait.
        self._number = int.from_bytes(hashlib.blake2b(account.encode(), digest_size=8).digest()) >> 1
        self._day_cost = 0
        self._day_from = 0.0
        self._day_read = 0.0
        self._tidied = 0.0

    @contextmanager
    def locked(self) -> Iterator[_LockedBook]:
        with self._database.write() as connection:
            if self._database.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self._number)))
            yield _LockedBook(self, connection)

    def settle(self, ticket: Ticket) -> None:
        # An answer has come, and must not be lost over this: the row stops counting by itself.
        with suppress(StoreError), self._database.write() as connection:
            _SETTLE.run(connection, self._account, ticket.id)

    def hold(self, until: float) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(call).where(call.c.account == self._hold, call.c.at <= self._now()))
            connection.execute(_INSERT, {"account": self._hold, "at": until, "cost": 0, "until": None})

    # --- for the locked book --------------------------------------------------------------------

    def use(self, connection: Connection, limits: Limits, now: float, *, minute: bool, day: bool) -> Use:
        if now - self._tidied >= _TIDY_S:
            self._tidy(connection, now)
        if day and limits.per_day is not None:
            left = limits.per_day - self._day_cost
            often = _DAY_NEAR_REFRESH_S if left < _DAY_NEAR * limits.per_day else _DAY_REFRESH_S
            if now - self._day_read >= often:
                self._read_day(connection, now)
        ((opened, hold_until),) = _NOW.all(connection, self._open, now, self._hold, now)
        if opened >= limits.concurrent:
            opened -= self._end_of_the_dead(connection, now)
        full_until = 0.0
        if minute and limits.per_minute is not None:
            # Those in flight count as of this moment.
            skip = max(limits.per_minute - opened - 1, 0)
            nth = _NTH.all(connection, self._account, now - MINUTE_S, now, skip)
            full_until = nth[0][0] + MINUTE_S if nth else 0.0
        return Use(
            open=opened,
            minute_full_until=full_until,
            day_cost=self._day_cost,
            day_room_at=self._day_from + DAY_S,
            hold_until=hold_until or 0.0,
        )

    def enter(self, connection: Connection, cost: int, now: float) -> Ticket:
        self._day_cost += cost
        ((number,),) = _OPEN.all(connection, self._open, now, cost, now + FLIGHT_S, self._owner)
        return Ticket(number, now, cost)

    def _end_of_the_dead(self, connection: Connection, now: float) -> int:
        """Count the calls of processes of this machine that have ended as answered; returns how many."""
        query = sa.select(call.c.id, call.c.owner).where(call.c.account == self._open, call.c.until > now)
        dead = [row.id for row in connection.execute(query) if row.owner and died_here(row.owner)]
        if dead:
            change = sa.update(call).where(call.c.id.in_(dead)).values(account=self._account, until=None)
            connection.execute(change)
        return len(dead)

    def _read_day(self, connection: Connection, now: float) -> None:
        """Sum up the last 24 hours of every process."""
        asked = {"of": self._account, "open": self._open, "since": now - DAY_S}
        cost, oldest = connection.execute(_DAY, asked).one()
        self._day_cost, self._day_from, self._day_read = int(cost), oldest or now, now

    def _tidy(self, connection: Connection, now: float) -> None:
        for account in (self._account, self._open):
            _TIDY.run(connection, account, now - DAY_S)
        self._tidied = now


class _LockedBook:
    """The ledger inside its transaction."""

    def __init__(self, ledger: CallLedger, connection: Connection) -> None:
        self._ledger = ledger
        self._connection = connection

    def use(self, limits: Limits, now: float, *, minute: bool, day: bool) -> Use:
        return self._ledger.use(self._connection, limits, now, minute=minute, day=day)

    def enter(self, cost: int, now: float) -> Ticket:
        return self._ledger.enter(self._connection, cost, now)
