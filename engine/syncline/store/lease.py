"""Who may work on what: leases that expire, each with an epoch that fences off a holder who slept through it.

Time is the database's, so machines need not agree on theirs.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.store.database import Database, StoreError
from syncline.store.statement import Statement, insert_into, param, sql
from syncline.store.tables import lease

TTL_S = 60.0


def _now(dialect: str) -> sa.ColumnElement[float]:
    """Seconds since the epoch by the database's clock, with fractions."""
    if dialect == "sqlite":
        # Milliseconds; SQLite older than 3.42 has no other way to them.
        return sql("(julianday('now') - 2440587.5) * 86400.0")
    return sql("CAST(extract(epoch FROM clock_timestamp()) AS FLOAT)")


def _taking(dialect: str) -> sa.Insert:
    until = _now(dialect) + param("ttl")
    insert = insert_into(lease, dialect).values(
        key=param("key"), owner=param("owner"), epoch=sql("1"), until=until
    )
    new = insert.excluded
    taken: sa.Insert = insert.on_conflict_do_update(
        index_elements=["key"],
        set_={"owner": new.owner, "epoch": lease.c.epoch + sql("1"), "until": new.until},
        where=lease.c.until <= _now(dialect),
    ).returning(lease.c.epoch)
    return taken


def _mine() -> sa.Update:
    keys = ("key", "epoch", "owner")
    return sa.update(lease).where(*(lease.c[name] == param(f"k_{name}") for name in keys))


_TAKE = Statement("key owner ttl", _taking)
_RENEW = Statement("ttl k_key k_epoch k_owner", lambda on: _mine().values(until=_now(on) + param("ttl")))
_RELEASE = Statement("k_key k_epoch k_owner", lambda _: _mine().values(until=sql("0.0")))
#: It changes nothing, but locks the row until the transaction ends.
_FENCE = Statement("k_key k_epoch k_owner", lambda _: _mine().values(epoch=lease.c.epoch))


class LeaseLost(SynclineError):
    """Another process has taken over; whatever this one still wanted to write must not be written."""


class LeaseBusy(SynclineError):
    """Another process is at it. ``owner``: which; ``left_s``: seconds until its lease ends unless renewed."""

    def __init__(self, what: str, *, fix: str, owner: str, left_s: float) -> None:
        super().__init__(what, fix=fix)
        self.owner = owner
        self.left_s = left_s


