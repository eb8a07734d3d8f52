"""Pitfall 23, secrets in logs: planted canaries sing nowhere, whatever a remote answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.effort import effort
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Fault, FaultKind

#: Nobody has told us of these: they are secrets by the name that they stand behind.
UNKNOWN = "canary-nobody-registered-5f3a"
PATHS = {"crm": "/crm/v8/", "books": "/api.xro/2.0/"}


def known_secrets(stage: Stage) -> dict[str, str]:
    """Client secrets, and every access and refresh token that was given or shown."""
    found = {
        f"{name} client secret": str(system.sandbox.credentials()["client_secret"])
        for name, system in stage.systems.items()
    }
    for name, tokens in heard.items():
        found |= {f"{name} token {number}": token for number, token in enumerate(sorted(tokens))}
    return found


#: Every token that a sandbox has given out or been shown, by system.
heard: dict[str, set[str]] = {}


@pytest.fixture
def listening(stages: Callable[..., Stage]) -> Stage:
    """A stage whose sandboxes' tokens are all known to the test."""
    stage = stages()
    heard.clear()
    for name, system in stage.systems.items():
        heard[name] = set()

        def listen(template: str, request: Any, reply: Any, name: str = name) -> None:
            authorization = request.headers.get("authorization", "")
            if " " in authorization and not authorization.startswith("Basic"):
                heard[name].add(authorization.split(" ", 1)[1])
            if "token" in template:
                body = json.loads(reply.body or b"{}")
                heard[name] |= {str(v) for k, v in body.items() if k.endswith("_token")}

        system.server.listeners.append(listen)
    return stage


def echoing(stage: Stage, system: str, status: int) -> Fault:
    """An error page that repeats everything that it was sent and should never have told."""
    secrets = {"client_secret": UNKNOWN, "access_token": UNKNOWN, "debug": sorted(heard[system])}
    told = {"code": "INVALID_DATA", "message": f"bad token {' '.join(heard[system])}", "details": secrets}
    told |= {"Message": f"Authorization: Bearer {UNKNOWN}", "Detail": str(secrets), "status": "error"}
    body = json.dumps(told)
    return Fault(kind=FaultKind.STATUS, path=PATHS[system], status=status, body=body, times=3)


def test_canaries_sing_nowhere(listening: Stage, caplog: pytest.LogCaptureFixture, tally: Tally) -> None:
    stage = listening
    caplog.set_level(logging.DEBUG)
    done: list[Done] = []

    def run(verb: str, *arguments: str) -> None:
        done.append(stage.run(verb, *arguments))

    account = stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
    run("sync")
    stage.books.sandbox.clock.advance(31 * 60)  # so that tokens are renewed, and the new ones known
    run("sync")
    for system in stage.systems:
        for status in (401, 400, 500, 403, 429, 404)[: effort(3, 6)]:
            tally("error replies with canaries")
            stage.crm.act("update", "Accounts", account["id"], {"Phone": f"55 {status}"})
            stage.systems[system].sandbox.faults.arm(echoing(stage, system, status))
            run("sync")
            stage.systems[system].sandbox.faults.clear()
            stage.connect()
            stage.later(timedelta(minutes=6))
    plan = str(stage.folder / "acme.plan")
    for verb, *arguments in (
        ("plan", "--out", plan),
        ("plan", "--json"),
        ("sync", "--json"),
        ("status", "--json"),
        ("log", "--json"),
        ("explain", "accounts", account["id"], "--json"),
        ("connections",),
        ("doctor", "--json"),
        ("discover", "crm", "--json"),
    ):
        run(verb, *arguments)
    assert {code for each in done if (code := each.code)} >= {1}, "the error replies were met"

    secrets = known_secrets(stage) | {"never registered": UNKNOWN}
    assert len(secrets) > 6
    written = {f"output {n}": each.out + each.err for n, each in enumerate(done)}
    written["log"] = caplog.text
    for file in sorted(stage.folder.rglob("*")):
        if file.is_file():
            tally("places searched for canaries")
            written[str(file)] = file.read_bytes().decode("latin-1")
    for place, text in written.items():
        for what, secret in secrets.items():
            assert secret not in text, f"{what} in {place}"
    for file in (stage.folder / ".syncline").iterdir():
        assert Path(file).stat().st_mode & 0o077 == 0, f"{file} can be read by others"
