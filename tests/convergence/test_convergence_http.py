"""Convergence, searched for over HTTP: the whole engine, both sandboxes, accounts, products and invoices.

Fewer histories than on remotes in memory, and what those cannot show: batches, tokens, the vendors' own rules
and answers, clocks that are ten minutes apart, lists that lag behind, and every kind of fault.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.convergence.ledgers import Killed, Life
from tests.convergence.phases import PHASES
from tests.support.business import example_with, line
from tests.support.effort import effort
from tests.support.stage import Done, Stage
from tests.support.tally import Tally

from syncline.connect.http import HttpClient
from syncline.connect.sandbox.app import Reply, Request
from syncline.connect.sandbox.faults import Fault, FaultKind
from syncline.store.database import Database

SPEC = example_with(
    """
    accounts:
      deletes: {books: archive}
      fields:
        city: {conflicts: {prefer: books}}
    products:
      fields:
        price: {conflicts: {prefer: books}}
    """
)
#: The fields that people edit: where each stands at either end.
FIELDS = {
    "accounts": {"phone": "Phone", "fax": "Fax", "city": "Billing_City"},
    "products": {"description": "Description", "price": "Unit_Price"},
    "invoices": {"due_date": "Due_Date"},
}
MODULES = {"accounts": ("Accounts", "Contacts"), "products": ("Products", "Items")}
MODULES["invoices"] = ("Invoices", "Invoices")
TAGS = {"accounts": ("Account_Name", "Name"), "products": ("Product_Code", "Code")}
TAGS["invoices"] = ("Subject", "InvoiceNumber")
IDS = {"accounts": "ContactID", "products": "ItemID", "invoices": "InvoiceID"}
SYSTEMS = ("crm", "books")
API = {"crm": r"/crm/", "books": r"/api\.xro/"}
#: Faults of the remotes' own that go away by themselves.
OWN = {"crm": ("concurrency", "token-expired", "unavailable")}
OWN["books"] = ("minute", "concurrent", "token-expired", "unavailable", "organisation-offline")
#: Only in the answer to a write can these be told from the truth: a list that leaves records out is like any.
_WRITES_ONLY = {FaultKind.HALF, FaultKind.FEWER, FaultKind.SHUFFLE}

PLACES = st.integers(0, 20)
ENDS = st.sampled_from([0, 1])


@contextmanager
def mortal(life: Life) -> Iterator[None]:
    """Every request, every answer and every commit is a point at which the process may die."""
    request, write = HttpClient.request, Database.write

    def mortal_request(client: HttpClient, *args: Any, **options: Any) -> Any:
        life.point()
        reply = request(client, *args, **options)
        life.point()
        return reply

    @contextmanager
    def mortal_write(database: Database) -> Iterator[Any]:
        if life.dead:
            raise Killed
        with write(database) as db:
            yield db
            life.point()
        life.point()

    with (
        mock.patch.object(HttpClient, "request", mortal_request),
        mock.patch.object(Database, "write", mortal_write),
    ):
        yield


class HttpHistories(RuleBasedStateMachine):
    """One history over HTTP."""

    count: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-history-"))
        self.stack = ExitStack()
        self.tokens = 0
        #: by module and tag: the record's id at each end, where a person made it
        self.made: dict[tuple[str, str], list[str | None]] = {}
        #: by (module, tag, field): what a person typed last at each end
        self.typed: dict[tuple[str, str, str], list[Any]] = {}

    @initialize(
        skew=st.tuples(st.sampled_from([-10, 0, 10]), st.sampled_from([-10, 0, 10])),
        capitals=st.booleans(),
        trims=st.sampled_from(["", "trim", "upper"]),
    )
    def begin(self, skew: tuple[int, int], capitals: bool, trims: str) -> None:
        self.count["histories"] += 1
        ahead = {name: 60.0 * by for name, by in zip(SYSTEMS, skew, strict=True)}
        self.stage = self.stack.enter_context(Stage(self.folder, spec=SPEC, patient=False, ahead=ahead))
        self.stage.connect()
        self.stage.books.sandbox.switches["rewrite"] = capitals
        self.stage.crm.sandbox.switches["rewrite"] = trims
        # What a line without an item has in the CRM, where no line can be without one.
        self.stage.books.act("create", "Items", None, {"Code": "MISC", "Name": "Anything else"})

    @invariant()
    def one_step_more(self) -> None:
        self.count["steps"] += 1

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self.quiet()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- what people do --------------------------------------------------------------------------

    def token(self) -> int:
        self.tokens += 1
        return self.tokens

    def value(self, name: str) -> Any:
        number = self.token()
        match name:
            case "phone" | "fax":
                return f"9{number:05}"
            case "price":
                return Decimal(number) + Decimal("0.25")
            case "due_date":
                return (date(2099, 1, 1) + timedelta(days=number)).isoformat()
            case _:
                return f"Place {number}"

    def shape(self, side: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by field, as the screens of an end have them."""
        if side == 0:
            names = {name: column for fields in FIELDS.values() for name, column in fields.items()}
            return {names[name]: value for name, value in values.items()}
        told: dict[str, Any] = {}
        for name, value in values.items():
            match name:
                case "phone" | "fax":
                    kind = {"phone": "DEFAULT", "fax": "FAX"}[name]
                    told.setdefault("Phones", []).append({"PhoneType": kind, "PhoneNumber": value})
                case "city":
                    told["Addresses"] = [{"AddressType": "POBOX", "City": value}]
                case "price":
                    told["SalesDetails"] = {"UnitPrice": value}
                case "description":
                    told["Description"] = value
                case "due_date":
                    told["DueDate"] = value
        return told

    def shown(self, module: str, side: int, row: Mapping[str, Any]) -> dict[str, Any]:
        """What an end holds, by field, in a form that both ends share."""
        if side == 0:
            found = {name: row.get(column) for name, column in FIELDS[module].items()}
        elif module == "accounts":
            phones = {phone["PhoneType"]: phone.get("PhoneNumber") for phone in row.get("Phones", ())}
            cities = [one.get("City") for one in row.get("Addresses", ()) if one["AddressType"] == "POBOX"]
            found = {
                "phone": phones.get("DEFAULT"),
                "fax": phones.get("FAX"),
                "city": next(iter(cities), None),
            }
        elif module == "products":
            price = (row.get("SalesDetails") or {}).get("UnitPrice")
            found = {"description": row.get("Description"), "price": price}
        else:
            found = {"due_date": str(row.get("DueDateString") or row.get("DueDate"))[:10]}
        return {name: plain(value) for name, value in found.items()}

    def rows(self, module: str, side: int) -> dict[str, list[dict[str, Any]]]:
        """The living records of an end, by tag."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.stage.systems[SYSTEMS[side]].records(MODULES[module][side]):
            gone = row.get("$state", "live") != "live" or row.get("ContactStatus") == "ARCHIVED"
            tag = row.get(TAGS[module][side])
            if not gone and tag is not None:
                found.setdefault(str(tag).casefold(), []).append(row)
        return found

    def edit(self, module: str, side: int, tag: str, values: Mapping[str, Any]) -> None:
        rows = self.rows(module, side).get(tag)
        if not rows:
            return
        record = rows[0]["id"] if side == 0 else rows[0][IDS[module]]
        system = self.stage.systems[SYSTEMS[side]]
        shaped = self.shape(side, values)
        if "SalesDetails" in shaped:
            shaped["SalesDetails"] = {**(rows[0].get("SalesDetails") or {}), **shaped["SalesDetails"]}
        system.act("update", MODULES[module][side], str(record), shaped)
        for name, value in values.items():
            self.typed.setdefault((module, tag, name), [None, None])[side] = plain(value)
        self.stage.later(timedelta(seconds=3))

    def tags(self, module: str) -> list[str]:
        return sorted(tag for one, tag in self.made if one == module)

    @rule(side=ENDS, module=st.sampled_from(["accounts", "products"]))
    def create(self, side: int, module: str) -> None:
        tag = f"tag{self.token()}"
        values = {name: self.value(name) for name in FIELDS[module]}
        shaped = {TAGS[module][side]: tag, **self.shape(side, values)}
        if module == "products":
            shaped["Product_Name" if side == 0 else "Name"] = f"Thing {tag}"
            shaped.update({"SalesDetails": {**shaped["SalesDetails"], "AccountCode": "200"}} if side else {})
        self.stage.systems[SYSTEMS[side]].act("create", MODULES[module][side], None, shaped)
        self.made[module, tag] = [None, None]
        for name, value in values.items():
            self.typed.setdefault((module, tag, name), [None, None])[side] = plain(value)
        self.stage.later(timedelta(seconds=3))

    @rule(place=PLACES, lines=st.integers(1, 3))
    def invoice(self, place: int, lines: int) -> None:
        contacts = [row for rows in self.rows("accounts", 1).values() for row in rows]
        if not contacts:
            return
        tag = f"tag{self.token()}"
        due = self.value("due_date")
        values = {
            "Contact": {"ContactID": contacts[place % len(contacts)]["ContactID"]},
            "InvoiceNumber": tag,
            "Date": "2026-06-10",
            "DueDate": due,
            "Status": "AUTHORISED",
            "LineItems": [
                {**line(Description=f"Line {self.token()}"), "ItemCode": None} for _ in range(lines)
            ],
        }
        for item in values["LineItems"]:
            del item["ItemCode"]
        self.stage.books.act("create", "Invoices", None, values)
        self.made["invoices", tag] = [None, None]
        self.typed.setdefault(("invoices", tag, "due_date"), [None, None])[1] = due
        self.stage.later(timedelta(seconds=3))

    @rule(
        module=st.sampled_from(["accounts", "accounts", "products", "invoices"]),
        place=PLACES,
        sides=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
        which=PLACES,
    )
    def change(self, module: str, place: int, sides: tuple[int, ...], which: int) -> None:
        for side in sides:
            self.change_one(module, place, side, which)

    def change_one(self, module: str, place: int, side: int, which: int) -> None:
        if tags := self.tags(module):
            names = sorted(FIELDS[module])
            name = names[which % len(names)]
            self.edit(module, side, tags[place % len(tags)], {name: self.value(name)})

    @rule(place=PLACES)
    def delete_an_account(self, place: int) -> None:
        rows = [row for rows in self.rows("accounts", 0).values() for row in rows]
        invoiced = {str((row["Account_Name"] or {}).get("id")) for row in self.stage.crm.records("Invoices")}
        free = [row for row in rows if row["id"] not in invoiced]
        if free:
            self.stage.crm.act("delete", "Accounts", free[place % len(free)]["id"])
            self.stage.later(timedelta(seconds=3))

    # --- what happens --------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([3, 3, 45, 1500]))
    def time_goes_by(self, minutes: int) -> None:
        self.stage.later(timedelta(minutes=minutes))

    @rule(system=st.sampled_from(SYSTEMS), seconds=st.sampled_from([0, 90]))
    def lists_lag(self, system: str, seconds: int) -> None:
        self.stage.systems[system].sandbox.switches["visibility_delay_s"] = seconds

    @rule()
    def one_pass(self) -> None:
        self.sound(self.stage.run("sync", "--json"))

    @rule(
        system=st.sampled_from(SYSTEMS),
        kind=st.sampled_from(list(FaultKind)),
        skip=st.integers(0, 6),
        times=st.integers(1, 3),
        own=PLACES,
        writes=st.booleans(),
    )
    def a_pass_with_a_fault(
        self, system: str, kind: FaultKind, skip: int, times: int, own: int, writes: bool
    ) -> None:
        fault = Fault(
            kind=kind,
            method={"crm": "POST", "books": "POST"}[system] if kind in _WRITES_ONLY else None,
            path=API[system] + ("v8/(Accounts|Products|Invoices)" if system == "crm" and writes else ""),
            skip=skip,
            times=times,
            status=503,
            delay_s=0.01,
            name=OWN[system][own % len(OWN[system])],
        )
        if kind in _WRITES_ONLY and system == "crm":
            fault = Fault(
                kind=kind, path=r"/crm/v8/(Accounts|Products|Invoices)$", method="POST", skip=skip % 2
            )
        self.stage.systems[system].sandbox.faults.arm(fault)
        self.sound(self.stage.run("sync", "--json"))
        self.stage.systems[system].sandbox.faults.clear()
        self.count["faults"] += 1

    @rule(after=st.integers(0, 90))
    def a_pass_that_is_killed(self, after: int) -> None:
        life = Life(left=after)
        try:
            with mortal(life):
                self.stage.run("sync", "--json")
        except Killed:
            self.count["kills"] += 1
            self.end_leases()

    def end_leases(self) -> None:
        """What a dead process held ends by itself after a while."""
        engine = sa.create_engine(f"sqlite:///{self.folder / '.syncline' / 'state.db'}")
        with engine.begin() as db:
            db.execute(sa.text("UPDATE lease SET until = 0"))
        engine.dispose()

    @rule(place=PLACES, side=ENDS, module=st.sampled_from(list(MODULES)))
    def one_record_is_pushed(self, place: int, side: int, module: str) -> None:
        rows = [row for rows in self.rows(module, side).values() for row in rows]
        if rows:
            row = rows[place % len(rows)]
            record = row["id"] if side == 0 else row[IDS[module]]
            self.stage.run("push", module, str(record), "--system", SYSTEMS[side], "--json")

    @rule(
        system=st.sampled_from(SYSTEMS),
        skip=st.integers(0, 8),
        module=st.sampled_from(list(MODULES)),
        side=ENDS,
        place=PLACES,
        which=PLACES,
    )
    def a_pass_in_which_somebody_edits(
        self, system: str, skip: int, module: str, side: int, place: int, which: int
    ) -> None:
        left = iter(range(skip + 1))

        def meanwhile(template: str, request: Request, reply: Reply) -> None:
            if next(left, None) == skip:
                self.stage.later(timedelta(seconds=3))
                self.change_one(module, place, side, which)

        server = self.stage.systems[system].server
        server.listeners.append(meanwhile)
        try:
            self.sound(self.stage.run("sync", "--json"))
        finally:
            server.listeners.remove(meanwhile)

    def sound(self, done: Done) -> None:
        assert done.code in (0, 1, 4), f"exit {done.code}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err

    # --- what must come of it --------------------------------------------------------------------

    @rule()
    def quiet(self) -> None:
        for system in self.stage.systems.values():
            system.sandbox.switches["visibility_delay_s"] = 0
            system.sandbox.faults.clear()
        for _ in range(3):
            self.stage.later(timedelta(hours=25))
            for _ in range(2):
                done = self.stage.run("sync", "--json")
                self.sound(done)
            if not self.answer():
                break
        assert done.code == 0, f"{done.out}\n{done.err}"
        for module in MODULES:
            self.check(module)
        self.stage.assert_idle()

    def answer(self) -> bool:
        asked = self.stage.run("conflicts", "--json").json["questions"]
        for one in asked:
            assert one["kind"] == "deleted-and-edited", one
            self.stage.run("conflicts", one["id"], "--take", "crm")
        return bool(asked)

    def check(self, module: str) -> None:
        ends = [self.rows(module, side) for side in (0, 1)]
        kept = self.kept(module)
        for tag in self.tags(module):
            both = [end.get(tag, []) for end in ends]
            assert all(len(rows) < 2 for rows in both), f"{module} {tag} was created twice: {both}"
            if not all(both):
                gone = module == "accounts" and not both[0]
                assert gone, f"{module} {tag} is at one end alone: {both}"
                assert not both[1], f"{module} {tag} was deleted in the CRM, and is not archived in the books"
                continue
            values = [self.shown(module, side, both[side][0]) for side in (0, 1)]
            assert values[0] == values[1], f"{module} {tag}: {values}"
            for name, final in values[0].items():
                for typed in self.typed.get((module, tag, name), ()):
                    said = (both[0][0]["id"], name, typed)
                    assert typed in (None, final) or said in kept, f"{module} {tag}.{name}: {typed} is gone"

    def kept(self, module: str) -> set[tuple[str, str, Any]]:
        """(CRM id, field, value) of every value that the log knows as replaced or lost."""
        done = self.stage.run("log", "--json", "--module", module, "--limit", "100000")
        found = set()
        for text in done.out.splitlines():
            entry = json_line(text)
            for name, part in entry["fields"].items():
                for key in ("before", "lost"):
                    if key in part and not isinstance(part[key], list | dict):
                        found.add((entry["records"].get("crm"), name, plain(part[key])))
        return found


def plain(value: Any) -> Any:
    """A value without what the remotes make of it."""
    match value:
        case None | "":
            return None
        case str():
            return value.strip().casefold()
        case _:
            return float(value)


def json_line(text: str) -> dict[str, Any]:
    from syncline import exactjson

    told: dict[str, Any] = exactjson.decode(text)
    return told


def test_every_history_converges_over_http(tally: Tally) -> None:
    count = Counter[str]()
    machine: Callable[[], RuleBasedStateMachine] = type("Machine", (HttpHistories,), {"count": count})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=effort(4, 120),
            stateful_step_count=effort(12, 20),
            deadline=None,
            report_multiple_bugs=False,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for what, number in count.items():
        tally(f"{what} (convergence over HTTP)", number)
