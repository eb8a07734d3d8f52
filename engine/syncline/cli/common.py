"""What the verbs share: the options of a spec and its state, and how results are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from syncline.run.workspace import Workspace

_F = TypeVar("_F", bound=Callable[..., Any])

spec_argument = click.argument("spec", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
state_option = click.option(
    "--state", metavar="URL", help="Where the state is kept (default: SYNCLINE_STATE, or beside the spec)."
)


def spec_options(function: _F) -> _F:
    """The argument and options of every verb that works on one spec."""
    return spec_argument(state_option(json_option(function)))


def workspace(spec: Path, state: str | None) -> Workspace:
    """The spec at work; use as a context."""
    from syncline.connect.secrets import quiet_libraries
    from syncline.run.workspace import Workspace

    quiet_libraries()
    return Workspace(spec, state, os.environ)


def print_json(value: Any) -> None:
    from syncline import exactjson
    from syncline.connect.secrets import redact_values
    from syncline.printable import printable_json

    click.echo(printable_json(redact_values(exactjson.encode(value))))


def say(text: str, *, err: bool = False) -> None:
    """Print one line for people: secrets masked, and what would steer the terminal spelt out. Values from
    outside stand in it, and a line break among them must not forge a line of ours."""
    from syncline.connect.secrets import redact
    from syncline.printable import one_line

    click.echo(one_line(redact(text)), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """The same for a text of several lines, all of them ours."""
    from syncline.connect.secrets import redact
    from syncline.printable import printable

    click.echo(printable(redact(text)), err=err)


def progress(text: str) -> None:
    """One line about what is going on, beside the result and only for people who watch."""
    if sys.stderr.isatty():
        say(text, err=True)
