"""Canaries: tokens and client secrets, echoed by a remote in every way it can, are written nowhere.

Looked through: what every verb prints, every log record down to DEBUG, tracebacks, plan files, and each byte
of every file that is left behind, names of files included. People's data are looked for in the log.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from tests.security.conftest import tampering
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.sandbox import Reply, Request
from syncline.connect.secrets import RedactingFilter, redact, register
from syncline.connect.waiting import Waiting

PERSON = "Wilhelmina Canary-Person"
_NAMES = ("access_token", "refresh_token", "client_secret", "code", "code_verifier")


class Watch:
    """A stage whose every secret is known, and everything that was printed or logged on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.secrets: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []

    def learn(self, request: Request, reply: Reply) -> None:
        """The secrets of a sign-in, as the remote sees them go by."""
        form = request.form() if b"grant_type" in request.body else {}
        found: dict[str, Any] = dict(form)
        if "token" in request.path and reply.body.startswith(b"{"):
            found |= json.loads(reply.body)
        for name in _NAMES:
            if isinstance(found.get(name), str):
                self.secrets[f"{name} {len(self.secrets)}"] = found[name]
        for word in request.headers.get("authorization", "").split()[1:]:
            self.secrets.setdefault(f"authorization {word[:8]}", word)

    def run(self, verb: str, *arguments: str) -> Done:
        done = self.stage.run(verb, *arguments)
        self.said.append((f"{verb} {arguments}", done.out + done.err))
        return done

    def assert_kept(self) -> None:
        files = [path for path in self.stage.folder.rglob("*") if path.is_file()]
        assert any(path.name == "state.db" for path in files)
        assert len(self.secrets) > 8
        everything = [(what, text.encode()) for what, text in self.said]
        everything += [(f"the file {path.name}", path.read_bytes()) for path in files]
        everything += [("the name of a file", str(path).encode()) for path in files]
        for name, secret in self.secrets.items():
            for what, content in everything:
                assert secret.encode() not in content, f"{name} is in {what}"


