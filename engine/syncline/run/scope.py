"""A module at work: its maps, its two sessions and its rows, for one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct, field
from sqlalchemy.engine import Connection

from syncline.connect.contract import Account, RemoteModule, Session
from syncline.errors import SynclineError
from syncline.mapping.drift import Drift
from syncline.mapping.expressions import Expressions
from syncline.mapping.module import ModuleMap, Side
from syncline.mapping.nesting import is_item, parent_of
from syncline.mapping.offered import Offered
from syncline.reconcile.merge import FirstLook
from syncline.spec.matches import Matches
from syncline.spec.model import Direction, Module, Spec
from syncline.store.database import Database
from syncline.store.ids import next_id
from syncline.store.ledger import Ledger, Link

#: How long a refused record rests before the next try, by the number of tries so far; then it is dead.
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (5, 30, 120, 480, 1440, 1440, 1440))


class SafetyStop(SynclineError):
    """Something looks so much like a mishap that nothing is written before a person has looked."""


#: ``keep(kind, (left id, right id), who, why)``: whether it stands in the file now, see
#: :mod:`syncline.run.keeping`.
Keep = Callable[[str, tuple[str | None, str | None], str, str], bool]

_NO_DRIFT = Drift()
NO_MATCHES = Matches()


class ScopeEnd(Struct, kw_only=True):
    """One end of a module at work. ``skew``: the remote's clock minus ours. ``read_at``: until when, by the
    remote's clock, every change is known, once the end has been read; ``reached``: the cursor there, while a
    full read has not been compared."""

    system: str
    remote: RemoteModule
    session: Session
    account: Account
    skew: timedelta = timedelta()
    read_at: datetime | None = None
    reached: str | None = None

    def whole(self, record: str) -> tuple[str, str, str]:
        """What the remote is told when a record is written (system, remote module, id): that record; of an
        item, the one whose list it is in."""
        if is_item(self.remote):
            return self.system, self.remote.name.partition(".")[0], parent_of(record)
        return self.system, self.remote.name, record


class Onlooker(Struct, frozen=True, kw_only=True):
    """One module as somebody sees it who writes nothing, beside whatever pass is at work on it. ``scope``:
    what the state has of it, ``None`` before its first pass. ``now`` gives the instant, aware UTC."""

    spec: Spec
    module: Module
    maps: ModuleMap
    ends: tuple[ScopeEnd, ScopeEnd]
    scope: int | None
    database: Database
    expressions: Expressions
    now: Callable[[], datetime]
    drift: Drift = _NO_DRIFT

    def system(self, side: Side) -> str:
        return self.ends[side].system

    def today(self, side: Side) -> str:
        """The calendar day at an end's organisation."""
        return local_day(self.now(), self.ends[side].account.timezone)


class Totals(Struct, kw_only=True):
    """What one pass of one module did: counts by system for what happens at an end."""

    read: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    archived: Counter[str] = field(default_factory=Counter)
    voided: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    #: records that a remote gave although only later changes were asked for
    stray: Counter[str] = field(default_factory=Counter)
    linked: int = 0
    #: pairs that the likely rule has scored
    compared: int = 0
    #: keys of the likely rule that so many records share that they say nothing, with how many at either end
    crowded: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: records that have no other key than such
    unmatched: set[tuple[int, str]] = field(default_factory=set)
    unchanged: int = 0


def left_out_with(module: str) -> str:
    """Why a module is left out of a pass together with one that it refers to."""
    return f"left out: it refers to {module}, which failed; it goes on as soon as {module} does"


