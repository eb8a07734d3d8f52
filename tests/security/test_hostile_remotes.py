"""A remote that says what no remote should: told, survived, and the other modules go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.security.conftest import tampering
from tests.support.effort import effort
from tests.support.stage import Stage
from tests.support.tally import Tally
from tests.support.world import Pair

from syncline.connect.sandbox import Reply, Request
from syncline.run import hearing
from syncline.store.database import Database

Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One connected stage for all: each case ends with the remote being honest again."""
    with Stage(tmp_path_factory.mktemp("hostile")) as made:
        made.connect()
        made.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
        made.books.act("create", "Contacts", None, {"Name": "Hilltop Farm"})
        made.crm.act("create", "Products", None, {"Product_Name": "Loaf", "Product_Code": "LOAF"})
        made.sync()
        yield made


def _rows(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Every record of a list, changed; both remotes name their lists differently."""

    def apply(body: Any) -> Any:
        for name in ("Contacts", "data"):
            if isinstance(body, dict) and isinstance(body.get(name), list):
                body[name] = [change(row) if isinstance(row, dict) else row for row in body[name]]
        return body

    return apply


def _id(value: Any) -> Change:
    return _rows(lambda row: {**row, **{name: value for name in ("ContactID", "id") if name in row}})


def _all(value: Any) -> Change:
    return _rows(lambda row: dict.fromkeys(row, value))


def _deep(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = [found]
    return found


#: By name: what becomes of a list's JSON.
ANSWERS: dict[str, Change] = {
    "nothing": lambda body: None,
    "a number": lambda body: 7,
    "a text": lambda body: "fine",
    "a list": lambda body: [body],
    "an empty object": lambda body: {},
    "lists that are objects": lambda body: {k: {"0": v} for k, v in body.items()},
    "lists that are numbers": lambda body: dict.fromkeys(body, 7),
    "lists that are texts": lambda body: dict.fromkeys(body, "[]"),
    "lists of nothing": lambda body: {k: [None, None] if isinstance(v, list) else v for k, v in body.items()},
    "lists of numbers": lambda body: {k: [1, 2] if isinstance(v, list) else v for k, v in body.items()},
    "lists of lists": lambda body: {k: [[v]] if isinstance(v, list) else v for k, v in body.items()},
    "records without anything": _rows(lambda row: {}),
    "records of nothing": _all(None),
    "records of numbers": _all(7),
    "records of huge numbers": _all(10**25),
    "records of truth": _all(True),
    "records of empty texts": _all(""),
    "records of lists": _all([1, [2]]),
    "records of objects": _all({"id": {"id": {}}}),
    "records nested deeply": _all(_deep(300)),
    "records nested nearly too deeply": _all(_deep(900)),
    "an id of nothing": _id(None),
    "an empty id": _id(""),
    "an id that is a number": _id(7.5),
    "an id that is an object": _id({"a": 1}),
    "an id of two lines": _id("abc\ndone: pass 1"),
    "an id that clears the screen": _id("abc\x1b[2J"),
    "an id with a zero": _id("abc\x00def"),
    "an id that leads elsewhere": _id("../../../api.xro/2.0/Organisation?x="),
    "an id that is a query": _id("' or id is not null or id = '"),
    "an id without end": _id("a" * 100_000),
    "an id in another order": _id("abc\u202edef"),
    "an id of spaces": _id("\u3000\u2003"),
    "times that are none": _rows(
        lambda row: row | {"UpdatedDateUTC": "/Date(99999999999999999999)/", "Modified_Time": "yesterday"}
    ),
    "times out of reach": _rows(
        lambda row: row | {"UpdatedDateUTC": "/Date(253402300800000+1400)/",
                           "Modified_Time": "9999-12-31T23:59:59-14:00"}
    ),
    "times that are numbers": _rows(lambda row: row | {"UpdatedDateUTC": 1e3, "Modified_Time": 10**30}),
    "paging that is nonsense": lambda body: body | {"pagination": "all", "info": [1]},
    "paging of nonsense": lambda body: body | {
        "pagination": {"page": "x", "pageCount": -1, "itemCount": {}}, "info": {"more_records": "yes"}
    },
    "phones that are nonsense": _rows(lambda row: row | {"Phones": 7, "Addresses": [None, 7, {"a": []}]}),
    "a status that is none": _rows(lambda row: row | {"ContactStatus": ["ACTIVE"], "HasValidationErrors": 1}),
}  # fmt: skip


def _altered(change: Change) -> Callable[[Request, Callable[[], Reply]], Reply]:
    def answer(request: Request, honest: Callable[[], Reply]) -> Reply:
        reply = honest()
        accounts = request.path.endswith("/Contacts") or b"from Accounts" in request.body
        if not accounts or reply.status >= 400 or not reply.body.startswith(b"{"):
            return reply
        return Reply.json(change(json.loads(reply.body)), reply.status)

    return answer


@pytest.mark.parametrize("system", ["crm", "books"])
def test_a_module_whose_remote_makes_no_sense_fails_alone(system: str, stage: Stage, tally: Tally) -> None:
    """Whatever a list says, the pass ends with an outcome, the other modules are in step, nothing is lost and
    nothing is made of it; and once the remote is honest again, everything goes on as if nothing had been."""
    other = stage.books if system == "crm" else stage.crm
    told: dict[str, str] = {}
    before = _both(stage)
    names = list(ANSWERS)[(system == "crm") * effort(1, 0) :: effort(4, 1)]
    for name in names:
        tally("hostile inputs")
        stage.forget_requests()
        _touch(stage, system)
        with tampering(stage.systems[system], _altered(ANSWERS[name])):
            outcome = stage.sync("--full", code=None)
        assert outcome["status"] in ("done", "failed", "attention", "stopped"), name
        assert outcome["modules"]["products"]["failed"] == 0, name
        assert "products" not in outcome["problems"], name
        for why in outcome["problems"].values():
            assert "a fault of Syncline" not in why, (name, why)
            assert "\x1b" not in why
        told[name] = outcome["problems"].get("accounts", "")
        assert not other.requests("DELETE"), name
    assert sum(bool(why) for why in told.values()) > len(names) // 2, told
    stage.sync(code=None)
    stage.sync(code=None)
    assert _both(stage) == before
    stage.assert_idle()


def _both(stage: Stage) -> list[int]:
    return [
        sum(row.get("ContactStatus", "ACTIVE") == "ACTIVE" for row in stage.books.records("Contacts")),
        len(stage.crm.records("Accounts")),
    ]


def _touch(stage: Stage, system: str) -> None:
    """Give the pass a record to read."""
    if system == "crm":
        record = stage.crm.records("Accounts")[0]
        stage.crm.act("update", "Accounts", record["id"], {"Description": f"{len(record['id'])}"})
    else:
        record = stage.books.records("Contacts")[0]
        stage.books.act("update", "Contacts", record["ContactID"], {"Website": "http://a.example"})


ENDLESS: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    "the same page for ever": lambda body, n: body,
    "another page for ever": lambda body, n: _numbered(body, n),
    "empty pages for ever": lambda body, n: {k: [] if isinstance(v, list) else v for k, v in body.items()},
}


def _numbered(body: dict[str, Any], number: int) -> dict[str, Any]:
    for name in ("Contacts", "data"):
        for place, row in enumerate(body.get(name) or ()):
            if "ContactID" in row:
                row["ContactID"] = f"00000000-0000-0000-{place:04}-{number:012}"
                row["Name"] = f"Contact {number} {place}"
            else:
                row["id"] = f"{9_000_000_000 + number * 1000 + place}"
    return body


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (system, name)
        for n, name in enumerate(ENDLESS)
        for system in ("crm", "books")[n % 2 : effort(n % 2 + 1, 2)]
    ],
)
def test_pages_without_end_come_to_an_end(
    system: str, name: str, tmp_path: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally("hostile inputs")
    monkeypatch.setattr(hearing, "MAX_PAGES", 5)
    asked = 0
    first = b""

    def answer(request: Request, honest: Callable[[], Reply]) -> Reply:
        nonlocal asked, first
        reply = honest()
        if not request.path.endswith("/Contacts") and b"from Accounts" not in request.body:
            return reply
        asked += 1
        assert asked < 50, "it goes on for ever"
        first = first or reply.body
        body = ENDLESS[name](json.loads(first), asked)
        if "pagination" in body:
            body["pagination"] |= {"pageCount": 10**9, "itemCount": 10**12}
        else:
            body["info"] = {"more_records": True, "count": len(body.get("data", ()))}
        return Reply.json(body)

    with Stage(tmp_path) as stage:
        stage.connect()
        stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
        stage.books.act("create", "Contacts", None, {"Name": "Hilltop Farm"})
        stage.crm.act("create", "Products", None, {"Product_Name": "Loaf", "Product_Code": "LOAF"})
        with tampering(stage.systems[system], answer):
            outcome = stage.sync(code=None)
        if name != "empty pages for ever" or system == "books":
            why = outcome["problems"]["accounts"]
            assert "does not come to an end" in why or "would never end" in why
        assert outcome["modules"]["products"]["created"]["books"] == 1
        assert len(stage.books.records("Contacts")) == 1
        if name != "another page for ever":  # whose records are as good as any, for all that is known
            for _ in range(2):
                stage.sync(code=None)
            assert _both(stage) == [2, 2]
            stage.assert_idle()


def test_a_record_that_comes_twice_and_one_with_the_id_of_another_module(
    tmp_path: Path, tally: Tally
) -> None:
    tally("hostile inputs", 2)
    with Stage(tmp_path) as stage:
        stage.connect()
        product = stage.crm.act("create", "Products", None, {"Product_Name": "Loaf", "Product_Code": "LOAF"})
        stage.crm.act("create", "Accounts", None, {"Account_Name": "Harbour Bakery"})
        stage.sync()

        def twice(body: Any) -> Any:
            body["data"] = [body["data"][0] | {"id": product["id"]}, *body["data"], *body["data"]]
            return body

        account = stage.crm.records("Accounts")[0]
        stage.crm.act("update", "Accounts", account["id"], {"Phone": "222"})
        with tampering(stage.crm, _altered(twice)):
            stage.sync(code=None)
        stage.sync(code=None)
        names = sorted(row["Name"] for row in stage.books.records("Contacts"))
        assert set(names) == {"Harbour Bakery"}
        assert [row["Code"] for row in stage.books.records("Items")] == ["LOAF"]


WRITES: dict[str, Change] = {
    "nothing": lambda body: None,
    "no list": lambda body: {},
    "fewer": lambda body: {k: v[:-1] if isinstance(v, list) else v for k, v in body.items()},
    "more": lambda body: {k: v + v if isinstance(v, list) else v for k, v in body.items()},
    "without ids": _rows(
        lambda row: {k: v for k, v in row.items() if k not in ("ContactID", "details", "id")}
    ),
    "ids that are none": _id("a\x00b"),
    "details that are a list": _rows(lambda row: row | {"details": [1]}),
    "numbers": _all(7),
    "another status": _rows(lambda row: row | {"status": 7, "code": {}, "StatusAttributeString": []}),
}


@pytest.mark.parametrize("name", list(WRITES)[1 :: effort(4, 1)])
def test_a_write_whose_answer_makes_no_sense_is_looked_up_and_not_repeated(
    name: str, tmp_path: Path, tally: Tally
) -> None:
    tally("hostile inputs", 2)

    def answer(request: Request, honest: Callable[[], Reply]) -> Reply:
        reply = honest()
        writes = request.method in ("POST", "PUT") and request.path.endswith(("/Contacts", "/Accounts"))
        if not writes or not reply.body.startswith(b"{"):
            return reply
        return Reply.json(WRITES[name](json.loads(reply.body)), reply.status)

    with Stage(tmp_path) as stage:
        stage.connect()
        for number in range(3):
            stage.crm.act("create", "Accounts", None, {"Account_Name": f"Account {number}"})
            stage.books.act("create", "Contacts", None, {"Name": f"Contact {number}"})
        with tampering(stage.crm, answer), tampering(stage.books, answer):
            outcome = stage.sync(code=None)
        assert not any("a fault of Syncline" in why for why in outcome["problems"].values()), outcome
        for _ in range(3):
            stage.sync(code=None)
        assert _both(stage) == [6, 6]
        stage.assert_idle()


# --- what reaches the state, on both databases ------------------------------------------------------------


LISTS_WITHOUT_END = ("/users", "/deleted")


@pytest.mark.parametrize("path", LISTS_WITHOUT_END)
def test_lists_that_a_connector_gathers_come_to_an_end(
    path: str, tmp_path: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from syncline_zoho.crm import api

    tally("hostile inputs")
    monkeypatch.setattr(api.page_numbers, "__defaults__", (5,))
    asked = 0

    def answer(request: Request, honest: Callable[[], Reply]) -> Reply:
        nonlocal asked
        if not request.path.endswith(path):
            return honest()
        asked += 1
        assert asked < 100, "it goes on for ever"
        row = {"id": f"9{asked}", "email": "a@b.example", "deleted_time": "2026-01-01T00:00:00+00:00"}
        return Reply.json({"users": [row], "data": [row], "info": {"more_records": True}})

    with Stage(tmp_path) as stage:
        stage.connect()
        stage.sync()
        stage.later(timedelta(hours=1))
        with tampering(stage.crm, answer):
            if path == "/users":
                from syncline.connect.errors import RemoteProtocolError
                from syncline.run.workspace import Workspace

                with Workspace(stage.spec, None, stage.environ()) as work:
                    session = work.live("crm").session
                    with pytest.raises(RemoteProtocolError, match="does not come to an end"):
                        list(session.read("Users", None, frozenset()))
            else:
                outcome = stage.sync(code=None)
                assert "does not come to an end" in outcome["problems"]["accounts"]
        assert asked >= 5


TEXTS = {
    "zeros": "a\x00b",
    "a key as long as a page": "\U0001f600" * 20_000,
    "marks upon marks": "a" + "\u0301\u0323" * 20_000,
    "a formula": "=cmd|' /C calc'!A0",
    "another formula": "@SUM(1+1)*cmd|' /C calc'!A0",
    "a query": "'; DROP TABLE link; --",
    "a template": "{{ 10**10**10 }}{% include '/etc/passwd' %}",
    "a place holder": ":id %s ? $1 {0}",
}


ITEMS = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
modules:
  items:
    between: {a: items, b: items}
    match:
      - {a: code, b: code}
      - {a: "name | fold", b: "name | fold"}
    fields:
      code: {a: code, b: code}
      name: {a: name, b: name}
"""


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_means_harm_is_carried_over_as_a_text(
    name: str, tmp_path: Path, database: Database, tally: Tally
) -> None:
    """As a value, a match key and a natural key, on SQLite and on PostgreSQL; pairs are still told apart."""
    tally("hostile inputs")
    text = TEXTS[name]
    code = text.replace("\x00", "")  # a natural key with a zero is refused with its record's list
    pair = Pair(tmp_path, database, ITEMS)
    pair.a.person("items", code=code, name=text)
    pair.a.person("items", code=f"{code} 2", name=f"{text} 2")
    pair.b.person("items", code=f"{code} 2", name="known")
    for _ in range(2):
        assert pair.run().problems == {}
    assert sorted(row["code"] for row in pair.b.rows["items"].values()) == sorted([code, f"{code} 2"])
    pair.b.calls.clear()
    assert pair.run().problems == {}
    assert [call for call in pair.b.calls if call[0] == "write"] == []
