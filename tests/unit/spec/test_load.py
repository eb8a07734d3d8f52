"""A spec file to typed values, with every default; and what is wrong, in one run."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncline.spec import Loaded, Severity, SpecError, check_base_url, load_spec
from syncline.spec.model import DeleteRule, Direction, EnvText, Limits

FULL = """\
spec: 1
name: acme
systems:
  crm:
    connector: alpha-crm
    data_center: au
    tags: [a, "${env:TAG:-b}"]
    base_url: ${env:CRM_URL:-https://crm.example/api}
    client_secret: ${env:CRM_SECRET}
    fields: {Accounts: {Tier: {type: choice, choices: [Gold], required: true, max_length: 9}}}
  books: {connector: beta-books, organisation: Acme Pty Ltd}
schedule: {cron: "*/5 7-19 * * mon-fri", timezone: Australia/Sydney}
conflicts: {prefer: crm}
modules:
  accounts:
    between: {crm: Accounts, books: Contacts}
    match:
      - {crm: "Account_Name | fold | upper", books: "Phones[PhoneType=A|B].Number", agree: [phone]}
    where: {books: "{{ record.IsCustomer }}"}
    recheck: {books: "{{ record.Due }}"}
    deletes: {books: archive}
    limits: {deletes: 2.5%, operations: none}
    conflicts: {prefer: newest}
    fields:
      phone: {crm: Phone, books: Number, tolerance: 0.05, conflicts: {prefer: ask}}
      exempt:
        crm: Exempt
        books: Type
        to: {books: "{{ 'E' if value }}", crm: "{{ value == 'E' }}"}
      summary:
        crm: Description
        to:
          crm: >-
            {{ record.Website }}
            {{ record.TaxNumber }}
  invoices:
    enabled: false
    between: {books: Invoices, crm: Invoices}
    direction: crm -> books
    limits: {deletes: 3}
    fields:
      customer: {crm: Account, books: Contact, ref: accounts, enforce: true}
      kind: {crm: Kind, books: Kind, values: [{crm: Net 30, books: 30}, {books: null, crm: x}]}
      lines:
        crm: Items
        books: Lines
        key: code
        each:
          code: {crm: Code, books: Code}
"""


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Loaded:
    file = folder / "acme.yaml"
    file.write_bytes(text.encode("utf-8"))
    return load_spec(file, environ=environ or {})


def codes(loaded: Loaded) -> list[str]:
    return [p.code for p in loaded.problems if p.severity is not Severity.NOTE]


def test_everything_that_is_written_is_in_the_spec(tmp_path: Path) -> None:
    loaded = load(tmp_path, FULL)
    assert codes(loaded) == []
    spec = loaded.spec
    assert spec is not None
    assert (spec.name, spec.file) == ("acme", str(tmp_path / "acme.yaml"))
    assert spec.schedule is not None
    assert (spec.schedule.cron, spec.schedule.timezone) == ("*/5 7-19 * * mon-fri", "Australia/Sydney")

    crm, books = spec.systems["crm"], spec.systems["books"]
    assert crm.options["data_center"] == "au"
    tag = crm.options["tags"][1]
    assert isinstance(tag, EnvText)
    assert (crm.options["tags"][0], tag.value({})) == ("a", "b")
    assert crm.base_url is not None
    assert crm.base_url.value({"CRM_URL": "https://other.example"}) == "https://other.example"
    assert books.organisation is not None
    assert books.organisation.value({}) == "Acme Pty Ltd"
    tier = crm.fields["Accounts"]["Tier"]
    assert (tier.type, tier.choices, tier.required, tier.max_length) == ("choice", ("Gold",), True, 9)
    assert (tier.unique, tier.read_only) == (None, None)

    accounts = spec.modules["accounts"]
    assert (accounts.left.system, accounts.left.module) == ("crm", "Accounts")
    assert accounts.end("books").module == "Contacts"
    assert (accounts.direction, accounts.enabled) == (Direction.BOTH, True)
    assert accounts.deletes == {"crm": DeleteRule.IGNORE, "books": DeleteRule.ARCHIVE}
    assert accounts.limits == Limits(deletes_count=None, deletes_share=Decimal("0.025"), operations=None)
    assert accounts.conflicts.prefer == "newest"
    (rule,) = accounts.match
    assert (rule.left.path, rule.left.filters) == ("Account_Name", ("fold", "upper"))
    assert (rule.right.path, rule.right.filters, rule.agree) == (
        "Phones[PhoneType=A|B].Number",
        (),
        ("phone",),
    )
    assert str(rule.left.filter_places[1]).endswith("acme.yaml:18:38")

    phone, exempt, summary = (accounts.fields[name] for name in ("phone", "exempt", "summary"))
    assert (phone.left, phone.right, phone.tolerance) == ("Phone", "Number", Decimal("0.05"))
    assert phone.conflicts is not None
    assert phone.conflicts.prefer == "ask"
    assert set(exempt.to) == {"crm", "books"}
    assert (summary.left, summary.right, summary.direction) == ("Description", None, Direction.TO_LEFT)
    assert str(summary.to["crm"].at(summary.to["crm"].source.index("TaxNumber"))).endswith("acme.yaml:35:23")

    invoices = spec.modules["invoices"]
    assert (invoices.left.system, invoices.direction, invoices.enabled) == ("books", Direction.TO_LEFT, False)
    assert invoices.limits == Limits(deletes_count=3, deletes_share=None, operations=10_000)
    assert invoices.conflicts.prefer == "crm"
    customer, kind, lines = (invoices.fields[name] for name in ("customer", "kind", "lines"))
    assert (customer.ref, customer.enforce, customer.direction) == ("accounts", True, Direction.TO_LEFT)
    assert kind.values == ((30, "Net 30"), (None, "x"))
    assert kind.places["values.0.crm"].column == 53
    assert lines.each is not None
    assert (lines.key, lines.each["code"].left, lines.each["code"].direction) == (
        "code",
        "Code",
        Direction.TO_LEFT,
    )


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "spec: 1\nname: x\nsystems: {a: {connector: c}, b: {connector: d}}\nschedule: {every: 90s}\n"
        "modules: {m: {between: {a: X, b: Y}, fields: {n: {a: N, b: N}}}}\n",
    )
    assert loaded.spec is not None
    module = loaded.spec.modules["m"]
    assert loaded.spec.schedule is not None
    assert loaded.spec.schedule.every == timedelta(seconds=90)
    assert module.conflicts.prefer == "ask"
    assert module.limits == Limits()
    assert (module.match, module.where, module.recheck) == ((), {}, {})
    assert module.deletes == {"a": DeleteRule.IGNORE, "b": DeleteRule.IGNORE}


def test_a_variable_that_is_not_set_is_noted_and_stops_only_who_needs_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, FULL)
    notes = [(p.place.line, p.place.column, p.code) for p in loaded.problems]
    assert notes == [(9, 20, "env-unset")]
    assert loaded.spec is not None
    secret = loaded.spec.systems["crm"].client_secret
    assert secret is not None
    with pytest.raises(SpecError, match="CRM_SECRET is not set"):
        secret.value({})
    assert load(tmp_path, FULL, {"CRM_SECRET": "s"}).problems == ()


def test_a_literal_secret_is_refused_and_never_repeated(tmp_path: Path) -> None:
    for written in ("hunter2", "12345678", "[hunter2, 12345678]", "true", '"${env:S:-hunter2}"'):
        loaded = load(tmp_path, FULL.replace("${env:CRM_SECRET}", written))
        assert loaded.spec is None
        told = repr(loaded.problems)
        assert "hunter2" not in told
        assert "12345678" not in told


def test_a_digest_changes_with_what_decides_values_and_with_nothing_else(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        loaded = load(tmp_path, text)
        assert loaded.spec is not None, loaded.problems
        return loaded.spec.digests["accounts"]

    same = digest(FULL)
    assert len(same) == 32
    for old, new in [
        ("limits: {deletes: 2.5%, operations: none}", "limits: {deletes: 4%}"),
        ("organisation: Acme Pty Ltd", "organisation: Other"),
        ("https://crm.example/api", "https://crm2.example/api"),
        ('cron: "*/5 7-19 * * mon-fri"', 'cron: "*/7 7-19 * * mon-fri"'),
        ("spec: 1\n", "# a comment\nspec: 1\n"),
        ("Kind, values", "Kind2, values"),
    ]:
        assert digest(FULL.replace(old, new, 1)) == same, new
    for old, new in [
        ("crm: Phone", "crm: Mobile"),
        ("tolerance: 0.05", "tolerance: 0.06"),
        ("prefer: newest", "prefer: crm"),
        ("record.Website", "record.Site"),
        ("| fold | upper", "| fold"),
        ("record.IsCustomer", "record.IsSupplier"),
        ("books: archive", "books: ignore"),
        ("data_center: au", "data_center: eu"),
        ("choices: [Gold]", "choices: [Gold, Tin]"),
        ("connector: beta-books", "connector: gamma-books"),
    ]:
        assert digest(FULL.replace(old, new, 1)) != same, new


RECKONED = """
spec: 1
name: acme
systems: {crm: {connector: alpha-crm}, books: {connector: beta-books}}
modules:
  invoices:
    between: {crm: Invoices, books: Invoices}
    reconcile: {date: day, total: total, open: total, void: {crm: "{{ record.Void }}"}}
    fields:
      day: {crm: Day, books: Date}
      total: {crm: Total, books: Total}
"""


def test_what_holds_the_money_is_in_the_spec_and_in_no_digest(tmp_path: Path) -> None:
    loaded = load(tmp_path, RECKONED)
    assert codes(loaded) == []
    assert loaded.spec is not None
    reckoning = loaded.spec.modules["invoices"].reconcile
    assert reckoning is not None
    assert reckoning.maps == {"date": "day", "total": "total", "open": "total"}
    assert reckoning.void["crm"].source == "{{ record.Void }}"
    assert str(reckoning.places["total"]).endswith("acme.yaml:8:35")
    without = "\n".join(line for line in RECKONED.splitlines() if "reconcile:" not in line)
    other = load(tmp_path, without).spec
    assert other is not None
    assert other.modules["invoices"].reconcile is None
    assert other.digests == loaded.spec.digests


def test_an_overlay_drops_what_a_base_compares(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(RECKONED)
    overlay = "spec: 1\nname: client\nextends: ./base.yaml\nmodules: {invoices: {reconcile: %s}}\n"
    for told, maps in (("{open: null}", {"date": "day", "total": "total"}), ("null", None)):
        spec = load(tmp_path, overlay % told).spec
        assert spec is not None
        reckoning = spec.modules["invoices"].reconcile
        assert (None if reckoning is None else reckoning.maps) == maps


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        pytest.param("{date: day}", "missing-key", id="no total"),
        pytest.param("{date: day, total: sum}", "unknown-map", id="no such map"),
        pytest.param("{date: day, total: lines}", "wrong-value", id="a list"),
        pytest.param("{date: day, total: who}", "wrong-value", id="a reference"),
        pytest.param("{date: day, total: made}", "wrong-value", id="a computed value"),
        pytest.param("{date: day, total: [total]}", "wrong-type", id="no name"),
        pytest.param("{date: day, total: total, sum: total}", "unknown-key", id="an unknown key"),
    ],
)
def test_what_cannot_hold_the_money_is_refused(tmp_path: Path, told: str, wrong: str) -> None:
    whole = RECKONED.splitlines()
    whole[8 - 1] = f"    reconcile: {told}"
    more = (
        "      lines: {crm: Lines, books: Lines, each: {n: {crm: N, books: N}}}",
        "      who: {crm: Who, books: Who, ref: invoices}",
        '      made: {crm: Made, to: {crm: "{{ record.X }}"}}',
    )
    assert codes(load(tmp_path, "\n".join([*whole, *more]))) == [wrong]


def test_a_macro_file_is_read_and_counts_in_the_digest(tmp_path: Path) -> None:
    text = FULL.replace(
        "conflicts: {prefer: crm}\n", "conflicts: {prefer: crm}\ntransforms: [./ours.j2]\n", 1
    )
    (tmp_path / "ours.j2").write_text("{% macro one(x) %}1{% endmacro %}")
    first = load(tmp_path, text)
    (tmp_path / "ours.j2").write_text("{% macro one(x) %}2{% endmacro %}")
    second = load(tmp_path, text)
    assert first.spec is not None
    assert second.spec is not None
    assert [macro.name for macro in first.macros] == ["./ours.j2"]
    assert first.spec.digests != second.spec.digests


def test_many_mistakes_are_told_in_one_run(tmp_path: Path) -> None:
    text = (
        FULL.replace("conflicts: {prefer: newest}", "confilcts: {prefer: newest}")
        .replace("deletes: 3", "deletes: lots")
        .replace("ref: accounts", "ref: acounts")
        .replace("{record.Website", "{record.Website")
        .replace("prefer: ask", "prefer: asc")
        .replace("enabled: false", "enabled: off")
    )
    assert codes(load(tmp_path, text)) == [
        "unknown-key",
        "unknown-system",
        "wrong-type",
        "wrong-value",
        "unknown-module",
    ]


def test_what_was_found_sound_once_hides_no_mistake(tmp_path: Path) -> None:
    """Modules that keep the grammar are looked at once a process, whatever spec they come in."""

    def told(text: str) -> list[str]:
        path = tmp_path / "spec.yaml"
        path.write_text(text, encoding="utf-8")
        return [problem.code for problem in load_spec(path, environ={}).problems if problem.code != "unset"]

    right = FULL.replace("${env:CRM_SECRET}", "${env:CRM_SECRET:-x}")
    misspelt, misnamed = (
        right.replace("between:", "betwen:"),
        right.replace("  accounts:\n", "  Bad Name!:\n"),
    )
    clean = told(right)
    for wrong in (misspelt, misnamed):
        assert told(wrong) == told(wrong) != clean
        assert told(right) == clean


def test_a_mistake_in_a_base_is_told_in_its_file_and_once(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(FULL.replace("where:", "whre:"))
    loaded = load(
        tmp_path, "spec: 1\nname: client\nextends: ./base.yaml\nmodules: {accounts: {enabled: yes}}\n"
    )
    told = [(Path(p.place.file).name, p.place.line, p.code, p.suggestion) for p in loaded.problems]
    assert told == [
        ("acme.yaml", 4, "wrong-type", "write true"),
        ("base.yaml", 9, "env-unset", "set CRM_SECRET, or write a default: ${env:CRM_SECRET:-…}"),
        ("base.yaml", 19, "unknown-key", "did you mean where?"),
    ]


def test_an_overlay_alone_is_incomplete_and_right(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(FULL)
    loaded = load(tmp_path, "spec: 1\nname: client\nextends: ./base.yaml\nmodules: {invoices: null}\n")
    assert loaded.spec is not None
    assert list(loaded.spec.modules) == ["accounts"]
    assert loaded.spec.name == "client"


def test_what_is_left_of_a_broken_spec_can_be_checked_further(tmp_path: Path) -> None:
    loaded = load(tmp_path, FULL.replace("crm: Phone, ", "crm: 5, "))
    assert loaded.spec is None
    assert loaded.partial is not None
    assert list(loaded.partial.modules) == ["accounts", "invoices"]
    assert "phone" not in loaded.partial.modules["accounts"].fields
    assert loaded.hurt == {"accounts"}
    assert codes(loaded) == ["wrong-type"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda file: None, "cannot-read", id="missing"),
        pytest.param(lambda file: file.mkdir(), "cannot-read", id="a-folder"),
        pytest.param(lambda file: os.mkfifo(file), "cannot-read", id="a-pipe"),
        pytest.param(lambda file: file.symlink_to(file), "cannot-read", id="a-link-to-itself"),
        pytest.param(lambda file: file.write_bytes(b""), "empty-file", id="empty"),
        pytest.param(lambda file: file.write_bytes(b"\xff\xfes\x00"), "file-encoding", id="utf-16"),
        pytest.param(
            lambda file: file.write_bytes(b"\xef\xbb\xbfspec: 1"), "file-encoding", id="byte-order-mark"
        ),
        pytest.param(lambda file: file.write_bytes(b"a: \x00"), "bad-yaml", id="a-zero-byte"),
        pytest.param(
            lambda file: file.write_bytes(b"a: 1\n" * 2_000_001), "file-too-big", id="ten-megabytes"
        ),
    ],
)
def test_files_that_are_no_specs(make, code: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "acme.yaml"
    make(file)
    loaded = load_spec(file, environ={})
    assert loaded.spec is None
    assert [p.code for p in loaded.problems] == [code]
    assert loaded.problems[0].place.file == str(file)


def chain(length: int, last: str) -> str:
    """Modules of which each refers to the next."""

    def to(number: int) -> str:
        return last if number == length else f"m{number + 1}"

    modules = [
        f"  m{n}: {{between: {{a: A{n}, b: B{n}}}, fields: {{x: {{a: X, b: Y, ref: {to(n)}}}}}}}"
        for n in range(1, length + 1)
    ]
    head = "spec: 1\nname: x\nsystems: {a: {connector: c}, b: {connector: d}}\nmodules:\n"
    return head + "\n".join(modules) + "\n"


def test_a_chain_of_more_modules_than_python_nests_calls(tmp_path: Path) -> None:
    assert codes(load(tmp_path, chain(1500, last="m1500"))) == []
    assert codes(load(tmp_path, chain(1500, last="m1"))) == ["reference-cycle"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            FULL.replace("CRM_SECRET}", "CRM_SECRET:-" + "${env:A:-" * 20_000), id="nested-defaults"
        ),
        pytest.param(FULL + "".join(f"k{n}: v\n" for n in range(5_000)), id="thousands-of-unknown-keys"),
        pytest.param(FULL.replace("name: acme", "name: " + "x" * 900_000), id="a-very-long-name"),
        pytest.param(FULL.replace("crm: Phone", "crm: " + "A." * 300_000), id="a-very-long-path"),
    ],
)
def test_a_text_made_to_take_long_does_not(text: str, tmp_path: Path) -> None:
    started = time.process_time()
    loaded = load(tmp_path, text)
    assert time.process_time() - started < 8
    assert all(len(problem.message) < 1_000 for problem in loaded.problems)


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://api.example", True),
        ("https://api.example:8443/v2", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:9", True),
        ("http://api.example", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("ftp://api.example", False),
        ("api.example", False),
        ("https://", False),
        ("https://me:secret@api.example", False),
        ("https://api.example?x=1", False),
        ("https://api.example#x", False),
        ("https://api.example:port", False),
        ("https://[::1", False),
        ("https://api .example", False),
        ("", False),
    ],
)
def test_base_addresses(address: str, fine: bool) -> None:
    fault = check_base_url(address)
    assert (fault is None) is fine
    assert "secret" not in (fault or "")


LINES = FULL.splitlines()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(["drop", "twice", "indent", "null", "list", "number", "text", "cut", "swap"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_however_a_spec_is_mangled_there_is_a_spec_or_a_problem_inside_it(
    edits: list[tuple[int, str]], tmp_path: Path
) -> None:
    lines = list(LINES)
    for number, edit in edits:
        line = lines[number]
        key = line.split(":")[0]
        lines[number] = {
            "drop": "",
            "twice": f"{line}\n{line}",
            "indent": f"  {line}",
            "null": f"{key}: null",
            "list": f"{key}: [a, {{b: c}}]",
            "number": f"{key}: 5",
            "text": f'{key}: "${{env:X}} | {{{{ -> "',
            "cut": line[: len(line) // 2],
            "swap": line.replace("crm", "books"),
        }[edit]
    loaded = load(tmp_path, "\n".join(lines))
    errors = [p for p in loaded.problems if p.severity is Severity.ERROR]
    assert (loaded.spec is None) == bool(errors)
    for problem in loaded.problems:
        source = loaded.sources[problem.place.file]
        assert 1 <= problem.place.line <= source.lines
        assert 1 <= problem.place.column <= len(source.line(problem.place.line)) + 1
