"""`syncline validate`: is a spec right?"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, field

from syncline.cli.common import say_lines
from syncline.cli.exits import Exit
from syncline.errors import SynclineError
from syncline.printable import printable, printable_json
from syncline.spec import Bases, Problem, has_errors, load_spec, sort_problems
from syncline.spec.report import as_github, as_json, as_sarif, as_text
from syncline.spec.source import Source

if TYPE_CHECKING:
    from syncline.connect.contract import Catalogue, Connector
    from syncline.mapping.expressions import Expressions
    from syncline.spec.macros import MacroSource
    from syncline.spec.model import Spec


class Plugged(Struct, frozen=True, kw_only=True):
    """What plugins bring to a check: their connectors, filters and bundles."""

    connectors: Mapping[str, Connector] = field(default_factory=dict)
    filters: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    bundles: Sequence[Traversable | pathlib.Path] = ()


class Validated(Struct, frozen=True):
    """The problems of some specs, sorted and each once, with the text of every file they were found in."""

    files: int
    problems: tuple[Problem, ...]
    sources: Mapping[str, Source]

    @property
    def ok(self) -> bool:
        return not has_errors(self.problems)


#: Given a spec and its path: what the organisations of its systems have, and what could not be asked.
LiveCatalogues = Callable[[str, "Spec"], "tuple[Mapping[str, Catalogue], Sequence[Problem]]"]


def validate_files(
    paths: Iterable[str],
    plugged: Plugged,
    *,
    environ: Mapping[str, str],
    live: LiveCatalogues | None = None,
) -> Validated:
    """Check the specs at ``paths`` and the match decisions beside them against the grammar and the installed
    connectors; offline unless ``live``."""
    from syncline.mapping.check import check_spec, read_expressions
    from syncline.mapping.check_writers import check_writers_across
    from syncline.mapping.tables import TableFilter
    from syncline.spec.digest import table_digest
    from syncline.spec.matches import is_matches_file, load_matches, matches_file

    bases = Bases(plugged.bundles)
    compiled: dict[tuple[tuple[MacroSource, ...], str], tuple[Expressions, list[Problem]]] = {}
    problems: list[Problem] = []
    sources: dict[str, Source] = {}
    whole: list[Spec] = []
    files = 0
    for path in paths:
        if is_matches_file(pathlib.Path(path)):
            continue  # checked with the spec that it lies beside
        files += 1
        loaded = load_spec(path, environ=environ, bases=bases)
        problems += loaded.problems
        sources.update(loaded.sources)
        if loaded.partial is None:
            continue
        decided = load_matches(matches_file(pathlib.Path(path)), loaded.partial)
        problems += decided.problems
        if decided.source is not None:
            sources[decided.source.file] = decided.source
        imported = (loaded.macros, table_digest(loaded.partial))
        if imported not in compiled:
            filters: dict[str, Callable[..., Any]] = {**plugged.filters}
            filters["table"] = TableFilter(loaded.partial.tables)
            compiled[imported] = read_expressions(loaded.macros, filters)
        expressions, faults = compiled[imported]
        problems += faults
        catalogues: Mapping[str, Catalogue] | None = None
        if live is not None and loaded.spec is not None:
            catalogues, unasked = live(path, loaded.spec)
            problems += unasked
        problems += check_spec(loaded.partial, plugged.connectors, catalogues, expressions, hurt=loaded.hurt)
        if loaded.spec is not None:
            whole.append(loaded.spec)
    problems += check_writers_across(whole)
    return Validated(files, sort_problems(problems), sources)


def read_live(path: str, spec: Spec, state: str | None) -> tuple[dict[str, Catalogue], list[Problem]]:
    """What each connected organisation of the spec really has; a system that cannot be asked is a problem."""
    from syncline.run.workspace import Workspace

    catalogues: dict[str, Catalogue] = {}
    problems: list[Problem] = []
    with Workspace(pathlib.Path(path), state, os.environ) as workspace:
        # The workspace would judge by the built-in catalogues, which do not know the client's own fields.
        workspace.spec = spec
        for name, system in spec.systems.items():
            try:
                catalogues[name] = workspace.live(name).session.discover()
            except SynclineError as error:
                problems.append(
                    Problem(
                        place=system.place,
                        code="not-connected",
                        message=f"the live fields of {name} cannot be read: {error.what}",
                        suggestion=error.fix,
                    )
                )
    return catalogues, problems


def show(validated: Validated, form: str) -> str:
    """The result as ``text``, ``json``, ``github`` or ``sarif``."""
    match form:
        case "json":
            return as_json(validated.problems, validated.files)
        case "github":
            return as_github(validated.problems)
        case "sarif":
            return as_sarif(validated.problems)
        case _:
            return as_text(validated.problems, validated.sources, validated.files)


@click.command("validate")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), help="How to print."
)
@click.option("--json", "json_", is_flag=True, help="The same as --format json.")
@click.option("--live", is_flag=True, help="Also ask the connected organisations for their fields.")
@click.option("--state", help="With --live: where the connections are kept (default: SYNCLINE_STATE).")
@click.pass_context
def command(
    ctx: click.Context, specs: tuple[str, ...], form: str | None, json_: bool, live: bool, state: str | None
) -> None:
    """Say everything that is wrong in each SPEC, with its place and what to do about it.

    Without --live it needs no network, no connection and no credentials.

    \b
    Example:
      syncline validate specs/examples/acme.yaml

    Exit codes: 0 no error (notes and warnings may be told), 2 usage, 3 a spec is wrong.
    """
    if json_ and form not in (None, "json"):
        raise click.UsageError("--json and --format say different things")
    from syncline.run.installed import installed_plugins

    plugins = installed_plugins()
    for problem in plugins.problems:
        say_lines(f"plugin: {problem}", err=True)
    plugged = Plugged(connectors=plugins.connectors, filters=plugins.filters, bundles=plugins.bundles)
    ask = (lambda path, spec: read_live(path, spec, state)) if live else None
    validated = validate_files(specs, plugged, environ=os.environ, live=ask)
    text = show(validated, "json" if json_ else form or "text")
    if text:
        lines = not json_ and form in (None, "text", "github")
        click.echo(printable(text) if lines else printable_json(text))
    ctx.exit(Exit.DONE if validated.ok else Exit.SPEC)
