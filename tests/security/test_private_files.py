"""What holds people's data or keys is its owner's alone, whatever the umask says; others are told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.stage import Stage
from tests.support.tally import Tally

from syncline.privatefile import create_private, private_folder, write_private


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):o}"
        for path in sorted(folder.rglob("*"))
        if path.name != "acme.yaml"
    }


@pytest.mark.parametrize("mask", [0o000, 0o777], ids=oct)
def test_state_key_and_plan_are_their_owners_alone(mask: int, tmp_path: Path, tally: Tally) -> None:
    tally("hostile inputs")
    with Stage(tmp_path) as stage:
        stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
        seen: list[dict[str, str]] = []
        stage.crm.server.listeners.append(lambda *_: seen.append(_modes(tmp_path)))
        with _umask(mask):
            stage.connect()
            plan = stage.run("plan", "--out", str(tmp_path / "acme.plan"))
            assert plan.code == 0, plan.err
            assert stage.run("apply", str(tmp_path / "acme.plan"), spec=False).code == 0
            stage.sync()
            assert stage.run("reset", "--drop-links", "--confirm", "acme").code == 0
        seen.append(_modes(tmp_path))
    names = {name for modes in seen for name in modes}
    # While a verb runs the log of the database lies beside it.
    assert names >= {".syncline/state.db-wal", ".syncline/state.db-shm", ".syncline/key", "acme.plan"}
    assert any(name.endswith(".backup") for name in names)
    for modes in seen:
        for name, mode in modes.items():
            assert mode == ("700" if name == ".syncline" else "600"), (name, mode)


def test_a_plan_takes_the_place_of_a_link_and_of_a_file_that_others_read(
    tmp_path: Path, tally: Tally
) -> None:
    """Somebody else may have put something where the plan is to be written."""
    tally("hostile inputs", 2)
    target = tmp_path / "of somebody else"
    target.write_text("untouched")
    link = tmp_path / "link.plan"
    link.symlink_to(target)
    open_to_all = tmp_path / "open.plan"
    open_to_all.write_text("old")
    open_to_all.chmod(0o666)
    for path in (link, open_to_all):
        write_private(path, "new")
        assert not path.is_symlink()
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert target.read_text() == "untouched"


def test_a_write_that_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "half a character: \ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.plan"]
    with pytest.raises(FileExistsError):
        create_private(path)


def test_folders_on_the_way_are_private_and_those_there_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with _umask(0):
        private_folder(tmp_path / "a" / "b")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (".", "a", "a/b")]
    assert modes == [0o755, 0o700, 0o700]


def test_doctor_tells_of_a_state_that_others_can_read(tmp_path: Path, tally: Tally) -> None:
    tally("hostile inputs")
    with Stage(tmp_path) as stage:
        stage.connect()
        state = tmp_path / ".syncline" / "state.db"
        assert "can be read by others" not in stage.run("doctor").out
        state.chmod(0o644)
        done = stage.run("doctor")
        assert "can be read by others on this machine (mode 644)" in done.out
        assert f"chmod 600 {state}*" in done.out
        state.chmod(0o600)
        (tmp_path / ".syncline" / "key").chmod(0o640)
        for verb in ("doctor", "sync"):
            done = stage.run(verb)
            assert done.code == 1
            assert "can be read by others" in done.out + done.err


HOSTILE_PLANS = {
    "nothing": b"",
    "no JSON": b"\x00\x01",
    "a list": b"[]",
    "nested without end": b"[" * 100_000,
    "another version": b'{"plan": 2, "digest": ""}',
    "without its parts": b'{"plan": 1, "digest": "x"}',
    "edited": b'{"plan": 1, "digest": "x", "spec": "acme", "file": "acme.yaml", "modules": {}}',
    "a file that is none": b'{"plan": 1, "digest": "x", "file": {"a": 1}}',
}


@pytest.mark.parametrize("name", HOSTILE_PLANS)
def test_a_plan_that_somebody_made_up_is_refused(name: str, tmp_path: Path, tally: Tally) -> None:
    import hashlib
    import json

    from syncline import exactjson

    tally("hostile inputs", 2)
    file = tmp_path / "made-up.plan"
    with Stage(tmp_path) as stage:
        file.write_bytes(HOSTILE_PLANS[name])
        contents = [HOSTILE_PLANS[name]]
        try:  # the same with the digest that it should have: anybody can work one out
            plan = json.loads(HOSTILE_PLANS[name])
            told = {key: value for key, value in plan.items() if key not in ("digest", "file")}
            plan["digest"] = hashlib.sha256(exactjson.encode_sorted(told)).hexdigest()
            contents.append(json.dumps(plan).encode())
        except (ValueError, AttributeError, RecursionError):
            pass
        for content in contents:
            file.write_bytes(content)
            done = stage.run("apply", str(file), spec=False)
            assert done.code == 1
            assert "Traceback" not in done.err
            assert "fix:" in done.err
