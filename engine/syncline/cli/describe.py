"""`syncline describe`: what a spec keeps in step, in words."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import json_option, print_json, say_lines, spec_argument, workspace


@click.command("describe")
@spec_argument
@click.argument("modules", nargs=-1)
@json_option
def command(spec: Path, as_json: bool, modules: tuple[str, ...]) -> None:
    """Tell per module (or of these MODULES) and field what is kept in step, which way, and why: a page of
    Markdown, to be read here or kept beside the spec.

    The reasons are the comments above modules and field maps, in the spec as in its bases, and what the
    connectors say of their fields. No remote is asked.

    \b
    Examples:
      syncline describe acme.yaml
      syncline describe acme.yaml invoices
    """
    from syncline.run.describe import as_markdown, describe

    with workspace(spec, None) as work:
        told = describe(work, modules)
    if as_json:
        print_json(told)
    else:
        say_lines(as_markdown(told).rstrip())
