"""How far a module has been read: a watermark that lags, and what lies between it and the newest.

A record can show up in queries later than its ``Modified_Time`` says, so what was read within the
overlap is read again. To cost no extra call, that is done within the one page a quiet read makes
anyway; when more than fits was changed within the overlap (a first pass wrote thousands), reading goes
on from the newest, and the overlap is read again once what was so much has aged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from syncline.connect import RemoteProtocolError
from syncline_zoho.crm.query import MAX_ROWS, after, instant
from syncline_zoho.crm.values import read_instant, utc_text

OVERLAP = timedelta(minutes=5)
#: rows of the overlap that may be read again in passing; the rest of the page is for what is new
ROOM = MAX_ROWS // 4

#: (Modified_Time as UTC text, id)
Place = tuple[str, str]


class Scan(Struct, frozen=True, kw_only=True):
    """An unfinished read. ``started``: by the remote's clock, once known; ``at``: the last row
    delivered; ``since``: where it began (inclusive), ``None`` for everything; ``wide``: it leaves out what
    lies between ``Cursor.low`` and there; ``seen``: rows so far that will have to be read again; ``alike``:
    those with the stamp of the last; ``rows``: rows so far; ``whole``: it reads everything."""

    started: str | None = None
    at: Place | None = None
    since: str | None = None
    wide: bool = False
    seen: int = 0
    alike: int = 0
    rows: int = 0
    whole: bool = False


class Cursor(Struct, frozen=True, kw_only=True):
    """``low``: all changes up to here were read after they had aged; ``high``: the newest row seen;
    ``alike``: how many have its stamp; ``seen``: rows found between when the overlap was last read, which was
    up to ``until``; ``deleted``: deletions up to here were read; ``whole``: when the last read of everything
    began; ``rows``: how many rows it had."""

    low: str | None = None
    high: Place | None = None
    alike: int = 0
    seen: int = 0
    until: str | None = None
    deleted: str | None = None
    whole: str | None = None
    rows: int = 0
    scan: Scan | None = None

    def begin_whole(self) -> Cursor:
        """With a scan of everything, whatever was read before; one that was begun is gone on with."""
        return self if self.scan is not None else replace(self, scan=Scan(whole=True))

    def begin(self, now: datetime) -> Cursor:
        """With a scan to go on with. ``now``: by our clock, good enough to tell what has aged."""
        if self.scan is not None:
            return self
        if self.low is None:
            return replace(self, scan=Scan(whole=True))
        aged = self.until is None or utc_text(now - OVERLAP) >= self.until
        if self.seen <= ROOM or aged or self.high is None:
            return replace(self, scan=Scan(since=self.low))
        if self.alike > ROOM:
            return replace(self, scan=Scan(at=self.high, alike=self.alike, wide=True))
        # the newest second itself once more: what was changed later in it has the same stamp
        return replace(self, scan=Scan(since=self.high[0], wide=True))

    def where(self) -> str:
        """The condition of the next page, for rows in the order of (Modified_Time, id)."""
        scan = self.scan or Scan()
        if scan.at is not None:
            return after(*scan.at)
        if scan.since is not None:
            return f"Modified_Time >= {instant(scan.since)}"
        return "id is not null"

    @property
    def since(self) -> str | None:
        """The stamp before which no row of the next page can be, ``None`` when any can."""
        scan = self.scan or Scan()
        return scan.since if scan.at is None else scan.at[0]

    def repeated(self, places: Sequence[Place]) -> bool:
        """Whether a page holds what :meth:`where` did not ask for: going on after it would never end."""
        scan = self.scan or Scan()
        if scan.at is not None:
            return scan.at in places
        return bool(places) and self.since is not None and places[0][0] < self.since

    def advance(self, places: Sequence[Place], server_time: datetime) -> Cursor:
        """After a page; ``places``: of its rows, in order."""
        scan = self.scan or Scan()
        # a row's stamp is the remote's clock too, and can be ahead of the one that dates its answers
        newest = max((stamp for stamp, _ in places), default="")
        started = scan.started or max(utc_text(server_time), newest)
        settled = utc_text(read_instant(started) - OVERLAP)
        young = sum(1 for stamp, _ in places if stamp >= settled)
        at = places[-1] if places else scan.at
        latest = None if at is None else at[0]
        alike = sum(1 for stamp, _ in places if stamp == latest)
        if scan.at is not None and scan.at[0] == latest:
            alike += scan.alike
        return replace(
            self,
            scan=replace(
                scan,
                started=started,
                at=at,
                seen=scan.seen + young,
                alike=alike,
                rows=scan.rows + len(places),
            ),
        )

    def finish(self) -> Cursor:
        """After the last page."""
        scan = self.scan or Scan()
        if scan.started is None:
            raise RemoteProtocolError("a scan ended before it began")
        settled = utc_text(read_instant(scan.started) - OVERLAP)
        high = max((place for place in (self.high, scan.at) if place is not None), default=None)
        deleted = self.deleted or settled
        alike = scan.alike if high == scan.at else self.alike
        done = replace(self, high=high, alike=alike, deleted=deleted, scan=None)
        if scan.wide:
            return done
        low = max(self.low or settled, settled)
        done = replace(done, low=low, seen=scan.seen, until=None if high is None else high[0])
        return replace(done, whole=scan.started, rows=scan.rows) if scan.whole else done

    def to_text(self) -> str:
        return msgspec.json.encode({"v": 1, **asdict(self)}).decode()


def read_cursor(text: str | None) -> Cursor:
    """A stored cursor; raises RemoteProtocolError when it is none of ours."""
    if text is None:
        return Cursor()
    try:
        content = msgspec.json.decode(text)
        if content["v"] != 1:
            raise ValueError(f"version {content['v']}")
        return msgspec.convert(content, Cursor)
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        raise RemoteProtocolError(
            "the stored position in this module cannot be read",
            fix="run `syncline reset` for this connection, then sync again from the start",
        ) from error
