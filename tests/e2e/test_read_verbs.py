"""The verbs that only read, as a user runs them, after a day of edits in both systems."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.e2e.conftest import Client, Sandboxes

from syncline.cli.main import cli

GUIDE = Path(__file__).parents[2] / "docs" / "operating.md"
SECRETS = ("client_secret", "grant_token")


@dataclass(frozen=True, slots=True)
class Day:
    """A client after its first pass, some edits by people, and a second pass."""

    client: Client
    sandboxes: Sandboxes
    account: str  # in the CRM; its phone was edited at both ends
    paid: str  # an invoice in the CRM that the books hold as paid; its date was edited
    unclear: str  # an account in the CRM that may be the same as several contacts


@pytest.fixture(scope="module")
def day(sandboxes: Sandboxes, acme: Client) -> Day:
    client = acme
    linked = client.run("log", "--event", "linked", "--module", "accounts", "--limit", "1", "--json").lines[0]
    account, contact = linked["records"]["crm"], linked["records"]["books"]
    edit(sandboxes, "zoho-crm", "Accounts", account, {"Phone": "0400 111 111"})
    edit(
        sandboxes,
        "xero",
        "Contacts",
        contact,
        {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "0400 222 222"}]},
    )
    invoices = sandboxes.control("GET", "records/zoho-crm/Invoices")["records"]
    paid = next(row["id"] for row in invoices if row["Status"] == "Paid" and row["$state"] == "live")
    edit(sandboxes, "zoho-crm", "Invoices", paid, {"Invoice_Date": "2024-03-31"})
    assert client.run("sync").code == 4
    unclear = client.run("status", "--list", "ambiguous", "--json").json["records"]
    first = next(row["records"]["crm"]["id"] for row in unclear if "crm" in row["records"])
    return Day(client, sandboxes, account, paid, first)


def edit(sandboxes: Sandboxes, system: str, module: str, record: str, values: dict[str, Any]) -> None:
    """A person edits a record in the remote's own screens."""
    act = {"system": system, "action": "update", "module": module, "id": record, "values": values}
    sandboxes.control("POST", "act", act)


def test_status_tells_what_rests_and_what_a_person_must_decide(day: Day) -> None:
    done = day.client.run("status", "--json")
    assert done.code == 4
    told = done.json
    assert told["status"] == "attention"
    assert told["systems"]["crm"]["status"] == told["systems"]["books"]["status"] == "connected"
    assert told["modules"]["accounts"]["resting"]["ambiguous"] > 0
    assert told["modules"]["invoices"]["resting"]["locked"] == 1
    assert told["modules"]["invoices"]["links"] > 500
    assert {row["verb"] for row in told["passes"]} >= {"sync"}
    assert len(told["passes"]) >= 2
    people = day.client.run("status")
    assert people.code == 4
    assert re.search(r"^accounts: \d+ links; resting: \d+ ambiguous;", people.out, re.MULTILINE)
    assert "see the locked: syncline status acme.yaml --list locked" in people.out


def test_a_locked_invoice_is_listed_with_the_reason(day: Day) -> None:
    (row,) = day.client.run("status", "--list", "locked", "--json").json["records"]
    assert (row["module"], row["records"]["crm"]["id"]) == ("invoices", day.paid)
    assert row["records"]["crm"]["name"] == row["records"]["books"]["name"] != ""
    assert "date" in row["reason"]
    assert row["reason"] in day.client.run("status", "--list", "locked").out


def test_log_tells_who_won_by_which_rule_and_what_was_lost(day: Day) -> None:
    (event,) = day.client.run(
        "log", "--record", day.account, "--event", "updated", "--limit", "1", "--json"
    ).lines
    phone = event["fields"]["phone"]
    assert phone["after"] == "0400 111 111"
    assert phone["lost"] == phone["before"] == "0400 222 222"
    file, line, _column = phone["rule"].rsplit(":", 2)
    assert "prefer: crm" in Path(file).read_text().splitlines()[int(line) - 1]
    said = day.client.run("log", "--record", day.account, "--limit", "1").out
    assert '"0400 222 222" -> "0400 111 111"' in said
    assert said.count("\n") == 1


def test_explain_tells_the_story_from_either_end(day: Day) -> None:
    told = day.client.run("explain", "accounts", day.account, "--json").json
    contact = told["records"]["books"]["id"]
    assert day.client.run("explain", "accounts", contact, "--json").json == told
    assert told["linked"]["how"] == "rule"
    assert told["why"] == "in step: everything that was read is settled"
    assert told["fields"]["phone"]["base"] == {"crm": "0400 111 111", "books": "0400 111 111"}
    assert told["writes"][0]["status"] == "done"
    page = told["records"]["books"]["page"]
    assert re.fullmatch(rf"https://go\.xero\.com/app/[^/]+/contacts/contact/{contact}", page)
    said = day.client.run("explain", "accounts", contact).out
    assert page in said
    assert "Phones[PhoneType=DEFAULT].PhoneNumber" in said
    assert 'lost "0400 222 222"' in said


def test_explain_says_why_a_record_was_not_created(day: Day) -> None:
    told = day.client.run("explain", "accounts", day.unclear, "--json").json
    assert told["linked"] is None
    assert told["why"].startswith("not in books: ambiguous")
    assert told["candidates"]
    locked = day.client.run("explain", "invoices", day.paid).out
    assert "locked" in locked
    unknown = day.client.run("explain", "accounts", "12345")
    assert unknown.code == 1
    assert "nothing is known of a record '12345'" in unknown.err


