"""The conformance kit on what it cannot make up from the whole catalogue: payments, and notes with lines.

A payment is of one of four documents, which a catalogue cannot say, and the kit would set a draft off. So the
catalogue is narrowed to what the kit can fill, and nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from syncline.connect import Catalogue, Connection, Page, RemoteModule, Session
from syncline.connect.conformance import Verdict, run
from syncline_xero.connector import XeroConnector
from syncline_xero.session import XeroSession


def without(module: RemoteModule, *names: str) -> RemoteModule:
    return replace(module, fields=tuple(f for f in module.fields if f.name not in names))


def narrowed(catalogue: Catalogue, wanted: str) -> Catalogue:
    """One module to be tried; all others are there to be referred to."""

    def narrow(module: RemoteModule) -> RemoteModule:
        if module.name != wanted:
            return replace(module, lookup=True)
        if wanted != "Payments":
            return without(module, "Allocations")
        left = without(module, "Bill", "CreditNote", "SupplierCredit")
        return replace(
            left, fields=tuple(replace(f, required=f.required or f.name == "Invoice") for f in left.fields)
        )

    return Catalogue(tuple(narrow(m) for m in catalogue.modules))


class OneModuleSession(XeroSession):
    """Names payable invoices alone, so that a payment made up from the catalogue is one that Xero takes."""

    def __init__(self, connection: Connection, wanted: str) -> None:
        super().__init__(connection)
        self.wanted = wanted

    def discover(self) -> Catalogue:
        return narrowed(super().discover(), self.wanted)

    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        for page in super().read(module, cursor, fields):
            if module != "Invoices":
                yield page
                continue
            payable = [r for r in page.records if r.values.get("AmountDue") and r.values["AmountDue"] > 2000]
            yield replace(page, records=[r for r in payable if r.values["Status"] == "AUTHORISED"])


class OneModule(XeroConnector):
    def __init__(self, wanted: str) -> None:
        self.wanted = wanted

    def catalogue(self) -> Catalogue:
        return narrowed(super().catalogue(), self.wanted)

    def open(self, connection: Connection) -> Session:
        return OneModuleSession(connection, self.wanted)


@pytest.mark.parametrize(
    ("module", "promises"),
    [
        pytest.param(
            "Payments",
            (
                "create",
                "create-batch",
                "same-key",
                "one-bad",
                "delete",
                "deletions",
                "lost-answer",
                "half-answer",
                "broken-answer",
                "error-after",
                "never-arrived",
                "strangers",
                "settle-batch",
                "batch-lost",
            ),
            id="payments are made and deleted",
        ),
        pytest.param("CreditNotes", ("items-stay", "items-change"), id="lines of credit notes"),
        pytest.param("SupplierCredits", ("items-stay", "items-change"), id="lines of suppliers' credits"),
    ],
)
def test_promises(module: str, promises: tuple[str, ...]) -> None:
    report = run(OneModule(module), only=promises)
    fates = {f.promise.name: (f.verdict, f.why, f.notes) for f in report.findings}
    broken = {name: fate for name, fate in fates.items() if fate[0] is not Verdict.HOLDS}
    assert not broken
    assert set(fates) == set(promises)
