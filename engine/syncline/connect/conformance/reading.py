"""Reading: everything, once it is there, from any place on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from syncline.connect.conformance.bench import field_names
from syncline.connect.conformance.promise import (
    Broken,
    Case,
    Chapter,
    Level,
    NotApplicable,
    World,
    expect,
)
from syncline.connect.conformance.samples import top_texts
from syncline.connect.conformance.signing_in import unknown_id
from syncline.connect.contract import Field, FieldType, Page, Record, RemoteModule, State

READING = Chapter(Level.READS)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_RESUMED = 3
_IDLE_CALLS = 2
_HOUR_S = 3600.0


@READING.promise(
    "read-all",
    "A read without a cursor delivers each record once, and count() agrees.",
    world=World.DEMO,
    by_module=True,
)
def check_read_all(case: Case) -> None:
    _expect_complete(case, case.bench.read(case.module)[0])


@READING.promise(
    "read-many",
    "More records than a page holds are delivered each once, and count() agrees.",
    world=World.LARGE,
    by_module=True,
)
def check_read_many(case: Case) -> None:
    _expect_complete(case, [record for page in _several_pages(case) for record in page.records])


def _expect_complete(case: Case, records: Sequence[Record]) -> None:
    module = case.module
    times = Counter(record.id for record in records)
    twice = [record_id for record_id, n in times.items() if n > 1]
    expect(not twice, "each record once", f"{len(twice)} came twice, {twice[:1]} among them")
    rows = case.bench.rows(module)
    unread = [row for row in rows if not times.keys() & top_texts(row)]
    strangers = set(times).difference(*(top_texts(row) for row in rows)) if rows else set(times)
    expect(not strangers, "records that the remote has", f"{len(strangers)} ids are unknown to it")
    live = sum(record.state is State.LIVE for record in records)
    missed = _still_there(case, unread)
    expect(not missed, f"all {len(rows)} records of the remote", f"{missed} were left out")
    counted = case.bench.session.count(module.name)
    if counted is None:
        case.note("count() cannot say, so the number is compared with the sandbox alone")
        expect(
            live + len(unread) <= len(rows), "no more records than there are", f"{live} of {len(rows)} came"
        )
        return
    expect(counted == live, f"the {live} live records that were read to be counted", f"count() is {counted}")


def _still_there(case: Case, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many of the rows that a read left out are live all the same, asked by every text in them that
    may be an id."""
    known = next((r.id for r in case.samples.known(case.module)), "")
    shaped = {text for row in rows for text in top_texts(row) if len(text) == len(known) and " " not in text}
    found = case.samples.read_many(case.module, sorted(shaped))
    return sum(record.state is State.LIVE for record in found.values())


@READING.promise("lookups", "Look-up modules are read whole, each record once.", world=World.DEMO)
def check_lookups(case: Case) -> None:
    lookups = [m for m in case.bench.connector.catalogue().modules if m.lookup]
    if not lookups:
        raise NotApplicable("the catalogue has no look-up module")
    for module in lookups:
        records, cursor = case.bench.read(module)
        expect(bool(records), f"records in {module.name}", "there are none")
        ids = [record.id for record in records]
        expect(len(ids) == len(set(ids)), f"each of {module.name} once", f"the ids are {ids[:5]}")
        _expect_form(module, records)
        again, _ = case.bench.read(module, cursor)
        expect(
            {r.id for r in again} <= set(ids),
            f"{module.name} to be read again from its cursor",
            "other records came",
        )


@READING.promise(
    "form",
    "Values have the contract's form: no float, days and instants as text in UTC, nothing as None.",
    world=World.DEMO,
    by_module=True,
)
def check_form(case: Case) -> None:
    records, _ = case.bench.read(case.module)
    if not records:
        raise NotApplicable("the sandbox holds no records of this module")
    _expect_form(case.module, records)


def _expect_form(module: RemoteModule, records: Sequence[Record]) -> None:
    for record in records:
        for what, value in (("id", record.id), ("version", record.version)):
            expect(
                isinstance(value, str) and (bool(value) or module.lookup),
                f"the {what} of a record of {module.name} to be text",
                f"it is {value!r}",
            )
        if record.modified is not None:
            expect(
                record.modified.utcoffset() == timedelta(0),
                f"modified of {module.name} {record.id} to be aware, in UTC",
                f"it is {record.modified!r}",
            )
        for place, fault in _misshapen(module.fields, record.values, ""):
            raise Broken(f"{module.name} {record.id}: {place} in the contract's form", fault)


