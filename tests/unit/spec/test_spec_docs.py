"""The documentation of specs, executed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from syncline.cli.validate import Plugged, validate_files
from syncline.connect.plugins import load_plugins
from syncline.spec import Severity
from syncline.spec.codes import CODES

ROOT = Path(__file__).parents[3]
ERRORS = (ROOT / "docs" / "errors.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "spec.md").read_text("utf-8"), re.DOTALL)
HEAD = "spec: 1\nname: example\n"
SYSTEMS = "systems:\n  crm: {connector: zoho-crm}\n  books: {connector: xero}\n"
MODULE = "modules:\n  accounts:\n"
ENDS = "    between: {crm: Accounts, books: Contacts}\n"
NAME = "    fields:\n      name: {crm: Account_Name, books: Name}\n"


def whole_spec(example: str) -> str:
    """The example with what it leaves out: it is a spec, some top-level keys, or the inside of a module."""
    first = next(line for line in example.splitlines() if not line.startswith("#")).split(":")[0]
    if first == "spec":
        return example
    if first == "systems":
        return HEAD + example + MODULE + ENDS + NAME
    if first in ("schedule", "conflicts"):
        return HEAD + example + SYSTEMS + MODULE + ENDS + NAME
    return HEAD + SYSTEMS + MODULE + "".join(f"    {line}\n" for line in example.splitlines())


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_of_the_grammar_is_right(number: int, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(whole_spec(EXAMPLES[number]), "utf-8")
    plugins = load_plugins()
    plugged = Plugged(connectors=plugins.connectors, filters=plugins.filters, bundles=plugins.bundles)

    result = validate_files([str(file)], plugged, environ={})

    assert [str(p) for p in result.problems if p.severity is Severity.ERROR] == []


def test_the_grammar_page_has_examples() -> None:
    assert len(EXAMPLES) >= 12


def _codes_in_the_code() -> set[str]:
    """Every text that is given as a problem's code somewhere in the checks of specs."""
    found: set[str] = set()
    engine = ROOT / "engine" / "syncline"
    files = [
        *(engine / "spec").glob("*.py"),
        *(engine / "mapping").glob("check*.py"),
        engine / "cli" / "validate.py",
    ]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            if name in ("_report", "_stop", "_problem"):
                given += node.args[1:2]
            for code in given:
                found |= {
                    n.value
                    for n in ast.walk(code)
                    if isinstance(n, ast.Constant)
                    and isinstance(n.value, str)
                    and re.fullmatch(r"[a-z]+(-[a-z]+)*", n.value)
                }
    return found


def test_every_code_has_a_meaning() -> None:
    used = _codes_in_the_code() - {"type"}  # "wrong-type" if the rule is "type"
    assert used <= set(CODES)
    computed = {"unknown-name", "unknown-filter", "unknown-test"}  # named after what is unknown
    assert set(CODES) == used | computed


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_entry_with_an_example_and_a_way_to_mend_it(code: str) -> None:
    found = re.search(rf"^### {code}\n\n(.+?)(?=^##|\Z)", ERRORS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/errors.md has no entry for {code}"
    entry = found[1]
    assert entry.startswith(CODES[code])
    assert re.search(r"```(yaml|text)\n.+\n```", entry)
    assert re.search(r"^Mend: .+", entry, re.MULTILINE)


def test_every_entry_is_a_code() -> None:
    assert re.findall(r"^### (.+)$", ERRORS, re.MULTILINE) == list(CODES)


def test_examples_of_mistakes_stand_in_specs_that_are_broken_in_that_way() -> None:
    broken = [file.read_text("utf-8") for file in (ROOT / "tests" / "specs" / "broken").glob("*.yaml")]
    for code, example in re.findall(r"^### (.+?)\n.*?```yaml\n(.*?)\n```", ERRORS, re.MULTILINE | re.DOTALL):
        showing = [text for text in broken if re.search(rf"^# expect \d+:\d+ {code}$", text, re.MULTILINE)]
        assert not showing or any(example in text for text in showing), code
