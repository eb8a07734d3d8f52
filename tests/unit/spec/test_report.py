"""Problems as people and machines see them."""

from __future__ import annotations

import json

import pytest

from syncline.spec.problems import Place, Problem, Severity
from syncline.spec.report import as_github, as_json, as_sarif, as_text
from syncline.spec.source import Source


def problem(
    line: int, column: int, severity: Severity = Severity.ERROR, suggestion: str = "do so"
) -> Problem:
    return Problem(
        place=Place("a b.yaml", line, column),
        code="unknown-key",
        message="unknown key: 100%",
        severity=severity,
        suggestion=suggestion,
    )


def test_text_shows_the_line_and_points_at_the_column() -> None:
    sources = {"a b.yaml": Source("a b.yaml", "one: 1\n  twoo: 2\n")}
    assert as_text([problem(2, 3)], sources, 1) == (
        "a b.yaml:2:3: unknown-key: unknown key: 100%\n    twoo: 2\n    ^\n  do so\n\n1 file: 1 error"
    )


def test_the_summary_counts_each_kind() -> None:
    found = [problem(1, 1), problem(2, 1, Severity.NOTE), problem(3, 1, Severity.WARNING), problem(4, 1)]
    assert as_text(found, {}, 2).splitlines()[-1] == "2 files: 2 errors, 1 warning, 1 note"
    assert as_text([], {}, 3) == "3 files: no problems"


def test_the_caret_stands_below_wide_letters_and_tabs() -> None:
    sources = {"a b.yaml": Source("a b.yaml", '"日本": "e\u0301", x: 1\n')}
    lines = as_text([problem(1, 14)], sources, 1).splitlines()
    assert lines[1].endswith("x: 1")
    assert lines[2] == "  " + " " * 14 + "^"


def test_a_long_line_is_cut_around_the_place() -> None:
    sources = {"a b.yaml": Source("a b.yaml", "k: " + "x" * 5000 + "HERE" + "y" * 5000)}
    lines = as_text([problem(1, 5004)], sources, 1).splitlines()
    assert len(lines[1]) < 200
    assert lines[1][lines[2].index("^") :].startswith("HERE")


def test_nothing_in_a_file_can_move_the_terminal() -> None:
    sources = {"a b.yaml": Source("a b.yaml", "k: \x1b[2J\u202eevil\n")}
    text = as_text([problem(1, 4)], sources, 1)
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("client_secret: hunter2", "client_secret: ***"),
        ("crm: {client_secret: hunter2, x: 1}", "crm: {client_secret: ***"),
        ('"client_secret" : "hunter2"', '"client_secret" : ***'),
        ("client_secret: ${env:S:-hunter2}", "client_secret: ***"),
        ("client_secret: ${env:S}hunter2", "client_secret: ***"),
        ("client_secret: &a hunter2", "client_secret: ***"),
        ("client_secret: ${env:S}", "client_secret: ${env:S}"),
        ('{client_secret: "${env:S}", x: 1}', '{client_secret: "${env:S}", x: 1}'),
    ],
)
def test_a_secret_is_not_shown(line: str, shown: str) -> None:
    text = as_text([problem(1, 1)], {"a b.yaml": Source("a b.yaml", line)}, 1)
    assert text.splitlines()[1] == f"  {shown}"


def test_json_is_exactly_what_is_promised() -> None:
    assert json.loads(as_json([problem(2, 3, Severity.NOTE)], 7)) == {
        "files": 7,
        "problems": [
            {
                "file": "a b.yaml",
                "line": 2,
                "column": 3,
                "code": "unknown-key",
                "severity": "note",
                "message": "unknown key: 100%",
                "suggestion": "do so",
            }
        ],
    }


def test_github_escapes_what_ends_a_command() -> None:
    assert as_github([problem(2, 3, Severity.NOTE), problem(4, 1, suggestion="")]).splitlines() == [
        "::notice file=a b.yaml,line=2,col=3,title=unknown-key::unknown key: 100%25 (do so)",
        "::error file=a b.yaml,line=4,col=1,title=unknown-key::unknown key: 100%25",
    ]


def test_sarif_has_one_run_with_its_rules() -> None:
    log = json.loads(as_sarif([problem(2, 3), problem(4, 1, Severity.WARNING)]))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["unknown-key"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.yaml"
    assert place["region"] == {"startLine": 2, "startColumn": 3}
