"""`syncline conformance`: test a connector against its sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from syncline.cli.common import json_option, print_json, say
from syncline.cli.exits import Exit
from syncline.errors import SynclineError

if TYPE_CHECKING:
    from syncline.connect.conformance import Finding, Report
    from syncline.connect.contract import Catalogue


@click.command("conformance")
@click.argument("connector")
@json_option
@click.option("--only", multiple=True, metavar="NAME", help="Try this promise alone; may be repeated.")
def command(connector: str, as_json: bool, only: tuple[str, ...]) -> int:
    """Test an installed CONNECTOR against its own sandbox, promise by promise of the connector contract.

    Exit code 0 when every promise that applies holds, 1 otherwise.

    \b
    Example: syncline conformance NAME --only read-all
    """
    from syncline.connect.conformance import PROMISES, run
    from syncline.run.installed import installed_plugins
    from syncline.spec.nearest import nearest

    plugins = installed_plugins()
    if connector not in plugins.connectors:
        broken = "".join(f"\n  {problem}" for problem in plugins.problems)
        raise SynclineError(
            f"no connector {connector!r}{broken}",
            fix=f"name one of: {', '.join(plugins.connectors) or '(none is installed)'}",
        )
    names = [promise.name for promise in PROMISES]
    for name in only:
        if name not in names:
            guess = nearest(name, names)
            hint = f"did you mean {guess}?" if guess else f"one of: {', '.join(names)}"
            raise click.BadParameter(f"no promise {name!r}; {hint}", param_hint="--only")
    tested = plugins.connectors[connector]
    report = run(tested, only=only, heard=_silent if as_json else _tell)
    if as_json:
        print_json(to_json(report, tested.catalogue()))
    else:
        _summarise(report, len(names))
    return Exit.DONE if report.holds else Exit.FAILED


def to_json(report: Report, catalogue: Catalogue) -> dict[str, Any]:
    """``level``: ``null`` when not even the first was reached, or not all of it was tried.
    ``capabilities``: what the connector claims of each module, which is what the promises were tried on."""
    return {
        "connector": report.connector,
        "level": report.level.value if report.level else None,
        "holds": report.holds,
        "capabilities": {m.name: asdict(m.capabilities) for m in catalogue.modules if not m.lookup},
        "promises": [
            {
                "name": f.promise.name,
                "level": f.promise.level.value,
                "promised": f.promise.promised,
                "verdict": f.verdict.value.lower(),
                "why": list(f.why),
                "notes": list(f.notes),
            }
            for f in report.findings
        ],
    }


def _silent(finding: Finding) -> None:
    """The JSON object says it all at the end."""


def _tell(finding: Finding) -> None:
    from syncline.connect.conformance import Verdict

    promise = finding.promise
    if finding.verdict is Verdict.HOLDS:
        say(f"ok              {promise.name}: {promise.promised}")
    elif finding.verdict is Verdict.FAILED:
        say(f"FAILED          {promise.name}: {promise.promised}")
        for why in finding.why:
            say(f"                  {why}")
    else:
        say(f"not applicable  {promise.name}: {'; '.join(finding.why)}")
    for note in finding.notes:
        say(f"                  ({note})")


def _summarise(report: Report, known: int) -> None:
    from syncline.connect.conformance import Verdict

    def count(verdict: Verdict) -> int:
        return sum(f.verdict is verdict for f in report.findings)

    say(
        f"{report.connector}: {count(Verdict.HOLDS)} hold, {count(Verdict.FAILED)} failed,"
        f" {count(Verdict.NOT_APPLICABLE)} not applicable"
    )
    if len(report.findings) == known:
        say(f"level: {report.level.value if report.level else 'none'}")
