"""The crash matrix: one pass of a step, ended at every point where it can be ended, and what must hold then.

A *point* is a moment of a pass: ``request`` N of a kind has been processed by its remote and not answered
(the process is killed, or the answer is dropped while it lives, or the request is held back until after the
kill), or ``commit`` N at a site of the engine is about to be made or has just been made.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.crash.theatre import Snapshot, Theatre, named

from syncline.connect.sandbox import Reply, Request
from syncline.connect.sandbox.faults import Fault, FaultKind

Label = tuple[str, str, str]  # system, method, path with {id} in the place of a record's id
_ID = re.compile(r"(?<=/)(?:\d{15,}[.\d]*|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)")

#: How each kind of point is called in reports and tallies.
KINDS = {
    "unanswered": "kills between a request's processing and its reply",
    "lost": "replies lost while the process lives",
    "late": "kills before a remote got round to a write",
    "before": "kills before a commit",
    "after": "kills after a commit",
}
#: The schedule of the example.
EVERY = timedelta(minutes=3)


@dataclass(frozen=True)
class Point:
    """``what``: the request (:data:`Label`) or the site of the commit; ``number``: which of them, from 1."""

    kind: str
    what: Any
    number: int

    def __str__(self) -> str:
        what = " ".join(self.what) if isinstance(self.what, tuple) else self.what
        return f"{self.kind} {what} #{self.number}"


@dataclass(frozen=True)
class Truth:
    """One step as it goes undisturbed: where it starts, its points, and what it comes to."""

    step: str
    start: Snapshot
    before: Mapping[str, Any]
    requests: Sequence[tuple[Label, int]]
    commits: Sequence[tuple[str, int]]
    holdings: Mapping[str, Any]
    memory: Mapping[str, Any]
    story: Counter[str]


def play(theatre: Theatre, step: str) -> Truth:
    """The step's pass as a real process, undisturbed, and a second one; leaves the stage at their end."""
    theatre.later(
        timedelta(seconds=10)
    )  # a workflow of the organisation edits what people wrote, a second later
    start = theatre.snapshot()
    before = theatre.holdings({})
    asked: list[Label] = []
    listen(theatre, lambda label, request: asked.append(label))
    commits = theatre.folder / f"commits-{step}"
    child = theatre.start("sync", commits=str(commits))
    assert child.wait() in (0, 1, 4), child.said
    numbered = list(_numbered(asked))
    for _ in range(theatre.scenario.carried - 1):
        theatre.pass_()
    theatre.assert_idle()
    names = theatre.names()
    return Truth(
        step=step,
        start=start,
        before=before,
        requests=numbered,
        commits=list(_numbered(commits.read_text(encoding="utf-8").splitlines())),
        holdings=theatre.holdings(names),
        memory=theatre.memory(names),
        story=story(theatre, names),
    )


def points(truth: Truth, kind: str) -> list[Point]:
    """Every point of a kind in a step."""
    if kind in ("before", "after"):
        return [Point(kind, site, number) for site, number in truth.commits]
    wanted = [(la, n) for la, n in truth.requests if kind != "late" or _writes(la)]
    return [Point(kind, label, number) for label, number in wanted]


def share(truth: Truth, kind: str, steps: Sequence[Truth]) -> list[Point]:
    """One point of a kind for each request and each site, in one of the steps that have it: always the same
    ones. Those that fall to this step."""
    chance = random.Random(f"{truth.step} {kind}")
    having = {step.step: {point.what for point in points(step, kind)} for step in steps}
    chosen = []
    for what in sorted(having[truth.step], key=str):
        where = [step for step, whats in having.items() if what in whats]
        if where[zlib.crc32(f"{kind} {what}".encode()) % len(where)] == truth.step:
            chosen.append(chance.choice([point for point in points(truth, kind) if point.what == what]))
    return chosen


def matters(point: Point) -> bool:
    """What a short run tries: writes to the systems, and commits around them."""
    if isinstance(point.what, tuple):
        return _tells(point.what)
    return any(room in point.what for room in ("run/writing", "run/settling", "run/recovering"))


def distinct(chosen: Sequence[Point]) -> list[Point]:
    """Of the points of a kind those that leave something of their own.

    A dead process leaves what its commits have made and what the remotes have processed. Right before a
    commit that is what the event before it left; a request that only reads has left nothing. Of the commits
    that count calls and hold leases, by which no record is decided on, every tenth stays.
    """
    counting = [point for point in chosen if str(point.what).startswith("store/")]
    kept = {*counting[::10], *(point for point in chosen if point not in counting)}
    return [
        point
        for point in chosen
        if point in kept and point.kind != "before" and (point.kind == "after" or _tells(point.what))
    ]


def _tells(label: Label) -> bool:
    """Whether a request may change something at a remote."""
    return label[1] != "GET" and "coql" not in label[2]


def crash(theatre: Theatre, truth: Truth, point: Point) -> bool:
    """Play the step again up to a point, end the process there, and let passes follow until all is well.

    False when the point did not come up this time, and the pass ended undisturbed: a remote that stamps whole
    seconds is looked at once more or not, as the seconds fall, so that no two runs have all calls in common.
    """
    theatre.restore(truth.start)
    if point.kind in ("before", "after"):
        child = theatre.start("sync", die=(point.what, point.number, point.kind))
        code = child.wait()
        assert code in (-signal.SIGKILL, 0, 1, 4), f"{point}: exit {code}\n{child.said}"
        reached = code == -signal.SIGKILL
    elif point.kind == "unanswered":
        reached = _kill_unanswered(theatre, point)
    elif point.kind == "lost":
        reached = _lose(theatre, point)
    else:
        reached = _kill_late(theatre, point)
    recover_and_check(theatre, truth, str(point))
    return reached