class Lease(Struct, frozen=True, kw_only=True):
    """A lease as it was acquired. ``epoch`` grows by one with every new holder of ``key``."""

    key: str
    owner: str
    epoch: int


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a lease now, and for how many more seconds."""

    owner: str
    epoch: int
    left_s: float


def this_process() -> str:
    """A name for this holder, told to those who find the lease taken."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Leases:
    """The leases of one state, as one owner takes them."""

    def __init__(self, database: Database, *, owner: str | None = None, ttl_s: float = TTL_S) -> None:
        self._database = database
        self._owner = owner or this_process()
        self._ttl_s = ttl_s

    def acquire(self, key: str) -> Lease | None:
        """Take a lease that is free or has ended; ``None`` when another holds it."""
        with self._database.write() as connection:
            taken = _TAKE.all(connection, key, self._owner, self._ttl_s)
        return Lease(key=key, owner=self._owner, epoch=taken[0][0]) if taken else None

    def renew(self, held: Lease) -> bool:
        """Make it last another full time; ``False`` when it is no longer ours."""
        with self._database.write() as connection:
            return _RENEW.run(connection, self._ttl_s, held.key, held.epoch, held.owner) == 1

    def release(self, held: Lease) -> None:
        """Let others in at once. Harmless when it is no longer ours; the epoch stays remembered."""
        with self._database.write() as connection:
            _RELEASE.run(connection, held.key, held.epoch, held.owner)

    def holder(self, key: str) -> Holder | None:
        """Who holds it now."""
        now = _now(self._database.dialect)
        query = sa.select(lease.c.owner, lease.c.epoch, lease.c.until - now).where(lease.c.key == key)
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        if found is None or found[2] <= 0:
            return None
        return Holder(owner=found[0], epoch=found[1], left_s=float(found[2]))

    def held(self) -> list[str]:
        """The keys of every lease that somebody holds now."""
        query = sa.select(lease.c.key).where(lease.c.until > _now(self._database.dialect))
        with self._database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def check(self, held: Lease) -> None:
        """Raises :class:`LeaseLost` unless it is ours and has not ended: ask before every remote write."""
        holder = self.holder(held.key)
        if holder is None or holder.epoch != held.epoch:
            raise _lost(held)

    @contextmanager
    def hold(
        self,
        key: str,
        *,
        wait_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
        poll_s: float = 0.05,
    ) -> Iterator[Kept]:
        """Hold a lease for the length of the block, renewed from a thread of its own.

        ``wait_s``: how long to wait for another holder. Raises :class:`LeaseBusy`.
        """
        deadline = time.monotonic() + wait_s
        while (held := self.acquire(key)) is None:
            if self._end_of_the_dead(key):
                continue
            if time.monotonic() >= deadline:
                raise self._busy(key)
            sleep(poll_s)
        kept = Kept(self, held, self._ttl_s / 3)
        try:
            yield kept
        finally:
            kept.stop()
            with suppress(StoreError):  # then it ends by itself; the block's own error must not be hidden
                self.release(held)

    def _end_of_the_dead(self, key: str) -> bool:
        """End the lease of a process of this machine that no longer runs, so that nobody waits for it."""
        holder = self.holder(key)
        if holder is None or not died_here(holder.owner):
            return False
        with self._database.write() as connection:
            connection.execute(
                sa.update(lease).where(lease.c.key == key, lease.c.epoch == holder.epoch).values(until=0.0)
            )
        return True

    def _busy(self, key: str) -> LeaseBusy:
        holder = self.holder(key)
        owner, left_s = (holder.owner, holder.left_s) if holder else ("another process", 0.0)
        return LeaseBusy(
            f"{key} is being worked on by {owner}",
            fix=f"wait for it to end; should it have died, its lease ends by itself within {left_s:.0f} s",
            owner=owner,
            left_s=left_s,
        )


class Kept:
    """A lease that is being renewed in the background until :meth:`stop`."""

    def __init__(self, leases: Leases, held: Lease, every_s: float) -> None:
        self.lease = held
        self._leases = leases
        self._every_s = every_s
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {held.key}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make it last another full time; raises :class:`LeaseLost` when it is no longer ours. Ask before
        every remote write: a lease that might end while the request goes out would be no protection."""
        if self._lost.is_set() or not self._leases.renew(self.lease):
            raise _lost(self.lease)

    def stop(self) -> None:
        """Renew no more; returns when no renewal is under way."""
        self._stop.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                if not self._leases.renew(self.lease):
                    self._lost.set()
                    return
            except StoreError:
                # A busy or unreachable state may recover before the lease ends; `check` and `fence` ask it.
                continue


def died_here(owner: str) -> bool:
    """Whether an owner (see :func:`this_process`) was a process of this machine that has ended. A wrong no
    only costs a wait."""
    host, pid, _ = owner.rsplit(":", 2) if owner.count(":") >= 2 else ("", "", "")
    if host != socket.gethostname() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def fence(connection: Connection, held: Lease) -> None:
    """Make sure, inside a write transaction, that nobody has taken over, and that nobody can before it ends.

    Raises :class:`LeaseLost`, which undoes the transaction.
    """
    if _FENCE.run(connection, held.key, held.epoch, held.owner) != 1:
        raise _lost(held)


def _lost(held: Lease) -> LeaseLost:
    return LeaseLost(
        f"another process has taken over {held.key}",
        fix="nothing to do: it goes on with the same work; if this happens often, look for what stalls"
        " this machine for so long",
    )
