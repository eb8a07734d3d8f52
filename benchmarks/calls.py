"""How often each remote is called, beside the fewest calls by which the pass can do its work.

At the load server, where a module has one page size, one batch size and no call of its own for deletions; and
at the sandboxes of the packaged connectors with the base spec, by the remotes' documented sizes.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import prepare
from job import SYNCLINE, Stage, control, environment, stage
from measure import ROOT, figures, say

#: The load server's records a page and a write.
PAGE, BATCH = 1000, 100
#: Xero Accounting API, Contacts: ``pageSize`` up to 1000, 40 ``IDs`` in an address, 50 a write; without a
#: conditional write each record is looked at once more before it is changed, and written with its look.
XERO_PAGE, XERO_IDS = 1000, 40
#: Zoho CRM API v8: 2000 a query, 100 a write, deletions told in a call of their own once something is known.
ZOHO_PAGE, ZOHO_WRITE = 2000, 100
#: The ends of the paths whose calls are about the sign-in, the organisation or its settings, not about
#: records; a first pass reads the settings once.
ABOUT = ("/token", "/connections", "/Organisation", "/org", "/fields", "/modules")
ABOUT += ("/Accounts", "/Currencies", "/TaxRates", "/TrackingCategories", "/currencies", "/taxes")

OVERLAY = """
spec: 1
name: benchmark
extends: ./acme.yaml
modules:
  accounts: {limits: {operations: 1000000, deletes: 100%}}
  products: {enabled: false}
  invoices: {enabled: false}
"""
EXAMPLE = ROOT / "specs" / "examples" / "acme.yaml"

Row = dict[str, Any]


def measure(sizes: Sequence[int], sandboxed: Sequence[int]) -> dict[str, Any]:
    rows = [row for size in sizes for row in at_load_server(size)]
    rows += [row for size in sandboxed for row in at_sandboxes(size)]
    return figures("calls", {"rows": rows})


def pages(records: int, size: int) -> int:
    """Calls to read so many records; one is needed to learn that there is nothing."""
    return max(1, math.ceil(records / size))


def row(at: str, size: int, pass_: str, side: str, read: int, write: int, fewest: tuple[int, int]) -> Row:
    told = {"at": at, "records": size, "pass": pass_, "side": side, "read": read, "write": write}
    say(f"  {size} {pass_}: {side} {read} read of {fewest[0]}, {write} write of {fewest[1]}")
    return {**told, "fewest_read": fewest[0], "fewest_write": fewest[1]}


# --- at the load server --------------------------------------------------------------------------


def at_load_server(size: int) -> Iterator[Row]:
    edits = min(size, max(1, size // 7))
    # What is done before a pass, its name, and the fewest reads and writes at each end.
    both = (pages(size, PAGE), 0)
    one = (1, 0)
    full = {"first, both ends full": (both, both), "nothing changed": (one, one)}
    empty = {
        "first, books empty": (both, (1, pages(size, BATCH))),
        # The engine's own writes come back once, as changes.
        "its own writes read back": (one, both),
        "nothing changed": (one, one),
        f"{edits} edited in the CRM": ((pages(edits, PAGE), 0), (1, pages(edits, BATCH))),
    }
    with stage(size) as at:
        for books, kinds in (("books", full), ("empty", empty)):
            folder = at.folder / books
            folder.mkdir()
            spec, state = prepare(folder, at.url, books=books)
            for kind, fewest in kinds.items():
                if "edited" in kind:
                    control(at.url, "POST", f"edit/crm/accounts/{edits}")
                counted = _load_pass(at, spec, state)
                for side, path, least in zip(
                    ("CRM", "books"), ("crm/accounts", f"{books}/customers"), fewest, strict=True
                ):
                    read, write = counted.get(f"GET {path}", 0), counted.get(f"POST {path}", 0)
                    yield row("load server", size, kind, side, read, write, least)


def _load_pass(at: Stage, spec: Path, state: Path) -> dict[str, int]:
    control(at.url, "DELETE", "counts")
    words = [SYNCLINE, "sync", spec, "--state", state]
    subprocess.run(words, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return control(at.url, "GET", "counts")


# --- at the sandboxes ----------------------------------------------------------------------------


def at_sandboxes(size: int) -> Iterator[Row]:
    # More at once would be taken for a mishap, and stopped.
    edits = min(size // 5, 500)
    first = ((pages(size, ZOHO_PAGE), 0), (pages(size, XERO_PAGE), 0))
    quiet = ((2, 0), (1, 0))
    looks = math.ceil(edits / XERO_IDS)
    edited = (
        (pages(edits, ZOHO_PAGE) + 1, math.ceil(edits / ZOHO_WRITE)),
        (pages(edits, XERO_PAGE) + looks, looks),
    )
    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name, sandboxes(size) as (told, address):
        folder = Path(name)
        spec = folder / "benchmark.yaml"
        (folder / "acme.yaml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
        spec.write_text(OVERLAY, encoding="utf-8")
        environ = environment(SYNCLINE_STATE=str(folder / "state.sqlite"), **addresses(told))
        sign_in(spec, "crm", (), environ)
        sign_in(spec, "books", ("--organisation", told["xero"]["organisations"][0]["id"]), environ)
        for kind, fewest in (
            ("first", first),
            ("nothing changed", quiet),
            (f"{edits} edited at each", edited),
        ):
            if "edited" in kind:
                edit(address, "zoho-crm", "Accounts", "id", "Fax", "+61 2 5550 {:04d}", edits)
                edit(address, "xero", "Contacts", "ContactID", "EmailAddress", "bench{}@example.com", edits)
                # A stamp of whole seconds does not tell an edit from a later one in the second of the read:
                # such records are looked at once more before they are changed.
                time.sleep(4)
            counted = _sandbox_pass(spec, environ, address)
            for system, least in zip(("zoho-crm", "xero"), fewest, strict=True):
                yield row("sandboxes", size, kind, system, *_reads_and_writes(system, counted), least)


def _sandbox_pass(spec: Path, environ: Mapping[str, str], address: str) -> list[Row]:
    urllib.request.urlopen(urllib.request.Request(f"{address}/requests", method="DELETE")).close()
    words = [SYNCLINE, "sync", spec]
    subprocess.run(words, env=dict(environ), stdout=subprocess.DEVNULL)
    with urllib.request.urlopen(f"{address}/requests") as reply:
        counted: list[Row] = json.load(reply)["requests"]
    return counted


def _reads_and_writes(system: str, counted: Sequence[Row]) -> tuple[int, int]:
    read = write = 0
    for one in counted:
        if one["system"] == system and not one["path"].endswith(ABOUT):
            # A query is a POST that reads.
            if one["method"] == "GET" or one["path"].endswith("/coql"):
                read += int(one["count"])
            else:
                write += int(one["count"])
    return read, write


def edit(address: str, system: str, module: str, key: str, field: str, value: str, edits: int) -> None:
    """Play people who change one field of the first records of a system."""
    with urllib.request.urlopen(f"{address}/records/{system}/{module}") as reply:
        ids = [record[key] for record in json.load(reply)["records"][:edits]]
    for number, record in enumerate(ids):
        told = {"system": system, "action": "update", "module": module, "id": record}
        body = json.dumps({**told, "values": {field: value.format(number)}}).encode()
        urllib.request.urlopen(f"{address}/act", data=body).close()


@contextmanager
def sandboxes(records: int) -> Iterator[tuple[Row, str]]:
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


def sign_in(spec: Path, system: str, more: Sequence[str], environ: Mapping[str, str]) -> None:
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
