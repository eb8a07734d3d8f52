"""`syncline sandbox`: the loopback systems, in the foreground until they are told to end."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import click

from syncline.errors import SynclineError


@click.command("sandbox")
@click.option("--systems", required=True, help="Connectors to play, with commas between them.")
@click.option(
    "--data", default="demo", show_default=True, help="empty, demo, or how many companies to make up."
)
@click.option("--port-base", type=click.IntRange(1024, 65000), help="First port; the others follow it.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder that keeps the data.")
@click.option(
    "--limits",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="The remotes' rate limits.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one JSON line.")
def command(
    systems: str, data: str, port_base: int | None, keep: Path | None, limits: str, as_json: bool
) -> None:
    """Run sandboxes that behave like the real systems, on 127.0.0.1, until SIGTERM or Ctrl-C.

    \b
    Example: syncline sandbox --systems NAME,NAME --data demo --json
    """
    from syncline.connect.sandbox import SandboxServer, SandboxSettings, make_world
    from syncline.connect.sandbox.control import Control
    from syncline.run.installed import installed_plugins

    connectors = installed_plugins().connectors
    names = [name.strip() for name in systems.split(",") if name.strip()]
    for name in names:
        if name not in connectors:
            raise SynclineError(f"no connector {name!r}", fix=f"name some of: {', '.join(connectors)}")
    world = make_world(_data(data))
    settings = SandboxSettings(limits=limits == "on", keep=keep)
    ended = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with ExitStack() as stack:
        sandboxes, servers, told = {}, {}, {}
        for place, name in enumerate(names):
            sandbox = connectors[name].sandbox(settings)
            if sandbox.tables.empty:
                sandbox.seed(world)
                sandbox.tables.save()
            server = _serve(SandboxServer, sandbox, port_base, place)
            stack.callback(server.close)
            sandboxes[name], servers[name] = sandbox, server
            told[name] = {"base_url": server.base_url, **sandbox.credentials()}
        control = _serve(SandboxServer, Control(servers, sandboxes), port_base, len(names))
        stack.callback(control.close)
        _announce({"systems": told, "control_url": control.base_url}, as_json)
        ended.wait()


def _serve(server: Any, app: Any, port_base: int | None, place: int) -> Any:
    port = 0 if port_base is None else port_base + place
    try:
        return server(app, port)
    except OSError as error:
        raise SynclineError(
            f"port {port} cannot be used: {error.strerror}", fix="choose another --port-base"
        ) from None


def _data(text: str) -> str | int:
    if text in ("empty", "demo"):
        return text
    if text.isdigit():
        return int(text)
    raise click.BadParameter("must be empty, demo or a number", param_hint="--data")


def _announce(told: dict[str, Any], as_json: bool) -> None:
    from syncline import exactjson

    if as_json:
        click.echo(exactjson.encode(told))
    else:
        for name, facts in told["systems"].items():
            click.echo(f"{name}: {facts['base_url']}")
            for key in ("client_id", "client_secret", "redirect_uri", "grant_token"):
                if facts.get(key):
                    click.echo(f"  {key}: {facts[key]}")
            for organisation in facts.get("organisations", ()):
                click.echo(f"  organisation: {organisation['name']} ({organisation['id']})")
        click.echo(f"control: {told['control_url']}")
        click.echo("end with Ctrl-C")
