"""The whole engine in one process: its verbs, over HTTP, against the sandboxes of the example spec.

A verb runs here as ``syncline`` runs it, without the second that a new process costs; what must be a process
of its own (kills, locks) starts one with :meth:`Stage.environ`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

import httpx
from tests.support.state import lay_empty_state

from syncline.connect.sandbox import Sandbox, SandboxServer, SandboxSettings, VirtualClock, make_world
from syncline.connect.waiting import Waiting
from syncline.run.installed import installed_plugins

EXAMPLE = Path(__file__).parents[2] / "specs" / "examples" / "acme.yaml"
#: The systems of the example: the connector of each.
SYSTEMS = {"crm": "zoho-crm", "books": "xero"}


def extending(base: str, systems: Mapping[str, str] = SYSTEMS, *, name: str = "acme") -> str:
    """The head of a spec that extends a packaged base. Its ``systems`` (the connector of each) are signed in
    to as :meth:`Stage.environ` has it."""
    keys = ("base_url", "client_id", "client_secret")
    told = {
        system: {key: f"${{env:{_prefix(connector)}_{key.upper()}}}" for key in keys}
        for system, connector in systems.items()
    }
    return f"spec: 1\nname: {name}\nextends: {base}\nsystems: {json.dumps(told)}\n"


def one(rows: Iterable[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The one of these records that has these values."""
    (found,) = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    return found


def _prefix(connector: str) -> str:
    return connector.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Done:
    """A verb that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object that it printed."""
        return json.loads(self.out)


