"""What a sandbox is: routes over tables, with switches for what the real remote's documents leave open."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Struct, field

from syncline.connect.sandbox.clock import VirtualClock
from syncline.connect.sandbox.faults import Faults
from syncline.connect.sandbox.tables import Tables
from syncline.connect.sandbox.world import World

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

Switches = dict[str, Any]


class SandboxSettings(Struct, frozen=True, kw_only=True):
    """``limits``: enforce the rate limits. ``keep``: a folder in which the data outlive a restart."""

    limits: bool = True
    keep: Path | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)


class Request(Struct, frozen=True, kw_only=True):
    """``query``: decoded, every value of a repeated name; ``params``: the route's named parts, decoded."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    base_url: str
    params: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str, default: str | None = None) -> str | None:
        values = self.query.get(name)
        return values[0] if values else default

    def json(self) -> Any:
        """The body as JSON, decimals exact; raises ``ValueError`` when it is not JSON."""
        return _decode(self.body)

    def form(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.body.decode(), keep_blank_values=True).items()}


class Reply(Struct, frozen=True):
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """``Decimal`` is written as a JSON number with its own digits."""
        return Reply(status, _encode(value), {"Content-Type": "application/json", **(headers or {})})

    @staticmethod
    def text(value: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        return Reply(status, value.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})

    @staticmethod
    def redirect(url: str) -> Reply:
        return Reply(302, b"", {"Location": url})


class Delivery(Struct, frozen=True):
    """A webhook's request as the remote sends it."""

    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[Request], Reply]


class Route:
    """A method and a path template, ``/a/{id}``; ``{id}`` matches one path part, any case of letters."""

    def __init__(self, method: str, template: str, handler: Handler) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        parts = re.split(r"\{(\w+)\}", template)
        pattern = "".join(
            f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)
        )
        self._match = re.compile(pattern + "/?", re.IGNORECASE).fullmatch

    def params(self, method: str, path: str) -> dict[str, str] | None:
        if method != self.method:
            return None
        found = self._match(path)
        return None if found is None else {k: unquote(v) for k, v in found.groupdict().items()}


class App(ABC):
    """Something that a server serves. Handlers run one at a time, under :attr:`lock`; waiting is done
    outside it."""

    def __init__(self, tables: Tables, clock: VirtualClock | None = None) -> None:
        self.tables = tables
        self.clock = clock or VirtualClock()
        self.faults = Faults()
        self.lock = threading.RLock()

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Every path that is served."""

    @abstractmethod
    def not_found(self, request: Request) -> Reply:
        """The answer to any other path."""

    def guard(self, request: Request, template: str, in_flight: int) -> Reply | None:
        """Asked before a handler runs: a refusal (limits, sign-in), or ``None`` to go on.

        ``in_flight``: requests being served now, this one included.
        """
        return None

    def finish(self, request: Request, reply: Reply) -> Reply:
        """Asked after a handler ran: the reply with the headers that every reply of the remote has."""
        return reply

    def remote_fault(self, name: str) -> Reply:
        """The reply of one of this remote's own faults (such as each kind of 429). Raises ``KeyError``."""
        raise KeyError(name)

    def close(self) -> None:
        self.tables.close()


class Sandbox(App):
    """A remote in memory: every path of every one of its hosts, all below the one base address.

    ``effects`` counts what writes have set off that people would notice: ``workflows``, ``approvals``,
    ``emails`` and the like, by name.
    """

    #: the connector's name
    name: str

    def __init__(self, settings: SandboxSettings) -> None:
        file = settings.keep / f"{self.name}.sqlite" if settings.keep else None
        super().__init__(Tables(file), settings.clock)
        self.settings = settings
        self.switches: Switches = self.default_switches()
        #: what the remote would have sent to a webhook, oldest first, once it has one (a switch of its own)
        self.deliveries: list[Delivery] = []
        self.effects: Counter[str] = Counter()

    def default_switches(self) -> Switches:
        """What can be set from outside, by name, with its default; the page of the sandbox explains each."""
        return {}

    @abstractmethod
    def seed(self, world: World) -> None:
        """Fill the empty tables with this remote's share of a made-up business."""

    @abstractmethod
    def credentials(self) -> dict[str, Any]:
        """What a spec needs to sign in: client_id, client_secret, redirect_uri, and what else the
        remote's flows take (grant_token, organisations)."""

    @abstractmethod
    def records(self, module: str) -> list[dict[str, Any]]:
        """Every record of a module as the remote holds it now, archived and deleted ones included: for
        checks that must not go through the API. Raises ``KeyError`` for an unknown module."""

    @abstractmethod
    def act(
        self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Do what a person does in the remote's own screens, past the API's limits and sign-in:
        ``create``, ``update``, ``delete``, and this remote's further actions (``archive``, ``pay``...).
        Returns the record. Raises ``KeyError`` for an unknown record or action, ``ValueError`` when the
        remote would not let a person do it."""
