"""Writing: what was asked and nothing else, with a true outcome for each record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect.conformance.promise import (
    Broken,
    Case,
    Chapter,
    Level,
    NotApplicable,
    World,
    expect,
)
from syncline.connect.conformance.samples import scalars, told, top_texts
from syncline.connect.conformance.signing_in import unknown_id
from syncline.connect.contract import (
    Field,
    FieldType,
    Outcome,
    OutcomeKind,
    Record,
    RemoteModule,
    State,
    Values,
    WriteKind,
)

WRITING = Chapter(Level.WRITES)
_BATCH = 5
_TRIES = 5
_A_WHILE_S = 10.0


@WRITING.promise(
    "create", "A create stores one record and answers with its id.", world=World.SMALL, by_module=True
)
def check_create(case: Case) -> None:
    values, text = case.samples.tagged(case.module)
    before = len(case.bench.rows(case.module))
    outcome = case.samples.create(case.module, values)
    record = _done(case, outcome)
    field = case.samples.tag(case.module).name
    expect(
        record.values.get(field) == text,
        f"{field} as it was sent",
        f"it is {record.values.get(field)!r:.40}",
    )
    made = len(case.bench.rows(case.module)) - before
    expect(made == 1, "one more record at the remote", f"there are {made} more")


@WRITING.promise(
    "create-batch",
    "A batch of creates gives one outcome a write, in order, with the version that reads give.",
    world=World.SMALL,
    by_module=True,
)
def check_create_batch(case: Case) -> None:
    module, samples = case.module, case.samples
    if module.capabilities.create_batch < 2:
        raise NotApplicable("its records are created one by one")
    field = samples.tag(module).name
    made = [samples.tagged(module) for _ in range(min(module.capabilities.create_batch, _BATCH))]
    # Keys in an order of their own, so that a connector that sorts must sort back.
    writes = [samples.write(WriteKind.CREATE, values=values) for values, _ in made]
    writes = [replace(w, key=f"kit-{k:02d}-{w.key}") for w, k in zip(writes, (3, 1, 4, 2, 0), strict=False)]
    outcomes = case.bench.session.write(module.name, writes)
    expect(len(outcomes) == len(writes), f"{len(writes)} outcomes", f"there were {len(outcomes)}")
    for (_, text), outcome in zip(made, outcomes, strict=True):
        record = _done(case, outcome)
        expect(
            record.values.get(field) == text,
            "each outcome at the place of its write",
            f"the record of {text!r} holds {record.values.get(field)!r:.40}",
        )
        if outcome.version is not None:
            expect(
                outcome.version == record.version,
                "the version that a read gives",
                f"the outcome says {outcome.version!r}, the read {record.version!r}",
            )
        if not module.capabilities.returns_stored:
            continue
        if outcome.record is None:
            raise Broken("the stored record in the outcome, as returns_stored promises", "there is none")
        expect(
            _without_nothing(outcome.record.values) == _without_nothing(record.values),
            "the outcome's record to be what a read gives",
            _first_difference(outcome.record.values, record.values),
        )


class _Trial(Struct, frozen=True):
    """One field set on one record: as it was before, what was sent, and what became of it."""

    field: Field
    before: Record
    value: Any
    after: Record


@WRITING.promise(
    "stored",
    "What is written to a plain field comes back by the next read, whatever its type.",
    world=World.SMALL,
    by_module=True,
)
def check_stored(case: Case) -> None:
    for trial in _set_each(case):
        got = trial.after.values.get(trial.field.name)
        if same(trial.field, trial.value, got):
            continue
        fate = _fate(case, trial)
        if fate is None:
            case.note(f"{trial.field.name}: the remote stores {got!r:.30} for {trial.value!r:.30}")
            continue
        raise Broken(f"{trial.field.name} to be {trial.value!r:.40}", f"it is {got!r:.40}: {fate}")


@WRITING.promise(
    "only-sent", "An update changes the fields it names and no other.", world=World.SMALL, by_module=True
)
def check_only_sent(case: Case) -> None:
    module, samples = case.module, case.samples
    follows: dict[str, int] = {}
    trials = _set_each(case)
    for trial in trials:
        for name in _changed(module, trial.before, trial.after, trial.field.name):
            follows[name] = follows.get(name, 0) + 1
    # A remote may derive one field from another; one that follows every write is wiped or made up.
    always = [n for n, times in follows.items() if len(trials) > 2 and times >= len(trials) - 1]
    expect(not always, "other fields to stay", f"{', '.join(always)} changed with every write")
    # Records of the made-up business have much in them that a careless write would wipe.
    field = samples.tag(module)
    known = samples.known(module)[:_BATCH]
    if not known:
        case.note("the sandbox holds no filled records, so only new ones were tried")
    case.bench.advance(_A_WHILE_S)
    for record in samples.read_many(module, [r.id for r in known]).values():
        write = samples.write(WriteKind.UPDATE, values={field.name: samples.text(field)}, record=record)
        outcome = case.bench.session.write(module.name, [write])[0]
        expect(outcome.kind is OutcomeKind.DONE, "the update to be done", f"it was {told(outcome)}")
        after = case.bench.read_one(module, record.id)
        if after is None:
            raise Broken("an updated record to be there", "it is gone")
        changed = _changed(module, record, after, field.name)
        expect(
            not changed,
            f"a write of {field.name} to leave the rest of record {record.id} alone",
            f"{', '.join(changed)} changed as well",
        )


def _changed(module: RemoteModule, before: Record, after: Record, but: str) -> list[str]:
    """The fields that an update may set and that differ between two readings."""
    return [
        f.name
        for f in module.fields
        if not f.read_only
        and f.name != but
        and _without_nothing(before.values.get(f.name)) != _without_nothing(after.values.get(f.name))
    ]


@WRITING.promise(
    "clearing", "None in an update empties a field that holds text.", world=World.SMALL, by_module=True
)
def check_clearing(case: Case) -> None:
    module, samples = case.module, case.samples
    trials = [
        t for t in _set_each(case) if not t.field.required and t.after.values.get(t.field.name) is not None
    ]
    if not trials:
        raise NotApplicable("no field that is not required could be set to begin with")
    for part in _batches(trials, module.capabilities.update_batch):
        writes = [samples.write(WriteKind.UPDATE, values={t.field.name: None}, record=t.after) for t in part]
        outcomes = case.bench.session.write(module.name, writes)
        after = samples.read_many(module, [t.after.id for t in part])
        for trial, outcome in zip(part, outcomes, strict=True):
            name = trial.field.name
            if outcome.kind is OutcomeKind.REFUSED:
                case.note(f"{name} cannot be emptied: {outcome.message}")
                continue
            expect(outcome.kind is OutcomeKind.DONE, f"{name} to be emptied", f"it was {told(outcome)}")
            left = after[trial.after.id].values.get(name)
            if left in (None, ""):
                continue
            expect(
                trial.field.type is not FieldType.TEXT, f"{name} to be empty", f"it still holds {left!r:.40}"
            )
            case.note(f"{name} ({trial.field.type.value}) stays {left!r:.30} when it is written as None")


@WRITING.promise(
    "update-batch",
    "A batch of updates changes each record as its own write says, with outcomes in order.",
    world=World.SMALL,
    by_module=True,
)
def check_update_batch(case: Case) -> None:
    module, samples = case.module, case.samples
    if not module.capabilities.update_batch:
        raise NotApplicable("its records cannot be updated")
    field = samples.tag(module)
    records = samples.make_many(module, min(module.capabilities.update_batch, _BATCH))
    case.bench.advance(_A_WHILE_S)
    texts = [samples.text(field) for _ in records]
    writes = [
        samples.write(WriteKind.UPDATE, values={field.name: text}, record=record)
        for record, text in zip(records, texts, strict=True)
    ]
    outcomes = case.bench.session.write(module.name, writes)
    expect(len(outcomes) == len(writes), f"{len(writes)} outcomes", f"there were {len(outcomes)}")
    for record, text, outcome in zip(records, texts, outcomes, strict=True):
        expect(outcome.kind is OutcomeKind.DONE, "the update to be done", f"it was {told(outcome)}")
        expect(
            outcome.id == record.id,
            "each outcome at the place of its write",
            f"that of {record.id} names {outcome.id}",
        )
        after = case.bench.read_one(module, record.id)
        said = None if after is None else after.values.get(field.name)
        expect(said == text, f"{field.name} to be {text!r}", f"it is {said!r:.40}")


@WRITING.promise(
    "same-key",
    "Where idempotency is declared, a create that is sent again makes no second record.",
    world=World.SMALL,
    by_module=True,
)
def check_same_key(case: Case) -> None:
    module, samples = case.module, case.samples
    if not module.capabilities.idempotency_s:
        raise NotApplicable("the remote remembers no keys")
    values, _ = samples.tagged(module)
    write = samples.write(WriteKind.CREATE, values=values)
    before = len(case.bench.rows(module))
    first = case.bench.session.write(module.name, [write])[0]
    _done(case, first)
    again = case.bench.session.write(module.name, [write])[0]
    made = len(case.bench.rows(module)) - before
    expect(made == 1, "one record of the two calls", f"there are {made}")
    expect(
        again.kind is OutcomeKind.DONE and again.id == first.id,
        "the first record's outcome again",
        f"it was {told(again)} with id {again.id}",
    )


@WRITING.promise(
    "one-bad",
    "A record that the remote refuses fails alone: the others of its batch are stored.",
    world=World.SMALL,
    by_module=True,
)
def check_one_bad(case: Case) -> None:
    module, samples = case.module, case.samples
    if module.capabilities.create_batch < 2:
        raise NotApplicable("its records are created one by one")
    field = samples.tag(module).name
    for what, spoil in _spoilers(case):
        made = [samples.tagged(module) for _ in range(3)]
        bad = spoil(made[1][0])
        batch = [made[0][0], bad, made[2][0]]
        writes = [samples.write(WriteKind.CREATE, values=values) for values in batch]
        before = len(case.bench.rows(module))
        outcomes = case.bench.session.write(module.name, writes)
        expect(len(outcomes) == 3, "3 outcomes", f"there were {len(outcomes)}")
        stored = len(case.bench.rows(module)) - before
        if stored == 3 and outcomes[1].kind is OutcomeKind.DONE:
            continue  # this remote takes it; another flaw may tell
        expect(
            outcomes[1].kind is OutcomeKind.REFUSED,
            f"a record with {what} to be refused",
            f"its outcome is {told(outcomes[1])}",
        )
        expect(bool(outcomes[1].message), "the remote's words in the refusal", "there are none")
        for place in (0, 2):
            record = _done(case, outcomes[place])
            expect(
                record.values.get(field) == made[place][1],
                "the good records under their own outcomes",
                f"record {place} holds {record.values.get(field)!r:.40}",
            )
        expect(stored == 2, "the two good records at the remote", f"there are {stored} more")
        return
    raise NotApplicable("the remote refused nothing that the catalogue says it should")


@WRITING.promise(
    "taken", "A unique value that another record holds gives TAKEN.", world=World.SMALL, by_module=True
)
def check_taken(case: Case) -> None:
    module, samples = case.module, case.samples
    unique = [f for f in module.fields if f.unique and not f.read_only and f.type is FieldType.TEXT]
    if not unique:
        raise NotApplicable("the catalogue has no unique text field that can be written")
    tried = 0
    for field in unique:
        value = samples.text(field)
        first = samples.create(module, {**samples.new(module), field.name: value})
        if first.kind is not OutcomeKind.DONE:
            case.note(f"{field.name} takes no text of ours: {told(first)}")
            continue
        before = len(case.bench.rows(module))
        outcome = samples.create(module, {**samples.new(module), field.name: value})
        expect(
            outcome.kind is OutcomeKind.TAKEN, f"TAKEN for {field.name}", f"the outcome is {told(outcome)}"
        )
        expect(
            outcome.other_id in (None, first.id), "other_id to name the holder", f"it is {outcome.other_id}"
        )
        made = len(case.bench.rows(module)) - before
        expect(made == 0, "no record to be made", f"there are {made} more")
        tried += 1
    if not tried:
        raise NotApplicable("no unique field could be filled to begin with")


@WRITING.promise(
    "gone", "An update of a record that no longer exists gives GONE.", world=World.SMALL, by_module=True
)
def check_gone(case: Case) -> None:
    module, samples = case.module, case.samples
    if not module.capabilities.update_batch:
        raise NotApplicable("its records cannot be updated")
    field = samples.tag(module)
    record = samples.make(module)
    write = samples.write(
        WriteKind.UPDATE, values={field.name: samples.text(field)}, record_id=unknown_id(record.id)
    )
    outcome = case.bench.session.write(module.name, [write])[0]
    expect(outcome.kind is OutcomeKind.GONE, "GONE", f"the outcome is {told(outcome)}")


@WRITING.promise(
    "conditional",
    "Where updates are conditional, one decided on an older version gives CONFLICT and changes nothing.",
    world=World.SMALL,
    by_module=True,
)
def check_conditional(case: Case) -> None:
    bench, module, samples = case.bench, case.module, case.samples
    if not module.capabilities.conditional:
        raise NotApplicable("its capabilities do not claim conditional updates")
    field = samples.tag(module)
    made = samples.make(module)
    bench.advance(_A_WHILE_S)
    record = bench.read_one(module, made.id)
    assert record is not None
    stale = samples.write(WriteKind.UPDATE, values={field.name: samples.text(field)}, record=record)
    bench.advance(_A_WHILE_S)
    theirs = samples.text(field)
    try:
        bench.act("update", module, made.id, {field.name: theirs})
    except (KeyError, ValueError) as error:
        raise NotApplicable(f"no person could edit {field.name} in the sandbox ({error})") from error
    bench.advance(_A_WHILE_S)
    outcome = bench.session.write(module.name, [stale])[0]
    expect(outcome.kind is OutcomeKind.CONFLICT, "CONFLICT", f"the outcome is {told(outcome)}")
    fresh = bench.read_one(module, made.id)
    said = None if fresh is None else fresh.values.get(field.name)
    expect(said == theirs, "the person's edit to stand", f"{field.name} is {said!r:.40}")
    assert fresh is not None
    again = samples.write(WriteKind.UPDATE, values={field.name: samples.text(field)}, record=fresh)
    outcome = bench.session.write(module.name, [again])[0]
    expect(
        outcome.kind is OutcomeKind.DONE,
        "an update decided on the version of now to be done",
        f"the outcome is {told(outcome)}",
    )


@WRITING.promise(
    "archive",
    "Records can be archived and restored where that is declared.",
    world=World.SMALL,
    by_module=True,
)
def check_archive(case: Case) -> None:
    if not case.module.capabilities.archive:
        raise NotApplicable("its records cannot be archived")
    record = case.samples.make(case.module)
    for kind, state in ((WriteKind.ARCHIVE, State.ARCHIVED), (WriteKind.RESTORE, State.LIVE)):
        case.bench.advance(_A_WHILE_S)
        write = case.samples.write(kind, record=case.bench.read_one(case.module, record.id))
        outcome = case.bench.session.write(case.module.name, [write])[0]
        expect(outcome.kind is OutcomeKind.DONE, f"{kind.value} to be done", f"it was {told(outcome)}")
        after = case.bench.read_one(case.module, record.id)
        seen = "gone" if after is None else after.state.value
        expect(seen == state.value, f"the record to be {state.value} after {kind.value}", f"it is {seen}")


@WRITING.promise(
    "void",
    "Where that is declared, a document that counts can be voided: it stays, is told as voided, and nothing"
    " else ends.",
    world=World.SMALL,
    by_module=True,
)
def check_void(case: Case) -> None:
    """What never counted may be ended in whatever way the remote has, and what the remote refuses to void (it
    was paid) stays as it was."""
    module, bench = case.module, case.bench
    if not module.capabilities.void:
        raise NotApplicable("its records cannot be voided")
    documents = _documents(case)
    if not documents:
        raise NotApplicable("there is no document to void")
    bystander = next((r for r in case.samples.known(module) if r.id not in documents), None)
    voided, cursor = 0, bench.read(module)[1]
    for document in documents:
        bench.advance(_A_WHILE_S)
        before = bench.read_one(module, document)
        outcome = bench.session.write(module.name, [case.samples.write(WriteKind.VOID, record=before)])[0]
        after = bench.read_one(module, document)
        state = State.DELETED if after is None else after.state
        if outcome.kind is not OutcomeKind.DONE:
            kept = before is not None and after is not None and state is before.state
            expect(kept, "a document whose void is refused to stay", f"it is {state.value}")
            continue
        expect(
            state in (State.VOIDED, State.DELETED), "a void that is done to end it", f"it is {state.value}"
        )
        if state is State.VOIDED and before is not None and after is not None:
            voided += 1
            lost = [n for n, value in before.values.items() if value and n not in after.values]
            expect(not lost, "a voided document to tell its values", f"{', '.join(lost[:3])} are missing")
    if not voided:
        raise NotApplicable("no document that counts could be found or made")
    if bystander is not None:
        now = bench.read_one(module, bystander.id)
        expect(now is not None and now.state is State.LIVE, "other documents to stay", "another one ended")
    if module.capabilities.incremental:
        delivered = {record.id: record.state for record in bench.read(module, cursor)[0]}
        found = list(delivered.values()).count(State.VOIDED)
        expect(found >= voided, f"{voided} to be delivered as voided", f"{found} were")


def _documents(case: Case) -> list[str]:
    """The ids of documents in different states: those that the sandbox holds, a new one, and new ones that a
    write has brought to each state that may follow."""
    module, samples = case.module, case.samples
    states = [field for field in module.fields if field.moves is not None]
    different = {
        tuple(record.values.get(f.name) for f in states): record.id for record in samples.known(module)
    }
    found = list(different.values())[:4]
    if not module.capabilities.create_batch:
        return found
    new = samples.make(module)
    found.append(new.id)
    for field in states:
        for state in (field.moves or {}).get(str(new.values.get(field.name)), ())[:3]:
            record = case.bench.read_one(module, samples.make(module).id)
            write = samples.write(WriteKind.UPDATE, values={field.name: state}, record=record)
            outcome = case.bench.session.write(module.name, [write])[0]
            if record is not None and outcome.kind is OutcomeKind.DONE:
                found.append(record.id)
    return found


@WRITING.promise(
    "delete", "Records can be deleted where that is declared.", world=World.SMALL, by_module=True
)
def check_delete(case: Case) -> None:
    module, samples = case.module, case.samples
    if not module.capabilities.delete:
        raise NotApplicable("its records cannot be deleted")
    record, other = samples.make_many(module, 2)
    case.bench.advance(_A_WHILE_S)
    write = samples.write(WriteKind.DELETE, record=case.bench.read_one(module, record.id))
    outcome = case.bench.session.write(module.name, [write])[0]
    expect(outcome.kind is OutcomeKind.DONE, "the delete to be done", f"it was {told(outcome)}")
    after = case.bench.read_one(module, record.id)
    expect(
        after is None or after.state is State.DELETED,
        "the record to be gone",
        f"it is {after.state.value if after else ''}",
    )
    expect(case.bench.read_one(module, other.id) is not None, "other records to stay", "another one is gone")
    again = samples.write(WriteKind.DELETE, record_id=record.id)
    outcome = case.bench.session.write(module.name, [again])[0]
    expect(
        outcome.kind in (OutcomeKind.DONE, OutcomeKind.GONE),
        "GONE (or DONE) for a second delete",
        f"it was {told(outcome)}",
    )


# --- one field at a time -----------------------------------------------------------------------------


def _set_each(case: Case) -> list[_Trial]:
    """Set each plain field on a record of its own; fields that take nothing of ours are noted."""
    module, samples = case.module, case.samples
    if not module.capabilities.update_batch:
        raise NotApplicable("its records cannot be updated")
    fields = scalars(module)
    records = dict(zip((f.name for f in fields), samples.make_many(module, len(fields)), strict=True))
    case.bench.advance(_A_WHILE_S)
    values = {f.name: samples.values_of(f, records[f.name].values.get(f.name)) for f in fields}
    trials: list[_Trial] = []
    refused: dict[str, str] = {}
    waiting = fields
    for _ in range(_TRIES):
        chosen = [(f, v) for f in waiting if (v := next(values[f.name], None)) is not None]
        waiting = []
        for part in _batches(chosen, module.capabilities.update_batch):
            writes = [
                samples.write(WriteKind.UPDATE, values={f.name: value}, record=records[f.name])
                for f, value in part
            ]
            outcomes = case.bench.session.write(module.name, writes)
            expect(len(outcomes) == len(writes), f"{len(writes)} outcomes", f"there were {len(outcomes)}")
            after = samples.read_many(module, [records[f.name].id for f, _ in part])
            for (field, value), outcome in zip(part, outcomes, strict=True):
                before = records[field.name]
                if outcome.kind is OutcomeKind.DONE:
                    if before.id not in after:
                        raise Broken("an updated record to be there", f"{field.name} made it vanish")
                    trials.append(_Trial(field, before, value, after[before.id]))
                    refused.pop(field.name, None)
                elif outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.TAKEN):
                    refused[field.name] = outcome.message
                    waiting.append(field)
                else:
                    raise Broken(f"{field.name} to be taken or refused", f"the outcome is {told(outcome)}")
    tried = {t.field.name for t in trials} | refused.keys()
    for name, message in refused.items():
        case.note(f"{name} takes nothing that the catalogue suggests: {message:.80}")
    untried = [f.name for f in fields if f.name not in tried]
    if untried:
        case.note(f"nothing to write is known for {', '.join(untried)}")
    return trials


def _fate(case: Case, trial: _Trial) -> str | None:
    """Why a value did not come back; ``None`` when the remote itself made something else of it."""
    spelled = json.dumps(trial.value, default=str)
    row = json.dumps(case.samples.row(case.module, trial.after.id), default=str)
    if trial.field.type is FieldType.TEXT and spelled in row:
        return "the remote has it, but it is not read"
    bodies = [e.body.decode("utf-8", "replace") for e in case.bench.exchanges if e.body]
    bare = str(trial.value) if isinstance(trial.value, int | Decimal) else spelled.strip('"')
    if trial.field.type in (FieldType.TEXT, FieldType.DECIMAL, FieldType.INTEGER, FieldType.CHOICE):
        return None if any(bare in body for body in bodies) else "it was never sent"
    if any(f'"{trial.field.name}"' in body for body in bodies):
        return None
    return "the field was never sent"


def same(field: Field, sent: Any, got: Any) -> bool:
    """Whether a value read is the one that was written."""
    if field.type in (FieldType.DECIMAL, FieldType.INTEGER):
        return isinstance(got, int | Decimal) and not isinstance(got, bool) and Decimal(sent) == Decimal(got)
    if field.type is FieldType.INSTANT and isinstance(got, str):
        return got[:19] == str(sent)[:19]
    return bool(sent == got)


def _spoilers(case: Case) -> list[tuple[str, Callable[[Values], dict[str, Any]]]]:
    """Ways to make a record that the remote should refuse, by what the catalogue says."""
    ways: list[tuple[str, Callable[[Values], dict[str, Any]]]] = []
    for field in scalars(case.module):
        if field.type is FieldType.TEXT and field.max_length is not None and len(ways) < 2:
            long = "X" * (field.max_length + 1)
            ways.append((f"a text too long for {field.name}", _setting(field.name, long)))
    for field in case.module.fields:
        if field.required:
            ways.append((f"no {field.name}", _dropping(field.name)))
    return ways


def _setting(name: str, value: Any) -> Callable[[Values], dict[str, Any]]:
    return lambda values: {**values, name: value}


def _dropping(name: str) -> Callable[[Values], dict[str, Any]]:
    return lambda values: {key: value for key, value in values.items() if key != name}


def _done(case: Case, outcome: Outcome) -> Record:
    """The record of an outcome that must be DONE, as a read gives it; the remote must hold it as well."""
    expect(outcome.kind is OutcomeKind.DONE, "the write to be done", f"it was {told(outcome)}")
    if not outcome.id:
        raise Broken("the new record's id in the outcome", "there is none")
    record = case.bench.read_one(case.module, outcome.id)
    if record is None:
        raise Broken("the record of a DONE outcome to be readable by its id", "it is not there")
    return record


def _batches(things: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [things[start : start + size] for start in range(0, len(things), max(size, 1))]


def _without_nothing(values: Any) -> Any:
    """Values without what is null: absent and null are one in a complete record."""
    if isinstance(values, Mapping):
        return {k: _without_nothing(v) for k, v in values.items() if v not in (None, "")}
    if isinstance(values, list | tuple):
        return [_without_nothing(v) for v in values]
    return values


def _first_difference(said: Values, read: Values) -> str:
    one, other = _without_nothing(said), _without_nothing(read)
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            return f"{name} is {one.get(name)!r:.40} there and {other.get(name)!r:.40} in the read"
    return "they differ"


def count_holding(case: Case, text: str) -> int:
    """How many records of the remote hold a text, past the connector."""
    return sum(text in top_texts(row) for row in case.bench.rows(case.module))
