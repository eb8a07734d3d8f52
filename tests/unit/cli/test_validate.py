"""`syncline validate`, as a command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from syncline.cli.validate import Plugged, command, show, validate_files

SPEC = """\
spec: 1
name: acme
systems:
  crm: {connector: zoho-crm}
  books: {connector: xero}
modules:
  accounts:
    between: {crm: Accounts, books: Contacts}
    fields:
      name: {crm: Account_Name, books: Name, direction: "crm -> books"}
    direction: crm -> books
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCLINE_STATE", raising=False)
    Path("acme.yaml").write_text(SPEC)
    return "acme.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_a_right_spec_passes(spec: str) -> None:
    result = run(spec)
    assert (result.exit_code, result.output) == (0, "1 file: no problems\n")


def test_a_wrong_spec_is_told_for_people(spec: str) -> None:
    Path(spec).write_text(SPEC.replace("between", "betwen"))
    result = run(spec)
    assert result.exit_code == 3
    assert result.output == (
        "acme.yaml:7:3: missing-key: accounts has no between\n"
        "    accounts:\n"
        "    ^\n"
        "  add between: {crm: Accounts, books: Contacts}\n"
        "\n"
        "acme.yaml:8:5: unknown-key: unknown key betwen in accounts\n"
        "      betwen: {crm: Accounts, books: Contacts}\n"
        "      ^\n"
        "  did you mean between?\n"
        "\n"
        "1 file: 2 errors\n"
    )


def test_a_wrong_spec_is_told_for_programs(spec: str) -> None:
    Path(spec).write_text(SPEC.replace("books: Name", "books: Nmae"))
    result = run(spec, "missing.yaml", "--json")
    assert result.exit_code == 3
    told = json.loads(result.output)
    assert told["files"] == 2
    assert told["problems"] == [
        {
            "file": "acme.yaml",
            "line": 10,
            "column": 40,
            "code": "unknown-field",
            "severity": "error",
            "message": "books.Contacts has no field Nmae",
            "suggestion": "did you mean Name?",
        },
        {
            "file": "missing.yaml",
            "line": 1,
            "column": 1,
            "code": "cannot-read",
            "severity": "error",
            "message": "there is no file missing.yaml",
            "suggestion": "files there: acme.yaml",
        },
    ]


def test_warnings_and_notes_do_not_fail(spec: str) -> None:
    Path(spec).write_text(
        SPEC.replace("{connector: xero}", '{connector: xero, client_id: "${env:NOT_SET_HERE}"}')
    )
    result = run(spec, "--json")
    assert result.exit_code == 0
    assert [p["code"] for p in json.loads(result.output)["problems"]] == ["env-unset"]


def test_machines_of_code_hosts_are_told_in_their_own_form(spec: str) -> None:
    Path(spec).write_text(SPEC.replace("name: acme", "name: 5"))
    assert run(spec, "--format", "github").output.startswith(
        "::error file=acme.yaml,line=2,col=7,title=wrong-type::"
    )
    (result,) = json.loads(run(spec, "--format", "sarif").output)["runs"][0]["results"]
    assert result["ruleId"] == "wrong-type"


@pytest.mark.parametrize(
    "arguments", [(), ("--format", "xml", "a.yaml"), ("a.yaml", "--json", "--format", "sarif")]
)
def test_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_has_an_example() -> None:
    assert "syncline validate specs/examples/acme.yaml" in run("--help").output


def test_a_system_that_is_not_connected_is_a_problem_of_its_own(spec: str) -> None:
    result = run(spec, "--live", "--json")
    assert result.exit_code == 3
    problems = json.loads(result.output)["problems"]
    assert [(p["code"], p["line"]) for p in problems] == [("not-connected", 4), ("not-connected", 5)]
    assert "syncline connect" in problems[0]["suggestion"]


def test_a_base_that_many_specs_share_is_told_once(spec: str) -> None:
    Path("base.yaml").write_text(SPEC.replace("fields:", "filds:"))
    for number in range(3):
        Path(f"c{number}.yaml").write_text(f"spec: 1\nname: c{number}\nextends: ./base.yaml\n")
    result = validate_files([f"c{number}.yaml" for number in range(3)], Plugged(), environ={})
    unknown = [p for p in result.problems if p.code == "unknown-key"]
    assert [(p.place.file, p.place.line) for p in unknown] == [("base.yaml", 9)]
    assert show(result, "text").splitlines()[-1].startswith("3 files: ")


def test_two_hundred_specs_in_one_call_are_quick(spec: str) -> None:
    fields = "".join(f"      f{n}: {{crm: F{n}, books: F{n}}}\n" for n in range(30))
    Path("base.yaml").write_text(SPEC.replace("      name:", fields + "      name:"))
    for number in range(200):
        overlay = "extends: ./base.yaml\nmodules: {accounts: {fields: {f1: null}}}\n"
        Path(f"c{number}.yaml").write_text(f"spec: 1\nname: c{number}\n{overlay}")
    started = time.process_time()
    result = validate_files([f"c{number}.yaml" for number in range(200)], Plugged(), environ={})
    assert result.files == 200
    assert time.process_time() - started < 6


def test_the_command_loads_neither_the_store_nor_the_network() -> None:
    code = (
        "import sys; from syncline.cli.validate import command;"
        "command.main(['no-such.yaml'], standalone_mode=False);"
        "print([m for m in ('sqlalchemy', 'httpx', 'alembic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
