"""Verbs that read specs alone: one long spec, many at once, and the overview of all verbs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from job import SYNCLINE, environment, spec_text
from measure import ROOT, Command, figures, in_turn, told

LINES, SPECS = 558, 200
EXAMPLE = ROOT / "specs" / "examples" / "acme.yaml"


def measure(rounds: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="syncline-bench-") as name:
        folder = Path(name)
        long = folder / "long.yaml"
        long.write_text(long_spec(), encoding="utf-8")
        many = []
        for number in range(SPECS):
            many.append(folder / f"client-{number}.yaml")
            text = EXAMPLE.read_text(encoding="utf-8").replace("name: acme", f"name: client-{number}")
            many[-1].write_text(text, encoding="utf-8")
        secrets = {f"{at}_CLIENT_{what}": "bench" for at in ("XERO", "ZOHO_CRM") for what in ("ID", "SECRET")}
        environ = environment(**secrets)
        commands = [
            Command(f"validate {LINES} lines", [SYNCLINE, "validate", long], environ),
            Command(f"validate {SPECS} specs", [SYNCLINE, "validate", *many], environ),
            Command("--help", [SYNCLINE, "--help"], environ),
        ]
        runs = in_turn(commands, rounds)
    return figures("commands", {"runs": told(runs)})


def long_spec() -> str:
    """Ten modules of the job, a line for every end and transform, as people write them."""
    lines: list[str] = []
    for line in spec_text("long", "http://127.0.0.1:1/crm", "http://127.0.0.1:1/books", 10).splitlines():
        if not line.startswith("      ") or "{" not in line or line.lstrip().startswith("-"):
            lines.append(line)
            continue
        name, _, rest = line.partition(": {")
        rest, _, to = rest.removesuffix("}").partition(", to: {")
        lines.append(f"{name}:")
        lines += [f"        {part}" for part in rest.split(", ")]
        if to:
            books, _, crm = to.removesuffix("}").partition(", crm: ")
            lines += ["        to:", f"          {books}", f"          crm: {crm}"]
    lines += [f"# {number}" for number in range(len(lines) + 1, LINES + 1)]
    assert len(lines) == LINES, len(lines)
    return "\n".join(lines) + "\n"
