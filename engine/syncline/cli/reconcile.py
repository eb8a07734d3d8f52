"""`syncline reconcile`: do both ledgers say the same money?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import OF_STATUS
from syncline.cli.words import counted

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("reconcile")
@spec_options
@click.option("--module", metavar="M", help="This module only.")
@click.option("--from", "since", type=_DAY, metavar="DAY", help="The first day that counts (YYYY-MM-DD).")
@click.option("--to", "until", type=_DAY, metavar="DAY", help="The last day that counts (YYYY-MM-DD).")
@click.option(
    "--limit", type=click.IntRange(0), default=200, show_default=True, help="Documents listed a module."
)
def command(
    spec: Path,
    state: str | None,
    as_json: bool,
    module: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> int:
    """Read both ends of the document modules whole and compare them to the cent, by currency and month: how
    many documents, their totals and open balances; then list the documents behind every gap, each with what
    is wrong: missing, doubled, another amount or only rounded, re-dated, another rate, currency or open
    balance.

    What a module's money is, its key `reconcile` says. Nothing is written, and a pass may run meanwhile. A
    gap that has its reason (the record rests, a rule keeps it, the spec declares so much tolerance) is listed
    with it.

    \b
    Examples:
      syncline reconcile acme.yaml
      syncline reconcile acme.yaml --module invoices --from 2026-01-01 --to 2026-03-31 --json

    Exit codes: 0 no gaps, or each has its reason, 1 a module could not be compared, 2 usage, 3 the spec is
    wrong, 4 there are gaps that a person must look at.
    """
    from syncline.run.known import refuse_missing_state
    from syncline.run.ledgers import reconcile_ledgers

    if since is not None and until is not None and until < since:
        raise click.UsageError("--to lies before --from")
    days = [None if day is None else day.date().isoformat() for day in (since, until)]
    with workspace(spec, state) as work:
        refuse_missing_state(work.state_url, spec)
        result = reconcile_ledgers(work, progress, only=module, since=days[0], until=days[1], limit=limit)
    if as_json:
        print_json(result)
    else:
        for name, told in result["modules"].items():
            _print_module(name, told)
        for name, problem in result["problems"].items():
            say(f"{name}: {problem}", err=True)
        _print_end(result)
    return OF_STATUS[result["status"]]


def _print_module(name: str, told: Mapping[str, Any]) -> None:
    ends = [
        f"{system} {told['modules'][system]} ({told['organisations'][system]['name']})"
        for system in told["systems"]
    ]
    say(f"{name}: {ends[0]} with {ends[1]}")
    for group in told["groups"]:
        currency = group["currency"]
        head = f"  {currency or '-'} {group['period'] or 'no date'}:"
        left, right = (group[system] for system in told["systems"])
        if not any(group["gap"].values()):
            off = ", ".join(f"{n} {kind}" for kind, n in group["kinds"].items())
            say(f"{head} {_sums(left, currency)} at both ends{f'; but {off}' if off else ''}")
            continue
        for system, sums in zip(told["systems"], (left, right), strict=True):
            say(f"{head} {system} {_sums(sums, currency)}")
            head = " " * len(head)
        say(f"{head} gap: {_sums(group['gap'], currency)}")
    for gap in told["gaps"]:
        _print_gap(gap, told["systems"])
    if told["left_off"]:
        say(f"  ... and {counted(told['left_off'], 'more document')}")


def _print_gap(gap: Mapping[str, Any], systems: list[str]) -> None:
    ids = [f"{system} {told['id']}" for system, told in gap["records"].items() if told]
    document = next(told for told in gap["records"].values() if told)
    name = f' "{document["name"]}"' if document["name"] else ""
    money = f"{document['currency']} {_amount(document['total'], document['currency'])}".strip()
    day = document["date"] or "no date"
    what = "; ".join(_difference(each, gap, systems) for each in gap["differences"])
    reason = f" [{gap['reason']}]" if gap["reason"] else ""
    say(f"  {'.' if gap['explained'] else '!'} {' = '.join(ids)}{name}, {day}, {money}: {what}{reason}")


def _difference(each: Mapping[str, Any], gap: Mapping[str, Any], systems: list[str]) -> str:
    kind, records = each["kind"], gap["records"]
    if kind == "missing":
        return f"missing in {next(system for system in systems if records[system] is None)}"
    if kind == "doubled":
        return f"doubled: the same as {gap['double_of']}"
    if kind == "unreadable":
        return f"unreadable: {each[systems[0]] or each[systems[1]]}"
    values = [each[system] for system in systems]
    if each["of"] in ("total", "open"):
        shown = [_amount(v, records[s]["currency"]) for s, v in zip(systems, values, strict=True)]
    else:
        shown = [_plain(value) for value in values]
    told = f"{systems[0]} says {shown[0]}, {systems[1]} says {shown[1]}"
    if kind == "rounded":
        by = "the spec's tolerance" if each["declared"] else "the rounding of its lines"
        return f"{each['of']} rounded, within {_plain(each['allowed'])} ({by}): {told}"
    if kind == "re-dated" and each["crosses"]:
        return f"re-dated into another month: {told}"
    return f"{kind}: {told}"


def _print_end(result: Mapping[str, Any]) -> None:
    unexplained = sum(told["unexplained"] for told in result["modules"].values())
    explained = sum(told["explained"] for told in result["modules"].values())
    calls = sum(n for counts in result["requests"].values() for n in counts.values())
    gaps = f"{counted(unexplained, 'document')} to look at" if unexplained else "no gap to look at"
    more = f", {explained} with a reason" if explained else ""
    say(f"{result['status']}: {gaps}{more}; {counted(calls, 'call')}")


def _sums(sums: Mapping[str, Any], currency: str) -> str:
    owed = "" if sums["open"] is None else f", open {_amount(sums['open'], currency)}"
    return f"{counted(sums['count'], 'document')}, total {_amount(sums['total'], currency)}{owed}"


def _amount(value: Any, currency: str) -> str:
    """An amount as people write it: with the places of its currency, or more where it has more."""
    from syncline.reconcile.ledgers import smallest_unit

    if value is None:
        return "nothing"
    exact = Decimal(value)
    places = max(0, -int(smallest_unit(currency).as_tuple().exponent))
    shown = max(places, -int(exact.as_tuple().exponent))
    return f"{exact:.{shown}f}"


def _plain(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
