"""The modules of a spec as the state knows them, without asking any remote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy.engine import Connection

from syncline.errors import SynclineError
from syncline.mapping.filters import blank
from syncline.mapping.module import Side
from syncline.spec.model import Module, Spec
from syncline.store.database import sqlite_file
from syncline.store.history import Connected, connections, newest_scope
from syncline.store.ledger import Ledger, Link


class Known(Struct, frozen=True, kw_only=True):
    """One module and what is remembered of it. ``scope``: ``None`` when no pass has worked on it yet."""

    module: Module
    scope: int | None
    connected: tuple[Connected | None, Connected | None]

    @property
    def name(self) -> str:
        return self.module.name

    @property
    def systems(self) -> tuple[str, str]:
        return self.module.left.system, self.module.right.system

    @property
    def remote_modules(self) -> tuple[str, str]:
        return self.module.left.module, self.module.right.module

    @property
    def ledger(self) -> Ledger:
        """The rows of its scope; raises SynclineError when there are none."""
        if self.scope is None:
            raise SynclineError(
                f"nothing is remembered of the module {self.name!r} yet",
                fix="run a first pass: syncline sync",
            )
        return Ledger(self.scope)

    def side_of(self, system: str) -> Side:
        """The side of a system; raises SynclineError for one that is not an end of this module."""
        if system not in self.systems:
            raise SynclineError(
                f"{system!r} is not an end of the module {self.name!r}",
                fix=f"its systems are: {', '.join(self.systems)}",
            )
        return Side(self.systems.index(system))

    def label(self, own: Mapping[str, Any]) -> str:
        """What people call a record: the value of the module's first map that holds plain text."""
        for fmap in self.module.fields.values():
            value = own.get(fmap.name)
            if fmap.ref is None and isinstance(value, str) and not blank(value):
                return value
        return ""


def known_modules(db: Connection, spec: Spec, only: Sequence[str] = ()) -> list[Known]:
    """The modules of a spec, or ``only`` these, in the spec's order.

    The organisations of the connections tell which scope is meant; for a system that is not connected, the
    scope that was made last is taken.
    """
    saved = connections(db, spec.name)
    found = []
    for module in spec.modules.values():
        if only and module.name not in only:
            continue
        ends = (saved.get(module.left.system), saved.get(module.right.system))
        scope = newest_scope(
            db,
            spec.name,
            module.name,
            (module.left.module, module.right.module),
            (ends[0].organisation_id if ends[0] else None, ends[1].organisation_id if ends[1] else None),
        )
        found.append(Known(module=module, scope=scope, connected=ends))
    return found


def known_module(db: Connection, spec: Spec, name: str) -> Known:
    """One module of a spec; raises SynclineError for a name that it does not have."""
    if name not in spec.modules:
        raise SynclineError(f"the spec has no module {name!r}", fix=f"name one of: {', '.join(spec.modules)}")
    return known_modules(db, spec, [name])[0]


def labels_of(db: Connection, known: Known, side: Side, records: Sequence[str]) -> dict[str, str]:
    """What people call these records of one end: from what is staged of them, else from their link."""
    if known.scope is None:
        return {}
    names = {
        record: known.label(link.base[side])
        for record, link in known.ledger.links_of(db, side, records).items()
    }
    for record, row in known.ledger.staged(db, side, records).items():
        names[record] = known.label(row.own) or names.get(record, "")
    return names


def link_label(known: Known, link: Link) -> str:
    """What people call a linked pair."""
    return known.label(link.base[Side.LEFT]) or known.label(link.base[Side.RIGHT])


def told_bounces(known: Known, detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The writes of a bouncing field that did not last, oldest first: ``at``, ``system`` (that was written),
    ``found`` (there) and ``wrote``."""
    return [
        {"at": one["at"], "system": known.systems[one["side"]], "found": one["found"], "wrote": one["wrote"]}
        for one in detail["history"]
    ]


def refuse_missing_state(url: str, spec: Path) -> None:
    """A verb that only reads must not make a state: raises SynclineError when a SQLite file is not there."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise SynclineError(
            f"there is no state yet at {file}",
            fix=f"run: syncline connect {spec}; or name the state with --state or SYNCLINE_STATE",
        )


def told_score(known: Known, pair: Mapping[str, Any]) -> dict[str, Any]:
    """Why a pair is likely, as it was remembered, for people.

    ``score`` (0-1); ``contradicted``: the maps of the rule's ``agree`` that differ; ``evidence``: by map
    ``values`` (by system), ``alike`` (0-1; null: an end has none, so it says nothing), ``weight``,
    ``contributed`` and ``counted``: the score is all that was contributed as a share of all that counted.
    """
    evidence = {}
    for name, part in pair["evidence"].items():
        values = dict(zip(known.systems, (part["left"], part["right"]), strict=True))
        told = {key: part[key] for key in ("alike", "weight", "contributed", "counted")}
        evidence[name] = {"values": values, **told}
    return {"score": pair["score"], "contradicted": pair["contradicted"], "evidence": evidence}
