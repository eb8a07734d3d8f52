"""The vendor's own Python SDK against the sandbox, nothing changed but the base addresses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from zoho_remote import Remote, start

from syncline.connect.sandbox import make_world

with warnings.catch_warnings():
    # the SDK's sources have invalid escapes and outdated imports of their own
    warnings.simplefilter("ignore")
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
    from zohocrmsdk.src.com.zoho.api.logger import Logger
    from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap
    from zohocrmsdk.src.com.zoho.crm.api import coql as coql_api
    from zohocrmsdk.src.com.zoho.crm.api import currencies as currencies_api
    from zohocrmsdk.src.com.zoho.crm.api import fields as fields_api
    from zohocrmsdk.src.com.zoho.crm.api import modules as modules_api
    from zohocrmsdk.src.com.zoho.crm.api import org as org_api
    from zohocrmsdk.src.com.zoho.crm.api import record as record_api
    from zohocrmsdk.src.com.zoho.crm.api import related_lists as lists_api
    from zohocrmsdk.src.com.zoho.crm.api import related_records as related_api
    from zohocrmsdk.src.com.zoho.crm.api import taxes as taxes_api
    from zohocrmsdk.src.com.zoho.crm.api import users as users_api
    from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
    from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig

pytestmark = pytest.mark.filterwarnings("ignore")


def initialise(remote: Remote, folder: Path, **token: str) -> OAuthToken:
    credentials = remote.sandbox.credentials()
    base = remote.server.base_url
    sign_in = OAuthToken(
        client_id=credentials["client_id"], client_secret=credentials["client_secret"], **token
    )
    Initializer.initialize(
        environment=DataCenter.Environment(base, f"{base}/oauth/v2/token", base),
        token=sign_in,
        store=FileStore(file_path=str(folder / "tokens.txt")),
        sdk_config=SDKConfig(auto_refresh_fields=False, pick_list_validation=True),
        resource_path=str(folder),
        logger=Logger.get_instance(level=Logger.Levels.ERROR, file_path=str(folder / "sdk.log")),
    )
    return sign_in


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """The demo business, with the SDK signed in by a grant token."""
    folder = tmp_path_factory.mktemp("sdk")
    for remote in start(make_world("demo")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            initialise(remote, folder, grant_token=remote.sandbox.credentials()["grant_token"])
            yield remote


def params(cls: Any, **values: Any) -> ParameterMap:
    found = ParameterMap()
    for name, value in values.items():
        found.add(getattr(cls, name), value)
    return found


def records(module: str) -> Any:
    return record_api.RecordOperations(module)


def body(*rows: dict[str, Any], trigger: list[str] | None = None, check: list[str] | None = None) -> Any:
    found = record_api.BodyWrapper()
    data = []
    for row in rows:
        record = record_api.Record()
        for name, value in row.items():
            if name == "id":
                record.set_id(value)
            else:
                record.add_key_value(name, value)
        data.append(record)
    found.set_data(data)
    found.set_trigger(trigger or [])
    if check:
        found.set_duplicate_check_fields(check)
    return found


def link(record_id: int) -> Any:
    found = record_api.Record()
    found.set_id(record_id)
    return found


def results(response: Any) -> list[Any]:
    wrapper = response.get_object()
    assert isinstance(wrapper, record_api.ActionWrapper), wrapper
    found: list[Any] = wrapper.get_data()
    return found


def made_id(response: Any) -> int:
    (row,) = results(response)
    assert isinstance(row, record_api.SuccessResponse), row.get_details()
    return int(row.get_details()["id"])


def account(name: str, **values: Any) -> int:
    return made_id(records("Accounts").create_records(body({"Account_Name": name, **values})))


def test_signing_in_by_a_refresh_token_names_the_user(world: Remote, tmp_path: Path) -> None:
    before = Initializer.get_initializer()
    token = initialise(world, tmp_path, refresh_token=world.refresh_token)
    try:
        token.generate_token()
        assert token.get_access_token().startswith("1000.")
        assert token.get_api_domain() == world.server.base_url
        assert token.get_user_signature().get_name().startswith("ada.marsh@harbour-vine.example")
    finally:
        Initializer.initializer = before


def test_listing_records_page_by_page(world: Remote) -> None:
    names: list[str] = []
    page = 1
    while True:
        asked = params(
            record_api.GetRecordsParam, fields="Account_Name,Modified_Time", per_page=200, page=page
        )
        response = records("Accounts").get_records(asked, HeaderMap())
        wrapper = response.get_object()
        names += [record.get_key_value("Account_Name") for record in wrapper.get_data()]
        if not wrapper.get_info().get_more_records():
            break
        page += 1
    assert len(names) == sum(row["$state"] == "live" for row in world.sandbox.records("Accounts"))


def test_one_invoice_with_its_lines(world: Remote) -> None:
    expected = world.sandbox.records("Invoices")[0]
    response = records("Invoices").get_record(int(expected["id"]), ParameterMap(), HeaderMap())
    record = response.get_object().get_data()[0]
    assert record.get_id() == int(expected["id"])
    assert record.get_key_value("Subject") == expected["Subject"]
    assert record.get_key_value("Account_Name").get_id() == int(expected["Account_Name"]["id"])
    lines = record.get_key_value("Invoiced_Items")
    assert [line.get_id() for line in lines] == [int(line["id"]) for line in expected["Invoiced_Items"]]
    product = lines[0].get_key_value("Product_Name")
    assert product.get_product_code() == expected["Invoiced_Items"][0]["Product_Name"]["Product_Code"]
    assert Decimal(str(record.get_key_value("Grand_Total"))) == Decimal(str(expected["Grand_Total"]))


def test_nothing_there_is_204(world: Remote) -> None:
    response = records("Accounts").get_record(5725767000000999999, ParameterMap(), HeaderMap())
    assert response.get_status_code() == 204


def test_creating_updating_upserting_deleting(world: Remote) -> None:
    made = account("SDK Traders", Phone="+61 2 5550 0001", Xero_ID="sdk-1")
    update = body({"id": made, "Phone": "02 5550 0002"})
    assert made_id(records("Accounts").update_records(update, HeaderMap())) == made
    assert world.one("Accounts", str(made))["Phone"] == "02 5550 0002"
    upsert = body({"Account_Name": "SDK Traders Pty", "Xero_ID": "sdk-1"}, check=["Xero_ID"])
    (row,) = results(records("Accounts").upsert_records(upsert, HeaderMap()))
    assert row.get_action().get_value() == "update"
    assert row.get_duplicate_field() == "Xero_ID"
    assert world.one("Accounts", str(made))["Account_Name"] == "SDK Traders Pty"
    gone = records("Accounts").delete_records(
        params(record_api.DeleteRecordsParam, ids=str(made)), HeaderMap()
    )
    assert made_id(gone) == made
    deleted = records("Accounts").get_deleted_records(
        params(record_api.GetDeletedRecordsParam, type="all"), HeaderMap()
    )
    entries = deleted.get_object().get_data()
    assert [(entry.get_id(), entry.get_type()) for entry in entries][:1] == [(made, "recycle")]
    assert entries[0].get_display_name() == "SDK Traders Pty"


def test_refused_rows_say_why(world: Remote) -> None:
    holder = account("Holder", Xero_ID="sdk-2")
    rows = body({"Account_Name": "Twin", "Xero_ID": "sdk-2"}, {"Account_Name": "Fine"})
    response = records("Accounts").create_records(rows)
    assert response.get_status_code() == 207
    twin, fine = results(response)
    assert isinstance(fine, record_api.SuccessResponse)
    assert isinstance(twin, record_api.APIException)
    assert twin.get_code().get_value() == "DUPLICATE_DATA"
    assert int(twin.get_details()["duplicate_record"].get_id()) == holder
    too_long = records("Accounts").create_records(body({"Account_Name": "A", "Tax_Number": "9" * 60}))
    (row,) = results(too_long)
    assert row.get_code().get_value() == "INVALID_DATA"
    assert row.get_details()["maximum_length"] in (50, "50")


def test_an_invoice_made_through_the_sdk(world: Remote) -> None:
    product = made_id(records("Products").create_records(body({"Product_Name": "SDK Widget"})))
    line = record_api.Record()
    item = record_api.LineItemProduct()
    item.set_id(product)
    line.add_key_value("Product_Name", item)
    line.add_key_value("Quantity", 3.0)
    line.add_key_value("List_Price", 12.5)
    tax = record_api.LineTax()
    tax.set_name("GST")
    tax.set_percentage(10.0)
    line.add_key_value("Line_Tax", [tax])
    row = {"Subject": "SDK invoice", "Account_Name": link(account("SDK Buyer")), "Invoiced_Items": [line]}
    made = made_id(records("Invoices").create_records(body(row)))
    stored = world.one("Invoices", str(made))
    assert (stored["Sub_Total"], stored["Grand_Total"]) == (41.25, 41.25)
    assert stored["Account_Name"]["name"] == "SDK Buyer"


def test_queries(world: Remote) -> None:
    request = coql_api.BodyWrapper()
    request.set_select_query(
        "select Subject, Account_Name.Account_Name, Grand_Total from Invoices where"
        " ((Grand_Total > 0 and Invoice_Date > '2020-01-01') and Subject like 'INV-%') limit 5"
    )
    wrapper = coql_api.CoqlOperations().get_records(request).get_object()
    assert isinstance(wrapper, coql_api.ResponseWrapper)
    rows = wrapper.get_data()
    assert len(rows) == 5
    assert rows[0].get_key_value("Subject").startswith("INV-")
    assert wrapper.get_info().get_more_records() is True
    request.set_select_query("select Nothing from Invoices where id is not null")
    refused = coql_api.CoqlOperations().get_records(request).get_object()
    assert isinstance(refused, coql_api.APIException)
    assert refused.get_code().get_value() == "INVALID_QUERY"


def test_metadata(world: Remote) -> None:
    asked = params(fields_api.GetFieldsParam, module="Invoices")
    found = {
        f.get_api_name(): f for f in fields_api.FieldsOperations().get_fields(asked).get_object().get_fields()
    }
    assert found["Xero_ID"].get_custom_field() is True
    assert found["Subject"].get_system_mandatory() is True
    status = [value.get_actual_value() for value in found["Status"].get_pick_list_values()]
    assert "Part Paid" in status
    listed = (
        modules_api.ModulesOperations().get_modules(ParameterMap(), HeaderMap()).get_object().get_modules()
    )
    assert {"Accounts", "Contacts", "Products", "Invoices"} <= {m.get_api_name() for m in listed}


def test_the_organisation(world: Remote) -> None:
    org = org_api.OrgOperations().get_organization().get_object().get_org()[0]
    assert (org.get_company_name(), org.get_iso_code()) == ("Harbour & Vine Trading", "AUD")
    users = users_api.UsersOperations().get_users(ParameterMap(), HeaderMap()).get_object().get_users()
    assert [user.get_first_name() for user in users] == ["Ada", "Ben"]
    currencies = currencies_api.CurrenciesOperations().get_currencies().get_object().get_currencies()
    assert {c.get_iso_code() for c in currencies} == {"AUD", "NZD", "USD"}
    taxes = taxes_api.TaxesOperations().get_taxes().get_object().get_org_taxes().get_taxes()
    assert [tax.get_name() for tax in taxes] == ["GST", "GST Free"]


def test_search_and_count(world: Remote) -> None:
    account("Findable Fisheries")
    world.pass_time(61)
    asked = params(record_api.SearchRecordsParam, criteria="(Account_Name:starts_with:Findable)")
    found = records("Accounts").search_records(asked, HeaderMap()).get_object().get_data()
    assert [record.get_key_value("Account_Name") for record in found] == ["Findable Fisheries"]
    counted = records("Accounts").record_count(ParameterMap()).get_object()
    assert counted.get_count() == sum(row["$state"] == "live" for row in world.sandbox.records("Accounts"))


# --- the further modules ----------------------------------------------------------------------------


def product(name: str) -> int:
    return made_id(records("Products").create_records(body({"Product_Name": name})))


def line(of: int, **values: Any) -> Any:
    found = record_api.Record()
    item = record_api.LineItemProduct()
    item.set_id(of)
    found.add_key_value("Product_Name", item)
    for name, value in values.items():
        found.add_key_value(name, value)
    return found


def pricing(first: float, last: float, discount: float) -> Any:
    found = record_api.PricingDetails()
    found.set_from_range(first)
    found.set_to_range(last)
    found.set_discount(discount)
    return found


def least(module: str) -> dict[str, Any]:
    """The least that makes a record of a module, in the SDK's own objects."""
    lines = {"Quotes": "Quoted_Items", "Sales_Orders": "Ordered_Items", "Purchase_Orders": "Purchase_Items"}
    if module in lines:
        row = {"Subject": "SDK", lines[module]: [line(product("SDK part"), Quantity=2.0, List_Price=4.5)]}
        if module == "Purchase_Orders":
            vendor = made_id(records("Vendors").create_records(body({"Vendor_Name": "SDK maker"})))
            row["Vendor_Name"] = link(vendor)
        return row
    if module == "Price_Books":
        return {"Price_Book_Name": "SDK", "Pricing_Details": [pricing(1.0, 9.0, 5.0)], "Active": True}
    return {"Vendor_Name": "SDK"} if module == "Vendors" else {"Name": "SDK"}


