"""`syncline discover`: what a system has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import json_option, print_json, say, spec_argument, state_option, workspace

#: More choices than this are counted on a line; --json has them all.
_MOST_CHOICES = 12


@click.command("discover")
@spec_argument
@click.argument("system")
@click.argument("module", required=False)
@click.option("--offline", is_flag=True, help="Tell what the connector ships, even when connected.")
@state_option
@json_option
def command(
    spec: Path, state: str | None, as_json: bool, system: str, module: str | None, offline: bool
) -> None:
    """Show the remote modules of a SYSTEM of the spec, or the fields of one MODULE: type, length, what must
    be set, what cannot be, choices, references, and which field maps of the spec use them.

    The connected organisation is asked, custom fields included; without a connection (or with --offline)
    the connector's own catalogue is told. Nothing is written.

    \b
    Examples:
      syncline discover acme.yaml crm
      syncline discover acme.yaml books Contacts --offline
    """
    from syncline.run.discover import discover

    with workspace(spec, state) as work:
        found = discover(work, system, module, offline=offline)
    if as_json:
        print_json(found)
        return
    organisation = found["organisation"]
    where = f"live, {organisation['name']} ({organisation['id']})" if organisation else "built-in, not asked"
    say(f"{found['system']} ({found['connector']}): {where}")
    for one in found["modules"]:
        if "fields" in one:
            _print_fields(one)
        else:
            say(_module_line(one))


def _module_line(module: Mapping[str, Any]) -> str:
    able = module["capabilities"]
    can = [word for word, key in _ABILITIES.items() if able[key]]
    used = f"; used by {', '.join(module['used_by'])}" if module["used_by"] else ""
    kind = "look-up" if module["lookup"] else ", ".join(can) or "read only"
    return f"{module['name']}: {kind}{used}"


_ABILITIES = {
    "create": "create_batch",
    "update": "update_batch",
    "archive": "archive",
    "void": "void",
    "delete": "delete",
    "incremental reads": "incremental",
    "conditional writes": "conditional",
    "tells deletions": "deletions",
}


def _print_fields(module: Mapping[str, Any]) -> None:
    say(_module_line(module))
    widest = max((len(field["path"]) for field in module["fields"]), default=0)
    for field in module["fields"]:
        kind = field["type"]
        if field["max_length"]:
            kind += f"({field['max_length']})"
        elif field["places"] is not None:
            kind += f"({field['places']} places)"
        notes = [word for word, key in _NOTES.items() if field[key]]
        if field["reference"]:
            notes.append(f"points to {field['reference']}")
        if field["moves"] is not None:
            ways = (f"{state} -> {' or '.join(then)}" for state, then in field["moves"].items() if then)
            notes.append(f"goes {', '.join(ways)}")
        if field["choices"] is not None:
            choices = field["choices"]
            many = len(choices) > _MOST_CHOICES
            notes.append(f"{len(choices)} choices" if many else f"one of {', '.join(choices)}")
        if field["maps"]:
            notes.append(f"used by {', '.join(field['maps'])}")
        say(f"  {field['path']:<{widest}}  {kind:<20} {'; '.join(notes)}".rstrip())


_NOTES = {
    "required": "required",
    "read only": "read_only",
    "fixed once created": "create_only",
    "unique": "unique",
    "custom": "custom",
    "declared by the spec": "declared",
}
