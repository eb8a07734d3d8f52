"""The key that sign-ins are encrypted with can be changed, and no step of it locks anybody out."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.fernet import Fernet, InvalidToken
from tests.support.stage import Stage, in_process
from tests.support.tally import Tally

from syncline.run.workspace import Workspace
from syncline.store.crypto import load_cipher, new_key


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as made:
        made.connect()
        yield made


def _keys(stage: Stage) -> list[str]:
    return (stage.folder / ".syncline" / "key").read_text().split()


def _secrets(stage: Stage) -> list[bytes]:
    with sqlite3.connect(stage.folder / ".syncline" / "state.db") as db:
        return [row[0] for row in db.execute("SELECT secret FROM connection ORDER BY id")]


def _opens(key: str, secret: bytes) -> bool:
    try:
        Fernet(key).decrypt(secret)
    except InvalidToken:
        return False
    return True


def test_a_new_key_encrypts_everything_and_the_old_one_goes_when_told(stage: Stage) -> None:
    (old,) = _keys(stage)
    done = stage.run("connections", "--rotate-key", "--json")
    assert done.code == 0, done.err
    assert (done.json["sign_ins"], done.json["old_keys"]) == (2, 1)
    new, kept = _keys(stage)
    assert kept == old
    assert all(_opens(new, secret) and not _opens(old, secret) for secret in _secrets(stage))
    assert new not in done.out + done.err
    stage.sync()
    done = stage.run("connections", "--forget-old-keys")
    assert done.code == 0, done.err
    assert _keys(stage) == [new]
    stage.sync()
    both = stage.run("connections", "--rotate-key", "--forget-old-keys")
    assert both.code == 0, both.err
    assert len(_keys(stage)) == 1
    assert new not in _keys(stage)
    stage.sync()
    assert stage.run("doctor").code == 0


CRASHES = {
    "before the file is replaced": "syncline.privatefile.create_private",
    "after the file, before the sign-ins": "syncline.store.vault.Vault.rotate",
    "between two sign-ins": "syncline.store.crypto.Cipher.rotated",
    "before the old keys go": "syncline.run.keys.drop_old_keys",
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_between_the_steps_locks_nobody_out(name: str, stage: Stage, tally: Tally) -> None:
    tally("kill points")
    from syncline.store import crypto

    calls = 0
    honest = crypto.Cipher.rotated

    def die(self: Any, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if "rotated" in CRASHES[name] and calls == 1:
            return honest(self, *given)
        raise KeyboardInterrupt

    with mock.patch(CRASHES[name], die):
        done = stage.run("connections", "--rotate-key", "--forget-old-keys")
    assert done.code == 1
    assert calls
    keys = _keys(stage)
    assert all(any(_opens(key, secret) for key in keys) for secret in _secrets(stage))
    stage.sync()
    done = stage.run("connections", "--rotate-key", "--forget-old-keys")
    assert done.code == 0, done.err
    (only,) = _keys(stage)
    assert all(_opens(only, secret) for secret in _secrets(stage))
    assert sorted(p.name for p in (stage.folder / ".syncline").iterdir() if p.name.startswith("key")) == [
        "key"
    ]
    stage.sync()


def test_what_was_saved_with_an_old_key_meanwhile_is_encrypted_before_that_key_goes(stage: Stage) -> None:
    """A pass that read the keys before may renew a sign-in afterwards, with the key that it knows."""
    (old,) = _keys(stage)
    assert stage.run("connections", "--rotate-key").code == 0
    new = _keys(stage)[0]
    with sqlite3.connect(stage.folder / ".syncline" / "state.db") as db:
        late = Fernet(old).encrypt(Fernet(new).decrypt(_secrets(stage)[0]))
        db.execute("UPDATE connection SET secret = ? WHERE id = (SELECT min(id) FROM connection)", (late,))
    with mock.patch("syncline.store.vault.Vault.rotate", side_effect=KeyboardInterrupt):
        assert stage.run("connections", "--forget-old-keys").code == 1
    assert _keys(stage) == [new, old]
    assert stage.run("connections", "--forget-old-keys").code == 0
    assert _keys(stage) == [new]
    assert all(_opens(new, secret) for secret in _secrets(stage))


def test_a_pass_that_began_before_finds_the_new_key(stage: Stage) -> None:
    """It read the keys before they were changed, and must not lose its sign-in half way."""
    with Workspace(stage.spec, None, stage.environ()) as work:
        saved = work.vault.all()
        tokens = [work.vault.tokens(one.id) for one in saved]
        before = [each.read().tokens.access_token for each in tokens]
        assert stage.run("connections", "--rotate-key", "--forget-old-keys").code == 0
        assert [each.read().tokens.access_token for each in tokens] == before


def test_old_keys_do_not_go_while_somebody_may_save_with_them(stage: Stage) -> None:
    with Workspace(stage.spec, None, stage.environ()) as work, work.leases.hold("acme:accounts"):
        done = stage.run("connections", "--rotate-key", "--forget-old-keys")
    assert done.code == 1
    assert "a pass is at work (acme:accounts)" in done.err
    assert len(_keys(stage)) == 2
    stage.sync()


def test_keys_of_the_environment_are_followed_not_made(stage: Stage, tmp_path: Path) -> None:
    (old,) = _keys(stage)

    def run(keys: str, *arguments: str) -> Any:
        argv = ["connections", str(stage.spec), *arguments]
        return in_process(argv, stage.environ() | {"SYNCLINE_KEY": keys}, stage.now)

    alone = run(old, "--rotate-key")
    assert alone.code == 1
    assert "the new one must stand before it" in alone.err
    new = new_key()
    done = run(f"{new},{old}", "--rotate-key")
    assert done.code == 0, done.err
    assert all(_opens(new, secret) for secret in _secrets(stage))
    assert _keys(stage) == [old]
    for key in (old, new):
        assert key not in done.out + done.err + alone.err


def test_a_sign_in_under_a_key_that_is_lost_stops_the_change(stage: Stage, tally: Tally) -> None:
    """Nothing is half done: all or none are encrypted anew."""
    tally("hostile inputs")
    file = stage.folder / ".syncline" / "key"
    file.write_text(new_key())
    before = _secrets(stage)
    done = stage.run("connections", "--rotate-key")
    assert done.code == 1
    assert "another key" in done.err
    assert _secrets(stage) == before
    assert len(load_cipher({}, file)) == 2


def test_a_change_without_a_state_makes_none(tmp_path: Path) -> None:
    with Stage(tmp_path) as made:
        shutil.rmtree(tmp_path / ".syncline")
        assert made.run("connections", "--rotate-key").code == 1
        assert not (tmp_path / ".syncline").exists()
