"""Doctor: each check, and what it says to do."""

from __future__ import annotations

import stat
from pathlib import Path
from unittest import mock

import pytest
from tests.support.memory import MemoryConnector, MemoryRemote, MemorySession
from tests.support.world import LEFT_FIELDS, remote_module

from syncline.connect.contract import Account, Connector, Grant, OAuth, Organisation
from syncline.connect.oauth import Tokens
from syncline.connect.plugins import PluginProblem, Plugins
from syncline.run.doctor import Check, Verdict, examine
from syncline.run.workspace import Workspace
from syncline.store.scopes import ScopeKey, open_scope

SPEC = """\
spec: 1
name: test
systems:
  a: {connector: alpha, client_id: "${env:CLIENT}"}
  b: {connector: beta, client_id: "${env:CLIENT}"}
modules:
  people:
    between: {a: people, b: people}
    fields:
      name: {a: name, b: name}
"""


class Scoped(MemoryConnector):
    """A connector that asks for two scopes."""

    def oauth(self, options: object, callback: object) -> OAuth:
        return OAuth(
            authorize_url="https://a.example", token_url="https://a.example", scopes=("read", "write")
        )


def plugins(*problems: PluginProblem) -> Plugins:
    connectors: dict[str, Connector] = {
        name: Scoped(name, MemoryRemote([remote_module("people", LEFT_FIELDS)])) for name in ("alpha", "beta")
    }
    return Plugins(connectors=connectors, problems=problems)


class Here:
    """A spec in a folder, with connectors in memory."""

    def __init__(self, folder: Path, text: str = SPEC) -> None:
        self.file = folder / "acme.yaml"
        self.file.write_text(text)
        self.folder = folder / ".syncline"
        self.environ = {"CLIENT": "client"}

    def checks(self, plugged: Plugins | None = None) -> dict[str, Check]:
        return {check.name: check for check in self.all_checks(plugged)}

    def all_checks(self, plugged: Plugins | None = None) -> list[Check]:
        used = plugged or plugins()
        with Workspace(self.file, None, self.environ) as workspace:
            workspace.__dict__["plugins"] = used
            return list(examine(workspace, used, self.environ))

    def connect(self, system: str, organisation: str, *scopes: str) -> None:
        with Workspace(self.file, None, self.environ) as workspace:
            workspace.__dict__["plugins"] = plugins()
            connector = {"a": "alpha", "b": "beta"}[system]
            chosen = Organisation(id=organisation, name=organisation)
            workspace.vault.save(
                spec="test",
                system=system,
                connector=connector,
                base_url="",
                organisation=chosen,
                grant=Grant.CODE,
                tokens=Tokens(
                    access_token="the access token", obtained_at=0.0, expires_at=4e9, scopes=tuple(scopes)
                ),
                account=Account(organisation=chosen),
            )


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_new_spec_needs_its_connections_and_no_state_is_made(here: Here) -> None:
    checks = here.checks()
    assert checks["spec"].verdict is Verdict.OK
    assert checks["state"].verdict is Verdict.WARNING
    assert "there is no state yet" in checks["state"].what
    assert checks["connection a"].verdict is Verdict.FAILED
    assert checks["connection a"].fix == f"run: syncline connect {here.file} a"
    assert not here.folder.exists()


def test_all_is_well(here: Here) -> None:
    here.connect("a", "alpha-org", "read", "write")
    here.connect("b", "beta-org")
    checks = here.checks()
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert checks["scopes a"].what == "all 2 scopes are granted"
    assert checks["scopes b"].what == "the remote does not say which scopes were granted"
    assert checks["key"].what.endswith("mode 600; it opens 2 saved sign-ins")
    assert "access token" not in str(checks)


