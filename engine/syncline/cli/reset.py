"""`syncline reset`: read everything again, or cut a connection."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.common import print_json, say, spec_options, workspace


@click.command("reset")
@spec_options
@click.argument("system", required=False)
@click.option("--cut", is_flag=True, help="Forget the sign-in of SYSTEM instead; nothing is read again.")
@click.option("--drop-links", is_flag=True, help="Forget also which records belong together.")
@click.option("--confirm", metavar="NAME", help="With --drop-links: the name of the spec, typed out.")
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    system: str | None,
    cut: bool,
    drop_links: bool,
    confirm: str | None,
) -> None:
    """Forget how far the systems (or this SYSTEM) were read, and what was read and not settled.

    The links and the audit log stay: the next pass reads every record, compares it with what was last agreed
    on, and writes nothing that is in step. With --cut the connection of SYSTEM ends here: its sign-in is
    forgotten, the modules of other systems go on, and connecting the same organisation again resumes where
    it was. With --drop-links the next pass matches all records (of SYSTEM's modules) anew, as if they had
    never met. A state in a SQLite file is copied beside it first. No remote is asked.

    \b
    Examples:
      syncline reset acme.yaml
      syncline reset acme.yaml books
      syncline reset acme.yaml books --cut
      syncline reset acme.yaml --drop-links --confirm acme
    """
    from syncline.run.known import refuse_missing_state
    from syncline.run.reset import reset

    if confirm is not None and not drop_links:
        raise click.UsageError("--confirm goes with --drop-links")
    if cut and system is None:
        raise click.UsageError("--cut needs the SYSTEM whose connection ends")
    with workspace(spec, state) as work:
        loaded = work.spec
        refuse_missing_state(work.state_url, spec)
        told = reset(work, system, cut=cut, drop_links=drop_links, confirm=confirm)
    if as_json:
        print_json(told)
        return
    if cut:
        say(f"{system} is cut off; connect it again with: syncline connect {spec} {system}")
    for name, module in told["modules"].items():
        links = f"{module['dropped']} links dropped" if drop_links else f"{module['links']} links kept"
        again = "" if cut else f"; {', '.join(told['systems'])} will be read from the beginning"
        again = "; all records will be matched anew" if drop_links else again
        say(f"{name}: {links}{again}")
    if told["backup"]:
        say(f"the state as it was: {told['backup']}")
    else:
        say(f"no copy was made: the state of {loaded.name} is not a file; use the database's own tools")
    if drop_links:
        say(f"see what would be linked and created before it is: syncline plan {spec}")
