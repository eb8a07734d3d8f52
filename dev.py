"""Every chore of a checkout, in one command that needs nothing but Python 3.11 or newer.

``python3 dev.py setup|demo|test|prove|mutants|lint|build|bench|audit|lock``: the checkout gets a private
``.venv`` with the three distributions installed as they stand in the tree, at the versions of
``constraints.txt``. When nothing has changed since, the set-up costs no more than reading a stamp. What
follows the chore is passed on: ``python3 dev.py test -k merge``.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older Python is told
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"dev.py: this is Python {found}; Syncline needs 3.11 or newer (try: python3.11 dev.py)")

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "syncline-setup.json"
CONSTRAINTS = ROOT / "constraints.txt"
#: What makes editable wheels, in the environment itself: so it is pinned too, and fetched once.
BUILDERS = ("hatchling", "editables", "setuptools")
#: The three distributions, the engine first: each folder has a pyproject.toml.
PROJECTS = (ROOT, ROOT / "plugins" / "xero", ROOT / "plugins" / "zoho")
#: Where the tests are that prove the promises of docs/promises.md.
PROOFS = ("pitfalls", "crash", "convergence", "faults", "ledgers", "security")
#: Asks for known vulnerabilities, in an environment of its own: its needs are none of ours.
AUDITOR, AUDIT_VENV = "pip-audit==2.10.1", ROOT / ".venv-audit"
#: How all tests are run: a file at a time, since the tests of a file may share a world, and two for each
#: processor, since many of them wait half of their time. In their order: the files with the most tests first
#: would leave the few that take longest for the end, when nothing is left for the others to do.
SIDE_BY_SIDE = (
    *("-n", str(2 * min(os.cpu_count() or 1, 4))),
    *("--dist", "loadfile", "--no-loadscope-reorder"),
)
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


class SetupError(Exception):
    """The checkout cannot be set up; the message says why and what to do."""


# --- setting up ----------------------------------------------------------------------------------


def set_up(*, tools: bool) -> None:
    """Bring ``.venv`` up to date: the three distributions and, with ``tools``, what tests and checks need."""
    home = [str(ROOT), "{}.{}".format(*sys.version_info)]
    inputs = _fingerprint()
    stamp = _read_stamp()
    if stamp is not None and stamp.get("home") == home:
        if stamp.get("inputs") == inputs and (stamp.get("tools") or not tools):
            return
        tools = tools or bool(stamp.get("tools"))
    if _must_rebuild(stamp, home):
        _make_venv()
    _say("installing Syncline and what it needs" + (", with the tools for tests and checks" if tools else ""))
    _write_stamp({"home": home})  # an interrupted installation is recognised by a stamp without inputs
    _install(tools)
    _write_stamp({"home": home, "inputs": inputs, "tools": tools})


def _fingerprint() -> str:
    """What the installation depends on, in one word."""
    digest = hashlib.sha256()
    for path in (CONSTRAINTS, *(project / "pyproject.toml" for project in PROJECTS)):
        content = path.read_bytes() if path.exists() else b""
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _must_rebuild(stamp: dict[str, Any] | None, home: list[str]) -> bool:
    """Whether ``.venv`` must be made anew: absent, or ours and incomplete, moved, or of another Python.

    One that was made by other means (by hand, by uv) is not thrown away but installed into.
    """
    if stamp is not None:
        return stamp.get("home") != home or "inputs" not in stamp or not PYTHON.exists()
    if not VENV.exists():
        return True
    code = "import sys, importlib.util as i; print(*sys.version_info[:2], i.find_spec('pip') is not None)"
    try:
        answer = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, env=_environment())
    except OSError:
        answer = None
    words = answer.stdout.split() if answer is not None and answer.returncode == 0 else []
    if len(words) != 3 or (int(words[0]), int(words[1])) < (3, 11):
        raise SetupError(f"{VENV} was not made by dev.py and cannot be used; remove or rename it")
    if words[2] == "False":
        _run([PYTHON, "-m", "ensurepip", "--default-pip"], "pip could not be put into .venv", quiet=True)
    return False


def _make_venv() -> None:
    missing = [name for name in ("venv", "ensurepip") if find_spec(name) is None]
    if missing:
        raise SetupError(
            f"this Python ({sys.executable}) has no module {missing[0]!r}, so it cannot make an environment;"
            f" on Debian or Ubuntu: apt install python3-venv, elsewhere: install Python from python.org"
        )
    if Path(sys.prefix).resolve() == VENV:
        raise SetupError(f"{VENV} must be made anew, but runs this command; leave it (deactivate), try again")
    _say(f"making a private environment in {VENV}")
    shutil.rmtree(VENV, ignore_errors=True)
    if VENV.exists():
        raise SetupError(f"{VENV} cannot be removed; is a program still running from it?")
    VENV.mkdir()
    _write_stamp({"home": []})  # from now on it is known as ours, and as incomplete
    _run([sys.executable, "-m", "venv", VENV], "the environment could not be made")


def _install(tools: bool) -> None:
    pip: list[str | Path] = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if CONSTRAINTS.exists():
        pip += ["-c", CONSTRAINTS]
    else:
        _say("there is no constraints.txt: the newest versions are taken")
    failed = "pip could not install everything; its words are above (is the package index within reach?)"
    _run([*pip, *BUILDERS], failed)
    engine = f"{ROOT}[postgres]" if tools else str(ROOT)
    editable: list[str | Path] = ["-e", engine]
    for project in PROJECTS[1:]:
        editable += ["-e", project]
    _run([*pip, "--no-build-isolation", *editable, *(_tools() if tools else ())], failed)


def _tools() -> list[str]:
    """The requirements of the group ``dev``, our own distributions apart."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        group = tomllib.load(file)["dependency-groups"]["dev"]
    return [line for line in group if not re.match(r"syncline\b", line)]