def test_another_spec_that_keeps_the_same_records_is_named(here: Here) -> None:
    here.connect("a", "alpha-org", "read", "write")
    here.connect("b", "beta-org")
    rest = {"left_module": "people", "right_module": "people"}
    key = ScopeKey(spec="other", module="staff", left_org="alpha-org", right_org="gamma-org", **rest)
    away = ScopeKey(spec="away", module="staff", left_org="delta-org", right_org="gamma-org", **rest)
    with Workspace(here.file, None, here.environ) as workspace, workspace.database.write() as db:
        for each in (key, away):
            open_scope(db, each, "", {})
    found = [check for check in here.all_checks() if check.name.startswith("writers")]
    assert [(check.name, check.verdict) for check in found] == [
        ("writers a", Verdict.WARNING),
        ("writers b", Verdict.OK),
    ]
    assert found[0].what == (
        "the spec other keeps people (staff) of alpha in step as well; it has had no pass yet"
    )
    assert "syncline validate" in found[0].fix


def test_what_the_remote_tells_of_other_writers_is_a_warning(here: Here) -> None:
    here.connect("a", "alpha-org", "read", "write")
    here.connect("b", "beta-org")
    with mock.patch.object(MemorySession, "other_writers", return_value=["a robot writes\nhere"]):
        checks = here.checks()
    assert (checks["writers a"].verdict, checks["writers a"].what) == (Verdict.WARNING, "a robot writes here")


def test_a_scope_that_was_not_granted_is_named(here: Here) -> None:
    here.connect("a", "alpha-org", "read")
    check = here.checks()["scopes a"]
    assert check.verdict is Verdict.WARNING
    assert check.what.startswith("not granted: write;")


def test_another_organisation_than_the_one_connected(here: Here) -> None:
    here.connect("a", "somebody-else", "read", "write")
    check = here.checks()["connection a"]
    assert check.verdict is Verdict.FAILED
    assert "answers for alpha" in check.what


def test_an_environment_name_that_is_not_set_is_named_with_its_place(here: Here) -> None:
    here.connect("a", "alpha-org")
    here.environ.pop("CLIENT")
    check = here.checks()["connection a"]
    assert check.verdict is Verdict.FAILED
    assert "acme.yaml:4" in check.what
    assert "CLIENT is not set" in check.what


def test_a_key_that_others_can_read_and_one_that_is_lost(here: Here) -> None:
    here.connect("a", "alpha-org")
    key = here.folder / "key"
    key.chmod(0o644)
    checks = here.checks()
    assert checks["key"].verdict is Verdict.FAILED
    assert checks["key"].fix == f"chmod 600 {key}"
    assert "connection a" not in checks, "without the key nothing can be told of it"
    key.unlink()
    assert here.checks()["key"].verdict is Verdict.FAILED
    assert not key.exists(), "a new key would hide that the old one is lost"


def test_a_state_that_cannot_be_written(here: Here) -> None:
    here.connect("a", "alpha-org")
    state = here.folder / "state.db"
    state.chmod(stat.S_IRUSR)
    checks = here.checks()
    assert checks["state"].verdict is Verdict.FAILED
    assert "read-only" in checks["state"].what


def test_a_broken_spec_says_where_and_ends_there(tmp_path: Path) -> None:
    here = Here(tmp_path, SPEC.replace("b: name}", "b: nome}"))
    checks = here.checks()
    assert checks["spec"].verdict is Verdict.FAILED
    assert "acme.yaml:7:3: required-field" in checks["spec"].what
    assert checks["spec"].what.endswith("(and 1 more)")
    assert checks["spec"].fix == f"run: syncline validate {here.file}"
    assert "connection a" not in checks


def test_a_broken_plugin_is_named_with_its_version(here: Here) -> None:
    problem = PluginProblem("acme-plugin", "2.1", "acme = acme_plugin", "it has no hook at all", "remove it")
    checks = here.checks(plugins(problem))
    assert checks["plugins"].verdict is Verdict.FAILED
    assert checks["plugins"].what == "acme-plugin 2.1 (acme = acme_plugin): it has no hook at all"
