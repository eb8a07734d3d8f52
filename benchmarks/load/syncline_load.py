"""The connector ``load`` of the load server, by the public contract alone.

Found without being installed: the folder with its ``dist-info`` is put on ``PYTHONPATH``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncline.connect import (
    Account,
    AnswerLost,
    Capabilities,
    Catalogue,
    Connection,
    Connector,
    Field,
    FieldType,
    Grant,
    Limits,
    OAuth,
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    RemoteModule,
    SentWrite,
    Session,
    Write,
    hookimpl,
)

if TYPE_CHECKING:
    from syncline.connect.sandbox import Sandbox, SandboxSettings

#: Records a write, and ids a read.
BATCH = 100
#: How many modules of each shape there are: accounts, accounts2, ...
MODULES = 10

_ADDRESS = tuple(Field(name=name, max_length=200) for name in ("street", "city", "postcode"))
_FIELDS = {
    "accounts": (
        Field(name="name", required=True, max_length=200),
        Field(name="email", max_length=200),
        Field(name="phone", max_length=50),
        Field(name="website", max_length=200),
        Field(name="tax_number", max_length=50),
        Field(name="address", type=FieldType.OBJECT, fields=_ADDRESS),
        Field(name="country", max_length=2),
        Field(name="active", type=FieldType.BOOLEAN),
        Field(name="terms", type=FieldType.INTEGER),
        Field(name="credit", type=FieldType.DECIMAL, places=2),
    ),
    "customers": (
        Field(name="display_name", required=True, max_length=200),
        Field(name="email_address", max_length=200),
        Field(name="phone", max_length=50),
        Field(name="web", max_length=200),
        Field(name="tax", max_length=50),
        Field(name="billing", type=FieldType.OBJECT, fields=_ADDRESS),
        Field(name="country_code", max_length=2),
        Field(name="status", max_length=10),
        Field(name="payment_terms", max_length=10),
        Field(name="credit_cents", type=FieldType.INTEGER),
    ),
}
_ABLE = Capabilities(create_batch=BATCH, update_batch=BATCH, read_ids_batch=BATCH, conditional=True)
CATALOGUE = Catalogue(
    tuple(
        RemoteModule(name=name + number, fields=fields, capabilities=_ABLE)
        for name, fields in _FIELDS.items()
        for number in ("", *map(str, range(2, MODULES + 1)))
    )
)


class LoadSession(Session):
    def __init__(self, connection: Connection) -> None:
        self._http = connection.http
        self._base = connection.options["base_url"]

    def organisations(self) -> Sequence[Organisation]:
        return [self.check().organisation]

    def check(self) -> Account:
        about = self._http.request("GET", self._base).json()
        return Account(organisation=Organisation(id=about["id"], name=about["name"]))

    def discover(self) -> Catalogue:
        return CATALOGUE

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        place = json.loads(cursor) if cursor else {"since": None, "page": 1, "high": ""}
        last = False
        while not last:
            asked = {"page": str(place["page"])} | ({"since": place["since"]} if place["since"] else {})
            body = self._http.request("GET", f"{self._base}/{module}", params=asked).json()
            rows = body["records"]
            high = max(place["high"], max((row["modified"] for row in rows), default=""))
            last = body["next"] is None
            place = (
                {"since": high or place["since"], "page": 1, "high": high}
                if last
                else {**place, "page": body["next"], "high": high}
            )
            yield Page(records=[to_record(row) for row in rows], cursor=json.dumps(place), last=last)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        reply = self._http.request("GET", f"{self._base}/{module}", params={"ids": ",".join(ids)})
        return [to_record(row) for row in reply.json()["records"]]

    def count(self, module: str) -> int | None:
        return None

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        rows = [{"record": w.id, "version": w.version, "values": dict(w.values)} for w in writes]
        try:
            body = self._http.request("POST", f"{self._base}/{module}", json={"records": rows}).json()
        except AnswerLost as lost:
            return [Outcome(kind=OutcomeKind.UNKNOWN, id=write.id, message=lost.what) for write in writes]
        return [outcome(row) for row in body["records"]]

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        raise NotImplementedError("no benchmark loses an answer")


def to_record(row: Mapping[str, Any]) -> Record:
    changed = row["modified"]
    return Record(
        id=row["id"],
        version=changed,
        values=row,
        modified=datetime.fromisoformat(changed),
        complete=True,
    )


def outcome(row: Mapping[str, Any]) -> Outcome:
    kind = OutcomeKind.CONFLICT if row["changed_since"] else OutcomeKind.DONE
    return Outcome(kind=kind, id=row["id"], version=row["modified"])


class LoadConnector(Connector):
    name = "load"
    title = "Load server"
    limits = Limits(concurrent=8)

    def catalogue(self) -> Catalogue:
        return CATALOGUE

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        token = options["base_url"].rsplit("/", 1)[0] + "/token"
        return OAuth(authorize_url=token, token_url=token, scopes=(), grants=(Grant.CLIENT_CREDENTIALS,))

    def open(self, connection: Connection) -> Session:
        return LoadSession(connection)

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        raise NotImplementedError("the load server is no sandbox")


@hookimpl
def syncline_connectors() -> Sequence[Connector]:
    return [LoadConnector()]