def test_discover_asks_the_organisation_unless_told_not_to(day: Day) -> None:
    live = day.client.run("discover", "crm", "Accounts", "--json").json
    assert (live["source"], live["organisation"]["name"]) == ("live", "Harbour & Vine Trading")
    fields = {field["path"]: field for field in live["modules"][0]["fields"]}
    assert fields["Company_Profile"]["custom"], "a field that only this organisation has"
    assert fields["Account_Name"]["maps"] == ["accounts.name", "accounts (match)"]
    built_in = day.client.run("discover", "crm", "Accounts", "--offline", "--json").json
    assert (built_in["source"], built_in["organisation"]) == ("built-in", None)
    paths = {field["path"] for field in built_in["modules"][0]["fields"]}
    assert "Company_Profile" not in paths
    assert "Xero_ID" in paths, "the spec declares it"
    wrong = day.client.run("discover", "crm", "Acounts")
    assert wrong.code == 1
    assert "did you mean Accounts?" in wrong.err


def test_doctor_finds_nothing_wrong_and_tells_no_secret(day: Day) -> None:
    done = day.client.run("doctor", "--json")
    checks = {check["name"]: check for check in done.json["checks"]}
    assert (done.code, done.json["ok"]) == (0, True), done.out
    for name in ("connection", "scopes", "clock", "quota"):
        for system in ("crm", "books"):
            assert checks[f"{name} {system}"]["verdict"] == "ok", checks
    secrets = [
        value
        for told in day.sandboxes.told["systems"].values()
        for key in SECRETS
        if (value := told.get(key))
    ]
    people = day.client.run("doctor").out
    assert not any(secret in done.out + people for secret in secrets)
    assert day.client.run("doctor", spec=False).code == 0


def test_doctor_names_what_is_wrong_with_a_connection(day: Day) -> None:
    environ = {name: value for name, value in day.client.environ.items() if name != "XERO_CLIENT_ID"}
    broken = Client(day.client.spec, environ).run("doctor", "--json")
    checks = {check["name"]: check for check in broken.json["checks"]}
    assert broken.code == 1
    assert checks["connection crm"]["verdict"] == "ok"
    assert checks["connection books"]["verdict"] == "FAILED"
    assert "XERO_CLIENT_ID is not set" in checks["connection books"]["what"]
    assert checks["connection books"]["fix"]


def run_here(client: Client, *words: str) -> Result:
    """A command line in this process, whose start-up would else be most of its time."""
    return CliRunner().invoke(cli, words, env=client.environ, standalone_mode=False)


def test_reading_verbs_write_nothing(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the remotes nor, but for the calls that are counted, in the state."""
    monkeypatch.chdir(day.client.spec.parent)
    before = remembered(day.client)
    day.sandboxes.control("DELETE", "requests")
    for arguments in (
        ("status",),
        ("log",),
        ("explain", "accounts", day.account),
        ("discover", "books", "Contacts"),
        ("doctor",),
    ):
        done = run_here(day.client, arguments[0], "acme.yaml", *arguments[1:])
        assert done.exception is None
    assert remembered(day.client) == before
    rows = day.sandboxes.control("GET", "requests")["requests"]
    assert {row["method"] for row in rows if row["count"] and "token" not in row["path"]} == {"GET"}


def remembered(client: Client) -> dict[str, int]:
    """How many rows each table has, tokens and counted calls apart."""
    with sqlite3.connect(client.spec.parent / ".syncline" / "state.db") as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if name != "call" and not name.startswith("sqlite_")
        }


def test_without_a_state_nothing_is_made(
    sandboxes: Sandboxes, new_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client(sandboxes, connect=False)
    done = client.run("status")
    assert done.code == 1
    assert "there is no state yet" in done.err
    monkeypatch.chdir(client.spec.parent)
    for words in (("log", "acme.yaml"), ("explain", "acme.yaml", "accounts", "1")):
        assert "there is no state yet" in str(run_here(client, *words).exception)
    built_in = run_here(client, "discover", "acme.yaml", "crm", "--json")
    assert json.loads(built_in.stdout)["source"] == "built-in"
    assert run_here(client, "doctor", "acme.yaml").return_value == 1
    assert not (client.spec.parent / ".syncline").exists()


# --- the guide -----------------------------------------------------------------------------------


def guide_commands() -> list[str]:
    """Every command of docs/operating.md that stands in a console block."""
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_every_command_of_the_guide_works(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = guide_commands()
    assert len(commands) > 10
    monkeypatch.chdir(day.client.spec.parent)
    names = {"ACCOUNT": day.account, "INVOICE": day.paid}
    for command in commands:
        program, *words = command.split()
        assert program == "syncline"
        arguments = [names.get(word, word) for word in words]
        done = run_here(day.client, *arguments)
        assert done.exception is None, f"{command}: {done.exception}"
        assert done.return_value in (None, 0, 4), f"{command}: {done.output}"
        if "--json" in arguments:
            for line in done.stdout.splitlines():
                json.loads(line)


def test_the_guide_tells_every_status_that_a_record_can_rest_in() -> None:
    from syncline.run.status import LISTS

    text = GUIDE.read_text()
    for statuses in LISTS.values():
        for status in statuses:
            assert f"`{status}`" in text, f"docs/operating.md does not tell what to do about {status}"
