"""`syncline connect`: sign in to a spec's systems."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncline.cli.common import print_json, say, spec_options, workspace

if TYPE_CHECKING:
    from syncline.connect.contract import Organisation


@click.command("connect")
@spec_options
@click.argument("system", required=False)
@click.option("--no-browser", is_flag=True, help="Print the address of the consent page alone, and wait.")
@click.option(
    "--grant",
    type=click.Choice(["code", "client-credentials", "grant-token"]),
    help="How to sign in (default: code).",
)
@click.option(
    "--grant-token",
    metavar="TOKEN",
    help="A code made by hand in the remote's console; - to be asked for it, or to read it from standard"
    " input, since others on this machine see what stands in a command line.",
)
@click.option("--organisation", metavar="NAME", help="Which organisation, when the sign-in may use several.")
@click.option("--relink", is_flag=True, help="Accept another organisation than the one connected before.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the callback (default: any).")
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    system: str | None,
    no_browser: bool,
    grant: str | None,
    grant_token: str | None,
    organisation: str | None,
    relink: bool,
    port: int,
) -> None:
    """Sign in to SYSTEM (or to every system of the spec that is not connected) and choose its organisation.

    The callback listens on 127.0.0.1 and is registered as http://localhost:PORT/callback.

    \b
    Example: syncline connect acme.yaml books
    """
    from syncline.connect.contract import Grant
    from syncline.run.connecting import connect_system

    if grant_token == "-":  # noqa: S105 - it asks for one
        grant_token = click.prompt("Grant token", hide_input=True, err=True).strip()
    kind = Grant(grant) if grant else Grant.GRANT_TOKEN if grant_token else Grant.CODE

    def send_to(url: str) -> None:
        if no_browser or click.launch(url) != 0:
            click.echo(url, err=as_json)
            sys.stdout.flush()

    def choose(offered: Sequence[Organisation]) -> Organisation | None:
        if organisation is not None:
            return next((o for o in offered if organisation in (o.id, o.name)), None)
        if not sys.stdin.isatty() or as_json:
            return None
        for number, one in enumerate(offered, 1):
            say(f"  {number}. {one.name} ({one.id})")
        number = click.prompt("Which organisation", type=click.IntRange(1, len(offered)))
        return offered[number - 1]

    with workspace(spec, state) as work:
        names = [system] if system else _unconnected(work)
        made = []
        for name in names:
            saved, account = connect_system(
                work,
                name,
                grant=kind,
                grant_token=grant_token,
                send_to=send_to,
                choose=choose,
                port=port,
                relink=relink,
            )
            made.append(
                {
                    "system": name,
                    "connector": saved.connector,
                    "organisation": {"id": saved.organisation.id, "name": saved.organisation.name},
                    "warnings": list(account.warnings),
                }
            )
            if not as_json:
                say(f"{name}: connected to {saved.organisation.name} ({saved.organisation.id})")
                for warning in account.warnings:
                    say(f"  warning: {warning}")
        if as_json:
            print_json({"connected": made})
        elif not made:
            say("every system of the spec is connected; name one to sign in again")


def _unconnected(work: object) -> list[str]:
    from syncline.run.workspace import Workspace

    assert isinstance(work, Workspace)
    known = {c.system: c.status for c in work.vault.all(work.spec.name)}
    return [name for name in work.spec.systems if known.get(name) != "connected"]
