"""Reference data of one organisation: currencies, taxes, accounts, users, by id and by name.

Documents hold ids; specs speak of ``AUD`` and of tax names. Read once a session, and once more when a name is
not known: somebody may just have made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncline.connect import Record
from syncline_zoho.books.api import Api
from syncline_zoho.books.cursor import Scan
from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.lists import walk
from syncline_zoho.books.reading import remote_module, stamp_of
from syncline_zoho.books.values import read_instant, read_values, utc_text

#: lists hide what is inactive unless told (as recorded); a record may still refer to it
_FILTERS: Mapping[str, Mapping[str, str]] = {
    "taxes": {"filter_by": "Taxes.All"},
    "chartofaccounts": {"filter_by": "AccountType.All"},
    "users": {"filter_by": "Status.All"},
}

#: field of a name -> (field of the id, module, key by which the module names its records)
NAMED: Mapping[str, tuple[str, str]] = {
    "currency_code": ("currency_id", "currencies"),
    "tax_name": ("tax_id", "taxes"),
    "account_name": ("account_id", "chartofaccounts"),
    "purchase_account_name": ("purchase_account_id", "chartofaccounts"),
}


class UnknownName(Exception):
    """A name that this organisation does not have. ``field``: where it stands; ``value``: the name."""

    def __init__(self, field: str, value: str, known: tuple[str, ...]) -> None:
        super().__init__(field)
        self.field, self.value, self.known = field, value, known


class References:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._records: dict[str, list[Record]] = {}

    def read(self, module: str) -> list[Record]:
        """The look-up module, read afresh and whole."""
        self._records[module] = self._list(module, _FILTERS.get(module, {}))
        return self._records[module]

    def _list(self, module: str, filters: Mapping[str, str]) -> list[Record]:
        kind, fields = KINDS[module], remote_module(module).fields
        found: dict[str, Record] = {}
        for part in walk(self._api, kind, filters, Scan()):
            for row in part.rows:
                moment = read_instant(stamp_of(row))
                key = row.get(kind.key) if kind.key else None
                found[str(row[kind.id])] = Record(
                    id=str(row[kind.id]),
                    version="" if moment is None else utc_text(moment),
                    values=read_values(fields, row),
                    modified=moment,
                    key=str(key) if key else None,
                    complete=True,
                )
        return list(found.values())

    def known(self, module: str) -> list[Record]:
        """The look-up module as this session has read it."""
        return self._records[module] if module in self._records else self.read(module)

    def names(self, module: str) -> tuple[str, ...]:
        return _names(self.known(module))

    def offered(self, module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids and the names that can be chosen: those in use."""
        if module == "taxes":  # which says of none that it is inactive
            records = self._list(module, {})
        else:
            records = [r for r in self.known(module) if r.values.get("is_active") is not False]
        return tuple(r.id for r in records), _names(records)

    def id_of(self, field: str, name: str) -> str:
        """The id for a name in one of the fields of :data:`NAMED`; raises UnknownName."""
        module = NAMED[field][1]
        fresh = module not in self._records
        for attempt in range(1 if fresh else 2):
            records = self.known(module) if attempt == 0 else self.read(module)
            exact = [r for r in records if r.key == name]
            if not exact:
                exact = [r for r in records if r.key and r.key.casefold() == name.casefold()]
            if len(exact) == 1:
                return exact[0].id
            if len(exact) > 1:
                raise UnknownName(field, f"{name} (there are {len(exact)} of that name)", self.names(module))
        raise UnknownName(field, name, self.names(module))

    def with_ids(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values with names replaced by ids; an id that is given itself goes first."""
        out = {name: value for name, value in values.items() if name not in NAMED}
        for name, (id_field, _) in NAMED.items():
            if name not in values or values.get(id_field):
                continue
            value = values[name]
            out[id_field] = None if value in (None, "") else self.id_of(name, str(value))
        return out


def _names(records: Iterable[Record]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.key for r in records if r.key))
