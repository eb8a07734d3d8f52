"""Connectors that break one promise each: a good one, wrapped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from syncline.connect.contract import (
    Account,
    Capabilities,
    Catalogue,
    Connection,
    Connector,
    Field,
    FieldType,
    Grant,
    Item,
    Items,
    Limits,
    OAuth,
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    Reference,
    RemoteModule,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
)
from syncline.connect.errors import (
    AnswerLost,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteUnavailable,
)
from syncline.connect.http import HttpClient
from syncline.connect.sandbox import Sandbox, SandboxSettings
from syncline.connect.waiting import Waiting


class Wrapped(Session):
    """Passes everything on; a mutant overrides what it breaks. ``shared``: one dict for all sessions of a
    connector."""

    def __init__(self, inner: Session, connection: Connection, shared: dict[Any, Any]) -> None:
        self.inner, self.connection, self.shared = inner, connection, shared

    def organisations(self) -> Sequence[Organisation]:
        return self.inner.organisations()

    def check(self) -> Account:
        return self.inner.check()

    def discover(self) -> Catalogue:
        return self.inner.discover()

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        return self.inner.read(module, cursor, fields)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        return self.inner.read_ids(module, ids, fields)

    def count(self, module: str) -> int | None:
        return self.inner.count(module)

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self.inner.write(module, writes)

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        return self.inner.settle(module, sent)

    def fields_of(self, module: str) -> tuple[Field, ...]:
        if "catalogue" not in self.shared:
            self.shared["catalogue"] = self.inner.discover()
        found = self.shared["catalogue"].module(module)
        return () if found is None else found.fields

    def token(self) -> str:
        sign_in = self.connection.http._sign_in
        assert sign_in is not None
        return sign_in.authorization().split()[-1]


class WrappedConnector(Connector):
    """A good connector whose sessions are of another class."""

    def __init__(self, inner: Connector, session: type[Wrapped] = Wrapped) -> None:
        self.inner, self.session = inner, session
        self.name, self.title, self.documentation = inner.name, inner.title, inner.documentation
        self.limits, self.options_schema = inner.limits, inner.options_schema
        self.shared: dict[Any, Any] = {}

    def catalogue(self) -> Catalogue:
        return self.inner.catalogue()

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return self.inner.oauth(options, callback)

    def open(self, connection: Connection) -> Session:
        return self.session(self.inner.open(connection), connection, self.shared)

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        return self.inner.sandbox(settings)


@dataclass(frozen=True)
class Mutant:
    """``breaks``: the promise that must fail. ``needs``: which connectors can be broken that way."""

    name: str
    breaks: str
    make: Callable[[Connector], Connector]
    needs: Callable[[RemoteModule], bool] = lambda module: True

    def fits(self, connector: Connector) -> bool:
        """Whether one module can be broken that way, and the promise applies to it at all."""
        applies = _APPLIES.get(self.breaks, lambda can: True)
        modules = [m for m in connector.catalogue().modules if not m.lookup]
        return any(self.needs(m) and applies(m.capabilities) for m in modules)


#: promises that are about batches or deletions, and what a remote must have for them to be tried
_APPLIES: Mapping[str, Callable[[Capabilities], bool]] = {
    "create-batch": lambda can: can.create_batch > 1,
    "one-bad": lambda can: can.create_batch > 1,
    "batch-lost": lambda can: can.create_batch > 1,
    "update-batch": lambda can: can.update_batch > 1,
    "deletions": lambda can: can.deletions,
}


MUTANTS: list[Mutant] = []
#: HTTP clients of mutants' own, for the test to close.
OPENED: list[HttpClient] = []


def mutant(
    *breaks: str, needs: Callable[[RemoteModule], bool] = lambda module: True
) -> Callable[[type[Any]], type[Any]]:
    """Enter a broken session or connector under every promise that must notice it."""

    def enter(kind: type[Any]) -> type[Any]:
        make = kind if issubclass(kind, Connector) else lambda inner: WrappedConnector(inner, kind)
        MUTANTS.extend(Mutant(kind.__name__, promise, make, needs) for promise in breaks)
        return kind

    return enter


def can(**wanted: Any) -> Callable[[RemoteModule], bool]:
    def check(module: RemoteModule) -> bool:
        held: Capabilities = module.capabilities
        return all(bool(getattr(held, name)) is value for name, value in wanted.items())

    return check


def has_items(module: RemoteModule) -> bool:
    return any(f.item_id and not f.read_only for f in module.fields)


def has_named_items(module: RemoteModule) -> bool:
    return any(f.item_key and not f.read_only for f in module.fields)


# --- what it says of itself --------------------------------------------------------------------------


@mutant("name")
class NameWithSpaces(WrappedConnector):
    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.name = "My Connector"


@mutant("options")
class LooseOptions(WrappedConnector):
    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.options_schema = {"type": "object", "properties": {}}


@mutant("options")
class InvalidOptions(WrappedConnector):
    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.options_schema = {"type": "object", "additionalProperties": False, "properties": {"a": 3}}


@mutant("limits")
class NoCallAtAll(WrappedConnector):
    def __init__(self, inner: Connector) -> None:
        super().__init__(inner)
        self.limits = Limits(concurrent=0)


class OddCatalogue(WrappedConnector):
    extra: Field

    def catalogue(self) -> Catalogue:
        first, *others = self.inner.catalogue().modules
        return Catalogue((replace(first, fields=(*first.fields, self.extra)), *others))


@mutant("catalogue")
class RequiredButReadOnly(OddCatalogue):
    extra = Field(name="Odd", required=True, read_only=True)


@mutant("catalogue")
class PointsNowhere(OddCatalogue):
    extra = Field(name="Odd", type=FieldType.REFERENCE, reference=Reference(module="Nowhere"))


@mutant("catalogue")
class NamesTwice(WrappedConnector):
    def catalogue(self) -> Catalogue:
        first, *others = self.inner.catalogue().modules
        return Catalogue((first, first, *others))


@mutant("sign-in-described")
class FixedTokenAddress(WrappedConnector):
    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return replace(self.inner.oauth(options, callback), token_url="https://login.example/token")


# --- signing in --------------------------------------------------------------------------------------


@mutant("sign-in", "bad-credentials")
class WrongTokenPath(WrappedConnector):
    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        found = self.inner.oauth(options, callback)
        return replace(found, token_url=found.token_url + "-elsewhere")


@mutant("sign-in")
class ClaimsEveryGrant(WrappedConnector):
    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return replace(self.inner.oauth(options, callback), grants=tuple(Grant))


@mutant("renewal")
class KnowsNoExpiry(WrappedConnector):
    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        return replace(self.inner.oauth(options, callback), expired_marks=())


@mutant("revoked")
class RemembersItsCheck(Wrapped):
    def check(self) -> Account:
        if "account" not in self.shared:
            self.shared["account"] = self.inner.check()
        found: Account = self.shared["account"]
        return found


@mutant("check")
class NamesAnother(Wrapped):
    def check(self) -> Account:
        return replace(self.inner.check(), organisation=Organisation(id="x", name="Somebody"))


@mutant("check")
class Talkative(Wrapped):
    def check(self) -> Account:
        for _ in range(3):
            self.inner.organisations()
        return self.inner.check()


@mutant("organisations")
class TellsOfNone(Wrapped):
    def organisations(self) -> Sequence[Organisation]:
        return [*self.inner.organisations()] * 2


@mutant("wrong-organisation")
class AnyOrganisation(WrappedConnector):
    def open(self, connection: Connection) -> Session:
        if connection.organisation is not None:
            known = self.inner.open(replace(connection, organisation=None)).organisations()
            connection = replace(connection, organisation=known[0])
        return super().open(connection)


@mutant("discover")
class DiscoversLess(Wrapped):
    def discover(self) -> Catalogue:
        return Catalogue(self.inner.discover().modules[1:])


# --- reading -----------------------------------------------------------------------------------------


class Paging(Wrapped):
    """Breaks pages as they go by."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        pages = self.inner.read(module, cursor, fields)
        return (replace(p, records=self.change(i, list(p.records))) for i, p in enumerate(pages))

    def change(self, place: int, records: list[Record]) -> list[Record]:
        return records


