"""One Zoho Books organisation in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from syncline.connect import (
    Account,
    Catalogue,
    Connection,
    Organisation,
    Outcome,
    Page,
    PermissionMissing,
    Record,
    RemoteProtocolError,
    SentWrite,
    Session,
    Write,
    WrongOrganisation,
)
from syncline_zoho.books.api import Api
from syncline_zoho.books.catalogue import tailored
from syncline_zoho.books.custom import CustomFields
from syncline_zoho.books.kinds import KINDS, synced
from syncline_zoho.books.reading import Reader
from syncline_zoho.books.reference import References
from syncline_zoho.books.settling import Settler
from syncline_zoho.books.writing import Writer
from syncline_zoho.datacenters import api_host, find_hosts
from syncline_zoho.pages import books_pages

#: a key that the remote holds in the record itself is never forgotten
_FOR_EVER_S = 10 * 365 * 86_400
#: What has a page of its own in the screens.
_PAGES = (
    "contacts",
    "items",
    "pricebooks",
    "estimates",
    "salesorders",
    "invoices",
    "bills",
    "purchaseorders",
    "customerpayments",
    "creditnotes",
)


#: How many records of a kind are looked at for a mark of Zoho's own link.
_LOOKED_AT = 3
_MARKS = ("zcrm_account_id", "zcrm_contact_id", "zcrm_vendor_id", "zcrm_product_id")


class ZohoBooksSession(Session):
    def __init__(self, connection: Connection) -> None:
        self._hosts = find_hosts(connection.options)
        host = api_host(self._hosts, connection.extras)
        chosen = connection.organisation
        self._chosen = chosen
        self._link_field = connection.options.get("link_field")
        self._api = Api(connection.http, host, chosen.id if chosen else None)
        self._custom = CustomFields(self._api)
        self._references = References(self._api)
        self._reader = Reader(self._api, self._custom, connection.options.get("locked_until"))
        self._writer = Writer(self._api, self._reader, self._references, self._custom, self._link_field)
        self._settler = Settler(self._api, self._reader, self._writer)

    def organisations(self) -> Sequence[Organisation]:
        """A user may see several, and the sign-in does not say which one was meant."""
        return [
            Organisation(id=str(row["organization_id"]), name=str(row.get("name") or row["organization_id"]))
            for row in self._organisations()
        ]

    def _organisations(self) -> list[Mapping[str, Any]]:
        rows = self._api.get("/organizations", everywhere=True).get("organizations")
        if not isinstance(rows, list):
            raise RemoteProtocolError("Zoho Books does not say which organisations there are")
        return [row for row in rows if isinstance(row, Mapping) and row.get("organization_id")]

    def check(self) -> Account:
        rows = self._organisations()
        by_id = {str(row["organization_id"]): row for row in rows}
        if not by_id:
            raise PermissionMissing(
                "this sign-in sees no organisation of Zoho Books", fix="sign in as a user of the organisation"
            )
        if self._chosen is None:
            row = next(iter(by_id.values()))
        elif self._chosen.id in by_id:
            row = by_id[self._chosen.id]
        else:
            names = ", ".join(str(r.get("name")) for r in rows)
            raise WrongOrganisation(
                f"the sign-in does not see {self._chosen.name} ({self._chosen.id}), only {names}",
                fix="run `syncline connect` and sign in as a user of that organisation",
            )
        found = Organisation(
            id=str(row["organization_id"]), name=str(row.get("name") or row["organization_id"])
        )
        warnings = []
        if row.get("is_org_active") is False:
            warnings.append("this organisation is not active: Zoho Books may refuse to change anything in it")
        if self._link_field is None:
            warnings.append(
                "no link_field: a create whose answer was lost is recognised by what was sent, not by a key"
            )
        return Account(
            organisation=found,
            pages=books_pages(self._hosts, found.id, _PAGES),
            currency=row.get("currency_code"),
            timezone=row.get("time_zone"),
            country=row.get("country_code") or None,
            server_time=self._api.heard_time,
            warnings=tuple(warnings),
        )

    def other_writers(self) -> Sequence[str]:
        """Zoho's own link between Zoho CRM and Zoho Books, which leaves the ids of the CRM in what it has
        made or met: in customers and vendors (`contacts`, filters `zcrm_...`, OpenAPI file) and in items
        (`zcrm_product_id`, recorded replies). Some records of each are looked at one by one, of the contacts
        those that were changed last: no document says that lists show the mark."""
        newest = {"sort_column": "last_modified_time", "sort_order": "D"}
        linked = [
            plural
            for plural, singular, order in (("contacts", "contact", newest), ("items", "item", {}))
            if any(map(_linked, self._some(plural, singular, order)))
        ]
        if not linked:
            return ()
        return (
            f"Zoho's own link with Zoho CRM writes here as well: {' and '.join(linked)} carry the ids of CRM"
            " records (Settings > Integrations > Zoho apps)",
        )

    def _some(self, plural: str, singular: str, order: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """A few records of a kind, whole."""
        rows = self._api.get(f"/{plural}", {**order, "per_page": str(_LOOKED_AT)}).get(plural)
        for row in rows if isinstance(rows, list) else ():
            found = self._api.find(f"/{plural}/{row.get(f'{singular}_id')}") or {}
            if isinstance(whole := found.get(singular), Mapping):
                yield whole

    def discover(self) -> Catalogue:
        """The catalogue with the organisation's currencies, taxes, accounts and fields of its own."""
        self._custom = CustomFields(self._api)
        tax_ids, tax_names = self._references.offered("taxes")
        account_ids, account_names = self._references.offered("chartofaccounts")
        choices = {
            "currency": self._references.offered("currencies")[1],
            "tax_id": tax_ids,
            "tax_name": tax_names,
            "account_id": account_ids,
            "account_name": account_names,
        }
        own = {name: self._custom.fields(kind) for name, kind in KINDS.items() if kind.entity is not None}
        catalogue = tailored(choices, own)
        if self._link_field is None:
            return catalogue
        return Catalogue(
            tuple(
                replace(m, capabilities=replace(m.capabilities, idempotency_s=_FOR_EVER_S))
                if self._writer.upserts(KINDS[m.name])
                else m
                for m in catalogue.modules
            )
        )

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        if not synced(module):
            return iter([Page(records=self._lookup(module), cursor="", last=True)])
        return self._reader.read(module, cursor, fields)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        if not synced(module):
            return [record for record in self._lookup(module) if record.id in set(ids)]
        return self._reader.read_ids(module, ids)

    def count(self, module: str) -> int | None:
        """Lists say whether there is more, never how much."""
        return None if synced(module) else len(self._lookup(module))

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self._expect_synced(module)
        return self._writer.write(module, writes)

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        self._expect_synced(module)
        return self._settler.settle(module, sent)

    def _lookup(self, module: str) -> list[Record]:
        if module not in KINDS:
            raise RemoteProtocolError(
                f"this connector does not serve the module {module}", fix=f"use one of {', '.join(KINDS)}"
            )
        return self._references.read(module)

    @staticmethod
    def _expect_synced(module: str) -> None:
        if not synced(module):
            raise RemoteProtocolError(
                f"records of {module} are not written by this connector",
                fix=f"use one of {', '.join(name for name in KINDS if synced(name))}",
            )


def _linked(row: Mapping[str, Any]) -> bool:
    """Whether a contact or an item carries the id of a record of Zoho CRM."""
    return row.get("is_linked_with_zohocrm") is True or any(row.get(mark) for mark in _MARKS)
