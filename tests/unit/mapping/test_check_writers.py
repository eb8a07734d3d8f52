"""Records that several modules write, each from another system: what is told, and whose word counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import CONNECTORS

from syncline.cli.validate import Plugged, validate_files
from syncline.spec import load_spec

HEAD = """\
spec: 1
name: three
systems:
  crm: {connector: alpha-crm}
  shop: {connector: alpha-crm}
  books: {connector: beta-books}
  vault: {connector: beta-books}
modules:
"""


def module(name: str, left: str, right: str, *more: str) -> str:
    lines = "".join(f"    {line}\n" for line in more)
    return (
        f"  {name}:\n    between: {{{left}: Accounts, {right}: Contacts}}\n{lines}"
        f"    fields: {{name: {{{left}: Account_Name, {right}: Name}}}}\n"
    )


def told(folder: Path, *texts: str) -> list[str]:
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text)
    result = validate_files(map(str, files), Plugged(connectors=CONNECTORS), environ={})
    assert {problem.code for problem in result.problems} <= {"two-writers", "env-unset"}
    return [problem.message for problem in result.problems if problem.code == "two-writers"]


A, B = ("one", "crm", "books"), ("two", "shop", "books")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(module(*A) + module(*B), ["nobody says whose word counts"], id="nobody-owns-them"),
        pytest.param(
            module(*A, "owner: crm") + module(*B),
            ["nobody says whose word counts"],
            id="one-says-who-owns-them",
        ),
        pytest.param(
            module(*A, "owner: crm") + module(*B, "owner: books"),
            ["one says that crm owns them, two that books does"],
            id="two-owners",
        ),
        pytest.param(module(*A, "owner: crm") + module(*B, "owner: crm"), [], id="one-owner"),
        pytest.param(
            module(*A, "owner: crm") + module(*B, "owner: crm", "conflicts: {prefer: shop}"),
            ["in two name prefers shop, but crm owns these records, and books has its word"],
            id="a-rule-against-the-owner",
        ),
        pytest.param(
            module(*A, "owner: crm") + module(*B, "owner: crm", "conflicts: {prefer: ask}"),
            [],
            id="a-person-decides",
        ),
        pytest.param(
            module(*A, "owner: vault") + module(*B, "owner: vault"),
            ["vault owns the records of one, but no module with that owner joins it with crm or books"] * 1
            + ["vault owns the records of two, but no module with that owner joins it with shop or books"],
            id="an-owner-out-of-reach",
        ),
        pytest.param(module(*A) + module(*B, 'direction: "books -> shop"'), [], id="one-only-reads"),
        pytest.param(module(*A) + module(*B, "enabled: false"), [], id="one-is-off"),
        pytest.param(
            module(*A, 'where: {books: "{{ record.IsCustomer }}"}')
            + module(*B, 'where: {books: "{{ not record.IsCustomer }}"}'),
            [],
            id="each-has-records-of-its-own",
        ),
        pytest.param(
            module(*A, 'where: {books: "{{ record.IsCustomer }}"}')
            + module(*B, 'where: {books: "{{ record.IsCustomer  }}"}'),
            ["nobody says whose word counts"],
            id="both-have-the-same-records",
        ),
        pytest.param(
            "".join(
                module(name, left, right, "owner: crm")
                for name, left, right in (A, B, ("three", "crm", "vault"), ("four", "shop", "vault"))
            ),
            ["one, two, three, four go round in a circle: a value comes to vault by two ways"],
            id="a-circle",
        ),
    ],
)
def test_writers_of_the_same_records_need_one_owner(tmp_path: Path, text: str, words: list[str]) -> None:
    found = told(tmp_path, HEAD + text)
    assert len(found) == len(words)
    assert all(word in message for word, message in zip(words, found, strict=True)), found


def test_the_end_that_is_nearer_to_the_owner_wins_a_conflict(tmp_path: Path) -> None:
    file = tmp_path / "three.yaml"
    row = (A, B, ("three", "shop", "vault"))
    file.write_text(HEAD + "".join(module(name, left, right, "owner: crm") for name, left, right in row))
    spec = load_spec(file, environ={}).spec
    assert spec is not None
    prefer = {name: each.conflicts.prefer for name, each in spec.modules.items()}
    assert prefer == {"one": "crm", "two": "books", "three": "shop"}


def test_a_rule_of_the_spec_for_a_third_system_decides_nothing(tmp_path: Path) -> None:
    file = tmp_path / "three.yaml"
    file.write_text(HEAD.replace("modules:", "conflicts: {prefer: shop}\nmodules:") + module(*A))
    spec = load_spec(file, environ={}).spec
    assert spec is not None
    assert spec.modules["one"].conflicts.prefer == "ask"


OTHER = """\
spec: 1
name: other
systems:
  sales: {connector: alpha-crm, organisation: Acme}
  ledger: {connector: beta-books, organisation: Acme Pty Ltd}
modules:
"""
NAMED = HEAD.replace(
    "books: {connector: beta-books}", "books: {connector: beta-books, organisation: acme  pty ltd}"
)


@pytest.mark.parametrize(
    ("head", "owners", "count"),
    [
        pytest.param(NAMED, ("", ""), 1, id="the-same-organisation"),
        pytest.param(NAMED, ("owner: books", "owner: ledger"), 0, id="which-owns-them-in-both"),
        pytest.param(NAMED, ("owner: crm", "owner: ledger"), 1, id="with-two-owners"),
        pytest.param(HEAD, ("", ""), 0, id="an-organisation-that-one-does-not-name"),
        pytest.param(NAMED.replace("acme", "Bolt"), ("", ""), 0, id="another-organisation"),
        pytest.param(NAMED.replace("name: three", "name: other"), ("", ""), 0, id="the-same-spec-twice"),
    ],
)
def test_two_specs_are_looked_at_together(
    tmp_path: Path, head: str, owners: tuple[str, str], count: int
) -> None:
    first, second = ([owner] if owner else [] for owner in owners)
    texts = head + module(*A, *first), OTHER + module("staff", "sales", "ledger", *second)
    assert len(told(tmp_path, *texts)) == count
