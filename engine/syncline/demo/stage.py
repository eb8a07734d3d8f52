"""Where the demonstration is played: a folder, sandboxes in a process of their own, the command line."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from syncline import exactjson
from syncline.bundle import bundled
from syncline.errors import SynclineError
from syncline.spec.load import load_spec
from syncline.spec.model import EnvText

STORY = "acme.story.yaml"
_ENV = re.compile(r"\$\{env:([A-Za-z0-9_]+)")
_MARK = ".syncline-demo"
_WAIT_S = 60


class Stage:
    """Use as a context: leaving it ends the sandboxes; their data and the state stay in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = folder / "acme.yaml"
        self.environ = dict(os.environ)
        self._sandboxes: subprocess.Popen[str] | None = None
        self.told: dict[str, Any] = {}
        self.connectors: dict[str, str] = {}
        self._http = httpx.Client(timeout=_WAIT_S, trust_env=False)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        if self._sandboxes is not None:
            self._sandboxes.terminate()
            self._sandboxes.wait(_WAIT_S)
            if self._sandboxes.stdout is not None:
                self._sandboxes.stdout.close()

    def prepare(self) -> dict[str, Any]:
        """Make the folder anew, with the example spec in it; returns the story. An existing folder is cleared
        only when an earlier demonstration made it."""
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / _MARK).exists():
            raise SynclineError(
                f"{self.folder} holds something else", fix="name an empty or new folder with --folder"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / _MARK).touch()
        examples = bundled("specs") / "examples"
        self.spec.write_bytes((examples / "acme.yaml").read_bytes())
        return read_story((examples / STORY).read_text(encoding="utf-8"))

    def open_sandboxes(self, data: str) -> None:
        """Start the sandboxes of the spec's connectors and put their addresses into the environment."""
        loaded = load_spec(self.spec, environ={})
        if loaded.spec is None:
            raise SynclineError("the example spec is broken", fix=f"run: syncline validate {self.spec}")
        self.connectors = {name: system.connector for name, system in loaded.spec.systems.items()}
        names = list(self.connectors.values())
        base = _free_ports(len(names) + 1)
        arguments = ["sandbox", "--systems", ",".join(names), "--data", data, "--json"]
        arguments += ["--port-base", str(base), "--keep", str(self.folder / "sandboxes")]
        self._sandboxes = subprocess.Popen(  # noqa: S603 - our own command
            [*_SYNCLINE, *arguments], stdout=subprocess.PIPE, text=True, env=self.environ
        )
        assert self._sandboxes.stdout is not None
        line = self._sandboxes.stdout.readline()
        if not line:
            raise SynclineError("the sandboxes did not start", fix=f"run: syncline {' '.join(arguments)}")
        self.told = exactjson.decode(line)
        for name, system in loaded.spec.systems.items():
            facts = self.told["systems"][self.connectors[name]]
            for key in ("base_url", "client_id", "client_secret"):
                value: EnvText | None = getattr(system, key)
                if value is not None and (found := _ENV.search(value.raw)):
                    self.environ[found[1]] = str(facts[key])
        self._write_environment(arguments)

    def _write_environment(self, arguments: Sequence[str]) -> None:
        names = sorted(set(self.environ) - set(os.environ))
        lines = [f"export {name}={self.environ[name]}" for name in names]
        file = self.folder / "environment.sh"
        file.touch(mode=0o600)
        file.write_text("\n".join([*lines, ""]))
        again = [argument for argument in arguments if argument != "--json"]
        (self.folder / "sandboxes.sh").write_text(f"exec syncline {' '.join(again)}\n")

    # --- the command line ------------------------------------------------------------------------

    def run(self, *arguments: str, expect: Sequence[int] = (0,)) -> Any:
        """Run a verb with ``--json`` as a process of its own; returns what it printed."""
        done = subprocess.run(  # noqa: S603 - our own command
            [*_SYNCLINE, *arguments, "--json"], capture_output=True, text=True, env=self.environ, check=False
        )
        if done.returncode not in expect:
            said = done.stderr.strip() or done.stdout.strip()
            raise SynclineError(f"syncline {arguments[0]} ended with {done.returncode}: {said}")
        return exactjson.decode(done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a verb and leave it running."""
        return subprocess.Popen(  # noqa: S603 - our own command
            [*_SYNCLINE, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environ,
        )

    def connect(self, system: str) -> str:
        """Sign in as a person would: open the consent page, which agrees by itself, and be sent back."""
        facts = self.told["systems"][self.connectors[system]]
        arguments = ["connect", str(self.spec), system, "--no-browser"]
        for organisation in facts.get("organisations", ())[:1]:
            arguments += ["--organisation", organisation["name"]]
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*_SYNCLINE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
        )
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if url.startswith("http"):
            self._http.get(url, follow_redirects=True)
        out, err = process.communicate(timeout=_WAIT_S)
        if process.returncode != 0:
            raise SynclineError(f"connecting {system} failed: {err.strip()}")
        return str(out).strip()

    # --- the sandboxes' control ------------------------------------------------------------------

    def read(self, system: str, module: str) -> list[dict[str, Any]]:
        """Every record that a system holds, from its own tables."""
        found = self._control("GET", f"/records/{self.connectors[system]}/{module}")
        records: list[dict[str, Any]] = found["records"]
        return records

    def act(
        self, system: str, action: str, module: str, record: str | None, values: Mapping[str, Any]
    ) -> Any:
        """Do what a person does in a system's own screens; returns the record."""
        told = {"system": self.connectors[system], "action": action, "module": module, "values": values}
        return self._control("POST", "/act", told | ({"id": record} if record else {}))["record"]

    def arm(self, system: str, **fault: Any) -> None:
        self._control("POST", "/faults", {"system": self.connectors[system], **fault})

    def clear_faults(self) -> None:
        self._http.request("DELETE", self.told["control_url"] + "/faults")

    def requests(self, system: str, method: str) -> int:
        """How many requests of a method a system has had."""
        rows = self._control("GET", "/requests")["requests"]
        name = self.connectors[system]
        return sum(row["count"] for row in rows if row["system"] == name and row["method"] == method)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        content = exactjson.encode(body) if body is not None else None
        reply = self._http.request(method, self.told["control_url"] + path, content=content)
        answer = exactjson.decode(reply.content)
        if reply.status_code >= 400:
            raise SynclineError(f"the sandbox control said: {answer.get('error')}")
        return answer


def read_story(content: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    story: dict[str, Any] = YAML(typ="safe", pure=True).load(content)
    return story


_SYNCLINE = (sys.executable, "-m", "syncline")


def _free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for base in range(18_200, 60_000, 10):
        taken = False
        for port in range(base, base + count):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    taken = True
                    break
        if not taken:
            return base
    raise SynclineError("no free ports on this machine")