def recover_and_check(theatre: Theatre, truth: Truth, where: str, *, later: timedelta = EVERY) -> None:
    """The next pass of the schedule sets everything right, and the one after it has nothing to do.

    Where changes are handed on from system to system, it takes the next ones."""
    theatre.later(later)
    for _ in range(theatre.scenario.carried):
        theatre.pass_()
    theatre.forget_requests()
    theatre.pass_()
    assert theatre.writes() == 0, f"{where}: the pass after the next wrote again\n{_requests(theatre)}"
    names = theatre.names()
    _same(where, truth.holdings, theatre.holdings(names))
    assert theatre.open_entries() == [], where
    _same(where, truth.memory, theatre.memory(names))
    _same(
        where, {"audit": sorted(truth.story.elements())}, {"audit": sorted(story(theatre, names).elements())}
    )
    assert theatre.passes()["running"] == 0, f"{where}: a dead pass is said to be running"


# --- ends ----------------------------------------------------------------------------------------


def _kill_unanswered(theatre: Theatre, point: Point) -> bool:
    seen: Counter[Label] = Counter()
    started, killed = threading.Event(), threading.Event()

    def kill(label: Label, request: Request) -> None:
        seen[label] += 1
        if (label, seen[label]) == (point.what, point.number):
            started.wait(10)
            os.kill(child.pid, signal.SIGKILL)
            killed.set()

    listen(theatre, kill)
    child = theatre.start("sync")
    started.set()
    code = child.wait()
    assert code in ((-signal.SIGKILL,) if killed.is_set() else (0, 1, 4)), (
        f"{point}: exit {code}\n{child.said}"
    )
    return killed.is_set()


def _lose(theatre: Theatre, point: Point) -> bool:
    system, method, path = point.what
    pattern = re.escape(path).replace(re.escape("{id}"), "[^/]+") + "$"
    fault = Fault(kind=FaultKind.LOSE, method=method, path=pattern, skip=point.number - 1)
    theatre.systems[system].sandbox.faults.arm(fault)
    child = theatre.start("sync")
    assert child.wait() in (0, 1, 4), child.said
    faults = theatre.systems[system].sandbox.faults
    reached = not faults.armed()
    faults.clear()
    return reached


def _kill_late(theatre: Theatre, point: Point) -> bool:
    """The process dies with its request on the way, another pass is made, and only then the remote carries
    the request out."""
    system = point.what[0]
    server = theatre.systems[system].server
    process = server._process
    arrived, go_on, carried_out = threading.Event(), threading.Event(), threading.Event()
    seen = Counter[str]()
    lock = threading.Lock()

    def hold(request: Request, fault: Fault | None) -> Reply:
        with lock:
            label = (system, request.method, _ID.sub("{id}", request.path))
            seen["requests"] += label == point.what
            held = label == point.what and seen["requests"] == point.number and not arrived.is_set()
        if not held:
            return process(request, fault)
        arrived.set()
        go_on.wait(30)
        try:
            return process(request, fault)
        finally:
            carried_out.set()

    server._process = hold  # type: ignore[method-assign]
    try:
        child = theatre.start("sync")
        while not arrived.wait(0.01):
            if child.poll() is not None:
                return False
        child.kill()
        child.wait()
        theatre.pass_()
        go_on.set()
        assert carried_out.wait(30)
        return True
    finally:
        go_on.set()
        server._process = process  # type: ignore[method-assign]


# --- small things --------------------------------------------------------------------------------


def listen(theatre: Theatre, heard: Any) -> None:
    for name, system in theatre.systems.items():

        def listener(template: str, request: Request, reply: Reply, name: str = name) -> None:
            heard((name, request.method, _ID.sub("{id}", request.path)), request)

        system.server.listeners.append(listener)


def _numbered(names: Iterable[Any]) -> Iterable[tuple[Any, int]]:
    counts: Counter[Any] = Counter()
    for name in names:
        counts[name] += 1
        yield name, counts[name]


def _writes(label: Label) -> bool:
    _, method, path = label
    return method != "GET" and not any(word in path for word in ("oauth", "token", "coql"))


def story(theatre: Theatre, names: Mapping[str, str]) -> Counter[str]:
    """What the audit log says was done to records of either system: a text for each field, or for each row
    that is about none, without ids. What was broken off in the middle is told in two rows."""
    told: Counter[str] = Counter()
    for row in theatre.audit():
        if row["event"] == "drift":
            continue  # nothing was done: it is told when it is seen, and passes as payments arrive
        fields = row["detail"].get("fields", {})
        said = [[name, _as_sent(v.get("after")), v.get("lost")] for name, v in fields.items()]
        for why in said or [row["detail"].get("message", "")]:
            told[f"{row['event']} {row['system']} {named([row['record'], why], names)}"] += 1
    return told


def _as_sent(value: Any) -> Any:
    """Without what a remote adds to the taxes of a line: what is read back has it, what was sent has not."""
    if isinstance(value, list):
        return [_as_sent(item) for item in value]
    if isinstance(value, dict):
        return {k: _as_sent(v) for k, v in value.items() if k not in ("#", "id", "value")}
    return value


def _same(where: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for what, rows in wanted.items():
        missing = list((Counter(rows) - Counter(found[what])).elements())
        extra = list((Counter(found[what]) - Counter(rows)).elements())
        assert missing == extra == [], (
            f"{where}: {what} differs from the undisturbed run\nmissing:\n  "
            + "\n  ".join(missing)
            + "\ntoo much:\n  "
            + "\n  ".join(extra)
        )


def _requests(theatre: Theatre) -> str:
    return str({name: system.requests() for name, system in theatre.systems.items()})
