"""What is true of every fault: it is told in words that help, and afterwards nothing is lost or doubled."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.faults.calls import Call, state_of
from tests.support.stage import Done, Stage


def told_by(done: Done) -> str:
    """What a person is told: empty when there was nothing to tell. Every message has a next step."""
    assert "Traceback" not in done.out + done.err, done
    if done.code == 0:
        return "; ".join(done.json.get("warnings", ())) if done.out.startswith("{") else ""
    assert done.code == 1, done
    if done.out.strip():
        problems = done.json["problems"]
        assert problems, done
        for problem in problems.values():
            what, _, fix = problem.partition("; ")
            assert what, problem
            assert fix, problem
        return "; ".join(problems.values())
    assert re.search(r"^error: .+\n  fix: .+", done.err, re.MULTILINE), done
    return done.err


def in_step(stage: Stage, call: Call) -> bool:
    """Both ends hold the same, and nothing twice."""
    left, right = state_of(stage, call.module)
    names = [name for name, *_ in left]
    assert len(set(names)) == len(names), "a record exists twice"
    return left == right


def converge(stage: Stage, call: Call) -> None:
    """Once the fault has passed, two passes at most bring everything in step."""
    if call.verb[0] == "connect":
        assert stage.sign_in(call.system).code == 0
    for _ in range(2):
        stage.later(timedelta(minutes=5))
        done = stage.run("sync", "--json")
        if done.code == 0 and in_step(stage, call):
            return
    raise AssertionError(f"not in step: {done}")
