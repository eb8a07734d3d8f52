"""`syncline plan`: what a pass would do, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from syncline.cli.common import print_json, progress, say, spec_options, workspace
from syncline.cli.exits import Exit

_SIGNS = {"create": "+", "update": "~", "restore": "~", "archive": "-", "void": "-", "delete": "-"}


@click.command("plan")
@spec_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write the plan to.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Entries shown a module."
)
def command(spec: Path, state: str | None, as_json: bool, out: Path | None, limit: int) -> int:
    """Read what changed at both ends and show every create, update and link that a pass would make, with the
    old and the new value of each field and the rule that decides. Writes nothing to the systems.

    \b
    Example: syncline plan acme.yaml --out acme.plan
    """
    from syncline.run.plan import make_plan, save_plan

    with workspace(spec, state) as work:
        plan = make_plan(work, progress)
    if out is not None:
        save_plan(plan, out)
    if as_json:
        print_json(plan)
    else:
        _print(plan, limit)
        if out is not None:
            say(f"written to {out}; carry it out with: syncline apply {out}")
    return Exit.STOPPED if plan["stopped"] else Exit.DONE


def _print(plan: dict[str, Any], limit: int) -> None:
    totals: Counter[str] = Counter()
    for name, module in plan["modules"].items():
        left, right = module["systems"]
        say(f"{name} ({left} with {right})")
        for link in module["links"][:limit]:
            say(f"  = link {left} {link['left']} with {right} {link['right']}")
            by = repr(link["key"]) if "evidence" not in link else f"score {link['score']}"
            say(f"      by {by}  [{link['rule']}]")
            _print_evidence(link, [left, right])
        _more(len(module["links"]) - limit)
        for operation in module["operations"][:limit]:
            _print_operation(operation)
        _more(len(module["operations"]) - limit)
        for question in module["questions"][:limit]:
            say(f"  ? {_question(question, module['systems'])}")
            for pair in question.get("likely", ())[:3]:
                systems = module["systems"]
                say(f"      {systems[1 - question['side']]} {pair['other']}: score {pair['score']}")
                _print_evidence(pair, systems)
        _more(len(module["questions"]) - limit)
        totals.update(op["kind"] for op in module["operations"])
        totals["link"] += len(module["links"])
        totals["question"] += len(module["questions"])
        for status, count in module["resting"].items():
            if status not in ("ambiguous", "conflict"):
                say(f"  {count} {status}")
    for name, why in plan["approves"].items():
        say(f"{name}: {why}; a pass does not do that by itself, applying this plan does")
    for name, why in plan["stopped"].items():
        say(f"{name}: a pass would stop here: {why}", err=True)
    say(
        f"{totals['create']} to create, {totals['update'] + totals['restore']} to update,"
        f" {totals['archive']} to archive, {totals['void']} to void, {totals['delete']} to delete,"
        f" {totals['link']} to link, {totals['question']} for a person to decide"
    )


def _print_operation(operation: dict[str, Any]) -> None:
    record = f" {operation['record']}" if operation["record"] else ""
    what = f"{operation['kind']} in {operation['system']}{record}"
    say(f"  {_SIGNS[operation['kind']]} {what}: {operation['label']}")
    for name, part in operation["fields"].items():
        old = f"{_short(part['old'])} -> " if "old" in part else ""
        rule = f"  [{part['why']}, {part['rule']}]" if "rule" in part else ""
        say(f"      {name}: {old}{_short(part['new'])}{rule}")
    if "refused" in operation:
        say(f"      it would not be sent: {operation['system']}.{operation['refused']}")


def _question(question: dict[str, Any], systems: list[str]) -> str:
    kind = question["kind"]
    if kind == "ambiguous":
        here, there = systems[question["side"]], systems[1 - question["side"]]
        others = ", ".join(question["others"][:5])
        by = f" ({question['key']!r})" if question["key"] else ""
        return f"{here} {question['record']} may be the same as {there} {others}{by}"
    if kind in ("conflict", "bouncing"):
        left, right = _short(question["left"]), _short(question["right"])
        return f"{question['field']}: {systems[0]} says {left}, {systems[1]} says {right}"
    return f"{kind}: {question.get('message', '')}".rstrip(": ")


def _print_evidence(pair: Mapping[str, Any], systems: Sequence[str]) -> None:
    from syncline.cli.words import evidence

    parts = pair.get("evidence", {})
    told = {
        name: {**part, "values": dict(zip(systems, (part["left"], part["right"]), strict=True))}
        for name, part in parts.items()
    }
    for line in evidence({**pair, "evidence": told})[1:] if parts else ():
        say(f"        {line}")


def _short(value: Any) -> str:
    from syncline import exactjson

    text = exactjson.encode(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _more(count: int) -> None:
    if count > 0:
        say(f"    ... and {count} more")
