"""Records made up from what a catalogue says of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from syncline.connect.conformance.bench import Bench, field_names
from syncline.connect.conformance.promise import Broken, NotApplicable
from syncline.connect.contract import (
    Field,
    FieldType,
    Item,
    Items,
    Outcome,
    OutcomeKind,
    Record,
    RemoteModule,
    SentWrite,
    State,
    Values,
    Write,
    WriteKind,
)

_SCALARS = frozenset(
    {
        FieldType.TEXT,
        FieldType.INTEGER,
        FieldType.DECIMAL,
        FieldType.BOOLEAN,
        FieldType.DATE,
        FieldType.INSTANT,
        FieldType.CHOICE,
    }
)
#: How full a made-up record is: what is required; references; lists and texts besides.
_LEVELS = 3
#: What a text field may insist on being, tried in this order.
TEXT_FORMS = (
    "{token}",
    "{lower}@kit.example",
    "+61 2 5550 {digits}",
    "http://kit.example/{lower}",
    "{digits}",
)
_TAG_TRIES = 8
_SHORTEST_TAG = 10


class Samples:
    """Makes records for one bench; every text in them is used once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._numbers = itertools.count(1)
        self._levels: dict[str, int] = {}
        self._tags: dict[str, Field] = {}
        self._known: dict[str, list[Record]] = {}
        self._referred: dict[str, int] = {}

    # --- whole records -----------------------------------------------------------------------------

    def new(self, module: RemoteModule) -> dict[str, Any]:
        """The values of a record that the remote takes. Raises NotApplicable when none can be derived."""
        if module.name not in self._levels:
            self._levels[module.name] = self._find_level(module)
        return self._compose(module, self._levels[module.name])

    def tagged(self, module: RemoteModule) -> tuple[dict[str, Any], str]:
        """Like :meth:`new`, with a text of its own in the field of :meth:`tag`, and that text."""
        field = self.tag(module)
        text = self.text(field)
        return {**self.new(module), field.name: text}, text

    def tag(self, module: RemoteModule) -> Field:
        """A text field that takes free text and may be edited. Raises NotApplicable when there is none."""
        if module.name not in self._tags:
            self._tags[module.name] = self._find_tag(module)
        return self._tags[module.name]

    def make(self, module: RemoteModule, values: Values | None = None) -> Record:
        """Create a record through the connector and read it back; raises NotApplicable when that fails:
        creating has promises of its own."""
        outcome = self.create(module, self.new(module) if values is None else values)
        if outcome.kind is not OutcomeKind.DONE or outcome.id is None:
            raise NotApplicable(f"no record could be created to begin with: {told(outcome)}")
        record = self.bench.read_one(module, outcome.id)
        if record is None:
            raise NotApplicable("a record that was created for this could not be read")
        return record

    def make_many(self, module: RemoteModule, count: int) -> list[Record]:
        """Create ``count`` records in as few calls as the capability allows, in order."""
        batch = max(module.capabilities.create_batch, 1)
        ids: list[str] = []
        for start in range(0, count, batch):
            writes = [
                self.write(WriteKind.CREATE, values=self.new(module))
                for _ in range(min(batch, count - start))
            ]
            for outcome in self.bench.session.write(module.name, writes):
                if outcome.kind is not OutcomeKind.DONE or outcome.id is None:
                    raise NotApplicable(f"no records could be created to begin with: {told(outcome)}")
                ids.append(outcome.id)
        found = self.read_many(module, ids)
        if any(record_id not in found for record_id in ids):
            raise NotApplicable("records that were created for this could not be read")
        return [found[record_id] for record_id in ids]

    def read_many(self, module: RemoteModule, ids: list[str]) -> dict[str, Record]:
        batch = max(module.capabilities.read_ids_batch, 1)
        found: dict[str, Record] = {}
        for start in range(0, len(ids), batch):
            part = ids[start : start + batch]
            for record in self.bench.session.read_ids(module.name, part, field_names(module)):
                found[record.id] = record
        return found

    def create(self, module: RemoteModule, values: Values) -> Outcome:
        return self.bench.session.write(module.name, [self.write(WriteKind.CREATE, values=values)])[0]

    def write(
        self,
        kind: WriteKind,
        *,
        values: Values | None = None,
        record: Record | None = None,
        record_id: str | None = None,
    ) -> Write:
        """A write with a key of its own; of a record as it was read just now."""
        return Write(
            kind=kind,
            key=f"kit-{next(self._numbers):06d}",
            id=record.id if record is not None else record_id,
            values=values or {},
            version=record.version if record is not None else None,
            read_at=self.bench.now() if record is not None else None,
        )

    def sent(self, write: Write) -> SentWrite:
        """The write as sent just now, its answer lost."""
        return SentWrite(write=write, sent_at=self.bench.now())

    def known(self, module: RemoteModule) -> list[Record]:
        """Live records that nothing forbids to change, off the first pages of a read."""
        if module.name not in self._known:
            found: list[Record] = []
            for page in self.bench.pages(module):
                found += [r for r in page.records if r.state is State.LIVE and r.lock is None]
                if len(found) >= 20:
                    break
            self._known[module.name] = found
        return self._known[module.name]

    # --- single values -----------------------------------------------------------------------------

    def text(self, field: Field, form: str = TEXT_FORMS[0]) -> str:
        """A text that occurs nowhere else, no longer than the field takes."""
        number = next(self._numbers)
        token = f"Kit{number:05d}"
        value = form.format(token=token, lower=token.lower(), digits=f"{number:04d}")
        return value if field.max_length is None else value[-field.max_length :]

    def values_of(self, field: Field, before: Any = None) -> Iterator[Any]:
        """Values to try in a scalar field, all unlike the one it holds, the likeliest first."""
        for value in self._likely(field):
            if value != before:
                yield value

    def _likely(self, field: Field) -> Iterator[Any]:
        match field.type:
            case FieldType.TEXT:
                for form in TEXT_FORMS:
                    yield self.text(field, form)
            case FieldType.INTEGER:
                yield from (7, 11)
            case FieldType.DECIMAL:
                yield Decimal("12.5") if field.places is None or field.places else Decimal(12)
                yield from (Decimal(3), Decimal(1))
            case FieldType.BOOLEAN:
                yield from (True, False)
            case FieldType.DATE:
                day = self.bench.now().date()
                yield (day + timedelta(days=9)).isoformat()
                yield (day - timedelta(days=9)).isoformat()
            case FieldType.INSTANT:
                moment = self.bench.now() + timedelta(days=9)
                yield moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            case FieldType.CHOICE:
                yield from (field.choices or ())[:5]

    def reference(self, field: Field) -> Any:
        """The form in which the remote takes a reference to a record it has, ``None`` when it has none. Of a
        unique field, another record each time."""
        target = field.reference
        if target is None:
            return None
        module = self.bench.catalogue.module(target.module)
        if module is None:
            return None
        found = [
            identity
            for record in self.known(module)
            if target.where is None or record.values.get(target.where[0]) == target.where[1]
            if (identity := record.key if target.by == "key" else record.id) is not None
        ]
        if not found:
            return None
        place = self._referred.get(field.name, 0) if field.unique else 0
        self._referred[field.name] = place + 1
        identity = found[place % len(found)]
        return {target.path: identity} if target.path else identity

    def item(self, field: Field, text: str | None = None) -> dict[str, Any]:
        """The values of one item of a list, its first free text being ``text``."""
        values: dict[str, Any] = {}
        for inner in field.fields:
            if inner.read_only:
                continue
            if inner.type is FieldType.REFERENCE:
                reference = self.reference(inner)
                if reference is not None:
                    values[inner.name] = reference
            elif inner.type is FieldType.TEXT and (text_field(field) is inner or inner.required):
                values[inner.name] = text if text_field(field) is inner and text else self.text(inner)
            elif inner.required:
                values[inner.name] = next(self.values_of(inner), None)
        return values

    # --- finding what the remote takes -------------------------------------------------------------

    def _compose(self, module: RemoteModule, level: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field in module.fields:
            if field.read_only:
                continue
            value = self._filled(field, level)
            if value is not None:
                values[field.name] = value
        return values

    def _filled(self, field: Field, level: int) -> Any:
        if field.type in _SCALARS:
            wanted = field.required or (level >= 2 and field.type is FieldType.TEXT and field.unique)
            return next(self.values_of(field), None) if wanted else None
        if field.type is FieldType.REFERENCE:
            return self.reference(field) if field.required or level >= 1 else None
        if field.type is FieldType.LIST:
            if not (field.required or (level >= 2 and field.item_id is not None)):
                return None
            item = self.item(field)
            return Items(items=(Item(values=item),)) if field.item_id is not None else [item]
        if field.required:
            inner = {f.name: self._filled(f, level) for f in field.fields if not f.read_only}
            return {name: value for name, value in inner.items() if value is not None}
        return None

    def _find_level(self, module: RemoteModule) -> int:
        if not module.capabilities.create_batch:
            raise NotApplicable("records of this module cannot be created")
        said = ""
        for level in range(_LEVELS):
            outcome = self.create(module, self._compose(module, level))
            if outcome.kind is OutcomeKind.DONE:
                self._expect_made(module, outcome)
                return level
            said = told(outcome)
        raise NotApplicable(f"no record that the remote takes can be derived from the catalogue: {said}")

    def _expect_made(self, module: RemoteModule, outcome: Outcome) -> Mapping[str, Any]:
        """A DONE that made nothing must not pass for a remote that takes nothing."""
        row = self.row(module, outcome.id) if outcome.id else None
        if row is None:
            raise Broken("a create that is DONE to have made the record it names", "the remote has none")
        return row

    def _find_tag(self, module: RemoteModule) -> Field:
        texts = [
            f
            for f in module.fields
            if f.type is FieldType.TEXT and not f.read_only and not f.create_only and not f.unique
            and (f.max_length is None or f.max_length >= _SHORTEST_TAG)
        ]  # fmt: skip
        texts.sort(key=lambda f: f.required)
        for field in texts[:_TAG_TRIES]:
            text = self.text(field)
            outcome = self.create(module, {**self.new(module), field.name: text})
            if outcome.kind is not OutcomeKind.DONE:
                continue
            if json.dumps(text) in json.dumps(self._expect_made(module, outcome), default=str):
                return field
        raise NotApplicable("no text field of the catalogue takes free text")

    def row(self, module: RemoteModule, record_id: str) -> Mapping[str, Any] | None:
        """What the remote itself holds under an id, past the connector."""
        return next((r for r in self.bench.rows(module) if record_id in top_texts(r)), None)


def top_texts(row: Mapping[str, Any]) -> set[str]:
    """The texts at the top of a row, its id among them."""
    return {value for value in row.values() if isinstance(value, str)}


def scalars(module: RemoteModule) -> list[Field]:
    """The top-level fields of one plain value that an update may set."""
    return [f for f in module.fields if f.type in _SCALARS and not f.read_only and not f.create_only]


def text_field(field: Field) -> Field | None:
    """The first free text of a list's items."""
    return next(
        (
            f
            for f in field.fields
            if f.type is FieldType.TEXT and not f.read_only and f.name != field.item_key and not f.unique
        ),
        None,
    )


def told(outcome: Outcome) -> str:
    """An outcome in words."""
    where = f" (field {outcome.field})" if outcome.field else ""
    return f"{outcome.kind.value}{where}: {outcome.message or outcome.code or 'no message'}"
