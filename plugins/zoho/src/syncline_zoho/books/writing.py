"""Sending writes: one record a call, and the calls that belong to it in the one order that can be resumed.

Nothing here ever asks the remote to send mail: no call of it, and no parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from syncline.connect import (
    AnswerLost,
    HttpReply,
    Outcome,
    OutcomeKind,
    Record,
    RemoteError,
    Write,
    WriteKind,
)
from syncline_zoho.books.api import Api
from syncline_zoho.books.custom import CustomFields
from syncline_zoho.books.details import address, fetch_one
from syncline_zoho.books.kinds import KINDS, Kind
from syncline_zoho.books.outcomes import body_of, gone, is_done, judge, refused, unknown
from syncline_zoho.books.reading import Reader
from syncline_zoho.books.reference import References, UnknownName
from syncline_zoho.books.shaping import apart, main_person, make_body, needs_stored
from syncline_zoho.books.steps import Impossible, Step, person_step, plan_steps, status_step


class Writer(Struct, frozen=True):
    """``link_field``: the custom field by which creates are upserts, if the spec names one."""

    api: Api
    reader: Reader
    references: References
    custom: CustomFields
    link_field: str | None = None

    def write(self, module: str, writes: Sequence[Write]) -> list[Outcome]:
        """One outcome each. The first call's failure is raised if nothing can have been stored."""
        outcomes: list[Outcome] = []
        for write in writes:
            try:
                outcomes.append(self._one(KINDS[module], write))
            except RemoteError as error:
                if not outcomes:
                    raise
                outcomes.append(Outcome(kind=OutcomeKind.RETRY, id=write.id, message=error.what))
        return outcomes

    def _one(self, kind: Kind, write: Write) -> Outcome:
        try:
            match write.kind:
                case WriteKind.CREATE:
                    return self._create(kind, write)
                case WriteKind.UPDATE:
                    return self._update(kind, write)
                case WriteKind.DELETE:
                    return self._delete(kind, write)
            return self._move(kind, write)
        except UnknownName as error:
            some = ", ".join(error.known[:20]) or "nothing"
            return refused(
                write,
                f"this organisation has no {error.field.replace('_', ' ')} {error.value}; it has {some}",
                "unknown-name",
                error.field,
            )
        except Impossible as error:
            return refused(write, str(error), "status", "status")

    # --- creates ----------------------------------------------------------------------------------

    def _create(self, kind: Kind, write: Write) -> Outcome:
        body = make_body(kind, write, None, self.references, self.custom)
        asked = apart(kind, write.values)
        wanted = asked.get("status")
        if wanted is not None and wanted not in kind.moves and wanted not in ("draft", "open"):
            raise Impossible(f"a {kind.noun.lower()} cannot be made {wanted}: it gets there by itself")
        try:
            reply = self._send_create(kind, write, body)
        except AnswerLost as lost:
            return unknown(write, lost.what)
        if not is_done(reply):
            outcome = judge(kind, write, reply)
            if outcome.kind is OutcomeKind.GONE:
                # a record that it refers to is not there, or the address is none
                return refused(write, outcome.message, outcome.code)
            return outcome
        row = body_of(kind, reply)
        if row is None:
            return unknown(write, "Zoho Books' answer does not hold the record that was made")
        if kind.name == "contactpersons":
            return self._person_made(write, row)
        return self.finish(kind, write, row)

    def _send_create(self, kind: Kind, write: Write, body: dict[str, Any]) -> HttpReply:
        params = {}
        if kind.numbers_itself and body.get(kind.number or ""):
            params["ignore_auto_number_generation"] = "true"
        if self.upserts(kind):
            assert self.link_field is not None
            headers = {
                "X-Unique-Identifier-Key": self.link_field,
                "X-Unique-Identifier-Value": write.key,
                "X-Upsert": "true",
            }
            return self.api.send("PUT", kind.path, params=params, headers=headers, json=body)
        return self.api.send("POST", kind.path, params=params, json=body)

    def upserts(self, kind: Kind) -> bool:
        """Whether creates go by a unique field of the organisation's own, which the remote looks up."""
        return self.link_field is not None and kind.upsert and self.custom.is_unique(kind, self.link_field)

    def _person_made(self, write: Write, row: Mapping[str, Any]) -> Outcome:
        contact = str(row.get("contact_id") or write.values.get("contact_id") or "")
        if not row.get("contact_person_id") or not contact:
            return unknown(write, "Zoho Books' answer does not name the contact person that was made")
        return done(self.reader.person(contact, row))

    def finish(self, kind: Kind, write: Write, row: Mapping[str, Any], *, under_way: bool = False) -> Outcome:
        """What is still to do for a record that was made: also after its answer had been lost, but not while
        the calls that do it may be ``under_way``: a credit note would be set off twice."""
        record = self.reader.record(kind.name, row)
        try:
            steps = plan_steps(kind, record.id, apart(kind, write.values), record.values)
        except Impossible as error:
            return done(record, str(error))  # no later call would lead there either
        if not steps:
            return done(record)
        if under_way:
            return unknown(write, "the record was made, and the rest of it may still come", record.id)
        return self._steps(kind, write, record.id, steps, made=True)

    # --- updates ----------------------------------------------------------------------------------

    def _update(self, kind: Kind, write: Write) -> Outcome:
        record_id = str(write.id)
        if kind.number is not None and write.values.get(kind.number, "as it is") in (None, ""):
            words = f"a {kind.noun.lower()} has a number: it can be changed, not taken away"
            return refused(write, words, "number", kind.number)
        stored: Record | None = None
        row: Mapping[str, Any] | None = None
        if needs_stored(kind, write.values):
            row = fetch_one(self.api, kind, record_id)
            if row is None:
                return gone(write)
            stored = self.reader.record(kind.name, row)
        values = None if stored is None else stored.values
        body = make_body(kind, write, values, self.references, self.custom, row)
        steps = plan_steps(kind, record_id, apart(kind, write.values), values or {}) if values else []
        if (main := main_person(kind, write.values, values)) is not None:
            steps.insert(0, person_step(*main))
        before, after = [s for s in steps if s.first], [s for s in steps if not s.first]
        begun = False
        if before:
            outcome = self._steps(kind, write, record_id, before)
            if outcome.kind is not OutcomeKind.DONE or not (body or after):
                return outcome
            begun = True
        if body or not steps:
            outcome = self._put(kind, write, body, begun=begun)
            if outcome.kind is not OutcomeKind.DONE or not after:
                return outcome
            begun = True
        return self._steps(kind, write, record_id, after, begun=begun) if after else outcome

    def _put(self, kind: Kind, write: Write, body: dict[str, Any], *, begun: bool) -> Outcome:
        params = {}
        if kind.numbers_itself and body.get(kind.number or ""):
            params["ignore_auto_number_generation"] = "true"
        path = address(kind, str(write.id))
        if kind.name == "contactpersons":
            person = str(write.id).partition(".")[2]
            path = f"{kind.path}/{quote(person, safe='')}"
        try:
            reply = self.api.send("PUT", path, params=params, json=body)
        except AnswerLost as lost:
            return unknown(write, lost.what)
        except RemoteError as error:
            if not begun:
                raise
            return unknown(write, error.what)
        if not is_done(reply):
            return self._unless_gone(kind, write, judge(kind, write, reply))
        row = body_of(kind, reply)
        if row is None:
            return unknown(write, "Zoho Books' answer does not hold the record that was changed")
        if kind.name == "contactpersons":
            return done(self.reader.person(str(write.id).partition(".")[0], row))
        return done(self.reader.record(kind.name, row))

    def _unless_gone(self, kind: Kind, write: Write, outcome: Outcome) -> Outcome:
        """ "Does not exist" may be said of what the record refers to, so the record itself is asked for."""
        if outcome.kind is OutcomeKind.GONE and self._is_there(kind, str(write.id)):
            return refused(write, outcome.message, outcome.code)
        return outcome

    def _is_there(self, kind: Kind, record_id: str) -> bool:
        return self.api.find(address(kind, record_id)) is not None

    # --- calls of their own -----------------------------------------------------------------------

    def _steps(
        self,
        kind: Kind,
        write: Write,
        record_id: str,
        steps: Sequence[Step],
        *,
        made: bool = False,
        begun: bool = False,
    ) -> Outcome:
        """Carry them out and read the record again. ``made``: it was just created, so that a refusal is
        that of its field alone, never the fate of the record; ``begun``: a call of this write was carried
        out already."""
        warnings: list[str] = []
        missed: set[str] = set()
        for number, step in enumerate(steps):
            going_on = made or begun or number > 0
            try:
                reply = self.api.send(step.method, step.path, json=step.json)
            except AnswerLost as lost:
                return unknown(write, lost.what, record_id)
            except RemoteError as error:
                if not going_on:
                    raise
                return unknown(write, error.what, record_id)
            if is_done(reply):
                continue
            try:
                outcome = judge(kind, write, reply)
            except RemoteError as error:
                if not going_on:
                    raise
                # calls of this write were carried out, so it is not the whole of it that failed
                outcome = refused(write, error.what, str(reply.status))
            if outcome.kind is OutcomeKind.UNKNOWN:
                return unknown(write, outcome.message, record_id)
            if not made:
                return self._unless_gone(kind, write, outcome)
            warnings.append(outcome.message)
            missed.add(step.field)
        try:
            row = fetch_one(self.api, kind, record_id)
        except RemoteError as error:
            return unknown(write, error.what, record_id)
        if row is None:
            return (
                unknown(write, "the record went away while it was written", record_id)
                if made
                else gone(write)
            )
        return replace(done(self.reader.record(kind.name, row), *warnings), missed=frozenset(missed))

    def _move(self, kind: Kind, write: Write) -> Outcome:
        """Archive, restore, void."""
        record_id = str(write.id)
        row = fetch_one(self.api, kind, record_id)
        if row is None:
            return gone(write)
        record = self.reader.record(kind.name, row)
        base = f"{kind.path}/{quote(record_id, safe='')}"
        status = record.values.get("status")
        if write.kind is WriteKind.VOID and kind.void is not None:
            if status == kind.void:
                return done(record)
            plan_steps(kind, record_id, {"status": kind.void}, record.values)
            return self._steps(kind, write, record_id, [status_step(kind, record_id, kind.void)])
        if write.kind is WriteKind.RESTORE and kind.revived is not None:
            if status != kind.void:
                return done(record)
            return self._steps(kind, write, record_id, [status_step(kind, record_id, kind.revived)])
        if kind.activity and write.kind in (WriteKind.ARCHIVE, WriteKind.RESTORE):
            wanted = "inactive" if write.kind is WriteKind.ARCHIVE else "active"
            if status == wanted:
                return done(record)
            return self._steps(kind, write, record_id, [Step(method="POST", path=f"{base}/{wanted}")])
        return refused(
            write, f"Zoho Books has no way to {write.kind.value} a {kind.noun.lower()}", "unsupported"
        )

    def _delete(self, kind: Kind, write: Write) -> Outcome:
        path = address(kind, str(write.id))
        if kind.name == "contactpersons":
            path = f"{kind.path}/{quote(str(write.id).partition('.')[2], safe='')}"
        try:
            reply = self.api.send("DELETE", path)
        except AnswerLost as lost:
            return unknown(write, lost.what)
        if is_done(reply):
            return Outcome(kind=OutcomeKind.DONE, id=write.id)
        return judge(kind, write, reply)


def done(record: Record, *warnings: str) -> Outcome:
    return Outcome(
        kind=OutcomeKind.DONE, id=record.id, version=record.version, record=record, warnings=tuple(warnings)
    )
