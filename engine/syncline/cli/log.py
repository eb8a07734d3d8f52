"""`syncline log`: who did what, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, say, spec_argument, state_option, workspace


@click.command("log")
@spec_argument
@click.option("--module", metavar="M", help="Only this module of the spec.")
@click.option("--record", metavar="ID", help="Only what is about this record (its id at either end).")
@click.option("--event", "kinds", metavar="EVENT", multiple=True, help="Only these events; may be repeated.")
@click.option("--pass", "pass_id", type=int, metavar="ID", help="Only what this pass did.")
@click.option("--since", metavar="WHEN", help="30m, 2h, 3d ago, or an ISO day or instant (UTC).")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each event.")
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    module: str | None,
    record: str | None,
    kinds: tuple[str, ...],
    pass_id: int | None,
    since: str | None,
    limit: int,
) -> None:
    """Print the audit log, newest first: a line for each event, with each field before and after, the rule
    that decided, and the value that lost.

    Events: linked, created, updated, rewritten, archived, restored, voided, deleted, gone, merged, decided,
    overtaken, unlinked, drift, locked, refused, retry, taken.
    It reads the state alone, writes nothing and asks no remote.

    \b
    Example: syncline log acme.yaml --module accounts --since 2h
    """
    from syncline.run.known import refuse_missing_state
    from syncline.run.log import Wanted, read_instant, read_log

    with workspace(spec, state) as work:
        wanted = Wanted(
            module=module,
            record=record,
            kinds=kinds,
            pass_id=pass_id,
            since=read_instant(since, work.now()) if since else None,
            limit=limit,
        )
        loaded = work.spec
        refuse_missing_state(work.state_url, spec)
        told = 0
        for event in read_log(work.database, loaded, wanted):
            told += 1
            if as_json:
                print_json(event)
            else:
                say(event_line(event))
        if not told and not as_json:
            say("no such event")


def event_line(event: Mapping[str, Any]) -> str:
    """One event in one line."""
    from syncline.cli.words import change, instant

    records = " = ".join(f"{system} {record}" for system, record in event["records"].items())
    name = f' "{event["name"]}"' if event["name"] else ""
    at = f" {'by' if event.get('kind') else 'in'} {event['system']}" if event["system"] else ""
    what = f"{event['kind']} {event['event']}" if event.get("kind") else event["event"]
    seen = " by somebody else" if event["by"] == "remote" and event["event"] != "drift" else ""
    who = f" by {event['pass']['who']}" if event["pass"]["who"] else ""
    head = (
        f"{instant(event['at'])} {event['module']} {what}{at}{seen}:{name} [{records}]"
        f" pass {event['pass']['id']}{who}"
    )
    details = [f"{field} {change(part)}" for field, part in event["fields"].items()]
    if event["event"] == "created":
        details = [f"{len(details)} fields"]
    if event["event"] == "linked":
        by = f"score {event['score']}" if "score" in event else f'same key "{event.get("key", "")}"'
        details.append(f"{by} ({event.get('rule', '')})")
    if event.get("message"):
        field = f" (field {event['field']})" if event.get("field") else ""
        other = f"; held by {event['other']}" if event.get("other") else ""
        details.append(f"{event['message']}{field}{other}")
    details += [f"warning: {warning}" for warning in event.get("warnings", ())]
    return head + (f": {'; '.join(details)}" if details else "")