def _read_stamp() -> dict[str, Any] | None:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(stamp: dict[str, Any]) -> None:
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps(stamp), encoding="utf-8")
    os.replace(partial, STAMP)


# --- the chores ----------------------------------------------------------------------------------


def setup(rest: Sequence[str]) -> int:
    """Make the environment, with all tools, and do nothing else."""
    _nothing_after("setup", rest)
    set_up(tools=True)
    _say("ready")
    return 0


def demo(rest: Sequence[str]) -> int:
    """The whole story on sandboxes: syncline demo."""
    set_up(tools=False)
    return _become([PYTHON.with_name("syncline" + PYTHON.suffix), "demo", *rest])


def test(rest: Sequence[str]) -> int:
    """All tests, by pytest."""
    set_up(tools=True)
    return _become([PYTHON, "-m", "pytest", *(rest or SIDE_BY_SIDE)])


def prove(rest: Sequence[str]) -> int:
    """The promises, tried by pitfalls, crashes, faults and hostile inputs; --long tries everything.

    All of them, unless some are named: ``prove --long tests/convergence``.
    """
    set_up(tools=True)
    rooms = [str(ROOT / "tests" / name) for name in PROOFS if (ROOT / "tests" / name).is_dir()]
    if any((ROOT / word.partition("::")[0]).exists() for word in rest):
        rooms = []
    long = "--long" in rest
    os.environ["SYNCLINE_PROVE"] = "long" if long else "share"
    words = [*SIDE_BY_SIDE, *rooms, *(word for word in rest if word != "--long")]
    return _become([PYTHON, "-m", "pytest", *words])


def mutants(rest: Sequence[str]) -> int:
    """Every protection switched off in turn, to see that a named test notices; NAME... for some."""
    set_up(tools=True)
    return _become([PYTHON, ROOT / "tests" / "mutations" / "run.py", *rest])


def lint(rest: Sequence[str]) -> int:
    """Style and strict types: ruff check, ruff format --check, mypy."""
    _nothing_after("lint", rest)
    set_up(tools=True)
    worst = 0
    for words in (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)):
        _say(" ".join(words))
        worst = max(worst, _call([PYTHON, "-m", *words]))
    return worst


def build(rest: Sequence[str]) -> int:
    """The wheels and source archives of the three distributions, in dist/."""
    _nothing_after("build", rest)
    set_up(tools=True)
    dist = ROOT / "dist"
    for old in (*dist.glob("syncline*.whl"), *dist.glob("syncline*.tar.gz")):
        old.unlink()
    for project in PROJECTS:
        code = _call([PYTHON, "-m", "hatchling", "build", "-d", dist], cwd=project)
        if code:
            return code
    for made in sorted(dist.glob("syncline*")):
        _say(f"{made.relative_to(ROOT)}  {made.stat().st_size / 1000:.0f} kB")
    return 0


def bench(rest: Sequence[str]) -> int:
    """The benchmarks, each one command: bench NAME."""
    set_up(tools=False)  # in a fresh checkout they run where no test tools are installed, as for a user
    return _become([PYTHON, ROOT / "benchmarks" / "bench.py", *rest])


