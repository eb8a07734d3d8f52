"""`syncline status`: what is going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, say, spec_options, workspace
from syncline.cli.exits import OF_STATUS

_LISTS = ("conflicts", "ambiguous", "waiting", "locked", "failed", "parked", "ignored")


@click.command("status")
@spec_options
@click.option("--list", "which", type=click.Choice(_LISTS), help="List the records that rest for this.")
@click.option("--module", metavar="M", help="With --list: only this module of the spec.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="With --list: at most so many."
)
def command(
    spec: Path, state: str | None, as_json: bool, which: str | None, module: str | None, limit: int
) -> int:
    """Show what is in step, what rests and why, what a person must decide, and the newest passes.

    It reads the state alone, writes nothing and asks no remote.

    \b
    Examples:
      syncline status acme.yaml
      syncline status acme.yaml --list failed --module invoices

    Exit codes: 0 nothing to do, 1 a record or a sign-in has failed for good, 2 usage, 3 the spec is wrong,
    4 a person must decide. With --list always 0.
    """
    from syncline.run.known import refuse_missing_state
    from syncline.run.status import list_records, read_status

    if module is not None and which is None:
        raise click.UsageError("--module goes with --list")
    with workspace(spec, state) as work:
        loaded = work.spec
        refuse_missing_state(work.state_url, spec)
        if which is not None:
            rows = list_records(work.database, loaded, which, module, limit)
            if as_json:
                print_json({"spec": loaded.name, "list": which, "records": rows})
            else:
                _print_list(rows, which, limit)
            return 0
        result = read_status(work.database, loaded)
    if as_json:
        print_json(result)
    else:
        _print_status(result, spec)
    return int(OF_STATUS[result["status"]])


def _print_status(result: Mapping[str, Any], spec: Path) -> None:
    from syncline.cli.words import counts, instant

    for name, system in result["systems"].items():
        organisation = system["organisation"]
        where = f"{organisation['name']} ({organisation['id']})" if organisation else ""
        reason = f": {system['reason']}" if system["reason"] else ""
        status = {"none": "not connected", "reconnect": "must be connected again"}
        said = status.get(system["status"], system["status"])
        say(f"{name}: {said}{' to ' + where if where else ''}{reason} ({system['connector']})")
    for name, module in result["modules"].items():
        off = "" if module["enabled"] else " (disabled)"
        read = ", ".join(f"{system} read {instant(at)}" for system, at in module["read"].items())
        say(f"{name}{off}: {module['links']} links; resting: {counts(module['resting'])}; {read}")
        if module["questions"]:
            say(f"  to decide: {counts(module['questions'])} (syncline conflicts {spec} --module {name})")
        if module["running"]:
            say(f"  a pass is at it now: {module['running']}")
    for row in result["passes"]:
        why = f": {row['reason']}" if row["reason"] else ""
        head = f"pass {row['id']} {row['verb']} {instant(row['started'])} by {row['who']}"
        say(f"{head}: {row['status']}{why}{_totals(row['totals'])}")
    if not result["passes"]:
        say("no pass yet")
    for which in _lists_of(result):
        say(f"see the {which}: syncline status {spec} --list {which}")


def _totals(totals: Mapping[str, Any]) -> str:
    """What a pass wrote, over all modules."""
    from syncline.cli.words import counts

    found: dict[str, int] = {}
    for module in totals.values():
        found["linked"] = found.get("linked", 0) + int(module.get("linked", 0))
        for verb in ("created", "updated", "archived", "voided", "deleted"):
            found[verb] = found.get(verb, 0) + sum(module.get(verb, {}).values())
    return f"; {counts(found, 'nothing written')}" if totals else ""


def _lists_of(result: Mapping[str, Any]) -> list[str]:
    """The lists that have something to show for people to act on."""
    resting = {name for module in result["modules"].values() for name, n in module["resting"].items() if n}
    statuses = {"conflicts": {"conflict"}, "failed": {"failed", "dead"}}
    return [
        which
        for which in _LISTS
        if which not in ("parked", "ignored") and statuses.get(which, {which}) & resting
    ]


def _print_list(rows: Sequence[Mapping[str, Any]], which: str, limit: int) -> None:
    from syncline.cli.words import one_line, tries

    for row in rows:
        names = [record["name"] for record in row["records"].values() if record["name"]]
        ids = " = ".join(f"{system} {record['id']}" for system, record in row["records"].items())
        name = f'"{names[0]}" ' if names else ""
        say(f"{row['module']} {name}[{ids}]: {row['status']}{tries(row['attempts'])}: {row['reason']}")
        for field, values in row["fields"].items():
            said = ", ".join(f"{s} has {one_line(v)}" for s, v in values.items() if s != "rule")
            say(f"  {field}: {said} ({values['rule']})")
        say(f"  decided anew {row['when']}")
    if not rows:
        say(f"no record rests for this: {which}")
    elif len(rows) == limit:
        say(f"the first {limit}; more with --limit")
