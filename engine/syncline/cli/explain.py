"""`syncline explain`: why is this record as it is?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import json_option, print_json, say, spec_argument, state_option, workspace


@click.command("explain")
@spec_argument
@click.argument("module")
@click.argument("record", metavar="ID")
@click.option("--system", metavar="S", help="Whose id it is, when both ends have a record of this id.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many events."
)
@state_option
@json_option
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    module: str,
    record: str,
    system: str | None,
    limit: int,
) -> None:
    """Tell the whole story of the record ID of a MODULE: how it was linked, what both ends agreed on, what
    rests and why, each write with its rule and the value that lost, and the open questions.

    ID may be that of either end. It reads the state alone, writes nothing and asks no remote.

    \b
    Example: syncline explain acme.yaml accounts 4876876000000333001

    Exit codes: 0 told, 1 nothing is known of this record, 2 usage, 3 the spec is wrong.
    """
    from syncline.run.explain import explain
    from syncline.run.known import refuse_missing_state

    with workspace(spec, state) as work:
        loaded = work.spec
        refuse_missing_state(work.state_url, spec)
        story = explain(work.database, loaded, module, record, system, limit)
    if as_json:
        print_json(story)
    else:
        print_story(story)


def print_story(story: Mapping[str, Any]) -> None:
    """The story for people, the present first and the past after it."""
    from syncline.cli.words import evidence, one_line

    name = f' "{story["name"]}"' if story["name"] else ""
    say(f"{story['module']}{name}")
    for system, end in story["records"].items():
        lock = f"; locked: {end['lock']}" if end["lock"] else ""
        there = f"{end['id']} ({end['state']}, version {end['version'] or '-'}){lock}" if end["id"] else "-"
        say(f"  {system} {end['module']}: {there}")
        if end["page"]:
            say(f"    {end['page']}")
    say(f"  {_linked(story['linked'])}")
    for line in evidence(story["linked"]) if "evidence" in (story["linked"] or ()) else ():
        say(f"    {line}")
    say(f"  {story['why']}")
    _print_questions(story)
    for one in story["candidates"]:
        whose = f"linked to {one['linked_to']}" if one["linked_to"] else "without a link"
        agree = "".join(
            f"; {field} {' | '.join(one_line(v) for v in values.values())} must not differ"
            for field, values in one["agree"].items()
        )
        who = f"{one['system']} {one['id']}" + (f' "{one["name"]}"' if one["name"] else "")
        say(f'  same key "{one["key"]}" ({one["rule"]}): {who}, {whose}{agree}')
    _print_rests(story)
    _print_fields(story)
    _print_writes(story)
    _print_events(story)


def _linked(linked: Mapping[str, Any] | None) -> str:
    from syncline.cli.words import instant

    if linked is None:
        return "not linked"
    when = f"{instant(linked['at'])}, {_pass(linked['pass'])}"
    if linked["how"] == "created":
        return f"linked {when}: created in {linked['system']}"
    if linked["how"] == "decided":
        return f"linked {when}: decided by {linked['who']}"
    if linked["how"] == "likely":
        return f"linked {when}: likely the same by the rule at {linked['rule']}, score {linked['score']}"
    return f'linked {when}: same key "{linked["key"]}" by the rule at {linked["rule"]}'


def _pass(run: Mapping[str, Any]) -> str:
    return f"pass {run['id']}" + (f" ({run['verb']} by {run['who']})" if run["verb"] else "")


def _print_questions(story: Mapping[str, Any]) -> None:
    from syncline.cli.words import evidence, instant, one_line

    for asked in story["questions"]:
        match asked["kind"]:
            case "conflict":
                values = ", ".join(f"{s} has {one_line(v)}" for s, v in asked["values"].items())
                said = f"conflict in {asked['field']}: {values} ({asked['rule']})"
            case "bouncing":
                said = f"bouncing: {asked['message']} ({asked['rule']})"
                for one in asked["history"]:
                    put = f"had {one_line(one['found'])}, was given {one_line(one['wrote'])}"
                    said += f"\n    {one['at']} {one['system']} {put}"
            case "ambiguous":
                others = ", ".join(asked["others"])
                said = f"ambiguous: may be the same as {others} in {asked['system']} ({asked['rule']})"
                for one in asked["likely"]:
                    said += "".join(f"\n    {line}" for line in (one["id"], *evidence(one)))
            case "deleted-and-edited":
                said = f"{asked['state']} in {asked['system']}, and edited at the other end"
            case _:
                held = f"; held by {asked['other']}" if asked.get("other") else ""
                said = f"{asked['kind']}: {asked.get('message') or ''}{held}"
        say(f"  to decide: {said}; asked {instant(asked['asked_at'])}")


def _print_rests(story: Mapping[str, Any]) -> None:
    from syncline.cli.words import instant, tries

    for system, row in story["rests"].items():
        again = tries(row["attempts"])
        say(f"  read from {system} {instant(row['read_at'])}, {row['status']}{again}: {row['reason'] or '-'}")
        for name, fault in row["faults"].items():
            say(f"    {name}: {fault}")


def _print_fields(story: Mapping[str, Any]) -> None:
    from syncline.cli.words import one_line

    linked = story["linked"] is not None
    say("fields (what each end held when last settled):" if linked else "fields (as read):")
    for name, field in story["fields"].items():
        held = field["base"] if linked else field["staged"]
        parts = []
        for system, path in field["paths"].items():
            value = f" {one_line(held[system])}" if system in held else ""
            parts.append(f"{system} {path or '(computed)'}{value}")
        mark = " (never agreed on)" if field["open"] and linked else ""
        say(f"  {name}{mark}: {' | '.join(parts)}")
        for system, value in field["staged"].items() if linked else ():
            say(f"    read since in {system}: {one_line(value)}")


def _print_writes(story: Mapping[str, Any]) -> None:
    from syncline.cli.words import change, instant

    say("writes, newest first:" if story["writes"] else "no write was ever made for it")
    for one in story["writes"]:
        when = instant(one["settled_at"] or one["sent_at"] or one["made_at"])
        words = f": {one['message']}" if one["message"] else ""
        record = f" {one['record']}" if one["record"] else ""
        say(
            f"  {when} {one['kind']} in {one['system']}{record} from {one['from']['system']}"
            f" {one['from']['record']}: {one['status']}{words}; {_pass(one['pass'])}"
        )
        for name, field in one["fields"].items():
            shown = dict(field)
            shown.setdefault("after", field["set"])
            say(f"    {name} {change(shown)}")
        for warning in one["warnings"]:
            say(f"    warning: {warning}")


def _print_events(story: Mapping[str, Any]) -> None:
    from syncline.cli.log import event_line

    told = [e for e in story["events"] if "operation" not in e]
    if told:
        say("events, newest first:")
    for event in told:
        say(f"  {event_line(event)}")