def audit(rest: Sequence[str]) -> int:
    """Known vulnerabilities and licences of the pinned dependencies; exit code 3: could not ask."""
    _nothing_after("audit", rest)
    set_up(tools=True)
    python = AUDIT_VENV / PYTHON.relative_to(VENV)
    stamp = AUDIT_VENV / AUDITOR
    if not stamp.exists():
        shutil.rmtree(AUDIT_VENV, ignore_errors=True)
        _say(f"making an environment for {AUDITOR}")
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            AUDITOR,
        ]
        if not _call([sys.executable, "-m", "venv", AUDIT_VENV]) and not _call(pip):
            stamp.touch()
    return _call([PYTHON, ROOT / ".ci" / "audit.py", python])


def lock(rest: Sequence[str]) -> int:
    """Write constraints.txt anew: the newest versions that pyproject.toml allows, for every platform."""
    _nothing_after("lock", rest)
    with tempfile.TemporaryDirectory(prefix="syncline-lock-") as name:
        folder = Path(name)
        for project in PROJECTS:
            target = folder / "tree" / project.relative_to(ROOT)
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / "pyproject.toml", target)
        failed = "the versions could not be resolved; the words of the tool are above"
        _run([sys.executable, "-m", "venv", folder / "venv"], failed)
        python = folder / "venv" / PYTHON.relative_to(VENV)
        _run([python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "uv"], failed)
        everything = ["--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace"]
        plain = ["--no-hashes", "--no-header", "--no-annotate", "--python", sys.executable]
        # pip writes down nothing but this platform's needs; uv resolves for all of them at once.
        answer = subprocess.run(
            [python, "-m", "uv", "export", "--quiet", *everything, *plain, "--project", folder / "tree"],
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        if answer.returncode:
            raise SetupError(failed)
    pins = answer.stdout.strip().splitlines()
    if not pins or any("://" in line or "==" not in line for line in pins):
        raise SetupError("the resolver gave something else than pins; constraints.txt was left as it is")
    header = "# What every environment of a checkout is pinned to. Written by: python3 dev.py lock\n"
    CONSTRAINTS.write_text(header + "\n".join(pins) + "\n", encoding="utf-8", newline="\n")
    _say(f"constraints.txt: {len(pins)} pins")
    return 0


CHORES: dict[str, Callable[[Sequence[str]], int]] = {
    "setup": setup,
    "demo": demo,
    "test": test,
    "prove": prove,
    "mutants": mutants,
    "lint": lint,
    "build": build,
    "bench": bench,
    "audit": audit,
    "lock": lock,
}


# --- running -------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    """Our environment without what would lead Python or pip away from ``.venv``, or have every process
    compile the sources anew."""
    strays = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV"}
    strays |= {"PYTHONDONTWRITEBYTECODE"}
    return {**{k: v for k, v in os.environ.items() if k not in strays}, "PIP_USER": "0"}


def _call(command: Sequence[str | Path], *, cwd: Path = ROOT, quiet: bool = False) -> int:
    sys.stdout.flush()
    words = [str(word) for word in command]
    output = subprocess.DEVNULL if quiet else None
    code = subprocess.run(words, cwd=cwd, env=_environment(), stdout=output).returncode
    return 128 - code if code < 0 else code  # ended by a signal: as shells say it


def _run(command: Sequence[str | Path], failed: str, *, quiet: bool = False) -> None:
    if _call(command, quiet=quiet):
        raise SetupError(failed)


def _become(command: Sequence[str | Path]) -> int:
    """Run the last command of a chore from the checkout's top; its exit code is ours."""
    if os.name != "nt":
        os.chdir(ROOT)
        sys.stdout.flush()
        words = [str(word) for word in command]
        os.execve(words[0], words, _environment())  # signals and the terminal reach it directly
    return _call(command)


def _nothing_after(chore: str, rest: Sequence[str]) -> None:
    if rest:
        raise SetupError(f"{chore} takes no arguments, but was given: {' '.join(rest)}")


def _say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def usage() -> str:
    lines = [f"  {name:<7} {(chore.__doc__ or '').splitlines()[0]}" for name, chore in CHORES.items()]
    return "usage: python3 dev.py CHORE [ARGUMENTS...]\n\n" + "\n".join(lines)


def main(argv: Sequence[str]) -> NoReturn:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        sys.exit(0 if argv else 2)
    chore = CHORES.get(argv[0])
    if chore is None:
        print(f"dev.py: there is no chore {argv[0]!r}\n\n{usage()}", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(chore(argv[1:]))
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
