"""The documents, executed: every command line, spec, link and table in them is held against the program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import dev
import pytest
from click.testing import CliRunner

from syncline.cli.exits import Exit
from syncline.cli.main import VERBS, cli
from syncline.cli.validate import Plugged, validate_files
from syncline.connect.plugins import load_plugins
from syncline.spec import Severity

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "plugins/*/README.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
#: What ends a command in a line of a shell.
_ENDS = ("|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language, its text and the line it begins on."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(content):
            line = content.count("\n", 0, found.start()) + 1
            yield Block(page, line, found[2], found[3])


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Where each command line of a program stands, and its words after the program."""
    found = []
    for block in blocks():
        if block.language not in ("", "console", "text", "sh", "bash"):
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ").removeprefix("uv run ")
            if words.startswith(f"{program} "):
                found.append(
                    (str(block), _until_end(shlex.split(words, comments=True))[len(program.split()) :])
                )
    return found


def _until_end(words: list[str]) -> list[str]:
    return words[: next((n for n, word in enumerate(words) if word in _ENDS), len(words))]


# --- command lines -------------------------------------------------------------------------------

COMMANDS = commands("syncline")
CHORES = commands("python3 dev.py")


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[f"{p} {' '.join(w)}" for p, w in COMMANDS])
def test_a_command_line_has_a_known_verb_with_known_options(place: str, words: list[str]) -> None:
    if words[0].startswith("-"):
        assert words[0] in ("--help", "--version", "-h")
        return
    if words[0] == "VERB":
        return
    assert words[0] in VERBS, f"{place}: no such verb"
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    try:
        command.make_context(words[0], words[1:])
    except click.exceptions.Exit:
        assert "--help" in words
    except click.UsageError as error:
        pytest.fail(f"{place}: {error.format_message()}")


@pytest.mark.parametrize(("place", "words"), CHORES, ids=[f"{p} {' '.join(w)}" for p, w in CHORES])
def test_a_chore_is_one_of_those_there_are(place: str, words: list[str]) -> None:
    assert words[0] in dev.CHORES, place


def test_the_readme_begins_with_the_two_commands_of_a_new_user() -> None:
    first = [words for place, words in CHORES if place.startswith("README.md")]
    assert first[:2] == [["demo"], ["test"]]


def test_contributing_tells_every_chore() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(dev.CHORES)


# --- the verbs -----------------------------------------------------------------------------------


def test_the_overview_and_the_readme_tell_every_verb_in_the_same_words() -> None:
    overview = CliRunner().invoke(cli, ["--help"], terminal_width=120).output
    told = dict(re.findall(r"^  (\w+) {2,}(\S.*)$", overview.split("Verbs:")[1], re.MULTILINE))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert told == VERBS
    assert dict(re.findall(r"^\| `syncline (\w+)` \| (.+) \|$", page, re.MULTILINE)) == VERBS


def test_the_readme_tells_every_exit_code() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d) \| .+ \|$", page, re.MULTILINE)] == list(Exit)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_page_of_help_with_an_example_and_prints_json(verb: str) -> None:
    result = CliRunner().invoke(cli, [verb, "--help"], terminal_width=200)
    assert result.exit_code == 0, result.output
    example = re.search(rf"^ *(?:Examples?: *)?syncline ({verb}\b.*)$", result.output, re.MULTILINE)
    assert example, "no example"
    assert "--json" in result.output
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    command.make_context(verb, shlex.split(example[1])[1:])


# --- specs ---------------------------------------------------------------------------------------

#: A whole spec says its grammar; what only shows a part of one does not.
SPECS = [
    block
    for block in blocks()
    if block.language == "yaml" and re.search(r"^spec: ", block.text, re.MULTILINE)
]


@pytest.mark.parametrize("block", SPECS, ids=str)
def test_a_spec_in_a_document_is_right(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(block.text, encoding="utf-8")
    plugins = load_plugins()
    plugged = Plugged(connectors=plugins.connectors, filters=plugins.filters, bundles=plugins.bundles)

    problems = validate_files([str(file)], plugged, environ={}).problems

    # The guide for authors of connectors shows specs with a connector that its reader writes.
    own = {"unknown-connector"} if block.page.name == "connectors.md" else set()
    assert [str(p) for p in problems if p.severity is Severity.ERROR and p.code not in own] == []


def test_the_readme_shows_a_spec() -> None:
    assert [block for block in SPECS if block.page.name == "README.md"]


# --- links ---------------------------------------------------------------------------------------


def _prose(page: Path) -> str:
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_checkout_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if (
            not target.exists()
            or not target.is_relative_to(ROOT)
            or (anchor and anchor not in _anchors(target))
        ):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_linked_from_somewhere() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(_prose(page))
    }
    assert [str(page) for page in PAGES if page.parent.name == "docs" and page not in linked] == []


# --- the checkout --------------------------------------------------------------------------------


def test_each_pitfall_has_its_promise_and_its_test() -> None:
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\. .*\| `(tests/pitfalls/test_(\d+)_\w+\.py)` \|$", page, re.M)
    assert [int(number) for number, _, _ in rows] == list(range(1, 37))
    assert all(int(number) == int(named) for number, _, named in rows)
    assert {path for _, path, _ in rows} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "pitfalls").glob("test_*.py")
    }


def test_the_three_distributions_carry_the_same_licence() -> None:
    texts = {(project / "LICENSE").read_text(encoding="utf-8") for project in dev.PROJECTS}
    assert len(texts) == 1
    assert "Apache License\n" in texts.pop()


def test_constraints_are_pins_without_places() -> None:
    pins = [
        line
        for line in dev.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[\w.]+( ; .+)?", pin) or "/" in pin] == []


def test_everything_that_pyproject_asks_for_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in dev.CONSTRAINTS.read_text(encoding="utf-8").splitlines()}
    asked = re.findall(
        r'^  "([\w.-]+)(?:\[\w+\])?[<>=]', (dev.ROOT / "pyproject.toml").read_text("utf-8"), re.M
    )
    assert len(asked) > 15
    assert [name for name in asked if re.sub(r"[._]", "-", name.lower()) not in pinned] == []
