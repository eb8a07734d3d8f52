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
    from syncline.connect.secrets import redact

    click.echo(redact(exactjson.encode(value)))


def say(text: str, *, err: bool = False) -> None:
    """Print for people, secrets masked."""
    from syncline.connect.secrets import redact

    click.echo(redact(text), err=err)


def progress(text: str) -> None:
    """One line about what is going on, beside the result and only for people who watch."""
    if sys.stderr.isatty():
        say(text, err=True)