FURTHER = ["Vendors", "Quotes", "Sales_Orders", "Purchase_Orders", "Price_Books", "Payments"]


@pytest.mark.parametrize("module", FURTHER)
def test_a_further_module_through_the_sdk(world: Remote, module: str) -> None:
    row = least(module)
    name = next(iter(row))
    made = made_id(records(module).create_records(body(row)))
    record = records(module).get_record(made, ParameterMap(), HeaderMap()).get_object().get_data()[0]
    assert (record.get_id(), record.get_key_value(name)) == (made, "SDK")
    assert record.get_key_value("Currency").get_value() == "AUD"
    asked = params(record_api.GetRecordsParam, fields=f"{name},Modified_Time", ids=str(made))
    listed = records(module).get_records(asked, HeaderMap()).get_object().get_data()
    assert [each.get_key_value(name) for each in listed] == ["SDK"]
    assert made_id(records(module).update_records(body({"id": made, name: "SDK 2"}), HeaderMap())) == made
    assert world.one(module, str(made))[name] == "SDK 2"
    asked = params(record_api.DeleteRecordsParam, ids=str(made))
    assert made_id(records(module).delete_records(asked, HeaderMap())) == made
    gone = records(module).get_deleted_records(
        params(record_api.GetDeletedRecordsParam, type="recycle"), HeaderMap()
    )
    assert gone.get_object().get_data()[0].get_id() == made


