"""The story: seven steps, each of which shows something and proves it, or fails."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncline.demo.check import Checker, Comparison
from syncline.demo.edits import Edit
from syncline.demo.stage import Stage
from syncline.errors import SynclineError
from syncline.run.scope import local_day

Say = Callable[[str], None]


class DemoFailed(SynclineError):
    """Something that the demonstration promises did not hold."""


class Play:
    """One performance. ``say`` gets each line for the audience; ``facts`` gathers the figures."""

    def __init__(self, stage: Stage, story: Mapping[str, Any], say: Say) -> None:
        self._stage = stage
        self._story = story
        self._say = say
        self._spec = str(stage.spec)
        self.facts: dict[str, Any] = {}
        self._checker = Checker(story, stage.read, local_day(datetime.now(UTC), "Australia/Sydney"))
        self._started = time.monotonic()

    def perform(self) -> None:
        for number, (title, step) in enumerate(
            (
                ("Two systems with the books of one small business", self._open),
                ("Connecting both by OAuth 2.0", self._connect),
                ("The plan, and its application", self._plan_and_apply),
                ("Looking at both sides without the engine", self._compare),
                ("People edit both sides", self._edits),
                ("The process is killed in the middle of writing", self._crash),
                ("What is left behind", self._leave),
            ),
            1,
        ):
            self._say(f"\n{number}. {title}")
            step()
        self.facts["seconds"] = round(time.monotonic() - self._started, 1)

    # --- the steps -------------------------------------------------------------------------------

    def _open(self) -> None:
        self._stage.open_sandboxes("demo")
        counts: dict[str, dict[str, int]] = {}
        for module in self._story["check"].values():
            for system, end in module.items():
                found = len(self._stage.read(system, end["module"]))
                counts.setdefault(system, {})[end["module"]] = found
        for system, found_in in counts.items():
            facts = self._stage.told["systems"][self._stage.connectors[system]]
            told = ", ".join(f"{count} {module}" for module, count in found_in.items())
            self._tell(
                f"{system}: a sandbox of {self._stage.connectors[system]} at {facts['base_url']} with {told}"
            )
        self._tell("names are spelled differently, some are shared by two companies, some have no e-mail")
        self.facts["records"] = counts

    def _connect(self) -> None:
        for system in self._stage.connectors:
            self._tell(self._stage.connect(system))
        self._prove("the tokens are stored encrypted", self._tokens_hidden())

    def _tokens_hidden(self) -> bool:
        state = (self._stage.folder / ".syncline" / "state.db").read_bytes()
        key = self._stage.folder / ".syncline" / "key"
        return b"access_token" not in state and key.stat().st_mode & 0o077 == 0

    def _plan_and_apply(self) -> None:
        checked = self._stage.run("validate", self._spec)
        errors = [p for p in checked["problems"] if p["severity"] == "error"]
        self._prove(f"the spec is valid ({checked['files']} file)", not errors)
        file = self._stage.folder / "first.plan"
        plan = self._stage.run("plan", self._spec, "--out", str(file))
        for name, module in plan["modules"].items():
            kinds: dict[str, int] = {}
            for operation in module["operations"]:
                what = f"{operation['kind']} in {operation['system']}"
                kinds[what] = kinds.get(what, 0) + 1
            parts = [
                f"{len(module['links'])} links",
                *(f"{n} to {what}" for what, n in sorted(kinds.items())),
            ]
            if module["questions"]:
                parts.append(f"{len(module['questions'])} for a person to decide")
            self._tell(f"plan for {name}: {', '.join(parts)}")
        applied = self._stage.run("apply", str(file), expect=(0, 4))
        self._tell(f"applied: {_calls(applied)}")
        self._prove("the pass did what the plan said", _as_planned(plan, applied))
        self.facts["first pass"] = applied

    def _compare(self) -> None:
        left_out = self._undecided()
        self._tell(
            f"{len(left_out)} namesakes and their invoices are left to a person: no duplicate was made"
        )
        self._all_agree(left_out)
        again = self._stage.run("sync", self._spec, expect=(0, 4))
        self._prove("a second pass writes nothing", _writes(again) == 0)

    def _edits(self) -> None:
        stories = [Edit(self._stage, self._checker, told) for told in self._story["edits"]]
        for edit in stories:
            edit.act()
        done = self._stage.run("sync", self._spec, expect=(0, 1, 4))
        self._tell(f"one pass: {_calls(done)}")
        for edit in stories:
            self._say(f"   - {edit.told['say']}:")
            self._prove(edit.told["expect"], edit.holds())
            for line in edit.why():
                self._tell(f"    {line}")
        self.facts["edits"] = done
        self.facts["example"] = stories[0].record()

    def _crash(self) -> None:
        told = self._story["crash"]
        create, module = told["create"], told["module"]
        names = []
        for number in range(create["count"]):
            values = {key: str(text).format(n=number) for key, text in create["values"].items()}
            names.append(next(iter(values.values())))
            self._stage.act(create["system"], "create", create["module"], None, values)
        target, method = told["hold"]["system"], told["hold"]["method"]
        before = self._stage.requests(target, method)
        self._stage.arm(target, kind="hold", method=method, delay_s=8, skip=0, times=1)
        process = self._stage.start("sync", self._spec)
        deadline = time.monotonic() + 40
        while self._stage.requests(target, method) == before:
            if time.monotonic() > deadline or process.poll() is not None:
                raise DemoFailed("the pass did not come to write")
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._stage.clear_faults()
        made = self._known(module, target, names)
        self._tell(f"{len(names)} new customers; the process was killed when {len(made)} of them had reached")
        self._tell(f"{target} and the answer was still on its way")
        self._prove("the process died in the middle", 0 < len(made) < len(names))
        done = self._stage.run("sync", self._spec, expect=(0, 1, 4))
        self._tell(f"the next pass: {_calls(done)}")
        made = self._known(module, target, names)
        self._prove("every customer is there, and none twice", sorted(made) == sorted(names))
        self._all_agree(self._undecided())
        self.facts["crash"] = done

    def _leave(self) -> None:
        folder = self._stage.folder
        for line in (
            f"cd {folder}",
            "sh sandboxes.sh &          # the two systems again, with their data",
            ". ./environment.sh         # their addresses, for the spec",
            "syncline status acme.yaml",
            "syncline log acme.yaml --limit 20",
            f"syncline explain acme.yaml accounts {self.facts['example']}",
            "syncline sync acme.yaml",
        ):
            self._tell(line)

    # --- proofs ----------------------------------------------------------------------------------

    def _all_agree(self, left_out: set[str]) -> None:
        for module in self._story["check"]:
            result = self._checker.compare(module, left_out)
            what = f"{module}: {result.equal} records agree in {len(result.columns)} values, none twice"
            self._prove(what, result.agrees, _first_difference(result))

    def _undecided(self) -> set[str]:
        """The records that the engine says it has not decided: those of its questions, what waits for them,
        and those that a remote refused."""
        status = self._stage.run("status", self._spec, expect=(0, 1, 4))
        found: set[str] = set()
        for name, module in status["modules"].items():
            for state in module["resting"].keys() & {"ambiguous", "waiting", "failed"}:
                listed = self._stage.run(
                    *("status", self._spec, "--list", state, "--module", name, "--limit", "10000"),
                    expect=(0, 1, 4),
                )
                for record in listed["records"]:
                    found |= {str(end["id"]) for end in record["records"].values()}
        return found

    def _known(self, module: str, system: str, names: list[str]) -> list[str]:
        end = self._story["check"][module][system]
        wanted = set(names)
        column = next(iter(end["values"]))
        rows = self._checker.rows(module, system, (column,))
        return [row[0] for row in rows.values() if row[0] in wanted]

    def _prove(self, what: str, holds: bool, otherwise: str = "") -> None:
        self._say(f"   {'ok  ' if holds else 'FAILED'} {what}")
        if not holds:
            raise DemoFailed(f"not so: {what}" + (f" ({otherwise})" if otherwise else ""))

    def _tell(self, text: str) -> None:
        self._say(f"     {text}")


def _calls(outcome: Mapping[str, Any]) -> str:
    parts = []
    for name, module in outcome["modules"].items():
        done = [f"{module['linked']} linked"] if module["linked"] else []
        for verb in ("created", "updated"):
            done += [f"{n} {verb} in {system}" for system, n in module[verb].items() if n]
        done += [
            f"{module[word]} {word}"
            for word in ("conflicts", "ambiguous", "waiting", "failed")
            if module[word]
        ]
        if done:
            parts.append(f"{name}: {', '.join(done)}")
    calls = ", ".join(
        f"{n['read'] + n['write']} calls to {system}" for system, n in outcome["requests"].items()
    )
    return f"{'; '.join(parts) or 'nothing to do'} ({calls})"


def _as_planned(plan: Mapping[str, Any], applied: Mapping[str, Any]) -> bool:
    """Whether every link and create of the plan was made, and no other."""
    for name, module in plan["modules"].items():
        done = applied["modules"][name]
        for system in module["systems"]:
            planned = [op for op in module["operations"] if (op["kind"], op["system"]) == ("create", system)]
            if len(planned) != done["created"][system]:
                return False
        if len(module["links"]) != done["linked"]:
            return False
    return True


def _writes(outcome: Mapping[str, Any]) -> int:
    return sum(calls["write"] for calls in outcome["requests"].values())


def _first_difference(result: Comparison) -> str:
    for system, rows in result.only.items():
        for record, row in rows[:1]:
            return f"only {system} has {record}: {dict(zip(result.columns, row, strict=True))}"
    return ""


def play(folder: Path, say: Say) -> dict[str, Any]:
    """Perform the whole story in a folder; returns its figures. Raises DemoFailed where it does not hold."""
    with Stage(folder) as stage:
        performance = Play(stage, stage.prepare(), say)
        performance.perform()
        return performance.facts