def _misshapen(fields: Sequence[Field], values: Any, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(values, Mapping):
        yield place or "the values", f"it is {type(values).__name__}"
        return
    known = {field.name: field for field in fields}
    for name, value in values.items():
        yield from _misshapen_value(known.get(name), value, f"{place}{name}")


def _misshapen_value(field: Field | None, value: Any, place: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, float):
        yield place, f"it is the float {value!r}"
    elif isinstance(value, Mapping):
        yield from _misshapen(field.fields if field else (), value, f"{place}.")
    elif isinstance(value, list | tuple):
        inner = field.fields if field else ()
        for item in value:
            if isinstance(item, Mapping):
                yield from _misshapen(inner, item, f"{place}[].")
            else:
                yield from _misshapen_value(None, item, f"{place}[]")
    elif field is not None and not _fits(field, value):
        yield place, f"a {field.type.value} field holds {type(value).__name__} {value!r:.40}"


def _fits(field: Field, value: Any) -> bool:
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    match field.type:
        case FieldType.TEXT:
            return isinstance(value, str) and (value != "" or not field.blank_is_null)
        case FieldType.INTEGER | FieldType.DECIMAL:
            return number
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.DATE:
            return isinstance(value, str) and _DAY.fullmatch(value) is not None
        case FieldType.INSTANT:
            return isinstance(value, str) and _INSTANT.fullmatch(value) is not None
        case FieldType.CHOICE:
            return isinstance(value, str) and value != ""
        case FieldType.REFERENCE:
            return isinstance(value, str) and value != ""
    return False


@READING.promise(
    "fields", "A read delivers every field that was asked for.", world=World.DEMO, by_module=True
)
def check_fields(case: Case) -> None:
    """Against what the remote holds: a text in its row under a field's name must be in the values."""
    module = case.module
    records = {r.id: r for r in case.bench.read(module)[0]}
    texts = {f.name for f in module.fields if f.type is FieldType.TEXT}
    compared = 0
    for row in case.bench.rows(module):
        record = next((records[text] for text in top_texts(row) if text in records), None)
        if record is None or record.state is State.DELETED:
            continue
        for name in texts & row.keys():
            held = row[name]
            if isinstance(held, str) and held.strip():
                compared += 1
                expect(
                    record.values.get(name) == held,
                    f"{name} of record {record.id} as the remote holds it, {held!r:.40}",
                    f"the read says {record.values.get(name)!r:.40}",
                )
    if not compared:
        raise NotApplicable("no record of the sandbox holds a text under a field's name")


def _several_pages(case: Case) -> Sequence[Page]:
    """The pages of a read of everything; raises NotApplicable for a single one."""
    pages = list(case.bench.pages(case.module))
    if len(pages) < 2:
        raise NotApplicable("all its records came on one page")
    return pages


@READING.promise(
    "resume", "From the cursor of any page the rest can be read.", world=World.LARGE, by_module=True
)
def check_resume(case: Case) -> None:
    pages = _several_pages(case)
    everything = {record.id for page in pages for record in page.records}
    seen: set[str] = set()
    for place, page in enumerate(pages[:_RESUMED]):
        seen |= {record.id for record in page.records}
        rest, _ = case.bench.read(case.module, page.cursor)
        lost = everything - seen - {record.id for record in rest}
        expect(not lost, f"all records after page {place + 1}", f"{len(lost)} were not delivered again")
        expect(
            len(rest) < len(everything),
            f"the cursor of page {place + 1} to go on from there",
            "everything was read from the beginning",
        )


@READING.promise(
    "moving",
    "Records that people edit, add and remove while pages are read are neither lost nor missed.",
    world=World.LARGE,
    by_module=True,
)
def check_moving(case: Case) -> None:
    bench, module = case.bench, case.module
    pages = _several_pages(case)
    field = case.samples.tag(module).name
    everything = {record.id for page in pages for record in page.records}
    reading = bench.pages(module)
    first = next(reading)
    read = {record.id: record for record in first.records}
    ids = list(read)
    ahead = [record_id for record_id in everything if record_id not in read]
    edits = {record_id: f"Moved{place:04d}" for place, record_id in enumerate([*ids[:3], *ahead[:3]])}
    bench.advance(2)
    for record_id, text in edits.items():
        bench.act("update", module, record_id, {field: text})
    gone = set(_remove(case, ids[5:9]))
    added = _add(case)
    last = first
    for page in reading:
        read |= {record.id: record for record in page.records}
        last = page
    # What changed behind the reader comes with the next read at the latest.
    late, _ = bench.read(module, last.cursor)
    read |= {record.id: record for record in late}
    lost = everything - gone - read.keys()
    expect(not lost, "every record that stayed", f"{len(lost)} were skipped")
    expect(added is None or added in read, "the record that was added", "it was skipped")
    stale = [i for i, text in edits.items() if read[i].values.get(field) != text]
    expect(not stale, f"all {len(edits)} edits", f"{len(stale)} were missed")


def _remove(case: Case, ids: Sequence[str]) -> list[str]:
    """Let a person take records away, so that those behind them move up."""
    for action in ("delete", "archive"):
        try:
            for record_id in ids:
                case.bench.act(action, case.module, record_id, {})
            return list(ids)
        except (KeyError, ValueError):
            continue
    case.note("no person may delete or archive here, so only edits and additions were tried")
    return []


def _add(case: Case) -> str | None:
    """Let a person add a record: under any text of the new row that a read may give as its id."""
    values = {name: value for name, value in case.samples.new(case.module).items() if _plain(value)}
    before = {text for row in case.bench.rows(case.module) for text in top_texts(row)}
    try:
        row = case.bench.act("create", case.module, None, values)
    except (KeyError, ValueError) as error:
        case.note(f"no person could add a record made up from the catalogue ({error})")
        return None
    known = case.samples.known(case.module)[0].id
    found = [t for t in top_texts(row) - before if len(t) == len(known) and t not in values.values()]
    return found[0] if len(found) == 1 else None


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | Decimal | Mapping)


