"""`syncline demo`: the whole story, on sandboxes."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import json_option, print_json, say_lines


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("syncline-demo"),
    show_default=True,
    help="Where the demonstration keeps its data; made anew each time.",
)
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Show everything on live loopback sandboxes: connect, plan, apply, check, edit, crash, recover. About a
    minute, no account, no internet. Each line marked `ok` was checked; the demonstration fails otherwise.

    \b
    Example: syncline demo
    """
    from syncline.demo.play import play

    facts = play(folder, lambda line: say_lines(line, err=as_json))
    if as_json:
        print_json(facts)
    else:
        say_lines(f"\nThe whole story took {facts['seconds']} s. Everything it left is in {folder}.")
