"""The vendor's own Python SDK works on every document and all reference data of the sandbox."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from xero_python.accounting import (
    Account,
    Allocation,
    Allocations,
    Contact,
    CreditNote,
    CreditNotes,
    CurrencyCode,
    Invoice,
    Invoices,
    Item,
    Items,
    LineAmountTypes,
    LineItem,
    LineItemTracking,
    Payment,
    PaymentDelete,
    Payments,
    Purchase,
    PurchaseOrder,
    PurchaseOrders,
    Quote,
    QuoteLineAmountTypes,
    Quotes,
    QuoteStatusCodes,
    TrackingCategory,
    TrackingOption,
)
from xero_python.exceptions import AccountingBadRequestException, NotFoundException

DAY = date(2026, 11, 2)


def line(amount: str = "100", account: str = "400", **more: Any) -> LineItem:
    return LineItem(
        description="d",
        quantity=Decimal(1),
        unit_amount=Decimal(amount),
        account_code=account,
        **more,
    )


@pytest.fixture
def api(sdk: SimpleNamespace) -> Any:
    """The accounting API with the organisation filled in, and a contact of its own."""

    class Api:
        remote = sdk.remote
        contact = Contact(contact_id=sdk.remote.make("Contacts", {"Name": "SDK Somebody"})["ContactID"])

        def __getattr__(self, name: str) -> Any:
            call = getattr(sdk.accounting, name)
            return lambda *args, **more: call(sdk.tenant, *args, **more)

    return Api()


def approved(api: Any, kind: str, **more: Any) -> Any:
    account = "200" if kind == "ACCREC" else "400"
    new = Invoice(
        type=kind,
        contact=api.contact,
        date=DAY,
        due_date=DAY + timedelta(days=30),
        status="AUTHORISED",
        line_amount_types=LineAmountTypes.EXCLUSIVE,
        line_items=[line(account=account)],
        **more,
    )
    return api.create_invoices(Invoices(invoices=[new])).invoices[0]


def credit(api: Any, kind: str, **more: Any) -> Any:
    account = "200" if kind == "ACCRECCREDIT" else "400"
    values = {"status": "AUTHORISED", "line_items": [line(account=account)], **more}
    new = CreditNote(type=kind, contact=api.contact, date=DAY, **values)
    return api.create_credit_notes(CreditNotes(credit_notes=[new]), unitdp=4).credit_notes[0]


def refusal(raised: Any) -> str:
    return str(raised.value.error_data["Elements"][0]["ValidationErrors"][0]["Message"])


def test_the_sdk_takes_a_bill_from_draft_to_paid(api: Any) -> None:
    draft = Invoice(
        type="ACCPAY",
        contact=api.contact,
        invoice_number="S-77",
        date=DAY,
        due_date=DAY,
        line_items=[line("12.3456")],
    )
    made = api.create_invoices(Invoices(invoices=[draft]), unitdp=4).invoices[0]
    assert (made.type, made.status, made.line_items[0].unit_amount) == ("ACCPAY", "DRAFT", Decimal("12.3456"))
    change = Invoices(invoices=[Invoice(status="AUTHORISED", planned_payment_date=date(2026, 11, 20))])
    ready = api.update_invoice(made.invoice_id, change, unitdp=4).invoices[0]
    assert ready.planned_payment_date == date(2026, 11, 20)
    paid = api.create_payment(
        Payment(
            invoice=Invoice(invoice_id=made.invoice_id),
            account=Account(code="090"),
            date=DAY,
            amount=ready.amount_due,
            reference="run 7",
        )
    ).payments[0]
    assert paid.payment_type == "ACCPAYPAYMENT"
    assert api.get_invoice(made.invoice_id).invoices[0].status == "PAID"
    listed = api.get_invoices(where='Type=="ACCPAY" AND Status=="PAID"', page=1).invoices
    assert made.invoice_id in {i.invoice_id for i in listed}


@pytest.mark.parametrize(("kind", "document"), [("ACCRECCREDIT", "ACCREC"), ("ACCPAYCREDIT", "ACCPAY")])
def test_the_sdk_sets_credit_notes_off(api: Any, kind: str, document: str) -> None:
    invoice, note = approved(api, document), credit(api, kind, reference=None)
    assert (note.remaining_credit, note.status) == (110, "AUTHORISED")
    element = Allocation(invoice=Invoice(invoice_id=invoice.invoice_id), amount=Decimal(40), date=DAY)
    made = api.create_credit_note_allocation(note.credit_note_id, Allocations(allocations=[element]))
    assert made.allocations[0].amount == 40
    used = api.get_credit_note(note.credit_note_id).credit_notes[0]
    assert (used.remaining_credit, used.allocations[0].invoice.invoice_id) == (70, invoice.invoice_id)
    assert used.allocations[0].date == DAY
    after = api.get_invoice(invoice.invoice_id).invoices[0]
    assert (after.amount_credited, after.amount_due) == (40, 70)
    assert after.credit_notes[0].credit_note_id == note.credit_note_id
    too_much = Allocations(allocations=[Allocation(invoice=element.invoice, amount=Decimal(500), date=DAY)])
    with pytest.raises(AccountingBadRequestException) as raised:
        api.create_credit_note_allocation(note.credit_note_id, too_much)
    assert "amount outstanding" in refusal(raised)
    gone = api.delete_credit_note_allocations(note.credit_note_id, used.allocations[0].allocation_id)
    assert gone.is_deleted is True
    assert api.get_credit_note(note.credit_note_id).credit_notes[0].allocations == []
    assert api.get_invoice(invoice.invoice_id).invoices[0].amount_due == 110


def test_the_sdk_changes_refunds_and_voids_credit_notes(api: Any) -> None:
    draft = credit(api, "ACCRECCREDIT", status="DRAFT")
    change = CreditNotes(credit_notes=[CreditNote(reference="R", status="AUTHORISED")])
    ready = api.update_credit_note(draft.credit_note_id, change, unitdp=4).credit_notes[0]
    assert (ready.reference, ready.status) == ("R", "AUTHORISED")
    refund = Payment(
        credit_note=CreditNote(credit_note_id=ready.credit_note_id),
        account=Account(code="090"),
        date=DAY,
        amount=Decimal(110),
    )
    paid = api.create_payments(Payments(payments=[refund])).payments[0]
    assert (paid.payment_type, paid.credit_note.credit_note_id) == ("ARCREDITPAYMENT", ready.credit_note_id)
    assert api.get_credit_note(ready.credit_note_id).credit_notes[0].status == "PAID"
    gone = api.delete_payment(paid.payment_id, PaymentDelete(status="DELETED")).payments[0]
    assert gone.status == "DELETED"
    void = CreditNotes(credit_notes=[CreditNote(credit_note_id=ready.credit_note_id, status="VOIDED")])
    ended = api.update_or_create_credit_notes(void, summarize_errors=False).credit_notes[0]
    assert ended.status == "VOIDED"
    listed = api.get_credit_notes(
        where='Type=="ACCRECCREDIT"', order="CreditNoteID", page=1, page_size=200, unitdp=4
    )
    assert listed.pagination.item_count == len(listed.credit_notes)
    assert ended.credit_note_id in {n.credit_note_id for n in listed.credit_notes}


def test_the_sdk_handles_quotes(api: Any) -> None:
    new = Quote(
        contact=api.contact,
        date=DAY,
        expiry_date=DAY + timedelta(days=30),
        title="Offer",
        line_amount_types=QuoteLineAmountTypes.INCLUSIVE,
        line_items=[line(account="200", discount_rate=Decimal(10))],
    )
    made = api.create_quotes(Quotes(quotes=[new])).quotes[0]
    assert (made.total, made.line_amount_types) == (90, QuoteLineAmountTypes.INCLUSIVE)
    assert made.expiry_date == DAY + timedelta(days=30)

    def move(status: QuoteStatusCodes) -> Any:
        change = Quote(contact=api.contact, date=DAY, status=status)
        return api.update_quote(made.quote_id, Quotes(quotes=[change])).quotes[0].status

    with pytest.raises(AccountingBadRequestException) as raised:
        move(QuoteStatusCodes.INVOICED)
    assert refusal(raised) == "Quote not of valid status for modification"
    assert move(QuoteStatusCodes.SENT) is QuoteStatusCodes.SENT
    assert move(QuoteStatusCodes.ACCEPTED) is QuoteStatusCodes.ACCEPTED
    found = api.get_quotes(quote_number=made.quote_number, status="ACCEPTED", page=1, order="QuoteID").quotes
    assert [q.quote_id for q in found] == [made.quote_id]
    end = Quote(quote_id=made.quote_id, contact=api.contact, date=DAY, status=QuoteStatusCodes.DELETED)
    assert api.update_or_create_quotes(Quotes(quotes=[end])).quotes[0].status is QuoteStatusCodes.DELETED
    assert api.get_quote(made.quote_id).quotes[0].status is QuoteStatusCodes.DELETED
    with pytest.raises(NotFoundException):
        api.get_quote("00000000-0000-0000-0000-000000000001")


def test_the_sdk_handles_purchase_orders(api: Any) -> None:
    new = PurchaseOrder(
        contact=api.contact,
        date=DAY,
        delivery_date=DAY + timedelta(days=9),
        attention_to="Ann",
        line_items=[line("1.2345")],
    )
    made = api.create_purchase_orders(PurchaseOrders(purchase_orders=[new])).purchase_orders[0]
    assert made.line_items[0].unit_amount == Decimal("1.2345")
    change = PurchaseOrders(purchase_orders=[PurchaseOrder(status="AUTHORISED", attention_to="Bo")])
    ready = api.update_purchase_order(made.purchase_order_id, change).purchase_orders[0]
    assert (ready.status, ready.attention_to) == ("AUTHORISED", "Bo")
    same = api.get_purchase_order_by_number(made.purchase_order_number).purchase_orders[0]
    assert same.purchase_order_id == made.purchase_order_id
    assert api.get_purchase_order(made.purchase_order_id).purchase_orders[0].delivery_date == date(
        2026, 11, 11
    )
    end = PurchaseOrders(
        purchase_orders=[PurchaseOrder(purchase_order_id=made.purchase_order_id, status="DELETED")]
    )
    assert api.update_or_create_purchase_orders(end).purchase_orders[0].status == "DELETED"
    listed = api.get_purchase_orders(
        status="DELETED", page=1, page_size=50, order="PurchaseOrderID", date_from="2026-11-01"
    )
    assert made.purchase_order_id in {o.purchase_order_id for o in listed.purchase_orders}
    since = datetime.now(UTC) - timedelta(hours=1)
    changed = api.get_purchase_orders(if_modified_since=since).purchase_orders
    assert [o.purchase_order_id for o in changed] == [made.purchase_order_id]


def test_the_sdk_tracks_lines(api: Any) -> None:
    region = next(c for c in api.get_tracking_categories().tracking_categories if c.name == "Region")
    option = region.options[0]
    tracking = [LineItemTracking(name="Region", option=option.name)]
    bill = Invoice(type="ACCPAY", contact=api.contact, date=DAY, line_items=[line(tracking=tracking)])
    made = api.create_invoices(Invoices(invoices=[bill])).invoices[0]
    assert made.line_items[0].tracking[0].tracking_option_id == option.tracking_option_id
    added = api.create_tracking_options(region.tracking_category_id, TrackingOption(name="Abroad"))
    new = added.options[0]
    changed = api.update_tracking_options(
        region.tracking_category_id, new.tracking_option_id, TrackingOption(name="Overseas")
    )
    assert changed.options[0].name == "Overseas"
    gone = api.delete_tracking_options(region.tracking_category_id, new.tracking_option_id)
    assert gone.options[0].status == "DELETED"
    kept = api.delete_tracking_options(region.tracking_category_id, option.tracking_option_id)
    assert kept.options[0].status == "ARCHIVED"
    other = next(c for c in api.get_tracking_categories().tracking_categories if c.name != "Region")
    api.delete_tracking_category(other.tracking_category_id)
    third = api.create_tracking_category(TrackingCategory(name="Channel")).tracking_categories[0]
    renamed = api.update_tracking_category(third.tracking_category_id, TrackingCategory(name="Route"))
    assert renamed.tracking_categories[0].name == "Route"
    one = api.get_tracking_category(third.tracking_category_id).tracking_categories[0]
    assert (one.name, one.status) == ("Route", "ACTIVE")


def test_the_sdk_moves_stock(api: Any) -> None:
    new = Item(
        code="SDK-BOLT",
        name="Bolt",
        inventory_asset_account_code="630",
        sales_details=Purchase(unit_price=Decimal(9), account_code="200"),
        purchase_details=Purchase(unit_price=Decimal(5), cogs_account_code="310"),
    )
    item = api.create_items(Items(items=[new]), unitdp=4).items[0]
    assert (item.is_tracked_as_inventory, item.quantity_on_hand) == (True, 0)
    bought = Invoice(
        type="ACCPAY",
        contact=api.contact,
        date=DAY,
        due_date=DAY,
        status="AUTHORISED",
        line_items=[LineItem(item_code="SDK-BOLT", quantity=Decimal(12), description="b")],
    )
    api.create_invoices(Invoices(invoices=[bought]))
    after = api.get_item("SDK-BOLT").items[0]
    assert (after.quantity_on_hand, after.total_cost_pool) == (12, 60)


def test_the_sdk_sees_documents_in_a_currency(api: Any) -> None:
    note = credit(api, "ACCPAYCREDIT", currency_code=CurrencyCode.USD, currency_rate=Decimal("0.6512"))
    assert (note.currency_code, note.currency_rate) == (CurrencyCode.USD, Decimal("0.6512"))


def test_the_sdk_reads_the_rest_of_the_settings(api: Any) -> None:
    users = api.get_users().users
    assert {u.organisation_role for u in users} == {"FINANCIALADVISER", "STANDARD", "INVOICEONLY"}
    assert api.get_user(users[0].user_id).users[0].email_address == users[0].email_address
    theme = api.get_branding_themes().branding_themes[0]
    assert api.get_branding_theme(theme.branding_theme_id).branding_themes[0].name == theme.name
    assert api.get_tax_rate_by_tax_type("OUTPUT").tax_rates[0].effective_rate == 10
    account = api.get_accounts(where='Type=="INVENTORY"').accounts[0]
    assert api.get_account(account.account_id).accounts[0].code == "630"
    assert {a.status for a in api.get_organisation_actions().actions} == {"ALLOWED"}
    payments = api.get_payments(page=1, page_size=500, order="PaymentID").payments
    kinds = {p.payment_type for p in payments}
    assert kinds == {"ACCRECPAYMENT", "ACCPAYPAYMENT", "ARCREDITPAYMENT"}
    assert api.get_payment(payments[0].payment_id).payments[0].amount == payments[0].amount
