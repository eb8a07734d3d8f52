"""The whole of Syncline as its users have it: the command line, real sandboxes, a spec in a folder.

``sandboxes`` runs the two sandboxes of the example spec with the demo data; ``acme`` is a connected copy of
the example that has been synced once. Both live as long as the session, and what one test changes the next
one sees: a test that needs a world of its own uses ``start_sandboxes`` and ``new_client``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLE = Path(__file__).parents[2] / "specs" / "examples" / "acme.yaml"
_COMMAND = (sys.executable, "-m", "syncline")


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Two running sandboxes. ``told``: what `syncline sandbox --json` printed."""

    told: dict[str, Any]

    def environ(self) -> dict[str, str]:
        """The variables of the example spec, aimed at these sandboxes."""
        found = {}
        for system, prefix in (("zoho-crm", "ZOHO_CRM"), ("xero", "XERO")):
            for key in ("base_url", "client_id", "client_secret"):
                found[f"{prefix}_{key.upper()}"] = str(self.told["systems"][system][key])
        return found

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the sandboxes' control: ``GET requests``, ``POST faults``..."""
        reply = httpx.request(method, f"{self.told['control_url']}/{path}", json=body, timeout=10)
        reply.raise_for_status()
        return reply.json() if reply.content else None


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object that it printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The objects that it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Client:
    """A folder with a spec, and the environment in which its verbs run."""

    spec: Path
    environ: dict[str, str] = field(repr=False)

    def run(self, verb: str, *arguments: str, spec: bool = True) -> Done:
        """``syncline VERB SPEC ARGUMENTS``, or without the spec."""
        given = (verb, *((self.spec.name,) if spec else ()), *arguments)
        done = subprocess.run(
            (*_COMMAND, *given),
            cwd=self.spec.parent,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def connect(self, system: str, *arguments: str) -> Done:
        """Sign in by the code flow: the browser is this test, the consent page consents by itself."""
        with subprocess.Popen(
            (*_COMMAND, "connect", self.spec.name, system, "--no-browser", *arguments),
            cwd=self.spec.parent,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            if address.startswith("http"):
                httpx.get(address, follow_redirects=True, timeout=10)
            out, err = running.communicate(timeout=60)
        return Done(running.returncode, out, err)


@pytest.fixture(scope="session")
def start_sandboxes() -> Iterator[Callable[..., Sandboxes]]:
    """Start the sandboxes of the example: ``start_sandboxes("empty")``, ``start_sandboxes("40", "--limits",
    "off")``. They end with the session."""
    running: list[subprocess.Popen[str]] = []

    def start(data: str = "demo", *arguments: str) -> Sandboxes:
        process = subprocess.Popen(
            (*_COMMAND, "sandbox", "--systems", "xero,zoho-crm", "--data", data, "--json", *arguments),
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return Sandboxes(json.loads(process.stdout.readline()))

    yield start
    for process in running:
        process.terminate()
    for process in running:
        process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def new_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Client]:
    """A copy of the example in a folder of its own, signed in to both sandboxes unless told otherwise."""

    def make(sandboxes: Sandboxes, *, connect: bool = True) -> Client:
        folder = tmp_path_factory.mktemp("client")
        spec = folder / "acme.yaml"
        shutil.copyfile(EXAMPLE, spec)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SYNCLINE_", "XERO_", "ZOHO_"))}
        client = Client(spec, {**kept, **sandboxes.environ()})
        if connect:
            organisation = sandboxes.told["systems"]["xero"]["organisations"][0]["name"]
            for done in (client.connect("crm"), client.connect("books", "--organisation", organisation)):
                assert done.code == 0, done.err
        return client

    return make


@pytest.fixture(scope="session")
def sandboxes(start_sandboxes: Callable[..., Sandboxes]) -> Sandboxes:
    """The sandboxes of both systems with the demo data."""
    return start_sandboxes("demo")


@pytest.fixture(scope="session")
def acme(sandboxes: Sandboxes, new_client: Callable[..., Client]) -> Client:
    """The example spec, connected and synced once."""
    client = new_client(sandboxes)
    done = client.run("sync")
    assert done.code in (0, 4), done.out + done.err
    return client