@contextmanager
def _listening(said: list[tuple[str, str]]) -> Iterator[None]:
    """Every log record as its text, masked only where the product masks it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        said.append(("the log", stream.getvalue()))


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(tmp_path))
        made = Watch(stage)
        environ = stage.environ()
        for name in ("XERO_CLIENT_SECRET", "ZOHO_CRM_CLIENT_SECRET"):
            made.secrets[name] = environ[name]
        # No waiting between the tries of what fails.
        stack.enter_context(mock.patch.object(Waiting, "jittered", return_value=0.0))
        stack.enter_context(_listening(made.said))

        def learn(request: Request, honest: Callable[[], Reply]) -> Reply:
            reply = honest()
            made.learn(request, reply)
            return reply

        for system in stage.systems.values():
            stack.enter_context(tampering(system, learn))
        stage.connect()
        yield made
    log = [text for what, text in made.said if what == "the log"]
    assert "GET /" in log[0]
    assert [name for name, value in {**made.secrets, "a person": PERSON}.items() if value in log[0]] == []


def _words(request: Request) -> str:
    headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"refused {headers} {request.body.decode(errors='replace')}"


def _error(words: str) -> dict[str, Any]:
    """An error in the forms of every remote at once."""
    named = ("Message", "Detail", "Title", "error", "error_description", "message", "code")
    return {
        **dict.fromkeys(named, words),
        "Type": "ValidationException",
        "ErrorNumber": 10,
        "details": dict.fromkeys(("api_name", "param_name", "json_path", "column_name"), words),
        "Elements": [{"ValidationErrors": [{"Message": words}], "StatusAttributeString": "ERROR"}],
        "data": [
            {"status": "error", "code": "INVALID_DATA", "message": words, "details": {"api_name": words}}
        ],
    }


def _json(status: int) -> Callable[[Request], Reply]:
    return lambda request: Reply.json(_error(_words(request)), status)


ECHOES: dict[str, Callable[[Request], Reply]] = {
    "an error of 400": _json(400),
    "an error of 403": _json(403),
    "an error of 404": _json(404),
    "an error of 500": _json(500),
    "a sign-in error": _json(401),
    "an accepted error": _json(200),
    "a page": lambda r: Reply(500, f"<p>{_words(r)}</p>".encode(), {"Content-Type": "text/html"}),
    "a text": lambda r: Reply.text(_words(r), 400),
    "what is not JSON": lambda r: Reply(200, _words(r).encode(), {"Content-Type": "application/json"}),
    "the type of a content": lambda r: Reply(
        200, b"no", {"Content-Type": f"text/{r.headers.get('authorization', '')}"}
    ),
    "a redirect": lambda r: Reply.redirect(f"http://127.0.0.1:9/?token={r.headers.get('authorization', '')}"),
    "a header": lambda r: Reply(
        500, b"", dict.fromkeys(("X-Request-Id", "Xero-Correlation-Id", "Retry-After"),
                                r.headers.get("authorization", "")),
    ),
    "a limit": lambda r: Reply(
        429, b"", {"X-Rate-Limit-Problem": f"day {r.headers.get('authorization', '')}", "Retry-After": "x"}
    ),
}  # fmt: skip


def test_what_a_remote_echoes_is_written_nowhere(watch: Watch, tally: Tally) -> None:
    stage = watch.stage
    stage.crm.act("create", "Accounts", None, {"Account_Name": PERSON, "Phone": "111"})
    stage.books.act("create", "Contacts", None, {"Name": PERSON + " of the Books"})
    for name, echo in ECHOES.items():
        tally("hostile inputs", 2)

        def answer(request: Request, honest: Callable[[], Reply], echo: Any = echo) -> Reply:
            honest()
            return echo(request) if "token" not in request.path else honest()

        with tampering(stage.crm, answer), tampering(stage.books, answer):
            done = watch.run("sync")
            assert done.code in (1, 4), f"{name}: {done}"
            if name in ("an error of 400", "a header"):
                watch.run("doctor")
                watch.run("discover", "crm")
                watch.run("validate", "--live")
                watch.run("plan", "--out", str(stage.folder / "acme.plan"))
        stage.later(timedelta(days=2))
    for verb in ("status", "log"):
        watch.run(verb)
        watch.run(verb, "--json")
    watch.assert_kept()


def _refuse_writes(request: Request, honest: Callable[[], Reply]) -> Reply:
    writing = request.method in ("POST", "PUT") and not re.search(r"token|coql|oauth", request.path)
    if not writing:
        return honest()
    return Reply.json(_error(_words(request)), 200 if "crm" in request.path else 400)


def test_the_reason_of_a_refused_record_is_kept_without_secrets(watch: Watch, tally: Tally) -> None:
    """These words are stored: in the journal, the audit log and with the record that rests."""
    stage = watch.stage
    record = stage.crm.act("create", "Accounts", None, {"Account_Name": PERSON, "Phone": "111"})["id"]
    stage.books.act("create", "Contacts", None, {"Name": "Harbour Bakery"})
    tally("hostile inputs", 2)
    with tampering(stage.books, _refuse_writes), tampering(stage.crm, _refuse_writes):
        watch.run("sync")
    rests = watch.run("status", "--list", "failed").out
    assert "refused" in rests
    assert "[hidden]" in rests
    watch.run("log")
    watch.run("log", "--json")
    watch.run("explain", "accounts", record)
    watch.run("explain", "accounts", record, "--json")
    watch.assert_kept()
    with sqlite3.connect(stage.folder / ".syncline" / "state.db") as db:
        kept = [row[0] for row in db.execute("SELECT message FROM operation WHERE message <> ''")]
    assert kept
    assert all("[hidden]" in message for message in kept)


def test_a_token_endpoint_that_echoes_what_it_was_given_tells_nobody(watch: Watch, tally: Tally) -> None:
    stage = watch.stage
    for status, code in ((400, "invalid_grant"), (400, "invalid_client"), (200, "access denied"), (500, "x")):
        tally("hostile inputs")

        def answer(request: Request, honest: Callable[[], Reply], said: Any = (status, code)) -> Reply:
            if "token" not in request.path:
                return honest()
            return Reply.json({"error": said[1], "error_description": _words(request)}, said[0])

        with tampering(stage.books, answer), tampering(stage.crm, answer):
            stage.later(timedelta(days=1))
            assert watch.run("sync").code == 1
            watch.run("doctor")
            watch.run("status")
            watch.run("connections", "--json")
        if code == "invalid_grant":
            stage.connect()
    watch.assert_kept()


def test_an_organisation_that_is_called_like_a_token_is_shown_without_it(watch: Watch, tally: Tally) -> None:
    stage = watch.stage

    def answer(request: Request, honest: Callable[[], Reply]) -> Reply:
        reply = honest()
        if "rganisation" not in request.path and "/org" not in request.path:
            return reply
        words = request.headers.get("authorization", "").split()[-1]
        body = re.sub(rb'("(?:Name|LegalName|company_name)":\s*")[^"]*', rb"\1" + words.encode(), reply.body)
        return Reply(reply.status, body, reply.headers)

    tally("hostile inputs")
    with tampering(stage.books, answer), tampering(stage.crm, answer):
        watch.run("doctor")
        watch.run("connections")
        watch.run("sync")
    watch.run("status", "--json")
    watch.assert_kept()


# --- what goes wrong in the product itself ------------------------------------------------------------------


def test_a_traceback_is_printed_without_secrets(watch: Watch, tally: Tally) -> None:
    """An error that nobody expected ends in a traceback for those who mend it."""
    token = next(value for name, value in watch.secrets.items() if name.startswith("access_token"))

    def fail(*_: Any) -> None:
        try:
            raise KeyError({"Authorization": f"Bearer {token}"})
        except KeyError as error:
            raise RuntimeError(f"could not send {token}\x1b[2J") from error

    tally("hostile inputs")
    watch.stage.faultless = False
    with mock.patch("syncline.run.sync.run_pass", fail):
        done = watch.run("sync")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "RuntimeError: could not send [hidden]" in done.err
    assert "\x1b" not in done.err
    assert "report the lines above" in done.err
    watch.assert_kept()


def test_an_error_in_a_thread_of_a_pass_is_told_without_secrets(watch: Watch, tally: Tally) -> None:
    token = next(value for name, value in watch.secrets.items() if name.startswith("access_token"))

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(f"unreadable: {token}")

    tally("hostile inputs")
    watch.stage.faultless = False
    with mock.patch("syncline.run.passes.read_end", fail):
        done = watch.run("sync")
    assert done.code == 1
    watch.assert_kept()


def test_a_log_handler_of_a_host_application_gets_masked_records() -> None:
    """Whoever embeds the engine attaches handlers of their own: the engine's records arrive masked there."""
    register("canary-of-a-token-0123456789")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("somebody.elses")
    logger.addHandler(handler)
    try:
        raise ValueError("canary-of-a-token-0123456789")
    except ValueError:
        logger.exception("with %s", "canary-of-a-token-0123456789", stack_info=True)
    finally:
        logger.removeHandler(handler)
    assert "canary-of-a-token" not in stream.getvalue()
    assert "Traceback" in stream.getvalue()


