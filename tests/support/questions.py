"""A stage's questions to people, and its records by name."""

from __future__ import annotations

from typing import Any

from tests.support.stage import EXAMPLE, Stage

NAME = {"Accounts": "Account_Name", "Contacts": "Name"}


def asked(stage: Stage, *options: str) -> list[dict[str, Any]]:
    """The open questions; the exit code tells whether there are any."""
    done = stage.run("conflicts", "--json", *options)
    questions: list[dict[str, Any]] = done.json["questions"]
    assert done.code == (4 if done.json["open"] else 0), done.err
    return questions


def lost(stage: Stage) -> list[dict[str, Any]]:
    """The values that lost, newest first."""
    done = stage.run("conflicts", "--settled", "--json")
    assert done.code == 0, done.err
    settled: list[dict[str, Any]] = done.json["settled"]
    return settled


def decide(stage: Stage, number: str, *words: str, code: int = 0) -> dict[str, Any]:
    """One decision; what it printed."""
    done = stage.run("conflicts", number, *words, "--json")
    assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
    told: dict[str, Any] = done.json
    return told


def live(stage: Stage, system: str, module: str) -> list[dict[str, Any]]:
    """The records that are there: not archived, not deleted."""
    return [
        record
        for record in stage.systems[system].records(module)
        if record.get("$state", "live") == "live" and record.get("ContactStatus", "ACTIVE") == "ACTIVE"
    ]


def named(stage: Stage, system: str, module: str, name: str) -> dict[str, Any]:
    """The one live record of this name."""
    (found,) = [r for r in live(stage, system, module) if r[NAME[module]].casefold() == name.casefold()]
    return found


def phone(contact: dict[str, Any]) -> str | None:
    """The default phone of a contact."""
    numbers = (p["PhoneNumber"] for p in contact.get("Phones", ()) if p["PhoneType"] == "DEFAULT")
    return next(numbers, None) or None


def phones(number: str) -> list[dict[str, str]]:
    """A contact's phones with this default one."""
    return [{"PhoneType": "DEFAULT", "PhoneNumber": number}]


def with_more(addition: str) -> str:
    """The example's spec with something of its own at the end."""
    return f"{EXAMPLE.read_text(encoding='utf-8')}\n{addition}"
