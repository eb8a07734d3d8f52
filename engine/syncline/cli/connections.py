"""`syncline connections`: who is connected to what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, say, spec_options, workspace


@click.command("connections")
@spec_options
def command(spec: Path, state: str | None, as_json: bool) -> None:
    """List the connections of a spec: system, connector, organisation, and whether they work.

    \b
    Example: syncline connections acme.yaml
    """
    with workspace(spec, state) as work:
        saved = {c.system: c for c in work.vault.all(work.spec.name)}
        rows: list[dict[str, Any]] = []
        for name, system in work.spec.systems.items():
            row: dict[str, Any] = {"system": name, "connector": system.connector, "status": "none"}
            if one := saved.get(name):
                row |= {
                    "status": one.status,
                    "reason": one.reason,
                    "organisation": {"id": one.organisation.id, "name": one.organisation.name},
                    "connected_at": one.connected_at.isoformat(),
                }
            rows.append(row)
    if as_json:
        print_json({"connections": rows})
        return
    for row in rows:
        organisation = row.get("organisation")
        where = f"{organisation['name']} ({organisation['id']})" if organisation else "-"
        line = (
            f"{row['system']:<12} {row['connector']:<14} {row['status']:<10} {where} {row.get('reason', '')}"
        )
        say(line.rstrip())
