"""The likely rule before pairs that invite a wrong join or a second record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.world import Pair
from tests.unit.run.test_likely import SPEC

from syncline.mapping.module import Side
from syncline.run.likely import MAX_BLOCK
from syncline.store.database import open_store

#: What is typed at either end (name, tax number, e-mail, phone, town), and what must become of the pair. Each
#: is of names that nothing else here resembles.
_KEYS = ("name", "tax", "email", "phone", "city")
TRAPS = {
    "towns that look alike": (
        ("Barlow Tiles Pty Ltd", "", "", "", "Perth"),
        ("Barlow Tyles", "", "", "", "Penrith"),
        "created",
    ),
    "no tax number, in words": (
        ("Egan Roofing", "N/A", "", "", ""),
        ("Egan Roofin", "n/a", "", "", ""),
        "asked",
    ),
    "a tax number of zeros": (
        ("Drake Blinds", "00000000000", "", "", ""),
        ("Drake Blind", "00000000000", "", "", ""),
        "asked",
    ),
    "a phone number of zeros": (
        ("Hobbs Boats", "", "", "0000000000", "Dubbo"),
        ("Hobbs Boat", "", "", "0000000000", "Dubbo"),
        "asked",
    ),
    "an address of nobody": (
        ("Larkin Wool", "", "none@none.com", "", ""),
        ("Larkin Wools", "", "none@none.com", "", ""),
        "asked",
    ),
    "two mailboxes of one service": (
        ("Nolan Toys", "", "nolan1@gmail.com", "", "Cairns"),
        ("Nolan Toy", "", "nolan2@gmail.com", "", "Cairns"),
        "asked",
    ),
    "two branches of one company": (
        ("Burger Barn Cairns", "53004085616", "hq@burgerbarn.com.au", "", "Cairns"),
        ("Burger Barn Dubbo", "53004085616", "hq@burgerbarn.com.au", "", "Dubbo"),
        "asked",
    ),
    "two firms of one owner": (
        ("Reyes Pools", "", "jo@reyes.com.au", "02 9555 7777", ""),
        ("Reyes Property", "", "jo@reyes.com.au", "02 9555 7777", ""),
        "asked",
    ),
    "renamed and moved, with its tax number": (
        ("Sands Motors", "11222333444", "a@sands.com.au", "", "Perth"),
        ("Bluewater Leasing", "11222333444", "b@bluewater.com.au", "", "Cairns"),
        "asked",
    ),
    "renamed and moved, with its mailbox": (
        ("Sutton Dental", "", "reception@suttondental.com.au", "", "Perth"),
        ("Hillside Family Care", "", "reception@suttondental.com.au", "", "Cairns"),
        "asked",
    ),
    "another tax number at one mailbox": (
        ("Kemp Farms", "11000222333", "ap@ledgers.com.au", "", "Orange"),
        ("Weaver Garages", "99888777666", "ap@ledgers.com.au", "", "Orange"),
        "created",
    ),
    "nothing but a name with a slip": (
        ("Zammit Optical", "", "", "", ""),
        ("Zamit Optical", "", "", "", ""),
        "asked",
    ),
    "the company's number for its tax number": (
        ("Vance Steel", "53 004 123 616", "", "", "Perth"),
        ("Vance Steels", "ACN 004 123 616", "", "", "Perth"),
        "linked",
    ),
    "several addresses in one field": (
        ("Trent Marine", "", "a@trentmarine.com.au; b@x.com.au", "02 9555 1234", "Perth"),
        ("Trent Marin", "", "a@trentmarine.com.au", "", "Perth"),
        "linked",
    ),
}


@pytest.fixture(scope="module")
def became(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """By trap what became of its left record: linked, asked or created."""
    folder = tmp_path_factory.mktemp("traps")
    with open_store(str(folder / "state.db")) as database:
        pair = Pair(folder, database, SPEC)
        ids = {
            trap: [
                world.person("people", **dict(zip(_KEYS, typed, strict=True)))
                for world, typed in zip((pair.a, pair.b), ends, strict=True)
            ]
            for trap, (*ends, _) in TRAPS.items()
        }
        pair.run()
        with pair.scopes() as (scope,), database.read() as db:
            links = scope.ledger.links_of(db, Side.LEFT, [left for left, _ in ids.values()])
            asked = {
                str(one.detail["record"])
                for one in scope.ledger.questions(db, limit=1000)
                if one.kind == "ambiguous" and one.detail["side"] == 0
            }
        found = {}
        for trap, (left, right) in ids.items():
            if left not in links:
                found[trap] = "asked" if left in asked else "lost"
            else:
                found[trap] = "linked" if links[left].ids[1] == right else "created"
        yield found


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap(became: dict[str, str], trap: str) -> None:
    assert became[trap] == TRAPS[trap][2]


def test_a_question_stays_however_many_namesakes_come(tmp_path: Path) -> None:
    """No key that its records share says anything any more; nobody has answered yet."""
    with open_store(str(tmp_path / "state.db")) as database:
        pair = Pair(tmp_path, database, SPEC)
        asked = pair.a.person("people", name="Quinn Electrical", city="Perth")
        about = pair.b.person("people", name="Quinn Electrikal", city="Perth")
        assert pair.run().modules["people"]["ambiguous"] == 2
        for number in range(MAX_BLOCK):
            for end, name in ((pair.a, "Quinn Electrical"), (pair.b, "Quinn Electrikal")):
                tax = f"{11000222333 + 2 * number + (end is pair.b)}"
                end.person("people", name=name, tax=tax, city=f"Town {tax}")
        for _ in range(2):
            pair.run()
        with pair.scopes() as (scope,), database.read() as db:
            others = {each.subject: each.detail["others"] for each in scope.ledger.questions(db)}
        assert about in others.get(f"0:{asked}", ())
        assert asked in others.get(f"1:{about}", ())
