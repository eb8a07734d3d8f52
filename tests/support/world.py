"""Two memory remotes and a spec between them, with passes run as the engine runs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.memory import MemoryConnector, MemoryRemote, remote_module

from syncline.connect.contract import Field, FieldType, Reference
from syncline.mapping.expressions import Expressions
from syncline.mapping.module import ModuleMap, Side
from syncline.mapping.nesting import find_remote, nesting_of
from syncline.reconcile.order import order_modules
from syncline.run.keeping import KeptMatch, keep
from syncline.run.known import known_module
from syncline.run.nesting import NestedSession
from syncline.run.passes import PassResult, run_pass
from syncline.run.scope import NO_MATCHES, Keep, Onlooker, Scope, ScopeEnd
from syncline.spec.digest import field_digests
from syncline.spec.load import load_spec
from syncline.spec.matches import load_matches, matches_file
from syncline.spec.model import End, Spec
from syncline.store.database import Database
from syncline.store.ids import next_id
from syncline.store.ledger import Ledger
from syncline.store.scopes import ScopeKey, open_scope

LEFT_FIELDS = (
    Field(name="name", required=True, max_length=80),
    Field(name="phone"),
    Field(name="email"),
    Field(name="tax"),
    Field(name="city"),
    Field(name="active", type=FieldType.BOOLEAN),
    Field(name="note"),
    Field(name="main_name"),
    Field(name="main_email"),
)
STAFF = Field(
    name="staff",
    type=FieldType.LIST,
    fields=(Field(name="name"), Field(name="email"), Field(name="cc", type=FieldType.BOOLEAN)),
)
DESKS = Field(
    name="desks",
    type=FieldType.LIST,
    item_id="id",
    fields=(Field(name="id", read_only=True), Field(name="name"), Field(name="email")),
)
LINES = Field(
    name="lines",
    type=FieldType.LIST,
    item_id="id",
    fields=(
        Field(name="item", type=FieldType.REFERENCE, reference=Reference(module="items", by="key")),
        Field(name="text"),
        Field(name="quantity", type=FieldType.DECIMAL),
        Field(name="whose", type=FieldType.REFERENCE, reference=Reference(module="people")),
    ),
)
RIGHT_FIELDS = (*LEFT_FIELDS, Field(name="number", read_only=True), STAFF, DESKS)
BILL_FIELDS = (
    Field(name="title", required=True),
    Field(name="who", type=FieldType.REFERENCE, reference=Reference(module="people")),
    Field(name="total", type=FieldType.DECIMAL, places=2),
    Field(name="owed", type=FieldType.DECIMAL, places=2),
    Field(name="day", type=FieldType.DATE),
    Field(name="currency"),
    Field(name="rate", type=FieldType.DECIMAL),
    Field(name="state"),
    LINES,
)

SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  people:
    between: {a: people, b: people}
    match:
      - {a: "name | fold", b: "name | fold", agree: [tax]}
    fields:
      name: {a: name, b: name}
      phone: {a: phone, b: phone}
      email: {a: email, b: email, conflicts: {prefer: ask}}
      tax: {a: tax, b: tax}
"""

BILLS = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  bills:
    between: {a: bills, b: bills}
    match: [{a: title, b: title}]
    fields:
      title: {a: title, b: title}
      who: {a: who, b: who, ref: people}
      total: {a: total, b: total}
      lines:
        a: lines
        b: lines
        each:
          item: {a: item, b: item, ref: items}
          text: {a: text, b: text}
          quantity: {a: quantity, b: quantity}
  items:
    between: {a: items, b: items}
    match: [{a: code, b: code}]
    fields:
      code: {a: code, b: code}
      name: {a: name, b: name}
  people:
    between: {a: people, b: people}
    match: [{a: "name | fold", b: "name | fold"}]
    fields:
      name: {a: name, b: name}
