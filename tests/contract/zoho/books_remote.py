"""A Zoho Books sandbox on loopback, signed in, and the connector's session on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

import httpx
from zoho_remote import exchange

from syncline.connect import (
    Connection,
    HttpClient,
    Item,
    Items,
    Organisation,
    Outcome,
    Record,
    SentWrite,
    Session,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Request, SandboxServer, SandboxSettings, World, make_world
from syncline_zoho.books.catalogue import CATALOGUE
from syncline_zoho.books.connector import ZohoBooksConnector
from syncline_zoho.books.sandbox import ZohoBooksSandbox

ROOT = "/books/v3"


@dataclass
class Books:
    """``asked``: every request to the API so far, as (method, path below the root, request)."""

    sandbox: ZohoBooksSandbox
    server: SandboxServer
    client: httpx.Client
    token: str = ""
    http: list[HttpClient] = field(default_factory=list)
    asked: list[tuple[str, str, Request]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.sandbox.org.ledger.organisation

    @property
    def other_id(self) -> str:
        return list(self.sandbox.organisations)[1]

    def call(self, method: str, path: str, json: Any = None, **params: Any) -> httpx.Response:
        headers = params.pop("headers", None)
        asked = {"organization_id": self.id, **params}
        return self.client.request(method, f"{ROOT}{path}", params=asked, json=json, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        reply = self.call("GET", path, **params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def made(self, path: str, json: Any, key: str, **params: Any) -> Any:
        reply = self.call("POST", path, json, **params)
        assert reply.status_code == 201, reply.text
        return reply.json()[key]

    def session(self, organisation: str | None = None, **options: Any) -> Session:
        client = HttpClient(label="Zoho Books", sign_in=self)
        self.http.append(client)
        chosen = Organisation(id=organisation or self.id, name="Books")
        return ZohoBooksConnector().open(
            Connection(
                options={"base_url": self.server.base_url, **options}, http=client, organisation=chosen
            )
        )

    def act(self, action: str, module: str, record_id: str | None = None, **values: Any) -> dict[str, Any]:
        with self.sandbox.lock:
            return self.sandbox.act(action, module, record_id, values)

    def rows(self, module: str) -> list[dict[str, Any]]:
        return [row for row in self.sandbox.records(module) if row.get("$state") != "deleted"]

    def row(self, module: str, record_id: str) -> dict[str, Any]:
        return next(row for row in self.rows(module) if record_id in row.values())

    def pass_time(self, seconds: float) -> datetime:
        moment = self.sandbox.clock.advance(seconds)
        self.sign_in()
        return moment

    def begin_a_day(self) -> None:
        """Set the clock to a morning of the organisation: limits and what falls due go by its day, which must
        not turn within a test, whenever that is run."""
        ledger = self.sandbox.org.ledger
        now = ledger.now().astimezone(ledger.zone)
        morning = datetime.combine(now.date() + timedelta(days=1), time(8), ledger.zone)
        self.pass_time((morning - now).total_seconds())

    def sign_in(self) -> None:
        """With a new token, since one lives for an hour."""
        tokens = exchange(self.server, self.sandbox.credentials()["grant_token"])
        self.token = tokens["access_token"]
        self.client.headers["Authorization"] = self.authorization()

    # the connector's sign-in, as the engine's token keeper would be it

    def authorization(self) -> str:
        return f"Zoho-oauthtoken {self.token}"

    def expired(self, body: str) -> bool:
        return False

    def renew(self, refused: str) -> str:
        raise AssertionError("never asked to")

    def heard(self) -> list[str]:
        """What was asked since the last time, as ``METHOD /path`` with ids left out."""
        found = [f"{method} {path}" for method, path, _ in self.asked]
        self.asked.clear()
        return found

    def body(self, method: str, part: str) -> dict[str, Any]:
        """The body of the last request of this kind."""
        request = next(r for m, p, r in reversed(self.asked) if m == method and part in p)
        body: dict[str, Any] = request.json()
        return body


@contextmanager
def books(world: World | None = None, *, limits: bool = False) -> Iterator[Books]:
    sandbox = ZohoBooksSandbox(SandboxSettings(limits=limits))
    sandbox.seed(world or make_world("empty"))
    server = SandboxServer(sandbox)
    found: Books | None = None
    try:
        with httpx.Client(base_url=server.base_url, trust_env=False, verify=False) as client:
            found = Books(sandbox, server, client)
            found.begin_a_day()
            asked = found.asked

            def hear(template: str, request: Request, reply: object) -> None:
                if request.path.startswith(ROOT):
                    asked.append((request.method, request.path.removeprefix(ROOT), request))

            server.listeners.append(hear)
            yield found
    finally:
        for http in found.http if found else ():
            http.close()
        server.close()


def fields(module: str) -> frozenset[str]:
    remote = CATALOGUE.module(module)
    assert remote is not None
    return frozenset(f.name for f in remote.fields)


def drain(
    session: Session, module: str, cursor: str | None = None, names: frozenset[str] | None = None
) -> tuple[list[Record], str]:
    """Everything since a cursor, and the cursor after it."""
    records: list[Record] = []
    last = False
    for page in session.read(module, cursor, names or fields(module)):
        records += page.records
        cursor, last = page.cursor, page.last
    assert last
    assert cursor is not None
    return records, cursor


def create(session: Session, module: str, key: str = "k1", /, **values: Any) -> Outcome:
    (outcome,) = session.write(module, [Write(kind=WriteKind.CREATE, key=key, values=values)])
    return outcome


def change(
    session: Session, module: str, record_id: str | None, kind: WriteKind = WriteKind.UPDATE, /, **values: Any
) -> Outcome:
    (outcome,) = session.write(module, [Write(kind=kind, key="k2", id=record_id, values=values)])
    return outcome


def read_one(session: Session, module: str, record_id: str | None) -> Record:
    (record,) = session.read_ids(module, [str(record_id)], fields(module))
    return record


def lines(*rows: Mapping[str, Any]) -> Items:
    """Lines as a write has them; ``id`` names the stored one."""
    return Items(
        items=tuple(
            Item(id=row.get("id"), values={k: v for k, v in row.items() if k != "id"}) for row in rows
        )
    )


def sent(remote: Books, write: Write) -> SentWrite:
    return SentWrite(write=write, sent_at=remote.sandbox.clock.now())
