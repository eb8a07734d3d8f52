"""The control of running sandboxes: counting requests, arming faults, moving the clock, playing people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncline.connect.sandbox.app import App, Reply, Request, Route, Sandbox
from syncline.connect.sandbox.faults import Fault, FaultKind
from syncline.connect.sandbox.server import SandboxServer
from syncline.connect.sandbox.tables import Tables

_FAULT_FIELDS = ("method", "path", "skip", "times", "status", "delay_s", "name", "headers", "body", "holding")


class Control(App):
    """Serves ``/requests``, ``/faults``, ``/switches``, ``/clock``, ``/records``, ``/act``, ``/deliveries``
    for sandboxes by the name of their connector. Replies are JSON; a mistake is answered 400 with
    ``error``."""

    def __init__(self, servers: Mapping[str, SandboxServer], sandboxes: Mapping[str, Sandbox]) -> None:
        super().__init__(Tables())
        self._servers = servers
        self._sandboxes = sandboxes

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/requests", self._get_requests),
            Route("DELETE", "/requests", self._reset_requests),
            Route("GET", "/faults", self._get_faults),
            Route("POST", "/faults", _checked(self._arm)),
            Route("DELETE", "/faults", self._clear_faults),
            Route("GET", "/switches", self._get_switches),
            Route("POST", "/switches", _checked(self._set_switches)),
            Route("GET", "/clock", self._get_clock),
            Route("POST", "/clock", _checked(self._advance)),
            Route("GET", "/records/{system}/{module}", _checked(self._records)),
            Route("POST", "/act", _checked(self._act)),
            Route("DELETE", "/deliveries", self._take_deliveries),
        ]

    def not_found(self, request: Request) -> Reply:
        return Reply.json({"error": f"no such path: {request.method} {request.path}"}, 404)

    def _get_requests(self, request: Request) -> Reply:
        rows = [
            {"system": name, "method": method, "path": template, "count": count}
            for name, server in self._servers.items()
            for method, template, count in server.counts()
        ]
        return Reply.json({"requests": rows, "total": sum(row["count"] for row in rows)})

    def _reset_requests(self, request: Request) -> Reply:
        for server in self._servers.values():
            server.reset_counts()
        return Reply(204)

    def _get_faults(self, request: Request) -> Reply:
        armed = [
            {"system": name, "kind": fault.kind, **{key: getattr(fault, key) for key in _FAULT_FIELDS}}
            for name, sandbox in self._sandboxes.items()
            for fault in sandbox.faults.armed()
        ]
        return Reply.json({"faults": armed})

    def _arm(self, request: Request) -> Reply:
        told = request.json()
        sandbox = self._sandbox(told.pop("system", None))
        kind = FaultKind(told.pop("kind", None))
        unknown = set(told) - set(_FAULT_FIELDS)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_FAULT_FIELDS)}")
        if "delay_s" in told:
            told["delay_s"] = float(told["delay_s"])
        if kind is FaultKind.REMOTE:
            sandbox.remote_fault(str(told.get("name", "")))
        sandbox.faults.arm(Fault(kind=kind, **told))
        return self._get_faults(request)

    def _clear_faults(self, request: Request) -> Reply:
        for sandbox in self._sandboxes.values():
            sandbox.faults.clear()
        return Reply(204)

    def _get_switches(self, request: Request) -> Reply:
        return Reply.json({name: sandbox.switches for name, sandbox in self._sandboxes.items()})

    def _set_switches(self, request: Request) -> Reply:
        told = request.json()
        sandbox = self._sandbox(told.pop("system", None))
        unknown = set(told) - set(sandbox.switches)
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sandbox.switches)}")
        with sandbox.lock:
            sandbox.switches.update(told)
        return self._get_switches(request)

    def _get_clock(self, request: Request) -> Reply:
        return Reply.json({name: box.clock.now().isoformat() for name, box in self._sandboxes.items()})

    def _advance(self, request: Request) -> Reply:
        told = request.json()
        names = [told["system"]] if "system" in told else list(self._sandboxes)
        moved = set()
        for name in names:
            clock = self._sandbox(name).clock
            if id(clock) not in moved:
                clock.advance(float(told["advance_s"]))
                moved.add(id(clock))
        return self._get_clock(request)

    def _records(self, request: Request) -> Reply:
        sandbox = self._sandbox(request.params["system"])
        with sandbox.lock:
            return Reply.json({"records": sandbox.records(request.params["module"])})

    def _act(self, request: Request) -> Reply:
        told = request.json()
        sandbox = self._sandbox(told.get("system"))
        with sandbox.lock:
            record = sandbox.act(told["action"], told["module"], told.get("id"), told.get("values") or {})
            sandbox.tables.save()
        return Reply.json({"record": record})

    def _take_deliveries(self, request: Request) -> Reply:
        taken = []
        for name, sandbox in self._sandboxes.items():
            with sandbox.lock:
                found, sandbox.deliveries = sandbox.deliveries, []
            taken += [
                {"system": name, "headers": dict(each.headers), "body": each.body.decode()} for each in found
            ]
        return Reply.json({"deliveries": taken})

    def _sandbox(self, name: Any) -> Sandbox:
        if name not in self._sandboxes:
            raise ValueError(f"no sandbox {name!r}; there are: {', '.join(self._sandboxes)}")
        return self._sandboxes[name]


def _checked(handler: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    def answer(request: Request) -> Reply:
        try:
            return handler(request)
        except KeyError as error:
            return Reply.json({"error": f"missing or unknown: {error.args[0] if error.args else error}"}, 400)
        except (ValueError, TypeError, AttributeError) as error:
            return Reply.json({"error": str(error)}, 400)

    return answer
