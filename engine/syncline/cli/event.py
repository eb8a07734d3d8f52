"""`syncline event`: take in what a webhook delivered."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import OF_STATUS
from syncline.errors import SynclineError

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("event")
@spec_options
@click.argument("system")
@click.option("--headers", type=_FILE, required=True, help="File with the headers, one `Name: value` a line.")
@click.option("--body", type=_FILE, required=True, help="File with the body, byte for byte as it came.")
def command(spec: Path, state: str | None, as_json: bool, system: str, headers: Path, body: Path) -> int:
    """Verify what a webhook of SYSTEM delivered, and bring the records that it names in step now. They are
    read afresh: what the delivery says of them counts for nothing, nor does its order. One that is not
    signed as the spec says changes nothing. Passes find the same changes by themselves, if later.

    \b
    Example: syncline event acme.yaml books --headers delivery.headers --body delivery.json
    """
    from syncline.run.events import take_delivery

    lines = _content(headers).decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    told = {name.strip(): value.strip() for name, _, value in pairs}
    with workspace(spec, state) as work:
        outcome = take_delivery(work, system, told, _content(body), progress)
    if as_json:
        print_json(outcome)
    else:
        from syncline.cli.sync import print_outcome

        events = outcome["events"]
        say(
            f"{events['taken']} events taken, {events['known']} known already,"
            f" {events['no_module']} of no module of the spec"
        )
        print_outcome(outcome)
    return OF_STATUS[outcome["status"]]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SynclineError(f"{file} cannot be read: {error.strerror}", fix="name a file") from None
