"""The command line: one verb a module, loaded when it is asked for."""

from __future__ import annotations

import atexit
import gc
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from syncline import __version__
from syncline.cli.exits import Exit
from syncline.errors import SynclineError

#: Every verb, in the order of its use, with the line that the overview shows.
VERBS = {
    "demo": "The whole story on sandboxes, in one command.",
    "validate": "Check specs: schema, connectors, and the live fields.",
    "describe": "Tell per module and field what is kept in step, and why.",
    "connect": "Sign in to a spec's systems and choose the organisation.",
    "connections": "List the connections of a state.",
    "reset": "Read everything again, or cut a connection; links are kept.",
    "discover": "Show a system's remote modules and fields.",
    "plan": "Show what a pass would do, and write it to a file.",
    "apply": "Do what a plan says, or refuse if anything has changed.",
    "sync": "Bring both systems in step now.",
    "push": "Bring one record in step now.",
    "reconcile": "Compare both ledgers to the cent, and list what differs.",
    "event": "Take in what a webhook delivered.",
    "status": "Totals, and what waits for whom.",
    "conflicts": "What a person must decide, and deciding it.",
    "log": "The audit log: who did what, when and why.",
    "explain": "The whole story of one record.",
    "sandbox": "Run the systems' loopback sandboxes.",
    "conformance": "Test a connector against its sandbox, promise by promise.",
    "doctor": "Find what is wrong with this installation.",
}

#: When to look for objects that hold each other. Records come and go by the thousand and never do; looking
#: after every 700 of them, as Python would, is a fifth of a pass.
GARBAGE = (200_000, 20, 100)


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"syncline.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="syncline")
def cli() -> None:
    """Keep business records the same in two systems that both get edited.

    Exit codes: 0 done, 1 something failed, 2 usage, 3 the spec is wrong, 4 a person must decide,
    5 stopped by a safety limit.
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line and leave with its exit code; an expected error is a sentence, never a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(*GARBAGE)
    # The process ends: what it holds goes with it, and need not be searched for cycles once more.
    atexit.register(gc.freeze)
    try:
        code = cli.main(args=list(argv) if argv is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except click.Abort as abort:
        # Click turns an interrupt into this one, and tells nobody.
        if isinstance(abort.__cause__, KeyboardInterrupt):
            click.echo(_INTERRUPTED, err=True)
        sys.exit(Exit.FAILED)
    except SynclineError as error:
        sys.exit(_tell(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.DONE)
    except KeyboardInterrupt:
        click.echo(_INTERRUPTED, err=True)
        sys.exit(Exit.FAILED)
    except Exception as error:
        sys.exit(_report(error))
    sys.exit(code if isinstance(code, int) else Exit.DONE)


_INTERRUPTED = "interrupted; what was sent is in the journal, and the next pass finishes it"


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a verb as Ctrl-C does: the lease is given back, the next pass settles what was sent."""
    raise KeyboardInterrupt


def _tell(error: SynclineError) -> Exit:
    from syncline.cli.common import say_lines
    from syncline.spec.problems import SpecError

    if isinstance(error, SpecError):
        say_lines(error.shown or f"error: {error}", err=True)
        return Exit.SPEC
    say_lines(f"error: {error}", err=True)
    return Exit.FAILED


def _report(error: Exception) -> Exit:
    """A fault of ours, as it may be sent to those who mend it: the interpreter would print it unmasked."""
    import traceback

    from syncline.cli.common import say_lines

    say_lines("".join(traceback.format_exception(error)).rstrip(), err=True)
    say_lines(
        "error: this is a fault of Syncline, not of yours; the state is as the last transaction left it\n"
        "  fix: report the lines above (secrets are masked in them; look for names you would not show)",
        err=True,
    )
    return Exit.FAILED
