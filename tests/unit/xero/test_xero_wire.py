"""Values between Xero's JSON and the engine's form, and what follows from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from syncline.connect import Item, Items, RemoteModule, RemoteProtocolError, State, Write, WriteKind
from syncline_xero.catalogue import CATALOGUE, CONTACTS, ITEMS
from syncline_xero.cursor import Cursor, parse_cursor
from syncline_xero.documents import INVOICES
from syncline_xero.hosts import hosts_of
from syncline_xero.locks import PAID_EDITABLE, lock_of
from syncline_xero.lookups import ACCOUNTS, TAX_RATES
from syncline_xero.wire import read_instant, read_record, write_element
from syncline_xero.writing import batch_key
from syncline_xero.zones import iana_zone


def invoice(**values: Any) -> dict[str, Any]:
    return {"InvoiceID": "i", "UpdatedDateUTC": "/Date(1541176290160+0000)/", **values}


@pytest.mark.parametrize(
    ("module", "raw", "field", "value"),
    [
        pytest.param(INVOICES, invoice(Date="/Date(1539993600000+0000)/"), "Date", "2018-10-20", id="a day"),
        pytest.param(INVOICES, invoice(DueDate="2018-10-20T00:00:00"), "DueDate", "2018-10-20", id="ISO day"),
        pytest.param(INVOICES, invoice(Date="/Date(-86400000+0000)/"), "Date", "1969-12-31", id="early day"),
        pytest.param(
            INVOICES, invoice(), "UpdatedDateUTC", "2018-11-02T16:31:30.160Z", id="instant with an offset"
        ),
        pytest.param(INVOICES, invoice(Reference=""), "Reference", None, id="empty text"),
        pytest.param(INVOICES, invoice(Reference="007"), "Reference", "007", id="digits stay text"),
        pytest.param(INVOICES, invoice(Total=Decimal("1.10")), "Total", Decimal("1.10"), id="money"),
        pytest.param(INVOICES, invoice(Total="1.10"), "Total", Decimal("1.10"), id="money in quotes"),
        pytest.param(INVOICES, invoice(SentToContact=False), "SentToContact", False, id="no is not nothing"),
        pytest.param(INVOICES, invoice(LineItems=[]), "LineItems", [], id="no lines"),
        pytest.param(
            INVOICES,
            invoice(Contact={"ContactID": "c", "Name": "N", "Phones": []}),
            "Contact",
            {"ContactID": "c", "Name": "N"},
            id="a reference",
        ),
    ],
)
def test_reading_a_value(module: RemoteModule, raw: dict[str, Any], field: str, value: object) -> None:
    assert read_record(module, raw).values[field] == value


def test_absent_stays_absent_and_unknown_is_left_out() -> None:
    values = read_record(INVOICES, invoice(DateString="2018-10-20T00:00:00", Payments=None)).values
    assert set(values) == {"InvoiceID", "UpdatedDateUTC", "Payments"}
    assert values["Payments"] is None


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"InvoiceID": ""},
        invoice(UpdatedDateUTC="yesterday"),
        invoice(LineItems="none"),
        invoice(Contact="Ann"),
        invoice(Total="much"),
    ],
)
def test_a_record_that_cannot_be_read(raw: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        read_record(INVOICES, raw)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("/Date(1541176290160+0000)/", datetime(2018, 11, 2, 16, 31, 30, 160_000, UTC)),
        ("/Date(1541176290160)/", datetime(2018, 11, 2, 16, 31, 30, 160_000, UTC)),
        ("2019-11-14T18:10:38Z", datetime(2019, 11, 14, 18, 10, 38, tzinfo=UTC)),
        ("2019-11-14T18:10:38", datetime(2019, 11, 14, 18, 10, 38, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert read_instant(text) == instant


@pytest.mark.parametrize(
    ("module", "values", "state"),
    [
        (CONTACTS, {"ContactID": "c", "ContactStatus": "ACTIVE"}, State.LIVE),
        (CONTACTS, {"ContactID": "c", "ContactStatus": "ARCHIVED"}, State.ARCHIVED),
        (CONTACTS, {"ContactID": "c", "ContactStatus": "GDPRREQUEST"}, State.ARCHIVED),
        (INVOICES, {"InvoiceID": "i", "Status": "VOIDED"}, State.VOIDED),
        (INVOICES, {"InvoiceID": "i", "Status": "DELETED"}, State.DELETED),
        (ACCOUNTS, {"AccountID": "a", "Status": "ARCHIVED"}, State.ARCHIVED),
        (ITEMS, {"ItemID": "x", "Code": "C"}, State.LIVE),
    ],
)
def test_states(module: RemoteModule, values: dict[str, Any], state: State) -> None:
    assert read_record(module, values).state is state


def test_without_a_stamp_the_content_is_the_version() -> None:
    one = read_record(TAX_RATES, {"TaxType": "T", "EffectiveRate": 10})
    same = read_record(TAX_RATES, {"EffectiveRate": 10, "TaxType": "T"})
    other = read_record(TAX_RATES, {"TaxType": "T", "EffectiveRate": 15})
    assert one.version == same.version != other.version
    assert (one.key, one.modified) == ("T", None)


@pytest.mark.parametrize(
    ("module", "values", "lock_until", "reason", "editable"),
    [
        ("Invoices", {"Status": "DRAFT"}, None, None, frozenset()),
        ("Invoices", {"Status": "AUTHORISED", "AmountPaid": Decimal("0.00")}, None, None, frozenset()),
        ("Invoices", {"Status": "AUTHORISED", "AmountPaid": 1}, None, "part paid", PAID_EDITABLE),
        (
            "Invoices",
            {"Status": "AUTHORISED", "AmountCredited": 1},
            None,
            "part paid",
            PAID_EDITABLE - {"Contact"},
        ),
        ("Invoices", {"Status": "PAID", "AmountPaid": 1}, None, "is paid", PAID_EDITABLE),
        ("Invoices", {"Status": "VOIDED"}, None, "voided", frozenset()),
        ("Invoices", {"Status": "DELETED"}, None, "deleted", frozenset()),
        (
            "Invoices",
            {"Status": "PAID", "AmountPaid": 1, "Date": "2026-06-30"},
            "2026-06-30",
            "locked up to 2026-06-30",
            frozenset(),
        ),
        ("Invoices", {"Status": "AUTHORISED", "Date": "2026-07-01"}, "2026-06-30", None, frozenset()),
        ("Invoices", {"Status": "DRAFT", "Date": "2026-06-01"}, "2026-06-30", None, frozenset()),
        ("Contacts", {"ContactStatus": "ACTIVE"}, None, None, frozenset()),
        ("Contacts", {"ContactStatus": "ARCHIVED"}, None, "restore it", frozenset()),
        (
            "Contacts",
            {"ContactStatus": "ARCHIVED", "MergedToContactID": "x"},
            None,
            "merged into another",
            frozenset(),
        ),
        ("Contacts", {"ContactStatus": "GDPRREQUEST"}, None, "privacy", frozenset()),
        ("Items", {"Code": "A"}, None, None, frozenset()),
    ],
)
def test_locks(
    module: str, values: dict[str, Any], lock_until: str | None, reason: str | None, editable: frozenset[str]
) -> None:
    kind = CATALOGUE.module(module)
    assert kind is not None
    lock = lock_of(kind, values, {}, lock_until)
    if reason is None:
        assert lock is None
    else:
        assert lock is not None
        assert reason in lock.reason
        assert lock.editable == editable


@pytest.mark.parametrize(
    ("module", "kind", "values", "element"),
    [
        pytest.param(CONTACTS, "create", {"Name": " A  b "}, {"Name": "A b"}, id="single spaces in names"),
        pytest.param(
            CONTACTS, "create", {"Name": "A", "TaxNumber": None}, {"Name": "A"}, id="nothing at first"
        ),
        pytest.param(
            CONTACTS, "update", {"TaxNumber": None}, {"TaxNumber": "", "ContactID": "r"}, id="text cleared"
        ),
        pytest.param(
            CONTACTS,
            "update",
            {"PaymentTerms": {"Sales": {"Day": 7}}},
            {"PaymentTerms": {"Sales": {"Day": 7, "Type": "DAYSAFTERBILLDATE"}}, "ContactID": "r"},
            id="days have a type",
        ),
        pytest.param(
            CONTACTS,
            "update",
            {"PaymentTerms": {"Bills": {"Day": 1, "Type": "OFCURRENTMONTH"}}},
            {"PaymentTerms": {"Bills": {"Day": 1, "Type": "OFCURRENTMONTH"}}, "ContactID": "r"},
            id="a type that is given",
        ),
        pytest.param(
            CONTACTS,
            "update",
            {"Phones": [{"PhoneType": "FAX", "PhoneNumber": None}]},
            {"Phones": [{"PhoneType": "FAX", "PhoneNumber": ""}], "ContactID": "r"},
            id="an entry cleared",
        ),
        pytest.param(CONTACTS, "archive", {}, {"ContactID": "r", "ContactStatus": "ARCHIVED"}, id="archived"),
        pytest.param(CONTACTS, "restore", {}, {"ContactID": "r", "ContactStatus": "ACTIVE"}, id="restored"),
        pytest.param(
            INVOICES,
            "create",
            {"Contact": {"ContactID": "c", "Name": "N"}, "DueDate": "2026-11-30"},
            {"Contact": {"ContactID": "c"}, "DueDate": "2026-11-30", "Type": "ACCREC"},
            id="a reference alone",
        ),
        pytest.param(
            INVOICES,
            "update",
            {
                "LineItems": Items(
                    items=(
                        Item(id="l", values={"Description": None, "DiscountRate": None, "Quantity": None}),
                        Item(values={"Description": "d", "ItemCode": None}),
                    )
                )
            },
            {
                "InvoiceID": "r",
                "LineItems": [
                    {"Description": "", "DiscountRate": 0, "DiscountAmount": 0, "LineItemID": "l"},
                    {"Description": "d"},
                ],
            },
            id="lines with and without id",
        ),
        pytest.param(
            ITEMS,
            "update",
            {"SalesDetails": {"UnitPrice": Decimal("1.2345"), "AccountCode": None}, "IsSold": None},
            {"ItemID": "r", "SalesDetails": {"UnitPrice": Decimal("1.2345"), "AccountCode": ""}},
            id="details in part",
        ),
    ],
)
def test_writing_an_element(
    module: RemoteModule, kind: str, values: dict[str, Any], element: dict[str, Any]
) -> None:
    record_id = None if kind == "create" else "r"
    write = Write(kind=WriteKind(kind), key="k", id=record_id, values=values)
    assert write_element(module, write) == element


def test_a_batch_has_one_key_whatever_its_order() -> None:
    one, two = (Write(kind=WriteKind.CREATE, key=k) for k in "ab")
    assert batch_key([one, two]) == batch_key([two, one]) != batch_key([one])
    assert len(batch_key([one, two])) == 64


NOW = datetime(2026, 11, 22, 10, 0, 30, 999_000, UTC)


def test_a_cursor_goes_through_a_scan() -> None:
    first = Cursor().after_page(last=False, server_time=NOW)
    assert first == Cursor(page=2, since=None, began="2026-11-22T09:59:30")
    later = NOW.replace(hour=23)
    second = parse_cursor(first.text()).after_page(last=False, server_time=later)
    assert second == Cursor(page=3, since=None, began="2026-11-22T09:59:30")
    end = second.after_page(last=True, server_time=later)
    assert end == Cursor(page=1, since="2026-11-22T09:59:30", began=None)
    assert json.loads(end.text()) == {"page": 1, "since": "2026-11-22T09:59:30"}


@pytest.mark.parametrize("base", [None, "https://api.xero.com", "https://API.xero.com/"])
def test_the_real_hosts(base: str | None) -> None:
    hosts = hosts_of({} if base is None else {"base_url": base})
    assert hosts.authorize == "https://login.xero.com/identity/connect/authorize"
    assert hosts.token == "https://identity.xero.com/connect/token"
    assert hosts.accounting("/Contacts") == "https://api.xero.com/api.xro/2.0/Contacts"
    assert hosts.connections == "https://api.xero.com/connections"


def test_everything_below_another_address() -> None:
    hosts = hosts_of({"base_url": "http://127.0.0.1:9/"})
    assert hosts.authorize == "http://127.0.0.1:9/identity/connect/authorize"
    assert hosts.revocation == "http://127.0.0.1:9/connect/revocation"
    assert hosts.accounting("/Items") == "http://127.0.0.1:9/api.xro/2.0/Items"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("NEWZEALANDSTANDARDTIME", "Pacific/Auckland"),
        ("AUSEASTERNSTANDARDTIME", "Australia/Sydney"),
        ("UTC", "Etc/UTC"),
        ("MOONSTANDARDTIME", None),
        (None, None),
    ],
)
def test_zones(name: str | None, zone: str | None) -> None:
    assert iana_zone(name) == zone