@pytest.mark.parametrize("form", [
    "{}", '{{"a": "{}"}}', "Bearer {}", "https://x/?access_token={}", "<p>{}</p>", "b'{}'", "{}{}",
])  # fmt: skip
@pytest.mark.parametrize(
    "secret", ["abcDEF-123_.~xyz", 'pa"ss/w+rd&<secret>=', "ключ-от-сейфа", "a b%20c\\d\te"]
)
def test_a_secret_is_recognised_however_it_was_quoted(form: str, secret: str, tally: Tally) -> None:
    import html
    from urllib.parse import quote, quote_plus

    register(secret)
    for quoted in (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        html.escape(secret),
        html.escape(secret, quote=False),
    ):
        tally("hostile inputs")
        assert quoted not in redact(form.format(quoted, quoted))


def test_json_stays_json_when_a_field_is_called_like_a_secret(tmp_path: Path, tally: Tally) -> None:
    """Masking by name is for words; a client's field may well be called ``token``."""
    from click.testing import CliRunner

    from syncline.cli.common import print_json

    register("canary-of-a-token-0123456789")
    told = {
        "token": "of the parking",
        "secret": {"a": 1},
        "password": None,
        "note": "canary-of-a-token-0123456789",
    }
    tally("hostile inputs")
    import click

    @click.command()
    def show() -> None:
        print_json(told)

    out = CliRunner().invoke(show).output
    assert json.loads(out) == told | {"note": "[hidden]"}


# --- process arguments ------------------------------------------------------------------------------------


def test_a_grant_token_need_not_stand_in_the_command_line(tmp_path: Path, tally: Tally) -> None:
    tally("hostile inputs")
    with Stage(tmp_path) as stage:
        token = str(stage.crm.sandbox.credentials()["grant_token"])
        with mock.patch("click.prompt", return_value=token) as asked:
            done = stage.run("connect", "crm", "--grant-token", "-")
        assert done.code == 0, done.err
        assert asked.call_args.kwargs["hide_input"] is True
        assert token not in done.out + done.err


def test_the_address_that_a_browser_is_given_holds_no_secret(tmp_path: Path, tally: Tally) -> None:
    """It stands in the command line of the browser, for every user of the machine to see."""
    tally("hostile inputs")
    with Stage(tmp_path) as stage, mock.patch("click.launch", return_value=1):
        with mock.patch("syncline.connect.callback.CallbackListener.wait", side_effect=KeyboardInterrupt):
            done = stage.run("connect", "books")
        address = done.out.splitlines()[0]
        assert address.startswith(stage.books.server.base_url)
        assert stage.environ()["XERO_CLIENT_SECRET"] not in address
        assert "code_challenge_method=S256" in address
        assert "code_verifier" not in address
    assert "XERO_CLIENT_SECRET" not in os.environ
