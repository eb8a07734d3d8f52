"""One Xero connection in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from syncline.connect import (
    Account,
    Catalogue,
    Connection,
    Organisation,
    Outcome,
    Page,
    Record,
    RemoteModule,
    RemoteProtocolError,
    SentWrite,
    Session,
    Write,
    WrongOrganisation,
)
from syncline_xero.api import Api, Listing
from syncline_xero.catalogue import CATALOGUE, with_choices
from syncline_xero.reading import count_live, read_by_ids, read_pages
from syncline_xero.settling import settle_creates
from syncline_xero.wire import read_row
from syncline_xero.writing import write_batch
from syncline_xero.zones import iana_zone


class XeroSession(Session):
    """Talks to one organisation. Lock dates are known once :meth:`check` has been called."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = Api(connection=connection, organisation=connection.organisation)
        self._lock_until: str | None = None

    def organisations(self) -> Sequence[Organisation]:
        return self._api.organisations()

    def check(self) -> Account:
        if self._api.organisation is None:
            self._choose_only_one()
        listing = self._about()
        about = read_row("Organisation", listing.rows[0])
        said = Organisation(id=str(about.get("OrganisationID")), name=str(about.get("Name")))
        chosen = self._connection.organisation
        if chosen is not None and said.id.lower() != chosen.id.lower():
            raise WrongOrganisation(
                f"the connection was made for {chosen.name!r} but answers for {said.name!r}",
                fix="run `syncline connect` for this system again and choose the organisation",
            )
        dates = [d for d in (about.get("PeriodLockDate"), about.get("EndOfYearLockDate")) if d]
        self._lock_until = max(dates, default=None)
        return Account(
            organisation=said,
            currency=about.get("BaseCurrency"),
            timezone=iana_zone(about.get("Timezone")),
            country=about.get("CountryCode"),
            scopes=tuple(self._connection.extras.get("scope", "").split()),
            server_time=listing.server_time,
            warnings=tuple(self._warnings(about, listing.rows[0])),
            pages=_pages(about.get("ShortCode")),
        )

    def discover(self) -> Catalogue:
        def rows(module: str) -> list[Mapping[str, Any]]:
            listing = self._api.get_list(module)
            return _active(listing.rows if listing is not None else ())

        def column(module: str, name: str) -> list[str]:
            return [str(r[name]) for r in rows(module) if r.get(name)]

        accounts = rows("Accounts")
        return with_choices(
            currencies=column("Currencies", "Code"),
            tax_types=column("TaxRates", "TaxType"),
            accounts=[str(r["Code"]) for r in accounts if r.get("Code")],
            paying=[str(r["Code"]) for r in accounts if r.get("Code") and _takes_payments(r)],
            tracking={
                str(r["Name"]): [str(o["Name"]) for o in _active(r.get("Options") or ())]
                for r in rows("TrackingCategories")
            },
        )

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        return read_pages(self._api, _module(module), cursor, self._lock_until, fields)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        return read_by_ids(self._api, _module(module), ids, self._lock_until)

    def count(self, module: str) -> int | None:
        return count_live(self._api, _module(module))

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return write_batch(self._api, _module(module), writes, self._lock_until)

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        return settle_creates(self._api, _module(module), sent, self._lock_until)

    # --- who is there ------------------------------------------------------------------------------

    def _about(self) -> Listing:
        listing = self._api.get_list("Organisation")
        if listing is None or not listing.rows:
            raise RemoteProtocolError("Xero does not say which organisation this is", fix="check base_url")
        return listing

    def _choose_only_one(self) -> None:
        """Without a chosen organisation, the only one there is."""
        found = self._api.organisations()
        if len(found) != 1:
            names = ", ".join(repr(o.name) for o in found) or "none"
            raise WrongOrganisation(
                f"no organisation has been chosen; this sign-in is connected to {names}",
                fix="name one as `organisation` of the system, or run `syncline connect` again",
            )
        self._api.organisation = found[0]

    def _warnings(self, about: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[str]:
        if about.get("IsDemoCompany"):
            yield "this is a demo company: Xero resets it every 28 days"
        if raw.get("OrganisationStatus", "ACTIVE") != "ACTIVE":
            yield f"the organisation's status is {raw['OrganisationStatus']}"
        if self._lock_until:
            yield f"the books are locked up to {self._lock_until}: older approved invoices stay as they are"


def _active(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [r for r in rows if r.get("Status", "ACTIVE") == "ACTIVE"]


def _takes_payments(account: Mapping[str, Any]) -> bool:
    return bool(account.get("Type") == "BANK" or account.get("EnablePaymentsToAccount"))


def _module(name: str) -> RemoteModule:
    module = CATALOGUE.module(name)
    if module is None:
        raise KeyError(name)
    return module


def _pages(short_code: str | None) -> dict[str, str]:
    """Where a person sees a record: the addresses that Xero's own MCP server gives out, by the organisation's
    short code."""
    if not short_code:
        return {}
    app = f"https://go.xero.com/app/{short_code}"
    return {
        "Contacts": f"{app}/contacts/contact/{{id}}",
        "Invoices": f"{app}/invoicing/view/{{id}}",
        "Quotes": f"{app}/quotes/view/{{id}}",
    }
