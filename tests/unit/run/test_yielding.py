"""Two modules over the records of one end: customers, and vendors to whom they yield."""

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
