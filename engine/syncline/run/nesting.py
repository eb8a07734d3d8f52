"""A session in which the items of a list are records: see :mod:`syncline.mapping.nesting`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from syncline.connect.contract import (
    Account,
    Catalogue,
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    SentWrite,
    Session,
    State,
    Write,
    WriteKind,
)
from syncline.connect.errors import AnswerLost, RemoteError
from syncline.mapping.nesting import (
    PARENT,
    Change,
    Nesting,
    change_items,
    find_item,
    find_made,
    items_of,
    parent_of,
)


class NestedSession(Session):
    """The session of one module whose records are items. ``known``: the items that are remembered of some
    parents: a remote tells that a list has changed, not which item of it is gone."""

    def __init__(
        self, inner: Session, nesting: Nesting, known: Callable[[Sequence[str]], Sequence[str]]
    ) -> None:
        self._inner = inner
        self._nesting = nesting
        self._known = known

    def organisations(self) -> Sequence[Organisation]:
        return self._inner.organisations()

    def check(self) -> Account:
        return self._inner.check()

    def discover(self) -> Catalogue:
        return self._inner.discover()

    def count(self, module: str) -> int | None:
        """Nobody counts the items of lists."""
        return None

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        nesting = self._nesting
        for page in self._inner.read(nesting.parent.name, cursor, nesting.wanted):
            records = [item for parent in page.records for item in items_of(nesting, parent)]
            if cursor is not None:  # a first read has nothing to miss
                there = {record.id for record in records}
                parents = [parent.id for parent in page.records]
                records += [_gone(item) for item in self._known(parents) if item not in there]
            yield replace(page, records=records)

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        wanted = set(ids)
        parents = self._parents([parent_of(item) for item in ids])
        return [
            item
            for parent in parents.values()
            for item in items_of(self._nesting, parent)
            if item.id in wanted
        ]

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Each parent is written once, with all that becomes of its items.

        One that moves to another parent is added there before it is taken away here: in between it is there
        twice rather than nowhere.
        """
        outcomes: dict[str, Outcome] = {}
        moving = [write for write in writes if moves(write)]
        staying = [write for write in writes if write not in moving]
        by_parent: dict[str, list[Write]] = {}
        for write in staying:
            by_parent.setdefault(_home(write), []).append(write)
        held = self._parents([*by_parent, *(parent_of(w.id or "") for w in moving)])
        arriving = self._arriving(moving, held, outcomes)
        for write in arriving:
            by_parent.setdefault(_home(write), []).append(write)
        held |= self._parents([parent for parent in by_parent if parent not in held])
        self._send(by_parent, held, outcomes)
        outcomes |= self._take_away(moving, outcomes)
        return [outcomes[write.key] for write in writes]

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        """Creates, and updates that hold the whole item: one that moves is looked for where it goes, and is
        taken away where it was. What one of them has made is not taken for what another has."""
        parents = self._parents([_home(one.write) for one in sent])
        found: dict[str, Outcome] = {}
        taken: set[str] = set()
        for write in (one.write for one in sent):
            parent = parents.get(_home(write))
            made = None if parent is None else find_made(self._nesting, parent, write, taken)
            if made is not None:
                taken.add(made.id)
                found[write.key] = _done(made)
        found |= self._take_away([one.write for one in sent if moves(one.write)], found)
        told = (found.get(one.write.key) for one in sent)
        return [None if outcome and outcome.kind is OutcomeKind.UNKNOWN else outcome for outcome in told]

    def _take_away(self, moving: Sequence[Write], arrived: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Take items away from where they were, if they have arrived where they go; what came of those moves.

        One that must stay is taken back from where it went, as nobody may be there twice.
        """
        there = {key for key, outcome in arrived.items() if outcome.kind is OutcomeKind.DONE}
        old = self._drop({write.key: write.id or "" for write in moving if write.key in there})
        told = {key: replace(each, record=None) for key, each in old.items() if not _is_done(each)}
        refused = {key: each for key, each in told.items() if each.kind is not OutcomeKind.UNKNOWN}
        back = self._drop({key: arrived[key].id or "" for key in refused})
        return told | {key: each for key, each in back.items() if not _is_done(each)}

    def _drop(self, items: Mapping[str, str]) -> dict[str, Outcome]:
        """Take away items (ids, by the key of a write). What cannot be sent is unknown, as it may be done."""
        by_parent: dict[str, list[Write]] = {}
        leaving = {key: f"{key} {item}" for key, item in items.items()}
        for key, item in items.items():
            leave = Write(kind=WriteKind.DELETE, key=leaving[key], id=item)
            by_parent.setdefault(parent_of(item), []).append(leave)
        outcomes: dict[str, Outcome] = {}
        try:
            self._send(by_parent, self._parents(list(by_parent)), outcomes)
        except AnswerLost:
            raise
        except RemoteError as error:
            unknown = Outcome(kind=OutcomeKind.UNKNOWN, message=error.what)
            outcomes = dict.fromkeys(leaving.values(), unknown) | outcomes
        return {key: outcomes[leave] for key, leave in leaving.items()}

    # --- parents -----------------------------------------------------------------------------------

    def _parents(self, ids: Sequence[str]) -> dict[str, Record]:
        """These parents as they are now, without those that are gone."""
        nesting, wanted = self._nesting, list(dict.fromkeys(filter(None, ids)))
        batch = max(1, nesting.parent.capabilities.read_ids_batch)
        return {
            record.id: record
            for start in range(0, len(wanted), batch)
            for record in self._inner.read_ids(
                nesting.parent.name, wanted[start : start + batch], nesting.wanted
            )
            if record.state is not State.DELETED
        }

    def _arriving(
        self, moving: Sequence[Write], held: dict[str, Record], outcomes: dict[str, Outcome]
    ) -> list[Write]:
        """Creates at their new parents for items that move; the outcome of one that is not there any more."""
        found = []
        for write in moving:
            parent = held.get(parent_of(write.id or ""))
            items = items_of(self._nesting, parent) if parent is not None else ()
            item = next((each for each in items if each.id == write.id), None)
            if item is None:
                outcomes[write.key] = _absent(write)
                continue
            closed = {field.name for field in self._nesting.list.fields if field.read_only}
            closed |= {self._nesting.list.item_id or ""}
            kept = {name: value for name, value in item.values.items() if name not in closed}
            found.append(Write(kind=WriteKind.CREATE, key=write.key, values={**kept, **write.values}))
        return found

    def _send(
        self, by_parent: dict[str, list[Write]], held: dict[str, Record], outcomes: dict[str, Outcome]
    ) -> None:
        nesting, changes = self._nesting, dict[str, Change]()
        for parent_id, writes in by_parent.items():
            parent = held.get(parent_id)
            if parent is None:
                outcomes |= {write.key: _absent(write) for write in writes}
                continue
            change = change_items(nesting, parent, writes)
            outcomes |= {write.key: _absent(write) for write in writes if write.key in change.gone}
            changes[parent_id] = change
        sent = [
            Write(
                kind=WriteKind.UPDATE,
                key=_key(by_parent[parent]),
                id=parent,
                values=change.values,
                version=held[parent].version,
                read_at=held[parent].modified,
            )
            for parent, change in changes.items()
            if change.values
        ]
        told: dict[str, Outcome] = {}
        batch = max(1, nesting.parent.capabilities.update_batch)
        for start in range(0, len(sent), batch):
            some = sent[start : start + batch]
            answers = self._inner.write(nesting.parent.name, some)
            told |= {str(write.id): outcome for write, outcome in zip(some, answers, strict=True)}
        stored = {i: o.record for i, o in told.items() if o.kind is OutcomeKind.DONE and o.record is not None}
        unseen = [i for i, o in told.items() if o.kind is OutcomeKind.DONE and i not in stored]
        stored |= self._parents(unseen)
        for parent_id, change in changes.items():
            answer = told.get(parent_id)
            for write in by_parent[parent_id]:
                if write.key in change.gone:
                    continue
                if answer is not None and answer.kind is not OutcomeKind.DONE:
                    outcomes[write.key] = replace(answer, id=write.id, record=None, field=None)
                    continue
                record = stored.get(parent_id) or held[parent_id]
                outcomes[write.key] = self._outcome(write, change, record)

    def _outcome(self, write: Write, change: Change, parent: Record) -> Outcome:
        place = change.places[write.key]
        if place is None:
            return Outcome(kind=OutcomeKind.DONE, id=write.id)
        item = find_item(self._nesting, parent, place)
        if item is None:  # the remote has put it elsewhere: its next read tells where
            item = find_made(self._nesting, parent, write)
        if item is None:
            return Outcome(
                kind=OutcomeKind.UNKNOWN, id=write.id, message="the stored list does not show the item"
            )
        return _done(item)


def moves(write: Write) -> bool:
    """Whether a write takes an item from the list of one record to that of another."""
    there = write.values.get(PARENT)
    return write.kind is WriteKind.UPDATE and there not in (None, parent_of(write.id or ""))


def _home(write: Write) -> str:
    """The parent whose item it is once the write is carried out."""
    return str(write.values.get(PARENT) or parent_of(write.id or ""))


def _is_done(outcome: Outcome) -> bool:
    """Whether nothing is left to do: what is to go and is gone already is as good."""
    return outcome.kind in (OutcomeKind.DONE, OutcomeKind.GONE)


def _key(writes: Sequence[Write]) -> str:
    """The same for the same writes, at most 64 characters."""
    return hashlib.sha256("\n".join(sorted(write.key for write in writes)).encode()).hexdigest()


def _gone(item: str) -> Record:
    return Record(id=item, version="", values={}, state=State.DELETED, key=parent_of(item))


def _done(item: Record) -> Outcome:
    return Outcome(kind=OutcomeKind.DONE, id=item.id, version=item.version, record=item)


def _absent(write: Write) -> Outcome:
    if write.kind is WriteKind.CREATE:
        return Outcome(kind=OutcomeKind.REFUSED, message="the record that it belongs to is gone", code="gone")
    return Outcome(kind=OutcomeKind.GONE, id=write.id, message="it is no longer in the list", code="gone")
