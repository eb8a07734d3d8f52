"""Real processes for a few milliseconds each: one process loads everything once and forks a child an order.

The tests' own process has threads and must not fork. This one has none: it reads orders (a line of JSON
each) from its standard input, forks, and answers with a line. A child runs one command line as ``syncline``
would and ends as a Python program ends. What happens to a child beyond that (where it is killed, which
clock it has) is part of its order, see :class:`Order`; the product knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENGINE = str(ROOT / "engine" / "syncline")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command for a child.

    ``ahead_s``: how far the engine's clock is ahead of the machine's. ``commits``: a file that takes a line
    for each commit of the store, its site, as it is about to be made. ``die``: (site, number, moment): kill
    yourself ``before`` or ``after`` the commit that is number so-and-so at its site. ``lease_s``: how
    long a lease lasts. ``freeze``: (site, number): stop yourself (SIGSTOP) right after that commit.
    """

    argv: Sequence[str]
    environ: Mapping[str, str]
    out: str
    ahead_s: float = 0.0
    commits: str | None = None
    die: tuple[str, int, str] | None = None
    lease_s: float | None = None
    freeze: tuple[str, int] | None = None


@dataclass
class Child:
    """A child that runs, or ran. ``code``: its exit code, negative for a signal, once it has ended."""

    zygote: Zygote
    pid: int
    out: Path
    code: int | None = None

    def signal(self, number: signal.Signals) -> None:
        """To this very process; it is still there, if only as a zombie, until :meth:`wait` saw its end."""
        if self.code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit code, ``None`` while it runs or stands still."""
        if self.code is None:
            self.code = self.zygote.ask({"do": "wait", "pid": self.pid})["code"]
            if self.code is not None:
                assert "fault of Syncline" not in self.said, self.said
        return self.code

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code; raises ``TimeoutError``."""
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} has not ended after {timeout_s:.0f} s")
            time.sleep(0.002)
        return code

    def stopped(self) -> bool:
        """Whether it has stopped (SIGSTOP) since the last time this was asked."""
        return bool(self.zygote.ask({"do": "stopped", "pid": self.pid})["stopped"])

    @property
    def said(self) -> str:
        """What it has printed so far, results and messages together."""
        return self.out.read_text(encoding="utf-8", errors="replace")


@dataclass
class Zygote:
    """The process that forks. Use as a context; safe to share between threads."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _children: list[Child] = field(default_factory=list)

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)

    def end_all(self) -> None:
        """Kill what still runs, or stands still: a test that failed has left it."""
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.wait()

    def start(self, order: Order) -> Child:
        pid = self.ask({"do": "start", "order": asdict(order)})["pid"]
        self._children = [child for child in self._children if child.code is None]
        self._children.append(Child(self, pid, Path(order.out)))
        return self._children[-1]

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


# --- in the process that forks -------------------------------------------------------------------


def serve() -> None:
    _load()
    ended: dict[int, int] = {}
    stops: set[int] = set()
    while line := _read_line():
        asked = json.loads(line)
        if asked["do"] == "start":
            pid = os.fork()
            if pid == 0:
                _become(asked["order"])
            ended.pop(pid, None)  # numbers of processes are given again
            stops.discard(pid)
            _answer({"pid": pid})
            continue
        pid = asked["pid"]
        if pid not in ended:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if found and os.WIFSTOPPED(status):
                stops.add(pid)
            elif found:
                ended[pid] = os.waitstatus_to_exitcode(status)
        if asked["do"] == "wait":
            _answer({"code": ended.get(pid)})
        else:
            _answer({"stopped": pid in stops})
            stops.discard(pid)


def _read_line() -> bytes:
    """Byte by byte: a child must find nothing read ahead."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def _answer(value: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def _load() -> None:
    """Everything that a pass imports; no thread, no connection."""
    import importlib

    for name in (
        "syncline.cli.main",
        "syncline.cli.sync",
        "syncline.run.sync",
        "syncline.run.workspace",
        "syncline.store.migrations.upgrade",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql",
        "psycopg",
        "httpx",
        "httpcore",
        "jinja2",
        "ruamel.yaml",
        "cryptography.fernet",
        "concurrent.futures.thread",
    ):
        importlib.import_module(name)
    from syncline.run.installed import installed_plugins

    for connector in installed_plugins().connectors.values():
        connector.catalogue()


# --- in a child ----------------------------------------------------------------------------------


def _become(order: Mapping[str, Any]) -> None:
    """Run the order's command line, and end as ``syncline`` ends."""
    given = os.open(os.devnull, os.O_RDONLY)
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number, target in enumerate((given, out, out)):
        os.dup2(target, number)
    os.environ.clear()
    os.environ.update(order["environ"])
    _prepare(order)
    from syncline.cli.main import main

    main(order["argv"])


def _prepare(order: Mapping[str, Any]) -> None:
    from datetime import UTC, datetime, timedelta

    from syncline.run.workspace import Workspace
    from syncline.store.database import Database
    from syncline.store.lease import Leases

    ahead = timedelta(seconds=order["ahead_s"])
    Workspace.now = lambda self: datetime.now(UTC) + ahead  # type: ignore[method-assign]
    if order["lease_s"] is not None:
        Leases.__init__.__kwdefaults__["ttl_s"] = order["lease_s"]  # type: ignore[index]
    Database.write = _watched(Database.write, order)  # type: ignore[method-assign]


def _watched(write: Any, order: Mapping[str, Any]) -> Any:
    """``Database.write`` that tells of each commit, and dies or stops where it was told to."""
    log = os.open(order["commits"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if order["commits"] else -1
    lock = threading.Lock()
    counts: dict[str, int] = {}
    die = tuple(order["die"]) if order["die"] else None
    freeze = tuple(order["freeze"]) if order["freeze"] else None

    @contextmanager
    def watched(self: Any) -> Iterator[Any]:
        with write(self) as connection:
            yield connection
            site = site_of_commit()
            with lock:
                number = counts[site] = counts.get(site, 0) + 1
            if log >= 0:
                os.write(log, site.encode() + b"\n")
            if die == (site, number, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
        if die == (site, number, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        if freeze == (site, number):
            os.kill(os.getpid(), signal.SIGSTOP)

    return watched


def site_of_commit() -> str:
    """Which commit this is: the two innermost functions of the engine outside the database's own module."""
    found: list[str] = []
    frame = sys._getframe(1)
    while frame is not None and len(found) < 2:
        name = frame.f_code.co_filename
        if name.startswith(ENGINE) and not name.endswith("/store/database.py"):
            found.append(f"{name[len(ENGINE) + 1 :].removesuffix('.py')}:{frame.f_code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return " < ".join(found)


if __name__ == "__main__":
    serve()
