"""Companies that two clerks typed differently, over HTTP: linked, asked about once, never doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.companies import Company, Dirt, Values
from tests.support.judging import Seeded
from tests.support.stage import Stage, extending

SPEC = (
    extending("xero-zoho-crm")
    + """
country: AU
modules:
  accounts: {yields_to: null}
  products: {enabled: false}
  invoices: {enabled: false}
  vendors: null
  people: null
  quotes: null
  purchase_orders: null
"""
)
PAIRS = 40


def account(values: Values) -> dict[str, Any]:
    return {
        "Account_Name": values["name"],
        "Email": values["email"].strip() or None,
        "Phone": values["phone"] or None,
        "Tax_Number": values["tax"] or None,
        "Billing_City": values["city"] or None,
    }


def contact(values: Values) -> dict[str, Any]:
    return {
        "Name": " ".join(values["name"].split()),  # Xero takes no others
        "EmailAddress": values["email"].strip(),
        "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": values["phone"]}],
        "TaxNumber": values["tax"],
        "Addresses": [{"AddressType": "POBOX", "City": values["city"]}],
    }


def seed(stage: Stage) -> Seeded:
    def create(side: int, values: Values) -> str:
        if side == 0:
            return str(stage.crm.act("create", "Accounts", None, account(values))["id"])
        wanted, taken = contact(values), {one["Name"].casefold() for one in stage.books.records("Contacts")}
        if wanted["Name"].casefold() in taken:  # Xero takes each name once: people add something
            wanted["Name"] += f" {values['city'] or 'two'}"
        return str(stage.books.act("create", "Contacts", None, wanted)["ContactID"])

    return Seeded(companies(), create)


def companies() -> list[Company]:
    return Dirt(seed=24).companies(PAIRS)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), spec=SPEC, patient=False) as opened:
        opened.connect()
        yield opened


def held(stage: Stage) -> tuple[int, int]:
    return len(stage.crm.records("Accounts")), len(stage.books.records("Contacts"))


def questions(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.run("conflicts", "--json", "--limit", "1000").json["questions"]
    return [one for one in found if one["kind"] == "ambiguous"]


def matches(stage: Stage) -> Path:
    return stage.folder / "acme.matches.yaml"


def test_dirty_companies_are_linked_asked_about_with_the_evidence_and_settled_for_good(stage: Stage) -> None:
    seeded = seed(stage)
    before = held(stage)
    plan = stage.run("plan")
    assert "score" in plan.out
    assert "alike" in plan.out
    assert held(stage) == before

    done = stage.sync(code=None)["modules"]["accounts"]
    asked = questions(stage)
    joined = done["linked"]
    pairs = sum(len(c.left) == len(c.right) == 1 for c in seeded.companies.values())
    assert joined >= 0.9 * pairs
    assert asked
    assert all(c["evidence"] and c["score"] for one in asked for c in one["candidates"] if not one["key"])
    only = {side: [r for r in seeded.of if r[0] == side and not seeded.partners(r)] for side in (0, 1)}
    assert done["created"]["books"] <= len(only[0])
    assert done["created"]["crm"] <= len(only[1])
    for side, record in seeded.of:
        partners = seeded.partners((side, record))
        if seeded.companies[seeded.of[side, record]].kind != "namesake":
            continue
        system = ("crm", "books")[side]
        told = stage.run("explain", "accounts", record, "--system", system, "--json").json
        linked = told["records"][("books", "crm")[side]]["id"]
        assert linked is None or linked in partners or told["linked"]["how"] == "created"

    # The same again asks the same, and writes nothing.
    stage.assert_idle()
    assert {one["id"] for one in questions(stage)} == {one["id"] for one in asked}

    # A person who knows the truth decides each; one is left alone.
    ignored = ""
    for _ in range(4):
        for one in questions(stage):
            side = 0 if one["system"] == "crm" else 1
            partners = seeded.partners((side, one["record"]))
            good = [c["id"] for c in one["candidates"] if c["id"] in partners and not c["linked_to"]]
            words = ["--link", good[0], "--why", "known to Ann"] if good else ["--create"]
            if not good and not ignored:
                ignored, words = one["record"], ["--ignore"]
            stage.run("conflicts", one["id"], *words, "--later")
        stage.sync(code=None)
        if not questions(stage):
            break
    assert questions(stage) == []
    stage.sync(code=None)
    stage.sync(code=None)
    text = matches(stage).read_text("utf-8")
    assert "same:" in text
    assert "ignore:" in text
    assert ignored in text
    assert "known to Ann" in text
    for name, value in stage.environ().items():
        if name.endswith("SECRET"):
            assert value not in text
    assert stage.run("validate").code == 0
    stage.assert_idle()
    after = held(stage)

    # All read anew: nothing is asked, nothing is made.
    again = stage.sync("--full", code=None)
    assert again["modules"]["accounts"]["ambiguous"] == 0
    assert held(stage) == after


def test_a_broken_file_of_decisions_stops_a_pass_before_it_begins_and_loses_nothing(stage: Stage) -> None:
    good = matches(stage).read_text("utf-8")
    broken = good.replace("accounts:", "acounts:", 1)
    matches(stage).write_text(broken, encoding="utf-8")
    try:
        stage.forget_requests()
        done = stage.run("sync")
        assert done.code == 3
        assert "acme.matches.yaml:" in done.err
        assert "did you mean accounts" in done.err
        assert stage.writes() == 0
        assert stage.run("validate").code == 3
        assert matches(stage).read_text("utf-8") == broken
    finally:
        matches(stage).write_text(good, encoding="utf-8")
    stage.assert_idle()
