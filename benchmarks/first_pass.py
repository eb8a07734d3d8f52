"""What a first pass costs, a pass with nothing changed, and one with some edits: time, requests and memory.

``python3 dev.py bench [--records N,N...]``: for each size, sandboxes are started with that many companies on
either side, connected as a person would, and `syncline sync` is run as its own process, whose processor
time and peak memory the operating system tells. Requests are counted by the sandboxes, not by the engine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
EXAMPLE = ROOT / "specs" / "examples" / "acme.yaml"
SYNCLINE = Path(sys.executable).with_name("syncline.exe" if os.name == "nt" else "syncline")

#: Records a call. Xero Accounting API, Contacts: `pageSize` up to 1000, 40 `IDs` in an address, 50 a write.
#: Zoho CRM API v8: 2000 a query, 100 a write, deletions told in a call of their own.
XERO_PAGE, XERO_IDS, XERO_WRITE = 1000, 40, 50
ZOHO_PAGE, ZOHO_WRITE, ZOHO_DELETIONS = 2000, 100, 1
#: The ends of the paths whose calls are about the sign-in or the organisation, not about records.
ABOUT = ("/token", "/connections", "/Organisation", "/org")
#: How many records people edit on each side before the third pass.
EDITS = 500

#: Runs a command and writes down what it used. A process of its own, because the peak memory that the system
#: tells of a child is never less than what its parent had when it was started.
LAUNCH = """
import json, os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""

OVERLAY = """
spec: 1
name: benchmark
extends: ./acme.yaml
modules:
  accounts: {limits: {operations: 1000000, deletes: 100%}}
  products: {enabled: false}
  invoices: {enabled: false}
"""


@dataclass(frozen=True, slots=True)
class Bound:
    """The fewest calls by which a pass can do its work."""

    read: int
    write: int


@dataclass(frozen=True, slots=True)
class Calls:
    """The requests of one pass to one system, as its sandbox counted them, beside the fewest possible."""

    system: str
    read: int
    write: int
    about: int  # token, organisation: not about records
    bound: Bound
    paths: dict[str, int]


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of `syncline sync`, as the operating system and the sandboxes saw it."""

    records: int  # on each side
    kind: str  # first | quiet | edits
    wall_s: float
    cpu_s: float
    peak_mib: float
    calls: tuple[Calls, Calls]  # of the CRM, of the books
    module: dict[str, Any]

    @property
    def cpu_ms_a_record(self) -> float:
        """Milliseconds of the sync process for one record there is, of either side."""
        return round(self.cpu_s * 1000 / (2 * self.records), 3)


def bounds(kind: str, records: int) -> tuple[Bound, Bound]:
    """The fewest calls to the CRM and to the books.

    A first pass need not ask for deletions: it knows nothing that could be gone. The books have no
    conditional write, so a record is looked at once more before it is changed.
    """
    if kind == "first":
        return Bound(math.ceil(records / ZOHO_PAGE), 0), Bound(math.ceil(records / XERO_PAGE), 0)
    if kind == "quiet":
        return Bound(1 + ZOHO_DELETIONS, 0), Bound(1, 0)
    crm = Bound(math.ceil(EDITS / ZOHO_PAGE) + ZOHO_DELETIONS, math.ceil(EDITS / ZOHO_WRITE))
    looks = math.ceil(EDITS / XERO_IDS)
    return crm, Bound(math.ceil(EDITS / XERO_PAGE) + looks, math.ceil(EDITS / XERO_WRITE))


def measure(records: int) -> Iterator[Pass]:
    """The passes over so many companies a side, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name, sandboxes(records) as (told, control):
        folder = Path(name)
        spec = folder / "benchmark.yaml"
        (folder / "acme.yaml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
        spec.write_text(OVERLAY, encoding="utf-8")
        environ = {**os.environ, **addresses(told), "SYNCLINE_STATE": str(folder / "state.sqlite")}
        connect(spec, "crm", (), environ)
        organisation = told["xero"]["organisations"][0]["id"]
        connect(spec, "books", ("--organisation", organisation), environ)
        yield run_pass(spec, records, "first", environ, control)
        yield run_pass(spec, records, "quiet", environ, control)
        edit(control, "zoho-crm", "Accounts", "id", "Fax", "+61 2 5550 {:04d}")
        edit(control, "xero", "Contacts", "ContactID", "EmailAddress", "bench{}@example.com")
        yield run_pass(spec, records, "edits", environ, control)


def edit(control: str, system: str, module: str, key: str, field: str, value: str) -> None:
    """Play people who change one field of the first records of a system."""
    with urllib.request.urlopen(f"{control}/records/{system}/{module}") as reply:
        ids = [record[key] for record in json.load(reply)["records"][:EDITS]]
    for number, record in enumerate(ids):
        told = {"system": system, "action": "update", "module": module, "id": record}
        body = json.dumps({**told, "values": {field: value.format(number)}}).encode()
        urllib.request.urlopen(f"{control}/act", data=body).close()


@contextmanager
def sandboxes(records: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Both sandboxes with their limits lifted: the credentials by system, and the address of the control."""
    words = ["sandbox", "--systems", "xero,zoho-crm", "--data", str(records), "--limits", "off", "--json"]
    running = subprocess.Popen([SYNCLINE, *words], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        if not line:
            raise SystemExit("the sandboxes did not start; their words are above")
        ready = json.loads(line)
        yield ready["systems"], ready["control_url"]
    finally:
        running.terminate()
        running.communicate()


def addresses(told: Mapping[str, Any]) -> dict[str, str]:
    """The environment from which the example spec takes its systems."""
    return {
        f"{prefix}_{key.upper()}": told[name][key]
        for prefix, name in (("XERO", "xero"), ("ZOHO_CRM", "zoho-crm"))
        for key in ("base_url", "client_id", "client_secret")
    }


def connect(spec: Path, system: str, more: Sequence[str], environ: Mapping[str, str]) -> None:
    """Sign in by the code flow; the sandbox's consent page agrees by itself when it is opened."""
    words: list[str | Path] = [SYNCLINE, "connect", spec, system, "--no-browser", *more]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(environ))
    assert running.stdout is not None
    url = running.stdout.readline().strip()
    if url.startswith("http"):
        with urllib.request.urlopen(url) as page:
            page.read()
    running.communicate()
    if running.returncode:
        raise SystemExit(f"{system} could not be connected; why is told above")


def run_pass(spec: Path, records: int, kind: str, environ: Mapping[str, str], control: str) -> Pass:
    """One pass, with the sandboxes' counts set to zero before it."""
    urllib.request.urlopen(urllib.request.Request(f"{control}/requests", method="DELETE")).close()
    usage = spec.with_name("usage.json")
    started = time.monotonic()
    words: list[str | Path] = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        LAUNCH,
        usage,
        SYNCLINE,
        "sync",
        spec,
        "--json",
    ]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=dict(environ))
    wall_s = time.monotonic() - started
    if not done.stdout:
        raise SystemExit(f"the {kind} pass of {records} records failed; why is told above")
    outcome = json.loads(done.stdout)
    cpu_s, peak = json.loads(usage.read_text(encoding="utf-8"))
    if outcome["status"] not in ("done", "attention"):
        raise SystemExit(f"the {kind} pass of {records} records: {outcome['status']}: {outcome['problems']}")
    with urllib.request.urlopen(f"{control}/requests") as reply:
        counted = json.load(reply)["requests"]
    crm, books = bounds(kind, records)
    # Linux tells kibibytes, macOS bytes.
    peak_mib = peak / (1024 if sys.platform != "darwin" else 1024 * 1024)
    return Pass(
        records=records,
        kind=kind,
        wall_s=round(wall_s, 2),
        cpu_s=round(cpu_s, 2),
        peak_mib=round(peak_mib, 1),
        calls=(_calls("zoho-crm", counted, crm), _calls("xero", counted, books)),
        module=outcome["modules"]["accounts"],
    )


