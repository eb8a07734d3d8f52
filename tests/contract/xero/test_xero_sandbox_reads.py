"""Lists of the sandbox: shapes, order, pages and filters."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

Remote = Any


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["Name"] for row in answer.json()["Contacts"]]


@pytest.fixture
def people(remote: Remote) -> Remote:
    """Five contacts, one archived, made in this order."""
    for name, extra in (
        ("Ana", {"EmailAddress": "ana@a.example", "ContactNumber": "C-1"}),
        ("Élodie", {"EmailAddress": "Bob@b.example", "AccountNumber": "A-7"}),
        ("bob & co", {}),
        ("Old", {}),
        ("Zed", {"FirstName": "Zoe"}),
    ):
        remote.make("Contacts", {"Name": name, **extra})
        remote.sandbox.clock.advance(1)
    old = remote.get("/Contacts", params={"where": 'Name=="Old"'}).json()["Contacts"][0]
    remote.post(f"/Contacts/{old['ContactID']}", {"ContactStatus": "ARCHIVED"})
    return remote


def test_the_envelope_and_dates_look_like_the_remotes(people: Remote) -> None:
    body = people.get("/Contacts", params={"page": 1}).json()
    assert list(body) == ["Id", "Status", "ProviderName", "DateTimeUTC", "pagination", "Contacts"]
    assert body["Status"] == "OK"
    assert re.fullmatch(r"/Date\(\d{13}\)/", body["DateTimeUTC"])
    row = body["Contacts"][0]
    assert re.fullmatch(r"/Date\(\d{13}\+0000\)/", row["UpdatedDateUTC"])
    assert [p["PhoneType"] for p in row["Phones"]] == ["DDI", "DEFAULT", "FAX", "MOBILE"]
    assert {a["AddressType"] for a in row["Addresses"]} == {"STREET", "POBOX"}
    assert None not in row.values()
    assert row["ContactGroups"] == []


def test_unpaged_lists_have_no_pagination_and_less_detail(remote: Remote) -> None:
    terms = {"Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"}}
    remote.make("Contacts", {"Name": "A", "PaymentTerms": terms, "ContactPersons": [{"FirstName": "P"}]})
    unpaged, paged = (remote.get("/Contacts", params=params).json() for params in ({}, {"page": 1}))
    assert "pagination" not in unpaged
    assert "PaymentTerms" not in unpaged["Contacts"][0]
    assert unpaged["Contacts"][0]["ContactPersons"] == []
    assert paged["Contacts"][0]["PaymentTerms"] == terms
    assert paged["Contacts"][0]["ContactPersons"][0]["FirstName"] == "P"


def test_invoice_lines_come_only_with_a_page_or_an_id(demo: Remote) -> None:
    row = demo.get("/Invoices").json()["Invoices"][0]
    assert row["LineItems"] == []
    assert demo.get("/Invoices", params={"page": 1}).json()["Invoices"][0]["LineItems"] != []
    alone = demo.get(f"/Invoices/{row['InvoiceID']}").json()["Invoices"][0]
    assert alone["LineItems"] != []
    assert demo.get(f"/Invoices/{row['InvoiceNumber']}").json()["Invoices"][0] == alone


@pytest.mark.parametrize(
    ("asked", "size", "rows"),
    [
        pytest.param(None, 100, 100, id="default"),
        pytest.param("0", 1, 1, id="below the least"),
        pytest.param("7", 7, 7, id="within"),
        pytest.param("5000", 1000, 300, id="above the most"),
        pytest.param("many", 100, 100, id="not a number"),
    ],
)
def test_page_sizes_are_clamped(demo: Remote, asked: str | None, size: int, rows: int) -> None:
    params = {"page": "1"} | ({"pageSize": asked} if asked else {})
    body = demo.get("/Contacts", params=params).json()
    assert body["pagination"]["pageSize"] == size
    assert body["pagination"]["itemCount"] == 300
    assert len(body["Contacts"]) == rows


def test_past_the_end_is_empty(demo: Remote) -> None:
    body = demo.get("/Contacts", params={"page": 4}).json()
    assert body["Contacts"] == []
    assert body["pagination"]["pageCount"] == 3


@pytest.mark.parametrize(("order", "lost"), [(None, 1), ("ContactID", 0)])
def test_a_change_between_pages_hides_a_record_in_default_order_alone(
    people: Remote, order: str | None, lost: int
) -> None:
    found: list[str] = []
    for page in (1, 2, 3):
        params = {"page": page, "pageSize": 2, "includeArchived": "true"} | (
            {"order": order} if order else {}
        )
        rows = people.get("/Contacts", params=params).json()["Contacts"]
        found += [r["ContactID"] for r in rows]
        if page == 1:
            people.post(f"/Contacts/{found[0]}", {"TaxNumber": "1"})
    everything = {r["ContactID"] for r in people.sandbox.records("Contacts")}
    assert len(everything - set(found)) == lost


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Name", ["Ana", "bob & co", "Zed", "Élodie"]),
        ("Name DESC", ["Élodie", "Zed", "bob & co", "Ana"]),
        ("UpdatedDateUTC DESC", ["Zed", "bob & co", "Élodie", "Ana"]),
        ("FirstName DESC, Name ASC", ["Zed", "Ana", "bob & co", "Élodie"]),
    ],
)
def test_order(people: Remote, order: str, expected: list[str]) -> None:
    assert names(people.get("/Contacts", params={"order": order})) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('Name=="ana"', ["Ana"]),
        ('Name="ELODIE"', ["Élodie"]),
        ('Name=="bob & co"', ["bob & co"]),
        ('EmailAddress=="bob@B.example"', ["Élodie"]),
        ("EmailAddress!=null", ["Ana", "Élodie"]),
        ('EmailAddress == "" AND Name.Contains("o")', ["bob & co"]),
        ('Name.StartsWith("A") || Name.EndsWith("ed")', ["Ana", "Zed"]),
        ('Name.ToLower().Contains("bob")', ["bob & co"]),
        ('(FirstName=="Zoe" OR ContactNumber=="C-1") && Name!="Ana"', ["Zed"]),
        ('!(Name.Contains("e"))', ["Ana", "bob & co"]),
        ("UpdatedDateUTC >= DateTime(2020,01,31)", ["Ana", "Élodie", "bob & co", "Zed"]),
        ("UpdatedDateUTC < DateTime(2020, 1, 31, 10, 0, 0)", []),
        ('ContactID==guid("00000000-0000-0000-0000-000000000001")', []),
        ("IsCustomer==true", []),
        ('IsSupplier==false AND name=="Zed"', ["Zed"]),
    ],
)
def test_where(people: Remote, where: str, expected: list[str]) -> None:
    assert names(people.get("/Contacts", params={"where": where})) == expected


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"where": "Name=='Ana'"}, id="single quotes"),
        pytest.param({"where": 'Name=="Ana'}, id="open text"),
        pytest.param({"where": 'Name=="a\\"b"'}, id="escaped quote"),
        pytest.param({"where": 'Nome=="Ana"'}, id="unknown field"),
        pytest.param({"where": 'Name=="Ana" AND'}, id="nothing after and"),
        pytest.param({"where": 'Name=="Ana" Name=="B"'}, id="no operator"),
        pytest.param({"where": 'Name.Matches("x")'}, id="unknown method"),
        pytest.param({"where": "UpdatedDateUTC>DateTime(2020,13,1)"}, id="no such month"),
        pytest.param({"where": '"a"=="a"'}, id="no field"),
        pytest.param({"order": "Shoe"}, id="unknown order"),
        pytest.param({"order": "Name UP"}, id="unknown direction"),
    ],
)
def test_a_bad_expression_is_error_16(people: Remote, query: dict[str, str]) -> None:
    answer = people.get("/Contacts", params=query)
    assert answer.status_code == 400
    assert answer.json()["ErrorNumber"] == 16
    assert answer.json()["Type"] == "QueryParseException"


def test_numbers_and_dates_in_where(demo: Remote) -> None:
    rows = demo.sandbox.records("Invoices")

    def numbers(where: str) -> set[str]:
        found = demo.get("/Invoices", params={"where": where}).json()["Invoices"]
        return {row["InvoiceNumber"] for row in found}

    assert numbers('AmountDue > 100.5 AND Type=="ACCREC"') == {
        r["InvoiceNumber"] for r in rows if r["AmountDue"] > 100.5
    }
    assert numbers("Date >= DateTime(2026,09,01) AND Date < DateTime(2026,10,01)") == {
        r["InvoiceNumber"] for r in rows if r["Date"].startswith("2026-09")
    }
    name = rows[0]["Contact"]["Name"]
    assert numbers(f'Contact.Name=="{name}"') == {
        r["InvoiceNumber"] for r in rows if r["Contact"]["Name"] == name
    }


def test_archived_contacts_need_their_parameter_in_lists_not_by_id(people: Remote) -> None:
    everyone = people.get("/Contacts", params={"includeArchived": "true"}).json()["Contacts"]
    assert "Old" not in names(people.get("/Contacts"))
    old = next(r for r in everyone if r["Name"] == "Old")
    assert old["ContactStatus"] == "ARCHIVED"
    assert people.get("/Contacts", params={"IDs": old["ContactID"]}).json()["Contacts"] == []
    assert names(people.get(f"/Contacts/{old['ContactID']}")) == ["Old"]


def test_a_contact_is_found_by_its_number_in_the_path(people: Remote) -> None:
    assert names(people.get("/Contacts/C-1")) == ["Ana"]


@pytest.mark.parametrize(
    ("term", "expected"),
    [("ANA", ["Ana"]), ("b.example", ["Élodie"]), ("zoe", ["Zed"]), ("c-1", ["Ana"]), ("nobody", [])],
)
def test_search_term(people: Remote, term: str, expected: list[str]) -> None:
    assert names(people.get("/Contacts", params={"searchTerm": term})) == expected


def test_ids_take_commas_and_any_case(people: Remote) -> None:
    rows = people.get("/Contacts").json()["Contacts"]
    wanted = [rows[0]["ContactID"].upper(), rows[2]["ContactID"], "00000000-0000-0000-0000-000000000009"]
    found = people.get("/Contacts", params={"IDs": ",".join(wanted)})
    assert set(names(found)) == {rows[0]["Name"], rows[2]["Name"]}


def test_long_lists_of_ids_do_not_go_through(demo: Remote) -> None:
    ids = [r["ContactID"] for r in demo.sandbox.records("Contacts")]
    assert demo.get("/Contacts", params={"IDs": ",".join(ids[:40])}).status_code == 200
    assert demo.get("/Contacts", params={"IDs": ",".join(ids[:60])}).status_code == 414


def test_invoice_filters(demo: Remote) -> None:
    rows = demo.sandbox.records("Invoices") + demo.sandbox.records("Bills")

    def ids(**params: str) -> set[str]:
        return {r["InvoiceID"] for r in demo.get("/Invoices", params=params).json()["Invoices"]}

    assert ids(Statuses="DRAFT,VOIDED") == {
        r["InvoiceID"] for r in rows if r["Status"] in ("DRAFT", "VOIDED")
    }
    numbers = [rows[3]["InvoiceNumber"], rows[9]["InvoiceNumber"]]
    assert ids(InvoiceNumbers=",".join(numbers)) == {rows[3]["InvoiceID"], rows[9]["InvoiceID"]}
    contact = rows[3]["Contact"]["ContactID"]
    assert ids(ContactIDs=contact) == {r["InvoiceID"] for r in rows if r["Contact"]["ContactID"] == contact}
    assert ids(searchTerm=numbers[0]) == {rows[3]["InvoiceID"]}


def test_summaries_are_paged_and_short(demo: Remote) -> None:
    body = demo.get("/Contacts", params={"summaryOnly": "true"}).json()
    assert body["pagination"]["pageSize"] == 100
    assert not {"Addresses", "ContactPersons", "IsCustomer", "Balances"} & set(body["Contacts"][0])
    invoice = demo.get("/Invoices", params={"summaryOnly": "true"}).json()["Invoices"][0]
    assert invoice["LineItems"] == []
    assert "Payments" not in invoice


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("%Y-%m-%dT%H:%M:%S", id="ISO"),
        pytest.param("%Y-%m-%dT%H:%M:%S.999", id="fractions are cut"),
        pytest.param("%a, %d %b %Y %H:%M:%S GMT", id="RFC 1123"),
    ],
)
def test_modified_since_is_inclusive_at_whole_seconds(remote: Remote, form: str) -> None:
    remote.make("Contacts", {"Name": "Before"})
    remote.sandbox.clock.advance(5)
    remote.make("Contacts", {"Name": "At"})
    made = remote.sandbox.clock.now()
    found = remote.get("/Contacts", headers={"If-Modified-Since": made.strftime(form)})
    assert names(found) == ["At"]
    later = (made + timedelta(seconds=1)).strftime(form)
    nothing = remote.get("/Contacts", params={"page": 1}, headers={"If-Modified-Since": later})
    assert (nothing.status_code, nothing.json()["Contacts"]) == (200, [])


def test_modified_since_with_an_offset_is_moved_to_utc(remote: Remote) -> None:
    remote.make("Contacts", {"Name": "Now"})
    ahead = (remote.sandbox.clock.now() + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%S")
    assert names(remote.get("/Contacts", headers={"If-Modified-Since": f"{ahead}+10:00"})) == ["Now"]
    assert names(remote.get("/Contacts", headers={"If-Modified-Since": ahead})) == []


def test_modified_since_can_be_ignored_by_a_switch(remote: Remote) -> None:
    remote.make("Contacts", {"Name": "A"})
    remote.sandbox.switches["ignore_modified_since"] = True
    assert names(remote.get("/Contacts", headers={"If-Modified-Since": "2099-01-01T00:00:00"})) == ["A"]


def test_seeded_records_are_older_than_a_first_read(demo: Remote) -> None:
    since = (demo.sandbox.clock.now() - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S")
    for path in ("Contacts", "Items", "Invoices", "Payments"):
        answer = demo.get(f"/{path}", headers={"If-Modified-Since": since})
        assert answer.json()[path] == []


def test_late_visibility_hides_fresh_records_from_lists_alone(remote: Remote) -> None:
    remote.sandbox.switches["visibility_delay_s"] = 30
    made = remote.make("Contacts", {"Name": "Fresh"})
    assert names(remote.get("/Contacts")) == []
    assert names(remote.get(f"/Contacts/{made['ContactID']}")) == ["Fresh"]
    remote.sandbox.clock.advance(31)
    assert names(remote.get("/Contacts")) == ["Fresh"]


def test_items_are_never_paged(demo: Remote) -> None:
    body = demo.get("/Items", params={"page": 1, "pageSize": 2}).json()
    assert "pagination" not in body
    assert len(body["Items"]) == 135


@pytest.mark.parametrize(("places", "price"), [("4", 1.2346), (None, 1.23)])
def test_unit_prices_have_two_places_unless_four_are_asked(
    remote: Remote, places: str | None, price: float
) -> None:
    body = {"Code": "A", "SalesDetails": {"UnitPrice": 1.23456}}
    remote.make("Items", body, params={"unitdp": "4"})
    params = {"unitdp": places} if places else {}
    assert remote.get("/Items/A", params=params).json()["Items"][0]["SalesDetails"]["UnitPrice"] == price


def test_the_high_volume_threshold(demo: Remote, open_remote: Callable[..., Remote]) -> None:
    remote = open_remote(30)
    remote.sandbox.switches["high_volume"] = 20
    assert remote.get("/Contacts").status_code == 400
    assert remote.get("/Contacts", params={"page": 1}).status_code == 200
    assert remote.get("/Contacts", params={"page": 1, "where": 'Name=="x"'}).status_code == 200
    assert remote.get("/Contacts", params={"page": 1, "where": 'FirstName=="x"'}).status_code == 400
    assert remote.get("/Contacts", params={"page": 1, "order": "FirstName"}).status_code == 400


def test_reference_data(demo: Remote) -> None:
    accounts = demo.get("/Accounts", params={"where": 'Type=="BANK"'}).json()["Accounts"]
    assert {a["Code"] for a in accounts} == {"090", "091"}
    rates = {r["TaxType"]: r["EffectiveRate"] for r in demo.get("/TaxRates").json()["TaxRates"]}
    assert (rates["OUTPUT"], rates["EXEMPTOUTPUT"]) == (10, 0)
    assert demo.get("/TaxRates/OUTPUT").json()["TaxRates"][0]["Name"] == "GST on Income"
    assert {c["Code"] for c in demo.get("/Currencies").json()["Currencies"]} == {"AUD", "USD", "NZD"}
    assert demo.get("/BrandingThemes").json()["BrandingThemes"][0]["SortOrder"] == 0
    about = demo.get("/Organisation").json()["Organisations"][0]
    assert (about["BaseCurrency"], about["Timezone"]) == ("AUD", "AUSEASTERNSTANDARDTIME")


def test_the_second_organisation_overlaps_but_is_another(demo: Remote) -> None:
    other = {"xero-tenant-id": demo.other_tenant}
    theirs = demo.get("/Invoices", headers=other, params={"where": 'Type=="ACCREC"'}).json()["Invoices"]
    ours = {r["InvoiceNumber"]: r["InvoiceID"] for r in demo.sandbox.records("Invoices")}
    assert theirs
    assert all(ours[r["InvoiceNumber"]] != r["InvoiceID"] for r in theirs)
    assert demo.get(f"/Invoices/{theirs[0]['InvoiceID']}").status_code == 404


def test_the_same_world_has_the_same_ids(open_remote: Callable[..., Remote], demo: Remote) -> None:
    twin = open_remote("demo")
    for module in ("Contacts", "Items", "Invoices", "Payments"):
        key = f"{module[:-1]}ID"
        ids = [{r[key] for r in side.sandbox.records(module)} for side in (demo, twin)]
        assert ids[0] == ids[1] != set()
