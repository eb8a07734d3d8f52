"""What a connector's session says is checked before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from tests.support.memory import MemoryRemote, MemorySession

from syncline.connect.contract import (
    Organisation,
    Outcome,
    OutcomeKind,
    Page,
    Record,
    Write,
    WriteKind,
)
from syncline.connect.errors import AnswerLost, RemoteProtocolError, RemoteUnavailable
from syncline.run.hearing import Heard


def _record(record: Any = "1", **values: Any) -> Record:
    return Record(**{"id": record, "version": "1", "values": {}, **values})


class Scripted(MemorySession):
    """A session that says what it is told."""

    def __init__(self, said: Callable[[], Any]) -> None:
        super().__init__(MemoryRemote([]), Organisation(id="1", name="one"))
        self.said = said

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        return self.said()  # type: ignore[no-any-return]

    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        return self.said()  # type: ignore[no-any-return]

    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self.said()  # type: ignore[no-any-return]

    def settle(self, module: str, sent: Any) -> Sequence[Outcome | None]:
        return self.said()  # type: ignore[no-any-return]


def _heard(said: Callable[[], Any]) -> Heard:
    return Heard(Scripted(said), "books")


def _fail(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(_record(record), id=name)
        for name, record in {
            "empty": "",
            "nothing": None,
            "a number": 7,
            "two lines": "a\nb",
            "an escape": "a\x1b[2J",
            "a zero": "a\x00b",
            "another order": "a\u202eb",
            "half a character": "a\ud83d",
            "without end": "a" * 201,
        }.items()
    ]
    + [
        pytest.param(_record(version="a\x00b"), id="a version with a zero"),
        pytest.param(_record(version=7), id="a version that is a number"),
        pytest.param(_record(key="k" * 1001), id="a key without end"),
        pytest.param(_record(values=[1]), id="values that are a list"),
        pytest.param(_record(state="live!"), id="a state that is none"),
        pytest.param(_record(merged_into=""), id="a survivor that is none"),
        pytest.param(_record(modified=datetime(2026, 1, 1)), id="a time without a zone"),  # noqa: DTZ001
        pytest.param({"id": "1"}, id="no record at all"),
    ],
)
def test_a_record_that_cannot_be_kept_is_not_believed(record: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="books makes no sense"):
        list(
            _heard(lambda: iter([Page(records=[record], cursor="", last=True)])).read("x", None, frozenset())
        )
    with pytest.raises(RemoteProtocolError, match="books makes no sense"):
        _heard(lambda: [record]).read_ids("x", ["1"], frozenset())
    done = Outcome(kind=OutcomeKind.DONE, id="1", record=record)
    with pytest.raises(AnswerLost):
        _heard(lambda: [done]).write("x", [Write(kind=WriteKind.UPDATE, key="k", id="1")])


@pytest.mark.parametrize("record", ["1", "a-b_c:d/e?f=ü😀", "00000000-0000-0000-0000-000000000000", "a b"])
def test_any_other_record_is(record: str) -> None:
    page = Page(records=[_record(record)], cursor="c", last=True)
    assert list(_heard(lambda: iter([page])).read("x", None, frozenset())) == [page]


def test_pages_that_repeat_themselves_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [Page(records=[_record()], cursor="c", last=False)] * 50
    with pytest.raises(RemoteProtocolError, match="repeats the same page"):
        list(_heard(lambda: iter(same)).read("x", None, frozenset()))
    circle = [Page(records=[_record(str(n % 3))], cursor=str(n % 3), last=False) for n in range(50)]
    with pytest.raises(RemoteProtocolError, match="repeats the same page"):
        list(_heard(lambda: iter(circle)).read("x", None, frozenset()))
    monkeypatch.setattr("syncline.run.hearing.MAX_PAGES", 10)
    many = [Page(records=[_record(str(n))], cursor=str(n), last=False) for n in range(50)]
    with pytest.raises(RemoteProtocolError, match="more than 10 pages"):
        list(_heard(lambda: iter(many)).read("x", None, frozenset()))


def test_a_cursor_that_stays_while_the_records_change_is_none_of_that() -> None:
    """A connector may keep its cursor until the end of a scan."""
    pages = [Page(records=[_record(str(n))], cursor="begin", last=n == 9) for n in range(10)]
    assert len(list(_heard(lambda: iter(pages)).read("x", None, frozenset()))) == 10


def test_records_that_nobody_asked_for_are_none_of_the_answer() -> None:
    found = _heard(lambda: [_record("1"), _record("2")]).read_ids("x", ["2"], frozenset())
    assert [record.id for record in found] == ["2"]


CREATE = Write(kind=WriteKind.CREATE, key="k")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(list, id="none"),
        pytest.param(lambda: [Outcome(kind=OutcomeKind.DONE, id="1")] * 2, id="too many"),
        pytest.param(lambda: [None], id="nothing"),
        pytest.param(lambda: None, id="no list"),
        pytest.param(lambda: [Outcome(kind=OutcomeKind.DONE)], id="made without an id"),
        pytest.param(lambda: [Outcome(kind=OutcomeKind.DONE, id="a\nb")], id="an id that is none"),
        pytest.param(lambda: _fail(KeyError("id")), id="what the connector stumbles over"),
        pytest.param(lambda: _fail(RecursionError()), id="what is nested too deeply for it"),
    ],
)
def test_a_write_whose_answer_makes_no_sense_may_have_been_carried_out(said: Callable[[], Any]) -> None:
    with pytest.raises(AnswerLost):
        _heard(said).write("x", [CREATE])


def test_what_a_connector_stumbles_over_names_the_remote_and_the_place_not_the_value() -> None:
    with pytest.raises(RemoteProtocolError, match=r"KeyError at test_hearing\.py:\d+") as caught:
        _heard(lambda: _fail(KeyError("canary-of-a-value"))).read_ids("x", ["1"], frozenset())
    assert "books" in caught.value.what
    assert "canary-of-a-value" not in str(caught.value)


def test_the_remotes_own_errors_pass_as_they_are() -> None:
    for error in (RemoteUnavailable("away"), AnswerLost("lost")):
        with pytest.raises(type(error)):
            _heard(lambda error=error: _fail(error)).write("x", [CREATE])  # type: ignore[misc]
