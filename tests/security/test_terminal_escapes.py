"""What a remote calls its records cannot steer the terminal that shows them, nor forge a line of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.effort import effort
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.cli.common import say, say_lines
from syncline.connect.contract import Organisation, Outcome, OutcomeKind
from syncline.connect.errors import RemoteError
from syncline.printable import one_line, printable, printable_json

#: What a terminal or a viewer must never get from a value: see :mod:`syncline.printable`.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

NAMES = {
    "a cleared screen": "Acme\x1b[2J\x1b[H",
    "a window title": "Acme\x1b]0;owned\x07",
    "a link to elsewhere": "\x1b]8;;https://evil.example\x1b\\Acme\x1b]8;;\x1b\\",
    "a clipboard": "Acme\x1b]52;c;cm0gLXJmIC8=\x07",
    "an eight-bit escape": "Acme\x9b2J\x9d0;owned\x9c",
    "a line of ours": "Acme\ndone: pass 1; no calls",
    "a line over ours": "Acme\rdone: pass 1; no calls\x1b[K",
    "deleted characters": "Acme\x08\x08\x08\x08Evil\x7f",
    "letters in another order": "Acme \u202etxt.exe\u202c \u2066x\u2069",
    "another kind of line": "Acme\u2028done\u2029\x85\x0b\x0c",
    "a bell": "Acme\x07",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_way_of_showing_a_text_from_outside_neutralises_it(name: str, tally: Tally) -> None:
    tally("hostile inputs")
    text = NAMES[name]
    assert not STEERING.search(printable(text))
    assert "\n" not in one_line(text)
    shown = printable_json(json.dumps({"name": text}, ensure_ascii=False))
    assert not STEERING.search(shown)
    assert json.loads(shown) == {"name": text}
    for words in (
        RemoteError(text, fix=text, correlation=text),
        Outcome(kind=OutcomeKind.REFUSED, message=text, code=text, warnings=(text,)),
        Organisation(id="1", name=text),
    ):
        assert not STEERING.search(str(words).replace("\n  fix: ", " "))
    assert "\n" not in Organisation(id="1", name=text).name


def test_what_is_said_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("customer Acme\nok: all is well\r\x1b[2J")
    assert capsys.readouterr().out == "customer Acme ok: all is well\\x0d\\x1b[2J\n"
    say_lines("ours\nours too\x1b")
    assert capsys.readouterr().out == "ours\nours too\\x1b\n"


def test_no_verb_passes_on_what_a_record_is_called(tmp_path: Path, tally: Tally) -> None:
    with Stage(tmp_path) as stage:
        stage.connect()
        made = {
            text: stage.crm.act("create", "Accounts", None, {"Account_Name": text, "Phone": "0"})["id"]
            for text in NAMES.values()
        }
        shown = [stage.run("plan", "--out", str(tmp_path / "acme.plan"))]
        plan = (tmp_path / "acme.plan").read_text(encoding="utf-8")
        shown.append(Done(0, plan, ""))
        assert not STEERING.search(plan)
        assert {op["label"] for op in json.loads(plan)["modules"]["accounts"]["operations"]} >= {
            text for text in NAMES.values() if text == text.strip()
        }
        stage.sync(code=None)
        for record in made.values():
            stage.crm.act("update", "Accounts", record, {"Phone": "1"})
        tally("hostile inputs", len(NAMES))
        for verb in ("status", "sync", "log"):
            shown.append(stage.run(verb))
        for record in list(made.values())[: effort(1, len(made))]:
            shown.append(stage.run("explain", "accounts", record))
        shown.append(stage.run("explain", "accounts", made[NAMES["a line of ours"]], "--json"))
        shown.append(stage.run("push", "accounts", made[NAMES["a line of ours"]]))
        for done in shown:
            assert not STEERING.search(done.out + done.err), repr(done)
            # The one line that a value tries to forge is told by the engine alone, at its beginning.
            forged = [line for line in (done.out + done.err).splitlines() if line == "done: pass 1; no calls"]
            assert forged == []
        events = [json.loads(line) for line in stage.run("log", "--json", "--limit", "500").out.splitlines()]
        assert {event["name"] for event in events} >= {NAMES["a bell"], NAMES["a window title"]}


def test_a_spec_and_its_errors_steer_nothing(tmp_path: Path, tally: Tally) -> None:
    """The line at fault is shown; and a file may be called anything."""
    spec = tmp_path / "ac\x1b[2Jme\u202e.yaml"
    spec.write_text('spec: 1\nname: "A\\e[2J"\nmodules:\n  "x\\e]0;y\\a\u202e": {between: \u202e}\n', "utf-8")
    with Stage(tmp_path) as stage:
        stage.spec = spec
        for arguments in ((), ("--json",), ("--format", "github"), ("--format", "sarif")):
            tally("hostile inputs")
            done = stage.run("validate", *arguments)
            assert done.code == 3
            assert not STEERING.search(done.out + done.err), repr(done)
        done = stage.run("plan")
        assert done.code == 3
        assert not STEERING.search(done.out + done.err), repr(done)
        done = stage.run("status", "--state", f"{tmp_path}/no\x1b[2J/such/state.db")
        assert not STEERING.search(done.out + done.err), repr(done)