"""


class Pair:
    """The two remotes ``a`` and ``b``, a spec, and a state."""

    def __init__(
        self,
        tmp_path: Path,
        database: Database,
        spec: str = SPEC,
        *,
        a: dict[str, Any] | None = None,
        b: dict[str, Any] | None = None,
    ) -> None:
        self.tmp_path = tmp_path
        self.database = database
        self.a = MemoryRemote(_modules(a or {}))
        self.b = MemoryRemote(_modules(b or {"returns_stored": True}))
        self.spec = self.load(spec)
        self.now = datetime(2026, 2, 1, tzinfo=UTC)

    def load(self, text: str) -> Spec:
        file = self.tmp_path / "spec.yaml"
        file.write_text(text)
        loaded = load_spec(file)
        assert loaded.spec is not None, loaded.problems
        return loaded.spec

    @contextmanager
    def scopes(self) -> Iterator[list[Scope]]:
        scopes = []
        pass_id = next_id()
        for module in order_modules(self.spec.modules):
            key = ScopeKey(
                spec="test",
                module=module.name,
                left_org="1",
                right_org="2",
                left_module=module.left.module,
                right_module=module.right.module,
            )
            with self.database.write() as db:
                scope_id = open_scope(db, key, self.spec.digests[module.name], field_digests(module))
            ledger = Ledger(scope_id)
            ends = (self._end(module.left, Side.LEFT, ledger), self._end(module.right, Side.RIGHT, ledger))
            scopes.append(
                Scope(
                    module=module,
                    maps=ModuleMap(module, (ends[0].remote, ends[1].remote), Expressions()),
                    ends=ends,
                    database=self.database,
                    ledger=ledger,
                    pass_id=pass_id,
                    fence=lambda db: None,
                    now=lambda: self.now,
                )
            )
        loaded = load_matches(matches_file(self.tmp_path / "spec.yaml"), self.spec)
        assert not loaded.problems, loaded.problems
        for scope in scopes:
            scope.matches = loaded.modules.get(scope.name, NO_MATCHES)
            scope.keep = self._keeper(scope)
        by_name = {scope.name: scope for scope in scopes}
        for scope in scopes:
            scope.scopes = by_name
        yield scopes

    def onlooker(self, module: str) -> Onlooker:
        """A module for somebody who only looks, as a workspace gives it."""
        told = self.spec.modules[module]
        with self.database.read() as db:
            known = known_module(db, self.spec, module)
        ledger = Ledger(known.scope or 0)
        ends = (self._end(told.left, Side.LEFT, ledger), self._end(told.right, Side.RIGHT, ledger))
        return Onlooker(
            spec=self.spec,
            module=told,
            maps=ModuleMap(told, (ends[0].remote, ends[1].remote), Expressions()),
            ends=ends,
            scope=known.scope,
            database=self.database,
            expressions=Expressions(),
            now=lambda: self.now,
        )

    def _keeper(self, scope: Scope) -> Keep:
        def keep_one(kind: str, ids: tuple[str | None, str | None], who: str, why: str) -> bool:
            self.decide(scope.name, kind, ids, who=who, why=why)
            return True

        return keep_one

    def decide(
        self, module: str, kind: str, *pairs: tuple[str | None, str | None], who: str = "ann", why: str = ""
    ) -> None:
        """A person decides about pairs of ids (left, right), of which a record to be created has one."""
        ends = self.spec.modules[module].left.system, self.spec.modules[module].right.system
        kept = [
            KeptMatch(
                module=module,
                kind=kind,
                records={end: (i, "") for end, i in zip(ends, ids, strict=True) if i is not None},
                who=who,
                when=self.now,
                why=why,
            )
            for ids in pairs
        ]
        keep(self.tmp_path / "spec.yaml", self.spec, kept)

    def run(self) -> PassResult:
        with self.scopes() as scopes:
            return run_pass(scopes, lambda text: None)

    def _end(self, end: End, side: Side, ledger: Ledger) -> ScopeEnd:
        system = end.system
        remote = self.a if system == "a" else self.b
        from syncline.connect.contract import Connection
        from syncline.connect.http import HttpClient

        session = MemoryConnector(system, remote).open(Connection(options={}, http=HttpClient()))
        catalogue = session.discover()
        found, nesting = find_remote(catalogue, end), nesting_of(catalogue, end)
        assert found is not None
        if nesting is not None:

            def known(parents: Sequence[str]) -> Sequence[str]:
                with self.database.read() as db:
                    return ledger.records_of_keys(db, side, parents)

            session = NestedSession(session, nesting, known)
        return ScopeEnd(system=system, remote=found, session=session, account=session.check())


def _modules(capabilities: dict[str, Any]) -> list[Any]:
    return [
        remote_module("people", RIGHT_FIELDS, **capabilities),
        remote_module(
            "contacts",
            (
                Field(name="name"),
                Field(name="email"),
                Field(name="of", type=FieldType.REFERENCE, reference=Reference(module="people")),
            ),
            **capabilities,
        ),
        remote_module("items", (Field(name="code"), Field(name="name")), **capabilities),
        remote_module("bills", BILL_FIELDS, **capabilities),
    ]
