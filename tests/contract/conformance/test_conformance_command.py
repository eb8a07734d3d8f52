"""`syncline conformance` prints a line a promise, and its exit code says whether all hold."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from conformance_mutants import DeletesNothing, Floats, WrappedConnector

from syncline.cli import conformance
from syncline.cli.exits import Exit
from syncline.connect.conformance import Level, Verdict, run
from syncline.connect.contract import Connector
from syncline.connect.plugins import Plugins, load_plugins
from syncline.errors import SynclineError
from syncline.run import installed


@pytest.fixture
def good() -> Connector:
    return next(iter(load_plugins().connectors.values()))


@pytest.fixture
def broken(good: Connector, monkeypatch: pytest.MonkeyPatch) -> Connector:
    """The only installed connector delivers floats."""
    connector = WrappedConnector(good, Floats)
    connector.name = "broken"
    found = Plugins(connectors={"broken": connector})
    monkeypatch.setattr(installed, "installed_plugins", lambda: found)
    return connector


def call(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(conformance.command, list(args), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, done.output


def test_a_promise_that_holds(good: Connector) -> None:
    code, said = call(good.name, "--only", "check", "--only", "limits")
    assert code == Exit.DONE
    lines = said.splitlines()
    assert [line.split(":")[0].split() for line in lines[:2]] == [["ok", "limits"], ["ok", "check"]]
    assert f"{good.name}: 2 hold, 0 failed, 0 not applicable" in lines
    assert not any(line.startswith("level") for line in lines), "a part of the kit gives no level"


def test_a_promise_that_fails_says_what_was_expected_and_seen(broken: Connector) -> None:
    code, said = call("broken", "--only", "form")
    assert code == Exit.FAILED
    assert "FAILED          form: " in said
    assert "expected" in said
    assert "the float" in said


def test_json(broken: Connector) -> None:
    code, said = call("broken", "--only", "form", "--only", "limits", "--json")
    told = json.loads(said)
    assert code == Exit.FAILED
    assert (told["connector"], told["level"], told["holds"]) == ("broken", None, False)
    verdicts = {p["name"]: p["verdict"] for p in told["promises"]}
    assert verdicts == {"limits": "ok", "form": "failed"}
    assert all(p["promised"] and p["level"] for p in told["promises"])
    assert {"create_batch", "conditional", "idempotency_s"} <= next(
        iter(told["capabilities"].values())
    ).keys()
    assert told["promises"][1]["why"]


def test_an_unknown_connector_is_told_the_known_ones(good: Connector) -> None:
    with pytest.raises(SynclineError, match="no connector 'nowhere'") as caught:
        call("nowhere")
    assert good.name in caught.value.fix


def test_an_unknown_promise_is_told_the_nearest(good: Connector) -> None:
    with pytest.raises(Exception, match="did you mean read-all"):
        call(good.name, "--only", "readall")


def test_a_level_needs_all_of_its_promises_and_those_below(good: Connector) -> None:
    first = run(good, only=["name", "options", "catalogue", "sign-in-described", "limits"])
    assert first.level is Level.DESCRIBED
    assert run(good, only=["name", "options"]).level is None
    loose = WrappedConnector(good)
    loose.options_schema = {"type": "object"}
    failed = run(loose, only=["name", "options", "catalogue", "sign-in-described", "limits"])
    assert failed.level is None


def test_what_does_not_apply_is_said_with_the_reason(good: Connector) -> None:
    bare = WrappedConnector(good, DeletesNothing)
    bare.catalogue = lambda: type(good.catalogue())(  # type: ignore[method-assign]
        tuple(m for m in good.catalogue().modules if not m.capabilities.archive)
    )
    (finding,) = run(bare, only=["archivals"]).findings
    assert finding.verdict is Verdict.NOT_APPLICABLE
    assert all("its records cannot be archived" in why for why in finding.why)
