"""A session whose words are checked before they are believed.

A connector is written against what its remote documents; a remote that is broken, or means harm, says other
things. What the engine relies on is checked here, once: ids that can be kept and shown, lists that come to an
end, one outcome a write. Whatever a connector stumbles over becomes the remote's error, so that its module
fails with a sentence and the others go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

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
from syncline.connect.errors import AnswerLost, RemoteError, RemoteProtocolError
from syncline.errors import SynclineError
from syncline.printable import one_line

#: An id is a name, not a text: it stands in addresses, in indexes and on every line that tells of a record.
MAX_ID = 200
#: Versions and natural keys.
MAX_MARK = 1_000
#: No more of what a remote tells of others is shown.
_MAX_SENTENCES = 10
#: No list of records has more pages; whoever says so does not come to an end.
MAX_PAGES = 100_000

_FIX = "look at the remote's status page; if it goes on, report it to the authors of the connector"


class Heard(Session):
    """``inner``: the connector's session; ``label``: what messages call it."""

    def __init__(self, inner: Session, label: str) -> None:
        self._inner = inner
        self._label = label

    def organisations(self) -> Sequence[Organisation]:
        with self._sense("the list of organisations"):
            return list(self._inner.organisations())

    def check(self) -> Account:
        with self._sense("who it is"):
            return self._inner.check()

    def discover(self) -> Catalogue:
        with self._sense("its modules and fields"):
            return self._inner.discover()

    def other_writers(self) -> Sequence[str]:
        with self._sense("who else writes there"):
            return [one_line(str(each)) for each in list(self._inner.other_writers())[:_MAX_SENTENCES]]

    def count(self, module: str) -> int | None:
        with self._sense(f"how many {module} there are"):
            return self._inner.count(module)

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        """The connector's pages; raises RemoteProtocolError for a list that does not come to an end."""
        what = f"the list of {module}"
        with self._sense(what):
            pages = iter(self._inner.read(module, cursor, fields))
        seen: set[int] = set()
        while True:
            with self._sense(what):
                page = next(pages, None)
            if page is None:
                return
            self._check_records(module, page.records)
            if not _is_mark(page.cursor, 100_000):
                raise self._error(f"{what} has no usable cursor")
            mark = hash((page.cursor, *((record.id, record.version) for record in page.records)))
            if not page.last and (mark in seen or len(seen) >= MAX_PAGES):
                how = "repeats the same page" if mark in seen else f"has more than {MAX_PAGES} pages"
                raise self._error(f"{what} {how} and does not come to an end")
            seen.add(mark)
            yield page

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        """The records asked for; others that the remote adds are none of this call's."""
        with self._sense(f"records of {module}"):
            records = list(self._inner.read_ids(module, ids, fields))
        self._check_records(module, records)
        wanted = set(ids)
        return [record for record in records if record.id in wanted]

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One outcome a write. Raises AnswerLost when the answer makes no sense: they may be carried out."""
        what = f"a write of {module}"
        try:
            with self._sense(what):
                outcomes = list(self._inner.write(module, writes))
        except _Senseless as error:
            raise AnswerLost(error.what, fix=error.fix) from error
        wrong = len(outcomes) != len(writes) or any(map(self._wrong_outcome, outcomes))
        if wrong or any(map(_made_nothing, writes, outcomes)):
            raise AnswerLost(f"{self._label} answered {what} with something else than outcomes", fix=_FIX)
        return outcomes

    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        what = f"what became of writes of {module}"
        with self._sense(what):
            outcomes = list(self._inner.settle(module, sent))
        if len(outcomes) != len(sent) or any(o is not None and self._wrong_outcome(o) for o in outcomes):
            raise self._error(f"{what} is something else than outcomes")
        return outcomes

    # --- what is believed ------------------------------------------------------------------------------

    def _check_records(self, module: str, records: Iterable[Record]) -> None:
        for record in records:
            if not isinstance(record, Record) or not is_id(record.id):
                shown = repr(getattr(record, "id", record))[:60]
                raise self._error(f"{module} has a record whose id is none: {shown}")
            fit = (
                isinstance(record.values, (dict, Mapping))  # the usual one first: that saves asking the ABC
                and isinstance(record.state, State)
                and _is_mark(record.version)
                and (record.key is None or _is_mark(record.key))
                and (record.merged_into is None or is_id(record.merged_into))
                and (record.modified is None or record.modified.tzinfo is not None)
            )
            if not fit:
                raise self._error(f"the record {record.id} of {module} is not in a form that can be kept")

    def _wrong_outcome(self, outcome: Any) -> bool:
        if not isinstance(outcome, Outcome) or (outcome.id is not None and not is_id(outcome.id)):
            return True
        if outcome.version is not None and not _is_mark(outcome.version):
            return True
        if outcome.record is not None:
            try:
                self._check_records("a write", [outcome.record])
            except RemoteError:
                return True
        return False

    def _error(self, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self._label} makes no sense: {what}", fix=_FIX)

    @contextmanager
    def _sense(self, what: str) -> Iterator[None]:
        try:
            yield
        except SynclineError:
            raise
        except Exception as error:  # whatever a connector stumbles over
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            raise _Senseless(
                f"{self._label} told {what} in a form that its connector does not know"
                f" ({type(error).__name__} at {place})",
                fix=_FIX,
            ) from error


def _made_nothing(write: Write, outcome: Outcome) -> bool:
    """A create that is said to be done without saying what was made."""
    done = outcome.kind is OutcomeKind.DONE and write.kind is WriteKind.CREATE
    return done and outcome.id is None and outcome.record is None


class _Senseless(RemoteProtocolError):
    """The connector could not read an answer."""


def is_id(value: Any) -> bool:
    """Whether this can be the id of a record: a short text that can be shown as it is."""
    return type(value) is str and 0 < len(value) <= MAX_ID and value.isprintable()


def _is_mark(value: Any, longest: int = MAX_MARK) -> bool:
    return type(value) is str and len(value) <= longest and "\x00" not in value and _is_text(value)


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
