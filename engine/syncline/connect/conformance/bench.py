"""A connector at work on its own sandbox, signed in as the engine does it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect.conformance.promise import Broken, World
from syncline.connect.contract import (
    Catalogue,
    Connection,
    Connector,
    Grant,
    OAuth,
    Organisation,
    Page,
    Record,
    RemoteModule,
    Session,
)
from syncline.connect.http import HttpClient
from syncline.connect.oauth import Client, TokenEndpoint, Tokens, ask_consent, finish_consent
from syncline.connect.sandbox import SandboxServer, SandboxSettings, VirtualClock, make_world
from syncline.connect.sandbox import World as MadeUpWorld
from syncline.connect.sandbox.app import Reply, Request
from syncline.connect.tokens import SavedTokens, TokenKeeper
from syncline.connect.waiting import Waiting

#: More records than one page of any remote that was looked at holds.
LARGE = 2_100
#: Enough to refer to, and quick to read.
SMALL = 12
_REDIRECTS = 5


class MemoryTokens:
    """The tokens of one connection, kept by this process alone; a ``TokenStore``."""

    def __init__(self, tokens: Tokens) -> None:
        self._saved = SavedTokens(tokens=tokens, version=1)
        self._lock = threading.Lock()

    def read(self) -> SavedTokens:
        return self._saved

    def save(self, tokens: Tokens, version: int) -> bool:
        if version != self._saved.version:
            return False
        self._saved = SavedTokens(tokens=tokens, version=version + 1)
        return True

    def give_up(self, reason: str, version: int) -> None:
        if version == self._saved.version:
            self._saved = SavedTokens(tokens=self._saved.tokens, version=version, dead=reason)

    @contextmanager
    def lock(self) -> Iterator[object]:
        with self._lock:
            yield None


class Exchange(Struct, frozen=True, kw_only=True):
    """A request that the sandbox processed, and the status it answered with."""

    method: str
    path: str
    body: bytes
    status: int


class Bench:
    """Use as a context. Time is the sandbox's: waiting sets its clock ahead and takes none of ours.

    ``behind_s``: how far our clock lags behind the remote's; a token that the remote has let expire then
    still looks good to us.
    """

    def __init__(self, connector: Connector, world: World) -> None:
        self.connector = connector
        self.clock = VirtualClock()
        self.behind_s = 0.0
        self.waiting = Waiting(now=self.now_s, sleep=self.advance, chance=lambda: 0.0)
        self.exchanges: list[Exchange] = []
        self.world = world
        self._stack = ExitStack()
        self._catalogue: Catalogue | None = None
        self._signed_in: tuple[Session, HttpClient, MemoryTokens] | None = None

    def __enter__(self) -> Bench:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        # The remote's limits have a promise of their own; elsewhere they would only move the clock.
        self.sandbox = self.connector.sandbox(SandboxSettings(limits=False, clock=self.clock))
        self.sandbox.seed(_world(self.world))
        self.server = SandboxServer(self.sandbox)
        self._stack.callback(self.server.close)
        self.server.listeners.append(self._hear)
        self.credentials: Mapping[str, Any] = self.sandbox.credentials()
        self.options: dict[str, Any] = {"base_url": self.server.base_url}
        self.client = Client(id=self.credentials["client_id"], secret=self.credentials["client_secret"])
        self.endpoint = self._stack.enter_context(closing(TokenEndpoint(waiting=self.waiting)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- time and what was asked -------------------------------------------------------------------

    def now_s(self) -> float:
        return self.clock.timestamp() - self.behind_s

    def now(self) -> datetime:
        """Our clock, aware UTC."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def _hear(self, template: str, request: Request, reply: Reply) -> None:
        self.exchanges.append(
            Exchange(method=request.method, path=request.path, body=request.body, status=reply.status)
        )

    # --- signing in --------------------------------------------------------------------------------

    def oauth(self, callback: Mapping[str, str] | None = None) -> OAuth:
        return self.connector.oauth(self.options, callback or {})

    def consent(self, client: Client | None = None) -> Tokens:
        """The code flow, with a person who says yes: the consent page of a sandbox redirects by itself."""
        client = client or self.client
        consent = ask_consent(self.oauth(), client, self.credentials["redirect_uri"])
        callback = follow(consent.url, consent.redirect_uri)
        return finish_consent(self.oauth(callback), client, consent, callback, endpoint=self.endpoint)

    def tokens_by(self, grant: Grant) -> Tokens:
        """Sign in by one of the connector's grants."""
        match grant:
            case Grant.CODE:
                return self.consent()
            case Grant.CLIENT_CREDENTIALS:
                return self.endpoint.client_credentials(self.oauth(), self.client)
            case Grant.GRANT_TOKEN:
                token = self.sandbox.credentials().get("grant_token")
                if not token:
                    raise Broken("a grant_token among the sandbox's credentials", "there is none")
                return self.endpoint.grant_token(self.oauth(), self.client, token)

    def open(
        self,
        grant: Grant | None = None,
        *,
        organisation: Organisation | None = None,
        choose: bool = True,
        base_url: str | None = None,
    ) -> tuple[Session, HttpClient, MemoryTokens]:
        """Another session of its own. ``choose``: with the organisation that the sandbox seeded."""
        grant = grant or self.oauth().grants[0]
        store = MemoryTokens(self.tokens_by(grant))
        keeper = TokenKeeper(
            oauth=self.oauth(),
            client=self.client,
            grant=grant,
            store=store,
            endpoint=self.endpoint,
            waiting=self.waiting,
        )
        http = HttpClient(limits=self.connector.limits, sign_in=keeper, waiting=self.waiting)
        self._stack.callback(http.close)
        options = {**self.options, **({"base_url": base_url} if base_url else {})}

        def session(chosen: Organisation | None) -> Session:
            return self.connector.open(
                Connection(options=options, http=http, extras=keeper.extras, organisation=chosen)
            )

        if organisation is None and choose:
            organisation = self.choose(session(None).organisations())
        return session(organisation), http, store

    def choose(self, offered: Sequence[Organisation]) -> Organisation:
        """The organisation that holds the made-up business."""
        if not offered:
            raise Broken("organisations() to name at least one organisation", "it names none")
        told = [o["id"] for o in self.credentials.get("organisations", ())]
        return next((o for o in offered if told and o.id == told[0]), offered[0])

    @property
    def session(self) -> Session:
        """The session of this bench, opened when it is first asked for."""
        return self._line()[0]

    @property
    def http(self) -> HttpClient:
        return self._line()[1]

    @property
    def tokens(self) -> Tokens:
        return self._line()[2].read().tokens

    def _line(self) -> tuple[Session, HttpClient, MemoryTokens]:
        if self._signed_in is None:
            self._signed_in = self.open()
        return self._signed_in

    def calls(self) -> int:
        """How many requests the session has sent, repeats included."""
        return sum(self.http.counts().values())

    # --- what is there -----------------------------------------------------------------------------

    @property
    def catalogue(self) -> Catalogue:
        """The modules as this organisation has them."""
        if self._catalogue is None:
            self._catalogue = self.session.discover()
        return self._catalogue

    def live(self, module: RemoteModule) -> RemoteModule:
        """A module as this organisation has it."""
        return self.catalogue.module(module.name) or module

    def pages(self, module: RemoteModule, cursor: str | None = None) -> Iterator[Page]:
        return iter(self.session.read(module.name, cursor, field_names(module)))

    def read(self, module: RemoteModule, cursor: str | None = None) -> tuple[list[Record], str]:
        """Everything since the cursor, and the cursor after it; raises Broken for a read without an end."""
        records: list[Record] = []
        last: Page | None = None
        for page in self.pages(module, cursor):
            if last is not None and last.last:
                raise Broken("nothing after the page marked last", "another page came")
            records += page.records
            last = page
        if last is None or not last.last:
            raise Broken("a read that ends with a page marked last", "it ended without one")
        return records, last.cursor

    def read_one(self, module: RemoteModule, record_id: str) -> Record | None:
        """The record by id as it is now, or ``None``."""
        found = self.session.read_ids(module.name, [record_id], field_names(module))
        return next((record for record in found if record.id == record_id), None)

    def rows(self, module: RemoteModule) -> list[dict[str, Any]]:
        """What the remote holds, past the connector."""
        with self.sandbox.lock:
            return self.sandbox.records(module.name)

    def act(
        self, action: str, module: RemoteModule, record_id: str | None, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A person's doing in the remote's own screens; see :meth:`Sandbox.act` for what it raises."""
        with self.sandbox.lock:
            return self.sandbox.act(action, module.name, record_id, values)


def field_names(module: RemoteModule) -> frozenset[str]:
    return frozenset(field.name for field in module.fields)


def follow(url: str, redirect_uri: str) -> dict[str, str]:
    """What a browser does with a consent page that consents by itself: the parameters of the redirect."""
    for _ in range(_REDIRECTS):
        parts = urlsplit(url)
        with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as line:
            line.request("GET", f"{parts.path}?{parts.query}")
            reply = line.getresponse()
            reply.read()
        location = reply.headers.get("location")
        if reply.status not in (301, 302, 303, 307) or location is None:
            raise Broken("the consent page to redirect", f"it answered {reply.status}")
        if location.startswith(redirect_uri):
            return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))
        url = location
    raise Broken("the consent page to lead back to the redirect address", "it redirects elsewhere")


@lru_cache(maxsize=len(World))
def _world(world: World) -> MadeUpWorld:
    if world is not World.SMALL:
        return make_world(LARGE if world is World.LARGE else world.value)
    demo = make_world(World.DEMO.value)
    invoices = demo.invoices[:SMALL]
    wanted = {c.key for c in demo.companies[:SMALL]} | {i.company for i in invoices}
    sold = {p.key for p in demo.products[:SMALL]} | {line.product for i in invoices for line in i.lines}
    return replace(
        demo,
        companies=tuple(c for c in demo.companies if c.key in wanted),
        products=tuple(p for p in demo.products if p.key in sold),
        invoices=invoices,
    )
