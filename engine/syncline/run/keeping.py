"""Keeping match decisions: what a person decides is written into the file beside the spec, for good.

The file belongs to people: it is reviewed, edited by hand and kept with the spec. So only what is added or
taken out is changed in it; its comments and its order stay.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from syncline.errors import SynclineError
from syncline.spec.matches import KINDS, load_matches, matches_file
from syncline.spec.model import Spec

_HEAD = """\
# What people decided about records that have never met: which are the same, which are different, which
# have no counterpart and are to be created, and which are left alone (ignore). Every pass reads it, and asks
# nothing that is answered here.
# Written by `syncline conflicts`; edit it as you like (`syncline validate` checks it).
"""


class KeptMatch(Struct, frozen=True, kw_only=True):
    """One decision to be kept. ``kind``: same, different, create or ignore; ``records``: by system, id and
    name."""

    module: str
    kind: str
    records: Mapping[str, tuple[str, str]]
    who: str
    when: datetime
    why: str = ""


def keep(spec_file: Path, spec: Spec, decisions: list[KeptMatch]) -> None:
    """Add decisions to the file, each once; what was said of the same records before is taken out.

    Raises SynclineError when the file cannot be written, or holds something that is wrong.
    """
    if not decisions:
        return
    file = matches_file(spec_file)
    with _alone(spec_file):
        loaded = load_matches(file, spec)
        if loaded.problems:
            first = loaded.problems[0]
            raise SynclineError(f"{first.place}: {first.message}", fix=first.suggestion or "mend it first")
        text = loaded.source.text if loaded.source is not None else ""
        changed = _with(text, decisions)
        if changed != text:
            _write(file, changed)


def _with(text: str, decisions: list[KeptMatch]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    root = yaml.load(text) if text.strip() else None
    fresh = root is None
    if root is None:
        root = CommentedMap()
    changed = False
    for one in decisions:
        if root.get(one.module) is None:
            root[one.module] = CommentedMap()
        module = root[one.module]
        if _stands(module.get(one.kind), one):
            continue
        for kind in KINDS:
            _drop(module, kind, one)
        if module.get(one.kind) is None:
            module[one.kind] = CommentedSeq()
        module[one.kind].append(_entry(one))
        changed = True
    if not changed:
        return text
    out = io.StringIO()
    yaml.dump(root, out)
    # A file of comments alone has no document that could carry them.
    head = text if fresh and text.strip() else _HEAD if fresh else ""
    return f"{head.rstrip()}\n{out.getvalue()}" if head else out.getvalue()


def _entry(one: KeptMatch) -> Any:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

    entry = CommentedMap()
    for system, (record, name) in one.records.items():
        value = CommentedMap({"id": Quoted(record)} | ({"name": Quoted(name)} if name else {}))
        value.fa.set_flow_style()
        entry[system] = value
    entry["who"] = Quoted(one.who)
    entry["when"] = Quoted(one.when.isoformat(timespec="seconds"))
    if one.why:
        entry["why"] = Quoted(one.why)
    return entry


def _stands(entries: Any, one: KeptMatch) -> bool:
    return any(_ids(entry, one) == _wanted(one) for entry in entries or ())


def _drop(module: Any, kind: str, one: KeptMatch) -> None:
    """Take out what was said of the same records: the pair itself, and, where it is decided what a record is
    the same as or that it has no counterpart, that too."""
    wanted, entries = _wanted(one), module.get(kind)
    for number in range(len(entries or ()) - 1, -1, -1):
        ids = _ids(entries[number], one)
        if kind == "different" or one.kind == "different":
            overtaken = ids == wanted
        else:
            overtaken = any(ids.get(system) == record for system, record in wanted.items())
        if overtaken:
            del entries[number]
    if entries is not None and not entries:
        del module[kind]


def _wanted(one: KeptMatch) -> dict[str, str]:
    return {system: record for system, (record, _) in one.records.items()}


def _ids(entry: Any, one: KeptMatch) -> dict[str, str]:
    found = {key: value for key, value in entry.items() if key not in ("who", "when", "why")}
    return {
        system: str(value["id"] if isinstance(value, Mapping) else value) for system, value in found.items()
    }


def _write(file: Path, text: str) -> None:
    """Put the text in the place of the file, whole or not at all, with the rights that it had."""
    target = file.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with draft.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise SynclineError(
            f"the decision cannot be kept in {file}: {error.strerror}",
            fix="make the folder of the spec writable for whoever decides",
        ) from None


@contextlib.contextmanager
def _alone(spec_file: Path) -> Iterator[None]:
    """Nobody else of this machine changes the file meanwhile. The spec itself is what is locked: it is there,
    and stays when the other file is replaced."""
    try:
        import fcntl
    except ImportError:  # Windows: two people who decide within the same millisecond must look again
        yield
        return
    with spec_file.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