@READING.promise(
    "idle",
    "Where nothing changed, a read from the cursor delivers nothing and takes at most two calls.",
    world=World.SMALL,
    by_module=True,
)
def check_idle(case: Case) -> None:
    bench, module = case.bench, case.module
    _need_incremental(case)
    cursor = bench.read(module)[1]
    # A connector may read the recent past again; an hour later there is none.
    bench.advance(_HOUR_S)
    cursor = bench.read(module, cursor)[1]
    bench.advance(_HOUR_S)
    before = bench.calls()
    records, _ = bench.read(module, cursor)
    calls = bench.calls() - before
    expect(not records, "no record where nothing changed", f"{len(records)} came")
    expect(calls <= _IDLE_CALLS, f"at most {_IDLE_CALLS} calls", f"there were {calls}")


@READING.promise(
    "changes",
    "An edit and a new record are delivered by the next read from the cursor, as they are now.",
    world=World.SMALL,
    by_module=True,
)
def check_changes(case: Case) -> None:
    bench, module = case.bench, case.module
    _need_incremental(case)
    field = case.samples.tag(module).name
    record = case.samples.make(module)
    cursor = bench.read(module)[1]
    bench.advance(_HOUR_S)
    cursor = bench.read(module, cursor)[1]
    _edit(case, record.id, field, "Edited once")
    new = case.samples.make(module)
    found, after = bench.read(module, cursor)
    by_id = {r.id: r for r in found}
    expect(record.id in by_id, "the record that was edited", "it was not delivered")
    said = by_id[record.id].values.get(field)
    expect(said == "Edited once", "the edit", f"{field} is {said!r:.40}")
    expect(new.id in by_id, "the record that was created", "it was not delivered")
    bench.advance(_HOUR_S)
    settled = bench.read(module, after)[1]
    bench.advance(_HOUR_S)
    again, _ = bench.read(module, settled)
    expect(not again, "the edit to be delivered but for an overlap once", f"{len(again)} records came again")


