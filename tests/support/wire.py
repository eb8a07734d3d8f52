"""What goes over the wire: the bodies of the calls that change records, as a remote was sent them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.stage import System

from syncline.connect.sandbox import Reply, Request

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
_NOT_RECORDS = ("oauth", "token", "coql", "connections")


@dataclass(slots=True)
class Wire:
    """The writing calls that a system has processed: (method, path template, body)."""

    calls: list[tuple[str, str, Any]] = field(default_factory=list)

    def rows(self, module: str) -> list[dict[str, Any]]:
        """Every record of a remote module that was sent, in the order of the calls."""
        found: list[dict[str, Any]] = []
        for _, template, body in self.calls:
            if template.rsplit("/", 1)[-1] in (module, "{module}"):
                found += body.get(module) or body.get("data") or []
        return found


@contextmanager
def tapped(system: System) -> Iterator[Wire]:
    """Listen to what a system is sent, while the context lasts."""
    wire = Wire()

    def listen(template: str, request: Request, reply: Reply) -> None:
        if request.method in _WRITING and not any(word in template.lower() for word in _NOT_RECORDS):
            body = request.json() if request.body else {}
            wire.calls.append((request.method, request.path if "{module}" in template else template, body))

    system.server.listeners.append(listen)
    try:
        yield wire
    finally:
        system.server.listeners.remove(listen)
