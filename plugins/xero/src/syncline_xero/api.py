"""Calls of the accounting API: addresses, headers, envelopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from syncline.connect import (
    Connection,
    HttpReply,
    Organisation,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    WrongOrganisation,
)
from syncline_xero.faults import call_error
from syncline_xero.hosts import hosts_of
from syncline_xero.kinds import KINDS
from syncline_xero.wire import read_instant


class Listing(Struct, frozen=True, kw_only=True):
    """One list. ``page_count``: from the pagination object, ``None`` when the answer has none."""

    rows: Sequence[Mapping[str, Any]]
    server_time: datetime
    page_count: int | None = None
    item_count: int | None = None


class Api:
    """One organisation's endpoints. ``organisation``: whose, ``None`` for the only one of a custom
    connection."""

    def __init__(self, connection: Connection, organisation: Organisation | None) -> None:
        self.connection = connection
        self.organisation = organisation
        self.hosts = hosts_of(connection.options)

    def headers(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        # Xero answers in XML unless it is told otherwise.
        out = {"Accept": "application/json", **(extra or {})}
        if self.organisation is not None:
            out["xero-tenant-id"] = self.organisation.id
        return out

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> HttpReply:
        """Whatever answer Xero gave below 500, except 401 and 403, which are raised."""
        reply = self.connection.http.request(
            method,
            self.hosts.accounting(path),
            params=params,
            headers=self.headers(headers),
            json=json,
        )
        if reply.status in (401, 403):
            raise self._closed(reply, f"{method} {path.split('/')[1]}")
        return reply

    def get_one(self, module: str, record_id: str) -> Mapping[str, Any] | None:
        """One record by its own address, ``None`` when Xero has none of this id in the module."""
        kind = KINDS[module]
        listing = self.get_list(module, path=f"/{kind.path}/{quote(record_id, safe='')}")
        rows = listing.rows if listing is not None else ()
        return next((row for row in rows if kind.type in (None, row.get("Type"))), None)

    def get_list(
        self,
        module: str,
        *,
        path: str | None = None,
        params: Mapping[str, str] | None = None,
        since: str | None = None,
    ) -> Listing | None:
        """One page of a module, or ``None`` for a 404. ``since``: ISO UTC, for If-Modified-Since."""
        asked = {**(params or {})}
        kind = KINDS[module]
        if kind.four_places:
            asked["unitdp"] = "4"
        reply = self.send(
            "GET",
            path or f"/{kind.path}",
            params=asked,
            headers={"If-Modified-Since": since} if since else None,
        )
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise call_error(reply, f"reading {module}")
        return listing_of(reply, module)

    def organisations(self) -> list[Organisation]:
        """The organisations that this sign-in is connected to."""
        reply = self.connection.http.request(
            "GET", self.hosts.connections, headers={"Accept": "application/json"}
        )
        if reply.status != 200:
            raise call_error(reply, "listing the connected organisations")
        rows = reply.json()
        if not isinstance(rows, list):
            raise RemoteProtocolError("Xero sent no list of connections", status=reply.status)
        return [
            Organisation(id=str(row["tenantId"]), name=str(row.get("tenantName") or row["tenantId"]))
            for row in rows
            if row.get("tenantType", "ORGANISATION") == "ORGANISATION"
        ]

    def _closed(self, reply: HttpReply, what: str) -> RemoteError:
        """Why a 401 or 403: of a refused organisation, whether others are still connected."""
        error = call_error(reply, what)
        if reply.status != 403 or not isinstance(error, ReconnectNeeded) or self.organisation is None:
            return error
        others = self.organisations()
        if not others or any(o.id == self.organisation.id for o in others):
            return error
        return WrongOrganisation(
            f"this sign-in is not connected to {self.organisation.name!r},"
            f" only to {', '.join(repr(o.name) for o in others)}",
            fix="run `syncline connect` and consent for that organisation, or name another in the spec",
            status=403,
            correlation=error.correlation,
        )


def listing_of(reply: HttpReply, module: str) -> Listing:
    """The envelope of a 200; raises RemoteProtocolError for anything else that claims to be one."""
    body = reply.json()
    rows = body.get(KINDS[module].listed) if isinstance(body, dict) else None
    stamp = body.get("DateTimeUTC") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not isinstance(stamp, str):
        raise RemoteProtocolError(
            f"Xero's answer does not hold {module}",
            status=reply.status,
            correlation=reply.headers.get("xero-correlation-id"),
        )
    paging = body.get("pagination") or {}
    return Listing(
        rows=rows,
        server_time=read_instant(stamp),
        page_count=paging.get("pageCount"),
        item_count=paging.get("itemCount"),
    )
