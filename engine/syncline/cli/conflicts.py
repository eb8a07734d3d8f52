"""`syncline conflicts`: what a person must decide, and deciding it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import Exit


@click.command("conflicts")
@spec_options
@click.argument("number", metavar="[ID]", required=False)
@click.option("--take", metavar="SYSTEM", help="Let the value (or the state) of this system stand.")
@click.option("--value", metavar="TEXT", help="Let this value stand; empty text clears the field.")
@click.option("--link", metavar="OTHER", help="It is the same as this record of the other end.")
@click.option("--create", is_flag=True, help="It is a record of its own: make it at the other end.")
@click.option("--ignore", is_flag=True, help="Leave it alone: neither link nor create it.")
@click.option("--why", metavar="TEXT", default="", help="Why, for whoever reviews the match.")
@click.option("--later", is_flag=True, help="Only remember the decision; the next pass carries it out.")
@click.option("--settled", is_flag=True, help="List the values that lost to a rule or to a decision.")
@click.option("--module", metavar="M", help="Only this module of the spec.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    number: str | None,
    take: str | None,
    value: str | None,
    link: str | None,
    create: bool,
    ignore: bool,
    why: str,
    later: bool,
    settled: bool,
    module: str | None,
    limit: int,
) -> int:
    """List what a person must decide, with the evidence; or decide one of them.

    A decision is remembered and carried out at once; if that fails, by the next pass. When a record has
    changed by then, the question is put again. What is decided of a match is kept in a file beside the spec,
    acme.matches.yaml, which every pass reads and you may edit. With --settled the values that lost are
    listed, and each can be put back with --take.

    \b
    Examples:
      syncline conflicts acme.yaml
      syncline conflicts acme.yaml 512 --take books
      syncline conflicts acme.yaml 513 --link 5725767000000400807 --why "same tax number"
      syncline conflicts acme.yaml --settled
      syncline conflicts acme.yaml 514:phone --take books

    Exit codes: 0 nothing is open (or the decision is carried out or remembered), 1 it could not be carried
    out yet, 2 usage, 3 the spec is wrong, 4 questions are open.
    """
    from syncline.run.conflicts import Answer, count_open, decide, find, list_open, list_settled
    from syncline.run.known import refuse_missing_state

    answer = Answer(take=take, value=value, link=link, create=create, ignore=ignore, why=why)
    deciding = answer != Answer(why=why)
    if (deciding or later or why) and number is None:
        raise click.UsageError("say which: syncline conflicts SPEC ID --take SYSTEM")
    if (later or why) and not deciding:
        raise click.UsageError("--later and --why go with a decision")
    if number is not None and settled:
        raise click.UsageError("--settled is a list; give the id alone")
    with workspace(spec, state) as work:
        loaded = work.spec
        refuse_missing_state(work.state_url, spec)
        if number is not None and deciding:
            told = decide(work, number, answer, progress, later=later)
            if as_json:
                print_json(told)
            else:
                _print_decided(told)
            return Exit.DONE if told["carried_out"] or later else Exit.FAILED
        if number is not None:
            found = [find(work.database, loaded, number)]
            settled = "lost" in found[0]
        elif settled:
            found = list_settled(work.database, loaded, module, limit)
        else:
            found = list_open(work.database, loaded, module, limit)
        still_open = count_open(work.database, loaded)
    if as_json:
        print_json({"spec": loaded.name, "open": still_open, "settled" if settled else "questions": found})
    else:
        for one in found:
            _print_settled(one) if settled else _print_question(one, spec)
        if not found:
            say("no value was lost" if settled else "nothing to decide")
        elif len(found) == limit:
            say(f"the first {limit}; more with --limit")
    return Exit.ATTENTION if still_open and not settled else Exit.DONE


def _print_decided(told: Mapping[str, Any]) -> None:
    say(f"{told['module']}: {told['decided']}")
    if told["carried_out"]:
        say("carried out")
    elif told["problem"]:
        say(f"remembered, and not carried out yet: {told['problem']}", err=True)
    else:
        say("remembered for the next pass")


def _print_question(one: Mapping[str, Any], spec: Path) -> None:
    from syncline.cli.words import evidence, instant, one_line

    say(f"{one['id']} {one['kind']}: {one['module']} {_who(one)}, asked {instant(one['asked_at'])}")
    if "values" in one:
        values = ", ".join(f"{system} has {one_line(value)}" for system, value in one["values"].items())
        say(f"  {one['field']}: {values}{' (' + one['rule'] + ')' if one['rule'] else ''}")
    if one.get("tried") is not None:
        say(f"  tried {one_line(one['tried'])}{'; held by ' + one['other'] if one['other'] else ''}")
    if one["kind"] == "deleted-and-edited":
        say(f"  {one['state']} in {one['system']}, and edited at the other end")
    if one["message"]:
        say(f"  {one['message']}")
    for bounce in one.get("history", ()):
        put = f"had {one_line(bounce['found'])}, was given {one_line(bounce['wrote'])}"
        say(f"    {bounce['at']} {bounce['system']} {put}")
    for candidate in one.get("candidates", ()):
        linked = f", linked with {candidate['linked_to']}" if candidate["linked_to"] else ""
        say(f'  may be {candidate["id"]} "{candidate["name"]}"{linked}')
        if "score" in candidate:
            for line in evidence(candidate):
                say(f"    {line}")
    if one["decided"]:
        say(f"  decided by {one['decided']['who']}; the next pass carries it out")
    elif one["answers"]:
        say(f"  decide: syncline conflicts {spec} {one['id']} {' | '.join(one['answers'])}")


def _print_settled(one: Mapping[str, Any]) -> None:
    from syncline.cli.words import instant, one_line

    lost, why = one["lost"], "; ".join(str(x) for x in (one["why"], one["rule"]) if x)
    say(f"{one['id']}: {one['module']} {_who(one)}, {instant(one['at'])}")
    say(f"  {one['field']}: {lost['system']} lost {one_line(lost['value'])} ({why})")
    now = ", ".join(f"{system} has {one_line(value)}" for system, value in one["values"].items())
    if now:
        say(f"  now {now}")


def _who(one: Mapping[str, Any]) -> str:
    names = [record["name"] for record in one["records"].values() if record["name"]]
    ids = " = ".join(f"{system} {record['id']}" for system, record in one["records"].items())
    return f'"{names[0]}" [{ids}]' if names else f"[{ids}]"
