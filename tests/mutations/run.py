"""Break the engine on purpose, one protection at a time, and see that a named test notices.

Each ``*.toml`` beside this file is a mutation: ``what`` (which protection is off, in a sentence), ``tests``
(node ids, at least one of which must fail), and one or more ``[[change]]`` with ``file``, ``old`` (text that
occurs once in it) and ``new``. Run by ``python3 dev.py mutants [NAME...]``; the tree itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
#: Longer than any sound run: a mutant that hangs has not been caught by a test.
PATIENCE_S = 180.0
_KEYS = {"what", "tests", "change"}
_CHANGE = {"file", "old", "new"}


class MutationError(Exception):
    """A mutation that says nothing about the tests: malformed, out of date, or broken in itself."""


@dataclass(frozen=True, slots=True)
class Change:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """``name``: of its file, without the ending; ``tests``: pytest's node ids."""

    name: str
    what: str
    tests: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of pytest. ``failed``: ids of tests that failed; ``broken``: of those that could not run."""

    code: int
    tests: int
    failed: tuple[str, ...]
    broken: tuple[str, ...]
    output: str


def read_mutations(folder: Path = HERE) -> list[Mutation]:
    """Every mutation of a folder, by name; raises MutationError for the first that is malformed."""
    return [_read(path) for path in sorted(folder.glob("*.toml"))]


def _read(path: Path) -> Mutation:
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise MutationError(f"{path.name}: {error}") from error
    changes = told.get("change")
    good = (
        told.keys() == _KEYS
        and isinstance(told["what"], str)
        and isinstance(told["tests"], list)
        and told["tests"]
        and all(isinstance(test, str) and "::" in test for test in told["tests"])
        and isinstance(changes, list)
        and changes
        and all(c.keys() == _CHANGE and all(isinstance(v, str) for v in c.values()) for c in changes)
    )
    if not good:
        raise MutationError(f"{path.name}: needs what, tests, and [[change]] with file, old, new; no more")
    found = Mutation(path.stem, told["what"], tuple(told["tests"]), tuple(Change(**c) for c in changes))
    if any(change.old == change.new for change in found.changes):
        raise MutationError(f"{path.name}: a change that changes nothing")
    return found


def mutate(mutation: Mutation, tree: Path) -> dict[Path, str]:
    """The text of every file of the tree that the mutation changes; raises MutationError when it is stale."""
    texts: dict[Path, str] = {}
    for change in mutation.changes:
        path = tree / change.file
        if path not in texts:
            if not path.is_file():
                raise MutationError(f"{mutation.name}: there is no {change.file} any more")
            texts[path] = path.read_text(encoding="utf-8")
        count = texts[path].count(change.old)
        if count != 1:
            raise MutationError(f"{mutation.name}: its old text occurs {count} times in {change.file}")
        texts[path] = texts[path].replace(change.old, change.new)
    return texts


class Tree:
    """A copy of the checkout in which mutants live and die, one after the other."""

    def __init__(self, tree: Path) -> None:
        self.path = tree
        self._moment = 0

    def pytest(self, tests: Sequence[str], *options: str, patience_s: float = PATIENCE_S) -> Ran:
        """Run tests of the copy on the sources of the copy; ``patience_s``: how long they may take."""
        sources = [self.path / "engine", *sorted(self.path.glob("plugins/*/src"))]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("SYNCLINE_", "PYTEST_"))}
        environ |= {"PYTHONPATH": os.pathsep.join(map(str, sources)), "CI": "1"}
        with tempfile.TemporaryDirectory(prefix="syncline-mutants-") as folder:
            report = Path(folder) / "report.xml"
            words = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"]
            words += [f"--junitxml={report}", "-o", "junit_family=xunit1", f"--basetemp={folder}/t"]
            code, output = _run([*words, *options, *dict.fromkeys(tests)], self.path, environ, patience_s)
            cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
        return Ran(
            code=code,
            tests=len(cases),
            failed=tuple(_node(case) for case in cases if case.find("failure") is not None),
            broken=tuple(_node(case) for case in cases if case.find("error") is not None),
            output=output,
        )

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with the change in it, and as it was afterwards."""
        texts = mutate(mutation, self.path)
        before = {path: (path.read_bytes(), path.stat()) for path in texts}
        self._moment += 2
        try:
            for path, text in texts.items():
                path.write_text(text, encoding="utf-8")
                # Compiled code is kept by the second of the source and its size: never the same twice.
                moment = before[path][1].st_mtime + self._moment
                os.utime(path, (moment, moment))
            yield
        finally:
            for path, (content, stat) in before.items():
                path.write_bytes(content)
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def judge(tree: Tree, mutation: Mutation) -> str | None:
    """The test that noticed the mutant, ``None`` when it survived; raises MutationError when neither."""
    with tree.mutated(mutation):
        ran = tree.pytest(mutation.tests, "-x")
    if ran.failed:
        return ran.failed[0]
    if ran.code == 0 and ran.tests and not ran.broken:
        return None
    raise MutationError(f"{mutation.name}: its tests could not run\n{_tail(ran.output)}")


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Tree]:
    """A copy of what git tracks of a checkout, and of what is new in it and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory(prefix="syncline-mutants-") as folder:
        for name in filter(None, listed.decode().split("\0")):
            source, target = root / name, Path(folder) / name
            if source.is_file():  # not one that was just deleted
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        yield Tree(Path(folder))


def _node(case: ElementTree.Element) -> str:
    if "file" not in case.attrib:
        return case.attrib.get("classname", "") or case.attrib["name"]  # a file that cannot be imported
    return f"{case.attrib['file']}::{case.attrib['name']}"


def _run(words: Sequence[str], cwd: Path, environ: dict[str, str], patience_s: float) -> tuple[int, str]:
    """Exit code and output; what outlives its time is ended with everything that it started."""
    with subprocess.Popen(
        words,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=patience_s)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return -1, f"it did not end within {patience_s:.0f} s"
    return process.returncode, output


def _tail(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every mutant was caught; 1: one survived, or a mutation is no good."""
    parser = argparse.ArgumentParser(prog="dev.py mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which mutations (default: all)")
    parser.add_argument("--list", action="store_true", help="print what is broken by which, run nothing")
    wanted = parser.parse_args(argv)
    try:
        mutations = read_mutations()
    except MutationError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 1
    unknown = set(wanted.names) - {mutation.name for mutation in mutations}
    if unknown:
        parser.error(f"there is no mutation {sorted(unknown)[0]!r}")
    chosen = [mutation for mutation in mutations if not wanted.names or mutation.name in wanted.names]
    if wanted.list:
        for mutation in chosen:
            print(f"{mutation.name}: {mutation.what}")
        return 0
    with copied() as tree:
        return _try_all(tree, chosen)


def _try_all(tree: Tree, mutations: Sequence[Mutation]) -> int:
    started = time.monotonic()
    tests = [test for mutation in mutations for test in mutation.tests]
    # All at once they take longer than those of any one mutation, which a hanging mutant must not outlast.
    sound = tree.pytest(tests, patience_s=max(PATIENCE_S, 20.0 * len(mutations)))
    if sound.code != 0 or not sound.tests:
        print(f"mutants: the tests fail without any mutation\n{_tail(sound.output)}", file=sys.stderr)
        return 1
    print(f"{sound.tests} tests pass on the sound engine, {time.monotonic() - started:.1f} s", flush=True)
    bad = 0
    for mutation in mutations:
        began = time.monotonic()
        try:
            caught = judge(tree, mutation)
            verdict = f"caught by {caught}" if caught else "SURVIVED"
        except MutationError as error:
            caught, verdict = None, f"ERROR {error}"
        bad += caught is None
        print(
            f"{mutation.name}: {mutation.what}\n    {verdict}, {time.monotonic() - began:.1f} s", flush=True
        )
    caught_all = len(mutations) - bad
    print(f"{caught_all} of {len(mutations)} mutants caught, {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
