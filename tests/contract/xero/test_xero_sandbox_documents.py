"""Bills, credit notes, quotes, orders, payments, stock and tracking, as the sandbox has them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

Remote = Any


def fault(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    body = answer.json()
    if "Elements" not in body:
        return str(body["Message"])
    return "; ".join(e["Message"] for e in body["Elements"][0]["ValidationErrors"])


@pytest.fixture
def contact(remote: Remote) -> str:
    return str(remote.make("Contacts", {"Name": "Somebody"})["ContactID"])


def line(amount: Any = 100, **more: Any) -> dict[str, Any]:
    return {"Description": "d", "Quantity": 1, "UnitAmount": amount, "AccountCode": "400", **more}


def body(contact: str, **more: Any) -> dict[str, Any]:
    return {"Contact": {"ContactID": contact}, "Date": "2026-11-02", "LineItems": [line()], **more}


def for_customer(contact: str, **more: Any) -> dict[str, Any]:
    return body(contact, **{"LineItems": [line(AccountCode="200")], **more})


def bill(remote: Remote, contact: str, **more: Any) -> dict[str, Any]:
    made = remote.make(
        "Invoices",
        body(contact, **{"Type": "ACCPAY", "Status": "AUTHORISED", "DueDate": "2026-12-01", **more}),
    )
    return dict(made)


def sale(remote: Remote, contact: str, **more: Any) -> dict[str, Any]:
    lines = {"LineItems": [line(AccountCode="200")]}
    return bill(remote, contact, **{"Type": "ACCREC", **lines, **more})


def note(remote: Remote, contact: str, **more: Any) -> dict[str, Any]:
    values = {"Type": "ACCRECCREDIT", "Status": "AUTHORISED", "LineItems": [line(AccountCode="200")], **more}
    return dict(remote.make("CreditNotes", body(contact, **values)))


def get(remote: Remote, collection: str, record_id: str) -> dict[str, Any]:
    row: dict[str, Any] = remote.get(f"/{collection}/{record_id}").json()[collection][0]
    return row


def pay(remote: Remote, **values: Any) -> Any:
    return remote.put("/Payments", {"Account": {"Code": "090"}, "Date": "2026-11-05", **values})


def allocate(remote: Remote, note_id: str, invoice_id: str, amount: Any, **more: Any) -> Any:
    element = {"Invoice": {"InvoiceID": invoice_id}, "Amount": amount, "Date": "2026-11-06", **more}
    return remote.put(f"/CreditNotes/{note_id}/Allocations", {"Allocations": [element]})


# --- bills --------------------------------------------------------------------------------------------


def test_two_suppliers_may_number_alike(remote: Remote, contact: str) -> None:
    one, other = (bill(remote, contact, InvoiceNumber="77") for _ in range(2))
    assert one["InvoiceID"] != other["InvoiceID"]
    assert "InvoiceNumber" not in bill(remote, contact)
    answer = remote.put("/Invoices", body(contact, Type="ACCPAY", Reference="R"))
    assert fault(answer) == "Reference is only supported on ACCREC invoices"
    answer = remote.put("/Invoices", body(contact, Type="ACCPAY", LineItems=[line(DiscountRate=5)]))
    assert fault(answer).startswith("Discounts are only supported")


def test_a_contact_with_a_bill_is_a_supplier(remote: Remote, contact: str) -> None:
    assert get(remote, "Contacts", contact)["IsSupplier"] is False
    bill(remote, contact)
    row = get(remote, "Contacts", contact)
    assert row["IsSupplier"] is True
    assert row["Balances"]["AccountsPayable"]["Outstanding"] == 110


# --- credit notes -------------------------------------------------------------------------------------


def test_setting_a_note_off_moves_both_records_and_their_stamps(remote: Remote, contact: str) -> None:
    invoice, credit = sale(remote, contact), note(remote, contact, LineItems=[line(50, AccountCode="200")])
    assert credit["CreditNoteNumber"] == "CN-0001"
    assert credit["RemainingCredit"] == 55
    remote.sandbox.clock.advance(5)
    answer = allocate(remote, credit["CreditNoteID"], invoice["InvoiceID"], 30)
    made = answer.json()["Allocations"][0]
    assert made["Amount"] == 30
    assert "AllocationID" not in made
    used, credited = (
        get(remote, "CreditNotes", credit["CreditNoteID"]),
        get(remote, "Invoices", invoice["InvoiceID"]),
    )
    assert (used["Status"], used["RemainingCredit"]) == ("AUTHORISED", 25)
    assert (credited["Status"], credited["AmountCredited"], credited["AmountDue"]) == ("AUTHORISED", 30, 80)
    assert used["UpdatedDateUTC"] > credit["UpdatedDateUTC"]
    assert credited["UpdatedDateUTC"] > invoice["UpdatedDateUTC"]
    assert credited["CreditNotes"][0]["AppliedAmount"] == 30
    allocate(remote, credit["CreditNoteID"], invoice["InvoiceID"], 25)
    used = get(remote, "CreditNotes", credit["CreditNoteID"])
    assert (used["Status"], used["RemainingCredit"]) == ("PAID", 0)
    first = used["Allocations"][0]["AllocationID"]
    remote.sandbox.clock.advance(5)
    gone = remote.delete(f"/CreditNotes/{credit['CreditNoteID']}/Allocations/{first}")
    assert gone.status_code == 200
    assert gone.json()["IsDeleted"] is True
    again = get(remote, "CreditNotes", credit["CreditNoteID"])
    assert (again["Status"], len(again["Allocations"])) == ("AUTHORISED", 1)
    assert remote.delete(f"/CreditNotes/{credit['CreditNoteID']}/Allocations/{first}").status_code == 404


def test_a_credit_note_pays_an_invoice_whole(remote: Remote, contact: str) -> None:
    invoice, credit = sale(remote, contact), note(remote, contact)
    allocate(remote, credit["CreditNoteID"], invoice["InvoiceID"], 110)
    paid = get(remote, "Invoices", invoice["InvoiceID"])
    assert (paid["Status"], paid["AmountDue"]) == ("PAID", 0)
    assert paid["FullyPaidOnDate"] == "/Date(1793923200000+0000)/"
    answer = remote.post(f"/Invoices/{invoice['InvoiceID']}", {"Contact": {"ContactID": contact}})
    assert answer.status_code == 200
    other = remote.make("Contacts", {"Name": "Another"})["ContactID"]
    answer = remote.post(f"/Invoices/{invoice['InvoiceID']}", {"Contact": {"ContactID": other}})
    assert "payment or credit note allocated" in fault(answer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"amount": 0}, "greater than zero", id="nothing"),
        pytest.param({"amount": 111}, "amount outstanding", id="more than is due"),
        pytest.param({"amount": 60}, "remaining credit", id="more than is left"),
        pytest.param({"invoice": "draft"}, "approved documents", id="of a draft"),
        pytest.param({"invoice": "bill"}, "this type of document", id="of a bill"),
        pytest.param({"invoice": "stranger"}, "one contact and currency", id="of another contact"),
        pytest.param({"note": "draft"}, "Only approved credit notes", id="by a draft"),
        pytest.param({"lock": True}, "period lock date", id="in a locked period"),
    ],
)
def test_what_cannot_be_set_off(remote: Remote, contact: str, change: dict[str, Any], message: str) -> None:
    other = remote.make("Contacts", {"Name": "Another"})["ContactID"]
    documents = {
        "sale": lambda: sale(remote, contact),
        "draft": lambda: sale(remote, contact, Status="DRAFT"),
        "bill": lambda: bill(remote, contact),
        "stranger": lambda: sale(remote, other),
    }
    invoice = documents[change.get("invoice", "sale")]()
    status = "DRAFT" if change.get("note") == "draft" else "AUTHORISED"
    credit = note(remote, contact, Status=status, LineItems=[line(50, AccountCode="200")])
    if change.get("lock"):
        remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-11-30"})
    answer = allocate(remote, credit["CreditNoteID"], invoice["InvoiceID"], change.get("amount", 10))
    assert message in fault(answer)
    assert remote.sandbox.records("CreditNotes")[0]["Allocations"] == []


def test_a_note_that_is_set_off_is_neither_changed_nor_voided(remote: Remote, contact: str) -> None:
    invoice, credit = sale(remote, contact), note(remote, contact)
    allocate(remote, credit["CreditNoteID"], invoice["InvoiceID"], 10)
    for change in ({"Reference": "r"}, {"Status": "VOIDED"}):
        answer = remote.post(f"/CreditNotes/{credit['CreditNoteID']}", change)
        assert "payment or credit note allocated" in fault(answer)
    free = note(remote, contact)
    answer = remote.post(f"/CreditNotes/{free['CreditNoteID']}", {"Status": "VOIDED"})
    assert answer.json()["CreditNotes"][0]["Status"] == "VOIDED"


def test_numbers_of_notes(remote: Remote, contact: str) -> None:
    note(remote, contact, CreditNoteNumber="A")
    answer = remote.put("/CreditNotes", for_customer(contact, Type="ACCRECCREDIT", CreditNoteNumber="a"))
    assert fault(answer) == "Credit Note # must be unique."
    for _ in range(2):
        note(remote, contact, Type="ACCPAYCREDIT", CreditNoteNumber="A", LineItems=[line()])
    assert len(remote.sandbox.records("SupplierCredits")) == 2
    assert len(remote.sandbox.records("CreditNotes")) == 1


# --- payments -----------------------------------------------------------------------------------------


def test_a_payment_of_each_kind_of_document(remote: Remote, contact: str) -> None:
    debt, owed = bill(remote, contact), sale(remote, contact)
    credit = note(remote, contact)
    back = note(remote, contact, Type="ACCPAYCREDIT", LineItems=[line()])
    kinds = [
        ({"Invoice": {"InvoiceID": owed["InvoiceID"]}}, "ACCRECPAYMENT"),
        ({"Invoice": {"InvoiceID": debt["InvoiceID"]}}, "ACCPAYPAYMENT"),
        ({"CreditNote": {"CreditNoteID": credit["CreditNoteID"]}}, "ARCREDITPAYMENT"),
        ({"CreditNote": {"CreditNoteID": back["CreditNoteID"]}}, "APCREDITPAYMENT"),
    ]
    for document, kind in kinds:
        made = pay(remote, **document, Amount=110).json()["Payments"][0]
        assert made["PaymentType"] == kind
    for module in ("Invoices", "Bills", "CreditNotes", "SupplierCredits"):
        (row,) = remote.sandbox.records(module)
        assert row["Status"] == "PAID", module
    listed = remote.get("/Payments", params={"page": 1, "order": "PaymentID"}).json()["Payments"]
    ids = [row["PaymentID"] for row in listed]
    assert ids == sorted(ids)
    refund = next(row for row in listed if row["PaymentType"] == "ARCREDITPAYMENT")
    assert refund["CreditNote"]["CreditNoteID"] == credit["CreditNoteID"]
    assert "Invoice" not in refund
    answer = remote.post(f"/Payments/{refund['PaymentID']}", {"Status": "DELETED"})
    assert answer.json()["Payments"][0]["Status"] == "DELETED"
    assert get(remote, "CreditNotes", credit["CreditNoteID"])["Status"] == "AUTHORISED"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        pytest.param("reconcile", "not of valid status", id="reconciled"),
        pytest.param("batch", "not of valid status", id="part of a batch"),
        pytest.param("lock", "period lock date", id="of a locked period"),
    ],
)
def test_payments_that_cannot_be_deleted(remote: Remote, contact: str, how: str, message: str) -> None:
    owed = sale(remote, contact)
    made = pay(remote, Invoice={"InvoiceID": owed["InvoiceID"]}, Amount=5).json()["Payments"][0]
    if how == "lock":
        remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-11-30"})
    else:
        remote.sandbox.act(how, "Payments", made["PaymentID"], {})
    answer = remote.post(f"/Payments/{made['PaymentID']}", {"Status": "DELETED"})
    assert message in fault(answer)
    assert remote.sandbox.records("Payments")[0]["Status"] == "AUTHORISED"


def test_a_payment_in_another_currency(remote: Remote, contact: str) -> None:
    remote.sandbox.act("create", "Currencies", None, {"Code": "USD", "rate": "0.65"})
    owed = sale(remote, contact, CurrencyCode="USD", CurrencyRate=0.65)
    made = pay(remote, Invoice={"InvoiceID": owed["InvoiceID"]}, Amount=65).json()["Payments"][0]
    assert (made["Amount"], made["BankAmount"], made["CurrencyRate"]) == (65, 100, 0.65)
    two = {"Invoice": {"InvoiceID": owed["InvoiceID"]}, "CreditNote": {"CreditNoteID": "x"}}
    assert "one document only" in fault(pay(remote, **two, Amount=1))


# --- quotes -------------------------------------------------------------------------------------------


def test_quotes_name_contact_and_date_in_each_call(remote: Remote, contact: str) -> None:
    made = remote.make(
        "Quotes", for_customer(contact, LineItems=[line(AccountCode="200", DiscountRate=10)], Title="T")
    )
    assert (made["QuoteNumber"], made["LineAmountTypes"], made["Status"]) == ("QU-0001", "EXCLUSIVE", "DRAFT")
    assert (made["Total"], made["TotalDiscount"]) == (99, 10)
    path = f"/Quotes/{made['QuoteID']}"
    assert fault(remote.post(path, {"Title": "U"})) == "Contact cannot be empty; Date cannot be empty"
    whole = {"Contact": {"ContactID": contact}, "Date": "2026-11-02"}
    assert remote.post(path, {**whole, "Title": "U"}).json()["Quotes"][0]["Title"] == "U"
    assert "LineAmountTypes is not valid" in fault(
        remote.post(path, {**whole, "LineAmountTypes": "Exclusive"})
    )
    assert "Quote # must be unique" in fault(
        remote.put("/Quotes", for_customer(contact, QuoteNumber="qu-0001"))
    )


def test_states_of_quotes(remote: Remote, contact: str) -> None:
    made = remote.make("Quotes", for_customer(contact))
    whole = {"Contact": {"ContactID": contact}, "Date": "2026-11-02"}

    def move(status: str, **more: Any) -> Any:
        return remote.post(f"/Quotes/{made['QuoteID']}", {**whole, "Status": status, **more})

    assert "not of valid status" in fault(move("ACCEPTED"))
    for status in ("SENT", "ACCEPTED", "INVOICED"):
        assert move(status).json()["Quotes"][0]["Status"] == status
    assert "not of valid status" in fault(move("INVOICED", Title="too late"))
    assert remote.sandbox.records("Invoices") == []
    assert move("DELETED").status_code == 200
    assert "not of valid status" in fault(move("DRAFT"))


def test_quotes_come_a_hundred_at_a_time_and_are_filtered(remote: Remote, contact: str) -> None:
    for start in (0, 50, 100):
        quotes = [for_customer(contact, Date=f"2026-10-{1 + n % 28:02d}") for n in range(start, start + 50)]
        remote.put("/Quotes", {"Quotes": quotes})
    first = remote.get("/Quotes", params={"page": 1, "pageSize": 1000, "order": "QuoteID"}).json()
    assert len(first["Quotes"]) == 100
    assert "pagination" not in first
    assert len(remote.get("/Quotes").json()["Quotes"]) == 100
    rest = remote.get("/Quotes", params={"page": 2, "order": "QuoteID"}).json()["Quotes"]
    assert len(rest) == 50
    assert not {q["QuoteID"] for q in rest} & {q["QuoteID"] for q in first["Quotes"]}
    assert len(remote.get("/Quotes", params={"QuoteNumber": "QU-0007"}).json()["Quotes"]) == 1
    asked = {"DateFrom": "2026-10-02", "DateTo": "2026-10-03"}
    found = remote.get("/Quotes", params=asked).json()["Quotes"]
    assert {q["DateString"][:10] for q in found} == {"2026-10-02", "2026-10-03"}


# --- purchase orders ----------------------------------------------------------------------------------


def test_purchase_orders(remote: Remote, contact: str) -> None:
    made = remote.make("PurchaseOrders", body(contact, LineItems=[line("1.2345")], Telephone="1"))
    assert (made["PurchaseOrderNumber"], made["LineItems"][0]["UnitAmount"]) == ("PO-0001", 1.2345)
    path = f"/PurchaseOrders/{made['PurchaseOrderID']}"
    warned = remote.post(path, {"SentToContact": True}).json()["PurchaseOrders"][0]
    assert warned["Warnings"][0]["Message"].startswith("Only AUTHORISED and BILLED")
    assert remote.post(path, {"Status": "BILLED"}).status_code == 400
    for status in ("AUTHORISED", "BILLED"):
        assert remote.post(path, {"Status": status}).status_code == 200
    assert "not of valid status" in fault(remote.post(path, {"Reference": "r"}))
    assert "not of valid status" in fault(remote.post(path, {"Status": "DELETED"}))
    assert remote.post(path, {"Status": "AUTHORISED"}).status_code == 200
    assert remote.post(path, {"Status": "DELETED"}).status_code == 200
    listed = remote.get("/PurchaseOrders").json()
    assert listed["pagination"]["itemCount"] == 1
    assert listed["PurchaseOrders"][0]["Status"] == "DELETED"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"LineItems": []}, "line items must be specified", id="no lines"),
        pytest.param({"Contact": {"Name": "Nobody"}}, "A valid Contact", id="it makes no contact"),
        pytest.param({"PurchaseOrderNumber": "po-1"}, "Order number must be unique", id="number"),
        pytest.param({"DeliveryInstructions": "x" * 501}, "DeliveryInstructions field exceeds", id="length"),
        pytest.param(
            {"LineItems": [{"Description": "d", "Quantity": 2}]}, "UnitAmount must be given", id="no price"
        ),
    ],
)
def test_orders_are_checked(remote: Remote, contact: str, change: dict[str, Any], message: str) -> None:
    remote.make("PurchaseOrders", body(contact, PurchaseOrderNumber="PO-1"))
    assert message in fault(remote.put("/PurchaseOrders", body(contact, **change)))
    assert len(remote.sandbox.records("Contacts")) == 1


def test_orders_and_quotes_know_no_lock_date(remote: Remote, contact: str) -> None:
    remote.sandbox.act("update", "Organisation", None, {"PeriodLockDate": "2026-12-31"})
    assert remote.make("PurchaseOrders", body(contact))["Total"] == 110
    assert remote.make("Quotes", for_customer(contact))["Total"] == 110
    answer = remote.put("/CreditNotes", body(contact, Type="ACCPAYCREDIT", Status="AUTHORISED"))
    assert "period lock date" in fault(answer)


# --- tracked stock ------------------------------------------------------------------------------------


def tracked(remote: Remote) -> dict[str, Any]:
    item = {
        "Code": "BOLT",
        "Name": "Bolt",
        "SalesDetails": {"UnitPrice": 9, "AccountCode": "200"},
        "PurchaseDetails": {"UnitPrice": 5, "COGSAccountCode": "310"},
        "InventoryAssetAccountCode": "630",
    }
    return dict(remote.make("Items", item))


def stock(remote: Remote) -> tuple[Any, Any]:
    row = remote.sandbox.records("Items")[0]
    return row["QuantityOnHand"], row["TotalCostPool"]


def of_bolts(quantity: Any, price: Any = 5) -> list[dict[str, Any]]:
    return [{"ItemCode": "BOLT", "Description": "b", "Quantity": quantity, "UnitAmount": price}]


def test_stock_moves_with_documents(remote: Remote, contact: str) -> None:
    item = tracked(remote)
    assert (item["IsTrackedAsInventory"], item["QuantityOnHand"]) == (True, 0)
    draft = bill(remote, contact, Status="DRAFT", LineItems=of_bolts(10))
    assert draft["LineItems"][0]["AccountCode"] == "630"
    assert stock(remote) == (0, 0)
    remote.post(f"/Invoices/{draft['InvoiceID']}", {"Status": "AUTHORISED"})
    assert stock(remote) == (10, 50)
    bill(remote, contact, LineItems=of_bolts(10, 7))
    assert stock(remote) == (20, 120)
    sold = sale(remote, contact, LineItems=of_bolts(5, 9))
    assert stock(remote) == (15, 90)
    credit = note(remote, contact, LineItems=of_bolts(1, 6))
    assert stock(remote) == (16, 96)
    remote.post(f"/CreditNotes/{credit['CreditNoteID']}", {"Status": "VOIDED"})
    remote.post(f"/Invoices/{sold['InvoiceID']}", {"Status": "VOIDED"})
    assert stock(remote) == (20, 120)
    more = {"Type": "ACCREC", "Status": "AUTHORISED", "DueDate": "2026-12-01", "LineItems": of_bolts(21)}
    assert "not sufficient" in fault(remote.put("/Invoices", body(contact, **more)))
    answer = remote.put(
        "/Invoices", {"Invoices": [body(contact, **more)]}, params={"summarizeErrors": "false"}
    )
    assert answer.json()["Invoices"][0]["StatusAttributeString"] == "ERROR"
    assert stock(remote) == (20, 120)
    assert len(remote.sandbox.records("Invoices")) == 1
    assert "cannot be deleted" in fault(remote.delete(f"/Items/{item['ItemID']}"))
    answer = remote.post(f"/Items/{item['ItemID']}", {"InventoryAssetAccountCode": ""})
    assert "Cost Of Goods Sold Account must be used" in fault(answer)


@pytest.mark.parametrize("moves", [False, True])
def test_whether_a_move_of_stock_is_a_change_of_the_item(remote: Remote, contact: str, moves: bool) -> None:
    remote.sandbox.switches["stock_moves_updated"] = moves
    before = tracked(remote)
    remote.sandbox.clock.advance(5)
    bill(remote, contact, LineItems=of_bolts(2))
    after = remote.get(f"/Items/{before['ItemID']}").json()["Items"][0]
    assert after["QuantityOnHand"] == 2
    assert (after["UpdatedDateUTC"] != before["UpdatedDateUTC"]) is moves


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"InventoryAssetAccountCode": "630"}, "must be used with a Cost Of Goods", id="no COGS"),
        pytest.param(
            {"InventoryAssetAccountCode": "200", "PurchaseDetails": {"COGSAccountCode": "310"}},
            "type Inventory Asset",
            id="an asset account of another type",
        ),
        pytest.param(
            {"InventoryAssetAccountCode": "630", "PurchaseDetails": {"COGSAccountCode": "400"}},
            "type Direct Costs",
            id="a COGS account of another type",
        ),
    ],
)
def test_tracked_items_need_their_accounts_together(
    remote: Remote, change: dict[str, Any], message: str
) -> None:
    assert message in fault(remote.put("/Items", {"Code": "X", **change}))


# --- tracking categories ------------------------------------------------------------------------------


def test_lines_are_tracked_by_name_or_id(remote: Remote, contact: str) -> None:
    region = remote.get("/TrackingCategories", params={"where": 'Name=="Region"'}).json()
    (category,) = region["TrackingCategories"]
    option = category["Options"][0]
    ids = {
        "TrackingCategoryID": category["TrackingCategoryID"],
        "TrackingOptionID": option["TrackingOptionID"],
    }
    for given in ({"Name": "region", "Option": "NORTH"}, ids):
        made = bill(remote, contact, LineItems=[line(Tracking=[given])])
        assert made["LineItems"][0]["Tracking"] == [{"Name": "Region", "Option": option["Name"], **ids}]
    for given, words in (
        ({"Name": "Planet", "Option": "Mars"}, "tracking category could not be found"),
        ({"Name": "Region", "Option": "Mars"}, "tracking option could not be found"),
    ):
        answer = remote.put("/Invoices", body(contact, Type="ACCPAY", LineItems=[line(Tracking=[given])]))
        assert words in fault(answer)


def test_categories_and_options_are_kept(remote: Remote, contact: str) -> None:
    (region, department) = remote.get("/TrackingCategories").json()["TrackingCategories"]
    region, department = sorted((region, department), key=lambda c: c["Name"], reverse=True)
    assert "maximum number" in fault(remote.put("/TrackingCategories", {"Name": "Third"}))
    path = f"/TrackingCategories/{department['TrackingCategoryID']}"
    assert remote.post(path, {"Name": "Team"}).json()["TrackingCategories"][0]["Name"] == "Team"
    assert "unique Name" in fault(remote.post(path, {"Name": "region"}))
    made = remote.put(f"{path}/Options", {"Name": "Export"}).json()["Options"][0]
    bill(remote, contact, LineItems=[line(Tracking=[{"Name": "Team", "Option": "Export"}])])
    gone = remote.delete(f"{path}/Options/{made['TrackingOptionID']}").json()["Options"][0]
    assert gone["Status"] == "ARCHIVED"
    unused = department["Options"][0]["TrackingOptionID"]
    assert remote.delete(f"{path}/Options/{unused}").json()["Options"][0]["Status"] == "DELETED"
    assert remote.delete(f"{path}/Options/{unused}").status_code == 404
    free = f"/TrackingCategories/{region['TrackingCategoryID']}"
    assert remote.delete(free).json()["TrackingCategories"][0]["Status"] == "DELETED"
    assert remote.put("/TrackingCategories", {"Name": "Third"}).status_code == 200
    assert remote.delete(path).json()["TrackingCategories"][0]["Status"] == "ARCHIVED"
    listed = remote.get("/TrackingCategories").json()["TrackingCategories"]
    assert [c["Name"] for c in listed] == ["Third"]
    everything = remote.get("/TrackingCategories", params={"includeArchived": "true"}).json()
    assert {c["Name"] for c in everything["TrackingCategories"]} == {"Third", "Team"}


# --- the made-up business -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", ["Bills", "CreditNotes", "SupplierCredits", "Quotes", "PurchaseOrders", "Payments"]
)
def test_both_organisations_have_documents_of_each_kind(
    open_remote: Callable[..., Remote], demo: Remote, module: str
) -> None:
    for place in ("", "@2"):
        assert demo.sandbox.records(f"{module}{place}"), place
    twin = open_remote("demo")

    def told(side: Remote) -> list[tuple[Any, ...]]:
        """All but the stamps, which are of the moment of seeding."""
        return [
            (row["Date"], row["Status"], row.get("Total", row.get("Amount")), row.get("LineItems"))
            for row in side.sandbox.records(module)
        ]

    assert told(twin) == told(demo)


def test_the_seeded_books_add_up(demo: Remote) -> None:
    for row in demo.sandbox.records("Bills"):
        if row["Status"] in ("AUTHORISED", "PAID"):
            assert row["AmountDue"] == row["Total"] - row["AmountPaid"] - row["AmountCredited"]
            assert (row["AmountDue"] == 0) is (row["Status"] == "PAID")
    for row in demo.sandbox.records("SupplierCredits"):
        used = sum((a["Amount"] for a in row["Allocations"]), Decimal(0))
        assert row["RemainingCredit"] == row["Total"] - used
