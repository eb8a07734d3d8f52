"""How far a list has been read: a stamp that lags, what was delivered since it, and the place within a scan.

A row can show up later than its stamp says, and stamps are whole seconds, so the last minutes are listed
again by each read. Details cost a call each: what was delivered at the same stamp before is not fetched
again, unless its second was not over when it was listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from syncline.connect import RemoteProtocolError
from syncline_zoho.books.values import read_instant, utc_text

OVERLAP = timedelta(minutes=5)
#: a row of this age at the moment it was listed can change no more without another stamp
SETTLED = timedelta(seconds=2)
#: so many delivered rows are remembered; beyond that some are fetched once more
REMEMBERED = 2_000


class Scan(Struct, frozen=True, kw_only=True):
    """An unfinished read. ``offset``: rows of the list passed; ``anchors``: ids of the last of them, by which
    the place is known again; ``started``: by the remote's clock."""

    offset: int = 0
    anchors: tuple[str, ...] = ()
    started: str | None = None


class Cursor(Struct, frozen=True, kw_only=True):
    """``low``: everything changed up to here was delivered; ``seen``: stamps by id of what was delivered
    from there on; ``day``: the organisation's day up to which lapsed documents were looked for;
    ``offset_min``: how far its clock is from UTC, as its rows told last."""

    low: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    scan: Scan | None = None
    day: str | None = None
    offset_min: int = 0

    @property
    def since(self) -> datetime | None:
        return None if self.low is None else read_instant(self.low)

    def begin(self) -> Cursor:
        return self if self.scan is not None else replace(self, scan=Scan())

    def wants(self, record_id: str, stamp: str) -> bool:
        """Whether a listed row is news."""
        return (self.low is None or stamp >= self.low) and self.seen.get(record_id) != stamp

    def passed(self, scan: Scan, delivered: Iterable[tuple[str, str]], now: datetime) -> Cursor:
        """After a page of a scan. ``delivered``: (id, stamp); ``now``: when it was listed."""
        settled = utc_text(now - SETTLED)
        seen = {**self.seen, **{i: stamp for i, stamp in delivered if stamp < settled}}
        return replace(self, seen=seen, scan=scan)

    def finish(self) -> Cursor:
        """After the last page."""
        started = self.scan.started if self.scan else None
        moment = read_instant(started) if started else None
        if moment is None:
            raise RemoteProtocolError("a scan ended before it began")
        low = max(self.low or "", utc_text(moment - OVERLAP))
        young = {i: stamp for i, stamp in self.seen.items() if stamp >= low}
        seen = dict(list(young.items())[-REMEMBERED:])
        return Cursor(low=low, seen=seen, day=self.day, offset_min=self.offset_min)

    def today(self, now: datetime) -> str:
        """The organisation's day."""
        return (now.astimezone(UTC) + timedelta(minutes=self.offset_min)).date().isoformat()

    def to_text(self) -> str:
        scan = self.scan
        content: dict[str, Any] = {"v": 1, "low": self.low, "day": self.day, "offset": self.offset_min}
        seen = self.seen if scan is None else self._recent()
        content["seen"] = dict(seen)
        if scan is not None:
            content["scan"] = {"offset": scan.offset, "anchors": list(scan.anchors), "started": scan.started}
        return msgspec.json.encode(content).decode()

    def _recent(self) -> Mapping[str, str]:
        """Of an unfinished scan, those that may still matter at its end."""
        started = read_instant(self.scan.started) if self.scan and self.scan.started else None
        if started is None:
            return self.seen
        low = utc_text(started - OVERLAP)
        return dict([(i, stamp) for i, stamp in self.seen.items() if stamp >= low][-REMEMBERED:])


def read_cursor(text: str | None) -> Cursor:
    """A stored cursor; raises RemoteProtocolError when it is none of ours."""
    if not text:
        return Cursor()
    try:
        content = msgspec.json.decode(text)
        if content["v"] != 1:
            raise ValueError(f"version {content['v']}")
        raw = content.get("scan")
        scan = None
        if raw is not None:
            scan = Scan(
                offset=int(raw["offset"]), anchors=tuple(map(str, raw["anchors"])), started=raw["started"]
            )
        return Cursor(
            low=content["low"],
            seen=dict(content["seen"]),
            scan=scan,
            day=content["day"],
            offset_min=int(content["offset"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
        raise RemoteProtocolError(
            "the stored position in this module cannot be read",
            fix="run `syncline reset` for this connection, then sync again from the start",
        ) from error
