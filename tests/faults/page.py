"""The page of faults, as the tables of the tests tell it: ``python -m tests.faults.page`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from tests.faults.calls import CALLS
from tests.faults.table import ROWS, SYSTEMS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

_INTRO = """\
# What goes wrong between two systems, and what becomes of it

Connections break, remotes are busy, tokens end, disks fill up. Each of these is tried at each call that the
connectors make, once and without end; these tables are what the tests count and compare (`tests/faults`,
the page is written by `python -m tests.faults.page`). `python3 dev.py prove` tries a share of all
combinations and `--long` every one.

**What is lost: nothing, in any row.** A cursor moves only with what is durably staged, a write is in the
journal before it is sent, and a pass after the fault brings both ends in step, with no record twice. A
module whose remote fails is left out of the pass together with those that refer to it; the others go on. A
pass that leaves something undone says so: as a problem with exit code 1, or as a warning where it only has
to look again. Every message ends with what to do.

What a remote says in `Retry-After` is obeyed by every process that shares the connection. Waits are a
little longer than told here, and never the same for two who wait.
"""

_CALLS = """
## The calls

| call | to Zoho CRM | to Xero | to Zoho Books | how it is made |
| --- | --- | --- | --- | --- |
"""

_KINDS = {
    "read": "## A call that asks: sign-in tokens, checks, pages, look-ups",
    "write": "## A call that writes: create, update, archive, delete",
    "step": "## A call that finishes a write: a status, what credit is set off against",
    "code": "## Signing in: the code of a consent is exchanged for tokens",
}

_STATE = """
## The state

While a call is on its way, which is the worst moment: the remote has acted and it cannot be written down.

"""

_STATE_ROWS = (
    (
        "Another program locks the SQLite state for a moment",
        "nothing",
        "by waiting, for up to ten seconds",
    ),
    ("It stays locked", "that the state is locked, and to see who has it open", "by the next pass"),
    (
        "The disk is full",
        "that the disk is full, and to make room",
        "by the next pass: what was sent is looked up first",
    ),
    (
        "PostgreSQL is restarted or drops its connections",
        "that the database cannot be reached, if the pass was writing in that moment",
        "by the next pass; this one goes on with a new connection where it can",
    ),
)
_HEAD = "| what happens | the user sees | is retried | is lost |\n| --- | --- | --- | --- |\n"


def page() -> str:
    """The whole page, as it must be."""
    state = "".join(f"| {' | '.join(row)} | nothing |\n" for row in _STATE_ROWS)
    return _INTRO + _CALLS + _calls() + "".join(_table(kind) for kind in _KINDS) + _STATE + _HEAD + state


def _calls() -> str:
    names = list(dict.fromkeys(call.name for call in CALLS))
    lines = []
    for name in names:
        by_system = {call.system: call for call in CALLS if call.name == name}
        cells = [
            f"`{by_system[s].method} {_shown(by_system[s].path)}`" if s in by_system else "" for s in SYSTEMS
        ]
        verb = next(iter(by_system.values())).verb[0]
        lines.append(f"| {name} | {' | '.join(cells)} | `syncline {verb}` |\n")
    return "".join(lines)


def _shown(path: str) -> str:
    return path.removesuffix("$").replace("[^/]+", "ID")


def _table(kind: str) -> str:
    lines = [f"\n{_KINDS[kind]}\n\n{_HEAD}"]
    lost = "the consent: nothing else has begun" if kind == "code" else "nothing"
    for row in ROWS:
        if kind in row.fates and not (kind == "code" and "sign-in" in row.without):
            fate = row.fates[kind]
            lines.append(f"| {row.title} | {fate.sees} | {fate.retried} | {lost} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
