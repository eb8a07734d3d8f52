"""One Zoho CRM organisation in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

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
from syncline_zoho.crm.api import Api, page_numbers
from syncline_zoho.crm.fields import with_settings
from syncline_zoho.crm.metadata import Metadata
from syncline_zoho.crm.pricebooks import PriceBooks
from syncline_zoho.crm.reader import Reader
from syncline_zoho.crm.settle import Settler
from syncline_zoho.crm.standard import MODULES
from syncline_zoho.crm.values import clean
from syncline_zoho.crm.writer import Writer
from syncline_zoho.datacenters import api_host, find_hosts
from syncline_zoho.pages import crm_pages

#: lookup module -> (path, keys that lead to its rows, field that other records name a row by)
_LOOKUPS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "Currencies": ("/crm/v8/org/currencies", ("currencies",), "iso_code"),
    "Users": ("/crm/v8/users", ("users",), "email"),
    "Taxes": ("/crm/v8/org/taxes", ("org_taxes", "taxes"), "name"),
}
_USERS_PAGE = 200


class ZohoCrmSession(Session):
    def __init__(self, connection: Connection) -> None:
        self._hosts = find_hosts(connection.options)
        host = api_host(self._hosts, connection.extras)
        self._chosen = connection.organisation
        self._modules = frozenset((*MODULES, *(connection.options.get("modules") or ())))
        self._api = Api(connection.http, host)
        self._metadata = Metadata(self._api)
        books = PriceBooks(self._api)
        self._reader = Reader(self._api, self._metadata, books)
        self._writer = Writer(self._api, connection.options.get("trigger") or (), self._reader, books)
        self._settler = Settler(self._api, self._metadata, books)

    def organisations(self) -> Sequence[Organisation]:
        """The one organisation that the person consented for."""
        org = self._org()
        return [Organisation(id=str(org["zgid"]), name=str(org["company_name"]))]

    def check(self) -> Account:
        org = self._org()
        found = Organisation(id=str(org["zgid"]), name=str(org.get("company_name") or org["zgid"]))
        if self._chosen is not None and self._chosen.id != found.id:
            raise WrongOrganisation(
                f"the sign-in is for {found.name} ({found.id}), not {self._chosen.name} ({self._chosen.id})",
                fix="run `syncline connect` and sign in to the right organisation",
            )
        warnings = []
        if org.get("mc_status") is False:
            warnings.append("multi-currency is off: every amount is in the home currency")
        if str(org.get("type") or "Production") != "Production":
            warnings.append(f"this is a {org['type']} organisation")
        return Account(
            organisation=found,
            currency=org.get("iso_code"),
            timezone=org.get("time_zone"),
            country=org.get("country_code"),
            server_time=self._api.heard_time,
            warnings=tuple(warnings),
            pages=crm_pages(self._hosts, found.id, MODULES),
        )

    def _org(self) -> Mapping[str, Any]:
        body = self._api.get("/crm/v8/org") or {}
        orgs = body.get("org") or ()
        if not orgs:
            raise RemoteProtocolError("Zoho CRM does not say which organisation this is")
        org: Mapping[str, Any] = orgs[0]
        return org

    def discover(self) -> Catalogue:
        """The catalogue with the organisation's fields, the currencies that are in use and its taxes."""
        taxes, currencies = self._told("Taxes"), self._told("Currencies")
        idle = {str(r.key) for r in currencies or () if r.values.get("is_active") is False}
        names = None if taxes is None else tuple(r.key for r in taxes if r.key)
        return with_settings(self._metadata.catalogue(), idle, names)

    def _told(self, module: str) -> list[Record] | None:
        """A list of the set-up; ``None`` where this user may not see it, or the organisation has none."""
        try:
            return self._lookup(module)
        except (PermissionMissing, RemoteProtocolError):
            return None

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        if module in _LOOKUPS:
            return iter([Page(records=self._lookup(module), cursor="", last=True)])
        self._known(module)
        return self._reader.read(module, cursor, fields)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        if module in _LOOKUPS:
            return [record for record in self._lookup(module) if record.id in set(ids)]
        self._known(module)
        return self._reader.read_ids(module, ids, fields)

    def count(self, module: str) -> int | None:
        if module in _LOOKUPS:
            return len(self._lookup(module))
        self._known(module)
        return self._reader.count(module)

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self._known(module)
        return self._writer.write(module, writes)

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        self._known(module)
        return self._settler.settle(module, sent)

    def _known(self, module: str) -> None:
        if module not in self._modules and not self._metadata.is_custom(module):
            raise RemoteProtocolError(
                f"this connector does not serve the module {module}",
                fix=f"use one of {', '.join(sorted(self._modules))}, or a custom module of the organisation",
            )

    def _lookup(self, module: str) -> list[Record]:
        path, keys, key_field = _LOOKUPS[module]
        rows: list[Mapping[str, Any]] = []
        for page in page_numbers(module):
            params = {"page": str(page), "per_page": str(_USERS_PAGE)} if module == "Users" else None
            body = self._api.get(path, params) or {}
            found: Any = body
            for key in keys:
                found = found.get(key) or {}
            rows += list(found)
            if not (body.get("info") or {}).get("more_records"):
                break
        return [_lookup_record(row, key_field) for row in rows]


def _lookup_record(row: Mapping[str, Any], key_field: str) -> Record:
    values = {name: clean(value) for name, value in row.items() if name != "id"}
    if isinstance(values.get("exchange_rate"), str):
        values["exchange_rate"] = Decimal(values["exchange_rate"])
    version = values.get("modified_time") or values.get("Modified_Time") or ""
    key = row.get(key_field)
    return Record(id=str(row["id"]), version=str(version), values=values, key=str(key) if key else None)
