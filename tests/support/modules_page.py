"""The page of modules: what each packaged base spec keeps in step, as ``syncline describe`` tells it.

Write it anew with ``python -m tests.support.modules_page``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syncline.run.describe import as_markdown, describe
from syncline.run.workspace import Workspace

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "modules.md"
BASES = sorted((ROOT / "specs").glob("*.yaml"))

_HEAD = """# What is kept in step

Each base spec, module by module and field by field: which way a value flows, and why so. This page is what
`syncline describe` tells of the base specs; do the same with your own, which has what you changed:

```console
syncline describe acme.yaml
syncline describe acme.yaml invoices
```

| sign | means |
| :-: | --- |
| ↔ | both ways |
| → ← | one way only |
| ≟ | compared, and told when the ends differ; never written |

The reasons are the comments of the spec, and what the connectors say of their fields.
[Writing a spec](spec.md#field-maps) tells what a map can say.

**What is not kept in step**, by any of them: attachments and files; what is paid out (refunds of credit
notes) and money without a document (prepayments, overpayments, bank transactions), which is told as drift
where it changes what a document still owes; manual journals, expense claims and adjustments of stock;
repeating documents, of which each document that comes of one is kept in step like any other; and messages
to customers, which no pass sends or sets off.
"""


def told_of(spec: Path) -> dict[str, Any]:
    with Workspace(spec, None, {}) as workspace:
        return describe(workspace)


def page() -> str:
    seen: dict[str, str] = {}
    chapters = [as_markdown(told_of(spec), seen).rstrip() for spec in _by_what_they_extend()]
    return "\n\n".join([_HEAD.rstrip(), *chapters]) + "\n"


def _by_what_they_extend() -> list[Path]:
    """A base before those that extend it, so that these refer to it."""
    return sorted(BASES, key=lambda spec: ("\nextends:" in spec.read_text("utf-8"), spec.name))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
