"""Plan, apply, sync, push: as a consultant runs them, against both sandboxes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Client, Sandboxes

MODULE_KEYS = {
    *("read", "linked", "created", "updated", "archived", "voided", "deleted", "unchanged"),
    *("conflicts", "ambiguous", "waiting", "locked", "failed"),
}


@pytest.fixture(scope="module")
def few(start_sandboxes: Callable[..., Sandboxes]) -> Sandboxes:
    """Both systems with the same forty companies, and no rate limits."""
    return start_sandboxes("40", "--limits", "off")


@pytest.fixture(scope="module")
def connected(few: Sandboxes, new_client: Callable[..., Client]) -> Client:
    return new_client(few)


@pytest.fixture
def client(connected: Client) -> Client:
    """A connected spec, in step."""
    done = connected.run("sync")
    assert done.code == 0, done.out + done.err
    return connected


def account(few: Sandboxes, number: int) -> dict[str, Any]:
    records: list[dict[str, Any]] = few.control("GET", "records/zoho-crm/Accounts")["records"]
    return sorted(records, key=lambda record: record["id"])[number]


def edit(few: Sandboxes, record: dict[str, Any], **values: Any) -> None:
    told = {"system": "zoho-crm", "action": "update", "module": "Accounts", "id": record["id"]}
    few.control("POST", "act", {**told, "values": values})


def phone_in_books(few: Sandboxes, name: str) -> str:
    for contact in few.control("GET", "records/xero/Contacts")["records"]:
        if contact["Name"] == name:
            return str(next(p["PhoneNumber"] for p in contact["Phones"] if p["PhoneType"] == "DEFAULT"))
    raise AssertionError(name)


def writes(outcome: dict[str, Any]) -> int:
    return sum(calls["write"] for calls in outcome["requests"].values())


def test_the_result_of_a_pass_has_the_documented_shape(client: Client) -> None:
    told = client.run("sync", "--json").json
    assert {"spec", "pass", "status", "modules", "requests"} <= set(told)
    assert told["spec"] == "acme"
    assert told["status"] == "done"
    for module in told["modules"].values():
        assert set(module) == MODULE_KEYS
        assert set(module["read"]) == {"crm", "books"}
    assert set(told["requests"]) == {"crm", "books"}


def test_a_pass_with_nothing_changed_reads_at_most_twice_a_module_and_side(client: Client) -> None:
    told = client.run("sync", "--json").json
    assert writes(told) == 0
    # One more each: who is at the other end is asked once a pass.
    assert told["requests"]["crm"]["read"] <= 2 * len(told["modules"]) + 1
    assert told["requests"]["books"]["read"] <= 2 * len(told["modules"]) + 1


def test_a_plan_shows_the_change_and_apply_makes_it(client: Client, few: Sandboxes) -> None:
    record = account(few, 0)
    edit(few, record, Phone="+61 2 1111 0000")
    planned = client.run("plan", "--out", "first.plan")
    assert planned.code == 0
    assert '-> "+61 2 1111 0000"' in planned.out
    assert "0 to create, 1 to update" in planned.out
    assert phone_in_books(few, record["Account_Name"]) != "+61 2 1111 0000"
    applied = client.run("apply", "first.plan", "--json", spec=False)
    assert applied.code == 0, applied.err
    assert applied.json["modules"]["accounts"]["updated"] == {"crm": 0, "books": 1}
    assert phone_in_books(few, record["Account_Name"]) == "+61 2 1111 0000"


def test_the_plan_of_an_unchanged_world_is_empty_and_the_same_twice(client: Client) -> None:
    client.run("plan", "--out", "one.plan")
    client.run("plan", "--out", "two.plan")
    one, two = ((client.spec.parent / name).read_bytes() for name in ("one.plan", "two.plan"))
    assert one == two
    assert all(not m["operations"] and not m["links"] for m in json.loads(one)["modules"].values())


def test_a_plan_is_refused_when_a_record_changed_since(client: Client, few: Sandboxes) -> None:
    edit(few, account(few, 1), Phone="+61 2 2222 0000")
    client.run("plan", "--out", "old.plan")
    edit(few, account(few, 2), Phone="+61 2 3333 0000")
    refused = client.run("apply", "old.plan", spec=False)
    assert refused.code == 1
    assert "the records have changed since the plan was made" in refused.err
    assert phone_in_books(few, account(few, 1)["Account_Name"]) != "+61 2 2222 0000"


def test_a_plan_is_refused_when_it_was_edited(client: Client, few: Sandboxes) -> None:
    edit(few, account(few, 3), Phone="+61 2 4444 0000")
    client.run("plan", "--out", "edited.plan")
    file = client.spec.parent / "edited.plan"
    file.write_text(file.read_text().replace("4444 0000", "4444 9999"))
    refused = client.run("apply", "edited.plan", spec=False)
    assert refused.code == 1
    assert "edited" in refused.err


def test_a_plan_is_refused_when_the_spec_changed(client: Client, few: Sandboxes) -> None:
    edit(few, account(few, 4), Phone="+61 2 5555 0000")
    client.run("plan", "--out", "spec.plan")
    text = client.spec.read_text()
    client.spec.write_text(text + "\nmodules: {accounts: {fields: {fax: null}}}\n")
    refused = client.run("apply", "spec.plan", spec=False)
    client.spec.write_text(text)
    assert refused.code == 1
    assert "the spec has changed since the plan was made (accounts)" in refused.err


def test_push_brings_one_record_in_step(client: Client, few: Sandboxes) -> None:
    one, other = account(few, 5), account(few, 6)
    edit(few, one, Phone="+61 2 6666 0000")
    edit(few, other, Phone="+61 2 7777 0000")
    pushed = client.run("push", "accounts", one["id"], "--json")
    assert pushed.code == 0, pushed.err
    assert pushed.json["record"]["status"] == "in step"
    assert phone_in_books(few, one["Account_Name"]) == "+61 2 6666 0000"
    assert phone_in_books(few, other["Account_Name"]) != "+61 2 7777 0000"


def test_push_of_an_unknown_record_says_so(client: Client) -> None:
    pushed = client.run("push", "accounts", "1234")
    assert pushed.code == 1
    assert "neither crm and books knows a record '1234' of accounts" in pushed.err


def test_a_lost_state_is_made_anew_without_a_duplicate(client: Client, few: Sandboxes) -> None:
    before = len(few.control("GET", "records/xero/Contacts")["records"])
    told = {"system": "zoho-crm", "action": "create", "module": "Accounts"}
    few.control("POST", "act", {**told, "values": {"Account_Name": "Terms Unknown"}})
    client.run("sync")
    fresh = Client(client.spec, {**client.environ, "SYNCLINE_STATE": str(client.spec.parent / "new.db")})
    organisation = few.told["systems"]["xero"]["organisations"][0]["name"]
    for done in (fresh.connect("crm"), fresh.connect("books", "--organisation", organisation)):
        assert done.code == 0, done.err
    again = fresh.run("sync", "--json")
    assert again.code == 0, again.out + again.err
    assert again.json["modules"]["accounts"]["linked"] == before + 1
    assert writes(again.json) == 0


def test_a_killed_pass_is_finished_by_the_next_without_a_duplicate(client: Client, few: Sandboxes) -> None:
    for number in range(60):
        values = {"Account_Name": f"Night import {number}"}
        told = {"system": "zoho-crm", "action": "create", "module": "Accounts", "values": values}
        few.control("POST", "act", told)
    few.control("POST", "faults", {"system": "xero", "kind": "hold", "method": "PUT", "delay_s": 10})
    before = _puts(few)
    running = subprocess.Popen(
        (sys.executable, "-m", "syncline", "sync", str(client.spec)),
        env=client.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while _puts(few) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    running.send_signal(signal.SIGKILL)
    running.wait()
    few.control("DELETE", "faults")
    done = client.run("sync", "--json")
    assert done.code == 0, done.err
    names = [c["Name"] for c in few.control("GET", "records/xero/Contacts")["records"]]
    night = sorted(name for name in names if name.startswith("Night import"))
    assert night == sorted(f"Night import {number}" for number in range(60))
    assert writes(client.run("sync", "--json").json) == 0


def _puts(few: Sandboxes) -> int:
    rows = few.control("GET", "requests")["requests"]
    return sum(row["count"] for row in rows if row["method"] == "PUT")


def test_a_second_pass_at_the_same_time_is_told_who_is_at_it(client: Client, few: Sandboxes) -> None:
    slow = {"system": "xero", "kind": "slow", "method": "GET", "path": ".*/Contacts", "delay_s": 4}
    few.control("POST", "faults", slow)
    running = subprocess.Popen(
        (sys.executable, "-m", "syncline", "sync", str(client.spec)),
        env=client.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(2)
    second = client.run("sync")
    running.wait()
    few.control("DELETE", "faults")
    assert second.code == 1
    assert "is being worked on by" in second.err
    assert running.returncode == 0


def test_state_and_key_belong_to_their_owner_alone(client: Client) -> None:
    folder = client.spec.parent / ".syncline"
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert b"access_token" not in (folder / "state.db").read_bytes()


def test_a_read_only_state_is_told(client: Client, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # The owner of everything is not stopped by permissions; a folder in place of the file stops anybody.
        state = tmp_path / "state.db"
        state.mkdir()
    else:
        state = tmp_path / "state.db"
        state.touch(mode=0o400)
    done = client.run("sync", "--state", str(state))
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_a_full_disk_is_told_and_the_next_pass_goes_on(client: Client, few: Sandboxes) -> None:
    record = account(few, 7)
    edit(few, record, Phone="+61 2 8888 0000")
    limited = (
        "import resource, sys;"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        " import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " from syncline.cli.main import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        (sys.executable, "-c", limited, "sync", str(client.spec)),
        env=client.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert client.run("sync").code == 0
    assert phone_in_books(few, record["Account_Name"]) == "+61 2 8888 0000"
