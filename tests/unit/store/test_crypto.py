"""Keys: where they come from, who may read them, and how they are changed."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from syncline.store.crypto import Cipher, drop_old_keys, load_cipher, new_key, prepend_key
from syncline.store.database import StoreError


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / ".syncline" / "key"


def test_a_key_file_is_made_on_first_need_for_its_owner_alone(key_file: Path) -> None:
    cipher = load_cipher({}, key_file)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert os.listdir(key_file.parent) == ["key"]
    secret = cipher.encrypt("ein Geheimnis é")
    assert b"Geheimnis" not in secret
    assert load_cipher({}, key_file).decrypt(secret) == "ein Geheimnis é"


def test_threads_that_need_a_key_at_once_get_the_same(key_file: Path) -> None:
    ciphers: list[Cipher] = []
    threads = [threading.Thread(target=lambda: ciphers.append(load_cipher({}, key_file))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ciphers) == 8
    assert {ciphers[0].decrypt(c.encrypt("x")) for c in ciphers} == {"x"}


def test_no_key_is_made_when_it_must_exist_already(key_file: Path) -> None:
    with pytest.raises(StoreError, match="there is no key"):
        load_cipher({}, key_file, create=False)
    assert not key_file.exists()


def test_the_environment_goes_before_the_file_and_its_first_key_encrypts(key_file: Path) -> None:
    old, new = new_key(), new_key()
    secret = load_cipher({"SYNCLINE_KEY": old}, key_file).encrypt("x")
    both = load_cipher({"SYNCLINE_KEY": f" {new} , {old} "}, key_file)
    assert both.decrypt(secret) == "x"
    assert load_cipher({"SYNCLINE_KEY": new}, key_file).decrypt(both.rotated(secret)) == "x"
    assert not key_file.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused_with_the_cure(mode: int, key_file: Path) -> None:
    load_cipher({}, key_file)
    key_file.chmod(mode)
    with pytest.raises(StoreError, match="read by others") as caught:
        load_cipher({}, key_file)
    assert caught.value.fix == f"chmod 600 {key_file}"


@pytest.mark.parametrize("content", ["", "hunter2secret\n", "# only a comment\n", "é"])
def test_a_file_without_a_key_is_refused_without_showing_it(content: str, key_file: Path) -> None:
    key_file.parent.mkdir()
    key_file.write_text(content)
    key_file.chmod(0o600)
    with pytest.raises(StoreError, match="key") as caught:
        load_cipher({}, key_file)
    assert "hunter2secret" not in str(caught.value)


def test_a_bad_key_in_the_environment_is_refused_by_its_number(key_file: Path) -> None:
    with pytest.raises(StoreError, match="key 2 of SYNCLINE_KEY"):
        load_cipher({"SYNCLINE_KEY": f"{new_key()},hunter2secret"}, key_file)


def test_another_key_is_told_as_that(key_file: Path) -> None:
    secret = load_cipher({}, key_file).encrypt("x")
    other = Cipher([new_key()], "SYNCLINE_KEY")
    with pytest.raises(StoreError, match="another key than that of SYNCLINE_KEY"):
        other.decrypt(secret)
    with pytest.raises(StoreError, match="another key"):
        other.rotated(secret)


def test_a_cipher_does_not_show_its_keys(key_file: Path) -> None:
    key = new_key()
    assert key not in repr(Cipher([key], "SYNCLINE_KEY"))


def test_the_key_of_a_file_is_changed_in_steps_that_never_lock_anyone_out(key_file: Path) -> None:
    before = load_cipher({}, key_file).encrypt("x")
    both = prepend_key(key_file, new_key())
    assert both.decrypt(before) == "x"
    after = both.rotated(before)
    only_new = drop_old_keys(key_file)
    assert only_new.decrypt(after) == "x"
    with pytest.raises(StoreError):
        only_new.decrypt(before)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert os.listdir(key_file.parent) == ["key"]


def test_a_bad_new_key_leaves_the_file_as_it_was(key_file: Path) -> None:
    secret = load_cipher({}, key_file).encrypt("x")
    with pytest.raises(StoreError):
        prepend_key(key_file, "nonsense")
    assert load_cipher({}, key_file).decrypt(secret) == "x"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        load_cipher({}, tmp_path / "file" / "key")
