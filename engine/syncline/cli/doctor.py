"""`syncline doctor`: what is wrong with this installation?"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import click

from syncline.cli.common import json_option, print_json, say, state_option, workspace
from syncline.cli.exits import Exit


@click.command("doctor")
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@state_option
@json_option
def command(spec: Path | None, state: str | None, as_json: bool) -> int:
    """Check the installation, and with a SPEC also the spec, its state, its key and each connection: that the
    sign-in works, who answers, which scopes are missing, how wrong the clock is, how many calls are left.

    Connections are asked who they are; nothing is written to them. No secret is printed.

    \b
    Example: syncline doctor acme.yaml

    Exit codes: 0 nothing FAILED (warnings may be told), 1 something FAILED, 2 usage.
    """
    from syncline.run.doctor import Verdict, examine
    from syncline.run.installed import installed_plugins

    with ExitStack() as stack:
        work = stack.enter_context(workspace(spec, state)) if spec is not None else None
        checks = []
        for check in examine(work, work.plugins if work else installed_plugins(), os.environ):
            checks.append(check)
            if not as_json:
                say(f"{check.verdict:<8} {check.name}: {check.what}")
                if check.fix:
                    say(f"{'':<8} fix: {check.fix}")
    failed = any(check.verdict is Verdict.FAILED for check in checks)
    if as_json:
        told = [{"name": c.name, "verdict": c.verdict.value, "what": c.what, "fix": c.fix} for c in checks]
        print_json({"ok": not failed, "checks": told})
    return Exit.FAILED if failed else Exit.DONE
