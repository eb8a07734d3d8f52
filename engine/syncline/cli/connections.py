"""`syncline connections`: who is connected to what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, say, spec_options, workspace


@click.command("connections")
@spec_options
@click.option(
    "--rotate-key", is_flag=True, help="Make a new key and encrypt every sign-in of the state with it."
)
@click.option(
    "--forget-old-keys", is_flag=True, help="Keep only the newest key, once all is encrypted with it."
)
def command(spec: Path, state: str | None, as_json: bool, rotate_key: bool, forget_old_keys: bool) -> None:
    """List the connections of a spec: system, connector, organisation, and whether they work.

    Or change the key that sign-ins are encrypted with: --rotate-key leaves the old keys, which still decrypt
    (backups, another state beside this one), until --forget-old-keys.

    \b
    Examples:
      syncline connections acme.yaml
      syncline connections acme.yaml --rotate-key
    """
    if rotate_key or forget_old_keys:
        _change_key(spec, state, as_json, rotate_key, forget_old_keys)
        return
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


def _change_key(spec: Path, state: str | None, as_json: bool, rotate: bool, forget: bool) -> None:
    from syncline.run.keys import rotate_key
    from syncline.run.known import refuse_missing_state
    from syncline.store.crypto import KEY_VARIABLE

    with workspace(spec, state) as work:
        refuse_missing_state(work.state_url, spec)
        if rotate:
            done = rotate_key(work, forget=False)
        if forget:
            done = rotate_key(work, forget=True)
    if as_json:
        print_json({"sign_ins": done.sign_ins, "old_keys": done.old_keys, "source": done.source})
        return
    say(f"{done.sign_ins} sign-ins are encrypted with the first key of {done.source}")
    if done.old_keys and done.source != KEY_VARIABLE:
        say(f"{done.old_keys} older keys still decrypt; when nothing needs them: --forget-old-keys")