def _calls(system: str, counted: Sequence[Mapping[str, Any]], bound: Bound) -> Calls:
    rows = {f"{c['method']} {c['path']}": int(c["count"]) for c in counted if c["system"] == system}
    about = sum(n for row, n in rows.items() if row.endswith(ABOUT))
    # A query is a POST that reads.
    read = sum(n for row, n in rows.items() if row.startswith("GET") or row.endswith("/coql"))
    about_read = sum(n for row, n in rows.items() if row.startswith("GET") and row.endswith(ABOUT))
    write = sum(rows.values()) - read - (about - about_read)
    return Calls(system, read - about_read, write, about, bound, rows)


# --- telling -------------------------------------------------------------------------------------


def table(passes: Sequence[Pass]) -> str:
    """The figures as a table in Markdown."""
    head = (
        "records a side, pass",
        "wall s",
        "CPU s",
        "CPU ms a record",
        "peak MiB",
        "CRM reads / fewest",
        "books reads / fewest",
        "CRM writes / fewest",
        "books writes / fewest",
        "sign-in and organisation calls",
    )
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for one in passes:
        crm, books = one.calls
        cells = (
            f"{one.records:,} {one.kind}",
            f"{one.wall_s:.1f}",
            f"{one.cpu_s:.1f}",
            f"{one.cpu_ms_a_record:.2f}",
            f"{one.peak_mib:.0f}",
            f"{crm.read} / {crm.bound.read}",
            f"{books.read} / {books.bound.read}",
            f"{crm.write} / {crm.bound.write}",
            f"{books.write} / {books.bound.write}",
            f"{crm.about} + {books.about}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--records", default="10000,50000", help="companies on each side, with commas (default: 10000,50000)"
    )
    chosen = parser.parse_args(argv)
    if not hasattr(os, "posix_spawn"):
        raise SystemExit("processor time and peak memory of a process cannot be measured on this system")
    passes: list[Pass] = []
    for records in (int(text) for text in chosen.records.split(",")):
        print(f"{records:,} companies on each side ...", file=sys.stderr, flush=True)
        passes += measure(records)
    at = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"first_pass-{at:%Y%m%dT%H%M%SZ}.json"
    told = [{**asdict(p), "cpu_ms_a_record": p.cpu_ms_a_record} for p in passes]
    content = {"at": at.isoformat(timespec="seconds"), "machine": machine(), "passes": told}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(table(passes))
    print(f"\n{file.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