@pytest.mark.parametrize(
    ("module", "lines"),
    [("Quotes", "Quoted_Items"), ("Sales_Orders", "Ordered_Items"), ("Purchase_Orders", "Purchase_Items")],
)
def test_lines_of_a_further_document_through_the_sdk(world: Remote, module: str, lines: str) -> None:
    row = least(module)
    row[lines] = [line(product("SDK bolt"), Quantity=4.0, List_Price=2.5, Discount="10%")]
    made = made_id(records(module).create_records(body(row)))
    record = records(module).get_record(made, ParameterMap(), HeaderMap()).get_object().get_data()[0]
    (stored,) = record.get_key_value(lines)
    assert (float(stored.get_key_value("Net_Total")), float(record.get_key_value("Grand_Total"))) == (
        9.0,
        9.0,
    )
    more = line(product("SDK nut"), Quantity=1.0, List_Price=1.0)
    made_id(records(module).update_records(body({"id": made, lines: [more]}), HeaderMap()))
    assert [each["Net_Total"] for each in world.one(module, str(made))[lines]] == [9, 1]


def test_a_price_books_products_through_the_sdk(world: Remote) -> None:
    book = made_id(records("Price_Books").create_records(body(least("Price_Books"))))
    part = product("SDK priced")
    relation = related_api.RelatedRecordsOperations("Products", "Price_Books")
    entry = record_api.Record()
    entry.set_id(part)
    entry.add_key_value("list_price", 7.25)
    wanted = related_api.BodyWrapper()
    wanted.set_data([entry])
    (told,) = relation.update_related_records(book, wanted, HeaderMap()).get_object().get_data()
    assert isinstance(told, related_api.SuccessResponse)
    asked = params(related_api.GetRelatedRecordsParam, fields="Product_Name,list_price", per_page=200, page=1)
    (row,) = relation.get_related_records(book, asked, HeaderMap()).get_object().get_data()
    assert (row.get_id(), row.get_key_value("Product_Name")) == (part, "SDK priced")
    assert float(row.get_key_value("list_price")) == 7.25
    record = records("Price_Books").get_record(book, ParameterMap(), HeaderMap()).get_object().get_data()[0]
    (step,) = record.get_key_value("Pricing_Details")
    assert (step.get_from_range(), step.get_to_range(), step.get_discount()) == (1, 9, 5)
    gone = relation.delink_records(book, params(related_api.DelinkRecordsParam, ids=str(part)), HeaderMap())
    assert isinstance(gone.get_object().get_data()[0], related_api.SuccessResponse)
    assert relation.get_related_records(book, asked, HeaderMap()).get_status_code() == 204