class System:
    """One system of the stage: its sandbox, as a test, a person or a clock gets at it past the API."""

    def __init__(self, sandbox: Sandbox, server: SandboxServer) -> None:
        self.sandbox, self.server = sandbox, server

    def records(self, module: str) -> list[dict[str, Any]]:
        """Every record as the system holds it, archived and deleted ones included."""
        with self.sandbox.lock:
            return self.sandbox.records(module)

    def act(
        self, action: str, module: str, record: str | None = None, values: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do what a person does in the system's own screens."""
        with self.sandbox.lock:
            return self.sandbox.act(action, module, record, values or {})

    def requests(self, *methods: str) -> dict[tuple[str, str], int]:
        """Requests since the counts were last reset, by method and path template; of these methods only."""
        return {(m, path): n for m, path, n in self.server.counts() if not methods or m in methods}


class Stage:
    """A folder with a spec, a state, and the sandboxes of its systems. Use as a context."""

    def __init__(
        self,
        folder: Path,
        *,
        data: str | int = "empty",
        limits: bool = False,
        spec: str | None = None,
        patient: bool = True,
        ahead: Mapping[str, float] | None = None,
        state: str | None = None,
        systems: Mapping[str, str] = SYSTEMS,
    ) -> None:
        """``data``: as ``syncline sandbox --data`` has it; ``spec``: its text, else the example's.
        ``systems``: of that spec, the connector of each; those of one connector share a sandbox, which has
        several organisations.
        ``patient``: the engine really waits where it must; otherwise waiting moves the clocks of all.
        ``ahead``: by system, by how many seconds its clock is wrong. ``state``: the URL of the state, else a
        file beside the spec."""
        self.folder = folder
        self.spec = folder / "acme.yaml"
        if spec is None:
            shutil.copyfile(EXAMPLE, self.spec)
        else:
            self.spec.write_text(spec, encoding="utf-8")
        self._state = {} if state is None else {"SYNCLINE_STATE": state}
        if state is None:
            lay_empty_state(folder / ".syncline" / "state.db")
        self.clock = VirtualClock()
        self._clocks = [self.clock]
        self._engine_ahead = timedelta()
        #: how long the engine has waited, and what happens meanwhile
        self.slept: list[float] = []
        self.while_asleep: Callable[[], None] | None = None
        #: whether a fault of ours is one of the test; not where the test causes it
        self.faultless = True
        self._waiting = (
            Waiting() if patient else Waiting(now=lambda: self.now().timestamp(), sleep=self._sleep)
        )
        self._stack = ExitStack()
        self.systems: dict[str, System] = {}
        self._connectors = dict(systems)
        world = make_world(data)
        served: dict[str, System] = {}
        for name, connector in systems.items():
            if connector in served:
                self.systems[name] = served[connector]
                continue
            clock = self.clock
            if wrong := (ahead or {}).get(name):
                clock = VirtualClock()
                clock.advance(wrong)
                self._clocks.append(clock)
            settings = SandboxSettings(limits=limits, clock=clock)
            sandbox = installed_plugins().connectors[connector].sandbox(settings)
            sandbox.seed(world)
            server = SandboxServer(sandbox)
            self._stack.callback(server.close)
            self.systems[name] = served[connector] = System(sandbox, server)

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def crm(self) -> System:
        return self.systems["crm"]

    @property
    def books(self) -> System:
        return self.systems["books"]

    def environ(self) -> dict[str, str]:
        """The environment in which the spec's verbs run."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS)}
        kept |= self._state
        for name, connector in self._connectors.items():
            prefix = _prefix(connector)
            told = self.systems[name].sandbox.credentials()
            kept[f"{prefix}_BASE_URL"] = self.systems[name].server.base_url
            for key in ("client_id", "client_secret"):
                kept[f"{prefix}_{key.upper()}"] = str(told[key])
        return kept

    def connect(self, organisation: str | None = None, *more: str) -> None:
        """Sign in to all systems by the code flow; the browser is a thread, and consents at once.

        ``organisation``: the name of the one in the books, else the first; ``more``: options of the books.
        """
        for name in self.systems:
            words = more if name == "books" else ()
            done = self.sign_in(name, organisation if name == "books" else None, *words)
            assert done.code == 0, done.err

    def sign_in(self, name: str, organisation: str | None = None, *more: str) -> Done:
        """Sign in to one system, as :meth:`connect` does to both."""
        chosen = organisation or self.systems[name].sandbox.credentials()["organisations"][0]["name"]

        def browse(url: str) -> int:
            threading.Thread(
                target=httpx.get, args=(url,), kwargs={"follow_redirects": True, "timeout": 10}, daemon=True
            ).start()
            return 0

        with mock.patch("click.launch", browse):
            return self.run("connect", name, "--organisation", chosen, *more)

    def run(self, verb: str, *arguments: str, spec: bool = True) -> Done:
        """``syncline VERB SPEC ARGUMENTS``, or without the spec."""
        words = [verb, *((str(self.spec),) if spec else ()), *arguments]
        return in_process(words, self.environ(), self.now, self._waiting, faultless=self.faultless)

    def sync(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """One pass; what ``sync --json`` printed. ``code``: what it must end with, if anything."""
        done = self.run("sync", "--json", *arguments)
        assert code is None or done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        outcome: dict[str, Any] = done.json
        return outcome

    def now(self) -> datetime:
        return datetime.now(UTC) + self._engine_ahead

    def later(self, by: timedelta) -> None:
        """Let time go by, for the engine and for both systems."""
        self._engine_ahead += by
        for clock in self._clocks:
            clock.advance(by.total_seconds())

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.later(timedelta(seconds=seconds))
        if self.while_asleep is not None:
            self.while_asleep()

    def forget_requests(self) -> None:
        for system in self.systems.values():
            system.server.reset_counts()

    def writes(self) -> int:
        """The calls since the counts were reset that can change a record: not reads, not sign-ins."""
        reading = ("oauth", "token", "coql", "connections")
        return sum(
            count
            for system in {id(each): each for each in self.systems.values()}.values()
            for (method, path), count in system.requests("POST", "PUT", "PATCH", "DELETE").items()
            if not any(word in path.lower() for word in reading)
        )

    def assert_idle(self, passes: int = 1) -> None:
        """Further passes write nothing at either end."""
        for _ in range(passes):
            self.forget_requests()
            self.sync(code=None)
            assert self.writes() == 0, {n: s.requests() for n, s in self.systems.items()}


#: The endings of the files that a spec is made of, and the names of the variables that it may read.
_OF_A_SPEC = (".yaml", ".yml", ".j2")
_SETTINGS = ("SYNCLINE_", "XERO_", "ZOHO_")


def in_process(
    argv: list[str],
    environ: Mapping[str, str],
    now: Callable[[], datetime],
    waiting: Waiting | None = None,
    *,
    faultless: bool = True,
) -> Done:
    """Run a command line in this process, as ``syncline`` would be run with this environment and clock. A
    pass goes on after a fault of ours, and may set it right: here nobody overlooks it."""
    from syncline.cli.main import main
    from syncline.run.workspace import Workspace

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        _keeping_signals(),
        reading_once(),
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(Workspace, "now", side_effect=now),
        mock.patch.object(Workspace, "waiting", waiting or Waiting()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(argv)
        except SystemExit as ended:
            code = int(ended.code or 0)
    done = Done(code, out.getvalue(), err.getvalue())
    assert not faultless or "fault of Syncline" not in done.out + done.err, f"{done.out}\n{done.err}"
    return done


#: What was made of a spec, by all that it was made from.
_READ: dict[Any, Any] = {}


@contextmanager
def reading_once() -> Iterator[None]:
    """A spec is read and checked once, whichever test, folder or verb reads it again: it would be half of the
    work. Only what is right is kept, since what is wrong is told with the name of its file."""
    from syncline.run.workspace import Workspace

    def once(name: str) -> cached_property[Any]:
        make = vars(Workspace)[name].func

        def read(workspace: Workspace) -> Any:
            beside = sorted(each for each in workspace.file.parent.glob("*.*") if each.suffix in _OF_A_SPEC)
            key = (
                name,
                workspace.file.name,
                tuple(map(type, workspace.plugins.connectors.values())),
                tuple(workspace.plugins.filters.values()),
                tuple((each.name, each.read_bytes()) for each in beside if each.is_file()),
                tuple(sorted(each for each in workspace.environ if each.startswith(_SETTINGS))),
            )
            if key in _READ:
                return _READ[key]
            found = make(workspace)
            loaded = found if name == "loaded" else workspace.loaded
            if loaded.spec is not None:
                if len(_READ) > 60:
                    _READ.clear()
                _READ[key] = found
            return found

        made: cached_property[Any] = cached_property(read)
        made.__set_name__(Workspace, name)
        return made

    with ExitStack() as patches:
        for name in ("loaded", "expressions", "spec"):
            patches.enter_context(mock.patch.object(Workspace, name, once(name)))
        yield


@contextmanager
def _keeping_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
