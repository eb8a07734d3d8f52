"""Are the pinned dependencies known to be vulnerable, and may they be used? Called by: python3 dev.py audit

Vulnerabilities are asked for by pip-audit, in an environment of its own (the argument: its Python). A service
that cannot be reached, or knows none of the packages, is not "nothing found": then the exit code is 3.
Exit codes: 0 nothing found, 1 something found, 3 could not ask.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
FOUND, NOT_ASKED = 1, 3
#: How long the whole question may take.
PATIENCE_S = 240

#: Words of licences that anything may have which is installed with Syncline or used to make it.
ALLOWED = frozenset(
    {
        "MIT",
        "MIT-0",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "PSF-2.0",
        "ISC",
        "Unlicense",
        "0BSD",
        "MPL-2.0",
    }
)
#: What is allowed beyond that, by distribution, and why: an optional driver that users install by themselves.
EXCEPTIONS = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
#: How metadata older than licence expressions say the same.
_SAYINGS = {
    "mit license": "MIT",
    "mit": "MIT",
    "bsd license": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "isc license (iscl)": "ISC",
}


@dataclass(frozen=True)
class Answer:
    """What the service said: ``asked`` packages it knows, ``unknown`` it does not, ``found`` in them."""

    asked: int
    unknown: tuple[str, ...]
    found: tuple[str, ...]


def licence_of(dist: Distribution) -> str:
    """A distribution's licence as an expression; its own words when they are none that is known."""
    said = dist.metadata
    if said["License-Expression"]:
        return str(said["License-Expression"])
    classifiers = [
        c.split(" :: ")[-1] for c in said.get_all("Classifier") or () if c.startswith("License ::")
    ]
    words = [*classifiers, (said["License"] or "").strip()]
    for word in words:
        if word.lower() in _SAYINGS:
            return _SAYINGS[word.lower()]
    return next((word.splitlines()[0] for word in words if word), "(none is told)")


def is_allowed(name: str, licence: str) -> bool:
    """Whether a licence expression leaves a choice that is allowed."""
    if EXCEPTIONS.get(name.lower().replace("_", "-")) == licence:
        return True
    choices = licence.strip("()").split(" OR ")
    return any(all(part in ALLOWED for part in choice.strip("() ").split(" AND ")) for choice in choices)


def refused_licences(found: Iterable[Distribution]) -> list[str]:
    told = ((str(dist.name), licence_of(dist)) for dist in found)
    return sorted({f"{name}: {licence}" for name, licence in told if not is_allowed(name, licence)})


def read_answer(report: Mapping[str, Any]) -> Answer:
    """What a report of pip-audit says. A package that was skipped was not asked about."""
    asked, unknown, found = 0, [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(str(package["name"]))
            continue
        asked += 1
        for vulnerability in package["vulns"]:
            fixed = ", ".join(vulnerability.get("fix_versions") or ()) or "none yet"
            found.append(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in: {fixed}")
    return Answer(asked, tuple(sorted(unknown)), tuple(sorted(found)))


def ask(python: str) -> Answer | str:
    """The answer of the vulnerability service, or why there is none."""
    words = [python, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", str(CONSTRAINTS)]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "20"]
    try:
        done = subprocess.run(
            [*words, *options], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return read_answer(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE_S} s"
    except (OSError, ValueError, KeyError, TypeError):
        return "the service cannot be reached, or pip-audit cannot be installed"


def verdict(answer: Answer | str, refused: Sequence[str]) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    lines = [f"licence: {one} is not allowed" for one in refused]
    if not refused:
        lines.append("licences: all are allowed")
    if isinstance(answer, str):
        lines.append(f"vulnerabilities: COULD NOT ASK ({answer}): this is not the same as none")
        return (FOUND if refused else NOT_ASKED), lines
    lines += [f"vulnerability: {one}" for one in answer.found]
    if answer.unknown:
        some = ", ".join(answer.unknown[:5]) + (", ..." if len(answer.unknown) > 5 else "")
        of_all = f"{len(answer.unknown)} of {len(answer.unknown) + answer.asked} packages ({some})"
        why = "the service does not know them, or is not the real one"
        lines.append(f"vulnerabilities: COULD NOT ASK about {of_all}: {why}")
    if not answer.found and answer.asked:
        lines.append(f"vulnerabilities: none is known in {answer.asked} packages")
    if answer.found or refused:
        return FOUND, lines
    return (NOT_ASKED if answer.unknown or not answer.asked else 0), lines


def main(python: str) -> int:
    code, lines = verdict(ask(python), refused_licences(distributions()))
    for line in lines:
        print(f"audit: {line}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