@pytest.mark.parametrize("module", FURTHER)
def test_metadata_of_a_further_module(world: Remote, module: str) -> None:
    (told,) = modules_api.ModulesOperations().get_module_by_api_name(module).get_object().get_modules()
    assert told.get_api_name() == module
    assert told.get_generated_type().get_value() == ("custom" if module == "Payments" else "default")
    asked = params(fields_api.GetFieldsParam, module=module)
    fields = fields_api.FieldsOperations().get_fields(asked).get_object().get_fields()
    mandatory = {field.get_api_name() for field in fields if field.get_system_mandatory()}
    assert mandatory == set(least(module)) - {"Active"}


def test_related_lists_and_currencies(world: Remote) -> None:
    asked = params(lists_api.GetRelatedListsParam, module="Price_Books")
    lists = lists_api.RelatedListsOperations().get_related_lists(asked).get_object().get_related_lists()
    assert [each.get_api_name() for each in lists] == ["Products"]
    world.sandbox.act("update", "Currencies", None, {"iso_code": "NZD", "is_active": False})
    currencies = currencies_api.CurrenciesOperations().get_currencies().get_object().get_currencies()
    assert {c.get_iso_code(): c.get_is_active() for c in currencies} == {
        "AUD": True,
        "NZD": False,
        "USD": True,
    }
    world.sandbox.act("update", "Currencies", None, {"iso_code": "NZD", "is_active": True})
