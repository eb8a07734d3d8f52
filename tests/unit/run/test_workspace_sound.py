"""What a pass found right with a spec, the next one takes from the state."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.stage import extending

from syncline.connect.contract import Catalogue
from syncline.run.installed import installed_plugins
from syncline.run.workspace import Workspace
from syncline.spec.problems import SpecError
from syncline.store.database import Database
from syncline.store.sound import note_sound, was_sound

AT = datetime(2026, 1, 31, tzinfo=UTC)
SPEC = extending("xero-zoho-crm")
ENVIRON = {"ZOHO_CRM_URL": "http://127.0.0.1:1", "XERO_URL": "http://127.0.0.1:2"}


def test_an_untouched_spec_is_not_judged_again(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    judged = []
    for _ in range(2):
        code = (
            "import sys; from pathlib import Path; from syncline.run.workspace import Workspace;"
            f"from syncline.store.sound import note_sound; work = Workspace(Path({str(tmp_path)!r})"
            f" / 'spec.yaml', {str(tmp_path / 'state.db')!r}, {ENVIRON!r}); work.spec\n"
            "with work, work.database.write() as db: note_sound(db, work.sound.fresh, work.now())\n"
            "print(*(name for name in ('jinja2', 'jsonschema') if name in sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        judged.append(done.stdout.strip())
    assert judged == ["jinja2 jsonschema", ""]


OPTION = SPEC.replace('"base_url"', '"data_center": "mars", "base_url"', 1)
MACROS = "transforms: [./own.j2]\n"


def accounts(text: str) -> str:
    return f"{SPEC}modules: {{accounts: {text}}}\n"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (accounts("{limits: {deletes: 200%}}"), "expected a count, a share"),
        (OPTION, "data_center"),
        (accounts("{where: {crm: '{{ recrd.Phone }}'}}"), "did you mean 'record'?"),
        (accounts("{fields: {phone: {crm: Phon}}}"), "Phon"),
    ],
    ids=["a limit", "an option", "an expression", "a path"],
)
def test_a_spec_broken_after_a_pass_is_refused(tmp_path: Path, broken: str, why: str) -> None:
    remember(tmp_path, SPEC)
    assert why in told(tmp_path, broken)


def test_a_macro_broken_after_a_pass_is_told(tmp_path: Path) -> None:
    macros = tmp_path / "own.j2"
    macros.write_text("{% macro same(x) %}{{ x }}{% endmacro %}")
    remember(tmp_path, SPEC + MACROS)
    macros.write_text("{% macro same(x) %}{{ x }}")
    assert "own.j2" in told(tmp_path, SPEC + MACROS)


def test_a_connector_that_has_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, SPEC)
    connector = type(installed_plugins().connectors["zoho-crm"])
    modules = installed_plugins().connectors["zoho-crm"].catalogue_for({}).modules
    fewer = Catalogue(tuple(module for module in modules if module.name != "Accounts"))
    monkeypatch.setattr(connector, "catalogue_for", lambda self, options: fewer)
    assert "Accounts" in told(tmp_path, SPEC)


def remember(folder: Path, spec: str) -> None:
    """A pass of a spec that is right, as far as it matters here."""
    (folder / "spec.yaml").write_text(spec)
    with Workspace(folder / "spec.yaml", str(folder / "state.db"), ENVIRON) as work:
        assert work.spec.name == "acme"
        with work.database.write() as db:
            note_sound(db, work.sound.fresh, AT)


def told(folder: Path, spec: str) -> str:
    """Why the spec is refused by now."""
    (folder / "spec.yaml").write_text(spec)
    with (
        Workspace(folder / "spec.yaml", str(folder / "state.db"), ENVIRON) as work,
        pytest.raises(SpecError) as refused,
    ):
        _ = work.spec
    return str(refused.value.shown)


@pytest.mark.parametrize("state", ["missing.db", "broken.db"])
def test_a_state_that_cannot_be_read_hides_no_mistake(tmp_path: Path, state: str) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC + "colour: blue\n")
    (tmp_path / "broken.db").write_text("no database")
    with pytest.raises(SpecError, match="colour"):
        _ = Workspace(tmp_path / "spec.yaml", str(tmp_path / state), ENVIRON).spec
    assert not (tmp_path / "missing.db").exists()


def test_what_was_found_is_remembered_for_a_while(database: Database) -> None:
    with database.write() as db:
        note_sound(db, ["old"], AT)
        note_sound(db, ["old", "new"], AT)
    assert was_sound(database, "old")
    assert not was_sound(database, "other")
    with database.write() as db:
        note_sound(db, ["new"], AT + timedelta(days=30))
        note_sound(db, ["newest"], AT + timedelta(days=40))
    found = [digest for digest in ("old", "new", "newest") if was_sound(database, digest)]
    assert found == ["new", "newest"]
