"""A remote in memory that keeps the whole connector contract, for tests of the engine alone."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from syncline.connect.contract import (
    Account,
    Capabilities,
    Catalogue,
    Connection,
    Connector,
    Items,
    OAuth,
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    RemoteModule,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
)
from syncline.connect.sandbox import Sandbox, SandboxSettings


class MemoryRemote:
    """The records of a made-up remote: by module, then by id. Every change has a version of its own."""

    def __init__(self, modules: Sequence[RemoteModule], page_size: int = 100) -> None:
        self.modules = {module.name: module for module in modules}
        self.page_size = page_size
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self.modules}
        self.meta: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self.modules}
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        self.calls: list[tuple[str, str, int]] = []
        self.refuse: Callable[[Write], str | None] = lambda write: None
        self.unique: tuple[str, ...] = ()
        self.lose: Callable[[Write], bool] = lambda write: False
        #: the fields of a create that it is refused by itself
        self.miss: Callable[[Write], frozenset[str]] = lambda write: frozenset()
        self.rewrite: Callable[[str, Any], Any] = lambda name, value: value
        self._ticks = itertools.count(1)
        self._ids = itertools.count(1)

    def person(self, module: str, record: str | None = None, **values: Any) -> str:
        """A person creates or edits a record. Returns its id."""
        if record is None:
            record = f"{module[:1].lower()}{next(self._ids)}"
            self.rows[module][record] = {}
            self.meta[module][record] = {"state": State.LIVE}
        self.rows[module][record].update(values)
        self._touch(module, record)
        return record

    def set_state(self, module: str, record: str, state: State) -> None:
        self.meta[module][record]["state"] = state
        self._touch(module, record)

    def _touch(self, module: str, record: str) -> None:
        tick = next(self._ticks)
        self.clock += timedelta(seconds=10)
        self.meta[module][record] |= {"tick": tick, "modified": self.clock}

    def record(self, module: str, record: str) -> Record:
        meta = self.meta[module][record]
        return Record(
            id=record,
            version=str(meta["tick"]),
            values=copy.deepcopy(self.rows[module][record]),
            state=meta["state"],
            modified=meta["modified"],
            key=self.rows[module][record].get("code"),
            complete=True,
            merged_into=meta.get("merged_into"),
        )

    def since(self, module: str, tick: int) -> list[str]:
        found = [r for r, meta in self.meta[module].items() if meta["tick"] > tick]
        return sorted(found, key=lambda record: self.meta[module][record]["tick"])

    def store(self, module: str, record: str, values: Mapping[str, Any]) -> None:
        row = self.rows[module].setdefault(record, {})
        self.meta[module].setdefault(record, {"state": State.LIVE})
        for name, value in values.items():
            if isinstance(value, Items):
                row[name] = [
                    {**item.values, "id": item.id or f"{record}-{next(self._ids)}"} for item in value.items
                ]
            elif isinstance(value, dict):
                row[name] = {**(row.get(name) or {}), **value}
            else:
                row[name] = self.rewrite(name, value)
        self._touch(module, record)


class MemorySession(Session):
    def __init__(self, remote: MemoryRemote, organisation: Organisation) -> None:
        self.remote = remote
        self.organisation = organisation

    def organisations(self) -> Sequence[Organisation]:
        return [self.organisation]

    def check(self) -> Account:
        return Account(organisation=self.organisation, currency="AUD", timezone="UTC")

    def discover(self) -> Catalogue:
        return Catalogue(tuple(self.remote.modules.values()))

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        tick = int(json.loads(cursor)) if cursor else 0
        while True:
            ids = self.remote.since(module, tick)[: self.remote.page_size]
            self.remote.calls.append(("read", module, len(ids)))
            records = [self.remote.record(module, record) for record in ids]
            tick = max([tick, *(int(record.version) for record in records)])
            last = len(self.remote.since(module, tick)) == 0
            yield Page(records=records, cursor=json.dumps(tick), last=last)
            if last:
                return

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        self.remote.calls.append(("read_ids", module, len(ids)))
        return [self.remote.record(module, record) for record in ids if record in self.remote.rows[module]]

    def count(self, module: str) -> int | None:
        return len(self.remote.rows[module])

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self.remote.calls.append(("write", module, len(writes)))
        return [self._write(module, write) for write in writes]

    def _write(self, module: str, write: Write) -> Outcome:
        remote, capabilities = self.remote, self.remote.modules[module].capabilities
        if (why := remote.refuse(write)) is not None:
            return Outcome(kind=OutcomeKind.REFUSED, message=why)
        taken = next((name for name in self.remote.unique if self._held(module, write, name)), None)
        if taken is not None:
            return Outcome(kind=OutcomeKind.TAKEN, message=f"{taken} is taken", field=taken)
        record, missed = write.id, frozenset[str]()
        if write.kind is not WriteKind.CREATE and record not in remote.rows[module]:
            return Outcome(kind=OutcomeKind.GONE, message="unknown id")
        checked = capabilities.conditional and write.kind is WriteKind.UPDATE and write.version is not None
        if checked and record is not None and str(remote.meta[module][record]["tick"]) != write.version:
            return Outcome(kind=OutcomeKind.CONFLICT, message="changed since")
        if write.kind is WriteKind.CREATE:
            record = f"{module[:1].lower()}{next(remote._ids)}"
            missed = remote.miss(write)
            remote.store(module, record, {k: v for k, v in write.values.items() if k not in missed})
            remote.meta[module][record]["key"] = write.key
        assert record is not None
        if write.kind is WriteKind.UPDATE:
            remote.store(module, record, write.values)
        elif write.kind is WriteKind.ARCHIVE:
            remote.set_state(module, record, State.ARCHIVED)
        elif write.kind is WriteKind.RESTORE:
            remote.set_state(module, record, State.LIVE)
        elif write.kind is WriteKind.VOID:
            remote.set_state(module, record, State.VOIDED)
        elif write.kind is WriteKind.DELETE:
            remote.set_state(module, record, State.DELETED)
        if remote.lose(write):
            return Outcome(kind=OutcomeKind.UNKNOWN, message="no answer")
        stored = remote.record(module, record)
        told = stored if capabilities.returns_stored else None
        return Outcome(kind=OutcomeKind.DONE, id=record, version=stored.version, record=told, missed=missed)

    def _held(self, module: str, write: Write, name: str) -> bool:
        rows = self.remote.rows[module]
        value = write.values.get(name)
        return value is not None and any(row.get(name) == value for i, row in rows.items() if i != write.id)

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        made = {meta.get("key"): record for record, meta in self.remote.meta[module].items()}
        result: list[Outcome | None] = []
        for one in sent:
            record = made.get(one.write.key)
            if record is None:
                result.append(None)
                continue
            stored = self.remote.record(module, record)
            result.append(Outcome(kind=OutcomeKind.DONE, id=record, version=stored.version, record=stored))
        return result


class MemoryConnector(Connector):
    def __init__(self, name: str, remote: MemoryRemote) -> None:
        self.name = name
        self.title = name
        self.remote = remote

    def catalogue(self) -> Catalogue:
        return Catalogue(tuple(self.remote.modules.values()))

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return OAuth(authorize_url="https://a.example", token_url="https://a.example", scopes=())

    def open(self, connection: Connection) -> Session:
        return MemorySession(self.remote, Organisation(id=f"{self.name}-org", name=self.name))

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        raise NotImplementedError


def remote_module(name: str, fields: Sequence[Any], **capabilities: Any) -> RemoteModule:
    """A module that can do everything, unless told otherwise."""
    able: dict[str, Any] = {
        "create_batch": 10,
        "update_batch": 10,
        "archive": True,
        "void": True,
        "delete": True,
        "read_ids_batch": 10,
        "deletions": True,
    }
    return RemoteModule(
        name=name, fields=tuple(fields), capabilities=Capabilities(**{**able, **capabilities})
    )