@mutant("read-many")
class DropsAPage(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [] if place == 1 else records


@mutant("read-all", "read-many")
class LosesTheEdge(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return records[:-1]


@mutant("read-all")
class Repeats(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return records + records[:1]


@mutant("read-all")
class MakesUpIds(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [replace(r, id=f"row-{n}") for n, r in enumerate(records)]


@mutant("read-all")
class MiscountsByOne(Wrapped):
    def count(self, module: str) -> int | None:
        return (self.inner.count(module) or 0) + 1


@mutant("read-all")
class NeverSaysLast(Wrapped):
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        return (replace(page, last=False) for page in self.inner.read(module, cursor, fields))


@mutant("lookups")
class RepeatsLookups(Paging):
    change = Repeats.change


def _mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(values, Mapping):
        return {name: _mapped(value, change) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_mapped(value, change) for value in values]
    return change(values)


class Reshaping(Paging):
    @staticmethod
    def leaf(value: Any) -> Any:
        return value

    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [replace(r, values=_mapped(r.values, self.leaf)) for r in records]


@mutant("form")
class Floats(Reshaping):
    @staticmethod
    def leaf(value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else value


@mutant("form")
class LocalTimes(Reshaping):
    @staticmethod
    def leaf(value: Any) -> Any:
        stamp = isinstance(value, str) and value.endswith("Z") and value[10:11] == "T"
        return value[:-1] + "+10:00" if stamp else value


@mutant("form")
class BlankTexts(Reshaping):
    @staticmethod
    def leaf(value: Any) -> Any:
        return "" if value is None else value


@mutant("form")
class NaiveModified(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [replace(r, modified=r.modified and r.modified.replace(tzinfo=None)) for r in records]


@mutant("fields")
class LeavesAFieldOut(Wrapped):
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        required = [f.name for f in self.fields_of(module) if f.required and f.type is FieldType.TEXT]
        texts = [f.name for f in self.fields_of(module) if f.type is FieldType.TEXT and not f.read_only]
        out = (required or texts)[:1]
        for page in self.inner.read(module, cursor, fields):
            records = [
                replace(r, values={k: v for k, v in r.values.items() if k not in out}) for r in page.records
            ]
            yield replace(page, records=records)


@mutant("resume")
class CursorAhead(Wrapped):
    """Each page tells the cursor of the one after it."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        pages = list(self.inner.read(module, cursor, fields))
        cursors = [page.cursor for page in pages[1:]] + [pages[-1].cursor]
        return (replace(page, cursor=ahead) for page, ahead in zip(pages, cursors, strict=True))


@mutant("resume")
class CursorFromTheStart(Wrapped):
    """No page but the last can be gone on from."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        for page in self.inner.read(module, None if cursor == "again" else cursor, fields):
            yield page if page.last else replace(page, cursor="again")


@mutant("moving")
class PagesByOffset(Wrapped):
    """Numbers the records afresh for every page."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        if cursor is not None:
            yield from self.inner.read(module, cursor, fields)
            return
        start, size, after = 0, 1500, None
        while True:
            records: list[Record] = []
            for page in self.inner.read(module, None, fields):
                records += [r for r in page.records if r.state is State.LIVE]
                last = page.cursor
            after = after or last
            records.sort(key=lambda r: (r.modified is not None, r.modified))
            done = start + size >= len(records)
            yield Page(records=records[start : start + size], cursor=after, last=done)
            if done:
                return
            start += size


@mutant("idle")
class IgnoresTheCursor(Wrapped):
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        return self.inner.read(module, None, fields)


@mutant("idle")
class AsksTooOften(Wrapped):
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        for _ in range(2):
            list(self.inner.read(module, cursor, fields))
        return self.inner.read(module, cursor, fields)


@mutant("changes", "deletions")
class SeesNoChange(Wrapped):
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        for page in self.inner.read(module, cursor, fields):
            yield page if cursor is None else replace(page, records=[])


@mutant("changes")
class ReadsStale(Wrapped):
    """Delivers a changed record as it was when it was first seen."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        for page in self.inner.read(module, cursor, fields):
            yield replace(page, records=[self.shared.setdefault((module, r.id), r) for r in page.records])


@mutant("same-second")
class SkipsTheEdge(Wrapped):
    """Asks for what is newer than the newest second it knows."""

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        edge = self.shared.get(module)
        newest = edge
        for page in self.inner.read(module, cursor, fields):
            kept = []
            for record in page.records:
                second = record.modified and record.modified.replace(microsecond=0)
                if cursor is None or edge is None or second is None or second > edge:
                    kept.append(record)
                newest = max(filter(None, (newest, second)), default=None)
            yield replace(page, records=kept)
        self.shared[module] = newest


@mutant("deletions", needs=can(deletions=True))
class ForgetsDeleted(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [r for r in records if r.state is not State.DELETED]


@mutant("archivals", needs=can(archive=True))
class ForgetsArchived(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [r for r in records if r.state is not State.ARCHIVED]


@mutant("by-id")
class ReadsIdsFromMemory(Wrapped):
    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        found = self.inner.read_ids(module, ids, fields)
        return [self.shared.setdefault((module, record.id), record) for record in found]


@mutant("by-id")
class MakesUpUnknown(Wrapped):
    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        found = {r.id: r for r in self.inner.read_ids(module, ids, fields)}
        return [found.get(i) or Record(id=i, version="0", values={}, state=State.DELETED) for i in ids]


@mutant("by-id")
class ReadsHalfTheIds(Wrapped):
    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        return list(self.inner.read_ids(module, ids, fields))[: max(len(ids) // 2, 1)]


# --- writing -----------------------------------------------------------------------------------------


class Judging(Wrapped):
    """Changes outcomes."""

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return [self.judge(o, w) for o, w in zip(self.inner.write(module, writes), writes, strict=True)]

    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        return outcome


@mutant("create", needs=can(idempotency_s=False))
class CreatesTwice(Wrapped):
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        if writes[0].kind is WriteKind.CREATE and "ready" in self.shared:
            self.inner.write(module, writes)
        self.shared["ready"] = True
        return self.inner.write(module, writes)


@mutant("create", "one-bad")
class SaysDoneWithoutId(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        seen = self.shared["n"] = self.shared.get("n", 0) + 1
        if seen < 4 and outcome.kind is OutcomeKind.DONE:
            return outcome
        return Outcome(kind=OutcomeKind.DONE)


@mutant("create-batch", "update-batch")
class OutcomesBackwards(Wrapped):
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return [*self.inner.write(module, writes)][::-1]


@mutant("create-batch")
class OtherVersions(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        return replace(outcome, version="soon")


@mutant("create-batch", needs=can(returns_stored=True))
class TellsWhatWasSent(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        if outcome.record is None:
            return outcome
        return replace(outcome, record=replace(outcome.record, values=write.values))


class Sending(Wrapped):
    """Changes writes."""

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self.inner.write(module, [self.send(module, write) for write in writes])

    def send(self, module: str, write: Write) -> Write:
        return write


@mutant("stored")
class DropsChoices(Sending):
    def send(self, module: str, write: Write) -> Write:
        names = {f.name for f in self.fields_of(module) if f.type in (FieldType.CHOICE, FieldType.DATE)}
        return replace(write, values={k: v for k, v in write.values.items() if k not in names})


@mutant("stored")
class Shouts(Sending):
    def send(self, module: str, write: Write) -> Write:
        if write.kind is WriteKind.CREATE:
            return write
        return replace(
            write, values={k: v.upper() if isinstance(v, str) else v for k, v in write.values.items()}
        )


@mutant("only-sent")
class WipesOtherFields(Sending):
    """Sends every plain text of the record, empty where nothing was said."""

    def send(self, module: str, write: Write) -> Write:
        if write.kind is not WriteKind.UPDATE:
            return write
        nothing = {f.name: None for f in self.fields_of(module) if f.type is FieldType.TEXT and _free(f)}
        return replace(write, values={**nothing, **write.values})


def _free(field: Field) -> bool:
    return not (field.read_only or field.required or field.unique or field.create_only)


@mutant("clearing")
class KeepsNothing(Sending):
    def send(self, module: str, write: Write) -> Write:
        return replace(write, values={k: v for k, v in write.values.items() if v is not None})


@mutant("same-key", needs=can(idempotency_s=True))
class ForgetsItsKeys(Sending):
    """A new key each time, and names that do not clash, or the remote itself would refuse the second."""

    def send(self, module: str, write: Write) -> Write:
        n = self.shared["n"] = self.shared.get("n", 0) + 1
        unique = {f.name for f in self.fields_of(module) if f.unique}
        values = {k: f"{v}{n}" if k in unique else v for k, v in write.values.items()}
        return replace(write, key=f"{write.key}-{n}", values=values)


@mutant("one-bad")
class AllOrNothing(Wrapped):
    """One bad record fails its whole batch."""

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        outcomes = self.inner.write(module, writes)
        bad = next((o for o in outcomes if o.kind is OutcomeKind.REFUSED), None)
        return outcomes if bad is None else [replace(bad, id=None) for _ in writes]


@mutant("one-bad")
class RaisesForOne(Wrapped):
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        outcomes = self.inner.write(module, writes)
        for outcome in outcomes:
            if outcome.kind is OutcomeKind.REFUSED:
                raise RemoteError(outcome.message)
        return outcomes


def _has_unique(module: RemoteModule) -> bool:
    return any(f.unique and not f.read_only for f in module.fields)


@mutant("taken", needs=_has_unique)
class TakenIsRefused(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        taken = outcome.kind is OutcomeKind.TAKEN
        return replace(outcome, kind=OutcomeKind.REFUSED) if taken else outcome


@mutant("gone")
class GoneIsRefused(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        gone = outcome.kind is OutcomeKind.GONE
        return replace(outcome, kind=OutcomeKind.REFUSED) if gone else outcome


@mutant("conditional", needs=can(conditional=True))
class Unconditional(Sending):
    def send(self, module: str, write: Write) -> Write:
        return replace(write, version=None, read_at=None)


class DoesNothing(Wrapped):
    kinds: tuple[WriteKind, ...] = ()

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        if writes[0].kind in self.kinds:
            return [Outcome(kind=OutcomeKind.DONE, id=w.id, version=w.version) for w in writes]
        return self.inner.write(module, writes)


@mutant("archive", needs=can(archive=True))
class ArchivesNothing(DoesNothing):
    kinds = (WriteKind.ARCHIVE,)


@mutant("archive", needs=can(archive=True))
class RestoresNothing(DoesNothing):
    kinds = (WriteKind.RESTORE,)


@mutant("void", needs=can(void=True))
class VoidsNothing(DoesNothing):
    kinds = (WriteKind.VOID,)


@mutant("void", needs=can(void=True))
class ForgetsVoids(Wrapped):
    """Voids, and then tells the document as one that counts."""

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        found = self.inner.read_ids(module, ids, fields)
        return [replace(r, state=State.LIVE) if r.state is State.VOIDED else r for r in found]


@mutant("void", needs=can(void=True))
class TellsVoidedAsDeleted(Paging):
    def change(self, place: int, records: list[Record]) -> list[Record]:
        return [replace(r, state=State.DELETED) if r.state is State.VOIDED else r for r in records]


@mutant("delete", needs=can(delete=True))
class DeletesNothing(DoesNothing):
    kinds = (WriteKind.DELETE,)


@mutant("update-batch")
class UpdatesNothing(DoesNothing):
    kinds = (WriteKind.UPDATE,)


@mutant("items-change", needs=has_items)
class ForgetsItemIds(Sending):
    def send(self, module: str, write: Write) -> Write:
        values = {k: self._bare(v) if isinstance(v, Items) else v for k, v in write.values.items()}
        return replace(write, values=values)

    @staticmethod
    def _bare(items: Items) -> Items:
        gone = (*items.removed, *(item.id for item in items.items if item.id is not None))
        return Items(items=tuple(Item(values=item.values) for item in items.items), removed=gone)


@mutant("items-change", needs=has_items)
class RemovesNothing(Sending):
    """Items to be removed are sent along as they are."""

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self.inner.write(module, [self._kept(module, write) for write in writes])

    def _kept(self, module: str, write: Write) -> Write:
        values = {
            name: Items(items=(*value.items, *(Item(id=i, values={}) for i in value.removed)))
            if isinstance(value, Items)
            else value
            for name, value in write.values.items()
        }
        return replace(write, values=values)


@mutant("items-stay", needs=has_items)
class RewritesItems(Sending):
    """Every update sends the items anew, without their ids."""

    def send(self, module: str, write: Write) -> Write:
        lists = [f for f in self.fields_of(module) if f.item_id and not f.read_only]
        if write.kind is not WriteKind.UPDATE or not lists or write.id is None:
            return write
        names = frozenset(f.name for f in self.fields_of(module))
        found = self.inner.read_ids(module, [write.id], names)
        values = dict(write.values)
        for field in lists:
            held = found[0].values.get(field.name) or [] if found else []
            known = {f.name for f in field.fields if not f.read_only}
            values.setdefault(
                field.name,
                Items(
                    items=tuple(
                        Item(values={k: v for k, v in i.items() if k in known and v is not None})
                        for i in held
                    ),
                    removed=tuple(str(i[field.item_id]) for i in held),
                ),
            )
        return replace(write, values=values)


@mutant("named-items", needs=has_named_items)
class ReplacesNamedItems(Sending):
    def send(self, module: str, write: Write) -> Write:
        values = dict(write.values)
        for field in self.fields_of(module):
            if field.item_key and field.name in values:
                name = next(f for f in field.fields if f.name == field.item_key)
                text = next(f for f in field.fields if f.type is FieldType.TEXT and f.name != field.item_key)
                named = {item[name.name] for item in values[field.name]}
                blanks = [{name.name: c, text.name: ""} for c in name.choices or () if c not in named]
                values[field.name] = [*values[field.name], *blanks]
        return replace(write, values=values)


# --- lost answers ------------------------------------------------------------------------------------


@mutant("lost-answer", "half-answer", "broken-answer", "error-after", "settle-batch", "batch-lost")
class SettlesNothing(Wrapped):
    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        return [None for _ in sent]


@mutant("never-arrived", "strangers")
class ClaimsTheNewest(Wrapped):
    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        found: list[Record] = []
        for page in self.inner.read(module, None, frozenset(f.name for f in self.fields_of(module))):
            found += page.records
        newest = max(found, key=lambda r: str(r.modified))
        return [Outcome(kind=OutcomeKind.DONE, id=newest.id) for _ in sent]


@mutant("settle-batch")
class SettlesBackwards(Wrapped):
    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        return [*self.inner.settle(module, sent)][::-1]


@mutant("lost-answer", "batch-lost", "half-answer", "broken-answer", "error-after")
class UnknownIsRetry(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        unknown = outcome.kind is OutcomeKind.UNKNOWN
        return replace(outcome, kind=OutcomeKind.RETRY) if unknown else outcome


@mutant("lost-answer")
class SendsAgain(Wrapped):
    """Repeats a create whose answer was lost, under another key."""

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        outcomes = self.inner.write(module, writes)
        if outcomes[0].kind is not OutcomeKind.UNKNOWN:
            return outcomes
        return self.inner.write(module, [replace(w, key=w.key + "-again") for w in writes])


@mutant("lost-answer", "batch-lost")
class RaisesAnswerLost(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        if outcome.kind is OutcomeKind.UNKNOWN:
            raise AnswerLost(outcome.message)
        return outcome


@mutant("batch-lost")
class OneOutcomeForAll(Wrapped):
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        outcomes = self.inner.write(module, writes)
        return outcomes[:1] if outcomes[0].kind is OutcomeKind.UNKNOWN else outcomes


@mutant("lost-update")
class LostUpdateRaises(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        if outcome.kind is OutcomeKind.UNKNOWN and write.kind is WriteKind.UPDATE:
            raise RemoteUnavailable(outcome.message)
        return outcome


@mutant("lost-update")
class LostUpdateIsRefused(Judging):
    def judge(self, outcome: Outcome, write: Write) -> Outcome:
        lost = outcome.kind is OutcomeKind.UNKNOWN and write.kind is WriteKind.UPDATE
        return replace(outcome, kind=OutcomeKind.REFUSED) if lost else outcome


@mutant("never-arrived", "create-refused")
class AlwaysDone(Wrapped):
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        try:
            outcomes = self.inner.write(module, writes)
        except RemoteError:
            return [Outcome(kind=OutcomeKind.DONE, id="?") for _ in writes]
        lost = (OutcomeKind.UNKNOWN, OutcomeKind.RETRY)
        return [replace(o, kind=OutcomeKind.DONE) if o.kind in lost else o for o in outcomes]


# --- calls that fail ---------------------------------------------------------------------------------


class OtherLine(WrappedConnector):
    """Puts another HTTP client in place of the engine's."""

    def line(self, http: HttpClient) -> Any:
        return http

    def open(self, connection: Connection) -> Session:
        return super().open(replace(connection, http=self.line(connection.http)))


class _Line:
    def __init__(self, http: HttpClient) -> None:
        self.http = http

    def request(self, method: str, url: str, **told: Any) -> Any:
        return self.http.request(method, url, **{**told, "repeatable": False})


@mutant("blips")
class NeverRepeats(OtherLine):
    def line(self, http: HttpClient) -> Any:
        return _Line(http)


@mutant("throttled")
class DoesNotWait(OtherLine):
    def line(self, http: HttpClient) -> Any:
        impatient = Waiting(sleep=lambda s: None)
        OPENED.append(HttpClient(limits=self.limits, sign_in=http._sign_in, waiting=impatient))
        return OPENED[-1]


class Raising(Wrapped):
    def turn(self, error: RemoteError) -> Exception:
        return error

    def check(self) -> Account:
        try:
            return self.inner.check()
        except RemoteError as error:
            raise self.turn(error) from error


@mutant("down", "unreachable", "nonsense", "refused-call", "quota", "revoked")
class RaisesItsOwn(Raising):
    def turn(self, error: RemoteError) -> Exception:
        return RuntimeError(error.what)


@mutant("quota")
class QuotaIsDown(Raising):
    def turn(self, error: RemoteError) -> Exception:
        return RemoteUnavailable(error.what) if isinstance(error, QuotaExhausted) else error


@mutant("down", "unreachable")
class DownMeansReconnect(Raising):
    def turn(self, error: RemoteError) -> Exception:
        return ReconnectNeeded(error.what)


@mutant("nonsense", "down", "refused-call")
class FailsToNothing(Wrapped):
    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        try:
            return self.inner.read_ids(module, ids, fields)
        except RemoteError:
            return []


# --- secrets -----------------------------------------------------------------------------------------


# An error and an outcome cannot leak what the engine knows to be secret: they mask it when they are made.


@mutant("secrets")
class LeaksIntoALog(Wrapped):
    def organisations(self) -> Sequence[Organisation]:
        logging.getLogger("vendor").debug("asking with %s", self.token())
        return self.inner.organisations()


@mutant("secrets")
class LeaksIntoARepr(Wrapped):
    def __repr__(self) -> str:
        return f"Session({self.token()})"