@READING.promise(
    "same-second",
    "Edits in the very second of a read are delivered by the next one.",
    world=World.SMALL,
    by_module=True,
)
def check_same_second(case: Case) -> None:
    bench, module = case.bench, case.module
    _need_incremental(case)
    field = case.samples.tag(module).name
    one, other = case.samples.make(module), case.samples.make(module)
    cursor = bench.read(module)[1]
    bench.advance(_HOUR_S)
    cursor = bench.read(module, cursor)[1]
    for turn in range(3):
        _edit(case, one.id, field, f"First {turn}")
        cursor = bench.read(module, cursor)[1]
        _edit(case, one.id, field, f"Second {turn}")
        _edit(case, other.id, field, f"Other {turn}")
        found, cursor = bench.read(module, cursor)
        by_id = {r.id: r.values.get(field) for r in found}
        for record_id, text in ((one.id, f"Second {turn}"), (other.id, f"Other {turn}")):
            seen = by_id.get(record_id, "it was not delivered")
            expect(seen == text, "an edit of the second in which the last read was made", f"{seen!r:.40}")


@READING.promise(
    "deletions",
    "Where the capabilities say so, a deleted record is delivered as deleted.",
    world=World.SMALL,
    by_module=True,
)
def check_deletions(case: Case) -> None:
    if not case.module.capabilities.deletions:
        raise NotApplicable("its capabilities do not claim that deletions are seen")
    _expect_leaving(case, "delete", State.DELETED)


@READING.promise(
    "archivals",
    "Where records can be archived, an archived one is delivered as archived.",
    world=World.SMALL,
    by_module=True,
)
def check_archivals(case: Case) -> None:
    if not case.module.capabilities.archive:
        raise NotApplicable("its records cannot be archived")
    _expect_leaving(case, "archive", State.ARCHIVED)


def _expect_leaving(case: Case, action: str, state: State) -> None:
    bench, module = case.bench, case.module
    _need_incremental(case)
    record = case.samples.make(module)
    cursor = bench.read(module)[1]
    bench.advance(_HOUR_S)
    cursor = bench.read(module, cursor)[1]
    try:
        bench.act(action, module, record.id, {})
    except (KeyError, ValueError) as error:
        raise NotApplicable(f"no person may {action} a record in the sandbox ({error})") from error
    found, _ = bench.read(module, cursor)
    states = [r.state for r in found if r.id == record.id]
    expect(
        bool(states) and states[-1] is state,
        f"the record as {state.value}",
        f"it came as {states[-1].value}" if states else "it was not delivered",
    )


@READING.promise(
    "by-id",
    "read_ids() gives exactly the records that exist, in one batch, and sees every write at once.",
    world=World.SMALL,
    by_module=True,
)
def check_by_id(case: Case) -> None:
    bench, module = case.bench, case.module
    known = [r.id for r in case.samples.known(module)][: module.capabilities.read_ids_batch]
    if not known:
        raise NotApplicable("the sandbox holds no live records of this module")
    stranger = unknown_id(known[0])
    wanted = [*known[:-1], stranger] if len(known) > 1 else known
    found = [r.id for r in bench.session.read_ids(module.name, wanted, field_names(module))]
    expect(len(found) == len(set(found)), "each record once", "one came twice")
    expected = set(wanted) - {stranger}
    expect(
        set(found) == expected,
        f"the {len(expected)} records asked for that exist",
        f"{len(expected - set(found))} of them were missing and {len(set(found) - expected)} others came",
    )
    expect(bench.read_one(module, stranger) is None, "an unknown id to be left out", "a record came for it")
    field = case.samples.tag(module).name
    for turn in range(2):
        _edit(case, known[0], field, f"Seen at once {turn}")
        record = bench.read_one(module, known[0])
        said = None if record is None else record.values.get(field)
        expect(said == f"Seen at once {turn}", "an edit to be seen at once", f"{field} is {said!r:.40}")


def _need_incremental(case: Case) -> None:
    if not case.module.capabilities.incremental:
        raise NotApplicable("its capabilities do not claim that changes can be told")


def _edit(case: Case, record_id: str, field: str, text: str) -> None:
    """A person edits a field under its name in the remote's own shape, which is that of the values."""
    try:
        case.bench.act("update", case.module, record_id, {field: text})
    except (KeyError, ValueError) as error:
        raise NotApplicable(f"no person could edit {field} in the sandbox ({error})") from error
