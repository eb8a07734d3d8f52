"""What a pass found to keep its schema, the next one takes from the state."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.stage import extending

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
            "print('jsonschema' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        judged.append(done.stdout.strip())
    assert judged == ["True", "False"]


OPTION = SPEC.replace('"base_url"', '"data_center": "mars", "base_url"', 1)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (SPEC + "modules: {accounts: {limits: {deletes: 200%}}}\n", "expected a count, a share"),
        (OPTION, "data_center"),
    ],
    ids=["a limit", "an option"],
)
def test_a_spec_broken_after_a_pass_is_refused(tmp_path: Path, broken: str, why: str) -> None:
    file, state = tmp_path / "spec.yaml", str(tmp_path / "state.db")
    file.write_text(SPEC)
    with Workspace(file, state, ENVIRON) as work:
        assert work.spec.name == "acme"
        with work.database.write() as db:
            note_sound(db, work.sound.fresh, AT)
    file.write_text(broken)
    with Workspace(file, state, ENVIRON) as work, pytest.raises(SpecError) as refused:
        _ = work.spec
    assert why in str(refused.value.shown)


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
