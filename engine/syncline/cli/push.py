"""`syncline push`: one record now."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import OF_STATUS


@click.command("push")
@spec_options
@click.argument("module")
@click.argument("record")
@click.option("--system", help="Whose id it is, when both ends know one like it.")
def command(
    spec: Path, state: str | None, as_json: bool, module: str, record: str, system: str | None
) -> int:
    """Read RECORD of MODULE afresh at both ends and bring it in step now; one that failed is tried again.

    \b
    Example: syncline push acme.yaml invoices 5725767000000400807
    """
    from syncline.run.push import push

    with workspace(spec, state) as work:
        outcome = push(work, module, record, system, progress)
    if as_json:
        print_json(outcome)
    else:
        from syncline.cli.sync import print_outcome

        print_outcome(outcome)
        told = outcome["record"]
        say(f"{told['id']}: {told['status']}{': ' * bool(told['reason'])}{told['reason']}")
    return OF_STATUS[outcome["status"]]