class Scope:
    """One module of one spec between two organisations, during one pass.

    ``fence`` is called with the connection in every transaction that writes, and raises LeaseLost when
    another process has taken over. ``check`` is called right before anything that may change a remote leaves
    this process, and raises it too. ``now`` gives the instant, aware UTC. ``unapproved``: the maps that are
    new or changed and that nobody has approved of; ``approve`` remembers, that somebody has. ``drift``:
    what the remotes' fields no longer let it do; ``look_anew`` has an end's fields looked at in this very
    pass, with what they let choose, and tells whether they are others now.

    ``unanswered``: the operations of this pass whose answer was lost, and how; ``in_flight``: the links with
    a write that may still be carried out: they are left alone; ``under_way``: what such a write would tell
    the remote, see :meth:`ScopeEnd.whole`, which modules that share the end leave alone as well.
    """

    def __init__(
        self,
        *,
        module: Module,
        maps: ModuleMap,
        ends: tuple[ScopeEnd, ScopeEnd],
        database: Database,
        ledger: Ledger,
        pass_id: int,
        fence: Callable[[Connection], None],
        now: Callable[[], datetime],
        unapproved: frozenset[str] = frozenset(),
        approve: Callable[[Connection], None] = lambda db: None,
        check: Callable[[], None] = lambda: None,
        drift: Drift = _NO_DRIFT,
        look_anew: Callable[[Side], bool] = lambda side: False,
    ) -> None:
        self.module = module
        self.maps = maps
        self.ends = ends
        self.database = database
        self.ledger = ledger
        self.pass_id = pass_id
        self.fence = fence
        self.now = now
        self.unapproved = unapproved
        self.drift = drift
        self.look_anew = look_anew
        self._offered: list[Offered | None] = [None, None]
        self.approve = approve
        #: whether a person has said that this pass may do what looks like a mishap
        self.accept = False
        self.check = check
        self.unanswered: dict[int, str] = {}
        self.in_flight: set[int] = set()
        self.under_way: set[tuple[str, str, str]] = set()
        #: records without a link (module, side there, id) that are referred to, and the rows here that wait
        self.missed: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
        #: records (side, id) that others wait for: they are created whatever else the spec would leave out
        self.needed: set[tuple[int, str]] = set()
        self.totals = Totals()
        #: records whose pair this pass has taken apart by the rule: they wait for their next change
        self.left_alone: set[tuple[Side, str]] = set()
        #: both ends are read whole, whatever the cursors say, and what is missing is looked up
        self.full = False
        self.look = FirstLook(maps.entries)
        #: whether records of a side are looked at again on a day that the spec works out
        self.rechecks = [module.recheck.get(end.system) is not None for end in ends]
        #: a person asked for this very pass: what was paused or refused before is tried once more
        self.insist = False
        self.scopes: Mapping[str, Scope] = {}
        #: what people decided about records that have never met
        self.matches = NO_MATCHES
        #: keeps for good what was carried out of that (kind, (left id, right id), who, why)
        self.keep: Keep = lambda kind, ids, who, why: False
        #: whether all of this is undone at the end, and nothing may be kept
        self.rehearsing = False
        #: what somebody should know of this pass
        self.notes: list[str] = []

    @property
    def name(self) -> str:
        return self.module.name

    def side_of(self, system: str) -> Side:
        return Side.LEFT if self.ends[0].system == system else Side.RIGHT

    def can(self, side: Side, kind: str) -> bool:
        """Whether the remote module at an end has this kind of write."""
        capabilities = self.ends[side].remote.capabilities
        return {
            "create": capabilities.create_batch > 0,
            "update": capabilities.update_batch > 0,
            "archive": capabilities.archive,
            "restore": capabilities.archive,
            "void": capabilities.void,
            "delete": capabilities.delete,
        }[kind]

    def creates_from(self, side: Side) -> bool:
        """Whether the module's direction lets it create records at the other end."""
        outwards = Direction.TO_RIGHT if side is Side.LEFT else Direction.TO_LEFT
        return self.module.direction in (Direction.BOTH, outwards)

    def lacking(self, side: Side, body: Mapping[str, Any]) -> tuple[str, str] | None:
        """The first value of an operation that the organisation does not have to choose, as it was last seen:
        the field that would hold it, and why it cannot. ``body``: as the journal keeps it."""
        known, remote = self._offered[side], self.ends[side].remote
        if known is None or known.remote is not remote:
            known = self._offered[side] = Offered(self.maps, side, remote)
        return known.lacking({name: part["set"] for name, part in body["fields"].items()})

    def new_link(self, left: str | None, right: str | None, how: dict[str, Any]) -> Link:
        """A link of two records that have agreed on nothing yet; a record that is still to be made is
        ``None``."""
        return Link(
            id=next_id(),
            ids=[left, right],
            keys=[None, None],
            versions=["", ""],
            prints=[None, None],
            states=["live", "live"],
            base=[{}, {}],
            open=set(self.maps.by_name),
            sent=[set(), set()],
            locks=[None, None],
            recheck=None,
            how=how,
            pass_id=self.pass_id,
            made_at=self.now(),
        )

    def today(self, side: Side) -> str:
        """The calendar day at an end's organisation."""
        return local_day(self.now(), self.ends[side].account.timezone)

    def retry(self, attempts: int) -> tuple[str, datetime | None]:
        """The status and the due instant of a row that has failed so many times."""
        if attempts > len(RETRY_DELAYS):
            return "dead", None
        return "failed", self.now() + RETRY_DELAYS[attempts - 1]


def local_day(now: datetime, timezone: str | None) -> str:
    """The calendar day in a time zone (IANA name; UTC when unknown)."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zone: Any = ZoneInfo(timezone) if timezone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return now.astimezone(zone).date().isoformat()
