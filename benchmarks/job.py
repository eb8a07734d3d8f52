"""The job that is measured: accounts of a CRM and customers of the books, 12 fields, 4 with a transform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOAD = HERE / "load"
SYNCLINE = Path(sys.executable).with_name("syncline")

#: Fields by name: path at the CRM, path at the books, and for a transform how each end's value is made.
PATHS = {
    "name": ("name", "display_name"),
    "email": ("email", "email_address"),
    "phone": ("phone", "phone"),
    "website": ("website", "web"),
    "street": ("address.street", "billing.street"),
    "city": ("address.city", "billing.city"),
    "postcode": ("address.postcode", "billing.postcode"),
    "tax_number": ("tax_number", "tax"),
    "country": ("country", "country_code"),
    "active": ("active", "status"),
    "terms": ("terms", "payment_terms"),
    "credit": ("credit", "credit_cents"),
}
#: To the books, to the CRM.
TRANSFORMS = {
    "country": ("{{ value | upper }}", "{{ value | lower }}"),
    "active": ("{{ 'ACTIVE' if value else 'CLOSED' }}", "{{ value == 'ACTIVE' }}"),
    "terms": ("{{ 'NET ' ~ value }}", "{{ value | replace('NET ', '') | int }}"),
    "credit": ("{{ (value * 100) | int }}", "{{ value / 100 }}"),
}


def spec_text(name: str, crm: str, books: str, modules: int = 1) -> str:
    """The spec, as a consultant writes it. ``crm``, ``books``: addresses; ``modules``: that many pairs."""
    lines = ["spec: 1", f"name: {name}", "systems:"]
    for system, url in (("crm", crm), ("books", books)):
        lines.append(f"  {system}: {{connector: load, base_url: '{url}', client_id: load}}")
    lines += ["conflicts: {prefer: crm}", "modules:"]
    for number in ["", *map(str, range(2, modules + 1))]:
        lines += [
            f"  accounts{number}:",
            f"    between: {{crm: accounts{number}, books: customers{number}}}",
            "    match:",
            '      - {crm: "tax_number | alnum", books: "tax | alnum"}',
            "    deletes: {crm: ignore, books: ignore}",
            "    limits: {operations: 10000000, deletes: 100%}",
            "    fields:",
        ]
        for field, (left, right) in PATHS.items():
            to = TRANSFORMS.get(field)
            told = f', to: {{books: "{to[0]}", crm: "{to[1]}"}}' if to else ""
            lines.append(f"      {field}: {{crm: {left}, books: {right}{told}}}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Stage:
    """A load server with ``size`` records on each side, and a folder for what its clients remember."""

    url: str
    folder: Path
    size: int

    @property
    def crm(self) -> str:
        return f"{self.url}/crm"

    @property
    def books(self) -> str:
        return f"{self.url}/books"


def environment(**more: str) -> dict[str, str]:
    """That of every command: the load connector is found, a state elsewhere is not, and sources are compiled
    once, as they are for whoever installs a package."""
    strays = ("SYNCLINE_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(strays)}
    return {**kept, "PYTHONPATH": str(LOAD), **more}


@contextmanager
def stage(size: int) -> Iterator[Stage]:
    """A load server and a folder, which is thrown away."""
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name, load_server(size) as url:
        yield Stage(url, Path(name), size)


@contextmanager
def load_server(records: int, *, page: int = 1000, latency_ms: float = 0) -> Iterator[str]:
    """The load server in a process of its own; its address."""
    words = [sys.executable, str(LOAD / "server.py"), "--records", str(records), "--page", str(page)]
    words += ["--latency-ms", str(latency_ms)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        if not url:
            raise SystemExit("the load server did not start; its words are above")
        yield url
    finally:
        running.terminate()
        running.wait()


def control(url: str, method: str, path: str) -> dict[str, int]:
    """Ask the load server's control; the counts of requests so far."""
    with urllib.request.urlopen(urllib.request.Request(f"{url}/_/{path}", method=method)) as reply:
        told: dict[str, int] = json.load(reply)
        return told


def connect(spec: Path, state: Path) -> None:
    """Sign in to both systems, as a person does once."""
    for system in ("crm", "books"):
        words = [SYNCLINE, "connect", spec, system, "--grant", "client-credentials", "--state", state]
        subprocess.run(words, check=True, env=environment(), stdout=subprocess.DEVNULL)
