"""Problems shown: as text for people, as JSON, as annotations of a code host, as SARIF."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncline import __version__
from syncline.spec.codes import CODES
from syncline.spec.problems import Problem, Severity
from syncline.spec.source import Source

_MAX_SHOWN = 160
#: So many notes of one kind are worth a place of their own each.
_MAX_NOTES = 4
#: A secret written out; a plain ${env:NAME} is none.
_SECRET = re.compile(
    r"""(client_secret["']?\s*:)(?!\s*["']?\$\{env:[A-Za-z0-9_]+\}["']?\s*(?:[,}\]#]|$)).*"""
)
_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_GITHUB_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def as_text(problems: Sequence[Problem], sources: Mapping[str, Source], files: int) -> str:
    """Each problem with its source line, a caret and what to do, then one line that sums up. Of a kind of
    note that is found more than a few times, only how often."""
    notes = Counter(problem.code for problem in problems if problem.severity is Severity.NOTE)
    many = {code: count for code, count in notes.items() if count > _MAX_NOTES}
    shown = [p for p in problems if p.severity is not Severity.NOTE or p.code not in many]
    blocks = [_block(problem, sources.get(problem.place.file)) for problem in shown]
    told = [f"{code}: note, {count} times: {CODES[code]} --json lists them" for code, count in many.items()]
    return "\n".join([*blocks, *told, summary(problems, files)])


def summary(problems: Sequence[Problem], files: int) -> str:
    """``2 files: 1 error, 3 warnings``."""
    counts = {severity: sum(p.severity is severity for p in problems) for severity in Severity}
    told = [_count(number, str(severity)) for severity, number in counts.items() if number]
    return f"{_count(files, 'file')}: {', '.join(told) or 'no problems'}"


def as_json(problems: Sequence[Problem], files: int) -> str:
    """One object: how many files were asked for, and every problem; lines and columns count from 1."""
    return json.dumps(
        {"files": files, "problems": [problem_json(each) for each in problems]}, ensure_ascii=False
    )


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem as the JSON output has it."""
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "code": problem.code,
        "severity": str(problem.severity),
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def as_github(problems: Iterable[Problem]) -> str:
    """Workflow commands that put each problem beside its line in a review."""
    lines = []
    for problem in problems:
        text = problem.message + (f" ({problem.suggestion})" if problem.suggestion else "")
        place = problem.place
        where = f"file={_escape(place.file, more=True)},line={place.line},col={place.column}"
        title = _escape(problem.code, more=True)
        lines.append(f"::{_GITHUB_LEVEL[problem.severity]} {where},title={title}::{_escape(text)}")
    return "\n".join(lines)


def as_sarif(problems: Sequence[Problem]) -> str:
    """A SARIF 2.1.0 log with one run (OASIS, Static Analysis Results Interchange Format, section 3)."""
    codes = sorted({problem.code for problem in problems})
    results = [
        {
            "ruleId": problem.code,
            "ruleIndex": codes.index(problem.code),
            "level": _SARIF_LEVEL[problem.severity],
            "message": {"text": problem.message + (f" ({problem.suggestion})" if problem.suggestion else "")},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(problem.place.file)},
                        "region": {"startLine": problem.place.line, "startColumn": problem.place.column},
                    }
                }
            ],
        }
        for problem in problems
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "syncline",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=2)


def _rule(code: str) -> dict[str, Any]:
    return {"id": code, "shortDescription": {"text": CODES.get(code, code)}}


def _block(problem: Problem, source: Source | None) -> str:
    word = "" if problem.severity is Severity.ERROR else f"{problem.severity}: "
    lines = [f"{problem.place}: {problem.code}: {word}{_printable(problem.message)}"]
    if source is not None:
        lines += _excerpt(source, problem.place.line, problem.place.column)
    if problem.suggestion:
        lines.append(f"  {_printable(problem.suggestion)}")
    return "\n".join(lines) + "\n"


def _excerpt(source: Source, number: int, column: int) -> list[str]:
    """The line with a caret below the column; a secret in it is not shown."""
    line = source.line(number)
    shown = _SECRET.sub(r"\1 ***", line)
    start = max(0, column - _MAX_SHOWN // 2) if len(shown) > _MAX_SHOWN else 0
    piece = _printable(shown[start : start + _MAX_SHOWN])
    before = _printable(line[start : column - 1])
    if not piece.strip():
        return []
    return [f"  {piece}", f"  {' ' * min(_width(before), _width(piece))}^"]


def _printable(text: str) -> str:
    """The text without what would move a terminal's cursor or colours."""
    return "".join(letter if letter.isprintable() else " " if letter == "\t" else "�" for letter in text)


def _width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _escape(text: str, *, more: bool = False) -> str:
    for letter in "%\r\n" + (":," if more else ""):
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file.replace("\\", "/"))
