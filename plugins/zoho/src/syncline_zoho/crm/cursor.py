"""How far a module has been read: a watermark that lags, and what lies between it and the newest.

A record can show up in queries later than its ``Modified_Time`` says, so what was read within the
overlap is read again. To cost no extra call, that is done within the one page a quiet read makes
anyway; when more than fits was changed within the overlap (a first pass wrote thousands), reading goes
on from the newest, and the overlap is read again once it has aged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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
    delivered; ``since``: where it began (inclusive), ``None`` for everything or when ``wide``, which
    began after ``Cursor.high``; ``seen``: rows so far that will have to be read again; ``rows``: rows so
    far; ``whole``: it reads everything."""

    started: str | None = None
    at: Place | None = None
    since: str | None = None
    wide: bool = False
    seen: int = 0
    rows: int = 0
    whole: bool = False


class Cursor(Struct, frozen=True, kw_only=True):
    """``low``: all changes up to here were read after they had aged; ``high``: the newest row seen;
    ``seen``: rows known to lie between; ``deleted``: deletions up to here were read; ``whole``: when the last
    read of everything began; ``rows``: how many rows it had."""

    low: str | None = None
    high: Place | None = None
    seen: int = 0
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
        aged = self.high is None or utc_text(now - OVERLAP) >= self.high[0]
        if self.seen <= ROOM or aged:
            return replace(self, scan=Scan(since=self.low))
        return replace(self, scan=Scan(wide=True))

    def where(self) -> str:
        """The condition of the next page, for rows in the order of (Modified_Time, id)."""
        scan = self.scan or Scan()
        if scan.at is not None:
            return after(*scan.at)
        if scan.wide and self.high is not None:
            return after(*self.high)
        if scan.since is not None:
            return f"Modified_Time >= {instant(scan.since)}"
        return "id is not null"

    @property
    def since(self) -> str | None:
        """The stamp before which no row of the next page can be, ``None`` when any can."""
        scan = self.scan or Scan()
        if scan.at is not None:
            return scan.at[0]
        return self.high[0] if scan.wide and self.high is not None else scan.since

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
        # all that a wide scan reads will have to be read again together with what came before it
        young = sum(1 for stamp, _ in places if scan.wide or stamp >= settled)
        return replace(
            self,
            scan=replace(
                scan,
                started=started,
                at=places[-1] if places else scan.at,
                seen=scan.seen + young,
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
        if scan.wide:
            return replace(self, high=high, seen=self.seen + scan.seen, deleted=deleted, scan=None)
        low = max(self.low or settled, settled)
        done = replace(self, low=low, high=high, seen=scan.seen, deleted=deleted, scan=None)
        return replace(done, whole=scan.started, rows=scan.rows) if scan.whole else done

    def to_text(self) -> str:
        scan = self.scan
        content: dict[str, Any] = {
            "v": 1,
            "low": self.low,
            "high": self.high,
            "seen": self.seen,
            "deleted": self.deleted,
            "whole": self.whole,
            "rows": self.rows,
            "scan": None
            if scan is None
            else {
                "started": scan.started,
                "at": scan.at,
                "since": scan.since,
                "wide": scan.wide,
                "seen": scan.seen,
                "rows": scan.rows,
                "whole": scan.whole,
            },
        }
        return msgspec.json.encode(content).decode()


def read_cursor(text: str | None) -> Cursor:
    """A stored cursor; raises RemoteProtocolError when it is none of ours."""
    if text is None:
        return Cursor()
    try:
        content = msgspec.json.decode(text)
        if content["v"] != 1:
            raise ValueError(f"version {content['v']}")
        raw = content["scan"]
        scan = None if raw is None else Scan(**{**raw, "at": _place(raw["at"])})
        return Cursor(
            low=content["low"],
            high=_place(content["high"]),
            seen=content["seen"],
            deleted=content["deleted"],
            whole=content.get("whole"),
            rows=content.get("rows", 0),
            scan=scan,
        )
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        raise RemoteProtocolError(
            "the stored position in this module cannot be read",
            fix="run `syncline reset` for this connection, then sync again from the start",
        ) from error


def _place(raw: Any) -> Place | None:
    return None if raw is None else (str(raw[0]), str(raw[1]))
