"""`syncline sync`: one pass of every module of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import OF_STATUS


@click.command("sync")
@spec_options
@click.option("--full", is_flag=True, help="Read and compare every record; look up those that are missing.")
@click.option(
    "--accept-changes",
    is_flag=True,
    help="You have looked: let new or changed field maps, or very many edits at once, change what is linked.",
)
def command(spec: Path, state: str | None, as_json: bool, full: bool, accept_changes: bool) -> int:
    """Read what changed at both ends, decide, and write it: one pass of every enabled module.

    Stops with exit code 5, before the first write, at the spec's limits, and where field maps that are new or
    were changed would change what is linked already: look at a plan then, and apply it.

    With --full every record is read and compared, not only what changed, and each known one that does not
    come up is looked up by its id: it finds what a remote showed late, and deletions that it never told.

    \b
    Examples:
      syncline sync acme.yaml
      syncline sync acme.yaml --full
    """
    from syncline.run.sync import sync

    with workspace(spec, state) as work:
        outcome = sync(work, progress, full=full, accept=accept_changes)
    if as_json:
        print_json(outcome)
    else:
        print_outcome(outcome)
    return OF_STATUS[outcome["status"]]


def print_outcome(outcome: dict[str, Any]) -> None:
    """A line for each module, then one for the whole pass."""
    for name, module in outcome["modules"].items():
        parts = [f"{module['linked']} linked"] if module["linked"] else []
        for verb in ("created", "updated", "archived", "voided", "deleted"):
            parts += [f"{n} {verb} in {system}" for system, n in module[verb].items() if n]
        parts += [
            f"{module[w]} {w}" for w in ("conflicts", "ambiguous", "waiting", "locked", "failed") if module[w]
        ]
        say(f"{name}: {', '.join(parts) or 'nothing to do'}; {module['unchanged']} unchanged")
    for name, problem in outcome["problems"].items():
        say(f"{name}: {problem}", err=True)
    for warning in outcome["warnings"]:
        say(f"warning: {warning}", err=True)
    calls = ", ".join(
        f"{system} {n['read']} read and {n['write']} write calls" for system, n in outcome["requests"].items()
    )
    say(f"{outcome['status']}: pass {outcome['pass']}; {calls or 'no calls'}")
