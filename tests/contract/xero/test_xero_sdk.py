"""The vendor's own Python SDK works against the sandbox with nothing changed but its base addresses."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from xero_python.accounting import (
    Account,
    Address,
    Contact,
    ContactPerson,
    Contacts,
    CurrencyCode,
    Invoice,
    Invoices,
    Item,
    Items,
    LineAmountTypes,
    LineItem,
    Payment,
    PaymentDelete,
    Payments,
    PaymentTerm,
    PaymentTermType,
    Phone,
    Purchase,
)
from xero_python.accounting import Bill as Term
from xero_python.exceptions import (
    AccountingBadRequestException,
    HTTPStatusException,
    NotFoundException,
    RateLimitException,
)

from syncline.connect.sandbox import Fault, FaultKind

Remote = Any


def test_the_sdk_refreshes_its_token(sdk: Any) -> None:
    old = dict(sdk.kept)
    sdk.kept["scope"] = str(old["scope"]).split()
    sdk.kept["expires_at"] = time.time() - 1
    about = sdk.accounting.get_organisations(sdk.tenant).organisations[0]
    assert about.name == "Harbour & Vine Trading"
    assert sdk.kept["access_token"] != old["access_token"]
    assert sdk.kept["refresh_token"] != old["refresh_token"]


def test_the_sdk_lists_and_deletes_connections(sdk: Any) -> None:
    found = sdk.identity.get_connections()
    assert [str(c.tenant_id) for c in found] == [sdk.remote.tenant, sdk.remote.other_tenant]
    assert found[0].tenant_type == "ORGANISATION"
    sdk.identity.delete_connection(str(found[1].id))
    assert len(sdk.identity.get_connections()) == 1


def test_the_sdk_revokes(sdk: Any) -> None:
    sdk.kept["scope"] = str(sdk.kept["scope"]).split()
    token = sdk.client.configuration.oauth2_token
    token.update_token(**sdk.kept)
    assert token.revoke_access_token(sdk.client)
    assert sdk.kept["access_token"] is None


def test_the_sdk_pages_through_contacts(sdk: Any) -> None:
    seen = set()
    for page in (1, 2, 3):
        found = sdk.accounting.get_contacts(
            sdk.tenant, page=page, page_size=120, order="ContactID", include_archived=True
        )
        seen |= {c.contact_id for c in found.contacts}
        assert found.pagination.item_count == 300
        assert found.pagination.page_count == 3
    assert len(seen) == 300
    one = found.contacts[0]
    assert one.updated_date_utc.tzinfo is not None
    assert one.payment_terms.sales.type is PaymentTermType.DAYSAFTERBILLDATE
    assert {p.phone_type for p in one.phones} == {"DEFAULT", "DDI", "MOBILE", "FAX"}


def test_the_sdk_reads_changes_and_filters(sdk: Any) -> None:
    contact = sdk.accounting.get_contacts(sdk.tenant, page=1).contacts[0]
    since = datetime.now(UTC) - timedelta(hours=1)
    assert sdk.accounting.get_contacts(sdk.tenant, if_modified_since=since).contacts == []
    changed = Contacts(contacts=[Contact(tax_number="77")])
    sdk.accounting.update_contact(sdk.tenant, contact.contact_id, changed)
    found = sdk.accounting.get_contacts(sdk.tenant, if_modified_since=since).contacts
    assert [c.contact_id for c in found] == [contact.contact_id]
    by_name = sdk.accounting.get_contacts(sdk.tenant, where=f'Name=="{contact.name.lower()}"').contacts
    assert [c.contact_id for c in by_name] == [contact.contact_id]
    by_id = sdk.accounting.get_contacts(sdk.tenant, i_ds=[contact.contact_id], summary_only=True).contacts
    assert [c.contact_id for c in by_id] == [contact.contact_id]
    by_term = sdk.accounting.get_contacts(sdk.tenant, search_term=contact.name[:8].upper()).contacts
    assert contact.contact_id in {c.contact_id for c in by_term}


def test_the_sdk_creates_and_updates_contacts(sdk: Any) -> None:
    new = Contact(
        name="Bruce Banner",
        email_address="hulk@avengers.example",
        phones=[Phone(phone_type="MOBILE", phone_number="555-1212", phone_area_code="415")],
        addresses=[Address(address_type="POBOX", address_line1="1 Way", city="Perth", country="Australia")],
        contact_persons=[ContactPerson(first_name="Tony", include_in_emails=True)],
        payment_terms=PaymentTerm(sales=Term(day=14, type=PaymentTermType.OFFOLLOWINGMONTH)),
        default_currency=CurrencyCode.USD,
    )
    made = sdk.accounting.create_contacts(sdk.tenant, Contacts(contacts=[new])).contacts[0]
    stored = sdk.accounting.get_contact(sdk.tenant, made.contact_id).contacts[0]
    phones = {p.phone_type: p.phone_number for p in stored.phones}
    assert (phones["MOBILE"], phones["FAX"]) == ("555-1212", "")
    assert stored.contact_persons[0].first_name == "Tony"
    assert stored.payment_terms.sales.day == 14
    assert stored.default_currency is CurrencyCode.USD
    change = Contacts(contacts=[Contact(contact_id=made.contact_id, contact_number="B-1")])
    sdk.accounting.update_or_create_contacts(sdk.tenant, change, summarize_errors=False)
    numbered = sdk.accounting.get_contact_by_contact_number(sdk.tenant, "B-1").contacts[0]
    assert (numbered.contact_id, numbered.name) == (made.contact_id, "Bruce Banner")
    sdk.accounting.update_contact(
        sdk.tenant, made.contact_id, Contacts(contacts=[Contact(contact_status="ARCHIVED")])
    )
    assert sdk.accounting.get_contact(sdk.tenant, made.contact_id).contacts[0].contact_status == "ARCHIVED"


def test_the_sdk_sees_both_error_modes(sdk: Any) -> None:
    taken = sdk.accounting.get_contacts(sdk.tenant, page=1).contacts[0].name
    batch = Contacts(contacts=[Contact(name="Fresh"), Contact(name=taken)])
    with pytest.raises(AccountingBadRequestException) as raised:
        sdk.accounting.create_contacts(sdk.tenant, batch)
    assert raised.value.error_data["ErrorNumber"] == 10
    assert "already assigned" in str(raised.value.error_data["Elements"])
    rows = sdk.accounting.create_contacts(sdk.tenant, batch, summarize_errors=False).contacts
    assert [r.has_validation_errors for r in rows] == [False, True]
    assert rows[1].validation_errors[0].message.startswith(f"The contact name {taken} is already assigned")
    assert [r.status_attribute_string for r in rows] == ["OK", "ERROR"]


def test_the_sdk_replays_an_idempotent_create(sdk: Any) -> None:
    batch = Contacts(contacts=[Contact(name="Once")])
    ids = {
        sdk.accounting.create_contacts(sdk.tenant, batch, idempotency_key="key-1").contacts[0].contact_id
        for _ in range(2)
    }
    assert len(ids) == 1


def test_the_sdk_handles_items(sdk: Any) -> None:
    new = Item(
        code="GADGET",
        name="Gadget",
        description="A thing",
        sales_details=Purchase(unit_price=Decimal("12.3456"), account_code="200", tax_type="OUTPUT"),
        purchase_details=Purchase(unit_price=Decimal("5"), account_code="310"),
    )
    made = sdk.accounting.create_items(sdk.tenant, Items(items=[new]), unitdp=4).items[0]
    assert made.sales_details.unit_price == Decimal("12.3456")
    assert sdk.accounting.get_item(sdk.tenant, "GADGET").items[0].sales_details.unit_price == Decimal("12.35")
    sdk.accounting.update_item(
        sdk.tenant, made.item_id, Items(items=[Item(code="GADGET", name="Better gadget")])
    )
    found = sdk.accounting.get_items(sdk.tenant, where='Code=="GADGET"', unitdp=4).items
    assert [(i.name, i.is_sold) for i in found] == [("Better gadget", True)]
    sdk.accounting.delete_item(sdk.tenant, made.item_id)
    with pytest.raises(NotFoundException):
        sdk.accounting.get_item(sdk.tenant, made.item_id)


def test_the_sdk_takes_an_invoice_from_draft_to_paid_and_back(sdk: Any) -> None:
    contact = sdk.accounting.get_contacts(sdk.tenant, page=1).contacts[0]
    item = sdk.accounting.get_items(sdk.tenant).items[0]
    new = Invoice(
        type="ACCREC",
        contact=Contact(contact_id=contact.contact_id),
        date=date(2026, 11, 2),
        due_date=date(2026, 12, 2),
        line_amount_types=LineAmountTypes.EXCLUSIVE,
        reference="SDK",
        line_items=[
            LineItem(
                description="Consulting",
                quantity=Decimal("2"),
                unit_amount=Decimal("0.1234"),
                account_code="200",
                tax_type="OUTPUT",
                discount_rate=Decimal("10"),
            ),
            LineItem(item_code=item.code, quantity=Decimal("1")),
        ],
    )
    made = sdk.accounting.create_invoices(sdk.tenant, Invoices(invoices=[new]), unitdp=4).invoices[0]
    assert made.status == "DRAFT"
    assert made.date == date(2026, 11, 2)
    assert made.line_items[0].unit_amount == Decimal("0.1234")
    assert made.line_items[1].unit_amount == item.sales_details.unit_price
    assert made.total == made.sub_total + made.total_tax
    approve = Invoices(invoices=[Invoice(status="AUTHORISED")])
    approved = sdk.accounting.update_invoice(sdk.tenant, made.invoice_id, approve, unitdp=4).invoices[0]
    assert approved.amount_due == made.total
    payment = Payment(
        invoice=Invoice(invoice_id=made.invoice_id),
        account=Account(code="090"),
        date=date(2026, 11, 9),
        amount=approved.amount_due,
    )
    paid = sdk.accounting.create_payments(sdk.tenant, Payments(payments=[payment])).payments[0]
    assert paid.payment_type == "ACCRECPAYMENT"
    after = sdk.accounting.get_invoice(sdk.tenant, made.invoice_id, unitdp=4).invoices[0]
    assert (after.status, after.amount_due) == ("PAID", 0)
    assert after.fully_paid_on_date == date(2026, 11, 9)
    assert after.payments[0].payment_id == paid.payment_id
    with pytest.raises(AccountingBadRequestException) as raised:
        sdk.accounting.update_invoice(
            sdk.tenant, made.invoice_id, Invoices(invoices=[Invoice(date=date(2026, 1, 1))])
        )
    assert "payment or credit note" in str(raised.value.error_data)
    sdk.accounting.delete_payment(sdk.tenant, paid.payment_id, PaymentDelete(status="DELETED"))
    assert sdk.accounting.get_invoice(sdk.tenant, made.invoice_id).invoices[0].status == "AUTHORISED"
    void = Invoices(invoices=[Invoice(invoice_id=made.invoice_id, status="VOIDED")])
    voided = sdk.accounting.update_or_create_invoices(sdk.tenant, void, summarize_errors=False).invoices[0]
    assert voided.status == "VOIDED"


def test_the_sdk_reads_invoices_and_payments_in_pages(sdk: Any) -> None:
    page = sdk.accounting.get_invoices(
        sdk.tenant,
        where='Type=="ACCREC"',
        statuses=["PAID"],
        page=1,
        page_size=50,
        order="InvoiceID",
        unitdp=4,
    )
    assert len(page.invoices) == 50
    assert all(i.status == "PAID" and i.line_items and i.amount_due == 0 for i in page.invoices)
    number = page.invoices[0].invoice_number
    (same,) = sdk.accounting.get_invoices(sdk.tenant, invoice_numbers=[number]).invoices
    assert same.invoice_id == page.invoices[0].invoice_id
    assert same.line_items == []
    payments = sdk.accounting.get_payments(sdk.tenant, page=1, page_size=10)
    assert len(payments.payments) == 10
    assert payments.payments[0].invoice.invoice_id


def test_the_sdk_reads_reference_data(sdk: Any) -> None:
    accounts = sdk.accounting.get_accounts(sdk.tenant, where='Type=="BANK"').accounts
    assert {a.code for a in accounts} == {"090", "091"}
    assert "OUTPUT" in {r.tax_type for r in sdk.accounting.get_tax_rates(sdk.tenant).tax_rates}
    assert len(sdk.accounting.get_currencies(sdk.tenant).currencies) == 3
    assert sdk.accounting.get_branding_themes(sdk.tenant).branding_themes[0].name == "Standard"


def test_the_sdk_tells_limits_and_refusals_apart(sdk: Any) -> None:
    # With a Retry-After the SDK's own pool would wait by the real clock.
    sdk.remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name="concurrent", path="/api"))
    with pytest.raises(RateLimitException) as limited:
        sdk.accounting.get_organisations(sdk.tenant)
    assert limited.value.rate_limit == "concurrent"
    with pytest.raises(HTTPStatusException) as refused:
        sdk.accounting.get_organisations("00000000-0000-0000-0000-000000000001")
    assert refused.value.status == 403
    sdk.remote.sandbox.clock.advance(1801)
    with pytest.raises(HTTPStatusException) as expired:
        sdk.accounting.get_organisations(sdk.tenant)
    assert expired.value.status == 401
