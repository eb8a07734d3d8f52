"""Which records a module creates of those that it shares with another, under which name."""

from __future__ import annotations

from pathlib import Path

from tests.support.world import Pair

from syncline.store.database import Database

SPEC = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  customers:
    between: {a: people, b: people}
    yields_to: vendors
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
  vendors:
    between: {a: contacts, b: people}
    where: {b: "{{ record.note == 'supplier' }}"}
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
"""


def test_no_customer_is_made_of_a_vendor(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, SPEC)
    pair.a.person("contacts", name="Mill")  # a new vendor, which the books do not call one yet
    pair.b.person("people", name="Forge", note="supplier")
    pair.b.person("people", name="Shop")
    for _ in range(3):
        pair.run()
    assert sorted(row["name"] for row in pair.a.rows["contacts"].values()) == ["Forge", "Mill"]
    assert sorted(row["name"] for row in pair.a.rows["people"].values()) == ["Shop"]
    assert sorted(row["name"] for row in pair.b.rows["people"].values()) == ["Forge", "Mill", "Shop"]


NEEDED = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  customers:
    between: {a: people, b: people}
    yields_to: vendors
    creates: {a: "{{ true if record.phone }}"}
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
  vendors:
    between: {a: contacts, b: people}
    creates: {a: "{{ record.note == 'supplier' }}"}
    match: [{a: name, b: name}]
    fields:
      name: {a: name, b: name}
  bills:
    between: {a: items, b: bills}
    fields:
      title: {a: code, b: title}
      who: {a: name, b: who, ref: vendors}
"""


def test_who_is_both_is_made_twice_and_who_is_needed_is_made(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, NEEDED)
    pair.a.person("contacts", name="Mill")
    pair.b.person("people", name="Mill")  # known as a vendor over there: matched, whatever creates says
    pair.b.person("people", name="Forge", note="supplier")
    pair.b.person("people", name="Both", note="supplier", phone="1")
    kiln = pair.b.person("people", name="Kiln")
    pair.run()
    assert sorted(row["name"] for row in pair.a.rows["contacts"].values()) == ["Both", "Forge", "Mill"]
    assert sorted(row["name"] for row in pair.a.rows["people"].values()) == ["Both", "Kiln"]
    pair.b.person("bills", title="Clay", who=kiln)
    result = pair.run()
    assert result.modules["bills"]["created"] == {"a": 1, "b": 0}, "in the very pass that needed its vendor"
    assert sorted(row["name"] for row in pair.a.rows["contacts"].values()) == [
        "Both",
        "Forge",
        "Kiln",
        "Mill",
    ]
    assert pair.run().modules["vendors"]["created"] == {"a": 0, "b": 0}


TAKEN = """
spec: 1
name: test
systems:
  a: {connector: alpha}
  b: {connector: beta}
conflicts: {prefer: a}
modules:
  people:
    between: {a: people, b: people}
    where: {a: "{{ record.note != 'other' }}"}
    match: [{a: email, b: email}]
    fields:
      name:
        a: name
        b: name
        to: {a: "{{ value }}", b: "{{ value.removesuffix(' (2)') }}"}
        taken: {a: "{{ value ~ ' (' ~ (record.tax or 2) ~ ')' }}"}
"""


def test_a_name_that_another_holds_is_told_apart_as_the_spec_says(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, TAKEN)
    pair.a.unique = ("name",)
    for name in ("Mill", "Forge", "Mine"):
        pair.a.person("people", name=name, note="other")
    mill = pair.b.person("people", name="Mill")
    pair.b.person("people", name="Mine", tax="77")

    def names() -> list[str]:
        return sorted(row["name"] for row in pair.a.rows["people"].values() if row.get("note") != "other")

    assert pair.run().modules["people"]["failed"] == 0
    assert names() == ["Mill (2)", "Mine (77)"]
    for _ in range(2):
        pair.run()
    assert pair.b.rows["people"][mill]["name"] == "Mill", "the name there stays as people wrote it"
    pair.b.person("people", mill, name="Forge")
    pair.run()
    assert names() == ["Forge (2)", "Mine (77)"]
    other = next(key for key, row in pair.a.rows["people"].items() if row["name"] == "Forge (2)")
    pair.a.person("people", other, name="Forge & Sons (2)")
    pair.run()
    assert pair.b.rows["people"][mill]["name"] == "Forge & Sons"


def test_what_is_taken_as_well_fails_with_the_remotes_words(tmp_path: Path, database: Database) -> None:
    pair = Pair(tmp_path, database, TAKEN)
    pair.a.unique = ("name",)
    for name in ("Mill", "Mill (2)"):
        pair.a.person("people", name=name, note="other")
    pair.b.person("people", name="Mill")
    totals = pair.run().modules["people"]
    assert (totals["failed"], totals["created"]["a"]) == (1, 0)
    assert len(pair.a.rows["people"]) == 2
