"""Operations of the journal: told to a remote as writes, looked at, taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from syncline.connect.contract import Record, Write, WriteKind
from syncline.mapping.module import Side
from syncline.run.references import resolve_marks
from syncline.run.scope import Scope
from syncline.store.ledger import Link, Operation

#: What ends a record.
ENDING = (WriteKind.ARCHIVE, WriteKind.VOID, WriteKind.DELETE)


def batch_size(scope: Scope, side: Side, kind: WriteKind) -> int:
    capabilities = scope.ends[side].remote.capabilities
    if kind is WriteKind.CREATE:
        return max(1, capabilities.create_batch)
    size = capabilities.update_batch
    if looks_first(scope, side, kind):
        size = min(size, capabilities.read_ids_batch)  # so that one look before the write is one call
    return max(1, size)


def looks_first(scope: Scope, side: Side, kind: WriteKind) -> bool:
    """Whether the remote would carry out such a write over somebody's newer edit without a word: it can be
    asked not to for updates alone."""
    guarded = kind is WriteKind.UPDATE and scope.ends[side].remote.capabilities.conditional
    return kind is not WriteKind.CREATE and not guarded


def look_at(scope: Scope, side: Side, operations: Sequence[Operation]) -> dict[str, Record]:
    """The records that these operations are about, as they are now; without those that are gone."""
    end = scope.ends[side]
    ids = [op.record for op in operations if op.record]
    batch = max(1, end.remote.capabilities.read_ids_batch)
    wanted = scope.maps.wanted(side)
    return {
        record.id: record
        for start in range(0, len(ids), batch)
        for record in end.session.read_ids(end.remote.name, ids[start : start + batch], wanted)
    }


def values_of(scope: Scope, side: Side, operation: Operation, links: Mapping[int, Link]) -> dict[str, Any]:
    """What to store, by map, with every reference told; raises KeyError for one that has no record."""
    return {
        name: resolve_marks(scope, scope.maps.by_name[name], side, part["set"], dict(links))
        for name, part in operation.body["fields"].items()
    }


def write_of(scope: Scope, side: Side, operation: Operation, values: Mapping[str, Any]) -> Write:
    body = operation.body
    read_at = body.get("read_at")
    before = {name: part["before"] for name, part in body["fields"].items() if "before" in part}
    return Write(
        kind=WriteKind(operation.kind),
        key=operation.key,
        id=operation.record,
        values=scope.maps.write_values(side, values, body.get("removed", {}), before),
        version=body["version"] or None,
        read_at=datetime.fromisoformat(read_at) if read_at else None,
    )


def remote_now(scope: Scope, side: Side) -> datetime:
    """The instant by the clock of an end's remote."""
    return scope.now() + scope.ends[side].skew


def take_back(
    scope: Scope, db: Connection, operations: Sequence[Operation], why: str, *, status: str | None = None
) -> None:
    """Cancel operations that were certainly not carried out; their records are decided again."""
    now = scope.now()
    scope.ledger.settle_operations(db, [(op.id, "cancelled", why, op.record) for op in operations], now)
    rows = []
    for operation in operations:
        source = operation.body["source"]
        if source["record"] is not None:
            rows.append((int(source["side"]), str(source["record"])))
        if operation.record is not None:
            rows.append((int(operation.side), operation.record))
    if status is None:
        scope.ledger.wake_records(db, rows)
    else:
        scope.ledger.rest(db, [(s, r, status, why, None, 0) for s, r in rows])
    scope.ledger.delete_links(db, [op.link for op in operations if op.kind == WriteKind.CREATE])
