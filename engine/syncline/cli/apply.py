"""`syncline apply`: do what a plan says."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import json_option, print_json, progress, state_option, workspace
from syncline.cli.exits import OF_STATUS


@click.command("apply")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), help="The spec, when it is no longer where it was.")
@state_option
@json_option
def command(plan: Path, spec: Path | None, state: str | None, as_json: bool) -> int:
    """Carry out the plan in the file PLAN, and nothing else: it is refused when it was edited, when the spec
    changed, or when a record changed so that a pass would now do something else.

    \b
    Example: syncline apply acme.plan
    """
    from syncline.cli.sync import print_outcome
    from syncline.run.plan import apply_plan, read_plan

    planned = read_plan(plan)
    with workspace(spec or Path(planned["file"]), state) as work:
        outcome = apply_plan(work, planned, progress)
    if as_json:
        print_json(outcome)
    else:
        print_outcome(outcome)
    return OF_STATUS[outcome["status"]]
